"""Which frames are hidden: runs of them, exactly as many in every clip. Pure: draws are from a given generator.

Source: Pepino et al. 2023, §2.2, in the details of its published code. Differs from the paper's words: starts are
drawn with replacement, as its code does.
"""

from typing import NamedTuple

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from earmark.errors import UserError

DRAWN_AT_ONCE = 4  # times the runs that would fit side by side: one draw is nearly always enough


class Frames(NamedTuple):
    """The frames of each clip that are seen and that are hidden, ascending; as many in every clip."""

    visible: Int[Tensor, "clips visible"]
    hidden: Int[Tensor, "clips hidden"]

    def to(self, device: torch.device) -> "Frames":
        """Return them on a device."""
        return Frames(self.visible.to(device, non_blocking=True), self.hidden.to(device, non_blocking=True))


def draw(n_clips: int, n_frames: int, share: float, span_frames: int, generator: torch.Generator) -> Frames:
    """Return frames of which floor(share · frames) are hidden in each clip, on the CPU.

    Raises UserError for segments with no room for a run, or of which nothing would be hidden or seen.
    """
    quota = n_hidden(n_frames, share)
    if n_frames <= span_frames or not 0 < quota < n_frames:
        raise UserError(
            f"Expected segments of more than {span_frames} frames, of which a share of {share:g} is at least 1 and not "
            f"all; got {n_frames} frames. Take longer segments."
        )
    n_together = DRAWN_AT_ONCE * -(-quota // span_frames) + DRAWN_AT_ONCE
    starts = torch.empty(n_clips, 0, dtype=torch.long)
    while True:
        more = torch.randint(n_frames - span_frames + 1, (n_clips, n_together), generator=generator)
        starts = torch.cat([starts, more], dim=1)
        hidden = of_starts(starts, n_frames, quota, span_frames)
        if hidden is not None:
            return split(hidden, quota)


def n_hidden(n_frames: int, share: float) -> int:
    """Return how many of so many frames are hidden."""
    return int(share * n_frames)


def of_starts(
    starts: Int[Tensor, "clips starts"], n_frames: int, quota: int, span_frames: int
) -> Bool[Tensor, "clips frames"] | None:
    """Return which frames are hidden by runs that start there, taken in turn until `quota` frames are; None: too few.

    What is too many is given back at the beginning of the first run that ends before the last frame (of the first run,
    where none does).
    """
    n_clips, n_starts = starts.shape
    order = torch.arange(n_starts).expand(n_clips, -1)
    # The first run that begins at a frame, and from that the first run that a frame lies in.
    begun = torch.full((n_clips, n_frames), n_starts).scatter_reduce_(1, starts, order, "amin")
    before = torch.nn.functional.pad(begun, (span_frames - 1, 0), value=n_starts)
    run = before.unfold(1, span_frames, 1).amin(-1)
    last = run.sort(dim=1).values[:, quota - 1 : quota]
    if bool((last == n_starts).any()):
        return None
    hidden = run <= last
    surplus = hidden.sum(1, keepdim=True) - quota
    giving = (starts < n_frames - span_frames).int().argmax(1, keepdim=True)
    giving = torch.where(giving <= last, giving, 0)
    place = torch.arange(n_frames) - starts.gather(1, giving)
    return hidden & ~((place >= 0) & (place < surplus))


def split(hidden: Bool[Tensor, "clips frames"], quota: int) -> Frames:
    """Return seen and hidden frames by their numbers, where each clip hides `quota`."""
    order = hidden.int().argsort(dim=1, stable=True)
    n_visible = hidden.shape[1] - quota
    return Frames(order[:, :n_visible], order[:, n_visible:])


def at(frames: Float[Tensor, "clips frames dim"], chosen: Int[Tensor, "clips chosen"]) -> Float[Tensor, "..."]:
    """Return the frames chosen of each clip."""
    return frames.gather(1, chosen[..., None].expand(-1, -1, frames.shape[2]))


def nearest_visible(frames: Frames) -> Int[Tensor, "clips hidden"]:
    """Return for each hidden frame the nearest that is seen; of two as near, the earlier."""
    visible, hidden = frames
    after = torch.searchsorted(visible.contiguous(), hidden.contiguous())
    left, right = (visible.gather(1, one.clamp(0, visible.shape[1] - 1)) for one in (after - 1, after))
    return torch.where((hidden - left).abs() <= (right - hidden).abs(), left, right)
