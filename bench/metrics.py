"""Ranking metrics against scikit-learn: 5,000 clips × 183 labels, 0.5 to 20 % positives, ROC-AUC and mAP together.

The bootstrap is compared with scoring each resample anew; scikit-learn is timed on one of the resamples. torchmetrics
is a third way where it is installed, which no extra of ours does: `pip install --no-deps torchmetrics
lightning-utilities` in an environment of its own leaves torch as it is.
"""

import importlib
import importlib.util
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import sklearn.metrics
import torch

from bench.ratio import Ratio, compare
from earmark import identity
from earmark.analysis.stats import resample_weights
from earmark.metrics import measure as score

N_CLIPS, N_LABELS, N_RESAMPLES = 5_000, 183, 1_000
ROUNDS = 5
LABELS = tuple(map(str, range(N_LABELS)))
ORACLES = {
    "average_precision": sklearn.metrics.average_precision_score,
    "roc_auc": sklearn.metrics.roc_auc_score,
}


def measure() -> list[Ratio]:
    """Return the ratios of scoring once and of one resample of a bootstrap, without and with tied scores."""
    return [ratio for decimals in (None, 2) for ratio in _ratios(decimals)]


def _ratios(decimals: int | None) -> list[Ratio]:
    rng = identity.generator("bench", "metrics")
    targets = (rng.random((N_CLIPS, N_LABELS)) < rng.uniform(0.005, 0.2, N_LABELS)).astype(int)
    predictions = rng.random(targets.shape) + 0.3 * targets
    predictions = predictions if decimals is None else predictions.round(decimals)
    weights = resample_weights(N_CLIPS, None, N_RESAMPLES, rng)
    resample = np.repeat(np.arange(N_CLIPS), weights[0].astype(int))
    scores = "distinct scores" if decimals is None else f"scores tied at {decimals} decimals"
    once = compare(
        f"mAP and ROC-AUC of {N_CLIPS:,} × {N_LABELS}, {scores}",
        ("earmark.metrics", lambda: _ours(targets, predictions, None)),
        ("scikit-learn", lambda: _theirs(targets, predictions)),
        goal=5,
        rounds=ROUNDS,
    )
    one_of_them = compare(
        f"the same of {N_RESAMPLES:,} bootstrap resamples",
        ("earmark.metrics", lambda: _ours(targets, predictions, weights)),
        (f"scikit-learn, one resample × {N_RESAMPLES}", lambda: _theirs(targets[resample], predictions[resample])),
        goal=50,
        rounds=ROUNDS,
    )
    return [once, *_torchmetrics(scores, targets, predictions), _times(N_RESAMPLES, one_of_them)]


def _torchmetrics(scores: str, targets: np.ndarray, predictions: np.ndarray) -> list[Ratio]:
    """Return the ratio of scoring once, if torchmetrics is installed. It takes its exact way, without thresholds."""
    if importlib.util.find_spec("torchmetrics") is None:
        return []
    functional = importlib.import_module("torchmetrics.functional.classification")
    oracles: list[Callable[..., object]] = [functional.multilabel_auroc, functional.multilabel_average_precision]
    # Between 0 and 1 it leaves scores as they are; others it would put through a sigmoid.
    given = torch.from_numpy(predictions / predictions.max()), torch.from_numpy(targets)
    ratio = compare(
        f"mAP and ROC-AUC of {N_CLIPS:,} × {N_LABELS}, {scores}",
        ("earmark.metrics", lambda: _ours(targets, predictions, None)),
        ("torchmetrics", lambda: [oracle(*given, num_labels=N_LABELS, average="none") for oracle in oracles]),
        rounds=ROUNDS,
    )
    return [ratio]


def _times(n: int, ratio: Ratio) -> Ratio:
    """Return the ratio had theirs done its work `n` times: a whole bootstrap would take it minutes."""
    scaled = {name: n * getattr(ratio, name) for name in ("low", "median", "high", "theirs_s")}
    return replace(ratio, **scaled)


def _ours(targets: np.ndarray, predictions: np.ndarray, weights: np.ndarray | None) -> None:
    for name in ORACLES:
        score(name, "multilabel", targets, predictions, LABELS, weights)


def _theirs(targets: np.ndarray, predictions: np.ndarray) -> None:
    for oracle in ORACLES.values():
        oracle(targets, predictions, average=None)
