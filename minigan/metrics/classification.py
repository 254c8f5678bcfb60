r"""How good is D as a classifier of real and generated samples: from its scores, at a threshold, and over all of them.

The positive class is "real": D *calls* a sample real where its score is a > threshold.

|                  | D calls it real    | D calls it generated |
|------------------|--------------------|----------------------|
| it is real       | true positive, tp  | false negative, fn   |
| it is generated  | false positive, fp | true negative, tn    |

So a false positive is a generated sample that D takes for real: what G works for. A false negative is a real sample
that D rejects. (Document 003 §3.5 glosses both as "false positive", and has G reduce false positives; it is D that
wants few of either, and G that wants many false positives: X6.)

Measure on samples that D was not trained on. D as good as it can be against a perfect G is a coin: AUC ½.

Source: document 003 §3.6.
"""

from dataclasses import dataclass
from numbers import Real
from typing import NamedTuple

import numpy as np

from ..errors import ConfigError
from .checks import as_scores

__all__ = [
    "ClassificationReport", "Confusion", "accuracy", "auc", "classification_report", "confusion", "f1", "precision",
    "recall", "roc_curve",
]


class Confusion(NamedTuple):
    """How many real samples D called real and generated (tp, fn), and how many generated ones (fp, tn)."""

    tp: int
    fn: int
    fp: int
    tn: int


def confusion(a_real, a_fake, threshold=0.0):
    """Count D's right and wrong answers.

    a_real, a_fake : (N, 1) or (N,), (M, 1) or (M,) scores of D on real and on generated samples
    threshold      : D calls a sample real if its score is larger: 0 for logits (F2 to F6), ½ for LSGAN (F10). A
                     Wasserstein critic (F9) has none: its scores have no zero, only an order
    returns        : a `Confusion` (tp, fn, fp, tn) of ints
    raises         : ShapeError for empty sets or several columns, DataError for NaN or infinity, ConfigError for a
                     threshold that is not a finite number
    """
    a_real, a_fake = as_scores(a_real, "a_real"), as_scores(a_fake, "a_fake")
    if not (isinstance(threshold, Real) and np.isfinite(threshold)):
        raise ConfigError("not a score to compare with", where="threshold", expected="a finite number",
                          got=repr(threshold), fix="A Wasserstein critic has no threshold; use auc or roc_curve")
    tp, fp = int((a_real > threshold).sum()), int((a_fake > threshold).sum())
    return Confusion(tp, len(a_real) - tp, fp, len(a_fake) - fp)


def accuracy(a_real, a_fake, threshold=0.0):
    r"""The share of right answers, $(tp + tn)/(N + M)$, in [0, 1]. Arguments and errors as in `confusion`."""
    tp, fn, fp, tn = confusion(a_real, a_fake, threshold)
    return (tp + tn) / (tp + fn + fp + tn)


def precision(a_real, a_fake, threshold=0.0):
    r"""How much of what D calls real is real, $tp/(tp + fp)$, in [0, 1]. Arguments and errors as in `confusion`.

    0 where D calls nothing real and this is 0/0: it has found nothing (scikit-learn's default too, with a warning).
    It depends on the proportion of N to M; use equal numbers.
    """
    tp, _, fp, _ = confusion(a_real, a_fake, threshold)
    return tp / (tp + fp) if tp + fp else 0.0


def recall(a_real, a_fake, threshold=0.0):
    r"""How much of what is real D calls real, $tp/(tp + fn) = tp/N$, in [0, 1]. Arguments and errors as in
    `confusion`."""
    tp, fn, _, _ = confusion(a_real, a_fake, threshold)
    return tp / (tp + fn)


def f1(a_real, a_fake, threshold=0.0):
    r"""The harmonic mean of precision and recall, in [0, 1]. Arguments and errors as in `confusion`.

    $$F_1 = \frac{2}{1/\text{precision} + 1/\text{recall}} = \frac{2\,tp}{2\,tp + fp + fn}$$

    0 where D calls no real sample real. A D that calls everything real gets ⅔ at N = M: more than a coin's ½.
    """
    tp, fn, fp, _ = confusion(a_real, a_fake, threshold)
    return 2 * tp / (2 * tp + fp + fn)  # there are real samples, so tp + fn > 0


def roc_curve(a_real, a_fake):
    r"""False and true positive rates at every threshold: the curve whose area is `auc`.

    $$\mathrm{fpr}(t) = fp/M = P(a_{fake} \ge t), \qquad \mathrm{tpr}(t) = tp/N = P(a_{real} \ge t)$$

    Here a sample is called real at its threshold too (≥), so that each score is the threshold at which it is taken in.
    Samples of equal scores are taken in together, as one step, which is slanted if both kinds are among them.

    a_real, a_fake : (N, 1), (M, 1) scores
    returns        : fpr, tpr, thresholds, three arrays (K + 1,) for K different scores: from (0, 0) at the threshold
                     infinity to (1, 1) at the smallest score
    raises         : as `confusion`
    """
    a_real, a_fake = as_scores(a_real, "a_real"), as_scores(a_fake, "a_fake")
    thresholds = np.append(np.unique(np.concatenate([a_real, a_fake])), np.inf)[::-1]
    return _share_from(thresholds, a_fake), _share_from(thresholds, a_real), thresholds


def _share_from(thresholds, a):
    """For each threshold t the share of a ≥ t."""
    return 1 - np.searchsorted(np.sort(a), thresholds) / len(a)


def auc(a_real, a_fake):
    r"""The area under the ROC curve: how likely D scores a real sample higher than a generated one (Mann-Whitney).

    $$\mathrm{AUC} = P(a_{real} > a_{fake}) + \tfrac12 P(a_{real} = a_{fake})$$

    Over all N·M pairs, by ranks: sorted together, the real samples' ranks r (equal scores share their mean rank) give
    $\mathrm{AUC} = (\sum r - N(N + 1)/2)/(NM)$.

    a_real, a_fake : (N, 1), (M, 1) scores; only their order matters, so it is for critics too (F9)
    returns        : a float in [0, 1]: 1 if D tells all apart, ½ if it cannot, less if it has them the wrong way round
    raises         : as `confusion`
    Source         : document 003 §3.6; Mann and Whitney 1947; Hanley and McNeil 1982.
    """
    a_real, a_fake = as_scores(a_real, "a_real"), as_scores(a_fake, "a_fake")
    N, M = len(a_real), len(a_fake)
    _, which, counts = np.unique(np.concatenate([a_real, a_fake]), return_inverse=True, return_counts=True)
    rank = np.cumsum(counts) - (counts - 1) / 2  # of k equal scores up to rank c: the mean of c − k + 1, …, c
    return float((rank[which[:N]].sum() - N * (N + 1) / 2) / (N * M))


@dataclass(frozen=True)
class ClassificationReport:
    """D as a classifier. The first four are None where the objective gives D no threshold (a Wasserstein critic)."""

    accuracy: float | None
    precision: float | None
    recall: float | None
    f1: float | None
    auc: float


def classification_report(a_real, a_fake, threshold=0.0):
    """All of document 003 §3.6's measures of D at once.

    a_real, a_fake : (N, 1), (M, 1) scores
    threshold      : as in `confusion`; None for a critic, which is then measured by its AUC only
    returns        : a `ClassificationReport`
    raises         : as `confusion`
    """
    measures = (accuracy, precision, recall, f1)
    at_threshold = (None if threshold is None else f(a_real, a_fake, threshold) for f in measures)
    return ClassificationReport(*at_threshold, auc(a_real, a_fake))
