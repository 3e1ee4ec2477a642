"""What a listing of files needs: text as it was written, which names are audio, ids, split words, a version."""

import csv
import io
import unicodedata
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

from earmark import audio
from earmark.errors import DataError
from earmark.identity import key_of
from earmark.nouns import Clip, Split

# A name that a user takes for audio is listed even where it cannot be decoded: the run then reports it.
PLAIN = (".wav", ".wave", ".rf64", ".w64", ".aif", ".aiff", ".aifc", ".au", ".caf")
PACKED = (".flac", ".ogg", ".oga", ".opus", ".mp3", ".mp2")
AUDIO_SUFFIXES = frozenset((*PLAIN, *PACKED, *audio.NEEDS_FFMPEG))

ROLES: Mapping[str, str] = {
    "train": "train",
    "training": "train",
    "valid": "valid",
    "validation": "valid",
    "val": "valid",
    "dev": "valid",
    "test": "test",
    "testing": "test",
}


def nfc(text: str) -> str:
    """Return the text in the one Unicode form that ids and labels have."""
    return unicodedata.normalize("NFC", text)


def read_text(path: Path, remedy: str) -> str:
    """Return the text of a UTF-8 file, a byte-order mark left out, line ends kept as they are.

    Raises DataError, which ends with the remedy, where the bytes are of another encoding.
    """
    try:
        return path.read_bytes().decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise DataError(f"{path}: expected UTF-8 text ({error.reason} at byte {error.start}). {remedy}") from error


def numbered_lines(path: Path, remedy: str) -> Iterator[tuple[int, str]]:
    """Yield the lines of a UTF-8 list that hold something, with their numbers, without the blanks around them.

    Raises DataError, which ends with the remedy, where the bytes are of another encoding.
    """
    lines = enumerate(read_text(path, remedy).splitlines(), 1)
    return ((number, line.strip()) for number, line in lines if line.strip())


def table_rows(path: Path, delimiter: str, remedy: str) -> Iterator[tuple[int, list[str]]]:
    """Yield the number of the last line of each row of a UTF-8 table, and its cells; empty lines are no rows.

    Raises DataError, which ends with the remedy, for what is no such table.
    """
    reader = csv.reader(io.StringIO(read_text(path, remedy), newline=""), delimiter=delimiter)
    try:
        for row in filter(None, reader):
            yield reader.line_num, row
    except csv.Error as error:
        raise DataError(f"{path}:{reader.line_num}: expected a table, but: {error}. {remedy}") from error


def is_audio(path: Path) -> bool:
    """Say whether a file's name is one of an audio file."""
    return path.suffix.lower() in AUDIO_SUFFIXES


def clip_id(relative: str, start_s: float | None = None, end_s: float | None = None) -> str:
    """Return the id of a file or region: the path relative to the root, plus "#start-end" in seconds."""
    if start_s is None and end_s is None:
        return nfc(relative)
    ends = "-".join("" if second is None else repr(float(second)) for second in (start_s, end_s))
    return f"{nfc(relative)}#{ends}"


def split_of(roles: Mapping[str, Iterable[str]]) -> Split:
    """Return a split of clip ids by role; a role that is not there is empty."""
    return Split(*(tuple(roles.get(role, ())) for role in ("train", "valid", "test")))


def version_of(clips: Iterable[Clip], splits: Mapping[str, tuple[Split, ...]]) -> str:
    """Return 12 hex digits that change when ids, regions, targets, groups or splits do; order is nothing."""
    rows = sorted(
        ([clip.id, clip.start_s, clip.end_s, dict(clip.targets), clip.group] for clip in clips),
        key=lambda row: str(row[0]),
    )
    folds = {
        name: [[sorted(ids) for ids in (fold.train, fold.valid, fold.test)] for fold in several]
        for name, several in splits.items()
    }
    return key_of(clips=rows, splits=folds)[:12]
