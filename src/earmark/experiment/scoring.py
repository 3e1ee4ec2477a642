"""From predictions to numbers: every metric, per seed and as the mean of the seeds, each with its interval.

The resamples depend on the task and its test clips alone, so that all systems share them and their
differences are paired.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np
import polars as pl

from earmark import identity
from earmark.analysis import stats, trust
from earmark.analysis.trust import Basis
from earmark.experiment.jobs import Scoring
from earmark.experiment.pairings import Part
from earmark.experiment.subjects import Subject, members
from earmark.experiment.target_classes import class_names
from earmark.metrics import Scores, find, measure
from earmark.metrics.base import ratio
from earmark.nouns import Clip, Kind


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
    fold_deviation: float | None = None


class Heard(NamedTuple):
    """The test clips of one fold under one condition, and what was predicted of them: (seeds, clips, outputs)."""

    subject: Subject
    part: Part
    predictions: np.ndarray

    @property
    def targets(self) -> np.ndarray:
        """The targets of the clips."""
        return self.subject.targets(self.part.clips)

    @property
    def target_hz(self) -> np.ndarray | None:
        """The exact frequencies of the clips, where classes round them."""
        return self.subject.target_hz(self.part.clips)

    def of(self, positions: Sequence[int]) -> "Heard":
        """Return some of the clips."""
        clips, parts = self.part.clips, self.part.parts
        some = replace(
            self.part,
            clips=tuple(clips[i] for i in positions),
            parts=tuple(tuple(keys[i] for i in positions) for keys in parts),
        )
        return Heard(self.subject, some, self.predictions[:, positions])


def numbers(job: Scoring, folds: Sequence[Heard]) -> Iterator[Number]:
    """Yield the numbers of one system under one condition, each the mean over folds, then those per attribute.

    The clips of a value ("singer=f1") are scored and resampled as if they were the whole test set; of that, the
    averages are kept, over all seeds.
    """
    yield from _numbers(job, folds)
    found = [members(one.part.clips, job.per) for one in folds]
    for value in sorted({value for of_fold in found for value in of_fold}):
        alone = [one.of(of_fold[value]) for one, of_fold in zip(folds, found, strict=True) if value in of_fold]
        for number in _numbers(job, alone):
            if number.seed is None and number.average is not None:
                yield replace(number, label=value)


def _numbers(job: Scoring, folds: Sequence[Heard]) -> Iterator[Number]:
    clips = [clip for one in folds for clip in one.part.clips]
    groups = groups_of([one.clip for one in clips])
    rng = identity.generator("bootstrap", folds[0].subject.task.name, [one.clip.id for one in clips])
    resampled = stats.resample_weights(len(clips), groups, job.resamples, rng)
    weights = np.vstack([np.ones((1, len(clips))), resampled])
    of_folds = np.split(weights, np.cumsum([len(one.part.clips) for one in folds])[:-1], axis=1)
    names = tuple(dict.fromkeys(name for one in folds for name in one.subject.classes))
    bases = _bases(folds, names, groups)
    for metric in job.metrics:
        found = [_measured(metric, one, rows) for one, rows in zip(folds, of_folds, strict=True)]
        scorable = {
            name
            for one, scores in zip(folds, found, strict=True)
            for name in set(one.subject.classes) - set(scores[0].left_out)
        }
        drawn = stats.resampled_units(len(clips), groups) + (f", mean of {len(folds)} folds" if len(folds) > 1 else "")
        n_groups = len(set(groups)) if groups else None
        frame = Frame(metric, drawn, len(clips), n_groups, len(scorable), job.ci_level)
        for average in found[0][0].averages:
            by_fold = [np.stack([scores.averages[average] for scores in of_fold]) for of_fold in found]
            by_seed, deviations = _mean(by_fold), _deviations(by_fold)
            for place, (seed, one) in enumerate(zip(job.seeds, by_seed, strict=False)):
                yield frame.number(one, average, None, seed, bases[average], deviations[place])
            yield frame.number(by_seed.mean(axis=0), average, None, None, bases[average], deviations[-1])
        for label in dict.fromkeys(label for scores in found for label in scores[0].labels):
            heard_in = [scores for scores in found if label in scores[0].labels]
            by_seed = _mean([np.stack([scores.labels[label] for scores in of_fold]) for of_fold in heard_in])
            yield frame.number(by_seed.mean(axis=0), None, label, None, bases[f"of {label}"])


def _deviations(folds: Sequence[np.ndarray]) -> list[float | None]:
    """Return the standard deviation over folds (ddof 1) of each seed's score, then of the mean over seeds."""
    values = np.stack([scores[:, 0] for scores in folds])
    if len(folds) == 1:
        return [None] * (values.shape[1] + 1)
    of_each = np.column_stack([values, values.mean(axis=1)]).std(axis=0, ddof=1)
    return [_known(one) for one in of_each]


def _measured(metric: str, one: Heard, weights: np.ndarray) -> list[Scores]:
    """Return the scores of each seed's predictions under each row of weights."""
    subject, targets, target_hz = one.subject, one.targets, one.target_hz
    return [
        measure(metric, subject.task.kind, targets, each, subject.classes, weights, target_hz)
        for each in one.predictions
    ]


def _mean(folds: Sequence[np.ndarray]) -> np.ndarray:
    """Return the mean over the folds in which a score is defined, (seeds, rows); of one fold, itself."""
    if len(folds) == 1:
        return folds[0]
    stacked = np.stack(folds)
    defined = ~np.isnan(stacked)
    return ratio(np.where(defined, stacked, 0.0).sum(axis=0), defined.sum(axis=0))


def groups_of(clips: Sequence[Clip]) -> tuple[str, ...] | None:
    """Return what is resampled together with each clip: its group, or itself, also where it stands in several folds.

    None when no clip has a group and each stands once.
    """
    names = tuple(clip.group or clip.id for clip in clips)
    return names if any(clip.group for clip in clips) or len(set(names)) < len(names) else None


def _bases(folds: Sequence[Heard], names: tuple[str, ...], groups: tuple[str, ...] | None) -> dict[str, Basis]:
    """Return what the micro and the macro average rest on, and the score "of" each label."""
    n_groups, n_clips = len(set(groups or ())), sum(len(one.part.clips) for one in folds)
    every = Basis(n_groups if n_groups > 1 else n_clips)
    if folds[0].subject.task.kind == "regression":  # each number is of every clip
        return dict.fromkeys(("micro", "macro", *(f"of {name}" for name in names)), every)
    supports = trust.support(np.concatenate([_among(one, names) for one in folds]), len(names), groups)
    of_labels = {f"of {name}": every._replace(supports=supports[[i]]) for i, name in enumerate(names)}
    return {"micro": every, "macro": every._replace(supports=supports), **of_labels}


def _among(one: Heard, names: tuple[str, ...]) -> np.ndarray:
    """Return a fold's targets as places among the names of all folds."""
    places, targets = [names.index(name) for name in one.subject.classes], one.targets
    if targets.ndim == 1:
        found: np.ndarray = np.array(places, np.int64)[targets]
        return found
    wider = np.zeros((len(targets), len(names)), targets.dtype)
    wider[:, places] = targets
    return wider


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
        self,
        scores: np.ndarray,
        average: str | None,
        label: str | None,
        seed: int | None,
        basis: Basis,
        fold_deviation: float | None = None,
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
            fold_deviation=fold_deviation,
        )


def _known(value: float) -> float | None:
    return None if np.isnan(value) else float(value)


def prediction_table(job: Scoring, part: Part, predictions: np.ndarray) -> pl.DataFrame:
    """Return every prediction: a row a clip and seed, with group, target, prediction and the score of each class.

    Where pitches lie between the classes, `target_hz` has them as they are.
    """
    subject = job.pairing.subject
    names = [_plain(class_names(one.clip, subject.task), subject.task.kind) for one in part.clips]
    hz = subject.target_hz(part.clips)
    exact = {} if hz is None else {"target_hz": pl.Series(hz, dtype=pl.Float64)}
    seeds: Sequence[int | None] = job.seeds or (None,)
    tables = [
        pl.DataFrame(
            {
                "dataset": [one.dataset for one in part.clips],
                "clip": [one.clip.id for one in part.clips],
                "group": pl.Series([one.clip.group for one in part.clips], dtype=pl.String),
                "seed": pl.Series([seed] * len(part.clips), dtype=pl.Int64),
                "target": names,
                **exact,
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
