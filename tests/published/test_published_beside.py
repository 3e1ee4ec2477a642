"""Published scores stand beside ours only where protocol and split are the same."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

import earmark
from earmark import published
from earmark.experiment import presets, results, spec
from earmark.nouns import Result
from earmark.published.beside import NO_EXPERIMENT, compared
from earmark.published.departures import departures
from tests.miniatures import nsynth
from tests.published.made_rows import made

TABLE = next(table for table in published.tables() if table.name == "thesis, Table 6")
MINE = made()


def _said(text: str) -> Any:
    return departures(spec.parse(text, Path("x.yml")))


def test_the_same_protocol_and_split_is_matched() -> None:
    column, reasons = published.match(MINE, TABLE, {})
    assert reasons == ()
    assert column is not None
    assert column.name == "micro C"


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"dataset": "tinysol→other"}, "dataset is tinysol→other, theirs tinysol"),
        ({"split": "random 80-10-10"}, "split is random 80-10-10, theirs folds"),
        ({"fold": 1}, "fold is 1, theirs 0"),
        ({"fold": None}, "fold is mean, theirs 0"),
        ({"preset": "mir_ref-fixed"}, "preset is mir_ref-fixed, theirs mir_ref"),
        ({"preset": None}, "preset is none, theirs mir_ref"),
        ({"pool": "mean+std"}, "pool is mean+std, theirs mean"),
        ({"train_share": 0.1}, "0.1 of the training clips was fitted on, theirs all"),
        ({"n_failed": 3}, "3 test clips could not be scored"),
    ],
)
def test_anything_else_is_refused_with_the_reason(change: dict[str, Any], reason: str) -> None:
    assert published.match(replace(MINE, **change), TABLE, {}) == (None, (reason,))


@pytest.mark.parametrize("change", [{"task": "studio_family"}, {"metric": "accuracy"}, {"deformation": "snr10"}])
def test_what_the_table_does_not_speak_of_is_neither_matched_nor_refused(change: dict[str, Any]) -> None:
    assert published.match(replace(MINE, **change), TABLE, {}) == (None, ())


def test_a_split_that_nobody_published_is_never_matched() -> None:
    found = compared([replace(MINE, task="tinysol_pitch_class", split="random 80-10-10")], published.tables(), {})
    assert found.grids == ()
    (refusal,) = found.refused
    assert str(refusal) == (
        "thesis, Table 7, beside tinysol_pitch_class by M1: its 80-10-10 split was drawn at random and "
        "is not published."
    )


def test_a_name_that_means_something_else_is_refused() -> None:
    known = {("tinysol_instrument", "M1"): "the experiment changes probe 'M1' of preset 'mir_ref'"}
    assert published.match(MINE, TABLE, known) == (None, (known["tinysol_instrument", "M1"],))


def test_a_published_system_that_we_have_stands_on_our_line_and_others_on_their_own() -> None:
    deformed = replace(MINE, deformation="snr15", value=0.3)
    (grid,) = compared([MINE, deformed, made(representation="logmel", value=0.5)], published.tables(), {}).grids
    assert grid.column_heads == (
        ("clean", "yours"),
        ("clean", "thesis, Table 6"),
        ("snr15", "yours"),
        ("snr15", "thesis, Table 6"),
    )
    lines = {head[0]: [cell.value for cell in cells] for head, cells in zip(grid.row_heads, grid.cells, strict=True)}
    assert lines["musicnn-msd (mean)"] == [0.6, 0.608, 0.3, 0.452]  # thesis, Table 6, MusiCNN-MSD M1: 60.8 and 45.2
    assert lines["logmel (mean)"] == [0.5, None, None, None]
    assert lines["OpenL3 (published)"] == [None, 0.96, None, 0.45]
    assert len(lines) == 11


def test_the_layers_of_a_representation_tell_its_lines_apart() -> None:
    sixth = made(representation="mert-v1-95m", layer="6")
    (grid,) = compared([sixth, replace(sixth, layer="3")], published.tables(), {}).grids
    lines = {head[0]: [cell.value for cell in cells] for head, cells in zip(grid.row_heads, grid.cells, strict=True)}
    assert lines["mert-v1-95m (6, mean)"] == [0.6, 0.943]
    assert lines["mert-v1-95m (3, mean)"] == [0.6, None]


def test_only_the_probe_that_was_matched_is_shown() -> None:
    rows = [MINE, made(probe="M2", preset="mir_ref-fixed")]
    found = compared(rows, published.tables(), {})
    (grid,) = found.grids
    assert {head[1] for head in grid.row_heads if head[0].endswith("(published)")} == {"M1"}
    assert [one.reason for one in found.refused] == ["preset is mir_ref-fixed, theirs mir_ref"]


def test_one_reason_speaks_for_all_probes_metrics_and_conditions() -> None:
    rows = [
        made(probe=probe, preset="mir_ref-fixed", average=average, deformation=deformation)
        for probe in ("M1", "M2")
        for average in ("micro", "macro")
        for deformation in ("clean", "snr15")
    ]
    assert [str(one) for one in compared(rows, published.tables(), {}).refused] == [
        "thesis, Table 6, beside tinysol_instrument by M1, M2: preset is mir_ref-fixed, theirs mir_ref."
    ]


def test_fine_tuned_and_copied_systems_are_withheld_and_named() -> None:
    mine = made(
        task="nsynth_pitch",
        dataset="nsynth",
        split="official",
        preset="wav2vec2_music",
        probe="linear",
        metric="accuracy",
    )
    found = compared([mine], published.tables(), {})
    (grid,) = found.grids
    published_lines = [head[0] for head in grid.row_heads if head[0].endswith("(published)")]
    assert published_lines == ["w2v Music FE (published)", "wav2vec 2.0 Music FE (published)"]
    reasons = {one.of: one.reason for one in found.refused}
    assert reasons["w2v Music FT1"] == "the network was fine-tuned"
    assert "88 pitches" in reasons["CREPE"]


def test_data_that_was_never_counted_is_not_known_to_be_the_same() -> None:
    constant = made(representation="constant", layer="", pool="", probe="constant", preset=None, value=0.1)
    found = compared([MINE, constant], published.tables(), {})
    assert found.grids == ()
    assert [one.reason for one in found.refused] == [
        "this copy of tinysol was not counted against its card (earmark check dataset tinysol)"
    ]
    (grid,) = compared([MINE, replace(constant, unverified=False)], published.tables(), {}).grids
    assert "constant" not in {head[0] for head in grid.row_heads}


def test_a_run_on_a_miniature_of_nsynth_has_every_key_of_the_paper_but_not_its_data(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("EARMARK_HOME", str(tmp_path))
    monkeypatch.setenv("EARMARK_RUNS", str(tmp_path / "runs"))
    monkeypatch.chdir(tmp_path)
    nsynth.make(tmp_path / "data" / "nsynth")
    (tmp_path / "pitch.yml").write_text(
        "experiments: [{task: nsynth_pitch, representations: [logmel], probes: [wav2vec2_music], seeds: [0]}]\n"
        "resamples: 20"
    )
    done = earmark.run("pitch.yml", quiet=True)
    found = published.beside(done, metric="accuracy", average="micro")
    assert found.grids == ()
    wav2vec2 = {one.reason for one in found.refused if one.table.startswith("wav2vec2_music")}
    assert wav2vec2 == {"this copy of nsynth was not counted against its card (earmark check dataset nsynth)"}
    counted = [replace(row, unverified=False) for row in done.rows]
    assert len(published.beside(replace(done, rows=tuple(counted)), metric="accuracy", average="micro").grids) == 1


def test_markdown_shows_hostile_names_as_text() -> None:
    hostile = made(representation="<script>alert(1)</script>|`x`\n# head")
    text = compared([hostile], published.tables(), {}).markdown
    assert "<script>" not in text
    assert "\n# head" not in text


def test_an_untouched_experiment_departs_from_no_preset() -> None:
    # The probes of MARBLE stop by a metric of the kind of task that they are for; this task is for one of them.
    own = {"marble1", "marble2", "marble2-fixed"}
    probes = ", ".join(
        f"{{preset: {name}, only: [gtzan]}}" if name in own else f"{{preset: {name}}}" for name in presets.presets()
    )
    assert (
        _said(
            "experiments: [{task: tinysol_instrument, deformations: {snr15: [{type: AddGaussianSNR, params: "
            "{min_snr_db: 15, max_snr_db: 15}}]}, representations: [logmel], probes: [" + probes + "]}]"
        )
        == {}
    )


@pytest.mark.parametrize(
    ("block", "name", "reason"),
    [
        ("probes: [{preset: mir_ref, only: [M1], standardise: true}]", "M1", "changes probe 'M1' of preset 'mir_ref'"),
        ("probes: [{preset: mir_ref, only: [M3], epochs: 2}]", "M3", "changes probe 'M3' of preset 'mir_ref'"),
        (
            "deformations: {snr15: [{type: Gain, params: {min_gain_db: -1, max_gain_db: -1}}]}, probes: [mir_ref]",
            "snr15",
            "means other transforms by 'snr15'",
        ),
        ("datasets: [{name: tinysol, subset: 100}], probes: [mir_ref]", "", "only 100 clips of tinysol were used"),
    ],
)
def test_an_experiment_that_changes_what_a_name_means_departs(block: str, name: str, reason: str) -> None:
    known = _said(f"experiments: [{{task: tinysol_instrument, representations: [logmel], {block}}}]")
    assert reason in known["tinysol_instrument", name]


def _run(folder: Path, rows: list[Result], experiment: str | None) -> Path:
    folder.mkdir()
    results.write_rows(folder, rows)
    if experiment:
        (folder / "experiment.yml").write_text(experiment, "utf-8")
    return folder


def test_a_run_is_read_with_its_experiment(tmp_path: Path) -> None:
    asked = "experiments: [{task: tinysol_instrument, representations: [musicnn-msd], probes: [{preset: mir_ref%s}]}]"
    assert len(published.beside(_run(tmp_path / "same", [MINE], asked % "")).grids) == 1
    changed = published.beside(_run(tmp_path / "changed", [MINE], asked % ", learning_rate: 0.1"))
    assert changed.grids == ()
    assert "changes probe 'M1'" in changed.refused[0].reason
    assert "Not shown:" in changed.markdown


def test_a_run_without_its_experiment_is_refused(tmp_path: Path) -> None:
    found = published.beside(_run(tmp_path / "bare", [MINE], None))
    assert found.grids == ()
    assert found.refused[0].reason == NO_EXPERIMENT
