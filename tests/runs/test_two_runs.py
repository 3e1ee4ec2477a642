"""Two runs side by side: scores that belong together, what differs by more than chance, what cannot be tested."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from earmark.errors import UnknownName
from earmark.experiment.results import Run
from earmark.runs.changes import Change
from earmark.runs.compare import compare
from earmark.runs.two_runs import changes
from tests.runs import made_runs
from tests.runs.made_rows import ROW, of_rows, with_rows
from tests.runs.made_runs import TARGETS, answers, three


def with_good(share: float, seeds: int = 2) -> dict[str, np.ndarray]:
    """Return the three systems with the good one right for another share of the clips."""
    return three(seeds) | {"good/M1": answers(TARGETS, share, seeds, np.random.default_rng(7))}


def made(folder: Path, systems: dict[str, np.ndarray] | None = None) -> Run:
    return with_rows(made_runs.write(folder, systems or three(), TARGETS))


def by_system(scores: tuple[Change, ...]) -> dict[str, Change]:
    return {one.system: one for one in scores}


def test_a_run_and_itself_differ_in_nothing(tmp_path: Path) -> None:
    run = made(tmp_path / "one")
    found = changes(run, run)
    assert [one.verdict for one in found.scores] == ["the same"] * 3
    assert [one.difference for one in found.scores] == [0] * 3
    assert (found.n_tests, found.only_old, found.only_new) == (0, (), ())


@pytest.mark.parametrize(("old", "new", "verdict"), [(0.9, 0.6, "worse"), (0.6, 0.9, "better")])
def test_a_change_has_its_sign_and_only_what_changed_is_tested(
    tmp_path: Path, old: float, new: float, verdict: str
) -> None:
    found = changes(made(tmp_path / "a", with_good(old)), made(tmp_path / "b", with_good(new)))
    good = by_system(found.scores)["good, M1"]
    assert good.verdict == verdict
    assert good.difference == pytest.approx((good.new.value or 0) - (good.old.value or 0))
    assert good.paired is not None
    assert good.paired.difference == pytest.approx(good.difference)
    assert found.n_tests == 1, "the answers of the other two are the same"
    assert good.paired.p == good.paired.p_holm


def test_the_test_is_that_of_compare(tmp_path: Path) -> None:
    before, after = with_good(0.8)["good/M1"], with_good(0.75)["good/M1"]
    found = changes(
        made(tmp_path / "a", {**three(), "good/M1": before}), made(tmp_path / "b", {**three(), "good/M1": after})
    )
    of_two_runs = by_system(found.scores)["good, M1"].paired
    one_run = made_runs.write(tmp_path / "both", {"after/M1": after, "before/M1": before}, TARGETS)
    (pair,) = compare(one_run, baseline="before").tasks[0].pairs
    assert of_two_runs is not None
    assert (of_two_runs.p, of_two_runs.difference) == (pair.p, pair.difference)
    assert (of_two_runs.ci_low, of_two_runs.ci_high) == (pair.ci_low, pair.ci_high)


def test_only_shared_clips_are_tested_and_a_note_says_so(tmp_path: Path) -> None:
    old = made(tmp_path / "a")
    fewer = {name: scores[:, 50:] for name, scores in with_good(0.6).items()}
    ids = {name: [f"clip{number:04}" for number in range(50, 200)] for name in fewer}
    new = with_rows(made_runs.write(tmp_path / "b", fewer, TARGETS[50:], clips=ids))
    found = changes(old, new)
    good = by_system(found.scores)["good, M1"]
    assert good.paired is not None
    assert (good.old.n, good.new.n, good.paired.n) == (200, 150, 150)
    kept = three()["good/M1"][:, 50:].argmax(axis=2) == TARGETS[50:]
    now = fewer["good/M1"].argmax(axis=2) == TARGETS[50:]
    assert good.paired.difference == pytest.approx(now.mean() - kept.mean())
    assert any("Tested on fewer clips than it is of, those of both runs: " in note for note in found.notes)


def test_what_cannot_be_tested_says_why(tmp_path: Path) -> None:
    old = made(tmp_path / "a")
    moved = {name: [f"other{number:04}" for number in range(200)] for name in three()}
    others = {
        "no test clip": with_rows(made_runs.write(tmp_path / "b", three(), TARGETS, clips=moved)),
        "other labels": with_rows(made_runs.write(tmp_path / "c", three(), np.roll(TARGETS, 1))),
        "other classes": with_rows(
            made_runs.write(tmp_path / "d", {name: one[:, :, :2] for name, one in three().items()}, TARGETS % 2)
        ),
        "no predictions": of_rows(Run(tmp_path / "e", (), ()), list(old.rows)),
    }
    for reason, new in others.items():
        found = changes(old, new)
        assert [one.verdict for one in found.scores] == ["not tested"] * 3
        assert all(reason in one.reason for one in found.scores)
        assert found.notes == (f"Not tested: 3 of 3 scores: {found.scores[0].reason}.",)


def test_folds_meet_fold_by_fold_and_other_folds_do_not(tmp_path: Path) -> None:
    for fold in (0, 1):
        made_runs.write(tmp_path / "a", three(), TARGETS, fold=fold)
        made_runs.write(tmp_path / "b", with_good(0.7), TARGETS, fold=fold)
    old, new = (with_rows(Run(tmp_path / name, (), ())) for name in "ab")
    good = by_system(changes(old, new).scores)["good, M1"]
    assert good.paired is not None
    assert good.paired.n == 400
    assert good.verdict == "worse"
    single = of_rows(made_runs.write(tmp_path / "c", three(), TARGETS), [replace(row) for row in old.rows])
    assert {one.reason for one in changes(old, single).scores} == {"the runs have other folds"}


def test_what_only_one_run_has_is_named(tmp_path: Path) -> None:
    old = made(tmp_path / "a", {name: three()[name] for name in ("good/M1", "bad/M1")})
    new = made(tmp_path / "b", {name: three()[name] for name in ("good/M1", "other/M1")})
    found = changes(old, new)
    assert [one.system for one in found.scores] == ["good, M1"]
    assert found.only_old == ("made on made, split random: bad, M1, clean: accuracy (micro)",)
    assert found.only_new == ("made on made, split random: other, M1, clean: accuracy (micro)",)


def test_a_representation_that_was_renamed_meets_itself(tmp_path: Path) -> None:
    old = made(tmp_path / "a", {"step1/M1": three()["good/M1"], "bad/M1": three()["bad/M1"]})
    new = made(tmp_path / "b", {"step2/M1": with_good(0.6)["good/M1"], "bad/M1": three()["bad/M1"]})
    found = changes(old, new, renamed={"step1": "step2"})
    assert by_system(found.scores)["step2, M1"].verdict == "worse"
    assert (found.only_old, found.only_new) == ((), ())
    with pytest.raises(UnknownName, match=r"Unknown representation of the old run 'step3'\. Did you mean 'step1'\?"):
        changes(old, new, renamed={"step3": "step2"})


def test_the_metric_of_the_old_run_is_looked_for_in_the_new_one(tmp_path: Path) -> None:
    old = of_rows(Run(tmp_path / "a", (), ()), [ROW, replace(ROW, metric="f1", value=0.5)])
    new = of_rows(Run(tmp_path / "b", (), ()), [replace(ROW, metric="f1", value=0.4), replace(ROW, value=0.8)])
    for metric, values in ((None, (0.9, 0.8)), ("f1", (0.5, 0.4))):
        (one,) = changes(old, new, metric).scores
        assert (one.old.value, one.new.value) == values
    with pytest.raises(UnknownName, match="Unknown metric of the old run 'f2'"):
        changes(old, new, "f2")


def test_less_of_an_error_is_better(tmp_path: Path) -> None:
    truth = np.random.default_rng(0).normal(size=(100, 1)).astype(np.float32)
    for name, noise in (("a", 1.0), ("b", 0.2)):
        said = {
            f"{one}/M1": (truth + noise * np.random.default_rng(seed).normal(size=truth.shape))[None]
            for seed, one in enumerate(("first", "second"))
        }
        made_runs.write(tmp_path / name, said, truth, kind="regression", metrics=("mean_absolute_error",))
    old, new = (with_rows(Run(tmp_path / name, (), ())) for name in "ab")
    assert {one.verdict for one in changes(old, new).scores} == {"better"}
    assert {one.verdict for one in changes(new, old).scores} == {"worse"}


def test_so_few_clips_that_nothing_can_be_told_are_said_to_be(tmp_path: Path) -> None:
    few = {name: scores[:, :4] for name, scores in three().items()}
    wrong = {name: np.roll(scores, 1, axis=2) for name, scores in few.items()}
    old = with_rows(made_runs.write(tmp_path / "a", few, TARGETS[:4]))
    found = changes(old, with_rows(made_runs.write(tmp_path / "b", wrong, TARGETS[:4])))
    assert {one.verdict for one in found.scores} == {"not told apart"}
    assert any("so nothing can be told: " in note for note in found.notes)


def test_enough_permutations_are_drawn_for_many_tests(tmp_path: Path) -> None:
    systems = {f"m{number}/M1": answers(TARGETS, 0.9, 1, np.random.default_rng(number)) for number in range(60)}
    fallen = {f"m{number}/M1": answers(TARGETS, 0.3, 1, np.random.default_rng(number)) for number in range(60)}
    found = changes(made(tmp_path / "a", systems), made(tmp_path / "b", fallen))
    assert found.permutations == 2400
    assert {one.verdict for one in found.scores} == {"worse"}
    assert not found.notes


def test_markdown_has_a_line_a_score_and_says_how_to_read_it(tmp_path: Path) -> None:
    text = changes(made(tmp_path / "a"), made(tmp_path / "b", with_good(0.6))).markdown
    (line,) = (one for one in text.splitlines() if "good, M1" in one)
    assert line.endswith("| **worse** |")
    assert "Holm's correction is for all tests (1)" in text
    hostile = of_rows(Run(tmp_path / "c", (), ()), [replace(ROW, representation="a|b\n<b>")])
    (row,) = (one for one in changes(hostile, hostile).markdown.splitlines() if "M1" in one)
    assert row.startswith("| made on made, split random: a\\|b <b>, M1, clean")
    assert row.count(" | ") == 6
