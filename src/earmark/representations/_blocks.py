"""Windows of audio through a network that would not hold those of a whole batch at once."""

from collections.abc import Callable

import torch
from jaxtyping import Float
from torch import Tensor


def blockwise(
    network: Callable[[Tensor], Tensor], windows: Float[Tensor, "batch windows *shape"], n_together: int
) -> Float[Tensor, "batch windows *answer"]:
    """Return what a network answers to each window, of which it is given at most `n_together` at once.

    A row at a time: batch mates cannot change the shape, and with it the rounding, of a product.
    """
    return torch.stack([torch.cat([network(block) for block in row.split(n_together)]) for row in windows])
