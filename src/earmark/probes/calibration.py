"""Probabilities that can be believed: what a probe says, bent until its confidence is how often it is right.

One class a clip: a temperature. Many labels: a slope and an offset each. Both are fitted on validation clips, which
also stopped or chose the probe, so that what is reported of them is a little too good.
"""

import math
from dataclasses import dataclass
from typing import cast

import numpy as np
from jaxtyping import Float, Float32, Num
from scipy import optimize, special

from earmark.errors import UserError
from earmark.metrics import calibration as measures
from earmark.nouns import Kind

Array = np.ndarray
STEEPEST = 100.0
"""Slopes lie between 1 / STEEPEST and STEEPEST: a clip or label of a higher score keeps the higher probability."""
THRESHOLDS = tuple(step / 100 for step in range(101))


@dataclass(frozen=True)
class Quality:
    """How far probabilities can be believed on the validation clips; lower is better of both."""

    log_loss: float
    calibration_error: float


@dataclass(frozen=True)
class Calibration:
    """How a probe's scores become calibrated probabilities, and what that changed on the validation clips.

    One class a clip: softmax(slopes[0] · ln p), a temperature of 1 / slopes[0]. Labels: sigmoid(slope · logit p +
    offset), one of each a label. `coverage` and `accuracy`: at each of THRESHOLDS the share of calibrated answers of
    that confidence or more, and how many of them are right, None where there are none.
    """

    kind: Kind
    slopes: tuple[float, ...]
    offsets: tuple[float, ...]
    n_clips: int
    before: Quality
    after: Quality
    coverage: tuple[float, ...]
    accuracy: tuple[float | None, ...]

    def of(self, scores: Num[Array, "clips outputs"]) -> Float32[Array, "clips outputs"]:
        """Return calibrated probabilities. The order of classes in a clip, and of clips by a label, stays."""
        bend = _labels_bent if self.kind == "multilabel" else _classes_bent
        return bend(scores, np.array(self.slopes), np.array(self.offsets)).astype(np.float32)

    def threshold(self, accuracy: float) -> float:
        """Return the least confidence from which on answers are right so often on the validation clips.

        Raises UserError for an accuracy that no threshold reaches.
        """
        reached = [(one, share) for one, share in zip(THRESHOLDS, self.accuracy, strict=True) if share is not None]
        for threshold, share in reached:
            if share >= accuracy:
                return threshold
        most = math.floor(1000 * max(share for _, share in reached)) / 1000  # rounded down, so that it is reached
        raise UserError(
            f"Expected an accuracy that this probe reaches on its {self.n_clips} validation clips, at most "
            f"{most:.3f} however unsure it may be; got {accuracy:g}."
        )


def fit(kind: Kind, targets: Num[Array, "clips ..."], scores: Num[Array, "clips outputs"]) -> Calibration | None:
    """Return the calibration of a probe from what it says of validation clips; None for numbers, or without clips.

    A temperature minimises the log loss. Source: Guo et al. 2017, section 4.2. Labels: Platt 1999, "Probabilistic
    outputs for support vector machines", section 2.2, with his targets, which keep a label of few positives from
    certainty; a label that all validation clips have, or none, stays as it is. *Differs*: a temperature
    pays (1 / temperature − 1)² / 2 beside the summed log loss, since few clips that are all right would make it 0; what
    is bent by Platt is the logit of a probability, and no margin; slopes are bounded (STEEPEST).
    """
    if kind == "regression" or not len(targets):
        return None
    if kind == "multilabel":
        fitted = [_platt(labels, one) for labels, one in zip(targets.T > 0, _logits(scores).T, strict=True)]
        slopes, offsets = (tuple(each) for each in zip(*fitted, strict=True))
        bent = _labels_bent(scores, np.array(slopes), np.array(offsets))
    else:
        slopes, offsets = (_inverse_temperature(targets, scores),), (0.0,)
        bent = _classes_bent(scores, np.array(slopes), np.array(offsets))
    coverage, accuracy = measures.answered(targets, bent, np.array(THRESHOLDS))
    return Calibration(
        kind,
        slopes,
        offsets,
        len(targets),
        _quality(targets, scores),
        _quality(targets, bent),
        tuple(coverage.tolist()),
        tuple(None if np.isnan(share) else share for share in accuracy.tolist()),
    )


def _quality(targets: Array, predictions: Array) -> Quality:
    return Quality(measures.log_loss(targets, predictions), measures.calibration_error(targets, predictions))


def _inverse_temperature(targets: Array, scores: Array) -> float:
    """Return the slope at which log loss and penalty are least: both are convex, so the derivative has one zero."""
    logs = np.log(measures.distribution(scores))
    true = logs[np.arange(len(targets)), targets]

    def derivative(slope: float) -> float:
        return float(((special.softmax(slope * logs, axis=1) * logs).sum(axis=1) - true).sum()) + slope - 1

    low, high = 1 / STEEPEST, STEEPEST
    if derivative(low) >= 0:
        return low
    return high if derivative(high) <= 0 else float(optimize.brentq(derivative, low, high, xtol=1e-12))


def _platt(is_true: Array, logits: Float[Array, " clips"]) -> tuple[float, float]:
    """Return the slope and the offset of one label."""
    n_true, n_false = int(is_true.sum()), int((~is_true).sum())
    if not n_true or not n_false:
        return 1.0, 0.0
    wanted = np.where(is_true, (n_true + 1) / (n_true + 2), 1 / (n_false + 2))

    def loss(line: Array) -> tuple[float, Array]:
        sums = line[0] * logits + line[1]
        slack = special.expit(sums) - wanted
        return float((np.logaddexp(0, sums) - wanted * sums).sum()), np.array([slack @ logits, slack.sum()])

    bounds = ((1 / STEEPEST, STEEPEST), (None, None))
    found = optimize.minimize(loss, np.array([1.0, 0.0]), jac=True, method="L-BFGS-B", bounds=bounds)
    return float(found.x[0]), float(found.x[1])


def _logits(scores: Array) -> Float[Array, "clips labels"]:
    given = np.clip(np.asarray(scores, np.float64), measures.FLOOR, 1 - measures.FLOOR)
    return cast(Array, special.logit(given))


def _classes_bent(scores: Array, slopes: Array, offsets: Array) -> Float[Array, "clips classes"]:
    return cast(Array, special.softmax(slopes * np.log(measures.distribution(scores)) + offsets, axis=1))


def _labels_bent(scores: Array, slopes: Array, offsets: Array) -> Float[Array, "clips labels"]:
    return cast(Array, special.expit(slopes * _logits(scores) + offsets))
