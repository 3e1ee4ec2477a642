"""MuMu: genres of Amazon's catalogue for 31,471 albums, on previews of 147,295 of their tracks (Oramas et al. 2017).

A row of `MuMu_dataset_multi-label.csv` is a track of an album: Amazon's id, two MusicBrainz ids, the track of the
Million Song Dataset, and the album's genres in one cell, with commas between. The label is `genres`; a clip's id is its
track's. Where its preview lies, `_msd` says.

A track on several albums counts once, by its first row, and a note says how many there are. The group is the artist.
The split is of items, one id a line in `items_index_train_MuMu.tsv`, `…_val_…` and `…_test_…`: an item that is an album
(by Amazon's or MusicBrainz's id) stands for its tracks, one that is a track for itself. Without those files there is
no official split, and a note says so. `genre_labels_MuMu.tsv`, beside them, has the 250 genres that are scored: where
it is there, others are left out.
"""

from collections.abc import Iterable, Mapping, Set
from pathlib import Path
from typing import NamedTuple

from earmark.counted import counted
from earmark.datasets import _msd
from earmark.datasets._listing import numbered_lines, split_of
from earmark.datasets._named_rows import numbered_rows
from earmark.datasets.base import Dataset, listed, need, refuse_variant
from earmark.errors import DataError
from earmark.nouns import Clip, DataCard, LabelCard, Split, SplitCard

NAME = "mumu"
TABLE = "MuMu_dataset_multi-label.csv"
COLUMNS = ("amazon_id", "album_mbid", "MSD_track_id", "artist_mbid", "genres")
PARTS = {"train": "train", "valid": "val", "test": "test"}
GENRES = "genre_labels_MuMu.tsv"
SPLIT_PLACES = (".", "splits", "*", "*/splits")
FETCH = "Fetch the record again."

CARD = DataCard(
    title="MuMu: 250 genres of albums, on tracks of the Million Song Dataset",
    version="2017",
    status="dead link: bring your own",
    licence="unknown: copyright 2017 Music Technology Group, Universitat Pompeu Fabra; audio: commercial recordings",
    bibtex="""@article{oramas2018multimodal,
  title = {Multimodal Deep Learning for Music Genre Classification},
  author = {Oramas, Sergio and Barbieri, Francesco and Nieto, Oriol and Serra, Xavier},
  journal = {Transactions of the International Society for Music Information Retrieval},
  volume = {1},
  number = {1},
  pages = {4--21},
  year = {2018},
  doi = {10.5334/tismir.10}
}""",
    homepage="https://zenodo.org/record/831189",
    audio="MP3, previews of 30 to 60 s",
    n_clips=147_295,
    labels=(LabelCard("genres", "multilabel", 250, 147_295, "genres of the track's album"),),
    splits=(
        SplitCard(
            "official",
            "Oramas et al. 2018: the items of Zenodo record 1236906",
            used_by="MULE (a prediction for each track), Oramas et al. 2017 and 2018 (for each album or artist)",
            leak="not known: what the authors kept apart is not said in what we have read",
        ),
    ),
    instructions=f"Labels: Zenodo record 831189 (the folder MuMu_dataset); split: record 1236906. {_msd.BRING}",
    layout="README of the record and its table: copies of both in ibicso/album_cover_complexity, whose scripts and "
    "four other public readers tell its columns (MSD_track_id is the third, genres the sixth); its genre_labels_MuMu."
    "tsv has the 250 genres. Names and form of the split's files: README and dummy-data/splits of sergiooramas/"
    "tartarus, for which they were made. That the record has them under these names was not seen, nor names, sizes "
    "and checksums of the record's archives.",
)
CARDS = {"": CARD}


class Row(NamedTuple):
    """A track, what it stands in, who plays it, and the genres of its album."""

    track: str
    albums: tuple[str, str]
    artist: str
    genres: tuple[str, ...]


def load(variant: str, root: Path) -> Dataset:
    """Return the tracks under `root`: the table there or in `MuMu_dataset`, the split's files beside, and audio.

    Raises MissingPart where table or audio are not there, DataError for files that are not as published.
    """
    refuse_variant(NAME, variant)
    beside = root / TABLE
    table = beside if beside.is_file() else need(root / "MuMu_dataset" / TABLE, NAME, root)
    rows, n_repeated = _rows(table)
    known = _known_genres(root)
    targets = {row.track: {"genres": _kept(row.genres, known)} for row in rows}
    groups = {row.track: row.artist for row in rows if row.artist}
    clips, notes = _msd.clips(targets, groups, root, NAME)
    notes += _left_out({genre for row in rows for genre in row.genres}, known)
    if n_repeated:
        rows_said = f"{counted(n_repeated, 'row')} repeat{'s' * (n_repeated == 1)}"
        notes.append(f"{rows_said} a track on another album; its first album counts")
    splits = _splits(root, rows, clips)
    if not splits:
        notes.append(f"{_file('train')} is not there, so the split is drawn: it is not the official one")
    return listed(NAME, CARD, root, clips, splits, notes)


def _rows(table: Path) -> tuple[list[Row], int]:
    """Return the first row of each track, and how many rows repeat one."""
    found: dict[str, Row] = {}
    n_rows = 0
    for line, cell in numbered_rows(table, COLUMNS, FETCH):
        genres = tuple(one.strip() for one in cell["genres"].split(",") if one.strip())
        if not _msd.TRACK.fullmatch(cell["MSD_track_id"]) or not genres:
            raise DataError(
                f"{table}:{line}: expected a track such as TRAADIN128F931D672 and genres, got "
                f"'{cell['MSD_track_id']}' and '{cell['genres']}'. {FETCH}"
            )
        track = cell["MSD_track_id"]
        row = Row(track, (cell["amazon_id"], cell["album_mbid"]), cell["artist_mbid"], genres)
        found.setdefault(track, row)
        n_rows += 1
    return list(found.values()), n_rows - len(found)


def _file(role: str) -> str:
    return f"items_index_{PARTS[role]}_MuMu.tsv"


def _find(root: Path, name: str) -> Path | None:
    return next((file for place in SPLIT_PLACES for file in sorted(root.glob(f"{place}/{name}"))), None)


def _known_genres(root: Path) -> frozenset[str]:
    """Return the genres that are scored, or none where their list is not there."""
    file = _find(root, GENRES)
    return frozenset(line for _, line in numbered_lines(file, FETCH)) if file else frozenset()


def _left_out(found: Set[str], known: Set[str]) -> list[str]:
    if not known:
        return [f"{GENRES} is not there, so all {counted(len(found), 'genre')} count, not the 250 of papers"]
    lost = len(found - known)
    return [f"left out, since {GENRES} does not have them: {lost} of {len(found)} genres"] if lost else []


def _kept(genres: Iterable[str], known: frozenset[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(one for one in genres if one in known or not known))


def _splits(root: Path, rows: Iterable[Row], clips: Iterable[Clip]) -> Mapping[str, tuple[Split, ...]]:
    first = _find(root, _file("train"))
    if first is None:
        return {}
    tracks: dict[str, list[str]] = {}
    for row in rows:
        for item in {row.track, *row.albums} - {""}:
            tracks.setdefault(item, []).append(row.track)
    parts: dict[str, list[str]] = {}
    for role in PARTS:
        file = need(first.with_name(_file(role)), NAME, root)
        items = [line for _, line in numbered_lines(file, FETCH)]
        unknown = [one for one in items if one not in tracks]
        if items and len(unknown) == len(items):
            raise DataError(
                f"{file}: expected items that are tracks, albums of Amazon or of MusicBrainz in {TABLE}; none of "
                f"{len(items)} is, the first being '{items[0]}'. {FETCH}"
            )
        parts[role] = list(dict.fromkeys(track for one in items for track in tracks.get(one, ())))
    return {"official": (split_of(parts),)}
