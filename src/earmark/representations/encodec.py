"""`encodec-24khz`: the encoder of EnCodec and its residual quantiser, through transformers' class.

Layer 0 is what the encoder says, before any quantiser; each further layer is what is left of it at one of the
published bit rates: the sum of the vectors of the first codebooks. They are layers of one name because they share one
file of weights and one pass. `Encodec.codes` gives the whole numbers behind them. The decoder is not built.

The 48 kHz model is not offered: it hears stereo in chunks of one second, divides each by its own loudness, and
overlaps them, so its numbers for mono segments of other lengths would be of sound that it was never trained on.
"""

import dataclasses
import itertools
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from earmark import identity
from earmark.errors import UserError
from earmark.nouns import Card, Source
from earmark.representations import _weights
from earmark.representations._saved import CONFIG, Saved
from earmark.representations.base import check_call

NOT_USED = "decoder."
# The file may hold weight normalisation under either of torch's two names for it.
RENAMED = {"weight_g": "parametrizations.weight.original0", "weight_v": "parametrizations.weight.original1"}

# As published with the weights, and checked against the class's defaults by a test.
PUBLISHED: Mapping[str, Any] = {
    "target_bandwidths": [1.5, 3.0, 6.0, 12.0, 24.0],
    "sampling_rate": 24000,
    "audio_channels": 1,
    "normalize": False,
    "chunk_length_s": None,
    "overlap": None,
    "hidden_size": 128,
    "num_filters": 32,
    "num_residual_layers": 1,
    "upsampling_ratios": [8, 5, 4, 2],
    "norm_type": "weight_norm",
    "kernel_size": 7,
    "last_kernel_size": 7,
    "residual_kernel_size": 3,
    "dilation_growth_rate": 2,
    "use_causal_conv": True,
    "pad_mode": "reflect",
    "compress": 2,
    "num_lstm_layers": 2,
    "codebook_size": 1024,
    "use_conv_shortcut": True,
}
CONFIGURATIONS: dict[str, Mapping[str, Any]] = {
    "24khz": PUBLISHED,
    "tiny": {**PUBLISHED, "hidden_size": 16, "num_filters": 2, "target_bandwidths": [1.5, 3.0]},
}

CARD = Card(
    name="encodec-24khz",
    version=1,
    sample_rate=24000,
    frame_rate_hz=75.0,
    dim=128,
    layers=6,
    layer_0=(
        "the encoder's continuous output, before quantisation; layers 1 to 5 are the sums of the vectors of the first "
        "2, 4, 8, 16 and 32 codebooks (1.5, 3, 6, 12 and 24 kbit/s)"
    ),
    min_samples=320,
    max_samples=None,
    padding_safe=False,
    architecture=(
        "SEANet encoder: 32 to 512 causal convolutions of stride 2, 4, 5, 8 → 2 LSTM → 128; residual quantiser of "
        "32 codebooks of 1024 vectors"
    ),
    n_parameters=7_425_792,
    trained_on="DNS Challenge 4, Common Voice, AudioSet, FSD50K and Jamendo: speech, sounds and music",
    objective="reconstruction of the waveform and of mel spectrograms, adversarial, with commitment to the codes",
    # Asked and not answered in facebookresearch/encodec#69, so nobody is told that he may.
    licence="unknown: declared for the code (MIT), not for the weights",
    commercial=False,
    bibtex="""@article{defossez2023encodec,
  author = {Défossez, Alexandre and Copet, Jade and Synnaeve, Gabriel and Adi, Yossi},
  title = {High Fidelity Neural Audio Compression},
  journal = {Transactions on Machine Learning Research},
  year = {2023}
}""",
    verified="parity",
    sources=(
        Source(
            url=(
                "https://huggingface.co/facebook/encodec_24khz/resolve/"
                "c1dbe2ae3f1de713481a3b3e7c47f357092ee040/model.safetensors"
            ),
            licence="unknown",
            checksum="sha256:37a7cb100f71a29e6c1d815aca8666a1d7ea8885ebe44c306c751a5103559d57",
            path="model.safetensors",
        ),
    ),
)
CARDS = {
    "24khz": CARD,
    "tiny": dataclasses.replace(
        CARD,
        name="encodec-tiny",
        dim=16,
        layers=3,
        layer_0="the encoder's continuous output; layers 1 and 2 are the sums of the first 2 and 4 codebooks",
        architecture="encodec-24khz at a hundredth of its size, for tests",
        n_parameters=31_580,
        sources=(),
    ),
}


class Stage(NamedTuple):
    """One codebook of the residual quantiser: the vectors it chose, and the sum of all chosen up to it."""

    codes: Int[Tensor, "batch frames"]
    total: Float[Tensor, "batch dim frames"]


class Encodec(nn.Module):
    """EnCodec's encoder and quantiser, at the exact length of the audio.

    Frames: `ceil(samples / 320)`; a last hop that is not full is filled up by reflection, inside the convolutions, as
    published. Differs: rows go through one by one on the CPU, so that no code depends on its batch mates.
    """

    def __init__(self, model: Any, card: Card) -> None:
        super().__init__()
        self.card = card
        self.config: Any = model.config
        self.encoder: nn.Module = model.encoder
        self.quantizer: Any = model.quantizer
        rates = self.config.target_bandwidths
        self.depths = tuple(model.quantizer.get_num_quantizers_for_bandwidth(rate) for rate in rates)
        self.eval().requires_grad_(False)

    @torch.inference_mode()
    def forward(
        self, audio: Float[Tensor, "batch samples"], layers: Sequence[int] | None = None
    ) -> Float[Tensor, "batch layers frames dim"]:
        """Return the layers asked for; no codebook is searched beyond the deepest of them."""
        wanted = check_call(audio, layers, self.card)
        rows = [self._layers(row, wanted) for row in alone_on_cpu(audio)]
        return torch.cat(rows).transpose(2, 3).contiguous()

    @property
    def codebook_size(self) -> int:
        """How many entries each codebook has."""
        return int(self.config.codebook_size)

    @torch.inference_mode()
    def codes(self, audio: Float[Tensor, "batch samples"]) -> Int[Tensor, "batch codebooks frames"]:
        """Return the code of each codebook in each frame; the first 2, 4, 8 … are the codes at a lower bit rate."""
        check_call(audio, None, self.card)
        rows = [
            torch.stack([stage.codes for stage in self._stages(self._latents(row))], 1) for row in alone_on_cpu(audio)
        ]
        return torch.cat(rows)

    def _layers(
        self, audio: Float[Tensor, "batch samples"], wanted: Sequence[int]
    ) -> Float[Tensor, "batch layers dim frames"]:
        latents = self._latents(audio)
        depth = (0, *self.depths)[max(wanted)]
        totals = [stage.total for stage in itertools.islice(self._stages(latents), depth)]
        found = [latents, *(totals[depth - 1] for depth in self.depths if depth <= len(totals))]
        return torch.stack([found[layer] for layer in wanted], dim=1)

    def _latents(self, audio: Float[Tensor, "batch samples"]) -> Float[Tensor, "batch dim frames"]:
        latents: Tensor = self.encoder(audio[:, None])
        return latents

    def _stages(self, latents: Float[Tensor, "batch dim frames"]) -> Iterator[Stage]:
        """Yield the codebooks in turn, each choosing for what the ones before it left over."""
        residual, total = latents, torch.zeros_like(latents)
        for stage in self.quantizer.layers:
            codes = stage.encode(residual)
            chosen = stage.decode(codes)
            residual, total = residual - chosen, total + chosen
            yield Stage(codes, total)


def alone_on_cpu(audio: Float[Tensor, "batch samples"]) -> Sequence[Float[Tensor, "rows samples"]]:
    """Return what goes through a quantiser at once: one row, or all on a GPU.

    A code is a choice that the last bit of a sum can turn, and that bit may depend on the size of a batch.
    """
    audio = audio.float()
    return [row[None] for row in audio] if audio.device.type == "cpu" else [audio]


def _network(settings: Mapping[str, Any], card: Card) -> Encodec:
    from transformers import EncodecConfig, EncodecModel

    return Encodec(EncodecModel(EncodecConfig.from_dict(dict(settings))), card)


def build(variant: str, seed: int) -> Encodec:
    """Return the network with random weights and random codebooks.

    Differs from transformers in two draws, without which what is left of the sound in the quantised layers is next to
    nothing. It means to draw convolutions by Kaiming's normal rule, but writes to what weight normalisation computes,
    so the draw is lost: here it is kept. And it leaves codebooks at zero: here they are Kaiming's uniform.
    """
    card = CARDS[variant]
    with _weights.seeded(card.name, seed):
        made = _network(CONFIGURATIONS[variant], card)
    rng = torch.Generator().manual_seed(identity.seed_for("weights", card.name, seed, "drawn again"))
    for module in made.encoder.modules():
        if isinstance(module, nn.Conv1d):
            module.weight = nn.init.kaiming_normal_(torch.empty_like(module.weight), generator=rng)
    for stage in made.quantizer.layers:
        nn.init.kaiming_uniform_(stage.codebook.embed, generator=rng)
    made.card = _weights.random_card(card, made, seed)
    return made


def load(variant: str) -> Encodec:
    """Return the network with its published weights.

    Raises MissingPart when they are not here, UserError when the file holds other names or shapes.
    """
    card = CARDS[variant]
    file = _weights.file_of(card)
    with _weights.seeded(card.name, 0):  # what the class draws is overwritten
        made = _network(CONFIGURATIONS[variant], dataclasses.replace(card, weights_sha256=_weights.sha256_of(file)))
    _fill(made, _weights.read_state(file), file)
    return made


def of_folder(saved: Saved) -> Encodec:
    """Return the network that transformers saved into a folder.

    Raises UserError for a configuration that hears stereo, or in chunks, and for weights that are not those of it.
    """
    for setting in ("audio_channels", "normalize", "chunk_length_s"):
        if saved.shape.get(setting, PUBLISHED[setting]) != PUBLISHED[setting]:
            raise UserError(
                f"'{saved.folder / CONFIG}' says {setting}: {saved.shape[setting]}; expected {PUBLISHED[setting]}. "
                "earmark hears EnCodec in mono, and a segment in one piece: other networks were not trained on that."
            )
    made = shaped(saved.shape)
    made.card = saved.card(made.card, made)
    saved.require_rate(made.card.sample_rate)
    _fill(made, saved.state(), saved.files[0])
    return made


def shaped(settings: Mapping[str, Any]) -> Encodec:
    """Return a network of transformers' settings, of which every weight is still to be filled in."""
    with _weights.seeded(CARD.name, 0):
        made = _network(settings, CARD)
    made.card = _shaped(made)
    return made


def _shaped(made: Encodec) -> Card:
    """Return the published card with what follows from the settings of another network."""
    config = made.config
    strides = ", ".join(map(str, reversed(config.upsampling_ratios)))
    return dataclasses.replace(
        CARD,
        sample_rate=config.sampling_rate,
        frame_rate_hz=config.sampling_rate / config.hop_length,
        dim=config.hidden_size,
        layers=1 + len(made.depths),
        layer_0="the encoder's continuous output, before quantisation; the further layers are the sums of the vectors "
        f"of the first {', '.join(map(str, made.depths))} codebooks",
        min_samples=config.hop_length,
        architecture=f"SEANet encoder: convolutions of stride {strides} → {config.num_lstm_layers} LSTM → "
        f"{config.hidden_size}; residual quantiser of {made.depths[-1]} codebooks of {config.codebook_size} vectors",
    )


def _fill(made: Encodec, state: Mapping[str, Tensor], file: Path) -> None:
    own = {_renamed(name): value for name, value in state.items() if not name.startswith(NOT_USED)}
    _weights.fill(made, own, made.card, file)


def _renamed(name: str) -> str:
    stem, _, last = name.rpartition(".")
    return f"{stem}.{RENAMED.get(last, last)}"
