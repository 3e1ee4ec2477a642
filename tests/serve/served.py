"""A service as its own process, and how tests ask it."""

import http.client
import io
import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import soundfile

ROOT = Path(__file__).parents[2]
RATE = 8000


class Reply(NamedTuple):
    """What came back: status, JSON (or text where it is none), headers."""

    status: int
    said: Any
    headers: Mapping[str, str]


@dataclass(frozen=True)
class Served:
    """A running service: where it listens, its process, and what it has printed on stderr so far."""

    port: int
    process: subprocess.Popen[str]
    stderr: Path

    def ask(
        self,
        path: str,
        body: bytes | None = b"",
        headers: Mapping[str, str] | None = None,
        method: str = "POST",
        host: str = "127.0.0.1",
    ) -> Reply:
        """Return the answer to one request over a connection of its own."""
        connection = http.client.HTTPConnection(host, self.port, timeout=60)
        try:
            connection.request(method, path, body, dict(headers or {}))
            answer = connection.getresponse()
            content = answer.read()
            is_json = (answer.getheader("content-type") or "").startswith("application/json")
            said = json.loads(content) if is_json else content.decode()
            return Reply(answer.status, said, {name.lower(): value for name, value in answer.getheaders()})
        finally:
            connection.close()

    def count(self, name: str, headers: Mapping[str, str] | None = None) -> int:
        """Return the sum of a counter of /metrics, such as 'workers_died'."""
        lines = str(self.ask("/metrics", None, headers, method="GET").said).splitlines()
        return int(sum(float(one.rsplit(" ", 1)[1]) for one in lines if one.startswith(f"earmark_{name}")))

    @property
    def memory_mb(self) -> float:
        """What the service and its workers hold, resident."""
        return sum(_resident_mb(pid) for pid in (self.process.pid, *children(self.process.pid)))


def children(pid: int) -> list[int]:
    """Return the numbers of a process' living children."""
    found = []
    for status in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = status.read_text().rsplit(")", 1)[1].split()
        except (FileNotFoundError, ProcessLookupError):
            continue
        if int(fields[1]) == pid and fields[0] != "Z":
            found.append(int(status.parent.name))
    return found


def _resident_mb(pid: int) -> float:
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return sum(int(line.split()[1]) for line in lines if line.startswith("VmRSS:")) / 1024


@contextmanager
def serving(folder: Path, options: Sequence[str], environment: Mapping[str, str] | None = None) -> Iterator[Served]:
    """Run `earmark serve` at a free port until the block ends; its stderr is a file in the folder."""
    command = [sys.executable, "-m", "earmark", "serve", "--port", "0", *options]
    told = {**os.environ, "OMP_NUM_THREADS": "1", **(environment or {})}
    log = folder / "stderr.txt"
    with log.open("w") as stderr:
        process = subprocess.Popen(command, cwd=ROOT, env=told, stdout=subprocess.PIPE, stderr=stderr, text=True)
        assert process.stdout is not None
        try:
            address = process.stdout.readline().strip()
            if not address:
                raise AssertionError(f"it did not start: {log.read_text()}")
            yield Served(int(address.rsplit(":", 1)[1]), process, log)
        finally:
            process.send_signal(signal.SIGINT)
            try:
                process.wait(20)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
            process.stdout.close()


def tone(loudest: float, seconds: float = 0.5, form: str = "WAV", rate: int = RATE) -> bytes:
    """Return an audio file whose loudest sample is known."""
    steps = np.arange(round(seconds * rate)) / rate
    samples = loudest * np.sin(2 * np.pi * 440 * steps).astype(np.float32)
    samples[len(samples) // 2] = loudest
    buffer = io.BytesIO()
    soundfile.write(buffer, samples, rate, format=form)
    return buffer.getvalue()


def level(value: float) -> bytes:
    """Return half a second of one value, from which `moody` takes what to do."""
    buffer = io.BytesIO()
    soundfile.write(buffer, np.full(RATE // 2, value, np.float32), RATE, format="WAV", subtype="FLOAT")
    return buffer.getvalue()


def as_form(content: bytes, name: str = "take.wav", boundary: str = "xyz") -> tuple[bytes, dict[str, str]]:
    """Return the body and headers of a form with one file in it."""
    head = f'--{boundary}\r\nContent-Disposition: form-data; name="file"; filename="{name}"\r\n\r\n'.encode()
    return head + content + f"\r\n--{boundary}--\r\n".encode(), {
        "Content-Type": f"multipart/form-data; boundary={boundary}"
    }
