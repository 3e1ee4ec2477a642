"""Tables of rows: what stands in a cell, which is best, which cannot be told from the constant."""

import dataclasses
from collections.abc import Sequence

import pytest

from earmark.analysis import writers
from earmark.analysis.tables import Table, tables
from earmark.errors import DataError
from earmark.nouns import Result

ROW = Result(
    run="r",
    task="family",
    dataset="studio",
    dataset_version="1",
    split="program",
    fold=0,
    train_share=1.0,
    representation="logmel",
    layer="all",
    pool="mean",
    deformation="clean",
    severity=None,
    probe="M1",
    preset="mir_ref-fixed",
    seed=None,
    n_seeds=3,
    metric="accuracy",
    average="micro",
    label=None,
    value=0.5,
    ci_low=0.4,
    ci_high=0.6,
    ci_level=0.95,
    ci_method="percentile bootstrap over 24 groups, 1000 resamples",
    n=576,
    n_groups=24,
    n_failed=0,
    n_labels=12,
    unverified=False,
    embedding_key="e",
    probe_key="p",
    code_version="0",
    device="cpu",
    seconds=1.0,
)


def row(**changes: object) -> Result:
    return dataclasses.replace(ROW, **changes)  # type: ignore[arg-type]  # the tests name real fields


def markdown(found: Sequence[Table]) -> str:
    return writers.markdown(table.grid for table in found)


CONSTANT = row(representation="constant", layer="", pool="", probe="constant", value=0.1, ci_low=0.0, ci_high=0.2)


def test_a_cell_says_value_and_interval() -> None:
    (table,) = tables([CONSTANT, ROW])
    assert table.title == "family on studio, split program: accuracy (micro), 576 test clips in 24 groups"
    cell = table.lines[1].cells[0]
    assert cell is not None
    assert cell.text == "0.500 [0.400, 0.600]"


def test_a_cell_whose_interval_holds_the_constant_is_marked() -> None:
    weak = row(representation="chroma", value=0.15, ci_low=0.1, ci_high=0.2)
    (table,) = tables([CONSTANT, ROW, weak])
    marks = {line.representation: line.cells[0] and line.cells[0].untold for line in table.lines}
    assert marks == {"constant": False, "logmel (mean)": False, "chroma (mean)": True}
    assert "0.150 [0.100, 0.200]°" in markdown([table])


def test_the_best_of_each_column_is_bold() -> None:
    rows = [
        row(value=0.7),
        row(value=0.2, deformation="snr0"),
        row(representation="mfcc", value=0.6),
        row(representation="mfcc", value=0.3, deformation="snr0"),
    ]
    (table,) = tables(rows)
    text = markdown([table])
    assert table.columns == ("clean", "snr0")
    assert "| **0.700 [0.400, 0.600]** | 0.200 [0.400, 0.600] |" in text
    assert "| 0.600 [0.400, 0.600] | **0.300 [0.400, 0.600]** |" in text


def test_what_was_not_scored_is_empty_and_what_is_undefined_says_so() -> None:
    rows = [row(), row(deformation="snr0"), row(representation="mfcc", value=None, ci_low=None, ci_high=None)]
    (table,) = tables(rows)
    assert table.lines[1].cells[1] is None
    assert "undefined" in markdown([table])


def test_the_constant_stands_in_every_column_and_can_be_the_best() -> None:
    (table,) = tables([CONSTANT, row(), row(value=0.05, ci_low=0.01, ci_high=0.09, deformation="snr0")])
    constant, system = table.lines
    assert [cell and cell.value for cell in constant.cells] == [0.1, 0.1]
    assert [cell and cell.best for cell in constant.cells] == [False, True]
    assert [cell and cell.best for cell in system.cells] == [True, False]


def test_single_seeds_and_labels_are_not_in_the_table() -> None:
    (table,) = tables([row(), row(seed=0, value=0.9), row(average=None, label="piano", value=0.9)])
    assert [line.cells[0] and line.cells[0].value for line in table.lines] == [0.5]


def test_another_metric_and_average_can_be_asked_for() -> None:
    rows = [row(), row(metric="f1"), row(metric="f1", average="macro", value=0.3)]
    (table,) = tables(rows, "f1", "macro")
    assert (table.metric, table.average) == ("f1", "macro")
    with pytest.raises(DataError, match="was not scored by 'r2'; it has: accuracy, f1"):
        tables(rows, "r2")


def test_failed_clips_are_counted_under_the_table() -> None:
    (table,) = tables([row(n_failed=3)])
    assert "3 clips could not be scored" in table.note


def test_each_fold_has_its_table() -> None:
    assert [one.split for one in tables([row(), row(fold=1)])] == ["program", "program fold 1"]


def test_a_cell_whose_interval_is_too_narrow_is_marked_and_the_note_says_why() -> None:
    (table,) = tables([CONSTANT, row(narrow=True), row(representation="mfcc", value=0.55)])
    assert [line.cells[0] and line.cells[0].text for line in table.lines[1:]] == [
        "0.500 [0.400, 0.600]†",
        "0.550 [0.400, 0.600]",
    ]
    assert "† interval too narrow to be believed: too few clips, or groups" in table.note
    (unmarked,) = tables([CONSTANT, ROW])
    assert "†" not in unmarked.note


def test_a_cell_can_have_both_marks() -> None:
    (table,) = tables([CONSTANT, row(value=0.15, ci_low=0.1, ci_high=0.2, narrow=True)])
    assert "0.150 [0.100, 0.200]°†" in markdown([table])
