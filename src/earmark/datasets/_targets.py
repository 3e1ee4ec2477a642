"""What is wrong with labels, splits and groups, without hearing a clip."""

from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Mapping

from earmark.counted import counted
from earmark.datasets._finding import Finding
from earmark.datasets._labels import classes_of, groups_name
from earmark.datasets.base import Dataset
from earmark.nouns import Clip, Split

ROLES = ("train", "valid", "test")


def label_findings(dataset: Dataset, label: str) -> list[Finding]:
    """Return clips without the label, classes too rare to learn and test, and labels that tell nothing apart.

    A label that the publisher gave to so many clips is not missing from the others.
    """
    missing = tuple(clip.id for clip in dataset.clips if label not in clip.targets)
    labelled = [clip for clip in dataset.clips if label in clip.targets]
    found = []
    published = next((one.n_clips for one in dataset.card.labels if one.name == label), None)
    if missing and len(labelled) != published:
        what = f"{counted(len(missing), 'clip')} without '{label}'"
        found.append(Finding("warning", what, missing, "Label them; a task leaves them out."))
    counts = class_counts(labelled, label)
    if len({clip.targets[label] for clip in labelled}) == 1:
        remedy = "A task needs at least two different values."
        found.append(Finding("error", f"every clip has the same '{label}'", (str(labelled[0].targets[label]),), remedy))
    elif once := tuple(sorted(name for name, count in counts.items() if count == 1)):
        what = f"{counted(len(once), 'class')} of '{label}' with a single clip"
        found.append(Finding("warning", what, once, "Add clips or merge classes: one clip is learnt or tested."))
    return found


def class_counts(clips: Iterable[Clip], label: str) -> Counter[str]:
    """Return how many clips each class has."""
    return Counter(name for clip in clips for name in classes_of(clip.targets[label]))


def split_findings(dataset: Dataset, labels: Iterable[str]) -> list[Finding]:
    """Return what is wrong with each official split: empty parts, leaks, classes absent from a part."""
    made_for = {label: dataset.splits_for(label) for label in labels}
    found = []
    for name, folds in dataset.splits.items():
        for fold, split in enumerate(folds):
            where = f"split '{name}'" + (f" fold {fold}" if len(folds) > 1 else "")
            served = [label for label, names in made_for.items() if name in names]
            found += _part_findings(dataset, split, where)
            found += _group_findings(dataset, name, split, where, served)
            for label in served:
                found += _class_findings(dataset, split, where, label)
    return found


def _part_findings(dataset: Dataset, split: Split, where: str) -> list[Finding]:
    found = []
    parts: Mapping[str, tuple[str, ...]] = {role: getattr(split, role) for role in ROLES}
    needed = ("train", "test") if split.train or split.valid else ("test",)  # without both, it is there to be tested
    if empty := tuple(role for role in needed if not parts[role]):
        found.append(Finding("error", f"{where} has an empty part", empty, "Put clips there, or remove the split."))
    count = Counter(name for ids in parts.values() for name in ids)
    if twice := tuple(sorted(name for name, times in count.items() if times > 1)):
        found.append(Finding("error", f"{where} has {counted(len(twice), 'clip')} in two parts", twice, "Keep one."))
    if unknown := tuple(sorted(count.keys() - dataset.by_id.keys())):
        what = f"{where} names {counted(len(unknown), 'clip')} that are not there"
        found.append(Finding("error", what, unknown, "Remove them from the split or add their audio."))
    if outside := tuple(clip.id for clip in dataset.clips if clip.id not in count):
        found.append(
            Finding("info", f"{counted(len(outside), 'clip')} in no part of {where}", outside, "They are not used.")
        )
    return found


def _group_findings(dataset: Dataset, name: str, split: Split, where: str, labels: Collection[str]) -> list[Finding]:
    parted = parted_groups(dataset, split)
    if not parted:
        return []
    about = tuple(f"{group} ({', '.join(sorted(roles))})" for group, roles in parted.items())
    what = f"{where} parts {counted(len(parted), 'group')}"
    leak = dataset.known_leak(name)
    if leak:
        return [Finding("warning", f"{what}, as published", about, f"Known: {leak}. Scores may be too high.")]
    if groups_name_each(dataset, name, split, labels):
        remedy = "Nothing to do: each class lies in one group, and must be met in training."
        return [Finding("info", f"{what}, which name the label itself", about, remedy)]
    return [Finding("error", what, about, "Move each group into one part: scores would be too high.")]


def parted_groups(dataset: Dataset, split: Split) -> Mapping[str, frozenset[str]]:
    """Return the groups that are in several parts of a split, sorted, and in which."""
    roles = defaultdict[str, set[str]](set)
    for role in ROLES:
        for group in (dataset.by_id[one].group for one in getattr(split, role) if one in dataset.by_id):
            if group is not None:
                roles[group].add(role)
    return {group: frozenset(found) for group, found in sorted(roles.items()) if len(found) > 1}


def groups_name_each(dataset: Dataset, name: str, split: Split, labels: Collection[str] = ()) -> bool:
    """Say whether the groups of a split name every label that it was made for: then to part them is no leak.

    `labels`: only these, where it was made for one of them.
    """
    served = [label for label in dataset.labels if name in dataset.splits_for(label)]
    asked = [label for label in served if label in labels] or served
    clips = [dataset.by_id[one] for role in ROLES for one in getattr(split, role) if one in dataset.by_id]
    return bool(asked) and all(groups_name(clips, label) for label in asked)


def _class_findings(dataset: Dataset, split: Split, where: str, label: str) -> list[Finding]:
    def classes(ids: tuple[str, ...]) -> set[str]:
        known = (dataset.by_id[name] for name in ids if name in dataset.by_id)
        return set(class_counts((clip for clip in known if label in clip.targets), label))

    train, test = classes(split.train), classes(split.test)
    found = []
    if split.train and (unlearnt := tuple(sorted(test - train))):
        what = f"{counted(len(unlearnt), 'class')} of '{label}' in the test part of {where} and not in train"
        found.append(Finding("error", what, unlearnt, "Add training clips, or take the classes out of the test part."))
    if untested := tuple(sorted(train - test)):
        what = f"{counted(len(untested), 'class')} of '{label}' in train and not in the test part of {where}"
        found.append(Finding("warning", what, untested, "Add test clips: nothing is measured for it."))
    return found
