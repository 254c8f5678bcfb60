"""Where the difference quotient is at fault, not the derivative: at a kink, and with a step too big or too small."""

import numpy as np
import pytest
from planted_bugs import operation

from minigan import functional as F
from minigan import gradcheck
from minigan.tensor import record

SEEDS = range(5)
X = np.random.default_rng(0).standard_normal((3, 5))


# --- kinks: two slopes meet, and a derivative is a choice between them (statement 8) ---

KINKS = {
    "relu": F.relu,
    "leaky_relu": F.leaky_relu,
    "maximum": lambda x: F.maximum(x, 0.0),
    "max_pool2d": lambda x: F.max_pool2d(x.reshape(1, 1, 1, 3), (1, 3)),
}


@pytest.mark.parametrize("name", KINKS)
@pytest.mark.parametrize("seed", range(5))
def test_a_kink_is_told_from_an_error(name, seed):
    report = gradcheck(KINKS[name], [np.zeros(3)], seed=seed)
    assert report
    assert report.arguments[0].kinks >= 2
    assert "at a kink" in str(report)


def test_the_derivative_of_abs_at_its_kink_is_the_mean_of_its_slopes():
    report = gradcheck(F.abs, [np.array([-1.0, 0.0, 1.0])])
    assert report and report.arguments[0].kinks == 0  # the difference quotient gives the mean, too


def test_a_check_of_kinks_alone_is_a_check():
    """Though every derivative is zero, and the right value outside the two slopes would be wrong."""
    report = gradcheck(operation(lambda x: np.maximum(x, 0), [lambda g, y, x: g * 0.0]), [np.zeros(3)])
    assert report and report.arguments[0].kinks == 3


def test_kinks_of_a_large_argument_are_told_from_errors():
    """Half of it lies at a kink, as the black pixels of an image do: every random direction crosses many at once."""
    report = gradcheck(F.relu, [np.where(np.arange(3000) % 2, 0.0, 1.0)])
    assert report and report.arguments[0].kinks > 0


def test_a_value_outside_the_two_slopes_of_a_kink_is_wrong():
    def wrong(x):
        return record(np.maximum(x.data, 0), (x,), lambda g, y: g * 1.5)

    report = gradcheck(wrong, [np.zeros(3)])
    assert not report and report.arguments[0].kinks == 0


def test_a_wrong_derivative_beside_a_kink_is_wrong():
    def wrong(x):
        return record(np.maximum(x.data, 0), (x,), lambda g, y: g * (y.data > 0) * 1.01)

    report = gradcheck(wrong, [np.array([-1.0, 0.0, 1.0])])
    assert report.arguments[0].wrong == 1 and report.arguments[0].kinks == 1


# --- the step of the difference quotient ---


def wavy(factor=1.0):
    return operation(lambda x: np.sin(1000 * x), [lambda g, y, x: g * (factor * 1000 * np.cos(1000 * x.data))])


def tanh(factor=1.0):
    return operation(np.tanh, [lambda g, y, x: g * (1 - y * y) * factor])


def plus_1e6(factor=1.0):
    return operation(lambda x: x + 1e6, [lambda g, y, x: g * factor])


def plus_1e9(factor=1.0):
    return operation(lambda x: x + 1e9, [lambda g, y, x: g * factor])


STEPS = {
    "the function bends within it": (wavy, 1e-5, "big"),
    "it is 0.1": (tanh, 1e-1, "big"),
    "it is 1e-13": (tanh, 1e-13, "small"),
    "the result is 1e6": (plus_1e6, 1e-5, "small"),
    "the result is 1e9": (plus_1e9, 1e-5, "small"),
}
every_step = pytest.mark.parametrize("f, eps, verdict", STEPS.values(), ids=STEPS.keys())


@every_step
def test_a_step_that_is_too_big_or_too_small_is_told_from_an_error(f, eps, verdict):
    report = gradcheck(f(), [X], eps=eps)
    assert report and report.arguments[0].steps > 0
    assert f"the step {eps:.0e} is too {verdict}" in str(report)


@every_step
def test_the_better_step_that_is_named_is_better(f, eps, verdict):
    better = gradcheck(f(), [X], eps=eps).arguments[0].better_eps
    again = gradcheck(f(), [X], eps=better)
    assert again and again.arguments[0].steps == 0


@every_step
@pytest.mark.parametrize("factor", [1.001, 0.99, 0.5, -1.0, 0.0])
def test_a_wrong_derivative_is_never_excused_by_the_step(f, eps, verdict, factor):
    for seed in SEEDS:
        assert gradcheck(f(factor), [X], eps=eps, seed=seed).arguments[0].wrong == 15


def test_a_kink_within_the_step_is_not_an_error():
    report = gradcheck(F.relu, [np.array([-1.0, 1e-6, 1.0])])
    assert report and (report.arguments[0].kinks, report.arguments[0].steps) == (1, 0)


def test_a_right_step_is_not_complained_of():
    a = gradcheck(F.tanh, [X]).arguments[0]
    assert (a.steps, a.better_eps) == (0, None)
