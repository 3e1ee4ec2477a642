"""A table's rows by the names of its columns: what is not as published is told by its line, and nothing is dropped."""

from pathlib import Path

import pytest

from earmark.datasets._named_rows import named_rows, numbered_rows
from earmark.errors import DataError


def table(folder: Path, text: str) -> Path:
    path = folder / "table.csv"
    path.write_bytes(text.encode())
    return path


def test_cells_have_no_blanks_around_them_and_empty_lines_are_no_rows_but_count(tmp_path: Path) -> None:
    path = table(tmp_path, "\ufeffid , key\r\n1,\tC major \r\n\r\n2,D minor\r\n\r\n")
    rows = list(numbered_rows(path, ("id", "key"), "Fetch it."))
    assert rows == [(2, {"id": "1", "key": "C major"}), (4, {"id": "2", "key": "D minor"})]
    assert list(named_rows(path, ("key",), "Fetch it.")) == [row for _, row in rows]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("id,tone\n1,C\n", "expected a table with the columns id, key; it lacks key"),
        ("", "it lacks id, key"),
        ("id,key\n", "expected rows below the head, got none"),
        ("id,key\n1,C\n2\n", r"csv:3: expected 2 cells, got 1"),
        ("id,key\n1,C,major\n", r"csv:2: expected 2 cells, got 3"),
    ],
)
def test_a_table_that_is_not_as_published_is_told_by_its_line(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(DataError, match=rf"{message}[\s\S]* Fetch it\.$"):
        list(named_rows(table(tmp_path, text), ("id", "key"), "Fetch it."))


def test_ragged_rows_need_only_reach_to_the_columns_that_are_read(tmp_path: Path) -> None:
    path = table(tmp_path, "id\tkey\tremark\n1\tC\n2\tD\tfine\t\t\n")
    found = list(named_rows(path, ("id", "key"), "Fetch it.", "\t", may_be_ragged=True))
    assert found == [{"id": "1", "key": "C"}, {"id": "2", "key": "D", "remark": "fine"}]
    path.write_text("id\tkey\tremark\n1\n")
    with pytest.raises(DataError, match=r"csv:2: expected 3 cells, got 1\. Fetch it"):
        list(named_rows(path, ("id", "key"), "Fetch it.", "\t", may_be_ragged=True))
