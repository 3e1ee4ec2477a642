"""Archives as bytes: honest ones packed by the libraries, others written header by header, as no library would.

And what a test asks of them: what a folder holds, and that one is refused without a trace.
"""

import bz2
import gzip
import io
import lzma
import struct
import tarfile
import zipfile
import zlib
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import pytest

from earmark.errors import DataError
from earmark.sources import archives

COMPRESSED: dict[str, Callable[[bytes], bytes]] = {
    "tar.gz": gzip.compress,
    "tar.bz2": bz2.compress,
    "tar.xz": lzma.compress,
}
KINDS = ("zip", "tar", *COMPRESSED, "deb")
END_OF_TAR = bytes(1024)
SPLIT = b"PK\x07\x08"  # what stands before the first member of a split zip


def packed(kind: str, tree: Mapping[str, bytes]) -> bytes:
    """Pack files (path → content; a path that ends with "/" is an empty folder) as an archive of a kind."""
    if kind == "zip":
        return zipped(tree)
    if kind == "deb":
        return deb(packed("tar.xz", tree), "data.tar.xz")
    plain = b"".join(tar_member(path, content, b"5" if path.endswith("/") else b"0") for path, content in tree.items())
    return COMPRESSED.get(kind, bytes)(plain + END_OF_TAR)


def zipped(tree: Mapping[str, bytes]) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for path, content in tree.items():
            archive.writestr(path, content)
    return buffer.getvalue()


def tar_member(name: str, content: bytes = b"", kind: bytes = b"0", link: str = "", size: int | None = None) -> bytes:
    """Write a member by hand; `size` is what its header says, whatever its content.

    Names of more than 100 bytes need pax, which tarfile writes.
    """
    info = tarfile.TarInfo(name)
    info.type, info.linkname, info.mode = kind, link, 0o7000
    info.size = len(content) if size is None else size
    head = info.tobuf(tarfile.PAX_FORMAT, "utf-8", "surrogateescape")
    return head + content + bytes(-len(content) % 512)


def with_tar_checksum(head: bytes) -> bytes:
    """Return a tar's header with the checksum that its bytes ask for: their sum, it taken as spaces."""
    total = sum(head[:148]) + sum(head[156:512]) + 8 * 32
    return head[:148] + b"%06o\0 " % total + head[156:]


def deb(data: bytes, name: str) -> bytes:
    """Write a Debian package: an ar archive of a version, a control file and the files, at even places."""
    whole = b"!<arch>\n"
    for member, content in (("debian-binary", b"2.0\n"), ("control.tar.xz", b"odd"), (name, data)):
        whole += b"%-16s%-12d%-6d%-6d%-8o%-10d`\n" % (member.encode(), 0, 0, 0, 0o644, len(content))
        whole += content + b"\n" * (len(content) % 2)
    return whole


def zip_by_hand(
    name: bytes,
    content: bytes,
    *,
    says: int | None = None,
    crc: int | None = None,
    flags: int = 0,
    method: int = 8,
    mode: int = 0o100644,
) -> bytes:
    """Write a zip of one member, whose headers may lie about its size, check, encryption and method.

    Layout: APPNOTE 4.3.7, 4.3.12 and 4.3.16.
    """
    deflate = zlib.compressobj(9, zlib.DEFLATED, -15)
    body = deflate.compress(content) + deflate.flush()
    check, size = zlib.crc32(content) if crc is None else crc, len(content) if says is None else says
    shared = struct.pack("<HHHHHIIIHH", 20, flags, method, 0, 33, check, len(body), size, len(name), 0)
    local = b"PK\x03\x04" + shared + name + body
    central = b"PK\x01\x02" + struct.pack("<H", 3 << 8) + shared + struct.pack("<HHHII", 0, 0, 0, mode << 16, 0) + name
    end = b"PK\x05\x06" + struct.pack("<HHHHIIH", 0, 0, 1, 1, len(central), len(local), 0)
    return local + central + end


def split_zip(tree: Mapping[str, bytes], piece_bytes: int, *, is_wide: bool = False, comment: bytes = b"") -> bytes:
    """Write a zip that says to be in pieces of so many bytes, without compression; `is_wide`: with zip64's records.

    Layout: APPNOTE 4.3.7, 4.3.12, 4.3.14 to 4.3.16 and 4.5.3.
    """
    stream, table = SPLIT, b""
    for path, held in tree.items():
        piece, offset = divmod(len(stream), piece_bytes)
        name, other = path.encode(), struct.pack("<HHI", 0x5455, 4, 7)
        shared = struct.pack("<HHHHHI", 45, 0x800, 0, 0, 33, zlib.crc32(held))
        stream += b"PK\x03\x04" + shared + struct.pack("<IIHH", len(held), len(held), len(name), 0) + name + held
        extra, sizes, place = other, (len(held), len(held)), (piece, offset)
        if is_wide:
            extra += struct.pack("<HHQQQI", 1, 28, len(held), len(held), offset, piece)
            sizes, place = (0xFFFFFFFF,) * 2, (0xFFFF, 0xFFFFFFFF)
        lengths = struct.pack("<IIHHHHHI", *sizes, len(name), len(extra), 3, place[0], 0, 0o100644 << 16)
        table += b"PK\x01\x02" + struct.pack("<H", 3 << 8) + shared + lengths + struct.pack("<I", place[1])
        table += name + extra + b"odd"
    at, wide_at = len(stream), len(stream) + len(table)
    last = (wide_at + 76 * is_wide + 22 + len(comment) - 1) // piece_bytes
    n_members, (piece, offset) = len(tree), divmod(at, piece_bytes)
    stream += table
    if is_wide:
        told = (n_members, n_members, len(table), offset)
        stream += b"PK\x06\x06" + struct.pack("<QHHIIQQQQ", 44, 45, 45, last, piece, *told)
        stream += b"PK\x06\x07" + struct.pack("<IQI", *divmod(wide_at, piece_bytes), last + 1)
        end = struct.pack("<HHHHIIH", *(0xFFFF,) * 4, *(0xFFFFFFFF,) * 2, len(comment))
    else:
        end = struct.pack("<HHHHIIH", last, piece, n_members, n_members, len(table), offset, len(comment))
    return stream + b"PK\x05\x06" + end + comment


def content(folder: Path) -> dict[str, bytes]:
    """All files of a folder, hidden ones too, and what is empty of its folders."""
    found = {path.relative_to(folder).as_posix(): path for path in folder.rglob("*")}
    full = {path.parent for path in found.values()}
    return {
        name + "/" * path.is_dir(): b"" if path.is_dir() else path.read_bytes()
        for name, path in found.items()
        if path not in full
    }


def written(folder: Path, archive: bytes, n_pieces: int = 1, name: str = "archive") -> list[Path]:
    """Write an archive in a number of pieces of about one size."""
    step = max(1, -(-len(archive) // n_pieces))
    paths = []
    for number, start in enumerate(range(0, len(archive), step)):
        paths.append(folder / f"{name}.{number:03}")
        paths[-1].write_bytes(archive[start : start + step])
    return paths


def refusal(parts: Sequence[Path], tmp_path: Path) -> str:
    """Assert that an archive is refused and leaves no trace; return what was said."""
    folder = tmp_path / "top" / "folder"
    (folder / "set").mkdir(parents=True)
    (folder / "set" / "mine").write_bytes(b"mine")
    before = content(tmp_path)
    with pytest.raises(DataError) as caught:
        archives.unpack(parts, folder)
    assert content(tmp_path) == before
    assert str(parts[0]) in str(caught.value)
    return str(caught.value)


def refusal_of(archive: bytes, tmp_path: Path) -> str:
    return refusal(written(tmp_path, archive), tmp_path)
