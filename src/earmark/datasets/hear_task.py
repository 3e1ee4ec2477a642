"""HEAR 2021's tasks, and any folder in the format of hear-preprocess: a task is a folder, whatever it is called.

    task_metadata.json          task_name, mode, version, embedding_type, prediction_type, split_mode, splits
    labelvocabulary.csv         idx,label
    train.json  fold00.json     file name → its labels, one JSON a part: ["dog"], [64], several, or none (multilabel)
    48000/train/one.wav         the audio of each part, once for each sample rate that was fetched

`dir:` is the task's folder, or one that holds several (`tasks/`, `hear-2021.0.6/tasks/`); then the name says which:
`hear-task:esc50`, with the mode where it is not "full": `hear-task:nsynth_pitch-5h`. A clip's id is its part and its
file, "fold00/1-100032-A-0.wav". A dataset has one path for each clip: the folder 48000 where it is there, else the
highest rate, and what a representation hears is resampled from it. Differs from the kit: it reads the folder that a
model's rate names, which was resampled from the same 48 kHz or more.

Folds are those of the kit: of the parts in the order of their names, fold i tests on part i, validates on the next (the
first after the last) and trains on the others. Labels are text, as in the kit; where the task is scored by
pitch ("pitch_acc"), they are MIDI numbers under `pitch` too. Who plays or speaks is not in these files: no groups.

Two of HEAR's tasks (dcase2016_task2, maestro) have events with times in place of labels. They are listed, without
targets, so a task that asks for their labels is refused with that reason.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from earmark.datasets._listing import clip_id, nfc, read_text, table_rows
from earmark.datasets.base import Dataset, get_line, listed, need
from earmark.datasets.splits import hear_folds
from earmark.errors import DataError, MissingPart, hint
from earmark.nouns import Clip, DataCard, Kind, LabelCard, Source, Split, SplitCard, Target

NAME = "hear-task"
METADATA = "task_metadata.json"
KINDS: Mapping[str, Kind] = {"multiclass": "multiclass", "multilabel": "multilabel"}
FIXED = ("trainvaltest", "stratified_trainvaltest")
FOLDED = ("new_split_kfold", "presplit_kfold", "new_split_stratified_kfold")
EVENTS = (
    "its labels are events with times, and a task of earmark has one target a clip: framewise tasks are loaded, and "
    "not scored"
)
REMEDY = "Unpack the task's archive again."
RECORD = "https://zenodo.org/records/6332517"
LICENCE = f"each corpus its own: {RECORD}/files/LICENSE.txt"
BIBTEX = """@inproceedings{turian2022hear,
  title = {{HEAR}: Holistic Evaluation of Audio Representations},
  author = {Turian, Joseph and Shier, Jordie and Khan, Humair Raj and Raj, Bhiksha and Schuller, Bj{\\"o}rn W. and
    Steinmetz, Christian J. and Malloy, Colin and Tzanetakis, George and Velarde, Gissel and McNally, Kirk and
    Henry, Max and Pinto, Nicolas and Noufi, Camille and Clough, Christian and Herremans, Dorien and
    Fonseca, Eduardo and Engel, Jesse and Salamon, Justin and Esling, Philippe and Manocha, Pranay and
    Watanabe, Shinji and Jin, Zeyu and Bisk, Yonatan},
  booktitle = {Proc. of the NeurIPS 2021 Competitions and Demonstrations Track},
  series = {PMLR},
  volume = {176},
  year = {2022}
}"""


class Published(NamedTuple):
    """A task of HEAR 2021: its folder, clips, seconds a clip (None: of any length), folds (0: fixed parts), kind.

    `archived`: a public script names its archive in the record; `md5` where one gives it.
    """

    folder: str
    n_clips: int
    clip_s: float | None
    n_folds: int
    kind: Kind | None = "multiclass"
    archived: bool = True
    md5: str = ""


TASKS: Mapping[str, Published] = {
    "dcase2016_task2": Published("dcase2016_task2-hear2021-full", 72, 120, 0, None),
    "nsynth_pitch-5h": Published("nsynth_pitch-v2.2.3-5h", 5000, 4, 0, archived=False),
    "nsynth_pitch-50h": Published("nsynth_pitch-v2.2.3-50h", 49060, 4, 0),
    "speech_commands-5h": Published("speech_commands-v0.0.2-5h", 22890, 1, 0, archived=False),
    "speech_commands": Published("speech_commands-v0.0.2-full", 100503, 1, 0),
    "beehive_states_fold0": Published(
        "beehive_states_fold0-v2-full", 576, 600, 0, md5="f9e045f9b2ddf5643edc1143304c80aa"
    ),
    "beehive_states_fold1": Published(
        "beehive_states_fold1-v2-full", 576, 600, 0, md5="8bced7ce8336bf23fd61c61f04aee109"
    ),
    "beijing_opera": Published("beijing_opera-v1.0-hear2021-full", 236, 4.77, 5),
    "tfds_crema_d": Published("tfds_crema_d-1.0.0-full", 7438, 5, 5),
    "esc50": Published("esc50-v2.0.0-full", 2000, 5, 5),
    "fsd50k": Published("fsd50k-v1.0-full", 51185, None, 0, "multilabel"),
    "gunshot_triangulation": Published("gunshot_triangulation-v1.0-full", 88, 1.5, 7, archived=False),
    "tfds_gtzan": Published("tfds_gtzan-1.0.0-full", 1000, 30, 10),
    "tfds_gtzan_music_speech": Published("tfds_gtzan_music_speech-1.0.0-full", 128, 30, 10, archived=False),
    "libricount": Published("libricount-v1.0.0-hear2021-full", 5720, 5, 5),
    "maestro-5h": Published("maestro-v3.0.0-5h", 185, 120, 5, None, archived=False),
    "mridangam_stroke": Published("mridangam_stroke-v1.5-full", 6977, 0.81, 5),
    "mridangam_tonic": Published("mridangam_tonic-v1.5-full", 6977, 0.81, 5),
    "vocal_imitation": Published("vocal_imitation-v1.1.3-full", 5601, 11.26, 3),
    "vox_lingua_top10": Published("vox_lingua_top10-hear2021-full", 972, 18.64, 5, archived=False),
}


def _card(name: str, task: Published) -> DataCard:
    file = f"hear2021-{task.folder}-48000.tar.gz"
    events = LabelCard("label", "multilabel", description="events with times: no clip carries them, none is scored")
    labels = [LabelCard("label", task.kind, None, task.n_clips) if task.kind else events]
    if name.startswith("nsynth_pitch"):
        labels.append(LabelCard("pitch", "pitch", 88, task.n_clips, "MIDI number from 21 to 108"))
    folds = "folds" if task.n_folds else "official"
    origin = f"HEAR's {task.n_folds} folds, by the kit's rule" if task.n_folds else "HEAR's train, valid and test"
    checksum = task.md5 and f"md5:{task.md5}"
    source = Source(
        f"{RECORD}/files/{file}", LICENCE, checksum, BIBTEX, holds="both", path=f"archives/{file}", unpack_into="."
    )
    return DataCard(
        title=f"HEAR 2021: {name}" + ("" if task.kind else " (events: loaded, not scored)"),
        version=task.folder.partition("-")[2],
        status="open" if task.archived else "request",
        licence=LICENCE,
        bibtex=BIBTEX,
        homepage="https://hearbenchmark.com/hear-tasks.html",
        audio="WAV, 48 kHz, mono" + (f", {task.clip_s:g} s" if task.clip_s else ", 0.3 to 30 s"),
        n_clips=task.n_clips,
        hours=round(task.n_clips * task.clip_s / 3600, 2) if task.clip_s else None,
        labels=tuple(labels),
        splits=(SplitCard(folds, origin, used_by="HEAR 2021 and whoever runs hear-eval-kit"),),
        sources=(source,) if task.archived else (),
        instructions=f"Take the archive of {task.folder} from {RECORD} and unpack it.",
        layout="hear-preprocess (pipeline.py, schema of task_config.py) and hear-eval-kit (task_embeddings.py, "
        "task_predictions.py); folders and archives: public scripts that fetch the record; clips, seconds, folds: "
        "hearbenchmark.com. The archives were not opened by us.",
    )


CARD = DataCard(title="any task folder in the format of hear-preprocess", bibtex=BIBTEX)
CARDS = {"*": CARD, **{name: _card(name, task) for name, task in TASKS.items()}}


def load(variant: str, root: Path) -> Dataset:
    """Return the task in `root`, or the one called `variant` of those below it.

    Labels: label (text, or several where the task is multilabel), and pitch where it is scored by pitch. Splits:
    "official" (fixed parts) or "folds". Raises MissingPart where no task, or no audio of it, is there, DataError for
    what is no such folder.
    """
    folder, described = _chosen(variant, root)
    name = f"{NAME}:{_name(described)}"
    rates = [one for one in folder.iterdir() if one.is_dir() and one.name.isdecimal()]
    audio = max(rates, key=lambda one: (one.name == "48000", int(one.name)), default=folder / "48000")
    need(audio, name, folder)
    parts = {part: _labels(folder, part, name) for part in _parts(folder, described)}
    ids = {part: [_id(part, file) for file in labels] for part, labels in parts.items()}
    clips = [
        Clip(_id(part, file), audio / part / file, targets=_targets(folder, described, labels))
        for part, of_part in _read(folder, described, parts).items()
        for file, labels in of_part.items()
    ]
    if described["split_mode"] in FOLDED:
        splits = {"folds": hear_folds([ids[part] for part in sorted(ids)])}
    else:
        splits = {"official": (Split(*(tuple(ids[part]) for part in ("train", "valid", "test"))),)}
    card = CARDS.get(_name(described), CARD)
    notes = [f"{name}: {EVENTS}"] if described["embedding_type"] == "event" else []
    return listed(name, card, folder, clips, splits, notes)


def _chosen(variant: str, root: Path) -> tuple[Path, Mapping[str, Any]]:
    """Return the folder of the task that is asked for, and its metadata."""
    found = [root / METADATA] if (root / METADATA).is_file() else []
    for below in ("*", "tasks/*", "*/tasks/*"):
        found = found or sorted(root.glob(f"{below}/{METADATA}"))
    tasks = {_name(one): (file.parent, one) for file in found for one in (_described(file),)}
    wanted = {name: task for name, task in tasks.items() if variant in ("", name) or _plain(variant) == _plain(name)}
    if len(wanted) == 1:
        return next(iter(wanted.values()))
    asked = f"{NAME}:{variant}".removesuffix(":")
    if not tasks:
        raise MissingPart(
            f"Dataset '{asked}' is not in '{root}': expected a task's folder there, with {METADATA} in it, or a folder "
            f"of such. {get_line(asked)}"
        )
    known = ", ".join(f"{NAME}:{name}" for name in tasks)
    if not wanted and _plain(variant) in map(
        _plain, TASKS
    ):  # fetched one by one, so that some are there and others are not
        raise MissingPart(f"Dataset '{asked}' is not in '{root}'; there: {known}. {get_line(asked)}")
    raise DataError(
        f"Expected one task in '{root}', as its name or dir says, got '{asked}'.{hint(variant, tasks)} There: {known}."
    )


def _plain(name: str) -> str:
    return name.replace("-", "_").replace(":", "_").lower()


def _name(described: Mapping[str, Any]) -> str:
    mode = described.get("mode", "full")
    return f"{described['task_name']}" + (f"-{mode}" if mode != "full" else "")


def _described(file: Path) -> Mapping[str, Any]:
    """Return a task's metadata, held to what is read of it."""
    found = _object(file)
    allowed: Mapping[str, Sequence[str]] = {
        "embedding_type": ("scene", "event"),
        "prediction_type": tuple(KINDS),
        "split_mode": (*FIXED, *FOLDED),
    }
    for key, values in allowed.items():
        if found.get(key) not in values:
            raise DataError(f"{file}: expected '{key}' to be {' or '.join(values)}, got {found.get(key)!r}. {REMEDY}")
    if not isinstance(found.get("task_name"), str):
        raise DataError(f"{file}: expected 'task_name' to be text, got {found.get('task_name')!r}. {REMEDY}")
    return found


def _object(file: Path) -> dict[str, Any]:
    try:
        found = json.loads(read_text(file, REMEDY))
    except json.JSONDecodeError as error:
        raise DataError(f"{file}: expected JSON, but: {error}. {REMEDY}") from error
    if not isinstance(found, dict):
        raise DataError(f"{file}: expected an object, got {type(found).__name__}. {REMEDY}")
    return found


def _parts(folder: Path, described: Mapping[str, Any]) -> Sequence[str]:
    """Return the parts of a task, by the order of their names where they are folds."""
    if described["split_mode"] in FIXED:
        return ("train", "valid", "test")
    given = described.get("splits")
    if given is None and isinstance(described.get("nfolds"), int):
        given = [f"fold{i:02d}" for i in range(described["nfolds"])]
    if not isinstance(given, list) or not all(isinstance(one, str) for one in given) or len(set(given)) < len(given):
        raise DataError(
            f"{folder / METADATA}: expected the names of the folds in 'splits', each once, got {given!r}. {REMEDY}"
        )
    return sorted(given)


def _id(part: str, file: str) -> str:
    return clip_id(f"{part}/{file}")


def _labels(folder: Path, part: str, name: str) -> Mapping[str, list[Any]]:
    """Return the labels of each file of a part."""
    file = need(folder / f"{part}.json", name, folder)
    found = _object(file)
    for one, labels in found.items():
        if not isinstance(labels, list) or Path(one).name != one:
            raise DataError(f"{file}: expected a file's name and a list of labels, got '{one}': {labels!r}. {REMEDY}")
    return found


def _read(
    folder: Path, described: Mapping[str, Any], parts: Mapping[str, Mapping[str, list[Any]]]
) -> Mapping[str, Mapping[str, tuple[str, ...]]]:
    """Return the labels as text, held to the vocabulary and to the kind; those of events are left out."""
    if described["embedding_type"] == "event":
        return {part: dict.fromkeys(of_part, ()) for part, of_part in parts.items()}
    words = set(_vocabulary(folder, f"{NAME}:{_name(described)}"))
    text = {
        part: {file: tuple(sorted({nfc(str(one)) for one in labels})) for file, labels in of_part.items()}
        for part, of_part in parts.items()
    }
    for part, of_part in text.items():
        for file, labels in of_part.items():
            if strange := sorted(set(labels) - words):
                raise DataError(
                    f"{folder / part}.json: '{file}': the label '{strange[0]}' is not in labelvocabulary.csv. {REMEDY}"
                )
            if described["prediction_type"] == "multiclass" and len(labels) != 1:
                raise DataError(
                    f"{folder / part}.json: '{file}': expected one label of a multiclass task, got {len(labels)}. "
                    f"{REMEDY}"
                )
    return text


def _vocabulary(folder: Path, name: str) -> Iterator[str]:
    file = need(folder / "labelvocabulary.csv", name, folder)
    lines = table_rows(file, ",", REMEDY)
    _, head = next(lines, (1, []))
    if sorted(head) != ["idx", "label"]:
        raise DataError(f"{file}:1: expected the columns idx and label, got {', '.join(head) or 'none'}. {REMEDY}")
    yield from (nfc(cells[head.index("label")]) for _, cells in lines if len(cells) == len(head))


def _targets(folder: Path, described: Mapping[str, Any], labels: tuple[str, ...]) -> Mapping[str, Target]:
    if described["embedding_type"] == "event":
        return {}
    if described["prediction_type"] == "multilabel":
        return {"label": labels}
    if "pitch_acc" not in described.get("evaluation", ()):
        return {"label": labels[0]}
    if not labels[0].isdecimal():
        raise DataError(f"{folder}: scored by pitch_acc: expected MIDI numbers for labels, got '{labels[0]}'. {REMEDY}")
    return {"label": labels[0], "pitch": int(labels[0])}
