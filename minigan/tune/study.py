"""A search and its folder.

    tuning/001/
      search.json          what is searched
      trials/              for each setting and seed its figure, KEY-seed0.json, and its samples, KEY-seed0.png
      table.md, table.csv  the settings, best first
      tuning.png           the same, drawn
      best.png             samples of the best setting, from seed 0
"""

import json
import shlex
import shutil
import signal
from contextlib import contextmanager
from dataclasses import asdict, dataclass, fields, replace
from math import inf
from pathlib import Path
from statistics import mean

from ..config import Config, configure
from ..data import as_folder
from ..errors import ConfigError
from ..files import replacing
from ..run import Run, next_free
from ..yardsticks import yardstick
from .axes import KINDS, Range, axis, pick
from .table import Row, Table
from .trials import cores, identity, in_short, kept, play

__all__ = ["DEFAULT", "DEFAULT_STEPS", "Search", "Stopped", "resume", "search"]

# Where nothing else is searched: some minutes on two cores.
DEFAULT, DEFAULT_STEPS = {"lr": [2e-4, 5e-4, 1e-3], "objective": ["non-saturating", "lsgan"]}, 300


@dataclass(frozen=True)
class Search:
    """What is searched: with the same one, on the same machine, every figure is the same.

    options : option → list of values, or a `Range`
    data, size, steps, device, data_dir : as in `Config`;  n : samples to measure by, as for `evaluate.quality`
    seeds   : each setting is trained with the seeds 0 … seeds − 1
    trials  : how many settings are picked at random, None for the full grid;  seed : of the picks
    """

    options: dict
    data: str = Config.data
    steps: int | None = None
    device: str = Config.device
    data_dir: str | None = None
    size: int | None = None
    n: int | None = None
    seeds: int = 3
    trials: int | None = None
    seed: int = 0

    def __post_init__(self):
        for name, least in (("seeds", 1), ("trials", 1), ("seed", 0)):
            value = getattr(self, name)
            if not (isinstance(value, int) and value >= least) and (name, value) != ("trials", None):
                raise ConfigError(f"{name} is out of range", expected=f"a whole number ≥ {least}", got=repr(value))

    def settings(self):
        """The settings that are tried, as a list of dicts option → value."""
        return pick(self.options, self.trials, self.seed)

    def searched(self):
        """The names of the options that have several values."""
        return [name for name, values in self.options.items() if len(values) > 1]

    def given(self, setting):
        """What `configure`, or `minigan train`, is given for a setting."""
        return {name: getattr(self, name) for name in ("data", "size", "steps", "device", "data_dir")} | setting

    def command(self, setting):
        """The command that trains a setting as its first trial did."""
        given = {name: value for name, value in self.given(setting).items()
                 if value is not None and (name, value) != ("device", Config.device)} | {"seed": 0}
        return " ".join(["minigan train", *(f"--{name.replace('_', '-')} {shlex.quote(str(value))}"
                                            for name, value in given.items())])


def search(out=None, *, data=Config.data, steps=None, seeds=3, trials=None, seed=0, n=None, device=Config.device,
           data_dir=None, size=None, jobs=None, progress=None, tell=None, classifier_progress=None, **options):
    """Search for the best setting, or go on with the same search in the folder `out`; returns the `Table`, which is in
    the folder too.

    out      : the folder; by default the next free number in `tuning`
    options  : a value or a list of values for each of objective, optimizer, model, lr, lr_d, beta1, beta2, batch_size,
               n_d, latent_dim, lam, clip, width and depth; or, with `trials`, a range "1e-5..1e-2", from which lr,
               lr_d, lam and clip are drawn log-uniformly, betas uniformly, the others as whole numbers. If none has
               several values, lr and objective are searched, in 300 steps unless `steps` says otherwise
    data, size, steps, device, data_dir : as in `Config`;  n : samples to measure by, as for `evaluate.quality`
    seeds    : each setting is trained with the seeds 0 … seeds − 1
    trials   : how many settings are picked at random; the full grid by default;  seed : of the picks
    jobs     : how many trials run at once; by default as many as there are cores, one on a GPU. No figure depends on it
    progress : called as `progress(tables, done, total)`; gives the tables back, of which there is one after each trial
    tell     : called with sentences about the search
    classifier_progress : as `progress` of `metrics.train_classifier`

    A trial that is in the folder is not done again. A setting that diverges or is refused is a row with the reason.
    Raises ConfigError, before anything is written, for values out of range, if all settings are refused, or if the
    folder holds another search (more seeds or trials make no other one). Raises Stopped on Ctrl-C and SIGTERM.
    """
    axes = _axes(options)
    if all(len(values) == 1 for values in axes.values()):
        axes = _axes(DEFAULT | axes)
        steps = DEFAULT_STEPS if steps is None else steps
    data = as_folder(data) or data
    asked = Search(axes, data, steps, device, data_dir and str(data_dir), size, n, seeds, trials, seed)
    folder = next_free(Path("tuning")) if out is None else Path(out)
    return _search(asked, folder, jobs, progress, tell, classifier_progress)


def resume(folder, *, seeds=None, trials=None, jobs=None, progress=None, tell=None, classifier_progress=None):
    """Go on with the search in `folder`, with more seeds or trials if given; all else is as in `search`."""
    before = _before(Path(folder))
    if before is None:
        raise ConfigError("there is no search", where=str(folder), expected="a folder that minigan tune made")
    more = {name: value for name, value in (("seeds", seeds), ("trials", trials)) if value is not None}
    return _search(replace(before, **more), Path(folder), jobs, progress, tell, classifier_progress)


class Stopped(Exception):
    """The search was stopped, and what was done is kept; `code` is the exit status that says so."""

    def __init__(self, folder, done, total, signal_number):
        super().__init__(f"stopped with {done} of {total} trials done; to go on: minigan tune --resume "
                         f"{shlex.quote(str(folder))}")
        self.code = 128 + signal_number


# --- the folder ---


def _search(asked, folder, jobs, progress, tell, classifier_progress):
    if jobs is not None and not (isinstance(jobs, int) and jobs >= 1):
        raise ConfigError("jobs is out of range", expected="a whole number ≥ 1", got=repr(jobs))
    study = _Study(asked, folder, classifier_progress)
    missing = study.missing()
    total, done = len(study.trials), len(study.trials) - len(missing)
    jobs = min(jobs or (1 if asked.device == "cuda" else cores()), max(1, len(missing)))
    if tell:
        before = f", {done} of them done before" if done else ""
        tell(f"{study.size()} = {total} trials of {study.steps} steps{before}, {jobs} at a time, in {folder}")
    try:
        with _terminable():
            tables = study.play(missing, jobs)
            for _ in progress(tables, done, total) if progress else tables:
                pass
    except KeyboardInterrupt as stop:
        study.read()  # a trial may have ended since
        study.report()
        number = stop.args[0] if stop.args else signal.SIGINT
        raise Stopped(folder, total - len(study.missing()), total, number) from None
    return study.report()


class _Study:
    """A search at work: its settings, and what is known of their trials. Making one writes `search.json`."""

    def __init__(self, asked, folder, classifier_progress):
        self.asked, self.folder = asked, folder
        self.rows, self.configs = _configured(asked)
        _refuse_another(asked, folder)
        self.steps = next(iter(self.configs.values())).steps
        real = _yardstick(self.configs.values(), asked.n, classifier_progress)
        self.metric = real.quality
        self.floor = mean(next(values for name, values, _ in real.scale() if name == "real against real"))
        # Seeds are the outer loop: a search that is stopped early has tried every setting.
        self.trials = {folder / "trials" / f"{key}-seed{seed}.json": (key, replace(config, seed=seed))
                       for seed in range(asked.seeds) for key, config in self.configs.items()}
        (folder / "trials").mkdir(parents=True, exist_ok=True)
        _write_search(asked, folder)
        self.read()

    def read(self):
        """Look into the folder for what is done."""
        self.results = {path: kept(path, config, self.asked.n) for path, (_, config) in self.trials.items()}

    def missing(self):
        """The trials that are not done."""
        return [(config, self.asked.n, path) for path, (_, config) in self.trials.items() if not self.results[path]]

    def size(self):
        """How many settings and seeds, in words."""
        asked, count = self.asked, len(self.rows)
        grid = " × ".join(f"{len(asked.options[name])} {name}" for name in asked.searched())
        how = "" if not grid else f" ({grid})" if asked.trials is None else f" (at random, seed {asked.seed})"
        refused = f", {count - len(self.configs)} refused" if len(self.configs) < count else ""
        return f"{count} setting{'s'[:count > 1]}{how}{refused} × {asked.seeds} seed{'s'[:asked.seeds > 1]}"

    def play(self, missing, jobs):
        """Do them; yields the table so far after each."""
        for path, result in play(missing, jobs):
            self.results[path] = result
            yield self.table()

    def table(self):
        """The `Table` of what is known."""
        ended = {row.key: [] for row in self.rows}
        for path, (key, _) in self.trials.items():
            ended[key] += [self.results[path]] if self.results[path] else []
        rows = [replace(row, values=tuple(result["value"] for result in ended[row.key] if not result["reason"]),
                        reasons=row.reasons + tuple(result["reason"] for result in ended[row.key] if result["reason"]))
                for row in self.rows]
        fixed = {name: values[0] for name, values in self.asked.options.items() if len(values) == 1}
        return Table(self.asked.data, self.metric, self.steps, self.asked.seeds, fixed, rows, self.floor)

    def report(self):
        """Write the tables and the pictures; returns the table."""
        table = self.table()
        if table.best:
            command = self.asked.command(table.best.setting | table.fixed)
            table = replace(table, command=command)
            picture = self.folder / "trials" / f"{table.best.key}-seed0.png"
            if picture.is_file():
                with replacing(self.folder / "best.png") as temporary:
                    shutil.copyfile(picture, temporary)
        table.save(self.folder)
        return table


def _axes(options):
    """The options with their values, in one order, on which random picks depend."""
    order = list(KINDS)
    axes = {name: axis(name, given) for name, given in options.items()}
    return dict(sorted(axes.items(), key=lambda item: order.index(item[0])))


def _configured(asked):
    """A row for each setting, and the configurations of those that are possible, by the key of their row."""
    rows, configs, refused = [], {}, None
    for number, setting in enumerate(asked.settings()):
        shown = {name: setting[name] for name in asked.searched()}
        try:
            config = configure(**asked.given(setting))
        except ConfigError as error:
            refused = refused or error
            rows.append(Row(shown, f"refused-{number}", reasons=(in_short(error),)))
            continue
        key = identity(config, asked.n)[1]
        configs[key] = config
        rows.append(Row(shown, key))
    if not configs:
        raise refused
    return rows, configs


def _yardstick(configs, n, classifier_progress):
    """What everything is measured by. Data, device, or a network that are not there show here, before any training."""
    refused = None
    for config in configs:
        try:
            run = Run(config)
        except ConfigError as error:
            refused = refused or error
            continue
        return yardstick(config, run.conditional, n, classifier_progress)
    raise refused


def _refuse_another(asked, folder):
    before = _before(folder)
    if before is None:
        if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
            raise ConfigError("there is something else of that name", where=str(folder), fix="Choose another --out")
        return
    changed = [name for name in asdict(asked) if name != "data_dir" and getattr(before, name) != getattr(asked, name)
               and not (name in ("seeds", "trials") and (getattr(asked, name) or inf) > (getattr(before, name) or inf))]
    if changed:
        def said(search):
            return ", ".join(f"{name} {_plain(getattr(search, name))}" for name in changed)

        raise ConfigError("another search is in this folder", where=str(folder), expected=said(before), got=said(asked),
                          fix="Choose another --out; only more --seeds and --trials can be added to a search")


def _plain(value):
    """Options as JSON has them: ranges as text."""
    if isinstance(value, dict):
        return {name: str(values) if isinstance(values, Range) else values for name, values in value.items()}
    return value


def _write_search(asked, folder):
    with replacing(folder / "search.json") as temporary:
        text = json.dumps({field.name: _plain(getattr(asked, field.name)) for field in fields(Search)}, indent=2)
        temporary.write_text(text + "\n", encoding="utf-8")


def _before(folder):
    """The `Search` in a folder, or None."""
    path = folder / "search.json"
    if not path.is_file():
        return None
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
        return Search(**found | {"options": _axes(found["options"])})
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise ConfigError("not a search that this version knows", where=str(path), got=repr(error),
                          fix="Choose another --out") from error


@contextmanager
def _terminable():
    """SIGTERM stops as Ctrl-C does."""

    def stop(number, frame):
        raise KeyboardInterrupt(number)

    try:
        before = signal.signal(signal.SIGTERM, stop)
    except ValueError:  # not in the main thread, where signals cannot be caught
        yield
        return
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)
