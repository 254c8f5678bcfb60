"""What determines a run: its configuration, the presets, and which values are possible."""

from dataclasses import dataclass, replace
from math import inf

from . import data, losses, models, optim
from .backend import DEVICES
from .errors import ConfigError

__all__ = ["Config", "OPTIMISERS", "PRESETS", "configure"]

OPTIMISERS = {"sgd": optim.SGD, "rmsprop": optim.RMSProp, "adam": optim.Adam}


@dataclass(frozen=True)
class Config:
    """Everything that determines a run: with the same one, on the same machine, every number is the same.

    The defaults are the embedded digits'. `lr` is G's learning rate, `lr_d` D's; beta1 and beta2 are Adam's. `lam` is
    the weight of the objective's penalty, `clip` the bound on D's weights, `width` and `depth` are the networks'; None
    stands for what the objective's paper or the model's document says. `data` is a name, or the absolute path of a
    folder of images, and `size` the side of these. `init_from` is a run whose networks this one started from.
    """

    data: str = "digits"
    model: str = "dcgan-bn"
    objective: str = "non-saturating"
    optimizer: str = "adam"
    lr: float = 1e-3
    lr_d: float = 1e-3
    beta1: float = 0.5
    beta2: float = 0.999
    steps: int = 1500
    batch_size: int = 32
    n_d: int = 1
    latent_dim: int = 100
    lam: float | None = None
    clip: float | None = None
    width: int | None = None
    depth: int | None = None
    seed: int = 0
    device: str = "cpu"
    data_dir: str | None = None
    size: int | None = None
    init_from: str | None = None


# What differs from the defaults, by model, then data, then objective. For N2 (dcgan) it is what the document says. N1
# (mlp) with its document's Adam, 1e-3 and beta1 = 0.9, draws hardly more than one image, whatever the objective:
# see for yourself with --lr 1e-3 --beta1 0.9. Those of the others were found on the digits: a D with spectral
# normalisation wants a larger rate than its G. The Wasserstein objectives' are their papers' (Arjovsky et al. 2017,
# Algorithm 1; Gulrajani et al. 2017, Algorithm 1).
PRESETS = {
    "dcgan-bn": {},
    "dcgan": {"lr": 2e-4, "lr_d": 2e-4, "batch_size": 64},
    "mlp": {"lr": 2e-4, "lr_d": 2e-4, "batch_size": 64},
    "pooling": {"objective": "r1", "lr": 5e-4, "lr_d": 2e-3},
    "resnet": {"lr": 2e-4, "lr_d": 2e-4},
    "attention": {"objective": "r1", "lr": 5e-4, "lr_d": 2e-3},
    "dcgan-sn": {"objective": "hinge", "lr": 5e-4, "lr_d": 4e-3},
    "resnet-sn": {"objective": "hinge", "lr": 5e-4, "lr_d": 2e-3},
    "digits": {},
    "mnist": {"steps": 938, "batch_size": 64},
    "fashion-mnist": {"steps": 938, "batch_size": 64},
    "folder": {"steps": 938, "batch_size": 64, "size": data.SIDE},
    "ring": {"lr": 2e-4, "lr_d": 1e-3, "steps": 8000, "batch_size": 256, "latent_dim": 2},
    "grid": {"lr": 2e-4, "lr_d": 1e-3, "steps": 10000, "batch_size": 256, "latent_dim": 2},
    "sines": {"lr": 1e-3, "lr_d": 4e-3, "steps": 900, "batch_size": 64, "latent_dim": 8},
    "wgan": {"optimizer": "rmsprop", "lr": 5e-5, "lr_d": 5e-5, "n_d": 5},
    "wgan-gp": {"lr": 1e-4, "lr_d": 1e-4, "beta1": 0.0, "beta2": 0.9, "n_d": 5},
    "wgan-gp on points": {"lam": 0.1},  # as in its authors' published experiments on mixtures
}


def configure(**given):
    """A `Config`: what is given, else what the presets say for its model, data and objective, else the defaults.

    A learning rate that is given alone is that of both networks. The preset's batch is never larger than a folder of
    images is. Where no model is given, points get `mlp`, sequences
    `gru`, and images `dcgan-bn`, or `dcgan` where the objective refuses a D with BatchNorm.
    Raises ConfigError for an unknown name or a value out of range, with the valid ones, and DataError for a folder of
    which the images have to be counted, and that has none.
    """
    given = {name: value for name, value in given.items() if value is not None}
    given |= {name: str(given[name]) for name in ("data_dir", "init_from") if name in given}  # paths, kept as JSON
    folder = data.as_folder(given.get("data"))
    if folder is None:
        data_set = given.get("data", Config.data)
        if data_set not in data.NAMES:
            raise ConfigError("unknown data", expected=f"{', '.join(data.NAMES)}, or a folder of images",
                              got=repr(data_set))
    else:
        data_set, given["data"] = "folder", folder
    objective = given.get("objective", Config.objective)
    _choice("objective", objective, losses.OBJECTIVES)
    model = given.get("model", _default_model(data_set, objective))
    _choice("model", model, models.MODELS)
    if "lr" in given:
        given.setdefault("lr_d", given["lr"])
    preset = {}
    for name in (model, data_set, objective, f"{objective} on points" if data_set in data.TOYS else None):
        preset |= PRESETS.get(name, {})
    if folder is not None and "batch_size" not in given:
        preset["batch_size"] = min(preset["batch_size"], len(data.folder.find_images(folder)))
    config = Config(**(preset | {"model": model} | given))
    _choice("optimizer", config.optimizer, OPTIMISERS)
    _choice("device", config.device, DEVICES)
    for name in ("steps", "batch_size", "n_d", "latent_dim", "size", "width", "depth"):
        _require(name, getattr(config, name), lambda n: n is None or (isinstance(n, int) and n >= 1),
                 "a whole number ≥ 1")
    if folder is None and config.size is not None:
        raise ConfigError("only a folder of images has a size to choose", where="size", got=f"data '{data_set}'")
    _require("seed", config.seed, lambda n: isinstance(n, int) and n >= 0, "a whole number ≥ 0")
    for name in ("lr", "lr_d"):
        _require(name, getattr(config, name), lambda v: 0 < v < inf, "a number > 0")
    for name in ("beta1", "beta2"):
        _require(name, getattr(config, name), lambda v: 0 <= v < 1, "a number from 0 to below 1")
    losses.objective(config.objective, lam=config.lam, clip=config.clip)  # raises for what it does not use
    numbers = {name: getattr(config, name) for name in ("lr", "lr_d", "beta1", "beta2", "lam", "clip")}
    return replace(config, **{name: float(value) for name, value in numbers.items() if value is not None})


def _default_model(data_set, objective):
    if data_set in data.SEQUENCES:
        return "gru"
    if data_set in data.TOYS:
        return "mlp"
    return "dcgan" if isinstance(losses.OBJECTIVES[objective], losses.PenalisedObjective) else Config.model


def _choice(name, value, valid):
    if value not in valid:
        raise ConfigError(f"unknown {name}", expected=", ".join(valid), got=repr(value))


def _require(name, value, good, expected):
    if not good(value):
        raise ConfigError(f"{name} is out of range", expected=expected, got=repr(value))
