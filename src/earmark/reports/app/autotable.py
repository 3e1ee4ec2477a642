"""The interactive autotable: any columns of the results as lines and columns, others frozen, a table for the rest.

Source: Plachouras 2023, section 4.2: a variable is frozen or active, and a fitting table appears.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from operator import attrgetter

from earmark.analysis import pivot, selection
from earmark.analysis.grid import Grid
from earmark.analysis.layouts import COLUMNS, Layout
from earmark.analysis.pivot import Tied
from earmark.nouns import Result

OF_METRIC = ("metric", "average")
"""Columns with a control of their own."""
LEFT_AT_MEANS = ("seed", "label")
"""Most of a large run are rows of these, and a table needs them only where it speaks of them."""


@dataclass(frozen=True)
class Asked:
    """What a table shows: the columns of the results on its sides, the values of frozen ones, metric and average."""

    row_by: Sequence[str]
    column_by: Sequence[str]
    frozen: Mapping[str, str]
    metric: str | None = None
    average: str | None = None

    @property
    def leave_out(self) -> tuple[str, ...]:
        """The columns whose single values the table does not need."""
        spoken_of = {*self.row_by, *self.column_by, *self.frozen}
        return tuple(name for name in LEFT_AT_MEANS if name not in spoken_of)


def tables(
    rows: Sequence[Result], asked: Asked, is_tied: Tied | None = None, deviations: bool = False
) -> tuple[Grid, ...]:
    """Return the tables of rows: one, or where other columns vary too, one for each of their values.

    Raises UnknownName and DataError for what the rows cannot show.
    """
    axes = Layout(asked.row_by, asked.column_by)
    chosen = selection.choose(rows, axes.names, asked.frozen, asked.metric, asked.average)
    layout = replace(axes, each=_others(chosen.rows, axes))
    if "run" not in layout.each:
        how = asked.frozen, asked.metric, asked.average
        return pivot.pivot(rows, layout, *how, is_tied=is_tied, deviations=deviations)
    found: list[Grid] = []
    for run in values(chosen.rows, "run"):  # no title says of which run it is, since most tables are of one
        alone = tables([row for row in rows if row.run == run], asked, is_tied, deviations)
        found += [replace(grid, title=f"{grid.title}; run {run}") for grid in alone]
    return tuple(found)


def _others(rows: Sequence[Result], axes: Layout) -> tuple[str, ...]:
    """Return the columns that vary in a way that neither side tells."""
    each: list[str] = []
    for name in COLUMNS:
        is_told = any(_follows(rows, name, (*side, *each)) for side in (axes.row_by, axes.column_by))
        if name not in axes.names and not is_told:
            each.append(name)
    return tuple(each)


def _follows(rows: Iterable[Result], name: str, told: Sequence[str]) -> bool:
    """Return whether rows that agree in some columns agree in another."""
    key_of, value_of = selection.getter(told), attrgetter(name)
    known: dict[selection.Key, object] = {}
    return all(known.setdefault(key_of(row), value_of(row)) == value_of(row) for row in rows)


def values(rows: Iterable[Result], name: str) -> tuple[str, ...]:
    """Return the values of a column in the order of the rows, as text; the constant predictor has none."""
    value_of: Callable[[Result], object] = attrgetter(name)
    found = dict.fromkeys(value_of(row) for row in rows if row.probe != selection.CONSTANT)
    return tuple(dict.fromkeys(map(selection.text_of, found)))


def varying(rows: Sequence[Result]) -> tuple[str, ...]:
    """Return the columns that can be frozen: those with several values, and labels and seeds, which may be unread."""
    return tuple(
        name for name in COLUMNS if name not in OF_METRIC and (name in LEFT_AT_MEANS or len(values(rows, name)) > 1)
    )
