"""Evening out the parts of a split by moving groups, and swapping them, until nothing makes it better.

What is made less is the sum over parts of (part's share − asked)² / asked: of the clips, and in the mean over the
classes that have a unit for every part. A rarer class has no share that it could keep. It is plain arithmetic in a
given order, so that it is the same on any machine.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import NamedTuple

import numpy as np

N_SWAPS = 20_000  # tried in one pass over all units, so that the pass stays linear in their number
LEAST_GAIN = 1e-9

# That a class of mixed groups is in a part is worth this much: enough for common classes to be in each, not so much
# that hundreds of rare tags, which cannot all be, leave little to train on.
PRESENCE = 1.0


class Step(NamedTuple):
    """A unit goes to a part, and `other` (−1: none) to where the unit was; `change` is that of the sum."""

    change: float
    part: int
    other: int


def evened(
    strata: Sequence[Mapping[str, int]],
    sizes: Sequence[int],
    where: Sequence[int],
    shares: Sequence[float],
    rng: np.random.Generator,
) -> list[int]:
    """Return the part of each unit, from `where` on; `strata` and `sizes` are its clips of each class, and of all."""
    parts = _Parts(strata, sizes, where, shares)
    n_others = N_SWAPS // max(len(strata), 1)
    while True:
        has_moved = False
        for unit in range(len(strata)):
            few = len(strata) > n_others
            others = rng.integers(len(strata), size=n_others).tolist() if few else range(len(strata))
            step = min(parts.steps(unit, others), default=Step(0.0, 0, -1))
            if step.change < -LEAST_GAIN:
                parts.take(unit, step)
                has_moved = True
        if not has_moved:
            return parts.where


class _Parts:
    """Units in parts. `off` is each part's share of each class less what was asked, and of the clips, under None."""

    def __init__(
        self,
        strata: Sequence[Mapping[str, int]],
        sizes: Sequence[int],
        where: Sequence[int],
        shares: Sequence[float],
    ) -> None:
        totals, holders = Counter[str](), Counter[str]()
        for one in strata:
            totals.update(one)
            holders.update(one.keys())
        kept = {name for name, count in holders.items() if count >= len(shares)}
        self.shares, self.where = shares, list(where)
        self.weight_of_size, n_clips = max(len(kept), 1), sum(sizes)
        self.only_class = [next(iter(one)) if len(one) == 1 and kept.issuperset(one) else None for one in strata]
        self.fractions: list[dict[str | None, float]] = [
            {None: size / n_clips, **{name: count / totals[name] for name, count in one.items() if name in kept}}
            for one, size in zip(strata, sizes, strict=True)
        ]
        self.off: list[dict[str | None, float]] = [dict.fromkeys([None, *sorted(kept)], -share) for share in shares]
        self.n_units = [Counter[str | None]() for _ in shares]
        for unit, part in enumerate(where):
            self._put(unit, part, 1)

    def steps(self, unit: int, others: Iterable[int]) -> Iterator[Step]:
        """Yield every step of a unit that may be made."""
        here = self.where[unit]
        for part in range(len(self.shares)):
            if part != here and not self._is_needed(unit):
                yield Step(self._change(unit, -1, here, part), part, -1)
        for other in others:
            if (part := self.where[other]) != here and not self._breaks(unit, other):
                yield Step(self._change(unit, other, here, part), part, other)

    def take(self, unit: int, step: Step) -> None:
        """Make a step."""
        here = self.where[unit]
        for one, start, end in ((unit, here, step.part), (step.other, step.part, here)):
            if one >= 0:
                self._put(one, start, -1)
                self._put(one, end, 1)
                self.where[one] = end

    def _put(self, unit: int, part: int, sign: int) -> None:
        for name, fraction in self.fractions[unit].items():
            self.off[part][name] += sign * fraction
            self.n_units[part][name] += sign

    def _is_needed(self, unit: int) -> bool:
        """Say whether a unit of one class is the last of it in its part. Where all are such, no class may be lost."""
        name = self.only_class[unit]
        return name is not None and self.n_units[self.where[unit]][name] == 1

    def _breaks(self, unit: int, other: int) -> bool:
        return self.only_class[unit] != self.only_class[other] and (self._is_needed(unit) or self._is_needed(other))

    def _change(self, unit: int, other: int, here: int, there: int) -> float:
        """Return by how much the sum changes when `unit` goes from here to there, and `other` the other way."""
        gone = self.fractions[unit]
        come = self.fractions[other] if other >= 0 else {}
        off_here, off_there, change = self.off[here], self.off[there], 0.0
        for name in {**gone, **come}:
            less = gone.get(name, 0.0) - come.get(name, 0.0)
            weight = self.weight_of_size if name is None else 1
            lost = (less - 2 * off_here[name]) / self.shares[here]
            won = (less + 2 * off_there[name]) / self.shares[there]
            change += weight * less * (lost + won)
            if (name in gone) != (name in come):
                start, end = (here, there) if name in gone else (there, here)
                change += PRESENCE * ((self.n_units[start][name] == 1) - (self.n_units[end][name] == 0))
        return round(change, 9)
