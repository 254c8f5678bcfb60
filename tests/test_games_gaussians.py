"""F8: games whose best D is known in closed form, D* = p/(p + q), and what it tells the generator.

The library's losses are means over batches. Two kinds of batches make a mean an exact expectation: one in which each of
a few points occurs as often as it should, and, for Gaussians, batches of one, weighted by quadrature. The divergences
that the values are compared with come from SciPy's entropies, in which neither D nor a ratio p/q appears.
"""

from itertools import repeat
from math import exp, log, pi, sqrt

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from numpy.testing import assert_allclose, assert_array_equal
from scipy.integrate import quad
from scipy.special import expit
from scipy.stats import entropy, norm

from minigan import Tensor, grad, losses
from minigan.errors import ConfigError
from minigan.functional import sigmoid
from minigan.games import Parabola, best_discriminator, gaussian
from minigan.losses import OBJECTIVES
from minigan.nn import LeakyReLU, Linear, Sequential, Tanh
from minigan.optim import SGD
from minigan.train import minimax

LOG_4 = np.log(4)


# --- distributions on a few points: a batch in which they occur as often as they should is the whole of them ---

counts = arrays(np.int64, 6, elements=st.integers(1, 9))
scores = arrays(np.float64, (6, 1), elements=st.floats(-3, 3))


def on_points(p, q, loss, a):
    """The loss where data is point k in p[k] of Σp cases, what G makes in q[k] of Σq, and D's score there is a[k]."""
    points = np.arange(len(p))
    return loss(a[np.repeat(points, p)], a[np.repeat(points, q)])


def value_on_points(p, q, a):
    return on_points(p, q, losses.minimax_value_with_logits, Tensor(a)).item()


def best_scores(p, q):
    """log p/q, so that σ of it is p/(p + q)"""
    return np.log(p / p.sum() / (q / q.sum()))[:, None]


class TestF8OnAFewPoints:
    @given(counts, counts)
    @settings(max_examples=25, deadline=None)
    def test_at_p_over_p_plus_q_the_value_has_no_slope_in_any_score(self, p, q):
        a = Tensor(best_scores(p, q))
        assert_allclose(grad(on_points(p, q, losses.minimax_value_with_logits, a), a).data, 0, atol=1e-15)

    @given(counts, counts)
    @settings(max_examples=25, deadline=None)
    def test_the_probability_there_is_p_over_p_plus_q(self, p, q):
        P, Q = p / p.sum(), q / q.sum()
        assert_allclose(sigmoid(Tensor(best_scores(p, q))).data[:, 0], P / (P + Q), rtol=1e-14)

    @given(counts, counts, scores)
    @settings(max_examples=25, deadline=None)
    def test_no_other_d_has_a_higher_value(self, p, q, change):
        best = best_scores(p, q)
        assert value_on_points(p, q, best + change) <= value_on_points(p, q, best) + 1e-15

    @pytest.mark.parametrize("change", [-1, -1e-3, 1e-3, 1])
    @pytest.mark.parametrize("k", range(4))
    def test_a_change_at_any_single_point_costs(self, k, change):
        p, q = np.array([5, 1, 2, 3]), np.array([1, 4, 3, 3])
        best = best_scores(p, q)
        other = best + change * (np.arange(4) == k)[:, None]
        assert value_on_points(p, q, other) < value_on_points(p, q, best) - 1e-9

    @given(counts, counts)
    @settings(max_examples=25, deadline=None)
    def test_the_best_value_is_twice_the_jensen_shannon_divergence_less_log_4(self, p, q):
        P, Q = p / p.sum(), q / q.sum()
        expected = 2 * entropy((P + Q) / 2) - entropy(P) - entropy(Q) - LOG_4
        assert_allclose(value_on_points(p, q, best_scores(p, q)), expected, rtol=0, atol=1e-14)
        D = Tensor(expit(best_scores(p, q)))
        assert_allclose(on_points(p, q, losses.minimax_value, D).item(), expected, rtol=0, atol=1e-14)

    @given(counts)
    @settings(max_examples=25, deadline=None)
    def test_it_is_lowest_where_p_is_q(self, p):
        assert_allclose(value_on_points(p, p, best_scores(p, p)), -LOG_4, rtol=1e-15)
        q = np.roll(p, 1)
        assert value_on_points(p, q, best_scores(p, q)) >= -LOG_4 - 1e-15

    @given(counts, counts)
    @settings(max_examples=25, deadline=None)
    def test_lsgans_best_score_is_p_over_p_plus_q_too(self, p, q):
        """Mao et al. 2017, section 3.2, with labels 1 and 0; the loss is then ½ Σ pq/(p + q)."""
        P, Q = p / p.sum(), q / q.sum()
        a = Tensor((P / (P + Q))[:, None])
        loss = on_points(p, q, losses.least_squares_discriminator, a)
        assert_allclose(grad(loss, a).data, 0, atol=1e-15)
        assert_allclose(loss.item(), 0.5 * np.sum(P * Q / (P + Q)), rtol=1e-14)

    def test_gradient_descent_on_f4_finds_it(self):
        p, q = np.array([5, 1, 2, 3]), np.array([1, 4, 3, 3])
        a = Tensor(np.zeros((4, 1)))
        optimiser = SGD([a], 4)
        for _ in range(200):
            optimiser.step([grad(on_points(p, q, losses.minimax_discriminator_with_logits, a), a)])
        assert_allclose(sigmoid(a).data[:, 0] * (p / 11 + q / 11), p / 11, rtol=1e-10)


# --- Gaussians ---

T = np.linspace(-8, 8, 81)  # z ~ N(0, 1): the trapezoid rule, which is as good as exact for smooth functions on a line
WEIGHTS = norm.pdf(T) * (T[1] - T[0])
PAIRS = {
    "apart": ((0, 1), (1, 1)),
    "far apart": ((-1.5, 1), (1.5, 1)),
    "one wider": ((0.5, 1), (-0.5, 1.5)),
    "one narrower": ((0, 1), (0.2, 0.6)),
    "alike": ((0.3, 0.8), (0.3, 0.8)),
}
every_pair = pytest.mark.parametrize("p, q", PAIRS.values(), ids=PAIRS)


def expectation(f):
    """E[f(z)] for z ~ N(0, 1), where f takes a batch of one: the mean over all such batches."""
    return sum(w * f(np.full((1, 1), t)) for t, w in zip(T, WEIGHTS, strict=True))


def value_of(D, p, q, f=losses.minimax_value_with_logits):
    """V(D, G) for x = mean + std · z and G a `gaussian`."""
    G = gaussian(*q)
    return expectation(lambda z: f(D(Tensor(p[0] + p[1] * z)), D(G(z)))).item()


def on_probabilities(a_real, a_fake):
    return losses.minimax_value(sigmoid(a_real), sigmoid(a_fake))


def jensen_shannon(p, q):
    """H((p + q)/2) − ½H(p) − ½H(q), the first entropy by adaptive quadrature. No ratio p/q in it, and no D."""
    def surprise(x):
        m = sum(exp(-0.5 * ((x - mu) / std)**2) / (2 * sqrt(2 * pi) * std) for mu, std in (p, q))
        return -m * log(m) if m > 0 else 0.0
    h, _ = quad(surprise, -16, 16, points=(p[0], q[0]), epsabs=1e-13, epsrel=1e-13, limit=200)
    return h - 0.5 * norm.entropy(*p) - 0.5 * norm.entropy(*q)


def kullback_leibler(q, p):
    """KL(q‖p) of two Gaussians."""
    return np.log(p[1] / q[1]) + (q[1]**2 + (q[0] - p[0])**2) / (2 * p[1]**2) - 0.5


class TestF8Gaussians:
    @every_pair
    def test_the_best_d_is_p_over_p_plus_q(self, p, q):
        x = np.linspace(-4, 4, 41)[:, None]
        density_p, density_q = norm.pdf(x, *p), norm.pdf(x, *q)
        a = best_discriminator(p, q)(Tensor(x))
        assert_allclose(sigmoid(a).data, density_p / (density_p + density_q), rtol=1e-13)

    @every_pair
    @pytest.mark.parametrize("f", [losses.minimax_value_with_logits, on_probabilities], ids=["scores", "probabilities"])
    def test_its_value_is_twice_the_jensen_shannon_divergence_less_log_4(self, p, q, f):
        value = value_of(best_discriminator(p, q), p, q, f)
        assert_allclose(value, 2 * jensen_shannon(p, q) - LOG_4, rtol=0, atol=1e-10)

    @every_pair
    def test_no_other_d_has_a_higher_value(self, p, q):
        """Neither another parabola nor one with waves on it."""
        best, rng = best_discriminator(p, q), np.random.default_rng(0)
        highest = value_of(best, p, q)
        for _ in range(3):
            other = Parabola(best.c.data + rng.normal(0, 0.3, 3))
            k = rng.uniform(0.5, 5)
            waves = lambda x, k=k: best(x) + Tensor(0.1 * np.sin(k * x.data))  # noqa: E731
            assert value_of(other, p, q) < highest - 1e-6
            assert value_of(waves, p, q) < highest - 1e-6

    def test_the_value_is_lowest_where_the_generator_has_learnt_the_data(self):
        """The game of G against the best D, C(G) = 2 JSD − log 4, has its minimum at q = p: Goodfellow's theorem 1."""
        p = (0.3, 0.8)
        assert_allclose(value_of(best_discriminator(p, p), p, p), -LOG_4, rtol=0, atol=1e-13)
        for q in ((0.2, 0.8), (0.4, 0.8), (0.3, 0.7), (0.3, 0.9)):
            assert value_of(best_discriminator(p, q), p, q) > -LOG_4 + 1e-3

    @pytest.mark.parametrize("seed", range(5))
    def test_against_a_d_of_one_half_all_generators_have_the_same_value(self, seed):
        """F8's V(D*, G*) ≤ V(D*, G) is an equality: D* = ½ everywhere, and G does not enter."""
        rng = np.random.default_rng(seed)
        G = Sequential(Linear(2, 5, rng=rng), Tanh(), Linear(5, 1, rng=rng)).astype(np.float64)
        D = best_discriminator((0, 1), (0, 1))
        x, x_fake = Tensor(rng.normal(size=(7, 1))), G(rng.normal(size=(5, 2)))
        assert_allclose(losses.minimax_value_with_logits(D(x), D(x_fake)).item(), -LOG_4, rtol=1e-15)
        assert_allclose(losses.minimax_value(sigmoid(D(x)), sigmoid(D(x_fake))).item(), -LOG_4, rtol=1e-15)

    @pytest.mark.parametrize("seed", range(5))
    def test_against_the_datas_own_distribution_every_d_has_at_most_the_value_of_one_half(self, seed):
        """F8's V(D*, G*) ≥ V(D, G*): log D + log(1 − D) ≤ −log 4 at every point, and p = q weighs both alike."""
        rng = np.random.default_rng(seed)
        D = Sequential(Linear(1, 5, rng=rng), LeakyReLU(), Linear(5, 1, rng=rng)).astype(np.float64)
        assert value_of(D, (0, 1), (0, 1)) < -LOG_4 - 1e-6

    @pytest.mark.parametrize("name", ["apart", "one wider", "one narrower"])
    def test_d_trained_by_algorithm_1_finds_its_coefficients(self, name):
        """log p/q = c₀ + c₁x + c₂x². D makes 250 steps on 4,000 quantiles, which miss the tails: an error that falls
        as 1/N, 7e-4 here. G moves once, at the end, when D is done."""
        p, q = PAIRS[name]
        z = norm.ppf((np.arange(4000) + 0.5) / 4000)[:, None]
        G, D = gaussian(*q), Parabola([0, 0, 0])
        next(minimax(G, D, OBJECTIVES["bce"], SGD(G.parameters(), 0.1), SGD(D.parameters(), 0.25, momentum=0.9),
                     repeat(p[0] + p[1] * z), lambda m: z, n_d=250))
        assert_allclose(D.c.data, best_discriminator(p, q).c.data, rtol=0, atol=1e-3)

    def test_a_standard_deviation_of_zero_is_refused(self):
        with pytest.raises(ConfigError, match="above 0"):
            best_discriminator((0, 1), (0, 0))


def generator_gradient(name, D, q):
    """(∂L_G/∂std, ∂L_G/∂mean) of G(z) = std · z + mean, with D held fixed."""
    G = gaussian(*q)
    loss = expectation(lambda z: OBJECTIVES[name].generator(D(G(z))))
    return np.array([g.item() for g in grad(loss, G.parameters())])


def slope(divergence, q, h=1e-3):
    """Its derivatives in q's std and mean: central differences of order 4."""
    def along(direction):
        f = [divergence((q[0] + k * h * direction[0], q[1] + k * h * direction[1])) for k in (-2, -1, 1, 2)]
        return np.dot(f, (1, -8, 8, -1)) / (12 * h)
    return np.array([along((0, 1)), along((1, 0))])


class TestF8WhatTheBestDTellsTheGenerator:
    """D is held at D* = p/(p + q) of the present q, and G takes the gradient of its loss."""

    @every_pair
    def test_the_saturating_gradient_is_that_of_the_divergence(self, p, q):
        """∇ max_D V = ∇V at D = D*: L_G (F3) falls as 2 JSD(p‖q) does."""
        expected = slope(lambda q: 2 * jensen_shannon(p, q), q)
        assert_allclose(generator_gradient("bce", best_discriminator(p, q), q), expected, rtol=0, atol=1e-9)

    @every_pair
    def test_the_non_saturating_gradient_is_that_of_kl_less_the_divergence(self, p, q):
        """F5 + F3 = −E_z[log D/(1 − D)] = −E_q[log p/q], whose gradient is that of KL(q‖p). Arjovsky and Bottou 2017,
        theorem 2.5."""
        expected = slope(lambda q: kullback_leibler(q, p) - 2 * jensen_shannon(p, q), q)
        assert_allclose(generator_gradient("non-saturating", best_discriminator(p, q), q), expected, rtol=0, atol=1e-9)

    @pytest.mark.parametrize("name", ["bce", "non-saturating"])
    def test_both_rest_where_the_generator_has_learnt_the_data(self, name):
        assert_array_equal(generator_gradient(name, best_discriminator((0.3, 0.8), (0.3, 0.8)), (0.3, 0.8)), 0)

    @pytest.mark.parametrize("theta", [-3, -1, -0.1, 0.1, 1, 3])
    def test_both_point_to_the_data_and_rest_nowhere_else(self, theta):
        D = best_discriminator((0, 1), (theta, 1))
        for name in ("bce", "non-saturating"):
            assert np.sign(generator_gradient(name, D, (theta, 1))[1]) == np.sign(theta)

    def test_far_from_the_data_only_the_non_saturating_one_is_felt(self):
        """At a distance of θ: D* is about 0 on what G makes, F3's gradient is θ E[D*] and F5's θ E[1 − D*]."""
        D = best_discriminator((0, 1), (8, 1))
        assert 0 < generator_gradient("bce", D, (8, 1))[1] < 1e-3
        assert 7.999 < generator_gradient("non-saturating", D, (8, 1))[1] < 8

    @pytest.mark.parametrize("name", ["bce", "non-saturating"])
    def test_both_lead_to_the_same_generator(self, name):
        """Against a D that is always the best one, on a batch of quantiles."""
        p, z = (0.3, 0.8), norm.ppf((np.arange(50) + 0.5) / 50)[:, None]
        G = gaussian(-0.5, 1.2)
        optimiser = SGD(G.parameters(), 0.2)
        for _ in range(400):
            D = best_discriminator(p, (G.bias.item(), G.weight.item()))
            optimiser.step(grad(OBJECTIVES[name].generator(D(G(z))), G.parameters()))
        assert_allclose((G.bias.item(), G.weight.item()), p, rtol=1e-10)
