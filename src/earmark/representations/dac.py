"""`dac-44khz`, `dac-24khz`, `dac-16khz`: the encoder of the Descript Audio Codec and its quantiser, by transformers.

Layer 0 is what the encoder says, layer 1 what its codebooks leave of it, all of them summed; layer 0 alone searches no
codebook. `Dac.codes` gives the whole numbers. The decoder is not built.
"""

import dataclasses
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from earmark.nouns import Card, Source
from earmark.representations import _weights
from earmark.representations._saved import Saved
from earmark.representations.base import check_call
from earmark.representations.encodec import alone_on_cpu

NOT_USED = "decoder."
QUANTISED = 1

# As published with the weights; the rest is common to the three and the class's own.
COMMON: Mapping[str, Any] = {"encoder_hidden_size": 64, "codebook_size": 1024, "codebook_dim": 8}
CONFIGURATIONS: dict[str, Mapping[str, Any]] = {
    "44khz": {"sampling_rate": 44100, "downsampling_ratios": [2, 4, 8, 8], "n_codebooks": 9},
    "24khz": {"sampling_rate": 24000, "downsampling_ratios": [2, 4, 5, 8], "n_codebooks": 32},
    "16khz": {"sampling_rate": 16000, "downsampling_ratios": [2, 4, 5, 8], "n_codebooks": 12},
    "tiny": {
        "sampling_rate": 16000,
        "downsampling_ratios": [2, 4, 5, 8],
        "n_codebooks": 3,
        "encoder_hidden_size": 2,
        "decoder_hidden_size": 32,
        "codebook_size": 16,
    },
}

HUB = "https://huggingface.co/descript/dac_"
CARD = Card(
    name="dac-44khz",
    version=1,
    sample_rate=44100,
    frame_rate_hz=44100 / 512,
    dim=1024,
    layers=2,
    layer_0="the encoder's continuous output, before quantisation; layer 1 is the sum of what all 9 codebooks chose",
    min_samples=512,
    max_samples=None,
    padding_safe=False,
    architecture="64 to 1024 convolutions of stride 2, 4, 8, 8 with snakes; residual quantiser of 9 × 1024 codes of 8",
    n_parameters=22_529_672,
    trained_on="DAPS, DNS Challenge 4, Common Voice, VCTK, MUSDB, Jamendo and AudioSet: speech, music and sounds",
    objective="reconstruction of mel spectrograms, adversarial, with losses that hold codes and latents together",
    licence="MIT",
    commercial=True,
    bibtex="""@inproceedings{kumar2023dac,
  author = {Kumar, Rithesh and Seetharaman, Prem and Luebs, Alejandro and Kumar, Ishaan and Kumar, Kundan},
  title = {High-Fidelity Audio Compression with Improved {RVQGAN}},
  booktitle = {Advances in Neural Information Processing Systems},
  volume = {36},
  year = {2023}
}""",
    verified="parity",
    sources=(
        Source(
            url=f"{HUB}44khz/resolve/c1bc521685adf9cfe247bc39a5ca58917eda1ac4/model.safetensors",
            licence="MIT",
            checksum="sha256:6128ebff483a41422b0164d079a3773b0d8d82e64c4293d775994cbf8baf913a",
            size_bytes=306_507_276,
            path="model.safetensors",
        ),
    ),
)


def _shaped(card: Card, settings: Mapping[str, Any]) -> Card:
    """Return the card with what follows from a network's settings filled in."""
    known = {**COMMON, **settings}
    strides, codebooks, width = known["downsampling_ratios"], known["n_codebooks"], known["encoder_hidden_size"]
    hop, dim = math.prod(strides), width * 2 ** len(strides)
    return dataclasses.replace(
        card,
        sample_rate=known["sampling_rate"],
        frame_rate_hz=known["sampling_rate"] / hop,
        dim=dim,
        layer_0=f"the encoder's continuous output, before quantisation; layer 1 is the sum of what all {codebooks} "
        "codebooks chose",
        min_samples=hop,
        architecture=f"{width} to {dim} convolutions of stride {', '.join(map(str, strides))} with snakes; residual "
        f"quantiser of {codebooks} × {known['codebook_size']} codes of {known['codebook_dim']}",
    )


CARDS = {
    "44khz": CARD,
    "24khz": _shaped(
        dataclasses.replace(
            CARD,
            name="dac-24khz",
            n_parameters=22_332_224,
            sources=(
                Source(
                    url=f"{HUB}24khz/resolve/6ba020b5ba7d9d8076fb90db7e67f27e31980f6e/model.safetensors",
                    licence="MIT",
                    checksum="sha256:7452e3fc6972991da871ae1a1c9d3e8e219aa247cc0f757018867d6a7fe59aaf",
                    size_bytes=298_652_268,
                    path="model.safetensors",
                ),
            ),
        ),
        CONFIGURATIONS["24khz"],
    ),
    "16khz": _shaped(
        dataclasses.replace(
            CARD,
            name="dac-16khz",
            n_parameters=21_820_064,
            sources=(
                Source(
                    url=f"{HUB}16khz/resolve/7c2fc5e759f1f501aefc6e7a0265cc57f5d17ba7/model.safetensors",
                    licence="MIT",
                    path="model.safetensors",
                ),
            ),
        ),
        CONFIGURATIONS["16khz"],
    ),
    "tiny": _shaped(
        dataclasses.replace(CARD, name="dac-tiny", n_parameters=23_562, sources=()), CONFIGURATIONS["tiny"]
    ),
}


class Dac(nn.Module):
    """DAC's encoder and quantiser, at the exact length of the audio.

    Frames: `samples // 512` at 44.1 kHz; else `(samples + 8) // 320`, as the convolution of stride 5 looks one step
    further. Differs from the published feature extractor, which fills the last hop up with zeros: what does not fill a
    hop has no frame. Rows go through one by one on the CPU, so that no code depends on its batch mates.
    """

    def __init__(self, model: Any, card: Card) -> None:
        super().__init__()
        self.card = card
        self.config: Any = model.config
        self.encoder: nn.Module = model.encoder
        self.quantizer: nn.Module = model.quantizer
        self.eval().requires_grad_(False)

    @torch.inference_mode()
    def forward(
        self, audio: Float[Tensor, "batch samples"], layers: Sequence[int] | None = None
    ) -> Float[Tensor, "batch layers frames dim"]:
        """Return the layers asked for; codebooks are searched only when layer 1 is among them."""
        wanted = check_call(audio, layers, self.card)
        rows = [self._layers(row, wanted) for row in alone_on_cpu(audio)]
        return torch.cat(rows).transpose(2, 3).contiguous()

    @property
    def codebook_size(self) -> int:
        """How many entries each codebook has."""
        return int(self.config.codebook_size)

    @torch.inference_mode()
    def codes(self, audio: Float[Tensor, "batch samples"]) -> Int[Tensor, "batch codebooks frames"]:
        """Return the code of each codebook in each frame."""
        check_call(audio, None, self.card)
        return torch.cat([self.quantizer(self.encoder(row[:, None]))[1] for row in alone_on_cpu(audio)])

    def _layers(
        self, audio: Float[Tensor, "batch samples"], wanted: Sequence[int]
    ) -> Float[Tensor, "batch layers dim frames"]:
        found = [self.encoder(audio[:, None])]
        if QUANTISED in wanted:
            found.append(self.quantizer(found[0])[0])
        return torch.stack([found[layer] for layer in wanted], dim=1)


def _network(settings: Mapping[str, Any], card: Card) -> Dac:
    from transformers import DacConfig, DacModel

    return Dac(DacModel(DacConfig.from_dict(dict(settings))), card)


def build(variant: str, seed: int) -> Dac:
    """Return the network with random weights, as transformers draws them."""
    card = CARDS[variant]
    with _weights.seeded(card.name, seed):
        made = _network(CONFIGURATIONS[variant], card)
    made.card = _weights.random_card(card, made, seed)
    return made


def load(variant: str) -> Dac:
    """Return the network with its published weights.

    Raises MissingPart when they are not here, UserError when the file holds other names or shapes.
    """
    card = CARDS[variant]
    file = _weights.file_of(card)
    with _weights.seeded(card.name, 0):  # what the class draws is overwritten
        made = _network(CONFIGURATIONS[variant], dataclasses.replace(card, weights_sha256=_weights.sha256_of(file)))
    _fill(made, _weights.read_state(file), file)
    return made


def of_folder(saved: Saved) -> Dac:
    """Return the network that transformers saved into a folder.

    Raises UserError where the files in it disagree, or its weights are not those of its settings.
    """
    with _weights.seeded(saved.name, 0):
        made = _network(saved.shape, CARD)
    made.card = saved.card(_shaped(CARD, made.config.to_dict()), made)
    saved.require_rate(made.card.sample_rate)
    _fill(made, saved.state(), saved.files[0])
    return made


def _fill(made: Dac, state: Mapping[str, Tensor], file: Path) -> None:
    own = {name: value for name, value in state.items() if not name.startswith(NOT_USED)}
    _weights.fill(made, own, made.card, file)
