"""The objective of MULE: two pieces of one track among those of others (SimCLR).

All embeddings of a step are compared, over portions and devices. They are gathered first, without gradient; then each
part computes the loss of the whole step with its own embeddings live and all others constant, so that gradients add up
to those of one joint batch, in the memory of one part. Source: McCallum et al. 2022 (seed 004, section 2.1); Gao et al.
2021, Scaling Deep Contrastive Learning Batch Size under Memory Limited Setup, section 3.
"""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor, nn

from earmark import identity
from earmark.errors import UserError
from earmark.representations.mule import contrast
from earmark.representations.mule.contrast import Rows
from earmark.representations.mule.frontend import LogMel, standardised
from earmark.representations.mule.mixup import Mixed, mixup
from earmark.representations.mule.network import SfNfNet
from earmark.representations.mule.projector import Projector
from earmark.representations.mule.settings import Contrast, Mixing
from earmark.representations.objective import Alarm, Gathered, Measured, Objective, Step

Views = Sequence[Float[Tensor, "batch samples"]]
"""Segments at 16 kHz: two that belong together, and after them any that they are compared with besides."""


class SimClr(Objective):
    """The network, the projector on it, and their loss."""

    def __init__(self, settings: Contrast, seed: int = 0) -> None:
        super().__init__()
        self.settings = settings
        self.front, self.network = LogMel(), SfNfNet(settings.network)
        self.projector = Projector(settings.network.dim, settings.n_out, settings.head)
        generator = torch.Generator().manual_seed(identity.seed_for("weights", "mule", seed) % 2**63)
        self.network.draw(generator)
        self.projector.draw(generator)
        self.network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]  # known to torch, not to mypy

    def parts(self) -> Mapping[str, nn.Module]:
        """Return network and projector."""
        return {"network": self.network, "projector": self.projector}

    def forward(self, segments: Views, generator: torch.Generator, whole: Gathered | None = None) -> Step:
        """Return loss and monitors of the pairs of a part.

        The total is the loss of the part's own embeddings, its gradient that of all of the step with respect to them.
        Raises UserError for a step of one pair, which nothing could be told apart from.
        """
        embeddings, own = self._embed(segments, generator)
        n_own = len(own)
        if whole is None:
            whole = Gathered(own)
        elif whole.rows[whole.first : whole.first + n_own].shape != own.shape:
            raise UserError(f"Expected rows of {tuple(own.shape)} at {whole.first}, got {tuple(whole.rows.shape)}.")
        here = slice(whole.first, whole.first + n_own)
        rows = torch.cat([whole.rows[: here.start], own, whole.rows[here.stop :]])
        if len(rows) < 2:
            raise UserError("Expected at least two pairs in a step, got one: it has nothing to be told apart from.")
        compared = contrast.compare(rows, self.settings.temperature)
        mine, all_ = compared.nats[here].sum(), compared.nats.sum()
        with torch.no_grad():
            watched = contrast.watched(compared, rows, here)
            watched["moments_embedding"] = contrast.moments(embeddings)
        return Step(Measured(mine.detach() + (all_ - all_.detach()), rows.new_full((), 2.0 * n_own)), watched)

    def survey(self, segments: Views, generator: torch.Generator) -> Gathered:
        """Return what is compared: of each pair a row (views, dim)."""
        return Gathered(self._embed(segments, generator)[1].detach())

    def read(self, means: Mapping[str, Tensor]) -> dict[str, float]:
        """Return the numbers to show. See `contrast.read`; `spread_embedding` is of what the network says."""
        return contrast.read(means)

    def words(self, reading: Mapping[str, float]) -> str:
        """Return how often the partner comes first, and how far embeddings stand apart."""
        return f"accuracy {reading['accuracy']:.2f}, spread {reading['spread']:.2f}"

    def alarms(
        self, history: Sequence[Mapping[str, float]], validations: Sequence[Mapping[str, float]] = ()
    ) -> tuple[Alarm, ...]:
        """Return the signatures of lost runs in a history. See `contrast.alarms`."""
        return contrast.alarms(history)

    def _embed(self, segments: Views, generator: torch.Generator) -> tuple[Float[Tensor, "views*pairs dim"], Rows]:
        """Return what the network says of all views, one view after the other; and, projected, by pair."""
        mixing = self.settings.mixing if self.training else NO_MIXING
        slices = torch.cat([slices_of(self.front(view), mixing, generator) for view in segments])
        embeddings = self.network(slices, generator)
        projected = self.projector(embeddings)
        with torch.autocast(projected.device.type, enabled=False):
            full = projected if projected.dtype == torch.float64 else projected.float()
            return embeddings, full.unflatten(0, (len(segments), -1)).transpose(0, 1)


NO_MIXING = Mixing(way="none")


def slices_of(
    bands: Float[Tensor, "batch bands frames+1"], mixing: Mixing, generator: torch.Generator
) -> Float[Tensor, "batch 1 bands frames"]:
    """Return what the network hears of spectrograms. See `hear`."""
    return hear(bands, mixing, generator).slices


class Slices(NamedTuple):
    """What the network hears, and how it was mixed; None: it was not."""

    slices: Float[Tensor, "batch 1 bands frames"]
    mixed: Mixed | None


def hear(bands: Float[Tensor, "batch bands frames+1"], mixing: Mixing, generator: torch.Generator) -> Slices:
    """Return what the network hears of spectrograms: mixed, without the last frame, and standardised.

    Each is mixed with another of the same part of a batch, as the authors shuffled it within what a device had. Raises
    UserError for a part of one, which has no other.
    """
    frames = bands[:, :, :-1]  # of a second 100, not 101
    if mixing.way == "none":
        return Slices(standardised(frames), None)
    if len(frames) < 2:
        raise UserError("Expected at least two segments in a portion to mix, got one. Take larger portions.")
    if mixing.when == "after":
        frames = standardised(frames)[:, 0]
    mixed = mixup(frames, generator, mixing.alpha, mixing.beta, mixing.way)
    return Slices(standardised(mixed.batch), mixed)
