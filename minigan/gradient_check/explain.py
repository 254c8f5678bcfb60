"""Where a wrong derivative comes from: the first operation of the graph whose own check fails."""

import traceback
from dataclasses import replace

import numpy as np

from ..backend import device_of, to_device, to_numpy
from ..errors import MiniganError, ShapeError
from ..tensor import Tensor, grad
from .compare import compare
from .diagnosis import diagnose
from .operation import Trace
from .pair import Failed
from .report import ArgumentReport, Cause, OperationReport, Report

__all__ = ["compare_all", "explain", "gradient_as_function", "random_like"]


def compare_all(f, xs, names, g, order, rng, settings):
    """A report of every argument; of none, if a vjp fails, has a wrong shape, or overwrites what it is given."""
    try:
        y = f(*xs)
    except ShapeError as error:
        if order == 1:
            raise
        return _failed(order, error)  # f computes a gradient, and so may fail for a vjp
    held = [("its cotangent", g), ("its result", y), *((f"its argument {name}", x) for name, x in zip(names, xs))]
    before = [t.data.copy() for _, t in held]
    try:
        analytic = grad(y, xs, g, allow_unused=True)
    except (Failed, NotImplementedError):
        raise
    except Exception as error:
        return _failed(order, error)
    for (what, t), data in zip(held, before):
        if (t.data != data).any():
            t.data[...] = data
            return Report(order, [], problem=Cause("in place", f"a vjp overwrites {what}; compute with a copy"))
    size = sum(x.size for x in xs)
    return Report(order, [compare(lambda: f(*xs).data, g.data, x, to_numpy(x_bar.data), name, rng, settings, size)
                          for x, x_bar, name in zip(xs, analytic, names)])


def _failed(order, error):
    """The report on a vjp that raised, or gave a gradient that is no tensor or has a wrong shape."""
    frames = [frame for frame, _ in traceback.walk_tb(error.__traceback__) if frame.f_code is grad.__code__]
    name = frames[-1].f_locals["t"].op if frames and "t" in frames[-1].f_locals else ""
    code = "shape" if isinstance(error, ValueError) else "exception"
    said = error if isinstance(error, MiniganError) else f"{type(error).__name__}: {error}"
    cause = Cause(code, f"the vjp of {name} fails, {said}" if name else str(said))
    return Report(order, [], OperationReport(name, "", "", "", [], cause) if name else None, problem=cause)


def gradient_as_function(f, xs, g, names, rng, only=None):
    """(x, g) → ⟨v, x̄⟩ for random v, as the function to check, with its arguments; `only` is the index of one x̄."""
    vs = [random_like(x.data, rng) for x in xs]

    def projected_gradient(*arguments):
        *points, cotangent = arguments
        x_bars = grad(f(*points), points, cotangent, create_graph=True, allow_unused=True)
        total = 0.0
        for i, (x_bar, v) in enumerate(zip(x_bars, vs)):
            if only in (None, i):
                total = total + (x_bar * v).sum()
        return total

    one = Tensor(g.xp.ones((), dtype=g.dtype))
    return projected_gradient, [*xs, g], [*names, "cotangent"], one


def random_like(array, rng):
    """Numbers of mixed signs, none of them small, where `array` lives: 0.5 to 1.5 in size."""
    values = rng.uniform(0.5, 1.5, array.shape) * rng.choice([-1.0, 1.0], array.shape)
    return to_device(values, device_of(array))


def explain(report, f, xs, names, rng, settings, first=None):
    """The report with the first wrong operation of the graph, and the cause.

    For the second order f is the gradient as a function, which is computed by operations, too; `first` is then the
    function itself, `(f, xs, names)`. If all operations are right, then the derivative of what they compute is right,
    and differs from the true one for one reason only: something that depends on the inputs is there as a constant.
    """
    if report.problem and report.problem.code not in ("shape", "exception"):
        return report
    trace = Trace(f, xs, names)
    for made in trace.made:
        whole = len(trace.made) == 1 and set(made.tensor.inputs) == set(xs)
        if found := _examine(trace, made, rng, settings, report if whole else None):
            break
    else:
        found = _cut(trace, report, first, rng, settings)
    if not found:
        return report
    arguments = report.arguments or found.arguments
    if len(trace.made) == 1 or not found.arguments:  # what is said of the operation holds of the function
        causes = {a.name: a.cause for a in found.arguments}
        arguments = [replace(a, cause=causes.get(a.name, found.cause)) if a.wrong else a for a in arguments]
        found = replace(found, arguments=arguments)
    return replace(report, arguments=arguments, operation=found, problem=None)


def _examine(trace, made, rng, settings, report=None):
    """The report on one operation by itself, or None if it is right; `report` is there if it is the whole function."""
    operation = trace.isolate(made)
    if operation is None or not operation.xs:
        return None
    g = random_like(operation.y.data, rng)
    known = {a.name: (a, None) for a in report.arguments} if report is not None else {}
    quick = settings._replace(max_elements=min(20, settings.max_elements), directions=3)
    results = [known.get(name) or _argument(operation, i, g, rng, quick) for i, name in enumerate(operation.names)]
    if not any(argument.wrong for argument, _ in results):
        return None
    arguments = []
    for i, (argument, cause) in enumerate(results):
        if argument.wrong and not known:
            argument, cause = _argument(operation, i, g, rng, settings)
        if argument.wrong and not cause:
            cause = diagnose(operation, i, to_numpy(g), rng)
        arguments.append(replace(argument, cause=cause))
    return OperationReport(made.name, made.layer, made.line, made.within, arguments)


def _argument(operation, i, g, rng, settings):
    """The `ArgumentReport` on one input of an operation, and the `Cause` if its vjp cannot be compared at all."""
    x, name = operation.xs[i], operation.names[i]
    everything = ArgumentReport(name, x.shape, x.size, x.size, error=np.inf)
    try:
        x_bar = operation.vjp(i, to_numpy(g))
    except Failed as failed:
        return everything, failed.cause
    except ValueError as error:
        return everything, Cause("shape", f"the vjp for {name} fails, {error}: is something transposed or not summed?")
    except Exception as error:
        return everything, Cause("exception", f"the vjp for {name} raised {type(error).__name__}: {error}")
    if x_bar.shape != x.shape:
        return everything, None
    size = sum(x.size for x in operation.xs)
    return compare(lambda: operation.f().data, g, x, x_bar, name, rng, settings, size), None


# --- graphs that are cut ---


def _cut(trace, report, first, rng, settings):
    """The operation at which something that depends on the inputs comes in as a constant."""
    if not trace.everything:
        cause = Cause("zero", "the gradient is identically zero, for the graph is cut: the function records no "
                              "operation. Is it under no_grad(), or does it compute with arrays (.data)?")
        return OperationReport("the function", "", "", "", [], cause)
    if first and (found := _detached_operation(Trace(*first), rng, settings)):
        return found
    wrong = [x for x, a in zip(trace.xs, report.arguments) if a.wrong]
    moves = [(x, 0.1 * settings.eps * random_like(x.data, rng)) for x in wrong]
    for made in (m for x, step in moves for m in trace.cuts(x, step)):
        if any(m.within for m in trace.everything) and (found := _detached_operation(trace, rng, settings)):
            return found
        dropped = _drops_an_argument(trace, made)
        where = f"the graph is cut {'inside' if dropped else 'before'} {made.name}: detach(), no_grad() or an array " \
                "(.data) stands where a tensor should"
        cause = Cause("cut", f"the operations are differentiated rightly, but {where}")
        if not any(analytic for a in report.arguments if a.wrong for _, analytic, _ in a.worst):
            cause = Cause("zero", f"the gradient is identically zero: {where}")
        name = made.name if dropped else made.caller or made.name
        return OperationReport(name, made.layer, made.line, made.within, [], cause)
    return None


def _detached_operation(trace, rng, settings):
    """The first operation whose vjps are right as numbers, and wrong when they are differentiated."""
    for made in trace.everything:  # also what a cut has left out of the graph
        operation = None if made.within else trace.isolate(made)
        if operation and operation.xs and (arguments := _detached(operation, rng, settings)):
            return OperationReport(made.name, made.layer, made.line, made.within, arguments)
    return None


def _drops_an_argument(trace, made):
    """Was the operation given a tensor of the graph that is not among its inputs?"""
    given = [v for a in made.arguments for v in (a if isinstance(a, (list, tuple)) else [a]) if isinstance(v, Tensor)]
    return any(t not in made.tensor.inputs and (t.inputs or t in trace.names) for t in given)


def _detached(operation, rng, settings):
    """The arguments in which an operation's vjps are wrong when differentiated; none, if they are right."""
    g = Tensor(random_like(operation.y.data, rng))
    quick = settings._replace(max_elements=min(20, settings.max_elements), directions=3)
    vjps = {}
    for i, name in enumerate(operation.names):
        second = gradient_as_function(operation.f, operation.xs, g, operation.names, rng, only=i)
        for a in compare_all(*second, 2, rng, quick).arguments:
            if a.wrong:
                vjps.setdefault(a.name, []).append(name)
    if not vjps:
        return None
    second = gradient_as_function(operation.f, operation.xs, g, operation.names, rng)
    return [replace(a, cause=_detached_cause(a, vjps[a.name])) if a.wrong and a.name in vjps else a
            for a in compare_all(*second, 2, rng, settings).arguments]


def _detached_cause(a, vjps):
    what = "misses a part of its dependence on" if any(analytic for _, analytic, _ in a.worst) else "does not depend on"
    return Cause("detached", f"the vjp for {' and for '.join(vjps)} {what} {a.name}: it is right as a number, but "
                             f"something in it that depends on {a.name} is a constant (.data, detach(), no_grad()). "
                             "Write it in tensor operations")
