"""Embeddings that were computed elsewhere: how clips find theirs, what is refused, and a run from end to end."""

import shutil
from pathlib import Path

import numpy as np
import polars as pl
import pytest
import soundfile
import torch

import earmark
from earmark.errors import UserError
from earmark.experiment import estimate, results
from earmark.experiment.study import study
from earmark.representations import base, features
from earmark.show import representations as show

CLASSES = ("low", "middle", "high")
EXPERIMENT = """\
name: own
experiments:
  - task: {{name: tone, label: label, kind: multiclass}}
    datasets: [{{name: folder, dir: {audio}, split_type: [0.5, 0.25, 0.25]}}]
    representations: [{{name: "features:{pattern}"}}]
    probes: [{{kind: mlp, hidden_units: [], epochs: 60, learning_rate: 0.1, batch_size: 4, standardise: true}}]
resamples: 20
"""


def ids() -> list[str]:
    return [f"{label}/{number}.wav" for label in CLASSES for number in range(8)]


def truth(clip_id: str) -> np.ndarray:
    """Return the class of a clip as a vector of 0 and 1."""
    vector = np.zeros(3)
    vector[CLASSES.index(clip_id.partition("/")[0])] = 1
    return vector


def save(folder: Path, name: str, array: np.ndarray) -> None:
    file = folder / f"{name}.npy"
    file.parent.mkdir(parents=True, exist_ok=True)
    np.save(file, array)


@pytest.fixture
def tones(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Make 24 clips, no two of them alike, and the embedding of each, which is its class; return where they are."""
    monkeypatch.setenv("EARMARK_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("EARMARK_RUNS", str(tmp_path / "runs"))
    for number, one in enumerate(ids()):
        file = tmp_path / "audio" / one
        file.parent.mkdir(parents=True, exist_ok=True)
        tone = 0.2 * np.sin(2 * np.pi * (200 + 10 * number) * np.arange(4000) / 8000)
        soundfile.write(file, tone, 8000, subtype="PCM_16")
        save(tmp_path / "own", one.removesuffix(".wav"), truth(one))
    return tmp_path


def experiment(folder: Path, pattern: str = "own/**/*.npy", more: str = "") -> Path:
    file = folder / "own.yml"
    text = EXPERIMENT.format(audio=(folder / "audio").as_posix(), pattern=(folder / pattern).as_posix())
    file.write_text(text.replace("    probes", f"{more}    probes"))
    return file


def accuracies(run: results.Run) -> set[float | None]:
    rows = [row for row in run.rows if row.probe != "constant" and row.metric == "accuracy"]
    return {row.value for row in rows if row.average == "micro" and row.deformation == "clean"}


def test_features_that_hold_the_class_give_an_accuracy_of_1(tones: Path) -> None:
    run = earmark.run(experiment(tones), quiet=True)
    assert not run.failures
    assert accuracies(run) == {1.0}


def test_a_clip_without_a_file_is_a_named_failure_until_its_file_is_there(tones: Path) -> None:
    (tones / "own/low/3.npy").unlink()
    (failure,) = earmark.run(experiment(tones), quiet=True).failures
    assert failure.clip == "low/3.wav"
    assert "'features:own/**/*.npy' holds no embedding of 'low/3.wav' among its 23" in failure.reason
    save(tones / "own", "low/3", truth("low/3.wav"))
    assert not earmark.run(experiment(tones), quiet=True).failures


def test_features_under_a_deformation_are_refused_because_they_were_computed_of_clean_audio(tones: Path) -> None:
    chain = "    deformations: {quiet: [{type: Gain, params: {min_gain_db: -6, max_gain_db: -6}}]}\n"
    run = earmark.run(experiment(tones, more=chain), quiet=True)
    assert run.failures
    assert all("features were computed of clean audio, not under 'quiet'" in one.reason for one in run.failures)
    assert accuracies(run) == {1.0}, "the clean numbers stand"


def test_features_stand_beside_a_representation_that_hears(tones: Path) -> None:
    file = experiment(tones)
    file.write_text(file.read_text().replace('*.npy"}]', '*.npy"}, {name: logmel}]'))
    run = earmark.run(file, quiet=True)
    assert not run.failures
    assert {"logmel", f"features:{tones.as_posix()}/own/**/*.npy"} <= {row.representation for row in run.rows}


def test_layers_that_are_not_there_and_segments_are_refused(tones: Path) -> None:
    for more, reason in (("layers: [1]", "has layers 0 to 0; got [1]"), ("segment_s: 1", "cannot be cut")):
        file = experiment(tones)
        file.write_text(file.read_text().replace('*.npy"}]', f'*.npy", {more}}}]'))
        failures = earmark.run(file, quiet=True).failures
        assert len(failures) == 24
        assert all(reason in one.reason for one in failures)


def test_a_clip_with_nan_fails_alone(tones: Path) -> None:
    save(tones / "own", "high/7", np.array([0.0, np.nan, 1.0]))
    (failure,) = earmark.run(experiment(tones), quiet=True).failures
    assert failure.clip == "high/7.wav"
    assert "that are not finite" in failure.reason


def test_one_file_of_all_clips_gives_what_files_of_one_clip_give(tmp_path: Path) -> None:
    vectors = np.stack([truth(one) for one in ids()])
    columns = {f"d{i}": vectors[:, i] for i in range(3)}
    np.savez(tmp_path / "named.npz", **dict(zip(ids(), vectors, strict=True)))
    np.savez(tmp_path / "rows.npz", ids=np.array(ids()), vectors=vectors)
    pl.DataFrame({"id": ids(), "v": vectors.tolist()}).write_parquet(tmp_path / "list.parquet")
    pl.DataFrame({"id": ids(), **columns}).write_parquet(tmp_path / "columns.parquet")
    for file in ("named.npz", "rows.npz", "list.parquet", "columns.parquet"):
        own = features.load(str(tmp_path / file))
        assert (own.card.layers, own.card.dim) == (1, 3)
        for one in ids():
            assert own.of_clip(one).dtype == np.float32
            assert np.array_equal(own.of_clip(one), truth(one)[None, None]), file


def test_frames_and_layers_keep_their_axes(tmp_path: Path) -> None:
    array = np.arange(24.0).reshape(2, 4, 3)
    save(tmp_path / "deep", "a", array)
    save(tmp_path / "flat", "a", array[0])
    assert np.array_equal(features.load(f"{tmp_path}/deep/*.npy").of_clip("a.flac"), array)
    assert np.array_equal(features.load(f"{tmp_path}/flat/*.npy").of_clip("a.flac"), array[:1])


@pytest.mark.parametrize(
    ("clip_id", "name"),
    [("a.wav", "a.wav"), ("b.flac", "b"), ("x/d.wav", "x/d"), ("b.wav#1.5-2.5", "b#1.5-2.5")],
)
def test_a_clip_is_found_by_its_id_and_then_without_ending(tmp_path: Path, clip_id: str, name: str) -> None:
    for one in ("a", "a.wav", "b", "b#1.5-2.5", "x/d"):
        save(tmp_path, one, np.ones(2))
    assert features.load(f"{tmp_path}/**/*.npy").name_of(clip_id) == name


def test_a_region_is_never_given_the_embedding_of_another_region(tmp_path: Path) -> None:
    save(tmp_path, "b#1.5-2.5", np.ones(2))
    with pytest.raises(UserError, match=r"holds no embedding of 'b\.wav#1\.5-2\.7' among its 1,"):
        features.load(f"{tmp_path}/*.npy").of_clip("b.wav#1.5-2.7")


@pytest.mark.parametrize("clip_id", ["low/d.wav", "d.wav"])
def test_a_clip_is_never_given_the_embedding_of_one_of_the_same_stem(tmp_path: Path, clip_id: str) -> None:
    save(tmp_path, "x/d", np.ones(2))
    with pytest.raises(UserError, match=f"holds no embedding of '{clip_id}'"):
        features.load(f"{tmp_path}/**/*.npy").of_clip(clip_id)


def test_clips_of_identical_audio_have_embeddings_of_their_own(tones: Path) -> None:
    shutil.copy(tones / "audio/low/0.wav", tones / "audio/high/99.wav")
    save(tones / "own", "high/99", np.array([0.0, 0.0, 1.0]))
    found = study(experiment(tones)).plan()
    keys = [want.key for shard in found.shards for work in shard.works for want in work.wants]
    assert len(set(keys)) == len(keys) == 25


def test_a_plan_counts_no_seconds_for_what_is_only_read(tones: Path) -> None:
    assert estimate.plan(experiment(tones)).embed_seconds == 0.0


def test_arrays_of_different_dim_or_layers_are_refused_with_two_names(tmp_path: Path) -> None:
    save(tmp_path, "a", np.ones(2))
    save(tmp_path, "b", np.ones(3))
    with pytest.raises(UserError, match=r"one dim throughout '.*', got 2 in 'a' and 3 in 'b'"):
        features.load(f"{tmp_path}/*.npy")
    save(tmp_path, "b", np.ones((4, 1, 2)))
    with pytest.raises(UserError, match=r"one layers throughout '.*', got 1 in 'a' and 4 in 'b'"):
        features.load(f"{tmp_path}/*.npy")


def test_pickles_words_and_nothing_are_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"none fits"):
        features.load(f"{tmp_path}/*.npy")
    with pytest.raises(UserError, match=r"there is nothing at '.*gone\.npz'"):
        features.load(f"{tmp_path}/gone.npz")
    np.save(tmp_path / "a.npy", np.array([{"a": 1}]), allow_pickle=True)
    with pytest.raises(UserError, match=r"Expected an array of numbers in '.*a\.npy'"):
        features.load(f"{tmp_path}/*.npy")
    np.save(tmp_path / "a.npy", np.array(["word"]))
    with pytest.raises(UserError, match=r"Expected numbers \(dim,\), .*got <U4 \(1,\)"):
        features.load(f"{tmp_path}/*.npy")
    np.savez(tmp_path / "twice.npz", ids=np.array(["a", "a"]), vectors=np.ones((2, 3)))
    with pytest.raises(UserError, match=r"one row for each clip id in '.*', got 'a' twice"):
        features.load(f"{tmp_path}/twice.npz")
    pl.DataFrame({"clip": ["a"], "d": [1.0]}).write_parquet(tmp_path / "odd.parquet")
    with pytest.raises(UserError, match=r"Expected the column id in '.*', it has: clip, d"):
        features.load(f"{tmp_path}/odd.parquet")


def test_the_hash_of_the_card_changes_with_the_files_and_not_with_their_place(tmp_path: Path) -> None:
    for place in ("here", "there"):
        save(tmp_path / place / "own", "a", np.ones(2))
    here, there = (features.load(f"{tmp_path}/{place}/own/*.npy").card for place in ("here", "there"))
    assert here == there
    save(tmp_path / "there" / "own", "b", np.ones(2))
    assert features.load(f"{tmp_path}/there/own/*.npy").card.weights_sha256 != here.weights_sha256


def test_features_are_given_no_audio_and_no_law_is_asked_of_them(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    save(tmp_path, "a", np.ones(2))
    name = f"features:{tmp_path.as_posix()}/*.npy"
    with pytest.raises(UserError, match=r"was computed elsewhere and hears nothing"):
        base.load(name)(torch.zeros(1, 100))
    assert show.verdict(name, as_json=False)
    assert capsys.readouterr().out == f"{name}: no audio goes in, so no law of representations applies\n"
