r"""Spectral normalisation: a layer whose weight is divided by its largest singular value."""

import numpy as np

from ..backend import get_array_module
from ..errors import ConfigError
from ..tensor import reshape, sum, transpose
from .layers import Conv2d, ConvTranspose2d, Embedding, Linear
from .module import Module

__all__ = ["SpectralNorm"]


class SpectralNorm(Module):
    r"""A layer with the weight $W/\sigma(W)$, where $\sigma(W) = \max_{\lVert v\rVert = 1} \lVert Wv\rVert$.

        SpectralNorm(Conv2d(1, 32, 4, 2, 1))

    σ is found by power iteration, one step for each forward pass in training, starting where the last one ended:

    $$v \leftarrow W^T u/\lVert W^T u\rVert, \quad u \leftarrow Wv/\lVert Wv\rVert, \quad \sigma = u^T W v$$

    As weights change little from step to step, u and v stay close to the singular vectors. In evaluation they rest.

    layer : Linear, Conv2d, ConvTranspose2d or Embedding; its weight is the parameter, its bias stays as it is
    rng   : where the first u comes from; it is followed by 15 steps, as in PyTorch
    u, v  : buffers, the singular vectors

    W is the weight as a matrix (out, the rest), of `ConvTranspose2d` (out, in·kh·kw), as in PyTorch. For a convolution
    σ is that of this matrix, as in the paper, not of the whole linear map from image to image.

    For the gradient u and v are constants: $\partial\sigma/\partial W = u v^T$, which is exact at the singular vectors.
    So is the gradient of a gradient penalty in W, in which σ is differentiated once. A second derivative
    in W lacks the change of u and v with W.

    Raises ConfigError for another layer, or weights that are all 0: they have no direction to normalise.
    Source : Miyato et al. 2018, equations 8 and 12, Algorithm 1.
    """

    buffers = ("u", "v")

    def __init__(self, layer, rng=None):
        if not isinstance(layer, (Linear, Conv2d, ConvTranspose2d, Embedding)):
            raise ConfigError("the layer has no weight to normalise", where="SpectralNorm",
                              expected="Linear, Conv2d, ConvTranspose2d or Embedding", got=type(layer).__name__)
        self.layer = layer
        W = self._matrix().data
        if not W.any():
            raise ConfigError("the weight is 0 everywhere", where="SpectralNorm", got=repr(layer),
                              fix="Draw the layer's weights first")
        self.u = get_array_module(W).asarray(np.random.default_rng(rng).standard_normal(len(W)).astype(W.dtype))
        for _ in range(15):
            self._iterate(W)

    def forward(self, x):
        """As the layer's own."""
        W = self._matrix()
        if self.training:
            self._iterate(W.data)
        sigma = sum((W @ self.v) * self.u)
        return self.layer(x, self.layer.weight / sigma)

    def _matrix(self):
        W = self.layer.weight
        if isinstance(self.layer, ConvTranspose2d):
            W = transpose(W, 1, 0, 2, 3)  # (in, out, kh, kw) → (out, in, kh, kw)
        return reshape(W, W.shape[0], -1)

    def _iterate(self, W):
        # New arrays, not new values in the old ones: an earlier forward pass may still be waiting for its gradient.
        self.v = _unit(self.u @ W)
        self.u = _unit(W @ self.v)


def _unit(x):
    return x / (x @ x) ** 0.5
