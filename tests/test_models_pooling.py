"""N4: convolution and pooling, and the single layer; their layers, shapes, first weights and derivatives."""

import numpy as np
import pytest
from numpy.testing import assert_allclose
from whole_networks import (
    FIRST,
    SECOND,
    assert_drawn_from_the_seed,
    check_d,
    check_g,
    check_penalty,
    in_float64,
    layers,
    normal,
)

from minigan import grad
from minigan.errors import ConfigError
from minigan.losses import OBJECTIVES
from minigan.models import build, pooling_discriminator, pooling_generator, single_layer_discriminator

CONV = "kernel_size=(3, 3), stride=1, padding=1)"
POOL, LEAKY = "AvgPool2d(2, stride=2, padding=0)", "LeakyReLU(0.2)"
G_LAYERS = ["Linear(100, 6272)", LEAKY, "Unflatten((128, 7, 7))", "Upsample2d(2)", f"Conv2d(128, 64, {CONV}", LEAKY,
            "Upsample2d(2)", f"Conv2d(64, 1, {CONV}", "Tanh()"]
D_LAYERS = [f"Conv2d(1, 32, {CONV}", LEAKY, POOL, f"Conv2d(32, 64, {CONV}", LEAKY, POOL, "Flatten()",
            "Linear(3136, 1)"]


def test_n4_has_convolutions_pooling_and_a_dense_layer():
    G, D = build("pooling", 100, (1, 28, 28))
    assert (layers(G), layers(D)) == (G_LAYERS, D_LAYERS)


@pytest.mark.parametrize("make, count", [
    (pooling_generator, 101 * 6272 + (9 * 128 + 1) * 64 + (9 * 64 + 1)),
    (pooling_discriminator, 10 * 32 + (9 * 32 + 1) * 64 + 3137), (single_layer_discriminator, 785),
])
def test_n4_the_number_of_parameters(make, count):
    assert sum(p.size for p in make().parameters()) == count


@pytest.mark.parametrize("name", ["pooling", "single-layer"])
@pytest.mark.parametrize("image_shape", [(1, 28, 28), (1, 8, 8), (3, 12, 16)], ids=str)
def test_n4_g_makes_images_and_d_scores_them(name, image_shape):
    G, D = build(name, 5, image_shape, rng=0)
    x = G(normal(4, 5).astype(np.float32))
    assert (x.shape, D(x).shape, x.dtype, D(x).dtype) == ((4, *image_shape), (4, 1), np.float32, np.float32)
    assert np.abs(x.data).max() <= 1


def test_n4_the_single_layer_scores_points_beside_the_toy_generator():
    G, D = build("single-layer", 2, (2,))
    assert layers(G) == layers(build("mlp", 2, (2,))[0]) and layers(D) == ["Flatten()", "Linear(2, 1)"]
    assert D(G(normal(4, 2).astype(np.float32))).shape == (4, 1)


def test_n4_the_single_layer_scores_images_beside_n1s_generator():
    G, D = build("single-layer", 100, (1, 28, 28))
    assert layers(G) == layers(build("mlp", 100, (1, 28, 28))[0]) and layers(D) == ["Flatten()", "Linear(784, 1)"]


def test_n4_a_linear_d_sees_nothing_but_the_means():
    """G has no gradient in a direction that leaves the mean of its samples where it is, under a linear loss."""
    D, x = single_layer_discriminator((2,), 0).astype(np.float64), normal(6, 2)
    y = x * 3 - 2 * x.mean(0)  # other points with the same mean
    assert D(x).sum().item() == pytest.approx(D(y).sum().item())


def test_n4_starts_as_in_pytorch():
    for network in build("pooling", 100, (1, 28, 28), rng=0):
        for name, p in network.named_parameters():
            fan_in = np.prod(network.state_dict()[name.replace("bias", "weight")].shape[1:])
            assert 0.9 * fan_in**-0.5 < np.abs(p.data).max() <= np.float32(fan_in**-0.5) or p.size < 20


def test_n4_the_single_layer_starts_as_n1():
    W, b = single_layer_discriminator(rng=0).parameters()
    bound = np.sqrt(6 / 785)
    assert 0.98 * bound < np.abs(W.data).max() <= bound and not b.data.any()


@pytest.mark.parametrize("name", ["pooling", "single-layer"])
def test_n4_a_seed_reproduces_the_weights(name):
    assert_drawn_from_the_seed(name, width=4)


# --- derivatives ---


def game(name, m=2):
    options = {"width": 4} if name == "pooling" else {"width": 3, "depth": 2}
    G, D = map(in_float64, build(name, 3, (1, 4, 4), rng=0, **options))
    return G, D, np.tanh(normal(m, 1, 4, 4, seed=1)), normal(m, 3, seed=2)


@pytest.mark.parametrize("name", ["pooling", "single-layer"])
@pytest.mark.parametrize("objective", ["bce", "non-saturating", "lsgan"])
@pytest.mark.parametrize("check", [check_d, check_g], ids=["D", "G"])
def test_n4_gradient_of_the_loss_in_every_parameter(name, check, objective):
    report = check(*game(name), objective, **FIRST)
    assert report, report


@pytest.mark.parametrize("name", ["pooling", "single-layer"])
@pytest.mark.parametrize("check", [check_d, check_g], ids=["D", "G"])
def test_n4_second_derivatives_of_the_loss(name, check):
    report = check(*game(name), **SECOND)
    assert report, report


@pytest.mark.parametrize("name", ["pooling", "single-layer"])
def test_n4_gradient_of_a_gradient_penalty(name):
    report = check_penalty(*game(name), **FIRST, rtol=1e-5, atol=1e-7)
    assert report, report


def test_n4_with_average_pooling_every_pixel_has_a_part_in_ds_gradient():
    G, D, x, _ = game("pooling")
    gradient = grad(OBJECTIVES["bce"].generator(D(x_ := G(normal(2, 3)))), x_).data
    assert (gradient != 0).all() and x.shape == gradient.shape


def test_n4_pytorchs_network_gives_the_same_output_from_its_own_state():
    torch = pytest.importorskip("torch")
    L = torch.nn
    theirs = (
        L.Sequential(L.Linear(100, 6272), L.LeakyReLU(0.2), L.Unflatten(1, (128, 7, 7)), L.Upsample(scale_factor=2),
                     L.Conv2d(128, 64, 3, 1, 1), L.LeakyReLU(0.2), L.Upsample(scale_factor=2),
                     L.Conv2d(64, 1, 3, 1, 1), L.Tanh()),
        L.Sequential(L.Conv2d(1, 32, 3, 1, 1), L.LeakyReLU(0.2), L.AvgPool2d(2), L.Conv2d(32, 64, 3, 1, 1),
                     L.LeakyReLU(0.2), L.AvgPool2d(2), L.Flatten(), L.Linear(3136, 1)),
    )
    for ours, twin, x in zip(build("pooling", 100, (1, 28, 28)), theirs, (normal(4, 100), normal(4, 1, 28, 28))):
        ours.load_state_dict(twin.double().state_dict())
        assert_allclose(ours(x).data, twin(torch.tensor(x)).detach().numpy(), rtol=1e-10, atol=1e-14)


# --- what is refused ---


def test_n4_sides_that_pooling_does_not_divide_are_refused():
    with pytest.raises(ConfigError, match=r"pooling: .*multiples of 4.*30×28"):
        build("pooling", 5, (1, 30, 28))


def test_n4_the_single_layer_has_no_width_of_its_own_but_its_generator_has():
    G, D = build("single-layer", 5, (1, 8, 8), width=16, depth=1)
    assert layers(G)[0] == "Linear(5, 16)" and layers(D) == ["Flatten()", "Linear(64, 1)"]
