"""What a track of mirdata says that a task can take: its audio, labels, people and part of a split.

ATTRIBUTES is the one table: a label, and the attributes of mirdata's tracks that may hold it for the whole track.
"""

import math
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from earmark.datasets._cells import Text, typed
from earmark.datasets._listing import ROLES, nfc, split_of
from earmark.datasets.base import get_line
from earmark.datasets.beatport_key import artist_groups
from earmark.datasets.splits import hear_folds
from earmark.errors import DataError, MissingPart
from earmark.metrics import normalise_key
from earmark.nouns import Split, Target

ATTRIBUTES: Mapping[str, tuple[str, ...]] = {
    # A label: the attributes of mirdata's tracks that may hold it, the first that does counts.
    "key": ("key",),
    "genre": ("genre", "genres"),
    "instrument": ("instrument_full", "instrument", "instruments"),
    "family": ("family",),
    "technique": ("technique_full", "technique"),
    "pitch": ("pitch_id", "midi_nr"),
    "tempo": ("tempo",),
    "tags": ("tags",),
    "singer": ("singer_id", "singer"),
    "gender": ("gender",),
    "style": ("style",),
    "stroke": ("stroke_name",),
    "tonic": ("tonic",),
    "makam": ("makam",),
    "raaga": ("raaga",),
    "effect": ("effect", "fx_type"),
    "language": ("language",),
    "composer": ("composer", "canonical_composer"),
    "artist": ("artist_id", "artist"),
}
NUMBERS = ("pitch", "tempo")
EITHER = ("tonic",)  # numbers in Hz in some datasets, names of notes in others
GROUPS = ("artist_id", "artists", "artist", "singer_id", "singer", "drummer", "player_id", "song_id")
SPLITS = ("split", "subset")
AUDIO = ("audio_path", "audio_mix_path", "audio_mono_path", "mix_path", "audio_master_path")


def asked(name: str, call: Callable[[], Any]) -> Any:
    """Return what mirdata answers. Raises MissingPart for a file that it misses, DataError for its other errors."""
    try:
        return call()
    except FileNotFoundError as error:
        raise MissingPart(f"'{name}': mirdata found no '{error.filename or error}'. {get_line(name)}") from error
    except (ArithmeticError, AttributeError, LookupError, OSError, TypeError, ValueError) as error:
        raise DataError(
            f"'{name}': mirdata itself failed: {type(error).__name__}: {error}. Are its files as published? Its "
            "validate() says so."
        ) from error


def _value(name: str, track: Any, attribute: str) -> Any:
    """Return a track's attribute as plain text, number or list of them; None where it is none or has not got it."""
    if attribute not in dir(track):
        return None
    value = asked(name, lambda: getattr(track, attribute))
    value = value.tolist() if hasattr(value, "tolist") else value
    value = value.get(attribute) if isinstance(value, dict) else value
    if isinstance(value, str):
        return value.strip() or None
    if isinstance(value, list | tuple):
        texts = [one.strip() for one in value if isinstance(one, str) and one.strip()]
        return texts if len(texts) == len(value) else None
    return value if isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value) else None


def audio_of(track: Any) -> Path | None:
    """Return where a track's audio lies, there or not; None where its index has none."""
    given = (getattr(track, one, None) for one in AUDIO)
    return next((Path(one) for one in given if one), None)


def targets_of(name: str, tracks: Mapping[str, Any]) -> Iterator[tuple[str, Mapping[str, Target]]]:
    """Yield each track's targets by label; a label's values are read as a column of a manifest is."""
    found: dict[str, dict[str, Target]] = {one: {} for one in tracks}
    for label, attributes in ATTRIBUTES.items():
        values = [
            next((value for one in attributes if (value := _value(name, track, one)) is not None), None)
            for track in tracks.values()
        ]
        is_number = label in NUMBERS or (label in EITHER and all(_number(one) for one in values if one is not None))
        read = _number if is_number else _key if label == "key" else _class
        cells = [(f"{name}, track '{one}'", read(value)) for one, value in zip(tracks, values, strict=True)]
        if all(cell is None for _, cell in cells):
            continue
        for one, target in zip(tracks, typed(label, cells).targets, strict=True):
            if target is not None:
                found[one][label] = target
    yield from found.items()


def _class(value: Any) -> object:
    """Return a class name or several as a manifest's cell."""
    if isinstance(value, list):
        return [Text(one) for one in value]
    return None if value is None else Text(value)


def _number(value: Any) -> float | None:
    try:
        return None if isinstance(value, list) or value is None else float(value)
    except ValueError:
        return None


def _key(value: Any) -> Text | None:
    """Return the one key; several, none and what is neither major nor minor are no target."""
    given = value if isinstance(value, list) else [value]
    try:
        return Text(normalise_key(given[0])) if len(given) == 1 and isinstance(given[0], str) else None
    except DataError:
        return None


def groups_of(name: str, tracks: Mapping[str, Any]) -> Mapping[str, str]:
    """Return the group of each track: by the first of GROUPS that any has; those who share a track are one group."""
    for attribute in GROUPS:
        people = {one: _value(name, track, attribute) for one, track in tracks.items()}
        named = {
            one: [nfc(each) for each in value] if isinstance(value, list) else [nfc(str(value))]
            for one, value in people.items()
            if value
        }
        if named:
            return dict(zip(named, artist_groups(list(named.values())), strict=True))
    return {}


def splits_of(name: str, tracks: Mapping[str, Any]) -> dict[str, tuple[Split, ...]]:
    """Return mirdata's own split, as "mirdata": train, valid and test, or three folds and more."""
    parts = defaultdict[str, list[str]](list)
    for one, track in tracks.items():
        part = next((value for each in SPLITS if (value := _value(name, track, each)) is not None), None)
        if isinstance(part, str | int):
            parts[str(part)].append(one)
    if parts and all(part.lower() in ROLES for part in parts):
        return {"mirdata": (split_of({ROLES[part.lower()]: ids for part, ids in parts.items()}),)}
    if len(parts) >= 3:
        return {"mirdata": hear_folds([parts[part] for part in sorted(parts, key=lambda one: (len(one), one))])}
    return {}
