"""Cells of a manifest → targets. The rules are in the docstring of `manifest`."""

import math
from collections.abc import Callable, Iterable, Mapping
from typing import NamedTuple

from earmark.datasets._listing import nfc
from earmark.errors import DataError, hint
from earmark.nouns import Target

MIDI_NAMES = ("pitch", "midi")
MIDI_RANGE = range(128)

Cell = tuple[str, object]  # where it stands ("songs.csv:17"), and what stands there


class Text(str):
    """A string that its file calls a string (JSON): "3" is then a class name and not a number."""

    __slots__ = ()


class Column(NamedTuple):
    """A label: its name and, per row, its target (None where the cell is empty)."""

    label: str
    targets: list[Target | None]


def typed(header: str, cells: list[Cell]) -> Column:
    """Return a column of label cells as targets of one type.

    Raises DataError with the line of the first cell that does not fit the others.
    """
    label, given, kind = nfc(header.strip()).rpartition(":")
    if not given:
        label, kind = kind, "pitch" if kind.lower() in MIDI_NAMES else _kind_of(kind, cells)
    elif kind not in KINDS:
        where = cells[0][0].rpartition(":")[0]
        raise DataError(
            f"{where}: column '{header}': expected {', '.join(KINDS)} after the colon, got '{kind}'.{hint(kind, KINDS)}"
        )
    targets = [None if is_empty(value) else KINDS[kind](label, where, value) for where, value in cells]
    _require_one_length(label, cells, targets)
    return Column(label, targets)


def is_empty(value: object) -> bool:
    """Say whether nothing was written: no value, or only spaces."""
    return value is None or (isinstance(value, str) and not value.strip())


def number(value: object) -> float | None:
    """Return a finite number, or None when the cell holds none."""
    if isinstance(value, bool | Text) or not isinstance(value, str | int | float):
        return None
    try:
        found = float(value)
    except (ValueError, OverflowError):
        return None
    return found if math.isfinite(found) else None


def _kind_of(label: str, cells: list[Cell]) -> str:
    """Return the kind that a column's cells show: "tags", "numbers", "number" or "class"."""
    filled = [(where, value) for where, value in cells if not is_empty(value)]
    if any(isinstance(value, list) or (isinstance(value, str) and "|" in value) for _, value in filled):
        parts = [part for _, value in filled for part in _parts(value)]
        return "numbers" if parts and all(number(part) is not None for part in parts) else "tags"
    others = [(where, value) for where, value in filled if number(value) is None]
    if not others and filled:
        return "number"
    if 2 * len(others) < len(filled):
        where, value = others[0]
        raise DataError(
            f"{where}: column '{label}' holds {len(filled) - len(others)} numbers, and here {value!r}. Write a number, "
            f"leave the cell empty where it is unknown, or name the column '{label}:class' if numbers are class names."
        )
    return "class"


def _parts(value: object) -> list[object]:
    if isinstance(value, list):
        return [Text(part) if isinstance(part, str) else part for part in value]
    return [part.strip() for part in str(value).split("|") if part.strip()]


def _class(label: str, where: str, value: object) -> Target:
    if isinstance(value, list | dict | bool):
        raise DataError(f"{where}: '{label}': expected one class name such as \"violin\", got {value!r}.")
    return nfc(str(value).strip())


def _number(label: str, where: str, value: object) -> Target:
    found = number(value)
    if found is None:
        raise DataError(f"{where}: '{label}': expected a finite number, got {value!r}. Leave it empty if unknown.")
    return found


def _pitch(label: str, where: str, value: object) -> Target:
    found = number(value)
    if found is None or not MIDI_RANGE[0] <= found <= MIDI_RANGE[-1]:
        raise DataError(
            f"{where}: '{label}': expected a MIDI number from 0 to 127, 60 for middle C, got {value!r}. "
            f"A column of pitch names is read as classes when it is called '{label}:class'."
        )
    return int(found) if found == int(found) else found


def _tags(label: str, where: str, value: object) -> Target:
    if any(isinstance(part, list | dict | bool) or part is None for part in _parts(value)):
        raise DataError(f'{where}: \'{label}\': expected class names such as ["rock", "live"], got {value!r}.')
    return tuple(sorted({nfc(str(part).strip()) for part in _parts(value)} - {""}))


def _numbers(label: str, where: str, value: object) -> Target:
    found = [number(part) for part in _parts(value)]
    if None in found or not found:
        raise DataError(f"{where}: '{label}': expected finite numbers such as 0.1|0.7, got {value!r}.")
    return tuple(part for part in found if part is not None)


KINDS: Mapping[str, Callable[[str, str, object], Target]] = {
    "class": _class,
    "tags": _tags,
    "number": _number,
    "numbers": _numbers,
    "pitch": _pitch,
}


def _require_one_length(label: str, cells: list[Cell], targets: Iterable[Target | None]) -> None:
    """Raise a DataError when lists of numbers differ in length."""
    lengths: dict[int, str] = {}
    for (where, _), target in zip(cells, targets, strict=True):
        if isinstance(target, tuple) and target and isinstance(target[0], float):
            lengths.setdefault(len(target), where)
    if len(lengths) > 1:
        (first, _), (other, where) = list(lengths.items())[:2]
        raise DataError(f"{where}: '{label}': expected {first} numbers as in the lines above, got {other}.")
