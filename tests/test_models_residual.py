"""N5: its blocks, shapes, first weights and derivatives, and the same network in PyTorch."""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
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

from minigan import nn
from minigan.errors import ConfigError
from minigan.models import build, resnet_discriminator, resnet_generator, resnet_sn_discriminator
from minigan.models.residual import Residual

UP = ["BatchNorm2d", "ReLU", "Upsample2d", "Conv2d", "BatchNorm2d", "ReLU", "Conv2d"]
both = pytest.mark.parametrize("name", ["resnet", "resnet-sn"])


def kinds(layers):
    return [type(layer.layer if isinstance(layer, nn.SpectralNorm) else layer).__name__ for layer in layers]


def test_n5_a_residual_block_adds_its_shortcut():
    body, x = nn.Linear(3, 3, rng=0), normal(2, 3).astype(np.float32)
    assert_array_equal(Residual(body, nn.Sequential())(x).data, body(x).data + x)
    assert_array_equal(Residual(body, nn.Tanh())(x).data, body(x).data + np.tanh(x))


def test_n5_g_has_blocks_that_double_the_image():
    G = resnet_generator()
    assert kinds(G) == ["Linear", "Unflatten", "Residual", "Residual", "BatchNorm2d", "ReLU", "Conv2d", "Tanh"]
    for block in G[2:4]:
        assert kinds(block.body) == UP and kinds(block.shortcut) == ["Conv2d", "Upsample2d"]


@pytest.mark.parametrize("make, pool", [(resnet_discriminator, "GlobalAvgPool2d"),
                                        (resnet_sn_discriminator, "GlobalSumPool2d")])
def test_n5_d_has_blocks_that_halve_the_image_and_one_that_keeps_it(make, pool):
    D = make()
    assert kinds(D) == ["Residual", "Residual", "Residual", "ReLU", pool, "Linear"]
    first, down, same = D[:3]
    assert (kinds(first.body), kinds(first.shortcut)) == (["Conv2d", "ReLU", "Conv2d", "AvgPool2d"],
                                                          ["AvgPool2d", "Conv2d"])
    assert (kinds(down.body), kinds(down.shortcut)) == (["ReLU", "Conv2d", "ReLU", "Conv2d", "AvgPool2d"],
                                                        ["AvgPool2d", "Conv2d"])
    assert (kinds(same.body), kinds(same.shortcut)) == (["ReLU", "Conv2d", "ReLU", "Conv2d"], [])


def test_n5_no_layer_of_d_mixes_samples_so_that_it_can_have_a_gradient_penalty():
    assert not any(layer.mixes_samples for D in (resnet_discriminator(), resnet_sn_discriminator())
                   for layer in D.modules())


def test_n5_with_spectral_norm_no_weight_of_d_is_left_without():
    def weighted(network):
        return [m for m in network.modules() if isinstance(m, (nn.Linear, nn.Conv2d))]

    D = resnet_sn_discriminator()
    normalised = [m.layer for m in D.modules() if isinstance(m, nn.SpectralNorm)]
    assert len(normalised) == len(weighted(resnet_discriminator())) == 9
    assert set(normalised) == set(weighted(D))


C3, C1 = 9 * 32 * 32 + 32, 32 * 32 + 32


@pytest.mark.parametrize("make, count", [
    (resnet_generator, 101 * 32 * 49 + 2 * (2 * 64 + 2 * C3 + C1) + 64 + 289),
    (resnet_discriminator, (9 * 32 + 32) + C3 + 64 + (2 * C3 + C1) + 2 * C3 + 33),
    (resnet_sn_discriminator, (9 * 32 + 32) + C3 + 64 + (2 * C3 + C1) + 2 * C3 + 33),
])
def test_n5_the_number_of_parameters(make, count):
    assert sum(p.size for p in make().parameters()) == count


@both
@pytest.mark.parametrize("image_shape", [(1, 28, 28), (1, 8, 8), (3, 12, 16)], ids=str)
def test_n5_g_makes_images_and_d_scores_them(name, image_shape):
    G, D = build(name, 5, image_shape, rng=0, width=8)
    x = G(normal(4, 5).astype(np.float32))
    assert (x.shape, D(x).shape, x.dtype, D(x).dtype) == ((4, *image_shape), (4, 1), np.float32, np.float32)
    assert np.abs(x.data).max() <= 1


def test_n5_width_is_that_of_every_block_and_depth_their_number():
    G, D = build("resnet", 5, (1, 16, 16), width=8, depth=3)
    assert kinds(G).count("Residual") == 3 and kinds(D).count("Residual") == 4
    assert layers(G)[0] == "Linear(5, 32)"
    assert {p.shape[:2] for name, p in D.named_parameters() if p.ndim == 4} == {(8, 1), (8, 8)}


def test_n5_starts_as_he_et_al():
    """The mean square of a weight is 2/fan_in."""
    for network in build("resnet", 100, (1, 28, 28), rng=0):
        for p in network.parameters():
            if p.ndim > 1 and p.size > 1000:
                assert np.mean(p.data**2) * np.prod(p.shape[1:]) == pytest.approx(2, rel=0.1)


@both
def test_n5_a_seed_reproduces_the_weights(name):
    assert_drawn_from_the_seed(name, width=4)


# --- derivatives ---


def game(name, m=3):
    """A tiny N5 in float64, real images and noise. In evaluation D's u and v rest, so that D is one function."""
    G, D = map(in_float64, build(name, 3, (1, 8, 8), rng=0, width=3))
    return G, D.eval(), np.tanh(normal(m, 1, 8, 8, seed=1)), normal(m, 3, seed=2)


@pytest.mark.parametrize("name, objective", [("resnet", "bce"), ("resnet", "non-saturating"), ("resnet", "lsgan"),
                                             ("resnet-sn", "non-saturating")])
@pytest.mark.parametrize("check", [check_d, check_g], ids=["D", "G"])
def test_n5_gradient_of_the_loss_in_every_parameter(name, check, objective):
    report = check(*game(name), objective, **FIRST)
    assert report, report


@both
@pytest.mark.parametrize("check", [check_d, check_g], ids=["D", "G"])
def test_n5_second_derivatives_of_the_loss(name, check):
    G, D = map(in_float64, build(name, 3, (1, 4, 4), rng=0, width=2, depth=1))
    report = check(G, D.eval(), np.tanh(normal(3, 1, 4, 4, seed=1)), normal(3, 3, seed=2), **SECOND)
    assert report, report


@both
def test_n5_gradient_of_a_gradient_penalty(name):
    report = check_penalty(*game(name), **FIRST, rtol=1e-4, atol=1e-6)
    assert report, report


def in_pytorch(torch, width=8):
    """Gulrajani's and Miyato's blocks, in their order: upsampling before the shortcut's convolution, pooling after."""
    L = torch.nn

    def conv(a, b, k=3):
        return L.Conv2d(a, b, k, 1, k // 2)

    class Block(L.Module):
        def __init__(self, body, shortcut):
            super().__init__()
            self.body, self.shortcut = body, shortcut

        def forward(self, x):
            return self.body(x) + self.shortcut(x)

    class Last(L.Sequential):
        """The same layers, the names of the states in our order."""

        def forward(self, x):
            return self[0](self[1](x))

    def up():
        return Block(L.Sequential(L.BatchNorm2d(width), L.ReLU(), L.Upsample(scale_factor=2), conv(width, width),
                                  L.BatchNorm2d(width), L.ReLU(), conv(width, width)),
                     Last(conv(width, width, 1), L.Upsample(scale_factor=2)))

    def down(C, first=()):
        return Block(L.Sequential(*first, conv(C, width), L.ReLU(), conv(width, width), L.AvgPool2d(2)),
                     Last(L.AvgPool2d(2), conv(C, width, 1)))

    G = L.Sequential(L.Linear(5, width * 4), L.Unflatten(1, (width, 2, 2)), up(), up(), L.BatchNorm2d(width), L.ReLU(),
                     conv(width, 1), L.Tanh())
    D = L.Sequential(down(1), down(width, [L.ReLU()]),
                     Block(L.Sequential(L.ReLU(), conv(width, width), L.ReLU(), conv(width, width)), L.Sequential()),
                     L.ReLU(), L.Sequential(L.AdaptiveAvgPool2d(1), L.Flatten()), L.Linear(width, 1))
    return G, D


@pytest.mark.parametrize("training", [True, False], ids=["training", "evaluation"])
def test_n5_pytorchs_network_gives_the_same_output_from_its_own_state(training):
    torch = pytest.importorskip("torch")
    pairs = zip(build("resnet", 5, (1, 8, 8), width=8), in_pytorch(torch), (normal(4, 5), normal(4, 1, 8, 8)))
    for ours, twin, x in pairs:
        twin = twin.double().train(training)
        ours.train(training).load_state_dict(twin.state_dict())
        assert_allclose(ours(x).data, twin(torch.tensor(x)).detach().numpy(), rtol=1e-9, atol=1e-12)


# --- what is refused ---


@pytest.mark.parametrize("make", [resnet_generator, resnet_discriminator, resnet_sn_discriminator])
@pytest.mark.parametrize("options", [{"width": 0}, {"width": 1.5}, {"depth": 0}, {"depth": -1}])
def test_n5_a_width_or_depth_out_of_range_is_refused(make, options):
    with pytest.raises(ConfigError, match=f"resnet: {next(iter(options))}"):
        make(**options)


def test_n5_sides_that_are_not_divided_are_refused():
    with pytest.raises(ConfigError, match=r"resnet: .*multiples of 8.*28×28"):
        build("resnet", 5, (1, 28, 28), depth=3)
