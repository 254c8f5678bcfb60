"""F8: games whose every step is known in closed form, played with the library's own updates.

Where the numbers come from. In V = θψ, D moves first: ψ' = ψ + αθ, then θ' = θ − αψ' = (1 − α²)θ − αψ. So the trace of
the pass is 2 − α² and its determinant 1: the eigenvalues are 1 − α²/2 ± iα√(1 − α²/4), whose product is 1. At once,
the trace is 2 and the determinant 1 + α².
"""

from itertools import islice, repeat
from types import SimpleNamespace

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy.special import expit

from minigan import grad
from minigan.functional import mean
from minigan.games import BILINEAR, Line, linear_map, orbit, simultaneous
from minigan.losses import OBJECTIVES, Objective
from minigan.optim import SGD
from minigan.train import minimax

LOG_4 = np.log(4)
every_step = pytest.mark.parametrize("alpha", [0.01, 0.1, 0.5, 1, 1.5, 1.99])
every_step_and_too_long_ones = pytest.mark.parametrize("alpha", [0.01, 0.1, 0.5, 1, 1.5, 1.99, 2, 2.5, 4])


def eigenvalues(M):
    """Both, the one with the larger imaginary part, or else the larger one, last."""
    return sorted(np.linalg.eigvals(M).astype(complex), key=lambda x: (x.imag, x.real))


def assert_eigenvalues(M, re, im):
    assert_allclose(eigenvalues(M), [re - 1j * im, re + 1j * im], rtol=0, atol=1e-12)


# --- V = θψ ---


class TestF8TheBilinearGame:
    """V = θψ, where θ minimises and ψ maximises."""

    @every_step_and_too_long_ones
    def test_when_both_move_at_once_the_eigenvalues_are_1_plus_and_minus_i_alpha(self, alpha):
        assert_eigenvalues(linear_map(BILINEAR, alpha, game=simultaneous), 1, alpha)

    @every_step
    def test_when_both_move_at_once_every_pass_leads_away_by_the_root_of_1_plus_alpha_squared(self, alpha):
        radius = np.hypot(*orbit(BILINEAR, (1, 1), alpha, 20, simultaneous).T)
        assert_allclose(radius[1:] / radius[:-1], np.sqrt(1 + alpha**2), rtol=1e-12)

    @every_step
    def test_when_d_moves_first_both_eigenvalues_lie_on_the_unit_circle(self, alpha):
        M = linear_map(BILINEAR, alpha)
        assert_eigenvalues(M, 1 - alpha**2 / 2, alpha * np.sqrt(1 - alpha**2 / 4))
        assert_allclose(np.abs(np.linalg.eigvals(M)), 1, rtol=1e-12)

    @every_step_and_too_long_ones
    def test_d_moves_first_and_g_sees_where_it_went(self, alpha):
        """The eigenvalues do not tell who of the two moves first; the map does."""
        assert_allclose(linear_map(BILINEAR, alpha), [[1 - alpha**2, -alpha], [alpha, 1]], rtol=0, atol=1e-14)

    @every_step_and_too_long_ones
    def test_the_map_is_the_same_at_every_distance_because_the_game_is_linear(self, alpha):
        assert_allclose(linear_map(BILINEAR, alpha, h=1), linear_map(BILINEAR, alpha), rtol=1e-15)

    def test_with_step_1_six_passes_come_back_exactly_and_fewer_do_not(self):
        path = orbit(BILINEAR, (1, 1), 1, 12)
        assert_array_equal(path[:7], [(1, 1), (-1, 2), (-2, 1), (-1, -1), (1, -2), (2, -1), (1, 1)])
        assert_array_equal(path[6:], path[:7])

    @pytest.mark.parametrize("turns", [3, 4, 5, 6, 12, 100])
    def test_a_step_of_twice_the_sine_of_half_an_angle_turns_by_that_angle(self, turns):
        path = orbit(BILINEAR, (1, 1), 2 * np.sin(np.pi / turns), turns)
        assert_allclose(path[-1], path[0], rtol=1e-12)
        assert np.abs(path[1:-1] - path[0]).max(axis=1).min() > 0.05

    @every_step_and_too_long_ones
    def test_every_pass_stays_on_its_conic(self, alpha):
        theta, psi = orbit(BILINEAR, (1, 1), alpha, 10).T
        size = theta**2 + psi**2  # the conic's three terms cancel where the players run off: α > 2
        assert_allclose((theta**2 + alpha * theta * psi + psi**2 - (2 + alpha)) / size, 0, atol=1e-13)

    def test_many_passes_do_not_come_nearer_nor_go_away(self):
        theta, psi = orbit(BILINEAR, (1, 1), 0.5, 300).T
        assert_allclose(theta**2 + 0.5 * theta * psi + psi**2, 2.5, rtol=1e-12)

    def test_with_step_2_it_runs_away_evenly(self):
        """The double eigenvalue −1 has one eigenvector only: every second pass adds the same."""
        two_passes = np.diff(orbit(BILINEAR, (1, 1), 2, 10)[::2], axis=0)
        assert_array_equal(two_passes, np.broadcast_to((8, -8), (5, 2)))

    @pytest.mark.parametrize("alpha", [2.1, 2.5, 4])
    def test_with_a_longer_step_it_changes_sides_and_grows_by_an_eigenvalue(self, alpha):
        """The eigenvalues are real, −(α²/2 − 1) ± α√(α²/4 − 1), of product 1: one is below −1."""
        reach, root = alpha**2 / 2 - 1, alpha * np.sqrt(alpha**2 / 4 - 1)
        M = linear_map(BILINEAR, alpha)
        assert_allclose(eigenvalues(M), [-reach - root, -reach + root], rtol=1e-12)
        path = orbit(BILINEAR, (1, 1), alpha, 60)
        assert_allclose(path[-1] / path[-2], -reach - root, rtol=1e-12)

    @pytest.mark.parametrize("n_d", [1, 2, 5])
    def test_n_d_steps_of_d_are_one_that_is_n_d_times_as_long(self, n_d):
        alpha = 0.3
        assert_allclose(linear_map(BILINEAR, alpha, n_d=n_d),
                        [[1 - n_d * alpha**2, -alpha], [n_d * alpha, 1]], rtol=0, atol=1e-14)

    def test_d_and_g_each_answer_to_noise_of_their_own(self):
        """G(z) = θz: ψ' = ψ + αz₁θ, θ' = θ − αz₂ψ'. With stale noise z₂ would be z₁."""
        alpha, z = 0.3, iter([2.0, 5.0])
        path = orbit(BILINEAR, (1, 0), alpha, noise=lambda m: np.full((m, 1), next(z)))
        assert_allclose(path[1], (1 - alpha**2 * 2 * 5, alpha * 2), rtol=1e-14)

    @pytest.mark.parametrize("other", [-3, 0, 0.5, 7])
    def test_nobody_gains_by_leaving_the_equilibrium_alone(self, other):
        """V(0, ψ) = V(θ, 0) = V(0, 0): both of F8's inequalities are equalities, and nothing calls the players back."""
        x, z = np.zeros((1, 1)), np.ones((1, 1))
        for theta, psi in ((0, other), (other, 0)):
            assert BILINEAR.generator(Line(psi)(Line(theta)(z))).item() == 0
            assert BILINEAR.discriminator(Line(psi)(x), Line(psi)(Line(theta)(z))).item() == 0


# --- the Dirac-GAN ---

WGAN = OBJECTIVES.get("wgan", Objective(
    name="wgan", formula="F9", discriminator=lambda a_real, a_fake: mean(a_fake) - mean(a_real),
    generator=lambda a_fake: -mean(a_fake), opinion=lambda a: a))
# objective, the score where D cannot tell, c: near (0, 0) a step of α moves ψ by −cαθ and θ by cαψ
DIRAC = {
    "bce": (OBJECTIVES["bce"], 0, 0.5),
    "non-saturating": (OBJECTIVES["non-saturating"], 0, 0.5),
    "lsgan": (OBJECTIVES["lsgan"], 0.5, 0.5),
    "wgan": (WGAN, 0, 1),
}
every_dirac_gan = pytest.mark.parametrize("objective, offset, c", DIRAC.values(), ids=DIRAC)


def with_r1(objective, gamma):
    """Its penalty is (γ/2) E_x[‖∂D/∂x‖²] on real data, here γψ²/2."""
    def penalty(D, x, x_fake, rng):
        slope = grad(D(x).sum(), x, create_graph=True)
        return 0.5 * gamma * mean(slope * slope)
    return SimpleNamespace(discriminator=objective.discriminator, generator=objective.generator, penalty=penalty,
                           opinion=objective.opinion, after_d_step=objective.after_d_step)


def dirac_conic(objective, start, alpha, steps):
    """θ² − (α/2)θψ + ψ² along the path: what the linear part of a pass keeps."""
    theta, psi = orbit(objective, start, alpha, steps).T
    return theta**2 - alpha / 2 * theta * psi + psi**2


class TestF8TheDiracGan:
    """The real data is 0, G gives θ, D(x) = ψx: L_D = softplus(−0) + softplus(ψθ), whose derivative in ψ is θ σ(ψθ)."""

    @every_dirac_gan
    @every_step
    def test_near_its_rest_it_is_the_bilinear_game_that_turns_the_other_way_round(self, objective, offset, c, alpha):
        assert_allclose(linear_map(objective, alpha, offset=offset),
                        [[1 - (c * alpha)**2, c * alpha], [-c * alpha, 1]], rtol=0, atol=1e-14)

    @every_dirac_gan
    @every_step
    def test_when_d_moves_first_both_eigenvalues_lie_on_the_unit_circle(self, objective, offset, c, alpha):
        rate = c * alpha
        assert_eigenvalues(linear_map(objective, alpha, offset=offset), 1 - rate**2 / 2,
                           rate * np.sqrt(1 - rate**2 / 4))

    @every_dirac_gan
    @every_step
    def test_when_both_move_at_once_the_eigenvalues_lie_outside(self, objective, offset, c, alpha):
        assert_eigenvalues(linear_map(objective, alpha, game=simultaneous, offset=offset), 1, c * alpha)

    @pytest.mark.parametrize("name", ["bce", "non-saturating"])
    def test_f2_bears_a_step_below_4(self, name):
        """α/2 is in the place of α."""
        moduli = [np.abs(np.linalg.eigvals(linear_map(OBJECTIVES[name], alpha))).max() for alpha in (3.9, 4.1)]
        assert moduli[0] == pytest.approx(1, abs=1e-12)
        assert moduli[1] > 1.3

    def test_lsgan_has_to_say_one_half_at_the_real_data(self):
        """A D(x) = ψx says 0 at x = 0, "generated", whatever ψ is. Then θ does not move it: θ' = θ + αψ, ψ' = ψ."""
        assert_allclose(linear_map(OBJECTIVES["lsgan"], 0.3), [[1, 0.3], [0, 1]], rtol=0, atol=1e-14)

    @pytest.mark.parametrize("name", ["bce", "non-saturating"])
    def test_nobody_gains_by_leaving_the_equilibrium_alone(self, name):
        """Both of F8's inequalities are equalities here: V(θ, 0) = V(0, ψ) = −log 4."""
        for theta, psi in ((0, 0), (3, 0), (0, 3)):
            D = Line(psi)
            value = -OBJECTIVES[name].discriminator(D(np.zeros((1, 1))), D(Line(theta)(np.ones((1, 1)))))
            assert_allclose(value.item(), -LOG_4, rtol=1e-15)

    def test_in_the_zero_sum_game_at_once_every_pass_leads_away(self):
        """(θ, ψ) moves by ασ(ψθ)(ψ, −θ), at right angles to itself, so r² grows by the factor 1 + α²σ(ψθ)²."""
        alpha, path = 0.3, orbit(OBJECTIVES["bce"], (1, 1), 0.3, 100, simultaneous)
        r2, slope = (path**2).sum(axis=1), expit(path.prod(axis=1))
        assert_allclose(r2[1:] / r2[:-1], 1 + (alpha * slope[:-1])**2, rtol=1e-12)

    def test_the_zero_sum_game_stays_on_its_conic_where_steps_are_short(self):
        """The flow (ψσ, −θσ) is at right angles to (θ, ψ) and keeps r²; r² − (α/2)θψ takes the order of moves along."""
        assert_allclose(dirac_conic(OBJECTIVES["bce"], (1, 1), 0.05, 200), 2 - 0.05 / 2, rtol=0.02)

    def test_the_non_saturating_game_comes_in_as_one_over_the_root_of_time(self):
        """The linear part turns and no more; the rest decides. ½ dr²/dt = −θψ tanh(θψ/2), about −(θψ)²/2, and over a
        turn (θψ)² is r⁴/8 in the mean: dr²/dt = −r⁴/8, so 1/r² grows by t/8."""
        alpha, steps = 0.25, 400
        r2 = dirac_conic(OBJECTIVES["non-saturating"], (0.6, 0.6), alpha, steps)
        assert_allclose(1 / r2[-1] - 1 / r2[0], alpha * steps / 8, rtol=0.02)

    @pytest.mark.parametrize("game", [minimax, simultaneous])
    def test_a_penalty_on_ds_slope_at_the_real_data_draws_it_in(self, game):
        """R1 makes ψ' = (1 − αγ)ψ − αθ/2. With D first the determinant, the squared modulus, is 1 − αγ; at once it is
        α²/4 more. Mescheder et al. 2018, section 4."""
        alpha, gamma = 0.3, 0.5
        M = linear_map(with_r1(OBJECTIVES["bce"], gamma), alpha, game=game)
        squared = 1 - alpha * gamma + (alpha**2 / 4 if game is simultaneous else 0)
        assert_allclose(np.abs(np.linalg.eigvals(M))**2, squared, rtol=1e-12)
        path = orbit(with_r1(OBJECTIVES["bce"], gamma), (1, 1), alpha, 300, game)
        assert np.hypot(*path[-1]) < 1e-8


# --- the pieces ---


def test_one_pass_at_once_gives_the_losses_before_the_move():
    G, D = Line(2), Line(3)
    game = simultaneous(G, D, BILINEAR, SGD(G.parameters(), 0.1), SGD(D.parameters(), 0.1), repeat(np.zeros((1, 1))),
                        lambda m: np.ones((m, 1)))
    assert next(game) == (-6, 6)


def test_a_game_at_once_ends_when_the_batches_do():
    G, D = Line(2), Line(3)
    game = simultaneous(G, D, BILINEAR, SGD(G.parameters(), 0.1), SGD(D.parameters(), 0.1), [np.zeros((1, 1))] * 3,
                        lambda m: np.ones((m, 1)))
    assert len(list(islice(game, 10))) == 3


@pytest.mark.parametrize("game", [minimax, simultaneous])
def test_what_an_objective_does_after_a_step_of_d_is_done(game):
    def clip(D):
        D.slope.data[...] = np.clip(D.slope.data, -0.01, 0.01)
    clipped = SimpleNamespace(discriminator=BILINEAR.discriminator, generator=BILINEAR.generator,
                              opinion=BILINEAR.opinion, penalty=BILINEAR.penalty, after_d_step=clip)
    assert orbit(clipped, (1, 0), 0.5, game=game)[1, 1] == 0.01


def test_a_path_of_no_steps_is_its_start():
    assert_array_equal(orbit(BILINEAR, (1, 2), 0.1, 0), [(1, 2)])
