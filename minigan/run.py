"""A run and its folder: training with a log and samples, saving, resuming.

The folder holds

    runs/001/
      config.json              what was asked for, defaults filled in
      log.csv                  step, loss_d, loss_g, loss, d_real, d_fake, grad_norm_d, grad_norm_g
      samples/step_000500.png  samples from one fixed batch of noise, so that they can be compared
      curves.png               the log, drawn
      checkpoint.npz           everything: networks, optimisers, random streams, place in the data
"""

import csv
import json
import shlex
import signal
from contextlib import contextmanager
from dataclasses import asdict, fields, replace
from itertools import islice
from pathlib import Path

import numpy as np

from . import checkpoint, convergence, data, losses, models, plot
from .backend import enough_memory, random_streams, require_device, to_device
from .config import OPTIMISERS, PRESETS, Config, configure
from .errors import CheckpointError, ConfigError, DataError, MiniganError
from .files import replacing
from .tensor import Tensor, no_grad
from .train import StepRecord, minimax

__all__ = ["Config", "Interrupted", "PRESETS", "Run", "apply", "configure", "generate", "labels", "load", "next_free",
           "resume", "sample", "train"]

STREAMS = ("weights", "data", "batches", "noise", "penalty", "samples", "sampling")
PARTS = ("G", "D", "opt_g", "opt_d")
POINTS = 1000  # points in a picture
SMALLER = "Use a smaller --batch-size or --width"


class Run:
    """A game set up from a `Config`: networks, optimisers, data and random streams, and how many steps were made."""

    @enough_memory("networks and data", SMALLER)
    def __init__(self, config):
        require_device(config.device)  # before anything is read
        self.config, self.step = config, 0
        self.streams = random_streams(config.seed, *STREAMS)
        self.conditional = config.model in models.CONDITIONAL
        x, *y = self._load(labels=self.conditional)
        self.classes = int(y[0].max()) + 1 if y else None
        self.x_real = x[:POINTS].copy()
        self.batches = data.minibatches((x, *y) if y else x, config.batch_size, self.streams["batches"], config.device)
        self.G, self.D = models.build(config.model, config.latent_dim, x.shape[1:], self.streams["weights"],
                                      width=config.width, depth=config.depth, classes=self.classes)
        self.objective = losses.objective(config.objective, lam=config.lam, clip=config.clip)
        self.objective.check(f"objective '{config.objective}', model '{config.model}'", self.D)
        self.G.to(config.device), self.D.to(config.device)
        self.opt_g, self.opt_d = self._optimiser(self.G, config.lr), self._optimiser(self.D, config.lr_d)

    def _load(self, labels):
        loaded = data.load(self.config.data, data_dir=self.config.data_dir, rng=self.streams["data"], labels=labels,
                           size=self.config.size)
        return loaded if labels else (loaded,)

    def _optimiser(self, network, lr):
        more = {"betas": (self.config.beta1, self.config.beta2)} if self.config.optimizer == "adam" else {}
        return OPTIMISERS[self.config.optimizer](network.parameters(), lr=lr, **more)

    def start_from(self, folder):
        """Take over, from the networks of another run, every array that fits by name and shape (N8).

        returns : what was taken, in a sentence
        raises  : ConfigError if nothing fits
        """
        parts, _ = checkpoint.load(Path(folder) / "checkpoint.npz")
        said = []
        for name in ("G", "D"):
            network, state = getattr(self, name), parts.get(name, {})
            taken = network.load_fitting(state)
            left = [array for array in network.state_dict() if array not in taken]
            said.append(f"{name} {len(taken)} of {len(taken) + len(left)} arrays"
                        + (f" (new: {', '.join(left)})" if left else ""))
            if not taken:
                raise ConfigError(f"no layer of {name} fits", where=f"init_from {folder}",
                                  fix="Choose a run whose model has layers of the same names and shapes")
        return f"started from {folder}: {', '.join(said)}"

    def noise(self, m):
        """m fresh latent vectors: (m, latent_dim) from N(0, 1), float32."""
        return self.streams["noise"].standard_normal((m, self.config.latent_dim), dtype=np.float32)

    def play(self):
        """Train without end: an iterator of step records whose steps count on from where the run stands."""
        game = minimax(self.G, self.D, self.objective, self.opt_g, self.opt_d, self.batches, self.noise,
                       n_d=self.config.n_d, rng=self.streams["penalty"])
        while True:
            with enough_memory(f"step {self.step + 1}", f"What was saved before is kept. {SMALLER} in a new run"):
                record = next(game)
            self.step += 1
            record.step = self.step
            yield record

    def samples(self, n=None):
        """Samples from the fixed noise of the run's pictures: always the same z, whatever was trained in between.

        In a conditional game a picture has a row for each class, or several if there are few.
        """
        rows = self.classes * -(-8 // self.classes) if self.conditional else 8  # a multiple of the classes, at least 8
        n = n or (POINTS if self.x_real.ndim == 2 else rows**2)
        rng = random_streams(self.config.seed, *STREAMS)["samples"]
        z = rng.standard_normal((n, self.config.latent_dim), dtype=np.float32)
        return generate(self.G, z, self.config.device, y=labels(n, self.classes) if self.conditional else None)

    def parts(self):
        """What there is to save: a dict part → state dict."""
        return {name: getattr(self, name).state_dict() for name in PARTS}

    def meta(self):
        """What there is to save besides arrays: configuration, step, random states, place in the data."""
        streams = {name: stream.bit_generator.state for name, stream in self.streams.items() if name != "batches"}
        return {"config": asdict(self.config), "step": self.step, "streams": streams,
                "batches": self.batches.state_dict(), "sample_shape": self.x_real.shape[1:], "classes": self.classes}

    @enough_memory("networks", "Use a smaller --width in a new run")
    def restore(self, parts, meta):
        """Take over what `parts` and `meta` gave."""
        self._require_the_same_images(meta)
        for name in PARTS:
            if name not in parts:
                raise CheckpointError(f"the checkpoint has no part '{name}'", where="checkpoint")
            getattr(self, name).load_state_dict(parts[name])
        with _readable_meta():
            for name, state in meta["streams"].items():
                self.streams[name].bit_generator.state = state
            self.batches.load_state_dict(meta["batches"])
            self.step = int(meta["step"])

    def _require_the_same_images(self, meta):
        """Raise DataError if the data are a folder of images in which something was added, removed or coloured."""
        if data.as_folder(self.config.data) is None:
            return
        with _readable_meta():
            before, now = (f"{m['batches']['samples']} images of shape {tuple(m['sample_shape'])}, "
                           f"{m['classes'] or 'no'} classes" for m in (meta, self.meta()))
        if before != now:
            raise DataError("the images are no longer those of the run", where=self.config.data, expected=before,
                            got=now, fix="Restore the folder, or start a new run")


def labels(n, classes):
    """n labels, all classes equally often and in their order: (n,) int64."""
    return np.arange(n) * classes // n


@enough_memory("networks", "Use a smaller --width")
def apply(network, x, device="cpu", chunk=256, y=None):
    """network(x), or network(x, y), as a NumPy array, in evaluation mode and in chunks; then back in training mode."""
    network.eval()
    with no_grad():
        chunks = []
        for part in (slice(i, i + chunk) for i in range(0, len(x), chunk)):
            given = () if y is None else (to_device(y[part], device),)
            chunks.append(network(Tensor(to_device(x[part], device)), *given).numpy())
    network.train()
    return np.concatenate(chunks)


def generate(G, z, device="cpu", y=None):
    """Samples: G(z), or G(z, y) of the classes y."""
    return apply(G, z, device, y=y)


# --- the folder ---


def train(config, out=None, runs="runs", progress=None, tell=None):
    """Start a run and train it to its end; returns the folder.

    out      : the folder to make; by default the next free number in `runs`
    progress : called as `progress(records, done, total)`, gives the records back (a tqdm bar); none by default
    tell     : called with sentences about the run while it goes on; nobody is told by default

    Raises ConfigError if `out` exists and is not an empty folder; nothing is written before data and networks stand.
    Raises Interrupted, with everything saved, after the step in which Ctrl-C or SIGTERM came.
    """
    folder = next_free(Path(runs)) if out is None else Path(out)
    _refuse_to_overwrite(folder)
    run, tell = Run(config), tell or _nobody
    if config.init_from is not None:
        tell(run.start_from(config.init_from))
    while True:
        try:
            (folder / "samples").mkdir(parents=True)  # in one stroke: two runs cannot both have made it
            break
        except FileExistsError:
            if out is not None:
                _refuse_to_overwrite(folder)
                raise
            folder = next_free(Path(runs))
    _save(run, folder)
    return _play(run, folder, progress, tell)


def _nobody(sentence):
    pass


def _refuse_to_overwrite(folder):
    if folder.is_dir() and any(folder.iterdir()):
        raise ConfigError("the folder is not empty, and a run is never overwritten", where=str(folder),
                          fix=f"Choose another --out, or go on with it: {_resume_command(folder)}")
    if folder.exists() and not folder.is_dir():
        raise ConfigError("there is a file of that name", where=str(folder), fix="Choose another --out")


def _resume_command(folder):
    return f"minigan train --resume {shlex.quote(str(folder))}"


def resume(folder, steps=None, data_dir=None, device=None, progress=None, tell=None):
    """Go on with the run in `folder`, to its number of steps or to `steps`; returns the folder.

    From the checkpoint on, every number is the one that an uninterrupted run would have had.
    """
    folder = Path(folder)
    parts, meta = checkpoint.load(folder / "checkpoint.npz")
    run = _restored(parts, meta, steps=steps, data_dir=data_dir, device=device)
    if run.step >= run.config.steps:
        if not (folder / "curves.png").is_file():
            _draw_curves(folder)  # killed between the last checkpoint and the picture
        raise ConfigError("the run is complete", where=str(folder), expected=f"more than {run.step} steps",
                          got=run.config.steps, fix=f"To go on, say --steps N with N > {run.step}")
    (folder / "samples").mkdir(exist_ok=True)
    return _play(run, folder, progress, tell or _nobody)


def load(folder, data_dir=None, device=None):
    """The `Run` in `folder`, as it stands after its last checkpoint."""
    return _restored(*checkpoint.load(Path(folder) / "checkpoint.npz"), data_dir=data_dir, device=device)


@enough_memory("samples", "Use a smaller n")
def sample(folder, n, seed=0, label=None):
    """n samples of the trained G of a run: images (n, C, H, W) in [−1, 1], points (n, 2) or sequences (n, L, C).

    label : the class to draw, of a conditional run; without it all classes in turn
    Raises ConfigError for a label that there is not, or of a run whose G takes none.
    """
    if not isinstance(n, int) or n < 1:
        raise ConfigError("n is out of range", expected="a whole number ≥ 1", got=repr(n))
    parts, meta = checkpoint.load(Path(folder) / "checkpoint.npz")
    config, classes = _config(meta), meta.get("classes")
    with _readable_meta():
        G, _ = models.build(config.model, config.latent_dim, tuple(meta["sample_shape"]), width=config.width,
                            depth=config.depth, classes=classes)
    G.load_state_dict(parts.get("G", {}))
    if label is not None and classes is None:
        raise ConfigError("this generator takes no labels", where=f"model '{config.model}'", got=f"label {label}",
                          fix=f"Train one that does: --model {' or '.join(models.CONDITIONAL)}")
    if label is not None and not (isinstance(label, int) and 0 <= label < classes):
        raise ConfigError("no such class", where="label", expected=f"0 to {classes - 1}", got=label)
    y = None if classes is None else labels(n, classes) if label is None else np.full(n, label)
    z = random_streams(seed, *STREAMS)["sampling"].standard_normal((n, config.latent_dim), dtype=np.float32)
    return generate(G, z, y=y)


def _restored(parts, meta, **changes):
    config = replace(_config(meta), **{name: value for name, value in changes.items() if value is not None})
    run = Run(configure(**asdict(config)))
    run.restore(parts, meta)
    return run


def _config(meta):
    known = {field.name for field in fields(Config)}
    config = meta.get("config")
    if not isinstance(config, dict) or config.keys() - known:
        raise CheckpointError("the checkpoint's configuration is not one that this version knows", where="checkpoint",
                              expected=", ".join(sorted(known)), got=str(config)[:200])
    with _readable_meta():
        return configure(**config)


@contextmanager
def _readable_meta():
    """Whatever is missing or odd in a checkpoint's meta becomes one CheckpointError."""
    try:
        yield
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        if isinstance(error, MiniganError):
            raise
        raise CheckpointError("the checkpoint is not complete", where="checkpoint", got=repr(error)) from error


def next_free(runs):
    """The folder in `runs` with the next free number: runs/001, …"""
    numbers = [int(path.name) for path in runs.glob("[0-9]*") if path.name.isdigit()] if runs.is_dir() else []
    return runs / f"{max(numbers, default=0) + 1:03d}"


class Interrupted(Exception):
    """Training was asked to stop, and everything is saved; `code` is the exit status that says so."""

    def __init__(self, folder, step, signal_number):
        super().__init__(f"stopped after step {step}; to go on: {_resume_command(folder)}")
        self.code = 128 + signal_number


def _play(run, folder, progress, tell):
    config = run.config
    every = max(1, config.steps // 10)
    remaining, told = islice(run.play(), config.steps - run.step), set()
    # NumPy's warnings of overflow are silenced: what is no longer finite is found by the log, and said in one sentence.
    with _log(folder / "log.csv", run.step) as log, _stop_signals() as stopped, np.errstate(all="ignore"):
        _write_config(folder, config)
        for record in progress(remaining, run.step, config.steps) if progress else remaining:
            log.write(record)
            stop = stopped[0] if stopped and record.step < config.steps else None  # read once: a signal may come now
            if stop or record.step == config.steps or record.step % every == 0:
                log.flush()  # first: it stops a run that is no longer finite, before the checkpoint is replaced
                x = run.samples()
                plot.save_samples(folder / "samples" / f"step_{record.step:06d}.png", x, run.x_real)
                _save(run, folder)
                findings = convergence.diagnose(plot.read_log(folder / "log.csv"), run.objective, samples=x,
                                                real=run.x_real)
                for finding in findings:
                    if finding.severity == "warning" and finding.code not in told and record.step < config.steps:
                        tell(f"step {record.step}: {finding.message}")
                        told.add(finding.code)  # each is said once
            if stop:
                raise Interrupted(folder, record.step, stop)
    tell(convergence.report(findings))
    _draw_curves(folder)
    return folder


def _draw_curves(folder):
    plot.save(folder / "curves.png", lambda axes: plot.curves(axes, folder / "log.csv"), ncols=2)


def _save(run, folder):
    checkpoint.save(folder / "checkpoint.npz", run.parts(), run.meta())


def _write_config(folder, config):
    with replacing(folder / "config.json") as temporary:
        temporary.write_text(json.dumps(asdict(config), indent=2) + "\n", encoding="utf-8")


class _Log:
    """Rows of the log. Records wait for a while before they are read: on a GPU each reading halts the computation."""

    def __init__(self, file):
        self.file, self.writer, self.waiting = file, csv.writer(file), []

    def write(self, record):
        self.waiting.append(record)
        if len(self.waiting) == 50:
            self.flush()

    def flush(self):
        for record in self.waiting:
            self.writer.writerow([f"{number:.9g}" for number in record.require_finite().values()])
        self.waiting.clear()
        self.file.flush()


@contextmanager
def _log(path, step):
    """The log, opened to go on after `step`: rows of later steps, which a run that was killed left behind, go."""
    header = ["step", *StepRecord.FIELDS]
    rows = []
    if step and path.is_file():
        try:
            with open(path, newline="", encoding="utf-8") as file:  # it may have fewer columns, of an older version
                rows = [[row.get(name, "") for name in header] for row in csv.DictReader(file)
                        if None not in row.values() and row["step"].isdigit() and int(row["step"]) <= step]
        except (ValueError, KeyError, csv.Error) as error:
            raise DataError("not a readable log", where=str(path), got=f"{type(error).__name__}: {error}",
                            fix="Move it away to go on without it") from error
    with replacing(path) as temporary, open(temporary, "w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([header, *rows])
    with open(path, "a", newline="", encoding="utf-8") as file:
        yield _Log(file)


@contextmanager
def _stop_signals():
    """Ctrl-C and SIGTERM ask to stop after the step, and are collected in the list; a second one stops at once."""
    stopped = []

    def ask(number, frame):
        if stopped:
            raise KeyboardInterrupt
        stopped.append(number)

    try:
        before = {number: signal.signal(number, ask) for number in (signal.SIGINT, signal.SIGTERM)}
    except ValueError:  # not in the main thread, where signals cannot be caught
        before = {}
    try:
        yield stopped
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
