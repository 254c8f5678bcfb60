"""Minibatches: every sample once an epoch, full minibatches only, and a state that gives the very next ones again."""

import itertools
import json

import numpy as np
import pytest

from minigan.backend import cuda_available, to_device, to_numpy
from minigan.data import Minibatches, minibatches
from minigan.errors import CheckpointError, ConfigError, DataError


def numbered(n):
    """Samples of which the first number is the index."""
    return np.arange(n * 6, dtype=np.float32).reshape(n, 1, 2, 3) / 6


def take(batches, count):
    return [batch.copy() for batch in itertools.islice(batches, count)]


def test_epoch_holds_each_sample_once():
    x = numbered(12)
    epoch = np.concatenate(take(minibatches(x, 3, 0), 4))
    assert not np.array_equal(epoch, x)
    np.testing.assert_array_equal(epoch[epoch[:, 0, 0, 0].argsort()], x)


def test_epochs_are_shuffled_anew():
    batches = minibatches(numbered(50), 50, 0)
    first, second = take(batches, 2)
    assert not np.array_equal(first, second)


def test_rest_of_an_epoch_is_dropped_and_minibatches_are_full():
    batches = minibatches(numbered(11), 4, 0)
    assert batches.batches_per_epoch == 2
    sizes, seen = [], set()
    for _ in range(20):
        epoch = np.concatenate(take(batches, 2))
        sizes.append(len(np.unique(epoch)) // 6)
        seen.update(epoch[:, 0, 0, 0].tolist())
    assert sizes == [8] * 20  # no sample twice within an epoch
    assert len(seen) == 11  # and none is left out for ever


def test_minibatch_of_the_whole_set():
    batches = minibatches(numbered(5), 5, 0)
    assert batches.batches_per_epoch == 1
    assert next(batches).shape == (5, 1, 2, 3)


def test_epoch_counts_complete_epochs():
    batches = minibatches(numbered(7), 2, 0)
    counts = []
    for _ in range(7):
        counts.append(batches.epoch)
        next(batches)
    assert counts == [0, 0, 0, 1, 1, 1, 2]


def test_seed_and_generator_give_the_same_minibatches():
    x = numbered(9)
    for a, b in zip(take(minibatches(x, 2, 5), 9), take(Minibatches(x, 2, np.random.default_rng(5)), 9), strict=True):
        np.testing.assert_array_equal(a, b)


def test_minibatch_is_a_copy_of_the_same_type():
    x = numbered(4)
    batch = next(minibatches(x, 2, 0))
    batch[:] = -1
    assert batch.dtype == np.float32
    np.testing.assert_array_equal(x, numbered(4))


def test_tuple_gives_the_same_rows_of_every_array():
    labels = np.arange(10)
    batches = minibatches((numbered(10), labels, labels * 0.5), 3, 0)
    for x, y, half in itertools.islice(batches, 7):
        assert y.dtype == labels.dtype
        np.testing.assert_array_equal(x[:, 0, 0, 0], y)
        np.testing.assert_array_equal(half, y * 0.5)


def test_tuple_of_one_array_gives_tuples_of_one():
    batch = next(minibatches((numbered(4),), 2, 0))
    assert isinstance(batch, tuple) and len(batch) == 1


# --- saving and resuming ---


@pytest.mark.parametrize("before", range(8))  # 0: before the first minibatch; 3 and 6: at the end of an epoch
def test_restored_state_gives_the_very_next_minibatches(before):
    x = numbered(10)
    batches = minibatches(x, 3, 1)
    take(batches, before)
    state = json.loads(json.dumps(batches.state_dict()))
    expected = take(batches, 8)

    resumed = minibatches(x, 3, 999)
    take(resumed, 5)
    resumed.load_state_dict(state)
    assert resumed.epoch == before // 3
    assert resumed.state_dict() == state
    for a, b in zip(take(resumed, 8), expected, strict=True):
        np.testing.assert_array_equal(a, b)
    assert resumed.state_dict() == batches.state_dict()


@pytest.mark.parametrize("bits", ["PCG64", "PCG64DXSM", "MT19937", "Philox", "SFC64"])
def test_state_of_every_kind_of_generator_can_be_saved(bits):
    def start(seed):
        return minibatches(numbered(10), 3, np.random.Generator(getattr(np.random, bits)(seed)))

    batches, resumed = start(0), start(1)
    take(batches, 4)
    resumed.load_state_dict(json.loads(json.dumps(batches.state_dict())))
    for a, b in zip(take(resumed, 4), take(batches, 4), strict=True):
        np.testing.assert_array_equal(a, b)


def test_saved_state_does_not_change_afterwards():
    batches = minibatches(numbered(10), 3, 0)
    state = batches.state_dict()
    text = json.dumps(state)
    take(batches, 7)
    assert json.dumps(state) == text
    state["rng"]["state"]["state"] = 0
    batches.load_state_dict(json.loads(text))
    assert json.dumps(batches.state_dict()) == text


GOOD = minibatches(numbered(10), 3, 0).state_dict()
BAD_STATES = {
    "no dict": (None, "not a state of minibatches"),
    "a key missing": ({k: v for k, v in GOOD.items() if k != "rng"}, "not a state of minibatches"),
    "a key too many": ({**GOOD, "more": 1}, "not a state of minibatches"),
    "other data": ({**GOOD, "samples": 11}, r"samples: .*expected 10, got 11"),
    "another minibatch size": ({**GOOD, "batch_size": 4}, r"batch_size: .*expected 3, got 4"),
    "position past the epoch": ({**GOOD, "position": 3}, r"position: .*from 0 to 2, got 3"),
    "negative position": ({**GOOD, "position": -1}, r"position: .*got -1"),
    "position of another type": ({**GOOD, "position": 1.0}, r"position: .*got 1\.0"),
    "negative epoch": ({**GOOD, "epoch": -1}, r"epoch: .*got -1"),
    "another generator": ({**GOOD, "rng": {"bit_generator": "MT19937"}}, "expected a state of PCG64, got 'MT19937'"),
    "random state missing": ({**GOOD, "rng": {"bit_generator": "PCG64"}}, "random state does not fit"),
    "random state of another type": ({**GOOD, "rng": 5}, "random state does not fit"),
    "random state out of range": ({**GOOD, "rng": {**GOOD["rng"], "state": {"state": -1, "inc": 1}}}, "does not fit"),
}


@pytest.mark.parametrize("bits, key, value", [("MT19937", "pos", None), ("MT19937", "key", [1]), ("Philox", "key", [])])
def test_random_state_that_is_wrong_in_one_part_changes_nothing(bits, key, value):
    # These generators take over what comes before the wrong part, and raise then.
    def start(seed):
        return minibatches(numbered(10), 3, np.random.Generator(getattr(np.random, bits)(seed)))

    batches, twin, state = start(0), start(0), start(1).state_dict()
    state["rng"]["state"][key] = value
    with pytest.raises(CheckpointError, match="random state does not fit"):
        batches.load_state_dict(state)
    for a, b in zip(take(batches, 5), take(twin, 5), strict=True):
        np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize("state, message", BAD_STATES.values(), ids=BAD_STATES)
def test_bad_state_is_refused_and_changes_nothing(state, message):
    batches, twin = (minibatches(numbered(10), 3, 0) for _ in range(2))
    take(batches, 2), take(twin, 2)
    with pytest.raises(CheckpointError, match=message):
        batches.load_state_dict(state)
    for a, b in zip(take(batches, 5), take(twin, 5), strict=True):
        np.testing.assert_array_equal(a, b)


# --- unfit data and arguments, said before the first minibatch ---


def spoilt(value, *samples):
    x = numbered(6)
    x[list(samples), 0, 1, 2] = value
    return x


X = numbered(6)
UNFIT = {
    "empty": (X[:0], 1, DataError, r"x: the data set is empty"),
    "larger minibatch": (X, 7, DataError, r"batch_size: a minibatch is larger .*expected at most 6, got 7"),
    "minibatch of none": (X, 0, ConfigError, r"batch_size: .*expected an int ≥ 1, got 0"),
    "negative minibatch": (X, -2, ConfigError, r"batch_size: .*got -2"),
    "fractional minibatch": (X, 2.0, ConfigError, r"batch_size: .*got 2\.0"),
    "true as minibatch": (X, True, ConfigError, r"batch_size: .*got True"),
    "NaN": (spoilt(np.nan, 3, 5), 2, DataError, r"x, sample 3: NaN or infinity .*2 of 6 samples"),
    "infinity": (spoilt(np.inf, 2), 2, DataError, r"x, sample 2: .*1 of 6 samples"),
    "minus infinity": (spoilt(-np.inf, 0), 2, DataError, r"x, sample 0: "),
    "NaN in the second array": ((X, spoilt(np.nan, 4)), 2, DataError, r"x\[1\], sample 4: "),
    "integers": (X.astype(np.uint8), 2, DataError, r"x: samples must be floating-point .*float32, got uint8\). Scale"),
    "integers as the first of two": ((X.astype(int), X), 2, DataError, r"x\[0\]: samples must be floating-point"),
    "complex": (X.astype(complex), 2, DataError, r"x: samples must be floating-point .*got complex128"),
    "words as labels": ((X, np.array(list("abcdef"))), 2, DataError, r"x\[1\]: not numbers"),
    "different lengths": ((X, np.arange(5)), 2, DataError, r"x\[1\]: .*differ in length \(expected 6 samples, got 5\)"),
    "list": ([1.0, 2.0], 1, DataError, r"x: not an array of samples .*got list"),
    "single number": (np.array(1.0), 1, DataError, r"x: not an array of samples .*got a single number"),
    "empty tuple": ((), 1, DataError, r"x: an empty tuple"),
}


@pytest.mark.parametrize("x, batch_size, kind, message", UNFIT.values(), ids=UNFIT)
def test_unfit_data_are_named_at_once(x, batch_size, kind, message):
    with pytest.raises(kind, match=message):
        minibatches(x, batch_size, 0)


def test_unfit_random_source_is_named():
    with pytest.raises(ConfigError, match="rng: not a source of random numbers"):
        minibatches(X, 2, "seed")


def test_unknown_device_is_named():
    with pytest.raises(ConfigError, match="unknown device"):
        minibatches(X, 2, 0, device="tpu")


@pytest.mark.gpu
def test_gpu_gives_the_same_minibatches_as_the_cpu():
    if not cuda_available():
        pytest.skip("needs CuPy and a GPU")
    x, y = numbered(10), np.arange(10)
    on_cpu = minibatches((x, y), 3, 0)
    for batches in (minibatches((x, y), 3, 0, device="cuda"),
                    minibatches((to_device(x, "cuda"), to_device(y, "cuda")), 3, 0)):
        on_cpu.load_state_dict(minibatches((x, y), 3, 0).state_dict())
        for _ in range(7):
            for a, b in zip(next(batches), next(on_cpu), strict=True):
                assert not isinstance(a, np.ndarray)
                np.testing.assert_array_equal(to_numpy(a), b)


@pytest.mark.gpu
def test_gpu_finds_the_unfit_sample():
    if not cuda_available():
        pytest.skip("needs CuPy and a GPU")
    with pytest.raises(DataError, match="sample 3"):
        minibatches(to_device(spoilt(np.nan, 3, 5), "cuda"), 2, 0)
