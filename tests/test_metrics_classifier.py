"""The classifier behind the features: its loss, its training, its file, and what it says of images."""

import os

import numpy as np
import pytest
import scipy.special
from numpy.testing import assert_allclose, assert_array_equal

from minigan import Tensor, data, gradcheck, metrics
from minigan.errors import ConfigError, DataError, ShapeError
from minigan.metrics import (
    Classifier,
    class_coverage,
    classes,
    classifier,
    cross_entropy,
    features,
    frechet_collapsed,
    frechet_distance,
    frechet_floor,
    load_classifier,
    train_classifier,
)

X, Y = data.load("digits", labels=True)
A = np.random.default_rng(0).normal(0, 3, (5, 4))
CLASSES = np.array([3, 0, 0, 2, 1])


class TestCrossEntropy:
    def test_it_is_the_mean_of_minus_log_softmax(self):
        expected = -np.mean(scipy.special.log_softmax(A, axis=1)[range(5), CLASSES])
        assert_allclose(float(cross_entropy(Tensor(A), CLASSES)), expected, rtol=1e-12)

    def test_its_gradient_is_softmax_minus_one_at_the_class(self):
        a = Tensor(A)
        cross_entropy(a, CLASSES).backward()
        assert_allclose(a.grad.data, (scipy.special.softmax(A, axis=1) - np.eye(4)[CLASSES]) / 5, rtol=1e-12)

    def test_its_derivatives_are_right_to_second_order(self):
        assert gradcheck(lambda a: cross_entropy(a, CLASSES), [Tensor(A)], order=2)

    def test_huge_scores_do_not_overflow(self):
        assert float(cross_entropy(Tensor(np.array([[1e4, -1e4]])), np.array([1]))) == 2e4


class TestNetwork:
    @pytest.mark.parametrize("shape", [(1, 8, 8), (1, 28, 28), (3, 5, 10)])
    def test_64_features_and_a_score_for_each_class(self, shape):
        x = np.zeros((2, *shape), np.float32)
        network = Classifier(shape, 7, rng=0)
        assert features(network, x).shape == (2, 64)
        assert network(Tensor(x)).shape == (2, 7)

    def test_the_scores_are_linear_in_the_features(self):
        network = Classifier((1, 8, 8), rng=0)
        f, x = features(network, X[:5]), Tensor(X[:5])
        assert_allclose(network(x).data, f @ network.head.weight.data.T + network.head.bias.data, rtol=1e-5, atol=1e-5)
        assert_array_equal(classes(network, X[:5]), network(x).data.argmax(1))


@pytest.fixture(scope="module")
def trained():
    """Ten passes over the first 1,400 digits, a second."""
    calls = []
    network = train_classifier(X[:1400], Y[:1400], epochs=10, rng=0, progress=lambda *step: calls.append(step))
    return network, calls


class TestTraining:
    def test_it_learns_to_tell_digits_apart(self, trained):
        assert np.mean(classes(trained[0], X[1400:]) == Y[1400:]) > 0.75

    def test_progress_is_told_after_each_step(self, trained):
        assert trained[1] == [(i, 100) for i in range(1, 101)]  # 10 epochs of ⌊1400/128⌋ minibatches

    def test_the_same_seed_gives_the_same_classifier_and_another_one_another(self):
        first, again, other = (train_classifier(X[:200], Y[:200], 1, seed).state_dict() for seed in (0, 0, 1))
        assert all(np.array_equal(first[name], again[name]) for name in first)
        assert not any(np.array_equal(first[name], other[name]) for name in first)

    def test_it_runs_on_either_device(self, device_xp):
        network = train_classifier(device_xp.asarray(X[:130]), device_xp.asarray(Y[:130]), 1, rng=0)
        expected = train_classifier(X[:130], Y[:130], 1, rng=0)
        assert_allclose(features(network, device_xp.asarray(X[:9])), features(expected, X[:9]), rtol=1e-4, atol=1e-5)

    def test_images_are_shifted_by_a_pixel_at_most_and_background_comes_in(self):
        x = np.random.default_rng(0).uniform(-1, 1, (2, 1, 4, 5)).astype(np.float32)
        rng, seen = np.random.default_rng(1), set()
        for _ in range(100):
            shifted = classifier._shifted(x, rng)
            i, j = next((i, j) for i in (-1, 0, 1) for j in (-1, 0, 1)
                        if np.array_equal(shifted[:, :, 1:-1, 1:-1], np.roll(x, (i, j), (2, 3))[:, :, 1:-1, 1:-1]))
            assert shifted.shape == x.shape and (shifted == -1).sum() == x.size - 2 * (4 - abs(i)) * (5 - abs(j))
            seen.add((i, j))
        assert len(seen) == 9

    def test_unfit_data_and_arguments_are_named(self):
        with pytest.raises(ShapeError, match="x: not images"):
            train_classifier(X[:, 0], Y, 1, 0)
        with pytest.raises(ShapeError, match="y: not an array of classes"):
            train_classifier(X, Y.astype(float), 1, 0)
        with pytest.raises(DataError, match="differ in length"):
            train_classifier(X, Y[:-1], 1, 0)
        with pytest.raises(ConfigError, match="epochs"):
            train_classifier(X, Y, 0, 0)


@pytest.fixture
def quick(monkeypatch):
    """Training of the embedded digits, cut short; the list of the images that were trained on."""
    seen = []

    def train(x, y, epochs, rng, progress):
        seen.append((x, y))
        return train_classifier(x[:256], y[:256], 1, rng, progress)

    monkeypatch.setattr(classifier, "train_classifier", train)
    return seen


class TestFile:
    def test_it_is_trained_once_and_read_from_then_on(self, quick, tmp_path):
        first, again = (load_classifier("digits", cache=tmp_path / "new" / "folder") for _ in range(2))
        assert len(quick) == 1
        assert os.listdir(tmp_path / "new" / "folder") == ["classifier-digits-v1-seed0.npz"]
        assert_array_equal(features(first, X), features(again, X))
        assert first.accuracy == again.accuracy

    def test_its_accuracy_is_measured_on_a_fifth_that_training_did_not_see(self, quick, tmp_path):
        network = load_classifier("digits", cache=tmp_path)
        seen = {x.tobytes() for x in quick[0][0]}
        held_out = [i for i in range(len(X)) if X[i].tobytes() not in seen]
        assert (len(quick[0][0]), len(held_out)) == (1438, 359)
        assert network.accuracy == np.mean(classes(network, X[held_out]) == Y[held_out])

    def test_seeds_have_files_of_their_own_and_hold_out_the_same_images(self, quick, tmp_path):
        one, two = (load_classifier("digits", cache=tmp_path, seed=seed) for seed in (0, 1))
        assert len(os.listdir(tmp_path)) == len(quick) == 2
        assert_array_equal(quick[0][0], quick[1][0])
        assert not np.array_equal(features(one, X[:2]), features(two, X[:2]))

    @pytest.mark.parametrize("damage", [
        lambda content: b"", lambda content: content[:-100], lambda content: b"\x80\x04N.",
        lambda content: content[:5000] + bytes([content[5000] ^ 1]) + content[5001:],
    ], ids=["empty", "truncated", "pickle", "a bit"])
    def test_a_damaged_file_is_trained_again(self, quick, tmp_path, damage):
        expected = features(load_classifier("digits", cache=tmp_path), X[:5])
        path = tmp_path / "classifier-digits-v1-seed0.npz"
        path.write_bytes(damage(path.read_bytes()))
        assert_array_equal(features(load_classifier("digits", cache=tmp_path), X[:5]), expected)
        load_classifier("digits", cache=tmp_path)
        assert len(quick) == 2

    def test_the_file_of_another_classifier_is_not_taken_for_this_one(self, quick, tmp_path):
        load_classifier("digits", cache=tmp_path)
        (tmp_path / "classifier-digits-v1-seed0.npz").rename(tmp_path / "classifier-digits-v1-seed1.npz")
        load_classifier("digits", cache=tmp_path, seed=1)
        assert len(quick) == 2

    def test_the_system_has_a_folder_for_it(self, quick, tmp_path, monkeypatch):
        monkeypatch.setattr("pooch.os_cache", lambda project: tmp_path / project)
        load_classifier("digits")
        assert (tmp_path / "minigan" / "classifier-digits-v1-seed0.npz").is_file()

    def test_a_folder_that_cannot_be_is_named_before_training(self, quick, tmp_path):
        (tmp_path / "file").write_text("")
        with pytest.raises(DataError, match="nothing can be kept there"):
            load_classifier("digits", cache=tmp_path / "file")
        assert not quick

    def test_unknown_names_are_refused(self, tmp_path):
        with pytest.raises(ConfigError, match="one of mnist, fashion-mnist, digits"):
            load_classifier("ring", cache=tmp_path)
        with pytest.raises(ConfigError, match="seed"):
            load_classifier("digits", cache=tmp_path, seed=None)


class TestWhatItSays:
    def test_features_and_classes_are_of_main_memory_and_do_not_depend_on_the_chunks(self, trained, monkeypatch):
        f, c = features(trained[0], X), classes(trained[0], X)
        assert (f.dtype, c.dtype, c.shape) == (np.float64, np.int64, (1797,))
        monkeypatch.setattr(classifier, "CHUNK", 7)
        assert_allclose(features(trained[0], X[:30]), f[:30], rtol=1e-4, atol=1e-5)
        assert_array_equal(classes(trained[0], X[:30]), c[:30])

    def test_images_may_be_tensors_of_any_device_and_type(self, trained, device_xp):
        f = features(trained[0], X[:5])
        assert_array_equal(features(trained[0], Tensor(device_xp.asarray(X[:5]))), f)
        assert_array_equal(features(trained[0], X[:5].astype(np.float64)), f)

    def test_other_images_are_refused(self, trained):
        for bad in (X[:, :, 1:], X[0], X[:0]):
            with pytest.raises(ShapeError, match=r"x: not images .*expected \(n, 1, 8, 8\)"):
                features(trained[0], bad)

    def test_nan_is_no_digit(self, trained):
        x = X[:4].copy()
        x[2, 0, 3, 3] = np.nan
        with pytest.raises(DataError, match="x, sample 2: NaN or infinity"):
            classes(trained[0], x)

    def test_worse_images_are_farther(self, trained):
        """Real against real, with noise, with more of it, and one image only."""
        rng = np.random.default_rng(0)
        real, other = X[:898], X[898:1796]
        f = features(trained[0], real)
        noisy = [np.clip(other + s * rng.standard_normal(X[:898].shape), -1, 1) for s in (0, 0.3, 0.6)]
        distances = [frechet_distance(f, features(trained[0], x)) for x in noisy] + [frechet_collapsed(f)]
        assert distances == sorted(distances)
        assert distances[0] < 0.2 * distances[-1]

    def test_a_generator_of_one_class_is_found_out(self, trained):
        report = class_coverage(classes(trained[0], X[Y == 1]), classes(trained[0], X))
        assert report.effective_classes < 3 < 9.5 < class_coverage(classes(trained[0], X), Y).effective_classes


@pytest.mark.slow
def test_mnist_is_told_apart_to_985_in_1000_and_real_images_are_near_each_other(tmp_path):
    try:
        x, y = data.load("mnist", "test", labels=True)
    except DataError:
        pytest.skip("MNIST is not here: name its folder in MINIGAN_DATA")
    network = metrics.load_classifier("mnist", cache=tmp_path)
    assert network.accuracy == np.mean(classes(network, x) == y) >= 0.985
    f, f_train = features(network, x), features(network, data.load("mnist")[:20_000])
    assert frechet_floor(f_train, f, 10_000, repeats=1) < 0.01 * frechet_collapsed(f)
