"""N4, networks of convolutions, pooling and dense layers (document 003 §2.1–2.2), with widths as N2's.

The document prints no such network. D halves images by average pooling, where N2 has stride 2: every pixel then has
its part in D's gradient, from which G learns; max pooling passes it to one pixel in four. G does the opposite, it
doubles images by repeating pixels, which is the adjoint of average pooling (times 4), where N2 transposes convolutions.
Convolutions see images before they are halved and after they are doubled: a step takes three times as long as N2's.
"""

import numpy as np

from ..nn import AvgPool2d, Conv2d, Flatten, LeakyReLU, Linear, Sequential, Tanh, Unflatten, Upsample2d
from .dcgan import discriminator_widths, generator_widths
from .parts import shrunk, stack

__all__ = ["pooling_generator", "pooling_discriminator"]


def pooling_generator(latent_dim=100, image_shape=(1, 28, 28), rng=None, width=64, depth=2):
    """N4's G: Linear, then upsampling and a 3×3 convolution, twice; leaky ReLU 0.2, tanh; PyTorch's initial weights.

    (N, latent_dim) → (N, 128, H/4, W/4) → (N, 64, H/2, W/2) → (N, C, H, W)
    width, depth : as in `dcgan`
    """
    widths = generator_widths("pooling", width, depth)
    C, h, w = shrunk("pooling", image_shape, depth)
    rng = np.random.default_rng(rng)
    return Sequential(
        Linear(latent_dim, widths[0] * h * w, rng=rng), LeakyReLU(0.2),
        Unflatten(widths[0], h, w),
        *stack(widths, lambda a, b: (Upsample2d(2), Conv2d(a, b, 3, 1, 1, rng=rng), LeakyReLU(0.2))),
        Upsample2d(2), Conv2d(width, C, 3, 1, 1, rng=rng), Tanh(),
    )


def pooling_discriminator(image_shape=(1, 28, 28), rng=None, width=64, depth=2):
    """N4's D: a 3×3 convolution, leaky ReLU 0.2 and average pooling, twice; then Linear; PyTorch's initial weights.

    (N, C, H, W) → (N, 32, H/2, W/2) → (N, 64, H/4, W/4) → (N, 1)
    width, depth : as in `dcgan`
    """
    widths = discriminator_widths("pooling", width, depth)
    C, h, w = shrunk("pooling", image_shape, depth)
    rng = np.random.default_rng(rng)
    return Sequential(
        *stack([C, *widths], lambda a, b: (Conv2d(a, b, 3, 1, 1, rng=rng), LeakyReLU(0.2), AvgPool2d(2))),
        Flatten(),
        Linear(widths[-1] * h * w, 1, rng=rng),
    )
