"""`cqt`: a constant-Q transform in decibels, 84 bins: seven octaves of semitones from C1."""

import math
from collections.abc import Sequence

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor, nn

from earmark.nouns import Card
from earmark.representations._blocks import blockwise
from earmark.representations._spectrogram import decibels
from earmark.representations.base import check_call, refuse_variant

SAMPLE_RATE, HOP_SAMPLES = 22050, 512
N_BINS, BINS_PER_OCTAVE = 84, 12
LOWEST_HZ = 440.0 * 2.0 ** (-45 / 12)  # C1, 45 semitones below A4
# Frames whose samples are copied together: a block of the lowest octave takes 3 MB.
BLOCK_FRAMES = 64


def lengths_samples() -> Float[np.ndarray, " bins"]:
    """Return how long the kernel of each bin is, in samples, not rounded: 17.3 periods of its frequency.

    The quality factor is the frequency over half the distance between its two neighbours' geometric means:
    (r² + 1) / (r² − 1) for neighbours a factor r apart. Source: librosa 0.11, filters.wavelet_lengths.
    *Differs from Brown 1991*: 1 / (r − 1), 16.8 periods.
    """
    squared = 2.0 ** (2.0 / BINS_PER_OCTAVE)
    quality = (squared + 1.0) / (squared - 1.0)
    return np.asarray(quality * SAMPLE_RATE / frequencies_hz())


def frequencies_hz() -> Float[np.ndarray, " bins"]:
    """Return the centre frequency of each bin: C1 (32.7 Hz) to B7 (3,951 Hz)."""
    return np.asarray(LOWEST_HZ * 2.0 ** (np.arange(N_BINS) / BINS_PER_OCTAVE))


def kernels(first: int, last: int) -> Float[np.ndarray, "samples bins_twice"]:
    """Return the kernels of the bins from `first` to before `last`: real parts, then imaginary ones, centred.

    A kernel is a complex sinusoid under a Hann window of the bin's length, of absolute sum 1, times the square root
    of the length: so scaled, noise of one level gives each bin the same power, as in librosa.cqt.
    """
    lengths, hz = lengths_samples()[first:last], frequencies_hz()[first:last]
    half = math.floor(lengths[0] / 2)
    steps = np.arange(-half, half + 1)[:, None]
    windows = np.where(np.abs(steps) <= lengths / 2, 0.5 + 0.5 * np.cos(2 * np.pi * steps / lengths), 0.0)
    windows *= np.sqrt(lengths) / windows.sum(0)
    phases = 2 * np.pi * steps * hz / SAMPLE_RATE
    return np.concatenate([windows * np.cos(phases), -windows * np.sin(phases)], axis=1)


WINDOW_SAMPLES = 2 * math.floor(lengths_samples()[0] / 2) + 1

CARD = Card(
    name="cqt",
    version=1,
    sample_rate=SAMPLE_RATE,
    frame_rate_hz=SAMPLE_RATE / HOP_SAMPLES,
    dim=N_BINS,
    layers=1,
    layer_0="the constant-Q spectrogram",
    min_samples=WINDOW_SAMPLES,
    max_samples=None,
    padding_safe=True,
    architecture="84 Hann-windowed sinusoids of 17.3 periods from C1, 12 to an octave, hop 512 → 20·log10 of magnitude",
    n_parameters=0,
    trained_on="nothing",
    objective="none",
    licence="Apache-2.0",
    commercial=True,
    bibtex="""@article{brown1991constantq,
  author = {Brown, Judith C.},
  title = {Calculation of a Constant {Q} Spectral Transform},
  journal = {The Journal of the Acoustical Society of America},
  volume = {89},
  number = {1},
  pages = {425--434},
  year = {1991}
}""",
    verified="parity",
)
CARDS = {"": CARD}


class ConstantQ(nn.Module):
    """Constant-Q spectrogram in dB; frames: `1 + (samples − 11685) // 512`, each bin centred in its frame's window.

    The sums are taken in the time domain, octave by octave, with kernels no longer than the octave needs: exact, and
    less work than one FFT of the longest kernel's length. *Differs from librosa.cqt*: no downsampling between
    octaves, no small entries left out of the kernels, nothing is padded, and kernels are centred on a sample.
    """

    card = CARD

    def __init__(self) -> None:
        super().__init__()
        self.octaves = range(0, N_BINS, BINS_PER_OCTAVE)
        for first in self.octaves:
            octave = torch.from_numpy(kernels(first, first + BINS_PER_OCTAVE).astype(np.float32))
            self.register_buffer(f"octave_{first}", octave, persistent=False)

    @torch.inference_mode()
    def forward(
        self, audio: Float[Tensor, "batch samples"], layers: Sequence[int] | None = None
    ) -> Float[Tensor, "batch layers frames dim"]:
        """Return the bins of each frame as the one layer."""
        wanted = check_call(audio, layers, self.card)
        n_frames = 1 + (audio.shape[1] - WINDOW_SAMPLES) // HOP_SAMPLES
        octaves = [self._power(audio, n_frames, self.get_buffer(f"octave_{first}")) for first in self.octaves]
        return decibels(torch.cat(octaves, dim=-1))[:, None].repeat(1, len(wanted), 1, 1)

    def _power(
        self, audio: Float[Tensor, "batch samples"], n_frames: int, octave: Float[Tensor, "length bins_twice"]
    ) -> Float[Tensor, "batch frames bins"]:
        """Return the squared magnitude of an octave's bins; its kernels lie in the middle of each window."""
        length = octave.shape[0]
        windows = audio[:, (WINDOW_SAMPLES - length) // 2 :].unfold(1, length, HOP_SAMPLES)[:, :n_frames]
        real, imaginary = blockwise(lambda block: block @ octave, windows, BLOCK_FRAMES).chunk(2, dim=-1)
        return real.square() + imaginary.square()


def load(variant: str) -> ConstantQ:
    """Return the representation; it has no variants."""
    refuse_variant("cqt", variant)
    return ConstantQ()
