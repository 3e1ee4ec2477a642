"""A saved probe says of files what it said of them in its run."""

import json
import os
import shutil
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import polars as pl
import pytest
import soundfile
from typer.testing import CliRunner

import earmark
from earmark import cli, places
from earmark.catalogue import prediction, recordings
from earmark.errors import DataError, UserError
from earmark.probes import calibration
from earmark.runs import embeddings, predictions
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
            folder = run.folder / "probes" / key
            found = earmark.predict([audio / clip for clip in told["clip"]], folder, is_calibrated=False)
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


@pytest.fixture
def probe(tones: Path) -> Path:
    run = earmark.run(written(tones, "logmel"), quiet=True)
    return next(iter(sorted((run.folder / "probes").iterdir())))


def test_probabilities_are_calibrated_by_what_was_kept_beside_the_probe(probe: Path, tmp_path: Path) -> None:
    raw = earmark.predict([tmp_path / "audio"], probe, is_calibrated=False)
    found = earmark.predict([tmp_path / "audio"], probe)
    assert found.calibration is not None
    assert found.calibration.n_clips == 3
    np.testing.assert_array_equal(found.scores, found.calibration.of(raw.scores))
    np.testing.assert_allclose(found.scores.sum(axis=1), 1, atol=1e-6)
    assert (found.said, raw.calibration) == (raw.said, None)


def test_a_calibration_is_what_the_runs_own_validation_clips_give(tones: Path, tmp_path: Path) -> None:
    run = earmark.run(written(tones, "logmel"), quiet=True)
    folder = next(iter(sorted((run.folder / "probes").iterdir())))
    study = embeddings.remade(run.folder)
    (subject, *_) = next(iter(study.subjects.values()))
    said = earmark.predict([one.clip.path for one in subject.valid], folder, is_calibrated=False)
    expected = calibration.fit("multiclass", subject.targets(subject.valid), said.scores)
    assert earmark.predict([tmp_path / "audio"], folder).calibration == expected


def test_a_run_from_before_calibrations_gets_them_when_it_is_run_again(tones: Path) -> None:
    run = earmark.run(tones, quiet=True)
    files = sorted((run.folder / "probes").glob("*/calibration.json"))
    before = [one.read_bytes() for one in files]
    assert len(files) == len([*(run.folder / "probes").iterdir()]) == 4
    shutil.rmtree(places.store_folder() / "calibrations")
    for one in files:
        one.unlink()
    assert earmark.predict([run.folder.parent.parent / "audio"], files[0].parent).calibration is None
    assert earmark.run(tones, quiet=True).jobs_done == 0
    assert [one.read_bytes() for one in files] == before


def test_what_is_less_sure_than_asked_for_is_unsure(probe: Path, tmp_path: Path) -> None:
    sure = earmark.predict([tmp_path / "audio"], probe)
    middle = float(np.median(sure.confidence))
    found = earmark.predict([tmp_path / "audio"], probe, unsure=middle)
    assert {one == "unsure" for one in found.said} == {True, False}
    for said, best, confidence in zip(found.said, sure.said, sure.confidence, strict=True):
        assert said == ("unsure" if confidence < middle else best)


def test_the_command_says_unsure_and_what_it_might_be(probe: Path, tmp_path: Path) -> None:
    command = ["predict", str(probe), str(tmp_path / "audio" / "low"), "--unsure", "1"]
    done = CliRunner().invoke(cli.app, command)
    assert done.exit_code == 0, done.output
    assert all("\tunsure\t0." in line and "\tperhaps " in line for line in done.stdout.splitlines())
    assert "calibrated on 3 validation clips" in done.stderr
    assert "unsure below 1" in done.stderr
    told = CliRunner().invoke(cli.app, [*command, "--json"])
    assert all(json.loads(line)["unsure"] is True for line in told.stdout.splitlines())


def test_an_accuracy_takes_its_confidence_from_the_validation_clips(probe: Path, tmp_path: Path) -> None:
    saved = prediction.open_probe(probe)
    assert saved.calibration is not None
    found = earmark.predict([tmp_path / "audio"], probe, accuracy=0.5)
    assert found.unsure_below == saved.calibration.threshold(0.5)
    (probe / "calibration.json").unlink()
    with pytest.raises(UserError, match=r"Expected a calibrated probe to find the confidence of an accuracy of 0\.5"):
        earmark.predict([tmp_path / "audio"], probe, accuracy=0.5)


@pytest.mark.parametrize(("unsure", "accuracy"), [(1.2, None), (None, -0.1), (0.5, 0.5)])
def test_confidences_that_are_none_are_refused(
    probe: Path, tmp_path: Path, unsure: float | None, accuracy: float | None
) -> None:
    with pytest.raises(UserError, match="Expected one number from 0 to 1"):
        earmark.predict([tmp_path / "audio"], probe, unsure=unsure, accuracy=accuracy)


def test_a_calibration_of_another_probe_is_refused(probe: Path, tmp_path: Path) -> None:
    said = json.loads((probe / "calibration.json").read_text())
    (probe / "calibration.json").write_text(json.dumps(said | {"probe_sha256": "0" * 64}))
    with pytest.raises(DataError, match="is of another probe than the one beside it"):
        earmark.predict([tmp_path / "audio"], probe)
    (probe / "calibration.json").write_text("[]")
    with pytest.raises(DataError, match="Expected a probe's calibration in"):
        earmark.predict([tmp_path / "audio"], probe)


def test_one_path_is_a_path_and_no_list_of_letters(probe: Path, tmp_path: Path) -> None:
    audio = str(sorted((tmp_path / "audio").rglob("*.wav"))[0])
    expected = earmark.predict([audio], probe)
    for one in (audio, Path(audio), iter([audio])):
        found = earmark.predict(one, probe)
        assert (found.paths, found.failures) == ((Path(audio),), ())
        np.testing.assert_array_equal(found.scores, expected.scores)
    assert earmark.embed(audio, "logmel+chroma").paths == (Path(audio),)
    assert [one.path for one in recordings.of_files(audio).clips] == [Path(audio)]


def test_an_accuracy_is_refused_where_the_calibration_is_set_aside_and_not_because_there_is_none(
    probe: Path, tmp_path: Path
) -> None:
    with pytest.raises(UserError, match=r"is one, but --raw \(is_calibrated=False\) sets its calibration aside"):
        earmark.predict([tmp_path / "audio"], probe, accuracy=0.5, is_calibrated=False)


def test_at_the_edge_a_label_is_not_there_also_in_float32() -> None:
    card = SimpleNamespace(kind="multilabel", classes=("bass", "drums"))
    scores = np.array([[0.6, 0.4]], np.float32)
    assert 1 - float(scores[0, 1]) < 0.6
    said = prediction.Said(scores, card, None, 0.6)  # type: ignore[arg-type]  # as much of a card as is read
    assert said.is_unsure.tolist() == [[False, False]]
    assert prediction.Said(scores, card, None, 0.601).is_unsure.all()  # type: ignore[arg-type]  # as above


def test_names_of_files_act_on_no_terminal(probe: Path, tmp_path: Path) -> None:
    shutil.copy(sorted((tmp_path / "audio").rglob("*.wav"))[0], tmp_path / "a\x1b[31m\nb.wav")
    command = ["predict", str(probe), str(tmp_path / "a\x1b[31m\nb.wav")]
    done = CliRunner().invoke(cli.app, command)
    assert done.exit_code == 0, done.output
    assert "a[U+001B][31m b.wav\t" in done.stdout
    assert len(done.stdout.splitlines()) == 1
    told = json.loads(CliRunner().invoke(cli.app, [*command, "--json"]).stdout)
    assert told["path"].endswith("a\x1b[31m\nb.wav")


def test_a_file_whose_name_is_no_text_is_a_failure_and_the_others_are_heard(probe: Path, tmp_path: Path) -> None:
    good = sorted((tmp_path / "audio").rglob("*.wav"))[0]
    bad = tmp_path / os.fsdecode(b"caf\xe9.wav")
    shutil.copy(good, bad)
    found = earmark.predict([bad, good], probe)
    assert found.paths == (good,)
    assert [one.reason for one in found.failures] == ["its name is no text in UTF-8. Rename it."]


def test_labels_that_are_unsure_are_left_out_and_named() -> None:
    card = SimpleNamespace(kind="multilabel", classes=("bass", "drums", "voice"))
    scores = np.array([[0.9, 0.55, 0.1], [0.2, 0.45, 0.99]], np.float32)
    said = prediction.Said(scores, card, None, 0.6)  # type: ignore[arg-type]  # as much of a card as is read
    assert said.said == ("bass", "voice")
    assert said.best == ("bass, drums", "voice")
    assert [one["unsure"] for one in said.answers] == [["drums"], ["drums"]]


def test_a_folder_that_is_no_probe_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="Expected a saved probe"):
        earmark.predict([tmp_path], tmp_path)
