"""ESC-50 in small: ten of its classes, two takes of one recording in each of the five parts.

Read from: soundata's loader (`meta/esc50.csv`, its columns, True and False, names {fold}-{recording}-{take}-{target}),
HEAR's hearsecrettasks/esc50.py (the archive's folder ESC-50-master), the publisher's README (order of classes), rows of
the table as public tests quote them.
"""

import csv
import zipfile
from pathlib import Path

from tests.miniatures.tones import write_tone

RATE = 44100
# Number of the class → its name; the first six are of ESC-10, two classes of each major category.
SOUNDS = {
    0: "dog",
    1: "rooster",
    10: "rain",
    12: "crackling_fire",
    20: "crying_baby",
    38: "clock_tick",
    21: "sneezing",
    30: "door_wood_knock",
    40: "helicopter",
    43: "car_horn",
}
ESC_10 = 6


def make(root: Path) -> None:
    """Write `ESC-50-master/meta/esc50.csv` and `ESC-50-master/audio/` as the unpacked archive lies."""
    folder = root / "ESC-50-master"
    rows: list[tuple[str | int | bool, ...]] = []
    for part in range(1, 6):
        for place, (target, sound) in enumerate(SOUNDS.items()):
            recording = 100000 + 100 * part + place
            for take in "AB":
                name = f"{part}-{recording}-{take}-{target}.wav"
                rows.append((name, part, target, sound, place < ESC_10, recording, take))
                write_tone(folder / "audio" / name, place, RATE)
    table = folder / "meta" / "esc50.csv"
    table.parent.mkdir(parents=True)
    with table.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerows([("filename", "fold", "target", "category", "esc10", "src_file", "take"), *rows])
    (folder / "meta" / "esc50-human.xlsx").write_bytes(b"")
    (folder / "README.md").write_text("")


def archive(root: Path) -> list[Path]:
    """Pack what `make` wrote into `root`, where the dataset's source says it lies."""
    packed = root / "archives" / "ESC-50-master.zip"
    packed.parent.mkdir()
    with zipfile.ZipFile(packed, "w") as file:
        for path in sorted((root / "ESC-50-master").rglob("*")):
            file.write(path, path.relative_to(root).as_posix())
    return [packed]
