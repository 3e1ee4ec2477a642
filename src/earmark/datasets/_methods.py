"""A dataset written as a class of four methods, the contract of the thesis (seed 003, section 2.2.2).

    class MyData:
        def __init__(self, root: Path): …                  the folder given as `dir:`, or one in the data home
        def download(self) -> None: …                      `earmark get dataset package.module:MyData`
        def load_track_ids(self) -> list[str | int]: …
        def load_label(self) -> dict[id, label]: …         or id → {name: label} where there are several
        def load_audio_paths(self) -> dict[id, path]: …    absolute, or relative to the root
        def get_splits(self) -> dict: …                    may be left out: one is drawn, stratified
        def load_groups(self) -> dict[id, group]: …        may be left out: what must not straddle a split

`get_splits` returns {"train": ids, "valid": ids, "test": ids} ("validation" is read as valid), or one such, or a
list of such folds, under each name. A label is a class name; a number (regression); a whole number under the name
pitch (MIDI); a list (several classes, or numbers). `label = "instrument"` names the one label (default "label"),
`card = DataCard(…)` says licence and citation.
"""

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from earmark import places
from earmark.datasets._listing import ROLES, nfc, split_of
from earmark.datasets.base import Dataset, listed
from earmark.errors import DataError, MissingPart
from earmark.nouns import Clip, DataCard, Split, Target

METHODS = ("download", "load_track_ids", "load_label", "load_audio_paths")


def card(theirs: object, name: str) -> DataCard:
    """Return the card of a user's class, or one that says that nothing is known."""
    found = getattr(theirs, "card", DataCard(title=name))
    if not isinstance(found, DataCard):
        raise DataError(f"Expected {name}.card to be an earmark.nouns.DataCard, got {type(found).__name__}.")
    return found


def made(theirs: object, name: str, folder: Path | None) -> Any:
    """Return a user's class with its root given. Raises DataError when it lacks one of the four methods."""
    missing = [method for method in METHODS if not callable(getattr(theirs, method, None))]
    if missing or not callable(theirs):
        raise DataError(
            f"Expected '{name}' to be a class with the methods {', '.join(METHODS)}; it lacks: {', '.join(missing)}. "
            "docs/new_dataset.md has a class to start from."
        )
    return theirs(folder if folder is not None else places.data_folder(name.replace(":", ".")))


def load(theirs: object, name: str, folder: Path | None) -> Dataset:
    """Return the dataset that a user's class describes."""
    one = made(theirs, name, folder)
    root = folder if folder is not None else places.data_folder(name.replace(":", "."))
    try:
        ids = [str(found) for found in one.load_track_ids()]
        labels, paths = _by_text(one.load_label()), _by_text(one.load_audio_paths())
        groups = _by_text(one.load_groups()) if hasattr(one, "load_groups") else {}
        splits = _splits(one.get_splits(), name) if hasattr(one, "get_splits") else {}
    except FileNotFoundError as error:
        raise MissingPart(
            f"Dataset '{name}' found no '{error.filename}'. Type: earmark get dataset {name}, or correct its dir."
        ) from error
    if lost := [found for found in ids if found not in paths]:
        raise DataError(f"{name}.load_audio_paths gives no path for {len(lost)} clips, first: {lost[0]}.")
    clips = [
        Clip(
            nfc(found), root / paths[found], targets=_targets(one, found, labels, name), group=_text(groups.get(found))
        )
        for found in ids
    ]
    return listed(name, card(theirs, name), root, clips, splits)


def _by_text(given: Mapping[Any, Any]) -> dict[str, Any]:
    return {str(found): value for found, value in given.items()}


def _text(group: object) -> str | None:
    return None if group is None else str(group)


def _targets(one: object, clip: str, labels: Mapping[str, Any], name: str) -> dict[str, Target]:
    if clip not in labels or labels[clip] is None:
        return {}
    value = labels[clip]
    named = value if isinstance(value, Mapping) else {getattr(one, "label", "label"): value}
    return {label: _target(found, label, clip, name) for label, found in named.items()}


def _target(value: Any, label: str, clip: str, name: str) -> Target:
    if isinstance(value, str):
        return nfc(value)
    if isinstance(value, Iterable):
        several = [_target(one, label, clip, name) for one in value]
        if all(isinstance(one, str) for one in several):
            return tuple(str(one) for one in several)
        return tuple(float(one) for one in several if isinstance(one, int | float))
    try:
        number = float(value)
    except (TypeError, ValueError) as error:
        raise DataError(f"{name}: expected a name, a number or a list for '{clip}', got {value!r}.") from error
    return round(number) if label in ("pitch", "midi") else number


def _splits(given: Mapping[str, Any], name: str) -> dict[str, tuple[Split, ...]]:
    if not given:
        return {}
    if all(str(key).lower() in ROLES for key in given):
        return {"given": (_split(given, name),)}
    return {
        str(key): tuple(_split(fold, name) for fold in (found if isinstance(found, Sequence) else [found]))
        for key, found in given.items()
    }


def _split(roles: Mapping[str, Iterable[object]], name: str) -> Split:
    unknown = [key for key in roles if str(key).lower() not in ROLES]
    if unknown:
        raise DataError(f"{name}.get_splits: expected train, valid and test, got '{unknown[0]}'.")
    return split_of({ROLES[str(key).lower()]: [nfc(str(one)) for one in ids] for key, ids in roles.items()})
