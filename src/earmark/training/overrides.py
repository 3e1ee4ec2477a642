"""Settings with some values replaced, each checked against the type that the setting has. Pure."""

from collections.abc import Mapping
from dataclasses import fields, is_dataclass, replace
from typing import Any, TypeVar, cast, get_type_hints

from pydantic import TypeAdapter, ValidationError

from earmark.errors import UserError, hint

T = TypeVar("T")


def overridden(preset: T, overrides: Mapping[str, object]) -> T:
    """Return a frozen dataclass with some values replaced; a mapping replaces keys of a mapping or of a dataclass.

    Raises UserError for a key that there is not, and for a value of another kind than the setting's.
    """
    known = {one.name for one in fields(cast(Any, preset))}
    changed: dict[str, object] = {}
    for key, value in overrides.items():
        if key not in known:
            raise UserError(f"There is no setting '{key}'.{hint(key, known)} Settings: {', '.join(sorted(known))}.")
        changed[key] = _replaced(get_type_hints(type(preset))[key], key, getattr(preset, key), value)
    return cast(T, replace(cast(Any, preset), **changed))


def _replaced(kind: Any, key: str, old: object, new: object) -> object:
    if isinstance(new, Mapping) and is_dataclass(old):
        return overridden(old, new)
    if isinstance(new, Mapping) and isinstance(old, Mapping):
        return {**old, **new}
    try:
        return TypeAdapter(kind).validate_python(tuple(new) if isinstance(new, list) else new, strict=True)
    except ValidationError as error:
        raise UserError(f"Expected '{key}' to be of the kind of {old!r}, got {new!r}.") from error
