"""The confusions of a run's predictions: equal to its tables, every clip there, in words that harm nothing."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from earmark.analysis import confusion as arithmetic
from earmark.metrics import measure
from earmark.nouns import Kind
from earmark.runs import predictions
from earmark.runs.confusions import NO_ANSWER, Confusion, confusion
from tests.runs.made_rows import with_rows
from tests.runs.made_runs import TARGETS, three, write

HOSTILE = ['a/"b".wav', "<script>alert(1)</script>.wav", "new\nline.wav", "next\x85line\u2028.wav", "ö🎺\u202e.wav"]


def one(folder: Path, scores: np.ndarray, targets: np.ndarray, kind: Kind = "multiclass", **more: object) -> Confusion:
    write(folder, {"good/M1": scores}, targets, kind=kind, **more)  # type: ignore[arg-type] # passed on by name
    [predicted] = predictions.index(folder)
    return confusion(predicted)


def test_the_diagonal_is_the_accuracy_of_the_runs_table(tmp_path: Path) -> None:
    run = with_rows(write(tmp_path, three(), TARGETS))
    rows = {f"{row.representation}, {row.probe}": row.value for row in run.rows}
    for predicted in predictions.index(run.folder):
        found = confusion(predicted)
        assert np.trace(found.counts) / found.counts.sum() == pytest.approx(rows[predicted.system], abs=1e-12)
        assert found.counts.sum() == len(TARGETS)


def test_the_found_and_missed_labels_give_f1(tmp_path: Path) -> None:
    rng = np.random.default_rng(4)
    targets, scores = (rng.random((50, 3)) < 0.5).astype(np.float32), rng.random((1, 50, 3)).astype(np.float32)
    found = one(tmp_path, scores, targets, "multilabel")
    hits, missed, extra = found.counts.sum(axis=0)
    f1 = measure("f1", "multilabel", targets, scores[0], found.rows).averages["micro"][0]
    assert 2 * hits / (2 * hits + missed + extra) == pytest.approx(f1)
    assert found.columns == ("found", "missed", "wrongly given")


def test_a_cell_says_each_clip_in_words_surest_first(tmp_path: Path) -> None:
    scores = np.array([[[0.125, 0.875, 0], [0.375, 0.625, 0]], [[0.25, 0.75, 0], [0.625, 0.375, 0]]], np.float32)
    found = one(tmp_path, scores, np.array([0, 0]))
    first, second = found.cell(0, 1)
    assert first == ("made", "clip0000", "a", "b", 0.8125, 2)
    assert second == ("made", "clip0001", "a", "b", 0.625, 1)
    assert [said.clip for said in found.cell(0, 0)] == ["clip0001"], "the other seed put it there"
    assert found.cell(2, 2) == ()
    assert found.counts[0].tolist() == [0.5, 1.5, 0.0]


def test_scores_that_are_no_probabilities_are_not_called_so(tmp_path: Path) -> None:
    found = one(tmp_path, np.array([[[1.7, -0.2, 0.1]]]), np.array([0]))
    assert found.cell(0, 0)[0].probability is None


def test_several_labels_are_said_together_and_the_probability_is_the_rows(tmp_path: Path) -> None:
    scores = np.array([[[0.875, 0.25, 0.75], [0.125, 0.375, 0.5]], [[0.625, 0.25, 0], [0.125, 0.375, 0.5]]], np.float32)
    found = one(tmp_path, scores, np.array([[1, 1, 0], [0, 1, 0]]), "multilabel")
    assert found.cell(0, arithmetic.FOUND) == (("made", "clip0000", "a, b", "a, c", 0.75, 2),)
    assert found.cell(2, arithmetic.WRONGLY_GIVEN) == (("made", "clip0000", "a, b", "a, c", 0.75, 1),)
    assert [said[1:5] for said in found.cell(1, arithmetic.MISSED)] == [
        ("clip0000", "a, b", "a, c", 0.25),
        ("clip0001", "b", "none", 0.375),
    ]


def test_numbers_say_their_thirds_and_how_far_off_they_are(tmp_path: Path) -> None:
    targets = np.arange(1.0, 7.0, dtype=np.float32)[:, None]
    scores = targets[None].copy()
    scores[0, :2, 0] = (5.5, 6.25)
    found = one(tmp_path, scores, targets, "regression")
    assert found.rows == ("a, low: 1 to 2", "a, middle: 3 to 4", "a, high: 5 to 6")
    assert found.columns == ("low", "middle", "high")
    np.testing.assert_array_equal(found.counts, [[0, 0, 2], [0, 2, 0], [0, 0, 2]])
    assert [said[1:] for said in found.cell(0, 2)] == [
        ("clip0000", "1", "5.5", None, 1),
        ("clip0001", "2", "6.25", None, 1),
    ]
    assert [tuple(found.most_confused(9)[0])] == [(0, 2, "a, low: 1 to 2", "high", 2.0, 1.0)]


def test_each_dimension_of_numbers_has_its_own_rows(tmp_path: Path) -> None:
    targets = np.array([[0.0, 5.0], [1.0, 5.0], [2.0, 5.0]], np.float32)
    found = one(tmp_path, targets[None], targets, "regression")
    assert found.rows[3:] == ("b, low: 5 to 5", "b, middle: no clip", "b, high: no clip")
    assert found.cell(2, 2)[0].target == "2"
    assert [said.target for said in found.cell(3, 0)] == ["5"] * 3


@pytest.mark.parametrize("kind", ["multiclass", "multilabel", "regression"])
def test_a_clip_without_an_answer_is_shown_as_such(kind: Kind, tmp_path: Path) -> None:
    scores = np.full((2, 3, 3), 1 / 3, np.float32)
    scores[0, 1, 0] = np.nan
    targets = np.array([0, 1, 2]) if kind == "multiclass" else np.eye(3, dtype=np.float32)
    found = one(tmp_path, scores, targets, kind)
    assert found.columns[-1] == NO_ANSWER
    unanswered = {said for row in range(len(found.rows)) for said in found.cell(row, len(found.columns) - 1)}
    assert {said.clip for said in unanswered} == {"clip0001"}
    assert {(said.label, said.probability) for said in unanswered} == {(NO_ANSWER, None)}


def test_a_class_may_be_called_no_answer(tmp_path: Path) -> None:
    write(tmp_path, {"good/M1": np.array([[[0.25, 0.75]]])}, np.zeros(1, np.int64))
    [predicted] = predictions.index(tmp_path)
    renamed = replace(confusion(predicted), columns=("a", NO_ANSWER))
    assert renamed.cell(0, 1)[0].probability == 0.75


def test_the_most_confused_pairs_are_named(tmp_path: Path) -> None:
    found = one(tmp_path, np.eye(3, dtype=np.float32)[[[1, 1, 1, 0]]], np.array([0, 0, 1, 1]))
    assert found.most_confused(1) == ((0, 1, "a", "b", 2.0, 1.0),)
    assert [mistake.share for mistake in found.most_confused(5)] == [1.0, 0.5]


def test_hostile_ids_and_labels_go_through_unharmed(tmp_path: Path) -> None:
    found = one(tmp_path, np.eye(3, dtype=np.float32)[[[0] * 5]], np.zeros(5, np.int64), clips={"good/M1": HOSTILE})
    assert sorted(said.clip for said in found.cell(0, 0)) == sorted(HOSTILE)


def test_a_label_with_a_line_separator_does_not_tear_the_index(tmp_path: Path) -> None:
    write(tmp_path, {"good/M1": np.eye(3, dtype=np.float32)[None]}, np.arange(3))
    index = tmp_path / "predictions" / predictions.INDEX
    entry = json.loads(index.read_bytes()) | {"task": "made\u2028up"}
    index.write_text(json.dumps(entry, ensure_ascii=False) + "\n", encoding="utf-8")
    assert [predicted.task for predicted in predictions.index(tmp_path)] == ["made\u2028up"]
