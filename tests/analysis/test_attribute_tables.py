"""Tables per attribute: a column a value, in order, each against the constant of the same clips."""

import pytest

from earmark.analysis.attributes import by_attribute
from earmark.errors import UnknownName
from tests.analysis.test_tables import CONSTANT, ROW, row

VALUES = {"9": 0.6, "10": 0.45, "loud": 0.2}
CONSTANT_HERE = {
    "representation": "constant",
    "layer": "",
    "pool": "",
    "probe": "constant",
    "ci_low": 0,
    "ci_high": 0.3,
}
ROWS = [
    CONSTANT,
    ROW,
    row(deformation="snr15"),
    *(
        changed
        for name, value in VALUES.items()
        for changed in (
            row(label=f"velocity={name}", value=value, ci_low=value - 0.1, ci_high=value + 0.1, n=12, n_groups=3),
            row(label=f"velocity={name}", value=value / 2, n=12, deformation="snr15"),
            row(label=f"velocity={name}", value=0.15, n=12, **CONSTANT_HERE),
        )
    ),
    row(label="velocity=loud", average=None, value=0.99, n=12),
]


def test_values_are_columns_numbers_by_size_before_words() -> None:
    table, _ = by_attribute(ROWS, "velocity")
    assert table.columns == ("9 (n=12)", "10 (n=12)", "loud (n=12)")
    assert table.title == (
        "family per velocity on studio, split program: accuracy (micro), 576 test clips in 24 groups"
    )


def test_a_class_that_is_named_like_a_value_is_none() -> None:
    table, _ = by_attribute(ROWS, "velocity")
    (line,) = (one for one in table.lines if one.representation.startswith("logmel"))
    assert [cell.value for cell in line.cells if cell] == list(VALUES.values())


def test_each_value_has_the_constant_of_its_own_clips_under_every_condition() -> None:
    clean, noisy = by_attribute(ROWS, "velocity")
    assert noisy.title.startswith("family per velocity under snr15 on studio")
    for table in (clean, noisy):
        (line,) = (one for one in table.lines if one.representation == "constant")
        assert [cell.value for cell in line.cells if cell] == [0.15] * 3
    told = [cell.untold for line in clean.lines if line.probe != "constant" for cell in line.cells if cell]
    assert told == [False, False, True], "only of the loud ones the interval holds 0.15"


def test_the_note_says_how_intervals_were_made_and_not_over_how_many_of_each() -> None:
    table, _ = by_attribute(ROWS, "velocity")
    assert "percentile bootstrap, 1000 resamples" in table.note
    assert "24 groups" not in table.note


def test_without_any_attribute_it_says_what_to_add() -> None:
    with pytest.raises(UnknownName, match=r"Known: none: add per: \[singer\] and run again\."):
        by_attribute([CONSTANT, ROW], "singer")
