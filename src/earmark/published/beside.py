"""Published scores beside those of a run: a column each where protocol and split are the same, else the reason."""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from earmark.analysis import escapes, writers
from earmark.analysis.grid import NOT_SCORED, UNDEFINED, Cell, Grid, cell_of
from earmark.analysis.tables import seen_as
from earmark.experiment import results, spec
from earmark.experiment.results import Run
from earmark.nouns import Result
from earmark.published import documents
from earmark.published.departures import Departures, departures
from earmark.published.documents import PublishedTable, Row
from earmark.published.match import match, probe_of

NO_EXPERIMENT = "the run has no experiment.yml, so what its names stand for is not known"
YOURS = "yours"
CONSTANT = "constant"
System = tuple[str, str]
Head = tuple[str, str]


@dataclass(frozen=True)
class Refusal:
    """A published table of a task of the run, or a system of it, that is not shown, and why."""

    table: str
    of: str
    reason: str

    def __str__(self) -> str:
        return f"{self.table}, {self.of}: {self.reason}."


@dataclass(frozen=True)
class Compared:
    """What may stand beside a run's own scores, each condition's in a column after yours, and what may not."""

    grids: tuple[Grid, ...]
    refused: tuple[Refusal, ...]

    @property
    def markdown(self) -> str:
        """The same as Markdown."""
        shown = writers.markdown(self.grids) or "No published score may stand beside these."
        reasons = [f"- {escapes.markdown(str(one))}" for one in self.refused]
        return "\n".join([shown, *(["", "Not shown:", "", *reasons] if reasons else [])])


def beside(run: Run | Path | str, metric: str | None = None, average: str | None = None) -> Compared:
    """Return the published scores that may stand beside those of a run, or of a run's id or folder.

    `metric` and `average` None: of every one. Raises as `results.find` and `spec.load` do.
    """
    found = run if isinstance(run, Run) else results.read(results.find(run))
    asked = found.folder / "experiment.yml"
    known = departures(spec.load(asked)) if asked.is_file() else {(row.task, ""): NO_EXPERIMENT for row in found.rows}
    wanted = [row for row in found.rows if metric in (None, row.metric) and average in (None, row.average)]
    return compared(wanted, documents.tables(), known)


def compared(rows: Iterable[Result], tables: Sequence[PublishedTable], known: Departures) -> Compared:
    """Return what of published tables may stand beside rows, of which means over seeds of whole test sets count.

    Data that was never counted against what is published of it is not known to be the same.
    """
    rows = list(rows)
    known = {**known, **_uncounted(rows)}
    groups: dict[tuple[object, ...], list[Result]] = defaultdict(list)
    for row in rows:
        if row.seed is None and row.label is None:
            groups[row.task, row.dataset, row.split, row.fold, row.train_share, row.metric, row.average].append(row)
    grids: list[Grid] = []
    withheld: dict[Refusal, None] = {}
    for group in groups.values():
        shown = tuple(dict.fromkeys(table for row in group for table in tables if _stands(row, table, known)))
        if shown:
            grids.append(_grid(group, shown, known))
            withheld.update(
                (Refusal(table.name, row.system, row.withheld), None) for table in shown for row in table.rows
            )
    unmatched = _unmatched([row for group in groups.values() for row in group], tables, known)
    return Compared(tuple(grids), (*unmatched, *(one for one in withheld if one.reason)))


def _uncounted(rows: Iterable[Result]) -> Departures:
    """Return a departure for each task whose data is not known: the constant predictor's rows speak of data alone."""
    return {
        (
            row.task,
            "",
        ): f"this copy of {row.dataset} was not counted against its card (earmark check dataset {row.dataset})"
        for row in rows
        if row.probe == CONSTANT and row.unverified
    }


def _stands(row: Result, table: PublishedTable, known: Departures) -> bool:
    return row.probe != CONSTANT and match(row, table, known)[0] is not None


def _unmatched(rows: Sequence[Result], tables: Sequence[PublishedTable], known: Departures) -> Iterator[Refusal]:
    """Yield each table that scores may not stand beside: a task, once for each reason, with the probes it is of."""
    probes: dict[tuple[str, str, str], dict[str, None]] = defaultdict(dict)
    for row in rows:
        for table in tables if row.probe != CONSTANT else ():
            reasons = match(row, table, known)[1]
            if reasons:
                probes[table.name, row.task, "; ".join(reasons)][row.probe] = None
    for (name, task, reason), found in probes.items():
        yield Refusal(name, f"beside {task} by {', '.join(found)}", reason)


def _grid(group: Sequence[Result], tables: Sequence[PublishedTable], known: Departures) -> Grid:
    first = group[0]
    constant = next((row for row in group if row.probe == CONSTANT), None)
    cells: dict[System, dict[Head, Cell]] = defaultdict(dict)
    heads: dict[Head, None] = {}
    own = [row for row in group if row is not constant]
    for deformation in dict.fromkeys(row.deformation for row in own):
        under = [row for row in own if row.deformation == deformation]
        heads[deformation, YOURS] = None
        for row in under:
            cells[_name(row)][deformation, YOURS] = cell_of(row, constant, None)
        for table, row in ((table, row) for table in tables for row in under):
            column = match(row, table, known)[0]
            if column is not None:
                heads[deformation, table.name] = None
                for theirs in table.rows:
                    if not theirs.withheld and theirs.probe in (None, probe_of(row)):
                        printed = table.score(theirs, column)
                        cell = Cell(printed, None, None, missing="" if printed is not None else UNDEFINED)
                        cells[_place(theirs, row, under)].setdefault((deformation, table.name), cell)
    average = f" ({first.average})" if first.average else ""
    absent = Cell(None, None, None, missing=NOT_SCORED)
    return Grid(
        f"{first.task} on {first.dataset}, split {first.split}: {first.metric}{average}, yours and published",
        ("representation", "probe"),
        ("condition", "whose"),
        tuple(cells),
        tuple(heads),
        tuple(tuple(by_head.get(head, absent) for head in heads) for by_head in cells.values()),
        f"{own[0].ci_level:.0%} interval of yours: {own[0].ci_method}",
        tuple(f"{table.name}: {table.title}. {table.caption}. {table.notes}" for table in tables),
    )


def _name(row: Result) -> System:
    return seen_as(row.representation, row.layer, row.pool), row.probe


def _place(theirs: Row, row: Result, under: Sequence[Result]) -> System:
    """Return the line of a published system: that of ours with the same probe, where we have it, else its own."""
    for own in under:
        same_system = (own.representation, own.layer) == (theirs.representation, theirs.layer)
        if same_system and (own.probe, own.pool) == (row.probe, row.pool):
            return _name(own)
    return f"{theirs.system} (published)", row.probe
