"""Laws of resamples and intervals. Oracles: scipy's exact test, simulated repetitions."""

from functools import partial

import numpy as np
import pytest
import scipy.stats
from numpy.typing import NDArray

from earmark.analysis.stats import (
    Estimate,
    bootstrap,
    exact_interval,
    jackknife,
    mean_over_seeds,
    paired_difference,
    percentile_interval,
    resample_weights,
    resampled_units,
    score_interval,
)
from earmark.errors import DataError

Floats = NDArray[np.float64]


def rng(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


def mean_of(values: Floats, weights: Floats) -> Floats:
    means: Floats = weights @ values / weights.sum(axis=1)
    return means


def estimate_of(values: Floats, weights: Floats) -> Estimate:
    samples = mean_of(values, weights)
    return Estimate(values.mean(), samples, percentile_interval(samples, values.mean()))


# Resamples


def test_a_resample_counts_as_many_clips_as_there_are() -> None:
    weights = resample_weights(50, None, 200, rng())
    assert weights.shape == (200, 50)
    assert (weights.sum(axis=1) == 50).all()
    assert (weights == weights.round()).all()
    assert weights.mean(axis=0) == pytest.approx(np.ones(50), abs=0.3)


def test_the_same_seed_gives_the_same_resamples_and_more_of_them_keep_the_first() -> None:
    first = resample_weights(20, None, 10, rng(7))
    np.testing.assert_array_equal(first, resample_weights(20, None, 30, rng(7))[:10])
    assert (first != resample_weights(20, None, 10, rng(8))).any()


def test_the_clips_of_a_group_are_drawn_together() -> None:
    groups = ["cello", "flute", "cello", "oboe", "flute", "cello"]
    weights = resample_weights(6, groups, 300, rng())
    np.testing.assert_array_equal(weights[:, 0], weights[:, 2])
    np.testing.assert_array_equal(weights[:, 1], weights[:, 4])
    assert (weights[:, [0, 1, 3]].sum(axis=1) == 3).all()


def test_one_group_is_no_grouping() -> None:
    np.testing.assert_array_equal(resample_weights(9, ["a"] * 9, 5, rng()), resample_weights(9, None, 5, rng()))
    assert resampled_units(9, ["a"] * 9) == resampled_units(9, None) == "9 clips"
    assert resampled_units(9, list("aaabbbccc")) == "3 groups"
    assert resampled_units(1, None) == "1 clip"


def test_resamples_of_nothing_are_refused() -> None:
    with pytest.raises(DataError, match="got 0 clips"):
        resample_weights(0, None, 10, rng())
    with pytest.raises(DataError, match="one group for each of 3 clips, got 2"):
        resample_weights(3, ["a", "b"], 10, rng())


# Intervals


def test_the_percentile_interval_is_the_middle_of_the_resamples() -> None:
    low, high, level, method = percentile_interval(np.arange(1001.0), 500.0, 0.9, "528 clips")
    assert (low, high, level) == pytest.approx((50.0, 950.0, 0.9))
    assert method == "percentile bootstrap over 528 clips, 1001 resamples"


def test_resamples_without_a_value_are_dropped_and_counted() -> None:
    found = percentile_interval(np.array([1.0, np.nan, 1.0, np.nan]), 1.0)
    assert (found.low, found.high) == (1.0, 1.0)
    assert found.method == "percentile bootstrap, 4 resamples (2 undefined)"


def test_resamples_that_are_too_high_are_moved_back_to_the_value() -> None:
    samples = rng(12).normal(0.7, 0.1, 1000)
    plain, moved = percentile_interval(samples, float(samples.mean())), percentile_interval(samples, 0.65)
    shift = samples.mean() - 0.65
    assert moved[:2] == pytest.approx((plain.low - shift, plain.high - shift))
    assert moved.method == "percentile bootstrap, 1000 resamples, moved by their bias"
    assert plain.method == "percentile bootstrap, 1000 resamples"


def test_resamples_whose_mean_differs_by_chance_are_left_where_they_are() -> None:
    samples = rng(13).normal(0.7, 0.1, 1000)
    error = samples.std() / np.sqrt(1000)
    assert percentile_interval(samples, samples.mean() + 3.9 * error) == percentile_interval(samples, samples.mean())


def test_a_moved_interval_stays_within_the_resamples_and_holds_the_value() -> None:
    samples = np.clip(rng(14).normal(0.9, 0.1, 1000), 0, 1)
    low, high, *_ = percentile_interval(samples, 0.98)
    assert low < 0.98 < high == 1.0
    assert percentile_interval(np.full(9, 1 / 3 + 1e-16), 1 / 3).method == "percentile bootstrap, 9 resamples"
    assert percentile_interval(np.full(10, 0.4), 0.3)[:2] == pytest.approx((0.3, 0.3))


@pytest.mark.parametrize(("samples", "value"), [([np.nan, np.nan], 0.5), ([0.1, 0.2], np.nan)])
def test_an_undefined_score_has_no_interval(samples: list[float], value: float) -> None:
    found = percentile_interval(np.array(samples), value)
    assert np.isnan([found.low, found.high]).all()


@pytest.mark.parametrize("level", [0.0, 1.0, 95.0])
def test_a_level_is_a_share(level: float) -> None:
    with pytest.raises(DataError, match="between 0 and 1"):
        percentile_interval(np.zeros(3), 0.0, level)


@pytest.mark.parametrize(("successes", "n"), [(0, 10), (10, 10), (3, 17), (1, 1), (250, 528)])
@pytest.mark.parametrize("level", [0.9, 0.95])
def test_the_exact_interval_equals_scipy(successes: int, n: int, level: float) -> None:
    expected = scipy.stats.binomtest(successes, n).proportion_ci(level, "exact")
    found = exact_interval(successes, n, level)
    assert (found.low, found.high) == pytest.approx((expected.low, expected.high), abs=1e-12)


def test_impossible_counts_are_refused() -> None:
    with pytest.raises(DataError, match="got 4 in 3"):
        exact_interval(4, 3)


@pytest.mark.parametrize("value", [0.0, 1.0])
def test_an_interval_where_all_is_right_or_wrong_has_width(value: float) -> None:
    found = score_interval(np.full(100, value), value, 12, over="12 clips")
    assert found.method == "Clopper–Pearson over 12 clips"
    assert found.high - found.low == pytest.approx(1 - 0.025 ** (1 / 12))
    assert value in (found.low, found.high)


def test_only_a_degenerate_proportion_takes_the_exact_interval() -> None:
    varied = np.array([1.0, 0.9, 1.0])
    assert score_interval(varied, 1.0, 12).method.startswith("percentile")
    assert score_interval(np.ones(3), 1.0, None).method.startswith("percentile")


def test_an_interval_of_95_percent_covers_the_truth_in_about_95_percent_of_samples() -> None:
    truth, n, repetitions = 0.7, 80, 300
    draws = rng(1)
    covered = 0
    for _ in range(repetitions):
        right = (draws.random(n) < truth).astype(float)
        found = bootstrap(partial(mean_of, right), n, None, 300, draws)
        covered += found.interval.low <= truth <= found.interval.high
    assert 0.90 <= covered / repetitions <= 0.99


def test_grouped_clips_that_agree_give_wider_intervals() -> None:
    right = np.repeat(rng(2).random(20) < 0.6, 10).astype(float)
    groups = [str(number) for number in np.repeat(np.arange(20), 10)]
    by_clip, by_group = (bootstrap(partial(mean_of, right), 200, each, 2000, rng(3)) for each in (None, groups))
    widths = [found.interval.high - found.interval.low for found in (by_clip, by_group)]
    assert by_clip.value == by_group.value == right.mean()
    assert widths[1] / widths[0] == pytest.approx(np.sqrt(10), rel=0.15)
    assert by_group.interval.method == "percentile bootstrap over 20 groups, 2000 resamples"


# Differences and seeds


def test_a_difference_on_shared_resamples_is_narrower_than_its_parts() -> None:
    hard = rng(4).random(100)
    one, other = (hard < 0.5).astype(float), (hard < 0.6).astype(float)
    weights = resample_weights(100, None, 1000, rng(5))
    a, b = (estimate_of(values, weights) for values in (other, one))
    found, alone = paired_difference(a, b), a.interval
    assert found.value == pytest.approx(other.mean() - one.mean())
    assert 0 < found.interval.low < found.value < found.interval.high < 0.25
    assert found.interval.high - found.interval.low < alone.high - alone.low


def test_a_system_cannot_be_told_from_itself() -> None:
    one = estimate_of(rng().random(50), resample_weights(50, None, 40, rng(6)))
    found = paired_difference(one, one)
    assert (found.value, *found.interval[:2]) == (0.0, 0.0, 0.0)
    with pytest.raises(DataError, match=r"same resamples, got shapes \(40,\) and \(39,\)"):
        paired_difference(one, one._replace(samples=one.samples[1:]))


def test_the_mean_over_seeds_averages_resample_by_resample() -> None:
    values, samples = np.array([0.4, 0.6]), rng().normal(0.5, 0.1, (2, 500))
    samples[0, 3] = np.nan
    found = mean_over_seeds(values, samples, over="9 clips")
    assert found.value == 0.5
    np.testing.assert_array_equal(found.samples, samples.mean(axis=0))
    assert found.interval == percentile_interval(samples.mean(axis=0), 0.5, over="9 clips")
    assert found.interval.method.endswith("500 resamples (1 undefined)")


def test_one_seed_is_its_own_mean() -> None:
    samples = rng().random((1, 40))
    assert mean_over_seeds(np.array([0.5]), samples).interval == percentile_interval(samples[0], 0.5)
    with pytest.raises(DataError, match=r"got shapes \(2,\) and \(1, 40\)"):
        mean_over_seeds(np.zeros(2), samples)


def test_the_jackknife_of_a_mean_is_its_t_interval() -> None:
    values = rng().standard_normal(9)
    without = [float(np.delete(values, place).mean()) for place in range(9)]
    found = jackknife(float(values.mean()), without, over="9 clips")
    expected = scipy.stats.t.interval(0.95, 8, loc=values.mean(), scale=scipy.stats.sem(values))
    assert (found.low, found.high) == pytest.approx(expected, abs=1e-12)
    assert found.method == "jackknife over 9 clips, 9 parts"


def test_the_jackknife_covers_a_correlation_in_19_of_20_repetitions() -> None:
    draws, covered = rng(1), 0
    for _ in range(400):
        x, noise = draws.standard_normal((2, 64))
        y, parts = 0.6 * x + 0.8 * noise, np.arange(64) % 8
        without = [float(np.corrcoef(x[parts != part], y[parts != part])[0, 1]) for part in range(8)]
        low, high, *_ = jackknife(float(np.corrcoef(x, y)[0, 1]), without)
        covered += low <= 0.6 <= high
    assert 0.92 <= covered / 400 <= 0.98


def test_the_jackknife_is_undefined_for_a_single_part_and_for_a_value_that_is() -> None:
    for value, without in ((0.5, [0.5]), (0.5, []), (float("nan"), [0.1, 0.2]), (0.5, [0.1, float("nan")])):
        assert np.isnan(jackknife(value, without).low)


def test_a_jackknife_stays_within_what_is_possible() -> None:
    free = jackknife(0.9, [0.7, 1.0, 0.8, 1.0])
    bound = jackknife(0.9, [0.7, 1.0, 0.8, 1.0], bounds=(0.0, 1.0))
    assert free.high > 1.0
    assert (bound.low, bound.high) == (max(free.low, 0.0), 1.0)
