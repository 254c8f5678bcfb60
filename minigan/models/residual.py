r"""N5, networks of residual blocks (document 001 §2.2, §3.3): $y = f(x) + s(x)$, a body and a shortcut around it.

The blocks are those of Gulrajani et al. 2017 (appendix F, table 3) and Miyato et al. 2018 (table 4): the activation
comes before each convolution, G's blocks double an image by repeating its pixels, D's halve it by average pooling, and
D has no BatchNorm, so that it can have a gradient penalty. The papers have 128 channels and 32×32 images; 32 channels
are a size for two processor cores: a step of the game at batch 64 takes 0.7 s of processor time for 28×28 images, five
times that of dcgan-bn, and 0.1 s for 8×8.

width : channels of every block
depth : blocks that double (in G) or halve (in D) the image, whose sides are multiples of 2^depth
"""

import numpy as np

from ..nn import (
    AvgPool2d,
    BatchNorm2d,
    Conv2d,
    GlobalAvgPool2d,
    GlobalSumPool2d,
    Linear,
    Module,
    ReLU,
    Sequential,
    SpectralNorm,
    Tanh,
    Unflatten,
    Upsample2d,
    init,
)
from .parts import require_whole, shrunk

__all__ = ["Residual", "resnet_generator", "resnet_discriminator", "resnet_sn_discriminator"]


class Residual(Module):
    """y = body(x) + shortcut(x); an empty `Sequential()` for a shortcut is the identity."""

    def __init__(self, body, shortcut):
        self.body, self.shortcut = body, shortcut

    def forward(self, x):
        """x → body(x) + shortcut(x)"""
        return self.body(x) + self.shortcut(x)


def resnet_generator(latent_dim=100, image_shape=(1, 28, 28), rng=None, width=32, depth=2):
    """N5's G: Linear, then blocks that double the image; BatchNorm, ReLU, 3×3 convolution, tanh; He's weights.

    (N, latent_dim) → (N, width, H/4, W/4) → (N, width, H/2, W/2) → (N, width, H, W) → (N, C, H, W)
    """
    require_whole("resnet", width=width, depth=depth)
    C, h, w = shrunk("resnet", image_shape, depth)
    rng = np.random.default_rng(rng)
    return init.he_normal_(Sequential(
        Linear(latent_dim, width * h * w),
        Unflatten(width, h, w),
        *[_up(width) for _ in range(depth)],
        BatchNorm2d(width), ReLU(), Conv2d(width, C, 3, 1, 1), Tanh(),
    ), rng)


def resnet_discriminator(image_shape=(1, 28, 28), rng=None, width=32, depth=2, spectral=False):
    """N5's D: blocks that halve the image, one that keeps it; ReLU, mean over all pixels, Linear; He's weights.

    (N, C, H, W) → (N, width, H/2, W/2) → (N, width, H/4, W/4) → (N, width) → (N, 1)
    spectral : every weight is spectrally normalised, and the pixels are summed, as in Miyato et al.
    """
    require_whole("resnet", width=width, depth=depth)
    C, _, _ = shrunk("resnet", image_shape, depth)
    rng = np.random.default_rng(rng)

    def weighted(layer):
        layer = init.he_normal_(layer, rng)
        return SpectralNorm(layer, rng) if spectral else layer

    return Sequential(
        _first_down(weighted, C, width),
        *[_down(weighted, width) for _ in range(depth - 1)],
        _same(weighted, width),
        ReLU(), GlobalSumPool2d() if spectral else GlobalAvgPool2d(), weighted(Linear(width, 1)),
    )


def resnet_sn_discriminator(image_shape=(1, 28, 28), rng=None, width=32, depth=2):
    """N5's D with spectral normalisation of every layer, made for the hinge loss: (N, C, H, W) → (N, 1).

    Source : Miyato et al. 2018, section 4 and table 4.
    """
    return resnet_discriminator(image_shape, rng, width, depth, spectral=True)


def _up(n):
    # A 1×1 convolution of repeated pixels is the repeated pixels of the convolution: a quarter of the work.
    return Residual(
        Sequential(BatchNorm2d(n), ReLU(), Upsample2d(2), Conv2d(n, n, 3, 1, 1),
                   BatchNorm2d(n), ReLU(), Conv2d(n, n, 3, 1, 1)),
        Sequential(Conv2d(n, n, 1), Upsample2d(2)))


def _first_down(weighted, C, n):
    # No ReLU at the beginning: it would throw away the dark half of the image's values.
    return Residual(
        Sequential(weighted(Conv2d(C, n, 3, 1, 1)), ReLU(), weighted(Conv2d(n, n, 3, 1, 1)), AvgPool2d(2)),
        Sequential(AvgPool2d(2), weighted(Conv2d(C, n, 1))))


def _down(weighted, n):
    return Residual(
        Sequential(ReLU(), weighted(Conv2d(n, n, 3, 1, 1)), ReLU(), weighted(Conv2d(n, n, 3, 1, 1)), AvgPool2d(2)),
        Sequential(AvgPool2d(2), weighted(Conv2d(n, n, 1))))


def _same(weighted, n):
    return Residual(
        Sequential(ReLU(), weighted(Conv2d(n, n, 3, 1, 1)), ReLU(), weighted(Conv2d(n, n, 3, 1, 1))), Sequential())
