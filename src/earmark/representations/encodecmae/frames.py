"""The encoder of an EncodecMAE as a representation, which can go on learning, and what a folder says of one."""

from collections.abc import Iterator, Sequence
from dataclasses import asdict

import torch
from jaxtyping import Float
from torch import Tensor, nn

from earmark.nouns import Card
from earmark.representations.base import check_call
from earmark.representations.checkpoint import Contents
from earmark.representations.encodecmae.inputs import EncodecFrames, Inputs
from earmark.representations.encodecmae.network import Encoder
from earmark.representations.encodecmae.settings import Settings
from earmark.representations.trainable import Noise, hidden_frames

MODEL_TYPE = "earmark-encodecmae"
SETTINGS, CODEC = "settings", "codec"
ENCODER, INPUTS = "network.encoder.", "inputs."


class EncodecMAEFrames(nn.Module):
    """Frames of the encoder, which sees all of a segment: nothing is hidden, and there is no decoder.

    Frames are as many as its inputs give. Layer 0 is the input to the first block, layer i the normed stream after
    block i, the last one the encoder's answer; blocks above the deepest layer asked for are not computed. Source:
    Pepino et al. 2023, §3.2. Differs from the published code: the last part of a clip is heard however short it is, if
    only the inputs can take it (version 2 leaves out what is shorter than 2,048 samples).
    """

    def __init__(self, inputs: Inputs, encoder: Encoder, card: Card, settings: Settings) -> None:
        super().__init__()
        self.inputs = inputs
        self.encoder = encoder
        self.card = card
        self.settings = settings
        self.eval().requires_grad_(False)

    @torch.inference_mode()
    def forward(
        self, audio: Float[Tensor, "batch samples"], layers: Sequence[int] | None = None
    ) -> Float[Tensor, "batch layers frames dim"]:
        """Return the layers asked for (None: all). Raises UserError for wrong audio or layers."""
        wanted = check_call(audio, layers, self.card)
        frames = self.inputs(audio.float())
        found = dict(enumerate(self.encoder.layers(frames, max(wanted))))
        return torch.stack([found[layer] for layer in wanted], dim=1)

    @property
    def network(self) -> Encoder:
        """What learns: all but the inputs, which nothing trains."""
        return self.encoder

    @property
    def front_end(self) -> nn.Module:
        """The projection of input frames; the inputs themselves stay as they are in every mode."""
        return self.encoder.project

    @property
    def projections(self) -> tuple[str, ...]:
        """The two linear layers of every block's attention: queries, keys and values are one."""
        blocks = range(len(self.encoder.stack.blocks))
        return tuple(f"stack.blocks.{block}.attention.{name}" for block in blocks for name in ("into", "out"))

    def last_layer(
        self, audio: Float[Tensor, "batch samples"], noise: Noise | None = None
    ) -> Float[Tensor, "batch frames dim"]:
        """Return the last layer with gradient. Hidden frames keep their positions alone; the first block stays."""
        check_call(audio, None, self.card)
        projected = self.encoder.project(self.inputs(audio.float()))
        if noise is not None and noise.mask_probability:
            is_hidden = hidden_frames(len(projected), projected.shape[1], noise).to(projected.device)
            projected = projected.masked_fill(is_hidden[..., None], 0.0)
        stack = self.encoder.stack
        kept = list(_kept(len(stack.blocks), noise))
        *_, last = stack.streams(self.encoder.positions(projected), kept)
        return stack.end(last)

    def contents(self) -> Contents:
        """Return what a checkpoint of it holds: the encoder and its inputs, no decoder and no targets."""
        state = self.encoder.state_dict(prefix=ENCODER) | self.inputs.state_dict(prefix=INPUTS)
        return Contents(state, config(self.settings, self.inputs), {"sampling_rate": self.inputs.sample_rate})


def config(settings: Settings, inputs: Inputs) -> dict[str, object]:
    """Return what config.json says of a network: its settings, and which EnCodec it hears, by name and shape."""
    codec = {"name": inputs.codec_name, **inputs.shape} if isinstance(inputs, EncodecFrames) else None
    return {"model_type": MODEL_TYPE, SETTINGS: asdict(settings), CODEC: codec}


def _kept(n_blocks: int, noise: Noise | None) -> Iterator[int]:
    """Yield the blocks that are not left out."""
    for block in range(n_blocks):
        is_left_out = block and noise and float(torch.rand((), generator=noise.generator)) < noise.layerdrop
        if not is_left_out:
            yield block
