r"""The cross-entropy losses, F2 to F7: the value of the game, its two halves, binary cross entropy.

$a$ is the score (logit) of D, $p = D(x) = \sigma(a)$ the probability that D gives to "x is real". Each of F2 to F6
exists twice, and the two are the same function:

* on probabilities, letter for letter as the document writes it: for reading, and for values of p in (0, 1);
* on scores, with the suffix `_with_logits`, by the identities

$$-\log \sigma(a) = \mathrm{softplus}(-a), \qquad -\log(1 - \sigma(a)) = \mathrm{softplus}(a)$$

which never take the logarithm of zero. Training uses these. E over a batch is the mean.
"""

import numpy as np

from ..backend import require_same_device
from ..errors import ShapeError
from ..functional import log, mean, softplus, where
from ..tensor import Tensor, as_tensor

__all__ = [
    "minimax_value", "minimax_value_with_logits",
    "saturating_generator", "saturating_generator_with_logits",
    "minimax_discriminator", "minimax_discriminator_with_logits",
    "non_saturating_generator", "non_saturating_generator_with_logits",
    "bce", "bce_with_logits", "total",
]


# --- F2: the value of the game ---


def minimax_value(p_real, p_fake):
    r"""The value of the game, which D maximises and G minimises (F2).

    $$V(D, G) = E_x[\log D(x)] + E_z[\log(1 - D(G(z)))]$$

    p_real, p_fake : (N, 1) probabilities D(x) and D(G(z))
    returns : () scalar; −ln 4 where D = ½ everywhere
    Source : document 000 §3.3, 001 §3.1 and §4.1; Goodfellow et al. 2014, equation 1.
    """
    return mean(log(as_tensor(p_real))) + mean(log(1 - as_tensor(p_fake)))


def minimax_value_with_logits(a_real, a_fake):
    r"""F2 on scores: $V = -E_x[\mathrm{softplus}(-a(x))] - E_z[\mathrm{softplus}(a(G(z)))]$.

    a_real, a_fake : (N, 1) scores;  returns : () scalar
    """
    return -mean(softplus(-as_tensor(a_real))) - mean(softplus(a_fake))


# --- F3: the generator's half of the game ---


def saturating_generator(p_fake):
    r"""Generator loss of the zero-sum game, the half of F2 that depends on G (F3).

    $$L_G = E_z[\log(1 - D(G(z)))]$$

    It saturates: where D is sure that samples are generated, D(G(z)) → 0, its gradient in the score vanishes.

    p_fake : (N, 1) probabilities D(G(z));  returns : () scalar; −ln 2 where D = ½
    Source : document 001 §3.1; Goodfellow et al. 2014, Algorithm 1.
    """
    return mean(log(1 - as_tensor(p_fake)))


def saturating_generator_with_logits(a_fake):
    r"""F3 on scores: $L_G = -E_z[\mathrm{softplus}(a)]$, with gradient $-\sigma(a)/N$, which → 0 as a → −∞.

    a_fake : (N, 1) scores;  returns : () scalar
    """
    return -mean(softplus(a_fake))


# --- F4: the discriminator's loss ---


def minimax_discriminator(p_real, p_fake):
    r"""Discriminator loss, the negative of the game's value (F4).

    $$L_D = -E_x[\log D(x)] - E_z[\log(1 - D(G(z)))]$$

    p_real, p_fake : (N, 1) probabilities;  returns : () scalar; ln 4 where D = ½ everywhere
    Source : document 001, Algorithm 1 (which forgets the mean, X18), 004 §3.3.2; Goodfellow et al. 2014, Algorithm 1.
    """
    return -mean(log(as_tensor(p_real))) - mean(log(1 - as_tensor(p_fake)))


def minimax_discriminator_with_logits(a_real, a_fake):
    r"""F4 on scores: $L_D = E_x[\mathrm{softplus}(-a(x))] + E_z[\mathrm{softplus}(a(G(z)))]$.

    a_real, a_fake : (N, 1) scores;  returns : () scalar
    """
    return mean(softplus(-as_tensor(a_real))) + mean(softplus(a_fake))


# --- F5: the generator's loss that does not saturate ---


def non_saturating_generator(p_fake):
    r"""Generator loss, non-saturating form (F5).

    $$L_G = -E_z[\log D(G(z))]$$

    Document 000 §3.3 has it with the opposite sign and minimises that, which drives D(G(z)) to 0 (X1).

    p_fake : (N, 1) probabilities D(G(z));  returns : () scalar; ln 2 where D = ½
    Source : document 001, Algorithm 1, 002 §4.3.1, 004 §3.3.1; Goodfellow et al. 2014, section 3.
    """
    return -mean(log(as_tensor(p_fake)))


def non_saturating_generator_with_logits(a_fake):
    r"""F5 on scores: $L_G = E_z[\mathrm{softplus}(-a)]$, with gradient $-(1 - \sigma(a))/N$, which → −1/N as a → −∞.

    a_fake : (N, 1) scores;  returns : () scalar
    """
    return mean(softplus(-as_tensor(a_fake)))


# --- F6: binary cross entropy ---


def bce(p, y):
    r"""Binary cross entropy (F6), with 0 · log 0 = 0.

    $$L = -\frac{1}{m} \sum_i [y_i \log p_i + (1 - y_i) \log(1 - p_i)]$$

    p : (N, 1) probabilities;  y : labels in [0, 1] of the same shape, or one number for all; constants
    returns : () scalar. Over m real and m generated samples it is half of F4.

    Raises ShapeError if p and y differ in shape: they would broadcast, and where labels
    differ to a wrong loss without an error (X14).
    Source : document 002 §4.3.1, 003 §2.4 (`BCELoss` in 000 and 001).
    """
    p = as_tensor(p)
    y = _labels(p, y)
    # Where the weight is 0 the logarithm is taken of 1 instead, so that value and gradient are 0 there at p = 0 too.
    return -mean(y * log(where(y == 0, 1.0, p)) + (1 - y) * log(where(y == 1, 1.0, 1 - p)))


def bce_with_logits(a, y):
    r"""F6 on scores: $L = \frac{1}{m} \sum_i [y_i\,\mathrm{softplus}(-a_i) + (1 - y_i)\,\mathrm{softplus}(a_i)]$.

    Its gradient is $\partial L/\partial a_i = (\sigma(a_i) - y_i)/m$.

    a : (N, 1) scores;  y : labels in [0, 1] of the same shape, or one number for all; constants
    returns : () scalar

    Raises ShapeError if a and y differ in shape (X14).
    Source : document 003 §4 (`BCEWithLogitsLoss`), 004 §4 (sigmoid cross entropy).
    """
    a = as_tensor(a)
    y = _labels(a, y)
    return mean(y * softplus(-a) + (1 - y) * softplus(a))


def _labels(scores, y):
    y = y.data if isinstance(y, Tensor) else y
    xp = scores.xp
    require_same_device("binary cross entropy", scores.data, y)
    if np.ndim(y) == 0:
        return xp.full(scores.shape, float(y), dtype=scores.dtype)
    y = xp.asarray(y, dtype=scores.dtype)
    if y.shape != scores.shape:
        raise ShapeError("labels and scores must have the same shape", where="binary cross entropy",
                         expected=scores.shape, got=y.shape,
                         fix="They would broadcast to a wrong loss; reshape the labels")
    return y


# --- F7: the figure that is reported ---


def total(loss_g, loss_d):
    r"""$L_{GAN} = L_G + L_D$ (F7): the `loss` column of the log. Nobody minimises it.

    Source : document 004 §3.3.3.
    """
    return loss_g + loss_d
