"""Is it converging? Each rule is provoked by a small real game, and by logs on both sides of its threshold."""

from functools import cache
from itertools import pairwise
from math import log as ln

import numpy as np
import pytest

from minigan import convergence, data, optim
from minigan.convergence import Finding, diagnose, report
from minigan.errors import ShapeError
from minigan.losses import OBJECTIVES, objective
from minigan.metrics.likeness import Likeness
from minigan.nn import LeakyReLU, Linear, Module, Parameter, Sequential, Tanh
from minigan.plot import read_log
from minigan.run import generate
from minigan.train import minimax

BCE, NS, LSGAN, HINGE, WGAN = (OBJECTIVES[name] for name in ("bce", "non-saturating", "lsgan", "hinge", "wgan"))


# --- games ---


def dense(*sizes, seed=0):
    rng = np.random.default_rng(seed)
    layers = [Linear(*sizes[:2], rng=rng)]
    for pair in pairwise(sizes[1:]):
        layers += [LeakyReLU(0.2), Linear(*pair, rng=rng)]
    return Sequential(*layers)


@cache
def digits():
    return data.load("digits").reshape(-1, 64)


@cache
def ring():
    return data.ring(1000, 0, std=0.05)


def others(n=500):
    """Points from the same distribution as the ring's, that are not in it."""
    return data.ring(n, 1, std=0.05)


class Game:
    """`steps` steps of a game of small networks: its log, samples of its G, its data."""

    def __init__(self, objective, x, steps=300, lr=1e-3, lr_d=1e-3, optimiser=optim.Adam, n_d=1, seed=0, G=None, D=None,
                 latent_dim=8):
        rng = np.random.default_rng(seed)
        G, D = G or dense(latent_dim, 32, 32, x.shape[1], seed=rng), D or dense(x.shape[1], 32, 32, 1, seed=rng)

        def noise(m):
            return rng.standard_normal((m, latent_dim), dtype=np.float32)

        game = minimax(G, D, objective, optimiser(G.parameters(), lr=lr), optimiser(D.parameters(), lr=lr_d),
                       data.minibatches(x, 32, rng), noise, n_d=n_d, rng=rng)
        rows = [next(game).as_dict() for _ in range(steps)]
        self.log = {name: [row[name] for row in rows] for name in rows[0]}
        self.objective, self.real, self.samples = objective, x, generate(G, noise(500))

    def findings(self, samples=True):
        given = {"samples": self.samples, "real": self.real} if samples else {}
        return {finding.code: finding for finding in diagnose(self.log, self.objective, **given)}

    def warnings(self):
        return {code for code, finding in self.findings().items() if finding.severity == "warning"}


class Point(Module):
    """G of the Dirac-GAN: θ, whatever z."""

    def __init__(self):
        self.theta = Parameter(np.ones(1, np.float32))

    def forward(self, z):
        return 0 * z + self.theta


class Slope(Module):
    """D of the Dirac-GAN: a = ψ x."""

    def __init__(self):
        self.psi = Parameter(np.zeros(1, np.float32))

    def forward(self, x):
        return x * self.psi


def dirac(chosen, lr=0.3, steps=600):
    """The Dirac-GAN of Mescheder et al. 2018: its data are the point 0."""
    x = np.zeros((100, 1), np.float32)
    return Game(chosen, x, steps, lr=lr, lr_d=lr, optimiser=optim.SGD, G=Point(), D=Slope(), latent_dim=1)


@cache
def overwhelmed(name):
    """D learns fast and often, G hardly."""
    return Game(OBJECTIVES[name], digits(), steps=220, lr=1e-5, lr_d=5e-3, n_d=2)


@cache
def idle():
    """D with scores next to 0 that does not learn."""
    D = dense(64, 32, 32, 1)
    for p in D.parameters():
        p.data *= 0.1
    return Game(NS, digits(), 500, lr=1e-4, lr_d=1e-9, D=D, G=Sequential(dense(8, 32, 64), Tanh()))


# --- logs ---


def flat(chosen, n=1000, noise=0.0, seed=0, **levels):
    """A log whose columns are level + noise · N(0, 1): by default at the equilibrium."""
    rng = np.random.default_rng(seed)
    of_d, of_g = chosen.equilibrium or (-0.5, 0.1)
    opinion = 0.5 if chosen is not HINGE else 0.0
    columns = {"loss_d": of_d, "loss_g": of_g, "d_real": opinion, "d_fake": opinion, "grad_norm_d": 1.0,
               "grad_norm_g": 1.0} | levels
    return {"step": np.arange(1, n + 1)} | {name: np.broadcast_to(value, n) + noise * rng.standard_normal(n)
                                            for name, value in columns.items()}


def codes(log, chosen=NS, **given):
    return {finding.code for finding in diagnose(log, chosen, **given)}


def warned(log, chosen=NS, **given):
    return {finding.code for finding in diagnose(log, chosen, **given) if finding.severity == "warning"}


T = np.arange(1000)
losses = pytest.mark.parametrize("chosen", [BCE, NS, LSGAN, HINGE, OBJECTIVES["r1"]], ids=lambda chosen: chosen.name)


class TestNothingIsFound:
    @pytest.mark.parametrize("name", ["non-saturating", "bce", "lsgan"])
    @pytest.mark.parametrize("x", [ring, digits])
    def test_in_a_short_healthy_game(self, name, x):
        game = Game(OBJECTIVES[name], x(), steps=250)
        assert game.warnings() == set()

    @pytest.mark.slow
    @pytest.mark.parametrize("name", ["non-saturating", "bce", "lsgan", "r1"])
    @pytest.mark.parametrize("x", [ring, digits])
    def test_at_the_end_of_longer_games_of_several_seeds(self, name, x):
        """Except that a game without a penalty may truly swing: one in five, at most."""
        warnings = [Game(OBJECTIVES[name], x(), steps=1000, seed=seed).warnings() for seed in range(5)]
        assert sorted(filter(None, warnings)) in ([], [{"oscillation"}])

    @losses
    @pytest.mark.parametrize("seed", range(10))
    def test_in_white_noise_about_the_equilibrium(self, chosen, seed):
        log = flat(chosen, n=400 + 200 * seed, noise=0.2 * chosen.equilibrium[0], seed=seed)
        assert warned(log, chosen) == set()

    @pytest.mark.parametrize("seed", range(10))
    def test_in_a_random_walk(self, seed):
        walk = 0.9 + 0.01 * np.random.default_rng(seed).standard_normal(1000).cumsum()
        assert warned(flat(NS, loss_d=walk, loss_g=walk)) == set()

    def test_is_said_with_care(self):
        (finding,) = diagnose(flat(NS, loss_d=0.9, loss_g=1.5), NS)
        assert (finding.code, finding.severity) == ("nothing-found", "note")
        assert "cannot say that samples are good" in finding.message

    def test_the_likeness_of_the_samples_is_reported(self):
        (finding,) = diagnose(flat(NS, loss_d=0.9), NS, samples=others(), real=ring())
        assert "distance of samples to data 0.0" in finding.message


class TestTheLog:
    def test_that_is_short_says_nothing(self):
        assert codes(flat(NS, n=199)) == {"too-early"}

    def test_that_is_empty_says_nothing(self):
        assert codes({}) == {"too-early"}

    def test_may_lack_the_gradient_norms(self):
        log = flat(BCE, d_fake=0.001)
        del log["grad_norm_d"], log["grad_norm_g"]
        assert "vanishing-gradient" in codes(log, BCE)

    def test_may_have_gaps(self):
        log = flat(NS, loss_d=0.9)
        for values in (log["loss_d"], log["d_real"], log["grad_norm_g"]):
            values[[0, 7, 500]] = np.nan
        log["grad_norm_d"][:] = np.nan
        assert codes(log) == {"nothing-found"}

    @pytest.mark.parametrize("chosen", [NS, WGAN], ids=["non-saturating", "wgan"])
    def test_may_consist_of_gaps_nearly(self, chosen):
        log = flat(chosen)
        for name in log.keys() - {"step"}:
            log[name][:-1] = np.nan
        assert codes(log, chosen) == {"nothing-found"}

    def test_may_lack_every_column_but_one(self):
        assert codes({"loss_d": flat(NS, loss_d=0.9)["loss_d"]}) == {"nothing-found"}

    def test_may_come_from_a_file(self, tmp_path):
        log = flat(NS, loss_d=0.001)
        rows = [",".join(log), *(",".join(map(str, row)) for row in zip(*log.values()))]
        (tmp_path / "log.csv").write_text("\n".join(rows))
        assert "d-saturated" in codes(read_log(tmp_path / "log.csv"))

    def test_and_the_samples_are_not_changed(self):
        log, samples, real = flat(NS, noise=0.1), ring()[:100].copy(), ring().copy()
        before = {name: values.copy() for name, values in log.items()}
        diagnose(log, NS, samples=samples, real=real)
        assert all((log[name] == before[name]).all() for name in log)
        assert (samples == ring()[:100]).all() and (real == ring()).all()

    def test_gives_the_same_findings_again(self):
        first, second = (diagnose(flat(NS), NS, samples=others(), real=ring()) for _ in range(2))
        assert first == second

    def test_samples_of_another_size_are_refused(self):
        with pytest.raises(ShapeError):
            diagnose(flat(NS), NS, samples=ring(), real=digits())


class TestDCannotTell:
    def test_because_it_does_not_learn(self):
        assert idle().findings()["d-too-weak"].severity == "warning"

    def test_and_without_samples_nobody_knows_why(self):
        assert idle().findings(samples=False)["cannot-tell"].severity == "note"

    def test_because_the_game_has_converged(self):
        found = Game(OBJECTIVES["r1"], ring(), 350).findings()
        assert found.keys() == {"equilibrium"} and found["equilibrium"].severity == "good"

    @losses
    def test_at_the_equilibrium_of_each_objective(self, chosen):
        log = flat(chosen, noise=0.01)
        assert codes(log, chosen) == {"cannot-tell"}
        assert codes(log, chosen, samples=others(), real=ring()) == {"equilibrium"}
        assert codes(log, chosen, samples=others() + 1, real=ring()) == {"d-too-weak"}

    @pytest.mark.parametrize("far", [0.95 - 0.01, 1.05 + 0.01])
    def test_ends_five_percent_away(self, far):
        assert codes(flat(NS, loss_d=far * ln(4))) == {"nothing-found"}
        assert codes(flat(NS, loss_g=ln(2) + (far - 1) * ln(4))) == {"nothing-found"}

    def test_must_hold_for_the_last_half_of_the_log(self):
        assert codes(flat(NS, loss_d=np.where(T < 700, 1.0, ln(4)))) == {"nothing-found"}

    def test_early_in_a_run_it_is_no_reason_to_worry(self):
        (finding,) = diagnose(flat(NS, n=300), NS, samples=0.1 * ring(), real=ring())[-1:]
        assert (finding.code, finding.severity) == ("d-too-weak", "note")

    def test_a_critic_has_no_equilibrium_to_be_seen(self):
        assert codes(flat(WGAN, loss_d=0.0, loss_g=0.0), WGAN) == {"nothing-found"}

    def test_is_no_equilibrium_where_modes_are_missing(self):
        assert codes(flat(NS), samples=others(), real=ring(), modes=(5, 8)) == {"mode-collapse", "cannot-tell"}

    def test_half_likeness_is_left_open(self):
        assert codes(flat(NS), samples=0.6 * others(), real=ring()) == {"cannot-tell"}


class TestDIsFooled:
    def test_when_it_does_not_learn_and_g_does(self):
        assert "d-fooled" in Game(NS, digits(), lr_d=1e-9).warnings()

    def test_only_when_its_loss_is_above_the_equilibrium_and_generated_samples_please_it_more(self):
        assert "d-fooled" in codes(flat(NS, loss_d=1.26 * ln(4), loss_g=0.2, d_fake=0.7))
        assert "d-fooled" not in codes(flat(NS, loss_d=1.24 * ln(4), loss_g=0.2, d_fake=0.7))
        assert "d-fooled" not in codes(flat(NS, loss_d=1.26 * ln(4), loss_g=0.2, d_fake=0.3))


class TestDSaturates:
    @pytest.mark.parametrize("name", ["bce", "non-saturating", "lsgan", "hinge"])
    def test_when_it_is_far_too_strong(self, name):
        assert "d-saturated" in overwhelmed(name).warnings()

    @losses
    def test_below_five_percent_of_the_equilibrium(self, chosen):
        of_d = chosen.equilibrium[0]
        assert "d-saturated" in codes(flat(chosen, loss_d=0.04 * of_d), chosen)
        assert "d-saturated" not in codes(flat(chosen, loss_d=0.06 * of_d), chosen)

    def test_only_if_it_does_so_nearly_always(self):
        assert "d-saturated" not in codes(flat(NS, loss_d=np.where(T % 5, 0.01, 0.5)))

    def test_no_critic_does(self):
        assert codes(flat(WGAN, loss_d=0.001), WGAN) == {"nothing-found"}


class TestTheGeneratorsGradientVanishes:
    def test_where_the_loss_saturates(self):
        found = overwhelmed("bce").findings()["vanishing-gradient"]
        assert found.severity == "warning" and "F3" in found.message
        assert "vanishing-gradient" not in overwhelmed("non-saturating").findings()

    def test_in_a_discriminator_that_goes_flat(self):
        """D's score passes through a tanh, whose slope dies where D is sure."""
        rng = np.random.default_rng(0)
        D = Sequential(dense(64, 32, 1, seed=rng), Tanh(), Linear(1, 1, rng=rng))
        found = Game(NS, digits(), 400, lr=1e-5, lr_d=1e-2, D=D).findings()
        assert "has fallen from" in found["vanishing-gradient"].message

    def test_below_a_slope_of_a_fiftieth(self):
        assert "vanishing-gradient" in codes(flat(BCE, d_fake=0.019), BCE)
        assert "vanishing-gradient" not in codes(flat(BCE, d_fake=0.021), BCE)
        assert "vanishing-gradient" not in codes(flat(NS, d_fake=0.019), NS)

    def test_below_a_thirtieth_of_the_early_gradient_while_d_is_strong(self):
        fallen = np.where(T < 200, 1.0, 1 / 31)
        assert "vanishing-gradient" in codes(flat(NS, loss_d=0.3, grad_norm_g=fallen))
        assert "vanishing-gradient" not in codes(flat(NS, loss_d=1.0, grad_norm_g=fallen))
        assert "vanishing-gradient" not in codes(flat(NS, loss_d=0.3, grad_norm_g=np.where(T < 200, 1.0, 1 / 29)))


class TestModeCollapse:
    def test_of_a_generator_that_learns_too_fast(self):
        game = Game(NS, ring(), 400, lr=1e-2)
        assert "mode-collapse" in game.warnings()

    def test_under_a_discriminator_that_is_always_right(self):
        assert "mode-collapse" in overwhelmed("non-saturating").warnings()

    def test_of_half_the_modes(self):
        x, y = data.ring(1000, 1, std=0.05, labels=True)
        assert "mode-collapse" in codes(flat(NS), samples=x[y < 4], real=ring())
        assert "mode-collapse" not in codes(flat(NS), samples=x, real=ring())

    def test_of_digits_to_a_handful_of_images(self):
        assert "mode-collapse" in codes(flat(NS), samples=np.tile(digits()[:4], (16, 1)), real=digits())

    def test_not_of_one_batch_of_digits(self):
        assert "mode-collapse" not in codes(flat(NS), samples=digits()[-64:], real=digits()[:1000])

    def test_an_untrained_generator_gets_a_note(self):
        samples = 0.01 * np.random.default_rng(0).standard_normal((500, 2))
        (finding,) = diagnose(flat(NS, loss_d=0.9), NS, samples=samples, real=ring())
        assert (finding.code, finding.severity) == ("samples-alike", "note")

    @pytest.mark.parametrize("what", ["modes", "classes"])
    def test_below_three_quarters_of_what_can_be_counted(self, what):
        assert f"5 of 8 {what}" in diagnose(flat(NS), NS, **{what: (5, 8)})[0].message
        assert "mode-collapse" not in codes(flat(NS), NS, **{what: (6, 8)})

    def test_counts_say_nothing_of_samples_that_are_unlike_the_data(self):
        samples = np.random.default_rng(0).uniform(-4, 4, (500, 2))
        assert "mode-collapse" not in codes(flat(NS), NS, samples=samples, real=ring(), modes=(3, 8))


class TestExplodingGradients:
    def test_of_a_learning_rate_beyond_what_descent_bears(self):
        """F10 has curvature 2 in D's bias: a step of α = 1.03 takes its error times 1 − 2α = −1.06."""
        D = Linear(2, 1, rng=0)
        game = Game(LSGAN, ring(), 300, lr=1e-9, lr_d=1.03, optimiser=optim.SGD, D=D)
        assert "exploding-gradients" in game.warnings()

    @pytest.mark.parametrize("network", ["d", "g"])
    def test_that_grow_ten_thousandfold(self, network):
        name = f"grad_norm_{network}"
        assert "exploding-gradients" in codes(flat(NS, **{name: np.where(T < 100, 1.0, 11_000.0)}))
        assert "exploding-gradients" not in codes(flat(NS, **{name: np.where(T < 100, 1.0, 9_000.0)}))

    def test_single_ones_a_hundred_times_the_usual(self):
        assert "exploding-gradients" in codes(flat(NS, grad_norm_d=np.where(T == 900, 110.0, 1.0)))
        assert "exploding-gradients" not in codes(flat(NS, grad_norm_d=np.where(T == 900, 90.0, 1.0)))

    def test_not_where_the_usual_one_has_become_tiny(self):
        norms = np.where(T < 100, 1.0, np.where(T == 900, 1.0, 1e-6))
        assert "exploding-gradients" not in codes(flat(NS, grad_norm_d=norms))

    def test_not_of_a_network_that_has_none(self):
        assert "exploding-gradients" not in codes(flat(NS, grad_norm_d=0.0))


class TestOscillation:
    @pytest.mark.parametrize("chosen", [BCE, HINGE, objective("wgan", clip=10.0)], ids=lambda chosen: chosen.name)
    def test_of_the_dirac_gan(self, chosen):
        assert "oscillation" in dirac(chosen).warnings()

    def test_not_of_the_dirac_gan_with_a_penalty_on_ds_gradient(self):
        assert dirac(objective("r1", lam=1.0)).warnings() == set()

    @pytest.mark.parametrize("period", [12, 40, 120])
    def test_under_as_much_noise(self, period):
        """Wave and noise of the same variance 0.01: the autocorrelation comes back to a half, less what n leaves."""
        wave = ln(4) + 0.17 * np.sin(2 * np.pi * T / period) + 0.1 * np.random.default_rng(0).standard_normal(1000)
        (finding,) = diagnose(flat(NS, loss_d=wave, loss_g=1.0), NS)
        assert finding.code == "oscillation"
        said = int(finding.message.split("about every ")[1].split()[0])
        assert abs(said / period - round(said / period)) < 0.1  # noise may favour a multiple

    @pytest.mark.parametrize("period", [12.5, 21.5, 43.4])
    def test_has_its_own_period_not_a_multiple_that_fits_whole_steps_better(self, period):
        (finding,) = diagnose(flat(NS, loss_d=0.9 + 0.3 * np.sin(2 * np.pi * T / period), loss_g=1.0), NS)
        assert abs(int(finding.message.split("about every ")[1].split()[0]) - period) < 1

    def test_of_swings_that_hardly_die_down(self):
        wave = 0.3 * np.sin(2 * np.pi * T / 40) * np.exp(-T / 1000)  # to 0.78 in 250 steps
        assert codes(flat(NS, loss_d=0.9 + wave, loss_g=1.0)) == {"oscillation"}

    def test_of_swings_that_are_just_large_or_slow_enough(self):
        small, fast = 0.102 * np.sin(2 * np.pi * T / 40), 0.3 * np.sin(2 * np.pi * T / 7)
        assert codes(flat(NS, loss_d=0.9 + small, loss_g=1.0)) == {"oscillation"}
        assert codes(flat(NS, loss_d=0.9 + fast, loss_g=1.0)) == {"oscillation"}

    @pytest.mark.parametrize("wave", [
        0.095 * np.sin(2 * np.pi * T / 40),                        # small
        0.3 * np.sin(2 * np.pi * T / 300),                        # too slow to be seen four times
        0.3 * np.sin(2 * np.pi * T / 40) * np.exp(-T / 500),      # dies down, to 0.6 in 250 steps
        0.3 * np.sin(2 * np.pi * T / 5),                          # the stagger of an optimiser
        0.3 * T / 1000,                                           # a trend
    ], ids=["small", "slow", "damped", "stagger", "trend"])
    def test_is_none(self, wave):
        assert codes(flat(NS, loss_d=0.9 + wave, loss_g=1.0)) == {"nothing-found"}


class TestDivergence:
    @pytest.mark.filterwarnings("ignore::RuntimeWarning")
    def test_to_numbers_that_are_none(self):
        game = Game(LSGAN, ring(), 50, lr=1.0, lr_d=1.0, optimiser=optim.SGD)
        assert game.findings().keys() == {"diverged"}
        assert game.findings(samples=False).keys() == {"diverged"}

    def test_of_a_generator_that_leaves_the_data(self):
        assert "diverged" in Game(NS, digits(), 220, lr=1.0).warnings()

    @pytest.mark.parametrize("seed", range(2))
    def test_of_a_critic_without_bounds(self, seed):
        game = Game(objective("wgan", clip=1e6), ring(), 400, lr=3e-5, lr_d=3e-4, seed=seed)
        assert "diverged" in game.warnings()

    def test_not_of_one_with_bounds(self):
        game = Game(WGAN, ring(), 220, lr=5e-5, lr_d=5e-5, optimiser=optim.RMSProp)
        assert game.warnings() == set()

    @pytest.mark.parametrize("name, value", [("loss_d", np.nan), ("loss_g", np.inf), ("grad_norm_g", np.inf)])
    def test_names_the_column_and_the_row(self, name, value):
        log = flat(NS, n=60)
        log[name][40:] = value
        (finding,) = diagnose(log, NS)
        assert finding.code == "diverged" and name in finding.message and "row 41" in finding.message

    def test_a_gap_is_none(self):
        log = flat(NS, loss_d=0.9)
        log["loss_d"][998] = np.nan
        assert codes(log) == {"nothing-found"}

    @losses
    def test_beyond_fifty_halves_of_the_equilibrium(self, chosen):
        half = chosen.equilibrium[0] / 2
        assert "diverged" in codes(flat(chosen, loss_g=51 * half), chosen)
        assert "diverged" not in codes(flat(chosen, loss_g=49 * half), chosen)

    def test_of_a_critics_loss_that_grows_steadily(self):
        assert "diverged" in codes(flat(WGAN, loss_d=-T / 800), WGAN)
        assert "diverged" not in codes(flat(WGAN, loss_d=-T / 900), WGAN)  # the last quarter is at 0.97: not yet large
        assert "diverged" not in codes(flat(WGAN, loss_d=-(1 + T / 250)), WGAN)  # from 1.5 to 4.5: threefold
        assert "diverged" not in codes(flat(WGAN, loss_d=-np.minimum(T / 100, 6.0)), WGAN)


class TestThresholdsOfLikeness:
    """Which figures of `likeness` make which finding, beside a log at the equilibrium or, `busy`, away from it."""

    @pytest.mark.parametrize("figures, busy, finding", [
        ((0.29, 0.29, 0.29, 0.51), False, "equilibrium"),
        ((0.31, 0.20, 0.20, 1.00), False, "cannot-tell"),
        ((0.20, 0.20, 0.31, 1.00), False, "cannot-tell"),
        ((0.20, 0.20, 0.20, 0.49), False, "cannot-tell"),
        ((0.20, 0.20, 0.49, 1.00), False, "cannot-tell"),
        ((0.20, 0.20, 0.51, 1.00), False, "d-too-weak"),
        ((0.20, 0.29, 0.00, 1.00), True, "nothing-found"),
        ((0.14, 0.31, 0.00, 1.00), True, "mode-collapse"),
        ((0.16, 0.31, 0.00, 1.00), True, "nothing-found"),
        ((0.39, 0.50, 1.00, 0.09), True, "mode-collapse"),
        ((0.41, 0.50, 1.00, 0.09), True, "samples-alike"),
        ((0.41, 0.50, 1.00, 0.11), True, "nothing-found"),
        ((9.00, 9.00, 9.00, 99.0), True, "nothing-found"),
        ((9.00, 9.00, 9.00, 101.), True, "diverged"),
    ])
    def test_decide(self, monkeypatch, figures, busy, finding):
        monkeypatch.setattr(convergence, "likeness", lambda samples, real: Likeness(*figures))
        log = flat(NS, loss_d=0.9) if busy else flat(NS)
        assert codes(log, samples=ring(), real=ring()) == {finding}

    @pytest.mark.parametrize("n, severity", [(490, "note"), (510, "warning")])
    def test_a_weak_d_is_given_500_steps(self, n, severity):
        (finding,) = diagnose(flat(NS, n=n), NS, samples=others() + 1, real=ring())
        assert (finding.code, finding.severity) == ("d-too-weak", severity)


class TestReport:
    def test_is_one_line_for_each_finding(self):
        findings = [Finding("a", "warning", "Something."), Finding("b", "note", "Something else.")]
        assert report(findings) == "[warning] Something.\n[note] Something else."

    def test_warnings_come_first(self):
        log = flat(NS, loss_d=np.where(T % 2, ln(4), ln(4) + 0.01), grad_norm_d=np.where(T == 900, 1e3, 1.0))
        assert [finding.severity for finding in diagnose(log, NS)] == ["warning", "note"]

    def test_messages_are_short(self):
        game = overwhelmed("bce")
        assert all(len(finding.message) < 500 for finding in game.findings().values())
