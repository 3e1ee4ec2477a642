"""NT-Xent: which of all embeddings of a batch is of the same track? And what is watched of it. Pure.

Source: Chen et al. 2020, A Simple Framework for Contrastive Learning of Visual Representations, section 2.1; in music
McCallum et al. 2022 (seed 004, section 2.1). *Differs:* means are over embeddings, and the released loss of MULE is
twice that, a mean over pairs; Adam minds neither.
"""

import itertools
import math
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional

from earmark.representations.objective import Alarm, Measured

Reading = Mapping[str, float]
Rows = Float[Tensor, "pairs views dim"]
"""Embeddings of pairs: the two that belong together, and after them any that are compared with and seek nobody."""

COLLAPSED_SPREAD = 0.1
PLATEAU_STEPS, PLATEAU_NATS = 200, 0.01
UNIFORMITY = 2.0
"""The t of Wang & Isola (2020), in all their figures."""


class Compared(NamedTuple):
    """Of each embedding that seeks its partner: the loss in nats, and cosines with all others (its own is −∞)."""

    nats: Float[Tensor, "pairs 2"]
    cosines: Float[Tensor, "pairs 2 candidates"]


def compare(rows: Rows, temperature: float) -> Compared:
    """Return losses and cosines of the first two views of each pair among all embeddings, their own left out."""
    n_pairs, n_views, _ = rows.shape
    unit = functional.normalize(rows, dim=-1)
    places = torch.arange(n_pairs * n_views, device=rows.device).view(n_pairs, n_views)[:, :2]
    cosines = unit[:, :2].flatten(0, 1) @ unit.flatten(0, 1).T
    cosines = cosines.scatter(1, places.reshape(-1, 1), -torch.inf)
    nats = functional.cross_entropy(cosines / temperature, places.flip(1).flatten(), reduction="none")
    return Compared(nats.view(n_pairs, 2), cosines.view(n_pairs, 2, -1))


def watched(compared: Compared, rows: Rows, own: slice) -> dict[str, Measured]:
    """Return monitors of the pairs of a part.

    `accuracy`: how often the partner comes first. `alignment`: the mean squared distance of partners, `uniformity`: the
    mean of exp(−2 · squared distance) over all that are compared; lengths are 1 (Wang & Isola 2020, section 4.1).
    `chance`: the loss of a guess. `moments`: sums of embeddings and of their squares, which `spread` is made of.
    """
    cosines = compared.cosines[own].flatten(0, 1)
    n_own, n_all = cosines.shape
    partners = torch.arange(n_all, device=rows.device).view(*rows.shape[:2])[own, :2].flip(1).flatten()
    of_partner = cosines.gather(1, partners[:, None])[:, 0]
    count = rows.new_full((), float(n_own))
    return {
        "accuracy": Measured((cosines.argmax(1) == partners).to(rows.dtype).sum(), count),
        "alignment": Measured((2.0 - 2.0 * of_partner).sum(), count),
        "uniformity": Measured((UNIFORMITY * (2.0 * cosines - 2.0)).exp().sum(), count * (n_all - 1)),
        "chance": Measured(count * math.log(n_all - 1), count),
        "moments": moments(rows[own, :2].flatten(0, 1)),
    }


def moments(embeddings: Float[Tensor, "batch dim"]) -> Measured:
    """Return sums of embeddings of length 1, and of their squares."""
    unit = functional.normalize(embeddings, dim=-1)
    return Measured(torch.stack([unit.sum(0), unit.square().sum(0)]), unit.new_full((), float(len(unit))))


def spread(means: Float[Tensor, "2 dim"]) -> float:
    """Return how far embeddings of length 1 stand apart: their deviation times √dim; 1 everywhere, 0 in one place."""
    mean, square = means.double()
    return float((square - mean.square()).clamp_min(0.0).sqrt().mean() * len(mean) ** 0.5)


def read(means: Mapping[str, Tensor]) -> dict[str, float]:
    """Return the numbers to show: of moments their spread, and uniformity as the logarithm that it is."""
    said = {name: float(mean) for name, mean in means.items() if mean.ndim == 0}
    said["uniformity"] = math.log(said["uniformity"])
    return said | {name.replace("moments", "spread"): spread(mean) for name, mean in means.items() if mean.ndim}


def alarms(history: Sequence[Reading]) -> tuple[Alarm, ...]:
    """Return the signatures of a lost run in the readings of its steps: embeddings in one place, a loss that stays."""
    if not history:
        return ()
    last, found = history[-1], list[Alarm]()
    step = int(last["step"])
    if last["spread"] < COLLAPSED_SPREAD:
        text = f"embeddings stand in one place: their spread is {last['spread']:.3f}, and would be 1. Lower the rate."
        found.append(Alarm("collapse", step, f"collapse at step {step}: {text}"))
    recent = list(itertools.takewhile(lambda one: one["step"] > step - PLATEAU_STEPS, reversed(history)))
    gaps = [one["chance"] - one["loss"] for one in recent]
    if len(recent) == PLATEAU_STEPS and abs(sum(gaps) / len(gaps)) < PLATEAU_NATS:
        text = f"loss at {last['chance']:.3f}, that of a guess, for {PLATEAU_STEPS} steps. Normal only early in a long "
        found.append(Alarm("uniform_guesses", step, f"uniform_guesses at step {step}: {text}warm-up."))
    return tuple(found)
