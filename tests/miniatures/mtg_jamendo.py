"""MTG-Jamendo in small: 60 tracks of ten artists in three of the 100 folders, MP3 of 320 kbps, 44.1 kHz, stereo.

Layout read from: MTG/mtg-jamendo-dataset, data/splits (head, one tab-separated cell a tag, ids of seven digits whose
paths have no zeros in front), data/download (a sha256, a space, a name), scripts/download/download.py (a tar a folder,
the folder its first entry; names of lists and tars), README ("a few tags are discarded in the splits"; mono copy named
`.low.mp3`); and mirdata's mtg_jamendo_autotagging_moodtheme.py (columns, split-0 to split-4, `validation`).
"""

import hashlib
import io
import tarfile
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Literal

import numpy as np
import soundfile

from earmark.identity import generator

SUBSETS = {
    "autotagging": ("genre", "instrument", "mood/theme"),
    "autotagging_genre": ("genre",),
    "autotagging_instrument": ("instrument",),
    "autotagging_moodtheme": ("mood/theme",),
    "autotagging_top50tags": ("genre", "instrument", "mood/theme"),
}
# The tags of an artist's six tracks: the last has none of the 50, two have no instrument, two no mood.
TAGS = (
    ("genre---electronic", "instrument---piano", "mood/theme---dark"),
    ("genre---rock", "instrument---drums", "mood/theme---happy"),
    ("genre---ambient", "instrument---piano", "mood/theme---relaxing"),
    ("genre---electronic", "genre---rock", "mood/theme---happy"),
    ("genre---ambient", "instrument---drums"),
    ("genre---swing", "instrument---harp"),
)
NOT_OF_THE_50 = {"genre---swing", "instrument---harp", "mood/theme---dark"}
DISCARDED = "track_0009900\tartist_000999\talbum_000999\t00/9900.mp3\t31.0\tmood/theme---mellow"
HEAD = "TRACK_ID\tARTIST_ID\tALBUM_ID\tPATH\tDURATION\tTAGS"
N_ARTISTS = 10
KINDS = sorted({tag for tags in TAGS for tag in tags})
SAMPLE_RATE = 44_100


def make(root: Path, kind: Literal["audio", "audio-low"] = "audio") -> None:
    """Write the repository's `data` and the tracks, in full (`audio`) or as the smaller copy (`audio-low`)."""
    for fold in range(5):
        for part in ("train", "validation", "test"):
            artists = [artist for artist in range(N_ARTISTS) if _part(artist, fold) == part]
            for subset in SUBSETS:
                _write(root / f"data/splits/split-{fold}/{subset}-{part}.tsv", _rows(artists, subset))
    _write(root / "data" / "autotagging.tsv", [*_rows(range(N_ARTISTS), "autotagging"), DISCARDED])
    for artist in range(N_ARTISTS):
        for track, tags in enumerate(TAGS):
            _write_mp3(root / kind / _path(artist, track, kind), tags, kind)
    for collection in ("raw_30s", "autotagging_moodtheme"):
        tars = [f"{hashlib.sha256(_tar(folder)).hexdigest()} {name}" for folder, name in _tars(root, collection, kind)]
        _write(root / "data" / "download" / f"{collection}_{kind}_sha256_tars.txt", tars, "")
    files = sorted((root / kind).glob("*/*.mp3"))
    sums = [f"{hashlib.sha256(file.read_bytes()).hexdigest()} {file.parent.name}/{file.name}" for file in files]
    _write(root / "data" / "download" / f"raw_30s_{kind}_sha256_tracks.txt", sums, "")


def archive(root: Path, kind: Literal["audio", "audio-low"] = "audio") -> list[Path]:
    """Pack the tracks as published, a tar a folder; the unpacked ones stay."""
    packed = []
    for folder, name in _tars(root, "raw_30s", kind):
        packed.append(root / "archives" / name)
        packed[-1].parent.mkdir(exist_ok=True)
        packed[-1].write_bytes(_tar(folder))
    return packed


def _part(artist: int, fold: int) -> str:
    """Return the part of an artist: two in test, two in validation, six in train, others in each fold."""
    return {0: "test", 1: "validation"}.get((artist // 2 - fold) % 5, "train")


def _path(artist: int, track: int, kind: str = "audio") -> str:
    number = (20 + 2 * artist + track // 3) * 100 + track % 3
    return f"{number % 100:02d}/{number}{'.low' if kind == 'audio-low' else ''}.mp3"


def _rows(artists: Iterable[int], subset: str) -> list[str]:
    found = []
    for artist in artists:
        for track, tags in enumerate(TAGS):
            kept = [tag for tag in tags if tag.partition("---")[0] in SUBSETS[subset]]
            if subset == "autotagging_top50tags":
                kept = [tag for tag in kept if tag not in NOT_OF_THE_50]
            path = _path(artist, track)
            number = int(path[3:].removesuffix(".mp3"))
            cells = (f"track_{number:07d}", f"artist_{artist:06d}", f"album_{artist:06d}", path, "61.5", *kept)
            found += ["\t".join(cells)] if kept else []
    return found


def _write(path: Path, lines: Sequence[str], head: str = HEAD) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(f"{line}\n" for line in ([head] if head else []) + [*lines]), encoding="utf-8")


def _write_mp3(path: Path, tags: Sequence[str], kind: str) -> None:
    rng = generator("miniature", "mtg_jamendo", path.name)
    time_s = np.arange(SAMPLE_RATE * 2 // 5) / SAMPLE_RATE
    sound = 0.03 * rng.standard_normal(len(time_s))
    for tag in tags:
        sound += 0.15 * np.sin(2 * np.pi * 200 * 1.5 ** KINDS.index(tag) * time_s + rng.uniform(0, 6))
    path.parent.mkdir(parents=True, exist_ok=True)
    if kind == "audio":
        stereo = np.stack([sound, 0.8 * sound], axis=1)
        soundfile.write(path, stereo, SAMPLE_RATE, format="MP3", compression_level=0.0, bitrate_mode="CONSTANT")
    else:
        soundfile.write(path, sound, SAMPLE_RATE, format="MP3", compression_level=0.2, bitrate_mode="VARIABLE")


def _tars(root: Path, collection: str, kind: str) -> list[tuple[Path, str]]:
    """Return each folder of tracks and the name of its archive. That of moodtheme holds fewer tracks in truth."""
    folders = sorted(folder for folder in (root / kind).iterdir() if folder.is_dir())
    return [(folder, f"{collection}_{kind}-{folder.name}.tar") for folder in folders]


def _tar(folder: Path) -> bytes:
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w") as file:
        entry = tarfile.TarInfo(folder.name)
        entry.type = tarfile.DIRTYPE
        entry.mode = 0o755
        file.addfile(entry)
        for track in sorted(folder.glob("*.mp3")):
            content = track.read_bytes()
            entry = tarfile.TarInfo(f"{folder.name}/{track.name}")
            entry.size = len(content)
            file.addfile(entry, io.BytesIO(content))
    return packed.getvalue()
