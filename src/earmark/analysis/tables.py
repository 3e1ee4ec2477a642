"""Tables of result rows: one a task, a line a representation and probe, a column a deformation."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from earmark.analysis.grid import NOT_SCORED, SEEDS, Cell, Grid, cell_of, is_defined, licences_of
from earmark.counted import counted
from earmark.errors import DataError, UnknownName
from earmark.nouns import Result

OF_TRAINING = ("compression", "codelength_bits")  # what is measured of the training clips


@dataclass(frozen=True)
class Line:
    """One system: what names it, and a cell a column (None: not scored)."""

    representation: str
    probe: str
    n_seeds: int
    cells: tuple[Cell | None, ...]


@dataclass(frozen=True)
class Table:
    """The scores of one task on one partition by one metric."""

    task: str
    dataset: str
    split: str
    metric: str
    average: str | None
    columns: tuple[str, ...]
    lines: tuple[Line, ...]
    n: int
    n_groups: int | None
    n_failed: int
    ci_level: float
    ci_method: str
    doubt: str = ""
    licences: tuple[str, ...] = ()

    @property
    def title(self) -> str:
        """What the numbers are, and of how much."""
        average = f" ({self.average})" if self.average else ""
        clips = clips_said(self.n, self.n_groups, self.metric)
        return f"{self.task} on {self.dataset}, split {self.split}: {self.metric}{average}, {clips}"

    @property
    def note(self) -> str:
        """How the intervals were made, what the signs mean and what was left out."""
        return " ".join(self.grid.remarks("interval"))

    @property
    def grid(self) -> Grid:
        """The same as a grid, to be written."""
        failed = (f"{counted(self.n_failed, 'clip')} could not be scored.",) if self.n_failed else ()
        absent = Cell(None, None, None, missing=NOT_SCORED)
        return Grid(
            self.title,
            ("representation", "probe", SEEDS),
            ("condition",),
            tuple((line.representation, line.probe, str(line.n_seeds)) for line in self.lines),
            tuple((column,) for column in self.columns),
            tuple(tuple(cell or absent for cell in line.cells) for line in self.lines),
            f"{self.ci_level:.0%} interval: {self.ci_method}" if self.ci_method else "",
            (*failed, *filter(None, (self.doubt.strip(),)), *self.licences),
        )


def tables(
    rows: Iterable[Result], metric: str | None = None, average: str | None = None, every_fold: bool = False
) -> tuple[Table, ...]:
    """Return one table for each task, dataset, split and share of the training clips: the mean over seeds of a metric.

    Folds are averaged, or also a table each. `metric` None takes each task's primary one, the first of its rows;
    `average` None likewise, and where a metric has no such average. Raises DataError for a metric by which a task was
    not scored, UnknownName for an average that no metric has.
    """
    rows = list(rows)
    check_average(average, rows)
    partitions: dict[tuple[str, str, str, int | None, float], list[Result]] = {}
    for row in rows:
        if row.seed is None and row.label is None:
            partitions.setdefault(partition_of(row), []).append(row)
    # What is of the training clips, such as a codelength, has neither a mean over folds nor a share.
    of_metric = [part for part in partitions.values() if metric is None or any(row.metric == metric for row in part)]
    known = {_task_of(part[0]) for part in of_metric}
    of_metric += [part for part in partitions.values() if _task_of(part[0]) not in known]
    averaged = {_without_fold(part[0]) for part in of_metric if part[0].fold is None}
    return tuple(
        _table(part, metric, average)
        for part in of_metric
        if every_fold or part[0].fold is None or _without_fold(part[0]) not in averaged
    )


def check_average(average: str | None, rows: Iterable[Result]) -> None:
    """Raise UnknownName for an average by which no row was scored."""
    known = dict.fromkeys(row.average for row in rows if row.average is not None)
    if average is not None and known and average not in known:
        raise UnknownName("average of these scores", average, known)


def _task_of(row: Result) -> tuple[str, str, str]:
    return row.task, row.dataset, row.split


def _without_fold(row: Result) -> tuple[str, str, str, float]:
    return row.task, row.dataset, row.split, row.train_share


def _table(rows: Sequence[Result], metric: str | None, average: str | None) -> Table:
    known = dict.fromkeys(row.metric for row in rows)
    chosen = metric or rows[0].metric
    if chosen not in known:
        raise DataError(f"Task '{rows[0].task}' was not scored by '{chosen}'; it has: {', '.join(known)}.")
    of_metric = [row for row in rows if row.metric == chosen]
    averages = dict.fromkeys(row.average for row in of_metric)
    of_average = [row for row in of_metric if row.average == (average if average in averages else next(iter(averages)))]
    first = next((row for row in of_average if row.probe != "constant"), of_average[0])
    columns = tuple(dict.fromkeys(row.deformation for row in of_average))
    constant = next((row for row in of_average if row.probe == "constant"), None)
    systems: dict[tuple[str, str], dict[str, Result]] = {}
    for row in of_average:
        systems.setdefault(_name(row), {})[row.deformation] = row
    if constant is not None:  # it hears nothing, so no deformation changes it
        systems[_name(constant)] = dict.fromkeys(columns, constant)
    best = {column: _best(by_column.get(column) for by_column in systems.values()) for column in columns}
    return Table(
        first.task,
        first.dataset,
        _part_of(first),
        chosen,
        first.average,
        columns,
        tuple(_line(name, by_column, columns, constant, best) for name, by_column in systems.items()),
        first.n,
        first.n_groups,
        max(row.n_failed for row in of_average),
        first.ci_level,
        "; ".join(dict.fromkeys(row.ci_method for row in of_average if row.value is not None)),
        _doubt(of_average),
        tuple(licences_of(of_average)),
    )


def partition_of(row: Result) -> tuple[str, str, str, int | None, float]:
    """Return what tells tables apart: task, dataset, split, fold, and the share of the training clips."""
    return row.task, row.dataset, row.split, row.fold, row.train_share


def clips_said(n: int, n_groups: int | None, metric: str) -> str:
    """Return of how much a number is: "96 test clips in 12 groups". `n` 0: another toolkit's, which did not say."""
    clips = "training clip" if metric in OF_TRAINING else "test clip"
    groups = f" in {counted(n_groups, 'group')}" if n_groups else ""
    return f"{counted(n, clips)}{groups}" if n else f"a number of {clips}s that is not told"


def lower_is_better(metric: str) -> bool:
    """Say whether less of a metric is better: its name says so."""
    return metric.endswith(("_error", "_bits"))


def _part_of(row: Result) -> str:
    fold = ", mean of its folds" if row.fold is None else f" fold {row.fold}" if row.fold else ""
    share = f", {row.train_share:.3g} of the training clips" if row.train_share < 1 else ""
    return f"{row.split}{fold}{share}"


def _doubt(rows: Sequence[Result]) -> str:
    """Say what of a table was never held against what was published, "" where all was."""
    if any(row.unverified for row in rows if row.probe == "constant"):
        return f" UNVERIFIED: this copy of {rows[0].dataset} was never counted against what is published of it."
    names = dict.fromkeys(row.representation for row in rows if row.unverified)
    return f" UNVERIFIED: {', '.join(names)} was never checked against an independent one." if names else ""


def _best(rows: Iterable[Result | None]) -> float | None:
    found = [row for row in rows if row is not None and is_defined(row.value)]
    chosen = min if found and lower_is_better(found[0].metric) else max
    return chosen((row.value for row in found if row.value is not None), default=None)


def _name(row: Result) -> tuple[str, str]:
    """Return what names a system's line: the representation with its layers and pooling, and the probe."""
    return seen_as(row.representation, row.layer, row.pool), row.probe


def seen_as(representation: str, layer: str, pool: str) -> str:
    """Return a representation's name with the layers and pooling that a probe sees of it: "mert (6, mean)"."""
    details = [part for part in (layer, pool) if part and part != "all"]
    return f"{representation} ({', '.join(details)})" if details else representation


def _line(
    name: tuple[str, str],
    by_column: dict[str, Result],
    columns: Sequence[str],
    constant: Result | None,
    best: dict[str, float | None],
) -> Line:
    cells = []
    for column in columns:
        row = by_column.get(column)
        cells.append(None if row is None else cell_of(row, constant, best[column]))
    return Line(*name, max(row.n_seeds for row in by_column.values()), tuple(cells))
