"""The options that can be searched, the values that each may take, and which settings are tried."""

from dataclasses import dataclass
from itertools import product
from math import exp, inf, log, prod

import numpy as np

from ..config import configure
from ..errors import ConfigError

__all__ = ["KINDS", "Range", "axis", "pick"]

KINDS = {
    "objective": str, "optimizer": str, "model": str, "lr": float, "lr_d": float, "beta1": float, "beta2": float,
    "batch_size": int, "n_d": int, "latent_dim": int, "lam": float, "clip": float, "width": int, "depth": int,
}
"""The options that can be searched, and the type of their values."""
LOGARITHMIC = ("lr", "lr_d", "lam", "clip")
NEEDS = {"lam": {"objective": "wgan-gp"}, "clip": {"objective": "wgan"}}  # with what an option can be checked alone


@dataclass(frozen=True)
class Range:
    """All values from `low` to `high`, both included, of the option `name`."""

    name: str
    low: float
    high: float

    def __len__(self):
        """How many values there are; of real numbers, so many that no two draws need be the same."""
        return self.high - self.low + 1 if KINDS[self.name] is int else 2**31

    def draw(self, rng):
        """One of them: log-uniform, uniform or a whole number. Real ones are rounded to four digits, to be typed."""
        if KINDS[self.name] is int:
            return int(rng.integers(self.low, self.high + 1))
        if self.name in LOGARITHMIC:
            value = exp(rng.uniform(log(self.low), log(self.high)))
        else:
            value = rng.uniform(self.low, self.high)
        return min(max(float(f"{value:.4g}"), self.low), self.high)

    def __str__(self):
        return f"{self.low}..{self.high}"


def axis(name, given):
    """The values of an option: a list, or a `Range`.

    given   : a value, a list of values, or the text "low..high", alone or in a list
    raises  : ConfigError for an option that cannot be searched, no value, or one that no setting could have
    """
    if name not in KINDS:
        raise ConfigError("no option that can be searched", where=name, expected=", ".join(KINDS))
    given = list(given) if isinstance(given, list | tuple) else [given]
    ranges = [value for value in given if isinstance(value, str) and ".." in value]
    if ranges:
        return _range(name, given)
    values = list(dict.fromkeys(_parse(name, value) for value in given))  # each once
    if not values:
        raise ConfigError("no value", where=name, expected="one or several values, or a range low..high")
    for value in values:
        configure(**NEEDS.get(name, {}), **{name: value})
    return values


def _range(name, given):
    if len(given) > 1 or KINDS[name] is str:
        raise ConfigError("a range stands alone, and is of numbers", where=name, got=", ".join(map(str, given)))
    low, high = (_parse(name, end) for end in given[0].split("..", 1))
    if not low < high:
        raise ConfigError("a range goes from a lower to a higher number", where=name, got=given[0])
    for end in (low, high):
        configure(**NEEDS.get(name, {}), **{name: end})
    return Range(name, low, high)


def _parse(name, value):
    kind = KINDS[name]
    try:
        parsed = kind(value)
        if isinstance(value, str) or parsed == value:
            return parsed
    except (TypeError, ValueError):
        pass
    expected = {str: "a name", int: "a whole number", float: "a number"}[kind]
    raise ConfigError(f"not a value of {name}", expected=expected, got=repr(value))


def pick(axes, trials=None, seed=0):
    """The settings that are tried, as a list of dicts option → value.

    axes   : option → list or `Range`
    trials : how many settings to pick at random, each once; None for the full grid. The same seed picks the same ones,
             and more trials add to them
    raises : ConfigError for a range without `trials`
    """
    ranges = [name for name, values in axes.items() if isinstance(values, Range)]
    if trials is None and ranges:
        raise ConfigError("a range has no grid", where=ranges[0], got=str(axes[ranges[0]]),
                          fix="Say with --trials N how many settings to pick at random, or list the values")
    size = prod(len(values) for values in axes.values())
    if not ranges and (trials or inf) >= size:
        return [dict(zip(axes, values)) for values in product(*axes.values())]
    rng, picked = np.random.default_rng(seed), {}
    for _ in range(1000 * trials):  # enough to meet every one of them, or nearly so
        if len(picked) == min(trials, size):
            break
        setting = {name: values.draw(rng) if isinstance(values, Range) else values[rng.integers(len(values))]
                   for name, values in axes.items()}
        picked.setdefault(tuple(setting.values()), setting)
    return list(picked.values())
