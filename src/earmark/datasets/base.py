"""The contract of a dataset.

A dataset file offers `load(variant: str, root: Path) -> Dataset`: `variant` is what the name holds
after the file's name ("studio:fluid" → "fluid"), `root` the folder where its audio lies or is made.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

from earmark.errors import DataError, hint
from earmark.nouns import Clip, Source, Split


@dataclass(frozen=True)
class Dataset:
    """Clips, named official splits, sources.

    `splits` maps a split's name to its folds (a tuple of one when there is a single partition); the first
    is the default. An empty mapping means none is official and a seeded, stratified one is drawn.
    """

    name: str
    version: str
    root: Path
    clips: tuple[Clip, ...]
    splits: Mapping[str, tuple[Split, ...]] = field(default_factory=dict)
    sources: tuple[Source, ...] = ()
    licence: str = "unknown"
    citation: str = ""
    redistributable: bool = False

    @cached_property
    def by_id(self) -> Mapping[str, Clip]:
        """Clips by id."""
        found = {clip.id: clip for clip in self.clips}
        if len(found) != len(self.clips):
            ids = [clip.id for clip in self.clips]
            twice = sorted({name for name in ids if ids.count(name) > 1})
            raise DataError(f"Clip ids of '{self.name}' must be unique; given twice: {', '.join(twice[:5])}.")
        return found

    @property
    def labels(self) -> tuple[str, ...]:
        """Names of the labels that at least one clip carries."""
        return tuple(sorted({name for clip in self.clips for name in clip.targets}))

    def require_label(self, label: str) -> None:
        """Raise a DataError that names the nearest label when no clip carries this one."""
        if label not in self.labels:
            known = ", ".join(self.labels) or "none"
            raise DataError(
                f"Dataset '{self.name}' has no label '{label}'.{hint(label, self.labels)} Its labels: {known}."
            )
