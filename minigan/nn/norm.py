r"""Normalisation layers: $y = \gamma\,(x - \mu)/\sqrt{v + \varepsilon} + \beta$, with $\mu$ and $v$ taken over …

| | … for every | mixes the samples of a batch |
|---|---|---|
| `BatchNorm1d`, `BatchNorm2d` | channel, over the batch | yes |
| `InstanceNorm2d` | channel of every image, over its pixels | no |
| `LayerNorm` | sample, over its last axes | no |

The variance $v$ is the biased one, $(1/n)\sum (x - \mu)^2$.
"""

from math import prod

import numpy as np

from ..errors import ConfigError, ShapeError
from ..functional import mean, reshape, var
from ..tensor import as_tensor
from .module import Module, Parameter, require_positive

__all__ = ["BatchNorm1d", "BatchNorm2d", "InstanceNorm2d", "LayerNorm", "Norm"]


class Norm(Module):
    """What the normalisation layers share.

    weight, bias : γ (ones) and β (zeros), or None where affine is False
    """

    def __init__(self, shape, eps, affine=True):
        if not 0 < eps < 0.5:
            raise ConfigError("eps must be a small positive number", where=type(self).__name__,
                              expected="0 < eps < 0.5", got=eps,
                              fix="The second argument is eps; for a momentum write momentum=…")
        self.eps = eps
        self.weight = Parameter(np.ones(shape, np.float32)) if affine else None
        self.bias = Parameter(np.zeros(shape, np.float32)) if affine else None

    def normalise(self, x, mu, v, shape):
        """y = γ (x − μ)/√(v + ε) + β, with γ and β of `shape`; all broadcast to x"""
        # y = scale · x + shift: one multiplication and one addition for each element, however many go into the two.
        scale = (v + self.eps) ** -0.5
        if self.weight is None:
            return x * scale - mu * scale
        scale = reshape(self.weight, shape) * scale
        return x * scale + (reshape(self.bias, shape) - mu * scale)


class _BatchNorm(Norm):
    """What the two share; see `BatchNorm1d`."""

    buffers = ("running_mean", "running_var", "num_batches_tracked")
    mixes_samples = True
    ndims: tuple

    def __init__(self, num_features, eps=1e-5, momentum=0.1):
        require_positive(type(self).__name__, num_features=num_features)
        if not 0 < momentum <= 1:
            raise ConfigError("the momentum is out of range", where=type(self).__name__, expected="0 < momentum ≤ 1",
                              got=momentum)
        super().__init__(num_features, eps)
        self.momentum = momentum
        self.running_mean = np.zeros(num_features, np.float32)
        self.running_var = np.ones(num_features, np.float32)
        self.num_batches_tracked = np.zeros((), np.int64)

    def forward(self, x):
        """(N, C, …) → the same shape"""
        x, C = as_tensor(x), self.weight.size
        if x.ndim not in self.ndims or x.shape[1] != C:
            axes = " or ".join(f"(N, {C}{', …' * (n > 2)}) with {n} axes" for n in self.ndims)
            raise ShapeError("the input does not fit", where=f"{type(self).__name__}({C})", expected=axes, got=x.shape)
        axes = (0, *range(2, x.ndim))
        per_channel = (1, C) + (1,) * (x.ndim - 2)
        if self.training:
            n = x.size // C
            if n < 2:
                raise ShapeError("a batch with one value per channel has no variance", where=type(self).__name__,
                                 got=f"shape {x.shape}", fix="Use a larger batch, or .eval() for single samples")
            mu, v = mean(x, axes, keepdims=True), var(x, axes, keepdims=True)
            self._track(mu.data.reshape(C), v.data.reshape(C) * (n / (n - 1)))
        else:
            mu, v = (as_tensor(r.reshape(per_channel)) for r in (self.running_mean, self.running_var))
        return self.normalise(x, mu, v, per_channel)

    def _track(self, batch_mean, batch_var):
        for running, batch in ((self.running_mean, batch_mean), (self.running_var, batch_var)):
            running *= 1 - self.momentum
            running += self.momentum * batch
        self.num_batches_tracked += 1

    def arguments(self):
        """channels"""
        return str(self.weight.size)


class BatchNorm1d(_BatchNorm):
    r"""Batch normalisation: every channel of a batch is brought to mean 0 and variance 1, then scaled and shifted.

    $$y = \gamma\,\frac{x - \mu}{\sqrt{v + \varepsilon}} + \beta$$

    In training $\mu$ and $v$ are the batch's mean and (biased) variance, and the running ones move towards
    the batch's: $r \leftarrow (1 - m)\,r + m\,\hat r$ with momentum $m$ and, for the variance, the unbiased
    $\hat r = v\,n/(n - 1)$. In evaluation $\mu$ and $v$ are the running ones, which are constants. All as in PyTorch.

    weight, bias : γ (ones) and β (zeros), (C,)
    running_mean, running_var, num_batches_tracked : buffers
    x : (N, C) or (N, C, L) → the same shape; n = N or N · L values of each channel

    Raises ShapeError where a training batch has one value per channel: it would be normalised to β, whatever it is.
    Source : Ioffe and Szegedy 2015, Algorithm 1; Radford et al. 2016, section 3.
    """

    ndims = (2, 3)


class BatchNorm2d(_BatchNorm):
    """Batch normalisation of images, as `BatchNorm1d`, over all their pixels.

    x : (N, C, H, W) → the same shape; n = N · H · W values of each channel
    """

    ndims = (4,)


class InstanceNorm2d(Norm):
    r"""Instance normalisation: every channel of every image is brought to mean 0 and variance 1, over its pixels.

    $$y_{nc} = \gamma_c\,\frac{x_{nc} - \mu_{nc}}{\sqrt{v_{nc} + \varepsilon}} + \beta_c$$

    weight, bias : (C,) if affine, else None, which is the default as in PyTorch
    x : (N, C, H, W) → the same shape; in training and evaluation alike, with no running statistics

    Raises ShapeError for images of one pixel: each would be normalised to β, whatever it is.
    Source : Ulyanov et al. 2016; document 003 §4.
    """

    def __init__(self, num_features, eps=1e-5, affine=False):
        require_positive("InstanceNorm2d", num_features=num_features)
        super().__init__(num_features, eps, affine)
        self.num_features = num_features

    def forward(self, x):
        """(N, C, H, W) → the same shape"""
        x, C = as_tensor(x), self.num_features
        if x.ndim != 4 or x.shape[1] != C:
            raise ShapeError("the input does not fit", where=f"InstanceNorm2d({C})", expected=f"(N, {C}, H, W)",
                             got=x.shape)
        if x.shape[2] * x.shape[3] < 2:
            raise ShapeError("a channel with one value per image has no variance", where="InstanceNorm2d",
                             got=f"shape {x.shape}", fix="Normalise where the images are larger, or use LayerNorm")
        return self.normalise(x, mean(x, (2, 3), keepdims=True), var(x, (2, 3), keepdims=True), (1, C, 1, 1))

    def arguments(self):
        """channels"""
        return f"{self.num_features}{', affine=True' * (self.weight is not None)}"


class LayerNorm(Norm):
    r"""Layer normalisation: the last axes of every sample are brought to mean 0 and variance 1.

    $$y_n = \gamma\,\frac{x_n - \mu_n}{\sqrt{v_n + \varepsilon}} + \beta$$

    normalized_shape : sizes of the last axes, over which μ and v are taken; an int for one axis
    weight, bias : γ and β of that shape, one number for each element; None if not affine
    x : (…, *normalized_shape) → the same shape; in training and evaluation alike

    Raises ShapeError for a normalized_shape of one element: every sample would be normalised to β.
    Source : Ba et al. 2016; document 003 §4; Gulrajani et al. 2017, section 4, takes it for D in WGAN-GP.
    """

    def __init__(self, normalized_shape, eps=1e-5, affine=True):
        shape = (normalized_shape,) if np.ndim(normalized_shape) == 0 else tuple(normalized_shape)
        for n in shape:
            require_positive("LayerNorm", normalized_shape=n)
        if prod(shape) < 2:
            raise ShapeError("one value per sample has no variance", where="LayerNorm",
                             got=f"normalized_shape {normalized_shape}")
        super().__init__(shape, eps, affine)
        self.normalized_shape = shape

    def forward(self, x):
        """(…, *normalized_shape) → the same shape"""
        x, shape = as_tensor(x), self.normalized_shape
        if x.shape[-len(shape):] != shape:
            raise ShapeError("the input does not fit", where=f"LayerNorm({shape})", got=x.shape,
                             expected=f"(…, {', '.join(map(str, shape))})")
        axes = tuple(range(-len(shape), 0))
        return self.normalise(x, mean(x, axes, keepdims=True), var(x, axes, keepdims=True), shape)

    def arguments(self):
        """the shape"""
        return f"{self.normalized_shape}{', affine=False' * (self.weight is None)}"
