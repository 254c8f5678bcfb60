"""Sine waves: amplitude, frequency, phase and noise are distributed as the formula says."""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy import stats

from minigan.data import load, sines
from minigan.data.sequences import AMPLITUDES, FREQUENCIES
from minigan.errors import ConfigError


@pytest.fixture(scope="module")
def fitted():
    """Amplitude, frequency and phase of 300 sequences without noise: x[t+1] + x[t−1] = 2 cos(2πf/L) x[t] for each."""
    x, t, found = sines(300, 0, length=48, noise=0)[:, :, 0].astype(np.float64), np.arange(48) / 48, []
    for row in x:
        omega = 48 * np.arccos(row[1:-1] @ (row[2:] + row[:-2]) / (2 * row[1:-1] @ row[1:-1]))
        basis = np.stack([np.sin(omega * t), np.cos(omega * t)], axis=1)
        (s, c), *_ = np.linalg.lstsq(basis, row)
        assert_allclose(basis @ (s, c), row, atol=1e-4)
        found.append((np.hypot(s, c), omega / (2 * np.pi), np.arctan2(c, s) % (2 * np.pi)))
    return np.transpose(found)


def test_every_sequence_is_a_sine_wave_of_its_own_amplitude_frequency_and_phase(fitted):
    for values, (low, high) in zip(fitted, (AMPLITUDES, FREQUENCIES, (0, 2 * np.pi)), strict=True):
        assert low - 1e-3 < values.min() and values.max() < high + 1e-3
        assert stats.kstest(values, stats.uniform(low, high - low).cdf).pvalue > 1e-3


def test_amplitude_frequency_and_phase_are_independent(fitted):
    assert np.abs(np.corrcoef(fitted) - np.eye(3)).max() < 5 / np.sqrt(300)


def test_noise_is_gaussian_of_the_given_deviation_on_the_same_wave():
    noise = sines(500, 3, noise=0.2) - sines(500, 3, noise=0)
    assert stats.kstest(noise.ravel() / 0.2, stats.norm.cdf).pvalue > 1e-3
    assert np.abs(np.corrcoef(noise[:, :, 0].T) - np.eye(24)).max() < 5 / np.sqrt(500)


def test_sequences_have_one_channel_and_lie_about_between_minus_one_and_one():
    x = sines(2000, 0)
    assert (x.shape, x.dtype) == ((2000, 24, 1), np.float32)
    assert 0.9 < np.abs(x).max() < 1.2


def test_the_seed_decides():
    assert_array_equal(sines(10, 3), sines(10, np.random.default_rng(3)))
    assert not np.array_equal(sines(10, 3), sines(10, 4))


def test_load_gives_the_default_sines():
    assert_array_equal(load("sines", n=50), sines(50, 0))
    assert load("sines").shape == (20_000, 24, 1)


def test_test_sequences_are_not_the_training_sequences():
    train, test = load("sines", n=20, rng=1), load("sines", "test", n=20, rng=1)
    assert not np.isclose(train, test).all(axis=(1, 2)).any()
    assert_allclose(test, load("sines", "test", n=20, rng=1))


def test_there_are_no_labels():
    with pytest.raises(ConfigError, match=r"data 'sines': the data have no labels.*mnist"):
        load("sines", labels=True)


@pytest.mark.parametrize("arguments, where", [
    ({"n": 0}, "n"), ({"length": 0}, "length"), ({"length": 2.5}, "length"), ({"noise": -1}, "noise"),
    ({"noise": np.nan}, "noise"), ({"rng": -1}, "rng"),
])
def test_an_argument_outside_its_range_is_named(arguments, where):
    with pytest.raises(ConfigError) as error:
        sines(**{"n": 5, "rng": 0} | arguments)
    assert error.value.where == where
