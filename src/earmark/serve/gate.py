"""How many requests are taken at once, and which worker answers which: the rest is sent away at once."""

import asyncio
import math
import time
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

from earmark.serve.limits import Limits
from earmark.serve.worker import Answer, Worker

FIRST_GUESS_S, LONGEST_AGAIN_S, NEWEST = 1.0, 60, 0.2


class Full(Exception):
    """There is no room for another request; `again_s`: after how many seconds there may be."""

    def __init__(self, again_s: int) -> None:
        super().__init__(again_s)
        self.again_s = again_s


class Gate:
    """Workers, and the requests that wait for them. One event loop alone uses it."""

    def __init__(self, workers: Sequence[Worker], limits: Limits) -> None:
        self.limits, self.in_flight, self.n_workers = limits, 0, len(workers)
        self._workers, self._seconds = tuple(workers), FIRST_GUESS_S
        self._free = asyncio.Queue[Worker]()
        for worker in workers:
            self._free.put_nowait(worker)
        # A thread a worker: each waits for its own process.
        self._threads = ThreadPoolExecutor(len(workers))

    @contextmanager
    def admitted(self) -> Iterator[None]:
        """Take a request in while the block runs, upload and all. Raises Full."""
        if self.in_flight >= self.limits.at_once:
            again_s = math.ceil(self._seconds * self.in_flight / self.n_workers)
            raise Full(min(max(again_s, 1), LONGEST_AGAIN_S))
        self.in_flight += 1
        try:
            yield
        finally:
            self.in_flight -= 1

    async def ask(self, what: str, path: Path, asked: Mapping[str, str]) -> Answer:
        """Return a worker's answer, as soon as one is free. Raises what `Worker.ask` raises."""
        worker = await self._free.get()
        started = time.perf_counter()
        running = asyncio.get_running_loop().run_in_executor(self._threads, worker.ask, what, path, asked)
        # The worker is free when it has answered, not when somebody stops waiting for it.
        running.add_done_callback(lambda _: self._free.put_nowait(worker))
        answer = await asyncio.shield(running)
        self._seconds += NEWEST * (time.perf_counter() - started - self._seconds)
        return answer

    @property
    def n_lost(self) -> int:
        """How many workers ended while nobody asked them, as far as it was seen since."""
        return sum(worker.n_lost for worker in self._workers)

    def close(self) -> None:
        """End all workers."""
        for worker in self._workers:
            worker.close()
        self._threads.shutdown(wait=False)
