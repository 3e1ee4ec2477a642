"""The part of a file that is here already: `.<name>.part` beside the file's place, and a note of whose bytes it holds.

Only bytes known to be on the disk count. The note says how many those are; it is written when a download breaks off
and every `SYNC_EVERY` bytes, so that even a killed process or a power loss costs no more than those.
"""

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self

from earmark import durable

WRITE_BYTES = 1 << 20
SYNC_EVERY = 32 << 20


@dataclass
class Part:
    """The first bytes of a file, and the URL, validator (ETag or Last-Modified) and total size they came under.

    `is_mixed`: they came over more than one connection, so that they may be of two versions of the file.
    """

    path: Path
    url: str = ""
    validator: str = ""
    total: int | None = None
    is_mixed: bool = False
    _kept: int = 0
    _written: int = 0
    _buffer: bytearray = field(default_factory=bytearray)

    @classmethod
    def of(cls, target: Path) -> Self:
        """Return the part of a file, cut to what is known to be on the disk; empty where there is none."""
        part = cls(target.with_name(f".{target.name}.part"))
        if not part._note.exists() or not part.path.exists():
            return part
        note = json.loads(part._note.read_bytes())
        size = part.path.stat().st_size
        if 0 < note["kept"] <= size:
            if note["kept"] < size:
                durable.cut(part.path, note["kept"])
            part.url, part.validator, part.total = note["url"], note["validator"], note["total"]
            part._kept = part._written = note["kept"]
        return part

    @property
    def size(self) -> int:
        """How many bytes are here."""
        return self._written + len(self._buffer)

    @property
    def _note(self) -> Path:
        return self.path.with_name(f"{self.path.name}.json")

    def begin(self, url: str, validator: str, total: int | None) -> None:
        """Forget what is here and begin anew with a file on a server."""
        self.url, self.validator, self.total = url, validator, total
        self._kept, self._written, self.is_mixed = 0, 0, False
        self._buffer.clear()
        if self._note.exists():  # overwritten, not removed: a removed one may return after a power loss
            self._write_note()
        durable.remove(self.path)

    def write(self, chunk: bytes) -> None:
        """Add bytes; what is not yet `keep`-ed may be lost."""
        self._buffer += chunk
        if len(self._buffer) >= WRITE_BYTES:
            self._flush()
            if self._written - self._kept >= SYNC_EVERY:
                self.keep()

    def keep(self) -> None:
        """Bring all that is here onto the disk, and note it unless it is the whole file."""
        self._flush()
        if self._written > self._kept or not self.path.exists():
            durable.append(self.path, b"", sync=True)
            self._kept = self._written
        if self.size != self.total:
            self._write_note()

    def become(self, target: Path) -> None:
        """Give the part, which is whole and kept, its final name."""
        durable.replace(self.path, target)
        self._remove_note()

    def drop(self) -> None:
        """Remove the part and its note."""
        if self.path.exists():
            durable.remove(self.path)
        self._remove_note()
        self._kept, self._written, self.total = 0, 0, None
        self._buffer.clear()

    def _flush(self) -> None:
        if self._buffer:
            durable.append(self.path, self._buffer, sync=False)
            self._written += len(self._buffer)
            self._buffer = bytearray()

    def _write_note(self) -> None:
        note = {"url": self.url, "validator": self.validator, "total": self.total, "kept": self._kept}
        durable.write_file(self._note, json.dumps(note).encode())

    def _remove_note(self) -> None:
        if self._note.exists():
            durable.remove(self._note)
