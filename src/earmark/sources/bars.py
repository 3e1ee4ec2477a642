"""How far each file is, on stderr: a bar a file in a terminal, plain lines elsewhere."""

import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import (
    BarColumn,
    DownloadColumn,
    Progress,
    TaskID,
    TextColumn,
    TimeRemainingColumn,
    TransferSpeedColumn,
)

PLAIN_EVERY_S = 5.0


class Bars:
    """Tells nobody; those that do are made by `bars`. Each is a `Watch` of `fetch`."""

    def advance(self, name: str, done: int, total: int | None) -> None:
        """Hear that `done` of `total` bytes of a file are here."""


class _Plain(Bars):
    def __init__(self) -> None:
        self._lock, self._began = threading.Lock(), time.monotonic()
        self._said = self._began

    def advance(self, name: str, done: int, total: int | None) -> None:
        with self._lock:
            now = time.monotonic()
            if now - self._said >= PLAIN_EVERY_S:
                self._said = now
                of = f" of {total / 1e6:,.1f}" if total else ""
                print(f"{name}: {done / 1e6:,.1f}{of} MB, {now - self._began:.0f} s", file=sys.stderr, flush=True)


class _Drawn(Bars):
    def __init__(self, progress: Progress) -> None:
        self._lock, self._progress = threading.Lock(), progress
        self._tasks: dict[str, TaskID] = {}

    def advance(self, name: str, done: int, total: int | None) -> None:
        with self._lock:
            if done != total:
                if name not in self._tasks:
                    self._tasks[name] = self._progress.add_task(name, total=total)
                self._progress.update(self._tasks[name], completed=done, total=total)
            elif name in self._tasks:  # a set may have 55,000 files: only those under way are shown
                self._progress.remove_task(self._tasks.pop(name))


@contextmanager
def bars(quiet: bool = False) -> Iterator[Bars]:
    """Show how far each file is while the block runs; hand what is given to `fetch` as its watch."""
    if quiet:
        yield Bars()
    elif not sys.stderr.isatty():
        yield _Plain()
    else:
        columns = (TextColumn("{task.description}"), BarColumn(), DownloadColumn(), TransferSpeedColumn())
        with Progress(*columns, TimeRemainingColumn(), console=Console(stderr=True), transient=True) as progress:
            yield _Drawn(progress)
