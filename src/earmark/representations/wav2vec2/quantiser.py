"""Frames to codes: one entry of each codebook, chosen by logits, differentiable by a straight-through softmax.

The parameters are those of transformers' Wav2Vec2GumbelVectorQuantizer, the arithmetic is ours: the noise comes from
outside, only hidden frames are quantised, entries are looked up by one product for each group (theirs spreads all
entries over all frames first: gigabytes), and the one-hot choice is exact (theirs is off by a rounding for some
frames, so that equal codes may not be equal vectors). Source: Baevski et al. 2020, §2.
"""

from typing import NamedTuple

import torch
from jaxtyping import Float, Int
from torch import Tensor

from earmark.representations.objective import Measured


class Quantised(NamedTuple):
    """Vectors (groups joined), the code of each group, and the sum over frames of softmax(logits), without noise."""

    vectors: Float[Tensor, "clips frames dim"]
    codes: Int[Tensor, "clips frames groups"]
    probabilities: Float[Tensor, "groups entries"]


def quantise(
    logits: Float[Tensor, "clips frames groups entries"],
    codebook: Float[Tensor, "groups entries part"],
    noise: Float[Tensor, "clips frames groups entries"] | None,
    temperature: float,
) -> Quantised:
    """Return codes and their vectors; with noise a draw, without it the likeliest entry and no gradient to logits."""
    chosen_by = logits if noise is None else logits + noise
    codes = chosen_by.argmax(-1)
    choice = torch.nn.functional.one_hot(codes, logits.shape[-1]).to(logits.dtype)
    if noise is not None:
        soft = (chosen_by / temperature).softmax(-1)
        choice = choice + (soft - soft.detach())  # in this order the difference is exactly 0
    vectors = torch.einsum("cfge,gep->cfgp", choice, codebook).flatten(2)
    return Quantised(vectors, codes, logits.softmax(-1).sum((0, 1)))


def perplexity(probabilities: Float[Tensor, "groups entries"]) -> Float[Tensor, " groups"]:
    """Return exp(entropy) of each group's distribution: from 1 to the number of entries.

    The gradient is finite where a probability is 0 (in transformers it is not a number).
    """
    logs = probabilities.clamp_min(torch.finfo(probabilities.dtype).tiny).log()
    return (-(probabilities * logs).sum(-1)).exp()


def lost_diversity(
    probabilities: Float[Tensor, "groups entries"], n: Tensor, whole: Measured | None
) -> Float[Tensor, ""]:
    """Return n · (entries − perplexity) / entries, perplexity of the mean distribution of the whole batch.

    Perplexity is not a sum over parts, but its gradient is: the whole is this part, which is differentiated, and the
    rest, which is a constant. The value is then brought to this part's share.
    """
    n_entries = probabilities.numel()
    if whole is None:
        return n * (1.0 - perplexity(probabilities / n).sum() / n_entries)
    mean = (whole.total + probabilities - probabilities.detach()) / whole.count
    lost = 1.0 - perplexity(mean).sum() / n_entries
    return whole.count * lost - (whole.count - n) * lost.detach()


def joint(codes: Int[Tensor, "clips frames groups"], n_entries: int) -> Int[Tensor, "clips frames"]:
    """Return one number for the codes of all groups."""
    place = n_entries ** torch.arange(codes.shape[2], device=codes.device)
    return (codes * place).sum(-1)


def counts(codes: Int[Tensor, "clips frames groups"], n_entries: int) -> Float[Tensor, "groups entries"]:
    """Return how often each entry of each group was chosen."""
    by_group = codes.flatten(0, 1).T
    n_groups = len(by_group)
    found = torch.zeros(n_groups, n_entries, device=codes.device)
    return found.scatter_add_(1, by_group, torch.ones_like(by_group, dtype=found.dtype))
