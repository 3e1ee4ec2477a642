"""Which clips a system mistook for what: the confusions of one file of predictions, and the clips of each cell."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import NamedTuple

import numpy as np
import polars as pl
from jaxtyping import Bool, Float

from earmark.analysis import confusion as arithmetic
from earmark.analysis.confusion import Cells
from earmark.runs.predictions import Answers, Predicted

OF_LABELS = ("found", "missed", "wrongly given")
RANGES = ("low", "middle", "high")
NO_ANSWER = "no answer"
NO_LABEL = "none"


class Said(NamedTuple):
    """What one system said of one test clip.

    `dataset` and `clip` find its audio (`listening.heard`). `target` and `label` are in words: "trumpet";
    "guitar, vocals" of several labels ("none": no label); "4.2" of numbers. `probability` is that of what was said, of
    several labels that of the row's; it is the mean over the `n_seeds` seeds that put the clip into this cell. None:
    the scores are no probabilities, such as those of ridge regression, or the target is a number.
    """

    dataset: str
    clip: str
    target: str
    label: str
    probability: float | None
    n_seeds: int


class Mistake(NamedTuple):
    """A cell of errors in words and by place: `clips` as in the counts, `share` of all clips in its row."""

    row: int
    column: int
    target: str
    label: str
    clips: float
    share: float


@dataclass(frozen=True, eq=False)
class Confusion:
    """The confusions of one file of predictions: counts of clips, mean over seeds.

    One class a clip: `rows` are what is true, `columns` what was said, so that trace / clips is the accuracy of the
    run's table. Several labels: a row a label, columns found, missed, wrongly given. Numbers: rows are the thirds of
    the targets, columns the third the prediction lies in. Clips whose scores are not finite stand in a last column,
    "no answer", which is there only for them.
    """

    predicted: Predicted
    n_seeds: int
    rows: tuple[str, ...]
    columns: tuple[str, ...]
    counts: Float[np.ndarray, "rows columns"]
    is_error: Bool[np.ndarray, "rows columns"]
    _cells: Cells = field(repr=False)
    _answers: Answers = field(repr=False)
    _dataset: str = field(repr=False)
    _has_probabilities: bool = field(repr=False)
    _n_said: int = field(repr=False)

    def cell(self, row: int, column: int, most: int | None = None) -> tuple[Said, ...]:
        """Return the clips that any seed put into a cell, surest first; of numbers, furthest off first.

        `most` None: all of them.
        """
        found = self._cells.members(row, column)
        return tuple(
            self._said(row, column, int(clip), float(score), int(n))
            for clip, score, n in list(zip(found.clips, found.scores, found.n_seeds, strict=True))[:most]
        )

    def n_clips(self, row: int, column: int) -> int:
        """Return how many clips any seed put into a cell."""
        return len(self._cells.members(row, column).clips)

    def most_confused(self, k: int) -> tuple[Mistake, ...]:
        """Return the cells of errors with most clips, most first, at most `k`."""
        found = arithmetic.most_confused(self.counts, self.is_error, k)
        return tuple(
            Mistake(one.row, one.column, self.rows[one.row], self.columns[one.column], *one[2:]) for one in found
        )

    def _said(self, row: int, column: int, clip: int, score: float, n_seeds: int) -> Said:
        kind, target = self.predicted.kind, self._answers.targets[clip]
        is_answer = column < self._n_said  # a class may be called "no answer"
        if kind == "multilabel":
            words = self._labels(target > 0), self._labels(self._given(row, column, clip))
        elif kind == "regression":
            words = _number(float(target[row // arithmetic.N_RANGES])), _number(score)
        else:
            words = self.rows[row], self.columns[column]
        said = words[1] if is_answer else NO_ANSWER
        probability = score if is_answer and self._has_probabilities else None
        return Said(self._dataset, self._answers.clips[clip], words[0], said, probability, n_seeds)

    def _given(self, row: int, column: int, clip: int) -> Bool[np.ndarray, " labels"]:
        """Return which labels at least half the seeds gave a clip that put it into this cell."""
        columns = self._cells.columns[:, clip]
        of_seeds = np.isin(columns[columns[:, row] == column], (arithmetic.FOUND, arithmetic.WRONGLY_GIVEN))
        return np.asarray(of_seeds.mean(axis=0) >= 0.5)

    def _labels(self, has: Bool[np.ndarray, " labels"]) -> str:
        return ", ".join(self.predicted.classes[place] for place in np.flatnonzero(has)) or NO_LABEL


def confusion(predicted: Predicted) -> Confusion:
    """Return the confusions of one file of predictions, which is read once and then no more."""
    answers = predicted.read()
    targets, scores = answers.targets, answers.scores
    rows = columns = predicted.classes
    if predicted.kind == "multilabel":
        cells, columns = arithmetic.of_labels(targets, scores), OF_LABELS
        is_error = np.ones((cells.n_rows, cells.n_columns), bool)
        is_error[:, arithmetic.FOUND] = False
    elif predicted.kind == "regression":
        cells, columns = arithmetic.of_numbers(targets, scores), RANGES
        rows = _ranges(predicted.classes, targets, cells)
        is_error = np.tile(~np.eye(arithmetic.N_RANGES, cells.n_columns, dtype=bool), (len(predicted.classes), 1))
    else:
        cells = arithmetic.of_classes(targets, scores)
        is_error = ~np.eye(cells.n_rows, cells.n_columns, dtype=bool)
    has_probabilities = predicted.kind != "regression" and arithmetic.is_probability(
        scores, sum_to_1=predicted.kind != "multilabel"
    )
    return Confusion(
        predicted,
        len(scores),
        rows,
        (*columns, NO_ANSWER)[: cells.n_columns],
        cells.counts,
        is_error,
        cells,
        replace(answers, scores=scores[:, :0]),  # the cells hold what is needed of them
        str(pl.read_parquet(predicted.file, columns=["dataset"], n_rows=1)["dataset"][0]),
        has_probabilities,
        len(columns),
    )


def _ranges(names: Sequence[str], targets: Float[np.ndarray, "clips dimensions"], cells: Cells) -> tuple[str, ...]:
    """Return the rows of numbers in words: the third, and from which to which target it goes."""
    found = []
    for row in range(cells.n_rows):
        place, third = divmod(row, arithmetic.N_RANGES)
        inside = targets[cells.rows[:, place] == row, place]
        span = f"{_number(inside.min())} to {_number(inside.max())}" if len(inside) else "no clip"
        found.append(f"{names[place]}, {RANGES[third]}: {span}")
    return tuple(found)


def _number(value: float) -> str:
    """Return a number with four digits, as far as it has them."""
    return f"{value:.4g}"
