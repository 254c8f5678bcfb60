"""Distances between sets of samples: F11 in one dimension against SciPy, sliced, and Fréchet's against sqrtm."""

import numpy as np
import pytest
import scipy.linalg
import scipy.optimize
import scipy.stats
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose

from minigan import Tensor
from minigan.errors import ConfigError, DataError, MiniganError, ShapeError
from minigan.metrics import (
    frechet_collapsed,
    frechet_distance,
    frechet_floor,
    sliced_wasserstein,
    wasserstein_1d,
)

numbers = st.lists(st.floats(-1e6, 1e6), min_size=1, max_size=12)
some = np.random.default_rng(0).normal


class TestF11TheWassersteinDistanceOnALine:
    @given(numbers, numbers)
    def test_it_is_scipys_for_sets_of_any_size(self, x, y):
        scale = max(map(abs, x + y))  # both sum differences, of which each has an error of its own
        assert_allclose(wasserstein_1d(x, y), scipy.stats.wasserstein_distance(x, y), rtol=1e-12, atol=1e-14 * scale)

    @settings(max_examples=25)
    @given(numbers, numbers)
    def test_it_is_the_cheapest_of_all_plans(self, x, y):
        """The infimum over γ itself, as a linear programme over all joint distributions."""
        n, m = len(x), len(y)
        cost = np.abs(np.subtract.outer(x, y)).ravel() / 1e6
        rows = np.kron(np.eye(n), np.ones(m)), np.kron(np.ones(n), np.eye(m))  # γ's marginals
        best = scipy.optimize.linprog(cost, A_eq=np.vstack(rows), b_eq=[1 / n] * n + [1 / m] * m)
        assert_allclose(wasserstein_1d(x, y) / 1e6, best.fun, rtol=0, atol=1e-7)

    @given(numbers)
    def test_equal_sets_are_at_distance_zero_in_any_order(self, x):
        assert wasserstein_1d(x, x[::-1]) == 0
        assert wasserstein_1d(x, x + x) == 0

    def test_it_is_symmetric(self):
        x, y = some(size=30), some(1, 2, 45)
        assert wasserstein_1d(x, y) == wasserstein_1d(y, x) > 0

    def test_a_shift_costs_its_length(self):
        x = some(size=100)
        assert_allclose(wasserstein_1d(x, x - 2.5), 2.5, rtol=1e-12)

    def test_large_sets_of_coprime_sizes(self):
        x, y = some(size=10_007), some(0.1, 1.1, 4_999)
        assert_allclose(wasserstein_1d(x, y), scipy.stats.wasserstein_distance(x, y), rtol=1e-12)

    def test_scores_of_a_network_are_taken_as_they_come(self, device_xp):
        x, y = some(size=(7, 1)).astype(np.float32), some(size=(5, 1)).astype(np.float32)
        expected = scipy.stats.wasserstein_distance(x[:, 0], y[:, 0])
        result = wasserstein_1d(Tensor(device_xp.asarray(x)), device_xp.asarray(y))
        assert type(result) is float
        assert_allclose(result, expected, rtol=1e-12)  # in float64, though the samples are float32

    def test_several_columns_are_refused(self):
        with pytest.raises(ShapeError, match="one score for each sample"):
            wasserstein_1d(some(size=(5, 2)), some(size=(5, 2)))


class TestF11Sliced:
    def test_in_one_dimension_it_is_the_distance_itself(self):
        x, y = some(size=(40, 1)), some(1, 2, (25, 1))
        assert_allclose(sliced_wasserstein(x, y, projections=3), wasserstein_1d(x, y), rtol=1e-12)

    def test_it_is_the_mean_of_the_distances_of_projections(self):
        x, y = some(size=(30, 4)), some(1, 2, (20, 4))
        theta = np.random.default_rng(7).standard_normal((4, 6))
        theta /= np.sqrt((theta**2).sum(0))
        expected = np.mean([scipy.stats.wasserstein_distance(x @ t, y @ t) for t in theta.T])
        assert_allclose(sliced_wasserstein(x, y, projections=6, rng=7), expected, rtol=1e-12)

    @pytest.mark.parametrize(("d", "factor"), [(2, 2 / np.pi), (3, 1 / 2), (4, 4 / (3 * np.pi))])
    def test_a_shift_along_an_axis_costs_its_length_times_the_mean_of_a_cosine(self, d, factor):
        """E|θ₁| on the circle is 2/π, on the sphere ½, in four dimensions 4/(3π)."""
        x, shift = some(size=(10, d)), 3 * np.eye(d)[0]
        estimate = sliced_wasserstein(x, x + shift, projections=20_000)
        assert_allclose(estimate, 3 * factor, rtol=0.02)  # four standard errors

    def test_the_size_and_the_order_of_the_sets_do_not_matter(self):
        x, y = some(size=(30, 3)), some(1, 1, (20, 3))
        assert sliced_wasserstein(x, x[::-1]) < 1e-15
        assert_allclose(sliced_wasserstein(x[::-1], np.repeat(y, 3, axis=0)), sliced_wasserstein(x, y), rtol=1e-12)

    @given(st.integers(0, 2**31))
    def test_the_triangle_inequality_holds_with_one_seed(self, seed):
        rng = np.random.default_rng(seed)
        x, y, z = (rng.normal(rng.normal(), rng.uniform(0, 2), (rng.integers(1, 6), 2)) for _ in range(3))
        through_y = sliced_wasserstein(x, y, 8) + sliced_wasserstein(y, z, 8)
        assert sliced_wasserstein(x, z, 8) <= through_y + 1e-12

    def test_images_are_flattened(self, device_xp):
        x, y = some(size=(6, 1, 2, 2)).astype(np.float32), some(size=(5, 1, 2, 2)).astype(np.float32)
        expected = sliced_wasserstein(x.reshape(6, 4), y.reshape(5, 4))
        assert sliced_wasserstein(Tensor(device_xp.asarray(x)), device_xp.asarray(y)) == expected

    def test_another_seed_gives_other_directions(self):
        x, y = some(size=(6, 3)), some(size=(6, 3))
        assert sliced_wasserstein(x, y, rng=1) == sliced_wasserstein(x, y, rng=1) != sliced_wasserstein(x, y, rng=2)

    def test_unfit_arguments_are_named(self):
        x = some(size=(6, 3))
        with pytest.raises(ShapeError, match="3 and 2 numbers a sample"):
            sliced_wasserstein(x, x[:, :2])
        with pytest.raises(ConfigError, match="projections"):
            sliced_wasserstein(x, x, projections=0)
        with pytest.raises(ConfigError, match="rng"):
            sliced_wasserstein(x, x, rng=None)


def by_sqrtm(x, y):
    """The formula, letter for letter."""
    cov_x, cov_y = np.cov(x, rowvar=False), np.cov(y, rowvar=False)
    root = scipy.linalg.sqrtm(cov_x @ cov_y).real
    return np.sum((x.mean(0) - y.mean(0)) ** 2) + np.trace(cov_x + cov_y - 2 * root)


class TestFrechet:
    @pytest.mark.parametrize("seed", range(5))
    def test_it_is_the_formula_by_a_matrix_square_root(self, seed):
        rng = np.random.default_rng(seed)
        x = rng.normal(size=(50, 6)) @ rng.normal(size=(6, 6))
        y = rng.normal(1, 1, size=(40, 6)) @ rng.normal(size=(6, 6))
        assert_allclose(frechet_distance(x, y), by_sqrtm(x, y), rtol=1e-10)

    def test_of_diagonal_covariances_it_has_a_closed_form(self):
        r"""$\sum_i (\mu_i - \nu_i)^2 + (\sigma_i - \tau_i)^2$"""
        corners = np.array([[1, 1], [1, -1], [-1, 1], [-1, -1]]) * np.sqrt(3 / 4)  # covariance I, with 1/(n − 1)
        x, y = corners * [1, 2] + [5, 0], corners * [4, 0.5] + [3, 1]
        assert_allclose(frechet_distance(x, y), 2**2 + 1**2 + 3**2 + 1.5**2, rtol=1e-12)

    def test_in_one_dimension_it_is_the_difference_of_means_and_deviations(self):
        x, y = some(size=60), some(2, 3, 40)
        expected = (x.mean() - y.mean()) ** 2 + (x.std(ddof=1) - y.std(ddof=1)) ** 2
        assert_allclose(frechet_distance(x, y), expected, rtol=1e-12)

    @pytest.mark.parametrize("n", [4, 100])  # with 4 samples of 9 numbers the covariance is singular
    def test_equal_sets_are_at_distance_zero_and_the_distance_is_symmetric(self, n):
        x, y = some(size=(n, 9)), some(1, 2, (n, 9))
        assert 0 <= frechet_distance(x, x[::-1]) < 1e-12
        assert_allclose(frechet_distance(x, y), frechet_distance(y, x), rtol=1e-12)

    def test_rotating_both_sets_changes_nothing(self):
        x, y = some(size=(30, 4)), some(1, 2, (20, 4))
        rotation = scipy.stats.ortho_group.rvs(4, random_state=0)
        assert_allclose(frechet_distance(x @ rotation, y @ rotation), frechet_distance(x, y), rtol=1e-10)

    def test_one_point_drawn_again_and_again_is_as_far_as_the_spread_of_the_rest(self):
        x = some(size=(30, 4))
        expected = np.sum((x.mean(0) - x[0]) ** 2) + np.trace(np.cov(x, rowvar=False))
        assert_allclose(frechet_distance(x, np.repeat(x[:1], 30, axis=0)), expected, rtol=1e-12)

    def test_two_draws_of_one_distribution_are_apart_as_the_docstring_says(self):
        d, n = 16, 1000
        rng = np.random.default_rng(1)
        distances = [frechet_distance(rng.normal(size=(n, d)), rng.normal(size=(n, d))) for _ in range(20)]
        assert_allclose(np.mean(distances), d * (d + 5) / (2 * n), rtol=0.05)

    def test_float32_features_are_measured_in_float64(self, device_xp):
        x, y = (some(size=(9, 3)) + 1000).astype(np.float32), (some(size=(8, 3)) + 1000).astype(np.float32)
        result = frechet_distance(Tensor(device_xp.asarray(x)), device_xp.asarray(y))
        assert type(result) is float
        assert_allclose(result, by_sqrtm(x.astype(np.float64), y.astype(np.float64)), rtol=1e-8)

    def test_one_sample_has_no_covariance(self):
        with pytest.raises(ShapeError, match=r"y: too few samples \(expected at least 2, got shape \(1, 3\)\)"):
            frechet_distance(some(size=(5, 3)), some(size=(1, 3)))


class TestFrechetsScale:
    def test_the_floor_is_the_mean_distance_of_draws_without_repetition(self):
        x, y = some(size=(12, 2)), some(size=(9, 2))
        assert_allclose(frechet_floor(x, y, 9, repeats=1, rng=3), np.mean(
            [frechet_distance(x[np.random.default_rng(3).permutation(12)[:9]], y)]), rtol=1e-10)
        assert frechet_floor(x, x, 12, repeats=2) < 1e-12

    def test_the_floor_of_gaussians_is_the_bias_at_that_n(self):
        x, y = np.random.default_rng(0).normal(size=(2, 20_000, 8))
        for n in (500, 2_000):
            assert_allclose(frechet_floor(x, y, n, repeats=20), 8 * 13 / (2 * n), rtol=0.2)

    def test_collapsed_is_the_mean_over_every_image_that_is_made_again_and_again(self):
        x = some(size=(15, 3)) @ some(size=(3, 3))
        expected = np.mean([frechet_distance(np.repeat(x[i:i + 1], 6, axis=0), x) for i in range(15)])
        assert_allclose(frechet_collapsed(x), expected, rtol=1e-12)

    def test_more_samples_than_there_are_cannot_be_drawn(self):
        with pytest.raises(ConfigError, match=r"n: more samples than there are \(expected at most 9, got 10\)"):
            frechet_floor(some(size=(12, 2)), some(size=(9, 2)), 10)


@pytest.mark.parametrize("distance", [wasserstein_1d, sliced_wasserstein, frechet_distance])
class TestBadInput:
    @pytest.mark.parametrize("bad", [np.nan, np.inf])
    def test_nan_and_infinity_are_named_with_their_sample(self, distance, bad):
        x = np.arange(6.0)
        x[4] = bad
        with pytest.raises(DataError, match=r"y, sample 4: NaN or infinity.* got 1 of 6 samples"):
            distance(np.arange(3.0), x)

    @pytest.mark.parametrize("bad", [[], np.empty((0, 3)), np.empty((3, 0)), 1.5, None, "text", ["a", "b"],
                                     [[1], [1, 2]]], ids=repr)
    def test_what_is_no_set_of_numbers_is_refused(self, distance, bad):
        with pytest.raises(MiniganError, match=r"^x: "):
            distance(bad, np.arange(3.0))

    def test_whole_numbers_and_lists_are_numbers(self, distance):
        assert distance([1, 2, 3], [1.0, 2.0, 3.0]) < 1e-15
