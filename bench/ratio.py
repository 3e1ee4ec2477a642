"""How we compare: two ways of doing one thing, in turn, in one process, by CPU seconds of one thread.

The speed of a machine drifts while it is measured, so only the ratio of neighbours counts. Each round times both,
and the result is the median of the rounds' ratios with the smallest and the largest beside it.
"""

import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass

ROUNDS = 7


@dataclass(frozen=True)
class Ratio:
    """How many times faster `ours` is than `theirs`: above 1 is faster. Seconds are medians, of CPU."""

    question: str
    ours: str
    theirs: str
    goal: float | None
    low: float
    median: float
    high: float
    ours_s: float
    theirs_s: float
    rounds: int


@dataclass(frozen=True)
class Cost:
    """What something takes: CPU seconds of one go, and what came of it in words. There is nothing to compare with."""

    question: str
    cpu_s: float
    outcome: str


class NotHere(Exception):
    """A comparison that cannot be made on this machine, and why."""


def compare(
    question: str,
    ours: tuple[str, Callable[[], object]],
    theirs: tuple[str, Callable[[], object]],
    goal: float | None = None,
    rounds: int = ROUNDS,
    clock: Callable[[], float] = time.process_time,
) -> Ratio:
    """Time the two in turn, after one round that does not count, and return the ratio theirs / ours."""
    for _, call in (ours, theirs):
        call()
    pairs = [(_seconds(ours[1], clock), _seconds(theirs[1], clock)) for _ in range(rounds)]
    ratios = [other / own for own, other in pairs]
    own_s, other_s = (statistics.median(column) for column in zip(*pairs, strict=True))
    return Ratio(
        question, ours[0], theirs[0], goal, min(ratios), statistics.median(ratios), max(ratios), own_s, other_s, rounds
    )


def _seconds(call: Callable[[], object], clock: Callable[[], float]) -> float:
    started = clock()
    call()
    return clock() - started
