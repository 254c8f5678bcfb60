r"""A small classifier of images, which minigan trains itself: it says which class a generated image is, and its last
hidden layer gives the features for the Fréchet distance.

It takes the place that Inception-v3 has in FID, for grey images of 28 × 28 or 8 × 8. A Fréchet distance in its
features is therefore no FID, and depends on the classifier: two figures can be compared if they come from one
classifier, which is why it is trained once and kept in a file.
"""

import tempfile
from pathlib import Path

import numpy as np

from .. import checkpoint, data, nn
from ..backend import device_of, get_array_module, to_device, to_numpy
from ..data.checks import as_generator, whole_number
from ..errors import CheckpointError, ConfigError, DataError, ShapeError
from ..functional import log_softmax, mean
from ..optim import Adam
from ..tensor import Tensor, grad, no_grad
from .checks import as_array, as_labels, require_finite

__all__ = ["Classifier", "classes", "cross_entropy", "features", "load_classifier", "train_classifier"]

VERSION = 1  # of the network and its training; another one makes another file
# name: (shape of its images, epochs)
SETS = {"mnist": ((1, 28, 28), 5), "fashion-mnist": ((1, 28, 28), 8), "digits": ((1, 8, 8), 60)}
BATCH, LEARNING_RATE = 128, 2e-3
CHUNK = 500  # images at once when nothing is trained


class Classifier(nn.Module):
    """Two convolutions that halve the size, a layer of features, and one score (logit) for each class.

    (N, C, H, W) → (N, 16, H/2, W/2) → (N, 32, H/4, W/4) → features (N, 64) → (N, n_classes), leaky ReLU 0.2 between.
    Sides that are odd are rounded up: (1, 8, 8) has 32 · 2 · 2 numbers before the features, (1, 28, 28) has 32 · 7 · 7.

    rng      : the source of the initial weights (He's): a NumPy generator, a seed, or None
    accuracy : attribute, the share of right answers on test images that `load_classifier` measured, else None
    """

    def __init__(self, image_shape=(1, 28, 28), n_classes=10, rng=None):
        self.image_shape, self.n_classes, self.accuracy = tuple(image_shape), n_classes, None
        C, H, W = self.image_shape
        self.body = nn.Sequential(
            nn.Conv2d(C, 16, 5, 2, 2), nn.LeakyReLU(0.2),
            nn.Conv2d(16, 32, 5, 2, 2), nn.LeakyReLU(0.2),
            nn.Flatten(), nn.Linear(32 * -(-H // 4) * -(-W // 4), 64), nn.LeakyReLU(0.2),
        )
        self.head = nn.Linear(64, n_classes)
        nn.init.he_normal_(self, rng, slope=0.2)

    def forward(self, x):
        """(N, C, H, W) → (N, n_classes)"""
        return self.head(self.body(x))


def cross_entropy(a, y):
    r"""$L = -\frac1N \sum_i \log \mathrm{softmax}(a_i)_{y_i}$

    a : (N, K) scores (logits);  y : (N,) classes, integers, an array where a lives;  returns : () scalar
    """
    return -mean(log_softmax(a)[get_array_module(y).arange(len(y)), y])


def train_classifier(x, y, epochs, rng, progress=None):
    """Train a `Classifier` of the images x: an ordinary loop, with minigan's own layers, gradients and optimiser.

    Adam, minibatches of 128, a learning rate that falls from 2e-3 to 0 in a straight line, and images shifted by up to
    one pixel in each direction, each minibatch by its own shift: for MNIST that is worth some tenths of a per cent.

    x        : (N, C, H, W) floats in [−1, 1], N ≥ 1, where −1 is the background
    y        : (N,) classes from 0 to K − 1
    epochs   : passes over the data, a whole number ≥ 1
    rng      : a numpy Generator or an int seed, for the initial weights, the order and the shifts
    progress : called as progress(done, of) after each step, if given
    returns  : the `Classifier`, on x's device
    raises   : ShapeError, DataError, ConfigError for unfit data and arguments, before the first step
    """
    epochs, rng = whole_number(epochs, "epochs"), as_generator(rng)
    if np.ndim(x) != 4:
        raise ShapeError("not images", where="x", expected="(N, C, H, W)", got=np.shape(x))
    y = to_device(as_labels(y, "y"), device_of(x))
    batches = data.minibatches((x, y), min(BATCH, len(x)), rng)
    classifier = Classifier(x.shape[1:], int(y.max()) + 1, rng).to(device_of(x))
    theta = classifier.parameters()
    optimiser = Adam(theta, LEARNING_RATE, betas=(0.9, 0.999))
    steps = epochs * batches.batches_per_epoch
    for step in range(steps):
        x_batch, y_batch = next(batches)
        loss = cross_entropy(classifier(Tensor(_shifted(x_batch, rng))), y_batch)
        optimiser.lr = LEARNING_RATE * (1 - step / steps)
        optimiser.step(grad(loss, theta))
        if progress is not None:
            progress(step + 1, steps)
    return classifier


def _shifted(x, rng):
    """All images of a minibatch, moved by −1, 0 or 1 pixels down and across; −1, the background, comes in."""
    H, W = x.shape[2:]
    i, j = rng.integers(3, size=2)
    return get_array_module(x).pad(x, ((0, 0), (0, 0), (1, 1), (1, 1)), constant_values=-1)[:, :, i:i + H, j:j + W]


def load_classifier(name, data_dir=None, progress=None, cache=None, seed=0):
    """The classifier of a data set: from its file, or trained now (MNIST: about a minute) and kept in that file.

    name     : "mnist", "fashion-mnist" or "digits"
    data_dir : the folder with the data set's files, as for `data.load`; needed only where there is training to do
    progress : as in `train_classifier`
    cache    : the folder of the file, `classifier-NAME-vVERSION-seedSEED.npz`; the system's cache folder by default
    seed     : another one gives another, equally good classifier, to see how much a figure depends on it
    returns  : a `Classifier` on the CPU; its `accuracy` was measured on the test images (for `digits`, which has none,
               on a fifth of its 1,797 images that the training does not see)
    raises   : ConfigError for another name, DataError if data are missing or the folder cannot be written. A file that
               is damaged or another one's is trained anew
    """
    if name not in SETS:
        raise ConfigError("no data set of images with classes", where="name", expected=f"one of {', '.join(SETS)}",
                          got=repr(name))
    seed = whole_number(seed, "seed", least=0)
    path = _folder(cache) / f"classifier-{name}-v{VERSION}-seed{seed}.npz"
    key = {"data": name, "version": VERSION, "seed": seed}
    try:
        return _load(path, key)
    except CheckpointError:  # there is none, or it cannot be read
        _require_writable(path.parent)
        x, y, x_test, y_test = _train_and_test(name, data_dir)
        classifier = train_classifier(x, y, SETS[name][1], seed, progress)
        classifier.accuracy = float(np.mean(classes(classifier, x_test) == y_test))
        measured = {"accuracy": classifier.accuracy, "tested_on": len(y_test)}
        checkpoint.save(path, {"classifier": classifier.state_dict()}, key | measured)
        return classifier


def _folder(cache):
    if cache is None:
        import pooch  # only here: it costs 70 ms

        cache = pooch.os_cache("minigan")
    return Path(cache).expanduser()


def _load(path, key):
    """The classifier in the file; CheckpointError if it is not the one of that key, whole."""
    parts, meta = checkpoint.load(path)
    classifier = Classifier(SETS[key["data"]][0])
    found = {name: meta.get(name) for name in key}
    if found != key or type(meta.get("accuracy")) is not float or "classifier" not in parts:
        raise CheckpointError("not the classifier that its name says", where=str(path), expected=key, got=found)
    classifier.load_state_dict(parts["classifier"])
    classifier.accuracy = meta["accuracy"]
    return classifier


def _require_writable(folder):
    """Make the folder if need be. That nothing can be kept there is said here, before a minute of training."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        tempfile.TemporaryFile(dir=folder).close()
    except OSError as error:
        raise DataError(f"nothing can be kept there: {error.strerror}", where=folder,
                        fix="Name another folder with cache=") from error


def _train_and_test(name, data_dir):
    """x, y, x_test, y_test. A fifth of the digits is held out, always the same one, whatever the seed."""
    if name != "digits":
        return (*data.load(name, "train", data_dir, labels=True), *data.load(name, "test", data_dir, labels=True))
    x, y = data.load(name, labels=True)
    order = np.random.default_rng(0).permutation(len(x))
    train, test = order[len(x) // 5:], order[:len(x) // 5]
    return x[train], y[train], x[test], y[test]


def features(classifier, x):
    """What the classifier's last hidden layer makes of images: what `frechet_distance` is given.

    x       : (n, C, H, W) images in [−1, 1], arrays or a Tensor on any device
    returns : (n, 64) float64, in main memory
    raises  : ShapeError for images of another shape, DataError for NaN or infinity
    """
    return _apply(classifier, classifier.body, x).astype(np.float64)


def classes(classifier, x):
    """The class that the classifier finds likeliest for each image. Arguments and errors as in `features`.

    returns : (n,) int64. Something that is no digit at all gets a class too
    """
    return _apply(classifier, classifier, x).argmax(axis=1)


def _apply(classifier, network, x):
    """network(x), in chunks, as one NumPy array."""
    x = as_array(x, "x")
    if x.shape[1:] != classifier.image_shape or len(x) == 0:
        raise ShapeError("not images that this classifier knows", where="x", got=x.shape,
                         expected=f"(n, {', '.join(map(str, classifier.image_shape))}), n ≥ 1")
    require_finite(x, "x")
    theta = classifier.parameters()[0]
    with no_grad():
        return np.concatenate([
            to_numpy(network(Tensor(to_device(x[i:i + CHUNK].astype(theta.dtype), theta.device))).data)
            for i in range(0, len(x), CHUNK)
        ])
