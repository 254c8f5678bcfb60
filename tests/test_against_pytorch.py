"""Training beside PyTorch: from the same weights, data and noise, the same 20 steps, in float64."""

import numpy as np
import pytest
from numpy.testing import assert_allclose

from minigan.losses import OBJECTIVES
from minigan.models import build
from minigan.optim import Adam
from minigan.train import minimax

torch = pytest.importorskip("torch")

STEPS, M, LATENT, IMAGE = 20, 4, 100, (1, 28, 28)
ADAM = {"mlp": (1e-3, (0.9, 0.999)), "dcgan": (2e-4, (0.5, 0.999)), "dcgan-bn": (2e-4, (0.5, 0.999))}

nn, bce, mse = torch.nn, torch.nn.functional.binary_cross_entropy_with_logits, torch.nn.functional.mse_loss


def mlp():
    return (
        nn.Sequential(nn.Linear(100, 128), nn.LeakyReLU(0.2), nn.Linear(128, 256), nn.LeakyReLU(0.2),
                      nn.Linear(256, 512), nn.LeakyReLU(0.2), nn.Linear(512, 784), nn.Tanh(),
                      nn.Unflatten(1, (1, 28, 28))),
        nn.Sequential(nn.Flatten(), nn.Linear(784, 512), nn.LeakyReLU(0.2), nn.Linear(512, 256), nn.LeakyReLU(0.2),
                      nn.Linear(256, 128), nn.LeakyReLU(0.2), nn.Linear(128, 1)),
    )


def dcgan():
    return (
        nn.Sequential(nn.Linear(100, 6272), nn.LeakyReLU(0.2), nn.Unflatten(1, (128, 7, 7)),
                      nn.ConvTranspose2d(128, 64, 4, 2, 1), nn.LeakyReLU(0.2),
                      nn.ConvTranspose2d(64, 1, 4, 2, 1), nn.Tanh()),
        nn.Sequential(nn.Conv2d(1, 32, 4, 2, 1), nn.LeakyReLU(0.2), nn.Conv2d(32, 64, 4, 2, 1), nn.LeakyReLU(0.2),
                      nn.Flatten(), nn.Linear(3136, 1)),
    )


def dcgan_bn():
    return (
        nn.Sequential(nn.Linear(100, 6272), nn.Unflatten(1, (128, 7, 7)), nn.BatchNorm2d(128), nn.ReLU(),
                      nn.ConvTranspose2d(128, 64, 4, 2, 1), nn.BatchNorm2d(64), nn.ReLU(),
                      nn.ConvTranspose2d(64, 1, 4, 2, 1), nn.Tanh()),
        nn.Sequential(nn.Conv2d(1, 32, 4, 2, 1), nn.LeakyReLU(0.2), nn.Conv2d(32, 64, 4, 2, 1), nn.BatchNorm2d(64),
                      nn.LeakyReLU(0.2), nn.Flatten(), nn.Linear(3136, 1)),
    )


NETWORKS = {"mlp": mlp, "dcgan": dcgan, "dcgan-bn": dcgan_bn}


def is_real(a):
    return bce(a, torch.ones_like(a))


def is_generated(a):
    return bce(a, torch.zeros_like(a))


def is_near(a, label):
    return mse(a, torch.full_like(a, label)) / 2


LOSSES = {  # of D in the real and the generated scores, of G in the generated
    "bce": (lambda r, f: is_real(r) + is_generated(f), lambda f: -is_generated(f)),
    "non-saturating": (lambda r, f: is_real(r) + is_generated(f), is_real),
    "lsgan": (lambda r, f: is_near(r, 1.0) + is_near(f, 0.0), lambda f: is_near(f, 1.0)),
}


def data():
    """Real batches, and noise for D's step and for G's."""
    rng = np.random.default_rng(3)
    return np.tanh(rng.normal(0, 1, (STEPS, M, *IMAGE))), rng.standard_normal((2 * STEPS, M, LATENT))


def train_with_pytorch(model, objective, state_g, state_d):
    G, D = (network.double() for network in NETWORKS[model]())
    for network, state in ((G, state_g), (D, state_d)):
        network.load_state_dict({key: torch.tensor(array) for key, array in state.items()})
    lr, betas = ADAM[model]
    opt_g, opt_d = (torch.optim.Adam(network.parameters(), lr=lr, betas=betas) for network in (G, D))
    loss_of_d, loss_of_g = LOSSES[objective]
    batches, noise = map(torch.tensor, data())
    losses = []
    for i, x in enumerate(batches):
        opt_d.zero_grad()
        with torch.no_grad():
            x_fake = G(noise[2 * i])
        loss_d = loss_of_d(D(x), D(x_fake))
        loss_d.backward()
        opt_d.step()
        opt_g.zero_grad()
        loss_g = loss_of_g(D(G(noise[2 * i + 1])))
        loss_g.backward()
        opt_g.step()
        losses.append((loss_d.item(), loss_g.item()))
    return losses, [{key: value.numpy() for key, value in network.state_dict().items()} for network in (G, D)]


def train_with_minigan(model, objective):
    """The states at the start and at the end, and the losses of all steps."""
    G, D = (network.astype(np.float64) for network in build(model, LATENT, IMAGE, rng=0))
    start = G.state_dict(), D.state_dict()
    lr, betas = ADAM[model]
    batches, noise = data()
    noise = iter(noise)
    opt_g, opt_d = (Adam(network.parameters(), lr, betas) for network in (G, D))
    records = list(minimax(G, D, OBJECTIVES[objective], opt_g, opt_d, batches, lambda m: next(noise)))
    return start, [(r.loss_d, r.loss_g) for r in records], (G.state_dict(), D.state_dict())


GAMES = [(model, objective) for model in ("mlp", "dcgan") for objective in LOSSES] + [("dcgan-bn", "non-saturating")]

# A bias before a BatchNorm changes nothing but the mean that is taken off again: its gradient is 0, and Adam moves
# it by the rounding of that 0.
WITHOUT_EFFECT = {"dcgan-bn": ({"0.bias", "2.running_mean", "4.bias", "5.running_mean"}, {"2.bias", "3.running_mean"})}


@pytest.fixture(scope="module", autouse=True)
def one_thread():
    """These batches are too small to share among threads, which then wait for each other."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture(scope="module", params=GAMES, ids="-".join)
def both(request):
    start, *ours = train_with_minigan(*request.param)
    return request.param[0], start, ours, train_with_pytorch(*request.param, *start)


def test_the_losses_of_every_step_are_pytorchs(both):
    _, _, (losses, _), (theirs, _) = both
    assert_allclose(losses, theirs, rtol=1e-8)


def test_all_parameters_and_running_statistics_are_pytorchs_in_the_end(both):
    model, _, (_, states), (_, theirs) = both
    for ours, other, without_effect in zip(states, theirs, WITHOUT_EFFECT.get(model, (set(), set()))):
        for key in other.keys() - without_effect:
            assert_allclose(ours[key], other[key], rtol=1e-8, atol=1e-12, err_msg=key)
        for key in without_effect:
            assert_allclose(ours[key], other[key], rtol=1e-8, atol=1e-7, err_msg=key)


def test_every_weight_has_moved_far_beyond_the_tolerance(both):
    _, start, (_, states), _ = both
    for before, after in zip(start, states):
        for key, value in after.items():
            if key.endswith("weight"):
                assert np.abs(value - before[key]).max() > 1e-4
