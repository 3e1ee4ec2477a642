"""The tables of Annotated-VocalSet: what they say, and how their times are made those of the audio."""

import codecs
import csv
import io
import math
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

COLUMNS = ("Sequence", "Start time", "End time", "Duration", "Type", "Average F0", "Median F0")
TYPES = ("Sound", "Rest", "Transition")
CLOCKS = (1.0, 0.5, 2.0)
CLOCK_WITHIN = 0.02
LATE_S = 0.5

MARK = "repaired, a byte-order mark before the table"
HEADER = "repaired, a table without column names, read in the published order"
HALVED = "repaired, times twice those of the audio, halved"
DOUBLED = "repaired, times half those of the audio, doubled"
CUT = "repaired, a note that ends after the audio, by 0.5 s at most, cut there"
EMPTY = "dropped, a note without pitch, or without length inside the audio"
LATE = "dropped, notes that end more than 0.5 s after the audio"


class Note(NamedTuple):
    """A sung note: its times in seconds, its pitch in Hz."""

    start_s: float
    end_s: float
    f0_hz: float


class Table(NamedTuple):
    """The notes of a recording, the end of its last row of any type, and its faults: CUT and EMPTY once a note."""

    notes: tuple[Note, ...]
    end_s: float
    faults: tuple[str, ...]


def read_table(content: bytes, pitch: str) -> Table | None:
    """Return what a table says, the pitch from the column of that name; None for what is no such table.

    Lines above the row of column names describe the recording. Bytes that are no UTF-8, as in lyrics, are replaced.
    """
    rows = _rows(content)
    above = next((number for number, row in enumerate(rows) if row[0] == COLUMNS[0]), None)
    columns: Sequence[str] = COLUMNS if above is None else rows[above]
    below = (dict(zip(columns, row, strict=False)) for row in rows[0 if above is None else above + 1 :])
    kept = [row for row in below if row.get("Type") in TYPES]
    ends = [end for row in kept if (end := number(row.get("End time"))) >= 0]
    if not ends or pitch not in columns:
        return None
    sung = [row for row in kept if row["Type"] == "Sound"]
    every = [Note(number(row.get("Start time")), number(row.get("End time")), number(row.get(pitch))) for row in sung]
    notes = tuple(note for note in every if note.f0_hz > 0 and 0 <= note.start_s < note.end_s)
    faults = (*([EMPTY] * (len(every) - len(notes))), *([HEADER] if above is None else []))
    return Table(notes, max(ends), (*faults, *([MARK] if content.startswith(codecs.BOM_UTF8) else [])))


def clock_of(lengths_s: Iterable[float], audio_s: float) -> float:
    """Return by what the times of a table are multiplied to be the audio's: 1, 0.5 or 2.

    `lengths_s` are lengths of what was annotated, the surest first. The first that is off by one of these factors,
    within 2 %, decides; where none is, 1.
    """
    pairs = ((length_s, factor) for length_s in lengths_s if length_s > 0 for factor in CLOCKS)
    return next((factor for length_s, factor in pairs if abs(audio_s / (factor * length_s) - 1) <= CLOCK_WITHIN), 1.0)


def fitted(table: Table, length_s: float | None, audio_s: float) -> Table:
    """Return a table with the times of the audio, its faults added: none of its notes ends after `audio_s`.

    `length_s` is what was annotated, if that is known. Where notes end more than 0.5 s after the audio, none is left.
    """
    clock = clock_of([*([] if length_s is None else [length_s]), table.end_s], audio_s)
    faults = (*table.faults, *{0.5: [HALVED], 2.0: [DOUBLED]}.get(clock, []))
    timed = [Note(clock * note.start_s, clock * note.end_s, note.f0_hz) for note in table.notes]
    if max((note.end_s for note in timed), default=0) > audio_s + LATE_S:
        return Table((), audio_s, (*faults, LATE))
    inside = tuple(note._replace(end_s=min(note.end_s, audio_s)) for note in timed if note.start_s < audio_s)
    n_cut = sum(note.end_s > audio_s > note.start_s for note in timed)
    return Table(inside, audio_s, (*faults, *[CUT] * n_cut, *[EMPTY] * (len(timed) - len(inside))))


def lengths_s(path: Path) -> Mapping[str, float]:
    """Return "Total Duration" of each recording in `all files.csv`, by name; nothing where it is not told."""
    rows = _rows(path.read_bytes()) if path.is_file() else []
    columns = [cell.lower() for cell in rows[0]] if rows else []
    if not {"file name", "total duration"} <= set(columns):
        return {}
    name, length = columns.index("file name"), columns.index("total duration")
    return {row[name]: number(row[length]) for row in rows[1:] if len(row) == len(columns)}


def number(cell: str | None) -> float:
    """Return the number in a cell, NaN where there is none."""
    try:
        found = float(cell or "nan")
    except ValueError:
        return math.nan
    return found if math.isfinite(found) else math.nan


def _rows(content: bytes) -> list[list[str]]:
    text = io.StringIO(content.decode("utf-8-sig", "replace"), newline="")
    return [row for cells in csv.reader(text, skipinitialspace=True) if any(row := [cell.strip() for cell in cells])]
