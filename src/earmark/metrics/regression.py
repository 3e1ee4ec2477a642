"""Metrics of predicted numbers: by dimension, then the mean over dimensions."""

import numpy as np
from jaxtyping import Float

from earmark.metrics.base import Array, Scores, Weights, collect, ratio


def r2(
    targets: Float[Array, "clips dims"],
    predictions: Float[Array, "clips dims"],
    names: tuple[str, ...],
    weights: Weights,
) -> Scores:
    """Return the coefficient of determination, 1 − residual / total sum of squares, by dimension; then the mean.

    The total is about the mean of the (re)sample itself. Undefined (NaN) where the targets do not vary; a dimension
    that never varies is left out.
    """
    by_dimension = [_r2(*columns, weights) for columns in zip(targets.T, predictions.T, strict=True)]
    return collect(names, np.stack(by_dimension, axis=1), None, np.ptp(targets, axis=0) > 0)


def _r2(targets: Float[Array, " clips"], predictions: Float[Array, " clips"], weights: Weights) -> Array:
    # Distances are taken from the mean of each row: from a common mean, a row of few clips would cancel digits.
    total = np.array([row @ (targets - row @ targets / (row.sum() or 1.0)) ** 2 for row in weights])
    varies = np.array([np.ptp(targets[row > 0]) > 0 if row.any() else False for row in weights])
    scores: Array = 1 - ratio(weights @ (targets - predictions) ** 2, np.where(varies, total, 0))
    return scores


def mean_absolute_error(
    targets: Float[Array, "clips dims"],
    predictions: Float[Array, "clips dims"],
    names: tuple[str, ...],
    weights: Weights,
) -> Scores:
    """Return the mean distance of prediction and target by dimension, in the unit of the targets; then the mean."""
    by_dimension = ratio(weights @ np.abs(targets - predictions), weights.sum(axis=1, keepdims=True))
    return collect(names, by_dimension, None, np.ones(len(names), bool))
