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
from .distances import frechet_distance, sliced_wasserstein, wasserstein_1d
from .modes import ModeReport, mode_report, perfect_high_quality

__all__ = [
    "ClassificationReport", "Confusion", "ModeReport", "accuracy", "auc", "classification_report", "confusion", "f1",
    "frechet_distance", "mode_report", "perfect_high_quality", "precision", "recall", "roc_curve",
    "sliced_wasserstein", "wasserstein_1d",
]
