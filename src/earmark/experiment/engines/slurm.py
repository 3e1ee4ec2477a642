"""The one file that imports submitit: jobs as an array of SLURM tasks, or as processes that take the same steps."""

import secrets
import shlex
import shutil
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Self, TypeVar

from earmark import places
from earmark.counted import counted
from earmark.errors import MissingPart, UserError
from earmark.experiment.engines.choice import EngineChoice
from earmark.experiment.engines.local import TRIES
from earmark.experiment.engines.parcel import Parcel, make_room

Job = TypeVar("Job")
Answer = TypeVar("Answer")

TASK_MINUTES = 60
TIMES_OUT = 1_000  # a share goes on where it stopped, so to run out of time is nothing to give up for


class OnPaper(Exception):
    """Jobs stand ready in a folder, and `script` is what to hand to sbatch: nothing was submitted, as was asked."""

    def __init__(self, script: str) -> None:
        super().__init__(script)
        self.script = script


@dataclass(frozen=True)
class Share:
    """What one task of an array does: every so many-th job of a parcel."""

    folder: Path
    number: int
    of: int

    def __call__(self) -> None:
        """Do those of them that have no answer."""
        parcel = Parcel.opened(self.folder)
        for job in parcel.share(self.number, self.of):
            parcel.do(job)

    def checkpoint(self) -> Any:
        """Return what submitit is to queue again where SLURM wants the machine back: the same, less what is done.

        Called in the process that is to end, in the middle of a job, before it is queued again.
        """
        make_room(self.folder)
        return _submitit().helpers.DelayedSubmission(self)


class Slurm:
    """An array of tasks for each call of `map`; a task that is killed is submitted again, for what it left."""

    def __init__(self, root: Path, processes: int, choice: EngineChoice, with_gpu: bool) -> None:
        """Raise MissingPart without submitit, UserError where there is no SLURM."""
        self._root, self._choice, self._with_gpu = root, choice, with_gpu
        self._tasks = choice.array or processes
        self._is_here = choice.name == "slurm-here"
        self._running: dict[int, Any] = {}
        if not choice.print_sbatch:
            _submitit()
            if not (self._is_here or (shutil.which("sbatch") and shutil.which("srun"))):
                raise UserError(
                    "Expected sbatch and srun on PATH: SLURM is spoken to from a machine of its cluster. To see the "
                    "script add --print-sbatch; to rehearse on this machine write --engine slurm-here."
                )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stop()

    def in_turn(self, jobs: Sequence[Job], work: Callable[[Job, Path], Answer]) -> Iterator[Answer]:
        """Yield the answers of jobs of which each wants a GPU to itself: a task has one."""
        return self.map(jobs, work)

    def map(self, jobs: Sequence[Job], work: Callable[[Job, Path], Answer]) -> Iterator[Answer]:
        """Yield the answers of all jobs as they come. A job that raises ends it, and its error comes out.

        Raises OnPaper where scripts are printed; UserError where a task was killed each time.
        """
        if not jobs:
            return
        folder = places.home().absolute() / "engines" / secrets.token_hex(6)
        parcel, of = Parcel.packed(folder, jobs, work, self._root), min(self._tasks, len(jobs))
        if self._choice.print_sbatch:
            raise OnPaper(self._script(parcel, of))
        try:
            yield from self._answers(parcel, of)
        except BaseException:
            parcel.stop()
            self._stop()
            raise
        parcel.clear()

    def _stop(self) -> None:
        """Take back what SLURM runs or will run; processes here end after the job that they are at."""
        while self._is_here and not all(job.done() for job in self._running.values()):
            time.sleep(0.1)
        for job in self._running.values() if not self._is_here else ():
            job.cancel(check=False)
        self._running = {}

    def _answers(self, parcel: Parcel, of: int) -> Iterator[Any]:
        executor, tries, seen = self._executor(parcel.folder / "tasks"), Counter[int](range(of)), Counter[int]()
        waiting = list(range(parcel.size))
        self._running = self._submitted(executor, parcel, range(of), of)
        while waiting or self._running:
            ended = {share: job for share, job in self._running.items() if job.done()}
            here = parcel.answered(waiting)
            yield from map(parcel.answer, here)
            waiting = [number for number in waiting if number not in set(here)]
            for share, job in ended.items():
                del self._running[share]
                _require_killed(job)
            again = [share for share in ended if set(parcel.share(share, of)) & set(waiting)]
            for share in again:
                # A task that began or answered something got on: of jobs that kill it the parcel gives up each.
                before, seen[share] = seen[share], parcel.progress(parcel.share(share, of))
                tries[share] = tries[share] + 1 if seen[share] == before else 1
            if over := [share for share in again if tries[share] > TRIES]:
                raise self._lost(parcel, ended[over[0]], len(waiting))
            self._running |= self._submitted(executor, parcel, again, of)
            if not (here or ended):
                time.sleep(0.1 if self._is_here else 2)

    def _submitted(self, executor: Any, parcel: Parcel, shares: Iterable[int], of: int) -> dict[int, Any]:
        names = list(shares)
        if not names:
            return {}
        with executor.batch():
            jobs = [executor.submit(Share(parcel.folder, name, of)) for name in names]
        return dict(zip(names, jobs, strict=True))

    def _executor(self, folder: Path) -> Any:
        minutes = int(self._choice.sbatch.get("time", TASK_MINUTES))
        if self._is_here:
            executor = _submitit().LocalExecutor(folder, max_num_timeout=TIMES_OUT)
            executor.update_parameters(timeout_min=minutes, gpus_per_node=int(self._with_gpu))
            return executor
        executor = _submitit().SlurmExecutor(folder, max_num_timeout=TIMES_OUT)
        executor.update_parameters(
            job_name="earmark",
            time=minutes,
            cpus_per_task=1,
            additional_parameters=self._asked() | ({"gpus-per-node": "1"} if self._with_gpu else {}),
        )
        return executor

    def _asked(self) -> dict[str, str]:
        named = {"partition": self._choice.partition} if self._choice.partition else {}
        return named | {key: value for key, value in self._choice.sbatch.items() if key != "time"}

    def _script(self, parcel: Parcel, of: int) -> str:
        options = {
            "job-name": "earmark",
            "array": f"0-{of - 1}",
            "cpus-per-task": "1",
            "time": self._choice.sbatch.get("time", str(TASK_MINUTES)),
            **({"gpus-per-node": "1"} if self._with_gpu else {}),
            **self._asked(),
            "output": str(parcel.folder / "task-%a.log"),
        }
        lines = [f"#SBATCH --{key}={shlex.quote(value)}" for key, value in options.items()]
        command = shlex.join([sys.executable, "-m", "earmark.experiment.engines", str(parcel.folder)])
        return "\n".join(["#!/bin/bash", *lines, f'{command} "$SLURM_ARRAY_TASK_ID" {of}', ""])

    def _lost(self, parcel: Parcel, job: Any, left: int) -> UserError:
        return UserError(
            f"A task of the array was killed {TRIES} times, and {counted(left, 'job')} of {parcel.size} have no "
            f"answer. Read {job.paths.stderr}; if memory ran out, ask for more: --sbatch mem=16G. What is done stays "
            "done: run the same command again."
        )


def _require_killed(job: Any) -> None:
    """Raise what ended a task from within, such as a library that the machine lacks; a killed task leaves nothing."""
    if job.paths.result_pickle.exists() and (error := job.exception()) is not None:
        raise error


def _submitit() -> Any:
    try:
        import submitit
    except ImportError as error:
        raise MissingPart("The engine 'slurm' is submitit. Type: pip install 'earmark[slurm]'") from error
    return submitit
