"""Jobs in a folder, for processes that share nothing with this one but the disk; each answer is put beside them.

    here.json              folder, import path and EARMARK_* settings of who packed it
    work.pickle            what to do with a job, and the folder of the store
    jobs/<number>.pickle
    begun/<number>.pickle  a byte for each process that began it, and one for each that made room before its end
    answers/<number>.pickle
    stop                   nobody waits for the rest

A job with an answer is done: whoever comes after a killed process does the rest. Pickles of one's own: whoever may
write into the folder may run code as its owner, as with SLURM's and Ray's own files.
"""

import json
import os
import pickle
import shutil
import sys
import traceback
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, TypeVar

from earmark import durable
from earmark.errors import UserError
from earmark.experiment.engines.local import KILLED, TRIES, one_thread

Job = TypeVar("Job")
Answer = TypeVar("Answer")

SETTINGS = "EARMARK_"
STOP = "stop"
BEGUN, MADE_ROOM = b".", b"-"
NOT_CARRIED = {"EARMARK_DIE_AT"}  # it counts the steps of one process

_at: dict[Path, Path] = {}  # by the folder of a parcel: the mark of the job that this process began last


@dataclass(frozen=True)
class _Raised:
    error: Exception


@dataclass(frozen=True)
class Parcel:
    """The jobs in a folder; `size` is how many."""

    folder: Path
    size: int

    @classmethod
    def packed(cls, folder: Path, jobs: Sequence[Job], work: Callable[[Job, Path], Answer], root: Path) -> "Parcel":
        """Write jobs into a folder that is not there yet, for a store in `root`."""
        settings = {k: v for k, v in os.environ.items() if k.startswith(SETTINGS) and k not in NOT_CARRIED}
        here = {"folder": str(Path.cwd()), "path": [one for one in sys.path if one], "settings": settings}
        durable.write_file(folder / "here.json", json.dumps(here).encode())
        durable.write_file(folder / "work.pickle", pickle.dumps((work, root.absolute())))
        for number, job in enumerate(jobs):
            durable.write_file(folder / "jobs" / _name(number), pickle.dumps(job))
        durable.make_folder(folder / "answers")
        return cls(folder, len(jobs))

    @classmethod
    def opened(cls, folder: Path) -> "Parcel":
        """Open a parcel in a process that may be anywhere: it becomes like the one that packed it, on one thread."""
        _settle(folder)
        return cls(folder, sum(1 for _ in (folder / "jobs").glob("*.pickle")))

    def do(self, number: int) -> None:
        """Do a job, unless it has an answer or all was stopped, and leave its answer: also the error that it raised."""
        if not (self._answer(number).exists() or (self.folder / STOP).exists()):
            work, root = _work(self.folder)
            answer: object
            try:
                self._begin(number)
                answer = work(pickle.loads((self.folder / "jobs" / _name(number)).read_bytes()), root)
            except Exception as error:  # raised again by whoever handed the job out: see `answer`
                error.add_note(traceback.format_exc())
                answer = _Raised(error)
            durable.write_file(self._answer(number), pickle.dumps(answer))

    def _begin(self, number: int) -> None:
        """Count how often a job was begun. Raises UserError where that killed so many of the processes that did."""
        begun = self.folder / "begun" / _name(number)
        marks = begun.read_bytes() if begun.exists() else b""
        if marks.count(BEGUN) - marks.count(MADE_ROOM) >= TRIES:
            raise UserError(KILLED)
        durable.append(begun, BEGUN, sync=False)
        _at[self.folder] = begun  # last: a signal before it leaves one kill too many, never one too few

    def answered(self, numbers: Iterable[int]) -> list[int]:
        """Return those of the jobs that have an answer."""
        here = {path.name for path in (self.folder / "answers").iterdir()}
        return [number for number in numbers if _name(number) in here]

    def progress(self, numbers: Iterable[int]) -> int:
        """Return how often some jobs were begun or left, and how many have an answer, in one number that only grows."""
        some = list(numbers)
        begun = [self.folder / "begun" / _name(number) for number in some]
        return len(self.answered(some)) + sum(path.stat().st_size for path in begun if path.exists())

    def answer(self, number: int) -> Any:
        """Return the answer to a job, or raise what it raised."""
        answer = pickle.loads(self._answer(number).read_bytes())
        if isinstance(answer, _Raised):
            raise answer.error
        return answer

    def share(self, number: int, of: int) -> range:
        """Return the jobs of one of so many shares: every so many-th."""
        return range(number, self.size, of)

    def stop(self) -> None:
        """Let no process begin another of the jobs."""
        durable.write_file(self.folder / STOP, b"")

    def clear(self) -> None:
        """Remove the folder."""
        shutil.rmtree(self.folder)

    def _answer(self, number: int) -> Path:
        return self.folder / "answers" / _name(number)


def make_room(folder: Path) -> None:
    """Let the job of a parcel that this process is at not count as one that killed it: it ends by request.

    May be called at any moment, more than once, as signals come.
    """
    if (begun := _at.pop(folder, None)) is not None:
        durable.append(begun, MADE_ROOM, sync=False)


def _name(number: int) -> str:
    return f"{number:06}.pickle"


@cache
def _settle(folder: Path) -> None:
    """Stand where the packer stood: relative paths, modules of the user, EARMARK_HOME."""
    here = json.loads((folder / "here.json").read_bytes())
    os.environ.update(here["settings"])
    os.chdir(here["folder"])
    sys.path.extend(one for one in here["path"] if one not in sys.path)
    one_thread()


@cache
def _work(folder: Path) -> tuple[Callable[[Any, Path], object], Path]:
    found: tuple[Callable[[Any, Path], object], Path] = pickle.loads((folder / "work.pickle").read_bytes())
    return found
