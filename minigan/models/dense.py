"""Multilayer perceptrons: N1 for images, and the networks for points in the plane."""

from math import prod

import numpy as np

from ..nn import Flatten, LeakyReLU, Linear, Sequential, Tanh, Unflatten, init

__all__ = ["mlp_generator", "mlp_discriminator", "toy_generator", "toy_discriminator"]


def mlp_generator(latent_dim=100, image_shape=(1, 28, 28), rng=None):
    """N1, the multilayer perceptron G: latent → 128 → 256 → 512 → C·H·W, leaky ReLU 0.2, tanh.

    Glorot-uniform weights and zero biases, the defaults of the TensorFlow that document 004 §4 uses. The tanh is
    minigan's: the document has no output activation and data in [0, 1] (X10).

    (N, latent_dim) → (N, C, H, W)
    """
    rng = np.random.default_rng(rng)
    return init.glorot_uniform_(Sequential(
        Linear(latent_dim, 128), LeakyReLU(0.2),
        Linear(128, 256), LeakyReLU(0.2),
        Linear(256, 512), LeakyReLU(0.2),
        Linear(512, prod(image_shape)), Tanh(),
        Unflatten(image_shape),
    ), rng)


def mlp_discriminator(image_shape=(1, 28, 28), rng=None):
    """N1, the multilayer perceptron D: C·H·W → 512 → 256 → 128 → 1, leaky ReLU 0.2 (document 004 §4).

    (N, C, H, W) → (N, 1)
    """
    rng = np.random.default_rng(rng)
    return init.glorot_uniform_(Sequential(
        Flatten(),
        Linear(prod(image_shape), 512), LeakyReLU(0.2),
        Linear(512, 256), LeakyReLU(0.2),
        Linear(256, 128), LeakyReLU(0.2),
        Linear(128, 1),
    ), rng)


def toy_generator(latent_dim=2, point_shape=(2,), rng=None):
    """The MLP G for points in the plane: latent → 128 → 128 → 2, leaky ReLU 0.2, linear output.

    (N, latent_dim) → (N, 2)
    """
    rng = np.random.default_rng(rng)
    return init.he_normal_(Sequential(
        Linear(latent_dim, 128), LeakyReLU(0.2),
        Linear(128, 128), LeakyReLU(0.2),
        Linear(128, *point_shape),
    ), rng, slope=0.2)


def toy_discriminator(point_shape=(2,), rng=None):
    """The MLP D for points in the plane: 2 → 128 → 128 → 1, leaky ReLU 0.2.

    (N, 2) → (N, 1)
    """
    rng = np.random.default_rng(rng)
    return init.he_normal_(Sequential(
        Linear(*point_shape, 128), LeakyReLU(0.2),
        Linear(128, 128), LeakyReLU(0.2),
        Linear(128, 1),
    ), rng, slope=0.2)
