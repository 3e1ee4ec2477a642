"""Log-mel of half a minute of audio: ours against librosa's, the same numbers."""

import librosa
import numpy as np
import torch

from bench.ratio import Ratio, compare
from earmark import identity
from earmark.representations import logmel

SECONDS = 30.0


def measure() -> list[Ratio]:
    """Return the ratio at the representation's own setting (2048 FFT, hop 512, 128 bands)."""
    torch.set_num_threads(1)
    rng = identity.generator("bench", "logmel")
    samples = (0.1 * rng.standard_normal(round(SECONDS * logmel.SAMPLE_RATE))).astype(np.float32)
    audio = torch.from_numpy(samples)[None]
    ours = logmel.LogMel()

    def theirs() -> object:
        mel = librosa.feature.melspectrogram(
            y=samples, sr=logmel.SAMPLE_RATE, n_fft=logmel.N_FFT, hop_length=logmel.HOP_SAMPLES, center=False
        )
        return librosa.power_to_db(mel, top_db=None)

    question = "log-mel of 30 s, 2048 FFT, hop 512, 128 bands"
    return [compare(question, ("earmark logmel", lambda: ours(audio)), ("librosa", theirs), goal=1.5)]
