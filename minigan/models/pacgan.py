"""The networks of the PacGAN paper's experiments on `ring` and `grid`: for comparisons with its tables."""

from itertools import pairwise

import numpy as np

from ..nn import BatchNorm1d, Linear, Maxout, ReLU, Sequential, init

__all__ = ["pacgan_generator", "pacgan_discriminator"]


def pacgan_generator(latent_dim=2, point_shape=(2,), rng=None, width=400):
    """G of the PacGAN paper's mixtures: four hidden layers of 400 without bias, each with BatchNorm and ReLU.

    Weights N(0, 0.02). (N, latent_dim) → (N, 2)
    Source : Lin et al. 2018, "PacGAN", section 4.1, and the authors' published configuration.
    """
    rng = np.random.default_rng(rng)
    sizes = [latent_dim, width, width, width, width]
    hidden = [layer for n, m in pairwise(sizes) for layer in (Linear(n, m, bias=False), BatchNorm1d(m), ReLU())]
    return init.normal_(Sequential(*hidden, Linear(width, *point_shape)), rng)


def pacgan_discriminator(point_shape=(2,), rng=None, width=200):
    """D of the PacGAN paper's mixtures: three hidden layers of 200 maxout units, the largest of five pieces.

    Weights N(0, 0.02). (N, 2) → (N, 1)
    Source : Lin et al. 2018, "PacGAN", section 4.1, and the authors' published configuration.
    """
    rng = np.random.default_rng(rng)
    sizes = [*point_shape, width, width, width]
    hidden = [layer for n, m in pairwise(sizes) for layer in (Linear(n, 5 * m), Maxout(5))]
    return init.normal_(Sequential(*hidden, Linear(width, 1)), rng)
