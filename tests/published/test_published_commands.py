"""`earmark table --published` and `earmark import` as a user meets them."""

from pathlib import Path

import pytest
from typer.testing import CliRunner

from earmark import cli
from earmark.errors import DataError
from earmark.experiment import results
from tests.published.made_rows import made

ASKED = "experiments: [{task: tinysol_instrument, representations: [musicnn-msd], probes: [{preset: mir_ref}]}]"


@pytest.fixture
def run(tmp_path: Path) -> Path:
    """A run with one score that has a published neighbour, and one that has none."""
    results.write_rows(tmp_path / "run", [made(run="run"), made(run="run", preset="mir_ref-fixed", probe="M2")])
    (tmp_path / "run" / "experiment.yml").write_text(ASKED, "utf-8")
    return tmp_path / "run"


def test_a_table_shows_published_scores_and_says_on_stderr_what_it_does_not(run: Path) -> None:
    done = CliRunner().invoke(cli.app, ["table", str(run), "--published", "--as", "markdown"])
    assert done.exit_code == 0
    assert "| musicnn-msd (mean) | M1 | 0.600‡ | 0.608 |" in done.stdout
    assert "not shown: thesis, Table 6, beside tinysol_instrument by M2: preset is mir_ref-fixed" in done.stderr
    assert "not shown" not in done.stdout


@pytest.mark.parametrize("form", ["terminal", "latex", "html", "csv"])
def test_every_form_of_a_table_has_the_published_column(run: Path, form: str) -> None:
    done = CliRunner().invoke(cli.app, ["table", str(run), "--published", "--as", form])
    assert done.exit_code == 0
    assert "thesis, Table 6" in done.stdout
    assert "0.608" in done.stdout


def test_a_metric_without_published_scores_leaves_a_note(run: Path) -> None:
    done = CliRunner().invoke(cli.app, ["table", str(run), "--published", "--average", "none", "--as", "markdown"])
    assert done.exit_code == 0
    assert done.stdout.strip() == ""
    assert "no published score may stand beside those of this run" in done.stderr


def test_published_scores_go_with_no_other_layout(run: Path) -> None:
    done = CliRunner().invoke(cli.app, ["table", str(run), "--published", "--ties"])
    assert done.exit_code == 2
    assert "--published has a layout of its own" in done.stderr


def test_an_import_prints_how_much_it_took_and_where_it_lies(tmp_path: Path) -> None:
    file = tmp_path / "GS_Key" / "weighted.csv"
    file.parent.mkdir()
    file.write_text(",model-name,weighted\n0,Musicset ULarge,0.666721854304636\n", "utf-8")
    done = CliRunner().invoke(cli.app, ["import", "mule", str(file), "-o", str(tmp_path / "theirs")])
    assert done.exit_code == 0
    assert done.stdout == f"Numbers: 1, files: 1. Results: {tmp_path / 'theirs'}\n"
    shown = CliRunner().invoke(cli.app, ["table", str(tmp_path / "theirs"), "--as", "markdown"])
    assert "key_score (micro), a number of test clips that is not told" in shown.stdout


def test_an_import_of_a_pickle_ends_with_its_reason(tmp_path: Path) -> None:
    (tmp_path / "scores.pkl").write_bytes(b"\x80\x04.")
    done = CliRunner().invoke(cli.app, ["import", "hear", str(tmp_path / "scores.pkl"), "-o", str(tmp_path / "theirs")])
    assert isinstance(done.exception, DataError)
    assert done.exception.exit_code == 2
    assert not (tmp_path / "theirs").exists()
