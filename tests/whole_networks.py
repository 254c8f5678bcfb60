"""Checks of whole networks: the derivatives that training uses, of G and D in float64."""

import numpy as np

from minigan import Tensor, grad, gradcheck
from minigan.losses import OBJECTIVES
from minigan.models import build

# A step small enough that no unit of these networks crosses the kink of its leaky ReLU on the way.
FIRST = {"eps": 1e-7, "max_elements": 6, "directions": 2}
SECOND = {"eps": 1e-7, "max_elements": 4, "directions": 2, "order": 2, "rtol": 1e-4, "atol": 1e-5}


def normal(*shape, seed=0):
    return np.random.default_rng(seed).standard_normal(shape)


def in_float64(network):
    """The network in float64, with all biases away from 0."""
    for i, p in enumerate(network.astype(np.float64).parameters()):
        p.data = p.data + 0.05 * normal(*p.shape, seed=i)
    return network


def check_d(G, D, x, z, objective="non-saturating", **options):
    """The gradient of D's loss in every parameter of D."""
    x_fake = Tensor(G(z).data)
    return gradcheck(lambda *_: OBJECTIVES[objective].discriminator(D(x), D(x_fake)), D.parameters(), **options)


def check_g(G, D, x, z, objective="non-saturating", **options):
    """The gradient of G's loss in every parameter of G."""
    return gradcheck(lambda *_: OBJECTIVES[objective].generator(D(G(z))), G.parameters(), **options)


def check_penalty(G, D, x, z, **options):
    """The gradient of Σ‖∂D/∂x‖², part of every gradient penalty, in every parameter of D: through both derivatives."""
    def squared_slope(*_):
        x_ = Tensor(x)
        (gx,) = grad(D(x_).sum(), [x_], create_graph=True)
        return (gx * gx).sum()

    used = [p for p in D.parameters() if p.ndim > 1]  # the last bias shifts D and has no part in its slope
    return gradcheck(squared_slope, used, **options)


def assert_drawn_from_the_seed(name, **options):
    """The same seed gives the same states, another seed other numbers in all weights with two axes or more."""
    one, same, other = (
        {f"{i}.{key}": array for i, network in enumerate(build(name, 3, (1, 8, 8), seed, **options))
         for key, array in network.state_dict().items()} for seed in (7, 7, 8))
    for key, array in one.items():
        assert np.array_equal(array, same[key]), key
        assert array.ndim < 2 or not np.any(array == other[key]), key


def layers(network):
    return [repr(layer) for layer in network]
