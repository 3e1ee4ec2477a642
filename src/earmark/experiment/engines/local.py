"""Processes of this machine, one thread each."""

import multiprocessing
import os
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from contextlib import suppress
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

        What a killed process leaves is done by others. Raises UserError for a job that killed three.
        """
        if self._processes <= 1 or len(jobs) <= 1:
            return _here(jobs, work, self._root)
        return self._in_processes(jobs, work)

    def _in_processes(self, jobs: Sequence[Job], work: Callable[[Job, Path], Answer]) -> Iterator[Answer]:
        left = list(range(len(jobs)))
        while left:
            waiting, left = self._submitted(jobs, left, work)
            while waiting:
                for future in wait(waiting, return_when=FIRST_COMPLETED).done:
                    number = waiting.pop(future)
                    if isinstance(future.exception(), BrokenProcessPool):
                        left.append(number)
                    else:
                        yield future.result()
            if left:
                self._pool = None
                left.sort()
                # Jobs begin in their order, so the one that killed is among the first, and each is now done alone.
                for number in left[: self._processes + 1]:
                    yield self._alone(jobs[number], work)
                left = left[self._processes + 1 :]

    def _submitted(
        self, jobs: Sequence[Job], numbers: Sequence[int], work: Callable[[Job, Path], Answer]
    ) -> tuple[dict[Future[Answer], int], list[int]]:
        """Return the jobs by their futures; and those that nobody takes, as a process has just been killed."""
        if self._pool is None:
            self._pool = _pool(self._processes)
        waiting = dict[Future[Answer], int]()
        for place, number in enumerate(numbers):
            try:
                waiting[self._pool.submit(work, jobs[number], self._root)] = number
            except BrokenProcessPool:
                return waiting, list(numbers[place:])
        return waiting, []

    def _alone(self, job: Job, work: Callable[[Job, Path], Answer]) -> Answer:
        """Return the answer to a job that may have killed a process. Raises UserError where it kills two more."""
        for _ in range(TRIES - 1):
            with _pool(1) as pool, suppress(BrokenProcessPool):
                return pool.submit(work, job, self._root).result()
        raise UserError(KILLED)


def _pool(processes: int) -> ProcessPoolExecutor:
    return ProcessPoolExecutor(processes, multiprocessing.get_context("spawn"), initializer=_begin_worker)


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
