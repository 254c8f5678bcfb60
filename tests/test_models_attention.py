"""N6: where attention stands in the networks, and their derivatives under every kind of objective."""

import numpy as np
import pytest
from numpy.testing import assert_allclose

from minigan import Tensor, gradcheck, nn
from minigan.losses import OBJECTIVES
from minigan.models import build, dcgan_bn_generator, dcgan_discriminator

TINY = (1, 4, 4)


def normal(*shape, seed=0):
    return np.random.default_rng(seed).standard_normal(shape)


def kinds(network):
    return [type(layer).__name__ for layer in network]


def without_attention(network):
    return nn.Sequential(*(layer for layer in network if not isinstance(layer, nn.SelfAttention2d)))


@pytest.mark.parametrize("image_shape", [(1, 28, 28), (3, 8, 12)], ids=str)
def test_n6_maps_noise_to_images_and_images_to_scores(image_shape):
    G, D = build("attention", 5, image_shape, rng=0)
    x = G(normal(2, 5).astype(np.float32))
    assert (x.shape, x.dtype) == ((2, *image_shape), np.float32) and np.abs(x.data).max() <= 1
    assert (D(x).shape, D(x).dtype) == ((2, 1), np.float32)


def test_n6_is_dcgan_bns_g_and_n2s_d_with_attention_at_half_the_size():
    G, D = build("attention", 100, (1, 28, 28), rng=0)
    assert repr(without_attention(G)) == repr(dcgan_bn_generator())
    assert repr(without_attention(D)) == repr(dcgan_discriminator())
    assert [i for i, kind in enumerate(kinds(G)) if kind == "SelfAttention2d"] == [7]
    assert [i for i, kind in enumerate(kinds(D)) if kind == "SelfAttention2d"] == [2]
    assert G[:7](normal(2, 100)).shape == (2, 64, 14, 14)
    assert D[:2](normal(2, 1, 28, 28)).shape == (2, 32, 14, 14)


def test_n6_starts_as_the_networks_without_attention():
    G, D = build("attention", 5, (1, 8, 8), rng=0)
    for network, x in ((G.eval(), normal(2, 5)), (D, normal(2, 1, 8, 8))):
        assert_allclose(network(x).data, without_attention(network)(x).data, rtol=1e-12)


def test_n6_gives_each_of_a_batch_what_it_would_get_alone():
    _, D = game()
    x = normal(3, *TINY)
    assert_allclose(D(x).data, np.concatenate([D(x[i:i + 1]).data for i in range(3)]), rtol=1e-10)


def test_n6_width_and_depth_are_the_convolutions():
    G, D = build("attention", 5, (1, 16, 16), rng=0, width=8, depth=3)
    assert [layer.value.weight.shape[0] for net in (G, D) for layer in net if kinds([layer]) == ["SelfAttention2d"]
            ] == [8, 4]
    assert repr(without_attention(D)) == repr(dcgan_discriminator((1, 16, 16), width=8, depth=3))
    assert D(G(normal(2, 5))).shape == (2, 1)


def test_n6_no_layer_of_d_mixes_samples_so_that_it_can_have_a_gradient_penalty():
    _, D = build("attention", 5, (1, 8, 8), rng=0)
    assert not any(layer.mixes_samples for layer in D.modules())


def game():
    """G, D in float64, with all biases and γ away from 0."""
    G, D = (network.astype(np.float64) for network in build("attention", 3, TINY, rng=0, width=16))
    for i, p in enumerate(G.parameters() + D.parameters()):
        p.data = p.data + (0.5 if p.shape == (1,) else 0.05) * normal(*p.shape, seed=i)
    return G, D


SMALL = {"eps": 1e-7, "rtol": 1e-4, "atol": 1e-6, "max_elements": 10, "directions": 2}


@pytest.mark.parametrize("objective, order", [
    ("non-saturating", 1), ("non-saturating", 2), ("lsgan", 1), ("wgan-gp", 1),
])
def test_n6_derivatives_of_ds_loss(objective, order):
    G, D = game()
    x, x_fake = np.tanh(normal(2, *TINY, seed=1)), Tensor(G(normal(2, 3, seed=2)).data)

    def loss(*_):
        rng = np.random.default_rng(0)
        terms = OBJECTIVES[objective]
        return terms.discriminator(D(x), D(x_fake)) + terms.penalty(D, Tensor(x), x_fake, rng)

    report = gradcheck(loss, D.parameters(), order, **SMALL)
    assert report, report


@pytest.mark.parametrize("objective, order", [("bce", 1), ("non-saturating", 2), ("hinge", 1)])
def test_n6_derivatives_of_gs_loss(objective, order):
    (G, D), z = game(), normal(2, 3, seed=2)
    report = gradcheck(lambda *_: OBJECTIVES[objective].generator(D(G(z))), G.parameters(), order, **SMALL)
    assert report, report
