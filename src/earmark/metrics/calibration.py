"""How far probabilities can be believed: log loss, calibration error, and what is right above a confidence.

Plain numbers of one sample of clips, for saved probes; they stand beside the metrics of an experiment, not among them.
"""

import numpy as np
from jaxtyping import Bool, Float, Num

from earmark.metrics.base import Array, ratio

BINS = 15
FLOOR = float(np.finfo(np.float32).eps)
"""The least probability that is believed: a probe that says 0 and is wrong would cost infinitely much."""


def distribution(scores: Num[Array, "clips classes"]) -> Float[Array, "clips classes"]:
    """Return scores of classes as probabilities that sum to 1, none below FLOOR. Float64."""
    kept = np.maximum(np.asarray(scores, np.float64), FLOOR)
    found: Array = kept / kept.sum(axis=1, keepdims=True)
    return found


def log_loss(targets: Num[Array, "clips ..."], predictions: Num[Array, "clips outputs"]) -> float:
    """Return the mean of −ln p of what is true: of each clip's class, or, of many labels, of each clip and label.

    `targets`: (clips,) class indices, or (clips, labels) of 0 and 1.
    """
    if targets.ndim == 1:
        right = distribution(predictions)[np.arange(len(targets)), targets]
    else:
        given = np.clip(np.asarray(predictions, np.float64), FLOOR, 1 - FLOOR)
        right = np.where(targets > 0, given, 1 - given)
    return float(-np.log(right).mean())


def calibration_error(targets: Num[Array, "clips ..."], predictions: Num[Array, "clips outputs"]) -> float:
    """Return the expected calibration error over BINS bins of equal width: mean |confidence − share that is right|.

    Of one class a clip the confidence is that of the predicted class; of many labels each clip and label counts once,
    by its probability and how often it is true. Source: Guo et al. 2017, "On Calibration of Modern Neural Networks",
    equation 3, with its 15 bins. *Differs*: labels are not in the paper.
    """
    if targets.ndim == 1:
        given = distribution(predictions)
        said, is_true = given.max(axis=1), given.argmax(axis=1) == targets
    else:
        said, is_true = np.asarray(predictions, np.float64).ravel(), targets.ravel() > 0
    bins = np.clip(np.ceil(said * BINS).astype(int) - 1, 0, BINS - 1)
    gaps = np.bincount(bins, said - is_true, BINS)
    return float(np.abs(gaps).sum() / len(said))


def confidence(predictions: Num[Array, "clips outputs"], is_multilabel: bool) -> Float[Array, "clips ..."]:
    """Return the probability of what is answered: of the best class; of each label, of its being there or not."""
    given = np.asarray(predictions, np.float64)
    found: Array = np.maximum(given, 1 - given) if is_multilabel else given.max(axis=1)
    return found


def is_right(targets: Num[Array, "clips ..."], predictions: Num[Array, "clips outputs"]) -> Bool[Array, "clips ..."]:
    """Return which answers are right: the best class, or, of each label, whether it is above one half."""
    found: Array = predictions.argmax(axis=1) == targets if targets.ndim == 1 else (predictions > 0.5) == (targets > 0)
    return found


def answered(
    targets: Num[Array, "clips ..."], predictions: Num[Array, "clips outputs"], thresholds: Float[Array, " thresholds"]
) -> tuple[Float[Array, " thresholds"], Float[Array, " thresholds"]]:
    """Return the share of answers whose confidence is a threshold or more, and the share of those that is right.

    The second is NaN where nothing is answered. An answer is a clip's class, or a clip's label.
    """
    said = confidence(predictions, targets.ndim == 2).ravel()
    right = is_right(targets, predictions).ravel()
    order = np.argsort(said, kind="stable")
    first = np.searchsorted(said[order], thresholds, side="left")
    n_answered = len(said) - first
    n_right = np.append(right[order][::-1].cumsum()[::-1], 0)[first]
    return n_answered / len(said), ratio(n_right.astype(float), n_answered.astype(float))
