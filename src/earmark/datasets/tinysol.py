"""TinySOL 6.0: 2,913 single notes of 14 orchestral instruments, recorded at Ircam from 1996 to 1999.

A row of `TinySOL_metadata.csv` is a note; a clip's id is its file's stem, as in mirdata ("BTb-ord-F#1-pp-N-N":
instrument, technique, pitch, dynamics, string or take, retuning). Nothing is left out.

Where a pitch was missing, a neighbour was resampled by a semitone: "Ob-ord-D6-ff-N-R100u" is "Ob-ord-C#6-ff-N-N", up
by 100 cents (after a correction, if any: "T22d_R100u" comes from "T22d"). Both are one recording and so one `group`,
which a drawn split keeps whole. The thesis' 80-10-10 split for pitch class was stratified without groups.

Split "folds": the authors numbered five parts 0 to 4. Fold i validates on part i, tests on part i + 1 (4: on 0) and
trains on the others, so that each part is the test once and fold 0 is what mir_ref took for "the first split" of the
thesis. HEAR's rule (test i, valid i + 1) would give other pairs. It is the default for instrument and family.
"""

import itertools
import re
from collections.abc import Mapping
from pathlib import Path

from earmark.datasets._listing import table_rows
from earmark.datasets.base import Dataset, listed, need, refuse_variant
from earmark.errors import DataError
from earmark.nouns import Clip, DataCard, LabelCard, Source, Split, SplitCard, Target

COLUMNS = ("Path", "Fold", "Family", "Instrument (in full)", "Pitch ID")
PITCH_CLASSES = ("C", "C#", "D", "D#", "E", "F", "F#", "G", "G#", "A", "A#", "B")
FETCH = "Type: earmark get dataset tinysol --only labels"
PARTS = ("0", "1", "2", "3", "4")
RECORD = "https://zenodo.org/record/3685367/files"
API = "https://zenodo.org/api/records/3685367/files"
RESAMPLED = re.compile(
    r"(?P<start>.+-ord-)(?P<letter>[A-G]#?)(?P<octave>\d)(?P<middle>-.+-)(?P<tuned>T\d+[ud])?_?R100(?P<way>[ud])"
)

CARD = DataCard(
    title="TinySOL: single notes of 14 orchestral instruments",
    version="6.0",
    status="open",
    licence="CC-BY-4.0",
    redistributable=True,
    bibtex="""@article{cella2020orchideasol,
  title = {{OrchideaSOL}: a dataset of extended instrumental techniques for computer-aided orchestration},
  author = {Cella, Carmine-Emanuele and Ghisi, Daniele and Lostanlen, Vincent and L{\\'e}vy, Fabien and
    Fineberg, Joshua and Maresz, Yan},
  journal = {arXiv preprint arXiv:2007.00763},
  year = {2020},
  note = {TinySOL 6.0: doi 10.5281/zenodo.3685367}
}""",
    homepage="https://zenodo.org/records/3685367",
    audio="WAV, 44.1 kHz, mono, 16 bit",
    n_clips=2913,
    hours=5.4,
    labels=(
        LabelCard("instrument", "multiclass", 14, 2913, "which instrument plays, by its full name"),
        LabelCard("family", "multiclass", 4, 2913, "brass, keyboards, strings or winds"),
        LabelCard("pitch", "pitch", None, 2913, "MIDI number, 60 for middle C"),
        LabelCard("pitch_class", "multiclass", 12, 2913, "pitch class, with sharps"),
        LabelCard("register", "multiclass", None, 2913, 'octave of the pitch, "4" from middle C up'),
    ),
    splits=(
        SplitCard(
            "folds",
            "the authors' five parts (column Fold), balanced in instrument, pitch and dynamics; fold i validates on "
            "part i and tests on part i + 1, as mir_ref does",
            ("instrument", "family"),
            used_by="the thesis: fold 0, for instrument",
            leak="some notes that were resampled from a neighbour (R100 in their names) are in another part than the "
            "recording they were made of: BTb-ord-G1-pp-N-R100u is in part 4, BTb-ord-F#1-pp-N-N in part 2",
        ),
    ),
    sources=(
        Source(
            f"{RECORD}/TinySOL_metadata.csv?download=1",
            "CC-BY-4.0",
            "md5:a86c9bb115f69e61f2f25872e397fc4a",
            size_bytes=317_576,
            mirrors=(f"{API}/TinySOL_metadata.csv/content",),
            holds="labels",
            path="annotation/TinySOL_metadata.csv",
        ),
        Source(
            f"{RECORD}/TinySOL.tar.gz?download=1",
            "CC-BY-4.0",
            "md5:36030a7fe389da86c3419e5ee48e3b7f",
            size_bytes=1_026_917_185,
            mirrors=(f"{API}/TinySOL.tar.gz/content",),
            holds="audio",
            path="archives/TinySOL.tar.gz",
            unpack_into="audio",
        ),
    ),
    layout="mirdata's loader and index of TinySOL 6.0 (places, md5), a copy of TinySOL_metadata.csv of the published "
    "size (danedane-haider/Random-Filterbanks on GitHub), and two public auditors of the record, which agree on its "
    "columns, sizes and md5. Hours: from the length of the unpacked archive.",
)
CARDS = {"": CARD}


def load(variant: str, root: Path) -> Dataset:
    """Return the notes under `root`: `annotation/TinySOL_metadata.csv` and `audio/Brass/…`, as mirdata lays them.

    The table and the four families' folders may also lie in `root` itself, the folders in `TinySOL/` too. Labels:
    instrument, family, pitch, pitch_class, register. Raises MissingPart where the table or the audio is not there,
    DataError where the table is not that of version 6.0.
    """
    refuse_variant("tinysol", variant)
    beside = root / "TinySOL_metadata.csv"
    table = beside if beside.is_file() else need(root / "annotation" / beside.name, "tinysol", root)
    rows = _rows(table)
    families = sorted({row["Family"] for row in rows.values()})
    places = [root / "audio", root / "audio" / "TinySOL", root / "TinySOL", root]
    found = [place for place in places if any((place / family).is_dir() for family in families)]
    audio = found[0] if found else need(root / "audio" / families[0], "tinysol", root)
    clips = [_clip(name, row, audio) for name, row in rows.items()]
    return listed("tinysol", CARD, root, clips, {"folds": tuple(_fold(rows, part) for part in PARTS)})


def recording(name: str) -> str:
    """Return the name of the note whose recording a note is: its own, or its neighbour's that was resampled."""
    found = RESAMPLED.fullmatch(name)
    if found is None:
        return name
    semitone = 12 * int(found["octave"]) + PITCH_CLASSES.index(found["letter"]) + (-1 if found["way"] == "u" else 1)
    pitch = f"{PITCH_CLASSES[semitone % 12]}{semitone // 12}"
    return f"{found['start']}{pitch}{found['middle']}{found['tuned'] or 'N'}"


def _rows(table: Path) -> Mapping[str, Mapping[str, str]]:
    """Return the rows of the table by the stem of the file that each is about."""
    lines = table_rows(table, ",", FETCH)
    _, head = next(lines, (1, []))
    missing = [column for column in COLUMNS if column not in head]
    # A row that is cut short lacks its last cells, and an empty Path is no note.
    given = (dict(itertools.zip_longest(head, cells[: len(head)], fillvalue="")) for _, cells in lines)
    rows = {} if missing else {Path(row["Path"]).stem: row for row in given if row["Path"]}
    if missing or not rows:
        raise DataError(
            f"{table}: expected the table of TinySOL 6.0 with the columns {', '.join(COLUMNS)}; it lacks "
            f"{', '.join(missing) or 'rows'}. {FETCH}"
        )
    for name, row in rows.items():
        if row["Fold"] not in PARTS or not row["Pitch ID"].isdecimal():
            raise DataError(
                f"{table}: '{name}': expected a Fold of {', '.join(PARTS)} and a MIDI number as Pitch ID, got "
                f"'{row['Fold']}' and '{row['Pitch ID']}'. {FETCH}"
            )
    return rows


def _clip(name: str, row: Mapping[str, str], audio: Path) -> Clip:
    pitch = int(row["Pitch ID"])
    targets: dict[str, Target] = {
        "instrument": row["Instrument (in full)"],
        "family": row["Family"],
        "pitch": pitch,
        "pitch_class": PITCH_CLASSES[pitch % 12],
        "register": str(pitch // 12 - 1),
    }
    return Clip(name, audio / row["Path"], targets=targets, group=recording(name))


def _fold(rows: Mapping[str, Mapping[str, str]], valid: str) -> Split:
    """Return the fold that validates on a part, tests on the next and trains on the others."""
    test = PARTS[(PARTS.index(valid) + 1) % len(PARTS)]
    part = {name: row["Fold"] for name, row in rows.items()}
    return Split(
        train=tuple(name for name in rows if part[name] not in (valid, test)),
        valid=tuple(name for name in rows if part[name] == valid),
        test=tuple(name for name in rows if part[name] == test),
    )
