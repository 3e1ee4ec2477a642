"""The audio of MTG-Jamendo: which of its two encodings lies in a folder, and where its files are fetched."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import NamedTuple

from earmark.datasets._listing import read_text
from earmark.datasets.base import need
from earmark.errors import DataError
from earmark.nouns import Source

HOSTS = ("https://cdn.freesound.org/mtg-jamendo", "https://essentia.upf.edu/documentation/datasets/mtg-jamendo")
LICENCE = "each track's own Creative Commons licence (audio_licenses.txt of the repository)"
FOLDERS = ("audio", "raw_30s/audio", "audio-low", "raw_30s/audio-low")
LOW = ".low.mp3"
FETCH = "Fetch it again."
EVERY = "raw_30s"  # the collection that has all tracks


class Encoding(NamedTuple):
    """The folder of the audio, whether it is the publisher's smaller copy, and what a reader of numbers should know."""

    folder: str
    is_low: bool
    notes: tuple[str, ...] = ()

    @property
    def kind(self) -> str:
        """The publisher's name of the encoding."""
        return "audio-low" if self.is_low else "audio"

    def file(self, path: str) -> str:
        """Return the published path ("00/7400.mp3") as it is in this encoding."""
        return path.removesuffix(".mp3") + LOW if self.is_low else path


def encoding(root: Path) -> Encoding:
    """Return what audio lies under `root`; where there is none, what is to be fetched: the full one, into `audio`.

    An empty folder `audio-low` asks for the smaller copy. Raises DataError for one folder with both.
    """
    there = [folder for folder in FOLDERS if (root / folder).is_dir()]
    kinds = {folder: {path.name.endswith(LOW) for path in (root / folder).glob("[0-9][0-9]/*.mp3")} for folder in there}
    filled = [folder for folder in there if kinds[folder]]
    folder = (filled or there or FOLDERS)[0]
    if len(kinds.get(folder, ())) > 1:
        raise DataError(
            f"Expected one encoding in '{root / folder}', got files named .mp3 and {LOW}: numbers on a mixture mean "
            "nothing. Move one of the two to a folder of its own."
        )
    is_low = True in kinds[folder] if filled else folder.endswith("-low")
    notes = [f"the smaller copy of the audio is read, from {folder}: its numbers are on other audio"] if is_low else []
    notes += [f"{other} is set aside: the audio is read from {folder} alone" for other in filled[1:]]
    return Encoding(folder, is_low, tuple(notes))


def lists(variant: str) -> tuple[str, ...]:
    """Return the publisher's lists of checksums: of a variant's archives and of single tracks, in both encodings."""
    kinds = ("audio", "audio-low")
    return tuple(name for kind in kinds for name in (_list(_collection(variant), kind, "tars"), _list(EVERY, kind)))


def tar_sources(variant: str, data: Path, name: str, root: Path) -> tuple[Source, ...]:
    """Return the archives of a variant's audio: a folder of tracks each, on two hosts."""
    found, collection = encoding(root), _collection(variant)
    return tuple(
        Source(
            f"{HOSTS[0]}/{collection}/{found.kind}/{archive}",
            LICENCE,
            f"sha256:{sha256}",
            mirrors=(f"{HOSTS[1]}/{collection}/{found.kind}/{archive}",),
            holds="audio",
            path=f"archives/{archive}",
            unpack_into=found.folder,
        )
        for archive, sha256 in _checksums(data, _list(collection, found.kind, "tars"), name, root).items()
    )


def track_source(data: Path, name: str, root: Path) -> Callable[[str], Source]:
    """Return the function that says where the file of a published path is fetched. Only the first host has them."""
    found = encoding(root)
    table = _list(EVERY, found.kind)
    checksums = _checksums(data, table, name, root)

    def find(path: str) -> Source:
        file = found.file(path)
        if file not in checksums:
            raise DataError(f"Expected '{file}' in {table}, which has {len(checksums)} tracks. Fetch the labels again.")
        url, checksum = f"{HOSTS[0]}/{EVERY}/{found.kind}/{file}", f"sha256:{checksums[file]}"
        return Source(url, LICENCE, checksum, holds="audio", path=f"{found.folder}/{file}")

    return find


def _collection(variant: str) -> str:
    return "autotagging_moodtheme" if variant == "moodtheme" else EVERY


def _list(collection: str, kind: str, of: str = "tracks") -> str:
    return f"{collection}_{kind}_sha256_{of}.txt"


def _checksums(data: Path, table: str, name: str, root: Path) -> Mapping[str, str]:
    """Return the sha256 of each file that a list names."""
    path = need(data / "download" / table, name, root)
    found: dict[str, str] = {}
    for number, line in enumerate(read_text(path, FETCH).splitlines(), 1):
        sha256, _, file = line.partition(" ")
        if len(sha256) != 64 or not file:
            raise DataError(f"{path}:{number}: expected a sha256 and a file's name, got '{line}'. {FETCH}")
        found[file] = sha256
    return found
