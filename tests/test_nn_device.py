"""Every layer on a device, in float64: the values and gradients of main memory to 1e-10, and nothing waits."""

import numpy as np
import pytest
from cupy_stand_in import waiting_for_nothing
from numpy.testing import assert_allclose

from minigan import Tensor, grad, nn
from minigan.backend import to_device, to_numpy

IMAGES, ROWS = (4, 8, 6, 5), (4, 6)
LAYERS = {  # a layer, and the shape of its input
    "Linear": (lambda: nn.Linear(6, 5, rng=0), ROWS),
    "Linear without bias": (lambda: nn.Linear(6, 5, bias=False, rng=0), ROWS),
    "Conv2d": (lambda: nn.Conv2d(8, 3, 3, 2, 1, rng=0), IMAGES),
    "Conv2d, one pixel": (lambda: nn.Conv2d(8, 1, (6, 5), rng=0), (1, 8, 6, 5)),
    "ConvTranspose2d": (lambda: nn.ConvTranspose2d(8, 3, 4, 2, 1, rng=0), IMAGES),
    "ConvTranspose2d, output_padding": (lambda: nn.ConvTranspose2d(8, 1, 3, 2, 1, 1, rng=0), IMAGES),
    "Embedding": (lambda: nn.Embedding(7, 5, rng=0), None),
    "BatchNorm1d": (lambda: nn.BatchNorm1d(6), ROWS),
    "BatchNorm2d": (lambda: nn.BatchNorm2d(8), IMAGES),
    "InstanceNorm2d": (lambda: nn.InstanceNorm2d(8, affine=True), IMAGES),
    "LayerNorm": (lambda: nn.LayerNorm((8, 6, 5)), IMAGES),
    "MaxPool2d": (lambda: nn.MaxPool2d(2), IMAGES),
    "MaxPool2d, overlapping": (lambda: nn.MaxPool2d(3, 2, 1), IMAGES),
    "AvgPool2d": (lambda: nn.AvgPool2d(3, 2, 1), IMAGES),
    "GlobalAvgPool2d": (nn.GlobalAvgPool2d, IMAGES),
    "GlobalSumPool2d": (nn.GlobalSumPool2d, IMAGES),
    "Upsample2d": (nn.Upsample2d, IMAGES),
    "GRU": (lambda: nn.GRU(6, 5, rng=0), (4, 3, 6)),
    "SelfAttention2d": (lambda: nn.SelfAttention2d(8, rng=0), IMAGES),
    "SpectralNorm": (lambda: nn.SpectralNorm(nn.Linear(6, 5, rng=0), rng=1), ROWS),
    "SpectralNorm, ConvTranspose2d": (lambda: nn.SpectralNorm(nn.ConvTranspose2d(8, 3, 4, 2, 1, rng=0), rng=1), IMAGES),
    "Flatten": (nn.Flatten, IMAGES),
    "Unflatten": (lambda: nn.Unflatten(3, 2), ROWS),
    "ReLU": (nn.ReLU, ROWS),
    "LeakyReLU": (nn.LeakyReLU, ROWS),
    "Tanh": (nn.Tanh, ROWS),
    "Sigmoid": (nn.Sigmoid, ROWS),
    "Maxout": (lambda: nn.Maxout(3), ROWS),
    "Dropout": (lambda: nn.Dropout(0.3, rng=0), ROWS),
    "Sequential": (lambda: nn.Sequential(nn.Linear(6, 5, rng=0), nn.Tanh()), ROWS),
}


def test_no_layer_is_left_out():
    layers = {name for name in nn.__all__ if isinstance(cls := getattr(nn, name), type) and issubclass(cls, nn.Module)}
    assert layers - {"Module"} == {name.partition(",")[0].partition(" ")[0] for name in LAYERS}


def passes(name, device):
    """What the layer gives in two passes of training and one of evaluation, and the gradients; at last its state."""
    make, shape = LAYERS[name]
    rng, results = np.random.default_rng(0), []
    layer = make().astype(np.float64).to(device)
    theta = layer.parameters()
    for p in theta:
        p.assign(p.data + 0.1)  # of SelfAttention2d's γ = 0 comes nothing
    for training in (True, True, False):
        x = rng.integers(7, size=4) if shape is None else rng.standard_normal(shape)
        x = to_device(x, device) if shape is None else Tensor(to_device(x, device))
        with waiting_for_nothing():
            y = layer.train(training)(x)
        g = to_device(rng.standard_normal(y.shape), device)
        with waiting_for_nothing():
            gradients = grad(y, theta if shape is None else [x, *theta], g)
        results += [y.data, *(gx.data for gx in gradients)]
    return [to_numpy(array) for array in results] + list(layer.state_dict().values())


@pytest.mark.parametrize("name", LAYERS)
def test_a_layer_gives_the_same_on_the_device_and_waits_for_nothing(any_cupy, name):
    for got, expected in zip(passes(name, "cuda"), passes(name, "cpu"), strict=True):
        assert got.dtype == expected.dtype
        assert_allclose(got, expected, rtol=1e-10, atol=1e-10)
