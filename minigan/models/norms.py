"""N3, the networks of document 003 §4: BatchNorm in G, InstanceNorm and LayerNorm in D.

The printed code does not run (X7). Built here is what it means:

- G's BatchNorm1d is given images (N, hidden_size, s, s); it belongs before the reshaping, where the features are
  (N, hidden_size·s²). G has no output layer: a 3×3 convolution makes the hidden_size channels into an image, whose
  size is that of the reshaped features, and tanh brings it into [−1, 1].
- D's convolutions have LeakyReLU before and after; activation belongs after convolution and norm. `input_dim` is
  used for the channels and for the sides of the image, and the sizes of Linear fit neither; they follow from
  the shapes here.
- D's loop over `Linear(…, hidden_size/2^i)` runs hidden_size times; the last layer, Linear(hidden_size/2, 1), takes
  what i = 0 and i = 1 leave.
- `squeeze` at D's end is left out: scores are (N, 1), as everywhere (X14).

Leaky ReLU has slope 0.01, what `nn.LeakyReLU()` is in PyTorch. Weights are N(0, 0.02), of normalisation layers
N(1, 0.02); biases 0, also those that the document leaves as PyTorch draws them.
"""

import numpy as np

from ..errors import ConfigError
from ..nn import (
    BatchNorm1d,
    Conv2d,
    Flatten,
    InstanceNorm2d,
    LayerNorm,
    LeakyReLU,
    Linear,
    ReLU,
    Sequential,
    Tanh,
    Unflatten,
    init,
)
from .parts import require_whole, shrunk, stack

__all__ = ["norms_generator", "norms_discriminator"]


def norms_generator(latent_dim=100, image_shape=(1, 28, 28), rng=None, width=32):
    """N3's G: Linear → BatchNorm1d → ReLU, as many features as `width` images have pixels, and the output layer.

    (N, latent_dim) → (N, width·H·W) → (N, width, H, W) → (N, C, H, W)
    width : the document's hidden_size, of which it gives no value
    """
    require_whole("norms", width=width)
    C, H, W = image_shape
    rng = np.random.default_rng(rng)
    return init.normal_(Sequential(
        Linear(latent_dim, width * H * W), BatchNorm1d(width * H * W), ReLU(),
        Unflatten(width, H, W),
        Conv2d(width, C, 3, 1, 1), Tanh(),
    ), rng)


def norms_discriminator(image_shape=(1, 28, 28), rng=None, width=32, depth=2):
    """N3's D: Conv (4, 2, 1) → InstanceNorm2d → LeakyReLU, twice; Linear → LayerNorm → LeakyReLU, twice; Linear.

    (N, C, H, W) → (N, width, H/4, W/4) → (N, width) → (N, width/2) → (N, 1)
    width, depth : the document's hidden_size, at least 4 and even; and num_layers, of convolutions

    Raises ConfigError too where the last convolution leaves one pixel: InstanceNorm would make it 0.
    """
    require_whole("norms", width=width, depth=depth)
    if width % 2 or width < 4:
        raise ConfigError("width is out of range", where="norms", expected="an even number ≥ 4", got=width)
    C, h, w = shrunk("norms", image_shape, depth)
    if h * w == 1:
        raise ConfigError("the images are too small to be normalised after the last convolution", where="norms",
                          expected=f"sides above {2**depth}", got=f"{image_shape[1]}×{image_shape[2]}")
    rng = np.random.default_rng(rng)
    return init.normal_(Sequential(
        *stack([C, *[width] * depth], lambda a, b: (Conv2d(a, b, 4, 2, 1), InstanceNorm2d(b), LeakyReLU(0.01))),
        Flatten(),
        *stack([width * h * w, width, width // 2], lambda a, b: (Linear(a, b), LayerNorm(b), LeakyReLU(0.01))),
        Linear(width // 2, 1),
    ), rng)
