"""The parts of a catalogue on disk: rows, appended by one process each, acknowledged by records written after them.

    part-<turn>-<unique>.files.jsonl   the files, a line each: see `listing`
                         .f32          rows of embeddings, raw little-endian float32, one after another
                         .rows         a record of fixed width for each row, written when the row is on the disk
                         .gone         16 bytes of each content that no file has any more, in parts of earlier turns

A track is there once its last record is, which says that it is the last. What a crash tears is the end of a part, and
nobody appends to a part again that was left, so readers end at the last whole track. Every `add` takes the turn after
the highest that it finds: later turns speak of a file's path after earlier ones.
"""

import os
import re
import secrets
import zlib
from collections.abc import Iterable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import polars as pl
from jaxtyping import Float32, Int, UInt8

from earmark import durable
from earmark.catalogue import listing
from earmark.catalogue.listing import FILES, Entry, written
from earmark.errors import StoreError

Array = np.ndarray
ROWS, RECORDS, GONE = ".f32", ".rows", ".gone"
FLOAT = np.dtype("<f4")
KEY_BYTES = 16
RECORD = np.dtype(
    [
        ("key", "u1", (KEY_BYTES,)),
        ("file", "<u4"),
        ("start_ms", "<u4"),
        ("end_ms", "<u4"),
        ("norm", "<f4"),
        ("flags", "<u4"),
        ("checksum", "<u4"),
    ]
)
"""Of a row: the content's key, its file's line in this part, its time in the track, the row's length as a vector."""
WRITTEN, IS_TRACK, IS_LAST = 0x65610000, 1, 2
"""Flags: what tells a record from the zeros that a power loss may leave; a whole track's row; the track's last."""

FLUSH_BYTES = 4 * 2**20  # about 1,000 rows of 1,024
PART_BYTES = 4 * 2**30
_STEM = re.compile(r"part-(\d{9})-[0-9a-f]{16}")


class Track(NamedTuple):
    """What was heard of one content: rows (rows, width) float32, their times, and which of them is the whole track."""

    entry: Entry
    rows: Float32[Array, "rows width"]
    times_s: Sequence[tuple[float, float]]
    is_track: Sequence[bool]


@dataclass(frozen=True)
class Part:
    """The files of a part, by what their paths have in common, as they were when first looked at."""

    stem: Path
    width: int

    @property
    def turn(self) -> int:
        """When it was written, in turns."""
        return turn_of(self.stem)

    @cached_property
    def _held(self) -> tuple[Array, int]:
        """All records, and how many of them have a row."""
        found = _fixed(self.stem.with_suffix(RECORDS), RECORD)
        # Asked after the records were read, because rows are on the disk before their record is.
        n_rows = _size(self.stem.with_suffix(ROWS)) // (FLOAT.itemsize * self.width)
        return found, min(len(found), n_rows)

    @cached_property
    def records(self) -> Array:
        """The records of rows that are there, up to the last whole track.

        One that shows that it is damaged has no flags, so its track goes on to the next end: it hides none behind it.
        """
        every, n_held = self._held
        is_written = every["flags"][:n_held] & 0xFFFF0000 == WRITTEN
        last = np.flatnonzero(is_written & (every["flags"][:n_held] & IS_LAST != 0))
        found = every[: last[-1] + 1] if len(last) else every[:0]
        if not is_written[: len(found)].all():
            found = found.copy()
            found["flags"][~is_written[: len(found)]] = 0
        return found

    @cached_property
    def rows(self) -> Float32[Array, "rows width"]:
        """The rows, mapped: only what is looked at is read."""
        return self._mapped(len(self.records))

    @cached_property
    def gone(self) -> UInt8[Array, "keys 16"]:
        """The keys of contents that no file had any more by its turn."""
        return _fixed(self.stem.with_suffix(GONE), np.dtype(f"V{KEY_BYTES}")).view(np.uint8).reshape(-1, KEY_BYTES)

    def damaged(self) -> Int[Array, " rows"]:
        """Return which rows do not have the checksum that they were written with; everything is read.

        Also of those behind the last whole track, but for the zeros that a power loss may leave there.
        """
        every, n_held = self._held
        wrong = _checksums(self._mapped(n_held), every[:n_held]) != every["checksum"][:n_held]
        wrong[len(self.records) :] &= every["flags"][len(self.records) : n_held] != 0
        return np.flatnonzero(wrong)

    @property
    def n_cut(self) -> int:
        """How many records have no row: rows are on the disk before, so somebody has cut or removed them since."""
        return len(self._held[0]) - self._held[1]

    def recorded(self) -> set[str]:
        """Return the keys of all records that have a row, also of those that are of no whole track."""
        return {bytes(key).hex() for key in self._held[0]["key"][: self._held[1]]}

    def named_before_rows(self) -> set[str]:
        """Return the keys that were heard of which no crash can have torn the rows: others with rows came after them.

        Where the records were removed these are all: their file is there before any name.
        """
        listed = listing.read([self.stem])
        if self.stem.with_suffix(RECORDS).exists():
            listed = listed.head(1 + max(self._held[0]["file"].tolist(), default=-1))
        return set(listed.filter(pl.col("state") == listing.HEARD)["key"])

    def _mapped(self, n_rows: int) -> Float32[Array, "rows width"]:
        path, shape = self.stem.with_suffix(ROWS), (n_rows, self.width)
        # A plain view: numpy's own mapped class makes each slice and product slower.
        return np.asarray(np.memmap(path, FLOAT, "r", shape=shape)) if n_rows else np.zeros(shape, FLOAT)


def list_parts(folder: Path, width: int) -> list[Part]:
    """Return the parts of a catalogue, the oldest first, those included of which a crash left only the beginning."""
    stems = {found[0] for path in folder.glob("part-*") if (found := _STEM.match(path.name))}
    return [Part(folder / stem, width) for stem in sorted(stems)]


def turn_of(stem: Path) -> int:
    """Return the turn that a part was written in."""
    found = _STEM.match(stem.name)
    if found is None:
        raise StoreError(f"Expected the name of a part, part-<turn>-<unique>; got '{stem.name}'.")
    return int(found[1])


def new_stem(folder: Path, turn: int) -> Path:
    """Return the name of a part that nobody else writes."""
    return folder / f"part-{turn:09d}-{secrets.token_hex(8)}"


def write_gone(folder: Path, turn: int, keys: Iterable[bytes]) -> None:
    """Say that no file has these contents any more, as far as they were written in earlier turns."""
    if content := b"".join(sorted(keys)):
        durable.write_file(new_stem(folder, turn).with_suffix(GONE), content)


class Writer:
    """Appends tracks to parts that nobody else writes, the last batch while the next is put. For one thread."""

    def __init__(self, folder: Path, width: int, turn: int) -> None:
        self._folder, self._turn, self._width = folder, turn, width
        self._entries, self._tracks, self._numbers = list[Entry](), list[Track](), list[int]()
        self._n_bytes, self._rooms = 0, (np.empty((0, width), FLOAT), np.empty((0, width), FLOAT))
        self._place: _Place | None = None
        self._behind = ThreadPoolExecutor(1)
        self._writing: Future[None] | None = None
        self._process = os.getpid()

    def go_on(self) -> None:
        """Begin another part where ours was merged away since the last flush."""
        if self._place is not None and not self._place.stem.with_suffix(FILES).exists():
            self._place = None

    def put(self, entry: Entry, track: Track | None = None) -> None:
        """Take a file, with what was heard of it unless its content is there; the next flush acknowledges both.

        Raises StoreError for no rows, or rows of another width; and what the writing of earlier ones raised: all
        that was put since the last flush may be lost then.
        """
        if track is not None:
            if track.rows.ndim != 2 or track.rows.shape[1] != self._width or not len(track.rows):
                raise StoreError(f"Expected rows of {self._width} numbers for '{entry.path}', got {track.rows.shape}.")
            self._tracks.append(track)
            self._numbers.append(len(self._entries))
            self._n_bytes += track.rows.nbytes
        self._entries.append(entry)
        if self._n_bytes >= FLUSH_BYTES:
            self._send()

    def flush(self) -> None:
        """Acknowledge everything that was put: on return it is on the disk and survives a crash."""
        if self._entries:
            self._send()
        self._settle()

    def _send(self) -> None:
        """Make a batch of what was put, and have it written once the one before is, which is waited for."""
        if os.getpid() != self._process:
            raise StoreError("Expected the process that opened the writer, got its child. Open one writer a process.")
        place = self._place or _Place(new_stem(self._folder, self._turn), 0, 0)
        entries, tracks, numbers = self._entries, self._tracks, self._numbers
        self._entries, self._tracks, self._numbers, self._n_bytes = [], [], [], 0
        rows = self._joined([track.rows for track in tracks])
        records = _records(tracks, rows, np.array(numbers) + place.n_files) if tracks else np.zeros(0, RECORD)
        lines = written(entries)
        self._settle()
        after = _Place(place.stem, place.n_bytes + rows.nbytes, place.n_files + len(entries))
        self._place = after if after.n_bytes < PART_BYTES else None
        self._writing = self._behind.submit(_append, place.stem, lines, rows, records)

    def _settle(self) -> None:
        """Wait until the batch before is on the disk, or raise why it is not: torn ends are not written behind."""
        writing, self._writing = self._writing, None
        try:
            if writing is not None:
                writing.result()
        except BaseException:
            self._place = None
            raise

    def _joined(self, some: Sequence[Float32[Array, "rows width"]]) -> Float32[Array, "rows width"]:
        """Return rows one after another, in memory that is used again: new memory takes longer.

        There are two rooms, for one of them is being written.
        """
        n_rows, (room, other) = sum(map(len, some)), self._rooms
        room = room if n_rows <= len(room) else np.empty((n_rows, self._width), FLOAT)
        self._rooms = other, room
        return np.concatenate(some, out=room[:n_rows], casting="same_kind") if some else room[:0]


def _append(stem: Path, lines: bytes, rows: Float32[Array, "rows width"], records: Array) -> None:
    """Write a batch: its rows count once their records are there, so those come last.

    Their file is there before any name: where it is not, somebody has removed it.
    """
    if len(rows) and not stem.with_suffix(RECORDS).exists():
        durable.append(stem.with_suffix(RECORDS), b"")
    durable.append(stem.with_suffix(FILES), lines)
    if len(rows):
        durable.append(stem.with_suffix(ROWS), rows.data.cast("B"))
        durable.append(stem.with_suffix(RECORDS), records.tobytes())


class _Place(NamedTuple):
    """Where a writer goes on: behind so many bytes of rows, and so many files."""

    stem: Path
    n_bytes: int
    n_files: int


def _records(tracks: Sequence[Track], rows: Float32[Array, "rows width"], files: Int[Array, " tracks"]) -> Array:
    """Return the records of the rows of some tracks, each with the number of its file's line."""
    counts = [len(track.rows) for track in tracks]
    records = np.zeros(len(rows), RECORD)
    keys = np.frombuffer(bytes.fromhex("".join(track.entry.key for track in tracks)), np.uint8)
    records["key"] = np.repeat(keys.reshape(-1, KEY_BYTES), counts, axis=0)
    records["file"] = np.repeat(files, counts)
    times = np.array([time for track in tracks for time in track.times_s], float)
    records["start_ms"], records["end_ms"] = np.rint(times.T * 1000)
    records["norm"] = np.sqrt(np.einsum("ij,ij->i", rows, rows))
    is_track = np.array([one for track in tracks for one in track.is_track], np.uint32)
    records["flags"] = WRITTEN + IS_TRACK * is_track
    records["flags"][np.cumsum(counts) - 1] |= IS_LAST
    records["checksum"] = _checksums(rows, records)
    return records


def _checksums(rows: Float32[Array, "rows width"], records: Array) -> Array:
    """Return the crc32 of each row plus the other words of its record, modulo 2³²: one bit changed in either shows."""
    words = records.view("<u4").reshape(-1, RECORD.itemsize // 4)[:, :-1]
    crcs = np.fromiter((zlib.crc32(row) for row in rows), np.uint32, len(rows))
    found: Array = crcs + words.sum(axis=1, dtype=np.uint32)
    return found


def _fixed(path: Path, dtype: np.dtype[Any]) -> Array:
    """Return the whole records of a file; a missing file has none."""
    try:
        content = path.read_bytes()
    except FileNotFoundError:
        content = b""
    return np.frombuffer(content[: len(content) // dtype.itemsize * dtype.itemsize], dtype)


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except FileNotFoundError:
        return 0
