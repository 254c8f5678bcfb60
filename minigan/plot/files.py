"""Pictures as files: whole ones, or none."""

from ..files import replacing
from .pictures import _array, points, sequences, tile

__all__ = ["save", "save_samples"]


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
