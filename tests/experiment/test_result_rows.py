"""Rows of a run on disk: two files that say the same, of which the JSON lines are the truth."""

import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import get_type_hints

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from earmark.errors import DataError
from earmark.experiment import results
from earmark.nouns import Result
from tests.analysis.test_tables import row

TEXTS = st.text() | st.sampled_from(["a\u2028b", "\x85", "\r\n", "\x1c", "null", "NaN", '"', "\\u0000", "\x00", "🎻"])
NUMBERS = st.floats()
VALUES = {
    str: TEXTS,
    int: st.integers(-(2**63), 2**63 - 1),
    float: NUMBERS,
    bool: st.booleans(),
    str | None: st.none() | TEXTS,
    int | None: st.none() | st.integers(0, 9),
    float | None: st.none() | NUMBERS,
}
COLUMNS = {name: VALUES[kind] for name, kind in get_type_hints(Result).items()}
ROWS = st.lists(st.builds(Result, **(COLUMNS | {"schema": st.just(results.SCHEMA)})), max_size=5)


def same(one: Result, other: Result) -> bool:
    """Say whether two rows hold the same values of the same types, a NaN being the same as a NaN."""
    return repr(one) == repr(other)


@given(rows=ROWS)
def test_both_files_say_the_same_of_every_column(tmp_path_factory: pytest.TempPathFactory, rows: list[Result]) -> None:
    folder = tmp_path_factory.mktemp("run")
    results.write_rows(folder, rows)
    of_parquet = results.rows(folder)
    (folder / results.TABLE).unlink()
    of_lines = results.rows(folder)
    assert len(of_parquet) == len(of_lines) == len(rows)
    assert all(map(same, of_parquet, rows))
    assert all(map(same, of_lines, rows))


@given(rows=ROWS, leave_out=st.sets(st.sampled_from(["seed", "label", "average"])))
def test_what_is_left_out_has_a_value_in_the_column_and_the_rest_stays_in_order(
    tmp_path_factory: pytest.TempPathFactory, rows: list[Result], leave_out: set[str]
) -> None:
    folder = tmp_path_factory.mktemp("run")
    results.write_rows(folder, rows)
    kept = [one for one in rows if all(getattr(one, name) is None for name in leave_out)]
    assert repr(results.rows(folder, leave_out)) == repr(tuple(kept))
    (folder / results.TABLE).unlink()
    assert repr(results.rows(folder, leave_out)) == repr(tuple(kept))


def _edited(folder: Path) -> None:
    text = (folder / results.ROWS).read_text("utf-8")
    (folder / results.ROWS).write_text(text.replace("0.5", "0.7", 1), "utf-8")
    os.utime(folder / results.TABLE, ns=(0, 0))


def _longer(folder: Path) -> None:
    text = (folder / results.ROWS).read_text("utf-8")
    (folder / results.ROWS).write_text(text.replace("0.5", "0.70", 1), "utf-8")
    later = (folder / results.ROWS).stat().st_mtime_ns + 10**9
    os.utime(folder / results.TABLE, ns=(later, later))


def _cut_short(folder: Path) -> None:
    _longer(folder)
    content = (folder / results.TABLE).read_bytes()
    (folder / results.TABLE).write_bytes(content[: len(content) // 2])


def _of_an_older_schema(folder: Path) -> None:
    size = (folder / results.ROWS).stat().st_size
    table = pl.read_parquet(folder / results.TABLE).drop("narrow")
    table.write_parquet(folder / results.TABLE, metadata={results.COPY_OF: str(size)})
    _edited(folder)
    os.utime(folder / results.TABLE)


def _without_a_head(folder: Path) -> None:
    pl.read_parquet(folder / results.TABLE).write_parquet(folder / results.TABLE)
    _edited(folder)
    os.utime(folder / results.TABLE)


@pytest.mark.parametrize("happens", [_edited, _longer, _cut_short, _of_an_older_schema, _without_a_head])
def test_a_parquet_that_may_not_be_a_copy_is_left_aside(tmp_path: Path, happens: Callable[[Path], None]) -> None:
    results.write_rows(tmp_path, [row()])
    happens(tmp_path)
    assert [one.value for one in results.rows(tmp_path)] == [0.7]


def test_a_parquet_that_is_damaged_in_its_middle_is_left_aside(tmp_path: Path) -> None:
    results.write_rows(tmp_path, [replace(row(), seed=seed) for seed in range(200)])
    content = bytearray((tmp_path / results.TABLE).read_bytes())
    content[60:200] = bytes(byte ^ 0xFF for byte in content[60:200])
    (tmp_path / results.TABLE).write_bytes(content)
    assert [one.seed for one in results.rows(tmp_path)] == list(range(200))


@pytest.mark.parametrize("is_copied", [True, False])
def test_rows_of_another_schema_are_refused(tmp_path: Path, is_copied: bool) -> None:
    results.write_rows(tmp_path, [row(), replace(row(), schema=2)])
    if not is_copied:
        (tmp_path / results.TABLE).unlink()
    with pytest.raises(DataError, match=r"has rows of schema 2; earmark .* reads schema 1"):
        results.rows(tmp_path)


def test_rows_with_a_column_that_is_not_known_are_refused(tmp_path: Path) -> None:
    results.write_rows(tmp_path, [row()])
    text = (tmp_path / results.ROWS).read_text("utf-8").replace('{"run"', '{"mood": 1, "run"', 1)
    (tmp_path / results.ROWS).write_text(text, "utf-8")
    os.utime(tmp_path / results.TABLE, ns=(0, 0))
    with pytest.raises(DataError, match=r"is not a file of this earmark .*'mood'"):
        results.rows(tmp_path)


def test_a_parquet_that_is_a_copy_is_what_is_read(tmp_path: Path) -> None:
    results.write_rows(tmp_path, [row()])
    size = (tmp_path / results.ROWS).stat().st_size
    (tmp_path / results.ROWS).write_bytes(b"x" * size)
    os.utime(tmp_path / results.ROWS, ns=(0, 0))
    assert results.rows(tmp_path) == (row(),)


def test_rows_of_before_a_column_was_there_have_its_default(tmp_path: Path) -> None:
    old = {name: value for name, value in vars(row()).items() if name not in ("narrow", "fold_deviation")}
    (tmp_path / results.ROWS).write_bytes(results.lines([old]))
    assert results.rows(tmp_path) == (replace(row(), narrow=False, fold_deviation=None),)


def test_a_table_is_printed_without_the_libraries_that_only_a_run_needs(tmp_path: Path) -> None:
    """They take two seconds to start."""
    results.write_rows(tmp_path / "run", [row()])
    heavy = ("torch", "scipy", "sklearn", "numpy", "mir_eval")
    code = (
        "import sys; from earmark.cli.main import app\n"
        f"sys.argv = ['earmark', 'table', {str(tmp_path / 'run')!r}]\n"
        f"try: app()\nfinally: print([one for one in {heavy!r} if one in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "[]"
    assert "0.500" in done.stdout
