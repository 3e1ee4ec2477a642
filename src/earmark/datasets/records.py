"""What was counted in the real files of a dataset: the record that turns "miniature" into "real".

`earmark check dataset` writes one into the home when everything its card expects was found and every file was
read. A record is of one listing: another version of the files, or of the loader, is not vouched for by it.
"""

import datetime
import json
from dataclasses import dataclass
from pathlib import Path

from earmark import __version__, durable, places
from earmark.datasets.base import Dataset

SCHEMA = 1


@dataclass(frozen=True)
class Record:
    """A dataset as it was found. `audio_sha256` is of all clip ids with their files' sha256, in order of ids."""

    dataset: str
    version: str
    n_clips: int
    hours: float
    classes: dict[str, int]
    splits: dict[str, list[list[int]]]
    audio_sha256: str
    earmark: str = __version__
    date: str = ""
    schema: int = SCHEMA


def file_of(name: str) -> Path:
    """Return where the record of a dataset lies."""
    return places.home() / "records" / f"{name.replace(':', '-')}.json"


def write(record: Record) -> Path:
    """Write a record into the home, dated today, and return its path."""
    path = file_of(record.dataset)
    dated = {**vars(record), "date": f"{datetime.date.today():%Y-%m-%d}"}
    durable.write_file(path, json.dumps(dated, indent=1, ensure_ascii=False).encode())
    return path


def read(name: str) -> Record | None:
    """Return the record of a dataset, or None where there is none that this version understands."""
    path = file_of(name)
    if not path.is_file():
        return None
    found = json.loads(path.read_text("utf-8"))
    return Record(**found) if found.get("schema") == SCHEMA else None


def is_real(dataset: Dataset) -> bool:
    """Say whether these files were compared with what was published of them, here or by earmark's developers.

    A user's own data has nothing published to be compared with, and counts as real.
    """
    if dataset.card.status in ("your own", "built-in") or dataset.card.verified == "real":
        return True
    record = read(dataset.name)
    return record is not None and record.version == dataset.version
