"""MNIST and Fashion-MNIST: found in a folder or fetched from a mirror, verified, and nothing wrong ever kept."""

import contextlib
import gc
import gzip
import hashlib
import http.server
import os
import socket
import threading
import time
from pathlib import Path

import numpy as np
import pooch
import pytest

from minigan.data import fetch, load, mnist, read_idx
from minigan.data.idx import idx_header
from minigan.errors import ConfigError, DataError

# A data set in MNIST's form, but small: its files are made here, and served from this process.
ARRAYS = {
    "train-images-idx3-ubyte": np.arange(6 * 2 * 3, dtype=np.uint8).reshape(6, 2, 3) * 7,
    "train-labels-idx1-ubyte": np.array([3, 1, 4, 1, 5, 9], np.uint8),
    "t10k-images-idx3-ubyte": np.arange(4 * 2 * 3, dtype=np.uint8).reshape(4, 2, 3) * 10,
    "t10k-labels-idx1-ubyte": np.array([2, 7, 1, 8], np.uint8),
}
RAW = {name: idx_header(array.shape) + array.tobytes() for name, array in ARRAYS.items()}
NAME = "train-images-idx3-ubyte"
HTML = b"<html><body>Please log in</body></html>"


def image_set(*mirrors):
    """The small data set, fetched from these mirrors."""
    files = {
        split: {part: mnist.IdxFile(name, ARRAYS[name].shape, hashlib.sha256(RAW[name]).hexdigest())
                for part, name in (("images", f"{stem}-images-idx3-ubyte"), ("labels", f"{stem}-labels-idx1-ubyte"))}
        for split, stem in (("train", "train"), ("test", "t10k"))
    }
    return mnist.ImageSet(files, mirrors)


@pytest.fixture(scope="module", autouse=True)
def no_connection_left_open():
    """A connection that is left open makes a warning when it is collected: here, not in a later file's tests."""
    yield
    gc.collect()


@pytest.fixture
def cache(tmp_path, monkeypatch):
    """The cache folder, empty; "mnist" stands for the small data set, and has no mirrors yet."""
    folder = tmp_path / "cache"
    monkeypatch.setattr(pooch, "os_cache", lambda project: folder)
    monkeypatch.setitem(mnist.SETS, "mnist", image_set())
    monkeypatch.delenv("MINIGAN_DATA", raising=False)
    monkeypatch.setenv("NO_PROXY", "*")
    return folder


def kept(folder):
    """The names of all files below `folder`."""
    return sorted(path.name for path in folder.rglob("*") if path.is_file())


def fill(folder, compress=False):
    folder.mkdir(parents=True, exist_ok=True)
    for name, content in RAW.items():
        path = folder / f"{name}.gz" if compress else folder / name
        path.write_bytes(gzip.compress(content, 1) if compress else content)
    return folder


# --- in a folder ---


@pytest.mark.parametrize("compress", [False, True], ids=["raw", "gzipped"])
@pytest.mark.parametrize("sub_folder", ["", "mnist"])
def test_reads_a_folder(tmp_path, cache, compress, sub_folder):
    fill(tmp_path / "data" / sub_folder, compress)
    x, y = load("mnist", data_dir=tmp_path / "data", labels=True)
    assert (x.shape, x.dtype, y.dtype) == ((6, 1, 2, 3), np.float32, np.int64)
    np.testing.assert_allclose(x[:, 0], 2 * (ARRAYS[NAME] / 255) - 1, rtol=0, atol=1e-6)
    np.testing.assert_array_equal(y, ARRAYS["train-labels-idx1-ubyte"])


def test_test_split_is_the_other_two_files(tmp_path, cache):
    x, y = load("mnist", "test", data_dir=fill(tmp_path / "data"), labels=True)
    assert x.shape == (4, 1, 2, 3)
    np.testing.assert_array_equal(y, ARRAYS["t10k-labels-idx1-ubyte"])


def test_folder_may_be_a_string_and_may_begin_with_a_tilde(tmp_path, cache, monkeypatch):
    fill(tmp_path / "data")
    monkeypatch.setenv("HOME", str(tmp_path))
    assert len(load("mnist", data_dir="~/data")) == 6


def test_environment_variable_names_the_folder(tmp_path, cache, monkeypatch):
    monkeypatch.setenv("MINIGAN_DATA", str(fill(tmp_path / "data")))
    assert len(load("mnist")) == 6


def test_argument_goes_before_the_environment_variable(tmp_path, cache, monkeypatch):
    monkeypatch.setenv("MINIGAN_DATA", str(tmp_path / "nowhere"))
    assert len(load("mnist", data_dir=fill(tmp_path / "data"))) == 6


def test_sub_folder_goes_before_the_folder(tmp_path, cache):
    fill(tmp_path / "data" / "mnist")
    (tmp_path / "data" / NAME).write_bytes(b"another data set's")
    assert len(load("mnist", data_dir=tmp_path / "data")) == 6


@pytest.mark.parametrize("how", ["argument", "environment"])
@pytest.mark.parametrize("make, message", [
    (lambda folder: None, "no such folder"),
    (lambda folder: folder.mkdir(), "train-images-idx3-ubyte of mnist is not in this folder"),
])
def test_folder_that_lacks_files_is_named_and_nothing_is_fetched(
    tmp_path, cache, monkeypatch, server, how, make, message,
):
    url, requests = server(RAW)
    monkeypatch.setitem(mnist.SETS, "mnist", image_set(url))
    folder = tmp_path / "data"
    make(folder)
    if how == "environment":
        monkeypatch.setenv("MINIGAN_DATA", str(folder))
    with pytest.raises(DataError, match=message) as error:
        load("mnist", data_dir=folder if how == "argument" else None)
    assert str(folder) in str(error.value) and "sub-folder mnist" in str(error.value)
    assert requests == [] and kept(tmp_path) == []


def test_well_formed_file_with_other_content_is_refused(tmp_path, cache):
    folder = fill(tmp_path / "data")
    other = bytearray(RAW[NAME])
    other[-1] ^= 1
    (folder / NAME).write_bytes(other)
    with pytest.raises(DataError, match="SHA-256 differs") as error:
        load("mnist", data_dir=folder)
    assert hashlib.sha256(RAW[NAME]).hexdigest() in str(error.value)  # expected
    assert hashlib.sha256(other).hexdigest() in str(error.value)  # got


def test_files_of_another_known_data_set_are_recognised(tmp_path, cache, monkeypatch):
    files = image_set().files
    files["train"]["images"] = files["train"]["images"]._replace(sha256="0" * 64)
    monkeypatch.setitem(mnist.SETS, "fashion-mnist", mnist.ImageSet(files, ()))
    with pytest.raises(DataError, match="a file of mnist"):
        load("fashion-mnist", data_dir=fill(tmp_path / "data"))


def test_damaged_file_in_a_folder_is_refused(tmp_path, cache):
    folder = fill(tmp_path / "data", compress=True)
    path = folder / f"{NAME}.gz"
    path.write_bytes(path.read_bytes()[:-5])
    with pytest.raises(DataError, match="gzip data stop before their end"):
        load("mnist", data_dir=folder)


# --- fetched ---


@pytest.fixture
def server(monkeypatch):
    """`server(answers)` serves `{file name: content}` on this machine: (its URL, the list of names asked for).

    An answer may be a status, the bytes to send in place of the file, or `partial`: half of what it announces.
    """
    started = []

    def start(answers):
        requests = []

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self):
                name = self.path.strip("/").removesuffix(".gz")
                requests.append(name)
                answer = answers if isinstance(answers, int) else answers.get(name, 404)
                if isinstance(answer, int):
                    self.send_error(answer)
                    return
                content = answer if name not in RAW or answer != RAW[name] else gzip.compress(answer)
                partial = answers.get("partial", False)
                self.send_response(200)
                self.send_header("Content-Length", str(len(content)))
                self.end_headers()
                self.wfile.write(content[: len(content) // 2] if partial else content)

            def log_message(self, *_):
                pass

        httpd = http.server.HTTPServer(("127.0.0.1", 0), Handler)
        thread = threading.Thread(target=httpd.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        started.append((httpd, thread))
        return f"http://127.0.0.1:{httpd.server_port}/", requests

    yield start
    for httpd, thread in started:
        httpd.shutdown()
        thread.join()
        httpd.server_close()


@contextlib.contextmanager
def silent_server():
    """The URL of a server that takes connections, but never answers."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        yield f"http://127.0.0.1:{listener.getsockname()[1]}/"


def unused_url():
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    return f"http://127.0.0.1:{port}/"  # nobody listens there any more


def test_fetches_once_and_keeps_the_file(cache, server, monkeypatch):
    url, requests = server(RAW)
    monkeypatch.setitem(mnist.SETS, "mnist", image_set(url))
    for _ in range(2):
        np.testing.assert_array_equal(mnist.load_mnist("mnist"), ARRAYS[NAME])
    assert requests == [NAME]
    assert kept(cache) == [f"{NAME}.gz"]
    np.testing.assert_array_equal(read_idx(cache / "mnist" / f"{NAME}.gz"), ARRAYS[NAME])


OTHER = bytearray(RAW[NAME])
OTHER[-1] ^= 1
BAD_ANSWERS = {
    "403": (403, "HTTP status 403"),
    "404": (404, "HTTP status 404"),
    "503": (503, "HTTP status 503"),
    "a web page": ({NAME: HTML}, "this is a web page"),
    "nothing": ({NAME: b""}, "the file is empty"),
    "wrong content": ({NAME: gzip.compress(OTHER)}, "SHA-256 differs"),
    "another shape": ({NAME: RAW["t10k-images-idx3-ubyte"]}, "other sizes"),
    "half a file, announced as such": ({NAME: gzip.compress(RAW[NAME])[:30]}, "gzip data stop before their end"),
    "half of what was announced": ({**RAW, "partial": True}, "ChunkedEncodingError"),
}


@pytest.mark.parametrize("answers, reason", BAD_ANSWERS.values(), ids=BAD_ANSWERS)
def test_next_mirror_is_asked(cache, server, monkeypatch, answers, reason):
    (bad, bad_requests), (good, good_requests) = server(answers), server(RAW)
    monkeypatch.setitem(mnist.SETS, "mnist", image_set(bad, good))
    np.testing.assert_array_equal(mnist.load_mnist("mnist"), ARRAYS[NAME])
    assert bad_requests == good_requests == [NAME]
    assert kept(cache) == [f"{NAME}.gz"]


@pytest.mark.parametrize("answers, reason", BAD_ANSWERS.values(), ids=BAD_ANSWERS)
def test_nothing_wrong_is_kept_and_the_reason_is_named(cache, server, monkeypatch, answers, reason):
    url, _ = server(answers)
    monkeypatch.setitem(mnist.SETS, "mnist", image_set(url))
    with pytest.raises(DataError, match=reason) as error:
        load("mnist")
    assert url in str(error.value)
    assert kept(cache) == []


def test_mirror_that_never_answers_is_left(cache, server, monkeypatch):
    monkeypatch.setattr("minigan.data.download.TIMEOUT", 0.1)
    good, _ = server(RAW)
    with silent_server() as silent:
        monkeypatch.setitem(mnist.SETS, "mnist", image_set(silent, good))
        start = time.monotonic()
        assert len(load("mnist")) == 6
    assert time.monotonic() - start < 10  # long for this, but far less than any time-out other than ours


def test_offline_gives_instructions(cache, monkeypatch):
    mirrors = unused_url(), unused_url()
    monkeypatch.setitem(mnist.SETS, "mnist", image_set(*mirrors))
    with pytest.raises(DataError, match="could not be fetched from any mirror") as error:
        load("mnist")
    message = str(error.value)
    assert message.count("ConnectionError") == 2
    for part in (*mirrors, *(f"{name}.gz" for name in RAW), "--data-dir", "MINIGAN_DATA"):
        assert part in message
    assert kept(cache) == []


def test_file_that_a_server_decompresses_on_the_way_is_accepted(cache, server, monkeypatch):
    url, _ = server({NAME: RAW[NAME]})
    monkeypatch.setattr(gzip, "compress", lambda content: content)  # the server then sends it raw
    monkeypatch.setitem(mnist.SETS, "mnist", image_set(url))
    assert len(load("mnist")) == 6


@pytest.mark.parametrize("end", ["", ".gz"])
def test_file_that_went_bad_in_the_cache_is_fetched_again(cache, server, monkeypatch, end):
    url, requests = server(RAW)
    monkeypatch.setitem(mnist.SETS, "mnist", image_set(url))
    (cache / "mnist").mkdir(parents=True)
    (cache / "mnist" / f"{NAME}{end}").write_bytes(b"\0\0\x08")
    for _ in range(2):
        assert len(load("mnist")) == 6
    assert requests == [NAME]


def test_cache_that_cannot_be_written_is_named(cache, server, monkeypatch):
    url, _ = server(RAW)
    monkeypatch.setitem(mnist.SETS, "mnist", image_set(url))
    cache.write_bytes(b"a file where the folder should be")
    with pytest.raises(DataError, match=r"cannot be written: .*MINIGAN_DATA"):
        load("mnist")


def test_interrupted_fetch_leaves_nothing(cache, server, monkeypatch):
    def interrupt(*_):
        raise KeyboardInterrupt

    url, _ = server(RAW)
    monkeypatch.setitem(mnist.SETS, "mnist", image_set(url))
    monkeypatch.setattr(mnist, "_read_verified", interrupt)
    with pytest.raises(KeyboardInterrupt):
        load("mnist")
    assert kept(cache) == []


def test_fetch_gets_all_files_and_lists_them(cache, server, monkeypatch):
    url, requests = server(RAW)
    monkeypatch.setitem(mnist.SETS, "mnist", image_set(url))
    folder, files = fetch("mnist")
    assert folder == cache / "mnist"
    assert [file.path.name for file in files] == [f"{name}.gz" for name in RAW] == kept(folder)[2:] + kept(folder)[:2]
    assert [file.shape for file in files] == [array.shape for array in ARRAYS.values()]
    assert [file.sha256 for file in files] == [hashlib.sha256(content).hexdigest() for content in RAW.values()]
    assert requests == list(RAW)


def test_fetch_verifies_a_folder_that_is_there(tmp_path, cache):
    folder, files = fetch("mnist", fill(tmp_path / "data" / "mnist").parent)
    assert folder == tmp_path / "data" / "mnist" and len(files) == 4
    (folder / "t10k-labels-idx1-ubyte").unlink()
    with pytest.raises(DataError, match="t10k-labels-idx1-ubyte of mnist is not in this folder"):
        fetch("mnist", folder)


@pytest.mark.parametrize("name", ["digits", "ring", "cifar"])
def test_fetch_refuses_a_name_without_files(name):
    with pytest.raises(ConfigError, match=f"expected mnist or fashion-mnist, got '{name}'"):
        fetch(name)


# --- the real files ---


def test_tables_name_the_published_files():
    for name in ("mnist", "fashion-mnist"):
        for split, count in (("train", 60_000), ("test", 10_000)):
            parts = mnist.SETS[name].files[split]
            assert parts["images"].shape == (count, 28, 28) and parts["labels"].shape == (count,)
            assert all(len(bytes.fromhex(file.sha256)) == 32 for file in parts.values())
        assert len(mnist.SETS[name].mirrors) == 2 and all(url.endswith("/") for url in mnist.SETS[name].mirrors)


@pytest.fixture(scope="module")
def mnist_folder():
    """The folder with the real MNIST files: MINIGAN_DATA, or shared/data/mnist beside the repository."""
    folder = Path(os.environ.get("MINIGAN_DATA") or Path(__file__).parents[2] / "shared" / "data" / "mnist")
    if not any(folder.glob("**/train-images-idx3-ubyte*")):
        pytest.skip("the MNIST files are not here; set MINIGAN_DATA to their folder")
    return folder


def test_real_mnist(mnist_folder):
    x, y = load("mnist", "test", data_dir=mnist_folder, labels=True)
    assert (x.shape, x.dtype) == ((10_000, 1, 28, 28), np.float32)
    assert (x.min(), x.max()) == (-1, 1)
    assert np.bincount(y).tolist() == [980, 1135, 1032, 1010, 982, 892, 958, 1028, 974, 1009]


def test_real_mnist_is_complete(mnist_folder):
    _, files = fetch("mnist", mnist_folder)
    assert [file.shape[0] for file in files] == [60_000, 60_000, 10_000, 10_000]
