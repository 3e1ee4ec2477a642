"""What was counted in the real files of a dataset: the record that turns "miniature" into "real".

`earmark check dataset` writes one into the home when everything its card expects was found and every file was
read. A record is of one copy: of the folder, of each file's size and time of change, and of what was listed. Another
copy, a changed file or another version of the loader is not vouched for by it, and is checked again.
"""

import datetime
import json
import logging
from dataclasses import dataclass
from pathlib import Path

from earmark import __version__, durable, places
from earmark.datasets.base import Dataset

SCHEMA = 2

log = logging.getLogger("earmark.datasets")


@dataclass(frozen=True)
class Record:
    """A dataset as it was found.

    `audio_sha256` is of all clip ids with their files' sha256, in order of ids. `root` is the folder, `files` holds
    the stamp of each file below it (`_stamps`), in order, with spaces between.
    """

    dataset: str
    version: str
    n_clips: int
    hours: float
    classes: dict[str, int]
    splits: dict[str, list[list[int]]]
    audio_sha256: str
    root: str
    files: str
    earmark: str = __version__
    date: str = ""
    schema: int = SCHEMA


def file_of(name: str) -> Path:
    """Return where the record of a dataset lies."""
    return places.home() / "records" / f"{name.replace(':', '-')}.json"


def write(record: Record) -> Path:
    """Write a record into the home, dated today, and return its path. Raises UserError where nothing can be written."""
    path = places.writable(file_of(record.dataset).parent) / file_of(record.dataset).name
    dated = {**vars(record), "date": f"{datetime.date.today():%Y-%m-%d}"}
    durable.write_file(path, json.dumps(dated, indent=1, ensure_ascii=False).encode())
    return path


def read(name: str) -> Record | None:
    """Return the record of a dataset, or None where there is none that this version understands.

    One that is damaged counts as none, with a warning: what it vouched for can be checked again.
    """
    path = file_of(name)
    if not path.is_file():
        return None
    try:
        found = json.loads(path.read_bytes())
        return Record(**found) if found["schema"] == SCHEMA else None
    except (UnicodeDecodeError, json.JSONDecodeError, KeyError, TypeError) as error:
        log.warning(
            "%s: expected a record of a check, got: %r. It counts as none: delete it, and type: "
            "earmark check dataset %s",
            path,
            error,
            name,
        )
        return None


def is_real(dataset: Dataset) -> bool:
    """Say whether these files were compared with what was published of them, here or by earmark's developers.

    A part of a copy that was checked is real too. A user's own data has nothing published to be compared with, and
    counts as real.
    """
    if dataset.card.status in ("your own", "built-in") or dataset.card.verified == "real":
        return True
    record = read(dataset.name)
    return (
        record is not None
        and (record.version, record.root) == (dataset.version, str(dataset.root.resolve()))
        and dataset.file_stamps <= set(record.files.split())
    )
