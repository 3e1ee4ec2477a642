"""Kaldi's log-mel filter bank as torchaudio computes it of audio in [-1, 1], with no dither and no energy."""

import torch
from jaxtyping import Float
from torch import Tensor, nn

from earmark.representations._spectrogram import power_spectrum

FLOOR = torch.finfo(torch.float32).eps
PREEMPHASIS = 0.97
BLOCK_FRAMES = 256


class KaldiBank(nn.Module):
    """ln(max(power in each band, 2⁻²³)); frames `1 + (samples − frame) // shift`, nothing is padded around them.

    Of each frame, in turn: its mean is taken off, then 0.97 of the sample before; a symmetric Hann window, |FFT|² at
    the next power of two, triangles on the mel scale 1127 ln(1 + Hz / 700). A band that is so narrow that it holds no
    bin is at the floor always: Kaldi itself refuses such banks, torchaudio does not. Source: Kaldi, feature-fbank.
    """

    window: Tensor
    filters: Tensor

    def __init__(
        self, sample_rate: int, n_bands: int, frame_samples: int, shift_samples: int, lowest_hz: float
    ) -> None:
        super().__init__()
        self.frame_samples, self.shift_samples = frame_samples, shift_samples
        self.n_fft = 1 << (frame_samples - 1).bit_length()
        with torch.device("cpu"):  # no file holds these
            filters = mel_triangles(sample_rate, self.n_fft, n_bands, lowest_hz)
            window = torch.hann_window(frame_samples, periodic=False)
        self.register_buffer("window", window, persistent=False)
        self.register_buffer("filters", filters, persistent=False)

    def forward(self, audio: Float[Tensor, "batch samples"]) -> Float[Tensor, "batch frames bands"]:
        """Return the bands of each frame."""
        frames = audio.unfold(1, self.frame_samples, self.shift_samples)
        if torch.compiler.is_exporting():  # a graph takes any number of frames, but not any number of blocks
            return self._bands(frames)
        # In blocks, for the spectrum of one to stay in cache.
        return torch.cat([self._bands(block) for block in torch.split(frames, BLOCK_FRAMES, dim=1)], dim=1)

    def _bands(self, frames: Float[Tensor, "batch frames samples"]) -> Float[Tensor, "batch frames bands"]:
        centred = frames - frames.mean(2, keepdim=True)
        before = torch.cat([centred[..., :1], centred[..., :-1]], dim=2)
        power = power_spectrum((centred - PREEMPHASIS * before) * self.window, self.n_fft)
        bands: Tensor = power @ self.filters
        return bands.clamp_min(FLOOR).log()


def mel_triangles(sample_rate: int, n_fft: int, n_bands: int, lowest_hz: float) -> Float[Tensor, "bins bands"]:
    """Return triangles, straight on the mel scale, from `lowest_hz` to half the rate; the last bin is unused."""
    bins = _mel(torch.arange(n_fft // 2 + 1, dtype=torch.float64) * sample_rate / n_fft)[:, None]
    lowest, highest = _mel(torch.tensor([lowest_hz, sample_rate / 2], dtype=torch.float64)).tolist()
    edges = torch.linspace(lowest, highest, n_bands + 2, dtype=torch.float64)
    left, centre, right = edges[:-2], edges[1:-1], edges[2:]
    triangles = torch.minimum((bins - left) / (centre - left), (right - bins) / (right - centre)).clamp_min(0.0)
    triangles[-1] = 0.0
    return triangles.float()


def _mel(hz: Tensor) -> Tensor:
    return 1127.0 * torch.log1p(hz / 700.0)
