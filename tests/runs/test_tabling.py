"""Tables of runs: presets, ties by the paired test, what representations cost, and the verb that prints them."""

import csv
import dataclasses
import io
import json
from collections.abc import Mapping
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from typer.testing import CliRunner

from earmark.analysis.layouts import LAYOUTS
from earmark.cli.app import app
from earmark.cli.main import main as _verbs  # noqa: F401  # it joins the verbs to the app
from earmark.errors import EarmarkError, UnknownName, UserError
from earmark.experiment import costs, results
from earmark.experiment.costs import Cost
from earmark.experiment.results import Run
from earmark.nouns import Result
from earmark.runs import compare, tabling
from earmark.runs.ties import Ties
from tests.analysis.test_tables import row
from tests.analysis.test_writers import HOSTILE
from tests.runs import made_runs

COST = Cost(
    representation="logmel",
    segment_s=4.0,
    segment_hop_s=4.0,
    device="cpu",
    audio_s=7200.0,
    seconds=10.0,
    peak_bytes=1_500_000_000,
    batch=8,
    n_parameters=94_371_712,
    dim=768,
    layers=13,
    n_bytes=8_000_000,
)


def save(folder: Path, rows: list[Result]) -> Run:
    folder.mkdir(parents=True, exist_ok=True)
    lines = [json.dumps(vars(dataclasses.replace(one, run=folder.name))) for one in rows]
    (folder / results.ROWS).write_text("\n".join(lines) + "\n")
    return results.read(folder)


def test_ties_are_those_of_the_comparison(tmp_path: Path) -> None:
    """Two systems are equally good, one is worse: the equals are tied though each has its own number."""
    draws = np.random.default_rng(3)
    systems = {
        name: made_runs.answers(made_runs.TARGETS, share, 2, draws)
        for name, share in {"good/M1": 0.85, "alike/M1": 0.85, "bad/M1": 0.4}.items()
    }
    made_runs.write(tmp_path / "made", systems, made_runs.TARGETS)
    compared = compare.compare(tmp_path / "made")
    (task,) = compared.tasks
    rows = [
        row(
            **{"task": "made", "dataset": "made", "split": "random", "representation": one.system.partition(",")[0]},
            **{"layer": "", "pool": "", "value": one.value, "ci_low": one.ci_low, "ci_high": one.ci_high},
        )
        for one in task.standings
    ]
    run = save(tmp_path / "made", rows)
    (grid,) = tabling.tables(run, is_tied=Ties(run).holds)
    tied = {head[0]: cells[0].tied for head, cells in zip(grid.row_heads, grid.cells, strict=True)}
    best = task.standings[0].system.partition(",")[0]
    untold = {
        pair.b.partition(",")[0] for pair in task.pairs if pair.a.startswith(best) and pair.verdict == "not told apart"
    }
    assert untold == {"good", "alike"} - {best}
    assert {name for name, is_tied in tied.items() if is_tied} == untold
    (plain,) = tabling.tables(run)
    assert not any(cell.tied for line in plain.cells for cell in line)


def test_the_cost_table_has_its_units_and_a_line_a_representation(tmp_path: Path) -> None:
    run = save(tmp_path / "r", [row()])
    costs.add(run.folder, [COST, dataclasses.replace(COST, representation="chroma", n_parameters=0)])
    (grid,) = tabling.tables(run, preset="cost")
    assert grid.row_heads == (("chroma",), ("logmel",))
    assert dict(zip([head for (head,) in grid.column_heads], grid.texts("value")[1], strict=True)) == {
        "× real time": "720.0",
        "parameters": "94,371,712",
        "dim": "768",
        "MB of embeddings an hour of audio": "4.0",
        "peak GB a worker": "1.50",
    }
    (empty,) = tabling.tables(save(tmp_path / "other", [row()]), preset="cost")
    assert empty.notes == ("These runs computed no embedding: all were in the store already.",)


def test_what_the_cost_table_cannot_show_is_refused_by_name(tmp_path: Path) -> None:
    run = save(tmp_path / "r", [row()])
    costs.add(run.folder, [COST])
    with pytest.raises(UserError, match="lines and columns of its own: leave out metric, rows, freeze"):
        tabling.tables(run, "f1", preset="cost", rows=["probe"], freeze={"deformation": "clean"})


def test_rows_or_columns_replace_those_of_a_preset_and_alone_are_not_enough(tmp_path: Path) -> None:
    run = save(tmp_path / "r", [row(), row(deformation="snr0"), row(representation="mfcc")])
    (grid,) = tabling.tables(
        run, preset="scores", rows=["deformation"], columns=["representation"], freeze={"probe": "M1"}
    )
    assert (grid.row_by, grid.column_by) == (("deformation",), ("representation",))
    (turned,) = tabling.tables(run, preset="scores", columns=["representation"], freeze={"deformation": "clean"})
    assert (turned.row_by, turned.column_by) == (("layer",), ("representation",))
    with pytest.raises(UserError, match=r"Expected both rows and columns of the table, or a preset.*layers, protocol"):
        tabling.tables(run, rows=["probe"])


EVERY = [
    row(**name, seed=seed, average=average, label=label, n_seeds=1 if seed is not None else 2, value=number / 40)
    for number, (name, seed, (average, label)) in enumerate(
        product(
            ({"representation": "logmel"}, {"representation": "mfcc", "deformation": "snr0"}, {"probe": "constant"}),
            (None, 0, 1),
            (("micro", None), ("macro", None), (None, "piano"), (None, "oboe")),
        )
    )
    if "probe" not in name or seed is None
]


def shown(runs: Run | Path, asked: Mapping[str, Any]) -> str:
    """Return tables, or that there are none: what the error says of the rows depends on what was read."""
    try:
        return repr(tabling.tables(runs, **asked))
    except EarmarkError:
        return "refused"


@pytest.mark.parametrize(
    "asked",
    [
        *({"preset": name} for name in LAYOUTS),
        {"freeze": {"label": "piano"}},
        {"freeze": {"seed": 1}},
        {"deviations": True},
        {"rows": ["representation", "label"], "columns": ["deformation"]},
        {"rows": ["representation"], "columns": ["seed"]},
    ],
    ids=str,
)
@settings(max_examples=20)
@given(rows=st.lists(st.sampled_from(EVERY), unique=True, max_size=len(EVERY)))
def test_the_rows_left_unread_would_change_no_table(
    tmp_path_factory: pytest.TempPathFactory, asked: Mapping[str, Any], rows: list[Result]
) -> None:
    folder = tmp_path_factory.mktemp("run")
    results.write_rows(folder, rows)
    expected = shown(Run(folder, tuple(rows), ()), asked)
    assert shown(folder, asked) == expected


def said(*arguments: str) -> str:
    done = CliRunner().invoke(app, ["table", *arguments], catch_exceptions=False)
    assert done.exit_code == 0, done.output
    return done.stdout


def test_the_verb_prints_two_runs_in_one_table(tmp_path: Path) -> None:
    save(tmp_path / "a", [row()])
    save(tmp_path / "b", [row(representation="mfcc", value=0.7), row(average=None, label="piano", value=0.25)])
    lines = [*csv.reader(io.StringIO(said(str(tmp_path / "a"), str(tmp_path / "b"), "--as", "csv", "--show", "value")))]
    assert lines == [["representation", "clean"], ["logmel", "0.5"], ["mfcc", "0.7"]]
    assert "label piano: accuracy" in " ".join(said(str(tmp_path / "b"), "--label", "piano").split())
    frozen = said(str(tmp_path / "b"), "--freeze", "representation=mfcc", "--rows", "probe", "--columns", "deformation")
    assert "0.700" in frozen


def test_the_verb_writes_what_it_always_wrote_when_nothing_more_is_asked(tmp_path: Path) -> None:
    run = save(tmp_path / "a", [row(), row(representation="mfcc", value=0.7)])
    assert said(str(run.folder), "--markdown").rstrip("\n") == results.table(run)
    assert said(str(run.folder), "--as", "markdown").rstrip("\n") == results.table(run)
    assert "logmel (mean)" in said(str(run.folder), "--as", "latex")
    refused = CliRunner().invoke(app, ["table", str(run.folder), "--freeze", "probe"])
    assert (refused.exit_code, "expected --freeze column=value, got 'probe'" in refused.output) == (2, True)
    refused = CliRunner().invoke(app, ["table", str(run.folder), "--markdown", "--as", "csv"])
    assert (refused.exit_code, "leave out that or --as csv" in refused.output) == (2, True)
    refused = CliRunner().invoke(app, ["table", str(run.folder), "--folds", "--preset", "scores"])
    assert (refused.exit_code, "--per and --folds are of the table of one run" in refused.output) == (2, True)


@pytest.mark.parametrize("preset", [None, "everything"])
def test_hostile_text_is_text_in_the_terminal(tmp_path: Path, preset: str | None) -> None:
    rows = [row(representation=text, layer="", pool="", deformation=text) for text in HOSTILE if len(text) < 50]
    run = save(tmp_path / "a", rows)
    text = said(str(run.folder), *(("--preset", preset) if preset else ()))
    assert "[red]not red[/red]" in text
    assert "<script>alert('x')</script>" in text
    assert not {"\x1b", "\x00", "\u202e"} & {*text}
    assert "gnp[U+202E]exe.[U+2066]x" in text


@pytest.mark.parametrize("preset", [None, "scores"])
def test_an_average_that_no_score_has_is_refused(tmp_path: Path, preset: str | None) -> None:
    folder = save(tmp_path / "a", [row(), row(average="macro")]).folder
    with pytest.raises(UnknownName, match=r"Unknown average of these scores 'makro'\. Did you mean 'macro'"):
        results.grids(folder, average="makro") if preset is None else tabling.tables(
            folder, average="makro", preset=preset
        )


def test_where_there_is_no_run_yet_it_is_said_how_to_make_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EARMARK_RUNS", str(tmp_path))
    with pytest.raises(UserError, match=r"There is no run in '.*' yet, and none at 'latest': `earmark run FILE`"):
        results.find("latest")
