"""Recurrent layers: one step's computation, repeated along a sequence."""

from math import sqrt

import numpy as np

from ..errors import ShapeError
from ..functional import concatenate, linear, sigmoid, tanh
from ..tensor import Tensor, as_tensor
from . import init
from .module import Module, Parameter, require_positive

__all__ = ["GRU"]


class GRU(Module):
    r"""The gated recurrent unit: a state $h_t$ that reads one $x_t$ after the other, and gates that say what it keeps.

    $$\begin{aligned}
    r_t &= \sigma(W_{ir} x_t + b_{ir} + W_{hr} h_{t-1} + b_{hr}) \\
    z_t &= \sigma(W_{iz} x_t + b_{iz} + W_{hz} h_{t-1} + b_{hz}) \\
    n_t &= \tanh(W_{in} x_t + b_{in} + r_t \odot (W_{hn} h_{t-1} + b_{hn})) \\
    h_t &= (1 - z_t) \odot n_t + z_t \odot h_{t-1}
    \end{aligned}$$

    weight_ih_l0, bias_ih_l0 : W_ir, W_iz, W_in, one above the other: (3H, input_size), and their biases (3H,)
    weight_hh_l0, bias_hh_l0 : W_hr, W_hz, W_hn: (3H, H), and their biases (3H,)
    x : (N, L, input_size) and the state h_0 before it, (N, H), zeros by default → the states h_1 … h_L, (N, L, H)

    Names, layout and first values, U(±1/√H), are those of PyTorch's `GRU(input_size, H, batch_first=True)`, which
    gives two things: these states, and the last of them once more.
    Source : Cho et al. 2014, section 2.3, with one departure, PyTorch's: there the reset comes before the product,
    $W_{hn}(r_t \odot h_{t-1})$; after it, one product serves all three gates.
    """

    def __init__(self, input_size, hidden_size, rng=None):
        require_positive("GRU", input_size=input_size, hidden_size=hidden_size)
        rng, bound = np.random.default_rng(rng), 1 / sqrt(hidden_size)
        self.weight_ih_l0 = Parameter(init.uniform((3 * hidden_size, input_size), bound, rng))
        self.weight_hh_l0 = Parameter(init.uniform((3 * hidden_size, hidden_size), bound, rng))
        self.bias_ih_l0 = Parameter(init.uniform((3 * hidden_size,), bound, rng))
        self.bias_hh_l0 = Parameter(init.uniform((3 * hidden_size,), bound, rng))

    def forward(self, x, h0=None):
        """(N, L, input_size) → (N, L, H)"""
        x, (H3, size) = as_tensor(x), self.weight_ih_l0.shape
        if x.ndim != 3 or x.shape[1] < 1 or x.shape[2] != size:
            raise ShapeError("the input does not fit", where="GRU", expected=f"(N, L, {size}) with L ≥ 1", got=x.shape)
        N, L, H = *x.shape[:2], H3 // 3
        h = Tensor(x.xp.zeros((N, H), x.dtype)) if h0 is None else as_tensor(h0)
        if h.shape != (N, H):
            raise ShapeError("the first state does not fit", where="GRU", expected=(N, H), got=h.shape)
        r_, z_, n_ = (slice(i * H, (i + 1) * H) for i in range(3))  # the gates' columns

        a = linear(x, self.weight_ih_l0, self.bias_ih_l0)  # (N, L, 3H), the inputs' part of all steps at once
        states = []
        for t in range(L):
            i, u = a[:, t], linear(h, self.weight_hh_l0, self.bias_hh_l0)
            r = sigmoid(i[:, r_] + u[:, r_])
            z = sigmoid(i[:, z_] + u[:, z_])
            n = tanh(i[:, n_] + r * u[:, n_])
            h = (1 - z) * n + z * h
            states.append(h.reshape(N, 1, H))
        return concatenate(states, axis=1)

    def arguments(self):
        """input_size, hidden_size"""
        return f"{self.weight_ih_l0.shape[1]}, {self.weight_hh_l0.shape[1]}"
