"""Processes of this machine, one thread each."""

import multiprocessing
import os
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from pathlib import Path
from types import TracebackType
from typing import Self, TypeVar

import torch
from threadpoolctl import threadpool_limits

from earmark.errors import UserError

Job = TypeVar("Job")
Answer = TypeVar("Answer")

TRIES = 3
KILLED = (
    f"A process was killed {TRIES} times at the same job. If memory ran out, let fewer processes share a machine "
    "(--jobs), or ask for more of it (SLURM: --sbatch mem=16G). What is done stays done: run the same command again."
)


class Local:
    """Worker processes that start with the first jobs that need them and stay until the block ends.

    Each job runs on one thread, so the number of processes changes no result. With one process, or a single job,
    the jobs run here, in order.
    """

    def __init__(self, root: Path, processes: int) -> None:
        self._root, self._processes = root, processes
        self._pool: ProcessPoolExecutor | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._pool is not None:
            self._pool.shutdown(wait=True, cancel_futures=True)

    def in_turn(self, jobs: Sequence[Job], work: Callable[[Job, Path], Answer]) -> Iterator[Answer]:
        """Yield the answers of jobs that run in this process, however many there are: it has the GPU to itself."""
        return _here(jobs, work, self._root)

    def map(self, jobs: Sequence[Job], work: Callable[[Job, Path], Answer]) -> Iterator[Answer]:
        """Yield the answers of all jobs as they come. A job that raises ends it, and its error comes out.

        What a killed process leaves is done by others. Raises UserError where that killed them too, one after another.
        """
        if self._processes <= 1 or len(jobs) <= 1:
            return _here(jobs, work, self._root)
        return self._in_processes(jobs, work)

    def _in_processes(self, jobs: Sequence[Job], work: Callable[[Job, Path], Answer]) -> Iterator[Answer]:
        left, tries = list(jobs), TRIES
        while left:
            waiting, left = self._submitted(left, work)
            while waiting:
                for future in wait(waiting, return_when=FIRST_COMPLETED).done:
                    job = waiting.pop(future)
                    if isinstance(future.exception(), BrokenProcessPool):
                        left.append(job)
                    else:
                        yield future.result()
                        tries = TRIES
            if left:
                self._pool, tries = None, tries - 1
                if not tries:
                    raise UserError(KILLED)

    def _submitted(
        self, jobs: Sequence[Job], work: Callable[[Job, Path], Answer]
    ) -> tuple[dict[Future[Answer], Job], list[Job]]:
        """Return the jobs by their futures; and those that nobody takes, as a process has just been killed."""
        if self._pool is None:
            context = multiprocessing.get_context("spawn")
            self._pool = ProcessPoolExecutor(self._processes, context, initializer=_begin_worker)
        waiting = dict[Future[Answer], Job]()
        for number, job in enumerate(jobs):
            try:
                waiting[self._pool.submit(work, job, self._root)] = job
            except BrokenProcessPool:
                return waiting, list(jobs[number:])
        return waiting, []


def _here(jobs: Sequence[Job], work: Callable[[Job, Path], Answer], root: Path) -> Iterator[Answer]:
    before = torch.get_num_threads()
    with threadpool_limits(1):
        torch.set_num_threads(1)
        try:
            for job in jobs:
                yield work(job, root)
        finally:
            torch.set_num_threads(before)


def one_thread() -> None:
    """Let this process compute on one thread from now on."""
    threadpool_limits(1)
    torch.set_num_threads(1)


def _begin_worker() -> None:
    one_thread()
    threading.Thread(target=_end_with_parent, daemon=True).start()


def _end_with_parent() -> None:
    # A worker waits for jobs for ever: it would outlive a parent that was killed, with all its memory.
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)
