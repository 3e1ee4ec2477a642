"""Writing the parts of a catalogue: batches of tracks, of which the last is written while the next is put."""

import os
from collections.abc import Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from itertools import chain
from pathlib import Path
from typing import NamedTuple

import numpy as np
from jaxtyping import Float32, Int

from earmark import durable
from earmark.catalogue.listing import FILES, Entry, written
from earmark.catalogue.parts import (
    FLOAT,
    IS_LAST,
    IS_TRACK,
    KEY_BYTES,
    RECORD,
    RECORDS,
    ROWS,
    WRITTEN,
    Track,
    checksums,
    new_stem,
)
from earmark.errors import StoreError

Array = np.ndarray
FLUSH_BYTES = 16 * 2**20  # about 4,000 rows of 1,024
PART_BYTES = 4 * 2**30


class Writer:
    """Appends tracks to parts that nobody else writes, the last batch while the next is put. For one thread."""

    def __init__(self, folder: Path, width: int, turn: int) -> None:
        self._folder, self._turn, self._width = folder, turn, width
        self._entries, self._tracks, self._numbers = list[Entry](), list[Track](), list[int]()
        self._n_bytes, self._rooms = 0, (np.empty((0, width), FLOAT), np.empty((0, width), FLOAT))
        self._place: _Place | None = None
        self._behind = ThreadPoolExecutor(3)
        self._writing, self._records = list[Future[None]](), dict[Path, bytes]()
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
            shape = track.rows.shape
            if len(shape) != 2 or shape[1] != self._width or not shape[0]:
                raise StoreError(f"Expected rows of {self._width} numbers for '{entry.path}', got {shape}.")
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
        self._write({}, self._place, {})
        self._settle()

    def _send(self) -> None:
        """Make a batch of what was put, and have it written once the one before is, which is waited for.

        Its rows count when their records are there, so those come last: see `_write`.
        """
        if os.getpid() != self._process:
            raise StoreError("Expected the process that opened the writer, got its child. Open one writer a process.")
        place = self._place or _Place(new_stem(self._folder, self._turn), 0, 0)
        entries, tracks, numbers = self._entries, self._tracks, self._numbers
        self._entries, self._tracks, self._numbers, self._n_bytes = [], [], [], 0
        rows = self._joined([track.rows for track in tracks])
        batch: dict[Path, bytes | memoryview] = {place.stem.with_suffix(FILES): written(entries)}
        records = dict[Path, bytes]()
        if tracks:
            path = place.stem.with_suffix(RECORDS)
            records[path] = _records(tracks, rows, np.array(numbers) + place.n_files).tobytes()
            batch[place.stem.with_suffix(ROWS)] = rows.data.cast("B")
            if not path.exists():
                # This file is there before any name: where it is not, somebody has removed it.
                durable.append(path, b"")
        after = _Place(place.stem, place.n_bytes + rows.nbytes, place.n_files + len(entries))
        self._write(batch, after if after.n_bytes < PART_BYTES else None, records)

    def _write(
        self, batch: Mapping[Path, bytes | memoryview], after: "_Place | None", records: dict[Path, bytes]
    ) -> None:
        """Begin to write names and rows, and at the same time the records of those before, which are on the disk.

        The next batch goes to `after`, with the `records` of this one; to another part where this was interrupted.
        """
        self._settle()
        both = {**batch, **self._records}
        self._place, self._records = None, {}
        for path, content in both.items():
            self._writing.append(self._behind.submit(durable.append, path, content))
        self._records, self._place = records, after

    def _settle(self) -> None:
        """Wait until all that is being written is on the disk, or raise why it is not.

        Then nothing is written behind torn ends, and no records of rows that are not there.
        """
        (place, self._place), (records, self._records) = (self._place, None), (self._records, {})
        writing, self._writing = self._writing, []
        wait(writing)
        for one in writing:
            one.result()
        self._place, self._records = place, records

    def _joined(self, some: Sequence[Float32[Array, "rows width"]]) -> Float32[Array, "rows width"]:
        """Return rows one after another, in memory that is used again: new memory takes longer.

        There are two rooms, for one of them is being written.
        """
        n_rows, (room, other) = sum(map(len, some)), self._rooms
        room = room if n_rows <= len(room) else np.empty((n_rows, self._width), FLOAT)
        self._rooms = other, room
        return np.concatenate(some, out=room[:n_rows], casting="same_kind") if some else room[:0]


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
    numbers = chain.from_iterable(chain.from_iterable([track.times_s for track in tracks]))
    times = np.fromiter(numbers, float, 2 * len(rows)).reshape(-1, 2)
    records["start_ms"], records["end_ms"] = np.rint(times.T * 1000)
    records["norm"] = np.sqrt(np.vecdot(rows, rows))
    is_track = np.fromiter(chain.from_iterable([track.is_track for track in tracks]), np.uint32, len(rows))
    records["flags"] = WRITTEN + IS_TRACK * is_track
    records["flags"][np.cumsum(counts) - 1] |= IS_LAST
    records["checksum"] = checksums(rows, records)
    return records
