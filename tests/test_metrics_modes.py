"""Modes of mixtures and classes of images: what is true measures as perfect, and each failure shows in its figure."""

from math import log

import numpy as np
import pytest
import scipy.stats
from numpy.testing import assert_allclose

from minigan import Tensor
from minigan.data import grid, grid_modes, ring, ring_modes
from minigan.errors import ConfigError, DataError, MiniganError, ShapeError
from minigan.metrics import ClassCoverage, ModeReport, class_coverage, mode_report, perfect_high_quality, reverse_kl

MIXTURES = {"ring": (ring, ring_modes(), 0.01), "grid": (grid, grid_modes(), 0.05)}
every_mixture = pytest.mark.parametrize(("draw", "centres", "std"), MIXTURES.values(), ids=MIXTURES)


@every_mixture
class TestMixtures:
    def test_the_true_mixture_is_perfect(self, draw, centres, std):
        """The share within the band, every mode there, and a reverse KL that 2n times is chi-squared with K − 1."""
        n, K = 2_500, len(centres)
        share, two_errors = perfect_high_quality(n)
        for seed in range(3):
            report = mode_report(draw(n, seed), centres, std)
            assert (report.modes_covered, report.modes, report.samples) == (K, K, n)
            assert abs(report.high_quality - share) < 1.5 * two_errors  # three standard errors
            assert 2 * n * report.reverse_kl < scipy.stats.chi2.ppf(0.999, K - 1)

    def test_the_share_of_many_samples_is_the_formulas(self, draw, centres, std):
        share, two_errors = perfect_high_quality(100_000)
        assert abs(mode_report(draw(100_000, 0), centres, std).high_quality - share) < 1.5 * two_errors

    def test_a_collapsed_generator_has_one_mode_and_all_its_samples_are_good(self, draw, centres, std):
        report = mode_report(np.repeat(centres[2:3], 100, axis=0), centres, std)
        assert report == ModeReport(1, len(centres), 1.0, pytest.approx(log(len(centres)), rel=1e-12), 100)

    def test_half_of_the_modes_in_equal_parts(self, draw, centres, std):
        K = len(centres)
        report = mode_report(np.repeat(centres[: K // 2], 10, axis=0), centres, std)
        assert (report.modes_covered, report.high_quality) == (K // 2, 1)
        assert_allclose(report.reverse_kl, log(K / (K // 2)), rtol=1e-12)

    def test_narrow_clusters_are_above_the_band_and_wide_ones_below(self, draw, centres, std):
        share, two_errors = perfect_high_quality(2_500)
        assert mode_report(draw(2_500, 0, std=0.7 * std), centres, std).high_quality > share + two_errors
        assert mode_report(draw(2_500, 0, std=1.3 * std), centres, std).high_quality < share - two_errors

    def test_points_far_from_all_modes_cover_none(self, draw, centres, std):
        report = mode_report(centres + 4 * std, centres, std)
        assert (report.modes_covered, report.high_quality) == (0, 0)
        assert_allclose(report.reverse_kl, 0, atol=1e-15)  # each counts for its nearest mode: the proportions are right


CENTRES = np.array([[0.0, 0.0], [10.0, 0.0], [0.0, 10.0]])


class TestDefinitions:
    def test_high_quality_is_a_circle_and_no_square(self):
        """Three deviations in both directions at once are 4.2 away."""
        report = mode_report([[2.9, 0.0], [0.0, -2.9], [2.2, 2.2], [2.9, 2.9]], CENTRES, 1.0)
        assert report.high_quality == 0.5

    def test_bad_samples_cover_no_mode_but_count_in_the_proportions(self):
        report = mode_report([[0.0, 0.0], [10.0, 5.0], [10.0, 5.5], [0.0, 10.0]], CENTRES, 1.0)
        assert (report.modes_covered, report.high_quality, report.samples) == (2, 0.5, 4)
        assert_allclose(report.reverse_kl, scipy.stats.entropy([0.25, 0.5, 0.25], [1 / 3] * 3), rtol=1e-12)

    def test_the_direction_of_the_kl_is_reverse(self):
        """From the generator's proportions to the true ones: the other way round a missing mode would give infinity."""
        report = mode_report([[0.0, 0.0], [0.0, 0.0], [0.0, 0.0], [10.0, 0.0]], CENTRES, 1.0)
        assert_allclose(report.reverse_kl, scipy.stats.entropy([0.75, 0.25, 0], [1 / 3] * 3), rtol=1e-12)

    def test_one_good_sample_covers_a_mode(self):
        assert mode_report([[0.0, 0.0]] * 99 + [[10.0, 1.0]], CENTRES, 1.0).modes_covered == 2

    def test_the_unit_of_length_does_not_matter(self):
        x = np.random.default_rng(0).normal(3, 4, (200, 2))
        assert mode_report(x * 1e-3, CENTRES * 1e-3, 1e-3) == mode_report(x, CENTRES, 1.0)

    def test_a_networks_output_is_taken_from_any_device(self, device_xp):
        x = ring(100, 0)
        report = mode_report(Tensor(device_xp.asarray(x)), ring_modes(), 0.01)
        assert report == mode_report(x, ring_modes(), 0.01)
        assert [type(value) for value in vars(report).values()] == [int, int, float, float, int]

    def test_the_band_at_2500(self):
        share, two_errors = perfect_high_quality(2_500)
        assert share == pytest.approx(scipy.stats.chi2.cdf(9, 2), rel=1e-12)
        assert (round(100 * share, 3), round(100 * two_errors, 2)) == (98.889, 0.42)


class TestReverseKl:
    def test_it_is_scipys(self):
        q, p = np.random.default_rng(0).dirichlet([0.5] * 6, size=2)
        assert_allclose(reverse_kl(q, p), scipy.stats.entropy(q, p), rtol=1e-12)

    def test_what_the_generator_does_not_make_costs_nothing_and_what_is_never_real_infinitely_much(self):
        assert_allclose(reverse_kl(np.array([1.0, 0.0]), np.array([0.5, 0.5])), log(2), rtol=1e-12)
        assert reverse_kl(np.array([0.5, 0.5]), np.array([1.0, 0.0])) == np.inf


class TestClassCoverage:
    def test_by_hand(self):
        """q = (½, ¼, ¼, 0) against p = (¼, ¼, ¼, ¼)."""
        assert class_coverage([0, 0, 1, 2], [3, 2, 1, 0], 4) == ClassCoverage(
            3, 4, pytest.approx(2**1.5, rel=1e-12), pytest.approx(log(2) / 2, rel=1e-12), 4)

    def test_real_classes_may_come_as_their_proportions(self):
        labels, real = [0, 0, 1, 2], [0, 0, 0, 1, 2, 2, 2, 2]
        assert class_coverage(labels, real, 3) == class_coverage(labels, [3 / 8, 1 / 8, 4 / 8], 3)

    def test_real_images_cover_everything(self):
        report = class_coverage(np.arange(1000) % 10, np.arange(70) % 10)
        assert report == ClassCoverage(10, 10, pytest.approx(10), pytest.approx(0, abs=1e-15), 1000)

    def test_one_class_only(self):
        report = class_coverage([7] * 50, np.arange(70) % 10)
        assert report == ClassCoverage(1, 10, 1.0, pytest.approx(log(10)), 50)

    def test_a_class_counts_from_a_tenth_of_its_share(self):
        real = [0.5, 0.5]
        assert class_coverage([0] * 95 + [1] * 5, real, 2).classes_covered == 2
        assert class_coverage([0] * 96 + [1] * 4, real, 2).classes_covered == 1

    def test_a_class_that_is_never_real_is_not_covered(self):
        report = class_coverage([0, 1], [1.0, 0.0], 2)
        assert (report.classes_covered, report.reverse_kl) == (1, np.inf)

    def test_it_returns_plain_numbers_from_any_device(self, device_xp):
        report = class_coverage(device_xp.asarray([0, 1, 1]), device_xp.asarray([0, 1]), 2)
        assert report == class_coverage([0, 1, 1], [0, 1], 2)
        assert [type(value) for value in vars(report).values()] == [int, int, float, float, int]

    @pytest.mark.parametrize(("labels", "real", "what"), [
        ([0, 10], [0.1] * 10, "labels: no such class"),
        ([-1, 0], [0.1] * 10, "labels: no such class"),
        (np.array([], int), [0.1] * 10, "labels: not an array of classes"),
        ([0.0, 1.0], [0.1] * 10, "labels: not an array of classes"),
        ([[0, 1]], [0.1] * 10, "labels: not an array of classes"),
        ([0, 1], [0, 11], "real: no such class"),
        ([0, 1], [0.5, 0.5], "real: neither classes nor proportions"),
        ([0, 1], [0.2] * 10, "real: neither classes nor proportions"),
        ([0, 1], [np.nan] * 10, "real: neither classes nor proportions"),
        ([0, 1], [-0.1, 0.3] + [0.1] * 8, "real: neither classes nor proportions"),
    ])
    def test_what_are_no_classes_is_named(self, labels, real, what):
        with pytest.raises(MiniganError, match=what):
            class_coverage(np.array(labels), np.array(real))


class TestBadInput:
    def test_nan_is_named(self):
        with pytest.raises(DataError, match="x, sample 1: NaN or infinity"):
            mode_report([[0.0, 0.0], [np.nan, 0.0]], CENTRES, 1.0)

    def test_points_of_another_space_are_refused(self):
        with pytest.raises(ShapeError, match="3 and 2 numbers a sample"):
            mode_report(np.zeros((5, 3)), CENTRES, 1.0)

    @pytest.mark.parametrize("std", [0, -1.0, np.nan, np.inf, "1", None])
    def test_a_deviation_is_positive(self, std):
        with pytest.raises(ConfigError, match="std: "):
            mode_report(CENTRES, CENTRES, std)

    def test_no_samples_have_no_share(self):
        with pytest.raises(ShapeError, match="x: too few samples"):
            mode_report(np.empty((0, 2)), CENTRES, 1.0)
        with pytest.raises(ConfigError, match="n: "):
            perfect_high_quality(0)
