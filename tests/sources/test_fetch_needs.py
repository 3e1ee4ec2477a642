"""What a fetch needs is looked for before the first byte: disk, clients, places."""

import shutil
import threading
from dataclasses import replace
from pathlib import Path

import pytest

from earmark.errors import DataError, MissingPart, UserError
from earmark.nouns import Source
from earmark.sources import _wanted, clients, http
from earmark.sources.fetch import fetch
from tests.sources.flaky_server import FlakyServer, Reply
from tests.sources.served import ARCHIVE, LABELS, NOISE, Sources, files_in, sha256


def test_the_disk_is_measured_before_the_first_byte(
    server: FlakyServer, sources: Sources, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    needed = len(LABELS) + len(NOISE) + int((1 + _wanted.GROWTH) * len(ARCHIVE))

    def has(free: int) -> None:
        usage = shutil.disk_usage(folder.parent)._replace(free=free)
        monkeypatch.setattr(shutil, "disk_usage", lambda path: usage)

    has(needed - 1)
    with pytest.raises(UserError, match=r"Expected 0.00 GB of free disk for 3 files .*got 0.00 GB .*Nothing was fetch"):
        fetch(sources, folder)
    assert {one.method for one in server.asked} == {"HEAD"}, "sizes that are not published are asked for"
    has(needed)
    fetch(sources, folder)
    has(0)
    fetch(sources, folder)


def test_what_is_here_of_a_file_needs_no_more_disk(
    server: FlakyServer, sources: Sources, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(http, "TRIES", 1)
    noise = replace(sources.noise, size_bytes=30_000)
    server.script("noise.bin", Reply(cut_at=20_000), Reply(status=404))
    monkeypatch.setattr(threading.Event, "wait", lambda *_: False)  # no pause between the tries
    with pytest.raises(DataError, match="20000 bytes that came are kept"):
        fetch([noise], folder)
    monkeypatch.undo()
    usage = shutil.disk_usage(folder)
    monkeypatch.setattr(shutil, "disk_usage", lambda path: usage._replace(free=10_000))
    fetch([noise], folder)
    assert server.starts("noise.bin") == [0, 20_000, 20_000]


def test_archives_need_room_for_as_many_as_are_worked_on_or_for_all_that_are_kept(
    server: FlakyServer, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    names = [f"{number}.tar" for number in range(4)]
    tars = [Source(server.url(name), "CC0", size_bytes=1_000, unpack_into=".") for name in names]
    usage = shutil.disk_usage(folder.parent)._replace(free=6_000)
    monkeypatch.setattr(shutil, "disk_usage", lambda path: usage)
    with pytest.raises(DataError, match="4 of 4 files"):  # there is no such file; but there is room for them
        fetch(tars, folder, jobs=2)
    with pytest.raises(UserError, match="free disk"):
        fetch(tars, folder, jobs=2, keep_archives=True)


def test_a_few_sizes_speak_for_many_files(server: FlakyServer, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tracks = [Source(server.url("noise.bin"), "CC0", path=f"{number}.mp3") for number in range(100)]
    usage = shutil.disk_usage(folder.parent)._replace(free=100 * len(NOISE) - 1)
    monkeypatch.setattr(shutil, "disk_usage", lambda path: usage)
    with pytest.raises(UserError, match="for 100 files"):
        fetch(tracks, folder)
    assert len(server.asked) == _wanted.SIZES_ASKED


def test_a_missing_client_is_told_before_the_first_byte(
    server: FlakyServer, sources: Sources, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def need(url: str) -> None:
        raise MissingPart(f"{url} needs npm")

    monkeypatch.setattr(clients, "need", need)
    packages = [sources.labels, Source("npm:sounds@1.0.0", "MIT", path="sounds.tgz")]
    with pytest.raises(MissingPart, match="needs npm"):
        fetch(packages, folder)
    assert server.asked == []
    (folder / "sounds.tgz").write_bytes(b"by hand")
    assert fetch(packages, folder)[1].was_there, "what is there needs no client"


@pytest.fixture
def npm(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """A client that has every package; the URLs it was asked for."""
    asked: list[str] = []

    def bring(url: str, target: Path) -> None:
        assert not list(target.parent.glob(".*.part.json")), "a note would be of other bytes"
        asked.append(url)
        target.write_bytes(NOISE)

    monkeypatch.setattr(clients, "need", lambda url: None)
    monkeypatch.setattr(clients, "fetch", bring)
    return asked


def test_a_package_comes_by_its_client_and_is_verified(npm: list[str], folder: Path) -> None:
    package = Source("npm:@tone/sounds@1.0.0", "MIT", checksum=sha256(NOISE))
    assert fetch([package], folder)[0].path == folder / "@tone-sounds@1.0.0"
    assert fetch([package], folder)[0].was_there
    assert npm == ["npm:@tone/sounds@1.0.0"]
    plain = replace(package, path="plain", checksum="")
    assert fetch([plain], folder)[0].checked == "its client"
    with pytest.raises(DataError, match="expected md5:0"):
        fetch([replace(package, path="wrong", checksum="md5:" + "0" * 32)], folder)
    assert sorted(files_in(folder)) == ["@tone-sounds@1.0.0", "plain"]


def test_a_package_may_stand_in_for_a_dead_link(
    server: FlakyServer, npm: list[str], folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(threading.Event, "wait", lambda *_: False)  # no pause between the tries
    server.files["gone"] = NOISE
    server.script("gone", Reply(cut_at=10_000), Reply(status=410))
    source = Source(server.url("gone"), "MIT", mirrors=(server.url("gone/too"), "npm:noise@1.0.0"), path="noise")
    assert fetch([source], folder)[0].checked == "its client"
    assert [one.path for one in server.asked if one.method == "GET"] == ["gone", "gone", "gone/too"]


@pytest.mark.parametrize("path", ["/etc/passwd", "../out", "a/../../b", "."])
def test_a_place_outside_the_folder_is_refused(folder: Path, path: str) -> None:
    with pytest.raises(DataError, match="needs a path below its folder"):
        fetch([Source("https://host.example/a", "CC0", path=path)], folder)


def test_a_place_comes_of_the_url_where_none_is_given() -> None:
    assert _wanted.place_of(Source("https://host.example/x/a%20b.zip?download=1", "CC0")) == "a b.zip"
    assert _wanted.place_of(Source("pypi:musicnn==0.1.0", "ISC")) == "musicnn==0.1.0"
    with pytest.raises(DataError, match="Give it a `path`"):
        _wanted.place_of(Source("https://host.example/", "CC0"))


def test_two_sources_of_one_place_are_refused(folder: Path) -> None:
    with pytest.raises(DataError, match=r"would both become 'a.csv'"):
        fetch([Source("https://host.example/1/a.csv", ""), Source("https://host.example/2/a.csv", "")], folder)


def test_a_folder_that_cannot_be_made_is_the_users_to_change(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(UserError, match="Name another folder"):
        fetch([], tmp_path / "file")
