"""Essentia for real, in a Python of its own: its features against definitions, the laws, and a whole run."""

import fcntl
import subprocess
import sys
from pathlib import Path

import librosa
import numpy as np
import polars as pl
import pytest
import torch

import earmark
from earmark import conformance, identity, places
from earmark.experiment import spec
from earmark.representations import base, worker
from tests.representations import tensorflow_graph

ROOT = Path(__file__).parents[2]
WITH_TENSORFLOW = "essentia-tensorflow"
INSTALLED_WITHIN_S = 600


@pytest.fixture(scope="session")
def _essentia() -> None:
    """Make the environment that worker:essentia asks for, where it is not there. Skips where pip cannot."""
    folder = places.environment_folder("essentia")
    folder.parent.mkdir(parents=True, exist_ok=True)
    with (folder.parent / "lock").open("w") as lock:  # each process of the tests makes it, one after another
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (folder / "done").exists():
            _made(folder)


def _made(folder: Path) -> None:
    subprocess.run([sys.executable, "-m", "venv", "--clear", folder], check=True)
    pip: list[str | Path] = [folder / "bin" / "python", "-m", "pip", "install", "-q", "--disable-pip-version-check"]
    done = subprocess.run(
        [*pip, "numpy", "essentia"], capture_output=True, text=True, timeout=INSTALLED_WITHIN_S, check=False
    )
    if done.returncode:
        pytest.skip(f"pip could not install essentia: {done.stderr.strip().splitlines()[-1]}")
    (folder / "done").touch()


essentia = pytest.mark.usefixtures("_essentia")


def tone(midi: float, n_samples: int = 44100) -> torch.Tensor:
    steps = np.arange(n_samples) / 44100
    return torch.from_numpy((0.3 * np.sin(2 * np.pi * 440 * 2 ** ((midi - 69) / 12) * steps)).astype(np.float32))[None]


@essentia
@pytest.mark.worker
@pytest.mark.parametrize("name", ["hpcp", "mel"])
def test_essentias_features_keep_every_law(name: str) -> None:
    found = base.load(f"worker:essentia#{name}")
    assert conformance.broken_by_representation(found) == ()
    assert "essentia 2." in found.card.architecture
    assert (found.card.licence, found.card.commercial) == ("AGPL-3.0 (essentia)", False)


@essentia
@pytest.mark.worker
def test_the_profile_of_a_tone_is_greatest_at_its_pitch_class_counted_from_a() -> None:
    profile = base.load("worker:essentia#hpcp")
    for midi in range(57, 81):
        (frames,) = profile(tone(midi))[0].numpy()
        assert set(frames.argmax(-1)) == {(midi - 69) * 3 % 36}
        np.testing.assert_array_equal(frames.max(-1), 1.0)


@essentia
@pytest.mark.worker
def test_essentias_mel_bands_are_those_of_their_definition() -> None:
    rng = identity.generator("test", "essentia")
    samples = (0.1 * rng.standard_normal(16000)).astype(np.float32)
    frames = np.stack([samples[start : start + 512] for start in range(0, 16000 - 511, 256)])
    power = np.abs(np.fft.rfft(frames * np.hanning(512))) ** 2  # a symmetric window
    filters = librosa.filters.mel(sr=16000, n_fft=512, n_mels=96)
    bands = base.load("worker:essentia#mel")(torch.from_numpy(samples)[None])[0, 0].numpy()
    np.testing.assert_allclose(bands, np.log10(1 + 10000 * power @ filters.T), atol=2e-4)


@essentia
@pytest.mark.worker
def test_the_experiment_with_essentia_runs_and_hears_pitch_class(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("EARMARK_RUNS", str(tmp_path))
    small = ["experiments.*.datasets=[{name: studio, subset: 240}]", "resamples=50"]
    run = earmark.run(ROOT / "experiments" / "essentia.yml", overrides=small, quiet=True)
    assert not run.failures
    scored = run.frame.filter(metric="accuracy", average="micro", deformation="clean").filter(
        pl.col("seed").is_null() & pl.col("label").is_null()
    )
    scores = {(task, name): value for task, name, value in scored.select("task", "representation", "value").iter_rows()}
    chance = scores["studio_pitch_class", "constant"]
    assert scores["studio_pitch_class", "worker:essentia#hpcp"] > 0.5 > 3 * chance
    assert set(scored.filter(pl.col("representation").str.starts_with("worker"))["licence"]) == {"AGPL"}


def test_the_experiment_with_essentia_loads_without_it() -> None:
    names = {
        one.name for block in spec.load(ROOT / "experiments" / "essentia.yml").blocks for one in block.representations
    }
    assert {"worker:essentia#hpcp", "worker:essentia#mel"} <= names


@pytest.mark.worker
def test_a_graph_goes_through_essentias_tensorflow_patch_by_patch(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The embedding of a graph made here is the mean of each patch's mel bands times known weights.

    Essentia centres its frames on multiples of the hop and fills both ends with zeros.
    """
    python = places.environment_folder(WITH_TENSORFLOW) / "bin" / "python"
    if not python.exists():
        pytest.skip(f"no {WITH_TENSORFLOW} (0.7 GB) in '{python.parents[1]}'")
    monkeypatch.chdir(tmp_path)
    weights = identity.generator("test", "graph").standard_normal((96, 2560)).astype(np.float32)
    Path("effnet.pb").write_bytes(tensorflow_graph.effnet_discogs(weights))
    made = "{factory: earmark_essentia:effnet_discogs, options: {graph: effnet.pb}}"
    Path("tf.yml").write_text(
        f"python: {python}\npackages: [{WITH_TENSORFLOW}]\n"
        f"representations: {{effnet: {made}, mel: earmark_essentia:mel_bands}}"
    )
    worker._load.cache_clear()
    effnet, mel = base.load("worker:tf.yml#effnet"), base.load("worker:tf.yml#mel")
    assert (effnet.card.verified, effnet.card.dim) == ("no", 1280)
    assert conformance.broken_by_representation(effnet) == ()
    audio = torch.from_numpy((0.1 * identity.generator("test").standard_normal((1, 80000))).astype(np.float32))
    bands = mel(torch.nn.functional.pad(audio, (256, 512)))[0, 0].numpy()
    patches = np.stack([bands[start : start + 128].mean(0) for start in (0, 62, 124)])
    np.testing.assert_allclose(effnet(audio)[0, 0].numpy(), (patches @ weights)[:, 1280:], rtol=1e-4, atol=1e-3)
