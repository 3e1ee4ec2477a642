"""What was said of clips beside what is true of them, as tables of counts: pure functions of targets and scores.

A clip has one answer (classes), one a label (labels), or one a dimension (numbers). Each answer stands in a row, by
what is true, and for each seed in a column, by what was said. Nothing is kept a class and clip: 900 classes of 100,000
clips are three arrays of 100,000 a seed.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Bool, Float, Int, Num
from numpy.typing import NDArray

Array = NDArray[Any]
FOUND, MISSED, WRONGLY_GIVEN = 0, 1, 2
NOWHERE = -1
THRESHOLD = 0.5
"""A label is given where its score is above this: that of metrics/classes.py `f1`, and of the prediction files."""
N_RANGES = 3


class Members(NamedTuple):
    """The clips of a cell, surest (numbers: furthest off) first, by their places in the arrays.

    `scores` is the mean over the seeds that put the clip there, `n_seeds` how many did.
    """

    clips: Int[Array, " members"]
    scores: Float[Array, " members"]
    n_seeds: Int[Array, " members"]


class Confused(NamedTuple):
    """A cell of errors: how many clips (mean over seeds), and which share of its row's that is."""

    row: int
    column: int
    clips: float
    share: float


@dataclass(frozen=True, eq=False)
class Cells:
    """Where every answer stands, and its score. A column `NOWHERE`: in none, as a label that is rightly not given.

    `centres`: how far a score lies from it says how sure an answer is (labels), or how wrong (numbers); None: the
    greater a score, the surer (classes).
    """

    rows: Int[Array, "clips answers"]
    columns: Int[Array, "seeds clips answers"]
    scores: Float[Array, "seeds clips answers"]
    centres: Float[Array, "clips answers"] | None
    n_rows: int
    n_columns: int

    @property
    def counts(self) -> Float[Array, "rows columns"]:
        """How many answers stand in each cell, mean over seeds. Of whole sums, so exact before the division."""
        stands = self.columns != NOWHERE
        places = np.broadcast_to(self.rows, self.columns.shape)[stands] * self.n_columns + self.columns[stands]
        total = np.bincount(places, minlength=self.n_rows * self.n_columns)
        return np.asarray(total.reshape(self.n_rows, self.n_columns) / len(self.columns))

    def members(self, row: int, column: int) -> Members:
        """Return the clips that any seed put into a cell; each clip stands at most once in a row."""
        clips, answers = np.nonzero(self.rows == row)
        there = self.columns[:, clips, answers] == column
        n_seeds = there.sum(axis=0)
        kept = n_seeds > 0
        scores = self.scores[:, clips, answers].astype(np.float64)
        means = np.where(there, scores, 0.0).sum(axis=0)[kept] / n_seeds[kept]
        sure = means if self.centres is None else np.abs(means - self.centres[clips, answers][kept])
        # Surest first; of equals those of more seeds, then in the order of the clips. What is not finite comes last.
        order = np.lexsort((clips[kept], -n_seeds[kept], np.where(np.isfinite(sure), -sure, np.inf)))
        return Members(clips[kept][order], means[order], n_seeds[kept][order])


def of_classes(targets: Int[Array, " clips"], scores: Float[Array, "seeds clips classes"]) -> Cells:
    """Return the cells of one class a clip: the greatest score is said, of equals the first, as in `accuracy`.

    A clip with a score that is not finite stands in a column of its own, after the classes.
    """
    n_classes = scores.shape[2]
    fine = _is_finite(scores)
    said = scores.argmax(axis=2)
    surest = np.take_along_axis(scores, said[..., None], axis=2)
    columns = np.where(fine, said, n_classes)[..., None]
    return Cells(
        targets[:, None], columns, np.where(fine[..., None], surest, np.nan), None, n_classes, _wide(fine, n_classes)
    )


def of_labels(targets: Num[Array, "clips labels"], scores: Float[Array, "seeds clips labels"]) -> Cells:
    """Return the cells of any number of labels a clip: each label a row, of columns FOUND, MISSED, WRONGLY_GIVEN.

    The score is the label's. All labels of a clip with a score that is not finite stand in a fourth column.
    """
    n_labels = scores.shape[2]
    fine = _is_finite(scores)
    has, given = targets > 0, scores > THRESHOLD
    columns = np.where(has, np.where(given, FOUND, MISSED), np.where(given, WRONGLY_GIVEN, NOWHERE))
    columns = np.where(fine[..., None], columns, WRONGLY_GIVEN + 1)
    rows = np.broadcast_to(np.arange(n_labels), has.shape)
    return Cells(rows, columns, scores, np.full(has.shape, THRESHOLD), n_labels, _wide(fine, WRONGLY_GIVEN + 1))


def of_numbers(targets: Float[Array, "clips dimensions"], scores: Float[Array, "seeds clips dimensions"]) -> Cells:
    """Return the cells of numbers: of each dimension `N_RANGES` rows, the ranges of its targets; the columns likewise.

    A prediction stands in the range whose targets end at or above it; the highest has no end.
    """
    fine = _is_finite(scores)
    edges = range_edges(targets)
    rows, columns = np.zeros(targets.shape, np.int64), np.zeros(scores.shape, np.int64)
    for place, ends in enumerate(edges):
        rows[:, place] = place * N_RANGES + np.searchsorted(ends, targets[:, place])
        columns[..., place] = np.searchsorted(ends, scores[..., place])
    columns = np.where(fine[..., None], columns, N_RANGES)
    return Cells(rows, columns, scores, targets, len(edges) * N_RANGES, _wide(fine, N_RANGES))


def range_edges(targets: Float[Array, "clips dimensions"]) -> Float[Array, "dimensions edges"]:
    """Return where the lower and the middle third of the targets of each dimension end: targets themselves.

    Equal targets stand in one range, so that ranges of few different targets hold unequal numbers of clips, or none.
    """
    shares = np.arange(1, N_RANGES) / N_RANGES
    return np.asarray(np.quantile(targets, shares, axis=0, method="inverted_cdf").T)


def is_probability(scores: Float[Array, "seeds clips outputs"], *, sum_to_1: bool) -> bool:
    """Return whether all that is finite may be called a probability: in [0, 1], and of classes with the sum 1."""
    fine = _is_finite(scores)
    known = scores if fine.all() else scores[fine]
    inside = not known.size or (known.min() >= 0 and known.max() <= 1)
    return bool(inside and (not sum_to_1 or np.allclose(known.sum(axis=-1, dtype=np.float64), 1.0, atol=1e-3)))


def most_confused(
    counts: Float[Array, "rows columns"], is_error: Bool[Array, "rows columns"], k: int
) -> Sequence[Confused]:
    """Return the `k` cells of errors with most clips, most first, none that is empty; of equals the first row's."""
    errors = np.where(is_error, counts, 0.0)
    places = np.argsort(-errors, axis=None, kind="stable")[:k]
    totals = counts.sum(axis=1)
    cells = (np.unravel_index(place, errors.shape) for place in places)
    return tuple(
        Confused(int(row), int(column), float(errors[row, column]), float(errors[row, column] / totals[row]))
        for row, column in cells
        if errors[row, column] > 0
    )


def _is_finite(scores: Float[Array, "seeds clips outputs"]) -> Bool[Array, "seeds clips"]:
    return np.asarray(np.isfinite(scores).all(axis=2))


def _wide(fine: Bool[Array, "seeds clips"], n_columns: int) -> int:
    """Return the number of columns: one more where something is not finite."""
    return n_columns if fine.all() else n_columns + 1
