"""Tensors from a TensorFlow checkpoint of version 2, without TensorFlow.

Beside the tensors' bytes (`.data-00000-of-00001`) lies an index: a table sorted by name, whose values are protobuf
messages of type, shape and place. The table's blocks are held against their CRC-32C. The tensors are not: the archive
that they came in has a checksum.
Source: doc/table_format.md of LevelDB, and tensor_bundle.proto of TensorFlow.
Differs: only float32 from one uncompressed shard is read; whatever else a checkpoint may hold is refused.
"""

import math
from collections.abc import Collection, Iterator
from dataclasses import dataclass

import numpy as np

from earmark.errors import DataError

MAGIC, FOOTER_BYTES, UNCOMPRESSED = 0xDB4775248B80FB57, 48, 0
CASTAGNOLI, CRC_MASK = 0x82F63B78, 0xA282EAD8
VARINT, DELIMITED, FIXED_BYTES = 0, 2, {1: 8, 5: 4}
# Fields of BundleEntryProto, then of TensorShapeProto and its Dim, then DT_FLOAT.
DTYPE, SHAPE, SHARD, OFFSET, N_BYTES, DIM, LENGTH, FLOAT32 = 1, 2, 3, 4, 5, 2, 1, 1


def read(index: bytes, data: bytes, names: Collection[str]) -> dict[str, np.ndarray]:
    """Return the float32 tensors of these names, from the contents of the two files.

    Raises DataError for contents that are damaged or of a kind that is not read here, and for names that they lack.
    """
    try:
        entries = dict(_entries(index))
        if lacking := sorted(set(names) - entries.keys()):
            raise ValueError(f"it lacks {len(lacking)} tensors, the first is '{lacking[0]}'")
        return {name: _tensor(entries[name], data) for name in names}
    except ValueError as error:
        raise DataError(f"This is not the TensorFlow checkpoint expected: {error}. Fetch it again.") from error


@dataclass
class _Cursor:
    """Bytes that are read from front to back."""

    content: bytes
    at: int = 0

    def take(self, n_bytes: int) -> bytes:
        taken = self.content[self.at : self.at + n_bytes]
        if len(taken) < n_bytes:
            raise ValueError("it ends too early")
        self.at += n_bytes
        return taken

    def varint(self) -> int:
        value = shift = 0
        while (byte := self.take(1)[0]) >= 0x80:
            value |= (byte & 0x7F) << shift
            shift += 7
        return value | byte << shift


def _entries(table: bytes) -> Iterator[tuple[str, bytes]]:
    """Yield the name and message of each tensor; the entry without a name, which is of the whole, is left out."""
    if len(table) < FOOTER_BYTES or int.from_bytes(table[-8:], "little") != MAGIC:
        raise ValueError("it does not end as a table does")
    footer = _Cursor(table[-FOOTER_BYTES:])
    if list(_block(table, footer)):
        raise ValueError("it has metadata, as no checkpoint has")
    for _, handle in _block(table, footer):
        yield from ((name.decode(), message) for name, message in _block(table, _Cursor(handle)) if name)


def _block(table: bytes, handle: _Cursor) -> Iterator[tuple[bytes, bytes]]:
    """Yield keys and values of the block at a handle; a key shares its beginning with the key before it."""
    start, n_bytes = handle.varint(), handle.varint()
    end = start + n_bytes + 1  # of the block and the byte of its compression, which the checksum covers
    if int.from_bytes(table[end : end + 4], "little") != _masked_crc32c(table[start:end]):
        raise ValueError(f"its block at byte {start} is damaged")
    if table[end - 1] != UNCOMPRESSED:
        raise ValueError("it is compressed")
    n_restarts = int.from_bytes(table[end - 5 : end - 1], "little")
    cursor, key = _Cursor(table[start : end - 5 - 4 * n_restarts]), b""
    while cursor.at < len(cursor.content):
        n_shared, n_own, n_value = cursor.varint(), cursor.varint(), cursor.varint()
        key = key[:n_shared] + cursor.take(n_own)
        yield key, cursor.take(n_value)


def _masked_crc32c(content: bytes) -> int:
    crc = 0xFFFFFFFF
    for byte in content:
        crc ^= byte
        for _ in range(8):
            crc = crc >> 1 ^ CASTAGNOLI * (crc & 1)
    crc ^= 0xFFFFFFFF
    return ((crc >> 15 | crc << 17) + CRC_MASK) & 0xFFFFFFFF


def _tensor(entry: bytes, data: bytes) -> np.ndarray:
    numbers = _numbers(entry)
    if numbers.get(DTYPE) != FLOAT32 or numbers.get(SHARD, 0):
        raise ValueError("a tensor is not float32 in the first file")
    shape = [_numbers(dim).get(LENGTH, 0) for shape in _messages(entry, SHAPE) for dim in _messages(shape, DIM)]
    offset, n_bytes = numbers.get(OFFSET, 0), numbers.get(N_BYTES, 0)
    held = data[offset : offset + n_bytes]
    if not len(held) == n_bytes == 4 * math.prod(shape):
        raise ValueError(f"its data hold {len(held)} bytes for a tensor of shape {tuple(shape)}")
    return np.frombuffer(held, "<f4").reshape(shape)


def _numbers(message: bytes) -> dict[int, int]:
    return {field: value for field, value in _fields(message) if isinstance(value, int)}


def _messages(message: bytes, wanted: int) -> list[bytes]:
    return [value for field, value in _fields(message) if field == wanted and isinstance(value, bytes)]


def _fields(message: bytes) -> Iterator[tuple[int, int | bytes]]:
    """Yield the number and content of each field of a protobuf message."""
    cursor = _Cursor(message)
    while cursor.at < len(message):
        field, kind = divmod(cursor.varint(), 8)
        if kind == VARINT:
            yield field, cursor.varint()
        elif kind in (DELIMITED, *FIXED_BYTES):
            yield field, cursor.take(FIXED_BYTES.get(kind) or cursor.varint())
        else:
            raise ValueError(f"a message in it has a field of kind {kind}")
