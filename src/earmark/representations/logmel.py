"""`logmel`: a mel spectrogram in decibels, 128 bands."""

from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Tensor, nn

from earmark.nouns import Card
from earmark.representations._spectrogram import FilteredPower, decibels, mel_filters
from earmark.representations.base import check_call, refuse_variant

SAMPLE_RATE, N_FFT, HOP_SAMPLES, N_MELS = 22050, 2048, 512, 128

CARD = Card(
    name="logmel",
    version=1,
    sample_rate=SAMPLE_RATE,
    frame_rate_hz=SAMPLE_RATE / HOP_SAMPLES,
    dim=N_MELS,
    layers=1,
    layer_0="the log-mel spectrogram",
    min_samples=N_FFT,
    max_samples=None,
    padding_safe=True,
    architecture="STFT (Hann 2048, hop 512) → 128 Slaney mel bands → 10·log10",
    n_parameters=0,
    trained_on="nothing",
    objective="none",
    licence="Apache-2.0",
    commercial=True,
    bibtex="""@article{stevens1937mel,
  author = {Stevens, S. S. and Volkmann, J. and Newman, E. B.},
  title = {A Scale for the Measurement of the Psychological Magnitude Pitch},
  journal = {The Journal of the Acoustical Society of America},
  volume = {8},
  number = {3},
  pages = {185--190},
  year = {1937}
}""",
    verified="parity",
)
CARDS = {"": CARD}


class LogMel(nn.Module):
    """Log-mel spectrogram in dB; frames: `1 + (samples − 2048) // 512`."""

    card = CARD

    def __init__(self) -> None:
        super().__init__()
        self.power = FilteredPower(mel_filters(SAMPLE_RATE, N_FFT, N_MELS), N_FFT, HOP_SAMPLES)

    @torch.inference_mode()
    def forward(
        self, audio: Float[Tensor, "batch samples"], layers: Sequence[int] | None = None
    ) -> Float[Tensor, "batch layers frames dim"]:
        """Return the bands of each frame as the one layer."""
        wanted = check_call(audio, layers, self.card)
        bands = decibels(self.power(audio))
        return bands[:, None].repeat(1, len(wanted), 1, 1)


def load(variant: str) -> LogMel:
    """Return the representation; it has no variants."""
    refuse_variant("logmel", variant)
    return LogMel()
