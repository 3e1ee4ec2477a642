"""What one worker does of an `add`: hears the files of a shard, and acknowledges each.

A shard is heard by one process at a time. It looks first at which contents are there by now, so several `add` at once
share the work and hear nothing twice.
"""

import fcntl
import multiprocessing
import os
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import NamedTuple

from earmark import identity
from earmark.catalogue import hearing, reader
from earmark.catalogue.finding import Wanted
from earmark.catalogue.form import Form
from earmark.catalogue.listing import HEARD, Entry
from earmark.catalogue.parts import Track, Writer
from earmark.errors import AudioError, UserError
from earmark.experiment import one_pass
from earmark.representations.base import Representation

CLAIMS, TRYING = "claims", "trying"
TICK_NS = 20_000_000
"""A file may change twice within one tick of its clock and look the same, so it is read when the tick is over."""


class Shard(NamedTuple):
    """Some files to hear, and all that a worker must know to do it."""

    folder: str
    form: Form
    turn: int
    device: str
    files: tuple[Wanted, ...]


class Done(NamedTuple):
    """What came of a shard; of its files so many were heard (`n_changed` in place of another content), were there
    already, or failed. Who did it, and in what time.
    """

    n_files: int
    n_heard: int
    n_changed: int
    n_there: int
    n_failed: int
    audio_s: float
    seconds: float
    worker: str


class _Look(NamedTuple):
    """A file as it lies there: what its content is, or why it could not be read."""

    file: Wanted
    sha256: str
    key: str
    error: UserError | None


def hear_shard(shard: Shard, root: Path) -> Done:
    """Hear what is not there yet. `root` is the engine's, and not needed: a shard holds all that it must know."""
    folder, started, audio_s = Path(shard.folder), time.perf_counter(), 0.0
    counts = Counter[str]()
    network = one_pass.representation(shard.form.representation, shard.device)
    shard.form.require_here(network)
    with _claimed(folder, shard):
        looks = [_look(one) for one in shard.files]
        there = reader.load(folder).has(look.key for look in looks if look.key)
        writer = _writer(folder, shard.form.width, shard.turn, os.getpid())
        try:
            for look in looks:
                track = None if look.error or look.key in there else _heard(network, shard, look)
                entry = track.entry if isinstance(track, Track) else _entry(look, track)
                writer.put(entry, track if isinstance(track, Track) else None)
                counts[_outcome(look, track)] += 1
                if isinstance(track, Track):
                    there.add(entry.key)
                    audio_s += entry.duration_s or 0.0
        finally:
            writer.flush()
    heard, changed, known, failed = (counts[name] for name in ("heard", "changed", "there", "failed"))
    who = f"{os.uname().nodename}:{os.getpid()}"
    seconds = time.perf_counter() - started
    return Done(len(looks), heard + changed, changed, known, failed, audio_s, seconds, who)


def hear_once(network: Representation, form: Form, one: Wanted) -> hearing.Heard | UserError:
    """Hear a file and keep nothing, or return why it cannot be heard: a timing."""
    try:
        return hearing.hear(network, form, Path(one.path), one.start_s, one.end_s)
    except UserError as error:
        return error


def _look(one: Wanted) -> _Look:
    path = Path(one.path)
    try:
        status = path.stat()
        # Not of a clock that runs ahead: it would be waited for.
        time.sleep(max(0, min(TICK_NS, status.st_mtime_ns + TICK_NS - time.time_ns())) / 1e9)
        one = one._replace(size=status.st_size, mtime_ns=status.st_mtime_ns)
        sha256 = identity.file_sha256(path)
    except FileNotFoundError:
        is_named = "\\" not in one.path or os.path.lexists(path)
        reason = "no such file." if is_named else "its name is no text in UTF-8. Rename it."
        return _Look(one, "", "", AudioError(path, reason))
    except OSError as error:
        return _Look(one, "", "", AudioError(path, f"cannot be opened ({error.strerror})."))
    return _Look(one, sha256, _key(sha256, one.start_s, one.end_s), None)


def _key(sha256: str, start_s: float | None, end_s: float | None) -> str:
    """Return the key of a content: half the digits of its sha256; of a region of it those of both."""
    if start_s is None and end_s is None:
        return sha256[:32]
    return identity.key_of(sha256=sha256, start_s=start_s, end_s=end_s)


def _hear_apart(form: Form, device: str, one: Wanted) -> hearing.Heard | UserError:
    return hear_once(one_pass.representation(form.representation, device), form, one)


def _carefully(network: Representation, shard: Shard, look: _Look) -> hearing.Heard | UserError:
    """Hear a file; one at which a process died before, killed or by its decoder, in a process of its own."""
    trying = Path(shard.folder) / TRYING / look.key
    trying.parent.mkdir(exist_ok=True)
    try:
        if not trying.exists():
            trying.touch()
            return hear_once(network, shard.form, look.file)
        with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as apart:
            return apart.submit(_hear_apart, shard.form, shard.device, look.file).result()
    except BrokenProcessPool:
        return AudioError(Path(look.file.path), "ended the process that heard it, twice. Convert it, or leave it out.")
    finally:
        trying.unlink(missing_ok=True)


def _heard(network: Representation, shard: Shard, look: _Look) -> Track | UserError:
    one, path = look.file, Path(look.file.path)
    found = _carefully(network, shard, look)
    if isinstance(found, UserError):
        return found
    if (path.stat().st_size, path.stat().st_mtime_ns) != (one.size, one.mtime_ns):
        return AudioError(path, "it changed while it was read. Add it again when nobody writes to it.")
    return Track(_entry(look, None, found.duration_s), found.rows, found.times_s, found.is_track)


def _entry(look: _Look, error: UserError | None, duration_s: float | None = None) -> Entry:
    one, found = look.file, look.error or error
    return Entry(
        key="" if found else look.key,
        path=one.path,
        id=one.id,
        source=one.source,
        start_s=one.start_s,
        end_s=one.end_s,
        sha256=look.sha256,
        size=one.size,
        mtime_ns=one.mtime_ns,
        duration_s=duration_s,
        labels=one.labels,
        state=hearing.kind_of(found) if found else HEARD,
        reason=hearing.reason_of(found) if found else "",
    )


def _outcome(look: _Look, track: Track | UserError | None) -> str:
    if look.error or isinstance(track, UserError):
        return "failed"
    if track is None:
        return "there"
    return "changed" if look.file.key_before not in (None, "", look.key) else "heard"


@cache
def _writer(folder: Path, width: int, turn: int, process: int) -> Writer:
    """Return this process's writer of a turn: shard after shard goes into one part."""
    return Writer(folder, width, turn)


@contextmanager
def _claimed(folder: Path, shard: Shard) -> Iterator[None]:
    """Hold a shard for this process: another that wants the same files waits, and then finds them there."""
    place = identity.seed_for("claim", *(list(one[:6]) for one in shard.files)) >> 2
    with (folder / CLAIMS).open("a") as file:
        fcntl.lockf(file, fcntl.LOCK_EX, 1, place)
        try:
            yield
        finally:
            fcntl.lockf(file, fcntl.LOCK_UN, 1, place)
