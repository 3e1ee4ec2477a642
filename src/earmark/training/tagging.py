"""Pre-training with labels: segments with the tags of their tracks, and what learns by them, which is MULE."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import cast

import numpy as np
import torch

from earmark.counted import counted
from earmark.errors import UserError
from earmark.representations._saved import Saved
from earmark.representations.checkpoint import Contents
from earmark.representations.mule import frontend, saved
from earmark.representations.mule.settings import TAGGINGS, Tagging
from earmark.representations.mule.tagged import Labelled, Tagged
from earmark.representations.objective import Objective
from earmark.training.corpus import Corpus
from earmark.training.labels import Labels
from earmark.training.overrides import overridden
from earmark.training.segments import Grid, Random
from earmark.training.systems import begun_from


@dataclass(frozen=True)
class LabelledSegments:
    """What a sampler of segments hears, each with the tags of its track."""

    sampler: Grid | Random
    labels: Labels

    @property
    def segment_s(self) -> float:
        """Seconds of a segment."""
        return self.sampler.segment_s

    def __len__(self) -> int:
        return len(self.sampler)

    def at(self, epoch: int, index: int) -> Labelled:
        """Return audio (samples,) and whether each tag is on it (tags,). Raises IndexError past the last."""
        start, room = self.sampler.start(epoch, index), self.sampler.room
        track = room.tracks[int(np.searchsorted(room.starts, start, side="right")) - 1]
        own = self.labels.by_id[track.id]
        tags = torch.tensor([tag in own for tag in self.labels.tags])
        return Labelled(torch.from_numpy(self.sampler.at(epoch, index)), tags)


def segments(sampler: Grid | Random, labels: Labels) -> LabelledSegments:
    """Return what a sampler hears with its tags. Raises UserError for tracks without, and for tags without a track."""
    heard = sampler.room.tracks
    if unlabelled := [track.id for track in heard if track.id not in labels.by_id]:
        raise UserError(f"Expected labels of '{unlabelled[0]}', got none. Take the labelled tracks alone.")
    counts = Counter(tag for track in heard for tag in labels.by_id[track.id])
    if missing := [tag for tag in labels.tags if not counts[tag]]:
        raise UserError(
            f"Expected every tag on a track, but of {len(heard):,} tracks that are heard none has '{missing[0]}'"
            f" ({counted(len(missing), 'tag')} without). Hold out less, or leave rare tags out: earmark corpus labels "
            "CORPUS LABELS -o FILE --least 10"
        )
    return LabelledSegments(sampler, labels)


def labelled(corpus: Corpus, labels: Labels) -> Corpus:
    """Return the tracks of a corpus, or of a part of it, that have labels."""
    return replace(corpus, tracks=tuple(track for track in corpus.tracks if track.id in labels.by_id))


@dataclass(frozen=True)
class TaggedSystem:
    """MULE with labels: a preset of its settings by name, what is to be otherwise, and the tags.

    `segment_s` is how long its segments are; `weights` the folder of a checkpoint to start from; None: random weights.
    """

    name: str
    overrides: Mapping[str, object] = field(default_factory=dict)
    segment_s: float = 3.0
    weights: Path | None = None
    tags: tuple[str, ...] = ()

    @property
    def sample_rate(self) -> int:
        """Of the audio, in Hz."""
        return frontend.SAMPLE_RATE

    @property
    def settings(self) -> Tagging:
        """Its settings. Raises UserError for an override of what there is not, or of another kind."""
        return overridden(TAGGINGS[self.name], self.overrides)

    @property
    def least_samples(self) -> int:
        """The shortest segment that it can learn from."""
        return frontend.LEAST_SAMPLES

    @property
    def about(self) -> Mapping[str, object]:
        """What else decides what is learnt: the weights it starts from. Raises UserError where there are none."""
        return begun_from(self.weights)

    def build(self, seed: int) -> Objective:
        """Return the objective before its first step. Raises UserError for weights of another shape."""
        objective = Tagged(self.settings, len(self.tags), seed)
        if self.weights is not None:
            saved.begin(objective, Saved(self.name, self.weights), self.tags)
        return objective

    def contents(self, objective: Objective) -> Contents:
        """Return all that the objective holds, and what its outputs are called."""
        settings = cast(Tagged, objective).settings
        trained_by = {name: one for name, one in asdict(settings).items() if name != "network"}
        return saved.contents(objective, settings.network, {**trained_by, "tags": self.tags}, self.segment_s)


def find(name: str, overrides: Mapping[str, object]) -> TaggedSystem:
    """Return a system by the name of its representation. Raises UserError for what learns no labels."""
    if name not in TAGGINGS:
        raise UserError(f"Expected one of {', '.join(TAGGINGS)} to learn by labels, got '{name}'. Take 'labels' out.")
    system = TaggedSystem(name, overrides)
    _ = system.settings  # raises where they make no sense
    return system
