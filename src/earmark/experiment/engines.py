"""Engines schedule jobs and know nothing of what is in them. `local`: this machine's processes, one thread each."""

import multiprocessing
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from pathlib import Path
from typing import TypeVar

import torch
from threadpoolctl import threadpool_limits

Job = TypeVar("Job")
Answer = TypeVar("Answer")


def local(jobs: Sequence[Job], work: Callable[[Job, Path], Answer], root: Path, processes: int) -> Iterator[Answer]:
    """Yield the answers of all jobs as they come. Each job runs on one thread, so their number changes no result.

    With one process the jobs run here, in order. A worker that raises stops the rest, and its error comes out.
    """
    if processes <= 1 or len(jobs) <= 1:
        yield from _here(jobs, work, root)
        return
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(min(processes, len(jobs)), context, initializer=_one_thread) as pool:
        waiting: set[Future[Answer]] = {pool.submit(work, job, root) for job in jobs}
        try:
            while waiting:
                done, waiting = wait(waiting, return_when=FIRST_COMPLETED)
                for future in done:
                    yield future.result()
        finally:
            pool.shutdown(wait=True, cancel_futures=True)


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
