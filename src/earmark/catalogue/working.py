"""What one worker does of an `add`: hears the files of a shard, and acknowledges each.

A shard is heard by one process at a time. It looks first at which contents are there by now, so several `add` at once
share the work and hear nothing twice.
"""

import fcntl
import os
import re
import stat
import time
from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from functools import cache
from pathlib import Path
from typing import NamedTuple

from earmark import durable, identity
from earmark.catalogue import apart, finding, hearing, reader, upkeep
from earmark.catalogue.finding import Wanted
from earmark.catalogue.form import Form
from earmark.catalogue.listing import HEARD, Entry
from earmark.catalogue.parts import Track
from earmark.catalogue.writing import Writer
from earmark.errors import AudioError, UserError
from earmark.experiment import one_pass
from earmark.representations.base import Representation

CLAIMS, TRYING = "claims", "trying"
NO_TEXT = re.compile(r"\\x[89a-f][0-9a-f]")
"""How the listing writes a byte of a name that is no text."""
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

    def is_as_it_was(self) -> bool:
        """Return whether it was read, and has the size and time that it had then."""
        return self.error is None and finding.look(Path(self.file.path)) == (self.file.size, self.file.mtime_ns)


def hear_shard(shard: Shard, root: Path) -> Done:
    """Hear what is not there yet. `root` is the engine's, and not needed: a shard holds all that it must know."""
    folder, started, audio_s = Path(shard.folder), time.perf_counter(), 0.0
    counts = Counter[str]()
    network = one_pass.representation(shard.form.representation, shard.device)
    shard.form.require_here(network)
    # Whoever handed the shard out may hold the lock, or may have ended since: nothing is merged beneath what is heard.
    with upkeep.locked(folder, fcntl.LOCK_SH), _claimed(folder, shard), ExitStack() as held:
        looks = list(_looks(shard.files))
        there = reader.load(folder).has(look.key for look in looks if look.key)
        writer = _writer(folder, shard.form.width, shard.turn, os.getpid())
        writer.go_on()
        # A shard that ended its process is heard apart from then on: it may hold more of the kind.
        is_careful = any(_trying(folder, look).exists() for look in looks if look.key)
        hear = _Hearing(network, shard, held.enter_context(apart.Apart()), is_careful)
        try:
            for look in looks:
                track = None if look.error or look.key in there else hear.track(look)
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


def _looks(files: Iterable[Wanted]) -> Iterator[_Look]:
    """Yield what each file is, read once however many of its regions are wanted; they stand together."""
    last: _Look | None = None
    for one in files:
        if last is not None and last.file.path == one.path and last.is_as_it_was():
            size, mtime_ns = last.file.size, last.file.mtime_ns
            last = last._replace(file=one._replace(size=size, mtime_ns=mtime_ns), key=_key(last.sha256, *one.region))
        else:
            last = _look(one)
        yield last


def _look(one: Wanted) -> _Look:
    path = Path(one.path)
    try:
        status = path.stat()
        if not (stat.S_ISREG(status.st_mode) or stat.S_ISDIR(status.st_mode)):
            return _Look(one, "", "", AudioError(path, "cannot be opened (a pipe or device, no file)."))
        # Not of a clock that runs ahead: it would be waited for.
        time.sleep(max(0, min(TICK_NS, status.st_mtime_ns + TICK_NS - time.time_ns())) / 1e9)
        one = one._replace(size=status.st_size, mtime_ns=status.st_mtime_ns)
        sha256 = identity.file_sha256(path)
    except FileNotFoundError:
        is_named = not NO_TEXT.search(one.path) or os.path.lexists(path)
        reason = "no such file." if is_named else "its name is no text in UTF-8. Rename it."
        return _Look(one, "", "", AudioError(path, reason))
    except OSError as error:
        return _Look(one, "", "", AudioError(path, f"cannot be opened ({error.strerror})."))
    return _Look(one, sha256, _key(sha256, *one.region), None)


def _key(sha256: str, start_s: float | None, end_s: float | None) -> str:
    """Return the key of a content: half the digits of its sha256; of a region of it those of both."""
    if start_s is None and end_s is None:
        return sha256[:32]
    return identity.key_of(sha256=sha256, start_s=start_s, end_s=end_s)


def _hear_apart(form: Form, device: str, one: Wanted) -> hearing.Heard | UserError:
    return hear_once(one_pass.representation(form.representation, device), form, one)


class _Hearing(NamedTuple):
    """How the files of a shard are heard: here, or, where they ended a process before, apart."""

    network: Representation
    shard: Shard
    apart: apart.Apart
    is_careful: bool

    def track(self, look: _Look) -> Track | UserError:
        """Hear a file. Its mark stands while that is done, and stays where it ends the process."""
        trying = _trying(Path(self.shard.folder), look)
        was_tried = trying.exists()
        durable.make_folder(trying.parent)
        trying.touch()
        try:
            is_apart = was_tried or self.is_careful
            found = self._apart(look, 1 if was_tried else 2) if is_apart else self._here(look)
        finally:
            trying.unlink(missing_ok=True)
        if isinstance(found, UserError):
            return found
        if not look.is_as_it_was():
            reason = "it changed while it was read. Add it again when nobody writes to it."
            return AudioError(Path(look.file.path), reason)
        return Track(_entry(look, None, found.duration_s), found.rows, found.times_s, found.is_track)

    def _here(self, look: _Look) -> hearing.Heard | UserError:
        return hear_once(self.network, self.shard.form, look.file)

    def _apart(self, look: _Look, tries: int) -> hearing.Heard | UserError:
        for _ in range(tries):
            with suppress(apart.Ended):
                return self.apart.call(_hear_apart, self.shard.form, self.shard.device, look.file)
        reason = "ended the process that heard it, twice. Convert it, or leave it out."
        return AudioError(Path(look.file.path), reason)


def _trying(folder: Path, look: _Look) -> Path:
    """Return the mark of a content that is being heard."""
    return folder / TRYING / look.key


def _entry(look: _Look, error: UserError | None, duration_s: float | None = None) -> Entry:
    one, found = look.file, look.error or error
    # Of a file that cannot be read now nobody knows that it is another: what was heard of it stays.
    key, sha256 = (one.key_before or "", one.sha256_before or "") if look.error else (look.key, look.sha256)
    return Entry(
        key="" if error else key,
        path=one.path,
        id=one.id,
        source=one.source,
        start_s=one.start_s,
        end_s=one.end_s,
        sha256=sha256,
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
