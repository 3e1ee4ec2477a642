"""The kinds of probes by the names that experiment files use."""

from collections.abc import Mapping
from itertools import chain
from typing import Any, cast

from earmark.errors import UnknownName
from earmark.probes import knn, logistic, own_recipe, reading, ridge, select
from earmark.probes.base import AnyRecipe
from earmark.probes.recipe import Recipe

RECIPES: Mapping[str, type[AnyRecipe]] = {
    recipe.probe: recipe
    for recipe in (
        *(Recipe, logistic.Recipe, ridge.Recipe, knn.Recipe),
        *(reading.Recipe, own_recipe.Recipe, select.Recipe),
    )
}


def recipe_of(said: Mapping[str, Any]) -> AnyRecipe:
    """Return the recipe that `base.told` told, also after it went through JSON. Raises UnknownName."""
    if said["kind"] not in RECIPES:
        raise UnknownName("kind of probe", said["kind"], RECIPES)
    made: Any = RECIPES[said["kind"]]
    return cast(AnyRecipe, made(**{name: _value(value) for name, value in said.items() if name != "kind"}))


def candidates(recipe: AnyRecipe) -> tuple[AnyRecipe, ...]:
    """Return the recipes that a choice is among, also of choices within it; another recipe alone."""
    if isinstance(recipe, select.Recipe):
        return tuple(chain.from_iterable(map(candidates, recipe.recipes)))
    return (recipe,)


def is_fitted(recipe: AnyRecipe) -> bool:
    """Say whether a probe learns from the training clips: a reading does not."""
    return not isinstance(recipe, reading.Recipe)


def fewest_clips(recipe: AnyRecipe) -> int:
    """Return how many training clips a recipe needs at least: neighbours, components, a batch that must be full."""
    pca = getattr(recipe, "pca", None) or 0
    own = max(getattr(recipe, "k", 1), int(pca) if pca >= 1 else 1)
    if getattr(recipe, "drop_last", False):
        own = max(own, getattr(recipe, "batch_size", 1))
    if getattr(recipe, "batch_norm", False):
        own = max(own, 2)
    return max([own, *map(fewest_clips, getattr(recipe, "recipes", ()))])


def fewest_for_warm_up(recipe: AnyRecipe) -> int:
    """Return how many training clips, of one row each, a recipe needs to be trained beyond its warm-up."""
    own = 1
    if isinstance(recipe, Recipe) and recipe.steps is None and recipe.warm_up_steps:
        n_batches = recipe.warm_up_steps // recipe.epochs + 1
        # A batch norm cannot take a batch of one, which joins the one before it.
        last = recipe.batch_size if recipe.drop_last else 1 + (recipe.batch_norm and n_batches > 1)
        own = (n_batches - 1) * recipe.batch_size + min(last, recipe.batch_size)
    return max([own, *map(fewest_for_warm_up, getattr(recipe, "recipes", ()))])


def code_sha256(recipe: AnyRecipe) -> tuple[str, ...]:
    """Return the sha256 of every file of a user's own that a recipe names, in order; nothing for earmark's kinds.

    It reads those files: for whoever makes a probe's key, before it is fitted.
    """
    if isinstance(recipe, own_recipe.Recipe):
        return (own_recipe.code_sha256(recipe),)
    if isinstance(recipe, select.Recipe):
        return tuple(chain.from_iterable(map(code_sha256, recipe.recipes)))
    return ()


def _value(value: object) -> object:
    match value:
        case list() | tuple():
            return tuple(map(_value, value))
        case Mapping() if "kind" in value:
            return recipe_of(value)
    return value
