"""The score on the validation clips that stops a probe and chooses its epoch: one for each kind, higher is better.

A monitor takes (targets, scores) as `fit` does and `Fitted.predict` returns them. NaN means undefined.
"""

from collections.abc import Callable, Mapping

import numpy as np

from earmark.errors import UserError
from earmark.metrics import find, measure
from earmark.nouns import Kind
from earmark.probes.recipe import Loss

Monitor = Callable[[np.ndarray, np.ndarray], float]


def accuracy(targets: np.ndarray, scores: np.ndarray) -> float:
    """Return the share of clips whose highest score is at their class; of equal scores the first counts."""
    return float(np.mean(scores.argmax(axis=1) == targets))


def average_precision(targets: np.ndarray, scores: np.ndarray) -> float:
    """Return the mean over labels with positives of the average precision (a sum over steps, ties as one step).

    All labels at once, because this runs after every epoch. Equal to scikit-learn's, label by label.
    """
    order = np.argsort(-scores, axis=0, kind="stable")
    hits = np.take_along_axis(targets, order, axis=0).astype(np.float64)
    ranked = np.take_along_axis(scores, order, axis=0)
    ranks = np.arange(1, len(hits) + 1)[:, None]
    is_last = np.vstack([ranked[1:] != ranked[:-1], np.ones((1, ranked.shape[1]), bool)])
    # Clips of equal score are retrieved together: each takes the precision at the end of its tie.
    end = np.minimum.accumulate(np.where(is_last, ranks, len(hits))[::-1], axis=0)[::-1]
    precision = np.take_along_axis(hits.cumsum(axis=0), end - 1, axis=0) / end
    positives = hits.sum(axis=0)
    some = positives > 0
    return float(np.mean((hits * precision).sum(axis=0)[some] / positives[some])) if some.any() else float("nan")


def r2(targets: np.ndarray, scores: np.ndarray) -> float:
    """Return the mean over outputs that vary of the coefficient of determination: 1 − residual / total squares."""
    total = np.square(targets - targets.mean(axis=0, dtype=np.float64)).sum(axis=0)
    residual = np.square(targets - scores.astype(np.float64)).sum(axis=0)
    varies = total > 0
    return float(np.mean(1 - residual[varies] / total[varies])) if varies.any() else float("nan")


def loss(name: Loss, targets: np.ndarray, scores: np.ndarray) -> float:
    """Return the mean validation loss: cross_entropy of the class, binary of each output, or the squared error.

    A probability of 0 counts as the smallest float32, so that a loss is always a number.
    """
    predicted = scores.astype(np.float64)
    if name == "squared":
        return float(np.mean(np.square(predicted - targets)))
    smallest = float(np.finfo(np.float32).tiny)
    if name == "binary":
        labels = targets if targets.ndim == 2 else np.arange(scores.shape[1]) == targets[:, None]
        right = np.where(labels > 0, predicted, 1.0 - predicted)
        return float(-np.mean(np.log(np.maximum(right, smallest))))
    return float(-np.mean(np.log(np.maximum(predicted[np.arange(len(targets)), targets], smallest))))


MONITORS: Mapping[Kind, Monitor] = {
    "multiclass": accuracy,
    "pitch": accuracy,
    "key": accuracy,
    "multilabel": average_precision,
    "regression": r2,
}

LOSSES: Mapping[Kind, Loss] = {
    "multiclass": "cross_entropy",
    "pitch": "cross_entropy",
    "key": "cross_entropy",
    "multilabel": "binary",
    "regression": "squared",
}


def loss_of(asked: Loss, kind: Kind) -> Loss:
    """Return the loss that a recipe asks for on a kind of task. Raises UserError where the two do not go together."""
    own = LOSSES[kind]
    if asked in ("auto", own) or (asked == "binary" and own == "cross_entropy"):
        return own if asked == "auto" else asked
    fitting = "cross_entropy or binary" if own == "cross_entropy" else own
    raise UserError(f"Expected the loss of a {kind} task to be {fitting}, got {asked}. Leave loss out, or write auto.")


def criterion(name: str, kind: Kind, classes: tuple[str, ...], auto: Monitor | None = None) -> Monitor:
    """Return what a criterion says of (targets, scores), higher is better: auto, or the name of a metric.

    A metric stands with the average over clips where it has one, else with that over labels; one that is better when
    lower is turned round. Raises UserError for a metric that is not for this kind.
    """
    if name == "auto":
        return auto or MONITORS[kind]
    metric = find(name, kind)
    average = "micro" if "micro" in metric.averages else "macro"
    sign = 1 if metric.higher_is_better else -1

    def score(targets: np.ndarray, scores: np.ndarray) -> float:
        named = classes or tuple(map(str, range(scores.shape[1])))
        return sign * float(measure(name, kind, targets, scores, named).averages[average][0])

    return score
