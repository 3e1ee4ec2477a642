"""The numbers of wav2vec 2.0's objective: the paper's BASE, and two that fit a laptop.

Source: Baevski et al. 2020, §4.2, and the published configuration of BASE.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import cast

from earmark.representations import _speech_shapes
from earmark.representations.wav2vec2 import SHAPE, masking, mel

# Under transformers' names. Their defaults are others: 0.1 of layers and activations, 0 before blocks and quantiser.
DROPOUTS: Mapping[str, object] = {
    **{"hidden_dropout": 0.1, "attention_dropout": 0.1, "activation_dropout": 0.0, "final_dropout": 0.0},
    **{"feat_proj_dropout": 0.1, "feat_quantizer_dropout": 0.1, "layerdrop": 0.05},
}
CODEBOOKS: Mapping[str, object] = {
    **{"num_codevector_groups": 2, "num_codevectors_per_group": 320},
    **{"codevector_dim": 256, "proj_codevector_dim": 256},
}
TINY_CODEBOOKS: Mapping[str, object] = {
    **{"num_codevector_groups": 2, "num_codevectors_per_group": 64, "codevector_dim": 64, "proj_codevector_dim": 64}
}


@dataclass(frozen=True)
class Temperature:
    """Of the Gumbel softmax: `max(first · factor^step, last)`."""

    first: float = 2.0
    factor: float = 0.999995
    last: float = 0.5

    def at(self, step: int) -> float:
        """Return the temperature after `step` optimiser steps."""
        return max(self.first * self.factor**step, self.last)


@dataclass(frozen=True)
class Mel:
    """A second task, not the paper's: to tell log-mel bands from z (`mel_task`). It is the whole loss for so many first
    steps, and is then added with a weight, each band of a hidden frame as much as the next.
    """

    alone_steps: int = 0
    weight: float = 0.0

    @property
    def is_asked(self) -> bool:
        """Whether there is such a task."""
        return self.alone_steps > 0 or self.weight > 0


@dataclass(frozen=True)
class Settings:
    """The objective; defaults are BASE's.

    `network` holds what transformers' Wav2Vec2Config is made of, dropouts among it. Weights are of the loss: diversity
    of the codebooks, and the mean square of the convolutions' output. `gradient_factor` scales what flows back into
    the convolutions. `negatives_across` are drawn from other clips of the batch, besides those of the same clip.
    """

    network: Mapping[str, object] = field(
        default_factory=lambda: MappingProxyType({**SHAPE, **_speech_shapes.BASE, **DROPOUTS, **CODEBOOKS})
    )
    mask_probability: float = 0.65
    mask_frames: int = 10
    least_spans: int = 2
    negatives: int = 100
    negatives_across: int = 0
    logit_temperature: float = 0.1
    diversity_weight: float = 0.1
    penalty_weight: float = 10.0
    gradient_factor: float = 0.1
    temperature: Temperature = Temperature()
    mel: Mel = Mel()
    normalised: bool = False  # every segment to mean 0 and variance 1 first

    @property
    def n_candidates(self) -> int:
        """The code sought and the negatives, of either kind."""
        return 1 + self.negatives + self.negatives_across

    @property
    def least_samples(self) -> int:
        """The shortest segment: frames for the spans that are hidden, and one of log-mel where that is to be told."""
        n_samples = masking.least_frames(self.mask_probability, self.mask_frames, self.least_spans)
        kernels, strides = (cast(tuple[int, ...], self.network[f"conv_{name}"]) for name in ("kernel", "stride"))
        for kernel, stride in reversed([*zip(kernels, strides, strict=True)]):
            n_samples = (n_samples - 1) * stride + kernel
        return max(n_samples, mel.N_FFT if self.mel.is_asked else 0)

    def reshaped(self, **network: object) -> "Settings":
        """Return them with some settings of the network changed."""
        return replace(self, network=MappingProxyType({**self.network, **network}))


BASE = Settings()
TINY = Settings(
    network=MappingProxyType({**SHAPE, "conv_dim": (64,) * 7, **mel.BODY, **DROPOUTS, **TINY_CODEBOOKS}),
    negatives=50,
    penalty_weight=1.0,
    gradient_factor=1.0,
    normalised=True,
)
MEL_TINY = Settings(
    network=MappingProxyType({**SHAPE, **mel.FRONT, **mel.BODY, **DROPOUTS, **TINY_CODEBOOKS}),
    negatives=50,
    penalty_weight=1.0,
    gradient_factor=1.0,
    normalised=True,
)
PRESETS: Mapping[str, Settings] = {"base": BASE, "tiny": TINY, "mel-tiny": MEL_TINY}
