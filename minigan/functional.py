r"""Differentiable functions of tensors. Each fits on a few lines: its formula, its forward, its vjp.

`g` is the cotangent ȳ of the result and `y` the result itself, see `minigan.tensor`. Everything here is
written in tensor operations, so every function can be differentiated as often as you like.

Python's numbers are constants of no particular type: float32 in gives float32 out.
"""

from .backend import attempt, get_array_module, require_same_device
from .conv import avg_pool2d, conv2d, conv2d_weight, conv_transpose2d, max_pool2d
from .errors import ConfigError, ShapeError
from .tensor import (
    add,
    as_tensor,
    broadcast_to,
    cast,
    concatenate,
    div,
    index,
    matmul,
    mul,
    neg,
    power,
    record,
    reshape,
    scatter,
    sub,
    sum,
    sum_array,
    sum_to,
    swapaxes,
    transpose,
    value,
)

__all__ = [
    "add", "sub", "mul", "div", "neg", "power", "matmul", "sum", "broadcast_to", "sum_to", "reshape", "transpose",
    "swapaxes", "index", "scatter", "concatenate", "cast",
    "exp", "log", "sqrt", "abs", "maximum", "where", "tanh", "sigmoid", "softplus", "log_sigmoid", "relu",
    "leaky_relu", "leak", "mean", "var", "norm", "max", "softmax", "log_softmax", "linear", "pad2d", "upsample2d",
    "conv2d", "conv_transpose2d", "conv2d_weight", "max_pool2d", "avg_pool2d",
]


# --- elementwise ---


def exp(x):
    """y = eˣ             x̄ = ȳ y"""
    x = as_tensor(x)
    return record(x.xp.exp(x.data), (x,), lambda g, y: g * y)


def log(x):
    """y = log x          x̄ = ȳ / x"""
    x = as_tensor(x)
    return record(x.xp.log(x.data), (x,), lambda g, y: g / x)


def sqrt(x):
    """y = √x             x̄ = ȳ / (2y)      infinite at x = 0"""
    x = as_tensor(x)
    return record(x.xp.sqrt(x.data), (x,), lambda g, y: g / (2 * y))


def abs(x):
    """y = |x|            x̄ = ȳ sign(x)     0 at the kink x = 0"""
    x = as_tensor(x)
    return record(x.xp.abs(x.data), (x,), lambda g, y: g * x.xp.sign(x.data))


def maximum(a, b):
    """y = max(a, b)      ā = ȳ [a ≥ b],  b̄ = ȳ [a < b]      a tie goes to a; NaN is passed on"""
    def first(a, b):
        return (a >= b) | (a != a)

    return where(attempt("maximum", first, value(a, b), value(b, a)), a, b)


def where(mask, a, b):
    """y = a where mask else b          ā = ȳ where mask,  b̄ = ȳ elsewhere;  mask is a constant array of booleans"""
    return record(attempt("where", get_array_module(mask).where, mask, value(a, b), value(b, a)), (a, b),
                  lambda g, y: sum_to(where(mask, g, 0.0), a.shape),
                  lambda g, y: sum_to(where(mask, 0.0, g), b.shape))


def tanh(x):
    """y = tanh x         x̄ = ȳ (1 − y²)"""
    x = as_tensor(x)
    return record(x.xp.tanh(x.data), (x,), lambda g, y: g * (1 - y * y))


def sigmoid(x):
    """y = σ(x) = 1 / (1 + e⁻ˣ)         x̄ = ȳ y (1 − y)"""
    x = as_tensor(x)
    xp = x.xp
    e = xp.exp(-xp.abs(x.data))  # e^−|x| never overflows, and σ(x) = eˣ / (1 + eˣ) where x < 0
    return record(xp.where(x.data >= 0, 1, e) / (1 + e), (x,), lambda g, y: g * y * (1 - y))


def softplus(x):
    """y = log(1 + eˣ)    x̄ = ȳ σ(x)        computed as max(x, 0) + log(1 + e^−|x|), which never overflows"""
    x = as_tensor(x)
    xp = x.xp
    return record(xp.maximum(x.data, 0) + xp.log1p(xp.exp(-xp.abs(x.data))), (x,), lambda g, y: g * sigmoid(x))


def log_sigmoid(x):
    """y = log σ(x) = −softplus(−x)"""
    return -softplus(-as_tensor(x))


def relu(x):
    """y = max(x, 0)      x̄ = ȳ [x > 0]     0 at the kink x = 0"""
    x = as_tensor(x)
    return record(x.xp.maximum(x.data, 0), (x,), lambda g, y: leak(g, y, 0.0))


def leaky_relu(x, slope=0.2):
    """y = x if x > 0 else slope·x      x̄ = ȳ if x > 0 else slope·ȳ      slope at the kink x = 0

    slope : a number in [0, 1), so that y = max(x, slope·x). Raises ConfigError otherwise.
    Source : Maas et al. 2013; slope 0.2 as in documents 001 §5.1 and 004 §4 (TensorFlow's default then).
    """
    x = as_tensor(x)
    if slope == 0:
        return relu(x)  # 0 · inf would be NaN
    if not 0 < slope < 1:
        raise ConfigError("the slope is out of range", where="leaky_relu", expected="0 ≤ slope < 1", got=slope)
    y = slope * x.data
    return record(x.xp.maximum(x.data, y, out=y), (x,), lambda g, y: leak(g, y, slope))


def leak(g, y, slope):
    """ȳ where y > 0, else slope·ȳ: the vjp of `leaky_relu`. Linear in g, so it is its own vjp; flat in y."""
    g, y = as_tensor(g), as_tensor(y)
    xp = g.xp
    factor = xp.multiply(y.data > 0, 1 - slope, dtype=g.dtype)  # a mask to multiply by: xp.where is ten times slower
    factor += slope
    factor *= g.data
    return record(factor, (g,), lambda h, _: leak(h, y, slope))


# --- over axes ---


def mean(x, axis=None, keepdims=False):
    """y = (1/n) Σ x over `axis` (all axes by default)"""
    x = as_tensor(x)
    if x.size == 0:
        raise ShapeError("an empty tensor has no mean", where="mean", got=x.shape)
    total = sum(x, axis, keepdims)
    return total * (total.size / x.size)


def var(x, axis=None, keepdims=False):
    """y = (1/n) Σ (x − mean x)² over `axis`          x̄ = (2/n) ȳ (x − mean x)

    The biased variance, as normalisation layers use it. (The mean's own part of the derivative is Σ (x − mean x) = 0.)
    """
    x = as_tensor(x)
    if x.size == 0:
        raise ShapeError("an empty tensor has no variance", where="var", got=x.shape)
    total = attempt("var", sum_array, x.data, axis=axis, keepdims=True, got=f", axis {axis}")
    kept, n = total.shape, x.size / total.size
    centred = x.data - total / n
    centred *= centred
    y = sum_array(centred, axis, keepdims) / n
    return record(y, (x,),
                  lambda g, y: (2 / n) * reshape(g, kept) * (x - mean(x, axis, keepdims=True)))


def norm(x, axis=None, keepdims=False):
    """y = ‖x‖ = √Σ x² over `axis` (all axes by default)          x̄ = ȳ x / y      0 at the kink x = 0"""
    x = as_tensor(x)
    squares = sum(x * x, axis, keepdims)
    zero = squares.data == 0
    return where(zero, 0.0, sqrt(where(zero, 1.0, squares)))  # √ is taken of 1 there: its slope at 0 is infinite


def max(x, axis=-1, keepdims=False):
    """y = the largest x along `axis`      x̄ = ȳ at its place, 0 elsewhere; equal ones share it equally"""
    x = as_tensor(x)
    largest = attempt("max", x.xp.max, x.data, axis=axis, keepdims=True, got=f", axis {axis}")
    share = (x.data == largest).astype(x.dtype)  # a constant: it does not change where x changes a little
    share /= share.sum(axis=axis, keepdims=True)
    y = largest if keepdims else largest.squeeze(axis)
    return record(y, (x,), lambda g, y: reshape(g, largest.shape) * share)


def softmax(x, axis=-1):
    """y = eˣ / Σ eˣ along `axis`. The largest x is subtracted first, a constant that cancels."""
    x = as_tensor(x)
    e = exp(x - x.data.max(axis=axis, keepdims=True))
    return e / sum(e, axis, keepdims=True)


def log_softmax(x, axis=-1):
    """y = x − log Σ eˣ along `axis`, with the largest x subtracted first"""
    x = as_tensor(x)
    shifted = x - x.data.max(axis=axis, keepdims=True)
    return shifted - log(sum(exp(shifted), axis, keepdims=True))


# --- layers' functions ---


def linear(x, W, b=None):
    """y = x Wᵀ + b       x̄ = ȳ W,  W̄ = ȳᵀ x,  b̄ = Σ ȳ over the batch

    x : (…, in);  W : (out, in);  b : (out,) or None;  returns : (…, out)
    """
    x, W, b = as_tensor(x), as_tensor(W), b if b is None else as_tensor(b)
    if x.ndim < 1 or W.ndim != 2 or x.shape[-1] != W.shape[1]:
        raise ShapeError("shapes do not fit together", where="linear", expected=f"x (…, {W.shape[-1]}) for W {W.shape}",
                         got=f"x {x.shape}")
    if b is not None and b.shape != W.shape[:1]:
        raise ShapeError("the bias has one number for each output", where="linear", expected=W.shape[:1], got=b.shape)
    require_same_device("linear", x.data, W.data, None if b is None else b.data)
    if x.ndim != 2:
        return reshape(linear(reshape(x, -1, x.shape[-1]), W, b), *x.shape[:-1], W.shape[0])
    data = x.data @ W.data.T
    if b is not None:
        data += b.data
    return record(data, (x, W, b), lambda g, y: g @ W, lambda g, y: g.T @ x, lambda g, y: sum(g, 0))


def pad2d(x, padding):
    """y = x with `padding` zeros around its last two axes          x̄ = ȳ, cropped"""
    x, p = as_tensor(x), padding
    if p < 0:
        raise ConfigError("the padding cannot be negative", where="pad2d", got=p, fix="To crop, use an index")
    if x.ndim < 2:
        raise ShapeError("x needs two axes to be padded", where="pad2d", expected="(…, H, W)", got=x.shape)
    inside = (Ellipsis, slice(p, p + x.shape[-2]), slice(p, p + x.shape[-1]))
    return scatter(x, inside, (*x.shape[:-2], x.shape[-2] + 2 * p, x.shape[-1] + 2 * p))


def upsample2d(x, factor=2):
    """y = every pixel of x repeated `factor` times in both directions          x̄ = ȳ, summed over each block

    x : (N, C, H, W);  returns : (N, C, factor·H, factor·W)
    """
    x = as_tensor(x)
    if x.ndim != 4:
        raise ShapeError("x must be images", where="upsample2d", expected="(N, C, H, W)", got=x.shape)
    N, C, H, W = x.shape
    y = reshape(transpose(x, 0, 2, 3, 1), N, H, 1, W, 1, C)  # channels last, as convolutions leave them in memory
    y = broadcast_to(y, (N, H, factor, W, factor, C))
    return transpose(reshape(y, N, factor * H, factor * W, C), 0, 3, 1, 2)
