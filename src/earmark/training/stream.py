"""Which segment of a corpus comes when: epochs in an order of their own, told by seed and number alone.

So a run that goes on at step k hears what an uninterrupted one hears at step k, with any number of devices.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol, cast

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.utils.data import Dataset

from earmark import identity
from earmark.errors import UserError
from earmark.representations.objective import Heard

Piece = NDArray[Any] | tuple[NDArray[Any] | Tensor, ...]
"""A segment: samples, or a NamedTuple of arrays or tensors."""


class Segments(Protocol):
    """Pieces of a corpus; `at` gives the one at an index, 0 … len − 1, as it is heard in an epoch."""

    def __len__(self) -> int: ...

    @property
    def segment_s(self) -> float:
        """Seconds of audio in one of them; of a pair, in both."""
        ...

    def at(self, epoch: int, index: int) -> Piece:
        """Return a segment; all are of one shape."""
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

    def at(self, position: int) -> Piece:
        """Return the segment at a position of the stream, from 0 without end."""
        epoch, place = divmod(position, len(self.segments))
        if self._order is None or self._order[0] != epoch:
            self._order = epoch, identity.generator("order", self.seed, epoch).permutation(len(self.segments))
        return self.segments.at(epoch, int(self._order[1][place]))

    def between(self, first: int, end: int) -> Heard:
        """Return the segments from one position to before another."""
        return stacked([self.at(position) for position in range(first, end)])


def stacked(pieces: Sequence[Piece]) -> Heard:
    """Return segments along a new first axis; of NamedTuples, the same NamedTuple of tensors."""
    if not isinstance(pieces[0], tuple):
        return torch.from_numpy(np.stack(cast(Sequence[NDArray[Any]], pieces)))
    kind: Any = type(pieces[0])
    leaves = (torch.stack([torch.as_tensor(leaf) for leaf in each]) for each in zip(*pieces, strict=True))
    return cast(Heard, kind(*leaves))


@dataclass(frozen=True)
class Steps(Dataset[Heard]):
    """By the number of a step: what one device hears in it."""

    stream: Stream
    segments_per_step: int
    share: range

    def __getitem__(self, step: int) -> Heard:
        start = step * self.segments_per_step
        return self.stream.between(start + self.share.start, start + self.share.stop)
