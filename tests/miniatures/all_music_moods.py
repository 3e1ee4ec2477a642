"""All Music Moods in small: 48 tracks, eight moods, the authors' files and the moods that a user brings.

Read from: README, run.py, moods.txt (no line end after the last) and the sizes of the arrays of fdlm/listening-moods.
"""

import csv
from pathlib import Path

import numpy as np

from tests.miniatures import msd

HEAD = ("artist_id", "album_id", "song_id", "track_id", "artist_name", "album_name", "track_name")
MOODS = ("Acerbic", "Amiable/Good-Natured", "Calm/Peaceful", "Laid-Back/Mellow", "Sad", "Wry")
PARTS = {"train": "train", "valid": "val", "test": "test"}


def make(root: Path, by_number: bool = False) -> None:
    """Write `data` and the previews into `root`; rows are in an order of their own."""
    data = root / "data"
    data.mkdir(parents=True)
    order = [(7 * place) % msd.N_TRACKS for place in range(msd.N_TRACKS)]
    with (data / "metadata.csv").open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(HEAD)
        for number in order:
            song = [f"SO{number:016X}", msd.TRACKS[number], "Béla, artist", "album", 'a "song"']
            writer.writerow([msd.artist(number), number // 2, *song])
    (data / "moods.txt").write_text("\n".join(MOODS))
    for part, numbers in msd.SPLIT.items():
        np.save(data / f"{PARTS[part]}_idx.npy", np.array([order.index(number) for number in numbers]))
    np.save(
        data / "mood_target.npy", np.array([[int(msd.kind(number) == mood) for mood in range(6)] for number in order])
    )
    msd.previews(root, msd.TRACKS, by_number)
