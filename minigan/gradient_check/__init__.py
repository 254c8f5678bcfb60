"""Is a derivative right, and if not, what is wrong with it? See `gradcheck`."""

from .check import ArgumentReport, Report, gradcheck

__all__ = ["gradcheck", "Report", "ArgumentReport"]
