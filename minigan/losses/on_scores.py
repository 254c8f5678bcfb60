r"""Losses on scores that are no logits, a = D(x) without a sigmoid: Wasserstein (F9), least squares (F10), hinge."""

from ..functional import mean, relu
from ..tensor import as_tensor

__all__ = [
    "wasserstein_value", "wasserstein_discriminator", "wasserstein_generator",
    "least_squares_discriminator", "least_squares_generator",
    "hinge_discriminator", "hinge_generator",
]


# --- F9: Wasserstein ---


def wasserstein_value(a_real, a_fake):
    r"""The value of the Wasserstein game, which D maximises and G minimises (F9).

    $$V(D, G) = E_x[D(x)] - E_z[D(G(z))], \quad D(x) = a, \quad D\ \text{1-Lipschitz}$$

    Its maximum over all 1-Lipschitz D is the distance W(p_data, p_G) of F11. Nothing here makes D 1-Lipschitz: the
    objective `wgan` clips D's weights, which bounds the constant without making it 1; `wgan-gp` adds a penalty.

    a_real, a_fake : (N, 1) scores, no sigmoid;  returns : () scalar, any real number
    Source : document 001 §4.2; Arjovsky et al. 2017, equations 2 and 3.
    """
    return mean(as_tensor(a_real)) - mean(as_tensor(a_fake))


def wasserstein_discriminator(a_real, a_fake):
    r"""The critic's loss, the negative of F9's value: $L_D = E_z[D(G(z))] - E_x[D(x)]$.

    a_real, a_fake : (N, 1) scores;  returns : () scalar; −L_D estimates the distance, up to D's Lipschitz constant
    Source : document 001 §4.2; Arjovsky et al. 2017, Algorithm 1.
    """
    return mean(as_tensor(a_fake)) - mean(as_tensor(a_real))


def wasserstein_generator(a_fake):
    r"""The generator's half of F9: $L_G = -E_z[D(G(z))]$.

    a_fake : (N, 1) scores;  returns : () scalar. Its gradient in a score is −1/N, whatever D thinks: nothing saturates.
    Source : document 001 §4.2; Arjovsky et al. 2017, Algorithm 1.
    """
    return -mean(as_tensor(a_fake))


# --- F10: least squares ---


def least_squares_discriminator(a_real, a_fake):
    r"""LSGAN's discriminator loss, on scores, no sigmoid (F10).

    $$V_D = \tfrac12 E_x[(D(x) - 1)^2] + \tfrac12 E_z[D(G(z))^2], \quad D(x) = a$$

    a_real, a_fake : (N, 1) scores;  returns : () scalar; ¼ where D = ½
    Source : document 001 §4.3; Mao et al. 2017, equation 9 with a = 0, b = c = 1.
    """
    a_real, a_fake = as_tensor(a_real), as_tensor(a_fake)
    return 0.5 * mean((a_real - 1) ** 2) + 0.5 * mean(a_fake**2)


def least_squares_generator(a_fake):
    r"""LSGAN's generator loss, on scores (F10): $V_G = \tfrac12 E_z[(D(G(z)) - 1)^2]$.

    a_fake : (N, 1) scores;  returns : () scalar; ⅛ where D = ½
    Source : document 001 §4.3; Mao et al. 2017, equation 9.
    """
    return 0.5 * mean((as_tensor(a_fake) - 1) ** 2)


# --- hinge: not in the documents, but what people reach for next ---


def hinge_discriminator(a_real, a_fake):
    r"""The hinge loss of D: $L_D = E_x[\max(0, 1 - a(x))] + E_z[\max(0, 1 + a(G(z)))]$.

    a_real, a_fake : (N, 1) scores;  returns : () scalar; 2 where a = 0 everywhere
    Source : Lim and Ye 2017; Miyato et al. 2018, equation 16.
    """
    return mean(relu(1 - as_tensor(a_real))) + mean(relu(1 + as_tensor(a_fake)))


def hinge_generator(a_fake):
    r"""The generator's loss beside the hinge: $L_G = -E_z[a(G(z))]$.

    a_fake : (N, 1) scores;  returns : () scalar
    Source : Miyato et al. 2018, equation 17.
    """
    return -mean(as_tensor(a_fake))
