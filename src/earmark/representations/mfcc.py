"""`mfcc`: twenty mel-frequency cepstral coefficients."""

import dataclasses
import math
from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Tensor, nn

from earmark.representations import logmel
from earmark.representations.base import check_call, refuse_variant

N_MFCC = 20

CARD = dataclasses.replace(
    logmel.CARD,
    name="mfcc",
    dim=N_MFCC,
    layer_0="the cepstral coefficients 0 to 19",
    architecture="logmel → orthonormal DCT-II, coefficients 0 to 19",
    bibtex="""@article{davis1980mfcc,
  author = {Davis, S. and Mermelstein, P.},
  title = {Comparison of Parametric Representations for Monosyllabic Word Recognition in Continuously Spoken Sentences},
  journal = {IEEE Transactions on Acoustics, Speech, and Signal Processing},
  volume = {28},
  number = {4},
  pages = {357--366},
  year = {1980}
}""",
)
CARDS = {"": CARD}


def cosines(n_bands: int, n_coefficients: int) -> Float[Tensor, "bands coefficients"]:
    """Return the orthonormal DCT-II as a matrix."""
    angle = math.pi / n_bands * (torch.arange(n_bands, dtype=torch.float64) + 0.5)
    matrix = torch.cos(angle[:, None] * torch.arange(n_coefficients)) * math.sqrt(2.0 / n_bands)
    matrix[:, 0] /= math.sqrt(2.0)
    return matrix.float()


class Mfcc(nn.Module):
    """Cepstral coefficients of the log-mel spectrogram.

    Differs from librosa's default: no `top_db`, which would let the loudest moment of a clip change every
    other frame of it.
    """

    card = CARD
    cosines: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.logmel = logmel.LogMel()
        self.register_buffer("cosines", cosines(logmel.N_MELS, N_MFCC), persistent=False)

    @torch.inference_mode()
    def forward(
        self, audio: Float[Tensor, "batch samples"], layers: Sequence[int] | None = None
    ) -> Float[Tensor, "batch layers frames dim"]:
        """Return the coefficients of each frame as the one layer."""
        wanted = check_call(audio, layers, self.card)
        coefficients: Tensor = self.logmel(audio) @ self.cosines
        return coefficients.repeat(1, len(wanted), 1, 1)


def load(variant: str) -> Mfcc:
    """Return the representation; it has no variants."""
    refuse_variant("mfcc", variant)
    return Mfcc()
