"""How long single operations take at N2's shapes: `python -m pytest -m bench tests/benchmarks/test_operations.py`."""

import numpy as np
import pytest

from minigan import Tensor, functional, grad, nn
from minigan.models import build
from minigan.optim import Adam

pytestmark = pytest.mark.bench
M = 64


def conv2d(x, W):
    return functional.conv2d(x, W, None, 2, 1)


def conv_transpose2d(y, W):
    return functional.conv_transpose2d(y, W, None, 2, 1)


def conv2d_weight(x, y):
    return functional.conv2d_weight(x, y, 4, 2, 1)


OPERATIONS = {
    "conv2d, 1 to 32": (conv2d, (M, 1, 28, 28), (32, 1, 4, 4)),
    "conv2d, 32 to 64": (conv2d, (M, 32, 14, 14), (64, 32, 4, 4)),
    "conv2d, 64 to 128": (conv2d, (M, 64, 14, 14), (128, 64, 4, 4)),
    "conv_transpose2d, 128 to 64": (conv_transpose2d, (M, 128, 7, 7), (128, 64, 4, 4)),
    "conv_transpose2d, 64 to 1": (conv_transpose2d, (M, 64, 14, 14), (64, 1, 4, 4)),
    "conv2d_weight, 32 to 64": (conv2d_weight, (M, 32, 14, 14), (M, 64, 7, 7)),
    "conv2d_weight, 64 to 128": (conv2d_weight, (M, 64, 14, 14), (M, 128, 7, 7)),
    "max_pool2d": (lambda x: functional.max_pool2d(x, 2), (M, 64, 14, 14)),
    "linear, 512 to 784": (functional.linear, (M, 512), (784, 512), (784,)),
    "leaky_relu": (functional.leaky_relu, (M, 64, 14, 14)),
    "leak": (lambda g, y: functional.leak(g, y, 0.2), (M, 64, 14, 14), (M, 64, 14, 14)),
    "BatchNorm2d": (lambda x: nn.BatchNorm2d(64)(x), (M, 64, 14, 14)),
    "sum over a batch of images": (lambda x: functional.sum(x, (0, 2, 3)), (M, 64, 14, 14)),
}


def random(*shape):
    """Numbers of N(0, 1); images with their channels last in memory, as a convolution leaves them."""
    x = np.random.default_rng(0).standard_normal(shape, dtype=np.float32)
    return Tensor(np.ascontiguousarray(x.transpose(0, 2, 3, 1)).transpose(0, 3, 1, 2) if x.ndim == 4 else x)


@pytest.mark.parametrize("name", OPERATIONS)
def test_forward(benchmark, name):
    f, *shapes = OPERATIONS[name]
    benchmark(f, *(random(*shape) for shape in shapes))


@pytest.mark.parametrize("order", [1, 2])
def test_gradient_of_n2s_discriminator(benchmark, order):
    """In its parameters; for order 2 that of the squared gradient in x, as a gradient penalty takes it."""
    _, D = build("dcgan", 100, (1, 28, 28), rng=0)
    x, theta = random(M, 1, 28, 28), D.parameters()

    def differentiate():
        y = functional.sum(D(x))
        if order == 2:
            g = grad(y, x, create_graph=True)
            y = functional.sum(g * g)
        return grad(y, theta, allow_unused=True)

    benchmark(differentiate)


def test_adam_on_n1s_parameters(benchmark):
    G, _ = build("mlp", 100, (1, 28, 28), rng=0)
    optimiser, gradients = Adam(G.parameters()), [p.data.copy() for p in G.parameters()]
    benchmark(optimiser.step, gradients)
