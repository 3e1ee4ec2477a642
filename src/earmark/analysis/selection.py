"""Which rows a grid is made of: what is frozen, and what is taken where nothing was said."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from operator import attrgetter
from typing import Any

from earmark.analysis.layouts import COLUMNS
from earmark.analysis.tables import check_average
from earmark.errors import DataError, UnknownName
from earmark.nouns import Result

CONSTANT = "constant"
NONE = "none"
Key = tuple[Any, ...]
OF_SYSTEM = {"representation", "layer", "pool", "probe", "preset", "seed", "run", "deformation", "severity"}
"""What the rows of the constant predictor lack: it hears nothing, so it has no layer, no seed and no deformation."""
TASK = ("task", "dataset", "dataset_version", "split")


@dataclass(frozen=True)
class Chosen:
    """The rows of the systems, those of the constant predictor on the same clips, and those of single seeds."""

    rows: tuple[Result, ...]
    constants: tuple[Result, ...]
    of_seeds: tuple[Result, ...]


def getter(names: Sequence[str]) -> Callable[[Result], Key]:
    """Return what reads some columns of a row as a tuple."""
    if not names:
        return lambda row: ()
    if len(names) == 1:
        only = attrgetter(names[0])
        return lambda row: (only(row),)
    return attrgetter(*names)


def text_of(value: object) -> str:
    """Return a value as a table and the command line write it."""
    if value is None:
        return NONE
    return f"{value:.6g}" if isinstance(value, float) else str(value)


def choose(
    rows: Iterable[Result],
    free: Sequence[str],
    frozen: Mapping[str, object],
    metric: str | None,
    average: str | None,
) -> Chosen:
    """Return the rows with the frozen values; of columns neither frozen nor in `free`, those that stand for all.

    They are: the mean over seeds, all labels together, the mean over folds where there is one, and of each task the
    first metric and average. Raises UnknownName for a frozen value or an average that no row has, DataError where
    nothing is left.
    """
    held = list(rows)
    systems = [row for row in held if row.probe != CONSTANT]
    if not systems:
        raise DataError("Expected scores of at least one probe, found none. Finish the run first: `earmark run FILE`.")
    check_average(average, held)
    given = dict(frozen) if metric is None else {**frozen, "metric": metric}
    wanted = {name: _value(name, value, systems) for name, value in given.items()}
    for name in ("label", "seed"):
        if name not in free and name not in wanted and any(getattr(row, name) is None for row in systems):
            wanted[name] = None
    of_seeds = _where(systems, {name: value for name, value in wanted.items() if name != "seed"})
    systems = _where(systems, wanted)
    if not systems:
        said = ", ".join(f"{name}={text_of(value)}" for name, value in wanted.items())
        raise DataError(f"No score has all of these: {said}. Freeze less, or other values.")
    constants = [row for row in held if row.probe == CONSTANT]
    constants = _where(constants, {name: value for name, value in wanted.items() if name not in OF_SYSTEM})
    told = {*free, *wanted}
    of_number = (*TASK, "metric", *({"label"} & told))  # a label has no average, all of them together have
    for name, by in (("metric", TASK), ("average", of_number), ("fold", (*TASK, "train_share", "metric"))):
        if name not in told:
            keep = _first(name, by, (*constants, *systems) if name != "fold" else systems, average)
            systems, constants, of_seeds = ([*filter(keep, some)] for some in (systems, constants, of_seeds))
    return Chosen(tuple(systems), tuple(constants), tuple(row for row in of_seeds if row.seed is not None))


def _value(name: str, given: object, rows: Iterable[Result]) -> object:
    """Return the value of the rows that is meant by one, which may be its text."""
    if name not in COLUMNS:
        raise UnknownName("column of results", name, COLUMNS)
    known = dict.fromkeys(map(attrgetter(name), rows))
    if given in known:
        return given
    texts = {text_of(value): value for value in known}
    if str(given) not in texts:
        raise UnknownName(f"{name} of these results", text_of(given), texts)
    return texts[str(given)]


def _where(rows: Sequence[Result], wanted: Mapping[str, object]) -> list[Result]:
    key_of, key = getter(tuple(wanted)), tuple(wanted.values())
    return [row for row in rows if key_of(row) == key]


def _first(name: str, by: Sequence[str], rows: Iterable[Result], average: str | None) -> Callable[[Result], bool]:
    """Return what keeps, of each task, the rows with the value that stands for all."""
    key_of, value_of = getter(by), attrgetter(name)
    known: dict[Key, dict[object, None]] = {}
    for row in rows:
        known.setdefault(key_of(row), {})[value_of(row)] = None
    if name == "fold":  # several folds without a mean stay, and are refused by name
        kept = {key: {None} if None in values else set(values) for key, values in known.items()}
    else:
        kept = {
            key: {average if name == "average" and average in values else next(iter(values))}
            for key, values in known.items()
        }
    return lambda row: value_of(row) in kept.get(key_of(row), ())
