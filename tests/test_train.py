"""Algorithm 1: who moves when, what each step sees, and that the numbers are those of a computation by hand."""

import hashlib
import os
import subprocess
import sys
from dataclasses import dataclass, field

import hand_written
import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from minigan import Tensor, grad
from minigan import functional as F
from minigan.backend import random_streams
from minigan.errors import ConfigError, GraphError
from minigan.losses import OBJECTIVES, Objective
from minigan.models import build
from minigan.nn import LeakyReLU, Linear, Module, Sequential, Tanh
from minigan.optim import SGD, Adam, RMSProp
from minigan.train import StepRecord, minimax

NAMES = ["bce", "non-saturating", "lsgan", "wgan", "hinge"]
every_objective = pytest.mark.parametrize("name", NAMES)
of_probabilities = pytest.mark.parametrize("name", NAMES[:3])  # others clip, or leave D's last bias where it is
every_n_d = pytest.mark.parametrize("n_d", [1, 2, 5])


def small_pair(seed=0, dtype=np.float64):
    """A G from 3 to 2 numbers and a D of points, with one hidden layer each."""
    rng = np.random.default_rng(seed)
    G = Sequential(Linear(3, 5, rng=rng), Tanh(), Linear(5, 2, rng=rng))
    D = Sequential(Linear(2, 4, rng=rng), LeakyReLU(0.2), Linear(4, 1, rng=rng))
    return G.astype(dtype), D.astype(dtype)


def real_batches(count, m=6, shape=(2,), seed=1):
    """`count` batches of m samples each, around (1, 1, …)."""
    rng = np.random.default_rng(seed)
    return [rng.normal(1, 0.5, (m, *shape)) for _ in range(count)]


class Noise:
    """m → (m, latent_dim), and a list of all that it gave."""

    def __init__(self, latent_dim=3, seed=2):
        self.latent_dim, self.rng, self.given = latent_dim, np.random.default_rng(seed), []

    def __call__(self, m):
        self.given.append(self.rng.standard_normal((m, self.latent_dim)))
        return self.given[-1]


class Watched(Module):
    """A network that lists what goes in and what comes out."""

    def __init__(self, network):
        self.network = network
        self.seen, self.said = [], []

    def forward(self, x):
        y = self.network(x)
        self.seen.append(x.data.copy())
        self.said.append(y.data.copy())
        return y


class Events:
    """The optimisers' steps in their order: whose, and the parameters of both networks before and after, as bytes."""

    def __init__(self, G, D):
        self.networks, self.steps = (G, D), []

    def state(self):
        return [b"".join(p.data.tobytes() for p in network.parameters()) for network in self.networks]

    def of(self, who, optimiser):
        return WatchedOptimiser(self, who, optimiser)


@dataclass
class WatchedOptimiser:
    events: Events
    who: str
    optimiser: object

    def step(self, grads):
        before = self.events.state()
        self.optimiser.step(grads)
        self.events.steps.append((self.who, before, self.events.state()))


def game_of(G, D, objective, batches, noise, n_d=1, optimiser=lambda params: SGD(params, 0.1), **options):
    """The game of that objective, with the same optimiser for both."""
    objective = OBJECTIVES[objective] if isinstance(objective, str) else objective
    opt_g, opt_d = optimiser(G.parameters()), optimiser(D.parameters())
    return minimax(G, D, objective, opt_g, opt_d, batches, noise, n_d, **options)


def play(G, D, objective="non-saturating", passes=3, n_d=1, noise=None, batches=None, **options):
    """A short game with gradient descent; the records."""
    batches = real_batches(passes * n_d) if batches is None else batches
    return list(game_of(G, D, objective, batches, noise or Noise(), n_d, **options))


def watched_game(objective="non-saturating", passes=3, n_d=2):
    G, D = map(Watched, small_pair())
    events = Events(G, D)
    noise, batches = Noise(), real_batches(passes * n_d)
    records = list(minimax(G, D, OBJECTIVES[objective], events.of("G", SGD(G.parameters(), 0.1)),
                           events.of("D", SGD(D.parameters(), 0.1)), batches, noise, n_d))
    return G, D, events, noise, batches, records


# --- statement 14: each step moves its own network, and nothing else does ---


@every_objective
def test_a_step_of_d_leaves_every_byte_of_g(name):
    *_, events, _, _, _ = watched_game(name)
    assert all(before[0] == after[0] for who, before, after in events.steps if who == "D")


@every_objective
def test_a_step_of_g_leaves_every_byte_of_d(name):
    *_, events, _, _, _ = watched_game(name)
    assert all(before[1] == after[1] for who, before, after in events.steps if who == "G")


@of_probabilities
def test_nothing_but_the_optimisers_steps_changes_a_parameter(name):
    *_, events, _, _, _ = watched_game(name)
    assert all(after == before for (_, _, after), (_, before, _) in zip(events.steps, events.steps[1:]))
    assert events.state() == events.steps[-1][2]


@of_probabilities
@pytest.mark.parametrize("network", [0, 1], ids=["G", "D"])
def test_every_parameter_moves(name, network):
    pair = small_pair()
    before = [p.data.copy() for p in pair[network].parameters()]
    play(*pair, name, passes=1)
    assert all(np.all(p.data != b) for p, b in zip(pair[network].parameters(), before))


@every_n_d
def test_d_makes_n_d_steps_before_each_step_of_g(n_d):
    *_, events, _, _, _ = watched_game(passes=3, n_d=n_d)
    assert "".join(who for who, _, _ in events.steps) == ("D" * n_d + "G") * 3


def test_the_loop_leaves_no_gradients_in_the_parameters():
    G, D = small_pair()
    play(G, D)
    assert all(p.grad is None for p in G.parameters() + D.parameters())


def test_what_backward_left_in_the_parameters_does_not_enter_a_step():
    """X3: document 000 §4.4 never clears what the generator's backward left in D."""
    clean, dirty = small_pair(), small_pair()
    for p in dirty[0].parameters() + dirty[1].parameters():
        (p * 1e6).sum().backward()
    play(*clean)
    play(*dirty)
    for a, b in zip(clean, dirty):
        assert all(np.array_equal(p.data, q.data) for p, q in zip(a.parameters(), b.parameters()))


@every_objective
def test_a_generated_batch_that_is_detached_gives_g_no_gradient(name):
    """X2: document 000 §4.4 trains G through fake.detach()."""
    G, D = small_pair()
    loss_g = OBJECTIVES[name].generator(D(G(Noise()(6)).detach()))
    with pytest.raises(GraphError, match="detach"):
        grad(loss_g, G.parameters())


# --- what each step sees ---


@every_n_d
def test_noise_is_drawn_n_d_plus_1_times_for_each_pass(n_d):
    *_, noise, _, _ = watched_game(passes=3, n_d=n_d)
    assert len(noise.given) == 3 * (n_d + 1)


@every_n_d
def test_g_never_sees_the_same_noise_twice(n_d):
    G, *_ = watched_game(passes=3, n_d=n_d)
    assert len({z.tobytes() for z in G.seen}) == len(G.seen) == 3 * (n_d + 1)


@every_n_d
def test_g_sees_all_noise_in_the_order_it_was_drawn(n_d):
    G, _, _, noise, _, _ = watched_game(passes=3, n_d=n_d)
    assert_array_equal(G.seen, noise.given)


@every_n_d
def test_d_sees_real_and_generated_batches_in_turn_and_then_gs(n_d):
    G, D, _, _, batches, _ = watched_game(passes=3, n_d=n_d)
    real, fake, expected = iter(batches), iter(G.said), []
    for _ in range(3):
        for _ in range(n_d):
            expected += [next(real), next(fake)]
        expected += [next(fake)]
    assert_array_equal(D.seen, expected)


def test_every_batch_may_have_its_own_size():
    G, D = map(Watched, small_pair())
    sizes = [2, 7, 4, 3]
    play(G, D, n_d=2, batches=[real_batches(1, m)[0] for m in sizes])
    assert [len(z) for z in G.seen] == [2, 7, 7, 4, 3, 3]


def test_d_is_judged_by_the_g_of_this_moment():
    """The third generated batch is made after G's first step: G's last layer has changed by then."""
    G, D = map(Watched, small_pair())
    game = game_of(G, D, "bce", real_batches(2), Noise())
    next(game)
    expected = G.network(Tensor(Noise().rng.standard_normal((3, 6, 3))[2])).data
    next(game)
    assert_array_equal(D.seen[4], expected)


# --- when it ends, and what it refuses ---


@pytest.mark.parametrize("batches, n_d, passes", [(0, 1, 0), (3, 1, 3), (6, 2, 3), (7, 2, 3), (1, 2, 0), (5, 5, 1)])
def test_the_game_ends_with_the_batches(batches, n_d, passes):
    records = play(*small_pair(), n_d=n_d, batches=real_batches(batches))
    assert [r.step for r in records] == list(range(1, passes + 1))


def test_batches_may_come_from_any_iterable():
    records = [play(*small_pair(), batches=kind(real_batches(3))) for kind in (list, tuple, iter)]
    assert records[0][-1].as_dict() == records[1][-1].as_dict() == records[2][-1].as_dict()


def test_no_batch_is_drawn_before_it_is_needed():
    batches = iter(real_batches(10))
    game = game_of(*small_pair(), "bce", batches, Noise(), n_d=2)
    for _ in range(3):
        next(game)
    assert len(list(batches)) == 10 - 3 * 2


@pytest.mark.parametrize("n_d", [0, -1, 1.5, "2", None])
def test_an_n_d_below_one_is_refused(n_d):
    with pytest.raises(ConfigError, match="n_d") as error:
        play(*small_pair(), batches=real_batches(3), n_d=n_d)
    assert repr(n_d) in str(error.value)


def test_n_d_may_be_a_numpy_integer():
    assert len(play(*small_pair(), batches=real_batches(4), n_d=np.int64(2))) == 2


# --- types ---


@pytest.mark.parametrize("optimiser", [SGD, RMSProp, Adam])
def test_float64_batches_and_noise_leave_float32_networks_float32(optimiser):
    G, D = map(Watched, small_pair(dtype=np.float32))
    play(G, D, "bce", optimiser=lambda params: optimiser(params, 0.01))
    arrays = [p.data for p in G.parameters() + D.parameters()] + G.seen + G.said + D.seen + D.said
    assert {a.dtype for a in arrays} == {np.dtype(np.float32)}


def test_float32_batches_and_noise_are_widened_for_float64_networks():
    G, D = map(Watched, small_pair())
    play(G, D, batches=[x.astype(np.float32) for x in real_batches(2)], noise=lambda m: np.ones((m, 3), np.float32))
    assert {a.dtype for a in G.seen + D.seen} == {np.dtype(np.float64)}


def test_batches_and_noise_may_be_tensors():
    of_arrays = play(*small_pair())
    noise = Noise()
    of_tensors = play(*small_pair(), batches=map(Tensor, real_batches(3)), noise=lambda m: Tensor(noise(m)))
    assert [r.as_dict() for r in of_arrays] == [r.as_dict() for r in of_tensors]


# --- the record ---


def test_a_record_has_these_fields_as_python_floats():
    record = play(*small_pair(), passes=1)[0].as_dict()
    assert list(record) == ["step", "loss_d", "loss_g", "loss", "d_real", "d_fake", "grad_norm_d", "grad_norm_g"]
    assert {type(value) for key, value in record.items() if key != "step"} == {float}


def test_the_gradient_norms_are_those_of_the_whole_gradients():
    """By gradient descent θ moves by −α ∇L: ‖∇L‖ is the length of the step over α."""
    G, D = small_pair()
    before = [[p.data.copy() for p in network.parameters()] for network in (G, D)]
    record = play(G, D, passes=1)[0]
    lengths = [np.sqrt(sum(((p.data - b) ** 2).sum() for p, b in zip(network.parameters(), old))) / 0.1
               for network, old in zip((G, D), before)]
    assert_allclose([record.grad_norm_g, record.grad_norm_d], lengths, rtol=1e-12)


# --- a conditional game ---


class Conditional(Module):
    """A network of (x, y) that joins a one-hot label to x, and lists the labels it was given."""

    def __init__(self, network, classes=4):
        self.network, self.classes, self.labels = network, classes, []

    def forward(self, x, y):
        self.labels.append(np.asarray(y))
        return self.network(F.concatenate([x, np.eye(self.classes)[y]], axis=1))


def test_in_a_conditional_game_both_networks_are_given_the_labels_of_the_batch():
    rng = np.random.default_rng(0)
    G = Conditional(Linear(3 + 4, 2, rng=rng).astype(np.float64))
    D = Conditional(Linear(2 + 4, 1, rng=rng).astype(np.float64))
    labels = [rng.integers(4, size=6) for _ in range(4)]
    play(G, D, "wgan-gp", n_d=2, batches=list(zip(real_batches(4), labels)), rng=rng)
    first, second, third, fourth = labels
    assert_array_equal(G.labels, [first, second, second, third, fourth, fourth])
    # D(x), D(G(z)) and the penalty's D(x̂) in each of its steps, then D(G(z)) for G
    assert_array_equal(D.labels, [first] * 3 + [second] * 4 + [third] * 3 + [fourth] * 4)


@every_objective
@every_n_d
def test_the_losses_are_those_of_the_last_step_of_each(name, n_d):
    _, D, _, _, _, records = watched_game(name, passes=3, n_d=n_d)
    discriminator_loss, generator_loss = hand_written.LOSSES[name]
    for i, record in enumerate(records):
        a_real, a_fake, a = D.said[(2 * n_d + 1) * (i + 1) - 3:][:3]  # the last three things D said in this pass
        assert_allclose(record.loss_d, discriminator_loss(a_real, a_fake)[0], rtol=1e-12)
        assert_allclose(record.loss_g, generator_loss(a)[0], rtol=1e-12)


@every_objective
def test_the_loss_is_the_sum_of_both(name):
    """F7."""
    for record in play(*small_pair(), name):
        assert record.loss == record.loss_g + record.loss_d


@pytest.mark.parametrize("name, opinion", [("bce", hand_written.sigma), ("non-saturating", hand_written.sigma),
                                           ("lsgan", np.asarray)])
@every_n_d
def test_what_d_thinks_is_the_mean_over_its_last_real_and_generated_batch(name, opinion, n_d):
    _, D, _, _, _, records = watched_game(name, passes=3, n_d=n_d)
    for i, record in enumerate(records):
        a_real, a_fake, _ = D.said[(2 * n_d + 1) * (i + 1) - 3:][:3]
        assert_allclose([record.d_real, record.d_fake], [opinion(a_real).mean(), opinion(a_fake).mean()], rtol=1e-12)


def test_a_record_keeps_its_numbers_while_training_goes_on():
    game = game_of(*small_pair(), "bce", real_batches(3), Noise())
    first = next(game)
    at_once = first.as_dict()
    list(game)
    assert first.as_dict() == at_once


def test_a_record_shows_its_numbers():
    assert repr(StepRecord(3, 1.5, 0.25, 1.75, 0.5, 0.125)) == \
        "StepRecord(step=3, loss_d=1.5, loss_g=0.25, loss=1.75, d_real=0.5, d_fake=0.125)"


def test_a_record_has_no_other_fields():
    with pytest.raises(AttributeError, match="accuracy"):
        _ = StepRecord(1, 0, 0, 0, 0, 0).accuracy


# --- hooks of an objective ---


@dataclass(frozen=True)
class Hooked(Objective):
    """F4 and F5, with a penalty of ½ λ ‖θ_D‖² and a list of all calls."""

    lam: float = 0.5
    calls: list = field(default_factory=list)

    def penalty(self, D, x_real, x_fake, rng):
        self.calls.append(("penalty", D, x_real, x_fake, rng, [p.data.copy() for p in D.parameters()]))
        return 0.5 * self.lam * sum(F.sum(p * p) for p in D.parameters())

    def after_d_step(self, D):
        self.calls.append(("after_d_step", D, [p.data.copy() for p in D.parameters()]))


def hooked(**options):
    base = OBJECTIVES["non-saturating"]
    return Hooked("hooked", "", base.discriminator, base.generator, base.opinion, **options)


@every_n_d
def test_the_hooks_are_called_in_turn_for_each_step_of_d(n_d):
    objective = hooked()
    play(*small_pair(), objective, n_d=n_d, passes=2)
    assert [call[0] for call in objective.calls] == ["penalty", "after_d_step"] * n_d * 2


def test_the_penalty_gets_d_the_real_and_the_generated_batch_and_the_random_numbers():
    objective, rng, batches = hooked(), np.random.default_rng(0), real_batches(2)
    G, D = map(Watched, small_pair())
    play(G, D, objective, batches=batches, rng=rng)
    for i, (_, network, x_real, x_fake, random_numbers, _) in enumerate(objective.calls[::2]):
        assert network is D and random_numbers is rng
        assert_array_equal(x_real.data, batches[i])
        assert_array_equal(x_fake.data, G.said[2 * i])


def test_a_penalty_draws_its_random_numbers_from_a_seed_or_from_anywhere():
    seeded = [play(*small_pair(), "wgan-gp", rng=rng)[-1].loss_d for rng in (3, 3, np.random.default_rng(3), 4)]
    assert seeded[0] == seeded[1] == seeded[2] != seeded[3]
    assert np.isfinite(play(*small_pair(), "wgan-gp")[-1].loss_d)


def test_the_penaltys_batches_are_leaves():
    """G is held fixed: a penalty cannot reach it, and can take a gradient for the batch."""
    objective = hooked()
    play(*small_pair(), objective, passes=1)
    _, _, x_real, x_fake, _, _ = objective.calls[0]
    assert (x_real.op, x_fake.op) == ("leaf", "leaf")


def test_the_penalty_is_part_of_ds_loss():
    with_penalty = play(*small_pair(), hooked(), passes=1)[0]
    without = play(*small_pair(), passes=1)[0]
    norm = 0.5 * 0.5 * sum((p.data**2).sum() for p in small_pair()[1].parameters())
    assert_allclose(with_penalty.loss_d, without.loss_d + norm, rtol=1e-12)


def test_the_penalty_is_part_of_ds_gradient():
    """The gradient of ½ λ ‖θ‖² is λ θ, so a step ends lr · λ · θ lower."""
    (_, start), (_, plain), (_, shrunk) = small_pair(), small_pair(), small_pair()
    play(small_pair()[0], plain, passes=1)
    play(small_pair()[0], shrunk, hooked(), passes=1)
    for s, p, q in zip(start.parameters(), plain.parameters(), shrunk.parameters()):
        assert_allclose(q.data, p.data - 0.1 * 0.5 * s.data, rtol=1e-12, atol=1e-15)


def test_after_d_step_comes_when_d_has_moved():
    objective = hooked()
    play(*small_pair(), objective, n_d=2, passes=2)
    for before, after in zip(objective.calls[::2], objective.calls[1::2]):
        assert all(np.all(a != b) for a, b in zip(before[-1], after[-1]))


def test_after_d_step_may_change_d_before_g_moves():
    class Clipped(Hooked):
        def after_d_step(self, D):
            for p in D.parameters():
                p.assign(np.clip(p.data, -0.01, 0.01))

    base = OBJECTIVES["lsgan"]
    G, D = small_pair()
    play(G, D, Clipped("clipped", "", base.discriminator, base.generator, base.opinion), passes=4, n_d=2)
    assert all(np.abs(p.data).max() <= 0.01 for p in D.parameters())


# --- statement 14: a game that was worked out by hand ---


def penalty_by_hand(name, x, x_fake, slope_at, C, E, rng):
    r"""A penalty P on ∇D(x) = (E ∘ s(x)) C, with s the leaky ReLU's slopes, and ∂P/∂C and ∂P/∂E.

    For P = mean φ(‖∇D‖), with n = ‖∇D‖, the cotangent of ∇D(xᵢ) is uᵢ = φ'(nᵢ) ∇D(xᵢ) / (m nᵢ). A small change of C
    leaves the slopes, so C̄ = Σ (E ∘ sᵢ) ⊗ uᵢ and Ē = Σ sᵢ ∘ C uᵢ.
    """
    m = len(x)
    if name == "wgan-gp":
        eps = rng.random((m, 1))
        x, phi, slope_of_phi = eps * x + (1 - eps) * x_fake, lambda n: 10 * (n - 1) ** 2, lambda n: 20 * (n - 1)
    elif name == "r1":
        phi, slope_of_phi = lambda n: 5 * n**2, lambda n: 10 * n
    else:
        return 0, 0, 0
    s = slope_at(x)
    gradients = (E * s) @ C
    n = np.sqrt((gradients**2).sum(1, keepdims=True))
    u = slope_of_phi(n) * gradients / n / m
    return phi(n).mean(), (E * s).T @ u, (s * (u @ C.T)).sum(0, keepdims=True)


def one_hidden_layer_by_hand(G, D, name, rule, batches, noise, n_d):
    r"""G(z) = tanh(z Aᵀ + a) Bᵀ + b and D(x) = λ(x Cᵀ + c) Eᵀ + e, with λ the leaky ReLU, every gradient on paper.

    rule(theta, g, i, who) : the new value of the i-th parameter of a network
    returns : the parameters of G and of D at the end, and the losses of every pass
    """
    A, a, B, b = (p.data.copy() for p in G.parameters())
    C, c, E, e = (p.data.copy() for p in D.parameters())
    discriminator_loss, generator_loss = hand_written.LOSSES[name]

    def generate(z):
        h = np.tanh(z @ A.T + a)
        return h, h @ B.T + b

    def score(x):
        k = x @ C.T + c
        slope = np.where(k > 0, 1.0, 0.2)
        return slope, k * slope, (k * slope) @ E.T + e

    def gradients_of_d(x, g):
        """For ∂L/∂score = g: ∂L/∂C, ∂L/∂c, ∂L/∂E, ∂L/∂e."""
        slope, k, _ = score(x)
        g_k = (g @ E) * slope
        return [g_k.T @ x, g_k.sum(0), g.T @ k, g.sum(0)]

    losses, rng = [], np.random.default_rng(9)
    for start in range(0, len(batches), n_d):
        for x in batches[start:start + n_d]:
            _, x_fake = generate(noise(len(x)))
            loss_d, g_real, g_fake = discriminator_loss(score(x)[2], score(x_fake)[2])
            penalty, g_C, g_E = penalty_by_hand(name, x, x_fake, lambda x: score(x)[0], C, E, rng)
            loss_d = loss_d + penalty
            every = zip([C, c, E, e], gradients_of_d(x, g_real), gradients_of_d(x_fake, g_fake), [g_C, 0, g_E, 0])
            C, c, E, e = (rule(theta, g + h + k, i, "D") for i, (theta, g, h, k) in enumerate(every))
            if name == "wgan":
                C, c, E, e = (np.clip(theta, -0.01, 0.01) for theta in (C, c, E, e))
        z = noise(len(x))
        h, x_fake = generate(z)
        slope, _, scores = score(x_fake)
        loss_g, g = generator_loss(scores)
        g_x = ((g @ E) * slope) @ C          # through D to the generated sample
        g_h = (g_x @ B) * (1 - h**2)
        gradients = [g_h.T @ z, g_h.sum(0), g_x.T @ h, g_x.sum(0)]
        A, a, B, b = (rule(theta, g, i, "G") for i, (theta, g) in enumerate(zip([A, a, B, b], gradients)))
        losses.append((loss_d, loss_g))
    return [A, a, B, b], [C, c, E, e], losses


def sgd_rule(lr):
    return lambda theta, g, i, who: theta - lr * g


def adam_rule(lr, beta_1=0.5, beta_2=0.999, eps=1e-8):
    memory = {}

    def rule(theta, g, i, who):
        m, v, t = memory.get((who, i), (0, 0, 0))
        m, v, t = beta_1 * m + (1 - beta_1) * g, beta_2 * v + (1 - beta_2) * g**2, t + 1
        memory[who, i] = m, v, t
        return theta - lr * (m / (1 - beta_1**t)) / (np.sqrt(v / (1 - beta_2**t)) + eps)

    return rule


@pytest.mark.parametrize("name", [*NAMES, "wgan-gp", "r1"])
@pytest.mark.parametrize("n_d", [1, 2])
@pytest.mark.parametrize("optimiser, rule", [(lambda p: SGD(p, 0.1), lambda: sgd_rule(0.1)),
                                             (lambda p: Adam(p, 0.01), lambda: adam_rule(0.01))], ids=["SGD", "Adam"])
def test_100_steps_are_those_of_a_gan_worked_out_by_hand(name, optimiser, rule, n_d):
    G, D = small_pair()
    batches = real_batches(100 * n_d)
    theta_g, theta_d, losses = one_hidden_layer_by_hand(G, D, name, rule(), batches, Noise(), n_d)
    records = play(G, D, name, n_d=n_d, batches=batches, optimiser=optimiser, rng=np.random.default_rng(9))
    assert_allclose([(r.loss_d, r.loss_g) for r in records], losses, rtol=1e-10)
    for p, theta in zip(G.parameters() + D.parameters(), theta_g + theta_d):
        assert_allclose(p.data, theta, rtol=1e-10, atol=1e-12)


# --- the documents' networks, against the same networks by hand ---

DOCUMENTS = {  # model: by hand, and Adam's settings as the document prints them
    "mlp": (hand_written.n1, 1e-3, (0.9, 0.999)),
    "dcgan": (hand_written.n2, 2e-4, (0.5, 0.999)),
}


def assert_20_steps_agree_with_those_by_hand(model, name, image_shape):
    by_hand, lr, betas = DOCUMENTS[model]
    G, D = (network.astype(np.float64) for network in build(model, 10, image_shape, rng=0))
    other_g, other_d = by_hand(G.state_dict(), D.state_dict(), image_shape)
    batches = [np.tanh(x) for x in real_batches(20, 4, image_shape)]
    rule = hand_written.adam(lr, *betas)
    losses = list(hand_written.minimax(other_g, other_d, hand_written.LOSSES[name], rule, rule, batches, Noise(10),
                                       clip=0.01 if name == "wgan" else None))
    records = play(G, D, name, batches=batches, noise=Noise(10), optimiser=lambda params: Adam(params, lr, betas))
    assert_allclose([(r.loss_d, r.loss_g) for r in records], losses, rtol=1e-8)
    for network, other in ((G, other_g), (D, other_d)):
        for p, theta in zip(network.parameters(), other.parameters(), strict=True):
            assert_allclose(p.data, theta, rtol=1e-8, atol=1e-12)


@every_objective
@pytest.mark.parametrize("model", DOCUMENTS)
def test_20_steps_of_the_documents_networks_are_those_by_hand(model, name):
    assert_20_steps_agree_with_those_by_hand(model, name, (1, 8, 8))


@pytest.mark.slow
@every_objective
@pytest.mark.parametrize("model", DOCUMENTS)
def test_20_steps_of_the_documents_networks_at_28_by_28_are_those_by_hand(model, name):
    assert_20_steps_agree_with_those_by_hand(model, name, (1, 28, 28))


def test_20_steps_of_colour_pictures_that_are_not_square_are_those_by_hand():
    assert_20_steps_agree_with_those_by_hand("dcgan", "non-saturating", (3, 4, 8))


# --- statement 16: a seed fixes everything ---


def fingerprint(seed, steps=200):
    """SHA-256 of all parameters after a short game of float32 networks."""
    streams = random_streams(seed, "weights", "data", "noise")
    G, D = small_pair(streams["weights"], np.float32)
    batches = (streams["data"].normal(1, 0.5, (8, 2)) for _ in range(steps))
    play(G, D, batches=batches, noise=lambda m: streams["noise"].standard_normal((m, 3)), optimiser=Adam)
    return hashlib.sha256(b"".join(p.data.tobytes() for p in G.parameters() + D.parameters())).hexdigest()


def test_the_same_seed_gives_the_same_bytes_after_200_steps():
    assert fingerprint(7) == fingerprint(7)


def test_another_seed_gives_other_bytes():
    assert fingerprint(7) != fingerprint(8)


def test_another_process_gives_the_same_bytes():
    """Nothing may depend on the order of a set or on an address in memory."""
    here = os.path.dirname(__file__)
    code = f"import sys; sys.path.insert(0, {here!r}); import test_train; print(test_train.fingerprint(7))"
    for hash_seed in ("1", "2"):
        environment = os.environ | {"PYTHONHASHSEED": hash_seed}
        out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, env=environment)
        assert out.stdout.strip() == fingerprint(7)


@pytest.mark.parametrize("model", ["mlp", "dcgan", "dcgan-bn"])
def test_the_same_seed_gives_the_same_bytes_with_convolutions_and_batch_norm(model):
    def digest():
        G, D = build(model, 4, (1, 8, 8), rng=5)
        batches = [np.tanh(x) for x in real_batches(5, 4, (1, 8, 8))]
        play(G, D, "bce", batches=batches, noise=Noise(4), optimiser=Adam)
        return [array.tobytes() for network in (G, D) for array in network.state_dict().values()]

    assert digest() == digest()
