"""What a corpus to train on needs beyond a dataset: how long its clips are, and one fixed piece of each.

A corpus is a dataset like any other, of which nobody reads the labels: its clips are tracks, their groups say what
belongs together, and the card under which licence. `excerpts` makes of it MULE's small training set, ten seconds of
each track, the same ones for good (McCallum et al. 2022, section 4); `earmark corpus build --excerpt-s 10` asks for
them. Lengths come from the files' headers and are remembered in the home, by each file's place, size and time of
change: of two million files they take long.
"""

import math
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

from earmark import audio, durable, places
from earmark.counted import counted
from earmark.datasets._listing import clip_id
from earmark.datasets._stamps import stamps_of
from earmark.datasets.base import Dataset, narrowed
from earmark.errors import AudioError, DataError
from earmark.identity import generator, key_of
from earmark.nouns import Clip, Failure, Split
from earmark.store import lines

STEPS_PER_S = 25
"""Pieces begin at whole 1/25 s: a whole number of samples at every usual rate, so all pieces have one length."""

REMEMBERED_AT_ONCE = 5_000


class Lengths(NamedTuple):
    """Seconds of each clip by id, and the clips whose files could not be opened."""

    seconds: Mapping[str, float]
    failures: tuple[Failure, ...]


def lengths(dataset: Dataset, jobs: int = 1) -> Lengths:
    """Return how long the clips are, by their files' headers; nothing is decoded where the header says it.

    `jobs` threads read. What was read once is remembered until a file changes. A region that its file does not reach
    is not noticed here: whoever reads it is told.
    """
    paths = sorted({clip.path for clip in dataset.clips})
    of_files = _of_files(dataset.root, paths, jobs)
    seconds: dict[str, float] = {}
    failures = []
    for clip in dataset.clips:
        found = of_files[clip.path]
        if isinstance(found, AudioError):
            failures.append(Failure(dataset.name, clip.id, str(clip.path), found.reason))
        else:
            seconds[clip.id] = (found if clip.end_s is None else clip.end_s) - (clip.start_s or 0.0)
    return Lengths(seconds, tuple(failures))


def excerpts(dataset: Dataset, seconds: float, seed: int = 0, jobs: int = 1) -> Dataset:
    """Return the dataset with one piece of `seconds` in place of each clip, drawn evenly over it.

    Which piece depends on dataset, clip, `seconds` and `seed` alone: not on the other clips, nor on their order. A
    clip that is shorter, or whose file cannot be opened, stays whole, and a note counts it. A piece has its clip's
    targets, its group and its place in the splits.
    """
    if not seconds > 0:
        raise DataError(f"Expected excerpts of more than 0 s, got {seconds:g} s.")
    found = lengths(dataset, jobs)
    pieces = {clip.id: _piece(dataset.name, clip, found.seconds.get(clip.id), seconds, seed) for clip in dataset.clips}
    n_short = sum(length < seconds for length in found.seconds.values())
    notes = [f"{dataset.name}: one excerpt of {seconds:g} s of each clip, drawn with seed {seed}"]
    if n_short:
        notes.append(f"{dataset.name}: shorter than {seconds:g} s, and whole: {n_short} of {len(dataset.clips)} clips")
    if found.failures:
        first = found.failures[0]
        lost = counted(len(found.failures), "clip")
        notes.append(f"{dataset.name}: not to be opened, and whole: {lost}, such as {first.clip} ({first.reason})")
    splits = {
        name: tuple(
            Split(*(tuple(pieces[one].id for one in ids) for ids in (fold.train, fold.valid, fold.test)))
            for fold in folds
        )
        for name, folds in dataset.splits.items()
    }
    cut = replace(dataset, clips=tuple(pieces.values()), splits=splits)
    return narrowed(cut, {piece.id for piece in cut.clips}, notes)


def _piece(name: str, clip: Clip, length_s: float | None, seconds: float, seed: int) -> Clip:
    # Ten seconds at 44.1 kHz are seldom 10.000000 in floats.
    last = -1 if length_s is None else math.floor((length_s - seconds) * STEPS_PER_S + 1e-6)
    if last < 0:
        return clip
    step = int(generator("excerpt", name, clip.id, float(seconds), seed).integers(last + 1))
    start_s = (clip.start_s or 0.0) + step / STEPS_PER_S
    end_s = (clip.start_s or 0.0) + (step + seconds * STEPS_PER_S) / STEPS_PER_S
    return replace(clip, id=clip_id(clip.id, start_s, end_s), start_s=start_s, end_s=end_s)


def _of_files(root: Path, paths: Sequence[Path], jobs: int) -> Mapping[Path, float | AudioError]:
    """Return the seconds of each file, or why it cannot be opened: from memory, else from its header."""
    memory = places.home() / "durations" / f"{key_of(root=str(root.resolve()))}.jsonl"
    known = {stamp: length for each in lines.read(memory, dict[str, float]).items for stamp, length in each.items()}
    stamps = {path: next(iter(stamps_of(root, (path,)))) for path in paths}
    found: dict[Path, float | AudioError] = {path: known[stamps[path]] for path in paths if stamps[path] in known}
    with ThreadPoolExecutor(jobs) as pool:
        for some in _chunks([path for path in paths if path not in found]):
            read = dict(zip(some, pool.map(_length, some), strict=True))
            new = {stamps[path]: length for path, length in read.items() if not isinstance(length, AudioError)}
            if new:
                places.writable(memory.parent)
                durable.append(memory, lines.line(new).encode(), sync=False)  # what a crash takes is read again
            found.update(read)
    return found


def _chunks(paths: Sequence[Path]) -> Iterator[Sequence[Path]]:
    return (paths[at : at + REMEMBERED_AT_ONCE] for at in range(0, len(paths), REMEMBERED_AT_ONCE))


def _length(path: Path) -> float | AudioError:
    try:
        return audio.info(path).duration_s
    except AudioError as error:
        return error
