"""A scikit-learn estimator of the user's as a probe, or any class with its `fit` and `predict`.

A fitted estimator can be written down whole only by pickling it, which runs whatever the file says when it is read,
or by libraries that keep a list of types they trust, of which forests and boosting are not part, and whose bytes
differ from one writing to the next. So what is saved is what it was fitted on: the prepared training rows, and its
answers on the first of them. Restoring fits it again and compares. That costs the rows' memory and the time of a
fit, holds for every estimator, and tells when another version of its library, or code that draws from elsewhere
than `random_state`, gives another answer.
"""

from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np
import sklearn
from jaxtyping import Float
from scipy.special import expit, softmax

from earmark.errors import DataError, UserError
from earmark.lookup import blamed
from earmark.nouns import Kind
from earmark.probes.base import Problem, clip_means
from earmark.probes.inputs import ONE_CLASS
from earmark.probes.own_recipe import Recipe, named_class, own_seed
from earmark.probes.preparation import Preparation
from earmark.probes.saved import Saved, pack
from earmark.probes.validation import valid_score

Array = np.ndarray

N_COMPARED, SAME = 64, 1e-4
"""Training rows whose answers are compared after restoring, and by how much they may differ (of their largest)."""


@dataclass(frozen=True, eq=False)
class EstimatorProbe:
    """A fitted estimator, with the prepared training rows and the target of each that it was fitted on."""

    recipe: Recipe
    kind: Kind
    classes: tuple[str, ...]
    n_outputs: int
    estimator: Any
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
        """Return (clips, outputs) float32: probabilities of classes, of each label, or values, by kind.

        Of the estimator's predict_proba; else of its decision_function through softmax or, for labels, the logistic
        curve, in the order of its values and not calibrated; else of its predict. Raises DataError for embeddings of
        another shape or not finite, UserError where the estimator answers wrongly.
        """
        return clip_means(self.answers(self.preparation(embeddings)), clips)

    def answers(self, inputs: Float[Array, "rows inputs"]) -> Float[Array, "rows outputs"]:
        """Return what the estimator predicts for prepared rows."""
        if not len(inputs):
            return np.empty((0, self.n_outputs), np.float32)
        try:
            predicted = _predicted(self, inputs)
        except Exception as error:  # whatever the user's own code raises is for the user to read
            raise blamed(f"'{self.recipe.name}', when it predicted,", error) from error
        if predicted.shape != (len(inputs), self.n_outputs) or not np.isfinite(predicted).all():
            raise UserError(
                f"Expected '{self.recipe.name}' to predict finite numbers {(len(inputs), self.n_outputs)}, got "
                f"{predicted.shape}, {np.isfinite(predicted).sum()} of them finite."
            )
        return predicted.astype(np.float32)

    def to_bytes(self) -> bytes:
        """Return the probe as a safetensors file, which holds its training rows. The same probe, the same bytes."""
        names = ("kind", "classes", "n_outputs", "input_shape", "seed", "valid_score")
        fields = {name: getattr(self, name) for name in names}
        fields |= {"recipe": asdict(self.recipe), "scikit-learn": sklearn.__version__}
        answers = self.answers(self.rows[:N_COMPARED])
        arrays = {"rows": self.rows, "targets": self.targets, "answers": answers} | self.preparation.arrays
        return pack(Saved(Recipe.probe, fields, arrays))


def fit(problem: Problem, recipe: Recipe, preparation: Preparation, seed: int) -> EstimatorProbe:
    """Return a fitted estimator; the seed is its random_state, if it has one and `params` does not set it."""
    rows, targets = preparation(problem.train.embeddings), problem.train.row_targets
    estimator = _fitted(recipe, problem.kind, rows, targets, seed)
    probe = EstimatorProbe(
        recipe, problem.kind, problem.classes, problem.n_outputs, estimator, rows, targets, preparation, seed
    )
    predicted = probe.predict(problem.valid.embeddings, problem.valid.clips)
    return replace(probe, valid_score=valid_score(problem, predicted))


def restore(saved: Saved, recipe: Recipe) -> EstimatorProbe:
    """Return the probe that `to_bytes` wrote, fitted again. Raises DataError where it answers otherwise than then."""
    fields, arrays = saved.fields, saved.arrays
    probe = EstimatorProbe(
        recipe=recipe,
        kind=fields["kind"],
        classes=tuple(fields["classes"]),
        n_outputs=fields["n_outputs"],
        estimator=_fitted(recipe, fields["kind"], arrays["rows"], arrays["targets"], fields["seed"]),
        rows=arrays["rows"],
        targets=arrays["targets"],
        preparation=Preparation.from_arrays((fields["input_shape"][0], fields["input_shape"][1]), arrays),
        seed=fields["seed"],
        valid_score=fields["valid_score"],
    )
    then, now = arrays["answers"], probe.answers(probe.rows[:N_COMPARED])
    apart = float(np.abs(then - now).max())
    if not apart <= SAME * float(np.abs(then).max(initial=1)):
        raise DataError(
            f"'{recipe.name}', fitted again from this saved probe, answers otherwise than then (by {apart:.2g}): "
            f"its library is another (scikit-learn was {fields['scikit-learn']}, is {sklearn.__version__}), or it "
            "draws from elsewhere than random_state. Fit the probe again."
        )
    return probe


def _fitted(recipe: Recipe, kind: Kind, rows: Float[Array, "rows inputs"], targets: Array, seed: int) -> Any:
    # To scikit-learn one output is a vector, and labels are whole numbers.
    wanted = targets[:, 0] if targets.ndim == 2 and targets.shape[1] == 1 else targets
    wanted = wanted if kind == "regression" else wanted.astype(np.int64)
    try:
        estimator = named_class(recipe.name)(**recipe.arguments)
        known = estimator.get_params() if hasattr(estimator, "get_params") else {}
        if "random_state" in known and "random_state" not in recipe.arguments:
            estimator.set_params(random_state=own_seed(seed))
        return estimator.fit(rows, wanted)
    except Exception as error:  # whatever the user's own code raises is for the user to read
        raise blamed(f"'{recipe.name}', when it was fitted,", error) from error


def _predicted(probe: EstimatorProbe, inputs: Float[Array, "rows inputs"]) -> Float[Array, "rows outputs"]:
    estimator, shape = probe.estimator, (len(inputs), probe.n_outputs)
    if probe.kind == "regression":
        return np.asarray(estimator.predict(inputs)).reshape(len(inputs), -1)
    if hasattr(estimator, "predict_proba"):
        found = estimator.predict_proba(inputs)
        if probe.kind in ONE_CLASS:
            return _placed(np.asarray(found), estimator.classes_, shape)
        return _of_labels(found, estimator, shape)
    if hasattr(estimator, "decision_function"):
        values = np.asarray(estimator.decision_function(inputs), np.float64)
        if probe.kind == "multilabel":
            return np.asarray(expit(values.reshape(len(inputs), -1)))
        two = np.stack([-values, values], axis=1) / 2 if values.ndim == 1 else values
        return _placed(softmax(two, axis=1), estimator.classes_, shape)
    said = np.asarray(estimator.predict(inputs))
    if probe.kind == "multilabel":
        return said.reshape(len(inputs), -1).astype(np.float64)
    return np.eye(probe.n_outputs)[said.astype(np.int64)]


def _placed(found: Float[Array, "rows classes"], classes: Array, shape: tuple[int, int]) -> Array:
    """Return the columns at the places of their classes; 0 for a class that was absent from training."""
    placed = np.zeros(shape)
    placed[:, np.asarray(classes, np.int64)] = found
    return placed


def _of_labels(found: Any, estimator: Any, shape: tuple[int, int]) -> Float[Array, "rows labels"]:
    """Return the probability of each label: of a list of (rows, 2), one a label, or of one array (rows, labels)."""
    several = found if isinstance(found, list) else None
    if several is None and shape[1] == 1 and np.shape(found)[1] == len(estimator.classes_):
        several = [found]
    if several is None:
        return np.asarray(found)
    classes = (
        [estimator.classes_] if len(several) == 1 and len(np.shape(estimator.classes_)) == 1 else estimator.classes_
    )
    each = [_placed(np.asarray(one), known, (shape[0], 2))[:, 1] for one, known in zip(several, classes, strict=True)]
    return np.stack(each, axis=1)
