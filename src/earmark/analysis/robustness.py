"""What of a score is left as a deformation grows stronger: a curve over its severities, and the area above it.

The score drop at a severity is the score of clean audio less that of deformed audio. The *area under degradation* is
the mean score drop over the swept range, by the trapezoid rule over the severities as they are written (dB, kbit/s,
semitones): 0 = nothing is lost, and it is in the unit of the metric. It depends on the range and on the places in it,
so two are comparable only over the same severities.
Sources: the drop relative to clean, averaged over severities, as in Hendrycks & Dietterich 2019, "Benchmarking neural
network robustness to common corruptions and perturbations". Differs: not divided by a reference network's, nor by the
clean score, which would let chance count as robustness; and an integral over the range in place of a sum over levels,
so that a severity more between two others changes little.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from earmark.analysis import stats
from earmark.analysis.stats import LEVEL, Array, Estimate
from earmark.errors import DataError


@dataclass(frozen=True)
class Degradation:
    """A system's scores over the severities of one sweep, in ascending order.

    `drops` are paired: what is hard for clean and deformed audio alike cancels. More than 0 is lost, also where less
    of the metric is better. `area` None: of one severity there is none.
    """

    severities: tuple[float, ...]
    clean: Estimate
    scores: tuple[Estimate, ...]
    drops: tuple[Estimate, ...]
    area: Estimate | None

    @property
    def worst(self) -> int:
        """Where among the severities most is lost; the first of several, and 0 where no drop is defined."""
        return int(np.argmax([-np.inf if np.isnan(drop.value) else drop.value for drop in self.drops]))


def degradation(
    clean: Estimate,
    deformed: Mapping[float, Estimate],
    less_is_better: bool = False,
    level: float = LEVEL,
    over: str = "",
) -> Degradation:
    """Return the curve of a system from its score on clean audio and at each severity, on the same resamples.

    `over` says what was resampled. Raises DataError where there is no severity, or resamples differ in number.
    """
    if not deformed:
        raise DataError("Expected scores at one severity or more, got none.")
    severities = tuple(sorted(deformed))
    scores = tuple(deformed[one] for one in severities)
    pairs = ((one, clean) if less_is_better else (clean, one) for one in scores)
    drops = tuple(stats.paired_difference(*pair, level, over) for pair in pairs)
    return Degradation(severities, clean, scores, drops, _area(severities, drops, level, over))


def _area(severities: Sequence[float], drops: Sequence[Estimate], level: float, over: str) -> Estimate | None:
    if len(severities) == 1:
        return None
    weights = trapezoid(severities)
    value = float(weights @ [one.value for one in drops])
    samples = weights @ np.stack([one.samples for one in drops])
    return Estimate(value, samples, stats.percentile_interval(samples, value, level, over))


def trapezoid(severities: Sequence[float]) -> Float[Array, " severities"]:
    """Return how much each severity counts in a mean over their range: weights that sum to 1. They ascend."""
    steps = np.diff(np.asarray(severities, float))
    if not len(steps) or (steps <= 0).any():
        raise DataError(f"Expected two or more severities in ascending order, got {list(severities)}.")
    return np.asarray((np.append(steps, 0) + np.append(0, steps)) / (2 * steps.sum()))


def require_same_severities(sweep: str, found: Iterable[Sequence[float]]) -> None:
    """Raise a DataError unless all curves of a sweep are over the same severities, so that areas are comparable."""
    ranges = list(dict.fromkeys(map(tuple, found)))
    if len(ranges) > 1:
        said = " and ".join("/".join(f"{value:g}" for value in one) for one in ranges[:2])
        raise DataError(
            f"Sweep '{sweep}' has severities {said}: an area is comparable only over the same ones. Give one of the "
            "sweeps another name, or make a table of each run."
        )
