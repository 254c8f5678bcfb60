"""IDX files: right ones are read whatever their compression, and every fault has one error that names it."""

import contextlib
import gzip
import time
import tracemalloc
import zlib
from types import SimpleNamespace

import numpy as np
import pytest

from minigan.data import read_idx
from minigan.data.idx import CHUNK, MAX_BYTES, idx_header
from minigan.errors import DataError

IMAGES = np.arange(5 * 3 * 2, dtype=np.uint8).reshape(5, 3, 2)
CONTENT = idx_header(IMAGES.shape) + IMAGES.tobytes()
GZIPPED = gzip.compress(CONTENT, mtime=0)


def write(folder, content, name="images"):
    path = folder / name
    path.write_bytes(content)
    return path


@pytest.mark.parametrize("content, name", [
    pytest.param(CONTENT, "raw", id="raw"),
    pytest.param(CONTENT, "raw.gz", id="raw, named .gz"),
    pytest.param(GZIPPED, "compressed.gz", id="gzipped"),
    pytest.param(GZIPPED, "compressed", id="gzipped, not named .gz"),
    pytest.param(gzip.compress(CONTENT, 0), "stored.gz", id="gzipped without compression"),
])
def test_reads_raw_and_gzipped_files_whatever_their_names(tmp_path, content, name):
    array = read_idx(write(tmp_path, content, name))
    assert array.dtype == np.uint8 and array.flags.writeable
    np.testing.assert_array_equal(array, IMAGES)


def test_reads_one_dimension(tmp_path):
    labels = np.array([7, 2, 1], np.uint8)
    path = write(tmp_path, bytes([0, 0, 8, 1, 0, 0, 0, 3, 7, 2, 1]))
    np.testing.assert_array_equal(read_idx(path, (3,)), labels)


def test_sizes_are_big_endian(tmp_path):
    assert read_idx(write(tmp_path, bytes([0, 0, 8, 1, 0, 0, 1, 2]) + bytes(258))).shape == (258,)


def test_reads_more_than_one_chunk_of_compressed_bytes(tmp_path):
    array = np.random.default_rng(0).integers(0, 256, (300, 28, 28), np.uint8)  # incompressible: 235,200 bytes
    path = write(tmp_path, gzip.compress(idx_header(array.shape) + array.tobytes()))
    np.testing.assert_array_equal(read_idx(path), array)


def flip(content, at):
    return content[:at] + bytes([content[at] ^ 1]) + content[at + 1:]


def gzip_named(name):
    """A gzip file whose header carries a file name."""
    return GZIPPED[:3] + b"\x08" + GZIPPED[4:10] + name + b"\0" + GZIPPED[10:]


HTML = b"<!DOCTYPE html><html><body>403 Forbidden</body></html>"
FAULTS = {
    "empty": (b"", "the file is empty"),
    "short magic": (CONTENT[:3], "header stops at offset 3"),
    "short header": (CONTENT[:11], r"header stops at offset 11 \(expected 16 bytes"),
    "bad magic": (b"\0\1" + CONTENT[2:], r"bad magic number at offset 0 \(expected 00 00, got 00 01\)"),
    "float type": (CONTENT[:2] + b"\x0d" + CONTENT[3:], r"offset 2 \(expected 08 \(unsigned byte\), got 0d \(float32"),
    "unknown type": (CONTENT[:2] + b"\x77" + CONTENT[3:], r"offset 2 .*got 77 \(unknown\)"),
    "no dimensions": (b"\0\0\x08\0" + b"x", r"offset 3 \(expected 1 to 4, got 0\)"),
    "too many dimensions": (b"\0\0\x08\xff" + bytes(2000), r"offset 3 \(expected 1 to 4, got 255\)"),
    "no elements": (idx_header((0, 28, 28)), r"without elements, at offset 4 \(got 0 × 28 × 28\)"),
    "sizes that overflow 64 bits": (idx_header((2**31, 2**31, 4)), r"at offset 4 .*= 18,446,744,073,709,551,616"),
    "one byte above the limit": (idx_header((MAX_BYTES + 1,)) + b"x", r"at offset 4 \(expected at most 67,108,864"),
    "fewer bytes": (CONTENT[:-1], r"fewer bytes .*expected 30 after the header, for 5 × 3 × 2, got 29"),
    "more bytes": (CONTENT + b"\0", r"more bytes .*from offset 46 on"),
    "gzip of fewer bytes": (gzip.compress(CONTENT[:-1]), "fewer bytes .*got 29"),
    "gzip of more bytes": (gzip.compress(CONTENT + b"\0"), "more bytes .*from offset 46 on"),
    "gzip truncated in the data": (GZIPPED[:25], r"gzip data stop before their end .*got 25 compressed bytes"),
    "gzip truncated in the trailer": (GZIPPED[:-1], "gzip data stop before their end"),
    "gzip truncated in its header": (GZIPPED[:6], "gzip data stop before their end"),
    "gzip with a bad CRC": (flip(GZIPPED, -8 % len(GZIPPED)), "damaged gzip data: .*incorrect data check"),
    "gzip with a bad length": (flip(GZIPPED, -4 % len(GZIPPED)), "damaged gzip data: .*incorrect length check"),
    "gzip with damaged data": (GZIPPED[:10] + b"\xff" * 30, "damaged gzip data"),
    "gzip with something after it": (GZIPPED + b"more", "damaged gzip data: something follows"),
    "gzip with something after one chunk": (gzip_named(b"a" * (CHUNK - len(GZIPPED) - 1)) + b"x", "something follows"),
    "gzip of nothing": (gzip.compress(b""), "header stops at offset 0"),
    "HTML page": (HTML, "this is a web page"),
    "HTML page after blank lines": (b"\r\n\n" + HTML, "this is a web page"),
    "HTML page, gzipped": (gzip.compress(HTML), "this is a web page"),
}


@pytest.mark.parametrize("content, message", FAULTS.values(), ids=FAULTS)
def test_fault_is_named_with_its_file(tmp_path, content, message):
    path = write(tmp_path, content, "train-images-idx3-ubyte.gz")
    with pytest.raises(DataError, match=message) as error:
        read_idx(path)
    assert str(error.value).startswith(f"{path}: ")


def test_gzip_truncated_anywhere_is_detected(tmp_path):
    for length in range(len(GZIPPED)):
        with pytest.raises(DataError):
            read_idx(write(tmp_path, GZIPPED[:length]))


def test_file_of_another_shape_than_asked_for(tmp_path):
    with pytest.raises(DataError, match=r"other sizes .*expected 5 × 2 × 3, got 5 × 3 × 2"):
        read_idx(write(tmp_path, CONTENT), (5, 2, 3))


def test_missing_file(tmp_path):
    with pytest.raises(DataError, match="no such file"):
        read_idx(tmp_path / "nothing")


def test_folder_in_place_of_a_file(tmp_path):
    with pytest.raises(DataError, match="not a regular file"):
        read_idx(tmp_path)


def test_file_above_the_limit_is_refused_unread(tmp_path):
    path = tmp_path / "sparse"
    with path.open("wb") as file:
        file.truncate(10 * 2**30)  # takes no room on the disk
    with pytest.raises(DataError, match=r"larger than any IDX file .*got 10,737,418,240"):
        read_idx(path)


def bomb(declared):
    """50 MB of zeros behind a header that declares fewer, in 50 kB; made piecewise, to stay small here too."""
    deflate = zlib.compressobj(wbits=31)
    pieces = [deflate.compress(idx_header((declared,)))]
    pieces += [deflate.compress(bytes(2**20)) for _ in range(50)]
    return b"".join([*pieces, deflate.flush()])


# Each would take long, or much memory, if it were read as it asks to be: content, message, bytes it may cost.
HOSTILE = {
    "gzip bomb": (bomb(1000), r"more bytes than the header declares, from offset 1,008 on", 2e6),
    "gzip header with a long name": (gzip_named(b"a" * 20_000_000) + b"x", "something follows", 2e6),
    "many empty gzip members": (gzip.compress(b"") * 200_000, "something follows", 2e6),
    "a large array that is not there": (idx_header((MAX_BYTES // 2,)), "fewer bytes", 128e6),
    "a large array that is not there, gzipped": (gzip.compress(idx_header((MAX_BYTES,))), "fewer bytes", 128e6),
}


@contextlib.contextmanager
def costs():
    """Measures its block: `seconds` of processor time, and `peak` bytes of memory."""
    measured = SimpleNamespace()
    tracemalloc.start()
    start = time.process_time()
    try:
        yield measured
        measured.seconds = time.process_time() - start
        measured.peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("content, message, memory", HOSTILE.values(), ids=HOSTILE)
def test_hostile_file_takes_little_memory_and_time(tmp_path, content, message, memory):
    path = write(tmp_path, content)
    with costs() as measured, pytest.raises(DataError, match=message):
        read_idx(path)
    assert measured.peak < memory
    assert measured.seconds < 1


def test_largest_array_within_a_second_and_256_megabytes(tmp_path):
    deflate = zlib.compressobj(1, wbits=31)
    path = tmp_path / "large.gz"
    with path.open("wb") as file:
        file.write(deflate.compress(idx_header((64, 2**20))))
        for _ in range(64):
            file.write(deflate.compress(bytes(2**20)))
        file.write(deflate.flush())
    with costs() as measured:
        array = read_idx(path)
    assert array.nbytes == MAX_BYTES
    assert measured.peak < 256e6
    assert measured.seconds < 1


def test_header_is_the_one_that_such_a_file_begins_with():
    assert idx_header((60_000, 28, 28)) == bytes.fromhex("00000803 0000ea60 0000001c 0000001c")
