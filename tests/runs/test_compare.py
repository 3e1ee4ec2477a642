"""Comparing the systems of a run: against swaps done by hand, and on runs whose differences are known."""

from pathlib import Path

import numpy as np
import pytest

import earmark
from earmark.analysis.paired import holm
from earmark.errors import DataError
from earmark.metrics import METRICS, measure
from earmark.runs import bouts, predictions
from earmark.runs.compare import compare
from tests.runs import made_runs
from tests.runs.made_runs import TARGETS, three
from tests.test_run import tones

__all__ = ["tones"]  # a fixture


def rng(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


def accuracy(scores: np.ndarray) -> float:
    return float((scores.argmax(axis=2) == TARGETS).mean())


# What is compared


def test_a_comparison_has_the_numbers_of_the_runs_tables(tones: Path) -> None:
    run = earmark.run(tones, quiet=True)
    for metric, average in (("accuracy", "micro"), ("f1", "macro")):
        (task,) = compare(run, metric, average, permutations=20).tasks
        rows = [row for row in run.rows if (row.metric, row.average) == (metric, average) and row.probe != "constant"]
        whole = {
            f"{row.representation} ({row.pool}), {row.probe}": (row.value, row.ci_low, row.ci_high)
            for row in rows
            if row.seed is None and row.label is None and row.deformation == "clean"
        }
        found = {one.system: (one.value, one.ci_low, one.ci_high) for one in task.standings}
        assert found.keys() == whole.keys()
        for system, numbers in found.items():
            if whole[system][0] != 1.0:  # there the table has the exact interval
                assert numbers == whole[system]
        assert (task.n, task.standings[0].n_seeds) == (6, 2)


def test_the_mean_over_seeds_is_compared_and_their_spread_stands_apart(tmp_path: Path) -> None:
    systems = three(seeds=3)
    (task,) = compare(made_runs.write(tmp_path, systems, TARGETS), permutations=50).tasks
    assert task.standings[0].system == "good, M1"
    for one in task.standings:
        seeds = [accuracy(scores[None]) for scores in systems[one.system.replace(", ", "/")]]
        assert one.value == pytest.approx(np.mean(seeds))
        assert one.seed_deviation == pytest.approx(np.std(seeds, ddof=1))


def test_what_differs_is_told_and_what_does_not_is_not(tmp_path: Path) -> None:
    systems = three()
    found = compare(made_runs.write(tmp_path, systems, TARGETS), permutations=500)
    (task,) = found.tasks
    verdicts = {frozenset((pair.a, pair.b)): pair for pair in task.pairs}
    assert len(verdicts) == found.n_pairs == 3
    for rival in ("bad", "other"):
        pair = verdicts[frozenset(("good, M1", f"{rival}, M1"))]
        assert (pair.a, pair.verdict) == ("good, M1", "better")
        expected = accuracy(systems["good/M1"]) - accuracy(systems[f"{rival}/M1"])
        assert pair.difference == pytest.approx(expected)
        assert pair.ci_low is not None
        assert pair.ci_high is not None
        assert 0.15 < pair.ci_low < expected < pair.ci_high < 0.45
        assert pair.p == pytest.approx(1 / 501)
    alike = verdicts[frozenset(("bad, M1", "other, M1"))]
    assert alike.verdict == "not told apart"
    assert (alike.p or 0) > 0.05


def test_p_values_are_corrected_for_all_pairs_of_all_tasks(tmp_path: Path) -> None:
    made_runs.write(tmp_path, three(), TARGETS)
    run = made_runs.write(tmp_path, {"x/M1": three()["bad/M1"], "y/M1": three()["other/M1"]}, TARGETS, task="second")
    pairs = [pair for task in compare(run, permutations=100).tasks for pair in task.pairs]
    assert len(pairs) == 4
    expected = holm(np.array([pair.p for pair in pairs], float))
    assert [pair.p_holm for pair in pairs] == pytest.approx(expected.tolist())


def test_a_lower_error_is_better(tmp_path: Path) -> None:
    truth = rng(3).normal(size=(80, 1))
    near, far = (truth[None] + rng(4).normal(0, error, (1, 80, 1)) for error in (0.1, 1.0))
    run = made_runs.write(tmp_path, {"far/M1": far, "near/M1": near}, truth, kind="regression", metrics=["r2"])
    for metric in ("r2", "mean_absolute_error"):
        (task,) = compare(run, metric, permutations=200).tasks
        (pair,) = task.pairs
        assert (pair.a, pair.verdict) == ("near, M1", "better")
        assert ((pair.difference or 0) < 0) == (metric == "mean_absolute_error")


def test_clips_that_a_system_could_not_hear_are_left_out_for_all(tmp_path: Path) -> None:
    made_runs.write(tmp_path, {"good/M1": three()["good/M1"]}, TARGETS)
    fewer = {"bad/M1": three()["bad/M1"][:, 5:]}
    ids = {"bad/M1": [f"clip{number:04}" for number in range(5, 200)]}
    (task,) = compare(made_runs.write(tmp_path, fewer, TARGETS[5:], clips=ids), permutations=20).tasks
    assert task.n == 195
    assert task.notes[0] == "Left out, since not every system could hear it: 5 test clips."


def test_a_score_over_folds_is_the_mean_of_theirs(tmp_path: Path) -> None:
    parts = {0: slice(0, 50), 1: slice(50, 200)}
    for fold, part in parts.items():
        ids = [f"clip{number:04}" for number in range(200)][part]
        systems = {name: scores[:, part] for name, scores in three().items()}
        run = made_runs.write(
            tmp_path, systems, TARGETS[part], fold=fold, clips=dict.fromkeys(systems, ids), metrics=["f1"]
        )
    (task,) = compare(run, average="macro", permutations=20).tasks
    assert (task.n_folds, task.n) == (2, 200)
    for one in task.standings:
        scores = three()[one.system.replace(", ", "/")]
        of_folds = [
            measure("f1", "multiclass", TARGETS[part], seed[part], made_runs.CLASSES).averages["macro"][0]
            for part in parts.values()
            for seed in scores
        ]
        assert one.value == pytest.approx(np.mean(of_folds))


def test_probes_fitted_on_a_share_of_the_clips_are_compared_with_each_other(tmp_path: Path) -> None:
    made_runs.write(tmp_path, three(), TARGETS)
    run = made_runs.write(tmp_path, three(), TARGETS, train_share=0.1)
    titles = [task.title for task in compare(run, permutations=10).tasks]
    assert titles == [
        "made on made, split random: accuracy (micro), 200 test clips",
        "made on made, split random, 0.1 of the training clips: accuracy (micro), 200 test clips",
    ]


def test_a_comparison_over_folds_has_the_numbers_of_the_runs_tables(tones: Path) -> None:
    tones.write_text(tones.read_text().replace("[0.5, 0.25, 0.25]", "kfold-4"))
    run = earmark.run(tones, quiet=True)
    (task,) = compare(run, "f1", "macro", permutations=20).tasks
    assert (task.n_folds, task.n) == (4, 24)
    whole = {
        f"{row.representation} ({row.pool}), {row.probe}": (row.value, row.ci_low, row.ci_high)
        for row in run.rows
        if (row.fold, row.seed, row.label, row.deformation) == (None, None, None, "clean")
        and (row.metric, row.average) == ("f1", "macro")
        and row.probe != "constant"
    }
    assert {one.system: (one.value, one.ci_low, one.ci_high) for one in task.standings} == whole


def test_a_system_that_lacks_a_fold_is_left_out(tmp_path: Path) -> None:
    half = {name: scores[:, :100] for name, scores in three().items()}
    made_runs.write(tmp_path, half, TARGETS[:100])
    run = made_runs.write(tmp_path, {name: half[name] for name in ("good/M1", "bad/M1")}, TARGETS[:100], fold=1)
    (task,) = compare(run, permutations=10).tasks
    assert {one.system for one in task.standings} == {"good, M1", "bad, M1"}
    assert (task.n, task.n_groups) == (200, 100), "each clip stands in both folds, and is drawn with itself"
    made_runs.write(tmp_path / "split", {"good/M1": half["good/M1"]}, TARGETS[:100])
    run = made_runs.write(tmp_path / "split", {"bad/M1": half["bad/M1"]}, TARGETS[:100], fold=1)
    with pytest.raises(DataError, match="No system of task 'made' has predictions in every fold"):
        compare(run)


# The test itself


@pytest.mark.parametrize("metric", ["average_precision", "f1"])
def test_swapping_by_weights_equals_swapping_the_answers(tmp_path: Path, metric: str) -> None:
    draws = rng(5)
    targets = (draws.random((40, 3)) < 0.4).astype(int)
    a, b = (draws.random((2, 40, 3)).astype(np.float32) for _ in range(2))
    run = made_runs.write(tmp_path, {"a/M1": a, "b/M1": b}, targets, kind="multilabel", metrics=[metric])
    bout = bouts.meet(predictions.index(run.folder), None, "macro")
    swaps = (draws.random((7, 40)) < 0.5).astype(float)
    found = bout._swapped(bout.folds[0], "a, M1", "b, M1", swaps)
    for row, difference in zip(swaps.astype(bool), found, strict=True):
        sides = []
        for seed in range(2):
            one, other = a[seed], b[seed]
            if metric == "average_precision":
                one, other = one.argsort(axis=0).argsort(axis=0), other.argsort(axis=0).argsort(axis=0)
            mixed = np.where(row[:, None], other, one), np.where(row[:, None], one, other)
            scores = [
                measure(metric, "multilabel", targets, each, made_runs.CLASSES).averages["macro"] for each in mixed
            ]
            sides.append(scores[0][0] - scores[1][0])
        assert difference == pytest.approx(np.mean(sides))


def test_the_scale_of_scores_changes_no_test_of_a_ranking_metric(tmp_path: Path) -> None:
    draws = rng(6)
    targets = (draws.random((60, 3)) < 0.4).astype(int)
    a, b = (draws.normal(0.6 * targets, 1.0, (1, 60, 3)) for _ in range(2))
    for folder, scaled in (("plain", b), ("scaled", np.exp(b) / 100)):
        made_runs.write(tmp_path / folder, {"a/M1": a, "b/M1": scaled}, targets, kind="multilabel", metrics=["roc_auc"])
    plain, stretched = (
        compare(tmp_path / folder, permutations=100).tasks[0].pairs[0] for folder in ("plain", "scaled")
    )
    assert plain == stretched


@pytest.mark.parametrize("name", [name for name, metric in METRICS.items() if "multilabel" in metric.kinds])
def test_the_metrics_that_see_only_order_are_known(name: str) -> None:
    draws = rng(7)
    targets = (draws.random((50, 2)) < 0.5).astype(int)
    scores = draws.random((50, 2))
    found, of_squares = (
        measure(name, "multilabel", targets, each, ("a", "b")).averages["macro"][0] for each in (scores, scores**6)
    )
    assert (found == of_squares) == (name in bouts.BY_RANK)


def test_seeds_in_different_numbers_can_be_compared(tmp_path: Path) -> None:
    systems = {"one/M1": three(1)["good/M1"], "three/M1": three(3)["good/M1"], "two/M1": three(2)["good/M1"]}
    (task,) = compare(made_runs.write(tmp_path, systems, TARGETS), permutations=50).tasks
    values = {one.system: one.value for one in task.standings}
    for pair in task.pairs:
        assert pair.difference == pytest.approx((values[pair.a] or 0) - (values[pair.b] or 0))
        assert pair.verdict == "not told apart"
    assert {one.system: one.seed_deviation is None for one in task.standings}["one, M1"]


def test_groups_are_swapped_whole_and_few_of_them_tell_nothing(tmp_path: Path) -> None:
    groups = [f"player{number // 50}" for number in range(200)]
    (task,) = compare(made_runs.write(tmp_path, three(), TARGETS, groups=groups), permutations=500).tasks
    assert task.n_groups == 4
    assert {pair.verdict for pair in task.pairs} == {"not told apart"}
    assert min(pair.p or 0 for pair in task.pairs) == 2 / 16
    assert task.notes[-1] == "With 4 groups no p can be below 0.12: nothing can be told apart."
    assert "in 4 groups" in task.title


def test_it_says_which_difference_can_be_told(tmp_path: Path) -> None:
    (task,) = compare(made_runs.write(tmp_path, three(1), TARGETS), permutations=20).tasks
    pair = next(one for one in task.pairs if one.a == "good, M1")
    answers = {name.replace("/", ", "): (scores[0].argmax(axis=1) == TARGETS) for name, scores in three(1).items()}
    discordant = (answers[pair.a] != answers[pair.b]).mean()
    error = np.sqrt((discordant - (pair.difference or 0) ** 2) / 200)
    assert pair.tellable == pytest.approx(2.8016 * error, rel=0.1)
    assert task.notes[0].startswith("200 clips: a difference must be about 0.1")


def test_too_few_permutations_for_so_many_pairs_are_noticed(tmp_path: Path) -> None:
    run = made_runs.write(tmp_path, three(), TARGETS)
    (note,) = compare(run, permutations=20).notes
    assert note.startswith("20 permutations give no p below 0.048, which for 3 pairs tells none apart")
    assert compare(run, permutations=100).notes == ()


@pytest.mark.parametrize("baseline", [None, "b", "b, M1"])
def test_a_system_meets_another_once_however_many_folds_it_has(tmp_path: Path, baseline: str | None) -> None:
    for fold in range(5):
        targets = rng(fold).integers(0, 3, 40)
        systems = {f"{name}/M1": made_runs.answers(targets, 0.8, 1, rng(fold)) for name in "abcd"}
        made_runs.write(tmp_path / "folded", systems, targets, fold=fold)
    found = compare(tmp_path / "folded", baseline=baseline)
    (task,) = found.tasks
    assert task.n_folds == 5
    assert found.n_pairs == (6 if baseline is None else 3)
    assert {pair.b for pair in task.pairs} == {"b, M1"} or baseline is None


def test_no_more_swaps_are_drawn_for_folds(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = list[int]()

    def enough(n_tests: int, level: float) -> int:
        asked.append(n_tests)
        return 20

    monkeypatch.setattr("earmark.runs.compare.enough", enough)
    for fold in range(3):
        made_runs.write(tmp_path / "folded", three(), TARGETS, fold=fold)
    compare(tmp_path / "folded")
    assert asked == [3]
