"""From predictions to numbers: every metric, per seed and as the mean of the seeds, each with its interval.

The resamples depend on the task and its test clips alone, so that all systems share them and their
differences are paired.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
import polars as pl

from earmark import identity
from earmark.analysis import stats, trust
from earmark.analysis.trust import Basis
from earmark.experiment.jobs import Scoring
from earmark.experiment.pairings import Part
from earmark.experiment.subjects import Subject, class_names, members
from earmark.metrics import find, measure
from earmark.nouns import Kind


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
    narrow: bool


def groups_of(part: Part) -> tuple[str, ...] | None:
    """Return the group of each clip (a clip without one is its own), or None when no clip has a group."""
    if not any(one.clip.group for one in part.clips):
        return None
    return tuple(one.clip.group or one.clip.id for one in part.clips)


def numbers(job: Scoring, part: Part, predictions: np.ndarray) -> Iterator[Number]:
    """Yield the numbers of (seeds, clips, outputs) predictions under one condition, then those per attribute.

    The clips of a value ("singer=f1") are scored and resampled as if they were the whole test set; of that, the
    averages are kept, over all seeds.
    """
    yield from _numbers(job, part, predictions)
    for value, positions in members(part.clips, job.per).items():
        alone = replace(
            part,
            clips=tuple(part.clips[i] for i in positions),
            parts=tuple(tuple(keys[i] for i in positions) for keys in part.parts),
        )
        for number in _numbers(job, alone, predictions[:, positions]):
            if number.seed is None and number.average is not None:
                yield replace(number, label=value)


def _numbers(job: Scoring, part: Part, predictions: np.ndarray) -> Iterator[Number]:
    subject = job.pairing.subject
    targets, groups = subject.targets(part.clips), groups_of(part)
    rng = identity.generator("bootstrap", subject.task.name, [one.clip.id for one in part.clips])
    resampled = stats.resample_weights(len(part.clips), groups, job.resamples, rng)
    weights = np.vstack([np.ones((1, len(part.clips))), resampled])
    n_groups = len(set(groups)) if groups else None
    drawn = stats.resampled_units(len(part.clips), groups)
    bases = _bases(subject, targets, groups)
    for metric in job.metrics:
        found = [measure(metric, subject.task.kind, targets, one, subject.classes, weights) for one in predictions]
        n_labels = len(subject.classes) - len(found[0].left_out)
        frame = Frame(metric, drawn, len(part.clips), n_groups, n_labels, job.ci_level)
        for average in found[0].averages:
            resampled_seeds = np.stack([scores.averages[average] for scores in found])
            for seed, one in zip(job.seeds, resampled_seeds, strict=False):
                yield frame.number(one, average, None, seed, bases[average])
            yield frame.number(resampled_seeds.mean(axis=0), average, None, None, bases[average])
        for label in found[0].labels:
            over_seeds = np.stack([scores.labels[label] for scores in found]).mean(axis=0)
            yield frame.number(over_seeds, None, label, None, bases[f"of {label}"])


def _bases(subject: Subject, targets: np.ndarray, groups: tuple[str, ...] | None) -> dict[str, Basis]:
    """Return what the micro and the macro average rest on, and the score "of" each label."""
    n_groups = len(set(groups or ()))
    every = Basis(n_groups if n_groups > 1 else len(targets))
    if subject.task.kind == "regression":  # each number is of every clip
        return dict.fromkeys(("micro", "macro", *(f"of {name}" for name in subject.classes)), every)
    supports = trust.support(targets, len(subject.classes), groups)
    of_labels = {f"of {name}": every._replace(supports=supports[[i]]) for i, name in enumerate(subject.classes)}
    return {"micro": every, "macro": every._replace(supports=supports), **of_labels}


@dataclass(frozen=True)
class Frame:
    """What the numbers of one metric under one condition share."""

    metric: str
    units: str
    n: int
    n_groups: int | None
    n_labels: int
    ci_level: float

    def number(
        self, scores: np.ndarray, average: str | None, label: str | None, seed: int | None, basis: Basis
    ) -> Number:
        """Return the number of one average or label: `scores` holds the value, then its resamples."""
        value = float(scores[0])
        trials = basis.drawn if average == "micro" and find(self.metric).is_proportion else None
        if np.isnan(value):
            low, high, method, narrow = np.nan, np.nan, "undefined", False
        else:
            low, high, _, method = stats.score_interval(scores[1:], value, trials, self.ci_level, self.units)
            is_exact = trials is not None and value in (0.0, 1.0)
            narrow = not is_exact and trust.is_narrow(value, scores[1:], basis)
        return Number(
            self.metric,
            average,
            label,
            seed,
            *(_known(value), _known(low), _known(high)),
            ci_method=method,
            n=self.n,
            n_groups=self.n_groups,
            n_labels=self.n_labels,
            narrow=narrow,
        )


def _known(value: float) -> float | None:
    return None if np.isnan(value) else float(value)


def prediction_table(job: Scoring, part: Part, predictions: np.ndarray) -> pl.DataFrame:
    """Return every prediction: a row a clip and seed, with group, target, prediction and the score of each class."""
    subject = job.pairing.subject
    names = [_plain(class_names(one.clip, subject.task), subject.task.kind) for one in part.clips]
    seeds: Sequence[int | None] = job.seeds or (None,)
    tables = [
        pl.DataFrame(
            {
                "dataset": [one.dataset for one in part.clips],
                "clip": [one.clip.id for one in part.clips],
                "group": pl.Series([one.clip.group for one in part.clips], dtype=pl.String),
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
