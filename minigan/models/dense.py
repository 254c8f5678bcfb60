"""Multilayer perceptrons: N1 for images, and the networks for points in the plane; and N4's single layer."""

from math import prod

import numpy as np

from ..nn import Flatten, LeakyReLU, Linear, Sequential, Tanh, Unflatten, init
from .parts import doubling, require_whole, stack

__all__ = ["mlp_generator", "mlp_discriminator", "toy_generator", "toy_discriminator", "single_layer_discriminator"]


def _hidden(a, b):
    return Linear(a, b), LeakyReLU(0.2)


def mlp_generator(latent_dim=100, image_shape=(1, 28, 28), rng=None, width=128, depth=3):
    """N1, the multilayer perceptron G: latent → 128 → 256 → 512 → C·H·W, leaky ReLU 0.2, tanh.

    Glorot-uniform weights and zero biases, the defaults of the TensorFlow that document 004 §4 uses. The tanh is
    minigan's: the document has no output activation and data in [0, 1] (X10).

    (N, latent_dim) → (N, C, H, W)
    width, depth : of the first hidden layer, each next one being twice as wide; how many there are
    """
    require_whole("mlp", width=width, depth=depth)
    widths = doubling(width, depth)
    rng = np.random.default_rng(rng)
    return init.glorot_uniform_(Sequential(
        *stack([latent_dim, *widths], _hidden),
        Linear(widths[-1], prod(image_shape)), Tanh(),
        Unflatten(image_shape),
    ), rng)


def mlp_discriminator(image_shape=(1, 28, 28), rng=None, width=128, depth=3):
    """N1, the multilayer perceptron D: C·H·W → 512 → 256 → 128 → 1, leaky ReLU 0.2 (document 004 §4).

    (N, C, H, W) → (N, 1)
    width, depth : of the last hidden layer, each one before being twice as wide; how many there are
    """
    require_whole("mlp", width=width, depth=depth)
    rng = np.random.default_rng(rng)
    return init.glorot_uniform_(Sequential(
        Flatten(),
        *stack([prod(image_shape), *reversed(doubling(width, depth))], _hidden),
        Linear(width, 1),
    ), rng)


def toy_generator(latent_dim=2, point_shape=(2,), rng=None, width=128, depth=2):
    """The MLP G for points in the plane: latent → 128 → 128 → 2, leaky ReLU 0.2, linear output.

    (N, latent_dim) → (N, 2)
    width, depth : of the hidden layers, and how many there are
    """
    require_whole("mlp", width=width, depth=depth)
    rng = np.random.default_rng(rng)
    return init.he_normal_(Sequential(
        *stack([latent_dim, *[width] * depth], _hidden),
        Linear(width, *point_shape),
    ), rng, slope=0.2)


def toy_discriminator(point_shape=(2,), rng=None, width=128, depth=2):
    """The MLP D for points in the plane: 2 → 128 → 128 → 1, leaky ReLU 0.2.

    (N, 2) → (N, 1)
    width, depth : of the hidden layers, and how many there are
    """
    require_whole("mlp", width=width, depth=depth)
    rng = np.random.default_rng(rng)
    return init.he_normal_(Sequential(
        *stack([*point_shape, *[width] * depth], _hidden),
        Linear(width, 1),
    ), rng, slope=0.2)


def single_layer_discriminator(sample_shape=(1, 28, 28), rng=None):
    """N4, the simplest D that document 003 §3.4 suggests, "a neural network of a single layer": a = w·x + b.

    A linear D sees the means of p_data and p_G and nothing else: where they agree, G has no gradient left, whatever
    its samples look like. Glorot-uniform weights and zero bias, as N1's.

    (N, …) → (N, 1)
    """
    rng = np.random.default_rng(rng)
    return init.glorot_uniform_(Sequential(Flatten(), Linear(prod(sample_shape), 1)), rng)
