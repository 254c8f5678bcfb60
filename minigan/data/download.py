"""Fetch a file from the first mirror that has it whole, and keep it only if it is the right one."""

import contextlib
import os
import sys
import tempfile
from pathlib import Path

from ..errors import DataError

__all__ = ["download"]

TIMEOUT = 30  # seconds without a byte, after which the next mirror is asked


def download(urls, target, check, by_hand):
    """Fetch `target` from the first of `urls` that gives a file which passes `check`.

    urls    : the mirrors' addresses of this one file, tried in turn
    target  : where to keep it; its folder is made. Nothing is written under this name before it was checked
    check   : called with the path of what was fetched; raises DataError if that is not the right file
    by_hand : what to do if no mirror has it, one sentence
    returns : the address it came from
    raises  : DataError if no mirror had it (with each one's reason), or if `target` cannot be written
    """
    target = Path(target)
    reasons = []
    for url in urls:
        try:
            with _temporary_file_beside(target) as part:
                _get(url, part)
                check(part)
                os.replace(part, target)
            return url
        except DataError as error:
            reasons.append(f"{url}: {error.what}")
        except OSError as error:
            # The network's errors carry no errno here (requests wraps them); this machine's own do.
            if error.errno is not None:
                raise DataError(f"cannot be written: {error.strerror}", where=target, fix=by_hand) from error
            reasons.append(f"{url}: {_reason(error)}")
    raise DataError("could not be fetched from any mirror", where=target.name, got="; ".join(reasons), fix=by_hand)


def _get(url, path):
    import pooch  # only here: it costs 70 ms, and most runs fetch nothing

    # If a server declares its .gz as a "gzip content encoding", the file arrives decompressed. That is as good.
    fetch = pooch.HTTPDownloader(timeout=TIMEOUT, chunk_size=2**16, progressbar=sys.stderr.isatty())
    fetch(url, str(path), None)


def _reason(error):
    status = getattr(getattr(error, "response", None), "status_code", None)
    return f"HTTP status {status}" if status else type(error).__name__


@contextlib.contextmanager
def _temporary_file_beside(target):
    # In the same folder, so that os.replace is one step of the file system and never leaves half a file.
    target.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(dir=target.parent, prefix=target.name + ".", suffix=".part")
    os.close(handle)
    try:
        yield Path(name)
    finally:
        Path(name).unlink(missing_ok=True)
