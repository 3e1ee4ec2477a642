"""One layer of a representation as a torch module, with the attributes that HEAR, X-ARES and mteb ask for."""

from typing import NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor, nn

from earmark.errors import UserError
from earmark.representations import base
from earmark.representations.embed import device_of, segments


class Timed(NamedTuple):
    """Frames and the middle of each in milliseconds."""

    embeddings: Float[Tensor, "batch frames dim"]
    times_ms: Float[Tensor, "batch frames"]


class EarmarkEncoder(nn.Module):
    """Frames of one layer. Audio that the network takes only in segments is cut as an experiment would cut it.

    HEAR asks for `sample_rate`, `timestamp_embedding_size` and `scene_embedding_size`, X-ARES for `sampling_rate`,
    `output_dim` and `hop_size_in_ms`, and for a class whose name ends in Encoder. Rows are heard one at a time, so
    that none depends on another; there is no gradient.
    """

    def __init__(self, name: str, layer: int | None = None) -> None:
        super().__init__()
        self.representation = base.load(name)
        card = self.representation.card
        self.layer = card.layers - 1 if layer is None else layer
        if not 0 <= self.layer < card.layers:
            raise UserError(f"'{name}' has layers 0 to {card.layers - 1}; got {layer}.")
        self.card = card
        self.sample_rate = self.sampling_rate = card.sample_rate
        self.output_dim = self.timestamp_embedding_size = self.scene_embedding_size = card.dim
        step_s = 1 / card.frame_rate_hz if card.frame_rate_hz else card.segment_hop_s or card.segment_s or 0.0
        self.hop_size_in_ms = 1000 * step_s

    def forward(self, audio: Float[Tensor, "batch samples"]) -> Float[Tensor, "batch frames dim"]:
        """Return the frames of each row."""
        return self.timed(audio).embeddings

    @torch.no_grad()
    def timed(self, audio: Float[Tensor, "batch samples"]) -> Timed:
        """Return the frames of each row with their times. Raises UserError for audio that is too short."""
        if audio.ndim != 2:
            raise UserError(f"Expected mono audio (batch, samples), got {tuple(audio.shape)}.")
        card, found, times = self.card, [], []
        for start, end in segments(audio.shape[1], card):
            piece = audio[:, start:end].float().to(device_of(self.representation))
            frames = torch.cat([self.representation(row[None], [self.layer])[:, 0] for row in piece])
            step = card.sample_rate / card.frame_rate_hz if card.frame_rate_hz else end - start
            found.append(frames.clone())  # made in inference mode, and given to code that may not be
            times.append((start + (torch.arange(frames.shape[1]) + 0.5) * step) * (1000 / card.sample_rate))
        return Timed(torch.cat(found, dim=1), torch.cat(times).expand(len(audio), -1))

    def scene(self, audio: Float[Tensor, "batch samples"]) -> Float[Tensor, "batch dim"]:
        """Return the mean over the frames of each row."""
        return self.forward(audio).double().mean(1).float()
