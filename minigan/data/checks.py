"""Checks of arguments that several modules of this package share."""

from numbers import Real

import numpy as np

from ..errors import ConfigError

__all__ = ["as_generator", "not_negative", "whole_number"]


def whole_number(value, where, least=1):
    """`value` as an int, if it is a whole number ≥ `least`; otherwise ConfigError naming the argument `where`."""
    # bool is a subclass of int, and batch_size=True is a slip, never a wish.
    if not isinstance(value, (int, np.integer)) or isinstance(value, bool) or value < least:
        raise ConfigError("not a possible number", where=where, expected=f"an int ≥ {least}", got=repr(value))
    return int(value)


def as_generator(rng):
    """`rng` itself if it is a `numpy.random.Generator`, or a new one from an int seed ≥ 0; otherwise ConfigError."""
    if isinstance(rng, np.random.Generator):
        return rng
    if not isinstance(rng, (int, np.integer)) or isinstance(rng, bool) or rng < 0:
        raise ConfigError(
            "not a source of random numbers", where="rng",
            expected="a numpy.random.Generator or an int seed ≥ 0", got=repr(rng),
        )
    return np.random.default_rng(rng)


def not_negative(value, where):
    """Raise ConfigError naming the argument `where` unless `value`, a length, is a finite number ≥ 0."""
    if not (isinstance(value, Real) and np.isfinite(value) and value >= 0):
        raise ConfigError("not a possible length", where=where, expected="a finite number ≥ 0", got=repr(value))
