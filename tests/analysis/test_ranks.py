"""Laws of ranks over tasks. Oracles: scipy's Friedman test, the tables of Demšar 2006."""

import numpy as np
import pytest
import scipy.stats

from earmark.analysis.ranks import critical_difference, rank
from earmark.errors import DataError


def test_the_best_score_has_rank_1_and_equal_ones_share_a_rank() -> None:
    found = rank(np.array([[0.9, 0.5, 0.5, 0.1], [0.8, 0.7, 0.6, 0.5]]))
    assert found.mean_ranks.tolist() == [1.0, 2.25, 2.75, 4.0]


@pytest.mark.parametrize("decimals", [8, 1])
def test_friedmans_test_equals_scipy_with_and_without_ties(decimals: int) -> None:
    scores = np.random.default_rng(0).normal(size=(9, 5)).round(decimals) + 0.4 * np.arange(5)
    scores = scores.round(decimals)
    expected = scipy.stats.friedmanchisquare(*scores.T)
    found = rank(scores)
    assert (found.statistic, found.p) == pytest.approx((expected.statistic, expected.pvalue))


@pytest.mark.parametrize(
    ("n_systems", "q"),
    # Demšar 2006, table 5a: two-tailed Nemenyi test at 0.05
    [(2, 1.960), (3, 2.343), (4, 2.569), (5, 2.728), (6, 2.850), (7, 2.949), (8, 3.031), (9, 3.102), (10, 3.164)],
)
def test_the_critical_values_are_the_published_ones(n_systems: int, q: float) -> None:
    unit = np.sqrt(n_systems * (n_systems + 1) / (6 * 30))
    assert critical_difference(30, n_systems) / unit == pytest.approx(q, abs=1.1e-3)


def test_the_critical_difference_of_the_papers_example_is_as_published() -> None:
    # Demšar 2006, section 3.2.2: four classifiers on 14 data sets; 1.25 at 0.05 and 1.12 at 0.10.
    assert critical_difference(14, 4) == pytest.approx(1.25, abs=0.005)
    assert critical_difference(14, 4, 0.9) == pytest.approx(1.12, abs=0.005)


def test_cliques_are_the_longest_runs_that_are_not_told_apart() -> None:
    scores = np.tile([0.1, 0.2, 0.3, 0.4, 0.5], (12, 1))
    found = rank(scores)
    assert found.mean_ranks.tolist() == [5, 4, 3, 2, 1]
    assert 1 < found.critical_difference < 2
    assert found.cliques == ((4, 3), (3, 2), (2, 1), (1, 0))


def test_a_clique_inside_another_is_not_named() -> None:
    scores = np.random.default_rng(1).random((4, 3))
    assert [sorted(clique) for clique in rank(scores).cliques] == [[0, 1, 2]]


def test_systems_that_are_all_told_apart_are_in_no_clique() -> None:
    assert rank(np.tile([0.1, 0.2], (40, 1))).cliques == ()


def test_systems_that_are_alike_everywhere_are_not_told_apart() -> None:
    found = rank(np.ones((5, 3)))
    assert (found.statistic, found.p) == (0.0, 1.0)
    assert found.cliques == ((0, 1, 2),)


def test_scores_that_are_missing_are_refused() -> None:
    with pytest.raises(DataError, match="every system on every task"):
        rank(np.array([[0.1, np.nan], [0.2, 0.3]]))
    with pytest.raises(DataError, match=r"got shape \(1, 3\)"):
        rank(np.ones((1, 3)))
