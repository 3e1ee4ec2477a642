"""Whether a result row and a column of a published table are of the same protocol and split."""

from collections.abc import Iterator

from earmark.counted import counted
from earmark.nouns import Result
from earmark.published.departures import Departures
from earmark.published.documents import Column, PublishedTable

MEAN = "mean"


def probe_of(row: Result) -> str:
    """Return the name of a row's probe as its preset has it: "M1" of "mir_ref/M1"."""
    return row.probe.removeprefix(f"{row.preset}/")


def candidates(row: Result, table: PublishedTable) -> tuple[Column, ...]:
    """Return the columns of the same task, metric, average and deformation: those that one would like to compare."""
    wanted = (row.task, row.metric, row.average, row.deformation)
    return tuple(one for one in table.columns if (one.task, one.metric, one.average, one.deformation) == wanted)


def match(row: Result, table: PublishedTable, known: Departures) -> tuple[Column | None, tuple[str, ...]]:
    """Return the column that a row may stand beside, or None and every reason why it may not.

    No column and no reason: the table is not of the row's task, metric, average and deformation. `known` is what the
    row's experiment means by its names.
    """
    for column in candidates(row, table):
        reasons = tuple(_differences(row, column, known))
        return (None, reasons) if reasons else (column, ())
    return None, ()


def _differences(row: Result, column: Column, known: Departures) -> Iterator[str]:
    if column.never:
        yield column.never
        return
    pairs = {
        "dataset": (row.dataset, column.dataset),
        "split": (row.split, column.split),
        "fold": (MEAN if row.fold is None else row.fold, column.fold),
        "preset": (row.preset, column.preset),
        "probe": (probe_of(row), column.probe),
        "pool": (row.pool, column.pool),
    }
    for name, (own, theirs) in pairs.items():
        if theirs is not None and own != theirs:
            yield f"{name} is {'none' if own is None else own}, theirs {theirs}"
    if row.train_share < 1:
        yield f"{row.train_share:.3g} of the training clips was fitted on, theirs all"
    if row.n_failed:
        yield f"{counted(row.n_failed, 'test clip')} could not be scored"
    yield from (known[row.task, name] for name in ("", row.probe, row.deformation) if (row.task, name) in known)
