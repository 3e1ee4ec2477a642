"""GiantSteps key in small: 16 tracks to test on and 60 of the MTG's, in the folders that GitHub's archives unpack to.

Read from: the two repositories (annotations.txt with a head of ID, MANUAL KEY, C and "-", "A-A# minor", "C minor / F#
minor" among its keys; "Bb major" without a line's end in a key file, "f# minor", tabs and a remark in the MTG's; genres
in small letters; 32 digits and a line's end in md5 files), p-lambda/jukemir (hosts, which rows are used, commas between
artists), and a public row of beatport_metadata.txt (eight columns).
"""

import hashlib
import zipfile
from pathlib import Path

import numpy as np
import soundfile

from earmark.datasets.giantsteps_key import COMMITS, MTG, TEST
from earmark.identity import generator
from earmark.metrics import KEYS, normalise_key
from tests.miniatures import LENGTH_S

RATE = 44100
N_SAMPLES = round(LENGTH_S * RATE)
HEAD = ("ID", "ARTIST", "SONG TITLE", "MIX", "LABEL", "BP GENRE", "BP BPM", "BP KEY")
SURE = ("D# minor", "A major", "F minor", "C# major")
UNSURE = (
    ("-", 0),
    ("A-A# minor", 0),
    ("A minor", 1),
    ("C minor / F# minor", 2),
    ("E major / minor", 1),
    ("C minor", 0),
)
FLAT = {"D# minor": "Eb minor", "C# major": "Db major"}  # as the test set spells them
GENRES = ("trance", "house", "reggae dub")
N_SURE, N_TEST = 54, 16
FIRST_SURE, FIRST_TEST = 5061, 10089
# By the hash of the name alone, Mia, DJ 45, DJ 48 and DJ 59 are valid, all others train.
TOGETHER = {3: "Mia, Ada", 4: "Ada, Bea", 6: "Bea"}


def make(root: Path) -> None:
    """Write the two unpacked repositories, with the audio that is fetched track by track."""
    mtg, test = (root / f"{name}-{COMMITS[name]}" for name in (MTG, TEST))
    rows, people = [("ID", "MANUAL KEY", "C")], [HEAD]
    keys = [(SURE[place % len(SURE)], 2) for place in range(N_SURE)] + list(UNSURE)
    for place, (key, confidence) in enumerate(keys):
        number = str(FIRST_SURE + 7 * place)
        rows.append((number, key, str(confidence)))
        people.append((number, artist(place), f"Tune {place}", "Original Mix", "Label", "Trance", "132", "D# major"))
        _write_track(mtg, number, f"{key.lower()}\t{confidence}\t\n", key, GENRES[place % 3] + "\n")
    for place in range(N_TEST):
        key = SURE[place % len(SURE)]
        _write_track(test, str(FIRST_TEST + 3 * place), FLAT.get(key, key), key, GENRES[place % 3])
    for name, table in (("annotations", rows), ("beatport_metadata", people)):
        text = "".join("\t".join(cells) + "\n" for cells in table)
        (mtg / "annotations" / f"{name}.txt").write_text(text, "utf-8")
    (mtg / "README.md").write_text("# giantsteps-mtg-key-dataset")


def artist(place: int) -> str:
    """Return the artists of the MTG's track at a place, as its table has them."""
    return TOGETHER.get(place, f"DJ {40 + place % 20}")


def archive(root: Path) -> list[Path]:
    """Pack the two repositories in `root` without their audio, as GitHub does, where the sources say they lie."""
    packed = []
    for name, commit in COMMITS.items():
        packed.append(root / "archives" / f"{name}.zip")
        packed[-1].parent.mkdir(exist_ok=True)
        with zipfile.ZipFile(packed[-1], "w") as file:
            for path in sorted((root / f"{name}-{commit}").rglob("*")):
                if path.is_file() and path.suffix != ".mp3":
                    file.write(path, path.relative_to(root).as_posix())
    return packed


def _write_track(folder: Path, number: str, said: str, key: str, genre: str) -> None:
    sound = folder / "audio" / f"{number}.LOFI.mp3"
    files = {f"annotations/key/{number}.LOFI.key": said, f"annotations/genre/{number}.LOFI.genre": genre}
    sound.parent.mkdir(parents=True, exist_ok=True)
    soundfile.write(sound, _chord(number, key), RATE, format="MP3")
    files[f"md5/{number}.LOFI.md5"] = hashlib.md5(sound.read_bytes(), usedforsecurity=False).hexdigest() + "\n"
    for name, text in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text, "utf-8")


def _chord(number: str, key: str) -> np.ndarray:
    """Return the chord of a key with noise, or noise alone where there is no one key, on two channels."""
    sound = 0.02 * generator("miniature", "giantsteps-key", number).standard_normal((N_SAMPLES, 2))
    if key in SURE:
        place = KEYS.index(normalise_key(key))
        times_s = np.arange(N_SAMPLES) / RATE
        for semitones in (0, 4 if place < 12 else 3, 7):
            frequency_hz = 261.63 * 2 ** ((place % 12 + semitones) / 12)
            sound += 0.2 * np.sin(2 * np.pi * frequency_hz * times_s)[:, None]
    return sound
