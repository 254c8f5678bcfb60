"""The verdict of a gradient check: no right derivative is accused, no wrong one excused, and no empty check passes."""

import numpy as np
import pytest
from planted_bugs import operation, product_with

from minigan import MiniganError, Tensor, grad, gradcheck, nn, no_grad
from minigan import functional as F
from minigan.samples import samples
from minigan.tensor import record

SEEDS = range(5)


# --- wrong derivatives are found ---


@pytest.mark.parametrize("f", [
    lambda x: x * x.detach(), lambda x: F.exp(Tensor(x.data)), no_grad()(F.tanh),
], ids=["half detached", "rebuilt from its data", "under no_grad"])
def test_a_graph_that_is_cut_is_found(f):
    assert not gradcheck(f, [np.linspace(0.5, 1.5, 6)])


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
    """By a derivative that is zero, and given as δ; a second argument has one, since a check of zeros alone is none."""

    def verdict(delta):
        zero = operation(np.zeros_like, [lambda g, y, x: Tensor(np.full(x.shape, delta))])
        x_bar = zero if order == 2 else lambda x: Tensor(np.full(x.shape, delta))
        f = operation(lambda x, z: z * 1.0, [lambda g, y, x, z: x_bar(x), lambda g, y, x, z: g * 1.0])
        return bool(gradcheck(f, [np.linspace(1, 2, 7), np.linspace(3, 4, 7)], order))

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


@pytest.mark.parametrize("order", [1, 2])
def test_an_operation_on_empty_arrays_is_right(order):
    assert gradcheck(F.matmul, [np.ones((0, 3)), np.ones((3, 2))], order)


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


def test_tensors_that_share_memory_are_refused():
    memory = np.linspace(1, 2, 8)
    with pytest.raises(MiniganError, match=r"argument 0 and argument 1 share memory.*copies"):
        gradcheck(F.mul, [Tensor(memory[:5]), Tensor(memory[3:])])


def test_a_parameter_that_shares_the_inputs_memory_is_refused_by_name():
    net = nn.Linear(3, 3).astype(np.float64)
    with pytest.raises(MiniganError, match="argument 0 and weight share memory"):
        gradcheck(net, [Tensor(net.weight.data[:2])])


def test_arrays_that_share_memory_are_copied():
    memory = np.linspace(1, 2, 8)
    assert gradcheck(F.mul, [memory[:5], memory[3:]])


def read_only():
    x = np.ones((3, 5))
    x.flags.writeable = False
    return x


@pytest.mark.parametrize("array", [read_only(), np.broadcast_to(np.ones(5), (3, 5))], ids=["read-only", "broadcast"])
def test_a_tensor_that_cannot_be_moved_one_element_at_a_time_is_refused(array):
    with pytest.raises(MiniganError, match=r"argument 1 cannot be moved.*read-only.*copy"):
        gradcheck(F.mul, [np.ones((3, 5)), Tensor(array)])


def test_a_writeable_broadcast_tensor_is_refused():
    array = np.lib.stride_tricks.as_strided(np.ones(5), (3, 5), (0, 8))
    assert array.flags.writeable
    with pytest.raises(MiniganError, match=r"one number for several elements"):
        gradcheck(F.exp, [Tensor(array)])


@pytest.mark.parametrize("shape", [(), (5,), (5, 3), (1, 3, 5)])
def test_a_cotangent_of_another_shape_is_refused(shape):
    with pytest.raises(MiniganError, match=r"the result's shape.*expected \(3, 5\)"):
        gradcheck(F.exp, [np.ones((3, 5))], cotangent=np.ones(shape))


@pytest.mark.parametrize("dtype", [np.float32, np.float16, int, bool])
def test_a_cotangent_that_is_not_float64_is_refused(dtype):
    with pytest.raises(MiniganError, match=rf"cotangent must be float64.*{np.dtype(dtype)}"):
        gradcheck(F.exp, [np.ones((3, 5))], cotangent=np.ones((3, 5), dtype))


def test_a_result_in_float32_is_no_check():
    report = gradcheck(lambda x: F.cast(F.exp(x), np.float32), [np.ones(3)])
    assert not report and report.problem.code == "float32" and report.arguments == []


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_a_function_that_is_not_finite_is_no_check(value):
    report = gradcheck(lambda x: x * value, [np.ones(3)])
    assert not report and report.problem.code == "non-finite" and report.arguments == []


# --- checks that say nothing, or less than they seem to ---


def test_a_check_that_has_no_weakness_has_no_notes():
    assert gradcheck(F.mul, large((3, 5), (3, 1))).notes == ()


def test_a_constant_cotangent_is_noted():
    report = gradcheck(F.exp, large((3, 5)), cotangent=np.ones((3, 5)))
    assert report and len(report.notes) == 1 and "the cotangent is constant" in report.notes[0]


def test_a_given_cotangent_of_mixed_signs_is_not_noted():
    assert gradcheck(F.exp, large((3, 5)), cotangent=large((3, 5))[0]).notes == ()


def test_a_given_cotangent_is_the_one_that_is_used():
    """Of ones, which a vjp that forgets g agrees with."""
    forgets = operation(np.exp, [lambda g, y, x: y * 1.0])
    assert gradcheck(forgets, large((3, 5)), cotangent=np.ones((3, 5))) and not gradcheck(forgets, large((3, 5)))


def test_two_arguments_with_the_same_values_are_noted():
    report = gradcheck(F.mul, large((3, 5), (3, 5))[:1] * 2)
    assert report and len(report.notes) == 1 and "argument 0 and argument 1 have the same values" in report.notes[0]


def test_an_argument_without_influence_is_noted():
    report = gradcheck(lambda x, z: F.exp(x), large((3, 5), (2,)))
    assert report and len(report.notes) == 1 and "argument 1 is zero everywhere" in report.notes[0]


@pytest.mark.parametrize("f", [
    F.relu, lambda x: x * 0.0, lambda x: F.tanh(x * 1e4),
], ids=["flat side", "zero", "saturated"])
@pytest.mark.parametrize("size", [7, 700])
def test_a_check_in_which_every_derivative_is_zero_is_false(f, size):
    report = gradcheck(f, [-np.linspace(1, 2, size)])
    assert not report and report.problem.code == "nothing tested" and report.arguments[0].flat


def test_one_derivative_that_is_not_zero_is_enough_of_a_test():
    report = gradcheck(F.relu, [np.array([-1.0, -2.0, 3.0])])
    assert report and not report.arguments[0].flat


# --- functions that change, and functions that change what they are given ---


@pytest.mark.parametrize("order", [1, 2])
def test_a_function_that_is_not_deterministic_is_told_from_a_wrong_derivative(order):
    rng = np.random.default_rng(0)
    report = gradcheck(lambda x: x * 2.0 + rng.normal(size=3) * 1e-3, [np.ones(3)], order)
    assert not report and report.problem.code == "not deterministic" and report.arguments == []


def test_a_dropout_that_draws_is_not_deterministic():
    report = gradcheck(nn.Dropout(0.5, rng=np.random.default_rng(0)), large((3, 50)))
    assert not report and report.cause.code == "not deterministic" and "eval()" in report.cause.text


def test_a_vjp_that_is_not_deterministic_is_told_from_a_wrong_one():
    rng = np.random.default_rng(0)
    f = operation(np.exp, [lambda g, y, x: g * y * (1 + 1e-3 * rng.random(y.shape))])
    report = gradcheck(f, large((3, 5)))
    assert not report and report.cause.code == "not deterministic" and "vjp" in report.cause.text


@pytest.mark.parametrize("call", range(1, 20))
def test_a_function_that_changes_once_while_it_is_checked_is_no_kink_and_no_crash(call):
    calls = []

    def f(x):
        calls.append(1)
        return record(x.data * (len(calls) in (call, call + 1)), (x,), lambda g, y: 2.0 * g)

    report = gradcheck(f, [np.ones(1)])
    assert not report and sum(a.kinks for a in report.arguments) == 0


def test_a_function_that_overwrites_its_input_is_told():
    def overwrites(x):
        x.data[0] *= 2
        return F.exp(x)

    x = Tensor(np.ones(3))
    report = gradcheck(overwrites, [x])
    assert not report and report.problem.code == "in place" and "argument 0" in report.problem.text
    assert x.data.tolist() == [1, 1, 1]


@pytest.mark.parametrize("what", ["g", "y", "x"])
def test_a_vjp_that_overwrites_what_it_is_given_is_told(what):
    def f(x):
        def vjp(g, y):
            x_bar = g.data * y.data
            {"g": g, "y": y, "x": x}[what].data[...] *= 2
            return Tensor(x_bar)

        return record(np.exp(x.data), (x,), vjp)

    x = Tensor(np.linspace(-1, 1, 6))
    report = gradcheck(f, [x])
    assert x.data.tolist() == np.linspace(-1, 1, 6).tolist()
    assert not report and report.cause.code == "in place"


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


# --- large inputs ---


def large(*shapes):
    return [np.random.default_rng(0).standard_normal(shape) for shape in shapes]


def test_an_input_of_500_elements_is_checked_in_every_one():
    assert gradcheck(F.tanh, large(500)).arguments[0].checked == 500


def test_a_larger_input_is_checked_in_20_random_elements_and_5_random_directions():
    assert gradcheck(F.tanh, large(501)).arguments[0].checked == 25


def test_a_direction_moves_every_element_by_a_half_to_one_and_a_half_steps_and_to_both_sides():
    start, moves = np.zeros(1000), []

    def f(x):
        moves.append(x.data - start)
        return x * 1.0

    gradcheck(f, [start], directions=1, eps=1e-3)
    steps = next(m for m in moves if np.count_nonzero(m) == 1000) / 1e-3
    assert 0.5 <= np.abs(steps).min() < 0.51 and 1.49 < np.abs(steps).max() <= 1.5
    assert 400 < (steps > 0).sum() < 600


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
    assert len(seen) == 20 and min(seen) < 100 and max(seen) >= 900


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
    assert gradcheck(F.tanh, large(100), max_elements=75, directions=7).arguments[0].checked == 3 + 7
