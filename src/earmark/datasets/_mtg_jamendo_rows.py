"""The tables of MTG-Jamendo: a track a row, its tags in as many cells as it has."""

import io
import re
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from earmark.datasets._listing import read_text
from earmark.errors import DataError

FETCH = "Fetch the file again."
HEAD = ["TRACK_ID", "ARTIST_ID", "ALBUM_ID", "PATH", "DURATION", "TAGS"]
CATEGORIES = {"genre": "genre", "instrument": "instrument", "mood/theme": "moodtheme"}
TRACK = re.compile(r"track_\d+")
# The path names a file on this disk and on a server: nothing but what is published may pass.
PATH = re.compile(r"\d\d/\d+\.mp3")


class Row(NamedTuple):
    """A track: its artist's id, its path such as "00/7400.mp3", and its tags as (category, name)."""

    artist: str
    path: str
    tags: tuple[tuple[str, str], ...]


def rows(table: Path) -> Iterator[tuple[str, Row]]:
    """Yield the id and the row of each track, or raise a DataError that names the line."""
    lines = io.StringIO(read_text(table, FETCH), newline=None)
    head = next(lines, "").rstrip("\n").split("\t")
    if head != HEAD:
        raise DataError(f"{table}:1: expected tabs between {', '.join(HEAD)}, got {', '.join(head)}. {FETCH}")
    for number, line in enumerate(lines, 2):
        cells = line.rstrip("\n").split("\t")
        tags = tuple(_tag(cell) for cell in cells[5:])
        if len(cells) < 6 or not TRACK.fullmatch(cells[0]) or not PATH.fullmatch(cells[3]) or ("", "") in tags:
            raise DataError(
                f"{table}:{number}: expected a row such as track_0007400, artist_…, album_…, 00/7400.mp3, 61.5, "
                f"genre---rock, got {', '.join(cells)}. {FETCH}"
            )
        yield cells[0], Row(cells[1], cells[3], tags)


def _tag(cell: str) -> tuple[str, str]:
    """Return the category and the name in "mood/theme---happy", or two empty strings when it is no tag."""
    prefix, _, name = cell.partition("---")
    return (CATEGORIES[prefix], name) if name and prefix in CATEGORIES else ("", "")
