"""`maest`: PaSST's network, taught the music styles of Discogs; a vector of 3 × 768 for each depth of up to 30 s.

Of each depth both tokens and the mean of the patches are given, one after another: layer 7 is after the seventh of
twelve blocks, and the published recommendation (maest-infer, which counts from 0, calls it transformer_block=6).
`maest` is discogs-maest-30s-pw-129e; `maest-5s-pw` … `maest-30s-519l` are the others.
"""

import dataclasses
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional

from earmark.errors import UserError
from earmark.nouns import Card, Source
from earmark.representations import _weights
from earmark.representations._patches import PatchTransformer, Shape, drawn, filled, summary
from earmark.representations._spectrogram import FilteredPower, mel_filters
from earmark.representations.base import check_call

SAMPLE_RATE, N_FFT, HOP_SAMPLES, N_MELS = 16000, 512, 256, 96
COMPRESSION, MEAN, DEVIATION = 1e4, 2.06755686098554, 1.268292820667291
# Sixteen frames, the height of a patch.
MIN_SAMPLES = 15 * HOP_SAMPLES
RELEASE = "https://github.com/palonso/MAEST/releases/download/v0.0.0-beta"
LICENCE = "CC-BY-NC-SA-4.0"


class Checkpoint(NamedTuple):
    """A published file: how many seconds its network takes, what it began from, its size, parameters and labels.

    Sizes and checksums are as another project holds them against the files: checkpoints.json of maest-infer 0.2.0.
    """

    file: str
    seconds: int
    begun: str
    size_bytes: int
    n_parameters: int
    sha256: str
    labels: int = 400


PASST, DEIT = "PaSST's weights", "DeiT's weights (ImageNet)"
CHECKPOINTS = {
    "": Checkpoint(
        "discogs-maest-30s-pw-129e",
        30,
        PASST,
        344_148_150,
        86_023_712,
        "2e8ac8ebdc8ac4a3750583df23fd715605935286cbd9d2c4231dfeaa3736ad01",
    ),
    "5s-pw": Checkpoint(
        "discogs-maest-5s-pw-129e",
        5,
        PASST,
        343_668_755,
        85_903_904,
        "cc626ee9f0a816cadbef0a698f87424d72d7b5d84aef68983dac83bf2a03052a",
    ),
    "10s-fs": Checkpoint(
        "discogs-maest-10s-fs-129e",
        10,
        "random weights",
        343_764_150,
        85_927_712,
        "62f369fbf60e93c1e93869fbac2bc60ecbcc4eb0fe99ab523f8218212490520c",
    ),
    "10s-pw": Checkpoint(
        "discogs-maest-10s-pw-129e",
        10,
        PASST,
        343_764_150,
        85_927_712,
        "9862dbc5945a62de01de0c2cccd5e499563210e307324bf6305f6932ad967f1f",
    ),
    "10s-dw": Checkpoint(
        "discogs-maest-10s-dw-75e",
        10,
        DEIT,
        343_763_987,
        85_927_712,
        "1265f4cab278eb1da66a7946f4c870e2ca659076ed1aa1de718f55dc72766b68",
    ),
    "20s-pw": Checkpoint(
        "discogs-maest-20s-pw-129e",
        20,
        PASST,
        343_957_686,
        85_976_096,
        "1ea0880da17aed1b149323ae46c7dbbe6cf6c02c9d30a3f7931a962f7169353b",
    ),
    "30s-pw-ts": Checkpoint(
        "discogs-maest-30s-pw-73e-ts",
        30,
        PASST + ", with a teacher",
        344_148_476,
        86_023_712,
        "26b954652cd75b0951a67b7ab8f85b8b4c459f63a921a04f62829de85ea801fb",
    ),
    "30s-519l": Checkpoint(
        "discogs-maest-30s-pw-129e-519l",
        30,
        PASST,
        344_878_270,
        86_206_734,
        "d6044e642b6ae295ee1164cc52b33ac663e247f03b4b100a0af1a5edfab18cdb",
        519,
    ),
}
# Frames that the learnt positions are for.
FRAMES = {5: 312, 10: 625, 20: 1250, 30: 1875}
TINY = Shape(N_MELS, FRAMES[5], dim=16, depth=2, heads=2, labels=5)


def _shape(one: Checkpoint) -> Shape:
    return Shape(N_MELS, FRAMES[one.seconds], labels=one.labels)


def _card(variant: str, one: Checkpoint) -> Card:
    file, shape = f"{one.file}-swa.ckpt", _shape(one)
    return Card(
        name=f"maest-{variant}".removesuffix("-"),
        version=1,
        sample_rate=SAMPLE_RATE,
        frame_rate_hz=0.0,
        dim=3 * shape.dim,
        layers=1 + shape.depth,
        layer_0="the input to the first block: both tokens, which are the same for every sound, and the mean patch",
        min_samples=MIN_SAMPLES,
        max_samples=one.seconds * SAMPLE_RATE,
        padding_safe=False,
        architecture="log-mel 96 → overlapping patches of 16 × 16 → 12 transformer blocks of 768 (PaSST-S)",
        n_parameters=one.n_parameters,
        trained_on=f"Discogs20: 3.3 million tracks, {one.labels} styles, not public; begun from {one.begun}",
        objective="tagging with styles of music",
        licence=LICENCE,
        commercial=False,
        bibtex="""@inproceedings{alonso2023efficient,
  author = {Alonso-Jim{\\'e}nez, Pablo and Serra, Xavier and Bogdanov, Dmitry},
  title = {Efficient Supervised Training of Audio Transformers for Music Representation Learning},
  booktitle = {International Society for Music Information Retrieval Conference (ISMIR)},
  year = {2023}
}""",
        verified="parity",
        segment_s=float(one.seconds),
        sources=(Source(f"{RELEASE}/{file}", LICENCE, f"sha256:{one.sha256}", size_bytes=one.size_bytes, path=file),),
    )


def _tiny_card() -> Card:
    return dataclasses.replace(
        _card("tiny", CHECKPOINTS["5s-pw"]),
        dim=3 * TINY.dim,
        layers=1 + TINY.depth,
        architecture=f"maest with {TINY.depth} blocks of {TINY.dim}, for tests",
        n_parameters=11_610,
        trained_on="nothing",
        licence="Apache-2.0",
        commercial=True,
        sources=(),
    )


CARDS = {variant: _card(variant, one) for variant, one in CHECKPOINTS.items()} | {"tiny": _tiny_card()}
SHAPES = {variant: _shape(one) for variant, one in CHECKPOINTS.items()} | {"tiny": TINY}


class LogMel(nn.Module):
    """log10(1 + 10,000 · power) in 96 bands every 16 ms, less its mean over Discogs, in two of its deviations.

    Frames: `1 + samples // 256`, each centred; audio is reflected at its ends, as by the authors' code. *Differs* from
    essentia and from the files on Hugging Face, which put zeros there.
    """

    def __init__(self) -> None:
        super().__init__()
        self.power = FilteredPower(mel_filters(SAMPLE_RATE, N_FFT, N_MELS), N_FFT, HOP_SAMPLES)

    def forward(self, audio: Float[Tensor, "batch samples"]) -> Float[Tensor, "batch mels frames"]:
        """Return the spectrogram of each row."""
        around = functional.pad(audio[:, None], (N_FFT // 2, N_FFT // 2), "reflect")[:, 0]
        compressed = torch.log10(1.0 + COMPRESSION * self.power(around))
        return ((compressed - MEAN) / (2 * DEVIATION)).transpose(1, 2)


class Maest(nn.Module):
    """A vector of each depth of a segment: both tokens, the mean of the patches. It stops at the deepest asked for."""

    def __init__(self, card: Card, network: PatchTransformer) -> None:
        super().__init__()
        self.card, self.log_mel, self.network = card, LogMel(), network

    @torch.inference_mode()
    def forward(
        self, audio: Float[Tensor, "batch samples"], layers: Sequence[int] | None = None
    ) -> Float[Tensor, "batch layers 1 dim"]:
        """Return the vector of each row at each layer. Raises UserError for more than its network takes."""
        wanted = check_call(audio, layers, self.card)
        depths = zip(range(max(wanted) + 1), self.network.places(self.log_mel(audio)), strict=False)
        found = [summary(places) for _, places in depths]
        return torch.stack([found[layer] for layer in wanted], dim=1)[:, :, None]


def build(variant: str, seed: int) -> Maest:
    """Return the network with random weights; the variants of one shape have the same ones."""
    network = drawn("maest", SHAPES[variant], seed)
    return Maest(_weights.random_card(CARDS[variant], network, seed), network)


def load(variant: str) -> Maest:
    """Return the network with its published weights.

    Raises MissingPart when they are not here, UserError for a file of another network.
    """
    card = CARDS[variant]
    file = _weights.file_of(card)
    network = filled(SHAPES[variant], own_names(_weights.read_state(file), file), card, file)
    return Maest(dataclasses.replace(card, weights_sha256=_weights.sha256_of(file)), network)


def own_names(published: Mapping[str, object], file: Path) -> dict[str, Tensor]:
    """Return the network's tensors by their own names, from a checkpoint that may hold more, under any prefix.

    Of two networks the averaged one ("swa") is taken. Raises UserError for a file without any.
    """
    held = published.get("state_dict", published)
    tensors = {name: one for name, one in held.items() if isinstance(one, Tensor)} if isinstance(held, Mapping) else {}
    prefixes = sorted(name.removesuffix("cls_token") for name in tensors if name.endswith("cls_token"))
    if not prefixes:
        raise UserError(f"Expected a network with a cls_token in '{file}', found {', '.join(published)[:200]}.")
    prefix = next((one for one in prefixes if "swa" in one), prefixes[0])
    return {name.removeprefix(prefix): one for name, one in tensors.items() if name.startswith(prefix)}
