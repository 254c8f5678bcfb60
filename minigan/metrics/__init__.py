"""How good is D, how good are the samples, how far are two distributions apart.

Everything here takes NumPy or CuPy arrays or Tensors, computes in float64 in main memory, and returns Python's
numbers: measuring is not training, and nothing here can be differentiated.
"""

from .classification import (
    ClassificationReport,
    Confusion,
    accuracy,
    auc,
    classification_report,
    confusion,
    f1,
    precision,
    recall,
    roc_curve,
)
from .classifier import Classifier, classes, cross_entropy, features, load_classifier, train_classifier
from .distances import frechet_collapsed, frechet_distance, frechet_floor, sliced_wasserstein, wasserstein_1d
from .modes import ClassCoverage, ModeReport, class_coverage, mode_report, perfect_high_quality, reverse_kl

__all__ = [
    "ClassCoverage", "ClassificationReport", "Classifier", "Confusion", "ModeReport", "accuracy", "auc",
    "class_coverage", "classes", "classification_report", "confusion", "cross_entropy", "f1", "features",
    "frechet_collapsed", "frechet_distance", "frechet_floor", "load_classifier", "mode_report",
    "perfect_high_quality", "precision", "recall", "reverse_kl", "roc_curve", "sliced_wasserstein",
    "train_classifier", "wasserstein_1d",
    "classification", "distances", "modes", "likeness", "classifier", "checks",
]
