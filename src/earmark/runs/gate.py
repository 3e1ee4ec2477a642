"""Has a run fallen behind a baseline? For the continuous integration of those who train representations.

A score has fallen by either of two rules: it lies beyond the baseline's interval, by more than the tolerance; or,
where both runs predicted the same clips, it is worse on these by more than the tolerance and the paired permutation
test says so, after Holm's correction for all scores of the gate. The second sees falls that the first is too coarse
for; the first needs no predictions. A score of the baseline that the run lacks, or that is undefined in it, has
fallen too.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from earmark.counted import counted
from earmark.errors import DataError, UserError
from earmark.experiment.results import Run
from earmark.runs import diff, two_runs
from earmark.runs.changes import Change, Changes


@dataclass(frozen=True)
class Fall:
    """A score that fell, and why that is said."""

    name: str
    reason: str


@dataclass(frozen=True)
class Gate:
    """The verdict on a run: what fell, and of how many scores."""

    run: str
    baseline: str
    tolerance: float
    falls: tuple[Fall, ...]
    changes: Changes
    notes: tuple[str, ...]

    @property
    def passed(self) -> bool:
        """Whether nothing fell."""
        return not self.falls

    @property
    def markdown(self) -> str:
        """What fell, all scores side by side, and the verdict last."""
        n = len(self.changes.scores) + len(self.changes.only_old)
        verdict = f"{self.run} against {self.baseline}: {len(self.falls) or 'none'} of {counted(n, 'score')} fell"
        slack = f" (tolerance {self.tolerance:g})" if self.tolerance else ""
        found = "\n".join(f"- fell: {one.name}: {one.reason}" for one in self.falls)
        blocks = (self.changes.markdown, *self.notes, found)
        return "\n\n".join((*filter(None, blocks), f"{'Passed' if self.passed else 'Failed'}: {verdict}{slack}."))


def gate(
    run: Run | Path | str,
    baseline: Run | Path | str,
    metric: str | None = None,
    average: str | None = None,
    tolerance: float = 0.0,
    renamed: Mapping[str, str] | None = None,
    permutations: int | None = None,
) -> Gate:
    """Return whether a run holds the scores of a baseline, another run; both given as such, by folder, id or "latest".

    `metric` None: each task's first. `tolerance`, in the metric's unit, is how much a score may fall in any case.
    `renamed` maps the baseline's representations to what the run calls them. Raises UserError for a negative
    tolerance, DataError for runs without a score in common: a gate that sees nothing must not pass.
    """
    if not tolerance >= 0:
        raise UserError(f"Expected a tolerance of 0 or more, got {tolerance:g}: it is how much a score may fall.")
    old, new = diff.opened(baseline), diff.opened(run)
    found = two_runs.changes(old, new, metric, average, renamed, permutations)
    if not found.scores:
        raise DataError(
            f"'{new.folder.name}' and '{old.folder.name}' have no score in common: they differ in tasks, splits, "
            "systems, conditions or metrics. What is only called otherwise can be named by --rename OLD=NEW."
        )
    falls = [Fall(one.name, reason) for one in found.scores if (reason := _fell(one, tolerance))]
    falls += [Fall(name, "the run does not have it") for name in found.only_old]
    return Gate(new.folder.name, old.folder.name, tolerance, tuple(falls), found, tuple(_notes(old, new, found)))


def _fell(one: Change, tolerance: float) -> str:
    """Return why a score has fallen, "" where it has not."""
    if one.old.value is None:
        return ""
    if one.new.value is None:
        return f"{one.old.value:.3f} before, undefined now"
    sign = -1 if one.lower_is_better else 1
    edge = one.old.ci_high if one.lower_is_better else one.old.ci_low
    said = f"{one.old.value:.3f} before, {one.new.value:.3f} now"
    limit = one.old.value if edge is None else edge
    if sign * (limit - one.new.value) > tolerance:
        what = "which has no interval" if edge is None else f"whose interval ends at {edge:.3f}"
        return f"{said}: {'above' if one.lower_is_better else 'below'} the baseline, {what}"
    if one.paired is None or one.paired.difference is None or one.verdict != "worse":
        return ""
    if -sign * one.paired.difference <= tolerance:
        return ""
    return (
        f"{said}: worse by {abs(one.paired.difference):.3f} on {one.paired.n} shared clips, p = {one.paired.p_holm:.4f}"
    )


def _notes(old: Run, new: Run, found: Changes) -> Iterator[str]:
    if len(new.failures) > len(old.failures):
        yield (
            f"Clips that could not be used: {len(new.failures)}, in the baseline {len(old.failures)}. Scores of fewer "
            "clips may hide a fall."
        )
    if found.only_new:
        yield f"Scores without a baseline: {len(found.only_new)}."
    without = [one for one in found.scores if one.old.value is None]
    if without:
        yield f"Scores that are undefined in the baseline, and cannot fall: {len(without)}."
