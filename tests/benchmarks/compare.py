"""minigan beside PyTorch and DeZero: `python tests/benchmarks/compare.py` prints a table in Markdown.

Each library runs in a process of its own, and they take turns: in one process, or at the same time, each would slow the
other's threads down. The ratio is taken within each turn, so that a machine that is slow for a while slows both.
PyTorch and DeZero come with `pip install -e ".[bench]"`; what is not installed is left out.
"""

import argparse
import json
import os
import platform
import statistics
import subprocess
import sys
from datetime import date
from importlib.util import find_spec
from pathlib import Path
from time import sleep

import numpy as np
import threadpoolctl
from cases import CASES

HERE = Path(__file__).parent
PACKAGES = {"minigan": "minigan", "pytorch": "torch", "dezero": "dezero"}
DEZEROS = ("ring", "n1", "n2")  # the cases that DeZero can play
OURS = ("minigan", "cpu")


class Worker:
    """A process in which one library plays a case; see worker.py."""

    def __init__(self, library, device, name, batch):
        self.library = library
        self.process = subprocess.Popen([sys.executable, HERE / "worker.py", library, name, str(batch), device],
                                        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.info = self.answer()

    def ask(self, question):
        print(question, file=self.process.stdin, flush=True)
        return self.answer()

    def answer(self):
        line = self.process.stdout.readline()
        if not line:
            raise SystemExit(f"the process of {self.library} ended; its error is above")
        return json.loads(line)

    def close(self):
        self.process.communicate()  # the end of its input ends it


def measure(name, batch, players, turns, steps, rest):
    """One case: a dict player → {"turns": the median seconds of each turn, "peak_mib", "version", "products"}.

    players : pairs (library, device)
    """
    workers = {player: Worker(*player, name, batch) for player in players}
    results = {player: {"turns": [], "version": worker.info["version"]} for player, worker in workers.items()}
    for worker in workers.values():
        worker.ask(1)  # the very first steps allocate and compile
    for turn in range(turns):
        for player in players if turn % 2 else reversed(players):
            sleep(rest)
            answer = workers[player].ask(steps)
            results[player]["turns"].append(statistics.median(answer["times"]))
            results[player]["peak_mib"] = answer["peak_mib"]
    if OURS in workers:
        results[OURS] |= workers[OURS].ask("products")
    for worker in workers.values():
        worker.close()
    return results


# --- the table ---


def table(measured, players):
    """Markdown: a row for each case, (title, batch, results)."""
    rows = [row(*case, players) for case in measured]
    lines = [rows[0], ["---"] * len(rows[0]), *(row.values() for row in rows)]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def row(title, m, results, players):
    """One case: a dict column → text, which is empty for a library that did not play.

    A ratio is minigan's time over the other's in the same turn, on the same device; or its time on the GPU over its own
    on the CPU.
    """
    several = len({device for _, device in players}) > 1
    name = {player: " on ".join(player) if several else player[0] for player in players}
    cells = {"one step": title}
    for player in players:
        cells[f"{name[player]}, ms"] = spread(results, player, lambda t: 1e3 * t)
    for library, device in players:
        ours, other = ("minigan", device), (library, device)
        if library == "minigan":
            other = OURS
        if ours != other:
            cells[f"{name[ours]} ÷ {name[other]}"] = spread(results, ours, lambda t, other: t / other, other)
    if OURS in players:
        median, (seconds, operations) = statistics.median(results[OURS]["turns"]), results[OURS]["products"]
        cells["µs a sample"] = f"{1e6 * median / m:.1f}"
        cells["in products"] = f"{seconds / median:.0%}"
        cells["GFLOP/s there"] = f"{operations / seconds / 1e9:.0f}"
    for player in players:
        if player[1] == "cpu":
            cells[f"{name[player]}, MiB"] = f"{results[player]['peak_mib']:.0f}" if player in results else ""
    return cells


def spread(results, player, f, *others):
    """f(seconds of the player's turn, of the others' turns): "median (lowest to highest)", with three digits."""
    if not {player, *others} <= results.keys():
        return ""
    numbers = [f(*turn) for turn in zip(*(results[each]["turns"] for each in (player, *others)))]
    median, low, high = (f"{number:#.3g}".rstrip(".")
                         for number in (statistics.median(numbers), min(numbers), max(numbers)))
    return f"{median} ({low} to {high})"


def machine(devices):
    """What the figures depend on besides the code."""
    facts = [f"{processor()}, {os.cpu_count()} cores; Python {platform.python_version()}, NumPy {np.__version__}"]
    facts += [f"{pool['internal_api']} {pool['version']}, kernel {pool['architecture']}, {pool['num_threads']} threads"
              for pool in threadpoolctl.threadpool_info() if pool["user_api"] == "blas"]
    if "cuda" in devices:
        import cupy

        facts.append(f"{cupy.cuda.runtime.getDeviceProperties(0)['name'].decode()}, CuPy {cupy.__version__}")
    return "; ".join(facts)


def processor():
    try:
        with open("/proc/cpuinfo", encoding="utf-8") as file:
            return next(line.partition(":")[2].strip() for line in file if line.startswith("model name"))
    except (OSError, StopIteration):
        return platform.processor() or platform.machine()


def import_time(times=7):
    """Seconds of `import minigan` in a fresh process, without Python's own start; the median."""
    code = "from time import perf_counter as t; start = t(); import minigan; print(t() - start)"
    environment = os.environ | {"PYTHONDONTWRITEBYTECODE": ""}  # compiled once, as for everybody
    seconds = [float(subprocess.check_output([sys.executable, "-c", code], env=environment)) for _ in range(times + 1)]
    return statistics.median(seconds[1:])


def main(arguments=None):
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("cases", nargs="*", metavar="CASE", default=["ring", "n1", "n2", "n2-gp", "n2-bn"],
                        help=f"of {', '.join(CASES)}; all but the last by default")
    parser.add_argument("--libraries", nargs="+", choices=PACKAGES, default=list(PACKAGES))
    parser.add_argument("--device", nargs="+", choices=("cpu", "cuda"), default=["cpu"],
                        help="with both, minigan on the GPU is compared with itself on the CPU too")
    parser.add_argument("--batch", nargs="+", type=int, help="sizes of the batch, instead of the case's own")
    parser.add_argument("--turns", type=int, default=25, help="turns of each library (25)")
    parser.add_argument("--steps", type=int, default=10, help="steps in a turn (10)")
    parser.add_argument("--rest", type=float, default=0.15, help="seconds between turns (0.15)")
    parser.add_argument("--out", type=Path, help="a file for the table, besides the screen")
    options = parser.parse_args(arguments)
    if unknown := [name for name in options.cases if name not in CASES]:
        parser.error(f"no case {', '.join(unknown)}; there are {', '.join(CASES)}")
    players = [(library, device) for device in options.device for library in PACKAGES
               if library in {"minigan", *options.libraries} and find_spec(PACKAGES[library])]

    measured = []
    for name in options.cases:
        for batch in options.batch or [CASES[name].batch]:
            print(f"{name}, batch {batch} …", file=sys.stderr)
            able = [player for player in players if player[0] != "dezero" or (player[1] == "cpu" and name in DEZEROS)]
            results = measure(name, batch, able, options.turns, options.steps, options.rest)
            measured.append((f"{CASES[name].title}, batch {batch}", batch, results))
    versions = {library: result["version"] for *_, results in measured for (library, _), result in results.items()}
    report = (f"{table(measured, players)}\n\n{date.today()}; {machine(options.device)}; "
              f"{', '.join(f'{library} {version}' for library, version in versions.items())}. {options.turns} turns of "
              f"{options.steps} steps; median (lowest to highest turn). `import minigan` takes {import_time():.2f} s.")
    print(report)
    if options.out:
        options.out.write_text(report + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
