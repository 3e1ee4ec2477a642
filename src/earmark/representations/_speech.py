"""The wav2vec 2.0 family: convolutions over raw audio, then a transformer, by transformers' native classes.

wav2vec2, hubert, data2vec, mert, WavLM and UniSpeech are one shape with different weights: `feature_extractor` (seven
convolutions, 320 samples a frame), `feature_projection`, `encoder` (positional convolution and blocks). They share
their wrapper, their way from published names of parameters into the class, and nothing else.
"""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import cast

import torch
from jaxtyping import Float
from torch import Tensor, nn

from earmark.errors import UserError
from earmark.nouns import Card
from earmark.representations import _weights
from earmark.representations.base import check_call

HOP_SAMPLES, MIN_SAMPLES = 320, 400  # product of the strides, receptive field of the convolutions
VARIANCE_FLOOR = 1e-7  # transformers' Wav2Vec2FeatureExtractor

# What shapes the network, under the names of the published config.json; dropouts and masks shape only training.
FRONT: Mapping[str, object] = {
    "conv_dim": (512,) * 7,
    "conv_kernel": (10, 3, 3, 3, 3, 2, 2),
    "conv_stride": (5, 2, 2, 2, 2, 2, 2),
    "conv_bias": False,
    "feat_extract_activation": "gelu",
    "hidden_act": "gelu",
    "layer_norm_eps": 1e-5,
    "num_conv_pos_embeddings": 128,
    "num_conv_pos_embedding_groups": 16,
}
GROUP_NORM: Mapping[str, object] = {"feat_extract_norm": "group", "do_stable_layer_norm": False}
STABLE: Mapping[str, object] = {"feat_extract_norm": "layer", "do_stable_layer_norm": True, "conv_bias": True}
BASE: Mapping[str, object] = {
    **{"hidden_size": 768, "num_hidden_layers": 12, "num_attention_heads": 12, "intermediate_size": 3072}
}
LARGE: Mapping[str, object] = {
    **{"hidden_size": 1024, "num_hidden_layers": 24, "num_attention_heads": 16, "intermediate_size": 4096}
}
TINY: Mapping[str, object] = {
    **{"hidden_size": 16, "num_hidden_layers": 3, "num_attention_heads": 2, "intermediate_size": 32},
    **{"conv_dim": (32,) * 7, "num_conv_pos_embeddings": 16, "num_conv_pos_embedding_groups": 4},
}
# Masks are of training. Without them the class has no `masked_spec_embed`, the one parameter inference never reads.
NO_MASKS: Mapping[str, object] = {"mask_time_prob": 0.0, "mask_feature_prob": 0.0}
MASK = "masked_spec_embed"

LAYER_0 = "input to the first block: projected convolutional frames plus positional convolution, layer-normalised"
LAYER_0_STABLE = (
    "input to the first block: projected convolutional frames plus positional convolution, not normalised; "
    "the encoder's final norm is on the last layer only"
)

# torch keeps a weight-normalised kernel under other names since 2.0 than the published files.
RENAMED = {
    "encoder.pos_conv_embed.conv.weight_g": "encoder.pos_conv_embed.conv.parametrizations.weight.original0",
    "encoder.pos_conv_embed.conv.weight_v": "encoder.pos_conv_embed.conv.parametrizations.weight.original1",
}
NAMED_IN_ERRORS = 12


@dataclass(frozen=True)
class Published:
    """One checkpoint as published: its card, what shapes its network, and whether its audio is normalised.

    `also` holds what its config.json says beside the class's own settings and must go on saying, for the class to be
    the right one. A checkpoint without sources is a miniature for tests.
    """

    card: Card
    settings: Mapping[str, object]
    normalised: bool = True
    also: Mapping[str, object] | None = None


@dataclass(frozen=True)
class Family:
    """Checkpoints of one class of transformers, by variant.

    `network` makes the class with random weights. `prefix` is what published files with pre-training heads put before
    the network's own names, `heads` how the names of those heads begin: they are not loaded.
    """

    network: Callable[[Mapping[str, object]], nn.Module]
    published: Mapping[str, Published]
    prefix: str = ""
    heads: tuple[str, ...] = ()


class Speech(nn.Module):
    """Frames of every block; frames: `1 + (samples − 400) // 320`.

    Layer 0 is the input to the first block, layer i the output of block i, the last one after the encoder's final norm
    where it has one. Blocks above the deepest layer asked for are not computed. Source: Baevski et al. 2020, §2.
    Differs from transformers 5.23: there, `hidden_states[-1]` of the networks with stable layer norm lacks the final
    norm; here the last layer is `last_hidden_state`, as it was in transformers 4, which the published results use.
    """

    def __init__(self, network: nn.Module, card: Card, normalised: bool) -> None:
        super().__init__()
        self.network = network.eval().requires_grad_(False)
        self.card = card
        self.normalised = normalised
        encoder = network.get_submodule("encoder")
        self.has_norm_at_end = "StableLayerNorm" in type(encoder).__name__

    @torch.inference_mode()
    def forward(
        self, audio: Float[Tensor, "batch samples"], layers: Sequence[int] | None = None
    ) -> Float[Tensor, "batch layers frames dim"]:
        """Return the layers asked for (None: all). Raises UserError for wrong audio or layers."""
        wanted = check_call(audio, layers, self.card)
        encoder = self.network.get_submodule("encoder")
        blocks = cast(nn.ModuleList, encoder.get_submodule("layers"))
        hidden = self._into_blocks(audio)
        kept = {0: hidden}
        shared: dict[str, Tensor] = {}
        for depth, block in enumerate(list(blocks)[: max(wanted)], start=1):
            answer = block(hidden, **shared)
            # WavLM's first block makes a bias of positions, which all others add too.
            hidden, shared = (answer[0], {"position_bias": answer[1]}) if isinstance(answer, tuple) else (answer, {})
            if depth in wanted:
                kept[depth] = hidden
        if self.has_norm_at_end and len(blocks) in kept:
            kept[len(blocks)] = encoder.get_submodule("layer_norm")(hidden)
        return torch.stack([kept[layer] for layer in wanted], dim=1)

    @torch.inference_mode()
    def convolutions(self, audio: Float[Tensor, "batch samples"]) -> Float[Tensor, "batch frames channels"]:
        """Return what the convolutions say, before it is normalised, projected, or mixed over frames."""
        check_call(audio, None, self.card)
        heard = zero_mean_unit_variance(audio.float()) if self.normalised else audio.float()
        found: Tensor = self.network.get_submodule("feature_extractor")(heard)
        return found.transpose(1, 2)

    def _into_blocks(self, audio: Float[Tensor, "batch samples"]) -> Float[Tensor, "batch frames dim"]:
        projected = self.network.get_submodule("feature_projection")(self.convolutions(audio))
        hidden: Tensor = projected[0] if isinstance(projected, tuple) else projected
        encoder = self.network.get_submodule("encoder")
        hidden = hidden + encoder.get_submodule("pos_conv_embed")(hidden)
        return hidden if self.has_norm_at_end else encoder.get_submodule("layer_norm")(hidden)


def network(stem: str, settings: Mapping[str, object]) -> nn.Module:
    """Return transformers' `stem`Model with random weights from torch's global generator (seed it)."""
    import transformers

    config = getattr(transformers, f"{stem}Config").from_dict({**settings, **NO_MASKS})
    made: nn.Module = getattr(transformers, f"{stem}Model")(config)
    if hasattr(made, MASK):  # UniSpeech-SAT makes one that nothing reads
        delattr(made, MASK)
    return made


def zero_mean_unit_variance(audio: Float[Tensor, "batch samples"]) -> Float[Tensor, "batch samples"]:
    """Return each row with mean 0 and (population) variance 1, silence as zeros.

    Over the samples given, so over a segment where a clip is segmented. Source: transformers' Wav2Vec2FeatureExtractor.
    """
    exact = audio.double()  # a sum over minutes in float32 would let the last digits depend on how it is split
    centred = exact - exact.mean(1, keepdim=True)
    return (centred / torch.sqrt(centred.square().mean(1, keepdim=True) + VARIANCE_FLOOR)).float()


def build(family: Family, variant: str, seed: int) -> Speech:
    """Return the network of a variant with random weights drawn from a seed."""
    published = family.published[variant]
    with _weights.seeded(published.card.name, seed):
        network = family.network(published.settings)
    card = _weights.random_card(published.card, network, seed)
    return Speech(network, card, published.normalised)


def load(family: Family, variant: str) -> Speech:
    """Return the network of a variant with its published weights.

    Raises MissingPart when they are not here, UserError for a miniature, for weights that are not exactly those of
    this network, and for a config.json or preprocessor_config.json beside them that says otherwise than we do.
    """
    published = family.published[variant]
    card = published.card
    if not card.sources:
        raise UserError(f"'{card.name}' is a miniature for tests, without weights. Write 'random:{card.name}'.")
    folder = _weights.need(card)
    refuse_other_configuration(folder, published)
    path = folder / card.sources[0].path
    state = own_names(_weights.read_state(path), family)
    # On "meta" no weight is drawn that the file overwrites; seeded, because the class may draw all the same.
    with _weights.seeded(card.name, 0), torch.device("meta"):
        network = family.network(published.settings)
    refuse_other_parameters(state, network, path, card)
    network.load_state_dict(state, assign=True)
    return Speech(network, replace(card, weights_sha256=_weights.sha256_of(path)), published.normalised)


def own_names(state: Mapping[str, Tensor], family: Family) -> dict[str, Tensor]:
    """Return a published state under the class's own names, float32, without pre-training heads and mask embedding."""
    own = {name: tensor for name, tensor in state.items() if not name.startswith(family.heads)}
    bare = {name.removeprefix(family.prefix): tensor.float() for name, tensor in own.items()}
    return {RENAMED.get(name, name): tensor for name, tensor in bare.items() if name != MASK}


def refuse_other_parameters(state: Mapping[str, Tensor], network: nn.Module, path: Path, card: Card) -> None:
    """Raise UserError, naming them, when parameters are left over on either side or have another shape."""
    expected = network.state_dict()
    shared = state.keys() & expected.keys()
    wrong = {
        "missing": expected.keys() - state.keys(),
        "not of this network": state.keys() - expected.keys(),
        "of another shape": {name for name in shared if state[name].shape != expected[name].shape},
    }
    said = "; ".join(f"{what}: {_listed(names)}" for what, names in wrong.items() if names)
    if said:
        raise UserError(f"The weights in '{path}' are not those of '{card.name}'. {said}. {_weights.remedy(card.name)}")


def _listed(names: set[str]) -> str:
    more = f" and {len(names) - NAMED_IN_ERRORS} more" if len(names) > NAMED_IN_ERRORS else ""
    return ", ".join(sorted(names)[:NAMED_IN_ERRORS]) + more


def refuse_other_configuration(folder: Path, published: Published) -> None:
    """Raise UserError when a configuration that lies beside the weights differs from what is written here.

    Neither file is needed: what they said when this was written is in our own files.
    """
    heard = {"do_normalize": published.normalised, "sampling_rate": published.card.sample_rate}
    ours: dict[str, Mapping[str, object]] = {
        "config.json": {**published.settings, **(published.also or {})},
        "preprocessor_config.json": heard,
    }
    for file, settings in ours.items():
        if not (folder / file).exists():
            continue
        theirs = json.loads((folder / file).read_text(encoding="utf-8"))
        for key, value in settings.items():
            expected = list(value) if isinstance(value, tuple) else value
            if theirs.get(key, expected) != expected:
                raise UserError(
                    f"'{folder / file}' says {key}: {theirs[key]}, but '{published.card.name}' was published with "
                    f"{expected}. These weights are of another network; fetch them into a folder of their own."
                )
