"""Which training examples an epoch sees, in which order, and how they are cut into batches."""

import numpy as np
from jaxtyping import Int

from earmark.errors import DataError
from earmark.probes.recipe import Recipe, TrainSampling


def epoch_length(how: TrainSampling, labels: Int[np.ndarray, " examples"], n_examples: int) -> int:
    """Return how many examples an epoch has: all, or, balanced, about as many, each class equally often."""
    if how != "balanced":
        return n_examples
    n_classes = len(np.unique(labels))
    return n_classes * -(-n_examples // n_classes)


def order(
    how: TrainSampling, labels: Int[np.ndarray, " examples"], n_examples: int, rng: np.random.Generator
) -> Int[np.ndarray, " epoch"]:
    """Return the examples of an epoch in random order.

    Balanced: each class that there is gives ⌈examples / classes⌉; of a class with fewer examples every one comes in
    turn, again and again, and which ones come once more is drawn; of a larger class a draw without replacement.
    """
    if how != "balanced":
        return rng.permutation(n_examples)
    n_each = epoch_length(how, labels, n_examples) // len(np.unique(labels))
    drawn = [_some(np.flatnonzero(labels == label), n_each, rng) for label in np.unique(labels)]
    return rng.permutation(np.concatenate(drawn))


def batch_sizes(recipe: Recipe, length: int) -> list[int]:
    """Return the sizes of an epoch's batches.

    The last one may be smaller, unless the recipe drops it; one of a single example joins the batch before it where
    there is a batch norm, which cannot take one. Raises DataError where no batch would be left.
    """
    sizes = [min(recipe.batch_size, length - start) for start in range(0, length, recipe.batch_size)]
    if recipe.drop_last and sizes[-1] < recipe.batch_size:
        if len(sizes) == 1:
            raise DataError(
                f"drop_last would leave out all {length} training clips: they fill no batch of {recipe.batch_size}. "
                "Lower batch_size, or leave drop_last out."
            )
        return sizes[:-1]
    if recipe.batch_norm and sizes[-1] == 1:
        if len(sizes) == 1 or recipe.batch_size == 1:
            raise DataError(
                f"batch_norm needs batches of at least 2 clips, got {length} training clips in batches of "
                f"{recipe.batch_size}. Raise batch_size, or leave batch_norm out."
            )
        return [*sizes[:-2], sizes[-2] + 1]
    return sizes


def _some(places: Int[np.ndarray, " places"], n_wanted: int, rng: np.random.Generator) -> np.ndarray:
    rounds, rest = divmod(n_wanted, len(places))
    return np.concatenate([*[places] * rounds, rng.permutation(places)[:rest]])
