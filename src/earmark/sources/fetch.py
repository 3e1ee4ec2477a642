"""Files fetched into a folder once: what is needed is checked first, each file is verified, archives are unpacked."""

import fcntl
import itertools
import logging
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, as_completed
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, NamedTuple, Protocol

from earmark import durable
from earmark.errors import DataError, EarmarkError, MissingPart, UserError
from earmark.nouns import Source
from earmark.sources import archives, checksums, clients, http
from earmark.sources._wanted import Archive, archives_in, is_web, placed, require_space
from earmark.sources.part import Part
from earmark.sources.receipts import Receipt, Receipts

LOCK = ".earmark-receipts.lock"

Checked = Literal["published checksum", "size only", "its client", "nothing published"]
log = logging.getLogger("earmark.sources")


class Fetched(NamedTuple):
    """A file that was fetched, or that `was_there`: as a file, or as an archive unpacked and removed long ago.

    `checked` says what it was held against. "its client": pip, npm or apt-get verified it. "nothing published":
    it was put there by hand, and neither a size nor a checksum of it is published.
    """

    source: Source
    path: Path
    sha256: str
    size_bytes: int
    was_there: bool
    checked: Checked


class Watch(Protocol):
    """Who is told how far each file is. Several threads tell."""

    def advance(self, name: str, done: int, total: int | None) -> None:
        """Hear that `done` of `total` bytes of a file are here (None: nobody knows how many it has)."""


def fetch(
    sources: Sequence[Source],
    folder: Path,
    *,
    jobs: int = 4,
    verify: bool = False,
    keep_archives: bool = False,
    watch: Watch | None = None,
    kin: Sequence[Path] = (),
) -> tuple[Fetched, ...]:
    """Fetch files into a folder, unpack the archives among them, and return what was fetched, in the given order.

    What is there as its receipt says is taken by its size and time of change; `verify` hashes it again. What came
    out of an archive is compared by names and sizes. Files put there by hand are taken when they are as published.
    What a receipt in a folder of `kin` knows by the same published checksum gets a second name here, and that receipt.
    An archive is removed once unpacked unless `keep_archives`, but never one that was put there by hand. A source
    that fails does not stop the others. Raises, before the first byte, MissingPart where a client is missing and
    UserError where the disk is too small; at the end DataError with every failure. An interrupt leaves parts that
    the next call resumes.
    """
    wanted = placed(sources)
    with _alone(folder):
        errand = _Errand(folder, Receipts(folder), wanted, verify, keep_archives, watch, kin)
        try:
            errand.settle()
            errand.require_what_is_needed(jobs)
            return errand.run(jobs)
        finally:
            errand.receipts.save()


@contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """Hold a folder: a second process waits, and then finds what the first one fetched."""
    try:
        durable.make_folder(folder)
        file = (folder / LOCK).open("w")
    except OSError as error:
        raise UserError(f"Files cannot be fetched into '{folder}': {error}. Name another folder.") from error
    with file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            log.warning("Another process fetches into '%s': waiting for it.", folder)
            fcntl.flock(file, fcntl.LOCK_EX)
        yield


class _Stopped(Exception):
    """The errand is over; what is here is kept."""


@dataclass
class _Errand:
    folder: Path
    receipts: Receipts
    wanted: Mapping[str, Source]
    verify: bool
    keep_archives: bool
    watch: Watch | None
    kin: Sequence[Path]
    # Receipts of the pieces of archives whose files are there, and the archives of the other pieces.
    unpacked: dict[str, Receipt] = field(default_factory=dict)
    to_unpack: dict[str, Archive] = field(default_factory=dict)
    _arrived: set[str] = field(default_factory=set)
    _stop: threading.Event = field(default_factory=threading.Event)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def settle(self) -> None:
        """Tell the archives that are unpacked from those still to unpack, and link what lies elsewhere."""
        for archive in archives_in(self.wanted):
            known = self.receipts.unpacked.get(archive.name)
            checksums_now = {place: self.wanted[place].checksum for place in archive.places}
            if known and known.is_of(checksums_now, archive.into) and known.is_there(self.folder):
                self.unpacked |= known.archives
                if not (known.kept or self.keep_archives):  # a crash may have come before its removal
                    self._discard(archive)
            else:
                self.to_unpack |= dict.fromkeys(archive.places, archive)
        for place, source in self.wanted.items():
            if source.checksum and place not in self.unpacked and not (self.folder / place).exists():
                self.receipts.adopt(place, source.checksum, self.kin)

    def require_what_is_needed(self, jobs: int) -> None:
        """Raise MissingPart or UserError when what is missing cannot be fetched here."""
        missing = {
            place: source
            for place, source in self.wanted.items()
            if place not in self.unpacked and not (self.folder / place).is_file()
        }
        for source in missing.values():
            if not is_web(source.url):
                clients.need(source.url)
        require_space(self.folder, missing, set(self.to_unpack.values()), jobs, keep_archives=self.keep_archives)

    def run(self, jobs: int) -> tuple[Fetched, ...]:
        """Bring every file, each in a thread, and raise DataError with all that failed."""
        done: dict[str, Fetched] = {}
        failures: dict[str, str] = {}
        running: dict[Future[Fetched], str] = {}
        with ThreadPoolExecutor(jobs) as pool:
            for place in self.wanted:
                if place in self.unpacked and not (self.verify and (self.folder / place).is_file()):
                    done[place] = self._account(place, self.unpacked[place], was_there=True)
                else:
                    running[pool.submit(self._bring, place)] = place
            try:
                for future in as_completed(running):
                    place = running[future]
                    try:
                        done[place] = future.result()
                    except (EarmarkError, OSError) as error:
                        failures[place] = str(error)
            finally:  # after an interrupt: what runs ends at the next bytes that come, what waits at once
                self._stop.set()
        if failures:
            head = f"{len(failures)} of {len(self.wanted)} files could not be fetched into '{self.folder}':"
            raise DataError("\n  ".join([head, *(f"{place}: {why}" for place, why in sorted(failures.items()))]))
        return tuple(done[place] for place in self.wanted)

    def _bring(self, place: str) -> Fetched:
        """Find or fetch one file, and unpack its archive if that was the last piece of it."""
        self._require_going()
        fetched = self._found(place) or self._fetched(place)
        if archive := self.to_unpack.get(place):
            with self._lock:
                self._arrived.add(place)
                is_last = self._arrived.issuperset(archive.places)
            if is_last:
                self._unpack(archive)
        return fetched

    def _found(self, place: str) -> Fetched | None:
        """Return a file that is there, hashed unless its receipt answers for it."""
        path, source, known = self.folder / place, self.wanted[place], self.receipts.files.get(place)
        if not path.is_file():
            return None
        if known is None or self.verify or known.checksum != source.checksum or not known.is_of(path):
            expected = source.checksum or (f"sha256:{known.sha256}" if known else "")
            measured = checksums.measure(path, expected, source.size_bytes, self._told(place))
            if measured.problem:
                raise DataError(
                    f"It is there, but not as published: {measured.problem}. Type: rm '{path}'; fetch again."
                )
            url = known.url if known and known.is_of(path) else ""
            known = self.receipts.sign(place, path, measured.sha256, source.checksum, url)
        Part.of(path).drop()  # what a crash left behind, or somebody who put the file there by hand
        return self._account(place, known, was_there=True)

    def _fetched(self, place: str) -> Fetched:
        """Fetch a file from its URL, or the first mirror that has it."""
        source, failures = self.wanted[place], []

        def vouch(part: Path, sha256: str) -> None:
            # Signed before the file gets its name: one that a crash leaves without a receipt was put there by hand.
            self.receipts.sign(place, part, sha256, source.checksum, urls[0], at_once=source.unpack_into is not None)

        # Web mirrors that follow one another are one route: each goes on where the one before broke off.
        for _, route in itertools.groupby((source.url, *source.mirrors), key=lambda url: is_web(url) or url):
            urls = list(route)
            try:
                if is_web(urls[0]):
                    self._over_http(place, urls, vouch)
                else:
                    self._by_client(place, urls[0], vouch)
            except (DataError, MissingPart) as error:
                failures.append(str(error))
            else:
                return self._account(place, self.receipts.files[place], was_there=False)
        raise DataError(" ".join(failures))

    def _over_http(self, place: str, urls: Sequence[str], vouch: http.Vouch) -> None:
        http.download(
            urls,
            self.folder / place,
            checksum=self.wanted[place].checksum,
            size_bytes=self.wanted[place].size_bytes,
            advance=self._told(place),
            vouch=vouch,
            sleep=self._wait,
        )

    def _by_client(self, place: str, url: str, vouch: http.Vouch) -> None:
        target, source = self.folder / place, self.wanted[place]
        part = Part.of(target)
        part.drop()
        durable.make_folder(target.parent)
        clients.fetch(url, part.path)
        measured = checksums.measure(part.path, source.checksum, source.size_bytes)
        if measured.problem:
            part.drop()
            raise DataError(f"{url} is not as published: {measured.problem}.")
        durable.append(part.path, b"")  # brings it onto the disk
        vouch(part.path, measured.sha256)
        part.become(target)

    def _unpack(self, archive: Archive) -> None:
        tell, sizes = self._told(f"{archive.name} (unpacking)"), [0]

        def advance(n_bytes: int) -> None:
            sizes[0] += n_bytes
            tell(sizes[0], None)

        paths = [self.folder / place for place in archive.places]
        files = archives.unpack(paths, self.folder / archive.into, advance)
        self.receipts.sign_unpacked(archive.name, archive.places, archive.into, files, kept=self.keep_archives)
        if not self.keep_archives:
            self._discard(archive)

    def _discard(self, archive: Archive) -> None:
        """Remove an unpacked archive, unless somebody put it there by hand."""
        for place in archive.places:
            path, known = self.folder / place, self.receipts.files.get(place)
            if known and known.url and (not path.exists() or known.is_of(path)):
                durable.remove(path)
                self.receipts.forget(place)

    def _told(self, name: str) -> Callable[[int, int | None], None]:
        def advance(done: int, total: int | None) -> None:
            self._require_going()
            if self.watch:
                self.watch.advance(name, done, total)

        return advance

    def _wait(self, seconds: float) -> None:
        self._stop.wait(seconds)
        self._require_going()

    def _require_going(self) -> None:
        if self._stop.is_set():
            raise _Stopped

    def _account(self, place: str, receipt: Receipt, *, was_there: bool) -> Fetched:
        source = self.wanted[place]
        checked: Checked = "nothing published"
        if source.checksum:
            checked = "published checksum"
        elif receipt.url and not is_web(receipt.url):
            checked = "its client"
        elif receipt.url or source.size_bytes is not None:
            checked = "size only"
        return Fetched(source, self.folder / place, receipt.sha256, receipt.size_bytes, was_there, checked)
