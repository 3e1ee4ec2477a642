"""`vggish-audioset`: a VGG on log-mel spectrograms, trained on the sounds of YouTube; a frame every 0.96 s.

Three forms of its 128 numbers: plain, before any activation, as Google's code gives them since 2019; `-relu`, as it
gave them before, and as torchvggish does; `-pca`, whitened and quantised to 0 … 255, as published with AudioSet.
"""

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional

from earmark.errors import UserError
from earmark.nouns import Card, Source
from earmark.representations import _weights
from earmark.representations._blocks import blockwise
from earmark.representations.base import check_call

SAMPLE_RATE, N_FFT, WIN_SAMPLES, HOP_SAMPLES, N_MELS = 16000, 512, 400, 160, 64
LOWEST_HZ, HIGHEST_HZ, OFFSET = 125.0, 7500.0, 0.01
PATCH_FRAMES = 96
MIN_SAMPLES = WIN_SAMPLES + (PATCH_FRAMES - 1) * HOP_SAMPLES
# Patches that are given to the network together: the widest activation takes 1.5 MB a patch.
BLOCK_PATCHES = 16
# Convolutions before each pooling by 2 × 2.
STAGES = (1, 1, 2, 2)
SMALLEST, LARGEST, LEVELS = -2.0, 2.0, 255.0
RELU, PCA = "-relu", "-pca"

BIBTEX = """@inproceedings{hershey2017cnn,
  author = {Hershey, Shawn and Chaudhuri, Sourish and Ellis, Daniel P. W. and Gemmeke, Jort F. and Jansen, Aren and Moore, R. Channing and Plakal, Manoj and Platt, Devin and Saurous, Rif A. and Seybold, Bryan and Slaney, Malcolm and Weiss, Ron J. and Wilson, Kevin},
  title = {{CNN} Architectures for Large-Scale Audio Classification},
  booktitle = {IEEE International Conference on Acoustics, Speech and Signal Processing (ICASSP)},
  pages = {131--135},
  year = {2017}
}"""  # noqa: E501 # an author list stays on one line
# As torch's hub names its files, the number is how the file's sha256 begins: more of it is not published.
WEIGHTS = Source(
    "https://github.com/harritaylor/torchvggish/releases/download/v0.1/vggish-10086976.pth",
    "Apache-2.0",
    path="vggish-10086976.pth",
)
SHA256_BEGINS = "10086976"
# Its MD5 is as another project holds it against the file: openmic/vggish/params.py of cosmir/openmic-2018.
WHITENING = Source(
    "https://storage.googleapis.com/audioset/vggish_pca_params.npz",
    "Apache-2.0",
    "md5:c80cae691033abe7c7ecd11ea39fc834",
    path="vggish_pca_params.npz",
)


@dataclass(frozen=True)
class Widths:
    """Channels of each convolution, then units of the three dense layers."""

    channels: tuple[int, ...] = (64, 128, 256, 256, 512, 512)
    units: tuple[int, ...] = (4096, 4096, 128)


PUBLISHED, TINY = Widths(), Widths((4, 6, 8, 8, 8, 8), (16, 16, 12))
SIZES = {"audioset": PUBLISHED, "tiny": TINY}
ENDINGS = {
    "": "the last dense layer, before any activation",
    RELU: "the last dense layer after ReLU",
    PCA: "the last dense layer, whitened, cut to -2 … 2 and quantised: whole numbers from 0 to 255",
}

CARD = Card(
    name="vggish-audioset",
    version=1,
    sample_rate=SAMPLE_RATE,
    frame_rate_hz=SAMPLE_RATE / (PATCH_FRAMES * HOP_SAMPLES),
    dim=128,
    layers=1,
    layer_0=ENDINGS[""],
    min_samples=MIN_SAMPLES,
    max_samples=None,
    padding_safe=True,
    architecture="log-mel 64 (125 to 7,500 Hz) in patches of 0.96 s → 6 convolutions (64 to 512), pooled 4 times → "
    "dense 4096, 4096, 128",
    n_parameters=72_141_184,
    trained_on="sound of YouTube videos, of what became YouTube-8M; Google's own, not public",
    objective="tagging",
    licence="Apache-2.0",
    commercial=True,
    bibtex=BIBTEX,
    verified="parity",
    sources=(WEIGHTS,),
)


def _card(variant: str) -> Card:
    size, ending = _parted(variant)
    card = dataclasses.replace(CARD, name=f"vggish-{variant}", layer_0=ENDINGS[ending])
    if ending == PCA:
        card = dataclasses.replace(card, sources=(WEIGHTS, WHITENING))
    if size == "audioset":
        return card
    architecture = "vggish-audioset at a ten-thousandth of its size, for tests"
    return dataclasses.replace(
        card, dim=TINY.units[-1], architecture=architecture, n_parameters=6_018, trained_on="nothing", sources=()
    )


def _parted(variant: str) -> tuple[str, str]:
    """Return the size and the ending of a variant: "audioset-pca" → "audioset", "-pca"."""
    size, dash, ending = variant.partition("-")
    return size, dash + ending


CARDS = {variant: _card(variant) for variant in (size + ending for size in SIZES for ending in ENDINGS)}


def mel_filters() -> Float[Tensor, "bins mels"]:
    """Return triangles from 125 to 7,500 Hz whose sides are straight on HTK's mel scale, of height 1; 0 Hz is left out.

    Mel = 1127 ln(1 + Hz / 700). Source: mel_features.py, published with the weights.
    """
    bins = 1127.0 * np.log1p(np.fft.rfftfreq(N_FFT, 1.0 / SAMPLE_RATE)[:, None] / 700.0)
    lowest, highest = 1127.0 * np.log1p(np.array((LOWEST_HZ, HIGHEST_HZ)) / 700.0)
    edges = np.linspace(lowest, highest, N_MELS + 2)
    left, centre, right = edges[:-2], edges[1:-1], edges[2:]
    triangles = np.maximum(0.0, np.minimum((bins - left) / (centre - left), (right - bins) / (right - centre)))
    triangles[0] = 0.0
    return torch.from_numpy(triangles.astype(np.float32))


class LogMel(nn.Module):
    """ln(0.01 + magnitude) in 64 bands every 10 ms. Frames: `1 + (samples − 400) // 160`; nothing is padded."""

    window: Tensor
    filters: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("window", torch.hann_window(WIN_SAMPLES), persistent=False)
        self.register_buffer("filters", mel_filters(), persistent=False)

    def forward(self, audio: Float[Tensor, " samples"]) -> Float[Tensor, "frames mels"]:
        """Return the spectrogram of one row."""
        frames = audio.unfold(0, WIN_SAMPLES, HOP_SAMPLES) * self.window
        return torch.log(torch.fft.rfft(frames, N_FFT).abs() @ self.filters + OFFSET)


class Network(nn.Module):
    """Patches to embeddings, before any activation. Source: vggish_slim.py, published with the weights."""

    def __init__(self, widths: Widths = PUBLISHED) -> None:
        super().__init__()
        inputs = (1, *widths.channels[:-1])
        self.convolutions = nn.ModuleList(map(partial(nn.Conv2d, kernel_size=3, padding=1), inputs, widths.channels))
        flat = widths.channels[-1] * (PATCH_FRAMES // 16) * (N_MELS // 16)
        self.dense = nn.ModuleList(map(nn.Linear, (flat, *widths.units[:-1]), widths.units))
        self.eval().requires_grad_(False)

    def forward(self, patches: Float[Tensor, "patches 96 64"]) -> Float[Tensor, "patches dim"]:
        """Return one embedding a patch."""
        activation, done = patches[:, None], 0
        for n_convolutions in STAGES:
            for convolution in self.convolutions[done : done + n_convolutions]:
                activation = convolution(activation).relu_()
            activation, done = functional.max_pool2d(activation, 2), done + n_convolutions
        activation = activation.permute(0, 2, 3, 1).flatten(1)  # channels last, as TensorFlow flattens them
        for dense in self.dense[:-1]:
            activation = dense(activation).relu_()
        embedding: Tensor = self.dense[-1](activation)
        return embedding


class Whitening(nn.Module):
    """What was done to the embeddings that came with AudioSet: rotated, scaled, cut, quantised to 8 bits.

    Source: vggish_postprocess.py, published with the weights. *Differs* from torchvggish, which rounds: here, as
    there, what is behind the point is left out.
    """

    vectors: Tensor
    means: Tensor

    def __init__(self, dim: int) -> None:
        super().__init__()
        # Random networks answer with numbers that hardly differ: scaled so, they do not all fall on one step.
        self.register_buffer("vectors", 20.0 * torch.eye(dim))
        self.register_buffer("means", torch.zeros(dim))

    def forward(self, embeddings: Float[Tensor, "*patches dim"]) -> Float[Tensor, "*patches dim"]:
        """Return whole numbers from 0 to 255."""
        rotated = (embeddings - self.means) @ self.vectors.T
        return ((rotated.clamp(SMALLEST, LARGEST) - SMALLEST) * (LEVELS / (LARGEST - SMALLEST))).floor()


class VGGish(nn.Module):
    """One embedding of each 0.96 s. Frames: `(1 + (samples − 400) // 160) // 96`; what is left over is not heard.

    *Differs* from essentia's route, which the thesis took: patches there follow each other every 0.93 s.
    """

    def __init__(self, card: Card, network: Network) -> None:
        super().__init__()
        self.card = card
        self.log_mel, self.network = LogMel(), network
        self.after: nn.Module = nn.Identity()
        if card.name.endswith(RELU):
            self.after = nn.ReLU()
        elif card.name.endswith(PCA):
            self.after = Whitening(card.dim)

    @torch.inference_mode()
    def forward(
        self, audio: Float[Tensor, "batch samples"], layers: Sequence[int] | None = None
    ) -> Float[Tensor, "batch layers frames dim"]:
        """Return the embedding of each patch as the one layer."""
        wanted = check_call(audio, layers, self.card)
        network = nn.Sequential(self.network, self.after)
        found = blockwise(network, torch.stack([self._patches(row) for row in audio]), BLOCK_PATCHES)
        return found[:, None].repeat(1, len(wanted), 1, 1)

    def _patches(self, audio: Float[Tensor, " samples"]) -> Float[Tensor, "patches 96 64"]:
        log_mel: Tensor = self.log_mel(audio)
        return log_mel[: len(log_mel) // PATCH_FRAMES * PATCH_FRAMES].view(-1, PATCH_FRAMES, N_MELS)


def build(variant: str, seed: int) -> VGGish:
    """Return the network with random weights; the forms of one size have the same ones."""
    size, _ = _parted(variant)
    card = CARDS[variant]
    with _weights.seeded(f"vggish-{size}", seed):
        made = VGGish(card, Network(SIZES[size]))
    made.card = _weights.random_card(card, made, seed)
    return made


def load(variant: str) -> VGGish:
    """Return the network with its published weights.

    Raises MissingPart when they are not here, UserError for files of another network.
    """
    card = CARDS[variant]
    file, *more = _weights.files_of(card, CARDS.values())
    with torch.device("meta"):
        network = Network()
    network.to_empty(device="cpu")
    _fill(network, file, card)
    made = VGGish(dataclasses.replace(card, weights_sha256=_weights.sha256_of(file, *more)), network)
    for one in more:
        made.after.load_state_dict(whitening(one))
    return made


def _fill(network: Network, file: Path, card: Card) -> None:
    if not (found := _weights.sha256_of(file)).startswith(SHA256_BEGINS):
        raise UserError(
            f"Expected a file whose sha256 begins with {SHA256_BEGINS}, got '{file}' with {found[:8]}. "
            f"{_weights.remedy(card.name)}"
        )
    _weights.fill(network, renamed(_weights.read_state(file)), card, file)


def renamed(published: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Return torchvggish's weights under our names, which number convolutions and dense layers alone."""
    parts = {"features": "convolutions", "embeddings": "dense"}
    numbers = {
        part: sorted({int(name.split(".")[1]) for name in published if name.startswith(f"{part}.")}) for part in parts
    }
    ours = {}
    for name, tensor in published.items():
        part, number, kind = name.split(".")
        ours[f"{parts[part]}.{numbers[part].index(int(number))}.{kind}"] = tensor
    return ours


def whitening(file: Path) -> dict[str, Tensor]:
    """Return what is in the published file of the whitening, under our names. Raises UserError for another file."""
    try:
        with np.load(file, allow_pickle=False) as held:
            vectors, means = held["pca_eigen_vectors"], held["pca_means"]
    except (OSError, ValueError, KeyError) as error:
        raise UserError(f"'{file}' does not hold the whitening of VGGish: {error}") from error
    return {
        "vectors": torch.from_numpy(vectors.astype(np.float32)),
        "means": torch.from_numpy(means.astype(np.float32).reshape(-1)),
    }
