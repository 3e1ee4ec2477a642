"""What a block of an experiment means once its datasets are loaded: subjects, each a task on one partition.

A subject is what a probe is fitted and scored on, whatever the representation.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from earmark.analysis.descriptors import DESCRIPTORS, PREFIX
from earmark.datasets import records, splits
from earmark.datasets._labels import classes_of, numbers_of
from earmark.datasets.base import Dataset
from earmark.datasets.splits import NamedSplit
from earmark.errors import DataError, hint
from earmark.experiment import target_classes
from earmark.experiment.spec import Block, DatasetChoice, Experiment
from earmark.nouns import Clip, Split
from earmark.tasks import Task

Load = Callable[[str, Path | None], Dataset]
Describe = Callable[[Dataset, Sequence[str]], Dataset]
"""Gives a dataset labels that are computed from its audio."""


@dataclass(frozen=True)
class Placed:
    """A clip and the name of the dataset it belongs to: clip ids are unique only inside one."""

    dataset: str
    clip: Clip


@dataclass(frozen=True)
class Subject:
    """One task on one partition of its data.

    `classes` are the class or label names in the order of a probe's outputs (regression: dimensions).
    `unverified`: its data was never compared with what was published of it.
    """

    task: Task
    dataset: str
    dataset_version: str
    split: str
    fold: int
    train: tuple[Placed, ...]
    valid: tuple[Placed, ...]
    test: tuple[Placed, ...]
    classes: tuple[str, ...]
    notes: tuple[str, ...] = ()
    unverified: bool = False

    def targets(self, placed: Sequence[Placed]) -> np.ndarray:
        """Return the targets of clips: (n,) int64 class indices, (n, labels) 0/1, or (n, dimensions) float32."""
        values = [target_classes.class_names(one.clip, self.task) for one in placed]
        if self.task.kind == "regression":
            return np.array([[float(value) for value in row] for row in values], np.float32)
        index = {name: position for position, name in enumerate(self.classes)}
        if self.task.kind == "multilabel":
            matrix = np.zeros((len(values), len(self.classes)), np.float32)
            for row, names in enumerate(values):
                matrix[row, [index[name] for name in names]] = 1.0
            return matrix
        return np.array([index[names[0]] for names in values], np.int64)

    def target_hz(self, placed: Sequence[Placed]) -> np.ndarray | None:
        """Return the exact frequencies of clips, (n,) float64 Hz; None where their classes say all there is."""
        return target_classes.target_hz([one.clip for one in placed], self.task)


def of_experiment(experiment: Experiment, load: Load, describe: Describe) -> dict[Block, tuple[Subject, ...]]:
    """Return every subject of each block: its datasets × their folds. `load` gives a dataset by name and folder.

    `describe` adds labels that are computed from the audio: all that the experiment wants of a dataset at once.
    What a dataset cannot give (a label, a split, an attribute) is an error at its place in the file, and so is a
    second dataset of one name.
    """
    found: dict[Block, tuple[Subject, ...]] = {}
    load = _told_apart(load)
    computed = _computed(experiment)
    for index, block in enumerate(experiment.blocks):
        key = "task"
        try:
            found[block] = tuple(
                one
                for choice in block.datasets
                for one in _of_choice(block.task.task, choice, load, describe, computed)
            )
            key = "per"
            found[block] = tuple(_with_attributes(one, block.per) for one in found[block])
            key = "share_of"
            found[block] = tuple(_with_shares(one, block) for one in found[block])
        except DataError as error:
            raise experiment.error(("experiments", index, key), str(error)) from error
    return found


def _told_apart(load: Load) -> Load:
    """Return the same, which raises a DataError for two datasets of one name: keys and rows know them by it."""
    roots: dict[str, Path] = {}

    def loaded(name: str, folder: Path | None) -> Dataset:
        found = load(name, folder)
        first = roots.setdefault(found.name, found.root)
        if first.resolve() != found.root.resolve():
            raise DataError(
                f"Two datasets of this file are called '{found.name}': those at '{first}' and '{found.root}'. Clips "
                "and rows are told apart by it, so rename a folder (or a manifest's file), or write two experiments."
            )
        return found

    return loaded


def _computed(experiment: Experiment) -> Mapping[str, Sequence[str]]:
    """Return the labels that are to be computed of each dataset, by its name in the file."""
    pairs = [
        (name, block.task.task.label)
        for block in experiment.blocks
        for choice in block.datasets
        for name in (choice.train, choice.test)
        if block.task.task.label in DESCRIPTORS
    ]
    return {name: tuple(dict.fromkeys(label for other, label in pairs if other == name)) for name, _ in pairs}


def _of_choice(
    task: Task, choice: DatasetChoice, load: Load, describe: Describe, computed: Mapping[str, Sequence[str]]
) -> tuple[Subject, ...]:
    sides = {
        name: _heard(load(name, choice.dir), task.label, choice.subset, computed[name], describe)
        if task.label in DESCRIPTORS
        else _labelled(load(name, choice.dir), task.label, choice.subset)
        for name in dict.fromkeys((choice.train, choice.test))
    }
    train_data, test_data = sides[choice.train], sides[choice.test]
    folds = splits.resolve(train_data, task.split, task.label, choice.split_type)
    if choice.train == choice.test:
        return tuple(_subject(task, train_data, train_data, fold) for fold in folds)
    # A split that the task names is the training set's; the other may have one of another name.
    theirs_name = task.split if task.split in test_data.splits else None
    theirs = splits.resolve(test_data, theirs_name, task.label, choice.split_type, fit=False)
    if len(folds) != len(theirs):
        raise DataError(
            f"'{choice.train}' has {len(folds)} folds and '{choice.test}' {len(theirs)}, so they cannot be crossed "
            "fold by fold. Write split_type: single."
        )
    pairs = zip(folds, theirs, strict=True)
    return tuple(_subject(task, train_data, test_data, _across(own, other)) for own, other in pairs)


def _across(own: NamedSplit, other: NamedSplit) -> NamedSplit:
    """Return the roles of a crossed experiment: fitted on one dataset's partition, scored on the other's."""
    where = f"scored on the test part of the other's split '{other.name}'" if other.name != own.name else ""
    note = "; ".join(filter(None, (own.note, where)))
    return own._replace(split=Split(own.split.train, own.split.valid, other.split.test), note=note)


def _labelled(dataset: Dataset, label: str, n: int | None) -> Dataset:
    """Return a dataset that has the label, or `n` of the clips that carry it, drawn by class."""
    dataset.require_label(label)
    return _subset(dataset, [clip for clip in dataset.clips if label in clip.targets], label, n)


def _heard(dataset: Dataset, label: str, n: int | None, together: Sequence[str], describe: Describe) -> Dataset:
    """Return a dataset, or `n` of its clips, with a label that is computed, `together` with others.

    They are drawn before it is known, so without regard to it: the same for every such label.
    """
    unknown = [replace(clip, targets={PREFIX: ()}) for clip in dataset.clips]
    heard = describe(_subset(dataset, unknown, PREFIX, n), together)
    if label not in heard.labels:
        why = "; ".join(heard.notes[len(dataset.notes) :]) or DESCRIPTORS[label].lacking
        raise DataError(f"No clip of '{dataset.name}' has an {label}: {why}.")
    return heard


def _subset(dataset: Dataset, candidates: Sequence[Clip], label: str, n: int | None) -> Dataset:
    """Return a dataset of `n` of the candidates (None: all there is), its splits cut down to them."""
    if n is None:
        return dataset
    kept = set(splits.subset(candidates, label, n, dataset.name))
    cut = {
        name: tuple(Split(*(tuple(one for one in ids if one in kept) for ids in _roles(fold))) for fold in folds)
        for name, folds in dataset.splits.items()
    }
    return replace(dataset, clips=tuple(clip for clip in dataset.clips if clip.id in kept), splits=cut)


def members(placed: Sequence[Placed], attributes: Sequence[str]) -> dict[str, list[int]]:
    """Return the positions of the clips of each value of some attributes, by "singer=f1"; several values count each."""
    found: dict[str, list[int]] = {}
    for name in attributes:
        for position, one in enumerate(placed):
            for value in classes_of(one.clip.targets.get(name, ())):
                found.setdefault(f"{name}={value}", []).append(position)
    return dict(sorted(found.items()))


def _with_attributes(subject: Subject, names: Sequence[str]) -> Subject:
    """Return a subject with a note on test clips without one of these attributes; they must be names of something."""
    notes = []
    for name in names:
        known = sorted({label for one in subject.test for label in one.clip.targets} - {subject.task.label})
        values = [one.clip.targets.get(name, ()) for one in subject.test]
        if name not in known:
            raise DataError(
                f"No test clip of '{subject.dataset}' has an attribute '{name}'.{hint(name, known)} Besides "
                f"'{subject.task.label}' they have: {', '.join(known) or 'none'}."
            )
        if numbers := [numbers_of(value)[0] for value in values if numbers_of(value)]:
            raise DataError(
                f"Expected '{name}' of '{subject.dataset}' to name what a clip is, such as a singer; it is a number, "
                f"such as {numbers[0]:g}. Leave it out, or give the clips a label that names its ranges."
            )
        if without := sum(not classes_of(value) for value in values):
            notes.append(f"{without} of {len(values)} test clips have no '{name}' and are in no score per {name}")
    return replace(subject, notes=(*subject.notes, *notes))


def _with_shares(subject: Subject, block: Block) -> Subject:
    """Return a subject with a note where a share of its training clips is not what one may take it for.

    Raises DataError for shares of groups where no clip has one.
    """
    shares = [share for share in block.train_shares if share < 1]
    names = [one.clip.group for one in subject.train if one.clip.group is not None]
    n_units, n_clips = len(set(names)) + len(subject.train) - len(names), len(subject.train)
    if not shares or (block.share_of == "clips" and n_units == n_clips):
        return subject
    if not names:
        raise DataError(f"No training clip of '{subject.dataset}' has a group. Leave share_of out.")
    if block.share_of == "clips":
        note = (
            f"train_shares draw single clips, and the {n_clips} training clips are of {n_units} groups: a small share "
            "still has clips of many of them. share_of: groups draws whole groups"
        )
    elif min(shares) * n_units < 1:
        note = f"a share of {min(shares):g} is less than one of {n_units} groups of training clips: it has a whole one"
    else:
        return subject
    return replace(subject, notes=(*subject.notes, note))


def _roles(split: Split) -> tuple[tuple[str, ...], tuple[str, ...], tuple[str, ...]]:
    return split.train, split.valid, split.test


def _subject(task: Task, train_data: Dataset, test_data: Dataset, found: NamedSplit) -> Subject:
    """Return one subject, with `n_train` training clips drawn when the task says so."""
    sides = (train_data, train_data, test_data)
    train, valid, test = (
        [Placed(data.name, data.by_id[one]) for one in ids]
        for data, ids in zip(sides, _roles(found.split), strict=True)
    )
    if task.n_train is not None:
        drawn = splits.subset([one.clip for one in train], task.label, task.n_train, train_data.name, "n_train")
        train = [one for one in train if one.clip.id in set(drawn)]
    crossed = train_data is not test_data
    clips = [[one.clip for one in part] for part in (train, valid, test)]
    classes, notes = target_classes.classes_of(task, clips[0], [*clips[1], *clips[2]], crossed)
    return Subject(
        task,
        f"{train_data.name}→{test_data.name}" if crossed else train_data.name,
        f"{train_data.version}→{test_data.version}" if crossed else train_data.version,
        found.name,
        found.fold,
        tuple(train),
        tuple(valid),
        tuple(sorted(test, key=lambda one: one.clip.id)),
        classes,
        tuple(note for note in (*_said_by(train_data, test_data), found.note, *notes) if note),
        not (records.is_real(train_data) and records.is_real(test_data)),
    )


def _said_by(*datasets: Dataset) -> Iterable[str]:
    return dict.fromkeys(note for dataset in datasets for note in dataset.notes)
