"""Pitches between the classes: from a manifest to the run's rows, its predictions and a comparison."""

from pathlib import Path

import numpy as np
import polars as pl
import pytest
import soundfile

import earmark
from earmark.experiment.results import Run
from earmark.metrics import hz_of_midi, is_within_cents, measure
from earmark.runs import bouts, predictions

RATE = 16_000
SCORES = ("raw_pitch_accuracy_50_cents", "raw_pitch_accuracy_100_cents", "chroma_accuracy_50_cents")
EXPERIMENT = """\
experiments:
  - task: {{name: sung, label: pitch, kind: pitch}}
    datasets: [{{name: manifest, dir: {folder}/clips.csv, split_type: [0.5, 0.2, 0.3]}}]
    representations: [chroma]
    probes: [{{kind: logistic, c: 100}}, {{kind: knn, k: 1}}]
    metrics: [accuracy, {metrics}]
resamples: 50
"""


def run_on(folder: Path, monkeypatch: pytest.MonkeyPatch, cents: float) -> Run:
    """Score two systems on sines that lie up to so many cents from five notes."""
    monkeypatch.setenv("EARMARK_HOME", str(folder / "home"))
    monkeypatch.setenv("EARMARK_RUNS", str(folder / "runs"))
    rng, lines = np.random.default_rng(4), ["path,pitch"]
    for place in range(60):
        midi = 60 + place % 5 + round(rng.uniform(-cents, cents) / 100, 3)
        phase = 2 * np.pi * float(hz_of_midi(np.array(midi))) * np.arange(RATE // 2) / RATE
        tone = 0.05 * np.sin(phase) + 0.25 * rng.standard_normal(len(phase))
        soundfile.write(folder / f"{place:02}.wav", tone.astype(np.float32), RATE, subtype="PCM_16")
        lines.append(f"{place:02}.wav,{midi:g}")
    (folder / "clips.csv").write_text("\n".join(lines))
    (folder / "sung.yml").write_text(EXPERIMENT.format(folder=folder, metrics=", ".join(SCORES)))
    return earmark.run(folder / "sung.yml", quiet=True)


def score(run: Run, probe: str, metric: str) -> float:
    rows = [one for one in run.rows if (one.probe, one.metric, one.average, one.seed) == (probe, metric, "micro", None)]
    (row,) = rows
    assert row.value is not None
    return row.value


def test_notes_between_the_classes_are_scored_by_their_own_cents_and_compared_by_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = run_on(tmp_path, monkeypatch, cents=45)
    given = dict(pl.read_csv(tmp_path / "clips.csv").rows())
    found = [one for one in predictions.index(run.folder) if one.probe != "constant"]
    for one in found:
        table = pl.read_parquet(one.file)
        true_hz = hz_of_midi(np.array([given[clip] for clip in table["clip"]]))
        assert table["target_hz"].to_list() == true_hz.tolist()
        said_hz = hz_of_midi(np.array([int(name) for name in table["prediction"]]))
        for metric, is_right in (
            (SCORES[0], is_within_cents(true_hz, said_hz, 50)),
            (SCORES[1], is_within_cents(true_hz, said_hz, 100)),
            (SCORES[2], is_within_cents(true_hz, said_hz, 50, forgive_octaves=True)),
        ):
            assert score(run, one.probe, metric) == pytest.approx(is_right.mean(), abs=1e-12)
            bout = bouts.meet(found, metric, "micro")
            assert bout.estimates(one.system)[0].value == score(run, one.probe, metric)
    by_class = [
        measure(SCORES[1], "pitch", one.read().targets, one.read().scores[0], one.classes).averages["micro"][0]
        for one in found
    ]
    assert by_class != [score(run, one.probe, SCORES[1]) for one in found], "a neighbour may be 145 cents away"
    whole = [score(run, one.probe, "accuracy") for one in found]
    assert whole == [score(run, one.probe, SCORES[0]) for one in found], "45 cents round to the class they are near"
    apart = bouts.meet(found, SCORES[1], "micro").permutation(found[0].system, found[0].system, 20)
    assert apart.p == 1, "swapping a system with itself changes nothing"


def test_whole_notes_have_no_frequencies_beside_their_classes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run = run_on(tmp_path, monkeypatch, cents=0)
    for one in predictions.index(run.folder):
        assert "target_hz" not in pl.read_parquet(one.file).columns
        assert one.read().target_hz is None
