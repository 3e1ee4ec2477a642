"""The contract of a representation whose network can go on learning. Fine-tuning asks it for no more than this.

A representation that offers it is an inference-only callable all the same: `last_layer` in evaluation mode and
`representation(audio, (card.layers - 1,))[:, 0]` are the same numbers, one with a gradient and one without.
"""

from typing import NamedTuple, Protocol, runtime_checkable

import torch
from jaxtyping import Float
from torch import Tensor, nn

from earmark.errors import UserError
from earmark.representations.base import Representation
from earmark.representations.checkpoint import Contents


class Noise(NamedTuple):
    """What a network may be troubled by while it learns, besides its own dropouts; draws are made on the CPU.

    `mask_probability`: the expected number of hidden spans of `mask_frames` frames, as a share of what would fill a
    clip. `layerdrop`: the probability that a block is left out.
    """

    mask_probability: float
    mask_frames: int
    layerdrop: float
    generator: torch.Generator


@runtime_checkable
class Trainable(Representation, Protocol):
    """A representation with a network that learns.

    `network` is all that is trained and saved, `front_end` the part of it that turns audio into frames, which
    `frozen_cnn` leaves as it is. `projections` names the linear layers of attention in `network`.
    """

    network: nn.Module

    @property
    def front_end(self) -> nn.Module:
        """The convolutions, or what stands in their place."""
        ...

    @property
    def projections(self) -> tuple[str, ...]:
        """Names of the linear layers that attention is made of; none where there is no attention."""
        ...

    def last_layer(
        self, audio: Float[Tensor, "batch samples"], noise: Noise | None = None
    ) -> Float[Tensor, "batch frames dim"]:
        """Return the frames of the last layer, with gradient; dropouts run where modules are in training mode."""
        ...

    def contents(self) -> Contents:
        """Return what a checkpoint of the network holds."""
        ...


def trainable(representation: Representation) -> Trainable:
    """Return a representation as one that learns. Raises UserError for one without gradients."""
    if not isinstance(representation, Trainable):
        raise UserError(
            f"'{representation.card.name}' has no network that earmark can go on training: only `linear` is for it, "
            "which leaves it as it is. Write modes: [linear], or name an EncodecMAE or a network of the wav2vec 2.0 "
            "family."
        )
    return representation


def hidden_frames(n_clips: int, n_frames: int, noise: Noise) -> torch.Tensor:
    """Return which frames are hidden, (clips, frames) bool: spans that begin anywhere, and may overlap.

    Each frame begins a span with probability `mask_probability` / `mask_frames`.
    """
    begins = torch.rand(n_clips, n_frames, generator=noise.generator) < noise.mask_probability / noise.mask_frames
    padded = nn.functional.pad(begins.float()[:, None], (noise.mask_frames - 1, 0))
    return nn.functional.max_pool1d(padded, noise.mask_frames, stride=1)[:, 0] > 0
