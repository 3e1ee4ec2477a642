"""Nearest neighbours: what the most similar training rows are. Nothing is learned and nothing is random."""

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from typing import ClassVar, Literal, cast, get_args

import numpy as np
from jaxtyping import Bool, Float, Int

from earmark.errors import DataError, UnknownName, UserError
from earmark.nouns import Kind
from earmark.probes.base import Job, Problem, clip_means
from earmark.probes.inputs import ONE_CLASS, check_problem
from earmark.probes.preparation import Preparation, require_pca
from earmark.probes.saved import Saved, pack
from earmark.probes.validation import valid_score

Array = np.ndarray
Measure = Literal["cosine", "euclidean"]
Weights = Literal["uniform", "distance"]

BLOCK = 1 << 24
"""Distances held at a time: a bound on memory."""


@dataclass(frozen=True)
class Recipe:
    """The mean of the targets of the `k` nearest training rows: shares of votes, of labels, or a value.

    `metric`: cosine distance (1 − cosine; a row of zeros is ½ from every other) or Euclidean. `weights`: all alike,
    or by 1 / distance, where neighbours at distance 0, if there are any, alone count. Of equally distant rows the one
    that comes first in training is nearer. `standardise` and `pca`: see `Preparation`.
    """

    probe: ClassVar[str] = "knn"

    k: int = 5
    metric: Measure = "cosine"
    weights: Weights = "uniform"
    standardise: bool = False
    pca: int | float | None = None

    def __post_init__(self) -> None:
        if self.k < 1:
            raise UserError(f"Expected k to be at least 1 neighbour, got {self.k}.")
        for name, value, known in (("metric", self.metric, Measure), ("weights", self.weights, Weights)):
            if value not in get_args(known):
                raise UnknownName(f"{name} of knn", value, get_args(known))
        require_pca(self.pca)


@dataclass(frozen=True, eq=False)
class NeighboursProbe:
    """The training rows, prepared (and of length 1 for cosine), float32, and the target of each: class or numbers."""

    recipe: Recipe
    kind: Kind
    classes: tuple[str, ...]
    n_outputs: int
    rows: Float[Array, "rows inputs"]
    targets: Array
    preparation: Preparation
    seed: int
    valid_score: float = float("nan")

    @property
    def input_shape(self) -> tuple[int, int]:
        """The (layers, dim) of the embeddings that it was fitted on."""
        return self.preparation.input_shape

    def predict(self, embeddings: Array, clips: Array | None = None) -> Array:
        """Return (clips, outputs) float32: shares of votes, of each label, or values, by kind.

        `embeddings` is float32 (rows, layers, dim). A class whose votes equal another's is beaten by the first of
        them where the highest counts. Raises DataError for another shape or for values not finite.
        """
        asked = _of_length_one(self.preparation(embeddings), self.recipe)
        predicted = np.empty((len(asked), self.n_outputs), np.float32)
        for place, (near, distances) in enumerate(_nearest(asked, self.rows, self.recipe)):
            weights = np.ones(len(near))
            if self.recipe.weights == "distance":
                weights = (distances == 0).astype(np.float64) if distances[0] == 0 else 1 / distances
            predicted[place] = weights @ self._numbers(near) / weights.sum()
        return clip_means(predicted, clips)

    def _numbers(self, near: Int[Array, " k"]) -> Float[Array, "k outputs"]:
        if self.kind not in ONE_CLASS:
            numbers: Array = self.targets[near].astype(np.float64)
            return numbers
        votes: Array = self.targets[near][:, None] == np.arange(self.n_outputs)
        return votes.astype(np.float64)

    def to_bytes(self) -> bytes:
        """Return the probe as a safetensors file, which holds its training rows. The same probe, the same bytes."""
        names = ("kind", "classes", "n_outputs", "input_shape", "seed", "valid_score")
        fields = {name: getattr(self, name) for name in names} | {"recipe": asdict(self.recipe)}
        arrays = {"rows": self.rows, "targets": self.targets} | self.preparation.arrays
        return pack(Saved(Recipe.probe, fields, arrays))


def fit(problem: Problem, jobs: Sequence[Job]) -> list[NeighboursProbe]:
    """Return one probe for each job, in order; those of one recipe differ in the seed they note only.

    Raises DataError for data that cannot be used, or fewer training rows than neighbours.
    """
    check_problem(problem)
    found: dict[Recipe, NeighboursProbe] = {}
    for recipe in dict.fromkeys(cast(Recipe, job.recipe) for job in jobs):
        found[recipe] = _fit(problem, recipe)
    return [replace(found[cast(Recipe, job.recipe)], seed=job.seed) for job in jobs]


def restore(saved: Saved) -> NeighboursProbe:
    """Return the probe that `to_bytes` wrote. Raises ValueError for rows without a target each."""
    fields, arrays = saved.fields, saved.arrays
    if len(arrays["rows"]) != len(arrays["targets"]):
        raise ValueError(f"{len(arrays['rows'])} rows, {len(arrays['targets'])} targets")
    return NeighboursProbe(
        recipe=Recipe(**fields["recipe"]),
        kind=fields["kind"],
        classes=tuple(fields["classes"]),
        n_outputs=fields["n_outputs"],
        rows=arrays["rows"],
        targets=arrays["targets"],
        preparation=Preparation.from_arrays((fields["input_shape"][0], fields["input_shape"][1]), arrays),
        seed=fields["seed"],
        valid_score=fields["valid_score"],
    )


def _fit(problem: Problem, recipe: Recipe) -> NeighboursProbe:
    embeddings = problem.train.embeddings
    if recipe.k > len(embeddings):
        raise DataError(f"Expected k of at most {len(embeddings)}, the training rows, got {recipe.k}. Lower k.")
    preparation = Preparation.of(embeddings, recipe.standardise, recipe.pca)
    rows = _of_length_one(preparation(embeddings), recipe)
    targets = problem.train.row_targets
    probe = NeighboursProbe(
        recipe, problem.kind, problem.classes, problem.n_outputs, rows, targets, preparation, seed=0
    )
    predicted = probe.predict(problem.valid.embeddings, problem.valid.clips)
    return replace(probe, valid_score=valid_score(problem, predicted))


def _of_length_one(inputs: Float[Array, "rows inputs"], recipe: Recipe) -> Float[Array, "rows inputs"]:
    """Return the rows scaled to length 1 for cosine: half the squared distance is then 1 − cosine, and exactly 0
    between equal rows, which a product of float32 rows is not.
    """
    if recipe.metric == "euclidean":
        return inputs
    lengths = np.sqrt(np.einsum("ri,ri->r", inputs, inputs, dtype=np.float64))
    scaled: Array = inputs / np.where(lengths > 0, lengths, 1)[:, None].astype(np.float32)
    return scaled


def _nearest(
    asked: Float[Array, "asked inputs"], rows: Float[Array, "rows inputs"], recipe: Recipe
) -> Iterator[tuple[Int[Array, " k"], Float[Array, " k"]]]:
    """Yield, for each row asked, the places of its k nearest rows, nearest first, and their distances.

    One product of float32 matrices finds every row that may be among them, with room for its rounding; the distances
    of those are then taken one by one in float64. So neither blocks nor company change an answer.
    """
    centre = rows.mean(axis=0, dtype=np.float64).astype(np.float32)  # distances from afar would cancel
    centred = rows - centre
    step = max(1, BLOCK // len(rows))
    for start in range(0, len(asked), step):
        block = asked[start : start + step]
        for row, is_near in zip(block, _maybe_nearest(block - centre, centred, recipe.k), strict=True):
            maybe = np.flatnonzero(is_near)
            squared = np.square(rows[maybe].astype(np.float64) - row).sum(axis=1)
            order = np.argsort(squared, kind="stable")[: recipe.k]
            yield maybe[order], squared[order] / 2 if recipe.metric == "cosine" else np.sqrt(squared[order])


def _maybe_nearest(
    block: Float[Array, "asked inputs"], rows: Float[Array, "rows inputs"], k: int
) -> Bool[Array, "asked rows"]:
    """Return which rows may be among the k nearest, by squared distances (less what all have) in float32."""
    with np.errstate(over="ignore", invalid="ignore"):
        squares = np.einsum("ri,ri->r", rows, rows)
        rough = squares - 2 * (block @ rows.T)
        kth = np.partition(rough, k - 1, axis=1)[:, k - 1]
        # Of a product of n terms the error is at most n·ε·|a|·|b|, and of the two compared, twice that.
        own, longest = np.sqrt(np.einsum("ri,ri->r", block, block)), np.sqrt(squares.max())
        room = 4 * (rows.shape[1] + 2) * np.finfo(np.float32).eps * longest * (own + longest)
        # What overflows is not greater than anything, and so may be near.
        found: Array = ~(rough > (kth + room)[:, None])
    return found
