"""FSD50K in small: clips of four sounds with the labels above them, by uploaders of one part each.

Read from: the publisher's README (folders, columns) and rows of dev.csv, eval.csv (quoted cells with commas, mids, no
split in eval) and vocabulary.csv (no head) and clips_info files (objects by id) in soundata's tests. That HEAR leaves
out clip 83299: hearsecrettasks/fsd50k.py.
"""

import csv
import json
import zipfile
from pathlib import Path

from tests.miniatures.tones import write_tone
from tests.sources.archive_bytes import split_zip

RATE = 44100
# As in the published tables: the label, and those above it in the ontology.
SOUNDS = (
    ("Electric_guitar", "Guitar", "Plucked_string_instrument", "Musical_instrument", "Music"),
    ("Snare_drum", "Drum", "Percussion", "Musical_instrument", "Music"),
    ("Bark", "Dog", "Domestic_animals_and_pets", "Animal"),
    ("Crushing",),
)
COUNTS = {"train": 24, "val": 8, "eval": 12}
TOO_LONG = 83299
VOCABULARY = sorted({tag for tags in SOUNDS for tag in tags})


def make(root: Path) -> None:
    """Write FSD50K.ground_truth, .metadata, .doc, .dev_audio and .eval_audio as they lie unpacked."""
    rows: dict[str, list[tuple[str | int, ...]]] = {"dev": [], "eval": []}
    described: dict[str, dict[str, dict[str, object]]] = {"dev": {}, "eval": {}}
    fsid = 64000
    for split, count in COUNTS.items():
        part = "eval" if split == "eval" else "dev"
        for place in range(count):
            fsid += 7
            name = TOO_LONG if (split, place) == ("train", 5) else fsid
            tags = SOUNDS[place % len(SOUNDS)]
            mids = ",".join(f"/m/0{VOCABULARY.index(tag):03d}" for tag in tags)
            rows[part].append((name, ",".join(tags), mids, *((split,) if part == "dev" else ())))
            described[part][str(name)] = {
                "title": f"{name}.wav",
                "description": "",
                "tags": ["tone"],
                "license": "http://creativecommons.org/publicdomain/zero/1.0/",
                "uploader": f"{split}_{place % 3}",
            }
            write_tone(root / f"FSD50K.{part}_audio" / f"{name}.wav", 3 * (place % len(SOUNDS)), RATE)
    truth, metadata = root / "FSD50K.ground_truth", root / "FSD50K.metadata"
    truth.mkdir()
    metadata.mkdir()
    for part, clips in rows.items():
        with (truth / f"{part}.csv").open("w", encoding="utf-8", newline="") as file:
            head = ("fname", "labels", "mids", "split")
            csv.writer(file, lineterminator="\n").writerows([head[: len(clips[0])], *clips])
        (metadata / f"{part}_clips_info_FSD50K.json").write_text(json.dumps(described[part]))
    (truth / "vocabulary.csv").write_text(
        "".join(f"{number},{tag},/m/0{number:03d}\n" for number, tag in enumerate(VOCABULARY))
    )


def archive(root: Path) -> list[Path]:
    """Pack the tables that `make` wrote into `root`, where the dataset's sources say they lie; the audio is `split`."""
    packed = []
    (root / "archives").mkdir()
    for name in ("FSD50K.ground_truth", "FSD50K.metadata"):
        packed.append(root / "archives" / f"{name}.zip")
        with zipfile.ZipFile(packed[-1], "w") as file:
            for path in sorted((root / name).iterdir()):
                file.write(path, path.relative_to(root).as_posix())
    return packed


def split(root: Path) -> list[Path]:
    """Pack the audio that `make` wrote as the publisher did: two zips, in six pieces and in two."""
    packed = []
    for part, endings in (("dev", ("z01", "z02", "z03", "z04", "z05", "zip")), ("eval", ("z01", "zip"))):
        folder = root / f"FSD50K.{part}_audio"
        tree = {path.relative_to(root).as_posix(): path.read_bytes() for path in sorted(folder.iterdir())}
        piece_bytes = -(-len(split_zip(tree, 1 << 30)) // len(endings))
        archive = split_zip(tree, piece_bytes)
        for number, ending in enumerate(endings):
            packed.append(root / "archives" / f"{folder.name}.{ending}")
            packed[-1].write_bytes(archive[number * piece_bytes : (number + 1) * piece_bytes])
    return packed
