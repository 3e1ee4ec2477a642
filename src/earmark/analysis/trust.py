"""When is an interval too narrow to be believed? Rules from bench/coverage.py, whose table docs/trust.md shows.

Without them a 95 % interval of the bootstrap holds the truth in 75 to 90 % of repetitions where clips are few or
nearly all right. What they leave unmarked holds it in 91 to 96 %, but for groups that are right or wrong as a whole.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Int, Num
from scipy.stats import skew

from earmark.analysis.stats import ROUNDING, Array
from earmark.errors import DataError

FEWEST_DRAWN = 15
"""So many clips (groups) must be resampled."""
FEWEST_OF_LABELS = 30
"""So many must have the labels of a macro score, added up as `effective` does."""
FEWEST_RARER = 2
"""So many must be right, and so many wrong, those of a group adding up to its share."""
MOST_SKEW = 0.4
"""Resamples more lopsided than this are of a few clips: five wrong ones among many give 0.45."""


class Basis(NamedTuple):
    """What a score rests on: how many clips (groups) were resampled, and how many speak of each of its labels.

    No `supports`: the score is a mean over clips.
    """

    drawn: int
    supports: Int[Array, " labels"] | None = None


def support(targets: Num[Array, "clips ..."], n_labels: int, groups: Sequence[str] | None) -> Int[Array, " labels"]:
    """Return how many clips speak of each label; where there are at least two groups, how many groups.

    `targets`: (clips,) class indices, and a clip speaks of its class; or (clips, labels) of 0 and 1, and those count
    that have the label or those that lack it, whichever are fewer.
    """
    if groups is not None and len(groups) != len(targets):
        raise DataError(f"Expected one group for each of {len(targets)} clips, got {len(groups)}.")
    names, member = np.unique(groups or [], return_inverse=True)
    if len(names) < 2:
        names, member = np.arange(len(targets)), np.arange(len(targets))
    clips, labels = (np.arange(len(targets)), targets) if targets.ndim == 1 else np.nonzero(targets > 0)
    cells, counts = np.unique(member[clips] * n_labels + labels, return_counts=True)
    present = np.bincount(cells % n_labels, minlength=n_labels)
    if targets.ndim == 1:
        return present
    sizes = np.bincount(member)
    is_full = counts == sizes[cells // n_labels]
    return np.minimum(present, len(names) - np.bincount(cells[is_full] % n_labels, minlength=n_labels))


def effective(supports: Num[Array, " labels"]) -> float:
    """Return how many clips, spread evenly over the labels, would make a macro score as sure as these: L² / Σ 1/m.

    A mean of L labels is as uncertain as its rarest ones make it: 300 clips of one label do not help nine of 3 each.
    Labels without clips are left out, as they are of the score. 0 where none is left.
    """
    found = np.asarray(supports, float)
    found = found[found > 0]
    return float(len(found) ** 2 / (1 / found).sum()) if len(found) else 0.0


def is_narrow(value: float, samples: Float[Array, " resamples"], basis: Basis) -> bool:
    """Return whether the bootstrap interval of a score with these resampled values is too narrow to be believed."""
    if basis.drawn < FEWEST_DRAWN:
        return True
    if basis.supports is not None and effective(basis.supports) < FEWEST_OF_LABELS - ROUNDING:
        return True
    defined = samples[~np.isnan(samples)]
    if len(defined) == 0 or np.ptp(defined) < ROUNDING:
        return value in (0.0, 1.0)
    is_share = basis.supports is None and 0 <= value <= 1
    is_rare = is_share and basis.drawn * min(value, 1 - value) < FEWEST_RARER - ROUNDING
    return bool(is_rare or abs(skew(defined)) > MOST_SKEW)
