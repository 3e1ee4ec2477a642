"""The files of a corpus, and how they are written so that a crash at any point costs only the latest tracks.

samples.i16      the samples of all tracks, one after another: int16, little-endian
building.jsonl   while it is built: the key of what is built, then each track and failure. A line is written after
                 the samples that it tells of; what lies beyond the last line is cut off when the building goes on
tracks.jsonl, failures.jsonl, corpus.json     written at the end, in this order: a folder with the last is whole
"""

import fcntl
import json
import logging
import zlib
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from earmark import durable
from earmark.datasets._corpora import FAILURES, HEAD, JOURNAL, SAMPLES, TRACKS, Track
from earmark.errors import DataError, UserError
from earmark.nouns import Failure
from earmark.store import lines
from earmark.training._hearing import Heard

LOCK = ".lock"
OURS = {SAMPLES, JOURNAL, TRACKS, FAILURES, HEAD, LOCK}
SAMPLE = np.dtype("<i2")

FLUSH_BYTES = 64 * 2**20
FLUSH_ITEMS = 256

log = logging.getLogger("earmark.training")


class Journal:
    """A corpus that is being built; `tracks` and `failures` are those on the disk and those about to be."""

    def __init__(self, folder: Path, key: str) -> None:
        """Go on with what is in the folder. Raises DataError where that is of another key, or damaged."""
        self._folder, self._key = folder, key
        self.tracks: list[Track] = []
        self.failures: list[Failure] = []
        self._samples, self._lines = bytearray(), list[str]()
        self._resume()

    @property
    def n_done(self) -> int:
        """How many of what was listed became a track or a failure."""
        return len(self.tracks) + len(self.failures)

    def add(self, one: Heard | Failure) -> None:
        """Take the next of the listing; it is on the disk after the next flush."""
        if isinstance(one, Failure):
            self.failures.append(one)
            self._lines.append(lines.line({"failure": asdict(one)}))
        else:
            stored = one.quantised.samples.astype(SAMPLE, copy=False).data.cast("B")
            start = self.tracks[-1].end if self.tracks else 0
            track = Track(
                one.wanted.id,
                start,
                len(one.quantised.samples),
                one.sha256,
                zlib.crc32(stored),
                one.quantised.n_clipped,
                one.wanted.licence,
                one.wanted.clip.group,
            )
            self.tracks.append(track)
            self._samples += stored
            self._lines.append(lines.line({"track": asdict(track)}))
        if len(self._samples) >= FLUSH_BYTES or len(self._lines) >= FLUSH_ITEMS:
            self.flush()

    def flush(self) -> None:
        """Put what was added on the disk: samples first, then the lines that tell of them."""
        if self._samples:
            durable.append(self._folder / SAMPLES, self._samples)
        if self._lines:
            durable.append(self._folder / JOURNAL, "".join(self._lines).encode())
        self._samples, self._lines = bytearray(), []

    def finish(self, head: Mapping[str, object]) -> None:
        """Write what makes the corpus whole."""
        self.flush()
        write_lines(self._folder / TRACKS, self.tracks)
        write_lines(self._folder / FAILURES, self.failures)
        durable.write_file(self._folder / HEAD, json.dumps(head, indent=1, sort_keys=True).encode() + b"\n")
        durable.remove(self._folder / JOURNAL)

    def _resume(self) -> None:
        """Take over what the journal tells of, and cut off what lies beyond it."""
        path = self._folder / JOURNAL
        found = lines.read(path, dict[str, Any])
        keys = [line["key"] for line in found.items if "key" in line]
        self.tracks = [Track(**line["track"]) for line in found.items if "track" in line]
        self.failures = [Failure(**line["failure"]) for line in found.items if "failure" in line]
        if keys != [self._key]:
            if self.tracks:
                raise DataError(
                    f"'{self._folder}' holds an unfinished corpus of other audio or excerpts, of another rate, or of "
                    "other versions of the libraries. Name another folder, or begin anew with --overwrite."
                )
            self._begin()
            return
        cut(path, found.end)
        cut(self._folder / SAMPLES, (self.tracks[-1].end if self.tracks else 0) * SAMPLE.itemsize)

    def _begin(self) -> None:
        clear(self._folder)
        self.tracks, self.failures = [], []
        durable.append(self._folder / JOURNAL, lines.line({"key": self._key}).encode())


def write_lines(path: Path, items: list[Track] | list[Failure]) -> None:
    """Write a file of JSON lines, whole."""
    durable.write_file(path, "".join(lines.line(asdict(one)) for one in items).encode())


def clear(folder: Path) -> None:
    """Remove a corpus, the file that makes it whole first. Whoever reads its samples still can, until they are done."""
    for name in (HEAD, JOURNAL, SAMPLES, TRACKS, FAILURES):
        durable.remove(folder / name)


@contextmanager
def held(folder: Path, what: str = "corpus", ours: Collection[str] = OURS) -> Iterator[None]:
    """Hold a folder while something is built in it: a second process waits. What the disk refuses is a UserError.

    `ours` are the names that may lie there. Raises DataError where the folder holds something else.
    """
    try:
        durable.make_folder(folder)
        if strangers := sorted(one.name for one in folder.iterdir() if not _is_ours(one, ours)):
            raise DataError(
                f"Expected a new or empty folder, or a {what}, got '{folder}', which holds '{strangers[0]}'. "
                f"Name a folder of the {what}' own."
            )
        with (folder / LOCK).open("w") as lock:
            _wait(lock.fileno(), folder)
            durable.clear(folder)
            yield
    except OSError as error:
        raise UserError(
            f"The {what} '{folder}' cannot be written: {error.strerror or error}. Make room, or name a folder that "
            "may be written, and run the same command again: what is there already is kept."
        ) from error


def _is_ours(path: Path, ours: Collection[str]) -> bool:
    return path.name in ours or path.match(durable.TEMPORARY)


def _wait(lock: int, folder: Path) -> None:
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        log.warning("Another process builds '%s': waiting for it.", folder)
        fcntl.flock(lock, fcntl.LOCK_EX)


def cut(path: Path, n_bytes: int) -> None:
    """Cut off what a crash left beyond what is told of. Raises DataError where less is there than that."""
    size = path.stat().st_size if path.exists() else 0
    if size < n_bytes:
        raise DataError(
            f"'{path}' is damaged: {n_bytes:,} bytes were written, {size:,} are there. Begin anew with --overwrite."
        )
    if size > n_bytes:
        durable.cut(path, n_bytes)
