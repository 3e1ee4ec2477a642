"""Which frames are hidden, and which others each of them must be told from. Pure: every draw is from a given generator.

Source: Baevski et al. 2020, §3.1 and §4.2, in the details of its published code.
"""

from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from earmark.errors import UserError

MOST_FRAMES = 10_000
"""What leaves no room for spans in so many frames leaves none in more."""


@dataclass(frozen=True)
class Draws:
    """Everything random about one part of a batch. `noise` is absent in validation.

    `masked` are hidden frames; `within` and `across` are places among the hidden frames of the clip, and of the batch.
    `kept` says which blocks run, `seed` draws dropouts.
    """

    masked: Int[Tensor, "clips masked"]
    within: Int[Tensor, "clips masked negatives"]
    across: Int[Tensor, "clips masked negatives_across"]
    noise: Float[Tensor, "clips masked groups entries"] | None
    kept: Bool[Tensor, " blocks"]
    seed: int

    def to(self, device: torch.device) -> "Draws":
        """Return them on a device, `kept` excepted, which the CPU reads."""
        masked, within, across = (one.to(device, non_blocking=True) for one in (self.masked, self.within, self.across))
        noise = None if self.noise is None else self.noise.to(device, non_blocking=True)
        return Draws(masked, within, across, noise, self.kept, self.seed)


def masked_frames(
    n_clips: int, n_frames: int, probability: float, span_frames: int, least_spans: int, generator: torch.Generator
) -> Int[Tensor, "clips masked"]:
    """Return the hidden frames of each clip, ascending, as many in every clip.

    A clip gets int(probability · frames / span + u) spans, u uniform in [0, 1) and drawn for each; they start at
    different frames below frames − span and may overlap. Then clips with more hidden frames than the one with the
    fewest give single frames back at random, so some spans have holes. About 49 % are hidden at 0.65 and 10.
    Raises UserError for segments without room for the spans.
    """
    n_starts = n_frames - span_frames
    expected = probability * n_frames / span_frames
    most = _most_spans(n_frames, probability, span_frames, least_spans)
    if n_starts < most:
        raise UserError(
            f"Expected segments with room for {most} spans of {span_frames} frames that start apart, so at least "
            f"{span_frames + most} frames; got {n_frames}. Take longer segments."
        )
    rounding = torch.rand(n_clips, 1, generator=generator, dtype=torch.float64)
    n_spans = (expected + rounding).long().clamp_min(least_spans)
    order = torch.rand(n_clips, n_starts, generator=generator, dtype=torch.float64).argsort(dim=1)
    starts = torch.zeros(n_clips, n_frames, dtype=torch.bool)
    starts.scatter_(1, order, torch.arange(n_starts).expand(n_clips, -1) < n_spans)
    hidden = _spread(starts, span_frames)
    lots = torch.rand(n_clips, n_frames, generator=generator, dtype=torch.float64).masked_fill(~hidden, -1.0)
    n_kept = int(hidden.sum(1).min())
    return lots.topk(n_kept, dim=1).indices.sort(dim=1).values


def least_frames(probability: float, span_frames: int, least_spans: int) -> int:
    """Return how many frames a clip must have for `masked_frames`. Raises UserError where no number is enough."""
    for n_frames in range(span_frames, MOST_FRAMES):
        if n_frames - span_frames >= _most_spans(n_frames, probability, span_frames, least_spans):
            return n_frames
    raise UserError(
        f"Expected spans that leave room for one another, got a mask_probability of {probability:g} for spans of "
        f"{span_frames} frames. Take a lower probability, or longer spans."
    )


def _most_spans(n_frames: int, probability: float, span_frames: int, least_spans: int) -> int:
    return max(int(probability * n_frames / span_frames + 1.0), least_spans)


def _spread(starts: Bool[Tensor, "clips frames"], span_frames: int) -> Bool[Tensor, "clips frames"]:
    """Return the frames that lie in a span: those with more starts up to here than up to a span ago."""
    so_far = starts.long().cumsum(1)
    before = torch.nn.functional.pad(so_far, (span_frames, 0))[:, :-span_frames]
    return so_far > before


def within_clip(
    n_clips: int, n_masked: int, n_negatives: int, generator: torch.Generator
) -> Int[Tensor, "clips masked negatives"]:
    """Return for each hidden frame places among the other hidden frames of its clip, uniform, with replacement.

    Raises UserError where there is no other.
    """
    if n_masked < 2 and n_negatives:
        raise UserError(
            f"Expected at least 2 hidden frames a clip to tell apart, got {n_masked}. Take longer segments."
        )
    drawn = torch.randint(max(n_masked - 1, 1), (n_clips, n_masked, n_negatives), generator=generator)
    own = torch.arange(n_masked)[:, None]
    return drawn + (drawn >= own)


def across_clips(
    n_clips: int, n_masked: int, n_negatives: int, generator: torch.Generator
) -> Int[Tensor, "clips masked negatives"]:
    """Return for each hidden frame places among those of all *other* clips, counted through the batch.

    Raises UserError for a batch of one clip.
    """
    if n_clips < 2 and n_negatives:
        raise UserError("Expected at least 2 segments in a batch for negatives across clips, got 1.")
    others = max((n_clips - 1) * n_masked, 1)
    drawn = torch.randint(others, (n_clips, n_masked, n_negatives), generator=generator)
    first_own = torch.arange(n_clips)[:, None, None] * n_masked
    return drawn + n_masked * (drawn >= first_own)


def gumbel(shape: tuple[int, ...], generator: torch.Generator) -> Float[Tensor, "..."]:
    """Return noise of Gumbel's standard distribution, −ln(−ln u), float32 and finite."""
    # The least float32 above 0 instead of 0, whose logarithm is not finite.
    waits = torch.empty(shape).exponential_(generator=generator).clamp_min(torch.finfo(torch.float32).tiny)
    return -waits.log()
