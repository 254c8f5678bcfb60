"""Animated PNGs: all frames, in their order, as one picture that a notebook shows."""

from io import BytesIO

import pytest
from PIL import Image

import minigan as mg
from minigan.errors import ConfigError


def square(ax, k):
    """A red square over the k-th third of the axes."""
    ax.set_axis_off()
    ax.set(xlim=(0, 3), ylim=(0, 1))
    ax.fill_between([k, k + 1], 0, 1, color="red")


def reds(picture):
    """Where the picture is red, as a share of its width, on the average."""
    picture = picture.convert("RGB")
    row = [picture.getpixel((x, picture.height // 2)) for x in range(picture.width)]
    found = [x for x, (r, g, b) in enumerate(row) if r > 200 and g < 60 and b < 60]
    return sum(found) / len(found) / picture.width


def test_every_frame_is_drawn_on_an_empty_axes_in_its_order():
    picture = Image.open(BytesIO(mg.plot.animate(square, range(3), size=(2, 1)).data))
    assert picture.n_frames == 3 and picture.format == "PNG"
    places = []
    for k in range(3):
        picture.seek(k)
        places.append(reds(picture))
    assert places == pytest.approx([1 / 6, 1 / 2, 5 / 6], abs=0.06)


def test_the_last_frame_stays_and_then_it_begins_anew():
    picture = Image.open(BytesIO(mg.plot.animate(square, range(3), size=(2, 1), seconds=0.1).data))
    durations = []
    for k in range(3):
        picture.seek(k)
        durations.append(picture.info["duration"])
    assert durations == [100, 100, 1000] and picture.info["loop"] == 0


def test_frames_may_have_several_axes():
    seen = []
    mg.plot.animate(lambda axes, k: seen.append(len(axes)), [0], ncols=2, size=(1, 1))
    assert seen == [2]


def test_a_notebook_shows_its_bytes_and_a_file_holds_them(tmp_path):
    animation = mg.plot.animate(square, range(2), size=(1, 1))
    animation.save(tmp_path / "a.png")
    assert (tmp_path / "a.png").read_bytes() == animation._repr_png_() == animation.data
    assert repr(animation) == f"Animation(2 frames, {len(animation.data):,} bytes)"


def test_no_frames_are_refused():
    with pytest.raises(ConfigError, match="at least one frame"):
        mg.plot.animate(square, [])
