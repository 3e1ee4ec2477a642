"""FMA in small: 40 tracks, 24 of them in small and 32 in medium, three of which are known to be without audio.

Read from: mdeff/fma's README, utils.py (columns, places) and creation.py (folders), and a public builder of such tables
(two lines of head one over the other, then a line with `track_id` alone).
"""

import csv
import zipfile
from pathlib import Path

import numpy as np
import soundfile

from earmark.identity import generator
from tests.miniatures import LENGTH_S

RATE = 44_100
GENRES = {21: "Hip-Hop", 12: "Rock", 17: "Folk", 38: "Experimental"}
CHILD = 456  # of Rock
HEAD = (
    *(("album", "comments"), ("album", "title"), ("artist", "bio"), ("artist", "id"), ("artist", "name")),
    *(("set", "split"), ("set", "subset"), ("track", "bit_rate"), ("track", "genre_top"), ("track", "genres")),
    *(("track", "genres_all"), ("track", "title")),
)
SILENT = (99134, 108925, 133297)
SPLITS = ("training",) * 4 + ("validation", "test")
NUMBERS = (*range(2, 23), *SILENT, *range(1000, 1016))
SUBSETS = ("small",) * 24 + ("medium",) * 8 + ("large",) * 8


def make(root: Path, variant: str = "small") -> None:
    """Write `fma_metadata`, which is of all tracks, and the audio of a variant."""
    metadata = root / "fma_metadata"
    metadata.mkdir(parents=True, exist_ok=True)
    _write_tracks(metadata / "tracks.csv")
    rows = [f"{number},10,0,{title},{number}" for number, title in GENRES.items()]
    lines = ["genre_id,#tracks,parent,title,top_level", *rows, f"{CHILD},3,12,Punk,12"]
    (metadata / "genres.csv").write_text("\n".join(lines) + "\n")
    wanted = {"small": ("small",), "medium": ("small", "medium")}.get(variant, ("small", "medium", "large"))
    for place, number in enumerate(NUMBERS):
        path = root / f"fma_{variant}" / f"{number:06d}"[:3] / f"{number:06d}.mp3"
        if SUBSETS[place] in wanted:
            path.parent.mkdir(parents=True, exist_ok=True)
            _write(path, place)


def archives(root: Path, variant: str = "small") -> None:
    """Pack what `make` wrote as the publisher does, where the dataset's sources say it lies, and take it away."""
    (root / "archives").mkdir()
    for name in ("fma_metadata", f"fma_{variant}"):
        files = sorted(path for path in (root / name).rglob("*") if path.is_file())
        with zipfile.ZipFile(root / "archives" / f"{name}.zip", "w") as file:
            for path in files:
                file.write(path, path.relative_to(root).as_posix())
        (root / name).rename(root / f"before_{name}")


def genre(place: int) -> int:
    return tuple(GENRES)[place % 4]


def _write_tracks(path: Path) -> None:
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        for level in (0, 1):
            writer.writerow(["", *(column[level] for column in HEAD)])
        writer.writerow(["track_id", *("" for _ in HEAD)])
        for place, number in enumerate(NUMBERS):
            above = genre(place)
            # The last tracks belong under two top genres, so they have none.
            top = "" if place >= 36 else GENRES[above]
            own, every = ([CHILD], [CHILD, 12]) if above == 12 else ([above], [above])
            artist = 1 + place // 4 * 4 + place % 4 // 2  # two tracks an artist, one split
            split = SPLITS[place // 4 % len(SPLITS)]
            cells = [
                0,
                "A, B",
                "a bio\nof two lines",
                artist,
                "Ünder",
                split,
                SUBSETS[place],
                256_000,
                top,
                own,
                every,
                "T",
            ]
            writer.writerow([number, *cells])


def _write(path: Path, place: int) -> None:
    """Write a tone of the track's genre; nothing where the real file has nothing."""
    if int(path.stem) in SILENT:
        path.write_bytes(b"")
        return
    times_s = np.arange(round(LENGTH_S * RATE)) / RATE
    noise = generator("miniature", "fma", path.stem).standard_normal((len(times_s), 2))
    tone = np.sin(2 * np.pi * 200 * 1.8 ** (place % 4) * times_s)[:, None]
    soundfile.write(path, 0.3 * tone + 0.01 * noise, RATE, format="MP3")
