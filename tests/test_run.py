"""A run: presets, the folder, bit-exact resuming, and that nothing is overwritten."""

import hashlib
import json
import os
import signal
import subprocess
import sys
import time

import numpy as np
import pytest

from minigan import checkpoint, run
from minigan.backend import cuda_available
from minigan.errors import CheckpointError, ConfigError, DeviceError

SMALL = {"data": "digits", "model": "mlp", "batch_size": 16, "latent_dim": 8}


def fingerprint(folder):
    """A hash of everything a checkpoint holds but the configuration's number of steps."""
    parts, meta = checkpoint.load(folder / "checkpoint.npz")
    meta["config"].pop("steps")
    digest = hashlib.sha256(json.dumps(meta, sort_keys=True).encode())
    for part in sorted(parts):
        for name in sorted(parts[part]):
            digest.update(f"{part}/{name}".encode() + parts[part][name].tobytes())
    return digest.hexdigest()


@pytest.fixture
def folder(tmp_path):
    return run.train(run.configure(**SMALL, steps=20), tmp_path / "a")


def test_a_run_writes_its_folder(folder):
    names = ["checkpoint.npz", "config.json", "curves.png", "log.csv", "samples"]
    assert sorted(p.name for p in folder.iterdir()) == names
    assert len(list((folder / "samples").iterdir())) == 10


def test_the_log_has_a_row_for_each_step_and_loss_is_the_sum(folder):
    lines = (folder / "log.csv").read_text().splitlines()
    assert lines[0] == "step,loss_d,loss_g,loss,d_real,d_fake,grad_norm_d,grad_norm_g"
    rows = np.array([line.split(",") for line in lines[1:]], float)
    assert rows[:, 0].tolist() == list(range(1, 21))
    np.testing.assert_allclose(rows[:, 3], rows[:, 1] + rows[:, 2], rtol=1e-6)


def test_the_configuration_is_written_with_its_defaults(folder):
    assert json.loads((folder / "config.json").read_text()) == run.configure(**SMALL, steps=20).__dict__


@pytest.mark.parametrize("model", ["mlp", "dcgan-bn"])
@pytest.mark.parametrize("optimizer", ["adam", "rmsprop"])
def test_resuming_gives_the_bits_of_an_uninterrupted_run(tmp_path, model, optimizer):
    small = SMALL | {"model": model, "optimizer": optimizer, "n_d": 2}
    whole = run.train(run.configure(**small, steps=12), tmp_path / "whole")
    part = run.train(run.configure(**small, steps=5), tmp_path / "part")
    run.resume(part, steps=12)
    assert fingerprint(part) == fingerprint(whole)
    assert (part / "log.csv").read_text() == (whole / "log.csv").read_text()
    name = "samples/step_000012.png"
    assert (part / name).read_bytes() == (whole / name).read_bytes()


def test_rows_of_the_log_after_the_checkpoint_are_dropped_on_resume(folder):
    with open(folder / "log.csv", "a") as file:
        file.write("21,9,9,9,9,9\n2")  # a row that was not written to its end
    run.resume(folder, steps=22)
    steps = [line.split(",")[0] for line in (folder / "log.csv").read_text().splitlines()[1:]]
    assert steps == [str(i) for i in range(1, 23)]


def test_a_run_can_be_resumed_from_its_very_beginning(tmp_path, monkeypatch):
    whole = run.train(run.configure(**SMALL, steps=5), tmp_path / "whole")

    def killed(*args):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(run.plot, "save_samples", killed)
        run.train(run.configure(**SMALL, steps=5), tmp_path / "a")
    run.resume(tmp_path / "a")
    assert fingerprint(tmp_path / "a") == fingerprint(whole)


def test_a_checkpoint_that_lacks_something_is_one_clear_error(folder):
    parts, meta = checkpoint.load(folder / "checkpoint.npz")
    for lost in ("step", "streams", "batches", "config"):
        checkpoint.save(folder / "checkpoint.npz", parts, {k: v for k, v in meta.items() if k != lost})
        with pytest.raises(CheckpointError, match="checkpoint"):
            run.resume(folder, steps=30)


def test_a_configuration_of_the_wrong_types_is_one_clear_error(folder):
    parts, meta = checkpoint.load(folder / "checkpoint.npz")
    meta["config"]["lr"] = "fast"
    checkpoint.save(folder / "checkpoint.npz", parts, meta)
    with pytest.raises(CheckpointError, match="not complete"):
        run.sample(folder, 3)


def test_the_noise_of_samples_is_not_the_stream_of_the_weights():
    streams = run.random_streams(0, *run.STREAMS)
    draws = {name: float(stream.standard_normal()) for name, stream in streams.items()}
    assert len(set(draws.values())) == len(run.STREAMS)


def test_the_seed_decides_everything(tmp_path):
    hashes = [fingerprint(run.train(run.configure(**SMALL, steps=3, seed=seed), tmp_path / str(i)))
              for i, seed in enumerate([1, 1, 2])]
    assert hashes[0] == hashes[1] != hashes[2]


def test_the_same_seed_gives_the_same_parameters_after_200_steps(tmp_path):
    config = run.configure(data="ring", steps=200, batch_size=32)
    hashes = {fingerprint(run.train(config, tmp_path / name)) for name in "ab"}
    assert len(hashes) == 1


def test_sampling_changes_nothing(tmp_path):
    game = run.Run(run.configure(**SMALL | {"model": "dcgan-bn"}, steps=2))
    before = json.dumps(game.meta()), {k: v.tobytes() for k, v in game.G.state_dict().items()}
    first = game.samples()
    assert (json.dumps(game.meta()), {k: v.tobytes() for k, v in game.G.state_dict().items()}) == before
    assert game.G.training
    np.testing.assert_array_equal(game.samples(), first)


def test_a_folder_that_is_not_empty_is_refused_and_untouched(folder):
    before = {p: p.read_bytes() for p in folder.rglob("*") if p.is_file()}
    with pytest.raises(ConfigError, match=r"never overwritten.*--resume"):
        run.train(run.configure(**SMALL, steps=1), folder)
    assert {p: p.read_bytes() for p in folder.rglob("*") if p.is_file()} == before


def test_a_file_in_the_folders_place_is_refused(tmp_path):
    (tmp_path / "a").write_text("mine")
    with pytest.raises(ConfigError, match="there is a file of that name"):
        run.train(run.configure(**SMALL, steps=1), tmp_path / "a")
    assert (tmp_path / "a").read_text() == "mine"


def test_runs_are_numbered(tmp_path):
    config = run.configure(**SMALL, steps=1)
    (tmp_path / "runs" / "007").mkdir(parents=True)
    assert [run.train(config, runs=tmp_path / "runs").name for _ in range(2)] == ["008", "009"]


def test_a_complete_run_says_how_to_go_on(folder):
    with pytest.raises(ConfigError, match=r"complete.*--steps N with N > 20"):
        run.resume(folder)


def test_a_damaged_checkpoint_leaves_the_run_as_it_was(folder):
    path = folder / "checkpoint.npz"
    path.write_bytes(path.read_bytes()[:-100])
    before = {p: p.read_bytes() for p in folder.rglob("*") if p.is_file()}
    with pytest.raises(CheckpointError):
        run.resume(folder, steps=30)
    assert {p: p.read_bytes() for p in folder.rglob("*") if p.is_file()} == before


def test_no_folder_is_made_when_the_data_are_missing(tmp_path):
    with pytest.raises(ValueError, match="no such folder"):
        run.train(run.configure(data="mnist", data_dir=str(tmp_path / "nowhere")), tmp_path / "a")
    assert not (tmp_path / "a").exists()


@pytest.mark.parametrize(("name", "value"), [
    ("lr", 0.0), ("lr", -1.0), ("lr", float("nan")), ("lr", float("inf")), ("lr_d", 0.0), ("beta1", 1.0), ("steps", 0),
    ("batch_size", 0), ("n_d", 0), ("latent_dim", -1), ("seed", -1),
])
def test_values_out_of_range_are_refused(name, value):
    with pytest.raises(ConfigError, match=f"{name} is out of range"):
        run.configure(**{name: value})


@pytest.mark.parametrize(("name", "valid"), [
    ("data", "fashion-mnist"), ("model", "dcgan-bn"), ("objective", "non-saturating, lsgan"), ("optimizer", "rmsprop"),
    ("device", "cpu, cuda"),
])
def test_unknown_names_are_refused_with_the_valid_ones(name, valid):
    with pytest.raises(ConfigError, match=f"unknown {name}.*{valid}"):
        run.configure(**{name: "nonsense"})


def test_a_learning_rate_given_alone_is_that_of_both_networks():
    assert run.configure(lr=0.1).lr_d == 0.1
    assert run.configure(lr=0.1, lr_d=0.2).lr_d == 0.2


def test_what_is_given_overrides_the_presets():
    assert run.configure(data="ring").batch_size == 256
    assert run.configure(data="ring", batch_size=32).batch_size == 32


def test_a_gpu_that_is_not_there_is_said_before_anything_is_written(tmp_path):
    if cuda_available():
        pytest.skip("there is a GPU")
    with pytest.raises(DeviceError, match="no GPU can be used here"):
        run.train(run.configure(**SMALL, device="cuda"), tmp_path / "a")
    assert not (tmp_path / "a").exists()


def test_samples_of_a_run(folder):
    x = run.sample(folder, 5)
    assert x.shape == (5, 1, 8, 8) and x.dtype == np.float32 and np.abs(x).max() <= 1
    np.testing.assert_array_equal(x, run.sample(folder, 5))
    assert not np.array_equal(x, run.sample(folder, 5, seed=1))


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_stops_after_the_step_with_everything_saved(tmp_path, number, code):
    command = ["minigan", "train", "--model", "mlp", "--steps", "100000", "--out", str(tmp_path / "a")]
    process = subprocess.Popen([sys.executable, "-m", *command], stderr=subprocess.PIPE, stdout=subprocess.DEVNULL,
                               text=True)
    log = tmp_path / "a" / "log.csv"
    while process.poll() is None and not log.exists():
        time.sleep(0.05)
    time.sleep(0.5)
    os.kill(process.pid, number)
    errors = process.communicate(timeout=60)[1]
    assert process.returncode == code, errors
    assert f"minigan train --resume {tmp_path / 'a'}" in errors
    parts, meta = checkpoint.load(tmp_path / "a" / "checkpoint.npz")
    assert meta["step"] == len(log.read_text().splitlines()) - 1
    assert parts["opt_g"]["t"] == meta["step"]
