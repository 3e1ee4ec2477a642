"""Whole files that are not whole: emptied or cut short, as a full disk or a careless hand leaves them.

What is written here is renamed into place, so no crash leaves such a file. One counts as not there, and is computed
again. Bytes changed within a file are seen only where JSON no longer is any: `upkeep` compares checksums.
"""

import json
import logging
import os
from collections.abc import Callable, Mapping
from functools import cache
from pathlib import Path

MAGIC = b"PAR1"

log = logging.getLogger("earmark.store")


def is_whole(path: Path) -> bool:
    """Return whether a file is there, and whole as far as its suffix tells; say so, once, where it is not."""
    try:
        status = path.stat()
    except FileNotFoundError:
        return False
    return _is_whole(path, status.st_size, status.st_mtime_ns)


@cache
def _is_whole(path: Path, size: int, mtime_ns: int) -> bool:
    """Remember the answer by what would change with the file."""
    looks = LOOKS.get(path.suffix)
    if looks is None or looks(path, size):
        return True
    log.warning("%s is damaged: it is passed over and computed again", path)
    return False


def _is_json(path: Path, size: int) -> bool:
    try:
        json.loads(path.read_bytes())
    except (ValueError, RecursionError):
        return False
    return True


def _is_parquet(path: Path, size: int) -> bool:
    """Look for the mark at both ends, and for the length of the footer that stands before the last."""
    if size < 2 * len(MAGIC) + 4:
        return False
    with path.open("rb") as file:
        first = file.read(len(MAGIC))
        file.seek(-len(MAGIC) - 4, os.SEEK_END)
        length, last = int.from_bytes(file.read(4), "little"), file.read(len(MAGIC))
    return first == last == MAGIC and length + 2 * len(MAGIC) + 4 <= size


def _is_safetensors(path: Path, size: int) -> bool:
    """Read the head, 8 bytes of its length before it, and compare where it says that the last tensor ends."""
    with path.open("rb") as file:
        length = int.from_bytes(file.read(8), "little")
        if not 0 < length <= size - 8:
            return False
        head = file.read(length)
    try:
        ends = [one["data_offsets"][1] for name, one in json.loads(head).items() if name != "__metadata__"]
    except (AttributeError, KeyError, TypeError, ValueError, IndexError, RecursionError):
        return False
    return size == 8 + length + max(ends, default=0)


LOOKS: Mapping[str, Callable[[Path, int], bool]] = {
    ".json": _is_json,
    ".parquet": _is_parquet,
    ".safetensors": _is_safetensors,
}
