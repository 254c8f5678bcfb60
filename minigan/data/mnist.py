"""MNIST and Fashion-MNIST, found or fetched, and verified: 60,000 + 10,000 grey images of 28 × 28, in ten classes.

The files are looked for in the folder that is given, else in the one that the environment variable MINIGAN_DATA
names: there, or in a sub-folder with the data set's name (`mnist`, `fashion-mnist`), raw or gzipped. A folder that is
given is never added to, and nothing is fetched in its place. Where no folder is given, the files are fetched once
into the system's cache folder.

Sources: Y. LeCun, C. Cortes, C. Burges 1998, "The MNIST database of handwritten digits";
H. Xiao, K. Rasul, R. Vollgraf 2017, "Fashion-MNIST", https://arxiv.org/abs/1708.07747 (MIT licence).
"""

import hashlib
import os
from pathlib import Path
from typing import NamedTuple

from ..errors import ConfigError, DataError
from .download import download
from .idx import idx_header, read_idx

__all__ = ["PIXEL_MAX", "SETS", "FetchedFile", "fetch", "load_mnist"]

PIXEL_MAX = 255
"""The largest pixel of MNIST and Fashion-MNIST."""


class IdxFile(NamedTuple):
    """One file as it has to be. The SHA-256 is of the decompressed content: a recompressed copy is as good."""

    name: str
    shape: tuple
    sha256: str


class ImageSet(NamedTuple):
    """The files of one data set, `{split: {"images": IdxFile, "labels": IdxFile}}`, and where to fetch them."""

    files: dict
    mirrors: tuple


class FetchedFile(NamedTuple):
    """What `fetch` says of each file: its `path`, the array's `shape`, and the `sha256` that was verified."""

    path: Path
    shape: tuple
    sha256: str


def _image_set(mirrors, train_images, train_labels, test_images, test_labels):
    return ImageSet(
        {
            "train": {"images": IdxFile("train-images-idx3-ubyte", (60_000, 28, 28), train_images),
                      "labels": IdxFile("train-labels-idx1-ubyte", (60_000,), train_labels)},
            "test": {"images": IdxFile("t10k-images-idx3-ubyte", (10_000, 28, 28), test_images),
                     "labels": IdxFile("t10k-labels-idx1-ubyte", (10_000,), test_labels)},
        },
        mirrors,
    )


SETS = {
    "mnist": _image_set(
        ("https://ossci-datasets.s3.amazonaws.com/mnist/", "https://storage.googleapis.com/cvdf-datasets/mnist/"),
        train_images="ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db",
        train_labels="65a50cbbf4e906d70832878ad85ccda5333a97f0f4c3dd2ef09a8a9eef7101c5",
        test_images="0fa7898d509279e482958e8ce81c8e77db3f2f8254e26661ceb7762c4d494ce7",
        test_labels="ff7bcfd416de33731a308c3f266cc351222c34898ecbeaf847f06e48f7ec33f2",
    ),
    # The authors publish MD5 sums of the .gz files only. The labels' hashes were computed from files with those sums;
    # the images' are the ones that several independent projects state, and were not computed anew.
    "fashion-mnist": _image_set(
        ("http://fashion-mnist.s3-website.eu-central-1.amazonaws.com/",
         "https://raw.githubusercontent.com/zalandoresearch/fashion-mnist/master/data/fashion/"),
        train_images="c59f468a2f672dc815687fe0f83887768d799fd8a3f3276145d20f83aa44d888",
        train_labels="bad3541b69d912435c50bb6ba87bec294ff4f6a2e1246121d8633921760443d9",
        test_images="5b4141f0afbad91edebe8549f8fcffe087ea10ca49f1dbef5c9a5cd8815ce37b",
        test_labels="0402a96d92fd2663957122ceb108a494c5af83dab82d92729df917d7dec38c34",
    ),
}
"""The data sets: `{name: ImageSet}`."""


def load_mnist(name, split="train", part="images", data_dir=None):
    """One file of MNIST or Fashion-MNIST, found or fetched, as it is stored.

    name     : "mnist" or "fashion-mnist"
    split    : "train" (60,000) or "test" (10,000)
    part     : "images" or "labels"
    data_dir : folder with the files; None: see the top of this file
    returns  : (N, 28, 28) uint8 images, 0 (background) to 255; or (N,) uint8 labels, 0 to 9
    raises   : DataError if the file is missing, damaged or another one, or no mirror has it
    """
    return _obtain(name, SETS[name].files[split][part], data_dir)[1]


def fetch(name, data_dir=None):
    """Make sure that all four files of a data set are there and right; fetch them if need be.

    name, data_dir : as in `load_mnist`
    returns        : the folder, and a list of one `FetchedFile` for each file
    raises         : ConfigError for a name that has no files, DataError as in `load_mnist`
    """
    if name not in SETS:
        raise ConfigError("no data set with files to fetch", where="name", expected=" or ".join(SETS), got=repr(name))
    summary = []
    for file in (file for parts in SETS[name].files.values() for file in parts.values()):
        path, array = _obtain(name, file, data_dir)
        summary.append(FetchedFile(path, array.shape, file.sha256))
    return summary[0].path.parent, summary


def _obtain(name, file, data_dir):
    """The path and the array of one file, verified."""
    folder = data_dir or os.environ.get("MINIGAN_DATA")
    if folder:
        folder = Path(folder).expanduser()
        copies = _copies(folder, name, file)
        if not copies:
            raise DataError(
                f"{file.name} of {name} is not in this folder" if folder.is_dir() else "no such folder", where=folder,
                expected=f"{file.name} or {file.name}.gz, there or in its sub-folder {name}",
                fix="Put the four files there; or give no folder (nor MINIGAN_DATA), and they are downloaded",
            )
        return copies[0], _read_verified(copies[0], file)

    import pooch  # only here: it costs 70 ms

    cache = Path(pooch.os_cache("minigan"))
    target = cache / name / f"{file.name}.gz"
    for path in _copies(cache, name, file):
        try:
            return path, _read_verified(path, file)
        except DataError:
            continue  # our own cache has gone bad: fetch the file again
    download(
        [f"{mirror}{file.name}.gz" for mirror in SETS[name].mirrors],
        target, check=lambda path: _read_verified(path, file), by_hand=_by_hand(name),
    )
    return target, _read_verified(target, file)


def _copies(folder, name, file):
    """Those of the places where a file may lie at which there is one; the more particular folder first."""
    places = (place / f"{file.name}{end}" for place in (folder / name, folder) for end in (".gz", ""))
    return [path for path in places if os.path.isfile(path)]


def _read_verified(path, file):
    """The array in `path` if it is `file`; DataError otherwise."""
    array = read_idx(path, file.shape)
    digest = hashlib.sha256(idx_header(array.shape))
    digest.update(array)
    if digest.hexdigest() != file.sha256:
        raise DataError("a well-formed file, but not the right one: its SHA-256 differs", where=path,
                        expected=file.sha256, got=f"{digest.hexdigest()}{_whose(digest.hexdigest())}",
                        fix="Fetch it again, or put the right data set's files there")
    return array


def _whose(sha256):
    """A remark if that hash belongs to a file we know: MNIST and Fashion-MNIST have the same file names."""
    for name, image_set in SETS.items():
        if any(sha256 == file.sha256 for parts in image_set.files.values() for file in parts.values()):
            return f", a file of {name}"
    return ""


def _by_hand(name):
    files = ", ".join(f"{file.name}.gz" for parts in SETS[name].files.values() for file in parts.values())
    return (f"To do it by hand, download {files} from {' or '.join(SETS[name].mirrors)} into one folder "
            "and name it with --data-dir FOLDER (data_dir= in Python), or in the environment variable MINIGAN_DATA")
