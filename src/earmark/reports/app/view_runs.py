"""The view of two runs: what differs in files, software, data and numbers, and which changes are more than chance."""

from collections.abc import Sequence

import streamlit as st

from earmark.counted import counted
from earmark.experiment.ingredients import Difference
from earmark.reports.app import boxes, held
from earmark.reports.app.address import Address
from earmark.reports.app.held import Opened
from earmark.runs import diff
from earmark.runs.changes import Change
from earmark.runs.diff import Diff, Number, Numbers

ALL, TOLD = "all scores", "only better and worse"
MOST_LINES = 300
SCORES = ("system", "condition", "old", "new", "difference on shared clips", "p", "p, Holm", "verdict")
SIGNS = {"better": "▲ better", "worse": "▼ worse"}


def show(asked: Address, old: Opened, new: Opened) -> None:
    """Draw what differs from an old run to a new one; what is computed longest stands first and is drawn last."""
    st.html(boxes.heading(f"From {old.path.name} to {new.path.name}"))
    scores = st.container()
    which = asked.one("scores", "Scores shown", (ALL, TOLD))
    for title, some in (
        ("Experiment file", diff.config(old.path, new.path)),
        ("Software and machine", diff.software(old.path, new.path)),
        ("Data and weights", diff.data(old.path, new.path)),
    ):
        _table(title, ("what", "old", "new"), [_difference(one) for one in some])
    with scores:
        found = held.differences(old, new)
        changes = [one for one in found.changes.scores if which == ALL or one.verdict in ("better", "worse")]
        st.html(boxes.note([_summary(found), *found.notes, *found.changes.notes]))
        _scores(changes)
        st.html(boxes.note([_reading(found)]))
    _numbers(found.numbers)
    st.download_button("Save as Markdown", found.markdown, "diff.md", on_click="ignore")


def _scores(changes: Sequence[Change]) -> None:
    """Draw a table for each task and metric."""
    tables: dict[str, list[Change]] = {}
    for one in changes:
        average = f" ({one.average})" if one.average else ""
        tables.setdefault(f"{one.where}: {one.metric}{average}", []).append(one)
    for title, some in tables.items():
        _table(title, SCORES, [_score(one) for one in some])


def _numbers(found: Numbers) -> None:
    title = f"Numbers, of {counted(found.n_rows, 'row')} in both"
    _table(title, ("what", "old", "new", "difference"), [_number(one) for one in found.differing])
    for which, names in (("old", found.only_old), ("new", found.only_new)):
        if names:
            _table(f"Only in the {which} run", ("row",), [(name,) for name in names])


def _summary(found: Diff) -> str:
    """Return in a sentence what became of the scores."""
    verdicts = [one.verdict for one in found.changes.scores]
    counts = {name: verdicts.count(name) for name in dict.fromkeys(verdicts)}
    said = ", ".join(f"{count} {name}" for name, count in counts.items())
    return (
        f"Of {counted(len(verdicts), 'score')} in both runs: {said}."
        if verdicts
        else "The runs have no score in common."
    )


def _reading(found: Diff) -> str:
    return (
        f"Difference: new − old with its paired interval. p: paired permutation test, {found.changes.permutations:,} "
        f"permutations, corrected (Holm) for {counted(found.changes.n_tests, 'test')}."
    )


def _table(title: str, heads: Sequence[str], lines: Sequence[Sequence[str]], note: str = "") -> None:
    """Draw lines, or say that there are none."""
    if not lines:
        st.html(boxes.note([f"{title}: no difference."]))
        return
    cut = f" The first {MOST_LINES} of {len(lines)} are shown; the file holds more." if len(lines) > MOST_LINES else ""
    st.html(boxes.table(title, heads, lines[:MOST_LINES], f"{note}{cut}"))


def _difference(one: Difference) -> tuple[str, str, str]:
    old, new = ("absent" if text is None else text for text in (one.old, one.new))
    return one.where, old, new


def _number(one: Number) -> tuple[str, str, str, str]:
    old, new = ("undefined" if value is None else f"{value:.6g}" for value in (one.old, one.new))
    by = "" if one.difference is None else f"{one.difference:+.3g}"
    return f"{one.where}, {one.field}", old, new, by


def _score(one: Change) -> tuple[str, ...]:
    old, new = ("undefined" if side.value is None else f"{side.value:.3f}" for side in (one.old, one.new))
    said, shared = (one.system, one.deformation, old, new), one.paired
    if shared is None:
        return *said, "", "", "", f"{one.verdict}: {one.reason}"
    by = "undefined" if shared.difference is None else f"{shared.difference:+.3f}"
    interval = "" if shared.ci_low is None else f" [{shared.ci_low:+.3f}, {shared.ci_high:+.3f}]"
    p_values = ("" if p is None else f"{p:.4f}" for p in (shared.p, shared.p_holm))
    return *said, f"{by}{interval}", *p_values, SIGNS.get(one.verdict, one.verdict)
