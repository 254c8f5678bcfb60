"""The embedded digits, and what `load` does for every data set: scale, shape, names."""

import numpy as np
import pytest

from minigan.data import NAMES, digits, load
from minigan.errors import ConfigError, DataError


def test_digits_equal_the_copy_in_scikit_learn():
    theirs = pytest.importorskip("sklearn.datasets").load_digits()
    images, labels = digits.load_digits()
    assert images.dtype == labels.dtype == np.uint8
    np.testing.assert_array_equal(images, theirs.images)
    np.testing.assert_array_equal(labels, theirs.target)


def test_load_gives_images_in_the_range_of_tanh():
    x = load("digits")
    assert (x.shape, x.dtype) == ((1797, 1, 8, 8), np.float32)
    assert (x.min(), x.max()) == (-1, 1)
    pixels, _ = digits.load_digits()
    np.testing.assert_array_equal(x[:, 0], pixels / 8.0 - 1)


def test_load_gives_classes_with_labels():
    x, y = load("digits", labels=True)
    np.testing.assert_array_equal(x, load("digits"))
    assert (y.shape, y.dtype) == ((1797,), np.int64)
    assert np.unique(y).tolist() == list(range(10))


def test_digits_are_one_set():
    with pytest.raises(ConfigError, match="one set, not split"):
        load("digits", "test")


def test_unknown_name_lists_the_valid_ones():
    with pytest.raises(ConfigError, match="digits, mnist, fashion-mnist, ring, grid"):
        load("cifar")
    assert NAMES == ("digits", "mnist", "fashion-mnist", "ring", "grid", "sines")


@pytest.mark.parametrize("name", NAMES)
def test_unknown_split_lists_the_valid_ones(name):
    with pytest.raises(ConfigError, match=r"unknown split \(expected train or test, got 'validation'\)"):
        load(name, "validation")


DAMAGED = {"missing": None, "empty": b"", "no zip archive": b"PK\x03\x04 no zip", "pickle": b"\x80\x04N."}


@pytest.mark.parametrize("content", DAMAGED.values(), ids=DAMAGED)
def test_damaged_installation_is_named(tmp_path, monkeypatch, content):
    if content is not None:
        (tmp_path / "digits.npz").write_bytes(content)
    monkeypatch.setattr(digits, "__file__", str(tmp_path / "digits.py"))
    with pytest.raises(DataError, match="embedded digits are missing or damaged"):
        digits.load_digits()
