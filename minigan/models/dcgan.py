"""Convolutional networks: N2 as document 001 prints it, in the form of the DCGAN paper, and with spectral norm.

width : G ends with `width` channels before the image and begins with 2^(depth−1) times as many; D begins with half
        as many and doubles them with every layer. So width is even
depth : layers of stride 2 in each network; the image's sides are multiples of 2^depth. For 64×64 images depth=4 is
        the DCGAN paper's G up to its widths: 512, 256, 128, 64
"""

import numpy as np

from ..errors import ConfigError
from ..nn import (
    BatchNorm2d,
    Conv2d,
    ConvTranspose2d,
    Flatten,
    LeakyReLU,
    Linear,
    ReLU,
    Sequential,
    SpectralNorm,
    Tanh,
    Unflatten,
    init,
)
from .parts import doubling, require_whole, shrunk, stack

__all__ = [
    "dcgan_generator", "dcgan_discriminator", "dcgan_bn_generator", "dcgan_bn_discriminator", "dcgan_sn_discriminator",
    "generator_widths", "discriminator_widths",
]


def dcgan_generator(latent_dim=100, image_shape=(1, 28, 28), rng=None, width=64, depth=2):
    """N2, the convolutional G of document 001 §5.1, with PyTorch's initial weights.

    Two transposed convolutions double the size twice:
    (N, latent_dim) → (N, 128, H/4, W/4) → (N, 64, H/2, W/2) → (N, C, H, W).
    """
    widths = generator_widths("dcgan", width, depth)
    C, h, w = shrunk("dcgan", image_shape, depth)
    rng = np.random.default_rng(rng)
    return Sequential(
        Linear(latent_dim, widths[0] * h * w, rng=rng), LeakyReLU(0.2),
        Unflatten(widths[0], h, w),
        *stack(widths, lambda a, b: (ConvTranspose2d(a, b, 4, 2, 1, rng=rng), LeakyReLU(0.2))),
        ConvTranspose2d(width, C, 4, 2, 1, rng=rng), Tanh(),
    )


def dcgan_discriminator(image_shape=(1, 28, 28), rng=None, width=64, depth=2):
    """N2, the convolutional D of document 001 §5.1, with PyTorch's initial weights.

    Two convolutions halve the size twice: (N, C, H, W) → (N, 32, H/2, W/2) → (N, 64, H/4, W/4) → (N, 1).
    """
    widths = discriminator_widths("dcgan", width, depth)
    C, h, w = shrunk("dcgan", image_shape, depth)
    rng = np.random.default_rng(rng)
    return Sequential(
        *stack([C, *widths], lambda a, b: (Conv2d(a, b, 4, 2, 1, rng=rng), LeakyReLU(0.2))),
        Flatten(),
        Linear(widths[-1] * h * w, 1, rng=rng),
    )


def dcgan_bn_generator(latent_dim=100, image_shape=(1, 28, 28), rng=None, width=64, depth=2):
    """The DCGAN paper's form of N2's G: BatchNorm after every layer but the last, ReLU, weights N(0, 0.02).

    (N, latent_dim) → (N, C, H, W)
    Source : Radford et al. 2016, section 3; the initial weights also in document 003 §4.
    """
    widths = generator_widths("dcgan", width, depth)
    C, h, w = shrunk("dcgan", image_shape, depth)
    rng = np.random.default_rng(rng)
    return init.normal_(Sequential(
        Linear(latent_dim, widths[0] * h * w),
        Unflatten(widths[0], h, w), BatchNorm2d(widths[0]), ReLU(),
        *stack(widths, lambda a, b: (ConvTranspose2d(a, b, 4, 2, 1), BatchNorm2d(b), ReLU())),
        ConvTranspose2d(width, C, 4, 2, 1), Tanh(),
    ), rng)


def dcgan_bn_discriminator(image_shape=(1, 28, 28), rng=None, width=64, depth=2):
    """The DCGAN paper's form of N2's D: BatchNorm after every layer but the first and the last, weights N(0, 0.02).

    (N, C, H, W) → (N, 1)
    Source : Radford et al. 2016, section 3.
    """
    widths = discriminator_widths("dcgan", width, depth)
    C, h, w = shrunk("dcgan", image_shape, depth)
    rng = np.random.default_rng(rng)
    return init.normal_(Sequential(
        Conv2d(C, widths[0], 4, 2, 1), LeakyReLU(0.2),
        *stack(widths, lambda a, b: (Conv2d(a, b, 4, 2, 1), BatchNorm2d(b), LeakyReLU(0.2))),
        Flatten(),
        Linear(widths[-1] * h * w, 1),
    ), rng)


def dcgan_sn_discriminator(image_shape=(1, 28, 28), rng=None, width=64, depth=2):
    """N2's D with spectral normalisation of every layer, weights N(0, 0.02); made for the hinge loss.

    It mixes no samples, so it can have a gradient penalty too. The paper's own D is deeper, with leaky ReLU 0.1.

    (N, C, H, W) → (N, 1)
    Source : Miyato et al. 2018, sections 2.1 and 4.
    """
    widths = discriminator_widths("dcgan", width, depth)
    C, h, w = shrunk("dcgan", image_shape, depth)
    rng = np.random.default_rng(rng)

    def normalised(layer):
        return SpectralNorm(init.normal_(layer, rng), rng)

    return Sequential(
        *stack([C, *widths], lambda a, b: (normalised(Conv2d(a, b, 4, 2, 1)), LeakyReLU(0.2))),
        Flatten(),
        normalised(Linear(widths[-1] * h * w, 1)),
    )


def generator_widths(where, width, depth):
    """Channels of G from the smallest image to the last before the output: [128, 64] for width 64, depth 2."""
    require_whole(where, width=width, depth=depth)
    return doubling(width, depth)[::-1]


def discriminator_widths(where, width, depth):
    """Channels of D after each layer: [32, 64] for width 64, depth 2."""
    require_whole(where, width=width, depth=depth)
    if width % 2:
        raise ConfigError("width must be even", where=where, got=width, fix="D begins with half as many channels")
    return doubling(width // 2, depth)
