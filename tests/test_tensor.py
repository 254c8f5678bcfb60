"""The engine: what `grad` promises and refuses, how graphs live and die, and the operations of `minigan.tensor`."""

import gc
import math
import operator
import threading
import weakref

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import mutually_broadcastable_shapes
from numpy.testing import assert_allclose, assert_array_equal

from minigan import MiniganError, Tensor, grad, no_grad
from minigan import functional as F
from minigan.errors import GraphError, ShapeError
from minigan.tensor import as_tensor, record, watching


def random(*shape, seed=0):
    return np.random.default_rng(seed).standard_normal(shape)


def tensor(*shape, seed=0):
    return Tensor(random(*shape, seed=seed))


def float32(*values):
    return Tensor(np.array(values, dtype=np.float32))


def derivative(f, x, order):
    """The derivative of an elementwise f at the array x, `order` times by `grad`."""
    x = Tensor(x)
    y = f(x)
    for _ in range(order):
        y = grad(y, x, gy=np.ones(x.shape), create_graph=True, allow_unused=True)
    return y.data


# --- what a tensor holds ---


@pytest.mark.parametrize("data", [3, 0.5, True, [1, 2], [[1.0], [2.0]]])
def test_python_numbers_and_lists_become_float32(data):
    assert Tensor(data).dtype == np.float32


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
def test_a_floating_point_array_is_kept_without_a_copy(dtype):
    array = np.ones(3, dtype)
    assert Tensor(array).data is array


def test_a_numpy_scalar_keeps_its_type():
    assert Tensor(np.float64(0.1)).dtype == np.float64


@pytest.mark.parametrize("data", [np.arange(3), np.array([True]), np.int64(3), np.array([1j]), np.array([1], np.uint8)])
def test_data_that_are_not_real_numbers_are_refused_by_type(data):
    with pytest.raises(ShapeError, match=str(data.dtype)) as error:
        Tensor(data)
    assert "astype" in error.value.fix


def test_shape_ndim_size_and_len_are_those_of_the_array():
    x = tensor(2, 3)
    assert (x.shape, x.ndim, x.size, len(x)) == ((2, 3), 2, 6, 2)


def test_a_tensor_lists_its_rows_when_iterated():
    assert [row.data.tolist() for row in Tensor([[1.0, 2.0], [3.0, 4.0]])] == [[1, 2], [3, 4]]


def test_item_and_float_give_a_python_float():
    assert type(Tensor(2.5).item()) is float and type(float(Tensor(2.5))) is float


def test_item_reads_the_one_element_of_any_shape():
    assert Tensor([[2.5]]).item() == 2.5


def test_numpy_reads_a_tensor_as_an_array():
    x = tensor(2, 3)
    assert_array_equal(np.asarray(x), x.data)
    assert x.numpy() is x.data


def test_detach_gives_a_leaf_with_the_same_values():
    y = tensor(3) * 2.0
    assert y.detach().op == "leaf"
    assert_array_equal(y.detach().data, y.data)


def test_detached_values_do_not_change_with_the_tensor():
    x = tensor(3)
    c, before = x.detach(), x.data.copy()
    x.assign(np.zeros(3))
    assert_array_equal(c.data, before)


def test_as_tensor_leaves_a_tensor_as_it_is():
    x = tensor(3)
    assert as_tensor(x) is x


def test_repr_shows_values_type_and_operation():
    assert repr(float32(1, 2) + 1) == "Tensor([2. 3.], dtype=float32, op=add)"


def test_repr_of_a_leaf_names_no_operation():
    assert repr(float32(1, 2)) == "Tensor([1. 2.], dtype=float32)"


def test_repr_of_many_values_is_short():
    assert len(repr(tensor(1000))) < 200


@pytest.mark.parametrize("name, f", [
    ("add", lambda x: x + x), ("sub", lambda x: 1 - x), ("mul", lambda x: 2 * x), ("div", lambda x: 1 / x),
    ("neg", lambda x: -x), ("power", lambda x: x ** 2), ("matmul", lambda x: x @ np.eye(2)), ("sum", lambda x: x.sum()),
    ("reshape", lambda x: x.reshape(4)), ("transpose", lambda x: x.T), ("index", lambda x: x[0]),
    ("concatenate", lambda x: F.concatenate([x, x])), ("tanh", F.tanh), ("leaky_relu", F.leaky_relu),
    ("leaf", lambda x: x.detach()),
])
def test_op_is_the_name_of_the_operation(name, f):
    assert f(Tensor(np.ones((2, 2)))).op == name


# --- grad: what it promises ---


def test_one_x_gives_one_tensor():
    x = tensor(3)
    assert_array_equal(grad((x * x).sum(), x).data, 2 * x.data)


@pytest.mark.parametrize("container", [list, tuple, iter])
def test_several_xs_give_a_list_in_their_order(container):
    a, b = tensor(3, seed=1), tensor(3, seed=2)
    gradients = grad((a * b).sum(), container([b, a]))
    assert isinstance(gradients, list)
    assert_array_equal([g.data for g in gradients], [a.data, b.data])


def test_a_list_of_one_x_gives_a_list_of_one():
    x = tensor(3)
    assert [g.shape for g in grad(x.sum(), [x])] == [(3,)]


def test_no_xs_give_no_gradients():
    assert grad(tensor(3).sum(), []) == []


def test_the_same_x_twice_gets_its_gradient_twice():
    x = tensor(3)
    first, second = grad((x * x).sum(), [x, x])
    assert_array_equal(first.data, second.data)


@pytest.mark.parametrize("shape", [(), (1,), (1, 1)])
def test_a_y_of_one_element_needs_no_cotangent(shape):
    x = Tensor(np.full(shape, 3.0))
    assert_array_equal(grad(x * x, x).data, np.full(shape, 6.0))


def test_the_gradient_of_y_for_itself_is_one():
    y = tensor().sum()
    assert grad(y, y).item() == 1


def test_an_x_inside_the_graph_has_a_gradient_too():
    x = tensor(3)
    h = F.tanh(x)
    for_x, for_h = grad((h * h).sum(), [x, h])
    assert_allclose(for_h.data, 2 * h.data)
    assert_allclose(for_x.data, 2 * h.data * (1 - h.data ** 2))


def test_a_gradient_is_complete_when_one_x_was_computed_from_another():
    x = tensor(3)
    h = x * 3.0
    assert_allclose(grad((h * x).sum(), [h, x])[1].data, 6 * x.data)


def test_gy_weights_the_elements_of_y():
    x, gy = tensor(3), random(3, seed=1)
    assert_allclose(grad(x * x, x, gy=gy).data, 2 * x.data * gy)


@pytest.mark.parametrize("gy", [[1.0, 2.0, 3.0], np.array([1.0, 2.0, 3.0]), Tensor([1.0, 2.0, 3.0])], ids=type)
def test_gy_may_be_a_list_an_array_or_a_tensor(gy):
    x = tensor(3)
    assert_array_equal(grad(x * 1.0, x, gy=gy).data, [1, 2, 3])


def test_the_gradient_is_differentiable_in_gy():
    x, gy, u = tensor(3), tensor(3, seed=1), random(3, seed=2)
    gx = grad(x * x, x, gy=gy, create_graph=True)
    assert_allclose(grad(gx, gy, gy=u).data, 2 * x.data * u)


def test_without_create_graph_gradients_are_leaves():
    x = tensor(3)
    assert grad((x * x * x).sum(), x).op == "leaf"


def test_create_graph_records_even_within_no_grad():
    x = tensor(3)
    y = (x * x * x).sum()
    with no_grad():
        gx = grad(y, x, create_graph=True)
    assert_allclose(grad(gx, x, gy=np.ones(3)).data, 6 * x.data)


def test_grad_leaves_nothing_behind():
    x = tensor(3)
    grad((x * x).sum(), x)
    assert x.grad is None


def test_grad_can_be_asked_twice_of_the_same_graph():
    x = tensor(3)
    y = (F.tanh(x) * x).sum()
    assert_array_equal(grad(y, x).data, grad(y, x).data)


def test_branches_without_an_x_are_skipped():
    def vjp(g, y):
        raise AssertionError("this branch does not reach x")

    x, c = tensor(3), tensor(3)
    y = (x * record(c.data, (c,), vjp)).sum()
    assert_array_equal(grad(y, x).data, c.data)


def test_an_operation_below_x_is_skipped():
    def vjp(g, y):
        raise AssertionError("this operation made x")

    leaf = tensor(3)
    x = record(leaf.data, (leaf,), vjp)
    assert_array_equal(grad(x.sum(), x).data, np.ones(3))


def test_a_vjp_is_handed_the_result_itself():
    handed = []
    x = tensor(3)
    y = record(x.data, (x,), lambda g, y: handed.append(y) or g)
    grad(y.sum(), x)
    assert handed == [y]


def test_inputs_that_are_not_tensors_are_constants():
    x = tensor(3)
    y = record(x.data, (2.0, x, np.ones(3)), "vjp of 2", "vjp of x", "vjp of ones")
    assert (y.inputs, y.vjps) == ((x,), ("vjp of x",))


@pytest.mark.parametrize("y_type, x_type", [(np.float32, np.float64), (np.float64, np.float32)])
def test_each_gradient_has_the_type_of_its_own_x(y_type, x_type):
    a, b = Tensor(np.ones(3, y_type)), Tensor(np.ones(3, x_type))
    for f in (operator.add, operator.sub, operator.mul, operator.truediv):
        ga, gb = grad(f(a, b).sum(), [a, b])
        assert (ga.dtype, gb.dtype) == (y_type, x_type), f


def test_gradients_have_the_type_of_x_when_gy_has_another():
    x = float32(1, 2, 3)
    assert grad(x * 2.0, x, gy=np.ones(3)).dtype == np.float32


def test_the_gradient_of_a_tensor_for_itself_has_its_type_when_gy_has_another():
    x = float32(1, 2, 3)
    assert grad(x, x, gy=np.ones(3)).dtype == np.float32


def test_a_change_of_type_can_be_differentiated_twice():
    a, b = Tensor(np.full(2, 3, np.float32)), Tensor(np.full(2, 5.0))
    ga = grad((a * a * b).sum(), a, create_graph=True)
    gab = grad(ga.sum(), b)
    assert gab.dtype == np.float64
    assert_array_equal(gab.data, [6, 6])


def test_cast_has_the_type_asked_for_and_a_gradient_of_the_type_it_had():
    x = float32(1, 2)
    y = F.cast(x, np.float64)
    assert (y.dtype, grad(y.sum(), x).dtype) == (np.float64, np.float32)


# --- grad: what it refuses ---


def test_a_y_of_several_elements_is_refused_with_its_shape():
    x = tensor(2, 3)
    with pytest.raises(GraphError, match=r"only a scalar has a gradient.*\(2, 3\)") as error:
        grad(x * x, x)
    assert "gy" in error.value.fix and "sum" in error.value.fix


def test_backward_of_several_elements_is_refused_with_its_shape():
    with pytest.raises(GraphError, match=r"only a scalar has a gradient.*\(2, 3\)"):
        (tensor(2, 3) * 2.0).backward()


@pytest.mark.parametrize("shape", [(3,), (3, 2), (1, 3), ()])
def test_a_cotangent_of_another_shape_is_refused_with_both_shapes(shape):
    x = tensor(2, 3)
    with pytest.raises(ShapeError) as error:
        grad(x * x, x, gy=np.ones(shape))
    assert (error.value.expected, error.value.got) == ((2, 3), shape)


def test_an_unused_x_is_refused_by_its_place_and_shape():
    a, b = tensor(3), tensor(4, 5)
    with pytest.raises(GraphError, match=r"y does not depend on xs\[1\].*\(4, 5\)") as error:
        grad(a.sum(), [a, b])
    assert "allow_unused" in error.value.fix


def test_an_x_behind_detach_is_unused():
    x = tensor(3)
    with pytest.raises(GraphError, match="does not depend"):
        grad((x * x).detach().sum(), x)


def test_an_x_above_y_is_unused():
    y = tensor(3).sum()
    with pytest.raises(GraphError, match="does not depend"):
        grad(y, y * 2.0)


def test_allow_unused_gives_zeros_of_shape_and_type_of_x():
    a, b = tensor(3), Tensor(np.ones((4, 5), np.float32))
    ga, gb = grad(a.sum(), [a, b], allow_unused=True)
    assert_array_equal(ga.data, np.ones(3))
    assert_array_equal(gb.data, np.zeros((4, 5)))
    assert gb.dtype == np.float32


def test_a_vjp_that_gives_no_tensor_is_refused_by_name():
    def careless(x):
        return record(np.tanh(x.data), (x,), lambda g, y: g.data * (1 - y.data ** 2))

    x = Tensor(np.ones(3))
    with pytest.raises(MiniganError, match=r"a vjp must return a tensor \(got ndarray\)"):
        grad(careless(x).sum(), x)


def test_inputs_that_are_not_a_tuple_are_refused():
    x = Tensor(np.ones((2, 3)))
    with pytest.raises(MiniganError, match=r"record: the inputs must be a tuple. For one input write \(x,\)"):
        record(x.data, x, lambda g, y: g)


def test_sum_to_refuses_a_shape_that_does_not_broadcast():
    """Else it would reshape (2, 3) to (3, 2): a transposed gradient that nobody sees."""
    with pytest.raises(MiniganError, match=r"sum_to: .*\(2, 3\) to \(3, 2\)"):
        F.sum_to(Tensor(np.ones((2, 3))), (3, 2))


def test_watching_shows_every_tensor_that_an_operation_makes():
    made, x = [], Tensor(np.ones(3))
    with watching(made.append):
        y = F.tanh(x * 2.0)
        with no_grad():
            F.exp(x)
    F.exp(x)
    assert [t.op for t in made] == ["mul", "tanh"] and made[-1] is y


def test_a_vjp_of_the_wrong_shape_is_refused_by_name():
    x = tensor(2, 3)
    y = record(x.data, (x,), lambda g, y: g.sum())
    with pytest.raises(ShapeError, match=r"wrong shape \(expected \(2, 3\), got \(\)\)"):
        grad(y, x, gy=np.ones((2, 3)))


def test_an_x_overwritten_after_use_is_refused_by_operation_and_shape():
    x = tensor(3)
    y = (x * x).sum()
    x.assign(np.zeros(3))
    with pytest.raises(GraphError, match=r"grad through mul.*\(3,\).*overwritten"):
        grad(y, x)


def test_a_computed_tensor_cannot_be_overwritten():
    # Its own vjps would use the new values, and nothing could tell.
    with pytest.raises(GraphError, match="in place"):
        F.tanh(tensor(3)).assign(np.zeros(3))


def test_a_constant_overwritten_after_use_is_refused():
    # The generator's loss goes through D; when D's step comes in between, its new weights are not those of the loss.
    x, w = tensor(3, seed=1), tensor(3, seed=2)
    y = (x * w).sum()
    w.assign(np.zeros(3))
    with pytest.raises(GraphError, match="overwritten"):
        grad(y, x)


def test_backward_refuses_an_x_overwritten_after_use():
    x = tensor(3)
    y = (x * x).sum()
    x.assign(np.zeros(3))
    with pytest.raises(GraphError, match="overwritten"):
        y.backward()


def test_a_gradient_of_a_gradient_refuses_an_x_overwritten_between_the_two():
    x = tensor(3)
    gx = grad((x * x * x).sum(), x, create_graph=True)
    x.assign(np.zeros(3))
    with pytest.raises(GraphError, match="overwritten"):
        grad(gx.sum(), x)


def test_a_graph_built_after_the_change_is_differentiated():
    x = tensor(3)
    x.assign([1, 2, 3])
    assert_array_equal(grad((x * x).sum(), x).data, [2, 4, 6])


def test_assign_writes_into_the_same_array_and_counts():
    x = tensor(3)
    array = x.data
    x.assign([1, 2, 3])
    assert x.data is array and array.tolist() == [1, 2, 3] and x.version == 1


@pytest.mark.parametrize("write", [
    operator.iadd, operator.isub, operator.imul, operator.itruediv, operator.imatmul, operator.ipow,
    lambda x, v: operator.setitem(x, 0, v),
], ids=["+=", "-=", "*=", "/=", "@=", "**=", "x[0] ="])
def test_writing_in_place_is_refused_with_advice(write):
    with pytest.raises(GraphError, match="written in place") as error:
        write(tensor(3), 2.0)
    assert "y = x + …" in error.value.fix and "assign" in error.value.fix


# --- backward ---


def test_backward_leaves_the_gradient_in_every_leaf():
    a, b = tensor(3, seed=1), tensor(3, seed=2)
    (a * b).sum().backward()
    assert_array_equal([a.grad.data, b.grad.data], [b.data, a.data])


def test_backward_adds_up():
    x = tensor(3)
    (x * x).sum().backward()
    (3.0 * x).sum().backward()
    assert_allclose(x.grad.data, 2 * x.data + 3)


def test_backward_touches_leaves_only():
    x = tensor(3)
    h = x * x
    y = h.sum()
    y.backward()
    assert h.grad is None and y.grad is None


def test_backward_takes_a_cotangent():
    x = tensor(3)
    (x * x).backward([1.0, 0.0, -1.0])
    assert_allclose(x.grad.data, 2 * x.data * [1, 0, -1])


def test_an_accumulated_gradient_is_a_leaf():
    x = tensor(3)
    for _ in range(2):
        (x * x).sum().backward()
    assert x.grad.op == "leaf"


# --- no_grad ---


def recording():
    """Does an operation record its inputs here?"""
    return bool((tensor(3) * 2.0).inputs)


def test_no_grad_records_nothing_within_and_records_again_after():
    with no_grad():
        within = recording()
    assert (within, recording()) == (False, True)


def test_no_grad_nests():
    with no_grad():
        with no_grad():
            pass
        after_the_inner = recording()
    assert (after_the_inner, recording()) == (False, True)


def test_no_grad_decorates_a_function():
    @no_grad()
    def f():
        return recording()

    assert (f(), f(), recording()) == (False, False, True)


def test_no_grad_ends_with_an_exception():
    with pytest.raises(ZeroDivisionError), no_grad():
        raise ZeroDivisionError
    assert recording()


def test_recording_resumes_after_a_vjp_that_raises():
    def vjp(g, y):
        raise ZeroDivisionError

    x = tensor(3)
    with pytest.raises(ZeroDivisionError):
        grad(record(x.data, (x,), vjp).sum(), x)
    assert recording()


def test_no_grad_holds_in_its_own_thread_only():
    seen = []
    with no_grad():
        thread = threading.Thread(target=lambda: seen.append(recording()))
        thread.start()
        thread.join()
    assert seen == [True]


def test_an_x_used_within_no_grad_is_unused():
    x = tensor(3)
    with no_grad():
        h = x * x
    with pytest.raises(GraphError, match="does not depend"):
        grad(h.sum(), x)


# --- graphs: depth, shared sub-expressions, memory ---


def test_a_square_is_differentiated_through_both_factors():
    x = tensor(3)
    assert_array_equal(grad((x * x).sum(), x).data, 2 * x.data)


def test_a_sum_of_shared_sums_counts_every_path():
    a = tensor(3)
    b = a + a
    assert_array_equal(grad((b + b).sum(), a).data, np.full(3, 4.0))


def test_a_ladder_of_60_shared_sums_counts_every_path_in_one_walk():
    x = y = Tensor(np.ones(()))
    for _ in range(60):
        y = y + y
    assert grad(y, x).item() == 2.0 ** 60


# Analytic functions with values in [−1, 1], so that a graph of any size stays in range.
STEPS = [
    lambda m, a, b: 0.5 * a + 0.5 * b,
    lambda m, a, b: 0.5 * (a - b),
    lambda m, a, b: a * b,
    lambda m, a, b: a / (2.0 + b * b),
    lambda m, a, b: -a * a,
    lambda m, a, b: m.tanh(a + b),
    lambda m, a, b: m.exp(-(a * a)),
    lambda m, a, b: m.sqrt(1.5 + a) * 0.5 * b,
    lambda m, a, b: 0.25 * (a + b) ** 2,
]


def random_graph(seed, m, leaves):
    """A random composition of STEPS: the same one for tensors (m = functional) and for arrays (m = numpy)."""
    rng = np.random.default_rng(seed)
    values = list(leaves)
    for _ in range(12):
        i, j = rng.integers(len(values), size=2)
        values.append(STEPS[rng.integers(len(STEPS))](m, values[i], values[j]))
    return values[-1] + values[-2] * values[-3]


def test_1000_random_graphs_agree_with_the_complex_step():
    # f(x + ih) = f(x) + ih f′(x) + O(h²): with h = 1e-30 the imaginary part is the derivative, without cancellation.
    h = 1e-30
    for seed in range(1000):
        x = np.random.default_rng([seed, 1]).uniform(-1, 1, 3)
        directions = x[:, None] + 1j * h * np.eye(3)
        expected = random_graph(seed, np, directions).imag / h
        leaves = [Tensor(v) for v in x]
        gradients = grad(random_graph(seed, F, leaves), leaves, allow_unused=True)
        assert_allclose([g.item() for g in gradients], expected, rtol=1e-10, atol=1e-13, err_msg=f"graph {seed}")


def test_50000_operations_are_differentiated_and_freed_without_recursion():
    x = y = Tensor(np.ones(()))
    for _ in range(50_000):
        y = y + 0.5
    middle = weakref.ref(y.inputs[0].inputs[0])
    assert grad(y, x).item() == 1
    del y
    assert middle() is None


def test_a_second_derivative_of_50000_operations_is_taken_and_freed_without_recursion():
    x = Tensor(np.full((), 0.5))
    y = x * x
    for _ in range(25_000):
        y = -y
    gx = grad(y, x, create_graph=True)
    assert grad(gx, x).item() == 2
    del y, gx


@pytest.fixture
def no_collector():
    gc.collect()
    gc.disable()
    yield
    gc.enable()


def every_kind_of_operation(x):
    """A scalar from x (2, 3) that goes through most operations, and weak references to the tensors in between."""
    h = [F.tanh(x), F.sigmoid(x), F.softplus(x), F.exp(x), F.sqrt(x * x + 1.0), x / (x * x + 1.0), F.leaky_relu(x),
         F.relu(x), F.softmax(x), F.log_softmax(x), x ** 3, F.maximum(x, -x), F.abs(x), F.concatenate([x, x])[1:3]]
    total = h[0]
    for part in h[1:]:
        total = total + part
    total = F.linear(F.var(total, 0, keepdims=True) + F.mean(x), x, x[:, 0]).T @ x.reshape(6)[:1].reshape(1, 1)
    images = F.pad2d(F.upsample2d((x * total[:1]).reshape(1, 1, 2, 3)), 1)
    W = x[:, :2].reshape(1, 1, 2, 2)
    images = F.conv_transpose2d(F.conv2d(images, W, x[0, :1], stride=2), W, stride=2)
    y = (F.max_pool2d(images, 2) * F.avg_pool2d(images, 2)).sum()
    return y, [weakref.ref(t) for t in [*h, total, images]]


def test_a_graph_is_freed_when_its_loss_is_dropped(no_collector):
    x = tensor(2, 3)
    y, inner = every_kind_of_operation(x)
    gx = grad(y, x)
    del y
    assert [ref() for ref in inner] == [None] * len(inner)
    assert gx.shape == x.shape


def test_a_graph_of_second_order_is_freed_when_its_tensors_are_dropped(no_collector):
    x = tensor(2, 3)
    y, inner = every_kind_of_operation(x)
    gx = grad(y, x, create_graph=True)
    penalty = (gx * gx).sum()
    inner += [weakref.ref(gx), weakref.ref(penalty)]
    grad(penalty, x)
    del y, gx, penalty
    assert [ref() for ref in inner] == [None] * len(inner)


def test_backward_keeps_no_graph_alive(no_collector):
    x = tensor(2, 3)
    y, inner = every_kind_of_operation(x)
    y.backward()
    del y
    assert [ref() for ref in inner] == [None] * len(inner)


# --- derivatives of higher order ---


@pytest.mark.parametrize("f, third", [
    (lambda x: x ** 5, lambda x: 60 * x ** 2),
    (F.exp, np.exp),
    (F.tanh, lambda x: -2 * (1 - np.tanh(x) ** 2) * (1 - 3 * np.tanh(x) ** 2)),
    (F.log, lambda x: 2 / x ** 3),
    (F.sqrt, lambda x: 0.375 * x ** -2.5),
    (lambda x: 1 / x, lambda x: -6 / x ** 4),
    (lambda x: x * x * x, lambda x: np.full_like(x, 6)),
    (F.sigmoid, lambda x: math.e ** -x * (1 - 4 * math.e ** -x + math.e ** (-2 * x)) / (1 + math.e ** -x) ** 4),
], ids=["x⁵", "exp", "tanh", "log", "sqrt", "1/x", "x·x·x", "sigmoid"])
def test_third_derivative_is_the_closed_form(f, third):
    x = np.array([0.3, 0.7, 1.9])
    assert_allclose(derivative(f, x, 3), third(x), rtol=1e-12)


@pytest.mark.parametrize("p", [0, 1, 2, 3, -1, -2, 0.5, 2.5])
@pytest.mark.parametrize("order", range(5))
def test_every_derivative_of_a_power_is_the_closed_form(p, order):
    x = np.array([0.3, 1.0, 2.7])
    factor = math.prod(p - i for i in range(order))
    assert_allclose(derivative(lambda x: x ** p, x, order), factor * x ** float(p - order), rtol=1e-12)


@pytest.mark.parametrize("p", [0, 1, 2, 3])
@pytest.mark.parametrize("order", range(5))
def test_every_derivative_of_a_whole_power_is_finite_at_zero_and_right_below(p, order):
    x = np.array([0.0, -1.5])
    expected = math.prod(p - i for i in range(order)) * x ** (p - order) if order <= p else np.zeros(2)
    assert_array_equal(derivative(lambda x: x ** p, x, order), expected)


def test_an_exponent_that_is_a_tensor_is_refused_with_advice():
    with pytest.raises(ShapeError, match=r"power: the exponent must be a number.*exp\(p \* log\(x\)\)"):
        tensor(3) ** tensor(3)


# --- broadcasting ---


def sum_over_repeats(g, shape):
    """The adjoint of broadcasting, literally: each element of g goes back to the element it was copied from."""
    total = np.zeros(shape)
    for place in np.ndindex(g.shape):
        total[tuple(0 if n == 1 else i for i, n in zip(place[g.ndim - len(shape):], shape))] += g[place]
    return total


two_shapes = mutually_broadcastable_shapes(num_shapes=2, min_dims=0, max_dims=4, min_side=0, max_side=3)
some = settings(max_examples=80, deadline=None, database=None, derandomize=True)


@pytest.mark.parametrize("f, for_a, for_b", [
    (operator.add, lambda g, a, b: g, lambda g, a, b: g),
    (operator.sub, lambda g, a, b: g, lambda g, a, b: -g),
    (operator.mul, lambda g, a, b: g * b, lambda g, a, b: g * a),
    (operator.truediv, lambda g, a, b: g / b, lambda g, a, b: -g * a / b ** 2),
], ids=["add", "sub", "mul", "div"])
@some
@given(shapes=two_shapes, seed=st.integers(0, 2 ** 32 - 1))
def test_gradients_of_broadcast_operands_are_summed_over_the_repeats(f, for_a, for_b, shapes, seed):
    rng = np.random.default_rng(seed)
    a, b = (rng.standard_normal(shape) for shape in shapes.input_shapes)
    b = np.sign(b) * (np.abs(b) + 0.5)  # a divisor away from zero
    g = rng.standard_normal(shapes.result_shape)
    A, B = Tensor(a), Tensor(b)
    y = f(A, B)
    ga, gb = grad(y, [A, B], gy=g)
    assert (ga.shape, gb.shape) == (a.shape, b.shape)
    assert_allclose(y.data, f(a, b))
    assert_allclose(ga.data, sum_over_repeats(for_a(g, a, b), a.shape), rtol=1e-10, atol=1e-12)
    assert_allclose(gb.data, sum_over_repeats(for_b(g, a, b), b.shape), rtol=1e-10, atol=1e-12)


@some
@given(shapes=two_shapes)
def test_broadcast_to_repeats_and_sums_back(shapes):
    x, g = random(*shapes.input_shapes[0]), random(*shapes.result_shape, seed=1)
    X = Tensor(x)
    y = F.broadcast_to(X, shapes.result_shape)
    assert_array_equal(y.data, np.broadcast_to(x, shapes.result_shape))
    assert_allclose(grad(y, X, gy=g).data, sum_over_repeats(g, x.shape), rtol=1e-10, atol=1e-12)


@some
@given(shapes=two_shapes)
def test_sum_to_sums_over_the_repeats_and_broadcasts_back(shapes):
    x, g = random(*shapes.result_shape), random(*shapes.input_shapes[0], seed=1)
    X = Tensor(x)
    y = F.sum_to(X, g.shape)
    assert_allclose(y.data, sum_over_repeats(x, g.shape), rtol=1e-10, atol=1e-12)
    assert_array_equal(grad(y, X, gy=g).data, np.broadcast_to(g, x.shape))


@some
@given(st.data())
def test_gradients_of_matmul_are_summed_over_broadcast_leading_axes(data):
    leading = data.draw(mutually_broadcastable_shapes(num_shapes=2, min_dims=0, max_dims=2, max_side=3))
    n, k, m = (data.draw(st.integers(1, 3)) for _ in range(3))
    (la, lb), l = leading.input_shapes, leading.result_shape
    a, b, g = random(*la, n, k), random(*lb, k, m, seed=1), random(*l, n, m, seed=2)
    A, B = Tensor(a), Tensor(b)
    ga, gb = grad(A @ B, [A, B], gy=g)
    assert_allclose(ga.data, sum_over_repeats(np.einsum("...nm,...km->...nk", g, b), a.shape), rtol=1e-10, atol=1e-12)
    assert_allclose(gb.data, sum_over_repeats(np.einsum("...nk,...nm->...km", a, g), b.shape), rtol=1e-10, atol=1e-12)


# --- scalars and arrays beside a tensor ---

CONSTANTS = {
    "int": 3, "float": 0.1, "bool": True, "np.float64": np.float64(0.1), "np.float16": np.float16(0.5),
    "np.int64": np.int64(3), "0-d float64": np.array(0.1), "int array": np.array([1, 2, 3]),
    "float64 array": np.array([0.1, 0.2, 0.3]), "list": [0.1, 0.2, 0.3],
}
BINARY = {"+": operator.add, "-": operator.sub, "*": operator.mul, "/": operator.truediv}
BOTH_SIDES = {f"x {name} c": f for name, f in BINARY.items()}
BOTH_SIDES |= {f"c {name} x": lambda x, c, f=f: f(c, x) for name, f in BINARY.items()}


@pytest.mark.parametrize("constant", CONSTANTS.values(), ids=CONSTANTS)
@pytest.mark.parametrize("f", BOTH_SIDES.values(), ids=BOTH_SIDES)
def test_constants_are_weak(f, constant):
    x = float32(0.5, -1.5, 2.0)
    y = f(x, constant)
    assert isinstance(y, Tensor)
    assert (y.dtype, grad(y.sum(), x).dtype) == (np.float32, np.float32)
    assert_allclose(y.data, f(x.data.astype(np.float64), np.asarray(constant)), rtol=1e-6)


@pytest.mark.parametrize("f", BOTH_SIDES.values(), ids=BOTH_SIDES)
def test_constants_beside_float64_keep_all_their_digits(f):
    x = np.array([0.5, -1.5, 2.0])
    assert_array_equal(f(Tensor(x), 0.1).data, f(x, 0.1))


@pytest.mark.parametrize("p", [2, 0.5, True, np.float64(2), np.int64(2)], ids=repr)
def test_exponents_are_weak(p):
    x = float32(0.5, 1.5)
    y = x ** p
    assert (y.dtype, grad(y.sum(), x).dtype) == (np.float32, np.float32)


@pytest.mark.parametrize("matrix", [np.eye(2), np.eye(2, dtype=int), [[1, 0], [0, 1]]], ids=["float64", "int", "list"])
@pytest.mark.parametrize("f", [lambda x, M: x @ M, lambda x, M: M @ x], ids=["x @ M", "M @ x"])
def test_constant_matrices_are_weak(f, matrix):
    x = Tensor(np.ones((2, 2), np.float32))
    y = f(x, matrix)
    assert (y.dtype, grad(y.sum(), x).dtype) == (np.float32, np.float32)


@pytest.mark.parametrize("f", [F.sum, F.neg, lambda x: x.reshape(4), lambda x: x.T, lambda x: x[0], lambda x: x[[0, 0]],
                               lambda x: F.concatenate([x, x]), lambda x: F.broadcast_to(x, (3, 2, 2))])
def test_operations_on_shapes_keep_float32(f):
    x = Tensor(np.ones((2, 2), np.float32))
    y = f(x)
    assert (y.dtype, grad(y.sum(), x).dtype) == (np.float32, np.float32)


@pytest.mark.parametrize("f", [*BINARY.values(), operator.matmul], ids=[*BINARY, "@"])
def test_an_array_on_the_left_gives_a_tensor(f):
    a, x = random(2, 2, seed=1), tensor(2, 2, seed=2)
    y = f(a, x)
    assert isinstance(y, Tensor)
    assert_allclose(y.data, f(a, x.data))


@pytest.mark.parametrize("f", BINARY.values(), ids=BINARY)
def test_a_numpy_scalar_on_the_left_gives_a_tensor(f):
    x = tensor(3)
    y = f(np.float64(2), x)
    assert isinstance(y, Tensor)
    assert_allclose(y.data, f(2, x.data))


def test_a_numpy_function_of_a_tensor_raises_instead_of_cutting_the_graph():
    with pytest.raises(TypeError):
        np.tanh(tensor(3))


# --- matmul ---


@pytest.mark.parametrize("a_shape, b_shape", [
    ((3,), (3,)), ((3,), (3, 5)), ((2, 3), (3,)), ((2, 3), (3, 5)), ((7, 2, 3), (3, 5)), ((2, 3), (7, 3, 5)),
    ((7, 2, 3), (3,)), ((3,), (7, 3, 5)), ((7, 1, 2, 3), (11, 3, 5)),
])
def test_matmul_is_numpys(a_shape, b_shape):
    a, b = random(*a_shape, seed=1), random(*b_shape, seed=2)
    y = Tensor(a) @ Tensor(b)
    assert y.shape == (a @ b).shape
    assert_allclose(y.data, a @ b, rtol=1e-12)


@pytest.mark.parametrize("a_shape, b_shape", [((3,), (3,)), ((3,), (3, 5)), ((2, 3), (3,)), ((3,), (7, 3, 5))])
def test_gradients_of_matmul_with_a_vector_have_its_shape(a_shape, b_shape):
    a, b = tensor(*a_shape, seed=1), tensor(*b_shape, seed=2)
    y = a @ b
    g = random(*y.shape, seed=3)
    ga, gb = grad(y, [a, b], gy=g)
    assert (ga.shape, gb.shape) == (a_shape, b_shape)
    # y is linear in each factor, so ⟨g, y⟩ = ⟨ā, a⟩ = ⟨b̄, b⟩.
    assert_allclose([(ga.data * a.data).sum(), (gb.data * b.data).sum()], [(g * y.data).sum()] * 2, rtol=1e-12)


# --- sums and shapes ---


@pytest.mark.parametrize("keepdims", [False, True])
@pytest.mark.parametrize("axis", [None, 0, 1, -1, (0, 2), (-1, 0), (0, 1, 2), ()], ids=str)
def test_sum_is_numpys_and_its_gradient_is_repeated_along_the_axes(axis, keepdims):
    x = tensor(2, 3, 5)
    y = x.sum(axis, keepdims)
    expected = x.data.sum(axis=axis, keepdims=keepdims)
    assert y.shape == expected.shape
    assert_allclose(y.data, expected)
    g = random(*y.shape, seed=1)
    kept = g.reshape(x.data.sum(axis=axis, keepdims=True).shape)
    assert_array_equal(grad(y, x, gy=g).data, np.broadcast_to(kept, x.shape))


def test_the_sum_of_a_scalar_is_itself():
    x = Tensor(np.full((), 3.0))
    assert (x.sum().item(), grad(x.sum(), x).item()) == (3, 1)


@pytest.mark.parametrize("shape", [(6,), ((6,),), (3, -1), ((-1, 2),), (-1,), (1, 6, 1)], ids=str)
def test_reshape_takes_sizes_or_one_tuple_and_its_gradient_goes_back(shape):
    x = tensor(2, 3)
    y = x.reshape(*shape)
    assert_array_equal(y.data, x.data.reshape(*shape))
    g = random(*y.shape, seed=1)
    assert_array_equal(grad(y, x, gy=g).data, g.reshape(2, 3))


def test_reshape_to_a_scalar():
    assert Tensor([[3.0]]).reshape(()).shape == ()


@pytest.mark.parametrize("axes", [(), (1, 2, 0), ((1, 2, 0),), (-1, 0, 1), (0, 1, 2), (2, 0, 1)], ids=str)
def test_transpose_permutes_axes_and_its_gradient_permutes_back(axes):
    x = tensor(2, 3, 5)
    y = x.transpose(*axes)
    assert_array_equal(y.data, x.data.transpose(*axes))
    assert_array_equal(grad((y * y).sum(), x).data, 2 * x.data)


def test_the_transpose_of_a_scalar_is_itself():
    x = Tensor(3.0)
    assert (x.T.item(), grad(x.T, x).item()) == (3, 1)


def test_swapaxes_exchanges_two_axes_and_its_gradient_exchanges_them_back():
    x = tensor(2, 3, 5)
    y = F.swapaxes(x, 0, -1)
    assert_array_equal(y.data, x.data.swapaxes(0, -1))
    assert_array_equal(grad((y * y).sum(), x).data, 2 * x.data)


INDICES = {
    "int": 1, "negative int": -1, "np.int64": np.int64(1), "slice": slice(1, 3), "negative step": slice(None, None, -2),
    "ints": (1, 2), "int and slice": (2, slice(None, None, -1)), "ellipsis": (..., 0), "new axis": (None, slice(0, 2)),
    "empty slice": slice(2, 2), "list": [2, 0], "array with duplicates": np.array([1, 1, 3, 1]),
    "two arrays with duplicates": (np.array([0, 0, 2]), np.array([4, 4, 1])), "array and slice": (slice(None), [0, 0]),
    "negative array": np.array([-1, 3]), "mask": random(4, 5) > 0, "row mask": np.array([True, False, True, True]),
    "array of two axes": np.array([[0, 1], [1, 1]]),
}


@pytest.mark.parametrize("idx", INDICES.values(), ids=INDICES)
def test_indexing_is_numpys_and_its_gradient_adds_up_where_elements_came_from(idx):
    x = tensor(4, 5)
    y = x[idx]
    assert_array_equal(y.data, x.data[idx])
    g = random(*y.shape, seed=1)
    came_from = np.arange(20).reshape(4, 5)[idx]
    expected = np.zeros(20)
    for place, value in zip(np.ravel(came_from), np.ravel(g)):
        expected[place] += value
    assert_allclose(grad(y, x, gy=g).data, expected.reshape(4, 5), rtol=1e-12)


@pytest.mark.parametrize("idx", INDICES.values(), ids=INDICES)
def test_scatter_is_the_adjoint_of_index_and_index_is_its_gradient(idx):
    x = tensor(*np.zeros((4, 5))[idx].shape)
    y = F.scatter(x, idx, (4, 5))
    g = random(4, 5, seed=1)
    assert_allclose((y.data * g).sum(), (x.data * g[idx]).sum(), rtol=1e-12)
    assert_array_equal(grad(y, x, gy=g).data, g[idx])


@pytest.mark.parametrize("axis", [0, 1, -1, -2])
def test_concatenate_is_numpys_and_each_gradient_is_its_slice(axis):
    sizes = [2, 3, 1]
    arrays = [random(*((n, 5) if axis in (0, -2) else (5, n)), seed=n) for n in sizes]
    xs = [Tensor(a) for a in arrays]
    y = F.concatenate(xs, axis)
    assert_array_equal(y.data, np.concatenate(arrays, axis))
    g = random(*y.shape, seed=9)
    expected = np.split(g, [2, 5], axis)
    for gx, e in zip(grad(y, xs, gy=g), expected):
        assert_array_equal(gx.data, e)


def test_concatenate_takes_arrays_as_constants():
    x = tensor(2, 3)
    y = F.concatenate([np.zeros((1, 3)), x, np.ones((1, 3))])
    assert_array_equal(grad((y * y).sum(), x).data, 2 * x.data)


# --- shapes that do not fit ---


@pytest.mark.parametrize("op, f, shapes", [
    ("add", lambda: tensor(2, 3) + tensor(4), ["(2, 3)", "(4,)"]),
    ("sub", lambda: tensor(2, 3) - tensor(3, 2), ["(2, 3)", "(3, 2)"]),
    ("mul", lambda: tensor(2, 3) * np.ones(2), ["(2, 3)", "(2,)"]),
    ("div", lambda: tensor(2, 3) / tensor(4), ["(2, 3)", "(4,)"]),
    ("add", lambda: np.ones(4) + tensor(2, 3), ["(4,)", "(2, 3)"]),
    ("matmul", lambda: tensor(2, 3) @ tensor(2, 3), ["(2, 3)", "(2, 3)"]),
    ("matmul", lambda: np.ones((2, 3)) @ tensor(4, 5), ["(2, 3)", "(4, 5)"]),
    ("matmul", lambda: tensor(7, 2, 3) @ tensor(5, 3, 2), ["(7, 2, 3)", "(5, 3, 2)"]),
    ("reshape", lambda: tensor(2, 3).reshape(4), ["(2, 3)", "(4,)"]),
    ("reshape", lambda: tensor(2, 3).reshape(-1, 4), ["(2, 3)", "(-1, 4)"]),
    ("concatenate", lambda: F.concatenate([tensor(2, 3), tensor(2, 4)]), ["(2, 3)", "(2, 4)"]),
    ("concatenate", lambda: F.concatenate([tensor(2, 3), tensor(2, 3)], axis=2), ["(2, 3)"]),
    ("broadcast_to", lambda: F.broadcast_to(tensor(2, 3), (4, 3)), ["(2, 3)", "(4, 3)"]),
    ("sum", lambda: tensor(2, 3).sum(2), ["(2, 3)", "2"]),
    ("transpose", lambda: tensor(2, 3).transpose(0), ["(2, 3)", "(0,)"]),
    ("transpose", lambda: tensor(2, 3).transpose(0, 0), ["(2, 3)", "(0, 0)"]),
])
def test_shapes_that_do_not_fit_are_named_with_the_operation(op, f, shapes):
    with pytest.raises(MiniganError) as error:
        f()
    assert isinstance(error.value, ShapeError)
    assert error.value.where == op
    assert all(shape in str(error.value) for shape in shapes), str(error.value)
