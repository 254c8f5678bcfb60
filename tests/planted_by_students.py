"""Planted student mistakes in vector-Jacobian products, as data.

Plain NumPy.  Every exercise has a forward function, a draw of its arguments, the right vjps
(one per argument, called as vjp(g, *xs)) and a dict of wrong ones, with the causes an examiner
would accept (best first; empty: no cause code describes it, only "not sure" is honest).
"""
from collections.abc import Callable
from typing import NamedTuple

import numpy as np


class Exercise(NamedTuple):
    name: str
    forward: Callable
    draw: Callable
    right: tuple
    wrong: dict


class Mistake(NamedTuple):
    vjps: tuple
    causes: tuple


EXERCISES = []
M = Mistake


def ex(name, forward, draw, right, wrong):
    right = right if isinstance(right, tuple) else (right,)
    wrong = {k: M(v if isinstance(v, tuple) else (v,), c) for k, (v, c) in wrong.items()}
    EXERCISES.append(Exercise(name, forward, draw, right, wrong))


def normal(*shapes):
    return lambda rng: [rng.standard_normal(s) for s in shapes]


def positive(*shapes):
    return lambda rng: [rng.uniform(0.4, 2.5, s) for s in shapes]


def sig(x):
    return 0.5 * (1.0 + np.tanh(0.5 * x))


def softplus(x):
    return np.logaddexp(0.0, x)


def softmax(x, axis=-1):
    e = np.exp(x - x.max(axis=axis, keepdims=True))
    return e / e.sum(axis=axis, keepdims=True)


# ---------------------------------------------------------------- arithmetic with broadcasting

ex("add a bias row", lambda x, b: x + b, normal((5, 3), (3,)),
   (lambda g, x, b: g, lambda g, x, b: g.sum(0)),
   {"bias gradient not summed over the batch": ((None, lambda g, x, b: g), ("shape",)),
    "bias gradient is the mean over the batch": ((None, lambda g, x, b: g.mean(0)), ("scale",)),
    "bias gradient takes only the first row of g":
        ((None, lambda g, x, b: g[0]), ("overwritten", "upstream")),
    "keepdims=True left in the sum": ((None, lambda g, x, b: g.sum(0, keepdims=True)), ("shape",)),
    })

ex("subtract a column", lambda x, c: x - c, normal((7, 3), (7, 1)),
   (lambda g, x, c: g, lambda g, x, c: -g.sum(1, keepdims=True)),
   {"minus forgotten for the second argument":
        ((None, lambda g, x, c: g.sum(1, keepdims=True)), ("sign",)),
    "keepdims forgotten": ((None, lambda g, x, c: -g.sum(1)), ("shape",)),
    "everything summed and the total put in each place":
        ((None, lambda g, x, c: np.full(c.shape, -g.sum())), ("upstream",)),
    })

ex("multiply elementwise", lambda a, b: a * b, normal((3, 5), (3, 5)),
   (lambda g, a, b: g * b, lambda g, a, b: g * a),
   {"each argument multiplied by itself (a for b and b for a)":
        ((lambda g, a, b: g * a, lambda g, a, b: g * b), ("swapped", "factor")),
    "g forgotten for a": ((lambda g, a, b: b * np.ones_like(a), None), ("upstream",)),
    "product rule misread: g * (a + b) for both":
        ((lambda g, a, b: g * (a + b), lambda g, a, b: g * (a + b)), ("factor",)),
    "g times the output": ((None, lambda g, a, b: g * a * b), ("factor",)),
    })

ex("scale channels (broadcast in the middle)", lambda x, s: x * s, normal((3, 5, 2), (5, 1)),
   (lambda g, x, s: g * s, lambda g, x, s: (g * x).sum(axis=(0, 2))[:, None]),
   {"only the leading axis summed": ((None, lambda g, x, s: (g * x).sum(0)), ("shape",)),
    "x forgotten in the gradient of s":
        ((None, lambda g, x, s: g.sum(axis=(0, 2))[:, None]), ("factor",)),
    "sum over the batch but mean over the last axis":
        ((None, lambda g, x, s: (g * x).sum(0).mean(-1, keepdims=True)), ("scale",)),
    })


def draw_div(rng):
    return [rng.standard_normal((5, 3)), rng.uniform(0.6, 2.0, 3) * rng.choice([-1.0, 1.0], 3)]


ex("divide by a row", lambda a, b: a / b, draw_div,
   (lambda g, a, b: g / b, lambda g, a, b: (-g * a / b**2).sum(0)),
   {"minus forgotten for the denominator":
        ((None, lambda g, a, b: (g * a / b**2).sum(0)), ("sign",)),
    "divided by b once only": ((None, lambda g, a, b: (-g * a / b).sum(0)), ("factor",)),
    "product of sums for sum of products":
        ((None, lambda g, a, b: g.sum(0) * (-a / b**2).sum(0)), ("upstream",)),
    "multiplied by b instead of divided": ((lambda g, a, b: g * b, None), ("factor",)),
    })

# ---------------------------------------------------------------- elementwise functions


def cube_log(g, x):
    with np.errstate(invalid="ignore"):
        return g * 3 * np.exp(2 * np.log(x))


ex("cube", lambda x: x**3, normal((3, 5)), lambda g, x: 3 * g * x**2,
   {"exponent not lowered": (lambda g, x: 3 * g * x**3, ("factor",)),
    "the 3 forgotten": (lambda g, x: g * x**2, ("scale",)),
    "g put inside the power": (lambda g, x: 3 * (g * x) ** 2, ("upstream",)),
    "power by exp and log, on negative numbers": (cube_log, ("non-finite",)),
    })


def draw_square(rng):
    x = rng.standard_normal((3, 5))
    x[1, 2] = x[2, 4] = 0.0
    return [x]


def square_y_over_x(g, x):
    y = x**2
    with np.errstate(invalid="ignore"):
        return g * 2 * y / x


ex("square, with zeros among the inputs", lambda x: x**2, draw_square, lambda g, x: 2 * g * x,
   {"p * y / x, 0/0 at the zeros": (square_y_over_x, ("non-finite",)),
    "derivative of x*x taken as x": (lambda g, x: g * x, ("scale",)),
    })

ex("power with both arguments", lambda x, p: x**p,
   lambda rng: [rng.uniform(0.5, 2.0, (5, 3)), rng.uniform(1.2, 3.0, (5, 3))],
   (lambda g, x, p: g * p * x ** (p - 1), lambda g, x, p: g * x**p * np.log(x)),
   {"log of the exponent instead of the base":
        ((None, lambda g, x, p: g * x**p * np.log(p)), ("factor",)),
    "brackets forgotten, x**p - 1": ((lambda g, x, p: g * p * x**p - 1, None), ("factor", "upstream", "added")),
    "base and exponent exchanged": ((lambda g, x, p: g * x * p ** (x - 1), None), ("swapped", "factor")),
    "the two gradients exchanged":
        ((lambda g, x, p: g * x**p * np.log(x), lambda g, x, p: g * p * x ** (p - 1)), ("swapped",)),
    "exponent believed a constant": ((None, lambda g, x, p: np.zeros_like(p)), ("zero",)),
    })

ex("exp", np.exp, normal((7,)), lambda g, x: g * np.exp(x),
   {"power rule: x exp(x-1)": (lambda g, x: g * x * np.exp(x - 1), ("factor",)),
    "g forgotten": (lambda g, x: np.exp(x), ("upstream",)),
    "return forgotten": (lambda g, x: None, ("exception",)),
    })

ex("log", np.log, positive((5, 2)), lambda g, x: g / x,
   {"g * x": (lambda g, x: g * x, ("factor",)),
    "1e-5 added to the denominator for safety": (lambda g, x: g / (x + 1e-5), ("precision",)),
    "divided by the output log x": (lambda g, x: g / np.log(x), ("factor",)),
    })

ex("sqrt", np.sqrt, positive((11,)), lambda g, x: g / (2 * np.sqrt(x)),
   {"the 2 forgotten": (lambda g, x: g / np.sqrt(x), ("scale",)),
    "half precision": (lambda g, x: (g.astype(np.float16) / (2 * np.sqrt(x.astype(np.float16)))).astype(float),
                       ("precision",)),
    "multiplied by the root": (lambda g, x: g * 0.5 * np.sqrt(x), ("factor",)),
    })


def draw_sigmoid(rng):
    x = rng.standard_normal((5, 3))
    x[0, 1], x[3, 2] = 800.0, -800.0
    return [x]


def sigmoid_overflow(g, x):
    with np.errstate(over="ignore", invalid="ignore"):
        e = np.exp(-x)
        return g * e / (1 + e) ** 2


def sigmoid_in_place(g, x):
    x *= -1
    with np.errstate(over="ignore"):
        y = 1 / (1 + np.exp(x))
    return g * y * (1 - y)


ex("sigmoid, with saturated inputs", sig, draw_sigmoid, lambda g, x: g * sig(x) * (1 - sig(x)),
   {"overflow inf/inf": (sigmoid_overflow, ("non-finite",)),
    "y (y - 1)": (lambda g, x: g * sig(x) * (sig(x) - 1), ("sign",)),
    "x negated in place": (sigmoid_in_place, ("in place",)),
    })

ex("sigmoid", sig, normal((3, 7)), lambda g, x: g * sig(x) * (1 - sig(x)),
   {"y(1-y) written with the input x": (lambda g, x: g * x * (1 - x), ("factor",)),
    "sigmoid applied to y again": (lambda g, x: g * sig(sig(x)) * (1 - sig(sig(x))), ("factor", "swapped")),
    "rounded to 3 digits, as printed": (lambda g, x: np.round(g * sig(x) * (1 - sig(x)), 3), ("precision",)),
    "sum of g taken outside": (lambda g, x: g.sum() * sig(x) * (1 - sig(x)), ("upstream",)),
    })

ex("tanh", np.tanh, normal((5, 3)), lambda g, x: g * (1 - np.tanh(x) ** 2),
   {"1 - y": (lambda g, x: g * (1 - np.tanh(x)), ("factor",)),
    "1 - x**2": (lambda g, x: g * (1 - x**2), ("factor",)),
    "absolute value of g": (lambda g, x: np.abs(g) * (1 - np.tanh(x) ** 2), ("upstream",)),
    "y**2 - 1": (lambda g, x: g * (np.tanh(x) ** 2 - 1), ("sign",)),
    })


def relu_in_place(g, x):
    g[x <= 0] = 0
    return g


ex("relu", lambda x: np.maximum(x, 0), normal((5, 7)), lambda g, x: g * (x > 0),
   {"mask the wrong way round": (lambda g, x: g * (x < 0), ("region",)),
    "no mask": (lambda g, x: g, ("region",)),
    "mask from g instead of x": (lambda g, x: g * (g > 0), ("upstream", "region")),
    "g overwritten through the mask": (relu_in_place, ("in place",)),
    "g times the output": (lambda g, x: g * np.maximum(x, 0), ("factor",)),
    })

ex("leaky relu 0.2", lambda x: np.where(x > 0, x, 0.2 * x), normal((3, 11)),
   lambda g, x: np.where(x > 0, g, 0.2 * g),
   {"zero on the negative side": (lambda g, x: g * (x > 0), ("region",)),
    "slope 0.2 on both sides, then 1 added on the positive": (lambda g, x: g * (0.2 + (x > 0)), ("region",)),
    "mask from the sign of g": (lambda g, x: np.where(g > 0, g, 0.2 * g), ("upstream", "region")),
    })


def elu(x):
    return np.where(x > 0, x, np.expm1(np.minimum(x, 0)))


ex("elu", elu, normal((5, 7)), lambda g, x: g * np.where(x > 0, 1.0, np.exp(np.minimum(x, 0))),
   {"y instead of y + 1 on the negative side":
        (lambda g, x: g * np.where(x > 0, 1.0, np.expm1(np.minimum(x, 0))), ("region",)),
    "y + 1 on both sides": (lambda g, x: g * (elu(x) + 1), ("region",)),
    "forward difference with step 1e-3 instead of a formula":
        (lambda g, x: g * (elu(x + 1e-3) - elu(x)) / 1e-3, ("precision",)),
    })

ex("softplus", softplus, normal((7, 2)), lambda g, x: g * sig(x),
   {"sigmoid of -x": (lambda g, x: g * sig(-x), ("factor",)),
    "denominator forgotten: exp(x)": (lambda g, x: g * np.exp(x), ("factor",)),
    "relu's mask instead of the sigmoid": (lambda g, x: g * (x > 0), ("factor", "region")),
    })

ex("swish x*sigmoid(x)", lambda x: x * sig(x), normal((5, 5)),
   lambda g, x: g * (sig(x) + x * sig(x) * (1 - sig(x))),
   {"only the first term of the product rule": (lambda g, x: g * sig(x), ("factor", "overwritten")),
    "x forgotten in the second term": (lambda g, x: g * (sig(x) + sig(x) * (1 - sig(x))), ("factor",)),
    "product of the derivatives": (lambda g, x: g * sig(x) * (1 - sig(x)), ("factor",)),
    })

ex("abs", np.abs, normal((13,)), lambda g, x: g * np.sign(x),
   {"1 everywhere": (lambda g, x: g, ("region",)),
    "x instead of its sign": (lambda g, x: g * x, ("factor",)),
    "sign of g": (lambda g, x: np.abs(g), ("upstream",)),
    })

ex("clip to [-0.7, 0.7]", lambda x: np.clip(x, -0.7, 0.7), normal((5, 7)),
   lambda g, x: g * (np.abs(x) < 0.7),
   {"only the upper limit masked": (lambda g, x: g * (x < 0.7), ("region",)),
    "g clipped instead of masked": (lambda g, x: np.clip(g, -0.7, 0.7), ("upstream",)),
    "mask exchanged: passes outside": (lambda g, x: g * (np.abs(x) > 0.7), ("region",)),
    "contradictory mask (x > 0.7) & (x < -0.7)": (lambda g, x: g * ((x > 0.7) & (x < -0.7)), ("zero",)),
    })


def maximum_in_place(g, a, b):
    out = a
    out[:] = g * (a > b)
    return out


ex("maximum of two arrays", np.maximum, normal((3, 7), (3, 7)),
   (lambda g, a, b: g * (a > b), lambda g, a, b: g * (b > a)),
   {"masks exchanged": ((lambda g, a, b: g * (a < b), lambda g, a, b: g * (b < a)), ("swapped", "region")),
    "both get all of g": ((lambda g, a, b: g, lambda g, a, b: g), ("region",)),
    "relu's mask a > 0": ((lambda g, a, b: g * (a > 0), None), ("region",)),
    "out = a without copy": ((maximum_in_place, None), ("in place",)),
    "multiplied by the argument as well": ((None, lambda g, a, b: g * b * (b > a)), ("factor",)),
    })

ex("PReLU with learned slope", lambda x, a: np.where(x > 0, x, a * x), normal((5, 7), (1,)),
   (lambda g, x, a: np.where(x > 0, g, a * g), lambda g, x, a: np.array([(g * x)[x <= 0].sum()])),
   {"sum over the positive inputs": ((None, lambda g, x, a: np.array([(g * x)[x > 0].sum()])), ("region",)),
    "slope gradient not summed": ((None, lambda g, x, a: g * x * (x <= 0)), ("shape",)),
    "mean of g*x on the negative side":
        ((None, lambda g, x, a: np.array([(g * x * (x <= 0)).mean()])), ("scale",)),
    "slope believed a constant": ((None, lambda g, x, a: np.zeros(1)), ("zero",)),
    })

_KEEP = np.random.default_rng(5).random((5, 7)) < 0.6
ex("dropout with a fixed mask", lambda x: x * _KEEP / 0.6, normal((5, 7)), lambda g, x: g * _KEEP / 0.6,
   {"1/keep forgotten": (lambda g, x: g * _KEEP, ("scale",)),
    "a fresh mask drawn backward":
        (lambda g, x: g * (np.random.default_rng(6).random(x.shape) < 0.6) / 0.6, ("factor", "misplaced")),
    "no mask": (lambda g, x: g / 0.6, ("factor", "region")),
    })

# ---------------------------------------------------------------- losses

ex("BCE with logits, mean", lambda x, t: np.mean(softplus(x) - t * x),
   lambda rng: [rng.standard_normal((5, 3)), rng.uniform(0, 1, (5, 3))],
   (lambda g, x, t: g * (sig(x) - t) / x.size, lambda g, x, t: -g * x / x.size),
   {"mean's 1/N forgotten": ((lambda g, x, t: g * (sig(x) - t), None), ("scale",)),
    "divided by the number of rows only": ((lambda g, x, t: g * (sig(x) - t) / len(x), None), ("scale",)),
    "t - sigmoid": ((lambda g, x, t: g * (t - sig(x)) / x.size, None), ("sign",)),
    "g taken for 1": ((lambda g, x, t: (sig(x) - t) / x.size, None), ("upstream",)),
    "sigmoid forgotten: x - t": ((lambda g, x, t: g * (x - t) / x.size, None), ("factor",)),
    "integer division 1//N": ((lambda g, x, t: g * (sig(x) - t) * (1 // x.size), None), ("zero",)),
    "nothing returned for the targets": ((None, lambda g, x, t: None), ("exception",)),
    })

ex("mean squared error", lambda p, t: np.mean((p - t) ** 2), normal((7, 2), (7, 2)),
   (lambda g, p, t: 2 * g * (p - t) / p.size, lambda g, p, t: -2 * g * (p - t) / p.size),
   {"same sign for both": ((None, lambda g, p, t: 2 * g * (p - t) / p.size), ("sign", "swapped")),
    "gradient of the mean absolute error": ((lambda g, p, t: g * np.sign(p - t) / p.size, None), ("factor",)),
    "square kept": ((lambda g, p, t: 2 * g * (p - t) ** 2 / p.size, None), ("factor",)),
    })


def softmax_in_place(g, x):
    x -= x.max(axis=-1, keepdims=True)
    y = np.exp(x)
    y /= y.sum(-1, keepdims=True)
    return y * (g - (g * y).sum(-1, keepdims=True))


ex("softmax over the last axis", softmax, normal((5, 3)),
   lambda g, x: softmax(x) * (g - (g * softmax(x)).sum(-1, keepdims=True)),
   {"diagonal of the Jacobian only, y(1-y)": (lambda g, x: g * softmax(x) * (1 - softmax(x)), ("mean term", "factor")),
    "sum over the wrong axis": (lambda g, x: softmax(x) * (g - (g * softmax(x)).sum(0)), ("mean term",)),
    "outer factor y forgotten": (lambda g, x: g - (g * softmax(x)).sum(-1, keepdims=True), ("factor",)),
    "like exp: g*y": (lambda g, x: g * softmax(x), ("mean term",)),
    "maximum subtracted in place": (softmax_in_place, ("in place",)),
    })


def softmax_overflow(g, x):
    with np.errstate(over="ignore", invalid="ignore"):
        e = np.exp(x)
        y = e / e.sum(-1, keepdims=True)
    return y * (g - (g * y).sum(-1, keepdims=True))


ex("softmax of large logits", softmax, lambda rng: [rng.standard_normal((3, 5)) + 800.0],
   lambda g, x: softmax(x) * (g - (g * softmax(x)).sum(-1, keepdims=True)),
   {"maximum not subtracted": (softmax_overflow, ("non-finite",)),
    "plain mean of g instead of the one weighted by y":
        (lambda g, x: softmax(x) * (g - g.mean(-1, keepdims=True)), ("mean term",)),
    })

ex("log-softmax", lambda x: np.log(softmax(x)), normal((3, 7)),
   lambda g, x: g - softmax(x) * g.sum(-1, keepdims=True),
   {"sum of g forgotten: g - p*g": (lambda g, x: g - softmax(x) * g, ("mean term", "factor")),
    "second term forgotten": (lambda g, x: g, ("mean term",)),
    "the two terms exchanged": (lambda g, x: softmax(x) * g.sum(-1, keepdims=True) - g, ("sign",)),
    "softmax's own vjp": (lambda g, x: softmax(x) * (g - (g * softmax(x)).sum(-1, keepdims=True)),
                          ("factor", "mean term")),
    })

_LABELS = np.array([2, 0, 4, 1, 2, 3, 0])


def cross_entropy(x):
    return -np.mean(np.log(softmax(x))[np.arange(7), _LABELS])


def ce_right(g, x):
    p = softmax(x)
    p[np.arange(7), _LABELS] -= 1
    return g * p / 7


def ce_columns(g, x):
    p = softmax(x)
    p[:, _LABELS] -= 1
    return g * p / 7


def ce_one_based(g, x):
    p = softmax(x)
    p[np.arange(7), _LABELS - 1] -= 1
    return g * p / 7


def ce_smoothed(g, x):
    t = np.full(x.shape, 0.1 / 5)
    t[np.arange(7), _LABELS] += 0.9
    return g * (softmax(x) - t) / 7


def ce_typo(g, x):
    p = softmax(x)
    p[np.arange(7), _LABELS] -= 1
    return g * p / labels.shape[0]  # noqa: F821  (the student's NameError)


ex("cross entropy with labels", cross_entropy, normal((7, 5)), ce_right,
   {"1 subtracted in p[:, labels], all rows": (ce_columns, ("misplaced",)),
    "labels counted from 1": (ce_one_based, ("shifted", "misplaced")),
    "labels smoothed backward only": (ce_smoothed, ()),
    "one-hot forgotten": (lambda g, x: g * softmax(x) / 7, ()),
    "divided by the number of classes": (lambda g, x: ce_right(g, x) * 7 / 5, ("scale",)),
    "one-hot - p": (lambda g, x: -ce_right(g, x), ("sign",)),
    "a name that does not exist": (ce_typo, ("exception",)),
    })

ex("logsumexp over rows", lambda x: np.log(np.exp(x).sum(-1)), normal((5, 3)),
   lambda g, x: g[:, None] * softmax(x),
   {"normalised over the wrong axis": (lambda g, x: g[:, None] * softmax(x, 0), ("factor",)),
    "not normalised": (lambda g, x: g[:, None] * np.exp(x), ("factor",)),
    "g not expanded, shapes do not broadcast": (lambda g, x: g * softmax(x), ("exception",)),
    })

ex("generator, saturating: -mean softplus(a)", lambda a: -np.mean(softplus(a)), normal((11, 1)),
   lambda g, a: -g * sig(a) / a.size,
   {"minus lost": (lambda g, a: g * sig(a) / a.size, ("sign",)),
    "sigmoid(-a)": (lambda g, a: -g * sig(-a) / a.size, ("factor",)),
    "mean's 1/N twice": (lambda g, a: -g * sig(a) / a.size**2, ("scale",)),
    "N scores squeezed to one axis": (lambda g, a: -g * sig(a)[:, 0] / a.size, ("shape",)),
    })

ex("generator, non-saturating: mean softplus(-a)", lambda a: np.mean(softplus(-a)), normal((13,)),
   lambda g, a: -g * sig(-a) / a.size,
   {"inner derivative -1 forgotten": (lambda g, a: g * sig(-a) / a.size, ("sign",)),
    "saturating loss's gradient": (lambda g, a: -g * sig(a) / a.size, ("factor",)),
    "g ignored, as the loss is the end": (lambda g, a: -sig(-a) / a.size, ("upstream",)),
    "gradient of the mean score": (lambda g, a: np.full(a.shape, -g / a.size), ("factor",)),
    })

ex("least squares GAN: half mean (a-1)^2", lambda a: 0.5 * np.mean((a - 1) ** 2), normal((7, 1)),
   lambda g, a: g * (a - 1) / a.size,
   {"the half forgotten": (lambda g, a: 2 * g * (a - 1) / a.size, ("scale",)),
    "target 0 instead of 1": (lambda g, a: g * a / a.size, ("mean term", "factor")),
    "absolute difference": (lambda g, a: g * np.abs(a - 1) / a.size, ("region", "factor")),
    })


def hinge(a, b):
    return np.mean(np.maximum(0, 1 - a)) + np.mean(np.maximum(0, 1 + b))


ex("hinge loss of the discriminator", hinge, normal((17,), (17,)),
   (lambda g, a, b: -g * (a < 1) / a.size, lambda g, a, b: g * (b > -1) / b.size),
   {"mask a > 1": ((lambda g, a, b: -g * (a > 1) / a.size, None), ("region",)),
    "mask at 0 instead of the margin": ((None, lambda g, a, b: g * (b > 0) / b.size), ("region",)),
    "real and fake exchanged":
        ((lambda g, a, b: g * (b > -1) / b.size, lambda g, a, b: -g * (a < 1) / a.size), ("swapped",)),
    "mask as large as the hinge value":
        ((lambda g, a, b: -g * np.maximum(0, 1 - a) / a.size, None), ("factor",)),
    "minus on both": ((None, lambda g, a, b: -g * (b > -1) / b.size), ("sign",)),
    })


def norms(x):
    return np.sqrt((x**2).sum(-1, keepdims=True))


ex("gradient penalty mean((|x|-1)^2)", lambda x: np.mean((norms(x) - 1) ** 2), normal((5, 3)),
   lambda g, x: g * 2 * (norms(x) - 1) / norms(x) * x / len(x),
   {"not divided by the norm": (lambda g, x: g * 2 * (norms(x) - 1) * x / len(x), ("factor",)),
    "the -1 forgotten": (lambda g, x: g * 2 * x / len(x), ("factor", "mean term")),
    "one norm over the whole batch": (lambda g, x: g * 2 * (np.linalg.norm(x) - 1) / np.linalg.norm(x) * x / len(x),
                                      ("factor",)),
    "divided by all elements": (lambda g, x: g * 2 * (norms(x) - 1) / norms(x) * x / x.size, ("scale",)),
    "norm never differentiated: 2(|x|-1)/N in all columns":
        (lambda g, x: np.broadcast_to(g * 2 * (norms(x) - 1) / len(x), x.shape), ("factor",)),
    })

# ---------------------------------------------------------------- reductions

ex("mean over a middle axis", lambda x: x.mean(1), normal((5, 3, 2)),
   lambda g, x: np.repeat(g[:, None, :], 3, axis=1) / 3,
   {"not divided by n": (lambda g, x: np.repeat(g[:, None, :], 3, axis=1), ("scale",)),
    "divided by the size of x": (lambda g, x: np.repeat(g[:, None, :], 3, axis=1) / x.size, ("scale",)),
    "axis not put back": (lambda g, x: g / 3, ("shape",)),
    "only the first place gets the gradient":
        (lambda g, x: np.stack([g / 3, 0 * g, 0 * g], axis=1), ("border",)),
    })

ex("mean over columns of a square matrix", lambda x: x.mean(axis=1), normal((4, 4)),
   lambda g, x: np.broadcast_to(g[:, None], x.shape) / 4,
   {"g spread along the wrong axis": (lambda g, x: np.broadcast_to(g, x.shape) / 4, ("transposed",)),
    "mean of g for all": (lambda g, x: np.full(x.shape, g.mean() / 4), ("upstream",)),
    })

ex("sum over rows", lambda x: x.sum(0), normal((5, 3)), lambda g, x: np.broadcast_to(g, x.shape),
   {"ones, g ignored": (lambda g, x: np.ones_like(x), ("upstream",)),
    "g times x": (lambda g, x: g * x, ("factor",)),
    "nothing but zeros as a placeholder": (lambda g, x: np.zeros_like(x), ("zero",)),
    })


def var_in_place(g, x):
    x -= x.mean(1, keepdims=True)
    return 2 * x / x.shape[1] * g[:, None]


ex("variance along rows", lambda x: x.var(axis=1), normal((3, 7)),
   lambda g, x: 2 * g[:, None] * (x - x.mean(1, keepdims=True)) / 7,
   {"mean not subtracted": (lambda g, x: 2 * g[:, None] * x / 7, ("mean term",)),
    "n - 1 for n": (lambda g, x: 2 * g[:, None] * (x - x.mean(1, keepdims=True)) / 6, ("scale",)),
    "mean over the wrong axis": (lambda g, x: 2 * g[:, None] * (x - x.mean(0)) / 7, ("mean term",)),
    "x centred in place": (var_in_place, ("in place",)),
    "mean - x": (lambda g, x: 2 * g[:, None] * (x.mean(1, keepdims=True) - x) / 7, ("sign",)),
    })

ex("standard deviation over the batch", lambda x: x.std(axis=0), normal((7, 3)),
   lambda g, x: g * (x - x.mean(0)) / (7 * x.std(0)),
   {"not divided by the deviation": (lambda g, x: g * (x - x.mean(0)) / 7, ("factor",)),
    "1e-4 in the root backward only":
        (lambda g, x: g * (x - x.mean(0)) / (7 * np.sqrt(x.var(0) + 1e-4)), ("precision",)),
    "half of the root's derivative not cancelled with the 2":
        (lambda g, x: 0.5 * g * (x - x.mean(0)) / (7 * x.std(0)), ("scale",)),
    })


def rownorm(x):
    return np.sqrt((x**2).sum(-1))


ex("L2 norm of rows", rownorm, normal((4, 4)), lambda g, x: (g / rownorm(x))[:, None] * x,
   {"2x": (lambda g, x: 2 * g[:, None] * x, ("factor",)),
    "broadcast along the wrong axis": (lambda g, x: (g / rownorm(x)) * x, ("transposed", "factor")),
    "sign as for the L1 norm": (lambda g, x: g[:, None] * np.sign(x), ("factor",)),
    "1e-4 under the root": (lambda g, x: (g / np.sqrt(rownorm(x) ** 2 + 1e-4))[:, None] * x, ("precision",)),
    })


def draw_prod(rng):
    x = rng.uniform(0.5, 1.8, (3, 5)) * rng.choice([-1.0, 1.0], (3, 5))
    x[1, 2] = 0.0
    return [x]


def prod_right(g, x):
    dx = np.empty_like(x)
    for j in range(x.shape[1]):
        dx[:, j] = g * np.delete(x, j, axis=1).prod(1)
    return dx


def prod_divide(g, x):
    with np.errstate(invalid="ignore", divide="ignore"):
        return (g * x.prod(1))[:, None] / x


def prod_skip_wrong(g, x):
    dx = np.empty_like(x)
    for j in range(x.shape[1]):
        dx[:, j] = g * np.delete(x, j - 1, axis=1).prod(1)
    return dx


ex("product along rows, one zero", lambda x: x.prod(axis=1), draw_prod, prod_right,
   {"product divided by x": (prod_divide, ("non-finite",)),
    "left out element is the neighbour": (prod_skip_wrong, ("shifted",)),
    "product of all, x not left out": (lambda g, x: np.repeat((g * x.prod(1))[:, None], 5, 1), ("factor",)),
    })

# ---------------------------------------------------------------- linear algebra


def dense_last_sample(g, x, W, b):
    for n in range(len(x)):
        dW = np.outer(x[n], g[n])
    return dW


def dense_generator(g, x, W, b):
    return (g[:, j].sum() for j in range(len(b)))


ex("dense layer", lambda x, W, b: x @ W + b, normal((5, 3), (3, 2), (2,)),
   (lambda g, x, W, b: g @ W.T, lambda g, x, W, b: x.T @ g, lambda g, x, W, b: g.sum(0)),
   {"g.T @ x for the weights": ((None, lambda g, x, W, b: g.T @ x, None), ("shape", "transposed")),
    "loop over samples with = for +=": ((None, dense_last_sample, None), ("overwritten",)),
    "weights' gradient averaged over the batch": ((None, lambda g, x, W, b: x.T @ g / len(x), None), ("scale",)),
    "weight decay mixed in": ((None, lambda g, x, W, b: x.T @ g + 0.01 * W, None), ("added",)),
    "g @ W without transposition": ((lambda g, x, W, b: g @ W, None, None), ("exception",)),
    "bias: a generator in round brackets, not an array": ((None, None, dense_generator), ("exception",)),
    "bias has no input, so no gradient": ((None, None, lambda g, x, W, b: np.zeros_like(b)), ("zero",)),
    })

ex("matmul of square matrices", lambda A, B: A @ B, normal((4, 4), (4, 4)),
   (lambda g, A, B: g @ B.T, lambda g, A, B: A.T @ g),
   {"B not transposed": ((lambda g, A, B: g @ B, None), ("transposed",)),
    "A not transposed": ((None, lambda g, A, B: A @ g), ("transposed",)),
    "order exchanged: B.T @ g": ((lambda g, A, B: B.T @ g, None), ("transposed",)),
    "returned in the wrong order": ((lambda g, A, B: A.T @ g, lambda g, A, B: g @ B.T), ("swapped",)),
    "own value for the other's: g @ A.T": ((lambda g, A, B: g @ A.T, None), ("swapped", "factor")),
    "elementwise product instead of @": ((lambda g, A, B: g * B.T, None), ()),
    "g taken for ones": ((None, lambda g, A, B: A.T @ np.ones_like(g)), ("upstream",)),
    })


def bmm_loop_wrong(g, A, B):
    dB = np.zeros_like(B)
    for n in range(len(A)):
        dB = A[n].T @ g[n]
    return dB


ex("batched matmul, B shared by the batch", lambda A, B: A @ B, normal((3, 2, 5), (5, 7)),
   (lambda g, A, B: g @ B.T, lambda g, A, B: np.einsum("nij,nik->jk", A, g)),
   {"batch axis not summed": ((None, lambda g, A, B: A.swapaxes(1, 2) @ g), ("shape",)),
    "A.T reverses all three axes": ((None, lambda g, A, B: A.T @ g), ("exception",)),
    "loop over the batch with =": ((None, bmm_loop_wrong), ("overwritten",)),
    "mean over the batch": ((None, lambda g, A, B: np.mean(A.swapaxes(1, 2) @ g, axis=0)), ("scale",)),
    })

ex("batched matmul, all axes equal", lambda A, B: A @ B, normal((3, 3, 3), (3, 3, 3)),
   (lambda g, A, B: g @ B.swapaxes(1, 2), lambda g, A, B: A.swapaxes(1, 2) @ g),
   {"B.T instead of swapping the last two": ((lambda g, A, B: g @ B.T, None), ("transposed",)),
    "result left transposed": ((None, lambda g, A, B: g.swapaxes(1, 2) @ A), ("transposed",)),
    "summed over the batch as if B were shared, then given to each":
        ((None, lambda g, A, B: np.repeat((A.swapaxes(1, 2) @ g).sum(0)[None], 3, 0)), ()),
    })

ex("outer product", np.outer, normal((5,), (5,)),
   (lambda g, u, v: g @ v, lambda g, u, v: u @ g),
   {"g.T @ v": ((lambda g, u, v: g.T @ v, None), ("transposed",)),
    "own value used: g @ u": ((lambda g, u, v: g @ u, None), ("swapped", "factor")),
    "row sums of g only": ((lambda g, u, v: g.sum(1), None), ("factor",)),
    "product of two sums": ((None, lambda g, u, v: g.sum(0) * u.sum()), ("upstream",)),
    "only the diagonal of g": ((None, lambda g, u, v: np.diag(g) * u), ("upstream",)),
    })

ex("bilinear form x W y", lambda x, W, y: x @ W @ y, normal((4,), (4, 4), (4,)),
   (lambda g, x, W, y: g * W @ y, lambda g, x, W, y: g * np.outer(x, y), lambda g, x, W, y: g * x @ W),
   {"W.T @ y": ((lambda g, x, W, y: g * W.T @ y, None, None), ("transposed",)),
    "outer(y, x)": ((None, lambda g, x, W, y: g * np.outer(y, x), None), ("transposed",)),
    "x[:, None] + y, outer sum": ((None, lambda g, x, W, y: g * (x[:, None] + y), None), ()),
    "x's gradient with x itself": ((lambda g, x, W, y: g * W @ x, None, None), ("swapped", "factor")),
    "y left out of x's gradient": ((lambda g, x, W, y: g * W.sum(1), None, None), ("factor",)),
    "y gets x's gradient": ((None, None, lambda g, x, W, y: g * W @ y), ("swapped",)),
    })

ex("quadratic form x A x", lambda x, A: x @ A @ x, normal((5,), (5, 5)),
   (lambda g, x, A: g * (A + A.T) @ x, lambda g, x, A: g * np.outer(x, x)),
   {"2 A x, as if A were symmetric": ((lambda g, x, A: g * 2 * A @ x, None), ("transposed",)),
    "only one of x's two places": ((lambda g, x, A: g * A @ x, None), ("overwritten",)),
    "g squared": ((None, lambda g, x, A: g**2 * np.outer(x, x)), ("upstream",)),
    "2 x x^T": ((None, lambda g, x, A: 2 * g * np.outer(x, x)), ("scale",)),
    })


def cosine(a, b):
    return (a * b).sum(-1) / (rownorm(a) * rownorm(b))


def cos_a(g, a, b):
    na, nb, y = rownorm(a), rownorm(b), cosine(a, b)
    return g[:, None] * (b / (na * nb)[:, None] - (y / na**2)[:, None] * a)


def cos_no_projection(g, a, b):
    na, nb = rownorm(a), rownorm(b)
    return g[:, None] * b / (na * nb)[:, None]


def cos_norm_not_squared(g, a, b):
    na, nb, y = rownorm(a), rownorm(b), cosine(a, b)
    return g[:, None] * (b / (na * nb)[:, None] - (y / na)[:, None] * a)


ex("cosine similarity of rows", cosine, normal((5, 3), (5, 3)),
   (cos_a, lambda g, a, b: cos_a(g, b, a)),
   {"norm of a held constant": ((cos_no_projection, None), ("mean term",)),
    "norm not squared in the second term": ((cos_norm_not_squared, None), ("mean term", "factor")),
    "a and b exchanged": ((lambda g, a, b: cos_a(g, b, a), cos_a), ("swapped",)),
    "only the first row's g used": ((None, lambda g, a, b: cos_a(np.full(5, g[0]), b, a)), ("upstream",)),
    })

ex("rows scaled to unit length", lambda x: x / rownorm(x)[:, None], normal((3, 7)),
   lambda g, x: (g - x * ((g * x).sum(-1) / rownorm(x) ** 2)[:, None]) / rownorm(x)[:, None],
   {"norm held constant": (lambda g, x: g / rownorm(x)[:, None], ("mean term",)),
    "projection of the whole batch instead of each row":
        (lambda g, x: (g - x * (g * x).sum() / (x**2).sum()) / rownorm(x)[:, None], ("mean term",)),
    "not divided by the norm":
        (lambda g, x: g - x * ((g * x).sum(-1) / rownorm(x) ** 2)[:, None], ("factor",)),
    })


def block(x, W):
    return x + np.tanh(x @ W)


def block_inner(g, x, W):
    return g * (1 - np.tanh(x @ W) ** 2)


ex("residual block x + tanh(x W)", block, normal((5, 3), (3, 3)),
   (lambda g, x, W: g + block_inner(g, x, W) @ W.T, lambda g, x, W: x.T @ block_inner(g, x, W)),
   {"skip connection forgotten": ((lambda g, x, W: block_inner(g, x, W) @ W.T, None), ("overwritten",)),
    "skip connection counted twice": ((lambda g, x, W: 2 * g + block_inner(g, x, W) @ W.T, None), ("added",)),
    "W's gradient without tanh'": ((None, lambda g, x, W: x.T @ g), ("factor",)),
    "W not transposed": ((lambda g, x, W: g + block_inner(g, x, W) @ W, None), ("transposed",)),
    })


def attn_scores(q, k):
    return q @ k.T / np.sqrt(q.shape[1])


ex("attention scores", attn_scores, normal((5, 3), (5, 3)),
   (lambda g, q, k: g @ k / np.sqrt(3), lambda g, q, k: g.T @ q / np.sqrt(3)),
   {"1/sqrt(d) forgotten": ((lambda g, q, k: g @ k, lambda g, q, k: g.T @ q), ("scale",)),
    "g not transposed for the keys": ((None, lambda g, q, k: g @ q / np.sqrt(3)), ("transposed",)),
    "queries used for queries": ((lambda g, q, k: g @ q / np.sqrt(3), None), ("swapped", "factor")),
    })

# ---------------------------------------------------------------- convolution and pooling


def pad1(x):
    return np.pad(x, ((0, 0), (0, 0), (1, 1), (1, 1)))


def conv(x, W, b, s):
    xp = pad1(x)
    N, _, H, V = xp.shape
    K = len(W)
    Ho, Wo = (H - 3) // s + 1, (V - 3) // s + 1
    y = np.zeros((N, K, Ho, Wo))
    for n in range(N):
        for k in range(K):
            for i in range(Ho):
                for j in range(Wo):
                    y[n, k, i, j] = (xp[n, :, s * i:s * i + 3, s * j:s * j + 3] * W[k]).sum() + b[k]
    return y


def conv_dxp(g, x, W, s):
    dxp = np.zeros_like(pad1(x))
    for n in range(g.shape[0]):
        for k in range(g.shape[1]):
            for i in range(g.shape[2]):
                for j in range(g.shape[3]):
                    dxp[n, :, s * i:s * i + 3, s * j:s * j + 3] += g[n, k, i, j] * W[k]
    return dxp


def conv_dW(g, x, W, s):
    xp = pad1(x)
    dW = np.zeros_like(W)
    for n in range(g.shape[0]):
        for k in range(g.shape[1]):
            for i in range(g.shape[2]):
                for j in range(g.shape[3]):
                    dW[k] += g[n, k, i, j] * xp[n, :, s * i:s * i + 3, s * j:s * j + 3]
    return dW


def c1_dx_assign(g, x, W, b):
    dxp = np.zeros_like(pad1(x))
    for n in range(g.shape[0]):
        for k in range(g.shape[1]):
            for i in range(g.shape[2]):
                for j in range(g.shape[3]):
                    dxp[n, :, i:i + 3, j:j + 3] = g[n, k, i, j] * W[k]
    return dxp[:, :, 1:-1, 1:-1]


def c1_dx_crop_at_zero(g, x, W, b):
    return conv_dxp(g, x, W, 1)[:, :, :x.shape[2], :x.shape[3]]


def c1_dx_flipped(g, x, W, b):
    return conv_dxp(g, x, W[:, :, ::-1, ::-1], 1)[:, :, 1:-1, 1:-1]


def c1_dx_kernel_transposed(g, x, W, b):
    dxp = np.zeros_like(pad1(x))
    for n in range(g.shape[0]):
        for k in range(g.shape[1]):
            for i in range(g.shape[2]):
                for j in range(g.shape[3]):
                    for u in range(3):
                        for v in range(3):
                            dxp[n, :, i + u, j + v] += g[n, k, i, j] * W[k, :, v, u]
    return dxp[:, :, 1:-1, 1:-1]


def c1_dx_short_range(g, x, W, b):
    dxp = np.zeros_like(pad1(x))
    for n in range(g.shape[0]):
        for k in range(g.shape[1]):
            for i in range(g.shape[2] - 1):
                for j in range(g.shape[3]):
                    dxp[n, :, i:i + 3, j:j + 3] += g[n, k, i, j] * W[k]
    return dxp[:, :, 1:-1, 1:-1]


def c1_dx_first_channel(g, x, W, b):
    dxp = np.zeros_like(pad1(x))
    for n in range(g.shape[0]):
        for i in range(g.shape[2]):
            for j in range(g.shape[3]):
                dxp[n, :, i:i + 3, j:j + 3] += g[n, 0, i, j] * W[0]
    return dxp[:, :, 1:-1, 1:-1]


def c1_dW_last_image(g, x, W, b):
    for n in range(g.shape[0]):
        dW = conv_dW(g[n:n + 1], x[n:n + 1], W, 1)
    return dW


def c1_dW_unpadded(g, x, W, b):
    dW = np.zeros_like(W)
    H, V = x.shape[2:]
    for n in range(g.shape[0]):
        for k in range(g.shape[1]):
            for i in range(g.shape[2]):
                for j in range(g.shape[3]):
                    for u in range(3):
                        for v in range(3):
                            if i + u < H and j + v < V:
                                dW[k, :, u, v] += g[n, k, i, j] * x[n, :, i + u, j + v]
    return dW


def c1_dW_edge(g, x, W, b):
    xp = np.pad(x, ((0, 0), (0, 0), (1, 1), (1, 1)), mode="edge")
    dW = np.zeros_like(W)
    for n in range(g.shape[0]):
        for k in range(g.shape[1]):
            for i in range(g.shape[2]):
                for j in range(g.shape[3]):
                    dW[k] += g[n, k, i, j] * xp[n, :, i:i + 3, j:j + 3]
    return dW


def c1_dW_inner_only(g, x, W, b):
    """Loops start at 1 and end one early, so that x needs no padding."""
    dW = np.zeros_like(W)
    for n in range(g.shape[0]):
        for k in range(g.shape[1]):
            for i in range(1, g.shape[2] - 1):
                for j in range(1, g.shape[3] - 1):
                    dW[k] += g[n, k, i, j] * x[n, :, i - 1:i + 2, j - 1:j + 2]
    return dW


ex("conv2d 3x3, stride 1, padding 1", lambda x, W, b: conv(x, W, b, 1),
   normal((2, 2, 5, 4), (3, 2, 3, 3), (3,)),
   (lambda g, x, W, b: conv_dxp(g, x, W, 1)[:, :, 1:-1, 1:-1],
    lambda g, x, W, b: conv_dW(g, x, W, 1),
    lambda g, x, W, b: g.sum((0, 2, 3))),
   {"input: = for += in the scatter": ((c1_dx_assign, None, None), ("overwritten",)),
    "input: padding not cropped": ((lambda g, x, W, b: conv_dxp(g, x, W, 1), None, None), ("shape",)),
    "input: cropped from index 0": ((c1_dx_crop_at_zero, None, None), ("shifted",)),
    "input: kernel flipped": ((c1_dx_flipped, None, None), ("flipped",)),
    "input: u and v exchanged in W": ((c1_dx_kernel_transposed, None, None), ("transposed",)),
    "input: last output row left out": ((c1_dx_short_range, None, None), ("border", "upstream")),
    "input: only output channel 0": ((c1_dx_first_channel, None, None), ("overwritten", "upstream")),
    "weights: only the last image of the batch": ((None, c1_dW_last_image, None), ("overwritten",)),
    "weights: padding offset forgotten": ((None, c1_dW_unpadded, None), ("shifted",)),
    "weights: x padded with its edge values backward": ((None, c1_dW_edge, None), ("border",)),
    "weights: outputs at the border skipped": ((None, c1_dW_inner_only, None), ("upstream", "border")),
    "weights: flipped as in the mathematician's convolution":
        ((None, lambda g, x, W, b: conv_dW(g, x, W, 1)[:, :, ::-1, ::-1], None), ("flipped",)),
    "bias: mean over the pixels": ((None, None, lambda g, x, W, b: g.mean((2, 3)).sum(0)), ("scale",)),
    "bias: not summed over the last axis": ((None, None, lambda g, x, W, b: g.sum((0, 2))), ("shape",)),
    })


def c2_dx_no_stride(g, x, W):
    dxp = np.zeros_like(pad1(x))
    for n in range(g.shape[0]):
        for k in range(g.shape[1]):
            for i in range(g.shape[2]):
                for j in range(g.shape[3]):
                    dxp[n, :, i:i + 3, j:j + 3] += g[n, k, i, j] * W[k]
    return dxp[:, :, 1:-1, 1:-1]


def c2_dW_no_stride(g, x, W):
    xp = pad1(x)
    dW = np.zeros_like(W)
    for n in range(g.shape[0]):
        for k in range(g.shape[1]):
            for i in range(g.shape[2]):
                for j in range(g.shape[3]):
                    dW[k] += g[n, k, i, j] * xp[n, :, i:i + 3, j:j + 3]
    return dW


def c2_dx_channels_exchanged(g, x, W):
    return conv_dxp(g, x, W.transpose(1, 0, 2, 3), 2)[:, :, 1:-1, 1:-1]


def c2_dx_overlap(g, x, W):
    dxp = np.zeros_like(pad1(x))
    for i in range(g.shape[2]):
        for j in range(g.shape[3]):
            dxp[:, :, 2 * i:2 * i + 3, 2 * j:2 * j + 3] = np.einsum("nk,kcuv->ncuv", g[:, :, i, j], W)
    return dxp[:, :, 1:-1, 1:-1]


def c2_dx_index_error(g, x, W):
    dx = np.zeros_like(x)
    for n in range(g.shape[0]):
        for k in range(g.shape[1]):
            for i in range(g.shape[2]):
                for j in range(g.shape[3]):
                    for u in range(3):
                        for v in range(3):
                            dx[n, :, 2 * i + u, 2 * j + v] += g[n, k, i, j] * W[k, :, u, v]
    return dx


ex("conv2d 3x3, stride 2, padding 1, no bias", lambda x, W: conv(x, W, np.zeros(2), 2),
   normal((2, 2, 5, 7), (2, 2, 3, 3)),
   (lambda g, x, W: conv_dxp(g, x, W, 2)[:, :, 1:-1, 1:-1], lambda g, x, W: conv_dW(g, x, W, 2)),
   {"input: stride forgotten": ((c2_dx_no_stride, None), ("misplaced", "shifted")),
    "weights: stride forgotten": ((None, c2_dW_no_stride), ("misplaced", "shifted")),
    "input: overlapping patches overwrite": ((c2_dx_overlap, None), ("overwritten",)),
    "input: channels of W exchanged": ((c2_dx_channels_exchanged, None), ("transposed", "misplaced")),
    "input: padding cropped on one side only":
        ((lambda g, x, W: conv_dxp(g, x, W, 2)[:, :, 1:, 1:], None), ("shape",)),
    "input: padding forgotten, index out of range": ((c2_dx_index_error, None), ("exception",)),
    "weights: half of the gradient, as stride is 2": ((None, lambda g, x, W: conv_dW(g, x, W, 2) / 2), ("scale",)),
    })


def corr1(x, w):
    return np.array([(x[i:i + len(w)] * w).sum() for i in range(len(x) - len(w) + 1)])


def corr1_dx(g, x, w):
    dx = np.zeros_like(x)
    for i in range(len(g)):
        dx[i:i + len(w)] += g[i] * w
    return dx


def corr1_dx_shifted(g, x, w):
    gp = np.pad(g, (len(w), len(w) - 2))
    return corr1(gp, w[::-1])


ex("1-D correlation (valid)", corr1, normal((11,), (3,)),
   (corr1_dx, lambda g, x, w: corr1(x, g)),
   {"np.convolve flips the kernel's gradient":
        ((None, lambda g, x, w: np.convolve(x, g[::-1], "valid")[::-1]), ("flipped",)),
    "np.correlate full for the input": ((lambda g, x, w: np.correlate(g, w, "full"), None), ("flipped",)),
    "padded by 3 and 1 instead of 2 and 2": ((corr1_dx_shifted, None), ("shifted",)),
    "mode same": ((lambda g, x, w: np.convolve(g, w, "same"), None), ("shape",)),
    "g reversed before the sliding product": ((None, lambda g, x, w: corr1(x, g[::-1])), ("flipped",)),
    })


def moving_average(x):
    return np.array([x[i:i + 3].mean() for i in range(len(x) - 2)])


def ma_dx(g, x):
    dx = np.zeros_like(x)
    for i in range(len(g)):
        dx[i:i + 3] += g[i] / 3
    return dx


def ma_dx_count(g, x):
    dx, count = np.zeros_like(x), np.zeros_like(x)
    for i in range(len(g)):
        dx[i:i + 3] += g[i]
        count[i:i + 3] += 1
    return dx / count


def ma_dx_assign(g, x):
    dx = np.zeros_like(x)
    for i in range(len(g)):
        dx[i:i + 3] = g[i] / 3
    return dx


def ma_dx_last(g, x):
    dx = np.zeros_like(x)
    for i in range(len(x) - 3):
        dx[i:i + 3] += g[i] / 3
    return dx


ex("moving average of three", moving_average, normal((13,)), ma_dx,
   {"divided by the number of windows at each place": (ma_dx_count, ("border",)),
    "= for +=": (ma_dx_assign, ("overwritten",)),
    "last window left out": (ma_dx_last, ("border", "upstream")),
    })


def tconv(x, W):
    N, C, H, V = x.shape
    y = np.zeros((N, W.shape[1], 2 * H + 1, 2 * V + 1))
    for n in range(N):
        for c in range(C):
            for i in range(H):
                for j in range(V):
                    y[n, :, 2 * i:2 * i + 3, 2 * j:2 * j + 3] += x[n, c, i, j] * W[c]
    return y


def tconv_dx(g, x, W):
    dx = np.zeros_like(x)
    N, C, H, V = x.shape
    for n in range(N):
        for c in range(C):
            for i in range(H):
                for j in range(V):
                    dx[n, c, i, j] = (g[n, :, 2 * i:2 * i + 3, 2 * j:2 * j + 3] * W[c]).sum()
    return dx


def tconv_dW(g, x, W):
    dW = np.zeros_like(W)
    N, C, H, V = x.shape
    for n in range(N):
        for c in range(C):
            for i in range(H):
                for j in range(V):
                    dW[c] += x[n, c, i, j] * g[n, :, 2 * i:2 * i + 3, 2 * j:2 * j + 3]
    return dW


def tconv_dx_last_channel(g, x, W):
    dx = np.zeros_like(x)
    N, C, H, V = x.shape
    for n in range(N):
        for c in range(C):
            for o in range(W.shape[1]):
                for i in range(H):
                    for j in range(V):
                        dx[n, c, i, j] = (g[n, o, 2 * i:2 * i + 3, 2 * j:2 * j + 3] * W[c, o]).sum()
    return dx


def tconv_dx_no_stride(g, x, W):
    dx = np.zeros_like(x)
    N, C, H, V = x.shape
    for n in range(N):
        for c in range(C):
            for i in range(H):
                for j in range(V):
                    dx[n, c, i, j] = (g[n, :, i:i + 3, j:j + 3] * W[c]).sum()
    return dx


def tconv_dW_image0(g, x, W):
    return tconv_dW(g[:1], x[:1], W)


ex("transposed conv2d 3x3, stride 2", tconv, normal((2, 2, 3, 4), (2, 2, 3, 3)),
   (tconv_dx, tconv_dW),
   {"input: = for += over the output channels": ((tconv_dx_last_channel, None), ("overwritten",)),
    "input: kernel flipped": ((lambda g, x, W: tconv_dx(g, x, W[:, :, ::-1, ::-1]), None), ("flipped",)),
    "input: stride forgotten": ((tconv_dx_no_stride, None), ("misplaced", "shifted")),
    "weights: returned as (out, in, u, v)":
        ((None, lambda g, x, W: tconv_dW(g, x, W).transpose(1, 0, 2, 3)), ("transposed",)),
    "weights: only the first image": ((None, tconv_dW_image0), ("overwritten",)),
    })


def maxpool(x):
    N, C, H, V = x.shape
    return x.reshape(N, C, H // 2, 2, V // 2, 2).max((3, 5))


def maxpool_vjp(place):
    def vjp(g, x):
        dx = np.zeros_like(x)
        for n in range(g.shape[0]):
            for c in range(g.shape[1]):
                for i in range(g.shape[2]):
                    for j in range(g.shape[3]):
                        u, v = place(x[n, c, 2 * i:2 * i + 2, 2 * j:2 * j + 2])
                        dx[n, c, 2 * i + u, 2 * j + v] += g[n, c, i, j]
        return dx
    return vjp


def maxpool_copy(g, x):
    dx = np.zeros_like(x)
    y = np.repeat(np.repeat(maxpool(x), 2, 2), 2, 3)
    dx[x == y][:] = g.ravel()          # writes into a copy
    return dx


def maxpool_mask(g, x):
    y = np.repeat(np.repeat(maxpool(x), 2, 2), 2, 3)
    return (x == y).astype(float)


def maxpool_row_major(g, x):
    y = np.repeat(np.repeat(maxpool(x), 2, 2), 2, 3)
    dx = np.zeros_like(x)
    dx[x == y] = g.ravel()             # the order of the mask is not the order of g
    return dx


ex("max pooling 2x2", maxpool, normal((2, 2, 4, 6)), maxpool_vjp(lambda p: divmod(p.argmax(), 2)),
   {"row and column of the argmax exchanged":
        (maxpool_vjp(lambda p: divmod(p.argmax(), 2)[::-1]), ("transposed", "misplaced")),
    "always the upper left element": (maxpool_vjp(lambda p: (0, 0)), ("misplaced",)),
    "argmin for argmax": (maxpool_vjp(lambda p: divmod(p.argmin(), 2)), ("misplaced", "region")),
    "written into a copy": (maxpool_copy, ("zero",)),
    "mask returned, g forgotten": (maxpool_mask, ("upstream",)),
    "g.ravel() assigned through the mask": (maxpool_row_major, ("misplaced",)),
    "shared by all four, as average pooling":
        (lambda g, x: np.repeat(np.repeat(g, 2, 2), 2, 3) / 4, ("region", "factor", "misplaced")),
    })


def maxpool3(x):
    H, V = (x.shape[0] - 1) // 2, (x.shape[1] - 1) // 2
    return np.array([[x[2 * i:2 * i + 3, 2 * j:2 * j + 3].max() for j in range(V)] for i in range(H)])


def maxpool3_right(g, x):
    dx = np.zeros_like(x)
    for i in range(g.shape[0]):
        for j in range(g.shape[1]):
            u, v = divmod(x[2 * i:2 * i + 3, 2 * j:2 * j + 3].argmax(), 3)
            dx[2 * i + u, 2 * j + v] += g[i, j]
    return dx


def maxpool3_assign(g, x):
    dx = np.zeros_like(x)
    for i in range(g.shape[0]):
        for j in range(g.shape[1]):
            u, v = divmod(x[2 * i:2 * i + 3, 2 * j:2 * j + 3].argmax(), 3)
            dx[2 * i + u, 2 * j + v] = g[i, j]
    return dx


def maxpool3_offset(g, x):
    dx = np.zeros_like(x)
    for i in range(g.shape[0]):
        for j in range(g.shape[1]):
            u, v = divmod(x[2 * i:2 * i + 3, 2 * j:2 * j + 3].argmax(), 3)
            dx[2 * i + u, 2 * j + v - 1] += g[i, j]
    return dx


def draw_maxpool3(rng):
    x = rng.standard_normal((9, 11))
    x[2, 4] += 4.0                      # a maximum shared by overlapping windows
    x[6, 6] += 4.0
    return [x]


ex("max pooling 3x3, stride 2 (windows overlap)", maxpool3, draw_maxpool3, maxpool3_right,
   {"= for += where windows share a maximum": (maxpool3_assign, ("overwritten",)),
    "column counted from 1": (maxpool3_offset, ("shifted",)),
    })


def avgpool(x):
    N, C, H, V = x.shape
    return x.reshape(N, C, H // 2, 2, V // 2, 2).mean((3, 5))


def up2(g):
    return np.repeat(np.repeat(g, 2, 2), 2, 3)


def avgpool_smooth(g, x):
    d = up2(g) / 4
    d[..., 1:-1] = 0.25 * d[..., :-2] + 0.5 * d[..., 1:-1] + 0.25 * d[..., 2:]
    return d


ex("average pooling 2x2", avgpool, normal((2, 3, 4, 6)), lambda g, x: up2(g) / 4,
   {"not divided by 4": (lambda g, x: up2(g), ("scale",)),
    "g interpolated linearly instead of repeated": (avgpool_smooth, ()),
    "tile instead of repeat": (lambda g, x: np.tile(g, (1, 1, 2, 2)) / 4, ("misplaced",)),
    "1//4": (lambda g, x: up2(g) * (1 // 4), ("zero",)),
    "repeated along one axis only": (lambda g, x: np.repeat(g, 2, 2) / 4, ("shape",)),
    "fixed point with 8 bits after the point": (lambda g, x: up2((g * 256).astype(int) / 256) / 4, ("precision",)),
    })


def downsum(g):
    N, C, H, V = g.shape
    return g.reshape(N, C, H // 2, 2, V // 2, 2).sum((3, 5))


ex("nearest-neighbour upsampling x2", up2, normal((2, 1, 3, 5)), lambda g, x: downsum(g),
   {"only g[::2, ::2]": (lambda g, x: g[:, :, ::2, ::2], ("overwritten", "upstream")),
    "mean over the four copies": (lambda g, x: downsum(g) / 4, ("scale",)),
    "blocks cut as (2, H, 2, W)":
        (lambda g, x: g.reshape(2, 1, 2, 3, 2, 5).sum((2, 4)), ("misplaced",)),
    "g returned as it came": (lambda g, x: g, ("shape",)),
    })

# ---------------------------------------------------------------- normalisation

EPS = 1e-5


def bn_parts(x, axis, eps=EPS):
    s = np.sqrt(x.var(axis, keepdims=True) + eps)
    return (x - x.mean(axis, keepdims=True)) / s, s


def bn(x, gamma, beta):
    return gamma * bn_parts(x, 0)[0] + beta


def bn_dx(g, x, gamma, beta, eps=EPS):
    xh, s = bn_parts(x, 0, eps)
    d = g * gamma
    return (d - d.mean(0) - xh * (d * xh).mean(0)) / s


def bn_dx_no_var(g, x, gamma, beta):
    _, s = bn_parts(x, 0)
    d = g * gamma
    return (d - d.mean(0)) / s


def bn_dx_no_mean(g, x, gamma, beta):
    xh, s = bn_parts(x, 0)
    d = g * gamma
    return (d - xh * (d * xh).mean(0)) / s


def bn_dx_no_n(g, x, gamma, beta):
    xh, s = bn_parts(x, 0)
    d = g * gamma
    return (len(x) * d - d.sum(0) - xh * (d * xh).sum(0)) / s


def bn_dx_no_s(g, x, gamma, beta):
    xh, _ = bn_parts(x, 0)
    d = g * gamma
    return d - d.mean(0) - xh * (d * xh).mean(0)


def bn_dx_in_place(g, x, gamma, beta):
    x -= x.mean(0)
    s = np.sqrt((x**2).mean(0) + EPS)
    x /= s
    d = g * gamma
    return (d - d.mean(0) - x * (d * x).mean(0)) / s


ex("BatchNorm over the batch", bn, normal((7, 3), (3,), (3,)),
   (bn_dx, lambda g, x, gamma, beta: (g * bn_parts(x, 0)[0]).sum(0), lambda g, x, gamma, beta: g.sum(0)),
   {"mean and variance taken for constants":
        ((lambda g, x, gamma, beta: g * gamma / bn_parts(x, 0)[1], None, None), ("mean term",)),
    "variance's term forgotten": ((bn_dx_no_var, None, None), ("mean term",)),
    "mean's term forgotten": ((bn_dx_no_mean, None, None), ("mean term",)),
    "gamma forgotten":
        ((lambda g, x, gamma, beta: bn_dx(g, x, np.ones(3), beta), None, None), ("factor",)),
    "1/n in front forgotten": ((bn_dx_no_n, None, None), ("scale",)),
    "not divided by the deviation": ((bn_dx_no_s, None, None), ("factor",)),
    "another epsilon backward (1e-3)":
        ((lambda g, x, gamma, beta: bn_dx(g, x, gamma, beta, 1e-3), None, None), ("precision",)),
    "x normalised in place": ((bn_dx_in_place, None, None), ("in place",)),
    "gamma and beta exchanged":
        ((None, lambda g, x, gamma, beta: g.sum(0),
          lambda g, x, gamma, beta: (g * bn_parts(x, 0)[0]).sum(0)), ("swapped",)),
    "gamma's gradient with x not normalised":
        ((None, lambda g, x, gamma, beta: (g * x).sum(0), None), ("factor",)),
    "gamma's gradient not summed":
        ((None, lambda g, x, gamma, beta: g * bn_parts(x, 0)[0], None), ("shape",)),
    })


def ln(x, gamma, beta):
    return gamma * bn_parts(x, -1)[0] + beta


def ln_dx(g, x, gamma, beta):
    xh, s = bn_parts(x, -1)
    d = g * gamma
    return (d - d.mean(-1, keepdims=True) - xh * (d * xh).mean(-1, keepdims=True)) / s


def ln_dx_batch_axis(g, x, gamma, beta):
    xh, s = bn_parts(x, -1)
    d = g * gamma
    return (d - d.mean(0) - xh * (d * xh).mean(0)) / s


def ln_dx_gamma_late(g, x, gamma, beta):
    xh, s = bn_parts(x, -1)
    return gamma * (g - g.mean(-1, keepdims=True) - xh * (g * xh).mean(-1, keepdims=True)) / s


def ln_dx_as_rms(g, x, gamma, beta):
    s = np.sqrt((x**2).mean(-1, keepdims=True) + EPS)
    xh, d = x / s, g * gamma
    return (d - xh * (d * xh).mean(-1, keepdims=True)) / s


ex("LayerNorm over the last axis", ln, normal((5, 7), (7,), (7,)),
   (ln_dx, lambda g, x, gamma, beta: (g * bn_parts(x, -1)[0]).sum(0), lambda g, x, gamma, beta: g.sum(0)),
   {"means over the batch as in BatchNorm": ((ln_dx_batch_axis, None, None), ("mean term",)),
    "gamma multiplied at the end": ((ln_dx_gamma_late, None, None), ("factor", "mean term")),
    "backward of RMSNorm": ((ln_dx_as_rms, None, None), ("mean term", "factor")),
    "gamma's gradient summed over the last axis":
        ((None, lambda g, x, gamma, beta: (g * bn_parts(x, -1)[0]).sum(-1), None), ("shape",)),
    "beta's gradient is a mean": ((None, None, lambda g, x, gamma, beta: g.mean(0)), ("scale",)),
    })

# ---------------------------------------------------------------- moving elements about

_IDX = np.array([2, 0, 2, 5, 2, 0, 3])


def emb_right(g, E):
    dE = np.zeros_like(E)
    np.add.at(dE, _IDX, g)
    return dE


def emb_buffered(g, E):
    dE = np.zeros_like(E)
    dE[_IDX] += g
    return dE


def emb_copy(g, E):
    dE = np.zeros_like(E)
    rows = dE[_IDX]
    rows += g
    return dE


def emb_one_based(g, E):
    dE = np.zeros_like(E)
    np.add.at(dE, _IDX - 1, g)
    return dE


def emb_mean(g, E):
    return emb_right(g, E) / np.maximum(np.bincount(_IDX, minlength=7), 1)[:, None]


ex("embedding with repeated indices", lambda E: E[_IDX], normal((7, 3)), emb_right,
   {"dE[idx] += g": (emb_buffered, ("overwritten",)),
    "added to a copy": (emb_copy, ("zero",)),
    "indices counted from 1": (emb_one_based, ("shifted",)),
    "gathered again instead of scattered": (lambda g, E: g[_IDX], ("misplaced",)),
    "mean of the repeated rows": (emb_mean, ("factor", "scale")),
    "buffer begun with ones": (lambda g, E: emb_right(g, E) + np.ones_like(E), ("added",)),
    "mean of g added to all rows": (lambda g, E: emb_right(g, E) + g.mean(0), ("mean term",)),
    })


def slice_to(a, b, dtype=float):
    def vjp(g, x):
        dx = np.zeros(x.shape, dtype)
        dx[:, a:b] = g
        return dx
    return vjp


def slice_empty(g, x):
    dx = np.full(x.shape, np.nan)      # what np.empty may hold
    dx[:, 1:4] = g
    return dx


ex("slice x[:, 1:4]", lambda x: x[:, 1:4], normal((3, 7)), slice_to(1, 4),
   {"put at the beginning": (slice_to(0, 3), ("shifted",)),
    "an integer array to write into": (slice_to(1, 4, int), ("precision",)),
    "garbage around the slice": (slice_empty, ("non-finite",)),
    "no array of x's size": (lambda g, x: g, ("shape",)),
    "counted from the end": (slice_to(-4, -1), ("shifted",)),
    })


def stride_slice_wrong(g, x):
    dx = np.zeros_like(x)
    dx[:len(g)] = g
    return dx


def stride_slice_right(g, x):
    dx = np.zeros_like(x)
    dx[::2] = g
    return dx


def stride_slice_fill(g, x):
    return np.repeat(g, 2, axis=0)[:len(x)]


ex("every second row x[::2]", lambda x: x[::2], normal((7, 2)), stride_slice_right,
   {"step forgotten": (stride_slice_wrong, ("misplaced",)),
    "skipped rows get their neighbour's gradient": (stride_slice_fill, ()),
    })

ex("concatenate along columns", lambda a, b: np.concatenate([a, b], 1), normal((3, 4), (3, 4)),
   (lambda g, a, b: g[:, :4], lambda g, a, b: g[:, 4:]),
   {"halves exchanged": ((lambda g, a, b: g[:, 4:], lambda g, a, b: g[:, :4]), ("swapped",)),
    "second half begins one too early": ((None, lambda g, a, b: g[:, 3:7]), ("shifted",)),
    "all of g to both": ((lambda g, a, b: g, lambda g, a, b: g), ("shape",)),
    "second half from the end backwards": ((None, lambda g, a, b: g[:, -1:-5:-1]), ("flipped",)),
    "halves added, both get the sum":
        ((lambda g, a, b: g[:, :4] + g[:, 4:], lambda g, a, b: g[:, :4] + g[:, 4:]), ()),
    })

ex("transpose of a square matrix", lambda x: x.T, normal((5, 5)), lambda g, x: g.T,
   {"g not transposed back": (lambda g, x: g, ("transposed",)),
    "rotated by 90 degrees instead": (lambda g, x: np.rot90(g), ("flipped", "transposed")),
    })

ex("transpose of a rectangular matrix", lambda x: x.T, normal((3, 5)), lambda g, x: g.T,
   {"reshaped instead of transposed": (lambda g, x: g.reshape(x.shape), ("misplaced", "transposed")),
    "g not transposed back": (lambda g, x: g, ("shape", "transposed")),
    })

ex("permute axes (1, 2, 0)", lambda x: x.transpose(1, 2, 0), normal((3, 3, 3)), lambda g, x: g.transpose(2, 0, 1),
   {"same permutation again instead of its inverse": (lambda g, x: g.transpose(1, 2, 0), ("transposed",)),
    "all axes reversed, as .T does": (lambda g, x: g.T, ("transposed",)),
    })

ex("reshape (3, 4) to (4, 3)", lambda x: x.reshape(4, 3), normal((3, 4)), lambda g, x: g.reshape(3, 4),
   {"transposed instead": (lambda g, x: g.T, ("transposed", "misplaced")),
    "Fortran order": (lambda g, x: g.reshape(3, 4, order="F"), ("misplaced", "transposed")),
    "flattened": (lambda g, x: g.ravel(), ("shape",)),
    })

ex("reverse rows", lambda x: x[::-1], normal((5, 3)), lambda g, x: g[::-1],
   {"not reversed back": (lambda g, x: g, ("flipped",)),
    "reversed along both axes": (lambda g, x: g[::-1, ::-1], ("flipped",)),
    })

ex("roll by two", lambda x: np.roll(x, 2), normal((11,)), lambda g, x: np.roll(g, -2),
   {"rolled on instead of back": (lambda g, x: np.roll(g, 2), ("shifted",)),
    "zeros moved in instead of wrapping":
        (lambda g, x: np.concatenate([g[2:], [0.0, 0.0]]), ("border",)),
    })

ex("diagonal of a matrix", np.diag, normal((5, 5)), lambda g, x: np.diag(g),
   {"anti-diagonal": (lambda g, x: np.fliplr(np.diag(g)), ("flipped",)),
    "first superdiagonal": (lambda g, x: np.diag(g, 1)[:5, :5], ("shifted",)),
    "g spread over the whole row": (lambda g, x: np.repeat(g[:, None], 5, 1), ()),
    })


def cumsum_loop(g, x):
    dx = np.zeros_like(x)
    for i in range(len(x)):
        for j in range(i, len(x) - 1):
            dx[i] += g[j]
    return dx


ex("cumulative sum", np.cumsum, normal((7,)), lambda g, x: np.cumsum(g[::-1])[::-1],
   {"cumulative sum forwards": (lambda g, x: np.cumsum(g), ("flipped",)),
    "not reversed back": (lambda g, x: np.cumsum(g[::-1]), ("flipped",)),
    "element itself left out": (lambda g, x: np.append(np.cumsum(g[::-1])[::-1][1:], 0.0), ("shifted",)),
    "loop ends one early": (cumsum_loop, ("upstream", "mean term", "border")),
    "own gradient counted once more": (lambda g, x: np.cumsum(g[::-1])[::-1] + g, ("added",)),
    "only the last sum's gradient": (lambda g, x: np.full(7, g[-1]), ("overwritten", "upstream")),
    })


def diff_right(g, x):
    dx = np.zeros_like(x)
    dx[1:] += g
    dx[:-1] -= g
    return dx


def diff_assign(g, x):
    dx = np.zeros_like(x)
    dx[1:] = g
    dx[:-1] = -g
    return dx


def diff_loop(g, x):
    dx = np.zeros_like(x)
    for i in range(1, len(x) - 1):
        dx[i] = g[i - 1] - g[i]
    return dx


ex("differences of neighbours", lambda x: x[1:] - x[:-1], normal((11,)), diff_right,
   {"second assignment overwrites the first": (diff_assign, ("overwritten",)),
    "loop leaves out both ends": (diff_loop, ("border",)),
    "np.gradient, a central difference": (lambda g, x: -np.gradient(np.append(g, 0.0)), ()),
    "earlier minus later": (lambda g, x: -diff_right(g, x), ("sign",)),
    })


def zero_border(g, x):
    dx = g[1:-1, 1:-1].copy()
    dx[[0, -1]] = 0
    dx[:, [0, -1]] = 0
    return dx


ex("zero padding by one", lambda x: np.pad(x, 1), normal((5, 7)), lambda g, x: g[1:-1, 1:-1],
   {"cropped at the end only": (lambda g, x: g[:-2, :-2], ("shifted",)),
    "border of the result zeroed": (zero_border, ("border",)),
    "not cropped": (lambda g, x: g, ("shape",)),
    })


def edge_in_place(d, x):
    d[1] += d[0]
    d[-2] += d[-1]
    d[:, 1] += d[:, 0]
    d[:, -2] += d[:, -1]
    return d[1:-1, 1:-1]


def edge_right(g, x):
    return edge_in_place(g.copy(), x)


def edge_sides_no_corners(g, x):
    d = g[1:-1, 1:-1].copy()
    d[0] += g[0, 1:-1]
    d[-1] += g[-1, 1:-1]
    d[:, 0] += g[1:-1, 0]
    d[:, -1] += g[1:-1, -1]
    return d


ex("replicate padding by one", lambda x: np.pad(x, 1, mode="edge"), normal((5, 7)), edge_right,
   {"only cropped": (lambda g, x: g[1:-1, 1:-1], ("border", "overwritten")),
    "borders added up inside g itself, no copy": (edge_in_place, ("in place",)),
    "corners not added": (edge_sides_no_corners, ("border", "overwritten")),
    })

# ---------------------------------------------------------------- recurrence


def rnn(x, w):
    h, out = 0.0, []
    for t in range(len(x)):
        h = np.tanh(w[0] * h + x[t])
        out.append(h)
    return np.array(out)


def rnn_back(g, x, w, carry=True, stop=-1, step=-1, add=True):
    h = rnn(x, w)
    dx, dw, dh = np.zeros_like(x), np.zeros(1), 0.0
    for t in range(len(x) - 1, stop, step):
        d = (g[t] + dh) * (1 - h[t] ** 2)
        dx[t] = d
        term = d * (h[t - 1] if t > 0 else 0.0)
        dw[0] = dw[0] + term if add or t == 0 else term
        dh = w[0] * d if carry else 0.0
    return dx, dw


def rnn_dh_piles_up(g, x, w):
    h, dx, dh = rnn(x, w), np.zeros_like(x), 0.0
    for t in range(len(x) - 1, -1, -1):
        dx[t] = (g[t] + dh) * (1 - h[t] ** 2)
        dh += w[0] * dx[t]
    return dx


def rnn_dw_forgets_step_derivative(g, x, w):
    h = rnn(x, w)
    return np.array([(g[1:] * h[:-1]).sum()])


ex("recurrent tanh unit through time", rnn, lambda rng: [rng.standard_normal(7), rng.uniform(0.5, 0.9, 1)],
   (lambda g, x, w: rnn_back(g, x, w)[0], lambda g, x, w: rnn_back(g, x, w)[1]),
   {"nothing carried to earlier steps":
        ((lambda g, x, w: rnn_back(g, x, w, carry=False)[0], None), ("overwritten", "upstream", "diagonal")),
    "carried gradient piles up (+= instead of =)": ((rnn_dh_piles_up, None), ()),
    "loop stops before step 0": ((lambda g, x, w: rnn_back(g, x, w, stop=0)[0], None), ("border",)),
    "range without step -1, loop never runs":
        ((lambda g, x, w: rnn_back(g, x, w, step=1)[0], None), ("zero",)),
    "weight: = for +=": ((None, lambda g, x, w: rnn_back(g, x, w, add=False)[1]), ("overwritten",)),
    "weight: tanh' and earlier steps forgotten": ((None, rnn_dw_forgets_step_derivative), ("factor",)),
    "gradients left in time-reversed order":
        ((lambda g, x, w: rnn_back(g, x, w)[0][::-1], None), ("flipped",)),
    })
