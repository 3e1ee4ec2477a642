"""The shapes of the wav2vec 2.0 family: settings under the names of the published config.json, and cards of them."""

import math
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from earmark.nouns import Card

# What shapes the network; dropouts and masks shape only training.
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

LAYER_0 = "input to the first block: projected convolutional frames plus positional convolution, layer-normalised"
LAYER_0_STABLE = (
    "input to the first block: projected convolutional frames plus positional convolution, not normalised; "
    "the encoder's final norm is on the last layer only"
)

# What every card of the family says; `shaped` adds what follows from settings.
CARD = Card(
    name="",
    version=1,
    sample_rate=16000,
    frame_rate_hz=0.0,
    dim=0,
    layers=0,
    layer_0=LAYER_0,
    min_samples=0,
    max_samples=None,
    padding_safe=False,
    architecture="",
    n_parameters=0,
    trained_on="",
    objective="",
    licence="Apache-2.0",
    commercial=True,
    bibtex="",
    verified="parity",
    sources=(),
)


def shaped(card: Card, settings: Mapping[str, Any]) -> Card:
    """Return a card with what follows from the settings of a network: rates, lengths and layers."""
    is_stable = settings.get("do_stable_layer_norm", False)
    n_samples = 1  # that one frame needs: each layer from the last needs (n − 1) strides and one kernel
    for kernel, stride in zip(reversed(settings["conv_kernel"]), reversed(settings["conv_stride"]), strict=True):
        n_samples = (n_samples - 1) * stride + kernel
    return replace(
        card,
        frame_rate_hz=card.sample_rate / math.prod(settings["conv_stride"]),
        dim=settings["hidden_size"],
        layers=settings["num_hidden_layers"] + 1,
        layer_0=LAYER_0_STABLE if is_stable else LAYER_0,
        min_samples=n_samples,
    )


def tiny(card: Card, architecture: str, n_parameters: int) -> Card:
    """Return the card of a family's miniature, which has no weights."""
    return replace(
        card,
        name=f"{card.name.partition('-')[0]}-tiny",
        architecture=architecture,
        n_parameters=n_parameters,
        trained_on="nothing",
        objective="none",
        sources=(),
    )
