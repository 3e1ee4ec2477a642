"""The contract of a dataset.

A dataset file offers `CARDS`, which maps each variant to its card ("" is the plain name, "*" any other), and
`load(variant: str, root: Path) -> Dataset`: `variant` is what the name holds after the file's name ("studio:fluid"
→ "fluid"), `root` the folder where its files lie or are made. It may offer `track_sources(variant, root) ->
Iterable[Alone]`, where the audio of a clip can be had alone. `_methods` turns a class of the thesis' four methods into
the same.
"""

import glob
from collections.abc import Iterable, Mapping, Set
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import NamedTuple

from earmark.datasets._listing import version_of
from earmark.datasets._stamps import stamps_of
from earmark.errors import DataError, MissingPart, UserError, hint
from earmark.nouns import Clip, DataCard, Source, Split

ARCHIVES = frozenset((".zip", ".tar", ".gz", ".tgz", ".bz2", ".xz", ".7z", ".rar"))


class Alone(NamedTuple):
    """A clip whose audio can be fetched without that of the others, and whence."""

    clip: Clip
    source: Source


@dataclass(frozen=True)
class Dataset:
    """Clips, named official splits, and the card that says where all of it comes from.

    `splits` maps a split's name to its folds (a tuple of one when there is a single partition); the first that
    was made for a label is that label's default. Where there is none, a seeded, stratified one is drawn. One of
    nothing but a test part is there to be scored with what another dataset fitted. `notes` are what whoever reads a
    number should know, such as clips left out.
    """

    name: str
    version: str
    root: Path
    clips: tuple[Clip, ...]
    splits: Mapping[str, tuple[Split, ...]] = field(default_factory=dict)
    card: DataCard = field(default_factory=lambda: DataCard(title="your own data"))
    notes: tuple[str, ...] = ()

    @cached_property
    def by_id(self) -> Mapping[str, Clip]:
        """Clips by id."""
        found = {clip.id: clip for clip in self.clips}
        if len(found) != len(self.clips):
            ids = [clip.id for clip in self.clips]
            twice = sorted({name for name in ids if ids.count(name) > 1})
            raise DataError(f"Clip ids of '{self.name}' must be unique; given twice: {', '.join(twice[:5])}.")
        return found

    @cached_property
    def file_stamps(self) -> frozenset[str]:
        """Stamps of the clips' files (`_stamps`) as they were when first asked for."""
        return stamps_of(self.root, (clip.path for clip in self.clips))

    @property
    def labels(self) -> tuple[str, ...]:
        """Names of the labels that at least one clip carries."""
        return tuple(sorted({name for clip in self.clips for name in clip.targets}))

    def splits_for(self, label: str) -> Mapping[str, tuple[Split, ...]]:
        """Return the official splits that were made for a label."""
        made_for = {split.name: split.labels for split in self.card.splits}
        return {name: folds for name, folds in self.splits.items() if not made_for.get(name) or label in made_for[name]}

    def known_leak(self, split: str) -> str:
        """Return what the card says of groups that straddle a published split; "" where none may."""
        return next((one.leak for one in self.card.splits if one.name == split), "")

    def require_label(self, label: str) -> None:
        """Raise a DataError that names the nearest label when no clip carries this one."""
        if label not in self.labels:
            known = ", ".join(self.labels) or "; ".join(("none", *self.notes))
            raise DataError(
                f"Dataset '{self.name}' has no label '{label}'.{hint(label, self.labels)} Its labels: {known}."
            )


def listed(
    name: str,
    card: DataCard,
    root: Path,
    clips: Iterable[Clip],
    splits: Mapping[str, tuple[Split, ...]],
    notes: Iterable[str] = (),
) -> Dataset:
    """Return a published dataset without the clips that its card knows as bad; its notes say so."""
    every = Dataset(name, "", root, tuple(clips), splits, card, tuple(notes))
    said = [f"left out, known to be broken: {one.id} ({card.bad[one.id]})" for one in every.clips if one.id in card.bad]
    return narrowed(every, {clip.id for clip in every.clips} - card.bad.keys(), said)


def narrowed(dataset: Dataset, ids: Set[str], notes: Iterable[str]) -> Dataset:
    """Return a published dataset with the clips of these ids, its splits cut down to them, and further notes.

    Its version is the publisher's, if any, plus 8 digits of what is listed: ids, targets, groups, splits.
    """
    kept = tuple(clip for clip in dataset.clips if clip.id in ids)
    lost = {clip.id for clip in dataset.clips} - ids
    cut = {key: tuple(_without(fold, lost) for fold in folds) for key, folds in dataset.splits.items()}
    version = f"{dataset.card.version}+{version_of(kept, cut)[:8]}".removeprefix("+")
    return replace(dataset, version=version, clips=kept, splits=cut, notes=(*dataset.notes, *notes))


def _without(split: Split, lost: Set[str]) -> Split:
    return Split(*(tuple(one for one in ids if one not in lost) for ids in (split.train, split.valid, split.test)))


def get_line(name: str, options: str = "") -> str:
    """Return the line to type where a file of a dataset is not there."""
    line = f"earmark get dataset {name} {options}".rstrip()
    return f"Type: {line} (its files are elsewhere: add --dir FOLDER, or dir: in the experiment)"


def need(path: Path, name: str, root: Path) -> Path:
    """Return a path that a dataset cannot do without, or raise MissingPart with the line to type.

    A copy that lies deeper in `root`, and archives that nobody has unpacked, are named.
    """
    if not path.exists():
        wanted = path.relative_to(root).as_posix()
        raise MissingPart(
            f"Dataset '{name}' is not in '{root}': expected '{wanted}' there. {get_line(name)}"
            f"{_found_instead(wanted, root)}"
        )
    return path


def refuse_variant(name: str, variant: str) -> None:
    """Raise UserError where a variant is asked for of a dataset that has none."""
    if variant:
        raise UserError(f"The dataset '{name}' has no variants, got '{name}:{variant}'. Write '{name}'.")


def _found_instead(wanted: str, root: Path) -> str:
    """Return a sentence on a place below `root` that has what is wanted, or on archives in it; "" for neither."""
    named = (found for depth in ("*", "*/*") for found in sorted(root.glob(f"{depth}/{glob.escape(wanted)}")))
    deeper = next(named, None)
    if deeper is not None:
        place = deeper.parents[wanted.count("/")]
        return f". It is in '{place}': add --dir {place}, or move what is there up."
    packed = sorted(file.name for file in root.glob("*") if file.suffix in ARCHIVES)
    return f". Not unpacked there: {', '.join(packed)}." if packed else ""
