"""Metrics of one class per clip, and of decisions per label.

The predicted class has the greatest score; of equal scores the first column wins.
"""

import numpy as np
from jaxtyping import Float, Int, Num
from scipy.sparse import csr_array

from earmark.errors import DataError
from earmark.metrics.base import Array, Scores, Weights, chunks, collect, ratio
from earmark.metrics.keys import score_table


def accuracy(
    targets: Int[Array, " clips"],
    predictions: Float[Array, "clips classes"],
    classes: tuple[str, ...],
    weights: Weights,
) -> Scores:
    """Return the share of clips whose class is right: micro over clips; by class, the recall; macro, its mean.

    The macro average is what is also called balanced accuracy.
    """
    return mean_by_class(targets == predictions.argmax(axis=1), targets, classes, weights)


def key_score(
    targets: Int[Array, " clips"],
    predictions: Float[Array, "clips classes"],
    classes: tuple[str, ...],
    weights: Weights,
) -> Scores:
    """Return the weighted key score of mir_eval: micro over clips, by true key, macro over true keys."""
    values = score_table(classes)[targets, predictions.argmax(axis=1)]
    return mean_by_class(values, targets, classes, weights)


def key_score_symmetric(
    targets: Int[Array, " clips"],
    predictions: Float[Array, "clips classes"],
    classes: tuple[str, ...],
    weights: Weights,
) -> Scores:
    """Return the key score in which the fifth below the true key counts 0.5 as well as the fifth above.

    *Differs* from `key_score`, which is what papers report, in that alone; so it is never below it.
    """
    table = score_table(classes)
    values = np.maximum(table, table.T)[targets, predictions.argmax(axis=1)]
    return mean_by_class(values, targets, classes, weights)


def top_k_accuracy(
    targets: Int[Array, " clips"],
    predictions: Float[Array, "clips classes"],
    classes: tuple[str, ...],
    weights: Weights,
    *,
    k: int,
) -> Scores:
    """Return the share of clips whose class is among the `k` of greatest score; averages as for `accuracy`.

    Of equal scores the first columns win, so that k = 1 is accuracy. Undefined for k classes or fewer, of which
    every clip would be right whatever was predicted. Spellings of one key count once.
    """
    own = predictions[np.arange(len(targets)), targets][:, None]
    is_earlier = np.arange(len(classes)) < targets[:, None]
    rank = ((predictions > own) | ((predictions == own) & is_earlier)).sum(axis=1)
    if np.isfinite(predictions).any(axis=0).sum() <= k:  # a merged spelling has no score
        nothing = np.full((len(weights), len(classes)), np.nan)
        return collect(classes, nothing, nothing[:, 0], np.zeros(len(classes), bool))
    return mean_by_class(rank < k, targets, classes, weights)


def f1(
    targets: Int[Array, "clips ..."],
    predictions: Float[Array, "clips classes"],
    classes: tuple[str, ...],
    weights: Weights,
) -> Scores:
    """Return F1, 2·hits / (targets + predicted), by class; its macro mean; micro from the sums over all classes.

    With one class per clip micro equals accuracy. With several labels per clip a label is predicted where its
    probability is above 0.5, and scores outside [0, 1] are refused with a DataError. A class that no clip of
    the sample has is left out of the macro mean (scikit-learn would average in a 0 as soon as it is predicted
    once); its false alarms count in micro.
    """
    if targets.ndim == 1:
        winners = predictions.argmax(axis=1)
        hits = _sums_by_class(targets == winners, targets, len(classes), weights)
        true = _sums_by_class(np.ones(len(targets)), targets, len(classes), weights)
        predicted = _sums_by_class(np.ones(len(targets)), winners, len(classes), weights)
    else:
        decisions = _decide(predictions)
        hits, true, predicted = (weights @ each for each in (targets * decisions, targets * 1.0, decisions))
    both = true + predicted
    by_class = np.where(true > 0, ratio(2 * hits, both), np.nan)
    micro = ratio(2 * hits.sum(axis=1), both.sum(axis=1))
    return collect(classes, by_class, micro, _occurring(targets, len(classes)))


def mean_by_class(
    values: Num[Array, " clips"], targets: Int[Array, " clips"], classes: tuple[str, ...], weights: Weights
) -> Scores:
    """Return the mean of a value per clip: over clips (micro), by true class, over true classes (macro)."""
    sums = _sums_by_class(values, targets, len(classes), weights)
    counts = _sums_by_class(np.ones(len(targets)), targets, len(classes), weights)
    micro = ratio(sums.sum(axis=1), counts.sum(axis=1))
    return collect(classes, ratio(sums, counts), micro, _occurring(targets, len(classes)))


def _sums_by_class(
    values: Num[Array, " clips"], classes: Int[Array, " clips"], n_classes: int, weights: Weights
) -> Float[Array, "rows classes"]:
    """Return the weighted sums of a value per clip over the clips of each class."""
    clips = np.arange(len(classes))
    by_class = csr_array((np.asarray(values, float), (classes, clips)), shape=(n_classes, len(clips)))
    return np.concatenate([(by_class @ rows.T).T for rows in chunks(weights)])


def _occurring(targets: Int[Array, "clips ..."], n_classes: int) -> Array:
    if targets.ndim == 1:
        return np.bincount(targets, minlength=n_classes) > 0
    return np.asarray((targets > 0).any(axis=0))


def _decide(predictions: Float[Array, "clips labels"]) -> Float[Array, "clips labels"]:
    if predictions.min() < 0 or predictions.max() > 1:
        raise DataError(
            f"Expected probabilities in [0, 1] for F1 of a multilabel task, got {predictions.min():.3g} to "
            f"{predictions.max():.3g}. Put the scores through a sigmoid first."
        )
    return np.asarray(predictions > 0.5, float)
