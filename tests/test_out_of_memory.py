"""Out of memory, the computer's or the GPU's: one sentence, and what was saved before stays whole."""

import gc
import re

import numpy as np
import pytest

from minigan import Tensor, checkpoint, evaluate, nn, run, tune
from minigan.backend import enough_memory
from minigan.cli import main
from minigan.errors import ConfigError, MiniganError, OutOfMemoryError
from minigan.losses import OBJECTIVES
from minigan.models import build
from minigan.optim import Adam
from minigan.plot import read_log
from minigan.train import minimax

SMALL = {"data": "digits", "model": "mlp", "batch_size": 16, "latent_dim": 8, "width": 8, "steps": 20}
TRAIN = [word for name, value in SMALL.items() for word in (f"--{name.replace('_', '-')}", str(value))]
SAID = r"the GPU's memory is full \(got Out of memory allocating 8,000,000,000 bytes \(allocated so far: 512 bytes\)\)"


@pytest.fixture(autouse=True)
def in_an_empty_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def full(fake_cupy, monkeypatch):
    """full(name, n): the GPU's memory is full when CuPy's function of that name is called for the n-th time."""
    def fill(name, n=1):
        calls, function = iter(range(1, n)), getattr(fake_cupy, name)

        def filled(*args, **kwargs):
            if next(calls, None) is None:
                raise fake_cupy.cuda.memory.OutOfMemoryError(8_000_000_000, 512)
            return function(*args, **kwargs)

        monkeypatch.setattr(fake_cupy, name, filled)

    return fill


@pytest.fixture
def trained():
    return run.train(run.configure(**SMALL), "trained")


def files():
    return [path for path in sorted(run.Path().rglob("*")) if path.is_file()]


# --- the sentence ---


class CUDADriverError(RuntimeError):
    """As CuPy's own, where CUDA fails past its memory pool."""

    __module__ = "cupy_backends.cuda.api.driver"


@pytest.mark.parametrize("error, message", [
    (MemoryError(), "here: the computer's memory is full. Use less, or end other programs"),
    (MemoryError("Unable to allocate 8 GiB."),
     "here: the computer's memory is full (got Unable to allocate 8 GiB). Use less, or end other programs"),
    (CUDADriverError("CUDA_ERROR_OUT_OF_MEMORY: out of memory"),
     "here: the GPU's memory is full (got CUDA_ERROR_OUT_OF_MEMORY: out of memory). "
     "Use less, end other programs on the GPU, or use the device 'cpu'"),
    (CUDADriverError("CUBLAS_STATUS_ALLOC_FAILED"),
     "here: the GPU's memory is full (got CUBLAS_STATUS_ALLOC_FAILED). "
     "Use less, end other programs on the GPU, or use the device 'cpu'"),
])
def test_it_says_which_memory_what_was_asked_for_and_what_to_do(error, message):
    with pytest.raises(OutOfMemoryError) as caught, enough_memory("here", "Use less"):
        raise error
    assert str(caught.value) == message
    assert isinstance(caught.value, MiniganError) and isinstance(caught.value, MemoryError)


@pytest.mark.parametrize("error", [
    ConfigError("lr is out of range"), RuntimeError("out of memory"), CUDADriverError("CUDA_ERROR_UNKNOWN"), KeyError(),
])
def test_other_errors_pass_unchanged(error):
    with pytest.raises(type(error)) as caught, enough_memory("here"):
        raise error
    assert caught.value is error


def test_of_several_the_outermost_says_where():
    with pytest.raises(OutOfMemoryError, match=r"^step 3: the computer's memory is full\. Use less, or") as caught, \
            enough_memory("step 3", "Use less"), enough_memory("samples"):
        raise MemoryError
    assert caught.value.got is None


# --- moving ---


def test_a_network_that_does_not_fit_on_the_device_stays_where_it_is(full):
    layer = nn.Linear(3, 5)
    full("asarray", 2)
    with pytest.raises(MemoryError):
        layer.to("cuda")
    assert {p.device for p in layer.parameters()} == {"cpu"}
    assert layer(Tensor(np.ones((2, 3), np.float32))).shape == (2, 5)


@pytest.mark.parametrize("n", [2, 6, 14])  # the data, G, D
def test_networks_or_data_that_do_not_fit_are_said_before_anything_is_written(full, n, capsys):
    full("asarray", n)
    assert main(["train", *TRAIN, "--device", "cuda"]) == 1
    errors = capsys.readouterr().err
    assert re.fullmatch(f"minigan: networks and data: {SAID}. Use a smaller --batch-size or --width, "
                        "end other programs on the GPU, or use the device 'cpu'\n", errors)
    assert files() == []


# --- in the middle of a step ---


def play(**options):
    rng = np.random.default_rng(0)
    G, D = (network.to("cuda") for network in build("mlp", 3, (1, 8, 8), 0, width=4))
    return minimax(G, D, OBJECTIVES["bce"], Adam(G.parameters()), Adam(D.parameters()),
                   (rng.standard_normal((4, 1, 8, 8)) for _ in range(3)), lambda m: rng.standard_normal((m, 3)))


def live_tensors():
    return sum(issubclass(type(x), Tensor) for x in gc.get_objects())


def test_the_loop_passes_it_on_and_leaves_nothing_of_the_step(full):
    full("sqrt", 30)
    gc.collect()
    gc.disable()
    try:
        before = live_tensors()
        with pytest.raises(MemoryError):
            list(play())
        assert live_tensors() == before  # so that a smaller batch finds the memory free
    finally:
        gc.enable()


@pytest.mark.parametrize("name, n", [("sqrt", 1), ("sqrt", 300), ("asarray", 41)])  # in an update, moving noise
def test_a_run_keeps_what_it_had_saved(full, name, n, capsys):
    folder = run.Path("runs/001")
    full(name, n)
    assert main(["train", *TRAIN, "--device", "cuda"]) == 1
    errors = capsys.readouterr().err
    said = re.fullmatch(fr"minigan: step (\d+): {SAID}. What was saved before is kept. Use a smaller --batch-size or "
                        r"--width in a new run, end other programs on the GPU, or use the device 'cpu'\n", errors)
    step, (_, meta) = int(said[1]), checkpoint.load(folder / "checkpoint.npz")
    assert meta["step"] == (step - 1) // 2 * 2
    assert len(read_log(folder / "log.csv")["step"]) == meta["step"]
    assert not list(folder.rglob("*.part"))


def test_a_run_that_ran_out_of_memory_goes_on_on_the_cpu(full):
    full("sqrt", 300)
    with pytest.raises(OutOfMemoryError, match=r"^step \d+: the GPU's memory is full"):
        run.train(run.configure(**SMALL, device="cuda"), "a")
    run.resume("a", device="cpu")
    assert run.load("a", device="cpu").step == 20


def test_a_full_gpu_at_resuming_leaves_the_run_as_it_was(trained, full, capsys):
    before = {path: path.read_bytes() for path in files()}
    full("asarray", 30)
    assert main(["train", "--resume", "trained", "--steps", "30", "--device", "cuda"]) == 1
    assert re.search(f"minigan: networks.*: {SAID}", errors := capsys.readouterr().err) and errors.count("\n") == 1
    assert {path: path.read_bytes() for path in files()} == before


def test_the_computers_memory_is_said_in_the_same_way(monkeypatch, capsys):
    def update(self, theta, g, m, v):
        raise MemoryError("Unable to allocate 8.00 GiB for an array with shape (8,) and data type float32")

    monkeypatch.setattr(Adam, "update", update)
    assert main(["train", *TRAIN]) == 1
    assert capsys.readouterr().err == (
        "minigan: step 1: the computer's memory is full (got Unable to allocate 8.00 GiB for an array with shape (8,) "
        "and data type float32). What was saved before is kept. Use a smaller --batch-size or --width in a new run, "
        "or end other programs\n")
    assert checkpoint.load("runs/001/checkpoint.npz")[1]["step"] == 0


@pytest.mark.gpu
def test_a_limit_on_cupys_memory_pool_is_respected(real_cupy):
    pool = real_cupy.get_default_memory_pool()
    pool.free_all_blocks()
    pool.set_limit(size=pool.total_bytes() + 2**20)
    try:
        with pytest.raises(OutOfMemoryError, match=r"^networks and data: the GPU.s memory is full .* limit set to"):
            run.train(run.configure(**SMALL | {"width": 512}, device="cuda"), "a")
    finally:
        pool.set_limit(size=0)
    assert files() == []
    run.train(run.configure(**SMALL, device="cuda"), "a")  # and what was held is free again


# --- after training ---


def test_more_samples_than_memory_holds(trained, capsys):
    assert main(["sample", str(trained), "--n", str(10**15), "--out", "x.npz"]) == 1
    errors = capsys.readouterr().err
    assert re.fullmatch(r"minigan: samples: the computer's memory is full \(got Unable to allocate .*\). Use a smaller "
                        r"n, or end other programs\n", errors)
    assert not run.Path("x.npz").exists()


def test_an_evaluation_on_a_full_gpu_writes_nothing(trained, full, capsys):
    before = files()
    full("maximum", 3)
    assert main(["evaluate", str(trained), "--n", "20", "--device", "cuda"]) == 1
    errors = capsys.readouterr().err
    assert re.fullmatch(f"minigan: evaluation: {SAID}. Use a smaller n, end other .*\n", errors)
    assert files() == before
    with pytest.raises(OutOfMemoryError):
        evaluate.evaluate(trained, 20, device="cuda")


def test_a_trial_on_a_full_gpu_is_a_row_with_its_reason_and_not_kept(full):
    search = {**SMALL, "data": "ring", "steps": 2, "lr": [1e-3, 1e-4], "seeds": 1, "device": "cuda", "jobs": 1}
    full("sqrt", 10)
    assert [row.reasons for row in tune.search("a", n=20, **search).rows] == [("out of memory",)] * 2
    assert not list(run.Path("a/trials").iterdir())


def test_whatever_else_runs_out_of_memory_is_one_line_too(monkeypatch, capsys):
    def fetch(*_):
        raise MemoryError

    monkeypatch.setattr("minigan.data.fetch", fetch)
    assert main(["data", "mnist"]) == 1
    assert capsys.readouterr().err == ("minigan: out of memory. Ask for smaller batches, networks or shapes, "
                                       "or fewer samples\n")
