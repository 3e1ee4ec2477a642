"""Reading an archive: its members in order, whatever its kind, each known by the bytes and not by the name.

Reads zip (a wheel is one), tar (also .gz, .bz2, .xz) and Debian's .deb, from one file or from pieces that follow one
another; a zip also where `zip -s` made them. What cannot be read, or holds less than it says, raises `Unfit`; tarfile
and zipfile alone let much of it pass.
"""

import bz2
import contextlib
import gzip
import io
import lzma
import stat
import struct
import subprocess
import tarfile
import zipfile
import zlib
from collections.abc import Callable, Generator, Iterator, Sequence
from itertools import pairwise
from pathlib import Path
from typing import IO, TYPE_CHECKING, NamedTuple, cast

from earmark.errors import MissingPart
from earmark.sources import _split_zip
from earmark.sources._unfit import AGAIN, BY_HAND, DISTRUST, Unfit

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer

CHUNK_BYTES = 1 << 20
# Headers that describe another header, by a longer name for instance, are read into memory as a whole.
MOST_HEADER_BYTES = 1 << 20
DESCRIBING = (tarfile.XHDTYPE, tarfile.XGLTYPE, tarfile.SOLARIS_XHDTYPE, tarfile.GNUTYPE_LONGNAME)
# A tar is padded behind its end to whole records, by some writers of 1 MiB.
MOST_PADDING_BYTES = 64 << 20
BLOCK_BYTES = 512

# A member, the end of an empty one, and what stands before the first member of one that was, or was to be, split.
ZIP_BEGINS = (b"PK\x03\x04", b"PK\x05\x06", b"PK\x07\x08", b"PK00")
ZIP_METHODS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA)
ZIP_ENCRYPTED, ZIP_NAME_IS_UTF8, ZIP_MADE_ON_UNIX = 0x2041, 0x800, 3
SMALLEST_ZIP_HEADER_BYTES = 30
ZSTANDARD = b"\x28\xb5\x2f\xfd"

# What the readers raise for bytes that they cannot make sense of; an OSError too, then without an errno.
DAMAGE = (
    *(tarfile.TarError, zipfile.BadZipFile, zlib.error, lzma.LZMAError, struct.error),
    *(EOFError, NotImplementedError, RecursionError, ValueError, OverflowError, LookupError),
)


class Entry(NamedTuple):
    """A member as its header says; `oddity` is "" for a file or folder, else what it is instead.

    `packed_bytes` is None where members are compressed together. `open` may be called until the next is asked for.
    """

    name: str
    size: int
    is_folder: bool
    oddity: str
    packed_bytes: int | None
    open: Callable[[], IO[bytes]]

    def chunks(self) -> Iterator[bytes]:
        """Read the content: exactly as many bytes as its header says, or Unfit is raised."""
        n_bytes = 0
        with _telling_damage(f"member '{self.name}' is damaged"), self.open() as content:
            # zipfile and tarfile never give more than the header says, so one that lies ends there or fails its CRC.
            while chunk := content.read(CHUNK_BYTES):
                n_bytes += len(chunk)
                yield chunk
        if n_bytes != self.size:
            raise Unfit(f"member '{self.name}' has {n_bytes:,} of the {self.size:,} bytes that it says", AGAIN)


def entries(parts: Sequence[Path]) -> Generator[Entry]:
    """Go through the members of an archive in order; at its end all of it has been read and found whole."""
    spans = [(part, 0, part.stat().st_size) for part in parts]
    with _telling_damage("is damaged"), _joined(spans) as file:
        magic = file.read(8)
        file.seek(0)
        if magic.startswith(ZIP_BEGINS):
            table = _split_zip.table_of_all(file, [size for _, _, size in spans])
            with _joined([*spans, (table, 0, len(table))]) as whole:
                yield from _of_zip(whole)
        elif magic == b"!<arch>\n":
            yield from _of_deb(parts[0], file)
        else:
            yield from _of_tar(_checked_tar(file))


@contextlib.contextmanager
def _telling_damage(what: str) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        if error.errno is not None:
            raise
        raise Unfit(f"{what} ({error})", AGAIN) from error
    except DAMAGE as error:
        raise Unfit(f"{what} ({str(error) or type(error).__name__})", AGAIN) from error


def _of_zip(file: IO[bytes]) -> Iterator[Entry]:
    with zipfile.ZipFile(file) as archive:
        members = archive.infolist()
        for first, second in pairwise(sorted(members, key=lambda member: member.header_offset)):
            if first.header_offset + SMALLEST_ZIP_HEADER_BYTES + first.compress_size > second.header_offset:
                raise Unfit(f"members '{first.filename}' and '{second.filename}' share bytes, as in a bomb", BY_HAND)
        for member in members:
            opened = cast("Callable[[], IO[bytes]]", lambda member=member: archive.open(member))
            packed = member.compress_size
            yield Entry(_zip_name(member), member.file_size, member.is_dir(), _zip_oddity(member), packed, opened)


def _zip_name(member: zipfile.ZipInfo) -> str:
    """Return a name as it was meant: macOS writes UTF-8 and does not say so. A NUL, where zipfile cuts, stays."""
    name = member.orig_filename
    if not member.flag_bits & ZIP_NAME_IS_UTF8:
        with contextlib.suppress(UnicodeError):
            return name.encode("cp437").decode("utf-8")
    return name


def _zip_oddity(member: zipfile.ZipInfo) -> str:
    if member.flag_bits & ZIP_ENCRYPTED:
        return "encrypted"
    if member.compress_type not in ZIP_METHODS:
        return f"packed by method {member.compress_type}, which Python cannot read"
    mode = stat.S_IFMT(member.external_attr >> 16) if member.create_system == ZIP_MADE_ON_UNIX else 0
    return "" if mode in (0, stat.S_IFREG, stat.S_IFDIR) else "a link or a device"


class _StrictInfo(tarfile.TarInfo):
    """A tar's header. One that is damaged or missing is an error; tarfile takes either for the end of the archive."""

    @classmethod
    def frombuf(cls, buf: bytes | bytearray, encoding: str, errors: str) -> "_StrictInfo":
        try:
            info = super().frombuf(buf, encoding, errors)
        except tarfile.HeaderError as error:
            if buf and not any(buf):
                raise
            raise tarfile.ReadError(f"neither a member nor the end where one is due: {error}") from None
        if info.size < 0 or (info.type in (*DESCRIBING, tarfile.GNUTYPE_LONGLINK) and info.size > MOST_HEADER_BYTES):
            raise tarfile.ReadError(f"a header of {info.size} bytes")
        return info


def _of_tar(stream: IO[bytes]) -> Iterator[Entry]:
    with tarfile.open(fileobj=stream, mode="r|", bufsize=1 << 16, tarinfo=_StrictInfo) as archive:
        while member := archive.next():
            # It keeps all it saw: a gigabyte where a dataset has a million files.
            archive.members.clear()  # type: ignore[attr-defined]  # typeshed lacks it
            is_plain = member.isdir() or (member.isreg() and not member.issparse())
            oddity = "" if is_plain else "a link, a device or sparse"
            opened = cast("Callable[[], IO[bytes]]", lambda member=member: archive.extractfile(member))
            yield Entry(member.name, member.size, member.isdir(), oddity, None, opened)
    # The decompressor's own check comes last.
    n_bytes = 0
    while chunk := stream.read(CHUNK_BYTES):
        n_bytes += len(chunk)
        if n_bytes > MOST_PADDING_BYTES:
            raise Unfit("goes on after its end", DISTRUST)


def _checked_tar(file: IO[bytes]) -> IO[bytes]:
    """Return a tar as it is before compression. Raises Unfit for what is none."""
    begin = file.read(6)
    file.seek(0)
    stream: IO[bytes] = file
    if begin.startswith(b"\x1f\x8b"):
        stream = cast("IO[bytes]", gzip.GzipFile(fileobj=file))
    elif begin.startswith(b"BZh"):
        stream = bz2.BZ2File(file)
    elif begin == b"\xfd7zXZ\0":
        stream = lzma.LZMAFile(file)  # noqa: SIM115  # what it reads is closed by whoever opened that
    head = stream.read(BLOCK_BYTES)
    stream.seek(0)
    try:
        tarfile.TarInfo.frombuf(head, "utf-8", "surrogateescape")
    except tarfile.HeaderError:
        if len(head) < BLOCK_BYTES or any(head):
            known = "zip, tar, tar.gz, tar.bz2, tar.xz or deb"
            raise Unfit(f"is no archive ({known}): it begins with {head[:20]!r}", AGAIN) from None
    return stream


def _of_deb(path: Path, file: IO[bytes]) -> Iterator[Entry]:
    """Go through a Debian package's files. Layout: deb(5) and ar(5): headers of 60 bytes, contents at even places."""
    place = 8
    while True:
        file.seek(place)
        name, digits = struct.unpack("16s32x10s2x", file.read(60))
        size = int(b"0" + digits)  # and so never negative
        place += 60
        if name.startswith(b"data.tar"):
            break
        place += size + size % 2
    if file.read(4) == ZSTANDARD:
        yield from _of_piped_deb(path)
    else:
        with _joined([(path, place, size)]) as inner:
            yield from _of_tar(_checked_tar(inner))


def _of_piped_deb(path: Path) -> Iterator[Entry]:
    """Go through a package whose files are packed by Zstandard, which Python reads from 3.14 on only."""
    command = ["dpkg-deb", "--fsys-tarfile", str(path)]
    try:
        process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    except FileNotFoundError:
        line = "apt-get install dpkg"
        raise MissingPart(f"{path}: is packed by Zstandard, which needs dpkg-deb. Type: {line}") from None
    with process:
        yield from _of_tar(cast("IO[bytes]", process.stdout))
    if process.returncode:
        raise Unfit(f"is damaged (dpkg-deb ended with {process.returncode})", AGAIN)


def _joined(spans: Sequence[tuple[Path | bytes, int, int]]) -> io.BufferedReader:
    return io.BufferedReader(_Spans(spans), buffer_size=1 << 17)


class _Spans(io.RawIOBase):
    """Ranges (file or what it would hold, start, bytes) of one or several files, read as if they were one file."""

    def __init__(self, spans: Sequence[tuple[Path | bytes, int, int]]) -> None:
        self._spans = spans
        self._size = sum(size for _, _, size in spans)
        self._place = 0
        self._opened: tuple[Path | bytes, IO[bytes]] | None = None

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        self._place = max(0, offset + (0, self._place, self._size)[whence])
        return self._place

    def readinto(self, buffer: "WriteableBuffer") -> int:
        view = memoryview(buffer)
        place = self._place
        for held, start, size in self._spans:
            if place < size:
                file = self._file(held)
                file.seek(start + place)
                content = file.read(min(len(view), size - place))
                view[: len(content)] = content
                self._place += len(content)
                return len(content)
            place -= size
        return 0

    def _file(self, held: Path | bytes) -> IO[bytes]:
        if self._opened is None or self._opened[0] is not held:
            self._close_file()
            self._opened = held, io.BytesIO(held) if isinstance(held, bytes) else held.open("rb", buffering=0)
        return self._opened[1]

    def _close_file(self) -> None:
        if self._opened is not None:
            self._opened[1].close()

    def close(self) -> None:
        self._close_file()
        super().close()
