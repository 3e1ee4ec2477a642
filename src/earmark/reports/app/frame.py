"""What stands around every view: the page, its runs, the switch between views, and what went wrong."""

from collections.abc import Callable, Sequence
from pathlib import Path

import streamlit as st

from earmark import places
from earmark.errors import EarmarkError
from earmark.experiment import results
from earmark.reports.app import boxes, held, view_listen, view_map, view_runs, view_tables
from earmark.reports.app.address import Address
from earmark.reports.app.held import Opened

TABLES, LISTEN, MAP, TWO_RUNS = "Tables", "Listen", "Map", "Two runs"
Runs = dict[str, Opened]


def show(folders: Sequence[str]) -> None:
    """Draw the page of some runs, given by their folders; those beside them can be chosen too."""
    st.set_page_config(page_title="earmark", layout="wide", initial_sidebar_state="auto")
    st.html(boxes.STYLE)
    asked = Address()
    notes = st.container()
    try:
        with st.container(horizontal=True, vertical_alignment="center"):
            st.html(boxes.BRAND, width="content")
            view = asked.tab("view", "View", tuple(VIEWS))
        given, runs = _known(folders)
        VIEWS[view](asked, runs, given)
    except (EarmarkError, OSError) as error:
        st.html(boxes.trouble(str(error)))
    asked.write()
    if asked.notes:
        notes.html(boxes.note(asked.notes))


def _known(folders: Sequence[str]) -> tuple[tuple[str, ...], Runs]:
    """Return the names of the runs given, and every run that can be chosen by its name."""
    given = [Path(folder) for folder in folders]
    beside = sorted(file.parent for file in places.runs_folder().glob(f"*/{results.ROWS}"))
    found: Runs = {}
    for folder in dict.fromkeys(one.resolve() for one in (*given, *beside)):
        if (folder / results.ROWS).is_file():
            name = folder.name if folder.name not in found else str(folder)
            found[name] = held.opened(folder)
    wanted = {str(one.resolve()) for one in given}
    return tuple(name for name, run in found.items() if run.folder in wanted), found


def _tables(asked: Address, runs: Runs, given: Sequence[str]) -> None:
    names = asked.several("runs", "Runs", tuple(runs), given) or given
    view_tables.show(asked, [runs[name] for name in names])


def _listen(asked: Address, runs: Runs, given: Sequence[str]) -> None:
    view_listen.show(asked, runs[asked.one("run", "Run", tuple(runs), given[0])])


def _map(asked: Address, runs: Runs, given: Sequence[str]) -> None:
    view_map.show(asked, runs[asked.one("run", "Run", tuple(runs), given[0])])


def _two_runs(asked: Address, runs: Runs, given: Sequence[str]) -> None:
    if len(runs) < 2:
        st.html(boxes.note(["There is one run. Start with two: earmark app RUN_A RUN_B"]))
        return
    old = asked.one("old", "Old run", tuple(runs), given[0])
    others = tuple(name for name in runs if name != old)
    new = asked.one("new", "New run", others, next((name for name in given if name != old), others[0]))
    view_runs.show(asked, runs[old], runs[new])


VIEWS: dict[str, Callable[[Address, Runs, Sequence[str]], None]] = {
    TABLES: _tables,
    LISTEN: _listen,
    MAP: _map,
    TWO_RUNS: _two_runs,
}
