"""MULE with labels: to say which tags the track of a segment has. Binary cross-entropy, of mixed tags while training.

Source: McCallum et al. 2022 (seed 004, section 2.1): the mean over segments and tags; the same projector as without
labels stands between embedding and tags. *Differs:* "additive" mixing clips tags that both have at 1, of which the
paper says nothing; the last layer has a bias, so that rare tags may be rare; how tags are weighted it does not say, and
here they count alike.
"""

from collections.abc import Mapping, Sequence
from itertools import takewhile
from statistics import fmean
from typing import NamedTuple

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn
from torch.nn import functional

from earmark import identity
from earmark.errors import UserError
from earmark.representations.mule import contrast
from earmark.representations.mule.frontend import LogMel
from earmark.representations.mule.network import SfNfNet
from earmark.representations.mule.objective import NO_MIXING, hear
from earmark.representations.mule.projector import Projector
from earmark.representations.mule.settings import Tagging
from earmark.representations.objective import Alarm, Measured, Objective, Step

MOST_LOGIT, BINS = 8.0, 129
"""Scores are counted in steps of 1/8, those beyond ±8 in the last: all that a ranking is read of, however many."""
PLATEAU_STEPS, PLATEAU_SHARE = 200, 0.99


class Labelled(NamedTuple):
    """Segments at 16 kHz, and which tags each has."""

    audio: Float[Tensor, "batch samples"]
    tags: Bool[Tensor, "batch tags"]


class _Heard(NamedTuple):
    slices: Float[Tensor, "batch 1 bands frames"]
    tags: Float[Tensor, "batch tags"]


class Tagged(Objective):
    """The network, the projector from it to `n_tags` logits, and their loss.

    Its network begins as that of SimCLR of the same seed does. Raises UserError for less than one tag.
    """

    def __init__(self, settings: Tagging, n_tags: int, seed: int = 0) -> None:
        super().__init__()
        if n_tags < 1:
            raise UserError(f"Expected at least one tag to learn, got {n_tags}.")
        self.settings, self.n_tags = settings, n_tags
        self.front, self.network = LogMel(), SfNfNet(settings.network)
        self.projector = Projector(settings.network.dim, n_tags, settings.head, bias=True)
        generator = torch.Generator().manual_seed(identity.seed_for("weights", "mule", seed) % 2**63)
        self.network.draw(generator)
        self.projector.draw(generator)
        self.network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]  # known to torch, not to mypy

    def parts(self) -> Mapping[str, nn.Module]:
        """Return network and projector."""
        return {"network": self.network, "projector": self.projector}

    def forward(self, segments: Labelled, generator: torch.Generator, whole: None = None) -> Step:
        """Return loss and monitors of labelled segments. Raises UserError for another number of tags.

        Mixing, which is within a part, is all that a split can change.
        """
        if segments.tags.shape[1] != self.n_tags:
            raise UserError(
                f"Expected {self.n_tags} tags of each segment, got {segments.tags.shape[1]}: labels of another set. "
                "Begin a new run with them."
            )
        slices, tags = self._hear(segments, generator)
        embeddings = self.network(slices, generator)
        logits = self.projector(embeddings)
        with torch.autocast(logits.device.type, enabled=False):
            full = logits if logits.dtype == torch.float64 else logits.float()
            nats = functional.binary_cross_entropy_with_logits(full, tags.to(full), reduction="sum") / self.n_tags
        with torch.no_grad():
            n_rows = full.new_full((), float(len(full)))
            watched = {
                "scores": Measured(histogram(full, tags.to(full)), n_rows),
                "moments_embedding": contrast.moments(embeddings),
            }
        return Step(Measured(nats, n_rows), watched)

    def read(self, means: Mapping[str, Tensor]) -> dict[str, float]:
        """Return how well segments are ranked by each tag, mean over tags, and what the tags alone would tell.

        `positives`: the share of positives. `average_precision` and `roc_auc` leave out tags that no segment, or each,
        has; of mixed segments each counts as positive by its share. `base_rates`: the loss of whoever knows how
        frequent each tag is, and nothing else.
        """
        scores = means["scores"].double()
        return {**_ranked(scores), **_base(scores), "spread_embedding": contrast.spread(means["moments_embedding"])}

    def words(self, reading: Mapping[str, float]) -> str:
        """Return how well segments are ranked."""
        return f"average precision {reading['average_precision']:.2f}, ROC AUC {reading['roc_auc']:.2f}"

    def alarms(
        self, history: Sequence[Mapping[str, float]], validations: Sequence[Mapping[str, float]] = ()
    ) -> tuple[Alarm, ...]:
        """Return the signature of a network that says of every segment how frequent tags are."""
        if not history:
            return ()
        step = int(history[-1]["step"])
        recent = list(takewhile(lambda one: one["step"] > step - PLATEAU_STEPS, reversed(history)))
        n_above = sum(one["loss"] >= PLATEAU_SHARE * one["base_rates"] for one in recent)
        if len(recent) < PLATEAU_STEPS or 2 * n_above < PLATEAU_STEPS:  # not the mean: a run begins at ln 2, far above
            return ()
        loss, base = (fmean(one[name] for one in recent) for name in ("loss", "base_rates"))
        text = (
            f"base_rates at step {step}: loss at {loss:.4f} for {PLATEAU_STEPS} steps, where "
            f"{base:.4f} needs no hearing. Normal only early in a long warm-up. Look whether the labels "
            "are those of the tracks, or take another learning rate."
        )
        return (Alarm("base_rates", step, text),)

    def _hear(self, segments: Labelled, generator: torch.Generator) -> _Heard:
        """Return what the network hears, mixed while training, and its tags, mixed alike."""
        mixing = self.settings.mixing
        slices, mixed = hear(self.front(segments.audio), mixing if self.training else NO_MIXING, generator)
        tags = segments.tags.to(slices)
        if mixed is None:
            return _Heard(slices, tags)
        gains, others = mixed.gains[:, None], tags[mixed.partners]
        both = torch.lerp(others, tags, gains) if mixing.way == "convex" else (tags + gains * others).clamp_max(1.0)
        return _Heard(slices, both)


def histogram(
    logits: Float[Tensor, "batch tags"], tags: Float[Tensor, "batch tags"]
) -> Float[Tensor, "tags sides bins"]:
    """Return by tag how many negatives and positives have which score; what is a tag in part is counted in part."""
    known = logits.nan_to_num(0.0).clamp(-MOST_LOGIT, MOST_LOGIT)  # of a run that is lost its loss says so
    places = ((known / MOST_LOGIT + 1.0) * ((BINS - 1) / 2)).round().long().T
    counts = logits.new_zeros(2, logits.shape[1], BINS)
    for side, share in zip(counts, (1.0 - tags, tags), strict=True):
        side.scatter_add_(1, places, share.T.contiguous())
    return counts.transpose(0, 1).contiguous()


def _ranked(counts: Float[Tensor, "tags sides bins"]) -> dict[str, float]:
    """Return the mean over tags of average precision and of the area under the ROC curve; equal scores are one."""
    totals = counts.sum(2)
    known = (totals > 0).all(1)
    negatives, positives = counts[known].flip(2).unbind(1)  # the highest score first
    if not len(positives):
        return {"average_precision": float(totals[:, 1].sum() / totals.sum()), "roc_auc": 0.5}
    n_negatives, n_positives = totals[known].unbind(1)
    false, true = negatives.cumsum(1), positives.cumsum(1)
    precision = true / (true + false).clamp_min(torch.finfo(true.dtype).tiny)
    below = n_negatives[:, None] - false + negatives / 2
    return {
        "average_precision": float(((positives * precision).sum(1) / n_positives).mean()),
        "roc_auc": float(((positives * below).sum(1) / (n_positives * n_negatives)).mean()),
    }


def _base(counts: Float[Tensor, "tags sides bins"]) -> dict[str, float]:
    """Return the share of positives, and the entropy of a tag in nats, mean over tags."""
    shares = counts.sum(2) / counts.sum((1, 2), keepdim=True)[:, :, 0]
    entropies = torch.special.entr(shares).sum(1)
    return {"positives": float(shares[:, 1].mean()), "base_rates": float(entropies.mean())}
