"""`hear:MODULE`: any HEAR module, with timestamp and scene embeddings, from the folder where the user stands."""

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import polars as pl
import pytest
import soundfile
import torch

from earmark import conformance, identity
from earmark.errors import UserError
from earmark.representations import base
from earmark.representations.embed import clip_embedding

RATE = 16000

HEAR = """
import torch

calls = []

class Model(torch.nn.Module):
    sample_rate = 16000
    timestamp_embedding_size = 4
    scene_embedding_size = 6

    def __init__(self, path):
        super().__init__()
        self.path = path
        self.bands = torch.nn.Linear(320, 4)
        self.wide = torch.nn.Linear(320, 6)
        self.forget = torch.nn.Dropout(0.5)

def load_model(model_file_path=""):
    return Model(model_file_path)

def get_timestamp_embeddings(audio, model):
    frames = model.forget(model.bands(audio.unfold(1, 320, 320)))
    times = 10.0 + 20.0 * torch.arange(frames.shape[1])
    return frames, times.expand(len(audio), -1)

def get_scene_embeddings(audio, model):
    return model.wide(audio.unfold(1, 320, 320)).mean(1)
"""


def noise(n_samples: int, clips: int = 1) -> torch.Tensor:
    rng = identity.generator("test", "forms", n_samples)
    return torch.from_numpy((0.1 * rng.standard_normal((clips, n_samples))).astype(np.float32))


@pytest.fixture
def module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., str]:
    """Write a HEAR module of another name for each test, changed as it is told, into the folder where it stands."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [*sys.path])

    def write(old: str = "", new: str = "") -> str:
        name = "hear_" + identity.key_of(at=str(tmp_path), old=old, new=new)[:8]
        assert old in HEAR
        (tmp_path / f"{name}.py").write_text(HEAR.replace(old, new) if old else HEAR)
        return name

    return write


def test_a_hear_module_gives_its_timestamp_embeddings_as_frames(module: Callable[..., str]) -> None:
    found = base.load(f"hear:{module()}")
    assert (found.card.dim, found.card.min_samples) == (4, 320)
    assert found.card.frame_rate_hz == pytest.approx(50)
    assert (found.card.n_parameters, found.card.verified) == (321 * 10, "own")
    assert found(noise(16000, clips=2)).shape == (2, 1, 50, 4)
    assert conformance.broken_by_representation(found) == (), "its dropout is off"


def test_a_hear_module_gives_its_scene_embedding_as_one_frame(module: Callable[..., str]) -> None:
    name = module()
    found = base.load(f"hear:{name}#scene")
    assert (found.card.dim, found.card.frame_rate_hz) == (6, 0.0)
    assert found(noise(16000, clips=2)).shape == (2, 1, 1, 6)
    samples = noise(16000)[0].numpy()
    naive = found(noise(16000))[0, 0, 0].numpy()
    np.testing.assert_allclose(clip_embedding(found, samples)[0, 0], naive, rtol=1e-6)


def test_weights_are_handed_to_the_module_and_are_part_of_what_it_is(
    module: Callable[..., str], tmp_path: Path
) -> None:
    name = module()
    (tmp_path / "one.pt").write_bytes(b"one")
    (tmp_path / "two.pt").write_bytes(b"two")
    one, two, none = (base.load(f"hear:{name}{end}") for end in ("@one.pt", "@two.pt", ""))
    assert one.found.model.path == "one.pt"  # type: ignore[attr-defined]
    assert len({each.card.weights_sha256 for each in (one, two, none)}) == 3


def test_a_module_that_needs_a_path_is_given_an_empty_one(module: Callable[..., str]) -> None:
    name = module('model_file_path=""', "model_file_path")
    found = base.load(f"hear:{name}")
    assert found.found.model.path == ""  # type: ignore[attr-defined]


def test_the_code_of_a_module_is_part_of_what_it_is(module: Callable[..., str]) -> None:
    names = module(), module("10.0 +", "10.5 +")
    assert len({base.load(f"hear:{name}").card.weights_sha256 for name in names}) == 2


def test_a_module_that_needs_more_audio_is_asked_for_the_least_it_answers(module: Callable[..., str]) -> None:
    longer = module("    frames = model", "    assert audio.shape[1] > 1000, 'too short'\n    frames = model")
    found = base.load(f"hear:{longer}")
    assert found.card.min_samples == 1280
    with pytest.raises(UserError, match="needs at least 1280 samples"):
        found(noise(1000))


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("def load_model", "def load_modell", "is no HEAR module: it has no load_model"),
        ("    scene_embedding_size = 6\n", "", "to have whole numbers as scene_embedding_size"),
        ("import torch", "import torsh", "importable, but: ModuleNotFoundError: No module named 'torsh'"),
        ("calls = []", "calls = cells", "importable, but: NameError: name 'cells' is not defined"),
        ("return Model(", "return open(", "could not load its model: FileNotFoundError"),
        ("timestamp_embedding_size = 4", "timestamp_embedding_size = 5", r"\(1, frames, 5\) as a torch tensor, got"),
        ("20.0 * torch.arange", "20.0 * torch.arange(1, frames.shape[1] + 1) ** 2 + 0 * torch.arange", "even steps"),
        ("times.expand(len(audio), -1)", "times", r"timestamps \(1, 50\), at least one, as a torch tensor, got \(50,"),
        ("return frames, times", "return frames.numpy(), times", "as a torch tensor, got ndarray"),
        ("model.bands(audio.unfold(1, 320, 320))", "model.bands(audio)", "failed on 16000 samples: RuntimeError: mat"),
    ],
)
def test_a_module_that_is_not_as_hear_says_is_told(
    module: Callable[..., str], old: str, new: str, message: str
) -> None:
    name = module(old, new)
    with pytest.raises(UserError, match=message):
        base.load(f"hear:{name}")


def test_a_module_that_is_not_there_is_looked_for_where_one_stands(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"Expected 'no_such_module' to be importable.*the current folder"):
        base.load("hear:no_such_module")
    with pytest.raises(UserError, match="Expected a module after hear:"):
        base.load("hear:not-a-module")
    with pytest.raises(UserError, match="Expected nothing or #scene"):
        base.load("hear:json#scenes")


def test_a_hear_module_of_the_user_is_evaluated_without_touching_this_tree(
    module: Callable[..., str], tmp_path: Path
) -> None:
    name = module()
    rng = identity.generator("test", "tones")
    for label, frequency_hz in {"low": 200.0, "high": 3000.0}.items():
        (tmp_path / "audio" / label).mkdir(parents=True)
        for number in range(8):
            steps = np.arange(RATE // 2) / RATE
            tone = 0.3 * np.sin(2 * np.pi * frequency_hz * steps) + 0.01 * rng.standard_normal(len(steps))
            soundfile.write(tmp_path / "audio" / label / f"{number}.wav", tone, RATE, subtype="PCM_16")
    (tmp_path / "own.yml").write_text(f"""
name: own
experiments:
  - task: {{name: height, label: label, kind: multiclass}}
    datasets: [{{name: folder, dir: audio, split_type: [0.5, 0.25, 0.25]}}]
    representations: [{{name: "hear:{name}", pool: [mean, std]}}, "hear:{name}#scene"]
    probes: [{{kind: mlp, hidden_units: [], epochs: 40, learning_rate: 0.1, batch_size: 4, standardise: true}}]
    seeds: [0]
resamples: 20
""")
    done = subprocess.run(
        [sys.executable, "-m", "earmark", "run", "own.yml", "--jobs", "1", "-q"],
        cwd=tmp_path,
        env={"EARMARK_HOME": str(tmp_path / "home"), "OMP_NUM_THREADS": "1", "PATH": "/usr/bin:/bin"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    (rows,) = (tmp_path / "runs").glob("*/results.jsonl")
    frame = pl.DataFrame([json.loads(line) for line in rows.read_text().splitlines()], infer_schema_length=None)
    scores = frame.filter(pl.col("metric") == "accuracy", pl.col("average") == "micro", pl.col("seed").is_null())
    found = dict(scores.select("representation", "value").iter_rows())
    assert found[f"hear:{name}"] > found["constant"]
    assert f"hear:{name}#scene" in found
