"""CREMA-D: 12 sentences spoken in six emotions by 91 actors, 7,442 clips; here the sound alone.

`AudioWAV/1001_IEO_ANG_HI.wav`: actor (the `group`), sentence, emotion meant, level of it. `summaryTable.csv` lists the
clips and what the raters heard (VoiceVote: one letter, or several with colons where they were at odds);
`VideoDemographics.csv` has each actor's sex and age. One file lost a letter of its name: `1040_ITH_SAD_X`.

Split "tfds" is that of TensorFlow Datasets: 63, 9 and 19 actors, drawn by NumPy's generator of seed 0; here without
what is left out below. Differs from HEAR (and EncodecMAE), whose five folds were drawn over names that TensorFlow
Datasets gave to its copies, so they cannot be told from these files, and an actor is in several of them:
`hear-task:tfds_crema_d` reads HEAR's own folder.
"""

import re
from collections.abc import Iterator, Mapping
from pathlib import Path

import numpy as np

from earmark.datasets._listing import split_of
from earmark.datasets._named_rows import named_rows
from earmark.datasets.base import Alone, Dataset, listed, need, refuse_variant
from earmark.errors import DataError
from earmark.nouns import Clip, DataCard, LabelCard, Source, SplitCard, Target

EMOTIONS = {"ANG": "anger", "DIS": "disgust", "FEA": "fear", "HAP": "happiness", "NEU": "neutral", "SAD": "sadness"}
LEVELS = {"LO": "low", "MD": "medium", "HI": "high"}
FILE = re.compile(
    rf"(?P<actor>\d{{4}})_(?P<sentence>[A-Z]{{3}})_(?P<emotion>{'|'.join(EMOTIONS)})_(?P<level>LO|MD|HI|XX?)"
)
ACTORS = tuple(str(number) for number in range(1001, 1092))
RENAMED = {"1040_ITH_SAD_XX": "1040_ITH_SAD_X"}  # in the table → on disk
NOT_OF_TFDS = frozenset(RENAMED.values())
TABLE, PEOPLE = "processedResults/summaryTable.csv", "VideoDemographics.csv"
FETCH = "Type: earmark get dataset crema-d --only labels"
LICENCE = "ODbL-1.0; contents: DbCL-1.0"
PAGES = "https://raw.githubusercontent.com/CheyneyComputerScience/CREMA-D/master"
MEDIA = "https://media.githubusercontent.com/media/CheyneyComputerScience/CREMA-D/master/AudioWAV"
TWICE = "the same recording as {}, which names another emotion; TensorFlow Datasets leaves it out too"

CARD = DataCard(
    title="CREMA-D: six emotions, spoken by 91 actors",
    version="2014",  # of the paper: the publisher gives no version
    status="open",
    licence=LICENCE,
    redistributable=True,
    bibtex="""@article{cao2014crema,
  title = {{CREMA-D}: Crowd-sourced emotional multimodal actors dataset},
  author = {Cao, Houwei and Cooper, David G and Keutmann, Michael K and Gur, Ruben C and Nenkova, Ani and
    Verma, Ragini},
  journal = {IEEE Transactions on Affective Computing},
  volume = {5},
  number = {4},
  pages = {377--390},
  year = {2014}
}""",
    homepage="https://github.com/CheyneyComputerScience/CREMA-D",
    audio="WAV, 16 kHz, mono",
    n_clips=7435,
    labels=(
        LabelCard("emotion", "multiclass", 6, 7435, "the emotion that the actor meant"),
        LabelCard("heard", "multiclass", 6, None, "the emotion that most raters heard; none where they were at odds"),
        LabelCard("level", "multiclass", 3, None, "low, medium or high, where it was asked for"),
        LabelCard("sentence", "multiclass", 12, 7435, "which of 12 sentences"),
        LabelCard("sex", "multiclass", 2, 7435, "female or male, of the actor"),
        LabelCard("actor", "multiclass", 91, 7435, "who speaks, 1001 to 1091"),
    ),
    splits=(
        SplitCard(
            "tfds",
            "TensorFlow Datasets (audio/crema_d.py): 70, 10 and 20 per cent of the actors. Published as 5,144, 738 and "
            "1,556 clips, of which four of train are left out here",
            ("emotion", "heard", "level", "sentence"),
            ((5140, 738, 1556),),
            "TensorFlow Datasets; not HEAR, nor EVAR, which drew as many actors anew",
        ),
    ),
    bad={
        "1064_IEO_DIS_MD": "a minute with all emotions",
        "1064_TIE_SAD_XX": "holds no sound",
        "1076_MTI_NEU_XX": "holds almost no sound",
        "1076_MTI_SAD_XX": "holds no sound",
        "1006_TIE_NEU_XX": TWICE.format("1006_TIE_HAP_XX"),
        "1013_WSI_DIS_XX": TWICE.format("1013_WSI_SAD_XX"),
        "1017_IWW_FEA_XX": TWICE.format("1017_IWW_ANG_XX"),
    },
    sources=(
        Source(f"{PAGES}/{TABLE}", LICENCE, holds="labels", path=TABLE),
        Source(f"{PAGES}/{PEOPLE}", LICENCE, holds="labels", path=PEOPLE),
    ),
    layout="The publisher's README (files, columns) and VideoDemographics.csv; TensorFlow Datasets' audio/crema_d.py "
    "(addresses, the table's column FileName, labels, split) and its catalogue (counts). Clips without sound: several "
    "public loaders, which name the publisher; recordings under two names: two public audits. No checksums published.",
)
CARDS = {"": CARD}


def load(variant: str, root: Path) -> Dataset:
    """Return the clips that the table names, below `root`: `AudioWAV`, the table and `VideoDemographics.csv`.

    Labels: emotion, heard, level, sentence, sex, actor; the group is the actor. Raises MissingPart where a part is not
    there, DataError for a table that is not as published.
    """
    need(root / "AudioWAV", "crema-d", root)
    clips = tuple(_clips(variant, root))
    order = list(ACTORS)
    # The published split is of this generator's stream.
    np.random.RandomState(0).shuffle(order)
    role = dict(zip(order, ["train"] * 63 + ["valid"] * 9 + ["test"] * 19, strict=True))
    parts: dict[str, list[str]] = {"train": [], "valid": [], "test": []}
    for clip in clips:
        if clip.id not in NOT_OF_TFDS:
            parts[role[str(clip.group)]].append(clip.id)
    return listed("crema-d", CARD, root, clips, {"tfds": (split_of(parts),)})


def track_sources(variant: str, root: Path) -> tuple[Alone, ...]:
    """Return each clip and where its own file is fetched, or raise MissingPart where the table is not there."""
    return tuple(
        Alone(one, Source(f"{MEDIA}/{one.id}.wav", LICENCE, holds="audio", path=f"AudioWAV/{one.id}.wav"))
        for one in _clips(variant, root)
        if one.id not in CARD.bad
    )


def sources_after_labels(variant: str, root: Path) -> tuple[Source, ...]:
    """Return where every clip's file is fetched, one by one: the publisher packs no archive."""
    return tuple(one.source for one in track_sources(variant, root))


def _clips(variant: str, root: Path) -> Iterator[Clip]:
    refuse_variant("crema-d", variant)
    table = _table(TABLE, root)
    sexes = {row["ActorID"]: row["Sex"].lower() for row in named_rows(_table(PEOPLE, root), ("ActorID", "Sex"), FETCH)}
    votes = {emotion[0]: word for emotion, word in EMOTIONS.items()}
    for row in named_rows(table, ("FileName", "VoiceVote"), FETCH):
        name = RENAMED.get(row["FileName"], row["FileName"])
        found = FILE.fullmatch(name)
        if found is None or found["actor"] not in ACTORS or found["actor"] not in sexes:
            raise DataError(
                f"{table}: expected names such as 1001_IEO_ANG_HI, by actors of {PEOPLE} (1001 to 1091), got '{name}'. "
                f"{FETCH}"
            )
        yield _clip(name, found.groupdict(), sexes[found["actor"]], votes.get(row["VoiceVote"]), root)


def _clip(name: str, said: Mapping[str, str], sex: str, heard: str | None, root: Path) -> Clip:
    targets: dict[str, Target] = {
        "emotion": EMOTIONS[said["emotion"]],
        "sentence": said["sentence"],
        "sex": sex,
        "actor": said["actor"],
        **({"heard": heard} if heard is not None else {}),
        **({"level": LEVELS[said["level"]]} if said["level"] in LEVELS else {}),
    }
    return Clip(name, root / "AudioWAV" / f"{name}.wav", targets=targets, group=said["actor"])


def _table(place: str, root: Path) -> Path:
    beside = root / Path(place).name
    return beside if beside.is_file() else need(root / place, "crema-d", root)
