"""Targets of a regression in their own standard deviations while a network learns, and back in what it learned."""

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Float

from earmark.probes.base import Problem

Array = np.ndarray


@dataclass(frozen=True, eq=False)
class TargetScaling:
    """Mean and standard deviation of each output over the training clips, (outputs,) float64."""

    mean: Float[Array, " outputs"]
    std: Float[Array, " outputs"]

    @classmethod
    def of(cls, problem: Problem) -> "TargetScaling":
        """Return the scaling of a problem's training targets; an output that never varies keeps its scale."""
        targets = problem.train.targets.astype(np.float64)
        std = targets.std(axis=0)
        return cls(targets.mean(axis=0), np.where(std > 0, std, 1.0))

    def applied(self, problem: Problem) -> Problem:
        """Return the problem with its targets scaled. R² is the same; errors are in standard deviations."""
        scaled = (
            replace(part, targets=((part.targets - self.mean) / self.std).astype(np.float32))
            for part in (problem.train, problem.valid)
        )
        train, valid = scaled
        return replace(problem, train=train, valid=valid)

    def undone(self, weights: Mapping[str, Array], last: str) -> dict[str, Array]:
        """Return weights whose last layer, named `last`, says values in the unit of the targets."""
        weight, bias = weights[f"{last}.weight"], weights[f"{last}.bias"]
        return {
            **weights,
            f"{last}.weight": (weight * self.std).astype(np.float32),
            f"{last}.bias": (bias * self.std + self.mean).astype(np.float32),
        }
