"""The view of confusions: which targets were taken for what, and the clips of a cell as the model heard them."""

from collections.abc import Sequence

import numpy as np
import streamlit as st

from earmark.reports.app import address, boxes, held, pictures, playing, systems
from earmark.reports.app.address import Address
from earmark.reports.app.held import Opened
from earmark.runs.confusions import Confusion, Said

CHART = "confusions"
ON_A_PAGE = 5


def show(asked: Address, run: Opened) -> None:
    """Draw the confusions of one system, and the clips of one cell."""
    of = systems.chosen(asked, run)
    found = held.confusion(run, str(of.file), of)
    usual = _usual(found)
    st.html(boxes.heading("What was said of what"))
    above, left, right = st.container(), *st.columns(2)
    target = asked.one("target", "Target", found.rows, found.rows[usual[0]], left, address.redraw)
    said = asked.one("said", "Said", found.columns, found.columns[usual[1]], right, address.redraw)
    cell = found.rows.index(target), found.columns.index(said)
    with above.container(key=boxes.SCROLLED):
        _draw(found, cell)
    _clips(asked, run, found, found.cell(*cell))


def _usual(found: Confusion) -> tuple[int, int]:
    """Return the cell to begin with: the most frequent error, else the first that holds a clip."""
    if errors := found.most_confused(1):
        return errors[0].row, errors[0].column
    row, column = np.unravel_index(int(np.argmax(found.counts)), found.counts.shape)
    return int(row), int(column)


def _draw(found: Confusion, cell: tuple[int, int]) -> None:
    shown = pictures.shown_classes(found.counts, found.is_error)
    columns: Sequence[int] = range(len(found.columns))
    if len(found.columns) > pictures.MOST_CLASSES:
        columns = (*shown, *range(len(found.rows), len(found.columns)))
    spec = pictures.heat_map(found.rows, found.columns, found.counts, shown, columns, cell)
    st.html(boxes.at_least(pictures.least_width_px(len(columns))))
    key = address.redrawn(CHART)
    seeds = f", mean of {found.n_seeds} seeds" if found.n_seeds > 1 else ""
    st.vega_lite_chart(
        spec,
        width="stretch",
        key=key,
        on_select=lambda: _clicked(found, key),
        alt=f"Confusions of {found.predicted.system}: clips by target and by what was said{seeds}",
    )
    n_rows = len(found.rows)
    if len(shown) < n_rows:
        st.html(
            boxes.note([f"The {len(shown)} of {n_rows} rows with most errors are drawn; the boxes below have all."])
        )


def _clicked(found: Confusion, key: str) -> None:
    """Take the cell that was clicked; nothing, where it was clicked away."""
    cells = st.session_state[key]["selection"].get(pictures.CELL) or []
    if cells:
        address.show("target", found.rows[int(cells[0]["row"])])
        address.show("said", found.columns[int(cells[0]["column"])])


def _clips(asked: Address, run: Opened, found: Confusion, said: Sequence[Said]) -> None:
    """Draw the clips of a cell, some at a time."""
    heard = playing.heard_as(found.predicted)
    st.html(boxes.heading(f"{len(said)} clip{'s' * (len(said) != 1)} in this cell, {heard}"))
    if not said:
        st.html(boxes.note(["Choose another one."]))
        return
    starts = range(0, len(said), ON_A_PAGE)
    pages = [f"{at + 1} to {min(len(said), at + ON_A_PAGE)}" for at in starts]
    page = asked.one("clips", "Clips", pages, within=st.columns(3)[0]) if len(pages) > 1 else pages[0]
    for one in said[starts[pages.index(page)] :][:ON_A_PAGE]:
        words = f"{one.target} → {one.label}", _how_sure(one, found.n_seeds)
        playing.clip(run, found.predicted, one.dataset, one.clip, *words)


def _how_sure(one: Said, n_seeds: int) -> str:
    seeds = f"{one.n_seeds} of {n_seeds} seeds" if n_seeds > 1 else ""
    probability = "" if one.probability is None else f"probability {one.probability:.2f}"
    return ", ".join(filter(None, (probability, seeds)))
