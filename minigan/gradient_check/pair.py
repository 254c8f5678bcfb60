"""A bare pair (forward, vjp) of functions of NumPy arrays, as a function of tensors."""

import inspect
import traceback
from pathlib import Path

import numpy as np

from ..tensor import Tensor, record, recording
from .report import Cause

__all__ = ["Failed", "argument_names", "call", "of_pair"]

_PACKAGE = Path(__file__).parent.parent


class Failed(Exception):
    """A function that was to be checked failed in a way that makes any comparison pointless; holds the `Cause`."""

    def __init__(self, cause):
        self.cause = cause
        super().__init__(str(cause))


def argument_names(forward, n):
    """The names of the parameters of `forward`, or "argument 0", … where it takes any number."""
    try:
        parameters = inspect.signature(forward).parameters.values()
    except (TypeError, ValueError):  # NumPy's own functions have none
        parameters = ()
    names = [p.name for p in parameters if p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD)]
    return names[:n] if len(names) >= n else [f"argument {i}" for i in range(n)]


def of_pair(pair, names):
    """The pair `(forward, vjp)` as an operation on tensors; see `gradcheck` for the forms that a vjp may have."""
    forward, vjp = pair
    vjps = vjp if isinstance(vjp, (tuple, list)) else None
    def x_bar(i, g, y, arrays):
        function = vjps[i] if vjps else vjp
        gives_y = "y" in _parameters(function) and "y" not in _parameters(forward)
        result = call(function, (g, y, *arrays) if gives_y else (g, *arrays), ["g"] + ["y"] * gives_y + names)
        if not vjps and (len(names) > 1 or isinstance(result, (tuple, list))):
            if not isinstance(result, (tuple, list)) or len(result) != len(names):
                got = f"{len(result)} values" if isinstance(result, (tuple, list)) else type(result).__name__
                wanted = f"a tuple of gradients, one for each of {', '.join(names)}," if len(names) > 1 else \
                    f"one gradient, that for {names[0]},"
                raise Failed(Cause("exception", f"{_name(function)} must return {wanted} and returned {got}"))
            result = result[i]
        return _array(result, f"{_name(function)}, for {names[i]}" if len(names) > 1 else _name(function))

    def operation(*xs):
        if vjps is not None and len(vjps) != len(names):
            raise Failed(Cause("exception", f"there are {len(vjps)} vjps for {len(names)} arguments"))
        arrays = [x.data for x in xs]
        y = _array(call(forward, arrays, names), _name(forward))
        return record(y, xs, *(lambda g, y, i=i: Tensor(x_bar(i, g.data, y.data, arrays)) for i in range(len(xs))))

    return operation


def call(function, arguments, names=None):
    """function(*arguments), on copies of arrays; raises Failed if it raises, or is still blank.

    With `names` of the arguments it also raises Failed if an array that it was given has been overwritten.
    """
    copies = [a.copy() if isinstance(a, np.ndarray) else a for a in arguments]
    try:
        with recording(True):  # a vjp is called with recording switched off, and may call `grad` itself
            result = function(*copies)
    except NotImplementedError:
        raise Failed(Cause("blank", f"{_name(function)} is still to be written: put your code in the place of "
                                    f"`raise NotImplementedError`")) from None
    except Exception as error:
        raise Failed(Cause("exception", f"{_name(function)} raised {type(error).__name__}: {error}"
                                        f"{_place(error)}")) from None
    for copy, array, name in zip(copies, arguments, names or ()):
        if copy.tobytes() != array.tobytes():
            raise Failed(Cause("in place", f"{_name(function)} overwrites {name}, which it was given. Write "
                                           f"{name} = {name} * … instead of {name} *= …, or work on a copy"))
    return result


def _array(result, who):
    if result is None or result is ...:
        raise Failed(Cause("blank", f"{who} returned {result}. Is there a `return`?"))
    try:
        array = np.asarray(result.data if isinstance(result, Tensor) else result)
        if array.dtype.kind not in "fiub":
            raise TypeError(f"an array of type {array.dtype}")
    except (TypeError, ValueError) as error:
        raise Failed(Cause("exception", f"{who} must return an array of real numbers ({error})")) from None
    return array.astype(np.float64, copy=False) if array.dtype.kind != "f" else array


def _name(function):
    name = getattr(function, "__name__", type(function).__name__)
    return "the function" if name == "<lambda>" else name


def _parameters(function):
    try:
        return inspect.signature(function).parameters
    except (TypeError, ValueError):
        return {}


def _place(error):
    """Where the error arose: the innermost line of the student's own code."""
    own = [frame for frame in traceback.extract_tb(error.__traceback__)
           if not Path(frame.filename).is_relative_to(_PACKAGE) and "site-packages" not in frame.filename]
    return f" (line {own[-1].lineno} of {own[-1].name}: {own[-1].line})" if own else ""
