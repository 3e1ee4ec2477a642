"""Saved probes whose bytes were changed are refused by a sentence, whatever their kind; whole ones come back."""

import json
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
import safetensors.numpy

from earmark.errors import DataError, UserError
from earmark.nouns import Kind
from earmark.probes import fit, knn, logistic, own, reading, ridge, select
from earmark.probes.base import AnyRecipe, Examples, Fitted, Job, Problem
from earmark.probes.recipe import Recipe

HERE = "tests.probes.users_probes"
RNG = np.random.default_rng(5)
EMBEDDINGS = RNG.standard_normal((40, 2, 3), dtype=np.float32)
LINEAR = logistic.Recipe(standardise=True, pca=4)
PROBES: dict[str, tuple[AnyRecipe, Kind]] = {
    "mlp": (Recipe((4,), epochs=2, standardise=True), "multiclass"),
    "mlp of frames": (Recipe((), epochs=2, pool_frames="attention"), "multilabel"),
    "mlp of pooled frames": (Recipe((), epochs=2, pool_frames="mean_std"), "multiclass"),
    "mlp of weighed layers": (Recipe((), epochs=2, layer_weights=True), "regression"),
    "logistic": (LINEAR, "multiclass"),
    "logistic of labels": (LINEAR, "multilabel"),
    "ridge": (ridge.Recipe(), "regression"),
    "knn": (knn.Recipe(weights="distance"), "multiclass"),
    "module": (own.Recipe(f"{HERE}:Small", epochs=2), "multiclass"),
    "estimator": (own.Recipe("sklearn.naive_bayes:GaussianNB"), "multiclass"),
    "choice": (select.Recipe((LINEAR, knn.Recipe()), (0, 1)), "multiclass"),
    "reading": (reading.Recipe("hz"), "pitch"),
}


def made(name: str) -> Fitted:
    """Return a fitted probe of two or three outputs."""
    recipe, kind = PROBES[name]
    if kind == "pitch":
        pitches = np.full((40, 1, 1), 440, np.float32)
        both = Examples(pitches, np.zeros(40, np.int64))
        return fit.fit(Problem(kind, both, both, 2, ("69", "70")), [Job(recipe, 0)])[0]
    targets: dict[Kind, np.ndarray] = {
        "multiclass": RNG.integers(3, size=40),
        "multilabel": RNG.integers(2, size=(40, 3)).astype(np.float32),
        "regression": RNG.standard_normal((40, 3)).astype(np.float32),
    }
    both = Examples(EMBEDDINGS, targets[kind])
    return fit.fit(Problem(kind, both, both, 3, ("x", "y", "z")), [Job(recipe, 0)])[0]


def opened(content: bytes) -> Fitted:
    found = fit.restore(content)
    fit.require_whole(found)
    return found


@pytest.mark.parametrize("name", PROBES)
def test_a_whole_probe_of_every_kind_comes_back(name: str) -> None:
    probe = made(name)
    again = opened(probe.to_bytes())
    assert (again.kind, again.classes) == (probe.kind, probe.classes)
    assert again.to_bytes() == probe.to_bytes()


@pytest.mark.parametrize("name", PROBES)
def test_a_probe_of_which_anything_is_missing_or_another_is_refused(name: str) -> None:
    found = {what: error_of(damaged) for what, damaged in damages(made(name).to_bytes())}
    assert {what for what, error in found.items() if error is None} <= SPARE
    assert sum(isinstance(error, DataError) for error in found.values()) >= 5


def error_of(content: bytes) -> UserError | None:
    """Return how bytes are refused; any other error than ours fails the test."""
    try:
        opened(content)
    except UserError as error:
        return error
    return None


SPARE = {
    *(f"{name} 5" for name in ("seed", "valid_score", "best_epoch", "history", "winner", "n_outputs", "trials")),
    *("scikit-learn 5", "scikit-learn missing", "midi shorter", "state.layers.0.num_batches_tracked missing"),
}
"""What may be another number without an answer being wrong."""


def damages(content: bytes) -> Iterator[tuple[str, bytes]]:
    """Yield what was changed, and the bytes: each part missing, or of another type, or of another shape."""
    head = json.loads(content[8 : 8 + int.from_bytes(content[:8], "little")])
    fields = json.loads(head["__metadata__"]["earmark.probe"])
    arrays = safetensors.numpy.load(content)
    for name in fields:
        yield f"{name} missing", packed({one: value for one, value in fields.items() if one != name}, arrays)
        yield f"{name} 5", packed(fields | {name: 5}, arrays)
    for name, array in arrays.items():
        yield f"{name} missing", packed(fields, {one: value for one, value in arrays.items() if one != name})
        yield f"{name} shorter", packed(fields, arrays | {name: np.ascontiguousarray(array[..., :-1])})
    wrongs: tuple[object, ...] = ([1], "x", None, {})
    for wrong in wrongs:
        yield f"fields {wrong}", packed(wrong, arrays)
    yield "none of ours", packed(fields | {"probe": "zzz"}, arrays)
    yield "more bytes", content + b"x"
    yield "no arrays", packed(fields, {})


def packed(fields: object, arrays: dict[str, Any]) -> bytes:
    return bytes(safetensors.numpy.save(arrays, {"earmark.probe": json.dumps(fields)}))


def test_weights_that_are_no_numbers_are_refused() -> None:
    content = made("logistic").to_bytes()
    head = json.loads(content[8 : 8 + int.from_bytes(content[:8], "little")])
    fields, arrays = json.loads(head["__metadata__"]["earmark.probe"]), safetensors.numpy.load(content)
    with pytest.raises(
        DataError, match=r"of kind logistic, got a damaged one \(of multiclass, its answer for nothing \[nan"
    ):
        opened(packed(fields, arrays | {"weight": np.full_like(arrays["weight"], np.nan)}))


def test_what_a_users_own_class_raises_comes_through_as_it_is() -> None:
    content = made("module").to_bytes()
    with pytest.raises(UserError, match=r"Expected 'tests\.probes\.users_probes:Gonex' to be importable") as caught:
        opened(content.replace(b":Small", b":Gonex"))
    assert not isinstance(caught.value, DataError)
