"""D as a classifier: counts at a threshold, the ROC curve and its area, against scikit-learn's."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal
from sklearn import metrics as sklearn_metrics

from minigan import Tensor
from minigan.errors import ConfigError, DataError, ShapeError
from minigan.metrics import (
    ClassificationReport,
    Confusion,
    accuracy,
    auc,
    classification_report,
    confusion,
    f1,
    precision,
    recall,
    roc_curve,
)

REAL, FAKE = [3.0, 0.5, 2.0, -1.0, 0.0], [-2.0, 1.0, 0.0]
scores = st.lists(st.floats(-100, 100), min_size=1, max_size=15)
tied_scores = st.lists(st.sampled_from([-1.0, 0.0, 0.5, 2.0]), min_size=1, max_size=30)
any_scores = scores | tied_scores


def pooled(a_real, a_fake):
    """As scikit-learn wants it: labels, scores."""
    return [1] * len(a_real) + [0] * len(a_fake), np.array(a_real + a_fake)


class TestAtAThreshold:
    def test_counts_by_hand(self):
        assert confusion(REAL, FAKE) == Confusion(tp=3, fn=2, fp=1, tn=2)
        assert confusion(REAL, FAKE, 0.5) == Confusion(tp=2, fn=3, fp=1, tn=2)
        assert accuracy(REAL, FAKE) == 5 / 8
        assert precision(REAL, FAKE) == 3 / 4
        assert recall(REAL, FAKE) == 3 / 5
        assert f1(REAL, FAKE) == pytest.approx(2 / 3, rel=1e-15)

    @settings(max_examples=30)  # scikit-learn is slow on small sets
    @given(any_scores, any_scores, st.sampled_from([0.0, 0.5, -1.0]))
    def test_all_are_scikit_learns(self, a_real, a_fake, threshold):
        y, a = pooled(a_real, a_fake)
        called_real = a > threshold
        (tn, fp), (fn, tp) = sklearn_metrics.confusion_matrix(y, called_real, labels=[0, 1])
        assert confusion(a_real, a_fake, threshold) == (tp, fn, fp, tn)
        theirs = (sklearn_metrics.precision_score(y, called_real, zero_division=0.0),
                  sklearn_metrics.recall_score(y, called_real), sklearn_metrics.f1_score(y, called_real))
        ours = (f(a_real, a_fake, threshold) for f in (precision, recall, f1))
        assert_allclose(list(ours), theirs, rtol=1e-12)
        assert_allclose(accuracy(a_real, a_fake, threshold), sklearn_metrics.accuracy_score(y, called_real), rtol=1e-12)

    def test_x6_a_generated_sample_that_passes_is_a_false_positive_and_a_rejected_real_one_a_false_negative(self):
        assert confusion([1.0], [2.0]) == Confusion(tp=1, fn=0, fp=1, tn=0)
        assert confusion([-1.0], [-2.0]) == Confusion(tp=0, fn=1, fp=0, tn=1)

    def test_where_nothing_is_called_real_precision_and_f1_are_0(self):
        assert (precision([-1.0], [-2.0]), recall([-1.0], [-2.0]), f1([-1.0], [-2.0])) == (0, 0, 0)

    def test_where_everything_is_called_real_f1_is_two_thirds(self):
        assert f1([1.0, 2.0], [1.0, 2.0]) == pytest.approx(2 / 3)

    @pytest.mark.parametrize("threshold", [None, np.nan, np.inf, "0", [0.0]])
    def test_a_threshold_is_a_number(self, threshold):
        with pytest.raises(ConfigError, match="threshold: not a score to compare with"):
            confusion(REAL, FAKE, threshold)


class TestRocCurve:
    @settings(max_examples=50)
    @given(any_scores, any_scores)
    def test_it_is_scikit_learns_with_every_point_kept(self, a_real, a_fake):
        theirs = sklearn_metrics.roc_curve(*pooled(a_real, a_fake), drop_intermediate=False)
        for mine, other in zip(roc_curve(a_real, a_fake), theirs, strict=True):
            assert_allclose(mine, other, rtol=1e-12, atol=1e-15)

    def test_equal_scores_are_one_step(self):
        fpr, tpr, thresholds = roc_curve([1.0, 1.0, 2.0, 2.0], [1.0, 0.0])
        assert_array_equal(thresholds, [np.inf, 2, 1, 0])
        assert_array_equal(fpr, [0, 0, 0.5, 1])
        assert_array_equal(tpr, [0, 0.5, 1, 1])

    @given(any_scores, any_scores)
    def test_the_area_under_it_is_the_auc(self, a_real, a_fake):
        fpr, tpr, _ = roc_curve(a_real, a_fake)
        assert_allclose(np.trapezoid(tpr, fpr), auc(a_real, a_fake), rtol=1e-12, atol=1e-15)


class TestAuc:
    @settings(max_examples=50)
    @given(any_scores, any_scores)
    def test_it_is_scikit_learns(self, a_real, a_fake):
        assert_allclose(auc(a_real, a_fake), sklearn_metrics.roc_auc_score(*pooled(a_real, a_fake)), rtol=0, atol=1e-12)

    @given(any_scores, any_scores)
    def test_it_is_the_share_of_pairs_in_the_right_order_with_ties_a_half(self, a_real, a_fake):
        difference = np.subtract.outer(a_real, a_fake)
        assert_allclose(auc(a_real, a_fake), np.mean((difference > 0) + 0.5 * (difference == 0)), rtol=0, atol=1e-12)

    def test_the_ends_and_the_middle(self):
        assert auc([1.0, 2.0], [-1.0, 0.0]) == 1
        assert auc([-1.0, 0.0], [1.0, 2.0]) == 0
        assert auc([7.0] * 5, [7.0] * 3) == 0.5

    def test_only_the_order_matters(self):
        rng = np.random.default_rng(0)
        a_real, a_fake = rng.normal(1, 1, 200), rng.normal(0, 1, 300)
        assert auc(np.exp(a_real), np.exp(a_fake)) == auc(a_real, a_fake) == auc(a_real - 100, a_fake - 100)

    def test_of_two_normals_it_is_what_theory_says(self):
        """P(a_real > a_fake) = Φ(1/√2) for means one deviation apart."""
        rng = np.random.default_rng(0)
        assert auc(rng.normal(1, 1, 20_000), rng.normal(0, 1, 20_000)) == pytest.approx(0.76025, abs=0.01)

    def test_fifty_thousand_samples_of_a_few_values(self):
        rng = np.random.default_rng(0)
        a_real, a_fake = rng.integers(0, 4, 50_000) / 2, rng.integers(0, 3, 40_000) / 2
        expected = sklearn_metrics.roc_auc_score([1] * 50_000 + [0] * 40_000, np.concatenate([a_real, a_fake]))
        assert_allclose(auc(a_real, a_fake), expected, rtol=0, atol=1e-12)


class TestReport:
    def test_it_holds_all_five(self):
        assert classification_report(REAL, FAKE, 0.5) == ClassificationReport(
            accuracy(REAL, FAKE, 0.5), precision(REAL, FAKE, 0.5), recall(REAL, FAKE, 0.5), f1(REAL, FAKE, 0.5),
            auc(REAL, FAKE))

    def test_a_critic_has_an_auc_only(self):
        assert classification_report(REAL, FAKE, None) == ClassificationReport(None, None, None, None, auc(REAL, FAKE))

    def test_it_takes_a_networks_scores_from_any_device(self, device_xp):
        a_real, a_fake = (device_xp.asarray(np.array(a, np.float32)[:, None]) for a in (REAL, FAKE))
        report = classification_report(Tensor(a_real), a_fake)
        assert report == classification_report(REAL, FAKE)
        assert {type(value) for value in vars(report).values()} == {float}


@pytest.mark.parametrize("f", [confusion, accuracy, precision, recall, f1, roc_curve, auc, classification_report])
class TestBadInput:
    def test_nan_is_named(self, f):
        with pytest.raises(DataError, match="a_fake, sample 1: NaN or infinity"):
            f([0.0, 1.0], [0.0, np.nan])

    def test_an_empty_set_has_no_rates(self, f):
        with pytest.raises(ShapeError, match="a_real: too few samples"):
            f([], [1.0])

    def test_two_columns_are_no_scores(self, f):
        with pytest.raises(ShapeError, match=r"a_real: there is one score for each sample .* got \(3, 2\)"):
            f(np.zeros((3, 2)), [1.0])
