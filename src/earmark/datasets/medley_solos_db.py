"""Medley-solos-DB 1.2: 3-second solos of eight instruments, trained on MedleyDB and tested on solosDB.

A row of `Medley-solos-DB_metadata.csv` is a clip: subset, instrument, instrument_id, song_id, uuid4. Its file is
`Medley-solos-DB_{subset}-{instrument_id}_{uuid4}.wav`; copies in which every name ends with ".wav.wav" are about, and
are read too. The id is the uuid4, the `group` the song that a clip was cut from.
"""

from collections.abc import Mapping
from pathlib import Path

from earmark.datasets._listing import split_of
from earmark.datasets._named_rows import named_rows
from earmark.datasets.base import Dataset, listed, need, refuse_variant
from earmark.errors import DataError
from earmark.nouns import Clip, DataCard, LabelCard, Source, SplitCard

NAME = "medley-solos-db"
TABLE = "Medley-solos-DB_metadata.csv"
COLUMNS = ("subset", "instrument", "instrument_id", "song_id", "uuid4")
ROLES = {"training": "train", "validation": "valid", "test": "test"}
FETCH = f"Type: earmark get dataset {NAME} --only labels"
RECORD = "https://zenodo.org/record/3464194/files"
LICENCE = "CC-BY-4.0"

CARD = DataCard(
    title="Medley-solos-DB: solos of eight instruments out of two collections",
    version="1.2",
    status="open",
    licence=LICENCE,
    redistributable=True,
    bibtex="""@inproceedings{lostanlen2016deep,
  title = {Deep convolutional networks on the pitch spiral for musical instrument recognition},
  author = {Lostanlen, Vincent and Cella, Carmine-Emanuele},
  booktitle = {Proceedings of the International Society for Music Information Retrieval Conference (ISMIR)},
  year = {2016},
  note = {Data: doi 10.5281/zenodo.3464194}
}""",
    homepage="https://zenodo.org/records/3464194",
    audio="WAV, 44.1 kHz, mono, 3 s",
    n_clips=21_571,
    labels=(LabelCard("instrument", "multiclass", 8, 21_571, "which instrument plays"),),
    splits=(
        SplitCard(
            "official",
            "the authors' column subset: train and valid were cut from MedleyDB, test from solosDB, which is another "
            "collection",
            ("instrument",),
            ((5_841, 3_494, 12_236),),
            used_by="Lostanlen and Cella 2016; Andén et al. 2019",
        ),
    ),
    sources=(
        Source(
            f"{RECORD}/{TABLE}?download=1",
            LICENCE,
            "md5:fda6a589c56785f2195c9227809c521a",
            holds="labels",
            path=f"annotation/{TABLE}",
        ),
        Source(
            f"{RECORD}/Medley-solos-DB.tar.gz?download=1",
            LICENCE,
            "md5:f5facf398793ef5c1f80c013afdf3e5f",
            holds="audio",
            path="archives/Medley-solos-DB.tar.gz",
            unpack_into="audio",
        ),
    ),
    layout="mirdata's loader (places, columns, subsets, md5); the IS2 2024 music PLC challenge (head and rows of the "
    "table); public scripts (names of files, .wav.wav, where the table is cut into subsets, number of clips). The "
    "publisher's page is quoted as 21,572 clips, one more than the table has rows by those scripts.",
)
CARDS = {"": CARD}


def load(variant: str, root: Path) -> Dataset:
    """Return the solos under `root`: `annotation/Medley-solos-DB_metadata.csv` and `audio/`, as mirdata lays them.

    The table may also lie in `root` itself, the audio in `audio/Medley-solos-DB/`, `Medley-solos-DB/` or `root`. The
    label is instrument, the group the song. Raises MissingPart where either is not there, DataError for a table that is
    not as published.
    """
    refuse_variant(NAME, variant)
    beside = root / TABLE
    table = beside if beside.is_file() else need(root / "annotation" / TABLE, NAME, root)
    rows = list(named_rows(table, COLUMNS, FETCH))
    wrong = next((row for row in rows if row["subset"] not in ROLES), None)
    if wrong is not None:
        raise DataError(
            f"{table}: '{wrong['uuid4']}': expected a subset of {', '.join(ROLES)}, got '{wrong['subset']}'. {FETCH}"
        )
    audio, suffix = _audio(root)
    clips = [_clip(row, audio, suffix) for row in rows]
    parts: dict[str, list[str]] = {role: [] for role in ROLES.values()}
    for row in rows:
        parts[ROLES[row["subset"]]].append(row["uuid4"])
    return listed(NAME, CARD, root, clips, {"official": (split_of(parts),)})


def _audio(root: Path) -> tuple[Path, str]:
    """Return the folder of the audio files and how their names end, or raise MissingPart."""
    for folder in (root / "audio", root / "audio" / "Medley-solos-DB", root / "Medley-solos-DB", root):
        first = next(folder.glob("Medley-solos-DB_*.wav"), None)
        if first is not None:
            return folder, ".wav.wav" if first.name.endswith(".wav.wav") else ".wav"
    return need(root / "audio" / "Medley-solos-DB_test-0_….wav", NAME, root), ""


def _clip(row: Mapping[str, str], audio: Path, suffix: str) -> Clip:
    name = f"Medley-solos-DB_{row['subset']}-{row['instrument_id']}_{row['uuid4']}{suffix}"
    return Clip(row["uuid4"], audio / name, targets={"instrument": row["instrument"]}, group=f"song {row['song_id']}")
