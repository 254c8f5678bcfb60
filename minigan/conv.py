r"""Convolution, written once.

For images $x$, a kernel $W$ and output-shaped $y$ take the trilinear form

$$\Phi(x, W, y) = \langle \mathrm{conv2d}(x, W),\, y\rangle
  = \sum_{n,o,i,j}\ \sum_{c,k,l} y_{n,o,i,j}\; W_{o,c,k,l}\; x_{n,c,\;si+k-p,\;sj+l-p}$$

It is linear in each of its three arguments, so it has three partial gradients, and they are three functions:

    ∂Φ/∂y = conv2d(x, W)              ∂Φ/∂x = conv_transpose2d(y, W)              ∂Φ/∂W = conv2d_weight(x, y)

Each is linear in its two inputs, and its vjps are the other two. So convolution is closed under
differentiation: second derivatives, and all that follow, are right because these three are.

| | with respect to its first input | with respect to its second |
|---|---|---|
| `conv2d(x, W)` | `conv_transpose2d(ȳ, W)` | `conv2d_weight(x, ȳ)` |
| `conv_transpose2d(y, W)` | `conv2d(x̄, W)` | `conv2d_weight(x̄, y)` |
| `conv2d_weight(x, y)` | `conv_transpose2d(y, W̄)` | `conv2d(x, W̄)` |

On arrays, each is matrix products. `conv2d` and `conv2d_weight` copy every window of the image into a row of a matrix
(im2col) and multiply; `conv_transpose2d` multiplies and adds what overlaps. Inside, images lie channels-last in
memory, (N, H, W, C), so that what is copied or added is made of long runs; results go out as transposed views of shape
(N, C, H, W).

Shapes: images (N, C, H, W); kernels (out, in, kh, kw), for `conv_transpose2d` (in, out, kh, kw), as in PyTorch.
"""

from math import prod

import numpy as np

from .backend import get_array_module, require_same_device
from .errors import ConfigError, ShapeError
from .tensor import as_tensor, index, record, reshape, sum

__all__ = ["conv2d", "conv_transpose2d", "conv2d_weight", "max_pool2d", "avg_pool2d"]

# Floats in one matrix. A batch is cut into slices of about this size, so that what is written stays in the
# processor's cache until it is read; memory then does not grow with the batch.
_SLICE = 500_000


def conv2d(x, W, b=None, stride=1, padding=0):
    r"""Cross-correlation of images with kernels.

    $$y_{n,o,i,j} = b_o + \sum_{c,k,l} W_{o,c,k,l}\, x_{n,c,si+k-p,sj+l-p}$$

    x : (N, C, H, W);  W : (O, C, kh, kw);  b : (O,) or None;  stride, padding : an int or a pair
    returns : (N, O, OH, OW) with OH = ⌊(H + 2p − kh)/s⌋ + 1

    Raises ShapeError if the channels differ or the kernel does not fit into the padded image.
    """
    x, W, b = as_tensor(x), as_tensor(W), b if b is None else as_tensor(b)
    s, p = _stride("conv2d", stride), _padding("conv2d", padding)
    _require_4d("conv2d", x=x, W=W)
    if x.shape[1] != W.shape[1]:
        raise ShapeError("channels differ", where="conv2d", expected=f"x with {W.shape[1]} channels, for W {W.shape}",
                         got=f"x {x.shape}")
    k = W.shape[2:]
    OH, OW = _output_size("conv2d", x.shape[2:], k, s, p)
    rest = tuple((x.shape[2 + i] + 2 * p[i] - k[i]) % s[i] for i in (0, 1))  # rows that the stride leaves unused
    _require_bias("conv2d", b, W.shape[0])

    y, kernel = x.xp.empty((x.shape[0], OH, OW, W.shape[0]), dtype=_common_type(x, W)), _kernel_columns(W.data)
    for batch, columns in _columns(x.data, k, s, p, (OH, OW)):
        rows = y[batch].reshape(-1, W.shape[0])
        x.xp.matmul(columns, kernel, out=rows)
        if b is not None:
            rows += b.data
    return record(_channels_first(y), (x, W, b),
                  lambda g, y: conv_transpose2d(g, W, None, s, p, rest),
                  lambda g, y: conv2d_weight(x, g, k, s, p),
                  lambda g, y: sum(g, (0, 2, 3)))


def conv_transpose2d(y, W, b=None, stride=1, padding=0, output_padding=0):
    r"""The adjoint of `conv2d` in its image.

    $$\langle \mathrm{conv\_transpose2d}(y, W),\ x\rangle = \langle y,\ \mathrm{conv2d}(x, W)\rangle$$

    y : (N, O, OH, OW);  W : (O, C, kh, kw), "in" before "out";  b : (C,) or None
    output_padding : an int or a pair below the stride, chooses among the sizes that `conv2d` maps to OH
    returns : (N, C, H, W) with H = (OH − 1)s − 2p + kh + output_padding. Where the stride does not divide the
              kernel, the kernel is filled up with zeros, so inf in y can give NaN next to where it belongs

    Raises ShapeError if the channels differ, ConfigError if output_padding is not below the stride.
    """
    y, W, b = as_tensor(y), as_tensor(W), b if b is None else as_tensor(b)
    s, p = _stride("conv_transpose2d", stride), _padding("conv_transpose2d", padding)
    op = _padding("conv_transpose2d", output_padding, "output_padding")
    _require_4d("conv_transpose2d", x=y, W=W)
    if op[0] >= s[0] or op[1] >= s[1]:
        raise ConfigError("output_padding only chooses among the sizes that a stride makes ambiguous",
                          where="conv_transpose2d", expected=f"output_padding < stride = {s}", got=op)
    if y.shape[1] != W.shape[0]:
        raise ShapeError("channels differ", where="conv_transpose2d",
                         expected=f"x with {W.shape[0]} channels, for W {W.shape}", got=f"x {y.shape}")
    (N, _, OH, OW), (C, *k) = y.shape, W.shape[1:]
    size = tuple((n - 1) * s[i] - 2 * p[i] + k[i] + op[i] for i, n in enumerate((OH, OW)))
    if min(size) < 1 or min(k) < 1:
        raise ShapeError("the output would be empty", where="conv_transpose2d",
                         got=f"x {y.shape}, W {W.shape}, padding {p}")
    _require_bias("conv_transpose2d", b, C)

    # The image is a grid of s×s blocks, and a pixel of y adds to q×q of them: for each, one matrix product.
    q = tuple(-(-k[i] // s[i]) for i in (0, 1))
    BH, BW = (-(-(size[i] + 2 * p[i]) // s[i]) for i in (0, 1))
    image, kernel = y.xp.empty((N, BH, s[0], BW, s[1], C), dtype=_common_type(y, W)), _kernel_blocks(W.data, q, s)
    slices = _slices(y.data, BH * BW * prod(q) * prod(s) * C)
    blocks = y.xp.empty((_longest(slices), BH, BW, *s, C), dtype=image.dtype)
    taps = y.xp.empty((_longest(slices) * OH * OW, prod(s) * C), dtype=image.dtype)
    for batch in slices:
        rows = _rows(y.data, batch)
        n, m = batch.stop - batch.start, len(rows)
        blocks[:n] = 0.0 if b is None else b.data
        for i, j in np.ndindex(q):
            y.xp.matmul(rows, kernel[i, j], out=taps[:m])
            blocks[:n, i:i + OH, j:j + OW] += taps[:m].reshape(n, OH, OW, *s, C)
        image[batch] = blocks[:n].transpose(0, 1, 3, 2, 4, 5)  # (n, BH, BW, sh, sw, C) -> (n, BH, sh, BW, sw, C)
    x = image.reshape(N, BH * s[0], BW * s[1], C)[:, p[0]:p[0] + size[0], p[1]:p[1] + size[1]]
    return record(_channels_first(x), (y, W, b),
                  lambda g, x: conv2d(g, W, None, s, p),
                  lambda g, x: conv2d_weight(g, y, k, s, p),
                  lambda g, x: sum(g, (0, 2, 3)))


def conv2d_weight(x, y, kernel_size, stride=1, padding=0):
    r"""The gradient of $\langle \mathrm{conv2d}(x, W), y\rangle$ in W.

    $$\bar W_{o,c,k,l} = \sum_{n,i,j} y_{n,o,i,j}\, x_{n,c,si+k-p,sj+l-p}$$

    x : (N, C, H, W);  y : (N, O, OH, OW);  kernel_size : an int or a pair (a stride leaves it ambiguous)
    returns : (O, C, kh, kw)

    Raises ShapeError if y does not have the shape of `conv2d(x, W)`.
    """
    x, y = as_tensor(x), as_tensor(y)
    k, s = _kernel("conv2d_weight", kernel_size), _stride("conv2d_weight", stride)
    p = _padding("conv2d_weight", padding)
    _require_4d("conv2d_weight", x=x, y=y)
    (N, C, H, W), (_, O, OH, OW) = x.shape, y.shape
    if y.shape != (expected := (N, O, *_output_size("conv2d_weight", (H, W), k, s, p))):
        raise ShapeError("y does not have the shape of conv2d(x, W)", where="conv2d_weight", expected=expected,
                         got=y.shape)
    rest = tuple((n + 2 * p[i] - k[i]) % s[i] for i, n in enumerate((H, W)))

    total = x.xp.zeros((k[0] * k[1] * C, O), dtype=_common_type(x, y))
    for batch, columns in _columns(x.data, k, s, p, (OH, OW)):
        total += columns.T @ _rows(y.data, batch)
    return record(total.reshape(*k, C, O).transpose(3, 2, 0, 1), (x, y),
                  lambda g, W: conv_transpose2d(y, g, None, s, p, rest),
                  lambda g, W: conv2d(x, g, None, s, p))


# --- pooling ---


def max_pool2d(x, kernel_size, stride=None, padding=0):
    r"""The largest value of every window; outside the image lies −∞.

    $$y_{n,c,i,j} = \max_{k,l}\ x_{n,c,si+k-p,sj+l-p}$$

    x : (N, C, H, W);  stride : the kernel's size by default;  padding : at most half the kernel
    returns : (N, C, OH, OW). The gradient goes to the largest element, the first of equal ones.
    """
    x = as_tensor(x)
    k, p = _kernel("max_pool2d", kernel_size), _padding("max_pool2d", padding)
    s = k if stride is None else _stride("max_pool2d", stride)
    _require_4d("max_pool2d", x=x)
    if 2 * p[0] > k[0] or 2 * p[1] > k[1]:
        raise ConfigError("a window could lie outside the image", where="max_pool2d",
                          expected=f"padding ≤ half of the kernel {k}", got=p)
    (N, C, H, W), xp = x.shape, x.xp
    OH, OW = _output_size("max_pool2d", (H, W), k, s, p)

    windows = _windows(_padded(x.data, p, -np.inf), k, s, (OH, OW)).reshape(N, OH, OW, k[0] * k[1], C)
    best = _channels_first(windows.argmax(axis=3))  # (N, C, OH, OW), the place within each window
    n, c, i, j = xp.ogrid[:N, :C, :OH, :OW]
    i, j = i * s[0] - p[0] + best // k[1], j * s[1] - p[1] + best % k[1]
    # Outside the image only where the whole window is −inf; then the nearest pixel inside is −inf as well.
    return index(x, (n, c, xp.clip(i, 0, H - 1), xp.clip(j, 0, W - 1)))


def avg_pool2d(x, kernel_size, stride=None, padding=0):
    r"""The mean of every window; outside the image lies 0.

    $$y_{n,c,i,j} = \frac{1}{k_h k_w} \sum_{k,l} x_{n,c,si+k-p,sj+l-p}$$

    x : (N, C, H, W);  stride : the kernel's size by default
    returns : (N, C, OH, OW). It is the convolution of each channel by itself with a constant kernel.
    """
    x, k, p = as_tensor(x), _kernel("avg_pool2d", kernel_size), _padding("avg_pool2d", padding)
    s = k if stride is None else _stride("avg_pool2d", stride)
    _require_4d("avg_pool2d", x=x)
    N, C, H, W = x.shape
    _output_size("avg_pool2d", (H, W), k, s, p)
    mean = x.xp.full((1, 1, *k), 1 / (k[0] * k[1]), dtype=x.dtype)
    y = conv2d(reshape(x, N * C, 1, H, W), mean, None, s, p)
    return reshape(y, N, C, *y.shape[2:])


# --- on arrays: columns of windows, channels last ---


def _slices(x, size):
    """Slices of the batch, so short that a matrix of `size` floats a sample stays in the cache; one on a GPU."""
    N = len(x)
    step = max(1, _SLICE // max(1, size)) if get_array_module(x) is np else max(1, N)
    return [slice(start, min(start + step, N)) for start in range(0, N, step)]


def _longest(slices):
    """How many samples the first slice has, which no other exceeds: the length of buffers that all of them share.

    Fresh memory costs more than what is computed in it: the system hands it out page by page.
    """
    return slices[0].stop if slices else 0


def _columns(x, k, s, p, out):
    """Slices of the batch, and for each its columns: every window of the padded images as a row of a matrix (im2col).

    (n, C, H, W) -> (n·OH·OW, kh·kw·C). All slices share their buffers: use each before asking for the next.
    """
    xp, (_, C, H, W) = get_array_module(x), x.shape
    slices = _slices(x, prod(out) * prod(k) * C)
    padded = xp.zeros((_longest(slices), H + 2 * p[0], W + 2 * p[1], C), dtype=x.dtype)
    columns = xp.empty((_longest(slices), *out, *k, C), dtype=x.dtype)
    for batch in slices:
        n = batch.stop - batch.start
        padded[:n, p[0]:p[0] + H, p[1]:p[1] + W] = x[batch].transpose(0, 2, 3, 1)
        columns[:n] = _windows(padded[:n], k, s, out)
        yield batch, columns[:n].reshape(-1, prod(k) * C)


def _rows(y, batch):
    """(n, O, OH, OW) -> (n·OH·OW, O), every pixel as a row; no copy where the channels lie last in memory."""
    return y[batch].transpose(0, 2, 3, 1).reshape(-1, y.shape[1])


def _windows(image, k, s, out):
    """A view of every window, no copy: (n, H, W, C) -> (n, OH, OW, kh, kw, C)."""
    sn, sh, sw, sc = image.strides
    shape = (image.shape[0], *out, *k, image.shape[3])
    as_strided = get_array_module(image).lib.stride_tricks.as_strided
    return as_strided(image, shape, (sn, s[0] * sh, s[1] * sw, sh, sw, sc))


def _padded(x, p, border):
    """(N, C, H, W) -> (N, H + 2p, W + 2p, C), with `border` around it."""
    N, C, H, W = x.shape
    image = get_array_module(x).full((N, H + 2 * p[0], W + 2 * p[1], C), border, dtype=x.dtype)
    image[:, p[0]:p[0] + H, p[1]:p[1] + W] = x.transpose(0, 2, 3, 1)
    return image


def _channels_first(x):
    """A view: (N, H, W, C) -> (N, C, H, W)."""
    return x.transpose(0, 3, 1, 2)


def _kernel_columns(W):
    """(O, C, kh, kw) -> (kh·kw·C, O): every kernel as a column, in the order of a window's row."""
    return W.transpose(0, 2, 3, 1).reshape(W.shape[0], -1).T


def _kernel_blocks(W, q, s):
    """(O, C, kh, kw) -> (qh, qw, O, sh·sw·C): what a pixel adds to each of q×q blocks of s×s pixels.

    Tap k lands in block k // s at place k mod s. Where s does not divide k, the last block's other places get zeros.
    """
    O, C, kh, kw = W.shape
    taps = get_array_module(W).zeros((O, q[0] * s[0], q[1] * s[1], C), dtype=W.dtype)
    taps[:, :kh, :kw] = W.transpose(0, 2, 3, 1)
    return taps.reshape(O, q[0], s[0], q[1], s[1], C).transpose(1, 3, 0, 2, 4, 5).reshape(*q, O, -1)


def _require_bias(op, b, channels):
    if b is not None and b.shape != (channels,):
        raise ShapeError("the bias has one number for each output channel", where=op, expected=(channels,), got=b.shape)


# --- arguments ---


def _pair(v):
    return (v, v) if np.ndim(v) == 0 else tuple(v)


def _kernel(op, kernel_size):
    return _whole_numbers(op, "kernel_size", kernel_size, 1, "must be positive")


def _stride(op, stride):
    return _whole_numbers(op, "stride", stride, 1, "must be positive")


def _padding(op, padding, name="padding"):
    return _whole_numbers(op, name, padding, 0, "cannot be negative")


def _whole_numbers(op, name, v, least, otherwise):
    pair = _pair(v)
    if len(pair) != 2 or not all(isinstance(n, (int, np.integer)) for n in pair):
        raise ConfigError(f"{name} must be an int or a pair of ints", where=op, got=v)
    if min(pair) < least:
        raise ConfigError(f"{name} {otherwise}", where=op, expected=f"ints ≥ {least}", got=v)
    return tuple(int(n) for n in pair)


def _output_size(op, size, k, s, p):
    out = tuple((n + 2 * p[i] - k[i]) // s[i] + 1 for i, n in enumerate(size))
    if min(out) < 1 or min(k) < 1:
        raise ShapeError("the kernel does not fit into the padded image", where=op,
                         got=f"image {size}, padding {p}, kernel {k}")
    return out


def _require_4d(op, **tensors):
    require_same_device(op, *(t.data for t in tensors.values()))
    for name, t in tensors.items():
        if t.ndim != 4:
            raise ShapeError(f"{name} must have four axes, (N, C, H, W) or (out, in, kh, kw)", where=op,
                             got=f"shape {t.shape}")


def _common_type(a, b):
    return np.result_type(a.dtype, b.dtype)
