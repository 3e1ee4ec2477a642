"""What a process must know to pre-train, and where it runs: values that travel to other processes."""

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Protocol

from earmark import identity
from earmark.datasets._corpora import HEARD
from earmark.representations.checkpoint import Contents
from earmark.representations.objective import Objective
from earmark.training.ledger import Ledger
from earmark.training.recipe import Recipe
from earmark.training.stream import Segments

NO_CHANGE = ("save_every_steps", "keep_checkpoints")  # of a recipe: what changes no weight
Say = Callable[[str], None]


class System(Protocol):
    """What is trained: a value that every process can make its objective from."""

    @property
    def name(self) -> str:
        """Of the representation."""
        ...

    @property
    def sample_rate(self) -> int:
        """Of the audio, in Hz."""
        ...

    def build(self, seed: int) -> Objective:
        """Return the objective with random weights."""
        ...

    def contents(self, objective: Objective) -> Contents:
        """Return what a checkpoint of it holds."""
        ...


@dataclass(frozen=True)
class Validation:
    """What is measured at every save: the first `n_segments` of held-out audio.

    `patience`: training stops after so many validations in a row that were no better than the best; None: never.
    """

    segments: Callable[[], Segments]
    n_segments: int
    patience: int | None = None


@dataclass(frozen=True)
class Training:
    """All that a process must know to train; `about` goes into the card of every checkpoint, and into the identity.

    But for the marks of the tracks: the key of the corpus tells them apart.
    """

    name: str
    system: System
    recipe: Recipe
    segments: Callable[[], Segments]
    folder: Path
    about: Mapping[str, object]
    validation: Validation | None = None

    @property
    def ledger(self) -> Ledger:
        """The folder's keeper."""
        recipe = {name: one for name, one in asdict(self.recipe).items() if name not in NO_CHANGE}
        about = {name: one for name, one in self.about.items() if name != HEARD}
        return Ledger(self.folder, self.name, identity.key_of(recipe=recipe, about=about))


@dataclass(frozen=True)
class Hardware:
    """Where to train: "cpu" or "cuda", on how many devices, with how many processes that read segments for each."""

    device: str = "cpu"
    n_devices: int = 1
    readers: int = 0
