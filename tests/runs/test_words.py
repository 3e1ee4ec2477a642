"""A comparison in words: what is said is what the tests told, no more."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from earmark.runs import words
from earmark.runs.compare import compare
from earmark.runs.comparison import Comparison, Pair, Ranked, Standing, TaskComparison, Verdict
from tests.runs import made_runs
from tests.runs.made_rows import ROW
from tests.runs.made_runs import TARGETS, three

SCORES = {"a, M1": 0.9, "b, M1": 0.8, "c, M1": 0.7}
UNTOLD: Verdict = "not told apart"
CONSTANT = replace(ROW, representation="constant", probe="constant", value=0.2)


def task(
    name: str = "made",
    scores: Mapping[str, float | None] = SCORES,
    verdicts: Sequence[Verdict] = ("better", "better", "better"),
    n: int = 200,
    n_groups: int | None = None,
    metric: str = "accuracy",
) -> TaskComparison:
    """Return a task whose pairs, in the order of the systems' names, have these verdicts."""
    standings = [
        Standing(
            system, value, None if value is None else value - 0.05, None if value is None else value + 0.05, 3, 0.0
        )
        for system, value in scores.items()
    ]
    names = sorted(scores)
    pairs = [(one, other) for place, one in enumerate(names) for other in names[place + 1 :]]
    met = [Pair(*pair, 0.1, 0.0, 0.2, 0.01, 0.02, verdict, 0.05) for pair, verdict in zip(pairs, verdicts, strict=True)]
    return TaskComparison(
        name, "made", "random", 1.0, 1, metric, "micro", n, n_groups, tuple(standings), tuple(met), ()
    )


def comparison(*tasks: TaskComparison, ranking: Ranked | None = None, deformation: str = "clean") -> Comparison:
    return Comparison(tasks, ranking, deformation, 0.95, sum(len(one.pairs) for one in tasks), ())


def two(verdict: Verdict, name: str) -> TaskComparison:
    return task(name, {"a, M1": 0.9, "b, M1": 0.8}, (verdict,))


# One task


def test_one_task_says_who_scores_best_and_whom_it_beats() -> None:
    said = words.summary(comparison(task()))
    assert said[:2] == ("On made a scores best: accuracy 0.90 [0.85, 0.95].", "It beats b and c.")
    assert said[2] == "200 test clips, mean over 3 seeds; paired permutation tests, corrected for 3 pairs."
    assert len(said) == 3


def test_what_is_not_told_apart_is_neither_beaten_nor_equal() -> None:
    said = words.summary(comparison(task(verdicts=(UNTOLD, "better", "better"))))
    assert said[1] == "It beats c and is not told apart from b."
    said = words.summary(comparison(task(verdicts=(UNTOLD, UNTOLD, "better"))))
    assert said[1] == "It is not told apart from b and c."
    assert "equal" not in " ".join(said)
    assert "tie" not in " ".join(said)


def test_a_pair_counts_whichever_of_the_two_stands_first() -> None:
    scores = {"c, M1": 0.9, "a, M1": 0.8}
    said = words.summary(comparison(task(scores=scores, verdicts=("worse",))))
    assert said[:2] == ("On made c scores best: accuracy 0.90 [0.85, 0.95].", "It beats a.")


def test_of_equal_scores_each_is_best() -> None:
    scores = {"a, M1": 0.9, "b, M1": 0.9, "c, M1": 0.7}
    equal = task(scores=scores, verdicts=(UNTOLD, "better", "better"))
    assert words.summary(comparison(equal))[0] == "On made a scores best, like b: accuracy 0.90 [0.85, 0.95]."
    said = words.summary(comparison(equal, replace(two("better", "second"), pairs=())))
    assert said[0] == "Of 2 tasks a scores best on 2."
    assert "Best scores: a on made (0.90) and second (0.90); b on made (0.90)." in said
    said = words.summary(comparison(equal, task("second", {"b, M1": 0.9, "a, M1": 0.9}, (UNTOLD,))))
    assert said[0] == "Of 2 tasks a scores best on 2, like b."


def test_what_has_no_score_was_not_compared() -> None:
    scored = task(scores={"a, M1": 0.9, "b, M1": None}, verdicts=(UNTOLD,))
    undefined = replace(scored, pairs=(replace(scored.pairs[0], difference=None, p=None, p_holm=None),))
    said = words.summary(comparison(undefined))
    assert said[0].startswith("On made a scores best")
    assert said[1] == "Undefined: b on made."
    said = words.summary(comparison(undefined, two("better", "second"), two(UNTOLD, "third")))
    assert said[1] == "a beats b on 1 of 2 tasks and is not told apart on 1."


def test_clips_of_one_group_count_one_by_one() -> None:
    said = words.summary(comparison(task(n_groups=1)))
    assert said[-1] == "200 test clips, mean over 3 seeds; paired permutation tests, corrected for 3 pairs."
    assert words.summary(comparison(task(n=20, n_groups=1)))[-1].startswith("20 clips are few")


def test_few_clips_or_groups_are_said_to_be_few() -> None:
    assert "12 groups are few: what is not told apart may well differ." in words.summary(comparison(task(n_groups=12)))
    assert "20 clips are few: what is not told apart may well differ." in words.summary(comparison(task(n=20)))
    assert not any("few" in one for one in words.summary(comparison(task(n=200, n_groups=40))))


# The constant predictor


@pytest.mark.parametrize(("value", "is_told"), [(0.2, True), (0.66, False), (0.7, False), (0.9, False)])
def test_a_score_whose_interval_reaches_the_constant_predictor_is_named(value: float, is_told: bool) -> None:
    said = words.summary(comparison(task()), [replace(CONSTANT, value=value)])
    found = [one for one in said if one.startswith("Not told from the constant predictor, or below it: ")]
    assert bool(found) is not is_told
    assert not found or "c" in found[0].partition(": ")[2]


def test_of_an_error_less_is_better_than_the_constant_predictor() -> None:
    one = task(scores={"a, M1": 0.1, "b, M1": 0.5}, verdicts=("better",), metric="mean_absolute_error")
    rows = [replace(CONSTANT, metric="mean_absolute_error", value=0.5)]
    said = words.summary(comparison(one), rows)
    assert "Not told from the constant predictor, or below it: b on made." in said


def test_only_the_constant_predictor_of_the_same_task_counts() -> None:
    high = replace(CONSTANT, value=0.99)
    others = [replace(high, task="x"), replace(high, metric="f1"), replace(high, split="x"), replace(high, label="a")]
    assert not any("constant" in one for one in words.summary(comparison(task()), others))


# Several tasks


@pytest.mark.parametrize("seed", range(12))
def test_the_tally_counts_the_verdicts(seed: int) -> None:
    choices: tuple[Verdict, ...] = ("better", "worse", UNTOLD)
    verdicts = [choices[place] for place in np.random.default_rng(seed).integers(0, 3, 6)]
    said = words.summary(comparison(*(two(one, f"t{place}") for place, one in enumerate(verdicts))))
    tally = next(one for one in said if one.startswith("a ") and not one.startswith("a on"))
    wins, losses, untold = (verdicts.count(one) for one in choices)
    numbers = [int(word) for word in tally.rstrip(".").replace(",", "").split() if word.isdecimal()]
    if wins and losses and untold:
        assert tally == f"a beats b on {wins} of 6 tasks, loses on {losses} and is not told apart on {untold}."
    assert sum(numbers) == (6 if 6 in (wins, losses, untold) else 6 + wins + losses + untold)
    assert ("beats" in tally) == (wins > 0)
    assert ("loses" in tally) == (losses > 0)
    assert ("not told apart" in tally) == (untold > 0)


@pytest.mark.parametrize(
    ("verdicts", "wanted"),
    [
        (("better",) * 4 + (UNTOLD,) * 2, "a beats b on 4 of 6 tasks and is not told apart on 2."),
        (("better",) * 3, "a beats b on all 3 tasks."),
        (("worse",) * 2, "a loses to b on all 2 tasks."),
        ((UNTOLD,) * 3, "a is not told apart from b on any of 3 tasks."),
        (("worse", UNTOLD), "a loses to b on 1 of 2 tasks and is not told apart on 1."),
    ],
)
def test_the_tally_reads_as_a_sentence(verdicts: Sequence[Verdict], wanted: str) -> None:
    said = words.summary(comparison(*(two(one, f"t{place}") for place, one in enumerate(verdicts))))
    assert said[1] == wanted


def test_systems_that_meet_on_one_task_of_several_are_said_to() -> None:
    said = words.summary(comparison(two("better", "t0"), task("t1", {"a, M1": 0.9, "c, M1": 0.8}, (UNTOLD,))))
    assert said[1:3] == ("a beats b on the one task of both.", "a is not told apart from c on the one task of both.")


def test_ranks_are_told_by_cliques_and_few_tasks_are_said_to_be_few() -> None:
    tasks = [task(f"t{place}") for place in range(3)]
    systems = (("a, M1", 1.0), ("b, M1", 2.0), ("c, M1", 3.0))
    ranking = Ranked(systems, 3, 0.05, 1.5, (("a, M1", "b, M1"), ("b, M1", "c, M1")))
    said = words.summary(comparison(*tasks, ranking=ranking))
    assert said[0] == (
        "Over 3 tasks a ranks best (mean rank 1.0 of 3); its rank tells it from c only, but 3 tasks are few."
    )
    said = words.summary(comparison(*tasks, ranking=replace(ranking, n_tasks=9, cliques=())))
    assert said[0] == "Over 9 tasks a ranks best (mean rank 1.0 of 3); its rank tells it from b and c."
    shared = replace(ranking, n_tasks=9, systems=(("a, M1", 1.5), ("b, M1", 1.5), ("c, M1", 3.0)))
    assert words.summary(comparison(*tasks, ranking=shared))[0].startswith(
        "Over 9 tasks a ranks best (mean rank 1.5 of 3), like b; its rank tells it from c only."
    )


def test_the_best_score_of_each_task_is_named() -> None:
    first, second = task("t0"), task("t1", {"b, M1": 0.95, "a, M1": 0.5, "c, M1": 0.1}, ("worse", "better", "better"))
    said = words.summary(comparison(first, second, task("t2")))
    assert said[0] == "Of 3 tasks a scores best on 2."
    assert "Best scores: a on t0 (0.90) and t2 (0.90); b on t1 (0.95)." in said


def test_tasks_of_one_name_are_told_apart_by_their_data() -> None:
    said = words.summary(comparison(task(), replace(task(), dataset="other")))
    assert "Best scores: a on made of made (0.90) and made of other (0.90)." in said


def test_scores_that_are_undefined_are_named() -> None:
    said = words.summary(comparison(task(scores={"a, M1": 0.9, "b, M1": None, "c, M1": None})))
    assert "Undefined: b on made; c on made." in said
    assert words.summary(comparison(task(scores={"a, M1": None}, verdicts=())))[0] == "On made no score is defined."
    nothing = [task(f"t{place}", {"a, M1": None}, ()) for place in range(2)]
    assert words.summary(comparison(*nothing))[0] == "On none of 2 tasks is a score defined."


# Names


def test_names_keep_what_tells_systems_apart() -> None:
    scores = {"a (mean), M1": 0.9, "a (max), M1": 0.8, "b (mean), M3": 0.7}
    said = words.summary(comparison(task(scores=scores)))
    assert said[0].startswith("On made a (mean) with M1 scores best")
    alike = {"a (mean), M1": 0.9, "b (mean), M1": 0.8}
    assert words.summary(comparison(task(scores=alike, verdicts=("better",))))[1] == "It beats b."


def test_another_condition_is_said_first() -> None:
    assert words.summary(comparison(task(), deformation="snr0"))[0].startswith("Under snr0, on made a scores best")


# Of real comparisons


def test_a_real_comparison_of_a_good_system_with_two_bad_ones_says_so(tmp_path: Path) -> None:
    run = made_runs.write(tmp_path, three(), TARGETS)
    said = words.summary(compare(run, permutations=500), [replace(CONSTANT, value=1 / 3)])
    assert said[0].startswith("On made good scores best: accuracy 0.")
    assert set(said[1].removeprefix("It beats ").rstrip(".").split(" and ")) == {"bad", "other"}
    assert not any("constant" in one for one in said)


def test_with_the_constant_predictor_as_baseline_it_is_called_that(tmp_path: Path) -> None:
    guess = {"constant/constant": made_runs.answers(TARGETS, 0.3, 1, np.random.default_rng(3))}
    run = made_runs.write(tmp_path, {**three(), **guess}, TARGETS)
    said = words.summary(compare(run, baseline="constant", permutations=500))
    assert said[1] == "It beats the constant predictor."


def test_a_warning_that_nothing_can_be_told_is_passed_on(tmp_path: Path) -> None:
    run = made_runs.write(tmp_path, three(), TARGETS)
    said = words.summary(compare(run, permutations=10))
    assert any(one.startswith("10 permutations give no p below") for one in said)
