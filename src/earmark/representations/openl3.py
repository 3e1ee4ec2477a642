"""`openl3`: what tells which sound belongs to which picture, of music videos; each frame looks at one second.

`openl3` is as the thesis had it: 128 mel bands, 512 numbers, a frame a second, the mel spectrogram of openl3 0.4.0.
`openl3-music-mel128-512`, `-6144`, `openl3-music-mel256-512`, `-6144` hear as the network did when it was trained (the
mel spectrogram of kapre 0.1.4, which openl3 had until 0.3.1), and give a frame every 0.1 s. Weights are the same.
"""

import dataclasses
import gzip
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional

from earmark.errors import UserError
from earmark.nouns import Card, Source
from earmark.representations import _hdf5, _weights
from earmark.representations._blocks import blockwise
from earmark.representations._spectrogram import decibels, mel_filters
from earmark.representations.base import check_call

SAMPLE_RATE, N_FFT, HOP_SAMPLES = 48000, 2048, 242
WINDOW_SAMPLES, WINDOW_FRAMES = 48000, 199
RANGE_DB, NORM_EPS = 80.0, 1e-3
# As many zeros before as behind: that the frames reach both ends of a second.
AROUND = (N_FFT - WINDOW_SAMPLES % HOP_SAMPLES) // 2
# Windows that are given to the network together: the widest activation takes 13 MB a window.
BLOCK_WINDOWS = 4
CHANNELS = (64, 64, 128, 128, 256, 256, 512, 512)
LAST = "audio_embedding_layer"

LICENCE = "CC-BY-4.0"
BIBTEX = """@inproceedings{cramer2019look,
  author = {Cramer, Jason and Wu, Ho-Hsiang and Salamon, Justin and Bello, Juan Pablo},
  title = {Look, Listen, and Learn More: Design Choices for Deep Audio Embeddings},
  booktitle = {IEEE International Conference on Acoustics, Speech and Signal Processing (ICASSP)},
  pages = {3852--3856},
  year = {2019}
}"""
# As another project holds it against the file of 256 bands (musicpack-sonic, a benchmark); none was found for 128.
SHA256 = {256: "sha256:e379f41e880b78e157c199ebddac80d3764e6a46282bcccdbe875bcf538f9afd", 128: ""}
# Keras' names of a layer's tensors, and ours.
PARTS = {
    "kernel": "weight",
    "bias": "bias",
    "gamma": "weight",
    "beta": "bias",
    "moving_mean": "running_mean",
    "moving_variance": "running_var",
}


@dataclass(frozen=True)
class Form:
    """Mel bands, numbers of an embedding, samples between frames, and which release's spectrogram is heard."""

    bands: int
    dim: int
    hop_samples: int = 4800
    is_released: bool = False
    channels: tuple[int, ...] = CHANNELS

    @property
    def pool(self) -> tuple[int, int]:
        """Bands and frames of the last map that are pooled: all of both for the small embedding."""
        bands, frames = self.bands // 8, WINDOW_FRAMES // 8
        return (bands, frames) if self.dim == self.channels[-1] else (bands // 4, 8)


TINY_CHANNELS = (4, 4, 8, 8, 8, 8, 12, 12)
FORMS = {
    "": Form(128, 512, SAMPLE_RATE, is_released=True),
    **{f"music-mel{bands}-{dim}": Form(bands, dim) for bands in (128, 256) for dim in (512, 6144)},
    "tiny": Form(32, 12, SAMPLE_RATE, is_released=True, channels=TINY_CHANNELS),
    "tiny-large": Form(32, 144, SAMPLE_RATE // 2, channels=TINY_CHANNELS),
}


def _source(bands: int) -> Source:
    file = f"openl3_audio_mel{bands}_music-v0_4_0.h5.gz"
    return Source(f"https://github.com/marl/openl3/raw/models/{file}", LICENCE, SHA256[bands], path=file)


def _card(variant: str, form: Form) -> Card:
    heard = "of openl3 0.4.0" if form.is_released else "of kapre 0.1.4"
    card = Card(
        name=f"openl3-{variant}".removesuffix("-"),
        version=1,
        sample_rate=SAMPLE_RATE,
        frame_rate_hz=SAMPLE_RATE / form.hop_samples,
        dim=form.dim,
        layers=1,
        layer_0="the last convolution, before any activation, pooled to its maxima",
        min_samples=WINDOW_SAMPLES,
        max_samples=None,
        padding_safe=True,
        architecture=f"mel {form.bands} {heard} in dB below the loudest → 8 convolutions of "
        f"{form.channels[0]} to {form.channels[-1]} → maxima",
        n_parameters=4_687_042,
        trained_on="music videos of AudioSet: 296,000, of which the sounds are heard and the pictures seen",
        objective="whether a sound and a picture come from the same moment of a video",
        licence=LICENCE,
        commercial=True,
        bibtex=BIBTEX,
        # The port that the others are equal to has no mel spectrogram of openl3 0.4.0.
        verified="no" if form.is_released else "parity",
    )
    if form.channels == CHANNELS:
        return dataclasses.replace(card, sources=(_source(form.bands),))
    return dataclasses.replace(card, n_parameters=4_526, trained_on="nothing", objective="none")


CARDS = {variant: _card(variant, form) for variant, form in FORMS.items()}


def trained_filters(n_mels: int) -> Float[Tensor, "bins mels"]:
    """Return triangles on HTK's mel scale from 0 to 24,000 Hz, each of unit area.

    Mel = 2595 log10(1 + Hz / 700). Equal to librosa.filters.mel with htk=True, which librosa called norm=1 until 0.7.
    """
    top_mel = 2595.0 * np.log10(1.0 + SAMPLE_RATE / 2 / 700.0)
    edges_hz = 700.0 * (10.0 ** (np.linspace(0.0, top_mel, n_mels + 2) / 2595.0) - 1.0)
    bins_hz = np.fft.rfftfreq(N_FFT, 1.0 / SAMPLE_RATE)[:, None]
    left, centre, right = edges_hz[:-2], edges_hz[1:-1], edges_hz[2:]
    triangles = np.maximum(
        0.0, np.minimum((bins_hz - left) / (centre - left), (right - bins_hz) / (right - centre))
    ) * (2.0 / (right - left))
    return torch.from_numpy(triangles.astype(np.float32))


class Mel(nn.Module):
    """The mel spectrogram of a second, in "dB" below its loudest number and at most 80: 199 frames.

    It is 10 · log10 of an amplitude, as published, so 80 of it are 160 dB: computed in float64, since the rounding of
    float32 would be heard. As trained: the root of the mel power (HTK's scale), half of the zeros before the second.
    As released since 0.4.0: the mel magnitude (Slaney's scale), all zeros behind it.
    Source: kapre 0.1.4, time_frequency.py and backend_keras.py; openl3 0.4.0, models.py.
    *Differs* from essentia's route, which the thesis took: its first frame is centred on the start of the second.
    """

    window: Tensor
    filters: Tensor

    def __init__(self, form: Form) -> None:
        super().__init__()
        self.is_released = form.is_released
        filters = mel_filters(SAMPLE_RATE, N_FFT, form.bands) if form.is_released else trained_filters(form.bands)
        self.register_buffer("filters", filters.double(), persistent=False)
        self.register_buffer("window", torch.hann_window(N_FFT, dtype=torch.float64), persistent=False)

    def forward(self, seconds: Float[Tensor, "windows 48000"]) -> Float[Tensor, "windows mels 199"]:
        """Return the spectrogram of each window by itself."""
        around = (0, 2 * AROUND) if self.is_released else (AROUND, AROUND)
        frames = functional.pad(seconds.double(), around).unfold(1, N_FFT, HOP_SAMPLES)
        magnitude = torch.fft.rfft(frames * self.window).abs()
        mel = magnitude @ self.filters if self.is_released else (magnitude.square() @ self.filters).sqrt()
        level = decibels(mel)
        below = level - level.amax((1, 2), keepdim=True)
        return below.clamp_min(-RANGE_DB).float().transpose(1, 2)


class Network(nn.Module):
    """Spectrograms to maps of channels. ReLU comes after each normalisation; the last convolution has neither.

    Source: Cramer et al. 2019, §2; openl3 0.4.0, models.py.
    """

    def __init__(self, channels: tuple[int, ...] = CHANNELS) -> None:
        super().__init__()
        inputs = (1, *channels[:-1])
        self.norms = nn.ModuleList(nn.BatchNorm2d(n, eps=NORM_EPS) for n in inputs)
        pairs = zip(inputs, channels, strict=True)
        self.convolutions = nn.ModuleList(nn.Conv2d(n_in, n_out, 3, padding=1) for n_in, n_out in pairs)
        self.eval().requires_grad_(False)

    def forward(self, mel: Float[Tensor, "windows mels 199"]) -> Float[Tensor, "windows channels bands frames"]:
        """Return the map of each window: an eighth of the bands, 24 frames."""
        activation: Tensor = self.convolutions[0](self.norms[0](mel[:, None]))
        for number in range(1, len(self.convolutions)):
            activation = self.norms[number](activation).relu_()
            if number % 2 == 0:
                activation = functional.max_pool2d(activation, 2)
            activation = self.convolutions[number](activation)
        return activation


class OpenL3(nn.Module):
    """One embedding of each window of a second. Frames: `1 + (samples − 48,000) // hop`.

    *Differs* from openl3 with its defaults: no half second of silence is put before a clip, and none behind it.
    """

    def __init__(self, card: Card, form: Form, network: Network) -> None:
        super().__init__()
        self.card, self.form, self.mel, self.network = card, form, Mel(form), network

    @torch.inference_mode()
    def forward(
        self, audio: Float[Tensor, "batch samples"], layers: Sequence[int] | None = None
    ) -> Float[Tensor, "batch layers frames dim"]:
        """Return the embedding of each window as the one layer."""
        wanted = check_call(audio, layers, self.card)
        windows = audio.unfold(1, WINDOW_SAMPLES, self.form.hop_samples)
        return blockwise(self._embedded, windows, BLOCK_WINDOWS)[:, None].repeat(1, len(wanted), 1, 1)

    def _embedded(self, seconds: Float[Tensor, "windows 48000"]) -> Float[Tensor, "windows dim"]:
        pooled = functional.max_pool2d(self.network(self.mel(seconds)), self.form.pool)
        return pooled.permute(0, 2, 3, 1).flatten(1)  # channels last, as TensorFlow flattens them


def build(variant: str, seed: int) -> OpenL3:
    """Return the network with random weights; the forms of one size have the same ones."""
    form = FORMS[variant]
    with _weights.seeded(f"openl3 {form.channels}", seed):
        network = Network(form.channels)
    return OpenL3(_weights.random_card(CARDS[variant], network, seed), form, network)


def load(variant: str) -> OpenL3:
    """Return the network with its published weights.

    Raises MissingPart when they, or h5py, are not here, UserError for a file of another network.
    """
    card, form, network = CARDS[variant], FORMS[variant], Network()
    file = _weights.file_of(card, CARDS.values())
    state = dict(read(file)) | {name: one for name, one in network.state_dict().items() if name.endswith("tracked")}
    _weights.fill(network, state, card, file)
    return OpenL3(dataclasses.replace(card, weights_sha256=_weights.sha256_of(file)), form, network)


def read(file: Path) -> Iterator[tuple[str, Tensor]]:
    """Yield the tensors of a Keras file, packed with gzip, under our names. The spectrogram's own are left out.

    Layers of a kind are numbered in the order in which they come; the last convolution has a name.
    Raises MissingPart without h5py, UserError for a file of another form.
    """
    layers: dict[str, dict[str, np.ndarray]] = {}
    for layer, part, tensor in _tensors(_opened(file)):
        layers.setdefault(layer, {})[part] = tensor
    for ours, kind in (("norms", "batch_normalization"), ("convolutions", "conv2d")):
        names = sorted((name for name in layers if name.startswith(kind)), key=_number)
        for number, name in enumerate((*names, LAST) if kind == "conv2d" and LAST in layers else names):
            for part, tensor in layers[name].items():
                # Keras' last axes are (in, out), torch's first ones (out, in).
                turned = tensor.transpose(3, 2, 0, 1) if tensor.ndim == 4 else tensor
                yield f"{ours}.{number}.{PARTS[part]}", torch.from_numpy(turned.copy())


def _number(layer: str) -> int:
    found = re.search(r"_(\d+)$", layer)
    return int(found[1]) if found else 0


def _tensors(group: Any, layer: str = "") -> Iterator[tuple[str, str, np.ndarray]]:
    """Yield layer, part and tensor of each dataset in a group of HDF5: `…/conv2d_1/kernel:0`."""
    for name, one in group.items():
        part = name.partition(":")[0]
        if hasattr(one, "items"):
            yield from _tensors(one, name)
        elif part in PARTS:
            yield layer, part, np.asarray(one)


def _opened(file: Path) -> Mapping[str, Any]:
    try:
        return cast("Mapping[str, Any]", _hdf5.opened(gzip.decompress(file.read_bytes()), "openl3"))
    except (OSError, EOFError) as error:
        raise UserError(f"'{file}' is damaged: {error}. Delete it, and fetch it again.") from error
