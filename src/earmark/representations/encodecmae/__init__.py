"""`encodecmae-small`, `-base`, `-large`, …: EncodecMAE, a masked autoencoder over frames of a codec or of a mel bank.

`encodecmae-base-st` is self-trained. `encodecmae-v2-…` are of the second release, under its own names with "-" for "_":
what is heard, what is sought, the size, and what of the data or of self-training. `encodecmae-r` is the paper's
baseline ECMAE-R: the base network with random weights on the published EnCodec.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from earmark.errors import UserError
from earmark.nouns import Card, Source
from earmark.representations import _weights, encodec
from earmark.representations.encodecmae import inputs as heard
from earmark.representations.encodecmae import network, published
from earmark.representations.encodecmae.frames import EncodecMAEFrames
from earmark.representations.encodecmae.inputs import EncodecFrames, Inputs, Mel256
from earmark.representations.encodecmae.settings import BASE, LARGE, SMALL, TINY, Settings

HUB = "https://huggingface.co/lpepino"
SEGMENT_S = 4.0
UNTRAINED = "r"
EVERYTHING = "AudioSet (4,500 h), Free Music Archive (800 h) and Libri-Light (6,000 h)"
LAYER_0 = (
    "projected frames with their positions, the input of the first block; the last layer has the encoder's last norm"
)

CARD = Card(
    name="encodecmae-base",
    version=1,
    sample_rate=24000,
    frame_rate_hz=75.0,
    dim=768,
    layers=11,
    layer_0=LAYER_0,
    min_samples=320,
    max_samples=None,
    padding_safe=False,
    architecture="",
    n_parameters=0,
    trained_on=EVERYTHING,
    objective="masked prediction of the codes of EnCodec, 8 codebooks",
    licence="MIT; EnCodec's weights within: none declared",
    commercial=False,
    bibtex="""@article{pepino2023encodecmae,
  author = {Pepino, Leonardo and Riera, Pablo and Ferrer, Luciana},
  title = {{EnCodecMAE}: Leveraging Neural Codecs for Universal Audio Representation Learning},
  journal = {arXiv preprint arXiv:2309.07391},
  year = {2023}
}""",
    verified="parity",
    segment_s=SEGMENT_S,
)
# What the inputs decide: rate of audio and of frames, the shortest audio, and how the architecture is said.
HEARING: Mapping[str, Mapping[str, object]] = {
    "encodec": {},
    "mel256": {"frame_rate_hz": 24000 / 318, "min_samples": 637, "licence": "MIT", "commercial": True},
    "mel128": {"sample_rate": 16000, "frame_rate_hz": 50.0, "min_samples": 353, "licence": "MIT", "commercial": True},
}
SAID = {
    "encodec": "EnCodec's encoder, frozen",
    "mel256": "Kaldi's log-mel bank of 256 bands",
    "mel128": "log-mel spectrogram of 128 bands",
}


@dataclass(frozen=True)
class Variant:
    """A network that can be loaded or built: settings, card and, of published ones, the file."""

    settings: Settings
    card: Card


def card_of(settings: Settings) -> Card:
    """Return a card with what follows from settings alone; its name and what it learnt are BASE's."""
    size = network.size(settings)
    codec = encodec.CARD.n_parameters if settings.inputs == "encodec" else 0
    shared = "one feed-forward module for all" if settings.share_ffn else "a feed-forward module each"
    said = (
        f"{SAID[settings.inputs]} → {settings.encoder_layers} ResiDual blocks of {settings.dim}, {shared}; pre-trained "
        f"with {settings.decoder_layers} more and a head: {size.network:,} parameters, {size.network_unshared:,} if "
        "every block had its own"
    )
    shape: dict[str, Any] = {**HEARING[settings.inputs], "dim": settings.dim, "layers": settings.encoder_layers + 1}
    return replace(CARD, architecture=said, n_parameters=size.encoder + codec, **shape)


def _variant(name: str, settings: Settings, file: str = "", **card: Any) -> Variant:
    """Return a variant, its file below the hub; `card` says what is not as in `card_of`."""
    source = (Source(url=f"{HUB}/{file}", licence="MIT", path=file.rpartition("/")[2]),) if file else ()
    said: dict[str, Any] = {"name": f"encodecmae-{name}", "sources": source, **card}
    return Variant(settings, replace(card_of(settings), **said))


def _first(name: str, settings: Settings, **card: Any) -> Variant:
    return _variant(name, settings, f"encodecmae-{name}/resolve/main/model.pt", **card)


def _second(name: str, settings: Settings, **card: Any) -> Variant:
    """Return a variant of the second release, by its name there."""
    ours = replace(settings, shared_positions=False, inputs="mel256" if name.startswith("mel256") else "encodec")
    return _variant("v2-" + name.replace("_", "-"), ours, f"encodecmae-v2/resolve/main/{name}.pt", **card)


def _taught(settings: Settings) -> Settings:
    """Return the settings of the first release's self-training: a stream of k-means beside those of the codec."""
    return replace(settings, targets="codec+kmeans", n_streams=settings.n_streams + 1)


def _only_taught(settings: Settings) -> Settings:
    """Return those of the second release's: a stream of k-means instead."""
    return replace(settings, targets="kmeans", n_streams=1, gamma=None)


BY_TEACHER = {"objective": "masked prediction of the codes of EnCodec and of k-means on a teacher's last layer"}
BY_TEACHER_ONLY = {"objective": "masked prediction of the codes of k-means on a teacher's last layer"}
EVERY = (
    _first("small", SMALL),
    _first("base", BASE),
    _first("large", LARGE),
    _first("base-st", _taught(BASE), **BY_TEACHER),
    _first("large-st", _taught(LARGE), **BY_TEACHER),
    _second("mel256-ec-small", SMALL),
    _second("mel256-ec-base", BASE),
    _second("mel256-ec-base-as", BASE, trained_on="AudioSet (4,500 h)"),
    _second("mel256-ec-base-ll", BASE, trained_on="Libri-Light (6,000 h)"),
    _second("mel256-ec-base-fma", BASE, trained_on="Free Music Archive (800 h)"),
    _second("mel256-ec-large", LARGE),
    _second("mel256-ec-large-as", LARGE, trained_on="AudioSet (4,500 h)"),
    _second("mel256-ec-base_st-nopn", _only_taught(BASE), **BY_TEACHER_ONLY),
    _second("mel256-ec-large_st", _only_taught(LARGE), **BY_TEACHER_ONLY),
    _second("ec-ec-base", BASE),
    _second("ec-ec-large_st", _only_taught(LARGE), **BY_TEACHER_ONLY),
    _variant(
        UNTRAINED,
        BASE,
        sources=encodec.CARD.sources,
        licence=encodec.CARD.licence,
        trained_on="nothing; EnCodec as published",
        objective="none",
    ),
    _variant("tiny", TINY, trained_on="nothing", objective="none"),
)
VARIANTS: Mapping[str, Variant] = {one.card.name.removeprefix("encodecmae-"): one for one in EVERY}
CARDS = {name: one.card for name, one in VARIANTS.items()}


def build(variant: str, seed: int) -> EncodecMAEFrames:
    """Return the network of a variant with random weights, EnCodec's among them; those are as published for `r`.

    Raises MissingPart where the published ones are not here.
    """
    one = VARIANTS[variant]
    if variant == UNTRAINED:
        inputs: Inputs = _published_codec(one.card)
    else:
        inputs = heard.inputs(one.settings.inputs, f"random:{heard.CODEC}@{seed}")
    encoder = network.build(one.settings, inputs.dim, seed).encoder
    made = EncodecMAEFrames(inputs, encoder, one.card, one.settings)
    made.card = _weights.random_card(one.card, made, seed)
    return made


def load(variant: str) -> EncodecMAEFrames:
    """Return the network with its published weights; `r` as paired with seed 0.

    Raises MissingPart when they are not here, UserError when the file holds other tensors than ours.
    """
    one = VARIANTS[variant]
    if variant == UNTRAINED:
        made = build(variant, 0)
        made.card = replace(one.card, weights_sha256=made.card.weights_sha256)
        return made
    file = _weights.file_of(one.card)
    found = published.read(file, one.settings)
    inputs = Mel256() if one.settings.inputs == "mel256" else _codec(found.codec, one.card, file)
    with torch.device("meta"):
        whole = network.Network(one.settings, inputs.dim)
    _fill(whole, found.network, one.card, file)
    card = replace(one.card, weights_sha256=_weights.sha256_of(file))
    return EncodecMAEFrames(inputs, whole.encoder, card, one.settings)


def _published_codec(card: Card) -> EncodecFrames:
    file = _weights.file_of(card)
    state = {published.in_codec(name): tensor for name, tensor in _weights.read_state(file).items()}
    return _codec(state, card, file)


def _codec(state: Mapping[str, Tensor], card: Card, file: Path) -> EncodecFrames:
    """Return EnCodec's encoder with the weights of a file."""
    inputs = EncodecFrames(encodec.build("24khz", 0))
    _fill(inputs, {name: tensor for name, tensor in state.items() if name.startswith("encoder.")}, card, file)
    return inputs


def _fill(module: nn.Module, state: Mapping[str, Tensor], card: Card, file: Path) -> None:
    """Give a module, of which no tensor need exist yet, all its weights and nothing over."""
    try:
        module.load_state_dict({name: tensor.float() for name, tensor in state.items()}, assign=True)
    except RuntimeError as error:
        raise UserError(
            f"'{file}' does not hold the weights of '{card.name}': {error} {_weights.remedy(card.name)}"
        ) from error
