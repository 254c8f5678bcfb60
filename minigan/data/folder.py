"""A folder of images: a data set of one's own. Pillow reads the files; it is loaded only when there is one to read."""

import warnings
from pathlib import Path

import numpy as np

from ..errors import DataError
from .checks import whole_number

__all__ = ["SIDE", "find_images", "load_folder"]

SUFFIXES = (".png", ".jpg", ".jpeg", ".bmp", ".gif", ".webp", ".tif", ".tiff", ".ppm", ".pgm")
SIDE = 28  # of the images, unless another size is asked for: MNIST's
BACKGROUND = "white"  # what shows through where an image is transparent: such images are mostly drawn for a white page


def load_folder(path, size=SIDE, colour=None, labels=False):
    r"""All images of a folder and its sub-folders, in the order of their names, ready to train on.

    Each image is turned upright as its EXIF data say, put on white where it is transparent, cut to the square in its
    middle, and resized (Lanczos) to `size` × `size`. Then $x = 2p/255 - 1$. Of an animation it is the first frame.

    path    : the folder. Read are .png, .jpg, .jpeg, .bmp, .gif, .webp, .tif, .tiff, .ppm and .pgm; other files, and
              names that begin with a dot, are passed over
    size    : side of the images, in pixels
    colour  : True for C = 3 channels, False for grey, C = 1; None for grey if every pixel of every image is, else 3
    labels  : also return the classes: the sub-folders of `path`, counted from 0 in the order of their names
    returns : x (N, C, size, size) float32 in [−1, 1]; with `labels` (x, y), y (N,) int64
    raises  : DataError if there is no such folder, if it has fewer than two images, one that cannot be read (with its
              name) or, with `labels`, one that is in no sub-folder; ConfigError for a size that is no whole number ≥ 1
    """
    size, folder = whole_number(size, "size"), Path(path).expanduser()
    paths = find_images(folder)
    if labels and (outside := [file for file in paths if file.parent == folder]):
        raise DataError("an image that has no class", where=outside[0], expected="each one in a sub-folder, its class")
    pixels = np.stack([_read(file, size, "L" if colour is False else "RGB") for file in paths])
    pixels = pixels.reshape(len(paths), size, size, -1)
    if colour is None and (pixels == pixels[..., :1]).all():
        pixels = pixels[..., :1]
    x = np.ascontiguousarray(pixels.transpose(0, 3, 1, 2), dtype=np.float32)  # (N, H, W, C) -> (N, C, H, W)
    x /= 127.5
    x -= 1
    if not labels:
        return x
    names = [file.relative_to(folder).parts[0] for file in paths]
    return x, np.array([sorted(set(names)).index(name) for name in names], np.int64)


def find_images(folder):
    """The paths of the images in a folder and its sub-folders, sorted. Raises DataError if there are fewer than two."""
    folder = Path(folder)
    if not folder.is_dir():
        raise DataError("no such folder", where=folder, expected="a folder of images")
    paths = sorted(file for file in folder.rglob("*") if file.suffix.lower() in SUFFIXES and file.is_file()
                   and not any(part.startswith(".") for part in file.relative_to(folder).parts))
    if len(paths) < 2:
        raise DataError("too few images", where=folder, expected=f"at least 2 files {', '.join(SUFFIXES)}",
                        got=len(paths))
    return paths


def _read(path, size, mode):
    """One image as (size, size) or (size, size, 3) uint8, for the mode "L" or "RGB"."""
    from PIL import Image, ImageOps

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of odd metadata
            warnings.simplefilter("error", Image.DecompressionBombWarning)  # above 90 million pixels
            with Image.open(path) as image:
                image.draft(None, (4 * size, 4 * size))  # a large JPEG is read at a fraction of its size, much faster
                upright = ImageOps.exif_transpose(image)
                if upright.mode == "F":
                    raise ValueError("pixels are real numbers, of which the range is not known")
                if upright.mode.startswith("I"):  # 16 bits of grey, which `convert` would cut off at 255
                    upright = Image.fromarray((np.asarray(upright) // 256).clip(0, 255).astype(np.uint8))
                image = upright.convert("RGBA")
    except Exception as error:  # a damaged file can make Pillow's decoders raise anything
        raise DataError("an image that cannot be read", where=path, got=f"{type(error).__name__}: {error}",
                        fix="Mend it, or take it out of the folder") from error
    image = Image.alpha_composite(Image.new("RGBA", image.size, BACKGROUND), image).convert(mode)
    W, H = image.size
    side = min(W, H)
    left, top = (W - side) // 2, (H - side) // 2
    square = image.crop((left, top, left + side, top + side))
    return np.asarray(square.resize((size, size), Image.Resampling.LANCZOS))
