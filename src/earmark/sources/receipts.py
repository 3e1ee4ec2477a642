"""What was fetched into a folder, in `.earmark-receipts.json`: a file that did not change is never hashed again.

Files are named by their path below the folder. An archive that was unpacked keeps its receipt there, together with
the files that came out of it, so that it need not stay.
"""

import json
import os
import threading
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Self

from earmark import durable
from earmark.errors import DataError

NAME = ".earmark-receipts.json"
SCHEME = 1


@dataclass(frozen=True)
class Receipt:
    """A verified file: size, time of change and sha256 as they were, the checksum that was published ("" for none)
    and the URL it was fetched from ("" where it was found and not fetched).
    """

    size_bytes: int
    mtime_ns: int
    sha256: str
    checksum: str
    url: str

    def is_of(self, path: Path) -> bool:
        """Tell whether the file is as it was, by its size and time of change."""
        found = path.stat()
        return (found.st_size, found.st_mtime_ns) == (self.size_bytes, self.mtime_ns)


@dataclass(frozen=True)
class Unpacked:
    """An unpacked archive: its files' receipts by path, the folder it went into, whether it was kept, and the
    size of each file that came out, by folder and name.
    """

    archives: Mapping[str, Receipt]
    into: str
    kept: bool
    files: dict[str, dict[str, int]]

    @classmethod
    def read(cls, archives: dict[str, Any], **fields: Any) -> Self:
        """Return it from plain JSON."""
        return cls({path: Receipt(**one) for path, one in archives.items()}, **fields)

    def is_of(self, checksums: Mapping[str, str], into: str) -> bool:
        """Tell whether it came of archives of these published checksums, by path, and went into this folder."""
        return self.into == into and {path: one.checksum for path, one in self.archives.items()} == dict(checksums)

    def is_there(self, root: Path) -> bool:
        """Tell whether all that came out is there still, by names and sizes."""
        return all(sizes.items() <= _sizes(root / folder).items() for folder, sizes in self.files.items())


def _sizes(folder: Path) -> dict[str, int]:
    if not folder.is_dir():
        return {}
    with os.scandir(folder) as entries:
        return {entry.name: entry.stat().st_size for entry in entries if entry.is_file()}


class Receipts:
    """The receipts of a folder. Threads may share them; processes take turns (see fetch)."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.path = folder, folder / NAME
        self.files: dict[str, Receipt] = {}
        self.unpacked: dict[str, Unpacked] = {}
        self._lock, self._n_unsaved = threading.Lock(), 0
        if self.path.exists():
            try:
                self._read(json.loads(self.path.read_bytes()))
            except (ValueError, TypeError, KeyError, AttributeError) as error:
                raise DataError(
                    f"'{self.path}' is not as earmark wrote it ({error!r}). Remove it: the files beside it are then "
                    "verified anew."
                ) from error

    def sign(self, path: str, file: Path, sha256: str, checksum: str, url: str, *, at_once: bool = False) -> Receipt:
        """Write down a verified file, which is or will be at `path`: at once, or soon and at `save`."""
        found = file.stat()
        receipt = Receipt(found.st_size, found.st_mtime_ns, sha256, checksum, url)
        with self._lock:
            self.files[path] = receipt
            self._n_unsaved += 1
            # A share of what is there, so that writing n receipts costs n log n and not n².
            if at_once or self._n_unsaved > max(20, len(self.files) // 10):
                self._save()
        return receipt

    def sign_unpacked(
        self, name: str, archives: Iterable[str], into: str, files: Iterable[Path], *, kept: bool
    ) -> None:
        """Write down at once what came out of an archive."""
        came_out: dict[str, dict[str, int]] = {}
        for file in files:
            folder = file.parent.relative_to(self.folder).as_posix()
            came_out.setdefault(folder, {})[file.name] = file.stat().st_size
        with self._lock:
            for other in self.unpacked.values():
                for folder, sizes in came_out.items():  # a file in two archives is the later one's
                    for shared in sizes.keys() & other.files.get(folder, {}).keys():
                        del other.files[folder][shared]
            self.unpacked[name] = Unpacked({path: self.files[path] for path in archives}, into, kept, came_out)
            self._save()

    def adopt(self, path: str, checksum: str, folders: Iterable[Path]) -> None:
        """Give a file that a receipt in other folders knows by its published checksum a name and a receipt here too."""
        there = ((folder / name, one) for folder in folders for name, one in Receipts(folder).files.items())
        for file, known in there:
            if known.checksum == checksum and file.is_file() and known.is_of(file):
                durable.make_folder((self.folder / path).parent)
                try:
                    durable.link(file, self.folder / path)
                except OSError:  # a disk without links: it is fetched
                    continue
                self.sign(path, file, known.sha256, checksum, known.url, at_once=True)
                return

    def forget(self, path: str) -> None:
        """Take back the receipt of a file that was removed; written at the next `save`."""
        with self._lock:
            self._n_unsaved += self.files.pop(path, None) is not None

    def save(self) -> None:
        """Write what is not written yet."""
        with self._lock:
            if self._n_unsaved:
                self._save()

    def _read(self, content: dict[str, Any]) -> None:
        if content["scheme"] != SCHEME:
            raise ValueError(f"scheme {content['scheme']}, expected {SCHEME}")
        self.files = {path: Receipt(**one) for path, one in content["files"].items()}
        self.unpacked = {name: Unpacked.read(**one) for name, one in content["unpacked"].items()}

    def _save(self) -> None:
        content = {
            "scheme": SCHEME,
            "files": {path: asdict(one) for path, one in self.files.items()},
            "unpacked": {name: asdict(one) for name, one in self.unpacked.items()},
        }
        durable.write_file(self.path, json.dumps(content).encode())
        self._n_unsaved = 0
