"""The score of predictions on the validation clips of a problem: what chooses between probes of any kind."""

import numpy as np
from jaxtyping import Float

from earmark.errors import DataError
from earmark.probes.base import Problem
from earmark.probes.monitors import MONITORS


def valid_score(problem: Problem, predictions: Float[np.ndarray, "clips outputs"]) -> float:
    """Return the score of the problem's monitor, or of its kind's, higher is better. Raises DataError if undefined."""
    monitor = problem.monitor or MONITORS[problem.kind]
    score = float(monitor(problem.valid.targets, predictions))
    if not np.isfinite(score):
        raise DataError(
            f"Expected a validation score, got {score}: it is undefined on these {len(problem.valid.targets)} "
            "validation clips (no label with a positive, or no output that varies). Choose a larger validation split."
        )
    return score
