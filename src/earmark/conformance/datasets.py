"""The laws of a dataset."""

from collections.abc import Iterator

from earmark.counted import counted
from earmark.datasets._targets import groups_name_each, parted_groups
from earmark.datasets.base import Dataset
from earmark.nouns import Split

PAIRS = (("train", "valid"), ("train", "test"), ("valid", "test"))


def broken_by_dataset(dataset: Dataset) -> tuple[str, ...]:
    """Check ids, files and splits: known ids, no clip in two roles, no group across roles.

    Groups may be parted where the card says so, and where they name every label that the split was made for.
    """
    return tuple(_of_dataset(dataset))


def _of_dataset(dataset: Dataset) -> Iterator[str]:
    if not dataset.clips:
        yield "it has no clips"
        return
    missing = [clip.id for clip in dataset.clips if not clip.path.is_file()]
    if missing:
        yield f"{len(missing)} of {len(dataset.clips)} files are not there, first: {missing[0]}"
    if not dataset.labels:
        yield "no clip has a target"
    for name, folds in dataset.splits.items():
        for number, split in enumerate(folds):
            where = f"split '{name}' fold {number}"
            roles = {"train": split.train, "valid": split.valid, "test": split.test}
            unknown = {one for ids in roles.values() for one in ids} - dataset.by_id.keys()
            if unknown:
                yield f"{where} names clips that do not exist: {sorted(unknown)[:3]}"
                continue
            yield from _in_two_roles(where, roles)
            if not dataset.known_leak(name) and not groups_name_each(dataset, name, split):
                yield from _parted(dataset, where, split)


def _in_two_roles(where: str, roles: dict[str, tuple[str, ...]]) -> Iterator[str]:
    for one, other in PAIRS:
        if both := set(roles[one]) & set(roles[other]):
            yield f"{where}: {_are(len(both), 'clip')} in {one} and in {other}"


def _parted(dataset: Dataset, where: str, split: Split) -> Iterator[str]:
    parted = parted_groups(dataset, split)
    for one, other in PAIRS:
        if shared := [group for group, roles in parted.items() if {one, other} <= roles]:
            yield f"{where}: {_are(len(shared), 'group')} in {one} and in {other}, first: {shared[0]}"


def _are(n: int, noun: str) -> str:
    return f"{counted(n, noun)} {'is' if n == 1 else 'are'}"
