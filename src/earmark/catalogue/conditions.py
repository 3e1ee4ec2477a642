"""Conditions on the labels of a catalogue's files, as they are written: "genre=rock", "bpm>=120", "mood!=calm".

    =  !=          the class, one of several, or the number; of several "!=" means none of them
    <  <=  >  >=   of numbers

A file without the label fulfils no condition on it. Labels are the columns of the manifest that it was added by.
"""

import operator
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import polars as pl
from jaxtyping import Bool

from earmark.catalogue import listing
from earmark.catalogue.listing import HAS_ROWS
from earmark.catalogue.reader import Catalogue
from earmark.errors import UnknownName, UserError

_WRITTEN = re.compile(r"\s*([^=!<>]+?)\s*([=!<>]+)\s*(.+?)\s*")
MEANT = {"==": "=", "=>": ">=", "=<": "<=", "<>": "!=", "=!": "!=", "!==": "!="}
"""Signs of other languages, and ours."""
ORDERS: Mapping[str, Callable[[float, float], bool]] = {
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}


class Condition(NamedTuple):
    """A label, how it is compared, and with what."""

    label: str
    sign: str
    value: str

    def holds(self, labels: Mapping[str, Any]) -> bool:
        """Return whether a file with these labels fulfils it."""
        found = labels.get(self.label)
        if found is None:
            return False
        each = found if isinstance(found, list) else [found]
        if self.sign in ORDERS:
            return any(isinstance(one, int | float) and ORDERS[self.sign](one, float(self.value)) for one in each)
        is_any = any(_is(one, self.value) for one in each)
        return is_any == (self.sign == "=")


def read(text: str) -> Condition:
    """Return a condition as it is written. Raises UserError for what is none."""
    if not (found := _WRITTEN.fullmatch(text)):
        raise UserError(f"Expected a condition such as genre=rock, bpm>=120 or mood!=calm, got '{text}'.")
    condition = Condition(*found.groups())
    if condition.sign not in ("=", "!=", *ORDERS):
        meant = f"{condition.label}{MEANT.get(condition.sign, '=')}{condition.value}"
        raise UserError(
            f"Expected one of = != < <= > >=, got '{condition.sign}' in '{text}'. Write '{meant}'; put a space before "
            "a value that begins with such a sign."
        )
    if condition.sign in ORDERS and _number(condition.value) is None:
        raise UserError(f"Expected a number behind {condition.sign}, got '{condition.value}' in '{text}'.")
    return condition


def fulfils(where: Sequence[str], labels: str) -> bool:
    """Return whether the labels of a file, as its line has them, fulfil all conditions."""
    return all(one.holds(listing.labels_of(labels)) for one in map(read, where))


def allowed(catalogue: Catalogue, where: Sequence[str]) -> Bool[np.ndarray, " tracks"]:
    """Return which tracks have a file that fulfils all conditions. Raises UnknownName for a label that no file has."""
    conditions = [read(text) for text in where]
    files = catalogue.files.filter(HAS_ROWS)
    held = {text: listing.labels_of(text) for text in files["labels"].unique().to_list()}
    known = {name for labels in held.values() for name in labels}
    for one in conditions:
        if one.label not in known:
            raise UnknownName("label", one.label, known)
    fulfil = [text for text, labels in held.items() if all(one.holds(labels) for one in conditions)]
    return catalogue.among(files.filter(pl.col("labels").is_in(pl.Series(fulfil, dtype=pl.String).implode()))["key"])


def _is(value: object, text: str) -> bool:
    number = _number(text)
    return str(value) == text or (isinstance(value, int | float) and number is not None and value == number)


def _number(text: str) -> float | None:
    try:
        return float(text)
    except ValueError:
        return None
