"""What became of scores from one run to another: typed rows, and the same as Markdown."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from earmark.analysis import tables

Verdict = Literal["better", "worse", "not told apart", "the same", "not tested"]


@dataclass(frozen=True)
class Side:
    """A score in one run."""

    value: float | None
    ci_low: float | None
    ci_high: float | None
    n: int


@dataclass(frozen=True)
class Paired:
    """Both runs on the clips they share: new − old with its paired interval, the test's p, and p corrected.

    `p` None: there is nothing to test, since the answers are the same (`is_same`) or the scores undefined. `lowest_p`
    is what so few clips (groups) and permutations allow.
    """

    n: int
    is_same: bool
    difference: float | None
    ci_low: float | None
    ci_high: float | None
    p: float | None
    p_holm: float | None
    lowest_p: float


@dataclass(frozen=True)
class Change:
    """A score in two runs. `paired` None: it could not be tested, and `reason` says why."""

    where: str
    system: str
    deformation: str
    metric: str
    average: str | None
    old: Side
    new: Side
    paired: Paired | None
    reason: str
    level: float

    @property
    def name(self) -> str:
        """What was scored, in words."""
        average = f" ({self.average})" if self.average else ""
        return f"{self.where}: {self.system}, {self.deformation}: {self.metric}{average}"

    @property
    def difference(self) -> float | None:
        """New − old, each on all its clips; None where one is undefined."""
        return None if self.old.value is None or self.new.value is None else self.new.value - self.old.value

    @property
    def lower_is_better(self) -> bool:
        """Whether less of the metric is better."""
        return tables.lower_is_better(self.metric)

    @property
    def verdict(self) -> Verdict:
        """What the new score is by the corrected test."""
        if self.paired is None or self.paired.p_holm is None:
            return "the same" if self.paired and self.paired.is_same else "not tested"
        if self.paired.p_holm >= 1 - self.level or not self.paired.difference:
            return "not told apart"
        return "worse" if (self.paired.difference < 0) != self.lower_is_better else "better"


@dataclass(frozen=True)
class Changes:
    """The scores that both runs have, what only one has, and what to know of the tests."""

    scores: tuple[Change, ...]
    only_old: tuple[str, ...]
    only_new: tuple[str, ...]
    n_tests: int
    permutations: int
    notes: tuple[str, ...]

    @property
    def markdown(self) -> str:
        """The scores side by side, how to read them, and the notes."""
        blocks = (_grid(self.scores), self._reading) if self.scores else ()
        return "\n\n".join((*blocks, *self.notes))

    @property
    def _reading(self) -> str:
        level = self.scores[0].level
        return (
            f"Difference: new − old, with its paired {level:.0%} interval. p: paired permutation test "
            f"({self.permutations:,} permutations) on the clips that both runs scored, seeds averaged; Holm's "
            f"correction is for all tests ({self.n_tests}), and a verdict needs a corrected p below {1 - level:.2g}."
        )


def _grid(found: Sequence[Change]) -> str:
    """Return changes as a table of Markdown."""
    head = ("score", "old", "new", "difference on shared clips", "p", "p, Holm", "verdict")
    lines = [head, ["---"] * len(head), *map(_cells, found)]
    return "\n".join("| " + " | ".join(map(_in_a_cell, cells)) + " |" for cells in lines)


def _in_a_cell(text: str) -> str:
    return " ".join(text.replace("|", "\\|").split())


def _cells(one: Change) -> tuple[str, ...]:
    old, new = (_score(side.value) for side in (one.old, one.new))
    verdict = f"**{one.verdict}**" if one.verdict in ("better", "worse") else one.verdict
    if one.paired is None:
        return one.name, old, new, "", "", "", verdict
    shared = one.paired
    interval = "" if shared.ci_low is None else f" [{_score(shared.ci_low, '+')}, {_score(shared.ci_high, '+')}]"
    p_values = ("" if p is None else f"{p:.4f}" for p in (shared.p, shared.p_holm))
    return one.name, old, new, _score(shared.difference, "+") + interval, *p_values, verdict


def _score(value: float | None, sign: str = "") -> str:
    return "undefined" if value is None else format(value, f"{sign}.3f")
