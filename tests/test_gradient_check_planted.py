"""The checker is checked: it finds every planted wrong derivative, on every seed."""

import numpy as np
import pytest
from planted_bugs import OPERATIONS, PLANTED, PLANTED_SECOND, inputs, nonzero, operation

from minigan import functional as F
from minigan import gradcheck

SEEDS = range(5)
SECOND_ORDER_SEEDS = range(3)


@pytest.mark.parametrize("op", OPERATIONS, ids=[op.name for op in OPERATIONS])
@pytest.mark.parametrize("order", [1, 2])
def test_the_right_form_of_every_planted_operation_passes(op, order):
    """Without this, a planted operation might be refused for another reason than the mistake it is named after."""
    for seed in SECOND_ORDER_SEEDS:
        report = gradcheck(operation(op.forward, op.right), inputs(op.draw, seed), order, seed=seed)
        assert report, report


@pytest.mark.parametrize("f, draw", [row[1:] for row in PLANTED], ids=[row[0] for row in PLANTED])
def test_a_wrong_vjp_is_found_on_every_seed(f, draw):
    assert [seed for seed in SEEDS if gradcheck(f, inputs(draw, seed), seed=seed)] == []


@pytest.mark.parametrize("f, draw", PLANTED_SECOND.values(), ids=PLANTED_SECOND.keys())
def test_a_vjp_that_is_wrong_only_when_differentiated_passes_first_order(f, draw):
    for seed in SECOND_ORDER_SEEDS:
        report = gradcheck(f, inputs(draw, seed), seed=seed)
        assert report, report


@pytest.mark.parametrize("f, draw", PLANTED_SECOND.values(), ids=PLANTED_SECOND.keys())
def test_a_vjp_that_is_wrong_only_when_differentiated_is_found_on_every_seed(f, draw):
    assert [seed for seed in SECOND_ORDER_SEEDS if gradcheck(f, inputs(draw, seed), order=2, seed=seed)] == []


def test_the_cotangent_is_not_drawn_from_the_stream_that_the_inputs_may_come_from():
    """Else its signs are those of inputs drawn with default_rng(seed), and a mask of g passes for a mask of x."""
    draw, mask_of_g = nonzero((3, 5)), operation(lambda x: np.maximum(x, 0), [lambda g, y, x: F.leak(g, g, 0.0)])
    assert [seed for seed in SEEDS if gradcheck(mask_of_g, draw(np.random.default_rng(seed)), seed=seed)] == []


def test_there_are_a_hundred_planted_mistakes_of_first_order_and_thirty_of_second():
    assert len(PLANTED) >= 100 and len(PLANTED_SECOND) >= 30
