"""What a network takes at a time: batches of rows, or of clips with their frames, from arrays in memory, by index."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from earmark.probes.networks import CURVE, padded
from earmark.probes.preparation import Preparation
from earmark.probes.recipe import FramePool, Loss

BLOCK = 1024
"""Rows prepared or scored at a time: a bound on memory, fixed so that it never changes a number."""


class Batch(NamedTuple):
    """What a network takes: values (slots, batch, [frames], [layers], width), and which frames there are."""

    values: Tensor
    present: Bool[Tensor, "slots batch frames"] | None = None

    def shared_by(self, n_slots: int) -> "Batch":
        """Return this batch of one slot for many, without a copy."""
        return Batch(*(None if one is None else one.expand(n_slots, *one.shape[1:]) for one in self))  # type: ignore[arg-type]  # the first is no None


@dataclass(frozen=True, eq=False)
class Inputs:
    """The inputs of a fit: float32 rows, padded with zeros, and, where a clip's rows are heard as frames, whose.

    `values`: (rows, [layers], width). `frames`: (clips, longest) the row of each frame of each clip, and `present`
    which of them there are; None where each row is an example by itself.
    """

    values: Tensor
    frames: Int[Tensor, "clips longest"] | None = None
    present: Bool[Tensor, "clips longest"] | None = None

    def __len__(self) -> int:
        """Return how many examples there are: rows, or clips of frames."""
        return len(self.values if self.frames is None else self.frames)

    def to(self, device: str) -> "Inputs":
        """Return them on a device: themselves if they are there."""
        tensors = (self.values, self.frames, self.present)
        return Inputs(*(None if one is None else one.to(device) for one in tensors))  # type: ignore[arg-type]  # the first is no None

    def room(self, n_slots: int, n_batch: int) -> Tensor:
        """Return memory for the values of batches up to a size."""
        n_rows = n_slots * n_batch * (1 if self.frames is None else self.frames.shape[1])
        return self.values.new_empty(n_rows, *self.values.shape[1:])

    def batch(self, places: Int[Tensor, "slots batch"], room: Tensor | None = None) -> Batch:
        """Return the examples at some places, for each slot its own; in a `room`, which the next batch overwrites."""
        if self.frames is None or self.present is None:
            return Batch(_rows(self.values, places, room))
        return Batch(_rows(self.values, self.frames[places], room), self.present[places])

    def blocks(self) -> Iterator[Batch]:
        """Yield all examples in order, a bounded number at a time, for one slot."""
        step = BLOCK if self.frames is None else max(1, BLOCK // self.frames.shape[1])
        for start in range(0, len(self), step):
            if self.frames is None:
                yield Batch(self.values[None, start : start + step])
            else:
                stop = min(start + step, len(self))
                yield self.batch(torch.arange(start, stop, device=self.values.device)[None])


def _rows(values: Tensor, places: Int[Tensor, "*places"], room: Tensor | None = None) -> Tensor:
    # A third of the time of values[places]; new memory for each batch would take as long again.
    rows = torch.index_select(values, 0, places.reshape(-1), out=None if room is None else room[: places.numel()])
    return rows.view(*places.shape, *values.shape[1:])


def inputs_of(
    preparation: Preparation,
    embeddings: Float[np.ndarray, "rows layers dim"],
    frames_of: Int[np.ndarray, " rows"] | None = None,
    n_weighed: int = 0,
) -> Inputs:
    """Return the prepared inputs of a stack, in memory of their own; `frames_of` where rows are frames of clips."""
    n_axes = n_weighed or 1
    width = preparation.n_outputs // n_axes
    tensor = torch.zeros(len(embeddings), n_axes, padded(width))
    for start in range(0, len(embeddings), BLOCK):
        block = preparation(embeddings[start : start + BLOCK])
        tensor.numpy()[start : start + BLOCK, :, :width] = block.reshape(len(block), n_axes, width)
    values = tensor if n_weighed else tensor[:, 0]
    return Inputs(values) if frames_of is None else Inputs(values, *frame_table(frames_of))


def frame_table(clips: Int[np.ndarray, " rows"]) -> tuple[Tensor, Tensor]:
    """Return the row of each frame of each clip, 0 beyond its last, and which of them there are."""
    counts = np.bincount(clips)
    present = np.arange(counts.max()) < counts[:, None]
    rows = np.where(present, (np.cumsum(counts) - counts)[:, None] + np.arange(counts.max()), 0)
    return torch.from_numpy(rows), torch.from_numpy(present)


def pool(
    how: FramePool, embeddings: Float[np.ndarray, "rows layers dim"], clips: Int[np.ndarray, " rows"] | None
) -> Float[np.ndarray, "clips layers pooled"]:
    """Return the mean of the rows of each clip, or its mean and (population) standard deviation side by side."""
    ends = np.arange(1, len(embeddings)) if clips is None else np.flatnonzero(np.diff(clips)) + 1
    found = []
    for frames in np.split(embeddings, ends) if len(embeddings) else ():
        mean = frames.mean(axis=0, dtype=np.float64)
        std = [frames.std(axis=0, dtype=np.float64)] if how == "mean_std" else []
        found.append(np.concatenate([mean, *std], axis=-1).astype(np.float32))
    width = embeddings.shape[2] * (2 if how == "mean_std" else 1)
    return np.stack(found) if found else np.zeros((0, embeddings.shape[1], width), np.float32)


def target_tensor(loss: Loss, targets: np.ndarray, n_outputs: int) -> Tensor:
    """Return class indices (examples,) for cross_entropy, else what each output should be, float32 and padded."""
    if loss == "cross_entropy":
        return torch.from_numpy(targets.astype(np.int64))
    if targets.ndim == 1:
        targets = np.eye(n_outputs, dtype=np.float32)[targets]
    tensor = torch.zeros(len(targets), padded(n_outputs, CURVE))
    tensor.numpy()[:, :n_outputs] = targets
    return tensor
