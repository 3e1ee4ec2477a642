"""A catalogue opened to be read: its rows in blocks off the disk, and the names of what they are of.

cat = reader.load("music.cat")
for block in cat.blocks("track"):
    block.keys, block.times_s, block.rows      # (n,), (n, 2) seconds, (n, layers, statistics, dim) float32
names = cat.named(keys)                        # key → Entry: path, id, labels, duration
"""

from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Literal, NamedTuple, get_args

import numpy as np
import polars as pl
from jaxtyping import Bool, Float32, Int, UInt8

from earmark.catalogue import form, listing, living, parts
from earmark.catalogue.form import Form
from earmark.catalogue.listing import Entry
from earmark.catalogue.parts import IS_TRACK, Part
from earmark.errors import DataError, UnknownName

Array = np.ndarray
Level = Literal["track", "segment"]
BLOCK_ROWS = 8192
_NONE = np.zeros((0, parts.KEY_BYTES), np.uint8)


class Block(NamedTuple):
    """Some rows of one level, in the order of the disk.

    `keys`: 32 hex digits of each row's content (see `Catalogue.named`); `times_s`: start and end in the track;
    `rows` is read-only, and a view of the file where all rows of a stretch are wanted. A track's segments stand
    together, in their order, and may go on in the next block.
    """

    keys: tuple[str, ...]
    times_s: Float32[Array, "rows 2"]
    rows: Float32[Array, "rows layers statistics dim"]


@dataclass(frozen=True)
class Stretch:
    """Neighbouring rows of a part: which of them are wanted, and the number of the track that each is of.

    `number` is that of its first row, counted over the parts in their order, and so are tracks.
    """

    number: int
    part: Part
    start: int
    stop: int
    wanted: Bool[Array, " rows"]
    tracks: Int[Array, " rows"]

    @property
    def rows(self) -> Float32[Array, "rows width"]:
        """All rows of the stretch, wanted or not, mapped."""
        return self.part.rows[self.start : self.stop]

    @property
    def records(self) -> Array:
        """The records of all its rows."""
        return self.part.records[self.start : self.stop]


class Catalogue:
    """A catalogue as it was when it was opened. Rows are mapped, names are read when they are asked for.

    Where two processes heard one content at once, its first rows count. What no file has any more is left out.
    """

    def __init__(self, folder: Path, how: Form) -> None:
        self.folder, self.form = folder, how
        self.parts = _looked_at(folder, how.width)
        self._sizes = _sizes(self.parts)
        # Before any name is read: an entry is on the disk before its rows are, so every row seen has a name.
        self._firsts = [living.first_of_tracks(part.records) for part in self.parts]
        self._is_live = living.which(self.parts, self._firsts)

    @property
    def is_current(self) -> bool:
        """Whether nothing was added, merged or cut short since it was opened."""
        now = tuple(parts.list_parts(self.folder, self.form.width))
        return now == self.parts and _sizes(now) == self._sizes

    @property
    def next_turn(self) -> int:
        """The turn of what is written from now on: see `parts`."""
        return 1 + max((part.turn for part in self.parts), default=0)

    @property
    def n_tracks(self) -> int:
        """How many contents have rows."""
        return int(sum(live.sum() for live in self._is_live))

    @property
    def audio_s(self) -> float:
        """How many seconds of audio its tracks last together."""
        total = 0
        for part, first, live in self._each:
            last = np.append(first, len(part.records))[1:] - 1
            total += int(part.records["end_ms"][last[live]].sum(dtype=np.int64))
        return total / 1000

    def n_rows(self, level: Level) -> int:
        """How many rows there are of a level."""
        return sum(int(one.wanted.sum()) for one in self.stretches(level))

    def has(self, keys: Iterable[str]) -> set[str]:
        """Return those of the keys of contents that have rows."""
        held, live = np.concatenate([_NONE, *self._keys()]), np.concatenate([[], *self._is_live]).astype(bool)
        return {held[at].tobytes().hex() for at in np.flatnonzero(self.among(keys) & live).tolist()}

    def among(self, keys: Iterable[str]) -> Bool[Array, " tracks"]:
        """Return which tracks have one of the keys, by the numbers of `Stretch.tracks`."""
        wanted = {bytes.fromhex(key) for key in keys}
        held = np.concatenate([_NONE, *self._keys()])
        words = [int.from_bytes(key[:8], "little") for key in wanted]
        found = np.isin(living.as_words(held)[:, 0], np.array(words, np.uint64))
        likely = np.flatnonzero(found)
        found[likely] = [held[at].tobytes() in wanted for at in likely.tolist()]
        return found

    def contents(self) -> Iterator[str]:
        """Yield the keys of all contents that have rows."""
        for part, first, live in self._each:
            yield from _hex(part.records["key"][first[live]])

    def tracks(self) -> Iterator[tuple[str, Part, int, int]]:
        """Yield each content that counts, with its part, its first row and the one after its last."""
        for part, first, live in self._each:
            stops = np.append(first, len(part.records))[1:].tolist()
            keys = _hex(part.records["key"][first])
            for key, start, stop, counts in zip(keys, first.tolist(), stops, live.tolist(), strict=True):
                if counts:
                    yield key, part, start, stop

    def stretches(self, level: Level, n_rows: int = BLOCK_ROWS) -> Iterator[Stretch]:
        """Yield all rows on the disk, so many at a time, with which of them are of the level and count."""
        if level not in get_args(Level):
            raise UnknownName("level", level, get_args(Level))
        before = n_before = 0
        for part, first, live in self._each:
            of_row = np.repeat(np.arange(len(first)), np.diff(first, append=len(part.records)))
            for start in range(0, len(part.records), n_rows):
                tracks = of_row[start : start + n_rows]
                is_track = part.records["flags"][start : start + n_rows] & IS_TRACK != 0
                wanted = live[tracks] & (is_track if level == "track" else ~is_track)
                yield Stretch(n_before + start, part, start, start + len(tracks), wanted, before + tracks)
            before, n_before = before + len(first), n_before + len(part.records)

    def blocks(self, level: Level = "track", n_rows: int = BLOCK_ROWS) -> Iterator[Block]:
        """Yield the rows of a level, at most so many at a time; memory holds one block.

        Raises DataError where the catalogue keeps none of the level.
        """
        self.require(level)
        for one in self.stretches(level, n_rows):
            if not one.wanted.any():
                continue
            is_whole = bool(one.wanted.all())
            rows = one.rows if is_whole else one.rows[one.wanted]
            records = one.records if is_whole else one.records[one.wanted]
            times = np.stack([records["start_ms"], records["end_ms"]], axis=1).astype(np.float32) / 1000
            yield Block(tuple(_hex(records["key"])), times, rows.reshape(-1, *self.form.shape))

    def rows_of(self, key: str, level: Level = "track") -> Float32[Array, "rows layers statistics dim"]:
        """Return the rows of one content. Raises DataError where it has none of the level."""
        part, places = self._places(key, level)
        found: Array = part.rows[places].reshape(-1, *self.form.shape)
        return found

    def times_of(self, key: str, level: Level = "track") -> list[tuple[float, float]]:
        """Return start and end, in seconds, of the rows of one content. Raises what `rows_of` raises."""
        part, places = self._places(key, level)
        return [(int(one["start_ms"]) / 1000, int(one["end_ms"]) / 1000) for one in part.records[places]]

    def record(self, row: int) -> Any:
        """Return the record of a row, counted over the parts in their order."""
        for part in self.parts:
            if row < len(part.records):
                return part.records[row]
            row -= len(part.records)
        raise IndexError(row)

    def _places(self, key: str, level: Level) -> tuple[Part, Int[Array, " rows"]]:
        """Return in which part the rows of a content are, and where."""
        self.require(level)
        wanted = np.frombuffer(bytes.fromhex(key), np.uint8)
        for part, first, live in self._each:
            for at in np.flatnonzero((part.records["key"][first] == wanted).all(axis=1) & live).tolist():
                start, stop = np.append(first, len(part.records))[at : at + 2].tolist()
                is_track = part.records["flags"][start:stop] & IS_TRACK != 0
                return part, start + np.flatnonzero(is_track if level == "track" else ~is_track)
        raise DataError(f"The catalogue '{self.folder}' has no rows of the content {key}. Add its file again.")

    def require(self, level: Level) -> None:
        """Raise DataError where the catalogue keeps no rows of a level."""
        if self.form.keeps not in ("both", f"{level}s"):
            raise DataError(
                f"The catalogue '{self.folder}' keeps {self.form.keeps} only, no {level}s. "
                f"Make another with --segment SECONDS and --keep both."
            )

    @cached_property
    def every_line(self) -> pl.DataFrame:
        """All that was ever said of files, the oldest first; columns are the fields of `listing.Entry`."""
        found = listing.read(part.stem for part in self.parts)
        if any(len(part.records) and not part.stem.with_suffix(listing.FILES).exists() for part in self.parts):
            raise DataError(f"'{self.folder}' was compacted since it was opened, or damaged. Open it again.")
        return found

    @cached_property
    def files(self) -> pl.DataFrame:
        """What is said of each file now: those heard, and those that failed."""
        return listing.current(self.every_line)

    def named(self, keys: Iterable[str]) -> dict[str, tuple[Entry, ...]]:
        """Return by key the files that have a content, several where it is there several times.

        A content that no file has any more (the next `add` drops it) has the last that had it.
        """
        wanted = pl.Series("key", sorted(set(keys)), pl.String)
        among = pl.col("key").is_in(wanted.implode())
        found = dict[str, list[Entry]]()
        for entry in listing.entries(self.files.filter(among)):
            found.setdefault(entry.key, []).append(entry)
        if missing := [key for key in wanted if key not in found]:
            past = self.every_line.filter(pl.col("key").is_in(pl.Series(missing, dtype=pl.String).implode()))
            found |= {one.key: [one] for one in listing.entries(past)}
        return {key: tuple(each) for key, each in found.items()}

    def _keys(self) -> Iterator[UInt8[Array, "tracks 16"]]:
        return (part.records["key"][first] for part, first in zip(self.parts, self._firsts, strict=True))

    @property
    def _each(self) -> Iterator[tuple[Part, Int[Array, " tracks"], Bool[Array, " tracks"]]]:
        return zip(self.parts, self._firsts, self._is_live, strict=True)


def load(folder: Path | str) -> Catalogue:
    """Open a catalogue. Raises DataError for a folder that is none."""
    return Catalogue(Path(folder), form.read(Path(folder)))


def _looked_at(folder: Path, width: int) -> tuple[Part, ...]:
    """Return the parts with their rows mapped: until two looks agree, lest they be compacted away in between."""
    found = None
    while found != (now := tuple(parts.list_parts(folder, width))):
        found = now
        with suppress(FileNotFoundError):
            for part in found:
                _ = part.records, part.rows, part.gone
    return found


def _sizes(found: Sequence[Part]) -> list[int]:
    """Return how long the rows, the records and the lines of parts are, in bytes."""
    suffixes = (parts.ROWS, parts.RECORDS, listing.FILES)
    every = (part.stem.with_suffix(suffix) for part in found for suffix in suffixes)
    return [path.stat().st_size if path.exists() else 0 for path in every]


def _hex(keys: Array) -> Iterator[str]:
    return (bytes(key).hex() for key in keys)
