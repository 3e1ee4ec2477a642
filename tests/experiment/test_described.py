"""Labels that are computed from the audio: right, heard once, remembered; what has none is counted."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
import soundfile

import earmark
from earmark import audio
from earmark.datasets import folder as folders
from earmark.errors import DataError, SpecError
from earmark.experiment import described
from earmark.experiment.study import Study, study
from tests.experiment.specimens import LEAST, mistake

RATE = 16000

EXPERIMENT = """\
name: sound
experiments:
  - task: audio_level
    datasets: &folder [{{name: folder, dir: {folder}, split_type: [0.5, 0.25, 0.25]}}]
    representations: [logmel]
    probes: [{{kind: mlp, hidden_units: [], epochs: 3, standardise: true}}]
  - task: {{name: how_high, label: audio.pitch, kind: regression}}
    datasets: *folder
    representations: [logmel]
    probes: [{{kind: mlp, hidden_units: [], epochs: 3, standardise: true}}]
resamples: 20
"""


def sine(level_db: float, frequency_hz: float, length_s: float = 0.5) -> np.ndarray:
    steps = np.arange(round(length_s * RATE)) / RATE
    amplitude = np.sqrt(2) * 10 ** (level_db / 20)
    samples: np.ndarray = amplitude * np.sin(2 * np.pi * frequency_hz * steps)
    return samples


@pytest.fixture
def sounds(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An experiment on 20 sines from -30 dB and 220 Hz upwards, one noise without a pitch and one silence."""
    monkeypatch.setenv("EARMARK_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("EARMARK_RUNS", str(tmp_path / "runs"))
    rng = np.random.Generator(np.random.PCG64(0))
    found = {f"sine-{i:02}": sine(-30 + i, 220 * 2 ** (i / 12)) for i in range(20)}
    found |= {"noise": 0.1 * rng.standard_normal(RATE // 2), "silence": np.zeros(RATE // 2)}
    (tmp_path / "audio").mkdir()
    for name, samples in found.items():
        soundfile.write(tmp_path / "audio" / f"{name}.wav", samples, RATE, subtype="PCM_24")
    file = tmp_path / "sound.yml"
    file.write_text(EXPERIMENT.format(folder=tmp_path / "audio"))
    return file


def targets(found: Study, task: str) -> dict[str, object]:
    """The value of each clip of a task, by the clip's name."""
    (subject,) = (one for some in found.subjects.values() for one in some if one.task.name == task)
    every = (*subject.train, *subject.valid, *subject.test)
    return {one.clip.path.stem: one.clip.targets[subject.task.label] for one in every}


def test_targets_are_the_numbers_of_the_sound(sounds: Path) -> None:
    found = study(sounds, quiet=True)
    levels, pitches = targets(found, "audio_level"), targets(found, "how_high")
    sines = [f"sine-{i:02}" for i in range(20)]
    assert [levels[name] for name in sines] == pytest.approx(range(-30, -10), abs=0.01)
    assert [pitches[name] for name in sines] == pytest.approx(range(57, 77), abs=0.05)
    assert levels.keys() - pitches.keys() == {"noise"}


def test_clips_without_a_number_are_left_out_and_counted(sounds: Path) -> None:
    notes = study(sounds, quiet=True).notes
    assert any("1 of 22 clips have no 'audio.level' and are left out" in note for note in notes), "silence"
    assert any("2 of 22 clips have no 'audio.pitch' and are left out" in note for note in notes), "and noise"


def test_each_clip_is_decoded_once_for_all_labels_and_never_again(
    sounds: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    read: list[Path] = []
    decode = audio.read

    def counted(path: Path, *rest: float | None) -> audio.Audio:
        read.append(path)
        return decode(path, *rest)  # type: ignore[arg-type]  # what comes is handed on

    monkeypatch.setattr(audio, "read", counted)
    first = study(sounds, quiet=True)
    assert len(read) == len(set(read)) == 22
    again = study(sounds, quiet=True)
    assert len(read) == 22
    assert targets(again, "how_high") == targets(first, "how_high")


def test_more_processes_give_the_same_numbers(sounds: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(described, "CHUNK_CLIPS", 6)
    alone = study(sounds, quiet=True)
    together = study(sounds, store=tmp_path / "other", jobs=2, quiet=True)
    assert targets(together, "audio_level") == targets(alone, "audio_level")


def test_a_changed_file_is_heard_again(sounds: Path) -> None:
    study(sounds, quiet=True)
    soundfile.write(sounds.parent / "audio" / "sine-00.wav", sine(-3, 440), RATE, subtype="PCM_24")
    assert targets(study(sounds, quiet=True), "audio_level")["sine-00"] == pytest.approx(-3, abs=0.01)


def test_an_experiment_on_computed_labels_runs_and_a_second_run_has_nothing_to_do(sounds: Path) -> None:
    run = earmark.run(sounds, quiet=True)
    rows = [row for row in run.rows if row.metric == "r2" and row.label is None and row.seed is None]
    assert {(row.task, row.probe) for row in rows} == {
        (task, probe) for task in ("audio_level", "how_high") for probe in ("constant", rows[-1].probe)
    }
    assert all(row.value is not None for row in rows)
    assert earmark.run(sounds, quiet=True).jobs_done == 0


def test_clips_that_cannot_be_read_are_named_in_a_note(sounds: Path) -> None:
    (sounds.parent / "audio" / "broken.wav").write_bytes(b"RIFF")
    notes = [note for note in study(sounds, quiet=True).notes if "cannot be read" in note]
    assert len(notes) == 2, "one a task"
    assert "audio_level on folder" in notes[0]
    assert "nothing computed of clips that cannot be read: broken.wav (" in notes[0]


def test_a_subset_is_the_same_for_every_computed_label(sounds: Path) -> None:
    found = study(sounds, ["experiments.*.datasets.0.subset=15"], quiet=True)
    levels, pitches = targets(found, "audio_level"), targets(found, "how_high")
    assert 13 <= len(levels) <= 15
    assert pitches.keys() <= levels.keys()


def test_a_label_that_no_clip_has_says_why(sounds: Path) -> None:
    with pytest.raises(SpecError) as caught:
        study(sounds, ["experiments.0.task=audio_tempo"], quiet=True)
    assert "has an audio.tempo: they are shorter than 6 s or have no onsets that repeat." in str(caught.value)


def test_where_nothing_can_be_read_that_is_why(sounds: Path) -> None:
    for path in (sounds.parent / "audio").iterdir():
        path.write_bytes(b"no audio at all")
    with pytest.raises(SpecError, match=r"has an audio\.level: nothing computed of clips that cannot be read: "):
        study(sounds, quiet=True)


def test_a_dataset_cannot_have_a_label_of_that_name_itself(sounds: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    loaded = folders.load("audio.level", sounds.parent)
    labels: Sequence[str] = ("audio.level",)
    store = study(sounds, quiet=True).store
    with pytest.raises(DataError, match=r"has a label 'audio\.level' of its own, which is the name of what earmark"):
        described.with_labels(loaded, labels, store, lambda placed: "0")


def with_task(text: str) -> str:
    return LEAST.replace("studio_family", text)


def test_an_unknown_label_of_the_sound_has_a_nearest_one() -> None:
    assert mistake(with_task("{name: loud, label: audio.levle, kind: regression}")) == (
        "x.yml:3:31: Unknown label that is computed from the audio 'audio.levle'. Did you mean 'audio.level'? "
        "Known: audio.bandwidth, audio.centroid, audio.duration, audio.level, audio.pitch, audio.tempo."
    )


@pytest.mark.parametrize(
    "task", ["{name: loud, label: audio.level, kind: multiclass}", "{name: audio_level, kind: multiclass}"]
)
def test_a_number_of_the_sound_is_regressed(task: str) -> None:
    assert mistake(with_task(task)).endswith(
        "'audio.level' is a number (dB full scale), so a task of it is regression, not multiclass. "
        "Write kind: regression."
    )
