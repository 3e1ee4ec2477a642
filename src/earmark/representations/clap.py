"""`clap-htsat-unfused`: the audio tower of LAION-CLAP and its projection, through transformers' class.

A segment gives one vector, so `frame_rate_hz` is 0: the network looks at ten seconds as one picture, and what is
shorter is repeated to fill them, as published. Longer clips need `segment_s: 10`, or less.

The music checkpoint (larger_clap_music) is not offered: its published conversion is known to be damaged, in the text
tower at least (embeddings-benchmark/mteb#5069), and no configuration of it was found to write down here.
"""

import dataclasses
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional

from earmark.errors import UserError
from earmark.nouns import Card, Source
from earmark.representations import _weights
from earmark.representations._saved import CONFIG, PREPROCESSOR, Saved
from earmark.representations._spectrogram import decibels
from earmark.representations.base import check_call

SAMPLE_RATE, N_FFT, HOP_SAMPLES, N_MELS = 48000, 1024, 480, 64
LOWEST_HZ, HIGHEST_HZ = 50.0, 14000.0
LONGEST = 10 * SAMPLE_RATE
NOT_USED = ("text_model.", "text_projection.", "logit_scale_")

# As published with the weights, and checked against the class's defaults by a test.
PUBLISHED: Mapping[str, Any] = {
    "num_mel_bins": N_MELS,
    "spec_size": 256,
    "patch_size": 4,
    "patch_stride": [4, 4],
    "window_size": 8,
    "patch_embeds_hidden_size": 96,
    "hidden_size": 768,
    "depths": [2, 2, 6, 2],
    "num_attention_heads": [4, 8, 16, 32],
    "mlp_ratio": 4.0,
    "qkv_bias": True,
    "hidden_act": "gelu",
    "layer_norm_eps": 1e-5,
    "enable_fusion": False,
    "projection_dim": 512,
    "projection_hidden_act": "relu",
}
# What its extractor does with the sound, under the names of preprocessor_config.json: `ten_seconds` and `LogMel`.
HEARD: Mapping[str, object] = {
    "sampling_rate": SAMPLE_RATE,
    "fft_window_size": N_FFT,
    "hop_length": HOP_SAMPLES,
    "feature_size": N_MELS,
    "frequency_min": LOWEST_HZ,
    "frequency_max": HIGHEST_HZ,
    "max_length_s": LONGEST // SAMPLE_RATE,
    "padding": "repeatpad",
    "truncation": "rand_trunc",
    "top_db": None,
}
CONFIGURATIONS: dict[str, Mapping[str, Any]] = {
    "htsat-unfused": PUBLISHED,
    "tiny": {
        **PUBLISHED,
        "patch_embeds_hidden_size": 8,
        "hidden_size": 16,
        "depths": [2, 1],
        "num_attention_heads": [1, 2],
        "projection_dim": 12,
    },
}

CARD = Card(
    name="clap-htsat-unfused",
    version=1,
    sample_rate=SAMPLE_RATE,
    frame_rate_hz=0.0,
    dim=512,
    layers=1,
    layer_0="the projection into the space shared with text, of length 1; one vector a segment",
    min_samples=N_FFT,
    max_samples=LONGEST,
    padding_safe=False,
    architecture="64 mel bands (50 to 14,000 Hz) in dB → HTS-AT: windowed attention, 2-2-6-2 blocks → 768 → 512",
    n_parameters=28_190_872,
    trained_on="LAION-Audio-630K, 633,526 pairs of sound and text; whether other sets too, its page does not say",
    objective="contrastive: a sound beside its description",
    licence="Apache-2.0",
    commercial=True,
    bibtex="""@inproceedings{wu2023clap,
  author = {Wu, Yusong and Chen, Ke and Zhang, Tianyu and Hui, Yuchen and Berg-Kirkpatrick, Taylor and Dubnov, Shlomo},
  title = {Large-Scale Contrastive Language-Audio Pretraining with Feature Fusion and Keyword-to-Caption Augmentation},
  booktitle = {IEEE International Conference on Acoustics, Speech and Signal Processing},
  pages = {1--5},
  year = {2023}
}""",
    verified="parity",
    segment_s=LONGEST / SAMPLE_RATE,
    sources=(
        Source(
            url=(
                "https://huggingface.co/laion/clap-htsat-unfused/resolve/"
                "8fa0f1c6d0433df6e97c127f64b2a1d6c0dcda8a/pytorch_model.bin"
            ),
            licence="Apache-2.0",
            checksum="sha256:1cd3c601bc4afe0fa87be3de4c13dd2cfadd249fac1e29acf74a9b296c3219bb",
            size_bytes=614_525_833,
            path="pytorch_model.bin",
        ),
    ),
)
CARDS = {
    "htsat-unfused": CARD,
    "tiny": dataclasses.replace(
        CARD,
        name="clap-tiny",
        dim=12,
        architecture="clap-htsat-unfused at a thousandth of its size, for tests",
        n_parameters=7_172,
        sources=(),
    ),
}


def mel_filters() -> Float[Tensor, "mels bins"]:
    """Return triangular filters of unit area on Slaney's mel scale from 50 to 14,000 Hz, in float64.

    The scale is linear (200/3 Hz a mel) below 1 kHz and logarithmic (27 steps to a factor 6.4) above.
    Source: Slaney, Auditory Toolbox v2, 1998; the band from the preprocessor published with the weights.
    """
    knee_mel, log_step = 15.0, math.log(6.4) / 27.0
    top_mel = knee_mel + math.log(HIGHEST_HZ / 1000.0) / log_step
    mels = np.linspace(LOWEST_HZ * 3.0 / 200.0, top_mel, N_MELS + 2)
    edges_hz = np.where(mels < knee_mel, mels * 200.0 / 3.0, 1000.0 * np.exp(log_step * (mels - knee_mel)))
    bins_hz = np.fft.rfftfreq(N_FFT, 1.0 / SAMPLE_RATE)[:, None]
    low, centre, high = edges_hz[:-2], edges_hz[1:-1], edges_hz[2:]
    rising, falling = (bins_hz - low) / (centre - low), (high - bins_hz) / (high - centre)
    triangles = np.maximum(0.0, np.minimum(rising, falling)) * (2.0 / (high - low))
    return torch.from_numpy(np.ascontiguousarray(triangles.T))


def ten_seconds(audio: Float[Tensor, "batch samples"]) -> Float[Tensor, "batch 480000"]:
    """Repeat audio as often as it fits whole into ten seconds, and fill up with zeros ("repeatpad", as published)."""
    repeated = audio.repeat(1, LONGEST // audio.shape[1])
    return functional.pad(repeated, (0, LONGEST - repeated.shape[1]))


class LogMel(nn.Module):
    """The mel spectrogram that CLAP sees, in dB: (batch, 1001, 64) of ten seconds.

    Computed in float64, as the published extractor does: bands of a pure tone that hold nothing lie 100 dB below it,
    where the rounding of float32 would be heard.
    """

    window: Tensor
    filters: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("window", torch.hann_window(N_FFT, dtype=torch.float64), persistent=False)
        self.register_buffer("filters", mel_filters(), persistent=False)

    def forward(self, audio: Float[Tensor, "batch 480000"]) -> Float[Tensor, "batch frames mels"]:
        """Return the level of each band in each frame; frames are centred, the ends reflected."""
        spectrum = torch.stft(audio.double(), N_FFT, HOP_SAMPLES, window=self.window, return_complex=True)
        power = spectrum.real.square() + spectrum.imag.square()
        return decibels(self.filters @ power).float().transpose(1, 2)


class Clap(nn.Module):
    """CLAP's audio tower: a segment of up to ten seconds to one vector of length 1."""

    def __init__(self, tower: Any, card: Card) -> None:
        super().__init__()
        self.card = card
        self.log_mel = LogMel()
        self.tower: nn.Module = tower
        self.eval().requires_grad_(False)

    @torch.inference_mode()
    def forward(
        self, audio: Float[Tensor, "batch samples"], layers: Sequence[int] | None = None
    ) -> Float[Tensor, "batch layers 1 dim"]:
        """Return the one vector of each row. Raises UserError for more than ten seconds."""
        wanted = check_call(audio, layers, self.card)
        picture = self.log_mel(ten_seconds(audio))[:, None]
        embedding: Tensor = functional.normalize(self.tower(picture).audio_embeds, dim=-1)
        return embedding[:, None, None].repeat(1, len(wanted), 1, 1)


def _network(settings: Mapping[str, Any], card: Card) -> Clap:
    from transformers import ClapAudioConfig, ClapAudioModelWithProjection

    return Clap(ClapAudioModelWithProjection(ClapAudioConfig.from_dict(dict(settings))), card)


def build(variant: str, seed: int) -> Clap:
    """Return the network with random weights, as transformers draws them."""
    card = CARDS[variant]
    with _weights.seeded(card.name, seed):
        made = _network(CONFIGURATIONS[variant], card)
    made.card = _weights.random_card(card, made, seed)
    return made


def load(variant: str) -> Clap:
    """Return the network with its published weights.

    Raises MissingPart when they are not here, UserError when the file holds other names or shapes.
    """
    card = CARDS[variant]
    file = _weights.file_of(card)
    with _weights.seeded(card.name, 0):  # what the class draws is overwritten
        made = _network(CONFIGURATIONS[variant], dataclasses.replace(card, weights_sha256=_weights.sha256_of(file)))
    _fill(made, _weights.read_state(file), file)
    return made


def of_folder(saved: Saved) -> Clap:
    """Return the audio tower of both, as transformers saved them into a folder.

    Raises UserError for a network that sees another picture of the sound than `LogMel` gives, and for weights that are
    not those of its settings.
    """
    from transformers import ClapConfig

    for setting, ours in HEARD.items():
        _require(saved.folder / PREPROCESSOR, setting, saved.heard.get(setting), ours)
    config: Any = ClapConfig.from_dict(dict(saved.shape)).audio_config
    for setting in ("num_mel_bins", "enable_fusion"):
        _require(saved.folder / CONFIG, setting, getattr(config, setting), PUBLISHED[setting])
    with _weights.seeded(saved.name, 0):
        made = _network(config.to_dict(), CARD)
    blocks = "-".join(map(str, config.depths))
    architecture = f"64 mel bands in dB → HTS-AT: {blocks} blocks → {config.hidden_size} → {config.projection_dim}"
    made.card = saved.card(dataclasses.replace(CARD, dim=config.projection_dim, architecture=architecture), made)
    _fill(made, saved.state(), saved.files[0])
    return made


def _require(file: Path, setting: str, given: object, ours: object) -> None:
    if given != ours:
        raise UserError(
            f"'{file}' says {setting}: {given}; expected {ours}, as of clap-htsat-unfused: what CLAP sees of the sound "
            "is computed here, for networks that see it so."
        )


def _fill(made: Clap, state: Mapping[str, Tensor], file: Path) -> None:
    own = {name: value for name, value in state.items() if not name.startswith(NOT_USED)}
    _weights.fill(made.tower, own, made.card, file)
