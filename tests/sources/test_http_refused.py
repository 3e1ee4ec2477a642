"""A server that is busy, silent, lies or refuses: waited for, left for its mirror, or told with the reason."""

import hashlib
import time
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from pathlib import Path

import pytest

from earmark import durable
from earmark.errors import DataError
from earmark.sources import checksums, http
from earmark.sources.http import download, told_size
from tests.sources.flaky_server import STALL_S, FlakyServer, Reply
from tests.sources.served import (
    CONTENT,
    MD5,
    OTHER,
    SHA256,
    names_in,
)


@pytest.mark.parametrize("status", [429, 500, 502, 503, 504, 408])
def test_a_busy_server_is_asked_again(server: FlakyServer, target: Path, slept: list[float], status: int) -> None:
    server.script("a.bin", *[Reply(status=status)] * 3)
    assert download([server.url("a.bin")], target, sleep=slept.append) == SHA256
    assert slept == [2, 4, 8], "each wait is twice the one before"


def test_retry_after_is_honoured_in_seconds_or_as_a_date_but_not_for_ever(
    server: FlakyServer, target: Path, slept: list[float]
) -> None:
    soon = format_datetime(datetime.now(UTC) + timedelta(seconds=90), usegmt=True)
    told = ["37", soon, "86400", "nonsense", format_datetime(datetime(2001, 1, 1, tzinfo=UTC), usegmt=True)]
    server.script("a.bin", *[Reply(status=503, headers={"Retry-After": one}) for one in told])
    assert download([server.url("a.bin")], target, sleep=slept.append) == SHA256
    assert slept[0] == 37
    assert 80 < slept[1] <= 90
    assert slept[2:] == [http.LONGEST_WAIT_S, 16, 32]


def test_a_server_that_stays_down_is_given_up_after_a_bounded_number_of_tries(
    server: FlakyServer, target: Path, slept: list[float]
) -> None:
    server.always("a.bin", Reply(status=503))
    with pytest.raises(DataError, match=r"gave up after 6 tries .*: answered 503 Service Unavailable"):
        download([server.url("a.bin")], target, sleep=slept.append)
    assert len(server.asked) == http.TRIES


def test_a_server_that_always_breaks_off_at_one_place_is_given_up(
    server: FlakyServer, target: Path, slept: list[float]
) -> None:
    server.always("a.bin", Reply(lie=10_000))  # says 60,000 bytes, and has 50,000
    with pytest.raises(DataError, match=r"gave up after 6 tries"):
        download([server.url("a.bin")], target, sleep=slept.append)
    assert not target.exists()


def test_a_length_that_is_a_lie_is_overruled_by_the_checksum(
    server: FlakyServer, target: Path, slept: list[float]
) -> None:
    server.script("a.bin", Reply(lie=10_000))
    assert download([server.url("a.bin")], target, checksum=MD5, sleep=slept.append) == SHA256
    assert [one.status for one in server.asked] == [200, 416]


@pytest.mark.parametrize("known", [{"checksum": MD5}, {"size_bytes": 50_000}])
def test_a_length_told_too_short_is_noticed(
    server: FlakyServer, target: Path, slept: list[float], known: dict[str, str]
) -> None:
    server.always("a.bin", Reply(lie=-10_000))
    with pytest.raises(DataError, match="expected"):
        download([server.url("a.bin")], target, sleep=slept.append, **known)  # type: ignore[arg-type]
    assert names_in(target.parent) == []


def test_a_silent_server_is_left_after_a_time(
    server: FlakyServer, target: Path, slept: list[float], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(http, "READ_S", 0.2)
    server.script("a.bin", Reply(stall_at=30_000))
    began = time.monotonic()
    assert download([server.url("a.bin")], target, sleep=slept.append) == SHA256
    assert time.monotonic() - began < STALL_S
    server.released.set()


def test_a_server_that_is_not_there_is_named_with_the_reason(target: Path, slept: list[float]) -> None:
    with FlakyServer({}) as gone:
        url = gone.url("a.bin")
    with pytest.raises(DataError, match=r"'a.bin' could not be fetched. http://127.*connection failed") as caught:
        download([url], target, sleep=slept.append)
    assert str(target) in str(caught.value), "says where to put it by hand"


@pytest.mark.parametrize("status", [401, 403, 404, 410, 204])
def test_a_mirror_serves_what_the_first_server_refuses(server: FlakyServer, target: Path, status: int) -> None:
    server.always("a.bin", Reply(status=status))
    assert download([server.url("a.bin"), server.url("mirror/a.bin")], target) == SHA256
    assert len(server.asked) == 2, "a refusal is not asked for twice"


def test_every_url_that_failed_is_named(server: FlakyServer, target: Path) -> None:
    server.script("a.bin", Reply(status=403))
    with pytest.raises(DataError, match=r"a.bin: answered 403 Forbidden; .*/gone: answered 404 Not Found; .*nofile:"):
        download([server.url("a.bin"), server.url("gone"), "nofile:///x"], target)


def test_a_mirror_goes_on_where_the_first_server_died_when_a_checksum_vouches_for_both(
    server: FlakyServer, target: Path, slept: list[float]
) -> None:
    server.script("a.bin", Reply(cut_at=30_000), Reply(status=410))
    assert download([server.url("a.bin"), server.url("mirror/a.bin")], target, checksum=MD5, sleep=slept.append)
    assert server.starts("mirror/a.bin") == [30_000]
    assert "If-Range" not in server.asked[-1].headers


def test_a_mirror_begins_anew_when_nothing_vouches_for_both(
    server: FlakyServer, target: Path, slept: list[float]
) -> None:
    server.script("a.bin", Reply(cut_at=30_000), Reply(status=410))
    assert download([server.url("a.bin"), server.url("mirror/a.bin")], target, sleep=slept.append) == SHA256
    assert server.starts("mirror/a.bin") == [0]


def test_wrong_bytes_are_removed_and_the_next_mirror_asked(server: FlakyServer, target: Path) -> None:
    server.always("a.bin", Reply(body=OTHER))
    assert download([server.url("a.bin"), server.url("mirror/a.bin")], target, checksum=MD5) == SHA256
    assert server.starts("mirror/a.bin") == [0]
    assert server.starts("a.bin") == [0], "bytes of one answer are not asked for again"


def test_wrong_bytes_from_everywhere_are_an_error_with_both_checksums(server: FlakyServer, target: Path) -> None:
    server.always("a.bin", Reply(body=OTHER))
    other = hashlib.md5(OTHER).hexdigest()
    with pytest.raises(DataError, match=f"expected {MD5}, got md5:{other}"):
        download([server.url("a.bin")], target, checksum=MD5)
    assert names_in(target.parent) == []


def test_a_file_of_another_size_than_published_is_refused_before_it_is_sent(server: FlakyServer, target: Path) -> None:
    with pytest.raises(DataError, match="expected 49999 bytes, got 50000"):
        download([server.url("a.bin")], target, size_bytes=49_999)


def test_a_web_page_in_place_of_a_file_is_refused(server: FlakyServer, target: Path) -> None:
    page = Reply(body=b"<html>Please sign in", headers={"Content-Type": "text/html; charset=utf-8"})
    server.always("a.bin", page)
    server.always("about.html", page)
    with pytest.raises(DataError, match="web page in place of the file"):
        download([server.url("a.bin")], target)
    download([server.url("about.html")], target)
    assert target.read_bytes().startswith(b"<html>")
    server.always("a.bin", Reply(headers={"Content-Type": "text/html"}))
    assert download([server.url("a.bin")], target, checksum=MD5) == SHA256, "a checksum knows better"


def test_a_file_compressed_on_the_way_is_refused_unless_it_is_one(server: FlakyServer, target: Path) -> None:
    zipped = Reply(headers={"Content-Encoding": "gzip"})
    server.files["a.tar.gz"] = CONTENT
    server.always("a.bin", zipped)
    server.always("a.tar.gz", zipped)
    with pytest.raises(DataError, match="compressed as gzip"):
        download([server.url("a.bin")], target)
    assert download([server.url("a.tar.gz")], target) == SHA256


def test_redirects_are_followed_and_circles_are_not(server: FlakyServer, target: Path, slept: list[float]) -> None:
    server.always("old", Reply(status=302, headers={"Location": server.url("a.bin")}))
    server.always("circle", Reply(status=302, headers={"Location": server.url("circle")}))
    server.script("a.bin", Reply(cut_at=30_000))
    assert download([server.url("old")], target, sleep=slept.append) == SHA256
    assert server.starts("a.bin") == [0, 30_000]
    with pytest.raises(DataError, match="redirects"):
        download([server.url("circle")], target)


def test_a_full_disk_is_not_taken_for_a_bad_connection(
    server: FlakyServer, target: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(path: Path, content: bytes, *, sync: bool = True) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(durable, "append", full)
    with pytest.raises(OSError, match="No space left"):
        download([server.url("a.bin")], target)
    assert len(server.asked) == 1


def test_a_server_tells_the_size_before_a_byte_is_fetched(server: FlakyServer) -> None:
    assert told_size([server.url("gone"), server.url("a.bin")]) == 50_000
    assert told_size([server.url("gone")]) is None
    assert {one.method for one in server.asked} == {"HEAD"}


def test_a_server_that_is_not_there_tells_no_size() -> None:
    with FlakyServer({}) as gone:
        url = gone.url("a.bin")
    assert told_size([url]) is None


@pytest.mark.parametrize("checksum", ["sha512:00", "d41d8cd98f00b204e9800998ecf8427e", "md5:"])
def test_a_checksum_of_no_known_kind_is_refused(tmp_path: Path, checksum: str) -> None:
    (tmp_path / "x").write_bytes(b"x")
    with pytest.raises(DataError, match=r"Expected a checksum like 'sha256:…' or 'md5:…'"):
        checksums.measure(tmp_path / "x", checksum)


def test_a_checksum_may_be_in_capitals(tmp_path: Path) -> None:
    (tmp_path / "x").write_bytes(CONTENT)
    assert checksums.measure(tmp_path / "x", MD5.upper()) == (50_000, SHA256, "")
