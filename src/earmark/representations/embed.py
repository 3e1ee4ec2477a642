"""The only segment loop: samples of a clip → segments → network → frames → one vector a layer.

Segments of one length are given to the network in batches of equal length; no row is ever padded, so a batch
cannot change a number. A tail too short for the network joins the segment before it, so no sample is lost
but those short of one hop at the very end.
"""

import itertools
import time
from collections.abc import Iterator, Sequence
from typing import Generic, NamedTuple

import numpy as np
import torch
from jaxtyping import Float

from earmark.errors import UserError
from earmark.nouns import Card
from earmark.representations._pooling import STATISTICS, Finished, Grain, Pooling, Tag
from earmark.representations.base import Representation

__all__ = ["STATISTICS", "Finished", "Grain", "Loop", "clip_embedding", "device_of", "frame_embeddings", "segments"]

BATCH_ON_GPU = 64
WAITING_SAMPLES = 1 << 26  # 256 MB of float32


class Segment(NamedTuple):
    """A half-open range of samples."""

    start: int
    end: int


def segments(
    n_samples: int, card: Card, segment_s: float | None = None, segment_hop_s: float | None = None
) -> tuple[Segment, ...]:
    """Return the segments that cover a clip of `n_samples` at the card's rate. None: those of the card, if any.

    Raises a UserError when the clip, or the segment asked for, is shorter than the network can take.
    """
    if n_samples < card.min_samples:
        raise UserError(
            f"too short for '{card.name}': {n_samples / card.sample_rate:.3f} s, "
            f"at least {card.min_samples / card.sample_rate:.3f} s needed"
        )
    if segment_s is None:
        segment_s, segment_hop_s = card.segment_s, card.segment_hop_s if segment_hop_s is None else segment_hop_s
    length = n_samples if segment_s is None else round(segment_s * card.sample_rate)
    hop = length if segment_hop_s is None else round(segment_hop_s * card.sample_rate)
    longest = card.max_samples if card.max_samples is not None else max(length, n_samples)
    if not card.min_samples <= length <= longest or hop < 1:
        limits = f"{card.min_samples / card.sample_rate:.3f} to {longest / card.sample_rate:.3f} s"
        raise UserError(f"'{card.name}' takes segments of {limits}; got segment_s={segment_s}, hop {segment_hop_s}.")
    if segment_s is not None and hop > length:
        raise UserError(
            f"Expected a hop of at most the segment's length, or what lies between is not heard; got "
            f"segment_s={segment_s}, hop {segment_hop_s}."
        )
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
    audio, device = _tensor(samples), device_of(representation)
    for group in _equal_lengths(found, batch):
        stacked = _stacked([audio[segment.start : segment.end] for segment in group])
        yield from _forward(representation, stacked.to(device), layers)


def device_of(representation: Representation) -> torch.device:
    """Return where a representation computes: with its parameters, or on the CPU."""
    if not isinstance(representation, torch.nn.Module):
        return torch.device("cpu")
    held = itertools.chain(representation.parameters(), representation.buffers())
    return next((tensor.device for tensor in held), torch.device("cpu"))


def _tensor(samples: Float[np.ndarray, " samples"]) -> Float[torch.Tensor, " samples"]:
    return torch.from_numpy(np.ascontiguousarray(samples, dtype=np.float32))


def _stacked(rows: Sequence[Float[torch.Tensor, " samples"]]) -> Float[torch.Tensor, "batch samples"]:
    """Return a copy, lest a network that writes on its input spoil what others hear; of hours at once, a view."""
    return rows[0][None] if len(rows) == 1 and len(rows[0]) > WAITING_SAMPLES else torch.stack(list(rows))


@torch.inference_mode()
def _forward(
    representation: Representation,
    audio: Float[torch.Tensor, "batch samples"],
    layers: Sequence[int] | None,
    bf16: bool = False,
) -> Float[np.ndarray, "batch layers frames dim"]:
    with torch.autocast(audio.device.type, torch.bfloat16, enabled=bf16):
        found: np.ndarray = representation(audio, layers).float().cpu().numpy()
    return found


class Loop(Generic[Tag]):
    """Clips through one representation, each to what `grain` asks of its frames; `tag` tells clips apart.

    Segments wait until there are `batch` of one length, of whichever clips, and go through together: with 1 nothing
    waits. Where the device's memory does not hold a batch, `batch` is halved for good. `audio_s` is the length of
    the finished clips in seconds; `seconds` what the forward passes took: CPU time, but time that went by on a GPU and
    where another process computes (`is_elsewhere`).
    """

    def __init__(
        self,
        representation: Representation,
        layers: Sequence[int] | None = None,
        segment_s: float | None = None,
        segment_hop_s: float | None = None,
        batch: int = 1,
        grain: Grain = "clip",
        bf16: bool = False,
    ) -> None:
        self.representation, self.layers, self.grain, self.bf16 = representation, layers, grain, bf16
        self.device = device_of(representation)
        self.batch, self.audio_s, self.seconds = batch, 0.0, 0.0
        self._segments = segment_s, segment_hop_s
        is_here = self.device.type == "cpu" and not getattr(representation, "is_elsewhere", False)
        self._clock = time.process_time if is_here else time.perf_counter
        self._waiting: dict[int, list[_Waiting[Tag]]] = {}
        self._n_waiting = 0

    def add(self, tag: Tag, samples: Float[np.ndarray, " samples"]) -> list[Finished[Tag]]:
        """Take a clip at the card's rate; return the clips that are finished now, this one or earlier ones."""
        try:
            found = segments(len(samples), self.representation.card, *self._segments)
        except UserError as error:
            return [Finished(tag, error)]
        clip, audio, finished = Pooling(tag, len(samples), len(found), self.grain), _tensor(samples), []
        for position, (start, end) in enumerate(found):
            group = self._waiting.setdefault(end - start, [])
            group.append(_Waiting(clip, position, audio[start:end]))
            self._n_waiting += end - start
            if len(group) >= self.batch:
                finished += self._run(self._waiting.pop(end - start))
            elif self._n_waiting > WAITING_SAMPLES:
                finished += self.rest()
            if clip.is_finished:
                break
        return finished

    def rest(self) -> list[Finished[Tag]]:
        """Return the clips of which segments were still waiting for others of their length."""
        groups, self._waiting = self._waiting.values(), {}
        return [one for group in groups for one in self._run(group)]

    def _run(self, group: "list[_Waiting[Tag]]") -> list[Finished[Tag]]:
        answer = self._frames(_stacked([one.samples for one in group]))
        if isinstance(answer, UserError) and len(group) > 1:
            half = len(group) // 2
            return self._run(group[:half]) + self._run(group[half:])
        self._n_waiting -= sum(len(one.samples) for one in group)
        finished = []
        for row, (clip, position, _) in enumerate(group):
            found = clip.fail(answer) if isinstance(answer, UserError) else clip.take(position, answer[row])
            if found:
                finished.append(found)
                self.audio_s += clip.n_samples / self.representation.card.sample_rate
        return finished

    def _frames(self, audio: Float[torch.Tensor, "batch samples"]) -> np.ndarray | UserError:
        """Return the frames of a batch, or why there are none: also a batch that memory does not hold."""
        card, started = self.representation.card, self._clock()
        try:
            return _forward(self.representation, audio.to(self.device), self.layers, self.bf16)
        except torch.OutOfMemoryError:
            self.batch = max(1, min(self.batch, len(audio) // 2))
            length_s = audio.shape[1] / card.sample_rate
            failure = UserError(f"'{card.name}' needs more memory for {length_s:g} s than there is. Set segment_s.")
        except UserError as error:
            failure = error
        finally:
            self.seconds += self._clock() - started
        if self.device.type == "cuda":
            torch.cuda.empty_cache()
        return failure


class _Waiting(NamedTuple, Generic[Tag]):
    clip: Pooling[Tag]
    position: int
    samples: torch.Tensor


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
    loop = Loop[None](representation, layers, segment_s, segment_hop_s, batch)
    (found,) = [*loop.add(None, samples), *loop.rest()]
    if isinstance(found.answer, UserError):
        raise found.answer
    return found.answer


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
