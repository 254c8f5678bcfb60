"""Data: embedded digits, MNIST and Fashion-MNIST, a folder of images, mixtures, sine waves; and minibatches."""

import os
from pathlib import Path

import numpy as np

from ..errors import ConfigError
from .batches import Minibatches, minibatches
from .checks import as_generator
from .digits import DIGITS_MAX, load_digits
from .folder import SIDE, load_folder
from .idx import read_idx
from .mnist import PIXEL_MAX, SETS, fetch, load_mnist
from .sequences import sines
from .toys import grid, grid_modes, ring, ring_modes

__all__ = [
    "NAMES", "Minibatches", "fetch", "grid", "grid_modes", "load", "load_folder", "minibatches", "read_idx", "ring",
    "ring_modes", "sines",
]

TOYS = {"ring": ring, "grid": grid}
SEQUENCES = {"sines": sines}
NAMES = ("digits", *SETS, *TOYS, *SEQUENCES)
SPLITS = ("train", "test")


def as_folder(name):
    """The absolute path of the folder of images that `name` stands for, or None if it stands for none.

    That is a path, or text that is none of `NAMES` and has a separator in it or names a folder that there is.
    """
    if isinstance(name, os.PathLike) or (isinstance(name, str) and name not in NAMES
                                         and (os.sep in name or "/" in name or os.path.isdir(name))):
        return os.path.abspath(Path(name).expanduser())
    return None


def load(name, split="train", data_dir=None, labels=False, n=20_000, rng=0, size=None):
    r"""A data set, ready to train on.

    Images are scaled to the range of tanh, $x = 2p/p_{max} - 1$, with $p_{max}$ = 255 (16 for `digits`).

    name     : one of `NAMES`: "digits", "mnist", "fashion-mnist", "ring", "grid", "sines"; or the path of a folder of
               images, with a separator in it (`./digits`) if it could be taken for one of these: see `load_folder`
    split    : "train" or "test". `digits` is one set of 1,797, "train": it is a test set already, and small. A folder
               is one set too
    data_dir : for MNIST and Fashion-MNIST, the folder with their files (see `minigan.data.mnist`)
    labels   : also return the classes (for `ring` and `grid`, the index of the mode; for a folder, its sub-folders);
               `sines` have none
    n, rng   : for `ring`, `grid` and `sines`, how many to draw, and a numpy Generator or an int seed
    size     : for a folder, the side of its images, 28 by default
    returns  : x, float32: images (N, 1, H, W) in [−1, 1] (of a folder, (N, 1 or 3, size, size), shuffled, always alike,
               so that the first ones are of all classes), points (n, 2) or sequences (n, L, C);
               with `labels` (x, y), y (N,) int64
    raises   : ConfigError for an unknown name or split or for labels that there are not,
               DataError for data that are missing or damaged
    """
    folder = as_folder(name)
    if folder is None and name not in NAMES:
        raise ConfigError("unknown data set", where="name", got=repr(name),
                          expected=f"one of {', '.join(NAMES)}, or a folder of images")
    if split not in SPLITS:
        raise ConfigError("unknown split", where="split", expected=" or ".join(SPLITS), got=repr(split))
    if folder is not None:
        if split != "train":
            raise ConfigError("a folder of images is one set, not split", where="split", expected="train",
                              got=repr(split), fix="Hold out some images yourself, in another folder")
        loaded = load_folder(folder, SIDE if size is None else size, labels=labels)
        x, *y = loaded if labels else (loaded,)
        order = np.random.default_rng(0).permutation(len(x))
        return (x[order], y[0][order]) if labels else x[order]
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
