r"""A tensor that remembers how it was computed, and `grad`, which differentiates it.

An operation is one function: its forward on arrays and, beside it, one **vector-Jacobian product** (vjp)
for each input. Let a scalar $L$ depend on $y = f(x)$. Throughout minigan

    g  is the cotangent  ȳ = ∂L/∂y,      and a vjp returns      x̄ = ȳ · ∂y/∂x = ∂L/∂x.

Every vjp is written in tensor operations, so that a gradient is itself a graph that can be differentiated:
second derivatives (which WGAN-GP needs) come for nothing. A vjp is *handed* `y` instead of capturing
it, so a graph has no reference cycles and is freed as soon as its last tensor is dropped.

Tensors are differentiable; arrays and numbers beside them are constants. There is no flag to set.
"""

import operator
from contextlib import contextmanager
from contextvars import ContextVar

import numpy as np

from .backend import (
    attempt,
    device_of,
    get_array_module,
    is_array,
    matrix_product,
    require_same_device,
    to_device,
    to_numpy,
)
from .errors import GraphError, ShapeError

__all__ = [
    "Tensor", "grad", "no_grad", "record", "as_tensor",
    "add", "sub", "mul", "div", "neg", "power", "matmul", "sum", "broadcast_to", "sum_to", "reshape", "transpose",
    "swapaxes", "index", "scatter", "concatenate", "cast",
]

_recording = ContextVar("recording", default=True)
_watcher = ContextVar("watcher", default=None)


@contextmanager
def _during(variable, value):
    token = variable.set(value)
    try:
        yield
    finally:
        variable.reset(token)


def recording(flag):
    """Within, a graph is recorded, or not."""
    return _during(_recording, flag)


def no_grad():
    """Within `with no_grad():` no graph is recorded: results are plain leaves. `@no_grad()` decorates a function."""
    return recording(False)


def watching(see):
    """Within, `see(y)` is called with every tensor that an operation makes. So the gradient checker looks on."""
    return _during(_watcher, see)


class Tensor:
    """An array of real numbers, and how it was computed.

    data    : a NumPy or CuPy array, kept as it is (not copied); numbers and lists become float32
    inputs  : the tensors it was computed from; empty for a leaf
    vjps    : for each input, the function `(g, y) → x̄`
    version : counts in-place changes of `data`, which only optimisers and loaders make
    grad    : what `backward` has accumulated, or None

    Raises ShapeError for anything but real floating point numbers: an integer has no derivative.
    """

    __slots__ = ("__weakref__", "data", "grad", "input_versions", "inputs", "version", "vjps")
    __array_ufunc__ = None  # array * tensor calls Tensor.__rmul__ instead of looping over the array

    def __init__(self, data):
        self.data = _real_array(data)
        self.inputs = self.vjps = self.input_versions = ()
        self.version = 0
        self.grad = None

    shape = property(lambda self: self.data.shape, doc="The array's shape, a tuple.")
    ndim = property(lambda self: self.data.ndim, doc="How many axes it has.")
    size = property(lambda self: self.data.size, doc="How many elements it has.")
    dtype = property(lambda self: self.data.dtype, doc="The array's floating point type.")
    T = property(lambda self: transpose(self), doc="`tensor.transpose`, which turns the order of all axes round.")
    xp = property(lambda self: get_array_module(self.data), doc="The module of the array, NumPy or CuPy.")
    device = property(lambda self: device_of(self.data), doc='Where the array lives: "cpu" or "cuda".')

    @property
    def op(self):
        """The name of the operation that made this tensor; "leaf" if none did."""
        return self.vjps[0].__qualname__.partition(".")[0] if self.vjps else "leaf"

    def __repr__(self):
        made_by = f", op={self.op}" if self.inputs else ""
        return f"Tensor({np.array2string(to_numpy(self.data), precision=4, threshold=20)}, dtype={self.dtype}{made_by})"

    def __array__(self, dtype=None, copy=None):
        # For np.asarray(tensor) and plotting. CuPy refuses here, as it does for its own arrays.
        return np.array(self.data, dtype=dtype, copy=copy)

    def item(self):
        """The value of a tensor with one element, as a Python float."""
        return float(self.data.item())

    def numpy(self):
        """The values as a NumPy array; shares memory with `data` where that is one already."""
        return to_numpy(self.data)

    def detach(self):
        """A copy of the values as a leaf: a constant for whatever is computed from it."""
        return Tensor(self.data.copy())

    def assign(self, array):
        """Overwrite the values of a leaf in place. Gradients through graphs that used the old values then raise."""
        if self.inputs:
            self._refuse()
        array = to_device(array, self.device) if is_array(array) else array
        attempt("assign", operator.setitem, self.data, ..., array)
        self.version += 1

    def backward(self, gy=None):
        """Add ∂self/∂x to `x.grad` of every leaf x; `grad(y, xs)` does the same without touching anything."""
        leaves = [t for t in _graph(self) if not t.inputs]
        for x, gx in zip(leaves, grad(self, leaves, gy)):
            x.grad = gx if x.grad is None else Tensor(x.grad.data + gx.data)

    def __add__(self, other): return add(self, other)
    def __radd__(self, other): return add(other, self)
    def __sub__(self, other): return sub(self, other)
    def __rsub__(self, other): return sub(other, self)
    def __mul__(self, other): return mul(self, other)
    def __rmul__(self, other): return mul(other, self)
    def __truediv__(self, other): return div(self, other)
    def __rtruediv__(self, other): return div(other, self)
    def __matmul__(self, other): return matmul(self, other)
    def __rmatmul__(self, other): return matmul(other, self)
    def __pow__(self, p): return power(self, p)
    def __neg__(self): return neg(self)
    def __getitem__(self, idx): return index(self, idx)
    def __len__(self): return len(self.data)
    def __float__(self): return self.item()

    def sum(self, axis=None, keepdims=False):
        """The function `tensor.sum`, as a method."""
        return sum(self, axis, keepdims)

    def reshape(self, *shape):
        """The function `tensor.reshape`, as a method."""
        return reshape(self, *shape)

    def transpose(self, *axes):
        """The function `tensor.transpose`, as a method."""
        return transpose(self, *axes)

    def _refuse(self, *_):
        raise GraphError(
            "a tensor in a graph cannot be written in place", where="Tensor",
            fix="Write y = x + … instead of x += …; to overwrite the values of a leaf on purpose, call x.assign(array)",
        )

    __iadd__ = __isub__ = __imul__ = __itruediv__ = __imatmul__ = __ipow__ = __setitem__ = _refuse


def _real_array(data):
    if isinstance(data, Tensor):
        data = data.data
    if not is_array(data):
        # NumPy's scalars (what x.sum() gives) keep their type; Python's numbers have none, so they become float32.
        data = np.asarray(data, dtype=None if isinstance(data, np.generic) else np.float32)
    if data.dtype.kind != "f":
        raise ShapeError("a tensor holds real numbers", expected="a floating point type", got=str(data.dtype),
                         fix="Convert it first: x.astype(np.float32)")
    return data


def as_tensor(x):
    """`x` itself if it is a tensor, else a leaf with its values."""
    return x if isinstance(x, Tensor) else Tensor(x)


def record(data, inputs, *vjps):
    """A tensor with the values `data` that remembers its `inputs` and, for each, the vjp `(g, y) → x̄`.

    Inputs that are not tensors are constants: they and their vjps are left out.
    """
    if isinstance(inputs, Tensor):
        raise GraphError("the inputs must be a tuple", where="record", fix="For one input write (x,)")
    y = Tensor(data)
    if _recording.get():
        kept = [(x, vjp) for x, vjp in zip(inputs, vjps) if isinstance(x, Tensor)]
        y.inputs = tuple(x for x, _ in kept)
        y.vjps = tuple(vjp for _, vjp in kept)
        y.input_versions = tuple(x.version for x, _ in kept)
        if see := _watcher.get():
            see(y)
    return y


# --- differentiation ---


def grad(y, xs, gy=None, create_graph=False, allow_unused=False):
    r"""The gradient $\partial y/\partial x$ for each $x$ in `xs`, by reverse accumulation.

    $$\bar x = \sum_{t\ \text{made from}\ x} \bar t\, \frac{\partial t}{\partial x}, \qquad \bar y = gy$$

    Tensors are visited from y to the inputs, each after all that was made from it, so that its cotangent is complete.

    y            : the tensor to differentiate; a scalar unless `gy` is given
    xs           : one tensor, or several; the answer is one tensor, or a list, accordingly
    gy           : the cotangent of `y`, of y's shape, for $\sum gy \cdot \partial y/\partial x$; 1 by default
    create_graph : record the computation, so that the gradient can be differentiated in turn
    allow_unused : give zeros for an x that y does not depend on, instead of raising
    returns      : tensors with the shape and type of the x's

    Raises GraphError if y is not a scalar and no `gy` is given, if y does not depend on an x (a graph
    that was cut by `detach` or `no_grad` shows itself here), or if a value that the graph used was
    overwritten since. Raises ShapeError if `gy` does not have y's shape.
    """
    several = not isinstance(xs, Tensor)
    xs = list(xs) if several else [xs]
    if not all(isinstance(x, Tensor) for x in xs):
        raise GraphError("only tensors have gradients", where="grad", got=", ".join(type(x).__name__ for x in xs))
    g = _initial_cotangent(y, gy)

    targets = set(xs)
    on_path = {}  # every tensor between an x and y, inputs first; being in it is the test for "do not skip"
    for t in _graph(y):
        if t in targets or any(x in on_path for x in t.inputs):
            on_path[t] = None
    for i, x in enumerate(xs):
        if x not in on_path and not allow_unused:
            raise GraphError(
                f"y does not depend on xs[{i}], of shape {x.shape}", where="grad",
                fix="Is the graph cut by detach() or no_grad() in between? If zeros are meant, pass allow_unused=True",
            )

    cotangents = {y: g}
    with recording(create_graph):
        for t in reversed(on_path):
            g = cotangents[t] if t in targets else cotangents.pop(t)
            if not any(x in on_path for x in t.inputs):
                continue
            for x, version in zip(t.inputs, t.input_versions):
                if x.version != version:  # also of an x not on the path: the other inputs' vjps may use it
                    raise GraphError(
                        f"an input of shape {x.shape} was overwritten after it was used", where=f"grad through {t.op}",
                        fix="Compute the loss again after the optimiser's step, then differentiate",
                    )
            for x, vjp in zip(t.inputs, t.vjps):
                if x not in on_path:
                    continue
                gx = vjp(g, t)
                if not isinstance(gx, Tensor):
                    raise GraphError("a vjp must return a tensor", where=f"grad through {t.op}", got=type(gx).__name__)
                if gx.shape != x.shape:
                    raise ShapeError("a vjp gave a gradient of the wrong shape", where=f"grad through {t.op}",
                                     expected=x.shape, got=gx.shape)
                if gx.dtype != x.dtype:
                    gx = cast(gx, x.dtype)
                cotangents[x] = cotangents[x] + gx if x in cotangents else gx
        gradients = [cotangents[x] if x in on_path else Tensor(x.xp.zeros_like(x.data)) for x in xs]
    return gradients if several else gradients[0]


def _initial_cotangent(y, gy):
    if gy is None:
        if y.size != 1:
            raise GraphError("only a scalar has a gradient", where="grad", got=f"shape {y.shape}",
                             fix="Differentiate y.sum() or a mean, or pass the cotangent gy")
        return Tensor(y.xp.ones_like(y.data))
    gy = as_tensor(gy)
    require_same_device("grad", y.data, gy.data)
    if gy.shape != y.shape:
        raise ShapeError("the cotangent gy must have y's shape", where="grad", expected=y.shape, got=gy.shape)
    return gy if gy.dtype == y.dtype else cast(gy, y.dtype)


def _graph(y):
    """Every tensor that y was computed from, inputs first and y last; iterative, for graphs of any depth."""
    order, seen, stack = [], set(), [(y, False)]
    while stack:
        t, inputs_done = stack.pop()
        if inputs_done:
            order.append(t)
        elif t not in seen:
            seen.add(t)
            stack.append((t, True))
            stack.extend((x, False) for x in t.inputs if x not in seen)
    return order


# --- arithmetic, with NumPy's broadcasting ---


def value(x, beside):
    """What to compute with. A constant takes the type of the tensor beside it: float32 in, float32 out."""
    if isinstance(x, Tensor):
        return x.data
    if isinstance(x, np.generic):
        return x.item()
    if isinstance(x, (int, float)):
        return x
    x = x if is_array(x) else np.asarray(x)
    return x.astype(beside.dtype, copy=False) if isinstance(beside, Tensor) else x


def _binary(where, f, a, b):
    return attempt(where, f, value(a, b), value(b, a))


def add(a, b):
    """y = a + b          ā = ȳ,  b̄ = ȳ    (each summed over the axes along which it was broadcast)"""
    return record(_binary("add", operator.add, a, b), (a, b),
                  lambda g, y: sum_to(g, a.shape), lambda g, y: sum_to(g, b.shape))


def sub(a, b):
    """y = a − b          ā = ȳ,  b̄ = −ȳ"""
    return record(_binary("sub", operator.sub, a, b), (a, b),
                  lambda g, y: sum_to(g, a.shape), lambda g, y: -sum_to(g, b.shape))


def mul(a, b):
    """y = a b            ā = ȳ b,  b̄ = ȳ a"""
    return record(_binary("mul", operator.mul, a, b), (a, b),
                  lambda g, y: sum_to(g * b, a.shape), lambda g, y: sum_to(g * a, b.shape))


def div(a, b):
    """y = a / b          ā = ȳ / b,  b̄ = −ȳ y / b"""
    return record(_binary("div", operator.truediv, a, b), (a, b),
                  lambda g, y: sum_to(g / b, a.shape), lambda g, y: sum_to(-g * y / b, b.shape))


def neg(x):
    """y = −x             x̄ = −ȳ"""
    x = as_tensor(x)
    return record(-x.data, (x,), lambda g, y: -g)


def power(x, p):
    """y = xᵖ             x̄ = ȳ p xᵖ⁻¹      for a number p; write exp(p · log(x)) for an exponent that is a tensor"""
    x, p = as_tensor(x), value(p, None)
    if not isinstance(p, (int, float)):
        raise ShapeError("the exponent must be a number", where="power", got=type(p).__name__,
                         fix="For a tensor p write exp(p * log(x))")
    # p = 0 ends the chain of derivatives; 0 · x⁻¹ would make NaN out of x = 0.
    return record(x.data ** p, (x,), lambda g, y: g * (p * x ** (p - 1)) if p else g * 0.0)


def matmul(a, b):
    """y = a b            ā = ȳ bᵀ,  b̄ = aᵀ ȳ

    a, b    : (…, n, k) and (…, k, m), whose leading axes are broadcast
    returns : (…, n, m)

    A vector is a row on the left and a column on the right.
    """
    a, b = (x if isinstance(x, Tensor) else value(x, beside) for x, beside in ((a, b), (b, a)))
    if a.ndim == 1:
        y = matmul(reshape(a, 1, -1), b)
        return y.reshape(y.shape[:-2] + y.shape[-1:]) if b.ndim > 1 else y.reshape(())
    if b.ndim == 1:
        y = matmul(a, reshape(b, -1, 1))
        return y.reshape(y.shape[:-1])
    return record(_binary("matmul", matrix_product, a, b), (a, b),
                  lambda g, y: sum_to(g @ swapaxes(b, -1, -2), a.shape),
                  lambda g, y: sum_to(swapaxes(a, -1, -2) @ g, b.shape))


# --- sums and shapes: each is linear, and its vjp is its adjoint ---


def sum(x, axis=None, keepdims=False):
    """y = Σ x over `axis` (all axes by default)          x̄ = ȳ, broadcast along it"""
    x = as_tensor(x)
    y = attempt("sum", sum_array, x.data, axis=axis, keepdims=keepdims, got=f", axis {axis}")
    return record(y, (x,), lambda g, y: broadcast_to(reshape(g, _kept_shape(x.shape, axis)), x.shape))


def sum_array(x, axis=None, keepdims=False):
    """x.sum(axis, keepdims); of several axes the batch's goes first: that adds long rows, in every memory layout."""
    if isinstance(axis, tuple) and 0 in axis:
        x = x.sum(axis=0, keepdims=True)
    return x.sum(axis=axis, keepdims=keepdims)


def _kept_shape(shape, axis):
    """The shape that a sum over `axis` has with keepdims=True."""
    axes = range(len(shape)) if axis is None else (axis,) if np.ndim(axis) == 0 else axis
    axes = {a % len(shape) if shape else a for a in axes}
    return tuple(1 if i in axes else n for i, n in enumerate(shape))


def broadcast_to(x, shape):
    """y = x, repeated to `shape` by NumPy's rule          x̄ = ȳ, summed over the repeats"""
    x = as_tensor(x)
    if x.shape == tuple(shape):
        return x
    data = attempt("broadcast_to", x.xp.broadcast_to, x.data, shape=shape, got=f" to {shape}")
    return record(data, (x,), lambda g, y: sum_to(g, x.shape))


def sum_to(x, shape):
    """y = x, summed over the axes along which `shape` would broadcast to x.shape          x̄ = ȳ, broadcast"""
    if x.shape == tuple(shape):
        return x
    new = x.ndim - len(shape)
    if new < 0 or any(n not in (1, x.shape[i + new]) for i, n in enumerate(shape)):
        raise ShapeError("shapes do not fit together", where="sum_to", got=f"{x.shape} to {tuple(shape)}")
    axes = tuple(range(new)) + tuple(i + new for i, n in enumerate(shape) if n == 1 and x.shape[i + new] != 1)
    return reshape(sum(x, axes), shape)


def reshape(x, *shape):
    """y = x with another shape, in row-major order          x̄ = ȳ, reshaped back"""
    x = as_tensor(x)
    shape = shape[0] if len(shape) == 1 and np.ndim(shape[0]) else shape
    data = attempt("reshape", x.xp.reshape, x.data, shape, got=f" to {tuple(shape)}")
    return record(data, (x,), lambda g, y: reshape(g, x.shape))


def transpose(x, *axes):
    """y = x with its axes permuted (reversed by default)          x̄ = ȳ, permuted back"""
    x = as_tensor(x)
    axes = axes[0] if len(axes) == 1 and np.ndim(axes[0]) else axes
    axes = axes or tuple(reversed(range(x.ndim)))
    data = attempt("transpose", x.xp.transpose, x.data, axes=axes, got=f", axes {tuple(axes)}")
    return record(data, (x,), lambda g, y: transpose(g, *sorted(range(x.ndim), key=lambda i: axes[i] % x.ndim)))


def swapaxes(x, i, j):
    """y = x with axes i and j exchanged"""
    x = as_tensor(x)
    axes = list(range(x.ndim))
    axes[i], axes[j] = axes[j], axes[i]
    return transpose(x, *axes)


def index(x, idx):
    """y = x[idx], NumPy's basic or integer-array indexing          x̄ = scatter(ȳ, idx)"""
    x = as_tensor(x)
    return record(x.data[idx], (x,), lambda g, y: scatter(g, idx, x.shape))


def scatter(x, idx, shape):
    """y = zeros of `shape` with x added at idx, repeats adding up: the adjoint of `index`          x̄ = ȳ[idx]"""
    x = as_tensor(x)
    data = x.xp.zeros(shape, dtype=x.dtype)
    if _is_basic(idx):
        data[idx] += x.data  # no element is named twice, and this is much faster than add.at
    else:
        x.xp.add.at(data, idx, x.data)
    return record(data, (x,), lambda g, y: index(g, idx))


def _is_basic(idx):
    parts = idx if isinstance(idx, tuple) else (idx,)
    return all(part is None or part is Ellipsis or isinstance(part, (int, slice)) for part in parts)


def concatenate(xs, axis=0):
    """y = the tensors joined along `axis`          x̄ᵢ = its slice of ȳ"""
    xs = [as_tensor(x) for x in xs]
    if not xs or any(x.ndim == 0 for x in xs):
        raise ShapeError("only tensors with axes can be joined", where="concatenate", got=[x.shape for x in xs])
    data = attempt("concatenate", lambda *arrays: xs[0].xp.concatenate(arrays, axis), *(x.data for x in xs))
    stops = np.cumsum([x.shape[axis] for x in xs]).tolist()
    before = (slice(None),) * (axis % data.ndim)

    def vjp(start, stop):
        return lambda g, y: index(g, (*before, slice(start, stop)))

    return record(data, xs, *map(vjp, [0, *stops[:-1]], stops))


def cast(x, dtype):
    """y = x in another floating point type          x̄ = ȳ, cast back"""
    x = as_tensor(x)
    return record(x.data.astype(dtype), (x,), lambda g, y: cast(g, x.dtype))
