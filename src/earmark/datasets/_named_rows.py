"""A table whose columns have names, row by row: what is not as it was published is told by its line."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from earmark.datasets._listing import table_rows
from earmark.errors import DataError


def named_rows(table: Path, columns: Sequence[str], remedy: str) -> Iterator[Mapping[str, str]]:
    """Yield each row of a UTF-8 table with commas as cells by column name; empty lines are none.

    Raises DataError, which ends with the remedy, where one of `columns` is missing, a row is cut short
    or there is none.
    """
    rows = table_rows(table, ",", remedy)
    _, head = next(rows, (1, []))
    missing = [column for column in columns if column not in head]
    if missing:
        raise DataError(
            f"{table}: expected a table with the columns {', '.join(columns)}; it lacks {', '.join(missing)}. {remedy}"
        )
    is_empty = True
    for line, cells in rows:
        if not cells:
            continue
        if len(cells) != len(head):
            raise DataError(f"{table}:{line}: expected {len(head)} cells, got {len(cells)}. {remedy}")
        is_empty = False
        yield dict(zip(head, cells, strict=True))
    if is_empty:
        raise DataError(f"{table}: expected rows below the head, got none. {remedy}")
