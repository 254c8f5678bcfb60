r"""Initial weights: the documents' N(0, 0.02), Glorot, He, and PyTorch's default (which layers start with).

Each initialiser with a trailing underscore changes a whole network in place and returns it. Weights of dense and
convolution layers and embeddings are drawn, biases set to 0; normalisation layers get weights of 1, unless the rule
says otherwise. Parameters that are none of these (a factor, say) stay as they are.
A weight of shape (a, b, kh, kw) has fan_in = b·kh·kw and fan_out = a·kh·kw, PyTorch's convention.
"""

from math import prod, sqrt

import numpy as np

from .norm import Norm

__all__ = ["fans", "uniform", "normal", "normal_", "glorot_uniform_", "he_normal_"]


def fans(shape):
    """(fan_in, fan_out) of a weight: how many inputs and outputs one element sees."""
    window = prod(shape[2:])
    return shape[1] * window, shape[0] * window


def uniform(shape, bound, rng):
    """float32 of `shape`, drawn from U(−bound, bound)."""
    return rng.uniform(-bound, bound, shape).astype(np.float32)


def normal(shape, std, rng, mean=0.0):
    """float32 of `shape`, drawn from N(mean, std²)."""
    return rng.normal(mean, std, shape).astype(np.float32)


def normal_(network, rng=None, std=0.02):
    r"""Weights from $N(0, std^2)$, weights of normalisation layers from $N(1, std^2)$, biases 0.

    Source : Radford et al. 2016, section 4 (std 0.02); document 003 §4, which leaves the biases of dense and
    convolution layers as they were.
    """
    return _fill(network, rng, lambda shape, rng: normal(shape, std, rng),
                 norm_weight=lambda shape, rng: normal(shape, std, rng, mean=1.0))


def glorot_uniform_(network, rng=None):
    r"""Weights from $U(\pm\sqrt{6/(fan_{in} + fan_{out})})$, biases 0: the default of document 004's TensorFlow.

    Source : Glorot and Bengio 2010, equation 16.
    """
    return _fill(network, rng, lambda shape, rng: uniform(shape, sqrt(6 / sum(fans(shape))), rng))


def he_normal_(network, rng=None, slope=0.0):
    r"""Weights from $N(0, 2/((1 + slope^2)\,fan_{in}))$, biases 0, for layers followed by a (leaky) ReLU.

    Source : He et al. 2015, equations 10 and 15.
    """
    return _fill(network, rng, lambda shape, rng: normal(shape, sqrt(2 / ((1 + slope**2) * fans(shape)[0])), rng))


def _fill(network, rng, weight, norm_weight=lambda shape, rng: np.ones(shape, np.float32)):
    rng = np.random.default_rng(rng)
    norm_weights = {module.weight for module in network.modules() if isinstance(module, Norm)}
    for name, parameter in network.named_parameters():
        if name.rpartition(".")[2].startswith("bias"):
            values = np.zeros(parameter.shape, np.float32)
        elif parameter in norm_weights:
            values = norm_weight(parameter.shape, rng)
        elif parameter.ndim > 1:
            values = weight(parameter.shape, rng)
        else:
            continue
        parameter.assign(parameter.xp.asarray(values))
    return network
