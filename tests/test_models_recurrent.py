"""N7: how z goes in and a score comes out, and the networks' derivatives under every kind of objective."""

import numpy as np
import pytest
from numpy.testing import assert_allclose

from minigan import Tensor, gradcheck
from minigan.errors import ConfigError
from minigan.losses import OBJECTIVES
from minigan.models import build

SHAPE = (3, 2)


def normal(*shape, seed=0):
    return np.random.default_rng(seed).standard_normal(shape)


def game(width=3, latent_dim=3):
    """G, D in float64."""
    return tuple(network.astype(np.float64) for network in build("gru", latent_dim, SHAPE, rng=0, width=width))


@pytest.mark.parametrize("sequence_shape", [(24, 1), (5, 3), (1, 1)], ids=str)
def test_n7_maps_noise_to_sequences_and_sequences_to_scores(sequence_shape):
    G, D = build("gru", 8, sequence_shape, rng=0)
    x = G(normal(4, 8).astype(np.float32))
    assert (x.shape, x.dtype) == ((4, *sequence_shape), np.float32)
    assert (D(x).shape, D(x).dtype) == ((4, 1), np.float32)


def test_n7_parameters_have_these_names_and_shapes():
    G, D = build("gru", 8, (24, 1), rng=0)
    gru = {"gru.weight_hh_l0": (96, 32), "gru.bias_ih_l0": (96,), "gru.bias_hh_l0": (96,)}
    assert {name: p.shape for name, p in G.named_parameters()} == gru | {
        "start.weight": (32, 8), "start.bias": (32,), "gru.weight_ih_l0": (96, 8),
        "out.weight": (1, 32), "out.bias": (1,)}
    assert {name: p.shape for name, p in D.named_parameters()} == gru | {
        "gru.weight_ih_l0": (96, 1), "out.weight": (1, 32), "out.bias": (1,)}


def test_n7_width_is_the_size_of_the_state():
    G, D = build("gru", 8, SHAPE, rng=0, width=11)
    assert G.gru.weight_hh_l0.shape == D.gru.weight_hh_l0.shape == (33, 11)


def test_n7_g_takes_z_for_its_first_state_and_at_every_step():
    G, _ = game()
    z = normal(4, 3)
    h0 = np.tanh(z @ G.start.weight.data.T + G.start.bias.data)
    states = G.gru(np.stack([z] * SHAPE[0], axis=1), h0).data
    assert_allclose(G(z).data, states @ G.out.weight.data.T + G.out.bias.data, rtol=1e-12)


def test_n7_a_score_is_the_mean_of_the_steps_scores():
    _, D = game()
    x = normal(4, *SHAPE)
    steps = D.gru(x).data @ D.out.weight.data[0] + D.out.bias.data
    assert_allclose(D(x).data, steps.mean(axis=1, keepdims=True), rtol=1e-12)


def test_n7_d_hears_every_step():
    """Change one step's input, and the score changes."""
    _, D = game()
    x = normal(1, *SHAPE)
    for t in range(SHAPE[0]):
        changed = x.copy()
        changed[0, t] += 1
        assert abs(D(changed).item() - D(x).item()) > 1e-4


def test_n7_a_seed_reproduces_the_weights_and_another_does_not():
    def states(seed):
        return [a for network in build("gru", 3, SHAPE, seed) for a in network.state_dict().values()]

    assert all(np.array_equal(a, b) for a, b in zip(states(7), states(7)))
    assert not any(np.array_equal(a, b) for a, b in zip(states(7), states(8)))


def test_n7_takes_a_longer_sequence_than_it_was_built_for():
    _, D = game()
    assert D(normal(4, 9, 2)).shape == (4, 1)


def test_n7_is_asked_for_sequences_only():
    with pytest.raises(ConfigError, match=r"the model makes sequences only .* For points use: mlp"):
        build("gru", 3, (2,))
    with pytest.raises(ConfigError, match=r"For sequences use: gru"):
        build("mlp", 3, SHAPE)


SMALL = {"max_elements": 12, "directions": 2}


@pytest.mark.parametrize("objective, order", [
    ("bce", 1), ("non-saturating", 1), ("non-saturating", 2), ("lsgan", 1), ("wgan-gp", 1), ("r1", 1),
])
def test_n7_derivatives_of_ds_loss(objective, order):
    G, D = game()
    x, x_fake = normal(2, *SHAPE, seed=1), Tensor(G(normal(2, 3, seed=2)).data)

    def loss(*_):
        terms = OBJECTIVES[objective]
        return terms.discriminator(D(x), D(x_fake)) + terms.penalty(D, Tensor(x), x_fake, np.random.default_rng(0))

    report = gradcheck(loss, D.parameters(), order, **SMALL)
    assert report, report


@pytest.mark.parametrize("objective, order", [("bce", 1), ("non-saturating", 1), ("non-saturating", 2), ("wgan", 1)])
def test_n7_derivatives_of_gs_loss(objective, order):
    (G, D), z = game(), normal(2, 3, seed=2)
    report = gradcheck(lambda *_: OBJECTIVES[objective].generator(D(G(z))), G.parameters(), order, **SMALL)
    assert report, report
