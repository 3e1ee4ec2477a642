"""MusicNet: 330 recordings of chamber music by 10 composers, with instrument and pitch of each note (Thickstun 2017).

`musicnet/train_data/1727.wav` is a recording, `train_labels/1727.csv` its notes: begin and end as numbers of samples,
the instrument as General MIDI's number, the pitch as MIDI's. `musicnet_metadata.csv` tells composer and composition. A
clip is a whole recording, its id the number; the labels are composer, ensemble, and the instruments that play a note.

Split `official`: the publisher's two folders, 320 recordings and 10. They have no valid part, so a tenth of train is
drawn. The wav2vec paper (seed 000) trains on all of it: as a corpus, the split means nothing.
"""

import re
from collections.abc import Mapping
from pathlib import Path

from earmark.datasets._listing import split_of
from earmark.datasets._named_rows import named_rows, numbered_rows
from earmark.datasets.base import Dataset, listed, need, refuse_variant
from earmark.errors import DataError
from earmark.nouns import Clip, DataCard, LabelCard, Source, SplitCard, Target

NAME = "musicnet"
ROLES = ("train", "test")
COLUMNS = ("id", "composer", "composition", "ensemble")
INSTRUMENTS = {
    "1": "piano",
    "7": "harpsichord",
    "41": "violin",
    "42": "viola",
    "43": "cello",
    "44": "contrabass",
    "61": "horn",
    "69": "oboe",
    "71": "bassoon",
    "72": "clarinet",
    "74": "flute",
}
RECORDING = re.compile(r"\d+")
FETCH = "Type: earmark get dataset musicnet"
RECORD = "https://zenodo.org/records/5120004/files"
API = "https://zenodo.org/api/records/5120004/files"
LICENCE = "CC-BY-4.0"

CARD = DataCard(
    title="MusicNet: 330 recordings of chamber music with every note",
    version="1.0",
    status="open",
    licence=LICENCE,
    redistributable=True,
    bibtex="""@inproceedings{thickstun2017learning,
  title = {Learning Features of Music from Scratch},
  author = {Thickstun, John and Harchaoui, Zaid and Kakade, Sham M.},
  booktitle = {International Conference on Learning Representations (ICLR)},
  year = {2017}
}""",
    homepage="https://zenodo.org/records/5120004",
    audio="WAV, 44.1 kHz, mono",
    n_clips=330,
    labels=(
        LabelCard("composer", "multiclass", 10, 330, "who wrote it"),
        LabelCard("ensemble", "multiclass", None, 330, "for what it is written, such as String Quartet"),
        LabelCard("instruments", "multilabel", 11, 330, "which of 11 instruments play a note"),
    ),
    splits=(
        SplitCard(
            "official",
            "the publisher's folders train_data and test_data; there is no valid part",
            sizes=((320, 0, 10),),
            used_by="Thickstun et al. 2017 test on three of the ten (2303, 1819, 2382)",
            leak="the ten are single recordings: other movements of the same composition may be in train",
        ),
    ),
    sources=(
        Source(
            f"{RECORD}/musicnet_metadata.csv",
            LICENCE,
            "md5:1caef62cee9c875235e62aac368b49d8",
            size_bytes=43_775,
            mirrors=(f"{API}/musicnet_metadata.csv/content",),
            holds="labels",
        ),
        Source(
            f"{RECORD}/musicnet.tar.gz",
            LICENCE,
            "md5:844764911fa0d5b97c97da944a057590",
            size_bytes=11_097_394_998,
            mirrors=(f"{API}/musicnet.tar.gz/content",),
            path="archives/musicnet.tar.gz",
            unpack_into=".",
        ),
    ),
    layout="Folders and columns: several public readers of the archive and of its notes, which agree (seconds are "
    "numbers of samples at 44.1 kHz; numbers of instruments count from 1). Names of the table's columns: public "
    "readers of it (id, composer, composition, ensemble). md5 and sizes: four public scripts that checked them. Hours: "
    "about 34 (seed 000), too coarse to hold a folder against.",
)
CARDS = {"": CARD}


def load(variant: str, root: Path) -> Dataset:
    """Return the recordings under `root`, or under `musicnet` in it, with `musicnet_metadata.csv` beside.

    Labels: composer, ensemble, instruments; the group is the composition. Raises MissingPart where the table or a
    folder is not there, DataError where table or notes are not as published.
    """
    refuse_variant(NAME, variant)
    table = need(root / "musicnet_metadata.csv", NAME, root)
    tree = root if (root / "train_data").is_dir() else root / NAME
    rows = _rows(table)
    parts: dict[str, list[str]] = {}
    clips = []
    for role in ROLES:
        notes = need(tree / f"{role}_labels", NAME, root)
        audio = need(tree / f"{role}_data", NAME, root)
        parts[role] = sorted(file.stem for file in notes.glob("*.csv") if RECORDING.fullmatch(file.stem))
        for one in parts[role]:
            if one not in rows:
                raise DataError(f"{table}: expected a row of '{one}', whose notes are in '{notes}'. {FETCH}")
            clips.append(_clip(one, rows[one], audio / f"{one}.wav", notes / f"{one}.csv"))
    return listed(NAME, CARD, root, clips, {"official": (split_of(parts),)})


def _rows(table: Path) -> Mapping[str, Mapping[str, str]]:
    """Return the rows of the table by recording."""
    rows = {}
    for line, row in numbered_rows(table, COLUMNS, FETCH):
        if not all(row[column] for column in COLUMNS):
            raise DataError(f"{table}:{line}: expected {', '.join(COLUMNS)}, got {', '.join(row.values())}. {FETCH}")
        rows[row["id"]] = row
    return rows


def _clip(one: str, row: Mapping[str, str], audio: Path, notes: Path) -> Clip:
    targets: dict[str, Target] = {
        "composer": row["composer"],
        "ensemble": row["ensemble"],
        "instruments": _instruments(notes),
    }
    return Clip(one, audio, targets=targets, group=f"{row['composer']}: {row['composition']}")


def _instruments(notes: Path) -> tuple[str, ...]:
    """Return the names of the instruments that play a note, in the order of their numbers."""
    heard = {row["instrument"] for row in named_rows(notes, ("instrument",), FETCH)}
    unknown = sorted(heard - INSTRUMENTS.keys())
    if unknown:
        raise DataError(f"{notes}: expected instruments {', '.join(INSTRUMENTS)}, got {', '.join(unknown)}. {FETCH}")
    return tuple(name for number, name in INSTRUMENTS.items() if number in heard)
