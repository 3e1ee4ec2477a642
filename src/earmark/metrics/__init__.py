"""Metrics: targets and predictions in, scores out, under many rows of weights at once.

Where is a score? `classes.py` (accuracy, F1, key score), `ranking.py` (ROC-AUC, average precision),
`regression.py`; `keys.py` knows how keys are spelt.
"""

from typing import Any, Literal

import numpy as np
from jaxtyping import Float, Num

from earmark.errors import DataError, UnknownName, UserError
from earmark.metrics.base import Array, Metric, Scores, Weights
from earmark.metrics.classes import accuracy, f1, key_score, pitch_class_accuracy
from earmark.metrics.keys import KEYS, merge_spellings, normalise_key
from earmark.metrics.ranking import average_precision, roc_auc
from earmark.metrics.regression import mean_absolute_error, r2
from earmark.nouns import Kind

__all__ = ["KEYS", "METRICS", "Metric", "Scores", "defaults", "measure", "normalise_key", "primary_average"]

_ONE_CLASS: frozenset[Kind] = frozenset({"multiclass", "pitch", "key"})
_BOTH = ("micro", "macro")

METRICS: dict[str, Metric] = {
    metric.name: metric
    for metric in (
        Metric("accuracy", accuracy, _ONE_CLASS, _BOTH, "share of clips whose class is right"),
        Metric("f1", f1, _ONE_CLASS | {"multilabel"}, _BOTH, "harmonic mean of precision and recall"),
        Metric("key_score", key_score, frozenset({"key"}), _BOTH, "mir_eval's weighted key score"),
        Metric("pitch_class_accuracy", pitch_class_accuracy, frozenset({"pitch"}), _BOTH, "right but for the octave"),
        Metric("roc_auc", roc_auc, frozenset({"multilabel"}), ("macro",), "area under the ROC curve"),
        Metric("average_precision", average_precision, frozenset({"multilabel"}), ("macro",), "step-wise, mAP"),
        Metric("r2", r2, frozenset({"regression"}), ("macro",), "coefficient of determination"),
        Metric(
            "mean_absolute_error",
            mean_absolute_error,
            frozenset({"regression"}),
            ("macro",),
            "in the unit of the targets",
            higher_is_better=False,
        ),
    )
}

_DEFAULTS: dict[Kind, tuple[str, ...]] = {
    "multiclass": ("accuracy", "f1"),
    "multilabel": ("roc_auc", "average_precision"),
    "regression": ("r2",),
    "pitch": ("accuracy", "pitch_class_accuracy"),
    "key": ("key_score", "accuracy"),
}


def defaults(kind: Kind) -> tuple[str, ...]:
    """Return the metrics reported for a kind of task; the first is the primary one."""
    return _DEFAULTS[kind]


def primary_average(kind: Kind) -> Literal["micro", "macro"]:
    """Return the average that stands for the primary metric of a kind: over clips where there is one, else macro."""
    return "micro" if "micro" in METRICS[defaults(kind)[0]].averages else "macro"


def measure(
    name: str,
    kind: Kind,
    targets: Num[Array, "clips ..."],
    predictions: Num[Array, "clips columns"],
    classes: tuple[str, ...],
    weights: Weights | None = None,
) -> Scores:
    """Return the scores of one metric on one sample of clips, under each row of weights (default: one row of ones).

    `targets`: (clips,) indices into `classes` for multiclass, pitch and key; (clips, labels) of 0 and 1 for
    multilabel; (clips, dimensions) for regression. `predictions`: (clips, classes) scores or probabilities, of which
    the greatest wins (the first of equals), or (clips, dimensions). `classes` names the columns: keys for key, MIDI
    numbers as text for pitch. `weights`: (rows, clips) counts, such as `analysis.stats.resample_weights` draws; a
    row scores as if each clip were repeated so many times. Two spellings of one key are one class.

    Raises UnknownName or UserError for a metric that there is not, or not for this kind, and DataError for arrays
    that do not fit together, no clips, or numbers that are not finite.
    """
    metric = _metric_for(name, kind)
    guesses, truth = np.asarray(predictions, np.float64), np.asarray(targets)
    _check_shapes(kind, truth, guesses, classes)
    _check_values(kind, truth, guesses)
    rows = np.ones((1, len(truth))) if weights is None else _checked(weights, len(truth))
    truth = truth.astype(np.float64 if kind == "regression" else np.int64)
    if kind == "key":
        truth, guesses = merge_spellings(truth, guesses, classes)
    return metric.function(truth, guesses, classes, rows)


def _metric_for(name: str, kind: Kind) -> Metric:
    if name not in METRICS:
        raise UnknownName("metric", name, METRICS)
    metric = METRICS[name]
    if kind not in metric.kinds:
        fitting = ", ".join(sorted(other.name for other in METRICS.values() if kind in other.kinds))
        raise UserError(
            f"Metric '{name}' is for {' or '.join(sorted(metric.kinds))} tasks, not {kind}. "
            f"Metrics of a {kind} task: {fitting}."
        )
    return metric


def _check_shapes(kind: Kind, targets: Array, predictions: Array, classes: tuple[str, ...]) -> None:
    if len(set(classes)) != len(classes) or not classes:
        raise DataError(f"Expected at least one class, and each name once; got {', '.join(classes) or 'none'}.")
    if targets.ndim == 0 or len(targets) == 0:
        raise DataError(f"No clips to score: targets have shape {targets.shape}. Check that the split is not empty.")
    wanted = (len(targets), len(classes))
    if predictions.shape != wanted:
        raise DataError(f"Expected predictions (clips, classes) = {wanted}, got {predictions.shape}.")
    wanted_targets = wanted if kind in ("multilabel", "regression") else wanted[:1]
    if targets.shape != wanted_targets:
        raise DataError(f"Expected {kind} targets of shape {wanted_targets}, got {targets.shape}.")


def _check_values(kind: Kind, targets: Array, predictions: Array) -> None:
    for what, values in (("prediction", predictions), ("target", targets)):
        finite = np.isfinite(values)
        if not finite.all():
            bad = np.unique(np.nonzero(~finite)[0])
            raise DataError(
                f"Expected finite {what}s, but {len(bad)} of {len(values)} clips have NaN or infinity, the first at "
                f"position {bad[0]}. Look for a probe that diverged or an embedding that is not finite."
            )
    if kind == "multilabel" and not ((targets == 0) | (targets == 1)).all():
        raise DataError(f"Expected multilabel targets of 0 and 1, got values such as {_first(targets, 0, 1)}.")
    if kind in ("multiclass", "pitch", "key"):
        last = predictions.shape[1] - 1
        if not (np.mod(targets, 1) == 0).all() or targets.min() < 0 or targets.max() > last:
            raise DataError(f"Expected targets to be class indices from 0 to {last}, got {_first(targets, 0, last)}.")


def _first(targets: Array, low: int, high: int) -> Any:
    """Return the first target that is not a whole number from `low` to `high`."""
    return targets[(np.mod(targets, 1) != 0) | (targets < low) | (targets > high)].flat[0]


def _checked(weights: Array, n_clips: int) -> Float[Array, "rows clips"]:
    rows = np.asarray(weights, np.float64)
    if rows.ndim != 2 or rows.shape[1] != n_clips or len(rows) == 0:
        raise DataError(f"Expected weights (rows, clips) with {n_clips} clips, got {rows.shape}.")
    if not (np.isfinite(rows).all() and (rows >= 0).all()):
        raise DataError("Expected weights that say how often each clip counts, 0 or more; got negative or NaN ones.")
    return rows
