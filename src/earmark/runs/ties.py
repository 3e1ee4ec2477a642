"""Which systems of a run its paired tests do not tell from the best: what a table marks as tied."""

from earmark.analysis.tables import OF_TRAINING, seen_as
from earmark.nouns import Result
from earmark.runs import compare, tabling
from earmark.runs.comparison import Comparison, TaskComparison
from earmark.runs.tabling import Runs


class Ties:
    """What the paired tests of `earmark compare` left untold; its p values are corrected for all pairs of a run.

    Runs are compared when they are asked for, and once. It says nothing of systems of two runs.
    """

    def __init__(self, runs: Runs) -> None:
        """Take runs, their ids or folders. Raises UnknownName."""
        self._runs = {row.run: run for run in tabling.resolved(runs) for row in tabling.rows_of(run)}
        self._known: dict[tuple[str | None, ...], Comparison] = {}

    def holds(self, best: Result, row: Result) -> bool:
        """Return whether the test of two systems of one run did not tell them apart; False where there was none."""
        is_tested = row.seed is None and row.label is None and row.metric not in OF_TRAINING
        if best.run != row.run or not is_tested or compare.CONSTANT in (best.probe, row.probe):
            return False
        pair = {_system(best), _system(row)}
        task = self._task(row, None, None) or self._task(row, row.metric, row.average)
        return task is not None and any(
            {one.a, one.b} == pair and one.verdict == "not told apart" for one in task.pairs
        )

    def _task(self, row: Result, metric: str | None, average: str | None) -> TaskComparison | None:
        """Return the comparison of a row's task by its metric, if it is among those of its run by another's."""
        key = row.run, row.deformation, metric, average
        if key not in self._known:
            self._known[key] = compare.compare(self._runs[row.run], metric, average, row.deformation)
        wanted = row.task, row.dataset, row.split, row.train_share, row.metric, row.average
        found: dict[tuple[object, ...], TaskComparison] = {
            (one.task, one.dataset, one.split, one.train_share, one.metric, one.average): one
            for one in self._known[key].tasks
            if row.fold is None or one.n_folds == 1
        }
        return found.get(wanted)


def _system(row: Result) -> str:
    """Return a system's name as the comparison has it."""
    return f"{seen_as(row.representation, row.layer, row.pool)}, {row.probe}"
