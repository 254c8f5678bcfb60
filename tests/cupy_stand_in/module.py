"""The module `cupy` of the stand-in, and those under it: NumPy's functions behind the gate of `arrays.guarded`."""

import types

import numpy as np

from .arrays import NAMES, box, copy_to_device, guarded, missing, ndarray, note, unbox, unbox_index

# What of CuPy is here: with CuPy's parameters, NumPy's computation. More names can simply be added, if NumPy's
# function of that name does what CuPy's does; where they differ, write the function below.
FROM_NUMPY = """
    abs absolute add ceil clip cos divide equal exp expm1 floor floor_divide greater greater_equal invert isfinite isinf
    isnan less less_equal log log10 log1p log2 logical_and logical_not logical_or logical_xor maximum minimum multiply
    negative not_equal power reciprocal remainder rint sign sin sinh cosh sqrt square subtract tan tanh true_divide
    all allclose amax amin any argmax argmin argsort array_equal count_nonzero cov cumsum diff dot einsum isclose matmul
    max mean median min outer percentile prod sort std sum tensordot trace var vdot linalg.norm
    arange ascontiguousarray eye full full_like identity linspace ones ones_like tril triu zeros zeros_like
    atleast_1d atleast_2d broadcast_to copy copyto diag diagonal expand_dims flip hstack moveaxis pad ravel
    repeat reshape roll split squeeze stack swapaxes take take_along_axis tile transpose vstack
    lib.stride_tricks.as_strided lib.stride_tricks.sliding_window_view
    can_cast isscalar may_share_memory ndim promote_types result_type shape shares_memory size
"""
AT = {"add": "fiu", "maximum": "fiu", "minimum": "fiu"}  # `cupy.add.at`, by kinds of types
ARRAYS_HERE_NUMBERS_THERE = {"allclose", "array_equal", "count_nonzero"}  # 0-d arrays in CuPy, Python's in NumPy
IMPLEMENTED = set(FROM_NUMPY.split())


class Module(types.ModuleType):
    """A module that makes the functions it may have when they are asked for, and says what it lacks."""

    def __getattr__(self, name):
        place, description = self.__name__, NAMES[self.__name__].get(name, "")
        path = f"{place}.{name}".removeprefix("cupy.")
        theirs = getattr(_numpy_place(place), name, None)
        if name in NAMES[place] and path in IMPLEMENTED:
            value = Ufunc(name) if description.startswith("ufunc") else _function(name, theirs, description)
        elif name in NAMES[place] and place == "cupy" and _is_type_or_number(theirs):
            value = theirs
        else:
            raise missing(place, name, f"module {place!r} has no attribute {name!r}")
        setattr(self, name, value)
        return value


def _numpy_place(place):
    module = np
    for part in place.split(".")[1:]:
        module = getattr(module, part, None)
    return module


def _is_type_or_number(value):
    return isinstance(value, float) or value in (np.dtype, np.finfo, np.iinfo) or (
        isinstance(value, type) and issubclass(value, np.generic))


def _function(name, theirs, description):
    if name in ARRAYS_HERE_NUMBERS_THERE:
        return guarded(lambda *args, **kwargs: np.asarray(theirs(*args, **kwargs)), description, name)
    return guarded(theirs, description, name, elementwise=name == "matmul")


class Ufunc:
    """A universal function: called, or `at` where CuPy has it."""

    def __init__(self, name):
        self.name = self.__name__ = name
        self._call = guarded(getattr(np, name), NAMES["cupy"][name], name, elementwise=True)
        self.nin, self.nout = getattr(np, name).nin, getattr(np, name).nout

    def __call__(self, *args, **kwargs):
        return self._call(*args, **kwargs)

    def __getattr__(self, name):
        raise missing("cupy.ufunc", name, f"'cupy.ufunc' object has no attribute {name!r}")

    def at(self, a, indices, b=None):
        if self.name not in AT:
            raise NotImplementedError(f"`{self.name}.at` is not supported yet")
        if a.dtype.kind not in AT[self.name]:
            raise TypeError(f"cupy.{self.name}.at does not support {a.dtype}")
        getattr(np, self.name).at(a._array, unbox_index(indices), unbox(b))


class Grid:
    """`cupy.ogrid` and `cupy.mgrid`."""

    def __init__(self, theirs):
        self.theirs = theirs

    def __getitem__(self, slices):
        grid = self.theirs[slices]
        return list(box(grid)) if isinstance(grid, tuple) else box(grid)


# --- what CuPy has of its own, or does differently ---


def array(obj, dtype=None, copy=True, order="K", subok=False, ndmin=0, *, blocking=False):
    if not isinstance(obj, ndarray):
        return copy_to_device(obj, dtype=dtype, order=order, ndmin=ndmin)
    return box(np.array(obj._array, dtype=dtype, copy=copy or None, order=order, ndmin=ndmin))


def asarray(a, dtype=None, order=None, *, copy=None, blocking=False):
    return array(a, dtype, bool(copy), order or "K")


def asnumpy(a, stream=None, order="C", out=None, *, blocking=True):
    return a.get(stream, order, out) if isinstance(a, ndarray) else np.asarray(a)


def concatenate(tup, axis=0, out=None, *, dtype=None, casting="same_kind"):
    if any(isinstance(x, ndarray) and x.ndim == 0 for x in tup):
        raise TypeError("zero-dimensional arrays cannot be concatenated")
    return _concatenate(tup, axis, out, dtype=dtype, casting=casting)


_concatenate = guarded(np.concatenate, NAMES["cupy"]["concatenate"], "concatenate")


def empty(shape, dtype=float, order="C"):
    return ndarray(shape, dtype)


def empty_like(prototype, dtype=None, order="K", subok=None, shape=None):
    return ndarray(prototype.shape if shape is None else shape, dtype or prototype.dtype)


def get_array_module(*args):
    return cupy if any(isinstance(arg, ndarray) for arg in args) else np


def nonzero(a):
    note("synchronisations")  # the shape of the result depends on the values
    return box(a._array.nonzero())


def where(condition, x=None, y=None):
    return nonzero(condition) if x is None and y is None else _where(condition, x, y)


_where = guarded(np.where, NAMES["cupy"]["where"], "where", elementwise=True)


class Device:
    """The only GPU there is, number 0."""

    def __init__(self, device=0):
        self.id = int(device)

    def synchronize(self):
        note("synchronisations")

    def __enter__(self): return self
    def __exit__(self, *_): pass
    def __int__(self): return self.id
    def __eq__(self, other): return isinstance(other, Device) and self.id == other.id
    def __hash__(self): return self.id
    def __repr__(self): return f"<CUDA Device {self.id}>"


class Stream:
    """The stream on which everything is done."""

    def synchronize(self):
        note("synchronisations")


Stream.null = Stream()


class OutOfMemoryError(MemoryError):
    """Never raised here, but a test may raise it; made and worded as CuPy's."""

    def __init__(self, size, total, limit=0):
        within = f", limit set to: {limit:,} bytes" if limit else ""
        super().__init__(f"Out of memory allocating {size:,} bytes (allocated so far: {total:,} bytes{within}).")


class Generator:
    """`cupy.random.Generator`: a few distributions; no `normal`, `permutation`, `shuffle` or `choice`."""

    def __init__(self, seed=None):
        self._rng = np.random.default_rng(seed)

    def __getattr__(self, name):
        place = "cupy.random.Generator"
        if name not in ("integers", "random", "standard_normal", "uniform"):
            raise missing(place, name, f"'Generator' object has no attribute {name!r}")
        return guarded(getattr(self._rng, name), NAMES[place][name].replace("self, ", ""), name)


MODULES = {place: Module(place) for place in (
    "cupy", "cupy.cuda", "cupy.cuda.memory", "cupy.lib", "cupy.lib.stride_tricks", "cupy.linalg", "cupy.random")}
for place, module in MODULES.items():
    module.__path__ = []  # a package, so that `import cupy.cuda` works
    if place != "cupy":
        parent, _, name = place.rpartition(".")
        setattr(MODULES[parent], name, module)

cupy = MODULES["cupy"]
for thing in (array, asarray, asnumpy, concatenate, empty, empty_like, get_array_module, nonzero, where, ndarray):
    setattr(cupy, thing.__name__, thing)
cupy.__version__, cupy.newaxis, cupy.ufunc = NAMES["version"], None, Ufunc
cupy.ogrid, cupy.mgrid = Grid(np.ogrid), Grid(np.mgrid)
cupy.cuda.is_available, cupy.cuda.Device, cupy.cuda.Stream = (lambda: True), Device, Stream
cupy.cuda.memory.OutOfMemoryError = OutOfMemoryError
cupy.random.default_rng, cupy.random.Generator = Generator, Generator
