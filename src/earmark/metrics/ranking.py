"""Metrics of how well a label's scores put the clips that have it above those that have not.

Each label is sorted once. A row of weights then costs one running sum over the clips in that order, read only at
the ends of those groups of tied scores that hold a positive: nothing happens to either metric between them.
"""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float, Int
from scipy.special import ndtri

from earmark.metrics.base import Array, Scores, Weights, chunks, collect, ratio


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
    targets: Int[Array, "clips ..."],
    predictions: Float[Array, "clips labels"],
    labels: tuple[str, ...],
    weights: Weights,
) -> Scores:
    """Return average precision by label and its mean over labels (mAP).

    Step-wise: precision at each distinct score, weighted by the recall gained there; no interpolation, and tied
    clips enter together. Undefined without a positive. Equal to scikit-learn's `average_precision_score`.

    Targets of one class per clip are taken one class against the rest, as HEAR does. A class's scores are then
    compared between clips, so probabilities (softmax, as in HEAR) and logits give different numbers.
    """
    has_label = _has_label(targets, labels)
    by_label = _by_label(_average_precision, has_label, predictions, weights)
    return collect(labels, by_label, None, np.asarray(has_label.any(axis=0)))


def roc_auc(
    targets: Int[Array, "clips ..."],
    predictions: Float[Array, "clips labels"],
    labels: tuple[str, ...],
    weights: Weights,
) -> Scores:
    """Return the area under the ROC curve by label, and its mean over labels.

    The chance that a positive scores above a negative, a tie counting one half. Undefined without a positive or
    without a negative. Equal to scikit-learn's `roc_auc_score`. One class per clip: as for `average_precision`.
    """
    has_label = _has_label(targets, labels)
    by_label = _by_label(_roc_auc, has_label, predictions, weights)
    return collect(labels, by_label, None, np.asarray(has_label.any(axis=0) & ~has_label.all(axis=0)))


def d_prime(
    targets: Int[Array, "clips ..."],
    predictions: Float[Array, "clips labels"],
    labels: tuple[str, ...],
    weights: Weights,
) -> Scores:
    """Return d′ = √2·Φ⁻¹(ROC-AUC) by label, and its mean over labels: the mean of d′, not the d′ of the mean area.

    The distance, in standard deviations, between two normal distributions of scores with that area. Undefined where
    `roc_auc` is. Areas of 0 and 1, whose d′ would be infinite, are first moved inwards by half the smallest step
    that an area can make: to 1 / (4·positives·negatives) and 1 less that, as Macmillan & Kaplan 1985 correct rates
    of 0 and 1 by half of one trial. A perfect d′ thus tells how many pairs there were. Averages as HEAR. *Differs*
    from HEAR, where one perfect label makes the mean infinite.
    """
    has_label = _has_label(targets, labels)
    by_label = _by_label(_d_prime, has_label, predictions, weights)
    return collect(labels, by_label, None, np.asarray(has_label.any(axis=0) & ~has_label.all(axis=0)))


def _has_label(targets: Int[Array, "clips ..."], labels: tuple[str, ...]) -> Bool[Array, "clips labels"]:
    return np.asarray(targets > 0 if targets.ndim == 2 else targets[:, None] == np.arange(len(labels)))


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


def _d_prime(sums: _Sums) -> Array:
    positives = sums.gained.sum(axis=1)
    least = ratio(np.asarray(0.25), positives * (sums.total - positives))
    return np.asarray(np.sqrt(2) * ndtri(np.clip(_roc_auc(sums), least, 1 - least)))


def _by_label(function: Callable[[_Sums], Array], has_label: Array, predictions: Array, weights: Weights) -> Array:
    columns = zip(np.ascontiguousarray(has_label.T), np.ascontiguousarray(-predictions.T), strict=True)
    orders = [_sort(*column) for column in columns]
    scores: list[Array] = []
    for rows in chunks(weights):
        by_clip, undefined = np.ascontiguousarray(rows.T), np.full(len(rows), np.nan)
        found = [undefined if order is None else function(_sum(order, by_clip)) for order in orders]
        scores.append(np.stack(found, axis=1))
    return np.concatenate(scores)


def _sort(has_label: Bool[Array, " clips"], negated: Float[Array, " clips"]) -> _Order | None:
    """Return the clips of one label by falling score, or None when no clip has it."""
    clips = np.argsort(negated)
    rising = negated[clips]
    places = np.flatnonzero(has_label[clips])
    if len(places) == 0:
        return None
    is_first = np.append(True, rising[1:] != rising[:-1])
    edges = np.append(np.flatnonzero(is_first), len(clips))
    ties = np.cumsum(is_first)[places] - 1
    firsts = np.flatnonzero(np.append(True, ties[1:] != ties[:-1]))
    groups = ties[firsts]
    # Starts and ends in turn rise but for a start that is the end before it: dropping those repeats leaves the cuts.
    bounds = np.append(0, np.stack([edges[groups], edges[groups + 1]], axis=1))
    is_cut = np.append(True, bounds[1:] > bounds[:-1])
    piece = np.cumsum(is_cut) - 1
    cuts = bounds[is_cut & (bounds < len(clips))]
    return _Order(clips, cuts, piece[1::2], piece[2::2], clips[places], firsts)


def _sum(order: _Order, weights: Float[Array, "clips rows"]) -> _Sums:
    pieces = np.add.reduceat(weights[order.clips], order.cuts, axis=0)
    running = np.zeros((weights.shape[1], len(pieces) + 1))
    np.cumsum(pieces.T, axis=1, out=running[:, 1:])
    gained = np.add.reduceat(weights[order.positives], order.firsts, axis=0).T
    return _Sums(running[:, order.starts], running[:, order.ends], gained, running[:, -1])
