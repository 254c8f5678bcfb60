"""What `minigan gradcheck FILE.py:NAME` checks: functions from a file, on random inputs."""

import importlib.util
import inspect
import sys
from pathlib import Path

import numpy as np

from ..backend import random_streams
from ..errors import ConfigError

__all__ = ["load", "random_inputs"]


def load(target):
    """The function to check that a text names, and its number of arguments (None if that cannot be known).

    target : `FILE.py:NAME`, where NAME is a function of tensors, a module, or a pair (forward, vjp);
             `FILE.py:FORWARD,VJP` for a pair of two names; or `FILE.py:NAME_vjp`, whose forward is then NAME

    Raises ConfigError that says what the file has instead.
    """
    path, _, names = target.rpartition(":")
    if not path.endswith(".py") or not names:
        raise ConfigError("not something to check", where=repr(target), expected="FILE.py:NAME or FILE.py:FORWARD,VJP")
    file = _imported(Path(path))
    names = names.split(",")
    if len(names) == 1 and names[0].endswith("_vjp") and hasattr(file, names[0].removesuffix("_vjp")):
        names.insert(0, names[0].removesuffix("_vjp"))
    found = [_found(file, path, name) for name in names]
    f = found[0] if len(found) == 1 else tuple(found)
    if hasattr(f, "named_parameters"):
        f.astype(np.float64)
    return f, _number_of_arguments(f[0] if isinstance(f, tuple) else f)


def _imported(path):
    if not path.is_file():
        raise ConfigError("there is no such file", where=str(path))
    spec = importlib.util.spec_from_file_location(path.stem, path)
    module = importlib.util.module_from_spec(spec)
    sys.path.insert(0, str(path.parent))  # for what it imports from beside it
    try:
        spec.loader.exec_module(module)
    except Exception as error:
        raise ConfigError(f"the file cannot be imported, {type(error).__name__}: {error}", where=str(path)) from error
    finally:
        sys.path.remove(str(path.parent))
    return module


def _found(file, path, name):
    value = getattr(file, name, None)
    if callable(value) or (isinstance(value, tuple) and len(value) == 2):
        return value
    functions = [n for n, v in vars(file).items() if callable(v) and getattr(v, "__module__", None) == file.__name__]
    raise ConfigError(f"there is no function {name}", where=path, expected=f"one of {', '.join(functions) or 'none'}",
                      fix="For a vjp, name its forward too: FILE.py:FORWARD,VJP")


def _number_of_arguments(f):
    try:
        parameters = inspect.signature(f).parameters.values()
    except (TypeError, ValueError):
        return None
    needed = [p for p in parameters if p.default is p.empty and p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD)]
    return len(needed) or None


def random_inputs(shapes, n, seed):
    """Standard normal arrays.

    shapes : texts such as "3x5", "7", or "scalar"; by default "3x5" for each of the `n` arguments
    """
    if not shapes and n is None:
        raise ConfigError("how many inputs there are is not known", fix="Give their shapes: --shapes 3x5 5")
    rng = random_streams(seed, "inputs")["inputs"]
    return [rng.standard_normal(_shape(text)) for text in shapes or ["3x5"] * n]


def _shape(text):
    sizes = [] if text == "scalar" else text.split("x")
    if not all(size.isdecimal() for size in sizes):
        raise ConfigError("not a shape", expected="sizes such as 3x5, 7, or scalar", got=repr(text))
    return tuple(int(size) for size in sizes)
