"""The digits that come with the package, so that the first GAN needs no download. Where they are from: `digits.md`."""

import zipfile
import zlib
from pathlib import Path

import numpy as np

from ..errors import DataError

__all__ = ["DIGITS_MAX", "load_digits"]

DIGITS_MAX = 16
"""The largest pixel of the embedded digits: it counts the inked points in a 4 × 4 block of the scan."""


def load_digits():
    """1,797 handwritten digits of 13 people.

    returns : (1797, 8, 8) uint8 images, 0 (paper) to 16 (ink); (1797,) uint8 labels, 0 to 9
    raises  : DataError if the package's own file is missing or damaged
    Source  : E. Alpaydin and C. Kaynak 1998, Optical Recognition of Handwritten Digits (test set), UCI Machine
              Learning Repository, https://doi.org/10.24432/C50P49
    """
    path = Path(__file__).with_name("digits.npz")
    try:
        with path.open("rb") as file, np.load(file, allow_pickle=False) as arrays:
            return arrays["images"], arrays["labels"]
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile, zlib.error) as error:
        raise DataError("the embedded digits are missing or damaged", where=path,
                        got=f"{type(error).__name__}: {error}", fix="Install minigan again") from error
