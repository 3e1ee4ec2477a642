"""The wav2vec 2.0 family: convolutions over raw audio, then a transformer, by transformers' native classes.

wav2vec2, hubert, data2vec, mert, WavLM and UniSpeech are one shape with different weights: `feature_extractor` (seven
convolutions, 320 samples a frame), `feature_projection`, `encoder` (positional convolution and blocks). They share
their wrapper, their way from published names of parameters into the class, and nothing else.
"""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, cast

import torch
from torch import Tensor, nn

from earmark.errors import UserError
from earmark.nouns import Card
from earmark.representations import _speech_shapes, _weights
from earmark.representations._speech_layers import Quantiser, Speech, zero_mean_unit_variance

__all__ = ["Family", "Published", "Quantiser", "Speech", "build", "load", "network", "own_names", "published"]
__all__ += ["quantiser", "refuse_other_parameters", "zero_mean_unit_variance"]

# Masks are of training. Without them the class has no `masked_spec_embed`, the one parameter inference never reads.
NO_MASKS: Mapping[str, object] = {"mask_time_prob": 0.0, "mask_feature_prob": 0.0}
MASK = "masked_spec_embed"

# torch keeps a weight-normalised kernel under other names since 2.0 than the published files.
RENAMED = {
    "encoder.pos_conv_embed.conv.weight_g": "encoder.pos_conv_embed.conv.parametrizations.weight.original0",
    "encoder.pos_conv_embed.conv.weight_v": "encoder.pos_conv_embed.conv.parametrizations.weight.original1",
}
QUANTISER = "quantizer.weight_proj."
NAMED_IN_ERRORS = 4


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
    the network's own names, `heads` how the names of those heads begin: of them the quantiser alone is kept.
    """

    network: Callable[[Mapping[str, object]], nn.Module]
    published: Mapping[str, Published]
    prefix: str = ""
    heads: tuple[str, ...] = ()

    @property
    def cards(self) -> dict[str, Card]:
        """The card of every variant."""
        return {variant: one.card for variant, one in self.published.items()}


def published(card: Card, *settings: Mapping[str, object], also: Mapping[str, object] | None = None) -> Published:
    """Return a checkpoint whose network is shaped by some settings, later ones first, and its card with its shape."""
    merged = {key: value for some in settings for key, value in some.items()}
    return Published(_speech_shapes.shaped(card, merged), merged, also=also)


def network(stem: str, settings: Mapping[str, object]) -> nn.Module:
    """Return transformers' `stem`Model with random weights from torch's global generator (seed it)."""
    import transformers

    config = getattr(transformers, f"{stem}Config").from_dict({**settings, **NO_MASKS})
    made: nn.Module = getattr(transformers, f"{stem}Model")(config)
    if hasattr(made, MASK):  # UniSpeech-SAT makes one that nothing reads
        delattr(made, MASK)
    return made


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
    everything = _weights.read_state(path)
    state = own_names(everything, family)
    # On "meta" no weight is drawn that the file overwrites; seeded, because the class may draw all the same.
    with _weights.seeded(card.name, 0), torch.device("meta"):
        network = family.network(published.settings)
    refuse_other_parameters(state, network, path, card)
    network.load_state_dict(state, assign=True)
    card = replace(card, weights_sha256=_weights.sha256_of(path))
    return Speech(network, card, published.normalised, quantiser(everything, network))


def quantiser(state: Mapping[str, Tensor], network: nn.Module) -> Quantiser | None:
    """Return what chooses codes from a published state with pre-training heads; None where it has no quantiser.

    `network` has the settings: the number of groups is not to be seen in the tensors. UniSpeech-SAT's, which is not of
    the width of its convolutions, transformers never runs: it gives none. Raises UserError for a quantiser that is not
    of its network.
    """
    found = [state.get(f"{QUANTISER}{name}") for name in ("weight", "bias")]
    config: Any = network.config
    if any(one is None for one in found) or config.model_type == "unispeech-sat":
        return None
    weight, bias = (cast(Tensor, one).float() for one in found)
    expected = (config.num_codevector_groups * config.num_codevectors_per_group, config.conv_dim[-1])
    if tuple(weight.shape) != expected or tuple(bias.shape) != expected[:1]:
        raise UserError(
            f"Expected a quantiser of {expected[0]} logits of {expected[1]} channels, as the network's settings say, "
            f"got {tuple(weight.shape)}. Save settings and weights of one network."
        )
    return Quantiser(weight, bias, config.num_codevector_groups)


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
