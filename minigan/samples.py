"""Every differentiable operation with inputs to try it on: read by `minigan gradcheck` and by the tests.

Within a sample the sizes of axes are distinct primes, so that a transposed or forgotten axis cannot pass unseen. Inputs
keep a distance from kinks and poles that is large against the step of a difference quotient.
"""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from . import functional as F
from .backend import random_streams

__all__ = ["Sample", "samples"]


class Sample(NamedTuple):
    """An operation at work: `f(*inputs)`, with float64 arrays as inputs; `case` says which of its cases it is."""

    operation: str
    case: str
    f: Callable
    inputs: tuple


def samples(seed=0):
    """All samples, as a list; every operation of `functional` is there at least once."""
    rng = random_streams(seed, "samples")["samples"]

    def normal(*shape):
        return rng.standard_normal(shape)

    def positive(*shape):
        return rng.uniform(0.5, 2.0, shape)

    def nonzero(*shape):
        return positive(*shape) * rng.choice([-1.0, 1.0], shape)

    def distinct(*shape):
        return rng.permutation(np.linspace(-2.0, 2.0, int(np.prod(shape)))).reshape(shape)

    mask = rng.random((3, 5)) < 0.5
    signs = nonzero(3, 5)
    repeats = np.array([2, 0, 2, 1, 2])
    # conv2d(x, W) has the shape of y at stride (1, 2) and padding (1, 0).
    x, W, y, b, c = normal(3, 2, 7, 5), normal(7, 2, 5, 3), normal(3, 7, 5, 2), normal(7), normal(2)

    return [Sample(*sample) for sample in [
        ("add", "broadcast", F.add, (normal(3, 5), normal(2, 1, 5))),
        ("sub", "broadcast", F.sub, (normal(3, 1), normal(2, 3, 5))),
        ("mul", "broadcast", F.mul, (normal(3, 5), normal(2, 1, 5))),
        ("mul", "by itself", lambda x: F.mul(x, x), (normal(3, 5),)),
        ("div", "broadcast", F.div, (normal(3, 5), nonzero(2, 1, 5))),
        ("neg", "", F.neg, (normal(3, 5),)),
        ("power", "p = 3", lambda x: F.power(x, 3), (normal(3, 5),)),
        ("power", "p = 2", lambda x: F.power(x, 2), (normal(3, 5),)),
        ("power", "p = −½", lambda x: F.power(x, -0.5), (positive(3, 5),)),
        ("matmul", "matrices", F.matmul, (normal(2, 3), normal(3, 5))),
        ("matmul", "batched, broadcast", F.matmul, (normal(7, 2, 3), normal(3, 5))),
        ("matmul", "vectors", F.matmul, (normal(3), normal(3))),
        ("matmul", "vector and matrix", F.matmul, (normal(3), normal(3, 5))),
        ("sum", "all", F.sum, (normal(3, 5),)),
        ("sum", "one axis", lambda x: F.sum(x, 1), (normal(3, 5, 2),)),
        ("sum", "two axes, kept", lambda x: F.sum(x, (0, -1), keepdims=True), (normal(3, 5, 2),)),
        ("broadcast_to", "", lambda x: F.broadcast_to(x, (2, 3, 5)), (normal(3, 1),)),
        ("sum_to", "", lambda x: F.sum_to(x, (3, 1)), (normal(2, 3, 5),)),
        ("reshape", "", lambda x: F.reshape(x, 5, 6), (normal(2, 3, 5),)),
        ("transpose", "reversed", F.transpose, (normal(2, 3, 5),)),
        ("transpose", "a cycle", lambda x: F.transpose(x, 1, 2, 0), (normal(2, 3, 5),)),
        ("swapaxes", "", lambda x: F.swapaxes(x, 0, -1), (normal(2, 3, 5),)),
        ("index", "slices", lambda x: F.index(x, (slice(1, None), slice(None, None, -2))), (normal(3, 5),)),
        ("index", "repeated integers", lambda x: F.index(x, repeats), (normal(3, 5),)),
        ("scatter", "slices", lambda x: F.scatter(x, (slice(1, 3), slice(0, 5)), (3, 7)), (normal(2, 5),)),
        ("scatter", "repeated integers", lambda x: F.scatter(x, repeats, (3, 7)), (normal(5, 7),)),
        ("concatenate", "", lambda *xs: F.concatenate(xs, axis=1), (normal(2, 3), normal(2, 5), normal(2, 7))),
        ("cast", "", lambda x: F.cast(x, np.float64), (normal(3, 5),)),
        ("exp", "", F.exp, (normal(3, 5),)),
        ("log", "", F.log, (positive(3, 5),)),
        ("sqrt", "", F.sqrt, (positive(3, 5),)),
        ("abs", "", F.abs, (nonzero(3, 5),)),
        ("maximum", "broadcast", F.maximum, (distinct(3, 5), distinct(2, 3, 1) + 0.05)),
        ("where", "broadcast", lambda a, b: F.where(mask, a, b), (normal(3, 5), normal(5))),
        ("tanh", "", F.tanh, (normal(3, 5),)),
        ("sigmoid", "", F.sigmoid, (normal(3, 5),)),
        ("softplus", "", F.softplus, (normal(3, 5),)),
        ("log_sigmoid", "", F.log_sigmoid, (normal(3, 5),)),
        ("relu", "", F.relu, (nonzero(3, 5),)),
        ("leaky_relu", "", F.leaky_relu, (nonzero(3, 5),)),
        ("leak", "linear in g", lambda g: F.leak(g, signs, 0.2), (normal(3, 5),)),
        ("mean", "one axis", lambda x: F.mean(x, 1), (normal(3, 5),)),
        ("var", "two axes, kept", lambda x: F.var(x, (0, 2), keepdims=True), (normal(3, 5, 2),)),
        ("norm", "two axes", lambda x: F.norm(x, (0, 2)), (normal(3, 5, 2),)),
        ("max", "one axis", lambda x: F.max(x, 1), (distinct(3, 5, 2),)),
        ("softmax", "", lambda x: F.softmax(x, 1), (normal(3, 5, 2),)),
        ("log_softmax", "", F.log_softmax, (normal(3, 5),)),
        ("linear", "with bias", F.linear, (normal(3, 5), normal(2, 5), normal(2))),
        ("linear", "three axes", F.linear, (normal(7, 3, 5), normal(2, 5), normal(2))),
        ("pad2d", "", lambda x: F.pad2d(x, 1), (normal(2, 3, 5),)),
        ("upsample2d", "", lambda x: F.upsample2d(x, 2), (normal(2, 3, 5, 7),)),
        ("conv2d", "stride, padding, rectangular", lambda x, W, b: F.conv2d(x, W, b, (1, 2), (1, 0)), (x, W, b)),
        ("conv2d", "rows left over", lambda x, W: F.conv2d(x, W, None, (3, 2), 0), (x, normal(7, 2, 3, 5))),
        ("conv_transpose2d", "stride, padding, output padding",
         lambda y, W, c: F.conv_transpose2d(y, W, c, (2, 3), (1, 0), (1, 2)), (y, W, c)),
        ("conv2d_weight", "stride, padding, rectangular",
         lambda x, y: F.conv2d_weight(x, y, (5, 3), (1, 2), (1, 0)), (x, y)),
        ("max_pool2d", "overlapping, padded", lambda x: F.max_pool2d(x, 3, 2, 1), (distinct(2, 3, 7, 5),)),
        ("avg_pool2d", "overlapping, padded", lambda x: F.avg_pool2d(x, (3, 2), 2, (1, 0)), (normal(2, 3, 7, 5),)),
    ]]

