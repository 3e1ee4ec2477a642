"""The leakage audit of a run and of a dataset: what was put there is found, named, kept, and changes no score."""

import json
from collections.abc import Mapping
from itertools import combinations
from pathlib import Path

import numpy as np
import pytest
import soundfile
from numpy.typing import NDArray

import earmark
from earmark import deformations
from earmark.datasets import manifest
from earmark.deformations import Chain, Step
from earmark.experiment import audit, leaks, results
from earmark.experiment.leaks import Check
from earmark.identity import generator
from earmark.show import runs
from earmark.store import Store

RATE = 44100
ROLES = {
    **dict.fromkeys(range(24), "train"),
    **dict.fromkeys(range(24, 32), "valid"),
    **dict.fromkeys(range(32, 44), "test"),
}

EXPERIMENT = """\
experiments:
  - task: {{name: tone, label: label, kind: multiclass}}
    datasets: [{{name: manifest, dir: {manifest}}}]
    representations: [{{name: logmel}}]
    probes: [{{kind: mlp, hidden_units: [], epochs: 2}}]
    seeds: [0]
resamples: 20
"""

Samples = NDArray[np.float32]


def music(number: int) -> Samples:
    """A chord of decaying partials over a noisy background of its own colour, 1.25 s."""
    rng = generator("test_audit", number)
    time_s = np.arange(RATE * 5 // 4) / RATE
    partials = 100 * 2 ** rng.uniform(0, 5, 8)
    chord = sum(np.exp(-rng.uniform(0, 3) * time_s) * np.sin(2 * np.pi * hz * time_s) for hz in partials)
    spectrum = np.fft.rfft(rng.standard_normal(len(time_s)))
    bands = np.interp(np.linspace(0, 1, len(spectrum)), np.linspace(0, 1, 8), rng.uniform(-1, 0.5, 8))
    samples = 0.05 * chord + 0.02 * np.fft.irfft(spectrum * 10**bands, len(time_s))
    return np.asarray(samples, np.float32)


def deformed(samples: Samples, kind: str, **params: float) -> Samples:
    both = {f"{end}_{name}": value for name, value in params.items() for end in ("min", "max")}
    return np.asarray(deformations.apply(Chain(kind, (Step(kind, both),)), samples, RATE, 1), np.float32)


def write(
    folder: Path,
    sounds: Mapping[int, Samples] | None = None,
    rows: Mapping[int, Mapping[str, object]] | None = None,
    label: str = "label",
) -> Path:
    """Write 44 clips and a manifest; `sounds` and `rows` take the place of the clips' own."""
    lines = []
    for number, role in ROLES.items():
        samples = (sounds or {}).get(number)
        soundfile.write(folder / f"{number}.wav", music(number) if samples is None else samples, RATE, subtype="PCM_16")
        row = {"id": f"{number}", "path": f"{number}.wav", "split": role, label: "ab"[number % 2]}
        lines.append(json.dumps(row | dict((rows or {}).get(number, {}))))
    file = folder / "clips.jsonl"
    file.write_text("\n".join(lines))
    experiment = folder / "leaks.yml"
    experiment.write_text(EXPERIMENT.format(manifest=file))
    return experiment


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("EARMARK_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("EARMARK_RUNS", str(tmp_path / "runs"))
    (tmp_path / "audio").mkdir()
    return tmp_path / "audio"


def check_of(run: results.Run, kind: str) -> Check:
    (found,) = [check for one in run.audits for check in one.checks if check.kind == kind]
    return found


def pairs(check: Check) -> set[tuple[str, str]]:
    return {(leak.clip, leak.other_clip) for leak in check.leaks}


def test_clean_data_are_said_to_be_clean_and_what_was_not_audited_is_named(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = earmark.run(write(folder), quiet=True)
    assert not any(tally.leaks for one in run.audits for check in one.checks for tally in check.tallies)
    runs.run(run)
    said = capsys.readouterr().out
    assert "audited: identical audio, near-duplicates (logmel): nothing found." in said
    assert "Not audited: groups on manifest" in said
    assert "no clip names its group" in said


def test_copies_made_quieter_coded_cut_or_noisy_are_found(folder: Path) -> None:
    whole = [music(number) for number in range(6)]
    sounds = {
        32: deformed(whole[0], "Gain", gain_db=-1),
        33: deformed(whole[1], "Mp3Compression", bitrate=128),
        34: whole[2][RATE // 20 :],
        35: deformed(whole[3], "AddGaussianSNR", snr_db=40),
        36: whole[4][: -RATE // 20],
        37: 0.5 * deformed(whole[5], "Mp3Compression", bitrate=64),
    }
    run = earmark.run(write(folder, sounds), quiet=True)
    near = check_of(run, "near")
    assert pairs(near) == {(str(32 + number), str(number)) for number in range(6)}
    assert [(one.other_part, one.leaks, one.n) for one in near.tallies] == [("train", 6, 12), ("valid", 0, 12)]
    assert any("6 of 12 test clips are nearly the same as train clips to logmel" in note for note in run.notes)
    assert not check_of(run, "audio").leaks


def test_the_same_bytes_are_identical_audio_and_not_told_twice(folder: Path) -> None:
    run = earmark.run(write(folder, {32: music(3), 24: music(40)}), quiet=True)
    found = check_of(run, "audio")
    assert {(one.part, one.clip, one.other_part, one.other_clip, one.alike) for one in found.leaks} == {
        ("test", "32", "train", "3", 1.0),
        ("test", "40", "valid", "24", 1.0),
    }
    assert not check_of(run, "near").leaks
    assert any("1 of 12 test clips holds the same audio as train clips (such as 32 and 3)" in one for one in run.notes)


def test_regions_of_one_file_that_overlap_in_time_are_identical_audio(folder: Path) -> None:
    regions: dict[int, dict[str, object]] = {
        0: {"start_s": 0.0, "end_s": 0.8},
        32: {"path": "0.wav", "start_s": 0.7, "end_s": 1.2},
        33: {"path": "0.wav", "start_s": 0.8, "end_s": 1.25},
    }
    run = earmark.run(write(folder, rows=regions), quiet=True)
    (leak,) = check_of(run, "audio").leaks
    assert (leak.clip, leak.other_clip) == ("32", "0")
    assert leak.alike == pytest.approx(0.2)


def test_every_clip_whose_group_is_in_another_part_is_counted(folder: Path) -> None:
    groups = {number: {"group": f"song {number % 40}"} for number in ROLES}
    run = earmark.run(write(folder, rows=groups), quiet=True)
    found = check_of(run, "group")
    assert pairs(found) == {(str(40 + number), str(number)) for number in range(4)}
    assert [(one.part, one.other_part, one.leaks) for one in found.tallies] == [
        ("test", "train", 4),
        ("test", "valid", 0),
        ("valid", "train", 0),
    ]
    assert any("4 of 12 test clips share their group with train clips" in note for note in run.notes)


def test_groups_that_the_label_itself_names_are_no_leak(folder: Path) -> None:
    singers = {number: {"group": f"singer {number % 2}"} for number in ROLES}
    run = earmark.run(write(folder, rows=singers), quiet=True)
    assert "each class of 'label' lies in one group" in check_of(run, "group").reason
    assert not check_of(run, "group").leaks


def test_tags_are_taken_one_by_one_though_each_clip_has_its_own_combination(folder: Path) -> None:
    sets = list(combinations([f"t{number}" for number in range(8)], 3))
    rows = {number: {"label": sets[number], "group": f"artist {number % 11}"} for number in ROLES}
    (one,) = audit.of_dataset(manifest.load("", _rows_only(folder, rows)), quiet=True)
    found = next(check for check in one.checks if check.kind == "group")
    assert found.reason == ""
    assert [tally.leaks for tally in found.tallies] == [12, 8, 8]


def test_one_group_of_all_clips_names_no_label_and_is_found(folder: Path) -> None:
    rows: dict[int, dict[str, object]] = {number: {"group": "all"} for number in ROLES}
    (one,) = audit.of_dataset(manifest.load("", _rows_only(folder, rows)), quiet=True)
    found = next(check for check in one.checks if check.kind == "group")
    assert [tally.leaks for tally in found.tallies] == [12, 12, 8]


def _rows_only(folder: Path, rows: Mapping[int, Mapping[str, object]]) -> Path:
    write(folder, rows=rows)
    return folder / "clips.jsonl"


def test_a_second_run_writes_the_same_leakage_byte_for_byte_also_when_it_is_computed_anew(
    folder: Path, tmp_path: Path
) -> None:
    experiment = write(folder, {32: deformed(music(0), "Gain", gain_db=-1)})
    first = earmark.run(experiment, quiet=True)
    file = first.folder / "leakage.json"
    before = file.read_bytes()
    again = earmark.run(experiment, quiet=True)
    assert (again.jobs_done, file.read_bytes()) == (0, before)
    remembered = list((tmp_path / "home" / "store" / "leakage").glob("*.json"))
    assert remembered
    for path in remembered:
        path.unlink()
    assert earmark.run(experiment, quiet=True).audits == first.audits
    assert file.read_bytes() == before


def test_the_file_holds_thresholds_counts_and_pairs_and_is_read_with_the_run(folder: Path) -> None:
    run = earmark.run(write(folder, {32: deformed(music(0), "Gain", gain_db=-1)}), quiet=True)
    kept = json.loads((run.folder / "leakage.json").read_bytes())
    assert kept["schema"] == 1
    assert {"share_of_inside", "least_spread", "overlap_above_s"} <= kept["thresholds"].keys()
    near = next(check for check in kept["audits"][0]["checks"] if check["kind"] == "near")
    assert near["leaks"][0]["other_clip"] == "0"
    assert 0 < near["threshold"] < near["inside_train"]
    assert results.read(run.folder).audits == run.audits


def test_the_list_is_capped_and_the_count_is_not(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(audit, "MOST_LEAKS", 2)
    run = earmark.run(write(folder, {number: music(number - 32) for number in range(32, 37)}), quiet=True)
    assert len(check_of(run, "audio").leaks) == 2
    assert check_of(run, "audio").tallies[0].leaks == 5


def test_without_embeddings_near_duplicates_are_not_audited_and_the_rest_is(folder: Path) -> None:
    run = earmark.run(write(folder, {32: music(3)}), stage="score", quiet=True)
    assert "embeddings are not there" in check_of(run, "near").reason
    assert pairs(check_of(run, "audio")) == {("32", "3")}


def test_the_audit_changes_no_number(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    experiment = write(folder, {32: music(3)})
    with_audit = earmark.run(experiment, quiet=True)
    monkeypatch.setattr(audit, "of_run", lambda *_: ())
    assert earmark.run(experiment, quiet=True).rows == with_audit.rows


def test_a_dataset_is_audited_on_its_own_and_the_run_finds_the_embeddings(folder: Path) -> None:
    sounds = {32: music(3), 33: deformed(music(5), "Gain", gain_db=-1)}
    experiment = write(folder, sounds)
    dataset = manifest.load("", folder / "clips.jsonl")
    audits = audit.of_dataset(dataset, quiet=True)
    run = earmark.run(experiment, quiet=True)
    assert [one.checks for one in run.audits] == [
        tuple(_renamed(check, "label", "tone") for check in one.checks) for one in audits
    ]
    assert {(one.severity, one.about) for one in audit.findings(audits)} == {
        ("error", ("32 = 3",)),
        ("warning", ("33 = 5",)),
        ("info", ()),
    }
    assert {one.severity for one in audit.findings(audits, kinds=["near"])} == {"warning"}


def _renamed(check: Check, old: str, new: str) -> Check:
    assert all(leak.task == old for leak in check.leaks)
    listed = tuple(leaks.Leak(**{**vars(leak), "task": new}) for leak in check.leaks)
    return Check(**{**vars(check), "leaks": listed})


def test_a_file_that_is_not_there_does_not_stop_the_audit_of_a_dataset(folder: Path) -> None:
    write(folder, {32: music(3)})
    (folder / "7.wav").unlink()
    (folder / "8.wav").write_text("no audio")
    (one,) = audit.of_dataset(manifest.load("", folder / "clips.jsonl"), quiet=True)
    assert {leak.clip for check in one.checks for leak in check.leaks} == {"32"}


def test_a_label_that_cannot_be_split_says_why(folder: Path) -> None:
    file = folder / "clips.jsonl"
    soundfile.write(folder / "0.wav", music(0), RATE)
    file.write_text(json.dumps({"path": "0.wav", "label": "a"}))
    (one,) = audit.of_dataset(manifest.load("", file), quiet=True)
    assert all("No class of 'label' has 3" in check.reason for check in one.checks)
    assert leaks.summary([one]).startswith("Not audited: ")


def test_a_leak_of_some_tasks_of_a_partition_is_said_of_these_alone() -> None:
    def found(task: str, n_leaks: int) -> leaks.Audit:
        check = Check("near", "mfcc", "", (leaks.Tally("test", "train", n_leaks, 9),), (), None, None, None)
        return leaks.Audit(task, "studio", "program", 0, (check,))

    few, many = found("few", 5), found("many", 2)
    said = "studio, split program, fold 0{}: {} of 9 test clips are nearly the same as train clips to mfcc (such as "
    assert leaks.notes([few, many]) == tuple(
        said.format(*one) + "none listed)" for one in ((" (few)", 5), (" (many)", 2))
    )
    assert leaks.notes([few, found("again", 5)]) == (said.format("", 5) + "none listed)",)


def test_what_was_judged_is_remembered_in_the_store(folder: Path, tmp_path: Path) -> None:
    write(folder)
    audit.of_dataset(manifest.load("", folder / "clips.jsonl"), quiet=True)
    assert len(list((tmp_path / "home" / "store" / "leakage").iterdir())) == 1
    assert Store(tmp_path / "home" / "store").verify() == []
