"""EmoMusic in small: 60 songs whose loudness is their arousal and whose pitch is their valence.

Read from: p-lambda/jukemir (names of tables and columns, `clips_45seconds/3.mp3`, what each archive unpacks to), and
other public readers (the order of the columns: the set is the eighth of songs_info.csv, arousal is before valence; tabs
around names), the publisher's page (ratings from one to nine; ids have gaps, as repetitions were taken out).
"""

import csv
import shutil
import tarfile
from pathlib import Path

import numpy as np
import soundfile

from earmark.identity import generator
from tests.miniatures import LENGTH_S

RATE = 44100
N_SAMPLES = round(LENGTH_S * RATE)
HEAD = (
    *("song_id", "file_name", "Artist", "Song title", "start of the segment (min.sec)"),
    *("end of the segment (min.sec)", "Genre", "Mediaeval 2013 set"),
)
GENRES = ("Blues", "Folk", "Rock")
SONGS = tuple(2 + song + song // 7 for song in range(60))
ODD = {0: "Björk!", 1: "BJRK", 2: "  Two\tWords ", 3: "two  words", 4: "東京"}


def make(root: Path) -> None:
    """Write `annotations` and `clips_45seconds`."""
    songs: list[tuple[str, ...]] = [HEAD]
    ratings: list[tuple[str, ...]] = [("song_id", "mean_arousal", "std_arousal", "mean_valence", "std_valence")]
    for place, song in enumerate(SONGS):
        arousal, valence = 1.5 + 7 * (place % 8) / 8, 2 + 6 * (place % 5) / 5
        held_out = "evaluation" if place % 6 == 5 else "development"
        times = ("0.18", "1.03")  # 18 s to 1 min 3 s
        songs.append(
            (
                str(song),
                f"{song}.mp3\t",
                f"{artist(place)}\t",
                f"Song {place}\t",
                *times,
                f"{GENRES[place % 3]}\t",
                held_out,
            )
        )
        ratings.append((str(song), f"{arousal}", "1.5", f"{valence}", "1.1"))
        path = root / "clips_45seconds" / f"{song}.mp3"
        path.parent.mkdir(parents=True, exist_ok=True)
        soundfile.write(path, _sound(song, arousal, valence), RATE, format="MP3")
    tables: dict[str, list[tuple[str, ...]]] = {
        "songs_info": songs,
        "static_annotations": ratings,
        "valence_cont_average": [("song_id", "sample_15000ms")],
    }
    for name, rows in tables.items():
        path = root / "annotations" / f"{name}.csv"
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("w", encoding="utf-8", newline="") as file:
            csv.writer(file).writerows(rows)


def artist(place: int) -> str:
    """Return the artist of the song at a place."""
    return ODD.get(place, f"Band {'abcdefghijklmnop'[place % 16]}")


def archive(root: Path) -> list[Path]:
    """Pack what `make` wrote as the publisher does: tables at the top of one archive, a folder in the other."""
    packed = [root / "archives" / name for name in ("annotations.tar.gz", "clips_45sec.tar.gz")]
    packed[0].parent.mkdir()
    for path, folder, inside in zip(packed, ("annotations", "clips_45seconds"), ("", "clips_45seconds"), strict=True):
        with tarfile.open(path, "w:gz", compresslevel=1) as tar:
            for file in sorted((root / folder).iterdir()):
                tar.add(file, f"{inside}/{file.name}".removeprefix("/"))
        shutil.rmtree(root / folder)
    return packed


def _sound(song: int, arousal: float, valence: float) -> np.ndarray:
    """Return a tone in noise, both louder by 3.5 dB for each point of arousal, the tone higher for more valence."""
    tone = np.sin(2 * np.pi * 200 * 1.3**valence * np.arange(N_SAMPLES) / RATE)
    noise = generator("miniature", "emomusic", song).standard_normal(N_SAMPLES)
    sound: np.ndarray = 0.005 * 1.5**arousal * (2 * tone + 0.7 * noise)
    return sound
