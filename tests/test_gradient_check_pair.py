"""A bare pair (forward, vjp) of functions of arrays: the forms it may have, and what can be amiss with one."""

import inspect

import numpy as np
import pytest

from minigan import MiniganError, Tensor, gradcheck
from minigan import functional as F

A, B = np.random.default_rng(0).standard_normal((2, 3, 5))


def multiply(a, b):
    return a * b


def exp(x):
    return np.exp(x)


def exp_vjp(g, x):
    return g * np.exp(x)


# --- the forms ---


@pytest.mark.parametrize("vjp", [
    lambda g, a, b: (g * b, g * a), lambda g, a, b: [g * b, g * a],
    (lambda g, a, b: g * b, lambda g, a, b: g * a), [lambda g, a, b: g * b, lambda g, a, b: g * a],
], ids=["tuple of results", "list of results", "tuple of vjps", "list of vjps"])
def test_several_arguments_have_several_gradients(vjp):
    report = gradcheck((multiply, vjp), [A, B])
    assert report and [a.checked for a in report.arguments] == [15, 15]


@pytest.mark.parametrize("vjp, wrong", [
    (lambda g, a, b: (g * b, g * a * 2), ["b"]), (lambda g, a, b: (g * b * 2, g * a), ["a"]),
    ((lambda g, a, b: g * b, lambda g, a, b: g * a * 2), ["b"]),
    ((lambda g, a, b: g * b * 2, lambda g, a, b: g * a), ["a"]),
])
def test_of_several_gradients_the_wrong_one_is_named(vjp, wrong):
    report = gradcheck((multiply, vjp), [A, B])
    assert [a.name for a in report.arguments if a.wrong] == wrong


@pytest.mark.parametrize("vjp", [exp_vjp, lambda g, x: (exp_vjp(g, x),), (exp_vjp,)],
                         ids=["bare", "in a tuple of results", "in a tuple of vjps"])
def test_one_argument_has_one_gradient(vjp):
    assert gradcheck((exp, vjp), [A])


def test_a_pair_may_be_a_list():
    assert gradcheck([exp, exp_vjp], [A])


def test_a_vjp_with_a_parameter_y_is_given_the_output():
    assert gradcheck((exp, lambda g, y, x: g * y), [A])


def test_of_a_tuple_of_vjps_only_those_with_a_parameter_y_are_given_the_output():
    vjps = (lambda g, a, b: g / b, lambda g, y, a, b: -g * y / b)
    assert gradcheck((lambda a, b: a / b, vjps), [A, np.abs(B) + 0.5])


def test_where_y_is_an_argument_of_the_forward_it_is_that_argument():
    assert gradcheck((lambda x, y: x * y, lambda g, x, y: (g * y, g * x)), [A, B])


def test_a_single_input_may_be_given_without_a_list():
    assert gradcheck((exp, exp_vjp), A)


def test_results_may_be_tensors():
    assert gradcheck((lambda x: Tensor(np.exp(x)), lambda g, x: Tensor(exp_vjp(g, x))), [A])


def test_a_pair_may_give_a_number():
    assert gradcheck((lambda x: float((x * x).sum()), lambda g, x: 2 * g * x), [A])


def test_integers_are_numbers():
    """np.sign and masks are of no floating point type."""
    counts = np.arange(15).reshape(3, 5)
    report = gradcheck((lambda x: (x * counts).sum(), lambda g, x: counts), [A], cotangent=np.array(1.0))
    assert report, report


def test_an_integer_result_is_flat_and_not_a_crash():
    report = gradcheck((lambda x: (x > 0).astype(int), lambda g, x: np.zeros(x.shape, int)), [A])
    assert not report and report.cause.code == "nothing tested"


def test_arguments_are_named_as_in_the_signature():
    def forward(image, kernel):
        return image * kernel

    report = gradcheck((forward, lambda g, image, kernel: (g * kernel, g * kernel)), [A, B])
    assert [a.name for a in report.arguments] == ["image", "kernel"] and "WRONG kernel (3, 5)" in str(report)


@pytest.mark.parametrize("forward, names", [
    (lambda *xs: xs[0] * xs[1], ["argument 0", "argument 1"]), (lambda a, b, c=1: a * b, ["a", "b"]),
], ids=["any number of arguments", "a default"])
def test_arguments_are_numbered_where_the_signature_does_not_name_them(forward, names):
    report = gradcheck((forward, lambda g, a, b: (g * b, g * a)), [A, B])
    assert report and [a.name for a in report.arguments] == names


def test_the_forward_names_the_operation():
    report = gradcheck((multiply, lambda g, a, b: (g * b, -g * a)), [A, B])
    assert report.operation.name == "multiply"


def test_pairs_are_not_checked_to_second_order():
    with pytest.raises(MiniganError, match=r"no graph to differentiate again.*record"):
        gradcheck((exp, exp_vjp), [A], order=2)


def test_inputs_of_a_pair_must_be_float64():
    with pytest.raises(MiniganError, match="must be float64"):
        gradcheck((exp, exp_vjp), [A.astype(np.float32)])


# --- what can be amiss ---


def forgets_to_return(*args):
    pass


def still_blank(*args):
    raise NotImplementedError


def still_dots(*args):
    return ...


def raises(*args):
    x = args[-1]
    return x @ np.ones((7, 7))


def no_pair_compares(pair, inputs):
    """The cause for which nothing at all was compared."""
    report = gradcheck(pair, inputs)
    assert not report and report.arguments == [] and report.problem is report.cause
    return report.cause


@pytest.mark.parametrize("pair", [
    (forgets_to_return, exp_vjp), (exp, forgets_to_return), (exp, (forgets_to_return,)),
], ids=["forward", "vjp", "one of the vjps"])
def test_a_missing_return_is_told(pair):
    cause = no_pair_compares(pair, [A])
    assert cause.code == "blank" and "forgets_to_return" in cause.text and "`return`" in cause.text


def test_a_missing_return_of_one_of_two_vjps_names_its_argument():
    cause = no_pair_compares((multiply, (lambda g, a, b: g * b, forgets_to_return)), [A, B])
    assert cause.code == "blank" and "forgets_to_return, for b" in cause.text


@pytest.mark.parametrize("pair", [(still_blank, exp_vjp), (exp, still_blank), (exp, (still_blank,))],
                         ids=["forward", "vjp", "one of the vjps"])
def test_what_is_still_to_be_written_is_told(pair):
    cause = no_pair_compares(pair, [A])
    assert cause.code == "blank" and "still_blank is still to be written" in cause.text


def test_dots_are_still_to_be_written():
    cause = no_pair_compares((exp, still_dots), [A])
    assert cause.code == "blank" and "still_dots" in cause.text


@pytest.mark.parametrize("pair", [(raises, exp_vjp), (exp, raises)], ids=["forward", "vjp"])
def test_an_exception_is_told_with_its_line(pair):
    cause = no_pair_compares(pair, [A])
    lines, first = inspect.getsourcelines(raises)
    place = f"line {first + len(lines) - 1} of raises: {lines[-1].strip()}"
    assert cause.code == "exception" and "raises raised ValueError: matmul" in cause.text and place in cause.text


def test_an_exception_in_a_function_that_a_vjp_calls_is_told_with_the_line_that_raised_it():
    cause = no_pair_compares((exp, lambda g, x: raises(g)), [A])
    assert "x @ np.ones((7, 7))" in cause.text


@pytest.mark.parametrize("vjp, got", [
    (lambda g, a, b: (g * b,), "1 values"), (lambda g, a, b: (g, g, g), "3 values"),
    (lambda g, a, b: g * b, "ndarray"), (lambda g, a, b: None, "NoneType"),
])
def test_a_wrong_number_of_gradients_is_told(vjp, got):
    cause = no_pair_compares((multiply, vjp), [A, B])
    assert cause.code in ("exception", "blank") and "one for each of a, b" in cause.text and got in cause.text


@pytest.mark.parametrize("n", [1, 3])
def test_a_wrong_number_of_vjps_is_told(n):
    cause = no_pair_compares((multiply, (exp_vjp,) * n), [A, B])
    assert cause.code == "exception" and f"{n} vjps for 2 arguments" in cause.text


@pytest.mark.parametrize("result", ["no", 1j, None, [1.0, [2.0]], object()], ids=lambda r: type(r).__name__)
@pytest.mark.parametrize("place", ["forward", "vjp"])
def test_a_result_that_is_no_array_of_real_numbers_is_told(result, place):
    pair = (lambda x: result, exp_vjp) if place == "forward" else (exp, lambda g, x: result)
    assert no_pair_compares(pair, [A]).code in ("exception", "blank")


def test_a_forward_in_float32_is_told():
    assert no_pair_compares((lambda x: np.exp(x).astype(np.float32), exp_vjp), [A]).code == "float32"


def test_a_vjp_in_float32_is_wrong_where_its_digits_are():
    report = gradcheck((exp, lambda g, x: exp_vjp(g, x).astype(np.float32)), [A], rtol=1e-9, atol=1e-9)
    assert not report and report.cause.code == "precision"


def test_a_forward_that_is_not_deterministic_is_told():
    rng = np.random.default_rng(0)
    assert no_pair_compares((lambda x: x * rng.random(), exp_vjp), [A]).code == "not deterministic"


def test_a_vjp_that_is_not_deterministic_is_told():
    rng = np.random.default_rng(0)
    report = gradcheck((exp, lambda g, x: exp_vjp(g, x) * (1 + 1e-3 * rng.random(x.shape))), [A])
    assert not report and report.cause.code == "not deterministic"


def overwrites(what):
    def spoilt(g, y, x):
        x_bar = g * y
        {"g": g, "y": y, "x": x}[what][0, 0] = 7.0
        return x_bar

    return spoilt


@pytest.mark.parametrize("what", ["g", "y", "x"])
def test_a_vjp_that_overwrites_what_it_is_given_is_told(what):
    cause = no_pair_compares((exp, overwrites(what)), [A])
    assert cause.code == "in place" and f"spoilt overwrites {what}," in cause.text


def test_a_forward_that_overwrites_what_it_is_given_is_told():
    def forward(x):
        x *= 2
        return x

    before = A.copy()
    cause = no_pair_compares((forward, lambda g, x: 2 * g), [A])
    assert cause.code == "in place" and "forward overwrites x" in cause.text and (before == A).all()


def test_a_forward_that_returns_what_it_is_given_is_right():
    assert gradcheck((lambda x: x, lambda g, x: g), [A])


def test_a_blank_helper_of_a_vjp_that_is_written_is_told():
    assert no_pair_compares((exp, lambda g, x: still_blank(g)), [A]).code == "blank"


def test_an_error_of_a_function_of_tensors_is_not_swallowed():
    with pytest.raises(MiniganError):
        gradcheck(lambda x: F.exp(x) @ np.ones((7, 7)), [A])
