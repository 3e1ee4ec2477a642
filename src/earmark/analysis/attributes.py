"""Tables of the scores per value of an attribute: how well each singer, each gender, each genre is told."""

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace

from earmark.analysis.tables import Line, Table, partition_of, tables
from earmark.errors import UnknownName
from earmark.nouns import Result

CLEAN = "clean"
OVER = re.compile(r" over [^,;]+")


def by_attribute(
    rows: Iterable[Result], attribute: str, metric: str | None = None, average: str | None = None
) -> tuple[Table, ...]:
    """Return a table for each partition and condition: a line a system, a column a value with its number of clips.

    Raises UnknownName for an attribute that nothing was scored per.
    """
    means = [row for row in rows if row.seed is None and row.average is not None]
    known = dict.fromkeys(row.label.partition("=")[0] for row in means if row.label is not None)
    if attribute not in known:
        raise UnknownName("attribute of these scores", attribute, known or ["none: add per: [singer] and run again"])
    partitions: dict[tuple[str, str, str, int | None, float], list[Result]] = {}
    for row in means:
        partitions.setdefault(partition_of(row), []).append(row)
    return tuple(one for part in partitions.values() for one in _of_partition(part, attribute, metric, average))


def _of_partition(rows: Sequence[Result], attribute: str, metric: str | None, average: str | None) -> Iterator[Table]:
    per = [row for row in rows if row.label is not None and row.label.startswith(f"{attribute}=")]
    for condition in dict.fromkeys(row.deformation for row in per):
        columns: dict[str, list[Result]] = {}
        for row in per:
            # The constant predictor hears nothing, so it has the same score under every condition.
            if row.deformation == condition or row.probe == "constant":
                columns.setdefault(str(row.label).partition("=")[2], []).append(row)
        of_values = [_of_value(value, columns[value], metric, average) for value in sorted(columns, key=_natural)]
        whole = next(row for row in rows if row.label is None and row.deformation == condition)
        under = "" if condition == CLEAN else f" under {condition}"
        yield _side_by_side(of_values, f"{whole.task} per {attribute}{under}", whole)


def _of_value(value: str, rows: Sequence[Result], metric: str | None, average: str | None) -> Table:
    """Return the table of one value's rows: its name and number of clips stand where a condition does."""
    column = f"{value} (n={rows[0].n})"
    (found,) = tables([replace(row, label=None, deformation=column) for row in rows], metric, average)
    return found


def _side_by_side(of_values: Sequence[Table], title: str, whole: Result) -> Table:
    """Return one table of those of the values; `whole` is a row of all test clips."""
    lines: dict[tuple[str, str], list[Line]] = {}
    for table in of_values:
        for line in table.lines:
            lines.setdefault((line.representation, line.probe), []).append(line)
    # Each column has clips and groups of its own: results.jsonl says how many.
    methods = dict.fromkeys(OVER.sub("", method) for table in of_values for method in table.ci_method.split("; "))
    return replace(
        of_values[0],
        task=title,
        columns=tuple(column for table in of_values for column in table.columns),
        lines=tuple(replace(some[0], cells=tuple(c for one in some for c in one.cells)) for some in lines.values()),
        n=whole.n,
        n_groups=whole.n_groups,
        ci_method="; ".join(method for method in methods if method),
    )


def _natural(value: str) -> tuple[bool, int, str]:
    """Return what sorts numbers by size, before words."""
    return (False, int(value), "") if value.isdecimal() else (True, 0, value)
