"""Names made of content: keys and seeds. The same content gives the same name on every machine."""

import hashlib
import json
import unicodedata
from collections.abc import Mapping
from pathlib import Path

import numpy as np

SCHEME = 1


def canonical_json(value: object) -> bytes:
    """Return the one UTF-8 JSON of a value: keys sorted, no spaces, strings in NFC, floats as Python's repr.

    Tuples are lists; numpy scalars and paths are what they stand for; anything else is refused.
    """
    text = json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False, default=_plain)
    # No quote, comma or bracket joins with a combining mark, so the whole text can be composed at once.
    return unicodedata.normalize("NFC", text).encode()


def _plain(value: object) -> object:
    """Return what JSON has no word for as something it has."""
    match value:
        case np.generic():
            return value.item()
        case Path():
            return value.as_posix()
        case Mapping():
            return dict(value)
    raise TypeError(f"A key is made of plain values; got {type(value).__name__}: {value!r}.")


def key_of(**fields: object) -> str:
    """Return the key of some content: 32 hex digits of the sha256 of its canonical JSON."""
    return hashlib.sha256(canonical_json({"scheme": SCHEME, **fields})).hexdigest()[:32]


def seed_for(purpose: str, *parts: object) -> int:
    """Return a 64-bit seed derived from what it is for: never from a position, a time or a global state."""
    digest = hashlib.sha256(canonical_json([purpose, *parts])).digest()
    return int.from_bytes(digest[:8], "big")


def generator(purpose: str, *parts: object) -> np.random.Generator:
    """Return a numpy generator seeded by `seed_for`."""
    return np.random.Generator(np.random.PCG64(seed_for(purpose, *parts)))


def file_sha256(path: Path) -> str:
    """Return the sha256 of a file's bytes, 64 hex digits."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
