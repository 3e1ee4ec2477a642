"""Data and probes that do not go together, through whole runs: a clear error that says of what, or the right number."""

from collections.abc import Callable
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

import earmark
from earmark.errors import DataError, SpecError
from earmark.experiment.results import Run
from tests.test_run import NAMES, make_tones

SPLIT = ("train", "train", "train", "valid", "test", "test")
RIDGE = "{kind: ridge, standardise: true}"
LABEL = {"low": "a", "middle": "b", "high": "c"}


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("EARMARK_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("EARMARK_RUNS", str(tmp_path / "runs"))
    return make_tones(tmp_path / "audio", each=len(SPLIT))


def listed(
    folder: Path,
    target: Callable[[str, int], object] = lambda name, number: LABEL[name],
    role: Callable[[str, int], str] = lambda name, number: SPLIT[number],
    column: str = "label",
) -> None:
    """Write the manifest: the target and the part of each clip, by the name of its tone and its number."""
    lines = [
        f"{name}/{number}.wav,{role(name, number)},{target(name, number)}"
        for name in NAMES
        for number in range(len(SPLIT))
        if role(name, number) != "none"
    ]
    (folder / "clips.csv").write_text("\n".join([f"path,split,{column}", *lines]) + "\n")


def ran(folder: Path, kind: str = "multiclass", probe: str = RIDGE, heard: str = "chroma", **how: Any) -> Run:
    """Run one probe on the manifest."""
    file = folder / "x.yml"
    file.write_text(
        f"experiments:\n"
        f"  - task: {{name: tone, label: label, kind: {kind}}}\n"
        f"    datasets: [{{name: manifest, dir: {folder / 'clips.csv'}}}]\n"
        f"    representations: [{heard}]\n"
        f"    probes: [{probe}]\n"
        f"resamples: 20\n"
    )
    return earmark.run(file, quiet=True, **how)


def run(folder: Path, kind: str = "multiclass", probe: str = RIDGE, heard: str = "chroma") -> pl.DataFrame:
    """Run one probe on the manifest; return the averages of what it scores."""
    rows = ran(folder, kind, probe, heard).frame
    return rows.filter(pl.col("seed").is_null(), pl.col("label").is_null(), pl.col("probe") != "constant")


def accuracy(rows: pl.DataFrame) -> float:
    (value,) = rows.filter(pl.col("metric") == "accuracy", pl.col("average") == "micro")["value"]
    return float(value)


@pytest.mark.parametrize("probe", [RIDGE, "{kind: knn, k: 1}", "{kind: logistic}"])
def test_a_class_that_is_absent_from_training_is_never_right(folder: Path, probe: str) -> None:
    listed(folder, role=lambda name, number: "none" if name == "high" and number < 3 else SPLIT[number])
    assert accuracy(run(folder, probe=probe)) == pytest.approx(2 / 3)


@pytest.mark.parametrize("probe", [RIDGE, "{kind: knn, k: 1}", "{kind: logistic}"])
def test_one_clip_a_class_is_enough_for_tones(folder: Path, probe: str) -> None:
    listed(folder, role=lambda name, number: "none" if number in (1, 2, 5) else SPLIT[number])
    assert accuracy(run(folder, probe=probe)) == 1


def test_one_test_clip_has_a_wide_interval(folder: Path) -> None:
    listed(
        folder,
        role=lambda name, number: "none" if SPLIT[number] == "test" and name + "4" != f"low{number}" else SPLIT[number],
    )
    rows = run(folder).filter(pl.col("metric") == "accuracy", pl.col("average") == "micro")
    assert rows.select("value", "n").row(0) == (1.0, 1)
    assert rows["ci_low"][0] == pytest.approx(0.025)


@pytest.mark.parametrize("probe", [RIDGE, "{kind: knn, k: 1}", "{kind: logistic}", "{kind: mlp, epochs: 2}"])
def test_constant_features_say_nothing(folder: Path, probe: str) -> None:
    listed(folder)
    ids = [f"{name}/{number}" for name in NAMES for number in range(len(SPLIT))]
    np.savez(folder / "flat.npz", ids=np.array(ids), vectors=np.full((len(ids), 4), 3.0))
    assert accuracy(run(folder, probe=probe, heard=f"'features:{folder / 'flat.npz'}'")) == pytest.approx(1 / 3)


def test_a_dataset_of_one_class_is_refused_before_anything_is_embedded(folder: Path) -> None:
    listed(folder, lambda name, number: "a")
    with pytest.raises(
        SpecError, match="2:11: Expected clips that differ in 'label', and all have a: there is nothing"
    ):
        run(folder)
    listed(folder, lambda name, number: "|", column="label:tags")
    with pytest.raises(SpecError, match="2:11: Expected clips that differ in 'label', and all have none"):
        run(folder, "multilabel")


@pytest.mark.parametrize(
    ("kind", "target", "message"),
    [
        (
            "regression",
            "x",
            r"regression: clip 'low/0.wav' must have a number as label, one that float32 holds, has \('x',\).",
        ),
        (
            "pitch",
            "C4",
            r"'tone' is pitch: clip 'low/0.wav' must have a number as label, one that float32 holds, has \('C4',\).",
        ),
        (
            "regression",
            "1e39",
            r"clip 'low/0.wav' must have a number as label, one that float32 holds, has \('1e39',\).",
        ),
        ("key", "H minor", "'H minor' is not a major or minor key."),
    ],
)
def test_a_target_that_is_none_of_its_kind_is_an_error_of_the_data(
    folder: Path, kind: str, target: str, message: str
) -> None:
    listed(folder, lambda name, number: target, column="label:class")
    with pytest.raises(SpecError, match=message):
        run(folder, kind)


def test_a_logistic_probe_of_a_regression_is_refused_in_the_file(folder: Path) -> None:
    listed(folder, lambda name, number: number)
    with pytest.raises(SpecError, match="5:21: A logistic probe predicts classes or labels"):
        run(folder, "regression", "{kind: logistic}")


@pytest.mark.parametrize("jobs", [1, 2])
def test_a_probe_that_diverges_is_named_and_the_others_are_scored(folder: Path, jobs: int) -> None:
    listed(folder)
    wild = [f"{{kind: mlp, name: wild{i}, learning_rate: 1.0e+38}}" for i in "12"]
    found = ran(folder, probe=", ".join([*wild, "{kind: logistic}"]), jobs=jobs)
    assert len(found.unfitted) == 2
    for one in found.unfitted:
        assert one.startswith("tone on manifest:clips, fold 0: chroma (mean), wild")
        assert ": Expected finite predictions, got NaN or infinity after epoch 1" in one
    assert {row.probe for row in found.rows} == {"constant", "logistic"}


def test_a_probe_that_diverges_ends_a_run_that_is_to_stop(folder: Path) -> None:
    listed(folder)
    with pytest.raises(DataError, match=r"wild: Expected finite .*stopped because of --on-error stop"):
        ran(folder, probe="{kind: mlp, name: wild, learning_rate: 1.0e+38}", on_error="stop")


def test_an_error_in_a_users_estimator_says_which_probe_it_is_of(folder: Path) -> None:
    listed(folder)
    (said,) = ran(folder, probe="{kind: own, name: svm, class_path: 'sklearn.svm:SVC', params: {C: -1}}").unfitted
    assert said.startswith("tone on manifest:clips, fold 0: chroma (mean), svm: 'sklearn.svm:SVC', when")


def test_frames_of_parts_with_other_rates_are_refused_in_the_file(folder: Path) -> None:
    listed(folder)
    with pytest.raises(SpecError, match=r"4:23: 'mean' pools frames, and the parts of 'chroma\+mfcc' have"):
        run(folder, probe="{kind: mlp, name: mean, pool_frames: mean, epochs: 1}", heard="chroma+mfcc")


def test_parts_with_other_numbers_of_frames_are_not_laid_side_by_side(folder: Path) -> None:
    listed(folder)
    counts = {"few": 3, "many": 5}
    for name, count in counts.items():
        for tone, number in product(NAMES, range(len(SPLIT))):
            (folder / name / tone).mkdir(parents=True, exist_ok=True)
            np.save(folder / name / tone / f"{number}.npy", np.ones((count, 2), np.float32))
    heard = "+".join(f"features:{folder / name}/*/*.npy" for name in counts)
    (said,) = ran(
        folder, probe="{kind: mlp, hidden_units: [], pool_frames: mean, epochs: 1}", heard=f"'{heard}'"
    ).unfitted
    assert "to have as many frames each" in said
    assert "of 'low/0.wav' they have 3 and 5" in said
