"""The one file that imports ray: jobs through Ray Data, to actors that keep what they loaded."""

import logging
import os
import secrets
import socket
import sys
import tempfile
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, redirect_stdout
from pathlib import Path
from types import TracebackType
from typing import Any, Self, TypeVar

from earmark import places
from earmark.errors import MissingPart, UserError
from earmark.experiment.engines.choice import EngineChoice
from earmark.experiment.engines.parcel import Parcel

Job = TypeVar("Job")
Answer = TypeVar("Answer")

KNOCK_S = 10.0
OBJECT_STORE_BYTES = 200 * 2**20  # numbers of jobs travel through it, nothing else


class Actor:
    """A process that does jobs of a parcel, one after another, and keeps the representations that it loaded."""

    def __init__(self, folder: str) -> None:
        self._parcel = Parcel.opened(Path(folder))

    def __call__(self, row: dict[str, int]) -> dict[str, int]:
        """Do the job of a number."""
        self._parcel.do(int(row["item"]))
        return row


class Ray:
    """Actors of one thread each, of a cluster that runs already or of one that lasts as long as the block."""

    def __init__(self, root: Path, processes: int, choice: EngineChoice, with_gpu: bool) -> None:
        """Raise MissingPart without ray."""
        self._root, self._processes, self._choice, self._with_gpu = root, processes, choice, with_gpu
        self._ray, self._held = _ray(), ExitStack()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._held.close()

    def in_turn(self, jobs: Sequence[Job], work: Callable[[Job, Path], Answer]) -> Iterator[Answer]:
        """Yield the answers of jobs of which each wants a GPU to itself: an actor has one."""
        return self.map(jobs, work)

    def map(self, jobs: Sequence[Job], work: Callable[[Job, Path], Answer]) -> Iterator[Answer]:
        """Yield the answers of all jobs as they come. A job that raises ends it, and its error comes out.

        Ray starts an actor that was killed anew, and gives it the job that it was at.
        """
        if not jobs:
            return
        self._start()
        folder = places.home().absolute() / "engines" / secrets.token_hex(6)
        parcel = Parcel.packed(folder, jobs, work, self._root)
        rows = self._ray.data.from_items(list(range(parcel.size)), override_num_blocks=parcel.size).map(
            Actor,
            fn_constructor_args=(str(folder),),
            compute=self._ray.data.ActorPoolStrategy(
                size=min(self._processes, parcel.size), max_tasks_in_flight_per_actor=2
            ),
            num_cpus=1,
            num_gpus=int(self._with_gpu),
        )
        for row in rows.iter_rows():
            yield parcel.answer(row["item"])
        parcel.clear()

    def _start(self) -> None:
        """Join the cluster, or start one, unless that was done, here or by the program that we are part of."""
        if self._ray.is_initialized():
            return
        # It tells of killed actors on stdout, which carries only what was asked for.
        self._held.enter_context(redirect_stdout(sys.stderr))
        said: dict[str, Any] = {"log_to_driver": False, "logging_level": logging.ERROR}
        if (address := self._choice.cluster) is not None:
            try:
                _knock(address)
                self._ray.init(address=address, **said)
            except OSError as error:  # a ConnectionError is one
                raise UserError(
                    f"Expected a Ray cluster at '{address}'; there is none. Start one (ray start --head), or leave "
                    "--address and RAY_ADDRESS out for one that lasts as long as the command."
                ) from error
        else:
            # Sockets lie in it, and their paths may be no longer than 107 letters.
            folder = self._held.enter_context(tempfile.TemporaryDirectory(prefix="ray-", ignore_cleanup_errors=True))
            self._ray.init(
                address="local",
                num_cpus=self._processes,
                include_dashboard=False,
                object_store_memory=OBJECT_STORE_BYTES,
                _temp_dir=folder,
                **said,
            )
        self._held.callback(self._ray.shutdown)
        _quiet(self._ray.data)


def _knock(address: str) -> None:
    """Raise OSError where nobody listens at host:port: Ray itself would wait there for minutes."""
    host, _, port = address.rpartition(":")
    if port.isdecimal() and "://" not in address:
        socket.create_connection((host, int(port)), KNOCK_S).close()


def _quiet(data: Any) -> None:
    """Let Ray Data say errors only."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # of its own settings, when it makes them
        context = data.DataContext.get_current()
    context.enable_progress_bars = False
    context.print_on_execution_start = False
    logging.getLogger("ray.data").setLevel(logging.CRITICAL)


def _ray() -> Any:
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")  # it would tell its makers
    os.environ.setdefault("RAY_TQDM_PATCH_PRINT", "0")  # a print that it replaced cannot be pickled any more
    os.environ.setdefault("RAY_BACKEND_LOG_LEVEL", "fatal")  # it calls an error how Ray Data makes actors, each time
    try:
        import ray
        import ray.data
    except ImportError as error:
        raise MissingPart("The engine 'ray' is Ray Data. Type: pip install 'earmark[ray]'") from error
    return ray
