"""A run on a device: the same numbers as in main memory, a loop that waits for nothing, checkpoints for both."""

import numpy as np
import pytest
from cupy_stand_in import counting
from numpy.testing import assert_allclose

from minigan import checkpoint, plot, run
from minigan.evaluate import evaluate
from minigan.plot import read_log

# SGD where there is a BatchNorm: the biases before it have the gradient 0, and of its rounding Adam makes whole steps.
KINDS = {
    "images": {"data": "digits", "model": "mlp", "width": 8},
    "images, convolutions": {"data": "digits", "width": 4, "optimizer": "sgd"},
    "points": {"data": "ring", "width": 8},
    "sequences": {"data": "sines", "width": 4},
    "classes": {"data": "digits", "model": "conditional", "width": 4, "optimizer": "sgd"},
    "a penalty, n_d 5": {"data": "ring", "objective": "wgan-gp", "width": 8},
    "clipping": {"data": "ring", "objective": "wgan", "width": 8},
}
SMALL = {"batch_size": 300, "latent_dim": 3, "steps": 8}  # an epoch of the digits ends after 5 batches


@pytest.fixture(autouse=True)
def few_pictures(monkeypatch):
    """No picture of samples but the last, which takes longer than the steps before it."""
    save = plot.save_samples
    monkeypatch.setattr(plot, "save_samples", lambda path, *x: save(path, *x) if "8.png" in str(path) else None)


def train(folder, device, **options):
    return run.train(run.configure(**SMALL | options | {"device": device}), folder)


def assert_same_numbers(one, other):
    """To the last digits: memory layouts differ between devices, and with them the order of sums."""
    logs = [read_log(folder / "log.csv") for folder in (one, other)]
    for name, column in logs[0].items():
        assert_allclose(logs[1][name], column, rtol=2e-3, atol=1e-4, err_msg=name)
    (parts, meta), (others, other_meta) = (checkpoint.load(folder / "checkpoint.npz") for folder in (one, other))
    assert [meta[name] for name in ("streams", "batches")] == [other_meta[name] for name in ("streams", "batches")]
    for network in ("G", "D"):
        for name, array in parts[network].items():
            assert_allclose(others[network][name], array, rtol=2e-3, atol=2e-4, err_msg=f"{network}, {name}")


@pytest.mark.parametrize("kind", KINDS)
def test_a_run_on_the_device_is_the_run_in_main_memory(any_cupy, kind, tmp_path):
    folders = [train(tmp_path / device, device, **KINDS[kind]) for device in ("cpu", "cuda")]
    assert_same_numbers(*folders)
    names = [sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*")) for folder in folders]
    assert names[0] == names[1]


@pytest.mark.parametrize("kind", KINDS)
def test_a_step_waits_for_nothing_and_only_noise_and_labels_are_moved(fake_cupy, kind, tmp_path):
    steps = []

    def watched(records, done, total):
        while True:
            with counting() as crossings:
                record = next(records, None)
            if record is None:
                return
            steps.append(crossings)
            yield record

    config = run.configure(**SMALL | KINDS[kind], device="cuda")
    run.train(config, tmp_path / "a", progress=watched)
    assert {(c.to_host, c.synchronisations) for c in steps} == {(0, 0)}
    noise = 1 + config.n_d * (2 if kind == "a penalty, n_d 5" else 1)  # z for each step of D and of G; the penalty's ε
    orders = 2 if kind == "classes" else 1  # at an epoch's end, of the images and of their labels
    assert min(c.to_device for c in steps) == noise and max(c.to_device for c in steps) <= noise + orders
    assert len(steps) == 8


@pytest.mark.parametrize("kind, first, then", [("images", "cpu", "cuda"), ("classes", "cuda", "cpu")])
def test_a_checkpoint_goes_on_on_either_device(any_cupy, kind, first, then, tmp_path):
    whole = train(tmp_path / "whole", "cpu", **KINDS[kind])
    train(tmp_path / "a", first, **KINDS[kind], steps=6)
    run.resume(tmp_path / "a", steps=8, device=then)
    assert_same_numbers(whole, tmp_path / "a")


def test_a_resumed_run_on_the_device_has_the_numbers_of_an_uninterrupted_one(fake_cupy, tmp_path):
    options = KINDS["images"]
    whole = train(tmp_path / "whole", "cuda", **options)
    train(tmp_path / "a", "cuda", **options, steps=6)
    run.resume(tmp_path / "a", steps=8)
    for part, arrays in checkpoint.load(whole / "checkpoint.npz")[0].items():
        for name, array in checkpoint.load(tmp_path / "a/checkpoint.npz")[0][part].items():
            assert np.array_equal(array, arrays[name]), f"{part}, {name}"


def test_a_run_is_sampled_and_measured_on_the_device(any_cupy, tmp_path):
    folder = train(tmp_path / "a", "cuda", **KINDS["points"])
    assert run.sample(folder, 5).shape == (5, 2)  # in main memory, where every run can be sampled
    there, here = (evaluate(folder, n=50, draws=1, device=device) for device in ("cuda", "cpu"))
    assert_allclose([f.mean for f in there.figures], [f.mean for f in here.figures], rtol=1e-3)
