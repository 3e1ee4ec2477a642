"""Each view of the app, run without a browser: what it shows, how it re-shapes, what stands in its address."""

import re
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("streamlit")

import streamlit as st
from streamlit.testing.v1 import AppTest

from earmark.experiment.results import Run
from earmark.nouns import Kind
from earmark.reports.app import held, view_tables
from tests.reports import app_runs
from tests.reports.app_runs import HOSTILE
from tests.runs import made_runs

pytestmark = pytest.mark.app
SECONDS = 60


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Sequence[Run]:
    """Two runs that can be heard; the second fits its probe for longer."""
    folder = tmp_path_factory.mktemp("app")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("EARMARK_HOME", str(folder / "home"))
        patch.setenv("EARMARK_RUNS", str(folder / "runs"))
        return [app_runs.audible(folder), app_runs.audible(folder, "longer", epochs=20)]


@pytest.fixture(autouse=True)
def places(runs: Sequence[Run], monkeypatch: pytest.MonkeyPatch) -> None:
    """The home and the runs of the two runs, for every test."""
    monkeypatch.setenv("EARMARK_HOME", str(runs[0].folder.parents[1] / "home"))
    monkeypatch.setenv("EARMARK_RUNS", str(runs[0].folder.parent))


@pytest.fixture(autouse=True)
def main_module(monkeypatch: pytest.MonkeyPatch) -> None:
    """Streamlit leaves its script as __main__, which processes that are spawned later would run."""
    monkeypatch.setitem(sys.modules, "__main__", sys.modules["__main__"])


def script(*folders: str) -> None:
    """Draw the page, as main.py does."""
    from earmark.reports.app import frame

    frame.show(folders)


def drawn(*folders: Path, **address: str | list[str]) -> AppTest:
    """Return the page of some runs at an address."""
    at = AppTest.from_function(script, args=tuple(map(str, folders)), default_timeout=SECONDS)
    for name, value in address.items():
        at.query_params[name] = value
    return again(at)


def again(at: AppTest) -> AppTest:
    """Draw the page once more; it never raises."""
    at.run()
    assert not at.exception, [one.value for one in at.exception]
    return at


def chosen(at: AppTest, control: str, value: object) -> AppTest:
    """Return the page once a control has another value."""
    for one in (*at.selectbox, *at.multiselect, *at.segmented_control):
        if one.key == f"control {control}":
            one.set_value(value)
            return again(at)
    raise AssertionError(f"no control {control} on the page")


def html(at: AppTest) -> str:
    """Return all HTML of ours on the page but its style."""
    return "\n".join(one.proto.body for one in at.get("html") if "<style>" not in one.proto.body)


def said(at: AppTest) -> Mapping[str, list[str]]:
    """Return the address of the page."""
    return {name: [value] if isinstance(value, str) else list(value) for name, value in at.query_params.items()}


def heads(at: AppTest) -> list[str]:
    """Return the column heads of the first table."""
    first = html(at).split("<thead>")[1].split("</thead>")[0]
    return re.findall(r"<th[^>]*>(.*?)</th>", first)


def test_the_first_view_is_the_tables_of_the_run(runs: Sequence[Run]) -> None:
    at = drawn(runs[0].folder)
    assert heads(at) == ["representation", "probe", "clean", "snr0 **b**"]
    assert "chroma" in html(at)
    assert said(at) == {}


def test_what_is_prepared_is_all_that_the_first_view_reads(
    runs: Sequence[Run], monkeypatch: pytest.MonkeyPatch
) -> None:
    for some in (runs[:1], runs):
        st.cache_resource.clear()
        view_tables.prepare(tuple(held.opened(run.folder) for run in some))
        with monkeypatch.context() as patch:
            patch.setattr("earmark.experiment.results.rows", _unread)
            patch.setattr("earmark.analysis.pivot.pivot", _unread)
            assert "chroma" in html(drawn(*(run.folder for run in some)))


def _unread(*arguments: object, **named: object) -> None:
    raise AssertionError("the first view was not prepared")


def test_two_frozen_variables_re_shape_the_table(runs: Sequence[Run]) -> None:
    at = drawn(runs[0].folder)
    before = html(at).count("<td>")
    chosen(at, "freeze", ["probe", "label"])
    chosen(at, "probe", "near")
    chosen(at, "label", HOSTILE[1])
    assert heads(at) == ["representation", "clean", "snr0 **b**"]
    assert 0 < html(at).count("<td>") < before
    assert said(at) == {"freeze": ["probe", "label"], "probe": ["near"], "label": [HOSTILE[1]]}


def test_rows_and_columns_can_change_places(runs: Sequence[Run]) -> None:
    at = drawn(runs[0].folder, rows="deformation", columns=["probe", "representation"])
    assert heads(at)[0] != "deformation"  # above it stands the probe, over its representations
    assert "line" in heads(at)
    assert '<tbody>\n<tr><th scope="row" dir="auto">clean</th>' in html(at)


def test_what_is_neither_frozen_nor_on_a_side_has_a_table_each(runs: Sequence[Run]) -> None:
    at = drawn(runs[0].folder, rows="representation", columns="deformation")
    assert html(at).count("<table") == 2  # probes
    assert (
        html(drawn(runs[0].folder, rows="representation", columns="deformation", freeze="probe")).count("<table") == 1
    )


def test_a_layout_fills_in_rows_and_columns(runs: Sequence[Run]) -> None:
    at = drawn(runs[0].folder, rows="label")
    chosen(at, "preset", "probes")
    assert at.multiselect(key="control columns").value == ["probe"]
    assert said(at) == {"preset": ["probes"]}


@pytest.mark.parametrize(
    "preset", ["everything", "layers", "protocol", "deformations", "all_deform_all_models", "cost"]
)
def test_every_layout_is_drawn(runs: Sequence[Run], preset: str) -> None:
    assert "<table" in html(drawn(runs[0].folder, preset=preset))


def test_an_address_restores_its_view_and_is_left_as_it_was(runs: Sequence[Run]) -> None:
    address = {
        "rows": ["deformation"],
        "columns": ["representation"],
        "freeze": ["probe", "seed"],
        "probe": ["near"],
        "seed": ["1"],
        "cell": ["score"],
        "ties": ["yes"],
    }
    at = drawn(runs[0].folder, **address)
    assert said(at) == address
    assert at.checkbox(key="control ties").value
    assert "address says" not in html(at)
    assert said(again(at)) == address


def test_what_an_address_says_in_vain_is_noted_and_left_out(runs: Sequence[Run]) -> None:
    at = drawn(runs[0].folder, metric="no such", rows=["probe", "nothing"], foo="<b>1</b>")
    assert said(at) == {"rows": ["probe"]}
    for text in ("metric=no such, which is not there", "rows=nothing", "says foo, which this view does not have"):
        assert text in html(at)
    assert "address says" not in html(again(at))


def test_a_view_is_kept_while_another_is_looked_at(runs: Sequence[Run]) -> None:
    at = drawn(runs[0].folder)
    chosen(at, "freeze", ["probe"])
    chosen(at, "view", "Listen")
    assert said(at) == {"view": ["Listen"]}
    chosen(at, "view", "Tables")
    assert said(at) == {"freeze": ["probe"]}


def test_several_runs_stand_together(runs: Sequence[Run]) -> None:
    both = drawn(*(run.folder for run in runs), rows=["representation", "probe", "run"])
    assert html(both).count("longer") > 1
    one = chosen(both, "runs", ["longer"])
    assert said(one)["runs"] == ["longer"]


def test_confusions_begin_with_an_error_and_its_clips_can_be_heard(runs: Sequence[Run]) -> None:
    at = drawn(runs[0].folder, view="Listen", deformation="snr0 **b**")
    target, label = (at.selectbox(key=f"control {name}").value for name in ("target", "said"))
    assert target != label
    assert "in this cell, heard under snr0 **b**" in html(at)
    assert at.get("audio")
    assert len(at.get("image")) == len(at.get("audio"))


def test_the_cell_of_an_address_is_shown(runs: Sequence[Run]) -> None:
    at = drawn(runs[0].folder, view="Listen", system="chroma (mean), near", target=HOSTILE[0], said=HOSTILE[0])
    assert at.selectbox(key="control target").value == HOSTILE[0]
    assert "address says" not in html(at)


def test_an_empty_cell_says_so(runs: Sequence[Run]) -> None:
    at = drawn(runs[0].folder, view="Listen")
    empty = next(
        (target, label) for target in HOSTILE for label in HOSTILE if "0 clips" in html(_at_cell(at, target, label))
    )
    assert empty
    assert not at.get("audio")


def _at_cell(at: AppTest, target: str, label: str) -> AppTest:
    chosen(at, "target", target)
    return chosen(at, "said", label)


def test_the_map_shows_the_test_clips_and_plays_one(runs: Sequence[Run]) -> None:
    at = drawn(runs[0].folder, view="Map")
    assert "8 test clips, heard clean" in html(at)
    assert at.get("audio")
    chosen(at, "clip", at.selectbox(key="control clip").options[3])
    assert len(said(at)["clip"]) == 1


def test_two_runs_are_compared(runs: Sequence[Run]) -> None:
    at = drawn(*(run.folder for run in runs), view="Two runs")
    assert "From heard to longer" in html(at)
    assert "epochs" in html(at)  # of the experiment files
    assert "difference on shared clips" in html(at)


def test_one_run_alone_has_nothing_to_be_compared_with(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EARMARK_RUNS", str(tmp_path))
    assert "earmark app RUN_A RUN_B" in html(drawn(app_runs.odd(tmp_path / "alone").folder, view="Two runs"))


@pytest.mark.parametrize("view", ["Tables", "Listen", "Map", "Two runs"])
def test_hostile_labels_are_text_in_every_view(runs: Sequence[Run], view: str) -> None:
    at = drawn(*(run.folder for run in runs), view=view, rows=["label", "representation"])
    assert not re.search("<script|<i>|<b>", html(at))
    assert not [one.value for one in at.markdown if "bold" in one.value or "snr0" in one.value]


def test_missing_and_undefined_scores_are_said(tmp_path: Path) -> None:
    found = html(drawn(app_runs.odd(tmp_path / "odd").folder))
    assert "undefined" in found
    assert "not scored" in found
    assert "&lt;script&gt;" in found


@pytest.mark.parametrize("kind", ["multiclass", "multilabel", "regression"])
def test_confusions_of_every_kind_of_task_and_of_no_answer_are_drawn(tmp_path: Path, kind: Kind) -> None:
    targets = {"multiclass": made_runs.TARGETS, "multilabel": np.eye(3)[made_runs.TARGETS]}
    numbers = np.linspace(0, 1, 200)[:, None]
    scores = made_runs.answers(made_runs.TARGETS, 0.5, 2, np.random.default_rng(0))
    scores = scores if kind != "regression" else np.stack([numbers**2, numbers])
    scores[:, 0] = np.nan
    made_runs.write(tmp_path / "made", {"a/M1": scores}, targets.get(kind, numbers), kind=kind)
    at = drawn(tmp_path / "made", view="Listen")
    assert "no answer" in at.selectbox(key="control said").options
    assert at.get("vega_lite_chart") or at.get("arrow_vega_lite_chart")
    assert "Expected clips.jsonl" in html(at)


def test_one_clip_of_one_class_is_drawn(tmp_path: Path) -> None:
    made_runs.write(tmp_path / "made", {"a/M1": np.ones((1, 1, 1))}, np.zeros(1, np.int64))
    at = drawn(tmp_path / "made", view="Listen")
    assert "1 clip in this cell" in html(at)


@pytest.mark.parametrize("view", ["Listen", "Map"])
def test_a_run_without_predictions_says_what_to_do(tmp_path: Path, view: str) -> None:
    found = html(drawn(app_runs.odd(tmp_path / "odd").folder, view=view))
    assert "Expected a run with predictions/index.jsonl" in found
    assert 'role="alert"' in found


def test_a_clip_that_has_moved_is_listed_with_the_reason(
    runs: Sequence[Run], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    st.cache_resource.clear()
    monkeypatch.setattr("earmark.runs.listening.heard", lambda folder: {})
    at = drawn(runs[0].folder, view="Listen")
    assert "does not say where" in html(at)
    assert not at.get("audio")
    st.cache_resource.clear()


def test_a_store_that_was_emptied_is_said_on_the_map(
    runs: Sequence[Run], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    st.cache_resource.clear()
    monkeypatch.setenv("EARMARK_HOME", str(tmp_path))
    assert "holds no embedding of" in html(drawn(runs[0].folder, view="Map"))
    st.cache_resource.clear()
