"""Which engine schedules the jobs, and what it is to ask of its cluster."""

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Literal, Protocol, Self, TypeVar, get_args

from earmark.errors import UnknownName, UserError

EngineName = Literal["local", "slurm", "slurm-here", "ray"]

Job = TypeVar("Job")
Answer = TypeVar("Answer")

OPTIONS = {"partition": "--partition", "array": "--array", "sbatch": "--sbatch", "print_sbatch": "--print-sbatch"}


class Engine(Protocol):
    """Schedules jobs while a block lasts, and knows nothing of what is in them."""

    def __enter__(self) -> Self: ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...

    def map(self, jobs: Sequence[Job], work: Callable[[Job, Path], Answer]) -> Iterator[Answer]:
        """Yield the answers of all jobs as they come. A job that raises ends it, and its error comes out."""

    def in_turn(self, jobs: Sequence[Job], work: Callable[[Job, Path], Answer]) -> Iterator[Answer]:
        """Yield the answers of jobs of which each wants a GPU to itself."""


@dataclass(frozen=True)
class EngineChoice:
    """An engine by name: "local", "slurm", "slurm-here" (SLURM's steps as processes of this machine) or "ray".

    Of SLURM: `partition`; `array`, how many tasks share the jobs (None: as many as processes); `sbatch`, any other
    option of sbatch by its long name ("mem": "8G", "time" in minutes). `print_sbatch`: prepare, submit nothing. Of
    Ray: `address` of a running cluster ("auto", "host:6379"; None: RAY_ADDRESS, or one of its own on this machine).
    Raises UnknownName for another engine, UserError for what another engine is asked.
    """

    name: EngineName = "local"
    partition: str | None = None
    array: int | None = None
    sbatch: Mapping[str, str] = field(default_factory=dict)
    print_sbatch: bool = False
    address: str | None = None

    def __post_init__(self) -> None:
        if self.name not in get_args(EngineName):
            raise UnknownName("engine", self.name, get_args(EngineName))
        slurms = [option for key, option in OPTIONS.items() if getattr(self, key)]
        if slurms and self.name not in ("slurm", "slurm-here"):
            raise UserError(f"{slurms[0]} is for --engine slurm, not {self.name}. Leave it out, or name that engine.")
        if self.address and self.name != "ray":
            raise UserError(f"--address is for --engine ray, not {self.name}. Leave it out, or name that engine.")
        if self.array is not None and self.array < 1:
            raise UserError(f"Expected an array of at least one task, got {self.array}.")
        if not self.sbatch.get("time", "1").isdecimal():
            raise UserError(f"Expected the time of a task in minutes, such as time=120, got '{self.sbatch['time']}'.")

    @property
    def cluster(self) -> str | None:
        """The address of the Ray cluster to join; None: one of its own on this machine."""
        return self.address or os.environ.get("RAY_ADDRESS") or None

    @property
    def is_elsewhere(self) -> bool:
        """Whether other machines than this one compute, of which nobody here knows whether they have a GPU."""
        return self.name == "slurm" or (self.name == "ray" and self.cluster is not None)


def choice_of(engine: EngineChoice | str) -> EngineChoice:
    """Return what was chosen, or the engine of a name as it comes. Raises UnknownName."""
    return engine if isinstance(engine, EngineChoice) else EngineChoice(engine)  # type: ignore[arg-type]  # it is checked there
