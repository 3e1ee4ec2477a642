"""JSON lines that are only appended to: a crash may tear the last, and readers then pass over it."""

import json
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any, Generic, NamedTuple, TypeVar

T = TypeVar("T")
WRONG = (KeyError, TypeError, ValueError, RecursionError)

_encode = json.JSONEncoder(ensure_ascii=False, sort_keys=True, allow_nan=False).encode


class Lines(NamedTuple, Generic[T]):
    """What a file says from some byte on, up to byte `end`; `problems` tells of lines that were passed over."""

    items: list[T]
    end: int
    problems: list[str]


def line(item: object) -> str:
    """Return the line of a JSON value. Raises TypeError or ValueError for what JSON cannot hold, NaN included."""
    return _encode(item) + "\n"


def read(path: Path, make: Callable[[Any], T], start: int = 0) -> Lines[T]:
    """Read the whole lines of a file from byte `start` on; a missing file has none.

    `make` turns a line's JSON value into what is wanted of it; a KeyError, TypeError or ValueError of its is a problem.
    """
    try:
        with path.open("rb") as file:
            file.seek(start)
            text = file.read()
    except FileNotFoundError:
        return Lines([], start, [])
    whole, newline, torn = text.rpartition(b"\n")
    found: Lines[T] = Lines([], start + len(whole) + len(newline), [])
    for each in whole.splitlines():
        try:
            found.items.append(make(json.loads(each)))
        except WRONG as error:
            found.problems.append(f"{path}: passed over the line {each[:60]!r}: {error!r}")
    if torn:
        found.problems.append(f"{path}: torn last line, as a crash leaves it (harmless)")
    return found


def places(path: Path, name: Callable[[Any], str]) -> dict[str, tuple[int, int]]:
    """Return from which byte to which each whole line of a file goes, by the name that `name` gives its JSON value.

    Lines that have none are left out. A missing file has no lines.
    """
    found, at = dict[str, tuple[int, int]](), 0
    for each in path.read_bytes().splitlines(keepends=True) if path.exists() else ():
        if each.endswith(b"\n"):
            with suppress(*WRONG):
                found[name(json.loads(each))] = at, at + len(each)
        at += len(each)
    return found
