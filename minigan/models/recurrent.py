"""N7: recurrent networks, for sequences."""

import numpy as np

from ..functional import broadcast_to, mean, tanh
from ..nn import GRU, Linear, Module
from ..tensor import as_tensor
from .parts import require_whole

__all__ = ["recurrent_generator", "recurrent_discriminator"]


class _Generator(Module):
    def __init__(self, latent_dim, sequence_shape, width, rng):
        self.length, channels = sequence_shape
        self.start = Linear(latent_dim, width, rng=rng)
        self.gru = GRU(latent_dim, width, rng=rng)
        self.out = Linear(width, channels, rng=rng)

    def forward(self, z):
        """(N, latent_dim) → (N, L, C)"""
        z = as_tensor(z)
        N, K = z.shape
        at_every_step = broadcast_to(z.reshape(N, 1, K), (N, self.length, K))
        return self.out(self.gru(at_every_step, tanh(self.start(z))))  # (N, L, width) -> (N, L, C)


class _Discriminator(Module):
    def __init__(self, sequence_shape, width, rng):
        self.gru = GRU(sequence_shape[1], width, rng=rng)
        self.out = Linear(width, 1, rng=rng)

    def forward(self, x):
        """(N, L, C) → (N, 1)"""
        return mean(self.out(self.gru(x)), axis=1)  # (N, L, 1) -> (N, 1)


def recurrent_generator(latent_dim=8, sequence_shape=(24, 1), rng=None, width=32):
    r"""N7, the recurrent G: a GRU that is told the whole latent vector at its start and again at every step.

    $$h_0 = \tanh(A z + b), \quad h_t = \mathrm{GRU}(z, h_{t-1}), \quad x_t = B h_t + c$$

    One z stands for one sequence, as document 002 §4.1 has it. It is the first state, so that sequences differ from
    the first step on (a wave's phase), and the input of every step, so that the state need not carry along what holds
    for the whole of one (its frequency). With the first alone G learned the `sines` much worse, with the second alone
    their phases stayed alike. Noise that differs from step to step is not in one z: curves come out smooth.
    The output is linear: samples may have any size.

    (N, latent_dim) → (N, L, C);  width : units of the state.  PyTorch's initial weights
    Source : document 002 §4.1. Esteban et al. 2017, section 3, give the GRU fresh noise at every step instead.
    """
    require_whole("gru", width=width)
    return _Generator(latent_dim, sequence_shape, width, np.random.default_rng(rng))


def recurrent_discriminator(sequence_shape=(24, 1), rng=None, width=32):
    r"""N7, the recurrent D: a GRU reads the sequence, every state gives a score, and D's is their mean.

    $$h_t = \mathrm{GRU}(x_t, h_{t-1}), \quad a = \frac{1}{L} \sum_t (w^\top h_t + c)$$

    The mean of all, not the score of the last state alone: so every step is near to the loss, and G learns sooner.

    (N, L, C) → (N, 1);  width : units of the state.  PyTorch's initial weights
    Source : document 002 §4.2. Esteban et al. 2017, section 3, take the mean of the steps' losses, not of their scores.
    """
    require_whole("gru", width=width)
    return _Discriminator(sequence_shape, width, np.random.default_rng(rng))
