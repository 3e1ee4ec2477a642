"""Which segments of a corpus a network is trained on: on a grid, at random, or two by two.

A sampler answers `at(epoch, index)` for index < len(sampler), always the same: its randomness is seeded by (seed,
epoch, index) alone, so that processes may share an epoch in any way, and a resumed one goes on with what would have
come. A segment never reaches over the end of its track. Tracks shorter than a segment are left out, and named.
"""

import logging
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Literal, NamedTuple

import numpy as np
from jaxtyping import Float32, Int64

from earmark import identity
from earmark.errors import DataError, UserError
from earmark.training.corpus import Corpus, Track, read_samples

By = Literal["track", "duration", "windows"]
Samples = Float32[np.ndarray, " samples"]
MOST_NAMED = 5

log = logging.getLogger("earmark.training")


class Pair(NamedTuple):
    """Two segments of one track, for objectives that pull them together."""

    first: Samples
    second: Samples


class Trio(NamedTuple):
    """Two segments of one track that are near each other, and one that is further from the first: a hard negative."""

    first: Samples
    second: Samples
    far: Samples


@dataclass(frozen=True)
class _Room:
    """Where segments of `n_samples` fit: tracks that are long enough, with their number of first samples."""

    corpus: Corpus
    n_samples: int
    tracks: tuple[Track, ...] = field(repr=False)
    starts: Int64[np.ndarray, " tracks"] = field(repr=False)
    n_places: Int64[np.ndarray, " tracks"] = field(repr=False)
    left_out: tuple[str, ...]

    def read(self, start: int) -> Samples:
        """Return the segment that starts at a sample of the corpus."""
        return read_samples(self.corpus, start, self.n_samples)


@dataclass(frozen=True)
class Grid:
    """Windows `win_s` long, a new one each `hop_s`, from the start of each track; in each a segment of `crop_s`.

    wav2vec 2.0 on music (seed 000) takes 20 s windows with a hop of 10 s, of which its recipe crops 15.625 s at
    random. Windows are numbered as they stand in the corpus; only the crops change with the epoch.
    """

    room: _Room
    hop_samples: int
    crop_samples: int
    seed: int
    firsts: Int64[np.ndarray, " tracks"] = field(repr=False)
    """The number of the first window of each track, and in the end how many there are."""

    @property
    def left_out(self) -> tuple[str, ...]:
        """Ids of the tracks that are too short."""
        return self.room.left_out

    @property
    def segment_s(self) -> float:
        """Seconds of a segment."""
        return self.crop_samples / self.room.corpus.sample_rate

    def __len__(self) -> int:
        return int(self.firsts[-1])

    def start(self, epoch: int, index: int) -> int:
        """Return the sample of the corpus where a segment starts."""
        _require_index(index, len(self))
        track = int(np.searchsorted(self.firsts, index, side="right")) - 1
        start = int(self.room.starts[track]) + (index - int(self.firsts[track])) * self.hop_samples
        slack = self.room.n_samples - self.crop_samples
        return start + int(_drawn(self.seed, epoch, index).integers(slack + 1)) if slack else start

    def at(self, epoch: int, index: int) -> Samples:
        """Return a segment. Raises IndexError beyond the last."""
        return read_samples(self.room.corpus, self.start(epoch, index), self.crop_samples)


@dataclass(frozen=True)
class Random:
    """`n` segments an epoch, each at a random place: every place of a track is equally likely.

    `by` "duration": every place of the corpus is equally likely, so a track comes as often as it has places; by
    "track": every track is equally likely; by "windows": the index says which track, and each comes as often as whole
    windows fit into it (EncodecMAE, in its code: floor(duration / 4 s) times an epoch).
    """

    room: _Room
    by: By
    n: int
    seed: int
    ends: Int64[np.ndarray, " tracks"] = field(repr=False)
    """How many places there are up to the end of each track; by "windows", how many windows."""

    @property
    def left_out(self) -> tuple[str, ...]:
        """Ids of the tracks that are too short."""
        return self.room.left_out

    @property
    def segment_s(self) -> float:
        """Seconds of a segment."""
        return self.room.n_samples / self.room.corpus.sample_rate

    def __len__(self) -> int:
        return self.n

    def start(self, epoch: int, index: int) -> int:
        """Return the sample of the corpus where a segment starts."""
        return self._drawn(_drawn(self.seed, epoch, index), index).start

    def at(self, epoch: int, index: int) -> Samples:
        """Return a segment. Raises IndexError beyond the last."""
        return self.room.read(self.start(epoch, index))

    def _drawn(self, rng: np.random.Generator, index: int) -> "_Place":
        _require_index(index, self.n)
        if self.by != "duration":
            is_any = self.by == "track"
            track = int(rng.integers(len(self.ends)) if is_any else np.searchsorted(self.ends, index, side="right"))
            return _Place(track, int(self.room.starts[track] + rng.integers(self.room.n_places[track])))
        place = int(rng.integers(self.ends[-1]))
        track = int(np.searchsorted(self.ends, place, side="right"))
        return _Place(track, int(self.room.starts[track] + self.room.n_places[track] - self.ends[track] + place))


class _Place(NamedTuple):
    track: int
    start: int


@dataclass(frozen=True)
class Pairs:
    """`n` pairs an epoch: a segment as `Random` draws it, and one of the same track near by.

    The second starts fewer than `max_gap_samples` from the first, before or after: every such place is equally
    likely, also the first one's own. None: anywhere in the track. MULE (seed 004, section 2.3): 3 s, under 5 s apart.
    `has_far`: with a third, anywhere in the track but at least `max_gap_samples` from the first; its trial there.
    """

    firsts: Random
    max_gap_samples: int | None
    has_far: bool = False

    @property
    def left_out(self) -> tuple[str, ...]:
        """Ids of the tracks that are too short."""
        return self.firsts.room.left_out

    @property
    def segment_s(self) -> float:
        """Seconds of all of them."""
        return (3 if self.has_far else 2) * self.firsts.segment_s

    def __len__(self) -> int:
        return self.firsts.n

    def starts(self, epoch: int, index: int) -> tuple[int, ...]:
        """Return the samples of the corpus where the segments start."""
        rng, room = _drawn(self.firsts.seed, epoch, index), self.firsts.room
        track, first = self.firsts._drawn(rng, index)
        lowest = int(room.starts[track])
        highest = lowest + int(room.n_places[track]) - 1
        if self.max_gap_samples is not None:
            lowest = max(lowest, first - self.max_gap_samples + 1)
            highest = min(highest, first + self.max_gap_samples - 1)
        near = first, int(rng.integers(lowest, highest + 1))
        return (*near, self._far(rng, track, first)) if self.has_far else near

    def at(self, epoch: int, index: int) -> Pair | Trio:
        """Return the segments. Raises IndexError beyond the last."""
        read = [self.firsts.room.read(start) for start in self.starts(epoch, index)]
        return Trio(*read) if self.has_far else Pair(*read)

    def _far(self, rng: np.random.Generator, track: int, first: int) -> int:
        start, gap = int(self.firsts.room.starts[track]), self.max_gap_samples or 0
        n_before = max(0, first - gap + 1 - start)
        n_after = max(0, start + int(self.firsts.room.n_places[track]) - first - gap)
        place = int(rng.integers(n_before + n_after))
        return start + place if place < n_before else first + gap + place - n_before


def grid(corpus: Corpus, win_s: float, hop_s: float, *, crop_s: float | None = None, seed: int = 0) -> Grid:
    """Return the windows of a corpus as a sampler. Windows a track: 1 + (samples − window) // hop.

    `crop_s`: of each window a random piece that long, another each epoch (None: all of it). Raises UserError for
    lengths that make no sense, DataError where no track is as long as a window.
    """
    room = _room(corpus, win_s)
    hop = _n_samples("hop_s", hop_s, corpus.sample_rate)
    crop = room.n_samples if crop_s is None else _n_samples("crop_s", crop_s, corpus.sample_rate)
    if crop > room.n_samples:
        raise UserError(f"Expected a crop_s within the window of {win_s:g} s, got {crop_s:g} s.")
    counts = 1 + (room.n_places - 1) // hop
    return Grid(room, hop, crop, seed, np.concatenate([[0], np.cumsum(counts)]))


def random(corpus: Corpus, win_s: float, by: By = "duration", n: int | None = None, *, seed: int = 0) -> Random:
    """Return `n` segments an epoch at random places.

    `n` None: as many as there are tracks (by "track"), or as many whole windows as fit into them, side by side (the
    others); by "windows" knows no other `n`. Raises UserError for what makes no sense, DataError where no track is as
    long as a window.
    """
    if by not in ("track", "duration", "windows"):
        raise UserError(f"Expected segments by 'track', 'duration' or 'windows', got '{by}'.")
    if by == "windows" and n is not None:
        raise UserError(f"Expected no n of segments by 'windows': the corpus says how many fit; got {n}.")
    if n is not None and n < 1:
        raise UserError(f"Expected n of at least 1 segment an epoch, got {n}.")
    room = _room(corpus, win_s)
    windows = (room.n_places - 1) // room.n_samples + 1
    usual = len(room.tracks) if by == "track" else int(windows.sum())
    return Random(room, by, usual if n is None else n, seed, np.cumsum(windows if by == "windows" else room.n_places))


def pair(
    corpus: Corpus,
    win_s: float,
    max_gap_s: float | None = 5.0,
    by: By = "track",
    n: int | None = None,
    *,
    far: bool = False,
    seed: int = 0,
) -> Pairs:
    """Return `n` pairs an epoch of segments whose middles are less than `max_gap_s` apart (None: of one track).

    `by` and `n` as `random` takes them. `far`: with a third further away, in tracks where there is one for any first.
    """
    if far and max_gap_s is None:
        raise UserError("Expected max_gap_s, which says what is far. Write, for example, max_gap_s: 5.")
    gap = None if max_gap_s is None else _n_samples("max_gap_s", max_gap_s, corpus.sample_rate)
    least_s = win_s + (2 * gap - 1) / corpus.sample_rate if far and gap else win_s
    heard = replace(corpus, tracks=_room(corpus, least_s).tracks) if far else corpus
    return Pairs(random(heard, win_s, by, n, seed=seed), gap, far)


def _room(corpus: Corpus, win_s: float) -> _Room:
    n_samples = _n_samples("win_s", win_s, corpus.sample_rate)
    tracks = tuple(track for track in corpus.tracks if track.n_samples >= n_samples)
    left_out = tuple(track.id for track in corpus.tracks if track.n_samples < n_samples)
    if not tracks:
        longest = max(corpus.tracks, key=lambda track: track.n_samples)
        longest_s = longest.n_samples / corpus.sample_rate
        raise DataError(
            f"Expected tracks of at least {win_s:g} s, but the longest of {len(corpus.tracks)} in '{corpus.folder}' "
            f"has {longest_s:.3f} s: {longest.id}. Take a shorter window, or build a corpus of longer tracks."
        )
    if left_out:
        log.warning("%s", too_short(left_out, win_s, len(corpus.tracks)))
    starts, lengths = (
        np.array(column, np.int64) for column in zip(*((t.start, t.n_samples) for t in tracks), strict=True)
    )
    return _Room(corpus, n_samples, tracks, starts, lengths - n_samples + 1, left_out)


def too_short(left_out: Sequence[str], win_s: float, n_tracks: int) -> str:
    """Say which tracks are left out, the first by name."""
    more = f" and {len(left_out) - MOST_NAMED} more" if len(left_out) > MOST_NAMED else ""
    named = ", ".join(left_out[:MOST_NAMED])
    return f"left out, shorter than {win_s:g} s: {len(left_out)} of {n_tracks} tracks: {named}{more}"


def _n_samples(name: str, seconds: float, sample_rate: int) -> int:
    """Return a length in samples, rounded. Raises UserError for one that is no length."""
    n_samples = round(seconds * sample_rate) if np.isfinite(seconds) else 0
    if n_samples < 1:
        raise UserError(f"Expected {name} of at least one sample at {sample_rate} Hz, got {seconds:g} s.")
    return n_samples


def _require_index(index: int, length: int) -> None:
    if not 0 <= index < length:
        raise IndexError(f"Expected the index of a segment from 0 to {length - 1}, got {index}.")


def _drawn(seed: int, epoch: int, index: int) -> np.random.Generator:
    return identity.generator("segment", seed, epoch, index)
