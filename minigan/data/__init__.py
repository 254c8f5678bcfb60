"""Data: embedded digits, MNIST and Fashion-MNIST, mixtures of Gaussians in the plane, sine waves; and minibatches."""

import numpy as np

from ..errors import ConfigError
from .batches import Minibatches, minibatches
from .checks import as_generator
from .digits import DIGITS_MAX, load_digits
from .idx import read_idx
from .mnist import PIXEL_MAX, SETS, fetch, load_mnist
from .sequences import sines
from .toys import grid, grid_modes, ring, ring_modes

__all__ = [
    "NAMES", "Minibatches", "fetch", "grid", "grid_modes", "load", "minibatches", "read_idx", "ring", "ring_modes",
    "sines",
    "batches", "toys", "sequences", "digits", "mnist", "idx", "download", "checks",
]

TOYS = {"ring": ring, "grid": grid}
SEQUENCES = {"sines": sines}
NAMES = ("digits", *SETS, *TOYS, *SEQUENCES)
"""The data sets that `load` knows."""
SPLITS = ("train", "test")


def load(name, split="train", data_dir=None, labels=False, n=20_000, rng=0):
    r"""A data set, ready to train on.

    Images are scaled to the range of tanh, $x = 2p/p_{max} - 1$, with $p_{max}$ = 255 (16 for `digits`).

    name     : one of `NAMES`: "digits", "mnist", "fashion-mnist", "ring", "grid", "sines"
    split    : "train" or "test". `digits` is one set of 1,797, "train": it is a test set already, and small
    data_dir : for MNIST and Fashion-MNIST, the folder with their files (see `minigan.data.mnist`)
    labels   : also return the classes (for `ring` and `grid`, the index of the mode); `sines` have none
    n, rng   : for `ring`, `grid` and `sines`, how many to draw, and a numpy Generator or an int seed
    returns  : x, float32: images (N, 1, H, W) in [−1, 1], points (n, 2) or sequences (n, L, C);
               with `labels` (x, y), y (N,) int64
    raises   : ConfigError for an unknown name or split or for labels that there are not,
               DataError for data that are missing or damaged
    """
    if name not in NAMES:
        raise ConfigError("unknown data set", where="name", expected=f"one of {', '.join(NAMES)}", got=repr(name))
    if split not in SPLITS:
        raise ConfigError("unknown split", where="split", expected=" or ".join(SPLITS), got=repr(split))
    if name in TOYS:
        return TOYS[name](n, _drawing(rng, split), labels=labels)
    if name in SEQUENCES:
        if labels:
            raise ConfigError("the data have no labels", where=f"data '{name}'",
                              fix=f"A conditional game needs {', '.join(n for n in NAMES if n not in SEQUENCES)}")
        return SEQUENCES[name](n, _drawing(rng, split))
    if name == "digits":
        if split != "train":
            raise ConfigError("the embedded digits are one set, not split", where="split", expected="train",
                              got=repr(split), fix="Hold out some of the 1,797 yourself, or use mnist")
        images, classes = load_digits()
        x = _scale(images, DIGITS_MAX)
    else:
        x = _scale(load_mnist(name, split, "images", data_dir), PIXEL_MAX)
        classes = load_mnist(name, split, "labels", data_dir) if labels else None
    return (x, classes.astype(np.int64)) if labels else x


def _scale(images, largest):
    """(N, H, W) uint8 in 0 … largest -> (N, 1, H, W) float32 in [−1, 1]"""
    x = images[:, None].astype(np.float32)  # (N, H, W) -> (N, 1, H, W)
    x /= largest / 2  # this order makes the ends exactly −1 and 1
    x -= 1
    return x


def _drawing(rng, split):
    """One seed gives other points for "test" than for "train"; a Generator gives new ones at every call anyway."""
    generator = as_generator(rng)  # first, for its error message
    return np.random.default_rng([rng, 1]) if split == "test" and generator is not rng else generator
