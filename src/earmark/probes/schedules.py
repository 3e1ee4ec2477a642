"""The learning rate of a step, and what a plateau does to it."""

from dataclasses import dataclass
from math import cos, inf, pi

from earmark.probes.recipe import Recipe

THRESHOLD = 1e-4
"""A better criterion lowers no rate only where it is better by this share of the best, as in torch."""


def learning_rate(recipe: Recipe, step: int, n_steps: int) -> float:
    """Return the learning rate of step 0 … `n_steps` − 1, before any plateau.

    It rises in a straight line from 0 at step 0 to the recipe's at step `warm_up_steps`; after that, cosine falls
    to 0 at step `n_steps` by half a turn. Source: McCallum et al. 2022 (MULE), §4; Loshchilov & Hutter 2017.
    """
    if step < recipe.warm_up_steps:
        return recipe.learning_rate * step / recipe.warm_up_steps
    if recipe.schedule == "cosine":
        way = (step - recipe.warm_up_steps) / (n_steps - recipe.warm_up_steps)
        return recipe.learning_rate * (1 + cos(pi * way)) / 2
    return recipe.learning_rate


@dataclass
class Plateau:
    """How much a learning rate has been lowered because the criterion stood still: torch's ReduceLROnPlateau."""

    factor: float
    patience: int
    scale: float = 1.0
    best: float = -inf
    n_bad: int = 0

    def note(self, criterion: float) -> None:
        """Take in a check's criterion, higher is better."""
        if self.best == -inf or criterion > self.best + THRESHOLD * abs(self.best):
            self.best, self.n_bad = criterion, 0
        else:
            self.n_bad += 1
        if self.n_bad > self.patience:
            self.scale, self.n_bad = self.scale * self.factor, 0
