"""A tone that tells its class, for the miniatures: the same samples on every machine."""

from pathlib import Path

import numpy as np
import soundfile

from earmark.identity import generator
from tests.miniatures import LENGTH_S


def write_tone(path: Path, number: int, rate: int, length_s: float = LENGTH_S) -> None:
    """Write a tone whose pitch is a class's, three semitones apart, of a phase and with noise of the file's own."""
    rng = generator("miniature", "tones", path.name)
    times_s = np.arange(round(length_s * rate)) / rate
    tone = np.sin(2 * np.pi * (300 * 2 ** (number / 4) * times_s + rng.random()))
    path.parent.mkdir(parents=True, exist_ok=True)
    soundfile.write(path, 0.3 * tone + 0.005 * rng.standard_normal(len(times_s)), rate, subtype="PCM_16")
