"""The operations that a function is made of, each by itself.

A function of tensors is run under observation: of every tensor that an operation makes, it is noted which function made
it and with which arguments. So each operation can be called again, on other values, by itself; and the function can
be run again with some of the tensors in it replaced, to see what depends on what.
"""

import sys
from dataclasses import dataclass
from itertools import count, pairwise
from pathlib import Path
from types import CellType, FunctionType

import numpy as np

from ..backend import to_device, to_numpy
from ..tensor import Tensor, _graph, grad, no_grad, watching

__all__ = ["Made", "Operation", "Trace"]

_PACKAGE = Path(__file__).parent.parent


@dataclass(eq=False)
class Made:
    """A tensor that an operation made.

    number, tensor, value : its place in the run, the tensor, and a copy of its values
    function, arguments   : calling `function(*arguments)` makes it again
    name, caller          : the operation, and the function that called it
    layer, line, within   : see `OperationReport`
    """

    number: int
    tensor: Tensor
    value: np.ndarray
    function: FunctionType
    arguments: tuple
    name: str = ""
    caller: str = ""
    layer: str = ""
    line: str = ""
    within: str = ""


class Operation:
    """One operation by itself.

    f, xs, names : a function of no arguments that computes it from the values that the leaves `xs` have now
    positions    : for each x, which of the operation's inputs it is (both of them in x·x)
    """

    def __init__(self, f, xs, names, positions):
        self.f, self.xs, self.names, self.positions = f, xs, names, positions
        self.y = f()
        self.inputs = [to_numpy(x.data).copy() for x in xs]

    def forward(self, inputs):
        """The operation's values, a NumPy array, for these arrays instead of its inputs."""
        before = [x.data for x in self.xs]
        try:
            for x, array in zip(self.xs, inputs):
                x.data = to_device(np.ascontiguousarray(array).reshape(np.shape(array)), x.device)
            return np.array(to_numpy(self.f().data))  # a copy: the result may be a view of an input
        finally:
            for x, data in zip(self.xs, before):
                x.data = data

    def vjp(self, i, g):
        """What the operation gives as x̄ᵢ for the cotangent g, a NumPy array of whatever shape it has; may raise."""
        g = Tensor(to_device(g, self.y.device))
        with no_grad():
            parts = [self.y.vjps[p](g, self.y) for p in self.positions[i]]
        if not all(isinstance(part, Tensor) for part in parts):
            raise TypeError(f"a vjp must return a tensor, and returned {type(parts[0]).__name__}")
        arrays = [to_numpy(part.data) for part in parts]
        return sum(arrays[1:], arrays[0])


class Trace:
    """A run of f(*xs) under observation.

    everything : what every operation made, in order;  made : those that the graph of the result holds
    """

    def __init__(self, f, xs, names):
        self.run, self.xs, self.names = lambda: f(*xs), xs, dict(zip(xs, names))
        self.everything = []

        def see(t):
            self.everything.append(_made(len(self.everything), t, sys._getframe(2)))

        with watching(see):
            y = self.run()
        self.y, in_graph = y, set(_graph(y))
        self.made = [m for m in self.everything if m.tensor in in_graph]
        self.numbers = {m.tensor: m.number for m in self.everything}
        for m in self.everything:
            if isinstance(t := m.within, Tensor):  # the tensor whose vjp was going on
                m.within = self.everything[self.numbers[t]].name if t in self.numbers else t.op

    def isolate(self, m):
        """What made `m`, by itself, as an `Operation` of its inputs; None if it cannot be called again."""
        given = _tensors((m.arguments, tuple(cell.cell_contents for cell in m.function.__closure__ or ())))
        inputs = dict.fromkeys(m.tensor.inputs)
        if any(x not in given and x.inputs for x in inputs):
            return None  # the function computes its own inputs
        stand_ins = {x: Tensor(x.data.copy()) if x in given else x for x in inputs}
        arguments = _replaced(m.arguments, stand_ins)
        function = FunctionType(m.function.__code__, m.function.__globals__, m.function.__name__, None, tuple(
            CellType(_replaced(cell.cell_contents, stand_ins)) for cell in m.function.__closure__ or ()))
        function.__kwdefaults__ = m.function.__kwdefaults__
        wanted = [stand_ins[x] for x in m.tensor.inputs]

        def f(*_):
            made = []

            def see(t):
                if sys._getframe(2).f_code is m.function.__code__ and list(t.inputs) == wanted:
                    made.append(t)

            with watching(see):
                function(*arguments)
            return made[0]

        xs = list(stand_ins.values())
        positions = [[p for p, x in enumerate(wanted) if x is leaf] for leaf in xs]
        names = [self.names.get(x, f"argument {p[0]}") for x, p in zip(stand_ins, positions)]
        try:
            operation = Operation(f, xs, names, positions)
        except Exception:
            return None
        return operation if operation.y.shape == m.value.shape and _close(operation.y.data, m.value) else None

    def again(self, x, step, given=None):
        """Run f again with the leaf x moved by `step`, and the tensors that `given` numbers given those values.

        returns : (values of everything, y)
        """
        numbers, values, given = count(), [], given or {}

        def see(t):
            number = next(numbers)
            t.data = given.get(number, t.data)
            values.append(t.data)

        before = x.data
        try:
            x.data = before + step
            with watching(see):
                return values, self.run().data
        finally:
            x.data = before

    def cuts(self, x, step):
        """Where something that depends on x comes in as a constant, so that the result's derivative in x is wrong.

        At such an operation the result, when x moves, is not what the operation makes of its moved inputs. Constants
        that cancel (the largest x that softmax subtracts) are passed over: holding them still changes nothing.
        """
        free, y = self.again(x, step)
        if len(free) != len(self.everything):
            return
        for m in self.everything:
            operation = self.isolate(m)
            if operation is None:
                continue
            moved = [free[self.numbers[z]] if z in self.numbers else z.data + step if z is x else z.data
                     for z in dict.fromkeys(m.tensor.inputs)]
            held = to_device(operation.forward([to_numpy(a) for a in moved]), m.tensor.device)
            if not _close(held, free[m.number]) and not _close(self.again(x, step, {m.number: held})[1], y):
                yield m
        if self.y not in self.numbers and self.everything and not _close(y, self.y.data):
            yield self.everything[-1]  # what it made was made into a new tensor


def _close(a, b):
    return bool(((abs(a - b) <= 1e-9 * (1 + abs(b))) | (a == b) | (a != a) & (b != b)).all())


def _made(number, t, frame):
    """What the calls that are going on say of t; `frame` is that of the function that calls `record`."""
    code, values = frame.f_code, frame.f_locals
    n = code.co_argcount
    names = code.co_varnames[:n + code.co_kwonlyargcount + bool(code.co_flags & 0x04)]  # 0x04: it takes *args
    arguments = tuple(values.get(name) for name in names[:n])
    if code.co_flags & 0x04:
        arguments += tuple(values.get(names[-1], ()))
    closure = tuple(CellType(values.get(name)) for name in code.co_freevars)
    function = FunctionType(code, frame.f_globals, code.co_name, None, closure)
    function.__kwdefaults__ = {name: values.get(name) for name in names[n:n + code.co_kwonlyargcount]}
    return Made(number, t, t.data.copy(), function, arguments, *_places(frame))


def _tensors(value):
    """All tensors in a value, also within lists and tuples."""
    if isinstance(value, (list, tuple)):
        return {t for v in value for t in _tensors(v)}
    return {value} if isinstance(value, Tensor) else set()


def _replaced(value, stand_ins):
    """The value with tensors replaced, also within lists and tuples."""
    if isinstance(value, (list, tuple)):
        return type(value)(_replaced(v, stand_ins) for v in value) if type(value) in (list, tuple) else value
    return stand_ins.get(value, value) if isinstance(value, Tensor) else value


def _places(frame):
    """(name, caller, layer, line, within): who made it, from the calls that are going on."""
    if Path(frame.f_code.co_filename).name == "pair.py" and "forward" in frame.f_locals:
        name = getattr(frame.f_locals["forward"], "__name__", "forward")
        return "the function" if name == "<lambda>" else name, "", "", "", ""
    functions, layers, line, within = [], [], "", ""
    while frame and Path(frame.f_code.co_filename).parent != _PACKAGE / "gradient_check":
        code, caller = frame.f_code, frame.f_back
        name = _named(code.co_qualname)
        if not functions or (name and not name.startswith("__") and code.co_name != "forward"):
            functions.append(code.co_qualname if code.co_name == "forward" else name or "a lambda")
        if caller and caller.f_code is grad.__code__ and not isinstance(within, Tensor):
            within = caller.f_locals.get("t", "")
        owner = frame.f_locals.get("self")
        if code.co_name == "forward" and hasattr(owner, "named_parameters"):
            layers.append(owner)
        if not line and not Path(code.co_filename).is_relative_to(_PACKAGE):
            line = f"{Path(code.co_filename).name}:{frame.f_lineno}"
        frame = caller
    name, caller = [*functions, "", ""][:2]
    return name, caller, _path(layers[::-1]), line, within


def _named(qualname):
    """The innermost function with a name: "tanh" of "tanh.<locals>.<lambda>"."""
    named = [part for part in qualname.split(".") if not part.startswith("<")]
    return named[-1] if named else ""


def _path(layers):
    """The dotted path of the innermost layer within the outermost one, and its class."""
    if not layers:
        return ""
    names = []
    for outer, inner in pairwise(layers):
        names += [name for name, child in outer.children() if child is inner] or [type(inner).__name__]
    return f"{'.'.join(names)} ({type(layers[-1]).__name__})" if names else type(layers[-1]).__name__
