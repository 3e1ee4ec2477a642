"""Which systems are better over several tasks? Ranks, Friedman's test, and the critical difference of Nemenyi.

Source: Demšar 2006, "Statistical comparisons of classifiers over multiple data sets", JMLR 7, section 3.2.
"""

from itertools import pairwise
from typing import NamedTuple

import numpy as np
from jaxtyping import Float
from scipy.special import chdtrc
from scipy.stats import rankdata, studentized_range

from earmark.analysis.stats import LEVEL, Array
from earmark.errors import DataError


class Ranking(NamedTuple):
    """Mean ranks over tasks (1 is the best), by system in the order given; what tells them apart.

    `p` is of Friedman's test that all systems are alike. Two systems differ where their mean ranks are further apart
    than `critical_difference`. `cliques` are the groups of systems, best first, that it does not tell apart: the bars
    of a critical-difference diagram.
    """

    mean_ranks: Float[Array, " systems"]
    statistic: float
    p: float
    critical_difference: float
    cliques: tuple[tuple[int, ...], ...]


def rank(scores: Float[Array, "tasks systems"], level: float = LEVEL) -> Ranking:
    """Return the ranking of systems by scores that are better the higher they are; equal scores share a rank.

    The statistic is Friedman's χ², corrected for ties, against χ² with k − 1 degrees of freedom, which is cautious
    below ten tasks or so. The critical difference is q √(k (k + 1) / 6N) for k systems and N tasks.
    """
    values = np.asarray(scores, float)
    if values.ndim != 2 or values.shape[0] < 2 or values.shape[1] < 2:
        raise DataError(f"Expected scores (tasks, systems), two or more of each, got shape {values.shape}.")
    if not np.isfinite(values).all():
        raise DataError("Expected a score of every system on every task, got NaN or infinity. Leave such tasks out.")
    n_tasks, n_systems = values.shape
    mean_ranks = rankdata(-values, axis=1).mean(axis=0)
    statistic = _friedman(values, mean_ranks)
    critical = critical_difference(n_tasks, n_systems, level)
    return Ranking(
        mean_ranks, statistic, float(chdtrc(n_systems - 1, statistic)), critical, _cliques(mean_ranks, critical)
    )


def critical_difference(n_tasks: int, n_systems: int, level: float = LEVEL) -> float:
    """Return how far mean ranks must be apart. q is the studentised range for infinite samples over √2."""
    q = studentized_range.ppf(level, n_systems, np.inf) / np.sqrt(2)
    return float(q * np.sqrt(n_systems * (n_systems + 1) / (6 * n_tasks)))


def _friedman(values: Array, mean_ranks: Array) -> float:
    n_tasks, k = values.shape
    spread = 12 * n_tasks / (k * (k + 1)) * float(((mean_ranks - (k + 1) / 2) ** 2).sum())
    repeats = np.concatenate([np.unique(row, return_counts=True)[1] for row in values])
    untied = 1 - float((repeats**3 - repeats).sum()) / (n_tasks * k * (k**2 - 1))
    return spread / untied if untied > 0 else 0.0


def _cliques(mean_ranks: Array, critical: float) -> tuple[tuple[int, ...], ...]:
    """Return the longest runs of neighbours in rank that stay within the critical difference, of two or more."""
    order = np.argsort(mean_ranks, kind="stable")
    ends = [int(np.sum(mean_ranks[order] <= mean_ranks[first] + critical)) for first in order]
    runs = [(start, end) for start, end in enumerate(ends) if end - start > 1]
    longest = [run for before, run in pairwise([(-1, -1), *runs]) if run[1] > before[1]]
    return tuple(tuple(order[start:end].tolist()) for start, end in longest)
