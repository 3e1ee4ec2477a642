import numpy as np
import pytest
from sklearn.metrics import average_precision_score, r2_score

from earmark.probes.monitors import accuracy, average_precision, r2


def test_accuracy_counts_the_first_of_equal_scores() -> None:
    assert accuracy(np.array([0, 1, 1]), np.array([[0.5, 0.5], [0.5, 0.5], [0.1, 0.9]])) == pytest.approx(2 / 3)


@pytest.mark.parametrize("decimals", [1, 8])
def test_average_precision_is_scikit_learns_with_and_without_ties(decimals: int) -> None:
    rng = np.random.default_rng(decimals)
    targets = (rng.random((200, 7)) < 0.2).astype(np.float32)
    scores = rng.random((200, 7)).round(decimals).astype(np.float32)
    expected = np.mean([average_precision_score(targets[:, i], scores[:, i]) for i in range(7)])
    assert average_precision(targets, scores) == pytest.approx(expected, abs=1e-12)


def test_labels_without_positives_are_left_out_of_average_precision() -> None:
    targets, scores = np.array([[1, 0], [0, 0]]), np.array([[0.9, 0.1], [0.2, 0.3]])
    assert average_precision(targets, scores) == 1.0
    assert np.isnan(average_precision(np.zeros((2, 2)), scores))


def test_r2_is_scikit_learns_mean_over_outputs() -> None:
    rng = np.random.default_rng(0)
    targets = rng.standard_normal((50, 2)).astype(np.float32)
    scores = (targets + rng.standard_normal((50, 2)) / 2).astype(np.float32)
    assert r2(targets, scores) == pytest.approx(r2_score(targets, scores), abs=1e-6)


def test_outputs_that_do_not_vary_are_left_out_of_r2() -> None:
    targets = np.array([[1.0, 5.0], [2.0, 5.0]])
    assert r2(targets, targets) == 1.0
    assert np.isnan(r2(targets[:1], targets[:1]))
