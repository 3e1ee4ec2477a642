"""A small AudioSet as somebody might have fetched it: three lists, the names of the classes, and most of the files.

Read from: two public readers of the lists (three lines with "#", a space after each comma, labels in quotes), PANNs'
README (folders `audios` and `metadata`, parts of the unbalanced list, "Y" before an id), agkphysics/AudioSet on Hugging
Face (`<id>.flac`), and readers of downloads (times in a file's name).
"""

from pathlib import Path
from typing import NamedTuple

from tests.miniatures.tones import write_tone

RATE = 32000
CLASSES = {"/m/09x0r": "Speech", "/m/04rlf": "Music", "/m/0k4j": "Car", "/m/01b_21": 'Shofar, "horn"'}


class List(NamedTuple):
    """One list: its file, the folder of its audio, its videos, and how a file is named."""

    file: str
    folder: str
    videos: tuple[str, ...]
    name: str


LISTS = (
    List(
        "balanced_train_segments.csv",
        "balanced_train_segments",
        tuple(f"--bal{number:02d}_-xY" for number in range(16)),
        "Y{video}.wav",
    ),
    List(
        "unbalanced_train_segments.csv",
        "unbalanced_train_segments/unbalanced_train_segments_part00",
        tuple(f"Yunb{number:02d}-_xyz"[:11] for number in range(12)),
        "{video}_30.000_40.000.flac",
    ),
    List(
        "eval_segments.csv",
        "eval_segments",
        tuple(f"eval_{number:02d}-abc" for number in range(12)),
        "{video}.flac",
    ),
)
GONE = (LISTS[0].videos[15], LISTS[1].videos[11])
"""Videos that are in the lists and on YouTube no more."""


def classes_of(number: int) -> tuple[str, ...]:
    """Return the ids of the classes of a list's segment of that number: one, or two."""
    ids = tuple(CLASSES)
    return (ids[number % 4],) if number % 3 else (ids[number % 4], ids[(number + 1) % 4])


def make(root: Path) -> None:
    """Write `metadata` and `audios`, as PANNs lays them."""
    metadata = root / "metadata"
    metadata.mkdir(parents=True, exist_ok=True)
    rows = [
        f'{place},{one},"{title.replace(chr(34), chr(34) * 2)}"' for place, (one, title) in enumerate(CLASSES.items())
    ]
    (metadata / "class_labels_indices.csv").write_text("\n".join(["index,mid,display_name", *rows, ""]))
    for one in LISTS:
        head = [
            "# Segments csv created Sun Mar  5 10:54:31 2017",
            f"# num_ytids={len(one.videos)}, num_segs={len(one.videos)}, num_unique_labels=4, num_positive_labels=9",
            "# YTID, start_seconds, end_seconds, positive_labels",
        ]
        lines = [
            f'{video}, 30.000, 40.000, "{",".join(classes_of(number))}"' for number, video in enumerate(one.videos)
        ]
        (metadata / one.file).write_text("\n".join([*head, *lines, ""]))
        for number, video in enumerate(one.videos):
            if video not in GONE:
                write_tone(root / "audios" / one.folder / one.name.format(video=video), number % 4, RATE)
