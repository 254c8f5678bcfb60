"""What a gradient check found, as text for a terminal and as a table with heat maps for a notebook."""

import base64
import html
import io
from dataclasses import dataclass, field

import numpy as np

__all__ = ["Cause", "ArgumentReport", "OperationReport", "Report"]


@dataclass(frozen=True)
class Cause:
    """What is probably wrong: `code` is one of the names in `diagnosis`, `text` says it in words."""

    code: str
    text: str

    def __str__(self):
        return f"{self.code}: {self.text}"


@dataclass(frozen=True)
class ArgumentReport:
    """How the gradient with respect to one argument compares.

    name, shape       : of the argument
    checked, wrong    : how many derivatives were compared, and how many disagree beyond the tolerance
    kinks             : how many lie at a kink, where the function has two slopes and the analytic one is among them
    steps             : how many agree only at another step ε than the one asked for, `eps`; `better_eps` is such a step
    error             : the largest |analytic − numeric| / max(1, |numeric|)
    where             : the index of that element, or "direction k" where random directions were compared
    analytic, numeric : the two values there
    worst             : up to five rows (where, analytic, numeric), the wrong ones first
    errors            : |analytic − numeric| of every element, of the argument's shape; None for a large argument
    flat              : every derivative compared is zero, analytic and numeric: nothing was tested
    cause             : a `Cause` if it is wrong and the cause was looked for
    """

    name: str
    shape: tuple
    checked: int = 0
    wrong: int = 0
    kinks: int = 0
    steps: int = 0
    eps: float = 1e-5
    better_eps: float | None = None
    error: float = 0.0
    where: object = ()
    analytic: float = 0.0
    numeric: float = 0.0
    worst: list = field(default_factory=list, repr=False)
    errors: np.ndarray | None = field(default=None, repr=False, compare=False)
    flat: bool = False
    cause: Cause | None = None

    def __str__(self):
        verdict = "WRONG" if self.wrong else "ok   "
        share = f" ({100 * self.wrong / self.checked:.0f} %)" if self.wrong else ""
        line = f"{verdict} {self.name} {self.shape}: {self.wrong} of {self.checked} wrong{share}, " \
               f"worst error {self.error:.1e}"
        line += f"; {self.kinks} at a kink" if self.kinks else ""
        if self.steps:
            verdict = "big" if self.better_eps < self.eps else "small"
            line += f"; {self.steps} right with eps={self.better_eps:.0e}, the step {self.eps:.0e} is too {verdict}"
        lines = [line]
        if self.cause:
            lines.append(f"  cause: {self.cause}")
        if self.wrong and self.worst:
            lines += [f"    {row}" for row in _table(self.worst)]
        return "\n".join(lines)


def _table(rows):
    """index, analytic, numeric, ratio: lines of text."""
    cells = [("at", "analytic", "numeric", "ratio")]
    cells += [(_index(where), f"{a:.10g}", f"{n:.10g}", _ratio(a, n)) for where, a, n in rows]
    widths = [max(map(len, column)) for column in zip(*cells)]
    return ["  ".join(cell.rjust(width) for cell, width in zip(row, widths)) for row in cells]


def _index(where):
    return where if isinstance(where, str) else "(" + ", ".join(map(str, where)) + ")"


def _ratio(a, n):
    return f"{a / n:.6g}" if n else "–"


@dataclass(frozen=True)
class OperationReport:
    """The first operation of a graph whose own derivative is wrong.

    name      : of the operation
    layer     : path and class of the layer that called it, or ""
    line      : the innermost place in the user's own code that leads to it, or ""
    within    : the operation whose vjp called it, or "" (second order only)
    arguments : its own `ArgumentReport`s;  cause : why it is to blame, where these do not say it
    """

    name: str
    layer: str
    line: str
    within: str
    arguments: list[ArgumentReport]
    cause: Cause | None = None

    def __str__(self):
        place = [f"in the vjp of {self.within}"] * bool(self.within)
        place += [f"in layer {self.layer}"] * bool(self.layer) + [f"at {self.line}"] * bool(self.line)
        return ", ".join([self.name, *place])


@dataclass(frozen=True)
class Report:
    """What `gradcheck` found; true if every derivative agrees.

    order     : 1 or 2
    arguments : an `ArgumentReport` for each argument and parameter, and for order 2 for the cotangent
    operation : the first operation in the graph whose own check fails, if one does
    problem   : a `Cause` for which nothing could be compared at all
    notes     : what makes this check weaker than it looks
    """

    order: int
    arguments: list[ArgumentReport]
    operation: OperationReport | None = None
    problem: Cause | None = None
    notes: tuple = ()

    def __bool__(self):
        return not self.problem and not any(argument.wrong for argument in self.arguments)

    @property
    def error(self):
        """The largest error of all arguments."""
        return max((argument.error for argument in self.arguments), default=np.inf)

    @property
    def cause(self):
        """The `Cause` of the first wrong argument, or None."""
        found = [self.problem] if self.problem else []
        found += [a.cause for a in (self.operation.arguments if self.operation else []) if a.cause]
        found += [self.operation.cause] if self.operation and self.operation.cause else []
        found += [a.cause for a in self.arguments if a.cause]
        return found[0] if found else None

    def __str__(self):
        lines = [f"gradient of order {self.order}: {'right' if self else 'WRONG'}"]
        lines += [f"cause: {self.problem}"] if self.problem else []
        if self.operation:
            lines.append(f"first wrong operation: {self.operation}")
            lines += _indented(a for a in self.operation.arguments if a not in self.arguments)
        lines += _indented(self.arguments)
        lines += [f"note: {note}" for note in self.notes]
        return "\n".join([lines[0], *("  " + line for line in lines[1:])])

    __repr__ = __str__

    def _repr_html_(self):
        """A table, and a heat map of the error for every argument that is wrong."""
        rows = "".join(_html_rows(a) for a in self.arguments)
        head = f"<b>gradient of order {self.order}: {'right' if self else 'WRONG'}</b>"
        head += f"<br>{html.escape(str(self.problem))}" if self.problem else ""
        if self.operation:
            head += f"<br>first wrong operation: <code>{html.escape(str(self.operation))}</code>"
            own = [a for a in self.operation.arguments if a.wrong and a not in self.arguments]
            rows = "".join(map(_html_rows, own)) + rows
        columns = ("argument", "shape", "wrong", "worst error", "at", "analytic", "numeric", "ratio", "|error|")
        table = f"<table><tr>{''.join(f'<th>{c}</th>' for c in columns)}</tr>{rows}</table>" if rows else ""
        notes = "".join(f"<br>note: {html.escape(note)}" for note in self.notes)
        return f"<div>{head}{table}{notes}</div>"


def _indented(reports):
    return [line for report in reports for line in str(report).splitlines()]


def _html_rows(a):
    share = f"{a.wrong} of {a.checked}" + (f" ({100 * a.wrong / a.checked:.0f} %)" if a.wrong else "")
    worst = a.worst if a.wrong else []
    values = ["<br>".join(html.escape(cell) for cell in column)
              for column in zip(*((_index(w), f"{x:.8g}", f"{n:.8g}", _ratio(x, n)) for w, x, n in worst))] or [""] * 4
    cells = [html.escape(a.name), str(a.shape), share, f"{a.error:.1e}", *values, _heat_map(a) if a.wrong else ""]
    row = "".join(f"<td style='vertical-align:top'>{cell}</td>" for cell in cells)
    cause = f"<td></td><td colspan='8' style='text-align:left'>{html.escape(str(a.cause))}</td>"
    return f"<tr>{row}</tr>" + (f"<tr>{cause}</tr>" if a.cause else "")


def _heat_map(a):
    """A picture of |analytic − numeric|, as an <img> with the PNG inside."""
    if a.errors is None or a.errors.ndim == 0:
        return ""
    from matplotlib.figure import Figure

    errors = np.where(np.isfinite(a.errors), a.errors, np.nan)
    picture = errors.reshape(-1, errors.shape[-1])  # the last axis to the right, all others downwards
    figure = Figure(figsize=(2.6, 2.0), layout="constrained")
    ax = figure.subplots()
    shown = ax.imshow(picture, cmap="cividis", interpolation="nearest", aspect="auto")
    ax.set_xlabel("last axis")
    if errors.ndim > 1:
        ax.set_ylabel("other axes")
    ax.set_xticks([])
    ax.set_yticks([])
    figure.colorbar(shown)
    file = io.BytesIO()
    figure.savefig(file, format="png", dpi=80)
    png = base64.b64encode(file.getvalue()).decode()
    return f"<img src='data:image/png;base64,{png}' alt='error of {html.escape(a.name)}'>"
