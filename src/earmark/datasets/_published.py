"""A dataset against its card: clips, labels and splits counted, and what differs from what was published."""

import hashlib
from collections.abc import Iterable, Iterator, Mapping

from earmark.counted import counted
from earmark.datasets._finding import Finding
from earmark.datasets._sound import Sound
from earmark.datasets._targets import ROLES, class_counts
from earmark.datasets.base import Dataset
from earmark.datasets.records import Record
from earmark.nouns import DataCard, LabelCard, SplitCard

FETCH = "Fetch the rest, or correct the folder: numbers on other clips cannot be compared."
AGAIN = "Fetch the files as published: numbers on other audio cannot be compared."
HOURS_WITHIN = 0.02  # cards give hours to two or three digits


def card_findings(dataset: Dataset, sounds: Mapping[str, Sound]) -> list[Finding]:
    """Return every count and length that differs from the card's.

    What the card does not know is not compared, nor is the length when a clip could not be read.
    """
    card = dataset.card
    found = [*_count("clip", "", card.n_clips, len(dataset.clips)), *_hours(card, sounds)]
    for label in card.labels:
        found += _label_findings(dataset, label)
    for split in card.splits:
        found += _split_findings(dataset, split)
    return found


def _hours(card: DataCard, sounds: Mapping[str, Sound]) -> Iterator[Finding]:
    if card.hours is None or any(sound.reason is not None for sound in sounds.values()):
        return
    found = hours_of(sounds)
    if abs(found - card.hours) > HOURS_WITHIN * card.hours:
        yield Finding("error", f"{found:,.2f} hours of audio, published are {card.hours:,.2f}", (), AGAIN)


def _count(noun: str, of: str, published: int | None, found: int) -> Iterator[Finding]:
    if published is not None and published != found:
        yield Finding("error", f"{counted(found, noun)}{of}, published are {published:,}", (), FETCH)


def _label_findings(dataset: Dataset, label: LabelCard) -> Iterator[Finding]:
    labelled = [clip for clip in dataset.clips if label.name in clip.targets]
    yield from _count("clip", f" with '{label.name}'", label.n_clips, len(labelled))
    if label.kind != "regression":
        n_classes = len(class_counts(labelled, label.name))
        yield from _count("class", f" of '{label.name}'", label.n_classes, n_classes)


def _split_findings(dataset: Dataset, split: SplitCard) -> Iterator[Finding]:
    if not split.sizes:
        return
    folds = dataset.splits.get(split.name, ())
    sizes = tuple((len(fold.train), len(fold.valid), len(fold.test)) for fold in folds)
    for number, (published, found) in enumerate(zip(split.sizes, sizes, strict=False)):
        if published != found:
            what = f"split '{split.name}' fold {number} has {found} clips in {', '.join(ROLES)}, published {published}"
            yield Finding("error", what, (), FETCH)
    yield from _count("fold", f" of split '{split.name}'", len(split.sizes), len(sizes))


def hours_of(sounds: Mapping[str, Sound]) -> float:
    """Return how long clips are together, in hours."""
    return sum(sound.duration_s for sound in sounds.values()) / 3600


def record_of(dataset: Dataset, sounds: Mapping[str, Sound], stamps: Iterable[str]) -> Record:
    """Return what was found, as a record. `sounds` are of every clip, `stamps` of its files before they were heard."""
    lines = "".join(f"{name} {sounds[name].sha256}\n" for name in sorted(sounds))
    labels = {
        label: len(class_counts((clip for clip in dataset.clips if label in clip.targets), label))
        for label in dataset.labels
    }
    return Record(
        dataset=dataset.name,
        version=dataset.version,
        n_clips=len(dataset.clips),
        hours=round(hours_of(sounds), 3),
        classes=labels,
        splits={
            name: [[len(fold.train), len(fold.valid), len(fold.test)] for fold in folds]
            for name, folds in dataset.splits.items()
        },
        audio_sha256=hashlib.sha256(lines.encode()).hexdigest(),
        root=str(dataset.root.resolve()),
        files=" ".join(sorted(stamps)),
    )
