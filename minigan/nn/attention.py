"""Attention: every position of an image looks at all others."""

import numpy as np

from ..errors import ShapeError
from ..functional import softmax, swapaxes
from ..tensor import as_tensor
from .layers import Conv2d
from .module import Module, Parameter, require_positive

__all__ = ["SelfAttention2d"]


class SelfAttention2d(Module):
    r"""Self-attention over the positions $i, j = 1 \dots P$ of an image, $P = H \cdot W$, added to the image itself.

    Position $j$ asks with its query, every position $i$ answers with its key and is taken in by its value:

    $$s_{ji} = q_j^\top k_i, \quad
      \beta_{ji} = \frac{e^{s_{ji}}}{\sum_{i'} e^{s_{ji'}}}, \quad
      o_j = \sum_i \beta_{ji}\, v_i, \quad
      y_j = x_j + \gamma\, o_j$$

    $$q = W_q x + b_q,\ k = W_k x + b_k,\ v = W_v x + b_v$$

    The softmax runs over $i$, the positions that are looked at: the weights of each $j$ that looks add up to 1.
    (Over $j$ it would be another layer, with the same shapes everywhere.) There is no $1/\sqrt{C/8}$, as in the paper.

    key, query : 1×1 convolutions, C → max(C/8, 1) channels (the paper's f and g);  value : C → C (the paper's h)
    gamma      : γ, (1,), starts at 0: at first the layer does nothing, and it learns to look farther
    x : (N, C, H, W) → the same shape

    Source : Zhang et al. 2018, "Self-attention GANs", section 3, as in its first version, where h keeps all channels.
    The later one lets h make C/8 of them, and a fourth convolution after the sum C again.
    """

    def __init__(self, channels, rng=None):
        require_positive("SelfAttention2d", channels=channels)
        rng, narrow = np.random.default_rng(rng), max(channels // 8, 1)
        self.key = Conv2d(channels, narrow, 1, rng=rng)
        self.query = Conv2d(channels, narrow, 1, rng=rng)
        self.value = Conv2d(channels, channels, 1, rng=rng)
        self.gamma = Parameter(np.zeros(1, np.float32))

    def forward(self, x):
        """(N, C, H, W) → (N, C, H, W)"""
        x, C = as_tensor(x), len(self.value.weight)
        if x.ndim != 4 or x.shape[1] != C:
            raise ShapeError("the input does not fit", where="SelfAttention2d", expected=f"(N, {C}, H, W)", got=x.shape)
        N, _, H, W = x.shape
        k, q, v = (conv(x).reshape(N, -1, H * W) for conv in (self.key, self.query, self.value))  # (N, C/8 or C, P)
        beta = softmax(swapaxes(q, 1, 2) @ k, axis=2)  # (N, P, P), rows j, which add up to 1, and columns i
        o = v @ swapaxes(beta, 1, 2)  # (N, C, P)
        return x + self.gamma * o.reshape(x.shape)
