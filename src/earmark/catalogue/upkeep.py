"""Looking after a catalogue: what no file has any more, what is damaged, and many small parts made one.

An `add` shares the catalogue's lock with others; `settle` and `compact` hold it alone, so nothing that somebody is
just adding can be taken for left over.
"""

import fcntl
import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import numpy as np
import polars as pl

from earmark import durable
from earmark.catalogue import listing, parts, reader
from earmark.catalogue.form import LOCK
from earmark.catalogue.listing import FILES, GONE, HAS_ROWS, HEARD, PLACE, Entry
from earmark.catalogue.parts import Part, Track
from earmark.catalogue.writing import Writer
from earmark.errors import Refused

FAILURES = "failures.jsonl"
LACKING = "not there (harmless: the next add hears it)"
SAME = (*PLACE, "key", "source", "size", "mtime_ns", "state")


class Settled(NamedTuple):
    """What was found at the end of an `add`: files that moved, files that are gone, and all that failed."""

    n_moved: int
    n_removed: int
    pruned: bool
    failures: tuple[Entry, ...]


@contextmanager
def locked(folder: Path, how: int) -> Iterator[None]:
    """Hold a catalogue's lock, shared or alone. Raises Refused where it cannot be had at once and may not wait."""
    with (folder / LOCK).open("a") as file:
        try:
            fcntl.flock(file, how)
        except BlockingIOError as error:
            raise Refused(f"'{folder}' is being added to. Do this when no `add` is running.") from error
        yield


def settle(folder: Path, removed: pl.DataFrame, prune: bool) -> Settled:
    """Tell which files moved and which are gone, and let go of contents that no file has any more.

    `removed`: entries that were not found again. While another `add` is running, this is left to it. Raises Refused
    where they are to be pruned meanwhile.
    """
    try:
        with locked(folder, fcntl.LOCK_EX | fcntl.LOCK_NB):
            return _settled(folder, removed, prune)
    except Refused:
        if prune:
            raise
        return Settled(0, len(removed.filter(HAS_ROWS)), False, _failures(reader.load(folder).files))


def _settled(folder: Path, removed: pl.DataFrame, prune: bool) -> Settled:
    catalogue = reader.load(folder)
    # What another process has said of a file since stands: it may be back.
    removed = catalogue.files.join(removed.select(SAME), on=SAME, how="semi", nulls_equal=True)
    left = catalogue.files.join(removed, on=PLACE, how="anti", nulls_equal=True)
    heard = removed.filter(HAS_ROWS)
    moved = heard.join(left.filter(HAS_ROWS), on="key", how="semi")
    dropped = removed if prune else pl.concat([moved, removed.filter(~HAS_ROWS)])
    writer = Writer(folder, catalogue.form.width, catalogue.next_turn)
    for entry in listing.entries(dropped):
        writer.put(replace(entry, state=GONE))
    writer.flush()
    files = catalogue.files.join(dropped, on=PLACE, how="anti", nulls_equal=True)
    keys = set(files["key"])
    parts.write_gone(
        folder, catalogue.next_turn, (bytes.fromhex(key) for key in catalogue.contents() if key not in keys)
    )
    failures = _failures(files)
    said = (json.dumps(_said(one), ensure_ascii=False) + "\n" for one in failures)
    if (content := "".join(said)) or (folder / FAILURES).exists():
        durable.write_file(folder / FAILURES, content.encode())
    return Settled(len(moved), len(heard) - len(moved), prune, failures)


def _failures(files: pl.DataFrame) -> tuple[Entry, ...]:
    return tuple(listing.entries(files.filter(pl.col("state") != HEARD)))


def _said(failure: Entry) -> dict[str, object]:
    region = {} if failure.start_s is None else {"start_s": failure.start_s, "end_s": failure.end_s}
    return {"path": failure.path, "id": failure.id, **region, "kind": failure.state, "reason": failure.reason}


class Compaction(NamedTuple):
    """What was merged; `dropped` are the paths of files whose rows were damaged, to be heard again by the next add."""

    n_parts_before: int
    n_parts_after: int
    dropped: tuple[str, ...]


def verify(folder: Path | str) -> list[str]:
    """Read everything and return a line for each thing that is not as it was written; harmless ones say so.

    While somebody adds, what is not yet acknowledged is among them.
    """
    catalogue = reader.load(folder)
    found = [line for part in catalogue.parts for line in _problems(part)]
    heard = set(catalogue.files.filter(HAS_ROWS)["key"])
    lacking = heard - catalogue.has(heard)
    # Of these no crash explains it: it tears what was written last.
    named = (part.named_before_rows() for part in catalogue.parts if lacking)
    lost = set[str]().union(*named).difference(*(part.recorded() for part in catalogue.parts if lacking))
    found += [
        f"{one.path}: its rows are {'lost; the next add hears it' if key in lost else LACKING}"
        for key, entries in catalogue.named(lacking).items()
        for one in entries
    ]
    found += [f"the content {key} has rows and no file (harmless)" for key in catalogue.contents() if key not in heard]
    return found + [f"{path}: left by a crash (harmless)" for path in sorted(Path(folder).glob(durable.TEMPORARY))]


def _problems(part: Part) -> list[str]:
    rows, records = part.stem.with_suffix(parts.ROWS), part.stem.with_suffix(parts.RECORDS)
    found = [f"{rows}: row {number} is damaged; compact drops its track" for number in part.damaged().tolist()]
    if part.n_cut:
        found.append(f"{rows}: ends before the rows of its last {part.n_cut} records; compact drops their tracks")
    for path, used in ((rows, part.rows.nbytes), (records, part.records.nbytes)):
        if path.exists() and not part.n_cut and (rest := path.stat().st_size - used) > 0:
            found.append(f"{path}: its last {rest} bytes are of no whole track, as a crash leaves them (harmless)")
    return found + listing.problems(part.stem)


def compact(folder: Path | str) -> Compaction:
    """Merge all parts into one, sorted by content, without what is damaged, gone or twice there.

    Catalogues of one form and the same files are the same bytes after it. Old parts go when everything of theirs is
    acknowledged in the new one, so a crash loses nothing. Raises Refused while somebody adds.
    """
    root = Path(folder)
    reader.load(root)  # or the lock would be put into a folder that is no catalogue
    with locked(root, fcntl.LOCK_EX | fcntl.LOCK_NB):
        catalogue = reader.load(root)
        damaged = {part: set(part.damaged().tolist()) for part in catalogue.parts}
        entries = dict[str, list[Entry]]()
        for one in sorted(listing.entries(catalogue.files), key=_order):
            entries.setdefault(one.key, []).append(one)
        writer, dropped = Writer(root, catalogue.form.width, catalogue.next_turn), list[str]()
        for key, part, start, stop in sorted(catalogue.tracks(), key=lambda each: each[0]):
            files = entries.get(key, [])
            if files and not damaged[part].intersection(range(start, stop)):
                first, *others = entries.pop(key)
                writer.put(first, _track(first, part, start, stop))
                for one in others:
                    writer.put(one)
        for key in sorted(entries):
            dropped += [one.path for one in entries[key] if one.state == HEARD]
            for one in entries[key]:
                writer.put(one)
        writer.flush()
        for part in catalogue.parts:
            # The records go first: without them the rest means nothing.
            for suffix in (parts.RECORDS, parts.ROWS, parts.GONE, FILES):
                durable.remove(part.stem.with_suffix(suffix))
        durable.clear(root)
    return Compaction(len(catalogue.parts), len(reader.load(root).parts), tuple(dropped))


def _order(one: Entry) -> tuple[str, float, float]:
    return one.path, one.start_s or 0.0, one.end_s or 0.0


def _track(entry: Entry, part: Part, start: int, stop: int) -> Track:
    records = part.records[start:stop]
    times = np.stack([records["start_ms"], records["end_ms"]], axis=1) / 1000
    is_track = (records["flags"] & parts.IS_TRACK != 0).tolist()
    return Track(entry, part.rows[start:stop], [(first, last) for first, last in times.tolist()], is_track)
