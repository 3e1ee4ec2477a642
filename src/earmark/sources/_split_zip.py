"""A zip that was cut into pieces (`a.z01`, `a.z02`, … `a.zip`) is one archive again: its table is written anew.

Such pieces follow one another as bytes, but the table at the end says of each member in which piece it begins, and
where in that. zipfile knows nothing of pieces. It reads the table that stands last, so one that counts from the first
byte of all of them, put behind the last, makes it read them as they lie, and no joined copy is needed.

Layout: APPNOTE 6.3.10 of PKWARE, 4.3.12 to 4.3.16 (table and its ends), 4.5.3 (sizes of 8 bytes), 8.5 (pieces).
"""

import struct
from collections import deque
from collections.abc import Iterator, Sequence
from itertools import accumulate
from typing import IO

from earmark.sources._unfit import Unfit

ENTRY, END_64, LOCATOR, END = b"PK\x01\x02", b"PK\x06\x06", b"PK\x06\x07", b"PK\x05\x06"
ENTRY_BYTES, END_64_BYTES, LOCATOR_BYTES, END_BYTES = 46, 56, 20, 22
MOST_COMMENT_BYTES = (1 << 16) - 1
WIDE = 1  # the id of the extra field that holds what takes more than 4 bytes
IN_WIDE_2, IN_WIDE_4 = (1 << 16) - 1, (1 << 32) - 1


def table_of_all(file: IO[bytes], sizes: Sequence[int]) -> bytes:
    """Return the table of a split zip as one that begins behind its last piece; b"" for what is no split zip.

    `file` is all pieces, one after another, and `sizes` are their bytes. Raises Unfit where the table tells of another
    number of pieces; ValueError, LookupError or struct.error where it makes no sense.
    """
    total = sum(sizes)
    file.seek(max(0, total - MOST_COMMENT_BYTES - END_BYTES - LOCATOR_BYTES))
    tail = file.read()
    at = tail.rfind(END)
    if at < 0 or at + END_BYTES > len(tail):
        return b""
    last, piece, n_members, n_bytes, offset = struct.unpack_from("<4xHH2xHII", tail, at)
    located = tail[max(0, at - LOCATOR_BYTES) : at]
    is_wide = located.startswith(LOCATOR)
    n_pieces = struct.unpack_from("<16xI", located)[0] if is_wide and last == IN_WIDE_2 else last + 1
    if n_pieces <= 1:
        return b""
    if n_pieces != len(sizes):
        raise Unfit(
            f"was split into {n_pieces} pieces, and {len(sizes)} came", "Fetch them all, and name them in order."
        )
    starts = [0, *accumulate(sizes)]
    if is_wide:
        piece, offset = struct.unpack_from("<4xIQ", located)
        file.seek(starts[piece] + offset)
        piece, n_members, n_bytes, offset = struct.unpack("<20xI8xQQQ", file.read(END_64_BYTES))
    if starts[piece] + offset + n_bytes > total:
        raise ValueError("its table is longer than the archive")
    file.seek(starts[piece] + offset)
    table = b"".join(_entries(file.read(n_bytes), starts))
    return table + _ends(n_members, len(table), total)


def _entries(table: bytes, starts: Sequence[int]) -> Iterator[bytes]:
    """Yield each entry, its member's place counted from the first byte of all."""
    at = 0
    while at < len(table):
        packed, size, name, extra, comment, piece, offset = struct.unpack_from("<20xIIHHHH6xI", table, at)
        if not table.startswith(ENTRY, at):
            raise ValueError("its table has something else than an entry")
        behind = at + ENTRY_BYTES + name
        wide, rest = _parted(table[behind : behind + extra])
        size, packed, offset = (wide.popleft() if one == IN_WIDE_4 else one for one in (size, packed, offset))
        piece = wide.popleft() if piece == IN_WIDE_2 else piece
        all_wide = struct.pack("<HHQQQ", WIDE, 24, size, packed, starts[piece] + offset)
        yield table[at : at + 20] + struct.pack("<IIHHHH", *[IN_WIDE_4] * 2, name, len(all_wide + rest), comment, 0)
        yield table[at + 36 : at + 42] + struct.pack("<I", IN_WIDE_4) + table[at + ENTRY_BYTES : behind]
        yield all_wide + rest + table[behind + extra : behind + extra + comment]
        at = behind + extra + comment


def _parted(extra: bytes) -> tuple[deque[int], bytes]:
    """Return the numbers of the extra field for wide ones, the piece (of 4 bytes) last, and the other fields."""
    numbers, rest, at = deque[int](), b"", 0
    while at + 4 <= len(extra):
        kind, n_bytes = struct.unpack_from("<HH", extra, at)
        field = extra[at + 4 : at + 4 + n_bytes]
        if kind == WIDE:
            n_eights = len(field) // 8
            numbers += struct.unpack_from(f"<{n_eights}Q" + "I" * (len(field) % 8 == 4), field)
        else:
            rest += extra[at : at + 4 + n_bytes]
        at += 4 + n_bytes
    return numbers, rest


def _ends(n_members: int, n_bytes: int, start: int) -> bytes:
    """Return what stands behind a table: its wide end, where that is, and the end that says to look there."""
    told = (n_members, n_members, n_bytes, start)
    wide = END_64 + struct.pack("<QHHIIQQQQ", END_64_BYTES - 12, 45, 45, 0, 0, *told)
    locator = LOCATOR + struct.pack("<IQI", 0, start + n_bytes, 1)
    return wide + locator + END + struct.pack("<HHHHIIH", 0, 0, *[IN_WIDE_2] * 2, *[IN_WIDE_4] * 2, 0)
