"""Result rows as a grid: any columns of the rows as lines and columns, the others frozen.

Nothing varies unseen. A column of the rows that is on neither axis must have one value in the grid, or one in each line
or column, and is then shown in its head. What is compared, the best and what is tied with it, is compared under one
condition: the same task, data, split, fold, share, deformation and metric.
"""

import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from operator import attrgetter
from typing import Any

from earmark.analysis.grid import NOT_SCORED, Cell, Grid, cell_of, is_defined, notes_of
from earmark.analysis.layouts import COLUMNS, Layout
from earmark.analysis.selection import CONSTANT, Key, choose, getter, text_of
from earmark.analysis.tables import OF_TRAINING, clips_said, lower_is_better
from earmark.errors import DataError
from earmark.nouns import Result

Tied = Callable[[Result, Result], bool]
SAID_BY = {"dataset_version": "dataset", "severity": "deformation", "preset": "probe"}
"""What a head need not say where another column says as much."""
OF_CLIPS = ("task", "dataset", "dataset_version", "split", "fold", "train_share", "metric", "average", "label")
TOLD = ("representation", "layer", "pool", "probe", "seed", "deformation")
NOTHING = (None, "", "all")
SYSTEM = ("representation", "layer", "pool", "probe", "preset", "seed")
_clips_of = getter(OF_CLIPS)
_condition_of = getter((*OF_CLIPS, "deformation", "severity"))


@dataclass(frozen=True)
class Axes:
    """What names lines and columns, and the columns of the rows that have one value."""

    row_by: tuple[str, ...]
    column_by: tuple[str, ...]
    fixed: Mapping[str, Any]


@dataclass(frozen=True)
class Placed:
    """A row in its cell, and a row under the same condition: of the constant predictor, the system it stands beside."""

    row: Result
    beside: Result


def pivot(
    rows: Iterable[Result],
    layout: Layout,
    frozen: Mapping[str, object] | None = None,
    metric: str | None = None,
    average: str | None = None,
    bold_within: float = 0.0,
    is_tied: Tied | None = None,
    deviations: bool = False,
) -> tuple[Grid, ...]:
    """Return rows as grids of cells: one, or one for each combination of values of the layout's `each`.

    `frozen`: a value for other columns, as it is or as text ("none" for None). Unsaid: the mean over seeds, over folds
    where there is one, all labels together, and of each task the first metric and average. `bold_within`: what is so
    near to the best is best too (Source: McCallum et al. 2022, tables 3 and 4: 0.01). `is_tied` says of the best row
    of a condition and another one whether a test left them untold; without it nothing is marked as tied, since
    overlapping intervals are no test. `deviations`: also the standard deviation over seeds of each cell. Raises
    DataError for a column that has several values and was not frozen.
    """
    chosen = choose(rows, layout.names, frozen or {}, metric, average)
    key_of = getter(layout.each)
    parts: dict[Key, list[Result]] = {}
    for row in chosen.rows:
        parts.setdefault(key_of(row), []).append(row)
    constants = {_clips_of(row): row for row in reversed(chosen.constants)}
    found = _deviations(chosen.of_seeds) if deviations else {}
    return tuple(_grid(part, layout, constants, found, bold_within, is_tied) for part in parts.values())


def _grid(
    rows: Sequence[Result],
    layout: Layout,
    constants: Mapping[Key, Result],
    deviations: Mapping[Key, float],
    bold_within: float,
    is_tied: Tied | None,
) -> Grid:
    axes = _axes(rows, layout)
    placed = _placed(rows, constants, axes)
    best = _best(placed.values())
    cells = dict[tuple[Key, Key], Cell]()
    for place, one in placed.items():
        top = best.get(_condition_of(one.beside))
        cell = cell_of(one.row, constants.get(_clips_of(one.row)), top.value if top else None, bold_within)
        tied = bool(is_tied and top and top is not one.row and one.row is one.beside and is_tied(top, one.row))
        deviation = deviations.get(_seedless(one.row)) if deviations and one.row.seed is None else None
        cells[place] = replace(cell, tied=tied, seed_deviation=deviation) if tied or deviation is not None else cell
    lines = _sorted(axes.row_by, dict.fromkeys(line for line, _ in placed))
    columns = _sorted(axes.column_by, dict.fromkeys(column for _, column in placed))
    absent = Cell(None, None, None, missing=NOT_SCORED)
    shown = [one.row for one in placed.values()]
    return Grid(
        _title(axes.fixed, rows),
        axes.row_by,
        axes.column_by,
        tuple(_head(axes.row_by, line) for line in lines),
        tuple(_column_head(axes.column_by, column) for column in columns),
        tuple(tuple(cells.get((line, column), absent) for column in columns) for line in lines),
        _interval(shown),
        (*_readings(rows), *notes_of(shown)),
    )


_seedless = getter([name for name in COLUMNS if name != "seed"])


def _deviations(of_seeds: Iterable[Result]) -> dict[Key, float]:
    """Return the standard deviation over seeds of each system, by its columns without the seed."""
    values: dict[Key, list[float]] = {}
    for row in of_seeds:
        if row.value is not None and is_defined(row.value):
            values.setdefault(_seedless(row), []).append(row.value)
    return {key: _deviation(some) for key, some in values.items() if len(some) > 1}


def _deviation(values: Sequence[float]) -> float:
    mean = math.fsum(values) / len(values)
    return math.sqrt(math.fsum((value - mean) ** 2 for value in values) / (len(values) - 1))


def _axes(rows: Sequence[Result], layout: Layout) -> Axes:
    """Return the axes: what varies with a line or a column joins it, what has one value is left to the title."""
    asked, fixed = {*layout.row_by, *layout.column_by}, dict[str, Any]()
    joined: dict[bool, list[str]] = {True: [], False: []}
    for name in COLUMNS:
        values = {*map(attrgetter(name), rows)}
        if len(values) == 1:
            (fixed[name],) = values
        elif name not in asked and name != "run":  # of runs a note says so, and two scores in one cell are refused
            is_by_line = _follows(rows, name, layout.row_by)
            if not is_by_line and not _follows(rows, name, layout.column_by):
                raise _ambiguous(name, list(dict.fromkeys(map(attrgetter(name), rows))))
            if name not in SAID_BY or not _follows(rows, name, (SAID_BY[name],)):
                joined[is_by_line].append(name)
    row_by = (layout.row_by[0], *(name for name in layout.row_by[1:] if name not in fixed), *joined[True])
    varying = [name for name in layout.column_by if name not in fixed]
    column_by = (*(varying or layout.column_by[:1]), *joined[False])
    return Axes(row_by, column_by, {name: value for name, value in fixed.items() if name not in (*row_by, *column_by)})


def _follows(rows: Iterable[Result], name: str, axis: Sequence[str]) -> bool:
    """Return whether all rows with the same values on an axis have the same value of another column."""
    key_of, value_of = getter(axis), getter((name,))
    known: dict[Key, Key] = {}
    return all(known.setdefault(key_of(row), value_of(row)) == value_of(row) for row in rows)


def _ambiguous(name: str, values: Sequence[object]) -> DataError:
    texts = [text_of(value) for value in values]
    more = f" and {len(texts) - 8} more" if len(texts) > 8 else ""
    return DataError(
        f"'{name}' has several values in this table: {', '.join(texts[:8])}{more}. Freeze one (--freeze "
        f"{name}={texts[0]}), or make {name} one of the rows or columns."
    )


def _placed(rows: Iterable[Result], constants: Mapping[Key, Result], axes: Axes) -> dict[tuple[Key, Key], Placed]:
    """Return the rows by line and column, and beside the systems of each condition their constant predictor."""
    line_of, column_of = getter(axes.row_by), getter(axes.column_by)
    of_constant = _constant_head(axes.row_by), _constant_head(axes.column_by)
    placed: dict[tuple[Key, Key], Placed] = {}
    beside: dict[tuple[Key, Key], Placed] = {}
    for row in rows:
        line, column = line_of(row), column_of(row)
        before = placed.setdefault((line, column), Placed(row, row)).row
        if before is not row and (before.probe_key, before.value) != (row.probe_key, row.value):
            raise _twice(before, row)
        constant = constants.get(_clips_of(row))
        if constant is not None and of_constant[0] is not None:
            beside[of_constant[0](line), column] = Placed(constant, row)
        elif constant is not None and of_constant[1] is not None:
            beside[line, of_constant[1](column)] = Placed(constant, row)
    return beside | placed


def _constant_head(names: Sequence[str]) -> Callable[[Key], Key] | None:
    """Return what makes the head of the constant predictor from a system's; None where no head names a system."""
    if not {"representation", "probe"} & {*names}:
        return None
    said = {name: CONSTANT if name in ("representation", "probe") else "" for name in SYSTEM}
    return lambda key: tuple(said.get(name, value) for name, value in zip(names, key, strict=True))


def _twice(one: Result, other: Result) -> DataError:
    if one.run == other.run:
        return DataError(f"The run '{one.run}' has two scores where one belongs. Run its experiment again.")
    return _ambiguous("run", [one.run, other.run])


def _best(placed: Iterable[Placed]) -> dict[Key, Result]:
    """Return the row with the best score under each condition."""
    best: dict[Key, Result] = {}
    for one in placed:
        value, condition = one.row.value, _condition_of(one.beside)
        if value is not None and is_defined(value):
            before = best.setdefault(condition, one.row).value or 0.0
            if value < before if lower_is_better(one.row.metric) else value > before:
                best[condition] = one.row
    return best


def _sorted(names: Sequence[str], keys: Iterable[Key]) -> list[Key]:
    """Return heads in order: name by name, numbers by size, words as they come, the constant predictor first."""
    found = list(keys)
    ranks = []
    for place in range(len(names)):
        values = list(dict.fromkeys(key[place] for key in found))
        if all(value in (None, "") or _is_number(value) for value in values):
            values.sort(key=lambda value: -1.0 if value in (None, "") else float(value))
        values.sort(key=lambda value: value not in (CONSTANT, ""))
        ranks.append({value: rank for rank, value in enumerate(values)})
    return sorted(found, key=lambda key: [rank[value] for rank, value in zip(ranks, key, strict=True)])


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) or (isinstance(value, str) and value.isdecimal() and value.isascii())


def _head(names: Sequence[str], key: Key) -> tuple[str, ...]:
    means = {"seed": "mean of seeds", "fold": "mean of folds", "label": "all", "average": "", "preset": ""}
    return tuple(
        means[name] if value is None and name in means else text_of(value)
        for name, value in zip(names, key, strict=True)
    )


def _column_head(names: Sequence[str], key: Key) -> tuple[str, ...]:
    """Return a column's head, numbers with what they count: the name of a line stands over it, a column's nowhere."""
    texts = zip(names, key, _head(names, key), strict=True)
    return tuple(f"{name} {text}" if _is_number(value) else text for name, value, text in texts)


def _title(fixed: Mapping[str, Any], rows: Sequence[Result]) -> str:
    """Return what all cells have in common, and of how many clips they are where they agree."""
    front = [str(fixed.get("task", "Scores")) + (f" on {fixed['dataset']}" if "dataset" in fixed else "")]
    front += [f"split {fixed['split']}"] if "split" in fixed else []
    front += [] if fixed.get("fold", 0) == 0 else [_fold(fixed["fold"])]
    front += [f"{fixed['train_share']:.3g} of the training clips"] if fixed.get("train_share", 1.0) < 1 else []
    front += [f"label {fixed['label']}"] if fixed.get("label") is not None else []
    average = str(fixed.get("average") or "")
    what = [f"{fixed['metric']} ({average})" if average else str(fixed["metric"])] if "metric" in fixed else [average]
    what += [_clips(rows)] if len({(row.n, row.n_groups, row.metric in OF_TRAINING) for row in rows}) == 1 else []
    said = ": ".join(filter(None, (", ".join(front), ", ".join(filter(None, what)))))
    return "; ".join([said, *(f"{name} {text_of(fixed[name])}" for name in TOLD if fixed.get(name) not in NOTHING)])


def _fold(fold: object) -> str:
    return "mean of its folds" if fold is None else f"fold {fold}"


def _clips(rows: Sequence[Result]) -> str:
    return clips_said(rows[0].n, rows[0].n_groups, rows[0].metric)


def _interval(rows: Iterable[Result]) -> str:
    with_one = [row for row in rows if row.ci_low is not None]
    methods: dict[float, dict[str, None]] = {}
    for row in with_one:
        methods.setdefault(row.ci_level, {})[row.ci_method] = None
    return "; ".join(f"{level:.0%} interval: {'; '.join(some)}" for level, some in methods.items())


def _readings(rows: Iterable[Result]) -> Iterator[str]:
    """Yield the units, and where less is better."""
    for metric in dict.fromkeys(row.metric for row in rows):
        unit = "in bits" if metric.endswith("_bits") else "in the unit of the targets"
        if lower_is_better(metric):
            yield f"{metric} is {unit}; less is better."
