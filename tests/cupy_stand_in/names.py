"""The public names of the real CuPy and how its functions may be called, kept in `names.json`.

`python tests/cupy_stand_in/names.py` writes that file anew from the CuPy that is installed; no GPU is needed.
It maps a module or class to its names, and each name to

    "(a, axis=None)"        a function or method and its parameters (a default that is not a plain value is `...`)
    "ufunc(x, /, out=None)" a universal function
    "module", "class"       just that
    ""                      anything else: a constant, a property, a special method without parameters to read
"""

import inspect
import json
import re
from pathlib import Path

FILE = Path(__file__).with_name("names.json")
PLACES = (
    "cupy", "cupy.ndarray", "cupy.ufunc", "cupy.lib", "cupy.lib.stride_tricks", "cupy.linalg", "cupy.random",
    "cupy.random.Generator", "cupy.cuda", "cupy.cuda.Device", "cupy.cuda.Stream", "cupy.cuda.memory",
)


def read_names():
    """The names of the installed CuPy, as a dict `place → name → description`, with the version under "version"."""
    import cupy

    names = {"version": cupy.__version__}
    for place in PLACES:
        owner = cupy
        for part in place.split(".")[1:]:
            owner = getattr(owner, part)
        public = [n for n in dir(owner) if not n.startswith("_")]
        if place == "cupy.ndarray":  # its operators, and whatever else Python calls by itself
            special = [n for n in dir(owner) if n.endswith("__") and n not in dir(object)]
            public += [n for n in special if callable(getattr(owner, n))]
        names[place] = {name: _describe(getattr(owner, name, None), cupy.ufunc) for name in public}
        parent, _, name = place.rpartition(".")
        names.get(parent, {}).setdefault(name, _describe(owner, cupy.ufunc))  # some are made only when asked for
    return names


def _describe(value, ufunc):
    if inspect.ismodule(value):
        return "module"
    if inspect.isclass(value):
        return "class"
    if not callable(value):
        return ""
    try:
        parameters = inspect.signature(value).parameters.values()
    except (TypeError, ValueError):  # a compiled function: its parameters stand in the first line of its docstring
        first = (getattr(value, "__doc__", None) or "").strip().partition("\n")[0].replace("\\", "")
        found = re.fullmatch(r"[\w.]+\((.*)\)( -> .*)?", first)
        without_types = re.sub(r"(?<![=\w'])\w+ (?=\w)", "", found[1]) if found else ""
        return ("ufunc" if isinstance(value, ufunc) else "") + f"({without_types})" if found else ""
    plain = [p.replace(annotation=p.empty, default=p.default if _is_plain(p.default) else ...) for p in parameters]
    return str(inspect.Signature(plain)).replace("Ellipsis", "...")


def _is_plain(default):
    return default is inspect.Parameter.empty or default is None or isinstance(default, (bool, int, float, str))


def load():
    """The names kept in `names.json`."""
    return json.loads(FILE.read_text(encoding="utf-8"))


if __name__ == "__main__":
    FILE.write_text(json.dumps(read_names(), indent=0, sort_keys=True) + "\n", encoding="utf-8")
    print("wrote", FILE)
