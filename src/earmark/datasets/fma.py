"""FMA: 106,574 tracks of the Free Music Archive, with the genres that their artists chose (Defferrard et al. 2017).

Variants: `small` (8,000 half minutes, eight genres alike; the plain name), `medium` (25,000, 16 genres), `large` (all,
half a minute from the middle) and `full` (all, whole). Labels: `genre`, the one top genre that a track has in small and
medium and half of all have elsewhere, and `genres`, every genre with those above it, of 161. A clip's id is its track's
number as published ("000002"); the group is the artist, of whom the official split parts none.

`fma_metadata/tracks.csv` has a head of two lines, one over the other (set / split, track / genre_top, artist / id), and
a third that names the first column. A track belongs to the subset it names and to every larger one.

Left out of small, medium and large are excerpts without audio: each was cut from `reported length // 2 - 15` seconds
on, and where the reported length was wrong that is past the track's end. Five excerpts that begin where their tracks
end, give or take six seconds (98565 to 98569), are heard as long as they last.
"""

import csv
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

from earmark.datasets._listing import ROLES, split_of
from earmark.datasets._named_rows import named_rows
from earmark.datasets.base import Dataset, listed, need
from earmark.errors import DataError, UnknownName
from earmark.nouns import Clip, DataCard, LabelCard, Source, SplitCard, Target

NAME = "fma"
SUBSETS = ("small", "medium", "large")
FETCH = "Type: earmark get dataset fma --only labels"
HOST = "https://os.unil.cloud.switch.ch/fma"
NUMBERS = re.compile(r"\d+")
COLUMNS = {
    "split": ("set", "split"),
    "subset": ("set", "subset"),
    "artist": ("artist", "id"),
    "genre": ("track", "genre_top"),
    "genres": ("track", "genres_all"),
}
# Reported and real length in seconds (mdeff/fma, issue 8) of tracks whose excerpt would begin past their end.
WRONG_LENGTHS = {
    "001486": (90, 14.39),
    "005574": (563, 30.46),
    "065753": (242, 9.74),
    "080391": (600, 67.84),
    "098558": (216, 87.67),
    "098559": (193, 58.80),
    "098560": (341, 86.13),
    "098571": (139, 50.81),
    "099134": (308, 33.25),
    "105247": (123, 18.91),
    "108925": (151, 7.44),
    "126981": (216, 17.45),
    "127336": (275, 13.27),
    "133297": (600, 113.58),
    "143992": (211, 26.23),
}
BAD = {
    one: f"no audio: cut from {reported // 2 - 15} s on, of {real} s (its length was reported as {reported})"
    for one, (reported, real) in WRONG_LENGTHS.items()
}

BIBTEX = """@inproceedings{defferrard2017fma,
  title = {{FMA}: A Dataset for Music Analysis},
  author = {Defferrard, Micha{\\"e}l and Benzi, Kirell and Vandergheynst, Pierre and Bresson, Xavier},
  booktitle = {18th International Society for Music Information Retrieval Conference (ISMIR)},
  year = {2017}
}"""
LAYOUT = (
    "README (counts, sha1), utils.py and creation.py (columns, places, how excerpts were cut) of mdeff/fma; "
    "genres.csv: its head in public readers. Wrong lengths: its issue 8; issue 44 names three of them as without "
    "audio. Of tracks that some decoders refuse (issue 49), the publisher found the files in order. "
    "Parts of medium: a public copy of the output of usage.ipynb. How many of the 15 excerpts without audio are in "
    "medium is not known, nor the sizes of the other parts."
)


class Archive(NamedTuple):
    """What a variant's archive holds: what it is, genres of one kind and of all, tracks that can be heard, sha1."""

    what: str
    n_top: int
    n_clips: int | None
    sha1: str


ARCHIVES = {
    "small": Archive("8,000 half minutes of 8 genres", 8, 7_997, "ade154f733639d52e35e32f5593efe5be76c6d70"),
    "medium": Archive("25,000 half minutes of 16 genres", 16, None, "c67b69ea232021025fca9231fc1c7c1a063ab50b"),
    "large": Archive("106,574 half minutes of 161 genres", 16, None, "497109f4dd721066b5ce5e5f250ec604dc78939e"),
    "full": Archive("106,574 whole tracks of 161 genres", 16, 106_574, "0f0ace23fbe9ba30ecb7e95f763e435ea802b8ab"),
}


def _sources(variant: str) -> tuple[Source, ...]:
    return (
        Source(
            f"{HOST}/fma_metadata.zip",
            "CC-BY-4.0",
            "sha1:f0df49ffe5f2a6008d7dc83c6915b31835dfe733",
            holds="labels",
            path="archives/fma_metadata.zip",
            unpack_into=".",
        ),
        Source(
            f"{HOST}/fma_{variant}.zip",
            "each track its artist's own",
            f"sha1:{ARCHIVES[variant].sha1}",
            holds="audio",
            path=f"archives/fma_{variant}.zip",
            unpack_into=".",
        ),
    )


def _card(variant: str) -> DataCard:
    archive = ARCHIVES[variant]
    every = variant in ("large", "full")
    return DataCard(
        title=f"FMA: {archive.what}",
        version="2017-05-09",
        status="open",
        licence="each track its artist's own Creative Commons licence; metadata CC-BY-4.0",
        redistributable=True,
        bibtex=BIBTEX,
        homepage="https://github.com/mdeff/fma",
        audio=f"MP3, mostly 44.1 kHz stereo, {'whole tracks' if variant == 'full' else '30 s from the middle'}",
        n_clips=archive.n_clips,
        labels=(
            LabelCard("genre", "multiclass", archive.n_top, None if every else archive.n_clips, "the one top genre"),
            LabelCard("genres", "multilabel", 161 if every else None, archive.n_clips, "genres and those above them"),
        ),
        splits=(
            SplitCard(
                "official",
                "Defferrard et al. 2017 (column set / split of tracks.csv): 80-10-10, stratified by genre, no artist "
                "in two parts. Of medium: 19,922, 2,505 and 2,573, the excerpts without audio among them",
                used_by="Defferrard et al. 2017",
            ),
        ),
        bad={} if variant == "full" else BAD,
        sources=_sources(variant),
        instructions="7.2, 22, 93 and 879 GiB of audio. Where an archive cannot be unpacked, unpack it by 7zip.",
        layout=LAYOUT,
    )


CARDS: dict[str, DataCard] = {"": _card("small"), **{variant: _card(variant) for variant in ARCHIVES}}


def load(variant: str, root: Path) -> Dataset:
    """Return the tracks of a variant under `root`, which holds `fma_metadata` and `fma_small` (or another).

    Labels: genre (one, where a track has one), genres. Raises MissingPart where metadata or audio are not there,
    DataError for tables that are not as published, UnknownName for a variant.
    """
    if variant not in CARDS:
        raise UnknownName("dataset", f"{NAME}:{variant}", (f"{NAME}:{one}" for one in ARCHIVES))
    chosen = variant or "small"
    name = f"{NAME}:{chosen}"
    titles = _titles(need(root / "fma_metadata" / "genres.csv", name, root))
    tracks = need(root / "fma_metadata" / "tracks.csv", name, root)
    audio = need(root / f"fma_{chosen}", name, root)
    wanted = {*SUBSETS[: SUBSETS.index(chosen) + 1]} if chosen in SUBSETS else {*SUBSETS}
    clips: list[Clip] = []
    parts: dict[str, list[str]] = {}
    for number, row in _rows(tracks):
        if row["subset"] not in wanted:
            continue
        parts.setdefault(ROLES[row["split"]], []).append(number)
        path = audio / number[:3] / f"{number}.mp3"
        clips.append(Clip(number, path, targets=_targets(row, titles, tracks), group=row["artist"]))
    return listed(name, CARDS[variant], root, clips, {"official": (split_of(parts),)})


def _rows(table: Path) -> Iterator[tuple[str, Mapping[str, str]]]:
    """Yield the number and the cells of each track. The table is large, so it is read line by line."""
    try:
        with table.open(encoding="utf-8-sig", newline="") as file:
            reader = csv.reader(file)
            heads = list(zip(next(reader, []), next(reader, []), strict=False))
            missing = [" / ".join(head) for head in COLUMNS.values() if head not in heads]
            if missing:
                raise DataError(f"{table}: expected a head of two lines; it lacks {', '.join(missing)}. {FETCH}")
            places = {name: heads.index(head) for name, head in COLUMNS.items()}
            next(reader, None)
            for cells in filter(None, reader):
                row = {name: cells[place] for name, place in places.items() if place < len(cells)}
                if len(row) < len(places) or not cells[0].isdecimal() or row["subset"] not in SUBSETS:
                    raise DataError(
                        f"{table}:{reader.line_num}: expected a track of a subset, got {cells[:3]}. {FETCH}"
                    )
                if row["split"] not in ROLES:
                    raise DataError(f"{table}:{reader.line_num}: expected a split, got '{row['split']}'. {FETCH}")
                yield f"{int(cells[0]):06d}", row
    except (UnicodeDecodeError, csv.Error) as error:
        raise DataError(f"{table}: expected a table of UTF-8 text, but: {error}. {FETCH}") from error


def _titles(table: Path) -> Mapping[str, str]:
    """Return the title of each genre by its number."""
    return {row["genre_id"]: row["title"] for row in named_rows(table, ("genre_id", "title"), FETCH)}


def _targets(row: Mapping[str, str], titles: Mapping[str, str], table: Path) -> dict[str, Target]:
    numbers = NUMBERS.findall(row["genres"])
    unknown = [one for one in numbers if one not in titles]
    if unknown:
        raise DataError(f"{table}: expected genres of genres.csv, got {', '.join(unknown)}. {FETCH}")
    genres = tuple(titles[one] for one in numbers)
    return {"genres": genres, **({"genre": row["genre"]} if row["genre"] else {})}
