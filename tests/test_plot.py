"""Pictures: what is drawn where, and that files are pictures."""

import numpy as np
import pytest
from matplotlib.figure import Figure
from matplotlib.image import imread

import minigan as mg
from minigan import plot
from minigan.errors import DataError, ShapeError


def test_tile_puts_image_k_in_row_k_div_columns_and_column_k_mod_columns():
    x = np.linspace(-1, 1, 6).reshape(6, 1, 1, 1) * np.ones((6, 1, 2, 3))
    picture = plot.tile(x, columns=3, gap=1)
    assert picture.shape == (2 * 3 - 1, 3 * 4 - 1)
    np.testing.assert_allclose(picture[0::3, 0::4], np.linspace(0, 1, 6).reshape(2, 3), atol=1e-6)


def test_tile_keeps_colour():
    x = np.stack([np.ones((2, 2)), -np.ones((2, 2)), np.zeros((2, 2))])[None]
    np.testing.assert_allclose(plot.tile(x), np.broadcast_to([1, 0, 0.5], (2, 2, 3)))


def test_tile_without_a_gap():
    assert plot.tile(np.zeros((4, 1, 5, 7)), gap=0).shape == (10, 14)


def test_tile_clips_to_black_and_white():
    assert plot.tile(np.array([-3.0, 3.0]).reshape(2, 1, 1, 1), columns=2, gap=0).tolist() == [[0, 1]]


@pytest.mark.parametrize("shape", [(3, 28, 28), (4, 2, 8, 8), (0, 1, 8, 8)])
def test_what_is_no_image_is_refused(shape):
    with pytest.raises(ShapeError, match=r"plot\.tile: not images"):
        plot.tile(np.zeros(shape))


def test_saved_samples_of_images_are_an_enlarged_grid(tmp_path):
    x = -np.ones((4, 1, 8, 8))
    x[0] = 1
    plot.save_samples(tmp_path / "a.png", x)
    picture = imread(tmp_path / "a.png")
    assert picture.shape[:2] == (17 * 7, 17 * 7)
    assert picture[0, 0, 0] == 1 and picture[-1, -1, 0] == 0


def test_saved_samples_of_points_are_a_picture(tmp_path):
    rng = np.random.default_rng(0)
    plot.save_samples(tmp_path / "a.png", rng.normal(size=(50, 2)), rng.normal(size=(50, 2)))
    assert imread(tmp_path / "a.png").std() > 0.01


def test_surface_draws_the_function_where_it_is():
    ax = Figure().subplots()
    contours = plot.surface(ax, lambda x: x[:, :1] * 2.0, extent=(-1, 1, 0, 3))
    assert ax.get_xlim() == (-1, 1) and ax.get_ylim() == (0, 3)
    assert contours.get_clim() == pytest.approx((-2, 2), abs=0.3)


@pytest.mark.parametrize("slope", [0.1, 5.0])
def test_surfaces_with_the_same_limits_have_the_same_colours_whatever_they_show(slope):
    contours = plot.surface(Figure().subplots(), lambda x: x[:, :1] * slope, (-1, 1, -1, 1), limits=(0, 1))
    assert contours.get_clim() == (0, 1)
    assert contours.levels.tolist() == pytest.approx(np.linspace(0, 1, 21).tolist())


def test_curves_draw_every_column_with_labelled_axes():
    log = {name: [float(i) for i in range(100)] for name in ("step", "loss_d", "loss_g", "d_real", "d_fake")}
    axes = Figure().subplots(1, 2)
    plot.curves(axes, log)
    titles = [text.get_text() for ax in axes for text in ax.get_legend().get_texts()]
    assert titles == ["$L_D$", "$L_G$", "D(x)", "D(G(z))"]
    assert all(ax.get_xlabel() and ax.get_ylabel() for ax in axes)


@pytest.mark.parametrize("content, message", [
    (None, "not a readable log"), (b"step,loss_d\n1,abc\n", "abc"), (b"step,loss_d\n1,2,3\n", "longer than the first"),
    (b"\x8f\xff\x00", "not a readable log"), (b"step,loss_d\n1\n", None),
])
def test_a_log_that_is_missing_or_damaged_is_one_clear_error_and_a_gap_is_nan(tmp_path, content, message):
    path = tmp_path / "log.csv"
    if content is not None:
        path.write_bytes(content)
    if message is None:
        np.testing.assert_equal(plot.read_log(path), {"step": [1.0], "loss_d": [np.nan]})
    else:
        with pytest.raises(DataError, match=message):
            plot.read_log(path)


def test_images_and_points_draw_on_the_given_axes():
    axes = Figure().subplots(1, 2)
    plot.images(axes[0], mg.Tensor(np.zeros((4, 1, 8, 8))))
    plot.points(axes[1], mg.Tensor(np.zeros((4, 2))), np.ones((4, 2)))
    assert axes[0].get_images() and len(axes[1].collections) == 2


def test_the_legend_of_points_shows_their_full_colours():
    ax = Figure().subplots()
    plot.points(ax, np.zeros((4, 2)), np.ones((4, 2)))
    assert [dot.get_alpha() for dot in ax.get_legend().legend_handles] == [1, 1]
    assert all(dots.get_alpha() < 1 for dots in ax.collections)


def waves(n, L=24, C=1):
    return np.random.default_rng(0).normal(size=(n, L, C))


def test_sequences_are_drawn_each_at_its_place_generated_beside_real():
    ax, x, x_real = Figure().subplots(), waves(5, 3), waves(4, 3)
    plot.sequences(ax, mg.Tensor(x), x_real, rows=2, columns=2)
    drawn = [line for line in ax.get_lines() if line.get_color() != "0.85"]
    assert [line.get_color() for line in drawn] == [plot.REAL] * 4 + [plot.GENERATED] * 4
    height = 2.2 * max(np.abs(x[:4]).max(), np.abs(x_real).max())
    for k, line in enumerate(drawn):
        shift = height * (k % 4 // 2)
        np.testing.assert_allclose(line.get_ydata() + shift, np.concatenate([x_real, x[:4]])[k, :, 0], atol=1e-12)
    starts = [line.get_xdata()[0] for line in drawn]
    assert starts[0] < starts[1] < starts[4] < starts[5] and starts[:2] == starts[2:4]
    assert [text.get_text() for text in ax.get_legend().get_texts()] == ["real", "generated"]


def test_all_channels_of_a_sequence_share_its_place():
    ax = Figure().subplots()
    plot.sequences(ax, waves(1, 3, C=2))
    assert len(ax.get_lines()) == 1 + 2


@pytest.mark.parametrize("shape", [(4, 24), (0, 24, 1), (2, 1, 8, 8)])
def test_what_is_no_sequence_is_refused(shape):
    with pytest.raises(ShapeError, match=r"plot\.sequences, generated: not sequences"):
        plot.sequences(Figure().subplots(), np.zeros(shape))


def test_saved_samples_of_sequences_are_a_picture(tmp_path):
    plot.save_samples(tmp_path / "a.png", waves(50), waves(50))
    assert imread(tmp_path / "a.png").std() > 0.01


def test_an_animation_keeps_colours_that_only_its_middle_has():
    from io import BytesIO

    from PIL import Image

    colours = ["black"] * 4 + ["lime"] * 4 + ["black"] * 4
    film = Image.open(BytesIO(plot.animate(lambda ax, colour: ax.set_facecolor(colour), colours, colours=8).data))
    assert film.n_frames == 3  # equal frames are one, shown longer
    film.seek(1)
    r, g, b = film.convert("RGB").getpixel((film.width // 2, film.height // 2))
    assert g > 200 and max(r, b) < 50


@pytest.mark.parametrize("length", [0.0, 1e-3, 50.0])
def test_the_longest_arrow_is_a_tenth_of_the_axes_wide(length):
    ax = Figure().subplots()
    x, v = np.array([[0.0, 0.0], [1.0, 2.0]]), length * np.array([[0.6, 0.8], [0.0, 0.5]])
    plot.arrows(ax, x, v)
    (quiver,) = ax.collections
    drawn = np.stack([quiver.U, quiver.V], axis=1) / quiver.scale
    np.testing.assert_allclose(drawn, 0.1 * v / (length or 1.0))
    np.testing.assert_array_equal(quiver.XY, x)
