"""The gate: what falls, what does not, in which direction, and how the command ends."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from earmark.errors import DataError, UserError
from earmark.experiment.results import Run
from earmark.nouns import Failure, Result
from earmark.runs.gate import gate
from tests.runs import made_runs
from tests.runs.made_rows import ROW, of_rows, with_rows
from tests.runs.made_runs import TARGETS, three
from tests.runs.test_two_runs import made, with_good


def of(folder: Path, *rows: Result) -> Run:
    return of_rows(Run(folder, (), ()), list(rows))


def test_a_score_falls_where_it_is_below_the_baselines_interval(tmp_path: Path) -> None:
    baseline = of(tmp_path / "old", ROW)  # 0.90 [0.86, 0.94]
    for value, passes in ((0.85, False), (0.8600001, True), (0.87, True), (0.95, True)):
        found = gate(of(tmp_path / f"{value}", replace(ROW, value=value)), baseline)
        assert found.passed is passes, value
    (fall,) = gate(tmp_path / "0.85", baseline).falls
    assert fall.reason == "0.900 before, 0.850 now: below the baseline, whose interval ends at 0.860"


def test_an_error_falls_where_it_is_above_the_interval(tmp_path: Path) -> None:
    row = replace(ROW, metric="mean_absolute_error", average="macro")
    baseline = of(tmp_path / "old", row)
    assert gate(of(tmp_path / "less", replace(row, value=0.1)), baseline).passed
    (fall,) = gate(of(tmp_path / "more", replace(row, value=0.95)), baseline).falls
    assert "above the baseline" in fall.reason


def test_a_sure_fall_inside_the_interval_is_seen_by_the_paired_test(tmp_path: Path) -> None:
    before = three(seeds=1)
    after = before["good/M1"].copy()
    right = np.flatnonzero(after[0].argmax(axis=1) == TARGETS)[:7]
    after[0, right] = np.roll(after[0, right], 1, axis=1)
    old, new = made(tmp_path / "a", before), made(tmp_path / "b", before | {"good/M1": after})
    (fall,) = gate(new, old).falls
    assert "worse by 0.035 on 200 shared clips" in fall.reason
    was, now = (next(row for row in run.rows if row.representation == "good") for run in (old, new))
    assert (was.ci_low or 0) < (now.value or 0), "it is inside the interval"
    assert gate(old, new).passed, "the other way round it has risen"
    assert gate(new, old, tolerance=0.04).passed
    assert not gate(new, old, tolerance=0.03).passed


def test_as_good_a_run_passes(tmp_path: Path) -> None:
    old = made(tmp_path / "a", with_good(0.8))
    systems = with_good(0.8) | {"good/M1": made_runs.answers(TARGETS, 0.8, 2, np.random.default_rng(11))}
    assert gate(made(tmp_path / "b", systems), old).passed


def test_equals_fall_no_more_often_than_said(tmp_path: Path) -> None:
    falls = 0
    for trial in range(60):
        draws = np.random.default_rng(trial)
        folders = [tmp_path / f"{trial}{side}" for side in "ab"]
        old, new = (
            with_rows(
                made_runs.write(
                    folder,
                    {f"{name}/M1": made_runs.answers(TARGETS[:60], 0.7, 1, draws) for name in "xy"},
                    TARGETS[:60],
                )
            )
            for folder in folders
        )
        falls += not gate(new, old, permutations=200).passed
    # Clips are not shared in kind here: nothing is hard for both, so one score falls in 8 % of trials, two in 15 %.
    assert falls <= 16


def test_the_tolerance_is_in_the_metrics_unit(tmp_path: Path) -> None:
    baseline, fallen = of(tmp_path / "old", ROW), of(tmp_path / "new", replace(ROW, value=0.85))
    assert gate(fallen, baseline, tolerance=0.02).passed
    assert not gate(fallen, baseline, tolerance=0.005).passed
    with pytest.raises(UserError, match="Expected a tolerance of 0 or more, got -1"):
        gate(fallen, baseline, tolerance=-1)
    with pytest.raises(UserError, match="got nan"):
        gate(fallen, baseline, tolerance=float("nan"))


def test_what_is_missing_or_undefined_has_fallen(tmp_path: Path) -> None:
    other = replace(ROW, representation="other")
    baseline = of(tmp_path / "old", ROW, other)
    (fall,) = gate(of(tmp_path / "less", ROW), baseline).falls
    assert (fall.name, fall.reason) == (
        "made on made, split random: other, M1, clean: accuracy (micro)",
        "the run does not have it",
    )
    undefined = replace(other, value=None, ci_low=None, ci_high=None)
    (fall,) = gate(of(tmp_path / "none", ROW, undefined), baseline).falls
    assert fall.reason == "0.900 before, undefined now"
    found = gate(baseline, tmp_path / "none")
    assert found.passed
    assert found.notes == ("Scores that are undefined in the baseline, and cannot fall: 1.",)


def test_a_score_without_an_interval_falls_by_more_than_the_tolerance(tmp_path: Path) -> None:
    row = replace(ROW, metric="codelength_bits", average=None, value=100.0, ci_low=None, ci_high=None)
    baseline = of(tmp_path / "old", row)
    more = of(tmp_path / "more", replace(row, value=110.0))
    assert gate(more, baseline).falls[0].reason.endswith("above the baseline, which has no interval")
    assert gate(more, baseline, tolerance=10).passed
    assert gate(baseline, more).passed


def test_a_gate_that_sees_nothing_does_not_pass(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"have no score in common.*--rename OLD=NEW"):
        gate(of(tmp_path / "new", replace(ROW, task="else")), of(tmp_path / "old", ROW))


def test_new_scores_and_clips_that_failed_are_said(tmp_path: Path) -> None:
    new = of(tmp_path / "new", ROW, replace(ROW, representation="more"))
    found = gate(replace(new, failures=(Failure("made", "clip", "clip.wav", "cut short"),)), of(tmp_path / "old", ROW))
    assert found.passed
    assert found.notes == (
        "Clips that could not be used: 1, in the baseline 0. Scores of fewer clips may hide a fall.",
        "Scores without a baseline: 1.",
    )


def test_the_verdict_stands_last(tmp_path: Path) -> None:
    baseline, fallen = of(tmp_path / "old", ROW), of(tmp_path / "new", replace(ROW, value=0.8))
    lines = gate(fallen, baseline).markdown.splitlines()
    assert lines[-1] == "Failed: new against old: 1 of 1 score fell."
    assert lines[-3].startswith("- fell: made on made, split random: good, M1, clean: accuracy (micro): 0.900 before")
    assert gate(baseline, fallen).markdown.splitlines()[-1] == "Passed: old against new: none of 1 score fell."
