"""The check cells of the exercises: they say what is right and, if something is not, what is wrong, without a traceback."""

import numpy as np

from .errors import MiniganError
from .gradient_check import gradcheck

__all__ = ["check_gradient", "check_value", "NotYet"]


class NotYet(MiniganError):
    """An exercise that is not solved yet. A notebook shows its message alone."""

    def _render_traceback_(self):
        return [str(self)]


def check_gradient(f, inputs, order=1, *, name=None, **options):
    """temporary"""
    try:
        report = gradcheck(f, inputs, order, **options)
    except Exception as error:
        raise NotYet(f"{name}: {type(error).__name__}: {error}") from None
    if not report:
        raise NotYet(f"{name}:\n{report}")
    print(f"✓ {name}: right")


def check_value(function, arguments, expected, *, name=None, rtol=1e-7, atol=1e-10):
    """temporary"""
    try:
        got = function(*arguments)
    except Exception as error:
        raise NotYet(f"{name}: {type(error).__name__}: {error}") from None
    pairs = [(None, got, expected)]
    if isinstance(expected, dict):
        pairs = [(k, got[k], expected[k]) for k in expected]
    elif isinstance(expected, (tuple, list)):
        pairs = [(i, got[i], e) for i, e in enumerate(expected)]
    for key, g, e in pairs:
        g, e = np.asarray(g, float), np.asarray(e, float)
        if g.shape != e.shape or not np.allclose(g, e, rtol, atol):
            raise NotYet(f"{name}: {key} is wrong: got {g}, expected {e}")
    print(f"✓ {name}: right")
