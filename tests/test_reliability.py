"""What long runs need: training leaves nothing behind, with the garbage collector off."""

import gc
from dataclasses import dataclass

import numpy as np
import pytest

from minigan import Tensor, grad
from minigan import functional as F
from minigan.losses import OBJECTIVES, Objective
from minigan.models import build
from minigan.nn import (
    BatchNorm2d,
    Conv2d,
    ConvTranspose2d,
    Dropout,
    Flatten,
    LeakyReLU,
    Linear,
    ReLU,
    Sequential,
    Tanh,
    Unflatten,
)
from minigan.optim import Adam
from minigan.train import minimax


@dataclass(frozen=True)
class WithGradientPenalty(Objective):
    """A penalty that needs a second derivative: 10 · E[(‖∂D/∂x̂‖ − 1)²] between the real and the generated samples."""

    def penalty(self, D, x_real, x_fake, rng):
        eps = rng.random((len(x_real), 1, 1, 1))
        x_hat = Tensor(eps * x_real.data + (1 - eps) * x_fake.data)
        g = grad(D(x_hat).sum(), x_hat, create_graph=True)
        norm = F.sqrt(F.sum(g * g, (1, 2, 3)) + 1e-12)
        return 10 * F.mean((norm - 1) ** 2)


LSGAN = OBJECTIVES["lsgan"]
PENALISED = WithGradientPenalty("penalised", "", LSGAN.discriminator, LSGAN.generator, LSGAN.opinion)


@pytest.fixture
def no_collector():
    gc.disable()
    yield
    gc.enable()


def live_tensors():
    return sum(issubclass(type(x), Tensor) for x in gc.get_objects())


def dense(rng):
    """A G and a D as small as they can be, of 4×4 images."""
    return (
        Sequential(Linear(4, 8, rng=rng), LeakyReLU(), Linear(8, 16, rng=rng), Tanh(), Unflatten(1, 4, 4)),
        Sequential(Flatten(), Linear(16, 8, rng=rng), LeakyReLU(), Linear(8, 1, rng=rng)),
    )


def convolutional(rng):
    """Convolutions of a few channels, of 4×4 images."""
    return (
        Sequential(Linear(4, 16, rng=rng), Unflatten(4, 2, 2), ReLU(), ConvTranspose2d(4, 1, 4, 2, 1, rng=rng), Tanh()),
        Sequential(Conv2d(1, 4, 4, 2, 1, rng=rng), LeakyReLU(), Flatten(), Linear(16, 1, rng=rng)),
    )


def with_batch_norm(rng):
    """The same with BatchNorm, and Dropout in D."""
    return (
        Sequential(Linear(4, 16, rng=rng), Unflatten(4, 2, 2), BatchNorm2d(4), ReLU(),
                   ConvTranspose2d(4, 1, 4, 2, 1, rng=rng), Tanh()),
        Sequential(Conv2d(1, 4, 4, 2, 1, rng=rng), BatchNorm2d(4), LeakyReLU(), Dropout(0.3, rng), Flatten(),
                   Linear(16, 1, rng=rng)),
    )


def game(networks, objective, image_shape=(1, 4, 4), n_d=1):
    """An endless game."""
    rng = np.random.default_rng(0)
    G, D = networks(rng)

    def batches():
        while True:
            yield np.tanh(rng.standard_normal((2, *image_shape)))

    return minimax(G, D, objective, Adam(G.parameters()), Adam(D.parameters()), batches(),
                   lambda m: rng.standard_normal((m, 4)), n_d, rng)


def game_of(model, objective):
    return game(lambda rng: build(model, 4, (1, 8, 8), rng), objective, (1, 8, 8))


SMALL = {
    "dense": lambda: game(dense, OBJECTIVES["non-saturating"]),
    "dense with n_d 3": lambda: game(dense, OBJECTIVES["bce"], n_d=3),
    "dense with a gradient penalty": lambda: game(dense, PENALISED),
    "convolutional": lambda: game(convolutional, OBJECTIVES["lsgan"]),
    "convolutional with a gradient penalty": lambda: game(convolutional, PENALISED),
    "with BatchNorm and Dropout": lambda: game(with_batch_norm, OBJECTIVES["non-saturating"]),
}
DOCUMENTS = {
    "mlp": lambda: game_of("mlp", OBJECTIVES["non-saturating"]),
    "dcgan-bn": lambda: game_of("dcgan-bn", OBJECTIVES["non-saturating"]),
    "mlp with a gradient penalty": lambda: game_of("mlp", PENALISED),
    "dcgan with a gradient penalty": lambda: game_of("dcgan", PENALISED),
}
every_small_game = pytest.mark.parametrize("start", SMALL.values(), ids=SMALL)
every_game = pytest.mark.parametrize("start", (SMALL | DOCUMENTS).values(), ids=SMALL | DOCUMENTS)


def assert_as_many_live_tensors_as_after_10(training, steps):
    for step in range(1, steps + 1):
        record = next(training)
        if step == 10:
            after_10 = live_tensors()
    assert np.isfinite(record.loss)
    assert live_tensors() == after_10


@every_small_game
def test_300_steps_leave_as_many_live_tensors_as_10(no_collector, start):
    assert_as_many_live_tensors_as_after_10(start(), 300)


@pytest.mark.parametrize("start", DOCUMENTS.values(), ids=DOCUMENTS)
def test_15_steps_of_the_documents_networks_leave_as_many_live_tensors_as_10(no_collector, start):
    assert_as_many_live_tensors_as_after_10(start(), 15)


@pytest.mark.slow
@every_game
def test_1000_steps_leave_as_many_live_tensors_as_10(no_collector, start):
    assert_as_many_live_tensors_as_after_10(start(), 1000)


@every_small_game
def test_the_end_of_a_game_leaves_no_tensor_at_all(no_collector, start):
    before = live_tensors()
    training = start()
    for _ in range(3):
        next(training)
    training.close()
    del training
    assert live_tensors() == before


@every_small_game
def test_a_kept_record_keeps_no_tensor_alive(no_collector, start):
    before = live_tensors()
    training = start()
    records = [next(training) for _ in range(3)]
    training.close()
    del training
    assert live_tensors() == before
    assert records[0].step == 1


def test_a_tensor_that_is_kept_is_counted(no_collector):
    """The count is no constant: these tests can fail."""
    before = live_tensors()
    kept = [Tensor(0.0), F.tanh(Tensor(0.0))]
    assert live_tensors() == before + 3
    assert len(kept) == 2
