"""The documents' generators and discriminators, as sequences of layers.

A generator maps latent vectors z (N, latent_dim) to samples: images (N, C, H, W) in [−1, 1], points (N, 2) or sequences
(N, L, C). A discriminator maps samples to scores a (N, 1); the sigmoid that the documents print at its end lives in the
loss. Networks of a conditional game take labels as well: G(z, y) and D(x, y), with whole numbers y (N,).

Every function takes `rng`, the source of the initial weights: a NumPy generator, a seed, or None.
"""

import inspect

import numpy as np

from ..errors import ConfigError
from .attention import attention_discriminator, attention_generator
from .conditional import (
    conditional_discriminator,
    conditional_generator,
    conditional_toy_discriminator,
    conditional_toy_generator,
)
from .dcgan import (
    dcgan_bn_discriminator,
    dcgan_bn_generator,
    dcgan_discriminator,
    dcgan_generator,
    dcgan_sn_discriminator,
)
from .dense import (
    mlp_discriminator,
    mlp_generator,
    single_layer_discriminator,
    toy_discriminator,
    toy_generator,
)
from .norms import norms_discriminator, norms_generator
from .pacgan import pacgan_discriminator, pacgan_generator
from .pooling import pooling_discriminator, pooling_generator
from .recurrent import recurrent_discriminator, recurrent_generator
from .residual import resnet_discriminator, resnet_generator, resnet_sn_discriminator

__all__ = [
    "mlp_generator", "mlp_discriminator", "toy_generator", "toy_discriminator", "single_layer_discriminator",
    "pacgan_generator", "pacgan_discriminator",
    "dcgan_generator", "dcgan_discriminator", "dcgan_bn_generator", "dcgan_bn_discriminator", "dcgan_sn_discriminator",
    "norms_generator", "norms_discriminator", "pooling_generator", "pooling_discriminator",
    "resnet_generator", "resnet_discriminator", "resnet_sn_discriminator", "attention_generator",
    "attention_discriminator", "recurrent_generator", "recurrent_discriminator", "conditional_generator",
    "conditional_discriminator", "conditional_toy_generator", "conditional_toy_discriminator",
    "MODELS", "CONDITIONAL", "build",
    "dense", "dcgan", "norms", "pooling", "residual", "attention", "recurrent", "conditional", "pacgan", "parts",
]

MODELS = {
    "mlp": {"images": (mlp_generator, mlp_discriminator), "points": (toy_generator, toy_discriminator)},
    "dcgan": {"images": (dcgan_generator, dcgan_discriminator)},
    "dcgan-bn": {"images": (dcgan_bn_generator, dcgan_bn_discriminator)},
    "pacgan": {"points": (pacgan_generator, pacgan_discriminator)},
    "dcgan-sn": {"images": (dcgan_bn_generator, dcgan_sn_discriminator)},
    "norms": {"images": (norms_generator, norms_discriminator)},
    "pooling": {"images": (pooling_generator, pooling_discriminator)},
    "single-layer": {"images": (mlp_generator, single_layer_discriminator),
                     "points": (toy_generator, single_layer_discriminator)},
    "resnet": {"images": (resnet_generator, resnet_discriminator)},
    "resnet-sn": {"images": (resnet_generator, resnet_sn_discriminator)},
    "attention": {"images": (attention_generator, attention_discriminator)},
    "gru": {"sequences": (recurrent_generator, recurrent_discriminator)},
    "conditional": {"images": (conditional_generator, conditional_discriminator),
                    "points": (conditional_toy_generator, conditional_toy_discriminator)},
}
"""The models by name: `{name: {what it makes: (generator, discriminator)}}`; it makes images, points or sequences."""
CONDITIONAL = ("conditional",)
"""The models in `MODELS` that take labels."""

_KINDS = {1: "points", 2: "sequences", 3: "images"}  # by the number of a sample's axes


def build(name, latent_dim, sample_shape, rng=None, **options):
    """The pair (G, D) of a model in `MODELS`.

    sample_shape : (C, H, W) for images, (2,) for points, (L, C) for sequences
    options      : what the model's functions take besides: `width` and `depth`, and `classes` where it is conditional;
                   None stands for the document's

    Raises ConfigError for an unknown name, samples that the model does not make, or an option that it does not have.
    """
    if name not in MODELS:
        raise ConfigError("unknown model", expected=", ".join(MODELS), got=repr(name))
    kind = _KINDS.get(len(sample_shape))
    if kind not in MODELS[name]:
        others = [other for other, makes in MODELS.items() if kind in makes]
        raise ConfigError(f"the model makes {' or '.join(MODELS[name])} only", where=f"model '{name}'",
                          got=f"samples of shape {tuple(sample_shape)}", fix=f"For {kind} use: {', '.join(others)}")
    makers = MODELS[name][kind]
    given = {key: value for key, value in options.items() if value is not None}
    takes = [inspect.signature(make).parameters.keys() for make in makers]
    for key in given.keys() - set().union(*takes):
        raise ConfigError(f"the model has a fixed {key}", where=f"model '{name}'", got=f"{key} {given[key]}")
    # An option may be of one network only, as D's depth is where G has none.
    (generator, g_options), (discriminator, d_options) = (
        (make, {key: given[key] for key in given.keys() & keys}) for make, keys in zip(makers, takes))
    rng = np.random.default_rng(rng)
    return generator(latent_dim, sample_shape, rng, **g_options), discriminator(sample_shape, rng, **d_options)
