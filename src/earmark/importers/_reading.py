"""Reading result files of other toolkits by format, and putting their rows into the folder of a run."""

import hashlib
import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from earmark import durable, lookup, places
from earmark.errors import DataError, UserError
from earmark.experiment import results
from earmark.importers.base import UNKNOWN
from earmark.nouns import Result

ORIGIN = "imported.json"
PICKLES = {".pkl", ".pickle", ".p", ".joblib", ".dill", ".ckpt", ".pt", ".pth"}
PICKLE_BYTE = b"\x80"
UNSAFE = (
    "is a pickle: opening one runs whatever program was put into it, so earmark never does. "
    "Import the JSON, CSV or text that the toolkit writes beside it."
)


@dataclass(frozen=True)
class Imported:
    """Rows from the files of another toolkit, which files they are, and what was left out."""

    format: str
    rows: tuple[Result, ...]
    files: tuple[Path, ...]
    notes: tuple[str, ...]


def formats() -> tuple[str, ...]:
    """Return the names of the formats that can be imported."""
    return lookup.names("importers")


def read(
    format_name: str,
    path: Path,
    *,
    task: str | None = None,
    dataset: str | None = None,
    representation: str | None = None,
) -> Imported:
    """Return the rows of a file, or of every file of the format below a folder.

    `task`, `dataset` and `representation` are what the files leave unsaid, or what to say in place of it.
    Raises UnknownName for a format, DataError for a pickle, for a file that is not of the format, for none, and for
    rows without a task or a representation.
    """
    module = lookup.find("importers", format_name).module
    files, notes = _files(format_name, path, module.PATTERNS)
    reader: Callable[[Path], Iterator[Result]] = module.read
    said = {"task": task, "dataset": dataset, "representation": representation}
    given = {name: value for name, value in said.items() if value}
    rows = tuple(replace(row, **given) for file in files for row in reader(file))  # type: ignore[arg-type]  # texts all
    _refuse_nameless(path, rows)
    return Imported(format_name, rows, files, notes)


def _files(format_name: str, path: Path, patterns: Sequence[str]) -> tuple[tuple[Path, ...], tuple[str, ...]]:
    if not path.exists():
        raise DataError(f"Expected a file or folder of {format_name} results at '{path}', found nothing there.")
    if path.is_file():
        if _is_pickle(path):
            raise DataError(f"'{path}' {UNSAFE}")
        return (path,), ()
    found = sorted({file for pattern in patterns for file in path.rglob(pattern) if file.is_file()})
    pickles = [file.name for file in sorted(path.rglob("*")) if file.suffix.lower() in PICKLES]
    disguised = [file for file in found if _is_pickle(file)]
    if disguised:
        raise DataError(f"'{disguised[0]}' {UNSAFE}")
    if not found:
        raise DataError(f"Expected files named {' or '.join(patterns)} below '{path}', found none.")
    notes = (f"{len(pickles)} pickles were not opened: {', '.join(pickles[:3])}",) if pickles else ()
    return tuple(found), notes


def _is_pickle(path: Path) -> bool:
    with path.open("rb") as file:
        return path.suffix.lower() in PICKLES or file.read(1) == PICKLE_BYTE


def _refuse_nameless(path: Path, rows: Sequence[Result]) -> None:
    if not rows:
        raise DataError(f"Expected scores in '{path}', found none.")
    for name in ("task", "representation"):
        if any(getattr(row, name) in ("", UNKNOWN) for row in rows):
            raise DataError(f"'{path}' does not say its {name}. Add --{name} NAME.")


def into(found: Imported, run: Path | str) -> Path:
    """Write imported rows as a run, and where they came from; return its folder.

    `run` is a folder, or a name for one among the runs. Raises UserError where there are results already.
    """
    asked = Path(run)
    folder = places.runs_folder() / asked if len(asked.parts) == 1 else asked
    if (folder / results.ROWS).exists():
        raise UserError(f"'{folder}' has results already, and an import writes over none. Give another name with -o.")
    origin = {
        "format": found.format,
        "files": [{"file": file.name, "sha256": hashlib.sha256(file.read_bytes()).hexdigest()} for file in found.files],
    }
    durable.write_file(folder / ORIGIN, json.dumps(origin, ensure_ascii=False, indent=1).encode())
    results.write_rows(folder, [replace(row, run=folder.name) for row in found.rows])
    return folder
