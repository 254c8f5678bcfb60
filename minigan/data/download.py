"""Fetch a file from the first mirror that has it whole, and keep it only if it is the right one."""

import sys
from pathlib import Path

from ..errors import DataError
from ..files import replacing

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
            target.parent.mkdir(parents=True, exist_ok=True)
            with replacing(target) as part:
                _get(url, part)
                check(part)
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
