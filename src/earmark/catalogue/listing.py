"""The files of a catalogue: a line each in the parts, where the last line of a path is the one that counts.

A line says what a file's content is and what came of it: it was heard, it failed (of what kind, and why), or it is
gone. Nothing else knows paths: rows know contents, so a file that moved is a line and no new row.
"""

import io
import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import msgspec
import polars as pl

from earmark.errors import DataError
from earmark.store import lines

FILES = ".files.jsonl"
PLACE = ("path", "start_s", "end_s")
"""What a line is about."""
HEARD, GONE = "", "gone"
"""States of a file; any other is the kind of its failure."""
HAS_ROWS = pl.col("key") != ""
"""Of lines: what was heard, also before, of files that cannot be read now."""


@dataclass(frozen=True)
class Entry:
    """What a line says of a file, or of a region of one.

    `key`: 32 hex digits of the content and region, empty where the content could not be read. `id`: the name that the
    user gave it, else the path below `source`, which is the folder or manifest it was found by. `path` is absolute.
    `labels`: JSON of label → class name, number, or a list of them. `state`: HEARD, GONE, or the kind of its failure,
    with `reason`.
    """

    key: str
    path: str
    id: str
    source: str
    start_s: float | None
    end_s: float | None
    sha256: str
    size: int
    mtime_ns: int
    duration_s: float | None
    labels: str = "{}"
    state: str = HEARD
    reason: str = ""


SCHEMA = {
    "key": pl.String,
    "path": pl.String,
    "id": pl.String,
    "source": pl.String,
    "start_s": pl.Float64,
    "end_s": pl.Float64,
    "sha256": pl.String,
    "size": pl.Int64,
    "mtime_ns": pl.Int64,
    "duration_s": pl.Float64,
    "labels": pl.String,
    "state": pl.String,
    "reason": pl.String,
}

OPEN = ("start_s", "end_s", "duration_s")
"""What a line may leave open: null."""
KINDS: Mapping[Any, tuple[type, ...]] = {pl.String: (str,), pl.Int64: (int,), pl.Float64: (int, float)}
KEY = "[0-9a-f]{32}|"
"""How a key is written; that of a content that could not be read is empty."""

_LINES = msgspec.json.Encoder()


def written(some: Sequence[Entry]) -> bytes:
    """Return the lines of some entries."""
    return _LINES.encode_lines(some)


def read(stems: Iterable[Path]) -> pl.DataFrame:
    """Return all lines of some parts, given from the oldest on, in their order."""
    tables = [_read(stem.with_suffix(FILES)) for stem in stems]
    return pl.concat([pl.DataFrame(schema=SCHEMA), *tables])


def current(every: pl.DataFrame) -> pl.DataFrame:
    """Return the last line of each place, those that are gone left out."""
    last = every.unique(PLACE, keep="last", maintain_order=True)
    return last.filter(pl.col("state") != GONE)


def entries(table: pl.DataFrame) -> Iterator[Entry]:
    """Yield the rows of a listing."""
    return (Entry(*row) for row in table.select(*SCHEMA).iter_rows())


def problems(stem: Path) -> list[str]:
    """Return what is wrong with the lines of a part, which `read` passes over."""
    return lines.read(stem.with_suffix(FILES), _entry).problems


def _read(path: Path) -> pl.DataFrame:
    """Read the whole lines of a file: at once, or one by one where some are damaged."""
    try:
        text = path.read_bytes()
    except FileNotFoundError:
        return pl.DataFrame(schema=SCHEMA)
    whole = text[: text.rfind(b"\n") + 1]
    if not whole:
        return pl.DataFrame(schema=SCHEMA)
    with suppress(pl.exceptions.PolarsError):
        found = pl.read_ndjson(io.BytesIO(whole), schema=SCHEMA)
        if _is_sound(found, whole):
            return found
    return pl.DataFrame([asdict(one) for one in lines.read(path, _entry).items], schema=SCHEMA)


def _is_sound(found: pl.DataFrame, text: bytes) -> bool:
    """Return whether all lines are such as `_entry` takes: polars passes over names it does not know, and more."""
    n_lines = text.count(b"\n")
    # Of what may be open null says nothing; a name within a text would have a backslash before its quote.
    is_whole = len(found) == n_lines and all(text.count(f'{name}":'.encode()) == n_lines for name in OPEN)
    if not is_whole or any(found[name].null_count() for name in SCHEMA if name not in OPEN):
        return False
    if not found["key"].str.contains(f"^(?:{KEY})$").all():
        return False
    labels = found["labels"].unique()
    return labels.str.starts_with("{").all() and not labels.str.json_path_match("$").null_count()


def _entry(said: dict[str, Any]) -> Entry:
    """Return the entry of a line. Raises KeyError, TypeError or ValueError for what no catalogue has written."""
    for name, kind in SCHEMA.items():
        value = said[name]
        if not (name in OPEN and value is None) and (type(value) not in KINDS[kind]):
            raise TypeError(f"{name} is {value!r}")
    if len(said) > len(SCHEMA) or not re.fullmatch(KEY, said["key"]) or not _is_object(said["labels"]):
        raise ValueError("not what is said of a file")
    return Entry(**said)


def _is_object(text: str) -> bool:
    """Return whether a text is a JSON object."""
    if text == "{}":
        return True
    with suppress(ValueError, RecursionError):
        return isinstance(json.loads(text), dict)
    return False


def labels_of(text: str) -> dict[str, Any]:
    """Return the labels of an entry. Raises DataError for what no catalogue has written."""
    if not _is_object(text):
        raise DataError(f"Expected labels as a JSON object, got {text[:60]!r}. Restore the catalogue's files.")
    found: dict[str, Any] = json.loads(text)
    return found
