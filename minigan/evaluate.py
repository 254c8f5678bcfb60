"""How good is a run: D as a classifier, G's samples against real ones, and whether training converges.

Everything is measured on real samples that training has not seen (but for the embedded digits and a folder of one's
own, which are one set), with both networks in evaluation mode, and several times, with fresh noise each time: a figure
is the mean of these draws and their standard deviation. The real samples are the same in each draw, so the spread is
that of G's samples alone; what depends on real ones only, such as recall, has none. How much two trainings differ, only
runs with other seeds say.
"""

import json
import os
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from . import convergence, data, metrics, plot
from .backend import enough_memory, random_streams
from .errors import ConfigError
from .files import replacing
from .run import STREAMS, apply, generate, labels, load
from .text import wrapped
from .yardsticks import yardstick

__all__ = ["Evaluation", "Figure", "evaluate", "quality"]

DRAWS = 5
BESIDE = {  # what to say beside D's figures
    "accuracy": "of all answers, how many are right; 0.5 is a coin",
    "precision": "of what D calls real, how much is",
    "recall": "of the real samples, how many D calls real",
    "f1": "the harmonic mean of the two",
    "auc": "how often a real sample scores above a generated one; 0.5: a coin",
}


@dataclass(frozen=True)
class Figure:
    """One measured figure: its mean over the draws, their standard deviation, and what to read it by."""

    group: str
    name: str
    mean: float
    std: float
    beside: str = ""

    def __str__(self):
        value = f"{self.mean:.4g}" + (f" ± {self.std:.2g}" if self.std > 0 else "")
        return wrapped(f"  {self.name:<28}{value:<22}{self.beside}", indent=52).rstrip()


@dataclass(frozen=True)
class Evaluation:
    """What `evaluate` measured. `str` of it is the table that `minigan evaluate` prints.

    title : what was measured;  figures : a list of `Figure`;  findings : those of `convergence.diagnose`
    """

    title: str
    figures: list
    findings: list

    def __str__(self):
        lines, group = [wrapped(self.title)], None
        for figure in self.figures:
            if figure.group != group:
                group = figure.group
                lines += ["", group]
            lines.append(str(figure))
        return "\n".join([*lines, "", "Is it converging?", convergence.report(self.findings)])


@enough_memory("evaluation", "Use a smaller n")
def evaluate(folder, n=None, draws=DRAWS, seed=0, data_dir=None, device=None, progress=None):
    """Measure the run in `folder`; writes `evaluation.json` and `roc.png` into it.

    n        : samples in a draw; by default 10,000 images or 2,500 points, or as many as there are real ones to compare
    draws    : how often everything is drawn anew;  seed : of the noise
    data_dir : as for `data.load`;  device : "cpu" or "cuda", the run's own by default
    progress : of the classifier's training, as for `metrics.train_classifier`
    returns  : an `Evaluation`

    Images are compared in the features of a small classifier that minigan trains once and keeps (`metrics.classifier`),
    but those of a folder, of which no classifier knows what they show, by their pixels.
    Raises CheckpointError for what is no run, DataError for a log that is missing or damaged, ConfigError for n or
    draws out of range or a folder that cannot be written.
    """
    if not isinstance(draws, int) or draws < 1:
        raise ConfigError("draws is out of range", expected="a whole number ≥ 1", got=repr(draws))
    folder, run = Path(folder), load(folder, data_dir, device)
    log, rng = plot.read_log(folder / "log.csv"), _noise(seed)
    if not os.access(folder, os.W_OK):  # said before minutes of measuring
        raise ConfigError("nothing can be written there", where=str(folder), fix="Evaluate a copy of the folder")
    real = yardstick(run.config, run.conditional, n, progress)
    of_d, of_g = [], []
    for _ in range(draws):
        y = _asked(run, real)
        x = _draw(run, y, real.n, rng)
        scores = [apply(run.D, samples, run.config.device, y=asked) for samples, asked in ((real.x, real.y), (x, y))]
        of_d.append(asdict(metrics.classification_report(*scores, run.objective.threshold)))
        of_g.append(real.measure(x, y))

    t = run.objective.threshold
    group = "D, telling real from generated" + ("" if t is None else f" (real where a > {t:g})")
    figures = [_figure(group, name, [draw[name] for draw in of_d], BESIDE[name])
               for name, value in of_d[0].items() if value is not None]
    figures += [_figure("Samples of G", name, [draw[name] for draw in of_g], real.beside.get(name, ""))
                for name in of_g[0]]
    figures += [_figure("To read them by", *known) for known in real.scale()]
    findings = convergence.diagnose(log, run.objective, samples=x, real=real.x, **real.counts(x))
    title = (f"{folder}: {run.config.model} on {run.config.data}, {run.config.objective}, after {run.step} steps. "
             f"{draws} draws of {real.n} samples, mean ± standard deviation over the draws. {real.remark}".rstrip())
    evaluation = Evaluation(title, figures, findings)
    with replacing(folder / "evaluation.json") as temporary:
        kept = asdict(evaluation)
        for figure in kept["figures"]:  # JSON has no infinity
            figure["mean"] = figure["mean"] if np.isfinite(figure["mean"]) else None
        temporary.write_text(json.dumps(kept, indent=2, ensure_ascii=False, allow_nan=False) + "\n", encoding="utf-8")
    plot.save(folder / "roc.png", lambda ax: plot.roc(ax, *scores))
    return evaluation


def quality(run, n=None, seed=0, progress=None):
    """The one figure by which runs on the same data are ranked, smaller is better: (name, value).

    For images the Fréchet distance to held-out images (for the embedded digits, to all) in the classifier's features,
    for points, sequences and the pixels of a folder's images the sliced Wasserstein distance to held-out ones (of a
    folder, to all). Both see what is missing as well as what
    is wrong. Losses see neither.
    """
    real = yardstick(run.config, run.conditional, n, progress)
    y = _asked(run, real)
    x = _draw(run, y, real.n, _noise(seed))
    return real.quality, real.measure(x, y)[real.quality]


def _figure(group, name, values, beside=""):
    spread = np.std(values, ddof=1) if len(values) > 1 and np.isfinite(values).all() else 0.0
    return Figure(group, name, float(np.mean(values)), float(spread), beside)


def _noise(seed):
    """Where z comes from: the stream that `run.sample` draws from, and no training does, of whatever seed."""
    return random_streams(seed, *STREAMS)["sampling"]


def _asked(run, real):
    """The classes that G is asked for: all equally often, but those of a folder, which can be of any size, as often as
    they are in it; None if it takes no labels."""
    if not run.conditional:
        return None
    return real.y if data.as_folder(run.config.data) else labels(real.n, run.classes)


def _draw(run, y, n, rng):
    """n fresh samples of G, of the classes y if it takes labels."""
    return generate(run.G, rng.standard_normal((n, run.config.latent_dim), dtype=np.float32), run.config.device, y=y)
