"""Engines schedule jobs and know nothing of what is in them. `Local`: this machine's processes, one thread each."""

import multiprocessing
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from pathlib import Path
from types import TracebackType
from typing import Self, TypeVar

import torch
from threadpoolctl import threadpool_limits

Job = TypeVar("Job")
Answer = TypeVar("Answer")


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
        """Yield the answers of all jobs as they come. A job that raises ends it, and its error comes out."""
        if self._processes <= 1 or len(jobs) <= 1:
            return _here(jobs, work, self._root)
        if self._pool is None:
            context = multiprocessing.get_context("spawn")
            self._pool = ProcessPoolExecutor(self._processes, context, initializer=_one_thread)
        return _as_they_come({self._pool.submit(work, job, self._root) for job in jobs})


def _as_they_come(waiting: set[Future[Answer]]) -> Iterator[Answer]:
    while waiting:
        done, waiting = wait(waiting, return_when=FIRST_COMPLETED)
        for future in done:
            yield future.result()


def _here(jobs: Sequence[Job], work: Callable[[Job, Path], Answer], root: Path) -> Iterator[Answer]:
    before = torch.get_num_threads()
    with threadpool_limits(1):
        torch.set_num_threads(1)
        try:
            for job in jobs:
                yield work(job, root)
        finally:
            torch.set_num_threads(before)


def _one_thread() -> None:
    threadpool_limits(1)
    torch.set_num_threads(1)
