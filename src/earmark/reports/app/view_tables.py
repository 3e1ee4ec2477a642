"""The view of tables: choose what stands on the sides and what is frozen, and the tables re-shape."""

from collections.abc import Sequence
from dataclasses import replace
from functools import partial

import streamlit as st

from earmark.analysis import layouts, selection, writers
from earmark.analysis.grid import Grid, Show
from earmark.analysis.layouts import COLUMNS, Layout
from earmark.counted import counted
from earmark.reports.app import address, autotable, boxes, held
from earmark.reports.app.address import Address
from earmark.reports.app.autotable import Asked
from earmark.reports.app.held import Opened
from earmark.runs import tabling

FIRST = "each task's first"
SHOWN: dict[str, Show] = {"score and interval": "interval", "score": "value", "mean ± deviation (seeds)": "seeds"}
FILES = (("Markdown", "markdown", "md"), ("LaTeX", "latex", "tex"), ("CSV", "csv", "csv"))
TIES = "≈ marks what a paired test does not tell from the best. It takes some seconds."
FREEZING = (
    "A frozen variable has one value and leaves the sides of the table. What is neither frozen nor on a side has a "
    "table for each of its values; seeds, labels and folds are left at their mean."
)
MOST_TABLES, MOST_CELLS = 12, 4000
PRESETS = (*layouts.LAYOUTS, tabling.COST)


def show(asked: Address, runs: Sequence[Opened]) -> None:
    """Draw the controls and the tables of some runs."""
    preset = asked.one("preset", "Layout", PRESETS, changed=_re_shape, explained="Fills in rows and columns below.")
    if preset == tabling.COST:
        _draw(tabling.tables([run.path for run in runs], preset=preset), "value")
        return
    wanted = _asked(asked, tuple(runs), preset)
    shown = SHOWN[asked.one("cell", "A cell shows", tuple(SHOWN))]
    with_ties = asked.switch("ties", "Mark ties", explained=TIES)
    _draw(held.tables(tuple(runs), wanted, with_ties, shown == "seeds"), shown)


def prepare(runs: tuple[Opened, ...]) -> None:
    """Read and lay out what the first view shows, before anyone asks for it."""
    layout = layouts.find(PRESETS[0])
    held.varying(runs)
    for name in autotable.OF_METRIC:
        held.values(runs, name)
    held.tables(runs, Asked(_usual_rows(layout, runs), tuple(layout.column_by), {}), False, False)


def _usual_rows(layout: Layout, runs: Sequence[Opened]) -> tuple[str, ...]:
    """Return the rows of a layout; several runs stand one below the other."""
    return (*layout.row_by, *(("run",) if len(runs) > 1 and "run" not in layout.names else ()))


def _re_shape() -> None:
    address.reset("rows", "columns")


def _asked(asked: Address, runs: tuple[Opened, ...], preset: str) -> Asked:
    """Draw the controls that shape the table; what one holds is not offered by the next."""
    layout = layouts.find(preset)
    names = asked.several("freeze", "Freeze", held.varying(runs), explained=FREEZING)
    frozen = {name: asked.one(name, f"{name} is", held.values(runs, name)) for name in names}
    free = [name for name in COLUMNS if name not in names]
    row_by = asked.several("rows", "Rows", free, _usual_rows(layout, runs)) or (free[0],)
    free = [name for name in free if name not in row_by]
    column_by = asked.several("columns", "Columns", free, layout.column_by) or (free[0],)
    of_metric = {
        name: _of_metric(asked, runs, name) for name in autotable.OF_METRIC if name not in (*row_by, *column_by)
    }
    return Asked(row_by, column_by, frozen, **of_metric)


def _of_metric(asked: Address, runs: tuple[Opened, ...], name: str) -> str | None:
    known = (one for one in held.values(runs, name) if one != selection.NONE)
    chosen = asked.one(name, name.capitalize(), (FIRST, *known))
    return None if chosen == FIRST else chosen


def _draw(grids: Sequence[Grid], shown: Show) -> None:
    if len(grids) > MOST_TABLES:
        st.html(boxes.note([f"{MOST_TABLES} of {len(grids)} tables are shown: freeze a variable. The files hold all."]))
    for number, grid in enumerate(grids[:MOST_TABLES], 1):
        st.html(boxes.grid(_cut(grid), shown, number))
    with st.container(horizontal=True):
        for name, form, suffix in FILES:
            text = partial(writers.WRITERS[form], grids, shown)
            st.download_button(f"Save as {name}", text, f"tables.{suffix}", on_click="ignore")


def _cut(grid: Grid) -> Grid:
    """Return a grid of no more lines than a page has place for, and say so."""
    most = max(1, MOST_CELLS // max(1, len(grid.column_heads)))
    if len(grid.cells) <= most:
        return grid
    note = f"{most} of {counted(len(grid.cells), 'line')} are shown; the files hold all."
    return replace(grid, row_heads=grid.row_heads[:most], cells=grid.cells[:most], notes=(note, *grid.notes))
