"""A worker: a process that decodes and embeds, asked one thing at a time, and killed where it takes too long.

Only JSON goes between it and the service: what broke a worker must not reach further.
"""

import contextlib
import importlib
import json
import multiprocessing
import threading
from collections.abc import Mapping
from multiprocessing.connection import Connection
from pathlib import Path
from typing import NamedTuple

from earmark.errors import EarmarkError, MissingPart, UserError
from earmark.serve.limits import Limits
from earmark.serve.offer import Offer

START_S = 600.0
MOST_ANSWER_BYTES = 1 << 28
STATUS_BYTES = 3
ANSWERING = "earmark.serve.answering"


class Answer(NamedTuple):
    """An HTTP status, and the JSON that goes with it; `again_s`: in how many seconds to try again."""

    status: int
    body: bytes
    again_s: int | None = None


class Died(EarmarkError):
    """A worker ended while it was asked, or took too long and was killed."""


class Slow(Died):
    """It took longer than it may."""


class Worker:
    """One process at work. Not to be asked by two at once. `n_lost`: how many ended while nobody asked them."""

    def __init__(self, offer: Offer, limits: Limits) -> None:
        self._offer, self._limits, self._has_ended, self.n_lost = offer, limits, False, 0
        self._ending = threading.RLock()  # `close` and who waits for an answer both kill: one after the other
        self._start()

    def _start(self) -> None:
        """Start a process. Raises MissingPart where the system gives none; the one before stays, which has ended."""
        context = multiprocessing.get_context("spawn")
        try:
            pipe, theirs = context.Pipe()
            with contextlib.ExitStack() as unless_started, theirs:  # closed, so that its end is seen here
                unless_started.callback(pipe.close)
                process = context.Process(target=_begin, args=(theirs, self._offer, self._limits), daemon=True)
                process.start()
                unless_started.pop_all()
        except OSError as error:
            raise MissingPart(f"A worker's process could not be started: {error.strerror}.") from error
        self._pipe, self._process, self._is_ready = pipe, process, False

    @property
    def pid(self) -> int:
        """The number of its process."""
        return self._process.pid or 0

    def wait(self) -> None:
        """Wait until everything is loaded. Raises what loading raised there, as UserError or MissingPart."""
        if self._is_ready:
            return
        try:
            if not self._pipe.poll(START_S):
                raise MissingPart(f"The worker did not load within {START_S:g} s.")
            said = json.loads(self._pipe.recv_bytes(MOST_ANSWER_BYTES))
        except (EOFError, OSError) as error:
            self._kill()
            raise MissingPart("The worker ended while it loaded; what it printed above says why.") from error
        if said["wrong"]:
            self._kill()  # it takes a moment to end, in which the next one asked would take it for alive
            raise (MissingPart if said["is_missing"] else UserError)(said["wrong"])
        self._is_ready = True

    def ask(self, what: str, path: Path, asked: Mapping[str, str]) -> Answer:
        """Return the answer about an uploaded file. Raises Slow or Died; another process is then on its way.

        Raises MissingPart where none could be started, or what it loads is gone: the next one asked tries again.
        """
        if not self._process.is_alive():
            self.n_lost += self._is_ready
            self.restart()
        self.wait()
        try:
            self._pipe.send_bytes(json.dumps([what, str(path), dict(asked)]).encode())
            if not self._pipe.poll(self._limits.work_s):
                raise Slow(f"expected audio that is heard within {self._limits.work_s:g} s; it took longer")
            content = self._pipe.recv_bytes(MOST_ANSWER_BYTES)
        except (EOFError, OSError) as error:
            self.restart()
            raise Died("expected audio that can be decoded; the process that tried to did not survive it") from error
        except Slow:
            self.restart()
            raise
        return Answer(int(content[:STATUS_BYTES]), content[STATUS_BYTES:])

    def restart(self) -> None:
        """Kill the process, whatever it does, and start another; this returns before that one is ready."""
        with self._ending:
            self._kill()
            if not self._has_ended:
                self._start()

    def close(self) -> None:
        """Kill the process for good, also where another thread waits for its answer."""
        self._has_ended = True
        self._kill()

    def _kill(self) -> None:
        with self._ending:
            self._process.kill()
            self._process.join()
            self._pipe.close()
            self._is_ready = False


def _begin(pipe: Connection, offer: Offer, limits: Limits) -> None:
    # The service itself, which anybody can talk to, never loads what decodes; nor need it wait for that.
    importlib.import_module(ANSWERING).work(pipe, offer, limits)


def refusal(status: int, code: str, message: str, again_s: int | None = None) -> Answer:
    """Return an error as JSON: a word for programs, a sentence for people."""
    return Answer(status, json.dumps({"error": code, "message": message}, ensure_ascii=False).encode(), again_s)
