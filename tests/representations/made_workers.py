"""Workers for tests: a module in the folder where a test stands, made by this same Python in another process."""

import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
import torch

from earmark import identity
from earmark.representations import worker

MODULE = """
import os, sys, time
import numpy as np

class Toy:
    card = {"sample_rate": 8000, "frame_rate_hz": 100.0, "dim": 3, "layers": 2, "min_samples": 80,
            "padding_safe": True, "licence": "MIT", "architecture": "sums", "trained_on": "nothing"}

    def __init__(self, scale, weights):
        self.scale, self.weights = scale, [weights] if weights else []

    def __call__(self, audio):
        WHAT
        frames = audio[:, : audio.shape[1] // 80 * 80].reshape(len(audio), 1, -1, 80)
        first = np.stack([frames.mean(-1), frames.std(-1), abs(frames).max(-1)], -1)
        return self.scale * np.concatenate([first, first ** 2], axis=1)

def load(scale=1.0, weights=None):
    print("loading")
    os.system("echo from a shell")
    return Toy(scale, weights)
"""
LOUD = 0.9

Write = Callable[..., str]


@pytest.fixture
def write(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Write]:
    """Write a module whose call begins with `what`, and the file of its worker; return the worker's name."""
    monkeypatch.chdir(tmp_path)
    worker._load.cache_clear()

    def written(what: str = "pass", python: str = sys.executable, made: str = "toy:load", more: str = "") -> str:
        (tmp_path / "toy.py").write_text(MODULE.replace("WHAT", what), encoding="utf-8")
        (tmp_path / "mine.yml").write_text(f"python: {python}\nrepresentations: {{toy: {made}}}\n{more}")
        return "worker:mine.yml"

    yield written
    worker._load.cache_clear()


def sound(n_samples: int = 8000, rows: int = 1, peak: float = 0.3) -> torch.Tensor:
    rng = identity.generator("test", "worker", n_samples, peak)
    noise = rng.uniform(-peak, peak, (rows, n_samples)).astype(np.float32)
    noise[:, 0] = peak
    return torch.from_numpy(noise)


def naive(audio: torch.Tensor, scale: float = 1.0) -> np.ndarray:
    frames = audio.numpy()[:, : audio.shape[1] // 80 * 80].reshape(len(audio), 1, -1, 80)
    first = np.stack([frames.mean(-1), frames.std(-1), abs(frames).max(-1)], -1)
    both: np.ndarray = scale * np.concatenate([first, first**2], axis=1)
    return both


def killed_by_loud(how: str) -> str:
    return f"if abs(audio).max() >= {LOUD}: {how}"
