"""NumPy or CuPy: which module an array belongs to, moving arrays, and random streams."""

import sys
import types

import numpy as np
import pytest
from cupy_stand_in import Counters, counting
from numpy.testing import assert_allclose

from minigan import backend
from minigan.backend import (
    cuda_available,
    device_of,
    get_array_module,
    is_array,
    random_streams,
    require_device,
    to_device,
    to_numpy,
)
from minigan.errors import ConfigError, DeviceError, MiniganError

NOTHING = Counters(to_device=0, to_host=0, synchronisations=0)


@pytest.fixture
def no_cupy(monkeypatch):
    """`import cupy` fails, as where it is not installed."""
    monkeypatch.setitem(sys.modules, "cupy", None)


@pytest.fixture
def no_gpu(fake_cupy, monkeypatch):
    """CuPy is installed, but there is no GPU."""
    monkeypatch.setattr(fake_cupy.cuda, "is_available", lambda: False)


# --- whose array it is ---


@pytest.mark.parametrize("x", [np.ones(3), np.float32(1), 1.0, [1.0, 2.0], None, "cupy"])
def test_whatever_is_not_cupys_belongs_to_numpy(fake_cupy, x):
    assert get_array_module(x) is np and device_of(x) == "cpu"


def test_the_module_of_an_array_is_the_one_that_made_it(device_xp):
    x = device_xp.ones((2, 3))
    assert get_array_module(x) is device_xp and get_array_module(x[0, 0] + x.sum()) is device_xp
    assert device_of(x) == ("cpu" if device_xp is np else "cuda")
    assert is_array(x)


def test_only_arrays_are_arrays(fake_cupy):
    assert is_array(np.ones(3)) and is_array(np.ones(())) and is_array(fake_cupy.zeros(()))
    assert not any(map(is_array, (1.0, np.float64(1), [1.0], None, "x", np, types.SimpleNamespace(shape=()))))


def test_asking_does_not_import_cupy(monkeypatch):
    monkeypatch.delitem(sys.modules, "cupy", raising=False)
    assert get_array_module(np.ones(3)) is np and is_array(np.ones(3)) and device_of(np.ones(3)) == "cpu"
    assert to_device(np.ones(3), "cpu").shape == (3,) and to_numpy([1.0]).shape == (1,)
    assert "cupy" not in sys.modules


def test_where_cupy_is_missing_everything_is_numpys(no_cupy):
    assert get_array_module(np.ones(3)) is np and is_array(np.ones(3))


# --- moving ---


def test_there_and_back(fake_cupy):
    x = np.arange(6, dtype=np.float32).reshape(2, 3).T
    with counting() as crossings:
        on_device = to_device(x, "cuda")
        assert crossings == Counters(to_device=1, to_host=0, synchronisations=0)
        back = to_device(on_device, "cpu")
        assert crossings == Counters(to_device=1, to_host=1, synchronisations=1)
    assert type(on_device) is fake_cupy.ndarray and type(back) is np.ndarray
    assert back.dtype == x.dtype and np.array_equal(back, x) and not np.shares_memory(back, x)
    assert np.array_equal(to_numpy(on_device), x)


def test_what_is_there_already_is_not_copied(fake_cupy):
    x, y = np.ones(3), fake_cupy.ones(3)
    with counting() as crossings:
        assert to_device(x, "cpu") is x and to_numpy(x) is x and to_device(y, "cuda") is y
    assert crossings == NOTHING


def test_lists_and_numbers_become_numpy_arrays():
    assert to_numpy([[1, 2]]).shape == (1, 2) and to_numpy(3.0).shape == () and to_device([1.0], "cpu").shape == (1,)


@pytest.mark.parametrize("device", ["gpu", "CUDA", "cuda:0", "", None, 0])
def test_an_unknown_device_is_refused_and_the_known_ones_are_named(device):
    with pytest.raises(ConfigError, match="unknown device") as caught:
        to_device(np.ones(3), device)
    assert caught.value.expected == "cpu or cuda" and caught.value.got == repr(device)


# --- what there is to compute on ---


def test_a_gpu_is_available_where_cupy_says_so(fake_cupy):
    assert cuda_available() is True


def test_cupy_without_a_gpu_is_not_enough(no_gpu):
    assert cuda_available() is False


def test_without_cupy_there_is_no_gpu(no_cupy):
    assert cuda_available() is False


@pytest.mark.gpu
def test_the_real_gpu(real_cupy):
    x = to_device(np.ones(3, np.float32), "cuda")
    assert cuda_available() and type(x) is real_cupy.ndarray and np.array_equal(to_numpy(x + x), [2, 2, 2])


def test_a_missing_cupy_is_said_plainly(no_cupy):
    with pytest.raises(DeviceError, match="no GPU can be used here") as caught:
        to_device(np.ones(3), "cuda")
    assert caught.value.got == "no CuPy" and "minigan[gpu]" in caught.value.fix
    assert isinstance(caught.value, MiniganError) and "device 'cuda'" in str(caught.value)


def test_a_missing_gpu_is_said_plainly(no_gpu, fake_cupy):
    with pytest.raises(DeviceError, match="no GPU can be used here") as caught:
        to_device(np.ones(3), "cuda")
    assert caught.value.got == f"CuPy {fake_cupy.__version__} without a GPU"


def test_a_gpu_that_cannot_be_computed_on_is_said_plainly(fake_cupy, monkeypatch):
    def matmul(x, y):
        raise ImportError('Failure finding "libcublasLt.so.13": No such file\nand where it was looked for')

    require_device("cuda")
    monkeypatch.setattr(fake_cupy.ndarray, "__matmul__", matmul)
    require_device("cpu")
    with pytest.raises(DeviceError, match="CuPy finds a GPU, but cannot compute on it") as caught:
        require_device("cuda")
    assert caught.value.got == 'Failure finding "libcublasLt.so.13": No such file'
    assert "minigan[gpu]" in caught.value.fix


def test_a_full_gpu_is_not_one_that_cannot_be_computed_on(fake_cupy, monkeypatch):
    def matmul(x, y):
        raise fake_cupy.cuda.memory.OutOfMemoryError(512, 0)

    monkeypatch.setattr(fake_cupy.ndarray, "__matmul__", matmul)
    with pytest.raises(MemoryError, match="Out of memory allocating 512 bytes"):
        require_device("cuda")


# --- random streams ---


def test_the_same_seed_gives_the_same_numbers():
    one, two = random_streams(7, "noise", "batches"), random_streams(7, "noise", "batches")
    for name in ("noise", "batches"):
        assert np.array_equal(one[name].standard_normal(100), two[name].standard_normal(100))


def test_streams_of_one_seed_and_of_different_seeds_differ():
    drawn = [stream.standard_normal(1000) for seed in (0, 1, 2) for stream in random_streams(seed, *"abc").values()]
    correlations = np.corrcoef(drawn) - np.eye(len(drawn))
    assert np.abs(correlations).max() < 0.15  # 36 pairs, standard deviation 0.03


def test_drawing_from_one_stream_does_not_move_another():
    one, two = random_streams(3, "noise", "batches"), random_streams(3, "noise", "batches")
    one["noise"].standard_normal(12345)
    assert np.array_equal(one["batches"].permutation(50), two["batches"].permutation(50))


def test_a_stream_depends_on_its_place_and_not_on_those_after_it_or_on_its_name():
    short, long = random_streams(5, "a", "b"), random_streams(5, "x", "y", "z", "w")
    assert list(long) == ["x", "y", "z", "w"]
    for mine, other in (("a", "x"), ("b", "y")):
        assert np.array_equal(short[mine].random(10), long[other].random(10))


def test_the_streams_are_numpys_on_every_device(fake_cupy):
    assert all(isinstance(stream, np.random.Generator) for stream in random_streams(0, "a", "b").values())
    assert random_streams(0) == {}


def test_the_numbers_stay_what_they_are():
    """Old checkpoints and the documentation's figures hang on these."""
    streams = random_streams(0, "noise", "batches")
    assert [streams["noise"].integers(1000), streams["batches"].integers(1000)] == [802, 662]


@pytest.mark.parametrize("seed", [np.int64(7), np.uint8(7), 7])
def test_numpys_whole_numbers_are_seeds_too(seed):
    assert random_streams(seed, "a")["a"].random() == random_streams(7, "a")["a"].random()


@pytest.mark.parametrize("seed", [-1, 1.0, np.float64(3), "7", None, True, [1], np.int64(-1)])
def test_anything_else_is_refused(seed):
    with pytest.raises(ConfigError, match="a seed is a whole number") as caught:
        random_streams(seed, "a")
    assert caught.value.got == repr(seed)


def test_the_public_names_are_there():
    assert all(hasattr(backend, name) for name in backend.__all__)


# --- products ---


@pytest.mark.parametrize("a, b", [
    ((5, 3), (3, 4)), ((5, 1), (1, 4)), ((2, 5, 1), (1, 4)), ((2, 1, 5, 1), (3, 1, 4)), ((1, 1), (1, 1)),
])
def test_a_matrix_product_is_numpys_also_of_a_column_and_a_row(a, b):
    rng = np.random.default_rng(0)
    a, b = rng.standard_normal(a, dtype=np.float32), rng.standard_normal(b, dtype=np.float32)
    y = backend.matrix_product(a, b)
    assert y.dtype == np.float32
    assert_allclose(y, np.matmul(a, b), rtol=1e-6)


@pytest.mark.parametrize("a, b", [((1, 1), (3, 4)), ((5, 3), (1, 3)), ((2, 5, 1), (3, 1, 4))])
def test_shapes_that_do_not_fit_are_no_column_and_row(a, b):
    with pytest.raises(ValueError):
        backend.matrix_product(np.ones(a), np.ones(b))
