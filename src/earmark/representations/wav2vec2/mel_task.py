"""A second task beside the contrastive one, not the paper's: to tell the log-mel bands of a frame from z.

Random convolutions over raw music give frames that hardly resemble their neighbours, and a small budget cannot learn
to predict those (`monitors`: phase_noise). A network that first learns to tell a spectrogram has frames that do.
"""

from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn

from earmark.representations import _weights
from earmark.representations.objective import Measured, Step
from earmark.representations.wav2vec2 import mel


class MelTask(nn.Module):
    """A linear layer from z to 128 log-mel bands, each standardised by a corpus, and its squared errors.

    Frames of the spectrogram (1024 samples) are met by the frames of z whose middle is nearest.
    """

    mean: Tensor
    spread: Tensor

    def __init__(self, config: Any, seed: int) -> None:
        super().__init__()
        self.power = mel.bands_power()
        self.register_buffer("mean", torch.zeros(mel.N_MELS))
        self.register_buffer("spread", torch.ones(mel.N_MELS))
        with _weights.seeded("wav2vec2 mel task", seed):
            self.told = nn.Linear(config.conv_dim[-1], mel.N_MELS)
        self.first = round((mel.N_FFT - field_samples(config)) / 2 / mel.HOP_SAMPLES)

    def prepare(self, audio: Float[Tensor, "clips samples"]) -> None:
        """Take mean and spread of every band over all frames of some audio."""
        mel.take(mel.logarithm(self.power, audio.to(self.mean.dtype)), self.mean, self.spread)

    def forward(self, z: Float[Tensor, "clips frames channels"], audio: Float[Tensor, "clips samples"]) -> Measured:
        """Return the sum of squared errors over clips, frames and bands, and how many there are."""
        bands = (mel.logarithm(self.power, audio.to(self.mean.dtype)) - self.mean) / self.spread
        n_frames = min(bands.shape[1], z.shape[1] - self.first)
        wrong = (self.told(z[:, self.first : self.first + n_frames]) - bands[:, :n_frames]).square()
        return Measured(wrong.sum(), torch.full((), float(wrong.numel()), dtype=wrong.dtype, device=wrong.device))


def with_mel(step: Step, told: Measured, weight: float | None) -> Step:
    """Return a step with the mean squared error in its loss, once for each thing that the loss counts.

    `weight` None: it is the whole loss.
    """
    lost = step.loss.count * told.total / told.count
    total = lost if weight is None else step.loss.total + weight * lost
    watched = Measured(told.total.detach(), told.count)
    return Step(Measured(total, step.loss.count), {**step.monitors, "mel_square": watched})


def field_samples(config: Any) -> int:
    """Return how many samples a frame of the convolutions is made of."""
    n_samples = 1
    for kernel, stride in zip(reversed(config.conv_kernel), reversed(config.conv_stride), strict=True):
        n_samples = (n_samples - 1) * stride + kernel
    return n_samples
