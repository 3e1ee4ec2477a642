"""A saved probe says of files what it said of them in its run."""

import json
from pathlib import Path

import numpy as np
import polars as pl
import pytest
import soundfile
from typer.testing import CliRunner

import earmark
from earmark import cli
from earmark.errors import DataError
from earmark.runs import predictions
from tests.experiment.layered import NAME
from tests.test_run import EXPERIMENT, make_tones

REPRESENTATIONS = (
    "{name: logmel, pool: [mean, std]}",
    f"{{name: '{NAME}+logmel', layers: [6, 2], reduce: concat}}",
    f"{{name: '{NAME}', layers: [3, 1, 0], reduce: best}}",
    "{name: logmel, segment_s: 0.2, precision: bf16}",
)


@pytest.fixture
def tones(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("EARMARK_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("EARMARK_RUNS", str(tmp_path / "runs"))
    make_tones(tmp_path / "audio", each=4)
    file = tmp_path / "tones.yml"
    file.write_text(EXPERIMENT.format(folder=tmp_path / "audio"))
    return file


def written(file: Path, representation: str, probe: str = "", aggregation: str = "embedding_mean") -> Path:
    lines = []
    for line in file.read_text().splitlines():
        kept = f"    representations: [{representation}]" if "representations:" in line else line
        kept = f"    probes: [{probe}]" if "probes:" in line and probe else kept
        lines.append(kept.replace("kind: multiclass}", f"kind: multiclass, aggregation: {aggregation}}}"))
    file.write_text("\n".join(lines) + "\n")
    return file


def assert_says_the_same(file: Path, audio: Path) -> None:
    run = earmark.run(file, quiet=True)
    for one in predictions.index(run.folder):
        if one.deformation != "clean" or one.probe == "constant":
            continue
        table = pl.read_parquet(one.file)
        for seed, key in one.probes.items():
            told = table.filter(pl.col("seed") == int(seed))
            found = earmark.predict([audio / clip for clip in told["clip"]], run.folder / "probes" / key)
            np.testing.assert_array_equal(found.scores, np.array(told["scores"].to_list(), np.float32))
            assert list(found.said) == told["prediction"].to_list()
            assert found.failures == ()


@pytest.mark.parametrize("representation", REPRESENTATIONS)
def test_a_probe_says_of_files_what_it_said_in_its_run(tones: Path, tmp_path: Path, representation: str) -> None:
    assert_says_the_same(written(tones, representation), tmp_path / "audio")


def test_so_does_one_that_averages_its_predictions_of_segments(tones: Path, tmp_path: Path) -> None:
    assert_says_the_same(written(tones, REPRESENTATIONS[3], aggregation="prediction"), tmp_path / "audio")


def test_so_does_one_that_pools_frames(tones: Path, tmp_path: Path) -> None:
    probe = "{kind: mlp, hidden_units: [], epochs: 3, pool_frames: attention}"
    assert_says_the_same(written(tones, "logmel", probe), tmp_path / "audio")


def test_the_command_prints_a_line_a_file_and_names_what_it_could_not_hear(tones: Path, tmp_path: Path) -> None:
    run = earmark.run(tones, quiet=True)
    folder = next(iter(sorted((run.folder / "probes").iterdir())))
    (tmp_path / "new").mkdir()
    soundfile.write(tmp_path / "new" / "a.wav", 0.1 * np.sin(np.arange(22050) / 10), 22050)
    (tmp_path / "new" / "b.wav").write_text("no audio")
    done = CliRunner().invoke(cli.app, ["predict", str(tmp_path / "new"), "--probe", str(folder), "--json"])
    assert done.exit_code == 3
    (line,) = map(json.loads, done.stdout.splitlines())
    assert line["prediction"] in {"low", "middle", "high"}
    assert sum(line["scores"].values()) == pytest.approx(1, abs=1e-5)
    assert "b.wav" in done.stderr


def test_other_weights_than_the_probe_was_fitted_on_are_refused(tones: Path, tmp_path: Path) -> None:
    run = earmark.run(tones, quiet=True)
    folder = next(iter(sorted((run.folder / "probes").iterdir())))
    card = json.loads((folder / "card.json").read_text())
    card["hears"][next(iter(card["hears"]))]["weights_sha256"] = "0" * 64
    (folder / "card.json").write_text(json.dumps(card))
    with pytest.raises(DataError, match=r"was fitted on .* weights 000000000000; here"):
        earmark.predict([tmp_path / "audio"], folder)


def test_a_folder_that_is_no_probe_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="Expected a saved probe"):
        earmark.predict([tmp_path], tmp_path)
