"""What EncodecMAE hears: frames of audio by something that is never trained. Settings name them.

encodec   the encoder of EnCodec at 24 kHz, before its quantiser: 128 numbers, 75 Hz (the paper's)
mel256    Kaldi's log-mel filter bank at 24 kHz: 256 bands, about 75 Hz (version 2 of the published code)
mel128    a log-mel spectrogram at 16 kHz, standardised by a corpus: 128 bands, 50 Hz (our tiny preset)
"""

import math
from abc import ABC, abstractmethod
from collections.abc import Iterator
from dataclasses import replace
from typing import Any, NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional

from earmark.errors import UnknownName, UserError
from earmark.representations import _weights, base, encodec
from earmark.representations._spectrogram import FilteredPower, htk_filters
from earmark.representations.encodec import Encodec, alone_on_cpu
from earmark.representations.encodecmae.fbank import KaldiBank
from earmark.representations.wav2vec2 import mel

KNOWN = ("encodec", "mel128", "mel256")
CODEC = "encodec-24khz"
PIECE_FRAMES = 2250  # 30 s: the first convolution takes 92 MB for them


class Inputs(nn.Module, ABC):
    """Audio to frames, always in the mode of inference and without gradient; `train()` does nothing.

    `hop_samples` from one frame to the next, of `sample_rate` a second; `min_samples` is the shortest audio.
    """

    name: str
    sample_rate: int
    hop_samples: int
    min_samples: int
    dim: int

    @property
    def frame_rate_hz(self) -> float:
        """Frames a second."""
        return self.sample_rate / self.hop_samples

    def train(self, mode: bool = True) -> "Inputs":
        """Stay in the mode of inference, whatever a trainer asks of the whole network."""
        return super().train(False)

    def forward(self, audio: Float[Tensor, "batch samples"]) -> Float[Tensor, "batch frames dim"]:
        """Return the frames of audio at `sample_rate`, in full precision. Raises UserError for audio too short."""
        if audio.shape[1] < self.min_samples:
            raise UserError(
                f"'{self.name}' needs at least {self.min_samples} samples at {self.sample_rate} Hz, got "
                f"{audio.shape[1]}. Take longer segments."
            )
        with torch.no_grad(), torch.autocast(audio.device.type, enabled=False):
            return self.frames(audio)

    @abstractmethod
    def frames(self, audio: Float[Tensor, "batch samples"]) -> Float[Tensor, "batch frames dim"]:
        """Return the frames of audio that is long enough."""

    def prepare(self, audio: Float[Tensor, "batch samples"]) -> None:
        """Measure on audio of a corpus what frames are standardised by, where they are and it is not known yet."""
        return


class EncodecFrames(Inputs):
    """EnCodec's encoder; frames `ceil(samples / 320)`. Rows go one by one on the CPU, as in `encodec`.

    Long audio goes through the convolutions in pieces of 30 s, each with all the audio before it that they see, and
    through the LSTM whole: the frames are those of one pass, to the last bit or two.
    """

    def __init__(self, codec: Encodec) -> None:
        super().__init__()
        self.name, self.codec_name = "encodec", codec.card.name
        self.shape = {name: getattr(codec.config, name) for name in encodec.PUBLISHED}
        self.sample_rate, self.hop_samples = codec.card.sample_rate, int(codec.config.hop_length)
        self.min_samples, self.dim = codec.card.min_samples, codec.card.dim
        self.encoder: Any = codec.encoder
        self.seen_frames = math.ceil(_seen_samples(codec.config) / self.hop_samples)
        self.requires_grad_(False)
        self.train(False)

    @property
    def weights_sha256(self) -> str:
        """A hash of the encoder's weights, whatever file or network they came from."""
        return _weights.sha256_of_state(self.encoder)

    def frames(self, audio: Float[Tensor, "batch samples"]) -> Float[Tensor, "batch frames dim"]:
        """Return what the encoder says of audio."""
        like = next(self.encoder.parameters())
        return torch.cat([self._row(row.to(like.dtype)) for row in alone_on_cpu(audio)]).transpose(1, 2)

    def _row(self, audio: Float[Tensor, "rows samples"]) -> Float[Tensor, "rows dim frames"]:
        layers = list(self.encoder.layers)
        n_convolutions = next(number for number, layer in enumerate(layers) if hasattr(layer, "lstm"))
        convolved = []
        for piece in self._pieces(audio.shape[1]):
            heard = audio[:, None, piece.start : piece.end]
            for layer in layers[:n_convolutions]:
                heard = layer(heard)
            convolved.append(heard[..., piece.n_before :])
        hidden = torch.cat(convolved, dim=2)
        for layer in layers[n_convolutions:]:
            hidden = layer(hidden)
        return hidden

    def _pieces(self, n_samples: int) -> "Iterator[_Piece]":
        n_frames = math.ceil(n_samples / self.hop_samples)
        for first in range(0, n_frames, PIECE_FRAMES):
            n_before = min(first, self.seen_frames)
            end = min((first + PIECE_FRAMES) * self.hop_samples, n_samples)
            yield _Piece((first - n_before) * self.hop_samples, end, n_before)


class _Piece(NamedTuple):
    """From which sample to before which; so many of its first frames belong to the piece before."""

    start: int
    end: int
    n_before: int


def _seen_samples(config: Any) -> int:
    """Return how many samples before its own hop the convolutions of a frame see; they look at none after."""
    seen, stride = config.kernel_size - 1, 1
    for ratio in reversed(config.upsampling_ratios):
        dilations = (config.dilation_growth_rate**number for number in range(config.num_residual_layers))
        seen += stride * sum((config.residual_kernel_size - 1) * dilation for dilation in dilations)
        seen += stride * ratio
        stride *= ratio
    return int(seen)


class Mel256(Inputs):
    """Kaldi's filter bank at 24 kHz: frames of 637 samples, 318 apart, 256 bands from 20 Hz, then (x + 6.12) / 4.82.

    Frames `1 + (samples − 637) // 318`: 300 of 4 s, as many as EnCodec gives, but 318 samples apart and not 320. So
    they stand beside codes of EnCodec in segments of 4 s only. Source: version 2 of the published code, whose
    settings are frames of 26.56 ms and shifts of 13.28 ms, and what torchaudio presumes besides.
    """

    def __init__(self) -> None:
        super().__init__()
        self.name, self.sample_rate, self.dim = "mel256", 24000, 256
        self.min_samples, self.hop_samples = 637, 318
        self.bank = KaldiBank(self.sample_rate, self.dim, self.min_samples, self.hop_samples, lowest_hz=20.0)
        self.train(False)

    def frames(self, audio: Float[Tensor, "batch samples"]) -> Float[Tensor, "batch frames dim"]:
        """Return the bands of each frame, about standardised."""
        bands: Tensor = self.bank(audio.to(self.bank.window.dtype))
        return (bands + 6.12) / 4.82


class Mel128(Inputs):
    """ln(mel + 0.001) at 16 kHz: 128 bands on the HTK scale from 40 to 7600 Hz, windows of 1024 samples, 320 apart.

    Audio is mirrored by 352 samples at either end, so frames are `samples // 320`, each with its hop in the middle of
    its window. `mean` and `spread` of the bands are of a corpus (`prepare`); until then they are 0 and 1.
    """

    mean: Tensor
    spread: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.name, self.sample_rate, self.dim = "mel128", mel.SAMPLE_RATE, mel.N_MELS
        self.hop_samples, self.around_samples = mel.HOP_SAMPLES, (mel.N_FFT - mel.HOP_SAMPLES) // 2
        self.min_samples = self.around_samples + 1  # what is mirrored must be there
        with torch.device("cpu"):  # no file holds these, so they are made even where weights are not
            bank = htk_filters(mel.SAMPLE_RATE, mel.N_FFT, mel.N_MELS, mel.LOWEST_HZ, mel.HIGHEST_HZ)
            self.power = FilteredPower(bank, mel.N_FFT, mel.HOP_SAMPLES)
        self.register_buffer("mean", torch.zeros(self.dim))
        self.register_buffer("spread", torch.ones(self.dim))
        self.train(False)

    def frames(self, audio: Float[Tensor, "batch samples"]) -> Float[Tensor, "batch frames dim"]:
        """Return the bands of each frame, standardised."""
        return (self._log_mel(audio) - self.mean) / self.spread

    @property
    def is_measured(self) -> bool:
        """Whether there are statistics: means of 0 and spreads of 1 stand for none."""
        return bool(self.mean.any()) or not bool((self.spread == 1.0).all())

    @torch.no_grad()
    def prepare(self, audio: Float[Tensor, "batch samples"]) -> None:
        """Take mean and spread of every band over all frames of some audio, unless they are there: codes hang on it."""
        if self.is_measured:
            return
        bands = self._log_mel(audio).flatten(0, 1).double()
        self.mean.copy_(bands.mean(0))
        self.spread.copy_(bands.std(0, correction=0).clamp_min(mel.LEAST_SPREAD))

    def _log_mel(self, audio: Float[Tensor, "batch samples"]) -> Float[Tensor, "batch frames bands"]:
        around = (self.around_samples, self.around_samples)
        mirrored = functional.pad(audio.to(self.mean.dtype), around, mode="reflect")
        return torch.log(self.power(mirrored) + mel.FLOOR)


def inputs(name: str, codec: str = CODEC) -> Inputs:
    """Return the inputs of a name; `codec` names the EnCodec of "encodec", such as "random:encodec-tiny".

    Raises UnknownName, UserError for a codec that is none, and MissingPart where its weights are not here.
    """
    match name:
        case "encodec":
            return EncodecFrames(load_codec(codec))
        case "mel256":
            return Mel256()
        case "mel128":
            return Mel128()
    raise UnknownName("inputs", name, KNOWN)


def load_codec(name: str) -> Encodec:
    """Return an EnCodec by the name of its representation, which its card then has whole, "path:FOLDER" too.

    Raises as `inputs`.
    """
    found = base.load(name)
    if not isinstance(found, Encodec):
        raise UserError(f"Expected the codec to be an EnCodec, got '{name}'. Known: {CODEC}, random:{CODEC}, path:…")
    found.card = replace(found.card, name=name)  # a folder's card has its last part alone, by which nothing is found
    return found
