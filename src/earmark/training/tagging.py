"""Pre-training with labels: segments with the tags of their tracks."""

from collections import Counter
from dataclasses import dataclass, replace

import numpy as np
import torch

from earmark.counted import counted
from earmark.errors import UserError
from earmark.representations.mule.tagged import Labelled
from earmark.training.corpus import Corpus
from earmark.training.labels import Labels
from earmark.training.segments import Grid, Random


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
