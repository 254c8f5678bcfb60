"""Where a wrong derivative comes from: the operation, its place in the network, and the probable cause."""

import inspect
import re

import numpy as np
import pytest

from minigan import Tensor, grad, gradcheck, nn, no_grad
from minigan import functional as F
from minigan.tensor import record

X = np.random.default_rng(0).standard_normal((3, 5))


def line_of(function, text):
    """The place in this file of the line of `function` that holds `text`, as a report gives it."""
    lines, first = inspect.getsourcelines(function)
    number = next(first + k for k, line in enumerate(lines) if text in line)
    return f"test_gradient_check_explain.py:{number}"


# --- the first wrong operation of a network ---


def swish(x):
    """x σ(x), by a vjp that takes σ(x) for a constant."""
    s = 1 / (1 + np.exp(-x.data))
    return record(x.data * s, (x,), lambda g, y: g * s)


class Swish(nn.Module):
    def forward(self, x):
        return swish(x)


class Generator(nn.Module):
    def __init__(self, activation=None):
        rng = np.random.default_rng(0)
        self.stem = nn.Linear(5, 4, rng=rng)
        self.body = nn.Sequential(nn.Linear(4, 4, rng=rng), activation or Swish(), nn.Linear(4, 2, rng=rng))

    def forward(self, x):
        return self.body(F.tanh(self.stem(x)))


def generator(activation=None):
    return Generator(activation).astype(np.float64)


def test_a_network_without_a_wrong_operation_is_right():
    assert gradcheck(generator(nn.Tanh()), [X])


def test_the_first_wrong_operation_is_named_with_its_layer_and_its_line():
    operation = gradcheck(generator(), [X]).operation
    assert (operation.name, operation.layer, operation.within) == ("swish", "body.1 (Swish)", "")
    assert operation.line == line_of(swish, "return record")


def test_the_wrong_operation_is_the_layers_and_not_the_one_that_shows_the_error():
    """Every parameter before the activation has a wrong gradient, though only the activation is to blame."""
    report = gradcheck(generator(), [X])
    wrong = [a.name for a in report.arguments if a.wrong]
    assert wrong == ["argument 0", "stem.weight", "stem.bias", "body.0.weight", "body.0.bias"]
    assert "first wrong operation: swish, in layer body.1 (Swish), at test_gradient_check_explain.py" in str(report)


def test_a_wrong_operation_is_found_in_a_loss_over_parameters():
    net = generator()
    report = gradcheck(lambda *_: F.mean(net(X) ** 2), net.parameters())
    assert not report and (report.operation.name, report.operation.layer) == ("swish", "body.1 (Swish)")


def test_a_wrong_operation_of_a_loss_is_in_no_layer():
    net = generator(nn.Tanh())
    report = gradcheck(lambda *_: F.mean(swish(net(X))), net.parameters())
    assert not report and (report.operation.name, report.operation.layer) == ("swish", "")


def test_of_two_wrong_operations_the_first_is_named():
    def first(x):
        return record(np.exp(x.data), (x,), lambda g, y: g)

    assert gradcheck(lambda x: swish(first(x)), [X]).operation.name == "first"


def test_a_right_operation_after_a_wrong_one_is_not_blamed():
    assert gradcheck(lambda x: F.exp(F.tanh(swish(x))), [X]).operation.name == "swish"


def test_the_wrong_argument_of_an_operation_is_named():
    def product(a, b):
        return record(a.data * b.data, (a, b), lambda g, y: g * b, lambda g, y: -g * a)

    report = gradcheck(lambda x: product(F.exp(x), F.tanh(x)), [X])
    assert [a.name for a in report.operation.arguments] == ["argument 0", "argument 1"]
    assert [a.wrong for a in report.operation.arguments] == [0, 15]
    assert report.cause.code == "sign"


def test_a_parameter_that_is_an_operations_argument_is_named_as_such():
    class Scale(nn.Module):
        def __init__(self):
            self.scale = nn.Parameter(np.ones(5))

        def forward(self, x):
            return record(x.data * self.scale.data, (x, self.scale), lambda g, y: g * self.scale,
                          lambda g, y: F.mean(g * x, 0))

    report = gradcheck(nn.Sequential(nn.Tanh(), Scale()), [X])
    assert report.operation.layer == "1 (Scale)"
    assert [a.name for a in report.operation.arguments if a.wrong] == ["1.scale"]
    assert report.cause.code == "scale" and "a mean where a sum is meant" in report.cause.text


NAMELESS = [lambda x: record(np.exp(x.data), (x,), lambda g, y: g)]


def test_a_wrong_operation_without_a_name_is_not_shown_as_nothing():
    report = gradcheck(NAMELESS[0], [X])
    assert report.operation.name and "first wrong operation: ," not in str(report)


def test_a_wrong_operation_that_is_given_one_tensor_twice_is_named():
    def product(a, b):
        return record(a.data * b.data, (a, b), lambda g, y: g * b, lambda g, y: g * a * 0.5)

    report = gradcheck(lambda x: product(x, x), [X])
    assert not report and report.operation.name == "product" and report.cause.code == "scale"


def of_the_wrong_shape(x):
    return record(np.exp(x.data), (x,), lambda g, y: F.sum(g * y, 1))


@pytest.mark.parametrize("order", [1, 2])
def test_a_vjp_of_the_wrong_shape_is_reported_with_its_operation_and_argument(order):
    report = gradcheck(of_the_wrong_shape, [X], order)
    assert not report and report.cause.code == "shape"
    assert report.operation.name == "of_the_wrong_shape" and "argument 0 has shape (3,)" in report.cause.text
    assert "must have (3, 5)" in report.cause.text


def test_a_vjp_of_the_wrong_shape_is_found_inside_a_network():
    class Layer(nn.Module):
        def forward(self, x):
            return of_the_wrong_shape(x)

    report = gradcheck(generator(Layer()), [X])
    assert not report and (report.operation.name, report.operation.layer) == ("of_the_wrong_shape", "body.1 (Layer)")


def test_a_vjp_that_raises_is_reported_with_its_operation():
    def broken(x):
        return record(np.exp(x.data), (x,), lambda g, y: g @ y)

    report = gradcheck(lambda x: F.tanh(broken(x)), [X])
    assert not report and report.operation.name == "broken"


def test_values_whose_exponential_overflows_are_no_crash():
    """The search for the cause tries many functions of the values."""
    report = gradcheck((lambda x: x + 1000.0, lambda g, x: g * (1 + 0.1 * np.sin(x))), [X])
    assert not report and report.operation is not None


def test_batchnorms_running_statistics_are_those_from_before_the_check():
    net = nn.Sequential(nn.Linear(5, 4), nn.BatchNorm1d(4), nn.Tanh()).astype(np.float64)
    net(Tensor(X))
    before = net.state_dict()
    assert gradcheck(net, [X])
    assert {k: v.tobytes() for k, v in net.state_dict().items()} == {k: v.tobytes() for k, v in before.items()}


def test_running_statistics_are_those_from_before_a_check_that_finds_an_error():
    net = nn.Sequential(nn.Linear(5, 4), nn.BatchNorm1d(4), Swish()).astype(np.float64)
    before = net.state_dict()
    assert not gradcheck(net, [X])
    assert {k: v.tobytes() for k, v in net.state_dict().items()} == {k: v.tobytes() for k, v in before.items()}


# --- graphs that are cut ---


def detached(x):
    h = F.tanh(x)
    return F.exp(h.detach()) * h


def under_no_grad(x):
    with no_grad():
        h = F.tanh(x)
    return F.exp(h) * x


def by_data(x):
    h = F.tanh(x)
    return F.exp(x) * h.data


def by_a_new_tensor(x):
    return F.exp(Tensor(x.data)) * x


CUTS = {
    "detach": (detached, "exp", "F.exp"), "no_grad": (under_no_grad, "exp", "F.exp"),
    "data": (by_data, "mul", "h.data"), "a new tensor": (by_a_new_tensor, "exp", "F.exp"),
}


@pytest.mark.parametrize("f, before, line", CUTS.values(), ids=CUTS.keys())
def test_the_place_where_a_graph_is_cut_is_told(f, before, line):
    report = gradcheck(f, [X])
    assert not report and report.cause.code == "cut" and f"cut before {before}" in report.cause.text
    assert report.operation.name == f.__name__ and report.operation.line == line_of(f, line)


@pytest.mark.parametrize("f", [
    lambda x: F.exp(x.detach()), lambda x: F.exp(Tensor(x.data)), no_grad()(F.tanh), lambda x: F.tanh(x).detach(),
], ids=["detached at the start", "rebuilt", "all under no_grad", "detached at the end"])
def test_a_gradient_that_is_zero_since_the_graph_is_cut_is_told(f):
    report = gradcheck(f, [X])
    assert not report and report.cause is not None and report.cause.code == "zero" and "cut" in report.cause.text


def test_a_cut_in_a_module_is_told_with_its_layer():
    class Cut(nn.Module):
        def forward(self, x):
            return F.tanh(x).detach() * x

    report = gradcheck(generator(Cut()), [X])
    assert not report and report.cause.code == "cut" and report.operation.layer == "body.1 (Cut)"


def test_a_constant_that_cancels_is_no_cut():
    """The largest element that a stable softmax subtracts; what is wrong is the other operation."""
    def softmax(x):
        e = F.exp(x - x.data.max(1, keepdims=True))
        return e / F.sum(e, 1, keepdims=True)

    assert gradcheck(softmax, [X])
    assert gradcheck(lambda x: swish(softmax(x)), [X]).operation.name == "swish"
    assert gradcheck(lambda x: softmax(x) * F.tanh(x).data, [X]).cause.code == "cut"


# --- second order ---


def tanh_of_data(x):
    return record(np.tanh(x.data), (x,), lambda g, y: g * (1 - y.data * y.data))


def product_of_data(a, b):
    return record(a.data * b.data, (a, b), lambda g, y: g * b, lambda g, y: g * a.data)


def test_a_vjp_that_uses_data_is_right_to_first_order():
    assert gradcheck(lambda x: F.exp(tanh_of_data(x) * x), [X])


def test_a_vjp_that_uses_data_is_blamed_to_second_order():
    report = gradcheck(lambda x: F.exp(tanh_of_data(x) * x), [X], order=2)
    assert not report and report.operation.name == "tanh_of_data" and report.cause.code == "detached"


def test_the_argument_that_a_vjp_forgets_and_the_vjp_that_forgets_it_are_told():
    report = gradcheck(lambda x: product_of_data(F.exp(x), F.tanh(x)), [X], order=2)
    assert report.operation.name == "product_of_data" and report.cause.code == "detached"
    assert "the vjp for argument 1 does not depend on argument 0" in report.cause.text


def test_a_vjp_that_forgets_a_part_is_told_from_one_that_forgets_all():
    def tanh(x):
        return record(np.tanh(x.data), (x,), lambda g, y: g * (1 - y * y.data))

    report = gradcheck(tanh, [X], order=2)
    assert report.cause.code == "detached" and "misses a part of its dependence on argument 0" in report.cause.text


def test_a_vjp_that_detaches_the_cotangent_is_told():
    def tanh(x):
        return record(np.tanh(x.data), (x,), lambda g, y: g.data * (1 - y * y))

    report = gradcheck(tanh, [X], order=2)
    assert report.cause.code == "detached" and "cotangent" in report.cause.text


def helper(a, b):
    """a b, whose gradient in b has the wrong sign."""
    return record(a.data * b.data, (a, b), lambda g, y: g * b, lambda g, y: -g * a)


def user(x):
    """exp, whose vjp is right, but is computed by the helper."""
    return record(np.exp(x.data), (x,), lambda g, y: helper(g, y))


@pytest.mark.parametrize("f", [user, lambda x: F.tanh(user(x) * x)], ids=["alone", "in a larger graph"])
def test_a_helper_with_a_wrong_vjp_is_blamed_itself_and_not_the_vjp_that_calls_it(f):
    assert gradcheck(f, [X])
    report = gradcheck(f, [X], order=2)
    assert not report and (report.operation.name, report.operation.within) == ("helper", "user")
    assert [a.name for a in report.operation.arguments if a.wrong] == ["argument 1"] and report.cause.code == "sign"
    assert report.operation.line == line_of(helper, "return record")


def test_a_layer_with_a_vjp_that_uses_data_is_named_to_second_order():
    class Layer(nn.Module):
        def forward(self, x):
            return tanh_of_data(x)

    operation = gradcheck(generator(Layer()), [X], order=2).operation
    assert (operation.name, operation.layer) == ("tanh_of_data", "body.1 (Layer)")


# --- causes ---

RNG = np.random.default_rng(1)
POSITIVE = RNG.uniform(0.5, 2.0, (3, 5))
SQUARE, OTHER, TALL, ROW = (RNG.standard_normal(shape) for shape in ((4, 4), (4, 4), (7, 3), (5,)))
REPEATS = np.array([2, 0, 2, 1])
RANDOM = RNG.standard_normal((4, 4))


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def softmax(x):
    return np.exp(x) / np.exp(x).sum(1, keepdims=True)


def normalise(x):
    return (x - x.mean(0)) / x.std(0)


def multiply(a, b):
    return a * b


def add(a, b):
    return a + b


def changed(change, vjp):
    """A vjp whose result is copied, and spoilt by `change`."""
    def wrong(g, x):
        x_bar = vjp(g, x).copy()
        change(x_bar)
        return x_bar

    return wrong


def overwritten(g, x):
    x_bar = np.zeros_like(x)
    x_bar[REPEATS] = g
    return x_bar


def columns_left_out(x_bar):
    x_bar[:, [0, -1]] = 0


def one_nan(x_bar):
    x_bar[1, 2] = np.nan


# name: (forward, wrong vjp, inputs, code, what the text says)
CAUSES = {
    "sign": (np.sin, lambda g, x: -g * np.cos(x), [X], "sign", "−1 times"),
    "sum for mean": (lambda x: x.mean(0), lambda g, x: np.broadcast_to(g, x.shape), [X], "scale", "3 times .* axis 0"),
    "mean for sum": (add, lambda g, a, b: (g, g.mean(0)), [X, ROW], "scale", "0.333333 .* mean where a sum"),
    "a factor 2": (np.square, lambda g, x: g * x, [X], "scale", "0.5 times"),
    "zero": (multiply, lambda g, a, b: (g * b, 0 * a), [X, POSITIVE], "zero", "gradient of b is identically zero"),
    "g ignored": (np.exp, lambda g, x: np.exp(x), [X], "upstream", "g is ignored"),
    "g twice": (np.exp, lambda g, x: g * g * np.exp(x), [X], "upstream", "g²"),
    "swapped": (multiply, lambda g, a, b: (g * a, g * b), [X, POSITIVE], "swapped", "gradient of b: .* swapped"),
    "transposed": (lambda x: x.T.copy(), lambda g, x: g, [SQUARE], "transposed", "transposed"),
    "a factor transposed": (lambda a, b: a @ b, lambda g, a, b: (g @ b, a.T @ g), [SQUARE, OTHER], "transposed", "b "),
    "flipped": (lambda x: x[:, ::-1].copy(), lambda g, x: g, [X], "flipped", "axis 1"),
    "shifted": (lambda x: np.roll(x, 1, 1), lambda g, x: g, [X], "shifted", "axis 1"),
    "BatchNorm without the mean of g": (
        normalise, lambda g, y, x: (g - y * (g * y).mean(0)) / x.std(0), [TALL], "mean term", "constant along axis 0"),
    "BatchNorm without both means": (normalise, lambda g, x: g / x.std(0), [TALL], "mean term", "axis 0"),
    "softmax without its sum": (softmax, lambda g, y, x: g * y, [X], "mean term", "y along axis 1"),
    "softmax's diagonal": (softmax, lambda g, y, x: g * y * (1 - y), [X], "diagonal", "diagonal of the Jacobian"),
    "factor y": (sigmoid, lambda g, y, x: g * (1 - y), [X], "factor", "missing"),
    "factor 1 − y": (sigmoid, lambda g, y, x: g * y, [X], "factor", "missing"),
    "only x < 0": (
        np.tanh, lambda g, y, x: g * (1 - y * y) * np.where(x < 0, 2, 1), [X], "region", r"only where \S+ < 0"),
    "a slope": (lambda x: np.where(x > 0, x, 0.2 * x), lambda g, x: g * np.where(x > 0, 1, 0.3), [X], "region", "< 0"),
    "border": (np.sin, changed(columns_left_out, lambda g, x: g * np.cos(x)), [X], "border", "0, 4 along axis 1"),
    "overwritten": (lambda x: x[REPEATS], overwritten, [X], "overwritten", r"only the last one.*\+="),
    "not summed": (add, lambda g, a, b: (g, g), [X, ROW], "shape", r"b has shape \(3, 5\).* \(5,\).*axis 0"),
    "not summed, kept": (add, lambda g, a, b: (g, g), [X, ROW[:3, None]], "shape", r"\(3, 5\).* \(3, 1\).*axis 1"),
    "not reshaped": (add, lambda g, a, b: (g, g.sum(1)), [X, ROW[:3, None]], "shape", "a reshape is missing"),
    "float16": (np.exp, lambda g, x: (g * np.exp(x)).astype(np.float16), [X], "precision", "float16"),
    "an eps": (np.log, lambda g, x: g / (x + 1e-4), [POSITIVE], "precision", "eps"),
    "one NaN": (np.sin, changed(one_nan, lambda g, x: g * np.cos(x)), [X], "non-finite", "1 of 15"),
    "a constant added": (np.exp, lambda g, x: g * np.exp(x) + 0.1, [X], "added", "g = 0"),
    "clipped": (np.exp, lambda g, x: np.clip(g * np.exp(x), -1, 1), [X], "clipped", "±1"),
    "nonsense": (lambda x: np.sin(x @ SQUARE), lambda g, x: (g * RANDOM) @ OTHER, [RNG.standard_normal((4, 4))],
                 "not sure", "no known mistake"),
}


@pytest.mark.parametrize("forward, vjp, inputs, code, text", CAUSES.values(), ids=CAUSES.keys())
def test_the_cause_of_a_wrong_vjp_is_found(forward, vjp, inputs, code, text):
    for seed in range(3):
        cause = gradcheck((forward, vjp), inputs, seed=seed).cause
        assert cause.code == code and re.search(text, cause.text), cause


@pytest.mark.parametrize("name", ["sign", "g ignored", "factor 1 − y", "only x < 0", "a slope", "border", "flipped"])
def test_the_cause_of_a_wrong_vjp_of_a_large_argument_is_found(name):
    forward, vjp, _, code, _ = CAUSES[name]
    cause = gradcheck((forward, vjp), [np.random.default_rng(2).standard_normal((30, 40))]).cause
    assert cause.code == code, cause


def test_a_right_pair_has_no_cause():
    assert gradcheck((multiply, lambda g, a, b: (g * b, g * a)), [X, POSITIVE]).cause is None


# --- a gradient within the function: the gradient penalty of WGAN-GP ---


def squared_by_data(x):
    """x², whose vjp is right as a number and a constant when it is differentiated again."""
    return record(x.data ** 2, (x,), lambda g, y: Tensor(g.data * 2 * x.data))


@pytest.mark.parametrize("D", [
    lambda x, w: F.sum(squared_by_data(x @ w)), lambda x, w: F.sum(F.tanh(squared_by_data(x) @ w)),
], ids=["after a product", "before a product"])
def test_an_operation_that_spoils_a_gradient_penalty_is_blamed_and_not_its_neighbour(D):
    x, w = np.random.default_rng(0).standard_normal((5, 3)), np.random.default_rng(1).standard_normal((3, 2))

    def penalty(w):
        x_hat = Tensor(x)
        (g,) = grad(D(x_hat, w), [x_hat], create_graph=True)
        return F.mean((F.sqrt(F.sum(g * g, 1)) - 1.0) ** 2)

    report = gradcheck(penalty, [w])
    assert not report and report.operation.name == "squared_by_data" and report.cause.code == "detached"


def test_an_operation_that_cuts_a_gradient_penalty_off_is_blamed_and_not_its_neighbour():
    D = nn.Sequential(nn.Linear(3, 4, rng=0), nn.Linear(4, 1, rng=1)).astype(np.float64)

    @no_grad()
    def by_numbers(g, y):
        return g * 2.0

    def doubled(x):
        return record(2.0 * x.data, (x,), by_numbers)

    def penalty(*_):
        x_hat = Tensor(np.random.default_rng(0).standard_normal((5, 3)))
        (g,) = grad(F.sum(D[1](doubled(F.tanh(D[0](x_hat))))), [x_hat], create_graph=True)
        return F.mean((F.sqrt(F.sum(g * g, 1)) - 1.0) ** 2)

    report = gradcheck(penalty, D.parameters())
    assert not report and report.operation.name == "doubled" and report.cause.code == "detached"
