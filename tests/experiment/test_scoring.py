"""Scores of a run: groups beside the predictions, and which intervals are marked as too narrow."""

from pathlib import Path

import numpy as np
import polars as pl

import earmark
from earmark.analysis.trust import Basis
from earmark.experiment.jobs import Scoring
from earmark.experiment.pairings import Pairing, Part
from earmark.experiment.scoring import Frame, Heard, numbers
from earmark.experiment.spec import RepresentationChoice
from earmark.experiment.subjects import Placed, Subject
from earmark.nouns import Clip
from earmark.tasks import Task
from tests.runs import made_runs
from tests.test_run import make_tones, tones

__all__ = ["tones"]  # a fixture

RESAMPLES = 0.5 + 0.02 * np.random.default_rng(0).standard_normal(501)


def frame(metric: str = "accuracy", n: int = 300) -> Frame:
    return Frame(metric, f"{n} clips", n, None, 3, 0.95)


def test_few_test_clips_mark_every_row_but_those_with_an_exact_interval(tones: Path) -> None:
    rows = [row for row in earmark.run(tones, quiet=True).rows if row.value is not None]
    exact = [row for row in rows if row.ci_method.startswith("Clopper")]
    assert exact
    assert not any(row.narrow for row in exact)
    assert all(row.narrow for row in rows if row not in exact)


def test_predictions_name_the_group_of_each_clip(tones: Path, tmp_path: Path) -> None:
    audio = make_tones(tmp_path / "grouped", each=12)
    files = sorted(audio.rglob("*.wav"))
    lines = ["path,tone,group", *(f"{file.relative_to(audio)},{file.parent.name},take{file.stem}" for file in files)]
    (audio / "clips.csv").write_text("\n".join(lines))
    text = tones.read_text().replace(
        "name: folder, dir: " + str(tmp_path / "audio"), f"name: manifest, dir: {audio}/clips.csv"
    )
    tones.write_text(text.replace("label: label", "label: tone"))
    run = earmark.run(tones, quiet=True)
    for file in (run.folder / "predictions").glob("*.parquet"):
        table = pl.read_parquet(file)
        assert [f"take{Path(clip).stem}" for clip in table["clip"]] == table["group"].to_list()


def test_a_frame_without_groups_has_none_in_its_predictions(tones: Path) -> None:
    run = earmark.run(tones, quiet=True)
    tables = [pl.read_parquet(file) for file in (run.folder / "predictions").glob("*.parquet")]
    assert all(table["group"].null_count() == len(table) for table in tables)
    assert {str(table.schema["group"]) for table in tables} == {"String"}


def test_a_macro_score_is_marked_by_its_labels_and_a_micro_one_is_not() -> None:
    few = Basis(300, np.array([4, 4, 4]))
    scores = np.append(0.5, RESAMPLES)
    assert frame().number(scores, "macro", None, None, few).narrow
    assert not frame().number(scores, "micro", None, None, few._replace(supports=None)).narrow
    assert not frame().number(scores, "macro", None, None, Basis(300, np.array([90, 90, 120]))).narrow


def test_an_undefined_score_is_not_marked() -> None:
    found = frame("roc_auc").number(np.full(9, np.nan), "macro", None, None, Basis(3))
    assert (found.value, found.ci_low, found.ci_method, found.narrow) == (None, None, "undefined", False)


def test_all_clips_right_has_an_exact_interval_for_accuracy_and_a_mark_for_other_scores() -> None:
    ones = np.ones(101)
    exact = frame("accuracy").number(ones, "micro", None, None, Basis(300))
    assert (exact.narrow, exact.ci_high) == (False, 1.0)
    assert exact.ci_low is not None
    assert exact.ci_low < 0.99
    assert frame("key_score").number(ones, "micro", None, None, Basis(300)).narrow


def test_made_predictions_have_the_columns_of_real_ones(tones: Path, tmp_path: Path) -> None:
    run = earmark.run(tones, quiet=True)
    real = pl.read_parquet(next((run.folder / "predictions").glob("*.parquet")))
    targets = np.zeros(5, int)
    made = made_runs.write(tmp_path / "made", {"a/M1": np.zeros((1, 5, 3))}, targets)
    assert pl.read_parquet(next((made.folder / "predictions").glob("*.parquet"))).schema == real.schema


def fold_of(tests: str, classes: str) -> Heard:
    """Return a fold whose test clips are of these classes, each heard as the first of them."""
    clips = tuple(Placed("d", Clip(f"{one}{i}", Path(), targets={"x": one})) for i, one in enumerate(tests))
    subject = Subject(Task("t", "x", "multiclass"), "d", "1", "kfold-2", 0, (), (), clips, tuple(classes))
    predictions = np.zeros((1, len(clips), len(classes)))
    predictions[:, :, 0] = 1
    return Heard(subject, Part(clips, (("key",) * len(clips),)), predictions)


def test_the_labels_of_a_mean_over_folds_are_those_that_some_fold_could_score() -> None:
    folds = [fold_of("aabb", "ab"), fold_of("abab", "abc"), fold_of("aaaa", "abd")]
    pairing = Pairing(folds[0].subject, RepresentationChoice("logmel"), folds[0].part, folds[0].part, {}, "key")
    job = Scoring(pairing, None, (0,), ("p",), ("accuracy",), {}, 20, 0.95, (), 1.0)
    assert {number.n_labels for number in numbers(job, folds)} == {2}, "nobody has a test clip of c or d"
    assert {number.n_labels for number in numbers(job, [*folds, fold_of("ab" * 2 + "c", "abc")])} == {3}
