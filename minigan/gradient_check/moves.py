"""Hypotheses of the diagnosis: right values in wrong places. Something was transposed, flipped, shifted, exchanged."""

from itertools import chain, permutations

import numpy as np

from .evidence import along, subsets

__all__ = [
    "misplaced", "rearranged_derivative", "rearranged_operand", "rearranged_result", "shifted_with_loss", "swapped",
]


def swapped(e):
    """The gradient of another argument of the same shape."""
    for j, other in enumerate(e.inputs):
        if j != e.i and other.shape == e.x.shape and e.same(e.a, e.on_grid(e.gradient(j))):
            return "swapped", f"this is the gradient of {e.names[j]}: the arguments are swapped"


def rearranged_result(e):
    """x̄ with its axes permuted, reversed, or moved along."""
    for code, text, move in rearrangements(e.x.shape):
        if e.same(e.on_grid(move(e.A)), e.t):
            return code, f"the right values in wrong places: x̄ is {text}"


def shifted_with_loss(e):
    """Moved by one along an axis, or along the last two, with something else where nothing came from."""
    if not e.whole:
        return None
    n = e.x.ndim
    for axes in [(k,) for k in range(n)] + [(n - 2, n - 1)] * (n >= 2):
        if any(e.x.shape[k] < 3 for k in axes):
            continue
        later, earlier = _ends(n, axes)
        for by, p, q in ((1, later, earlier), (-1, earlier, later)):
            if e.same(e.a[p], e.t[q]) and np.ptp(e.t[q]) > 0:
                return "shifted", f"x̄ is shifted by {by} {along(axes)}"


def rearranged_derivative(e):
    """The local derivative of another element: a mask of another batch."""
    if e.local:
        d, d_hat, _ = e.local
        for code, text, move in rearrangements(d.shape):
            if np.allclose(move(d_hat), d, rtol=1e-6, atol=1e-7 * np.abs(d).max()):
                return code, f"the local derivative is that of another element: it is {text}"


def rearranged_operand(e):
    """The right gradient, had g or one of the arguments been another: transposed, flipped, exchanged, left out."""
    return _another_g(e) or ((_another_argument(e) or _transposed_together(e)) if e.mostly_wrong else None)


def _another_g(e):
    def right_for(g):
        return np.tensordot(e.J, g, e.g.ndim)

    for code, text, move in rearrangements(e.g.shape):
        if e.same(e.a, right_for(move(e.g))):
            return code, f"g is used {text}"
    for axes in subsets(range(e.g.ndim)) if e.g.size > 1 else ():
        first, last = (tuple(slice(n - 1, n) if k in axes else slice(None) for k, n in enumerate(ends))
                       for ends in ((1,) * e.g.ndim, e.g.shape))
        for text, part in (("mean", e.g.mean(axes, keepdims=True)), ("sum", e.g.sum(axes, keepdims=True)),
                           ("first element", e.g[first]), ("last element", e.g[last])):
            if e.same(e.a, right_for(np.broadcast_to(part, e.g.shape))):
                return "upstream", f"of the upstream gradient g only the {text} {along(axes)} is used"
    if e.g.shape == e.x.shape:
        for code, text, move in rearrangements(e.g.shape):
            if code != "shifted" and e.same(e.on_grid(move(e.A)), right_for(move(e.g))):
                return code, f"g is used {text}, and the result is, too"


def _another_argument(e):
    for j in sorted(range(len(e.inputs)), key=lambda j: j == e.i):  # the others first
        x = e.inputs[j]
        changes = chain(rearrangements(x.shape, few=True), _shifts_with_zeros(x.shape), _centred(x.shape),
                        LEFT_OUT if j != e.i else ())
        for code, text, change in changes:
            if e.explained_at([*e.inputs[:j], change(x), *e.inputs[j + 1:]]):
                return code, f"{e.names[j]} is used {text}"
        for k, (other, z) in enumerate([*zip(e.names, e.inputs), ("y", e.y)]):
            fits = k != j and z.shape == x.shape and (other != "y" or e.local)
            if fits and e.explained_at([*e.inputs[:j], z, *e.inputs[j + 1:]]):
                return "factor" if other == "y" else "swapped", f"{other} is used where {e.names[j]} is meant"


def _transposed_together(e):
    """The order of a product exchanged: two or all of g, another argument and the result are transposed."""
    def is_square(v):
        return v.ndim >= 2 and v.shape[-1] == v.shape[-2]

    if not is_square(e.x) or not is_square(e.g):
        return None
    A, g = (v.swapaxes(-1, -2) for v in (e.A, e.g))
    for j, z in enumerate(e.inputs):
        if j != e.i and is_square(z):
            inputs, name = [*e.inputs[:j], z.swapaxes(-1, -2), *e.inputs[j + 1:]], e.names[j]
            for text, case in ((f"g, {name} and the result", (A, g)), (f"g and {name}", (e.A, g)),
                               (f"{name} and the result", (A, e.g))):
                if e.explained_at(inputs, *case):
                    return "transposed", f"{text} are transposed: is the order of the product exchanged?"


def misplaced(e):
    """The same numbers in another order."""
    ordered = [np.sort(v, axis=None) for v in (e.a, e.t)]
    if e.whole and e.t.size > 3 and np.abs(ordered[0] - ordered[1]).max() <= e.tolerance:
        return "misplaced", "the right values in wrong places: is an index wrong?"


# --- the changes that are tried: (code, what it is, function) ---


def rearrangements(shape, few=False):
    """Every permutation of axes, reversal and shift that keeps the shape; `few` gives the usual ones."""
    n = len(shape)
    for axes in permutations(range(n)):
        if axes != tuple(range(n)) and tuple(shape[k] for k in axes) == tuple(shape):
            yield "transposed", f"transposed, axes {axes}", lambda v, axes=axes: v.transpose(axes)
    for axes in subsets([k for k in range(n) if shape[k] > 1]):
        if not few or len(axes) in (1, n) or axes == (n - 2, n - 1):
            yield "flipped", f"reversed {along(axes)}", lambda v, axes=axes: np.flip(v, axes)
    for axis in range(n):
        for by in {1, shape[axis] - 1} - {0} if few else range(1, shape[axis]):
            if by < shape[axis]:
                yield "shifted", f"shifted by {by} along axis {axis}", lambda v, axis=axis, by=by: np.roll(v, by, axis)
    if n > 1 and not few:
        yield "transposed", "in column-major order", lambda v: v.ravel(order="F").reshape(v.shape)
        yield "transposed", "read in column-major order", lambda v: v.reshape(v.shape[::-1]).transpose()
        for by in (1, -1):
            yield "shifted", f"shifted by {by} in memory", lambda v, by=by: np.roll(v, by)


def _shifts_with_zeros(shape):
    """Moved by one along an axis, or along the last two, with zeros where nothing comes from: a forgotten padding."""
    n = len(shape)
    for axes in [(k,) for k in range(n)] + [(n - 2, n - 1)] * (n >= 2):
        for by in (1, -1):
            if all(shape[k] > 2 for k in axes):
                yield "shifted", f"shifted by {by} {along(axes)}", lambda v, axes=axes, by=by: _moved(v, axes, by)


def _moved(v, axes, by):
    moved, (later, earlier) = np.zeros_like(v), _ends(v.ndim, axes)
    moved[later if by > 0 else earlier] = v[earlier if by > 0 else later]
    return moved


def _ends(n, axes):
    """The indices of all but the first, and of all but the last, along the axes."""
    return [tuple(part if k in axes else slice(None) for k in range(n)) for part in (slice(1, None), slice(None, -1))]


def _centred(shape):
    for axes in subsets([k for k in range(len(shape)) if shape[k] > 1]):
        yield "mean term", f"less its mean {along(axes)}", lambda v, axes=axes: v - v.mean(axes, keepdims=True)


LEFT_OUT = (
    ("factor", "as if it were 1: it is left out", np.ones_like),
    ("factor", "squared: it is multiplied in twice", np.square),
    ("factor", "without its size, only its sign", np.sign),
)
