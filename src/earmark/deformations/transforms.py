"""What audiomentations' transforms take: today's names, both ends of a range, and what no deformation may have."""

import functools
import importlib
import inspect
from collections.abc import Callable, Mapping
from typing import NamedTuple

import numpy as np
from jaxtyping import Float32

from earmark.errors import UnknownName, UserError, hint

CHANGES_LENGTH = ("AdjustDuration", "Resample", "Trim")
REQUIRED = {
    "leave_length_unchanged": (True, "targets must still fit in time"),
    "preserve_delay": (False, "targets must still fit in time"),
    "backend": ("fast-mp3-augment", "the others delay the audio and write files"),
    "use_ray_tracing": (False, "its rays follow no seed, so the same clip would sound otherwise each time"),
    "mode@RepeatPart": ("replace", "targets must still fit in time"),
}
# Names of audiomentations before 0.38 (Gain, SNR) and 0.33 (Shift); every other `_in_db` became `_db`.
RENAMED = {
    "LoudnessNormalization": {"min_lufs_in_db": "min_lufs", "max_lufs_in_db": "max_lufs"},
    "Shift": {"min_fraction": "min_shift", "max_fraction": "max_shift", "fade": "fade_duration"},
    "TimeMask": {"fade": "fade_duration"},
}

Transform = Callable[..., Float32[np.ndarray, " samples"]]


class Translated(NamedTuple):
    """Parameters under today's names, and a sentence to the user for each that had an old one."""

    params: dict[str, object]
    notes: tuple[str, ...]


def translate(kind: str, params: Mapping[str, object]) -> Translated:
    """Return the parameters of transform `kind` under the names of audiomentations 0.43.

    `fade: false` becomes `fade_duration: 0`. Raises UserError when an old and a new name are both given.
    """
    translated: dict[str, object] = {}
    notes = []
    for old, value in params.items():
        new = RENAMED.get(kind, {}).get(old) or old.replace("_in_db", "_db")
        if new in translated or (new != old and new in params):
            raise UserError(f"{kind}: '{new}' is given twice, once by its old name '{old}'. Keep '{new}'.")
        if new != old:
            notes.append(f"{kind}: '{old}' is now called '{new}'.")
        if old == "fade" and isinstance(value, bool):
            value = 0.005 if value else 0.0
        translated[new] = value
    return Translated(translated, tuple(notes))


def both_ends(kind: str, params: Mapping[str, object]) -> dict[str, object]:
    """Return parameters with min_x and max_x in place of an x that transform `kind` knows only as this pair.

    snr_db: 15 is min_snr_db: 15 and max_snr_db: 15. Raises UserError when an end is given besides.
    """
    if all(name.startswith(("min_", "max_")) for name in params):
        return dict(params)  # without the half second that it takes to import the library
    known = parameters_of(kind) if kind in _transforms() else {}
    found: dict[str, object] = {}
    for name, value in params.items():
        ends = f"min_{name}", f"max_{name}"
        if name in known or not all(end in known for end in ends):
            found[name] = value
            continue
        if other := next((end for end in ends if end in params), None):
            raise UserError(
                f"{kind}: '{name}' is both ends of its range, and '{other}' stands here too. Keep '{name}'."
            )
        found |= dict.fromkeys(ends, value)
    return found


def parameters_of(kind: str) -> Mapping[str, object]:
    """Return the parameters of a transform but its probability, by name with their defaults."""
    known = inspect.signature(_transforms()[kind]).parameters
    return {name: one.default for name, one in known.items() if name != "p" and one.kind != one.VAR_KEYWORD}


def without_p(kind: str, params: Mapping[str, object]) -> dict[str, object]:
    """Return parameters under today's names without a p of 1. Raises UserError for another p."""
    found = translate(kind, params).params
    p = found.pop("p", 1)
    if p != 1:
        raise UserError(f"{kind}: a deformation has no probability, got p = {p}. Leave p out.")
    return found


def checked(kind: str, params: Mapping[str, object]) -> dict[str, object]:
    """Return the parameters of a step under today's names, or raise a UserError that says what to write instead."""
    if kind in CHANGES_LENGTH:
        raise UserError(f"{kind} changes the length, so targets no longer fit in time. Leave it out.")
    if kind not in _transforms():
        raise UnknownName("deformation", kind, transform_names())
    given, named = without_p(kind, params), parameters_of(kind)
    if unknown := next((name for name in given if name not in named), None):
        listed = ", ".join(named) or "none"
        raise UserError(f"{kind} has no parameter '{unknown}'.{hint(unknown, named)} Its parameters: {listed}.")
    values = {name: given.get(name, default) for name, default in named.items()}
    for name, value in values.items():
        if value is inspect.Parameter.empty:
            raise UserError(f"{kind} needs the parameter '{name}'.")
        _require_kind(kind, name, value, named[name])
        required, reason = REQUIRED.get(name) or REQUIRED.get(f"{name}@{kind}") or (value, "")
        if value != required:
            raise UserError(f"{kind}: {name} must be {required}, got {value}: {reason}.")
    _require_fixed(kind, values)
    return given


def _require_kind(kind: str, name: str, value: object, default: object) -> None:
    """Refuse a value of another kind than the parameter's default: text or a truth value for a number."""
    for types, words in ((bool, "true or false"), ((int, float), "a number"), (str, "text")):
        if isinstance(default, types):
            if not isinstance(value, types) or (isinstance(value, bool) and types is not bool):
                raise UserError(f"{kind}: {name} must be {words}, got {value!r}.")
            return


def _require_fixed(kind: str, values: Mapping[str, object]) -> None:
    pairs = ((low, "max" + low[3:]) for low in values if low.startswith("min_") and "max" + low[3:] in values)
    ranges = ", ".join(f"{a} = {values[a]} and {b} = {values[b]}" for a, b in pairs if values[a] != values[b])
    if ranges:
        raise UserError(f"{kind}: a deformation is fixed, so give both ends of a range one value; got {ranges}.")


def built(kind: str, params: Mapping[str, object]) -> Transform:
    """Return a transform ready to be called with (samples, sample_rate). Raises as `checked`."""
    given = checked(kind, params)
    try:
        return _transforms()[kind](**given, p=1.0)
    except (ValueError, TypeError, AssertionError) as error:
        why = f": {error}" if str(error) else "; it does not say why. Its documentation says what it takes."
        raise UserError(f"{kind} cannot take {given}{why}") from error


def transform_names() -> tuple[str, ...]:
    """Return the types a step may have."""
    return tuple(sorted(set(_transforms()) - set(CHANGES_LENGTH)))


@functools.cache
def _transforms() -> Mapping[str, Callable[..., Transform]]:
    # Imported on first use: it costs half a second, and every command imports this room.
    library = importlib.import_module("audiomentations")
    base = importlib.import_module("audiomentations.core.transforms_interface").BaseWaveformTransform
    found = inspect.getmembers(library, lambda member: inspect.isclass(member) and issubclass(member, base))
    return {name: transform for name, transform in found if name != "Lambda"}
