"""N3: its layers, shapes, first weights and derivatives, and the same network in PyTorch."""

import numpy as np
import pytest
from numpy.testing import assert_allclose
from scipy import stats
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
from minigan.models import build, norms_discriminator, norms_generator

CONV = "kernel_size=(4, 4), stride=2, padding=1)"
G_LAYERS = ["Linear(100, 25088)", "BatchNorm1d(25088)", "ReLU()", "Unflatten((32, 28, 28))",
            "Conv2d(32, 1, kernel_size=(3, 3), stride=1, padding=1)", "Tanh()"]
D_LAYERS = [f"Conv2d(1, 32, {CONV}", "InstanceNorm2d(32)", "LeakyReLU(0.01)",
            f"Conv2d(32, 32, {CONV}", "InstanceNorm2d(32)", "LeakyReLU(0.01)", "Flatten()",
            "Linear(1568, 32)", "LayerNorm((32,))", "LeakyReLU(0.01)",
            "Linear(32, 16)", "LayerNorm((16,))", "LeakyReLU(0.01)", "Linear(16, 1)"]


def test_n3_has_the_documents_layers_in_an_order_that_composes():
    assert layers(norms_generator()) == G_LAYERS
    assert layers(norms_discriminator()) == D_LAYERS


def test_n3_is_the_model_norms():
    G, D = build("norms", 100, (1, 28, 28))
    assert (layers(G), layers(D)) == (G_LAYERS, D_LAYERS)


@pytest.mark.parametrize("make, count", [
    (norms_generator, 100 * 25088 + 25088 + 2 * 25088 + 32 * 9 + 1),
    (norms_discriminator, (16 * 32 + 32) + (16 * 32 * 32 + 32) + (1568 * 32 + 32) + 64 + (32 * 16 + 16) + 32 + 17),
])
def test_n3_the_number_of_parameters(make, count):
    assert sum(p.size for p in make().parameters()) == count


@pytest.mark.parametrize("image_shape", [(1, 28, 28), (1, 8, 8), (3, 12, 16), (1, 4, 8)], ids=str)
def test_n3_g_makes_images_and_d_scores_them(image_shape):
    G, D = build("norms", 5, image_shape, rng=0)
    x = G(normal(4, 5).astype(np.float32))
    assert (x.shape, D(x).shape, x.dtype, D(x).dtype) == ((4, *image_shape), (4, 1), np.float32, np.float32)


def test_n3_width_is_hidden_size_and_depth_the_number_of_convolutions():
    G, D = build("norms", 5, (1, 16, 16), width=8, depth=3)
    assert layers(G)[0] == "Linear(5, 2048)"
    assert layers(D)[:9:3] == [f"Conv2d(1, 8, {CONV}", f"Conv2d(8, 8, {CONV}", f"Conv2d(8, 8, {CONV}"]
    assert layers(D)[-7:] == ["Linear(32, 8)", "LayerNorm((8,))", "LeakyReLU(0.01)", "Linear(8, 4)",
                              "LayerNorm((4,))", "LeakyReLU(0.01)", "Linear(4, 1)"]


def test_n3_ds_score_of_an_image_does_not_depend_on_the_batch():
    D, x = norms_discriminator((1, 8, 8), 0), normal(5, 1, 8, 8).astype(np.float32)
    assert not any(layer.mixes_samples for layer in D.modules())
    assert_allclose(D(x).data[:1], D(x[:1]).data, rtol=1e-5)


# --- first weights ---


def drawn_from(values, mean, std):
    return stats.kstest(np.concatenate([v.ravel() for v in values]), stats.norm(mean, std).cdf).pvalue > 1e-3


@pytest.mark.parametrize("network", [norms_generator(100, (1, 8, 8), 0), norms_discriminator((1, 8, 8), 1)], ids="GD")
def test_n3_starts_with_weights_n_0_002_norms_n_1_002_and_biases_0(network):
    named = dict(network.named_parameters())
    norms = [layer.weight.data for layer in network if isinstance(layer, (nn.BatchNorm1d, nn.LayerNorm))]
    assert drawn_from([p.data for name, p in named.items() if p.ndim > 1], 0, 0.02)
    assert drawn_from(norms, 1, 0.02)
    assert not any(p.data.any() for name, p in named.items() if name.endswith("bias"))


def test_n3_a_seed_reproduces_the_weights():
    assert_drawn_from_the_seed("norms", width=4)


# --- derivatives ---


def game(m=5):
    """A tiny N3 in float64, real images and noise. With few samples in a batch BatchNorm would leave only signs."""
    G, D = map(in_float64, build("norms", 3, (1, 8, 8), rng=0, width=4))
    return G, D, np.tanh(normal(m, 1, 8, 8, seed=1)), normal(m, 3, seed=2)


@pytest.mark.parametrize("objective", ["bce", "non-saturating", "lsgan"])
@pytest.mark.parametrize("check", [check_d, check_g], ids=["D", "G"])
def test_n3_gradient_of_the_loss_in_every_parameter(check, objective):
    report = check(*game(), objective, **FIRST)
    assert report, report


@pytest.mark.parametrize("check", [check_d, check_g], ids=["D", "G"])
def test_n3_second_derivatives_of_the_loss(check):
    report = check(*game(), **SECOND)
    assert report, report


def test_n3_gradient_of_a_gradient_penalty():
    report = check_penalty(*game(), **FIRST, rtol=1e-4, atol=1e-6)
    assert report, report


# --- in PyTorch ---


@pytest.mark.parametrize("training", [True, False], ids=["training", "evaluation"])
def test_n3_pytorchs_network_gives_the_same_output_from_its_own_state(training):
    torch = pytest.importorskip("torch")
    L = torch.nn
    theirs = (
        L.Sequential(L.Linear(100, 2048), L.BatchNorm1d(2048), L.ReLU(), L.Unflatten(1, (32, 8, 8)),
                     L.Conv2d(32, 1, 3, 1, 1), L.Tanh()),
        L.Sequential(L.Conv2d(1, 32, 4, 2, 1), L.InstanceNorm2d(32), L.LeakyReLU(), L.Conv2d(32, 32, 4, 2, 1),
                     L.InstanceNorm2d(32), L.LeakyReLU(), L.Flatten(), L.Linear(128, 32), L.LayerNorm(32),
                     L.LeakyReLU(), L.Linear(32, 16), L.LayerNorm(16), L.LeakyReLU(), L.Linear(16, 1)),
    )
    for ours, twin, x in zip(build("norms", 100, (1, 8, 8)), theirs, (normal(4, 100), normal(4, 1, 8, 8))):
        twin = twin.double().train(training)
        ours.train(training).load_state_dict(twin.state_dict())
        assert_allclose(ours(x).data, twin(torch.tensor(x)).detach().numpy(), rtol=1e-9, atol=1e-12)


# --- what is refused ---


@pytest.mark.parametrize("options", [{"width": 0}, {"width": 2}, {"width": 5}, {"width": 2.5}, {"depth": 0},
                                     {"depth": True}])
def test_n3_a_width_or_depth_out_of_range_is_refused(options):
    with pytest.raises(ConfigError, match=next(iter(options))):
        norms_discriminator((1, 8, 8), **options)


def test_n3_a_width_out_of_range_is_refused_by_g():
    with pytest.raises(ConfigError, match="norms: width"):
        norms_generator(5, (1, 8, 8), width=-1)


@pytest.mark.parametrize("image_shape, depth, match", [
    ((1, 30, 28), 2, "multiples of 4"), ((1, 4, 4), 2, r"too small.*above 4.*got 4×4"), ((1, 8, 8), 3, "too small"),
])
def test_n3_images_that_its_convolutions_do_not_fit_are_refused(image_shape, depth, match):
    with pytest.raises(ConfigError, match=match):
        norms_discriminator(image_shape, depth=depth)
