"""Datasets as mirdata finds them: files in the layout of its loaders, and an index that is the tests' own.

Read from: mirdata 1.0.0, loaders gtzan_genre, giantsteps_key and tinysol (paths below the data home, keys of a track
in the index, names of metadata), core.py (form of an index). No index of mirdata was read.
"""

import json
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import soundfile

from tests.miniatures import LENGTH_S, tinysol

RATE = 22050
GENRES = ("blues", "hiphop", "rock")
KEYS = {"1": "D major", "2": "Bb minor", "3": "D major"}
ARTISTS = {"1": ["Ann", "Bo"], "2": ["Bo"], "3": ["Cy"]}


def gtzan(root: Path) -> Path:
    """Write ten excerpts of each of three genres and an eleventh without audio; return the data home."""
    home = root / "gtzan_genre"
    tracks: dict[str, Mapping[str, object]] = {}
    for place, genre in enumerate(GENRES):
        for take in range(10):
            name = f"{genre}.{take:05d}"
            file = f"gtzan_genre/genres/{genre}/{name}.wav"
            _tone(home / file, 48 + 7 * place, take)
            tracks[name] = {"audio": [file, ""], "beats": [None, None], "tempo": [None, None]}
    tracks["rock.00010"] = {"audio": [None, None], "beats": [None, None], "tempo": [None, None]}
    return _indexed(home, "gtzan_genre", tracks, {})


def giantsteps(root: Path) -> Path:
    """Write three tracks with keys, genres and artists as JSON, and return the data home."""
    home = root / "giantsteps_key"
    tracks: dict[str, Mapping[str, object]] = {}
    for name, key in KEYS.items():
        _tone(home / f"audio/{name}.wav", 60, int(name))
        (home / "keys").mkdir(exist_ok=True)
        (home / f"keys/{name}.key").write_text(f"{key}\n")
        (home / "meta").mkdir(exist_ok=True)
        said = {
            "artists": [{"name": one} for one in ARTISTS[name]],
            "genres": [{"name": "Techno"}],
            "sub_genres": [],
            "bpm": 128,
        }
        (home / f"meta/{name}.json").write_text(json.dumps(said))
        tracks[name] = {
            "audio": [f"audio/{name}.wav", ""],
            "key": [f"keys/{name}.key", ""],
            "meta": [f"meta/{name}.json", ""],
        }
    return _indexed(home, "giantsteps_key", tracks, {})


def notes(root: Path) -> Path:
    """Write the miniature of TinySOL and an index of it; return the data home."""
    home = root / "tinysol"
    home.mkdir()
    tinysol.make(home)
    files = sorted((home / "audio").rglob("*.wav"))
    tracks = {file.stem: {"audio": [file.relative_to(home).as_posix(), ""]} for file in files}
    return _indexed(home, "tinysol", tracks, {"TinySOL_metadata": ["annotation/TinySOL_metadata.csv", ""]})


def _indexed(home: Path, name: str, tracks: Mapping[str, object], metadata: Mapping[str, object]) -> Path:
    import mirdata  # the lane's own: a test of the unit alone has none

    file = home / Path(mirdata.initialize(name, data_home=str(home)).index_path).name
    file.write_text(json.dumps({"version": "made", "tracks": tracks, "metadata": metadata}))
    return home


def _tone(file: Path, midi: int, take: int) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    seconds = np.arange(int(LENGTH_S * RATE)) / RATE
    noise = 0.01 * np.random.default_rng(take).standard_normal(len(seconds))
    tone = 0.3 * np.sin(2 * np.pi * 440 * 2 ** ((midi - 69) / 12) * seconds + take)
    soundfile.write(file, (tone + noise).astype(np.float32), RATE)
