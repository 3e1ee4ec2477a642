"""What a store holds, thing by thing: for choosing what may go. All of it can be computed again."""

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

from earmark import durable
from earmark.store import scheme, upkeep
from earmark.store.shards import list_shards

ROWS = scheme.ROWS


class Thing(NamedTuple):
    """A row (`kind` "embeddings", `name` its key) or a whole file.

    `written_s` is the time its file was last written to, in seconds since 1970: of a row, that of its shard, which
    merging writes anew. `origin` is what the row was put with, empty for files.
    """

    kind: str
    name: str
    n_bytes: int
    written_s: float
    origin: Mapping[str, object]


def things(root: Path) -> Iterator[Thing]:
    """Yield what a store holds. What is remembered of the user's files is none of it: small, and of no key."""
    for shard in list_shards(root / ROWS):
        origins = dict(shard.read_provenance().items)
        rows = shard.read_index().items
        written_s = shard.data.stat().st_mtime if rows else 0.0
        for key, row in rows:
            yield Thing(ROWS, key, row.n_bytes, written_s, origins.get(key, {}))
    for path in scheme.found(root, "[!.]*"):
        if path.is_file() and not path.name.endswith(upkeep.PROVENANCE):
            status = path.stat()
            yield Thing(path.parent.name, path.name, status.st_size, status.st_mtime, {})


def unwanted(
    held: Iterable[Thing],
    is_kept: Callable[[Thing], bool],
    before_s: float | None = None,
    until_bytes: int | None = None,
) -> list[Thing]:
    """Return what may go of what is not kept: all, or what was written before a time, or the oldest until it fits.

    `until_bytes` counts what is kept too, which may be more than that already.
    """
    held = sorted(held, key=lambda one: one.written_s)
    free = [one for one in held if not is_kept(one) and (before_s is None or one.written_s < before_s)]
    if until_bytes is None:
        return free
    chosen, too_much = [], sum(one.n_bytes for one in held) - until_bytes
    for one in free:
        if too_much <= 0:
            break
        chosen.append(one)
        too_much -= one.n_bytes
    return chosen


def drop(root: Path, chosen: Collection[Thing]) -> None:
    """Remove things; nobody else may write meanwhile. Files go first, so that shards have room to be written anew."""
    for one in chosen:
        if one.kind != ROWS:
            path = root / one.kind / one.name
            durable.remove(path)
            durable.remove(path.with_name(path.name + upkeep.PROVENANCE))
    upkeep.merge_shards(root / ROWS, {one.name for one in chosen if one.kind == ROWS})
