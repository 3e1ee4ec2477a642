"""The verbs of finished runs from the command line: diff, gate, bundle, reproduce; their output and their exits."""

import json
import zipfile
from dataclasses import replace
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

import earmark
from earmark import cli
from earmark.errors import DataError
from earmark.experiment.results import Run
from earmark.nouns import Failure
from earmark.show import runs as show_runs
from tests.runs.made_rows import ROW, of_rows
from tests.test_run import tones

__all__ = ["tones"]  # a fixture


def typed(*arguments: str) -> Result:
    return CliRunner().invoke(cli.app, arguments)


@pytest.fixture
def two(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An old run with a score of 0.90 [0.86, 0.94] and a new one with 0.85, by their ids."""
    monkeypatch.setenv("EARMARK_RUNS", str(tmp_path))
    of_rows(Run(tmp_path / "old", (), ()), [ROW])
    of_rows(Run(tmp_path / "new", (), ()), [replace(ROW, value=0.85)])
    return tmp_path


def test_a_gate_ends_with_1_where_a_score_fell_and_says_which(two: Path) -> None:
    done = typed("gate", "new", "--baseline", "old")
    assert done.exit_code == 1
    assert "- fell: made on made, split random: good, M1, clean: accuracy (micro)" in done.stdout


def test_a_gate_ends_with_0_where_none_fell(two: Path) -> None:
    assert typed("gate", "old", "--baseline", "new").exit_code == 0
    assert typed("gate", "new", "--baseline", "old", "--tolerance", "0.05").exit_code == 0


def test_a_gate_as_json_has_its_verdict(two: Path) -> None:
    done = typed("gate", "new", "--baseline", "old", "--json")
    found = json.loads(done.stdout)
    assert (done.exit_code, found["passed"], len(found["falls"])) == (1, False, 1)
    assert found["changes"]["scores"][0]["old"]["value"] == 0.9


def test_a_gate_with_nothing_to_compare_is_a_mistake(two: Path) -> None:
    of_rows(Run(two / "else", (), ()), [replace(ROW, task="else")])
    done = typed("gate", "else", "--baseline", "old")
    assert isinstance(done.exception, DataError)
    assert done.exception.exit_code == 2


def test_a_renamed_representation_is_given_as_old_and_new(two: Path) -> None:
    of_rows(Run(two / "renamed", (), ()), [replace(ROW, representation="better")])
    assert typed("gate", "renamed", "--baseline", "old", "--rename", "good=better").exit_code == 0
    done = typed("gate", "renamed", "--baseline", "old", "--rename", "good")
    assert done.exit_code == 2
    assert "expected OLD=NEW" in done.stderr


def test_a_diff_goes_from_the_first_run_to_the_second(two: Path) -> None:
    done = typed("diff", "old", "new")
    assert done.exit_code == 0
    assert done.stdout.startswith("**From old to new**")
    assert "value: 0.9 → 0.85 (-0.05)" in done.stdout
    found = json.loads(typed("diff", "old", "new", "--json").stdout)
    assert found["numbers"]["differing"][0] | {"where": ""} == {"where": "", "field": "value", "old": 0.9, "new": 0.85}


def test_a_run_is_packed_and_computed_again(tones: Path, tmp_path: Path) -> None:
    earmark.run(tones, run_id="a", quiet=True)
    file = tmp_path / "a.zip"
    packed = typed("bundle", "a", "-o", str(file))
    assert packed.exit_code == 0
    assert packed.stdout.startswith(f"{file}: 15 files")
    assert "names a place on this machine" in packed.stderr
    again = typed("reproduce", str(file), "--jobs", "1", "-q")
    assert again.exit_code == 0, again.stdout
    assert "Reproduced: all" in again.stdout
    (tmp_path / "audio/low/0.wav").write_bytes((tmp_path / "audio/high/0.wav").read_bytes())
    other = typed("reproduce", str(file), "--jobs", "1", "-q", "--run-id", "other")
    assert other.exit_code == 1
    assert "low/0.wav: audio" in other.stdout


def test_a_bundle_is_a_zip_that_anybody_can_open(tones: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    earmark.run(tones, run_id="a", quiet=True)
    monkeypatch.chdir(tmp_path)
    assert typed("bundle", "a").exit_code == 0
    with zipfile.ZipFile("a.zip") as found:
        assert found.testzip() is None
        assert "earmark reproduce a.zip" in found.read("README.md").decode()


def test_of_many_clips_with_one_reason_a_few_are_named_where_a_file_has_all(
    capsys: pytest.CaptureFixture[str],
) -> None:
    found = [Failure("folder", f"{n}", f"a/{n}.wav", "too short") for n in range(11)]
    found.append(Failure("folder", "b", "b.wav", "empty"))
    show_runs.failures(found, Path("runs/r/failures.jsonl"))
    assert capsys.readouterr().err == (
        "12 clips could not be used:\n"
        "  11 clips, such as of a/0.wav, a/1.wav, a/2.wav (all: runs/r/failures.jsonl): too short\n"
        "  b.wav: empty\n"
    )
    show_runs.failures(found)
    assert capsys.readouterr().err.count("\n") == 13
