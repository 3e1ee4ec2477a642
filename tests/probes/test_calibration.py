"""Calibration: temperature and Platt against synthetic truth and scikit-learn, and what they must leave alone."""

import numpy as np
import pytest
from scipy import special
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.calibration import CalibratedClassifierCV
from sklearn.frozen import FrozenEstimator
from sklearn.metrics import log_loss

from earmark.errors import UserError
from earmark.metrics import calibration as measures
from earmark.probes import calibration
from earmark.probes.calibration import THRESHOLDS

TEMPERATURE = 3.0


def drawn(n_clips: int, seed: int, n_classes: int = 5) -> tuple[np.ndarray, np.ndarray]:
    """Return (targets, scores) of a probe whose logits are TEMPERATURE times too large, else exactly right."""
    rng = np.random.default_rng(seed)
    logits = 1.5 * rng.standard_normal((n_clips, n_classes))
    true = special.softmax(logits, axis=1)
    targets = (true.cumsum(axis=1) < rng.random(n_clips)[:, None]).sum(axis=1)
    return targets, special.softmax(TEMPERATURE * logits, axis=1).astype(np.float32)


def drawn_labels(n_clips: int, seed: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return (targets, scores, true probabilities) of three labels whose logits are 2 z + 1, z / 2 − 1 and z."""
    rng = np.random.default_rng(seed)
    logits = 1.5 * rng.standard_normal((n_clips, 3))
    true = special.expit(logits)
    bent = special.expit(np.array([2.0, 0.5, 1.0]) * logits + np.array([1.0, -1.0, 0.0]))
    return (rng.random(true.shape) < true).astype(np.float32), bent.astype(np.float32), true


def test_a_known_temperature_is_found_and_other_clips_are_believed_rightly() -> None:
    found = calibration.fit("multiclass", *drawn(20_000, 0))
    assert found is not None
    assert 1 / found.slopes[0] == pytest.approx(TEMPERATURE, rel=0.03)
    targets, scores = drawn(20_000, 1)
    assert measures.calibration_error(targets, scores) > 0.15
    assert measures.calibration_error(targets, found.of(scores)) < 0.015
    assert measures.log_loss(targets, found.of(scores)) < measures.log_loss(targets, scores)


@pytest.mark.parametrize("n_clips", [1, 2, 5, 30])
def test_on_its_own_clips_a_temperature_never_raises_the_log_loss(n_clips: int) -> None:
    for seed in range(20):
        rng = np.random.default_rng(seed)
        scores = rng.dirichlet(np.full(4, 0.5), n_clips).astype(np.float32)
        found = calibration.fit("pitch", rng.integers(0, 4, n_clips), scores)
        assert found is not None
        assert found.after.log_loss <= found.before.log_loss + 1e-12


@pytest.mark.parametrize("seed", range(8))
def test_a_probe_that_knows_nothing_and_is_sure_costs_less_afterwards(seed: int) -> None:
    rng = np.random.default_rng(seed)
    scores = rng.dirichlet(np.full(4, 0.2), 30).astype(np.float32)
    found = calibration.fit("key", rng.integers(0, 4, 30), scores)
    assert found is not None
    assert found.after.log_loss < found.before.log_loss
    assert found.after.calibration_error < found.before.calibration_error


def test_no_temperature_of_a_grid_is_better_than_the_one_that_is_found() -> None:
    targets, scores = drawn(300, 2)
    found = calibration.fit("multiclass", targets, scores)
    assert found is not None

    logs = np.log(np.maximum(scores.astype(float), measures.FLOOR))

    def cost(slope: float) -> float:
        return float(-special.log_softmax(slope * logs, axis=1)[np.arange(300), targets].sum() + (slope - 1) ** 2 / 2)

    grid = np.geomspace(0.01, 100, 4001)
    best = grid[np.argmin([cost(slope) for slope in grid])]
    assert found.slopes[0] == pytest.approx(best, rel=0.0025)
    assert cost(found.slopes[0]) <= cost(best)


@pytest.mark.parametrize("n_clips", [3, 30])
def test_few_clips_that_are_all_right_make_nothing_certain(n_clips: int) -> None:
    targets = np.arange(n_clips) % 3
    scores = np.where(np.arange(3) == targets[:, None], 0.6, 0.2).astype(np.float32)
    found = calibration.fit("multiclass", targets, scores)
    assert found is not None
    assert 0.6 < found.of(scores).max() < 0.996


def test_slopes_and_offsets_of_labels_are_undone() -> None:
    targets, scores, _ = drawn_labels(20_000, 0)
    found = calibration.fit("multilabel", targets, scores)
    assert found is not None
    np.testing.assert_allclose(found.slopes, [0.5, 2.0, 1.0], rtol=0.1)
    np.testing.assert_allclose(found.offsets, [-0.5, 2.0, 0.0], atol=0.12)
    _, others, true = drawn_labels(20_000, 1)
    np.testing.assert_allclose(found.of(others), true, atol=0.04)


class Logit(ClassifierMixin, BaseEstimator):  # type: ignore[misc] # scikit-learn publishes no types
    """A fitted classifier whose margin is its one input."""

    classes_ = np.array([0, 1])

    def fit(self, x: np.ndarray, y: np.ndarray) -> "Logit":
        self.fitted_ = True
        return self

    def predict(self, x: np.ndarray) -> np.ndarray:
        return (x[:, 0] > 0).astype(int)

    def decision_function(self, x: np.ndarray) -> np.ndarray:
        return x[:, 0]


def test_a_label_is_calibrated_as_scikit_learn_does_it() -> None:
    targets, scores, _ = drawn_labels(400, 3)
    found = calibration.fit("multilabel", targets, scores)
    assert found is not None
    margins = special.logit(scores.astype(float))
    for label in range(3):
        oracle = CalibratedClassifierCV(
            FrozenEstimator(Logit().fit(margins, targets)), method="sigmoid", ensemble=False
        )
        oracle.fit(margins[:, [label]], targets[:, label].astype(int))
        expected = oracle.predict_proba(margins[:, [label]])[:, 1]
        np.testing.assert_allclose(found.of(scores)[:, label], expected, atol=2e-4)


def test_log_loss_is_scikit_learns() -> None:
    targets, scores = drawn(200, 4)
    kept = scores.astype(float) / scores.sum(axis=1, dtype=float)[:, None]
    assert measures.log_loss(targets, scores) == pytest.approx(log_loss(targets, kept, labels=range(5)), rel=1e-3)


def test_calibration_error_is_that_of_a_loop_over_bins() -> None:
    targets, scores = drawn(500, 5)
    said, right = scores.max(axis=1), scores.argmax(axis=1) == targets
    expected = 0.0
    for number in range(measures.BINS):
        inside = (said > number / measures.BINS) & (said <= (number + 1) / measures.BINS)
        if inside.any():
            expected += inside.mean() * abs(said[inside].mean() - right[inside].mean())
    assert measures.calibration_error(targets, scores) == pytest.approx(expected, abs=1e-6)


@pytest.mark.parametrize("kind", ["multiclass", "multilabel"])
def test_the_order_of_scores_stays(kind: str) -> None:
    rng = np.random.default_rng(6)
    scores = rng.random((40, 4)).astype(np.float32)
    targets = rng.integers(0, 4, 40) if kind == "multiclass" else (rng.random((40, 4)) < 0.5).astype(np.float32)
    found = calibration.fit(kind, targets, scores)  # type: ignore[arg-type]  # a parameter is a str
    assert found is not None
    axis = 1 if kind == "multiclass" else 0
    np.testing.assert_array_equal(found.of(scores).argsort(axis=axis), scores.argsort(axis=axis))


def test_a_label_that_all_validation_clips_have_stays_as_it_is() -> None:
    scores = np.array([[0.2, 0.9], [0.7, 0.4], [0.6, 0.1]], np.float32)
    found = calibration.fit("multilabel", np.array([[1, 1], [1, 0], [1, 0]], np.float32), scores)
    assert found is not None
    assert (found.slopes[0], found.offsets[0]) == (1.0, 0.0)
    np.testing.assert_allclose(found.of(scores)[:, 0], scores[:, 0], rtol=1e-6)


def test_certain_and_wrong_stays_a_number() -> None:
    scores = np.array([[1, 0], [1, 0], [0, 1]], np.float32)
    found = calibration.fit("multiclass", np.array([1, 0, 1]), scores)
    assert found is not None
    assert np.isfinite([found.before.log_loss, found.after.log_loss]).all()
    assert found.of(scores)[0, 0] == pytest.approx(2 / 3, abs=0.03)  # as often as it is right


def test_numbers_and_no_clips_have_no_calibration() -> None:
    assert calibration.fit("regression", np.zeros((3, 1)), np.zeros((3, 1))) is None
    assert calibration.fit("multiclass", np.zeros(0, int), np.zeros((0, 2))) is None


def test_coverage_and_accuracy_are_those_of_a_count() -> None:
    targets, scores = drawn(300, 7)
    coverage, accuracy = measures.answered(targets, scores, np.array(THRESHOLDS))
    for threshold, share, right in zip(THRESHOLDS, coverage, accuracy, strict=True):
        kept = scores.max(axis=1).astype(float) >= threshold
        assert share == kept.mean()
        assert np.isnan(right) if not kept.any() else right == (scores.argmax(axis=1) == targets)[kept].mean()


def test_an_accuracy_names_the_least_threshold_that_has_it() -> None:
    targets, scores = drawn(5000, 8)
    found = calibration.fit("multiclass", targets, scores)
    assert found is not None
    threshold = found.threshold(0.9)
    at = THRESHOLDS.index(threshold)
    here, before = found.accuracy[at], found.accuracy[at - 1]
    assert here is not None
    assert before is not None
    assert here >= 0.9 > before
    assert found.threshold(0.0) == 0.0
    with pytest.raises(UserError, match="Expected an accuracy that this probe reaches on its 5000 validation clips"):
        found.threshold(1.01)


@pytest.mark.parametrize("n_clips", [3, 7, 9, 29, 57, 1000, 1414])
def test_the_accuracy_that_is_named_as_reached_is_reached(n_clips: int) -> None:
    quality = calibration.Quality(0.0, 0.0)
    for n_right in range(1, n_clips):
        share = (n_right / n_clips,)
        found = calibration.Calibration(
            "multiclass", (1.0,), (0.0,), n_clips, quality, quality, (1.0,) * 101, share * 101
        )
        with pytest.raises(UserError, match="at most") as raised:
            found.threshold(1.0)
        named = float(str(raised.value).split("at most ")[1].split()[0])
        assert share[0] - 0.00101 < named
        assert found.threshold(named) == 0.0
