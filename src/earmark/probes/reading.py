"""No probe at all: what a representation gives is the pitch itself, and is read as the answer of a pitch task.

A pitch tracker is scored so on the clips of a task, beside probes: its frames' pitches are pooled to one number a clip.
"""

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from typing import ClassVar, Literal, cast, get_args

import numpy as np
from jaxtyping import Float

from earmark.errors import DataError, UnknownName, UserError
from earmark.metrics.pitch import read_scores
from earmark.nouns import Kind
from earmark.probes.base import Job, Problem, clip_means
from earmark.probes.inputs import check_shape
from earmark.probes.saved import Saved, pack
from earmark.probes.validation import valid_score

Array = np.ndarray
Unit = Literal["midi", "hz"]
INPUT_SHAPE = (1, 1)


@dataclass(frozen=True)
class Recipe:
    """The one number of a clip is its pitch: a MIDI number, with fractions, or a frequency in Hz. Nothing is fitted."""

    probe: ClassVar[str] = "reading"

    unit: Unit = "midi"

    def __post_init__(self) -> None:
        if self.unit not in get_args(Unit):
            raise UnknownName("unit of a pitch", self.unit, get_args(Unit))


@dataclass(frozen=True, eq=False)
class Reading:
    """What reads pitches; `classes` are the MIDI numbers of the task as text."""

    recipe: Recipe
    kind: Kind
    classes: tuple[str, ...]
    seed: int
    valid_score: float = float("nan")

    @property
    def input_shape(self) -> tuple[int, int]:
        """One layer of one number."""
        return INPUT_SHAPE

    def predict(
        self, embeddings: Float[Array, "rows layers dim"], clips: Array | None = None
    ) -> Float[Array, "clips classes"]:
        """Return (clips, classes) float32 as `metrics.pitch.read_scores` makes them: the nearest class wins.

        Raises DataError for more than one number a row, numbers not finite, and frequencies that are none.
        """
        check_shape(embeddings, INPUT_SHAPE)
        pitches = clip_means(embeddings[:, 0].astype(np.float64), clips)[:, 0]
        if self.recipe.unit == "hz":
            if not (pitches > 0).all():
                raise DataError(f"Expected frequencies above 0 Hz to read, got {pitches.min():g}. Is the unit midi?")
            pitches = 69 + 12 * np.log2(pitches / 440)
        return read_scores(pitches, self.classes).astype(np.float32)

    def to_bytes(self) -> bytes:
        """Return it as a safetensors file. The same reading gives the same bytes."""
        fields = {name: getattr(self, name) for name in ("kind", "classes", "seed", "valid_score")}
        arrays = {"midi": np.array(self.classes, np.float32)}
        return pack(Saved(Recipe.probe, fields | {"recipe": asdict(self.recipe)}, arrays))


def require_pitch(kind: Kind) -> None:
    """Raise UserError for a task of another kind."""
    if kind != "pitch":
        raise UserError(f"A reading is of pitch, and this task is {kind}. Write a probe that is fitted.")


def fit(problem: Problem, jobs: Sequence[Job]) -> list[Reading]:
    """Return a reading for each job: nothing is learnt, and the training clips are not looked at."""
    require_pitch(problem.kind)
    return [
        _judged(Reading(cast(Recipe, job.recipe), problem.kind, problem.classes, job.seed), problem) for job in jobs
    ]


def restore(saved: Saved) -> Reading:
    """Return the reading that `to_bytes` wrote."""
    fields = saved.fields
    recipe = Recipe(**fields["recipe"])
    return Reading(recipe, fields["kind"], tuple(fields["classes"]), fields["seed"], fields["valid_score"])


def _judged(reading: Reading, problem: Problem) -> Reading:
    if not len(problem.valid.embeddings):
        return reading
    return replace(
        reading, valid_score=valid_score(problem, reading.predict(problem.valid.embeddings, problem.valid.clips))
    )
