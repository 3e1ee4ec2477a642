"""The tables of one run or several: any layout of their rows, or what their representations cost."""

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from earmark.analysis import layouts, pivot
from earmark.analysis.grid import Cell, Grid
from earmark.analysis.layouts import Layout
from earmark.analysis.tables import OF_TRAINING, seen_as
from earmark.errors import UserError
from earmark.experiment import costs, results
from earmark.experiment.costs import Cost
from earmark.experiment.results import Run
from earmark.nouns import Result
from earmark.runs import compare
from earmark.runs.comparison import Comparison, TaskComparison

COST = "cost"
COST_COLUMNS = {
    "× real time": ",.1f",
    "parameters": ",.0f",
    "dim": ",.0f",
    "MB of embeddings an hour of audio": ",.1f",
    "peak GB a worker": ",.2f",
}
"""Columns of the cost table by name and unit, and how their numbers are written."""

Runs = Run | Path | str | Sequence[Run | Path | str]


def read(runs: Runs) -> tuple[Run, ...]:
    """Return runs from their ids or folders; what is a run already stays as it is."""
    each = [runs] if isinstance(runs, Run | Path | str) else runs
    return tuple(one if isinstance(one, Run) else results.read(results.find(one)) for one in each)


def tables(
    runs: Runs,
    metric: str | None = None,
    average: str | None = None,
    preset: str | None = None,
    rows: Sequence[str] = (),
    columns: Sequence[str] = (),
    freeze: Mapping[str, object] | None = None,
    bold_within: float = 0.0,
    ties: bool = False,
    deviations: bool = False,
) -> tuple[Grid, ...]:
    """Return the tables of runs by a preset of `analysis.layouts`, `cost`, or by `rows` and `columns` of their rows.

    `rows` and `columns` replace those of the preset; without any of them it is `scores`. `freeze`, `metric`, `average`,
    `bold_within` and `deviations` are those of `analysis.pivot`. `ties`: compare the systems of each run by the paired
    test of `earmark compare`, and mark what it does not tell from the best; the p values are corrected for all pairs
    of a run under one condition. It says nothing of systems of two runs. Raises UnknownName, DataError or UserError
    for what the runs cannot show.
    """
    found = read(runs)
    if preset == COST:
        return (_costs(found),)
    held = [row for run in found for row in run.rows]
    is_tied = _Ties(found).holds if ties else None
    return pivot.pivot(held, _layout(preset, rows, columns), freeze, metric, average, bold_within, is_tied, deviations)


def _layout(preset: str | None, rows: Sequence[str], columns: Sequence[str]) -> Layout:
    if preset is None and rows and columns:
        return Layout(tuple(rows), tuple(columns))
    if preset is None and (rows or columns):
        names = ", ".join((*layouts.LAYOUTS, COST))
        raise UserError(f"Expected both rows and columns of the table, or a preset beside one of them: {names}.")
    found = layouts.find(preset or layouts.SCORES)
    row_by, column_by = tuple(rows or found.row_by), tuple(columns or found.column_by)
    taken = {*row_by, *column_by}
    if rows and not columns:
        column_by = tuple(name for name in column_by if name not in row_by)
    if columns and not rows:
        row_by = tuple(name for name in row_by if name not in column_by)
    return Layout(row_by, column_by, tuple(name for name in found.each if name not in taken))


class _Ties:
    """What the paired tests of runs left untold. Runs are compared when they are asked for, and once."""

    def __init__(self, runs: Iterable[Run]) -> None:
        self._runs = {row.run: run for run in runs for row in run.rows}
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


def _costs(runs: Iterable[Run]) -> Grid:
    """Return what the representations of runs cost, as far as these runs computed their embeddings."""
    found = costs.total(cost for run in runs for cost in costs.read(run.folder))
    heads = [(one.representation, _seconds(one.segment_s), _seconds(one.segment_hop_s), one.device) for one in found]
    kept = [place for place in range(4) if place == 0 or len({head[place] for head in heads}) > 1]
    names = ("representation", "segment, s", "hop, s", "device")
    return Grid(
        "Cost of representations, on one core or GPU",
        tuple(names[place] for place in kept),
        ("what",),
        tuple(tuple(head[place] for place in kept) for head in heads),
        tuple((name,) for name in COST_COLUMNS),
        tuple(tuple(_number(value) for value in _numbers(one)) for one in found),
        notes=() if found else ("These runs computed no embedding: all were in the store already.",),
        forms=tuple(COST_COLUMNS.values()),
    )


def _numbers(one: Cost) -> tuple[float | None, ...]:
    megabytes = None if one.bytes_per_hour is None else one.bytes_per_hour / 1e6
    return one.x_realtime, one.n_parameters, one.dim, megabytes, one.peak_bytes / 1e9


def _number(value: float | None) -> Cell:
    return Cell(value, None, None, missing="" if value is not None else "undefined")


def _seconds(value: float | None) -> str:
    return "whole clip" if value is None else f"{value:g}"
