"""The checker is checked: it finds every planted wrong derivative, on every seed, and accuses no right one.

Every operation here is written out by hand: its forward on arrays, its right vjps `(g, y, *xs) → x̄`, which must pass to
second order, and wrong ones, which must not.
"""

from typing import NamedTuple

import numpy as np
import pytest

from minigan import MiniganError, Tensor, grad, gradcheck, nn, no_grad
from minigan import functional as F
from minigan.samples import samples
from minigan.tensor import record, scatter, sum_to

SEEDS = range(5)
SECOND_ORDER_SEEDS = range(3)


# --- operations by hand ---


def operation(forward, vjps):
    """A function of tensors, from its forward on arrays and one vjp `(g, y, *xs)` for each input."""

    def f(*xs):
        bound = [lambda g, y, vjp=vjp: vjp(g, y, *xs) for vjp in vjps]
        return record(forward(*(x.data for x in xs)), xs, *bound)

    return f


def normal(*shapes):
    """A function that draws inputs of these shapes from a generator."""
    return lambda rng: [rng.standard_normal(shape) for shape in shapes]


def positive(*shapes):
    return lambda rng: [rng.uniform(0.5, 2.0, shape) for shape in shapes]


def nonzero(*shapes):
    return lambda rng: [rng.uniform(0.5, 2.0, shape) * rng.choice([-1.0, 1.0], shape) for shape in shapes]


class Operation(NamedTuple):
    """`wrong` maps a mistake to the vjps that make it; None stands for the right one."""

    name: str
    forward: object
    draw: object
    right: tuple
    wrong: dict

    def planted(self, mistake):
        return operation(self.forward, [w or r for w, r in zip(self.wrong[mistake], self.right)])


EPS, SLOPE = 1e-5, 0.2
REPEATS = np.array([2, 0, 2, 1])
MASK = np.array([[1, 0, 1, 1, 0], [0, 1, 1, 0, 1], [1, 1, 0, 0, 1]]) / 0.6
TRIANGLE = np.tril(np.ones((5, 5)))


def flip(x):
    """The last two axes turned by half a turn, as a careless reading of "convolution" would have it."""
    return x[..., ::-1, ::-1]


def batch_norm(x, gamma, beta):
    return gamma * (x - x.mean(0)) / np.sqrt(x.var(0) + EPS) + beta


def normalised(x):
    """x̂, and the factor 1/σ that it was divided by."""
    inverse_std = (F.var(x, 0) + EPS) ** -0.5
    return (x - F.mean(x, 0)) * inverse_std, inverse_std


def batch_norm_x(g, x, gamma, mean_term=1, x_hat_term=1):
    """x̄ = γ/σ (ȳ − mean ȳ − x̂ mean(ȳ x̂)), Ioffe and Szegedy 2015, with weights on its two easily forgotten terms."""
    x_hat, inverse_std = normalised(x)
    return gamma * inverse_std * (g - mean_term * F.mean(g, 0) - x_hat_term * x_hat * F.mean(g * x_hat, 0))


def assign_instead_of_add(g, idx, shape):
    x_bar = np.zeros(shape)
    x_bar[idx] = g.data
    return Tensor(x_bar)


OPERATIONS = [
    Operation("exp", np.exp, normal((3, 5)), (lambda g, y, x: g * y,), {
        "y forgotten": (lambda g, y, x: g * 1.0,),
        "x for y": (lambda g, y, x: g * x,),
    }),
    Operation("log", np.log, positive((3, 5)), (lambda g, y, x: g / x,), {
        "times for divided by": (lambda g, y, x: g * x,),
        "an epsilon in the denominator": (lambda g, y, x: g / (x + 1e-4),),
        "y for x": (lambda g, y, x: g / y,),
    }),
    Operation("tanh", np.tanh, normal((3, 5)), (lambda g, y, x: g * (1 - y * y),), {
        "1 − y": (lambda g, y, x: g * (1 - y),),
        "1 + y²": (lambda g, y, x: g * (1 + y * y),),
        "1 − x²": (lambda g, y, x: g * (1 - x * x),),
        "y (1 − y), the sigmoid's": (lambda g, y, x: g * y * (1 - y),),
        "1 − y², rounded to two digits": (lambda g, y, x: g * np.round(1 - y.data * y.data, 2),),
    }),
    Operation("sigmoid", lambda x: 1 / (1 + np.exp(-x)), normal((3, 5)), (lambda g, y, x: g * y * (1 - y),), {
        "1 − y forgotten": (lambda g, y, x: g * y,),
        "y forgotten": (lambda g, y, x: g * (1 - y),),
        "1 − y², tanh's": (lambda g, y, x: g * (1 - y * y),),
        "g twice": (lambda g, y, x: g * g * y * (1 - y),),
    }),
    Operation("softplus", lambda x: np.log1p(np.exp(x)), normal((3, 5)), (lambda g, y, x: g * F.sigmoid(x),), {
        "σ(−x)": (lambda g, y, x: g * F.sigmoid(-x),),
        "σ(y)": (lambda g, y, x: g * F.sigmoid(y),),
        "σ(2x)": (lambda g, y, x: g * F.sigmoid(2 * x),),
    }),
    Operation("cube", lambda x: x ** 3, normal((3, 5)), (lambda g, y, x: g * (3 * x * x),), {
        "exponent not lowered": (lambda g, y, x: g * (3 * x * x * x),),
        "factor 3 forgotten": (lambda g, y, x: g * (x * x),),
        "factor 2 of a square": (lambda g, y, x: g * (2 * x * x),),
    }),
    Operation("leaky relu", lambda x: np.maximum(x, SLOPE * x), nonzero((3, 5)),
              (lambda g, y, x: F.leak(g, y, SLOPE),), {
        "0 where x < 0": (lambda g, y, x: F.leak(g, y, 0.0),),
        "another slope": (lambda g, y, x: F.leak(g, y, 0.01),),
        "sides exchanged": (lambda g, y, x: F.leak(g, -y, SLOPE),),
        "mask of g for mask of x": (lambda g, y, x: F.leak(g, g, SLOPE),),
    }),
    Operation("dropout", lambda x: x * MASK, normal((3, 5)), (lambda g, y, x: g * MASK,), {
        "no mask": (lambda g, y, x: g * 1.0,),
        "not divided by 1 − p": (lambda g, y, x: g * (MASK > 0),),
        "mask of another batch": (lambda g, y, x: g * np.roll(MASK, 1, axis=0),),
    }),
    Operation("add, broadcast", np.add, normal((2, 3, 5), (3, 1)),
              (lambda g, y, a, b: g * 1.0, lambda g, y, a, b: sum_to(g, b.shape)), {
        "mean over the broadcast axes": (None, lambda g, y, a, b: sum_to(g, b.shape) * (1 / 10)),
        "mean over one broadcast axis": (None, lambda g, y, a, b: sum_to(F.mean(g, 0), b.shape)),
        "first of the broadcast rows only": (None, lambda g, y, a, b: g[0, :, :1]),
        "subtracted": (None, lambda g, y, a, b: sum_to(-g, b.shape)),
    }),
    Operation("mul", np.multiply, normal((3, 5), (3, 5)), (lambda g, y, a, b: g * b, lambda g, y, a, b: g * a), {
        "arguments exchanged": (lambda g, y, a, b: g * a, lambda g, y, a, b: g * b),
        "y for the other argument": (lambda g, y, a, b: g * y, None),
        "one argument a constant": (None, lambda g, y, a, b: g * 0.0),
    }),
    Operation("mul, broadcast", np.multiply, normal((3, 5), (5,)),
              (lambda g, y, a, b: g * b, lambda g, y, a, b: F.sum(g * a, 0)), {
        "mean over the broadcast axis": (None, lambda g, y, a, b: F.mean(g * a, 0)),
        "product of sums": (None, lambda g, y, a, b: F.sum(g, 0) * F.mean(a, 0)),
    }),
    Operation("div", np.divide, nonzero((3, 5), (3, 5)), (lambda g, y, a, b: g / b, lambda g, y, a, b: -g * y / b), {
        "sign of the denominator's": (None, lambda g, y, a, b: g * y / b),
        "y forgotten in the denominator's": (None, lambda g, y, a, b: -g / b),
        "b² forgotten": (None, lambda g, y, a, b: -g * a / b),
        "times for divided by": (lambda g, y, a, b: g * b, None),
    }),
    Operation("matmul", np.matmul, normal((3, 3), (3, 3)), (lambda g, y, a, b: g @ b.T, lambda g, y, a, b: a.T @ g), {
        "b not transposed": (lambda g, y, a, b: g @ b, None),
        "a not transposed": (None, lambda g, y, a, b: a @ g),
        "order exchanged": (lambda g, y, a, b: b.T @ g, None),
        "result transposed": (None, lambda g, y, a, b: (a.T @ g).T),
        "g transposed": (lambda g, y, a, b: g.T @ b.T, None),
    }),
    Operation("linear", lambda x, W, b: x @ W.T + b, normal((7, 3), (2, 3), (2,)),
              (lambda g, y, x, W, b: g @ W, lambda g, y, x, W, b: g.T @ x, lambda g, y, x, W, b: F.sum(g, 0)), {
        "bias averaged over the batch": (None, None, lambda g, y, x, W, b: F.mean(g, 0)),
        "weight averaged over the batch": (None, lambda g, y, x, W, b: g.T @ x * (1 / 7), None),
        "bias of the first sample": (None, None, lambda g, y, x, W, b: g[0]),
        "bias without g": (None, None, lambda g, y, x, W, b: Tensor(np.full(2, 7.0))),
        "weight with centred x": (None, lambda g, y, x, W, b: g.T @ (x - F.mean(x, 0)), None),
    }),
    Operation("sum", lambda x: x.sum(1), normal((3, 5)), (lambda g, y, x: F.broadcast_to(g.reshape(3, 1), (3, 5)),), {
        "mean": (lambda g, y, x: F.broadcast_to(g.reshape(3, 1), (3, 5)) / 5,),
        "first element only": (lambda g, y, x: scatter(g, (slice(None), 0), (3, 5)),),
    }),
    Operation("mean", lambda x: x.mean(1), normal((3, 5)),
              (lambda g, y, x: F.broadcast_to(g.reshape(3, 1) / 5, (3, 5)),), {
        "sum": (lambda g, y, x: F.broadcast_to(g.reshape(3, 1), (3, 5)),),
        "n − 1 for n": (lambda g, y, x: F.broadcast_to(g.reshape(3, 1) / 4, (3, 5)),),
        "length of the wrong axis": (lambda g, y, x: F.broadcast_to(g.reshape(3, 1) / 3, (3, 5)),),
    }),
    Operation("variance", lambda x: x.var(0), normal((7, 3)), (lambda g, y, x: g * (x - F.mean(x, 0)) * (2 / 7),), {
        "n − 1 for n": (lambda g, y, x: g * (x - F.mean(x, 0)) * (2 / 6),),
        "not centred": (lambda g, y, x: g * x * (2 / 7),),
        "factor 2 forgotten": (lambda g, y, x: g * (x - F.mean(x, 0)) * (1 / 7),),
    }),
    Operation("norm", lambda x: np.sqrt((x * x).sum(1)), normal((3, 5)),
              (lambda g, y, x: g.reshape(3, 1) * x / y.reshape(3, 1),), {
        "not divided by y": (lambda g, y, x: g.reshape(3, 1) * x,),
        "divided by y²": (lambda g, y, x: g.reshape(3, 1) * x / (y * y).reshape(3, 1),),
        "of the square": (lambda g, y, x: g.reshape(3, 1) * x * 2,),
    }),
    Operation("softmax", lambda x: np.exp(x) / np.exp(x).sum(1, keepdims=True), normal((3, 5)),
              (lambda g, y, x: y * (g - F.sum(g * y, 1, keepdims=True)),), {
        "diagonal of the Jacobian only": (lambda g, y, x: g * y * (1 - y),),
        "normalisation forgotten": (lambda g, y, x: g * y,),
        "mean for sum": (lambda g, y, x: y * (g - F.mean(g * y, 1, keepdims=True)),),
        "mean of g": (lambda g, y, x: y * (g - F.mean(g, 1, keepdims=True)),),
    }),
    Operation("maximum of a row", lambda x: x.max(1), normal((3, 5)),
              (lambda g, y, x: g.reshape(3, 1) * (x.data == y.data.reshape(3, 1)),), {
        "spread over the row": (lambda g, y, x: g.reshape(3, 1) * np.full((3, 5), 0.2),),
        "to the smallest": (lambda g, y, x: g.reshape(3, 1) * (x.data == x.data.min(1, keepdims=True)),),
        "to the neighbour": (lambda g, y, x: g.reshape(3, 1) * np.roll(x.data == y.data.reshape(3, 1), 1, axis=1),),
    }),
    Operation("transpose", lambda x: x.T, normal((3, 3)), (lambda g, y, x: g.T,), {
        "not transposed back": (lambda g, y, x: g * 1.0,),
    }),
    Operation("reverse", lambda x: x[::-1], normal((3, 5)), (lambda g, y, x: g[::-1],), {
        "not reversed back": (lambda g, y, x: g * 1.0,),
        "other axis reversed": (lambda g, y, x: g[:, ::-1],),
    }),
    Operation("running sum", lambda x: x @ TRIANGLE.T, normal((3, 5)), (lambda g, y, x: g @ TRIANGLE,), {
        "summed from the same end": (lambda g, y, x: g @ TRIANGLE.T,),
        "shifted by one": (lambda g, y, x: g @ np.tril(TRIANGLE, -1),),
    }),
    Operation("gather", lambda x: x[REPEATS], normal((3, 5)), (lambda g, y, x: scatter(g, REPEATS, (3, 5)),), {
        "repeats overwrite each other": (lambda g, y, x: assign_instead_of_add(g, REPEATS, (3, 5)),),
        "shifted by one": (lambda g, y, x: scatter(g, (REPEATS + 1) % 3, (3, 5)),),
    }),
    Operation("concatenate", lambda a, b: np.concatenate([a, b]), normal((3, 2), (3, 2)),
              (lambda g, y, a, b: g[:3], lambda g, y, a, b: g[3:]), {
        "parts exchanged": (lambda g, y, a, b: g[3:], lambda g, y, a, b: g[:3]),
        "first part twice": (None, lambda g, y, a, b: g[:3]),
        "shifted by one": (lambda g, y, a, b: g[1:4], None),
    }),
    Operation("batch norm", batch_norm, nonzero((7, 3), (3,), (3,)),
              (lambda g, y, x, gamma, beta: batch_norm_x(g, x, gamma),
               lambda g, y, x, gamma, beta: F.sum(g * normalised(x)[0], 0),
               lambda g, y, x, gamma, beta: F.sum(g, 0)), {
        "mean term missing": (lambda g, y, x, gamma, beta: batch_norm_x(g, x, gamma, mean_term=0), None, None),
        "variance term missing": (lambda g, y, x, gamma, beta: batch_norm_x(g, x, gamma, x_hat_term=0), None, None),
        "statistics as constants": (lambda g, y, x, gamma, beta: batch_norm_x(g, x, gamma, 0, 0), None, None),
        "n − 1 for n": (lambda g, y, x, gamma, beta: batch_norm_x(g, x, gamma, x_hat_term=7 / 6), None, None),
        "scale forgotten": (lambda g, y, x, gamma, beta: batch_norm_x(g, x, 1.0), None, None),
        "scale's with x": (None, lambda g, y, x, gamma, beta: F.sum(g * x, 0), None),
        "scale's with y": (None, lambda g, y, x, gamma, beta: F.sum(g * y, 0), None),
        "shift's averaged": (None, None, lambda g, y, x, gamma, beta: F.mean(g, 0)),
    }),
    Operation("convolution", lambda x, W: F.conv2d(x, W, None, 1, 1).data, normal((2, 2, 3, 3), (2, 2, 3, 3)),
              (lambda g, y, x, W: F.conv_transpose2d(g, W, None, 1, 1),
               lambda g, y, x, W: F.conv2d_weight(x, g, 3, 1, 1)), {
        "kernel flipped": (lambda g, y, x, W: F.conv_transpose2d(g, flip(W), None, 1, 1), None),
        "weight's flipped": (None, lambda g, y, x, W: flip(F.conv2d_weight(x, g, 3, 1, 1))),
        "x shifted by one": (None, lambda g, y, x, W: F.conv2d_weight(np.roll(x.data, 1, axis=3), g, 3, 1, 1)),
        "kernel's sides exchanged": (None, lambda g, y, x, W: F.swapaxes(F.conv2d_weight(x, g, 3, 1, 1), 2, 3)),
        "channels reversed": (lambda g, y, x, W: F.conv_transpose2d(g, W, None, 1, 1)[:, ::-1], None),
        "weight's averaged over the batch": (None, lambda g, y, x, W: F.conv2d_weight(x, g, 3, 1, 1) * 0.5),
        "first image only": (None, lambda g, y, x, W: F.conv2d_weight(x[:1], g[:1], 3, 1, 1)),
        "borders left out":
            (lambda g, y, x, W: F.pad2d(F.conv_transpose2d(g, W, None, 1, 1)[:, :, 1:-1, 1:-1], 1), None),
    }),
]

# Mistakes that any vjp can make. Of its result: (x̄, x) → what is given instead.
OF_THE_RESULT = {
    "sign": lambda x_bar, x: -x_bar,
    "factor 2": lambda x_bar, x: 2 * x_bar,
    "factor 1.00001": lambda x_bar, x: 1.00001 * x_bar,
    "divided by the number of elements": lambda x_bar, x: x_bar / x.size,
    "zero": lambda x_bar, x: 0 * x_bar,
    "constant": lambda x_bar, x: np.ones(x.shape),
    "absolute value": lambda x_bar, x: np.abs(x_bar),
    "shifted by one element": lambda x_bar, x: np.roll(x_bar, 1),
    "in reverse order": lambda x_bar, x: np.flip(x_bar),
    "clipped": lambda x_bar, x: np.clip(x_bar, -0.1, 0.1),
    "rounded to float16": lambda x_bar, x: x_bar.astype(np.float16).astype(float),
    "a small constant added": lambda x_bar, x: x_bar + 1e-5,
    "centred": lambda x_bar, x: x_bar - x_bar.mean() + 1e-3,
    "NaN in one element": lambda x_bar, x: np.where(np.arange(x.size).reshape(x.shape) == 4, np.nan, x_bar),
    "infinite": lambda x_bar, x: np.full(x.shape, np.inf),
    "wrong in the last element": lambda x_bar, x: x_bar + 1e-3 * (np.arange(x.size).reshape(x.shape) == x.size - 1),
    "wrong where x < 0": lambda x_bar, x: x_bar * np.where(x < 0, 1.01, 1),
    "wrong in the first row": lambda x_bar, x: np.concatenate([1.01 * x_bar[:1], x_bar[1:]]),
    "wrong at the right border": lambda x_bar, x: x_bar * np.where(np.arange(x.shape[-1]) == x.shape[-1] - 1, 1.01, 1),
    "not deterministic": lambda x_bar, x: x_bar + 1e-3 * np.random.default_rng().uniform(0.5, 1, x.shape),
}
# Of its cotangent: g → what is used instead.
OF_THE_COTANGENT = {
    "g forgotten": np.ones_like,
    "|g| for g": np.abs,
    "g²": np.square,
    "mean of g": lambda g: np.full_like(g, g.mean()),
    "g without its last element": lambda g: g * (np.arange(g.size).reshape(g.shape) < g.size - 1),
}


def with_wrong_result(vjp, mistake, i):
    return lambda g, y, *xs: Tensor(mistake(vjp(g, y, *xs).data, xs[i].data))


def with_wrong_cotangent(vjp, mistake, i):
    return lambda g, y, *xs: vjp(Tensor(mistake(g.data)), y, *xs)


def planted_first_order():
    """(name, f, draw) of every wrong operation: the mistakes above, and those that any vjp can make in some of them."""
    for op in OPERATIONS:
        for mistake in op.wrong:
            yield f"{op.name}: {mistake}", op.planted(mistake), op.draw
        if op.name not in ("tanh", "div", "matmul", "softmax", "convolution"):
            continue
        for mistakes, spoil in ((OF_THE_RESULT, with_wrong_result), (OF_THE_COTANGENT, with_wrong_cotangent)):
            for name, mistake in mistakes.items():
                for i, vjp in enumerate(op.right):
                    vjps = [*op.right[:i], spoil(vjp, mistake, i), *op.right[i + 1:]]
                    yield f"{op.name}, input {i}: {name}", operation(op.forward, vjps), op.draw


PLANTED = list(planted_first_order())


def inputs(draw, seed):
    """Inputs from another random stream than gradcheck's own, which is made from the seed too."""
    return draw(np.random.default_rng(1000 + seed))


# --- second order: right at first, wrong when differentiated again ---


def constant(f):
    """A vjp computed on the values alone: no graph goes through it."""

    @no_grad()
    def vjp(g, y, *xs):
        return f(g, y, *xs)

    return vjp


def product_with(wrong_a, wrong_b):
    """A product with wrong vjps, for use inside a vjp: wrong only when it is differentiated."""
    return lambda a, b: operation(np.multiply, (wrong_a, wrong_b))(a, b)


RIGHT_A, RIGHT_B = (lambda g, y, a, b: g * b), (lambda g, y, a, b: g * a)
MUL_SIGN = product_with(RIGHT_A, lambda g, y, a, b: -g * a)
MUL_TWICE = product_with(lambda g, y, a, b: 2 * g * b, RIGHT_B)
MUL_SWAPPED = product_with(RIGHT_B, RIGHT_A)
MUL_ONES = product_with(RIGHT_A, lambda g, y, a, b: a * 1.0)
MUL_ZERO = product_with(RIGHT_A, lambda g, y, a, b: a * 0.0)


def cached_std(g, y, x, gamma, beta):
    """BatchNorm that keeps the inverse standard deviation of its forward as an array."""
    x_hat, inverse_std = normalised(x)
    return gamma * inverse_std.data * (g - F.mean(g, 0) - x_hat * F.mean(g * x_hat, 0))


def cached_x_hat(g, y, x, gamma, beta):
    _, inverse_std = normalised(x)
    x_hat = normalised(x)[0].detach()
    return gamma * inverse_std * (g - F.mean(g, 0) - x_hat * F.mean(g * x_hat, 0))


def weight_reading_its_output(g, y, x, W):
    """conv2d's W̄ by an operation whose own vjps use its stored output where the incoming gradient belongs."""
    return record(F.conv2d_weight(x.data, g.data, 3, 1, 1).data, (x, g),
                  lambda h, W_bar: F.conv_transpose2d(g, W_bar, None, 1, 1),
                  lambda h, W_bar: F.conv2d(x, W_bar, None, 1, 1))


def leak_with(slope):
    """The vjp of leaky_relu by an operation whose own vjp has another slope."""
    return lambda g, y, x: record(F.leak(g.data, y, SLOPE).data, (g,), lambda h, _: F.leak(h, y, slope))


def second(name, vjps):
    op = next(op for op in OPERATIONS if op.name == name)
    return operation(op.forward, [v or r for v, r in zip(vjps, op.right)]), op.draw


PLANTED_SECOND = {
    "exp: y captured": second("exp", [lambda g, y, x: g * y.data]),
    "exp: product with a wrong sign": second("exp", [lambda g, y, x: MUL_SIGN(g, y)]),
    "exp: product with a factor 2": second("exp", [lambda g, y, x: MUL_TWICE(g, y)]),
    "exp: product that forgets the cotangent": second("exp", [lambda g, y, x: MUL_ONES(g, y)]),
    "exp: without a graph": second("exp", [constant(lambda g, y, x: g * y)]),
    "log: x captured": second("log", [lambda g, y, x: g / x.data]),
    "log: without a graph": second("log", [constant(lambda g, y, x: g / x)]),
    "tanh: y captured": second("tanh", [lambda g, y, x: g * (1 - y.data * y.data)]),
    "tanh: one y captured": second("tanh", [lambda g, y, x: g * (1 - y * y.data)]),
    "tanh: g captured": second("tanh", [lambda g, y, x: g.data * (1 - y * y)]),
    "tanh: product that swaps": second("tanh", [lambda g, y, x: MUL_SWAPPED(g, 1 - y * y)]),
    "sigmoid: y captured": second("sigmoid", [lambda g, y, x: g * (y.data * (1 - y.data))]),
    "sigmoid: 1 − y captured": second("sigmoid", [lambda g, y, x: g * y * (1 - y.data)]),
    "softplus: x captured": second("softplus", [lambda g, y, x: g * F.sigmoid(x.data)]),
    "softplus: σ(x) detached": second("softplus", [lambda g, y, x: g * F.sigmoid(x).detach()]),
    "cube: x captured": second("cube", [lambda g, y, x: g * (3 * x.data * x.data)]),
    "cube: one x captured": second("cube", [lambda g, y, x: g * (3 * x.data * x)]),
    "cube: product with zero": second("cube", [lambda g, y, x: MUL_ZERO(g, 3 * x * x)]),
    "leaky relu: slope forgotten": second("leaky relu", [leak_with(0.0)]),
    "leaky relu: mask forgotten": second("leaky relu", [leak_with(0.999)]),
    "mul: both captured": second("mul", [lambda g, y, a, b: g * b.data, lambda g, y, a, b: g * a.data]),
    "mul: one captured": second("mul", [None, lambda g, y, a, b: g * a.data]),
    "div: denominator captured": second("div", [lambda g, y, a, b: g / b.data, None]),
    "div: y captured": second("div", [None, lambda g, y, a, b: -g * y.data / b]),
    "matmul: b captured": second("matmul", [lambda g, y, a, b: g @ b.data.T, None]),
    "matmul: a captured": second("matmul", [None, lambda g, y, a, b: a.data.T @ g]),
    "linear: x captured": second("linear", [None, lambda g, y, x, W, b: g.T @ x.data, None]),
    "linear: W captured": second("linear", [lambda g, y, x, W, b: g @ W.data, None, None]),
    "variance: centred x captured": second("variance", [lambda g, y, x: g * (x - F.mean(x, 0)).data * (2 / 7)]),
    "variance: mean captured, x not": second("variance", [lambda g, y, x: g * (x - x.data.mean(0)) * (2 / 7)]),
    "norm: y captured": second("norm", [lambda g, y, x: g.reshape(3, 1) * x / y.data.reshape(3, 1)]),
    "norm: x captured": second("norm", [lambda g, y, x: g.reshape(3, 1) * x.data / y.reshape(3, 1)]),
    "softmax: y captured": second("softmax", [lambda g, y, x: y.data * (g - F.sum(g * y.data, 1, keepdims=True))]),
    "softmax: y captured in the sum":
        second("softmax", [lambda g, y, x: y * (g - F.sum(g * y.data, 1, keepdims=True))]),
    "batch norm: inverse std captured": second("batch norm", [cached_std, None, None]),
    "batch norm: x̂ captured": second("batch norm", [cached_x_hat, None, None]),
    "batch norm: x̂ captured in the scale's":
        second("batch norm", [None, lambda g, y, x, gamma, beta: F.sum(g * normalised(x)[0].data, 0), None]),
    "batch norm: scale captured":
        second("batch norm", [lambda g, y, x, gamma, beta: batch_norm_x(g, x, gamma.data), None, None]),
    "convolution: kernel captured":
        second("convolution", [lambda g, y, x, W: F.conv_transpose2d(g, W.data, None, 1, 1), None]),
    "convolution: image captured":
        second("convolution", [None, lambda g, y, x, W: F.conv2d_weight(x.data, g, 3, 1, 1)]),
    "convolution: weight's reads its stored output": second("convolution", [None, weight_reading_its_output]),
}


# --- wrong derivatives are found ---


@pytest.mark.parametrize("op", OPERATIONS, ids=[op.name for op in OPERATIONS])
@pytest.mark.parametrize("order", [1, 2])
def test_the_right_form_of_every_planted_operation_passes(op, order):
    """Without this, a planted operation might be refused for another reason than the mistake it is named after."""
    for seed in SECOND_ORDER_SEEDS:
        report = gradcheck(operation(op.forward, op.right), inputs(op.draw, seed), order, seed=seed)
        assert report, report


@pytest.mark.parametrize("f, draw", [row[1:] for row in PLANTED], ids=[row[0] for row in PLANTED])
def test_a_wrong_vjp_is_found_on_every_seed(f, draw):
    assert [seed for seed in SEEDS if gradcheck(f, inputs(draw, seed), seed=seed)] == []


@pytest.mark.parametrize("f, draw", PLANTED_SECOND.values(), ids=PLANTED_SECOND.keys())
def test_a_vjp_that_is_wrong_only_when_differentiated_passes_first_order(f, draw):
    for seed in SECOND_ORDER_SEEDS:
        report = gradcheck(f, inputs(draw, seed), seed=seed)
        assert report, report


@pytest.mark.parametrize("f, draw", PLANTED_SECOND.values(), ids=PLANTED_SECOND.keys())
def test_a_vjp_that_is_wrong_only_when_differentiated_is_found_on_every_seed(f, draw):
    assert [seed for seed in SECOND_ORDER_SEEDS if gradcheck(f, inputs(draw, seed), order=2, seed=seed)] == []


def test_the_cotangent_is_not_drawn_from_the_stream_that_the_inputs_may_come_from():
    """Else its signs are those of inputs drawn with default_rng(seed), and a mask of g passes for a mask of x."""
    draw, mask_of_g = nonzero((3, 5)), operation(lambda x: np.maximum(x, 0), [lambda g, y, x: F.leak(g, g, 0.0)])
    assert [seed for seed in SEEDS if gradcheck(mask_of_g, draw(np.random.default_rng(seed)), seed=seed)] == []


def test_there_are_a_hundred_planted_mistakes_of_first_order_and_thirty_of_second():
    assert len(PLANTED) >= 100 and len(PLANTED_SECOND) >= 30


@pytest.mark.parametrize("f", [
    lambda x: x * x.detach(), lambda x: F.exp(Tensor(x.data)), no_grad()(F.tanh),
], ids=["half detached", "rebuilt from its data", "under no_grad"])
def test_a_graph_that_is_cut_is_found(f):
    assert not gradcheck(f, [np.linspace(0.5, 1.5, 6)])


def test_a_function_that_is_not_deterministic_is_found():
    rng = np.random.default_rng(0)
    assert not gradcheck(lambda x: x * rng.random(x.shape), [np.ones(6)])


@pytest.mark.parametrize("order, passes, fails", [(1, 3e-7, 3e-6), (2, 3e-6, 3e-5)])
def test_relative_tolerance(order, passes, fails):
    """By a derivative with a known relative error: of 2x² as 4x (1 + δ); its own derivative has the error, too."""

    def verdict(delta):
        wrong = product_with(lambda g, y, a, b: g * b * (1 + delta), lambda g, y, a, b: g * a * (1 + delta))
        f = operation(lambda x: 2 * x * x, [lambda g, y, x: g * x * (4 * (1 + delta))]) if order == 1 else \
            operation(lambda x: 2 * x * x, [lambda g, y, x: 4 * wrong(g, x)])
        return bool(gradcheck(f, [np.linspace(1, 2, 7)], order))

    assert (verdict(passes), verdict(fails)) == (True, False)


@pytest.mark.parametrize("order, passes, fails", [(1, 5e-9, 5e-8), (2, 5e-8, 5e-7)])
def test_absolute_tolerance(order, passes, fails):
    """By a derivative that is zero, and given as δ."""

    def verdict(delta):
        zero = operation(np.zeros_like, [lambda g, y, x: Tensor(np.full(x.shape, delta))])
        f = zero if order == 1 else operation(np.zeros_like, [lambda g, y, x: zero(x)])
        return bool(gradcheck(f, [np.linspace(1, 2, 7)], order))

    assert (verdict(passes), verdict(fails)) == (True, False)


@pytest.mark.parametrize("loosened", [{"rtol": 0.1}, {"atol": 1.0}])
def test_tolerances_can_be_given(loosened):
    off_by_a_hundredth = operation(np.tanh, [lambda g, y, x: g * (1 - y * y) * 1.01])
    assert gradcheck(off_by_a_hundredth, [np.linspace(-1, 1, 7)], **loosened)


def test_a_tolerance_of_zero_is_taken_at_its_word():
    assert not gradcheck(F.tanh, [np.linspace(-1, 1, 7)], rtol=0, atol=0)


# --- right derivatives are not accused ---


def test_no_right_operation_is_accused():
    accused = [
        report for seed in (10, 11) for order in (1, 2) for sample in samples(seed)
        if not (report := gradcheck(sample.f, sample.inputs, order, seed=seed, max_elements=10))
    ]
    assert accused == []


@pytest.mark.slow
def test_no_right_operation_is_accused_in_2000_runs():
    runs, accused, seed = 0, [], 100
    while runs < 2000:
        for sample in samples(seed):
            for order in (1, 2):
                report = gradcheck(sample.f, sample.inputs, order, seed=seed, max_elements=100)
                runs += 1
                if not report:
                    accused.append((seed, sample.operation, sample.case, report))
        seed += 1
    assert accused == []


def test_an_argument_that_is_not_used_has_the_gradient_zero():
    assert gradcheck(lambda x, y: x * x, [np.ones(3), np.ones(2)])


def test_a_scalar_can_be_checked():
    assert gradcheck(F.tanh, [np.array(0.3)], order=2)


def test_an_empty_array_has_nothing_to_be_wrong():
    assert gradcheck(lambda x, y: x * x, [np.ones(3), np.ones((0, 3))])


def test_one_tensor_given_twice_is_perturbed_in_both_places():
    x = Tensor(np.linspace(0.5, 1.5, 5))
    assert gradcheck(F.mul, [x, x])


# --- what can be checked ---


@pytest.mark.parametrize("x", [
    np.ones(3, np.float32), np.ones(3, np.float16), np.ones(3, int), np.ones(3, bool), np.ones(3, complex),
    Tensor(np.ones(3, np.float32)),
], ids=lambda x: f"{type(x).__name__}-{x.dtype}")
def test_inputs_that_are_not_float64_are_refused(x):
    with pytest.raises(MiniganError, match=rf"input 1 must be float64.*{x.dtype}.*astype"):
        gradcheck(F.add, [np.ones(3), x])


@pytest.mark.parametrize("x", [1.0, [1.0, 2.0], None, "x"])
def test_inputs_that_are_not_arrays_are_refused(x):
    with pytest.raises(MiniganError, match=rf"input 0 must be an array or a tensor.*{type(x).__name__}"):
        gradcheck(F.exp, [x])


@pytest.mark.parametrize("result", [1.0, np.ones(3), None, [Tensor(1.0)]], ids=lambda r: type(r).__name__)
@pytest.mark.parametrize("order", [1, 2])
def test_a_function_that_does_not_give_a_tensor_is_refused(result, order):
    with pytest.raises(MiniganError, match=rf"must return a tensor.*{type(result).__name__}"):
        gradcheck(lambda x: result, [np.ones(3)], order)


@pytest.mark.parametrize("order", [0, 3, "2"])
def test_orders_other_than_1_and_2_are_refused(order):
    with pytest.raises(MiniganError, match="orders 1 and 2"):
        gradcheck(F.exp, [np.ones(3)], order)


def test_no_inputs_at_all_are_refused():
    """A check of nothing must not say "right"."""
    with pytest.raises(MiniganError):
        gradcheck(lambda: Tensor(np.ones(3)), [])


def of_the_wrong_shape(x):
    return record(np.exp(x.data), (x,), lambda g, y: F.sum(g * y))


@pytest.mark.parametrize("order", [1, 2])
def test_a_vjp_of_the_wrong_shape_raises_and_names_its_operation(order):
    with pytest.raises(MiniganError, match=r"of_the_wrong_shape.*wrong shape.*\(3, 5\).*\(\)"):
        gradcheck(of_the_wrong_shape, [np.ones((3, 5))], order)


def network():
    rng = np.random.default_rng(0)
    return nn.Sequential(nn.Linear(3, 5, rng=rng), nn.Tanh(), nn.Linear(5, 2, rng=rng)).astype(np.float64)


@pytest.mark.parametrize("order", [1, 2])
def test_a_module_is_checked_with_its_parameters(order):
    report = gradcheck(network(), [np.random.default_rng(1).standard_normal((7, 3))], order)
    names = ["argument 0", "0.weight", "0.bias", "2.weight", "2.bias"] + ["cotangent"] * (order == 2)
    assert report and [a.name for a in report.arguments] == names


def test_a_wrong_gradient_of_a_modules_parameter_is_found_and_named():
    class Scale(nn.Module):
        def __init__(self):
            self.right = nn.Parameter(np.ones(3))
            self.scale = nn.Parameter(np.ones(3))

        def forward(self, x):
            wrong = operation(np.multiply, [lambda g, y, a, b: g * b, lambda g, y, a, b: F.mean(g * a, 0)])
            return wrong(x, self.scale) + self.right

    report = gradcheck(Scale(), [np.random.default_rng(1).standard_normal((7, 3))])
    assert [a.name for a in report.arguments if a.wrong] == ["scale"]


def test_a_module_with_float32_parameters_is_refused_by_the_parameters_name():
    with pytest.raises(MiniganError, match=r"input weight must be float64.*network\.astype"):
        gradcheck(nn.Linear(3, 2), [np.ones((5, 3))])


@pytest.mark.parametrize("order", [1, 2])
def test_a_closure_over_parameters_is_checked(order):
    net, x = network(), np.random.default_rng(1).standard_normal((7, 3))
    report = gradcheck(lambda *_: F.mean(net(x) ** 2), net.parameters(), order)
    assert report and all(a.checked == p.size for a, p in zip(report.arguments, net.parameters()))


def test_a_closure_over_parameters_whose_graph_is_cut_is_found():
    net, x = network(), np.random.default_rng(1).standard_normal((7, 3))
    assert not gradcheck(lambda *_: F.mean(net[2](net[0](x).detach()) ** 2), net.parameters())


# --- what is perturbed is put back ---


def awkward():
    """Numbers for which x + ε − ε is not x."""
    return np.array([[0.1, 1 / 3, -1e9], [1e-12, np.pi, 7.0]])


@pytest.mark.parametrize("order", [1, 2])
def test_tensors_are_put_back_exactly(order):
    x = Tensor(awkward())
    array = x.data
    gradcheck(F.tanh, [x], order)
    assert x.data is array and array.tobytes() == awkward().tobytes()


@pytest.mark.parametrize("order", [1, 2])
def test_a_modules_parameters_are_put_back_exactly(order):
    net = network()
    before = net.state_dict()
    gradcheck(net, [np.ones((7, 3))], order)
    assert all(before[name].tobytes() == after.tobytes() for name, after in net.state_dict().items())


def test_arrays_given_as_inputs_are_never_written():
    x = awkward()
    x.flags.writeable = False
    assert gradcheck(F.tanh, [x])


def test_large_tensors_are_put_back_exactly():
    x = Tensor(np.random.default_rng(0).standard_normal(3000))
    before = x.data.tobytes()
    gradcheck(F.tanh, [x])
    assert x.data.tobytes() == before


@pytest.mark.parametrize("call", range(1, 8))
@pytest.mark.parametrize("order", [1, 2])
def test_tensors_are_put_back_exactly_when_the_function_raises(call, order):
    x, calls = Tensor(awkward()), []

    def f(x):
        calls.append(1)
        if len(calls) == call:
            raise ZeroDivisionError
        return F.tanh(x)

    with pytest.raises(ZeroDivisionError):
        gradcheck(f, [x], order)
    assert x.data.tobytes() == awkward().tobytes()


def test_checking_leaves_no_gradient_behind():
    x = Tensor(awkward())
    gradcheck(F.tanh, [x])
    assert x.grad is None


def test_a_gradient_can_be_taken_through_the_checked_tensor_afterwards():
    x = Tensor(np.ones(3))
    y = F.sum(x * x)
    gradcheck(F.tanh, [x])
    assert grad(y, x).data.tolist() == [2, 2, 2]


# --- the report ---


def wrong_at_1_2(x, w):
    """x·w, whose gradient in w is half of what it should be in the element (1, 2)."""
    half = np.ones(w.shape)
    half[1, 2] = 0.5
    return operation(np.multiply, [lambda g, y, x, w: g * w, lambda g, y, x, w: g * x * half])(x, w)


@pytest.fixture
def wrong_report():
    return gradcheck(wrong_at_1_2, [np.full((3, 5), 2.0), np.ones((3, 5))])


@pytest.fixture
def right_report():
    return gradcheck(F.mul, [np.full((3, 5), 2.0), np.ones((3, 5))])


def test_a_report_is_true_or_false(right_report, wrong_report):
    assert bool(right_report) is True and bool(wrong_report) is False


def test_a_report_names_the_wrong_argument_only(wrong_report):
    assert [(a.name, a.wrong) for a in wrong_report.arguments] == [("argument 0", 0), ("argument 1", 1)]


def test_a_report_counts_what_was_checked(wrong_report):
    assert [(a.shape, a.checked) for a in wrong_report.arguments] == [((3, 5), 15), ((3, 5), 15)]


def test_a_report_names_the_wrong_element(wrong_report):
    assert wrong_report.arguments[1].where == (1, 2)


def test_a_report_gives_both_values_at_the_wrong_element(wrong_report):
    a = wrong_report.arguments[1]
    assert 1 <= abs(a.numeric) <= 3 and a.analytic == pytest.approx(a.numeric / 2, rel=1e-6)


def test_the_error_of_an_argument_is_relative_to_the_numeric_value_where_that_is_large(wrong_report):
    a = wrong_report.arguments[1]
    assert a.error == pytest.approx(abs(a.analytic - a.numeric) / max(1, abs(a.numeric)))


def test_the_error_of_a_report_is_the_largest_of_its_arguments(wrong_report):
    assert wrong_report.error == wrong_report.arguments[1].error > wrong_report.arguments[0].error


def test_the_error_of_a_right_report_is_small(right_report):
    assert 0 < right_report.error < 1e-8


def test_of_several_wrong_elements_the_worst_is_named():
    factors = np.array([1.0, 1.01, 1.5, 1.1])
    report = gradcheck(operation(np.copy, [lambda g, y, x: g * factors]), [np.ones(4)], seed=1)
    assert report.arguments[0].where == (2,)


def test_a_wrong_element_is_named_before_a_right_one_with_a_larger_error():
    """The first element's relative error is larger, and within the tolerance; the second's derivative is small."""
    slopes, error = np.array([3000.0, 0.01]), np.array([1.5e-3, 2e-7])
    f = operation(lambda x: x * slopes, [lambda g, y, x: g * slopes + g * error])
    a = gradcheck(f, [np.ones(2)]).arguments[0]
    assert (a.wrong, a.where) == (1, (1,))


def test_nan_counts_as_infinitely_wrong():
    report = gradcheck(operation(np.exp, [lambda g, y, x: g * np.nan]), [np.ones(3)])
    assert report.arguments[0].wrong == 3 and report.error == np.inf


def test_a_report_reads_well(wrong_report):
    order, first, second = str(wrong_report).splitlines()
    assert order == "gradient of order 1: WRONG"
    assert first.startswith("  ok    argument 0 (3, 5): 0 of 15 wrong, worst error ")
    assert second.startswith("  WRONG argument 1 (3, 5): 1 of 15 wrong, worst error ")
    assert " at (1, 2): analytic " in second and ", numeric " in second


def test_a_right_report_reads_well(right_report):
    assert str(right_report).startswith("gradient of order 1: right\n  ok    argument 0 (3, 5): 0 of 15 wrong")


def test_a_report_is_shown_as_it_is_printed(wrong_report):
    assert repr(wrong_report) == str(wrong_report)


def test_a_report_of_second_order_ends_with_the_cotangent():
    report = gradcheck(F.mul, [np.ones((3, 5)), np.ones((3, 5))], order=2)
    assert report.order == 2 and [a.name for a in report.arguments] == ["argument 0", "argument 1", "cotangent"]


def test_the_same_seed_gives_the_same_report():
    def report(seed):
        return str(gradcheck(wrong_at_1_2, [np.full((3, 5), 2.0), np.ones((3, 5))], seed=seed))

    assert report(3) == report(3) != report(4)


# --- large inputs ---


def large(*shapes):
    return [np.random.default_rng(0).standard_normal(shape) for shape in shapes]


def test_an_input_of_500_elements_is_checked_in_every_one():
    assert gradcheck(F.tanh, large(500)).arguments[0].checked == 500


def test_a_larger_input_is_checked_in_50_random_elements_and_5_random_directions():
    assert gradcheck(F.tanh, large(501)).arguments[0].checked == 55


def test_a_right_operation_on_a_large_input_passes():
    report = gradcheck(F.mul, large((50, 60), (50, 60)))
    assert report, report


def test_the_random_elements_are_spread_over_the_whole_input():
    seen = set()

    def f(x):
        seen.update(np.flatnonzero(x.data != start).tolist())
        return x * 1.0

    start = np.zeros(1000)
    gradcheck(f, [start], directions=0)
    assert len(seen) == 50 and min(seen) < 100 and max(seen) >= 900


@pytest.mark.parametrize("seed", SEEDS)
def test_a_wrong_factor_in_one_large_array_of_two_is_found(seed):
    f = operation(np.multiply, [lambda g, y, a, b: g * b, lambda g, y, a, b: g * a * 1.001])
    report = gradcheck(f, large((50, 60), (50, 60)), seed=seed)
    assert [bool(a.wrong) for a in report.arguments] == [False, True]


@pytest.mark.parametrize("seed", SEEDS)
def test_a_single_wrong_element_of_a_large_array_is_found_by_a_direction(seed):
    error = np.zeros((50, 60))
    error[17, 23] = 0.01
    f = operation(np.tanh, [lambda g, y, x: g * (1 - y * y) + g * error])
    assert not gradcheck(f, large((50, 60)), seed=seed)


@pytest.mark.parametrize("seed", SEEDS)
def test_directions_find_errors_that_cancel_in_the_sum_of_all_elements(seed):
    error = np.zeros(3000)
    error[:20], error[-20:] = 0.01, -0.01
    f = operation(np.tanh, [lambda g, y, x: g * (1 - y * y) + error])
    assert not gradcheck(f, large(3000), seed=seed, max_elements=10)


def test_a_wrong_direction_is_named():
    error = np.zeros(3000)
    error[17] = 1000.0
    f = operation(np.tanh, [lambda g, y, x: g * (1 - y * y) + g * error])
    assert str(gradcheck(f, large(3000)).arguments[0].where).startswith("direction ")


def test_the_number_of_elements_and_directions_can_be_given():
    assert gradcheck(F.tanh, large(100), max_elements=30, directions=7).arguments[0].checked == 3 + 7


# --- kinks: two slopes meet, and a derivative is a choice between them (statement 8) ---

KINKS = {
    "relu": F.relu,
    "leaky_relu": F.leaky_relu,
    "maximum": lambda x: F.maximum(x, 0.0),
    "max_pool2d": lambda x: F.max_pool2d(x.reshape(1, 1, 1, 3), (1, 3)),
}


@pytest.mark.parametrize("name", KINKS)
@pytest.mark.parametrize("seed", range(5))
def test_a_kink_is_told_from_an_error(name, seed):
    report = gradcheck(KINKS[name], [np.zeros(3)], seed=seed)
    assert report
    assert report.arguments[0].kinks >= 2
    assert "at a kink" in str(report)


def test_the_derivative_of_abs_at_its_kink_is_the_mean_of_its_slopes():
    assert gradcheck(F.abs, [np.zeros(3)])


def test_a_value_outside_the_two_slopes_of_a_kink_is_wrong():
    def wrong(x):
        return record(np.maximum(x.data, 0), (x,), lambda g, y: g * 1.5)

    report = gradcheck(wrong, [np.zeros(3)])
    assert not report and report.arguments[0].kinks == 0


def test_a_wrong_derivative_beside_a_kink_is_wrong():
    def wrong(x):
        return record(np.maximum(x.data, 0), (x,), lambda g, y: g * (y.data > 0) * 1.01)

    report = gradcheck(wrong, [np.array([-1.0, 0.0, 1.0])])
    assert report.arguments[0].wrong == 1 and report.arguments[0].kinks == 1


def test_a_function_that_is_not_deterministic_has_no_kink():
    rng = np.random.default_rng(0)
    report = gradcheck(lambda x: x * 2.0 + rng.normal(size=3) * 1e-3, [np.ones(3)])
    assert not report and report.arguments[0].kinks == 0


def test_a_function_that_changes_once_while_it_is_checked_is_wrong_and_not_a_crash():
    # Its first pair of one-sided slopes agree exactly, the second does not: no kink, and nothing to divide by.
    calls = []

    def f(x):
        calls.append(1)
        return record(x.data * (len(calls) in (9, 10)), (x,), lambda g, y: 2.0 * g)

    report = gradcheck(f, [np.ones(1)])
    assert not report and report.arguments[0].kinks == 0
