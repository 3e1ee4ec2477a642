"""The parts of a catalogue on disk: rows, appended by one process each, acknowledged by records written after them.

    part-<turn>-<unique>.files.jsonl   the files, a line each: see `listing`
                         .f32          rows of embeddings, raw little-endian float32, one after another
                         .rows         a record of fixed width for each row, written when the row is on the disk
                         .gone         16 bytes of each content that no file has any more, in parts of earlier turns

A track is there once its last record is, which says that it is the last. What a crash tears is the end of a part, and
nobody appends to a part again that was left, so readers end at the last whole track. Every `add` takes the turn after
the highest that it finds: later turns speak of a file's path after earlier ones.
"""

import re
import secrets
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import polars as pl
from isal.isal_zlib import crc32  # three times as quick as zlib's, the same number
from jaxtyping import Float32, Int, UInt8

from earmark import durable
from earmark.catalogue import listing
from earmark.catalogue.listing import Entry
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

        One that shows that it is damaged has no flags, and its track goes on to the next end: it hides none behind
        that, and `living` counts neither.
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
        wrong = checksums(self._mapped(n_held), every[:n_held]) != every["checksum"][:n_held]
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


def checksums(rows: Float32[Array, "rows width"], records: Array) -> Array:
    """Return the crc32 of each row plus the other words of its record, modulo 2³²: one bit changed in either shows."""
    words = records.view("<u4").reshape(-1, RECORD.itemsize // 4)[:, :-1]
    crcs = np.fromiter(map(crc32, rows), np.uint32, len(rows))
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
