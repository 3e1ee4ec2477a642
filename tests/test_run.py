"""Running an experiment end to end on a small folder of tones: resume, identity, failures, crash points."""

import hashlib
import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import polars as pl
import pytest
import soundfile
import torch

import earmark
from earmark import places
from earmark.errors import AudioError, Refused, SpecError
from earmark.experiment import results
from earmark.store import Store
from tests.test_conformance import Toy

RATE = 22050
NAMES = {"low": 220.0, "middle": 330.0, "high": 554.4}

PROBE = "{kind: mlp, hidden_units: [], epochs: 20, learning_rate: 0.03, batch_size: 4, standardise: true}"
EXPERIMENT = """\
name: tones
experiments:
  - task: {{name: tone, label: label, kind: multiclass}}
    datasets: [{{name: folder, dir: {folder}, split_type: [0.5, 0.25, 0.25]}}]
    deformations:
      snr0: [{{type: AddGaussianSNR, params: {{min_snr_db: 0, max_snr_db: 0}}}}]
    representations: [{{name: logmel, pool: [mean, std]}}, {{name: chroma}}]
    probes: [{{kind: mlp, hidden_units: [], epochs: 20, learning_rate: 0.03, batch_size: 4, standardise: true}}]
    seeds: [0, 1]
resamples: 50
"""


def make_tones(folder: Path, each: int = 8) -> Path:
    rng = np.random.Generator(np.random.PCG64(0))
    for name, frequency_hz in NAMES.items():
        (folder / name).mkdir(parents=True)
        for number in range(each):
            steps = np.arange(RATE // 2) / RATE
            detune = 2 ** rng.uniform(-0.02, 0.02)
            tone = 0.2 * np.sin(2 * np.pi * frequency_hz * detune * steps) + 0.02 * rng.standard_normal(len(steps))
            soundfile.write(folder / name / f"{number}.wav", tone.astype(np.float32), RATE, subtype="PCM_16")
    return folder


@pytest.fixture
def tones(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("EARMARK_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("EARMARK_RUNS", str(tmp_path / "runs"))
    make_tones(tmp_path / "audio")
    file = tmp_path / "tones.yml"
    file.write_text(EXPERIMENT.format(folder=tmp_path / "audio"))
    return file


def numbers(run: results.Run) -> pl.DataFrame:
    return run.frame.drop("seconds", "run")


def files(folder: Path) -> dict[str, str]:
    """Every file below a folder with the hash of its bytes; the log, which tells the time, left out."""
    found = (path for path in sorted(folder.rglob("*")) if path.is_file() and path.name != "log.txt")
    return {path.relative_to(folder).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest() for path in found}


def test_a_run_scores_every_test_clip_and_finds_the_tones(tones: Path) -> None:
    run = earmark.run(tones, quiet=True)
    clean = run.frame.filter(
        (pl.col("deformation") == "clean") & pl.col("seed").is_null() & pl.col("label").is_null()
    ).filter(pl.col("metric") == "accuracy", pl.col("average") == "micro")
    scores = dict(clean.select("representation", "value").iter_rows())
    assert scores["chroma"] > 0.9 > 0.5 > scores["constant"]
    assert set(clean["n"]) == {6}, "a quarter of 24 clips"
    assert not run.failures
    names = {"experiment.yml", "plan.json", "results.jsonl", "results.parquet", "failures.jsonl", "environment.json"}
    assert names <= {path.name for path in run.folder.iterdir()}


def test_a_second_run_computes_nothing_and_writes_the_same(tones: Path) -> None:
    first = earmark.run(tones, quiet=True)
    before = files(first.folder)
    second = earmark.run(tones, quiet=True)
    assert (second.jobs_done, second.folder) == (0, first.folder)
    assert earmark.plan(tones).jobs == 0
    assert files(first.folder) == before


def test_the_order_of_the_file_changes_nothing_on_disk(tones: Path, tmp_path: Path) -> None:
    first = earmark.run(tones, quiet=True)
    store = files(tmp_path / "home" / "store")
    swapped = "[{name: chroma}, {name: logmel, pool: [mean, std]}]"
    tones.write_text(tones.read_text().replace("[{name: logmel, pool: [mean, std]}, {name: chroma}]", swapped))
    again = earmark.run(tones, quiet=True)
    assert again.jobs_done == 0
    assert again.folder == first.folder
    assert files(tmp_path / "home" / "store") == store


def test_one_more_probe_runs_only_that_probe(tones: Path) -> None:
    earmark.run(tones, quiet=True)
    tones.write_text(tones.read_text().replace("probes: [", "probes: [{kind: mlp, hidden_units: [4], epochs: 5}, "))
    planned = earmark.plan(tones)
    assert planned.embeddings.missing == 0
    assert planned.probes.missing == 4, "two representations × two seeds"
    assert earmark.run(tones, quiet=True).jobs_done == 4, "two fits, two scorings"


def test_the_number_of_processes_changes_no_number(
    tones: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    alone = earmark.run(tones, jobs=1, quiet=True)
    monkeypatch.setenv("EARMARK_HOME", str(tmp_path / "other"))
    monkeypatch.setenv("EARMARK_RUNS", str(tmp_path / "other-runs"))
    together = earmark.run(tones, jobs=2, quiet=True)
    assert numbers(alone).equals(numbers(together))


def test_stages_run_one_by_one_give_the_same(tones: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    whole = earmark.run(tones, quiet=True)
    monkeypatch.setenv("EARMARK_HOME", str(tmp_path / "other"))
    monkeypatch.setenv("EARMARK_RUNS", str(tmp_path / "other-runs"))
    early = earmark.run(tones, stage="score", quiet=True)
    assert any("left out" in note for note in early.notes), "nothing to score yet, and it says so"
    for stage in ("embed", "probe", "score"):
        last = earmark.run(tones, stage=stage, quiet=True)
    assert numbers(last).equals(numbers(whole))


def test_skipping_deformed_audio_leaves_it_for_later(tones: Path) -> None:
    early = earmark.run(tones, skip_deformed=True, quiet=True)
    assert set(early.frame["deformation"]) == {"clean"}
    assert set(earmark.run(tones, quiet=True).frame["deformation"]) == {"clean", "snr0"}


def test_overwrite_always_computes_anew_and_never_refuses(tones: Path) -> None:
    first = earmark.run(tones, quiet=True)
    again = earmark.run(tones, overwrite="always", quiet=True)
    assert again.jobs_done > 0
    assert numbers(again).equals(numbers(first))
    with pytest.raises(Refused, match="has results already"):
        earmark.run(tones, overwrite="never", quiet=True)


def broken(folder: Path) -> set[str]:
    """Put a truncated, an empty and a text file among the tones, and the same tones in other formats."""
    whole = (folder / "low" / "0.wav").read_bytes()
    (folder / "low" / "cut.wav").write_bytes(whole[: len(whole) // 2])
    (folder / "low" / "empty.wav").write_bytes(b"")
    (folder / "high" / "text.wav").write_text("this is not audio\n" * 50)
    for name, suffix, rate, channels in (("a", "flac", 48000, 2), ("b", "ogg", 44100, 2), ("c", "mp3", 8000, 1)):
        steps = np.arange(rate) / rate
        tone = np.repeat(0.2 * np.sin(2 * np.pi * 440.0 * steps)[:, None], channels, axis=1)
        soundfile.write(folder / "middle" / f"{name}.{suffix}", tone.astype(np.float32), rate)
    return {"cut.wav", "empty.wav", "text.wav"}


def test_broken_files_are_named_with_reasons_and_the_rest_is_scored(tones: Path, tmp_path: Path) -> None:
    names = broken(tmp_path / "audio")
    run = earmark.run(tones, quiet=True)
    assert {Path(failure.path).name for failure in run.failures} == names
    assert all(failure.reason for failure in run.failures)
    frame = run.frame.filter(pl.col("seed").is_null() & pl.col("label").is_null())
    assert (frame["n"] + frame["n_failed"]).n_unique() == 1, "every test clip is scored or counted as failed"
    again = earmark.run(tones, quiet=True)
    assert again.jobs_done == 0, "what cannot be read is not tried twice"
    assert again.failures == run.failures


def test_on_error_stop_stops_at_the_first_broken_file(tones: Path, tmp_path: Path) -> None:
    broken(tmp_path / "audio")
    with pytest.raises(AudioError, match="on-error stop"):
        earmark.run(tones, on_error="stop", quiet=True)


def test_the_command_line_ends_with_3_when_clips_failed(tones: Path, tmp_path: Path) -> None:
    broken(tmp_path / "audio")
    done = subprocess.run(
        [sys.executable, "-m", "earmark", "run", str(tones), "--jobs", "1"], capture_output=True, text=True, check=False
    )
    assert done.returncode == 3, done.stderr
    assert "3 clips could not be used" in done.stderr
    assert "tone on folder" in done.stdout


def test_predictions_hold_every_test_clip_of_every_seed(tones: Path) -> None:
    run = earmark.run(tones, quiet=True)
    index = [json.loads(line) for line in (run.folder / "predictions" / "index.jsonl").read_text().splitlines()]
    assert len(index) == 5, "two representations × two conditions, and the constant"
    for entry in index:
        table = pl.read_parquet(run.folder / "predictions" / entry["file"])
        seeds = 1 if entry["probe"] == "constant" else 2
        assert len(table) == 6 * seeds
        right = (table["target"] == table["prediction"]).mean()
        row = run.frame.filter(
            pl.col("representation") == entry["representation"],
            pl.col("deformation") == entry["deformation"],
            pl.col("metric") == "accuracy",
            pl.col("average") == "micro",
            pl.col("seed").is_null(),
        )
        assert row["value"].item() == pytest.approx(right), "the table's number is that of the predictions"


def test_a_label_that_is_not_there_is_an_error_at_its_place(tones: Path) -> None:
    tones.write_text(tones.read_text().replace("label: label", "label: lable"))
    with pytest.raises(SpecError, match=r"tones\.yml:3:\d+: Dataset .* has no label 'lable'\. Did you mean 'label'"):
        earmark.run(tones, quiet=True)


def test_the_log_tells_what_was_done_and_what_failed(tones: Path, tmp_path: Path) -> None:
    broken(tmp_path / "audio")
    said = (earmark.run(tones, quiet=True).folder / "log.txt").read_text()
    assert "embed: 1 jobs done" in said
    assert "empty.wav" in said


def test_many_small_shards_are_merged_at_the_end(tones: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("earmark.experiment.run.MOST_SHARDS", 1)
    earmark.run(tones, skip_deformed=True, quiet=True)
    whole = earmark.run(tones, quiet=True)
    assert Store(places.store_folder()).n_shards == 1
    assert earmark.run(tones, quiet=True).jobs_done == 0
    assert set(whole.frame["deformation"]) == {"clean", "snr0"}


def test_a_file_that_lacked_ffmpeg_is_tried_again_once_it_is_there(
    tones: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "audio" / "low" / "song.m4a").write_bytes(b"no matter what")
    monkeypatch.setattr("shutil.which", lambda _: None)
    first = earmark.run(tones, quiet=True)
    assert "needs ffmpeg" in first.failures[0].reason
    assert earmark.run(tones, quiet=True).jobs_done == 0
    monkeypatch.setattr("shutil.which", lambda _: "/bin/false")
    assert "cannot decode" in earmark.run(tones, quiet=True).failures[0].reason


class NotFinite(Toy):
    """A model that gives NaN for loud clips."""

    def frames(self, audio: torch.Tensor) -> torch.Tensor:
        return super().frames(audio) * torch.where(audio.abs().amax() > 0.9, torch.nan, 1.0)


def test_a_clip_whose_embedding_is_not_finite_is_named_and_never_scored(tones: Path, tmp_path: Path) -> None:
    soundfile.write(tmp_path / "audio" / "low" / "loud.wav", np.full(RATE, 0.95, np.float32), RATE)
    tones.write_text(tones.read_text().replace("{name: chroma}", "{name: 'tests.test_run:NotFinite'}"))
    (failure,) = earmark.run(tones, quiet=True).failures
    assert failure.clip == "low/loud.wav"
    assert "gave numbers that are not finite" in failure.reason


@pytest.mark.parametrize(
    ("kind", "label", "metric"), [("multilabel", "tags", "roc_auc"), ("regression", "height", "r2")]
)
def test_other_kinds_of_task_run_from_a_manifest(
    tones: Path, tmp_path: Path, kind: str, label: str, metric: str
) -> None:
    lines = ["path,tags:tags,height:number"]
    for number, path in enumerate(sorted((tmp_path / "audio").rglob("*.wav"))):
        name = path.parent.name
        tags = {"low": "deep", "middle": "deep|bright" if number % 2 else "|", "high": "bright"}[name]
        lines.append(f"{path},{tags},{list(NAMES).index(name) - 1}")
    manifest = tmp_path / "clips.csv"
    manifest.write_text("\n".join(lines))
    text = tones.read_text().replace(
        "name: tone, label: label, kind: multiclass", f"name: own, label: {label}, kind: {kind}"
    )
    if kind == "regression":  # of twelve clips the least squares are found, and not by a hundred small steps
        text = text.replace(PROBE, "{kind: ridge, standardise: true}")
    tones.write_text(text.replace(f"name: folder, dir: {tmp_path / 'audio'}", f"name: manifest, dir: {manifest}"))
    run = earmark.run(tones, quiet=True)
    rows = run.frame.filter(pl.col("metric") == metric, pl.col("average") == "macro", pl.col("seed").is_null())
    assert len(rows) == 5, "two representations × two conditions, and the constant"
    best = rows.filter(pl.col("probe") != "constant", pl.col("deformation") == "clean")["value"].to_list()
    assert max(best) > 0.5
    assert earmark.run(tones, quiet=True).jobs_done == 0


def test_when_every_clip_fails_it_says_so_and_scores_nothing(tones: Path, tmp_path: Path) -> None:
    for path in (tmp_path / "audio").rglob("*.wav"):
        path.write_text("no audio at all")
    run = earmark.run(tones, quiet=True)
    assert run.rows == ()
    assert len(run.failures) == 24
    assert any("every clip failed" in note for note in run.notes)
