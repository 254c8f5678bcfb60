"""Normalisation layers."""

import numpy as np

from ..errors import ConfigError, ShapeError
from ..functional import mean, reshape, var
from ..tensor import as_tensor
from .module import Module, Parameter, require_positive

__all__ = ["BatchNorm1d", "BatchNorm2d"]


class _BatchNorm(Module):
    r"""Batch normalisation: every channel of a batch is brought to mean 0 and variance 1, then scaled and shifted.

    $$y = \gamma\,\frac{x - \mu}{\sqrt{v + \varepsilon}} + \beta$$

    In training $\mu$ and $v$ are the batch's mean and (biased) variance, and the running ones move towards
    the batch's: $r \leftarrow (1 - m)\,r + m\,\hat r$ with momentum $m$ and, for the variance, the unbiased
    $\hat r = v\,n/(n - 1)$. In evaluation $\mu$ and $v$ are the running ones, which are constants. All as in PyTorch.

    weight, bias : γ (ones) and β (zeros), (C,)
    running_mean, running_var, num_batches_tracked : buffers

    Raises ShapeError where a training batch has one value per channel: it would be normalised to β, whatever it is.
    Source : Ioffe and Szegedy 2015, Algorithm 1; Radford et al. 2016, section 3.
    """

    buffers = ("running_mean", "running_var", "num_batches_tracked")
    ndims: tuple
    mixes_samples = True

    def __init__(self, num_features, eps=1e-5, momentum=0.1):
        require_positive(type(self).__name__, num_features=num_features)
        if not 0 < momentum <= 1:
            raise ConfigError("the momentum is out of range", where=type(self).__name__, expected="0 < momentum ≤ 1",
                              got=momentum)
        if not 0 < eps < 0.5:
            raise ConfigError("eps must be a small positive number", where=type(self).__name__,
                              expected="0 < eps < 0.5", got=eps,
                              fix="The second argument is eps; for the momentum write momentum=…")
        self.eps, self.momentum = eps, momentum
        self.weight = Parameter(np.ones(num_features, np.float32))
        self.bias = Parameter(np.zeros(num_features, np.float32))
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
        # y = scale · x + shift: one multiplication and one addition for each element, however many go into the two.
        scale = reshape(self.weight, per_channel) * (v + self.eps) ** -0.5
        return x * scale + (reshape(self.bias, per_channel) - mu * scale)

    def _track(self, batch_mean, batch_var):
        for running, batch in ((self.running_mean, batch_mean), (self.running_var, batch_var)):
            running *= 1 - self.momentum
            running += self.momentum * batch
        self.num_batches_tracked += 1

    def arguments(self):
        """channels"""
        return str(self.weight.size)


class BatchNorm1d(_BatchNorm):
    """Batch normalisation of x (N, C) or (N, C, L), over N and L, as `_BatchNorm` says."""

    ndims = (2, 3)


class BatchNorm2d(_BatchNorm):
    """Batch normalisation of images x (N, C, H, W), over N, H and W, as `_BatchNorm` says."""

    ndims = (4,)
