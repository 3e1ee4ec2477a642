"""A table whose columns have names, row by row: what is not as it was published is told by its line."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from earmark.datasets._listing import table_rows
from earmark.errors import DataError


def named_rows(
    table: Path, columns: Sequence[str], remedy: str, delimiter: str = ",", *, may_be_ragged: bool = False
) -> Iterator[Mapping[str, str]]:
    """Yield each row of a UTF-8 table as cells by column name, without the blanks around them.

    Raises DataError, which ends with the remedy, where one of `columns` is missing, a row has another number of cells
    than the head (`may_be_ragged`: does not reach to all of `columns`), or there is none.
    """
    yield from (row for _, row in numbered_rows(table, columns, remedy, delimiter, may_be_ragged=may_be_ragged))


def numbered_rows(
    table: Path, columns: Sequence[str], remedy: str, delimiter: str = ",", *, may_be_ragged: bool = False
) -> Iterator[tuple[int, Mapping[str, str]]]:
    """Yield what `named_rows` does, with the number of each row's last line."""
    rows = table_rows(table, delimiter, remedy)
    head = [cell.strip() for cell in next(rows, (1, []))[1]]
    missing = [column for column in columns if column not in head]
    if missing:
        raise DataError(
            f"{table}: expected a table with the columns {', '.join(columns)}; it lacks {', '.join(missing)}. {remedy}"
        )
    fewest = 1 + max(map(head.index, columns)) if may_be_ragged else len(head)
    is_empty = True
    for line, cells in rows:
        if len(cells) < fewest or (len(cells) > len(head) and not may_be_ragged):
            raise DataError(f"{table}:{line}: expected {len(head)} cells, got {len(cells)}. {remedy}")
        is_empty = False
        yield line, dict(zip(head, (cell.strip() for cell in cells), strict=False))
    if is_empty:
        raise DataError(f"{table}: expected rows below the head, got none. {remedy}")
