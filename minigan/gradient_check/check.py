r"""Is a derivative right? The analytic one against central differences, to first and to second order.

First order. Let $y = f(x_1, \dots)$ and let $g$ be a random cotangent of mixed signs. The number
$L = \langle g, f(x)\rangle$ has the gradient $\bar x = g \cdot \partial y/\partial x$ that `grad` computes, and

$$\frac{\partial L}{\partial x_i} \approx
  \frac{\langle g,\ f(x + \varepsilon e_i) - f(x - \varepsilon e_i)\rangle}{2\varepsilon}$$

Second order. The gradient is itself a function, $(x, g) \mapsto \bar x$; with a random $v$, the number
$\langle v, \bar x(x, g)\rangle$ is differentiated in $x$ and in $g$, and compared in the same way.

A cotangent of ones would be blind to a vjp that forgets `g`, and to anything whose rows sum to zero (softmax,
BatchNorm); a random one is not. Every element has to agree on its own: a small error in a large array counts.

Where something is wrong, `explain` checks the operations of the graph one by one, and `diagnosis` looks for the cause
in the first wrong one.
"""

from dataclasses import replace

import numpy as np

from ..backend import is_array, to_numpy
from ..errors import GraphError, ShapeError
from ..tensor import Tensor
from .compare import Settings
from .explain import compare_all, explain, gradient_as_function, random_like
from .pair import Failed, argument_names, of_pair
from .report import Cause, Report

__all__ = ["gradcheck"]

TOLERANCES = {1: (1e-6, 1e-8), 2: (1e-5, 1e-7)}  # order: (rtol, atol)


def gradcheck(f, inputs, order=1, *, seed=0, eps=1e-5, rtol=None, atol=None, max_elements=500, directions=5,
              cotangent=None, diagnose=True):
    r"""Compare the gradient that `grad` computes for `f` with central differences, and say what is wrong.

    f            : a function of tensors that gives a tensor; or a module, whose parameters are then checked too; or a
                   pair `(forward, vjp)` of functions of NumPy arrays: `forward(*xs) → y` and `vjp(g, *xs) → x̄`
                   (a tuple for several x), or one `vjp(g, *xs) → x̄ᵢ` for each x, in a tuple. A vjp with a
                   parameter named `y` is given the output, too. Of pairs only the first order can be checked
    inputs       : float64 arrays or tensors. A tensor is perturbed in place and put back, so that `f` may
                   also reach it by another way: `gradcheck(lambda *_: loss(G, D), G.parameters())` is fine
    order        : 1, or 2 for the derivative of the gradient; 2 alone cannot see a first derivative that is
                   consistently wrong, so check both
    seed         : of the cotangent and of the choice of elements
    eps          : the step ε of the central difference
    rtol, atol   : an element is right if |analytic − numeric| ≤ atol + rtol·|numeric|; (1e-6, 1e-8) by default,
                   (1e-5, 1e-7) for order 2
    max_elements : an argument with more elements, or one of a very large function, is checked at a twenty-fifth of this
                   many, and along `directions` random directions v of mixed signs, whose derivative is ⟨x̄, v⟩
    cotangent    : g, of f's shape; random numbers of mixed signs by default, which is what a check needs
    diagnose     : look for the place and the cause of what is wrong; False gives the verdict alone, sooner
    returns      : a `Report`; true if every derivative agrees. At a kink (ReLU at 0) a difference quotient means
                   nothing: such elements are counted, and are right if the analytic value is among the two slopes.
                   Where another step ε is needed, that is said, and the element is right if it agrees then

    Raises ShapeError for inputs that are not float64 (a difference quotient in float32 has three digits), and
    GraphError if inputs share memory (moving one moves the other), or if `f` does not give a tensor. A function whose
    result changes from call to call, or does not change at all, gives a report that is false and says why.
    """
    if order not in TOLERANCES:
        raise GraphError("gradcheck knows the orders 1 and 2", where="gradcheck", got=order)
    if isinstance(inputs, Tensor) or is_array(inputs):
        inputs = [inputs]
    xs = [_float64_tensor(i, x) for i, x in enumerate(inputs)]
    names, state = [f"argument {i}" for i in range(len(xs))], []
    if isinstance(f, (tuple, list)):
        if order == 2:
            raise GraphError("a pair of functions of arrays has no graph to differentiate again", where="gradcheck",
                             fix="Write it as an operation, record(…), with its vjps in tensor operations")
        names = argument_names(f[0], len(xs))
        f = of_pair(f, names)
    elif hasattr(f, "named_parameters"):
        module, number = f, len(xs)
        pairs = list(module.named_parameters())
        xs += [_float64_tensor(name, p) for name, p in pairs]
        names += [name for name, _ in pairs]
        state = [(owner, name, getattr(owner, name).copy()) for owner in module.modules() for name in owner.buffers]

        def f(*args):
            return module(*args[:number])

    if not xs:
        raise GraphError("there is nothing to check", where="gradcheck", expected="at least one input or parameter")
    _refuse_shared_memory(xs, names)
    tolerances = [a if a is not None else b for a, b in zip((rtol, atol), TOLERANCES[order])]
    settings = Settings(eps, *tolerances, max_elements, directions)
    before = [x.data.copy() for x in xs]
    try:
        return _check(f, xs, names, order, seed, settings, cotangent, diagnose)
    except Failed as failed:
        return Report(order, [], problem=failed.cause)
    finally:
        for x, data in zip(xs, before):
            x.data[...] = data
        for owner, name, array in state:  # a BatchNorm's running statistics have seen the perturbed inputs
            getattr(owner, name)[...] = array


def _check(f, xs, names, order, seed, settings, cotangent, diagnose):
    # Not default_rng(seed) itself: inputs drawn from that have signs which the cotangent would repeat.
    rng = np.random.default_rng((seed, 1))
    before = [x.data.copy() for x in xs]
    y = _output(f, xs)
    if problem := _unfit(f, xs, names, before, y):
        return Report(order, [], problem=problem)
    g = Tensor(random_like(y.data, rng)) if cotangent is None else _cotangent(cotangent, y)
    notes = _weaknesses(xs, names, None if cotangent is None else g)
    if order == 1:
        report = compare_all(f, xs, names, g, order, rng, settings)
        explained = None
    else:
        second = gradient_as_function(f, xs, g, names, rng)
        report = compare_all(*second, order, rng, settings)
        explained = (f, xs, names) if not report.problem else None  # its own mistake has to be found first
    if not report and diagnose:
        with np.errstate(all="ignore"):
            report = explain(report, *(second[:3] if explained else (f, xs, names)), rng, settings, first=explained)
    flat = [a.name for a in report.arguments if a.flat]
    nothing = y.size == 0 or any(x.size == 0 for x in xs)  # of an empty array nothing is expected
    if report and flat and not nothing and len(flat) == sum(a.checked > 0 for a in report.arguments):
        return replace(report, notes=tuple(notes), problem=Cause(
            "nothing tested", "the result does not change when the inputs do: every derivative is zero here. Is "
                              "everything on the flat side of a kink, or saturated? Try other inputs"))
    if order == 1:
        notes += [f"the derivative in {name} is zero everywhere here, so nothing was tested of it" for name in flat]
    return replace(report, notes=tuple(notes))


def _output(f, xs):
    y = f(*xs)
    if not isinstance(y, Tensor):
        raise GraphError("the function must return a tensor", where="gradcheck", got=type(y).__name__)
    return y


# --- what makes a check meaningless, or weaker than it looks ---


def _float64_tensor(name, x):
    if not isinstance(x, Tensor) and not is_array(x):
        raise ShapeError(f"input {name} must be an array or a tensor", where="gradcheck", got=type(x).__name__)
    if x.dtype != np.float64:
        raise ShapeError(f"input {name} must be float64", where="gradcheck", got=str(x.dtype),
                         fix="A difference quotient needs the digits: x.astype(np.float64), network.astype(np.float64)")
    return x if isinstance(x, Tensor) else Tensor(x.copy())


def _refuse_shared_memory(xs, names):
    """Tensors are moved in place, one element at a time: that must not move anything else."""
    arrays = [(name, x.data) for x, name in dict(zip(xs, names)).items() if isinstance(x.data, np.ndarray)]
    for i, (name, a) in enumerate(arrays):
        if a.size and (not a.flags.writeable or any(n > 1 and stride == 0 for n, stride in zip(a.shape, a.strides))):
            raise GraphError(f"{name} cannot be moved one element at a time: its memory is read-only, or holds one "
                             "number for several elements", where="gradcheck",
                             fix="Give a copy: Tensor(x.data.copy())")
        for other, b in arrays[:i]:
            if np.shares_memory(a, b):
                raise GraphError(f"{other} and {name} share memory, so that moving one moves the other",
                                 where="gradcheck", fix="Give copies: Tensor(x.data.copy())")


def _unfit(f, xs, names, before, y):
    """The `Cause` for which no difference quotient of f means anything, or None."""
    for x, name, data in zip(xs, names, before):
        if (x.data != data).any():
            return Cause("in place", f"the function overwrites its input {name}; compute with a copy")
    if y.dtype != np.float64:
        return Cause("float32", f"the result is {y.dtype} though all inputs are float64: a difference quotient needs "
                                "the digits. Is there a constant of that type, or a cast?")
    if not np.isfinite(to_numpy(y.data)).all():
        return Cause("non-finite", "the function itself gives NaN or infinity for these inputs")
    again = _output(f, xs).data
    if again.shape != y.shape or not (np.abs(again - y.data) <= 1e-10 * (1 + np.abs(y.data))).all():
        return Cause("not deterministic", "two calls with the same inputs give different results, so there is no "
                                          "derivative. Draw random numbers once, outside; call .eval() on a Dropout")
    return None


def _cotangent(g, y):
    g = _float64_tensor("cotangent", g)
    if g.shape != y.shape:
        raise ShapeError("the cotangent must have the result's shape", where="gradcheck", expected=y.shape, got=g.shape)
    return g


def _weaknesses(xs, names, g):
    """Sentences on what this check cannot see."""
    notes = []
    if g is not None and g.size > 1 and (g.data == g.data.ravel()[0]).all():
        notes.append("the cotangent is constant: a vjp that forgets g, or the mean terms of softmax and BatchNorm, may "
                     "pass unseen. Leave it out, and a random one is taken")
    arrays = list(zip(names, xs))
    for i, (name, x) in enumerate(arrays):
        for other, z in arrays[:i]:
            if x.shape == z.shape and x.size > 1 and (x.data == z.data).all():
                notes.append(f"{other} and {name} have the same values: arguments that are swapped would pass unseen")
    return notes
