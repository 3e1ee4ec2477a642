"""What the service refuses before any worker is asked: to start unguarded, and to keep what there is no room for."""

import asyncio
import errno
import json
import math
import os
import signal
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from multiprocessing import popen_spawn_posix
from multiprocessing.connection import Connection
from pathlib import Path
from typing import IO, Any, NamedTuple, cast

import pytest
from starlette.types import Message
from typer.testing import CliRunner

from earmark import catalogue, cli
from earmark.errors import DataError, MissingPart, UserError
from earmark.serve import start
from earmark.serve.answering import Loaded
from earmark.serve.gate import Gate
from earmark.serve.limits import Limits
from earmark.serve.offer import Offer
from earmark.serve.service import service
from earmark.serve.worker import Worker
from tests.serve import moody
from tests.serve.served import tone


class Reply(NamedTuple):
    """What a service answered: status, JSON, headers."""

    status: int
    said: dict[str, Any]
    headers: dict[bytes, bytes]


def asked(
    folder: Path, body: bytes, form: bytes = b"audio/wav", worker: Worker | None = None, path: str = "/embed"
) -> tuple[int, str]:
    """Return the status, and the word for what was wrong, of an upload to a service of one worker; None: of none."""
    found = reply(folder, body, form, worker, path)
    return found.status, found.said.get("error", "")


def reply(
    folder: Path,
    body: bytes,
    form: bytes = b"audio/wav",
    worker: Worker | None = None,
    address: str = "/embed",
    method: str = "POST",
    host: bytes = b"localhost",
) -> Reply:
    """Return what a service of one worker answers; None: of none."""
    said, (path, _, query) = list[Message](), address.partition("?")
    headers = [(b"host", host), (b"content-type", form)]

    async def receive() -> Message:
        return {"type": "http.request", "body": body, "more_body": False}

    async def send(message: Message) -> None:
        said.append(message)

    async def ask() -> None:
        gate = Gate([cast(Worker, worker)], Limits())
        about = {"method": method, "path": path, "raw_path": path.encode(), "query_string": query.encode()}
        await service(gate, folder, None)({"type": "http", "headers": headers, "root_path": "", **about}, receive, send)

    asyncio.run(ask())
    return Reply(said[0]["status"], json.loads(said[1]["body"]), dict(said[0]["headers"]))


def full(**_: object) -> IO[bytes]:
    """Return a file that can be opened and takes no byte."""
    return Path("/dev/full").open("wb")


def gone(**_: object) -> IO[bytes]:
    raise OSError(28, "No space left on device")


@pytest.mark.parametrize("made", [full, gone])
@pytest.mark.parametrize("n_bytes", [10, 100_000])
def test_an_upload_that_the_disk_has_no_room_for_is_a_503(
    made: Callable[..., IO[bytes]], n_bytes: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "NamedTemporaryFile", made)
    assert asked(tmp_path, bytes(n_bytes)) == (503, "no_room")


@pytest.mark.parametrize("host", ["0.0.0.0", "192.168.1.7", "::", "example.org", "localhost.example.org"])
def test_beyond_this_machine_it_does_not_start_without_a_token(host: str) -> None:
    with pytest.raises(UserError, match="can be reached from other machines, so a token is needed"):
        start.require_token(host, None)


@pytest.mark.parametrize("host", ["127.0.0.1", "127.1.2.3", "::1", "localhost"])
def test_this_machine_needs_none(host: str) -> None:
    start.require_token(host, None)
    assert start.is_loopback(host)


@pytest.mark.parametrize("token", ["", "short", "fifteen-letters", "a token that is écrit"])
def test_a_token_that_can_be_guessed_or_not_be_sent_is_refused(token: str) -> None:
    with pytest.raises(UserError, match="Expected a token of 16 or more"):
        start.require_token("127.0.0.1", token)


def test_an_offer_of_nothing_or_of_two_probes_of_one_name_is_refused() -> None:
    with pytest.raises(UserError, match="Expected something to serve"):
        Offer()
    with pytest.raises(UserError, match="Expected probes whose folders differ in name, got a, a"):
        Offer(probes=("x/a", "y/a"))


@pytest.mark.parametrize("name", ["work_s", "duration_s", "upload_s"])
@pytest.mark.parametrize("value", [0.0, -1.0, math.inf, math.nan])
def test_limits_are_finite_and_above_0(name: str, value: float) -> None:
    with pytest.raises(UserError, match=f"Expected finite limits above 0 .*; got {name} {value}"):
        Limits(**{name: value})  # type: ignore[arg-type]  # of that name


def test_half_a_second_of_work_is_a_limit_and_more_than_a_day_is_none() -> None:
    assert Limits(work_s=0.5, waiting=0).at_once == 1
    with pytest.raises(UserError, match="work_s is at most 86,400"):
        Limits(work_s=1e9)
    with pytest.raises(UserError, match="got waiting -1"):
        Limits(waiting=-1)


@pytest.mark.parametrize("upload_mb", ["nan", "inf", "-1", "0"])
def test_the_largest_upload_is_a_number_above_0(upload_mb: str) -> None:
    done = CliRunner().invoke(cli.app, ["serve", "-r", "logmel", "--upload-mb", upload_mb])
    assert isinstance(done.exception, UserError)
    assert "Expected --upload-mb above 0" in str(done.exception)


def test_a_form_whose_text_would_take_minutes_to_read_is_refused_at_once(tmp_path: Path) -> None:
    text = b"x" * 500_000 + b"-" + b"a" * 499_990  # of this charset the time is that of its square
    body = b'--XX\r\nContent-Disposition: form-data; name="a"\r\n\r\n' + text + b"\r\n--XX--\r\n"
    started = time.monotonic()
    assert asked(tmp_path, body, b"multipart/form-data; boundary=XX; charset=punycode") == (400, "bad_form")
    assert time.monotonic() - started < 2


def text(content: bytes) -> bytes:
    return b'Content-Disposition: form-data; name="a"\r\n\r\n' + content


AUDIO = b'Content-Disposition: form-data; name="file"; filename="a.wav"\r\n\r\nabc'


@pytest.mark.parametrize("parts", [[AUDIO, AUDIO], [text(b"x" * 1025), AUDIO], [*[text(b"x")] * 9, AUDIO]])
def test_a_form_of_too_much_is_told_how_much_it_may_hold(parts: list[bytes], tmp_path: Path) -> None:
    body = b"".join(b"--XX\r\n" + one + b"\r\n" for one in parts) + b"--XX--\r\n"
    found = reply(tmp_path, body, b"multipart/form-data; boundary=XX")
    assert (found.status, found.said["error"]) == (400, "bad_form")
    assert "one file and at most 8 fields of 1024 bytes" in found.said["message"]


@pytest.mark.parametrize(
    ("address", "known"),
    [
        ("/embed?k=1", "none"),
        ("/predict?unsre=0.6", "?probe=, ?unsure=, ?accuracy="),
        ("/predict?unsure=0.6&Probe", "?probe=, ?unsure=, ?accuracy="),
        ("/search?unsure=1", "?k=, ?level="),
    ],
)
def test_a_parameter_that_an_address_does_not_have_is_refused(address: str, known: str, tmp_path: Path) -> None:
    found = reply(tmp_path, tone(moody.USUAL), address=address)
    assert (found.status, found.said["error"]) == (400, "unknown_parameter")
    assert f"Expected parameters among: {known}." in found.said["message"]


@pytest.mark.parametrize(("address", "method", "right"), [("/embed", "GET", b"POST"), ("/health", "POST", b"GET")])
def test_a_wrong_method_is_called_so_and_told_the_right_one(
    address: str, method: str, right: bytes, tmp_path: Path
) -> None:
    found = reply(tmp_path, b"", address=address, method=method)
    assert (found.status, found.said["error"], found.headers[b"allow"]) == (405, "wrong_method", right)
    assert asked(tmp_path, b"", path="/nothing") == (404, "no_such_address")


@pytest.mark.parametrize("host", [b"LOCALHOST:1", b"localhost", b"127.0.0.1:8000"])
def test_names_of_this_machine_have_no_case(host: bytes, tmp_path: Path) -> None:
    assert reply(tmp_path, b"", host=host).said["error"] == "empty"


def test_a_worker_whose_process_could_not_be_started_is_started_for_the_next_upload(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "upload").write_bytes(tone(moody.USUAL))
    worker = Worker(Offer(moody.NAME), Limits())
    try:
        worker.wait()
        os.kill(worker.pid, signal.SIGKILL)
        with monkeypatch.context() as patch:
            patch.setattr(popen_spawn_posix.Popen, "_launch", no_process)
            with pytest.raises(MissingPart, match="could not be started: Resource temporarily unavailable"):
                worker.ask("embed", tmp_path / "upload", {})
            open_before = len([*Path("/proc/self/fd").iterdir()])
            assert asked(tmp_path, tone(moody.USUAL), worker=worker) == (503, "no_worker")
            assert len([*Path("/proc/self/fd").iterdir()]) <= open_before
        assert "A worker's process could not be started" in caplog.text
        assert worker.ask("embed", tmp_path / "upload", {}).status == 200
    finally:
        worker.close()


def test_what_a_service_lost_is_in_its_log_and_heard_again_as_soon_as_it_is_back(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "a.wav").write_bytes(tone(moody.USUAL))
    store = catalogue.add(tmp_path / "music.cat", [tmp_path / "a.wav"], "logmel").folder
    worker = Worker(Offer(catalogue=str(store)), Limits())

    def searched() -> tuple[int, str]:
        return asked(tmp_path, tone(moody.USUAL), worker=worker, path="/search")

    try:
        worker.wait()
        os.kill(worker.pid, signal.SIGKILL)
        os.waitid(os.P_PID, worker.pid, os.WEXITED | os.WNOWAIT)
        store.rename(tmp_path / "away")
        assert searched() == (503, "no_worker")
        assert [str(store) in one.getMessage() for one in caplog.records if one.name == "earmark.serve"] == [True]
        (tmp_path / "away").rename(store)
        assert searched() == (200, "")
        assert worker.n_lost == 1
    finally:
        worker.close()


def test_a_worker_closed_while_another_thread_restarts_it_ends_once_and_stays_ended(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def slowly(pipe: Connection) -> None:
        time.sleep(0.2)
        os.close(pipe.fileno())

    monkeypatch.setattr(Connection, "_close", slowly)
    worker = Worker(Offer(moody.NAME), Limits())
    with ThreadPoolExecutor() as pool:
        for ended in [pool.submit(worker.restart), pool.submit(worker.close)]:
            ended.result()
    with pytest.raises(ProcessLookupError):
        os.kill(worker.pid, 0)


def no_process(*_: object) -> None:
    raise BlockingIOError(errno.EAGAIN, "Resource temporarily unavailable")


def test_where_the_catalogue_lies_is_told_to_nobody(tmp_path: Path) -> None:
    (tmp_path / "a.wav").write_bytes(tone(moody.USUAL))
    store = catalogue.add(tmp_path / "music.cat", [tmp_path / "a.wav"], "logmel").folder
    loaded = Loaded(Offer(catalogue=str(store)), Limits())
    said = loaded.reason(DataError(f"'{store}/rows.bin' is damaged, not '{tmp_path / 'upload'}'."), tmp_path / "upload")
    assert said == "'the catalogue/rows.bin' is damaged, not 'the upload'."
