"""How MULE hears: a log-mel spectrogram, and slices of it that are standardised each by itself.

Source: McCallum et al. 2022 (seed 004, section 2.2), in the details of its published configuration.
"""

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional

from earmark.representations._spectrogram import FilteredPower, htk_filters

SAMPLE_RATE, N_FFT, WIN_SAMPLES, HOP_SAMPLES, N_MELS = 16000, 2048, 400, 160, 96
LOWEST_HZ, HIGHEST_HZ = 0.0, 8000.0
LEAST_SAMPLES = 20 * HOP_SAMPLES
"""The shortest audio that the network has a frame for in all of its layers."""
COMPRESSION, LEAST_SPREAD = 1e4, 0.01


class LogMel(nn.Module):
    """log10(1 + 10,000 · power) in 96 bands, 0 to 8 kHz, every 10 ms. Frames: 1 + samples // 160.

    A window of 25 ms stands in the middle of each frame; audio is reflected at its ends. `gain` scales the audio, to
    which the logarithm is not indifferent. Equal to librosa.feature.melspectrogram with htk=True and norm=2.
    """

    def __init__(self, gain: float = 1.0) -> None:
        super().__init__()
        self.gain = gain
        with torch.device("cpu"):  # no file holds these, so they are made even where weights are not
            filters = htk_filters(SAMPLE_RATE, N_FFT, N_MELS, LOWEST_HZ, HIGHEST_HZ)
            self.power = FilteredPower(filters, N_FFT, HOP_SAMPLES, WIN_SAMPLES)

    @torch.no_grad()
    def forward(self, audio: Float[Tensor, "batch samples"]) -> Float[Tensor, "batch bands frames"]:
        """Return the spectrogram, in full precision always."""
        with torch.autocast(audio.device.type, enabled=False):
            around = functional.pad(audio[:, None] * self.gain, (WIN_SAMPLES // 2, WIN_SAMPLES // 2), "reflect")[:, 0]
            return torch.log10(1.0 + COMPRESSION * self.power(around)).transpose(1, 2)


def standardised(slices: Float[Tensor, "batch bands frames"]) -> Float[Tensor, "batch 1 bands frames"]:
    """Return slices of mean 0 and (population) deviation 1 over all bands and frames; what hardly moves stays small."""
    deviation, mean = torch.std_mean(slices, dim=(1, 2), correction=0, keepdim=True)
    return ((slices - mean) / deviation.clamp_min(LEAST_SPREAD))[:, None]
