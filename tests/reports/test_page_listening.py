"""What a page holds to listen to: matrices as the predictions are, errors first, sound where it is allowed."""

import copy
import json
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from ruamel.yaml import YAML

from earmark.analysis import escapes
from earmark.experiment import clips
from earmark.experiment.results import Run
from earmark.reports import _listening, _matrices, _media
from earmark.runs import predictions
from earmark.runs.compare import CONSTANT
from tests.reports.page_runs import SNR0, run
from tests.reports.parsed_page import written
from tests.runs import made_rows, made_runs

__all__ = ["run"]  # a fixture


def test_data_ends_no_script_whatever_it_holds() -> None:
    hostile = {"a": "</script><!--<script>&amp;\u2028\u2029", "b": 'quo"te\\'}
    text = _listening.in_script(hostile)
    assert json.loads(text) == hostile
    assert not set(text) & set("<>&\u2028\u2029")


def test_what_a_matrix_says_is_right_is_the_accuracy_of_the_table(run: Run, tmp_path: Path) -> None:
    data = written(run, tmp_path).data
    (task,) = data["tasks"]
    rows = {
        (f"{row.representation} ({row.pool}), {row.probe}", row.deformation): row.value
        for row in run.rows
        if row.seed is None and row.average == "micro" and row.metric == "accuracy" and row.probe != CONSTANT
    }
    for system, views in zip(task["systems"], task["views"], strict=True):
        for deformation, view in zip(task["deformations"], views, strict=True):
            share = view["right"] / sum(view["totals"])
            assert share == pytest.approx(rows.pop((system, deformation)), abs=0.005)
    assert not rows, "every system and condition of the tables has a matrix"


def test_the_cells_of_a_matrix_hold_what_the_predictions_say(run: Run, tmp_path: Path) -> None:
    data = written(run, tmp_path).data
    (task,) = data["tasks"]
    (axes,) = data["axes"]
    one = next(one for one in predictions.index(run.folder) if one.system == task["systems"][0])
    answers = one.read()
    view = task["views"][0][task["deformations"].index(one.deformation)]
    for row, column, count, is_error, n, said in view["cells"]:
        there = (answers.targets == row) & (answers.scores.argmax(axis=2) == column)
        assert count == pytest.approx(there.sum() / len(answers.scores), abs=0.005)
        assert n == there.any(axis=0).sum()
        assert is_error == (axes["rows"][row] != axes["columns"][column])
        listed = {data["clips"][place][0]: seeds for place, seeds in zip(said[::3], said[2::3], strict=True)}
        assert listed == {
            escapes.plain(clip): seeds for clip, seeds in zip(answers.clips, there.sum(axis=0), strict=True) if seeds
        }


def test_sound_is_embedded_only_where_it_is_asked_for_and_allowed(run: Run, tmp_path: Path) -> None:
    def sounds(folder: Path, embed_audio: bool) -> tuple[int, int, str]:
        found = written(replace(run, folder=folder), tmp_path, embed_audio=embed_audio)
        media = found.data["media"].values()
        n_in_text = (tmp_path / "page.html").read_text("utf-8").count("data:audio/")
        assert n_in_text == sum("sound" in one for one in media)
        return sum("picture" in one for one in media), n_in_text, found.text

    kept = tmp_path / "kept"
    shutil.copytree(run.folder, kept)
    rights = json.loads((kept / clips.RIGHTS).read_bytes())
    (kept / clips.RIGHTS).write_text(
        json.dumps({name: one | {"redistributable": False} for name, one in rights.items()})
    )
    pictures, none, _ = sounds(run.folder, embed_audio=False)
    assert (pictures, none) == (24, 0)
    assert sounds(run.folder, embed_audio=True)[:2] == (24, 24)
    pictures, none, said = sounds(kept, embed_audio=True)
    assert (pictures, none) == (24, 0)
    assert "Not embedded, since the card does not allow its audio to be passed on: manifest:clips: unknown." in said


@pytest.mark.parametrize("clips_shown", [0, 1, 7])
def test_at_most_so_many_clips_are_pictured_and_errors_come_first(run: Run, tmp_path: Path, clips_shown: int) -> None:
    data = written(run, tmp_path, clips=clips_shown).data
    assert len(data["media"]) == clips_shown
    wrong = {
        f"{place}/{task['chains'][number]}"
        for task in data["tasks"]
        for views in task["views"]
        for number, view in enumerate(views)
        for *_, is_error, _, said in view["cells"]
        if is_error
        for place in said[::3]
    }
    assert set(data["media"]) <= wrong


def test_first_clips_of_cells_are_chosen_before_second_ones(run: Run) -> None:
    found = _matrices.topics(run.folder)
    (topic,) = found.topics
    lead = topic.matrices[topic.lead, "clean"]
    errors = [cell for cell in lead.cells if cell.is_error]
    chosen = _matrices.chosen(found, 2 * len(errors))[: len(errors)]
    assert {found.sound(topic, "clean", cell.said[0]) for cell in errors} == set(chosen)


def test_a_page_gets_short_lists_where_it_would_be_too_long(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_listening, "MOST_BYTES", 0)
    found = written(run, tmp_path, clips=3)
    assert "A cell lists at most 0 clips, surest first" in found.text
    lists = [
        cell[-1] for task in found.data["tasks"] for views in task["views"] for one in views for cell in one["cells"]
    ]
    assert {place for said in lists for place in said[::3]} == {int(name.split("/")[0]) for name in found.data["media"]}


def test_matrices_beyond_the_limit_are_counted(run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_matrices, "MOST_MATRICES", 3)
    found = written(run, tmp_path)
    assert "3 matrices are on this page; 1 more are in the run's folder, as predictions." in found.text
    assert sum(one is not None for task in found.data["tasks"] for views in task["views"] for one in views) == 3


def test_large_matrices_become_their_most_frequent_errors(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_matrices, "MOST_ROWS", 2)
    found = written(run, tmp_path)
    views = [one for task in found.data["tasks"] for some in task["views"] for one in some]
    assert all(not one["isWhole"] and all(cell[3] for cell in one["cells"]) for one in views)
    assert "With more than 2 lines no matrix is drawn: its 200 most frequent errors are named instead." in found.text


def test_audio_is_linked_relatively_where_it_may_move_with_the_page(tmp_path: Path) -> None:
    page_file = tmp_path / "project" / "runs" / "a" / "report.html"
    inside, outside = tmp_path / "project" / "a 'b' #1.wav", tmp_path / "elsewhere" / "é?.wav"
    assert _media.address(inside, page_file) == "../../a%20%27b%27%20%231.wav"
    assert _media.address(outside, page_file) == outside.as_uri()
    assert _media.address(Path("/a/b.wav"), Path("/page.html")) == "file:///a/b.wav"


def test_an_older_run_shows_matrices_without_sound_and_says_what_to_do(tmp_path: Path) -> None:
    made = made_runs.write(tmp_path / "old", made_runs.three(), made_runs.TARGETS)
    found = written(made_rows.with_rows(made), tmp_path)
    assert "There is no sound and no picture. Expected clips.jsonl in" in found.text
    assert "run its experiment again, all of it is in the store" in found.text
    assert found.data["files"] == []
    assert len(found.data["tasks"][0]["systems"]) == 3


def test_one_clip_of_one_class_is_a_matrix_of_one_cell(tmp_path: Path) -> None:
    scores = {"one/M1": np.ones((1, 1, 1), np.float32)}
    made = made_runs.write(tmp_path / "one", scores, np.zeros(1, int))
    found = written(made_rows.of_rows(made, [made_rows.ROW]), tmp_path)
    (view,) = found.data["tasks"][0]["views"][0]
    assert view["cells"] == [[0, 0, 1, 0, 1, [0, 100, 1]]]
    assert "it has one system" in found.text


def test_scores_that_are_not_finite_stand_in_a_column_of_their_own(tmp_path: Path) -> None:
    scores = made_runs.three(seeds=1)
    scores["bad/M1"][:, 0] = np.nan
    made = made_runs.write(tmp_path / "nan", scores, made_runs.TARGETS)
    found = written(made_rows.of_rows(made, [made_rows.ROW]), tmp_path)
    columns = [tuple(one["columns"]) for one in found.data["axes"]]
    assert sorted(columns) == [("a", "b", "c"), ("a", "b", "c", "no answer")]


@pytest.mark.parametrize("kind", ["multilabel", "regression"])
def test_several_answers_a_clip_are_listed_in_their_own_words(tmp_path: Path, kind: Any) -> None:
    rng = np.random.default_rng(0)
    targets = (rng.random((20, 3)) < 0.5).astype(np.float32)
    made = made_runs.write(tmp_path / kind, {"a/M1": rng.random((2, 20, 3))}, targets, kind=kind, metrics=("f1",))
    view = written(made_rows.of_rows(made, [made_rows.ROW]), tmp_path).data["tasks"][0]["views"][0][0]
    assert view["width"] == 5
    assert all(isinstance(word, str) for cell in view["cells"] for word in (*cell[-1][3::5], *cell[-1][4::5]))


def test_a_file_that_has_moved_is_said_at_its_clips_and_the_page_is_of_the_others(run: Run, tmp_path: Path) -> None:
    moved = tmp_path / "moved"
    shutil.copytree(run.folder, moved)
    lines = [json.loads(line) for line in (moved / clips.CLIPS).read_text("utf-8").splitlines()]
    gone = {escapes.plain(line["clip"]) for line in lines[:4]}
    changed = [line | {"path": "/gone/<b>.wav"} if place < 4 else line for place, line in enumerate(lines)]
    (moved / clips.CLIPS).write_text("".join(json.dumps(line) + "\n" for line in changed))
    found = written(replace(run, folder=moved), tmp_path, embed_audio=True)
    why = {found.data["clips"][int(name.split("/")[0])][0] for name, one in found.data["media"].items() if "why" in one}
    assert why == gone
    assert "8 clips could not be pictured; the first: Cannot be shown: " in found.text
    assert "/gone/<b>.wav" in found.text


def test_deformations_of_one_name_are_heard_as_their_own_task_says(run: Run, tmp_path: Path) -> None:
    other = tmp_path / "other"
    shutil.copytree(run.folder, other)
    asked = YAML().load(run.folder / "experiment.yml")
    block = copy.deepcopy(asked["experiments"][0])
    block["task"]["name"] = "tone again"
    (steps,) = block["deformations"].values()
    steps[0]["params"].update(min_snr_db=15.0, max_snr_db=15.0)
    asked["experiments"].append(block)
    with (other / "experiment.yml").open("w", encoding="utf-8") as file:
        YAML().dump(asked, file)
    found = written(replace(run, folder=other), tmp_path)
    assert found.data["tasks"][0]["chains"] == ["clean", f"{SNR0}/tone"]
    assert all("picture" in one for one in found.data["media"].values())
    assert {name.partition("/")[2] for name in found.data["media"]} == {"clean", f"{SNR0}/tone"}
