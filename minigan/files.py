"""Writing a file so that nobody ever finds half of it."""

import os
import tempfile
from contextlib import contextmanager
from pathlib import Path

__all__ = ["replacing"]


@contextmanager
def replacing(path):
    """A temporary path beside `path`, which takes its place when the block ends well and is removed when it does not.

        with replacing("checkpoint.npz") as temporary:
            write(temporary)

    So a reader finds the old file or the new one, never half of one, whenever the writer is stopped. The
    temporary file is of this writer alone, and in the same folder, where `os.replace` is one step of the file system.
    An OSError names `path`, also if the disk is full, where the system's own names no file.
    """
    path = Path(path)
    try:
        with _replacing(path) as temporary:
            yield temporary
    except OSError as error:
        error.filename = str(path)
        raise


@contextmanager
def _replacing(path):
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.", suffix=".part")
    os.close(handle)
    temporary = Path(name)
    try:
        yield temporary
        with open(temporary, "rb+") as file:
            os.fsync(file.fileno())
        temporary.chmod(0o666 & ~_umask())  # mkstemp's files are for their owner's eyes only
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)


def _umask():
    current = os.umask(0)
    os.umask(current)
    return current
