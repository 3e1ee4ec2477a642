"""How many bits the labels of the training clips take, for one who has the embeddings: probing by description length.

A representation from which a label is easily learned, from few clips, gives a short code: unlike accuracy on a test
set, this also counts how much it took to learn. Source: Voita & Titov 2020, section 2.2 (online coding).
"""

from dataclasses import dataclass, replace
from itertools import pairwise

import numpy as np
from jaxtyping import Float

from earmark import identity
from earmark.errors import DataError, UserError
from earmark.probes.base import AnyRecipe, Job, Problem
from earmark.probes.fit import fit
from earmark.probes.inputs import ONE_CLASS, check_problem
from earmark.probes.kinds import fewest_clips, fewest_for_warm_up
from earmark.probes.portions import part, spread_order

SHARES = (0.001, 0.002, 0.004, 0.008, 0.016, 0.032, 0.0625, 0.125, 0.25, 0.5, 1.0)
"""Of the training clips, known after each portion. Source: Voita & Titov 2020, footnote 4."""

DOUBT = 1e-6
"""Share of a uniform code mixed into every prediction, so that what a probe holds impossible costs bits, not ∞."""


@dataclass(frozen=True)
class Portion:
    """Clips whose targets were coded at once, by a probe that was fitted on all clips before them."""

    n_known: int
    n_coded: int
    bits: float


@dataclass(frozen=True)
class Codelength:
    """Bits for all training targets, bits at equal probabilities, and how many times the first is shorter."""

    bits: float
    uniform_bits: float
    portions: tuple[Portion, ...]

    @property
    def compression(self) -> float:
        """Uniform bits per bit: 1 says that the embeddings say nothing, more is better."""
        return self.uniform_bits / self.bits


def online_codelength(problem: Problem, recipe: AnyRecipe, seed: int) -> Codelength:
    """Return the codelength of the training targets given their embeddings.

    The clips stand in a random order in which every beginning has about the classes' shares. The first portion is
    coded uniformly; each further one by a probe fitted on those before it, which stops and chooses its epoch by the
    validation clips. Portions that a small training set leaves empty are left out. A class takes −log2 of its
    probability; labels are coded one by one.
    Where fewer clips are known than a recipe needs (see `fewest_clips`, `fewest_for_warm_up`), or clips of one class
    only, the code is uniform: of these no classifier can be fitted.
    Differs from the paper: DOUBT is mixed in, at 1.4 millionths of a bit a target; the order is stratified. Raises
    UserError for a regression, whose values have no code.
    """
    check_problem(problem)
    if problem.kind == "regression":
        raise UserError("A codelength is for classes or labels, and this task is a regression. Score it by r2.")
    train, n_clips = problem.train, len(problem.train.targets)
    order = spread_order(train.targets, identity.generator("codelength", seed))
    ends = sorted({max(1, round(share * n_clips)) for share in SHARES})
    portions = [Portion(0, ends[0], ends[0] * _uniform_bits(problem))]
    fewest = max(fewest_clips(recipe), fewest_for_warm_up(recipe))
    for known, end in pairwise(ends):
        coded = part(train, np.sort(order[known:end]))
        given = replace(problem, train=part(train, np.sort(order[:known])))
        if known < fewest or (problem.kind in ONE_CLASS and np.ptp(given.train.targets) == 0):
            portions.append(Portion(known, end - known, (end - known) * _uniform_bits(problem)))
            continue
        [probe] = fit(given, [Job(recipe, identity.seed_for("codelength", seed, known))])
        bits = _bits(problem, coded.targets, probe.predict(coded.embeddings, coded.clips))
        portions.append(Portion(known, end - known, bits))
    bits = sum(portion.bits for portion in portions)
    return Codelength(bits, n_clips * _uniform_bits(problem), tuple(portions))


def _uniform_bits(problem: Problem) -> float:
    """Return what a clip takes at equal probabilities: log2 of the classes, or a bit a label."""
    return float(problem.n_outputs if problem.kind == "multilabel" else np.log2(problem.n_outputs))


def _bits(problem: Problem, targets: np.ndarray, predictions: Float[np.ndarray, "clips outputs"]) -> float:
    predicted = predictions.astype(np.float64)
    if problem.kind == "multilabel":
        right, n_choices = np.where(targets > 0, predicted, 1 - predicted), 2
    else:
        totals = predicted.sum(axis=1)
        if not np.allclose(totals, 1, atol=1e-3):
            raise DataError(f"Expected probabilities that sum to 1, got sums from {totals.min()} to {totals.max()}.")
        right, n_choices = (predicted / totals[:, None])[np.arange(len(targets)), targets], problem.n_outputs
    return float(-np.log2((1 - DOUBT) * right + DOUBT / n_choices).sum())
