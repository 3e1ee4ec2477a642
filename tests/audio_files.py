"""Audio files for tests."""

from pathlib import Path

import numpy as np
import soundfile

RATE = 44100


def sound(n_samples: int = 3 * RATE + 317, channels: int = 2) -> np.ndarray:
    """Noise that fades into a tone: a constant bit rate has too few bits for one and too many for the other."""
    rng = np.random.default_rng(5)
    t = np.linspace(0, 1, n_samples)[:, None]
    tone = 0.3 * np.sin(np.arange(n_samples)[:, None] * 0.05 * (1 + np.arange(channels)))
    return np.asarray((1 - t) * 0.1 * rng.standard_normal((n_samples, channels)) + t * tone, np.float32)


def written(path: Path, samples: np.ndarray, sample_rate: int = RATE, **how: object) -> Path:
    soundfile.write(path, samples, sample_rate, **how)
    return path
