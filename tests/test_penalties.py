"""F9's gradient penalty, R1 and weight clipping: exact cases, double backpropagation, and what is refused."""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from minigan import Tensor, grad, gradcheck, losses, models
from minigan import functional as F
from minigan.errors import ConfigError, ShapeError
from minigan.losses import OBJECTIVES, clip_weights, gradient_penalty, objective, r1_penalty
from minigan.nn import BatchNorm1d, Conv2d, Flatten, LeakyReLU, Linear, Module, Sequential, Tanh

M = 7


def batch(*shape, seed=0, dtype=np.float64):
    return np.random.default_rng(seed).normal(0, 1, (M, *shape)).astype(dtype)


def rng():
    return np.random.default_rng(3)


def linear_critic(n=5, dtype=np.float64):
    return Linear(n, 1, rng=1).astype(dtype)


def dense_critic(dtype=np.float64):
    r = np.random.default_rng(2)
    return Sequential(Linear(5, 4, rng=r), LeakyReLU(0.2), Linear(4, 3, rng=r), Tanh(),
                      Linear(3, 1, rng=r)).astype(dtype)


def conv_critic(dtype=np.float64):
    r = np.random.default_rng(2)
    return Sequential(Conv2d(2, 3, 4, 2, 1, rng=r), LeakyReLU(0.2), Conv2d(3, 4, 2, rng=r), Tanh(), Flatten(),
                      Linear(4 * 2 * 2, 1, rng=r)).astype(dtype)


class Scaled(Module):
    """D(x) = s ‖x‖² / 2, whose gradient s x differs from sample to sample and vanishes at x = 0."""

    def __init__(self, s=1.0):
        from minigan.nn import Parameter

        self.s = Parameter(np.array(s))

    def forward(self, x):
        x = F.reshape(x, len(x), -1)
        return self.s * F.sum(x * x, 1, keepdims=True) / 2


class TestF9TheGradientPenalty:
    def test_of_a_linear_critic_is_lambda_times_the_squared_excess_of_its_norm(self):
        D = linear_critic()
        norm = np.linalg.norm(D.weight.data)
        assert_allclose(gradient_penalty(D, batch(5), batch(5, seed=1), rng()).item(), 10 * (norm - 1) ** 2, rtol=1e-12)

    @pytest.mark.parametrize("lam", [10.0, 0.1])
    def test_of_a_linear_critic_has_the_gradient_of_the_formula(self, lam):
        D = linear_critic()
        w, norm = D.weight.data, np.linalg.norm(D.weight.data)
        g_w, g_b = grad(gradient_penalty(D, batch(5), batch(5, seed=1), rng(), lam=lam), D.parameters(),
                        allow_unused=True)
        assert_allclose(g_w.data, 2 * lam * (norm - 1) * w / norm, rtol=1e-10)
        assert_array_equal(g_b.data, 0)

    def test_takes_the_norm_over_all_axes_of_a_sample(self):
        x, y = batch(2, 3, 5), batch(2, 3, 5, seed=1)
        eps = rng().random((M, 1, 1, 1))
        norms = np.sqrt(((eps * x + (1 - eps) * y) ** 2).sum((1, 2, 3)))
        assert_allclose(gradient_penalty(Scaled(), x, y, rng()).item(), 10 * np.mean((norms - 1) ** 2), rtol=1e-12)

    def test_draws_one_epsilon_for_each_sample(self):
        seen = []

        def D(x):
            seen.append(x.data)
            return F.sum(x, (1, 2, 3)).reshape(-1, 1)

        gradient_penalty(D, np.ones((M, 2, 3, 5)), np.zeros((M, 2, 3, 5)), rng())
        eps = seen[0]
        assert np.all((eps > 0) & (eps < 1)) and np.all(eps == eps[:, :1, :1, :1])
        assert len(np.unique(eps)) == M

    def test_stands_between_real_and_generated_samples(self):
        seen = []

        def D(x):
            seen.append(x.data)
            return F.sum(x, 1, keepdims=True)

        class Ends(np.random.Generator):
            def random(self, shape):
                return np.linspace(0, 1, M).reshape(shape)

        x, y = batch(2), batch(2, seed=1)
        gradient_penalty(D, x, y, Ends(np.random.PCG64()))
        assert_array_equal(seen[0][0], y[0])   # ε = 0 is the generated sample
        assert_array_equal(seen[0][-1], x[-1])  # ε = 1 the real one

    @pytest.mark.parametrize("dtype", [np.float32, np.float64])
    @pytest.mark.filterwarnings("error")
    def test_is_finite_where_the_gradient_is_zero(self, dtype):
        D = Scaled(np.asarray(2.0, dtype))
        x = np.zeros((M, 3), dtype)
        penalty = gradient_penalty(D, x, x, rng())
        assert penalty.item() == 10
        assert grad(penalty, D.s).item() == 0

    @pytest.mark.parametrize("make, shape", [(dense_critic, (5,)), (conv_critic, (2, 6, 6))], ids=["dense", "conv"])
    @pytest.mark.parametrize("order", [1, 2])
    def test_parameter_gradients_match_finite_differences(self, make, shape, order):
        D = make()
        report = gradcheck(lambda *_: gradient_penalty(D, batch(*shape), batch(*shape, seed=1), rng()),
                           D.parameters()[::2], order)  # without the biases: that of the last layer has no influence
        assert report, report

    def test_parameter_gradients_of_the_whole_loss_of_n2s_d_at_28_by_28_match_finite_differences(self):
        """Along a random direction of every parameter, by central differences.

        Steps are short: D's slope, and with it the penalty, jumps where a unit crosses the kink of its leaky ReLU.
        """
        D = models.dcgan_discriminator((1, 28, 28), rng=1).astype(np.float64)
        x, y = (np.tanh(batch(1, 28, 28, seed=i)) for i in (0, 1))
        chosen = OBJECTIVES["wgan-gp"]

        def loss():
            return chosen.discriminator(D(Tensor(x)), D(Tensor(y))) + chosen.penalty(D, x, y, rng())

        theta = D.parameters()
        analytic = grad(loss(), theta)
        for i, (p, g) in enumerate(zip(theta, analytic)):
            before, direction = p.data.copy(), np.random.default_rng(i).normal(0, 1, p.shape)
            direction /= np.linalg.norm(direction)
            h = 1e-7
            p.assign(before + h * direction)
            above = loss().item()
            p.assign(before - h * direction)
            below = loss().item()
            p.assign(before)
            assert_allclose(np.vdot(g.data, direction), (above - below) / (2 * h), rtol=1e-6, atol=1e-7)

    def test_matches_pytorch(self):
        torch = pytest.importorskip("torch")
        D = conv_critic()
        theirs = torch.nn.Sequential(
            torch.nn.Conv2d(2, 3, 4, 2, 1), torch.nn.LeakyReLU(0.2), torch.nn.Conv2d(3, 4, 2), torch.nn.Tanh(),
            torch.nn.Flatten(), torch.nn.Linear(16, 1)).double()
        theirs.load_state_dict({k: torch.tensor(v) for k, v in D.state_dict().items()})
        x, y = batch(2, 6, 6), batch(2, 6, 6, seed=1)
        eps = torch.tensor(rng().random((M, 1, 1, 1)))
        x_hat = (eps * torch.tensor(x) + (1 - eps) * torch.tensor(y)).requires_grad_()
        (g,) = torch.autograd.grad(theirs(x_hat).sum(), x_hat, create_graph=True)
        penalty = 10 * ((g.flatten(1).norm(dim=1) - 1) ** 2).mean()
        expected = torch.autograd.grad(penalty, list(theirs.parameters())[:-1])

        ours = gradient_penalty(D, x, y, rng())
        assert_allclose(ours.item(), penalty.item(), rtol=1e-12)
        for g, e in zip(grad(ours, D.parameters()[:-1]), expected):
            assert_allclose(g.data, e.numpy(), rtol=1e-9, atol=1e-12)

    def test_keeps_float32(self):
        D = dense_critic(np.float32)
        penalty = gradient_penalty(D, batch(5, dtype=np.float32), batch(5, seed=1, dtype=np.float32), rng())
        assert penalty.dtype == np.float32
        assert {g.dtype for g in grad(penalty, D.parameters(), allow_unused=True)} == {np.dtype(np.float32)}

    def test_passes_labels_to_a_conditional_d(self):
        labels = np.arange(M)
        seen = []

        def D(x, y):
            seen.append(y)
            return F.sum(x, 1, keepdims=True)

        gradient_penalty(D, batch(5), batch(5), rng(), labels)
        assert seen[0] is labels


    @pytest.mark.parametrize("other", [(1, 5), (M - 1, 5), (M, 1)])
    def test_refuses_real_and_generated_samples_of_different_shapes(self, other):
        with pytest.raises(ShapeError, match="real and generated"):
            gradient_penalty(linear_critic(), batch(5), np.zeros(other), rng())


class TestR1:
    def test_of_a_linear_critic_is_half_gamma_times_the_squared_norm(self):
        D = linear_critic()
        expected = 10 / 2 * np.sum(D.weight.data**2)
        assert_allclose(r1_penalty(D, batch(5), None, None).item(), expected, rtol=1e-12)

    def test_is_taken_at_the_real_samples(self):
        x = batch(2, 3)
        assert_allclose(r1_penalty(Scaled(), x, batch(2, 3, seed=1), rng(), lam=3.0).item(),
                        3 / 2 * np.mean((x**2).sum((1, 2))), rtol=1e-12)

    @pytest.mark.parametrize("order", [1, 2])
    def test_parameter_gradients_match_finite_differences(self, order):
        D = conv_critic()
        report = gradcheck(lambda *_: r1_penalty(D, batch(2, 6, 6), None, None), D.parameters()[::2], order)
        assert report, report


@pytest.mark.parametrize("penalty", [gradient_penalty, r1_penalty])
class TestABatchNormInD:
    def test_is_refused_with_the_reason(self, penalty):
        D = Sequential(Linear(5, 3), BatchNorm1d(3), Linear(3, 1))
        with pytest.raises(ConfigError, match=r"depends on the whole batch.*BatchNorm1d in D"):
            penalty(D, batch(5), batch(5), rng())

    def test_is_no_matter_in_evaluation_mode(self, penalty):
        D = Sequential(Linear(5, 3), BatchNorm1d(3), Linear(3, 1)).astype(np.float64).eval()
        assert np.isfinite(penalty(D, batch(5), batch(5), rng()).item())


@pytest.mark.parametrize("name", ["wgan-gp", "r1"])
def test_the_game_refuses_a_batch_norm_before_the_first_step(name):
    from minigan.optim import SGD
    from minigan.train import minimax

    G, D = models.build("dcgan-bn", 3, (1, 8, 8), 0)
    before = [p.data.copy() for p in D.parameters()]
    game = minimax(G, D, OBJECTIVES[name], SGD(G.parameters(), 0.1), SGD(D.parameters(), 0.1),
                   [batch(1, 8, 8)], lambda m: batch(3), rng=rng())
    with pytest.raises(ConfigError, match="BatchNorm2d in D"):
        next(game)
    assert all(np.array_equal(b, p.data) for b, p in zip(before, D.parameters()))


class TestF9WeightClipping:
    def test_brings_every_parameter_into_the_bounds_and_leaves_the_others(self):
        D = dense_critic()
        before = [p.data.copy() for p in D.parameters()]
        clip_weights(D, 0.2)
        for p, b in zip(D.parameters(), before):
            assert_array_equal(p.data, np.clip(b, -0.2, 0.2))

    def test_is_done_by_wgan_after_each_step_of_d(self):
        D = dense_critic()
        OBJECTIVES["wgan"].after_d_step(D)
        assert max(np.abs(p.data).max() for p in D.parameters()) == 0.01

    def test_keeps_the_arrays_that_an_optimiser_holds(self):
        D = linear_critic()
        array = D.weight.data
        clip_weights(D, 0.01)
        assert D.weight.data is array


class TestOptionsOfAnObjective:
    def test_lam_is_the_weight_of_the_penalty(self):
        D = linear_critic()
        strong, usual = objective("wgan-gp", lam=20), objective("wgan-gp")
        assert_allclose(strong.penalty(D, batch(5), batch(5), rng()).item(),
                        2 * usual.penalty(D, batch(5), batch(5), rng()).item(), rtol=1e-12)

    def test_clip_is_the_bound_of_the_weights(self):
        D = dense_critic()
        objective("wgan", clip=0.1).after_d_step(D)
        assert max(np.abs(p.data).max() for p in D.parameters()) == 0.1

    @pytest.mark.parametrize("value", [0, -1, float("nan"), float("inf"), "10"])
    @pytest.mark.parametrize("name, option", [("wgan", "clip"), ("wgan-gp", "lam"), ("r1", "lam")])
    def test_must_be_positive(self, name, option, value):
        with pytest.raises(ConfigError, match=f"{option} is out of range"):
            objective(name, **{option: value})

    @pytest.mark.parametrize("name, option, users", [("bce", "clip", "wgan"), ("wgan", "lam", "wgan-gp, r1")])
    def test_that_are_not_used_are_refused(self, name, option, users):
        with pytest.raises(ConfigError, match=f"does not use {option}.*It is for {users}"):
            losses.objective(name, **{option: 1.0})
