"""What the script of a page reads: matrices, the clips of their cells, pictures, and sound."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from itertools import chain
from pathlib import Path

from earmark.analysis import escapes
from earmark.counted import counted
from earmark.deformations import CLEAN
from earmark.errors import DataError
from earmark.reports import _matrices
from earmark.reports._matrices import Cell, Matrix, Sound, Topic, Topics
from earmark.reports._media import SECONDS, Library, Medium, address
from earmark.runs.confusions import Said

LISTED = ((24, 24), (24, 12), (24, 6), (12, 6), (12, 3), (6, 3), (6, 1), (3, 1), (1, 1), (1, 0), (0, 0))
"""At most so many clips of a cell, on clean audio and on deformed: the first pair that is not too much."""
MOST_BYTES = 1_100_000
"""Of matrices and lists of clips as JSON, before pictures and sound."""
SEVERAL_A_CLIP = ("multilabel", "regression")

Json = dict[str, object]


@dataclass(frozen=True)
class Listening:
    """What a page holds of confusions. `data`: JSON for its script, "" where there is nothing; `notes`: the limits."""

    data: str
    notes: tuple[str, ...]
    is_linked: bool = False


def listening(folder: Path, n_clips: int, embed_audio: bool, page: Path) -> Listening:
    """Return what a page at `page` holds of a run's confusions, at most `n_clips` clips of it pictured."""
    try:
        found = _matrices.topics(folder)
    except DataError as error:
        return Listening("", (f"There are no confusions to show. {error}",))
    if not found.topics:
        return Listening("", ("There are no confusions to show: the run has the constant predictor alone.",))
    library = Library.of(folder)
    media = {sound: library.medium(sound, embed_audio) for sound in _matrices.chosen(found, n_clips)}
    for most in LISTED:
        writer = _Writer(found, library, page, frozenset(media), most)
        data = writer.data()
        if len(in_script(data)) <= MOST_BYTES:
            break
    notes = tuple(_notes(found, library, media, most, embed_audio))
    return Listening(in_script({**data, "media": writer.media(media)}), notes, bool(writer.files))


def in_script(data: object) -> str:
    """Return JSON that ends no script element and has no line separator that a script would end a line at."""
    text = json.dumps(data, ensure_ascii=True, separators=(",", ":"), allow_nan=False)
    return text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")


@dataclass
class _Writer:
    """Puts what was found into plain values. Clips, files and axes are written once, and then called by their place."""

    found: Topics
    library: Library
    page: Path
    pictured: frozenset[Sound]
    most: tuple[int, int]
    clips: dict[tuple[str, str], int] = field(default_factory=dict)
    files: dict[str, int] = field(default_factory=dict)
    axes: dict[tuple[tuple[str, ...], tuple[str, ...], str], int] = field(default_factory=dict)

    def data(self) -> Json:
        """Return all but pictures and sound."""
        tasks = [self._topic(one) for one in self.found.topics]
        clips = [self._clip(*name) for name in self.clips]
        axes = [{"rows": rows, "columns": columns, "unit": unit} for rows, columns, unit in self.axes]
        return {"tasks": tasks, "axes": axes, "clips": clips, "files": list(self.files)}

    def media(self, media: Mapping[Sound, Medium]) -> Json:
        """Return pictures and sound by the place of their clip and the name of what was heard."""
        return {
            f"{self.clips[sound.dataset, sound.clip]}/{_heard_as(sound.deformation, sound.task)}": {
                name: value for name, value in vars(one).items() if value
            }
            for sound, one in media.items()
            if (sound.dataset, sound.clip) in self.clips
        }

    def _topic(self, topic: Topic) -> Json:
        return {
            "name": escapes.plain(topic.name),
            "systems": [escapes.plain(name) for name in topic.systems],
            "deformations": [escapes.plain(name) for name in topic.deformations],
            "chains": [_heard_as(name, topic.task if name in self.found.own else "") for name in topic.deformations],
            "isClean": [name == CLEAN.name for name in topic.deformations],
            "start": [topic.systems.index(topic.lead), 0],
            "views": [
                [self._view(topic, topic.matrices.get((system, name))) for name in topic.deformations]
                for system in topic.systems
            ],
        }

    def _view(self, topic: Topic, matrix: Matrix | None) -> Json | None:
        if matrix is None:
            return None
        unit = "answer" if matrix.predicted.kind in SEVERAL_A_CLIP else "clip"
        rows, columns = (tuple(map(escapes.plain, names)) for names in (matrix.found.rows, matrix.found.columns))
        return {
            "axes": self.axes.setdefault((rows, columns, unit), len(self.axes)),
            "seeds": matrix.found.n_seeds,
            "isWhole": matrix.is_whole,
            "width": 5 if matrix.predicted.kind in SEVERAL_A_CLIP else 3,
            "totals": [_short(total) for total in matrix.found.counts.sum(axis=1).tolist()],
            "right": _short(float(matrix.found.counts[~matrix.found.is_error].sum())),
            "cells": [self._cell(topic, matrix, one) for one in matrix.cells],
        }

    def _cell(self, topic: Topic, matrix: Matrix, one: Cell) -> list[object]:
        deformation = matrix.predicted.deformation
        most = self.most[deformation != CLEAN.name]
        said = [
            self._said(each, has_words=matrix.predicted.kind in SEVERAL_A_CLIP)
            for place, each in enumerate(one.said)
            if place < most or self.found.sound(topic, deformation, each) in self.pictured
        ]
        return [one.row, one.column, _short(one.clips), int(one.is_error), one.n, list(chain.from_iterable(said))]

    def _said(self, one: Said, has_words: bool) -> tuple[object, ...]:
        """Return a clip, its probability in percent, seeds and, where they are not those of the cell, both words."""
        place = self.clips.setdefault((one.dataset, one.clip), len(self.clips))
        probability = None if one.probability is None else round(100 * one.probability)
        words = map(escapes.plain, (one.target, one.label)) if has_words else ()
        return place, probability, one.n_seeds, *words

    def _clip(self, dataset: str, clip: str) -> list[object]:
        one = self.library.heard.get((dataset, clip))
        if one is None:
            return [escapes.plain(clip), -1, None, None]
        file = self.files.setdefault(address(one.path, self.page), len(self.files))
        return [escapes.plain(clip), file, one.start_s, one.end_s]


def _heard_as(deformation: str, task: str) -> str:
    return f"{deformation}/{task}" if task else deformation


def _short(value: float) -> float:
    return int(value) if value == int(value) else round(value, 2)


def _notes(
    found: Topics, library: Library, media: Mapping[Sound, Medium], most: tuple[int, int], embed_audio: bool
) -> Iterator[str]:
    """Yield what the page holds and what it leaves out, and why."""
    n_pictures = sum(bool(one.picture) for one in media.values())
    if library.lost:
        yield f"There is no sound and no picture. {library.lost}"
    else:
        yield (
            f"A picture of what the model heard: {counted(n_pictures, 'clip')} (log-mel spectrogram, at most the first "
            f"{SECONDS:g} s), errors first, spread over the matrices; `earmark report --clips` says how many."
        )
        yield from _of_sound(library, media, embed_audio)
    deformed = "" if most[0] == most[1] else f" ({most[1]} where the audio was deformed)"
    clips = counted(most[0], "clip")
    yield f"A cell lists at most {clips}{deformed}, surest first; predictions/ in the run's folder has all."
    if any(not one.is_whole for topic in found.topics for one in topic.matrices.values()):
        yield (
            f"With more than {_matrices.MOST_ROWS} lines no matrix is drawn: its {_matrices.MOST_ERRORS} most frequent "
            "errors are named instead."
        )
    if found.n_left_out:
        n_shown = _matrices.MOST_MATRICES
        yield f"{n_shown} matrices are on this page; {found.n_left_out} more are in the run's folder, as predictions."


def _of_sound(library: Library, media: Mapping[Sound, Medium], embed_audio: bool) -> Iterator[str]:
    n_sounds = sum(bool(one.sound) for one in media.values())
    if embed_audio and n_sounds:
        yield f"{n_sounds} of them can be heard wherever this page is read: just what the model heard."
    yield (
        f"All {'other ' if n_sounds else ''}sound is linked, not copied: it plays on the machine of the run while the "
        "file lies there. What is linked is the clean file, also where the model heard it deformed."
    )
    kept = [name for name, one in library.rights.items() if not one.redistributable]
    if embed_audio and kept:
        licences = "; ".join(f"{escapes.plain(name)}: {escapes.plain(library.rights[name].licence)}" for name in kept)
        yield f"Not embedded, since the card does not allow its audio to be passed on: {licences}."
    failed = [one.why for one in media.values() if one.why]
    if failed:
        yield f"{counted(len(failed), 'clip')} could not be pictured; the first: {failed[0]}"
