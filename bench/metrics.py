"""How fast are the ranking metrics, and their bootstrap, against scikit-learn? CPU seconds, one thread.

5,000 clips × 183 labels, 0.5 to 20 % positives. The bootstrap is compared with scoring each resample again by
scikit-learn, whose cost for one resample is that of one call.
"""

import statistics
import time
from collections.abc import Callable

import numpy as np
import sklearn.metrics

from earmark.analysis.stats import resample_weights
from earmark.metrics import measure as score

CLIPS, LABELS, RESAMPLES, REPEATS = 5_000, 183, 200, 5
ORACLES = {
    "average_precision": sklearn.metrics.average_precision_score,
    "roc_auc": sklearn.metrics.roc_auc_score,
}
GOALS = {"once": 4.0, "bootstrap": 40.0}

Row = dict[str, str | float]


def measure() -> list[Row]:
    """Return a row for each of {distinct scores, ties} × {scored once, bootstrap}: both metrics together.

    `ours_s` and `theirs_s` are medians of paired repeats, per scoring; `ratio` is the median of theirs / ours with
    its least and greatest; `difference` the greatest distance of a label's score from scikit-learn's.
    """
    rows: list[Row] = []
    for scores, decimals in (("distinct", 15), ("tied to 2 decimals", 2)):
        rng = np.random.default_rng(0)
        targets = (rng.random((CLIPS, LABELS)) < rng.uniform(0.005, 0.2, LABELS)).astype(int)
        predictions = np.round(rng.random((CLIPS, LABELS)) + 0.3 * targets, decimals)
        weights = resample_weights(CLIPS, None, RESAMPLES, rng)
        for how, rows_of_weights in (("once", None), ("bootstrap", weights)):
            timed = [_pair(targets, predictions, rows_of_weights) for _ in range(REPEATS)]
            rows.append({"scores": scores, "how": how, **_summary(timed), "goal": GOALS[how]})
            rows[-1]["difference"] = max(_difference(name, targets, predictions) for name in ORACLES)
    return rows


def _pair(targets: np.ndarray, predictions: np.ndarray, weights: np.ndarray | None) -> tuple[float, float]:
    """Return CPU seconds of both metrics per row of weights: ours, then scikit-learn's for one."""
    names = tuple(map(str, range(LABELS)))
    ours = sum(
        _cpu_s(lambda name=name: score(name, "multilabel", targets, predictions, names, weights)) for name in ORACLES
    )
    theirs = sum(
        _cpu_s(lambda oracle=oracle: oracle(targets, predictions, average=None)) for oracle in ORACLES.values()
    )
    return ours / (1 if weights is None else len(weights)), theirs


def _summary(timed: list[tuple[float, float]]) -> Row:
    ratios = [theirs / ours for ours, theirs in timed]
    return {
        "ours_s": statistics.median(ours for ours, _ in timed),
        "theirs_s": statistics.median(theirs for _, theirs in timed),
        "ratio": statistics.median(ratios),
        "ratio_min": min(ratios),
        "ratio_max": max(ratios),
    }


def _difference(name: str, targets: np.ndarray, predictions: np.ndarray) -> float:
    found = score(name, "multilabel", targets, predictions, tuple(map(str, range(LABELS))))
    expected = ORACLES[name](targets, predictions, average=None)
    return float(np.abs(np.concatenate(list(found.labels.values())) - expected).max())


def _cpu_s(call: Callable[[], object]) -> float:
    start = time.process_time()
    call()
    return time.process_time() - start


if __name__ == "__main__":
    for row in measure():
        print(row)
