"""Looking after a store: telling what is damaged, and merging the small shards that short runs leave."""

import hashlib
import json
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from earmark import durable
from earmark.store.shards import FLOAT, SHARD_BYTES, Row, Shard, Writer, fill, list_shards
from earmark.store.whole import LOOKS, is_whole

PROVENANCE = ".provenance.json"


class Compaction(NamedTuple):
    """What was merged. `dropped` are the keys of damaged rows: gone, to be computed again."""

    n_shards_before: int
    n_shards_after: int
    dropped: tuple[str, ...]


class _Checked(NamedTuple):
    rows: dict[str, Row]
    damaged: set[str]
    problems: list[str]


def problems(root: Path) -> list[str]:
    """Return a line for each thing that is not as it was written: rows, whole files, what crashes tore or left."""
    found = [problem for shard in list_shards(root / "embeddings") for problem in _check(shard).problems]
    for told in sorted(root.glob(f"*/*{PROVENANCE}")):
        path = told.with_name(told.name.removesuffix(PROVENANCE))
        if not path.exists():
            found.append(f"{path}: only its provenance is there, as a crash leaves it (harmless)")
        elif hashlib.sha256(path.read_bytes()).hexdigest() != json.loads(told.read_bytes())["sha256"]:
            found.append(f"{path}: damaged, its sha256 is not the one in {told.name}; remove it, to be computed again")
    found += [f"{path}: damaged; the next run that needs it computes it again" for path in _cut(root)]
    return found + [f"{path}: left by a crash (harmless)" for path in sorted(root.glob(f"*/{durable.TEMPORARY}"))]


def _cut(root: Path) -> list[Path]:
    """Return the whole files that are damaged as far as they tell themselves, those with provenance left out."""
    kept = [path for suffix in LOOKS for path in root.glob(f"*/*{suffix}") if not path.name.endswith(PROVENANCE)]
    return [path for path in sorted(kept) if not path.with_name(path.name + PROVENANCE).exists() and not is_whole(path)]


def merge_shards(folder: Path) -> Compaction:
    """Merge small shards, and shards in which something is wrong, into new ones; nobody else may write meanwhile.

    Old shards go when every sound row of theirs is acknowledged in a new one, so a crash loses nothing.
    """
    shards = list_shards(folder)
    checked = {shard: _check(shard) for shard in shards}
    old = [shard for shard in shards if shard.size < SHARD_BYTES // 2 or checked[shard].problems]
    if len(old) == 1 and not checked[old[0]].problems:
        old = []
    here = {key: row for shard in shards if shard not in old for key, row in checked[shard].rows.items()}
    writer = Writer(folder, here)
    for shard in old:
        provenance = dict(shard.read_provenance().items)
        for key, values in _values(shard, checked[shard].rows):
            if values is not None:
                writer.put(key, values, provenance.get(key, {}))
    writer.flush()
    for shard in old:
        # The index goes first: without it the rest means nothing.
        for path in (shard.index, shard.provenance, shard.data):
            durable.remove(path)
    lost = set().union(*(each.damaged for each in checked.values())) - here.keys()
    return Compaction(len(shards), len(list_shards(folder)), tuple(sorted(lost)))


def clear_leftovers(root: Path) -> None:
    """Remove the temporary files of writers that died; nobody else may write meanwhile."""
    for path in sorted(root.glob(f"*/{durable.TEMPORARY}")):
        durable.remove(path)


def _values(shard: Shard, rows: dict[str, Row]) -> Iterator[tuple[str, NDArray[np.float32] | None]]:
    """Yield each key with its values, or with None where they are damaged."""
    if not rows:
        return
    with shard.data.open("rb", buffering=0) as file:
        for key, row in rows.items():
            content = bytearray(row.n_bytes)
            sound = fill(file.fileno(), row, content)
            yield key, np.frombuffer(content, FLOAT).astype(np.float32).reshape(row.shape) if sound else None


def _check(shard: Shard) -> _Checked:
    index = shard.read_index()
    rows = dict(index.items)
    damaged = {key for key, values in _values(shard, rows) if values is None}
    found = index.problems + shard.read_provenance().problems
    found += [f"{shard.data}: the row {key} is damaged; compact() drops it" for key in sorted(damaged)]
    tail = shard.size - max((row.offset + row.n_bytes for row in rows.values()), default=0)
    if tail or not shard.index.exists():
        found.append(f"{shard.data}: its last {tail} bytes are in no index, as a crash leaves them (harmless)")
    return _Checked({key: row for key, row in rows.items() if key not in damaged}, damaged, found)
