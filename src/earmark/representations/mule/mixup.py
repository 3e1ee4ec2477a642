"""Mixup: each spectrogram of a batch mixed with another one of it, as random gains say."""

from typing import Literal, NamedTuple

import numpy as np
import torch
from jaxtyping import Float, Int64
from torch import Tensor

from earmark.errors import UserError

Way = Literal["convex", "additive"]


class Mixed(NamedTuple):
    """A batch in which each item was mixed with that of number `partners`; targets are mixed by the same gains."""

    batch: Float[Tensor, "batch ..."]
    partners: Int64[Tensor, " batch"]
    gains: Float[Tensor, " batch"]


def mixup(
    batch: Float[Tensor, "batch ..."],
    generator: torch.Generator,
    alpha: float = 5.0,
    beta: float = 2.0,
    way: Way = "convex",
) -> Mixed:
    """Mix each item of a batch x with one of the same batch, shuffled, x'; gains g are drawn from Beta(alpha, beta).

    "convex": g x + (1 − g) x', as Zhang et al. (2018, section 2) define mixup; "additive": x + g x'. An item whose
    partner is itself stays as it is ("convex"). Drawn on the CPU: the same mixture on any device.
    Source: McCallum et al. 2022 (seed 004), section 2.1, on log-mel spectrograms, with these gains. *Differs:* it says
    "additively combining", of which its code is not public; whether gains sum to 1 is open, and we take mixup's own
    definition.
    """
    if not (alpha > 0 and beta > 0):
        raise UserError(f"Expected alpha and beta above 0, got {alpha:g} and {beta:g}.")
    if way not in ("convex", "additive"):
        raise UserError(f"Expected the way to mix 'convex' or 'additive', got '{way}'.")
    # torch draws no beta from a generator of one's own
    rng = np.random.default_rng(int(torch.randint(2**62, (), generator=generator)))
    partners = torch.from_numpy(rng.permutation(len(batch))).to(batch.device)
    gains = torch.from_numpy(rng.beta(alpha, beta, len(batch))).to(batch)
    gain = gains.reshape(-1, *[1] * (batch.ndim - 1))
    mixed = torch.lerp(batch[partners], batch, gain) if way == "convex" else batch + gain * batch[partners]
    return Mixed(mixed, partners, gains)
