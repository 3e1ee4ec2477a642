"""MTG-Jamendo: 55,525 whole tracks under Creative Commons licences, tagged by those who uploaded them (Bogdanov 2019).

Variants: `top50` (the plain name), `all`, `genre`, `instrument`, `moodtheme`. The label is `tags`, without the prefixes
`genre---`, `instrument---` and `mood/theme---`: no name is in two categories. `all` also carries each category as a
label of its own. Read are the TSVs of the five published splits: one row a track, any number of tags at its end, each
in a cell of its own under the one head TAGS.

Left out: the tracks of `autotagging.tsv` that no split has (84 of 55,609), and the 12 of its 195 tags that the
publisher dropped so that every split has the same; papers that say "195 tags" and use the splits score 183.

Audio: `audio/00/7400.mp3` (320 kbps), the folder being the last two digits of the track's number. The publisher's
smaller copy, `audio-low/00/7400.low.mp3` (mono, 156 of 508 GB), is other audio: it is read where only it is there, with
a version and a card that say so, never clip by clip.
"""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

from earmark.datasets._listing import split_of
from earmark.datasets._mtg_jamendo_audio import Encoding, encoding, lists, tar_sources, track_source
from earmark.datasets._mtg_jamendo_rows import CATEGORIES, Row, rows
from earmark.datasets.base import Alone, Dataset, listed, need
from earmark.errors import DataError, UnknownName
from earmark.nouns import Clip, DataCard, LabelCard, Source, Split, SplitCard, Target

NAME = "mtg-jamendo"
COMMIT = "cafd8e20c265ed84f1e61f1c875327971f43a62f"
RAW = f"https://raw.githubusercontent.com/MTG/mtg-jamendo-dataset/{COMMIT}"
LICENCE = "CC-BY-NC-SA-4.0"
PARTS = {"train": "train", "valid": "validation", "test": "test"}
N_FOLDS = 5
DATA_FOLDERS = ("data", "metadata/data", "mtg-jamendo-dataset/data")
LOW_AUDIO = "MP3 of about 98 kbps (LAME -V 2, made from the 320 kbps files), mono, whole tracks"


class Subset(NamedTuple):
    """The tracks with some of the tags: name of its files, tags, tracks, and what they are."""

    file: str
    n_classes: int
    n_clips: int
    what: str


SUBSETS = {
    "top50": Subset("autotagging_top50tags", 50, 54_380, "the 50 tags that most tracks have"),
    "all": Subset("autotagging", 183, 55_525, "87 genres, 40 instruments, 56 moods and themes"),
    "genre": Subset("autotagging_genre", 87, 55_094, "genres"),
    "instrument": Subset("autotagging_instrument", 40, 24_976, "instruments"),
    "moodtheme": Subset("autotagging_moodtheme", 56, 17_982, "moods and themes"),
}


def _card(variant: str) -> DataCard:
    subset = SUBSETS[variant]
    own = [LabelCard("tags", "multilabel", subset.n_classes, subset.n_clips, subset.what)]
    if variant == "all":
        own += [LabelCard(name, "multilabel", *SUBSETS[name][1:]) for name in CATEGORIES.values()]
    files = [f"splits/{_table(subset, fold, part)}" for fold in range(N_FOLDS) for part in PARTS]
    return DataCard(
        title=f"MTG-Jamendo: {subset.what}",
        version=COMMIT[:8],
        status="open",
        licence=f"each track its own Creative Commons licence (audio_licenses.txt of the repository); labels {LICENCE}",
        redistributable=True,
        bibtex="""@inproceedings{bogdanov2019mtg,
  title = {The {MTG-Jamendo} Dataset for Automatic Music Tagging},
  author = {Bogdanov, Dmitry and Won, Minz and Tovstogan, Philip and Porter, Alastair and Serra, Xavier},
  booktitle = {Machine Learning for Music Discovery Workshop, International Conference on Machine Learning (ICML)},
  year = {2019},
  address = {Long Beach, CA, United States},
  url = {http://hdl.handle.net/10230/42015}
}""",
        homepage="https://mtg.github.io/mtg-jamendo-dataset",
        audio="MP3 of 320 kbps, 44.1 kHz, whole tracks of more than 30 s",
        bit_rate_kbps=320,
        n_clips=subset.n_clips,
        labels=tuple(own),
        splits=(
            SplitCard(
                "official",
                "Bogdanov et al. 2019: split-0 to split-4 of the repository as five folds, no artist in two parts of "
                "one. Each category is cut out of the same five, so a track has the same part in every variant",
                used_by="the publishers report on all five; MediaEval 2019 to 2021 (mood and theme) and "
                "Doh et al. 2023 use split-0 alone",
            ),
        ),
        sources=tuple(
            Source(f"{RAW}/data/{file}", LICENCE, holds="labels", path=f"data/{file}")
            for file in (*files, *(f"download/{one}" for one in lists(variant)))
        ),
        instructions="The audio is 508 GB (152 GB for moodtheme). --subset N fetches N tracks alone. For the "
        "publisher's mono copy (156 GB, 46 GB) make an empty folder audio-low in the dataset's folder first.",
        layout="MTG/mtg-jamendo-dataset: README (counts, sizes, encoder), data/splits, data/download and "
        "scripts/download/download.py (hosts, tars, checksums), mirdata's loader of moodtheme (columns, roles). Tracks "
        "of each category: SeungHeonDoh's music semantic understanding benchmark. Single tracks beside the tars: "
        "a43992899/MARBLE issue 13, and a public script that fetches four of them there and holds them against their "
        "sha256. No sizes of tars or of the splits' parts were found, and no checksums of the tables and lists. The "
        "bit rate of the mono copy is 320 kbps times 156/508. Zenodo 3826813 (data.zip, md5 "
        "039ce10f267f6e4e9f72837c76d72b2f, the folder data of the repository) is read too when unpacked by hand.",
    )


def _table(subset: Subset, fold: int, part: str) -> str:
    return f"split-{fold}/{subset.file}-{PARTS[part]}.tsv"


CARDS: dict[str, DataCard] = {"": _card("top50"), **{variant: _card(variant) for variant in SUBSETS}}


def load(variant: str, root: Path) -> Dataset:
    """Return the tracks of a variant under `root`, which holds `data/splits` and `audio`; ids are "track_0007400".

    `data` may also lie in `metadata` or in a clone of the repository, `audio` in `raw_30s`. Raises MissingPart where
    either is not there, DataError for a table that is not as published or for audio of two encodings in one folder.
    """
    name = _full_name(variant)
    tracks, folds = _read(name, root)
    found = encoding(root)
    need(root / found.folder, name, root)
    card = CARDS[variant]
    if found.is_low:
        card = replace(card, version=f"{card.version}-low", audio=LOW_AUDIO, bit_rate_kbps=98)
    clips = [_clip(one, row, variant, root, found) for one, row in tracks.items()]
    return listed(name, card, root, clips, {"official": folds}, found.notes)


def track_sources(variant: str, root: Path) -> tuple[Alone, ...]:
    """Return each track and where its own file is fetched, with its checksum out of the fetched list.

    Raises MissingPart where labels or list are not there, DataError where the list lacks a track.
    """
    name = _full_name(variant)
    tracks, _ = _read(name, root)
    found, find = encoding(root), track_source(_data(root), name, root)
    return tuple(Alone(_clip(one, row, variant, root, found), find(row.path)) for one, row in tracks.items())


def sources_after_labels(variant: str, root: Path) -> tuple[Source, ...]:
    """Return the 100 archives of a variant's audio, with checksums out of the fetched list, or raise MissingPart."""
    return tar_sources(variant, _data(root), _full_name(variant), root)


def _full_name(variant: str) -> str:
    if variant not in CARDS:
        raise UnknownName("dataset", f"{NAME}:{variant}", (f"{NAME}:{one}" for one in SUBSETS))
    return f"{NAME}:{variant or 'top50'}"


def _data(root: Path) -> Path:
    folders = [root / folder for folder in DATA_FOLDERS]
    return next((folder for folder in folders if (folder / "splits").is_dir()), folders[0])


def _read(name: str, root: Path) -> tuple[dict[str, Row], tuple[Split, ...]]:
    """Return the tracks of a variant by id and its five folds."""
    subset = SUBSETS[name.rpartition(":")[2]]
    tracks: dict[str, Row] = {}
    folds = []
    for fold in range(N_FOLDS):
        tables = {part: need(_data(root) / "splits" / _table(subset, fold, part), name, root) for part in PARTS}
        folds.append(split_of({part: list(_members(table, tracks)) for part, table in tables.items()}))
    return tracks, tuple(folds)


def _members(table: Path, tracks: dict[str, Row]) -> Iterator[str]:
    """Yield the ids of a table, and add its rows to the tracks."""
    for one, row in rows(table):
        if tracks.setdefault(one, row) != row:
            raise DataError(
                f"{table}: expected '{one}' to have the artist, path and tags that it has in another split, got {row}. "
                "The files are of two versions: fetch them again into an empty folder."
            )
        yield one


def _clip(one: str, row: Row, variant: str, root: Path, found: Encoding) -> Clip:
    path = root / found.folder / found.file(row.path)
    return Clip(one, path, targets=_targets(row, variant), group=row.artist)


def _targets(row: Row, variant: str) -> dict[str, Target]:
    targets: dict[str, Target] = {"tags": tuple(name for _, name in row.tags)}
    if variant == "all":
        for label in CATEGORIES.values():
            if own := tuple(name for category, name in row.tags if category == label):
                targets[label] = own
    return targets
