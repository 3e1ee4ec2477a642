"""GTZAN in small: eight excerpts a genre, three of an artist who is in two parts, one broken, and the five lists.

Read from: TensorFlow Datasets (archive: `genres/blues/blues.00029.wav`, 22.05 kHz, mono), p-lambda/jukemir and other
readers of the fault-filtered lists (a line is `blues/blues.00029.wav`), julianofoleiss/gtzan_sturm_filter_3folds_
stratified (`./blues_00012.wav`, a tab, the artist's number; faulty excerpts are in neither file), MARBLE (jazz.00054,
which is in the train list).
"""

import shutil
import tarfile
from pathlib import Path

import numpy as np
import soundfile

from earmark.datasets.gtzan import GENRES
from earmark.identity import generator
from tests.miniatures import LENGTH_S

RATE = 22050
N_SAMPLES = round(LENGTH_S * RATE)
PARTS = {"train": (0, 1, 2, 3), "valid": (4,), "test": (5, 6)}  # 7 is faulty: in no list
BROKEN = "jazz/jazz.00054.wav"
STRADDLING = {"disco.00049": "train", "disco.00073": "train", "disco.00069": "test"}  # artist 138


def make(root: Path) -> None:
    """Write `genres` as the archive unpacks it, and `splits`."""
    lists: dict[str, list[str]] = {}
    for number, genre in enumerate(GENRES):
        for place in range(8):
            path = root / "genres" / genre / f"{genre}.{place:05d}.wav"
            path.parent.mkdir(parents=True, exist_ok=True)
            soundfile.write(path, _sound(path.stem, number), RATE, subtype="PCM_16")
        for part, places in PARTS.items():
            lists.setdefault(f"{part}_filtered.txt", []).extend(f"{genre}/{genre}.{place:05d}.wav" for place in places)
        # Places 0 to 3 are of one artist, 4 to 6 of one each.
        lines = [f"./{genre}_{place:05d}.wav\t{10 * number + max(place - 3, 0)}" for place in range(7)]
        lists.setdefault("f1_train_groups.txt", []).extend(lines[:4])
        lists.setdefault("f1_evaluate_groups.txt", []).extend(lines[4:])
    for name, part in STRADDLING.items():
        soundfile.write(root / "genres" / "disco" / f"{name}.wav", _sound(name, 3), RATE, subtype="PCM_16")
        lists[f"{part}_filtered.txt"].append(f"disco/{name}.wav")
        lists["f1_train_groups.txt"].append(f"./{name.replace('.', '_')}.wav\t138")
    (root / "genres" / BROKEN).write_bytes(b"RIFF\0\0\0\0WAVE no sound")
    lists["train_filtered.txt"].append(BROKEN)
    (root / "splits").mkdir()
    for name, lines in lists.items():
        (root / "splits" / name).write_text("".join(f"{line}\n" for line in lines))


def archive(root: Path) -> list[Path]:
    """Pack `genres` as the publisher does, where the source says it lies, and take the folder away."""
    packed = root / "archives" / "genres.tar.gz"
    packed.parent.mkdir()
    with tarfile.open(packed, "w:gz", compresslevel=1) as tar:
        tar.add(root / "genres", "genres")
    shutil.rmtree(root / "genres")
    return [packed]


def _sound(name: str, number: int) -> np.ndarray:
    """Return a tone that is the genre's, with noise."""
    tone = np.sin(2 * np.pi * 200 * 1.4**number * np.arange(N_SAMPLES) / RATE)
    sound: np.ndarray = 0.3 * tone + 0.02 * generator("miniature", "gtzan", name).standard_normal(N_SAMPLES)
    return sound
