"""Result sets with little or nothing in them: every table of them is there, or an error says why and what to do."""

from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path

import pytest

from earmark.analysis import layouts, writers
from earmark.analysis.grid import Grid
from earmark.errors import DataError
from earmark.experiment import results
from earmark.nouns import Result
from earmark.runs import tabling
from earmark.show.grids import unbroken
from tests.analysis.test_tables import CONSTANT, row

NAN = float("nan")
NO_INTERVAL = {"ci_low": None, "ci_high": None, "ci_method": ""}
ODD: Mapping[str, tuple[list[Result], str]] = {
    "one row": ([row()], "0.500"),
    "no constant predictor": ([row(), row(deformation="snr0")], "0.500"),
    "one clip": ([CONSTANT, row(n=1, n_groups=1, narrow=True, **NO_INTERVAL)], "1 test clip in 1 group"),
    "one class": ([CONSTANT, row(n_labels=1, value=1.0, ci_low=1.0, ci_high=1.0, narrow=True)], "too narrow"),
    "NaN": ([CONSTANT, row(value=NAN, ci_low=NAN, ci_high=NAN)], "undefined, no number for these clips: "),
    "infinity": ([row(value=float("inf"))], "undefined, no number for these clips: "),
    "no number": ([row(value=None, **NO_INTERVAL)], "undefined, no number for these clips: "),
    "an interval without one end": ([row(ci_high=None)], "0.500"),
    "an undefined constant predictor": (
        [row(representation="constant", layer="", pool="", probe="constant", value=None, **NO_INTERVAL), row()],
        "0.500",
    ),
    "systems with no condition in common": (
        [row(representation="a", deformation="x"), row(representation="b", deformation="y")],
        "0.500",
    ),
    "tasks with no metric in common": ([row(task="a"), row(task="b", metric="f1")], "0.500"),
    "clips without number": ([row(n=0, n_groups=None)], "a number of test clips that is not told"),
}
Read = Callable[[Path], tuple[Grid, ...]]
READS: Mapping[str, Read] = {
    "the table of a run": results.grids,
    **{name: partial(tabling.tables, preset=name) for name in layouts.LAYOUTS},
}


def test_what_is_missing_is_said_by_every_preset_and_writer(tmp_path: Path) -> None:
    for what, (rows, expected) in ODD.items():
        folder = tmp_path / what
        folder.mkdir()
        results.write_rows(folder, rows)
        for preset, read in READS.items():
            grids = read(folder)
            texts = [writers.markdown(grids), writers.latex(grids), writers.html(grids)]
            texts.append("\n".join(line for grid in grids for line in unbroken(grid)))
            for text in texts:
                assert expected in text, (what, preset)
                assert "nan" not in text.replace("undefined", ""), (what, preset)
            for grid in grids:
                lines = writers.csv([grid]).splitlines()
                assert len(lines) == 1 + len(grid.row_heads), (what, preset)
                assert not any("nan" in line or "inf" in line for line in lines), (what, preset)


def test_cells_that_are_not_scored_are_named_and_more_than_five_are_counted() -> None:
    rows = [row(representation=f"r{number}", deformation=f"c{number}") for number in range(3)]
    (grid,) = results.grids(results.Run(Path(), tuple(rows), ()))
    (said,) = grid.remarks("value")
    assert said == (
        "– not scored: r0 (mean) M1 under c1; r0 (mean) M1 under c2; r1 (mean) M1 under c0; r1 (mean) M1 under c2; "
        "r2 (mean) M1 under c0; and 1 more."
    )


@pytest.mark.parametrize(
    "rows", [[], [row(average=None, label="piano")], [row(seed=0, n_seeds=1), row(seed=1, n_seeds=1)]]
)
def test_a_run_without_means_is_refused_and_told_what_to_do(tmp_path: Path, rows: list[Result]) -> None:
    results.write_rows(tmp_path, rows)
    with pytest.raises(DataError, match=r"found none in the run '.*'\. Finish it first: `earmark run FILE`\. Or name"):
        results.grids(tmp_path)


@pytest.mark.parametrize("preset", layouts.LAYOUTS)
@pytest.mark.parametrize("rows", [[], [CONSTANT]])
def test_a_layout_of_no_probe_is_refused(tmp_path: Path, rows: list[Result], preset: str) -> None:
    results.write_rows(tmp_path, rows)
    with pytest.raises(DataError, match="Expected scores of at least one probe, found none"):
        tabling.tables(tmp_path, preset=preset)
