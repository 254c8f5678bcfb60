"""Convolution against SciPy's correlation and its three functions against each other; pooling against loops."""

from itertools import product

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy import signal

from minigan import MiniganError, Tensor, conv, grad
from minigan import functional as F
from minigan.errors import ConfigError, ShapeError


def random(*shape, seed=0):
    return np.random.default_rng(seed).standard_normal(shape)


def tensor(*shape, seed=0):
    return Tensor(random(*shape, seed=seed))


def inner(a, b):
    """⟨a, b⟩"""
    return (np.asarray(a) * np.asarray(b)).sum()


def assert_equal_pairings(*pairings):
    """The numbers agree to 1e-12."""
    assert_allclose(pairings, pairings[0], rtol=1e-12, atol=1e-12)


# --- an independent oracle: stride 1 and no padding by SciPy, the rest by slicing and by putting zeros in between ---


def padded(x, p):
    return np.pad(x, [(0, 0), (0, 0), (p[0], p[0]), (p[1], p[1])])


def spread(y, s):
    """y with s − 1 zeros between neighbours: the adjoint of taking every s-th element."""
    N, O, OH, OW = y.shape
    out = np.zeros((N, O, (OH - 1) * s[0] + 1, (OW - 1) * s[1] + 1))
    out[:, :, ::s[0], ::s[1]] = y
    return out


def scipy_conv2d(x, W, s, p):
    planes = [[sum(signal.correlate(image[c], kernel[c], "valid", "direct") for c in range(len(kernel)))
               for kernel in W] for image in padded(x, p)]
    return np.array(planes)[:, :, ::s[0], ::s[1]]


def scipy_conv_transpose2d(y, W, s, p, output_padding):
    planes = np.array([[sum(signal.convolve(image[o], W[o, c], "full", "direct") for o in range(len(W)))
                        for c in range(W.shape[1])] for image in spread(y, s)])
    planes = np.pad(planes, [(0, 0), (0, 0), (0, output_padding[0]), (0, output_padding[1])])
    return planes[:, :, p[0]:planes.shape[2] - p[0], p[1]:planes.shape[3] - p[1]]


def scipy_conv2d_weight(x, y, k, s, p):
    x, y = padded(x, p), spread(y, s)
    kernels = [[sum(signal.correlate(x[n, c], y[n, o], "valid", "direct") for n in range(len(x)))
                for c in range(x.shape[1])] for o in range(y.shape[1])]
    return np.array(kernels)[:, :, :k[0], :k[1]]


KERNELS = [(1, 1), (2, 3), (3, 2), (4, 5)]
STRIDES = [(1, 1), (2, 1), (2, 3)]
PADDINGS = [(0, 0), (1, 0), (1, 2), (2, 1)]
N, C, O, H, W_ = 2, 3, 5, 8, 7

conv2d_grid = pytest.mark.parametrize("k, s, p", list(product(KERNELS, STRIDES, PADDINGS)), ids=str)
transpose_grid = pytest.mark.parametrize("k, s, p, output_padding", [
    (k, s, p, op) for k, s, p in product(KERNELS, STRIDES, PADDINGS) for op in product(range(s[0]), range(s[1]))
    if op in [(0, 0), (1, 0), (1, 2)]
], ids=str)


def sizes(k, s, p):
    """Output size of conv2d on an image (8, 7), and the rows and columns that the stride leaves unused."""
    full = [n + 2 * p[i] - k[i] for i, n in enumerate((H, W_))]
    return [n // s[i] + 1 for i, n in enumerate(full)], [n % s[i] for i, n in enumerate(full)]


# --- the three functions against the oracle: value and both gradients ---


@conv2d_grid
def test_conv2d_is_scipys_correlation(k, s, p):
    x, W, b = random(N, C, H, W_, seed=1), random(O, C, *k, seed=2), random(O, seed=3)
    y = F.conv2d(Tensor(x), Tensor(W), Tensor(b), s, p)
    assert_allclose(y.data, scipy_conv2d(x, W, s, p) + b[:, None, None], rtol=1e-10, atol=1e-12)


@conv2d_grid
def test_gradients_of_conv2d_are_those_of_the_oracle(k, s, p):
    x, W, b = tensor(N, C, H, W_, seed=1), tensor(O, C, *k, seed=2), tensor(O, seed=3)
    out, rest = sizes(k, s, p)
    g = random(N, O, *out, seed=4)
    gx, gW, gb = grad(F.conv2d(x, W, b, s, p), [x, W, b], gy=g)
    assert_allclose(gx.data, scipy_conv_transpose2d(g, W.data, s, p, rest), rtol=1e-10, atol=1e-12)
    assert_allclose(gW.data, scipy_conv2d_weight(x.data, g, k, s, p), rtol=1e-10, atol=1e-12)
    assert_allclose(gb.data, g.sum((0, 2, 3)), rtol=1e-10, atol=1e-12)


@transpose_grid
def test_conv_transpose2d_is_scipys_convolution_of_the_spread_image(k, s, p, output_padding):
    y, W, b = random(N, O, 5, 6, seed=1), random(O, C, *k, seed=2), random(C, seed=3)
    x = F.conv_transpose2d(Tensor(y), Tensor(W), Tensor(b), s, p, output_padding)
    expected = scipy_conv_transpose2d(y, W, s, p, output_padding) + b[:, None, None]
    assert_allclose(x.data, expected, rtol=1e-10, atol=1e-12)


@transpose_grid
def test_gradients_of_conv_transpose2d_are_those_of_the_oracle(k, s, p, output_padding):
    y, W, b = tensor(N, O, 5, 6, seed=1), tensor(O, C, *k, seed=2), tensor(C, seed=3)
    x = F.conv_transpose2d(y, W, b, s, p, output_padding)
    g = random(*x.shape, seed=4)
    gy, gW, gb = grad(x, [y, W, b], gy=g)
    assert_allclose(gy.data, scipy_conv2d(g, W.data, s, p), rtol=1e-10, atol=1e-12)
    assert_allclose(gW.data, scipy_conv2d_weight(g, y.data, k, s, p), rtol=1e-10, atol=1e-12)
    assert_allclose(gb.data, g.sum((0, 2, 3)), rtol=1e-10, atol=1e-12)


@conv2d_grid
def test_conv2d_weight_is_scipys_correlation_with_the_spread_image(k, s, p):
    x, y = random(N, C, H, W_, seed=1), random(N, O, *sizes(k, s, p)[0], seed=2)
    W = F.conv2d_weight(Tensor(x), Tensor(y), k, s, p)
    assert_allclose(W.data, scipy_conv2d_weight(x, y, k, s, p), rtol=1e-10, atol=1e-12)


@conv2d_grid
def test_gradients_of_conv2d_weight_are_those_of_the_oracle(k, s, p):
    out, rest = sizes(k, s, p)
    x, y, g = tensor(N, C, H, W_, seed=1), tensor(N, O, *out, seed=2), random(O, C, *k, seed=3)
    gx, gy = grad(F.conv2d_weight(x, y, k, s, p), [x, y], gy=g)
    assert_allclose(gx.data, scipy_conv_transpose2d(y.data, g, s, p, rest), rtol=1e-10, atol=1e-12)
    assert_allclose(gy.data, scipy_conv2d(x.data, g, s, p), rtol=1e-10, atol=1e-12)


# --- one trilinear form ---


@conv2d_grid
def test_the_three_functions_are_partial_gradients_of_one_trilinear_form(k, s, p):
    out, rest = sizes(k, s, p)
    x, W, y = random(N, C, H, W_, seed=1), random(O, C, *k, seed=2), random(N, O, *out, seed=3)
    assert_equal_pairings(
        inner(F.conv2d(x, W, None, s, p), y),
        inner(F.conv_transpose2d(y, W, None, s, p, rest), x),
        inner(F.conv2d_weight(x, y, k, s, p), W),
    )


@transpose_grid
def test_conv_transpose2d_is_the_adjoint_of_conv2d(k, s, p, output_padding):
    y, W = random(N, O, 5, 6, seed=1), random(O, C, *k, seed=2)
    transposed = F.conv_transpose2d(y, W, None, s, p, output_padding)
    x = random(*transposed.shape, seed=3)
    assert_equal_pairings(inner(transposed, x), inner(y, F.conv2d(x, W, None, s, p)))


@pytest.mark.parametrize("s, p, output_padding", [(1, 0, 0), (2, 1, 1), ((2, 3), (1, 0), (0, 2))], ids=str)
def test_conv_transpose2d_gives_an_image_that_conv2d_brings_back_to_size(s, p, output_padding):
    x = F.conv_transpose2d(random(N, O, 5, 6), random(O, C, 3, 2), None, s, p, output_padding)
    assert F.conv2d(x, random(O, C, 3, 2), None, s, p).shape == (N, O, 5, 6)


def test_rows_that_the_stride_leaves_unused_do_not_reach_conv2d_weight():
    x, y = random(N, C, 8, 8, seed=1), random(N, O, 2, 2, seed=2)
    expected = F.conv2d_weight(x, y, 3, stride=3).data
    x[:, :, 6:] = x[:, :, :, 6:] = np.nan
    assert_array_equal(F.conv2d_weight(x, y, 3, stride=3).data, expected)


def test_rows_that_the_stride_leaves_unused_have_no_gradient():
    x = tensor(N, C, 8, 8)
    gx = grad(F.conv2d(x, random(O, C, 3, 3), stride=3).sum(), x).data
    assert_array_equal(gx[:, :, 6:], 0)
    assert_array_equal(gx[:, :, :, 6:], 0)


def test_the_same_tensor_may_be_image_and_kernel():
    x = tensor(2, 2, 3, 3)
    y = F.conv2d(x, x, padding=1)
    g = random(*y.shape, seed=1)
    as_image = scipy_conv_transpose2d(g, x.data, (1, 1), (1, 1), (0, 0))
    as_kernel = scipy_conv2d_weight(x.data, g, (3, 3), (1, 1), (1, 1))
    assert_allclose(grad(y, x, gy=g).data, as_image + as_kernel, rtol=1e-10, atol=1e-12)


def test_a_number_stands_for_a_pair():
    x, W = random(N, C, 8, 7), random(O, C, 3, 3)
    assert_array_equal(F.conv2d(x, W, None, 2, 1).data, F.conv2d(x, W, None, (2, 2), (1, 1)).data)


def test_the_bias_is_not_written_to():
    b = tensor(O)
    before = b.data.copy()
    F.conv2d(random(N, C, 8, 7), random(O, C, 3, 3), b)
    assert_array_equal(b.data, before)


# --- memory: slices of the batch, layouts, types ---

THREE_FUNCTIONS = {
    "conv2d": (lambda x, W: F.conv2d(x, W, None, 2, 1), (5, 3, 8, 7), (4, 3, 3, 2)),
    "conv_transpose2d": (lambda y, W: F.conv_transpose2d(y, W, None, 2, 1, 1), (5, 4, 4, 3), (4, 3, 3, 2)),
    "conv2d_weight": (lambda x, y: F.conv2d_weight(x, y, (3, 2), 2, 1), (5, 3, 8, 7), (5, 4, 4, 4)),
}
three_functions = pytest.mark.parametrize("f, a_shape, b_shape", THREE_FUNCTIONS.values(), ids=THREE_FUNCTIONS)


def value_and_gradients(f, a, b):
    a, b = Tensor(a), Tensor(b)
    y = f(a, b)
    return [y.data, *(g.data for g in grad(y, [a, b], gy=random(*y.shape, seed=9)))]


@three_functions
@pytest.mark.parametrize("size", [1, 500, 1000])
def test_results_do_not_depend_on_how_the_batch_is_cut(f, a_shape, b_shape, size, monkeypatch):
    a, b = random(*a_shape, seed=1), random(*b_shape, seed=2)
    whole = value_and_gradients(f, a, b)
    monkeypatch.setattr(conv, "_SLICE", size)
    for cut, expected in zip(value_and_gradients(f, a, b), whole):
        assert_allclose(cut, expected, rtol=1e-12, atol=1e-12)


@three_functions
@pytest.mark.parametrize("types", [(np.float32, np.float64), (np.float64, np.float32)])
def test_beside_float64_the_result_is_float64(f, a_shape, b_shape, types):
    a, b = (random(*shape, seed=i).astype(dtype) for i, (shape, dtype) in enumerate(zip((a_shape, b_shape), types)))
    y, expected = f(a, b).data, f(a.astype(np.float64), b.astype(np.float64)).data
    assert y.dtype == np.float64
    assert_allclose(y, expected, rtol=1e-12, atol=1e-12)


def test_on_a_gpu_the_batch_is_not_cut(fake_cupy):
    assert conv._slices(fake_cupy.zeros((7, 1)), 10**12) == [slice(0, 7)]
    assert conv._slices(np.zeros((3, 1)), 10**12) == [slice(0, 1), slice(1, 2), slice(2, 3)]


def between(x):
    """The same values as every second element of a larger array."""
    larger = np.full([2 * n for n in x.shape], np.nan)
    larger[tuple(slice(None, None, 2) for _ in x.shape)] = x
    return larger[tuple(slice(None, None, 2) for _ in x.shape)]


LAYOUTS = {
    "Fortran order": np.asfortranarray,
    "channels last": lambda x: np.ascontiguousarray(x.transpose(0, 2, 3, 1)).transpose(0, 3, 1, 2),
    "slice of a larger array": between,
    "negative strides": lambda x: np.ascontiguousarray(x[::-1, ::-1, ::-1, ::-1])[::-1, ::-1, ::-1, ::-1],
}


@three_functions
@pytest.mark.parametrize("layout", LAYOUTS.values(), ids=LAYOUTS)
def test_results_do_not_depend_on_the_layout_in_memory(f, a_shape, b_shape, layout):
    a, b = random(*a_shape, seed=1), random(*b_shape, seed=2)
    for y, expected in zip(value_and_gradients(f, layout(a), layout(b)), value_and_gradients(f, a, b)):
        assert_allclose(y, expected, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("layout", LAYOUTS.values(), ids=LAYOUTS)
@pytest.mark.parametrize("pool", [F.max_pool2d, F.avg_pool2d])
def test_pooling_does_not_depend_on_the_layout_in_memory(pool, layout):
    x = random(2, 3, 6, 6)
    assert_allclose(pool(Tensor(layout(x)), 2, 1).data, pool(Tensor(x), 2, 1).data, rtol=1e-14)


@three_functions
def test_inputs_are_not_written_to(f, a_shape, b_shape):
    a, b = random(*a_shape, seed=1), random(*b_shape, seed=2)
    before = a.copy(), b.copy()
    value_and_gradients(f, a, b)
    assert_array_equal(a, before[0])
    assert_array_equal(b, before[1])


@three_functions
def test_float32_stays_float32_in_both_orders(f, a_shape, b_shape):
    a, b = (Tensor(random(*shape).astype(np.float32)) for shape in (a_shape, b_shape))
    y = f(a, b)
    ga, gb = grad(y, [a, b], gy=np.ones_like(y.data), create_graph=True)
    second = grad((ga * ga).sum() + (gb * gb).sum(), [a, b])
    assert {t.dtype for t in [y, ga, gb, *second]} == {np.dtype(np.float32)}


@pytest.mark.parametrize("f", [lambda x: F.max_pool2d(x, 2), lambda x: F.avg_pool2d(x, 3, 1, 1)], ids=["max", "avg"])
def test_pooling_keeps_float32(f):
    x = Tensor(random(2, 3, 6, 6).astype(np.float32))
    y = f(x)
    assert (y.dtype, grad(y.sum(), x).dtype) == (np.float32, np.float32)


@pytest.mark.parametrize("f", [lambda x: F.conv2d(x, random(4, 3, 2, 2)), lambda x: F.avg_pool2d(x, 2),
                               lambda x: F.max_pool2d(x, 2), lambda x: F.conv_transpose2d(x, random(3, 4, 2, 2))])
def test_an_empty_batch_gives_an_empty_batch(f):
    assert len(f(tensor(0, 3, 6, 6))) == 0


# --- second order ---


@three_functions
def test_mixed_second_derivative_is_the_gradient_at_the_direction(f, a_shape, b_shape):
    # f(a, b) is linear in a, so ⟨ā, u⟩ = ⟨ȳ, f(u, b)⟩: both have the same gradient in b. And the other way round.
    a, b, u, v = tensor(*a_shape, seed=1), tensor(*b_shape, seed=2), tensor(*a_shape, seed=3), tensor(*b_shape, seed=4)
    y = f(a, b)
    g = random(*y.shape, seed=5)
    ga, gb = grad(y, [a, b], gy=g, create_graph=True)
    assert_allclose(grad(ga, b, gy=u).data, grad(f(u, b), b, gy=g).data, rtol=1e-12, atol=1e-12)
    assert_allclose(grad(gb, a, gy=v).data, grad(f(a, v), a, gy=g).data, rtol=1e-12, atol=1e-12)




@pytest.mark.parametrize("f, channels", [
    (lambda b: F.conv2d(np.zeros((2, 3, 4, 5)), np.zeros((7, 3, 2, 2)), b), 7),
    (lambda b: F.conv_transpose2d(np.zeros((2, 3, 4, 5)), np.zeros((3, 7, 2, 2)), b), 7),
], ids=["conv2d", "conv_transpose2d"])
def test_gradient_of_the_bias_can_be_differentiated_in_the_cotangent(f, channels):
    b, u = tensor(channels), random(channels, seed=1)
    y = f(b)
    g = tensor(*y.shape, seed=2)
    gb = grad(y, b, gy=g, create_graph=True)
    assert_array_equal(grad(gb, g, gy=u).data, np.broadcast_to(u[:, None, None], y.shape))


def gradients_of_a_penalty(f, xs):
    """∇ of Σᵢ ⟨uᵢ, ∇ᵢ Σ r tanh(f)⟩ for every x: mixes all second derivatives, in minigan."""
    y = F.tanh(f(*xs))
    first = grad(y, xs, gy=random(*y.shape, seed=7), create_graph=True)
    penalty = sum((g * random(*g.shape, seed=i)).sum() for i, g in enumerate(first))
    return [g.data for g in grad(penalty, xs)]


def gradients_of_a_penalty_by_pytorch(torch, f, xs):
    """The same in PyTorch."""
    xs = [torch.tensor(x.data, requires_grad=True) for x in xs]
    y = torch.tanh(f(*xs))
    first = torch.autograd.grad(y, xs, torch.tensor(random(*y.shape, seed=7)), create_graph=True)
    penalty = sum((g * torch.tensor(random(*g.shape, seed=i))).sum() for i, g in enumerate(first))
    return [g.numpy() for g in torch.autograd.grad(penalty, xs)]


@pytest.fixture(scope="module")
def torch():
    return pytest.importorskip("torch")


@pytest.mark.parametrize("k, s, p", [
    ((3, 3), (1, 1), (0, 0)), ((3, 2), (2, 3), (1, 0)), ((2, 3), (3, 2), (0, 2)),
], ids=str)
def test_second_derivatives_of_conv2d_are_pytorchs(torch, k, s, p):
    xs = [tensor(N, C, H, W_, seed=1), tensor(O, C, *k, seed=2), tensor(O, seed=3)]
    ours = gradients_of_a_penalty(lambda x, W, b: F.conv2d(x, W, b, s, p), xs)
    theirs = gradients_of_a_penalty_by_pytorch(torch, lambda x, W, b: torch.nn.functional.conv2d(x, W, b, s, p), xs)
    for a, b in zip(ours, theirs):
        assert_allclose(a, b, rtol=1e-9, atol=1e-11)


@pytest.mark.parametrize("k, s, p, output_padding", [
    ((3, 3), (1, 1), (0, 0), (0, 0)), ((3, 2), (2, 3), (1, 0), (1, 2)), ((4, 4), (2, 2), (1, 1), (0, 0)),
], ids=str)
def test_second_derivatives_of_conv_transpose2d_are_pytorchs(torch, k, s, p, output_padding):
    xs = [tensor(N, O, 4, 3, seed=1), tensor(O, C, *k, seed=2), tensor(C, seed=3)]
    ours = gradients_of_a_penalty(lambda y, W, b: F.conv_transpose2d(y, W, b, s, p, output_padding), xs)
    theirs = gradients_of_a_penalty_by_pytorch(
        torch, lambda y, W, b: torch.nn.functional.conv_transpose2d(y, W, b, s, p, output_padding), xs)
    for a, b in zip(ours, theirs):
        assert_allclose(a, b, rtol=1e-9, atol=1e-11)


@pytest.mark.parametrize("k, s, p", [(2, 2, 0), (3, 1, 1), ((3, 2), (1, 2), (1, 1))], ids=str)
@pytest.mark.parametrize("pool", ["max_pool2d", "avg_pool2d"])
def test_second_derivatives_of_pooling_are_pytorchs(torch, pool, k, s, p):
    xs = [tensor(N, C, H, W_, seed=1)]
    ours = gradients_of_a_penalty(lambda x: getattr(F, pool)(x, k, s, p), xs)
    theirs = gradients_of_a_penalty_by_pytorch(torch, lambda x: getattr(torch.nn.functional, pool)(x, k, s, p), xs)
    assert_allclose(ours[0], theirs[0], rtol=1e-9, atol=1e-11)


# --- pooling, against literal loops ---


def pairs(k, s, p):
    return [(v, v) if isinstance(v, int) else v for v in (k, k if s is None else s, p)]


def windows(shape, k, s, p):
    """For every output element its window: the places (n, c, i, j) inside the image, row by row."""
    N, C, H, W = shape
    k, s, p = pairs(k, s, p)
    out = [(n + 2 * p[i] - k[i]) // s[i] + 1 for i, n in enumerate((H, W))]
    for n, c, i, j in np.ndindex(N, C, *out):
        yield (n, c, i, j), [(n, c, s[0] * i + a - p[0], s[1] * j + b - p[1]) for a, b in np.ndindex(*k)
                             if 0 <= s[0] * i + a - p[0] < H and 0 <= s[1] * j + b - p[1] < W]


def looped_max_pool(x, k, s, p, g=None):
    """The value as a dict by output place, and x̄ for a cotangent g."""
    y, gx = {}, np.zeros_like(x)
    for place, window in windows(x.shape, k, s, p):
        best = max(window, key=lambda q: x[q])  # Python's max is the first of equal ones
        y[place] = x[best]
        gx[best] += 0 if g is None else g[place]
    return y, gx


def looped_avg_pool(x, k, s, p, g=None):
    y, gx = {}, np.zeros_like(x)
    area = np.prod(pairs(k, s, p)[0])
    for place, window in windows(x.shape, k, s, p):
        y[place] = sum(x[q] for q in window) / area
        for q in window:
            gx[q] += 0 if g is None else g[place] / area
    return y, gx


POOLS = {"max": (F.max_pool2d, looped_max_pool), "avg": (F.avg_pool2d, looped_avg_pool)}
GEOMETRIES = [(2, None, 0), (3, None, 1), (3, 1, 1), (3, 2, 0), (2, 3, 1), ((2, 3), None, 0), ((3, 2), (1, 3), (1, 0)),
              (1, 1, 0), (4, 2, 2)]


@pytest.mark.parametrize("k, s, p", GEOMETRIES, ids=str)
@pytest.mark.parametrize("pool, looped", POOLS.values(), ids=POOLS)
def test_pooling_is_the_literal_loop(pool, looped, k, s, p):
    x = random(2, 3, 7, 6)
    y = pool(Tensor(x), k, s, p).data
    expected, _ = looped(x, k, s, p)
    assert expected.keys() == set(np.ndindex(y.shape))
    assert_allclose([y[place] for place in expected], list(expected.values()), rtol=1e-12)


@pytest.mark.parametrize("k, s, p", GEOMETRIES, ids=str)
@pytest.mark.parametrize("pool, looped", POOLS.values(), ids=POOLS)
def test_gradient_of_pooling_is_the_literal_loop(pool, looped, k, s, p):
    x = tensor(2, 3, 7, 6)
    y = pool(x, k, s, p)
    g = random(*y.shape, seed=1)
    assert_allclose(grad(y, x, gy=g).data, looped(x.data, k, s, p, g)[1], rtol=1e-12, atol=1e-14)


def test_the_border_of_max_pool_is_below_every_value():
    assert_array_equal(F.max_pool2d(np.full((1, 1, 4, 4), -3.0), 2, 2, 1).data, np.full((1, 1, 3, 3), -3.0))


def test_a_tie_in_max_pool_gives_the_gradient_to_the_first_row_by_row():
    x = Tensor([[[[1.0, 5.0], [5.0, 5.0]]]])
    assert_array_equal(grad(F.max_pool2d(x, 2).sum(), x).data, [[[[0, 1], [0, 0]]]])


@pytest.mark.parametrize("k, s, p", [(2, None, 0), (3, 1, 1), (3, 2, 1)], ids=str)
def test_ties_in_overlapping_windows_are_those_of_the_literal_loop(k, s, p):
    x = Tensor(np.random.default_rng(0).integers(0, 3, (2, 3, 6, 6)).astype(float))
    y = F.max_pool2d(x, k, s, p)
    g = random(*y.shape, seed=1)
    assert_allclose(grad(y, x, gy=g).data, looped_max_pool(x.data, k, s, p, g)[1], rtol=1e-12, atol=1e-14)


def test_nan_makes_its_windows_nan_and_no_others():
    x = random(1, 1, 4, 4)
    x[0, 0, 1, 2] = np.nan
    assert_array_equal(np.isnan(F.max_pool2d(x, 2).data), [[[[False, True], [False, False]]]])


def test_max_pool_of_minus_infinity_stays_within_the_image():
    x = Tensor([[[[-np.inf, 3.0], [5.0, 7.0]]]])
    assert_array_equal(F.max_pool2d(x, 2, 2, 1).data, [[[[-np.inf, 3], [5, 7]]]])


def test_avg_pool_counts_the_border():
    assert_array_equal(F.avg_pool2d(np.ones((1, 1, 2, 2)), 2, 2, 1).data, np.full((1, 1, 2, 2), 0.25))


def test_second_derivative_of_max_pool_sits_on_the_largest_elements():
    x, u = tensor(2, 3, 6, 6), random(2, 3, 6, 6, seed=1)
    y = F.max_pool2d(x, 3, 2)
    g = random(*y.shape, seed=2)
    first = grad(y ** 3, x, gy=g, create_graph=True)
    assert_allclose(grad(first, x, gy=u).data, 6 * x.data * u * looped_max_pool(x.data, 3, 2, 0, g)[1], rtol=1e-12)


# --- faults: the operation and the shapes ---


@pytest.mark.parametrize("op, f, parts", [
    ("conv2d", lambda: F.conv2d(tensor(2, 3, 8, 7), tensor(5, 4, 3, 3)),
     ["(2, 3, 8, 7)", "(5, 4, 3, 3)", "4 channels"]),
    ("conv2d", lambda: F.conv2d(tensor(3, 8, 7), tensor(5, 3, 3, 3)), ["(3, 8, 7)", "four axes", "x"]),
    ("conv2d", lambda: F.conv2d(tensor(2, 3, 8, 7), tensor(5, 3, 3)), ["(5, 3, 3)", "four axes", "W"]),
    ("conv2d", lambda: F.conv2d(tensor(2, 3, 8, 7), tensor(5, 3, 3, 8)), ["(8, 7)", "(3, 8)", "does not fit"]),
    ("conv2d", lambda: F.conv2d(tensor(2, 3, 8, 7), tensor(5, 3, 3, 12), padding=2), ["(8, 7)", "(2, 2)", "(3, 12)"]),
    ("conv2d", lambda: F.conv2d(tensor(2, 3, 8, 7), tensor(5, 3, 0, 3)), ["(0, 3)"]),
    ("conv2d", lambda: F.conv2d(tensor(2, 3, 8, 7), tensor(5, 3, 3, 3), tensor(3)), ["(5,)", "(3,)", "bias"]),
    ("conv2d", lambda: F.conv2d(tensor(2, 3, 8, 7), tensor(5, 3, 3, 3), tensor(1)), ["(5,)", "(1,)", "bias"]),
    ("conv2d", lambda: F.conv2d(tensor(2, 3, 8, 7), tensor(5, 3, 3, 3), tensor(1, 5)), ["(5,)", "(1, 5)", "bias"]),
    ("conv_transpose2d", lambda: F.conv_transpose2d(tensor(2, 4, 8, 7), tensor(5, 3, 3, 3)),
     ["(2, 4, 8, 7)", "(5, 3, 3, 3)", "5 channels"]),
    ("conv_transpose2d", lambda: F.conv_transpose2d(tensor(5, 8, 7), tensor(5, 3, 3, 3)), ["(5, 8, 7)", "four axes"]),
    ("conv_transpose2d", lambda: F.conv_transpose2d(tensor(2, 5, 1, 1), tensor(5, 3, 3, 3), padding=2),
     ["(2, 5, 1, 1)", "(5, 3, 3, 3)", "(2, 2)", "empty"]),
    ("conv_transpose2d", lambda: F.conv_transpose2d(tensor(2, 5, 8, 7), tensor(5, 3, 3, 3), tensor(5)),
     ["(3,)", "(5,)", "bias"]),
    ("conv2d_weight", lambda: F.conv2d_weight(tensor(2, 3, 8, 7), tensor(2, 5, 8, 7), 3),
     ["(2, 5, 6, 5)", "(2, 5, 8, 7)"]),
    ("conv2d_weight", lambda: F.conv2d_weight(tensor(2, 3, 8, 7), tensor(4, 5, 6, 5), 3),
     ["(2, 5, 6, 5)", "(4, 5, 6, 5)"]),
    ("conv2d_weight", lambda: F.conv2d_weight(tensor(2, 3, 8, 7), tensor(5, 6, 5), 3), ["(5, 6, 5)", "four axes", "y"]),
    ("conv2d_weight", lambda: F.conv2d_weight(tensor(2, 3, 2, 2), tensor(2, 5, 1, 1), 3), ["(2, 2)", "(3, 3)"]),
    ("max_pool2d", lambda: F.max_pool2d(tensor(3, 8, 7), 2), ["(3, 8, 7)", "four axes"]),
    ("max_pool2d", lambda: F.max_pool2d(tensor(2, 3, 8, 7), 9), ["(8, 7)", "(9, 9)"]),
    ("avg_pool2d", lambda: F.avg_pool2d(tensor(3, 8, 7), 2), ["(3, 8, 7)", "four axes"]),
    ("avg_pool2d", lambda: F.avg_pool2d(tensor(2, 3, 8, 7), 9), ["(8, 7)", "(9, 9)"]),
])
def test_shapes_that_do_not_fit_are_named_with_the_operation(op, f, parts):
    with pytest.raises(MiniganError) as error:
        f()
    assert isinstance(error.value, ShapeError)
    assert error.value.where == op
    assert all(part in str(error.value) for part in parts), str(error.value)


@pytest.mark.parametrize("output_padding, stride", [(1, 1), (2, 2), ((0, 2), (3, 2)), (5, 2)], ids=str)
def test_output_padding_that_is_not_below_the_stride_is_refused(output_padding, stride):
    with pytest.raises(ConfigError, match=r"conv_transpose2d: output_padding.*output_padding < stride"):
        F.conv_transpose2d(tensor(2, 5, 4, 4), tensor(5, 3, 3, 3), None, stride, 0, output_padding)


SLIDING = {
    "conv2d": lambda **options: F.conv2d(tensor(2, 3, 8, 7), tensor(5, 3, 3, 3), **options),
    "conv_transpose2d": lambda **options: F.conv_transpose2d(tensor(2, 5, 8, 7), tensor(5, 3, 3, 3), **options),
    "conv2d_weight": lambda **options: F.conv2d_weight(tensor(2, 3, 8, 7), tensor(2, 5, 6, 5), 3, **options),
    "max_pool2d": lambda **options: F.max_pool2d(tensor(2, 3, 8, 7), 3, **options),
    "avg_pool2d": lambda **options: F.avg_pool2d(tensor(2, 3, 8, 7), 3, **options),
}


@pytest.mark.parametrize("option, value", [
    ("stride", 0), ("stride", -1), ("stride", (1, 0)), ("stride", 1.5), ("stride", (1, 1, 1)),
    ("padding", -1), ("padding", (0, -2)), ("padding", 0.5), ("padding", (0, 0, 0)),
], ids=str)
def test_a_stride_or_padding_out_of_range_is_refused_with_its_value(option, value):
    with pytest.raises(ConfigError, match=option) as error:
        SLIDING["conv2d"](**{option: value})
    assert str(value) in str(error.value)


@pytest.mark.parametrize("op", SLIDING)
@pytest.mark.parametrize("option, value", [("stride", 0), ("padding", -1)])
def test_a_stride_or_padding_out_of_range_names_the_operation(op, option, value):
    with pytest.raises(ConfigError) as error:
        SLIDING[op](**{option: value})
    assert error.value.where == op


@pytest.mark.parametrize("kernel_size", [0, -1, 2.5, (1, 2, 3)], ids=str)
@pytest.mark.parametrize("op", ["conv2d_weight", "max_pool2d", "avg_pool2d"])
def test_a_kernel_size_out_of_range_is_refused(op, kernel_size):
    arguments = [tensor(2, 3, 8, 7)] + [tensor(2, 5, 6, 5)] * (op == "conv2d_weight")
    with pytest.raises(ConfigError, match=f"{op}: kernel_size"):
        getattr(F, op)(*arguments, kernel_size)


def test_negative_output_padding_is_refused_by_name():
    with pytest.raises(ConfigError, match="output_padding cannot be negative"):
        F.conv_transpose2d(tensor(2, 5, 4, 4), tensor(5, 3, 3, 3), None, 2, 0, -1)


@pytest.mark.parametrize("k, p", [(2, 2), (3, 2), ((4, 2), (2, 2))], ids=str)
def test_padding_of_max_pool_above_half_the_kernel_is_refused(k, p):
    with pytest.raises(ConfigError, match=r"max_pool2d.*half of the kernel"):
        F.max_pool2d(tensor(2, 3, 8, 7), k, 1, p)
