"""What the course's notebooks call: a function's source beside its formula, short runs for tests, progress bars."""

import ast
import inspect
import os
import re
from html import escape
from textwrap import dedent

from .errors import ConfigError

__all__ = ["Beside", "beside", "choose", "progress"]


def choose(full, fast):
    """`full`, or `fast` where the environment variable MINIGAN_FAST is 1.

    So a notebook says how long it trains, `STEPS = choose(full=8000, fast=100)`, and is a quick test of itself.
    """
    return fast if os.environ.get("MINIGAN_FAST") == "1" else full


def progress(iterable, total=None):
    """The elements of `iterable`, with a progress bar below the cell that goes away at the end.

    total : how many elements there will be, where `iterable` has no length
    """
    from tqdm import tqdm

    return tqdm(iterable, total=total, leave=False)


def beside(*functions):
    r"""Show functions or classes: on the left what the docstring says, its formulas drawn, on the right the code.

    Both come from the source as it is now, so the text cannot say something else than the code. Formula numbers are
    links to the course's `formulas.md`.

        beside(mg.losses.non_saturating_generator, mg.losses.saturating_generator)

    functions : functions, methods or classes that are written in Python
    returns   : a `Beside`, which a notebook shows as a table and a terminal as text
    raises    : ConfigError for what has no source or no docstring
    """
    return Beside([_split(f) for f in functions])


class Beside:
    """What `beside` shows.

    parts : a list of (title, docstring, code), strings all three
    """

    def __init__(self, parts):
        self.parts = parts

    def __repr__(self):
        return "\n\n".join(f"{title}\n\n{doc}\n\n{code}" for title, doc, code in self.parts)

    def _repr_html_(self):
        longest = max(len(line) for _, _, code in self.parts for line in code.splitlines())
        rows = "".join(_row(*part, wide=longest > 88) for part in self.parts)
        return f'<table style="width: 100%; border: 1px solid #ccc;">{rows}</table>'


def _row(title, doc, code, wide):
    cell = "vertical-align: top; text-align: left; background: white; color: black; padding: 0.6em; " \
           "overflow-wrap: anywhere;"
    return (f'<tr><td style="{cell} width: {26 if wide else 42}%;"><b><code>{escape(title)}</code></b>{_as_html(doc)}'
            f'</td><td style="{cell} border-left: 1px solid #ccc;">'
            f'{_pre(_highlighted(code), 80 if wide else 90)}</td></tr>')


def _pre(html, size=90):
    style = f"background: white; color: black; white-space: pre-wrap; font-family: monospace; font-size: {size}%;"
    return f'<pre style="{style}">{html}</pre>'


def _split(f):
    """(title, docstring, source without the docstring)"""
    doc = inspect.getdoc(f)
    try:
        source = dedent(inspect.getsource(f))
    except (TypeError, OSError):
        source = None
    if not doc or source is None:
        raise ConfigError("nothing to show", where="beside", expected="a function or class of Python with a docstring",
                          got=repr(f))
    (definition,) = ast.parse(source).body
    first, lines = definition.body[0], source.splitlines()
    if ast.get_docstring(definition) is not None:  # or it is inherited, and stands elsewhere
        del lines[first.lineno - 1 : first.end_lineno]
    return f"{f.__module__}.{f.__qualname__}", doc, "\n".join(lines).strip("\n")


# --- a docstring as HTML; formulas stay in their dollars, for MathJax ---

MATH = re.compile(r"(\$\$.+?\$\$|\$[^$\n]+?\$)", re.DOTALL)
ARGUMENT = re.compile(r"(?:^|;  +)([\w*][\w ,*().]*?) +: ", re.MULTILINE)  # the start of "x : (N, C);  returns : ()"


def _as_html(doc):
    """Paragraphs as paragraphs, one line for each argument, and indented blocks as code."""
    html = []
    for block in re.split(r"\n\s*\n", doc):
        if block.startswith("    "):
            html.append(_pre(escape(dedent(block))))
        else:
            lines = ARGUMENT.sub(r"<br><b>\1</b>: ", _inline(block)).removeprefix("<br>")
            html.append(f'<p style="margin: 0.5em 0;">{lines}</p>')
    return "".join(html)


def _inline(text):
    pieces = MATH.split(text)
    pieces[::2] = (_marked(escape(piece, quote=False)) for piece in pieces[::2])
    pieces[1::2] = (escape(" ".join(piece.split()), quote=False) for piece in pieces[1::2])
    return "".join(pieces)


def _marked(text):
    """`code`, the numbers of formulas (F5), networks (N2) and errata (X1), and the wide spaces between two formulas."""
    text = re.sub(r"(?<=\S) {3,}(?=[^\s:])", "&emsp;&emsp;", text)
    text = re.sub(r"`([^`]+)`", r"<code>\1</code>", text)
    return re.sub(r"\b([FNX])(\d{1,2})\b(?![^<]*</code>)",
                  lambda m: f'<a href="formulas.md#{m[1].lower()}{m[2]}">{m[0]}</a>', text)


def _highlighted(code):
    try:
        from pygments import highlight
        from pygments.formatters import HtmlFormatter
        from pygments.lexers import PythonLexer
    except ImportError:  # comes with Jupyter
        return escape(code)
    return highlight(code, PythonLexer(), HtmlFormatter(nowrap=True, noclasses=True)).rstrip("\n")
