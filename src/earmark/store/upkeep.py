"""Looking after a store: telling what is damaged, and merging the small shards that short runs leave."""

import hashlib
import json
from collections import defaultdict
from collections.abc import Collection, Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from earmark import durable
from earmark.errors import StoreError
from earmark.store import lines, scheme
from earmark.store.shards import FLOAT, FLUSH_BYTES, SHARD_BYTES, Row, Shard, Writer, fill, list_shards
from earmark.store.whole import LOOKS, is_whole

PROVENANCE = ".provenance.json"
HARMLESS = "(harmless)"
"""The end of a line that tells of what a crash leaves: nothing that was acknowledged is damaged."""

REPAIR = "`earmark store repair` removes it, to be computed again"


class Compaction(NamedTuple):
    """What was merged. `dropped` are the keys of rows that were damaged or cut off: to be computed again."""

    n_shards_before: int
    n_shards_after: int
    dropped: tuple[str, ...]


class Repair(NamedTuple):
    """What was dropped: keys of rows, with what they were of; paths of whole files, below the store's folder."""

    rows: Mapping[str, Mapping[str, object]]
    files: tuple[str, ...]
    compaction: Compaction


class _Checked(NamedTuple):
    rows: dict[str, Row]
    lost: set[str]
    problems: list[str]


def problems(root: Path) -> list[str]:
    """Return a line for each thing that is not as it was written: rows, whole files, what crashes tore or left."""
    found = [problem for shard in list_shards(root / scheme.ROWS) for problem in _check(shard).problems]
    alone = [told.with_name(told.name.removesuffix(PROVENANCE)) for told in _alone(root)]
    found += [f"{path}: only its provenance is there, as a crash leaves it {HARMLESS}" for path in alone]
    found += [f"{path}: {why}" for path, why in damaged_files(root).items()]
    return found + [
        f"{path}: left by a crash {HARMLESS}" for path in scheme.found(root, durable.TEMPORARY, scheme.FOLDERS)
    ]


def _alone(root: Path) -> list[Path]:
    """Return the files of provenance of what is not there."""
    told = scheme.found(root, f"*{PROVENANCE}")
    return [path for path in told if not path.with_name(path.name.removesuffix(PROVENANCE)).exists()]


def damaged_files(root: Path) -> dict[Path, str]:
    """Return the whole files that are not as they were written, and why: by their sha256 where it was kept."""
    found = {}
    for path in scheme.found(root, "[!.]*"):
        told = path.with_name(path.name + PROVENANCE)
        if path.name.endswith(PROVENANCE) or not path.is_file():
            continue
        if not told.exists():
            if path.suffix in LOOKS and not is_whole(path):
                found[path] = "damaged; the next run that needs it computes it again"
        elif (sha256 := _told_sha256(told)) is None:
            found[path] = f"damaged, or {told.name} is, which should tell its sha256; {REPAIR}"
        elif hashlib.sha256(path.read_bytes()).hexdigest() != sha256:
            found[path] = f"damaged, its sha256 is not the one in {told.name}; {REPAIR}"
    return found


def _told_sha256(told: Path) -> str | None:
    try:
        sha256 = json.loads(told.read_bytes())["sha256"]
    except (KeyError, TypeError, ValueError, RecursionError):
        return None
    return sha256 if isinstance(sha256, str) else None


def lost_rows(folder: Path) -> dict[str, Mapping[str, object]]:
    """Return the keys that an index names and no sound row has, with what the rows were put with."""
    lost: dict[str, Mapping[str, object]] = {}
    sound: set[str] = set()
    for shard in list_shards(folder):
        checked = _check(shard)
        sound |= checked.rows.keys()
        if checked.lost:
            origins = dict(shard.read_provenance().items)
            lost |= {key: origins.get(key, {}) for key in checked.lost}
    return {key: lost[key] for key in sorted(lost.keys() - sound)}


def remove_damaged(root: Path) -> tuple[str, ...]:
    """Remove whole files that are damaged, and provenance of what is not there; return the paths of the former."""
    damaged, alone = damaged_files(root), _alone(root)
    for path in damaged:
        durable.remove(path)
        durable.remove(path.with_name(path.name + PROVENANCE))
    for path in alone:
        durable.remove(path)
    return tuple(path.relative_to(root).as_posix() for path in damaged)


def merge_shards(folder: Path, unwanted: Collection[str] = frozenset(), everything: bool = False) -> Compaction:
    """Merge small shards, or all (`everything`), and those with something wrong or unwanted, in the order of keys.

    Nobody else may write meanwhile. Old shards go when every sound row of theirs is acknowledged in a new one, so a
    crash loses nothing. Those that hold nothing else than what is unwanted go at once, so that a full disk has room
    for the new ones.
    """
    found = list_shards(folder)
    checked = {shard: _check(shard) for shard in found}
    free = [shard for shard in found if checked[shard].rows and checked[shard].rows.keys() <= set(unwanted)]
    for shard in free:
        _remove(shard)
    shards = [shard for shard in found if shard not in free]
    spoilt = [one for one in shards if checked[one].problems or not checked[one].rows.keys().isdisjoint(unwanted)]
    old = [shard for shard in shards if everything or shard.size < SHARD_BYTES // 2 or shard in spoilt]
    if len(old) == 1 and not spoilt and not everything:
        old = []
    here = {key: row for shard in shards if shard not in old for key, row in checked[shard].rows.items()}
    writer = Writer(folder, here)
    for key, values, origin in _in_order({shard: checked[shard].rows for shard in old}):
        if key not in unwanted:
            writer.put(key, values, origin)
    writer.flush()
    for shard in old:
        _remove(shard)
    lost = set().union(*(each.lost for each in checked.values())) - here.keys() - set(unwanted)
    return Compaction(len(found), len(list_shards(folder)), tuple(sorted(lost)))


def _remove(shard: Shard) -> None:
    # The index goes first: without it the rest means nothing.
    for path in (shard.index, shard.provenance, shard.data):
        durable.remove(path)


def _in_order(
    rows: dict[Shard, dict[str, Row]],
) -> Iterator[tuple[str, NDArray[np.float32], Mapping[str, object]]]:
    """Yield the rows of shards, with where they come from, by their keys; of a key that several hold the first."""
    shard_of = {key: shard for shard in reversed(rows) for key in rows[shard]}
    told = {shard: shard.origin_places() for shard in rows}
    for keys in _batches({key: rows[shard_of[key]][key].n_bytes for key in sorted(shard_of)}):
        by_shard = defaultdict[Shard, list[str]](list)
        found = dict[str, tuple[NDArray[np.float32], Mapping[str, object]]]()
        for key in keys:
            by_shard[shard_of[key]].append(key)
        for shard, some in by_shard.items():
            origins = shard.origins({key: told[shard][key] for key in some if key in told[shard]})
            for key, values in _values(shard, {key: rows[shard][key] for key in some}):
                if values is None:  # it was sound when it was checked, so nothing may be removed
                    raise StoreError(f"{shard.data}: the row {key} changed while it was merged. Look at the disk.")
                found[key] = values, origins.get(key, {})
        yield from ((key, *found[key]) for key in keys)


def _batches(sizes: Mapping[str, int]) -> Iterator[list[str]]:
    """Yield keys, in their order, as many at a time as together are not much larger than what a writer holds."""
    batch, n_bytes = list[str](), 0
    for key, size in sizes.items():
        batch.append(key)
        n_bytes += size
        if n_bytes >= FLUSH_BYTES:
            yield batch
            batch, n_bytes = [], 0
    yield batch


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
    found += [f"{shard.data}: the row {key} is damaged; {REPAIR}" for key in sorted(damaged)]
    tail = shard.size - max((row.offset + row.n_bytes for row in rows.values()), default=0)
    if tail or not shard.index.exists():
        found.append(f"{shard.data}: its last {tail} bytes are in no index, as a crash leaves them {HARMLESS}")
    # A line that was passed over, as where the data end before its row, names a key that is lost too.
    named = lines.read(shard.index, lambda item: (str(item["key"]), item["offset"])).items if index.problems else ()
    sound = {key: row for key, row in rows.items() if key not in damaged}
    return _Checked(sound, {key for key, _ in named} - rows.keys() | damaged, found)
