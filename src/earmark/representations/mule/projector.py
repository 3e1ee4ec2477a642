"""What stands on MULE's network while it is trained, and is not asked afterwards: dense layers with ReLU between them.

Source: McCallum et al. 2022 (seed 004, section 2.1): three hidden layers of 4,096, for tags as for contrasts; that the
last layer has no bias, and weights begin as N(0, 0.01), is their loss code's (facts of pre-training, C.3).
"""

from itertools import pairwise

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional

from earmark.representations.mule.settings import Head


class Projector(nn.Module):
    """Embeddings to what a loss compares. Its weights are to be drawn, or loaded."""

    def __init__(self, dim: int, n_out: int, head: Head, bias: bool = False) -> None:
        super().__init__()
        hidden, self.deviation = head.hidden, head.deviation
        self.hidden = nn.ModuleList(nn.Linear(n_in, width) for n_in, width in pairwise((dim, *hidden)))
        self.last = nn.Linear((dim, *hidden)[-1], n_out, bias=bias)

    def forward(self, embeddings: Float[Tensor, "... dim"]) -> Float[Tensor, "... out"]:
        """Return what is compared, without a last activation."""
        for layer in self.hidden:
            embeddings = functional.relu(layer(embeddings))
        found: Tensor = self.last(embeddings)
        return found

    def draw(self, generator: torch.Generator) -> None:
        """Draw weights from N(0, deviation²); biases are 0."""
        for layer in (*self.hidden, self.last):
            nn.init.normal_(layer.weight, std=self.deviation, generator=generator)
            if layer.bias is not None:
                nn.init.zeros_(layer.bias)
