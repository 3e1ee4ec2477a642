"""`passt`: a transformer on patches of a spectrogram, taught AudioSet's labels; one vector of up to ten seconds.

`passt` gives what its classifier reads, 768 numbers; `passt-hear` the 527 logits before them, as the module of HEAR
2021 did; `passt-layers` all depths, each as both tokens and the mean of the patches (3 × 768).
"""

import dataclasses
from collections.abc import Sequence

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor, nn

from earmark.nouns import Card, Source
from earmark.representations import _weights
from earmark.representations._patches import PatchTransformer, Shape, drawn, filled, summary
from earmark.representations.base import check_call

SAMPLE_RATE, N_FFT, WIN_SAMPLES, HOP_SAMPLES, N_MELS = 32000, 1024, 800, 320, 128
LOWEST_HZ, HIGHEST_HZ = 0.0, 15000.0
PREEMPHASIS, FLOOR, MEAN, SPREAD = 0.97, 1e-5, -4.5, 5.0
LONGEST = 10 * SAMPLE_RATE
# Sixteen frames, the height of a patch.
MIN_SAMPLES = 15 * HOP_SAMPLES + 1

PUBLISHED = Shape(N_MELS, 998)
TINY = Shape(N_MELS, 998, dim=16, depth=2, heads=2, labels=5)
SHAPES = {"": PUBLISHED, "hear": PUBLISHED, "layers": PUBLISHED, "tiny": TINY, "tiny-hear": TINY, "tiny-layers": TINY}
# The checksum is as another project holds it against the file: checkpoints.json of maest-infer 0.2.0.
WEIGHTS = Source(
    "https://github.com/kkoutini/PaSST/releases/download/v0.0.1-audioset/passt-s-f128-p16-s10-ap.476-swa.pt",
    "Apache-2.0",
    "sha256:302903fa8c4aee817b11dc982da0b29aaf8d11a3e722420476d0a12c9db70c2c",
    size_bytes=344_665_734,
    path="passt-s-f128-p16-s10-ap.476-swa.pt",
)
CARD = Card(
    name="passt",
    version=1,
    sample_rate=SAMPLE_RATE,
    frame_rate_hz=0.0,
    dim=PUBLISHED.dim,
    layers=1,
    layer_0="the mean of both tokens after the last block, normalised; one vector a segment",
    min_samples=MIN_SAMPLES,
    max_samples=LONGEST,
    padding_safe=False,
    architecture="log-mel 128 → overlapping patches of 16 × 16 → 12 transformer blocks of 768 (PaSST-S)",
    n_parameters=86_153_758,
    trained_on="AudioSet: 2 million clips of YouTube, 527 labels; begun from a network that learnt ImageNet",
    objective="tagging",
    licence="Apache-2.0",
    commercial=True,
    bibtex="""@inproceedings{koutini2022efficient,
  author = {Koutini, Khaled and Schl{\\"u}ter, Jan and Eghbal-zadeh, Hamid and Widmer, Gerhard},
  title = {Efficient Training of Audio Transformers with Patchout},
  booktitle = {Interspeech},
  pages = {2753--2757},
  year = {2022}
}""",
    verified="parity",
    segment_s=LONGEST / SAMPLE_RATE,
    sources=(WEIGHTS,),
)


def _card(variant: str, shape: Shape) -> Card:
    card = dataclasses.replace(CARD, name=f"passt-{variant}".removesuffix("-"), dim=shape.dim)
    if variant.endswith("hear"):
        layer_0 = f"the logits of {shape.labels} labels, then what the classifier reads"
        card = dataclasses.replace(card, dim=shape.labels + shape.dim, layer_0=layer_0)
    elif variant.endswith("layers"):
        layer_0 = "the input to the first block: both tokens, which are the same for every sound, and the mean patch"
        card = dataclasses.replace(card, dim=3 * shape.dim, layers=1 + shape.depth, layer_0=layer_0)
    if shape is PUBLISHED:
        return card
    architecture = f"passt with {shape.depth} blocks of {shape.dim}, for tests"
    return dataclasses.replace(card, architecture=architecture, n_parameters=12_746, trained_on="nothing", sources=())


CARDS = {variant: _card(variant, shape) for variant, shape in SHAPES.items()}


def mel_filters() -> Float[Tensor, "bins mels"]:
    """Return triangles from 0 to 15,000 Hz, straight on Kaldi's mel scale, of height 1; the last bin is unused.

    Mel = 1127 ln(1 + Hz / 700). Source: hear21passt 0.0.26, which takes Kaldi's.
    """
    bins = 1127.0 * np.log1p(np.fft.rfftfreq(N_FFT, 1.0 / SAMPLE_RATE)[:, None] / 700.0)
    lowest, highest = 1127.0 * np.log1p(np.array((LOWEST_HZ, HIGHEST_HZ)) / 700.0)
    edges = np.linspace(lowest, highest, N_MELS + 2)
    left, centre, right = edges[:-2], edges[1:-1], edges[2:]
    triangles = np.maximum(0.0, np.minimum((bins - left) / (centre - left), (right - bins) / (right - centre)))
    triangles[-1] = 0.0
    return torch.from_numpy(triangles.astype(np.float32))


class LogMel(nn.Module):
    """(ln(0.00001 + power) + 4.5) / 5 in 128 bands every 10 ms, of differences. Frames: `1 + (samples − 1) // 320`.

    From each sample 0.97 of the one before is taken; the symmetric Hann window of 25 ms stands in the middle of a
    frame; audio is reflected at its ends.
    """

    window: Tensor
    filters: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("window", torch.hann_window(WIN_SAMPLES, periodic=False), persistent=False)
        self.register_buffer("filters", mel_filters(), persistent=False)

    def forward(self, audio: Float[Tensor, "batch samples"]) -> Float[Tensor, "batch mels frames"]:
        """Return the spectrogram of each row."""
        differences = audio[:, 1:] - PREEMPHASIS * audio[:, :-1]
        spectrum = torch.stft(
            differences, N_FFT, HOP_SAMPLES, WIN_SAMPLES, self.window, center=True, return_complex=True
        )
        power = spectrum.real.square() + spectrum.imag.square()
        return ((self.filters.T @ power + FLOOR).log() - MEAN) / SPREAD


class PaSST(nn.Module):
    """One vector of a segment of up to ten seconds, or one a layer.

    *Differs* from the module of HEAR for more than ten seconds: it takes the mean over windows, every 2.5 s, of a file
    reflected at both ends; here `segment_s` and a pooling do what an experiment says.
    """

    def __init__(self, card: Card, network: PatchTransformer) -> None:
        super().__init__()
        self.card, self.log_mel, self.network = card, LogMel(), network

    @torch.inference_mode()
    def forward(
        self, audio: Float[Tensor, "batch samples"], layers: Sequence[int] | None = None
    ) -> Float[Tensor, "batch layers 1 dim"]:
        """Return the vector of each row at each layer. Raises UserError for more than ten seconds."""
        wanted = check_call(audio, layers, self.card)
        places = self.network.places(self.log_mel(audio))
        if self.card.layers > 1:
            found = [summary(one) for _, one in zip(range(max(wanted) + 1), places, strict=False)]
            return torch.stack([found[layer] for layer in wanted], dim=1)[:, :, None]
        *_, last = places
        answer = self.network.answer(last)
        if self.card.dim != answer.shape[1]:
            answer = torch.cat([self.network.logits(answer), answer], dim=1)
        return answer[:, None, None].repeat(1, len(wanted), 1, 1)


def build(variant: str, seed: int) -> PaSST:
    """Return the network with random weights; the forms of one size have the same ones."""
    network = drawn("passt", SHAPES[variant], seed)
    return PaSST(_weights.random_card(CARDS[variant], network, seed), network)


def load(variant: str) -> PaSST:
    """Return the network with its published weights.

    Raises MissingPart when they are not here, UserError for a file of another network.
    """
    card = CARDS[variant]
    file = _weights.file_of(card)
    network = filled(SHAPES[variant], _weights.read_state(file), card, file)
    return PaSST(dataclasses.replace(card, weights_sha256=_weights.sha256_of(file)), network)
