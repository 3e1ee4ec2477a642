"""A process in another Python: started, asked one thing at a time within bounds, and ended with this one.

What it is asked and answers goes through pipes (see _children/serve.py); what it prints is kept for messages alone.
"""

import json
import os
import selectors
import signal
import subprocess
import threading
import time
import weakref
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import IO, Any, NamedTuple, cast

from earmark.errors import MissingPart, UserError
from earmark.representations._worker_file import Environment

SERVER = Path(__file__).parent / "_children" / "serve.py"
PROTOCOL = 1
HELLO_S = 60.0
ENDS_WITHIN_S = 2.0
MOST_BYTES, LONGEST_HEAD, KEPT_BYTES, PIPE_BYTES, LONGEST_LINE = 1 << 31, 1 << 20, 4096, 1 << 16, 200
# They would lead the other Python to the packages of this one.
OURS = {"PYTHONPATH", "PYTHONHOME", "PYTHONSTARTUP", "VIRTUAL_ENV", "__PYVENV_LAUNCHER__"}
THREADS = ("OMP", "OPENBLAS", "MKL", "NUMEXPR", "VECLIB_MAXIMUM", "TF_INTRAOP", "TF_INTEROP")


class Died(UserError):
    """The process ended while it was asked."""


class Slow(UserError):
    """The process took longer than it may."""


class Answer(NamedTuple):
    """What was said, and the bytes that came with it."""

    said: Mapping[str, Any]
    content: bytes


class Process:
    """One other Python at work for `name`. Raises MissingPart when it lacks packages, UserError when it is none."""

    def __init__(self, name: str, environment: Environment, folder: Path, memory_bytes: int) -> None:
        environment.require()
        self.name, self._printed, self._one_at_a_time = name, b"", threading.Lock()
        command = [str(environment.python), str(SERVER), str(os.getpid())]
        try:
            self._process = subprocess.Popen(
                command,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                bufsize=0,
                cwd=folder,
                env=_environ(),
            )
        except OSError as error:
            raise UserError(f"Expected '{environment.python}' to be a Python, but: {error.strerror}.") from error
        self._closing = weakref.finalize(self, _close, self._process)
        pipes = self._process.stdin, self._process.stdout, self._process.stderr
        self._stdin, self._stdout, self._stderr = cast("tuple[IO[bytes], IO[bytes], IO[bytes]]", pipes)
        for pipe in (self._stdin, self._stdout, self._stderr):
            os.set_blocking(pipe.fileno(), False)
        self.hello = self._greet(environment, memory_bytes)

    def _greet(self, environment: Environment, memory_bytes: int) -> Mapping[str, Any]:
        """Return versions: protocol, python, packages by name. Raises MissingPart for packages that are not right."""
        wanted = environment.wanted
        hello = self.ask({"do": "hello", "packages": list(wanted), "memory_bytes": memory_bytes}, b"", HELLO_S).said
        if hello.get("protocol") != PROTOCOL:
            raise self._garbage(json.dumps(dict(hello)).encode())
        found = hello["packages"]
        wrong = [
            f"{name} {version}".strip() + (f" (it has {found[name]})" if found[name] else "")
            for name, version in wanted.items()
            if found[name] is None or version not in ("", found[name])
        ]
        if wrong:
            self.close()
            raise MissingPart(
                f"The Python of '{self.name}' lacks {', '.join(wrong)} ('{environment.python}', {hello['python']}). "
                f"Type: {environment.pip}"
            )
        return hello

    @property
    def is_alive(self) -> bool:
        """Whether it can be asked."""
        return self._closing.alive and self._process.poll() is None

    def ask(self, asked: Mapping[str, Any], content: bytes, limit_s: float) -> Answer:
        """Return the answer to a request. Raises Died, Slow, and UserError for an answer that is none: it then ends."""
        request = memoryview(json.dumps({**asked, "n_bytes": len(content)}).encode() + b"\n" + content)
        with self._one_at_a_time:
            if not self.is_alive:
                raise self._died()
            found = None
            try:
                found = self._exchange(request, time.monotonic() + limit_s)
            finally:
                if found is None:  # also where the user interrupts: the next answer must not be this one's
                    self._kill()
            if found is None:
                raise Slow(f"'{self.name}' took longer than {limit_s:g} s, its time_limit_s{self._last_words()}")
            return found

    def _exchange(self, left: memoryview, deadline: float) -> Answer | None:
        """Write a request and read its answer; None where time ran out."""
        got, head = bytearray(), None
        with selectors.DefaultSelector() as pipes:
            pipes.register(self._stdin, selectors.EVENT_WRITE)
            pipes.register(self._stdout, selectors.EVENT_READ)
            pipes.register(self._stderr, selectors.EVENT_READ)
            for pipe in _ready(pipes, deadline):
                if pipe is self._stdin:
                    left = left[_written(self._stdin, left) :]
                    if not left:
                        pipes.unregister(pipe)
                elif pipe is self._stderr:
                    if not self._hear():
                        pipes.unregister(pipe)
                elif chunk := self._stdout.read(PIPE_BYTES):
                    got += chunk
                    head = head or self._head(got)
                    if head and len(got) >= head.end:
                        return Answer(head.said, bytes(got[head.start : head.end]))
                else:
                    raise self._died()
        return None

    def _hear(self) -> bool:
        """Keep the end of what it printed; return whether there was anything."""
        chunk = self._stderr.read(PIPE_BYTES)
        self._printed = (self._printed + (chunk or b""))[-KEPT_BYTES:]
        return bool(chunk)

    def _head(self, got: bytearray) -> "_Head | None":
        """Return the first line of an answer once it is there."""
        line, end, _ = got.partition(b"\n")
        if not end:
            if len(got) > LONGEST_HEAD:
                raise self._garbage(got)
            return None
        try:
            said = json.loads(line)
        except ValueError as error:
            raise self._garbage(line) from error
        n_bytes = said.get("n_bytes") if isinstance(said, dict) else None
        if not isinstance(n_bytes, int) or not 0 <= n_bytes <= MOST_BYTES:
            raise self._garbage(line)
        return _Head(said, len(line) + 1, len(line) + 1 + n_bytes)

    def _garbage(self, got: bytes | bytearray) -> UserError:
        self._kill()
        shown = bytes(got[:80]).decode(errors="replace")
        return UserError(
            f"Expected the Python of '{self.name}' to answer as a worker does, got {shown!r}. Is it an interpreter of "
            f"Python 3.8 or newer, in which nothing prints when it starts?{self._last_words()}"
        )

    def _died(self) -> Died:
        self.close()
        code = self._process.returncode
        how = f"ended with {code}" if code >= 0 else f"was killed by {signal.Signals(-code).name}"
        hint = ", as happens where memory runs out" if code == -signal.SIGKILL else ""
        return Died(f"the process of '{self.name}' {how}{hint}{self._last_words()}")

    def _last_words(self) -> str:
        lines = self._printed.decode(errors="replace").strip().splitlines()
        return f"; it printed last: {lines[-1][-LONGEST_LINE:]}" if lines else ""

    def _kill(self) -> None:
        self._process.kill()
        self.close()

    def close(self) -> None:
        """End it, and keep the end of what it printed."""
        if self._closing.alive:
            _end(self._process)
            while self._hear():
                pass
            self._closing()


class _Head(NamedTuple):
    said: Mapping[str, Any]
    start: int
    end: int


def _environ() -> dict[str, str]:
    """Return the environment of the other Python: none of what leads to our packages, and one thread."""
    kept = {name: value for name, value in os.environ.items() if name not in OURS}
    return {**kept, **{f"{name}_NUM_THREADS": "1" for name in THREADS}, "PYTHONDONTWRITEBYTECODE": "1"}


def _ready(pipes: selectors.BaseSelector, deadline: float) -> Iterator[object]:
    """Yield each pipe that can be read or written, again and again until time has run out."""
    while (left_s := deadline - time.monotonic()) > 0:
        yield from [key.fileobj for key, _ in pipes.select(left_s)]


def _written(pipe: IO[bytes], content: memoryview) -> int:
    """Return how many bytes a pipe took; of one that nobody reads any more, all: that it died is seen elsewhere."""
    try:
        return os.write(pipe.fileno(), content[:PIPE_BYTES])
    except BrokenPipeError:
        return len(content)


def _end(process: subprocess.Popen[bytes]) -> None:
    """End a process, which ends with its stdin; kill it where it does not."""
    if process.stdin is not None:
        process.stdin.close()
    try:
        process.wait(ENDS_WITHIN_S)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def _close(process: subprocess.Popen[bytes]) -> None:
    """End a process and close its pipes."""
    _end(process)
    for pipe in (process.stdout, process.stderr):
        if pipe is not None:
            pipe.close()
