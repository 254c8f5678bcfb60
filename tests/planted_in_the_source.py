"""Planted bugs as data: mistakes in the vjps of minigan, each by a replacement in one source file.

Every one leaves all forward values as they are. Where an operation is a composition without a vjp of its own (softmax,
mean, max_pool2d, …), the bug is a "fused" version: the same forward values with a vjp of its own, which is wrong.
`guilty` is the operation that the report must name (of a helper without a graph, the one whose vjp it is part of),
`causes` are the codes that fit, () where only "not sure" is honest.
Two helpers that only vjps call (`leak`, `_kept_shape`) have bugs in their bodies; the name says so.
"""

from typing import NamedTuple


class Planted(NamedTuple):
    name: str
    file: str
    old: str
    new: str
    operation: str
    case: str
    arguments: tuple
    guilty: str
    causes: tuple


T, F, C = "tensor.py", "functional.py", "conv.py"

# --- texts of the library that several bugs replace ---

_MUL = "lambda g, y: sum_to(g * b, a.shape), lambda g, y: sum_to(g * a, b.shape))"
_DIV_B = "sum_to(-g * y / b, b.shape)"
_POWER = "g * (p * x ** (p - 1)) if p else g * 0.0"
_MATMUL_A = "sum_to(g @ swapaxes(b, -1, -2), a.shape)"
_MATMUL_B = "sum_to(swapaxes(a, -1, -2) @ g, b.shape)"
_SUM = "broadcast_to(reshape(g, kept), x.shape)"
_BROADCAST = "record(data, (x,), lambda g, y: sum_to(g, x.shape))"
_SUM_TO = "return reshape(sum(x, axes), shape)"
_RESHAPE = "lambda g, y: reshape(g, x.shape))"
_TRANSPOSE = "lambda g, y: transpose(g, *inverse))"
_INDEX = "return record(x.data[idx], (x,), lambda g, y: scatter(g, idx, x.shape))"
_SCATTER = "lambda g, y: index(g, idx))"
_CONCATENATE = "return record(data, xs, *map(vjp, [0, *stops[:-1]], stops))"
_CAST = "lambda g, y: cast(g, x.dtype))"
_EXP = "lambda g, y: g * y)"
_LOG = "lambda g, y: g / x)"
_SQRT = "lambda g, y: g / (2 * y))"
_ABS = "lambda g, y: g * x.xp.sign(x.data))"
_MAXIMUM = 'return where(attempt("maximum", first, value(a, b), value(b, a)), a, b)'
_WHERE_A = "lambda g, y: sum_to(where(mask, g, 0.0), a.shape)"
_WHERE_B = "lambda g, y: sum_to(where(mask, 0.0, g), b.shape)"
_TANH = "lambda g, y: g * (1 - y * y))"
_SIGMOID = "lambda g, y: g * y * (1 - y))"
_SOFTPLUS = "lambda g, y: g * sigmoid(x))"
_LOG_SIGMOID = "return -softplus(-as_tensor(x))"
_RELU = "lambda g, y: leak(g, y, 0.0))"
_LEAKY = "lambda g, y: leak(g, y, slope))"
_LEAK = "lambda h, _: leak(h, y, slope))"
_MEAN = "return total * (total.size / x.size)"
_VAR = "(2 / n) * reshape(g, kept) * (x - mean(x, axis, keepdims=True))"
_SOFTMAX = "return e / sum(e, axis, keepdims=True)"
_LOG_SOFTMAX = "return shifted - log(sum(exp(shifted), axis, keepdims=True))"
_LINEAR = "(x, W, b), lambda g, y: g @ W, lambda g, y: g.T @ x, lambda g, y: sum(g, 0))"
_PAD = "return scatter(x, inside, (*x.shape[:-2], x.shape[-2] + 2 * p, x.shape[-1] + 2 * p))"
_UPSAMPLE = "return transpose(reshape(y, N, factor * H, factor * W, C), 0, 3, 1, 2)"
_CONV_X = "lambda g, y: conv_transpose2d(g, W, None, s, p, rest)"
_CONV_W = "lambda g, y: conv2d_weight(x, g, k, s, p)"
_CONV_B = "lambda g, y: sum(g, (0, 2, 3))"
_CONVT_Y = "lambda g, x: conv2d(g, W, None, s, p)"
_CONVT_W = "lambda g, x: conv2d_weight(g, y, k, s, p)"
_CONVT_B = "lambda g, x: sum(g, (0, 2, 3))"
_CONVW_X = "lambda g, W: conv_transpose2d(y, g, None, s, p, rest)"
_CONVW_Y = "lambda g, W: conv2d(x, g, None, s, p)"
_MAX_POOL = "return index(x, (n, c, xp.clip(i, 0, H - 1), xp.clip(j, 0, W - 1)))"
_AVG_POOL = "return reshape(y, N, C, *y.shape[2:])"


def _fused(old, vjp, inputs="(x,)"):
    """`return E` as `return record((E).data, inputs, vjp)`: the same values, with a vjp of its own."""
    return f"return record(({old.removeprefix('return ')}).data, {inputs}, {vjp})"


_STRIDED = "stride, padding, rectangular"
_TRANSPOSED = "stride, padding, output padding"
_POOLED = "overlapping, padded"

_KEPT = "sum(x, axis, True).shape"  # of a mean's gradient

FIRST_ORDER = [
    # --- add, sub, mul, div, neg, power ---
    Planted("add: the sum over the broadcast axis is forgotten", T,
            "lambda g, y: sum_to(g, b.shape))", "lambda g, y: g)",
            "add", "broadcast", (1,), "add", ("shape",)),
    Planted("add: mean over the broadcast axis for the sum", T,
            "lambda g, y: sum_to(g, b.shape))", "lambda g, y: sum_to(g, b.shape) * (b.size / g.size))",
            "add", "broadcast", (1,), "add", ("scale",)),
    Planted("add: of the repeats of a only the last is counted", T,
            "lambda g, y: sum_to(g, a.shape), lambda g, y: sum_to(g, b.shape))",
            "lambda g, y: g if g.ndim == a.ndim else index(g, -1), lambda g, y: sum_to(g, b.shape))",
            "add", "broadcast", (0,), "add", ("overwritten",)),
    Planted("sub: the minus of b is forgotten", T,
            "lambda g, y: -sum_to(g, b.shape))", "lambda g, y: 1.0 * sum_to(g, b.shape))",
            "sub", "broadcast", (1,), "sub", ("sign",)),
    Planted("sub: a gets the minus as well", T,
            "lambda g, y: sum_to(g, a.shape), lambda g, y: -sum_to(g, b.shape))",
            "lambda g, y: -sum_to(g, a.shape), lambda g, y: -sum_to(g, b.shape))",
            "sub", "broadcast", (0,), "sub", ("sign",)),
    Planted("sub: b's gradient is −1 whatever g is", T,
            "lambda g, y: -sum_to(g, b.shape))", "lambda g, y: -sum_to(Tensor(np.ones_like(y.data)), b.shape))",
            "sub", "broadcast", (1,), "sub", ("upstream",)),
    Planted("mul: g·a for g·b in the gradient of a", T,
            _MUL, "lambda g, y: sum_to(g * a, a.shape), lambda g, y: sum_to(g * a, b.shape))",
            "mul", "broadcast", (0,), "mul", ("swapped", "factor")),
    Planted("mul: g is forgotten in the gradient of b", T,
            _MUL, "lambda g, y: sum_to(g * b, a.shape), lambda g, y: sum_to(broadcast_to(a, y.shape), b.shape))",
            "mul", "broadcast", (1,), "mul", ("upstream",)),
    Planted("mul: 2·g·x for each of two equal factors, so 4·g·x in all", T,
            _MUL, "lambda g, y: sum_to((2 if a is b else 1) * g * b, a.shape),"
            " lambda g, y: sum_to((2 if a is b else 1) * g * a, b.shape))",
            "mul", "by itself", (0,), "mul", ("scale",)),
    Planted("mul: two equal factors, the second's share is lost", T,
            _MUL, "lambda g, y: sum_to(g * b, a.shape), lambda g, y: sum_to(g * a, b.shape) * (0 if a is b else 1))",
            "mul", "by itself", (0,), "mul", ("scale", "overwritten")),
    Planted("div: −g / b² for −g a / b²", T,
            _DIV_B, "sum_to(-g / (b * b), b.shape)",
            "div", "broadcast", (1,), "div", ("factor",)),
    Planted("div: the minus of the quotient rule is forgotten", T,
            _DIV_B, "sum_to(g * y / b, b.shape)",
            "div", "broadcast", (1,), "div", ("sign",)),
    Planted("div: −g a / b for −g a / b²", T,
            _DIV_B, "sum_to(-g * y, b.shape)",
            "div", "broadcast", (1,), "div", ("factor",)),
    Planted("div: g·b for g / b", T,
            "sum_to(g / b, a.shape)", "sum_to(g * b, a.shape)",
            "div", "broadcast", (0,), "div", ("factor",)),
    Planted("div: an epsilon in the denominator", T,
            "sum_to(g / b, a.shape)", "sum_to(g / (b + 1e-5), a.shape)",
            "div", "broadcast", (0,), "div", ("precision",)),
    Planted("neg: g for −g", T,
            "lambda g, y: -g)", "lambda g, y: g)",
            "neg", "", (0,), "neg", ("sign",)),
    Planted("neg: −1 for −g", T,
            "lambda g, y: -g)", "lambda g, y: Tensor(-np.ones_like(y.data)))",
            "neg", "", (0,), "neg", ("upstream",)),
    Planted("power: p xᵖ for p xᵖ⁻¹", T,
            _POWER, "g * (p * x ** p) if p else g * 0.0",
            "power", "p = 3", (0,), "power", ("factor",)),
    Planted("power: xᵖ⁻¹ without the factor p", T,
            _POWER, "g * x ** (p - 1) if p else g * 0.0",
            "power", "p = 3", (0,), "power", ("scale",)),
    Planted("power: the exponent is cut to an integer, −½ to 0", T,
            _POWER, "g * (int(p) * x ** (p - 1)) if p else g * 0.0",
            "power", "p = −½", (0,), "power", ("zero",)),
    Planted("power: |x|ᵖ⁻¹ for xᵖ⁻¹", T,
            _POWER, "g * (p * Tensor(np.abs(x.data)) ** (p - 1)) if p else g * 0.0",
            "power", "p = 2", (0,), "power", ("region", "factor")),

    # --- matmul ---
    Planted("matmul: b is not transposed", T,
            _MATMUL_A, "sum_to(g @ b, a.shape)",
            "matmul", "matrices", (0,), "matmul", ("transposed", "shape")),
    Planted("matmul: gᵀ a for aᵀ g", T,
            _MATMUL_B, "sum_to(swapaxes(g, -1, -2) @ a, b.shape)",
            "matmul", "matrices", (1,), "matmul", ("transposed", "misplaced", "shape")),
    Planted("matmul: the sum over the batch is forgotten", T,
            _MATMUL_B, "swapaxes(a, -1, -2) @ g",
            "matmul", "batched, broadcast", (1,), "matmul", ("shape",)),
    Planted("matmul: mean over the batch for the sum", T,
            _MATMUL_B, "sum_to(swapaxes(a, -1, -2) @ g, b.shape) * (1 / len(g))",
            "matmul", "batched, broadcast", (1,), "matmul", ("scale",)),
    Planted("matmul: only the last matrix of the batch counts", T,
            _MATMUL_B, "index(swapaxes(a, -1, -2) @ g, -1)",
            "matmul", "batched, broadcast", (1,), "matmul", ("overwritten",)),
    Planted("matmul: the two vjps are exchanged", T,
            _MATMUL_A + ",\n                  lambda g, y: " + _MATMUL_B + ")",
            _MATMUL_B + ",\n                  lambda g, y: " + _MATMUL_A + ")",
            "matmul", "matrices", (0, 1), "matmul", ("swapped", "shape")),
    Planted("matmul: b is reversed along its first axis in the gradient of a", T,
            _MATMUL_A, "sum_to(g @ swapaxes(index(b, slice(None, None, -1)), -1, -2), a.shape)",
            "matmul", "vectors", (0,), "matmul", ("flipped",)),

    # --- sum, broadcast_to, sum_to ---
    Planted("sum: the summed axis is not put back before broadcasting", T,
            _SUM, "broadcast_to(g, x.shape)",
            "sum", "one axis", (0,), "sum", ("shape",)),
    Planted("sum: as if it were a mean", T,
            _SUM, "broadcast_to(reshape(g, kept), x.shape) * (g.size / x.size)",
            "sum", "all", (0,), "sum", ("scale",)),
    Planted("sum: ones, g is forgotten", T,
            _SUM, "Tensor(np.ones_like(x.data))",
            "sum", "one axis", (0,), "sum", ("upstream",)),
    Planted("sum: negative axes are not counted from the end (in _kept_shape, which only the vjp uses)", T,
            "axes = {a % len(shape) if shape else a for a in axes}", "axes = set(axes)",
            "sum", "two axes, kept", (0,), "sum", ("shape",)),
    Planted("sum: g's axes in reverse order before it is reshaped", T,
            _SUM, "broadcast_to(reshape(transpose(g), kept), x.shape)",
            "sum", "one axis", (0,), "sum", ("transposed", "misplaced")),
    Planted("broadcast_to: mean over the repeats for the sum", T,
            _BROADCAST, "record(data, (x,), lambda g, y: sum_to(g, x.shape) * (x.size / g.size))",
            "broadcast_to", "", (0,), "broadcast_to", ("scale",)),
    Planted("broadcast_to: only the first repeat is counted", T,
            _BROADCAST, "record(data, (x,), lambda g, y:"
            " index(g, (0,) * (g.ndim - x.ndim) + tuple(slice(0, n) for n in x.shape)))",
            "broadcast_to", "", (0,), "broadcast_to", ("overwritten",)),
    Planted("broadcast_to: sums over the new axes, not over those of size 1", T,
            _BROADCAST, "record(data, (x,), lambda g, y: sum(g, tuple(range(g.ndim - x.ndim))))",
            "broadcast_to", "", (0,), "broadcast_to", ("shape",)),
    Planted("sum_to: the graph is cut, no gradient", T,
            _SUM_TO, "return Tensor(reshape(sum(x, axes), shape).data)",
            "sum_to", "", (0,), "sum_to", ("zero",)),
    Planted("sum_to: g is shared out among the summed elements", T,
            _SUM_TO, _fused(_SUM_TO, "lambda g, y: broadcast_to(g, x.shape) * (g.size / x.size)"),
            "sum_to", "", (0,), "sum_to", ("scale",)),
    Planted("sum_to: ones, g is forgotten", T,
            _SUM_TO, _fused(_SUM_TO, "lambda g, y: Tensor(np.ones_like(x.data))"),
            "sum_to", "", (0,), "sum_to", ("upstream",)),

    # --- reshape, transpose, swapaxes ---
    Planted("reshape: back in column-major order", T,
            _RESHAPE, 'lambda g, y: Tensor(g.data.reshape(x.shape, order="F")))',
            "reshape", "", (0,), "reshape", ("misplaced", "transposed")),
    Planted("reshape: not reshaped back", T,
            _RESHAPE, "lambda g, y: g)",
            "reshape", "", (0,), "reshape", ("shape",)),
    Planted("reshape: g transposed first", T,
            _RESHAPE, "lambda g, y: reshape(transpose(g), x.shape))",
            "reshape", "", (0,), "reshape", ("transposed", "misplaced")),
    Planted("transpose: the same permutation again, not its inverse", T,
            _TRANSPOSE, "lambda g, y: transpose(g, *axes))",
            "transpose", "a cycle", (0,), "transpose", ("transposed", "shape")),
    Planted("transpose: reshaped back instead of permuted back", T,
            _TRANSPOSE, "lambda g, y: reshape(g, x.shape))",
            "transpose", "reversed", (0,), "transpose", ("transposed", "misplaced")),
    Planted("transpose: g is handed on as it is", T,
            _TRANSPOSE, "lambda g, y: g)",
            "transpose", "reversed", (0,), "transpose", ("transposed", "shape")),
    Planted("swapaxes: reshaped back instead of swapped back", T,
            "    axes[i], axes[j] = axes[j], axes[i]\n    return transpose(x, *axes)",
            "    axes[i], axes[j] = axes[j], axes[i]\n"
            "    return record(x.xp.transpose(x.data, axes), (x,), lambda g, y: reshape(g, x.shape))",
            "swapaxes", "", (0,), "swapaxes", ("transposed", "misplaced")),
    Planted("swapaxes: flips the axes it swaps", T,
            "    axes[i], axes[j] = axes[j], axes[i]\n    return transpose(x, *axes)",
            "    axes[i], axes[j] = axes[j], axes[i]\n"
            "    return record(x.xp.transpose(x.data, axes), (x,), lambda g, y:"
            " index(transpose(g, *axes), (slice(None, None, -1), Ellipsis, slice(None, None, -1))))",
            "swapaxes", "", (0,), "swapaxes", ("flipped",)),

    # --- index, scatter, concatenate, cast ---
    Planted("index: repeated elements overwrite each other", T,
            _INDEX, """\
    def vjp(g, y):
        gx = x.xp.zeros(x.shape, dtype=g.dtype)
        gx[idx] = g.data
        return Tensor(gx)

    return record(x.data[idx], (x,), vjp)""".lstrip(),
            "index", "repeated integers", (0,), "index", ("overwritten",)),
    Planted("index: the place the gradient goes to starts at 0", T,
            _INDEX, "return record(x.data[idx], (x,),"
            " lambda g, y: scatter(g, tuple(slice(0, n) for n in g.shape), x.shape))",
            "index", "slices", (0,), "index", ("misplaced", "shifted")),
    Planted("index: a negative step is taken as positive", T,
            _INDEX, "return record(x.data[idx], (x,), lambda g, y:"
            " scatter(g, tuple(slice(i.start, i.stop, abs(i.step or 1)) for i in idx), x.shape))",
            "index", "slices", (0,), "index", ("flipped",)),
    Planted("index: indices counted from 1", T,
            _INDEX, "return record(x.data[idx], (x,), lambda g, y: scatter(g, idx - 1, x.shape))",
            "index", "repeated integers", (0,), "index", ("shifted", "misplaced")),
    Planted("scatter: reads from the corner, not from where it wrote", T,
            _SCATTER, "lambda g, y: index(g, tuple(slice(0, n) for n in x.shape)))",
            "scatter", "slices", (0,), "scatter", ("shifted", "misplaced")),
    Planted("scatter: the indices are sorted", T,
            _SCATTER, "lambda g, y: index(g, np.sort(idx)))",
            "scatter", "repeated integers", (0,), "scatter", ("misplaced",)),
    Planted("scatter: g whole, not indexed", T,
            _SCATTER, "lambda g, y: g)",
            "scatter", "repeated integers", (0,), "scatter", ("shape",)),
    Planted("scatter: g is divided among those that fell on the same place", T,
            _SCATTER, "lambda g, y: index(g, idx) / np.bincount(idx)[idx][:, None])",
            "scatter", "repeated integers", (0,), "scatter", ("factor",)),
    Planted("concatenate: every part is cut from the beginning", T,
            "index(g, (*before, slice(start, stop)))", "index(g, (*before, slice(0, stop - start)))",
            "concatenate", "", (1, 2), "concatenate", ("shifted", "misplaced")),
    Planted("concatenate: parts in reverse order", T,
            _CONCATENATE, "return record(data, xs, *map(vjp, [0, *stops[:-1]][::-1], stops[::-1]))",
            "concatenate", "", (0, 2), "concatenate", ("swapped", "shape")),
    Planted("concatenate: lambdas in a loop, all see the last slice", T,
            _CONCATENATE, "return record(data, xs, *[lambda g, y: index(g, (*before, slice(start, stop)))"
            " for start, stop in zip([0, *stops[:-1]], stops)])",
            "concatenate", "", (0, 1), "concatenate", ("swapped", "shape")),
    Planted("concatenate: cut along the first axis", T,
            "before = (slice(None),) * (axis % data.ndim)", "before = ()",
            "concatenate", "", (0, 1, 2), "concatenate", ("shape",)),
    Planted("cast: g goes through float16", T,
            _CAST, "lambda g, y: cast(cast(g, np.float16), x.dtype))",
            "cast", "", (0,), "cast", ("precision",)),
    Planted("cast: taken for a function without a derivative", T,
            _CAST, "lambda g, y: Tensor(np.zeros_like(x.data)))",
            "cast", "", (0,), "cast", ("zero",)),

    # --- elementwise ---
    Planted("exp: x for y", F, _EXP, "lambda g, y: g * x)",
            "exp", "", (0,), "exp", ("factor",)),
    Planted("exp: y without g", F, _EXP, "lambda g, y: y)",
            "exp", "", (0,), "exp", ("upstream",)),
    Planted("exp: a running sum over the rows, from a buffer that is not cleared", F,
            _EXP, "lambda g, y: as_tensor(x.xp.cumsum((g * y).data, axis=0)))",
            "exp", "", (0,), "exp", ()),
    Planted("exp: y − 1 for y", F, _EXP, "lambda g, y: g * (y - 1))",
            "exp", "", (0,), "exp", ("factor",)),
    Planted("log: g / y for g / x", F, _LOG, "lambda g, y: g / y)",
            "log", "", (0,), "log", ("factor",)),
    Planted("log: the derivative of log₁₀", F, _LOG, "lambda g, y: g / (x * 2.302585092994046))",
            "log", "", (0,), "log", ("scale",)),
    Planted("log: an epsilon in the denominator", F, _LOG, "lambda g, y: g / (x + 1e-5))",
            "log", "", (0,), "log", ("precision",)),
    Planted("sqrt: the 2 is forgotten", F, _SQRT, "lambda g, y: g / y)",
            "sqrt", "", (0,), "sqrt", ("scale",)),
    Planted("sqrt: x for y", F, _SQRT, "lambda g, y: g / (2 * x))",
            "sqrt", "", (0,), "sqrt", ("factor",)),
    Planted("sqrt: y/2 for 1/(2y)", F, _SQRT, "lambda g, y: g * 0.5 * y)",
            "sqrt", "", (0,), "sqrt", ("factor",)),
    Planted("abs: the sign is forgotten", F, _ABS, "lambda g, y: g)",
            "abs", "", (0,), "abs", ("region", "factor")),
    Planted("abs: x for sign x", F, _ABS, "lambda g, y: g * x)",
            "abs", "", (0,), "abs", ("factor",)),
    Planted("abs: |g| for g", F, _ABS, "lambda g, y: as_tensor(x.xp.abs(g.data) * x.xp.sign(x.data)))",
            "abs", "", (0,), "abs", ("upstream",)),
    Planted("maximum: both get the whole gradient", F,
            _MAXIMUM, _fused(_MAXIMUM, "lambda g, y: sum_to(g, a.shape), lambda g, y: sum_to(g, b.shape)", "(a, b)"),
            "maximum", "broadcast", (0, 1), "maximum", ("region",)),
    Planted("maximum: the gradient goes to the smaller one", F,
            _MAXIMUM, _fused(_MAXIMUM, "lambda g, y: sum_to(where(a.data < b.data, g, 0.0), a.shape),"
                             " lambda g, y: sum_to(where(a.data < b.data, 0.0, g), b.shape)", "(a, b)"),
            "maximum", "broadcast", (0, 1), "maximum", ("region", "swapped")),
    Planted("maximum: b is taken for a constant", F,
            _MAXIMUM, 'return where(attempt("maximum", first, value(a, b), value(b, a)), a, value(b, a))',
            "maximum", "broadcast", (1,), "maximum", ("zero",)),
    Planted("maximum: the mask from the signs of a, as if b were 0", F,
            _MAXIMUM, _fused(_MAXIMUM, "lambda g, y: sum_to(where(a.data > 0, g, 0.0), a.shape),"
                             " lambda g, y: sum_to(where(a.data >= b.data, 0.0, g), b.shape)", "(a, b)"),
            "maximum", "broadcast", (0,), "maximum", ("region",)),
    Planted("where: the masks of a and b are exchanged", F,
            _WHERE_A + ",\n                  " + _WHERE_B,
            "lambda g, y: sum_to(where(mask, 0.0, g), a.shape),"
            "\n                  lambda g, y: sum_to(where(mask, g, 0.0), b.shape)",
            "where", "broadcast", (0, 1), "where", ("region", "swapped")),
    Planted("where: a gets g everywhere", F, _WHERE_A, "lambda g, y: sum_to(g, a.shape)",
            "where", "broadcast", (0,), "where", ("region",)),
    Planted("where: b is not summed over the rows it was repeated along", F, _WHERE_B,
            "lambda g, y: where(mask, 0.0, g)",
            "where", "broadcast", (1,), "where", ("shape",)),
    Planted("where: of the rows that b was repeated along the last counts", F, _WHERE_B,
            "lambda g, y: index(where(mask, 0.0, g), -1)",
            "where", "broadcast", (1,), "where", ("overwritten",)),
    Planted("tanh: 1 − y for 1 − y²", F, _TANH, "lambda g, y: g * (1 - y))",
            "tanh", "", (0,), "tanh", ("factor",)),
    Planted("tanh: 1 − x² for 1 − y²", F, _TANH, "lambda g, y: g * (1 - x * x))",
            "tanh", "", (0,), "tanh", ("factor",)),
    Planted("tanh: y² − 1 for 1 − y²", F, _TANH, "lambda g, y: g * (y * y - 1))",
            "tanh", "", (0,), "tanh", ("sign",)),
    Planted("tanh: g is forgotten", F, _TANH, "lambda g, y: 1 - y * y)",
            "tanh", "", (0,), "tanh", ("upstream",)),
    Planted("tanh: gradient noise left in", F, _TANH,
            "lambda g, y: g * (1 - y * y) + 0.3 * __import__('numpy').random.standard_normal(x.shape))",
            "tanh", "", (0,), "tanh", ("not deterministic",)),
    Planted("sigmoid: the factor 1 − y is missing", F, _SIGMOID, "lambda g, y: g * y)",
            "sigmoid", "", (0,), "sigmoid", ("factor",)),
    Planted("sigmoid: x (1 − x) for y (1 − y)", F, _SIGMOID, "lambda g, y: g * x * (1 - x))",
            "sigmoid", "", (0,), "sigmoid", ("factor",)),
    Planted("sigmoid: g² for g, multiplied in twice", F, _SIGMOID, "lambda g, y: g * y * (1 - y) * g)",
            "sigmoid", "", (0,), "sigmoid", ("upstream", "factor")),
    Planted("sigmoid: y (y − 1)", F, _SIGMOID, "lambda g, y: g * y * (y - 1))",
            "sigmoid", "", (0,), "sigmoid", ("sign",)),
    Planted("softplus: σ(−x) for σ(x)", F, _SOFTPLUS, "lambda g, y: g * sigmoid(-x))",
            "softplus", "", (0,), "softplus", ("factor",)),
    Planted("softplus: σ(y) for σ(x)", F, _SOFTPLUS, "lambda g, y: g * sigmoid(y))",
            "softplus", "", (0,), "softplus", ("factor",)),
    Planted("softplus: a difference quotient with too large a step for σ", F, _SOFTPLUS,
            "lambda g, y: g * as_tensor((xp.log1p(xp.exp(x.data + 1e-3)) - xp.log1p(xp.exp(x.data))) / 1e-3))",
            "softplus", "", (0,), "softplus", ("precision",)),
    Planted("log_sigmoid: σ(x) for σ(−x)", F,
            _LOG_SIGMOID, "x = as_tensor(x)\n    "
            + _fused(_LOG_SIGMOID, "lambda g, y: g * sigmoid(x)"),
            "log_sigmoid", "", (0,), "log_sigmoid", ("factor",)),
    Planted("log_sigmoid: the inner minus is not differentiated", F,
            _LOG_SIGMOID, "x = as_tensor(x)\n    "
            + _fused(_LOG_SIGMOID, "lambda g, y: -g * sigmoid(-x)"),
            "log_sigmoid", "", (0,), "log_sigmoid", ("sign",)),
    Planted("log_sigmoid: 1 − y, as if y were σ(x)", F,
            _LOG_SIGMOID, "x = as_tensor(x)\n    "
            + _fused(_LOG_SIGMOID, "lambda g, y: g * (1 - y)"),
            "log_sigmoid", "", (0,), "log_sigmoid", ("factor",)),
    Planted("relu: the mask from g", F, _RELU, "lambda g, y: leak(g, g, 0.0))",
            "relu", "", (0,), "relu", ("upstream", "region")),
    Planted("relu: the mask y ≥ 0, which is always true", F, _RELU, "lambda g, y: g * (y.data >= 0))",
            "relu", "", (0,), "relu", ("region",)),
    Planted("relu: multiplied by y for [y > 0]", F, _RELU, "lambda g, y: g * y)",
            "relu", "", (0,), "relu", ("factor",)),
    Planted("relu: the mask x < 0", F, _RELU, "lambda g, y: g * (x.data < 0))",
            "relu", "", (0,), "relu", ("region",)),
    Planted("leaky_relu: the slope is forgotten, as in relu", F, _LEAKY, "lambda g, y: leak(g, y, 0.0))",
            "leaky_relu", "", (0,), "leaky_relu", ("region",)),
    Planted("leaky_relu: the slope on the positive side", F, _LEAKY, "lambda g, y: leak(g, -y, slope))",
            "leaky_relu", "", (0,), "leaky_relu", ("region",)),
    Planted("leaky_relu: the slope on both sides", F, _LEAKY, "lambda g, y: g * slope)",
            "leaky_relu", "", (0,), "leaky_relu", ("region",)),
    Planted("leak: 1 − slope for the slope (in leak's body, which only vjps call)", F,
            "    factor += slope\n", "    factor += slope * (1 - 2 * slope)\n",
            "leaky_relu", "", (0,), "leaky_relu", ("region",)),  # leak itself still agrees with its own vjp
    Planted("leak: the gradient in g without the mask", F, _LEAK, "lambda h, _: h)",
            "leak", "linear in g", (0,), "leak", ("region",)),
    Planted("leak: the mask from h", F, _LEAK, "lambda h, _: leak(h, h, slope))",
            "leak", "linear in g", (0,), "leak", ("upstream", "region")),
    Planted("leak: no gradient in g", F, _LEAK, "lambda h, _: h * 0.0)",
            "leak", "linear in g", (0,), "leak", ("zero",)),

    # --- over axes ---
    Planted("mean: the 1/n is forgotten", F,
            _MEAN, _fused(_MEAN, f"lambda g, y: broadcast_to(reshape(g, {_KEPT}), x.shape)"),
            "mean", "one axis", (0,), "mean", ("scale",)),
    Planted("mean: divided by all elements, not by those of the axis", F,
            _MEAN, _fused(_MEAN, f"lambda g, y: broadcast_to(reshape(g, {_KEPT}), x.shape) * (1 / x.size)"),
            "mean", "one axis", (0,), "mean", ("scale",)),
    Planted("mean: the axis is not put back", F,
            _MEAN, _fused(_MEAN, "lambda g, y: broadcast_to(g, x.shape) * (total.size / x.size)"),
            "mean", "one axis", (0,), "mean", ("shape",)),
    Planted("mean: 1/n, g is forgotten", F,
            _MEAN, _fused(_MEAN, "lambda g, y: as_tensor(x.xp.full(x.shape, total.size / x.size))"),
            "mean", "one axis", (0,), "mean", ("upstream",)),
    Planted("var: x for x − mean x", F, _VAR, "(2 / n) * reshape(g, kept) * x",
            "var", "two axes, kept", (0,), "var", ("mean term",)),
    Planted("var: the mean of all elements", F, _VAR, "(2 / n) * reshape(g, kept) * (x - mean(x))",
            "var", "two axes, kept", (0,), "var", ("mean term",)),
    Planted("var: the 2 is forgotten", F, _VAR, "(1 / n) * reshape(g, kept) * (x - mean(x, axis, keepdims=True))",
            "var", "two axes, kept", (0,), "var", ("scale",)),
    Planted("var: n − 1 for n", F, _VAR, "(2 / (n - 1)) * reshape(g, kept) * (x - mean(x, axis, keepdims=True))",
            "var", "two axes, kept", (0,), "var", ("scale",)),
    Planted("var: mean x − x", F, _VAR, "(2 / n) * reshape(g, kept) * (mean(x, axis, keepdims=True) - x)",
            "var", "two axes, kept", (0,), "var", ("sign",)),
    Planted("softmax: the normaliser is taken for a constant", F,
            _SOFTMAX, "return e / sum(e, axis, keepdims=True).data",
            "softmax", "", (0,), "softmax", ("mean term", "cut")),
    Planted("softmax: only the diagonal of the Jacobian", F,
            _SOFTMAX, _fused(_SOFTMAX, "lambda g, y: g * y * (1 - y)"),
            "softmax", "", (0,), "softmax", ("mean term", "factor")),
    Planted("softmax: the sum over all axes in the projection", F,
            _SOFTMAX, _fused(_SOFTMAX, "lambda g, y: y * (g - sum(g * y))"),
            "softmax", "", (0,), "softmax", ("mean term",)),
    Planted("softmax: mean of g subtracted for Σ g y", F,
            _SOFTMAX, _fused(_SOFTMAX, "lambda g, y: y * (g - mean(g, axis, keepdims=True))"),
            "softmax", "", (0,), "softmax", ("mean term",)),
    Planted("softmax: the leading y is forgotten", F,
            _SOFTMAX, _fused(_SOFTMAX, "lambda g, y: g - sum(g * y, axis, keepdims=True)"),
            "softmax", "", (0,), "softmax", ("factor",)),
    Planted("log_softmax: only g, the term of the normaliser is missing", F,
            _LOG_SOFTMAX, _fused(_LOG_SOFTMAX, "lambda g, y: g"),
            "log_softmax", "", (0,), "log_softmax", ("mean term",)),
    Planted("log_softmax: y Σ g for eʸ Σ g", F,
            _LOG_SOFTMAX, _fused(_LOG_SOFTMAX, "lambda g, y: g - y * sum(g, axis, keepdims=True)"),
            "log_softmax", "", (0,), "log_softmax", ("mean term", "factor")),
    Planted("log_softmax: g − eʸ, right only for one-hot labels", F,
            _LOG_SOFTMAX, _fused(_LOG_SOFTMAX, "lambda g, y: g - exp(y)"),
            "log_softmax", "", (0,), "log_softmax", ("upstream", "mean term", "added")),

    # --- linear ---
    Planted("linear: W's gradient as a mean over the batch", F,
            _LINEAR, "(x, W, b), lambda g, y: g @ W, lambda g, y: g.T @ x * (1 / len(x)), lambda g, y: sum(g, 0))",
            "linear", "with bias", (1,), "linear", ("scale",)),
    Planted("linear: W's gradient not transposed", F,
            _LINEAR, "(x, W, b), lambda g, y: g @ W, lambda g, y: x.T @ g, lambda g, y: sum(g, 0))",
            "linear", "with bias", (1,), "linear", ("transposed", "shape")),
    Planted("linear: W's gradient not transposed, then reshaped", F,
            _LINEAR, "(x, W, b), lambda g, y: g @ W, lambda g, y: reshape(x.T @ g, W.shape), lambda g, y: sum(g, 0))",
            "linear", "three axes", (1,), "linear", ("transposed", "misplaced")),
    Planted("linear: g Wᵀ for g W", F,
            _LINEAR, "(x, W, b), lambda g, y: g @ W.T, lambda g, y: g.T @ x, lambda g, y: sum(g, 0))",
            "linear", "with bias", (0,), "linear", ("transposed", "shape")),
    Planted("linear: the bias is summed over the outputs, not over the batch", F,
            _LINEAR, "(x, W, b), lambda g, y: g @ W, lambda g, y: g.T @ x, lambda g, y: sum(g, 1))",
            "linear", "with bias", (2,), "linear", ("shape",)),
    Planted("linear: the bias gets the first example's gradient only", F,
            _LINEAR, "(x, W, b), lambda g, y: g @ W, lambda g, y: g.T @ x, lambda g, y: index(g, 0))",
            "linear", "with bias", (2,), "linear", ("overwritten",)),
    Planted("linear: the bias is not among the inputs", F,
            _LINEAR, "(x, W), lambda g, y: g @ W, lambda g, y: g.T @ x)",
            "linear", "three axes", (2,), "linear", ("zero",)),
    Planted("linear: the batch of x one example late against g", F,
            _LINEAR, "(x, W, b), lambda g, y: g @ W, lambda g, y: g.T @ as_tensor(x.xp.roll(x.data, 1, 0)),"
            " lambda g, y: sum(g, 0))",
            "linear", "three axes", (1,), "linear", ("shifted",)),

    # --- images ---
    Planted("pad2d: crops at the corner, not at the padding", F,
            _PAD, _fused(_PAD, "lambda g, y: index(g, (Ellipsis, slice(0, x.shape[-2]), slice(0, x.shape[-1])))"),
            "pad2d", "", (0,), "pad2d", ("shifted",)),
    Planted("pad2d: g is not cropped", F,
            _PAD, _fused(_PAD, "lambda g, y: g"),
            "pad2d", "", (0,), "pad2d", ("shape",)),
    Planted("pad2d: the pixels beside the padding get nothing", F,
            _PAD, "edge = x.xp.zeros(x.shape[-2:], dtype=x.dtype)\n    edge[p:-p, p:-p] = 1\n    "
            + _fused(_PAD, "lambda g, y: index(g, inside) * edge"),
            "pad2d", "", (0,), "pad2d", ("border",)),
    Planted("upsample2d: mean over each block for the sum", F,
            _UPSAMPLE, _fused(_UPSAMPLE, "lambda g, y: mean(reshape(g, N, C, H, factor, W, factor), (3, 5))"),
            "upsample2d", "", (0,), "upsample2d", ("scale",)),
    Planted("upsample2d: the first pixel of each block only", F,
            _UPSAMPLE, _fused(_UPSAMPLE, "lambda g, y: index(g, (Ellipsis, slice(None, None, factor),"
                              " slice(None, None, factor)))"),
            "upsample2d", "", (0,), "upsample2d", ("overwritten",)),
    Planted("upsample2d: summed as if the image had been tiled", F,
            _UPSAMPLE, _fused(_UPSAMPLE, "lambda g, y: sum(reshape(g, N, C, factor, H, factor, W), (2, 4))"),
            "upsample2d", "", (0,), "upsample2d", ("misplaced",)),
    Planted("upsample2d: the pixels of a block weighted as in a bilinear kernel", F,
            _UPSAMPLE, "weights = [[2.25, 0.75], [0.75, 0.25]]\n    "
            + _fused(_UPSAMPLE, "lambda g, y: sum(reshape(g, N, C, H, factor, W, factor)"
                     " * x.xp.array(weights).reshape(1, 1, 1, 2, 1, 2), (3, 5))"),
            "upsample2d", "", (0,), "upsample2d", ()),

    # --- convolution ---
    Planted("conv2d: the kernel is flipped in x's gradient", C,
            _CONV_X, "lambda g, y: conv_transpose2d(g,"
            " index(W, (Ellipsis, slice(None, None, -1), slice(None, None, -1))), None, s, p, rest)",
            "conv2d", _STRIDED, (0,), "conv2d", ("flipped",)),
    Planted("conv2d: the padding is forgotten in x's gradient", C,
            _CONV_X, "lambda g, y: conv_transpose2d(g, W, None, s, 0, rest)",
            "conv2d", _STRIDED, (0,), "conv2d", ("shape",)),
    Planted("conv2d: the rows left over are forgotten in x's gradient", C,
            _CONV_X, "lambda g, y: conv_transpose2d(g, W, None, s, p)",
            "conv2d", "rows left over", (0,), "conv2d", ("shape", "border")),
    Planted("conv2d: the last column of x gets nothing", C,
            _CONV_X, "lambda g, y: conv_transpose2d(g, W, None, s, p, rest) * (np.arange(x.shape[3]) < x.shape[3] - 1)",
            "conv2d", _STRIDED, (0,), "conv2d", ("border",)),
    Planted("conv2d: W's gradient without g", C,
            _CONV_W, "lambda g, y: conv2d_weight(x, np.ones_like(y.data), k, s, p)",
            "conv2d", _STRIDED, (1,), "conv2d", ("upstream",)),
    Planted("conv2d: W's gradient comes out flipped", C,
            _CONV_W, "lambda g, y: index(conv2d_weight(x, g, k, s, p),"
            " (Ellipsis, slice(None, None, -1), slice(None, None, -1)))",
            "conv2d", _STRIDED, (1,), "conv2d", ("flipped",)),
    Planted("conv2d: W's gradient from the last image only", C,
            _CONV_W, "lambda g, y: conv2d_weight(index(x, slice(-1, None)), index(g, slice(-1, None)), k, s, p)",
            "conv2d", _STRIDED, (1,), "conv2d", ("overwritten",)),
    Planted("conv2d: all the padding before the image in W's gradient", C,
            _CONV_W, "lambda g, y: conv2d_weight(as_tensor(np.pad(x.data, ((0, 0), (0, 0),"
            " (2 * p[0], 0), (2 * p[1], 0)))), g, k, s, 0)",
            "conv2d", _STRIDED, (1,), "conv2d", ("shifted", "border")),
    Planted("conv2d: W's gradient in half precision", C,
            _CONV_W, "lambda g, y: conv2d_weight(as_tensor(x.data.astype(np.float16).astype(x.dtype)), g, k, s, p)",
            "conv2d", "rows left over", (1,), "conv2d", ("precision",)),
    Planted("conv2d: the bias as a mean over the batch", C,
            _CONV_B, "lambda g, y: sum(g, (0, 2, 3)) * (1 / len(g))",
            "conv2d", _STRIDED, (2,), "conv2d", ("scale",)),
    Planted("conv2d: the bias is summed over one image axis only", C,
            _CONV_B, "lambda g, y: sum(g, (0, 2))",
            "conv2d", _STRIDED, (2,), "conv2d", ("shape",)),
    Planted("conv2d: every second row of x gets nothing", C,
            _CONV_X,
            "lambda g, y: conv_transpose2d(g, W, None, s, p, rest) * (np.arange(x.shape[2]) % 2 == 0)[:, None]",
            "conv2d", _STRIDED, (0,), "conv2d", ("zero",)),
    Planted("conv_transpose2d: the kernel's rows are reversed", C,
            _CONVT_Y, "lambda g, x: conv2d(g, index(W, (slice(None), slice(None), slice(None, None, -1))), None, s, p)",
            "conv_transpose2d", _TRANSPOSED, (0,), "conv_transpose2d", ("flipped",)),
    Planted("conv_transpose2d: the stride is forgotten", C,
            _CONVT_Y, "lambda g, x: conv2d(g, W, None, 1, p)",
            "conv_transpose2d", _TRANSPOSED, (0,), "conv_transpose2d", ("shape",)),
    Planted("conv_transpose2d: the output padding is cut off at the beginning", C,
            _CONVT_Y,
            "lambda g, x: conv2d(index(g, (Ellipsis, slice(op[0], None), slice(op[1], None))), W, None, s, p)",
            "conv_transpose2d", _TRANSPOSED, (0,), "conv_transpose2d", ("shifted",)),
    Planted("conv_transpose2d: g and y exchanged in W's gradient", C,
            _CONVT_W, "lambda g, x: conv2d_weight(y, g, k, s, p)",
            "conv_transpose2d", _TRANSPOSED, (1,), "conv_transpose2d", ("swapped", "shape")),
    Planted("conv_transpose2d: W's gradient as a mean over the batch", C,
            _CONVT_W, "lambda g, x: conv2d_weight(g, y, k, s, p) * (1 / len(y))",
            "conv_transpose2d", _TRANSPOSED, (1,), "conv_transpose2d", ("scale",)),
    Planted("conv_transpose2d: the channels of g are reversed in W's gradient", C,
            _CONVT_W, "lambda g, x: conv2d_weight(index(g, (slice(None), slice(None, None, -1))), y, k, s, p)",
            "conv_transpose2d", _TRANSPOSED, (1,), "conv_transpose2d", ("flipped", "misplaced")),
    Planted("conv_transpose2d: the bias gets zeros", C,
            _CONVT_B, "lambda g, x: as_tensor(np.zeros_like(b.data))",
            "conv_transpose2d", _TRANSPOSED, (2,), "conv_transpose2d", ("zero",)),
    Planted("conv_transpose2d: the output padding is left out of the bias's sum", C,
            _CONVT_B, "lambda g, x: sum(index(g, (Ellipsis, slice(0, g.shape[2] - op[0]),"
            " slice(0, g.shape[3] - op[1]))), (0, 2, 3))",
            "conv_transpose2d", _TRANSPOSED, (2,), "conv_transpose2d", ("upstream", "border")),
    Planted("conv2d_weight: y and g exchanged in x's gradient", C,
            _CONVW_X, "lambda g, W: conv_transpose2d(g, y, None, s, p, rest)",
            "conv2d_weight", _STRIDED, (0,), "conv2d_weight", ("swapped", "shape")),
    Planted("conv2d_weight: x's gradient without g", C,
            _CONVW_X, "lambda g, W: conv_transpose2d(y, np.ones_like(W.data), None, s, p, rest)",
            "conv2d_weight", _STRIDED, (0,), "conv2d_weight", ("upstream",)),
    Planted("conv2d_weight: padding in the other order in x's gradient", C,
            _CONVW_X, "lambda g, W: conv_transpose2d(y, g, None, s, p[::-1], rest)",
            "conv2d_weight", _STRIDED, (0,), "conv2d_weight", ("shape",)),
    Planted("conv2d_weight: a true convolution, the kernel flipped, in y's gradient", C,
            _CONVW_Y, "lambda g, W: conv2d(x, index(g, (Ellipsis, slice(None, None, -1), slice(None, None, -1))),"
            " None, s, p)",
            "conv2d_weight", _STRIDED, (1,), "conv2d_weight", ("flipped",)),
    Planted("conv2d_weight: windows that touch the padding are left out of y's gradient", C,
            _CONVW_Y, "lambda g, W: as_tensor(np.pad(conv2d(x, g, None, s, 0).data,"
            " ((0, 0), (0, 0), (p[0], p[0]), (p[1], p[1]))))",
            "conv2d_weight", _STRIDED, (1,), "conv2d_weight", ("border",)),

    # --- pooling ---
    Planted("max_pool2d: overlapping windows overwrite each other", C,
            _MAX_POOL, """\
    def vjp(g, y):
        gx = xp.zeros(x.shape, dtype=g.dtype)
        gx[n, c, xp.clip(i, 0, H - 1), xp.clip(j, 0, W - 1)] = g.data
        return as_tensor(gx)

    """.lstrip() + _fused(_MAX_POOL, "vjp"),
            "max_pool2d", _POOLED, (0,), "max_pool2d", ("overwritten",)),
    Planted("max_pool2d: the padding is not subtracted from the places", C,
            _MAX_POOL, """\
    def vjp(g, y):
        gx = xp.zeros(x.shape, dtype=g.dtype)
        xp.add.at(gx, (n, c, xp.clip(i + p[0], 0, H - 1), xp.clip(j + p[1], 0, W - 1)), g.data)
        return as_tensor(gx)

    """.lstrip() + _fused(_MAX_POOL, "vjp"),
            "max_pool2d", _POOLED, (0,), "max_pool2d", ("shifted", "misplaced")),
    Planted("max_pool2d: row and column within the window exchanged", C,
            _MAX_POOL, """\
    def vjp(g, y):
        gx = xp.zeros(x.shape, dtype=g.dtype)
        row, column = i - best // k[1] + best % k[1], j - best % k[1] + best // k[1]
        xp.add.at(gx, (n, c, xp.clip(row, 0, H - 1), xp.clip(column, 0, W - 1)), g.data)
        return as_tensor(gx)

    """.lstrip() + _fused(_MAX_POOL, "vjp"),
            "max_pool2d", _POOLED, (0,), "max_pool2d", ("misplaced", "transposed")),
    Planted("max_pool2d: the gradient is spread over the window, as in average pooling", C,
            _MAX_POOL, _fused(_MAX_POOL, "lambda g, y: reshape(conv_transpose2d(reshape(g, N * C, 1, OH, OW),"
                              " xp.full((1, 1, *k), 1 / (k[0] * k[1])), None, s, p), N, C, H, W)"),
            "max_pool2d", _POOLED, (0,), "max_pool2d", ()),
    Planted("avg_pool2d: not divided by the window's size", C,
            _AVG_POOL, _fused(_AVG_POOL, "lambda g, y: reshape(conv_transpose2d(reshape(g, N * C, 1, *g.shape[2:]),"
                              " x.xp.ones_like(mean), None, s, p, ((H + 2 * p[0] - k[0]) % s[0],"
                              " (W + 2 * p[1] - k[1]) % s[1])), N, C, H, W)", "(x,)"),
            "avg_pool2d", _POOLED, (0,), "avg_pool2d", ("scale",)),
    Planted("avg_pool2d: divided by the pixels inside the image, not by the window's size", C,
            _AVG_POOL, "inside = conv2d(x.xp.ones((1, 1, H, W), dtype=x.dtype), mean, None, s, p).data\n    "
            + _fused(_AVG_POOL, "lambda g, y: reshape(conv_transpose2d(reshape(g / inside, N * C, 1, *g.shape[2:]),"
                     " mean, None, s, p, ((H + 2 * p[0] - k[0]) % s[0],"
                     " (W + 2 * p[1] - k[1]) % s[1])), N, C, H, W)", "(x,)"),
            "avg_pool2d", _POOLED, (0,), "avg_pool2d", ("border",)),
    Planted("avg_pool2d: overlapping windows, the last one to write wins", C,
            _AVG_POOL, """\
    rows, columns = y.shape[2:]

    def vjp(g, _):
        gx = x.xp.zeros((N, C, H + 2 * p[0], W + 2 * p[1]), dtype=g.dtype)
        for i in range(rows):
            for j in range(columns):
                window = (Ellipsis, slice(i * s[0], i * s[0] + k[0]), slice(j * s[1], j * s[1] + k[1]))
                gx[window] = g.data[:, :, i:i + 1, j:j + 1] / (k[0] * k[1])
        return as_tensor(gx[:, :, p[0]:p[0] + H, p[1]:p[1] + W])

    """.lstrip() + _fused(_AVG_POOL, "vjp"),
            "avg_pool2d", _POOLED, (0,), "avg_pool2d", ("overwritten",)),
    Planted("avg_pool2d: everything to the largest pixel, as in max pooling", C,
            _AVG_POOL, """\
    rows, columns = y.shape[2:]

    def vjp(g, _):
        gx = x.xp.zeros((N, C, H + 2 * p[0], W + 2 * p[1]), dtype=g.dtype)
        padded = np.pad(x.data, ((0, 0), (0, 0), (p[0], p[0]), (p[1], p[1])))
        for i in range(rows):
            for j in range(columns):
                window = (Ellipsis, slice(i * s[0], i * s[0] + k[0]), slice(j * s[1], j * s[1] + k[1]))
                largest = padded[window] == padded[window].max(axis=(2, 3), keepdims=True)
                gx[window] += largest * g.data[:, :, i:i + 1, j:j + 1]
        return as_tensor(gx[:, :, p[0]:p[0] + H, p[1]:p[1] + W])

    """.lstrip() + _fused(_AVG_POOL, "vjp"),
            "avg_pool2d", _POOLED, (0,), "avg_pool2d", ()),
]

SECOND_ORDER = [
    # --- raw arrays and detach ---
    Planted("exp: y.data", F, _EXP, "lambda g, y: g * y.data)",
            "exp", "", (), "exp", ("detached",)),
    Planted("log: x.data", F, _LOG, "lambda g, y: g / x.data)",
            "log", "", (), "log", ("detached",)),
    Planted("sqrt: y.detach()", F, _SQRT, "lambda g, y: g / (2 * y.detach()))",
            "sqrt", "", (), "sqrt", ("detached",)),
    Planted("sqrt: everything on arrays", F, _SQRT, "lambda g, y: as_tensor(g.data / (2 * y.data)))",
            "sqrt", "", (), "sqrt", ("detached", "zero")),
    Planted("tanh: 1 − y.data²", F, _TANH, "lambda g, y: g * (1 - y.data * y.data))",
            "tanh", "", (), "tanh", ("detached",)),
    Planted("tanh: one of the two y in y·y is detached", F, _TANH, "lambda g, y: g * (1 - y * y.detach()))",
            "tanh", "", (), "tanh", ("detached", "scale")),
    Planted("sigmoid: 1 − y.data", F, _SIGMOID, "lambda g, y: g * y * (1 - y.data))",
            "sigmoid", "", (), "sigmoid", ("detached",)),
    Planted("sigmoid: the vjp under no_grad", F, _SIGMOID, """\
vjp)


def vjp(g, y):
    from .tensor import no_grad

    with no_grad():
        return g * y * (1 - y)""",
            "sigmoid", "", (), "sigmoid", ("detached", "zero")),
    Planted("softplus: σ(x.data)", F, _SOFTPLUS, "lambda g, y: g * sigmoid(x.data))",
            "softplus", "", (), "softplus", ("detached",)),
    Planted("log_sigmoid: fused, σ(−x.data)", F,
            _LOG_SIGMOID, "x = as_tensor(x)\n    " + _fused(_LOG_SIGMOID, "lambda g, y: g * sigmoid(-x.data)"),
            "log_sigmoid", "", (), "log_sigmoid", ("detached",)),
    Planted("power: x.data to the power p − 1", T, _POWER, "g * (p * x.data ** (p - 1)) if p else g * 0.0",
            "power", "p = 3", (), "power", ("detached",)),
    Planted("power: x detached, and −½", T, _POWER, "g * (p * x.detach() ** (p - 1)) if p else g * 0.0",
            "power", "p = −½", (), "power", ("detached",)),
    Planted("mul: b's values in a's gradient", T, _MUL,
            "lambda g, y: sum_to(g * value(b, a), a.shape), lambda g, y: sum_to(g * a, b.shape))",
            "mul", "broadcast", (), "mul", ("detached",)),
    Planted("mul: values on both sides, of x·x", T, _MUL,
            "lambda g, y: sum_to(g * value(b, a), a.shape), lambda g, y: sum_to(g * value(a, b), b.shape))",
            "mul", "by itself", (), "mul", ("detached",)),
    Planted("div: b's values in a's gradient", T, "sum_to(g / b, a.shape)", "sum_to(g / value(b, a), a.shape)",
            "div", "broadcast", (), "div", ("detached",)),
    Planted("div: y.data in b's gradient", T, _DIV_B, "sum_to(-g * y.data / b, b.shape)",
            "div", "broadcast", (), "div", ("detached",)),
    Planted("neg: g detached", T, "lambda g, y: -g)", "lambda g, y: -g.detach())",
            "neg", "", (), "neg", ("detached", "zero", "upstream")),
    Planted("matmul: b's values", T, _MATMUL_A, "sum_to(g @ swapaxes(value(b, a), -1, -2), a.shape)",
            "matmul", "matrices", (), "matmul", ("detached",)),
    Planted("matmul: g detached in b's gradient", T, _MATMUL_B,
            "sum_to(swapaxes(a, -1, -2) @ g.detach(), b.shape)",
            "matmul", "batched, broadcast", (), "matmul", ("detached", "upstream")),
    Planted("sum: broadcast on arrays", T, _SUM, "Tensor(np.broadcast_to(g.data.reshape(kept), x.shape))",
            "sum", "two axes, kept", (), "sum", ("detached", "zero", "upstream")),
    Planted("reshape: on arrays", T, _RESHAPE, "lambda g, y: Tensor(g.data.reshape(x.shape)))",
            "reshape", "", (), "reshape", ("detached", "zero", "upstream")),
    Planted("index: add.at on arrays", T, _INDEX, """\
    def vjp(g, y):
        gx = x.xp.zeros(x.shape, dtype=g.dtype)
        x.xp.add.at(gx, idx, g.data)
        return Tensor(gx)

    return record(x.data[idx], (x,), vjp)""".lstrip(),
            "index", "repeated integers", (), "index", ("detached", "zero", "upstream")),
    Planted("concatenate: slices of the array", T, "index(g, (*before, slice(start, stop)))",
            "Tensor(g.data[(*before, slice(start, stop))])",
            "concatenate", "", (), "concatenate", ("detached", "zero", "upstream")),
    Planted("where: b's gradient on arrays", F, _WHERE_B, "lambda g, y: sum_to(as_tensor(g.data * ~mask), b.shape)",
            "where", "broadcast", (), "where", ("detached", "zero", "upstream")),
    Planted("var: the mean taken as a number", F, _VAR,
            "(2 / n) * reshape(g, kept) * (x - mean(x, axis, keepdims=True).data)",
            "var", "two axes, kept", (), "var", ("detached", "mean term")),
    Planted("var: the deviations kept from the forward", F, _VAR,
            "(2 / n) * reshape(g, kept) * (x.data - mean(x, axis, keepdims=True).data)",
            "var", "two axes, kept", (), "var", ("detached",)),
    Planted("softmax: fused, y detached in front", F,
            _SOFTMAX, _fused(_SOFTMAX, "lambda g, y: y.detach() * (g - sum(g * y, axis, keepdims=True))"),
            "softmax", "", (), "softmax", ("detached",)),
    Planted("softmax: fused, y detached in the sum", F,
            _SOFTMAX, _fused(_SOFTMAX, "lambda g, y: y * (g - sum(g * y.data, axis, keepdims=True))"),
            "softmax", "", (), "softmax", ("detached", "mean term")),
    Planted("log_softmax: fused, the probabilities as an array", F,
            _LOG_SOFTMAX, _fused(_LOG_SOFTMAX, "lambda g, y: g - x.xp.exp(y.data) * sum(g, axis, keepdims=True)"),
            "log_softmax", "", (), "log_softmax", ("detached",)),
    Planted("linear: W.data in x's gradient", F, _LINEAR,
            "(x, W, b), lambda g, y: g @ W.data, lambda g, y: g.T @ x, lambda g, y: sum(g, 0))",
            "linear", "with bias", (), "linear", ("detached",)),
    Planted("linear: the x of the forward, detached, in W's gradient", F, _LINEAR,
            "(x, W, b), lambda g, y: g @ W, lambda g, y: g.T @ x.detach(), lambda g, y: sum(g, 0))",
            "linear", "three axes", (), "linear", ("detached",)),
    Planted("linear: the bias's gradient summed on arrays", F, _LINEAR,
            "(x, W, b), lambda g, y: g @ W, lambda g, y: g.T @ x, lambda g, y: as_tensor(g.data.sum(0)))",
            "linear", "with bias", (), "linear", ("detached", "zero", "upstream")),
    Planted("upsample2d: fused, summed on arrays", F,
            _UPSAMPLE, _fused(_UPSAMPLE, "lambda g, y:"
                              " as_tensor(g.data.reshape(N, C, H, factor, W, factor).sum((3, 5)))"),
            "upsample2d", "", (), "upsample2d", ("detached", "zero", "upstream")),
    Planted("conv2d: W.data in x's gradient", C, _CONV_X,
            "lambda g, y: conv_transpose2d(g, W.data, None, s, p, rest)",
            "conv2d", _STRIDED, (), "conv2d", ("detached",)),
    Planted("conv2d: x detached in W's gradient", C, _CONV_W,
            "lambda g, y: conv2d_weight(x.detach(), g, k, s, p)",
            "conv2d", "rows left over", (), "conv2d", ("detached",)),
    Planted("conv_transpose2d: g detached in W's gradient", C, _CONVT_W,
            "lambda g, x: conv2d_weight(g.detach(), y, k, s, p)",
            "conv_transpose2d", _TRANSPOSED, (), "conv_transpose2d", ("detached", "upstream")),
    Planted("conv2d_weight: x.data in y's gradient", C, _CONVW_Y,
            "lambda g, W: conv2d(x.data, g, None, s, p)",
            "conv2d_weight", _STRIDED, (), "conv2d_weight", ("detached",)),
    Planted("max_pool2d: fused, add.at on arrays", C,
            _MAX_POOL, """\
    def vjp(g, y):
        gx = xp.zeros(x.shape, dtype=g.dtype)
        xp.add.at(gx, (n, c, xp.clip(i, 0, H - 1), xp.clip(j, 0, W - 1)), g.data)
        return as_tensor(gx)

    """.lstrip() + _fused(_MAX_POOL, "vjp"),
            "max_pool2d", _POOLED, (), "max_pool2d", ("detached", "zero", "upstream")),

    # --- a helper whose own vjp is wrong or missing ---
    Planted("relu by leak: leak has no vjp", F, "return record(factor, (g,), lambda h, _: leak(h, y, slope))",
            "return as_tensor(factor)",
            "relu", "", (), "relu", ("detached", "zero", "upstream")),
    Planted("leaky_relu by leak: leak's vjp without the mask", F, _LEAK, "lambda h, _: h)",
            "leaky_relu", "", (), "leak", ("region",)),
    Planted("relu by leak: leak's vjp with a minus", F, _LEAK, "lambda h, _: -leak(h, y, slope))",
            "relu", "", (), "leak", ("sign",)),
    Planted("leaky_relu by leak: the mask from h", F, _LEAK, "lambda h, _: leak(h, h, slope))",
            "leaky_relu", "", (), "leak", ("upstream", "region")),
    Planted("add by sum_to: sum_to's graph is cut", T, _SUM_TO, "return Tensor(reshape(sum(x, axes), shape).data)",
            "add", "broadcast", (), "add", ("detached", "zero", "upstream")),
    Planted("sub by sum_to: sum_to's vjp shares g out", T,
            _SUM_TO, _fused(_SUM_TO, "lambda g, y: broadcast_to(g, x.shape) * (g.size / x.size)"),
            "sub", "broadcast", (), "sum_to", ("scale",)),
    Planted("sum by broadcast_to: its vjp takes the first repeat", T,
            _BROADCAST, "record(data, (x,), lambda g, y:"
            " index(g, (0,) * (g.ndim - x.ndim) + tuple(slice(0, n) for n in x.shape)))",
            "sum", "one axis", (), "broadcast_to", ("overwritten",)),
    Planted("index by scatter: its vjp sorts the indices", T, _SCATTER, "lambda g, y: index(g, np.sort(idx)))",
            "index", "repeated integers", (), "scatter", ("misplaced",)),
    Planted("scatter by index: its vjp overwrites repeats", T, _INDEX, """\
    def vjp(g, y):
        gx = x.xp.zeros(x.shape, dtype=g.dtype)
        gx[idx] = g.data
        return Tensor(gx)

    return record(x.data[idx], (x,), vjp)""".lstrip(),
            "scatter", "repeated integers", (), "index", ("overwritten", "detached")),
    Planted("pad2d by index: its vjp puts the gradient into the corner", T,
            _INDEX, "return record(x.data[idx], (x,),"
            " lambda g, y: scatter(g, tuple(slice(0, n) for n in g.shape), x.shape))",
            "pad2d", "", (), "index", ("shifted", "misplaced")),
    Planted("log by div: the minus of the quotient rule is forgotten", T, _DIV_B, "sum_to(g * y / b, b.shape)",
            "log", "", (), "div", ("sign",)),
    Planted("sqrt by div: −g y for −g y / b", T, _DIV_B, "sum_to(-g * y, b.shape)",
            "sqrt", "", (), "div", ("factor",)),
    Planted("tanh by sub: the minus of b is forgotten", T,
            "lambda g, y: -sum_to(g, b.shape))", "lambda g, y: 1.0 * sum_to(g, b.shape))",
            "tanh", "", (), "sub", ("sign",)),
    Planted("exp by mul: the second factor's gradient without g", T, _MUL,
            "lambda g, y: sum_to(g * b, a.shape), lambda g, y: sum_to(broadcast_to(a, y.shape), b.shape))",
            "exp", "", (), "mul", ("upstream",)),
    Planted("softplus by sigmoid: the factor 1 − y is missing", F, _SIGMOID, "lambda g, y: g * y)",
            "softplus", "", (), "sigmoid", ("factor",)),
    Planted("softplus by sigmoid: noise left in its vjp", F, _SIGMOID,
            "lambda g, y: g * y * (1 - y) + 0.3 * __import__('numpy').random.standard_normal(x.shape))",
            "softplus", "", (), "sigmoid", ("not deterministic",)),
    Planted("power by power: x² is special-cased without its 2", T, _POWER,
            "g * x if p == 2 else g * (p * x ** (p - 1)) if p else g * 0.0",
            "power", "p = 3", (), "power", ("scale",)),
    Planted("linear by matmul: gᵀ a for aᵀ g", T, _MATMUL_B, "sum_to(swapaxes(g, -1, -2) @ a, b.shape)",
            "linear", "with bias", (), "matmul", ("transposed", "misplaced", "shape")),
    Planted("linear by matmul: the second factor's gradient has a minus", T, _MATMUL_B,
            "-sum_to(swapaxes(a, -1, -2) @ g, b.shape)",
            "linear", "with bias", (), "matmul", ("sign",)),
    Planted("var by mean: a fused mean without 1/n", F,
            _MEAN, _fused(_MEAN, f"lambda g, y: broadcast_to(reshape(g, {_KEPT}), x.shape)"),
            "var", "two axes, kept", (), "mean", ("scale",)),
    Planted("conv2d by conv2d_weight: the kernel is flipped in y's gradient", C,
            _CONVW_Y, "lambda g, W: conv2d(x, index(g, (Ellipsis, slice(None, None, -1), slice(None, None, -1))),"
            " None, s, p)",
            "conv2d", _STRIDED, (), "conv2d_weight", ("flipped",)),
    Planted("conv2d by conv_transpose2d: W's gradient as a mean over the batch", C,
            _CONVT_W, "lambda g, x: conv2d_weight(g, y, k, s, p) * (1 / len(y))",
            "conv2d", _STRIDED, (), "conv_transpose2d", ("scale",)),
    Planted("conv_transpose2d by conv2d: the first column of the image gets nothing", C,
            _CONV_X, "lambda g, y: conv_transpose2d(g, W, None, s, p, rest) * (np.arange(x.shape[3]) > 0)",
            "conv_transpose2d", _TRANSPOSED, (), "conv2d", ("border",)),
    Planted("conv2d_weight by conv_transpose2d: the kernel's rows are reversed", C,
            _CONVT_Y, "lambda g, x: conv2d(g, index(W, (slice(None), slice(None), slice(None, None, -1))), None, s, p)",
            "conv2d_weight", _STRIDED, (), "conv_transpose2d", ("flipped",)),
    Planted("avg_pool2d by conv_transpose2d: counted twice", C,
            _CONVT_Y, "lambda g, x: conv2d(g, W + W, None, s, p)",
            "avg_pool2d", _POOLED, (), "conv_transpose2d", ("scale",)),
]
