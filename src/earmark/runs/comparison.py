"""What comparing the systems of a run gave: typed rows, and the same as Markdown."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

from earmark.counted import counted

Verdict = Literal["better", "worse", "not told apart"]
FEW_TASKS = 6


@dataclass(frozen=True)
class Standing:
    """A system's score on a task. `seed_deviation`: standard deviation over its seeds (ddof 1), None of one seed."""

    system: str
    value: float | None
    ci_low: float | None
    ci_high: float | None
    n_seeds: int
    seed_deviation: float | None


@dataclass(frozen=True)
class Pair:
    """Two systems on one task: `difference` is a − b with its paired interval.

    `p` is of the permutation test, `p_holm` corrected for all pairs of the comparison, and `verdict` says what `a` is
    by that. `tellable` is the difference that would be told in 80 % of test sets like this one, before correction.
    """

    a: str
    b: str
    difference: float | None
    ci_low: float | None
    ci_high: float | None
    p: float | None
    p_holm: float | None
    verdict: Verdict
    tellable: float | None


@dataclass(frozen=True)
class TaskComparison:
    """The systems of one task, the best first, and their pairs."""

    task: str
    dataset: str
    split: str
    train_share: float
    n_folds: int
    metric: str
    average: str
    n: int
    n_groups: int | None
    standings: tuple[Standing, ...]
    pairs: tuple[Pair, ...]
    notes: tuple[str, ...]

    @property
    def title(self) -> str:
        """What was compared, and on how much."""
        folds = f", mean of {self.n_folds} folds" if self.n_folds > 1 else ""
        groups = f" in {counted(self.n_groups, 'group')}" if self.n_groups else ""
        what = f"{self.metric} ({self.average}){folds}, {counted(self.n, 'test clip')}{groups}"
        share = f", {self.train_share:.3g} of the training clips" if self.train_share < 1 else ""
        return f"{self.task} on {self.dataset}, split {self.split}{share}: {what}"


@dataclass(frozen=True)
class Ranked:
    """Mean ranks of systems over tasks, the best first; `cliques` are told apart by no critical difference."""

    systems: tuple[tuple[str, float], ...]
    n_tasks: int
    p: float
    critical_difference: float
    cliques: tuple[tuple[str, ...], ...]


@dataclass(frozen=True)
class Comparison:
    """What differs in a run. `n_pairs`: how many pairs the p values are corrected for; `level`: of the intervals."""

    tasks: tuple[TaskComparison, ...]
    ranking: Ranked | None
    deformation: str
    level: float
    n_pairs: int
    notes: tuple[str, ...]

    @property
    def markdown(self) -> str:
        """Systems and pairs of each task, the ranking, and how to read them."""
        blocks = [block for task in self.tasks for block in _task(task)]
        if self.ranking:
            blocks += _ranked(self.ranking, self.level)
        return "\n\n".join((*blocks, self._reading, *self.notes))

    @property
    def _reading(self) -> str:
        pairs = "the one pair" if self.n_pairs == 1 else f"all {self.n_pairs} pairs"
        return (
            f"Condition: {self.deformation}. Intervals: {self.level:.0%}, by bootstrap, the same resamples for all. ±: "
            "standard deviation over seeds, which is apart from the intervals. p: paired permutation test of the mean "
            f"over seeds; Holm's correction is for {pairs} shown, and a verdict needs a corrected p "
            f"below {1 - self.level:.2g}."
        )


def _task(task: TaskComparison) -> Iterator[str]:
    yield f"**{task.title}**"
    yield _grid(("system", "score", "± over seeds", "seeds"), [_standing(one) for one in task.standings])
    yield _grid(("pair", "difference", "p", "p, Holm", "verdict"), [_pair(one) for one in task.pairs])
    yield from task.notes


def _standing(one: Standing) -> tuple[str, ...]:
    return one.system, _with_interval(one.value, one.ci_low, one.ci_high), _number(one.seed_deviation), str(one.n_seeds)


def _pair(one: Pair) -> tuple[str, ...]:
    difference = _with_interval(one.difference, one.ci_low, one.ci_high, "+")
    verdict = f"**{one.verdict}**" if one.verdict != "not told apart" else one.verdict
    return f"{one.a} − {one.b}", difference, _number(one.p, ".4f"), _number(one.p_holm, ".4f"), verdict


def _ranked(found: Ranked, level: float) -> Iterator[str]:
    yield f"**Mean ranks over {found.n_tasks} tasks**"
    yield _grid(("system", "mean rank"), [(name, f"{place:.2f}") for name, place in found.systems])
    yield (
        f"Friedman's test that all are alike: p = {found.p:.4f}. Critical difference (Nemenyi, {level:.0%}): "
        f"{found.critical_difference:.2f}. Not told apart: "
        + ("; ".join(" = ".join(clique) for clique in found.cliques) or "none")
        + ". Tasks that share clips count as if they did not."
    )
    if found.n_tasks < FEW_TASKS:
        yield f"{found.n_tasks} tasks are few: a ranking over fewer than {FEW_TASKS} tells hardly anything apart."


def _grid(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(cells) + " |" for cells in lines)


def _number(value: float | None, form: str = ".3f") -> str:
    return "" if value is None else format(value, form)


def _with_interval(value: float | None, low: float | None, high: float | None, sign: str = "") -> str:
    if value is None:
        return "undefined"
    form = f"{sign}.3f"
    interval = "" if low is None or high is None else f" [{format(low, form)}, {format(high, form)}]"
    return format(value, form) + interval
