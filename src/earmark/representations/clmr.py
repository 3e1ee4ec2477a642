"""`clmr-v2`: SampleCNN, convolutions on raw audio that learnt to tell excerpts of one song from those of others.

A frame every 59,049 samples (2.68 s at 22,050 Hz), which is all that the network takes at once. The name is that of the
release that the weights are from.
"""

import dataclasses
import io
import re
import zipfile
from collections.abc import Mapping, Sequence
from pathlib import Path

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional

from earmark import identity
from earmark.errors import UserError
from earmark.nouns import Card, Source
from earmark.representations import _weights
from earmark.representations._blocks import blockwise
from earmark.representations.base import check_call

SAMPLE_RATE, FACTOR = 22050, 3
CHANNELS = (128, 128, 128, 256, 256, 256, 256, 256, 256, 512, 512)
# Each block makes three samples one, but for the last.
WINDOW_SAMPLES = FACTOR ** (len(CHANNELS) - 1)
# Windows that are given to the network together: the widest activation takes 10 MB a window.
BLOCK_WINDOWS = 8
MEMBER = "clmr_checkpoint_10000.pt"
# `encoder.sequential.3.1.weight`: of the fourth block the normalisation; other prefixes occur.
PUBLISHED_NAME = re.compile(r"(?:.*\.)?sequential\.(\d+)\.([01])\.(\w+)")

CARD = Card(
    name="clmr-v2",
    version=1,
    sample_rate=SAMPLE_RATE,
    frame_rate_hz=SAMPLE_RATE / WINDOW_SAMPLES,
    dim=CHANNELS[-1],
    layers=1,
    layer_0="the last block's output, which the projector was trained on",
    min_samples=WINDOW_SAMPLES,
    max_samples=None,
    padding_safe=True,
    architecture="59,049 samples → 11 convolutions of length 3 (128 to 512), batch norm, ReLU, pooled by 3 (SampleCNN)",
    n_parameters=2_368_512,
    trained_on="MagnaTagATune: about 187 h, 10,000 epochs",
    objective="contrastive (SimCLR): two excerpts of one song among those of others",
    licence="Apache-2.0",
    commercial=True,
    bibtex="""@inproceedings{spijkervet2021contrastive,
  author = {Spijkervet, Janne and Burgoyne, John Ashley},
  title = {Contrastive Learning of Musical Representations},
  booktitle = {International Society for Music Information Retrieval Conference (ISMIR)},
  pages = {673--681},
  year = {2021}
}""",
    verified="no",  # only against the authors' network as we typed it again: no implementation apart was at hand
    sources=(
        Source(
            "https://github.com/Spijkervet/CLMR/releases/download/2.0/clmr_checkpoint_10000.zip",
            "Apache-2.0",
            path="clmr_checkpoint_10000.zip",
        ),
    ),
)
TINY_CHANNELS = (4, 4, 4, 4, 8, 8, 8, 8, 8, 12, 12)
WIDTHS = {"v2": CHANNELS, "tiny": TINY_CHANNELS}
CARDS = {
    "v2": CARD,
    "tiny": dataclasses.replace(
        CARD,
        name="clmr-tiny",
        dim=TINY_CHANNELS[-1],
        architecture="clmr-v2 at a thousandth of its size, for tests",
        n_parameters=1_980,
        trained_on="nothing",
        objective="none",
        sources=(),
    ),
}


class SampleCnn(nn.Module):
    """Windows of 59,049 samples to vectors. Source: Lee et al. 2018, and clmr/models/sample_cnn.py of the authors."""

    def __init__(self, channels: Sequence[int] = CHANNELS) -> None:
        super().__init__()
        inputs = (1, *channels[:-1])
        strides = (FACTOR, *(1 for _ in channels[1:]))
        around = (0, *(1 for _ in channels[1:]))
        self.convolutions = nn.ModuleList(
            nn.Conv1d(n_in, n_out, FACTOR, stride, padding)
            for n_in, n_out, stride, padding in zip(inputs, channels, strides, around, strict=True)
        )
        self.norms = nn.ModuleList(nn.BatchNorm1d(n) for n in channels)
        self.eval().requires_grad_(False)

    def forward(self, windows: Float[Tensor, "windows 59049"]) -> Float[Tensor, "windows dim"]:
        """Return one vector a window."""
        activation, last = windows[:, None], len(self.convolutions) - 1
        for number, (convolution, norm) in enumerate(zip(self.convolutions, self.norms, strict=True)):
            activation = norm(convolution(activation)).relu_()
            if 0 < number < last:
                activation = functional.max_pool1d(activation, FACTOR)
        return activation[:, :, 0]


class Clmr(nn.Module):
    """One vector of each 59,049 samples, one after another. Frames: `samples // 59,049`.

    *Differs* from the thesis, which fills up the last window of a clip with zeros: here what is left over is not heard.
    """

    def __init__(self, card: Card, network: SampleCnn) -> None:
        super().__init__()
        self.card, self.network = card, network

    @torch.inference_mode()
    def forward(
        self, audio: Float[Tensor, "batch samples"], layers: Sequence[int] | None = None
    ) -> Float[Tensor, "batch layers frames dim"]:
        """Return the vector of each window as the one layer."""
        wanted = check_call(audio, layers, self.card)
        windows = audio.unfold(1, WINDOW_SAMPLES, WINDOW_SAMPLES)
        return blockwise(self.network, windows, BLOCK_WINDOWS)[:, None].repeat(1, len(wanted), 1, 1)


def build(variant: str, seed: int) -> Clmr:
    """Return the network with random weights, drawn so that sounds do not grow fainter from block to block."""
    name = CARDS[variant].name
    with _weights.seeded(name, seed):
        network = SampleCnn(WIDTHS[variant])
    generator = torch.Generator().manual_seed(identity.seed_for("weights", name, seed))
    for one in network.convolutions:
        nn.init.kaiming_uniform_(one.get_parameter("weight"), nonlinearity="relu", generator=generator)
    return Clmr(_weights.random_card(CARDS[variant], network, seed), network)


def load(variant: str) -> Clmr:
    """Return the network with its published weights.

    Raises MissingPart when they are not here, UserError for a file of another network.
    """
    card = CARDS[variant]
    file, network = _weights.file_of(card), SampleCnn(WIDTHS[variant])
    _weights.fill(network, renamed(_published(file)), card, file)
    return Clmr(dataclasses.replace(card, weights_sha256=_weights.sha256_of(file)), network)


def _published(file: Path) -> Mapping[str, Tensor]:
    """Return the tensors in the published zip, which holds the optimiser's besides."""
    try:
        with zipfile.ZipFile(file) as archive:
            (member,) = (name for name in archive.namelist() if name.rpartition("/")[2] == MEMBER)
            content = io.BytesIO(archive.read(member))
    except (zipfile.BadZipFile, ValueError) as error:
        raise UserError(f"Expected a zip with one {MEMBER} in it, got '{file}': {error}.") from error
    found: Mapping[str, Tensor] = torch.load(content, map_location="cpu", weights_only=True)
    return found


def renamed(published: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Return the encoder's tensors under our names; what else was trained (the projector, a classifier) is left out."""
    parts = {"0": "convolutions", "1": "norms"}
    found = {PUBLISHED_NAME.fullmatch(name): one for name, one in published.items()}
    return {f"{parts[match[2]]}.{match[1]}.{match[3]}": one for match, one in found.items() if match}
