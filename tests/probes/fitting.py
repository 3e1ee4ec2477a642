"""The shortest ways to fit network probes in tests."""

from collections.abc import Sequence

import numpy as np

from earmark.nouns import Kind
from earmark.probes import mlp
from earmark.probes.base import Examples, Job, Problem
from earmark.probes.monitors import Monitor
from earmark.probes.network_probe import NetworkProbe
from earmark.probes.recipe import Recipe

Pair = tuple[np.ndarray, np.ndarray]


def problem_of(
    kind: Kind,
    train: Pair,
    valid: Pair,
    n_outputs: int,
    classes: Sequence[str] = (),
    monitor: Monitor | None = None,
) -> Problem:
    return Problem(kind, Examples(*train), Examples(*valid), n_outputs, tuple(classes), monitor)


def fit_seeds(problem: Problem, recipe: Recipe, seeds: Sequence[int]) -> list[NetworkProbe]:
    return mlp.fit(problem, [Job(recipe, seed) for seed in seeds])


def same_bits(one: NetworkProbe, other: NetworkProbe) -> bool:
    """Return whether two probes learned the same, saw the same on the way and kept the same epoch."""
    same = one.weights.keys() == other.weights.keys()
    same = same and all(array.tobytes() == other.weights[name].tobytes() for name, array in one.weights.items())
    return same and (one.history, one.best_epoch, one.seed) == (other.history, other.best_epoch, other.seed)
