"""Result rows that are made up."""

from dataclasses import replace
from typing import Any

from earmark.importers.base import row
from earmark.nouns import Result


def made(**changes: Any) -> Result:
    """Return a row of MusiCNN by probe M1 of mir_ref on TinySOL's instruments, with changes."""
    known: dict[str, Any] = {
        "task": "tinysol_instrument",
        "dataset": "tinysol",
        "split": "folds",
        "fold": 0,
        "representation": "musicnn-msd",
        "layer": "all",
        "pool": "mean",
        "probe": "M1",
        "preset": "mir_ref",
        "average": "micro",
    }
    return replace(row("the tests", "f1", 0.6, **known), **changes)
