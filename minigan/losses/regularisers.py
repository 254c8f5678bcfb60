"""Document 003's "Euclidean" and "Wasserstein distance loss", F12 and F13: terms on samples; D plays no part."""

from ..errors import ConfigError, ShapeError
from ..functional import mean, norm, sum
from ..tensor import as_tensor

__all__ = ["euclidean", "wasserstein_regularised"]


def euclidean(z):
    r"""The mean squared norm of a batch, document 003's "Euclidean distance loss" (F12).

    $$L_G = E[\lVert z \rVert^2]$$

    As G's loss it is wrong in either reading (X5). The document calls z "the generator's output, that is, the noise":
    if it is the noise, ∇L_G in θ_G is zero; if it is the output, every sample is drawn to 0. D plays no part. It is a
    regulariser at best.

    z : (N, …), noise or samples;  returns : () scalar
    Source : document 003 §2.4.
    """
    z = _rows(z)
    return mean(sum(z * z, 1))


def wasserstein_regularised(x, z, lam):
    r"""Document 003's "Wasserstein distance loss" (F13), read so that it means something.

    $$L_G = \frac{1}{nm} \sum_{i,j} \lVert x_i - z_j \rVert + \frac{\lambda}{m} \sum_j \lVert z_j \rVert^2$$

    f is the identity, the distance that between points, and z the generator's output. It is not F11 (X11): the mean
    runs over all pairs, where W has the cheapest pairing. So it is smallest if all z_j are one point (for λ → 0 the
    geometric median of the x_i): trained by it, G collapses.

    x : (n, …) real samples;  z : (m, …) generated ones;  lam : λ > 0;  returns : () scalar
    raises : ShapeError if x and z are not samples of one shape, ConfigError for λ ≤ 0
    Source : document 003 §2.4.
    """
    if not 0 < lam < float("inf"):
        raise ConfigError("λ is out of range", where="wasserstein_regularised", expected="λ > 0", got=lam)
    x, z = _rows(x), _rows(z)
    if x.shape[1:] != z.shape[1:]:
        raise ShapeError("x and z must be samples of one shape", where="wasserstein_regularised",
                         got=f"{x.shape} and {z.shape}")
    (n, d), m = x.shape, len(z)
    pairs = x.reshape(n, 1, d) - z.reshape(1, m, d)
    return mean(norm(pairs, 2)) + lam * euclidean(z)


def _rows(x):
    """(N, …) -> (N, product of the rest)"""
    x = as_tensor(x)
    if x.ndim < 2:
        raise ShapeError("samples have two axes or more", where="losses", expected="(N, …)", got=x.shape)
    return x.reshape(len(x), -1)
