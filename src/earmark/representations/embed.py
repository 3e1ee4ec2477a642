"""The only segment loop: samples of a clip → segments → network → frames → one vector a layer.

Segments of one length are given to the network in batches of equal length; no row is ever padded, so a batch
cannot change a number. A tail too short for the network joins the segment before it, so no sample is lost
but those short of one hop at the very end.
"""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np
import torch
from jaxtyping import Float

from earmark.errors import UserError
from earmark.nouns import Card
from earmark.representations.base import Representation

STATISTICS = ("mean", "std")


class Segment(NamedTuple):
    """A half-open range of samples."""

    start: int
    end: int


def segments(
    n_samples: int, card: Card, segment_s: float | None = None, segment_hop_s: float | None = None
) -> tuple[Segment, ...]:
    """Return the segments that cover a clip of `n_samples` at the card's rate. None: the whole clip is one.

    Raises a UserError when the clip, or the segment asked for, is shorter than the network can take.
    """
    if n_samples < card.min_samples:
        raise UserError(
            f"too short for '{card.name}': {n_samples / card.sample_rate:.3f} s, "
            f"at least {card.min_samples / card.sample_rate:.3f} s needed"
        )
    length = n_samples if segment_s is None else round(segment_s * card.sample_rate)
    hop = length if segment_hop_s is None else round(segment_hop_s * card.sample_rate)
    longest = card.max_samples if card.max_samples is not None else max(length, n_samples)
    if not card.min_samples <= length <= longest or hop < 1:
        limits = f"{card.min_samples / card.sample_rate:.3f} to {longest / card.sample_rate:.3f} s"
        raise UserError(f"'{card.name}' takes segments of {limits}; got segment_s={segment_s}, hop {segment_hop_s}.")
    if length >= n_samples:
        return (Segment(0, n_samples),)
    starts = list(range(0, n_samples - length + 1, hop))
    found = [Segment(start, start + length) for start in starts]
    rest = n_samples - (starts[-1] + hop)
    if found[-1].end < n_samples and rest >= card.min_samples:
        found.append(Segment(starts[-1] + hop, n_samples))
    elif found[-1].end < n_samples:
        found[-1] = Segment(n_samples - length, n_samples) if card.max_samples else Segment(starts[-1], n_samples)
    return tuple(found)


def frame_embeddings(
    representation: Representation,
    samples: Float[np.ndarray, " samples"],
    layers: Sequence[int] | None = None,
    segment_s: float | None = None,
    segment_hop_s: float | None = None,
    batch: int = 1,
) -> Iterator[Float[np.ndarray, "layers frames dim"]]:
    """Yield the frame embeddings of each segment in order, float32."""
    found = segments(len(samples), representation.card, segment_s, segment_hop_s)
    audio = torch.from_numpy(np.ascontiguousarray(samples, dtype=np.float32))
    with torch.inference_mode():
        for group in _equal_lengths(found, batch):
            stacked = torch.stack([audio[segment.start : segment.end] for segment in group])
            yield from representation(stacked, layers).float().cpu().numpy()


def clip_embedding(
    representation: Representation,
    samples: Float[np.ndarray, " samples"],
    layers: Sequence[int] | None = None,
    segment_s: float | None = None,
    segment_hop_s: float | None = None,
    batch: int = 1,
) -> Float[np.ndarray, "layers 2 dim"]:
    """Return mean and standard deviation (population) over all frames of all segments, each frame once.

    Accumulated in float64, returned as float32 in the order of STATISTICS.
    """
    count, total, squares = 0, np.float64(0.0), np.float64(0.0)
    for frames in frame_embeddings(representation, samples, layers, segment_s, segment_hop_s, batch):
        exact = frames.astype(np.float64)
        count += exact.shape[1]
        total = total + exact.sum(1)
        squares = squares + np.square(exact).sum(1)
    mean = total / count
    deviation = np.sqrt(np.maximum(squares / count - np.square(mean), 0.0))
    return np.stack([mean, deviation], axis=1).astype(np.float32)


def _equal_lengths(found: Sequence[Segment], batch: int) -> Iterator[list[Segment]]:
    """Yield runs of at most `batch` neighbouring segments of one length."""
    group: list[Segment] = []
    for segment in found:
        full = len(group) == batch
        if group and (full or segment.end - segment.start != group[0].end - group[0].start):
            yield group
            group = []
        group.append(segment)
    yield group
