"""Functions of tensors: closed-form values, stability at extreme arguments, kinks, and adjoints of the linear ones."""

from decimal import Decimal, localcontext

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from minigan import Tensor, grad
from minigan import functional as F
from minigan.errors import ConfigError, ShapeError


def random(*shape, seed=0):
    return np.random.default_rng(seed).standard_normal(shape)


def tensor(*shape, seed=0):
    return Tensor(random(*shape, seed=seed))


def slope_at(f, x):
    """f′(x) at every element of the array x."""
    x = Tensor(x)
    return grad(f(x), x, gy=np.ones_like(x.data)).data


# --- sigmoid, softplus, log σ: exact at every logit ---

# e⁸⁹ overflows float32, e⁷¹⁰ float64.
POSITIVE = np.array([1e-300, 1e-8, 1.0, 30.0, 88.0, 89.0, 709.0, 710.0, 1e4])
LOGITS = np.concatenate([-POSITIVE, [0.0], POSITIVE])


def exact(name, x):
    """σ(x), log(1 + eˣ) or log σ(x) to 50 digits, rounded once at the end."""
    with localcontext() as context:
        context.prec = 50
        context.Emin = -10 ** 6
        x = Decimal(float(x))
        if name == "log_sigmoid":
            return -softplus_50_digits(-x)
        return softplus_50_digits(x) if name == "softplus" else 1 / (1 + (-x).exp())


def softplus_50_digits(x):
    e = (-abs(x)).exp()
    log1p = e - e ** 2 / 2 + e ** 3 / 3 - e ** 4 / 4 if e < Decimal("1e-12") else (1 + e).ln()
    return max(x, Decimal(0)) + log1p


@pytest.mark.parametrize("name", ["sigmoid", "softplus", "log_sigmoid"])
def test_float64_value_is_exact_at_every_logit(name):
    expected = [float(exact(name, x)) for x in LOGITS]
    assert_allclose(getattr(F, name)(Tensor(LOGITS)).data, expected, rtol=1e-12, atol=0)


@pytest.mark.parametrize("name", ["sigmoid", "softplus", "log_sigmoid"])
def test_float32_value_is_exact_at_every_logit(name):
    x = LOGITS.astype(np.float32)
    expected = [float(exact(name, v)) for v in x]
    y = getattr(F, name)(Tensor(x)).data
    assert y.dtype == np.float32
    assert_allclose(y, expected, rtol=1e-6, atol=np.finfo(np.float32).tiny)


@pytest.mark.parametrize("dtype, rtol", [(np.float64, 1e-12), (np.float32, 1e-6)])
def test_gradient_of_softplus_is_sigma_at_every_logit(dtype, rtol):
    x = LOGITS.astype(dtype)
    expected = [float(exact("sigmoid", v)) for v in x]
    assert_allclose(slope_at(F.softplus, x), expected, rtol=rtol, atol=0 if dtype == np.float64 else 1e-37)


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize("name, bound", [("sigmoid", 0.25), ("softplus", 1), ("log_sigmoid", 1)])
def test_gradient_is_finite_and_bounded_at_every_logit(name, bound, dtype):
    slopes = slope_at(getattr(F, name), LOGITS.astype(dtype))
    assert slopes.dtype == dtype
    assert np.all((slopes >= 0) & (slopes <= bound))


@pytest.mark.parametrize("name, bound", [("sigmoid", 0.1), ("softplus", 0.25), ("log_sigmoid", 0.25)])
def test_second_derivative_is_finite_and_bounded_at_every_logit(name, bound):
    x = Tensor(LOGITS)
    slopes = grad(getattr(F, name)(x), x, gy=np.ones_like(LOGITS), create_graph=True)
    assert np.all(np.abs(grad(slopes, x, gy=np.ones_like(LOGITS)).data) <= bound)


@pytest.mark.parametrize("x", [0.0, -0.0, 1e-300, -1e-300])
def test_sigma_of_zero_is_exactly_one_half(x):
    assert F.sigmoid(Tensor(np.float64(x))).item() == 0.5


@pytest.mark.parametrize("f", [F.softplus, F.log_sigmoid])
@pytest.mark.parametrize("x", [0.0, 1e-300, -1e-300])
def test_slope_at_zero_is_exactly_one_half(f, x):
    assert slope_at(f, np.float64(x)) == 0.5


@pytest.mark.parametrize("name, limits", [("sigmoid", [1, 0]), ("softplus", [np.inf, 0]), ("log_sigmoid", [0, -np.inf]),
                                          ("tanh", [1, -1]), ("relu", [np.inf, 0]), ("abs", [np.inf, np.inf])])
def test_infinity_goes_to_the_limit(name, limits):
    assert_array_equal(getattr(F, name)(Tensor([np.inf, -np.inf])).data, limits)


# --- elementwise: values, kinks, faults ---

UNARY = {
    "exp": (F.exp, np.exp), "log": (F.log, np.log), "sqrt": (F.sqrt, np.sqrt), "abs": (F.abs, np.abs),
    "tanh": (F.tanh, np.tanh),
    "sigmoid": (F.sigmoid, lambda x: 1 / (1 + np.exp(-x))),
    "softplus": (F.softplus, lambda x: np.log(1 + np.exp(x))),
    "log_sigmoid": (F.log_sigmoid, lambda x: -np.log(1 + np.exp(-x))),
    "relu": (lambda x: F.relu(x - 1), lambda x: np.where(x > 1, x - 1, 0)),
    "leaky_relu": (lambda x: F.leaky_relu(x - 1), lambda x: np.where(x > 1, x - 1, 0.2 * (x - 1))),
    "softmax": (F.softmax, lambda x: np.exp(x) / np.exp(x).sum(-1, keepdims=True)),
    "log_softmax": (F.log_softmax, lambda x: x - np.log(np.exp(x).sum(-1, keepdims=True))),
    "mean": (F.mean, np.mean), "var": (F.var, np.var), "square": (lambda x: x ** 2, np.square),
    "maximum": (lambda x: F.maximum(x, 0.5), lambda x: np.maximum(x, 0.5)),
}


@pytest.mark.parametrize("f, numpy_f", UNARY.values(), ids=UNARY)
def test_value_is_the_formula(f, numpy_f):
    x = np.array([[0.3, 1.9, 0.7], [2.2, 0.1, 1.0]])
    assert_allclose(f(Tensor(x)).data, numpy_f(x), rtol=1e-12)


@pytest.mark.parametrize("f", [f for f, _ in UNARY.values()], ids=UNARY)
def test_float32_in_gives_float32_out_and_float32_gradients_of_both_orders(f):
    x = Tensor(np.array([[0.3, 1.9], [0.7, 2.2]], np.float32))
    y = f(x)
    gx = grad(y, x, gy=np.ones_like(y.data), create_graph=True)
    gxx = grad(gx, x, gy=np.ones_like(gx.data), allow_unused=True)
    assert (y.dtype, gx.dtype, gxx.dtype) == (np.float32,) * 3


@pytest.mark.parametrize("f", [f for f, _ in UNARY.values()], ids=UNARY)
def test_nan_is_passed_on(f):
    assert np.isnan(f(Tensor([[np.nan, 1.0]])).data).any()


@pytest.mark.parametrize("f, at_zero", [
    (F.relu, 0), (F.abs, 0), (F.leaky_relu, 0.2), (lambda x: F.leaky_relu(x, 0.1), 0.1),
    (lambda x: F.maximum(x, 0.0), 1), (lambda x: F.maximum(0.0, x), 0),
], ids=["relu", "abs", "leaky_relu", "leaky_relu 0.1", "maximum(x, 0)", "maximum(0, x)"])
def test_derivative_at_a_kink_is_the_documented_one(f, at_zero):
    assert slope_at(f, np.zeros(1)) == at_zero


@pytest.mark.parametrize("f, below, above", [
    (F.relu, 0, 1), (F.abs, -1, 1), (F.leaky_relu, 0.2, 1), (lambda x: F.leaky_relu(x, 0.0), 0, 1),
    (lambda x: F.maximum(x, 0.0), 0, 1),
], ids=["relu", "abs", "leaky_relu", "leaky_relu 0", "maximum(x, 0)"])
def test_derivative_beside_a_kink(f, below, above):
    assert_allclose(slope_at(f, np.array([-3.0, -1e-9, 1e-9, 3.0])), [below, below, above, above], rtol=1e-15)


@pytest.mark.parametrize("f", [F.relu, F.leaky_relu, F.abs, lambda x: F.maximum(x, 0.0)],
                         ids=["relu", "leaky_relu", "abs", "maximum"])
def test_second_derivative_beside_a_kink_is_zero(f):
    x = Tensor([-2.0, 3.0])
    gx = grad(f(x), x, gy=np.ones(2), create_graph=True)
    assert_array_equal(grad(gx, x, gy=np.ones(2), allow_unused=True).data, np.zeros(2))


@pytest.mark.parametrize("f", [F.relu, F.leaky_relu], ids=["relu", "leaky_relu"])
def test_gradient_of_a_rectifier_at_infinity_is_finite(f):
    assert np.isfinite(slope_at(f, np.array([np.inf, -np.inf]))).all()


def test_leaky_relu_of_infinity_with_slope_zero_is_that_of_relu():
    x = Tensor([np.inf, -np.inf])
    assert_array_equal(F.leaky_relu(x, 0.0).data, F.relu(x).data)


@pytest.mark.parametrize("slope", [-0.1, 1, 1.5, np.nan, np.inf])
def test_a_slope_out_of_range_is_refused(slope):
    with pytest.raises(ConfigError, match=r"leaky_relu.*slope.*0 ≤ slope < 1"):
        F.leaky_relu(tensor(3), slope)


def test_leak_is_the_gradient_where_y_is_positive_and_slope_times_it_elsewhere():
    assert_allclose(F.leak(Tensor([1.0, 2.0, 3.0]), Tensor([1.0, 0.0, -1.0]), 0.25).data, [1, 0.5, 0.75])


def test_leak_of_float32_is_float32():
    assert F.leak(*(Tensor(np.ones(3, np.float32)) for _ in "gy"), 0.2).dtype == np.float32


def test_leak_is_linear_in_g():
    g, h, y = tensor(5, seed=1), tensor(5, seed=2), tensor(5, seed=3)
    assert_allclose(F.leak(2.0 * g - h, y, 0.2).data, 2 * F.leak(g, y, 0.2).data - F.leak(h, y, 0.2).data, rtol=1e-12)


def test_leak_is_its_own_vjp():
    g, h, y = tensor(5, seed=1), tensor(5, seed=2), tensor(5, seed=3)
    assert_array_equal(grad(F.leak(g, y, 0.2), g, gy=h).data, F.leak(h, y, 0.2).data)


def test_leak_is_flat_in_y():
    g, y = tensor(5, seed=1), tensor(5, seed=2)
    assert_array_equal(grad(F.leak(g, y, 0.2).sum(), y, allow_unused=True).data, np.zeros(5))


# --- maximum and where ---


def test_maximum_sends_the_gradient_to_the_larger_and_a_tie_to_a():
    a, b = Tensor([1.0, 5.0, 3.0]), Tensor([2.0, 4.0, 3.0])
    ga, gb = grad(F.maximum(a, b), [a, b], gy=[1.0, 2.0, 3.0])
    assert_array_equal([ga.data, gb.data], [[0, 2, 3], [1, 0, 0]])


def test_equal_largest_ones_share_the_gradient_of_max():
    x = Tensor([[1.0, 5.0, 5.0], [3.0, 2.0, 1.0]])
    y = F.max(x, axis=1)
    assert_array_equal(y.data, [5, 3])
    assert_array_equal(grad(y.sum(), x).data, [[0, 0.5, 0.5], [1, 0, 0]])


def test_max_names_an_axis_that_there_is_not():
    with pytest.raises(ShapeError, match=r"max: .*axis 2"):
        F.max(Tensor(np.zeros((3, 5))), 2)


def test_max_keeps_its_axis_if_asked():
    x = random(3, 5, 2)
    assert_array_equal(F.max(x, 1, keepdims=True).data, x.max(1, keepdims=True))
    assert_array_equal(F.max(x, -1).data, x.max(-1))


@pytest.mark.parametrize("axis", [None, 1, (0, 2)])
def test_norm_is_numpys(axis):
    x = random(3, 5, 2)
    assert_allclose(F.norm(x, axis).data, np.sqrt((x**2).sum(axis)), rtol=1e-15)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_the_slope_of_norm_is_zero_at_its_kink_to_every_order(dtype):
    x = Tensor(np.zeros((2, 3), dtype))
    (g,) = grad(F.norm(x, 1).sum(), [x], create_graph=True)
    assert_array_equal(g.data, 0)
    assert_array_equal(grad((g * g).sum(), x).data, 0)


def test_maximum_broadcasts_and_sums_its_gradients():
    a, b = Tensor([[1.0], [5.0]]), Tensor([2.0, 4.0, 6.0])
    ga, gb = grad(F.maximum(a, b).sum(), [a, b])
    assert_array_equal(ga.data, [[0], [2]])
    assert_array_equal(gb.data, [1, 1, 2])


@pytest.mark.parametrize("f", [F.maximum, lambda a, b: F.maximum(b, a)], ids=["(nan, 1)", "(1, nan)"])
def test_maximum_passes_nan_on_from_either_side(f):
    assert np.isnan(f(Tensor([np.nan]), Tensor([1.0])).data).all()


def test_maximum_with_a_number_keeps_all_digits_of_float64():
    assert F.maximum(Tensor(np.zeros(1)), 0.1).data == 0.1


def test_where_takes_a_where_the_mask_is_true_and_splits_the_gradient():
    mask = np.array([True, False, True])
    a, b = tensor(3, seed=1), tensor(3, seed=2)
    y = F.where(mask, a, b)
    ga, gb = grad(y, [a, b], gy=[1.0, 2.0, 3.0])
    assert_array_equal(y.data, np.where(mask, a.data, b.data))
    assert_array_equal([ga.data, gb.data], [[1, 0, 3], [0, 2, 0]])


def test_where_broadcasts_a_mask_and_sums_its_gradients():
    mask = np.array([[True], [False]])
    a, b = tensor(3, seed=1), tensor(2, 1, seed=2)
    ga, gb = grad(F.where(mask, a, b).sum(), [a, b])
    assert_array_equal(ga.data, [1, 1, 1])
    assert_array_equal(gb.data, [[0], [3]])


def test_where_takes_numbers_on_either_side():
    mask, x = np.array([True, False]), Tensor([1.0, 2.0])
    assert_array_equal([F.where(mask, x, 7).data, F.where(mask, 7.0, x).data], [[1, 7], [7, 2]])


def test_where_keeps_nan_of_the_other_side_out_of_the_gradient():
    a, b = Tensor([1.0, np.nan]), Tensor([np.nan, 1.0])
    ga, gb = grad(F.where(np.array([True, False]), a, b).sum(), [a, b])
    assert_array_equal([ga.data, gb.data], [[1, 0], [0, 1]])


@pytest.mark.parametrize("constant", [0.5, 1, np.float64(0.5), np.array([0.5, 0.5]), np.array([1, 2])],
                         ids=["float", "int", "np.float64", "float64 array", "int array"])
@pytest.mark.parametrize("f", [
    F.maximum, lambda x, c: F.maximum(c, x),
    lambda x, c: F.where(np.array([True, False]), x, c), lambda x, c: F.where(np.array([True, False]), c, x),
], ids=["maximum(x, c)", "maximum(c, x)", "where(x, c)", "where(c, x)"])
def test_constants_are_weak_in_maximum_and_where(f, constant):
    x = Tensor(np.array([0.3, 0.7], np.float32))
    y = f(x, constant)
    assert (y.dtype, grad(y.sum(), x).dtype) == (np.float32, np.float32)


# --- over axes ---


@pytest.mark.parametrize("keepdims", [False, True])
@pytest.mark.parametrize("axis", [None, 0, -1, (0, 2)], ids=str)
@pytest.mark.parametrize("f, numpy_f", [(F.mean, np.mean), (F.var, np.var)], ids=["mean", "var"])
def test_mean_and_var_are_numpys(f, numpy_f, axis, keepdims):
    x = random(2, 3, 5)
    y, expected = f(Tensor(x), axis, keepdims).data, numpy_f(x, axis=axis, keepdims=keepdims)
    assert y.shape == expected.shape
    assert_allclose(y, expected, rtol=1e-12)


def test_gradient_of_mean_is_one_nth():
    x = tensor(2, 3, 5)
    assert_allclose(grad(F.mean(x), x).data, np.full((2, 3, 5), 1 / 30), rtol=1e-14)


def test_gradient_of_var_is_two_nths_of_the_distance_from_the_mean():
    x = tensor(2, 5)
    expected = 2 / 5 * (x.data - x.data.mean(1, keepdims=True))
    assert_allclose(grad(F.var(x, 1).sum(), x).data, expected, rtol=1e-12)


def test_second_derivative_of_var_in_a_direction_is_two_nths_of_its_distance_from_its_mean():
    x, u = tensor(2, 5), random(2, 5, seed=1)
    gx = grad(F.var(x, 1).sum(), x, create_graph=True)
    assert_allclose(grad(gx, x, gy=u).data, 2 / 5 * (u - u.mean(1, keepdims=True)), rtol=1e-12)


def test_var_of_one_value_is_zero():
    assert F.var(Tensor([3.0])).item() == 0


@pytest.mark.parametrize("axis", [0, 1, -1])
def test_softmax_sums_to_one(axis):
    assert_allclose(F.softmax(tensor(3, 5), axis).data.sum(axis), 1, rtol=1e-14)


@pytest.mark.parametrize("f", [F.softmax, F.log_softmax])
def test_softmax_does_not_see_a_shift(f):
    x = tensor(3, 5)
    assert_allclose(f(x + 100.0).data, f(x).data, rtol=1e-12)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_softmax_of_large_values_is_finite(dtype):
    x = Tensor(np.array([[1e4, 0.0, -1e4], [-1e4, -1e4, -1e4]], dtype))
    assert_allclose(F.softmax(x).data, [[1, 0, 0], [1 / 3, 1 / 3, 1 / 3]], rtol=1e-6)


def test_log_softmax_of_large_values_is_exact():
    x = Tensor(np.array([[1e4, 0.0, -1e4]]))
    assert_array_equal(F.log_softmax(x).data, [[0, -1e4, -2e4]])


@pytest.mark.parametrize("axis", [0, 1])
def test_gradient_of_softmax_is_the_closed_form(axis):
    x, g = tensor(3, 5), random(3, 5, seed=1)
    p = F.softmax(x, axis)
    expected = p.data * (g - (g * p.data).sum(axis, keepdims=True))
    assert_allclose(grad(p, x, gy=g).data, expected, rtol=1e-10, atol=1e-14)


@pytest.mark.parametrize("axis", [0, 1])
def test_gradient_of_log_softmax_is_the_closed_form(axis):
    x, g = tensor(3, 5), random(3, 5, seed=1)
    expected = g - F.softmax(x, axis).data * g.sum(axis, keepdims=True)
    assert_allclose(grad(F.log_softmax(x, axis), x, gy=g).data, expected, rtol=1e-10, atol=1e-14)


def test_log_softmax_is_the_logarithm_of_softmax():
    x = tensor(3, 5)
    assert_allclose(F.log_softmax(x).data, np.log(F.softmax(x).data), rtol=1e-12)


# --- linear ---


@pytest.mark.parametrize("shape", [(3,), (7, 3), (2, 7, 3), (2, 5, 7, 3)], ids=str)
def test_linear_is_x_w_transposed_plus_b(shape):
    x, W, b = random(*shape, seed=1), random(4, 3, seed=2), random(4, seed=3)
    y = F.linear(Tensor(x), Tensor(W), Tensor(b))
    assert y.shape == (*shape[:-1], 4)
    assert_allclose(y.data, x @ W.T + b, rtol=1e-12)


def test_linear_needs_no_bias():
    x, W = random(7, 3, seed=1), random(4, 3, seed=2)
    assert_allclose(F.linear(Tensor(x), Tensor(W)).data, x @ W.T, rtol=1e-12)


@pytest.mark.parametrize("shape", [(3,), (7, 3), (2, 7, 3)], ids=str)
def test_gradients_of_linear_are_the_closed_forms(shape):
    x, W, b = tensor(*shape, seed=1), tensor(4, 3, seed=2), tensor(4, seed=3)
    y = F.linear(x, W, b)
    g = random(*y.shape, seed=4)
    gx, gW, gb = grad(y, [x, W, b], gy=g)
    rows, xs = g.reshape(-1, 4), x.data.reshape(-1, 3)
    assert_allclose(gx.data, g @ W.data, rtol=1e-12)
    assert_allclose(gW.data, rows.T @ xs, rtol=1e-12)
    assert_allclose(gb.data, rows.sum(0), rtol=1e-12)


def test_linear_does_not_write_into_its_bias():
    b = tensor(4)
    before = b.data.copy()
    F.linear(tensor(7, 3), tensor(4, 3), b)
    assert_array_equal(b.data, before)


@pytest.mark.parametrize("x_shape, W_shape", [((7, 5), (4, 3)), ((5,), (4, 3)), ((), (4, 3)), ((7, 3), (3,))])
def test_linear_names_both_shapes_that_do_not_fit(x_shape, W_shape):
    with pytest.raises(ShapeError, match="linear") as error:
        F.linear(tensor(*x_shape), tensor(*W_shape))
    assert str(x_shape) in str(error.value) and str(W_shape) in str(error.value)


@pytest.mark.parametrize("shape", [(3,), (1,), (), (7, 4), (1, 4)], ids=str)
def test_linear_refuses_a_bias_that_is_not_one_number_for_each_output(shape):
    with pytest.raises(ShapeError, match="linear") as error:
        F.linear(tensor(7, 3), tensor(4, 3), tensor(*shape))
    assert str(shape) in str(error.value) and "(4,)" in str(error.value)


# --- images ---


@pytest.mark.parametrize("shape", [(2, 3), (5, 2, 3), (2, 5, 2, 3)], ids=str)
@pytest.mark.parametrize("padding", [0, 1, 3])
def test_pad2d_puts_zeros_around_the_last_two_axes(shape, padding):
    x = random(*shape)
    width = [(0, 0)] * (len(shape) - 2) + [(padding, padding)] * 2
    assert_array_equal(F.pad2d(Tensor(x), padding).data, np.pad(x, width))


@pytest.mark.parametrize("factor", [1, 2, 3])
def test_upsample2d_repeats_every_pixel_in_both_directions(factor):
    x = random(2, 3, 4, 5)
    expected = x.repeat(factor, axis=2).repeat(factor, axis=3)
    assert_array_equal(F.upsample2d(Tensor(x), factor).data, expected)


# --- shapes that do not fit ---


@pytest.mark.parametrize("op, f, shapes", [
    ("maximum", lambda: F.maximum(tensor(2, 3), tensor(4)), ["(2, 3)", "(4,)"]),
    ("where", lambda: F.where(np.ones(4, bool), tensor(2, 3), 0.0), ["(4,)", "(2, 3)"]),
    ("where", lambda: F.where(np.ones((2, 3), bool), tensor(2, 3), tensor(4)), ["(2, 3)", "(4,)"]),
    ("upsample2d", lambda: F.upsample2d(tensor(2, 3, 4)), ["(2, 3, 4)"]),
    ("pad2d", lambda: F.pad2d(tensor(3), 1), ["(3,)"]),
])
def test_shapes_that_do_not_fit_are_named_with_the_operation(op, f, shapes):
    with pytest.raises(ShapeError) as error:
        f()
    assert error.value.where == op
    assert all(shape in str(error.value) for shape in shapes), str(error.value)


# --- adjoints: ⟨Ax, y⟩ = ⟨x, Aᵀy⟩ ---

TWICE = np.array([0, 2, 2, 1, 2])
LINEAR = {
    "sum": (F.sum, (2, 3, 5)),
    "sum over an axis": (lambda x: F.sum(x, 1), (2, 3, 5)),
    "sum over two axes": (lambda x: F.sum(x, (0, -1), keepdims=True), (2, 3, 5)),
    "mean": (lambda x: F.mean(x, 0), (2, 3, 5)),
    "broadcast_to": (lambda x: F.broadcast_to(x, (7, 2, 3, 5)), (2, 1, 5)),
    "sum_to": (lambda x: F.sum_to(x, (3, 1)), (2, 3, 5)),
    "reshape": (lambda x: x.reshape(5, -1), (2, 3, 5)),
    "transpose": (lambda x: x.transpose(1, 2, 0), (2, 3, 5)),
    "swapaxes": (lambda x: F.swapaxes(x, 0, 2), (2, 3, 5)),
    "neg": (F.neg, (2, 3)),
    "pad": (lambda x: F.pad2d(x, 2), (2, 3, 4, 5)),
    "crop": (lambda x: x[..., 1:-1, 2:4], (2, 3, 4, 5)),
    "upsample": (lambda x: F.upsample2d(x, 3), (2, 3, 4, 5)),
    "slice": (lambda x: x[::-2, 1:], (5, 3)),
    "index": (lambda x: x[TWICE], (3, 5)),
    "index on two axes": (lambda x: x[TWICE, TWICE], (3, 5)),
    "scatter": (lambda x: F.scatter(x, TWICE, (3, 5)), (5, 5)),
    "scatter of a slice": (lambda x: F.scatter(x, slice(1, 3), (5, 5)), (2, 5)),
    "concatenate": (lambda x: F.concatenate([x, 2.0 * x, x[:1]]), (3, 5)),
    "where": (lambda x: F.where(TWICE > 1, x, 0.0), (3, 5)),
    "leak": (lambda x: F.leak(x, random(3, 5), 0.2), (3, 5)),
    "matmul": (lambda x: x @ random(3, 5), (7, 2, 3)),
    "linear": (lambda x: F.linear(x, random(4, 3)), (7, 3)),
    "linear in its bias": (lambda b: F.linear(np.zeros((7, 3)), np.zeros((4, 3)), b), (4,)),
}


@pytest.mark.parametrize("A, shape", LINEAR.values(), ids=LINEAR)
def test_gradient_of_a_linear_function_is_its_adjoint(A, shape):
    x = tensor(*shape)
    Ax = A(x)
    y = random(*Ax.shape, seed=1)
    assert_allclose((Ax.data * y).sum(), (x.data * grad(Ax, x, gy=y).data).sum(), rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("A, shape", LINEAR.values(), ids=LINEAR)
def test_adjoint_of_the_adjoint_is_the_function_itself(A, shape):
    x, u = tensor(*shape), tensor(*shape, seed=1)
    y = Tensor(random(*A(x).shape, seed=2))
    adjoint = grad(A(x), x, gy=y, create_graph=True)
    assert_allclose(grad(adjoint, y, gy=u).data, A(u).data, rtol=1e-12, atol=1e-12)


# --- products: what is linear in each of two factors ---

BILINEAR = {
    "mul": (F.mul, (2, 3), (7, 1, 3)),
    "matmul": (F.matmul, (7, 2, 3), (3, 5)),
    "matmul of vectors": (F.matmul, (3,), (3,)),
    "linear": (F.linear, (7, 3), (5, 3)),
    "linear of a sequence": (F.linear, (2, 7, 3), (5, 3)),
}


@pytest.mark.parametrize("product, a_shape, b_shape", BILINEAR.values(), ids=BILINEAR)
def test_mixed_second_derivative_of_a_product_is_its_gradient_at_the_direction(product, a_shape, b_shape):
    # B(a, b) is linear in a, so ⟨ā, u⟩ = ⟨ȳ, B(u, b)⟩: both have the same gradient in b. And the other way round.
    a, b, u, v = tensor(*a_shape, seed=1), tensor(*b_shape, seed=2), tensor(*a_shape, seed=3), tensor(*b_shape, seed=4)
    y = product(a, b)
    g = random(*y.shape, seed=5)
    ga, gb = grad(y, [a, b], gy=g, create_graph=True)
    assert_allclose(grad(ga, b, gy=u).data, grad(product(u, b), b, gy=g).data, rtol=1e-12, atol=1e-12)
    assert_allclose(grad(gb, a, gy=v).data, grad(product(a, v), a, gy=g).data, rtol=1e-12, atol=1e-12)
