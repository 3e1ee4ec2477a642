"""What is watched while EncodecMAE trains: losses and hits of each codebook, and the two floors under them. Pure.

Monitors are sums and counts, by codebook, so that they add up over portions, devices, steps and epochs. A network
that does not beat a floor has not learnt to use what it sees: the floor of the most frequent code needs no audio, that
of the nearest visible frame no network.
"""

from collections.abc import Mapping
from typing import NamedTuple

import torch
from jaxtyping import Float, Int
from torch import Tensor

from earmark.representations.encodecmae import masking
from earmark.representations.encodecmae.masking import Frames
from earmark.representations.objective import Measured

HISTOGRAM = "codes"


class Scored(NamedTuple):
    """Of every frame and codebook: the loss in nats, and 1 where the likeliest code is the one sought."""

    nats: Float[Tensor, "clips frames streams"]
    hits: Float[Tensor, "clips frames streams"]


class Kinds(NamedTuple):
    """Which frames are hidden and which are seen, 1 or 0; padded frames are neither."""

    masked: Float[Tensor, "clips frames"]
    visible: Float[Tensor, "clips frames"]

    @property
    def counts(self) -> Float[Tensor, "2"]:
        """How many there are of each, in double precision, which a sum over a long step needs."""
        return torch.stack([one.sum(dtype=torch.float64) for one in self])


def kinds(codes: Int[Tensor, "clips streams frames"], frames: Frames, like: Tensor) -> Kinds:
    """Return hidden and seen frames; a frame with a code below 0 is padded."""
    is_real = (codes >= 0).all(1)
    is_masked = torch.zeros_like(is_real).scatter_(1, frames.hidden, True)
    return Kinds((is_real & is_masked).to(like.dtype), (is_real & ~is_masked).to(like.dtype))


def of_frames(scored: Scored, found: Kinds) -> dict[str, Measured]:
    """Return losses and hits by codebook of hidden and of seen frames."""
    measured = dict[str, Measured]()
    for kind, which in zip(Kinds._fields, found, strict=True):
        for what, values in (("nats", scored.nats), ("accuracy", scored.hits)):
            measured[f"{kind}_{what}"] = Measured(torch.einsum("cfs,cf->s", values, which), which.sum())
    everything = torch.full((), float(found.masked.numel()), dtype=found.masked.dtype, device=found.masked.device)
    measured["masked"] = Measured(found.masked.sum(), everything)
    measured["padded"] = Measured(everything - found.masked.sum() - found.visible.sum(), everything)
    return measured


def floors(
    codes: Int[Tensor, "clips streams frames"], frames: Frames, found: Kinds, n_codes: int
) -> dict[str, Measured]:
    """Return how often the nearest visible frame has the code of a hidden one, and how often each code comes.

    A hidden frame whose nearest visible frame is padded has nothing to copy, and is not hit.
    """
    masked = found.masked.gather(1, frames.hidden)
    nearest = masking.nearest_visible(frames)
    sought, copied = (
        codes.gather(2, which[:, None].expand(-1, codes.shape[1], -1)) for which in (frames.hidden, nearest)
    )
    hits = torch.einsum("csh,ch->s", (sought == copied).to(masked.dtype), masked)
    by_stream = codes.transpose(0, 1).flatten(1)
    is_real = (by_stream >= 0).to(masked.dtype)
    often = masked.new_zeros(len(by_stream), n_codes).scatter_add_(1, by_stream.clamp_min(0), is_real)
    return {"copy_accuracy": Measured(hits, masked.sum()), HISTOGRAM: Measured(often, is_real[0].sum())}


def read(means: Mapping[str, Tensor]) -> dict[str, float]:
    """Return the numbers to show; what is by codebook gets its number, from 1.

    `frequent_accuracy` and `frequent_nats` are of a predictor that knows how often each code came in what was added,
    and nothing else: the share of the most frequent, and the entropy. Over few frames both flatter it.
    """
    said = dict[str, float]()
    for name, mean in means.items():
        if name == HISTOGRAM:
            said |= _numbered("frequent_accuracy", mean.amax(1))
            said |= _numbered("frequent_nats", -torch.special.xlogy(mean, mean).sum(1))
        else:
            said |= _numbered(name, mean) if mean.ndim else {name: float(mean)}
    return said


def _numbered(name: str, values: Float[Tensor, " streams"]) -> dict[str, float]:
    return {f"{name}_{number}": value for number, value in enumerate(values.tolist(), start=1)}
