"""What there is: datasets, tasks and representations with licence, size and what else their cards say."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from earmark import licences
from earmark.datasets import names, records
from earmark.licences import Terms
from earmark.metrics import defaults
from earmark.nouns import Card, DataCard, Kind
from earmark.representations import base, get
from earmark.tasks import TASKS


@dataclass(frozen=True)
class DatasetLine:
    """A dataset. `size_bytes` is what there is to fetch, as far as published; `is_here`: in the data home."""

    name: str
    title: str
    status: str
    licence: str
    redistributable: bool
    size_bytes: int | None
    n_clips: int | None
    hours: float | None
    labels: tuple[str, ...]
    verified: str
    is_here: bool


@dataclass(frozen=True)
class TaskLine:
    """A task, and the line of its dataset: None for a problem, which is crossed with datasets."""

    name: str
    kind: Kind
    label: str
    n_classes: int | None
    metrics: tuple[str, ...]
    split: str
    description: str
    dataset: DatasetLine | None


@dataclass(frozen=True)
class RepresentationLine:
    """A representation. `frame_rate_hz` 0: one frame a segment. `terms`: what its licence permits.

    `size_bytes` is what there is to fetch, if known.
    """

    name: str
    dim: int
    layers: int
    sample_rate: int
    frame_rate_hz: float
    n_parameters: int
    licence: str
    terms: Terms
    commercial: bool
    trained_on: str
    objective: str
    verified: str
    size_bytes: int | None
    weights: Literal["none needed", "here", "to fetch"]


def datasets() -> tuple[DatasetLine, ...]:
    """Return every dataset and variant by name."""
    return tuple(_dataset(name, card) for name, card in names.every().items())


def tasks() -> tuple[TaskLine, ...]:
    """Return every task in the order of tasks.py: first those with a dataset, then the problems."""
    return tuple(_tasks())


def _tasks() -> Iterator[TaskLine]:
    for task in TASKS.values():
        card = names.card(task.dataset) if task.dataset else None
        known = {label.name: label for label in card.labels} if card else {}
        yield TaskLine(
            name=task.name,
            kind=task.kind,
            label=task.label,
            n_classes=known[task.label].n_classes if task.label in known else None,
            metrics=defaults(task.kind),
            split=task.split or ("the dataset's" if card is None else _own_split(card, task.label)),
            description=task.description,
            dataset=_dataset(task.dataset, card) if task.dataset and card else None,
        )


def _own_split(card: DataCard, label: str) -> str:
    """Return the split that a label gets when a task names none."""
    made = (split.name for split in card.splits if not split.labels or label in split.labels)
    return next(made, "random 80-10-10")


def _dataset(name: str, card: DataCard) -> DatasetLine:
    sizes = [source.size_bytes for source in card.sources if source.size_bytes is not None]
    folder = names.home(name)
    record = records.read(name)
    # Of the copy in the home: a record of one that lies elsewhere says nothing of it.
    is_counted = card.verified == "real" or (record is not None and record.root == str(folder.resolve()))
    return DatasetLine(
        name=name,
        title=card.title,
        status=card.status,
        licence=card.licence,
        redistributable=card.redistributable,
        size_bytes=sum(sizes) or None,
        n_clips=card.n_clips,
        hours=card.hours,
        labels=tuple(label.name for label in card.labels),
        verified="real" if is_counted else card.verified,
        is_here=folder.is_dir() and any(folder.iterdir()),
    )


def representations() -> tuple[RepresentationLine, ...]:
    """Return every representation and variant by name; forms of a name have no card: see `base.forms`."""
    return tuple(_representation(name, card) for name, card in base.every().items())


def _representation(name: str, card: Card) -> RepresentationLine:
    sizes = [source.size_bytes for source in card.sources if source.size_bytes is not None]
    return RepresentationLine(
        name=name,
        dim=card.dim,
        layers=card.layers,
        sample_rate=card.sample_rate,
        frame_rate_hz=card.frame_rate_hz,
        n_parameters=card.n_parameters,
        licence=card.licence,
        terms=licences.terms(card.licence),
        commercial=not licences.why_not(card.licence, card.commercial),
        trained_on=card.trained_on,
        objective=card.objective,
        verified=card.verified,
        size_bytes=sum(sizes) or None,
        weights="none needed" if not card.sources else "here" if get.is_here(card) else "to fetch",
    )
