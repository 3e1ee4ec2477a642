"""The tables of one run or several: any layout of their rows, or what their representations cost."""

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from earmark.analysis import layouts, pivot
from earmark.analysis.grid import UNDEFINED, Cell, Grid
from earmark.analysis.layouts import Layout
from earmark.analysis.pivot import Tied
from earmark.analysis.selection import CONSTANT
from earmark.errors import UserError
from earmark.experiment import costs, results
from earmark.experiment.costs import Cost
from earmark.experiment.results import Run
from earmark.nouns import Result

COST, ROBUSTNESS = layouts.APART
COST_COLUMNS = {
    "× real time": ",.1f",
    "parameters": ",.0f",
    "dim": ",.0f",
    "MB of embeddings an hour of audio": ",.1f",
    "peak GB a worker": ",.2f",
}
"""Columns of the cost table by name and unit, and how their numbers are written."""
BESIDE_A_PRESET = ("metric", "average", "rows", "columns", "freeze", "bold_within", "ties", "show seeds")

Runs = Run | Path | str | Sequence[Run | Path | str]


def resolved(runs: Runs) -> tuple[Run | Path, ...]:
    """Return the folders of runs from their ids or folders; what is a run already stays as it is."""
    each = [runs] if isinstance(runs, Run | Path | str) else runs
    return tuple(one if isinstance(one, Run) else results.find(one) for one in each)


def tables(
    runs: Runs,
    metric: str | None = None,
    average: str | None = None,
    preset: str | None = None,
    rows: Sequence[str] = (),
    columns: Sequence[str] = (),
    freeze: Mapping[str, object] | None = None,
    bold_within: float = 0.0,
    is_tied: Tied | None = None,
    deviations: bool = False,
) -> tuple[Grid, ...]:
    """Return the tables of runs by a preset of `analysis.layouts`, or by `rows` and `columns` of their rows.

    `rows` and `columns` replace those of the preset; without any of them it is `scores`. `freeze`, `metric`, `average`,
    `bold_within`, `is_tied` (such as that of `ties.Ties`) and `deviations` are those of `analysis.pivot`. Of a folder
    only the rows are read that the tables need. Raises UnknownName, DataError or UserError for what the runs cannot
    show.
    """
    known = resolved(runs)
    if preset == COST:
        said = (metric, average, rows, columns, freeze, bold_within, is_tied, deviations)
        _refuse_beside_cost(dict(zip(BESIDE_A_PRESET, said, strict=True)))
        return (_costs(known),)
    if preset == ROBUSTNESS:
        # not imported here: what it needs takes seconds to start, and the other tables do without
        raise UserError(f"The tables of '{ROBUSTNESS}' are made by earmark.runs.degradation.tables(folders).")
    layout, frozen = _layout(preset, rows, columns), freeze or {}
    leave_out = [name for name in ("seed", "label") if name not in layout.names and name not in frozen]
    if deviations and "seed" in leave_out:
        leave_out.remove("seed")
    held = [row for run in known for row in rows_of(run, leave_out)]
    return pivot.pivot(held, layout, frozen, metric, average, bold_within, is_tied, deviations)


def rows_of(run: Run | Path, leave_out: Sequence[str] = ("seed", "label")) -> Sequence[Result]:
    """Return the rows of a run; of a folder without those of single seeds or labels, where it has means of all."""
    if isinstance(run, Run):
        return run.rows
    some = results.rows(run, leave_out)
    has_means = any(row.seed is None and row.label is None and row.probe != CONSTANT for row in some)
    return some if has_means else results.rows(run)


def _refuse_beside_cost(asked: Mapping[str, object]) -> None:
    if given := [name for name, value in asked.items() if value]:
        raise UserError(f"The table of '{COST}' has lines and columns of its own: leave out {', '.join(given)}.")


def _layout(preset: str | None, rows: Sequence[str], columns: Sequence[str]) -> Layout:
    if preset is None and rows and columns:
        return Layout(tuple(rows), tuple(columns))
    if preset is None and (rows or columns):
        names = ", ".join(layouts.LAYOUTS)
        raise UserError(f"Expected both rows and columns of the table, or a preset beside one of them: {names}.")
    found = layouts.find(preset or layouts.SCORES)
    row_by, column_by = tuple(rows or found.row_by), tuple(columns or found.column_by)
    taken = {*row_by, *column_by}
    if rows and not columns:
        column_by = tuple(name for name in column_by if name not in row_by)
    if columns and not rows:
        row_by = tuple(name for name in row_by if name not in column_by)
    return Layout(row_by, column_by, tuple(name for name in found.each if name not in taken))


def _costs(runs: Iterable[Run | Path]) -> Grid:
    """Return what the representations of runs cost, as far as these runs computed their embeddings."""
    folders = [run.folder if isinstance(run, Run) else run for run in runs]
    each = costs.total(cost for folder in folders for cost in costs.read(folder))
    heads = [(one.representation, _seconds(one.segment_s), _seconds(one.segment_hop_s), one.device) for one in each]
    kept = [place for place in range(4) if place == 0 or len({head[place] for head in heads}) > 1]
    names = ("representation", "segment, s", "hop, s", "device")
    return Grid(
        "Cost of representations, on one core or GPU",
        tuple(names[place] for place in kept),
        ("what",),
        tuple(tuple(head[place] for place in kept) for head in heads),
        tuple((name,) for name in COST_COLUMNS),
        tuple(tuple(_number(value) for value in _numbers(one)) for one in each),
        notes=() if each else ("These runs computed no embedding: all were in the store already.",),
        forms=tuple(COST_COLUMNS.values()),
    )


def _numbers(one: Cost) -> tuple[float | None, ...]:
    megabytes = None if one.bytes_per_hour is None else one.bytes_per_hour / 1e6
    return one.x_realtime, one.n_parameters, one.dim, megabytes, one.peak_bytes / 1e9


def _number(value: float | None) -> Cell:
    return Cell(value, None, None, n_seeds=0, missing="" if value is not None else UNDEFINED)


def _seconds(value: float | None) -> str:
    return "whole clip" if value is None else f"{value:g}"
