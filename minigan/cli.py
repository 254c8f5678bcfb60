"""The command line: minigan train · sample · evaluate · tune · data · gradcheck."""

import argparse
import shlex
import sys
import time
from pathlib import Path

from .errors import ConfigError, MiniganError
from .text import wrapped

__all__ = ["main"]


def main(argv=None):
    """Run one command; returns the exit status: 0, 1 for an error that minigan explains, 2 for bad arguments."""
    arguments = _parser().parse_args(argv)
    try:
        return arguments.command(arguments) or 0
    except MiniganError as error:
        return _failed(arguments, error)
    except MemoryError as error:
        return _failed(arguments, f"out of memory{f' ({error})' if str(error) else ''}. Ask for smaller batches, "
                                  "networks or shapes, or fewer samples")
    except OSError as error:
        return _failed(arguments, f"{error.filename or 'a file'}: {error.strerror or error}")
    except KeyboardInterrupt:
        print("minigan: stopped at once; what was saved before is whole", file=sys.stderr)
        return 130


def _failed(arguments, error):
    if arguments.debug:
        raise
    print(f"minigan: {error}", file=sys.stderr)
    return 1


# --- commands ---


def _train(arguments):
    from . import run

    started = time.perf_counter()
    try:
        if arguments.resume is not None:
            ignored = [name for name in (*_CONFIG, "out") if name not in ("device", "data_dir")
                       and getattr(arguments, name) is not None]
            if ignored:
                raise ConfigError("a resumed run keeps its own settings", where="--resume",
                                  got=", ".join(f"--{name.replace('_', '-')}" for name in ignored))
            folder = run.resume(arguments.resume, _steps(arguments), arguments.data_dir, arguments.device, _progress,
                                _tell)
        else:
            config = run.configure(**{name: getattr(arguments, name) for name in _CONFIG}, steps=_steps(arguments))
            print(f"{config.model} on {config.data}, objective {config.objective}: {config.steps} steps of "
                  f"{config.batch_size}, {config.optimizer} at {config.lr:g} (D {config.lr_d:g}), seed {config.seed}, "
                  f"on {config.device}")
            folder = run.train(config, arguments.out, progress=_progress, tell=_tell)
    except run.Interrupted as stop:
        print(f"minigan: {stop}", file=sys.stderr)
        return stop.code
    picture = max((folder / "samples").glob("step_*.png"), key=lambda path: int(path.stem[5:]))
    print(f"Done in {time.perf_counter() - started:.0f} s. Open {picture}\n"
          f"More samples: minigan sample {shlex.quote(str(folder))} --n 64 --out samples.png")
    return 0


def _steps(arguments):
    if arguments.epochs is None:
        return arguments.steps
    from . import data, run

    if arguments.steps is not None or arguments.resume is not None:
        raise ConfigError("--epochs stands for --steps in a new run; give one of them")
    config = run.configure(**{name: getattr(arguments, name) for name in _CONFIG})
    size = len(data.load(config.data, data_dir=config.data_dir))
    return -(-arguments.epochs * (size // config.batch_size) // config.n_d)


def _progress(records, done, total):
    from tqdm import tqdm

    bar = tqdm(records, initial=done, total=total, unit="step", disable=None)  # None: no bar where nobody watches
    for record in bar:
        if record.step % 10 == 0 and not bar.disable:  # on a GPU each reading halts the computation
            bar.set_postfix(L_D=f"{record.loss_d:.3f}", L_G=f"{record.loss_g:.3f}", refresh=False)
        yield record


def _tell(sentence):
    from tqdm import tqdm

    tqdm.write("\n".join(map(wrapped, sentence.splitlines())))  # print, but above the progress bar


def _sample(arguments):
    import numpy as np

    from . import plot, run
    from .files import replacing

    if arguments.out.suffix not in (".png", ".npz"):
        raise ConfigError(f"--out must end in .png or .npz, got {arguments.out}")
    if not arguments.out.parent.is_dir() or arguments.out.is_dir() or arguments.out.name == "checkpoint.npz":
        raise ConfigError("not a place for a file of samples", where=str(arguments.out),
                          expected="a file in a folder that exists, and no checkpoint")
    x = run.sample(arguments.run, arguments.n, arguments.seed, arguments.label)
    if arguments.out.suffix == ".png":
        plot.save_samples(arguments.out, x)
    else:
        with replacing(arguments.out) as temporary, open(temporary, "wb") as file:
            np.savez(file, x=x)
    print(f"{arguments.n} samples in {arguments.out}")


def _evaluate(arguments):
    from .evaluate import evaluate

    evaluation = evaluate(arguments.run, arguments.n, arguments.draws, arguments.seed, arguments.data_dir,
                          arguments.device, _training_the_classifier())
    print(evaluation)
    print(f"\nKept in {Path(arguments.run) / 'evaluation.json'}; D's ROC curve is {Path(arguments.run) / 'roc.png'}")


def _training_the_classifier():
    """A progress bar that appears when the classifier has to be trained."""
    from tqdm import tqdm

    bar = None

    def progress(done, of):
        nonlocal bar
        bar = bar or tqdm(total=of, desc="training the classifier, once", unit="step", disable=None)
        bar.update(done - bar.n)
        if done == of:
            bar.close()

    return progress


def _tune(arguments):
    from . import tune

    common = {"jobs": arguments.jobs, "progress": _tuning, "tell": _tell,
              "classifier_progress": _training_the_classifier()}
    searched = {name: values for name in tune.KINDS if (values := getattr(arguments, name)) is not None}
    given = searched | {name: value for name in ("data", "size", "steps", "seeds", "trials", "seed", "n", "device",
                                                     "data_dir") if (value := getattr(arguments, name)) is not None}
    try:
        if arguments.resume is not None:
            more = {name: given.pop(name) for name in ("seeds", "trials") if name in given}
            given |= {} if arguments.out is None else {"out": arguments.out}
            if given:
                raise ConfigError("a resumed search keeps its own settings, but --seeds, --trials and --jobs",
                                  where="--resume", got=", ".join(f"--{name.replace('_', '-')}" for name in given))
            folder, table = arguments.resume, tune.resume(arguments.resume, **more, **common)
        else:
            folder = tune.next_free(Path("tuning")) if arguments.out is None else arguments.out
            table = tune.search(folder, **given, **common)
    except tune.Stopped as stop:
        print(f"minigan: {stop}", file=sys.stderr)
        return stop.code
    print(f"\n{table}\n")
    if table.best is None:
        print(f"The table is in {Path(folder) / 'table.md'} and table.csv.")
        return 1
    print(f"Open {Path(folder) / 'tuning.png'}, and best.png beside it. The table is in table.md and table.csv.\n"
          f"The best setting is trained by\n  {table.command}")
    return 0


def _tuning(tables, done, total):
    from tqdm import tqdm

    bar = tqdm(tables, initial=done, total=total, unit="trial", disable=None)
    for table in bar:
        if table.best:
            bar.set_postfix_str(f"best {table.best.mean:.4g}: {table.best.name}")
        yield table


def _data(arguments):
    from . import data

    folder, files = data.fetch(arguments.name, arguments.data_dir)
    for file in files:
        print(f"{file.path.name}: {' × '.join(f'{n:,}' for n in file.shape)}, verified")
    print(f"{arguments.name} is in {folder}")


def _gradcheck(arguments):
    if arguments.target is None:
        return _gradcheck_everything(arguments.seed)
    from .gradient_check import gradcheck
    from .gradient_check.target import load, random_inputs

    f, n = load(arguments.target)
    report = gradcheck(f, random_inputs(arguments.shapes, n, arguments.seed), arguments.order, seed=arguments.seed)
    print(report)
    return 0 if report else 1


def _gradcheck_everything(seed):
    from .gradient_check import gradcheck
    from .samples import samples

    worst = {}
    for s in samples(seed):
        reports = [gradcheck(s.f, s.inputs, order, seed=seed) for order in (1, 2)]
        worst.setdefault(s.operation, []).append(reports)
    print(f"{'operation':<18}{'first order':>14}{'second order':>14}   worst |analytic − numeric| / max(1, |numeric|)")
    failed = 0
    for operation, cases in worst.items():
        good = all(bool(report) for reports in cases for report in reports)
        failed += not good
        errors = [max(reports[i].error for reports in cases) for i in (0, 1)]
        print(f"{operation:<18}{errors[0]:>14.1e}{errors[1]:>14.1e}   {'right' if good else 'WRONG'}")
    print(f"{len(worst) - failed} of {len(worst)} operations are right, to first and second order")
    return 1 if failed else 0


# --- arguments ---

_CONFIG = ("data", "model", "objective", "optimizer", "lr", "lr_d", "beta1", "beta2", "batch_size", "n_d", "latent_dim",
           "lam", "clip", "width", "depth", "seed", "device", "data_dir", "size", "init_from")


class _Parser(argparse.ArgumentParser):
    def error(self, message):
        """One clear line, without the usage in front of it."""
        print(f"{self.prog}: {message}. See {self.prog} --help", file=sys.stderr)
        raise SystemExit(2)


def _parser():
    from . import config, data, losses, models, tune
    from .backend import DEVICES

    parser = _Parser(prog="minigan", description="A GAN you can read.")
    commands = parser.add_subparsers(title="commands", required=True, parser_class=_Parser, metavar="COMMAND")

    def command(name, function, text):
        sub = commands.add_parser(name, help=text, description=text)
        sub.add_argument("--debug", action="store_true", help="show the traceback of an error")
        sub.set_defaults(command=function)
        return sub

    def names(values):
        return ", ".join(values)

    c = config.Config
    train = command("train", _train, "train a GAN; without arguments on the embedded digits, in about a minute")
    train.epilog = "Presets are what differs by data, model and objective: see PRESETS in minigan/config.py."
    add = train.add_argument
    add("--data", help=f"{names(data.NAMES)}, or a folder of images (default {c.data})")
    add("--size", type=int, metavar="N", help=f"side to which a folder's images are resized (default {data.SIDE})")
    add("--model", help=f"{names(models.MODELS)} (default {c.model}, or by data and objective)")
    add("--objective", help=f"{names(losses.OBJECTIVES)} (default {c.objective}, or by preset)")
    add("--steps", type=int, metavar="N", help="steps of G (default: by data)")
    add("--epochs", type=int, metavar="N", help="passes over the data, instead of --steps")
    add("--batch-size", type=int, metavar="M", help=f"samples in a batch (default {c.batch_size}, or by preset)")
    add("--n-d", type=int, metavar="K", help=f"steps of D for each step of G (default {c.n_d}, or by preset)")
    add("--lr", type=float, help=f"learning rate of G, and of D without --lr-d (default {c.lr:g}, or by preset)")
    add("--lr-d", type=float, metavar="LR", help=f"learning rate of D (default {c.lr_d:g}, or by preset)")
    add("--beta1", type=float, metavar="B", help=f"Adam's first beta (default {c.beta1:g}, or by preset)")
    add("--beta2", type=float, metavar="B", help=f"Adam's second beta (default {c.beta2:g}, or by preset)")
    add("--lam", type=float, help="weight of the penalty, λ of wgan-gp or γ of r1 (default 10; wgan-gp on points 0.1)")
    add("--clip", type=float, help="bound on D's weights in wgan (default 0.01)")
    add("--width", type=int, metavar="N", help="of the networks' layers (default: as in the model's document)")
    add("--depth", type=int, metavar="N", help="how many layers (default: as in the model's document)")
    add("--optimizer", help=f"{names(config.OPTIMISERS)} (default {c.optimizer}, or by preset)")
    add("--latent-dim", type=int, metavar="N", help=f"length of z (default {c.latent_dim}, or by preset)")
    add("--seed", type=int, help=f"of everything random (default {c.seed})")
    add("--device", help=f"{names(DEVICES)} (default {c.device})")
    add("--data-dir", metavar="DIR", help="folder with the files of MNIST or Fashion-MNIST, instead of a download")
    add("--out", metavar="DIR", help="the run's folder (default: runs/ and the next free number)")
    add("--init-from", metavar="RUN", help="start from the networks of this run, with whichever layers fit")
    add("--resume", metavar="RUN", help="go on with the run in this folder, to its own number of steps or to --steps")

    sample = command("sample", _sample, "draw samples from a trained generator")
    sample.add_argument("run", help="the folder of a run")
    sample.add_argument("--n", type=int, default=64, help="how many (default 64)")
    sample.add_argument("--out", type=Path, required=True, metavar="FILE", help="a .png, or a .npz that holds x")
    sample.add_argument("--seed", type=int, default=0, help="of the noise (default 0)")
    sample.add_argument("--label", type=int, metavar="Y", help="the class to draw, of a conditional run")

    measure = command("evaluate", _evaluate, "measure a run: D as a classifier, samples against real ones, convergence")
    measure.add_argument("run", help="the folder of a run")
    measure.add_argument("--n", type=int, help="samples in a draw (default: 10,000 images, 2,500 points)")
    measure.add_argument("--draws", type=int, default=5, metavar="K", help="how often to draw them anew (default 5)")
    measure.add_argument("--seed", type=int, default=0, help="of the noise (default 0)")
    measure.add_argument("--device", help="cpu or cuda (default: the run's)")
    measure.add_argument("--data-dir", metavar="DIR", help="folder with the files of MNIST or Fashion-MNIST")

    search = command("tune", _tune, "search for the best setting; without arguments learning rates and objectives "
                                    "on the embedded digits, in some minutes")
    add = search.add_argument
    for name, kind in tune.KINDS.items():
        add(f"--{name.replace('_', '-')}", nargs="+", metavar="NAME" if kind is str else "VALUE",
            help=f"as for train: one or several{', or a range' if kind is not str else ''}")
    add("--data", help=f"{names(data.NAMES)}, or a folder of images (default {c.data})")
    add("--size", type=int, metavar="N", help=f"side to which a folder's images are resized (default {data.SIDE})")
    add("--steps", type=int, metavar="N", help="steps of G in a trial (default: as for train)")
    add("--seeds", type=int, metavar="K", help="from how many seeds each setting is trained (default 3)")
    add("--trials", type=int, metavar="N", help="pick N settings at random, from the values or from ranges such as "
                                                "1e-5..1e-2 (default: the full grid)")
    add("--seed", type=int, help="of the random picks (default 0)")
    add("--jobs", type=int, metavar="N", help="how many trials run at once, one on a core (default: on all cores)")
    add("--n", type=int, help="samples to measure by (default: 10,000 images, 2,500 points)")
    add("--device", help=f"{names(DEVICES)} (default {c.device})")
    add("--data-dir", metavar="DIR", help="folder with the files of MNIST or Fashion-MNIST")
    add("--out", metavar="DIR", help="the search's folder (default: tuning/ and the next free number)")
    add("--resume", metavar="DIR", help="go on with the search in this folder, with more --seeds or --trials if given")

    fetch = command("data", _data, "download and verify a data set")
    fetch.add_argument("name", help="mnist or fashion-mnist")
    fetch.add_argument("--data-dir", metavar="DIR", help="verify the files in this folder instead")

    check = command("gradcheck", _gradcheck, "check derivatives by finite differences: every operation's, or yours")
    check.add_argument("target", nargs="?", metavar="FILE.py:NAME",
                       help="a function of tensors, a module, or a pair (forward, vjp) of NumPy functions; also "
                            "FILE.py:FORWARD,VJP; the forward of NAME_vjp is NAME (default: all of minigan)")
    check.add_argument("--shapes", nargs="+", default=[], metavar="SHAPE",
                       help="of the inputs, such as 3x5 5 scalar (default: 3x5 for each)")
    check.add_argument("--order", type=int, choices=(1, 2), default=1, help="2 for the derivative of the gradient")
    check.add_argument("--seed", type=int, default=0, help="of the inputs (default 0)")
    return parser
