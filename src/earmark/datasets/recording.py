"""Which track is this second from? Pieces of tracks that nobody labelled: pre-training can be measured by them.

`dir` is a corpus of `earmark corpus build`, or any folder of audio (MP3 and Ogg are decoded from their beginning for
each piece: build a corpus of many). Of each track up to 20 pieces of 1 s are learnt, spread over its first half, up to
5 in the next tenth validate, and up to 15 in the last 40 % test; no two overlap. Each track is a class, called by its
id, and a group: intervals are over tracks. Tracks of less than about 10 s are left out, and of equal tracks all but
one. Of more than 100 tracks 100 are taken, drawn by their names alone.

A network must not have been trained on the tracks. `recording:FOLDER` leaves out those that the checkpoint in FOLDER
was trained or validated on, or all tracks of the corpus in FOLDER, known by the hash of their files.
"""

from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import NamedTuple

from earmark.datasets import _corpora, excerpts, folder
from earmark.datasets._listing import clip_id, version_of
from earmark.datasets.base import Dataset
from earmark.errors import DataError
from earmark.identity import file_sha256, seed_for
from earmark.nouns import Clip, DataCard, LabelCard, Split, SplitCard

LABEL, SPLIT = "track", "time"
PARTS = {"train": (0.0, 0.5, 20), "valid": (0.5, 0.6, 5), "test": (0.6, 1.0, 15)}
"""Of each part: from which share of a track to which, and how many pieces at most."""

STEPS_PER_S = excerpts.STEPS_PER_S
PIECE_STEPS = STEPS_PER_S
MOST_TRACKS = 100
FEWEST_TRACKS = 2

CARD = DataCard(
    title="pieces of 1 s of the tracks of a corpus, or of a folder of audio",
    labels=(LabelCard(LABEL, "multiclass", description="the track that it is from"),),
    splits=(SplitCard(SPLIT, "earmark: the first half of each track, a tenth, the last 40 %"),),
    layout="made by earmark corpus build, or none",
)
CARDS = {"*": CARD}


class Stretch(NamedTuple):
    """A track: `length_s` from `start_s` on of a file. `mark`: what it is known by, "" where nobody asks."""

    id: str
    path: Path
    start_s: float
    length_s: float
    mark: str


def load(variant: str, root: Path) -> Dataset:
    """Return pieces of the tracks in `root`, but for those that the folder `variant` (if any) was trained on.

    Raises DataError for a folder of neither kind, and where fewer than two tracks are left.
    """
    notes: list[str] = []
    heard = _corpora.heard(Path(variant).expanduser()) if variant else frozenset()
    found = list(_of_corpus(root, notes) if _corpora.is_corpus(root) else _of_folder(root, bool(variant), notes))
    left = [one for one in found if one.mark not in heard]
    if len(left) < len(found):
        notes.append(f"left out, as '{Path(variant).name}' was trained on them: {len(found) - len(left)} tracks")
    long = [one for one in left if all(_starts(one.length_s, part) for part in PARTS)]
    if len(long) < len(left):
        notes.append(f"too short for a piece in each part, and left out: {len(left) - len(long)} tracks")
    if len(long) < FEWEST_TRACKS:
        raise DataError(
            f"Expected at least {FEWEST_TRACKS} tracks of 10 s or more in '{root}' to tell apart, found {len(long)} "
            f"of {len(found)}.{' Others were trained on.' if len(left) < len(found) else ''}"
        )
    chosen = sorted(sorted(long, key=lambda one: (seed_for("recording", one.id), one.id))[:MOST_TRACKS])
    if len(chosen) < len(long):
        notes.append(f"{len(chosen)} tracks, drawn from {len(long)} by their names")
    pieces = {part: tuple(_pieces(chosen, part)) for part in PARTS}
    clips = [clip for part in pieces.values() for clip in part]
    splits = {SPLIT: (Split(*(tuple(clip.id for clip in pieces[part]) for part in ("train", "valid", "test"))),)}
    name = f"recording:{root.resolve().name}"
    return Dataset(name, version_of(clips, splits), root, tuple(clips), splits, CARD, tuple(notes))


def _of_corpus(root: Path, notes: list[str]) -> Iterator[Stretch]:
    """Yield the tracks of a corpus, of equal ones the first."""
    rate, tracks = int(_corpora.head(root)["sample_rate"]), _corpora.tracks(root)
    first = {(track.sha256, track.crc32): track for track in reversed(tracks)}
    if len(first) < len(tracks):
        notes.append(f"copies of another track, and left out: {len(tracks) - len(first)} tracks")
    for track in first.values():
        mark = track.sha256[: _corpora.MARK_DIGITS]
        yield Stretch(track.id, root / _corpora.SAMPLES, track.start / rate, track.n_samples / rate, mark)


def _of_folder(root: Path, marked: bool, notes: list[str]) -> Iterator[Stretch]:
    """Yield the audio files of a folder. What cannot be opened is in the notes."""
    listed = folder.load("", root)
    lengths = excerpts.lengths(listed)
    if lengths.failures:
        first = lengths.failures[0]
        notes.append(f"cannot be opened, and left out: {len(lengths.failures)}, such as {first.clip} ({first.reason})")
    clips = [one for one in listed.clips if one.id in lengths.seconds]
    n_of_size = Counter(clip.path.stat().st_size for clip in clips)
    seen, n_copies = set[str](), 0
    for clip in clips:
        # A file of a size of its own is a copy of none.
        sha256 = file_sha256(clip.path) if marked or n_of_size[clip.path.stat().st_size] > 1 else clip.id
        if sha256 in seen:
            n_copies += 1
            continue
        seen.add(sha256)
        mark = sha256[: _corpora.MARK_DIGITS] if marked else ""
        yield Stretch(clip.id, clip.path, 0.0, lengths.seconds[clip.id], mark)
    if n_copies:
        notes.append(f"copies of another track, and left out: {n_copies} tracks")


def _pieces(tracks: Iterable[Stretch], part: str) -> Iterator[Clip]:
    for track in tracks:
        for step in _starts(track.length_s, part):
            start_s, end_s = step / STEPS_PER_S, (step + PIECE_STEPS) / STEPS_PER_S
            name = clip_id(track.id, start_s, end_s)
            where = track.start_s + start_s, track.start_s + end_s
            yield Clip(name, track.path, *where, targets={LABEL: track.id}, group=track.id)


def _starts(length_s: float, part: str) -> list[int]:
    """Return where the pieces of a part begin, in steps: in the middle of cells of one size, at least a piece long."""
    first_share, end_share, most = PARTS[part]
    n_steps = int(length_s * STEPS_PER_S)
    first, end = -int(-first_share * n_steps // 1), int(end_share * n_steps)
    n_pieces = min(most, (end - first) // PIECE_STEPS)
    cell = (end - first) // max(n_pieces, 1)
    return [first + cell * number + (cell - PIECE_STEPS) // 2 for number in range(n_pieces)]
