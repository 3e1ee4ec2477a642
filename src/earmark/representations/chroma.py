"""`chroma`: the energy of the twelve pitch classes."""

from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Tensor, nn

from earmark.nouns import Card
from earmark.representations._spectrogram import FilteredPower, chroma_filters
from earmark.representations.base import check_call, refuse_variant

SAMPLE_RATE, N_FFT, HOP_SAMPLES = 22050, 4096, 1024

CARD = Card(
    name="chroma",
    version=1,
    sample_rate=SAMPLE_RATE,
    frame_rate_hz=SAMPLE_RATE / HOP_SAMPLES,
    dim=12,
    layers=1,
    layer_0="the chroma vector, C first",
    min_samples=N_FFT,
    max_samples=None,
    padding_safe=True,
    architecture="STFT (Hann 4096, hop 1024) → 12 pitch classes at A4 = 440 Hz → divided by the frame's maximum",
    n_parameters=0,
    trained_on="nothing",
    objective="none",
    licence="Apache-2.0",
    commercial=True,
    bibtex="""@misc{ellis2007chroma,
  author = {Ellis, Daniel P. W.},
  title = {Chroma Feature Analysis and Synthesis},
  note = {LabROSA, Columbia University},
  year = {2007}
}""",
    verified="parity",
)
CARDS = {"": CARD}


class Chroma(nn.Module):
    """Chroma; frames: `1 + (samples − 4096) // 1024`. A silent frame is all zeros. The tuning is not estimated."""

    card = CARD

    def __init__(self) -> None:
        super().__init__()
        self.power = FilteredPower(chroma_filters(SAMPLE_RATE, N_FFT), N_FFT, HOP_SAMPLES)

    @torch.inference_mode()
    def forward(
        self, audio: Float[Tensor, "batch samples"], layers: Sequence[int] | None = None
    ) -> Float[Tensor, "batch layers frames dim"]:
        """Return the pitch classes of each frame as the one layer."""
        wanted = check_call(audio, layers, self.card)
        energy: Tensor = self.power(audio)
        peak = energy.amax(-1, keepdim=True)
        smallest = torch.finfo(energy.dtype).tiny
        scaled = torch.where(peak > smallest, energy / peak.clamp_min(smallest), 0.0)
        return scaled[:, None].repeat(1, len(wanted), 1, 1)


def load(variant: str) -> Chroma:
    """Return the representation; it has no variants."""
    refuse_variant("chroma", variant)
    return Chroma()
