"""Stand-ins for the three functions of torchaudio that two goldens need, by what its documentation says of them.

torchaudio is never installed beside earmark, nor for its goldens.
"""

import sys
from types import ModuleType
from typing import Any

import librosa
import numpy as np
import torch


class Spectrogram(torch.nn.Module):
    """Power of a centred, reflected STFT with a periodic Hann window."""

    def __init__(self, n_fft: int, win_length: int, hop_length: int, power: float) -> None:
        super().__init__()
        self.n_fft, self.win_length, self.hop_length, self.power = n_fft, win_length, hop_length, power

    def forward(self, audio: torch.Tensor) -> torch.Tensor:
        window = torch.hann_window(self.win_length)
        spectrum = torch.stft(audio, self.n_fft, self.hop_length, self.win_length, window, return_complex=True)
        return spectrum.abs() ** self.power


class MelScale(torch.nn.Module):
    """Bands of a spectrogram."""

    def __init__(self, n_mels: int, sample_rate: int, n_stft: int, norm: Any, mel_scale: str) -> None:
        super().__init__()
        n_fft, is_htk = 2 * (n_stft - 1), mel_scale == "htk"
        filters = librosa.filters.mel(sr=sample_rate, n_fft=n_fft, n_mels=n_mels, htk=is_htk, norm=norm)
        self.register_buffer("filters", torch.from_numpy(filters), persistent=False)

    def forward(self, power: torch.Tensor) -> torch.Tensor:
        bands: torch.Tensor = self.get_buffer("filters") @ power
        return bands


class Masking(torch.nn.Identity):
    """What is done in training alone."""


def get_mel_banks(n_bands: int, n_fft: int, rate: float, low_hz: float, high_hz: float, **_: float) -> Any:
    """Return Kaldi's triangles without the last bin, and the frequencies of their middles in mel."""
    lowest, highest = 1127 * np.log1p(np.array((low_hz, high_hz)) / 700)
    edges = np.linspace(lowest, highest, n_bands + 2)
    mel = 1127 * np.log1p(np.arange(n_fft // 2) * rate / n_fft / 700)
    banks = np.stack([np.interp(mel, edges[band : band + 3], [0, 1, 0], 0, 0) for band in range(n_bands)])
    return torch.from_numpy(banks.astype(np.float32)), torch.from_numpy(edges[1:-1])


def put() -> None:
    """Let `import torchaudio` find these."""
    names = ("torchaudio", "torchaudio.transforms", "torchaudio.compliance", "torchaudio.compliance.kaldi")
    modules: dict[str, Any] = {name: ModuleType(name) for name in names}
    for name, module in modules.items():
        parent, _, own = name.rpartition(".")
        if parent:
            setattr(modules[parent], own, module)
    transforms = modules["torchaudio.transforms"]
    transforms.Spectrogram, transforms.MelScale = Spectrogram, MelScale
    transforms.FrequencyMasking = transforms.TimeMasking = lambda *_, **__: Masking()
    modules["torchaudio.compliance.kaldi"].get_mel_banks = get_mel_banks
    sys.modules.update(modules)
