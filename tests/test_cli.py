"""The command line: what it prints, what it writes, how it fails."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from matplotlib.image import imread

from minigan import functional, samples
from minigan.cli import main

QUICK = ["--model", "mlp", "--steps", "4", "--batch-size", "16"]


@pytest.fixture(autouse=True)
def in_an_empty_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def trained(tmp_path):
    assert main(["train", *QUICK]) == 0
    return "runs/001"


def test_train_ends_by_naming_the_picture(capsys):
    assert main(["train", *QUICK]) == 0
    assert "Open runs/001/samples/step_000004.png" in capsys.readouterr().out
    assert imread("runs/001/samples/step_000004.png").std() > 0.01


def test_epochs_stand_for_steps():
    assert main(["train", "--model", "mlp", "--epochs", "1", "--batch-size", "600"]) == 0
    assert Path("runs/001/log.csv").read_text().count("\n") == 1 + 2  # full batches of 600 in 1,797


@pytest.mark.parametrize("data", ["ring", "grid"])
def test_points_are_trained_and_drawn(data):
    assert main(["train", "--data", data, "--steps", "3", "--batch-size", "16"]) == 0
    assert imread("runs/001/samples/step_000003.png").std() > 0.01


def test_resume_goes_on(trained):
    assert main(["train", "--resume", trained, "--steps", "6"]) == 0
    assert Path("runs/001/log.csv").read_text().count("\n") == 1 + 6


def test_resume_refuses_what_it_would_ignore(trained, capsys):
    assert main(["train", "--resume", trained, "--lr", "1e-5", "--batch-size", "3"]) == 1
    assert "keeps its own settings (got --lr, --batch-size)" in capsys.readouterr().err


def test_sample_never_overwrites_a_checkpoint(trained, capsys):
    assert main(["sample", trained, "--out", "runs/001/checkpoint.npz"]) == 1
    assert "not a place" in capsys.readouterr().err


def test_sample_writes_an_npz_of_images(trained):
    assert main(["sample", trained, "--n", "7", "--out", "x.npz"]) == 0
    x = np.load("x.npz")["x"]
    assert x.shape == (7, 1, 8, 8) and x.dtype == np.float32 and np.abs(x).max() <= 1


def test_sample_writes_a_picture(trained):
    assert main(["sample", trained, "--n", "9", "--out", "x.png"]) == 0
    assert imread("x.png").shape[0] == 3 * 9 * 7 - 7


def test_a_conditional_generator_draws_the_class_that_is_asked_for(capsys):
    assert main(["train", "--model", "conditional", "--width", "4", "--steps", "2", "--batch-size", "16"]) == 0
    assert main(["sample", "runs/001", "--label", "7", "--n", "4", "--out", "x.png"]) == 0
    assert imread("x.png").std() > 0.01
    assert main(["sample", "runs/001", "--label", "10", "--out", "x.png"]) == 1
    assert "no such class (expected 0 to 9, got 10)" in capsys.readouterr().err


def test_a_run_starts_from_the_weights_of_another(trained, capsys):
    assert main(["train", *QUICK, "--init-from", trained]) == 0
    assert "started from runs/001: G 8 of 8 arrays, D 8 of 8 arrays" in capsys.readouterr().out


def test_train_ends_with_a_diagnosis(capsys):
    assert main(["train", *QUICK]) == 0
    assert "[note] 4 steps are too few to say anything about convergence" in capsys.readouterr().out


def test_gradcheck_lists_every_operation_as_right(capsys):
    assert main(["gradcheck"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert {line.split()[0] for line in lines[1:-1]} == set(functional.__all__)
    assert all(line.endswith("right") for line in lines[1:-1])


def test_gradcheck_fails_when_an_operation_is_wrong(capsys, monkeypatch):
    from minigan.tensor import record

    def wrong(x):
        return record(np.tanh(x.data), (x,), lambda g, y: g * (1 + y * y))

    monkeypatch.setattr(samples, "samples", lambda seed: [samples.Sample("tanh", "", wrong, (np.ones((2, 3)),))])
    assert main(["gradcheck"]) == 1
    assert "WRONG" in capsys.readouterr().out


MINE = """
import numpy as np
from minigan import functional as F, nn

def square(x):
    return x * x

def square_vjp(g, x):
    return 2 * g * x

def wrong(g, x):
    return -2 * g * x

def dense(x, W, b):
    return x @ W.T + b

def dense_vjps(g, x, W, b):
    return g @ W, g.T @ x, g.sum(0)

pair = (square, square_vjp)
layer = nn.Linear(5, 2)

def softplus(x):
    return F.log(1 + F.exp(x))
"""


@pytest.fixture
def mine(tmp_path):
    (tmp_path / "mine.py").write_text(MINE)


@pytest.mark.parametrize("arguments", [
    ["mine.py:square_vjp"], ["mine.py:square,square_vjp"], ["mine.py:pair"], ["mine.py:softplus", "--order", "2"],
    ["mine.py:dense,dense_vjps", "--shapes", "7x3", "2x3", "2"],
    ["mine.py:layer", "--shapes", "7x5"], ["mine.py:square_vjp", "--shapes", "scalar", "--seed", "3"],
], ids=" ".join)
def test_gradcheck_of_ones_own_function(arguments, mine, capsys):
    assert main(["gradcheck", *arguments]) == 0
    assert "gradient of order" in capsys.readouterr().out


def test_gradcheck_of_ones_own_function_says_what_is_wrong(mine, capsys):
    assert main(["gradcheck", "mine.py:square,wrong", "--shapes", "2x3"]) == 1
    report = capsys.readouterr().out
    assert "first wrong operation: square" in report and "cause: sign" in report and "6 of 6 wrong" in report


@pytest.mark.parametrize(("target", "message"), [
    ("nowhere.py:f", "nowhere.py: there is no such file"),
    ("mine.py:nothing", "there is no function nothing (expected one of square, square_vjp, wrong"),
    ("mine", "not something to check (expected FILE.py:NAME"),
    ("broken.py:f", "the file cannot be imported, SyntaxError"),
    ("mine.py:layer", "how many inputs there are is not known. Give their shapes"),
])
def test_gradcheck_of_what_is_not_there_is_one_clear_line(target, message, mine, capsys, tmp_path):
    (tmp_path / "broken.py").write_text("def f(:")
    assert main(["gradcheck", target]) == 1
    errors = capsys.readouterr().err
    assert message in errors and errors.count("\n") == 1


def test_gradcheck_of_a_shape_that_is_none_is_one_clear_line(mine, capsys):
    assert main(["gradcheck", "mine.py:pair", "--shapes", "3by5"]) == 1
    assert "not a shape (expected sizes such as 3x5, 7, or scalar, got '3by5')" in capsys.readouterr().err


@pytest.mark.parametrize(("arguments", "message"), [
    (["train", "--model", "vae"], "unknown model (expected mlp, dcgan, dcgan-bn"),
    (["train", "--data", "cifar"], "unknown data"),
    (["train", "--data", "./cifar"], "no such folder"),
    (["train", "--size", "8"], "only a folder of images has a size to choose"),
    (["train", "--objective", "wgann"], "unknown objective (expected bce, non-saturating, lsgan"),
    (["train", "--lr", "-1"], "lr is out of range (expected a number > 0, got -1.0)"),
    (["train", "--lr", "nan"], "lr is out of range"),
    (["train", "--batch-size", "5000"], "larger than the data set"),
    (["train", "--objective", "wgan-gp", "--model", "dcgan-bn"], "depends on the whole batch"),
    (["train", "--objective", "wgan", "--clip", "0"], "clip is out of range"),
    (["train", "--objective", "lsgan", "--lam", "3"], "does not use lam"),
    (["train", "--init-from", "nowhere"], "no such checkpoint"),
    (["evaluate", "nowhere"], "no such checkpoint"),
    (["train", "--data", "ring", "--model", "dcgan"], "makes images only"),
    (["train", "--data", "mnist", "--data-dir", "nowhere"], "no such folder"),
    (["train", "--resume", "nowhere"], "no such checkpoint"),
    (["train", "--epochs", "1", "--steps", "2"], "give one of them"),
    (["sample", "nowhere", "--out", "x.png"], "no such checkpoint"),
    (["sample", "nowhere", "--out", "x.gif"], "must end in .png or .npz"),
    (["data", "cifar"], "mnist or fashion-mnist"),
])
def test_a_fault_is_one_clear_line_and_writes_nothing(arguments, message, capsys, tmp_path):
    assert main(arguments) == 1
    errors = capsys.readouterr().err
    assert message in errors and errors.count("\n") == 1
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("arguments", [["train", "--lr", "fast"], ["train", "--steps", "1.5"], ["sample"], ["fly"], []])
def test_arguments_that_cannot_be_parsed_are_one_line_and_exit_2(arguments, capsys):
    with pytest.raises(SystemExit) as exit:
        main(arguments)
    assert exit.value.code == 2
    errors = capsys.readouterr().err
    assert errors.startswith("minigan") and errors.count("\n") == 1


def test_an_unwritable_place_is_named(capsys, tmp_path):
    (tmp_path / "file").write_text("")
    assert main(["train", *QUICK, "--out", "file/run"]) == 1
    assert "file" in capsys.readouterr().err


def test_debug_shows_the_traceback():
    with pytest.raises(ValueError, match="unknown model"):
        main(["train", "--model", "vae", "--debug"])


def test_importing_minigan_does_not_import_matplotlib():
    code = "import sys, minigan; assert not [m for m in sys.modules if m.startswith(('matplotlib', 'tqdm', 'scipy'))]"
    subprocess.run([sys.executable, "-c", code], check=True)


def test_a_folder_of_images_is_trained_drawn_and_measured(pictures_of_ones_own, capsys):
    assert main(["train", "--data", str(pictures_of_ones_own), "--size", "8", "--width", "4", "--steps", "3"]) == 0
    assert "3 steps of 40," in capsys.readouterr().out
    assert main(["train", "--resume", "runs/001", "--steps", "4"]) == 0
    assert imread("runs/001/samples/step_000004.png").shape == (7 * (8 * 9 - 1), 7 * (8 * 9 - 1), 4)
    assert main(["sample", "runs/001", "--n", "5", "--out", "x.npz"]) == 0
    assert np.load("x.npz")["x"].shape == (5, 3, 8, 8)
    assert main(["evaluate", "runs/001", "--draws", "1"]) == 0
    assert "sliced Wasserstein distance" in capsys.readouterr().out


def test_epochs_of_a_folder_are_passes_over_its_images(pictures_of_ones_own):
    assert main(["train", "--data", str(pictures_of_ones_own), "--size", "4", "--model", "mlp", "--epochs", "3",
                 "--batch-size", "20"]) == 0
    assert Path("runs/001/log.csv").read_text().count("\n") == 1 + 6
