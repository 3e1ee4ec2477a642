"""The confusions of a run as a page holds them: which matrices, which of their clips, which are seen and heard."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np

from earmark.deformations import CLEAN
from earmark.reports import _sweeps
from earmark.runs import confusions, predictions
from earmark.runs.compare import CONSTANT
from earmark.runs.confusions import Confusion, Said
from earmark.runs.predictions import Predicted

MOST_MATRICES = 400
MOST_ROWS = 40
"""Beyond these a matrix cannot be read: the page names its most frequent errors instead."""
MOST_ERRORS = 200
MOST_LISTED = 24


class Sound(NamedTuple):
    """What a model heard: a clip under a deformation. `task` is "" where all tasks mean the same by its name."""

    dataset: str
    clip: str
    deformation: str
    task: str


@dataclass(frozen=True)
class Cell:
    """A cell that is not empty: its clips as counted, how many clips any seed put there, the first of them."""

    row: int
    column: int
    clips: float
    is_error: bool
    n: int
    said: tuple[Said, ...]


@dataclass(frozen=True)
class Matrix:
    """The confusions of one system on one task under one deformation, the cells with most clips first."""

    predicted: Predicted
    found: Confusion
    is_whole: bool
    cells: tuple[Cell, ...]

    @property
    def right(self) -> float:
        """The share of answers that are no errors; 0 where there is none."""
        total = float(self.found.counts.sum())
        return float(self.found.counts[~self.found.is_error].sum()) / total if total else 0.0


@dataclass(frozen=True)
class Topic:
    """One task on one partition: its name in the picker, its systems and deformations, and a matrix of some of them.

    `lead` is the system that is shown first: on the first deformation it is right most often.
    """

    name: str
    task: str
    systems: tuple[str, ...]
    deformations: tuple[str, ...]
    matrices: Mapping[tuple[str, str], Matrix]

    @property
    def lead(self) -> str:
        """The system that is right most often under the first deformation that it has."""
        known = {system: one for (system, name), one in self.matrices.items() if name == self.deformations[0]}
        return max(known, key=lambda name: known[name].right) if known else self.systems[0]


@dataclass(frozen=True)
class Topics:
    """All that is shown; `n_left_out` files of predictions were too many. `own`: deformations that tasks differ in."""

    topics: tuple[Topic, ...]
    n_left_out: int
    own: frozenset[str]

    def sound(self, topic: Topic, deformation: str, said: Said) -> Sound:
        """Return what was heard of a clip."""
        return Sound(said.dataset, said.clip, deformation, topic.task if deformation in self.own else "")


def topics(folder: Path) -> Topics:
    """Return the matrices of a run, at most `MOST_MATRICES`, clean audio first. Raises DataError where it has none."""
    found = [one for one in predictions.index(folder) if one.probe != CONSTANT]
    found.sort(key=lambda one: one.deformation != CLEAN.name)
    parts: dict[tuple[object, ...], list[Predicted]] = {}
    for one in found[:MOST_MATRICES]:
        parts.setdefault((one.task, one.dataset, one.split, one.fold, one.train_share), []).append(one)
    names = [part[0].task for part in parts.values()]
    made = tuple(
        _topic(part[0].task if names.count(part[0].task) == 1 else _full_name(part[0]), part) for part in parts.values()
    )
    return Topics(made, max(0, len(found) - MOST_MATRICES), _own_deformations(folder))


def _full_name(one: Predicted) -> str:
    share = f", {one.train_share:.3g} of the training clips" if one.train_share < 1 else ""
    return f"{one.task} on {one.dataset}, split {one.split} fold {one.fold}{share}"


def _topic(name: str, part: Sequence[Predicted]) -> Topic:
    systems = tuple(dict.fromkeys(one.system for one in part))
    deformations = tuple(dict.fromkeys(one.deformation for one in part))
    return Topic(
        name, part[0].task, systems, deformations, {(one.system, one.deformation): _matrix(one) for one in part}
    )


def _matrix(predicted: Predicted) -> Matrix:
    found = confusions.confusion(predicted)
    is_whole = len(found.rows) <= MOST_ROWS
    if is_whole:
        places = [(int(row), int(column)) for row, column in np.argwhere(found.counts > 0)]
    else:
        places = [(one.row, one.column) for one in found.most_confused(MOST_ERRORS)]
    cells = [_cell(found, row, column) for row, column in places]
    return Matrix(predicted, found, is_whole, tuple(sorted(cells, key=lambda one: -one.clips)))


def _cell(found: Confusion, row: int, column: int) -> Cell:
    clips, is_error = float(found.counts[row, column]), bool(found.is_error[row, column])
    return Cell(row, column, clips, is_error, found.n_clips(row, column), found.cell(row, column, MOST_LISTED))


def _own_deformations(folder: Path) -> frozenset[str]:
    """Return the deformations by whose name tasks of a run mean different chains."""
    found: dict[str, set[str]] = {}
    for chain in _sweeps.chains(folder):
        found.setdefault(chain.name, set()).add(repr(chain))
    return frozenset(name for name, told in found.items() if len(told) > 1)


def chosen(found: Topics, n: int) -> tuple[Sound, ...]:
    """Return at most `n` sounds to be seen and heard: errors first, spread over the cells.

    Half are of the matrices that are shown first, one a task; the others of all matrices, clean audio first. Each round
    takes a clip of the next cell of each matrix, unless one of that cell is there already; then second clips are taken,
    and so on; what is right comes last.
    """
    every = [(topic, one) for topic in found.topics for one in topic.matrices.values()]
    every.sort(key=lambda pair: pair[1].predicted.deformation != CLEAN.name)
    first = [(topic, one) for topic, one in every if _is_first(topic, one)]
    taken: dict[Sound, None] = {}
    for matrices, is_error, most in ((first, True, n // 2), (every, True, n), (every, False, n)):
        for depth in range(MOST_LISTED):
            for sounds in _rounds(found, matrices, is_error):
                fresh = [one for one in sounds if one not in taken]
                if len(taken) < most and fresh and len(sounds) - len(fresh) <= depth:
                    taken[fresh[0]] = None
            if len(taken) >= most:
                break
    return tuple(taken)


def _is_first(topic: Topic, one: Matrix) -> bool:
    return (one.predicted.system, one.predicted.deformation) == (topic.lead, topic.deformations[0])


def _rounds(found: Topics, matrices: Sequence[tuple[Topic, Matrix]], is_error: bool) -> Iterator[tuple[Sound, ...]]:
    """Yield the sounds of cells: the greatest of each matrix, then the second of each, and so on."""
    of_each = [
        (topic, one.predicted.deformation, [cell for cell in one.cells if cell.is_error is is_error])
        for topic, one in matrices
    ]
    for place in range(max((len(cells) for *_, cells in of_each), default=0)):
        for topic, deformation, cells in of_each:
            if place < len(cells):
                yield tuple(found.sound(topic, deformation, said) for said in cells[place].said)
