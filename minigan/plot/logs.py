"""What a run tells: the curves of its log, and D's ROC curve."""

import csv
from pathlib import Path

import numpy as np

from ..errors import DataError
from .colours import D_COLOUR, G_COLOUR, GENERATED, REAL

__all__ = ["curves", "read_log", "roc"]


def curves(axes, log):
    """Draw a run's log on two axes: the losses, and what D thinks of real and generated samples.

    axes : two matplotlib axes;  log : the path of a `log.csv`, or a dict column → list of numbers
    """
    columns = log if isinstance(log, dict) else read_log(log)
    step = np.asarray(columns["step"])
    for ax, pairs, label in zip(axes, (
        (("loss_d", "$L_D$", D_COLOUR), ("loss_g", "$L_G$", G_COLOUR)),
        (("d_real", "D(x)", REAL), ("d_fake", "D(G(z))", GENERATED)),
    ), ("loss", "D's opinion, mean over the batch")):
        for name, title, colour in pairs:
            values = np.asarray(columns[name], float)
            ax.plot(step, values, color=colour, alpha=0.25, linewidth=0.7)
            ax.plot(*_smooth(step, values), color=colour, linewidth=1.8, label=title)
        ax.set_xlabel("step of G")
        ax.set_ylabel(label)
        ax.legend(loc="best")
        ax.grid(alpha=0.3)


def roc(ax, a_real, a_fake):
    """Draw D's ROC curve on `ax`, from its scores (N, 1) on real and on generated samples."""
    from ..metrics import auc, roc_curve

    fpr, tpr, _ = roc_curve(a_real, a_fake)
    ax.plot(fpr, tpr, color=D_COLOUR, linewidth=1.8, label=f"D, AUC {auc(a_real, a_fake):.3f}")
    ax.plot([0, 1], [0, 1], color="0.5", linestyle="--", linewidth=1, label="a coin, AUC 0.5")
    ax.set_xlabel("generated samples called real (false positives)")
    ax.set_ylabel("real samples called real (true positives)")
    ax.set_aspect("equal")
    ax.legend(loc="lower right")
    ax.grid(alpha=0.3)


def _smooth(step, values):
    """The running mean over about a fiftieth of the curve."""
    width = max(1, len(values) // 50)
    kernel = np.full(width, 1 / width)
    return np.convolve(step, kernel, "valid"), np.convolve(values, kernel, "valid")


def read_log(path):
    """The columns of a `log.csv`: a dict name → list of numbers, NaN where there is none.

    A last row that does not end, as a run that was killed can leave it, is left out. Raises DataError for what is no
    log.
    """
    try:
        text = Path(path).read_text(encoding="utf-8")
        rows = csv.DictReader(text[: text.rfind("\n") + 1].splitlines())
        names, rows = rows.fieldnames or [], list(rows)
        if any(None in row for row in rows):
            raise ValueError("a row is longer than the first")
        columns = {name: [float(row[name] or "nan") for row in rows] for name in names}
    except (OSError, ValueError, csv.Error) as error:
        raise DataError("not a readable log", where=str(path), got=f"{type(error).__name__}: {error}") from error
    if "step" not in columns:
        raise DataError("not a log of a run", where=str(path), expected="a column 'step'", got=", ".join(names)[:200])
    return columns
