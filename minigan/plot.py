"""Pictures: grids of images, clouds of points, sequences, curves, D's surface.

Functions draw on a matplotlib axes that they are given; `save` writes what one of them draws to a file, and
`save_samples` a grid pixel by pixel. Matplotlib is loaded only when something is drawn.
"""

import csv
from pathlib import Path

import numpy as np

from .backend import to_device, to_numpy
from .errors import DataError, ShapeError
from .files import replacing
from .tensor import Tensor, no_grad

__all__ = ["tile", "images", "points", "sequences", "surface", "curves", "roc", "read_log", "save", "save_samples"]

# Okabe and Ito's colours, which colour-blind readers can tell apart.
REAL, GENERATED, D_COLOUR, G_COLOUR = "#0072B2", "#D55E00", "#0072B2", "#D55E00"


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
        ax.scatter(*_array(x_real).T, s=14, color=REAL, alpha=0.3, linewidths=0, label="real")
    ax.scatter(*_array(x_fake).T, s=6, color=GENERATED, alpha=0.6, linewidths=0, label="generated")
    ax.set_aspect("equal")
    ax.set_xlabel("$x_1$")
    ax.set_ylabel("$x_2$")
    ax.legend(loc="upper right", framealpha=0.9)


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


def surface(ax, f, extent, resolution=100, device="cpu"):
    """Draw a function of the plane as filled contours on `ax`.

    f      : a module or function that maps points (n, 2) to values (n, 1), for example D, or `lambda x: sigmoid(D(x))`
    extent : (left, right, bottom, top);  device : where f computes
    returns: what `figure.colorbar` takes
    """
    u, v = np.linspace(*extent[:2], resolution), np.linspace(*extent[2:], resolution)
    grid = np.stack(np.meshgrid(u, v), axis=-1).reshape(-1, 2).astype(np.float32)
    with no_grad():
        values = _array(f(Tensor(to_device(grid, device)))).reshape(resolution, resolution)
    return ax.contourf(u, v, values, levels=20, cmap="cividis")


def curves(axes, log):
    """Draw a run's log on two axes: the losses, and what D thinks of real and generated samples.

    axes : two matplotlib axes;  log : the path of a `log.csv`, or a dict column → list of numbers
    """
    columns = log if isinstance(log, dict) else read_log(log)
    step = np.asarray(columns["step"])
    for ax, pairs, label in zip(axes, (
        (("loss_d", "$L_D$", D_COLOUR), ("loss_g", "$L_G$", G_COLOUR)),
        (("d_real", "D(x)", REAL), ("d_fake", "D(G(z))", GENERATED)),
    ), ("loss", "D's opinion, mean over the batch")):
        for name, title, colour in pairs:
            values = np.asarray(columns[name], float)
            ax.plot(step, values, color=colour, alpha=0.25, linewidth=0.7)
            ax.plot(*_smooth(step, values), color=colour, linewidth=1.8, label=title)
        ax.set_xlabel("step of G")
        ax.set_ylabel(label)
        ax.legend(loc="best")
        ax.grid(alpha=0.3)


def roc(ax, a_real, a_fake):
    """Draw D's ROC curve on `ax`, from its scores (N, 1) on real and on generated samples."""
    from .metrics import auc, roc_curve

    fpr, tpr, _ = roc_curve(a_real, a_fake)
    ax.plot(fpr, tpr, color=D_COLOUR, linewidth=1.8, label=f"D, AUC {auc(a_real, a_fake):.3f}")
    ax.plot([0, 1], [0, 1], color="0.5", linestyle="--", linewidth=1, label="a coin, AUC 0.5")
    ax.set_xlabel("generated samples called real (false positives)")
    ax.set_ylabel("real samples called real (true positives)")
    ax.set_aspect("equal")
    ax.legend(loc="lower right")
    ax.grid(alpha=0.3)


def _smooth(step, values):
    """The running mean over about a fiftieth of the curve."""
    width = max(1, len(values) // 50)
    kernel = np.full(width, 1 / width)
    return np.convolve(step, kernel, "valid"), np.convolve(values, kernel, "valid")


def read_log(path):
    """The columns of a `log.csv`: a dict name → list of numbers, NaN where there is none.

    A last row that does not end, as a run that was killed can leave it, is left out. Raises DataError for what is no
    log.
    """
    try:
        text = Path(path).read_text(encoding="utf-8")
        rows = csv.DictReader(text[: text.rfind("\n") + 1].splitlines())
        names, rows = rows.fieldnames or [], list(rows)
        if any(None in row for row in rows):
            raise ValueError("a row is longer than the first")
        columns = {name: [float(row[name] or "nan") for row in rows] for name in names}
    except (OSError, ValueError, csv.Error) as error:
        raise DataError("not a readable log", where=str(path), got=f"{type(error).__name__}: {error}") from error
    if "step" not in columns:
        raise DataError("not a log of a run", where=str(path), expected="a column 'step'", got=", ".join(names)[:200])
    return columns


def save(path, draw, ncols=1, size=(5.0, 4.5), dpi=110):
    """Write a PNG of what `draw` draws: it is called with one axes, or with a list of `ncols`."""
    from matplotlib.figure import Figure  # without pyplot: no window, no global state

    figure = Figure(figsize=(size[0] * ncols, size[1]), layout="constrained")
    axes = figure.subplots(1, ncols)
    draw(axes)
    with replacing(path) as temporary:
        figure.savefig(temporary, format="png", dpi=dpi)


def save_samples(path, x, x_real=None):
    """Write a PNG of samples: a grid for images (N, C, H, W), enlarged to be seen; a cloud for points (N, 2), and
    curves for sequences (N, L, C), both with real ones if given."""
    x = _array(x)
    if x.ndim == 2:
        return save(path, lambda ax: points(ax, x, x_real))
    if x.ndim == 3:
        return save(path, lambda ax: sequences(ax, x, x_real), size=(8.0, 5.0))
    from matplotlib.image import imsave

    enlarge = max(1, 56 // x.shape[-1])
    picture = tile(x).repeat(enlarge, axis=0).repeat(enlarge, axis=1)
    with replacing(path) as temporary:
        imsave(temporary, picture, cmap="gray", vmin=0, vmax=1, format="png")


def _array(x):
    return x.numpy() if isinstance(x, Tensor) else to_numpy(x)
