"""Which clips `earmark get --subset` fetched, by dataset: `.earmark-subset.json` in the folder of their audio.

Variants that share a folder have an entry each, and a dataset without one is whole. An entry is written when the fetch
has succeeded, so a refused or interrupted one changes nothing.
"""

import json
from collections.abc import Iterable
from pathlib import Path

from earmark import durable
from earmark.datasets._listing import read_text
from earmark.datasets.base import Dataset, narrowed
from earmark.errors import DataError

FILE = ".earmark-subset.json"
REMEDY = "Delete it, and fetch the subset again: what is there already is not fetched twice."


def is_noted(root: Path) -> bool:
    """Say whether any dataset of a folder was fetched in part."""
    return (root / FILE).is_file()


def read(root: Path) -> dict[str, list[str]]:
    """Return the ids of the clips that were fetched, by dataset. Raises DataError when the note is broken."""
    if not is_noted(root):
        return {}
    file = root / FILE
    try:
        found = json.loads(read_text(file, REMEDY))
    except json.JSONDecodeError as error:
        raise DataError(f"{file}: expected JSON, but: {error}. {REMEDY}") from error
    if not isinstance(found, dict) or not all(
        isinstance(ids, list) and all(isinstance(one, str) for one in ids) for ids in found.values()
    ):
        raise DataError(f"{file}: expected lists of clip ids by dataset, got {json.dumps(found)[:60]}. {REMEDY}")
    return found


def write(root: Path, name: str, ids: Iterable[str] | None) -> None:
    """Note which clips of a dataset were fetched; None: all of them."""
    others = {other: kept for other, kept in read(root).items() if other != name}
    noted = others if ids is None else {**others, name: sorted(ids)}
    if noted:
        durable.write_file(root / FILE, json.dumps(noted, indent=0, sort_keys=True).encode())
    else:
        durable.remove(root / FILE)


def applied(dataset: Dataset) -> Dataset:
    """Return a dataset with no more clips than were fetched; its notes say so."""
    chosen = read(dataset.root).get(dataset.name)
    if chosen is None:
        return dataset
    kept = dataset.by_id.keys() & set(chosen)
    said = f"a subset: {len(kept)} of {len(dataset.clips)} clips, those that `earmark get` was asked for"
    return narrowed(dataset, kept, (said,))
