"""Mixtures of Gaussians: the centres are where the formulas put them, and the points lie around them."""

import numpy as np
import pytest

from minigan.data import grid, grid_modes, load, ring, ring_modes
from minigan.errors import ConfigError


def test_ring_has_eight_distinct_modes_on_the_circle():
    modes = ring_modes()
    r = np.sqrt(0.5)
    expected = [(1, 0), (r, r), (0, 1), (-r, r), (-1, 0), (-r, -r), (0, -1), (r, -r)]
    assert modes.dtype == np.float32
    np.testing.assert_allclose(modes, expected, atol=1e-7)


def test_ring_takes_the_number_of_modes_and_the_radius():
    modes = ring_modes(3, 2.0)
    assert modes.shape == (3, 2)
    np.testing.assert_allclose(np.hypot(*modes.T), 2, rtol=1e-6)
    distances = np.linalg.norm(modes - np.roll(modes, 1, axis=0), axis=1)
    np.testing.assert_allclose(distances, 2 * np.sqrt(3), rtol=1e-6)


def test_grid_is_five_by_five_two_apart_and_centred():
    modes = grid_modes()
    assert modes.dtype == np.float32
    assert modes.tolist() == [[i, j] for i in (-4, -2, 0, 2, 4) for j in (-4, -2, 0, 2, 4)]


def test_grid_of_an_even_side_is_centred():
    assert grid_modes(2, 1.0).tolist() == [[-0.5, -0.5], [-0.5, 0.5], [0.5, -0.5], [0.5, 0.5]]


@pytest.mark.parametrize("sample, centres, std", [(ring, ring_modes(), 0.01), (grid, grid_modes(), 0.05)])
def test_points_are_gaussian_around_their_modes(sample, centres, std):
    n = 20_000
    x, y = sample(n, 0, labels=True)
    assert (x.shape, x.dtype, y.shape, y.dtype) == ((n, 2), np.float32, (n,), np.int64)
    residual = (x - centres[y]) / std
    # Six standard errors, of the mean, of the standard deviation, and of the counts.
    np.testing.assert_allclose(residual.mean(axis=0), 0, atol=6 / np.sqrt(n))
    np.testing.assert_allclose(residual.std(axis=0), 1, atol=6 / np.sqrt(2 * n))
    np.testing.assert_allclose(np.corrcoef(residual.T)[0, 1], 0, atol=6 / np.sqrt(n))
    share = 1 / len(centres)
    np.testing.assert_allclose(np.bincount(y) / n, share, atol=6 * np.sqrt(share * (1 - share) / n))


@pytest.mark.parametrize("sample", [ring, grid])
def test_seed_decides_the_points(sample):
    np.testing.assert_array_equal(sample(10, 3), sample(10, np.random.default_rng(3)))
    assert not np.array_equal(sample(10, 3), sample(10, 4))


def test_labels_do_not_change_the_points():
    np.testing.assert_array_equal(ring(10, 0), ring(10, 0, labels=True)[0])


@pytest.mark.parametrize("call, where", [
    (lambda: ring(0, 0), "n"), (lambda: ring(2.5, 0), "n"), (lambda: grid(True, 0), "n"),
    (lambda: ring(5, 0, modes=0), "modes"), (lambda: grid(5, 0, side=-1), "side"),
    (lambda: ring(5, 0, radius=-1), "radius"), (lambda: ring(5, 0, radius=np.inf), "radius"),
    (lambda: grid(5, 0, spacing=np.nan), "spacing"),
    (lambda: ring(5, 0, std=-0.1), "std"), (lambda: ring(5, 0, std="wide"), "std"),
    (lambda: ring(5, -1), "rng"), (lambda: ring(5, None), "rng"), (lambda: ring(5, True), "rng"),
])
def test_argument_outside_its_range_is_named(call, where):
    with pytest.raises(ConfigError) as error:
        call()
    assert error.value.where == where


def test_load_gives_the_default_toys():
    np.testing.assert_array_equal(load("ring"), ring(20_000, 0))
    np.testing.assert_array_equal(load("grid", n=50, rng=7), grid(50, 7))


def test_load_gives_the_modes_as_labels():
    x, y = load("ring", labels=True, n=50)
    np.testing.assert_array_equal(y, np.linalg.norm(x[:, None] - ring_modes(), axis=2).argmin(axis=1))


def test_test_points_are_not_the_training_points():
    train, test = load("grid"), load("grid", "test")
    assert test.shape == train.shape
    assert not np.isin(test[:, 0], train[:, 0]).all()
    np.testing.assert_array_equal(test, load("grid", "test"))


def test_load_draws_from_a_given_generator():
    rng = np.random.default_rng(5)
    assert not np.array_equal(load("ring", n=9, rng=rng), load("ring", "test", n=9, rng=rng))
