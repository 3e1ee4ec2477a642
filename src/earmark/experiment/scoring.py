"""From predictions to numbers: every metric, per seed and as the mean of the seeds, each with its interval.

The resamples depend on the task and its test clips alone, so that all systems share them and their
differences are paired.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import polars as pl

from earmark import identity
from earmark.analysis import stats
from earmark.experiment.plan import Part, Scoring
from earmark.experiment.subjects import class_names
from earmark.metrics import measure
from earmark.nouns import Kind

PROPORTIONS = {("accuracy", "micro"), ("pitch_class_accuracy", "micro")}


@dataclass(frozen=True)
class Number:
    """One measured number before it knows the names of its experiment. `seed` None: the mean over the seeds."""

    metric: str
    average: str | None
    label: str | None
    seed: int | None
    value: float | None
    ci_low: float | None
    ci_high: float | None
    ci_method: str
    n: int
    n_groups: int | None
    n_labels: int


def groups_of(part: Part) -> tuple[str, ...] | None:
    """Return the group of each clip (a clip without one is its own), or None when no clip has a group."""
    if not any(one.clip.group for one in part.clips):
        return None
    return tuple(one.clip.group or one.clip.id for one in part.clips)


def numbers(job: Scoring, part: Part, predictions: np.ndarray) -> Iterator[Number]:
    """Yield the numbers of (seeds, clips, outputs) predictions under one condition."""
    subject = job.pairing.subject
    targets, groups = subject.targets(part.clips), groups_of(part)
    rng = identity.generator("bootstrap", subject.task.name, [one.clip.id for one in part.clips])
    resampled = stats.resample_weights(len(part.clips), groups, job.resamples, rng)
    weights = np.vstack([np.ones((1, len(part.clips))), resampled])
    n_groups = len(set(groups)) if groups else None
    units = stats.resampled_units(len(part.clips), groups)
    for metric in job.metrics:
        found = [measure(metric, subject.task.kind, targets, one, subject.classes, weights) for one in predictions]
        frame = Frame(
            metric, units, len(part.clips), n_groups, len(subject.classes) - len(found[0].left_out), job.ci_level
        )
        for average in found[0].averages:
            resampled_seeds = np.stack([scores.averages[average] for scores in found])
            for seed, one in zip(job.seeds, resampled_seeds, strict=False):
                yield frame.number(one, average, None, seed)
            yield frame.number(resampled_seeds.mean(axis=0), average, None, None)
        for label in found[0].labels:
            yield frame.number(np.stack([scores.labels[label] for scores in found]).mean(axis=0), None, label, None)


@dataclass(frozen=True)
class Frame:
    """What the numbers of one metric under one condition share."""

    metric: str
    units: str
    n: int
    n_groups: int | None
    n_labels: int
    ci_level: float

    def number(self, scores: np.ndarray, average: str | None, label: str | None, seed: int | None) -> Number:
        """Return the number of one average or label: `scores` holds the value, then its resamples."""
        value = float(scores[0])
        if np.isnan(value):
            return Number(self.metric, average, label, seed, None, None, None, "undefined", *self._counts())
        trials = (self.n_groups or self.n) if (self.metric, average) in PROPORTIONS else None
        low, high, _, method = stats.score_interval(scores[1:], value, trials, self.ci_level, self.units)
        if np.isnan(low) or np.isnan(high):
            return Number(self.metric, average, label, seed, value, None, None, method, *self._counts())
        return Number(self.metric, average, label, seed, value, float(low), float(high), method, *self._counts())

    def _counts(self) -> tuple[int, int | None, int]:
        return self.n, self.n_groups, self.n_labels


def prediction_table(job: Scoring, part: Part, predictions: np.ndarray) -> pl.DataFrame:
    """Return every prediction: a row a clip and seed, with target, prediction and the score of each class."""
    subject = job.pairing.subject
    names = [_plain(class_names(one.clip, subject.task), subject.task.kind) for one in part.clips]
    seeds: Sequence[int | None] = job.seeds or (None,)
    tables = [
        pl.DataFrame(
            {
                "dataset": [one.dataset for one in part.clips],
                "clip": [one.clip.id for one in part.clips],
                "seed": pl.Series([seed] * len(part.clips), dtype=pl.Int64),
                "target": names,
                "prediction": _said_by(subject.task.kind, subject.classes, scores),
                "scores": pl.Series(scores.astype(np.float32).tolist(), dtype=pl.List(pl.Float32)),
            }
        )
        for seed, scores in zip(seeds, predictions, strict=True)
    ]
    return pl.concat(tables)


def _plain(names: tuple[str, ...], kind: Kind) -> str | list[str]:
    return list(names) if kind in ("multilabel", "regression") else names[0]


def _said_by(kind: Kind, classes: Sequence[str], scores: np.ndarray) -> list[str] | list[list[str]]:
    """Return what was predicted, in words: the best class, the labels above one half, or the numbers."""
    if kind == "regression":
        return [[repr(float(value)) for value in row] for row in scores]
    if kind == "multilabel":
        return [[classes[i] for i in np.flatnonzero(row > 0.5).tolist()] for row in scores]
    return [classes[i] for i in scores.argmax(axis=1).tolist()]
