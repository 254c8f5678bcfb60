"""Widths and depths: what they make of the documents' networks, what is refused; and N2 with spectral norm."""

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

from minigan import models, nn
from minigan.errors import ConfigError
from minigan.models import MODELS, build, dcgan_discriminator, dcgan_sn_discriminator

TWICE = "kernel_size=(4, 4), stride=2, padding=1)"


def weighted(network):
    """The layers with weights, in order, without their kernels."""
    kinds = nn.Linear, nn.Conv2d, nn.ConvTranspose2d
    found = [repr(layer) for layer in network.modules() if isinstance(layer, kinds)]
    return [text.partition(", kernel")[0].rstrip(")").replace("(", " ") for text in found]


@pytest.mark.parametrize("name, shape, options, g, d", [
    ("mlp", (1, 8, 8), {"width": 10}, ["Linear 5, 10", "Linear 10, 20", "Linear 20, 40", "Linear 40, 64"],
     ["Linear 64, 40", "Linear 40, 20", "Linear 20, 10", "Linear 10, 1"]),
    ("mlp", (1, 8, 8), {"depth": 1}, ["Linear 5, 128", "Linear 128, 64"], ["Linear 64, 128", "Linear 128, 1"]),
    ("mlp", (2,), {"width": 10, "depth": 3}, ["Linear 5, 10", "Linear 10, 10", "Linear 10, 10", "Linear 10, 2"],
     ["Linear 2, 10", "Linear 10, 10", "Linear 10, 10", "Linear 10, 1"]),
    ("dcgan", (1, 8, 8), {"width": 6}, ["Linear 5, 48", "ConvTranspose2d 12, 6", "ConvTranspose2d 6, 1"],
     ["Conv2d 1, 3", "Conv2d 3, 6", "Linear 24, 1"]),
    ("dcgan", (1, 8, 8), {"depth": 1}, ["Linear 5, 1024", "ConvTranspose2d 64, 1"], ["Conv2d 1, 32", "Linear 512, 1"]),
    ("dcgan", (3, 64, 64), {"depth": 4},
     ["Linear 5, 8192", "ConvTranspose2d 512, 256", "ConvTranspose2d 256, 128", "ConvTranspose2d 128, 64",
      "ConvTranspose2d 64, 3"],
     ["Conv2d 3, 32", "Conv2d 32, 64", "Conv2d 64, 128", "Conv2d 128, 256", "Linear 4096, 1"]),
    ("pooling", (1, 8, 8), {"width": 6, "depth": 3}, ["Linear 5, 24", "Conv2d 24, 12", "Conv2d 12, 6", "Conv2d 6, 1"],
     ["Conv2d 1, 3", "Conv2d 3, 6", "Conv2d 6, 12", "Linear 12, 1"]),
])
def test_width_and_depth_make_these_layers(name, shape, options, g, d):
    G, D = build(name, 5, shape, **options)
    assert (weighted(G), weighted(D)) == (g, d)


@pytest.mark.parametrize("name", ["dcgan-bn", "dcgan-sn"])
def test_the_other_forms_of_n2_have_its_widths(name):
    theirs = build("dcgan", 5, (1, 16, 16), width=8, depth=3)
    for ours, other in zip(build(name, 5, (1, 16, 16), width=8, depth=3), theirs):
        assert weighted(ours) == weighted(other)


def test_a_deeper_dcgan_bn_has_batch_norm_after_all_layers_but_gs_last_and_ds_first_and_last():
    G, D = build("dcgan-bn", 5, (1, 16, 16), width=8, depth=3)
    assert [repr(layer) for layer in G.modules() if layer.mixes_samples] == [
        "BatchNorm2d(32)", "BatchNorm2d(16)", "BatchNorm2d(8)"]
    assert layers(D)[:6] == [f"Conv2d(1, 4, {TWICE}", "LeakyReLU(0.2)", f"Conv2d(4, 8, {TWICE}", "BatchNorm2d(8)",
                             "LeakyReLU(0.2)", f"Conv2d(8, 16, {TWICE}"]


IMAGES = [(name, (1, 16, 16)) for name, makes in MODELS.items() if "images" in makes and name not in models.CONDITIONAL]


@pytest.mark.parametrize("name, shape", [*IMAGES, ("mlp", (2,)), ("single-layer", (2,))])
def test_a_model_of_another_size_makes_samples_and_scores(name, shape):
    G, D = build(name, 5, shape, rng=0, width=8, depth=1)
    x = G(normal(4, 5).astype(np.float32))
    assert (x.shape, D(x).shape) == ((4, *shape), (4, 1))


@pytest.mark.parametrize("option", ["width", "depth"])
@pytest.mark.parametrize("value", [0, -2, 2.0, "64", True])
@pytest.mark.parametrize("name, shape", [("mlp", (1, 8, 8)), ("mlp", (2,)), ("dcgan", (1, 8, 8)),
                                         ("dcgan-bn", (1, 8, 8)), ("dcgan-sn", (1, 8, 8)), ("pooling", (1, 8, 8))])
def test_a_size_that_is_no_positive_whole_number_is_refused(name, shape, option, value):
    with pytest.raises(ConfigError, match=f"{option} is out of range.*got {value!r}"):
        build(name, 5, shape, **{option: value})
    discriminator = MODELS[name]["points" if len(shape) == 1 else "images"][1]
    with pytest.raises(ConfigError, match=f"{option} is out of range.*got {value!r}"):
        discriminator(shape, **{option: value})


@pytest.mark.parametrize("name", ["dcgan", "dcgan-bn", "dcgan-sn", "pooling"])
def test_an_odd_width_is_refused_where_d_begins_with_half(name):
    with pytest.raises(ConfigError, match=f"{name[:5]}.*: width must be even.*got 7"):
        build(name, 5, (1, 8, 8), width=7)


@pytest.mark.parametrize("name", ["dcgan", "dcgan-bn", "dcgan-sn", "pooling"])
@pytest.mark.parametrize("make", [0, 1], ids="GD")
def test_sides_that_are_no_multiple_of_2_to_the_depth_are_refused(name, make):
    arguments = (5,) if make == 0 else ()
    with pytest.raises(ConfigError, match=f"{name[:5]}.*: .*multiples of 8.*28×28.*smaller depth"):
        MODELS[name]["images"][make](*arguments, (1, 28, 28), depth=3)


def test_none_stands_for_the_documents_size():
    assert weighted(build("mlp", 5, (2,), width=None, depth=None)[0]) == weighted(build("mlp", 5, (2,))[0])


def test_an_option_that_no_network_of_the_model_has_is_refused():
    with pytest.raises(ConfigError, match=r"model 'mlp': .*fixed colour.*got colour 3"):
        build("mlp", 5, (2,), colour=3)


def test_an_option_of_one_network_only_is_given_to_that_one():
    G, D = build("resnet", 5, (1, 8, 8), spectral=True, width=4)
    assert isinstance(D[-1], nn.SpectralNorm) and not any(isinstance(m, nn.SpectralNorm) for m in G.modules())


# --- N2 with spectral norm ---


def test_n2_sn_is_n2s_d_with_every_weight_normalised():
    inside = [layer.layer if isinstance(layer, nn.SpectralNorm) else layer for layer in dcgan_sn_discriminator()]
    assert [repr(layer) for layer in inside] == layers(dcgan_discriminator())
    assert sum(isinstance(layer, nn.SpectralNorm) for layer in dcgan_sn_discriminator()) == 3


def test_n2_sn_has_as_many_parameters_as_n2_and_a_generator_with_batch_norm():
    G, D = build("dcgan-sn", 100, (1, 28, 28))
    assert sum(p.size for p in D.parameters()) == 36_513
    assert layers(G) == layers(build("dcgan-bn", 100, (1, 28, 28))[0])


def test_n2_sn_starts_with_weights_n_0_002_biases_0_and_converged_singular_vectors():
    D = dcgan_sn_discriminator(rng=0)
    for name, p in D.named_parameters():
        if p.ndim == 1:
            assert not p.data.any()
        else:
            assert stats.kstest(p.data.ravel(), stats.norm(0, 0.02).cdf).pvalue > 1e-3, name
    for layer in D.modules():
        if isinstance(layer, nn.SpectralNorm):
            W = layer.layer.weight.data.reshape(len(layer.u), -1)
            assert_allclose(layer.u @ W @ layer.v, np.linalg.norm(W, 2), rtol=0.03)


def test_n2_sn_the_norm_of_every_layers_matrix_stays_1_while_weights_change():
    D = dcgan_sn_discriminator((1, 8, 8), 0, width=8)
    for p in D.parameters():
        p.assign(p.data * 50)
    x = normal(8, 1, 8, 8).astype(np.float32)
    assert np.abs(D(x).data).max() < np.abs(x).max() * 64


def test_n2_sn_a_seed_reproduces_the_weights():
    assert_drawn_from_the_seed("dcgan-sn", width=4)


def game(m=2):
    G, D = map(in_float64, build("dcgan-sn", 3, (1, 8, 8), rng=0, width=4))
    return G, D.eval(), np.tanh(normal(m, 1, 8, 8, seed=1)), normal(m, 3, seed=2)


@pytest.mark.parametrize("objective", ["bce", "non-saturating", "lsgan"])
@pytest.mark.parametrize("check", [check_d, check_g], ids=["D", "G"])
def test_n2_sn_gradient_of_the_loss_in_every_parameter(check, objective):
    report = check(*game(), objective, **FIRST)
    assert report, report


@pytest.mark.parametrize("check", [check_d, check_g, check_penalty], ids=["D", "G", "penalty"])
def test_n2_sn_second_derivatives(check):
    report = check(*game(), **(FIRST if check is check_penalty else SECOND))
    assert report, report


@pytest.mark.parametrize("model, options", [
    ("mlp", {"depth": 40}), ("mlp", {"width": 10**6}), ("dcgan", {"width": 9000}),
])
def test_networks_that_no_memory_holds_are_refused_before_they_are_made(model, options):
    with pytest.raises(ConfigError, match="at most 16384"):
        build(model, 8, (1, 8, 8), 0, **options)
