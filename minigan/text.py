"""Text for a terminal."""

from textwrap import fill

__all__ = ["WIDTH", "wrapped"]

WIDTH = 120
"""The columns of a terminal that minigan writes for."""


def wrapped(line, indent=2):
    """`line` in lines of at most `WIDTH` columns, the second and further ones indented; words stay whole."""
    return fill(line, WIDTH, subsequent_indent=" " * indent, break_long_words=False, break_on_hyphens=False)
