"""A corpus in numbers."""

from collections import Counter, defaultdict
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from earmark.training import corpus as corpora
from earmark.training.corpus import Corpus

NO_LICENCE = "not known"


@dataclass(frozen=True)
class CorpusDescription:
    """What is in a corpus. Lengths are (least, median, greatest); `licences` maps each to its hours.

    `n_clipped_tracks` have samples beyond ±1 that were clipped, `n_clipped` of them in all. `n_twice` are tracks that
    are copies of another: of the same bytes. `left_out` maps a clip to the reason.
    """

    folder: str
    key: str
    sample_rate: int
    n_tracks: int
    n_groups: int
    hours: float
    bytes: int
    lengths_s: tuple[float, float, float]
    licences: Mapping[str, float]
    n_clipped: int
    n_clipped_tracks: int
    n_twice: int
    left_out: Mapping[str, str]
    notes: tuple[str, ...]


def describe(folder: str) -> CorpusDescription:
    """Return the numbers of the corpus in a folder. Raises DataError where there is none."""
    found = corpora.open(folder)
    lengths_s = np.array([track.n_samples for track in found.tracks]) / found.sample_rate
    contents = Counter((track.sha256, track.n_samples, track.crc32) for track in found.tracks)
    clipped = [track.n_clipped for track in found.tracks if track.n_clipped]
    return CorpusDescription(
        folder=str(folder),
        key=found.key,
        sample_rate=found.sample_rate,
        n_tracks=len(found.tracks),
        n_groups=len({track.group for track in found.tracks} - {None}),
        hours=found.duration_s / 3600,
        bytes=found.samples.nbytes,
        lengths_s=(float(lengths_s.min()), float(np.median(lengths_s)), float(lengths_s.max())),
        licences=_licences(found),
        n_clipped=sum(clipped),
        n_clipped_tracks=len(clipped),
        n_twice=sum(count - 1 for count in contents.values()),
        left_out={failure.clip: failure.reason for failure in found.failures},
        notes=found.notes,
    )


def _licences(corpus: Corpus) -> Mapping[str, float]:
    """Return the hours under each licence, most first."""
    hours: dict[str, float] = defaultdict(float)
    for track in corpus.tracks:
        hours[track.licence or NO_LICENCE] += track.n_samples / corpus.sample_rate / 3600
    return dict(sorted(hours.items(), key=lambda item: (-item[1], item[0])))
