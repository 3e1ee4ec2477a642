"""A local HTTP server that misbehaves as it is told, and remembers what it was asked."""

import contextlib
import re
import socket
import struct
import threading
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from email.utils import formatdate
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import NamedTuple, Self

ONE_DAY = formatdate(1_000_000_000, usegmt=True)
STALL_S = 20.0


@dataclass(frozen=True)
class Reply:
    """How one request is answered: honestly, but for what is given here.

    `cut_at`: the connection ends after that many bytes of the answer; `reset`: and abruptly. `stall_at`: it says
    nothing more after those until the test releases it. `lie` is added to the Content-Length. `headers` are set, or
    removed (None).
    """

    status: int | None = None
    body: bytes | None = None
    cut_at: int | None = None
    reset: bool = False
    stall_at: int | None = None
    lie: int = 0
    ignores_range: bool = False
    ignores_if_range: bool = False
    chunked: bool = False
    headers: Mapping[str, str | None] = field(default_factory=dict)


class Asked(NamedTuple):
    """A request: its first byte (0 without a Range), its headers, and the status and bytes of body it got."""

    method: str
    path: str
    start: int
    headers: Mapping[str, str]
    status: int
    n_sent: int


class FlakyServer:
    """Serves `files` by path. `script` says how the next requests for a path are answered; later ones are honest."""

    def __init__(self, files: Mapping[str, bytes]) -> None:
        self.files = dict(files)
        self.versions = dict.fromkeys(files, 1)
        self.asked: list[Asked] = []
        self._scripts: dict[str, list[Reply]] = {}
        self._always: dict[str, Reply] = {}
        self.released = threading.Event()
        self._http = _Server(("127.0.0.1", 0), _Handler)
        self._http.flaky = self
        self._thread = threading.Thread(target=self._http.serve_forever, kwargs={"poll_interval": 0.01})

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *error: object) -> None:
        self.released.set()
        self._http.shutdown()
        self._thread.join()
        self._http.server_close()

    def url(self, path: str) -> str:
        return f"http://127.0.0.1:{self._http.server_address[1]}/{path}"

    def script(self, path: str, *replies: Reply) -> None:
        self._scripts[path] = list(replies)

    def always(self, path: str, reply: Reply) -> None:
        self._always[path] = reply

    def change(self, path: str, content: bytes) -> None:
        """Put another file in a file's place, under another ETag."""
        self.files[path] = content
        self.versions[path] += 1

    def next_reply(self, path: str, method: str) -> Reply:
        if method == "GET" and self._scripts.get(path):
            return self._scripts[path].pop(0)
        return self._always.get(path, Reply())

    def starts(self, path: str) -> list[int]:
        """From which byte each request for a path asked."""
        return [one.start for one in self.asked if one.path == path and one.method == "GET"]

    def n_sent(self, path: str) -> int:
        return sum(one.n_sent for one in self.asked if one.path == path and one.method == "GET")


class _Server(ThreadingHTTPServer):
    flaky: FlakyServer
    daemon_threads = False

    def handle_error(self, request: object, client_address: object) -> None:
        """Say nothing: a client that a test interrupts or kills hangs up."""


class _Handler(BaseHTTPRequestHandler):
    server: _Server
    protocol_version = "HTTP/1.1"
    close_connection = True

    def log_message(self, format: str, *arguments: object) -> None:
        pass

    def do_HEAD(self) -> None:
        self._answer()

    def do_GET(self) -> None:
        self._answer()

    def _answer(self) -> None:
        flaky, path = self.server.flaky, self.path.lstrip("/")
        reply = flaky.next_reply(path, self.command)
        status, body, headers, start = self._honest(reply, path)
        if reply.chunked:
            del headers["Content-Length"]
            headers["Transfer-Encoding"] = "chunked"
        for name, value in reply.headers.items():
            headers.pop(name, None)
            if value is not None:
                headers[name] = value
        end = min(len(body) if one is None else one for one in (reply.cut_at, reply.stall_at))
        n_sent = len(body[:end]) if self.command == "GET" else 0
        # Noted before it is sent, so that whoever has an answer finds it noted.
        flaky.asked.append(Asked(self.command, path, start, dict(self.headers), reply.status or status, n_sent))
        self.send_response(reply.status or status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):
            if self.command == "GET":
                self._send(reply, body[:n_sent], body[n_sent:])

    def _honest(self, reply: Reply, path: str) -> tuple[int, bytes, dict[str, str], int]:
        """What a proper server would answer: status, body, headers, first byte."""
        flaky = self.server.flaky
        etag = f'"{flaky.versions.get(path, 0)}-{path}"'
        headers = {"ETag": etag, "Last-Modified": ONE_DAY, "Connection": "close", "Content-Type": "application/x"}
        asked = re.fullmatch(r"bytes=(\d+)-", self.headers.get("Range", ""))
        start = int(asked[1]) if asked else 0
        status, body = 200, reply.body if reply.body is not None else flaky.files.get(path)
        if body is None:
            status, body = 404, b"not here"
        is_same = reply.ignores_if_range or self.headers.get("If-Range", etag) == etag
        if status == 200 and asked and is_same and not reply.ignores_range and reply.status is None:
            if start >= len(body):
                status, headers["Content-Range"], body = 416, f"bytes */{len(body)}", b""
            else:
                headers["Content-Range"] = f"bytes {start}-{len(body) - 1}/{len(body)}"
                status, body = 206, body[start:]
        headers["Content-Length"] = str(len(body) + reply.lie)
        return status, body, headers, start

    def _send(self, reply: Reply, sent: bytes, rest: bytes) -> None:
        if reply.chunked:
            self.wfile.write(b"".join(b"%x\r\n%s\r\n" % (len(piece), piece) for piece in _pieces(sent)))
            if reply.cut_at is None:
                self.wfile.write(b"0\r\n\r\n")
        else:
            self.wfile.write(sent)
        self.wfile.flush()
        if reply.stall_at is not None:
            self.server.flaky.released.wait(STALL_S)
            self.wfile.write(rest)
        if reply.reset:
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


def _pieces(content: bytes) -> Iterator[bytes]:
    for start in range(0, len(content), 1000):
        yield content[start : start + 1000]
