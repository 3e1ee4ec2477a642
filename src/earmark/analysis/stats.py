"""How far a score can be trusted: resamples of the test clips, intervals, paired differences.

A resample is a row of weights that says how often each clip counts, so a metric scores all of them at once. Systems
scored on the same rows have paired differences. Nothing here knows a metric: one is handed in, or its values are.
"""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Float
from numpy.typing import NDArray
from scipy.special import betaincinv, stdtrit

from earmark.errors import DataError

Array = NDArray[Any]
LEVEL = 0.95
BIAS_ERRORS = 4.0
"""A mean of resamples within so many of its standard errors of the value is taken to be unbiased."""
ROUNDING = 1e-9
"""Scores that differ by less are equal."""


class Interval(NamedTuple):
    """An interval that covers the truth in a share `level` of repetitions; NaN limits where it is undefined."""

    low: float
    high: float
    level: float
    method: str


class Estimate(NamedTuple):
    """A value, its (R,) resampled values, and its interval."""

    value: float
    samples: Float[Array, " resamples"]
    interval: Interval


def resample_weights(
    n: int, groups: Sequence[str] | None, resamples: int, rng: np.random.Generator
) -> Float[Array, "resamples clips"]:
    """Return how often each of `n` clips counts in each resample: whole numbers, as float64.

    Draws n clips with replacement; where `groups` names at least two groups, as many whole groups as there are, each
    with all its clips. Row k depends on the generator and the rows before it alone, so more resamples keep the
    first ones. Columns follow the caller's order of clips: sort them to draw the same in any order.
    """
    if n < 1 or resamples < 1:
        raise DataError(f"Expected at least one clip and one resample, got {n} clips and {resamples} resamples.")
    if groups is not None and len(groups) != n:
        raise DataError(f"Expected one group for each of {n} clips, got {len(groups)}.")
    names, member = np.unique(groups or [], return_inverse=True)
    if len(names) < 2:
        names, member = np.arange(n), np.arange(n)
    weights = np.empty((resamples, n))
    for row in weights:
        drawn = rng.integers(0, len(names), size=len(names))
        row[:] = np.bincount(drawn, minlength=len(names))[member]
    return weights


def resampled_units(n: int, groups: Sequence[str] | None) -> str:
    """Return what `resample_weights` draws, in words: "528 clips", or "24 groups" where there are at least two."""
    n_groups = len(set(groups or ()))
    return f"{n_groups} groups" if n_groups > 1 else f"{n} clip{'s' * (n != 1)}"


def percentile_interval(
    samples: Float[Array, " resamples"], value: float, level: float = LEVEL, over: str = ""
) -> Interval:
    """Return the percentile bootstrap interval of resampled values; `over` says of what, as `resampled_units` does.

    It is about the mean score over test sets of this size. Where the mean of the resamples differs from `value` by
    more than chance (BIAS_ERRORS standard errors), they are moved back by that bias, which the method then says:
    macro average precision rises when clips are drawn twice, and over 40 labels the plain interval would hold its
    truth in 7 of 10 cases. No limit leaves the range of the resamples and the value. Resamples without a value
    (NaN) are dropped, and their number is said. Undefined (NaN) where `value` is NaN or no resample has a value.
    Source of the plain interval: Efron 1979. Differs: moved by the bias; measured in bench/coverage.py.
    """
    _check_level(level)
    defined = np.asarray(samples, float)[~np.isnan(samples)]
    missing = len(samples) - len(defined)
    method = f"percentile bootstrap{_over(over)}, {len(samples)} resamples" + f" ({missing} undefined)" * (missing > 0)
    if np.isnan(value) or len(defined) == 0:
        return Interval(np.nan, np.nan, level, method)
    low, high = np.quantile(defined, [(1 - level) / 2, (1 + level) / 2])
    bias = defined.mean() - value
    chance = BIAS_ERRORS * defined.std() / np.sqrt(len(defined)) + ROUNDING
    if abs(bias) > chance:
        low, high = np.clip((low - bias, high - bias), min(value, defined.min()), max(value, defined.max()))
        method += ", moved by their bias"
    return Interval(float(low), float(high), level, method)


def exact_interval(successes: int, n: int, level: float = LEVEL, over: str = "") -> Interval:
    """Return the Clopper–Pearson interval of a proportion: `successes` of `n` independent trials.

    Source: Clopper & Pearson 1934, by the quantiles of the beta distribution.
    """
    _check_level(level)
    if not 0 <= successes <= n or n < 1:
        raise DataError(f"Expected 0 to n successes in n ≥ 1 trials, got {successes} in {n}.")
    tail = (1 - level) / 2
    low = betaincinv(successes, n - successes + 1, tail) if successes else 0.0
    high = betaincinv(successes + 1, n - successes, 1 - tail) if successes < n else 1.0
    return Interval(float(low), float(high), level, f"Clopper–Pearson{_over(over)}")


def score_interval(
    samples: Float[Array, " resamples"], value: float, trials: int | None, level: float = LEVEL, over: str = ""
) -> Interval:
    """Return the interval of a score: the percentile one, or the exact one where all is right or all is wrong.

    When a proportion is 0 or 1 so is every resample, and the percentile interval has no width, however few clips
    were seen. `trials` is the number of clips (groups, if those were resampled) behind a proportion, such as the
    clips of its class behind a recall; None for a score that is no proportion.
    """
    all_or_none = value in (0.0, 1.0) and bool(np.all((samples == value) | np.isnan(samples)))
    if trials is not None and all_or_none:
        return exact_interval(round(value * trials), trials, level, over)
    return percentile_interval(samples, value, level, over)


def bootstrap(
    score: Callable[[Float[Array, "rows clips"]], Float[Array, " rows"]],
    n: int,
    groups: Sequence[str] | None,
    resamples: int,
    rng: np.random.Generator,
    level: float = LEVEL,
) -> Estimate:
    """Return the score of a sample with its percentile interval; `score` maps (rows, clips) weights to (rows,)."""
    rows = np.vstack([np.ones((1, n)), resample_weights(n, groups, resamples, rng)])
    value, samples = np.split(score(rows), [1])
    interval = percentile_interval(samples, float(value[0]), level, resampled_units(n, groups))
    return Estimate(float(value[0]), samples, interval)


def jackknife(
    value: float,
    without: Sequence[float],
    level: float = LEVEL,
    over: str = "",
    bounds: tuple[float, float] = (-np.inf, np.inf),
) -> Interval:
    """Return the interval of a value from what it is `without` each of some parts, equally large, of what it is of.

    The value ± t of (parts − 1) degrees of freedom · its standard error, which is √((parts − 1) / parts · Σ (without −
    their mean)²). For values that rise when clips are drawn twice, such as canonical correlations and mutual
    information of few frames: a bootstrap would be of higher values, this leaves out and doubles nothing. Undefined
    (NaN) for fewer than two parts, and where a value is. Cut at `bounds`, beyond which no value lies. Source: Efron and
    Tibshirani 1993, "An Introduction to the Bootstrap", §11.5, eq. 11.5, with parts in place of single clips.
    """
    _check_level(level)
    n, found = len(without), np.asarray(without, float)
    method = f"jackknife{_over(over)}, {n} parts"
    if n < 2 or np.isnan(value) or np.isnan(found).any():
        return Interval(np.nan, np.nan, level, method)
    error = np.sqrt((n - 1) / n * np.square(found - found.mean()).sum())
    reach = float(stdtrit(n - 1, (1 + level) / 2) * error)
    return Interval(max(value - reach, bounds[0]), min(value + reach, bounds[1]), level, method)


def paired_difference(a: Estimate, b: Estimate, level: float = LEVEL, over: str = "") -> Estimate:
    """Return a − b and its interval, for two systems scored on the same resamples.

    What is hard for both cancels, so it is narrower than the two intervals suggest.
    """
    if np.shape(a.samples) != np.shape(b.samples):
        shapes = f"{np.shape(a.samples)} and {np.shape(b.samples)}"
        raise DataError(f"Expected both systems on the same resamples, got shapes {shapes}.")
    value, samples = a.value - b.value, np.subtract(a.samples, b.samples)
    return Estimate(value, samples, percentile_interval(samples, value, level, over))


def mean_over_seeds(
    values: Float[Array, " seeds"], samples: Float[Array, "seeds resamples"], level: float = LEVEL, over: str = ""
) -> Estimate:
    """Return the mean score of several seeds with its interval, all seeds having been scored on the same resamples.

    The interval is about other clips, not other seeds: the seeds are taken as they are. A resample that is undefined
    for one seed is undefined for the mean.
    """
    if np.ndim(samples) != 2 or np.shape(values) != np.shape(samples)[:1]:
        raise DataError(
            "Expected values (seeds,) and samples (seeds, resamples), "
            f"got shapes {np.shape(values)} and {np.shape(samples)}."
        )
    value, mean_samples = float(np.mean(values)), np.mean(samples, axis=0)
    return Estimate(value, mean_samples, percentile_interval(mean_samples, value, level, over))


def _over(units: str) -> str:
    return f" over {units}" if units else ""


def _check_level(level: float) -> None:
    if not 0 < level < 1:
        raise DataError(f"Expected a level between 0 and 1, such as 0.95, got {level}.")
