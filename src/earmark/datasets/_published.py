"""A dataset against its card: clips, labels and splits counted, and what differs from what was published."""

import hashlib
from collections.abc import Iterator, Mapping

from earmark.datasets._finding import Finding
from earmark.datasets._sound import Sound
from earmark.datasets._targets import ROLES, class_counts
from earmark.datasets.base import Dataset
from earmark.datasets.records import Record
from earmark.nouns import LabelCard, SplitCard

FETCH = "Fetch the rest, or correct the folder: numbers on other clips cannot be compared."


def card_findings(dataset: Dataset) -> list[Finding]:
    """Return every count that differs from the card's. What the card does not know is not compared."""
    card = dataset.card
    found = list(_count("clips", card.n_clips, len(dataset.clips)))
    for label in card.labels:
        found += _label_findings(dataset, label)
    for split in card.splits:
        found += _split_findings(dataset, split)
    return found


def _count(what: str, published: int | None, found: int) -> Iterator[Finding]:
    if published is not None and published != found:
        yield Finding("error", f"{found:,} {what}, published are {published:,}", (), FETCH)


def _label_findings(dataset: Dataset, label: LabelCard) -> Iterator[Finding]:
    labelled = [clip for clip in dataset.clips if label.name in clip.targets]
    yield from _count(f"clips with '{label.name}'", label.n_clips, len(labelled))
    if label.kind != "regression":
        yield from _count(f"classes of '{label.name}'", label.n_classes, len(class_counts(labelled, label.name)))


def _split_findings(dataset: Dataset, split: SplitCard) -> Iterator[Finding]:
    if not split.sizes:
        return
    folds = dataset.splits.get(split.name, ())
    sizes = tuple((len(fold.train), len(fold.valid), len(fold.test)) for fold in folds)
    for number, (published, found) in enumerate(zip(split.sizes, sizes, strict=False)):
        if published != found:
            what = f"split '{split.name}' fold {number} has {found} clips in {', '.join(ROLES)}, published {published}"
            yield Finding("error", what, (), FETCH)
    yield from _count(f"folds of split '{split.name}'", len(split.sizes), len(sizes))


def record_of(dataset: Dataset, sounds: Mapping[str, Sound]) -> Record:
    """Return what was found, as a record. `sounds` are of every clip."""
    lines = "".join(f"{name} {sounds[name].sha256}\n" for name in sorted(sounds))
    labels = {
        label: len(class_counts((clip for clip in dataset.clips if label in clip.targets), label))
        for label in dataset.labels
    }
    return Record(
        dataset=dataset.name,
        version=dataset.version,
        n_clips=len(dataset.clips),
        hours=round(sum(sound.duration_s for sound in sounds.values()) / 3600, 3),
        classes=labels,
        splits={
            name: [[len(fold.train), len(fold.valid), len(fold.test)] for fold in folds]
            for name, folds in dataset.splits.items()
        },
        audio_sha256=hashlib.sha256(lines.encode()).hexdigest(),
    )
