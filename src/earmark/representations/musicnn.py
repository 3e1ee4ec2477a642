"""`musicnn-msd`, `musicnn-mtt`: a tagger whose filters have the shapes of timbre and of rhythm, with its real weights.

One frame a segment: the network pools over all the time that it is given. It was trained on segments of 3 s and
takes any length. `-pool` is what it knows before its dense layer: maximum and mean of each of 753 channels over time.
"""

import dataclasses
import hashlib
import math
import zipfile
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional

from earmark import places
from earmark.errors import DataError, UserError
from earmark.nouns import Card, Source
from earmark.representations import _tf_checkpoint, _weights
from earmark.representations._spectrogram import FilteredPower, mel_filters
from earmark.representations.base import check_call

SAMPLE_RATE, N_FFT, HOP_SAMPLES, N_MELS = 16000, 512, 256, 96
# 187 frames, and the next 187: what the network was trained on, and what the package cuts a file into.
SEGMENT_SAMPLES, SEGMENT_HOP_SAMPLES = 48_128, 47_872
# The last segment of a clip counts as much as a whole one: it must not be a few frames.
MIN_SAMPLES = SAMPLE_RATE // 2
# A clip of any length needs no more memory than so many frames of the widest layer.
BLOCK_FRAMES = 192
# Frames and mel bands that the filters of the front end span: two of timbre (0.4 and 0.7 of the bands), three of time.
KERNELS = ((7, 38), (7, 67), (128, 1), (64, 1), (32, 1))
N_TIMBRAL, N_DEEPER, DEEPER_FRAMES = 2, 3, 7
NORM_EPS = 1e-3

TAGS = {
    "mtt": (
        *("guitar", "classical", "slow", "techno", "strings", "drums", "electronic", "rock", "fast", "piano"),
        *("ambient", "beat", "violin", "vocal", "synth", "female", "indian", "opera", "male", "singing"),
        *("vocals", "no vocals", "harpsichord", "loud", "quiet", "flute", "woman", "male vocal", "no vocal", "pop"),
        *("soft", "sitar", "solo", "man", "classic", "choir", "voice", "new age", "dance", "male voice"),
        *("female vocal", "beats", "harp", "cello", "no voice", "weird", "country", "metal", "female voice", "choral"),
    ),
    "msd": (
        *("rock", "pop", "alternative", "indie", "electronic", "female vocalists", "dance", "00s"),
        *("alternative rock", "jazz", "beautiful", "metal", "chillout", "male vocalists", "classic rock", "soul"),
        *("indie rock", "Mellow", "electronica", "80s", "folk", "90s", "chill", "instrumental", "punk", "oldies"),
        *("blues", "hard rock", "ambient", "acoustic", "experimental", "female vocalist", "guitar", "Hip-Hop"),
        *("70s", "party", "country", "easy listening", "sexy", "catchy", "funk", "electro", "heavy metal"),
        *("Progressive rock", "60s", "rnb", "indie pop", "sad", "House", "happy"),
    ),
    "tiny": ("1", "2", "3", "4", "5"),
}


@dataclass(frozen=True)
class Widths:
    """Channels of each filter of timbre, of time and of the deeper layers, then units and tags."""

    timbral: int = 204
    temporal: int = 51
    deeper: int = 64
    units: int = 200
    tags: int = 50

    @property
    def front(self) -> int:
        """Channels of the front end."""
        return N_TIMBRAL * self.timbral + (len(KERNELS) - N_TIMBRAL) * self.temporal

    @property
    def pooled(self) -> int:
        """Numbers after pooling: two for each channel of the front end and of the deeper layers."""
        return 2 * (self.front + N_DEEPER * self.deeper)


PUBLISHED, TINY = Widths(), Widths(timbral=8, temporal=2, deeper=3, units=8, tags=5)

# Part of our network → the checkpoint's name for it, and for its parameters.
PUBLISHED_NAMES = {
    "convolutions": ("conv2d", {"weight": "kernel", "bias": "bias"}),
    "dense": ("dense", {"weight": "kernel", "bias": "bias"}),
    "norms": (
        "batch_normalization",
        {"weight": "gamma", "bias": "beta", "running_mean": "moving_mean", "running_var": "moving_variance"},
    ),
}
BIBTEX = """@inproceedings{pons2019musicnn,
  author = {Pons, Jordi and Serra, Xavier},
  title = {musicnn: Pre-trained Convolutional Neural Networks for Music Audio Tagging},
  booktitle = {Late-Breaking/Demo Session of the 20th International Society for Music Information Retrieval Conference},
  year = {2019}
}"""
# Read as a zip and never imported: the package wants TensorFlow. It holds both networks.
WHEEL = Source(
    "pypi:musicnn==0.1.0",
    "ISC",
    "sha256:f38a4890c648c1ddbb141c5d96d2b0a8cfcd36746002d896989f7b88beb65cfa",
    citation=BIBTEX,
    size_bytes=29_292_476,
    path="musicnn-0.1.0-py3-none-any.whl",
)
TRAINED_ON = {
    "msd": "Million Song Dataset: about 200,000 songs, 50 tags",
    "mtt": "MagnaTagATune: about 19,000 songs, 50 tags",
    "tiny": "nothing",
}


def _card(variant: str, widths: Widths = PUBLISHED) -> Card:
    model, _, is_pool = variant.partition("-")
    what = "maximum and mean over time of each channel" if is_pool else "the dense layer after ReLU and normalisation"
    return Card(
        name=f"musicnn-{variant}",
        version=2,  # 2: a clip is cut into segments of 3 s unless an experiment says otherwise
        sample_rate=SAMPLE_RATE,
        frame_rate_hz=0.0,  # one frame a segment
        dim=widths.pooled if is_pool else widths.units,
        layers=1,
        layer_0=f"{what}, one vector a segment",
        min_samples=MIN_SAMPLES,
        max_samples=None,
        padding_safe=False,
        architecture=f"log-mel 96 → filters of timbre and of time ({widths.front} channels) → 3 convolutions of "
        f"{widths.deeper} → maximum and mean over time" + f" → dense {widths.units}" * (not is_pool),
        n_parameters=7_700 if model == "tiny" else 787_159,
        trained_on=TRAINED_ON[model],
        objective="none" if model == "tiny" else "tagging",
        licence="Apache-2.0" if model == "tiny" else "ISC",
        commercial=True,
        bibtex=BIBTEX,
        verified="parity" if model == "tiny" else "real",
        segment_s=SEGMENT_SAMPLES / SAMPLE_RATE,
        segment_hop_s=SEGMENT_HOP_SAMPLES / SAMPLE_RATE,
        sources=() if model == "tiny" else (WHEEL,),
    )


CARDS = {variant: _card(variant) for variant in ("msd", "msd-pool", "mtt", "mtt-pool")} | {"tiny": _card("tiny", TINY)}


class Network(nn.Module):
    """Filters on the log-mel spectrogram, convolutions on them, pooling over time, a dense layer, tags.

    Parts are numbered as in the published checkpoints. ReLU comes before each normalisation.
    Source: Pons and Serra 2019, and the graph that the package musicnn 0.1.0 holds; equal to it within 1e-4.
    """

    def __init__(self, widths: Widths = PUBLISHED) -> None:
        super().__init__()
        deeper = [(DEEPER_FRAMES, n_channels) for n_channels in (widths.front, widths.deeper, widths.deeper)]
        kernels = (*KERNELS, *deeper)
        channels = (widths.timbral,) * N_TIMBRAL + (widths.temporal,) * (len(KERNELS) - N_TIMBRAL)
        channels += (widths.deeper,) * N_DEEPER
        self.convolutions = nn.ModuleList(nn.Conv2d(1, n, kernel) for n, kernel in zip(channels, kernels, strict=True))
        self.norms = nn.ModuleList(nn.BatchNorm2d(n, eps=NORM_EPS) for n in (1, *channels))
        self.norms.extend(nn.BatchNorm1d(n, eps=NORM_EPS) for n in (widths.pooled, widths.units))
        self.kernels = kernels
        self.dense = nn.ModuleList((nn.Linear(widths.pooled, widths.units), nn.Linear(widths.units, widths.tags)))
        self.eval()

    def pooled(self, log_mel: Float[Tensor, "batch frames mels"]) -> Float[Tensor, "batch pooled"]:
        """Return maximum and mean over time of each channel, in turn: max 0, mean 0, max 1, …."""
        normal = self.norms[0](log_mel[:, None])[:, 0].mT
        front = torch.cat([self._filtered(number, normal) for number in range(len(KERNELS))], dim=1)
        layers = [front, self._filtered(len(KERNELS), front)]
        for number in range(len(KERNELS) + 1, len(self.convolutions)):
            layers.append(self._filtered(number, layers[-1]) + layers[-1])
        channels = torch.cat(layers, dim=1)
        return torch.stack([channels.amax(-1), channels.mean(-1)], dim=-1).flatten(1)

    def penultimate(self, pooled: Float[Tensor, "batch pooled"]) -> Float[Tensor, "batch units"]:
        """Return the normalised units of the dense layer."""
        units: Tensor = self.norms[-1](self.dense[0](self.norms[-2](pooled)).relu())
        return units

    def logits(self, penultimate: Float[Tensor, "batch units"]) -> Float[Tensor, "batch tags"]:
        """Return what the sigmoid makes tag likelihoods of."""
        logits: Tensor = self.dense[1](penultimate)
        return logits

    def _filtered(self, number: int, bands: Float[Tensor, "batch bands frames"]) -> Float[Tensor, "batch out frames"]:
        """Return the strongest response of each filter along the bands; frames stay as many as they are."""
        convolution, norm = self.convolutions[number], self.norms[number + 1]
        n_around = self.kernels[number][0] - 1
        padded = functional.pad(bands.mT[:, None], (0, 0, n_around // 2, n_around - n_around // 2))
        n_frames = max(1, BLOCK_FRAMES // len(bands))
        blocks = [
            norm(convolution(padded[:, :, first : first + n_frames + n_around]).relu_()).amax(-1)
            for first in range(0, bands.shape[2], n_frames)
        ]
        return torch.cat(blocks, dim=-1)


class MusiCNN(nn.Module):
    """One vector a segment: 200 units, or with `-pool` what they are computed from.

    Differs from the package: its mel spectrogram is cast to float16, which overflows at a mel power of 6.6, and ours
    stays float32; its frames are centred on a file reflected at both ends, and ours lie within the segment. A segment
    of 48,128 samples, every 47,872, gives its 187 frames of 3 s: `1 + (samples − 512) // 256`.
    """

    def __init__(self, card: Card, network: Network, tags: tuple[str, ...]) -> None:
        super().__init__()
        self.card, self.network, self.tags = card, network, tags
        self.power = FilteredPower(mel_filters(SAMPLE_RATE, N_FFT, N_MELS), N_FFT, HOP_SAMPLES)

    @torch.inference_mode()
    def forward(
        self, audio: Float[Tensor, "batch samples"], layers: Sequence[int] | None = None
    ) -> Float[Tensor, "batch layers frames dim"]:
        """Return the vector of each segment as the one frame of the one layer."""
        wanted = check_call(audio, layers, self.card)
        vectors = self.network.pooled(self.log_mel(audio))
        if vectors.shape[1] != self.card.dim:
            vectors = self.network.penultimate(vectors)
        return vectors[:, None, None].repeat(1, len(wanted), 1, 1)

    @torch.inference_mode()
    def likelihoods(self, audio: Float[Tensor, "batch samples"]) -> Float[Tensor, "batch tags"]:
        """Return how likely each of `tags` is, 0 to 1 and each for itself, in each segment."""
        check_call(audio, None, self.card)
        pooled = self.network.pooled(self.log_mel(audio))
        return self.network.logits(self.network.penultimate(pooled)).sigmoid()

    def log_mel(self, audio: Float[Tensor, "batch samples"]) -> Float[Tensor, "batch frames mels"]:
        """Return log10(1 + 10,000 · mel power)."""
        return torch.log1p(10_000 * self.power(audio)) / math.log(10)


def load(variant: str) -> MusiCNN:
    """Return the network with its published weights. Raises MissingPart when they are not here."""
    card = CARDS[variant]
    if not card.sources:
        raise UserError(f"'{card.name}' has no weights: it is a small network for tests. Write 'random:{card.name}'.")
    model = variant.removesuffix("-pool")
    index, data = _checkpoint(card, f"musicnn/{model.upper()}_musicnn")
    network = _drawn(PUBLISHED, 0)
    read_weights(network, index, data)
    card = dataclasses.replace(card, weights_sha256=hashlib.sha256(index + data).hexdigest())
    return MusiCNN(card, network, TAGS[model])


def build(variant: str, seed: int) -> MusiCNN:
    """Return the network with random weights; variants of one size have the same ones."""
    network = _drawn(TINY if variant == "tiny" else PUBLISHED, seed)
    card = _weights.random_card(CARDS[variant], network, seed)
    return MusiCNN(card, network, TAGS[variant.removesuffix("-pool")])


def _drawn(widths: Widths, seed: int) -> Network:
    with _weights.seeded(f"musicnn {widths}", seed):
        return Network(widths)


def read_weights(network: Network, index: bytes, data: bytes) -> None:
    """Give a network the weights of a TensorFlow checkpoint. Raises DataError when it is of another shape."""
    state = {name: ours for name, ours in network.state_dict().items() if not name.endswith("num_batches_tracked")}
    published = _tf_checkpoint.read(index, data, [_published_name(name) for name in state])
    for name, ours in state.items():
        theirs = torch.tensor(published[_published_name(name)])
        # TensorFlow's last axes are (in, out), torch's first ones (out, in).
        theirs = theirs.permute(3, 2, 0, 1) if theirs.ndim == 4 else theirs.T if theirs.ndim == 2 else theirs
        if theirs.shape != ours.shape:
            shapes = f"'{_published_name(name)}' is {tuple(theirs.shape)}, expected {tuple(ours.shape)}"
            raise DataError(f"This checkpoint is of another network: {shapes}.")
        ours.copy_(theirs)


def _published_name(name: str) -> str:
    """Return the checkpoint's name of a parameter: "norms.3.weight" is "batch_normalization_3/gamma"."""
    part, number, kind = name.split(".")
    layer, kinds = PUBLISHED_NAMES[part]
    return f"{layer}_{number}/{kinds[kind]}".replace("_0/", "/")


def _checkpoint(card: Card, folder: str) -> tuple[bytes, bytes]:
    """Return index and data in a folder of the wheel. One wheel holds all: whoever fetched it for one name has it."""
    homes = (places.weights_folder(one.name) for one in (card, *CARDS.values()) if one.sources)
    home = next((one for one in homes if (one / WHEEL.path).is_file()), None) or _weights.need(card)
    try:
        with zipfile.ZipFile(home / WHEEL.path) as wheel:
            return wheel.read(f"{folder}/.index"), wheel.read(f"{folder}/.data-00000-of-00001")
    except (zipfile.BadZipFile, KeyError) as error:
        raise DataError(
            f"'{home / WHEEL.path}' is not the package that earmark fetches: {error}. Remove it, and type: "
            f"earmark get weights {card.name}"
        ) from error
