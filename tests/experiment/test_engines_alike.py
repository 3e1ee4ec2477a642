"""Whoever schedules the jobs of a run, the compacted store and the results come out the same, byte for byte."""

import json
import subprocess
import sys
from pathlib import Path

import polars as pl
import pytest
from typer.testing import CliRunner

import earmark
from earmark import cli
from earmark.experiment import plan
from tests.test_run import EXPERIMENT, make_tones, numbers

TIMED = "seconds"  # how long a score took is kept beside it


def content_of(home: Path) -> dict[str, list[bytes]]:
    """Return the bytes of a compacted store by folder and kind of file: only the names of shards are chance."""
    done = CliRunner().invoke(cli.app, ["store", "compact", str(home / "store"), "--json"])
    assert json.loads(done.stdout)["shards"] == 1
    found = dict[str, list[bytes]]()
    for path in sorted((home / "store").rglob("*")):
        if path.is_file():
            name = path.relative_to(home / "store").as_posix()
            content = path.read_bytes()
            if path.parent.name in ("embeddings", "hashes"):
                name = path.parent.name + "".join(path.suffixes)
            elif path.parent.name == "scores" and path.suffix == ".json":
                content = json.dumps(json.loads(content) | {TIMED: None}).encode()
            found.setdefault(name, []).append(content)
    return found


@pytest.fixture
def tones(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(plan, "SHARD_CLIPS", 5)
    make_tones(tmp_path / "audio")
    (tmp_path / "audio" / "low" / "0.wav").write_bytes(b"no sound")
    file = tmp_path / "tones.yml"
    file.write_text(EXPERIMENT.format(folder=tmp_path / "audio"))
    return file


@pytest.mark.parametrize(
    "engine",
    [pytest.param("slurm-here", marks=pytest.mark.slurm), pytest.param("ray", marks=pytest.mark.ray)],
)
def test_an_engine_leaves_what_the_local_one_leaves(
    engine: str, tones: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = {}
    for name in ("local", engine):
        monkeypatch.setenv("EARMARK_HOME", str(tmp_path / name))
        monkeypatch.setenv("EARMARK_RUNS", str(tmp_path / f"{name}-runs"))
        run = earmark.run(tones, jobs=2, engine=name, quiet=True)  # type: ignore[arg-type]  # both are names
        assert [failure.clip for failure in run.failures] == ["low/0.wav"]
        files = content_of(tmp_path / name)
        (index,) = files["embeddings.jsonl"]
        assert index.count(b"\n") == 2 * (23 + 6), "two representations; the test clips twice"
        assert {file.split("/")[0] for file in files} >= {"probes", "scores", "failures"}
        found[name] = files, numbers(run)
    (files, table), (far_files, far_table) = found.values()
    assert far_files.keys() == files.keys()
    assert [name for name in files if far_files[name] != files[name]] == []
    assert far_table.equals(table)
    assert set(table["deformation"]) == {"clean", "snr0"}
    assert isinstance(table, pl.DataFrame)


def test_a_run_on_paper_prints_the_script_of_its_next_stage_and_nothing_else(
    tones: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("EARMARK_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("EARMARK_RUNS", str(tmp_path / "runs"))
    words = [sys.executable, "-m", "earmark", "run", str(tones), "-q", "--engine", "slurm", "--print-sbatch", "--array"]
    done = subprocess.run([*words, "3"], capture_output=True, text=True, check=True)
    assert done.stdout.startswith("#!/bin/bash\n#SBATCH --job-name=earmark\n#SBATCH --array=0-")
    assert "run the same command again" in done.stderr
    assert not list((tmp_path / "runs").rglob("results.jsonl")), "nothing was computed"
