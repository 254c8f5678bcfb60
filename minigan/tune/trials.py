"""A trial: one setting trained from one seed and measured, and what is kept of it.

No trained network is kept, only the figure and a picture of samples: `minigan train` with the same options makes the
network again. A trial computes with one thread of BLAS, however many run at once: on small networks more threads do not
pay, and sums that are split otherwise could make every later figure depend on how many cores were free.
"""

import json
import signal
import time
from dataclasses import asdict
from hashlib import sha256
from itertools import islice
from math import isfinite

import numpy as np

from .. import plot
from ..errors import DivergenceError, MiniganError
from ..evaluate import quality
from ..files import replacing
from ..run import Run

__all__ = ["cores", "identity", "in_short", "kept", "play"]


def identity(config, n):
    """Everything that a trial's figure depends on, but the seed, and a short name for it: (dict, text)."""
    what = {name: value for name, value in asdict(config).items() if name not in ("seed", "data_dir")} | {"n": n}
    return what, sha256(json.dumps(what, sort_keys=True).encode()).hexdigest()[:10]


def kept(path, config, n):
    """What is kept of a trial: a dict with `value` or the `reason` why there is none. None if there is no such file, or
    not a whole one of this very trial."""
    try:
        result = json.loads(path.read_text(encoding="utf-8"))
        same = result["trial"] == identity(config, n)[0] and result["seed"] == config.seed
        return result if same and (result["reason"] or isfinite(result["value"])) else None
    except (OSError, ValueError, TypeError, KeyError):
        return None


def in_short(error):
    """What a table says of a MiniganError: what is wrong and where, without advice for a single run."""
    return str(MiniganError(error.what, where=error.where, got=error.got))


def cores():
    """How many cores this process may use."""
    import joblib

    return joblib.cpu_count()


def play(trials, jobs):
    """Run trials, `jobs` at once, each in a process of its own if there are several.

    trials : a list of (config, n, path)
    yields : (path, result) as they end; the result is in the file by then
    raises : MiniganError if a process is killed
    """
    import joblib
    from joblib.externals.loky.process_executor import BrokenProcessPool

    parallel = joblib.Parallel(n_jobs=jobs, backend="loky", return_as="generator_unordered", batch_size=1)
    try:
        yield from parallel(joblib.delayed(_trial)(*trial, jobs > 1) for trial in trials)
    except BrokenProcessPool as error:
        raise MiniganError("a process of the search was killed, perhaps for want of memory", where=trials[0][2].parent,
                           fix="What was done is kept: go on with fewer --jobs") from error


def _trial(config, n, path, apart):
    from threadpoolctl import threadpool_limits

    if apart:
        signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the process that waits for this one
    started, value, reason = time.perf_counter(), None, None
    try:
        with threadpool_limits(1), np.errstate(all="ignore"):  # what overflows is found below, and told
            value = _train_and_measure(config, n, path)
    except MemoryError:
        return path, {"value": None, "reason": "out of memory"}  # not kept: next time there may be more
    except MiniganError as error:
        reason = in_short(error)
    result = {"trial": identity(config, n)[0], "seed": config.seed, "value": value, "reason": reason,
              "seconds": round(time.perf_counter() - started, 2)}
    with replacing(path) as temporary:
        temporary.write_text(json.dumps(result, indent=2) + "\n", encoding="utf-8")
    return path, result


def _train_and_measure(config, n, path):
    run = Run(config)
    game = islice(run.play(), config.steps)
    while records := list(islice(game, 50)):  # on a GPU every reading of a record halts the computation
        for record in records:
            record.require_finite()
    value = float(quality(run, n)[1])
    if not isfinite(value):
        raise DivergenceError("the samples cannot be measured", where=f"step {run.step}", got=value)
    plot.save_samples(path.with_suffix(".png"), run.samples(), run.x_real)
    return value
