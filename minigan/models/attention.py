"""N6: convolutional networks with self-attention, which lets one place of an image know of all others."""

import numpy as np

from ..nn import (
    BatchNorm2d,
    Conv2d,
    ConvTranspose2d,
    Flatten,
    LeakyReLU,
    Linear,
    ReLU,
    SelfAttention2d,
    Sequential,
    Tanh,
    Unflatten,
    init,
)
from .dcgan import quarter

__all__ = ["attention_generator", "attention_discriminator"]


def attention_generator(latent_dim=100, image_shape=(1, 28, 28), rng=None):
    """N6: the G of `dcgan_bn_generator`, with attention at half the size, between its two transposed convolutions.

    (N, latent_dim) → (N, 128, H/4, W/4) → (N, 64, H/2, W/2), where H·W/4 places look at each other → (N, C, H, W)
    Source : documents 001 §2.2 and §3.3 name attention only; Zhang et al. 2018, section 3 (in residual networks).
    """
    C, h, w = quarter(image_shape)
    rng = np.random.default_rng(rng)
    return init.normal_(Sequential(
        Linear(latent_dim, 128 * h * w),
        Unflatten(128, h, w), BatchNorm2d(128), ReLU(),
        ConvTranspose2d(128, 64, 4, 2, 1), BatchNorm2d(64), ReLU(),
        SelfAttention2d(64),
        ConvTranspose2d(64, C, 4, 2, 1), Tanh(),
    ), rng)


def attention_discriminator(image_shape=(1, 28, 28), rng=None):
    """N6: N2's D, `dcgan_discriminator`, with attention at half the size, after its first convolution.

    There is no BatchNorm in it, so that it is a critic for gradient penalties too.

    (N, C, H, W) → (N, 32, H/2, W/2), where H·W/4 places look at each other → (N, 64, H/4, W/4) → (N, 1)
    """
    C, h, w = quarter(image_shape)
    rng = np.random.default_rng(rng)
    return Sequential(
        Conv2d(C, 32, 4, 2, 1, rng=rng), LeakyReLU(0.2),
        SelfAttention2d(32, rng=rng),
        Conv2d(32, 64, 4, 2, 1, rng=rng), LeakyReLU(0.2),
        Flatten(),
        Linear(64 * h * w, 1, rng=rng),
    )
