r"""Toy mixtures: how many modes does a generator make, how well, and in which proportions.

The measures are those of VEEGAN and PacGAN, on mixtures of K Gaussians of equal weights and known centres $c_k$:

* a sample is of **high quality** within 3σ (Euclidean distance) of the nearest centre;
* a mode is **covered** if it is the nearest of at least one sample of high quality;
* **reverse KL**: every sample, good or bad, counts for its nearest mode, which gives proportions q, and
  $KL(q\,\|\,p) = \sum_k q_k \ln(q_k/p_k)$ is taken to the true proportions $p_k = 1/K$.

The first two are as in Srivastava et al. 2017, "VEEGAN", section 4.1 (2,500 samples a model), which Lin et al. 2018,
"PacGAN", takes over. The third is PacGAN's, whose paper takes the proportions of a real sample for p; here the true
ones are known and leave its noise out. (PacGAN's published code measures something else: the Jensen-Shannon
divergence to 1/K, over samples of high quality only.)

Read the three together. **A high share of good samples is no praise by itself**: the true mixture has 98.9 %, see
`perfect_high_quality`, so a generator clearly above that makes clusters that are too narrow, and one that makes a
single point has 100 %. One sample is enough to cover a mode; that only few samples fall there shows in the reverse KL.
"""

from dataclasses import dataclass
from math import exp, sqrt

import numpy as np

from ..data.checks import whole_number
from .checks import as_samples, positive, same_width

__all__ = ["ModeReport", "mode_report", "perfect_high_quality"]

REACH = 3  # standard deviations


@dataclass(frozen=True)
class ModeReport:
    """What `mode_report` found.

    modes_covered : how many modes are the nearest of at least one sample of high quality, 0 … modes
    modes         : how many there are, K
    high_quality  : the share of samples within 3σ of their nearest centre, 0 … 1
    reverse_kl    : KL(q ‖ 1/K) in nats over the proportions of all samples, 0 … ln K (one mode only)
    samples       : how many were measured, n. A perfect generator's reverse KL is not 0 but about (K − 1)/(2n)
    """

    modes_covered: int
    modes: int
    high_quality: float
    reverse_kl: float
    samples: int


def mode_report(x, centres, std):
    """Measure samples of a mixture of Gaussians of equal weights; the definitions stand at the top of this file.

    x       : (n, d) samples; d = 2 for `data.ring` and `data.grid`
    centres : (K, d), as from `data.ring_modes()` and `data.grid_modes()`
    std     : σ > 0, the standard deviation of each mode in each direction: 0.01 for the ring, 0.05 for the grid
    returns : a `ModeReport`
    raises  : ShapeError for empty sets or different d, DataError for NaN or infinity, ConfigError for an unfit std
    """
    x, centres, std = as_samples(x, "x"), as_samples(centres, "centres"), positive(std, "std")
    same_width(x, centres, "mode_report")
    distance = np.stack([np.linalg.norm(x - c, axis=1) for c in centres], axis=1)  # (n, K)
    nearest = distance.argmin(axis=1)
    good = distance.min(axis=1) <= REACH * std
    K = len(centres)
    q = np.bincount(nearest, minlength=K) / len(x)
    return ModeReport(
        modes_covered=len(np.unique(nearest[good])), modes=K, high_quality=float(good.mean()),
        reverse_kl=reverse_kl(q, np.full(K, 1 / K)), samples=len(x),
    )


def reverse_kl(q, p):
    r"""$KL(q\,\|\,p) = \sum_k q_k \ln(q_k/p_k)$ in nats, with 0 ln 0 = 0; infinite if q has what p has not.

    "Reverse", because q is the generator's: it asks how usual among the real samples is what the generator makes.
    """
    made = q > 0
    with np.errstate(divide="ignore"):
        return max(0.0, float(np.sum(q[made] * np.log(q[made] / p[made]))))


def perfect_high_quality(n):
    r"""The share of high quality that n samples of the true mixture have in the plane, and two standard errors of it.

    $$P(\|\epsilon\| \le 3) = 1 - e^{-3^2/2} = 98.889\,\%, \qquad 2\sqrt{P(1 - P)/n}$$

    At n = 2,500 these are 98.889 % ± 0.42 %. A generator's share above that band suggests clusters that are too narrow
    (under-dispersion), and a collapsed generator scores 100 %. (‖ε‖² of a Gaussian in the plane is exponential;
    the modes must be much farther apart than 3σ, as those of the ring and the grid are.)

    n       : a whole number ≥ 1
    returns : two floats: the share, and two standard errors
    """
    share = 1 - exp(-(REACH**2) / 2)
    return share, 2 * sqrt(share * (1 - share) / whole_number(n, "n"))
