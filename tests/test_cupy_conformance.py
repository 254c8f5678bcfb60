"""Conformance: what holds on NumPy, on the stand-in and on CuPy alike, so that the stand-in is honest."""

import copy
import pickle

import numpy as np
import pytest
from cupy_stand_in import waiting_for_nothing
from numpy.testing import assert_allclose

CONFORMANCE = {
    "sum of all": lambda xp, x: x.sum(),
    "sum over axes": lambda xp, x: x.sum(axis=(0, -1), keepdims=True),
    "weak Python scalars": lambda xp, x: (2.5 * x + 1) / 3 - 1,
    "NumPy's float64 promotes": lambda xp, x: x * np.float64(2.5),
    "NumPy's float32 does not": lambda xp, x: np.float32(2.5) * x,
    "types of two arrays": lambda xp, x: x + x.astype(np.float64),
    "booleans by a number": lambda xp, x: (x > 4) / 0.7,
    "booleans times a number": lambda xp, x: xp.multiply(x > 4, 0.75, dtype=np.float32),
    "comparison": lambda xp, x: x >= 4.0,
    "powers": lambda xp, x: x**2 + x**0.5 + x**-1 + x**3 + x**0,
    "where with a number": lambda xp, x: xp.where(x > 4, x, 0.0),
    "where with two numbers": lambda xp, x: xp.where(x > 4, 1.0, 0.0),
    "where with a whole number": lambda xp, x: xp.where(x > 4, 1, x),
    "maximum with 0": lambda xp, x: xp.maximum(x - 5, 0),
    "sign, at 0 too": lambda xp, x: xp.sign(x - 4),
    "matrix product": lambda xp, x: x[0] @ x[1].T,
    "batched matrix product": lambda xp, x: x @ x[:1].swapaxes(1, 2),
    "matmul into out": lambda xp, x: xp.matmul(x[0], x[1].T, out=xp.zeros((3, 3), dtype=np.float32)),
    "matmul into a view": lambda xp, x: xp.matmul(x[0], x[1].T, out=xp.zeros((2, 3, 3), dtype=np.float32)[1]),
    "matmul into a slice, reshaped": lambda xp, x: _after(
        xp.zeros((3, 2, 3, 3), dtype=np.float32),
        lambda y: xp.matmul(x.reshape(6, 4), x[1].T, out=y[1:2].reshape(-1, 3))),
    "matmul, one number": lambda xp, x: _after(
        xp.zeros((1, 1, 1, 1), dtype=np.float32),
        lambda y: xp.matmul(x[:1, 0], x[0, :1].T, out=y[0:5].reshape(-1, 1))),
    "matrix product with a vector": lambda xp, x: x[0, :, 0] @ x[0] + x[1, 0] * (x[1, 0] @ x[1, 0]) ** -0.5,
    "vdot of turned arrays": lambda xp, x: xp.sqrt(xp.vdot(x.transpose(2, 0, 1), x.transpose(2, 0, 1))),
    "clip": lambda xp, x: xp.clip(x, -2.5, 2.5) + xp.clip(xp.arange(4), 1, 2),
    "pad": lambda xp, x: xp.pad(x, ((0, 0), (1, 1), (1, 1)), constant_values=-1),
    "a slice from NumPy's whole numbers": lambda xp, x: x[:, :, np.int64(1):np.int64(3)],
    "0-d element": lambda xp, x: x[0, 1, 2] * 2,
    "slices, new axes, ellipsis": lambda xp, x: x[..., None, ::-1, 1:3],
    "integer arrays that broadcast": lambda xp, x: x[tuple(xp.ogrid[:2, :3, :2])],
    "add.at by arrays that broadcast": lambda xp, x: _after(
        xp.zeros((2, 3, 4), dtype=np.float32),
        lambda y: xp.add.at(y, (*xp.ogrid[:2, :3], xp.asarray([[1, 0, 1]])), x[..., 0])),
    "integer arrays": lambda xp, x: x[xp.asarray([1, 0, 1]), 0, xp.asarray([3, 2, 0])],
    "a mask": lambda xp, x: x[x > 4],
    "set by a slice": lambda xp, x: _after(x.copy(), lambda y: y.__setitem__((0, slice(1, 3)), 7)),
    "set from a view of itself": lambda xp, x: _after(x.copy(), lambda y: y.__setitem__(0, y[1])),
    "set by a mask": lambda xp, x: _after(x.copy(), lambda y: y.__setitem__(y > 4, 0.0)),
    "add.at, repeats adding up": lambda xp, x: _after(
        xp.zeros((3, 3, 4), dtype=np.float32), lambda y: xp.add.at(y, xp.asarray([2, 2]), x)),
    "in place": lambda xp, x: _after(x.copy(), lambda y: y.__iadd__(x).__imul__(2.5).__isub__(1)),
    "in place, double into single": lambda xp, x: _after(x.copy(), lambda y: y.__iadd__(x.astype(np.float64))),
    "concatenate": lambda xp, x: xp.concatenate([x, x[:1]], axis=0),
    "stack": lambda xp, x: xp.stack([x, x + 1], axis=-1),
    "reshape and transpose": lambda xp, x: x.transpose(2, 0, 1).reshape(4, -1),
    "broadcast_to": lambda xp, x: xp.broadcast_to(x[:1], (2, 3, 4)),
    "argmax takes the first": lambda xp, x: (x // 4).argmax(axis=2),
    "argmax of a middle axis, equal ones": lambda xp, x: (0 * x).argmax(axis=1),
    "the largest, kept": lambda xp, x: (x == x.max(axis=1, keepdims=True)).astype(x.dtype),
    "argmin of booleans": lambda xp, x: xp.argmin(x < 6, axis=2),
    "ogrid": lambda xp, x: xp.ogrid[:2, :3][0] + xp.ogrid[:2, :3][1],
    "arange": lambda xp, x: xp.arange(5) * 2,
    "full": lambda xp, x: xp.full((2, 3), 0.5, dtype=x.dtype),
    "zeros_like, ones_like": lambda xp, x: xp.zeros_like(x) + xp.ones_like(x, dtype=np.float64),
    "as_strided": lambda xp, x: xp.lib.stride_tricks.as_strided(x[0], (2, 3, 2), (16, 4, 4)),
    "sliding windows": lambda xp, x: xp.lib.stride_tricks.sliding_window_view(x[0], (2, 2)),
    "not finite": lambda xp, x: xp.isfinite(x / (x - 1)) & (xp.log(x - 1) > 0),
    "array_equal": lambda xp, x: xp.array_equal(x, x.copy()) | xp.zeros((), dtype=bool),
    "mean, var, std": lambda xp, x: x.mean(axis=0) + x.var(axis=0) + x.std(axis=0, keepdims=True),
    "cumsum": lambda xp, x: xp.cumsum(x, axis=1),
    "NumPy's function, given its array": lambda xp, x: np.tanh(x) + np.sum(x),
}


def _after(y, change):
    change(y)
    return y


@pytest.mark.parametrize("case", CONFORMANCE)
def test_same_value_type_and_shape_as_numpy(device_xp, case):
    array = np.arange(1, 25, dtype=np.float32).reshape(2, 3, 4)
    with np.errstate(all="ignore"):
        expected = np.asarray(CONFORMANCE[case](np, array.copy()))
        got = CONFORMANCE[case](device_xp, device_xp.asarray(array))
    if device_xp is not np:
        assert type(got) is device_xp.ndarray
        got = got.get()
    assert (got.dtype, got.shape) == (expected.dtype, expected.shape)
    assert_allclose(got, expected, rtol=1e-6)


def test_views_share_memory_and_copies_do_not(device_xp):
    x = device_xp.zeros((2, 3), dtype=np.float32)
    for view in (x.T, x[1:], x.reshape(6), x.reshape(3, 2).T, x[..., None], x.ravel(), x.view()):
        assert device_xp.may_share_memory(view, x) and view.base is x
    for other in (x + 0, x.copy(), x.T.reshape(6), x.astype(np.float32), x[device_xp.asarray([0, 1])], x.flatten()):
        assert not device_xp.may_share_memory(other, x)
    x.reshape(6)[4] = 1
    assert float(x[1, 1]) == 1 and x.base is None and x.astype(np.float32, copy=False) is x


def test_contiguous_arrays_are_not_copied(device_xp):
    x = device_xp.zeros((2, 3))
    assert device_xp.ascontiguousarray(x) is x and device_xp.asarray(x) is x
    assert x.T.flags.f_contiguous and not x.T.flags.c_contiguous
    assert device_xp.ascontiguousarray(x.T).flags.c_contiguous


def test_an_operation_into_out_returns_out(device_xp):
    x, out = device_xp.ones(3), device_xp.zeros(3)
    assert device_xp.exp(x, out=out) is out and np.multiply(x, 2.0, out=out) is out
    assert out.tolist() == [2.0, 2.0, 2.0]


def test_copies_and_pickles(device_xp):
    x = device_xp.asarray(np.arange(6, dtype=np.float32).reshape(2, 3))
    for y in (copy.copy(x), copy.deepcopy(x), pickle.loads(pickle.dumps(x))):
        assert y is not x and y.tolist() == x.tolist() and y.dtype == x.dtype


# --- where CuPy differs from NumPy, and the stand-in with it ---


def test_cupys_elementwise_results_are_row_major(any_cupy):
    """NumPy keeps the layout of its inputs; CuPy does not, so nothing may rely on it."""
    x = any_cupy.ones((2, 3)).T
    for y in (x + 1, -x, x > 0, any_cupy.exp(x), any_cupy.where(x > 0, x, 0.0)):
        assert y.flags.c_contiguous


def test_a_gpu_does_not_warn(any_cupy):
    x = any_cupy.asarray([0.0, 1e38], dtype=np.float32)
    assert any_cupy.isnan(x / 0).tolist() == [True, False] and any_cupy.isinf(x * x).tolist() == [False, True]


def test_waiting_is_noticed(any_cupy):
    x = any_cupy.ones(3)
    with waiting_for_nothing():
        x = x + any_cupy.asarray(np.ones(3))
    for wait in (float, bool, lambda total: x[x > 1], lambda total: total.get()):
        with pytest.raises((AssertionError, RuntimeError)), waiting_for_nothing():
            wait(x.sum())


@pytest.mark.parametrize("mix", [
    lambda x, a: x + a, lambda x, a: a * x, lambda x, a: np.add(x, a), lambda x, a: np.asarray(x),
    lambda x, a: np.concatenate([x, a]), lambda x, a: x.sum(out=a),
])
def test_arrays_of_both_memories_do_not_mix(any_cupy, mix):
    with pytest.raises(TypeError):
        mix(any_cupy.ones(3), np.ones(3))


def test_what_runs_out_of_memory_is_a_memory_error(any_cupy):
    error = any_cupy.cuda.memory.OutOfMemoryError(2_000, 10, 25)
    assert isinstance(error, MemoryError) and type(error).__module__.startswith("cupy")
    assert str(error) == "Out of memory allocating 2,000 bytes (allocated so far: 10 bytes, limit set to: 25 bytes)."
