"""What is done to a batch while training: random, by a generator that is handed in."""

from typing import Literal, NamedTuple

import numpy as np
import torch
from jaxtyping import Float, Float32, Int64
from torch import Tensor

from earmark.errors import UserError

Way = Literal["convex", "additive"]


class Mixed(NamedTuple):
    """A batch in which each item was mixed with that of number `partners`; targets are mixed by the same gains."""

    batch: Float[Tensor, "batch ..."]
    partners: Int64[np.ndarray, " batch"]
    gains: Float32[np.ndarray, " batch"]


def mixup(
    batch: Float[Tensor, "batch ..."],
    rng: np.random.Generator,
    alpha: float = 5.0,
    beta: float = 2.0,
    way: Way = "convex",
) -> Mixed:
    """Mix each item of a batch x with one of the same batch, shuffled, x'; gains g are drawn from Beta(alpha, beta).

    "convex": g x + (1 − g) x', as Zhang et al. (2018, section 2) define mixup; "additive": x + g x'. An item whose
    partner is itself stays as it is ("convex"). Drawn on the CPU: the same mixture on any device.
    Source: McCallum et al. 2022, section 2.1, on log-mel spectrograms, with these gains. *Differs:* it says "additively
    combining", of which its code is not public; whether gains sum to 1 is open, and we take mixup's own definition.
    """
    if not (alpha > 0 and beta > 0):
        raise UserError(f"Expected alpha and beta above 0, got {alpha:g} and {beta:g}.")
    if way not in ("convex", "additive"):
        raise UserError(f"Expected the way to mix 'convex' or 'additive', got '{way}'.")
    partners = rng.permutation(len(batch))
    gains = rng.beta(alpha, beta, len(batch)).astype(np.float32)
    gain = torch.from_numpy(gains).to(batch).reshape(-1, *[1] * (batch.ndim - 1))
    other = batch[torch.from_numpy(partners).to(batch.device)]
    mixed = torch.lerp(other, batch, gain) if way == "convex" else batch + gain * other
    return Mixed(mixed, partners, gains)
