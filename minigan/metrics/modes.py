r"""How many modes does a generator make, and in which proportions: modes of toy mixtures, classes of images.

For mixtures of K Gaussians of equal weights and known centres the measures are VEEGAN's and PacGAN's:

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
from ..errors import ShapeError
from .checks import as_array, as_labels, as_samples, positive, same_width

__all__ = ["ClassCoverage", "ModeReport", "class_coverage", "mode_report", "perfect_high_quality", "reverse_kl"]

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
    r"""Measure samples of a mixture of K Gaussians of equal weights, with centres $c_k$.

    A sample belongs to its nearest centre. It is of high quality if $\min_k \|x - c_k\| \le 3\sigma$; a mode is covered
    if a sample of high quality belongs to it; and with $q_k$ the share of all samples that belong to k, the reverse KL
    is $\sum_k q_k \ln(K q_k)$. Where the definitions come from stands at the top of this file.

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


@dataclass(frozen=True)
class ClassCoverage:
    """What `class_coverage` found.

    classes_covered   : classes that are made at least a tenth as often as they are real, 0 … classes
    classes           : how many classes there are, K
    effective_classes : exp of the entropy of the generator's proportions, 1 … K: 3.0 is "as varied as 3 equal classes"
    reverse_kl        : KL(q ‖ p) in nats from the generator's proportions to the real ones; 0 if they agree
    samples           : how many were measured, n
    """

    classes_covered: int
    classes: int
    effective_classes: float
    reverse_kl: float
    samples: int


def class_coverage(labels, real, n_classes=10):
    r"""Which classes does a generator of images make, and in which proportions? The mode collapse of images.

    With $q_k$ the generator's proportion of class k and $p_k$ the real one, a class is covered if $q_k \ge p_k/10$;
    effective classes are $\exp(-\sum_k q_k \ln q_k)$; and the reverse KL is $\sum_k q_k \ln(q_k/p_k)$.

    VEEGAN and PacGAN, on stacked MNIST, call a class covered by a single sample. That is too few for thousands of
    samples: a classifier that is wrong once in a hundred finds every class in samples that lack it. Hence the tenth.
    Coverage says nothing of quality, nor of variety within a class: a generator of ten images, one a digit, is perfect.

    labels    : (n,) classes of generated images, as `classes(classifier, x)` gives them
    real      : (m,) classes of real images, as integers, or the real proportions (K,), floats with the sum 1. Classes
                that the same classifier gives to real images make its own errors cancel
    n_classes : K
    returns   : a `ClassCoverage`
    raises    : ShapeError or DataError for what are no classes or no proportions
    Source    : the idea of a classifier that counts modes, and the KL of its counts, are in Metz et al. 2017, "Unrolled
                GANs", section 3.3, and in VEEGAN and PacGAN; the tenth is minigan's.
    """
    K = whole_number(n_classes, "n_classes")
    labels = as_labels(labels, "labels", K)
    q, p = np.bincount(labels, minlength=K) / len(labels), _proportions(real, K)
    made = q[q > 0]
    return ClassCoverage(
        classes_covered=int(np.sum((q >= p / 10) & (p > 0))), classes=K,
        effective_classes=float(np.exp(-np.sum(made * np.log(made)))), reverse_kl=reverse_kl(q, p), samples=len(labels),
    )


def _proportions(real, K):
    real = as_array(real, "real")
    if real.dtype.kind != "f":
        return np.bincount(as_labels(real, "real", K), minlength=K) / len(real)
    if real.shape != (K,) or not (real >= 0).all() or abs(real.sum() - 1) > 1e-6:
        raise ShapeError("neither classes nor proportions", where="real", got=f"{real.dtype}, shape {real.shape}",
                         expected=f"integers from 0 to {K - 1}, or {K} floats ≥ 0 with the sum 1")
    return real.astype(np.float64)
