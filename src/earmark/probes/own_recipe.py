"""What a probe of the user's own is made by: the name of a class, and what it is made with."""

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any, ClassVar

from torch import nn

from earmark import lookup
from earmark.errors import UserError
from earmark.probes.preparation import require_pca

FOR_MODULES = ("learning_rate", "batch_size", "epochs", "patience")


@dataclass(frozen=True)
class Recipe:
    """A class of the user's, `name`, and the `params` that it is made with.

    A torch module is made as Name(n_inputs, n_outputs, **params) and trained as `own_module` says, by learning_rate,
    batch_size, epochs and patience; anything with `fit` and `predict` as scikit-learn has them is made as
    Name(**params) and fitted once. `params` may be given as a mapping; it is kept sorted by name, lists as tuples.
    `standardise` and `pca`: see `Preparation`.
    """

    probe: ClassVar[str] = "own"

    name: str
    params: Any = ()
    standardise: bool = False
    pca: int | float | None = None
    learning_rate: float = 1e-3
    batch_size: int = 100
    epochs: int = 100
    patience: int = 10

    def __post_init__(self) -> None:
        pairs = self.params.items() if isinstance(self.params, Mapping) else self.params
        object.__setattr__(self, "params", tuple(sorted((str(key), _frozen(key, value)) for key, value in pairs)))
        require_pca(self.pca)
        for field in FOR_MODULES:
            value = getattr(self, field)
            if not (0 < value < float("inf") and (field == "learning_rate" or value == int(value))):
                expected = "a number above 0" if field == "learning_rate" else "a whole number of at least 1"
                raise UserError(f"Expected {field} to be {expected}, got {value}.")

    @property
    def arguments(self) -> dict[str, Any]:
        """The params as keyword arguments."""
        return dict(self.params)


def named_class(name: str) -> type:
    """Return the class that a recipe names. Only a class that can be a probe: a saved file must not call anything."""
    if ":" not in name:
        raise UserError(f"Expected the name of a probe as package.module:Name, got '{name}'.")
    found = lookup.imported(name)
    if not isinstance(found, type) or not (issubclass(found, nn.Module) or _is_estimator(found)):
        raise UserError(
            f"Expected '{name}' to be a torch.nn.Module, or a class with fit(X, y) and predict(X) as scikit-learn has "
            f"them, got {found!r}. Write a class of your own around it."
        )
    return found


def is_module(recipe: Recipe) -> bool:
    """Say whether a recipe's class is a torch module. Raises UserError where it is not but is told how to train."""
    if issubclass(named_class(recipe.name), nn.Module):
        return True
    given = [each.name for each in fields(recipe) if each.name in FOR_MODULES]
    given = [name for name in given if getattr(recipe, name) != getattr(Recipe, name)]
    if given:
        raise UserError(f"{', '.join(given)}: for a torch module, but '{recipe.name}' trains itself. Put it in params.")
    return False


def code_sha256(recipe: Recipe) -> str:
    """Return the sha256 of the file that defines a recipe's class: of the user's code what belongs to a probe's key."""
    return lookup.code_sha256(recipe.name)


def own_seed(seed: int) -> int:
    """Return 32 bits of a seed of 64, for libraries that take no more; each of the 64 counts."""
    return (seed ^ (seed >> 32)) % 2**32


def _is_estimator(found: type) -> bool:
    return all(callable(getattr(found, name, None)) for name in ("fit", "predict"))


def _frozen(key: object, value: object) -> object:
    if isinstance(value, list | tuple):
        return tuple(_frozen(key, one) for one in value)
    if value is None or isinstance(value, bool | int | float | str):
        return value
    raise UserError(f"Expected params to be numbers, words or lists of them, got {key} = {value!r}. Set it in a class.")
