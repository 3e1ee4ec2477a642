"""What became of each score from one run to another, and which changes are more than chance.

Scores of the same system on the same task under the same condition belong together. Where both runs have predictions
of the same clips, they are compared on these, seeds averaged, as `compare` compares the systems of one run.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

import numpy as np

from earmark.analysis import paired as pairing
from earmark.analysis import stats, tables
from earmark.counted import counted
from earmark.errors import UnknownName
from earmark.experiment.results import Run
from earmark.nouns import Result
from earmark.runs import bouts, predictions
from earmark.runs.changes import Change, Changes, Paired, Side
from earmark.runs.compare import CONSTANT, enough
from earmark.runs.predictions import Answers, Predicted

Name = tuple[object, ...]
Sides = tuple[Mapping[Name, Sequence[Predicted]], Mapping[Name, Sequence[Predicted]]]
OLD, NEW = "old: ", "new: "
LEVEL = 0.95


def changes(
    old: Run,
    new: Run,
    metric: str | None = None,
    average: str | None = None,
    renamed: Mapping[str, str] | None = None,
    permutations: int | None = None,
) -> Changes:
    """Return what became of the scores of a run in another: means over seeds and folds, no constant predictor.

    `metric` None takes each task's first, as its tables do, `average` likewise. `renamed` maps representations of the
    old run to what the new one calls them. `permutations` None: 2,000, or as many more as correcting for so many
    tests needs. Raises UnknownName for a metric or a representation that the old run has not.
    """
    names = renamed or {}
    _require_known(old, metric, names)
    before = _scores([_renamed(row, names) for row in old.rows], metric, average)
    after = _scores(new.rows, metric, average, {(name[:4], name[-2:]) for name in before})
    both = [name for name in before if name in after]
    said = _predicted(old, names), _predicted(new, {})
    tested = sum(_place(name) in said[0] and _place(name) in said[1] for name in both)
    level = max((before[name].ci_level for name in both), default=LEVEL)
    drawn = permutations or enough(tested, level)
    found = _corrected([_change(name, before[name], after[name], said, drawn) for name in both])
    return Changes(
        found,
        tuple(_said(name) for name in before if name not in after),
        tuple(_said(name) for name in after if name not in before),
        sum(one.paired is not None and one.paired.p is not None for one in found),
        drawn,
        tuple(_notes(found)),
    )


def _require_known(old: Run, metric: str | None, renamed: Mapping[str, str]) -> None:
    names = {row.representation for row in old.rows if row.probe != CONSTANT}
    if unknown := sorted(set(renamed) - names):
        raise UnknownName("representation of the old run", unknown[0], names)
    metrics = {row.metric for row in old.rows}
    if metric is not None and metric not in metrics:
        raise UnknownName("metric of the old run", metric, metrics)


def _renamed(row: Result, names: Mapping[str, str]) -> Result:
    return replace(row, representation=names.get(row.representation, row.representation))


def _scores(
    rows: Sequence[Result], metric: str | None, average: str | None, like: set[tuple[Name, Name]] | None = None
) -> dict[Name, Result]:
    """Return the rows of one metric and average a task, by name: those that another run has, where `like` says."""
    partitions: dict[Name, list[Result]] = {}
    for row in rows:
        if row.seed is None and row.label is None and row.probe != CONSTANT:
            partitions.setdefault((row.task, row.dataset, row.split, row.train_share), []).append(row)
    found: dict[Name, Result] = {}
    for partition, part in partitions.items():
        of_folds = [row for row in part if row.fold is None]
        known = dict.fromkeys(row.metric for row in of_folds or part)
        wanted = {name for place, name in like or () if place == partition} or {
            _first(of_folds or part, metric, average)
        }
        for row in part:
            # What is of the training clips, such as a codelength, has no mean over folds.
            is_mean = row.fold is None or row.metric not in known
            if (row.metric, row.average) in wanted and (is_mean or not of_folds):
                found[_name(row)] = row
    return found


def _first(rows: Sequence[Result], metric: str | None, average: str | None) -> Name:
    chosen = metric or rows[0].metric
    averages = list(dict.fromkeys(row.average for row in rows if row.metric == chosen))
    return chosen, average if average in averages or not averages else averages[0]


def _name(row: Result) -> Name:
    seen_as = tables.seen_as(row.representation, row.layer, row.pool)
    partition = row.task, row.dataset, row.split, row.train_share
    return (*partition, row.fold, f"{seen_as}, {row.probe}", row.deformation, row.metric, row.average)


def _place(name: Name) -> Name:
    """Return what a score's predictions are known by: all but the fold, the metric and the average."""
    return (*name[:4], *name[5:7])


def _where(name: Name) -> str:
    task, dataset, split, share, fold, *_ = name
    of_fold = f" fold {fold}" if fold else ""
    of_share = f", {share:.3g} of the training clips" if isinstance(share, float) and share < 1 else ""
    return f"{task} on {dataset}, split {split}{of_fold}{of_share}"


def _said(name: Name) -> str:
    *_, system, deformation, metric, average = name
    return f"{_where(name)}: {system}, {deformation}: {metric}" + (f" ({average})" if average else "")


def _predicted(run: Run, renamed: Mapping[str, str]) -> dict[Name, list[Predicted]]:
    """Return the files of predictions of a run by place; none where it has none."""
    found: dict[Name, list[Predicted]] = {}
    if (run.folder / "predictions" / predictions.INDEX).is_file():
        for one in predictions.index(run.folder):
            one = replace(one, representation=renamed.get(one.representation, one.representation))
            place = one.task, one.dataset, one.split, one.train_share, one.system, one.deformation
            found.setdefault(place, []).append(one)
    return found


def _change(
    name: Name,
    old: Result,
    new: Result,
    said: Sides,
    permutations: int,
) -> Change:
    one, other = (side.get(_place(name), ()) for side in said)
    reason = _unpaired(one, other, old)
    tested = None if reason else _test(one, other, old, permutations)
    before, after = (Side(row.value, row.ci_low, row.ci_high, row.n) for row in (old, new))
    system, heard = str(name[5]), old.deformation
    where, level = _where(name), old.ci_level
    return Change(where, system, heard, old.metric, old.average, before, after, tested, reason, level)


def _unpaired(old: Sequence[Predicted], new: Sequence[Predicted], row: Result) -> str:
    """Return why two systems cannot meet on the same clips, "" where they can."""
    if not old or not new:
        return "one of the runs has no predictions of it"
    if row.metric in tables.OF_TRAINING:
        return "it is of the training clips"
    if row.fold is not None and len(old) > 1:
        return "it is one fold of several"
    folds = {one.fold: one for one in new}
    if {one.fold for one in old} != set(folds):
        return "the runs have other folds"
    for one in old:
        other = folds[one.fold]
        if (one.kind, one.classes) != (other.kind, other.classes):
            return "the runs have other classes"
        answers, theirs = one.read(), other.read()
        known = set(theirs.clips)
        shared = [clip for clip in answers.clips if clip in known]
        if not shared:
            return "the runs share no test clip"
        if not _are_same_targets(answers.of(shared), theirs.of(shared)):
            return "shared clips have other labels"
    return ""


def _are_same_targets(answers: Answers, theirs: Answers) -> bool:
    pairs = (answers.targets, theirs.targets), (answers.target_hz, theirs.target_hz)
    return all(
        one is other or (one is not None and other is not None and np.array_equal(one, other)) for one, other in pairs
    )


def _test(old: Sequence[Predicted], new: Sequence[Predicted], row: Result, permutations: int) -> Paired:
    """Return both on the clips they share. The correction waits for the p of every test."""
    named = [replace(one, representation=f"{OLD}{one.representation}") for one in old]
    named += [replace(one, representation=f"{NEW}{one.representation}") for one in new]
    bout = bouts.meet(named, row.metric, row.average)
    before, after = named[0].system, named[-1].system
    estimate = stats.paired_difference(bout.estimates(after)[0], bout.estimates(before)[0], bout.ci_level, bout.units)
    is_same = all(np.array_equal(fold.scores[before], fold.scores[after]) for fold in bout.folds)
    p = None if is_same else _known(bout.permutation(after, before, permutations).p)
    low, high, *_ = estimate.interval
    n_units = len(set(bout.groups or bout.clips))
    lowest = max(2.0 ** (1 - n_units), 1 / (1 + permutations))
    return Paired(len(bout.clips), is_same, _known(estimate.value), _known(low), _known(high), p, None, lowest)


def _known(value: float) -> float | None:
    return None if np.isnan(value) else float(value)


def _corrected(found: Sequence[Change]) -> tuple[Change, ...]:
    """Return the changes with each p corrected for all tests. Answers that are the same could give no p below 1.

    Source of leaving such out of the count: Tarone 1990, Biometrics 46, pp. 515-522.
    """
    p_values = [np.nan if one.paired is None or one.paired.p is None else one.paired.p for one in found]
    corrected = pairing.holm(np.array(p_values))
    return tuple(
        one if one.paired is None else replace(one, paired=replace(one.paired, p_holm=_known(p)))
        for one, p in zip(found, corrected, strict=True)
    )


def _notes(found: Sequence[Change]) -> Iterator[str]:
    reasons = [one.reason for one in found if one.reason]
    for reason in dict.fromkeys(reasons):
        yield f"Not tested: {reasons.count(reason)} of {counted(len(found), 'score')}: {reason}."
    fewer = [one for one in found if one.paired and one.paired.n < max(one.old.n, one.new.n)]
    if fewer:
        of = counted(len(found), "score")
        yield f"Tested on fewer clips than it is of, those of both runs: {len(fewer)} of {of}."
    tested = [one for one in found if one.paired and one.paired.p is not None]
    blind = [one for one in tested if one.paired and one.paired.lowest_p * len(tested) >= 1 - one.level]
    if blind:
        yield (
            "Too few clips, groups or permutations for so many tests, so nothing can be told: "
            f"{len(blind)} of {counted(len(found), 'score')}."
        )
