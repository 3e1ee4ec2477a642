"""Files fetched into a folder: each once and verified, archives unpacked, what the user put there spared."""

import hashlib
import os
import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from earmark.errors import DataError
from earmark.nouns import Source
from earmark.sources import checksums
from earmark.sources.fetch import Fetched, fetch
from earmark.sources.receipts import NAME, Receipts
from tests.sources.flaky_server import FlakyServer, Reply
from tests.sources.served import (
    ARCHIVE,
    LABELS,
    MEMBERS,
    NOISE,
    Sources,
    files_in,
    packed,
    sha256,
)


def in_pieces(server: FlakyServer) -> list[Source]:
    names = [f"set.tgz.00{number}" for number in (1, 2, 3)]
    return [Source(server.url(name), "CC0", unpack_into="unpacked", part_of="set.tgz") for name in names]


@pytest.fixture
def hashed(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Names of the files that are hashed."""
    names: list[str] = []
    measure = checksums.measure

    def noting(path: Path, *arguments: object) -> checksums.Measured:
        names.append(path.name)
        return measure(path, *arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(checksums, "measure", noting)
    return names


def test_files_arrive_in_their_places_and_archives_are_unpacked_and_removed(sources: Sources, folder: Path) -> None:
    fetched = fetch(sources, folder)
    assert files_in(folder) == {"annotations/labels.csv": LABELS, "noise.bin": NOISE, **MEMBERS}
    assert [one.source for one in fetched] == list(sources)
    assert fetched[1] == Fetched(
        sources.archive,
        folder / "archives/set.tgz",
        hashlib.sha256(ARCHIVE).hexdigest(),
        len(ARCHIVE),
        was_there=False,
        checked="published checksum",
    )
    assert fetched[2].checked == "size only"
    assert not any(one.was_there for one in fetched)


def test_a_second_fetch_asks_for_nothing_and_hashes_nothing(
    server: FlakyServer, sources: Sources, folder: Path, hashed: list[str]
) -> None:
    first = fetch(sources, folder)
    n_asked, receipts = len(server.asked), (folder / NAME).stat()
    hashed.clear()
    second = fetch(sources, folder)
    assert (len(server.asked), hashed) == (n_asked, [])
    assert second == tuple(one._replace(was_there=True) for one in first)
    assert (folder / NAME).stat() == receipts, "nothing new to write"


def test_verify_hashes_every_file_again_and_finds_what_rotted(
    sources: Sources, folder: Path, hashed: list[str]
) -> None:
    fetch(sources, folder, keep_archives=True)
    hashed.clear()
    fetch(sources, folder, verify=True)
    assert sorted(hashed) == ["labels.csv", "noise.bin", "set.tgz"]
    for name in ("annotations/labels.csv", "noise.bin"):
        path = folder / name
        times = path.stat()
        path.write_bytes(path.read_bytes()[:-1] + b"?")
        os.utime(path, ns=(times.st_atime_ns, times.st_mtime_ns))
    fetch(sources, folder)  # neither size nor time gives them away
    with pytest.raises(DataError, match=r"2 of 3 files .*(?s:.*)labels.csv: .*expected sha256.*rm '.*labels.csv'"):
        fetch(sources, folder, verify=True)
    assert (folder / "noise.bin").exists(), "nothing of the user's is removed"


def test_a_file_whose_time_changed_is_hashed_once(sources: Sources, folder: Path, hashed: list[str]) -> None:
    fetch(sources, folder)
    (folder / "noise.bin").touch()
    hashed.clear()
    for _ in range(2):
        fetch(sources, folder)
    assert hashed == ["noise.bin"]


def test_kept_archives_stay_and_are_not_unpacked_again(server: FlakyServer, sources: Sources, folder: Path) -> None:
    fetch(sources, folder, keep_archives=True)
    assert (folder / "archives/set.tgz").read_bytes() == ARCHIVE
    unpacked = (folder / "README.txt").stat()
    n_asked = len(server.asked)
    fetch(sources, folder)
    assert (folder / "archives/set.tgz").exists(), "it was kept on purpose"
    assert (folder / "README.txt").stat() == unpacked
    assert len(server.asked) == n_asked


@pytest.mark.parametrize("harm", ["removed", "shortened"])
def test_an_archive_comes_again_when_what_came_out_of_it_is_not_whole(
    server: FlakyServer, sources: Sources, folder: Path, harm: str
) -> None:
    fetch(sources, folder)
    path = folder / "audio/1.wav"
    path.unlink() if harm == "removed" else path.write_bytes(b"short")
    fetched = fetch(sources, folder)
    assert [one.was_there for one in fetched] == [True, False, True]
    assert path.read_bytes() == MEMBERS["audio/1.wav"]
    assert len(server.starts("set.tgz")) == 2


def test_files_that_others_put_beside_what_was_unpacked_disturb_nothing(
    server: FlakyServer, sources: Sources, folder: Path
) -> None:
    fetch(sources, folder)
    (folder / "audio/mine.wav").write_bytes(b"mine")
    assert all(one.was_there for one in fetch(sources, folder))


def test_a_file_in_two_archives_makes_neither_come_again(server: FlakyServer, folder: Path) -> None:
    server.files["a.tgz"] = packed({"a.wav": b"a" * 99, "README.txt": b"of a"})
    server.files["b.tgz"] = packed({"b.wav": b"b" * 99, "README.txt": b"of b, longer"})
    both = [Source(server.url(name), "CC0", unpack_into=".") for name in ("a.tgz", "b.tgz")]
    fetch(both, folder)
    assert all(one.was_there for one in fetch(both, folder))


def test_an_archive_in_pieces_is_unpacked_when_the_last_one_is_here(server: FlakyServer, folder: Path) -> None:
    pieces = in_pieces(server)
    server.script("set.tgz.001", Reply(status=404))
    with pytest.raises(DataError, match=r"1 of 3 files could not be fetched .*\n  set.tgz.001: .*404"):
        fetch(pieces, folder)
    assert sorted(files_in(folder)) == ["set.tgz.002", "set.tgz.003"]
    assert [one.was_there for one in fetch(pieces, folder)] == [False, True, True]
    assert files_in(folder) == {f"unpacked/{name}": content for name, content in MEMBERS.items()}
    assert [server.starts(f"set.tgz.00{number}") for number in (1, 2, 3)] == [[0, 0], [0], [0]]
    assert all(one.was_there for one in fetch(pieces, folder))


def test_files_put_there_by_hand_are_taken_and_never_removed(
    server: FlakyServer, sources: Sources, folder: Path
) -> None:
    for name, content in {"annotations/labels.csv": LABELS, "archives/set.tgz": ARCHIVE, "noise.bin": NOISE}.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(content)
    fetched = fetch(sources, folder)
    assert server.asked == []
    assert [one.checked for one in fetched] == ["published checksum", "published checksum", "nothing published"]
    assert (folder / "README.txt").read_bytes() == MEMBERS["README.txt"]
    assert (folder / "archives/set.tgz").exists()


def test_an_archive_put_back_by_hand_is_not_removed(sources: Sources, folder: Path) -> None:
    fetch([sources.archive], folder, keep_archives=True)
    shutil.rmtree(folder / "audio")
    (folder / "archives/set.tgz").write_bytes(ARCHIVE)
    fetch([sources.archive], folder)
    assert (folder / "audio/1.wav").exists()
    assert (folder / "archives/set.tgz").exists()


def test_a_file_put_there_by_hand_that_is_not_as_published_is_an_error(
    server: FlakyServer, sources: Sources, folder: Path
) -> None:
    folder.mkdir()
    (folder / "noise.bin").write_bytes(b"something else")
    with pytest.raises(DataError, match=r"not as published: expected 30000 bytes, got 14. Type: rm '.*noise.bin'"):
        fetch([replace(sources.noise, size_bytes=30_000)], folder)
    assert (folder / "noise.bin").read_bytes() == b"something else"


def test_a_file_that_has_another_published_checksum_by_now_is_looked_at_again(sources: Sources, folder: Path) -> None:
    fetch([sources.noise], folder)
    assert fetch([replace(sources.noise, checksum=sha256(NOISE))], folder)[0].checked == "published checksum"
    with pytest.raises(DataError, match="expected md5:0"):
        fetch([replace(sources.noise, checksum="md5:" + "0" * 32)], folder)


def test_an_archive_of_another_published_checksum_is_fetched_and_unpacked_again(
    server: FlakyServer, sources: Sources, folder: Path
) -> None:
    fetch([sources.archive], folder)
    newer = packed({"audio/1.wav": b"mended"})
    server.change("set.tgz", newer)
    fetch([replace(sources.archive, checksum=sha256(newer))], folder)
    assert (folder / "audio/1.wav").read_bytes() == b"mended"


def test_receipts_that_are_not_ours_are_told(sources: Sources, folder: Path) -> None:
    folder.mkdir()
    for content in ("[1]", "{", '{"scheme": 2}', '{"scheme": 1, "files": {"a": {"b": 1}}, "unpacked": {}}'):
        (folder / NAME).write_text(content)
        with pytest.raises(DataError, match=r"not as earmark wrote it .*Remove it"):
            fetch(sources, folder)


def test_receipts_of_many_files_are_not_written_for_each(
    server: FlakyServer, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    server.files |= {f"{number}.mp3": b"x" for number in range(60)}
    tracks = [Source(server.url(f"{number}.mp3"), "CC0", size_bytes=1) for number in range(60)]
    written = []
    save = Receipts._save

    def noting(self: Receipts) -> None:
        written.append(len(self.files))
        save(self)

    monkeypatch.setattr(Receipts, "_save", noting)
    fetch(tracks, folder)
    assert written == [21, 42, 60]
    assert len(Receipts(folder).files) == 60


def test_a_watch_hears_of_every_file_and_of_unpacking(sources: Sources, folder: Path) -> None:
    heard: dict[str, tuple[int, int | None]] = {}

    class Watching:
        def advance(self, name: str, done: int, total: int | None) -> None:
            heard[name] = (done, total)

    fetch(sources, folder, watch=Watching())
    assert heard["noise.bin"] == (30_000, 30_000)
    assert heard["archives/set.tgz (unpacking)"] == (sum(map(len, MEMBERS.values())), None)
