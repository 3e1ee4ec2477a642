"""sha256 of the user's files, remembered by path, size and modification time; each process appends to its own file."""

import secrets
import time
from pathlib import Path
from typing import Any

from earmark import durable
from earmark.identity import file_sha256
from earmark.store import lines

# A file may change twice within one tick of its clock and look the same, so it is read when the tick is over.
TICK_NS = 20_000_000

Name = tuple[str, int, int]


class Hashes:
    """The hashes remembered in a folder when it was opened, and those added here since."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._own = folder / f"{secrets.token_hex(8)}.jsonl"
        self._known = _known(folder)

    def of(self, path: Path) -> str:
        """Return the sha256 of a file, 64 hex digits; it is read only where its path, size or time are new."""
        name = _look(path)
        if name not in self._known:
            time.sleep(max(0, min(TICK_NS, name[2] + TICK_NS - time.time_ns())) / 1e9)
            sha256 = file_sha256(path)
            if _look(path) != name:
                return sha256
            self._known[name] = sha256
            # Not synced: what a crash takes is only computed again.
            durable.append(self._own, _line(name, sha256), sync=False)
        return self._known[name]


def merge(folder: Path) -> None:
    """Bring what all processes remember into one file."""
    old = sorted(folder.glob("*.jsonl"))
    if len(old) > 1:
        content = b"".join(_line(name, sha256) for name, sha256 in sorted(_known(folder).items()))
        durable.write_file(folder / f"{secrets.token_hex(8)}.jsonl", content)
        for path in old:
            durable.remove(path)


def _look(path: Path) -> Name:
    status = path.stat()
    return str(path.absolute()), status.st_size, status.st_mtime_ns


def _known(folder: Path) -> dict[Name, str]:
    return dict(each for path in sorted(folder.glob("*.jsonl")) for each in lines.read(path, _entry).items)


def _entry(item: dict[str, Any]) -> tuple[Name, str]:
    path, size, mtime_ns, sha256 = item["path"], item["size"], item["mtime_ns"], item["sha256"]
    if not (isinstance(path, str) and type(size) is type(mtime_ns) is int and isinstance(sha256, str)):
        raise TypeError("not the hash of a file")
    return (path, size, mtime_ns), sha256


def _line(name: Name, sha256: str) -> bytes:
    path, size, mtime_ns = name
    return lines.line({"path": path, "size": size, "mtime_ns": mtime_ns, "sha256": sha256}).encode()
