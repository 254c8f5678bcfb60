"""A folder of images as a data set: which files are read, how they become arrays, and what is refused."""

import subprocess
import sys

import numpy as np
import pytest
from PIL import Image

from minigan import data
from minigan.data import load, load_folder
from minigan.errors import ConfigError, DataError

RED, GREEN, BLUE = (255, 0, 0), (0, 255, 0), (0, 0, 255)


def save(path, colour, size=(8, 8), mode="RGB", **options):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new(mode, size, colour).save(path, **options)


def colour_of(x):
    """The one colour of an image (C, H, W) in [−1, 1], as whole numbers 0 … 255."""
    assert np.ptp(x, axis=(1, 2)).max() <= 0.02
    return tuple(round(float(c)) for c in (x[:, 0, 0] + 1) * 127.5)


@pytest.fixture
def folder(tmp_path):
    """Two grey images, to which a test adds its own."""
    save(tmp_path / "a.png", 0, mode="L")
    save(tmp_path / "b.png", 255, mode="L")
    return tmp_path


# --- from files to arrays ---


def test_images_come_in_the_order_of_their_names_scaled_to_the_range_of_tanh(tmp_path):
    for name, colour in (("c.png", BLUE), ("a/z.png", RED), ("b.png", GREEN)):
        save(tmp_path / name, colour)
    x = load_folder(tmp_path, size=4)
    assert (x.shape, x.dtype, x.flags.c_contiguous) == ((3, 3, 4, 4), np.float32, True)
    assert [colour_of(image) for image in x] == [RED, GREEN, BLUE]
    assert (x.min(), x.max()) == (-1, 1)


def test_the_path_may_be_text(folder):
    np.testing.assert_array_equal(load_folder(str(folder)), load_folder(folder))


@pytest.mark.parametrize("suffix", [".png", ".jpg", ".jpeg", ".JPG", ".bmp", ".gif", ".webp", ".tif", ".tiff", ".ppm"])
def test_every_usual_format_is_read(folder, suffix):
    save(folder / f"c{suffix}", RED)
    np.testing.assert_allclose(colour_of(load_folder(folder)[2]), RED, atol=3)  # JPEG rounds


@pytest.mark.parametrize("size", [(30, 10), (10, 30), (31, 10), (10, 10)], ids=str)
def test_an_image_is_cut_to_the_square_in_its_middle(folder, size):
    image = Image.new("RGB", size, RED)
    left, top = (size[0] - 10) // 2, (size[1] - 10) // 2
    image.paste(GREEN, (left, top, left + 10, top + 10))
    image.save(folder / "c.png")
    assert colour_of(load_folder(folder, size=5)[2]) == GREEN


def test_a_fine_pattern_becomes_its_mean_not_an_arbitrary_pixel(folder):
    pattern = np.indices((120, 120)).sum(0) % 2 * 255
    Image.fromarray(pattern.astype(np.uint8)).save(folder / "c.png")
    np.testing.assert_allclose(load_folder(folder, size=7)[2], 0, atol=0.05)


def test_a_large_jpeg_is_resized_as_the_same_png_is(folder):
    slope = np.linspace(0, 255, 800).astype(np.uint8)
    image = Image.fromarray(np.stack([np.tile(slope, (600, 1)), np.tile(slope[:600, None], (1, 800)),
                                      np.full((600, 800), 90, np.uint8)], axis=-1))
    image.save(folder / "c.png")
    image.save(folder / "d.jpg", quality=95)
    x = load_folder(folder, size=8)
    np.testing.assert_allclose(x[3], x[2], atol=0.03)


def test_rows_stay_rows_and_columns_stay_columns(folder):
    corner = np.zeros((4, 4), np.uint8)
    corner[0, 3] = 255
    Image.fromarray(corner).save(folder / "c.png")
    np.testing.assert_array_equal(load_folder(folder, size=4)[2, 0], corner / 127.5 - 1)


def test_a_photograph_is_turned_upright_as_its_exif_data_say(folder):
    image, exif = Image.new("L", (8, 8)), Image.Exif()
    image.paste(255, (0, 0, 8, 4))  # white above; stored turned by 90°, it lies on the right
    exif[0x0112] = 6
    image.save(folder / "c.png", exif=exif)
    x = load_folder(folder, size=8)[2, 0]
    np.testing.assert_array_equal(x, np.tile([-1] * 4 + [1] * 4, (8, 1)))


@pytest.mark.parametrize("mode, clear", [("RGBA", (255, 0, 0, 0)), ("LA", (0, 0))])
def test_what_is_transparent_is_white(folder, mode, clear):
    save(folder / "c.png", clear, mode=mode)
    assert colour_of(load_folder(folder, colour=True)[2]) == (255, 255, 255)


def test_what_is_half_transparent_is_mixed_with_white(folder):
    save(folder / "c.png", (255, 0, 0, 51), mode="RGBA")
    assert colour_of(load_folder(folder)[2]) == (255, 204, 204)


def test_a_transparent_colour_of_a_palette_is_white(folder):
    image = Image.new("P", (8, 8), 1)
    image.putpalette([*RED, *GREEN])
    image.save(folder / "c.gif", transparency=1)
    image.save(folder / "d.gif")
    x = load_folder(folder)
    assert (colour_of(x[2]), colour_of(x[3])) == ((255, 255, 255), GREEN)


def test_of_an_animation_it_is_the_first_frame(folder):
    first, second = Image.new("RGB", (8, 8), RED), Image.new("RGB", (8, 8), BLUE)
    first.save(folder / "c.gif", save_all=True, append_images=[second])
    assert colour_of(load_folder(folder)[2]) == RED


def test_sixteen_bits_of_grey_are_scaled_not_cut_off(folder):
    Image.fromarray(np.full((8, 8), 128 * 256, np.uint16)).save(folder / "c.png")
    assert colour_of(load_folder(folder)[2]) == (128,)


def test_inks_become_colours(folder):
    save(folder / "c.jpg", (255, 0, 0, 0), mode="CMYK", quality=95)
    np.testing.assert_allclose(colour_of(load_folder(folder)[2]), (0, 255, 255), atol=3)


# --- grey or colour ---


def test_grey_images_have_one_channel_also_if_they_are_stored_as_colours(folder):
    save(folder / "c.jpg", (100, 100, 100))
    x = load_folder(folder)
    assert x.shape == (3, 1, 28, 28) and colour_of(x[2]) == (100,)


def test_one_image_in_colour_makes_three_channels_of_all(folder):
    save(folder / "c.png", RED)
    assert [colour_of(image) for image in load_folder(folder)] == [(0, 0, 0), (255, 255, 255), RED]


def test_the_channels_may_be_asked_for(folder):
    assert load_folder(folder, colour=True).shape == (2, 3, 28, 28)
    save(folder / "c.png", RED)
    x = load_folder(folder, colour=False)
    assert x.shape == (3, 1, 28, 28) and colour_of(x[2]) == (76,)  # 0.299 · 255, the brightness of ITU-R 601


# --- which files, and their classes ---


def test_other_files_and_hidden_ones_are_passed_over(folder):
    (folder / "notes.txt").write_text("no image")
    for name in (".hidden.png", ".cache/c.png", "__MACOSX/._c.png"):
        save(folder / name, RED)
    (folder / "d.png").mkdir()
    assert load_folder(folder).shape == (2, 1, 28, 28)


def test_the_classes_are_the_sub_folders_in_the_order_of_their_names(tmp_path):
    for name in ("cats/2.png", "cats/1.png", "ants/deep/1.png", "dogs/1.png"):
        save(tmp_path / name, RED)
    x, y = load_folder(tmp_path, labels=True)
    assert y.tolist() == [0, 1, 1, 2] and y.dtype == np.int64
    np.testing.assert_array_equal(x, load_folder(tmp_path))


def test_an_image_outside_the_sub_folders_has_no_class(folder):
    save(folder / "cats/1.png", RED)
    with pytest.raises(DataError, match=r"a\.png: an image that has no class"):
        load_folder(folder, labels=True)


# --- faults ---


def test_a_folder_that_is_not_there_is_named(folder):
    for path in (folder / "nowhere", folder / "a.png"):
        with pytest.raises(DataError, match=f"{path.name}: no such folder"):
            load_folder(path)


@pytest.mark.parametrize("count", [0, 1])
def test_fewer_than_two_images_are_no_data_set(tmp_path, count):
    (tmp_path / "notes.txt").write_text("no image")
    for i in range(count):
        save(tmp_path / f"{i}.png", RED)
    with pytest.raises(DataError, match=rf"too few images .expected at least 2 files \.png, .*, got {count}"):
        load_folder(tmp_path)


DAMAGED = {"empty": lambda whole: b"", "text": lambda whole: b"no image",
           "cut off": lambda whole: whole[:len(whole) // 2],
           "changed": lambda whole: whole[:60] + bytes(20) + whole[80:]}


@pytest.mark.parametrize("damage", DAMAGED.values(), ids=DAMAGED)
def test_a_damaged_image_is_named(folder, damage):
    path = folder / "c.png"
    Image.fromarray(np.random.default_rng(0).integers(0, 256, (9, 9, 3), dtype=np.uint8)).save(path)
    path.write_bytes(damage(path.read_bytes()))
    with pytest.raises(DataError, match=r"c\.png: an image that cannot be read"):
        load_folder(folder)


@pytest.mark.parametrize("times", [1.5, 3])
def test_an_image_of_far_too_many_pixels_is_refused(folder, monkeypatch, times):
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 64)
    save(folder / "c.png", RED, size=(8, int(8 * times)))
    with pytest.raises(DataError, match=r"c\.png: an image that cannot be read .*exceeds limit"):
        load_folder(folder)


def test_pixels_of_unknown_range_are_refused(folder):
    save(folder / "c.tif", 0.5, mode="F")
    with pytest.raises(DataError, match=r"c\.tif: .*range is not known"):
        load_folder(folder)


@pytest.mark.parametrize("size", [0, -1, 1.5, "28", True, None])
def test_a_size_that_is_no_whole_number_above_0_is_refused(folder, size):
    with pytest.raises(ConfigError, match=r"size: not a possible number .expected an int ≥ 1"):
        load_folder(folder, size)


def test_pillow_is_loaded_only_when_there_is_an_image_to_read():
    code = "import sys, minigan; minigan.data.load('digits'); assert 'PIL' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True)


# --- `load`, which takes a folder in place of a name ---


@pytest.fixture
def classes(tmp_path):
    for k, colour in enumerate((RED, GREEN, BLUE)):
        for i in range(10):
            save(tmp_path / f"{k}" / f"{i}.png", colour)
    return tmp_path


@pytest.mark.parametrize("kind", [str, lambda path: path], ids=["text", "path"])
def test_load_takes_a_folder_and_mixes_its_classes_always_alike(classes, kind):
    x, y = load(kind(classes), labels=True, size=4)
    assert x.shape == (30, 3, 4, 4) and set(y[:10]) == {0, 1, 2}
    assert [colour_of(image) for image in x] == [(RED, GREEN, BLUE)[k] for k in y]
    np.testing.assert_array_equal(load(kind(classes), size=4), x)
    assert load(kind(classes)).shape == (30, 3, 28, 28)


def test_a_folder_is_one_set(folder):
    with pytest.raises(ConfigError, match="one set, not split"):
        load(folder, "test")


def test_what_a_folder_is(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name in ("digits", "mine"):
        (tmp_path / name).mkdir()
    assert data.as_folder("digits") is None and data.as_folder("cifar") is None  # a name; neither name nor folder
    assert data.as_folder("./digits") == str(tmp_path / "digits")
    assert data.as_folder("mine") == data.as_folder("mine/") == str(tmp_path / "mine")
    assert data.as_folder("no/where") == str(tmp_path / "no" / "where")
    assert data.as_folder("") is data.as_folder(None) is data.as_folder(3) is None


def test_an_unknown_name_may_have_been_meant_for_a_folder():
    with pytest.raises(ConfigError, match=r"unknown data set .expected one of .*sines, or a folder of images"):
        load("cifar")
