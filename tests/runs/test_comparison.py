"""Comparing with a baseline, ranking over tasks, and what a comparison prints and refuses."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import earmark
from earmark.errors import DataError, UnknownName, UserError
from earmark.runs.compare import compare
from tests.runs import made_runs
from tests.runs.made_runs import TARGETS, three
from tests.test_run import tones

__all__ = ["tones"]  # a fixture

# A baseline


def with_two_probes() -> dict[str, np.ndarray]:
    return {f"{name.split('/')[0]}/{probe}": scores for name, scores in three().items() for probe in ("M1", "M3")}


def test_a_baseline_is_a_representation_with_the_same_probe(tmp_path: Path) -> None:
    found = compare(made_runs.write(tmp_path, with_two_probes(), TARGETS), baseline="bad", permutations=100)
    pairs = {(pair.a, pair.b): pair.verdict for pair in found.tasks[0].pairs}
    assert pairs == {
        ("good, M1", "bad, M1"): "better",
        ("good, M3", "bad, M3"): "better",
        ("other, M1", "bad, M1"): "not told apart",
        ("other, M3", "bad, M3"): "not told apart",
    }


def test_a_baseline_can_be_one_system_and_better_than_the_others(tmp_path: Path) -> None:
    found = compare(made_runs.write(tmp_path, with_two_probes(), TARGETS), baseline="good, M1", permutations=500)
    verdicts = {pair.a: pair.verdict for pair in found.tasks[0].pairs}
    assert len(verdicts) == 5
    assert (verdicts["bad, M1"], verdicts["good, M3"]) == ("worse", "not told apart")


def test_a_baseline_that_is_unknown_or_not_one_is_refused(tmp_path: Path) -> None:
    run = made_runs.write(tmp_path, with_two_probes(), TARGETS)
    with pytest.raises(UnknownName, match=r"Unknown system of this run 'godo'. Did you mean 'good'\?"):
        compare(run, baseline="godo")
    made_runs.write(tmp_path, {"lone/M7": three()["good/M1"]}, TARGETS)
    with pytest.raises(UserError, match=r"one baseline for 'lone, M7', found 2. Name one in full: bad, M1; bad, M3"):
        compare(run, baseline="bad")


def test_the_constant_predictor_is_compared_only_when_asked_for(tones: Path) -> None:
    run = earmark.run(tones, quiet=True)
    assert not any("constant" in pair.b for pair in compare(run, permutations=10).tasks[0].pairs)
    noisy = compare(run, deformation="snr0", baseline="constant", permutations=10)
    assert [pair.b for pair in noisy.tasks[0].pairs] == ["constant, constant"] * 2
    with pytest.raises(UnknownName, match="Unknown deformation of this run 'mp3'"):
        compare(run, deformation="mp3")


# Ranks


def test_systems_are_ranked_over_three_tasks_and_more(tmp_path: Path) -> None:
    for task in ("first", "second"):
        run = made_runs.write(tmp_path, three(), TARGETS, task=task)
    assert compare(run, permutations=10).ranking is None
    found = compare(made_runs.write(tmp_path, three(), TARGETS, task="third"), permutations=10)
    assert found.ranking is not None
    assert [rank for _, rank in found.ranking.systems] == [1.0, 2.0, 3.0] or found.ranking.systems[1][1] == 2.5
    assert found.ranking.systems[0] == ("good, M1", 1.0)
    assert found.ranking.n_tasks == 3
    assert "3 tasks are few: a ranking over fewer than 6 tells hardly anything apart." in found.markdown


# What it prints, and what it refuses


def test_the_command_prints_markdown_or_json(tmp_path: Path) -> None:
    run = made_runs.write(tmp_path / "a", three(), TARGETS)
    command = [
        sys.executable,
        "-m",
        "earmark",
        "compare",
        str(run.folder),
        "--baseline",
        "bad",
        "--permutations",
        "200",
    ]
    printed = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    assert "| pair | difference | p | p, Holm | verdict |" in printed
    assert "| good, M1 − bad, M1 | +0.3" in printed
    assert "Holm's correction is for all 2 pairs shown" in printed
    answer = json.loads(subprocess.run([*command, "--json"], capture_output=True, check=True).stdout)
    assert [pair["verdict"] for pair in answer["tasks"][0]["pairs"]] == ["better", "not told apart"]


def test_one_system_cannot_be_compared(tmp_path: Path) -> None:
    run = made_runs.write(tmp_path / "alone", {"good/M1": three()["good/M1"]}, TARGETS)
    with pytest.raises(DataError, match="Nothing to compare in 'alone': it has one system"):
        compare(run)


def test_predictions_of_an_older_earmark_say_so(tmp_path: Path) -> None:
    run = made_runs.write(tmp_path, three(), TARGETS)
    file = run.folder / "predictions" / "index.jsonl"
    lines = [json.loads(line) for line in file.read_text("utf-8").splitlines()]
    file.write_text("".join(json.dumps({k: v for k, v in line.items() if k != "kind"}) + "\n" for line in lines))
    with pytest.raises(DataError, match=r"of an older earmark: its index lacks kind\. Run its experiment again"):
        compare(run)


def test_a_folder_without_predictions_says_so(tmp_path: Path) -> None:
    (tmp_path / "results.jsonl").write_text("")
    with pytest.raises(DataError, match="Finish its run first"):
        compare(tmp_path)


def test_a_baseline_that_only_some_tasks_have_is_compared_there(tmp_path: Path) -> None:
    made_runs.write(tmp_path, three(), TARGETS, task="with")
    run = made_runs.write(tmp_path, {"x/M1": three()["good/M1"], "y/M1": three()["bad/M1"]}, TARGETS, task="without")
    assert [task.task for task in compare(run, baseline="good", permutations=10).tasks] == ["with"]


def test_a_run_that_predicted_nothing_says_so(tmp_path: Path) -> None:
    run = made_runs.write(tmp_path, three(), TARGETS)
    (run.folder / "predictions" / "index.jsonl").write_text("")
    with pytest.raises(DataError, match="predicted nothing"):
        compare(run)
