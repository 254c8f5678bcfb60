"""Animations as animated PNGs: pictures that move in a notebook, in a browser and on a web page, without a program."""

from io import BytesIO

import numpy as np

from ..errors import ConfigError
from ..files import replacing

__all__ = ["Animation", "animate"]


class Animation:
    """An animated PNG, which a notebook shows.

    data : its bytes;  frames : how many pictures
    """

    def __init__(self, data, frames):
        self.data, self.frames = data, frames

    def _repr_png_(self):
        return self.data

    def __repr__(self):
        return f"Animation({self.frames} frames, {len(self.data):,} bytes)"

    def save(self, path):
        """Write it to the file `path`, which browsers show if its name ends in .png."""
        with replacing(path) as temporary, open(temporary, "wb") as file:
            file.write(self.data)


def animate(draw, frames, ncols=1, size=(5.0, 4.5), dpi=64, seconds=0.2, colours=64):
    """An animation of what `draw` draws.

    draw    : called as draw(axes, frame), on an empty axes, or a list of `ncols`, for each element of `frames`
    frames  : what differs from picture to picture, for example the samples of one step each
    size    : width and height of one axes in inches
    seconds : how long a frame is seen; the last stays ten times as long, then it begins anew
    colours : of the palette, at most 256; fewer make a smaller file
    returns : an `Animation`
    raises  : ConfigError without frames
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure
    from PIL import Image

    figure = Figure(figsize=(size[0] * ncols, size[1]), dpi=dpi, layout="constrained")
    canvas, pictures = FigureCanvasAgg(figure), []
    for frame in frames:
        figure.clear()
        draw(figure.subplots(1, ncols), frame)
        canvas.draw()
        pictures.append(Image.fromarray(np.asarray(canvas.buffer_rgba())[..., :3]))
    if not pictures:
        raise ConfigError("an animation has at least one frame", where="plot.animate")
    # One palette for all, so that no colour flickers, made from frames of the whole length.
    some = pictures[:: -(-len(pictures) // 8)] + pictures[-1:]
    together = Image.new("RGB", (some[0].width, len(some) * some[0].height))
    for i, picture in enumerate(some):
        together.paste(picture, (0, i * picture.height))
    palette = together.quantize(colours)
    first, *rest = (picture.quantize(palette=palette, dither=Image.Dither.NONE) for picture in pictures)
    duration = [1000 * seconds] * len(rest) + [10_000 * seconds]
    file = BytesIO()
    first.save(file, "png", save_all=True, append_images=rest, duration=duration, loop=0)
    return Animation(file.getvalue(), len(pictures))
