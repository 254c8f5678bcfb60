"""Saving and loading: one `.npz` file without pickled objects, replaced in one stroke.

A checkpoint holds named parts (the networks' and the optimisers' state dicts) and a dict `meta` of plain values
(configuration, step, random states), kept as JSON. Inside the file an array is called "part/name".
"""

import json
import zipfile
import zlib
from pathlib import Path

import numpy as np

from .errors import CheckpointError
from .files import replacing

__all__ = ["save", "load"]

FORMAT = 1


def save(path, parts, meta):
    """Write a checkpoint.

    path  : the file; what was there before stays whole until the new one is complete
    parts : dict part → dict name → array
    meta  : dict that `json.dumps` accepts
    """
    arrays = {f"{part}/{name}": array for part, state in parts.items() for name, array in state.items()}
    arrays["meta"] = np.array(json.dumps({"format": FORMAT} | meta))
    with replacing(path) as temporary, open(temporary, "wb") as file:
        np.savez(file, **arrays)


def load(path):
    """Read a checkpoint: (parts, meta) as `save` was given them.

    Raises CheckpointError for a file that is missing, damaged (every member's CRC is checked), of a newer format, or
    no checkpoint at all. Pickled objects are refused, not run.
    """
    path = Path(path)
    if not path.is_file():
        raise CheckpointError("no such checkpoint", where=str(path))
    try:
        with open(path, "rb") as opened, np.load(opened, allow_pickle=False) as file:
            arrays = {name: file[name] for name in file.files}
        meta = json.loads(str(arrays.pop("meta")))
    except (OSError, ValueError, KeyError, EOFError, TypeError, RuntimeError, MemoryError, zipfile.BadZipFile,
            zlib.error) as error:
        raise CheckpointError("not a readable checkpoint", where=str(path), got=f"{type(error).__name__}: {error}",
                              fix="The file is damaged, or something else; use another copy or train again") from error
    found = meta.pop("format", None) if isinstance(meta, dict) else type(meta).__name__
    if found != FORMAT:
        raise CheckpointError("unknown checkpoint format", where=str(path), expected=f"format {FORMAT}", got=found,
                              fix="It may come from a newer minigan")
    parts = {}
    for key, array in arrays.items():
        part, _, name = key.partition("/")
        parts.setdefault(part, {})[name] = array
    return parts, meta
