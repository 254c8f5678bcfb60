"""A run and its folder: presets, training with a log and samples, saving, resuming.

    runs/001/
      config.json              what was asked for, defaults filled in
      log.csv                  step, loss_d, loss_g, loss, d_real, d_fake
      samples/step_000500.png  samples from one fixed batch of noise, so that they can be compared
      curves.png               the log, drawn
      checkpoint.npz           everything: networks, optimisers, random streams, place in the data
"""

import csv
import json
import shlex
import signal
from contextlib import contextmanager
from dataclasses import asdict, dataclass, fields, replace
from itertools import islice
from pathlib import Path

import numpy as np

from . import checkpoint, data, losses, models, optim, plot
from .backend import DEVICES, random_streams, to_device
from .errors import CheckpointError, ConfigError, MiniganError
from .files import replacing
from .tensor import Tensor, no_grad
from .train import StepRecord, minimax

__all__ = ["Config", "Interrupted", "PRESETS", "Run", "configure", "resume", "sample", "train"]

OPTIMISERS = {"sgd": optim.SGD, "rmsprop": optim.RMSProp, "adam": optim.Adam}
STREAMS = ("weights", "data", "batches", "noise", "penalty", "samples", "sampling")
PARTS = ("G", "D", "opt_g", "opt_d")
GRID = 64  # images in a picture
POINTS = 1000  # points in a picture


@dataclass(frozen=True)
class Config:
    """Everything that determines a run: with the same one, on the same machine, every number is the same.

    The defaults are the embedded digits'. `lr` is G's learning rate, `lr_d` D's; betas are Adam's (beta1, 0.999).
    """

    data: str = "digits"
    model: str = "dcgan-bn"
    objective: str = "non-saturating"
    optimizer: str = "adam"
    lr: float = 1e-3
    lr_d: float = 1e-3
    beta1: float = 0.5
    steps: int = 1500
    batch_size: int = 32
    n_d: int = 1
    latent_dim: int = 100
    seed: int = 0
    device: str = "cpu"
    data_dir: str | None = None


# What differs from the defaults, by model and then by data. For N2 (dcgan) it is what the document says. N1 (mlp) with
# its document's Adam, 1e-3 and beta1 = 0.9, draws hardly more than one image, whatever the objective: see for yourself
# with --lr 1e-3 --beta1 0.9.
PRESETS = {
    "dcgan-bn": {},
    "dcgan": {"lr": 2e-4, "lr_d": 2e-4, "batch_size": 64},
    "mlp": {"lr": 2e-4, "lr_d": 2e-4, "batch_size": 64},
    "digits": {},
    "mnist": {"steps": 938, "batch_size": 64},
    "fashion-mnist": {"steps": 938, "batch_size": 64},
    "ring": {"lr": 2e-4, "lr_d": 1e-3, "steps": 8000, "batch_size": 256, "latent_dim": 2},
    "grid": {"lr": 2e-4, "lr_d": 1e-3, "steps": 10000, "batch_size": 256, "latent_dim": 2},
}


def configure(**given):
    """A `Config`: what is given, else what the presets say for its model and data, else the defaults.

    A learning rate that is given alone is that of both networks.
    Raises ConfigError for an unknown name or a value out of range, with the valid ones.
    """
    given = {name: value for name, value in given.items() if value is not None}
    if "data_dir" in given:
        given["data_dir"] = str(given["data_dir"])
    data_set = given.get("data", Config.data)
    _choice("data", data_set, data.NAMES)
    model = given.get("model", "mlp" if data_set in data.TOYS else Config.model)
    _choice("model", model, models.MODELS)
    if "lr" in given:
        given.setdefault("lr_d", given["lr"])
    config = Config(**(PRESETS[model] | PRESETS[data_set] | {"model": model} | given))
    _choice("objective", config.objective, losses.OBJECTIVES)
    _choice("optimizer", config.optimizer, OPTIMISERS)
    _choice("device", config.device, DEVICES)
    for name in ("steps", "batch_size", "n_d", "latent_dim"):
        _require(name, getattr(config, name), lambda n: isinstance(n, int) and n >= 1, "a whole number ≥ 1")
    _require("seed", config.seed, lambda n: isinstance(n, int) and n >= 0, "a whole number ≥ 0")
    for name in ("lr", "lr_d"):
        _require(name, getattr(config, name), lambda v: 0 < v < float("inf"), "a number > 0")
    config = replace(config, lr=float(config.lr), lr_d=float(config.lr_d), beta1=float(config.beta1))
    _require("beta1", config.beta1, lambda v: 0 <= v < 1, "a number from 0 to below 1")
    return config


def _choice(name, value, valid):
    if value not in valid:
        raise ConfigError(f"unknown {name}", expected=", ".join(valid), got=repr(value))


def _require(name, value, good, expected):
    if not good(value):
        raise ConfigError(f"{name} is out of range", expected=expected, got=repr(value))


class Run:
    """A game set up from a `Config`: networks, optimisers, data and random streams, and how many steps were made."""

    def __init__(self, config):
        to_device(np.zeros(1), config.device)  # raises where there is no GPU, before anything is read
        self.config, self.step = config, 0
        self.streams = random_streams(config.seed, *STREAMS)
        x = data.load(config.data, data_dir=config.data_dir, rng=self.streams["data"])
        self.x_real = x[:POINTS].copy()
        self.batches = data.minibatches(x, config.batch_size, self.streams["batches"], config.device)
        self.G, self.D = models.build(config.model, config.latent_dim, x.shape[1:], self.streams["weights"])
        self.objective = losses.objective(config.objective)
        self.G.to(config.device), self.D.to(config.device)
        self.opt_g, self.opt_d = self._optimiser(self.G, config.lr), self._optimiser(self.D, config.lr_d)

    def _optimiser(self, network, lr):
        more = {"betas": (self.config.beta1, 0.999)} if self.config.optimizer == "adam" else {}
        return OPTIMISERS[self.config.optimizer](network.parameters(), lr=lr, **more)

    def noise(self, m):
        """m fresh latent vectors: (m, latent_dim) from N(0, 1), float32."""
        return self.streams["noise"].standard_normal((m, self.config.latent_dim), dtype=np.float32)

    def play(self):
        """Train without end: an iterator of step records whose steps count on from where the run stands."""
        c = self.config
        for record in minimax(self.G, self.D, self.objective, self.opt_g, self.opt_d, self.batches, self.noise,
                              n_d=c.n_d, rng=self.streams["penalty"]):
            self.step += 1
            record.step = self.step
            yield record

    def samples(self, n=None):
        """Samples from the fixed noise of the run's pictures: always the same z, whatever was trained in between."""
        n = n or (POINTS if self.x_real.ndim == 2 else GRID)
        rng = random_streams(self.config.seed, *STREAMS)["samples"]
        return generate(self.G, rng.standard_normal((n, self.config.latent_dim), dtype=np.float32), self.config.device)

    def parts(self):
        """What there is to save: a dict part → state dict."""
        return {name: getattr(self, name).state_dict() for name in PARTS}

    def meta(self):
        """What there is to save besides arrays: configuration, step, random states, place in the data."""
        streams = {name: stream.bit_generator.state for name, stream in self.streams.items() if name != "batches"}
        return {"config": asdict(self.config), "step": self.step, "streams": streams,
                "batches": self.batches.state_dict()}

    def restore(self, parts, meta):
        """Take over what `parts` and `meta` gave."""
        for name in PARTS:
            if name not in parts:
                raise CheckpointError(f"the checkpoint has no part '{name}'", where="checkpoint")
            getattr(self, name).load_state_dict(parts[name])
        with _readable_meta():
            for name, state in meta["streams"].items():
                self.streams[name].bit_generator.state = state
            self.batches.load_state_dict(meta["batches"])
            self.step = int(meta["step"])


def generate(G, z, device="cpu", chunk=256):
    """G(z) as a NumPy array, in evaluation mode and in chunks; G is put back into training mode."""
    G.eval()
    with no_grad():
        chunks = [G(Tensor(to_device(z[i:i + chunk], device))).numpy() for i in range(0, len(z), chunk)]
    G.train()
    return np.concatenate(chunks)


# --- the folder ---


def train(config, out=None, runs="runs", progress=None):
    """Start a run and train it to its end; returns the folder.

    out      : the folder to make; by default the next free number in `runs`
    progress : called as `progress(records, done, total)`, gives the records back (a tqdm bar); none by default

    Raises ConfigError if `out` exists and is not an empty folder; nothing is written before data and networks stand.
    Raises Interrupted, with everything saved, after the step in which Ctrl-C or SIGTERM came.
    """
    folder = _next_free(Path(runs)) if out is None else Path(out)
    _refuse_to_overwrite(folder)
    run = Run(config)
    while True:
        try:
            (folder / "samples").mkdir(parents=True)  # in one stroke: two runs cannot both have made it
            break
        except FileExistsError:
            if out is not None:
                _refuse_to_overwrite(folder)
                raise
            folder = _next_free(Path(runs))
    _save(run, folder)
    return _play(run, folder, progress)


def _refuse_to_overwrite(folder):
    if folder.is_dir() and any(folder.iterdir()):
        raise ConfigError("the folder is not empty, and a run is never overwritten", where=str(folder),
                          fix=f"Choose another --out, or go on with it: {_resume_command(folder)}")
    if folder.exists() and not folder.is_dir():
        raise ConfigError("there is a file of that name", where=str(folder), fix="Choose another --out")


def _resume_command(folder):
    return f"minigan train --resume {shlex.quote(str(folder))}"


def resume(folder, steps=None, data_dir=None, device=None, progress=None):
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
    return _play(run, folder, progress)


def sample(folder, n, seed=0):
    """n samples of the trained G of a run: images (n, C, H, W) in [−1, 1], or points (n, 2)."""
    _require("n", n, lambda n: isinstance(n, int) and n >= 1, "a whole number ≥ 1")
    parts, meta = checkpoint.load(Path(folder) / "checkpoint.npz")
    config = _config(meta)
    with _readable_meta():
        G, _ = models.build(config.model, config.latent_dim, tuple(meta["sample_shape"]))
    G.load_state_dict(parts.get("G", {}))
    z = random_streams(seed, *STREAMS)["sampling"].standard_normal((n, config.latent_dim), dtype=np.float32)
    return generate(G, z)


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


def _next_free(runs):
    numbers = [int(path.name) for path in runs.glob("[0-9]*") if path.name.isdigit()] if runs.is_dir() else []
    return runs / f"{max(numbers, default=0) + 1:03d}"


class Interrupted(Exception):
    """Training was asked to stop, and everything is saved; `code` is the exit status that says so."""

    def __init__(self, folder, step, signal_number):
        super().__init__(f"stopped after step {step}; to go on: {_resume_command(folder)}")
        self.code = 128 + signal_number


def _play(run, folder, progress):
    config = run.config
    every = max(1, config.steps // 10)
    _write_config(folder, config)
    remaining = islice(run.play(), config.steps - run.step)
    with _log(folder / "log.csv", run.step) as log, _stop_signals() as stopped:
        for record in progress(remaining, run.step, config.steps) if progress else remaining:
            log.write(record)
            stop = stopped[0] if stopped and record.step < config.steps else None  # read once: a signal may come now
            if stop or record.step == config.steps or record.step % every == 0:
                plot.save_samples(folder / "samples" / f"step_{record.step:06d}.png", run.samples(), run.x_real)
                log.flush()
                _save(run, folder)
            if stop:
                raise Interrupted(folder, record.step, stop)
    _draw_curves(folder)
    return folder


def _draw_curves(folder):
    plot.save(folder / "curves.png", lambda axes: plot.curves(axes, folder / "log.csv"), ncols=2)


def _save(run, folder):
    checkpoint.save(folder / "checkpoint.npz", run.parts(), run.meta() | {"sample_shape": run.x_real.shape[1:]})


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
            self.writer.writerow([record.step, *(f"{getattr(record, name):.9g}" for name in record.FIELDS)])
        self.waiting.clear()
        self.file.flush()


@contextmanager
def _log(path, step):
    """The log, opened to go on after `step`: rows of later steps, which a run that was killed left behind, go."""
    header = ["step", *StepRecord.FIELDS]
    rows = []
    if step and path.is_file():
        with open(path, newline="", encoding="utf-8") as file:
            rows = [row for row in csv.reader(file)
                    if len(row) == len(header) and row[0].isdigit() and int(row[0]) <= step]
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
