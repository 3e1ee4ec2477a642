"""A grid of scores, ready to be written: heads, cells with what is to be said of each, and notes."""

import math
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

from earmark.counted import counted
from earmark.licences import FORBIDDING
from earmark.nouns import Result

Show = Literal["value", "interval", "seeds"]
"""What stands in a cell: the score, with its interval, or with its standard deviation and number of seeds."""
UNTOLD, NARROW, TIED, UNVERIFIED = "°", "†", "≈", "‡"
NARROW_BECAUSE = "too few clips, or groups where these are resampled, or too few that are right, wrong or of a label"
"""The rules are those of analysis/trust.py."""
NOT_SCORED, UNDEFINED = "not scored", "undefined"
SEEDS = "seeds"
"""Of lines: a number of seeds, which names none."""
MOST_NAMED = 5
ROUNDING = 1e-12


@dataclass(frozen=True)
class Cell:
    """A number with its interval, or the reason why there is none.

    `untold`: the interval holds the constant predictor's score. `narrow`: it is too narrow to be believed. `tied`: a
    paired test did not tell it from the best. `unverified`: of a representation that was never checked. `n` counts
    clips. `seed_deviation`: standard deviation over seeds (ddof 1), None of one seed; `n_seeds` 0: it is no score.
    `missing`: NOT_SCORED where there is no row, UNDEFINED where the row has no number.
    """

    value: float | None
    low: float | None
    high: float | None
    untold: bool = False
    best: bool = False
    narrow: bool = False
    tied: bool = False
    unverified: bool = False
    n: int | None = None
    n_seeds: int = 1
    seed_deviation: float | None = None
    missing: str = ""

    @property
    def text(self) -> str:
        """The cell in words: "0.83 [0.80, 0.86]", with ° when it cannot be told from the constant, † when narrow."""
        return self.said("interval")

    @property
    def marks(self) -> str:
        """What is to be said of the number, a sign each."""
        return UNTOLD * self.untold + NARROW * self.narrow + TIED * self.tied + UNVERIFIED * self.unverified

    def said(self, show: Show, form: str = ".3f") -> str:
        """Return the cell in words; `form` is how its numbers are written."""
        if self.value is None:
            return "–" if self.missing == NOT_SCORED else UNDEFINED
        number = format(self.value, form)
        if show == "interval" and self.low is not None and self.high is not None:
            number += f" [{format(self.low, form)}, {format(self.high, form)}]"
        if show == "seeds" and self.n_seeds:
            spread = "" if self.seed_deviation is None else f" ± {format(self.seed_deviation, form)}"
            number += f"{spread} ({self.n_seeds})"
        return number + self.marks


@dataclass(frozen=True)
class Grid:
    """Cells by line and column. A head has one text for each name of its axis.

    `interval` says how the intervals were made, "" where there are none; `forms` how the numbers of each column are
    written, () for three decimals; `over_seeds` whether the numbers are means over seeds.
    """

    title: str
    row_by: tuple[str, ...]
    column_by: tuple[str, ...]
    row_heads: tuple[tuple[str, ...], ...]
    column_heads: tuple[tuple[str, ...], ...]
    cells: tuple[tuple[Cell, ...], ...]
    interval: str = ""
    notes: tuple[str, ...] = ()
    forms: tuple[str, ...] = ()
    over_seeds: bool = True

    def texts(self, show: Show) -> tuple[tuple[str, ...], ...]:
        """Return what stands in the cells."""
        forms = self.forms or (".3f",) * len(self.column_heads)
        return tuple(
            tuple(cell.said(show, form) for cell, form in zip(line, forms, strict=True)) for line in self.cells
        )

    def remarks(self, show: Show) -> tuple[str, ...]:
        """Return how to read it: what the numbers are, what the signs mean, what is missing, then its notes."""
        return (*self._reading(show), *self._missing(), *self.notes)

    def _reading(self, show: Show) -> Iterator[str]:
        found = [cell for line in self.cells for cell in line]
        if show == "interval" and self.interval:
            yield f"Mean over seeds [{self.interval}]." if self.over_seeds else f"{self.interval}."
        if show == "seeds" and any(cell.n_seeds for cell in found):
            yield "Mean over seeds ± their standard deviation (number of seeds); no interval."
        if any(cell.untold for cell in found):
            yield f"{UNTOLD} cannot be told from the constant predictor."
        if any(cell.narrow for cell in found):
            yield f"{NARROW} interval too narrow to be believed: {NARROW_BECAUSE}."
        if any(cell.tied for cell in found):
            yield f"{TIED} not told apart from the best by a paired permutation test on the same clips."
        if any(cell.unverified for cell in found):
            yield f"{UNVERIFIED} unverified."

    def _missing(self) -> Iterator[str]:
        names = [
            [part for name, part in zip(self.row_by, head, strict=True) if name != SEEDS] for head in self.row_heads
        ]
        for reason, what in ((NOT_SCORED, "– not scored"), (UNDEFINED, "undefined, no number for these clips")):
            places = [
                " under ".join(filter(None, (_joined(head), _joined(column))))
                for head, line in zip(names, self.cells, strict=True)
                for column, cell in zip(self.column_heads, line, strict=True)
                if cell.missing == reason
            ]
            if places:
                more = f"; and {len(places) - MOST_NAMED} more" if len(places) > MOST_NAMED else ""
                yield f"{what}: {'; '.join(places[:MOST_NAMED])}{more}."


def _joined(head: Sequence[str]) -> str:
    return " ".join(part for part in head if part)


def is_defined(value: float | None) -> bool:
    """Return whether there is a number: not None, NaN or infinity."""
    return value is not None and math.isfinite(value)


def cell_of(row: Result, constant: Result | None, best: float | None, within: float = 0.0) -> Cell:
    """Return the cell of a row. `constant`: the row of the predictor that hears nothing, on the same clips.

    What is within `within` of the best score is best too, unless it cannot be told from the constant predictor.
    """
    if not is_defined(row.value):
        return Cell(None, None, None, n=row.n, n_seeds=row.n_seeds, missing=UNDEFINED)
    low, high = (edge if is_defined(edge) else None for edge in (row.ci_low, row.ci_high))
    chance = None if constant is None or constant is row else constant.value
    untold = chance is not None and low is not None and high is not None and low <= chance <= high
    is_best = best is not None and row.value is not None and abs(row.value - best) <= within + ROUNDING
    of_data = constant is not None and constant.unverified  # then it is of the whole table, which says so
    return Cell(
        row.value,
        low,
        high,
        untold,
        is_best and not untold,
        row.narrow,
        unverified=row.unverified and not of_data,
        n=row.n,
        n_seeds=row.n_seeds,
    )


def notes_of(rows: Sequence[Result]) -> Iterator[str]:
    """Yield what is to be said of the rows as a whole: failed clips, other runs, what was never checked."""
    failed = max((row.n_failed for row in rows), default=0)
    if failed:
        yield f"{counted(failed, 'clip')} could not be scored."
    runs = Counter(row.run for row in rows)
    if len(runs) > 1:
        yield f"Of {len(runs)} runs: {', '.join(runs)}."
    data = dict.fromkeys(row.dataset for row in rows if row.unverified and row.probe == "constant")
    if data:
        yield f"UNVERIFIED: this copy of {', '.join(data)} was never counted against what is published of it."
    names = dict.fromkeys(row.representation for row in rows if row.unverified and row.dataset not in data)
    if names:
        yield f"UNVERIFIED: {', '.join(names)} was never checked against an independent one."
    yield from licences_of(rows)


def licences_of(rows: Sequence[Result]) -> Iterator[str]:
    """Yield which representations are under licences that commercial use must ask about, by what these are."""
    found: dict[str, dict[str, None]] = {}
    for row in rows:
        if row.licence in FORBIDDING:
            found.setdefault(row.licence, {})[row.representation] = None
    if found:
        said = (f"{', '.join(names)}: {terms}" for terms, names in found.items())
        yield f"Licences: {'; '.join(said)}."
