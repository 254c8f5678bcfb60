r"""One argument at a time: the analytic derivative against difference quotients, and what their disagreement means.

Where the two disagree, either of them may be at fault. The difference quotient is, if the function has a kink there,
or if the step is too big (the curve bends within it) or too small (rounding drowns the difference). Only where
it can be trusted is the analytic derivative wrong.
"""

from typing import NamedTuple

import numpy as np

from ..backend import to_device
from .report import ArgumentReport

__all__ = ["Settings", "compare"]

STEPS = (1e-5, 1e-4, 1e-6, 1e-3, 1e-7, 1e-2, 1e-8, 0.1, 1e-9, 1.0, 10.0)  # from the usual one outwards
WORK = 20_000_000  # numbers that may pass through the function while the elements of an argument are moved


class Settings(NamedTuple):
    """The step ε, the tolerances, and how much of a large argument is looked at (see `gradcheck`)."""

    eps: float
    rtol: float
    atol: float
    max_elements: int
    directions: int

    def agree(self, analytic, numeric):
        """Is |analytic − numeric| ≤ atol + rtol |numeric|? Written so that NaN is a no."""
        return np.abs(analytic - numeric) <= self.atol + self.rtol * np.abs(numeric)


class Line:
    """The function on the line through x along one element, or along a direction v; h is the place on the line."""

    def __init__(self, f, g, x, y, where, v=None):
        self.f, self.g, self.x, self.where, self.v = f, g, x, where, v
        self.values = {0.0: y}

    def at(self, h):
        """f(x + h v); x is put back exactly."""
        if h not in self.values:
            part = ... if self.v is not None else self.where
            original = self.x.data[part].copy()
            try:
                self.x.data[part] = original + h * (1.0 if self.v is None else self.v)
                self.values[h] = self.f().copy()
            finally:
                self.x.data[part] = original
        return self.values[h]

    def slope(self, right, left):
        """The slope of ⟨g, f⟩ between the places −left and right."""
        width = right + left
        if self.v is None:  # the step that rounding left of the one asked for
            here = float(self.x.data[self.where])
            width = (here + right) - (here - left) or width
        return float((self.g * (self.at(right) - self.at(-left))).sum()) / width

    def rounding(self, h):
        """About how much the rounding of f can change the slope between −h and h."""
        moved = self.at(h) != self.at(-h)
        y = self.at(0.0) * (moved if moved.any() else True)
        return 2 * np.finfo(float).eps * float(abs(self.g * y).sum()) / h


def compare(f, g, x, analytic, name, rng, settings, size=0):
    """Compare `analytic` with the slopes of ⟨g, f()⟩ along the elements of the tensor x, or along some of them.

    f : gives the array f(x) for the values that x has now;  g : an array like it;  size : of all of f's arguments
    returns : an `ArgumentReport`
    """
    if x.size == 0:
        return ArgumentReport(name, x.shape)
    y = f().copy()
    affordable = WORK // max(1, size + y.size)
    few = x.size <= min(settings.max_elements, affordable)
    some = min(x.size, settings.max_elements // 25, max(4, affordable // 4))
    chosen = range(x.size) if few else np.sort(rng.choice(x.size, some, replace=False)).tolist()
    a, n, kinks, steps = [], [], [], {}
    wheres, suspects = [], []

    def look_at(line, derivative):
        k = len(a)
        wheres.append(line.where)
        a.append(float(derivative))
        n.append(line.slope(settings.eps, settings.eps))
        agrees = settings.agree(a[k], n[k])
        with np.errstate(all="ignore"):
            kinks.append(not agrees and is_kink(line, a[k], n[k], settings.eps))
        if not agrees and not kinks[k]:
            suspects.append((k, line))
        line.values = {0.0: y}

    for index in (tuple(int(i) for i in np.unravel_index(k, x.shape)) for k in chosen):
        look_at(Line(f, g, x, y, index), analytic[index])
    for k in range(0 if few else settings.directions):
        v = rng.uniform(0.5, 1.5, x.shape) * rng.choice([-1.0, 1.0], x.shape)
        with np.errstate(invalid="ignore"):  # ∞ − ∞ is NaN, and counts as wrong
            derivative = (analytic * v).sum()
        look_at(Line(f, g, x, y, f"direction {k}", to_device(v, x.device)), derivative)

    # A few suspects show whether the step is at fault; only then is it worth asking of all of them.
    for tried, (k, line) in enumerate(suspects):
        if tried >= 3 and not steps:
            break
        if better := better_step(line, a[k], settings):
            steps[k] = better

    a, n, kinks = np.array(a), np.array(n), np.array(kinks)
    excused = kinks.copy()
    excused[list(steps)] = True
    with np.errstate(invalid="ignore"):
        wrong = ~settings.agree(a, n) & ~excused
        errors = np.abs(a - n)
        relative = np.where(excused, 0.0, np.where(np.isfinite(errors), errors / np.maximum(1, np.abs(n)), np.inf))
    order = np.lexsort((-relative, ~wrong))  # the wrong ones first, and of each kind the worst
    worst = int(order[0])
    return ArgumentReport(
        name, x.shape, len(a), int(wrong.sum()), int(kinks.sum()), len(steps),
        settings.eps, min(steps.values(), default=None),
        float(relative[worst]), wheres[worst], float(a[worst]), float(n[worst]),
        [(wheres[k], float(a[k]), float(n[k])) for k in order[:5]],
        np.where(excused, 0.0, errors).reshape(x.shape) if few else None,
        bool(not np.abs(n).max() and not wrong.any() and not kinks.any()),
    )


def is_kink(line, analytic, numeric, eps):
    """Is a kink within the step to blame, and the analytic derivative possible there?

    A bend of the function between −ε and ε sets the difference quotient off by half of how much the two one-sided
    slopes differ, and no more. Smooth curves bend, too, but ten times less over a step ten times smaller; and where a
    function is not deterministic, it seems to bend the more the smaller the step is.
    """
    def bends(h):
        return np.abs(line.at(h) - 2 * line.at(0.0) + line.at(-h)) / (2 * h)

    wide = bends(eps)
    slope = np.abs(line.at(eps) - line.at(-eps)).max() / (2 * eps)
    sharp = wide > np.maximum(1e-3 * slope, 10 * np.finfo(float).eps * np.abs(line.at(0.0)) / eps)
    seen = [line.at(0.0), line.values.pop(eps)]
    if not sharp.any() or not all(np.allclose(again, y) for again, y in zip((line.f(), line.at(eps)), seen)):
        return False
    narrow = bends(eps / 10)
    smooth = (narrow > 0.05 * wide) & (narrow < 0.2 * wide)
    sharp &= ~smooth if line.v is None else ~smooth | (wide > 0.02 * slope)  # among many, some kinks scale like that
    before, after = (float((np.abs(line.g) * bend * sharp).sum()) for bend in (wide, narrow))
    return bool(after < 2 * before and abs(analytic - numeric) <= 1.001 * before)


def better_step(line, analytic, settings):
    """A step at which the difference quotient is steady and agrees with the analytic derivative; else None.

    Steady: a step ten times smaller gives the same, within the tolerance, and rounding is well below it. That is asked
    first, and of the difference quotient alone, so that no step is picked because it flatters a wrong derivative.
    """
    with np.errstate(all="ignore"):
        for h in (settings.eps, *STEPS):
            slope, finer = line.slope(h, h), line.slope(h / 10, h / 10)
            if settings.agree(slope, finer) and line.rounding(h / 10) <= settings.atol + settings.rtol * abs(slope):
                return h if h != settings.eps and settings.agree(analytic, finer) else None
    return None
