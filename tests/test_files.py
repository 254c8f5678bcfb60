"""A file is replaced whole, or not at all."""

import os

import pytest

from minigan.files import replacing


def test_the_new_content_takes_the_place_of_the_old(tmp_path):
    (tmp_path / "a").write_text("old")
    with replacing(tmp_path / "a") as temporary:
        temporary.write_text("new")
        assert (tmp_path / "a").read_text() == "old"
    assert (tmp_path / "a").read_text() == "new"
    assert os.listdir(tmp_path) == ["a"]


def test_a_block_that_fails_leaves_the_old_file_and_no_temporary_one(tmp_path):
    (tmp_path / "a").write_text("old")
    with pytest.raises(ZeroDivisionError), replacing(tmp_path / "a") as temporary:
        temporary.write_text("half")
        1 / 0  # noqa: B018
    assert (tmp_path / "a").read_text() == "old"
    assert os.listdir(tmp_path) == ["a"]


def test_two_writers_do_not_share_a_temporary_file(tmp_path):
    with replacing(tmp_path / "a") as first, replacing(tmp_path / "a") as second:
        assert first != second
        first.write_text("first")
        second.write_text("second")
    assert (tmp_path / "a").read_text() == "first"


def test_the_file_has_the_rights_of_any_new_file(tmp_path):
    (tmp_path / "plain").write_text("")
    with replacing(tmp_path / "a") as temporary:
        temporary.write_text("")
    assert (tmp_path / "a").stat().st_mode == (tmp_path / "plain").stat().st_mode


@pytest.mark.parametrize("temporary_name", [None, ".a.xyz.part"])
def test_an_error_of_the_file_system_names_the_file(tmp_path, temporary_name):
    with pytest.raises(OSError, match=r"No space left on device: '.*/a'") as caught, replacing(tmp_path / "a"):
        raise OSError(28, "No space left on device", temporary_name)
    assert caught.value.filename == str(tmp_path / "a")
    with pytest.raises(FileNotFoundError) as caught, replacing(tmp_path / "nothing" / "a"):
        pass
    assert caught.value.filename == str(tmp_path / "nothing" / "a")
