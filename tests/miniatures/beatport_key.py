"""A small Beatport EDM Key in the layout of the real one: 56 tracks of 0.6 seconds, half of them with metadata.

Read from: mirdata's loader (three folders; `: nan` in JSON), its index (names; half of the tracks without metadata;
an apostrophe unpacked as code page 437; md5 sums that are those of "D minor", "G minor | Bb major", "C# other", "X",
without a line's end) and the one track of its tests (keys and indents of the JSON); mir_ref's wrapper ("F#_", keys
with a space after them); the thesis (MP3, 44.1 kHz, stereo, 96 kbps).
"""

import zipfile
from pathlib import Path

import numpy as np
import soundfile

from earmark.identity import generator
from earmark.metrics import KEYS
from tests.miniatures import LENGTH_S

RATE = 44100
N_SAMPLES = round(LENGTH_S * RATE)
ONE_KEY = (
    *("C minor", "C# minor", "D minor", "E minor", "F#_ minor", "G minor ", "A minor", "Bb minor"),
    *("C major", "Db major", "F major", "G# major"),
)
EACH = 4
WITHOUT = (
    *("G minor | Bb major", "A minor | C major", "E minor | E major", "C# other", "F other | E other"),
    *("X", "unknown", "-"),
)
GENRES = ("House", "Techno", "Drum & Bass")
LEVEL_OF_96_KBPS = (320 - 96) / (320 - 32)  # of libsndfile: 0 is 320 kbps, 1 is 32 kbps


def make(root: Path) -> None:
    """Write the folders `audio`, `keys` and `meta`."""
    for folder in ("audio", "keys", "meta"):
        (root / folder).mkdir(parents=True, exist_ok=True)
    for place, key in enumerate([one for one in ONE_KEY for _ in range(EACH)] + list(WITHOUT)):
        name = _name(place)
        (root / "keys" / f"{name}.txt").write_text(key, "utf-8")
        if place % 2 == 0:
            (root / "meta" / f"{name}.json").write_text(_metadata(place), "utf-8")
        _write_sound(root / "audio" / f"{name}.mp3", key, GENRES[place % 3])


def archive(root: Path) -> list[Path]:
    """Write the three archives that the record offers and return them."""
    unpacked = root / "unpacked"
    make(unpacked)
    packed = []
    for name, folder in (("keys", "keys"), ("original_metadata", "meta"), ("audio", "audio")):
        packed.append(root / f"{name}.zip")
        with zipfile.ZipFile(packed[-1], "w") as file:
            for path in sorted((unpacked / folder).iterdir()):
                file.write(path, f"{folder}/{path.name}")
    return packed


def _name(place: int) -> str:
    """Return the name of a track's files. The artists of tracks 4 and 48 share track 50; 8 has an apostrophe."""
    artists = {4: "Ada One", 48: "Ada Two", 50: "Ada Two, Ada One", 8: "Forteba"}.get(place, f"DJ {place:02d} & Co.")
    title = {8: "I\u0393\u00c7\u00d6ll Never Die", 9: "Sog 1.1"}.get(place, f"Tune - Part {place}")
    return f"{100066 + 101 * place} {artists} - {title} (Original Mix)"


def _metadata(place: int) -> str:
    """Return a track's JSON. Track 10 has two genres, track 12 none; a missing number is nan, or null after mirdata."""
    names = {10: GENRES[:2], 12: ()}.get(place, GENRES[place % 3 : place % 3 + 1])
    genres = ", \n".join(f'  {{\n   "slug": "genre", \n   "id": 3, \n   "name": "{name}"\n  }}' for name in names)
    lacking = "nan" if place % 4 == 0 else "null"
    return (
        f'{{\n "exclusive": false, \n "artists": [\n  {{\n   "name": "Ada"\n  }}\n ], \n "genres": [\n{genres}\n ], \n'
        f' "title": "What: nan? (Original Mix)", \n "bpm": {lacking}, \n "key": {lacking}, \n "sub_genres": []\n}}'
    )


def _write_sound(path: Path, key: str, genre: str) -> None:
    """Write the chord of the first key over the pulse of the genre, with noise, differently on both sides."""
    rng = generator("miniature", "beatport-key", path.stem)
    tonic, _, mode = key.replace("_", "").partition(" ")
    sharp = {"Bb": "A#", "Db": "C#"}.get(tonic, tonic)
    found = [number % 12 for number, one in enumerate(KEYS) if one.startswith(f"{sharp} ")]
    times_s = np.arange(N_SAMPLES) / RATE
    sound = 0.02 * rng.standard_normal((N_SAMPLES, 2))
    for semitones in (0, 3 if mode.startswith("minor") else 4, 7) if found else ():
        frequency_hz = 261.63 * 2 ** ((found[0] + semitones) / 12)
        sound += 0.15 * np.sin(2 * np.pi * frequency_hz * times_s)[:, None] * rng.uniform(0.8, 1, 2)
    pulse = 1 + 0.5 * np.sign(np.sin(2 * np.pi * (2 + 3 * GENRES.index(genre)) * times_s))[:, None]
    how = {"format": "MP3", "bitrate_mode": "CONSTANT", "compression_level": LEVEL_OF_96_KBPS}
    soundfile.write(path, 0.6 * sound * pulse, RATE, **how)
