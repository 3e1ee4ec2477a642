"""Tables of scores for a page: a grid with its numbers written and its intervals as places on a bar."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

from earmark.analysis.grid import Cell, Grid
from earmark.analysis.writers import Span, spans
from earmark.runs.compare import CONSTANT

BAR_START, BAR_WIDTH = 2.0, 100.0


class Shown(NamedTuple):
    """A cell: its number, interval and signs in words; where score and interval lie on the bar, None: no bar."""

    number: str
    span: str
    marks: str
    best: bool
    at: float | None
    low: float | None
    high: float | None


class Line(NamedTuple):
    """What names a line, and its cells."""

    head: tuple[str, ...]
    cells: tuple[Shown, ...]


@dataclass(frozen=True)
class Scores:
    """A grid ready for the page. `chance`: where on the bars the constant predictor lies, None: nowhere."""

    title: str
    row_by: tuple[str, ...]
    levels: list[list[Span]]
    lines: tuple[Line, ...]
    chance: float | None
    remarks: str


def scores(grid: Grid) -> Scores:
    """Return a grid as the page shows it. Bars have one axis a grid: 0 to 1 where all of it lies there."""
    place = _Axis.of(grid)
    forms = grid.forms or (".3f",) * len(grid.column_heads)
    lines = tuple(
        Line(head, tuple(_shown(cell, form, place) for cell, form in zip(cells, forms, strict=True)))
        for head, cells in zip(grid.row_heads, grid.cells, strict=True)
    )
    constants = [cells for head, cells in zip(grid.row_heads, grid.cells, strict=True) if head[0] == CONSTANT]
    chance = next((cell.value for cells in constants for cell in cells if cell.value is not None), None)
    remarks = " ".join(grid.remarks("interval" if grid.interval else "value"))
    at = None if chance is None or place is None else place.at(chance)
    return Scores(grid.title, grid.row_by, spans(grid), lines, at, remarks)


def _shown(cell: Cell, form: str, place: "_Axis | None") -> Shown:
    if cell.value is None:
        return Shown(cell.said("value"), "", cell.marks, False, None, None, None)
    number = format(cell.value, form)
    if place is None or cell.low is None or cell.high is None:
        return Shown(number, "", cell.marks, cell.best, None, None, None)
    span = f"{format(cell.low, form)} to {format(cell.high, form)}"
    return Shown(number, span, cell.marks, cell.best, place.at(cell.value), place.at(cell.low), place.at(cell.high))


class _Axis(NamedTuple):
    low: float
    high: float

    @classmethod
    def of(cls, grid: Grid) -> "_Axis | None":
        """Return the axis of a grid's bars; None where it has no interval."""
        found = [cell for line in grid.cells for cell in line if cell.value is not None]
        edges = [
            edge for one in found if one.low is not None for edge in (one.value, one.low, one.high) if edge is not None
        ]
        if not edges:
            return None
        low, high = min(0.0, *edges), max(1.0, *edges)
        is_proportion = (low, high) == (0.0, 1.0)
        return cls(low, high) if is_proportion or min(edges) == max(edges) else cls(min(edges), max(edges))

    def at(self, value: float) -> float:
        """Return where a number lies on the bar, in units of its view box."""
        return round(BAR_START + BAR_WIDTH * (value - self.low) / (self.high - self.low), 1)


def within(grids: Sequence[Grid], most_cells: int) -> tuple[tuple[Grid, ...], int]:
    """Return the first grids that have so many cells at most together (one at least), and how many are left out."""
    total, kept = 0, list[Grid]()
    for grid in grids:
        total += len(grid.row_heads) * len(grid.column_heads)
        if kept and total > most_cells:
            break
        kept.append(grid)
    return tuple(kept), len(grids) - len(kept)
