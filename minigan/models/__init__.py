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
from .dcgan import dcgan_bn_discriminator, dcgan_bn_generator, dcgan_discriminator, dcgan_generator
from .dense import mlp_discriminator, mlp_generator, toy_discriminator, toy_generator
from .recurrent import recurrent_discriminator, recurrent_generator

__all__ = [
    "mlp_generator", "mlp_discriminator", "dcgan_generator", "dcgan_discriminator", "dcgan_bn_generator",
    "dcgan_bn_discriminator", "toy_generator", "toy_discriminator", "attention_generator", "attention_discriminator",
    "recurrent_generator", "recurrent_discriminator", "MODELS", "CONDITIONAL", "build",
]

# name: what it makes → (generator, discriminator)
MODELS = {
    "mlp": {"images": (mlp_generator, mlp_discriminator), "points": (toy_generator, toy_discriminator)},
    "dcgan": {"images": (dcgan_generator, dcgan_discriminator)},
    "dcgan-bn": {"images": (dcgan_bn_generator, dcgan_bn_discriminator)},
    "attention": {"images": (attention_generator, attention_discriminator)},
    "gru": {"sequences": (recurrent_generator, recurrent_discriminator)},
}
CONDITIONAL = ()  # the models that take labels

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
    rng = np.random.default_rng(rng)
    generator, discriminator = MODELS[name][kind]
    return (generator(latent_dim, sample_shape, rng, **_options(name, generator, options)),
            discriminator(sample_shape, rng, **_options(name, discriminator, options)))


def _options(name, function, options):
    options = {key: value for key, value in options.items() if value is not None}
    for key in options.keys() - inspect.signature(function).parameters.keys():
        raise ConfigError(f"the model has a fixed {key}", where=f"model '{name}'", got=f"{key} {options[key]}")
    return options
