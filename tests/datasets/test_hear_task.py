"""Task folders of hear-preprocess are read as the public kit reads them: parts, folds, labels, and no events."""

import json
from pathlib import Path

import pytest

from earmark import conformance
from earmark.datasets import hear_task, names, splits
from earmark.errors import DataError, MissingPart, SpecError
from earmark.tasks import TASKS, find_task
from tests.datasets.learning import learnt
from tests.miniatures import hear_task as miniature

SCENES = [name for name, task in hear_task.TASKS.items() if task.kind]
ESC50, FSD50K, PITCH = "esc50-v2.0.0-full", "fsd50k-v1.0-full", "nsynth_pitch-v2.2.3-5h"


def _made(name: str) -> miniature.Made:
    task = hear_task.TASKS[name]
    parts = miniature.folds_of(task.n_folds) if task.n_folds else miniature.TVT
    how = {None: miniature.events, "multilabel": miniature.multilabel}.get(task.kind, miniature.multiclass)
    return how(task.folder, parts)


@pytest.fixture
def esc50(tmp_path: Path) -> Path:
    return miniature.write(tmp_path, miniature.multiclass(ESC50, miniature.folds_of(5)))


@pytest.mark.parametrize("name", SCENES)
def test_each_scene_task_loads_by_its_name_and_by_its_folder(name: str, tmp_path: Path) -> None:
    made = _made(name)
    folder = miniature.write(tmp_path / "hear-2021.0.6" / "tasks", made, rates=(16000,))
    found = names.load(f"hear-task:{name}", tmp_path)
    assert found.name == f"hear-task:{name}"
    assert found.card == hear_task.CARDS[name]
    assert names.load("hear-task", folder).version == found.version
    assert conformance.broken_by_dataset(found) == ()
    targets = {clip.id: clip.targets["label"] for clip in found.clips}
    for part, of_part in made.labels.items():
        for file, labels in of_part.items():
            text = tuple(sorted(str(one) for one in labels))
            assert targets.pop(f"{part}/{file}") == (text if hear_task.TASKS[name].kind == "multilabel" else text[0])
    assert not targets


def test_these_are_the_17_scene_tasks_and_two_of_events() -> None:
    assert len(SCENES) == 18, "beehive_states is one of the 17, in two folders"
    assert [name for name in hear_task.TASKS if name not in SCENES] == ["dcase2016_task2", "maestro-5h"]


@pytest.mark.parametrize("n", [3, 5, 7, 10])
def test_folds_are_those_of_the_public_kit(n: int, tmp_path: Path) -> None:
    parts = miniature.folds_of(n)
    made = miniature.multiclass("mine-v1-full", parts, splits=[*parts[1:], parts[0]])
    found = names.load("hear-task", miniature.write(tmp_path, made, rates=(16000,)))
    assert [one.fold for one in splits.resolve(found, None, "label", "all")] == list(range(n))
    for i, fold in enumerate(found.splits["folds"]):
        wanted = {"test": [parts[i]], "valid": [parts[(i + 1) % n]]}
        wanted["train"] = [one for one in parts if one not in wanted["test"] + wanted["valid"]]
        for role, of_role in wanted.items():
            ids = [f"{part}/{file}" for part in of_role for file in made.labels[part]]
            assert list(getattr(fold, role)) == ids


def test_fixed_parts_are_the_split_as_published(tmp_path: Path) -> None:
    made = miniature.multilabel(FSD50K, miniature.TVT)
    found = names.load("hear-task", miniature.write(tmp_path, made))
    (split,) = found.splits["official"]
    for role in miniature.TVT:
        assert list(getattr(split, role)) == [f"{role}/{file}" for file in made.labels[role]]
    assert found.by_id["train/5tn.wav"].targets == {"label": ()}
    assert found.by_id["train/0tn.wav"].targets == {"label": ("a", "b")}


@pytest.mark.parametrize(
    ("rates", "chosen"), [((16000, 48000, 96000), 48000), ((16000, 44100), 44100), ((16000,), 16000)]
)
def test_48_khz_is_read_where_it_is_there_else_the_highest_rate(
    rates: tuple[int, ...], chosen: int, tmp_path: Path
) -> None:
    folder = miniature.write(tmp_path, miniature.multiclass(ESC50, miniature.folds_of(3)), rates)
    clip = names.load("hear-task", folder).clips[0]
    assert clip.path == folder / str(chosen) / "fold00" / "fo0-a-0.wav"
    assert clip.id == "fold00/fo0-a-0.wav"


def test_a_task_that_is_scored_by_pitch_has_midi_numbers_too(tmp_path: Path) -> None:
    made = miniature.multiclass(PITCH, miniature.TVT)
    found = names.load("hear-task", miniature.write(tmp_path, made, rates=(16000,)))
    assert {(clip.targets["label"], clip.targets["pitch"]) for clip in found.clips} == {
        (str(one), one) for one in miniature.PITCHES
    }
    libricount = miniature.multiclass("libricount-v1.0.0-hear2021-full", miniature.folds_of(5))
    assert names.load("hear-task", miniature.write(tmp_path, libricount, rates=(16000,))).labels == ("label",)


@pytest.mark.parametrize("name", ["dcase2016_task2", "maestro-5h"])
def test_events_load_and_are_refused_with_the_reason_when_they_are_to_be_scored(name: str, tmp_path: Path) -> None:
    found = names.load(f"hear-task:{name}", miniature.write(tmp_path, _made(name)))
    assert found.clips
    assert found.labels == ()
    assert all(clip.path.is_file() for clip in found.clips)
    assert found.splits
    with pytest.raises(
        DataError, match=r"no label 'label'.*events with times.*framewise tasks are loaded, and not sco"
    ):
        splits.resolve(found, None, "label")


def test_a_run_on_events_ends_with_the_reason(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = miniature.write(tmp_path, _made("dcase2016_task2"))
    with pytest.raises(SpecError, match="framewise tasks are loaded, and not scored"):
        learnt("{name: events, label: label, kind: multilabel}", "hear-task", folder, "mAP", tmp_path, monkeypatch)


@pytest.mark.parametrize("name", SCENES)
def test_each_scene_task_has_a_task_on_its_own_split(name: str) -> None:
    task = find_task(f"hear_{name.removeprefix('tfds_').replace('-', '_')}")
    card = hear_task.CARDS[name]
    pitch = name.startswith("nsynth")
    assert (task.dataset, task.label) == (f"hear-task:{name}", "pitch" if pitch else "label")
    assert task.kind == next(one.kind for one in card.labels if one.name == task.label)
    assert task.split == card.splits[0].name == ("folds" if hear_task.TASKS[name].n_folds else "official")


def test_no_task_asks_for_events() -> None:
    assert not [
        task for task in TASKS.values() if task.dataset in ("hear-task:dcase2016_task2", "hear-task:maestro-5h")
    ]


def test_one_of_several_tasks_is_chosen_by_name(tmp_path: Path) -> None:
    miniature.write(tmp_path, miniature.multiclass(ESC50, miniature.folds_of(5)), rates=(16000,))
    miniature.write(tmp_path, miniature.multiclass(PITCH, miniature.TVT), rates=(16000,))
    assert names.load("hear-task:nsynth-pitch-5h", tmp_path).name == "hear-task:nsynth_pitch-5h"
    with pytest.raises(DataError, match=r"got 'hear-task:esc_5'. Did you mean 'esc50'\? There: hear-task:esc50, hear-"):
        names.load("hear-task:esc_5", tmp_path)
    with pytest.raises(DataError, match=r"Expected one task in .*, got 'hear-task'\. There: "):
        names.load("hear-task", tmp_path)


def test_another_task_than_the_name_says_is_refused(esc50: Path) -> None:
    with pytest.raises(DataError, match=r"got 'hear-task:knocks'.* There: hear-task:esc50"):
        names.load("hear-task:knocks", esc50)


def test_where_no_task_lies_the_line_to_type_is_said(tmp_path: Path) -> None:
    with pytest.raises(MissingPart, match="Type: earmark get dataset hear-task:esc50 "):
        names.load("hear-task:esc50", tmp_path)


@pytest.mark.parametrize("lost", ["fold03.json", "labelvocabulary.csv"])
def test_a_missing_file_is_named(lost: str, esc50: Path) -> None:
    (esc50 / lost).unlink()
    with pytest.raises(MissingPart, match=rf"expected '{lost}'[\s\S]*get dataset hear-task:esc50 "):
        names.load("hear-task", esc50)


def test_a_published_task_beside_others_is_missing_and_not_wrong(tmp_path: Path) -> None:
    miniature.write(tmp_path, miniature.multiclass(ESC50, miniature.folds_of(5)), rates=(16000,))
    for name in ("hear-task:tfds_gtzan", "hear-task:tfds-gtzan"):
        with pytest.raises(MissingPart, match=rf"there: hear-task:esc50\. Type: earmark get dataset {name} "):
            names.load(name, tmp_path)
        assert names.card(name).title == "HEAR 2021: tfds_gtzan"


def test_a_task_without_audio_says_which_folder_is_missing(tmp_path: Path) -> None:
    folder = miniature.write(tmp_path, miniature.multiclass(ESC50, miniature.folds_of(5)), rates=())
    with pytest.raises(MissingPart, match="expected '48000' there"):
        names.load("hear-task", folder)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"embedding_type": "frame"}, "expected 'embedding_type' to be scene or event, got 'frame'"),
        ({"prediction_type": "seld"}, "expected 'prediction_type' to be multiclass or multilabel, got 'seld'"),
        ({"split_mode": None}, "expected 'split_mode' to be trainvaltest or .*, got None"),
        ({"task_name": 7}, "expected 'task_name' to be text, got 7"),
        ({"splits": ["fold00", "fold00"]}, "expected the names of the folds in 'splits', each once"),
        ({"splits": ["fold00", "fold01"]}, "(?i)expected at least three|3"),
    ],
)
def test_metadata_of_another_kind_is_refused(change: dict[str, object], message: str, esc50: Path) -> None:
    file = esc50 / "task_metadata.json"
    file.write_text(json.dumps(json.loads(file.read_text()) | change))
    with pytest.raises(DataError, match=message):
        names.load("hear-task", esc50)


@pytest.mark.parametrize(
    ("labels", "message"),
    [
        ('{"one.wav": ["z"]}', r"fold02.json: 'one.wav': the label 'z' is not in labelvocabulary.csv"),
        ('{"one.wav": ["a", "b"]}', "expected one label of a multiclass task, got 2"),
        ('{"one.wav": "a"}', "expected a file's name and a list of labels"),
        ('{"../one.wav": ["a"]}', "expected a file's name and a list of labels"),
        ("[]", "expected an object, got list"),
        ("{", "expected JSON, but"),
    ],
)
def test_labels_of_another_form_are_refused(labels: str, message: str, esc50: Path) -> None:
    (esc50 / "fold02.json").write_text(labels)
    with pytest.raises(DataError, match=message):
        names.load("hear-task", esc50)


def test_a_vocabulary_of_other_columns_is_refused(esc50: Path) -> None:
    (esc50 / "labelvocabulary.csv").write_text("label\na\n")
    with pytest.raises(DataError, match="csv:1: expected the columns idx and label, got label"):
        names.load("hear-task", esc50)


def test_pitches_that_are_no_numbers_are_refused(tmp_path: Path) -> None:
    made = miniature.multiclass(ESC50, miniature.folds_of(3), evaluation=["pitch_acc"])
    with pytest.raises(DataError, match="expected MIDI numbers for labels, got 'a'"):
        names.load("hear-task", miniature.write(tmp_path, made, rates=(16000,)))


def test_on_a_task_folder_tones_are_learnt_from_log_mel(
    esc50: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    scores = learnt("hear_esc50", "hear-task:esc50", esc50.parent, "accuracy", tmp_path, monkeypatch)
    assert {(row.split, row.n) for row in scores} == {("folds", 6)}
    assert min(row.value or 0 for row in scores) > 0.8
