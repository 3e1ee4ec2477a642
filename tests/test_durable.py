"""A file is there or it is not; what was synced stays; and the process dies where it is told to."""

import itertools
import os
import subprocess
import sys
from pathlib import Path

import pytest

from earmark import durable

OLD, NEW = b"old" * 1000, b"new" * 2000
KILLED = 137


def die_at(k: int, program: str, folder: Path) -> int:
    """Run a program on a folder in a process that dies at its k-th step; return its exit status."""
    program = (
        f"import sys; from pathlib import Path; from earmark import durable; folder = Path(sys.argv[1]); {program}"
    )
    environment = {**os.environ, "EARMARK_DIE_AT": str(k)}
    return subprocess.run([sys.executable, "-c", program, str(folder)], env=environment, check=False).returncode


def crashes(program: str, work: Path) -> list[Path]:
    """Let a program die at each of its steps in a fresh folder; return the folders, the last of a whole run."""
    folders = []
    for k in itertools.count(1):
        folders.append(work / str(k))
        folders[-1].mkdir()
        (folders[-1] / "file").write_bytes(OLD)
        status = die_at(k, program, folders[-1])
        if status == 0:
            return folders
        assert status == KILLED
    raise AssertionError("unreachable: itertools.count does not end")


def test_a_file_is_the_old_one_or_the_new_one_whenever_the_process_dies(tmp_path: Path) -> None:
    folders = crashes(f"durable.write_file(folder / 'file', {NEW!r})", tmp_path)
    found = [(folder / "file").read_bytes() for folder in folders]
    assert found == [OLD, OLD, OLD, NEW, NEW], "write, fsync, rename, fsync of the folder, none"


def test_a_write_that_dies_leaves_half_of_what_it_was_given(tmp_path: Path) -> None:
    folders = crashes(f"durable.append(folder / 'file', {NEW!r})", tmp_path)
    found = [(folder / "file").read_bytes() for folder in folders]
    assert found == [OLD + NEW[:3000], OLD + NEW, OLD + NEW], "write, fsync, none"


def test_what_a_crash_leaves_of_a_file_bears_the_temporary_name(tmp_path: Path) -> None:
    die_at(2, f"durable.write_file(folder / 'file', {NEW!r})", tmp_path)
    assert [path.read_bytes() for path in tmp_path.iterdir()] == [NEW]
    assert list(tmp_path.iterdir()) == list(tmp_path.glob(durable.TEMPORARY))


def test_a_whole_write_leaves_nothing_else(tmp_path: Path) -> None:
    durable.write_file(tmp_path / "a" / "b" / "file", NEW)
    durable.write_file(tmp_path / "a" / "b" / "file", OLD)
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == [tmp_path / "a" / "b" / "file"]
    assert (tmp_path / "a" / "b" / "file").read_bytes() == OLD


def test_appends_follow_one_another(tmp_path: Path) -> None:
    for part in (b"one\n", bytearray(b"two\n"), b""):
        durable.append(tmp_path / "made" / "log", part, sync=part != b"")
    assert (tmp_path / "made" / "log").read_bytes() == b"one\ntwo\n"


def test_a_folder_takes_its_final_name(tmp_path: Path) -> None:
    durable.make_folder(tmp_path / "draft")
    durable.write_file(tmp_path / "draft" / "file", NEW)
    durable.replace(tmp_path / "draft", tmp_path / "final")
    assert (tmp_path / "final" / "file").read_bytes() == NEW
    assert not (tmp_path / "draft").exists()


def test_removing_what_is_not_there_is_no_error(tmp_path: Path) -> None:
    durable.write_file(tmp_path / "file", NEW)
    durable.remove(tmp_path / "file")
    durable.remove(tmp_path / "file")
    assert list(tmp_path.iterdir()) == []


def test_what_is_synced_was_synced_before_it_was_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[str] = []
    fsync, rename = os.fsync, Path.replace

    def recording_fsync(descriptor: int) -> None:
        calls.append("fsync " + Path(f"/proc/self/fd/{descriptor}").readlink().suffix)
        fsync(descriptor)

    def recording_rename(path: Path, target: Path) -> Path:
        calls.append("rename")
        return rename(path, target)

    monkeypatch.setattr(os, "fsync", recording_fsync)
    monkeypatch.setattr(Path, "replace", recording_rename)
    durable.write_file(tmp_path / "file.bin", NEW)
    assert calls == ["fsync .tmp", "rename", "fsync "], "the data, the name, the folder that holds the name"


def test_of_a_file_that_the_disk_has_no_room_for_nothing_is_left(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    durable.write_file(tmp_path / "a", b"old")

    def full(descriptor: int, content: bytes) -> int:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "write", full)
    with pytest.raises(OSError, match="No space left"):
        durable.write_file(tmp_path / "a", b"new")
    assert [one.name for one in tmp_path.iterdir()] == ["a"]
    assert (tmp_path / "a").read_bytes() == b"old"


def test_what_a_crash_leaves_is_cleared_and_nothing_else(tmp_path: Path) -> None:
    with durable.made(tmp_path / "rows.faiss") as path:
        path.write_bytes(NEW)
        left = path.with_stem(path.stem + "0")  # as of another writer, which died
        left.write_bytes(OLD)
    with durable.made(tmp_path / "rows.lance") as path:
        path.mkdir()
        (path.with_stem(path.stem + "0")).mkdir()
        (path.with_stem(path.stem + "0") / "part").write_bytes(OLD)
    for name in (".hidden", "a.tmp"):
        (tmp_path / name).write_bytes(NEW)
    assert len(list(tmp_path.iterdir())) == 6
    durable.clear(tmp_path)
    assert sorted(one.name for one in tmp_path.iterdir()) == [".hidden", "a.tmp", "rows.faiss", "rows.lance"]


def test_what_others_write_has_its_name_when_it_is_whole_and_leaves_nothing_after_an_error(tmp_path: Path) -> None:
    with durable.made(tmp_path / "new" / "a.npy") as path:
        path.write_bytes(NEW)
        assert not (tmp_path / "new" / "a.npy").exists()
    with durable.made(tmp_path / "b.lance") as path:
        path.mkdir()
        (path / "part").write_bytes(NEW)

    def torn(target: Path) -> None:
        with durable.made(target) as path:
            path.write_bytes(OLD)
            raise RuntimeError

    with pytest.raises(RuntimeError):
        torn(tmp_path / "c.csv")
    left = {one.relative_to(tmp_path).as_posix() for one in tmp_path.rglob("*")}
    assert left == {"new", "new/a.npy", "b.lance", "b.lance/part"}
    assert (tmp_path / "new" / "a.npy").read_bytes() == NEW
