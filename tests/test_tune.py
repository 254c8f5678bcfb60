"""minigan tune: which settings are tried, how they are ranked, and that nothing is done twice."""

import json
import os
import shlex
import signal
import subprocess
import sys
import time
from itertools import islice, pairwise
from pathlib import Path

import joblib
import numpy as np
import pytest
from joblib.externals.loky.process_executor import TerminatedWorkerError
from matplotlib.figure import Figure
from matplotlib.image import imread
from threadpoolctl import threadpool_info

from minigan import plot, run, tune
from minigan.cli import main
from minigan.errors import ConfigError, DataError, DivergenceError, MiniganError
from minigan.evaluate import quality
from minigan.tune import Row, Table, trials
from minigan.tune.table import _draw

SMALL = {"data": "ring", "width": 8, "batch_size": 16, "steps": 5, "n": 50, "jobs": 1}
LRS = {"lr": [1e-4, 1e-3]}


@pytest.fixture(autouse=True)
def in_an_empty_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def pictures():
    """For tests that look at pictures: the others save the time to draw them."""


@pytest.fixture(autouse=True)
def no_pictures(request, monkeypatch):
    if "pictures" not in request.fixturenames:
        for name in ("save", "save_samples"):
            monkeypatch.setattr(plot, name, lambda path, *args, **options: Path(path).write_text("a picture"))


@pytest.fixture
def pretend(monkeypatch):
    """Trials that train nothing: `pretend(f)` makes f(config) their figure; the list has the configs of all of them."""
    played = []

    def pretend(f):
        def measured(config, n, path):
            played.append(config)
            return f(config)

        monkeypatch.setattr(trials, "_train_and_measure", measured)
        return played

    return pretend


def contents(folder):
    return {path: path.read_bytes() for path in Path(folder).rglob("*") if path.is_file()}


def tables(folder):
    return [(Path(folder) / name).read_bytes() for name in ("table.csv", "table.md")]


# --- which settings ---


@pytest.mark.parametrize(("name", "given", "message"), [
    ("lr", "-1", "lr is out of range"), ("lr", "fast", "not a value of lr (expected a number, got 'fast')"),
    ("lr", [], "no value"), ("n_d", "1.5", "expected a whole number"), ("n_d", 1.5, "expected a whole number"),
    ("beta1", "0.5..1", "beta1 is out of range"), ("lr", "0..1", "lr is out of range"),
    ("lr", "1e-2..1e-5", "from a lower to a higher"), ("lr", ["1e-3", "1e-5..1e-2"], "a range stands alone"),
    ("objective", "bce..lsgan", "a range stands alone"), ("objective", "wgann", "unknown objective (expected bce"),
    ("lam", "0", "lam is out of range"), ("clip", "-1..1", "clip is out of range"), ("model", "vae", "unknown model"),
    ("epochs", "3", "no option that can be searched (expected objective, optimizer"), ("width", "0", "out of range"),
])
def test_a_value_that_no_setting_could_have_is_refused_and_nothing_written(name, given, message, tmp_path):
    with pytest.raises(ConfigError) as error:
        tune.search(**SMALL | {name: given})
    assert message in str(error.value)
    assert not list(tmp_path.iterdir())


def test_a_range_without_trials_is_refused():
    with pytest.raises(ConfigError, match=r"lr: a range has no grid .*--trials N"):
        tune.search(**SMALL, lr="1e-5..1e-2")


@pytest.mark.parametrize("bad", [{"seeds": 0}, {"trials": 0}, {"seed": -1}, {"jobs": 0}, {"n": 1}, {"steps": 0}])
def test_numbers_out_of_range_are_refused_and_nothing_written(bad, tmp_path):
    with pytest.raises(ConfigError, match=f"{next(iter(bad))} is out of range"):
        tune.search(**SMALL | LRS | bad)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(("given", "tried"), [
    ({}, {(lr, o) for lr in (2e-4, 5e-4, 1e-3) for o in ("non-saturating", "lsgan")}),
    ({"objective": "hinge"}, {(lr, "hinge") for lr in (2e-4, 5e-4, 1e-3)}),
    ({"lr": 0.1, "objective": "hinge"}, {(0.1, "hinge")}),
])
def test_where_nothing_is_searched_rates_and_objectives_are(given, tried, pretend):
    played = pretend(lambda config: 1.0)
    tune.search(data="ring", n=50, jobs=1, seeds=1, **given)
    assert {(config.lr, config.objective) for config in played} == tried
    assert {config.steps for config in played} == {300}


# --- how they are ranked ---


def test_a_trial_is_measured_by_the_quality_of_its_network(tmp_path):
    table = tune.search("a", **SMALL, **LRS, seeds=2)
    for row in table.rows:
        for seed, value in enumerate(row.values):
            game = run.Run(run.configure(data="ring", width=8, batch_size=16, steps=5, seed=seed, **row.setting))
            list(islice(game.play(), 5))
            assert value == quality(game, 50)[1]


def test_the_command_it_gives_trains_the_very_network_of_the_best_setting():
    table = tune.search("a", **SMALL, objective=["lsgan", "wgan-gp"], lr=[1e-3, 1e-2], seeds=1)
    assert main([*shlex.split(table.command)[1:], "--out", "run"]) == 0
    assert quality(run.load("run"), 50)[1] == table.best.values[0]


def test_settings_are_ranked_by_the_mean_over_seeds(pretend):
    values = {(1e-4, 0): 1.0, (1e-4, 1): 5.0, (1e-3, 0): 2.0, (1e-3, 1): 3.0}  # the best single seed is not of the best
    pretend(lambda config: values[config.lr, config.seed])
    table = tune.search(**SMALL, **LRS, seeds=2)
    assert [row.setting["lr"] for row in table.rows] == [1e-3, 1e-4]
    assert [row.mean for row in table.rows] == [2.5, 3.0]
    np.testing.assert_allclose([row.std for row in table.rows], [np.std([2, 3], ddof=1), np.std([1, 5], ddof=1)])


def test_a_setting_that_failed_with_one_seed_comes_after_all_that_did_not(pretend):
    def value(config):
        if config.lr == 1e-4 and config.seed == 1:
            raise DivergenceError("the game has diverged", where="step 3")
        return config.lr

    pretend(value)
    table = tune.search(**SMALL, **LRS)
    assert [row.setting["lr"] for row in table.rows] == [1e-3, 1e-4]
    assert table.rows[1].values == (1e-4, 1e-4) and "diverged" in str(table)
    assert "no other setting" in table.verdict()


def test_real_divergence_is_a_row_with_its_reason_and_the_search_goes_on():
    table = tune.search(**SMALL, lr=[1e30, 1e-3], seeds=1)
    assert [row.setting["lr"] for row in table.rows] == [1e-3, 1e30]
    assert "the game has diverged" in table.rows[1].reasons[0] and not table.rows[1].values


def test_what_is_not_possible_is_a_row_with_its_reason():
    table = tune.search(**SMALL, model=["dcgan", "mlp"], lam=[1.0], objective=["bce", "r1"], seeds=1)
    assert tuple(table.rows[0].setting.values()) == ("r1", "mlp")
    reasons = {tuple(row.setting.values()): row.reasons for row in table.rows}
    assert "does not use lam" in reasons["bce", "mlp"][0]  # its configuration is refused
    assert "makes images only" in reasons["r1", "dcgan"][0]  # its network


def test_running_out_of_memory_is_a_row_that_is_tried_again(pretend):
    def value(config):
        if config.lr == 1e-4:
            raise MemoryError
        return 1.0

    played = pretend(value)
    table = tune.search("a", **SMALL, **LRS, seeds=1)
    assert table.rows[1].reasons == ("out of memory",)
    tune.search("a", **SMALL, **LRS, seeds=1)
    assert [config.lr for config in played] == [1e-4, 1e-3, 1e-4]


def test_if_nothing_is_possible_that_is_said_and_nothing_written(tmp_path):
    with pytest.raises(ConfigError, match="makes images only"):
        tune.search("a", **SMALL, model=["dcgan", "dcgan-bn"])
    assert not list(tmp_path.iterdir())


def test_missing_data_are_said_before_anything_is_written(tmp_path):
    with pytest.raises(DataError, match="no such folder"):
        tune.search("a", data="mnist", data_dir="nowhere", **LRS)
    assert not list(tmp_path.iterdir())


def table(*values, failed=0):
    rows = [Row({"lr": float(i)}, str(i), each) for i, each in enumerate(values)]
    rows += [Row({"lr": -1.0}, "failed", (), ("step 1: the game has diverged",))] * failed
    return Table("ring", "distance", 5, len(values[0]), {}, rows, 0.1)


@pytest.mark.parametrize(("values", "verdict"), [
    ([(1.0, 1.1, 0.9), (2.0, 2.1, 1.9)], "No. 1 is better than every other by more than chance"),
    ([(1.0, 1.1, 0.9), (1.0, 1.2, 1.1)], "No. 1 cannot be told apart from no. 2:"),
    ([(0.0, 1.0), (0.1, 1.2), (0.2, 1.2), (9.0, 9.1), (1, 9)], "No. 1 cannot be told apart from no. 2 to 4:"),
    ([(0.0, 0.1), (0.1, 0.2), (2.0, 2.1), (0.0, 9.0)], "No. 1 cannot be told apart from no. 2, 4:"),
    ([(0.0, 0.1), (0.1, 0.2), (0.1, 0.2), (2.0, 2.1)], "No. 1 cannot be told apart from no. 2, 3:"),
    ([(1.0,), (2.0,)], "One seed says nothing about the spread"),
    ([(1.0, 2.0)], "There is no other setting"),
])
def test_the_verdict_weighs_the_difference_against_the_spread(values, verdict):
    assert verdict in table(*values).verdict()


def test_equal_figures_cannot_be_told_apart():
    assert "cannot be told apart" in table((1.0, 1.0), (1.0, 1.0)).verdict()
    assert "cannot be told apart" not in table((1.0, 1.0), (1.5, 1.5)).verdict()


def test_the_verdict_is_welchs_test():
    ttest = pytest.importorskip("scipy.stats").ttest_ind
    rng, said = np.random.default_rng(0), []
    for _ in range(500):
        n, m = rng.integers(2, 12, 2)
        a, b = rng.normal(0, rng.uniform(0.1, 2), n), rng.normal(2, rng.uniform(0.1, 2), m)
        p = ttest(a, b, equal_var=False).pvalue
        if not 0.04 < p < 0.06:  # the quantile is interpolated
            said.append(p < 0.05)
            assert ("cannot be told apart" not in table(tuple(a), tuple(b)).verdict()) == said[-1], (a, b)
    assert 100 < sum(said) < len(said) - 100


def test_if_everything_fails_there_is_no_best():
    failed = Table("ring", "distance", 5, 1, {}, [Row({"lr": 1.0}, "a", (), ("step 1: diverged",))], 0.1)
    assert failed.best is None and "No setting was trained to its end" in str(failed)


def test_a_single_seed_has_no_spread_and_a_failed_setting_no_figures():
    first, second = table((1.0,), failed=1).cells()[1:]
    assert first[2:6] == ["1", "", "1", "1"] and second[2:6] == [""] * 4


def test_a_reason_is_what_is_wrong_without_advice_for_a_single_run(pretend):
    def diverge(config):
        if config.lr > 5e-4:
            raise DivergenceError("it has diverged", where="step 1", expected="numbers", got="nan", fix="Try less")
        return 1.0

    pretend(diverge)
    assert tune.search("a", **SMALL, **LRS, seeds=1).rows[1].reasons == ("step 1: it has diverged (got nan)",)


@pytest.mark.parametrize("rates", [(1.121e-5, 1.327e-5, 8.145e-4, 5.474e-3), (1e-4, 2e-4, 1e-3), (0.1, 0.11, 0.7)])
def test_the_numbers_under_the_picture_do_not_run_into_each_other(rates):
    figure = Figure(figsize=(12, 4), layout="constrained")
    axes = figure.subplots(1, 2)
    rows = [Row({"lr": rate}, str(rate), (1.0, 2.0)) for rate in rates]
    _draw(axes, Table("ring", "distance", 5, 2, {}, rows, 0.1), rows, ["lr"])
    figure.canvas.draw()
    boxes = [label.get_window_extent() for label in axes[1].get_xticklabels() if label.get_text()]
    assert all(a.x1 < b.x0 for a, b in pairwise(boxes))


def test_the_table_says_what_was_done_and_how_far_real_samples_are():
    said = str(table((1.0, 2.0), (3.0, 4.0)))
    for part in ("distance after training, smaller is better", "5 steps of G", "over 2 seeds", "have 0.1"):
        assert part in said


def test_the_files_have_the_table(pictures):
    outcome = tune.search("a", **SMALL, **LRS, seeds=2)
    rows = [line.split(",") for line in Path("a/table.csv").read_text().splitlines()]
    assert rows[0] == ["rank", "lr", "mean", "std", "min", "max", "seeds", "trials", "remark"]
    assert float(rows[1][2]) == outcome.best.mean and float(rows[1][1]) == outcome.best.setting["lr"]
    text = Path("a/table.md").read_text()
    assert outcome.verdict() in text and outcome.command in text
    assert imread("a/tuning.png").std() > 0.01
    assert Path("a/best.png").read_bytes() == Path(f"a/trials/{outcome.best.key}-seed0.png").read_bytes()


# --- nothing is done twice ---


def test_the_same_search_again_trains_nothing_and_gives_the_same_table(pretend):
    played = pretend(lambda config: config.lr + config.seed)
    first = tune.search("a", **SMALL, **LRS)
    before = tables("a")
    again = tune.search("a", **SMALL, **LRS)
    assert len(played) == 6 and again == first and tables("a") == before


def test_only_what_is_missing_is_done():
    tune.search("a", **SMALL, **LRS, seeds=2)
    before = contents("a")
    lost = sorted(Path("a/trials").glob("*.json"))[1]
    lost.unlink()
    done = []
    tune.resume("a", jobs=1, progress=lambda tables, done_before, total: done.extend(tables) or [])
    assert len(done) == 1
    forget = {path: data for path, data in contents("a").items() if path != lost}
    assert forget == {path: data for path, data in before.items() if path != lost}
    assert json.loads(lost.read_text())["value"] == json.loads(before[lost])["value"]


def test_every_half_written_or_altered_trial_is_done_again():
    tune.search("a", **SMALL, **LRS, seeds=1)
    path = next(Path("a/trials").glob("*.json"))
    whole = path.read_text()
    lr = json.loads(whole)["trial"]["lr"]
    config = run.configure(data="ring", width=8, batch_size=16, steps=5, lr=lr)
    assert trials.kept(path, config, 50)["value"] == json.loads(whole)["value"]
    for damaged in (*(whole[:k] for k in range(0, len(whole) - 2, 7)), "[]", "null", "\x00",
                    whole.replace('"n": 50', '"n": 51'), whole.replace('"seed": 0', '"seed": 1'),
                    whole.replace(str(json.loads(whole)["value"]), "NaN")):
        path.write_text(damaged)
        assert trials.kept(path, config, 50) is None, damaged


def test_seeds_and_trials_can_be_added(pretend):
    played = pretend(lambda config: config.lr + config.seed)
    tune.search("a", **SMALL, lr="1e-4..1e-1", trials=2, seeds=1)
    tune.search("a", **SMALL, lr="1e-4..1e-1", trials=3, seeds=2)
    assert len(played) == 6 == len(set(played))
    tune.resume("a", seeds=3, trials=4, jobs=1)
    assert len(played) == 12 == len(set(played))


@pytest.mark.parametrize(("other", "message"), [
    ({"steps": 6}, "(expected steps 5, got steps 6)"), ({"seeds": 1}, "(expected seeds 2, got seeds 1)"),
    ({"lr": [1e-4]}, "another search"), ({"objective": ["bce", "lsgan"]}, "another search"),
    ({"trials": 1}, "expected trials None"), ({"n": 60}, "expected n 50"), ({"data": "grid"}, "expected data ring"),
])
def test_another_search_in_the_folder_is_refused_and_changes_nothing(other, message, pretend):
    pretend(lambda config: 1.0)
    tune.search("a", **SMALL, **LRS, seeds=2)
    before = contents("a")
    with pytest.raises(ConfigError) as error:
        tune.search("a", **SMALL | LRS | {"seeds": 2} | other)
    assert message in str(error.value)
    assert contents("a") == before


def test_a_folder_of_something_else_is_refused_and_untouched(tmp_path):
    Path("a").mkdir()
    Path("a/thesis.txt").write_text("mine")
    with pytest.raises(ConfigError, match="something else of that name"):
        tune.search("a", **SMALL, **LRS)
    assert contents("a") == {Path("a/thesis.txt"): b"mine"}


@pytest.mark.parametrize("text", ["{", "[]", "{}", '{"options": {"lr": [0]}}', '{"options": {}, "colour": 3}'])
def test_a_search_that_cannot_be_read_is_one_clear_error(text):
    Path("a").mkdir()
    Path("a/search.json").write_text(text)
    with pytest.raises(ConfigError, match=r"search\.json: not a search that this version knows"):
        tune.resume("a")


def test_a_stopped_search_goes_on_to_the_same_table(pretend):
    def figure(config):
        if len(played) == 3 and not Path("stopped").exists():
            Path("stopped").touch()
            raise KeyboardInterrupt
        return config.lr + config.seed

    played = pretend(figure)
    with pytest.raises(tune.Stopped, match=r"2 of 4 trials done; to go on: minigan tune --resume a$") as stop:
        tune.search("a", **SMALL, **LRS, seeds=2)
    assert stop.value.code == 130
    assert "1 of 2" in Path("a/table.md").read_text()
    assert len(tune.resume("a", jobs=1).rows[0].values) == 2
    tune.search("b", **SMALL, **LRS, seeds=2)
    assert tables("a") == tables("b")


# --- processes ---


def test_figures_do_not_depend_on_how_many_trials_run_at_once():
    for jobs, folder in ((1, "one"), (2, "two")):
        tune.search(folder, **SMALL | {"jobs": jobs}, lr=[1e-3, 1e30], objective=["lsgan", "hinge"], seeds=2)
    assert tables("one") == tables("two")


def test_a_trial_computes_with_one_thread(pretend):
    threads = []
    pretend(lambda config: threads.append([pool["num_threads"] for pool in threadpool_info()]) or 1.0)
    tune.search(**SMALL, **LRS, seeds=1)
    assert threads and set(map(int, np.ravel(threads))) == {1}


def test_a_process_that_is_killed_is_one_clear_error(monkeypatch):
    def killed(*args, **options):
        raise TerminatedWorkerError

    monkeypatch.setattr(joblib, "Parallel", lambda **options: killed)
    with pytest.raises(MiniganError, match=r"was killed, perhaps for want of memory.*fewer --jobs"):
        tune.search(**SMALL, **LRS)


@pytest.mark.slow
@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_stops_at_once_and_says_how_to_go_on(number, code):
    command = [sys.executable, "-m", "minigan", "tune", "--data", "ring", "--width", "8", "--batch-size", "16",
               "--steps", "400", "--lr", *map(str, np.linspace(1e-4, 1e-3, 50)), "--jobs", "2", "--out", "a"]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True,
                               start_new_session=True)
    while process.poll() is None and not list(Path("a").glob("trials/*.json")):
        time.sleep(0.05)
    os.killpg(process.pid, number) if number == signal.SIGINT else os.kill(process.pid, number)  # as a terminal does
    errors = process.communicate(timeout=60)[1]
    assert process.returncode == code, errors
    assert errors.count("\n") == 1 and "to go on: minigan tune --resume a" in errors
    assert Path("a/table.md").is_file()


# --- the command line ---


QUICK = ["tune", "--data", "ring", "--width", "8", "--batch-size", "16", "--steps", "3", "--n", "50", "--jobs", "1"]


def test_the_command_says_its_size_first_and_ends_with_the_best(capsys):
    assert main([*QUICK, "--lr", "1e-4", "1e-3", "--objective", "bce", "lsgan", "--seeds", "2"]) == 0
    said = capsys.readouterr().out
    assert said.startswith("4 settings (2 objective × 2 lr) × 2 seeds = 8 trials of 3 steps")
    assert "Open tuning/001/tuning.png" in said
    assert said.splitlines()[-1].strip().startswith("minigan train --data ring --steps 3 --objective ")


def test_the_command_picks_at_random_from_ranges(capsys):
    assert main([*QUICK, "--lr", "1e-5..1e-2", "--n-d", "1..3", "--trials", "2", "--seeds", "1", "--out", "a"]) == 0
    assert main(["tune", "--resume", "a", "--trials", "3", "--jobs", "1"]) == 0
    assert "3 settings (at random, seed 0) × 1 seed = 3 trials of 3 steps, 2 of them done before" \
        in capsys.readouterr().out


@pytest.mark.parametrize(("arguments", "message"), [
    (["--lr", "-1", "1e-3"], "lr is out of range (expected a number > 0, got -1.0)"),
    (["--lr", "fast"], "not a value of lr"), (["--objective", "wgann"], "unknown objective"),
    (["--lr", "1e-5..1e-2"], "--trials N"), (["--seeds", "0"], "seeds is out of range"),
    (["--jobs", "0"], "jobs is out of range"), (["--data", "cifar"], "unknown data"),
    (["--resume", "nowhere"], "a resumed search keeps its own settings"), (["--steps", "0"], "steps is out of range"),
    (["--batch-size", "30000"], "larger than the data set"),
])
def test_a_fault_is_one_clear_line_and_writes_nothing(arguments, message, capsys, tmp_path):
    assert main([*QUICK, *arguments]) == 1
    errors = capsys.readouterr().err
    assert message in errors and errors.count("\n") == 1
    assert not list(tmp_path.iterdir())


def test_a_search_without_a_best_setting_names_no_picture_and_ends_with_1(pretend, capsys):
    def diverge(config):
        raise DivergenceError("it has diverged")

    pretend(diverge)
    assert main([*QUICK, "--lr", "1e-4", "1e-3", "--seeds", "1", "--jobs", "1"]) == 1
    said = capsys.readouterr().out
    assert "No setting was trained to its end" in said and "table.md" in said and ".png" not in said


def test_there_must_be_a_search_to_resume(capsys):
    assert main(["tune", "--resume", "nowhere"]) == 1
    assert "nowhere: there is no search" in capsys.readouterr().err


def test_a_folder_of_images_is_searched_by_its_absolute_path(pictures_of_ones_own, monkeypatch):
    monkeypatch.chdir(pictures_of_ones_own.parent)
    place = Path(pictures_of_ones_own.name)
    out = pictures_of_ones_own.with_name("search")
    given = {"size": 4, "model": "mlp", "width": 2, "steps": 2, "jobs": 1}
    table = tune.search(out, data=place, lr=[1e-4, 1e-3], seeds=1, **given)
    assert table.metric == "sliced Wasserstein distance" and len(table.rows) == 2
    assert f"--data {pictures_of_ones_own} --size 4" in table.command
    monkeypatch.chdir(out)
    assert len(tune.resume(out, seeds=2, jobs=1).rows[0].values) == 2


def test_the_size_of_a_folders_images_goes_to_every_trial(pictures_of_ones_own, pretend):
    played = pretend(lambda config: 1.0)
    assert main(["tune", "--data", str(pictures_of_ones_own), "--size", "8", "--lr", "1e-3", "1e-4", "--seeds", "1",
                 "--jobs", "1"]) == 0
    assert [(config.size, config.batch_size) for config in played] == [(8, 40)] * 2
