"""Million Song Dataset: tags of Last.fm on previews of its tracks, in the five sets that papers score.

Variants: `msds` (the plain name), the 50 tags and the split of Lee et al. 2017 after Choi et al. 2016; `msd50`,
`msd100` and `msd500`, the cleaned tags of Won et al. 2021 (multimodal metric learning), no artist in two parts; `cals`,
Won, Choi and Serra 2021, 50 cleaned tags, stratified by artist. The label is `tags`, spelt as published. A clip's id is
its track's ("TRAADIN128F931D672"); where its preview lies, `_msd` says.

`msds` is a published list cut in two: its first 201,680 ids are train, the rest valid. Artists straddle its parts.
Differs from MULE (seed 004) for msd500: no file of a split of it is known to us, so it has that of `cals`, which is one
of artists too, and of which a part of its tracks is.
"""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from earmark.datasets import _arrays, _msd
from earmark.datasets._listing import ROLES, numbered_lines, split_of, table_rows
from earmark.datasets._named_rows import named_rows
from earmark.datasets.base import Dataset, listed, need
from earmark.errors import DataError, UnknownName
from earmark.nouns import DataCard, LabelCard, Source, SplitCard

NAME = "msd"
N_TRAIN = 201_680
FETCH = "Fetch the labels again."
PARTS = ("train", "valid", "test")
LISTS, WON, MSD500, CALS = "lastfm_annotation", "reproducible_splits", "msd500_annotation", "cals_annotation"
ARCHIVE = Source(
    "https://zenodo.org/record/7107130/files/dataset.tar.gz",
    "unknown",
    holds="labels",
    path="archives/dataset.tar.gz",
    unpack_into=".",
)
DRIVE = (
    "reproducible_splits.tar.gz in the Google Drive folder that the README of minzwon/tag-based-music-retrieval names"
)

LAYOUT = (
    "Lists and tags of msds: README and loader of minzwon/sota-music-tagging-models (split/msd), its "
    "50tagList.txt and filtered_list_test.cP. msd50 and msd100: preprocess/ and train/data_loader.py of "
    "minzwon/tag-based-music-retrieval. cals: src/data_loader.py of minzwon/semi-supervised-music-tagging-"
    "transformer. msd500, and the folders of the archive: readme and preprocessing of seungheondoh/msd-subsets. "
    "Artists: the same (track_metadata.db, table songs). How many tracks msd100 (seed 004: 115k) and msd500 (156k) "
    "have is not known exactly, nor a checksum of the archive. Tracks that some copies cannot read are listed in "
    "that loader (54) and in keunwoochoi/MSD_split_for_tagging: faults of a copy, not of the set, so none is left "
    "out here."
)


class Tagged(NamedTuple):
    """The tags of each track, and the tracks of each part of the split of that name."""

    tags: Mapping[str, tuple[str, ...]]
    split: str
    parts: Mapping[str, Sequence[str]]


def _card(
    variant: str, version: str, what: str, n_classes: int, n_clips: int | None, split: SplitCard, source: str = ""
) -> DataCard:
    get = f"Type: earmark get dataset {NAME}:{variant} --only labels" if not source else f"The labels are {source}"
    return DataCard(
        title=f"Million Song Dataset: {what}",
        version=version,
        status="dead link: bring your own",
        licence="unknown: previews of commercial recordings; tags of Last.fm for research",
        bibtex=_msd.BIBTEX,
        homepage="http://millionsongdataset.com",
        audio="MP3, previews of 30 to 60 s, of 22.05 and 44.1 kHz and about 104 kbps (Bogdanov et al. 2019)",
        n_clips=n_clips,
        labels=(LabelCard("tags", "multilabel", n_classes, n_clips, what),),
        splits=(split,),
        sources=() if source else (ARCHIVE,),
        instructions=f"{get}. {_msd.BRING}",
        layout=LAYOUT,
    )


MSDS = _card(
    "msds",
    "2017",
    "the 50 tags that most tracks have",
    50,
    241_889,
    SplitCard(
        "lee2017",
        "Lee and Nam 2017 (jongpillee/music_dataset_split, MSD_split), after Choi et al. 2016 "
        "(keunwoochoi/MSD_split_for_tagging), without previews shorter than 29.1 s; sizes: README of the lists, CLMR "
        "issue 20",
        sizes=((201_680, 11_774, 28_435),),
        used_by="MULE (MSDS), musicnn, CLMR, Won et al. 2020",
        leak="Artists are in several parts (Won, Choi and Serra 2021).",
    ),
)
WON_2021 = (
    "Won et al. 2021 (Multimodal metric learning for tag-based music retrieval): artists drawn 70-15-15 until each tag "
    "has enough tracks in each part"
)
CARDS: dict[str, DataCard] = {
    "": MSDS,
    "msds": MSDS,
    "msd50": _card(
        "msd50", "2021", "50 cleaned tags", 50, 35_745, SplitCard("won2021", WON_2021, used_by="MULE (MSD50)"), DRIVE
    ),
    "msd100": _card(
        "msd100", "2021", "100 cleaned tags", 100, None, SplitCard("won2021", WON_2021, used_by="MULE (MSD100)"), DRIVE
    ),
    "msd500": _card(
        "msd500",
        "2021",
        "500 cleaned tags of genre, mood, instrument, place, language, time and use",
        500,
        None,
        SplitCard("cals", "Won, Choi and Serra 2021, the tracks of `cals` that have one of the 500 tags"),
    ),
    "cals": _card(
        "cals",
        "2021",
        "50 cleaned tags, parts stratified by artist",
        50,
        233_147,
        SplitCard(
            "cals",
            "Won, Choi and Serra 2021 (Semi-supervised music tagging transformer): no artist in two parts",
            sizes=((163_504, 34_730, 34_913),),
            used_by="Won, Choi and Serra 2021; Doh et al. 2023 (eCALS, more tags)",
        ),
    ),
}


def load(variant: str, root: Path) -> Dataset:
    """Return the tracks of a variant under `root`, which holds audio and the publishers' folders of labels.

    The folders may also lie in `dataset`, as the archive has them. Groups are artists where `track_metadata.db` of the
    Million Song Dataset is there. Raises MissingPart where labels or audio are not there, DataError for labels that are
    not as published, UnknownName for a variant.
    """
    if variant not in CARDS:
        raise UnknownName("dataset", f"{NAME}:{variant}", (f"{NAME}:{one}" for one in READERS))
    name = f"{NAME}:{variant or 'msds'}"
    tagged = READERS[variant or "msds"](root, name)
    targets = {track: {"tags": tags} for track, tags in tagged.tags.items()}
    clips, notes = _msd.clips(targets, _msd.artists(root, targets), root, name)
    idle = len(targets.keys() - {track for part in tagged.parts.values() for track in part})
    notes += [f"{idle} of {len(targets)} tracks in no part of split '{tagged.split}', so not used"] if idle else []
    return listed(name, CARDS[variant], root, clips, {tagged.split: (split_of(tagged.parts),)}, notes)


def _msds(root: Path, name: str) -> Tagged:
    folder = _folder(root, LISTS)
    names = [line for _, line in numbered_lines(need(folder / "50tagList.txt", name, root), FETCH)]
    train, test = (_tracks(need(folder / f"filtered_list_{part}.cP", name, root)) for part in ("train", "test"))
    file = need(folder / "msd_id_to_tag_vector.cP", name, root)
    vectors = _arrays.pickled(file, FETCH)
    if not isinstance(vectors, dict):
        raise DataError(f"{file}: expected a vector of tags by track, got {type(vectors).__name__}. {FETCH}")
    tags = {}
    for track in (*train, *test):
        vector = vectors.get(track)
        if not isinstance(vector, np.ndarray) or vector.size != len(names):
            got = f"{vector.size}" if isinstance(vector, np.ndarray) else repr(vector)
            raise DataError(f"{file}: expected {len(names)} numbers of '{track}', got {got}. {FETCH}")
        tags[track] = _named(vector.ravel(), names)
    return Tagged(tags, "lee2017", {"train": train[:N_TRAIN], "valid": train[N_TRAIN:], "test": test})


def _won(prefix: str) -> Callable[[Path, str], Tagged]:
    """Return the reader of the files with that prefix: ids are "row//track", rows those of the table of tags."""

    def read(root: Path, name: str) -> Tagged:
        folder = _folder(root, WON)
        names = _words(need(folder / f"{prefix}tags.npy", name, root))
        file = need(folder / f"{prefix}binaries.npy", name, root)
        table = _table(file, len(names))
        tags: dict[str, tuple[str, ...]] = {}
        parts: dict[str, list[str]] = {}
        for part in PARTS:
            ids = _words(need(folder / f"{prefix}{part}_ids.npy", name, root))
            numbered = [one.partition("//")[::2] for one in ids]
            wrong = [f"{row}//{track}" for row, track in numbered if not row.isdecimal() or int(row) >= len(table)]
            if wrong:
                raise DataError(f"{file}: expected {len(table)} rows to hold every id, got '{wrong[0]}'. {FETCH}")
            parts[part] = _checked([track for _, track in numbered], file)
            tags |= {track: _named(table[int(row)], names) for row, track in numbered}
        return Tagged(tags, "won2021", parts)

    return read


def _cals(root: Path, name: str) -> Tagged:
    folder = _folder(root, CALS)
    names = _words(need(folder / "cals_tags.npy", name, root))
    tags: dict[str, tuple[str, ...]] = {}
    parts: dict[str, list[str]] = {}
    for part in PARTS:
        file = need(folder / f"{part}_ids.npy", name, root)
        parts[part] = _checked(_words(file), file)
        table = _table(need(folder / f"{part}_binaries.npy", name, root), len(names))
        if len(table) != len(parts[part]):
            raise DataError(f"{file}: expected an id for each of {len(table)} rows, got {len(parts[part])}. {FETCH}")
        tags |= {track: _named(row, names) for track, row in zip(parts[part], table, strict=True)}
    return Tagged(tags, "cals", parts)


def _msd500(root: Path, name: str) -> Tagged:
    """Read rows of track, tag as given, tag as cleaned, its category and score, without a head."""
    folder = _folder(root, MSD500)
    chosen = {row[0] for _, row in table_rows(need(folder / "selected_tags.tsv", name, root), "\t", FETCH)}
    file = need(folder / "track_tags.tsv", name, root)
    found: dict[str, list[str]] = {}
    for line, row in table_rows(file, "\t", FETCH):
        if len(row) != 5 or not _msd.TRACK.fullmatch(row[0]):
            raise DataError(f"{file}:{line}: expected track, tag, cleaned tag, category, score, got {row}. {FETCH}")
        if row[2] in chosen:
            found.setdefault(row[0], []).append(row[2])
    parts: dict[str, list[str]] = {}
    splits = need(_folder(root, CALS) / "msd_splits.tsv", name, root)
    for listed_row in named_rows(splits, ("clip_ids", "splits"), FETCH, "\t"):
        track, part = listed_row["clip_ids"], listed_row["splits"].lower()
        if track in found and part in ROLES:
            parts.setdefault(ROLES[part], []).append(track)
    return Tagged({one: tuple(sorted(set(tags))) for one, tags in found.items()}, "cals", parts)


READERS: dict[str, Callable[[Path, str], Tagged]] = {
    "msds": _msds,
    "msd50": _won("sub_"),
    "msd100": _won(""),
    "msd500": _msd500,
    "cals": _cals,
}


def _folder(root: Path, name: str) -> Path:
    inside = root / "dataset" / name
    return inside if inside.is_dir() else root / name


def _tracks(file: Path) -> list[str]:
    found = _arrays.pickled(file, FETCH)
    return _checked([str(one) for one in found] if isinstance(found, list) else [str(found)[:40]], file)


def _checked(tracks: list[str], file: Path) -> list[str]:
    wrong = next((one for one in tracks if not _msd.TRACK.fullmatch(one)), None)
    if wrong is not None:
        raise DataError(f"{file}: expected track ids such as TRAADIN128F931D672, got '{wrong}'. {FETCH}")
    return tracks


def _words(file: Path) -> list[str]:
    found = _arrays.array(file, FETCH)
    return [one.decode() if isinstance(one, bytes) else str(one) for one in found.ravel().tolist()]


def _table(file: Path, n_classes: int) -> np.ndarray:
    found = _arrays.array(file, FETCH)
    if found.ndim != 2 or found.shape[1] != n_classes:
        raise DataError(f"{file}: expected a row of {n_classes} tags for each track, got {found.shape}. {FETCH}")
    return found


def _named(row: np.ndarray, names: Sequence[str]) -> tuple[str, ...]:
    return tuple(name for name, is_it in zip(names, row, strict=True) if is_it)
