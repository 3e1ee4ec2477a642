"""The contract of an objective: what a network learns by, without labels, as sums that a trainer can add.

A batch may be split over micro-batches and devices. Each part gives sums and how many they are of; the trainer adds
gradients, sums and counts over the parts of a step and divides once. So the split changes no gradient.
"""

from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

Heard = Tensor | tuple[Tensor, ...]
"""What an objective hears of a batch: segments along the first axis. Of a NamedTuple, along that of each tensor."""


@dataclass(frozen=True)
class Measured:
    """A sum, and how many things were added: `total / count` is the mean. Totals of several axes add up elementwise."""

    total: Tensor
    count: Tensor


@dataclass(frozen=True)
class Gathered:
    """A row of every segment of a batch, in order, without gradient. `first` is the place of a part's first segment."""

    rows: Tensor
    first: int = 0


@dataclass(frozen=True)
class Step:
    """What one part of a batch gives: the loss, whose total is differentiated, and detached monitors by name."""

    loss: Measured
    monitors: Mapping[str, Measured]


class Alarm(NamedTuple):
    """Something that usually means a run is lost: the name of the signature, the step, and what to do."""

    name: str
    step: int
    text: str


class Objective(nn.Module, ABC):
    """A network with what it is trained by. All its randomness comes from the generators it is given.

    `segments` are Heard, and each objective says which: audio (batch, samples), pairs of it, or what was made of it.
    """

    @abstractmethod
    def forward(
        self,
        segments: Any,
        generator: torch.Generator,
        whole: Any = None,
    ) -> Step:
        """Return the loss and the monitors of segments at the objective's sample rate; draws are made on the CPU.

        `whole` is what `survey` gave of all parts of the step: Measured added up, Gathered rows one after the other.
        Without it the part counts as the whole.
        """

    def survey(self, segments: Any, generator: torch.Generator) -> Measured | Gathered | None:
        """Return what the loss must know of the whole batch before any part can be differentiated; None: nothing.

        Measured: sums are enough. Gathered: a row of each segment is needed, as where all are compared with all. Needs
        no gradient. The generator must be in the state that `forward` will get for these segments. A step of one part
        needs no survey.
        """
        return None

    def prepare(self, segments: Any) -> None:
        """Measure on segments of the corpus, once and before the first step, what the network standardises by."""
        return

    def before_step(self, step: int) -> None:
        """Set what depends on the number of optimiser steps that are done, such as a temperature."""
        return

    def parts(self) -> Mapping[str, nn.Module]:
        """Return the parts whose gradient norms are worth seeing apart."""
        return {"network": self}

    def read(self, means: Mapping[str, Tensor]) -> dict[str, float]:
        """Return the numbers to show, of each monitor's mean over whatever was added (a step, an epoch)."""
        return {name: float(mean) for name, mean in means.items()}

    def words(self, reading: Mapping[str, float]) -> str:
        """Return in a few words what of a reading over a whole epoch is worth a line; "" for nothing."""
        return ""

    def alarms(
        self, history: Sequence[Mapping[str, float]], validations: Sequence[Mapping[str, float]] = ()
    ) -> tuple[Alarm, ...]:
        """Return what is wrong with a run so far, from what `read` gave of steps and of validations until now.

        Every entry also holds its "step": of a validation, how many steps were done.
        """
        return ()


def added(parts: Iterable[Measured]) -> Measured:
    """Return the sum of totals and of counts. Raises ValueError when there is none."""
    given = list(parts)
    if not given:
        raise ValueError("Expected at least one part of a batch to add, got none.")
    first, *rest = given
    return Measured(sum((one.total for one in rest), first.total), sum((one.count for one in rest), first.count))


def means(monitors: Mapping[str, Measured]) -> dict[str, Tensor]:
    """Return total / count of every monitor."""
    return {name: one.total / one.count for name, one in monitors.items()}
