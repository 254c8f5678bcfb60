"""`ndarray`: a NumPy array in a box that opens only where CuPy's own does, and the counters of what crosses."""

import inspect
import operator
from contextlib import contextmanager
from dataclasses import dataclass
from types import SimpleNamespace
from weakref import WeakValueDictionary

import numpy as np

from .names import load

NAMES = load()

# --- what moved between the computer's and the "device's" memory ---


@dataclass
class Counters:
    """Copies to the device, copies back, and moments at which the host waited for the device."""

    to_device: int = 0
    to_host: int = 0
    synchronisations: int = 0

    def reset(self):
        self.__init__()


counters = Counters()  # since the stand-in was installed, or since counters.reset()
_listening = [counters]


@contextmanager
def counting():
    """`with counting() as c:` counts what happens inside, beside the counters that run all the time."""
    _listening.append(inner := Counters())
    try:
        yield inner
    finally:
        _listening[:] = [c for c in _listening if c is not inner]


def note(*events):
    for c in _listening:
        for event in events:
            setattr(c, event, getattr(c, event) + 1)


# --- into the box and out of it ---

SCALARS = (bool, int, float, complex, np.generic)
_PLAIN = (*SCALARS, str, type, type(None), type(...), np.dtype)
_boxes = WeakValueDictionary()  # id of a NumPy array → its box: one array has one box, as long as that lives


def box(value):
    """What a NumPy function gave, as CuPy would give it: arrays, of no dimensions where NumPy gives scalars."""
    if isinstance(value, np.generic):
        value = np.asarray(value)
    if isinstance(value, np.ndarray):
        known = _boxes.get(id(value))
        if known is None or known._array is not value:
            known = _boxes[id(value)] = object.__new__(ndarray)
            known._array = value
        return known
    return tuple(map(box, value)) if isinstance(value, (tuple, list)) else value


def unbox(value):
    """An argument, as NumPy takes it. NumPy's arrays and unknown objects are refused, as CuPy refuses them."""
    if isinstance(value, ndarray):
        return value._array
    if isinstance(value, _PLAIN):
        return value
    if isinstance(value, (tuple, list)):
        return type(value)(map(unbox, value))
    raise TypeError(f"Unsupported type {type(value)}")


def copy_to_device(value, **how):
    """A box around a copy of something in main memory; counted."""
    value = np.array(value, **how)
    if value.dtype.kind not in "biufc":
        raise ValueError(f"Unsupported dtype {value.dtype}")
    note("to_device")
    return box(value)


def signature(description):
    return inspect.signature(eval(f"lambda {description.partition('(')[2][:-1]}: 0"))


def guarded(function, description, name, elementwise=False):
    """A NumPy function that takes and gives boxes, and only the arguments that CuPy's namesake has."""
    parameters = signature(description)
    first = next(iter(parameters.parameters))

    def call(*args, **kwargs):
        try:
            given = parameters.bind(*args, **kwargs).arguments
        except TypeError as error:
            raise TypeError(f"cupy's {name}: {error}") from None
        if first in ("a", "x", "condition", "array", "m") and not (elementwise and first == "x"):
            _require_array(given[first])
        outs = given.get("out") if isinstance(given.get("out"), tuple) else (given.get("out"),)
        if not all(out is None or isinstance(out, ndarray) for out in outs):
            raise TypeError("Output arguments type must be cupy.ndarray")
        args = [(_operand if elementwise else unbox)(a) for a in args]
        with np.errstate(all="ignore"):  # a GPU does not warn
            result = function(*args, **{key: unbox(value) for key, value in kwargs.items()})
        if elementwise and outs[0] is None:
            result = np.asarray(result, order="C")  # CuPy does not keep the inputs' memory layout, NumPy does
        return box(result)

    call.__name__ = call.__qualname__ = name
    return call


def _require_array(x):
    if not isinstance(x, ndarray):
        raise TypeError(f"Unsupported type {type(x)}")


def _operand(x):
    if not isinstance(x, SCALARS):
        _require_array(x)
    return unbox(x)


def missing(place, name, message):
    """The error for an attribute that is not there: because CuPy has none, or the stand-in has none yet."""
    if name in NAMES[place]:
        message = f"the stand-in does not implement {place}.{name} yet; add it in tests/cupy_stand_in"
    return AttributeError(message)


# --- the array ---


class ndarray:
    """Behaves as `cupy.ndarray` does, on a NumPy array; where the two could differ, it refuses."""

    __slots__ = ("__weakref__", "_array")
    __module__ = "cupy"
    __array_priority__ = 100
    __hash__ = None

    def __new__(cls, shape, dtype=float):
        array = np.empty(shape, dtype)
        array.fill(np.nan if array.dtype.kind in "fc" else 77)  # nobody may count on finding zeros
        return box(array)

    def __getattr__(self, name):
        raise missing("cupy.ndarray", name, f"'cupy.ndarray' object has no attribute {name!r}")

    # NumPy's ways in

    def __array__(self, dtype=None, copy=None):
        raise TypeError(
            "Implicit conversion to a NumPy array is not allowed. "
            "Please use `.get()` to construct a NumPy array explicitly.")

    def __array_ufunc__(self, ufunc, method, *inputs, **kwargs):
        function = getattr(_cupy(), ufunc.__name__, None)
        if function is not None and method != "__call__":
            function = getattr(function, method, None)
        known = all(isinstance(x, (ndarray, np.ndarray, *SCALARS)) for x in (*inputs, *kwargs.get("out", ())))
        return function(*inputs, **kwargs) if function is not None and known else NotImplemented

    def __array_function__(self, function, types, args, kwargs):
        place = _cupy()
        for part in function.__module__.split(".")[1:]:
            place = getattr(place, part, None)
        ours = getattr(place, function.__name__, None)
        return NotImplemented if ours is None else ours(*args, **kwargs)

    # ways out: each copies to main memory, and waits for the device

    def get(self, stream=None, order="C", out=None, blocking=True):
        note("to_host", "synchronisations")
        if out is not None:
            out[...] = self._array
            return out
        return np.array(self._array, order=order)

    def item(self):
        if self.size != 1:
            raise ValueError("can only convert an array of size 1 to a Python scalar")
        return self.get().item()

    def __bool__(self):
        if self.size != 1:
            raise ValueError("The truth value of an array with more than one element is ambiguous. "
                             "Use a.any() or a.all()")
        return bool(self.get())

    def __float__(self): return float(self.get())
    def __int__(self): return int(self.get())
    def __complex__(self): return complex(self.get())
    def __repr__(self): return repr(self.get())
    def __str__(self): return str(self.get())
    def __format__(self, spec): return format(self.get(), spec)
    def tolist(self): return self.get().tolist()
    def __reduce__(self): return _cupy().array, (self.get(order="A"),)

    # parts of it

    @property
    def device(self):
        return _cupy().cuda.Device(0)

    @property
    def flags(self):
        flags = self._array.flags
        return SimpleNamespace(c_contiguous=flags.c_contiguous, f_contiguous=flags.f_contiguous, owndata=flags.owndata)

    @property
    def base(self):
        owner = self._array
        while getattr(owner, "base", None) is not None:
            owner = owner.base
        return None if owner is self._array else box(owner)

    def __copy__(self): return self.copy()
    def __deepcopy__(self, memo): return self.copy()

    def __len__(self):
        if self.ndim == 0:
            raise TypeError("len() of unsized object")
        return self.shape[0]

    def __iter__(self):
        if self.ndim == 0:
            raise TypeError("iteration over a 0-d array")
        return (self[i] for i in range(len(self)))

    def __getitem__(self, index):
        return box(self._array[unbox_index(index)])

    def __setitem__(self, index, value):
        if not isinstance(value, (ndarray, *SCALARS)):  # NB: CuPy takes some of these, by a copy from main memory
            raise ValueError(f"non-scalar {type(value)} cannot be used for fill")
        index, value = unbox_index(index), np.array(unbox(value))
        with np.errstate(all="ignore"):
            self._array[index] = value
            if any(isinstance(part, np.ndarray) for part in index):
                kept, meant = np.broadcast_arrays(self._array[index], value.astype(self.dtype))
                if not np.array_equal(kept, meant, equal_nan=self.dtype.kind in "fc"):
                    raise ValueError("an index names an element twice, with different values: undefined in CuPy")


def unbox_index(index):
    parts = [copy_to_device(p, dtype=None if len(p) else int) if isinstance(p, (list, np.ndarray)) else p
             for p in (index if isinstance(index, tuple) else (index,))]
    masks = sum(p.dtype.kind == "b" for p in parts if isinstance(p, ndarray))
    if masks > 1:
        raise ValueError("CuPy does not support indexing by more than one boolean array")
    if masks:
        note("synchronisations")  # the shape of the result depends on the values
    return tuple(p if isinstance(p, slice) else unbox(p) for p in parts)


def _cupy():
    from .module import cupy

    return cupy


# --- its operators, and the methods that are NumPy's ---

IN_PLACE = {"add": np.add, "sub": np.subtract, "mul": np.multiply, "truediv": np.divide, "floordiv": np.floor_divide,
            "mod": np.remainder, "pow": np.power, "and": np.bitwise_and, "or": np.bitwise_or, "xor": np.bitwise_xor}
BINARY = (*IN_PLACE, "matmul", "lt", "le", "eq", "ne", "gt", "ge")
UNARY = ("neg", "pos", "abs", "invert")
PARTS = ("shape", "ndim", "size", "itemsize", "nbytes", "strides", "dtype", "T", "mT", "real", "imag")
METHODS = """
    all any argmax argmin argsort astype clip copy cumsum diagonal dot fill flatten max mean min prod ravel repeat
    reshape round squeeze std sum swapaxes take trace transpose var view
"""


def _elementwise(function, *operands):
    with np.errstate(all="ignore"):
        return box(np.asarray(function(*map(_operand, operands)), order="C"))


def _binary(function):
    def forward(x, y):
        if getattr(y, "__array_ufunc__", True) is None:  # as of minigan's tensors: they want to do it themselves
            return NotImplemented
        return _elementwise(function, x, y)

    return forward, lambda x, y: _elementwise(function, y, x)


def _in_place(ufunc):
    def update(x, y):
        with np.errstate(all="ignore"):
            return box(ufunc(x._array, _operand(y), out=x._array))

    return update


def _unary(function):
    return lambda x: _elementwise(function, x)


def _part(name):
    return property(lambda x: box(getattr(x._array, name)))


def _fill_class():
    for name in BINARY:
        forward, reflected = _binary(getattr(operator, f"__{name}__"))
        setattr(ndarray, f"__{name}__", forward)
        if f"__r{name}__" in NAMES["cupy.ndarray"]:
            setattr(ndarray, f"__r{name}__", reflected)
    for name, ufunc in IN_PLACE.items():
        setattr(ndarray, f"__i{name}__", _in_place(ufunc))
    for name in UNARY:
        setattr(ndarray, f"__{name}__", _unary(getattr(operator, f"__{name}__")))
    for name in PARTS:
        setattr(ndarray, name, _part(name))
    for name in METHODS.split():
        setattr(ndarray, name, guarded(getattr(np.ndarray, name), NAMES["cupy.ndarray"][name], f"ndarray.{name}"))


_fill_class()
