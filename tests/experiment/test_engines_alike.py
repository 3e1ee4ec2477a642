"""Whoever schedules the jobs of a run, the store and the results come out the same, byte for byte where time allows."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import polars as pl
import pytest

import earmark
from earmark.experiment import plan
from earmark.store import Store
from tests.test_run import EXPERIMENT, make_tones, numbers

TIMED = "seconds"  # how long a score took is kept beside it


def rows_of(home: Path) -> dict[str, tuple[bytes, object]]:
    """Return the bytes and the provenance of each row by its key: which shard holds it, and where, is chance."""
    store, found = Store(home / "store"), dict[str, tuple[bytes, object]]()
    for shard in sorted((home / "store" / "embeddings").glob("shard-*.jsonl")):
        if not shard.name.endswith(".provenance.jsonl"):
            for line in shard.read_text().splitlines():
                key = json.loads(line)["key"]
                found[key] = store.get([key]).tobytes(), store.provenance(key)
    return found


def files_of(home: Path) -> dict[str, Any]:
    """Return the whole files of a store by name: probes, predictions, numbers."""
    root, found = home / "store", dict[str, Any]()
    for path in sorted(root.rglob("*.*")):
        if path.parent.name not in ("embeddings", "hashes") and path.is_file():
            content = path.read_bytes()
            if path.suffix == ".json" and path.parent.name == "scores":
                found[path.relative_to(root).as_posix()] = json.loads(content) | {TIMED: None}
            else:
                found[path.relative_to(root).as_posix()] = content
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
        rows, files = rows_of(tmp_path / name), files_of(tmp_path / name)
        assert len(rows) == 2 * (23 + 6), "two representations; the test clips twice"
        assert {file.split("/")[0] for file in files} >= {"probes", "scores", "failures"}
        found[name] = rows, files, numbers(run)
    (rows, files, table), (far_rows, far_files, far_table) = found.values()
    assert far_rows == rows
    assert far_files == files
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
