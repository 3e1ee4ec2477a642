"""The network of EncodecMAE: an encoder that sees some frames, a decoder that must say the codes of all.

Source: Pepino et al. 2023, §2.2 and figure 1, in the details of its published code; ResiDual blocks: Xie et al. 2023,
"ResiDual: Transformer with Dual Residual Connections". Differs: sinusoids are computed once, in double precision.
"""

import math
from collections.abc import Iterator, Sequence
from typing import NamedTuple

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn
from torch.nn import functional

from earmark import identity
from earmark.representations import _weights
from earmark.representations.encodecmae import masking
from earmark.representations.encodecmae.masking import Frames
from earmark.representations.encodecmae.settings import Settings

LONGEST_WAVE = 10_000.0
FRAMES_AHEAD = 512  # positions computed before any is asked for: 4 s are 300 frames


class Streams(NamedTuple):
    """The two streams of ResiDual blocks: one normalised after every sub-layer, one only summed."""

    normed: Float[Tensor, "clips frames dim"]
    summed: Float[Tensor, "clips frames dim"]


class Attention(nn.Module):
    """Every frame looks at every frame, in `heads` ways of `head_dim`; no biases, no dropout."""

    def __init__(self, dim: int, heads: int, head_dim: int) -> None:
        super().__init__()
        self.heads = heads
        self.into = nn.Linear(dim, 3 * heads * head_dim, bias=False)
        """Queries, keys and values, in this order; head by head in each."""
        self.out = nn.Linear(heads * head_dim, dim, bias=False)

    def forward(self, frames: Float[Tensor, "clips frames dim"]) -> Float[Tensor, "clips frames dim"]:
        """Return what each frame gathers."""
        queries, keys, values = self.into(frames).unflatten(2, (3, self.heads, -1)).permute(2, 0, 3, 1, 4)
        found = functional.scaled_dot_product_attention(queries, keys, values)
        gathered: Tensor = self.out(found.transpose(1, 2).flatten(2))
        return gathered


class Block(nn.Module):
    """Attention, then a feed-forward module that is handed over, each followed by a norm of its own."""

    def __init__(self, settings: Settings) -> None:
        super().__init__()
        self.attention = Attention(settings.dim, settings.heads, settings.head_dim)
        self.norm_1 = nn.LayerNorm(settings.dim)
        self.norm_2 = nn.LayerNorm(settings.dim)

    def forward(self, streams: Streams, feedforward: nn.Module) -> Streams:
        """Return both streams after the block: y = f(normed); normed = norm(normed + y); summed = summed + y."""
        normed, summed = streams
        said = self.attention(normed)
        normed, summed = self.norm_1(normed + said), summed + said
        said = feedforward(normed)
        return Streams(self.norm_2(normed + said), summed + said)


class Stack(nn.Module):
    """Blocks, and a last norm of the summed stream. `feedforwards` holds one module for all blocks, or one for each."""

    def __init__(self, settings: Settings, n_blocks: int) -> None:
        super().__init__()
        self.blocks = nn.ModuleList([Block(settings) for _ in range(n_blocks)])
        self.feedforwards = nn.ModuleList(
            [
                nn.Sequential(
                    nn.Linear(settings.dim, settings.ffn_dim), nn.ReLU(), nn.Linear(settings.ffn_dim, settings.dim)
                )
                for _ in range(1 if settings.share_ffn else n_blocks)
            ]
        )
        self.last_norm = nn.LayerNorm(settings.dim)

    def streams(
        self, frames: Float[Tensor, "clips frames dim"], kept: Sequence[int] | None = None
    ) -> Iterator[Streams]:
        """Yield the streams after each block, or each that is `kept`; what is not asked for is not computed."""
        streams = Streams(frames, frames)
        for number in range(len(self.blocks)) if kept is None else kept:
            streams = self.blocks[number](streams, self.feedforwards[number % len(self.feedforwards)])
            yield streams

    def end(self, streams: Streams) -> Float[Tensor, "clips frames dim"]:
        """Return the answer of the stack, of the streams after its last block."""
        answer: Tensor = streams.normed + self.last_norm(streams.summed)
        return answer

    def forward(self, frames: Float[Tensor, "clips frames dim"]) -> Float[Tensor, "clips frames dim"]:
        """Return the answer of the stack."""
        *_, last = self.streams(frames)
        return self.end(last)


class Positions(nn.Module):
    """Sines and cosines of the frame's number, waves up to 10,000 frames over 2π, times one learnt number."""

    table: Tensor

    def __init__(self, dim: int) -> None:
        super().__init__()
        self.scale = nn.Parameter(torch.ones(()))
        with torch.device("cpu"):  # no file holds these, so they are made even where weights are not
            self.register_buffer("table", sinusoids(FRAMES_AHEAD, dim).float(), persistent=False)

    def forward(self, frames: Float[Tensor, "clips frames dim"]) -> Float[Tensor, "clips frames dim"]:
        """Return frames with their positions added."""
        n_frames = frames.shape[1]
        if n_frames > len(self.table):
            self.table = sinusoids(2 * n_frames, frames.shape[2]).to(self.table)
        return frames + self.scale * self.table[:n_frames]


def sinusoids(n_frames: int, dim: int) -> Float[Tensor, "frames dim"]:
    """Return sin(t · w) at even and cos(t · w) at odd places, w = 10,000^(−2i / dim); float64."""
    waves = torch.exp(torch.arange(0, dim, 2, dtype=torch.float64) * -(math.log(LONGEST_WAVE) / dim))
    angles = torch.arange(n_frames, dtype=torch.float64)[:, None] * waves
    return torch.stack([angles.sin(), angles.cos()], -1).flatten(1)


class Encoder(nn.Module):
    """Input frames to embeddings: projected, placed, and through the blocks of `stack`."""

    def __init__(self, settings: Settings, input_dim: int) -> None:
        super().__init__()
        self.project = nn.Linear(input_dim, settings.dim)
        self.positions = Positions(settings.dim)
        self.stack = Stack(settings, settings.encoder_layers)

    def placed(self, inputs: Float[Tensor, "clips frames input"]) -> Float[Tensor, "clips frames dim"]:
        """Return projected frames with their positions: what the first block is given."""
        placed: Tensor = self.positions(self.project(inputs))
        return placed

    def forward(
        self, inputs: Float[Tensor, "clips frames input"], visible: Int[Tensor, "clips visible"]
    ) -> Float[Tensor, "clips visible dim"]:
        """Return the answer for some frames of each clip, which see each other and nothing else."""
        encoded: Tensor = self.stack(masking.at(self.placed(inputs), visible))
        return encoded

    def layers(self, inputs: Float[Tensor, "clips frames input"], deepest: int) -> Iterator[Tensor]:
        """Yield layers from 0 up to the deepest, all frames seen: the input of the first block, then normed streams.

        The last layer is the answer, as the decoder gets it in training.
        """
        placed = self.placed(inputs)
        yield placed
        if deepest == 0:
            return
        for number, streams in enumerate(self.stack.streams(placed), start=1):
            yield self.stack.end(streams) if number == len(self.stack.blocks) else streams.normed
            if number == deepest:
                return

    def without_last_norm(self, inputs: Float[Tensor, "clips frames input"]) -> Float[Tensor, "clips frames dim"]:
        """Return the normed stream after the last block: what version 2 teaches itself by."""
        *_, last = self.stack.streams(self.placed(inputs))
        return last.normed


class Network(nn.Module):
    """Input frames to logits of their codes: an encoder of visible frames, a decoder of all, a head that names codes.

    `positions` are the decoder's, where it has its own.
    """

    def __init__(self, settings: Settings, input_dim: int) -> None:
        super().__init__()
        dim = settings.dim
        self.n_streams = settings.n_streams
        self.encoder = Encoder(settings, input_dim)
        self.into_decoder = nn.Linear(dim, dim)
        self.mask_token = nn.Parameter(torch.zeros(dim)) if settings.mask_token == "learned" else None
        self.positions = None if settings.shared_positions else Positions(dim)
        self.decoder = Stack(settings, settings.decoder_layers)
        self.head = nn.Linear(dim, settings.n_streams * settings.n_codes)

    def forward(
        self, inputs: Float[Tensor, "clips frames input"], frames: Frames
    ) -> Float[Tensor, "clips frames streams codes"]:
        """Return logits of all frames; the encoder is given the visible ones alone."""
        encoded = self.into_decoder(self.encoder(inputs, frames.visible))
        positions = self.positions or self.encoder.positions
        decoded = self.decoder(positions(self.spread(encoded, frames)))
        logits: Tensor = self.head(decoded).unflatten(2, (self.n_streams, -1))
        return logits

    def spread(self, visible: Float[Tensor, "clips visible dim"], frames: Frames) -> Float[Tensor, "clips frames dim"]:
        """Return frames at their places, the mask token where they are hidden."""
        (n_clips, n_visible, dim), n_hidden = visible.shape, frames.hidden.shape[1]
        spread = visible.new_zeros(n_clips, n_visible + n_hidden, dim)
        if self.mask_token is not None:
            spread = spread + self.mask_token.to(spread.dtype)
        return spread.scatter(1, frames.visible[..., None].expand(-1, -1, dim), visible)


def build(settings: Settings, input_dim: int, seed: int) -> Network:
    """Return the network with random weights: linear layers Xavier uniform without bias, norms 1 and 0, positions 1.

    Queries, keys and values are drawn as three matrices. A learnt mask token begins at N(0, 0.02).
    """
    with _weights.seeded("encodecmae", seed):
        made = Network(settings, input_dim)
    generator = torch.Generator().manual_seed(identity.seed_for("weights", "encodecmae", seed) % 2**63)
    with torch.no_grad():
        for name, module in made.named_modules():
            if isinstance(module, nn.Linear):
                for matrix in module.weight.chunk(3) if name.endswith(".into") else [module.weight]:
                    nn.init.xavier_uniform_(matrix, generator=generator)
                if module.bias is not None:
                    module.bias.zero_()
        if made.mask_token is not None:
            made.mask_token.normal_(0.0, 0.02, generator=generator)
    return made


class Size(NamedTuple):
    """Parameters of an encoder, of a whole network, and of one with a feed-forward module for each block."""

    encoder: int
    network: int
    network_unshared: int


def size(settings: Settings) -> Size:
    """Return how large a network of the settings' own inputs is, without making one."""
    dim, inner = settings.dim, settings.heads * settings.head_dim
    block, norm = 4 * dim * inner + 4 * dim, 2 * dim
    feedforward = 2 * dim * settings.ffn_dim + settings.ffn_dim + dim
    of_encoder, of_decoder = settings.encoder_layers, settings.decoder_layers
    n_outputs = settings.n_streams * settings.n_codes
    into = (settings.input_dim + 1) * dim + 1
    rest = (dim + 1 + n_outputs) * dim + n_outputs + (not settings.shared_positions)
    rest += dim * (settings.mask_token == "learned")
    encoder, decoder = (n_blocks * block + norm for n_blocks in (of_encoder, of_decoder))
    alone = into + encoder + decoder + rest
    unshared = alone + (of_encoder + of_decoder) * feedforward
    shared = alone + 2 * feedforward if settings.share_ffn else unshared
    return Size(into + encoder + feedforward * (1 if settings.share_ffn else of_encoder), shared, unshared)
