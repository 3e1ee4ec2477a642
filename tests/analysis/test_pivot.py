"""Grids of rows: what is an axis, what is frozen, what is best, and what is said of a cell without a number."""

import dataclasses
import itertools
import statistics
from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from earmark.analysis import layouts
from earmark.analysis.grid import NOT_SCORED, UNDEFINED, Cell, Grid
from earmark.analysis.layouts import COLUMNS, LAYOUTS, Layout
from earmark.analysis.pivot import pivot
from earmark.errors import DataError, UnknownName
from earmark.nouns import Result
from tests.analysis.test_tables import CONSTANT, ROW, row

BY_CONDITION = Layout(("representation", "probe"), ("deformation",))


def only(found: Sequence[Grid]) -> Grid:
    (grid,) = found
    return grid


def cells(grid: Grid) -> dict[tuple[str, ...], Cell]:
    """Return the cells by line and column heads, one after another."""
    return {
        (*line, *column): cell
        for line, some in zip(grid.row_heads, grid.cells, strict=True)
        for column, cell in zip(grid.column_heads, some, strict=True)
    }


def values(grid: Grid) -> dict[tuple[str, ...], float | None]:
    return {place: cell.value for place, cell in cells(grid).items()}


def some_rows() -> list[Result]:
    """Two representations, two probes, two conditions, each score its own."""
    found = itertools.product(("logmel", "mfcc"), ("M1", "M3"), ("clean", "snr0"))
    return [
        row(representation=representation, probe=probe, deformation=chain, value=0.3 + number / 100)
        for number, (representation, probe, chain) in enumerate(found)
    ]


def test_every_score_stands_in_the_cell_of_its_line_and_column() -> None:
    grid = only(pivot(some_rows(), BY_CONDITION))
    expected = {(one.representation, one.probe, one.deformation): one.value for one in some_rows()}
    assert values(grid) == expected
    assert grid.title == "family on studio, split program: accuracy (micro), 576 test clips in 24 groups; pool mean"


@settings(max_examples=40, deadline=None)
@given(order=st.permutations(["representation", "probe", "deformation"]), cut=st.integers(1, 2), shuffled=st.randoms())
def test_any_columns_of_the_rows_can_be_lines_or_columns(order: list[str], cut: int, shuffled: st.DataObject) -> None:
    rows = some_rows()
    shuffled.shuffle(rows)  # type: ignore[attr-defined]  # a random.Random
    grid = only(pivot(rows, Layout(order[:cut], order[cut:])))
    expected = {tuple(getattr(one, name) for name in order): one.value for one in rows}
    assert values(grid) == expected


def test_a_column_with_several_values_must_be_frozen_and_the_error_says_how() -> None:
    with pytest.raises(DataError) as error:
        pivot(some_rows(), Layout(("representation",), ("deformation",)))
    assert str(error.value) == (
        "'probe' has several values in this table: M1, M3. Freeze one (--freeze probe=M1), or make probe one of the "
        "rows or columns."
    )
    grid = only(pivot(some_rows(), Layout(("representation",), ("deformation",)), {"probe": "M3"}))
    assert values(grid)["logmel", "snr0"] == pytest.approx(0.33)
    assert "probe M3" in grid.title


@pytest.mark.parametrize(
    "name", [name for name in COLUMNS if name not in ("metric", "average", "label", "seed", "run")]
)
def test_no_column_of_the_rows_varies_unseen(name: str) -> None:
    """Two systems that differ in one more thing, which neither line nor column names, are refused."""
    other: Any = {"fold": 1, "train_share": 0.5, "severity": 3.0}.get(name, "other")
    rows = [*some_rows(), *(dataclasses.replace(one, **{name: other}) for one in some_rows())]
    names = [axis for axis in ("representation", "probe", "deformation") if axis != name]
    frozen = {"deformation": "clean"} if name == "deformation" else {}
    rows = [one for one in rows if not frozen or one.deformation in ("clean", "other")]
    with pytest.raises(DataError, match=f"'{name}' has several values"):
        pivot(rows, Layout(names[:1], names[1:]))


def test_what_varies_with_a_line_joins_its_head() -> None:
    rows = [row(task="family", metric="accuracy"), row(task="key", metric="key_score", dataset="pieces", n=144)]
    grid = only(pivot(rows, Layout(("task",), ("representation",))))
    assert grid.row_by == ("task", "dataset", "metric")
    assert grid.row_heads == (("family", "studio", "accuracy"), ("key", "pieces", "key_score"))
    assert "clips" not in grid.title, "they are of different ones"


def test_what_a_probe_or_dataset_says_already_does_not_join_a_head() -> None:
    rows = [row(probe="M1", preset="a"), row(probe="N1", preset="b"), row(probe="M1", preset="a", deformation="snr0")]
    grid = only(pivot(rows, BY_CONDITION))
    assert grid.row_by == ("representation", "probe")


def test_a_frozen_value_can_be_text_and_none_and_an_unknown_one_offers_the_nearest() -> None:
    rows = [row(), row(train_share=0.1, value=0.2), row(train_share=0.1, seed=0, value=0.9)]
    layout = Layout(("representation",), ("deformation",))
    assert values(only(pivot(rows, layout, {"train_share": "0.1"}))) == {("logmel", "clean"): 0.2}
    assert values(only(pivot(rows, layout, {"train_share": 0.1, "seed": "none"}))) == {("logmel", "clean"): 0.2}
    assert values(only(pivot(rows, layout, {"train_share": 0.1, "seed": "0"}))) == {("logmel", "clean"): 0.9}
    with pytest.raises(UnknownName, match=r"Unknown probe of these results 'M2'. Did you mean 'M1'\? Known: M1."):
        pivot(rows, layout, {"probe": "M2"})
    with pytest.raises(UnknownName, match=r"Unknown column of results 'deformatoin'. Did you mean 'deformation'\?"):
        pivot(rows, layout, {"deformatoin": "clean"})


def test_values_that_exist_but_never_together_are_an_error() -> None:
    rows = [row(), row(probe="M3", deformation="snr0")]
    with pytest.raises(DataError, match="No score has all of these: probe=M3, deformation=clean"):
        pivot(rows, BY_CONDITION, {"probe": "M3", "deformation": "clean"})


def test_the_mean_over_folds_stands_for_them_and_without_it_a_fold_must_be_frozen() -> None:
    folds = [row(fold=number, value=0.1 * number) for number in range(3)]
    assert values(only(pivot([*folds, row(fold=None, value=0.7)], BY_CONDITION))) == {("logmel", "clean"): 0.7}
    with pytest.raises(DataError, match="'fold' has several values in this table: 0, 1, 2"):
        pivot(folds, BY_CONDITION)
    by_fold = only(pivot([*folds, row(fold=None, value=0.7)], Layout(("representation",), ("fold",))))
    assert by_fold.column_heads == (("mean of folds",), ("fold 0",), ("fold 1",), ("fold 2",))


def test_labels_and_seeds_stay_out_until_they_are_asked_for() -> None:
    rows = [row(), *(row(average=None, label=name, value=0.2) for name in ("piano", "flute"))]
    assert values(only(pivot(rows, BY_CONDITION))) == {("logmel", "clean"): 0.5}
    piano = only(pivot(rows, BY_CONDITION, {"label": "piano"}))
    assert (piano.title.startswith("family on studio, split program, label piano"), values(piano)) == (
        True,
        {("logmel", "clean"): 0.2},
    )
    assert {head for head, *_ in only(pivot(rows, Layout(("label",), ("deformation",)))).row_heads} == {
        *("all", "piano", "flute")
    }


def test_the_deviation_over_seeds_is_that_of_the_rows_of_single_seeds() -> None:
    scores = [0.41, 0.52, 0.60]
    rows = [row(), *(row(seed=seed, value=score) for seed, score in enumerate(scores))]
    grid = only(pivot(rows, BY_CONDITION, deviations=True))
    (cell,) = cells(grid).values()
    assert cell.seed_deviation == pytest.approx(statistics.stdev(scores))
    assert (cell.said("seeds"), cell.said("value")) == ("0.500 ± 0.095 (3)", "0.500")


def test_the_best_is_the_best_of_its_condition_whichever_way_the_table_lies() -> None:
    rows = some_rows()
    for layout in (BY_CONDITION, Layout(("deformation",), ("representation", "probe"))):
        grid = only(pivot(rows, layout))
        assert {place for place, cell in cells(grid).items() if cell.best} == {
            place for place, value in values(grid).items() if value in (0.36, 0.37)
        }


def test_less_is_best_of_an_error_and_the_note_gives_the_unit() -> None:
    rows = [row(metric="mean_absolute_error", value=0.3), row(metric="mean_absolute_error", probe="M3", value=0.2)]
    grid = only(pivot(rows, BY_CONDITION))
    assert [place[1] for place, cell in cells(grid).items() if cell.best] == ["M3"]
    assert "mean_absolute_error is in the unit of the targets; less is better." in grid.notes


def test_what_is_near_to_the_best_is_best_too_if_so_asked() -> None:
    rows = [row(probe=name, value=value) for name, value in (("M1", 0.90), ("M2", 0.89), ("M3", 0.8899))]
    best = {place[1] for place, cell in cells(only(pivot(rows, BY_CONDITION))).items() if cell.best}
    near = cells(only(pivot(rows, BY_CONDITION, bold_within=0.01)))
    assert (best, {place[1] for place, cell in near.items() if cell.best}) == ({"M1"}, {"M1", "M2"})


def test_overlapping_intervals_tie_nothing_and_a_test_that_is_handed_in_does() -> None:
    rows = [row(value=0.50), row(probe="M3", value=0.51), row(probe="M5", value=0.49)]
    assert not any(cell.tied for cell in cells(only(pivot(rows, BY_CONDITION))).values())

    def untold(best: Result, other: Result) -> bool:
        assert best.probe == "M3"
        return other.probe == "M1"

    found = cells(only(pivot(rows, BY_CONDITION, is_tied=untold)))
    assert {place[1]: cell.tied for place, cell in found.items()} == {"M1": True, "M3": False, "M5": False}
    assert found["logmel", "M1", "clean"].said("value") == "0.500≈"


def test_the_constant_predictor_has_a_line_in_every_condition_and_marks_what_it_holds() -> None:
    weak = [row(representation="chroma", deformation=name, value=0.15, ci_low=0.1) for name in ("clean", "snr0")]
    grid = only(pivot([*some_rows(), *weak, CONSTANT], BY_CONDITION))
    assert grid.row_heads[0] == ("constant", "constant")
    assert [cell.value for cell in grid.cells[0]] == [0.1, 0.1]
    assert {place[0] for place, cell in cells(grid).items() if cell.untold} == {"chroma"}
    turned = only(pivot([*some_rows(), CONSTANT], Layout(("deformation",), ("representation", "probe"))))
    assert turned.column_heads[0] == ("constant", "constant")
    nameless = only(pivot([*weak, CONSTANT], Layout(("deformation",), ("layer",))))
    assert all(cell.untold for cell in cells(nameless).values()), "it marks cells even where no line can name it"


def test_cells_without_a_row_and_rows_without_a_number_say_so() -> None:
    rows = [row(), row(deformation="snr0", value=None), row(probe="M3", value=float("nan"))]
    grid = only(pivot(rows, BY_CONDITION))
    assert {place: cell.missing for place, cell in cells(grid).items()} == {
        ("logmel", "M1", "clean"): "",
        ("logmel", "M1", "snr0"): UNDEFINED,
        ("logmel", "M3", "clean"): UNDEFINED,
        ("logmel", "M3", "snr0"): NOT_SCORED,
    }
    said = grid.remarks("value")
    assert "– not scored: logmel M3 under snr0." in said
    assert "undefined, no number for these clips: logmel M1 under snr0; logmel M3 under clean." in said
    assert [cell.best for cell in cells(grid).values()] == [True, False, False, False]


def test_a_table_without_any_number_still_stands() -> None:
    grid = only(pivot([row(value=None, ci_low=None, ci_high=None)], BY_CONDITION))
    assert grid.texts("interval") == (("undefined",),)
    with pytest.raises(DataError, match="Expected scores of at least one probe, found none"):
        pivot([CONSTANT], BY_CONDITION)


def test_systems_of_several_runs_stand_in_one_table() -> None:
    grid = only(pivot([row(run="a"), row(run="b", representation="mfcc", value=0.6)], BY_CONDITION))
    assert values(grid) == {("logmel", "clean"): 0.5, ("mfcc", "clean"): 0.6}
    assert "Of 2 runs: a, b." in grid.notes


def test_the_same_probe_in_two_runs_is_shown_once_and_two_scores_for_one_cell_are_refused() -> None:
    assert values(only(pivot([row(run="a"), row(run="b")], BY_CONDITION))) == {("logmel", "clean"): 0.5}
    with pytest.raises(DataError, match=r"'run' has several values in this table: a, b. Freeze one \(--freeze run=a\)"):
        pivot([row(run="a"), row(run="b", value=0.7, probe_key="q")], BY_CONDITION)
    side_by_side = only(pivot([row(run="a"), row(run="b", value=0.7)], Layout(("representation",), ("run",))))
    assert side_by_side.column_heads == (("a",), ("b",))


def test_heads_that_are_numbers_stand_by_size() -> None:
    rows = [row(layer=str(layer)) for layer in (10, 2, 1)]
    assert only(pivot(rows, Layout(("representation",), ("layer",)))).column_heads == (
        ("layer 1",),
        ("layer 2",),
        ("layer 10",),
    )


def test_each_preset_is_a_layout_of_columns_that_rows_have() -> None:
    names = {field.name for field in dataclasses.fields(Result)}
    assert {*COLUMNS} <= names
    for layout in LAYOUTS.values():
        pivot([*some_rows(), CONSTANT, row(metric="f1"), row(average="macro")], layout)


def test_the_presets_of_the_thesis_show_what_they_are_named_after() -> None:
    rows = [*some_rows(), *(dataclasses.replace(one, average="macro") for one in some_rows())]
    whole = only(pivot(rows, LAYOUTS["all_deform_all_models"]))
    assert (whole.row_by, whole.column_by) == (("representation", "probe"), ("average", "deformation"))
    assert len(whole.cells) * len(whole.cells[0]) == len(rows)
    assert [one.column_by for one in pivot(rows, LAYOUTS["deformations"])] == [("deformation",)] * 2, (
        "one for each probe"
    )
    assert [one.column_by for one in pivot(rows, LAYOUTS["probes"])] == [("probe",)] * 2, "one for each condition"
    two = [*rows, *(dataclasses.replace(one, task="key") for one in rows)]
    assert [one.title.partition(" ")[0] for one in pivot(two, LAYOUTS["scores"])] == ["family", "key"]
    assert only(pivot(two, LAYOUTS["everything"])).row_by == ("task", "representation", "probe")


def test_a_layout_that_cannot_be_says_so() -> None:
    with pytest.raises(UnknownName, match="Unknown column of results 'model'"):
        Layout(("model",), ("deformation",))
    with pytest.raises(DataError, match="Expected each column once, got 'probe' twice"):
        Layout(("probe",), ("probe",))
    with pytest.raises(DataError, match="Expected columns of results for rows and for columns"):
        Layout((), ("probe",))
    with pytest.raises(
        UnknownName, match=r"Unknown preset of tables 'all_deform'.*Did you mean 'all_deform_all_models'.* robustness"
    ):
        layouts.find("all_deform")


def test_seeds_can_be_lines() -> None:
    rows = [ROW, *(row(seed=seed, value=0.1 * seed) for seed in (1, 0))]
    grid = only(pivot(rows, Layout(("seed",), ("deformation",))))
    assert grid.row_heads == (("mean of seeds",), ("0",), ("1",))
