"""FSD50K 1.0: 51,197 clips of Freesound, 0.3 to 30 s, with labels of 200 classes of AudioSet's ontology.

`FSD50K.ground_truth/dev.csv` (fname, labels, mids, split) and `eval.csv` (without split) list the clips; a fname is
the Freesound id, and the clip's id. The labels are propagated up the ontology by the publisher ("Electric_guitar" is
also "Guitar", …, "Music"). `vocabulary.csv` has no head: number, label, mid. `FSD50K.metadata/*_clips_info_FSD50K.json`
names the uploader, who is the `group`; where these files are not there, clips have none, and a note says so.

The audio is two zips, split into pieces (z01 … zip), of which `earmark get` makes no joined copy.

Split "official": the publisher's train and val, and eval to test. Split "hear" is the same without the 12 clips of dev
that HEAR leaves out, which last 30 s and more for a fault in Freesound's data.
"""

import json
from collections.abc import Iterator, Mapping
from pathlib import Path

from earmark.datasets._listing import read_text, split_of, table_rows
from earmark.datasets._named_rows import named_rows
from earmark.datasets.base import Dataset, listed, need, refuse_variant
from earmark.errors import DataError
from earmark.nouns import Clip, DataCard, LabelCard, Source, SplitCard

TRUTH, METADATA = "FSD50K.ground_truth", "FSD50K.metadata"
AUDIO = {"dev": "FSD50K.dev_audio", "eval": "FSD50K.eval_audio"}
COLUMNS = {"dev": ("fname", "labels", "split"), "eval": ("fname", "labels")}
ROLES = {"train": "train", "val": "valid", "test": "test"}
TOO_LONG = frozenset(
    (
        "83299",
        "83298",
        "121426",
        "121351",
        "121472",
        "121471",
        "124796",
        "397150",
        "124797",
        "124800",
        "124834",
        "124858",
    )
)
FETCH = "Type: earmark get dataset fsd50k --only labels"
RECORD = "https://zenodo.org/record/4060432/files"
LICENCE = "CC-BY-4.0; each clip has its own (CC0, CC-BY, CC-BY-NC or CC Sampling+)"
MD5 = {
    "dev_audio.z01": "faa7cf4cc076fc34a44a479a5ed862a3",
    "dev_audio.z02": "8f9b66153e68571164fb1315d00bc7bc",
    "dev_audio.z03": "1196ef47d267a993d30fa98af54b7159",
    "dev_audio.z04": "d088ac4e11ba53daf9f7574c11cccac9",
    "dev_audio.z05": "81356521aa159accd3c35de22da28c7f",
    "dev_audio.zip": "c480d119b8f7a7e32fdb58f3ea4d6c5a",
    "eval_audio.z01": "3090670eaeecc013ca1ff84fe4442aeb",
    "eval_audio.zip": "6fa47636c3a3ad5c7dfeba99f2637982",
}
LEAK = (
    "dev and eval share no uploader (the publisher's README); whether train and valid do was not found, and nothing "
    "was counted in the files"
)

CARD = DataCard(
    title="FSD50K: sounds of 200 classes of AudioSet's ontology",
    version="1.0",
    status="open",
    licence=LICENCE,
    redistributable=True,
    bibtex="""@article{fonseca2022fsd50k,
  title = {{FSD50K}: an open dataset of human-labeled sound events},
  author = {Fonseca, Eduardo and Favory, Xavier and Pons, Jordi and Font, Frederic and Serra, Xavier},
  journal = {IEEE/ACM Transactions on Audio, Speech, and Language Processing},
  volume = {30},
  pages = {829--852},
  year = {2022}
}""",
    homepage="https://zenodo.org/records/4060432",
    audio="WAV, 44.1 kHz, mono, 16 bit, 0.3 to 30 s",
    n_clips=51_197,
    hours=108.3,
    labels=(LabelCard("tags", "multilabel", 200, 51_197, "classes of AudioSet's ontology, with those above them"),),
    splits=(
        SplitCard(
            "official",
            "the publisher's train and val (column split of dev.csv) and eval",
            ("tags",),
            ((36_796, 4_170, 10_231),),
            leak=LEAK,
        ),
        SplitCard(
            "hear",
            "HEAR's hearsecrettasks/fsd50k.py: the same without 12 clips of dev that last 30 s and more",
            ("tags",),
            used_by="HEAR, EncodecMAE",
            leak=LEAK,
        ),
    ),
    sources=(
        *(
            Source(
                f"{RECORD}/{name}.zip?download=1",
                LICENCE,
                md5,
                holds="labels",
                path=f"archives/{name}.zip",
                unpack_into=".",
            )
            for name, md5 in (
                (TRUTH, "md5:ca27382c195e37d2269c4c866dd73485"),
                (METADATA, "md5:b9ea0c829a411c1d42adb9da539ed237"),
            )
        ),
        *(
            Source(
                f"{RECORD}/FSD50K.{name}?download=1",
                LICENCE,
                f"md5:{md5}",
                holds="audio",
                path=f"archives/FSD50K.{name}",
                unpack_into=".",
                part_of=f"FSD50K.{name.partition('.')[0]}.zip",
            )
            for name, md5 in MD5.items()
        ),
    ),
    layout="The publisher's README of FSD50K.doc and rows of its tables (in soundata's repository), soundata's loader "
    "(files, md5) and HEAR's hearsecrettasks/fsd50k.py (files, md5, uploaders, the 12 clips), which agree. Clips of "
    "train and val: the listing of a copy, nguyenvulebinh/fsd50k on Hugging Face; together the README's 40,966.",
)
CARDS = {"": CARD}


def load(variant: str, root: Path) -> Dataset:
    """Return the clips under `root`, which holds FSD50K.ground_truth, .dev_audio, .eval_audio and, if any, .metadata.

    The label is tags, the group the uploader. Raises MissingPart where a part is not there, DataError for a table that
    is not as published.
    """
    refuse_variant("fsd50k", variant)
    known = _vocabulary(need(root / TRUTH / "vocabulary.csv", "fsd50k", root))
    clips: list[Clip] = []
    parts: dict[str, list[str]] = {role: [] for role in ROLES.values()}
    notes: list[str] = []
    for part in AUDIO:
        table = need(root / TRUTH / f"{part}.csv", "fsd50k", root)
        uploaders = _uploaders(root / METADATA / f"{part}_clips_info_FSD50K.json")
        if not uploaders:
            notes.append(f"fsd50k: the clips of {part} have no groups, for {METADATA} is not there. {FETCH}")
        audio = need(root / AUDIO[part], "fsd50k", root)
        for name, tags, word in _rows(table, part, known):
            clips.append(Clip(name, audio / f"{name}.wav", targets={"tags": tags}, group=uploaders.get(name)))
            parts[ROLES[word]].append(name)
    without = {role: [name for name in ids if name not in TOO_LONG] for role, ids in parts.items()}
    splits = {"official": (split_of(parts),), "hear": (split_of(without),)}
    return listed("fsd50k", CARD, root, clips, splits, notes)


def _vocabulary(table: Path) -> frozenset[str]:
    """Return the labels of a table without a head: number, label, mid."""
    rows = [row for _, row in table_rows(table, ",", FETCH) if row]
    if not rows or any(len(row) != 3 for row in rows):
        raise DataError(f"{table}: expected rows of a number, a label and a mid, without a head. {FETCH}")
    return frozenset(row[1] for row in rows)


def _rows(table: Path, part: str, known: frozenset[str]) -> Iterator[tuple[str, tuple[str, ...], str]]:
    """Yield each clip's id, its labels and the word for its part of the split."""
    for row in named_rows(table, COLUMNS[part], FETCH):
        tags, word = tuple(row["labels"].split(",")), row.get("split", "test")
        strange = [one for one, allowed in (*((tag, known) for tag in tags), (word, ROLES)) if one not in allowed]
        if strange:
            raise DataError(
                f"{table}: '{row['fname']}': expected labels of vocabulary.csv and a split of train or val, got "
                f"'{strange[0]}'. {FETCH}"
            )
        yield row["fname"], tags, word


def _uploaders(described: Path) -> Mapping[str, str]:
    """Return who uploaded each clip, by id; nothing where the file is not there."""
    if not described.is_file():
        return {}
    try:
        found = json.loads(read_text(described, FETCH))
    except json.JSONDecodeError as error:
        raise DataError(f"{described}: expected JSON, but: {error}. {FETCH}") from error
    if not isinstance(found, dict) or not all(isinstance(one, dict) and "uploader" in one for one in found.values()):
        raise DataError(f"{described}: expected an object of clips by id, each with its uploader. {FETCH}")
    return {name: str(one["uploader"]) for name, one in found.items()}
