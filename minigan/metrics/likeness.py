"""How like the data are samples, on a scale that the data themselves set: for a quick look, at small n."""

from typing import NamedTuple

import numpy as np

from .checks import as_samples, same_width
from .distances import sliced_wasserstein

__all__ = ["Likeness", "likeness"]

MOST, FEWEST = 512, 16  # samples: distances of all pairs cost n² d, and those of a handful are noise
PROJECTIONS, SPLITS = 64, 4


class Likeness(NamedTuple):
    r"""How samples of G lie to the data: the first three are 0 for another real batch, about 1 for strangers.

    strange  : how far samples are from their nearest real one,
               $(\bar d_{GR} - \bar d_{RR})/(\bar D_{RR} - \bar d_{RR})$, with the mean distance $\bar d$ to the nearest
               and $\bar D$ to all; R is a batch of real samples, RR two of them, G the generated ones
    missing  : the other way round, $\bar d_{RG}$ for $\bar d_{GR}$: how far real samples are from the nearest of G's
    distance : the sliced Wasserstein distance of G and R less twice that of two batches R, in units of what
               a G has that makes one point, the data's mean. It sees wrong proportions; the first two do not
    variance : total variance of the samples over that of the data; right is 1

    Each of the three is at least 0: what is nearer than chance has it is 0.

    Source: nearest neighbours both ways, for quality and for coverage, are the idea of Kynkäänniemi et al. 2019,
    "Improved precision and recall metric"; the scale is minigan's.
    """

    strange: float
    missing: float
    distance: float
    variance: float


def likeness(samples, real):
    """The `Likeness` of samples (n, …) to real ones (m, …); None if there are too few, or all real ones are equal.

    At most 512 of each are looked at, drawn with a fixed seed. Half of the real ones are the batch to compare with, so
    bring m ≥ 2n.
    Raises ShapeError for samples of another size than the data's, DataError for NaN or infinity.
    """
    samples, real = as_samples(samples, "samples"), as_samples(real, "real")
    same_width(samples, real, "likeness")
    rng = np.random.default_rng(0)
    g, r = rng.permutation(samples), rng.permutation(real)
    n = min(len(g), len(r) // 2, MOST)
    g, r, other = g[:n], r[:n], r[n:2 * n]
    if n < FEWEST or not real.std(axis=0).any():
        return None
    to_all, to_nearest = _distances(r, other).mean(), _nearest(r, other)
    one_point = sliced_wasserstein(r, real.mean(axis=0, keepdims=True), PROJECTIONS)
    halves = (rng.permutation(np.concatenate([r, other])) for _ in range(SPLITS))
    chance = np.mean([sliced_wasserstein(half[:n], half[n:], PROJECTIONS) for half in halves])
    return Likeness(
        strange=max(0.0, float((_nearest(g, r) - to_nearest) / (to_all - to_nearest))),
        missing=max(0.0, float((_nearest(r, g) - to_nearest) / (to_all - to_nearest))),
        distance=max(0.0, float((sliced_wasserstein(g, r, PROJECTIONS) - 2 * chance) / one_point)),
        variance=float(samples.var(axis=0).sum() / real.var(axis=0).sum()),
    )


def _nearest(x, y):
    """The mean distance from an x to its nearest y."""
    return _distances(x, y).min(axis=1).mean()


def _distances(x, y):
    """‖xᵢ − yⱼ‖ as (n, m), by ‖x‖² − 2⟨x, y⟩ + ‖y‖², which rounding may leave below 0."""
    square = (x * x).sum(axis=1)[:, None] + (y * y).sum(axis=1) - 2 * x @ y.T
    return np.sqrt(square.clip(min=0))
