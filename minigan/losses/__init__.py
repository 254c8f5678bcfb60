r"""The documents' losses, by number, and the objectives that training builds from them.

`cross_entropy` has F2 to F7, `on_scores` F9, F10 and the hinge, `regularisers` F12 and F13, `penalties` what keeps D
smooth (the gradient penalty of F9, R1, weight clipping), and `objectives` what `train.minimax` is given.
"""

from .cross_entropy import (
    bce,
    bce_with_logits,
    minimax_discriminator,
    minimax_discriminator_with_logits,
    minimax_value,
    minimax_value_with_logits,
    non_saturating_generator,
    non_saturating_generator_with_logits,
    saturating_generator,
    saturating_generator_with_logits,
    total,
)
from .objectives import OBJECTIVES, ClippedObjective, Objective, PenalisedObjective, objective
from .on_scores import (
    hinge_discriminator,
    hinge_generator,
    least_squares_discriminator,
    least_squares_generator,
    wasserstein_discriminator,
    wasserstein_generator,
    wasserstein_value,
)
from .penalties import clip_weights, gradient_penalty, r1_penalty
from .regularisers import euclidean, wasserstein_regularised

__all__ = [
    "minimax_value", "minimax_value_with_logits",
    "saturating_generator", "saturating_generator_with_logits",
    "minimax_discriminator", "minimax_discriminator_with_logits",
    "non_saturating_generator", "non_saturating_generator_with_logits",
    "bce", "bce_with_logits", "total",
    "wasserstein_value", "wasserstein_discriminator", "wasserstein_generator",
    "least_squares_discriminator", "least_squares_generator",
    "hinge_discriminator", "hinge_generator",
    "euclidean", "wasserstein_regularised",
    "gradient_penalty", "r1_penalty", "clip_weights",
    "Objective", "ClippedObjective", "PenalisedObjective", "OBJECTIVES", "objective",
    "cross_entropy", "on_scores", "regularisers", "penalties", "objectives",
]
