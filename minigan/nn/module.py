"""Modules: functions with parameters, which are found, saved and loaded by name."""

import numpy as np

from ..backend import device_of, is_array, to_device, to_numpy
from ..errors import CheckpointError, ShapeError
from ..tensor import Tensor

__all__ = ["Module", "Parameter", "Sequential"]


class Parameter(Tensor):
    """A tensor that training changes."""

    __slots__ = ()


class Module:
    """A network or a layer: assign parameters and modules to attributes, write `forward`.

    Names are the attributes' names, joined by dots, and their order is the order of assignment: both are
    PyTorch's, so weights go from one library to the other by name. Arrays that are state but
    not trained (a BatchNorm's running mean) are named in the class attribute `buffers`. `mixes_samples` is True where
    a sample's output in training depends on the others of its batch; a gradient penalty has no meaning there.
    """

    buffers = ()
    mixes_samples = False
    training = True

    def forward(self, x):
        """Compute the output; every layer writes its own."""
        raise TypeError(f"{type(self).__name__} does not define forward")

    def __call__(self, *args):
        return self.forward(*args)

    def children(self):
        """The modules directly inside this one, as (name, module) pairs."""
        return [(name, value) for name, value in vars(self).items() if isinstance(value, Module)]

    def modules(self):
        """This module and all modules inside it, outer before inner."""
        return [self] + [inner for _, child in self.children() for inner in child.modules()]

    def _state(self, prefix=""):
        """(name, owner, attribute) of every parameter and buffer: own parameters, own buffers, then the children's."""
        found = [(prefix + name, self, name) for name, value in vars(self).items() if isinstance(value, Parameter)]
        found += [(prefix + name, self, name) for name in self.buffers]
        for name, child in self.children():
            found += child._state(f"{prefix}{name}.")
        return found

    def named_parameters(self):
        """(name, parameter) pairs, in a stable order; a parameter that is shared is listed once."""
        pairs = {}
        for name, owner, attribute in self._state():
            value = getattr(owner, attribute)
            if isinstance(value, Parameter):
                pairs.setdefault(value, name)
        return [(name, parameter) for parameter, name in pairs.items()]

    def parameters(self):
        """The parameters θ, in the order of `named_parameters`."""
        return [parameter for _, parameter in self.named_parameters()]

    def state_dict(self):
        """A dict `name → NumPy array` of copies of every parameter and buffer: PyTorch's keys, shapes and layouts."""
        return {name: np.array(to_numpy(_array(owner, attribute))) for name, owner, attribute in self._state()}

    def load_state_dict(self, state):
        """Take over the values of `state`, a dict `name → array`, keeping its floating point type.

        Raises CheckpointError that lists everything missing, unexpected, misshaped or not of numbers; then
        nothing at all has been changed.
        """
        own = {name: (owner, attribute) for name, owner, attribute in self._state()}
        problems = [f"missing {name}" for name in own if name not in state]
        problems += [f"unexpected {name}" for name in state if name not in own]
        arrays = {}
        for name in own.keys() & state.keys():
            target = _array(*own[name])
            try:
                array = np.asarray(_host(state[name]))
            except ValueError:
                problems.append(f"{name} is not an array")
                continue
            if array.shape != target.shape:
                problems.append(f"{name} has shape {array.shape}, expected {target.shape}")
            elif array.dtype.kind != target.dtype.kind:
                problems.append(f"{name} has type {array.dtype}, expected a type like {target.dtype}")
            arrays[name] = array
        if problems:
            raise CheckpointError("the state does not fit this network; nothing was loaded", where=type(self).__name__,
                                  got="; ".join(sorted(problems)))
        for name, array in arrays.items():
            _overwrite(*own[name], array)

    def load_fitting(self, state):
        """Take over the layers whose arrays all fit by name, shape and kind of number; returns the names taken.

        The other layers stay as they are. So a network starts from another's layers (transfer learning, N8).
        """
        def fits(name, owner, attribute):
            array, target = np.asarray(_host(state.get(name))), _array(owner, attribute)
            return array.shape == target.shape and array.dtype.kind == target.dtype.kind

        own = self._state()
        strange = {id(owner) for name, owner, attribute in own if not fits(name, owner, attribute)}
        taken = [(name, owner, attribute) for name, owner, attribute in own if id(owner) not in strange]
        for name, owner, attribute in taken:
            _overwrite(owner, attribute, np.asarray(_host(state[name])))
        return [name for name, _, _ in taken]

    def to(self, device):
        """Move every parameter and buffer to `device` ("cpu" or "cuda"); returns self. Make optimisers afterwards."""
        return self._convert(lambda array: to_device(array, device))

    def astype(self, dtype):
        """Convert every parameter and floating point buffer, to np.float64 for a gradient check, say; returns self."""
        if np.dtype(dtype).kind != "f":
            raise ShapeError("parameters are real numbers", where="astype", expected="a floating point type", got=dtype)
        return self._convert(lambda array: array.astype(dtype) if array.dtype.kind == "f" else array)

    def _convert(self, convert):
        state = self._state()
        arrays = [convert(_array(owner, attribute)) for _, owner, attribute in state]  # all or, if one fails, nothing
        for (_, owner, attribute), array in zip(state, arrays):
            _rebind(owner, attribute, array)
        return self

    def train(self, mode=True):
        """Training mode: BatchNorm uses the batch's statistics, Dropout drops. Returns self."""
        for module in self.modules():
            module.training = mode
        return self

    def eval(self):
        """Evaluation mode: BatchNorm uses its running statistics, Dropout does nothing. Returns self."""
        return self.train(False)

    def arguments(self):
        """What `repr` shows between the brackets."""
        return ""

    def __repr__(self):
        inner = "".join(f"\n  ({name}): " + repr(child).replace("\n", "\n  ") for name, child in self.children())
        return f"{type(self).__name__}({inner}\n)" if inner else f"{type(self).__name__}({self.arguments()})"


def _array(owner, attribute):
    value = getattr(owner, attribute)
    return value.data if isinstance(value, Tensor) else value


def _host(value):
    value = value.data if isinstance(value, Tensor) else value
    return to_numpy(value) if is_array(value) else value


def _overwrite(owner, attribute, array):
    """In place where the type agrees, so that whoever holds the array sees the new values; else a new array."""
    value, old = getattr(owner, attribute), _array(owner, attribute)
    if old.dtype != array.dtype:
        _rebind(owner, attribute, to_device(array.copy(), device_of(old)))
    elif isinstance(value, Tensor):
        value.assign(to_device(array, value.device))
    else:
        value[...] = to_device(array, device_of(old))


def _rebind(owner, attribute, array):
    value = getattr(owner, attribute)
    if isinstance(value, Tensor):
        value.data = array
        value.version += 1
    else:
        setattr(owner, attribute, array)


class Sequential(Module):
    """Modules applied one after the other; they are named "0", "1", …, as in PyTorch."""

    def __init__(self, *layers):
        for i, layer in enumerate(layers):
            setattr(self, str(i), layer)

    def forward(self, x):
        """x, through every layer in turn."""
        for _, layer in self.children():
            x = layer(x)
        return x

    def __len__(self):
        return len(self.children())

    def __iter__(self):
        return (layer for _, layer in self.children())

    def __getitem__(self, i):
        layers = list(self)
        return Sequential(*layers[i]) if isinstance(i, slice) else layers[i]


def require_positive(where, **sizes):
    """Raise ShapeError unless every size is a whole number ≥ 1."""
    for name, n in sizes.items():
        if not isinstance(n, (int, np.integer)) or n < 1:
            raise ShapeError(f"{name} must be a positive whole number", where=where, got=repr(n))
