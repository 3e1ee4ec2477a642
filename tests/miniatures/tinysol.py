"""A small TinySOL in the layout of the real one: 84 notes, 14 instruments in each of the five parts.

Read from: mirdata's loader and index of TinySOL 6.0 (`annotation/`, `audio/`, names, families), a public copy of
TinySOL_metadata.csv (columns, FALSE and TRUE, string ids such as 4.0, folds of resampled notes), and a public auditor
of the record (members of the archive begin with "./"; a name's last field and its meaning).
"""

import csv
import tarfile
from pathlib import Path
from typing import NamedTuple

import numpy as np
import soundfile

from earmark.identity import generator
from tests.miniatures import LENGTH_S

RATE = 44100
N_SAMPLES = round(LENGTH_S * RATE)
NOTES = ("C", "C#", "D", "D#", "E", "F", "F#", "G", "G#", "A", "A#", "B")
HEADER = (
    *("Path", "Fold", "Family", "Instrument (abbr.)", "Instrument (in full)", "Technique (abbr.)"),
    *("Technique (in full)", "Pitch", "Pitch ID", "Dynamics", "Dynamics ID", "Instance ID"),
    *("String ID (if applicable)", "Needed digital retuning"),
)
DYNAMICS = {"pp": 0, "mf": 2, "ff": 4}


class Instrument(NamedTuple):
    family: str
    folder: str
    short: str
    name: str
    low: int  # lowest note here, MIDI


INSTRUMENTS = (
    Instrument("Brass", "Bass_Tuba", "BTb", "Bass Tuba", 48),
    Instrument("Brass", "Horn", "Hn", "French Horn", 48),
    Instrument("Brass", "Trombone", "Tbn", "Trombone", 48),
    Instrument("Brass", "Trumpet_C", "TpC", "Trumpet in C", 60),
    Instrument("Keyboards", "Accordion", "Acc", "Accordion", 60),
    Instrument("Strings", "Contrabass", "Cb", "Contrabass", 48),
    Instrument("Strings", "Viola", "Va", "Viola", 60),
    Instrument("Strings", "Violin", "Vn", "Violin", 60),
    Instrument("Strings", "Violoncello", "Vc", "Violoncello", 48),
    Instrument("Winds", "Sax_Alto", "ASax", "Alto Saxophone", 60),
    Instrument("Winds", "Bassoon", "Bn", "Bassoon", 48),
    Instrument("Winds", "Clarinet_Bb", "ClBb", "Clarinet in B-flat", 60),
    Instrument("Winds", "Flute", "Fl", "Flute", 60),
    Instrument("Winds", "Oboe", "Ob", "Oboe", 60),
)


def make(root: Path) -> None:
    """Write `annotation/TinySOL_metadata.csv` and `audio/Brass/…` as mirdata lays them."""
    _write(root / "annotation" / "TinySOL_metadata.csv", root / "audio")


def archive(root: Path) -> list[Path]:
    """Write the two files that the record offers and return them: the table and the packed audio."""
    table, packed, audio = root / "TinySOL_metadata.csv", root / "TinySOL.tar.gz", root / "unpacked"
    _write(table, audio)
    with tarfile.open(packed, "w:gz", compresslevel=1) as tar:
        tar.add(audio, ".")
    return [table, packed]


def _write(table: Path, audio: Path) -> None:
    table.parent.mkdir(parents=True, exist_ok=True)
    with table.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(HEADER)
        for number, instrument in enumerate(INSTRUMENTS):
            for row in _rows(instrument, number):
                writer.writerow(row)
                _write_note(audio / str(row[0]), int(row[8]), number)


def _rows(one: Instrument, number: int) -> list[list[str | int]]:
    """Return five notes, one a part, and a sixth that is one of them resampled, in the part after."""
    rows: list[list[str | int]] = []
    for place in range(6):
        pitch = one.low + (2 * min(place, 4) + number) % 11
        retuned = "T22d" if place >= 4 and number % 3 == 0 else "N"
        if place == 5:
            down = number % 2 == 1
            pitch += -1 if down else 1
            retuned = (f"{retuned}_" if retuned != "N" else "") + ("R100d" if down else "R100u")
        dynamics = tuple(DYNAMICS)[number % 3]
        string = 4 if one.family == "Strings" else None
        note = f"{NOTES[pitch % 12]}{pitch // 12 - 1}"
        stem = f"{one.short}-ord-{note}-{dynamics}-{f'{string}c' if string else 'N'}-{retuned}"
        rows.append(
            [
                f"{one.family}/{one.folder}/ordinario/{stem}.wav",
                place % 5,
                one.family,
                one.short,
                one.name,
                "ord",
                "ordinario",
                note,
                pitch,
                dynamics,
                DYNAMICS[dynamics],
                string - 1 if string else 0,
                f"{string}.0" if string else "",
                "FALSE" if retuned == "N" else "TRUE",
            ]
        )
    return rows


def _write_note(path: Path, pitch: int, number: int) -> None:
    """Write a tone over a body that rings at a frequency of its instrument's own, with a little noise."""
    times_s = np.arange(N_SAMPLES) / RATE
    frequency_hz = 440 * 2 ** ((pitch - 69) / 12)
    tone = sum(np.sin(2 * np.pi * frequency_hz * overtone * times_s) / overtone for overtone in (1, 2, 3))
    body = np.sin(2 * np.pi * 1500 * 2 ** (number / 6) * times_s)
    noise = generator("miniature", "tinysol", path.stem).standard_normal(N_SAMPLES)
    path.parent.mkdir(parents=True, exist_ok=True)
    soundfile.write(path, 0.1 * tone + 0.3 * body + 0.003 * noise, RATE, subtype="PCM_16")
