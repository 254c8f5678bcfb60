"""Is a derivative right, and if not, what is wrong with it? See `gradcheck`."""

from .check import gradcheck
from .report import ArgumentReport, Cause, OperationReport, Report

__all__ = [
    "gradcheck", "Report", "ArgumentReport", "OperationReport", "Cause",
    "check", "report", "target", "pair", "operation", "compare", "explain", "evidence", "diagnosis", "parts",
    "moves",
]
