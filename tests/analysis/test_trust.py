"""Which intervals are marked as too narrow: counts by hand, and the rules against simulated coverage."""

import numpy as np
import pytest

from bench.coverage import FOURTEEN, TWO, Clouds, Question, coverage, even
from earmark.analysis import trust
from earmark.analysis.trust import Basis
from earmark.errors import DataError


def test_support_counts_the_clips_of_each_class() -> None:
    assert trust.support(np.array([0, 2, 2, 0, 2]), 4, None).tolist() == [2, 0, 3, 0]


def test_support_counts_the_groups_of_each_class() -> None:
    assert trust.support(np.array([0, 2, 2, 0, 2]), 3, list("aabbc")).tolist() == [2, 0, 3]
    assert trust.support(np.array([0, 0, 0, 0, 1]), 2, list("aabbb")).tolist() == [2, 1]


def test_support_of_a_label_is_of_those_that_have_it_or_of_those_that_lack_it() -> None:
    targets = np.array([[1, 1, 0], [0, 1, 0], [0, 1, 0], [0, 0, 0]])
    assert trust.support(targets, 3, None).tolist() == [1, 1, 0]
    # Groups a and b: label 0 is in a, and both have clips without it; label 1 fills a, and b has a clip without it.
    assert trust.support(targets, 3, list("aabb")).tolist() == [1, 1, 0]
    assert trust.support(targets[:, :2], 2, list("abab")).tolist() == [1, 1]


def test_one_group_is_no_grouping_for_support() -> None:
    assert trust.support(np.array([0, 1, 1]), 2, ["x"] * 3).tolist() == [1, 2]


def test_groups_that_do_not_fit_are_refused() -> None:
    with pytest.raises(DataError, match="one group for each of 3 clips, got 1"):
        trust.support(np.array([0, 1, 1]), 2, ["x"])


def test_even_labels_add_up_and_rare_ones_count_most() -> None:
    assert trust.effective(np.array([5, 5, 5])) == pytest.approx(15)
    assert trust.effective(np.array([3, 0, 3])) == pytest.approx(6)
    assert trust.effective(np.array([3, 3, 3, 100_000])) == pytest.approx(16, abs=0.1)
    assert trust.effective(np.zeros(3)) == 0


def normal(spread: float = 0.02) -> np.ndarray:
    return 0.5 + spread * np.random.default_rng(0).standard_normal(1000)


def test_few_clips_or_groups_are_too_few() -> None:
    assert trust.is_narrow(0.5, normal(), Basis(14))
    assert not trust.is_narrow(0.5, normal(), Basis(15))


@pytest.mark.parametrize(("value", "narrow"), [(0.95, True), (0.89, False), (0.05, True), (0.11, False)])
def test_two_groups_must_be_right_and_two_wrong(value: float, narrow: bool) -> None:
    assert trust.is_narrow(value, normal(), Basis(24)) == narrow
    assert not trust.is_narrow(value, normal(), Basis(24, np.array([40])))


def test_a_macro_score_needs_30_clips_in_all() -> None:
    assert trust.is_narrow(0.5, normal(), Basis(100, np.array([29])))
    assert not trust.is_narrow(0.5, normal(), Basis(100, np.array([10, 10, 10])))


def test_three_wrong_clips_of_many_are_too_few_and_thirty_enough() -> None:
    rng = np.random.default_rng(1)
    for wrong, narrow in ((3, True), (30, False)):
        resamples = 1 - rng.binomial(300, wrong / 300, 4000) / 300
        assert trust.is_narrow(1 - wrong / 300, resamples, Basis(300)) == narrow


def test_resamples_that_are_all_1_promise_too_much() -> None:
    assert trust.is_narrow(1.0, np.ones(50), Basis(300, np.array([100])))
    assert not trust.is_narrow(0.25, np.full(50, 0.25), Basis(300))
    assert not trust.is_narrow(1 / 3, np.array([1 / 3, 1 / 3 + 1e-16, 1 / 3 - 1e-16] * 9), Basis(300))
    assert trust.is_narrow(1.0, np.full(50, np.nan), Basis(300, np.array([100])))


# What the intervals hold. The whole table: python -m bench.coverage


@pytest.mark.slow
@pytest.mark.parametrize("clouds", [TWO, FOURTEEN], ids=["2 classes", "14 classes"])
def test_an_interval_of_300_clips_holds_the_probes_own_accuracy_in_95_percent_of_1000_test_sets(clouds: Clouds) -> None:
    assert 0.93 <= coverage(Question("accuracy", clouds, 300)).share <= 0.97


@pytest.mark.slow
def test_an_interval_of_mean_average_precision_holds_the_mean_over_test_sets() -> None:
    tags = Clouds("multilabel", (0.02,) * 10, 2.0)
    found = coverage(Question("tags", tags, 1000, "average_precision", "macro", 3_000), 300, 10)
    assert 0.91 <= found.share <= 0.98


def test_intervals_of_few_groups_hold_the_truth_less_often_and_are_marked() -> None:
    grouped = Clouds("multiclass", even(2), 1.7, 20, 0.5)
    few, many = (coverage(Question("accuracy", clouds, 160), 200, 5) for clouds in (grouped, TWO))
    assert few.marked == 1.0
    assert many.marked < 0.05
    assert few.share < 0.90
    assert 0.91 <= many.unmarked_share <= 0.98


@pytest.mark.slow
def test_of_300_clips_nearly_all_right_most_intervals_are_marked_and_the_others_hold_the_truth() -> None:
    found = coverage(Question("accuracy", Clouds("multiclass", even(2), 4.7), 300), 400, 10)
    assert found.share < 0.92
    assert found.marked > 0.6
    assert found.unmarked_share > 0.93


@pytest.mark.slow
def test_a_probe_comes_nearer_to_the_best_possible_accuracy_with_more_clips() -> None:
    # Two clouds of unit variance, 1.7 apart: the best rule is right for Φ(0.85) of the clips.
    best = 0.8023
    gaps = []
    for n_train in (20, 100, 500, 5_000):
        found = coverage(Question("2 classes", Clouds("multiclass", even(2), 1.7), 50, n_train=n_train), 20, 20)
        gaps.append(best - found.truth)
    assert gaps == sorted(gaps, reverse=True)
    assert gaps[0] > 0.05
    assert abs(gaps[-1]) < 0.002
