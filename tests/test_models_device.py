"""Every model for images and points on a device: the same game as in main memory, and a loop that never waits."""

import numpy as np
import pytest
from cupy_stand_in import counting
from numpy.testing import assert_allclose

from minigan.losses import OBJECTIVES
from minigan.models import CONDITIONAL, MODELS, build
from minigan.optim import Adam
from minigan.train import minimax

SHAPES = {"images": (1, 8, 8), "points": (2,)}
GAMES = [(name, SHAPES[kind]) for name, makes in MODELS.items() for kind in makes
         if kind in SHAPES and name not in CONDITIONAL]


def play(device, name, shape, steps=1):
    rng = np.random.default_rng(2)
    G, D = (network.to(device) for network in build(name, 3, shape, rng=0))
    batches = (np.tanh(rng.standard_normal((3, *shape))).astype(np.float32) for _ in range(steps))
    game = minimax(G, D, OBJECTIVES["non-saturating"], Adam(G.parameters(), 1e-3), Adam(D.parameters(), 1e-3), batches,
                   lambda m: rng.standard_normal((m, 3)).astype(np.float32))
    with counting() as crossings:
        *_, record = game
    return record, crossings


@pytest.mark.parametrize("name, shape", GAMES)
def test_a_game_on_the_device_is_the_game_on_the_host_and_nothing_waits(fake_cupy, name, shape):
    record, _ = play("cpu", name, shape)
    on_device, crossings = play("cuda", name, shape)
    assert (crossings.to_host, crossings.synchronisations) == (0, 0)
    assert_allclose(on_device.loss_d, record.loss_d, rtol=1e-3)
    assert_allclose(on_device.loss_g, record.loss_g, rtol=1e-3)
