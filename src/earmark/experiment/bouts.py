"""Systems on one task, side by side: the clips that all of them answered, scored in every way a comparison needs."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from scipy.stats import rankdata

from earmark import identity
from earmark.analysis import stats
from earmark.analysis.paired import Permutation, permutation_test
from earmark.analysis.stats import Estimate
from earmark.experiment.predictions import Answers, Predicted
from earmark.metrics import find, measure
from earmark.nouns import Kind

BY_RANK = {"roc_auc", "average_precision", "d_prime"}
"""Metrics that see only the order of a label's scores."""


@dataclass(frozen=True)
class Fold:
    """The test clips of one fold: where they stand among those of all folds, targets, each system's scores."""

    place: slice
    targets: np.ndarray
    classes: tuple[str, ...]
    scores: Mapping[str, np.ndarray]


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
            np.stack(
                [self._scores(fold, one, fold.targets, self.weights[:, fold.place]) for one in fold.scores[system]]
            )
            for fold in self.folds
        ]
        scores = np.mean(of_folds, axis=0)
        return stats.mean_over_seeds(scores[:, 0], scores[:, 1:], self.ci_level, self.units), scores[:, 0]

    def permutation(self, one: str, other: str, permutations: int) -> Permutation:
        """Return the test of two systems. Every seed's answers to a clip are swapped together."""

        def difference(swaps: np.ndarray) -> np.ndarray:
            of_folds = [self._swapped(fold, one, other, swaps[:, fold.place]) for fold in self.folds]
            return np.asarray(np.mean(of_folds, axis=0))

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
        targets = np.concatenate([fold.targets, fold.targets])
        differences = []
        for seed in range(math.lcm(len(firsts), len(seconds))):
            pair = [firsts[seed % len(firsts)], seconds[seed % len(seconds)]]
            if self.metric in BY_RANK:  # two systems' scores need not be on one scale
                pair = [rankdata(scores, axis=0) for scores in pair]
            mixed, swapped = np.split(self._scores(fold, np.concatenate(pair), targets, rows), 2)
            differences.append(mixed - swapped)
        return np.asarray(np.mean(differences, axis=0))

    def _scores(self, fold: Fold, predictions: np.ndarray, targets: np.ndarray, rows: np.ndarray) -> np.ndarray:
        scores: np.ndarray = measure(self.metric, self.kind, targets, predictions, fold.classes, rows).averages[
            self.average
        ]
        return scores


def meet(found: Sequence[Predicted], metric: str | None, average: str | None) -> Bout:
    """Return the bout of the systems of one task and partition under one condition.

    `metric` None takes the task's first; `average` None, or one that the metric lacks, takes the metric's first.
    Raises UnknownName or UserError for a metric that the kind of task cannot have.
    """
    first = found[0]
    chosen = metric or first.metrics[0]
    find(chosen, first.kind)
    by_fold: dict[int, dict[str, Answers]] = {}
    for one in found:
        by_fold.setdefault(one.fold, {})[one.system] = one.read()
    systems = [
        name for name in dict.fromkeys(one.system for one in found) if all(name in by for by in by_fold.values())
    ]
    folds: list[Fold] = []
    parts: list[Answers] = []
    n_left_out = start = 0
    for answers in by_fold.values():
        heard = set.intersection(*(set(answers[name].clips) for name in systems))
        n_left_out += len(set().union(*(answers[name].clips for name in systems)) - heard)
        shared = {name: answers[name].of([clip for clip in answers[name].clips if clip in heard]) for name in systems}
        parts.append(shared[systems[0]])
        place = slice(start, start := start + len(parts[-1].clips))
        folds.append(Fold(place, parts[-1].targets, first.classes, {name: one.scores for name, one in shared.items()}))
    clips = tuple(clip for part in parts for clip in part.clips)
    groups = _groups(parts)
    rng = identity.generator("bootstrap", first.task, list(clips))
    weights = np.vstack([np.ones((1, len(clips))), stats.resample_weights(len(clips), groups, first.resamples, rng)])
    return Bout(
        first.task,
        first.dataset,
        first.split,
        first.train_share,
        first.kind,
        chosen,
        _average(chosen, folds[0], first.kind, systems[0], average),
        first.ci_level,
        clips,
        groups,
        tuple(folds),
        n_left_out,
        weights,
    )


def _groups(parts: Sequence[Answers]) -> tuple[str, ...] | None:
    """Return what is drawn together: the clips of a group, and a clip with itself in another fold."""
    names = tuple(name for part in parts for name in part.groups or part.clips)
    is_grouped = any(part.groups for part in parts) or len(set(names)) < len(names)
    return names if is_grouped else None


def _average(metric: str, fold: Fold, kind: Kind, system: str, asked: str | None) -> str:
    known = measure(metric, kind, fold.targets, fold.scores[system][0], fold.classes).averages
    return asked if asked in known else next(iter(known))
