"""Progress on stderr: a bar in a terminal, plain lines elsewhere; and what is kept of it in a run's log.txt.

stdout carries only what was asked for.
"""

import logging
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeRemainingColumn

from earmark import durable

PLAIN_EVERY_S = 5.0


@dataclass
class Bar:
    """One stage's progress: items done of a total, and seconds of audio heard for ×realtime."""

    name: str
    total: int
    quiet: bool = False
    done: int = 0
    audio_s: float = 0.0
    started: float = field(default_factory=time.perf_counter)
    _said: float = 0.0
    _rich: tuple[Progress, TaskID] | None = None

    def advance(self, items: int, audio_s: float = 0.0) -> None:
        """Count items done."""
        self.done += items
        self.audio_s += audio_s
        if self._rich:
            progress, task = self._rich
            progress.update(task, completed=self.done, speed=self.speed)
        elif not self.quiet and time.perf_counter() - self._said > PLAIN_EVERY_S:
            self._said = time.perf_counter()
            self._print()

    @property
    def speed(self) -> str:
        """How many times faster than the audio lasts, in words; empty where no audio is heard."""
        elapsed = time.perf_counter() - self.started
        return f"{self.audio_s / elapsed:,.0f}× real time" if self.audio_s and elapsed else ""

    def _print(self) -> None:
        elapsed = time.perf_counter() - self.started
        left = elapsed / self.done * (self.total - self.done) if self.done else 0.0
        parts = [f"{self.name}: {self.done}/{self.total}", self.speed, f"{elapsed:.0f} s", f"about {left:.0f} s left"]
        print(", ".join(part for part in parts if part), file=sys.stderr, flush=True)


@contextmanager
def bar(name: str, total: int, quiet: bool = False) -> Iterator[Bar]:
    """Show the progress of one stage while the block runs; nothing when there is nothing to do."""
    if total == 0:
        yield Bar(name, total, quiet=True)
        return
    if quiet or not sys.stderr.isatty():
        shown = Bar(name, total, quiet)
        yield shown
        if not quiet:
            shown._print()
        return
    columns = (
        TextColumn("{task.description:>8}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
        TextColumn("{task.fields[speed]}"),
    )
    with Progress(*columns, console=Console(stderr=True)) as progress:
        yield Bar(name, total, _rich=(progress, progress.add_task(name, total=total, speed="")))


@contextmanager
def logged(folder: Path) -> Iterator[None]:
    """Add what is said while the block runs to the run's log.txt."""
    durable.make_folder(folder)
    handler = logging.FileHandler(folder / "log.txt", encoding="utf-8")
    handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(message)s"))
    room = logging.getLogger("earmark")
    before = room.level
    room.addHandler(handler)
    room.setLevel(min(logging.INFO, room.getEffectiveLevel()))
    try:
        yield
    finally:
        room.removeHandler(handler)
        room.setLevel(before)
        handler.close()
