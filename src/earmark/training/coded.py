"""Frames and codes of a corpus, made once by `earmark corpus codes`, and segments of them.

frames.f16    the frames of all tracks, one after another: float16, little-endian
codes.i16     their codes, a row a frame: int16, little-endian
tracks.jsonl  the key of what is made, then a line a track, written after what it tells of
front/        what made them: inputs, targets (see representations.encodecmae.front)
codes.json    written at the end: a folder with it is whole
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, fields
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import torch

from earmark.errors import DataError, UserError
from earmark.representations.encodecmae.targets import Coded
from earmark.store import lines
from earmark.training.corpus import Corpus
from earmark.training.segments import Grid, Random

FRAMES, CODES, TRACKS, FRONT, HEAD = "frames.f16", "codes.i16", "tracks.jsonl", "front", "codes.json"
FRAME, CODE = np.dtype("<f2"), np.dtype("<i2")
SCHEME = 1


@dataclass(frozen=True)
class CodedTrack:
    """The frames of a track: `n_frames` from `start` on; `crc32` is that of the samples that were coded."""

    id: str
    start: int
    n_frames: int
    crc32: int

    @property
    def end(self) -> int:
        """The frame after its last."""
        return self.start + self.n_frames


@dataclass(frozen=True)
class Pieces:
    """How tracks were cut before they were coded: into pieces of `n_samples`, each of which gave `n_frames`."""

    n_samples: int
    n_frames: int


@dataclass(frozen=True)
class Codes:
    """Frames and codes of the tracks of a corpus. `pieces` None: every track was coded whole.

    One that is sent to another process opens its files anew.
    """

    folder: Path
    sample_rate: int
    hop_samples: int
    dim: int
    n_streams: int
    n_codes: int
    pieces: Pieces | None
    key: str
    tracks: tuple[CodedTrack, ...]

    @property
    def front(self) -> Path:
        """The folder of what made them."""
        return self.folder / FRONT

    @property
    def n_frames(self) -> int:
        """Frames of all tracks."""
        return self.tracks[-1].end if self.tracks else 0

    @cached_property
    def by_id(self) -> Mapping[str, CodedTrack]:
        """Its tracks by their names in the corpus."""
        return {track.id: track for track in self.tracks}

    @cached_property
    def frames(self) -> np.memmap[Any, np.dtype[np.float16]]:
        """All frames, (frames, dim)."""
        return np.memmap(self.folder / FRAMES, FRAME, "r", shape=(self.n_frames, self.dim))

    @cached_property
    def codes(self) -> np.memmap[Any, np.dtype[np.int16]]:
        """All codes, (frames, streams)."""
        return np.memmap(self.folder / CODES, CODE, "r", shape=(self.n_frames, self.n_streams))

    def __reduce__(self) -> tuple[object, ...]:
        return Codes, tuple(getattr(self, one.name) for one in fields(self))


@dataclass(frozen=True)
class CodedSegments:
    """What a sampler of segments hears, as frames and codes; of tracks coded whole, from the nearest hop before on."""

    sampler: Grid | Random
    codes: Codes
    n_frames: int

    @property
    def segment_s(self) -> float:
        """Seconds of a segment."""
        return self.sampler.segment_s

    def __len__(self) -> int:
        return len(self.sampler)

    def at(self, epoch: int, index: int) -> Coded:
        """Return frames (frames, dim), float16, and codes (streams, frames), int16. Raises IndexError past the last."""
        first = self.first(epoch, index)
        frames, codes = (one[first : first + self.n_frames] for one in (self.codes.frames, self.codes.codes))
        return Coded(torch.from_numpy(np.array(frames)), torch.from_numpy(np.array(codes.T, order="C")))

    def first(self, epoch: int, index: int) -> int:
        """Return the frame where a segment starts."""
        start, room = self.sampler.start(epoch, index), self.sampler.room
        track = room.tracks[int(np.searchsorted(room.starts, start, side="right")) - 1]
        coded, before, pieces = self.codes.by_id[track.id], start - track.start, self.codes.pieces
        if pieces is None:
            return coded.start + before // self.codes.hop_samples
        return coded.start + before // pieces.n_samples * pieces.n_frames


def segments(sampler: Grid | Random, codes: Codes, *, snapped: bool = False) -> CodedSegments:
    """Return what a sampler hears as frames and codes; its corpus may be a part of the one that was coded.

    `snapped`: where pieces were coded one by one, a segment is the piece in which it begins; else UserError is raised
    for a sampler whose segments are not those. Raises it too for a sampler of tracks that were not coded.
    """
    wanted = round(sampler.segment_s * codes.sample_rate)
    for track in sampler.room.tracks:
        if track.id not in codes.by_id or codes.by_id[track.id].crc32 != track.crc32:
            raise UserError(f"'{codes.folder}' holds no codes of '{track.id}'. Make them: earmark corpus codes.")
    if codes.pieces is None:
        return CodedSegments(sampler, codes, wanted // codes.hop_samples)
    piece = codes.pieces.n_samples
    is_one_by_one = snapped or (isinstance(sampler, Grid) and sampler.hop_samples % piece == 0)
    if wanted != piece or not is_one_by_one or sampler.room.n_samples != piece:
        piece_s = piece / codes.sample_rate
        raise UserError(
            f"Expected the segments that '{codes.folder}' was coded in, one by one. Write segments: {{kind: grid, "
            f"segment_s: {piece_s:g}, hop_s: {piece_s:g}}}, or code whole tracks: leave out --alone."
        )
    return CodedSegments(sampler, codes, codes.pieces.n_frames)


def open(folder: Path | str, corpus: Corpus) -> Codes:
    """Return the codes in a folder. Raises DataError for those of another corpus, not finished, or damaged."""
    root = Path(folder)
    head = _head(root)
    if head["corpus"] != corpus.key:
        raise DataError(
            f"'{root}' holds codes of another corpus (key {head['corpus']}, {head['sample_rate']} Hz) than "
            f"'{corpus.folder}' (key {corpus.key}, {corpus.sample_rate} Hz). Make them of this one: earmark corpus "
            f"codes {corpus.folder} -o FOLDER"
        )
    found = lines.read(root / TRACKS, lambda item: CodedTrack(**item["track"]) if "track" in item else None)
    tracks = tuple(track for track in found.items if track is not None)
    pieces = None if head["pieces"] is None else Pieces(**head["pieces"])
    numbers = {name: head[name] for name in ("sample_rate", "hop_samples", "dim", "n_streams", "n_codes")}
    made = Codes(root, **numbers, pieces=pieces, key=head["key"], tracks=tracks)
    expected = {FRAMES: made.dim * FRAME.itemsize, CODES: made.n_streams * CODE.itemsize}
    for name, n_bytes in expected.items():
        size = (root / name).stat().st_size if (root / name).exists() else 0
        if size != head["n_frames"] * n_bytes or made.n_frames != head["n_frames"]:
            raise DataError(
                f"The codes in '{root}' are damaged: expected {head['n_frames']:,} frames, found {size // n_bytes:,} "
                f"in {name} and {made.n_frames:,} in {TRACKS}. Copy them again, or make them anew with --overwrite."
            )
    return made


def _head(folder: Path) -> dict[str, Any]:
    path = folder / HEAD
    if not path.exists():
        if (folder / TRACKS).exists():
            raise DataError(f"The codes in '{folder}' are not finished. Run the same `earmark corpus codes` again.")
        raise DataError(f"Expected codes in '{folder}', found none. Make them: earmark corpus codes CORPUS -o FOLDER")
    try:
        head: dict[str, Any] = json.loads(path.read_bytes())
    except ValueError as error:
        raise DataError(f"'{path}' is damaged: {error}. Make the codes anew with --overwrite.") from error
    if head.get("scheme") != SCHEME:
        raise DataError(f"'{path}' is of scheme {head.get('scheme')}, expected {SCHEME}. Make the codes anew.")
    return head
