"""A file held against what its publisher says of it: one reading gives his checksum and our sha256."""

import hashlib
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from earmark.errors import DataError

ALGORITHMS = ("sha256", "md5", "sha1")
READ_BYTES = 1 << 20


class Measured(NamedTuple):
    """A file's size and sha256, and what of it is not as published (empty: nothing; else the sha256 may be "")."""

    size_bytes: int
    sha256: str
    problem: str


def measure(
    path: Path,
    checksum: str = "",
    size_bytes: int | None = None,
    advance: Callable[[int, int], None] = lambda done, total: None,
) -> Measured:
    """Read a file once and compare it with its published checksum ("sha256:…", "md5:…", "sha1:…", "") and size.

    `advance` hears of bytes read and in total, and may raise to break off.
    """
    algorithm = _algorithm(checksum)
    size = path.stat().st_size
    if size_bytes not in (None, size):
        return Measured(size, "", f"expected {size_bytes} bytes, got {size}")
    digests = {name: hashlib.new(name, usedforsecurity=False) for name in {"sha256", algorithm}}
    with path.open("rb") as file:
        while block := file.read(READ_BYTES):
            for digest in digests.values():
                digest.update(block)
            advance(file.tell(), size)
    sha256 = digests["sha256"].hexdigest()
    got = f"{algorithm}:{digests[algorithm].hexdigest()}"
    return Measured(size, sha256, f"expected {checksum}, got {got}" if checksum and checksum.lower() != got else "")


def _algorithm(checksum: str) -> str:
    algorithm, _, digits = (checksum or "sha256:0").lower().partition(":")
    if algorithm not in ALGORITHMS or not digits:
        raise DataError(f"Expected a checksum like 'sha256:…' or 'md5:…' or 'sha1:…', got '{checksum}'.")
    return algorithm
