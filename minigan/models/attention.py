"""N6: convolutional networks with self-attention, which lets every place of an image know of all others."""

import numpy as np

from ..nn import SelfAttention2d, Sequential
from .dcgan import dcgan_bn_generator, dcgan_discriminator

__all__ = ["attention_generator", "attention_discriminator"]


def attention_generator(latent_dim=100, image_shape=(1, 28, 28), rng=None, width=64, depth=2):
    """N6's G: that of `dcgan_bn_generator`, with attention at half the size, before the last transposed convolution.

    (N, latent_dim) → (N, 128, H/4, W/4) → (N, 64, H/2, W/2), whose H·W/4 places look at each other → (N, C, H, W)
    width, depth : as in `dcgan_bn_generator`
    Source : documents 001 §2.2 and §3.3 only name attention; Zhang et al. 2018, section 3, in residual networks.
    """
    rng = np.random.default_rng(rng)
    layers = list(dcgan_bn_generator(latent_dim, image_shape, rng, width, depth))
    return Sequential(*layers[:-2], SelfAttention2d(width, rng=rng), *layers[-2:])


def attention_discriminator(image_shape=(1, 28, 28), rng=None, width=64, depth=2):
    """N6's D: N2's `dcgan_discriminator`, with attention at half the size, after its first convolution.

    (N, C, H, W) → (N, 32, H/2, W/2), whose H·W/4 places look at each other → (N, 64, H/4, W/4) → (N, 1)
    width, depth : as in `dcgan_discriminator`
    It mixes no samples (there is no BatchNorm in it), so it can have a gradient penalty.
    """
    rng = np.random.default_rng(rng)
    layers = list(dcgan_discriminator(image_shape, rng, width, depth))
    return Sequential(*layers[:2], SelfAttention2d(width // 2, rng=rng), *layers[2:])
