"""A download that breaks off, resumed: nothing half-written is ever taken for whole, and nothing is fetched twice."""

import json
from pathlib import Path

import pytest

from earmark.errors import DataError
from earmark.sources import http, part
from earmark.sources.http import download
from tests.sources.flaky_server import FlakyServer, Reply
from tests.sources.served import CONTENT, MD5, OTHER, SHA256, names_in


def test_a_file_arrives_whole_under_its_name_and_nothing_else_stays(server: FlakyServer, target: Path) -> None:
    heard: list[tuple[int, int | None]] = []
    sha256 = download([server.url("a.bin")], target, checksum=MD5, advance=lambda *told: heard.append(told))
    assert (sha256, target.read_bytes()) == (SHA256, CONTENT)
    assert names_in(target.parent) == ["a.bin"]
    assert heard[-1] == (50_000, 50_000)
    assert server.asked[0].headers["Accept-Encoding"] == "identity"


def test_an_empty_file_is_a_file(server: FlakyServer, target: Path) -> None:
    server.files["empty"] = b""
    download([server.url("empty")], target)
    assert target.read_bytes() == b""


@pytest.mark.parametrize("reset", [False, True])
@pytest.mark.parametrize("checksum", ["", MD5])
def test_a_dropped_connection_is_resumed_and_only_what_is_missing_comes_again(
    server: FlakyServer, target: Path, slept: list[float], reset: bool, checksum: str
) -> None:
    server.script("a.bin", *[Reply(cut_at=10_000, reset=reset)] * 8)
    assert download([server.url("a.bin")], target, checksum=checksum, sleep=slept.append) == SHA256
    if not reset:  # an abrupt end may lose bytes on the way
        assert server.starts("a.bin") == [0, 10_000, 20_000, 30_000, 40_000]
        assert server.n_sent("a.bin") == 50_000
    assert len(slept) == len(server.asked) - 1
    assert all(one.headers.get("If-Range") == '"1-a.bin"' for one in server.asked[1:])
    assert {one.headers["Accept-Encoding"] for one in server.asked} == {"identity"}


def test_a_chunked_answer_that_breaks_off_is_resumed(server: FlakyServer, target: Path, slept: list[float]) -> None:
    server.script("a.bin", Reply(chunked=True, cut_at=20_000), Reply())
    assert download([server.url("a.bin")], target, sleep=slept.append) == SHA256
    assert server.starts("a.bin") == [0, 20_000]


def test_a_chunked_answer_without_a_length_is_taken(server: FlakyServer, target: Path) -> None:
    server.script("a.bin", Reply(chunked=True))
    assert download([server.url("a.bin")], target) == SHA256


def test_an_answer_whose_end_nothing_tells_is_refused(server: FlakyServer, target: Path, slept: list[float]) -> None:
    endless = Reply(headers={"Content-Length": None})
    server.script("a.bin", endless, endless, Reply(headers={"Content-Length": None}, cut_at=9_000))
    with pytest.raises(DataError, match="does not tell how long the file is"):
        download([server.url("a.bin")], target)
    assert names_in(target.parent) == []
    assert download([server.url("a.bin")], target, checksum=MD5) == SHA256
    target.unlink()
    assert download([server.url("a.bin")], target, size_bytes=50_000, sleep=slept.append) == SHA256
    assert server.starts("a.bin") == [0, 0, 0, 9_000]


def test_an_interrupt_keeps_what_is_here_for_the_next_call(server: FlakyServer, target: Path) -> None:
    def interrupt(done: int, total: int | None) -> None:
        if done >= 30_000:
            raise KeyboardInterrupt

    server.script("a.bin", Reply(cut_at=30_000))
    with pytest.raises(KeyboardInterrupt):
        download([server.url("a.bin")], target, advance=interrupt)
    assert names_in(target.parent) == [".a.bin.part", ".a.bin.part.json"]
    assert download([server.url("a.bin")], target) == SHA256
    assert server.starts("a.bin") == [0, 30_000]
    assert names_in(target.parent) == ["a.bin"]


def test_what_a_killed_process_had_not_brought_onto_the_disk_is_fetched_again(
    server: FlakyServer, target: Path, slept: list[float]
) -> None:
    server.always("a.bin", Reply(cut_at=0))
    server.script("a.bin", Reply(cut_at=30_000))
    with pytest.raises(DataError, match=r"30000 bytes that came are kept"):
        download([server.url("a.bin")], target, sleep=slept.append)
    server.always("a.bin", Reply())
    with (target.parent / ".a.bin.part").open("ab") as file:
        file.write(bytes(7_000))  # a power loss may leave zeros
    assert download([server.url("a.bin")], target) == SHA256
    assert server.starts("a.bin")[-1] == 30_000


def test_a_part_without_a_note_or_shorter_than_its_note_is_not_trusted(server: FlakyServer, target: Path) -> None:
    target.parent.mkdir()
    fragment, note = target.parent / ".a.bin.part", target.parent / ".a.bin.part.json"
    fragment.write_bytes(OTHER[:20_000])
    assert download([server.url("a.bin")], target) == SHA256
    fragment.write_bytes(OTHER[:20_000])
    told = {"url": server.url("a.bin"), "validator": '"1-a.bin"', "total": 50_000, "kept": 30_000}
    note.write_text(json.dumps(told))
    assert download([server.url("a.bin")], target) == SHA256
    assert server.starts("a.bin") == [0, 0]


def test_long_downloads_are_noted_on_the_way(
    server: FlakyServer, target: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(part, "WRITE_BYTES", 1_000)
    monkeypatch.setattr(part, "SYNC_EVERY", 10_000)
    monkeypatch.setattr(http, "READ_BYTES", 500)
    notes = set()

    def look(done: int, total: int | None) -> None:
        note = target.parent / ".a.bin.part.json"
        if note.exists():
            notes.add(json.loads(note.read_bytes())["kept"])

    download([server.url("a.bin")], target, advance=look)
    assert len(notes) == 4


def test_a_part_that_is_whole_already_asks_for_nothing(server: FlakyServer, target: Path) -> None:
    target.parent.mkdir()
    (target.parent / ".a.bin.part").write_bytes(CONTENT)
    told = {"url": server.url("a.bin"), "validator": '"1-a.bin"', "total": 50_000, "kept": 50_000}
    (target.parent / ".a.bin.part.json").write_text(json.dumps(told))
    assert download([server.url("a.bin")], target) == SHA256
    assert server.asked == []


def test_a_part_of_unknown_length_that_is_whole_is_settled_by_416(server: FlakyServer, target: Path) -> None:
    target.parent.mkdir()
    (target.parent / ".a.bin.part").write_bytes(CONTENT)
    told = {"url": server.url("a.bin"), "validator": '"1-a.bin"', "total": None, "kept": 50_000}
    (target.parent / ".a.bin.part.json").write_text(json.dumps(told))
    assert download([server.url("a.bin")], target) == SHA256
    assert [one.status for one in server.asked] == [416]


@pytest.mark.parametrize("total", [200_000, None])
def test_a_stale_part_that_gets_416_is_begun_anew(
    server: FlakyServer, target: Path, slept: list[float], total: int | None
) -> None:
    target.parent.mkdir()
    (target.parent / ".a.bin.part").write_bytes(OTHER + OTHER)
    told = {"url": server.url("a.bin"), "validator": '"1-a.bin"', "total": total, "kept": 100_000}
    (target.parent / ".a.bin.part.json").write_text(json.dumps(told))
    assert download([server.url("a.bin")], target, sleep=slept.append) == SHA256
    assert [one.status for one in server.asked] == [416, 200]


def test_a_server_without_ranges_sends_it_anew(server: FlakyServer, target: Path, slept: list[float]) -> None:
    server.script("a.bin", Reply(cut_at=40_000), Reply(ignores_range=True, cut_at=45_000), Reply(ignores_range=True))
    assert download([server.url("a.bin")], target, sleep=slept.append) == SHA256
    assert [one.status for one in server.asked] == [200, 200, 200]


def test_a_file_that_changed_between_tries_is_begun_anew(server: FlakyServer, target: Path, slept: list[float]) -> None:
    server.script("a.bin", Reply(cut_at=30_000))

    def change(seconds: float) -> None:
        server.change("a.bin", OTHER)

    download([server.url("a.bin")], target, sleep=change)
    assert target.read_bytes() == OTHER
    assert [one.status for one in server.asked] == [200, 200]


def test_a_note_never_speaks_of_bytes_that_were_thrown_away(server: FlakyServer, target: Path) -> None:
    server.script("a.bin", Reply(cut_at=30_000))
    notes = []

    def look(done: int, total: int | None) -> None:
        note = target.parent / ".a.bin.part.json"
        notes.append(json.loads(note.read_bytes())["kept"] if note.exists() else None)

    download([server.url("a.bin")], target, advance=look, sleep=lambda seconds: server.change("a.bin", OTHER))
    assert notes[0] is None
    assert set(notes[1:]) <= {None, 0}


def test_a_change_is_seen_though_the_server_ignores_if_range(server: FlakyServer, target: Path) -> None:
    server.script("a.bin", Reply(cut_at=30_000), Reply(ignores_if_range=True))
    changes = iter([OTHER])

    def change(seconds: float) -> None:
        if content := next(changes, None):
            server.change("a.bin", content)

    download([server.url("a.bin")], target, sleep=change)
    assert target.read_bytes() == OTHER
    assert [one.status for one in server.asked] == [200, 206, 200]


UNNAMED = {"ETag": None, "Last-Modified": None}


def test_without_checksum_or_validator_nothing_is_resumed(
    server: FlakyServer, target: Path, slept: list[float]
) -> None:
    server.script("a.bin", Reply(cut_at=30_000, headers=UNNAMED))
    assert download([server.url("a.bin")], target, sleep=slept.append) == SHA256
    assert server.starts("a.bin") == [0, 0]


def test_a_weak_etag_gives_way_to_the_date(server: FlakyServer, target: Path, slept: list[float]) -> None:
    server.script("a.bin", Reply(cut_at=30_000, headers={"ETag": 'W/"x"'}))
    download([server.url("a.bin")], target, sleep=slept.append)
    assert server.asked[1].headers["If-Range"].endswith("GMT")


def test_a_mixture_of_two_files_is_noticed_by_the_checksum_and_fetched_once_more(
    server: FlakyServer, target: Path, slept: list[float]
) -> None:
    server.script("a.bin", Reply(cut_at=30_000, body=OTHER, headers=UNNAMED), Reply(headers=UNNAMED))
    assert download([server.url("a.bin")], target, checksum=MD5, sleep=slept.append) == SHA256
    assert server.starts("a.bin") == [0, 30_000, 0]


@pytest.mark.parametrize(
    "lie",
    [
        Reply(headers={"Content-Range": "bytes 0-19999/50000"}),
        Reply(headers={"Content-Range": "bytes 30000-49999/60000"}),
        Reply(headers={"Content-Range": None}),
        Reply(body=CONTENT + CONTENT, headers={"Content-Range": "bytes 30000-49999/50000"}),
    ],
)
def test_a_partial_answer_that_contradicts_what_was_asked_is_not_used(
    server: FlakyServer, target: Path, slept: list[float], lie: Reply
) -> None:
    server.script("a.bin", Reply(cut_at=30_000), lie)
    assert download([server.url("a.bin")], target, sleep=slept.append) == SHA256
    assert [(one.start, one.status) for one in server.asked] == [(0, 200), (30_000, 206), (0, 200)]
