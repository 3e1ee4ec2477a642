"""Files as they are now, each by a short stamp: one look at the disk a file, none inside it."""

import hashlib
import os
from collections.abc import Iterable
from pathlib import Path


def stamps_of(root: Path, paths: Iterable[Path]) -> frozenset[str]:
    """Return a stamp for each file: 12 hex digits of its place below the root, its size and its time of change.

    A file that is not there has the stamp of one that is not.
    """
    above = f"{root}{os.sep}"
    return frozenset(_stamp(name, name.removeprefix(above)) for name in {str(path) for path in paths})


def _stamp(name: str, place: str) -> str:
    try:
        found = os.stat(name)  # noqa: PTH116  # of 300,000 files: a Path for each takes twice as long
        state = f"{found.st_size} {found.st_mtime_ns}"
    except OSError:
        state = "not there"
    return hashlib.blake2b(f"{state} {place}".encode("utf-8", "surrogateescape"), digest_size=6).hexdigest()
