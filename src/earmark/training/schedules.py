"""The learning rate of a step: a rise in a straight line, then a fall or none. Pure."""

from dataclasses import dataclass
from math import cos, pi
from typing import Literal

from earmark.errors import UserError

Kind = Literal["linear", "cosine", "constant"]


@dataclass(frozen=True)
class Schedule:
    """What the rate does after `warm_up_steps`, in which it rises to `learning_rate`.

    linear: it falls to 0 at the last step's end; cosine: so by half a turn; constant: it stays.
    Raises UserError for steps or a rate below 0.
    """

    learning_rate: float
    warm_up_steps: int = 0
    kind: Kind = "linear"

    def __post_init__(self) -> None:
        if self.learning_rate < 0 or self.warm_up_steps < 0:
            raise UserError(
                f"Expected a learning rate and warm-up steps of at least 0, got {self.learning_rate} and "
                f"{self.warm_up_steps}."
            )

    def at(self, step: int, n_steps: int) -> float:
        """Return the learning rate of step 0 … `n_steps` − 1.

        It is (step + 1) / warm_up_steps of the whole while it rises, so that no step is for nothing, and the fall
        reaches 0 at step `n_steps`. A run that ends before the warm-up does is the rise alone. Source: Baevski et al.
        2020, §4.2 (linear); Loshchilov & Hutter 2017 (cosine). Differs: the common recipes rise from 0, one step later.
        """
        if step < self.warm_up_steps:
            return self.learning_rate * (step + 1) / self.warm_up_steps
        way = (step - self.warm_up_steps) / max(1, n_steps - self.warm_up_steps)
        match self.kind:
            case "linear":
                return self.learning_rate * max(0.0, 1.0 - way)
            case "cosine":
                return self.learning_rate * (1.0 + cos(pi * min(1.0, way))) / 2.0
            case "constant":
                return self.learning_rate
