"""A step of minigan: the loop that users run, `train.minimax`."""

import statistics
from importlib.metadata import version
from itertools import repeat
from time import perf_counter
from unittest.mock import patch

import numpy as np
from cases import BETAS, LEARNING_RATE

from minigan.backend import to_device
from minigan.losses import OBJECTIVES
from minigan.optim import Adam
from minigan.train import minimax

VERSION = version("minigan")


def make(case, device, noise=None):
    """step() plays one step; step.losses() reads (L_D, L_G) back; step.networks are G and D."""
    rng = np.random.default_rng(2)
    G, D = (network.to(device) for network in case.networks())
    game = minimax(G, D, OBJECTIVES[case.objective], Adam(G.parameters(), LEARNING_RATE, BETAS),
                   Adam(D.parameters(), LEARNING_RATE, BETAS), repeat(to_device(case.batch_of_real(), device)),
                   noise or (lambda m: rng.standard_normal((m, case.latent), dtype=np.float32)), rng=rng)

    def step():
        step.record = next(game)

    step.losses = lambda: (step.record.loss_d, step.record.loss_g)
    step.networks = G, D
    return step


def wait(device):
    """Until the device has done all that it was given."""
    if device == "cuda":
        import cupy

        cupy.cuda.Device().synchronize()


# --- how much of a step is in matrix products ---


class Watched(np.ndarray):
    """An array that times the matrix products it is part of, and makes what is computed from it such an array."""

    seconds = operations = 0

    def __array_ufunc__(self, ufunc, method, *inputs, out=(), **options):
        plain = [x.view(np.ndarray) if isinstance(x, Watched) else x for x in (*inputs, *out)]
        inputs, options["out"] = plain[:len(inputs)], tuple(plain[len(inputs):]) or None
        start = perf_counter()
        y = getattr(ufunc, method)(*inputs, **options)
        if ufunc is np.matmul:
            Watched.seconds += perf_counter() - start
            Watched.operations += 2 * y.size * inputs[0].shape[-1]
        return out[0] if out else np.asarray(y).view(Watched)


def products(case, steps=15):
    """Seconds that a step spends in matrix products, and how many floating point operations these are."""
    step = make(case, "cpu")
    for network in step.networks:
        for p in network.parameters():
            p.data = p.data.view(Watched)
    makers = {name: getattr(np, name) for name in ("empty", "zeros")}
    watched = {name: lambda *args, make=make, **options: make(*args, **options).view(Watched)
               for name, make in makers.items()}
    seconds = []
    with patch.multiple(np, **watched):
        for _ in range(steps):
            Watched.seconds = Watched.operations = 0
            step()
            seconds.append(Watched.seconds)
    return statistics.median(seconds), Watched.operations
