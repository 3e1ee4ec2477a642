"""A probe of the user's own: any torch module or scikit-learn estimator, by "package.module:Name".

Found by name again when it is restored, so that nothing is ever unpickled: see `own_module` and `own_estimator`.
"""

from collections.abc import Sequence
from typing import cast

from earmark.probes import own_estimator, own_module
from earmark.probes.base import Fitted, Job, Problem
from earmark.probes.inputs import check_problem
from earmark.probes.own_recipe import Recipe, is_module
from earmark.probes.preparation import Preparation
from earmark.probes.saved import Saved

__all__ = ["Recipe", "fit", "restore"]


def fit(problem: Problem, jobs: Sequence[Job]) -> list[Fitted]:
    """Return one fitted probe for each job, in order, each fitted by itself.

    Raises UserError for a name that leads nowhere, and for an error that the user's code raises; DataError for data
    that cannot be used.
    """
    check_problem(problem)
    fitted: list[Fitted] = []
    for job in jobs:
        recipe = cast(Recipe, job.recipe)
        own = own_module if is_module(recipe) else own_estimator
        preparation = Preparation.of(problem.train.embeddings, recipe.standardise, recipe.pca)
        fitted.append(own.fit(problem, recipe, preparation, job.seed))
    return fitted


def restore(saved: Saved) -> Fitted:
    """Return the probe that `to_bytes` wrote. Runs the user's code again, found by its name."""
    recipe = Recipe(**saved.fields["recipe"])
    own = own_module if is_module(recipe) else own_estimator
    restored: Fitted = own.restore(saved, recipe)
    return restored
