"""All Music Moods: 188 moods of AllMusic for albums, on 66,993 tracks of the Million Song Dataset (Korzeniowski 2020).

`data/metadata.csv` has a row for each track, `data/moods.txt` the moods, `data/train_idx.npy`, `val_idx.npy` and
`test_idx.npy` the rows of each part. The moods of a track are AllMusic's own and were never published: whoever has them
puts them there as `data/mood_target.npy`, a row of 188 zeros and ones for each row of the table, as the authors' code
reads them. The label is `moods`; a clip's id is its track's; the group is the artist. Where previews lie, `_msd` says.
"""

import itertools
from collections.abc import Sequence
from pathlib import Path

from earmark.datasets import _arrays, _msd
from earmark.datasets._listing import numbered_lines, split_of
from earmark.datasets._named_rows import numbered_rows
from earmark.datasets.base import Dataset, listed, need, refuse_variant
from earmark.errors import DataError, MissingPart
from earmark.nouns import DataCard, LabelCard, Source, SplitCard

NAME = "all-music-moods"
COLUMNS = ("track_id", "artist_id")
PARTS = {"train": "train", "valid": "val", "test": "test"}
FETCH = f"Type: earmark get dataset {NAME} --only labels"
COMMIT = "c6cca7ac0e62b60f9aa815d5e8c69aa2a74dcd8b"
PLAIN = f"https://raw.githubusercontent.com/fdlm/listening-moods/{COMMIT}/data"
LARGE = f"https://media.githubusercontent.com/media/fdlm/listening-moods/{COMMIT}/data"  # kept by git lfs
TARGETS = "mood_target.npy"
BRING = (
    f"The moods of the tracks are AllMusic's and were never published: bring them as data/{TARGETS}, a row of zeros "
    "and ones in the order of data/moods.txt for each row of data/metadata.csv."
)
INDICES = {
    "train": ("6b806f81e8f10b5f03971078bc3393340388e663fa0eb57b4813c5ddd081863e", 428_808),
    "valid": ("6d448d63e9c7851a1a32f25f5d05f7d1d5a3c8025a837f124e69b91072b6028f", 53_688),
    "test": ("aff0f3dbaf58d823c67b0b7461c495ee06061855f3ab5d4d61bfaf196eabf246", 53_832),
}

CARD = DataCard(
    title="All Music Moods: 188 moods, on tracks of the Million Song Dataset",
    version="2020",
    status="dead link: bring your own",
    licence="unknown: moods of AllMusic, which may not be passed on; audio: commercial recordings",
    bibtex="""@inproceedings{korzeniowski2020mood,
  title = {Mood Classification Using Listening Data},
  author = {Korzeniowski, Filip and Nieto, Oriol and McCallum, Matthew C. and Won, Minz and Oramas, Sergio and
    Schmidt, Erik M.},
  booktitle = {Proceedings of the 21st International Society for Music Information Retrieval Conference (ISMIR)},
  year = {2020}
}""",
    homepage="https://github.com/fdlm/listening-moods",
    audio="MP3, previews of 30 to 60 s",
    n_clips=66_993,
    labels=(LabelCard("moods", "multilabel", 188, 66_993, "moods of the track's album, by AllMusic's editors"),),
    splits=(
        SplitCard(
            "artists",
            "Korzeniowski et al. 2020 (fdlm/listening-moods): no artist in two parts, as MULE's paper says of it",
            sizes=((53_585, 6_695, 6_713),),
            used_by="MULE (AMM), Korzeniowski et al. 2020",
        ),
    ),
    sources=(
        *(
            Source(f"{PLAIN}/{file}", "unknown", holds="labels", path=f"data/{file}")
            for file in ("metadata.csv", "moods.txt")
        ),
        *(
            Source(
                f"{LARGE}/{PARTS[role]}_idx.npy",
                "unknown",
                f"sha256:{sha256}",
                size_bytes=size,
                holds="labels",
                path=f"data/{PARTS[role]}_idx.npy",
            )
            for role, (sha256, size) in INDICES.items()
        ),
    ),
    instructions=f"{FETCH} (if that host is over its quota: the Google Drive file that the repository's README names). "
    f"{BRING} {_msd.BRING}",
    layout="README, run.py, moods.txt and the git lfs pointers (sha256, sizes) of fdlm/listening-moods; counts: those "
    "sizes, less 128 bytes of a head, by 8 bytes a number, which add up to MULE's 67k. metadata.csv was not seen: that "
    "its columns are called track_id and artist_id is taken from the README's words and from song_id and track_name, "
    "by which a public script reads it.",
)
CARDS = {"": CARD}


def load(variant: str, root: Path) -> Dataset:
    """Return the tracks under `root`: `data` as in the repository, with the moods that you bring, and audio.

    Raises MissingPart where labels, moods or audio are not there, DataError for files that are not as published.
    """
    refuse_variant(NAME, variant)
    data = root / "data"
    rows = _rows(need(data / "metadata.csv", NAME, root))
    moods = [line for _, line in numbered_lines(need(data / "moods.txt", NAME, root), FETCH)]
    indices = {role: _indices(need(data / f"{part}_idx.npy", NAME, root), len(rows)) for role, part in PARTS.items()}
    targets = {
        track: {"moods": its} for (track, _), its in zip(rows, _moods(data / TARGETS, len(rows), moods), strict=True)
    }
    clips, notes = _msd.clips(targets, dict(rows), root, NAME)
    parts = {role: [rows[index][0] for index in found] for role, found in indices.items()}
    return listed(NAME, CARD, root, clips, {"artists": (split_of(parts),)}, notes)


def _rows(table: Path) -> list[tuple[str, str]]:
    """Return the track and the artist of each row."""
    found = []
    for line, row in numbered_rows(table, COLUMNS, FETCH):
        if not _msd.TRACK.fullmatch(row["track_id"]):
            raise DataError(
                f"{table}:{line}: expected a track such as TRAADIN128F931D672, got '{row['track_id']}'. {FETCH}"
            )
        found.append((row["track_id"], row["artist_id"]))
    twice = len(found) - len({one for one, _ in found})
    if twice:
        raise DataError(f"{table}: expected a row for each track, got {twice} that repeat one. {FETCH}")
    return found


def _moods(file: Path, n_rows: int, names: Sequence[str]) -> list[tuple[str, ...]]:
    if not file.is_file():
        raise MissingPart(f"Dataset '{NAME}' lacks '{file}'. {BRING}")
    found = _arrays.array(file, BRING)
    if found.shape != (n_rows, len(names)):
        raise DataError(f"{file}: expected {n_rows} rows of {len(names)} moods, got {found.shape}. {BRING}")
    return [tuple(itertools.compress(names, row)) for row in found.astype(bool).tolist()]


def _indices(file: Path, n_rows: int) -> list[int]:
    found = _arrays.array(file, FETCH)
    if found.ndim != 1 or found.dtype.kind not in "iu" or not ((found >= 0) & (found < n_rows)).all():
        raise DataError(f"{file}: expected numbers of {n_rows} rows, got {found.dtype} {found.shape}. {FETCH}")
    return [int(one) for one in found]
