"""What an `add` would take, from a timing of at most twenty seconds on files drawn from those that are to be heard."""

import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from earmark import identity
from earmark.catalogue import apart, finding, reader
from earmark.catalogue.embedding import Paths
from earmark.catalogue.finding import Todo, Wanted
from earmark.catalogue.form import Form
from earmark.catalogue.parts import FLOAT, RECORD
from earmark.catalogue.working import hear_once
from earmark.errors import UserError
from earmark.experiment import devices, one_pass

TIMED_S, TIMED_FILES, TOLD_FROM = 20.0, 200, 500
"""A timing's seconds and files at most; and from how many files on `add` makes one before it begins."""


@dataclass(frozen=True)
class Estimate:
    """What is to be done. Hours of audio, bytes on the disk and seconds are scaled up from `n_timed` of the files.

    They are None where none of those could be heard. `n_failing` of the timed ones could not.
    """

    n_files: int
    n_same: int
    n_failed_before: int
    n_removed: int
    n_timed: int
    n_failing: int
    audio_hours: float | None
    n_bytes: int | None
    seconds: float | None
    jobs: int


class Timing(NamedTuple):
    """What came of files that were timed; bytes are of the files, rows of the catalogue, both without the first."""

    n_timed: int = 0
    n_failing: int = 0
    n_bytes: int = 0
    n_rows: int = 0
    heard_s: float = 0.0
    seconds: float = 0.0


def plan(folder: Path | str, sources: Paths, *, jobs: int = 1, retry: bool = False, prune: bool = False) -> Estimate:
    """Return what `add` of the same sources would take. Nothing is kept; the catalogue must be there.

    Raises what `add` raises before it begins.
    """
    catalogue = reader.load(folder)
    return estimated(catalogue.form, finding.todo(catalogue, finding.given(sources), retry=retry, prune=prune), jobs)


def estimated(how: Form, what: Todo, jobs: int) -> Estimate:
    """Time some of the files that are to be heard, and scale it up by their bytes.

    It is done in a process apart: where a file ends that, there is no timing, and `add` finds out which.
    """
    try:
        timed = apart.call(timing, how, _drawn(what.files), TIMED_S) if what.files else Timing()
    except apart.Ended:
        timed = Timing()
    share = what.n_bytes / timed.n_bytes if timed.n_bytes and timed.heard_s else 0.0
    row_bytes = FLOAT.itemsize * how.width + RECORD.itemsize
    return Estimate(
        n_files=len(what.files),
        n_same=what.n_same,
        n_failed_before=len(what.failed),
        n_removed=len(what.removed),
        n_timed=timed.n_timed,
        n_failing=timed.n_failing,
        audio_hours=timed.heard_s * share / 3600 if share else None,
        n_bytes=round(timed.n_rows * row_bytes * share) if share else None,
        seconds=timed.seconds * share / jobs if share else None,
        jobs=jobs,
    )


def timing(how: Form, drawn: Sequence[Wanted], most_s: float) -> Timing:
    """Hear files for so many seconds at most, and say what it took."""
    seconds, heard_s, n_rows, n_bytes, n_timed, n_failing = 0.0, 0.0, 0, 0, 0, 0
    network = one_pass.representation(how.representation, devices.CPU)
    how.require_here(network)
    started = time.perf_counter()
    for one in drawn:
        before = time.perf_counter()
        found = hear_once(network, how, one)
        n_timed, size = n_timed + 1, max(0, one.size)
        if isinstance(found, UserError):
            n_failing, n_bytes = n_failing + 1, n_bytes + size
        elif n_timed > 1 or len(drawn) == 1:  # the first warms up what is made once
            heard_s, n_rows, n_bytes = heard_s + found.duration_s, n_rows + len(found.rows), n_bytes + size
            seconds += time.perf_counter() - before
        if time.perf_counter() - started > most_s:
            break
    return Timing(n_timed, n_failing, n_bytes, n_rows, heard_s, seconds)


def _drawn(files: Sequence[Wanted]) -> list[Wanted]:
    rng = identity.generator("catalogue", "timing", len(files))
    return [files[place] for place in rng.permutation(len(files))[:TIMED_FILES].tolist()]
