"""What samples of G are measured by: real samples, held out where they can be, and the figures that fit their kind."""

import numpy as np

from . import data, metrics
from .errors import ConfigError

__all__ = ["yardstick"]

OTHERS = 10  # how often real is compared with real: a single distance may be twice as large by chance
MIXTURES = {"ring": (data.ring_modes, 0.01), "grid": (data.grid_modes, 0.05)}  # centres and σ of `data.load`'s


def yardstick(config, conditional=False, n=None, progress=None):
    """The yardstick of a run's data: `Images`, a `Folder` of images, a `Mixture` of points, or plain `Samples`.

    config      : the run's `Config`, which says which data;  conditional : with labels
    n           : how many held-out samples; by default what is usual for the kind, at most as many as there are
    progress    : as for `metrics.train_classifier`, which trains the classifier of images once
    """
    kind = (Images if config.data in metrics.classifier.SETS else Mixture if config.data in MIXTURES
            else Folder if data.as_folder(config.data) else Samples)
    return kind(config, conditional, n, progress)


class Samples:
    """Held-out real samples, and the distance to them.

    x, y    : (n, …), and their labels (n,) in a conditional game, else None
    quality : the name of the figure that ranks runs
    beside  : what to say beside a figure;  remark : about the samples
    """

    quality = "sliced Wasserstein distance"
    beside, remark = {}, ""
    usual, least = 2_500, 2

    def __init__(self, config, conditional, n, progress):
        n = self.usual if n is None else n
        if not isinstance(n, int) or n < self.least:
            raise ConfigError("n is out of range", expected=f"a whole number ≥ {self.least}", got=repr(n))
        self.config, self.conditional = config, conditional
        self.x, self.y = self._held_out(n)
        self.n = len(self.x)

    def _held_out(self, n):
        """x, and its labels or None."""
        x, *y = self._load("test", n=n)
        return x, y[0] if y else None

    def others(self):
        """Other real samples, to compare x with: a list of sets (n, …)."""
        return [self._load("test", n=self.n, rng=seed)[0] for seed in range(1, OTHERS + 1)]

    def _load(self, split, **options):
        loaded = data.load(self.config.data, split, self.config.data_dir, labels=self.conditional,
                           size=self.config.size, **options)
        return loaded if self.conditional else (loaded,)

    def measure(self, x, y=None):
        """The figures of samples x, of which the classes y were asked for: a dict name → number."""
        return {self.quality: metrics.sliced_wasserstein(x, self.x)}

    def scale(self):
        """(name, values, remark) of what else to read the figures by."""
        return [("real against real", [metrics.sliced_wasserstein(other, self.x) for other in self.others()],
                 f"the sliced Wasserstein distance of {OTHERS} other real sets: no G can be expected to have less"),
                ("one point, n times", [metrics.sliced_wasserstein(self.x.mean(0, keepdims=True), self.x)],
                 "that of a collapsed G, at the data's mean")]

    def counts(self, x):
        """What `convergence.diagnose` is told besides: how many modes or classes the samples reach."""
        return {}


class Mixture(Samples):
    """Points of a mixture of Gaussians, whose modes can be counted."""

    def __init__(self, *arguments):
        super().__init__(*arguments)
        centres, self.std = MIXTURES[self.config.data]
        self.centres = centres()
        self.beside = {"modes covered": f"of {len(self.centres)}: with a sample within 3σ of the centre",
                       "high quality": "within 3σ of the nearest mode",
                       "reverse KL": f"over the modes, in nats; one mode only: {np.log(len(self.centres)):.3g}",
                       "of the class asked for": "share, by the nearest mode"}

    def measure(self, x, y=None):
        """Modes, quality, proportions, and the distance."""
        report = metrics.mode_report(x, self.centres, self.std)
        figures = {"modes covered": report.modes_covered, "high quality": report.high_quality,
                   "reverse KL": report.reverse_kl} | super().measure(x)
        if y is None:
            return figures
        nearest = np.linalg.norm(x[:, None] - self.centres, axis=2).argmin(axis=1)
        return figures | {"of the class asked for": float(np.mean(nearest == y))}

    def scale(self):
        """What a perfect G has."""
        share, two_errors = metrics.perfect_high_quality(self.n)
        remark = f"± {two_errors:.2g} (two standard errors); more suggests too narrow modes, a collapsed G can have 1"
        return [("perfect high quality", [share], remark), *super().scale()]

    def counts(self, x):
        """Modes."""
        report = metrics.mode_report(x, self.centres, self.std)
        return {"modes": (report.modes_covered, report.modes)}


class Folder(Samples):
    """Images of one's own, of which no classifier knows what they show: compared by their pixels."""

    usual, remark = 10_000, "A folder of images is one set: training has seen the real ones."

    def __init__(self, *arguments):
        super().__init__(*arguments)
        self.beside = {self.quality: "of pixels: it sees colours, brightness and variety, not what an image shows"}

    def _held_out(self, n):
        x, *y = self._load("train")  # shuffled
        return x[:n], y[0][:n] if y else None

    def scale(self):
        """Real against real, and one image again and again."""
        half, rng = self.n // 2, np.random.default_rng(0)
        orders = [rng.permutation(self.n) for _ in range(OTHERS)]
        return [("real against real",
                 [metrics.sliced_wasserstein(self.x[order[:half]], self.x[order[half:]]) for order in orders],
                 f"{OTHERS} times two halves of the set, {half} each; of so few the distance is larger"),
                ("one image, n times", [metrics.sliced_wasserstein(self.x.mean(0, keepdims=True), self.x)],
                 "that of a collapsed G, at the data's mean")]


class Images(Samples):
    """Images with classes, compared in the features of minigan's own classifier."""

    quality = "Fréchet distance"
    usual, least = 10_000, 4  # two for each half of the digits

    def __init__(self, config, conditional, n, progress):
        super().__init__(config, conditional, n, progress)
        self.classifier = metrics.load_classifier(config.data, config.data_dir, progress)
        self.features = metrics.features(self.classifier, self.x)
        self.classes = metrics.classes(self.classifier, self.x)
        K = self.classifier.n_classes
        self.beside = {
            "Fréchet distance": f"in features of minigan's classifier ({self.classifier.accuracy:.2%} of test images "
                                "right), not Inception's: no FID",
            "classes covered": f"of {K}: made at least a tenth as often as they are real",
            "effective classes": f"exp of the entropy, at most {K}",
            "reverse KL": f"over the classes, in nats; one class only: about {np.log(K):.3g}",
            "of the class asked for": "share, as the classifier sees it",
        }

    def _held_out(self, n):
        if self.config.data == "digits":  # one set, not split
            self.remark = "The embedded digits are one set: training has seen the real ones."
            x, *y = self._load("train")
            order = np.random.default_rng(0).permutation(len(x))
            x, y = x[order], [labels[order] for labels in y]
        else:
            x, *y = self._load("test")
        return x[:n], y[0][:n] if y else None

    def others(self):
        """Three sets of training images, which have none in common."""
        x = self._load("train")[0]
        order = np.random.default_rng(0).permutation(len(x))
        return [x[order[i * self.n:(i + 1) * self.n]] for i in range(3)]

    def measure(self, x, y=None):
        """The Fréchet distance, and which classes are there."""
        found = metrics.classes(self.classifier, x)
        coverage = metrics.class_coverage(found, self.classes, self.classifier.n_classes)
        figures = {"Fréchet distance": metrics.frechet_distance(metrics.features(self.classifier, x), self.features),
                   "classes covered": coverage.classes_covered, "effective classes": coverage.effective_classes,
                   "reverse KL": coverage.reverse_kl}
        return figures if y is None else figures | {"of the class asked for": float(np.mean(found == y))}

    def scale(self):
        """Real against real, and one image again and again."""
        if self.config.data == "digits":
            half, rng = self.n // 2, np.random.default_rng(0)
            orders = [rng.permutation(self.n) for _ in range(OTHERS)]
            sets = [(self.features[order[:half]], self.features[order[half:]]) for order in orders]
            what = f"{OTHERS} times two halves of the set, {half} each; of so few the distance is larger"
        else:
            sets = [(metrics.features(self.classifier, other), self.features) for other in self.others()]
            what = f"three sets of {self.n} training images: no G can be expected to have less"
        return [("real against real", [metrics.frechet_distance(*pair) for pair in sets],
                 f"the Fréchet distance of {what}"),
                ("one image, n times", [metrics.frechet_collapsed(self.features)], "that of a collapsed G, on average")]

    def counts(self, x):
        """Classes."""
        coverage = metrics.class_coverage(metrics.classes(self.classifier, x), self.classes, self.classifier.n_classes)
        return {"classes": (coverage.classes_covered, coverage.classes)}
