"""The dense layer, convolutions, pooling, embeddings, activations, and layers that change only the shape.

Layers with a weight take another one for a call, `layer(x, W)`; so `SpectralNorm` makes use of them.
"""

from math import prod

import numpy as np

from .. import functional as F
from ..backend import get_array_module, is_array, require_same_device
from ..errors import ConfigError, ShapeError
from ..tensor import Tensor, as_tensor
from . import init
from .module import Module, Parameter, require_positive

__all__ = [
    "Linear", "Conv2d", "ConvTranspose2d", "Embedding", "MaxPool2d", "AvgPool2d", "GlobalAvgPool2d", "GlobalSumPool2d",
    "Upsample2d", "Flatten", "Unflatten", "ReLU", "LeakyReLU", "Tanh", "Sigmoid", "Maxout", "Dropout",
]


class Linear(Module):
    """The dense layer: y = x Wᵀ + b.

    weight : (out_features, in_features);  bias : (out_features,), or None
    x : (N, in_features) → (N, out_features)
    Initialised as in PyTorch, U(±1/√in_features), from `rng` (a NumPy generator, a seed, or None).
    """

    def __init__(self, in_features, out_features, bias=True, rng=None):
        require_positive("Linear", in_features=in_features, out_features=out_features)
        self.weight, self.bias = _weight_and_bias((out_features, in_features), out_features, bias, rng)

    def forward(self, x, W=None):
        """(N, in) → (N, out)"""
        return F.linear(x, self.weight if W is None else W, self.bias)

    def arguments(self):
        """in_features, out_features"""
        return f"{self.weight.shape[1]}, {self.weight.shape[0]}"


class _Convolution(Module):
    def __init__(self, channels, kernel_size, out_channels, stride, padding, bias, rng):
        kh, kw = (kernel_size, kernel_size) if np.ndim(kernel_size) == 0 else kernel_size
        require_positive(type(self).__name__, kernel_size=kh)
        require_positive(type(self).__name__, kernel_size=kw)
        self.weight, self.bias = _weight_and_bias((*channels, kh, kw), out_channels, bias, rng)
        self.stride, self.padding = stride, padding

    def arguments(self):
        """channels, channels, kernel, stride, padding"""
        a, b, *k = self.weight.shape
        a, b = (b, a) if isinstance(self, Conv2d) else (a, b)
        extra = f", output_padding={self.output_padding}" if getattr(self, "output_padding", 0) else ""
        return f"{a}, {b}, kernel_size={tuple(k)}, stride={self.stride}, padding={self.padding}{extra}"


class Conv2d(_Convolution):
    """Convolution (cross-correlation, as everywhere in deep learning); see `functional.conv2d`.

    weight : (out_channels, in_channels, kh, kw);  bias : (out_channels,), or None
    x : (N, C, H, W) → (N, O, ⌊(H + 2p − k)/s⌋ + 1, …)
    Initialised as in PyTorch, U(±1/√fan_in).
    """

    def __init__(self, in_channels, out_channels, kernel_size, stride=1, padding=0, bias=True, rng=None):
        require_positive("Conv2d", in_channels=in_channels, out_channels=out_channels)
        super().__init__((out_channels, in_channels), kernel_size, out_channels, stride, padding, bias, rng)

    def forward(self, x, W=None):
        """(N, C, H, W) → (N, O, OH, OW)"""
        return F.conv2d(x, self.weight if W is None else W, self.bias, self.stride, self.padding)


class ConvTranspose2d(_Convolution):
    """Transposed convolution, the adjoint of `Conv2d`; see `functional.conv_transpose2d`.

    weight : (in_channels, out_channels, kh, kw);  bias : (out_channels,), or None
    x : (N, C, H, W) → (N, O, (H − 1)s − 2p + k + output_padding, …)
    Initialised as in PyTorch, which takes fan_in = out_channels · kh · kw here.
    """

    def __init__(self, in_channels, out_channels, kernel_size, stride=1, padding=0, output_padding=0, bias=True,
                 rng=None):
        require_positive("ConvTranspose2d", in_channels=in_channels, out_channels=out_channels)
        super().__init__((in_channels, out_channels), kernel_size, out_channels, stride, padding, bias, rng)
        self.output_padding = output_padding

    def forward(self, x, W=None):
        """(N, C, H, W) → (N, O, H', W')"""
        W = self.weight if W is None else W
        return F.conv_transpose2d(x, W, self.bias, self.stride, self.padding, self.output_padding)


class Embedding(Module):
    """A vector for each label: row y of the weight, which is the dense layer W applied to y one-hot.

    weight : (num_embeddings, embedding_dim), from N(0, 1), as in PyTorch
    y : integers (…) from 0 to num_embeddings − 1 → (…, embedding_dim)

    Raises ShapeError for a label out of range, where labels lie in main memory. On a GPU a check would make every step
    wait for it; there such a label gives NaN, which reaches the loss, and not the vector of another label.
    """

    def __init__(self, num_embeddings, embedding_dim, rng=None):
        require_positive("Embedding", num_embeddings=num_embeddings, embedding_dim=embedding_dim)
        rng = np.random.default_rng(rng)
        self.weight = Parameter(init.normal((num_embeddings, embedding_dim), 1.0, rng))

    def forward(self, y, W=None):
        """(…) → (…, embedding_dim)"""
        W = self.weight if W is None else W
        if isinstance(y, Tensor) or (y := y if is_array(y) else np.asarray(y)).dtype.kind not in "iu":
            raise ShapeError("labels are whole numbers", where="Embedding", expected="an array of integers",
                             got=f"a {type(y).__name__} of {y.dtype}")
        known = (y >= 0) & (y < len(W))
        if get_array_module(y) is np:
            if not known.all():
                raise ShapeError("a label is out of range", where="Embedding", expected=f"0 to {len(W) - 1}",
                                 got=y[~known].flat[0])
            return F.index(W, W.xp.asarray(y))
        require_same_device("Embedding", y, W.data)
        return F.where(known[..., None], F.index(W, y * known), np.nan)

    def arguments(self):
        """num_embeddings, embedding_dim"""
        return f"{self.weight.shape[0]}, {self.weight.shape[1]}"


class _Pool2d(Module):
    def __init__(self, kernel_size, stride=None, padding=0):
        self.kernel_size, self.padding = kernel_size, padding
        self.stride = kernel_size if stride is None else stride

    def arguments(self):
        """kernel, stride, padding"""
        return f"{self.kernel_size}, stride={self.stride}, padding={self.padding}"


class MaxPool2d(_Pool2d):
    """The largest value of every window; see `functional.max_pool2d`."""

    def forward(self, x):
        """(N, C, H, W) → (N, C, OH, OW)"""
        return F.max_pool2d(x, self.kernel_size, self.stride, self.padding)


class AvgPool2d(_Pool2d):
    """The mean of every window; see `functional.avg_pool2d`."""

    def forward(self, x):
        """(N, C, H, W) → (N, C, OH, OW)"""
        return F.avg_pool2d(x, self.kernel_size, self.stride, self.padding)


class GlobalAvgPool2d(Module):
    """The mean of every channel over all pixels."""

    def forward(self, x):
        """(N, C, H, W) → (N, C)"""
        return F.mean(x, (2, 3))


class GlobalSumPool2d(Module):
    """The sum of every channel over all pixels: how much of it there is, in images of one size."""

    def forward(self, x):
        """(N, C, H, W) → (N, C)"""
        return F.sum(x, (2, 3))


class Upsample2d(Module):
    """Every pixel becomes a block of factor × factor pixels (nearest neighbour); see `functional.upsample2d`."""

    def __init__(self, factor=2):
        require_positive("Upsample2d", factor=factor)
        self.factor = factor

    def forward(self, x):
        """(N, C, H, W) → (N, C, factor·H, factor·W)"""
        return F.upsample2d(x, self.factor)

    def arguments(self):
        """factor"""
        return str(self.factor)


class Flatten(Module):
    """(N, …) → (N, product of the rest)"""

    def forward(self, x):
        """(N, C, H, W) → (N, C·H·W)"""
        x = as_tensor(x)
        return x.reshape(x.shape[0], prod(x.shape[1:]))


class Unflatten(Module):
    """(N, product of shape) → (N, *shape). (Document 001 §5.1 calls it "nn.Reshape", which does not exist: X4.)"""

    def __init__(self, *shape):
        self.shape = tuple(shape[0]) if len(shape) == 1 and np.ndim(shape[0]) else shape

    def forward(self, x):
        """(N, C·H·W) → (N, C, H, W)"""
        x = as_tensor(x)
        return x.reshape(x.shape[0], *self.shape)

    def arguments(self):
        """shape"""
        return str(self.shape)


class ReLU(Module):
    """y = max(x, 0)"""

    def forward(self, x):
        """elementwise"""
        return F.relu(x)


class LeakyReLU(Module):
    """y = x where x > 0, else slope·x. The default 0.2 is that of documents 001 and 004 (PyTorch's is 0.01)."""

    def __init__(self, slope=0.2):
        self.slope = slope

    def forward(self, x):
        """elementwise"""
        return F.leaky_relu(x, self.slope)

    def arguments(self):
        """slope"""
        return str(self.slope)


class Tanh(Module):
    """y = tanh x"""

    def forward(self, x):
        """elementwise"""
        return F.tanh(x)


class Sigmoid(Module):
    """y = 1 / (1 + e⁻ˣ). A discriminator does not end in it: the sigmoid belongs to the loss."""

    def forward(self, x):
        """elementwise"""
        return F.sigmoid(x)


class Maxout(Module):
    """The largest of `pieces` features: (N, pieces·k) → (N, pieces, k) → (N, k) (Goodfellow et al. 2013)."""

    def __init__(self, pieces):
        require_positive("Maxout", pieces=pieces)
        self.pieces = pieces

    def forward(self, x):
        """(N, pieces·k) → (N, k)"""
        x = as_tensor(x)
        return F.max(x.reshape(len(x), self.pieces, -1), axis=1)

    def arguments(self):
        """pieces"""
        return str(self.pieces)


class Dropout(Module):
    """In training, sets each element to 0 with probability p and divides the rest by 1 − p; else does nothing.

    p : in [0, 1);  rng : where its masks come from (a NumPy generator, a seed, or None); no part of the state_dict
    """

    def __init__(self, p=0.5, rng=None):
        if not 0 <= p < 1:
            raise ConfigError("the probability is out of range", where="Dropout", expected="0 ≤ p < 1", got=p)
        self.p, self.rng = p, np.random.default_rng(rng)

    def forward(self, x):
        """elementwise"""
        x = as_tensor(x)
        if not self.training or self.p == 0:
            return x
        keep = x.xp.asarray(self.rng.random(x.shape) >= self.p)
        return x * (keep / (1 - self.p))

    def arguments(self):
        """p"""
        return str(self.p)


def _weight_and_bias(shape, out_features, bias, rng):
    rng = np.random.default_rng(rng)
    bound = 1 / np.sqrt(init.fans(shape)[0])
    weight = Parameter(init.uniform(shape, bound, rng))
    return weight, Parameter(init.uniform((out_features,), bound, rng)) if bias else None
