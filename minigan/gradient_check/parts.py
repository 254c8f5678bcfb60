"""Hypotheses of the diagnosis: a part is wrong, or is missing. A term, a factor, a mask, a border."""

from itertools import combinations, permutations

import numpy as np

from .evidence import along, broadcast_values, proportional, spanned, subsets

__all__ = [
    "another_mask", "border", "diagonal_only", "factor_along_an_axis", "masked_region", "missing_constant",
    "missing_factor", "missing_local_factor", "missing_mean_term", "missing_skip", "part_of_the_sum", "region",
    "wrong_local_derivative", "wrong_mask", "zero_slices",
]


# --- entries of the Jacobian, and terms, that are missing ---


def diagonal_only(e):
    """Only ∂yᵢ/∂xᵢ is used, where y also depends on the other elements of x."""
    if e.matrices and e.x.shape == e.y.shape and e.x.size > 1:
        J, J_hat = e.matrices
        if e.same(J_hat, np.diag(np.diag(J))) and not e.same(J, J_hat):
            return "diagonal", ("only the diagonal of the Jacobian is used: each element of y depends on the other "
                                "elements of x, too (a mean term, a sum)")


def part_of_the_sum(e):
    """Entries are lost, all others are right: contributions that overwrite each other, or a part of g not used."""
    if not e.matrices or e.y.size < 2:
        return None
    J, J_hat = e.matrices
    small = 1e-7 * np.abs(J).max()
    there, kept = np.abs(J) > small, np.abs(J_hat) > small
    if not (np.abs(J_hat - J) <= small)[kept].all() or not (there & ~kept).any() or (kept & ~there).any():
        return None
    places = np.stack(np.unravel_index(np.arange(e.y.size), e.y.shape), axis=1)
    repeated = e.y.ndim - e.x.ndim  # the axes along which x was broadcast come first
    for axes in subsets(range(e.y.ndim)):
        for which, end in (("last", max), ("first", min)):
            at_the_end = (places[:, axes] == end(map(tuple, places[:, axes]))).all(1)
            if (axes[-1] < repeated and (kept == there & at_the_end).all()) or \
                    all((kept[k] == _at_the_end(there[k], places[:, axes], end)).all() for k in range(e.x.size)):
                return "overwritten", (f"of several contributions to an element only the {which} one is counted "
                                       f"({along(axes)} of the result): they overwrite each other where they should "
                                       "add up (+=, np.add.at)")
    if not kept.any(1)[there.any(1)].all():
        return None  # elements of x̄ are zero altogether: a region, or a border
    unused = (there.any(0) & ~kept.any(0)).reshape(e.y.shape)
    if unused.any() and (kept | ~there | unused.ravel()).all():  # no entry is lost but those of unused elements of g
        first, n = ", ".join(map(str, np.argwhere(unused)[0])), int(unused.sum())
        text = f"a part of the upstream gradient is not used: g at ({first})" + (f" and {n - 1} more" if n > 1 else "")
        inner = tuple(slice(1, -1) if n >= 3 else slice(None) for n in e.y.shape)
        if not unused[inner].any() and unused.size > unused[inner].size > 0:
            return "border", f"{text}, all at the border. Does a loop end too early?"
        return "upstream", text


def _at_the_end(there, places, end):
    """Those of the entries that are there whose place, along some axes of y, is the last (or the first) one."""
    return there & (places == np.array(end(map(tuple, places[there])))).all(1) if there.any() else there


def missing_skip(e):
    """a = t − g: where x goes straight to the result, its part of the gradient is forgotten."""
    if e.g.shape == e.x.shape and e.g.size > 2 and not e.local:
        if e.same(e.a + e.on_grid(e.g), e.t):
            return "overwritten", ("exactly g is missing: x goes to the result by two ways, and the gradient of the "
                                   "straight one must be added")
        if e.same(e.a - e.on_grid(e.g), e.t):
            return "added", "exactly g is too much: was the gradient of one way from x to the result added twice?"


def missing_constant(e):
    """a − t = c g: a constant is missing in the derivative, or is too much."""
    for label, v in broadcast_values(e, g=True) if not e.local else ():
        if label.startswith("g") and (c := proportional(e.a - e.t, v)):
            return "added", f"the constant {c:.6g} is added in the derivative, times g"


def missing_mean_term(e):
    """a − t is constant along an axis, or a combination of 1 and x or y there: what a mean or a sum brings."""
    r = e.a - e.t
    if r.size < 4 or e.local:
        return None
    values = [(label, v) for label, v in broadcast_values(e) if np.ptp(v) > 1e-9]
    values += [("exp y", np.exp(v)) for label, v in values if label == "y" and v.max() < 100]
    one = np.ones_like(r)
    bases = [("constant", [one])]
    for label, v in values:
        bases += [(f"proportional to {label}", [v]), (f"a combination of 1 and {label}", [one, v])]
    for text, basis in bases:
        for axes in subsets(range(r.ndim)):
            n = int(np.prod([r.shape[k] for k in axes]))
            to_spare = r.size // n * (n - len(basis))  # numbers that the fit explains, beyond those that it chose
            if n > len(basis) and to_spare >= 3 and spanned(r, basis, axes, e.tolerance) \
                    and not spanned(e.t, basis, axes, e.tolerance):
                return "mean term", (f"what is missing (or too much) is {text} {along(axes)}: a term that a mean or a "
                                     "sum there brings")
    return _mean_over_the_wrong_axis(e, r)


def _mean_over_the_wrong_axis(e, r):
    """a − t, divided by something, is a term for each row plus a term for each column."""
    if r.ndim != 2 or min(r.shape) < 3:
        return None
    for v in (np.ones_like(r), *(v for _, v in broadcast_values(e, g=True))):
        if np.abs(v).min() < 1e-9:
            continue
        q, small = r / v, 1e-6 * np.abs(r / v).max()
        varies = min(np.ptp(q, 0).max(), np.ptp(q, 1).max()) > small
        if varies and _interaction(q) <= small < _interaction(e.t / v):
            return "mean term", "a mean or a sum is missing, or is taken over the wrong axis"


def _interaction(q):
    """What is left of a matrix without the means of its rows and columns."""
    return np.abs(q - q.mean(0) - q.mean(1, keepdims=True) + q.mean()).max()


# --- right here, wrong there ---


def border(e):
    """Right inside, wrong in the first or last slices along an axis, or all around an image."""
    wrong = np.abs(e.a - e.t) > e.tolerance
    if not wrong.any() or wrong.all() or e.t.size < 4:
        return None
    for axis, n in enumerate(wrong.shape):
        others = tuple(k for k in range(wrong.ndim) if k != axis)
        slices = np.flatnonzero(wrong.any(others))
        at_one_end = np.ptp(slices) < len(slices) and slices[0] in (0, n - len(slices))
        ends = set(slices) <= {0, n - 1} or (at_one_end and wrong.ndim > 2 and len(slices) <= n // 3)
        if n >= 3 and len(slices) < n and ends and wrong.mean(others)[slices].mean() > 0.5:
            which = f"wrong only at {', '.join(map(str, slices))} of the indices 0 to {n - 1} along axis {axis}"
            return "border", f"{which}: a border, or a loop that ends too early or too late"
    if wrong.ndim >= 2 and min(wrong.shape[-2:]) >= 3:
        inside = wrong[..., 1:-1, 1:-1]
        if not inside.any() and wrong.sum() > 0.5 * (wrong.size - inside.size):
            return "border", "wrong only at the borders of the image: is the padding right?"


def zero_slices(e):
    """Some indices along an axis get nothing, the others are right, perhaps up to a factor."""
    for axis, n in enumerate(e.t.shape):
        others = tuple(k for k in range(e.t.ndim) if k != axis)
        got, should = np.abs(e.a).max(others), np.abs(e.t).max(others)
        empty, full = np.flatnonzero((got == 0) & (should > e.tolerance)), np.flatnonzero(got)
        if not 0 < len(empty) < n or proportional(e.a.take(full, axis), e.t.take(full, axis)) is None:
            continue
        if len(empty) == n - 1 and full[0] in (0, n - 1):
            which = "first" if full[0] == 0 else "last"
            return "border", f"only the {which} index along axis {axis} gets a gradient, all others get zero"
        in_a_row = np.ptp(empty) < len(empty) and {empty[0], empty[-1]} & {0, n - 1}
        indices = f"index {empty[0]}" if len(empty) == 1 else f"the indices {', '.join(map(str, empty))}"
        return "border" if set(empty) <= {0, n - 1} or in_a_row else "zero", (
            f"no gradient at {indices} along axis {axis}: does a loop leave something out?")


def region(e):
    """Wrong exactly where something is negative, or positive, or the larger one."""
    if e.local:
        d, d_hat, values = e.local
        return _region(np.abs(d - d_hat) > 1e-6 * np.abs(d).max(), values)
    return _region(np.abs(e.a - e.t) > e.tolerance, broadcast_values(e))


def _region(wrong, values):
    if not 1 < wrong.sum() < wrong.size - 1 or wrong.size < 6:
        return None
    sides = [(f"{label} {sign} 0", v < 0 if sign == "<" else v > 0) for label, v in values for sign in "<>"]
    sides += [(f"{label} < {other}", v < w) for (label, v), (other, w) in permutations(values, 2)]
    for text, side in sides:
        if (wrong == side).all():
            return "region", f"wrong only where {text}, right elsewhere: is a mask, or a case, wrong on that side?"


def masked_region(e):
    """A region, where the derivatives take few values: told before a factor is looked for, since 0 and 1 fit many."""
    if e.masks:
        return region(e)


def wrong_mask(e):
    """The local derivatives take two values: two cases that are told apart in another way."""
    if e.masks:
        d, d_hat, values = e.masks
        if np.ptp(d_hat) < 1e-6 and np.abs(d - d_hat).min() < 1e-6:
            return "region", f"the derivative is taken for {d_hat.flat[0]:.4g} everywhere: the mask is missing"
        if np.allclose(d + d_hat, d.min() + d.max()):
            return "region", "the mask is the wrong way round"
        sizes = [(f"|{label}|", np.abs(v)) for label, v in values]
        differences = [(f"{label} − {other}", v - w) for (label, v), (other, w) in combinations(values, 2)]
        for label, v in [*values, *sizes, *differences]:
            if np.ptp(d_hat) > 1e-6 and _told_apart_by(d_hat, v):
                return "region", (f"the derivative takes two values, and the vjp tells them apart by {label}, at the "
                                  "wrong place or with wrong values: the mask is wrong")
    if e.matrices and e.x.size == 1 and e.y.size >= 6:
        there, kept = (np.abs(m.ravel()) > 1e-7 for m in e.matrices)
        for label, v in zip(e.names, e.inputs):
            for s in (1, -1) if v.size == e.y.size else ():
                if (there == (s * v.ravel() > 0)).all() and (kept == (s * v.ravel() < 0)).all():
                    return "region", f"the sum runs over the elements where {label} has the other sign: a wrong mask"


def _told_apart_by(d, v):
    """Is each value that d takes the one for an interval of v?"""
    d = d.ravel()[np.argsort(v, axis=None)].round(6)
    return len(np.unique(d)) == 1 + np.count_nonzero(np.diff(d))


def another_mask(e):
    """The two values of the local derivative, in another arrangement."""
    if e.masks and set(e.masks[1].round(6).flat) <= set(e.masks[0].round(6).flat):
        return "misplaced", "the local derivative takes the right values, but in wrong places: the mask is another one"


# --- factors ---


def _sigma(v):
    return 1 / (1 + np.exp(-v))


FUNCTIONS = (
    ("{}", lambda v: v), ("{}²", np.square), ("1 − {}", lambda v: 1 - v), ("1 − {}²", lambda v: 1 - v * v),
    ("1 + {}²", lambda v: 1 + v * v), ("1 + {}", lambda v: 1 + v), ("{0} (1 − {0})", lambda v: v * (1 - v)),
    ("|{}|", np.abs), ("√{}", np.sqrt), ("exp {}", np.exp), ("exp(−{})", lambda v: np.exp(-v)), ("log {}", np.log),
    ("σ({})", _sigma), ("σ(−{})", lambda v: _sigma(-v)), ("cos {}", np.cos), ("sin {}", np.sin), ("sign {}", np.sign),
)


def missing_factor(e):
    """a φ = t, or a = t φ, for a simple function φ of an argument or of the result, times a constant at most."""
    return _missing_factor(e.a, e.t, broadcast_values(e), e.tolerance) if e.mostly_wrong else None


def missing_local_factor(e):
    """The same of the local derivatives: a factor that stands before a sum."""
    if e.local:
        d, d_hat, values = e.local
        if (np.abs(d_hat - 1) < 1e-7).all() and (np.abs(d - 1) > 1e-6).all() and e.y.size > 1:
            return "factor", "x̄ = g: the local derivative is missing"
        return _missing_factor(d_hat, d, values, 1e-7 * np.abs(d).max())


def _missing_factor(a, t, values, tolerance):
    functions = [(form.format(label), f(v)) for label, v in values for form, f in FUNCTIONS]
    functions = [(label, phi) for label, phi in functions if np.isfinite(phi).all() and np.ptp(phi) > 1e-9]
    for label, phi in functions:
        for p, q, text in ((a * phi, t, "is missing"), (a, t * phi, "is too much")):
            if c := proportional(p, q):
                constant = "" if abs(c - 1) < 1e-6 else f", and a constant, {c:.4g}"
                return "factor", f"the factor {label} {text}{constant}"
    simple = [(label, phi) for label, phi in functions if "(" not in label and " " not in label.replace(" − ", "")]
    for (one, v), (other, w) in permutations(simple, 2):
        if (np.abs(a * w - t * v) <= tolerance).all() and np.abs(v - w).max() > 1e-6:
            return "factor", f"{one} stands where {other} is meant"


def factor_along_an_axis(e):
    """a/t is the same along an axis: a factor that belongs to each row, or each channel."""
    for axes in subsets(range(e.t.ndim))[::-1]:
        n = int(np.prod([e.t.shape[k] for k in axes]))
        varies = np.ptp(e.t, axes).max() > 1e-3 * np.abs(e.t).max()
        some = np.abs(e.a).max(axes).min() > e.tolerance
        if len(axes) < e.t.ndim and varies and some and n >= 3 and spanned(e.a, [e.t], axes, e.tolerance):
            return "factor", f"a factor is missing, or too much, that is the same {along(axes)}"


def wrong_local_derivative(e):
    """Each y gets its part from the right x, but the derivative is that of another function."""
    if e.local and e.x.size > 1:
        d, d_hat, values = e.local
        values = [(label, v) for label, v in values if label != "y"]
        if values and np.ptp(d) > 1e-6:
            k = int(np.argmax(np.abs(d - d_hat)))
            at = ", ".join(f"{label} = {v.ravel()[k]:.4g}" for label, v in values)
            return "factor", (f"the local derivative is wrong: at {at} it is {d.ravel()[k]:.6g}, and the vjp takes it "
                              f"for {d_hat.ravel()[k]:.6g}")
