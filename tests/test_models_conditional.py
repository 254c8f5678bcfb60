"""Conditional networks: where the label goes in, what is refused, and derivatives under every kind of objective."""

from itertools import islice

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from whole_networks import normal

from minigan import Tensor, data, gradcheck, no_grad
from minigan.errors import ShapeError
from minigan.losses import OBJECTIVES
from minigan.models import CONDITIONAL, MODELS, build, dcgan_bn_generator, dcgan_discriminator
from minigan.optim import Adam
from minigan.train import minimax

SHAPES = {"images": (1, 4, 4), "points": (2,)}
every_kind = pytest.mark.parametrize("shape", SHAPES.values(), ids=SHAPES)
Y = np.array([2, 0, 2, 1])


def pair(shape, rng=0, classes=3, **options):
    return build("conditional", 3, shape, rng, classes=classes, **options)


def game(shape):
    """G, D in float64, with all biases away from 0."""
    networks = [network.astype(np.float64) for network in pair(shape, width=8)]
    for i, p in enumerate(networks[0].parameters() + networks[1].parameters()):
        p.data = p.data + 0.1 * normal(*p.shape, seed=i)
    return networks


def test_every_kind_of_sample_is_tested_here():
    assert CONDITIONAL == ("conditional",) and MODELS["conditional"].keys() == SHAPES.keys()


@every_kind
def test_noise_and_labels_make_samples_and_samples_and_labels_scores(shape):
    G, D = pair(shape)
    x = G(normal(4, 3).astype(np.float32), Y)
    assert (x.shape, x.dtype) == ((4, *shape), np.float32)
    assert (D(x, Y).shape, D(x, Y).dtype) == ((4, 1), np.float32)


def test_g_is_dcgan_bns_with_the_labels_embedding_beside_z():
    G, _ = build("conditional", 100, (1, 28, 28), 0)
    assert repr(G.network) == repr(dcgan_bn_generator(116))
    assert G.embed.weight.shape == (10, 16)
    z, y = normal(4, 100).astype(np.float32), np.array([3, 9, 0, 3])
    both = np.concatenate([z, G.embed.weight.data[y]], axis=1)
    assert_array_equal(G.eval()(z, y).data, G.network(both).data)


def test_d_is_n2s_with_a_direction_of_its_features_for_each_class():
    _, D = build("conditional", 100, (1, 28, 28), 0)
    assert repr(D.features) == repr(dcgan_discriminator()[:-1])
    x, y = normal(4, 1, 28, 28), np.array([3, 9, 0, 3])
    phi, w, e = D.features(x).data, D.out.weight.data[0], D.embed.weight.data
    expected = [[phi[i] @ (w + e[y[i]]) + D.out.bias.data[0]] for i in range(4)]
    assert_allclose(D(x, y).data, expected, rtol=1e-4, atol=1e-5)


@every_kind
def test_each_sample_depends_on_its_own_label_alone(shape):
    G, D = game(shape)
    other = np.array([2, 1, 2, 1])  # the second label
    for network, x in ((G.eval(), normal(4, 3)), (D, normal(4, *shape))):
        differs = (network(x, Y).data != network(x, other).data).reshape(4, -1).any(axis=1)
        assert differs.tolist() == [False, True, False, False]


@every_kind
def test_a_seed_reproduces_the_weights_and_another_does_not(shape):
    def weights(seed):
        return [p.data for network in pair(shape, seed) for p in network.parameters() if p.data.any()]

    assert all(np.array_equal(a, b) for a, b in zip(weights(7), weights(7)))
    assert not any(np.array_equal(a, b) for a, b in zip(weights(7), weights(8)))


def test_classes_are_directions_as_large_as_a_dense_layers():
    _, D = build("conditional", 3, (1, 28, 28), 0)
    assert D.embed.weight.shape == (10, 3136)
    assert_allclose(D.embed.weight.data.std(), 1 / np.sqrt(3 * 3136), rtol=0.02)


def test_width_and_depth_are_the_networks():
    G, D = build("conditional", 3, (1, 8, 8), 0, classes=4, width=8, depth=3)
    assert repr(G.network) == repr(dcgan_bn_generator(19, (1, 8, 8), width=8, depth=3))
    assert repr(D.features) == repr(dcgan_discriminator((1, 8, 8), width=8, depth=3)[:-1])


@pytest.mark.parametrize("y, message", [
    (np.array([0, 1, 2, 3]), r"a label is out of range \(expected 0 to 2, got 3\)"),
    (np.array([0, -1, 2, 1]), r"a label is out of range \(expected 0 to 2, got -1\)"),
    (np.array([0.0, 1.0, 2.0, 1.0]), r"labels are whole numbers"),
    (np.array([0, 1, 2]), r"y: there must be one label for each sample \(expected \(4,\), got \(3,\)\)"),
    (np.array([[0], [1], [2], [1]]), r"one label for each sample \(expected \(4,\), got \(4, 1\)\)"),
    (1, r"one label for each sample \(expected \(4,\), got \(\)\)"),
])
@every_kind
def test_labels_that_do_not_fit_are_refused(shape, y, message):
    G, D = pair(shape)
    for network, x in ((G, normal(4, 3)), (D, normal(4, *shape))):
        with pytest.raises(ShapeError, match=message):
            network(x.astype(np.float32), y)


def test_no_layer_of_d_mixes_samples_so_that_it_can_have_a_gradient_penalty():
    for shape in SHAPES.values():
        assert not any(layer.mixes_samples for layer in pair(shape)[1].modules())


@every_kind
def test_on_the_device_it_computes_the_same(shape, fake_cupy):
    (G, D), z = game(shape), normal(4, 3)
    expected = D(G(z, Y), Y).data
    G.to("cuda"), D.to("cuda")
    z, y = fake_cupy.asarray(z), fake_cupy.asarray(Y)
    assert_allclose(D(G(z, y), y).data.get(), expected, rtol=1e-9)


SMALL = {"eps": 1e-7, "rtol": 1e-4, "atol": 1e-6, "max_elements": 8, "directions": 2}


@every_kind
@pytest.mark.parametrize("objective, order", [
    ("bce", 1), ("non-saturating", 2), ("lsgan", 1), ("wgan-gp", 1), ("r1", 1),
])
def test_derivatives_of_ds_loss(shape, objective, order):
    G, D = game(shape)
    x, x_fake = Tensor(normal(4, *shape, seed=1)), Tensor(G(normal(4, 3, seed=2), Y).data)

    def loss(*_):
        terms = OBJECTIVES[objective]
        penalty = terms.penalty(D, x, x_fake, np.random.default_rng(0), Y)
        return terms.discriminator(D(x, Y), D(x_fake, Y)) + penalty

    report = gradcheck(loss, D.parameters(), order, **SMALL)
    assert report, report


@every_kind
@pytest.mark.parametrize("objective, order", [("bce", 1), ("non-saturating", 2), ("hinge", 1)])
def test_derivatives_of_gs_loss(shape, objective, order):
    (G, D), z = game(shape), normal(4, 3, seed=2)
    report = gradcheck(lambda *_: OBJECTIVES[objective].generator(D(G(z, Y), Y)), G.parameters(), order, **SMALL)
    assert report, report


def test_after_a_short_game_on_the_ring_most_points_lie_nearest_to_the_mode_that_was_asked_for():
    x, y = data.ring(2000, 0, labels=True)
    G, D = build("conditional", 2, (2,), 0, classes=8, width=32)
    rng = np.random.default_rng(0)
    game = minimax(G, D, OBJECTIVES["non-saturating"], Adam(G.parameters(), lr=1e-3), Adam(D.parameters(), lr=4e-3),
                   data.minibatches((x, y), 128, 0), lambda m: rng.standard_normal((m, 2), dtype=np.float32))
    for _ in islice(game, 300):
        pass
    asked = np.arange(800) % 8
    with no_grad():
        points = G(rng.standard_normal((800, 2), dtype=np.float32), asked).data
    nearest = np.linalg.norm(points[:, None] - data.ring_modes(), axis=2).argmin(axis=1)
    assert (nearest == asked).mean() > 0.8
