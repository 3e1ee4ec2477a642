"""LoRA: a linear layer's weight moves only by a product of two thin matrices, and is one weight again at the end.

Source: Hu et al. 2022, §4.1. Differs: on all four layers of attention, not on queries and values alone.
"""

from collections.abc import Iterable
from math import sqrt
from typing import cast

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn.utils import parametrize


class LowRank(nn.Module):
    """weight + alpha / rank · up · down. `up` starts as zeros, so nothing is changed before the first step."""

    def __init__(self, weight: Float[Tensor, "outputs inputs"], rank: int, alpha: float, seed: torch.Generator) -> None:
        super().__init__()
        n_outputs, n_inputs = weight.shape
        bound = 1 / sqrt(n_inputs)
        down = 2 * bound * torch.rand(rank, n_inputs, generator=seed) - bound
        self.down = nn.Parameter(down.to(weight))
        self.up = nn.Parameter(torch.zeros(n_outputs, rank).to(weight))
        self.scale = alpha / rank

    def forward(self, weight: Float[Tensor, "outputs inputs"]) -> Float[Tensor, "outputs inputs"]:
        """Return the weight that the layer computes with."""
        return weight + self.scale * (self.up @ self.down)


def add(network: nn.Module, names: Iterable[str], rank: int, alpha: float, seed: torch.Generator) -> None:
    """Give linear layers of a network, by name, low-rank weights that learn."""
    for name in names:
        layer = cast(nn.Linear, network.get_submodule(name))
        parametrize.register_parametrization(layer, "weight", LowRank(layer.weight.detach(), rank, alpha, seed))


@torch.no_grad()
def merge(network: nn.Module, names: Iterable[str]) -> None:
    """Make each such layer a plain one again, with the weight that it computes with."""
    for name in names:
        parametrize.remove_parametrizations(network.get_submodule(name), "weight", leave_parametrized=True)
