r"""Games so small that every step can be checked by hand (F8).

**One number against one number.** G(z) = θz, with the noise z = 1, is the number θ; D(x) = ψx is a slope.

* `BILINEAR` is the game $V = \theta\psi$: θ minimises it, ψ maximises it, and (0, 0) is its Nash equilibrium.
* The Dirac-GAN: the real data is the number 0, the objective one of `losses.OBJECTIVES`. Near (0, 0) it is the bilinear
  game turning the other way round, with α/2 in the place of α for F2 to F6: σ(0) = ½. Where that has modulus 1, what is
  left decides: the zero-sum game goes on turning, the non-saturating one comes in as 1/√t.

One pass of gradient descent with step α takes (θ, ψ) to M (θ, ψ):

| who moves | M | its eigenvalues |
|---|---|---|
| both at once, `simultaneous` | [[1, −α], [α, 1]] | 1 ± iα, of modulus √(1 + α²): it spirals out |
| D, then G, `train.minimax` | [[1 − α², −α], [α, 1]] | 1 − α²/2 ± iα√(1 − α²/4), of modulus 1 for α ≤ 2 |

The second keeps $\theta^2 + \alpha\theta\psi + \psi^2$, whatever α is. For α < 2 that is an ellipse, and a pass turns
by the angle φ with 2 sin(φ/2) = α: six passes make a whole turn for α = 1. For α = 2 the
players drift away evenly, and for α > 2 they leave along a hyperbola.

**Two Gaussians.** `gaussian` is a generator of one; between two, the best D is known (`best_discriminator`).

Source : document 001 §4.1; Goodfellow et al. 2014, section 4; the Dirac-GAN is Mescheder, Geiger and Nowozin 2018,
"Which Training Methods for GANs do actually Converge?", section 2.
"""

from itertools import islice, repeat
from math import log

import numpy as np

from .errors import ConfigError
from .functional import mean
from .losses import Objective
from .nn import Linear, Module, Parameter
from .optim import SGD
from .tensor import as_tensor, grad
from .train import minimax

__all__ = ["BILINEAR", "Line", "Parabola", "best_discriminator", "gaussian", "linear_map", "orbit", "simultaneous"]

BILINEAR = Objective(name="bilinear", formula="F8", discriminator=lambda a_real, a_fake: -mean(a_fake), generator=mean,
                     opinion=as_tensor)
r"""The bilinear game, $V = \theta\psi$: D maximises the mean of its score on G's samples, G minimises it (F8)."""


class Line(Module):
    """x ↦ slope · x + offset, in float64: one parameter, the slope; the offset is a constant. (N, 1) → (N, 1)"""

    def __init__(self, slope, offset=0.0):
        self.slope, self.offset = Parameter(np.array(slope, dtype=np.float64)), offset

    def forward(self, x):
        """(N, 1) → (N, 1)"""
        return self.slope * x + self.offset


class Parabola(Module):
    """x ↦ c₀ + c₁x + c₂x², in float64, with one parameter, c of shape (3,). (N, 1) → (N, 1)"""

    def __init__(self, c):
        self.c = Parameter(np.array(c, dtype=np.float64))

    def forward(self, x):
        """(N, 1) → (N, 1)"""
        return self.c[0] + self.c[1] * x + self.c[2] * (x * x)


def gaussian(mu, std):
    """The generator G(z) = std · z + mu, in float64: N(mu, std²) for noise z ~ N(0, 1). (N, 1) → (N, 1)"""
    G = Linear(1, 1)
    G.load_state_dict({"weight": np.array([[std]], dtype=np.float64), "bias": np.array([mu], dtype=np.float64)})
    return G


def best_discriminator(p, q):
    r"""D* for real data $p = N(\mu_p, \sigma_p^2)$ and generated data q, each as (mean, std): a `Parabola`.

    $$D^* = \frac{p}{p + q} = \sigma(a^*), \quad
      a^*(x) = \log \frac{p(x)}{q(x)} = \log \frac{\sigma_q}{\sigma_p} + \frac{(x - \mu_q)^2}{2 \sigma_q^2}
      - \frac{(x - \mu_p)^2}{2 \sigma_p^2}$$

    Raises ConfigError unless both standard deviations are above 0.
    Source : Goodfellow et al. 2014, proposition 1.
    """
    (mu_p, std_p), (mu_q, std_q) = p, q
    if not (std_p > 0 and std_q > 0):
        raise ConfigError("a standard deviation is above 0", where="best_discriminator", got=f"{std_p} and {std_q}")
    w_p, w_q = std_p**-2, std_q**-2
    return Parabola([log(std_q / std_p) + (w_q * mu_q**2 - w_p * mu_p**2) / 2,
                     w_p * mu_p - w_q * mu_q,
                     (w_q - w_p) / 2])


def simultaneous(G, D, objective, opt_g, opt_d, batches, noise, rng=None):
    """The game in which both move at once, each against the other's old parameters. Algorithm 1 lets D move first.

    The arguments are those of `train.minimax`; batches and noise have the networks' float type.
    yields : (loss_d, loss_g), Python floats, before the move
    """
    for x in batches:
        x, z = as_tensor(x), as_tensor(noise(len(x)))
        x_fake = G(z)
        loss_d = objective.discriminator(D(x), D(x_fake)) + objective.penalty(D, x, x_fake.detach(), rng)
        loss_g = objective.generator(D(x_fake))
        g_d, g_g = grad(loss_d, D.parameters()), grad(loss_g, G.parameters())
        opt_d.step(g_d)
        opt_g.step(g_g)
        objective.after_d_step(D)
        yield float(loss_d), float(loss_g)


def orbit(objective, start, lr, steps=1, game=minimax, offset=0.0, noise=lambda m: np.ones((m, 1)), **options):
    """The path of (θ, ψ) in the game of G(z) = θz against D(x) = ψx + offset, where the real data is the number 0.

    objective : `BILINEAR`, or one of `losses.OBJECTIVES` for the Dirac-GAN
    start, lr : (θ, ψ) at first;  the step α of gradient descent, the same for both
    game      : `train.minimax` or `simultaneous`, which get the `options`
    returns   : (steps + 1, 2), of which the first row is `start`
    """
    G, D = Line(start[0]), Line(start[1], offset)
    passes = game(G, D, objective, SGD(G.parameters(), lr), SGD(D.parameters(), lr), repeat(np.zeros((1, 1))), noise,
                  **options)
    return np.array([start] + [(G.slope.item(), D.slope.item()) for _ in islice(passes, steps)], dtype=np.float64)


def linear_map(objective, lr, h=2.0**-30, **options):
    """The derivative of one pass of `orbit` at (0, 0), where the players rest: h · (1, 0) and h · (0, 1) are played.

    The quotient loses no digits, because (0, 0) stays where it is, and a curved game adds no more than O(h²) = 1e-18.
    returns : (2, 2), whose columns are where the two went, over h
    """
    return np.column_stack([orbit(objective, h * e, lr, **options)[1] / h for e in np.eye(2)])
