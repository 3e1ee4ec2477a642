"""The front end of `wav2vec2-mel-tiny`: a log-mel spectrogram in the place of the convolutions over raw audio.

Not the paper's. A small stack of random convolutions over raw music gives frames that hardly resemble their
neighbours, and nothing can be learnt from them within minutes; these frames do. Source: facts of our own tiny runs.
"""

from collections.abc import Mapping
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn

from earmark.errors import UserError
from earmark.representations import _speech
from earmark.representations._spectrogram import FilteredPower, htk_filters

MODEL_TYPE = "wav2vec2-mel"  # of config.json: transformers has no such class, and says so
FRONT_END = "front_end"  # the setting that says so; transformers keeps it in config.json and does not read it
SAMPLE_RATE, N_FFT, HOP_SAMPLES, N_MELS = 16000, 1024, 320, 128
LOWEST_HZ, HIGHEST_HZ = 40.0, 7600.0
FLOOR, LEAST_SPREAD = 1e-3, 1e-3

# Under transformers' names. The one convolution has the window and the hop of the spectrogram, so frames count right.
FRONT: Mapping[str, object] = {
    **{FRONT_END: "mel", "conv_dim": (N_MELS,), "conv_kernel": (N_FFT,), "conv_stride": (HOP_SAMPLES,)},
    "num_feat_extract_layers": 1,
}
# What our own runs on two cores were made with.
BODY: Mapping[str, object] = {
    **{"hidden_size": 192, "num_hidden_layers": 3, "num_attention_heads": 4, "intermediate_size": 768},
    **{"num_conv_pos_embeddings": 32, "num_conv_pos_embedding_groups": 8},
}


class MelFrontEnd(nn.Module):
    """ln(mel + 0.001), standardised per band, then convolutions of 3 and of 1 frames; frames `1 + (n − 1024) // 320`.

    `mean` and `spread` of the bands are of a corpus (`standardise_by`); until then they are 0 and 1.
    """

    mean: Tensor
    spread: Tensor

    def __init__(self, dim: int) -> None:
        super().__init__()
        self.power = bands_power()
        self.register_buffer("mean", torch.zeros(N_MELS))
        self.register_buffer("spread", torch.ones(N_MELS))
        self.near = nn.Conv1d(N_MELS, dim, 3, padding=1)
        self.mix = nn.Conv1d(dim, dim, 1)

    def forward(self, audio: Float[Tensor, "batch samples"]) -> Float[Tensor, "batch dim frames"]:
        """Return one vector a frame, channels first as the convolutions that this stands for."""
        bands = (self.log_mel(audio) - self.mean) / self.spread
        return self.mix(nn.functional.gelu(self.near(bands.transpose(1, 2))))  # type: ignore[no-any-return] # torch's

    def log_mel(self, audio: Float[Tensor, "batch samples"]) -> Float[Tensor, "batch frames bands"]:
        """Return the natural logarithm of the power in 128 bands, floored; in full precision always."""
        return logarithm(self.power, audio.to(self.mean.dtype))

    @property
    def is_measured(self) -> bool:
        """Whether there are statistics: means of 0 and spreads of 1 stand for none."""
        return bool(self.mean.any()) or not bool((self.spread == 1.0).all())

    def standardise_by(self, audio: Float[Tensor, "batch samples"]) -> None:
        """Take mean and spread of every band over all frames of some audio."""
        take(self.log_mel(audio), self.mean, self.spread)


def bands_power() -> FilteredPower:
    """Return what gives the power in 128 mel bands of raw audio."""
    with torch.device("cpu"):  # no file holds its filters, so they are made even where weights are not
        return FilteredPower(htk_filters(SAMPLE_RATE, N_FFT, N_MELS, LOWEST_HZ, HIGHEST_HZ), N_FFT, HOP_SAMPLES)


def logarithm(power: FilteredPower, audio: Float[Tensor, "batch samples"]) -> Float[Tensor, "batch frames bands"]:
    """Return ln(power + 0.001) of audio, without gradient, in full precision always."""
    with torch.no_grad(), torch.autocast(audio.device.type, enabled=False):
        return torch.log(power(audio) + FLOOR)


def take(bands: Float[Tensor, "batch frames bands"], mean: Tensor, spread: Tensor) -> None:
    """Set mean and spread of every band to those over all frames."""
    mean.copy_(bands.flatten(0, 1).mean(0))
    spread.copy_(bands.flatten(0, 1).std(0).clamp_min(LEAST_SPREAD))


def network(settings: Mapping[str, object]) -> nn.Module:
    """Return transformers' Wav2Vec2Model with random weights; settings with `front_end: mel` hear by a spectrogram."""
    made = _speech.network("Wav2Vec2", settings)
    fit(made, settings)
    return made


def fit(model: nn.Module, settings: Mapping[str, object]) -> None:
    """Give a Wav2Vec2Model the front end that its settings name. Raises UserError for another than mel."""
    match settings.get(FRONT_END):
        case None:
            return
        case "mel":
            theirs: Any = model
            theirs.feature_extractor = MelFrontEnd(theirs.config.conv_dim[-1])
        case other:
            raise UserError(f"Expected front_end: mel, or no such setting for raw audio; got {other!r}.")
