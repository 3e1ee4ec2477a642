"""A manifest of the user's own audio: .csv, .tsv or .jsonl, one line a clip.

Columns (only `path` is required):

    path           relative to the manifest's folder, or absolute
    id             the clip's id; else the path, with "#start-end" where a region is given
    start_s end_s  the region of the file, in seconds; either may be empty
    split          train, valid or test ("val", "validation", "dev" are read as valid); empty: in no part
    fold           a whole number; each fold is the test part once
    group, artist  what must not straddle a split: `group`, else `artist` (with both, `artist` is a label)
    any other      a label; an empty cell means that the clip has no such target

Without a group, regions of one file are one group. A label column's type, from all its filled cells:

    the column is called pitch or midi     MIDI numbers, 0 to 127; 60.4 is 40 cents above middle C
    all are numbers                        regression (float)
    any holds "|"                          several classes ("rock|live" → tuple; "|" alone is no class at all),
                                           or several numbers when every part is one ("0.1|0.7")
    otherwise                              one class name
    more than half are numbers, not all    an error: one of them is a slip

A column called `name:class`, `name:tags`, `name:number`, `name:numbers` or `name:pitch` is the label `name` of
that type, whatever its cells look like: class names that are digits need `digit:class`. In JSON lines a string
is a class name (not read as a number), a number is a number, a list is several, null is an empty cell. The
columns of a .csv may be set apart by comma, semicolon or tab; text is UTF-8.
"""

import csv
import io
import json
import logging
import unicodedata
from collections import Counter, defaultdict
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

from earmark.datasets._cells import Text, is_empty, number, typed
from earmark.datasets._listing import ROLES, clip_id, nfc, read_text, split_of, version_of
from earmark.datasets.base import Dataset
from earmark.errors import DataError, hint
from earmark.nouns import Clip, DataCard, Split, Target

CARD = DataCard(title="a manifest of your own audio, one line a clip")
CARDS = {"*": CARD}
ENDINGS = (".csv", ".tsv", ".jsonl")
COLUMNS = ("path", "id", "start_s", "end_s", "split", "fold", "group")
AS_UTF_8 = "Save it as UTF-8."

log = logging.getLogger("earmark.datasets")


class Row(NamedTuple):
    """One line: where it stands ("songs.csv:17") and its cells by column."""

    where: str
    cells: dict[str, object]


def load(variant: str, root: Path) -> Dataset:
    """Read the manifest at `root`: the file, or a folder with one `manifest.csv`, `.tsv` or `.jsonl` in it.

    The dataset's name is "manifest:" and `variant`, else the file's stem; its root is the manifest's folder;
    its version changes with the content. A file that is missing or broken stays a clip: a run reports it.
    Raises DataError, with file:line, for what cannot be read as the module's docstring says.
    """
    file = _manifest_file(root)
    rows = list(_json_rows(file) if file.suffix.lower() == ".jsonl" else _table_rows(file))
    if not rows:
        raise DataError(f"{file}: expected one line per clip, found none.")
    group_column = _require_columns(file, rows)
    targets = _targets(rows, group_column)
    clips = _clips(file.parent, rows, targets, group_column)
    splits = _splits(rows, clips)
    name = f"manifest:{variant or nfc(file.stem)}"
    return Dataset(name, version_of(clips, splits), file.parent, tuple(clips), splits, CARD)


def _manifest_file(root: Path) -> Path:
    candidates = [root] if root.is_file() else [root / f"manifest{ending}" for ending in ENDINGS]
    found = [path for path in candidates if path.is_file()]
    if len(found) != 1 or found[0].suffix.lower() not in ENDINGS:
        got = ", ".join(path.name for path in found) or "nothing"
        raise DataError(
            f"Expected '{root}' to be a manifest ({', '.join(ENDINGS)}) or a folder with one called manifest.csv, "
            f".tsv or .jsonl; found {got}."
        )
    return found[0]


def _table_rows(file: Path) -> Iterable[Row]:
    text = read_text(file, AS_UTF_8)
    delimiter = max(",;\t", key=text.partition("\n")[0].count)
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
    header: list[str] = []
    line = 1
    while True:
        try:
            cells = next(reader, None)
        except csv.Error as error:
            raise DataError(f"{file}:{line}: {error}. Check the quotes of this line.") from error
        if cells is None:
            return
        if not header:
            header = [cell.strip() for cell in cells]
            _require_distinct(f"{file}:{line}", header)
        elif any(cell.strip() for cell in cells):
            if len(cells) != len(header):
                wanted = f"expected {len(header)} cells as in the first line, got {len(cells)}"
                raise DataError(f"{file}:{line}: {wanted}. Put a cell that holds the separator in double quotes.")
            yield Row(f"{file}:{line}", dict(zip(header, cells, strict=True)))
        line = reader.line_num + 1


def _require_distinct(where: str, header: list[str]) -> None:
    for name, count in Counter(header).items():
        if count > 1 or not name:
            what = f"the column '{name}' {count} times" if name else "a column without a name"
            raise DataError(f"{where}: expected columns with names of their own, got {what}. Rename or remove it.")


def _json_rows(file: Path) -> Iterable[Row]:
    for line, text in enumerate(read_text(file, AS_UTF_8).split("\n"), start=1):
        if not text.strip():
            continue
        try:
            found = json.loads(text)
        except json.JSONDecodeError as error:
            raise DataError(
                f"{file}:{line}: expected one JSON object a line: {error.msg} (column {error.colno})."
            ) from error
        except (ValueError, RecursionError) as error:  # a number of thousands of digits, lists in lists in lists
            raise DataError(f"{file}:{line}: expected one JSON object a line, but: {error}.") from error
        _require_characters(f"{file}:{line}", text, found)
        if not isinstance(found, dict):
            raise DataError(f'{file}:{line}: expected an object such as {{"path": "a.wav"}}, got {text.strip()[:40]}.')
        cells = {key: Text(value) if isinstance(value, str) else value for key, value in found.items()}
        yield Row(f"{file}:{line}", cells)


def _require_characters(where: str, text: str, found: object) -> None:
    """Raise DataError for halves of characters, which JSON can write and nothing else can keep."""
    if "\\ud" not in text and "\\uD" not in text:
        return
    try:
        json.dumps(found, ensure_ascii=False).encode()
    except UnicodeEncodeError as error:
        raise DataError(
            f"{where}: expected text, got half of a character, \\u{ord(error.object[error.start]):04x}. Write the "
            "character itself."
        ) from error


def _require_columns(file: Path, rows: list[Row]) -> str:
    """Check the names of the columns and return which one holds the group."""
    names = {name for row in rows for name in row.cells}
    if "path" not in names:
        raise DataError(f"{file}:1: expected a column 'path', got {', '.join(sorted(names))}.{hint('path', names)}")
    return "group" if "group" in names else "artist"


def _targets(rows: list[Row], group_column: str) -> list[dict[str, Target]]:
    """Return the targets of each row."""
    names = dict.fromkeys(name for row in rows for name in row.cells if name not in COLUMNS and name != group_column)
    found: list[dict[str, Target]] = [{} for _ in rows]
    for name in names:
        column = typed(name, [(row.where, row.cells.get(name)) for row in rows])
        for targets, target in zip(found, column.targets, strict=True):
            if column.label in targets:
                raise DataError(f"{rows[0].where}: two columns give the label '{column.label}'. Rename one.")
            if target is not None:
                targets[column.label] = target
    return found


def _clips(folder: Path, rows: list[Row], targets: list[dict[str, Target]], group_column: str) -> list[Clip]:
    paths = [_path(folder, row) for row in rows]
    if not any(_exists(path) for path in paths):
        raise DataError(
            f"{rows[0].where}: none of the {len(paths)} audio files exist; looked first for '{paths[0]}'. "
            "Paths are relative to the manifest's folder."
        )
    uses = Counter(paths)
    clips, lines = [], dict[str, str]()
    for row, path, of_row in zip(rows, paths, targets, strict=True):
        start_s, end_s = _region(row)
        name = _word(row, "id") or clip_id(_relative(folder, path), start_s, end_s)
        if name in lines:
            raise DataError(
                f"{row.where}: the clip '{name}' already stands at line {lines[name].rpartition(':')[2]}. "
                "Remove one, or tell them apart by start_s and end_s or by id."
            )
        lines[name] = row.where
        shared = _relative(folder, path) if uses[path] > 1 else None
        clips.append(Clip(name, path, start_s, end_s, of_row, _word(row, group_column) or shared))
    return clips


def _path(folder: Path, row: Row) -> Path:
    """Return the path of a row as the file system writes it: accents may be stored in either form."""
    text = row.cells.get("path")
    if not isinstance(text, str) or is_empty(text):
        raise DataError(f"{row.where}: expected the path of an audio file in 'path', got {text!r}.")
    if "\0" in text:
        raise DataError(f"{row.where}: expected a path without the character NUL in 'path', got {text!r}. Remove it.")
    given = folder / text.strip()
    forms = (unicodedata.normalize(form, text.strip()) for form in ("NFC", "NFD"))
    return next((one for one in (given, *(folder / form for form in forms)) if _exists(one)), given)


def _exists(path: Path) -> bool:
    try:
        return path.exists()
    except OSError:  # a name too long, a folder closed to us: whoever reads the clip says so
        return False


def _relative(folder: Path, path: Path) -> str:
    return nfc((path.relative_to(folder) if path.is_relative_to(folder) else path).as_posix())


def _region(row: Row) -> tuple[float | None, float | None]:
    ends: list[float | None] = []
    for name in ("start_s", "end_s"):
        value = row.cells.get(name)
        second = None if is_empty(value) else number(value)
        if not is_empty(value) and (second is None or second < 0):
            raise DataError(f"{row.where}: '{name}': expected seconds from the start of the file, got {value!r}.")
        ends.append(second)
    if ends[1] is not None and ends[1] <= (ends[0] or 0):
        raise DataError(f"{row.where}: expected end_s after start_s, got {ends[0] or 0:g} to {ends[1]:g}.")
    return ends[0], ends[1]


def _word(row: Row, name: str) -> str | None:
    value = row.cells.get(name)
    if isinstance(value, list | dict):
        raise DataError(f"{row.where}: '{name}': expected one word, got {value!r}.")
    return None if is_empty(value) else nfc(str(value).strip())


def _splits(rows: list[Row], clips: list[Clip]) -> dict[str, tuple[Split, ...]]:
    """Return the split of the column `split` as "manifest" and the folds of the column `fold` as "folds"."""
    splits: dict[str, tuple[Split, ...]] = {}
    roles, read_as = defaultdict[str, list[str]](list), Counter[tuple[str, str]]()
    folds = defaultdict[int, list[str]](list)
    for row, clip in zip(rows, clips, strict=True):
        if word := _word(row, "split"):
            role = ROLES.get(word.lower())
            if role is None:
                raise DataError(
                    f"{row.where}: 'split': expected train, valid or test, got '{word}'.{hint(word, ROLES)}"
                )
            roles[role].append(clip.id)
            read_as[word, role] += word != role
        if fold := _word(row, "fold"):
            index = number(fold)
            if index is None or index != int(index):
                raise DataError(f"{row.where}: 'fold': expected a whole number such as 1, got '{fold}'.")
            folds[int(index)].append(clip.id)
    for (word, role), count in read_as.items():
        if count:
            log.info("%s: split '%s' is read as '%s' (%d clips)", rows[0].where.rpartition(":")[0], word, role, count)
    if roles:
        splits["manifest"] = (split_of(roles),)
    if folds:
        splits["folds"] = _rotated(rows[0].where.rpartition(":")[0], folds)
    return splits


def _rotated(file: str, folds: dict[int, list[str]]) -> tuple[Split, ...]:
    """Return one split per fold, which is its test part; the others are its train part, valid is left empty."""
    if len(folds) < 2:
        raise DataError(f"{file}: expected at least two folds in 'fold', got only {next(iter(folds))}.")
    return tuple(
        Split(tuple(name for other in sorted(folds) if other != fold for name in folds[other]), (), tuple(folds[fold]))
        for fold in sorted(folds)
    )
