"""Work that may end its process, as a decoder may by a damaged file, in a process of its own.

It never imports the program that this one runs, as `multiprocessing` would: that may have no guard around its calls.
Nor does it look for modules in the folder where it stands before those of Python: there may be a random.py.
It computes on one thread, and ends soon after whoever started it.
"""

import os
import pickle
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from types import TracebackType
from typing import Any, Self, TypeVar

from earmark.errors import EarmarkError
from earmark.experiment.engines.local import one_thread

Answer = TypeVar("Answer")

FAILED = 1
"""What Python exits with after a traceback: a fault of ours, no end of the process."""
LOOKED_FOR_EVERY_S = 1.0


class Ended(EarmarkError):
    """The process apart was killed, by itself or by others."""


class Apart:
    """A process that does one thing after another; it starts with the first, and anew after each that ended it."""

    def __init__(self) -> None:
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.__exit__(None, None, None)

    def call(self, work: Callable[..., Answer], *given: object) -> Answer:
        """Return what a function of a module that can be imported returns. Raises Ended where its process ended."""
        process = self._process = self._process or _started()
        assert process.stdin is not None
        assert process.stdout is not None
        try:
            pickle.dump((work, given), process.stdin)
            process.stdin.flush()
            answer: Answer = pickle.load(process.stdout)  # of a process that we started
            return answer
        except (EOFError, BrokenPipeError, pickle.UnpicklingError) as error:
            code, self._process = process.wait(), None
            if code == FAILED:
                raise RuntimeError("A process of its own failed; its traceback stands above.") from error
            raise Ended(f"A process of its own ended with {code}.") from error
        finally:
            if self._process is None:
                process.__exit__(None, None, None)


def call(work: Callable[..., Answer], *given: object) -> Answer:
    """Return what a function returns that is called in a process for it alone. See `Apart.call`."""
    with Apart() as apart:
        return apart.call(work, *given)


def _started() -> "subprocess.Popen[bytes]":
    command = [sys.executable, "-P", "-c", f"from {__name__} import serve; serve()"]
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert process.stdin is not None
    pickle.dump((sys.path, os.getpid()), process.stdin)
    return process


def serve() -> None:
    """Do what the process that started this one sends, and answer, until it sends no more."""
    out = os.fdopen(os.dup(sys.stdout.fileno()), "wb")
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())  # decoders and networks print what they like
    path, parent = pickle.load(sys.stdin.buffer)
    sys.path.extend(one for one in path if one not in sys.path)
    threading.Thread(target=_end_with, args=(parent,), daemon=True).start()
    one_thread()
    while (asked := _next()) is not None:
        work, given = asked
        pickle.dump(work(*given), out)
        out.flush()


def _next() -> Any:
    try:
        return pickle.load(sys.stdin.buffer)
    except EOFError:
        return None


def _end_with(parent: int) -> None:
    while os.getppid() == parent:
        time.sleep(LOOKED_FOR_EVERY_S)
    os._exit(FAILED)
