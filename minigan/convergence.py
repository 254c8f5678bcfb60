r"""Is it converging? What a run's log and samples say about it, in words.

The losses of a GAN do not fall to a minimum, and none of them says that samples are good. But some ways of failing
show: each rule below looks for one of them, `diagnose` asks all rules, and `report` writes down what they found. Every
threshold is a constant with its reason beside it.

Two ideas carry the rules.

**D's loss is a thermometer** where the objective has an equilibrium: from 0, where D is always right, to its value
there, where D cannot tell (ln 4 for F4), and above that, where D is fooled. For the best D of F4 it is
$\ln 4 - 2\,\mathrm{JSD}(p_{data}, p_G)$ (Goodfellow et al. 2014, theorem 1). A Wasserstein critic has no such scale.

**Samples are measured with the data's own yardstick** (`metrics.likeness`): 0 where another batch of real samples
would be, 1 as far away as real samples are from each other.
"""

from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from .backend import to_numpy
from .metrics.likeness import Likeness, likeness
from .text import wrapped

__all__ = ["Finding", "diagnose", "report"]

MIN_STEPS = 200  # in its first steps every healthy run looks ill: its samples hardly vary, and D has learned nothing
RECENT = 1 / 4  # the part of the log that is judged
EARLY = 1 / 10  # the part that it is compared with
MOST = 0.9  # "nearly always": this share of the recent steps


@dataclass(frozen=True)
class Finding:
    """One thing that was found.

    code     : its short name, which does not change
    severity : "good", "note" or "warning"
    message  : what is seen, what it means and what helps
    """

    code: str
    severity: str
    message: str


def diagnose(log, objective, *, samples=None, real=None, modes=None, classes=None):
    """What the log of a run, and its samples if they are given, say about convergence.

    log       : column → a list of numbers, one for each step: loss_d, loss_g, d_real, d_fake, grad_norm_d, grad_norm_g,
                as `plot.read_log` gives it. A column may be missing, and single values NaN; rules that need them are
                left out
    objective : the `losses.Objective` that was trained
    samples   : (n, …) samples of G, and `real` (m, …) of the data: 64 of each or more for images, 500 for points
    modes     : (covered, all) how many modes of a mixture G reaches, of how many
    classes   : (covered, all) how many classes the samples fall into, of how many
    returns   : a list of `Finding`, never empty: warnings first; one alone says that nothing was found
    raises    : ShapeError if samples and data differ in size, DataError for NaN in the data

    The same arguments give the same findings: nothing here is drawn from a generator that another call moves.
    """
    broken = samples is not None and not np.isfinite(to_numpy(samples)).all()
    like = None if broken or samples is None or real is None else likeness(samples, real)
    columns = {name: np.asarray(values, dtype=np.float64) for name, values in log.items()}
    seen = _Evidence(objective, columns, broken, like, modes, classes)
    if lost := _not_finite(seen):
        return [lost]  # of such numbers nothing else can be said
    if seen.steps < MIN_STEPS:
        return [Finding("too-early", "note", f"{seen.steps} steps are too few to say anything about convergence; "
                                             f"it takes {MIN_STEPS}.")]
    findings = [finding for rule in RULES if (finding := rule(seen))]
    return sorted(findings, key=lambda finding: finding.severity != "warning") or [_nothing_found(seen)]


def report(findings):
    """The findings as text for the terminal: a paragraph each, beginning with its severity."""
    return "\n".join(wrapped(f"[{finding.severity}] {finding.message}") for finding in findings)


# --- what the rules are given ---


@dataclass(frozen=True)
class _Evidence:
    objective: object
    columns: dict  # name → all values (n,), NaN where there is none
    broken: bool  # NaN or infinity in the samples
    likeness: Likeness | None
    modes: tuple | None
    classes: tuple | None

    @property
    def steps(self):
        return len(self.columns.get("loss_d", ()))

    @property
    def unit(self):
        """Half of L_D where D cannot tell: what one batch contributes. NaN, of which no comparison is true, if none."""
        return self.at_equilibrium("loss_d") / 2

    def at_equilibrium(self, name):
        """The value of loss_d or loss_g where D cannot tell, or NaN."""
        return dict(zip(("loss_d", "loss_g"), self.objective.equilibrium or (np.nan, np.nan)))[name]

    def known(self, name):
        """The column without its NaN; empty if that leaves less than half of the steps."""
        values = self.columns.get(name, np.empty(0))
        values = values[~np.isnan(values)]
        return values if 2 * len(values) >= self.steps else values[:0]

    def early(self, name):
        """Its first part."""
        values = self.known(name)
        return values[:int(np.ceil(EARLY * len(values)))]

    def recent(self, name):
        """Its last part."""
        values = self.known(name)
        return values[len(values) - int(np.ceil(RECENT * len(values))):]

    def last_half(self, name):
        values = self.known(name)
        return values[len(values) // 2:]

    def level(self, name):
        """The median of its last part, or NaN."""
        return _median(self.recent(name))

    def opinions(self):
        """What D thinks, as a part of a sentence."""
        real, fake = self.level("d_real"), self.level("d_fake")
        return f" (of real samples it thinks {real:.3g}, of generated ones {fake:.3g})" if real == real else ""

    def comparison(self):
        """The likeness as a part of a sentence."""
        like = self.likeness
        return (f"distance of samples to data {like.strange:.2f}, of data to samples {like.missing:.2f}, sliced "
                f"Wasserstein {like.distance:.2f}, where 0 is another batch of data and 1 are strangers; variance "
                f"{like.variance:.2f} of the data's")


def _median(values):
    return float(np.median(values)) if len(values) else np.nan


def _share(condition):
    """The share of steps for which it is true; 0 of none."""
    return float(np.mean(condition)) if len(condition) else 0.0


# --- the rules: what is seen → a finding, or None ---


def _not_finite(seen):
    """NaN or infinity. A NaN that numbers follow is a gap in the log: parameters that are NaN stay NaN."""
    where = "G's samples contain NaN or infinity" if seen.broken else None
    for name in ("loss_d", "loss_g", "grad_norm_d", "grad_norm_g"):
        values = seen.columns.get(name, np.empty(0))
        finite = np.flatnonzero(np.isfinite(values))
        after = finite[-1] + 1 if len(finite) else 0
        if np.isinf(values).any():
            where = f"{name} is infinite in row {np.isinf(values).argmax() + 1} of the log"
        elif name.startswith("loss") and after < len(values):
            where = f"{name} is NaN from row {after + 1} of the log on"
    return where and Finding("diverged", "warning", f"{where}: training has diverged. Smaller learning rates help, and "
                                                    "a look at the data for NaN (004 §5.2).")


UNBOUNDED = 50  # times half of L_D at equilibrium: 35 for F4, where D gives the truth a probability of e^-35
GROWTH = 1.3  # from one quarter of the log to the next. Growth that is only linear ends with a factor of 7/5
GROWN = 5  # and in all. Linear growth makes 7; a critic that finds its level in the first quarter, none
OF_SIZE = 1  # and so large: images in [−1, 1] and points lie at distances of 1 to 10. Clipped critics start at 1e-5
OUTSIDE = 100  # times the data's variance


def _unbounded(seen):
    """Losses or samples that grow without bound.

    With an equilibrium: a loss far beyond it. For a Wasserstein critic: |L_D| that grows through all quarters of the
    log. A 1-Lipschitz D cannot score two samples further apart than they lie, so its loss is bounded.
    """
    for name in ("loss_d", "loss_g"):
        if abs(seen.level(name)) >= UNBOUNDED * seen.unit:
            return Finding("diverged", "warning",
                           f"{name} is at {seen.level(name):.3g}, where it would be {seen.at_equilibrium(name):.3g} if "
                           "D could not tell: it grows without bound. Smaller learning rates help (002 §9.2).")
    if seen.likeness and seen.likeness.variance >= OUTSIDE:
        return Finding("diverged", "warning",
                       f"The samples' variance is {seen.likeness.variance:.3g} times the data's: G has left the data's "
                       "region. A smaller learning rate for G, or an output layer with bounds, helps (002 §9.2).")
    if seen.objective.equilibrium is None:
        levels = [_median(abs(quarter)) for quarter in np.array_split(seen.known("loss_d"), 4)]
        if levels[3] >= max(GROWN * levels[0], OF_SIZE) and all(b >= GROWTH * a for a, b in pairwise(levels)):
            return Finding("diverged", "warning",
                           f"The critic's loss grows steadily, from {levels[0]:.3g} to {levels[3]:.3g} in size: its "
                           "slope is not kept at 1. Clipping or the gradient penalty (F9, 002 §9.2) is missing or too "
                           "weak, or D's learning rate too large.")
    return None


EXPLODED = 10_000  # a rise that training does not need: from weights N(0, 0.02) to the ring's narrow modes it is 5,000
SPIKE = 100  # over the median; healthy runs stay below 10


def _exploding(seen):
    """Exploding gradients: norms that rise by orders of magnitude, or single ones far above the usual."""
    for network in "DG":
        name = f"grad_norm_{network.lower()}"
        early, level, recent = _median(seen.early(name)), seen.level(name), seen.recent(name)
        usual = max(early, _median(seen.known(name)))  # the early one too: where D is sure, the median is next to 0
        if level >= EXPLODED * early > 0:
            what = f"has grown from {early:.3g} to {level:.3g}"
        elif len(recent) and recent.max() >= SPIKE * usual > 0:
            what = f"jumps to {recent.max():.3g}, usually {usual:.3g}"
        else:
            continue
        return Finding("exploding-gradients", "warning",
                       f"The norm of {network}'s gradient {what}: exploding gradients (004 §5.2). A smaller learning "
                       "rate, normalisation layers or a penalty on D's gradient help.")
    return None


SURE = 0.05  # of L_D at equilibrium: 0.07 for F4, where D is right with a probability of 97 %


def _saturated(seen):
    """D tells nearly every sample: L_D next to 0, nearly always."""
    loss_d = seen.recent("loss_d")
    if not _share(loss_d < SURE * seen.at_equilibrium("loss_d")) >= MOST:
        return None
    return Finding("d-saturated", "warning",
                   f"D is nearly always right: its loss is {_median(loss_d):.2g}, where it would be "
                   f"{seen.at_equilibrium('loss_d'):.3g} if it could not tell{seen.opinions()}. G learns little from "
                   "such a D (002 §9.1). A smaller learning rate or fewer steps for D, a penalty on its gradient, or a "
                   "Wasserstein objective help (002 §9.2).")


FLAT = 0.02  # a slope of F3 in the score that is 1/25 of the ½ it has where D cannot tell
VANISHED = 1 / 30  # of G's early gradient norm; in healthy runs it falls to 1/7
STRONG = 0.25  # of L_D at equilibrium: 0.35 for F4, right with a probability of 84 %


def _vanishing(seen):
    r"""G gets no gradient.

    F3's derivative in the score is $-\sigma(a)$, so its mean size is what the log calls d_fake. For every objective:
    G's gradient norm far below its early one while D is strong (at an optimum of G it falls too, but D is not).
    """
    d_fake, early, level = seen.recent("d_fake"), _median(seen.early("grad_norm_g")), seen.level("grad_norm_g")
    if seen.objective.name == "bce" and _share(d_fake < FLAT) >= MOST:
        what = (f"D(G(z)) is {_median(d_fake):.2g}, and that is the slope of G's saturating loss (F3) in D's score: "
                "½ where D cannot tell")
    elif level <= VANISHED * early and seen.level("loss_d") < STRONG * seen.at_equilibrium("loss_d"):
        what = f"The norm of G's gradient has fallen from {early:.3g} to {level:.3g} while D is sure"
    else:
        return None
    return Finding("vanishing-gradient", "warning",
                   f"{what}: G's gradient vanishes (002 §9.1). The non-saturating loss (F5), a weaker D or a "
                   "Wasserstein objective help (002 §9.2).")


ALIKE = 0.1  # of the data's variance. A single class of digits has half of it
UNLIKE = 0.4  # `Likeness.strange` of samples that are not like the data, such as those of an untrained G: 0.5 to 1
MISSING = 0.3  # `Likeness.missing`. Four neighbours of the ring's eight modes missing make 0.43, real data below 0.1
COVERED = 0.75  # of the modes or classes. A G that has learned reaches all of the ring's


def _collapsed(seen):
    """Mode collapse: samples that hardly vary; real samples with none near while samples are; few modes or classes.

    An untrained G, too, makes samples that hardly vary, or that touch few modes, but these are not like the data; it
    gets a note. Where they stay so under a D that is nearly always right, it is a warning.
    """
    like, what = seen.likeness, None
    if like and like.variance < ALIKE:
        what = f"the samples' variance is {like.variance:.2g} of the data's, so G draws nearly the same for every z"
        sure = seen.level("loss_d") < SURE * seen.at_equilibrium("loss_d")
        if like.strange >= UNLIKE and not sure:
            return Finding("samples-alike", "note", f"{what[0].upper()}{what[1:]}, and nothing like the data. Either G "
                                                    "has hardly been trained yet, or it has collapsed (002 §9.1).")
    elif like and like.missing > MISSING and like.strange < like.missing / 2:
        what = (f"samples are close to real ones ({like.strange:.2f}, from 0 for another batch of data to 1 for "
                f"strangers), but many real ones have no sample near ({like.missing:.2f})")
    elif like is None or like.strange < UNLIKE:
        for name, counts in (("modes", seen.modes), ("classes", seen.classes)):
            if counts and counts[0] < COVERED * counts[1]:
                what = f"the samples reach {counts[0]} of {counts[1]} {name}"
    other = " or a Wasserstein objective" if seen.objective.equilibrium else ""
    return what and Finding("mode-collapse", "warning", f"Mode collapse (002 §9.1): {what}. A smaller learning rate "
                                                        f"for G, more steps of D{other} may help (002 §9.2).")


CYCLE = 0.5  # height of the autocorrelation's second peak; the highest of 2,400 noises and random walks had 0.53
NEARLY = 0.9  # of the highest peak: the first as high is the period, and which multiple is highest is chance
CYCLES = 4  # how many must be seen
SHORTEST = 6  # steps; below, it is the stagger of an optimiser with momentum
SWING = 0.1  # standard deviation, in halves of L_D at equilibrium
SWING_OF_CRITIC = 0.5  # the same for a critic, in its mean loss
SETTLING = 0.7  # swings that shrink by so much, from the first half of what is looked at to the second, die down


def _oscillating(seen):
    """Losses that go round in circles: autocorrelation that falls below 0 and comes back, over the last half.

    White noise around the equilibrium does not come back, nor does a drift or a random walk. Swings that die down are
    what convergence looks like.
    """
    names = ("loss_d", "loss_g") if seen.objective.equilibrium else ("loss_d",)  # a critic's loss_g has no level
    for name in names:
        x = seen.last_half(name)
        if len(x) < MIN_STEPS // 4:  # the log has gaps
            continue
        period, height, swing = _cycle(x)
        floor = SWING * seen.unit if seen.objective.equilibrium else SWING_OF_CRITIC * abs(x.mean())
        before, after = (half.std() for half in np.array_split(x, 2))
        if height >= CYCLE and period >= SHORTEST and swing >= floor and after > SETTLING * before:
            return Finding("oscillation", "warning",
                           f"{name} swings by ±{np.sqrt(2) * swing:.2g} about {x.mean():.3g}, about every {period} "
                           "steps, and does not settle: G and D chase each other (002 §9.1). Smaller learning rates, "
                           "less momentum (beta1), or a penalty on D's gradient damp it (002 §9.2).")
    return None


def _cycle(x):
    """(period, height of the autocorrelation there, standard deviation) of x without its trend, by Wiener-Khinchin."""
    n, t = len(x), np.arange(len(x))
    x = x - np.polyval(np.polyfit(t, x, 1), t)
    if not x.std() > 0:
        return 0, 0.0, 0.0
    power = np.abs(np.fft.rfft(x, 2 * n)) ** 2
    r = np.fft.irfft(power)[:n // CYCLES]
    r /= r[0] * (1 - np.arange(len(r)) / n)  # each lag's mean over the pairs that there are
    below = np.flatnonzero(r < 0)
    if not len(below):
        return 0, 0.0, float(x.std())
    height = r[below[0]:].max()
    lag = below[0] + (r[below[0]:] >= NEARLY * height).argmax()  # on the flank of the first peak of that height;
    lag += r[lag:lag + lag // 2 + 1].argmax()  # those that follow are its multiples
    return int(lag), float(height), float(x.std())


TOLERANCE = 0.05  # of L_D at equilibrium, for both losses: a JSD of 5 % of its largest value, ln 2, for D of F4
FOOLED = 1.25  # times L_D at equilibrium
AGREES = 0.3  # each figure of `likeness`; real data stay below 0.1, trained G of digits and ring end at 0.0 to 0.3
DIFFERS = 0.5  # one of them; untrained ones have 0.6 and more
BEGUN = 500  # steps after which a D that cannot tell should have learned something


def _balance(seen):
    """D cannot tell, or is fooled: equilibrium if the samples agree with the data, else an idle D.

    Both halves of the last half of the log must say so: a D that only starts to learn passes by.
    """
    levels = {name: [_median(part) for part in np.array_split(seen.last_half(name), 2)]
              for name in ("loss_d", "loss_g")}
    of_d = seen.at_equilibrium("loss_d")
    losses = f"loss_d is {levels['loss_d'][1]:.3g} and loss_g {levels['loss_g'][1]:.3g}"
    if min(levels["loss_d"]) >= FOOLED * of_d and seen.level("d_fake") > seen.level("d_real"):
        return Finding("d-fooled", "warning",
                       f"{losses}: D would do better if it knew nothing ({of_d:.3g}){seen.opinions()}. It is too weak "
                       "or learns too slowly to teach G. A larger learning rate or more steps for D help (002 §9.2).")
    near = (abs(level - seen.at_equilibrium(name)) <= TOLERANCE * of_d for name in levels for level in levels[name])
    if _oscillating(seen) or not all(near):
        return None
    what = f"D cannot tell: {losses}, as where it gives the same answer to everything"
    like = seen.likeness
    if like is None:
        return Finding("cannot-tell", "note", f"{what}. That is the equilibrium if the samples are good, and a D that "
                                              "has learned nothing if they are not: look at them.")
    worst = max(like.strange, like.missing, like.distance)
    if worst <= AGREES and 0.5 <= like.variance <= 2 and not _collapsed(seen):
        return Finding("equilibrium", "good", f"{what}; and by a simple comparison the samples agree with the data "
                                              f"({seen.comparison()}). That is what an equilibrium looks like.")
    if worst < DIFFERS:
        return Finding("cannot-tell", "note", f"{what}. The samples are like the data, but not quite "
                                              f"({seen.comparison()}): near an equilibrium, or a D that is too weak.")
    return Finding("d-too-weak", "warning" if seen.steps >= BEGUN else "note",
                   f"{what}; but the samples differ from the data ({seen.comparison()}). This is no equilibrium: D has "
                   "not learned yet, or is too weak. A larger learning rate, more steps or a larger network for D help "
                   "(002 §9.2).")


RULES = (_unbounded, _exploding, _saturated, _vanishing, _collapsed, _oscillating, _balance)


def _nothing_found(seen):
    compared = f" Samples against data: {seen.comparison()}." if seen.likeness else ""
    return Finding("nothing-found", "note",
                   "No sign of divergence, exploding or vanishing gradients, a saturated D, mode collapse or "
                   f"oscillation in the last part of {seen.steps} steps. Losses cannot say that samples are good: look "
                   f"at them.{compared}")
