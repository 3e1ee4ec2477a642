"""The interactive autotable: nothing varies unseen, whatever stands on the sides."""

from dataclasses import replace
from itertools import product

import pytest

from earmark.errors import DataError, UnknownName
from earmark.nouns import Result
from earmark.reports.app import autotable
from earmark.reports.app.autotable import Asked
from tests.runs.made_rows import ROW


def rows(run: str = "one") -> list[Result]:
    """Two tasks, representations, probes and deformations, a mean of two seeds each."""
    names = product(("key", "pitch"), ("a", "b"), ("M1", "M3"), ("clean", "snr"))
    return [
        replace(ROW, run=run, task=task, representation=heard, probe=probe, deformation=chain, value=place / 100)
        for place, (task, heard, probe, chain) in enumerate(names)
    ]


def test_what_is_on_no_side_has_a_table_for_each_value() -> None:
    found = autotable.tables(rows(), Asked(["representation"], ["deformation"], {}))
    assert len(found) == 4
    assert len({grid.title for grid in found}) == 4
    values = sorted(cell.value for grid in found for line in grid.cells for cell in line if cell.value is not None)
    assert values == [place / 100 for place in range(16)]


def test_a_frozen_column_has_one_value_and_no_head() -> None:
    (found,) = autotable.tables(rows(), Asked(["representation"], ["deformation"], {"task": "pitch", "probe": "M3"}))
    assert found.row_heads == (("a",), ("b",))
    assert [[cell.value for cell in line] for line in found.cells] == [[0.10, 0.11], [0.14, 0.15]]


def test_the_sides_change_places() -> None:
    frozen = {"task": "pitch", "probe": "M3"}
    (one,) = autotable.tables(rows(), Asked(["representation"], ["deformation"], frozen))
    (other,) = autotable.tables(rows(), Asked(["deformation"], ["representation"], frozen))
    assert [list(line) for line in one.cells] == [list(line) for line in zip(*other.cells, strict=True)]


def test_a_column_that_follows_a_side_joins_it() -> None:
    named = [replace(row, layer=f"layer {row.representation}") for row in rows()]
    found = autotable.tables(named, Asked(["representation"], ["deformation"], {"task": "pitch", "probe": "M3"}))
    assert [grid.row_heads for grid in found] == [(("a", "layer a"), ("b", "layer b"))]


def test_tables_of_several_runs_say_of_which() -> None:
    asked = Asked(["representation", "probe"], ["deformation"], {"task": "key"})
    other = [replace(row, value=0.5) for row in rows("two")]
    found = autotable.tables([*rows(), *other], asked)
    assert [grid.title.rpartition("; ")[2] for grid in found] == ["run one", "run two"]
    (beside,) = autotable.tables([*rows(), *other], replace(asked, row_by=["representation", "probe", "run"]))
    assert len(beside.row_heads) == 8


def test_only_what_varies_is_offered_and_labels_and_seeds_that_may_be_unread() -> None:
    assert set(autotable.varying(rows())) == {"task", "representation", "probe", "deformation", "label", "seed"}
    assert autotable.values(rows(), "probe") == ("M1", "M3")


def test_seeds_and_labels_are_left_unread_until_spoken_of() -> None:
    assert Asked(["task"], ["probe"], {}).leave_out == ("seed", "label")
    assert Asked(["task"], ["label"], {"seed": "1"}).leave_out == ()


def test_a_value_that_no_row_has_is_refused() -> None:
    with pytest.raises(UnknownName, match="Unknown probe of these results 'M9'"):
        autotable.tables(rows(), Asked(["representation"], ["deformation"], {"probe": "M9"}))


def test_rows_of_the_constant_predictor_alone_are_refused() -> None:
    with pytest.raises(DataError, match="at least one probe"):
        autotable.tables([replace(ROW, probe="constant")], Asked(["representation"], ["deformation"], {}))
