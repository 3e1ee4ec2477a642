"""Logistic regression at its optimum: nothing to tune but the strength of its penalty, and nothing random."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import ClassVar, NamedTuple, cast

import numpy as np
from jaxtyping import Float
from scipy.optimize import minimize
from scipy.special import expit, logsumexp, softmax

from earmark.errors import DataError, UserError
from earmark.nouns import Kind
from earmark.probes.base import Job, Problem
from earmark.probes.inputs import check_problem
from earmark.probes.linear_probe import LinearProbe, require_positive, restored
from earmark.probes.preparation import Preparation, PrincipalAxes, float64_chunks, principal_axes, require_pca
from earmark.probes.saved import Saved

Array = np.ndarray

STEEPEST, STEEPEST_ALLOWED, ITERATIONS = 1e-6, 1e-4, 2000
"""Where the search ends: the largest slope along any parameter, of the mean loss; and where it counts as failed."""


@dataclass(frozen=True)
class Recipe:
    """Logistic regression: a softmax over classes, or a binary one for each label.

    `c` is scikit-learn's C: what is minimised is ½·Σw² + c·Σ loss over training rows; biases are free.
    `standardise` and `pca`: see `Preparation`.
    """

    probe: ClassVar[str] = "logistic"

    c: float = 1.0
    standardise: bool = False
    pca: int | float | None = None

    def __post_init__(self) -> None:
        require_positive("c", self.c)
        require_pca(self.pca)


def fit(problem: Problem, jobs: Sequence[Job]) -> list[LinearProbe]:
    """Return one fitted probe for each job, in order; those of one recipe differ in the seed they note only.

    A class or label that is absent from training gets probability 0, a label that is always there 1. Two classes
    share one weight vector, as in scikit-learn. Raises UserError for a regression, DataError for data that cannot be
    used and where no optimum is found.
    """
    check_problem(problem)
    require_classes(problem.kind)
    found: dict[Recipe, LinearProbe] = {}
    prepared: dict[tuple[bool, int | float | None], tuple[Preparation, Array, PrincipalAxes]] = {}
    for recipe in dict.fromkeys(cast(Recipe, job.recipe) for job in jobs):
        how = recipe.standardise, recipe.pca
        if how not in prepared:
            preparation = Preparation.of(problem.train.embeddings, *how)
            inputs = preparation(problem.train.embeddings)
            prepared[how] = preparation, inputs, principal_axes(inputs)
        preparation, inputs, axes = prepared[how]
        weight, bias = _optimum(problem, inputs, axes, recipe.c)
        probe = LinearProbe(recipe, problem.kind, problem.classes, weight, bias, curve, preparation, 0)
        found[recipe] = probe.judged(problem)
    return [replace(found[cast(Recipe, job.recipe)], seed=job.seed) for job in jobs]


def require_classes(kind: Kind) -> None:
    """Raise a UserError for a kind of task that has neither classes nor labels."""
    if kind == "regression":
        raise UserError("A logistic probe predicts classes or labels, and this task is a regression. Use kind: ridge.")


def restore(saved: Saved) -> LinearProbe:
    """Return the probe that `to_bytes` wrote."""
    return restored(saved, Recipe(**saved.fields["recipe"]), curve)


def curve(kind: Kind, sums: Float[Array, "rows outputs"]) -> Float[Array, "rows outputs"]:
    """Return probabilities: of classes, or of each label."""
    probabilities: Array = expit(sums) if kind == "multilabel" else softmax(sums, axis=1)
    return probabilities


def _optimum(
    problem: Problem, inputs: Float[Array, "rows inputs"], axes: PrincipalAxes, c: float
) -> tuple[Float[Array, "inputs outputs"], Float[Array, " outputs"]]:
    """Return weight and bias, float32. What never varies in training has no weight and a bias of ±∞, or 0."""
    targets, n_outputs = problem.train.row_targets, problem.n_outputs
    weight = np.zeros((inputs.shape[1], n_outputs), np.float32)
    if problem.kind == "multilabel":
        shares = targets.mean(axis=0, dtype=np.float64)
        bias = np.where(shares > 0, np.inf, -np.inf).astype(np.float32)
        fitted = np.flatnonzero((shares > 0) & (shares < 1))
        loss: Callable[[Array, Array], _Loss] = _binary
        of_row = targets[:, fitted]
    else:
        shares = np.bincount(targets, minlength=n_outputs) / len(targets)
        bias = np.where(shares > 0, 0, -np.inf).astype(np.float32)
        present = np.flatnonzero(shares)
        fitted = present if len(present) > 2 else present[1:]
        loss, of_row = _softmax, np.searchsorted(present, targets)
        if len(present) <= 2:
            loss, of_row = _binary, of_row[:, None]
    if len(fitted):
        weight[:, fitted], bias[fitted] = _Slope(inputs, of_row, axes, shares[fitted], c, loss).descended()
    return weight, bias


class _Loss(NamedTuple):
    """The loss of some rows, summed, and its gradient by their outputs."""

    total: float
    error: Float[Array, "rows outputs"]


def _softmax(sums: Float[Array, "rows outputs"], targets: Array) -> _Loss:
    rows = np.arange(len(sums))
    logs = sums - logsumexp(sums, axis=1, keepdims=True)
    error = np.exp(logs)
    error[rows, targets] -= 1
    return _Loss(-float(logs[rows, targets].sum()), error)


def _binary(sums: Float[Array, "rows outputs"], targets: Array) -> _Loss:
    return _Loss(float((np.logaddexp(0, sums) - targets * sums).sum()), expit(sums) - targets)


class _Slope:
    """The mean loss with its penalty, and its gradient, by parameters along which it is about equally curved.

    The penalty Σw² does not change when the inputs are turned, and free biases allow centring: so the parameters are
    weights along the principal axes, each divided by the square root of the curvature it starts with, variance ·
    share · (1 − share) + 1 / (c · rows). Raw embeddings, whose variances span many orders of magnitude, then take
    tens of L-BFGS iterations in place of thousands. Inputs are left where they are.
    """

    def __init__(
        self,
        inputs: Float[Array, "rows inputs"],
        targets: Array,
        axes: PrincipalAxes,
        shares: Float[Array, " outputs"],
        c: float,
        loss: Callable[[Array, Array], _Loss],
    ) -> None:
        self.inputs, self.targets, self.axes, self.loss = inputs, targets, axes, loss
        self.penalty = 1 / (c * len(inputs))
        curved = shares * (1 - shares)
        self.scale = np.vstack([np.sqrt(axes.variances[:, None] * curved + self.penalty), np.sqrt(curved)])
        start = np.log(shares / (1 - shares)) if loss is _binary else np.log(shares)
        self.start = np.vstack([np.zeros((len(axes.axes), len(shares))), start * self.scale[-1]])

    def __call__(self, flat: Float[Array, " parameters"]) -> tuple[float, Float[Array, " parameters"]]:
        """Return the value and the gradient."""
        turned = flat.reshape(self.scale.shape) / self.scale
        weight, bias = self._weight_and_bias(turned)
        total, of_weight, of_bias = 0.0, np.zeros_like(weight), np.zeros_like(bias)
        for rows, chunk in float64_chunks(self.inputs):
            part, error = self.loss(chunk @ weight + bias, self.targets[rows])
            total += part
            of_weight += chunk.T @ error
            of_bias += error.sum(axis=0)
        n_rows = len(self.inputs)
        of_axes = self.axes.axes @ (of_weight - np.outer(self.axes.centre, of_bias)) / n_rows
        gradient = np.vstack([of_axes + self.penalty * turned[:-1], of_bias / n_rows]) / self.scale
        return total / n_rows + self.penalty * float(np.square(turned[:-1]).sum()) / 2, gradient.ravel()

    def descended(self) -> tuple[Float[Array, "inputs outputs"], Float[Array, " outputs"]]:
        """Return the weight and the bias at the optimum. Raises DataError where the search ends before one."""
        limits = {"gtol": STEEPEST, "ftol": 0, "maxiter": ITERATIONS, "maxfun": 2 * ITERATIONS, "maxcor": 20}
        end = minimize(self, self.start.ravel(), jac=True, method="L-BFGS-B", options=limits)
        steepest = float(np.abs(end.jac).max())
        if not steepest <= STEEPEST_ALLOWED:
            raise DataError(
                f"Expected a logistic probe to reach its optimum, got a slope of {steepest:.1g} after {end.nit} "
                f"iterations. Lower c, or set standardise."
            )
        return self._weight_and_bias(end.x.reshape(self.scale.shape) / self.scale)

    def _weight_and_bias(self, turned: Float[Array, "parameters outputs"]) -> tuple[Array, Array]:
        weight = self.axes.axes.T @ turned[:-1]
        return weight, turned[-1] - self.axes.centre @ weight
