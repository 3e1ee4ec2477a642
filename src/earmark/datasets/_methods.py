"""A dataset written as a class of four methods, the contract of the thesis (seed 003, section 2.2.2).

    class MyNotes:
        label = "instrument"                                may be left out: the label is then called "label"
        card = DataCard(title=…, licence=…, bibtex=…)       may be left out
        def __init__(self, root: Path): …                   the folder given as `dir:`, or one in the data home
        def download(self) -> None: …                       by `earmark get dataset` alone; `root` may not exist yet
        def load_track_ids(self) -> list[str | int]: …
        def load_label(self) -> dict[id, label]: …          or id → {name: label} where there are several
        def load_audio_paths(self) -> dict[id, path]: …     absolute, or relative to the root
        def get_splits(self) -> dict: …                     may be left out: a stratified one is drawn
        def load_groups(self) -> dict[id, group]: …         may be left out: what must not straddle a split

`get_splits` returns {"train": ids, "valid": ids, "test": ids}, or one such under each name, or a list of such folds
under each name; "validation" is valid. A label is what a cell of a manifest's JSON lines may be (`manifest`): text is
a class name, a number is a number (under the name pitch: MIDI), a list is several of either, None or NaN is unknown.
A function of the root that returns a Dataset will do in place of the class.

Differs from the thesis: nothing depends on the task (its `task_type`, `task_name`): a class returns all its labels by
name, and a task takes the clips that have its own. Its `download_metadata` is not called.
"""

import inspect
import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from numbers import Integral
from pathlib import Path
from typing import Any, cast

from earmark import lookup, places
from earmark.datasets._cells import Text, typed
from earmark.datasets._listing import ROLES, nfc, split_of
from earmark.datasets.base import Dataset, listed
from earmark.errors import DataError, EarmarkError, MissingPart, hint
from earmark.nouns import Clip, DataCard, Split, Target

METHODS = ("download", "load_track_ids", "load_label", "load_audio_paths")
Passed = tuple[type[Exception], ...]
OURS: Passed = (EarmarkError,)
OR_MISSING: Passed = (EarmarkError, FileNotFoundError)
START = "docs/new_dataset.md has a class to start from."


def card(theirs: object, name: str) -> DataCard:
    """Return the card of a user's class, or one that says that nothing is known."""
    _require_contract(theirs, name)
    found = getattr(theirs, "card", DataCard(title=name))
    if not isinstance(found, DataCard):
        raise DataError(f"Expected {name}.card to be an earmark.nouns.DataCard, got {type(found).__name__}.")
    return found


def made(theirs: object, name: str, folder: Path | None) -> Any:
    """Return a user's class with its root given. Raises DataError when it lacks one of the four methods."""
    _require_contract(theirs, name)
    if inspect.isfunction(theirs):
        raise DataError(f"'{name}' is a function, so it has no download. Write a class. {START}")
    return _called(theirs, name, _root(name, folder))


def download(theirs: object, name: str, folder: Path | None) -> None:
    """Let a user's class download itself. Raises UserError for what its code raises."""
    _asked(f"{name}.download", made(theirs, name, folder).download)


def load(theirs: object, name: str, folder: Path | None) -> Dataset:
    """Return the dataset that a user's class, or function, describes.

    Raises MissingPart when a file or all of the audio is not there, DataError where an answer is not of the contract,
    UserError for any other error that the user's code raises, with its line.
    """
    _require_contract(theirs, name)
    root = _root(name, folder)
    try:
        one = _called(theirs, name, root, OR_MISSING)
        found = one if inspect.isfunction(theirs) else _described(one, card(theirs, name), name, root)
    except FileNotFoundError as error:
        raise MissingPart(_how_to_get(name, str(error.filename or error))) from error
    if not isinstance(found, Dataset):
        raise DataError(
            f"Expected {name} to return an earmark.datasets.base.Dataset, got {type(found).__name__}. {START}"
        )
    return found


def _require_contract(theirs: object, name: str) -> None:
    if inspect.isfunction(theirs):
        return
    if not isinstance(theirs, type):
        raise DataError(
            f"Expected '{name}' to be a class, or a function of the root that returns a Dataset, got a value of type "
            f"{type(theirs).__name__}. {START}"
        )
    if missing := [method for method in METHODS if not callable(getattr(theirs, method, None))]:
        raise DataError(
            f"Expected '{name}' to be a class with the methods {', '.join(METHODS)}; it lacks: {', '.join(missing)}. "
            f"{START}"
        )


def _called(theirs: object, name: str, root: Path, passed: Passed = OURS) -> Any:
    call = cast(Callable[[Path], Any], theirs)
    try:
        inspect.signature(call).bind(root)
    except TypeError as error:
        wanted = f"def {name.rpartition(':')[2]}(root)" if inspect.isfunction(theirs) else "def __init__(self, root)"
        raise DataError(f"Expected {name} to take the folder of its files and no more: {wanted}.") from error
    return _asked(name if inspect.isfunction(theirs) else f"{name}.__init__", lambda: call(root), passed)


def _asked(where: str, ask: Callable[[], Any], passed: Passed = OURS) -> Any:
    """Return the answer of a user's code; one that is made bit by bit is gone through here.

    Raises UserError, with the line, for what that code raises, and passes on what it is told to.
    """
    try:
        answer = ask()
        return list(answer) if isinstance(answer, Iterator) else answer
    except passed:
        raise
    except Exception as error:  # whatever the user's own code raises is for the user to read, and no bug of ours
        raise lookup.blamed(where, error) from error


def _root(name: str, folder: Path | None) -> Path:
    return folder if folder is not None else places.data_folder(name.replace(":", "."))


def _how_to_get(name: str, lost: str) -> str:
    return f"Dataset '{name}' found no '{lost}'. Type: earmark get dataset {name}, or correct its dir."


def _described(one: Any, of_class: DataCard, name: str, root: Path) -> Dataset:
    """Return the dataset that the answers of the methods make."""

    def ask(method: str) -> Any:
        asked = getattr(one, method, None)
        return _asked(f"{name}.{method}", asked, OR_MISSING) if asked is not None else None

    ids = _ids(ask("load_track_ids"), f"{name}.load_track_ids")
    if not ids and not root.is_dir():
        raise MissingPart(_how_to_get(name, str(root)))
    if not ids:
        raise DataError(f"{name}.load_track_ids: expected ids, got none.")
    labels = _by_id(ask("load_label"), f"{name}.load_label")
    paths = _by_id(ask("load_audio_paths"), f"{name}.load_audio_paths")
    groups = _by_id(ask("load_groups"), f"{name}.load_groups") if hasattr(one, "load_groups") else {}
    splits = _splits(ask("get_splits"), f"{name}.get_splits")
    for method, given in (("load_label", labels), ("load_audio_paths", paths)):
        lost = [found for found in ids if found not in given]
        if len(lost) == len(ids) or (lost and given is paths):
            raise DataError(
                f"{name}.{method} gives nothing for {len(lost)} of {len(ids)} ids, first '{lost[0]}'; it knows, for "
                f"example, '{next(iter(given), '')}'. Use the ids of load_track_ids in all methods."
            )
    files = {found: root / _path(paths[found], found, name) for found in ids}
    if not any(file.exists() for file in files.values()):
        raise MissingPart(_how_to_get(name, str(files[ids[0]])))
    targets = _targets(ids, labels, getattr(one, "label", "label"), name)
    clips = [Clip(found, files[found], targets=targets[found], group=_group(groups.get(found), name)) for found in ids]
    return listed(name, of_class, root, clips, splits, _group_notes(ids, groups, name))


def _group_notes(ids: Sequence[str], groups: Mapping[str, Any], name: str) -> list[str]:
    """Return what ids without a group, and groups of no id, should be said; raise DataError where none agree."""
    lost = [one for one in ids if one not in groups]
    strange = sorted(groups.keys() - set(ids))
    if groups and len(lost) == len(ids):
        raise DataError(
            f"{name}.load_groups gives nothing for {len(lost)} of {len(ids)} ids, first '{lost[0]}'; it knows, for "
            f"example, '{strange[0]}'. Use the ids of load_track_ids in all methods."
        )
    said = []
    if groups and lost:
        said.append(f"load_groups gives nothing for {len(lost)} of {len(ids)} clips, first '{lost[0]}'")
    if strange:
        said.append(f"load_groups names {len(strange)} that are no clips, first '{strange[0]}'")
    return said


def _ids(given: object, where: str) -> list[str]:
    if isinstance(given, str | bytes | Mapping) or not isinstance(given, Iterable):
        raise DataError(f"{where}: expected a list of ids, got {type(given).__name__}.")
    return [_id(one, where) for one in given]


def _id(given: object, where: str) -> str:
    if not isinstance(given, str | Integral):
        raise DataError(f"{where}: expected each id to be text or a whole number, got {given!r}.")
    return nfc(str(given))


def _by_id(given: object, where: str) -> dict[str, Any]:
    if not isinstance(given, Mapping):
        raise DataError(f"{where}: expected a dict by id, got {type(given).__name__}.")
    found = {_id(key, where): value for key, value in given.items()}
    if len(found) < len(given):
        raise DataError(
            f"{where}: expected each id once, got {len(given)} keys for {len(found)} ids, such as 1 and '1'."
        )
    return found


def _path(given: object, clip: str, name: str) -> Path:
    if not isinstance(given, str | Path):
        raise DataError(f"{name}.load_audio_paths: expected a path for '{clip}', got {given!r}.")
    return Path(given)


def _group(given: object, name: str) -> str | None:
    plain = _plain(given)
    return None if plain is None else _id(plain, f"{name}.load_groups")


def _targets(ids: Iterable[str], labels: Mapping[str, Any], only: str, name: str) -> Mapping[str, Mapping[str, Target]]:
    """Return the targets of each clip: a label's values are read as a column of a manifest is."""
    named = {found: _named(labels.get(found), only) for found in ids}
    targets: dict[str, dict[str, Target]] = {found: {} for found in named}
    for label in dict.fromkeys(label for of_clip in named.values() for label in of_clip):
        cells = [(f"{name}, clip '{found}'", _plain(of_clip.get(label))) for found, of_clip in named.items()]
        column = typed(label, cells)
        for found, target in zip(named, column.targets, strict=True):
            if target is not None:
                targets[found][column.label] = target
    return targets


def _named(given: object, only: str) -> Mapping[str, Any]:
    return {str(key): value for key, value in given.items()} if isinstance(given, Mapping) else {only: given}


def _plain(given: Any) -> object:
    """Return a value as JSON would hold it: arrays and sets are lists, text is no number, NaN is nothing."""
    value = given.tolist() if hasattr(given, "tolist") else given
    if isinstance(value, str):
        return Text(value)
    if isinstance(value, set | frozenset):
        return sorted((_plain(one) for one in value), key=str)  # a set has another order in each process
    if isinstance(value, list | tuple):
        return [_plain(one) for one in value]
    return None if isinstance(value, float) and math.isnan(value) else value


def _splits(given: object, where: str) -> dict[str, tuple[Split, ...]]:
    if given is None:
        return {}
    if not isinstance(given, Mapping):
        raise DataError(f"{where}: expected {{'train': ids, 'valid': ids, 'test': ids}}, got {type(given).__name__}.")
    if any(_role(key) for key in given):
        return {"given": (_split(given, where),)}
    return {
        str(key): tuple(
            _split(fold, f"{where}, '{key}'") for fold in (found if isinstance(found, list | tuple) else [found])
        )
        for key, found in given.items()
    }


def _role(given: object) -> str | None:
    return ROLES.get(str(given).lower())


def _split(given: object, where: str) -> Split:
    came = [str(key) for key in given] if isinstance(given, Mapping) else [type(given).__name__]
    unknown = [key for key in came if _role(key) is None]
    if unknown or not isinstance(given, Mapping):
        raise DataError(
            f"{where}: expected train, valid and test with ids, got '{unknown[0]}'.{hint(unknown[0], ROLES)}"
        )
    roles = {_role(key): _ids(ids, f"{where}, '{key}'") for key, ids in given.items()}
    if len(roles) < len(given):
        raise DataError(f"{where}: expected each part once, got {', '.join(came)}: two of them are one.")
    return split_of({str(role): ids for role, ids in roles.items()})
