"""Tables of result rows: one a task, a line a representation and probe, a column a deformation."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from earmark.analysis import trust
from earmark.errors import DataError
from earmark.nouns import Result

UNTOLD, NARROW = "°", "†"


@dataclass(frozen=True)
class Cell:
    """A number with its interval.

    `untold`: the interval holds the constant predictor's score. `narrow`: it is too narrow to be believed.
    """

    value: float | None
    low: float | None
    high: float | None
    untold: bool = False
    best: bool = False
    narrow: bool = False

    @property
    def text(self) -> str:
        """The cell in words: "0.83 [0.80, 0.86]", with ° when it cannot be told from the constant, † when narrow."""
        if self.value is None:
            return "undefined"
        mark = UNTOLD * self.untold + NARROW * self.narrow
        if self.low is None or self.high is None:
            return f"{self.value:.3f}{mark}"
        return f"{self.value:.3f} [{self.low:.3f}, {self.high:.3f}]{mark}"


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

    @property
    def title(self) -> str:
        """What the numbers are, and of how much."""
        average = f" ({self.average})" if self.average else ""
        groups = f" in {self.n_groups} groups" if self.n_groups else ""
        return f"{self.task} on {self.dataset}, split {self.split}: {self.metric}{average}, {self.n} test clips{groups}"

    @property
    def note(self) -> str:
        """How the intervals were made and what was left out."""
        failed = f" {self.n_failed} clips could not be scored." if self.n_failed else ""
        is_narrow = any(cell.narrow for line in self.lines for cell in line.cells if cell)
        narrow = f" {NARROW} interval too narrow to be believed: {trust.REASON}." if is_narrow else ""
        return (
            f"Mean over seeds [{self.ci_level:.0%} interval: {self.ci_method}]. "
            f"{UNTOLD} cannot be told from the constant predictor.{narrow}{failed}{self.doubt}"
        )


def tables(
    rows: Iterable[Result], metric: str | None = None, average: str | None = None, every_fold: bool = False
) -> tuple[Table, ...]:
    """Return one table for each task, dataset, split and share of the training clips: the mean over seeds of a metric.

    Folds are averaged, or also a table each. `metric` None takes each task's primary one, the first of its rows;
    `average` None likewise. Raises DataError for a metric by which a task was not scored.
    """
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
    )


def partition_of(row: Result) -> tuple[str, str, str, int | None, float]:
    """Return what tells tables apart: task, dataset, split, fold, and the share of the training clips."""
    return row.task, row.dataset, row.split, row.fold, row.train_share


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
    found = [row for row in rows if row is not None and row.value is not None]
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
        cells.append(None if row is None else _cell(row, constant, best[column]))
    return Line(*name, max(row.n_seeds for row in by_column.values()), tuple(cells))


def _cell(row: Result, constant: Result | None, best: float | None) -> Cell:
    known = constant is not None and constant.value is not None and row.ci_low is not None and row.ci_high is not None
    untold = (
        known
        and constant is not None
        and row is not constant
        and float(row.ci_low or 0.0) <= float(constant.value or 0.0) <= float(row.ci_high or 0.0)
    )
    is_best = row.value is not None and row.value == best and not untold
    return Cell(row.value, row.ci_low, row.ci_high, bool(untold), is_best, row.narrow)


def markdown(found: Iterable[Table]) -> str:
    """Return tables as Markdown, the best of each column in bold."""
    blocks = []
    for one in found:
        head = ["representation", "probe", "seeds", *one.columns]
        body = [[line.representation, line.probe, str(line.n_seeds), *map(_marked, line.cells)] for line in one.lines]
        grid = [head, ["---"] * len(head), *body]
        lines = ["| " + " | ".join(cells) + " |" for cells in grid]
        blocks.append("\n".join([f"**{one.title}**", "", *lines, "", one.note]))
    return "\n\n".join(blocks)


def _marked(cell: Cell | None) -> str:
    if cell is None:
        return ""
    return f"**{cell.text}**" if cell.best else cell.text
