"""Recordings to look into a representation with: files or the clips of a dataset, and a piece from the middle of each.

Source of the protocol: Ragano et al. 2023, section III: four seconds from the middle of each recording.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from jaxtyping import Float32, Int

from earmark import audio
from earmark.catalogue.embedding import Paths, files_of
from earmark.datasets import names
from earmark.errors import AudioError, DataError, UserError
from earmark.identity import generator
from earmark.nouns import Clip, Failure
from earmark.representations.base import Representation
from earmark.representations.embed import frame_embeddings

Array = np.ndarray
MIDDLE_S = 4.0
PARTS = 8
"""Each takes the memory of all covariances once: of wav2vec 2.0 BASE 0.12 GB."""


@dataclass(frozen=True)
class Recordings:
    """Clips and what they are said to be: the dataset's name, or "files"."""

    name: str
    clips: tuple[Clip, ...]

    def failure(self, clip: Clip, error: UserError) -> Failure:
        """Return a clip as one that could not be used."""
        reason = error.reason if isinstance(error, AudioError) else str(error)
        return Failure(self.name, clip.id, clip.path.as_posix(), reason)


def of_files(paths: Paths) -> Recordings:
    """Return audio files; a folder stands for those in it and below it."""
    return Recordings("files", tuple(Clip(path.as_posix(), path) for path in files_of(paths)))


def of_dataset(name: str, folder: Path | None = None, label: str | None = None) -> Recordings:
    """Return the clips of a dataset, those that carry the label where one is given. Raises DataError for none."""
    dataset = names.load(name, folder)
    if label is not None:
        dataset.require_label(label)
    clips = tuple(clip for clip in dataset.clips if label is None or label in clip.targets)
    if not clips:
        raise DataError(f"Dataset '{dataset.name}' has no clips. Look with: earmark check dataset {name}")
    return Recordings(dataset.name, clips)


def drawn(recordings: Recordings, n: int | None) -> Recordings:
    """Return `n` of them, always the same ones, and part of any larger number; None: all."""
    if n is None:
        return recordings
    if not 1 <= n <= len(recordings.clips):
        raise UserError(f"Expected 1 to {len(recordings.clips)} recordings of {recordings.name}, got {n}.")
    order = generator("analyse", recordings.name, "draw").permutation(len(recordings.clips))
    by_id = sorted(recordings.clips, key=lambda clip: clip.id)
    return replace(recordings, clips=tuple(by_id[place] for place in sorted(order[:n])))


def parts(clips: Sequence[Clip], lengths: Sequence[float], most: int = PARTS) -> Int[Array, " clips"]:
    """Return in which part each recording is, to leave out one at a time: at most so many, always the same ones.

    What shares a group is in one part. Groups go, the longest first, to the part that is the shortest by then, so that
    parts differ by the length of one group at most. `lengths`: of each recording, in seconds or frames.
    """
    names = [clip.group or clip.id for clip in clips]
    groups = sorted(set(names))
    of_group = dict.fromkeys(groups, 0.0)
    for name, length in sorted(zip(names, lengths, strict=True)):  # sums must not hang on the order of the clips
        of_group[name] += length
    drawn = generator("analyse", "parts").permutation(len(groups))
    part_of, filled = dict[str, int](), [0.0] * min(most, len(groups))
    for place in sorted(drawn.tolist(), key=lambda one: -of_group[groups[one]]):  # of equal lengths as they were drawn
        part_of[groups[place]] = filled.index(min(filled))
        filled[part_of[groups[place]]] += of_group[groups[place]]
    return np.array([part_of[name] for name in names], int)


def heard_s(clip: Clip, seconds: float | None) -> float:
    """Return how long the piece of `middle` is; 0 of a file that cannot be read."""
    try:
        end_s = audio.info(clip.path).duration_s if clip.end_s is None else clip.end_s
    except AudioError:
        return 0.0
    whole_s = end_s - (clip.start_s or 0.0)
    return whole_s if seconds is None else min(whole_s, seconds)


def middle(clip: Clip, sample_rate: int, seconds: float | None) -> Float32[Array, " samples"]:
    """Return the samples of so many seconds from the middle of a clip; all of a shorter one, or where None is asked."""
    start_s = clip.start_s or 0.0
    end_s = audio.info(clip.path).duration_s if clip.end_s is None else clip.end_s
    spare_s = 0.0 if seconds is None else end_s - start_s - seconds
    if spare_s <= 0:
        return audio.read(clip.path, sample_rate, clip.start_s, clip.end_s).samples
    return audio.read(clip.path, sample_rate, start_s + spare_s / 2, end_s - spare_s / 2).samples


def frames(
    network: Representation, samples: Float32[Array, " samples"], layers: Sequence[int] | None = None
) -> Float32[Array, "layers frames dim"]:
    """Return all frames of samples, in segments as the card has them."""
    found = np.concatenate(list(frame_embeddings(network, samples, layers)), axis=1)
    if not np.isfinite(found).all():
        raise UserError(f"'{network.card.name}' gave numbers that are not finite")
    return found


def nearest(n: int, among: int) -> Iterator[int]:
    """Yield, for each of `n` frames over some audio, which of `among` frames over the same audio is nearest to it."""
    return (min(int((place + 0.5) * among / n), among - 1) for place in range(n))
