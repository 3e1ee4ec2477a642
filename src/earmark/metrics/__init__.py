"""Metrics: targets and predictions in, scores out, under many rows of weights at once.

Where is a score? `classes.py` (accuracy, top-k, F1, key score), `pitch.py`, `ranking.py` (ROC-AUC, average precision,
d′), `regression.py`; `names.py` lists them, `custom.py` takes yours; `keys.py` knows how keys are spelt.
"""

from typing import Any, cast

import numpy as np
from jaxtyping import Float, Num

from earmark.errors import DataError
from earmark.metrics.base import Array, Function, HzFunction, Metric, Scores, Weights
from earmark.metrics.keys import KEYS, merge_spellings, normalise_key
from earmark.metrics.names import METRICS, code_sha256, defaults, find, primary_average
from earmark.metrics.pitch import hz_of_midi, is_within_cents
from earmark.nouns import Kind

__all__ = [
    "KEYS",
    "METRICS",
    "Metric",
    "Scores",
    "code_sha256",
    "defaults",
    "find",
    "hz_of_midi",
    "is_within_cents",
    "measure",
    "normalise_key",
    "primary_average",
]


def measure(
    name: str,
    kind: Kind,
    targets: Num[Array, "clips ..."],
    predictions: Num[Array, "clips columns"],
    classes: tuple[str, ...],
    weights: Weights | None = None,
    target_hz: Float[Array, " clips"] | None = None,
) -> Scores:
    """Return the scores of one metric on one sample of clips, under each row of weights (default: one row of ones).

    `name` is one of METRICS, or "module:name" of a function (targets, predictions) → number or a `Metric`.

    `targets`: (clips,) indices into `classes` for multiclass, pitch and key; (clips, labels) of 0 and 1 for
    multilabel; (clips, dimensions) for regression. `predictions`: (clips, classes) scores or probabilities, of which
    the greatest wins (the first of equals), or (clips, dimensions). `classes` names the columns: keys for key, MIDI
    numbers as text for pitch. `weights`: (rows, clips) counts, such as `analysis.stats.resample_weights` draws; a
    row scores as if each clip were repeated so many times. Two spellings of one key are one class. `target_hz`: the
    true frequencies of a pitch task whose classes are rounded; metrics in cents measure from these.

    Raises UnknownName or UserError for a metric that there is not, or not for this kind, and DataError for arrays
    that do not fit together, no clips, or numbers that are not finite.
    """
    metric = find(name, kind)
    guesses, truth = np.asarray(predictions, np.float64), np.asarray(targets)
    _check_shapes(kind, truth, guesses, classes)
    _check_values(kind, truth, guesses)
    rows = np.ones((1, len(truth))) if weights is None else _checked(weights, len(truth))
    truth = truth.astype(np.float64 if kind == "regression" else np.int64)
    if kind == "key":
        truth, guesses = merge_spellings(truth, guesses, classes)
    exact = None if target_hz is None else _checked_hz(target_hz, kind, len(truth))
    if metric.takes_hz:
        return cast(HzFunction, metric.function)(truth, guesses, classes, rows, exact)
    return cast(Function, metric.function)(truth, guesses, classes, rows)


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


def _checked_hz(target_hz: Array, kind: Kind, n_clips: int) -> Float[Array, " clips"]:
    found = np.asarray(target_hz, np.float64)
    if kind != "pitch" or found.shape != (n_clips,) or not (np.isfinite(found) & (found > 0)).all():
        raise DataError(
            f"Expected target_hz to be the frequencies above 0 Hz of the {n_clips} clips of a pitch task, got an array "
            f"of shape {found.shape} for a {kind} task, {int((np.isfinite(found) & (found > 0)).sum())} of them such."
        )
    return found


def _checked(weights: Array, n_clips: int) -> Float[Array, "rows clips"]:
    rows = np.asarray(weights, np.float64)
    if rows.ndim != 2 or rows.shape[1] != n_clips or len(rows) == 0:
        raise DataError(f"Expected weights (rows, clips) with {n_clips} clips, got {rows.shape}.")
    if not (np.isfinite(rows).all() and (rows >= 0).all()):
        raise DataError("Expected weights that say how often each clip counts, 0 or more; got negative or NaN ones.")
    return rows
