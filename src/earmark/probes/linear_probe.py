"""A fitted linear map of embeddings, whichever rule found it: what `logistic` and `ridge` return."""

from collections.abc import Callable
from dataclasses import asdict, dataclass, replace

import numpy as np
from jaxtyping import Float

from earmark.errors import UserError
from earmark.nouns import Kind
from earmark.probes.base import AnyRecipe, Problem, clip_means
from earmark.probes.preparation import Preparation, float64_chunks
from earmark.probes.saved import Saved, pack
from earmark.probes.validation import valid_score

Array = np.ndarray
Curve = Callable[[Kind, Float[Array, "rows outputs"]], Float[Array, "rows outputs"]]


@dataclass(frozen=True, eq=False)
class LinearProbe:
    """A weight (inputs, outputs) and a bias (outputs,), float32, and the curve that turns sums into predictions.

    A bias of −∞ or ∞ stands for a class or label that was never, or always, there in training. `seed` is noted, for
    nothing here is random.
    """

    recipe: AnyRecipe
    kind: Kind
    classes: tuple[str, ...]
    weight: Float[Array, "inputs outputs"]
    bias: Float[Array, " outputs"]
    curve: Curve
    preparation: Preparation
    seed: int
    valid_score: float = float("nan")

    @property
    def input_shape(self) -> tuple[int, int]:
        """The (layers, dim) of the embeddings that it was fitted on."""
        return self.preparation.input_shape

    def predict(self, embeddings: Array, clips: Array | None = None) -> Array:
        """Return (clips, outputs) float32: probabilities of classes, of each label, or values, by kind.

        `embeddings` is float32 (rows, layers, dim). Computed in float64 and rounded once. Raises DataError for
        another shape or for values not finite.
        """
        inputs, weight = self.preparation(embeddings), self.weight.astype(np.float64)
        predicted = np.empty((len(inputs), len(self.bias)), np.float32)
        for rows, chunk in float64_chunks(inputs):
            predicted[rows] = self.curve(self.kind, chunk @ weight + self.bias)
        return clip_means(predicted, clips)

    def judged(self, problem: Problem) -> "LinearProbe":
        """Return it with its score on the validation clips of the problem that it was fitted to."""
        predicted = self.predict(problem.valid.embeddings, problem.valid.clips)
        return replace(self, valid_score=valid_score(problem, predicted))

    def to_bytes(self) -> bytes:
        """Return the probe as a safetensors file. The same probe gives the same bytes."""
        fields = {name: getattr(self, name) for name in ("kind", "classes", "input_shape", "seed", "valid_score")}
        arrays = {"weight": self.weight, "bias": self.bias} | self.preparation.arrays
        return pack(Saved(self.recipe.probe, fields | {"recipe": asdict(self.recipe)}, arrays))


def restored(saved: Saved, recipe: AnyRecipe, curve: Curve) -> LinearProbe:
    """Return the probe that `to_bytes` wrote, of this recipe and curve."""
    fields, arrays = saved.fields, saved.arrays
    return LinearProbe(
        recipe=recipe,
        kind=fields["kind"],
        classes=tuple(fields["classes"]),
        weight=arrays["weight"],
        bias=arrays["bias"],
        curve=curve,
        preparation=Preparation.from_arrays((fields["input_shape"][0], fields["input_shape"][1]), arrays),
        seed=fields["seed"],
        valid_score=fields["valid_score"],
    )


def require_positive(name: str, value: float) -> None:
    """Raise a UserError unless this strength is a number above 0."""
    if not 0 < value < float("inf"):
        raise UserError(f"Expected {name} to be a number above 0, got {value}.")
