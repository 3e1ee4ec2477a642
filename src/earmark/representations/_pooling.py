"""What is kept of a clip's frames: their mean and deviation, those of each segment, or every frame.

Sums are float64, so that neither the length of a clip nor the order of its segments shows in float32.
"""

from typing import Generic, Literal, NamedTuple, TypeVar

import numpy as np
from jaxtyping import Float

from earmark.errors import UserError

STATISTICS = ("mean", "std")
Grain = Literal["clip", "segments", "frames"]
FRAMES_TOGETHER = 1 << 15  # summed in float64 at once: eleven minutes at 50 Hz

Tag = TypeVar("Tag")


class Finished(NamedTuple, Generic[Tag]):
    """A clip and what became of it, or the error that kept it.

    By grain: mean and deviation over all frames, (layers, 2, dim) in the order of STATISTICS; the same of each
    segment, (segments, layers, 2, dim); every frame, (frames, layers, dim). All float32.
    """

    tag: Tag
    answer: Float[np.ndarray, "..."] | UserError


class Sums(NamedTuple):
    """The number of some frames, their sum and sum of squares by layer, float64."""

    n_frames: int
    total: np.ndarray
    squares: np.ndarray

    @classmethod
    def of(cls, frames: Float[np.ndarray, "layers frames dim"]) -> "Sums":
        """Return the sums of some frames."""
        total = squares = np.zeros((frames.shape[0], frames.shape[2]))
        for first in range(0, frames.shape[1], FRAMES_TOGETHER):
            exact = frames[:, first : first + FRAMES_TOGETHER].astype(np.float64)
            total, squares = total + exact.sum(1), squares + np.square(exact).sum(1)
        return cls(frames.shape[1], total, squares)

    def and_those(self, other: "Sums") -> "Sums":
        """Return the sums of these frames and others."""
        return Sums(self.n_frames + other.n_frames, self.total + other.total, self.squares + other.squares)

    @property
    def statistics(self) -> Float[np.ndarray, "layers 2 dim"]:
        """Mean and population deviation, in the order of STATISTICS."""
        mean = self.total / self.n_frames
        deviation = np.sqrt(np.maximum(self.squares / self.n_frames - np.square(mean), 0.0))
        return np.stack([mean, deviation], axis=1).astype(np.float32)


class Pooling(Generic[Tag]):
    """What is kept of a clip so far: sums over all its frames, or by segment its statistics or its frames."""

    def __init__(self, tag: Tag, n_samples: int, n_segments: int, grain: Grain) -> None:
        self.tag, self.n_samples, self.is_finished = tag, n_samples, False
        self._left, self._grain = n_segments, grain
        self._sums: Sums | None = None
        self._kept: dict[int, np.ndarray] = {}

    def take(self, position: int, frames: Float[np.ndarray, "layers frames dim"]) -> Finished[Tag] | None:
        """Add the frames of the segment at a position; return the clip when it was the last to come."""
        self._left -= 1
        if self._grain == "frames":
            self._kept[position] = frames.swapaxes(0, 1)
        elif frames.shape[1]:
            sums = Sums.of(frames)
            if self._grain == "segments":
                self._kept[position] = sums.statistics[None]
            else:
                self._sums = sums if self._sums is None else self._sums.and_those(sums)
        if self._left or self.is_finished:
            return None
        kept = [self._kept[position] for position in sorted(self._kept)]
        if self._sums is None and not sum(map(len, kept)):
            return self.fail(UserError(f"no frames came of its {self.n_samples} samples"))
        self.is_finished = True
        return Finished(self.tag, np.concatenate(kept) if self._sums is None else self._sums.statistics)

    def fail(self, error: UserError) -> Finished[Tag] | None:
        """Give the clip up; return it unless it was already."""
        if self.is_finished:
            return None
        self.is_finished = True
        return Finished(self.tag, error)
