"""Power spectrograms projected on a filter bank: what the hand-made representations share.

Written in blocks of frames so that the complex spectrum of a block stays in cache: a long file costs no more
per second than a short one. Frames are not centred and nothing is padded: `1 + (samples − n_fft) // hop`.
"""

import math

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor, nn

BLOCK_FRAMES = 128
BANDS_TOGETHER = 32


class FilteredPower(nn.Module):
    """|STFT|² (periodic Hann window of `win_samples`) times a filter bank of shape (bins, bands), in power.

    `n_fft` is the length of the window where none is given; a shorter window has zeros behind it.
    Neighbouring bands of a mel bank look at few bins, so they are multiplied in groups, each with the bins it
    needs: a quarter of the work of one dense product.
    """

    window: Tensor

    def __init__(
        self, filters: Float[Tensor, "bins bands"], n_fft: int, hop_samples: int, win_samples: int | None = None
    ) -> None:
        super().__init__()
        self.n_fft, self.hop_samples = n_fft, hop_samples
        self.register_buffer("window", torch.hann_window(win_samples or n_fft), persistent=False)
        self.ranges = []
        for number, first in enumerate(range(0, filters.shape[1], BANDS_TOGETHER)):
            group = filters[:, first : first + BANDS_TOGETHER]
            used = group.any(dim=1).nonzero()
            start, stop = int(used.min()), int(used.max()) + 1
            self.ranges.append((start, stop))
            self.register_buffer(f"group_{number}", group[start:stop].contiguous(), persistent=False)

    def forward(self, audio: Float[Tensor, "batch samples"]) -> Float[Tensor, "batch frames bands"]:
        """Return the power in each band of each frame."""
        frames = audio.unfold(1, len(self.window), self.hop_samples)
        if torch.compiler.is_exporting():  # a graph takes any number of frames, but not any number of blocks
            return self._bands(frames)
        n_bands = sum(self.get_buffer(f"group_{number}").shape[1] for number in range(len(self.ranges)))
        bands = audio.new_empty(len(audio), frames.shape[1], n_bands)
        for first in range(0, frames.shape[1], BLOCK_FRAMES):
            block = slice(first, first + BLOCK_FRAMES)
            self._bands(frames[:, block], bands[:, block])
        return bands

    def _bands(self, frames: Float[Tensor, "batch frames samples"], out: Tensor | None = None) -> Tensor:
        """Return the bands of some frames, in `out` where it is given."""
        power = power_spectrum(frames * self.window, self.n_fft)
        groups = [
            power[..., start:stop] @ self.get_buffer(f"group_{number}")
            for number, (start, stop) in enumerate(self.ranges)
        ]
        found: Tensor = torch.cat(groups, dim=-1, out=out)
        return found


def power_spectrum(frames: Float[Tensor, "batch frames samples"], n_fft: int) -> Float[Tensor, "batch frames bins"]:
    """Return the squared magnitudes of a Fourier transform of `n_fft` points, zeros behind shorter frames."""
    if torch.compiler.is_exporting():  # as matrix products: not every runtime of graphs can transform
        numbers = torch.arange(frames.shape[2])[:, None] * torch.arange(n_fft // 2 + 1) % n_fft
        angles = numbers.double() * (2 * math.pi / n_fft)
        cosines, sines = (frames @ of(angles).float() for of in (torch.cos, torch.sin))
        return cosines.square() + sines.square()
    spectrum = torch.fft.rfft(frames, n_fft)
    found: Tensor = spectrum.real.square().addcmul_(spectrum.imag, spectrum.imag)
    return found


def decibels(power: Tensor, floor: float = 1e-10) -> Tensor:
    """Return 10·log10 of a power, with the power floored; no range is cut relative to a maximum."""
    return 10.0 * torch.log10(power.clamp_min(floor))


def mel_filters(sample_rate: int, n_fft: int, n_mels: int) -> Float[Tensor, "bins mels"]:
    """Return triangular filters of unit area on Slaney's mel scale from 0 Hz to half the sample rate.

    The scale is linear (200/3 Hz a mel) below 1 kHz and logarithmic (27 steps to a factor 6.4) above.
    Source: Slaney, Auditory Toolbox v2, 1998; equal to librosa.filters.mel with its defaults.
    """
    knee_mel, log_step = 15.0, math.log(6.4) / 27.0
    top_mel = knee_mel + math.log(sample_rate / 2 / 1000.0) / log_step
    mels = np.linspace(0.0, top_mel, n_mels + 2)
    edges_hz = np.where(mels < knee_mel, mels * 200.0 / 3.0, 1000.0 * np.exp(log_step * (mels - knee_mel)))
    bins_hz = np.fft.rfftfreq(n_fft, 1.0 / sample_rate)[:, None]
    low, centre, high = edges_hz[:-2], edges_hz[1:-1], edges_hz[2:]
    rising, falling = (bins_hz - low) / (centre - low), (high - bins_hz) / (high - centre)
    triangles = np.maximum(0.0, np.minimum(rising, falling)) * (2.0 / (high - low))
    return torch.from_numpy(triangles.astype(np.float32))


def htk_filters(sample_rate: int, n_fft: int, n_mels: int, low_hz: float, high_hz: float) -> Float[Tensor, "bins mels"]:
    """Return triangles on the HTK mel scale, each of unit length (the root of its sum of squares is 1).

    Mel = 2595 log10(1 + Hz / 700). A band that is narrower than a bin, and lies between two, gets the nearest.
    Source: Young et al., The HTK Book, §5.4; equal to librosa.filters.mel with htk=True, norm=2 where no band is empty.
    """
    low, high = (2595.0 * np.log10(1.0 + hz / 700.0) for hz in (low_hz, high_hz))
    edges_hz = 700.0 * (10.0 ** (np.linspace(low, high, n_mels + 2) / 2595.0) - 1.0)
    bins_hz = np.fft.rfftfreq(n_fft, 1.0 / sample_rate)
    left, centre, right = edges_hz[:-2], edges_hz[1:-1], edges_hz[2:]
    rising, falling = (bins_hz[:, None] - left) / (centre - left), (right - bins_hz[:, None]) / (right - centre)
    triangles = np.maximum(0.0, np.minimum(rising, falling))
    empty = np.flatnonzero(~triangles.any(axis=0))
    triangles[np.abs(bins_hz[:, None] - centre[empty]).argmin(axis=0), empty] = 1.0
    return torch.from_numpy((triangles / np.linalg.norm(triangles, axis=0)).astype(np.float32))


def chroma_filters(sample_rate: int, n_fft: int) -> Float[Tensor, "bins 12"]:
    """Return filters that fold spectral bins onto the twelve pitch classes C, C#, … B at A4 = 440 Hz.

    Each bin spreads over the classes as a Gaussian of its distance in semitones, as wide as the bin itself
    (at least a semitone); the twelve weights of a bin have unit length, and bins are weighted by a Gaussian
    over octaves centred on 880 Hz (five octaves above A0), two octaves wide.
    Source: Ellis, Chroma Feature Analysis and Synthesis, 2007; equal to librosa.filters.chroma with tuning 0.
    """
    bins_hz = np.arange(1, n_fft) * (sample_rate / n_fft)
    semitones = 12.0 * np.log2(bins_hz / 27.5)
    semitones = np.concatenate(([semitones[0] - 18.0], semitones))  # 0 Hz: one and a half octaves below the first bin
    width = np.append(np.maximum(np.diff(semitones), 1.0), 1.0)
    distance = np.remainder(semitones[:, None] - np.arange(12) + 6.0, 12.0) - 6.0
    weights = np.exp(-0.5 * (2.0 * distance / width[:, None]) ** 2)
    weights /= np.linalg.norm(weights, axis=1, keepdims=True)
    weights *= np.exp(-0.5 * ((semitones / 12.0 - 5.0) / 2.0) ** 2)[:, None]
    from_c = np.roll(weights, -3, axis=1)  # the bins were counted from A
    return torch.from_numpy(from_c[: n_fft // 2 + 1].astype(np.float32))
