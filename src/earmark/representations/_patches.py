"""A transformer on overlapping patches of a spectrogram: the network of PaSST, which MAEST has too.

Positions are learnt for frequency and time apart, so shorter spectrograms take the first columns. Before the patches
stand two tokens that answer for the whole: one of the class, one of distillation. Source: Koutini et al. 2022, §2.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional

from earmark import identity
from earmark.nouns import Card
from earmark.representations import _weights

PATCH, STRIDE, N_TOKENS = 16, 10, 2
NORM_EPS, DEVIATION = 1e-6, 0.02


@dataclass(frozen=True)
class Shape:
    """Bands and most frames of a spectrogram, width, blocks, heads of each, and labels."""

    bands: int
    frames: int
    dim: int = 768
    depth: int = 12
    heads: int = 12
    labels: int = 527


class Attention(nn.Module):
    """Each place looks at all places, in several heads."""

    def __init__(self, dim: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.qkv, self.proj = nn.Linear(dim, 3 * dim), nn.Linear(dim, dim)

    def forward(self, places: Float[Tensor, "batch places dim"]) -> Float[Tensor, "batch places dim"]:
        """Return what each place saw."""
        queries, keys, values = self.qkv(places).unflatten(2, (3, self.heads, -1)).permute(2, 0, 3, 1, 4)
        seen = functional.scaled_dot_product_attention(queries, keys, values)
        answer: Tensor = self.proj(seen.transpose(1, 2).flatten(2))
        return answer


class FeedForward(nn.Module):
    """Two dense layers with a GELU between them."""

    def __init__(self, dim: int) -> None:
        super().__init__()
        self.fc1, self.fc2 = nn.Linear(dim, 4 * dim), nn.Linear(4 * dim, dim)

    def forward(self, places: Float[Tensor, "batch places dim"]) -> Float[Tensor, "batch places dim"]:
        """Return each place by itself, transformed."""
        answer: Tensor = self.fc2(functional.gelu(self.fc1(places)))
        return answer


class Block(nn.Module):
    """Attention and a feed-forward module, each on what is normalised, and added."""

    def __init__(self, dim: int, heads: int) -> None:
        super().__init__()
        self.norm1, self.norm2 = nn.LayerNorm(dim, NORM_EPS), nn.LayerNorm(dim, NORM_EPS)
        self.attn, self.mlp = Attention(dim, heads), FeedForward(dim)

    def forward(self, places: Float[Tensor, "batch places dim"]) -> Float[Tensor, "batch places dim"]:
        """Return the places after this block."""
        places = places + self.attn(self.norm1(places))
        after: Tensor = places + self.mlp(self.norm2(places))
        return after


class PatchTransformer(nn.Module):
    """Spectrograms to tokens and patches after each block. Parameters have the names that they were published with."""

    def __init__(self, shape: Shape) -> None:
        super().__init__()
        self.shape, dim = shape, shape.dim
        # As published: of frames that are no multiple of the stride, the last position may be for no patch.
        rows, columns = (size // STRIDE for size in (shape.bands, shape.frames))
        self.cls_token, self.dist_token = (nn.Parameter(torch.zeros(1, 1, dim)) for _ in range(N_TOKENS))
        self.new_pos_embed = nn.Parameter(torch.zeros(1, N_TOKENS, dim))
        self.freq_new_pos_embed = nn.Parameter(torch.zeros(1, dim, rows, 1))
        self.time_new_pos_embed = nn.Parameter(torch.zeros(1, dim, 1, columns))
        self.patch_embed = nn.ModuleDict({"proj": nn.Conv2d(1, dim, PATCH, STRIDE)})
        self.blocks = nn.ModuleList(Block(dim, shape.heads) for _ in range(shape.depth))
        self.norm = nn.LayerNorm(dim, NORM_EPS)
        self.head = nn.Sequential(nn.LayerNorm(dim), nn.Linear(dim, shape.labels))
        self.head_dist = nn.Linear(dim, shape.labels)
        self.eval().requires_grad_(False)

    def draw(self, generator: torch.Generator) -> None:
        """Draw the tokens and positions anew: normal numbers of the published deviation."""
        for one in (
            self.cls_token,
            self.dist_token,
            self.new_pos_embed,
            self.freq_new_pos_embed,
            self.time_new_pos_embed,
        ):
            one.normal_(0.0, DEVIATION, generator=generator)

    def places(self, spectrogram: Float[Tensor, "batch bands frames"]) -> Iterator[Float[Tensor, "batch places dim"]]:
        """Yield the input to the first block, then the output of each; the two tokens come first."""
        patches = self.patch_embed["proj"](spectrogram[:, None])
        patches = patches + self.time_new_pos_embed[..., : patches.shape[3]] + self.freq_new_pos_embed
        tokens = torch.cat([self.cls_token, self.dist_token], dim=1) + self.new_pos_embed
        places = torch.cat([tokens.expand(len(patches), -1, -1), patches.flatten(2).transpose(1, 2)], dim=1)
        yield places
        for block in self.blocks:
            places = block(places)
            yield places

    def answer(self, places: Float[Tensor, "batch places dim"]) -> Float[Tensor, "batch dim"]:
        """Return the mean of the two tokens of the last block's output, each normalised."""
        answer: Tensor = self.norm(places)[:, :N_TOKENS].mean(1)
        return answer

    def logits(self, answer: Float[Tensor, "batch dim"]) -> Float[Tensor, "batch labels"]:
        """Return what the sigmoid makes likelihoods of labels of."""
        logits: Tensor = self.head(answer)
        return logits


def drawn(name: str, shape: Shape, seed: int) -> PatchTransformer:
    """Return a network with random weights, which a name and a seed decide."""
    with _weights.seeded(f"{name} {shape}", seed):
        network = PatchTransformer(shape)
    network.draw(torch.Generator().manual_seed(identity.seed_for("weights", f"{name} {shape}", seed)))
    return network


def filled(shape: Shape, state: Mapping[str, Tensor], card: Card, file: Path) -> PatchTransformer:
    """Return a network with the weights of a file. Raises UserError where names or shapes differ."""
    with torch.device("meta"):
        network = PatchTransformer(shape)
    _weights.fill(network.to_empty(device="cpu"), state, card, file)
    return network


def summary(places: Float[Tensor, "batch places dim"]) -> Float[Tensor, "batch three"]:
    """Return both tokens and the mean of the patches, one after another."""
    tokens, patches = places[:, :N_TOKENS], places[:, N_TOKENS:]
    return torch.cat([tokens.flatten(1), patches.mean(1)], dim=1)
