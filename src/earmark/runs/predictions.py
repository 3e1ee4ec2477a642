"""What a run predicted, read back from its folder: each file of predictions by what it is of."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, get_type_hints

import numpy as np
import polars as pl

from earmark.analysis.tables import seen_as
from earmark.errors import DataError
from earmark.nouns import Kind

INDEX = "index.jsonl"


@dataclass(frozen=True)
class Answers:
    """What one system said of test clips: (clips,) or (clips, labels) targets, (seeds, clips, outputs) scores.

    `groups` None: no clip has one; else a clip without one is its own. `target_hz` None: targets say all of a pitch.
    """

    clips: tuple[str, ...]
    groups: tuple[str, ...] | None
    targets: np.ndarray
    scores: np.ndarray
    target_hz: np.ndarray | None = None

    def beside(self, others: Sequence["Answers"]) -> "Answers":
        """Return the answers with those of others, to the clips that all have, as further seeds."""
        heard = set(self.clips).intersection(*(one.clips for one in others))
        same = [one.of([clip for clip in self.clips if clip in heard]) for one in (self, *others)]
        return replace(same[0], scores=np.concatenate([one.scores for one in same]))

    def of(self, clips: Sequence[str]) -> "Answers":
        """Return the answers to some of the clips, in their order."""
        at = {clip: place for place, clip in enumerate(self.clips)}
        places = [at[clip] for clip in clips]
        groups = tuple(self.groups[place] for place in places) if self.groups else None
        target_hz = None if self.target_hz is None else self.target_hz[places]
        return Answers(tuple(clips), groups, self.targets[places], self.scores[:, places], target_hz)


@dataclass(frozen=True)
class Predicted:
    """A file of predictions: the system and condition it is of, and how these were scored.

    `probes` maps the seeds, as text, to the keys of the probes; the constant predictor has none.
    """

    file: Path
    task: str
    dataset: str
    split: str
    fold: int
    train_share: float
    representation: str
    layer: str
    pool: str
    probe: str
    deformation: str
    classes: tuple[str, ...]
    kind: Kind
    metrics: tuple[str, ...]
    resamples: int
    ci_level: float
    probes: Mapping[str, str]

    @property
    def system(self) -> str:
        """The name of what predicted: "logmel (mean+std), M1"."""
        return f"{seen_as(self.representation, self.layer, self.pool)}, {self.probe}"

    def read(self) -> Answers:
        """Return what is in the file."""
        table = pl.read_parquet(self.file)
        n_seeds = table["seed"].n_unique()
        first = table.head(len(table) // n_seeds)  # seeds stand one after another, with the same clips
        names, clips = first["group"].to_list(), tuple(first["clip"])
        groups = tuple(name or clip for name, clip in zip(names, clips, strict=True)) if any(names) else None
        scores = table["scores"].explode().to_numpy().astype(np.float32, copy=False).reshape(n_seeds, len(first), -1)
        target_hz = first["target_hz"].to_numpy() if "target_hz" in first.columns else None
        return Answers(clips, groups, self._targets(first["target"].to_list()), scores, target_hz)

    def _targets(self, named: Sequence[Any]) -> np.ndarray:
        """Return targets as metrics take them from their names, as `subjects.Subject.targets` makes them."""
        if self.kind == "regression":
            return np.array([[float(number) for number in row] for row in named], np.float32)
        if self.kind == "multilabel":
            return np.array([np.isin(self.classes, row) for row in named], np.float32)
        place = {name: position for position, name in enumerate(self.classes)}
        return np.array([place[name] for name in named], np.int64)


def index(folder: Path) -> tuple[Predicted, ...]:
    """Return every file of predictions of a run's folder, in the order of its experiment."""
    file = folder / "predictions" / INDEX
    if not file.is_file():
        raise DataError(f"Expected a run with predictions/{INDEX}, found none at '{folder}'. Finish its run first.")
    # of bytes: text would also end a line at U+2028, which a label may hold
    found = tuple(_predicted(file.parent, json.loads(line)) for line in file.read_bytes().splitlines())
    if not found:
        raise DataError(f"The run at '{folder}' predicted nothing. Finish its run first.")
    return found


def _predicted(folder: Path, entry: dict[str, Any]) -> Predicted:
    given = entry | {"file": folder / entry["file"]}
    missing = [name for name in get_type_hints(Predicted) if name not in given]
    if missing:
        raise DataError(
            f"'{folder}' is of an older earmark: its index lacks {', '.join(missing)}. Run its experiment again; "
            "embeddings and probes are in the store already."
        )
    lists = {name: tuple(value) for name, value in given.items() if isinstance(value, list)}
    return Predicted(**{name: (given | lists)[name] for name in get_type_hints(Predicted)})
