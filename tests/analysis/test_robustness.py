"""What is left of a score as a deformation grows stronger, on scores that are made up."""

import numpy as np
import pytest
from scipy.integrate import trapezoid

from earmark.analysis import robustness
from earmark.analysis.stats import Estimate, percentile_interval
from earmark.errors import DataError


def estimate(value: float, seed: int = 0) -> Estimate:
    samples = value + 0.1 * np.random.default_rng(seed).standard_normal(200)
    return Estimate(value, samples, percentile_interval(samples, value))


def test_the_area_is_the_mean_drop_over_the_range() -> None:
    scores = {40.0: 0.9, 10.0: 0.5, 0.0: 0.2, 20.0: 0.8}
    found = robustness.degradation(estimate(0.9), {one: estimate(score) for one, score in scores.items()})
    assert found.severities == (0, 10, 20, 40)
    assert found.area is not None
    by_scipy = trapezoid([0.7, 0.4, 0.1, 0.0], [0, 10, 20, 40]) / 40
    assert found.area.value == pytest.approx(by_scipy)
    assert found.worst == 0


def test_a_severity_on_the_line_between_two_others_changes_no_area() -> None:
    ends = {0.0: estimate(0.2), 40.0: estimate(0.8)}
    few = robustness.degradation(estimate(0.9), ends).area
    more = robustness.degradation(estimate(0.9), ends | {10.0: estimate(0.35)}).area
    assert few is not None
    assert more is not None
    assert more.value == pytest.approx(few.value)


def test_what_loses_nothing_has_no_area_and_an_interval_of_nothing() -> None:
    found = robustness.degradation(estimate(0.7), {0.0: estimate(0.7), 5.0: estimate(0.7)})
    assert found.area is not None
    assert (found.area.value, *found.area.interval[:2]) == pytest.approx((0, 0, 0))


def test_drops_are_paired() -> None:
    """Clean and deformed scores rise and fall together, so their difference is known far better than either."""
    found = robustness.degradation(estimate(0.9, 1), {0.0: estimate(0.5, 1), 1.0: estimate(0.5, 2)})
    together, apart = (drop.interval.high - drop.interval.low for drop in found.drops)
    assert together < 1e-9 < 0.3 < apart


def test_where_less_is_better_what_grows_is_lost() -> None:
    found = robustness.degradation(estimate(1.0), {0.0: estimate(3.0), 9.0: estimate(1.5)}, less_is_better=True)
    assert [drop.value for drop in found.drops] == pytest.approx([2.0, 0.5])


def test_one_severity_has_a_drop_and_no_area() -> None:
    found = robustness.degradation(estimate(0.9), {3.0: estimate(0.4)})
    assert found.area is None
    assert found.drops[0].value == pytest.approx(0.5)


def test_an_undefined_score_leaves_the_area_undefined_and_the_worst_among_the_others() -> None:
    nothing = Estimate(np.nan, np.full(200, np.nan), percentile_interval(np.full(200, np.nan), np.nan))
    found = robustness.degradation(estimate(0.9), {0.0: nothing, 1.0: estimate(0.4)})
    assert found.area is not None
    assert np.isnan(found.area.value)
    assert found.worst == 1


def test_no_severity_is_refused() -> None:
    with pytest.raises(DataError, match="Expected scores at one severity or more, got none"):
        robustness.degradation(estimate(0.9), {})
    with pytest.raises(DataError, match=r"Expected two or more severities in ascending order, got \[1, 1\]"):
        robustness.trapezoid([1, 1])


def test_areas_over_other_severities_are_not_compared() -> None:
    robustness.require_same_severities("noise", [(0, 10), (0, 10)])
    with pytest.raises(DataError, match="Sweep 'noise' has severities 0/10 and 0/10/20: an area is comparable only"):
        robustness.require_same_severities("noise", [(0, 10), (0, 10, 20)])
