"""The door to this package: whatever comes in leaves here as float64 in main memory, once, and finite."""

from numbers import Real

import numpy as np

from ..backend import is_array, to_numpy
from ..errors import ConfigError, DataError, ShapeError
from ..tensor import Tensor

__all__ = ["as_array", "as_labels", "as_samples", "as_scores", "positive", "require_finite", "same_width"]


def as_samples(x, where, least=1):
    """`x` (n, …) as float64 (n, d), a row for each sample; a vector (n,) has d = 1.

    x      : a NumPy or CuPy array, a Tensor, or nested lists
    raises : ShapeError for fewer than `least` samples or none of numbers, DataError for NaN or infinity
    """
    x = as_array(x, where)
    if x.ndim == 0:
        raise ShapeError("not an array of samples", where=where, expected="numbers (n, …)", got="a single number")
    if len(x) < least or x.size == 0:
        raise ShapeError("too few samples", where=where, expected=f"at least {least}", got=f"shape {x.shape}")
    require_finite(x, where)
    return x.reshape(len(x), -1).astype(np.float64)  # (n, …) -> (n, d)


def as_scores(a, where):
    """`a`, scores (n, 1) or (n,), as float64 (n,). Raises as `as_samples`, and ShapeError for more than one column."""
    a = as_samples(a, where)
    if a.shape[1] != 1:
        raise ShapeError("there is one score for each sample", where=where, expected="(n, 1) or (n,)", got=a.shape)
    return a[:, 0]


def as_labels(y, where, n_classes=None):
    """`y`, classes (n,) from 0 (to n_classes − 1), as int64 (n,). Raises ShapeError or DataError for anything else."""
    y = as_array(y, where)
    if y.ndim != 1 or len(y) == 0 or y.dtype.kind not in "iu":
        raise ShapeError("not an array of classes", where=where, expected="whole numbers (n,), n ≥ 1",
                         got=f"{y.dtype}, shape {y.shape}")
    if y.min() < 0 or (n_classes is not None and y.max() >= n_classes):
        raise DataError("no such class", where=where, got=f"{y.min()} … {y.max()}",
                        expected="classes from 0" + (f" to {n_classes - 1}" if n_classes else ""))
    return y.astype(np.int64)


def same_width(x, y, where):
    """Raise ShapeError unless x (n, d) and y (m, d) have rows of one length."""
    if x.shape[1] != y.shape[1]:
        raise ShapeError("samples of different sizes cannot be compared", where=where,
                         got=f"{x.shape[1]} and {y.shape[1]} numbers a sample")


def positive(value, where):
    """`value` as a float if it is a finite number > 0; otherwise ConfigError naming the argument `where`."""
    if not (isinstance(value, Real) and np.isfinite(value) and value > 0):
        raise ConfigError("not a possible length", where=where, expected="a finite number > 0", got=repr(value))
    return float(value)


def as_array(x, where):
    """The numbers in `x` (an array on any device, a Tensor, nested lists) as a NumPy array; else ShapeError."""
    x = x.data if isinstance(x, Tensor) else x
    try:
        x = to_numpy(x) if is_array(x) else np.asarray(x)
    except ValueError as error:  # lists of different lengths
        raise ShapeError("not an array", where=where, got=str(error)) from error
    if x.dtype.kind not in "fiub":
        raise ShapeError("not an array of real numbers", where=where, got=x.dtype)
    return x


def require_finite(x, where):
    """Raise DataError, naming the first of them, if there are samples (rows of x) with NaN or infinity."""
    finite = np.isfinite(x).reshape(len(x), -1).all(axis=1)
    if not finite.all():
        raise DataError("NaN or infinity in the samples", where=f"{where}, sample {finite.argmin()}",
                        expected="finite numbers", got=f"{(~finite).sum()} of {len(x)} samples with NaN or infinity")
