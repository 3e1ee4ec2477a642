"""What the service refuses before any worker is asked: to start unguarded, and to keep what there is no room for."""

import asyncio
import json
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import IO, cast

import pytest
from starlette.types import Message

from earmark.errors import UserError
from earmark.serve import start
from earmark.serve.gate import Gate
from earmark.serve.limits import Limits
from earmark.serve.offer import Offer
from earmark.serve.service import service
from earmark.serve.worker import Worker


def asked(folder: Path, body: bytes) -> tuple[int, str]:
    """Return the status, and the word for what was wrong, of an upload to a service whose workers nobody reaches."""
    said = list[Message]()

    async def receive() -> Message:
        return {"type": "http.request", "body": body, "more_body": False}

    async def send(message: Message) -> None:
        said.append(message)

    async def ask() -> None:
        gate = Gate([cast(Worker, None)], Limits())
        about = {"method": "POST", "path": "/embed", "raw_path": b"/embed", "query_string": b"", "root_path": ""}
        await service(gate, folder, None)(
            {"type": "http", "headers": [(b"host", b"localhost")], **about}, receive, send
        )

    asyncio.run(ask())
    return said[0]["status"], json.loads(said[1]["body"])["error"]


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
    with pytest.raises(UserError, match="Expected limits above 0; got work_s 0"):
        Limits(work_s=0)
