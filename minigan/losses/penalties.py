r"""What keeps a discriminator smooth: the gradient penalty and R1, which differentiate twice, and weight clipping.

A penalty is a term of D's loss that contains D's gradient in x. `grad(…, create_graph=True)` makes that gradient a part
of the graph, and the optimiser's `grad` then differentiates through it: double backpropagation.
"""

import numpy as np

from ..backend import to_device
from ..errors import ConfigError, ShapeError
from ..functional import mean, norm, sum
from ..tensor import Tensor, grad

__all__ = ["gradient_penalty", "r1_penalty", "clip_weights", "refuse_mixing"]


def gradient_penalty(D, x_real, x_fake, rng, *y, lam=10.0):
    r"""The gradient penalty of WGAN-GP (F9).

    $$\lambda\, E_{\hat x}[(\lVert \nabla_{\hat x} D(\hat x) \rVert_2 - 1)^2], \qquad
      \hat x = \varepsilon x + (1 - \varepsilon)\, G(z), \quad \varepsilon \sim U(0, 1)$$

    D(x̂) is the score a. One ε for each sample; the norm runs over all axes of a sample. Where the gradient is zero its
    norm has a kink, and the derivative taken there is 0. For a linear critic D(x) = ⟨w, x⟩ the penalty's gradient in w
    is 2λ(‖w‖ − 1) w/‖w‖.

    x_real, x_fake : (m, …) tensors or arrays of equal shape, constants
    rng            : where ε comes from: a NumPy generator, a seed, or None
    y              : labels, for a conditional D;  lam : λ ≥ 0
    returns        : () scalar that depends on D's parameters
    raises         : ConfigError for a D that mixes samples, see `refuse_mixing`; ShapeError for unequal shapes
    Source : document 001 §4.2; Gulrajani et al. 2017, equation 3 and Algorithm 1.
    """
    refuse_mixing("gradient_penalty", D)
    x_real, x_fake = _data(x_real), _data(x_fake)
    if x_real.shape != x_fake.shape:
        raise ShapeError("real and generated samples must have the same shape", where="gradient_penalty",
                         expected=x_real.shape, got=x_fake.shape)
    eps = np.random.default_rng(rng).random((len(x_real),) + (1,) * (x_real.ndim - 1))  # (m, 1, …), in main memory
    eps = to_device(eps.astype(x_real.dtype), Tensor(x_real).device)
    norms = _gradient_norms(D, eps * x_real + (1 - eps) * x_fake, *y)
    return lam * mean((norms - 1) ** 2)


def r1_penalty(D, x_real, x_fake, rng, *y, lam=10.0):
    r"""The R1 penalty: D's gradient at real samples should vanish.

    $$\frac{\gamma}{2}\, E_x[\lVert \nabla_x D(x) \rVert_2^2], \qquad \gamma = \mathrm{lam}$$

    D(x) is the score a. Arguments as for `gradient_penalty`; `x_fake` and `rng` are not used.
    Source : Mescheder et al. 2018, equation 9 (γ = 10 in their experiments on images).
    """
    refuse_mixing("r1_penalty", D)
    norms = _gradient_norms(D, _data(x_real), *y)
    return lam / 2 * mean(norms**2)


def _gradient_norms(D, x, *y):
    """‖∇ₓD(x)‖ of each sample, (m,), as a part of the graph. (Σᵢ D(xᵢ) has the gradient ∇D(xᵢ) in xᵢ.)"""
    x = Tensor(x)
    (g,) = grad(sum(D(x, *y)), [x], create_graph=True, allow_unused=True)
    return norm(g, tuple(range(1, g.ndim)))


def clip_weights(D, clip=0.01):
    r"""Weight clipping (F9): every parameter of D is brought into $[-c, c]$, in place.

    clip : c > 0
    Source : document 001 §4.2; Arjovsky et al. 2017, Algorithm 1, line 7 (c = 0.01).
    """
    for p in D.parameters():
        p.assign(p.xp.clip(p.data, -clip, clip))


def refuse_mixing(where, D):
    """Raise ConfigError if, in training mode, a sample's score depends on the other samples: if D has a BatchNorm.

    A penalty speaks of ∇D at one sample; with BatchNorm that gradient also has the other samples' scores in it, and the
    norm is of something else (Gulrajani et al. 2017, section 4).
    """
    for layer in getattr(D, "modules", list)():
        if layer.training and getattr(layer, "mixes_samples", False):
            raise ConfigError("a gradient penalty is about D at one sample; with BatchNorm a sample's score depends "
                              "on the whole batch", where=where, got=f"{type(layer).__name__} in D",
                              fix="Use a D without it, such as the model 'dcgan', or LayerNorm in its place")


def _data(x):
    return x.data if isinstance(x, Tensor) else x
