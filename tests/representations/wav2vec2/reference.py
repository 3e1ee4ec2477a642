"""wav2vec 2.0's loss written the long way: transformers' own module, and by hand what it lacks.

What transformers lacks: the penalty on the convolutions' output and the factor on their gradient. Its noise is replaced
by the noise given, and its straight-through choice by an exact one.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from earmark.representations.wav2vec2.masking import Draws
from earmark.representations.wav2vec2.objective import Wav2Vec2
from earmark.representations.wav2vec2.settings import TINY, Settings

STILL = {"hidden_dropout": 0.0, "attention_dropout": 0.0, "feat_proj_dropout": 0.0, "feat_quantizer_dropout": 0.0}


def miniature(**changes: Any) -> Settings:
    """A shape of seconds: 32 channels, 2 blocks, 2 x 16 entries, 20 negatives; no dropout unless asked for."""
    shape: dict[str, object] = {
        **{"conv_dim": (32,) * 7, "hidden_size": 32, "num_hidden_layers": 2, "intermediate_size": 64},
        **{"num_codevectors_per_group": 16, "codevector_dim": 16, "proj_codevector_dim": 16},
        **{"layerdrop": 0.0, **STILL, **changes.pop("network", {})},
    }
    ours = {"negatives": 20, "normalised": False, "penalty_weight": 10.0, "gradient_factor": 0.1, **changes}
    return replace(TINY.reshaped(**shape), **ours)


def music(n_clips: int, n_samples: int, seed: int = 0) -> Tensor:
    """Sums of slowly swelling harmonics with a little noise, (clips, samples), 16 kHz."""
    rng = torch.Generator().manual_seed(seed)
    time_s = torch.arange(n_samples) / 16000
    hz = 110.0 * 2.0 ** (torch.rand(n_clips, 4, 1, generator=rng) * 3.0)
    swell = 0.5 + 0.5 * torch.sin(2 * torch.pi * (1.0 + torch.rand(n_clips, 4, 1, generator=rng)) * time_s)
    return (swell * torch.sin(2 * torch.pi * hz * time_s)).sum(1) / 8 + 0.01 * torch.randn(
        n_clips, n_samples, generator=rng
    )


class Terms(NamedTuple):
    """Sums over hidden frames, and how many there are."""

    contrastive: Tensor
    diversity: Tensor
    penalty: Tensor
    n_masked: int


def terms(model: Any, segments: Tensor, draws: Draws, settings: Settings, temperature: float) -> Terms:
    """The three terms by transformers' module; `model` is its Wav2Vec2ForPreTraining."""
    n_clips, n_frames = len(segments), int(model._get_feat_extract_output_lengths(segments.shape[1]))
    is_hidden = torch.zeros(n_clips, n_frames, dtype=torch.bool).scatter_(1, draws.masked, True)
    negatives = torch.zeros(n_clips, n_frames, settings.negatives, dtype=torch.long)
    for clip in range(n_clips):
        negatives[clip, draws.masked[clip]] = clip * n_frames + draws.masked[clip][draws.within[clip]]
    raw: list[Tensor] = []

    def slow(module: nn.Module, given: object, answer: Tensor) -> Tensor:
        factor = settings.gradient_factor
        raw.append(answer * factor + answer.detach() * (1.0 - factor))
        return raw[0]

    handle = model.wav2vec2.feature_extractor.register_forward_hook(slow)
    model.set_gumbel_temperature(temperature)
    with given_noise(draws, n_frames):
        said = model(segments, mask_time_indices=is_hidden, sampled_negative_indices=negatives)
    handle.remove()
    n_masked = int(is_hidden.sum())
    return Terms(said.contrastive_loss, said.diversity_loss, n_masked * raw[0].square().mean(), n_masked)


@contextmanager
def given_noise(draws: Draws, n_frames: int) -> Iterator[None]:
    """Let transformers' quantiser draw the noise given at hidden frames, and none elsewhere."""
    theirs = nn.functional.gumbel_softmax

    def ours(logits: Tensor, tau: float, hard: bool) -> Tensor:
        assert hard
        assert draws.noise is not None
        n_groups, n_entries = draws.noise.shape[2:]
        noise = logits.new_zeros(len(draws.masked), n_frames, n_groups, n_entries)
        for clip, masked in enumerate(draws.masked):
            noise[clip, masked] = draws.noise[clip].to(noise.dtype)
        noisy = logits + noise.view_as(logits)
        soft = (noisy / tau).softmax(-1)
        return nn.functional.one_hot(noisy.argmax(-1), n_entries) + (soft - soft.detach())

    nn.functional.gumbel_softmax = ours  # type: ignore[assignment]
    try:
        yield
    finally:
        nn.functional.gumbel_softmax = theirs


def twin(objective: Wav2Vec2) -> Any:
    """Transformers' class with the objective's weights."""
    import transformers

    ours: Any = objective.network
    with torch.random.fork_rng(devices=[]):
        made: Any = transformers.Wav2Vec2ForPreTraining(ours.config)
    made.load_state_dict(ours.state_dict())
    return made.to(next(objective.parameters()).dtype).train(objective.training)
