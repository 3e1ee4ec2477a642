"""The Million Song Dataset in small: previews in both layouts, and the labels of all five sets for one list of tracks.

Layout read from: a published list of ids (filtered_list_test.cP: protocol 0 of Python 2, text of bytes), 50tagList.txt,
the README and loader of split/msd in minzwon/sota-music-tagging-models (vectors of 50 by 1; `8/9/8947470.clip.mp3`),
minzwon/tag-based-music-retrieval (ids "row//track", files with and without "sub_"; columns of track_tags.tsv),
minzwon/semi-supervised-music-tagging-transformer (ids and binaries a part; A/B/C folders of previews), and the readers
of seungheondoh/msd-subsets (selected_tags.tsv without a head, msd_splits.tsv with clip_ids and splits, the folders).
"""

import pickle
import re
import sqlite3
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path

import numpy as np
import soundfile

from earmark.identity import generator
from tests.miniatures import LENGTH_S

RATE = 22_050
KINDS = 6  # of sound; a track of kind k is heard in a tone of its own
N_TRACKS = 48
TAGS = (*(f"tag {number:02d}" for number in range(46)), "rock", "Mellow", "Hip-Hop", "House")
CLEANED = tuple(sorted(tag.lower() for tag in TAGS))
SPLIT = {"train": range(32), "valid": range(32, 40), "test": range(40, 48)}


def track(number: int) -> str:
    """Return an id of the published form: TR, five letters, eleven hexadecimal digits."""
    letters = "".join(chr(ord("A") + number // 6**place % 6) for place in range(5))
    return f"TR{letters}128F{number:07X}"


TRACKS = tuple(track(number) for number in range(N_TRACKS))


def kind(number: int) -> int:
    return number % KINDS


def artist(number: int) -> str:
    """Two tracks an artist, and no artist in two parts."""
    return f"AR{number // 2:016X}"


def make(root: Path, variant: str = "msds", by_number: bool = False) -> None:
    """Write the labels of a variant, the artists and the previews into `root`."""
    LABELS[variant](root)
    artists(root)
    previews(root, TRACKS, by_number)


def previews(root: Path, tracks: Sequence[str], by_number: bool = False) -> None:
    """Write a preview of each track: named by itself in WAV, or by 7digital's number in MP3, with the list of these."""
    numbers = {one: str(8_947_470 + 1_000_003 * place) for place, one in enumerate(tracks)}
    for place, one in enumerate(tracks):
        number = numbers[one]
        if by_number:
            _write(root / "songs" / number[0] / number[1] / f"{number}.clip.mp3", place, one)
        else:
            _write(root / "audio" / one[2] / one[3] / one[4] / f"{one}.wav", place, one)
    if by_number:
        _pickle(root / "lastfm_annotation" / "MSD_id_to_7D_id.pkl", numbers)


def artists(root: Path) -> None:
    """Write the table of songs, in which there are many more than any set has."""
    with closing(sqlite3.connect(root / "track_metadata.db")) as base:
        base.execute("CREATE TABLE songs (track_id text PRIMARY KEY, title text, artist_id text)")
        rows = [(one, "song", artist(number)) for number, one in enumerate(TRACKS)]
        base.executemany("INSERT INTO songs VALUES (?, ?, ?)", [*rows, ("TRZZZZZ128F0000000", "another", "ARZ")])
        base.commit()


def tags_of(number: int, names: Sequence[str]) -> tuple[str, ...]:
    """Return the tags of a track: those whose place leaves its kind as a remainder."""
    return tuple(name for place, name in enumerate(names) if place % KINDS == kind(number))


def _msds(root: Path) -> None:
    folder = root / "lastfm_annotation"
    folder.mkdir(parents=True)
    (folder / "50tagList.txt").write_text("\n".join(TAGS) + "\n")
    _pickle(folder / "filtered_list_train.cP", [*TRACKS[:40]])
    _pickle(folder / "filtered_list_test.cP", [*TRACKS[40:]])
    vectors = {one: _row(number, TAGS)[:, None] for number, one in enumerate(TRACKS)}
    _pickle(folder / "msd_id_to_tag_vector.cP", vectors)


def _row(number: int, names: Sequence[str]) -> np.ndarray:
    return np.array([float(place % KINDS == kind(number)) for place in range(len(names))])


def _msd50(root: Path) -> None:
    _reproducible(root, "sub_", CLEANED)


def _msd100(root: Path) -> None:
    _reproducible(root, "", tuple(f"cleaned {number:03d}" for number in range(100)))


def _reproducible(root: Path, prefix: str, names: Sequence[str]) -> None:
    folder = root / "reproducible_splits"
    folder.mkdir(parents=True, exist_ok=True)
    order = sorted(TRACKS)
    np.save(folder / f"{prefix}tags.npy", np.array(names))
    np.save(folder / f"{prefix}binaries.npy", np.stack([_row(TRACKS.index(one), names) for one in order]))
    for part, numbers in SPLIT.items():
        ids = [f"{order.index(TRACKS[number])}//{TRACKS[number]}" for number in numbers]
        np.save(folder / f"{prefix}{part}_ids.npy", np.array(ids))


def _cals(root: Path) -> None:
    folder = root / "dataset" / "cals_annotation"
    folder.mkdir(parents=True)
    np.save(folder / "cals_tags.npy", np.array(CLEANED))
    for part, numbers in SPLIT.items():
        np.save(folder / f"{part}_ids.npy", np.array([TRACKS[number] for number in numbers]))
        np.save(folder / f"{part}_binaries.npy", np.stack([_row(number, CLEANED) for number in numbers]))
    parts = {number: part.upper() for part, numbers in SPLIT.items() for number in numbers}
    rows = [f"{one}\t{parts[number]}\t{22_050 * 30}" for number, one in enumerate(TRACKS)]
    rows += ["TRZZZZZ128F0000001\tSTUDENT\t661500", "TRZZZZZ128F0000002\tNONE\t661500"]
    (folder / "msd_splits.tsv").write_text("\n".join(["clip_ids\tsplits\tlength", *rows]) + "\n")


def _msd500(root: Path) -> None:
    _cals(root)
    folder = root / "dataset" / "msd500_annotation"
    folder.mkdir(parents=True)
    (folder / "selected_tags.tsv").write_text("".join(f"{tag}\tgenre/{tag}\t100\n" for tag in CLEANED))
    rows = [
        f"{one}\t{tag} music\t{tag}\tgenre\t100\n{one}\tmy {tag}\t{tag}\tgenre\t60\n"
        for number, one in enumerate(TRACKS)
        for tag in tags_of(number, CLEANED)
    ]
    rows += [
        f"{TRACKS[0]}\tseen live\tseen live\tother\t100\n",
        "TRZZZZZ128F0000003\tseen live\tseen live\tother\t100\n",
    ]
    (folder / "track_tags.tsv").write_text("".join(rows))


LABELS = {"msds": _msds, "msd50": _msd50, "msd100": _msd100, "msd500": _msd500, "cals": _cals}


def _pickle(path: Path, value: object) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(python2(value))


def python2(value: object) -> bytes:
    """Return a pickle of protocol 0, its text as the byte strings (S lines) that Python 2 wrote."""
    return re.sub(rb"^(a?)V([^\n]*)$", rb"\1S'\2'", pickle.dumps(value, protocol=0), flags=re.MULTILINE)


def _write(path: Path, number: int, name: str) -> None:
    """Write a tone of the track's kind in a little noise."""
    times_s = np.arange(round(LENGTH_S * RATE)) / RATE
    noise = generator("miniature", "msd", name).standard_normal(len(times_s))
    path.parent.mkdir(parents=True, exist_ok=True)
    sound = 0.3 * np.sin(2 * np.pi * 200 * 1.6 ** kind(number) * times_s) + 0.01 * noise
    soundfile.write(path, sound, RATE, format="MP3" if path.suffix == ".mp3" else "WAV")
