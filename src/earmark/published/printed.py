"""A published table as it is printed, every row of it, to be read beside one of ours. It claims no common protocol."""

from collections.abc import Iterable

from earmark.analysis.grid import NOT_SCORED, Cell, Grid
from earmark.errors import UnknownName
from earmark.published.documents import PublishedTable, Row, tables

ABSENT = Cell(None, None, None, missing=NOT_SCORED)


def as_printed(name: str) -> Grid:
    """Return the whole table of a name ("wav2vec2_music, Table I"), numbers as scores. Raises UnknownName.

    Rows that were not measured as the table says otherwise are in it too; the notes say which, and why.
    """
    known = {one.name: one for one in tables()}
    if name not in known:
        raise UnknownName("published table", name, known)
    found = known[name]
    return Grid(
        f"{found.name}, as printed: {found.caption}",
        ("system", "probe"),
        ("column",),
        tuple((row.system, row.probe or "") for row in found.rows),
        tuple((column.name,) for column in found.columns),
        tuple(_cells(found, row) for row in found.rows),
        "",
        tuple(filter(None, (f"{found.title}.", found.notes, *_withheld(found.rows)))),
    )


def _cells(table: PublishedTable, row: Row) -> tuple[Cell, ...]:
    scores = (table.score(row, column) for column in table.columns)
    return tuple(ABSENT if score is None else Cell(score, None, None) for score in scores)


def _withheld(rows: Iterable[Row]) -> Iterable[str]:
    return dict.fromkeys(f"{row.system}: {row.withheld}." for row in rows if row.withheld)
