"""The sounds that representations are tried with: the same on every machine, and at any rate where that is asked."""

import wave
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float, Float32

from earmark import identity

N_PARTIALS = 48
LOWEST_HZ = 80.0
FULL_SCALE_HZ = 100.0
PCM_16 = 32767


def noise(n_samples: int, level: float = 0.1) -> Float32[np.ndarray, " samples"]:
    """Return white noise of standard deviation `level`, clipped to [-1, 1]."""
    drawn = level * identity.generator("conformance", "noise").standard_normal(n_samples)
    return np.clip(drawn, -1.0, 1.0).astype(np.float32)


def chord(n_samples: int, sample_rate: int, below_hz: float) -> Float32[np.ndarray, " samples"]:
    """Return many slowly swelling partials up to `below_hz`, all below 0.5: a function of time, not of the rate.

    The same sound at another rate is therefore exact, and no resampler has touched it.
    """
    rng = identity.generator("conformance", "chord")
    steps_s = np.arange(n_samples) / sample_rate
    total = np.zeros(n_samples)
    for frequency_hz in np.geomspace(LOWEST_HZ, below_hz, N_PARTIALS):
        phase, swell_phase = rng.uniform(0.0, 2 * np.pi, 2)
        swell = 1.0 + 0.5 * np.sin(2 * np.pi * rng.uniform(1.0, 4.0) * steps_s + swell_phase)
        total += swell * np.sin(2 * np.pi * frequency_hz * steps_s + phase)
    return (0.5 * total / (1.5 * N_PARTIALS)).astype(np.float32)


def burst(n_samples: int) -> Float32[np.ndarray, " samples"]:
    """Return near silence with a loud click in its middle: what shared loudness or a shared peak would spread."""
    samples = noise(n_samples, 0.001)
    samples[n_samples // 2] = 1.0
    return samples


def three(n_samples: int, sample_rate: int) -> Float[torch.Tensor, "3 samples"]:
    """Return noise, chord and burst as one batch: three rows that have nothing in common."""
    rows = noise(n_samples), chord(n_samples, sample_rate, 0.4 * sample_rate), burst(n_samples)
    return torch.from_numpy(np.stack(rows))


def square(n_samples: int, sample_rate: int) -> Float[torch.Tensor, "1 samples"]:
    """Return a square wave that is always at +1 or -1."""
    half_periods = np.floor(2 * FULL_SCALE_HZ * np.arange(n_samples) / sample_rate)
    return torch.from_numpy(np.where(half_periods % 2 == 0, 1.0, -1.0).astype(np.float32))[None]


def store(path: Path, samples: Float32[np.ndarray, " samples"], sample_rate: int) -> Path:
    """Write mono samples as a 16-bit WAV file and return its path."""
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(sample_rate)
        file.writeframes(np.round(samples * PCM_16).astype("<i2").tobytes())
    return path
