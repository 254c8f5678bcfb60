"""`evaluate`: what it measures, on which samples, beside which yardsticks, and what it writes."""

import json
import shutil
from functools import partial

import numpy as np
import pytest
from matplotlib.image import imread

from minigan import data, evaluate, metrics, run, yardsticks
from minigan.backend import random_streams
from minigan.cli import main
from minigan.errors import CheckpointError, ConfigError, DataError

SMALL = {"ring": {"data": "ring", "width": 8, "batch_size": 32},
         "wgan": {"data": "ring", "objective": "wgan", "width": 8},
         "labelled ring": {"data": "ring", "model": "conditional", "width": 8, "batch_size": 32},
         "sines": {"data": "sines", "width": 4, "batch_size": 8},
         "digits": {"model": "mlp", "width": 8}, "labelled digits": {"model": "conditional", "width": 4}}


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    """A short run of each kind, made when it is asked for."""
    made, place = {}, tmp_path_factory.mktemp("runs")

    def folder(kind):
        if kind not in made:
            made[kind] = run.train(run.configure(**SMALL[kind], latent_dim=2, steps=3), place / kind)
        return made[kind]

    return folder


@pytest.fixture(scope="module")
def cache(tmp_path_factory):
    return tmp_path_factory.mktemp("cache")


@pytest.fixture(autouse=True)
def no_file_of_the_users(cache, monkeypatch):
    """The classifier is trained quickly, and kept in a folder of the tests."""
    monkeypatch.setitem(metrics.classifier.SETS, "digits", ((1, 8, 8), 8))
    monkeypatch.setattr(metrics, "load_classifier", partial(metrics.load_classifier, cache=cache))


def figures(evaluation):
    return {figure.name: figure for figure in evaluation.figures}


def play_real(monkeypatch, x, y=None):
    """A perfect generator: it gives these samples, of the classes asked for if they have labels."""
    def generate(G, z, device, y=None):
        return x[:len(z)] if y is None else x[np.concatenate([np.flatnonzero(classes == k)[:np.sum(y == k)]
                                                              for k in np.unique(y)])]
    classes = y
    monkeypatch.setattr(evaluate, "generate", generate)


def test_points_are_measured_by_modes_quality_proportions_and_distance(folders):
    found = figures(evaluate.evaluate(folders("ring"), n=100, draws=2))
    r = run.load(folders("ring"))
    rng = random_streams(0, *run.STREAMS)["sampling"]
    draws = [run.generate(r.G, rng.standard_normal((100, 2), dtype=np.float32)) for _ in range(2)]
    reports = [metrics.mode_report(x, data.ring_modes(), 0.01) for x in draws]
    for name, values in (("modes covered", [m.modes_covered for m in reports]),
                         ("high quality", [m.high_quality for m in reports]),
                         ("reverse KL", [m.reverse_kl for m in reports])):
        assert (found[name].mean, found[name].std) == pytest.approx((np.mean(values), np.std(values, ddof=1)))
    assert found["perfect high quality"].mean == pytest.approx(0.98889, abs=1e-5)


def test_a_figure_that_is_infinite_has_no_spread_nor_has_a_single_draw():
    infinite = evaluate._figure("", "reverse KL", [np.inf] * 3)
    single = evaluate._figure("", "auc", [0.5])
    assert (infinite.mean, infinite.std, single.mean, single.std) == (np.inf, 0, 0.5, 0)


def test_points_of_the_data_score_as_real_against_real(folders, monkeypatch):
    play_real(monkeypatch, data.load("ring", n=2500, rng=7))
    found = figures(evaluate.evaluate(folders("ring"), draws=1))
    assert found["modes covered"].mean == 8
    assert abs(found["high quality"].mean - found["perfect high quality"].mean) < 0.01
    floor, one_point = found["real against real"].mean, found["one point, n times"].mean
    assert found["sliced Wasserstein distance"].mean < 3 * floor < one_point / 3


def test_a_wasserstein_critic_has_an_auc_alone(folders):
    found = evaluate.evaluate(folders("wgan"), n=50, draws=1)
    assert [figure.name for figure in found.figures if figure.group.startswith("D,")] == ["auc"]


def test_a_discriminator_has_all_of_document_003s_measures(folders):
    found = evaluate.evaluate(folders("ring"), n=50, draws=1)
    group = "D, telling real from generated (real where a > 0)"
    names = [figure.name for figure in found.figures if figure.group == group]
    assert names == ["accuracy", "precision", "recall", "f1", "auc"]


def test_d_is_measured_on_real_samples_that_training_has_not_seen(folders):
    config = run.load(folders("ring")).config
    seen = data.load("ring", rng=random_streams(config.seed, *run.STREAMS)["data"])
    held_out = yardsticks.yardstick(config, n=500)
    for x in (held_out.x, *held_out.others()[:2]):
        assert not (x[:, None] == seen[None, :5000]).all(2).any()


@pytest.mark.parametrize("name", ["ring", "grid"])
def test_real_against_real_is_what_a_perfect_generator_can_expect(name):
    """Of a single other set it may be twice that by chance."""
    real = yardsticks.yardstick(run.configure(data=name), n=500)
    floor = dict((what, values) for what, values, _ in real.scale())["real against real"]
    perfect = [real.measure(data.load(name, n=500, rng=seed))[real.quality] for seed in range(20)]
    assert np.mean(floor) == pytest.approx(np.mean(perfect), rel=0.2)


def test_sequences_are_measured_by_their_distance(folders):
    found = figures(evaluate.evaluate(folders("sines"), n=40, draws=2))
    assert found["sliced Wasserstein distance"].mean > found["real against real"].mean


class TestImages:
    def test_are_compared_in_the_features_of_the_classifier_with_floor_and_ceiling(self, folders):
        found = figures(evaluate.evaluate(folders("digits"), n=300, draws=2))
        trained, floor, collapsed = (found[name].mean for name in (
            "Fréchet distance", "real against real", "one image, n times"))
        assert 0 < floor < trained and floor < collapsed
        assert "no FID" in found["Fréchet distance"].beside

    def test_that_are_the_real_ones_score_zero_and_cover_every_class(self, folders, monkeypatch):
        play_real(monkeypatch, yardsticks.yardstick(run.load(folders("digits")).config).x)
        found = figures(evaluate.evaluate(folders("digits"), draws=1))
        assert found["Fréchet distance"].mean == pytest.approx(0, abs=1e-6)
        assert found["classes covered"].mean == 10 and found["effective classes"].mean > 9.9

    def test_that_are_all_one_score_like_the_collapsed_ones(self, folders, monkeypatch):
        real = yardsticks.yardstick(run.load(folders("digits")).config, n=300)
        play_real(monkeypatch, np.repeat(real.x[:1], 300, axis=0))
        found = figures(evaluate.evaluate(folders("digits"), n=300, draws=1))
        assert found["classes covered"].mean == 1 and found["effective classes"].mean == 1
        assert 0.3 < found["Fréchet distance"].mean / found["one image, n times"].mean < 3

    def test_of_the_embedded_digits_are_said_to_be_those_of_training(self, folders):
        assert "training has seen" in evaluate.evaluate(folders("digits"), n=50, draws=1).title


@pytest.mark.parametrize("kind", ["labelled digits", "labelled ring"])
def test_a_conditional_run_is_asked_for_every_class_and_told_how_often_it_obeyed(folders, monkeypatch, kind):
    x, y = data.load(run.load(folders(kind)).config.data, labels=True)
    play_real(monkeypatch, x, y)
    obeyed = figures(evaluate.evaluate(folders(kind), n=100, draws=1))["of the class asked for"].mean
    assert obeyed > (0.85 if kind == "labelled digits" else 0.999)


class TestWhatItLeaves:
    def test_the_figures_as_json_and_the_roc_curve_as_a_picture(self, folders):
        found = evaluate.evaluate(folders("ring"), n=50, draws=1)
        kept = json.loads((folders("ring") / "evaluation.json").read_text())
        assert [(f["name"], f["mean"]) for f in kept["figures"]] == [(f.name, f.mean) for f in found.figures]
        assert [f["code"] for f in kept["findings"]] == [f.code for f in found.findings]
        assert imread(folders("ring") / "roc.png").std() > 0.01

    def test_and_nothing_else_changed(self, folders):
        before = {p: p.read_bytes() for p in folders("ring").rglob("*")
                  if p.is_file() and p.stem not in ("evaluation", "roc")}
        evaluate.evaluate(folders("ring"), n=50, draws=1)
        assert all(p.read_bytes() == content for p, content in before.items())


@pytest.mark.parametrize("kind", ["digits", "ring", "sines", "wgan"])
def test_the_table_fits_a_terminal_of_120_columns(folders, kind):
    lines = str(evaluate.evaluate(folders(kind), n=50, draws=2)).splitlines()
    assert max(map(len, lines)) <= 120 and not any(line.endswith(" ") for line in lines)


def test_every_figure_of_d_says_what_it_is(folders):
    found = figures(evaluate.evaluate(folders("ring"), n=50, draws=1))
    assert all(found[name].beside for name in ("accuracy", "precision", "recall", "f1", "auc"))


def test_the_quality_is_one_of_the_figures(folders):
    name, value = evaluate.quality(run.load(folders("ring")), n=200)
    found = figures(evaluate.evaluate(folders("ring"), n=200, draws=3))[name]
    assert name == "sliced Wasserstein distance" and value == pytest.approx(found.mean, rel=0.2)


@pytest.mark.parametrize("options, message", [({"n": 1}, "n is out of range"), ({"draws": 0}, "draws is out of range")])
def test_numbers_out_of_range_are_refused(folders, options, message):
    with pytest.raises(ConfigError, match=message):
        evaluate.evaluate(folders("ring"), **options)


def test_of_few_images_a_figure_may_be_infinite_but_none_is_printed_as_nan(folders, monkeypatch):
    real = yardsticks.yardstick(run.load(folders("digits")).config)
    play_real(monkeypatch, np.stack([real.x[real.classes == k][0] for k in range(10)]))
    for n in (4, 10):
        found = evaluate.evaluate(folders("digits"), n=n, draws=2)
        assert "nan" not in str(found)
        kept = (folders("digits") / "evaluation.json").read_text()
        assert "Infinity" not in kept and json.loads(kept)  # which is no JSON
    with pytest.raises(ConfigError, match=r"n is out of range .expected a whole number ≥ 4"):
        evaluate.evaluate(folders("digits"), n=3)


@pytest.mark.parametrize("log", [None, "step,loss_d\n1,abc\n"])
def test_a_log_that_is_missing_or_damaged_is_one_clear_error_before_anything_is_measured(folders, tmp_path, log,
                                                                                         monkeypatch):
    copy = shutil.copytree(folders("ring"), tmp_path / "copy")
    (copy / "log.csv").unlink()
    if log is not None:
        (copy / "log.csv").write_text(log)
    monkeypatch.setattr(evaluate, "yardstick", None)
    with pytest.raises(DataError, match="log"):
        evaluate.evaluate(copy, n=50)


@pytest.mark.parametrize("kind, n", [("digits", 3), ("digits", 0), ("ring", 1)])
def test_too_few_samples_are_refused_before_a_classifier_is_trained(folders, monkeypatch, kind, n):
    monkeypatch.setattr(metrics, "load_classifier", None)
    with pytest.raises(ConfigError, match="n is out of range"):
        evaluate.evaluate(folders(kind), n=n)


def test_the_noise_is_none_that_training_has_used(folders, monkeypatch):
    used, asked = random_streams(0, *run.STREAMS), []
    seen = {name: used[name].standard_normal(1000, dtype=np.float32) for name in run.STREAMS if name != "sampling"}

    def generate(G, z, *more, **options):
        asked.append(z)
        return run.generate(G, z, *more, **options)

    monkeypatch.setattr(evaluate, "generate", generate)
    evaluate.evaluate(folders("ring"), n=50)
    evaluate.quality(run.load(folders("ring")), n=50)
    for name, numbers in seen.items():
        assert not np.isin(np.concatenate(asked[:5]), numbers).any(), name
        assert not np.isin(asked[5], numbers).any(), name


def test_a_draw_is_what_sample_draws(folders, monkeypatch):
    found = []
    monkeypatch.setattr(evaluate, "generate", lambda *a, **k: found.append(run.generate(*a, **k)) or found[-1])
    evaluate.quality(run.load(folders("ring")), n=50, seed=3)
    np.testing.assert_array_equal(found[0], run.sample(folders("ring"), 50, seed=3))


def test_what_is_no_run_is_refused(tmp_path):
    with pytest.raises(CheckpointError, match="no such checkpoint"):
        evaluate.evaluate(tmp_path)


@pytest.mark.parametrize("text", [None, "", "a,b\n1,2\n", "step,loss_d\n1,x\n", "\0\udcff"])
def test_a_log_that_is_missing_or_damaged_is_said_before_anything_is_measured(folders, tmp_path, monkeypatch, text):
    folder = shutil.copytree(folders("ring"), tmp_path / "a")
    (folder / "log.csv").unlink()
    if text is not None:
        (folder / "log.csv").write_bytes(text.encode(errors="surrogateescape"))
    monkeypatch.setattr(evaluate, "yardstick", None)
    with pytest.raises(DataError, match=r"log\.csv: not a (readable )?log"):
        evaluate.evaluate(folder)


def test_a_folder_that_cannot_be_written_is_said_before_anything_is_measured(folders, monkeypatch):
    monkeypatch.setattr(evaluate.os, "access", lambda path, mode: False)
    monkeypatch.setattr(evaluate, "yardstick", None)
    with pytest.raises(ConfigError, match="nothing can be written there"):
        evaluate.evaluate(folders("ring"))


def test_the_command_prints_the_table_and_the_diagnosis(folders, capsys):
    assert main(["evaluate", str(folders("digits")), "--n", "60", "--draws", "2"]) == 0
    out = capsys.readouterr().out
    for part in ("Fréchet distance", "real against real", "one image, n times", "auc", "Is it converging?", "roc.png"):
        assert part in out


# --- a folder of images ---


@pytest.fixture(scope="module")
def own(pictures_of_ones_own, tmp_path_factory):
    """Short runs on it, without labels and with."""
    options = {"data": pictures_of_ones_own, "size": 8, "width": 4, "latent_dim": 2, "steps": 3}
    place = tmp_path_factory.mktemp("own")
    return {model: run.train(run.configure(**options, model=model), place / model) for model in ("mlp", "conditional")}


@pytest.mark.parametrize("model", ["mlp", "conditional"])
def test_images_of_ones_own_are_measured_by_their_pixels_without_a_classifier(own, monkeypatch, model):
    monkeypatch.setattr(metrics, "load_classifier", None)
    found = evaluate.evaluate(own[model], draws=2)
    names = [f.name for f in found.figures if not f.group.startswith("D,")]
    assert names == ["sliced Wasserstein distance", "real against real", "one image, n times"]
    assert "2 draws of 40 samples" in found.title and "training has seen the real ones" in found.title
    lines = str(found).splitlines()
    assert max(map(len, lines)) <= 120


def test_images_of_ones_own_lie_between_real_and_collapsed(own, monkeypatch):
    real = yardsticks.yardstick(run.load(own["mlp"]).config)
    (_, floor, _), (_, (collapsed,), _) = real.scale()
    play_real(monkeypatch, real.x[20:])
    distance = figures(evaluate.evaluate(own["mlp"], n=20, draws=1))["sliced Wasserstein distance"].mean
    assert distance < 2 * np.mean(floor) < collapsed
    assert real.measure(real.x)["sliced Wasserstein distance"] == 0
    assert len(floor) == 10 and min(floor) > 0


def test_g_is_asked_for_the_classes_as_often_as_they_are_in_the_folder(own, monkeypatch):
    asked = []

    def generate(G, z, device, y=None):
        asked.append(y)
        return run.generate(G, z, device, y=y)

    monkeypatch.setattr(evaluate, "generate", generate)
    evaluate.evaluate(own["conditional"], draws=1)
    evaluate.quality(run.load(own["conditional"]))
    assert [np.bincount(y).tolist() for y in asked] == [[24, 16]] * 2
