"""Is one system better than another on the same clips? A permutation test, its correction for many pairs, its power."""

from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

import numpy as np
from jaxtyping import Float
from scipy.special import ndtri

from earmark.analysis.stats import LEVEL, Array
from earmark.errors import DataError

CHUNK_BYTES = 32 * 2**20
POWER = 0.8
ROUNDING = 1e-12
"""Differences that are equal but for the order of their sums differ by less than this share of them."""

Difference = Callable[[Float[Array, "rows clips"]], Float[Array, " rows"]]


class Permutation(NamedTuple):
    """The p value of a permutation test, how many permutations it is from, and whether these are all there are.

    `p_whole` counts ties whole: with it a true null is never rejected more often than the level says, mostly less.
    """

    p: float
    n: int
    is_exact: bool
    p_whole: float


def permutation_test(
    difference: Difference, n: int, groups: Sequence[str] | None, permutations: int, rng: np.random.Generator
) -> Permutation:
    """Return how often a difference at least as great comes of swapping two systems' answers clip by clip.

    `difference` maps (rows, clips) of 0 and 1 to (rows,): the difference of the two systems' scores once the answers
    to the clips with a 1 are swapped. For a mean over clips that is `(1 - 2 * rows) @ differences / n`; any other
    metric scores the mixed answers anew. Where `groups` names at least two, whole groups are swapped. Two-sided.
    All 2^units swaps are tried where they are not more than `permutations`; else so many are drawn, and what was seen
    counts as one more, so that p is never 0. NaN where the systems have no difference to test.

    A swap that gives the very difference seen counts half (the mid-p value). Accuracy has few values: with ties
    whole, equal systems would be told apart at 5 % in 2 to 4 % of test sets. No tie, and counted whole: what was seen,
    and its mirror, all swapped. So of few units p is as great as ever, 2 / 2^units at least; without other ties it is
    `p_whole`; and where nothing differs, which speaks for neither side, it is 1.
    Sources: Fisher 1935; the 1 added, Phipson & Smyth 2010; half of a tie, Lancaster 1961. Differs from Lancaster:
    the two that are counted whole.
    """
    if n < 1 or permutations < 1:
        raise DataError(f"Expected at least one clip and one permutation, got {n} clips and {permutations}.")
    if groups is not None and len(groups) != n:
        raise DataError(f"Expected one group for each of {n} clips, got {len(groups)}.")
    names, member = np.unique(groups or [], return_inverse=True)
    if len(names) < 2:
        names, member = np.arange(n), np.arange(n)
    seen = float(difference(np.zeros((1, n)))[0])
    if np.isnan(seen):
        return Permutation(np.nan, 0, False, np.nan)
    rounding = ROUNDING * max(1.0, abs(seen))
    is_exact = len(names) < 63 and 2 ** len(names) <= permutations
    whole = 2 if is_exact else 1
    greater = ties = 0
    for swaps in _every(len(names), n) if is_exact else _drawn(len(names), n, permutations, rng):
        beyond = np.abs(difference(swaps[:, member])) - abs(seen)
        greater += int((beyond > rounding).sum())
        ties += int((np.abs(beyond) <= rounding).sum())
    total = 2 ** len(names) if is_exact else 1 + permutations
    p_whole = (whole + greater + ties) / total
    p = 1.0 if abs(seen) <= rounding else (whole + greater + ties / 2) / total
    return Permutation(p, total if is_exact else permutations, is_exact, p_whole)


def _every(units: int, clips: int) -> Iterator[Float[Array, "rows units"]]:
    """Yield all swaps but that of nothing and that of everything, as many rows at once as memory allows."""
    for numbers in _chunks(np.arange(1, 2**units - 1), clips):
        yield (numbers[:, None] >> np.arange(units) & 1).astype(float)


def _drawn(units: int, clips: int, rows: int, rng: np.random.Generator) -> Iterator[Float[Array, "rows units"]]:
    for numbers in _chunks(np.arange(rows), clips):
        yield rng.integers(0, 2, (len(numbers), units)).astype(float)


def _chunks(rows: Array, clips: int) -> Iterator[Array]:
    step = max(1, CHUNK_BYTES // (8 * clips))
    for start in range(0, len(rows), step):
        yield rows[start : start + step]


def holm(p_values: Float[Array, " tests"]) -> Float[Array, " tests"]:
    """Return p values corrected for their number: below 0.05 means, with all of them, at most one false alarm in 20.

    The smallest is multiplied by the number of tests, the next by one less, and so on, none being less than the one
    before it nor more than 1. NaN stays NaN and is not counted. Source: Holm 1979.
    """
    given = np.asarray(p_values, float)
    order = np.argsort(given)[: int((~np.isnan(given)).sum())]
    factors = np.arange(len(order), 0, -1)
    corrected = np.full(given.shape, np.nan)
    corrected[order] = np.minimum(np.maximum.accumulate(factors * given[order]), 1.0)
    return corrected


def errors_to_tell(level: float = LEVEL, power: float = POWER) -> float:
    """Return how many standard errors a difference must have to be told in a share `power` of test sets: 2.80.

    The sum of the normal quantiles of 1 − (1 − level) / 2 and of `power`.
    """
    _check_shares(level, power)
    return float(ndtri((1 + level) / 2) + ndtri(power))


def smallest_difference(n: int, discordant: float, level: float = LEVEL, power: float = POWER) -> float:
    """Return the smallest difference of two accuracies on the same `n` clips that McNemar's test tells.

    `discordant` is the share ψ of clips that one system has right and the other wrong. Solves
    n = (z₁ √ψ + z₂ √(ψ − δ²))² / δ² for δ, with z₁ and z₂ the normal quantiles of 1 − (1 − level) / 2 and of `power`.
    NaN where even a difference of ψ, all discordant clips going one way, would not be told.
    Source: Connor 1987, Biometrics 43, pp. 207-211.
    """
    _check_shares(level, power, discordant)
    if n < 1:
        raise DataError(f"Expected at least one clip, got {n}.")
    chance, strength = float(ndtri((1 + level) / 2)), float(ndtri(power))
    half = chance * np.sqrt(n * discordant)
    root = half**2 - (n + strength**2) * (chance**2 - strength**2) * discordant
    found = (half + np.sqrt(root)) / (n + strength**2) if root >= 0 else np.nan
    return float(found) if found <= discordant else np.nan


def _check_shares(*shares: float) -> None:
    for share in shares:
        if not 0 < share < 1:
            raise DataError(f"Expected level, power and discordant share between 0 and 1, got {share}.")
