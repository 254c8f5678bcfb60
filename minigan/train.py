"""Algorithm 1: the minimax game, as a Python generator that yields after every step of G."""

from functools import wraps
from math import isfinite

import numpy as np

from .backend import enough_memory, get_array_module, to_device
from .errors import ConfigError, DivergenceError
from .functional import mean
from .losses import total
from .tensor import Tensor, grad, no_grad

__all__ = ["StepRecord", "minimax"]


class StepRecord:
    """What one pass of the loop measured.

    step           : counts generator steps, from 1
    loss_d, loss_g : the loss of D in its last step, and of G;  loss : their sum (F7)
    d_real, d_fake : what D thinks of the real and the generated batch in its last step: the mean of σ(a) for
                     the objectives on probabilities (F2 to F6), of the score a for the others
    grad_norm_d, grad_norm_g : the Euclidean norm of the whole gradient ∇L in D's last step, and in G's

    Each is a Python float, read back from the device only when it is asked for.
    """

    __slots__ = ("_scalars", "step")
    FIELDS = ("loss_d", "loss_g", "loss", "d_real", "d_fake", "grad_norm_d", "grad_norm_g")

    def __init__(self, step, *scalars):
        self.step = step
        self._scalars = dict(zip(self.FIELDS, scalars))

    def __getattr__(self, name):
        if name == "_scalars" or name not in self._scalars:
            raise AttributeError(name)
        return float(self._scalars[name])

    def as_dict(self):
        """All of it, as a dict of numbers: step, and the others in the order above."""
        return {"step": self.step} | {name: getattr(self, name) for name in self._scalars}

    def require_finite(self):
        """All of it, as `as_dict`. Raises DivergenceError, which names them, for numbers that are NaN or infinite."""
        numbers = self.as_dict()
        if lost := [f"{name} {value:g}" for name, value in numbers.items() if not isfinite(value)]:
            raise DivergenceError("the game has diverged", where=f"step {self.step}", expected="finite numbers",
                                  got=", ".join(lost), fix="What was saved before is kept. Try a lower learning "
                                                           "rate, or another objective")
        return numbers

    def __repr__(self):
        return f"StepRecord({', '.join(f'{k}={v:.6g}' for k, v in self.as_dict().items())})"


def _saying_when_memory_is_full(play):
    @wraps(play)
    def steps(*args, **kwargs):
        with enough_memory("minimax"):
            yield from play(*args, **kwargs)

    return steps


@_saying_when_memory_is_full
def minimax(G, D, objective, opt_g, opt_d, batches, noise, n_d=1, rng=None):
    r"""Play the game $\min_G \max_D$ (F14): an iterator, of which each item is `n_d` steps of D and then one of G.

        for record in minimax(G, D, OBJECTIVES["non-saturating"], opt_g, opt_d, batches, noise):
            print(record.step, record.loss_d)

    G, D         : the networks; D gives scores (m, 1)
    objective    : an entry of `losses.OBJECTIVES`
    opt_g, opt_d : optimisers of G's and of D's parameters
    batches      : an iterator of real batches x (m, …); the game ends when it does. In a conditional game, of pairs
                   (x, y) with labels y (m,); the networks are then called as G(z, y) and D(x, y)
    noise        : m → (m, latent_dim), fresh latent vectors
    n_d          : steps of D for each step of G
    rng          : for objectives whose penalty draws random numbers: a NumPy generator, a seed, or None
    yields       : a `StepRecord`
    raises       : ConfigError for n_d < 1, when the first item is asked for; OutOfMemoryError

    D's steps never touch G's parameters, nor G's step D's: each gradient is taken for one network's θ alone.
    (BatchNorm's running statistics are no parameters: every forward pass in training mode moves them, as in PyTorch.)

    Source : document 001 §3.2, Algorithm 1; Goodfellow et al. 2014, Algorithm 1.
    """
    if not isinstance(n_d, (int, np.integer)) or n_d < 1:
        raise ConfigError("D needs at least one step for each step of G", where="minimax", expected="an int n_d ≥ 1",
                          got=repr(n_d))
    theta_g, theta_d, rng = G.parameters(), D.parameters(), np.random.default_rng(rng)
    batches, step = iter(batches), 0
    while True:                                                             # repeat
        for _ in range(n_d):                                                #   for i = 1 to n_d do
            batch = next(batches, None)
            if batch is None:
                return
            x, *y = batch if isinstance(batch, tuple) else (batch,)         #     y: labels, in a conditional game
            x, y = _like(theta_d[0], x), [to_device(labels, theta_d[0].device) for labels in y]
            z = _like(theta_g[0], noise(len(x)))                            #     x ~ p_data, z ~ p_z
            with no_grad():
                x_fake = G(z, *y)                                           #     G is held fixed
            a_real, a_fake = D(x, *y), D(x_fake, *y)
            loss_d = objective.discriminator(a_real, a_fake) + objective.penalty(D, x, x_fake, rng, *y)
            grad_d = grad(loss_d, theta_d)
            opt_d.step(grad_d)                                              #     θ_D ← θ_D − α ∇L_D
            objective.after_d_step(D)
        z = _like(theta_g[0], noise(len(x)))                                #   z ~ p_z, fresh
        loss_g = objective.generator(D(G(z, *y), *y))
        grad_g = grad(loss_g, theta_g)
        opt_g.step(grad_g)                                                  #   θ_G ← θ_G − α ∇L_G
        step += 1
        with no_grad():
            d_real, d_fake = mean(objective.opinion(a_real)), mean(objective.opinion(a_fake))
            losses = loss_d, loss_g, total(loss_g, loss_d)
        yield StepRecord(step, *(value.data for value in (*losses, d_real, d_fake)), _norm(grad_d), _norm(grad_g))


def _norm(gradients):
    """√Σ g² over all elements of all gradients; on the GPU without waiting for it."""
    xp = get_array_module(gradients[0].data)
    return xp.sqrt(sum(xp.vdot(g.data, g.data) for g in gradients))


def _like(theta, x):
    """The batch x as a leaf with θ's type, where θ lives."""
    x = x.data if isinstance(x, Tensor) else x
    return Tensor(to_device(x, theta.device).astype(theta.dtype, copy=False))
