"""What is unsafe, swells or lies is refused, by name and with a reason, and leaves no trace."""

import gzip
import os
import stat
import struct
import tarfile
import zlib
from pathlib import Path

import pytest

from earmark.errors import DataError
from earmark.sources import _members, archives
from tests.sources.archive_bytes import (
    END_OF_TAR,
    content,
    deb,
    packed,
    refusal,
    refusal_of,
    tar_member,
    with_tar_checksum,
    written,
    zip_by_hand,
    zipped,
)


@pytest.fixture(autouse=True)
def _no_sync_of_every_disk(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "sync", lambda: None)


LEADING_OUT = {
    "../evil": "leads out of its folder",
    "set/../../evil": "leads out of its folder",
    "..": "leads out of its folder",
    "/tmp/evil": "is not a relative path",
    "C:/evil": "is not a relative path",
    "C:evil": "is not a relative path",
    "..\\evil": "has a backslash",
    "set\\evil": "has a backslash",
    "a\nb": "control character",
    "a" * 256: "has a longer path",
    "a/" * 65 + "b": "has a longer path",
    "/".join(["abcdefghi" * 20] * 6): "has a longer path",
}


@pytest.mark.parametrize("kind", ["zip", "tar"])
@pytest.mark.parametrize(("name", "why"), LEADING_OUT.items())
def test_a_member_whose_path_leads_elsewhere_is_refused(kind: str, name: str, why: str, tmp_path: Path) -> None:
    said = refusal_of(packed(kind, {"honest": b"1", name: b"evil"}), tmp_path)
    assert why in said
    assert "Nothing of it was unpacked" in said
    assert "do not use this archive" in said


ODD = {
    "a symbolic link": (tarfile.SYMTYPE, "../../evil"),
    "a link to a file of the archive": (tarfile.SYMTYPE, "honest"),
    "a hard link": (tarfile.LNKTYPE, "/etc/passwd"),
    "a character device": (tarfile.CHRTYPE, ""),
    "a block device": (tarfile.BLKTYPE, ""),
    "a fifo": (tarfile.FIFOTYPE, ""),
    "a sparse file": (tarfile.GNUTYPE_SPARSE, ""),
    "of an unknown type": (b"9", ""),
}


@pytest.mark.parametrize(("kind", "link"), ODD.values(), ids=ODD)
def test_a_member_that_is_no_file_or_folder_is_refused(kind: bytes, link: str, tmp_path: Path) -> None:
    archive = tar_member("honest", b"1") + tar_member("odd", b"", kind, link) + tar_member("odd/evil", b"2")
    assert "member 'odd' is a link, a device or sparse" in refusal_of(archive + END_OF_TAR, tmp_path)


@pytest.mark.parametrize("kind", [stat.S_IFLNK, stat.S_IFCHR, stat.S_IFIFO])
def test_a_link_or_device_in_a_zip_is_refused(kind: int, tmp_path: Path) -> None:
    archive = zip_by_hand(b"odd", b"/etc/passwd", mode=kind | 0o777)
    assert "member 'odd' is a link or a device" in refusal_of(archive, tmp_path)


def test_a_name_that_is_not_utf_8_is_refused(tmp_path: Path) -> None:
    archive = tar_member("caf\udce9.wav", b"1") + END_OF_TAR
    assert "has a name that is not UTF-8" in refusal_of(archive, tmp_path)


def test_a_nul_in_a_name_does_not_hide_its_end(tmp_path: Path) -> None:
    assert "control character" in refusal_of(zip_by_hand(b"a.wav\0.exe", b"1"), tmp_path)


def test_a_name_that_macos_did_not_declare_as_utf_8_is_read_as_such(tmp_path: Path) -> None:
    (path,) = archives.unpack(written(tmp_path, zip_by_hand("ü.wav".encode(), b"1")), tmp_path / "out")
    assert path.name == "ü.wav"
    (path,) = archives.unpack(written(tmp_path, zip_by_hand(b"\x81.wav", b"1")), tmp_path / "dos")
    assert path.name == "ü.wav", "0x81 in code page 437"


@pytest.mark.parametrize("kind", ["zip", "tar"])
@pytest.mark.parametrize("second", ["set/a", "set/./a", "set//a"])
@pytest.mark.filterwarnings("ignore:Duplicate name:UserWarning:zipfile")
def test_two_members_of_one_path_are_refused(kind: str, second: str, tmp_path: Path) -> None:
    if kind == "tar":
        archive = tar_member("set/a", b"1") + tar_member(second, b"2") + END_OF_TAR
    else:
        archive = zipped({"set/a": b"1", "set/bb": b"2"} if second == "set/a" else {"set/a": b"1", second: b"2"})
        archive = archive.replace(b"set/bb", b"set//a") if second == "set/a" else archive
    assert "has two members 'set/a'" in refusal_of(archive, tmp_path)


@pytest.mark.parametrize("kind", ["zip", "tar.gz"])
@pytest.mark.parametrize("names", [("a", "a/b"), ("a/b", "a"), ("a/", "a")])
def test_a_path_is_not_both_a_file_and_a_folder(kind: str, names: tuple[str, str], tmp_path: Path) -> None:
    archive = packed(kind, dict.fromkeys(names, b""))
    assert "has 'a' both as a file and as a folder" in refusal_of(archive, tmp_path)


def test_a_zip_bomb_is_refused_by_what_its_header_says(tmp_path: Path) -> None:
    said = refusal_of(zip_by_hand(b"bomb", bytes(1 << 20), says=(1 << 30) - 1), tmp_path)
    assert "to 1,073,741,823 bytes at member 'bomb', as bombs do" in said


def test_a_tar_bomb_is_refused_before_it_is_decompressed(tmp_path: Path) -> None:
    archive = packed("tar.gz", {"honest": b"1"})
    bomb = gzip.compress(tar_member("honest", b"1") + tar_member("bomb", b"", size=101 << 20) + END_OF_TAR)
    assert archives.unpack(written(tmp_path, archive), tmp_path / "out")
    (tmp_path / "bombs").mkdir()
    assert "at member 'bomb', as bombs do" in refusal_of(bomb, tmp_path / "bombs")


def test_many_small_files_are_no_bomb_for_the_disk_they_round_up_to(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(archives, "HARMLESS_BYTES", 1 << 10)
    tree = {f"{number:03}.json": b"{}" for number in range(600)}
    assert len(archives.unpack(written(tmp_path, packed("tar.xz", tree)), tmp_path / "out")) == 600


def test_what_the_disk_cannot_hold_is_refused_with_both_numbers(tmp_path: Path) -> None:
    archive = tar_member("huge", b"", size=8**11 * 2**20) + END_OF_TAR
    assert "needs at least 9,007,199,254,740,992 bytes, and the disk has" in refusal_of(archive, tmp_path)


def test_members_that_share_bytes_are_refused(tmp_path: Path) -> None:
    archive = bytearray(zipped({"a": b"1" * 50, "b": b"1" * 50}))
    places = [place for place in range(len(archive)) if archive.startswith(b"PK\x01\x02", place)]
    struct.pack_into("<I", archive, places[1] + 42, 1)  # offset of b's local header
    assert "members 'a' and 'b' share bytes, as in a bomb" in refusal_of(bytes(archive), tmp_path)


def test_more_members_than_any_dataset_has_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(archives, "MOST_MEMBERS", 3)
    archives.unpack(written(tmp_path, packed("tar", dict.fromkeys("abc", b""))), tmp_path / "out")
    (tmp_path / "many").mkdir()
    assert "has more than 3 members" in refusal_of(packed("tar", dict.fromkeys("abcd", b"")), tmp_path / "many")


def test_a_zip_that_says_less_than_it_holds_is_stopped_at_what_it_says(tmp_path: Path) -> None:
    assert "Bad CRC-32" in refusal_of(zip_by_hand(b"a", b"12345678", says=4), tmp_path)
    forged = zip_by_hand(b"a", b"12345678", says=4, crc=zlib.crc32(b"1234"))
    archives.unpack(written(tmp_path, forged), tmp_path / "out")
    assert content(tmp_path / "out") == {"a": b"1234"}


def test_a_zip_that_says_more_than_it_holds_is_refused(tmp_path: Path) -> None:
    assert "member 'a' has 8 of the 9 bytes that it says" in refusal_of(
        zip_by_hand(b"a", b"12345678", says=9), tmp_path
    )


@pytest.mark.parametrize(
    ("archive", "why"),
    [
        (zip_by_hand(b"a", b"1", flags=1), "member 'a' is encrypted"),
        (zip_by_hand(b"a", b"1", method=9), "member 'a' is packed by method 9, which Python cannot read"),
    ],
    ids=["encrypted", "deflate64"],
)
def test_a_zip_that_cannot_be_read_says_that_it_may_be_unpacked_by_hand(
    archive: bytes, why: str, tmp_path: Path
) -> None:
    said = refusal_of(archive, tmp_path)
    assert why in said
    assert "unpack it by hand" in said


def test_a_wrong_check_is_found_in_every_kind(tmp_path: Path) -> None:
    said = {}
    for kind in ("zip", "tar.gz", "tar.bz2", "tar.xz"):
        (tmp_path / kind).mkdir()
        archive = bytearray(packed(kind, {"a": b"content " * 9}))
        # Where the check is: in a zip's directory, in gzip's, bzip2's and xz's last bytes.
        place = archive.index(b"PK\x01\x02") + 16 if kind == "zip" else len(archive) - 8
        archive[place] ^= 1
        said[kind] = refusal_of(bytes(archive), tmp_path / kind)
    assert all("is damaged" in text and "fetch it again" in text for text in said.values())


LINE = b"8 a=bcd\n"
HOSTILE_TARS = {
    "a description of 2 GiB": (tar_member("x", b"", tarfile.XHDTYPE, size=2 << 30), "a header of 2147483648 bytes"),
    "a name of 2 GiB": (tar_member("x", b"", tarfile.GNUTYPE_LONGNAME, size=2 << 30), "a header of 2147483648 bytes"),
    "a size below zero": (
        with_tar_checksum(tar_member("x")[:124] + b"\xff" * 12 + tar_member("x")[136:]),
        "a header of -1 bytes",
    ),
    "a described size below zero": (
        tar_member("x", b"13 size=-512\n", tarfile.XHDTYPE) + tar_member("y"),
        "member 'y' says that it has -512 bytes",
    ),
    "descriptions of descriptions": (tar_member("x", LINE, tarfile.XHDTYPE) * 2000, "recursion"),
    "a description of nothing": (tar_member("x", LINE, tarfile.XHDTYPE), "is damaged"),
    "a damaged header in the middle": (tar_member("x") + b"\1" * 512 + tar_member("y"), "neither a member nor the end"),
}


@pytest.mark.parametrize(("archive", "why"), HOSTILE_TARS.values(), ids=HOSTILE_TARS)
def test_a_tar_made_to_trap_its_reader_is_refused(archive: bytes, why: str, tmp_path: Path) -> None:
    assert why in refusal_of(archive + END_OF_TAR, tmp_path)


def test_a_tar_without_its_end_is_refused(tmp_path: Path) -> None:
    assert "neither a member nor the end" in refusal_of(tar_member("a", b"1"), tmp_path)


def test_a_tar_that_goes_on_and_on_after_its_end_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_members, "MOST_PADDING_BYTES", 1 << 20)
    archives.unpack(written(tmp_path, tar_member("a") + bytes(1 << 20)), tmp_path / "out")
    (tmp_path / "long").mkdir()
    assert "goes on after its end" in refusal_of(tar_member("a") + bytes(3 << 20), tmp_path / "long")


@pytest.mark.parametrize(
    "size", [b"-60", b"0x9", b"999"], ids=["a size below zero", "a size that is no number", "a size beyond the end"]
)
def test_a_package_of_debian_that_misleads_is_refused(size: bytes, tmp_path: Path) -> None:
    whole = deb(packed("tar.xz", {"a": b"1"}), "data.tar.xz")
    at = whole.index(b"control.tar.xz") + 48
    assert "is damaged" in refusal_of(whole[:at] + size.ljust(10) + whole[at + 10 :], tmp_path)


def test_what_is_no_archive_is_shown(tmp_path: Path) -> None:
    said = refusal_of(b"<!DOCTYPE html><title>Not found</title>" + b" " * 600, tmp_path)
    assert "is no archive (zip, tar, tar.gz, tar.bz2, tar.xz or deb): it begins with b'<!DOCTYPE html><titl'" in said
    (tmp_path / "gz").mkdir()
    assert "it begins with b'x;y" in refusal_of(gzip.compress(b"x;y\n" * 200), tmp_path / "gz")


def test_pieces_out_of_order_are_refused(tmp_path: Path) -> None:
    parts = written(tmp_path, zipped({"a": os.urandom(999)}), 3)
    assert " … archive.001: " in refusal([parts[0], parts[2], parts[1]], tmp_path)


def test_a_piece_that_is_not_there_is_named(tmp_path: Path) -> None:
    parts = written(tmp_path, zipped({"a": bytes(999)}), 3)
    parts[1].unlink()
    with pytest.raises(DataError, match=r"could not be unpacked into '.*out': .*archive\.001'"):
        archives.unpack(parts, tmp_path / "out")
