"""A run: presets, the folder, bit-exact resuming, and that nothing is overwritten."""

import hashlib
import json
import os
import shutil
import signal
import subprocess
import sys
import time
import warnings

import numpy as np
import pytest
from PIL import Image

from minigan import checkpoint, losses, run
from minigan.backend import cuda_available
from minigan.convergence import Finding
from minigan.errors import CheckpointError, ConfigError, DataError, DeviceError, DivergenceError, MiniganError
from minigan.plot import read_log

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
    assert type(run.configure(objective="r1", lam=np.float32(3)).lam) is float  # JSON has no float32


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


# --- conditional runs ---


@pytest.fixture(scope="module")
def labelled(tmp_path_factory):
    config = run.configure(model="conditional", width=4, latent_dim=3, batch_size=16, steps=4)
    return run.train(config, tmp_path_factory.mktemp("labelled") / "a")


def test_a_conditional_run_resumes_with_its_labels(labelled, tmp_path):
    config = run.configure(model="conditional", width=4, latent_dim=3, batch_size=16, steps=2)
    run.resume(run.train(config, tmp_path / "a"), steps=4)
    assert fingerprint(tmp_path / "a") == fingerprint(labelled)


def test_a_conditional_generator_is_asked_for_one_class(labelled, monkeypatch):
    asked = []
    generate = run.generate
    monkeypatch.setattr(run, "generate", lambda G, z, y: asked.append(y) or generate(G, z, y=y))
    assert run.sample(labelled, 5, label=7).shape == (5, 1, 8, 8)
    run.sample(labelled, 20)
    assert asked[0].tolist() == [7] * 5 and asked[1].tolist() == [k for k in range(10) for _ in range(2)]


def test_a_picture_of_a_conditional_run_has_a_row_for_each_class(labelled):
    assert len(run.load(labelled).samples()) == 100
    assert run.labels(100, 10).reshape(10, 10).tolist() == [[k] * 10 for k in range(10)]


@pytest.mark.parametrize("label", [-1, 10])
def test_a_class_that_there_is_not_is_refused(labelled, label):
    with pytest.raises(ConfigError, match=r"no such class.*0 to 9"):
        run.sample(labelled, 5, label=label)


def test_a_label_for_a_generator_that_takes_none_is_refused(folder):
    with pytest.raises(ConfigError, match=r"takes no labels.*--model conditional"):
        run.sample(folder, 5, label=1)


# --- starting from another run's networks (N8) ---


def test_n8_a_run_starts_from_the_networks_of_another(folder, tmp_path):
    start = run.train(run.configure(**SMALL, steps=1, lr=1e-30, seed=5, init_from=str(folder)), tmp_path / "b")
    (old, _), (new, _) = checkpoint.load(folder / "checkpoint.npz"), checkpoint.load(start / "checkpoint.npz")
    for part in ("G", "D"):
        for name, array in old[part].items():
            np.testing.assert_allclose(new[part][name], array, atol=1e-20, err_msg=name)


def test_n8_the_run_may_be_named_by_a_path_and_no_name_at_all_is_refused(folder, tmp_path):
    assert run.configure(**SMALL, init_from=folder).init_from == str(folder)
    with pytest.raises(CheckpointError, match="no such checkpoint"):
        run.train(run.configure(**SMALL, steps=1, init_from=""), tmp_path / "b")


def test_n8_layers_that_do_not_fit_stay_as_they_were_and_are_named(folder, tmp_path):
    said = []
    config = run.configure(**SMALL | {"latent_dim": 9}, steps=1, lr=1e-30, seed=5, init_from=str(folder))
    start = run.train(config, tmp_path / "b", tell=said.append)
    (old, _), (new, _) = checkpoint.load(folder / "checkpoint.npz"), checkpoint.load(start / "checkpoint.npz")
    np.testing.assert_allclose(new["G"]["2.weight"], old["G"]["2.weight"], atol=1e-20)
    assert not np.array_equal(new["G"]["0.bias"], old["G"]["0.bias"])  # it would fit, but its layer's weight does not
    assert "G 6 of 8 arrays (new: 0.weight, 0.bias), D 8 of 8 arrays" in said[0]


def test_n8_a_run_whose_every_layer_differs_is_refused_before_anything_is_written(folder, tmp_path):
    with pytest.raises(ConfigError, match="no layer of G fits"):
        run.train(run.configure(data="ring", width=7, steps=1, init_from=str(folder)), tmp_path / "b")
    assert not (tmp_path / "b").exists()


def test_n8_a_run_is_resumed_without_the_one_it_started_from(folder, tmp_path):
    start = run.train(run.configure(**SMALL, steps=1, init_from=str(folder)), tmp_path / "b")
    folder.rename(tmp_path / "gone")
    run.resume(start, steps=2)


# --- objectives and networks with settings of their own ---


@pytest.mark.parametrize(("objective", "expected"), [
    ("wgan", {"optimizer": "rmsprop", "lr": 5e-5, "lr_d": 5e-5, "n_d": 5}),
    ("wgan-gp", {"optimizer": "adam", "lr": 1e-4, "lr_d": 1e-4, "beta1": 0.0, "beta2": 0.9, "n_d": 5}),
])
def test_f9_the_wasserstein_objectives_have_their_papers_settings(objective, expected):
    for data_set in ("digits", "mnist", "ring"):
        config = run.configure(data=data_set, objective=objective).__dict__
        assert {name: config[name] for name in expected} == expected
    assert losses.OBJECTIVES["wgan"].clip == 0.01 and losses.OBJECTIVES["wgan-gp"].lam == 10


def test_f9_the_penalty_is_lighter_on_points_as_its_authors_have_it():
    assert run.configure(data="ring", objective="wgan-gp").lam == 0.1
    assert run.configure(data="digits", objective="wgan-gp").lam is None


@pytest.mark.parametrize("objective", ["wgan-gp", "r1"])
def test_images_get_a_d_without_batch_norm_where_the_objective_needs_one(objective):
    assert run.configure(objective=objective).model == "dcgan"
    assert run.configure(objective="bce").model == "dcgan-bn"


def test_a_batch_norm_in_d_is_refused_before_anything_is_written(tmp_path):
    with pytest.raises(ConfigError, match=r"'wgan-gp', model 'dcgan-bn'.*depends on the whole batch"):
        run.train(run.configure(objective="wgan-gp", model="dcgan-bn"), tmp_path / "a")
    assert not (tmp_path / "a").exists()


@pytest.mark.parametrize(("options", "message"), [
    ({"objective": "wgan", "clip": 0.0}, "clip is out of range"),
    ({"objective": "bce", "clip": 1.0}, "does not use clip"),
    ({"objective": "wgan-gp", "lam": -1.0}, "lam is out of range"), ({"width": 0}, "width is out of range"),
    ({"beta2": 1.0}, "beta2 is out of range"),
])
def test_settings_of_objectives_and_networks_are_checked(options, message):
    with pytest.raises(ConfigError, match=message):
        run.configure(**options)


def test_sequences_are_trained_and_drawn(tmp_path):
    folder = run.train(run.configure(data="sines", width=4, batch_size=8, steps=2), tmp_path / "a")
    assert run.sample(folder, 3).shape == (3, 24, 1)


# --- what a run says while it goes on ---


def test_a_run_that_is_no_longer_finite_stops_and_keeps_the_last_good_checkpoint(tmp_path):
    config = run.configure(data="ring", optimizer="sgd", objective="lsgan", lr=1e6, steps=200, batch_size=16, width=8)
    with pytest.raises(DivergenceError, match=r"step \d+: the game has diverged.*lower learning rate"), \
            warnings.catch_warnings(action="error"):  # NumPy's would be more than one sentence
        run.train(config, tmp_path / "a")
    parts, meta = checkpoint.load(tmp_path / "a" / "checkpoint.npz")
    assert all(np.isfinite(array).all() for part in parts.values() for array in part.values())
    assert len((tmp_path / "a" / "log.csv").read_text().splitlines()) >= 1 + meta["step"]


def test_a_warning_is_told_when_it_shows_and_once(tmp_path, monkeypatch):
    said, given = [], []

    def diagnose(log, objective, *, samples, real):
        given.append((len(log["step"]), samples.shape, real.shape))
        return [Finding("ill", "warning", "It is ill.")] if len(log["step"]) >= 5 else []

    monkeypatch.setattr(run.convergence, "diagnose", diagnose)
    run.train(run.configure(**SMALL, steps=20), tmp_path / "a", tell=said.append)
    assert said == ["step 6: It is ill.", "[warning] It is ill."]  # the second is the report at the end
    assert given == [(n, (64, 1, 8, 8), (1000, 1, 8, 8)) for n in range(2, 21, 2)]


def test_the_log_of_an_older_version_is_kept_on_resume(folder):
    """It had no gradient norms."""
    path = folder / "log.csv"
    path.write_text("\n".join(",".join(line.split(",")[:6]) for line in path.read_text().splitlines()) + "\n")
    run.resume(folder, steps=22)
    log = read_log(path)
    assert log["step"] == list(range(1, 23)) and np.isfinite(log["loss_d"]).all()
    assert np.isnan(log["grad_norm_g"][:20]).all() and np.isfinite(log["grad_norm_g"][20:]).all()


def test_a_log_that_cannot_be_read_is_not_overwritten(folder):
    for damaged in (b"\xff\xfe", b"a,b\n1,2\n"):
        (folder / "log.csv").write_bytes(damaged)
        with pytest.raises(DataError, match=r"not a readable log.*Move it away"):
            run.resume(folder, steps=22)
        assert (folder / "log.csv").read_bytes() == damaged


def test_a_last_row_of_the_log_that_does_not_end_is_left_out(folder):
    path = folder / "log.csv"
    text = path.read_text()
    for cut in range(len(text) - 1, text.rindex(",") - 30, -1):
        path.write_text(text[:cut])  # also in the middle of a number: "1e-0"
        assert read_log(path)["step"] == list(range(1, 20))


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


# --- a folder of images ---


OWN = {"model": "mlp", "width": 4, "latent_dim": 3, "size": 8}


@pytest.fixture
def own(pictures_of_ones_own, tmp_path):
    """A copy that a test may change."""
    return shutil.copytree(pictures_of_ones_own, tmp_path / "pictures")


def test_a_folders_absolute_path_is_kept_and_its_preset_is_for_images(own, monkeypatch):
    monkeypatch.chdir(own.parent)
    for given in ("pictures", "./pictures/", own):
        config = run.configure(data=given)
        assert (config.data, config.model, config.size, config.steps) == (str(own), "dcgan-bn", 28, 938)
        assert run.configure(**config.__dict__) == config
    assert json.loads(json.dumps(config.__dict__)) == config.__dict__


def test_the_presets_batch_is_never_larger_than_the_folder(own):
    assert run.configure(data=own).batch_size == 40
    assert run.configure(data=own, batch_size=7).batch_size == 7
    for i in range(40):
        shutil.copy(own / "light" / "00.png", own / f"{i}.png")
    assert run.configure(data=own).batch_size == 64


def test_a_folder_of_images_resumes_and_gives_the_bits_of_an_uninterrupted_run(own, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    whole = run.train(run.configure(data="pictures", **OWN, steps=4), "whole")
    part = run.train(run.configure(data="pictures", **OWN, steps=2), "part")
    monkeypatch.chdir(own)
    run.resume(tmp_path / part, steps=4)
    assert fingerprint(tmp_path / part) == fingerprint(tmp_path / whole)


def test_the_samples_of_a_run_are_like_the_folders_images_and_need_it_no_more(own, tmp_path):
    folder = run.train(run.configure(data=own, **OWN, steps=2), tmp_path / "a")
    shutil.rmtree(own)
    assert run.sample(folder, 3).shape == (3, 3, 8, 8)
    with pytest.raises(DataError, match="pictures: no such folder"):
        run.resume(folder, steps=3)


@pytest.mark.parametrize("model", ["mlp", "conditional"])
def test_a_folder_that_has_changed_is_refused_on_resume_and_the_run_stays_as_it_was(own, tmp_path, model):
    options = OWN | {"model": model, "batch_size": 8}
    folder = run.train(run.configure(data=own, **options, steps=2), tmp_path / "a")
    before = {p: p.read_bytes() for p in folder.rglob("*") if p.is_file()}
    (own / "third").mkdir()
    shutil.copy(own / "light" / "00.png", own / "third" / "00.png")
    with pytest.raises(DataError, match=r"no longer those of the run .expected 40 images.*got 41 images"):
        run.resume(folder, steps=4)
    shutil.rmtree(own / "third")
    for path in own.rglob("*.png"):
        Image.open(path).convert("L").save(path)
    with pytest.raises(DataError, match=r"no longer .*expected 40 images of shape .3, 8, 8.*got .*shape .1, 8, 8"):
        run.resume(folder, steps=4)
    assert {p: p.read_bytes() for p in folder.rglob("*") if p.is_file()} == before


def test_the_sub_folders_are_the_classes_of_a_conditional_run(own, tmp_path):
    folder = run.train(run.configure(data=own, **OWN | {"model": "conditional"}, steps=2), tmp_path / "a")
    assert run.load(folder).classes == 2
    assert run.sample(folder, 4, label=1).shape == (4, 3, 8, 8)
    with pytest.raises(ConfigError, match=r"no such class.*0 to 1"):
        run.sample(folder, 4, label=2)


@pytest.mark.parametrize("given, message", [
    ({"data": "digits", "size": 8}, "only a folder of images has a size to choose"),
    ({"data": "nowhere/at/all"}, "all: no such folder"), ({"data": "cifar"}, "unknown data .*or a folder of images"),
    ({"data": ".", "size": 0}, "size is out of range"), ({"data": "."}, "too few images"),
])
def test_what_cannot_be_a_folder_of_images_is_refused(given, message, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(MiniganError, match=message):
        run.configure(**({"batch_size": 2} if "size" in given else {}) | given)


def test_a_size_that_does_not_suit_the_model_is_refused_before_anything_is_written(own, tmp_path):
    with pytest.raises(ConfigError, match=r"multiples of 4 .got 30×30.*Use images of another size"):
        run.train(run.configure(data=own, size=30), tmp_path / "a")
    assert not (tmp_path / "a").exists()


def test_a_picture_of_few_classes_has_several_rows_for_each(own):
    x = run.Run(run.configure(data=own, **OWN | {"model": "conditional"})).samples()
    assert len(x) == 64 and run.labels(64, 2).reshape(8, 8).tolist() == [[0] * 8] * 4 + [[1] * 8] * 4
