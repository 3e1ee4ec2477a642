"""The network that learns: transformers' Wav2Vec2ForPreTraining, with the weights that the paper's code starts from."""

from collections.abc import Mapping
from functools import partial
from typing import Any

import torch
from torch import nn
from torch.utils.checkpoint import checkpoint

from earmark import identity
from earmark.representations import _weights
from earmark.representations.wav2vec2 import mel
from earmark.representations.wav2vec2.settings import Settings


def build(settings: Settings, seed: int) -> nn.Module:
    """Return the class with random weights drawn from a seed: what it saves, transformers reads.

    Convolutions are Kaiming normal, blocks N(0, 0.02) without biases, the quantiser's projection N(0, 1), its entries
    and the mask U(0, 1), other linear layers torch's own. Differs from transformers 5.23: there the positional
    convolution stays as torch draws it, because it is written to a copy; here it is N(0, 4 / (kernel · channels)) in
    variance, as in the paper's code. Raises UserError for an unknown front end.
    """
    import transformers

    generator = torch.Generator().manual_seed(identity.seed_for("weights", "wav2vec2 positions", seed))
    with _weights.seeded("wav2vec2 pre-training", seed):
        made: Any = transformers.Wav2Vec2ForPreTraining(transformers.Wav2Vec2Config.from_dict(config(settings)))
        mel.fit(made.wav2vec2, settings.network)
    _start_positions(made.wav2vec2.encoder.pos_conv_embed.conv, generator)
    made.wav2vec2.feature_extractor._requires_grad = False  # else it asks for the gradient of the audio itself
    if not isinstance(made.wav2vec2.feature_extractor, mel.MelFrontEnd):
        _compute_again(made.wav2vec2.feature_extractor.conv_layers[0])
    network: nn.Module = made
    return network


def config(settings: Settings) -> dict[str, object]:
    """Return the settings under the names of transformers' Wav2Vec2Config, as far as it has names for them."""
    return {
        **settings.network,
        "mask_time_prob": settings.mask_probability,
        "mask_time_length": settings.mask_frames,
        "mask_time_min_masks": settings.least_spans,
        "num_negatives": settings.negatives,
        "contrastive_logits_temperature": settings.logit_temperature,
        "diversity_loss_weight": settings.diversity_weight,
    }


def _compute_again(layer: Any) -> None:
    """Let backward compute a layer's inner values again. The first layer's are the largest and the cheapest of all."""
    layer._gradient_checkpointing_func = partial(checkpoint, use_reentrant=False, preserve_rng_state=False)
    layer.gradient_checkpointing = True


def _start_positions(conv: nn.Module, generator: torch.Generator) -> None:
    """Draw a weight-normalised kernel, norms following from it. The whole kernel is set, so that both parts change."""
    of: Any = conv
    deviation = 2.0 / (of.kernel_size[0] * of.in_channels) ** 0.5
    of.weight = deviation * torch.randn(of.weight.shape, generator=generator)


def part_names() -> Mapping[str, tuple[str, ...]]:
    """Return which modules make up each part whose gradient norm is worth seeing apart."""
    return {
        "convolutions": ("wav2vec2.feature_extractor", "wav2vec2.feature_projection.layer_norm"),
        "transformer": ("wav2vec2.feature_projection.projection", "wav2vec2.encoder", "project_hid"),
        "quantiser": ("quantizer", "project_q"),
    }
