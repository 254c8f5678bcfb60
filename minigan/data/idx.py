r"""IDX, the file format of MNIST: a short header, then the array's bytes.

| offset | bytes     | content                                                     |
|--------|-----------|-------------------------------------------------------------|
| 0      | 2         | zero                                                        |
| 2      | 1         | type of an element; `0x08` (unsigned byte) is the one read here |
| 3      | 1         | number of dimensions, $d$                                   |
| 4      | 4 × $d$   | size of each dimension, unsigned, big-endian                |
| 4 + 4$d$ | product of the sizes | the elements, last dimension fastest           |

A file may be raw or compressed with gzip; its first two bytes say which, not its name.

A file is not to be trusted: its header is checked before memory is set aside for what it declares, and
no more than that, plus one byte to see that nothing follows, is ever read or decompressed.

Source: Y. LeCun, C. Cortes, C. Burges, "The MNIST database of handwritten digits", section "File formats".
"""

import math
import os
import struct
import zlib
from pathlib import Path

import numpy as np

from ..errors import DataError

__all__ = ["MAX_BYTES", "idx_header", "read_idx"]

MAX_BYTES = 64 * 2**20
"""The largest array that is read; MNIST's training images are 47,040,000 bytes."""
MAX_DIMENSIONS = 4
GZIP_MAGIC = b"\x1f\x8b"
UNSIGNED_BYTE = 0x08
OTHER_TYPES = {0x09: "signed byte", 0x0B: "16-bit integer", 0x0C: "32-bit integer", 0x0D: "float32", 0x0E: "float64"}
CHUNK = 2**16


def read_idx(path, shape=None):
    """The array in an IDX file of unsigned bytes, raw or gzipped.

    path    : the file
    shape   : the sizes the array must have; None accepts any, up to `MAX_BYTES` in all
    returns : uint8 array of the declared sizes, writable
    raises  : DataError that names the file, and the offset or the counts that are wrong
    Source  : LeCun's format, see the top of this file.
    """
    path = Path(path)
    # A pipe or a device could keep us waiting or reading for ever.
    if not os.path.isfile(path):
        raise DataError("not a regular file" if os.path.exists(path) else "no such file", where=path)
    try:
        size = path.stat().st_size
        if size == 0:
            raise DataError("the file is empty", where=path, fix="Fetch it again")
        if size > MAX_BYTES + CHUNK:
            raise DataError("larger than any IDX file that is read here", where=path,
                            expected=f"at most {MAX_BYTES:,} bytes", got=f"{size:,}")
        with path.open("rb") as file:
            compressed = file.read(2) == GZIP_MAGIC
            file.seek(0)
            return _parse(_GzipMember(file) if compressed else file, path, shape)
    except zlib.error as error:
        raise DataError(f"damaged gzip data: {error}", where=path, fix="Fetch it again") from error
    except EOFError as error:
        raise DataError("the gzip data stop before their end", where=path, expected="a complete gzip file",
                        got=f"{size:,} compressed bytes", fix="Fetch it again") from error
    except OSError as error:
        raise DataError(f"cannot be read: {error.strerror or error}", where=path) from error


def idx_header(shape):
    """The bytes that begin an IDX file of unsigned bytes with these sizes.

    The format leaves no choice, so `idx_header(a.shape) + a.tobytes()` is the one file that `a` can come from.
    """
    return struct.pack(f">HBB{len(shape)}I", 0, UNSIGNED_BYTE, len(shape), *shape)


def _parse(stream, path, shape):
    """The array in `stream`, anything with `.read(n)`; `path` is for the messages."""
    magic = stream.read(4)
    _check_magic(magic, path)
    ndim = magic[3]
    header = stream.read(4 * ndim)
    if len(header) < 4 * ndim:
        raise DataError(f"the header stops at offset {4 + len(header)}", where=path,
                        expected=f"{4 + 4 * ndim} bytes for {ndim} dimensions", got=4 + len(header))
    sizes = struct.unpack(f">{ndim}I", header)
    _check_sizes(sizes, shape, path)

    count = math.prod(sizes)  # Python's integers do not overflow
    content = bytearray(stream.read(count))  # a bytearray, so that the array is writable
    if len(content) < count:
        raise DataError("fewer bytes than the header declares", where=path,
                        expected=f"{count:,} after the header, for {_times(sizes)}", got=f"{len(content):,}")
    if stream.read(1):
        raise DataError(f"more bytes than the header declares, from offset {4 + 4 * ndim + count:,} on", where=path,
                        expected=f"{count:,} after the header, for {_times(sizes)}", got="more")
    return np.frombuffer(content, np.uint8).reshape(sizes)


def _check_magic(magic, path):
    if magic.lstrip()[:1] == b"<":
        raise DataError("this is a web page (HTML or XML), not data", where=path,
                        fix="A server sent an error page in the file's place: delete it and fetch the file again")
    if len(magic) < 4:
        raise DataError(f"the header stops at offset {len(magic)}", where=path, expected="at least 4 bytes",
                        got=len(magic))
    if magic[:2] != b"\0\0":
        raise DataError("not an IDX file: bad magic number at offset 0", where=path,
                        expected="00 00", got=magic[:2].hex(" "))
    if magic[2] != UNSIGNED_BYTE:
        raise DataError("an element type that is not read here, at offset 2", where=path,
                        expected="08 (unsigned byte)", got=f"{magic[2]:02x} ({OTHER_TYPES.get(magic[2], 'unknown')})")
    if not 1 <= magic[3] <= MAX_DIMENSIONS:
        raise DataError("an impossible number of dimensions at offset 3", where=path,
                        expected=f"1 to {MAX_DIMENSIONS}", got=magic[3])


def _check_sizes(sizes, shape, path):
    if shape is not None and sizes != tuple(shape):
        raise DataError("other sizes than it should have, at offset 4", where=path,
                        expected=_times(shape), got=_times(sizes))
    if 0 in sizes:
        raise DataError("the header declares an array without elements, at offset 4", where=path, got=_times(sizes))
    if math.prod(sizes) > MAX_BYTES:
        raise DataError("the header declares more than is read here, at offset 4", where=path,
                        expected=f"at most {MAX_BYTES:,} bytes", got=f"{_times(sizes)} = {math.prod(sizes):,}")


def _times(sizes):
    return " × ".join(str(size) for size in sizes)


class _GzipMember:
    """Reads one gzip member, and never decompresses more of it than was asked for.

    `gzip.open` would do but for two things: it walks through the name in a gzip header, and through empty members,
    one at a time in Python, which a hostile file can make last for minutes. zlib does the work here, CRC and
    length included, and says `eof` when both were right.
    """

    def __init__(self, file):
        self.file = file
        self.inflate = zlib.decompressobj(wbits=31)  # 31: a gzip header and trailer are required
        self.waiting = b""  # compressed bytes that were read from the file but not yet used

    def read(self, n):
        """The next `n` decompressed bytes; fewer only at the member's end. EOFError if the file stops before it."""
        out = bytearray()
        while len(out) < n and not self.inflate.eof:
            piece = self.inflate.decompress(self.waiting, n - len(out))
            self.waiting = self.inflate.unconsumed_tail
            out += piece
            if not piece and not self.waiting and not self.inflate.eof:
                self.waiting = self.file.read(CHUNK)
                if not self.waiting:
                    raise EOFError
        if self.inflate.eof and (self.inflate.unused_data or self.file.read(1)):
            raise zlib.error("something follows the end of the gzip member")
        return out
