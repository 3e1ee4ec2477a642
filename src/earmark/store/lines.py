"""JSON lines that are only appended to: a crash may tear the last, and readers then pass over it."""

import json
from pathlib import Path
from typing import Any, NamedTuple

_encode = json.JSONEncoder(ensure_ascii=False, sort_keys=True, allow_nan=False).encode


class Lines(NamedTuple):
    """What a file says from some byte on, up to byte `end`; `problems` tells of lines that were passed over."""

    items: list[dict[str, Any]]
    end: int
    problems: list[str]


def line(item: object) -> str:
    """Return the line of a JSON value. Raises TypeError or ValueError for what JSON cannot hold, NaN included."""
    return _encode(item) + "\n"


def read(path: Path, start: int = 0) -> Lines:
    """Read the whole lines of a file from byte `start` on; a missing file has none."""
    try:
        with path.open("rb") as file:
            file.seek(start)
            text = file.read()
    except FileNotFoundError:
        return Lines([], start, [])
    whole, newline, torn = text.rpartition(b"\n")
    found = Lines([], start + len(whole) + len(newline), [])
    for each in whole.splitlines():
        try:
            found.items.append(json.loads(each))
        except ValueError:
            found.problems.append(f"{path}: passed over a line that is not JSON: {each[:60]!r}")
    if torn:
        found.problems.append(f"{path}: torn last line, as a crash leaves it (harmless)")
    return found
