"""Samples: grids of images, clouds of points, sequences; and functions of the plane."""

import numpy as np

from ..backend import to_device, to_numpy
from ..errors import ShapeError
from ..tensor import Tensor, no_grad
from .colours import GENERATED, REAL

__all__ = ["arrows", "images", "points", "sequences", "surface", "tile"]


def tile(x, columns=None, gap=1):
    """One picture of all images, row by row.

    x       : (N, C, H, W) in [−1, 1], with C = 1 (grey) or 3 (colour)
    columns : images in a row; as square as can be by default
    gap     : pixels between images
    returns : (rows·(H + gap) − gap, columns·(W + gap) − gap) in [0, 1], with a last axis of 3 for colour
    """
    x = _array(x)
    if x.ndim != 4 or x.shape[1] not in (1, 3) or len(x) == 0:
        raise ShapeError("not images", where="plot.tile", expected="(N, 1 or 3, H, W)", got=x.shape)
    N, C, H, W = x.shape
    columns = columns or int(np.ceil(np.sqrt(N)))
    rows = -(-N // columns)
    picture = np.full((rows * columns, H + gap, W + gap, C), 0.5, np.float32)
    picture[:N, :H, :W] = np.clip((x.transpose(0, 2, 3, 1) + 1) / 2, 0, 1)
    picture = picture.reshape(rows, columns, H + gap, W + gap, C).transpose(0, 2, 1, 3, 4)
    picture = picture.reshape(rows * (H + gap), columns * (W + gap), C)[: -gap or None, : -gap or None]
    return picture[..., 0] if C == 1 else picture


def images(ax, x, columns=None):
    """Draw images x (N, C, H, W) in [−1, 1] as a grid on `ax`."""
    ax.imshow(tile(x, columns), cmap="gray", vmin=0, vmax=1, interpolation="nearest")
    ax.set_axis_off()


def points(ax, x_fake, x_real=None):
    """Draw generated points (N, 2) on `ax`, over real ones if given."""
    if x_real is not None:
        ax.scatter(*_array(x_real).T, s=22, color=REAL, alpha=0.35, linewidths=0, label="real")
    ax.scatter(*_array(x_fake).T, s=11, color=GENERATED, alpha=0.75, linewidths=0, label="generated")
    ax.set_aspect("equal")
    ax.set_xlabel("$x_1$")
    ax.set_ylabel("$x_2$")
    for dot in ax.legend(loc="upper right", framealpha=0.9, markerscale=1.6).legend_handles:
        dot.set_alpha(1)  # many pale dots make a full colour; one alone would look grey


def arrows(ax, x, v, colour="black", **options):
    """Draw vectors v (n, 2) as arrows on `ax`, from the points x (n, 2): for example −∇L_G at G's samples.

    The longest is a tenth of the axes wide, whatever its length; options go to matplotlib's `quiver`.
    """
    x, v = _array(x), _array(v)
    longest = np.linalg.norm(v, axis=1).max() or 1.0
    ax.quiver(*x.T, *(v / longest).T, color=colour, scale=10, scale_units="width", width=0.005, **options)


def sequences(ax, x_fake, x_real=None, rows=8, columns=3):
    """Draw the first rows·columns generated sequences (N, L, C) on `ax`, each in a cell of its own, on one scale.

    x_real : real ones, drawn in as many cells to the left of them.  The C channels share a cell.
    """
    groups = [(_array(x_fake), GENERATED, "generated")]
    if x_real is not None:
        groups.insert(0, (_array(x_real), REAL, "real"))
    for x, _, title in groups:
        if x.ndim != 3 or x.size == 0:
            raise ShapeError("not sequences", where=f"plot.sequences, {title}", expected="(N, L, C)", got=x.shape)
    groups = [(x[: rows * columns], colour, title) for x, colour, title in groups]
    height = 2.2 * max(np.abs(x).max() for x, _, _ in groups) or 1.0
    for i, (x, colour, title) in enumerate(groups):
        N, L, C = x.shape
        for k in range(N):
            row, column = divmod(k, columns)
            left = (i * (columns + 0.3) + column) * (1.2 * L)  # a gap between cells, a wider one between the groups
            ax.plot([left, left + L - 1], [-row * height] * 2, color="0.85", linewidth=0.6)
            for c in range(C):
                ax.plot(left + np.arange(L), x[k, :, c] - row * height, color=colour, linewidth=1.1, alpha=0.7**c,
                        label=title if k == c == 0 else None)
    ax.set_axis_off()
    ax.legend(loc="lower center", bbox_to_anchor=(0.5, 1), ncols=2, frameon=False)


def surface(ax, f, extent, resolution=100, device="cpu", limits=None):
    """Draw a function of the plane as filled contours on `ax`.

    f      : a module or function that maps points (n, 2) to values (n, 1), for example D, or `lambda x: sigmoid(D(x))`
    limits : the ends (low, high) of the colours, so that pictures can be compared; by default those of f's values here
    extent : (left, right, bottom, top);  device : where f computes
    returns : what `figure.colorbar` takes
    """
    u, v = np.linspace(*extent[:2], resolution), np.linspace(*extent[2:], resolution)
    grid = np.stack(np.meshgrid(u, v), axis=-1).reshape(-1, 2).astype(np.float32)
    with no_grad():
        values = _array(f(Tensor(to_device(grid, device)))).reshape(resolution, resolution)
    levels = 20 if limits is None else np.linspace(*limits, 21)
    return ax.contourf(u, v, values, levels, cmap="cividis", extend="neither" if limits is None else "both")


def _array(x):
    return x.numpy() if isinstance(x, Tensor) else to_numpy(x)
