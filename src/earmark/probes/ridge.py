"""Ridge regression in closed form, for values, and for classes and labels as the values 0 and 1."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import ClassVar, NamedTuple, cast

import numpy as np
from jaxtyping import Float
from scipy.special import expit, softmax

from earmark.nouns import Kind
from earmark.probes.base import Job, Problem
from earmark.probes.inputs import ONE_CLASS, check_problem
from earmark.probes.linear_probe import LinearProbe, require_positive, restored
from earmark.probes.preparation import Preparation, PrincipalAxes, float64_chunks, principal_axes, require_pca
from earmark.probes.saved import Saved

Array = np.ndarray


@dataclass(frozen=True)
class Recipe:
    """Ridge regression: least squares with the penalty `alpha`·Σw², scikit-learn's; biases are free.

    `standardise` and `pca`: see `Preparation`.
    """

    probe: ClassVar[str] = "ridge"

    alpha: float = 1.0
    standardise: bool = False
    pca: int | float | None = None

    def __post_init__(self) -> None:
        require_positive("alpha", self.alpha)
        require_pca(self.pca)


class _Moments(NamedTuple):
    """All that ridge regression asks of its training rows, whatever alpha is.

    `never` is −∞ for a class or label that is absent from training, so that its score is 0, and else 0.
    """

    preparation: Preparation
    axes: PrincipalAxes
    covariance: Float[Array, "axes outputs"]
    means: Float[Array, " outputs"]
    never: Float[Array, " outputs"]
    n_rows: int


def fit(problem: Problem, jobs: Sequence[Job]) -> list[LinearProbe]:
    """Return one fitted probe for each job, in order; those of one recipe differ in the seed they note only.

    Jobs that differ in alpha share one eigendecomposition. Raises DataError for data that cannot be used.
    """
    check_problem(problem)
    moments: dict[tuple[bool, int | float | None], _Moments] = {}
    found: dict[Recipe, LinearProbe] = {}
    for recipe in dict.fromkeys(cast(Recipe, job.recipe) for job in jobs):
        how = recipe.standardise, recipe.pca
        if how not in moments:
            moments[how] = _moments(problem, Preparation.of(problem.train.embeddings, *how))
        weight, bias = _solved(moments[how], recipe.alpha)
        preparation = moments[how].preparation
        probe = LinearProbe(recipe, problem.kind, problem.classes, weight, bias, curve, preparation, 0)
        found[recipe] = probe.judged(problem)
    return [replace(found[cast(Recipe, job.recipe)], seed=job.seed) for job in jobs]


def restore(saved: Saved) -> LinearProbe:
    """Return the probe that `to_bytes` wrote."""
    return restored(saved, Recipe(**saved.fields["recipe"]), curve)


def curve(kind: Kind, sums: Float[Array, "rows outputs"]) -> Float[Array, "rows outputs"]:
    """Return values as they are; of classes and labels, numbers from 0 to 1 in the order of the values.

    They are scores and not calibrated: for a label, and for one of two classes, the logistic curve that crosses ½
    where the value does, at slope 1. Clipping at 0 and 1 would lose the order of what lies beyond.
    """
    if kind == "regression":
        return sums
    scores: Array = expit(4 * sums - 2) if kind == "multilabel" else softmax(2 * sums, axis=1)
    return scores


def _moments(problem: Problem, preparation: Preparation) -> _Moments:
    inputs, targets = preparation(problem.train.embeddings), problem.train.row_targets
    axes = principal_axes(inputs)
    if problem.kind in ONE_CLASS:
        means = np.bincount(targets, minlength=problem.n_outputs) / len(targets)
    else:
        means = targets.mean(axis=0, dtype=np.float64)
    products = np.zeros((inputs.shape[1], problem.n_outputs))
    for rows, chunk in float64_chunks(inputs):
        part = np.eye(problem.n_outputs)[targets[rows]] if problem.kind in ONE_CLASS else targets[rows]
        products += (chunk - axes.centre).T @ (part - means)
    never = np.where((means == 0) & (problem.kind != "regression"), -np.inf, 0)
    return _Moments(preparation, axes, axes.axes @ products / len(inputs), means, never, len(inputs))


def _solved(moments: _Moments, alpha: float) -> tuple[Float[Array, "inputs outputs"], Float[Array, " outputs"]]:
    """Return weight and bias, float32: along each principal axis covariance / (variance + alpha / rows)."""
    axes = moments.axes
    along = moments.covariance / (axes.variances + alpha / moments.n_rows)[:, None]
    weight = axes.axes.T @ along
    return weight.astype(np.float32), (moments.means + moments.never - axes.centre @ weight).astype(np.float32)
