"""A run with severity sweeps: severities in its rows, drifts in its folder, and the table of both."""

import json
from pathlib import Path
from typing import Any
from unittest.mock import Mock

import numpy as np
import pytest
import soundfile
from typer.testing import CliRunner

import earmark
from earmark.analysis import drift
from earmark.cli.app import app
from earmark.errors import DataError, UserError
from earmark.experiment import drifts
from earmark.experiment.drifts import Drift
from earmark.experiment.results import Run
from earmark.runs import degradation, tabling

RATE = 22050
EXPERIMENT = """\
name: swept
experiments:
  - task: {{name: tone, label: tone, kind: multiclass}}
    datasets: [{{name: manifest, dir: {manifest}}}]
    deformations:
      noise: [{{type: AddGaussianSNR, params: {{snr_db: {{sweep: [60, -20]}}}}}}]
      gain: [{{type: Gain, params: {{gain_db: {{sweep: [-6, -12]}}}}}}]
      turned: [{{type: PolarityInversion}}]
    representations: [chroma, logmel]
    probes: [{{kind: logistic, standardise: true}}]
resamples: 60
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Forty-eight tones a third of a second long, three pitches, two to a group."""
    place = tmp_path_factory.mktemp("swept")
    rng = np.random.default_rng(0)
    lines = ["path,tone,group,split"]
    for number in range(48):
        hz = (220.0, 330.0, 554.4)[number % 3] * 2 ** (rng.integers(0, 2))
        time = np.arange(RATE // 3) / RATE
        tone = 0.1 * np.sin(2 * np.pi * hz * time) + 0.003 * rng.standard_normal(len(time))
        soundfile.write(place / f"{number:02}.wav", tone.astype(np.float32), RATE, subtype="FLOAT")
        split = ("train", "valid", "test")[min(number // 12, 2)]
        lines.append(f"{number:02}.wav,{('low', 'middle', 'high')[number % 3]},g{number // 2},{split}")
    (place / "clips.csv").write_text("\n".join(lines))
    (place / "swept.yml").write_text(EXPERIMENT.format(manifest=place / "clips.csv"))
    return place


@pytest.fixture(scope="module")
def swept(folder: Path) -> Run:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("EARMARK_HOME", str(folder / "home"))
        patch.setenv("EARMARK_RUNS", str(folder / "runs"))
        return earmark.run(folder / "swept.yml", quiet=True)


def value(run: Run, measure: str, deformation: str, representation: str) -> float | None:
    (found,) = (
        one
        for one in drifts.read(run.folder)
        if (one.measure, one.deformation, one.representation) == (measure, deformation, representation)
    )
    return found.value


def test_rows_have_the_severity_of_their_chain(swept: Run) -> None:
    found = {(row.deformation, row.severity) for row in swept.rows if row.probe != "constant"}
    severities = {"noise@60": 60.0, "noise@-20": -20.0, "gain@-6": -6.0, "gain@-12": -12.0}
    assert found == {*severities.items(), ("clean", None), ("turned", None)}


def test_every_measure_of_every_deformation_is_in_the_folder(swept: Run) -> None:
    found = drifts.read(swept.folder)
    assert len(found) == 2 * 5 * len(drift.MEASURES)
    assert {(one.n, one.n_groups) for one in found} == {(24, 12)}
    assert {(one.deformation, one.severity) for one in found} >= {("noise@-20", -20.0), ("turned", None)}
    assert json.loads((swept.folder / drifts.FILE).read_text().splitlines()[0])["ci_level"] == 0.95


def test_what_does_not_hear_a_change_does_not_move(swept: Run) -> None:
    """A spectrum does not know the sign of its samples, and chroma is of the shares of its bins."""
    for representation in ("chroma", "logmel"):
        assert value(swept, "drift", "turned", representation) == pytest.approx(0, abs=1e-6)
        assert value(swept, "self_retrieval", "turned", representation) == pytest.approx(1, abs=0.05)
    assert value(swept, "relative_drift", "gain@-12", "chroma") == pytest.approx(0, abs=0.01)


def test_level_moves_log_mel_by_one_shift_for_all_clips(swept: Run) -> None:
    shift = value(swept, "constant_shift", "gain@-12", "logmel")
    assert shift is not None
    assert shift > 0.99
    assert (value(swept, "drift", "gain@-6", "logmel") or 0) < (value(swept, "drift", "gain@-12", "logmel") or 0)


def test_noise_as_loud_as_this_leaves_little(swept: Run) -> None:
    quiet, loud = (value(swept, "relative_drift", f"noise@{snr}", "logmel") or 0 for snr in (60, -20))
    assert quiet < 0.1 < loud


def test_what_is_undefined_says_why(swept: Run) -> None:
    undefined = [one for one in drifts.read(swept.folder) if one.value is None]
    assert undefined
    assert {one.note for one in undefined} == {drifts.NOT_MOVED}
    assert {one.deformation for one in undefined} <= {"turned", "gain@-6", "gain@-12", "noise@60"}


def test_a_second_run_measures_nothing_and_writes_the_same(
    swept: Run, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("EARMARK_HOME", str(folder / "home"))
    monkeypatch.setenv("EARMARK_RUNS", str(folder / "runs"))
    before = (swept.folder / drifts.FILE).read_bytes()
    (swept.folder / drifts.FILE).unlink()
    monkeypatch.setattr(drift, "against", lambda *_: pytest.fail("it was measured before"))
    assert earmark.run(folder / "swept.yml", quiet=True).folder == swept.folder
    assert (swept.folder / drifts.FILE).read_bytes() == before


def test_a_run_without_deformations_has_no_drifts(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EARMARK_HOME", str(folder / "home"))
    monkeypatch.setenv("EARMARK_RUNS", str(folder / "runs"))
    plain = earmark.run(folder / "swept.yml", overrides=["experiments.0.deformations={}"], quiet=True)
    assert not (plain.folder / drifts.FILE).exists()
    assert drifts.read(plain.folder) == ()
    with pytest.raises(DataError, match=r"These runs deform nothing\. Write deformations into the experiment"):
        degradation.tables([plain.folder])


def test_a_folder_never_holds_the_drifts_of_what_it_ran_before(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EARMARK_HOME", str(folder / "home"))
    monkeypatch.setenv("EARMARK_RUNS", str(folder / "runs"))
    turned = "experiments.0.deformations={turned: [{type: PolarityInversion}]}"
    first = earmark.run(folder / "swept.yml", run_id="again", overrides=[turned], quiet=True)
    assert drifts.read(first.folder)
    with monkeypatch.context() as patch:
        patch.setattr(drifts, "write", Mock(side_effect=KeyboardInterrupt))
        with pytest.raises(KeyboardInterrupt):
            earmark.run(folder / "swept.yml", run_id="again", quiet=True)
    assert drifts.read(first.folder) == (), "stopped between the scores and the drifts"
    earmark.run(folder / "swept.yml", run_id="again", quiet=True)
    assert {row.deformation for row in drifts.read(first.folder)} > {"turned", "noise@60"}
    earmark.run(folder / "swept.yml", run_id="again", overrides=["experiments.0.deformations={}"], quiet=True)
    assert drifts.read(first.folder) == (), "nothing is deformed any more"


def test_frames_are_averaged_before_they_are_compared(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EARMARK_HOME", str(folder / "home"))
    monkeypatch.setenv("EARMARK_RUNS", str(folder / "runs"))
    only = [
        "experiments.0.representations=[logmel]",
        "experiments.0.probes=[{kind: mlp, pool_frames: mean, epochs: 1}]",
    ]
    found = earmark.run(folder / "swept.yml", overrides=only, quiet=True)
    rows = {(one.deformation, one.measure): one for one in drifts.read(found.folder)}
    assert {one.pool for one in rows.values()} == {"frames"}
    pooled = earmark.run(folder / "swept.yml", quiet=True)
    assert rows["noise@-20", "drift"].value == pytest.approx(value(pooled, "drift", "noise@-20", "logmel"), rel=1e-2)


def test_a_curve_holds_the_scores_of_the_rows(swept: Run) -> None:
    found = degradation.curves(swept.folder)
    assert {(one.predicted.representation, one.sweep) for one in found} == {
        (representation, sweep) for representation in ("chroma", "logmel") for sweep in ("noise", "gain")
    }
    of_rows: dict[Any, Any] = {
        (row.representation, row.deformation): (row.value, row.ci_low, row.ci_high)
        for row in swept.rows
        if row.metric == "accuracy" and row.average == "micro" and row.seed is None and row.label is None
    }
    for curve in found:
        for severity, score in zip(curve.of.severities, curve.of.scores, strict=True):
            row = of_rows[curve.predicted.representation, f"{curve.sweep}@{severity:g}"]
            assert (score.value, *score.interval[:2]) == pytest.approx(row)
        assert curve.of.clean.value == pytest.approx(of_rows[curve.predicted.representation, "clean"][0])


def test_the_table_says_what_is_left_and_what_moved(swept: Run, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    scores, *moves = degradation.tables([swept.folder])
    assert scores.title == "tone on manifest:clips, split manifest: accuracy (micro), 24 test clips in 12 groups"
    assert scores.column_heads[:4] == (
        ("", "clean"),
        ("noise -20…60", "worst"),
        ("noise -20…60", "at"),
        ("noise -20…60", "area"),
    )
    assert [head[0] for head in scores.row_heads] == ["chroma", "logmel"]
    assert [grid.title.partition(" ")[0] for grid in moves] == list(drift.MEASURES)
    for measure, grid in zip(drift.MEASURES, moves, strict=True):
        methods = {row.ci_method for row in drifts.read(swept.folder) if row.measure == measure and row.low is not None}
        assert all(method in grid.interval for method in methods), "it is said of all intervals, not of the first"
        assert not any("over seeds" in remark for remark in grid.remarks("interval")), "an embedding has no seed"
    with pytest.raises(UserError, match=r"made by earmark\.runs\.degradation\.tables"):
        tabling.tables(swept.folder, preset="robustness")
    monkeypatch.setenv("EARMARK_RUNS", str(folder / "runs"))
    said = CliRunner().invoke(app, ["table", str(swept.folder), "--preset", "robustness", "--as", "markdown"])
    assert said.exit_code == 0
    assert "equivariance of embeddings, 24 test clips in 12 groups of manifest:clips" in said.stdout
    refused = CliRunner().invoke(app, ["table", str(swept.folder), "--preset", "robustness", "--rows", "probe"])
    assert refused.exit_code == 2


def test_runs_that_sweep_otherwise_have_no_table_together(
    swept: Run, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("EARMARK_HOME", str(folder / "home"))
    monkeypatch.setenv("EARMARK_RUNS", str(folder / "runs"))
    only = ["experiments.0.deformations={noise: [{type: AddGaussianSNR, params: {snr_db: {sweep: [60, 0]}}}]}"]
    other = earmark.run(folder / "swept.yml", overrides=only, quiet=True)
    with pytest.raises(DataError, match="Sweep 'noise' has severities -20/60 and 0/60: an area is comparable only"):
        degradation.tables([swept.folder, other.folder])


def test_runs_with_other_numbers_for_one_system_have_no_table_together(
    swept: Run, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("EARMARK_HOME", str(folder / "home"))
    monkeypatch.setenv("EARMARK_RUNS", str(folder / "runs"))
    assert degradation.tables([swept.folder, swept.folder]) == degradation.tables([swept.folder])
    other = earmark.run(folder / "swept.yml", overrides=["experiments.0.deformation_seed=1"], quiet=True)
    with pytest.raises(DataError, match=r"Two of these runs have other numbers for '.*', .*Make a table of each run"):
        degradation.tables([swept.folder, other.folder])


def test_a_table_of_a_share_of_the_training_clips_says_so(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EARMARK_HOME", str(folder / "home"))
    monkeypatch.setenv("EARMARK_RUNS", str(folder / "runs"))
    run = earmark.run(folder / "swept.yml", overrides=["experiments.0.train_shares=[0.5, 1]"], quiet=True)
    few, whole, *_ = degradation.tables([run.folder])
    assert few.title.startswith("tone on manifest:clips, split manifest, 0.5 of the training clips: accuracy (micro), ")
    assert whole.title == few.title.replace(", 0.5 of the training clips", "")


def test_a_drift_is_read_as_it_was_written(swept: Run) -> None:
    first = drifts.read(swept.folder)[0]
    assert isinstance(first, Drift)
    assert first.low is not None
    assert first.high is not None
    assert first.value is not None
    assert first.low <= first.value <= first.high
