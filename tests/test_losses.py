"""The documents' losses, one class for each formula: value, gradient by hand, and what happens at the ends."""

from decimal import Decimal, localcontext
from functools import cache
from math import log

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from numpy.testing import assert_allclose, assert_array_equal

from minigan import Tensor, grad, gradcheck, losses
from minigan.errors import ConfigError, ShapeError

N, M = 7, 5  # how many real and how many generated samples: different, so that a mean over the wrong batch shows


def sigma(a):
    return 1 / (1 + np.exp(-a))


def scores(n, seed):
    return np.random.default_rng(seed).normal(0, 2, (n, 1))


A_REAL, A_FAKE = scores(N, 1), scores(M, 2)
P_REAL, P_FAKE = sigma(A_REAL), sigma(A_FAKE)
Y = np.array([[1.0], [0.0], [1.0], [0.9], [0.25], [0.0], [0.5]])
HALF_REAL, HALF_FAKE = np.full((N, 1), 0.5), np.full((M, 1), 0.5)
ZERO_REAL, ZERO_FAKE = np.zeros((N, 1)), np.zeros((M, 1))


def value(loss, *arrays):
    y = loss(*map(Tensor, arrays))
    assert y.shape == ()
    return float(y)


def gradient(loss, *arrays):
    """∂L/∂x of the first argument, or a list for several."""
    xs = [Tensor(x) for x in arrays]
    gradients = [g.data for g in grad(loss(*xs), xs)]
    return gradients[0] if len(xs) == 1 else gradients


def assert_close(actual, expected, rtol=1e-12):
    assert_allclose(actual, expected, rtol=rtol, atol=0)


some_scores = arrays(np.float64, (4, 1), elements=st.floats(-5, 5))  # beyond, p has too few digits to compare


class TestF2TheValueOfTheGame:
    transcription = np.mean(np.log(P_REAL)) + np.mean(np.log(1 - P_FAKE))

    def test_on_probabilities_it_is_the_documents_formula(self):
        assert_close(value(losses.minimax_value, P_REAL, P_FAKE), self.transcription)

    def test_on_scores_it_is_the_documents_formula(self):
        assert_close(value(losses.minimax_value_with_logits, A_REAL, A_FAKE), self.transcription)

    def test_gradient_in_the_probabilities(self):
        real, fake = gradient(losses.minimax_value, P_REAL, P_FAKE)
        assert_close(real, 1 / P_REAL / N)
        assert_close(fake, -1 / (1 - P_FAKE) / M)

    def test_gradient_in_the_scores(self):
        real, fake = gradient(losses.minimax_value_with_logits, A_REAL, A_FAKE)
        assert_close(real, (1 - P_REAL) / N)
        assert_close(fake, -P_FAKE / M)

    @settings(deadline=None, max_examples=30)
    @given(some_scores, some_scores)
    def test_both_forms_are_the_same_function(self, a, b):
        assert_close(value(losses.minimax_value, sigma(a), sigma(b)), value(losses.minimax_value_with_logits, a, b))

    def test_it_is_minus_ln_4_where_d_cannot_tell(self):
        assert_close(value(losses.minimax_value, HALF_REAL, HALF_FAKE), -log(4))
        assert_close(value(losses.minimax_value_with_logits, ZERO_REAL, ZERO_FAKE), -log(4))


class TestF3TheSaturatingGenerator:
    def test_on_probabilities_it_is_the_documents_formula(self):
        assert_close(value(losses.saturating_generator, P_FAKE), np.mean(np.log(1 - P_FAKE)))

    def test_on_scores_it_is_the_documents_formula(self):
        assert_close(value(losses.saturating_generator_with_logits, A_FAKE), np.mean(np.log(1 - P_FAKE)))

    def test_gradient_in_the_probabilities(self):
        assert_close(gradient(losses.saturating_generator, P_FAKE), -1 / (1 - P_FAKE) / M)

    def test_gradient_in_the_scores_is_minus_sigma(self):
        assert_close(gradient(losses.saturating_generator_with_logits, A_FAKE), -P_FAKE / M)

    @settings(deadline=None, max_examples=30)
    @given(some_scores)
    def test_both_forms_are_the_same_function(self, a):
        assert_close(value(losses.saturating_generator, sigma(a)), value(losses.saturating_generator_with_logits, a))

    def test_it_is_minus_ln_2_where_d_cannot_tell(self):
        assert_close(value(losses.saturating_generator, HALF_FAKE), -log(2))
        assert_close(value(losses.saturating_generator_with_logits, ZERO_FAKE), -log(2))

    def test_it_is_the_half_of_the_games_value_that_g_can_change(self):
        game = gradient(lambda a: losses.minimax_value_with_logits(A_REAL, a), A_FAKE)
        assert_array_equal(gradient(losses.saturating_generator_with_logits, A_FAKE), game)


class TestF4TheDiscriminator:
    transcription = -np.mean(np.log(P_REAL)) - np.mean(np.log(1 - P_FAKE))

    def test_on_probabilities_it_is_the_documents_formula(self):
        assert_close(value(losses.minimax_discriminator, P_REAL, P_FAKE), self.transcription)

    def test_on_scores_it_is_the_documents_formula(self):
        assert_close(value(losses.minimax_discriminator_with_logits, A_REAL, A_FAKE), self.transcription)

    def test_gradient_in_the_probabilities(self):
        real, fake = gradient(losses.minimax_discriminator, P_REAL, P_FAKE)
        assert_close(real, -1 / P_REAL / N)
        assert_close(fake, 1 / (1 - P_FAKE) / M)

    def test_gradient_in_the_scores_is_sigma_minus_label(self):
        real, fake = gradient(losses.minimax_discriminator_with_logits, A_REAL, A_FAKE)
        assert_close(real, (P_REAL - 1) / N)
        assert_close(fake, (P_FAKE - 0) / M)

    @settings(deadline=None, max_examples=30)
    @given(some_scores, some_scores)
    def test_both_forms_are_the_same_function(self, a, b):
        assert_close(value(losses.minimax_discriminator, sigma(a), sigma(b)),
                     value(losses.minimax_discriminator_with_logits, a, b))

    def test_it_is_ln_4_where_d_cannot_tell(self):
        assert_close(value(losses.minimax_discriminator, HALF_REAL, HALF_FAKE), log(4))
        assert_close(value(losses.minimax_discriminator_with_logits, ZERO_REAL, ZERO_FAKE), log(4))

    def test_it_is_the_negative_of_the_games_value(self):
        assert value(losses.minimax_discriminator, P_REAL, P_FAKE) == -value(losses.minimax_value, P_REAL, P_FAKE)


class TestF5TheNonSaturatingGenerator:
    def test_on_probabilities_it_is_the_documents_formula(self):
        assert_close(value(losses.non_saturating_generator, P_FAKE), -np.mean(np.log(P_FAKE)))

    def test_on_scores_it_is_the_documents_formula(self):
        assert_close(value(losses.non_saturating_generator_with_logits, A_FAKE), -np.mean(np.log(P_FAKE)))

    def test_gradient_in_the_probabilities(self):
        assert_close(gradient(losses.non_saturating_generator, P_FAKE), -1 / P_FAKE / M)

    def test_gradient_in_the_scores_is_sigma_minus_one(self):
        assert_close(gradient(losses.non_saturating_generator_with_logits, A_FAKE), -(1 - P_FAKE) / M)

    @settings(deadline=None, max_examples=30)
    @given(some_scores)
    def test_both_forms_are_the_same_function(self, a):
        assert_close(value(losses.non_saturating_generator, sigma(a)),
                     value(losses.non_saturating_generator_with_logits, a))

    def test_it_is_ln_2_where_d_cannot_tell(self):
        assert_close(value(losses.non_saturating_generator, HALF_FAKE), log(2))
        assert_close(value(losses.non_saturating_generator_with_logits, ZERO_FAKE), log(2))

    def test_its_gradient_stays_where_that_of_f3_vanishes(self):
        sure = np.full((M, 1), -50.0)  # D is sure that these are generated: D(G(z)) = 2e-22
        assert_close(gradient(losses.non_saturating_generator_with_logits, sure), -np.ones((M, 1)) / M)
        assert np.abs(gradient(losses.saturating_generator_with_logits, sure)).max() < 1e-21

    @pytest.mark.parametrize("sign, direction", [(1, "up"), (-1, "down")])
    def test_minimising_it_drives_d_of_g_up_and_minimising_document_000s_sign_drives_it_down(self, sign, direction):
        """X1: document 000 §3.3 has G minimise E[log D(G(z))], the negative of F5."""
        a = A_FAKE.copy()
        for _ in range(100):
            a -= gradient(lambda a: sign * losses.non_saturating_generator_with_logits(a), a)
        assert np.all(sigma(a) > P_FAKE) if direction == "up" else np.all(sigma(a) < P_FAKE)


class TestF6BinaryCrossEntropy:
    transcription = -(1 / N) * np.sum(Y * np.log(P_REAL) + (1 - Y) * np.log(1 - P_REAL))

    def test_on_probabilities_it_is_the_documents_formula(self):
        assert_close(value(lambda p: losses.bce(p, Y), P_REAL), self.transcription)

    def test_on_scores_it_is_the_documents_formula(self):
        assert_close(value(lambda a: losses.bce_with_logits(a, Y), A_REAL), self.transcription)

    def test_gradient_in_the_probabilities(self):
        assert_close(gradient(lambda p: losses.bce(p, Y), P_REAL), -(Y / P_REAL - (1 - Y) / (1 - P_REAL)) / N)

    def test_gradient_in_the_scores_is_sigma_minus_label(self):
        expected = (P_REAL - Y) / N  # a difference, so that a tolerance of the whole is meant
        assert_allclose(gradient(lambda a: losses.bce_with_logits(a, Y), A_REAL), expected, rtol=1e-12, atol=1e-16)

    @settings(deadline=None, max_examples=30)
    @given(some_scores, arrays(np.float64, (4, 1), elements=st.floats(0, 1)))
    def test_both_forms_are_the_same_function(self, a, y):
        assert_close(value(lambda p: losses.bce(p, y), sigma(a)), value(lambda a: losses.bce_with_logits(a, y), a))

    @pytest.mark.parametrize("y", [0, 1, 0.9])
    def test_where_d_cannot_tell_it_is_ln_2_for_any_label(self, y):
        assert_close(value(lambda p: losses.bce(p, y), HALF_REAL), log(2))
        assert_close(value(lambda a: losses.bce_with_logits(a, y), ZERO_REAL), log(2))

    @pytest.mark.parametrize("loss", [losses.bce, losses.bce_with_logits])
    @pytest.mark.parametrize("y", [0, 1, 0.9, np.float64(0.9)])
    def test_one_number_is_the_label_of_all(self, loss, y):
        assert value(lambda p: loss(p, y), P_REAL) == value(lambda p: loss(p, np.full((N, 1), y)), P_REAL)

    @pytest.mark.parametrize("loss", [losses.bce, losses.bce_with_logits])
    @pytest.mark.parametrize("convert", [Tensor, np.ndarray.tolist])
    def test_labels_may_be_a_tensor_or_a_list(self, loss, convert):
        assert value(lambda p: loss(p, convert(Y)), P_REAL) == value(lambda p: loss(p, Y), P_REAL)

    @pytest.mark.parametrize("loss", [losses.bce, losses.bce_with_logits])
    def test_labels_may_be_integers(self, loss):
        y = np.arange(N).reshape(N, 1) % 2
        assert value(lambda p: loss(p, y), P_REAL) == value(lambda p: loss(p, y.astype(float)), P_REAL)

    @pytest.mark.parametrize("end", [0.0, 1.0])
    def test_zero_times_log_zero_is_zero(self, end):
        p = np.full((4, 1), end)
        assert value(lambda p: losses.bce(p, end), p) == 0

    @pytest.mark.parametrize("end, slope", [(0.0, 1.0), (1.0, -1.0)])
    def test_its_gradient_is_finite_where_zero_times_log_zero_is(self, end, slope):
        p = np.full((4, 1), end)
        assert_array_equal(gradient(lambda p: losses.bce(p, end), p), np.full((4, 1), slope / 4))

    def test_zero_times_log_zero_beside_other_samples(self):
        p, y = np.array([[0.0], [1.0], [0.5]]), np.array([[0.0], [1.0], [1.0]])
        assert_close(value(lambda p: losses.bce(p, y), p), log(2) / 3)

    @pytest.mark.parametrize("p", [1e-300, 1e-12])
    def test_no_epsilon_is_added_to_a_small_probability(self, p):
        assert_close(value(lambda p: losses.bce(p, 1), np.full((1, 1), p)), -log(p))
        assert_close(gradient(lambda p: losses.bce(p, 1), np.full((1, 1), p)), [[-1 / p]])

    def test_over_real_and_generated_samples_it_is_half_of_f4(self):
        real, fake = scores(6, 3), scores(6, 4)
        both, labels = np.concatenate([real, fake]), np.repeat([[1.0], [0.0]], 6, axis=0)
        half = value(losses.minimax_discriminator_with_logits, real, fake) / 2
        assert_close(value(lambda a: losses.bce_with_logits(a, labels), both), half)
        assert_close(value(lambda p: losses.bce(p, labels), sigma(both)), half)

    def test_with_label_1_it_is_f5(self):
        assert value(lambda a: losses.bce_with_logits(a, 1), A_FAKE) == \
            value(losses.non_saturating_generator_with_logits, A_FAKE)

    def test_with_label_0_it_is_the_negative_of_f3(self):
        """X9: the negative of the mean BCE with fake labels is F3, with real labels it is F5 with the wrong sign."""
        assert value(lambda a: losses.bce_with_logits(a, 0), A_FAKE) == \
            -value(losses.saturating_generator_with_logits, A_FAKE)

    @pytest.mark.parametrize("loss", [losses.bce, losses.bce_with_logits])
    @pytest.mark.parametrize("shape", [(N,), (1, N), (N, N), (1, 1), (N, 1, 1), (N + 1, 1)])
    def test_labels_of_another_shape_are_refused_with_both_shapes(self, loss, shape):
        """X14: document 003 §4 broadcasts (N,) against (N, N), a wrong loss without an error."""
        with pytest.raises(ShapeError) as error:
            loss(P_REAL, np.ones(shape))
        assert str((N, 1)) in str(error.value) and str(shape) in str(error.value)


class TestF7TheFigureThatIsReported:
    def test_it_is_the_sum_of_both_losses(self):
        assert losses.total(0.25, 1.5) == 1.75

    def test_it_is_the_sum_of_two_tensors(self):
        assert float(losses.total(Tensor(0.25), Tensor(1.5))) == 1.75


class TestF10LeastSquares:
    def test_the_discriminators_loss_is_the_documents_formula(self):
        expected = 0.5 * np.mean((A_REAL - 1) ** 2) + 0.5 * np.mean(A_FAKE ** 2)
        assert_close(value(losses.least_squares_discriminator, A_REAL, A_FAKE), expected)

    def test_the_generators_loss_is_the_documents_formula(self):
        assert_close(value(losses.least_squares_generator, A_FAKE), 0.5 * np.mean((A_FAKE - 1) ** 2))

    def test_gradient_of_the_discriminators_loss(self):
        real, fake = gradient(losses.least_squares_discriminator, A_REAL, A_FAKE)
        assert_close(real, (A_REAL - 1) / N)
        assert_close(fake, A_FAKE / M)

    def test_gradient_of_the_generators_loss(self):
        assert_close(gradient(losses.least_squares_generator, A_FAKE), (A_FAKE - 1) / M)

    def test_it_is_a_quarter_where_d_is_one_half(self):
        assert_close(value(losses.least_squares_discriminator, HALF_REAL, HALF_FAKE), 1 / 4)

    def test_the_generators_is_an_eighth_where_d_is_one_half(self):
        assert_close(value(losses.least_squares_generator, HALF_FAKE), 1 / 8)

    def test_it_is_zero_where_d_is_right_and_the_generators_where_d_is_fooled(self):
        assert value(losses.least_squares_discriminator, np.ones((N, 1)), ZERO_FAKE) == 0
        assert value(losses.least_squares_generator, np.ones((M, 1))) == 0


class TestF9Wasserstein:
    def test_the_value_is_the_documents_formula(self):
        assert_close(value(losses.wasserstein_value, A_REAL, A_FAKE), np.mean(A_REAL) - np.mean(A_FAKE))

    def test_d_minimises_the_negative_of_the_value(self):
        assert value(losses.wasserstein_discriminator, A_REAL, A_FAKE) == \
            -value(losses.wasserstein_value, A_REAL, A_FAKE)

    def test_the_generators_loss_is_the_half_of_the_value_that_g_can_change(self):
        game = gradient(lambda a: losses.wasserstein_value(A_REAL, a), A_FAKE)
        assert_array_equal(gradient(losses.wasserstein_generator, A_FAKE), game)

    def test_no_score_saturates_it(self):
        sure = np.full((M, 1), -1e10)
        assert_array_equal(gradient(losses.wasserstein_generator, sure), np.full((M, 1), -1 / M))

    def test_there_is_no_form_on_probabilities(self):
        assert not hasattr(losses, "wasserstein_value_with_logits")

    def test_a_lipschitz_critic_gives_at_most_the_distance_and_the_best_one_gives_it(self):
        """F9 against F11: for two batches on a line, of which one is shifted by 3, W = 3, and D(x) = −x is best."""
        x = np.sort(scores(N, 5), axis=0)
        assert_close(value(losses.wasserstein_value, -x, -(x + 3)), 3)
        assert value(losses.wasserstein_value, np.sin(x), np.sin(x + 3)) < 3


class TestHinge:
    def test_the_discriminators_loss_is_the_papers_formula(self):
        expected = np.mean(np.maximum(0, 1 - A_REAL)) + np.mean(np.maximum(0, 1 + A_FAKE))
        assert_close(value(losses.hinge_discriminator, A_REAL, A_FAKE), expected)

    def test_it_is_two_where_d_cannot_tell(self):
        assert value(losses.hinge_discriminator, ZERO_REAL, ZERO_FAKE) == 2

    def test_samples_beyond_the_margin_do_not_pull(self):
        real, fake = gradient(losses.hinge_discriminator, np.full((N, 1), 1.5), np.full((M, 1), -1.5))
        assert not real.any() and not fake.any()

    def test_the_generators_loss_is_the_negative_mean_score(self):
        assert_close(value(losses.hinge_generator, A_FAKE), -np.mean(A_FAKE))


POINTS, SAMPLES = np.random.default_rng(3).normal(0, 1, (N, 2, 3)), np.random.default_rng(4).normal(0, 1, (M, 2, 3))


class TestF12TheEuclideanLoss:
    def test_it_is_the_mean_squared_norm(self):
        assert_close(value(losses.euclidean, SAMPLES), np.mean(np.sum(SAMPLES**2, axis=(1, 2))))

    @pytest.mark.parametrize("order", [1, 2])
    def test_derivatives(self, order):
        report = gradcheck(losses.euclidean, [SAMPLES], order)
        assert report, report

    def test_x5_of_the_noise_its_gradient_for_the_generator_does_not_exist(self):
        from minigan.errors import GraphError
        from minigan.nn import Linear

        G, z = Linear(3, 2, rng=0), Tensor(np.ones((M, 3), np.float32))
        G(z)
        with pytest.raises(GraphError, match="does not depend"):
            grad(losses.euclidean(z), G.parameters())

    def test_x5_of_the_output_it_draws_every_sample_to_zero(self):
        """Document 003 §2.4: minimised by G, whatever the data are."""
        x = SAMPLES.copy()
        for _ in range(200):
            x -= 0.1 * gradient(losses.euclidean, x)
        assert np.abs(x).max() < 1e-2

    def test_numbers_without_samples_are_refused(self):
        with pytest.raises(ShapeError, match="two axes or more"):
            losses.euclidean(np.ones(3))


class TestF13TheRegularisedLoss:
    def test_it_is_the_mean_distance_over_all_pairs_plus_the_mean_squared_norm(self):
        pairs = [np.sqrt(np.sum((x - z) ** 2)) for x in POINTS for z in SAMPLES]
        expected = np.mean(pairs) + 0.3 * np.mean(np.sum(SAMPLES**2, axis=(1, 2)))
        assert_close(value(lambda x, z: losses.wasserstein_regularised(x, z, 0.3), POINTS, SAMPLES), expected)

    @pytest.mark.parametrize("order", [1, 2])
    def test_derivatives(self, order):
        report = gradcheck(lambda x, z: losses.wasserstein_regularised(x, z, 0.3), [POINTS, SAMPLES], order)
        assert report, report

    def test_its_gradient_is_finite_where_two_points_meet(self):
        g = gradient(lambda z: losses.wasserstein_regularised(POINTS, z, 0.3), POINTS[:M])
        assert np.isfinite(g).all()

    def test_x11_it_is_not_the_distance_of_distributions(self):
        """Of a set to itself W (F11) is 0; the mean over all pairs is not."""
        assert value(lambda z: losses.wasserstein_regularised(POINTS, z, 1e-9), POINTS) > 1

    def test_x11_minimising_it_collapses_all_samples_into_one_point(self):
        z = SAMPLES.copy()
        for step in range(1000):
            z -= 3 / (1 + step / 30) * gradient(lambda z: losses.wasserstein_regularised(POINTS, z, 1e-6), z)
        assert np.ptp(z, axis=0).max() < 0.01 < np.ptp(SAMPLES, axis=0).min()

    @pytest.mark.parametrize("lam", [0, -1, float("nan")])
    def test_lambda_must_be_positive(self, lam):
        with pytest.raises(ConfigError, match="λ > 0"):
            losses.wasserstein_regularised(POINTS, SAMPLES, lam)

    def test_samples_of_another_shape_are_refused(self):
        with pytest.raises(ShapeError, match="samples of one shape"):
            losses.wasserstein_regularised(POINTS, SAMPLES[:, :1], 1.0)


# --- stability: scores of any size ---

LOGITS = [0.0] + [sign * size for size in (1e-300, 30.0, 88.0, 89.0, 709.0, 710.0, 1e4) for sign in (1, -1)]

# Each loss on scores as a function of one score a, and the multiples (r, s) of its closed form
# r · softplus(−a) + s · softplus(a), whose derivative is −r · σ(−a) + s · σ(a).
OF_ONE_SCORE = {
    "F2": (lambda a: losses.minimax_value_with_logits(a, a), -1, -1),
    "F3": (losses.saturating_generator_with_logits, 0, -1),
    "F4": (lambda a: losses.minimax_discriminator_with_logits(a, a), 1, 1),
    "F5": (losses.non_saturating_generator_with_logits, 1, 0),
    "F6, label 1": (lambda a: losses.bce_with_logits(a, 1), 1, 0),
    "F6, label 0": (lambda a: losses.bce_with_logits(a, 0), 0, 1),
    "F6, label 0.25": (lambda a: losses.bce_with_logits(a, 0.25), 0.25, 0.75),
}


@cache
def closed_form(a, r, s):
    """r · log(1 + e⁻ᵃ) + s · log(1 + eᵃ) and its derivative, in 400 digits."""
    with localcontext() as context:
        context.prec = 400
        up, down = Decimal(a).exp(), (-Decimal(a)).exp()
        r, s = Decimal(r), Decimal(s)
        return float(r * (1 + down).ln() + s * (1 + up).ln()), float(-r * down / (1 + down) + s * up / (1 + up))


@pytest.mark.parametrize("a", LOGITS)
@pytest.mark.parametrize("name", OF_ONE_SCORE)
class TestEveryScore:
    def test_gives_the_closed_form_without_a_warning(self, name, a):
        loss, r, s = OF_ONE_SCORE[name]
        with np.errstate(over="raise", invalid="raise", divide="raise"):
            assert_close(value(loss, np.full((1, 1), a)), closed_form(a, r, s)[0])

    def test_gives_the_derivative_of_the_closed_form_without_a_warning(self, name, a):
        loss, r, s = OF_ONE_SCORE[name]
        with np.errstate(over="raise", invalid="raise", divide="raise"):
            slope = gradient(loss, np.full((1, 1), a)).item()
        # F2 and F4 of one score for both halves: two slopes of opposite sign, whose difference is rounded.
        assert_allclose(slope, closed_form(a, r, s)[1], rtol=1e-12, atol=1e-16 if r * s else 0)

    def test_gives_a_gradient_of_at_most_one(self, name, a):
        assert abs(gradient(OF_ONE_SCORE[name][0], np.full((1, 1), a)).item()) <= 1

    def test_gives_float32_for_float32(self, name, a):
        loss, r, s = OF_ONE_SCORE[name]
        x = Tensor(np.full((1, 1), a, np.float32))
        y = loss(x)
        slope = grad(y, x)
        assert y.dtype == slope.dtype == np.float32
        assert_allclose([float(y), slope.item()], closed_form(a, r, s), rtol=1e-6, atol=1e-7 if r * s else 1e-44)


@pytest.mark.parametrize("y", [0, 1, 0.5, 0.25])
def test_the_gradient_of_f6_at_score_zero_is_one_half_minus_label_exactly(y):
    assert gradient(lambda a: losses.bce_with_logits(a, y), np.zeros((1, 1))).item() == 0.5 - y


def test_a_million_times_surer_d_still_gives_the_generator_a_gradient_of_one():
    assert gradient(losses.non_saturating_generator_with_logits, np.full((1, 1), -1e10)).item() == -1


ON_SCORES = {
    "minimax_value_with_logits": losses.minimax_value_with_logits,
    "minimax_discriminator_with_logits": losses.minimax_discriminator_with_logits,
    "saturating_generator_with_logits": losses.saturating_generator_with_logits,
    "non_saturating_generator_with_logits": losses.non_saturating_generator_with_logits,
    "bce_with_logits": lambda a: losses.bce_with_logits(a, Y[:len(a)]),
    "least_squares_discriminator": losses.least_squares_discriminator,
    "least_squares_generator": losses.least_squares_generator,
    "wasserstein_value": losses.wasserstein_value,
    "wasserstein_discriminator": losses.wasserstein_discriminator,
    "wasserstein_generator": losses.wasserstein_generator,
    "hinge_discriminator": losses.hinge_discriminator,
    "hinge_generator": losses.hinge_generator,
}
ON_PROBABILITIES = {
    "minimax_value": losses.minimax_value,
    "minimax_discriminator": losses.minimax_discriminator,
    "saturating_generator": losses.saturating_generator,
    "non_saturating_generator": losses.non_saturating_generator,
    "bce": lambda p: losses.bce(p, Y[:len(p)]),
}
LOSSES = {name: (loss, A_REAL, A_FAKE) for name, loss in ON_SCORES.items()} \
    | {name: (loss, P_REAL, P_FAKE) for name, loss in ON_PROBABILITIES.items()}


def arguments_of(name):
    _, real, fake = LOSSES[name]
    return [real, fake] if "value" in name or "discriminator" in name else [fake]


@pytest.mark.parametrize("name", LOSSES)
class TestEveryLoss:
    @pytest.mark.parametrize("order", [1, 2])
    def test_has_the_derivative_that_differences_show(self, name, order):
        report = gradcheck(LOSSES[name][0], arguments_of(name), order)
        assert report, report

    def test_keeps_float32(self, name):
        xs = [Tensor(x.astype(np.float32)) for x in arguments_of(name)]
        y = LOSSES[name][0](*xs)
        assert {y.dtype, *(g.dtype for g in grad(y, xs))} == {np.dtype(np.float32)}

    def test_takes_arrays(self, name):
        loss, arrays = LOSSES[name][0], arguments_of(name)
        assert float(loss(*arrays)) == value(loss, *arrays)


# --- objectives ---

PAIRS = {
    "bce": ("F3, F4", losses.minimax_discriminator_with_logits, losses.saturating_generator_with_logits, sigma),
    "non-saturating": ("F4, F5", losses.minimax_discriminator_with_logits, losses.non_saturating_generator_with_logits,
                       sigma),
    "lsgan": ("F10", losses.least_squares_discriminator, losses.least_squares_generator, np.asarray),
    "wgan": ("F9", losses.wasserstein_discriminator, losses.wasserstein_generator, np.asarray),
    "wgan-gp": ("F9", losses.wasserstein_discriminator, losses.wasserstein_generator, np.asarray),
    "hinge": ("Miyato et al. 2018", losses.hinge_discriminator, losses.hinge_generator, np.asarray),
    "r1": ("F4, F5; Mescheder et al. 2018", losses.minimax_discriminator_with_logits,
           losses.non_saturating_generator_with_logits, sigma),
}
CANNOT_TELL = {"lsgan": 0.5}  # D's score where it cannot tell, if that is not 0


@pytest.mark.parametrize("name", PAIRS)
class TestEveryObjective:
    def test_is_listed_under_its_name_with_its_formulas(self, name):
        assert (losses.OBJECTIVES[name].name, losses.OBJECTIVES[name].formula) == (name, PAIRS[name][0])

    def test_is_found_by_name(self, name):
        assert losses.objective(name) is losses.OBJECTIVES[name]

    def test_has_the_discriminators_loss_of_its_formula(self, name):
        assert value(losses.OBJECTIVES[name].discriminator, A_REAL, A_FAKE) == value(PAIRS[name][1], A_REAL, A_FAKE)

    def test_has_the_generators_loss_of_its_formula(self, name):
        assert value(losses.OBJECTIVES[name].generator, A_FAKE) == value(PAIRS[name][2], A_FAKE)

    def test_shows_a_probability_where_d_is_one_else_the_score(self, name):
        assert_close(losses.OBJECTIVES[name].opinion(Tensor(A_REAL)).data, PAIRS[name][3](A_REAL))

    def test_adds_no_penalty_unless_it_is_made_for_one(self, name):
        if name not in ("wgan-gp", "r1"):
            assert losses.OBJECTIVES[name].penalty(None, None, None, None) == 0

    def test_does_nothing_after_a_step_of_d_unless_it_clips(self, name):
        if name != "wgan":
            assert losses.OBJECTIVES[name].after_d_step(None) is None

    def test_knows_its_losses_where_d_cannot_tell(self, name):
        objective, a = losses.OBJECTIVES[name], np.full((M, 1), CANNOT_TELL.get(name, 0.0))
        if "F9" not in objective.formula:  # a critic's scores have no zero
            assert_close(objective.equilibrium, (value(objective.discriminator, a, a), value(objective.generator, a)))

    def test_has_ds_threshold_at_the_score_where_it_cannot_tell(self, name):
        expected = None if name.startswith("wgan") else CANNOT_TELL.get(name, 0.0)
        assert losses.OBJECTIVES[name].threshold == expected

    @pytest.mark.parametrize("order", [1, 2])
    def test_has_the_derivatives_that_differences_show(self, name, order):
        objective = losses.OBJECTIVES[name]
        for report in (gradcheck(objective.discriminator, [A_REAL, A_FAKE], order),
                       gradcheck(objective.generator, [A_FAKE], order)):
            assert report, report

    def test_rewards_g_for_what_it_punishes_d_for(self, name):
        """A step of G down its loss raises every score of a generated sample that D's loss wants lower."""
        objective = losses.OBJECTIVES[name]
        a = np.full((M, 1), 0.3)
        assert np.all(gradient(objective.generator, a) < 0)
        assert np.all(gradient(lambda a: objective.discriminator(A_REAL, a), a) > 0)


def test_saturating_is_another_name_of_bce():
    assert losses.objective("saturating") is losses.objective("bce")


def test_bce_is_a_zero_sum_game():
    """What D's loss gains in the generated scores, G's loses."""
    objective = losses.OBJECTIVES["bce"]
    g_d = gradient(lambda a: objective.discriminator(A_REAL, a), A_FAKE)
    assert_array_equal(g_d, -gradient(objective.generator, A_FAKE))


@pytest.mark.parametrize("name", ["bcee", "", None, "BCE"])
def test_an_unknown_objective_is_refused_with_the_list(name):
    with pytest.raises(ConfigError) as error:
        losses.objective(name)
    assert repr(name) in error.value.got
    assert all(valid in error.value.expected for valid in ("bce", "saturating", "non-saturating", "lsgan"))
