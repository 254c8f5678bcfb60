"""The documents' generators and discriminators, as sequences of layers.

A generator maps latent vectors z (N, latent_dim) to samples: images (N, C, H, W) in [−1, 1], or points (N, 2). A
discriminator maps samples to scores a (N, 1); the sigmoid that the documents print at its end lives in the loss.

Every function takes `rng`, the source of the initial weights: a NumPy generator, a seed, or None.
"""

from math import prod

import numpy as np

from .errors import ConfigError
from .nn import (
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

__all__ = [
    "mlp_generator", "mlp_discriminator", "dcgan_generator", "dcgan_discriminator", "dcgan_bn_generator",
    "dcgan_bn_discriminator", "toy_generator", "toy_discriminator", "MODELS", "build",
]


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


def dcgan_generator(latent_dim=100, image_shape=(1, 28, 28), rng=None):
    """N2, the convolutional G of document 001 §5.1, with PyTorch's initial weights.

    Two transposed convolutions double the size twice:
    (N, latent_dim) → (N, 128, H/4, W/4) → (N, 64, H/2, W/2) → (N, C, H, W).
    """
    C, h, w = _quarter(image_shape)
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
    C, h, w = _quarter(image_shape)
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
    C, h, w = _quarter(image_shape)
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
    C, h, w = _quarter(image_shape)
    rng = np.random.default_rng(rng)
    return init.normal_(Sequential(
        Conv2d(C, 32, 4, 2, 1), LeakyReLU(0.2),
        Conv2d(32, 64, 4, 2, 1), BatchNorm2d(64), LeakyReLU(0.2),
        Flatten(),
        Linear(64 * h * w, 1),
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


def _quarter(image_shape):
    C, H, W = image_shape
    if H % 4 or W % 4:
        raise ConfigError("the image's sides must be multiples of 4", where="dcgan", got=f"{H}×{W}",
                          fix="The networks double the size twice. Pad the images, or use the model 'mlp'")
    return C, H // 4, W // 4


# name: (generator, discriminator) of images, and of points
MODELS = {
    "mlp": ((mlp_generator, mlp_discriminator), (toy_generator, toy_discriminator)),
    "dcgan": ((dcgan_generator, dcgan_discriminator), None),
    "dcgan-bn": ((dcgan_bn_generator, dcgan_bn_discriminator), None),
}


def build(name, latent_dim, sample_shape, rng=None):
    """The pair (G, D) of a model in `MODELS`, for samples of `sample_shape`: (C, H, W) for images, (2,) for points.

    Raises ConfigError for an unknown name, or if a convolutional model is asked to make points.
    """
    if name not in MODELS:
        raise ConfigError("unknown model", expected=", ".join(MODELS), got=repr(name))
    of_images, of_points = MODELS[name]
    pair = of_points if len(sample_shape) == 1 else of_images
    if pair is None:
        raise ConfigError("the model makes images only", where=f"model '{name}'",
                          got=f"samples of shape {tuple(sample_shape)}", fix="For points use the model 'mlp'")
    generator, discriminator = pair
    rng = np.random.default_rng(rng)
    return generator(latent_dim, sample_shape, rng), discriminator(sample_shape, rng)
