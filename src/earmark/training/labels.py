"""Tags of the tracks of a corpus, in a file beside it: what a network is trained by that learns with labels.

The first line names the corpus by its key, the label, and its tags; then comes a line for each track that is labelled,
in the order of the corpus. A track of no line has no labels, and is not trained on: it is not one without the tags.
"""

import json
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import NamedTuple

from earmark import durable, identity
from earmark.datasets import names
from earmark.datasets._cells import typed
from earmark.datasets._named_rows import numbered_rows
from earmark.errors import DataError, UserError, hint
from earmark.nouns import Target
from earmark.store import lines
from earmark.training._listing import DATASET
from earmark.training.corpus import Corpus

SCHEME = 1
ID = "id"
REMEDY = (
    "Write a table such as: id,genre (a line), then song.wav,rock or song.wav,rock|live; ids as the corpus has them."
)

Tags = tuple[str, ...]


@dataclass(frozen=True)
class Labels:
    """The tags of each labelled track, by its id; `corpus` is the key of the corpus whose tracks they are."""

    corpus: str
    label: str
    tags: Tags
    by_id: Mapping[str, Tags]

    @cached_property
    def key(self) -> str:
        """Changes with every tag of every track."""
        return identity.key_of(label=self.label, tags=self.tags, by_id=dict(self.by_id))


def read(source: str, corpus: Corpus, label: str | None = None, *, data_folder: Path | None = None) -> Labels:
    """Return the labels of a corpus' tracks from a table with a column `id` (.csv, .tsv), or from `dataset:NAME`.

    `label` names the column, or the dataset's label; it may be left out where there is one. Raises DataError for ids
    that the corpus has not (but for clips that could not become tracks), for numbers in place of tags, and where
    nothing is there to be told apart.
    """
    is_dataset = source.startswith(DATASET)
    name = source.removeprefix(DATASET)
    of = _of_dataset(name, corpus, label, data_folder) if is_dataset else _of_table(Path(source), corpus, label)
    own = {track.id: of.by_id[track.id] for track in corpus.tracks if track.id in of.by_id}
    if not own:
        raise DataError(
            f"'{source}' has no label of any of {len(corpus.tracks):,} tracks of '{corpus.folder}', such as "
            f"'{corpus.tracks[0].id}'. {REMEDY}"
        )
    return _told_apart(Labels(corpus.key, of.label, tuple(sorted({tag for tags in own.values() for tag in tags})), own))


def frequent(labels: Labels, least: int) -> Labels:
    """Return labels without the tags on fewer than `least` tracks. Raises DataError where too little is left.

    A track that is left with none stays: it is one without these tags.
    """
    counts = Counter(tag for tags in labels.by_id.values() for tag in tags)
    tags = tuple(tag for tag in labels.tags if counts[tag] >= least)
    by_id = {name: tuple(tag for tag in own if tag in tags) for name, own in labels.by_id.items()}
    return _told_apart(replace(labels, tags=tags, by_id=by_id))


def _told_apart(labels: Labels) -> Labels:
    if len(set(map(frozenset, labels.by_id.values()))) < 2:
        raise DataError(
            f"Expected tags of '{labels.label}' that tell tracks apart, but all {len(labels.by_id):,} labelled tracks "
            f"have the same: {', '.join(labels.tags) or 'none'}. Take another label, or keep rarer tags."
        )
    return labels


def write(labels: Labels, file: Path) -> None:
    """Write labels to a file, whole. Raises UserError where the disk refuses."""
    said = {"corpus": labels.corpus, "label": labels.label, "tags": labels.tags}
    head = {"scheme": SCHEME, "key": labels.key, **said, "n_tracks": len(labels.by_id)}
    text = "".join(map(lines.line, [head, *({"id": name, "tags": tags} for name, tags in labels.by_id.items())]))
    try:
        durable.write_file(file, text.encode())
    except OSError as error:
        raise UserError(f"The labels '{file}' cannot be written: {error.strerror or error}.") from error


def open(file: Path | str, corpus: Corpus) -> Labels:
    """Return the labels in a file. Raises DataError for those of another corpus, damaged, or none at all."""
    path, again = Path(file), f"Make them: earmark corpus labels {corpus.folder} LABELS.csv -o {file}"
    if not path.is_file():
        raise DataError(f"Expected labels in '{path}', found none. {again}")
    try:
        head, *rows = [json.loads(row) for row in path.read_text(encoding="utf-8").removesuffix("\n").split("\n")]
        by_id = {one["id"]: tuple(one["tags"]) for one in rows}
        labels = Labels(head["corpus"], head["label"], tuple(head["tags"]), by_id)
        if (head["scheme"], head["n_tracks"], head["key"]) != (SCHEME, len(rows), labels.key):
            raise ValueError(f"expected scheme {SCHEME} and {head['n_tracks']} tracks of key {head['key']}")
    except (ValueError, KeyError, TypeError) as error:
        raise DataError(
            f"'{path}' holds no labels as earmark writes them, or is damaged ({error!r}). {again}"
        ) from error
    if labels.corpus != corpus.key:
        raise DataError(
            f"'{path}' holds labels of another corpus (key {labels.corpus}) than '{corpus.folder}' (key {corpus.key}). "
            f"{again}"
        )
    return labels


class _Found(NamedTuple):
    label: str
    by_id: Mapping[str, Tags]


def _of_table(file: Path, corpus: Corpus, label: str | None) -> _Found:
    if not file.is_file():
        raise DataError(f"Expected a table of labels, or {DATASET}NAME, got '{file}': there is no such file.")
    rows = list(numbered_rows(file, [ID], REMEDY, "\t" if file.suffix.lower() == ".tsv" else ","))
    columns = {name.partition(":")[0]: name for name in rows[0][1] if name != ID}
    chosen = columns[_chosen(label, columns, str(file))]
    column = typed(chosen, [(f"{file}:{line}", cells[chosen]) for line, cells in rows])
    ours, failed = {track.id for track in corpus.tracks}, {one.clip for one in corpus.failures}
    found: dict[str, Tags] = {}
    for (line, cells), target in zip(rows, column.targets, strict=True):
        name = cells[ID]
        if name in found:
            raise DataError(f"{file}:{line}: the track '{name}' stands here a second time. Remove one of the lines.")
        if name not in ours and name not in failed:
            raise DataError(f"{file}:{line}: '{corpus.folder}' has no track '{name}'.{hint(name, ours)} {REMEDY}")
        if target is not None:
            found[name] = _tags(target, column.label, f"{file}:{line}")
    return _Found(column.label, found)


def _of_dataset(source: str, corpus: Corpus, label: str | None, data_folder: Path | None) -> _Found:
    dataset = names.load(source, data_folder)
    chosen = _chosen(label, dataset.labels, f"{DATASET}{source}")
    found: dict[str, Tags] = {}
    for track in corpus.tracks:
        # Of several sources, each has its name before its ids; an excerpt has its place behind that of its clip.
        name = track.id.removeprefix(f"{dataset.name}/")
        clip = dataset.by_id.get(name) or dataset.by_id.get(name.rpartition("#")[0])
        if clip is not None and chosen in clip.targets:
            found[track.id] = _tags(clip.targets[chosen], chosen, f"{DATASET}{source}, '{clip.id}'")
    return _Found(chosen, found)


def _chosen(label: str | None, known: Iterable[str], where: str) -> str:
    """Return the label that is asked for, or the only one."""
    all_of_them = sorted(known)
    if label is None and len(all_of_them) == 1:
        return all_of_them[0]
    if label not in all_of_them:
        what = "which of its labels" if label is None else f"the label '{label}'"
        raise DataError(
            f"{where}: cannot tell {what} is meant.{hint(label or '', all_of_them)} Write --label with one of: "
            f"{', '.join(all_of_them) or 'none, there is no label'}."
        )
    return label


def _tags(target: Target, label: str, where: str) -> Tags:
    several = target if isinstance(target, tuple) else (target,)
    tags = [one for one in several if isinstance(one, str)]
    if len(tags) != len(several):
        raise DataError(
            f"{where}: expected tags in '{label}', got the number {several[0]}. Take another label; class names that "
            f"are digits need the column '{label}:class'."
        )
    return tuple(sorted(set(tags)))
