"""MusicNet in small: 20 recordings of five composers, two movements a composition, and four recordings to test on.

Read from: public readers of the archive (folders, `1727.wav` beside `1727.csv`), of its notes (begin and end in numbers
of samples, instruments counted from 1) and of musicnet_metadata.csv.
"""

import csv
import tarfile
from pathlib import Path

import numpy as np
from scipy.io import wavfile

from earmark.identity import generator
from tests.miniatures import LENGTH_S

RATE = 44_100
HEAD = ("id", "composer", "composition", "movement", "ensemble", "source", "transcriber", "catalog_name", "seconds")
NOTES = ("start_time", "end_time", "instrument", "note", "start_beat", "end_beat", "note_value")
COMPOSERS = ("Bach", "Beethoven", "Brahms", "Dvorak", "Schubert")
# What a composer's pieces are for, and the instruments by their numbers.
ENSEMBLES = (("Solo Piano", (1,)), ("String Quartet", (41, 42, 43)), ("Wind Quintet", (61, 71, 72, 74)))
N_TRAIN, N_TEST = 20, 5


def make(root: Path) -> None:
    """Write the table, and the recordings with their notes, into `root`."""
    root.mkdir(parents=True, exist_ok=True)
    rows = [(1727 + number, number) for number in range(N_TRAIN + N_TEST)]
    with (root / "musicnet_metadata.csv").open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(HEAD)
        for one, number in rows:
            ensemble, _ = ENSEMBLES[number % 5 % 3]
            piece = f"Piece, No {number // 10}"
            writer.writerow([one, COMPOSERS[number % 5], piece, f"{number % 2}. Allegro", ensemble, "", "", "op. 1", 1])
    for one, number in rows:
        _write(root / "musicnet", one, number)


def archive(root: Path) -> Path:
    """Pack what `make` wrote as the publisher does, where the dataset's source says it lies."""
    packed = root / "archives" / "musicnet.tar.gz"
    packed.parent.mkdir()
    with tarfile.open(packed, "w:gz", compresslevel=1) as tar:
        tar.add(root / "musicnet", "musicnet")
    return packed


def _write(tree: Path, one: int, number: int) -> None:
    part = "train" if number < N_TRAIN else "test"
    audio, notes = tree / f"{part}_data" / f"{one}.wav", tree / f"{part}_labels" / f"{one}.csv"
    for path in (audio, notes):
        path.parent.mkdir(parents=True, exist_ok=True)
    times_s = np.arange(round(LENGTH_S * RATE)) / RATE
    noise = generator("miniature", "musicnet", str(one)).standard_normal(len(times_s))
    tone = np.sin(2 * np.pi * 200 * 1.6 ** (number % 5) * times_s)
    # Not soundfile: it writes the time into such files, so that their keys, and what is drawn by them, would differ.
    wavfile.write(audio, RATE, (0.3 * tone + 0.01 * noise).astype(np.float32))
    with notes.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(NOTES)
        for place, instrument in enumerate(ENSEMBLES[number % 5 % 3][1]):
            writer.writerow([100 * place, 20_000, instrument, 60 + place, 0.0, 1.0, "Quarter"])
