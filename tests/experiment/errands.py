"""Jobs for engines: modest, long-remembering, failing and deadly ones. A job is what a worker finds by its name."""

import os
import signal
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from earmark.errors import AudioError

_seen: list[int] = []


class Seen(NamedTuple):
    """The process that did a job, and how many it had done then."""

    pid: int
    n_done: int


def square(job: int, root: Path) -> int:
    return job * job


def remember(job: int, root: Path) -> Seen:
    _seen.append(job)
    return Seen(os.getpid(), len(_seen))


def refuse(job: int, root: Path) -> int:
    if job == 2:
        raise AudioError("b.wav", "it holds no sound")
    return job


def break_down(job: int, root: Path) -> int:
    return 1 // (job - 2)


def die_once(job: int, root: Path) -> int:
    """Kill the process that does the third job, the first time, and leave a mark of each time it is begun."""
    if job == 2:
        with (root / "begun").open("a") as file:
            file.write(f"{os.getpid()}\n")
        if len((root / "begun").read_text().split()) == 1:
            os.kill(os.getpid(), signal.SIGKILL)
    return job


def die_each_once(job: int, root: Path) -> int:
    """Kill the process at every job, the first time that it is begun."""
    if not (root / f"begun-{job}").exists():
        (root / f"begun-{job}").touch()
        os.kill(os.getpid(), signal.SIGKILL)
    return job


class DiesWhenRead:
    """What to do with a job, of which no process gets to know."""

    def __call__(self, job: int, root: Path) -> int:
        return job

    def __reduce__(self) -> tuple[Callable[[], object], tuple[()]]:
        return _die, ()


def _die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def die_always(job: int, root: Path) -> int:
    if job == 2:
        os.kill(os.getpid(), signal.SIGKILL)
    return job


def leave(job: int, root: Path) -> int:
    """End the process without an answer."""
    raise SystemExit


def go_on(job: int, root: Path) -> int:
    """Do one of so many steps; then be asked to make room, as SLURM does, until all are done."""
    with (root / "steps").open("a") as file:
        file.write(".")
    if (n_done := len((root / "steps").read_text())) < job:
        os.kill(os.getpid(), signal.SIGUSR2)
    return n_done


def where(job: int, root: Path) -> tuple[str, str | None, str]:
    """Return what a worker must have of whoever handed the job out: folder, a setting, the store's folder."""
    return str(Path.cwd()), os.environ.get("EARMARK_HOME"), str(root)
