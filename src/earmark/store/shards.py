"""Shards: float32 rows appended by one writer, acknowledged by an index that is written after them."""

import json
import math
import os
import re
import secrets
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from earmark import durable
from earmark.errors import StoreError
from earmark.store import lines

FLUSH_ROWS = 1_000
FLUSH_BYTES = 32 * 2**20
SHARD_BYTES = 256 * 2**20
FLOAT = np.dtype("<f4")

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")


class Row(NamedTuple):
    """Where a row lies. `offset` is in bytes; `crc32` is that of its bytes."""

    shard: str
    offset: int
    shape: tuple[int, ...]
    crc32: int

    @property
    def n_bytes(self) -> int:
        """Its length."""
        return FLOAT.itemsize * math.prod(self.shape)


@dataclass(frozen=True)
class Shard:
    """The three files of a shard, by what their paths have in common."""

    stem: Path

    @property
    def data(self) -> Path:
        """The rows, one after another."""
        return self.stem.with_suffix(".f32")

    @property
    def index(self) -> Path:
        """Key, shape, offset and checksum of each row that is on the disk."""
        return self.stem.with_suffix(".jsonl")

    @property
    def provenance(self) -> Path:
        """Where each row comes from."""
        return self.stem.with_suffix(".provenance.jsonl")

    @property
    def size(self) -> int:
        """Bytes of data; 0 where it is not there (yet, or any more)."""
        try:
            return self.data.stat().st_size
        except FileNotFoundError:
            return 0

    def read_index(self, start: int = 0) -> lines.Lines[tuple[str, Row]]:
        """Read keys and rows of the index from byte `start` on; a row beyond the data is a problem."""
        found = lines.read(self.index, self._row, start)
        # Asked after the index was read, because rows are on the disk before their line is.
        size = self.size
        beyond = {key for key, row in found.items if row.offset + row.n_bytes > size}
        for key in sorted(beyond):
            found.problems.append(f"{self.data}: ends at byte {size}, before the end of the row {key}; passed over")
        return found._replace(items=[item for item in found.items if item[0] not in beyond]) if beyond else found

    def read_provenance(self) -> lines.Lines[tuple[str, Mapping[str, object]]]:
        """Read keys and where their rows come from."""
        return lines.read(self.provenance, _origin)

    def origins(self, places: Mapping[str, tuple[int, int]]) -> dict[str, Mapping[str, object]]:
        """Return where some rows come from, given where in the provenance that stands."""
        found = dict[str, Mapping[str, object]]()
        if places:
            with self.provenance.open("rb", buffering=0) as file:
                for key, (start, stop) in places.items():
                    found[key] = _origin(json.loads(os.pread(file.fileno(), stop - start, start)))[1]
        return found

    def origin_places(self) -> dict[str, tuple[int, int]]:
        """Return from which byte to which the provenance of each row stands."""
        return lines.places(self.provenance, lambda item: _origin(item)[0])

    def _row(self, item: dict[str, Any]) -> tuple[str, Row]:
        key, offset, shape, crc32 = item["key"], item["offset"], tuple(item["shape"]), item["crc32"]
        is_row = type(key) is str and _NAME.fullmatch(key) and type(offset) is type(crc32) is int and offset >= 0
        if not is_row or not all(type(size) is int and size > 0 for size in shape):
            raise ValueError("not a row")
        return key, Row(self.stem.name, offset, shape, crc32)


def _origin(item: dict[str, Any]) -> tuple[str, Mapping[str, object]]:
    key, provenance = item["key"], item["provenance"]
    if not isinstance(key, str) or not isinstance(provenance, dict):
        raise TypeError("not where a row comes from")
    return key, provenance


def fill(descriptor: int, row: Row, target: memoryview | bytearray) -> bool:
    """Read a row of an open shard straight to where it is wanted; return whether its checksum is right."""
    os.preadv(descriptor, [target], row.offset)
    return zlib.crc32(target) == row.crc32


def list_shards(folder: Path) -> list[Shard]:
    """Return the shards of a folder by name, those included of which a crash left only a part."""
    return [Shard(folder / name) for name in sorted({path.name.split(".")[0] for path in folder.glob("shard-*")})]


def check_name(noun: str, name: str) -> None:
    """Raise StoreError for what cannot be a part of a path on every machine."""
    if not _NAME.fullmatch(name):
        raise StoreError(f"Expected a {noun} of letters, digits, '.', '_' and '-', got '{name}'. Use identity.key_of.")


def told(key: str, what: object) -> str:
    """Return the line of some provenance, or raise StoreError naming the key whose it is."""
    try:
        return lines.line(what)
    except (TypeError, ValueError) as error:
        raise StoreError(f"Expected provenance of plain JSON values for {key}, but: {error}.") from error


class _Pending(NamedTuple):
    n_bytes: int
    shape: tuple[int, ...]
    crc32: int
    provenance: str


class Writer:
    """Appends rows to shards that nobody else writes. For one thread of one process."""

    def __init__(self, folder: Path, known: dict[str, Row], flush_every: int = FLUSH_ROWS) -> None:
        """`known` holds the rows that need not be written; what is flushed is added to it."""
        self._folder, self._known, self._flush_every = folder, known, flush_every
        self._pending: dict[str, _Pending] = {}
        self._data = bytearray()
        self._place: tuple[Shard, int] | None = None
        self._process = os.getpid()
        self.index_bytes: dict[Shard, int] = {}

    def put(self, key: str, array: NDArray[np.float32], provenance: Mapping[str, object]) -> None:
        """Take a finite float32 array of any shape; the next flush acknowledges it. A known key is passed over.

        Raises StoreError for another type, an empty array, NaN or infinite values, a key that cannot be part of a
        path, and provenance that JSON cannot hold.
        """
        if key in self._known or key in self._pending:
            return
        check_name("key", key)
        _check_values(key, array)
        values = np.ascontiguousarray(array, FLOAT).data
        line = told(key, {"key": key, "provenance": provenance})
        self._pending[key] = _Pending(values.nbytes, array.shape, zlib.crc32(values), line)
        self._data += values
        if len(self._pending) >= self._flush_every or len(self._data) >= FLUSH_BYTES:
            self.flush()

    def flush(self) -> None:
        """Acknowledge every row that was put: on return it is on the disk and survives a crash."""
        if not self._pending:
            return
        if os.getpid() != self._process:
            raise StoreError("Expected the process that opened the writer, got its child. Open one writer a process.")
        shard, offset = self._place or (Shard(self._folder / f"shard-{secrets.token_hex(8)}"), 0)
        # If a step below fails this shard is left for good, so that whatever is torn stays at its end.
        self._place = None
        rows, index = {}, []
        for key, (n_bytes, shape, crc32, _) in self._pending.items():
            rows[key] = Row(shard.stem.name, offset, shape, crc32)
            index.append(f'{{"key":"{key}","offset":{offset},"shape":{list(shape)},"crc32":{crc32}}}\n')
            offset += n_bytes
        durable.append(shard.data, self._data)
        durable.append(shard.provenance, "".join(pending.provenance for pending in self._pending.values()).encode())
        durable.append(shard.index, "".join(index).encode())
        self.index_bytes[shard] = self.index_bytes.get(shard, 0) + sum(map(len, index))
        self._known.update(rows)
        self._pending, self._data = {}, bytearray()
        if offset < SHARD_BYTES:
            self._place = (shard, offset)


def _check_values(key: str, array: NDArray[np.float32]) -> None:
    if not isinstance(array, np.ndarray) or array.dtype != np.float32 or not array.size:
        came = f"{array.dtype} {array.shape}" if isinstance(array, np.ndarray) else type(array).__name__
        raise StoreError(f"Expected a numpy array of float32 for {key}, got {came}. Cast with astype(np.float32).")
    # A finite sum of squares is quicker to see, and proves the rest.
    if not math.isfinite(np.vdot(array, array)) and not np.isfinite(array).all():
        n_wrong = np.count_nonzero(~np.isfinite(array))
        raise StoreError(f"Expected finite numbers for {key}, got {n_wrong} of {array.size} NaN or infinite.")
