"""A checkpoint gives back what was saved, or one clear error."""

import json
import os
import zipfile

import numpy as np
import pytest

from minigan import checkpoint
from minigan.errors import CheckpointError

PARTS = {
    "G": {"0.weight": np.arange(6, dtype=np.float32).reshape(2, 3), "0.bias": np.zeros(2)},
    "opt": {"t": np.array(3)},
}
META = {"step": 7, "big": 2**127, "config": {"lr": 0.1}}


@pytest.fixture
def path(tmp_path):
    checkpoint.save(tmp_path / "checkpoint.npz", PARTS, META)
    return tmp_path / "checkpoint.npz"


def test_arrays_come_back_with_names_types_and_bits(path):
    parts, _ = checkpoint.load(path)
    assert {part: list(state) for part, state in parts.items()} == {"G": ["0.weight", "0.bias"], "opt": ["t"]}
    for part, state in PARTS.items():
        for name, array in state.items():
            assert parts[part][name].dtype == array.dtype
            np.testing.assert_array_equal(parts[part][name], array)


def test_meta_comes_back(path):
    assert checkpoint.load(path)[1] == META


def test_no_temporary_file_is_left(path):
    assert os.listdir(path.parent) == ["checkpoint.npz"]


def test_a_failed_save_leaves_the_old_file_and_no_temporary_one(path, monkeypatch):
    before = path.read_bytes()

    def disk_full(*args, **kwargs):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(np, "savez", disk_full)
    with pytest.raises(OSError, match="No space"):
        checkpoint.save(path, PARTS, META)
    assert path.read_bytes() == before
    assert os.listdir(path.parent) == ["checkpoint.npz"]


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(CheckpointError, match=r"nothing\.npz: no such checkpoint"):
        checkpoint.load(tmp_path / "nothing.npz")


@pytest.mark.parametrize("share", [0.0, 0.3, 0.9, 0.999])
def test_a_truncated_file_is_refused(path, share):
    whole = path.read_bytes()
    path.write_bytes(whole[: int(share * len(whole))])
    with pytest.raises(CheckpointError, match="not a readable checkpoint"):
        checkpoint.load(path)


def test_a_flipped_bit_in_an_array_is_noticed(path):
    content = bytearray(path.read_bytes())
    place = content.find(PARTS["G"]["0.weight"].tobytes())
    content[place + 9] ^= 4
    path.write_bytes(content)
    with pytest.raises(CheckpointError, match="not a readable checkpoint"):
        checkpoint.load(path)


def test_pickled_objects_are_refused(path):
    np.savez(path, meta=np.array(json.dumps({"format": 1})), **{"G/x": np.array([print], dtype=object)})
    with pytest.raises(CheckpointError, match="allow_pickle"):
        checkpoint.load(path)


def test_a_file_without_meta_is_refused(path):
    np.savez(path, x=np.zeros(3))
    with pytest.raises(CheckpointError, match="meta"):
        checkpoint.load(path)


def test_a_newer_format_is_refused_with_both_numbers(path):
    np.savez(path, meta=np.array(json.dumps({"format": 99})))
    with pytest.raises(CheckpointError, match=r"expected format 1, got 99"):
        checkpoint.load(path)


def test_a_zip_of_something_else_is_refused(path):
    with zipfile.ZipFile(path, "w") as file:
        file.writestr("readme.txt", "hello")
    with pytest.raises(CheckpointError):
        checkpoint.load(path)
