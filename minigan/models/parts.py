"""What several families of networks share: widths and depths, and blocks that repeat."""

from itertools import pairwise

import numpy as np

from ..errors import ConfigError

__all__ = ["doubling", "require_whole", "shrunk", "stack"]


WIDEST = 16_384  # units: two such layers have 268 million weights between them, a gigabyte


def require_whole(where, **numbers):
    """Raise ConfigError unless every one, a width or a depth, is a whole number from 1 to `WIDEST`."""
    for name, n in numbers.items():
        if not isinstance(n, (int, np.integer)) or isinstance(n, bool) or n < 1:
            raise ConfigError(f"{name} is out of range", where=where, expected="a whole number ≥ 1", got=repr(n))
        if n > WIDEST:
            raise ConfigError(f"{name} is out of range", where=where, expected=f"at most {WIDEST}", got=n)


def doubling(first, n):
    """[first, 2·first, 4·first, …], n numbers. Raises ConfigError if the last would be above `WIDEST`."""
    if first * 2 ** min(n - 1, 64) > WIDEST:
        raise ConfigError("the widest layer would be too wide", where="width and depth",
                          expected=f"at most {WIDEST} units", got=f"{first} doubled {n - 1} times",
                          fix="Use a smaller width or depth")
    return [first * 2**i for i in range(n)]


def shrunk(where, image_shape, depth):
    """(C, H/2^depth, W/2^depth): the images after `depth` layers of stride 2. Raises ConfigError if they do not fit."""
    C, H, W = image_shape
    if H % 2**depth or W % 2**depth:
        raise ConfigError(f"the image's sides must be multiples of {2**depth}", where=where, got=f"{H}×{W}",
                          fix=f"The networks double the size {depth} times. Use images of another size, a smaller "
                              "depth, or the model 'mlp'")
    return C, H // 2**depth, W // 2**depth


def stack(sizes, block):
    """The layers of `block(a, b)` for every two consecutive sizes a, b."""
    return [layer for a, b in pairwise(sizes) for layer in block(a, b)]
