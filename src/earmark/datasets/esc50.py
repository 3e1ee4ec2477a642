"""ESC-50: 2,000 environmental sounds of 5 s out of Freesound, 50 classes of 40, in the author's five parts.

A row of `meta/esc50.csv` is a clip: filename, fold, target, category (the class), esc10, src_file, take. A clip's id is
its file's stem, "1-100032-A-0": part, Freesound recording, take, number of the class. The author keeps the takes of a
recording in one part, and the recording is the `group`. `sound_10` is the subset ESC-10.

Split "folds": fold i tests on part i, validates on the next and trains on the other three, as HEAR does. Most other
numbers (the table of the publisher's page, EVAR) train on four parts and have no valid part.
"""

from collections.abc import Mapping
from pathlib import Path

from earmark.datasets._named_rows import named_rows
from earmark.datasets.base import Dataset, listed, need, refuse_variant
from earmark.datasets.splits import hear_folds
from earmark.errors import DataError
from earmark.nouns import Clip, DataCard, LabelCard, Source, SplitCard, Target

COLUMNS = ("filename", "fold", "target", "category", "esc10", "src_file")
PARTS = ("1", "2", "3", "4", "5")
TARGETS = frozenset(str(number) for number in range(50))
# Ten classes each, in the order of their numbers.
MAJOR = ("animals", "natural soundscapes and water", "human, not speech", "interior and domestic", "exterior and urban")
FETCH = "Type: earmark get dataset esc50"
TOP = "ESC-50-master"

CARD = DataCard(
    title="ESC-50: environmental sounds of 50 classes",
    version="2.0",
    status="open",
    licence="CC-BY-NC-3.0 (the clips of ESC-10: CC-BY)",
    redistributable=True,
    bibtex="""@inproceedings{piczak2015esc,
  title = {{ESC}: Dataset for Environmental Sound Classification},
  author = {Piczak, Karol J.},
  booktitle = {Proceedings of the 23rd Annual ACM Conference on Multimedia},
  pages = {1015--1018},
  year = {2015},
  doi = {10.1145/2733373.2806390}
}""",
    homepage="https://github.com/karolpiczak/ESC-50",
    audio="WAV, 44.1 kHz, mono, 5 s",
    n_clips=2000,
    hours=2.78,
    labels=(
        LabelCard("sound", "multiclass", 50, 2000, "what is heard, 40 clips a class"),
        LabelCard("sound_10", "multiclass", 10, 400, "the same of the subset ESC-10; other clips have none"),
        LabelCard("major", "multiclass", 5, 2000, "the group of ten classes that a class is in"),
    ),
    splits=(
        SplitCard(
            "folds",
            "the author's five parts (column fold; the takes of a Freesound recording are in one); fold i tests on "
            "part i and validates on the next: HEAR's rule",
            sizes=((1200, 400, 400),) * 5,
            used_by="HEAR, EncodecMAE",
        ),
    ),
    sources=(
        Source(
            "https://github.com/karoldvl/ESC-50/archive/master.zip",
            "CC-BY-NC-3.0",
            "md5:7771e4b9d86d0945acce719c7a59305a",
            path="archives/ESC-50-master.zip",
            unpack_into=".",
        ),
    ),
    layout="The publisher's README (counts, parts, classes), soundata's loader (columns, names, md5, licence) and "
    "HEAR's hearsecrettasks/esc50.py (folders, md5), which agree. Version: soundata's index. Hours: 2,000 times 5 s.",
)
CARDS = {"": CARD}


def load(variant: str, root: Path) -> Dataset:
    """Return the clips below `root`, or below `ESC-50-master` or another folder in it: `meta/esc50.csv` and `audio/`.

    Labels: sound, sound_10 (ESC-10 alone), major; the group is the Freesound recording. Raises MissingPart where table
    or audio is not there, DataError for a table that is not as published.
    """
    refuse_variant("esc50", variant)
    copies = (place for place in (root, *sorted(root.glob("*"))) if (place / "meta" / "esc50.csv").is_file())
    folder = next(copies, root / TOP)
    table = need(folder / "meta" / "esc50.csv", "esc50", root)
    audio = need(folder / "audio", "esc50", root)
    rows = list(named_rows(table, COLUMNS, FETCH))
    for row in rows:
        if row["fold"] not in PARTS or row["target"] not in TARGETS:
            raise DataError(
                f"{table}: '{row['filename']}': expected a fold of 1 to 5 and a target of 0 to 49, got "
                f"'{row['fold']}' and '{row['target']}'. {FETCH}"
            )
    clips = [_clip(row, audio) for row in rows]
    parts = [[clip.id for clip, row in zip(clips, rows, strict=True) if row["fold"] == part] for part in PARTS]
    return listed("esc50", CARD, root, clips, {"folds": hear_folds(parts)})


def _clip(row: Mapping[str, str], audio: Path) -> Clip:
    targets: dict[str, Target] = {"sound": row["category"], "major": MAJOR[int(row["target"]) // 10]}
    if row["esc10"] == "True":
        targets["sound_10"] = row["category"]
    return Clip(Path(row["filename"]).stem, audio / row["filename"], targets=targets, group=row["src_file"])
