"""Learning curves: every check of every network of a run, as CSV and for TensorBoard."""

from pathlib import Path

import polars as pl
import pytest
from typer.testing import CliRunner

import earmark
from earmark import cli
from earmark.errors import UserError
from earmark.runs import curves
from tests.test_run import EXPERIMENT, make_tones

PROBES = (
    "[{kind: mlp, hidden_units: [], epochs: 5, patience: 2}, "
    "{kind: selected, name: best, among: [{kind: mlp, epochs: 3}, {kind: mlp, epochs: 2, learning_rate: 0.1}]}, "
    "{kind: knn}]"
)


@pytest.fixture
def tones(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("EARMARK_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("EARMARK_RUNS", str(tmp_path / "runs"))
    make_tones(tmp_path / "audio", each=4)
    file = tmp_path / "tones.yml"
    text = EXPERIMENT.format(folder=tmp_path / "audio").splitlines()
    file.write_text("\n".join(f"    probes: {PROBES}" if "probes:" in line else line for line in text) + "\n")
    return file


def test_every_check_is_a_line_and_one_of_each_network_is_kept(tones: Path) -> None:
    run = earmark.run(tones, quiet=True)
    table = pl.read_csv(curves.write(run.folder))
    networks = table.group_by("representation", "probe", "seed").agg(pl.col("is_kept").sum(), pl.len())
    assert len(networks) == 2 * 2 * 2, "representations × networks × seeds; neighbours have no curve"
    assert set(networks["is_kept"]) == {1.0}
    assert max(networks["len"].to_list()) <= 5
    kept = table.filter(pl.col("is_kept") == 1, pl.col("probe") == "mlp-epochs5-patience2")
    assert kept["valid_score"].to_list() == pytest.approx(
        [
            table.filter(pl.all_horizontal(pl.col(c) == row[c] for c in ("representation", "probe", "seed")))[
                "valid_score"
            ].max()
            for row in kept.iter_rows(named=True)
        ]
    )


def test_the_command_writes_them_and_says_where(tones: Path) -> None:
    earmark.run(tones, quiet=True)
    done = CliRunner().invoke(cli.app, ["curves"])
    assert done.exit_code == 0
    assert Path(done.stdout.strip()).name == "curves.csv"


def test_event_files_hold_what_the_table_holds(tones: Path) -> None:
    accumulator = pytest.importorskip("tensorboard.backend.event_processing.event_accumulator")
    run = earmark.run(tones, quiet=True)
    table = pl.read_csv(curves.write(run.folder, tensorboard=True))
    curves.write(run.folder, tensorboard=True)
    (first,) = [one for one in curves.of_run(run.folder) if one.of == next(curves.of_run(run.folder)).of]
    events = accumulator.EventAccumulator(str(run.folder / "curves" / first.name))
    events.Reload()
    assert [one.value for one in events.Scalars("valid_score")] == pytest.approx([r["valid_score"] for r in first.rows])
    assert len(events.Scalars("kept")) == 1
    assert len(table) == sum(len(one.rows) for one in curves.of_run(run.folder))


def test_a_run_without_networks_has_no_curves(tones: Path) -> None:
    tones.write_text(tones.read_text().replace(PROBES, "[{kind: ridge}]"))
    run = earmark.run(tones, quiet=True)
    with pytest.raises(UserError, match="fitted no network"):
        curves.write(run.folder)
