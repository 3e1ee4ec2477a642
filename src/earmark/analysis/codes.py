"""Which codes occur with which labels: one matrix of counts, and what follows from it.

A code is what a quantiser chose in one frame: the entry of one group (codebook), or the entries of several together.
Counts are whole, so that they can be added up and no normalisation is lost: P(label | code) and P(code | label) are
made of them. Source of the measures: Hsu et al. 2021, "HuBERT", section III-D, with our labels in place of phones.
"""

import math
from collections.abc import Sequence
from dataclasses import astuple, dataclass
from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float, Int, Int64

from earmark.errors import UserError

Array = np.ndarray


class Heard(NamedTuple):
    """The codes of one recording, each once, and in how many of its frames each was chosen."""

    codes: Int64[Array, "codes groups"]
    frames: Int64[Array, " codes"]


class Vocabulary(NamedTuple):
    """The codes that some recordings use, ascending; of each code of each recording its place, whose, and how often."""

    codes: Int64[Array, "codes groups"]
    places: Int64[Array, " entries"]
    recordings: Int64[Array, " entries"]
    frames: Int64[Array, " entries"]


@dataclass(frozen=True)
class Counts:
    """In how many frames each used code and each label occurred together."""

    codes: Int64[Array, "codes groups"]
    labels: tuple[str, ...]
    frames: Int64[Array, "codes labels"]

    @property
    def label_given_code(self) -> Float[Array, "codes labels"]:
        """P(label | code): each code's line adds up to 1."""
        return np.asarray(self.frames / self.frames.sum(axis=1, keepdims=True))

    @property
    def code_given_label(self) -> Float[Array, "codes labels"]:
        """P(code | label): each label's column adds up to 1, or is 0 where the label never occurred."""
        return np.asarray(self.frames / np.maximum(self.frames.sum(axis=0), 1))


@dataclass(frozen=True)
class Summary:
    """What a matrix of counts says of codes and labels; `information_bits` is mutual.

    `perplexity`: 2^(entropy of the codes), as many codes as would be equally likely. `label_purity`: how often the
    label is the likeliest of its frame's code; `code_purity`: how often the code is the likeliest of its frame's label.
    `pnmi`: the share of the labels' entropy that the code tells, NaN of a single label. Neither it nor
    `information_bits` falls below 0, so with few frames for many codes chance alone gives much: see `by_chance`.
    """

    n_frames: int
    n_used: int
    perplexity: float
    label_purity: float
    code_purity: float
    information_bits: float
    pnmi: float


def heard(codes: Int[Array, "groups frames"]) -> Heard:
    """Return how often each code of a recording was chosen."""
    found, frames = np.unique(np.asarray(codes, np.int64), axis=1, return_counts=True)
    return Heard(found.T, frames.astype(np.int64))


def vocabulary(recordings: Sequence[Heard]) -> Vocabulary:
    """Return the codes that recordings use. Raises UserError where there is not one frame."""
    if not any(len(one.codes) for one in recordings):
        raise UserError("Expected codes of at least one frame, got none.")
    every = np.concatenate([one.codes for one in recordings])
    used, places = np.unique(every, axis=0, return_inverse=True)
    whose = np.repeat(np.arange(len(recordings)), [len(one.codes) for one in recordings])
    return Vocabulary(used, places.reshape(-1), whose, np.concatenate([one.frames for one in recordings]))


def counted(used: Vocabulary, label_of: Int[Array, " recordings"], labels: Sequence[str]) -> Counts:
    """Return codes × labels; `label_of` gives each recording's place in `labels`; it is of all its frames."""
    cells = used.places * len(labels) + label_of[used.recordings]
    shape = len(used.codes), len(labels)
    frames = np.zeros(shape[0] * shape[1], np.int64)
    np.add.at(frames, cells, used.frames)
    return Counts(used.codes, tuple(labels), frames.reshape(shape))


def summary(counts: Counts) -> Summary:
    """Return what the counts say."""
    frames = counts.frames
    n = int(frames.sum())
    of_codes, of_labels = _entropy(frames.sum(axis=1)), _entropy(frames.sum(axis=0))
    information = max(of_codes + of_labels - _entropy(frames.ravel()), 0.0)
    return Summary(
        n_frames=n,
        n_used=len(counts.codes),
        perplexity=float(2.0**of_codes),
        label_purity=float(frames.max(axis=1).sum() / n),
        code_purity=float(frames.max(axis=0).sum() / n),
        information_bits=information,
        pnmi=information / of_labels if of_labels > 0 else float("nan"),
    )


def without(used: Vocabulary, left_out: Bool[Array, " recordings"]) -> Vocabulary:
    """Return what recordings use when some of them are left out; codes that these alone use stay, never chosen."""
    kept = ~left_out[used.recordings]
    return Vocabulary(used.codes, used.places[kept], used.recordings[kept], used.frames[kept])


def by_chance(
    used: Vocabulary, label_of: Int[Array, " recordings"], labels: Sequence[str], rng: np.random.Generator, n: int = 10
) -> Summary:
    """Return the mean of `n` summaries, each with the labels shuffled over recordings, which keep their codes."""
    found = [summary(counted(used, rng.permutation(label_of), labels)) for _ in range(n)]
    n_frames, n_used, *means = (math.fsum(values) / n for values in zip(*map(astuple, found), strict=True))
    return Summary(round(n_frames), round(n_used), *means)


def arranged(counts: Counts) -> Counts:
    """Return the counts for a picture: labels by frequency, codes by their likeliest label, then by how likely it is.

    Labels that never occurred are left out. Source: Baevski et al. 2020, "wav2vec 2.0", appendix D, figure 3.
    """
    often = counts.frames.sum(axis=0)
    columns = np.argsort(-often, kind="stable")
    columns = columns[often[columns] > 0]
    ordered = Counts(counts.codes, tuple(counts.labels[place] for place in columns), counts.frames[:, columns])
    shares = ordered.label_given_code
    lines = np.lexsort((-shares.max(axis=1), shares.argmax(axis=1)))
    return Counts(ordered.codes[lines], ordered.labels, ordered.frames[lines])


def _entropy(frames: Int64[Array, " any"]) -> float:
    """Return the entropy in bits of what occurred so often."""
    shares = frames[frames > 0] / frames.sum()
    return float(-(shares * np.log2(shares)).sum())
