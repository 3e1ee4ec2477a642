"""The contract of probes: what they are fitted on, what comes out, and how a kind of probe is a file.

A file of this room that is named like a kind (`mlp`, `logistic`, `ridge`, `knn`, `reading`, `own`) offers

    Recipe                       a frozen dataclass: everything a fit depends on, besides data and seed
    fit(problem, jobs)           → one Fitted a job, in order; a job's answer never depends on the other jobs
    restore(saved)               → the Fitted that `Fitted.to_bytes` wrote (see `saved`)

and nothing else needs to know of it.
"""

from dataclasses import dataclass, fields
from typing import Any, ClassVar, NamedTuple, Protocol, runtime_checkable

import numpy as np
from jaxtyping import Float, Int

from earmark.nouns import Kind
from earmark.probes.monitors import Monitor


class AnyRecipe(Protocol):
    """What the recipes of all kinds share: a dataclass that knows which file fits it."""

    probe: ClassVar[str]
    __dataclass_fields__: ClassVar[dict[str, Any]]


@dataclass(frozen=True, eq=False)
class Examples:
    """Embeddings with the targets of their clips.

    `embeddings`: float32 (rows, layers, dim). `targets`: one a clip, class indices (clips,) or (clips, outputs).
    `clips`: (rows,) the position of the clip that each row is of, ascending, every clip at least once; None where a
    row is a clip. The rows of a clip are its segments, whose predictions are averaged, or its frames, where the
    recipe pools them.
    """

    embeddings: Float[np.ndarray, "rows layers dim"]
    targets: np.ndarray
    clips: Int[np.ndarray, " rows"] | None = None

    @property
    def row_targets(self) -> np.ndarray:
        """The target of each row: that of its clip."""
        found: np.ndarray = self.targets if self.clips is None else self.targets[self.clips]
        return found


@dataclass(frozen=True, eq=False)
class Problem:
    """What probes are fitted to: a kind of task, its training and validation clips, the names of the outputs.

    `monitor` is the validation score of the task where the recipe says "auto"; None takes that of the kind. `device`
    is where networks are fitted, "cpu" or "cuda"; every draw and every answer is the CPU's.
    """

    kind: Kind
    train: Examples
    valid: Examples
    n_outputs: int
    classes: tuple[str, ...] = ()
    monitor: Monitor | None = None
    device: str = "cpu"


class Job(NamedTuple):
    """One probe to fit: how, and the seed (64 bits) of everything random in it."""

    recipe: AnyRecipe
    seed: int


@runtime_checkable
class Fitted(Protocol):
    """A fitted probe. `valid_score` is the monitor's on the validation clips; `input_shape` is (layers, dim)."""

    @property
    def recipe(self) -> AnyRecipe:
        """How it was made."""
        ...

    @property
    def kind(self) -> Kind:
        """The kind of task."""
        ...

    @property
    def classes(self) -> tuple[str, ...]:
        """The names of its outputs, or none."""
        ...

    @property
    def input_shape(self) -> tuple[int, int]:
        """The (layers, dim) that it takes."""
        ...

    @property
    def valid_score(self) -> float:
        """Its score on the validation clips, higher is better."""
        ...

    def predict(
        self, embeddings: Float[np.ndarray, "rows layers dim"], clips: Int[np.ndarray, " rows"] | None = None
    ) -> Float[np.ndarray, "clips outputs"]:
        """Return probabilities of classes, of each label, or values, float32: one row a clip (see Examples)."""
        ...

    def to_bytes(self) -> bytes:
        """Return it as a safetensors file; the same probe gives the same bytes."""
        ...


def clip_means(
    values: Float[np.ndarray, "rows outputs"], clips: Int[np.ndarray, " rows"] | None
) -> Float[np.ndarray, "clips outputs"]:
    """Return the mean over the rows of each clip, float64 inside; without `clips`, the rows as they are."""
    if clips is None:
        return values
    starts = np.flatnonzero(np.diff(clips, prepend=-1))
    counts = np.diff(np.append(starts, len(clips)))
    return (np.add.reduceat(values.astype(np.float64), starts, axis=0) / counts[:, None]).astype(values.dtype)


def told(recipe: AnyRecipe) -> dict[str, Any]:
    """Return what a recipe says beyond its kind's defaults, and its kind: what enters a key.

    So a field that is added later, with a default that does what was done before, changes no key.
    """
    said = {one.name: getattr(recipe, one.name) for one in fields(recipe) if getattr(recipe, one.name) != one.default}
    return {"kind": recipe.probe, **{name: _plain(value) for name, value in said.items()}}


def _plain(value: Any) -> Any:
    """Return a field as JSON has it: recipes within a recipe are told as well."""
    if isinstance(value, tuple):
        return [_plain(one) for one in value]
    return told(value) if hasattr(value, "probe") else value
