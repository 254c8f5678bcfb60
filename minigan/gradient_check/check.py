r"""Is a derivative right? The analytic one against central differences, to first and to second order.

First order. Let $y = f(x_1, \dots)$ and let $g$ be a random cotangent of mixed signs. The number
$L = \langle g, f(x)\rangle$ has the gradient $\bar x = g \cdot \partial y/\partial x$ that `grad` computes, and

$$\frac{\partial L}{\partial x_i} \approx
  \frac{\langle g,\ f(x + \varepsilon e_i) - f(x - \varepsilon e_i)\rangle}{2\varepsilon}$$

Second order. The gradient is itself a function, $(x, g) \mapsto \bar x$; with a random $v$, the number
$\langle v, \bar x(x, g)\rangle$ is differentiated in $x$ and in $g$, and compared in the same way.

A cotangent of ones would be blind to a vjp that forgets `g`, and to anything whose rows sum to zero (softmax,
BatchNorm); a random one is not. Every element has to agree on its own: a small error in a large array counts.
"""

from dataclasses import dataclass

import numpy as np

from ..backend import device_of, is_array, to_device, to_numpy
from ..errors import GraphError, ShapeError
from ..functional import sum
from ..tensor import Tensor, grad, record

__all__ = ["gradcheck", "Report", "ArgumentReport"]

TOLERANCES = {1: (1e-6, 1e-8), 2: (1e-5, 1e-7)}  # order: (rtol, atol)


@dataclass(frozen=True)
class ArgumentReport:
    """How the gradient with respect to one argument compares.

    name, shape       : of the argument
    checked, wrong    : how many derivatives were compared, and how many disagree beyond the tolerance
    kinks             : how many lie at a kink, where the function has two slopes and the analytic one is among them
    error             : the largest |analytic − numeric| / max(1, |numeric|)
    where             : the index of that element, or "direction k" where random directions were compared
    analytic, numeric : the two values there
    """

    name: str
    shape: tuple
    checked: int
    wrong: int
    kinks: int
    error: float
    where: object
    analytic: float
    numeric: float

    def __str__(self):
        verdict = "ok   " if not self.wrong else "WRONG"
        line = f"{verdict} {self.name} {self.shape}: {self.wrong} of {self.checked} wrong, worst error {self.error:.1e}"
        if self.wrong:
            line += f" at {self.where}: analytic {self.analytic:.10g}, numeric {self.numeric:.10g}"
        return line + (f"; {self.kinks} at a kink" if self.kinks else "")


@dataclass(frozen=True)
class Report:
    """What `gradcheck` found; true if every derivative agrees."""

    order: int
    arguments: list[ArgumentReport]

    def __bool__(self):
        return not any(argument.wrong for argument in self.arguments)

    @property
    def error(self):
        """The largest error of all arguments."""
        return max(argument.error for argument in self.arguments)

    def __str__(self):
        verdict = "right" if self else "WRONG"
        return "\n".join([f"gradient of order {self.order}: {verdict}", *(f"  {a}" for a in self.arguments)])

    __repr__ = __str__


def gradcheck(f, inputs, order=1, *, seed=0, eps=1e-5, rtol=None, atol=None, max_elements=500, directions=5):
    r"""Compare the gradient that `grad` computes for `f` with central differences.

    f            : a function of tensors that gives a tensor; or a module, whose parameters are then checked too
    inputs       : float64 arrays or tensors. A tensor is perturbed in place and put back, so that `f` may
                   also reach it by another way: `gradcheck(lambda *_: loss(G, D), G.parameters())` is fine
    order        : 1, or 2 for the derivative of the gradient; 2 alone cannot see a first derivative that is
                   consistently wrong, so check both
    seed         : of the cotangent and of the choice of elements
    eps          : the step ε of the central difference
    rtol, atol   : an element is right if |analytic − numeric| ≤ atol + rtol·|numeric|; (1e-6, 1e-8) by default,
                   (1e-5, 1e-7) for order 2
    max_elements : an argument with more elements is checked at a tenth of this many, and along `directions`
                   random directions v with entries ±1, whose derivative is ⟨x̄, v⟩
    returns      : a `Report`; true if every derivative agrees. At a kink (ReLU at 0) a difference quotient means
                   nothing: such elements are counted, and are right if the analytic value is among the two slopes

    Raises ShapeError for inputs that are not float64 (a difference quotient in float32 has three digits), and
    GraphError if `f` does not give a tensor.
    """
    if order not in TOLERANCES:
        raise GraphError("gradcheck knows the orders 1 and 2", where="gradcheck", got=order)
    if isinstance(inputs, Tensor) or is_array(inputs):
        inputs = [inputs]
    xs = [_float64_tensor(i, x) for i, x in enumerate(inputs)]
    if isinstance(f, tuple):
        f = of_pair(*f)
    names = [f"argument {i}" for i in range(len(xs))]
    if hasattr(f, "named_parameters"):
        pairs = [(name, p) for name, p in f.named_parameters()]
        module, number = f, len(xs)
        xs += [_float64_tensor(name, p) for name, p in pairs]
        names += [name for name, _ in pairs]

        def f(*args):
            return module(*args[:number])

    if not xs:
        raise GraphError("there is nothing to check", where="gradcheck", expected="at least one input or parameter")
    # Not default_rng(seed) itself: inputs drawn from that have signs which the cotangent would repeat.
    rng = np.random.default_rng((seed, 1))
    g = Tensor(_random_like(_output(f, xs).data, rng))
    if order == 2:
        f, xs, names, g = _gradient_as_function(f, xs, g, names, rng)
    analytic = grad(_output(f, xs), xs, g, allow_unused=True)
    tolerances = [a if a is not None else b for a, b in zip((rtol, atol), TOLERANCES[order])]
    return Report(order, [
        _compare(lambda: _output(f, xs).data, g.data, x, to_numpy(gx.data), name, rng, eps, tolerances, max_elements,
                 directions)
        for x, gx, name in zip(xs, analytic, names)
    ])


def _gradient_as_function(f, xs, g, names, rng):
    """(x, g) → ⟨v, x̄⟩ for random v, as the function to check, with its arguments."""
    vs = [_random_like(x.data, rng) for x in xs]

    def projected_gradient(*arguments):
        *points, cotangent = arguments
        x_bars = grad(f(*points), points, cotangent, create_graph=True, allow_unused=True)
        total = 0.0
        for x_bar, v in zip(x_bars, vs):
            total = total + sum(x_bar * v)
        return total

    one = Tensor(g.xp.ones((), dtype=g.dtype))
    return projected_gradient, [*xs, g], [*names, "cotangent"], one


def _compare(f, g, x, analytic, name, rng, eps, tolerances, max_elements, directions):
    """Compare `analytic` with the slopes of ⟨g, f()⟩ along the elements of x, or along some of them."""
    if x.size == 0:
        return ArgumentReport(name, x.shape, 0, 0, 0, 0.0, (), 0.0, 0.0)
    original = x.data.copy()

    def at(offset):
        try:
            x.data[...] = original + offset
            return f().copy()
        finally:
            x.data[...] = original

    def slope(v, forward, backward):
        """The slope between two points on the line through x along v, at distances forward and −backward."""
        return float((g * (at(forward * v) - at(-backward * v))).sum()) / (forward + backward)

    few = x.size <= max_elements
    chosen = range(x.size) if few else np.sort(rng.choice(x.size, max_elements // 10, replace=False)).tolist()
    indices = [tuple(int(i) for i in np.unravel_index(k, x.shape)) for k in chosen]
    lines = [(index, _unit(x.shape, index), analytic[index]) for index in indices]
    for k in range(0 if few else directions):
        v = rng.choice([-1.0, 1.0], x.shape)
        lines.append((f"direction {k}", v, (analytic * v).sum()))

    a, n, kinks = [], [], []
    rtol, atol = tolerances
    for _, v, derivative in lines:
        along = to_device(v, x.device)
        a.append(float(derivative))
        n.append(slope(along, eps, eps))
        agrees = abs(a[-1] - n[-1]) <= atol + rtol * abs(n[-1])
        kinks.append(not agrees and _is_kink(lambda *ends, v=along: slope(v, *ends), a[-1], eps))
    a, n, kinks = np.array(a), np.array(n), np.array(kinks)
    wrong = ~(np.abs(a - n) <= atol + rtol * np.abs(n)) & ~kinks  # written so that NaN counts as wrong
    errors = np.where(kinks, 0.0, np.where(np.isfinite(a - n), np.abs(a - n) / np.maximum(1, np.abs(n)), np.inf))
    worst = int(np.argmax(np.where(wrong, errors, -1.0) if wrong.any() else errors))
    return ArgumentReport(name, x.shape, len(lines), int(wrong.sum()), int(kinks.sum()), float(errors[worst]),
                          lines[worst][0], float(a[worst]), float(n[worst]))


def _is_kink(slope, analytic, eps):
    """Does the function bend sharply here, with the analytic derivative among the slopes of its two sides?

    At a kink the two one-sided slopes differ by the same amount for every step; where a function is smooth their
    difference shrinks with the step, and where it is not deterministic it grows.
    """
    gaps = []
    for h in (eps, eps / 10):
        right, left = slope(h, 0.0), slope(0.0, h)
        gaps.append(abs(right - left))
    margin = 1e-3 * gaps[1]
    return bool(gaps[1] > 1e-4 * max(1e-3, abs(left), abs(right)) and 0.5 * gaps[0] < gaps[1] < 2 * gaps[0]
                and min(left, right) - margin <= analytic <= max(left, right) + margin)


def _unit(shape, index):
    v = np.zeros(shape)
    v[index] = 1.0
    return v


def _output(f, xs):
    y = f(*xs)
    if not isinstance(y, Tensor):
        raise GraphError("the function must return a tensor", where="gradcheck", got=type(y).__name__)
    return y


def _float64_tensor(name, x):
    if not isinstance(x, Tensor) and not is_array(x):
        raise ShapeError(f"input {name} must be an array or a tensor", where="gradcheck", got=type(x).__name__)
    if x.dtype != np.float64:
        raise ShapeError(f"input {name} must be float64", where="gradcheck", got=str(x.dtype),
                         fix="A difference quotient needs the digits: x.astype(np.float64), network.astype(np.float64)")
    return x if isinstance(x, Tensor) else Tensor(x.copy())


def _random_like(array, rng):
    """Numbers of mixed signs, none of them small, where `array` lives: 0.5 to 1.5 in size."""
    values = rng.uniform(0.5, 1.5, array.shape) * rng.choice([-1.0, 1.0], array.shape)
    return to_device(values, device_of(array))


def of_pair(forward, vjp):
    """temporary"""
    def f(*xs):
        arrays = [x.data for x in xs]
        def one(i):
            def run(g, y):
                if isinstance(vjp, (tuple, list)):
                    return Tensor(np.asarray(vjp[i](g.data, *arrays)))
                all_ = vjp(g.data, *arrays)
                return Tensor(np.asarray(all_[i] if len(xs) > 1 else all_))
            return run
        return record(np.asarray(forward(*arrays)), xs, *(one(i) for i in range(len(xs))))
    return f
