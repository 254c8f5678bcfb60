r"""Why is a vjp wrong? Every hypothesis predicts the wrong gradient from the right one; the one that does is the cause.

The right gradient is $t = J^\top g$ with the Jacobian $J$ by difference quotients, the wrong one is $a$. Had the vjp
forgotten a sign, then $a = -t$; had it used the kernel unflipped, then $a$ would be the right gradient for a
flipped kernel, which can be computed as well. A hypothesis with few free numbers that explains many elements to seven
digits is hardly ever wrong. Where none does, the answer is "not sure".

A hypothesis is a function of the `Evidence` that returns (code, text) if it explains the error, else None. The simple
ones are here, the others in `moves` and `parts`.
"""

from itertools import permutations

import numpy as np

from . import moves, parts
from .evidence import Evidence, along, subsets
from .report import Cause

__all__ = ["diagnose", "diagnose_value"]

NOT_SURE = Cause("not sure", "no known mistake explains these values")


def diagnose(operation, i, g, rng):
    """The probable `Cause` why the vjp for argument i of an `Operation` is wrong, for the cotangent g."""
    with np.errstate(all="ignore"):
        return _first(HYPOTHESES, Evidence(operation, i, g, rng))


def _first(hypotheses, evidence):
    return next((Cause(*cause) for hypothesis in hypotheses if (cause := hypothesis(evidence))), NOT_SURE)


def wrong_shape(e):
    """x̄ must have x's shape: where x was broadcast, g has to be summed."""
    if e.A.shape == e.x.shape:
        return None
    shapes = f"the gradient of {e.name} has shape {e.A.shape} and must have {e.x.shape}"
    axes = tuple(k for k in _summed_axes(e.A.shape, e.x.shape) if e.A.shape[k] > 1)
    if axes and e.same(e.on_grid(e.A.sum(axis=axes).reshape(e.x.shape)), e.t):
        return "shape", f"{shapes}: {e.name} was broadcast, and the sum {along(axes)} is missing"
    for j, other in enumerate(e.inputs):
        if j != e.i and other.shape == e.A.shape and e.same(e.A, e.gradient(j)):
            return "swapped", f"{shapes}: it is the gradient of {e.names[j]}. Are the arguments swapped?"
    if axes:
        return "shape", f"{shapes}: {e.name} was broadcast, a sum {along(axes)} is missing, and the values are wrong"
    if e.A.size == e.x.size:
        if e.A.size and e.same(e.on_grid(e.A.reshape(e.x.shape)), e.t):
            return "shape", f"{shapes}: the values are right, a reshape is missing"
        for order in permutations(range(e.A.ndim)):
            if e.A.transpose(order).shape == e.x.shape and e.same(e.on_grid(e.A.transpose(order)), e.t):
                return "transposed", f"{shapes}: it is transposed, axes {order}"
        return "shape", f"{shapes}: the axes are in another order, or were reshaped in another way"
    if e.A.ndim == e.x.ndim and not set(np.flatnonzero(np.not_equal(e.A.shape, e.x.shape))) <= set(
            np.flatnonzero(np.equal(e.A.shape, 1))):
        return "shape", f"{shapes}: is an axis of another length, a cut, a stride or a padding in it?"
    if e.A.size < e.x.size:
        return "shape", f"{shapes}: too much was summed, or over the wrong axis"
    return "shape", f"{shapes}: is a sum over an axis missing, or taken over the wrong one?"


def _summed_axes(shape, wanted):
    """The axes along which an array of `shape` must be summed to have the shape `wanted`; () if it cannot be."""
    new = len(shape) - len(wanted)
    if new < 0 or any(n not in (1, shape[new + k]) for k, n in enumerate(wanted)):
        return ()
    return tuple(range(new)) + tuple(new + k for k, n in enumerate(wanted) if n == 1 and shape[new + k] != 1)


def not_finite(e):
    """NaN or infinity where the right gradient is finite."""
    if n := int((~np.isfinite(e.A)).sum()):
        return "non-finite", (f"{n} of {e.A.size} elements are NaN or infinite: a division by zero, a logarithm of "
                              "zero, an overflow?")


def not_deterministic(e):
    """The same vjp of the same cotangent, twice."""
    if not np.allclose(e.vjp(e.g), e.A, rtol=1e-10, atol=1e-12):
        return "not deterministic", "the vjp gives another result at every call"


def zero(e):
    """Nothing at all."""
    if not e.A.any() and e.t.any():
        return "zero", f"the gradient of {e.name} is identically zero: is {e.name} treated as a constant?"


def not_linear_in_g(e):
    """x̄ is linear in g, always."""
    if e.linear:
        return None
    twice, back, none, other = (e.vjp(g) for g in (2 * e.g, -e.g, 0 * e.g, e.rng.standard_normal(e.g.shape)))
    if e.same(other, e.A):
        return "upstream", "the upstream gradient g is ignored: x̄ is the same for every g"
    for dtype in (np.float16, np.float32):
        if (e.A.astype(dtype) == e.A).all():
            return "precision", f"the values are rounded to {np.dtype(dtype).name}"
    if np.abs(none).max() > 1e-12:
        return "added", "for g = 0 the gradient is not 0: what is added is not multiplied by the upstream gradient g"
    if e.same(back, e.A):
        form = "g²" if e.same(twice, 4 * e.A) else "|g|, or the absolute value was taken of the result"
        return "upstream", f"g and −g give the same gradient: the upstream gradient enters as {form}"
    if e.same(twice, 4 * e.A):
        return "upstream", "twice g gives four times the gradient: the upstream gradient g is multiplied in twice"
    difference, small = e.a - e.t, np.abs(e.a - e.t).max() < 0.02 * np.abs(e.t).max()
    if e.same(twice, 2 * e.A):
        if e.g.shape == e.x.shape and len(np.unique((e.A / e.g).round(9)[e.g > 0])) <= 2:
            return "region", "the gradient depends on the sign of g: a mask was made of the upstream gradient, not x"
        return "upstream", "the gradient of −g is not the negative of that of g: g is not used linearly"
    if e.t.size > 3 and np.ptp(difference) < e.tolerance:
        return "added", f"{difference.flat[0]:.4g} is added to every element, and it is not linear in g"
    if small and e.mostly_wrong:
        return "precision", "the values are rounded"
    sizes = np.abs(e.a[np.abs(e.a - e.t) > e.tolerance])
    if len(sizes) > 1 and np.ptp(sizes) < 1e-12:
        return "clipped", f"the gradient is clipped at ±{sizes[0]:g}"
    return "upstream", "the gradient is not linear in the upstream gradient g: g is used twice, or not linearly"


def sign(e):
    """a = −t"""
    if e.same(e.a, -e.t):
        return "sign", "every element is −1 times what it should be: the sign is wrong"


def scale(e):
    """a = c t with one number c: a sum for a mean, a forgotten ½."""
    p, q = (e.a, e.t) if e.J_hat is None else (e.J_hat, e.J)
    if p.size < 2 or not q.any():
        return None
    c = float((p * q).sum() / (q * q).sum())
    if abs(c - 1) > 1e-6 and (np.abs(p - c * q) <= 1e-7 * np.abs(q).max()).all():
        if abs(c) < 1e-6:
            return ("zero", "every element is zero, up to rounding") if np.abs(e.A).max() <= e.tolerance else None
        return "scale", f"every element is {c:.6g} times what it should be: {_constant(e, abs(c))}" + \
                        (", and the sign is wrong" if c < 0 else "")


def _constant(e, c):
    """What a constant factor may come from: the length of an axis, most of all."""
    lengths = {}
    for label, v in [("the result", e.y), *((n, x) for n, x in zip(e.names, e.inputs) if n != e.name), (e.name, e.x)]:
        shape = v.shape
        for axes in subsets(range(len(shape))):
            n = int(np.prod([shape[k] for k in axes]))
            lengths.setdefault(n, f"{n}, the number of elements of {label} {along(axes)}")
    for n, text in sorted(lengths.items()):
        if n > 1 and np.isclose(c, n, rtol=1e-6):
            return f"a sum where a mean is meant, not divided by {text}"
        if n > 1 and np.isclose(c, 1 / n, rtol=1e-6):
            return f"a mean where a sum is meant, divided by {text}"
        if n > 2 and np.isclose([c, 1 / c], n / (n - 1), rtol=1e-6).any():
            return f"n − 1 stands where n is meant, or n for n − 1, with n = {text}"
    return f"a constant factor is {'too much' if c > 1 else 'missing'}"


def rounded(e):
    """A small error nearly everywhere."""
    error, size = np.abs(e.a - e.t), np.abs(e.t).max()
    for dtype in (np.float16, np.float32):
        if (e.A.astype(dtype) == e.A).all() and error.max() < 1e-2 * size and (e.A % 0.125).any():
            return "precision", f"the values are rounded to {np.dtype(dtype).name}"
    wrong = error > e.tolerance
    ratios = (e.a / e.t)[wrong]
    unlike = len(ratios) > 1 and (np.ptp(ratios) > 1e-7 or np.abs(ratios - 1).max() < 2e-3)
    if error.max() < 3e-3 * size and unlike and wrong.mean() > 0.3:
        return "precision", (f"right up to {error.max() / size:.0e}: rounding, or a small number (an eps) that is "
                             "missing, too much, or in another place")


HYPOTHESES = (  # in the order in which they are asked: what is certain first, what would fit many things last
    wrong_shape, not_finite, not_deterministic, zero, not_linear_in_g, sign, scale, rounded,
    moves.swapped, parts.diagonal_only, parts.part_of_the_sum, parts.masked_region, parts.wrong_mask,
    parts.missing_factor, parts.missing_local_factor,
    moves.rearranged_result, moves.shifted_with_loss, moves.rearranged_derivative, moves.rearranged_operand,
    parts.missing_skip, parts.missing_constant, parts.missing_mean_term, parts.zero_slices, parts.border, parts.region,
    parts.factor_along_an_axis, moves.misplaced, parts.another_mask, parts.wrong_local_derivative,
)


# --- of a value instead of a gradient, for exercises ---


class _Difference:
    """What the hypotheses that look at values alone need to know: the wrong values `a`, and the right ones, `t`."""

    name, names, inputs, J_hat, local, whole = "the value", (), (), None, None, True

    def __init__(self, got, expected):
        self.a = self.A = got
        self.t = self.x = self.y = expected
        self.tolerance = 1e-7 * (np.abs(expected).max(initial=0.0) or 1.0)

    same, mostly_wrong = Evidence.same, Evidence.mostly_wrong

    def on_grid(self, array):
        return array


def _off_by_a_constant(e):
    difference = e.a - e.t
    if e.t.size > 2 and np.ptp(difference) <= e.tolerance:
        return "added", f"{difference.flat[0]:.6g} is added to every element"


def _simple_ratio(e):
    """Of two numbers: one is a small multiple of the other, or its negative."""
    if e.t.size == 1 and e.t.flat[0]:
        c = float(e.a.flat[0] / e.t.flat[0])
        if np.isclose(c, -1):
            return "sign", "the sign is wrong"
        if any(np.isclose(abs(c), ratio) for n in range(2, 11) for ratio in (n, 1 / n)):
            return "scale", f"it is {c:.4g} times what it should be"


OF_VALUES = (
    _simple_ratio, sign, scale, rounded, _off_by_a_constant, moves.rearranged_result, moves.shifted_with_loss,
    parts.zero_slices, parts.border, parts.factor_along_an_axis, moves.misplaced,
)


def diagnose_value(got, expected):
    """The probable `Cause` why an array `got` is not the array `expected`, which has the same shape."""
    if not np.isfinite(got).all():
        return Cause("non-finite", f"{int((~np.isfinite(got)).sum())} of {got.size} elements are NaN or infinite")
    if not got.any() and expected.any():
        return Cause("zero", "it is identically zero")
    with np.errstate(all="ignore"):
        return _first(OF_VALUES, _Difference(got, expected))
