"""Every model and every objective on a device, in float64: the game of main memory to 1e-10, and nothing waits."""

import numpy as np
import pytest
from cupy_stand_in import waiting_for_nothing
from numpy.testing import assert_allclose

from minigan.losses import OBJECTIVES
from minigan.models import CONDITIONAL, MODELS, build
from minigan.optim import SGD, Adam, RMSProp
from minigan.train import minimax

SHAPES = {"images": (1, 8, 8), "points": (2,), "sequences": (5, 1)}
GAMES = [(name, kind) for name, makes in MODELS.items() for kind in makes]
OPTIMISERS = {"SGD": lambda p: SGD(p, 0.05, momentum=0.5), "RMSProp": lambda p: RMSProp(p, 1e-3, eps=1e-4),
              "Adam": lambda p: Adam(p, 1e-3, eps=1e-4)}  # ε far above the rounding of a gradient that is 0


def play(device, model, kind, objective="non-saturating", optimiser="Adam", steps=3):
    """The records of some steps, as dicts, and the networks' states."""
    rng, options = np.random.default_rng(2), {} if model == "single-layer" else {"width": 8}
    G, D = (network.astype(np.float64).to(device) for network in build(model, 3, SHAPES[kind], 0, **options))
    batches = [np.tanh(rng.standard_normal((6, *SHAPES[kind]))) for _ in range(steps)]
    if model in CONDITIONAL:
        batches = [(x, rng.integers(8, size=6)) for x in batches]
    game = minimax(G, D, OBJECTIVES[objective], *(OPTIMISERS[optimiser](net.parameters()) for net in (G, D)), batches,
                   lambda m: rng.standard_normal((m, 3)), rng=rng)
    with waiting_for_nothing() if device == "cuda" else np.errstate():
        records = list(game)
    return [record.as_dict() for record in records], [network.state_dict() for network in (G, D)]


def assert_same_game(*game):
    (records, states), (there, there_states) = (play(device, *game) for device in ("cpu", "cuda"))
    assert len(records) == 3
    for here, on_device in zip(records, there, strict=True):
        for name, value in here.items():
            assert_allclose(on_device[name], value, rtol=1e-10, atol=1e-10, err_msg=name)
    for here, on_device in zip(states, there_states):
        for name, array in here.items():
            assert on_device[name].dtype == array.dtype
            assert_allclose(on_device[name], array, rtol=1e-10, atol=1e-10, err_msg=name)


@pytest.mark.parametrize("model, kind", GAMES)
def test_every_model_plays_the_same_game_on_the_device(any_cupy, model, kind):
    assert_same_game(model, kind)


@pytest.mark.parametrize("optimiser", OPTIMISERS)
@pytest.mark.parametrize("objective", [name for name in OBJECTIVES if name != "saturating"])
def test_every_objective_and_optimiser_plays_the_same_game_on_the_device(any_cupy, objective, optimiser):
    assert_same_game("dcgan", "images", objective, optimiser)


@pytest.mark.parametrize("objective", ["wgan-gp", "r1"])
@pytest.mark.parametrize("model", ["norms", "pooling", "attention", "conditional"])
def test_penalties_differentiate_twice_on_the_device(any_cupy, model, objective):
    assert_same_game(model, "images", objective)
