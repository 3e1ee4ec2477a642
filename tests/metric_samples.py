"""Targets and predictions to score, with ties, rare labels and labels that never occur."""

from typing import Any, NamedTuple

import numpy as np
from hypothesis import strategies as st
from jaxtyping import Float
from numpy.typing import NDArray

from earmark.metrics import KEYS, Scores, measure
from earmark.nouns import Kind

Array = NDArray[Any]
KINDS: tuple[Kind, ...] = ("multiclass", "multilabel", "regression", "pitch", "key")
SEEDS = st.integers(0, 2**32 - 1)


class Sample(NamedTuple):
    targets: Array
    predictions: Array
    classes: tuple[str, ...]


def draw(kind: Kind, seed: int, clips: int = 40) -> Sample:
    """Draw targets and predictions with ties, rare labels and labels that never occur."""
    rng = np.random.default_rng(seed)
    classes = {"key": KEYS, "pitch": tuple(map(str, range(57, 75)))}.get(kind, tuple("abcdefg"))
    if kind == "regression":
        return Sample(rng.normal(5, 2, (clips, 2)), rng.normal(5, 2, (clips, 2)), ("arousal", "valence"))
    frequency = rng.dirichlet(np.full(len(classes), 0.4))
    levels = rng.integers(2, 30)
    scores = rng.integers(0, levels, (clips, len(classes))) / levels
    if kind == "multilabel":
        return Sample((rng.random(scores.shape) < frequency).astype(int), scores, classes)
    targets = rng.choice(len(classes), clips, p=frequency)
    scores[np.arange(clips), targets] += rng.random(clips)
    return Sample(targets, scores, classes)


def values(scores: Scores) -> Float[Array, "rows all"]:
    """Every number of some scores: its averages, then its labels."""
    return np.stack([*scores.averages.values(), *scores.labels.values()], axis=1)


def one(name: str, kind: Kind, sample: Sample, average: str) -> float:
    return float(measure(name, kind, *sample).averages[average][0])
