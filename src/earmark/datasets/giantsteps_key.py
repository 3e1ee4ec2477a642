"""GiantSteps key: 604 two-minute previews of dance music to test on, and the MTG's 1,486 to train on.

Two repositories: `giantsteps-key-dataset` (Knees et al. 2015, keys out of a forum's corrections, one a track: "Bb
major") and `giantsteps-mtg-key-dataset` (1,486 tracks of the same shop, keys by hand: `annotations.txt` has ID, MANUAL
KEY such as "D# minor", "C minor / F# minor" or "-", and C, the confidence from 0 to 2). A clip's id is Beatport's
number ("5061"); no number is in both. Of the MTG's, only the tracks with one key of confidence 2 carry `key`, as
everybody who reports on the test set trains on them; a note counts the others. Audio: `audio/5061.LOFI.mp3` in each
repository's folder, fetched track by track and held to its md5.

Split `castellon2021`: the MTG's tracks are train or valid by their artists (SHA-1 of each name in small letters, modulo
116, is 0 to 99 for train). Whoever shares a track with an artist of valid is valid too, looked up twice in the order
of `beatport_metadata.txt`. The group is the artist, as for Beatport EDM Key; the test set names none.
"""

import hashlib
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from earmark.datasets._listing import nfc, read_text, split_of
from earmark.datasets._named_rows import numbered_rows
from earmark.datasets.base import Alone, Dataset, listed, need, refuse_variant
from earmark.datasets.beatport_key import artist_groups
from earmark.errors import DataError
from earmark.metrics import normalise_key
from earmark.nouns import Clip, DataCard, LabelCard, Source, SplitCard, Target

NAME = "giantsteps-key"
TEST, MTG = "giantsteps-key-dataset", "giantsteps-mtg-key-dataset"
COMMITS = {
    TEST: "c8cb8aad2cb53f165be51ea099d0dc75c64a844f",
    MTG: "fd7b8c584f7bd6d720d170c325a6d42c9bf75a6b",
}
CHECKSUMS = {
    TEST: "sha256:7749bee0f919b0f53db2c540fa6707f322b82a5d140e453f10f9af7875ad5bb8",
    MTG: "sha256:c754c3fabbc0bf275d399028e212fa2c9c6680084bd003e3a283ae7b3ea22996",
}
BACKUPS = {TEST: "backup", MTG: "mtg_key_backup"}
HOST, SHOP = "http://www.cp.jku.at/datasets/giantsteps", "http://geo-samples.beatport.com/lofi"
LICENCE = "unknown: previews of commercial tracks, annotations without a licence"
SURE = "2"
MD5 = re.compile("[0-9a-f]{32}")
FETCH = f"Type: earmark get dataset {NAME} --only labels"

CARD = DataCard(
    title="GiantSteps key: two-minute previews of dance music, and the MTG's to train on",
    version="-".join(commit[:8] for commit in COMMITS.values()),
    status="open",
    licence=LICENCE,
    bibtex="""@inproceedings{knees2015two,
  title = {Two data sets for tempo estimation and key detection in electronic dance music annotated from user
    corrections},
  author = {Knees, Peter and Faraldo, {\\'A}ngel and Herrera, Perfecto and Vogl, Richard and B{\\"o}ck, Sebastian and
    H{\\"o}rschl{\\"a}ger, Florian and Le Goff, Mickael},
  booktitle = {Proc. of the 16th International Society for Music Information Retrieval Conference (ISMIR)},
  address = {M{\\'a}laga, Spain},
  year = {2015}
}""",
    homepage=f"https://github.com/GiantSteps/{TEST}",
    audio="MP3, two minutes",
    n_clips=2090,
    labels=(
        LabelCard("key", "key", 24, 1763, "the one major or minor key of a track, where its annotators were sure"),
        LabelCard("genre", "multiclass", None, None, "Beatport's, in small letters, where a file says it"),
    ),
    splits=(
        SplitCard(
            "castellon2021",
            "test: the 604 tracks of Knees et al. 2015. Train and valid: the MTG's tracks with one key of confidence "
            "2, by a hash of their artists (Castellon, Donahue, Liang 2021: p-lambda/jukemir)",
            labels=("key",),
            sizes=((923, 236, 604),),
            used_by="jukemir, MULE, MARBLE",
            leak="train and valid share no artist; the test set comes without artists, so whether it shares some with "
            "them is not known. No track is in both.",
        ),
    ),
    sources=tuple(
        Source(
            f"https://github.com/GiantSteps/{name}/archive/{commit}.zip",
            LICENCE,
            CHECKSUMS[name],
            holds="labels",
            path=f"archives/{name}.zip",
            unpack_into=".",
        )
        for name, commit in COMMITS.items()
    ),
    instructions="The audio is 2,090 files, fetched one by one. --subset N fetches N of them.",
    layout="The two repositories' files (annotations.txt, key, genre and md5 files, README: 604 files of about 850 MB "
    "together); p-lambda/jukemir, jukemir/datasets and assets/giantsteps.json (beatport_metadata.txt, the split's "
    "rule, hosts, sha256 of the two archives); a public row of that metadata. 604 and 1,486 tracks: seed 004. "
    "Tracks with a key, classes and the parts' sizes: the tests of p-lambda/jukemir (jukemir/datasets/test.py). Sizes "
    "of files were not found.",
)
CARDS = {"": CARD}


class Track(NamedTuple):
    """A track: its repository's folder, its key (None: several, none or not sure) and artists (none: not known)."""

    folder: Path
    key: str | None
    artists: tuple[str, ...] = ()


def load(variant: str, root: Path) -> Dataset:
    """Return the tracks under `root`, which holds the two repositories, each unpacked or cloned, audio in `audio`.

    Labels: key ("C# minor") and genre. Raises MissingPart where a repository or all audio is not there, DataError
    where a file is not as published. A track without its file is listed.
    """
    found = _labels(variant, root)
    folders = [_repository(name, root) / "audio" for name in (TEST, MTG)]
    if not any(folder.is_dir() for folder in folders):
        need(folders[0], NAME, root)
    return found


def track_sources(variant: str, root: Path) -> tuple[Alone, ...]:
    """Return each track and where its file is fetched, with its md5 out of the repository.

    Raises MissingPart where the labels are not there, DataError for a file that holds no md5.
    """
    return tuple(Alone(clip, _source(clip.path, root)) for clip in _labels(variant, root).clips)


def sources_after_labels(variant: str, root: Path) -> tuple[Source, ...]:
    """Return where the file of each track is fetched, as `track_sources` does."""
    return tuple(alone.source for alone in track_sources(variant, root))


def parts_of(artists: Sequence[Sequence[str]]) -> list[str]:
    """Return the part of each track from its artists, tracks in the order of the published table.

    Two looks through the table make the artists valid who share a track with one who is.
    """
    valid = {name for names in artists for name in names if _hash(name) % 116 >= 100}
    for _ in range(2):
        for names in artists:
            if valid.intersection(names):
                valid.update(names)
    return ["valid" if valid.intersection(names) else "train" for names in artists]


def _labels(variant: str, root: Path) -> Dataset:
    """Return the dataset, whether its audio is there or not."""
    refuse_variant(NAME, variant)
    mtg, unused = _mtg_tracks(root)
    test = _test_tracks(root)
    groups = dict(zip(mtg, artist_groups([track.artists for track in mtg.values()]), strict=True))
    clips = [_clip(number, track, groups.get(number)) for number, track in {**mtg, **test}.items()]
    split = split_of({**_members(mtg, root), "test": test})
    counted = ", ".join(f"{count} with {reason}" for reason, count in sorted(unused.items()))
    notes = [f"{unused.total()} of the MTG's {len(mtg)} tracks carry no 'key': {counted}"] if unused else []
    return listed(NAME, CARD, root, clips, {"castellon2021": (split,)}, notes)


def _hash(name: str) -> int:
    return int(hashlib.sha1(name.lower().encode(), usedforsecurity=False).hexdigest(), 16)


def _repository(name: str, root: Path) -> Path:
    """Return the folder of a repository: as GitHub's archive unpacks it, or as a clone."""
    places = (root / f"{name}-{COMMITS[name]}", root / name, *sorted(root.glob(f"{name}-*")))
    return next((place for place in places if place.is_dir()), None) or need(places[0], NAME, root)


def _test_tracks(root: Path) -> Mapping[str, Track]:
    folder = _repository(TEST, root)
    keys = sorted(need(folder / "annotations" / "key", NAME, root).glob("[0-9]*.LOFI.key"))
    return {path.name.partition(".")[0]: Track(folder, _key(read_text(path, FETCH), path)) for path in keys}


def _mtg_tracks(root: Path) -> tuple[Mapping[str, Track], Counter[str]]:
    """Return the MTG's tracks, and how many of them carry no key for which reason."""
    folder = _repository(MTG, root)
    table = need(folder / "annotations" / "annotations.txt", NAME, root)
    artists = _artists(root)
    tracks, unused = {}, Counter[str]()
    for number, row in _rows(table, ("ID", "MANUAL KEY", "C")).items():
        key = row["MANUAL KEY"]
        if number not in artists:
            raise DataError(f"{table}: track {number} has no row in beatport_metadata.txt, beside it. {FETCH}")
        reason = "a confidence below 2" if row["C"] != SURE else "several keys" if "/" in key else ""
        unused.update([reason] if reason else [])
        tracks[number] = Track(folder, None if reason else _key(key, table), artists[number])
    return tracks, unused


def _members(mtg: Mapping[str, Track], root: Path) -> Mapping[str, list[str]]:
    """Return the tracks with a key by part. The parts follow the order of the table of artists."""
    artists = _artists(root)
    part = dict(zip(artists, parts_of(list(artists.values())), strict=True))
    keyed = [number for number, track in mtg.items() if track.key]
    return {name: [number for number in keyed if part[number] == name] for name in ("train", "valid")}


def _artists(root: Path) -> Mapping[str, tuple[str, ...]]:
    """Return the artists of each of the MTG's tracks, in the order of their table."""
    table = need(_repository(MTG, root) / "annotations" / "beatport_metadata.txt", NAME, root)
    rows = _rows(table, ("ID", "ARTIST"))
    return {number: tuple(name.strip() for name in row["ARTIST"].split(",")) for number, row in rows.items()}


def _key(text: str, source: Path) -> str:
    try:
        return normalise_key(text)
    except DataError as error:
        raise DataError(f"{source}: {error} {FETCH}") from error


def _rows(table: Path, columns: tuple[str, ...]) -> Mapping[str, Mapping[str, str]]:
    """Return the rows of a table by track, in its order; rows end with more tabs, or fewer, than the head has."""
    rows: dict[str, Mapping[str, str]] = {}
    for line, row in numbered_rows(table, columns, FETCH, "\t", may_be_ragged=True):
        if not row["ID"].isdecimal():
            raise DataError(f"{table}:{line}: expected a track's number, got '{row['ID']}'. {FETCH}")
        rows[row["ID"]] = row
    return rows


def _clip(number: str, track: Track, group: str | None) -> Clip:
    genre = track.folder / "annotations" / "genre" / f"{number}.LOFI.genre"
    said = nfc(read_text(genre, FETCH).strip()) if genre.is_file() else ""
    known = {"key": track.key, "genre": said}
    targets: dict[str, Target] = {label: value for label, value in known.items() if value}
    return Clip(number, track.folder / "audio" / f"{number}.LOFI.mp3", targets=targets, group=group and nfc(group))


def _source(path: Path, root: Path) -> Source:
    folder = path.parent.parent
    table = need(folder / "md5" / f"{path.stem}.md5", NAME, root)
    md5 = read_text(table, FETCH).strip()
    if not MD5.fullmatch(md5):
        raise DataError(f"{table}: expected an md5 of 32 digits, got '{md5}'. {FETCH}")
    backup = BACKUPS[MTG if folder.name.startswith(MTG) else TEST]
    urls = (f"{HOST}/{backup}/{path.name}", f"{SHOP}/{path.name}")
    place = path.relative_to(root).as_posix()
    return Source(urls[0], LICENCE, f"md5:{md5}", mirrors=urls[1:], holds="audio", path=place)
