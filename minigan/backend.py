"""NumPy or CuPy: which module an array belongs to, moving arrays, seeded random streams.

There is no global backend. An array knows where it lives, and `get_array_module` asks it:

    xp = get_array_module(x)      # numpy for a NumPy array, cupy for a CuPy array
    y = xp.tanh(x)                # the same line computes on either

CuPy is imported only when somebody asks for the device "cuda".
"""

import re
import sys
from contextlib import contextmanager

import numpy as np

from .errors import ConfigError, DeviceError, OutOfMemoryError, ShapeError

__all__ = [
    "DEVICES", "attempt", "cuda_available", "device_of", "enough_memory", "get_array_module", "is_array",
    "matrix_product", "random_streams", "require_device", "require_same_device", "to_device", "to_numpy",
]

DEVICES = ("cpu", "cuda")
"""Where arrays can live: in main memory (NumPy), or on an NVIDIA GPU (CuPy)."""


def get_array_module(x):
    """The module whose functions work on `x`: `cupy` for a CuPy array, else `numpy`."""
    # A CuPy array can only exist where CuPy was imported already, so nothing is imported here.
    cupy = sys.modules.get("cupy")
    return cupy if cupy is not None and isinstance(x, cupy.ndarray) else np


def is_array(x):
    """Is `x` a NumPy or a CuPy array?"""
    return isinstance(x, (np.ndarray, get_array_module(x).ndarray))


def device_of(x):
    """The device an array lives on: `"cpu"` or `"cuda"`."""
    return "cpu" if get_array_module(x) is np else "cuda"


def cuda_available():
    """Can arrays be put on a GPU here? (CuPy imports on a machine without one, so its import says nothing.)"""
    try:
        import cupy
    except ImportError:
        return False
    return bool(cupy.cuda.is_available())


def to_device(x, device):
    """The array `x` on `device` ("cpu" or "cuda"); no copy is made if it is there already.

    Raises ConfigError for an unknown device, DeviceError where CuPy or the GPU is missing.
    """
    if device not in DEVICES:
        raise ConfigError("unknown device", expected=" or ".join(DEVICES), got=repr(device))
    if device == "cpu":
        return to_numpy(x)
    if get_array_module(x) is not np:
        return x
    if not cuda_available():
        raise DeviceError(
            "no GPU can be used here", where="device 'cuda'",
            expected="CuPy and an NVIDIA GPU with its driver", got=_what_is_missing(),
            fix="Install the extra 'gpu' (pip install 'minigan[gpu]') on a machine with a GPU, or use the device 'cpu'",
        )
    import cupy

    return cupy.asarray(x)


def _what_is_missing():
    try:
        import cupy
    except ImportError:
        return "no CuPy"
    return f"CuPy {cupy.__version__} without a GPU"


def require_device(device):
    """Raise ConfigError or DeviceError unless `device` ("cpu" or "cuda") can be computed on, tried on one number.

    A GPU that CuPy finds is not enough: a plain `pip install cupy-cuda13x` lacks CUDA's compiler and cuBLAS.
    """
    x = to_device(np.ones((1, 1), np.float32), device)
    try:
        to_numpy(x @ x + 1)
    except Exception as error:
        if _what_is_full(error):
            raise
        raise DeviceError(
            "CuPy finds a GPU, but cannot compute on it", where=f"device '{device}'", got=str(error).partition("\n")[0],
            fix="Install the extra 'gpu' (pip install 'minigan[gpu]'), which brings CUDA's libraries, and a driver "
                "that is new enough for them; or use the device 'cpu'",
        ) from error


def to_numpy(x):
    """The array `x` in the computer's main memory; no copy is made if it is there already."""
    return np.asarray(x) if get_array_module(x) is np else x.get()


def require_same_device(where, *arrays):
    """Raise DeviceError unless all arrays live in one place; numbers live anywhere."""
    devices = {device_of(array) for array in arrays if is_array(array)}
    if len(devices) > 1:
        raise DeviceError("arrays live on different devices", where=where, got=" and ".join(sorted(devices)),
                          fix="Move them to one: network.to(device), minigan.backend.to_device(array, device)")


def attempt(where, f, *arrays, got="", **options):
    """`f(*arrays, **options)`, with an error that names the operation and the shapes where these do not fit."""
    try:
        return f(*arrays, **options)
    except ValueError as error:
        shapes = " and ".join(str(np.shape(array)) for array in arrays)
        raise ShapeError("shapes do not fit together", where=where, got=f"{shapes}{got}") from error
    except TypeError:
        require_same_device(where, *arrays)
        raise


def matrix_product(a, b):
    """a @ b, for (…, n, k) and (…, k, m). For k = 1 a column times a row, which takes BLAS up to 20 times as long."""
    return a * b if a.shape[-1] == b.shape[-2] == 1 else a @ b


@contextmanager
def enough_memory(where, fix="Use smaller batches or networks"):
    """What runs out of memory within, or in a function that `@enough_memory(…)` decorates, raises OutOfMemoryError.

    where : what is being done;  fix : how it would take less. Of several around each other the outermost says both.
    """
    try:
        yield
    except (MemoryError, RuntimeError) as error:
        what = _what_is_full(error)
        if what is None:
            raise
        raise OutOfMemoryError(what, where=where, got=getattr(error, "got", str(error).rstrip(".") or None),
                               fix=fix + _ALSO[what]) from error


_ALSO = {
    "the GPU's memory is full": ", end other programs on the GPU, or use the device 'cpu'",
    "the computer's memory is full": ", or end other programs",
}


def _what_is_full(error):
    gpu, computer = _ALSO
    if isinstance(error, OutOfMemoryError):
        return error.what
    # Not all of it is CuPy's MemoryError: CUDA loads kernels, and cuBLAS takes its workspace, past CuPy's memory pool.
    if type(error).__module__.startswith("cupy") and re.search("out of memory|ALLOC_FAILED", str(error), re.IGNORECASE):
        return gpu
    return computer if isinstance(error, MemoryError) else None


def random_streams(seed, *names):
    """Independent random generators from one seed, as a dict `name → numpy.random.Generator`.

    A stream depends on the seed and its own place in `names` only: drawing more noise
    never changes which real batch comes next. Random numbers are drawn in main memory on every
    device, so that the same seed means the same numbers on all of them.
    """
    if not isinstance(seed, (int, np.integer)) or isinstance(seed, bool) or seed < 0:
        raise ConfigError("a seed is a whole number", where="seed", expected="an int ≥ 0", got=repr(seed))
    children = np.random.SeedSequence(seed).spawn(len(names))
    return {name: np.random.default_rng(child) for name, child in zip(names, children, strict=True)}
