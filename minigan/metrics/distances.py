r"""How far two sets of samples are apart: Wasserstein's distance in one dimension (F11), sliced, and Fréchet's.

Each takes two sets of samples, x (n, …) and y (m, …), in any arrays; computes in float64; and gives a Python float.
Each is 0 for equal sets and larger than 0 for two different draws of one distribution: compare a generator's figure
with that of real against real samples at the same n, never with 0.
"""

import numpy as np

from ..data.checks import as_generator, whole_number
from ..errors import ConfigError
from .checks import as_samples, as_scores, same_width

__all__ = ["frechet_collapsed", "frechet_distance", "frechet_floor", "sliced_wasserstein", "wasserstein_1d"]


def wasserstein_1d(x, y):
    r"""The Wasserstein distance (F11) of two sets of numbers, exactly.

    $$W(P, Q) = \inf_{\gamma \in \Pi(P, Q)} E_{(x, y) \sim \gamma} |x - y| = \int_0^1 |F^{-1}(u) - G^{-1}(u)|\, du$$

    F11 asks for the cheapest plan γ that moves P onto Q. On a line it is the plan that keeps the order: the u-th
    quantile of P goes to the u-th quantile of Q. So sorting solves it; for sets of one size it is the mean of
    $|x_{(i)} - y_{(i)}|$.

    x, y    : (n,), (m,) numbers, or (n, 1), (m, 1); n and m may differ
    returns : a float ≥ 0, in the unit of x
    raises  : ShapeError for an empty set or several columns, DataError for NaN or infinity
    Source  : document 002 §4.3.2; the closed form is in Villani 2003, "Topics in Optimal Transportation", §2.2.
    """
    return float(_along_lines(as_scores(x, "x")[:, None], as_scores(y, "y")[:, None])[0])


def sliced_wasserstein(x, y, projections=128, rng=0):
    r"""The sliced Wasserstein distance: F11's distance of the two shadows on a line, over random directions.

    $$SW(P, Q) = E_{\theta \sim \mathrm{Uniform}(S^{d-1})}\, W(\langle\theta, x\rangle, \langle\theta, y\rangle)$$

    The mean of the distances themselves (power 1, no root), over `projections` directions. It never exceeds W(P, Q),
    and of one point against another it is $\|x - y\| \cdot E|\theta_1|$: 2/π in the plane, about
    $\sqrt{2/(\pi d)}$ in d dimensions. So compare numbers of one d only.

    x, y        : (n, …), (m, …) samples, each of which is flattened to d numbers; n and m may differ
    projections : how many directions. The random error falls as $1/\sqrt{projections}$
    rng         : a numpy Generator, or an int seed. The same seed gives the same directions, hence a true (pseudo-)
                  metric: the triangle inequality holds among figures of one seed
    returns     : a float ≥ 0
    raises      : ShapeError, DataError, ConfigError for unfit arguments
    Source      : Rabin et al. 2012, "Wasserstein barycenter and its application to texture mixing", which squares the
                  distances; the plain ones are F11's.
    """
    x, y = as_samples(x, "x"), as_samples(y, "y")
    same_width(x, y, "sliced_wasserstein")
    projections, rng = whole_number(projections, "projections"), as_generator(rng)
    theta = rng.standard_normal((x.shape[1], projections))
    theta /= np.linalg.norm(theta, axis=0)  # a Gaussian vector points in every direction alike
    return float(_along_lines(x @ theta, y @ theta).mean())


def _along_lines(x, y):
    """W of each column of x (n, k) and of y (m, k): the integral of |F⁻¹ − G⁻¹|, which are steps. Returns (k,)."""
    x, y = np.sort(x, axis=0), np.sort(y, axis=0)
    n, m = len(x), len(y)
    # F⁻¹ jumps at multiples of 1/n, G⁻¹ at multiples of 1/m. In units of 1/(n m) these are whole numbers, no rounding.
    ends = np.union1d(np.arange(1, n + 1) * m, np.arange(1, m + 1) * n)
    widths = np.diff(ends, prepend=0) / (n * m)
    return widths @ np.abs(x[(ends - 1) // m] - y[(ends - 1) // n])


def frechet_distance(x, y):
    r"""The Fréchet distance of two sets of features, each taken for a Gaussian.

    $$d^2 = \|\mu_x - \mu_y\|^2 + \mathrm{Tr}\left(\Sigma_x + \Sigma_y - 2(\Sigma_x \Sigma_y)^{1/2}\right)$$

    It is FID's formula, but a number is called "FID" only if the features are Inception-v3's. minigan's come from its
    own small classifier (`minigan.metrics.features`): such a number compares generators that were measured with the
    same classifier, against the same real samples, at the same n, and nothing else.

    It is biased upwards at every n, because estimates differ by chance: two sets of n features with covariance I, of
    one distribution, give about $d(d + 5)/(2n)$. So n has to be well above d² for small distances to mean anything.

    x, y    : (n, d), (m, d) features, n, m ≥ 2 (or (n, …), flattened)
    returns : a float ≥ 0, the square $d^2$, as FID is reported
    raises  : ShapeError for fewer than 2 samples or different d, DataError for NaN or infinity
    Source  : Heusel et al. 2017, "GANs Trained by a Two Time-Scale Update Rule", equation 6; Dowson and Landau 1982.
    """
    x, y = as_samples(x, "x", least=2), as_samples(y, "y", least=2)
    same_width(x, y, "frechet_distance")
    difference = x.mean(axis=0) - y.mean(axis=0)
    cov_x, cov_y = (np.atleast_2d(np.cov(features, rowvar=False)) for features in (x, y))  # with 1/(n − 1)
    # Σx Σy is not symmetric, but Tr (Σx Σy)^½ is the sum of the singular values of Σx^½ Σy^½ (the nuclear norm).
    trace = np.linalg.norm(_root(cov_x) @ _root(cov_y), "nuc")
    return max(0.0, float(difference @ difference + np.trace(cov_x) + np.trace(cov_y) - 2 * trace))


def frechet_floor(x, y, n, repeats=5, rng=0):
    """What real samples score against other real samples: the Fréchet distance that a perfect generator would have.

    Give it features of training images and of test images, and the n that the generator is measured with: then
    compare `frechet_distance(generated, test)`, n against n, with this floor and with `frechet_collapsed(test)`. With
    the MNIST classifier the floor is about 1.3 at n = 10,000 and 3.0 at n = 2,500 (± 0.1 and ± 0.4 from draw to
    draw), and a collapsed generator has about 1,000; other seeds of the classifier move both by some 5 %. The floor is
    not bias alone: two halves of the training set are below 1 at n = 10,000, while the test digits are by other
    writers and new to the classifier.

    x, y    : (N, d), (M, d) features of two sets of real samples that have no sample in common
    n       : how many of each are drawn, without repetition, 2 ≤ n ≤ min(N, M)
    repeats : how many times they are drawn
    rng     : a numpy Generator, or an int seed
    returns : the mean distance, a float
    raises  : as `frechet_distance`, and ConfigError for an n that is too large
    """
    x, y = as_samples(x, "x", least=2), as_samples(y, "y", least=2)
    n, repeats, rng = whole_number(n, "n", least=2), whole_number(repeats, "repeats"), as_generator(rng)
    if n > min(len(x), len(y)):
        raise ConfigError("more samples than there are", where="n", expected=f"at most {min(len(x), len(y))}", got=n)
    draws = ((rng.permutation(len(x))[:n], rng.permutation(len(y))[:n]) for _ in range(repeats))
    return float(np.mean([frechet_distance(x[i], y[j]) for i, j in draws]))


def frechet_collapsed(x):
    r"""What a generator scores that makes one single image, averaged over all the real images it could be.

    A point has no covariance, so an image with features f scores $\|\mu - f\|^2 + \mathrm{Tr}\,\Sigma$, whatever
    the number of its copies. Its mean over f is twice the trace of Σ (less one part in N).

    x       : (N, d) features of real samples, N ≥ 2
    returns : a float ≥ 0
    raises  : as `frechet_distance`
    """
    x = as_samples(x, "x", least=2)
    return float((x.var(axis=0) + x.var(axis=0, ddof=1)).sum())


def _root(matrix):
    """The symmetric square root of a covariance. Rounding may leave eigenvalues of −1e-17, which are 0."""
    values, vectors = np.linalg.eigh(matrix)
    return (vectors * np.sqrt(values.clip(min=0))) @ vectors.T
