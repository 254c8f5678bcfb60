"""Every layer but the normalising ones: its value, its derivatives to second order, its types, and PyTorch's answer."""

import copy
from typing import NamedTuple

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from minigan import MiniganError, Tensor, grad, gradcheck, nn


class Layer(NamedTuple):
    """A layer, an input's shape, its twin (a function of `torch.nn`), its `repr`, and its closed form in NumPy."""

    name: str
    make: object
    shape: tuple
    torch: object
    shown: str
    formula: object


# --- closed forms: what each layer computes, written as loops over the output's elements ---


def convolution(x, W, b=0.0, stride=(1, 1), padding=(0, 0)):
    """y[n, o, i, j] = b[o] + Σ W[o, c, k, l] x[n, c, s·i + k − p, s·j + l − p]"""
    (sh, sw), (ph, pw), (kh, kw) = stride, padding, W.shape[2:]
    x = np.pad(x, ((0, 0), (0, 0), (ph, ph), (pw, pw)))
    y = np.empty((len(x), len(W), (x.shape[2] - kh) // sh + 1, (x.shape[3] - kw) // sw + 1))
    for i, j in np.ndindex(y.shape[2:]):
        window = x[:, None, :, i * sh:i * sh + kh, j * sw:j * sw + kw]
        y[:, :, i, j] = (window * W).sum((2, 3, 4)) + b
    return y


def transposed_convolution(x, W, b=0.0, stride=(1, 1), padding=(0, 0), output_padding=(0, 0)):
    """Every pixel of x stamps the kernel, times its value, onto the output."""
    (sh, sw), (ph, pw), (kh, kw) = stride, padding, W.shape[2:]
    H, W_ = ((n - 1) * s + k + o for n, s, k, o in zip(x.shape[2:], stride, (kh, kw), output_padding))
    y = np.zeros((len(x), W.shape[1], H, W_))
    for i, j in np.ndindex(x.shape[2:]):
        y[:, :, i * sh:i * sh + kh, j * sw:j * sw + kw] += np.einsum("nc,cokl->nokl", x[:, :, i, j], W)
    return y[:, :, ph:H - ph, pw:W_ - pw] + np.reshape(b, (-1, 1, 1))


def pooling(reduce, border, x, kernel, stride, padding):
    (sh, sw), (ph, pw), (kh, kw) = stride, padding, kernel
    x = np.pad(x, ((0, 0), (0, 0), (ph, ph), (pw, pw)), constant_values=border)
    y = np.empty((*x.shape[:2], (x.shape[2] - kh) // sh + 1, (x.shape[3] - kw) // sw + 1))
    for i, j in np.ndindex(y.shape[2:]):
        y[:, :, i, j] = reduce(x[:, :, i * sh:i * sh + kh, j * sw:j * sw + kw], (2, 3))
    return y


LAYERS = [
    Layer("Linear", lambda: nn.Linear(5, 3, rng=1), (2, 5), lambda t: t.Linear(5, 3), "Linear(5, 3)",
          lambda x, W, b: x @ W.T + b),
    Layer("Linear without bias", lambda: nn.Linear(5, 3, bias=False, rng=1), (2, 5),
          lambda t: t.Linear(5, 3, bias=False), "Linear(5, 3)", lambda x, W: x @ W.T),
    Layer("Linear on three axes", lambda: nn.Linear(5, 3, rng=1), (2, 7, 5), lambda t: t.Linear(5, 3), "Linear(5, 3)",
          lambda x, W, b: x @ W.T + b),
    Layer("Conv2d", lambda: nn.Conv2d(3, 2, 3, rng=1), (2, 3, 5, 7), lambda t: t.Conv2d(3, 2, 3),
          "Conv2d(3, 2, kernel_size=(3, 3), stride=1, padding=0)", convolution),
    Layer("Conv2d (4, 2, 1)", lambda: nn.Conv2d(1, 3, 4, 2, 1, rng=1), (2, 1, 6, 8), lambda t: t.Conv2d(1, 3, 4, 2, 1),
          "Conv2d(1, 3, kernel_size=(4, 4), stride=2, padding=1)",
          lambda x, W, b: convolution(x, W, b, (2, 2), (1, 1))),
    Layer("Conv2d, rectangular, without bias", lambda: nn.Conv2d(3, 2, (3, 2), (1, 2), (0, 1), bias=False, rng=1),
          (2, 3, 5, 7), lambda t: t.Conv2d(3, 2, (3, 2), (1, 2), (0, 1), bias=False),
          "Conv2d(3, 2, kernel_size=(3, 2), stride=(1, 2), padding=(0, 1))",
          lambda x, W: convolution(x, W, 0.0, (1, 2), (0, 1))),
    Layer("ConvTranspose2d", lambda: nn.ConvTranspose2d(3, 2, 3, rng=1), (2, 3, 3, 5),
          lambda t: t.ConvTranspose2d(3, 2, 3), "ConvTranspose2d(3, 2, kernel_size=(3, 3), stride=1, padding=0)",
          transposed_convolution),
    Layer("ConvTranspose2d (4, 2, 1)", lambda: nn.ConvTranspose2d(3, 1, 4, 2, 1, rng=1), (2, 3, 3, 5),
          lambda t: t.ConvTranspose2d(3, 1, 4, 2, 1), "ConvTranspose2d(3, 1, kernel_size=(4, 4), stride=2, padding=1)",
          lambda x, W, b: transposed_convolution(x, W, b, (2, 2), (1, 1))),
    Layer("ConvTranspose2d, rectangular, output padding, without bias",
          lambda: nn.ConvTranspose2d(3, 2, (3, 2), (2, 3), (1, 0), (1, 2), bias=False, rng=1), (2, 3, 3, 5),
          lambda t: t.ConvTranspose2d(3, 2, (3, 2), (2, 3), (1, 0), (1, 2), bias=False),
          "ConvTranspose2d(3, 2, kernel_size=(3, 2), stride=(2, 3), padding=(1, 0), output_padding=(1, 2))",
          lambda x, W: transposed_convolution(x, W, 0.0, (2, 3), (1, 0), (1, 2))),
    Layer("MaxPool2d", lambda: nn.MaxPool2d(2), (2, 3, 5, 7), lambda t: t.MaxPool2d(2),
          "MaxPool2d(2, stride=2, padding=0)", lambda x: pooling(np.max, -np.inf, x, (2, 2), (2, 2), (0, 0))),
    Layer("MaxPool2d, overlapping, padded", lambda: nn.MaxPool2d((3, 2), (2, 1), (1, 0)), (2, 3, 5, 7),
          lambda t: t.MaxPool2d((3, 2), (2, 1), (1, 0)), "MaxPool2d((3, 2), stride=(2, 1), padding=(1, 0))",
          lambda x: pooling(np.max, -np.inf, x, (3, 2), (2, 1), (1, 0))),
    Layer("AvgPool2d", lambda: nn.AvgPool2d(2), (2, 3, 5, 7), lambda t: t.AvgPool2d(2),
          "AvgPool2d(2, stride=2, padding=0)", lambda x: pooling(np.mean, 0.0, x, (2, 2), (2, 2), (0, 0))),
    Layer("AvgPool2d, overlapping, padded", lambda: nn.AvgPool2d((3, 2), (2, 1), (1, 0)), (2, 3, 5, 7),
          lambda t: t.AvgPool2d((3, 2), (2, 1), (1, 0)), "AvgPool2d((3, 2), stride=(2, 1), padding=(1, 0))",
          lambda x: pooling(np.mean, 0.0, x, (3, 2), (2, 1), (1, 0))),
    Layer("GlobalAvgPool2d", lambda: nn.GlobalAvgPool2d(), (2, 3, 5, 7),
          lambda t: t.Sequential(t.AdaptiveAvgPool2d(1), t.Flatten()), "GlobalAvgPool2d()",
          lambda x: x.reshape(2, 3, 35).sum(2) / 35),
    Layer("GlobalSumPool2d", lambda: nn.GlobalSumPool2d(), (2, 3, 5, 7),
          lambda t: t.Sequential(t.LPPool2d(1, (5, 7)), t.Flatten()), "GlobalSumPool2d()",
          lambda x: x.reshape(2, 3, 35).sum(2)),
    Layer("Upsample2d", lambda: nn.Upsample2d(), (2, 3, 5, 7), lambda t: t.Upsample(scale_factor=2), "Upsample2d(2)",
          lambda x: np.kron(x, np.ones((2, 2)))),
    Layer("Upsample2d by 3", lambda: nn.Upsample2d(3), (2, 3, 5, 7), lambda t: t.Upsample(scale_factor=3),
          "Upsample2d(3)", lambda x: np.kron(x, np.ones((3, 3)))),
    Layer("Flatten", lambda: nn.Flatten(), (2, 3, 5, 7), lambda t: t.Flatten(), "Flatten()",
          lambda x: x.reshape(2, 105)),
    Layer("Unflatten", lambda: nn.Unflatten(3, 5, 7), (2, 105), lambda t: t.Unflatten(1, (3, 5, 7)),
          "Unflatten((3, 5, 7))", lambda x: x.reshape(2, 3, 5, 7)),
    Layer("Unflatten, shape as a tuple", lambda: nn.Unflatten((3, 5)), (2, 15), lambda t: t.Unflatten(1, (3, 5)),
          "Unflatten((3, 5))", lambda x: x.reshape(2, 3, 5)),
    Layer("ReLU", lambda: nn.ReLU(), (3, 5), lambda t: t.ReLU(), "ReLU()", lambda x: x * (x > 0)),
    Layer("LeakyReLU, slope 0.2", lambda: nn.LeakyReLU(), (3, 5), lambda t: t.LeakyReLU(0.2), "LeakyReLU(0.2)",
          lambda x: np.where(x > 0, x, 0.2 * x)),
    Layer("LeakyReLU, slope 0.01", lambda: nn.LeakyReLU(0.01), (3, 5), lambda t: t.LeakyReLU(), "LeakyReLU(0.01)",
          lambda x: np.where(x > 0, x, 0.01 * x)),
    Layer("Tanh", lambda: nn.Tanh(), (3, 5), lambda t: t.Tanh(), "Tanh()",
          lambda x: (np.exp(x) - np.exp(-x)) / (np.exp(x) + np.exp(-x))),
    Layer("Sigmoid", lambda: nn.Sigmoid(), (3, 5), lambda t: t.Sigmoid(), "Sigmoid()", lambda x: 1 / (1 + np.exp(-x))),
    Layer("Maxout", lambda: nn.Maxout(3), (5, 6), lambda t: t.Sequential(t.Unflatten(1, (3, 2)), t.MaxPool2d((3, 1)),
                                                                         t.Flatten()),
          "Maxout(3)", lambda x: np.maximum(np.maximum(x[:, :2], x[:, 2:4]), x[:, 4:])),
    Layer("Dropout, evaluating", lambda: nn.Dropout(0.3).eval(), (3, 5), lambda t: t.Dropout(0.3).eval(),
          "Dropout(0.3)", lambda x: x),
]
each_layer = pytest.mark.parametrize("layer", LAYERS, ids=[layer.name.replace(" ", "-") for layer in LAYERS])
TESTED_ELSEWHERE = {"Module", "Parameter", "Sequential", "BatchNorm1d", "BatchNorm2d", "InstanceNorm2d", "LayerNorm",
                    "SpectralNorm", "Embedding", "GRU", "SelfAttention2d"}


def random(shape, seed=0):
    return np.random.default_rng(100 + seed).standard_normal(shape)


def test_every_layer_is_in_the_table():
    """A new layer needs a row above, or in TESTED_ELSEWHERE a name of which this is true."""
    classes = {name for name in nn.__all__ if isinstance(getattr(nn, name), type)}
    assert classes - {type(layer.make()).__name__ for layer in LAYERS} == TESTED_ELSEWHERE & classes


# --- values and derivatives ---


@each_layer
def test_a_layer_computes_its_closed_form(layer):
    module, x = layer.make().astype(np.float64), random(layer.shape)
    expected = layer.formula(x, *(p.data for p in module.parameters()))
    assert_allclose(module(Tensor(x)).data, expected, rtol=1e-12, atol=1e-12, strict=True)


@pytest.mark.parametrize("order", [1, 2])
@each_layer
def test_derivatives_with_respect_to_input_and_parameters(layer, order):
    module = layer.make().astype(np.float64)
    report = gradcheck(module, [random(layer.shape)], order, max_elements=60)
    assert report, report


@each_layer
def test_an_array_is_taken_for_an_input_too(layer):
    module, x = layer.make(), random(layer.shape).astype(np.float32)
    assert_array_equal(module(x).data, module(Tensor(x)).data)


@each_layer
def test_float32_in_float32_out_for_the_value_and_every_gradient(layer):
    module, x = layer.make(), Tensor(random(layer.shape).astype(np.float32))
    y = module(x)
    gradients = grad(y, [x, *module.parameters()], np.ones(y.shape, np.float32))
    assert {y.dtype, *(g.dtype for g in gradients)} == {np.dtype(np.float32)}


@each_layer
def test_float64_in_float64_out_for_the_value_and_every_gradient(layer):
    module, x = layer.make().astype(np.float64), Tensor(random(layer.shape))
    y = module(x)
    gradients = grad(y, [x, *module.parameters()], np.ones(y.shape))
    assert {y.dtype, *(g.dtype for g in gradients)} == {np.dtype(np.float64)}


@each_layer
def test_a_layer_leaves_its_input_alone(layer):
    x = random(layer.shape).astype(np.float32)
    before = x.tobytes()
    layer.make()(Tensor(x))
    assert x.tobytes() == before


@each_layer
def test_repr(layer):
    assert repr(layer.make()) == layer.shown


# --- against PyTorch ---


@pytest.fixture(scope="module")
def torch():
    return pytest.importorskip("torch")


@each_layer
def test_value_and_gradients_equal_pytorchs(layer, torch):
    ours, theirs = layer.make().astype(np.float64), layer.torch(torch.nn).double()
    theirs.load_state_dict({name: torch.from_numpy(array) for name, array in ours.state_dict().items()})
    x = random(layer.shape)
    x_ours, x_theirs = Tensor(x), torch.tensor(x, requires_grad=True)
    y_ours, y_theirs = ours(x_ours), theirs(x_theirs)
    g = random(y_ours.shape, seed=1)
    gradients = grad(y_ours, [x_ours, *ours.parameters()], g)
    expected = torch.autograd.grad(y_theirs, [x_theirs, *theirs.parameters()], torch.from_numpy(g))
    assert_allclose(y_ours.data, y_theirs.detach().numpy(), rtol=1e-12, atol=1e-12, strict=True)
    for a, b in zip(gradients, expected, strict=True):
        assert_allclose(a.data, b.numpy(), rtol=1e-12, atol=1e-12, strict=True)


@each_layer
def test_states_have_pytorchs_keys_shapes_and_types(layer, torch):
    def outline(state):
        return [(name, tuple(array.shape), str(array.dtype).removeprefix("torch.")) for name, array in state.items()]

    assert outline(layer.make().state_dict()) == outline(layer.torch(torch.nn).state_dict())


@each_layer
def test_pytorchs_state_loads(layer, torch):
    ours, theirs = layer.make(), layer.torch(torch.nn)
    ours.load_state_dict(theirs.state_dict())
    for name, array in theirs.state_dict().items():
        assert_array_equal(ours.state_dict()[name], array.numpy(), strict=True)


# --- arguments ---


@pytest.mark.parametrize("make, named", [
    (lambda: nn.Linear(0, 3), "in_features"), (lambda: nn.Linear(3, -1), "out_features"),
    (lambda: nn.Linear(2.0, 3), "in_features"), (lambda: nn.Conv2d(0, 1, 3), "in_channels"),
    (lambda: nn.Conv2d(1, 0, 3), "out_channels"), (lambda: nn.ConvTranspose2d(0, 1, 3), "in_channels"),
    (lambda: nn.ConvTranspose2d(1, "2", 3), "out_channels"), (lambda: nn.Upsample2d(0), "factor"),
    (lambda: nn.Upsample2d(1.5), "factor"),
])
def test_sizes_that_are_not_positive_whole_numbers_are_refused_by_name(make, named):
    with pytest.raises(MiniganError, match=named):
        make()


@pytest.mark.parametrize("kernel_size", [0, -1, 2.5, (3, 0)])
@pytest.mark.parametrize("layer", [nn.Conv2d, nn.ConvTranspose2d])
def test_a_kernel_size_that_is_not_of_positive_whole_numbers_is_refused(layer, kernel_size):
    with pytest.raises(MiniganError, match="kernel_size"):
        layer(1, 1, kernel_size)


@pytest.mark.parametrize("layer, shape", [
    (nn.Linear(5, 3), (2, 4)), (nn.Conv2d(3, 2, 3), (2, 1, 5, 5)), (nn.Conv2d(3, 2, 3), (2, 3, 5)),
    (nn.Conv2d(3, 2, 3), (2, 3, 2, 5)), (nn.ConvTranspose2d(3, 2, 3), (2, 2, 5, 5)), (nn.MaxPool2d(2), (2, 3, 4)),
    (nn.Unflatten(3, 5), (2, 14)), (nn.Upsample2d(), (2, 3, 4)),
], ids=repr)
def test_an_input_that_does_not_fit_is_refused_with_its_shape(layer, shape):
    with pytest.raises(MiniganError, match=r"\(2, "):
        layer(Tensor(np.ones(shape)))


@pytest.mark.parametrize("slope", [-0.1, 1.0, 2.0])
def test_a_slope_outside_0_to_1_is_refused(slope):
    with pytest.raises(MiniganError, match="0 ≤ slope < 1"):
        nn.LeakyReLU(slope)(Tensor(np.ones(3)))


@pytest.mark.parametrize("make", [
    lambda rng: nn.Linear(5, 3, rng=rng), lambda rng: nn.Conv2d(3, 2, 3, rng=rng),
    lambda rng: nn.ConvTranspose2d(3, 2, 3, rng=rng),
], ids=["Linear", "Conv2d", "ConvTranspose2d"])
def test_the_same_seed_makes_the_same_layer_and_another_seed_another(make):
    one, same, other = (make(seed).weight.data for seed in (1, 1, 2))
    assert np.array_equal(one, same) and not np.array_equal(one, other)


def test_layers_made_from_one_generator_differ():
    rng = np.random.default_rng(0)
    assert not np.array_equal(nn.Linear(5, 3, rng=rng).weight.data, nn.Linear(5, 3, rng=rng).weight.data)


def test_without_a_bias_there_is_no_parameter_for_it():
    layer = nn.Linear(5, 3, bias=False)
    assert layer.bias is None and list(layer.state_dict()) == ["weight"]


def test_flatten_of_an_empty_batch_keeps_the_number_of_features():
    assert nn.Flatten()(Tensor(np.ones((0, 3, 5)))).shape == (0, 15)


# --- another weight for a call ---


@pytest.mark.parametrize("layer, shape", [
    (nn.Linear(5, 3, rng=1), (2, 5)), (nn.Conv2d(3, 2, 3, 2, 1, rng=1), (2, 3, 5, 7)),
    (nn.ConvTranspose2d(3, 2, 3, 2, 1, 1, rng=1), (2, 3, 5, 7)),
], ids=repr)
def test_a_layer_takes_another_weight_for_one_call(layer, shape):
    """And keeps its bias, stride, padding, and its own weight for the next call."""
    x, other = random(shape).astype(np.float32), copy.deepcopy(layer)
    W = random(layer.weight.shape, seed=1).astype(np.float32)
    other.weight.assign(W)
    before = layer(x).data
    assert_array_equal(layer(x, Tensor(W)).data, other(x).data)
    assert_array_equal(layer(x).data, before)


# --- Dropout ---

MANY = Tensor(np.ones(100_000, np.float32))


@pytest.mark.parametrize("p", [0.1, 0.5, 0.8])
def test_dropout_sets_elements_to_zero_with_probability_p(p):
    dropped = float((nn.Dropout(p, rng=0)(MANY).data == 0).mean())
    assert abs(dropped - p) < 5 * np.sqrt(p * (1 - p) / MANY.size)


@pytest.mark.parametrize("p", [0.1, 0.5, 0.8])
def test_dropout_divides_what_it_keeps_by_1_minus_p(p):
    y = nn.Dropout(p, rng=0)(MANY).data
    assert_array_equal(np.unique(y), np.array([0, 1 / (1 - p)], np.float32))


@pytest.mark.parametrize("p", [0.1, 0.5, 0.8])
def test_dropout_keeps_the_expected_value(p):
    mean = float(nn.Dropout(p, rng=0)(MANY).data.mean(dtype=np.float64))
    assert abs(mean - 1) < 5 * np.sqrt(p / (1 - p) / MANY.size)


@pytest.mark.parametrize("axis", [0, 1])
def test_dropout_drops_elements_one_by_one_not_rows_or_columns(axis):
    y = nn.Dropout(0.5, rng=0)(Tensor(np.ones((200, 200)))).data
    assert y.any(axis).all() and not y.all(axis).any()


@pytest.mark.parametrize("layer", [nn.Dropout(0.5).eval(), nn.Dropout(0.0)], ids=["evaluating", "p = 0"])
def test_dropout_that_does_nothing_gives_its_input(layer):
    assert_array_equal(layer(MANY).data, MANY.data, strict=True)


def test_dropout_draws_a_new_mask_every_time():
    layer = nn.Dropout(0.5, rng=0)
    assert not np.array_equal(layer(MANY).data, layer(MANY).data)


def test_dropout_draws_the_same_masks_from_the_same_seed():
    one, same, other = (nn.Dropout(0.5, rng=seed)(MANY).data for seed in (1, 1, 2))
    assert np.array_equal(one, same) and not np.array_equal(one, other)


def test_dropout_draws_from_the_generator_it_is_given():
    rng = np.random.default_rng(0)
    first = nn.Dropout(0.5, rng=rng)(MANY).data
    assert_array_equal(first, nn.Dropout(0.5, rng=0)(MANY).data)
    assert not np.array_equal(first, nn.Dropout(0.5, rng=rng)(MANY).data)


@pytest.mark.parametrize("order", [1, 2])
def test_dropouts_derivatives_go_through_the_mask_of_the_forward(order):
    layer = nn.Dropout(0.4)

    def f(x):
        layer.rng = np.random.default_rng(3)
        return layer(x) * layer(x)

    report = gradcheck(f, [random((5, 7))], order)
    assert report, report


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_dropout_keeps_the_type(dtype):
    x = Tensor(np.ones((3, 5), dtype))
    y = nn.Dropout(0.3)(x)
    assert (y.dtype, grad(y.sum(), x).dtype) == (dtype, dtype)


@pytest.mark.parametrize("p", [-0.1, 1, 1.5, float("nan")])
def test_a_probability_outside_0_to_1_is_refused(p):
    with pytest.raises(MiniganError, match=r"0 ≤ p < 1.*got"):
        nn.Dropout(p)
