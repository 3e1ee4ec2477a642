"""Segments that are too short to learn from: refused at their place in the file, and none that is long enough."""

from pathlib import Path
from typing import Literal

import numpy as np
import pytest
import torch

from earmark.errors import SpecError, UserError
from earmark.representations.encodecmae import inputs as hearing
from earmark.representations.encodecmae import masking as runs
from earmark.representations.encodecmae.settings import Settings as EncodecMAESettings
from earmark.representations.wav2vec2 import masking
from earmark.representations.wav2vec2.objective import Wav2Vec2
from earmark.representations.wav2vec2.settings import MEL_TINY, TINY, Mel, Settings
from earmark.training import config
from tests.training.test_pretrain_verb import CONFIG, music, trained

__all__ = ["music"]  # a fixture

TOLD = Settings(
    network={**TINY.network, "conv_dim": (8,) * 7},
    mask_frames=2,
    least_spans=1,
    mask_probability=0.3,
    mel=Mel(alone_steps=5),
    negatives=1,
)
OF_CODES = {f"encodecmae_{size}" for size in ("small", "base", "base_st", "large")}


def generator() -> torch.Generator:
    return torch.Generator().manual_seed(0)


def heard(objective: Wav2Vec2, audio: torch.Tensor) -> torch.Tensor:
    objective.prepare(audio)
    objective.before_step(0)
    step = objective.forward(audio, generator())
    return step.loss.total


@pytest.mark.parametrize("settings", [TINY, MEL_TINY, TOLD, Settings(mask_frames=4, network=TINY.network)])
def test_wav2vec2_learns_from_its_shortest_segment_and_from_none_that_is_shorter(settings: Settings) -> None:
    objective, least = Wav2Vec2(settings, 0), settings.least_samples
    audio = torch.from_numpy(np.random.default_rng(0).standard_normal((2, least)).astype(np.float32))
    assert torch.isfinite(heard(objective, audio))
    with pytest.raises((UserError, RuntimeError)):  # a window of log-mel that does not fit is none of our errors
        heard(objective, audio[:, :-1])


@pytest.mark.parametrize("probability", [0.05, 0.3, 0.65, 0.99])
@pytest.mark.parametrize("span_frames", [2, 5, 10])
@pytest.mark.parametrize("least_spans", [0, 2, 9])
def test_the_fewest_frames_are_those_that_masks_have_room_in(
    probability: float, span_frames: int, least_spans: int
) -> None:
    least = masking.least_frames(probability, span_frames, least_spans)
    assert masking.masked_frames(3, least, probability, span_frames, least_spans, generator()).shape[0] == 3
    with pytest.raises(UserError, match="Take longer segments"):
        masking.masked_frames(3, least - 1, probability, span_frames, least_spans, generator())


def test_masks_that_leave_no_room_in_any_segment_are_refused() -> None:
    with pytest.raises(UserError, match=r"got a mask_probability of 1 for spans of 1 frames\. Take a lower"):
        masking.least_frames(1.0, 1, 2)


@pytest.mark.parametrize(("name", "codec"), [("mel128", ""), ("mel256", ""), ("encodec", "random:encodec-24khz")])
@pytest.mark.parametrize(("mask_frames", "mask_share"), [(15, 0.5), (1, 0.5), (2, 0.1)])
def test_encodecmae_hides_frames_of_its_shortest_segment_and_of_none_that_is_shorter(
    name: Literal["encodec", "mel256", "mel128"], codec: str, mask_frames: int, mask_share: float
) -> None:
    settings = EncodecMAESettings(inputs=name, mask_frames=mask_frames, mask_share=mask_share)
    heard = hearing.inputs(name, codec)

    def hide(n_samples: int) -> None:
        n_frames = heard(torch.zeros(1, n_samples)).shape[1]
        runs.draw(1, n_frames, settings.mask_share, settings.mask_frames, generator())

    hide(settings.least_samples)
    with pytest.raises(UserError, match="Take longer segments"):
        hide(settings.least_samples - 1)


# What codes of EnCodec hear is known when their folder is opened, not from the file.
@pytest.mark.parametrize("name", sorted(one.stem for one in config.SHIPPED.glob("*.yml") if one.stem not in OF_CODES))
def test_a_shipped_file_with_segments_of_a_hundredth_of_a_second_is_refused_at_its_place(name: str) -> None:
    with pytest.raises(SpecError, match=r"Expected segments of at least .* Take longer ones\.") as caught:
        config.load(Path(name), ["segments.segment_s=0.01"])
    assert str(caught.value).startswith("--set:1:20: ")


def test_nothing_is_written_for_segments_that_are_too_short(music: Path, tmp_path: Path) -> None:
    (tmp_path / "small.yml").write_text(CONFIG)
    with pytest.raises(SpecError, match=r"at least 0\.245 s \(3,920 samples\) for 'wav2vec2-tiny', got 0\.05 s"):
        trained(tmp_path / "small.yml", music, tmp_path / "run", "segments.segment_s=0.05")
    assert not (tmp_path / "run").exists()
