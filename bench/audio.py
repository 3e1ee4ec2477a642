"""A minute of 44.1 kHz sound to 16 kHz mono: ours against librosa.load at the same resampler, the same bits."""

import tempfile
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import librosa
import numpy as np
import soundfile

from bench.ratio import Ratio, compare
from earmark import audio, identity

SECONDS = 60.0
SAMPLE_RATE = 44100
TARGET_RATE = 16000
GOALS = {"WAV": 2.5, "FLAC": 1.6, "MP3": 1.6}


def measure() -> list[Ratio]:
    """Return a ratio for each format in stereo, and for mono WAV, where only the resampling is left."""
    return list(_rows())


def _rows() -> Iterator[Ratio]:
    stereo = _music()
    with tempfile.TemporaryDirectory() as folder:
        for channels, format_name in ((2, "WAV"), (2, "FLAC"), (2, "MP3"), (1, "WAV")):
            path = Path(folder) / f"{channels}.{format_name.lower()}"
            soundfile.write(path, stereo[:, :channels], SAMPLE_RATE)
            theirs = partial(librosa.load, path, sr=TARGET_RATE, res_type="soxr_hq")
            ours = partial(audio.read, path, TARGET_RATE)
            np.testing.assert_array_equal(ours().samples, theirs()[0])
            question = f"60 s {format_name}, {'stereo' if channels == 2 else 'mono'}, to 16 kHz mono"
            goal = GOALS[format_name] if channels == 2 else 1.0
            yield compare(question, ("earmark audio.read", ours), ("librosa.load", theirs), goal=goal)


def _music() -> np.ndarray:
    """Return chords over noise: a codec has something to do, as in music."""
    rng = identity.generator("bench", "audio")
    t = np.arange(round(SECONDS * SAMPLE_RATE)) / SAMPLE_RATE
    beat = np.exp(-3 * (t * 2 % 1))
    chord = np.sum([0.1 * np.sin(2 * np.pi * hz * t) for hz in (130.8, 196.0, 329.6, 523.3, 1046.5)], axis=0)
    return np.asarray((chord * beat)[:, None] + 0.01 * rng.standard_normal((len(t), 2)), np.float32)
