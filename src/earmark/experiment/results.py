"""The rows of a run and what else its folder says of them: read, found by name, laid out as tables.

results.jsonl    the rows, one a line: the truth
results.parquet  the same rows to be read quickly; made with the first, and left aside where it may not be its copy
"""

import contextlib
import io
import json
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import get_args, get_type_hints

import polars as pl

from earmark import __version__, durable, places
from earmark.analysis import attributes, tables, writers
from earmark.analysis.grid import Grid
from earmark.errors import DataError, UnknownName, UserError
from earmark.experiment import leaks
from earmark.experiment.leaks import Audit
from earmark.nouns import Failure, Result

SCHEMA = 1
ROWS, TABLE, FAILURES, LEAKAGE = "results.jsonl", "results.parquet", "failures.jsonl", "leakage.json"
EXPERIMENT, FINETUNING = "experiment.yml", "finetune.yml"
"""What was asked: every run has one of them."""
COPY_OF = "earmark.bytes_of_rows"
"""In the head of the Parquet: how many bytes the JSON lines have that it is a copy of."""


@dataclass(frozen=True)
class Run:
    """A run: folder, rows, clips that could not be scored, how many jobs it had to do, what its leakage audit says.

    `unfitted` names the probes that could not be fitted this time, each with the reason.
    """

    folder: Path
    rows: tuple[Result, ...]
    failures: tuple[Failure, ...]
    jobs_done: int = 0
    notes: tuple[str, ...] = ()
    audits: tuple[Audit, ...] = ()
    unfitted: tuple[str, ...] = ()

    @property
    def frame(self) -> pl.DataFrame:
        """The rows as a polars frame."""
        return frame(self.rows)

    def _repr_html_(self) -> str:
        return str(self.frame._repr_html_())


def frame(found: Sequence[Result]) -> pl.DataFrame:
    """Return rows as a frame with the columns of schema 1, in order, whatever they hold."""
    return pl.DataFrame([vars(row) for row in found], schema=_schema())


def _schema() -> dict[str, type[pl.DataType]]:
    types = {str: pl.String, int: pl.Int64, float: pl.Float64, bool: pl.Boolean}
    return {name: types[(get_args(kind) or (kind,))[0]] for name, kind in get_type_hints(Result).items()}


def read(folder: Path) -> Run:
    """Return a finished run from its folder."""
    found = rows(folder)
    failures = _lines_of(folder / FAILURES) if (folder / FAILURES).is_file() else []
    audits = leaks.from_json((folder / LEAKAGE).read_bytes()) if (folder / LEAKAGE).is_file() else ()
    return Run(folder, found, tuple(Failure(**json.loads(line)) for line in failures), audits=audits)


def rows(folder: Path, leave_out: Collection[str] = ()) -> tuple[Result, ...]:
    """Return the rows of a run from its folder, without those that have a value in a column of `leave_out`.

    `leave_out=("seed", "label")` leaves out the scores of single seeds and labels, which are most of a large run.
    """
    if not (folder / ROWS).is_file():
        raise DataError(f"Expected a run with {ROWS} in it, found none at '{folder}'. `earmark list runs` names yours.")
    if _is_copy(folder):
        wanted = [pl.col(name).is_null() for name in leave_out]
        with contextlib.suppress(pl.exceptions.ComputeError):  # damaged in its middle: the lines hold the truth
            read = pl.scan_parquet(folder / TABLE).filter(*wanted).collect().iter_rows()
            return _of_schema(folder, (Result(*one) for one in read))
    lines = _of_schema(folder, (Result(**json.loads(line)) for line in _lines_of(folder / ROWS)))
    return tuple(row for row in lines if all(getattr(row, name) is None for name in leave_out))


def _of_schema(folder: Path, read: Iterable[Result]) -> tuple[Result, ...]:
    """Return rows, or raise a DataError where they are not of the schema of today."""
    try:
        found = tuple(read)
    except TypeError as error:  # a column that Result has not
        raise DataError(f"'{folder / ROWS}' is not a file of this earmark ({__version__}): {error}.") from error
    other = next((row.schema for row in found if row.schema != SCHEMA), SCHEMA)
    if other != SCHEMA:
        raise DataError(
            f"'{folder / ROWS}' has rows of schema {other}; earmark {__version__} reads schema {SCHEMA}. "
            "Read it with the earmark that wrote it (environment.json says which)."
        )
    return found


def _lines_of(file: Path) -> list[bytes]:
    # of bytes: text would also end a line at U+2028, which a label may hold
    return file.read_bytes().splitlines()


def _is_copy(folder: Path) -> bool:
    """Return whether the Parquet of a run holds the rows of its JSON lines, with all columns that there are now."""
    table, lines = folder / TABLE, folder / ROWS
    if not table.is_file() or table.stat().st_mtime_ns < lines.stat().st_mtime_ns:
        return False
    try:
        said = pl.read_parquet_metadata(table).get(COPY_OF)
        has_columns = dict(pl.read_parquet_schema(table)) == _schema()
    except pl.exceptions.ComputeError:  # it was cut short
        return False
    return has_columns and said == str(lines.stat().st_size)


def asked(folder: Path) -> Path | None:
    """Return the file that says what was asked of a run, experiment or fine-tuning; None where neither is there."""
    return next((folder / one for one in (EXPERIMENT, FINETUNING) if (folder / one).is_file()), None)


def find(name: Path | str) -> Path:
    """Return the folder of a run, by its path or its id; "latest" is the newest."""
    folders = [Path(name), places.runs_folder() / name]
    if str(name) == "latest":
        runs = [one.parent for one in places.runs_folder().glob(f"*/{ROWS}")]
        folders = sorted(runs, key=lambda one: (one / ROWS).stat().st_mtime)[-1:]
    found = next((one for one in folders if (one / ROWS).is_file()), None)
    if found is None:
        known = sorted(one.parent.name for one in places.runs_folder().glob(f"*/{ROWS}"))
        if not known:
            raise UserError(
                f"There is no run in '{places.runs_folder()}' yet, and none at '{name}': `earmark run FILE`."
            )
        raise UnknownName("run", str(name), known)
    return found


def table(
    run: Run | Path | str,
    metric: str | None = None,
    average: str | None = None,
    per: str | None = None,
    folds: bool = False,
) -> str:
    """Return the tables of a run, or of a run's id or folder, as Markdown.

    `per`: for each value of an attribute; `folds`: also a table of each fold.
    """
    return writers.markdown(grids(run, metric, average, per, folds))


def grids(
    run: Run | Path | str,
    metric: str | None = None,
    average: str | None = None,
    per: str | None = None,
    folds: bool = False,
) -> tuple[Grid, ...]:
    """Return the tables of a run as grids: a line a representation and probe, a column a condition.

    Raises DataError where no score is a mean over seeds of all labels, and as `tables` and `by_attribute` do.
    """
    leave_out = ("seed",) if per else ("seed", "label")
    found = run.rows if isinstance(run, Run) else rows(find(run), leave_out)
    if per is not None:
        return tuple(one.grid for one in attributes.by_attribute(found, per, metric, average))
    made = tuple(one.grid for one in tables.tables(found, metric, average, folds))
    if not made:
        name = run.folder if isinstance(run, Run) else run
        raise DataError(
            f"Expected scores that are means over seeds of all labels, found none in the run '{name}'. Finish it "
            "first: `earmark run FILE`. Or name what it has: --preset scores --freeze seed=0, or --label NAME."
        )
    return made


def write_rows(folder: Path, found: Sequence[Result]) -> None:
    """Put rows into the folder of a run, as JSON lines and as Parquet."""
    content, buffer = lines(vars(row) for row in found), io.BytesIO()
    frame(found).write_parquet(buffer, metadata={COPY_OF: str(len(content))})
    durable.write_file(folder / ROWS, content)
    durable.write_file(folder / TABLE, buffer.getvalue())


def lines(values: Iterable[Mapping[str, object]]) -> bytes:
    """Return values as JSON lines in UTF-8."""
    return b"".join(json.dumps(value, ensure_ascii=False).encode() + b"\n" for value in values)
