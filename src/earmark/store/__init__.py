"""What was computed, by the name of its content: rows in appendable shards, whole files, provenance beside each.

    embeddings/shard-<unique>.f32                rows, raw little-endian float32, one after another
               shard-<unique>.jsonl              the index: one line a row, written when the rows are on the disk
               shard-<unique>.provenance.jsonl   where each row comes from, one line a row
    <kind>/<key><suffix>                         a whole file of scheme.KINDS; <key><suffix>.provenance.json where told
    hashes/<unique>.jsonl                        sha256 of the user's audio files
    store.json                                   the scheme of this layout; written with the first row or file
    lock                                         shared by writers, held alone by compact(), repair() and drop()

A row exists once its line stands in the index. Every writer has shards of its own and never returns to one that
it left, so processes need not wait for each other, and what a crash tears is the end of a shard, where readers
ignore it. A key names content: a row that is there stays, and to put it again does nothing.
"""

import fcntl
import hashlib
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from earmark import durable
from earmark.errors import Refused, StoreError
from earmark.store import hashes, scheme, upkeep
from earmark.store.hashes import Hashes
from earmark.store.shards import FLOAT, FLUSH_ROWS, Row, Shard, Writer, check_name, fill, list_shards, told
from earmark.store.things import Thing, drop
from earmark.store.upkeep import Compaction, Repair
from earmark.store.whole import is_whole

__all__ = ["Compaction", "Repair", "Store", "StoreError", "Thing", "Writer"]


class Store:
    """The store in a folder as it was when last refreshed, and what was written through this object since."""

    def __init__(self, root: Path) -> None:
        """Raises UserError for the store of a newer earmark."""
        self.root = root
        self._folder = root / scheme.ROWS
        self._rows: dict[str, Row] = {}
        self._twins: dict[str, list[Row]] = {}
        self._bytes_read: dict[Shard, int] = {}
        scheme.of(root)
        self.refresh()

    @property
    def n_shards(self) -> int:
        """How many shards there are: compact() when short runs have left many."""
        return len(list_shards(self._folder))

    def refresh(self) -> None:
        """See what other processes appended or compacted since."""
        before = None
        # Until two looks agree, lest rows on their way to another shard be missed in both.
        while before != (shards := list_shards(self._folder)):
            if not self._bytes_read.keys() <= set(shards):
                self._rows.clear()
                self._twins.clear()
                self._bytes_read.clear()
            for shard in shards:
                index = shard.read_index(self._bytes_read.get(shard, 0))
                for key, row in index.items:
                    if self._rows.setdefault(key, row) is not row:
                        self._twins.setdefault(key, []).append(row)
                self._bytes_read[shard] = index.end
            before = shards

    def has(self, keys: Iterable[str]) -> set[str]:
        """Return those of the keys that have a row."""
        return {key for key in keys if key in self._rows}

    def get(self, keys: Sequence[str]) -> NDArray[np.float32]:
        """Return the rows in the order of the keys, (len(keys), *shape) float32; every checksum is checked.

        Raises StoreError for a key without a row, rows of several shapes, no keys, or a damaged row.
        """
        try:
            return self._read(keys)
        except FileNotFoundError:
            # Another process has compacted the shard away.
            self.refresh()
            return self._read(keys)

    def get_each(self, keys: Sequence[str]) -> list[NDArray[np.float32]]:
        """Return the rows in the order of the keys, each of its own shape. Raises what `get` raises."""
        shapes: dict[tuple[int, ...], list[int]] = {}
        for position, row in enumerate(self._locate(keys)):
            shapes.setdefault(row.shape, []).append(position)
        found: dict[int, NDArray[np.float32]] = {}
        for positions in shapes.values():
            found.update(zip(positions, self.get([keys[one] for one in positions]), strict=True))
        return [found[position] for position in range(len(keys))]

    def _read(self, keys: Sequence[str]) -> NDArray[np.float32]:
        rows = self._locate(keys)
        shapes = sorted({row.shape for row in rows})
        if len(shapes) != 1:
            raise StoreError(f"Expected keys of rows of one shape, got {len(keys)} keys and the shapes {shapes}.")
        found = np.empty((len(rows), *shapes[0]), FLOAT)
        by_shard: dict[str, list[int]] = {}
        for position, row in enumerate(rows):
            by_shard.setdefault(row.shard, []).append(position)
        view, size = found.data.cast("B"), rows[0].n_bytes
        for name, positions in by_shard.items():
            with Shard(self._folder / name).data.open("rb", buffering=0) as file:
                for position in positions:
                    target, key, row = view[position * size : (position + 1) * size], keys[position], rows[position]
                    if not (fill(file.fileno(), row, target) or self._fill_from_twin(key, row, target)):
                        raise StoreError(
                            f"The row {key} in {file.name} is damaged: its bytes do not have the checksum they were "
                            "written with. `earmark store repair` drops such rows; the next run computes them again."
                        )
        return found.astype(np.float32, copy=False)

    def _fill_from_twin(self, key: str, damaged: Row, target: memoryview) -> bool:
        """Read a row from another shard that holds it too; return whether one is sound."""
        for row in self._twins.get(key, ()):
            if row.shape == damaged.shape:
                with Shard(self._folder / row.shard).data.open("rb", buffering=0) as file:
                    if fill(file.fileno(), row, target):
                        return True
        return False

    def _locate(self, keys: Sequence[str]) -> list[Row]:
        try:
            return [self._rows[key] for key in keys]
        except KeyError as error:
            raise StoreError(
                f"Expected an embedding of the key {error} in {self.root}; it is not there. Ask has() first, or "
                "refresh() if another process has just written it."
            ) from error

    def provenance(self, key: str) -> Mapping[str, object]:
        """Return where the row of a key comes from, as it was put."""
        (row,) = self._locate([key])
        return dict(Shard(self._folder / row.shard).read_provenance().items).get(key, {})

    @contextmanager
    def writer(self, flush_every: int = FLUSH_ROWS) -> Iterator[Writer]:
        """Open a writer that flushes after so many rows, or 32 MB, and at the end, come what may."""
        with self._lock(fcntl.LOCK_SH):
            writer = Writer(self._folder, self._rows, flush_every)
            try:
                yield writer
            finally:
                writer.flush()
                self._bytes_read |= writer.index_bytes

    def file(self, kind: str, key: str, suffix: str) -> Path | None:
        """Return the path of a whole file; None where there is none, or one that is damaged (see `whole`)."""
        path = self._path(kind, key, suffix)
        return path if is_whole(path) else None

    def read_file(self, kind: str, key: str, suffix: str) -> bytes:
        """Return the bytes of a whole file, or raise StoreError where there is none."""
        path = self.file(kind, key, suffix)
        if path is None:
            raise StoreError(
                f"Expected the file {self._path(kind, key, suffix)}; it is not there, or damaged. Ask file() first."
            )
        return path.read_bytes()

    def put_file(
        self, kind: str, key: str, suffix: str, data: bytes, provenance: Mapping[str, object] | None = None
    ) -> Path:
        """Write the whole file <kind>/<key><suffix>, in place of one that is there, and return its path.

        With provenance, the file's sha256 is kept beside it too, and verify() holds the file to it.
        """
        path = self._path(kind, key, suffix)
        with self._lock(fcntl.LOCK_SH):
            if provenance is not None:
                what = {"sha256": hashlib.sha256(data).hexdigest(), "provenance": provenance}
                durable.write_file(path.with_name(path.name + upkeep.PROVENANCE), told(key, what).encode())
            durable.write_file(path, data)
        return path

    def _path(self, kind: str, key: str, suffix: str) -> Path:
        if kind not in scheme.KINDS:
            raise StoreError(f"Expected a kind of whole files, one of {', '.join(scheme.KINDS)}, got '{kind}'.")
        check_name("name", key + suffix)
        return self.root / kind / (key + suffix)

    def remember_hash(self, path: Path) -> str:
        """Return the sha256 of a file, 64 hex digits; it is read only where its path, size or time are new."""
        return self._hashes.of(path)

    @cached_property
    def _hashes(self) -> Hashes:
        return Hashes(self.root / scheme.HASHES)

    def verify(self) -> list[str]:
        """Read everything and return a line for each thing that is not as it was written; harmless ones say so.

        While another process writes, what it has not yet acknowledged is among them.
        """
        return upkeep.problems(self.root)

    def compact(self, everything: bool = False) -> Compaction:
        """Merge small shards, drop damaged rows, clear what crashes left. Raises Refused while others write.

        With `everything`, all shards are merged: stores of the same rows are the same bytes then, but for the names
        of shards. It needs as much room again as the rows take.
        """
        with self._lock(fcntl.LOCK_EX | fcntl.LOCK_NB):
            done = upkeep.merge_shards(self._folder, everything=everything)
            hashes.merge(self.root / scheme.HASHES)
            for folder in scheme.FOLDERS:
                durable.clear(self.root / folder)
        self.refresh()
        return done

    def repair(self) -> Repair:
        """Do as compact(), remove whole files that are damaged too, and tell what is gone. Raises Refused likewise."""
        with self._lock(fcntl.LOCK_EX | fcntl.LOCK_NB):
            rows = upkeep.lost_rows(self._folder)
            files = upkeep.remove_damaged(self.root)
        return Repair(rows, files, self.compact())

    def drop(self, chosen: Collection[Thing]) -> None:
        """Remove things that `things` told of. Raises Refused while others write."""
        with self._lock(fcntl.LOCK_EX | fcntl.LOCK_NB):
            drop(self.root, chosen)
        self.refresh()

    @contextmanager
    def _lock(self, how: int) -> Iterator[None]:
        durable.make_folder(self.root)
        with (self.root / "lock").open("a") as file:
            try:
                fcntl.flock(file, how)
            except BlockingIOError as error:
                raise Refused(f"{self.root} is being written to. Compact it when no run is active.") from error
            scheme.settle(self.root)
            yield
