"""The network of the wav2vec 2.0 family, layer by layer: what it hears, what each block says, and which codes."""

from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple, cast

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn
from torch.nn import functional

from earmark.nouns import Card
from earmark.representations.base import check_call
from earmark.representations.checkpoint import Contents, contents_of
from earmark.representations.trainable import Noise, hidden_frames

VARIANCE_FLOOR = 1e-7  # transformers' Wav2Vec2FeatureExtractor
PROJECTIONS = ("q_proj", "k_proj", "v_proj", "out_proj")


class Quantiser(NamedTuple):
    """What chooses codes: logits of every entry of every group, linear in the layer-normalised convolutions."""

    weight: Float[Tensor, "logits channels"]
    bias: Float[Tensor, " logits"]
    n_groups: int


class Speech(nn.Module):
    """Frames of every block; frames: `1 + (samples − 400) // 320`.

    Layer 0 is the input to the first block, layer i the output of block i, the last one after the encoder's final norm
    where it has one. Blocks above the deepest layer asked for are not computed. Source: Baevski et al. 2020, §2.
    Differs from transformers 5.23: there, `hidden_states[-1]` of the networks with stable layer norm lacks the final
    norm; here the last layer is `last_hidden_state`, as it was in transformers 4, which the published results use.
    """

    def __init__(self, network: nn.Module, card: Card, normalised: bool, quantiser: Quantiser | None = None) -> None:
        super().__init__()
        self.network = network.eval().requires_grad_(False)
        self.card = card
        self.normalised = normalised
        self.quantiser = quantiser
        encoder = network.get_submodule("encoder")
        self.has_norm_at_end = "StableLayerNorm" in type(encoder).__name__

    @torch.inference_mode()
    def forward(
        self, audio: Float[Tensor, "batch samples"], layers: Sequence[int] | None = None
    ) -> Float[Tensor, "batch layers frames dim"]:
        """Return the layers asked for (None: all). Raises UserError for wrong audio or layers."""
        wanted = check_call(audio, layers, self.card)
        kept = {
            depth: frames for depth, frames in self._layers(self._into_blocks(audio), max(wanted)) if depth in wanted
        }
        return torch.stack([kept[layer] for layer in wanted], dim=1)

    def last_layer(
        self, audio: Float[Tensor, "batch samples"], noise: Noise | None = None
    ) -> Float[Tensor, "batch frames dim"]:
        """Return the last layer with gradient. Hidden frames become zeros; the first block is never left out."""
        check_call(audio, None, self.card)
        *_, (_, frames) = self._layers(self._into_blocks(audio, noise), self.card.layers - 1, noise)
        return frames

    @property
    def front_end(self) -> nn.Module:
        """The convolutions, or the spectrogram with those after it."""
        return self.network.get_submodule("feature_extractor")

    @property
    def projections(self) -> tuple[str, ...]:
        """The four linear layers of every block's attention."""
        return tuple(
            name
            for name, module in self.network.named_modules()
            if isinstance(module, nn.Linear) and name.endswith(PROJECTIONS)
        )

    def contents(self) -> Contents:
        """Return what a checkpoint holds, as transformers saves it."""
        return contents_of(self.network, self.card.sample_rate, self.normalised)

    @torch.inference_mode()
    def convolutions(self, audio: Float[Tensor, "batch samples"]) -> Float[Tensor, "batch frames channels"]:
        """Return what the convolutions say, before it is normalised, projected, or mixed over frames."""
        check_call(audio, None, self.card)
        return self._convolved(audio)

    def _convolved(self, audio: Float[Tensor, "batch samples"]) -> Float[Tensor, "batch frames channels"]:
        heard = zero_mean_unit_variance(audio.float()) if self.normalised else audio.float()
        found: Tensor = self.front_end(heard)
        return found.transpose(1, 2)

    @property
    def codes(self) -> Callable[[Float[Tensor, "batch samples"]], Int[Tensor, "batch groups frames"]] | None:
        """What gives the code of each group and frame; None where no quantiser was saved with the network.

        The likeliest entry, of frames that nothing masks: what transformers' quantiser chooses in evaluation. Groups
        are those of the codebook, two in wav2vec 2.0; entries count from 0 in each.
        """
        return None if self.quantiser is None else self._codes

    @property
    def codebook_size(self) -> int | None:
        """How many entries a group has."""
        return None if self.quantiser is None else len(self.quantiser.bias) // self.quantiser.n_groups

    @torch.inference_mode()
    def _codes(self, audio: Float[Tensor, "batch samples"]) -> Int[Tensor, "batch groups frames"]:
        weight, bias, n_groups = cast(Quantiser, self.quantiser)
        z = self.network.get_submodule("feature_projection.layer_norm")(self.convolutions(audio))
        logits = functional.linear(z, weight.to(z.device), bias.to(z.device))
        return logits.view(*logits.shape[:2], n_groups, -1).argmax(-1).transpose(1, 2)

    def _into_blocks(
        self, audio: Float[Tensor, "batch samples"], noise: Noise | None = None
    ) -> Float[Tensor, "batch frames dim"]:
        projected = self.network.get_submodule("feature_projection")(self._convolved(audio))
        hidden: Tensor = projected[0] if isinstance(projected, tuple) else projected
        if noise is not None and noise.mask_probability:
            is_hidden = hidden_frames(len(hidden), hidden.shape[1], noise).to(hidden.device)
            hidden = hidden.masked_fill(is_hidden[..., None], 0.0)
        encoder = self.network.get_submodule("encoder")
        hidden = hidden + encoder.get_submodule("pos_conv_embed")(hidden)
        hidden = hidden if self.has_norm_at_end else encoder.get_submodule("layer_norm")(hidden)
        dropped: Tensor = encoder.get_submodule("dropout")(hidden)
        return dropped

    def _layers(
        self, hidden: Float[Tensor, "batch frames dim"], deepest: int, noise: Noise | None = None
    ) -> Iterator[tuple[int, Float[Tensor, "batch frames dim"]]]:
        """Yield every layer with its depth, the input of the first block as 0."""
        encoder = self.network.get_submodule("encoder")
        blocks = cast(nn.ModuleList, encoder.get_submodule("layers"))
        shared: dict[str, Tensor] = {}
        for depth in range(deepest + 1):
            is_left_out = depth > 1 and noise is not None and _chance(noise) < noise.layerdrop
            if depth and not is_left_out:
                answer = blocks[depth - 1](hidden, **shared)
                # WavLM's first block makes a bias of positions, which all others add too.
                hidden, shared = (
                    (answer[0], {"position_bias": answer[1]}) if isinstance(answer, tuple) else (answer, {})
                )
            if depth == len(blocks) and self.has_norm_at_end:
                hidden = encoder.get_submodule("layer_norm")(hidden)
            yield depth, hidden


def zero_mean_unit_variance(audio: Float[Tensor, "batch samples"]) -> Float[Tensor, "batch samples"]:
    """Return each row with mean 0 and (population) variance 1, silence as zeros.

    Over the samples given, so over a segment where a clip is segmented. Source: transformers' Wav2Vec2FeatureExtractor.
    """
    exact = audio.double()  # a sum over minutes in float32 would let the last digits depend on how it is split
    centred = exact - exact.mean(1, keepdim=True)
    return (centred / torch.sqrt(centred.square().mean(1, keepdim=True) + VARIANCE_FLOOR)).float()


def _chance(noise: Noise) -> float:
    return float(torch.rand((), generator=noise.generator))
