"""MuMu in small: 48 tracks of 24 albums, one of them on two, and the items of the split as albums.

Read from: a copy of the record's README and readers of its table (columns; genres in one quoted cell with commas), its
250 genres, and sergiooramas/tartarus (dummy-data/splits: one id a line, no line end after the last).
"""

import csv
from pathlib import Path

from tests.miniatures import msd

HEAD = ("amazon_id", "album_mbid", "MSD_track_id", "recording_mbid", "artist_mbid", "genres")
GENRES = ("Acid Jazz", "Album-Oriented Rock (AOR)", "Children's Music", "R&B", "Today's Country", "World Music")


def make(root: Path, items: str = "amazon_id", by_number: bool = False) -> None:
    """Write the table, the items of the split (albums or tracks) and the previews into `root`."""
    rows = [_row(number) for number in range(msd.N_TRACKS)]
    folder = root / "MuMu_dataset"
    folder.mkdir(parents=True)
    with (folder / "MuMu_dataset_multi-label.csv").open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(HEAD)
        writer.writerows([*rows, ["B99", "album 99", rows[0][2], "recording 0", rows[0][4], "Pop"]])
    splits = root / "splits"
    splits.mkdir()
    (splits / "genre_labels_MuMu.tsv").write_text("\n".join(GENRES))
    place = HEAD.index(items)
    for part, numbers in msd.SPLIT.items():
        lines = dict.fromkeys(rows[number][place] for number in numbers)
        (splits / f"items_index_{'val' if part == 'valid' else part}_MuMu.tsv").write_text("\n".join(lines))
    msd.previews(root, msd.TRACKS, by_number)


def _row(number: int) -> list[str]:
    album = number // 2
    kind = msd.kind(number)
    # "Rock & Alternative" is a genre of Amazon's that is not scored.
    genres = ("Rock & Alternative", GENRES[kind], GENRES[(kind + 1) % msd.KINDS])
    return [
        f"B{album:02d}",
        f"album {album}",
        msd.TRACKS[number],
        f"recording {number}",
        f"artist {album}",
        ",".join(genres),
    ]
