"""Fit probes of any kind, and bring saved ones back: the one place that knows every kind's file."""

from collections.abc import Mapping, Sequence
from types import ModuleType
from typing import cast, get_args

import numpy as np

from earmark.errors import DataError, UserError
from earmark.nouns import Kind
from earmark.probes import kinds, knn, logistic, mlp, own, reading, ridge, select
from earmark.probes.base import AnyRecipe, Fitted, Job, Problem
from earmark.probes.saved import unpack

FITTERS: Mapping[str, ModuleType] = {
    "mlp": mlp,
    "logistic": logistic,
    "ridge": ridge,
    "knn": knn,
    "reading": reading,
    "own": own,
}
SELECTED = select.Recipe.probe
DAMAGED = (ValueError, KeyError, TypeError, AttributeError, IndexError)
"""What comes of a file whose parts are missing or are others. Our own errors, and those of users' code, are none."""


def fit(problem: Problem, jobs: Sequence[Job]) -> list[Fitted]:
    """Return one fitted probe for each job, in order. No job's answer depends on the others.

    Raises DataError for data that cannot be used, UserError where there is nothing to fit.
    """
    if not jobs:
        raise UserError("Expected at least one seed, got none. Give `seeds: [0]` for a single probe.")
    found: dict[int, Fitted] = {}
    for kind in dict.fromkeys(job.recipe.probe for job in jobs):
        places = [place for place, job in enumerate(jobs) if job.recipe.probe == kind]
        asked = [jobs[place] for place in places]
        # A choice is fitted by fitting its candidates: it is handed this very function.
        fitted: Sequence[Fitted] = (
            select.fit(problem, asked, fit) if kind == SELECTED else FITTERS[kind].fit(problem, asked)
        )
        found.update(zip(places, fitted, strict=True))
    return [found[place] for place in range(len(jobs))]


def goes_to_device(recipe: AnyRecipe) -> bool:
    """Return whether a probe is fitted on the problem's device: a dense network, or a choice among some of them."""
    return any(one.probe == "mlp" for one in kinds.candidates(recipe))


def restore(content: bytes) -> Fitted:
    """Return the probe that `Fitted.to_bytes` wrote. Raises DataError for bytes that are none of ours, or damaged."""
    saved = unpack(content)
    try:
        if saved.probe == SELECTED:
            return select.restore(saved, restore, kinds.recipe_of)
        return cast(Fitted, FITTERS[saved.probe].restore(saved))
    except DAMAGED as error:
        raise _damaged(saved.probe, error) from error


def require_whole(fitted: Fitted) -> None:
    """Raise DataError unless a restored probe answers, with finite numbers for every class that it has.

    What restoring does not look at is looked at here: the shapes and numbers of arrays, by asking about one row. What a
    user's own code raises comes through as it is.
    """
    nothing = 1 if any(not kinds.is_fitted(one) for one in kinds.candidates(fitted.recipe)) else 0  # 0 Hz is no pitch
    try:
        with np.errstate(all="ignore"):
            row = np.full((1, *fitted.input_shape), nothing, np.float32)
            answer = fitted.predict(row, np.zeros(1, np.int64))
        n_classes = len(fitted.classes) or len(answer[0])
        is_whole = fitted.kind in get_args(Kind) and len(answer[0]) == n_classes and bool(np.isfinite(answer).all())
    except (*DAMAGED, RuntimeError) as error:  # torch's own
        raise _damaged(fitted.recipe.probe, error) from error
    if not is_whole:
        raise _damaged(fitted.recipe.probe, f"of {fitted.kind}, its answer for nothing {answer[0].tolist()}")


def _damaged(kind: object, why: object) -> DataError:
    return DataError(f"Expected a whole saved probe of kind {kind}, got a damaged one ({why}). Fit it again.")
