"""Convolutional networks: N2 as document 001 prints it, and in the form of the DCGAN paper, with BatchNorm."""

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
    Tanh,
    Unflatten,
    init,
)

__all__ = ["dcgan_generator", "dcgan_discriminator", "dcgan_bn_generator", "dcgan_bn_discriminator"]


def dcgan_generator(latent_dim=100, image_shape=(1, 28, 28), rng=None):
    """N2, the convolutional G of document 001 §5.1, with PyTorch's initial weights.

    Two transposed convolutions double the size twice:
    (N, latent_dim) → (N, 128, H/4, W/4) → (N, 64, H/2, W/2) → (N, C, H, W).
    """
    C, h, w = quarter(image_shape)
    rng = np.random.default_rng(rng)
    return Sequential(
        Linear(latent_dim, 128 * h * w, rng=rng), LeakyReLU(0.2),
        Unflatten(128, h, w),
        ConvTranspose2d(128, 64, 4, 2, 1, rng=rng), LeakyReLU(0.2),
        ConvTranspose2d(64, C, 4, 2, 1, rng=rng), Tanh(),
    )


def dcgan_discriminator(image_shape=(1, 28, 28), rng=None):
    """N2, the convolutional D of document 001 §5.1, with PyTorch's initial weights.

    Two convolutions halve the size twice: (N, C, H, W) → (N, 32, H/2, W/2) → (N, 64, H/4, W/4) → (N, 1).
    """
    C, h, w = quarter(image_shape)
    rng = np.random.default_rng(rng)
    return Sequential(
        Conv2d(C, 32, 4, 2, 1, rng=rng), LeakyReLU(0.2),
        Conv2d(32, 64, 4, 2, 1, rng=rng), LeakyReLU(0.2),
        Flatten(),
        Linear(64 * h * w, 1, rng=rng),
    )


def dcgan_bn_generator(latent_dim=100, image_shape=(1, 28, 28), rng=None):
    """The DCGAN paper's form of N2's G: BatchNorm after every layer but the last, ReLU, weights N(0, 0.02).

    (N, latent_dim) → (N, C, H, W)
    Source : Radford et al. 2016, section 3; the initial weights also in document 003 §4.
    """
    C, h, w = quarter(image_shape)
    rng = np.random.default_rng(rng)
    return init.normal_(Sequential(
        Linear(latent_dim, 128 * h * w),
        Unflatten(128, h, w), BatchNorm2d(128), ReLU(),
        ConvTranspose2d(128, 64, 4, 2, 1), BatchNorm2d(64), ReLU(),
        ConvTranspose2d(64, C, 4, 2, 1), Tanh(),
    ), rng)


def dcgan_bn_discriminator(image_shape=(1, 28, 28), rng=None):
    """The DCGAN paper's form of N2's D: BatchNorm after every layer but the first and the last, weights N(0, 0.02).

    (N, C, H, W) → (N, 1)
    Source : Radford et al. 2016, section 3.
    """
    C, h, w = quarter(image_shape)
    rng = np.random.default_rng(rng)
    return init.normal_(Sequential(
        Conv2d(C, 32, 4, 2, 1), LeakyReLU(0.2),
        Conv2d(32, 64, 4, 2, 1), BatchNorm2d(64), LeakyReLU(0.2),
        Flatten(),
        Linear(64 * h * w, 1),
    ), rng)


def quarter(image_shape):
    C, H, W = image_shape
    if H % 4 or W % 4:
        raise ConfigError("the image's sides must be multiples of 4", where="dcgan", got=f"{H}×{W}",
                          fix="The networks double the size twice. Pad the images, or use the model 'mlp'")
    return C, H // 4, W // 4
