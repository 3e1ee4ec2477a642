"""Metrics of how well a label's scores put the clips that have it above those that have not.

Each label is sorted once. A row of weights then costs one running sum over the clips in that order, read only at
the ends of those groups of tied scores that hold a positive: nothing happens to either metric between them.
"""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float, Int

from earmark.metrics.base import Array, Scores, Weights, collect, ratio

CHUNK_BYTES = 4 * 2**20
"""Size of the running sums kept at once: about what stays in cache, which also bounds the memory."""


class _Order(NamedTuple):
    """Clips by falling score of one label, cut where a group of tied scores that holds a positive starts or ends.

    `cuts` are places among the clips, from 0 on; `starts` and `ends` of the groups count the cut pieces before them.
    `positives` lists the positive clips in order, `firsts` the place in it of each group's first.
    """

    clips: Int[Array, " clips"]
    cuts: Int[Array, " pieces"]
    starts: Int[Array, " groups"]
    ends: Int[Array, " groups"]
    positives: Int[Array, " positives"]
    firsts: Int[Array, " groups"]


class _Sums(NamedTuple):
    """Weights by group, under each row: of all clips above it and down to its end, and of its own positives."""

    above: Float[Array, "rows groups"]
    within: Float[Array, "rows groups"]
    gained: Float[Array, "rows groups"]
    total: Float[Array, " rows"]


def average_precision(
    targets: Int[Array, "clips labels"],
    predictions: Float[Array, "clips labels"],
    labels: tuple[str, ...],
    weights: Weights,
) -> Scores:
    """Return average precision by label and its mean over labels (mAP).

    Step-wise: precision at each distinct score, weighted by the recall gained there; no interpolation, and tied
    clips enter together. Undefined without a positive. Equal to scikit-learn's `average_precision_score`.
    """
    by_label = _by_label(_average_precision, targets, predictions, weights)
    return collect(labels, by_label, None, np.asarray((targets > 0).any(axis=0)))


def roc_auc(
    targets: Int[Array, "clips labels"],
    predictions: Float[Array, "clips labels"],
    labels: tuple[str, ...],
    weights: Weights,
) -> Scores:
    """Return the area under the ROC curve by label, and its mean over labels.

    The chance that a positive scores above a negative, a tie counting one half. Undefined without a positive or
    without a negative. Equal to scikit-learn's `roc_auc_score`.
    """
    by_label = _by_label(_roc_auc, targets, predictions, weights)
    return collect(labels, by_label, None, np.ptp(targets, axis=0) > 0)


def _average_precision(sums: _Sums) -> Array:
    found = np.cumsum(sums.gained, axis=1)
    precision = np.divide(found, sums.within, out=np.zeros_like(found), where=sums.gained > 0)
    return ratio((sums.gained * precision).sum(axis=1), found[:, -1])


def _roc_auc(sums: _Sums) -> Array:
    found = np.cumsum(sums.gained, axis=1)
    positives = found[:, -1]
    negatives = sums.total - positives
    # Negatives above a group plus those down to its end: what a positive of it loses, counted twice to halve ties.
    lost = sums.above + sums.within - 2 * found + sums.gained
    pairs = 2 * positives * negatives
    return ratio(pairs - (sums.gained * lost).sum(axis=1), pairs)


def _by_label(function: Callable[[_Sums], Array], targets: Array, predictions: Array, weights: Weights) -> Array:
    n_rows, n_clips = weights.shape
    scores = np.full((n_rows, targets.shape[1]), np.nan)
    step = max(1, CHUNK_BYTES // (8 * n_clips))
    columns = zip(np.ascontiguousarray(targets.T > 0), np.ascontiguousarray(-predictions.T), strict=True)
    orders = [_sort(*column) for column in columns]
    for start in range(0, n_rows, step):
        rows = np.ascontiguousarray(weights[start : start + step].T)
        for label, order in enumerate(orders):
            if order is not None:
                scores[start : start + step, label] = function(_sum(order, rows))
    return scores


def _sort(has_label: Bool[Array, " clips"], negated: Float[Array, " clips"]) -> _Order | None:
    """Return the clips of one label by falling score, or None when no clip has it."""
    clips = np.argsort(negated)
    rising = negated[clips]
    places = np.flatnonzero(has_label[clips])
    if len(places) == 0:
        return None
    starts, firsts = np.unique(np.searchsorted(rising, rising[places]), return_index=True)
    ends = np.searchsorted(rising, rising[starts], side="right")
    cuts = np.unique(np.concatenate([[0], starts, ends]))
    cuts = cuts[cuts < len(clips)]
    return _Order(clips, cuts, np.searchsorted(cuts, starts), np.searchsorted(cuts, ends), clips[places], firsts)


def _sum(order: _Order, weights: Float[Array, "clips rows"]) -> _Sums:
    pieces = np.add.reduceat(weights[order.clips], order.cuts, axis=0)
    running = np.zeros((weights.shape[1], len(pieces) + 1))
    np.cumsum(pieces.T, axis=1, out=running[:, 1:])
    gained = np.add.reduceat(weights[order.positives], order.firsts, axis=0).T
    return _Sums(running[:, order.starts], running[:, order.ends], gained, running[:, -1])
