"""EmoMusic: 744 excerpts of 45 s of the Free Music Archive, rated for arousal and valence.

Read are `songs_info.csv` (song_id, Artist, Genre, "Mediaeval 2013 set", … with tabs around some cells) and
`static_annotations.csv` (song_id, mean_arousal, std_arousal, mean_valence, std_valence, from 1 to 9), one rating of a
whole excerpt; the ratings by time beside them are not read. The audio of song 3 is `clips_45seconds/3.mp3`.

Labels: `emotion`, the two numbers in the order (arousal, valence), and `arousal` and `valence` alone, as rated. Nothing
is scaled here: a probe learns them in standard deviations from the mean of its training clips (probes/target_scaling).
R² is the same either way. Differs from jukemir and MARBLE: theirs are scaled by train and valid together.

Split `castellon2021`: the "evaluation" set of MediaEval 2013 is the test; the others go to train or valid by their
artist: SHA-1 of the name in small letters a to z and single spaces, modulo 10, is 0 to 7 for train. Names that only
differ in other letters fall together, so they are one group too.
"""

import hashlib
import math
from collections.abc import Mapping
from pathlib import Path

from earmark.datasets._listing import nfc, split_of
from earmark.datasets._named_rows import numbered_rows
from earmark.datasets.base import Dataset, listed, need, refuse_variant
from earmark.errors import DataError
from earmark.nouns import Clip, DataCard, LabelCard, Source, SplitCard, Target

SONGS = ("song_id", "Artist", "Genre", "Mediaeval 2013 set")
RATINGS = ("song_id", "mean_arousal", "mean_valence")
SETS = ("development", "evaluation")
SCALE = (1.0, 9.0)
FETCH = "Type: earmark get dataset emomusic --only labels"
HOST = "http://cvml.unige.ch/databases/emoMusic"
BIBTEX = """@inproceedings{soleymani2013emotional,
  title = {1000 Songs for Emotional Analysis of Music},
  author = {Soleymani, Mohammad and Caro, Micheal N. and Schmidt, Erik M. and Sha, Cheng-Ya and Yang, Yi-Hsuan},
  booktitle = {Proceedings of the 2nd ACM International Workshop on Crowdsourcing for Multimedia (CrowdMM)},
  pages = {1--6},
  year = {2013}
}"""

CARD = DataCard(
    title="EmoMusic: arousal and valence of 744 excerpts",
    version="2013",
    status="open",
    licence="unknown for the annotations; the songs are of the Free Music Archive, each under its own licence",
    bibtex=BIBTEX,
    homepage="https://cvml.unige.ch/databases/emoMusic/",
    audio="MP3, 44.1 kHz, 45 s",
    n_clips=744,
    hours=9.3,
    labels=(
        LabelCard("emotion", "regression", None, 744, "mean arousal and mean valence, from 1 to 9, in that order"),
        LabelCard("arousal", "regression", None, 744, "mean rating, from 1 to 9"),
        LabelCard("valence", "regression", None, 744, "mean rating, from 1 to 9"),
        LabelCard("genre", "multiclass", None, None, "of the Free Music Archive"),
    ),
    splits=(
        SplitCard(
            "castellon2021",
            "test: the evaluation set of MediaEval 2013, 125 songs. Train and valid: the 619 others by a hash of the "
            "artist, eight to two (Castellon, Donahue, Liang 2021: p-lambda/jukemir)",
            sizes=((504, 115, 125),),
            used_by="jukemir, MULE, MARBLE",
            leak="train and valid share no artist; whether the test, which MediaEval chose, shares some with them is "
            "not known to us",
        ),
    ),
    sources=(
        Source(
            f"{HOST}/annotations.tar.gz",
            "unknown",
            "sha256:e0cb0b06e1b0ce7f04b1572fc410937699b7fad9dae67ddaa745f06cda4b0b33",
            BIBTEX,
            holds="labels",
            path="archives/annotations.tar.gz",
            unpack_into="annotations",
        ),
        Source(
            f"{HOST}/clips_45sec.tar.gz",
            "each song its own licence",
            "sha256:3994a5d5fefc27f9540d1a69cd7f1294c68e6cb311ce49765021e2e9c7a1057b",
            BIBTEX,
            holds="audio",
            path="archives/clips_45sec.tar.gz",
            unpack_into=".",
        ),
    ),
    layout="p-lambda/jukemir, jukemir/datasets and assets/emomusic.json (files, columns, the split's rule, sha256); "
    "other public readers for the order of columns and the tabs; counts and rate: the publisher's page. Sizes of the "
    "parts: jukemir/datasets/test.py; those of the archives were not found. Hours: 744 times 45 s.",
)
CARDS = {"": CARD}


def load(variant: str, root: Path) -> Dataset:
    """Return the songs under `root`: the tables in `annotations` and `clips_45seconds/3.mp3`; ids are song numbers.

    The tables may also lie in `root`, the audio in `clips_45sec/clips_45seconds`. Raises MissingPart where a table or
    the audio is not there, DataError for a table that is not as published.
    """
    refuse_variant("emomusic", variant)
    songs = _rows(_table("songs_info.csv", root), SONGS)
    ratings = _rows(_table("static_annotations.csv", root), RATINGS)
    audio = _audio(root)
    clips = []
    parts: dict[str, list[str]] = {"train": [], "valid": [], "test": []}
    for song, row in songs.items():
        if song not in ratings:
            raise DataError(f"Song {song} of songs_info.csv has no row in static_annotations.csv. {FETCH}")
        artist = nfc(plain_artist(row["Artist"]) or row["Artist"])
        clips.append(Clip(song, audio / f"{song}.mp3", targets=_targets(ratings[song], row["Genre"]), group=artist))
        parts["test" if row["Mediaeval 2013 set"] == "evaluation" else part_of(row["Artist"])].append(song)
    return listed("emomusic", CARD, root, clips, {"castellon2021": (split_of(parts),)})


def plain_artist(name: str) -> str:
    """Return an artist's name in small letters of ASCII, with single spaces and nothing else."""
    kept = (letter for letter in name.lower() if letter.isascii() and (letter.isalpha() or letter.isspace()))
    return " ".join("".join(kept).split())


def part_of(artist: str) -> str:
    """Return the part, train or valid, that a song of MediaEval's development set goes to by its artist."""
    digest = hashlib.sha1(plain_artist(artist).encode(), usedforsecurity=False).hexdigest()
    return "train" if int(digest, 16) % 10 < 8 else "valid"


def _table(name: str, root: Path) -> Path:
    beside = root / name
    return beside if beside.is_file() else need(root / "annotations" / name, "emomusic", root)


def _audio(root: Path) -> Path:
    places = (root / "clips_45seconds", root / "clips_45sec" / "clips_45seconds")
    return next((place for place in places if place.is_dir()), None) or need(places[0], "emomusic", root)


def _rows(table: Path, columns: tuple[str, ...]) -> Mapping[str, Mapping[str, str]]:
    """Return the rows of a table by song number."""
    rows: dict[str, Mapping[str, str]] = {}
    for line, row in numbered_rows(table, columns, FETCH):
        song = row["song_id"]
        if not song.isdecimal() or song in rows or not _is_sound(row):
            raise DataError(
                f"{table}:{line}: expected a song number that comes once, ratings from 1 to 9 or a set of "
                f"{' or '.join(SETS)}, got {', '.join(row.values())}. {FETCH}"
            )
        rows[song] = row
    return rows


def _is_sound(row: Mapping[str, str]) -> bool:
    """Say whether the cells that mean something hold what they may hold."""
    ratings = [row[name] for name in RATINGS[1:] if name in row]
    return row.get(SONGS[-1], SETS[0]) in SETS and all(SCALE[0] <= _number(text) <= SCALE[1] for text in ratings)


def _number(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        return math.nan


def _targets(ratings: Mapping[str, str], genre: str) -> dict[str, Target]:
    arousal, valence = float(ratings["mean_arousal"]), float(ratings["mean_valence"])
    targets: dict[str, Target] = {"emotion": (arousal, valence), "arousal": arousal, "valence": valence}
    return {**targets, "genre": nfc(genre)} if genre else targets
