"""Which settings a search tries: lists, ranges, random picks."""

import numpy as np
import pytest

from minigan.tune.axes import Range, axis, pick


def test_without_trials_every_combination_is_tried_once():
    assert pick({"lr": [1, 2], "n_d": [3, 4]}) == [dict(lr=i, n_d=j) for i in (1, 2) for j in (3, 4)]


def test_the_same_seed_picks_the_same_settings_and_another_one_others():
    axes = {"lr": axis("lr", "1e-5..1e-1"), "objective": ["bce", "lsgan"]}
    assert pick(axes, 8, seed=3) == pick(axes, 8, seed=3) != pick(axes, 8, seed=4)


def test_more_trials_add_to_the_ones_that_were_picked():
    axes = {"lr": axis("lr", "1e-5..1e-1"), "n_d": [1, 2, 3]}
    assert pick(axes, 20)[:7] == pick(axes, 7)


def test_picks_from_lists_are_different_settings_of_the_grid():
    axes = {"lr": [1, 2, 3], "n_d": [1, 2, 3]}
    picked = pick(axes, 8)
    assert len(picked) == 8 and len({tuple(setting.values()) for setting in picked}) == 8
    assert picked != pick(axes)[:8]


@pytest.mark.parametrize(("axes", "number"), [({"lr": [1, 2], "n_d": [1, 2]}, 4), ({"n_d": Range("n_d", 2, 6)}, 5)])
def test_more_trials_than_there_are_settings_try_each_once(axes, number):
    assert len({tuple(setting.values()) for setting in pick(axes, 100)}) == number == len(pick(axes, 100))


@pytest.mark.parametrize("name", ["lr", "lr_d", "lam", "clip"])
def test_rates_and_weights_are_drawn_log_uniformly(name):
    draws = [setting[name] for setting in pick({name: axis(name, "1e-5..1e-1")}, 2000)]
    assert min(draws) >= 1e-5 and max(draws) <= 1e-1
    np.testing.assert_allclose(np.quantile(np.log10(draws), [0.1, 0.5, 0.9]), [-4.6, -3, -1.4], atol=0.2)


@pytest.mark.parametrize("name", ["beta1", "beta2"])
def test_betas_are_drawn_uniformly(name):
    draws = [setting[name] for setting in pick({name: axis(name, "0.1..0.9")}, 2000)]
    np.testing.assert_allclose(np.quantile(draws, [0.1, 0.5, 0.9]), [0.18, 0.5, 0.82], atol=0.04)


@pytest.mark.parametrize("name", ["batch_size", "n_d", "latent_dim", "width", "depth"])
def test_the_others_are_drawn_as_whole_numbers_with_both_ends(name):
    rng, values = np.random.default_rng(0), axis(name, "2..5")
    counts = np.bincount([values.draw(rng) for _ in range(2000)])
    assert counts.shape == (6,) and counts[:2].sum() == 0 and counts[2:].min() > 400


def test_a_drawn_rate_can_be_typed():
    value = pick({"lr": axis("lr", "1e-5..1e-1")}, 1)[0]["lr"]
    assert len(f"{value:.15g}".lstrip("0.").replace(".", "")) <= 8 and float(f"{value:.4g}") == value


def test_text_and_numbers_mean_the_same_and_a_value_is_tried_once():
    assert axis("lr", ["1e-3", 0.001, 2]) == [0.001, 2.0]
    assert axis("n_d", ["1", 1.0, 2]) == [1, 2]
