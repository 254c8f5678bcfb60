"""One library in a process of its own, which `compare.py` starts and talks to.

It takes a number n on a line of its input, plays 1 + n steps, and answers with the seconds of the last n, as JSON.
"""

import json
import resource
import sys
from importlib import import_module
from time import perf_counter

from cases import CASES


def main(library, name, batch, device):
    backend = import_module(f"with_{library}")
    case = CASES[name].with_batch(int(batch))
    step = backend.make(case, device)
    say(version=backend.VERSION)
    for line in sys.stdin:
        if line.strip() == "products":
            say(products=backend.products(case))
            continue
        step()  # the first after the other library's turn is dropped: caches and threads are cold
        backend.wait(device)
        times, last = [], perf_counter()
        for _ in range(int(line)):
            step()
            if device == "cpu":
                times.append(-(last - (last := perf_counter())))
        backend.wait(device)
        # On a GPU steps overlap: only all of them together have a time.
        say(times=times or [(perf_counter() - last) / int(line)], peak_mib=peak_mib())


def peak_mib():
    """The most memory that this process has had, in MiB; macOS counts it in bytes, Linux in KiB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (2**20 if sys.platform == "darwin" else 2**10)


def say(**what):
    print(json.dumps(what), flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
