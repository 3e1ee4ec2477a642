"""Networks that differ in their seed, taken together: against the mean over them worked out by hand."""

from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from earmark import cli
from earmark.errors import UserError
from earmark.experiment.results import Run
from earmark.runs.compare import compare
from tests.runs import made_runs
from tests.runs.made_runs import TARGETS, answers

GROUPS = [f"track {number // 8}" for number in range(len(TARGETS))]
TOGETHER = {"trained": "path:*-step-9", "step 0": "path:*-step-0"}


def accuracy(scores: np.ndarray) -> float:
    return float((scores.argmax(axis=2) == TARGETS).mean())


def nets() -> dict[str, np.ndarray]:
    """Three networks before and after training, which makes each a little better, and log-mel."""
    draws = np.random.default_rng(5)
    found = {"logmel": answers(TARGETS, 0.5, 1, draws)}
    for seed in (2, 0, 1):
        found[f"path:net-{seed}-step-0"] = answers(TARGETS, 0.3 + 0.2 * seed, 1, draws)
        found[f"path:net-{seed}-step-9"] = answers(TARGETS, 0.45 + 0.2 * seed, 1, draws)
    return found


def written(folder: Path) -> Run:
    systems = {f"{name}/M1": scores for name, scores in nets().items()}
    return made_runs.write(folder, systems, TARGETS, groups=GROUPS)


def test_networks_of_several_seeds_are_one_system_with_the_mean_of_their_scores(tmp_path: Path) -> None:
    (task,) = compare(written(tmp_path), permutations=50, together=TOGETHER).tasks
    found = {one.system: one for one in task.standings}
    assert found.keys() == {"logmel, M1", "trained, M1", "step 0, M1"}
    for name, step in (("trained", 9), ("step 0", 0)):
        each = [accuracy(nets()[f"path:net-{seed}-step-{step}"]) for seed in range(3)]
        assert found[f"{name}, M1"].value == pytest.approx(np.mean(each))
        assert found[f"{name}, M1"].seed_deviation == pytest.approx(np.std(each, ddof=1))
        assert found[f"{name}, M1"].n_seeds == 3


def test_the_difference_is_the_mean_of_paired_ones_and_its_interval_far_narrower_than_the_seeds_apart(
    tmp_path: Path,
) -> None:
    (task,) = compare(written(tmp_path), permutations=200, baseline="step 0", together=TOGETHER).tasks
    pair = next(one for one in task.pairs if one.a == "trained, M1")
    apart = [accuracy(nets()[f"path:net-{n}-step-9"]) - accuracy(nets()[f"path:net-{n}-step-0"]) for n in range(3)]
    assert pair.difference == pytest.approx(np.mean(apart))
    assert pair.ci_low is not None
    assert pair.ci_high is not None
    assert 0 < pair.ci_low < np.mean(apart) < pair.ci_high
    assert pair.verdict == "better"
    assert task.n_groups == 25


def test_seeds_meet_in_the_order_of_names_whatever_the_order_of_the_file(tmp_path: Path) -> None:
    forth = {f"{name}/M1": scores for name, scores in nets().items()}
    back = dict(reversed(forth.items()))
    of_each = [
        compare(made_runs.write(tmp_path / name, systems, TARGETS), permutations=100, together=TOGETHER)
        for name, systems in (("forth", forth), ("back", back))
    ]
    assert of_each[0].tasks == of_each[1].tasks


def test_clips_that_one_of_them_could_not_hear_are_left_out(tmp_path: Path) -> None:
    systems = {f"{name}/M1": scores for name, scores in nets().items()}
    systems["path:net-1-step-0/M1"] = systems["path:net-1-step-0/M1"][:, :150]
    last = {name: scores for name, scores in systems.items() if scores.shape[1] == 150}
    made_runs.write(tmp_path, {name: one for name, one in systems.items() if name not in last}, TARGETS)
    (task,) = compare(made_runs.write(tmp_path, last, TARGETS[:150]), permutations=20, together=TOGETHER).tasks
    assert task.n == 150


@pytest.mark.parametrize(
    ("together", "said"),
    [
        (
            {"trained": "path:*-step-8"},
            r"No representation of this run is like 'path:\*-step-8'.* It has: logmel, path:",
        ),
        ({"a": "path:*-step-9", "b": "path:net-1*"}, "'path:net-1-step-9' would stand under 'a' and 'b'"),
        ({"logmel": "path:*"}, "'logmel' is a representation of this run already"),
    ],
)
def test_patterns_that_say_nothing_clear_are_refused(tmp_path: Path, together: dict[str, str], said: str) -> None:
    with pytest.raises(UserError, match=said):
        compare(written(tmp_path), permutations=20, together=together)


def test_the_verb_takes_patterns(tmp_path: Path) -> None:
    folder = str(written(tmp_path).folder)
    options = [f"--together={name}={pattern}" for name, pattern in TOGETHER.items()]
    done = CliRunner().invoke(cli.app, ["compare", folder, *options, "--baseline", "step 0", "--permutations", "50"])
    assert done.exit_code == 0, done.output
    assert "| trained, M1 − step 0, M1 |" in done.stdout
    wrong = CliRunner().invoke(cli.app, ["compare", folder, "--together", "trained"])
    assert wrong.exit_code == 2
    assert "expected --together NAME=PATTERN, got 'trained'" in " ".join(wrong.stderr.split())
