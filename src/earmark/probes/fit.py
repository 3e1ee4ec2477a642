"""Fit probes of any kind, and bring saved ones back: the one place that knows every kind's file."""

from collections.abc import Mapping, Sequence
from types import ModuleType
from typing import cast

from earmark.errors import UserError
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
    """Return the probe that `Fitted.to_bytes` wrote. Raises DataError for bytes that are none of ours."""
    saved = unpack(content)
    if saved.probe == SELECTED:
        return select.restore(saved, restore, kinds.recipe_of)
    return cast(Fitted, FITTERS[saved.probe].restore(saved))
