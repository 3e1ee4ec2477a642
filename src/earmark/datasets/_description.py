"""A dataset in numbers, from headers and labels alone."""

from collections import Counter
from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from earmark import audio
from earmark.datasets import splits
from earmark.datasets._labels import classes_of, numbers_of
from earmark.datasets._targets import ROLES
from earmark.datasets.base import Dataset
from earmark.datasets.splits import NamedSplit
from earmark.errors import AudioError, DataError
from earmark.nouns import Clip, Split

N_BINS = 12
Counts = Mapping[str, int]


@dataclass(frozen=True)
class LabelDescription:
    """A label: clips that carry it; its classes, most frequent first, per part of `split`; or its numbers' range."""

    name: str
    n_clips: int
    classes: tuple[tuple[str, int, Counts], ...]
    ranges: tuple[tuple[float, float, float], ...]  # least, mean, greatest of each number
    split: str = ""


@dataclass(frozen=True)
class Description:
    """A dataset in numbers. `durations` are bins (from s, to s, clips); `parts` those of each split's folds.

    `notes` are the dataset's: what whoever reads a number should know, such as clips left out.
    """

    name: str
    version: str
    licence: str
    n_clips: int
    n_groups: int
    hours: float
    unreadable: tuple[str, ...]
    durations: tuple[tuple[float, float, int], ...]
    rates: Counts
    channels: Counts
    formats: Counts
    parts: tuple[tuple[str, int, Counts], ...]
    labels: tuple[LabelDescription, ...]
    notes: tuple[str, ...] = ()


def describe(dataset: Dataset, label: str | None = None, jobs: int = 1, split: str | None = None) -> Description:
    """Describe a dataset by the headers of its files and its labels, or the one `label`, in the parts of a split.

    `split` None is each label's own: the official one that was made for it, else the one that a task would draw.

    Raises DataError when no clip carries the label. Files that cannot be read are listed, not counted in hours.
    """
    if label is not None:
        dataset.require_label(label)
    paths = sorted({clip.path for clip in dataset.clips})
    with ThreadPoolExecutor(jobs) as pool:
        headers = dict(zip(paths, pool.map(_header, paths), strict=True))
    known = [(clip, header) for clip in dataset.clips if (header := headers[clip.path]) is not None]
    seconds = [_duration_s(clip, header) for clip, header in known]
    groups = {clip.group for clip in dataset.clips} - {None}
    labels = [label] if label is not None else list(dataset.labels)
    return Description(
        name=dataset.name,
        version=dataset.version,
        licence=dataset.card.licence,
        n_clips=len(dataset.clips),
        n_groups=len(groups),
        hours=sum(seconds) / 3600,
        unreadable=tuple(clip.id for clip in dataset.clips if headers[clip.path] is None),
        durations=_histogram(seconds),
        rates=_counts(f"{header.sample_rate} Hz" for _, header in known),
        channels=_counts({1: "mono", 2: "stereo"}.get(h.channels, f"{h.channels} channels") for _, h in known),
        formats=_counts(header.format for _, header in known),
        parts=tuple(
            (name, fold, {role: len(getattr(part, role)) for role in ROLES})
            for name, folds in dataset.splits.items()
            for fold, part in enumerate(folds)
        ),
        labels=tuple(_label(dataset, name, _split_of(dataset, name, split)) for name in labels),
        notes=dataset.notes,
    )


def _header(path: Path) -> audio.AudioInfo | None:
    try:
        return audio.info(path)
    except AudioError:
        return None


def _duration_s(clip: Clip, header: audio.AudioInfo) -> float:
    end_s = header.duration_s if clip.end_s is None else min(clip.end_s, header.duration_s)
    return max(end_s - (clip.start_s or 0.0), 0.0)


def _histogram(seconds: list[float]) -> tuple[tuple[float, float, int], ...]:
    """Return up to 12 bins of equal width; one where all clips are as long."""
    if not seconds:
        return ()
    if max(seconds) - min(seconds) < 1e-3:
        return ((min(seconds), max(seconds), len(seconds)),)
    counts, edges = np.histogram(seconds, N_BINS)
    return tuple((float(a), float(b), int(n)) for a, b, n in zip(edges, edges[1:], counts, strict=False))


def _counts(names: Iterable[str]) -> Counts:
    return dict(Counter(names).most_common())


def _split_of(dataset: Dataset, label: str, name: str | None) -> NamedSplit:
    """Return the first fold of a label's split; an empty one where none can be drawn."""
    try:
        return splits.resolve(dataset, name, label)[0]
    except DataError:
        return NamedSplit("", 0, Split((), (), ()), "")


def _label(dataset: Dataset, name: str, named: NamedSplit) -> LabelDescription:
    split = named.split
    labelled = [clip for clip in dataset.clips if name in clip.targets]
    total = Counter(value for clip in labelled for value in classes_of(clip.targets[name]))
    parts: dict[str, Counter[str]] = {}
    for role in ROLES:
        ids = set(getattr(split, role))
        parts[role] = Counter(v for clip in labelled if clip.id in ids for v in classes_of(clip.targets[name]))
    rows = [numbers_of(clip.targets[name]) for clip in labelled]
    columns = [[row[axis] for row in rows if len(row) > axis] for axis in range(max(map(len, rows), default=0))]
    return LabelDescription(
        name,
        len(labelled),
        tuple(
            (value, count, {role: parts[role][value] for role in ROLES if split.train})
            for value, count in sorted(total.items(), key=lambda item: (-item[1], item[0]))
        ),
        tuple((min(column), float(np.mean(column)), max(column)) for column in columns),
        named.name,
    )
