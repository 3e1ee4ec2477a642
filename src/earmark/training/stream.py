"""Which segment of a corpus comes when: epochs in an order of their own, told by seed and number alone.

So a run that goes on at step k hears what an uninterrupted one hears at step k, with any number of devices.
"""

from dataclasses import dataclass, field
from typing import Protocol

import numpy as np
import torch
from jaxtyping import Float
from numpy.typing import NDArray
from torch import Tensor
from torch.utils.data import Dataset

from earmark import identity
from earmark.errors import UserError


class Segments(Protocol):
    """Pieces of a corpus; `at` gives the one at an index, 0 … len − 1, as it is heard in an epoch."""

    def __len__(self) -> int: ...

    def at(self, epoch: int, index: int) -> NDArray[np.float32]:
        """Return samples; all segments have as many."""
        ...


@dataclass
class Stream:
    """All segments once an epoch, one epoch after the other. Raises UserError where there is no segment."""

    segments: Segments
    seed: int
    _order: tuple[int, NDArray[np.int64]] | None = field(default=None, repr=False)

    def __post_init__(self) -> None:
        if not len(self.segments):
            raise UserError("Expected at least one segment to train on, got none. Take shorter segments or more audio.")

    def at(self, position: int) -> NDArray[np.float32]:
        """Return the segment at a position of the stream, from 0 without end."""
        epoch, place = divmod(position, len(self.segments))
        if self._order is None or self._order[0] != epoch:
            self._order = epoch, identity.generator("order", self.seed, epoch).permutation(len(self.segments))
        return self.segments.at(epoch, int(self._order[1][place]))

    def between(self, first: int, end: int) -> Float[Tensor, "segments samples"]:
        """Return the segments from one position to before another."""
        return torch.from_numpy(np.stack([self.at(position) for position in range(first, end)]))


@dataclass(frozen=True)
class Steps(Dataset[Tensor]):
    """By the number of a step: what one device hears in it."""

    stream: Stream
    segments_per_step: int
    share: range

    def __getitem__(self, step: int) -> Float[Tensor, "segments samples"]:
        start = step * self.segments_per_step
        return self.stream.between(start + self.share.start, start + self.share.stop)
