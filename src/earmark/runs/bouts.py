"""Systems on one task, side by side: the clips that all of them answered, scored in every way a comparison needs."""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from scipy.stats import rankdata

from earmark import identity
from earmark.analysis import stats
from earmark.analysis.paired import Permutation, permutation_test
from earmark.analysis.stats import Estimate
from earmark.errors import DataError
from earmark.metrics import find, measure
from earmark.metrics.base import mean_of_defined
from earmark.nouns import Kind
from earmark.runs.predictions import Answers, Predicted

BY_RANK = {"roc_auc", "average_precision", "d_prime"}
"""Metrics that see only the order of a label's scores."""


@dataclass(frozen=True)
class Fold:
    """The test clips of one fold: where they stand among those of all folds, targets, each system's scores."""

    place: slice
    targets: np.ndarray
    classes: tuple[str, ...]
    scores: Mapping[str, np.ndarray]
    target_hz: np.ndarray | None = None


@dataclass(frozen=True)
class Bout:
    """One task on one partition: `clips` and `groups` of its folds, one after another. A score is the folds' mean.

    `n_left_out` clips are missing because a system could not hear them. The resamples are those of the run's tables
    where there is one fold and no clip is missing.
    """

    task: str
    dataset: str
    split: str
    train_share: float
    kind: Kind
    metric: str
    average: str
    ci_level: float
    clips: tuple[str, ...]
    groups: tuple[str, ...] | None
    folds: tuple[Fold, ...]
    n_left_out: int
    weights: np.ndarray

    @property
    def systems(self) -> tuple[str, ...]:
        """Their names."""
        return tuple(self.folds[0].scores)

    @property
    def units(self) -> str:
        """What is resampled and swapped, in words."""
        return stats.resampled_units(len(self.clips), self.groups)

    def estimates(self, system: str) -> tuple[Estimate, np.ndarray]:
        """Return the mean over seeds with its resamples, and the score of each seed."""
        of_folds = [
            np.stack([self._scores(fold, one, self.weights[:, fold.place]) for one in fold.scores[system]])
            for fold in self.folds
        ]
        scores = _mean_of_defined(of_folds)
        found = stats.mean_over_seeds(scores[:, 0], scores[:, 1:], self.ci_level, self.units)
        is_share = self.average == "micro" and find(self.metric, self.kind).is_proportion
        trials = len(set(self.groups or self.clips)) if is_share else None
        interval = stats.score_interval(found.samples, found.value, trials, self.ci_level, self.units)
        return found._replace(interval=interval), scores[:, 0]

    def permutation(self, one: str, other: str, permutations: int) -> Permutation:
        """Return the test of two systems. Every seed's answers to a clip are swapped together."""

        def difference(swaps: np.ndarray) -> np.ndarray:
            of_folds = [self._swapped(fold, one, other, swaps[:, fold.place]) for fold in self.folds]
            return _mean_of_defined(of_folds)

        rng = identity.generator("permutation", self.task, self.clips)
        return permutation_test(difference, len(self.clips), self.groups, permutations, rng)

    def _swapped(self, fold: Fold, one: str, other: str, swaps: np.ndarray) -> np.ndarray:
        """Return one − other, seeds averaged, once the answers to clips with a 1 are swapped.

        The answers of both stand one above the other, and weights of 1 and 0 choose between them for each clip, so
        that any metric scores all rows at once.
        """
        firsts, seconds = fold.scores[one], fold.scores[other]
        keep = 1 - swaps
        rows = np.block([[keep, swaps], [swaps, keep]])
        twice = replace(fold, targets=_twice(fold.targets), target_hz=_twice(fold.target_hz))
        differences = []
        for seed in range(math.lcm(len(firsts), len(seconds))):
            pair = [firsts[seed % len(firsts)], seconds[seed % len(seconds)]]
            if self.metric in BY_RANK:  # two systems' scores need not be on one scale
                pair = [rankdata(scores, axis=0) for scores in pair]
            mixed, swapped = np.split(self._scores(twice, np.concatenate(pair), rows), 2)
            differences.append(mixed - swapped)
        return np.asarray(np.mean(differences, axis=0))

    def _scores(self, fold: Fold, predictions: np.ndarray, rows: np.ndarray) -> np.ndarray:
        found = measure(self.metric, self.kind, fold.targets, predictions, fold.classes, rows, fold.target_hz)
        return np.asarray(found.averages[self.average])


def meet(found: Sequence[Predicted], metric: str | None, average: str | None) -> Bout:
    """Return the bout of the systems of one task and partition under one condition.

    `metric` None takes the task's first; `average` None, or one that the metric lacks, takes the metric's first.
    Raises UnknownName or UserError for a metric that the kind of task cannot have.
    """
    first = found[0]
    chosen = metric or first.metrics[0]
    find(chosen, first.kind)
    folds, parts, n_left_out = list[Fold](), list[Answers](), 0
    for classes, answers in _by_fold(found):
        shared = _shared(answers)
        parts.append(next(iter(shared.values())))
        n_left_out += len({clip for one in answers.values() for clip in one.clips}) - len(parts[-1].clips)
        start = folds[-1].place.stop if folds else 0
        place = slice(start, start + len(parts[-1].clips))
        scores = {name: one.scores for name, one in shared.items()}
        folds.append(Fold(place, parts[-1].targets, classes, scores, parts[-1].target_hz))
    clips = tuple(clip for part in parts for clip in part.clips)
    groups = _groups(parts)
    rng = identity.generator("bootstrap", first.task, list(clips))
    return Bout(
        first.task,
        first.dataset,
        first.split,
        first.train_share,
        first.kind,
        chosen,
        _average(chosen, folds[0], first.kind, average),
        first.ci_level,
        clips,
        groups,
        tuple(folds),
        n_left_out,
        np.vstack([np.ones((1, len(clips))), stats.resample_weights(len(clips), groups, first.resamples, rng)]),
    )


def _by_fold(found: Sequence[Predicted]) -> Iterator[tuple[tuple[str, ...], dict[str, Answers]]]:
    """Yield, for each fold, its classes and the answers of those systems that every fold has.

    Several files of one system, which `together` made of several, are further seeds of it.
    """
    by_fold: dict[int, dict[str, list[Predicted]]] = {}
    for one in found:
        by_fold.setdefault(one.fold, {}).setdefault(one.system, []).append(one)
    everywhere = [name for name in by_fold[found[0].fold] if all(name in fold for fold in by_fold.values())]
    if not everywhere:
        raise DataError(f"No system of task '{found[0].task}' has predictions in every fold. Finish its run first.")
    for fold in by_fold.values():
        answers = {name: [one.read() for one in fold[name]] for name in everywhere}
        yield fold[everywhere[0]][0].classes, {name: first.beside(rest) for name, (first, *rest) in answers.items()}


def _twice(of_clips: Any) -> Any:
    """Return an array of clips with itself below; None where there is none."""
    return None if of_clips is None else np.concatenate([of_clips, of_clips])


def _shared(answers: Mapping[str, Answers]) -> dict[str, Answers]:
    """Return the answers to the clips that every system answered, in one order."""
    first, *others = answers.values()
    heard = set(first.clips).intersection(*(one.clips for one in others))
    clips = [clip for clip in first.clips if clip in heard]
    return {name: one.of(clips) for name, one in answers.items()}


def _mean_of_defined(folds: Sequence[np.ndarray]) -> np.ndarray:
    """Return the mean over the folds in which a score is defined, as the run's tables have it."""
    stacked = np.stack(folds, axis=-1)
    return np.asarray(mean_of_defined(stacked.reshape(-1, len(folds))).reshape(stacked.shape[:-1]))


def _groups(parts: Sequence[Answers]) -> tuple[str, ...] | None:
    """Return what is drawn together: the clips of a group, and a clip with itself in another fold."""
    names = tuple(name for part in parts for name in part.groups or part.clips)
    is_grouped = any(part.groups for part in parts) or len(set(names)) < len(names)
    return names if is_grouped else None


def _average(metric: str, fold: Fold, kind: Kind, asked: str | None) -> str:
    predictions = next(iter(fold.scores.values()))[0]
    known = measure(metric, kind, fold.targets, predictions, fold.classes).averages
    return asked if asked in known else next(iter(known))
