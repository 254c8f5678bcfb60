"""The outcome of a search: settings ranked by what their samples are worth, with the spread over the seeds."""

import csv
from dataclasses import dataclass
from math import inf, isnan, log, nan, sqrt
from pathlib import Path
from statistics import mean, stdev

import numpy as np

from .. import plot
from ..files import replacing
from ..text import wrapped

__all__ = ["Row", "Table"]

SHOWN = 30  # rows in the picture
PANELS = 3  # numeric options in it
# Student's quantile 0.975 at 1/ν; between these it is close to a straight line in 1/ν.
STUDENT = [0, 1 / 30, 1 / 10, 1 / 5, 1 / 3, 1 / 2, 1], [1.960, 2.042, 2.228, 2.571, 3.182, 4.303, 12.706]


@dataclass(frozen=True)
class Row:
    """A setting and how it did.

    setting : option → value, of the options that were searched
    key     : the beginning of the names of its files in `trials/`
    values  : the metric for each seed that was trained to the end
    reasons : why the others were not
    """

    setting: dict
    key: str
    values: tuple = ()
    reasons: tuple = ()

    @property
    def mean(self):
        """The mean over the seeds, NaN if there is none."""
        return mean(self.values) if self.values else nan

    @property
    def std(self):
        """Their sample standard deviation, with K − 1 in the denominator, NaN for a single seed."""
        return stdev(self.values) if len(self.values) > 1 else nan

    @property
    def name(self):
        """The setting in a few words, such as "lr 0.001, lsgan"."""
        words = [value if isinstance(value, str) else f"{name} {value:g}" for name, value in self.setting.items()]
        return ", ".join(words) or "the setting"


@dataclass(frozen=True)
class Table:
    r"""Settings, the best first: those of which every seed came to its end by their mean, then those that failed.

    data, metric, steps, seeds : what was trained and how it is measured; smaller is better
    fixed   : option → value, of the options that were given but not searched
    rows    : a list of `Row`, put in order here
    floor   : what the metric is for real samples against real ones
    command : what trains the best setting
    `str` of it is the table that `minigan tune` prints.

    Two settings are told apart where Welch's t test says so at 5 %: where the difference of their means, in units of
    its standard error, is above the quantile 0.975 of Student's distribution with ν degrees of freedom:

    $$t = \frac{m_2 - m_1}{\sqrt{u_1 + u_2}}, \quad u = \frac{s^2}{K}, \quad
      \nu = \frac{(u_1 + u_2)^2}{u_1^2/(K_1 - 1) + u_2^2/(K_2 - 1)}$$

    Of three seeds each it asks much (t > 2.8 at equal spreads, 4.3 if one of the two is small), for three seeds can be
    alike by chance. That the first of many settings owes its place in part to luck, it does not know.
    Source : Welch 1947.
    """

    data: str
    metric: str
    steps: int
    seeds: int
    fixed: dict
    rows: list
    floor: float
    command: str = ""

    def __post_init__(self):
        order = sorted(self.rows, key=lambda row: (len(row.reasons), not row.values, row.mean if row.values else inf))
        object.__setattr__(self, "rows", order)

    @property
    def best(self):
        """The first row, or None if no setting was trained to the end."""
        first = self.rows[0]
        return first if first.values and not first.reasons else None

    def title(self):
        """What was done, in a sentence."""
        fixed = "".join(f", {name} {value}" for name, value in self.fixed.items())
        return (f"{self.data}{fixed}, {self.steps} steps of G. {self.metric} after training, smaller is better: mean ± "
                f"standard deviation over {self.seeds} seed{'s'[:self.seeds > 1]}. Real samples against real ones have "
                f"{self.floor:.3g}.")

    def verdict(self):
        """Whether the first can be told apart from the others, in a sentence."""
        if self.best is None:
            return "No setting was trained to its end with every seed."
        others = [row for row in self.rows[1:] if row.values and not row.reasons]
        if not others:
            return "There is no other setting to compare it with."
        if any(len(row.values) < 2 for row in (self.best, *others)):
            return "One seed says nothing about the spread, so the order may be luck: give more --seeds."
        ties = [rank for rank, row in enumerate(others, 2) if not _told_apart(self.best, row)]
        if ties:
            return (f"No. 1 cannot be told apart from no. {_ranks(ties)}: with this spread over the seeds the "
                    "difference may be chance (Welch's t test, 5 %). More --seeds may tell, or more --steps.")
        return "No. 1 is better than every other by more than chance would explain (Welch's t test, 5 %)."

    def cells(self):
        """The table as text: a list of rows, the first with the columns' names."""
        names = list(self.rows[0].setting)
        lines = [["no.", *names, "mean", "±", "min", "max", "seeds", "remark"]]
        for rank, row in enumerate(self.rows, 1):
            figures = (row.mean, row.std, min(row.values), max(row.values)) if row.values else (nan,) * 4
            figures = ["" if isnan(value) else f"{value:.4g}" for value in figures]
            lines.append([str(rank), *(f"{value}" for value in row.setting.values()), *figures,
                          f"{len(row.values)} of {self.seeds}", _remark(row)])
        return lines

    def __str__(self):
        cells = self.cells()
        widths = [max(len(line[i]) for line in cells) for i in range(len(cells[0]))]
        lines = ["  ".join(cell.ljust(width) for cell, width in zip(line, widths)).rstrip() for line in cells]
        return "\n".join([wrapped(self.title()), "", *lines, "", wrapped(self.verdict())])

    def save(self, folder):
        """Write `table.csv`, `table.md` and `tuning.png` into a folder."""
        folder = Path(folder)
        with replacing(folder / "table.csv") as path, open(path, "w", newline="", encoding="utf-8") as file:
            writer = csv.writer(file)
            writer.writerow(["rank", *self.rows[0].setting, "mean", "std", "min", "max", "seeds", "trials", "remark"])
            for rank, row in enumerate(self.rows, 1):
                figures = (row.mean, row.std, min(row.values), max(row.values)) if row.values else ("",) * 4
                writer.writerow([rank, *row.setting.values(), *figures, len(row.values), row.key, _remark(row)])
        lines = [f"| {' | '.join(line)} |" for line in self.cells()]
        lines.insert(1, "|---" * len(self.cells()[0]) + "|")
        best = [f"The best is trained by\n\n    {self.command}"] if self.command else []
        with replacing(folder / "table.md") as path:
            text = "\n\n".join([self.title(), "\n".join(lines), self.verdict(), *best])
            path.write_text(text + "\n", encoding="utf-8")
        shown = [row for row in self.rows if row.values]
        if shown:
            numeric = [name for name in shown[0].setting
                       if len({row.setting[name] for row in shown}) > 1 and not isinstance(shown[0].setting[name], str)]
            plot.save(folder / "tuning.png", lambda axes: _draw(axes, self, shown[:SHOWN], numeric[:PANELS]),
                      ncols=1 + len(numeric[:PANELS]), size=(6.0, max(4.0, 1.6 + 0.3 * min(len(shown), SHOWN))))


def _told_apart(a, b):
    """Welch's t test of two rows of two or more values each."""
    u, v = (row.std**2 / len(row.values) for row in (a, b))
    if u + v == 0:
        return a.mean != b.mean
    freedom = (u + v)**2 / (u**2 / (len(a.values) - 1) + v**2 / (len(b.values) - 1))
    return abs(a.mean - b.mean) > np.interp(1 / freedom, *STUDENT) * sqrt(u + v)


def _ranks(ranks):
    """2, 3, 5, 6, 7 → "2, 3, 5 to 7" """
    spans = []
    for rank in ranks:
        if spans and spans[-1][1] == rank - 1:
            spans[-1][1] = rank
        else:
            spans.append([rank, rank])
    return ", ".join(f"{first}" if first == last else f"{first}{' to' if last > first + 1 else ','} {last}"
                     for first, last in spans)


def _remark(row):
    more = f", and {len(row.reasons) - 1} more" if len(row.reasons) > 1 else ""
    return row.reasons[0] + more if row.reasons else ""


def _draw(axes, table, rows, numeric):
    axes = np.atleast_1d(axes)
    ranking, label = axes[0], f"{table.metric} (smaller is better)"
    for place, row in enumerate(rows):
        ranking.plot(row.values, [place + 0.25] * len(row.values), "o", color=plot.D_COLOUR, alpha=0.45, markersize=5,
                     label="a seed" if place == 0 else None)
        ranking.errorbar(row.mean, place, xerr=0 if len(row.values) < 2 else row.std, fmt="D", color=plot.G_COLOUR,
                         markersize=5, capsize=3, label="mean ± sd" if place == 0 else None)
    ranking.axvline(table.floor, color="0.5", linestyle="--", linewidth=1, label="real against real")
    ranking.set_yticks(range(len(rows)), [row.name + (" (failed)" if row.reasons else "") for row in rows])
    ranking.invert_yaxis()
    ranking.set_xlabel(label)
    ranking.set_title(f"{table.data}, {table.steps} steps, {table.seeds} seed{'s'[:table.seeds > 1]}", fontsize=10)
    means = [row.mean for row in rows]
    wide = min(means) > 0 and max(means) > 20 * min(means)
    if wide:
        ranking.set_xscale("log")
    ranking.legend(loc="best", fontsize=8)
    for ax, name in zip(axes[1:], numeric):
        x = [row.setting[name] for row in rows]
        best = {value: min(row.mean for row in rows if row.setting[name] == value) for value in sorted(set(x))}
        ax.errorbar(x, means, yerr=[0 if len(row.values) < 2 else row.std for row in rows], fmt="o",
                    color=plot.D_COLOUR, alpha=0.6, capsize=3, label="a setting, mean ± sd")
        if len(best) < len(rows):  # not after random draws, which hardly ever repeat a value
            ax.plot(best.keys(), best.values(), color=plot.G_COLOUR, linewidth=1.8, label="the best with this value")
        places = [float(value) for value in best]
        if min(x) > 0 and max(x) >= 8 * min(x):
            ax.set_xscale("log")
            places = [log(value) for value in best]
        if min(np.diff(places)) >= (places[-1] - places[0]) / 8:  # or the numbers would run into each other
            ax.set_xticks(list(best), [f"{value:g}" for value in best])
            ax.minorticks_off()
        if wide:
            ax.set_yscale("log")
        ax.set_xlabel(name)
        ax.set_ylabel(label)
        ax.legend(loc="best", fontsize=8)
    for ax in axes:
        ax.grid(alpha=0.3)
