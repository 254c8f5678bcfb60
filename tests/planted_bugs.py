"""Wrong derivatives on purpose, for the tests of the gradient checker; nothing here is a test.

Every operation here is written out by hand: its forward on arrays, its right vjps `(g, y, *xs) → x̄`, which must pass to
second order, and wrong ones, which must not.
"""

from typing import NamedTuple

import numpy as np

from minigan import Tensor, no_grad
from minigan import functional as F
from minigan.tensor import record, scatter, sum_to

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
