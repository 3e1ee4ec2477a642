"""Musical keys: one spelling for each, and the score that mir_eval gives to mistaking one for another."""

import re
from functools import lru_cache

import mir_eval.key
import numpy as np
from jaxtyping import Float, Int

from earmark.errors import DataError
from earmark.metrics.base import Array

TONICS = ("C", "C#", "D", "D#", "E", "F", "F#", "G", "G#", "A", "A#", "B")
KEYS = tuple(f"{tonic} {mode}" for mode in ("major", "minor") for tonic in TONICS)
_SEMITONES = {"C": 0, "D": 2, "E": 4, "F": 5, "G": 7, "A": 9, "B": 11}
_WORDS = {"♯": "#", "♭": "b"}
_FORM = re.compile(r"(?P<letter>[A-G])[\s-]*(?P<marks>(?:#|b|sharp|flat){0,2})[\s:_-]*(?P<mode>[a-z]*)", re.IGNORECASE)
_MODES = {"major": "major", "maj": "major", "minor": "minor", "min": "minor"}


def normalise_key(name: str) -> str:
    """Return the one spelling of a key: tonic with a sharp where it needs one, then "major" or "minor".

    Takes "C# minor", "Db MAJOR", "B# minor", "C:maj", "Cm", "B♭ Major", "F-sharp minor" and a bare capital ("Eb" is
    E flat major, as in chord symbols). A bare small letter is refused, since for some it means minor. Raises
    DataError for what is no major or minor key.
    """
    plain = name.strip()
    for mark, letter in _WORDS.items():
        plain = plain.replace(mark, letter)
    found = _FORM.fullmatch(plain)
    mode = _mode(found["mode"], found["letter"]) if found else None
    if found is None or mode is None:
        raise DataError(
            f"'{name}' is not a major or minor key. Write a tonic and a mode, such as 'C# minor' or 'Bb major', "
            "or leave the clip out of the key task."
        )
    marks = found["marks"].lower().replace("sharp", "#").replace("flat", "b")
    semitone = _SEMITONES[found["letter"].upper()] + marks.count("#") - marks.count("b")
    return f"{TONICS[semitone % 12]} {mode}"


def _mode(word: str, letter: str) -> str | None:
    """Return the mode that a word after the tonic means; only the single letter depends on its case."""
    if word in ("", "M"):
        return "major" if letter.isupper() else None
    return "minor" if word == "m" else _MODES.get(word.lower())


@lru_cache(maxsize=32)
def score_table(classes: tuple[str, ...]) -> Float[Array, "reference estimated"]:
    """Return mir_eval's weighted key score of each pair of keys, the true key along the rows.

    1 for the same key, 0.5 for the perfect fifth above the true one (not below), 0.3 for the relative, 0.2 for the
    parallel key, else 0. Source: `mir_eval.key.weighted_score`, after `normalise_key`, without which it refuses
    spellings such as B# minor.
    """
    names = [normalise_key(name) for name in classes]
    table = np.array([[mir_eval.key.weighted_score(true, guess) for guess in names] for true in names])
    table.setflags(write=False)  # the cache hands the same array to every caller
    return table


def merge_spellings(
    targets: Int[Array, " clips"], predictions: Float[Array, "clips classes"], classes: tuple[str, ...]
) -> tuple[Int[Array, " clips"], Float[Array, "clips classes"]]:
    """Return targets and predictions in which classes that are one key (C# and Db minor) are one class.

    The first spelling takes the greatest of their scores and all their targets; the others are left with none.
    """
    names = [normalise_key(name) for name in classes]
    first = np.array([names.index(name) for name in names])
    merged = np.full(predictions.shape, -np.inf)
    for column, keeper in enumerate(first):
        merged[:, keeper] = np.maximum(merged[:, keeper], predictions[:, column])
    return first[targets], merged
