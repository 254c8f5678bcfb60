"""What the check cells of the exercises call: they say what is right and, if something is not, what is wrong with it.

A check that fails raises `NotYet`, so that tests and nbgrader see it; a notebook shows its message and no traceback.
"""

import numpy as np

from .errors import MiniganError
from .gradient_check import gradcheck
from .gradient_check.diagnosis import diagnose_value
from .gradient_check.pair import Failed, call
from .tensor import Tensor

__all__ = ["NotYet", "check_gradient", "check_value"]


class NotYet(MiniganError):
    """An exercise that is not solved yet."""

    def _render_traceback_(self):  # IPython shows this instead of a traceback
        return str(self).splitlines()


def check_gradient(f, inputs, order=1, *, name=None, **options):
    """Check a derivative by `gradcheck`: a pair of NumPy functions, a function of tensors, or a module.

    f, inputs, order, options : as for `gradcheck`;  name : of what is checked, for the message

    Prints one line if every derivative is right. Raises NotYet, with the report, if one is not; a notebook shows the
    report with its heat maps above the message.
    """
    name = name or getattr(f, "__name__", "the gradient")
    inputs = [np.asarray(x) if isinstance(x, np.generic) else x for x in inputs]
    try:
        report = gradcheck(f, inputs, order, **options)
    except Exception as error:
        raise NotYet(f"✗ {name}: {_said(error)}") from None
    if not report:
        _display(report)
        raise NotYet(f"✗ {name}\n{report}")
    _passed(name)


def check_value(function, arguments, expected, *, name=None, rtol=1e-7, atol=1e-10):
    """Check what a function computes.

    function, arguments : function(*arguments) is called, on copies of arrays
    expected            : a number, an array, None, or a tuple, list or dict of these
    name                : of what is checked, for the message
    rtol, atol          : |got − expected| ≤ atol + rtol |expected| is right

    Prints one line if everything is right. Raises NotYet, with what is wrong and its probable cause, if not.
    """
    name = name or getattr(function, "__name__", "the value")
    try:
        got = call(function, arguments)
    except Failed as failed:
        raise NotYet(f"✗ {name}: {failed.cause}") from None
    for place, complaint in _complaints("", got, expected, rtol, atol):
        raise NotYet(f"✗ {name}{place}: {complaint}")
    _passed(name)


def _complaints(place, got, expected, rtol, atol):
    """(place, complaint) of everything in which `got` is not what was expected."""
    if isinstance(expected, dict):
        if not isinstance(got, dict) or got.keys() != expected.keys():
            yield place, f"expected a dict with the keys {', '.join(map(repr, expected))}, got {_kind(got)}"
            return
        for key in expected:
            yield from _complaints(f"{place}[{key!r}]", got[key], expected[key], rtol, atol)
    elif isinstance(expected, (tuple, list)):
        if not isinstance(got, (tuple, list)) or len(got) != len(expected):
            yield place, f"expected {len(expected)} values, in a tuple, got {_kind(got)}"
            return
        for i, (g, e) in enumerate(zip(got, expected)):
            yield from _complaints(f"{place}[{i}]", g, e, rtol, atol)
    elif expected is None or got is None or got is ...:
        if got is not expected:
            yield place, f"expected {_kind(expected)}, got {got}" + ". Is there a `return`?" * (expected is not None)
    elif complaint := _complaint(got, expected, rtol, atol):
        yield place, complaint


def _complaint(got, expected, rtol, atol):
    """What is wrong with an array or a number, or None."""
    try:
        got = np.asarray(got.data if isinstance(got, Tensor) else got, dtype=float)
    except (TypeError, ValueError):
        return f"expected numbers, got {_kind(got)}"
    expected = np.asarray(expected.data if isinstance(expected, Tensor) else expected, dtype=float)
    if got.shape != expected.shape:
        return f"expected the shape {expected.shape}, got {got.shape}"
    wrong = ~np.isclose(got, expected, rtol=rtol, atol=atol, equal_nan=True)
    if not wrong.any():
        return None
    worst = np.unravel_index(np.argmax(np.where(wrong, np.abs(got - expected), -1)), got.shape)
    at = f" at ({', '.join(map(str, worst))})" if got.ndim else ""
    share = f"{wrong.sum()} of {wrong.size} elements are wrong" if got.ndim else "wrong"
    cause = diagnose_value(got, expected)
    return f"{share}: got {got[worst]:.10g}{at}, expected {expected[worst]:.10g}" + \
           ("" if cause.code == "not sure" else f"\n  cause: {cause}")


def _kind(value):
    if isinstance(value, dict):
        return f"a dict with the keys {', '.join(map(repr, value))}"
    if isinstance(value, (tuple, list)):
        return f"{len(value)} values"
    if isinstance(value, (np.ndarray, Tensor)):
        return f"one array of shape {value.shape}"
    return f"a number, {value}" if isinstance(value, (int, float, np.generic)) else type(value).__name__


def _said(error):
    """One sentence about an error that came out of a student's function."""
    if isinstance(error, NotImplementedError):
        return "still to be written: put your code in the place of `raise NotImplementedError`"
    return str(error) if isinstance(error, MiniganError) else f"{type(error).__name__}: {error}"


def _passed(name):
    print(f"✓ {name}: right")


def _display(report):
    """In a notebook: the report as a table with heat maps."""
    try:
        from IPython import get_ipython
        from IPython.display import HTML, display
    except ImportError:
        return
    if getattr(get_ipython(), "kernel", None):
        display(HTML(report._repr_html_()))
