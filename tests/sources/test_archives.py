"""An honest archive is unpacked whole; a damaged, unsafe or swelling one leaves nothing, and says why."""

import contextlib
import itertools
import logging
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import hypothesis
import pytest
from hypothesis import strategies as st

from earmark.errors import DataError, MissingPart
from earmark.sources import archives
from earmark.sources._members import ZSTANDARD
from tests.sources.archive_bytes import END_OF_TAR, KINDS, content, deb, packed, tar_member, written, zip_by_hand

TREE = {"set/a.wav": b"one" * 5000, "set/deep/b.wav": b"", "set/ü.csv": b"x;y\n", "readme": b"hello"}
names = st.text(
    st.characters(codec="utf-8", exclude_characters="/\\", exclude_categories=["Cc"]), min_size=1, max_size=9
)
KILLED = 137
CONTROL = b"Package: a\nVersion: 1\nArchitecture: all\nMaintainer: a <a@b.c>\nDescription: a\n"


@pytest.fixture(autouse=True)
def _no_sync_of_every_disk(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "sync", lambda: None)


@st.composite
def trees(draw: st.DrawFn) -> dict[str, bytes]:
    """Files in folders; a number in each file's name keeps it from being another's folder, or what macOS adds."""
    paths = draw(st.lists(st.lists(names, min_size=1, max_size=4), min_size=1, max_size=6))
    held = draw(st.lists(st.binary(max_size=2000), min_size=len(paths), max_size=len(paths)))
    return {
        "/".join([*(f"in {part}" for part in parts[:-1]), f"{number} {parts[-1]}"]): content
        for number, (parts, content) in enumerate(zip(paths, held, strict=True))
    }


@hypothesis.given(trees(), st.sampled_from(KINDS), st.integers(1, 4))
def test_an_honest_tree_survives_packing_and_unpacking(tree: dict[str, bytes], kind: str, n_pieces: int) -> None:
    with tempfile.TemporaryDirectory() as name:
        parts = written(Path(name), packed(kind, tree), 1 if kind == "deb" else n_pieces)
        told: list[int] = []
        paths = archives.unpack(parts, Path(name) / "a" / "b", told.append)
        assert content(Path(name) / "a" / "b") == tree
        assert list(paths) == sorted(Path(name) / "a" / "b" / path for path in tree)
        assert sum(told) == sum(map(len, tree.values()))


@pytest.mark.parametrize("kind", KINDS)
def test_a_folder_without_files_is_made(kind: str, tmp_path: Path) -> None:
    assert archives.unpack(written(tmp_path, packed(kind, {"./": b"", "a/b/": b""})), tmp_path / "out") == ()
    assert content(tmp_path / "out") == {"a/b/": b""}


@hypothesis.given(st.sampled_from(KINDS), st.floats(0, 1, exclude_max=True))
def test_a_truncated_archive_is_refused_or_had_lost_only_padding(kind: str, share: float) -> None:
    whole = packed(kind, TREE)
    cut = whole[: int(share * len(whole))]
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name) / "out"
        folder.mkdir()
        parts = [Path(name) / "archive"]
        parts[0].write_bytes(cut)
        try:
            archives.unpack(parts, folder)
        except DataError:
            assert content(folder) == {}
        else:
            assert content(folder) == TREE
            assert not any(whole[len(cut) :])


@hypothesis.settings(max_examples=300)
@hypothesis.given(st.sampled_from(KINDS), st.data())
def test_a_damaged_archive_raises_nothing_but_data_errors(kind: str, data: st.DataObject) -> None:
    damaged = bytearray(packed(kind, TREE))
    for _ in range(data.draw(st.integers(1, 4))):
        damaged[data.draw(st.integers(0, len(damaged) - 1))] = data.draw(st.integers(0, 255))
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name) / "top" / "out"
        folder.mkdir(parents=True)
        parts = [Path(name) / "archive"]
        parts[0].write_bytes(damaged)
        try:
            paths = archives.unpack(parts, folder)
        except DataError:
            assert content(folder) == {}
        else:
            assert set(paths) == {path for path in folder.rglob("*") if path.is_file()}
        assert {path.name for path in Path(name).iterdir()} == {"archive", "top"}
        assert [path.name for path in (Path(name) / "top").iterdir()] == ["out"]


def test_a_name_that_macos_did_not_declare_as_utf_8_is_read_as_such(tmp_path: Path) -> None:
    (path,) = archives.unpack(written(tmp_path, zip_by_hand("ü.wav".encode(), b"1")), tmp_path / "out")
    assert path.name == "ü.wav"
    (path,) = archives.unpack(written(tmp_path, zip_by_hand(b"\x81.wav", b"1")), tmp_path / "dos")
    assert path.name == "ü.wav", "0x81 in code page 437"


def test_a_kind_is_known_by_its_bytes(tmp_path: Path) -> None:
    for kind in KINDS:
        archives.unpack(written(tmp_path, packed(kind, TREE), name="audio.zip"), tmp_path / kind)
        assert content(tmp_path / kind) == TREE


def test_what_macos_adds_is_left_out_and_counted(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    junk = ["__MACOSX/set/._a.wav", "set/._a.wav", "set/.DS_Store", "__MACOSX/", ".DS_Store"]
    parts = written(tmp_path, packed("zip", {**TREE, **dict.fromkeys(junk, b"junk")}))
    with caplog.at_level(logging.INFO, "earmark.sources"):
        paths = archives.unpack(parts, tmp_path / "out")
    assert (content(tmp_path / "out"), len(paths)) == (TREE, len(TREE))
    assert [record.getMessage().partition(": ")[2] for record in caplog.records] == [
        "left out 5 members that macOS added"
    ]


def test_permissions_are_those_of_any_new_file(tmp_path: Path) -> None:
    (tmp_path / "new").write_bytes(b"")
    expected = (tmp_path / "new").stat().st_mode
    (path,) = archives.unpack(written(tmp_path, tar_member("setuid", b"1") + END_OF_TAR), tmp_path / "out")
    assert path.stat().st_mode == expected


def test_what_is_unpacked_joins_what_is_there(tmp_path: Path) -> None:
    folder = tmp_path / "out"
    mine = {"set/mine": b"mine", "set/deep/mine": b"mine", "other": b"mine", "set/a.wav": b"old"}
    for path, held in mine.items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_bytes(held)
    archives.unpack(written(tmp_path, packed("tar", TREE)), folder)
    assert content(folder) == {**mine, **TREE}


@pytest.mark.parametrize(
    ("mine", "why"),
    [("set", "has a folder 'set', and"), ("readme/mine", "has a file 'readme', and"), ("set/deep", "'set/deep', and")],
)
def test_what_stands_in_the_way_is_named_and_kept(mine: str, why: str, tmp_path: Path) -> None:
    folder = tmp_path / "out"
    (folder / mine).parent.mkdir(parents=True)
    (folder / mine).write_bytes(b"mine")
    with pytest.raises(DataError, match=why):
        archives.unpack(written(tmp_path, packed("zip", TREE)), folder)
    assert content(folder) == {mine: b"mine"}


def test_a_folder_linked_elsewhere_by_its_owner_is_followed(tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "large disk").mkdir()
    (tmp_path / "out" / "set").symlink_to(tmp_path / "large disk")
    archives.unpack(written(tmp_path, packed("zip", TREE)), tmp_path / "out")
    assert (tmp_path / "large disk" / "deep" / "b.wav").is_file()


def test_everything_is_on_the_disk_before_it_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[str] = []
    rename = Path.replace
    monkeypatch.setattr(os, "sync", lambda: calls.append("sync"))

    def recording(path: Path, target: Path) -> Path:
        calls.append(target.name)
        return rename(path, target)

    monkeypatch.setattr(Path, "replace", recording)
    archives.unpack(written(tmp_path, packed("zip", TREE)), tmp_path / "out")
    assert calls == ["sync", "readme", "set"]


def test_an_advance_that_fails_is_not_taken_for_damage(tmp_path: Path) -> None:
    def stop(n_bytes: int) -> None:
        raise ValueError(n_bytes)

    with pytest.raises(ValueError, match="15000"):
        archives.unpack(written(tmp_path, packed("tar.gz", TREE)), tmp_path / "out", stop)
    assert content(tmp_path / "out") == {}


UNPACK = (
    "import os, sys; from pathlib import Path; from earmark.sources import archives; os.sync = lambda: None; "
    "archives.unpack([Path(sys.argv[1])], Path(sys.argv[2]))"
)


def test_dying_at_each_step_leaves_nothing_half_written_and_the_next_attempt_mends_it(tmp_path: Path) -> None:
    parts = written(tmp_path, packed("tar.gz", TREE))
    for k in itertools.count(1):
        folder = tmp_path / str(k)
        (folder / "set").mkdir(parents=True)
        (folder / "set" / "a.wav").write_bytes(b"old")
        environment = {**os.environ, "EARMARK_DIE_AT": str(k)}
        command = [sys.executable, "-c", UNPACK, str(parts[0]), str(folder)]
        status = subprocess.run(command, env=environment, check=False).returncode
        found = {path: held for path, held in content(folder).items() if not path.startswith(".unpacking-")}
        assert all(held in (TREE[path], b"old" if path == "set/a.wav" else TREE[path]) for path, held in found.items())
        if status == 0:
            break
        assert status == KILLED
        archives.unpack(parts, folder)
        assert content(folder) == TREE
    assert k > 6, "the draft is made and named, then four names are given"


@pytest.mark.skipif(shutil.which("dpkg-deb") is None, reason="no dpkg-deb")
@pytest.mark.parametrize("compression", ["xz", "gzip", "none", "zstd"])
def test_what_dpkg_deb_builds_is_unpacked(compression: str, tmp_path: Path) -> None:
    source = tmp_path / "source"
    for path, held in {**TREE, "DEBIAN/control": CONTROL}.items():
        (source / path).parent.mkdir(parents=True, exist_ok=True)
        (source / path).write_bytes(held)
    command = ["dpkg-deb", "--build", f"-Z{compression}", str(source), str(tmp_path / "a.deb")]
    subprocess.run(command, check=True, capture_output=True)
    archives.unpack([tmp_path / "a.deb"], tmp_path / "out")
    assert content(tmp_path / "out") == TREE


@pytest.mark.parametrize("status", [0, 2])
def test_a_package_that_dpkg_deb_finds_damaged_is_refused(
    status: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "a.tar").write_bytes(packed("tar", TREE))
    (tmp_path / "a.deb").write_bytes(deb(ZSTANDARD, "data.tar.zst"))
    (tmp_path / "dpkg-deb").write_text(f"#!/bin/sh\ncat '{tmp_path}/a.tar'\nexit {status}\n")
    (tmp_path / "dpkg-deb").chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=os.pathsep)
    refused = pytest.raises(DataError, match=f"dpkg-deb ended with {status}")
    with refused if status else contextlib.nullcontext():
        archives.unpack([tmp_path / "a.deb"], tmp_path / "out")
    assert content(tmp_path / "out") == ({} if status else TREE)


def test_a_package_that_needs_dpkg_deb_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    (tmp_path / "a.deb").write_bytes(deb(ZSTANDARD, "data.tar.zst"))
    with pytest.raises(MissingPart, match="Type: apt-get install dpkg"):
        archives.unpack([tmp_path / "a.deb"], tmp_path / "out")
