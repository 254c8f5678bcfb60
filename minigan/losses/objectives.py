"""Objectives: what the losses make of the game, in the form that training is given."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from math import log as ln
from numbers import Real

from ..errors import ConfigError
from ..functional import sigmoid
from ..tensor import as_tensor
from .cross_entropy import (
    minimax_discriminator_with_logits,
    non_saturating_generator_with_logits,
    saturating_generator_with_logits,
)
from .on_scores import (
    hinge_discriminator,
    hinge_generator,
    least_squares_discriminator,
    least_squares_generator,
    wasserstein_discriminator,
    wasserstein_generator,
)
from .penalties import clip_weights, gradient_penalty, r1_penalty, refuse_mixing

__all__ = ["Objective", "ClippedObjective", "PenalisedObjective", "OBJECTIVES", "objective"]


@dataclass(frozen=True)
class Objective:
    """What D and G minimise, in the form that `train.minimax` calls.

    name          : its name in `OBJECTIVES`
    formula       : the numbers of its formulas
    discriminator : (a_real, a_fake) → the loss of D, on scores
    generator     : (a_fake) → the loss of G, on scores
    opinion       : a → what the log shows as `d_real` and `d_fake`: σ(a) where D is a probability, else a
    threshold     : the score above which D says "real"; None for a Wasserstein critic, which only ranks
    equilibrium   : the losses (L_D, L_G) where D cannot tell real from generated; None where they say nothing
    """

    name: str
    formula: str
    discriminator: Callable
    generator: Callable
    opinion: Callable
    threshold: float | None = None
    equilibrium: tuple | None = None

    def check(self, where, D):
        """Raise ConfigError for a D that the game cannot be played with; any D will do by default."""

    def penalty(self, D, x_real, x_fake, rng, *y):
        """A term added to D's loss; none by default. y are the labels, in a conditional game."""
        return 0.0

    def after_d_step(self, D):
        """Called after each step of D, for objectives that constrain its weights; nothing by default."""


@dataclass(frozen=True)
class ClippedObjective(Objective):
    """An objective with weight clipping: θ_D in [−clip, clip]."""

    clip: float = 0.01

    def after_d_step(self, D):
        """Clip D's weights."""
        clip_weights(D, self.clip)


@dataclass(frozen=True)
class PenalisedObjective(Objective):
    """An objective with a penalty on D's gradient in x, of weight `lam`: `gradient_penalty` or `r1_penalty`."""

    term: Callable = gradient_penalty
    lam: float = 10.0

    def check(self, where, D):
        """Refuse a D with BatchNorm."""
        refuse_mixing(where, D)

    def penalty(self, D, x_real, x_fake, rng, *y):
        """The penalty on D's gradient."""
        return self.term(D, x_real, x_fake, rng, *y, lam=self.lam)


_CROSS_ENTROPY = {"discriminator": minimax_discriminator_with_logits, "opinion": sigmoid, "threshold": 0.0}
_NON_SATURATING = {**_CROSS_ENTROPY, "generator": non_saturating_generator_with_logits, "equilibrium": (ln(4), ln(2))}
_WASSERSTEIN = {"discriminator": wasserstein_discriminator, "generator": wasserstein_generator, "opinion": as_tensor}

OBJECTIVES = {chosen.name: chosen for chosen in (
    Objective("bce", "F3, F4", **_CROSS_ENTROPY, generator=saturating_generator_with_logits,
              equilibrium=(ln(4), -ln(2))),
    Objective("non-saturating", "F4, F5", **_NON_SATURATING),
    Objective("lsgan", "F10", least_squares_discriminator, least_squares_generator, as_tensor, threshold=0.5,
              equilibrium=(1 / 4, 1 / 8)),
    ClippedObjective("wgan", "F9", **_WASSERSTEIN),
    PenalisedObjective("wgan-gp", "F9", **_WASSERSTEIN, term=gradient_penalty),
    Objective("hinge", "Miyato et al. 2018", hinge_discriminator, hinge_generator, as_tensor, threshold=0.0,
              equilibrium=(2.0, 0.0)),
    PenalisedObjective("r1", "F4, F5; Mescheder et al. 2018", **_NON_SATURATING, term=r1_penalty),
)}
"""The objectives by name: what `train.minimax` and `--objective` take. "saturating" is another name of "bce"."""
OBJECTIVES["saturating"] = OBJECTIVES["bce"]


def objective(name, **options):
    """The objective of that name; `lam=…` sets the weight of its penalty, `clip=…` the bound on D's weights.

    Raises ConfigError that lists the valid names, or for an option that the objective does not have or that is ≤ 0. An
    option that is None is left as it is.
    """
    if name not in OBJECTIVES:
        raise ConfigError("unknown objective", expected=", ".join(OBJECTIVES), got=repr(name))
    options = {option: value for option, value in options.items() if value is not None}
    for option, value in options.items():
        if not hasattr(OBJECTIVES[name], option):
            users = ", ".join(chosen.name for chosen in OBJECTIVES.values() if hasattr(chosen, option))
            raise ConfigError(f"the objective does not use {option}", where=f"objective '{name}'",
                              got=f"{option} {value}", fix=f"It is for {users}")
        if not (isinstance(value, Real) and 0 < value < float("inf")):
            raise ConfigError(f"{option} is out of range", where=f"objective '{name}'", expected="a number > 0",
                              got=value)
    return replace(OBJECTIVES[name], **options) if options else OBJECTIVES[name]
