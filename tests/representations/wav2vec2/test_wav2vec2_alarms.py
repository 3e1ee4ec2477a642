"""Runs that are lost are named: planted ones that really train, and histories written by hand."""

import json
import math
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import Tensor

from earmark import identity
from earmark.representations.objective import means
from earmark.representations.wav2vec2 import monitors
from earmark.representations.wav2vec2.mel import MelFrontEnd
from earmark.representations.wav2vec2.objective import Wav2Vec2
from earmark.representations.wav2vec2.settings import MEL_TINY, TINY
from earmark.training import trainer
from earmark.training.job import Hardware, Training, Validation
from earmark.training.recipe import Recipe
from earmark.training.schedules import Schedule
from earmark.training.systems import Wav2Vec2System
from tests.representations.wav2vec2 import reference
from tests.training.small_objective import SmallSegments

HEALTHY = {
    **{"contrastive_nats": 3.0, "accuracy": 0.4, "identical": 0.02, "lag_1": 0.5, "diversity": 0.3},
    **{"perplexity_soft_0": 200.0, "perplexity_soft_1": 210.0},
}


def history(n_steps: int, **changes: float) -> list[dict[str, float]]:
    return [{**HEALTHY, **changes, "step": float(step)} for step in range(n_steps)]


def names(
    found: Sequence[monitors.Reading], n_candidates: int = 101, validated: monitors.Reading | None = None
) -> set[str]:
    return {one.name for one in monitors.alarms(found, n_candidates, validated)}


def train(
    ours: Wav2Vec2, n_steps: int, rate: float, until: str = "", loudness: float = 1.0
) -> tuple[list[dict[str, float]], list[str]]:
    """Train until an alarm, or so many steps; return the readings and the alarms by the order they first came in."""
    optimiser = torch.optim.AdamW(ours.parameters(), lr=rate)
    found: list[dict[str, float]] = []
    raised: list[str] = []
    for number in range(n_steps):
        step = ours(loudness * reference.music(3, 16000, number), torch.Generator().manual_seed(number))
        torch.autograd.backward(step.loss.total / step.loss.count)
        optimiser.step()
        optimiser.zero_grad()
        found.append({**ours.read(means(step.monitors)), "step": float(number)})
        raised += [one.name for one in ours.alarms(found) if one.name not in raised]
        if until in raised:
            break
    return found, raised


def test_a_run_whose_diversity_has_the_wrong_sign_collapses_to_one_code_and_is_named() -> None:
    ours = Wav2Vec2(reference.miniature(diversity_weight=-5.0))
    found, raised = train(ours, 500, rate=1e-2, until="one_code")
    assert [one for one in raised if one != "phase_noise"] == ["identical_negatives", "one_code"]
    assert len(found) < 500
    last = ours.alarms(found)[0]
    assert last.text.startswith(f"one_code at step {len(found) - 1}: all frames choose one code. Raise the")
    assert found[-1]["perplexity_soft_0"] + found[-1]["perplexity_soft_1"] < 4.0


def test_a_corpus_of_silence_teaches_nothing_and_is_named() -> None:
    found, raised = train(Wav2Vec2(reference.miniature()), 500, rate=5e-4, until="uniform_guesses", loudness=0.0)
    assert raised == ["phase_noise", "uniform_guesses"]
    assert found[-1]["contrastive_nats"] == pytest.approx(math.log(21), abs=0.02)
    assert len(found) < 500


def test_a_run_that_is_right_raises_none_in_as_many_steps() -> None:
    found, raised = train(Wav2Vec2(reference.miniature()), 60, rate=5e-4)
    assert (len(found), set(raised) - {"phase_noise"}) == (60, set())


def first_reading(ours: Wav2Vec2, segments: Tensor) -> dict[str, float]:
    ours.prepare(segments)
    with torch.no_grad():
        step = ours.train()(segments, torch.Generator().manual_seed(0))
    return {**ours.read(means(step.monitors)), "step": 0.0}


def test_a_front_end_of_phase_noise_is_named_before_it_trains() -> None:
    ours = Wav2Vec2(TINY)
    noise = torch.randn(3, 24000, generator=torch.Generator().manual_seed(0))
    start = first_reading(ours, noise)
    assert start["lag_1"] < 0.2
    (alarm,) = ours.alarms([start])
    assert (alarm.name, alarm.step) == ("phase_noise", 0)
    assert f"correlate by {start['lag_1']:.2f} at the start, below 0.2" in alarm.text


def test_frames_of_a_spectrogram_resemble_their_neighbours() -> None:
    ours = Wav2Vec2(MEL_TINY)
    start = first_reading(ours, reference.music(3, 24000))
    assert isinstance(ours._model.wav2vec2.feature_extractor, MelFrontEnd)
    assert start["lag_1"] > 0.4
    assert ours.alarms([start]) == ()


def test_lag_1_is_the_correlation_of_neighbours() -> None:
    rng = torch.Generator().manual_seed(0)
    z = [torch.randn(2, 4000, 3, generator=rng, dtype=torch.float64)]
    for memory in (0.7, 0.2, 0.0):
        steps = [z[0][:, 0]]
        for fresh in z[0][:, 1:].unbind(1):
            steps.append(memory * steps[-1] + math.sqrt(1 - memory**2) * fresh)
        frames = torch.stack(steps, 1) + 100.0
        measured = monitors.neighbours(frames)
        assert monitors.lag_1(measured.total / measured.count) == pytest.approx(memory, abs=0.03)
    still = monitors.neighbours(torch.ones(1, 5, 3))
    assert monitors.lag_1(still.total / still.count) == 0.0


def test_a_healthy_history_has_no_alarm() -> None:
    assert names(history(600)) == set()
    assert names([]) == set()


@pytest.mark.parametrize(
    ("name", "n_steps", "changes"),
    [
        (
            "one_code",
            20,
            {"identical": 1.0, "perplexity_soft_0": 1.01, "perplexity_soft_1": 1.0, "contrastive_nats": 0},
        ),
        ("identical_negatives", 20, {"identical": 0.6}),
        ("uniform_guesses", 200, {"contrastive_nats": 4.6153, "accuracy": 0.02}),
        ("few_codes", 500, {"perplexity_soft_0": 6.0, "perplexity_soft_1": 3.9}),
    ],
)
def test_a_signature_is_named_when_it_has_lasted(name: str, n_steps: int, changes: dict[str, float]) -> None:
    assert names(history(n_steps, **changes)) == {name}
    assert names(history(n_steps - 1, **changes)) == set(), "not before"
    later = [{**one, "step": one["step"] + 9000} for one in history(n_steps, **changes)]
    assert names(later) == {name}, "a history may begin late"
    healed = [*later, *({**HEALTHY, "step": 9000.0 + n_steps + step} for step in range(n_steps))]
    assert names(healed) == set(), "what is over is over"


def test_uniform_guesses_are_over_the_candidates_there_are() -> None:
    assert names(history(200, contrastive_nats=math.log(51)), 51) == {"uniform_guesses"}
    assert names(history(200, contrastive_nats=math.log(51)), 101) == set()


def test_a_shortcut_is_sureness_within_500_steps_while_perplexity_falls() -> None:
    sure = {"accuracy": 0.99, "perplexity_soft_0": 90.0, "perplexity_soft_1": 90.0}
    early = [*history(100), *({**HEALTHY, **sure, "step": 100.0 + step} for step in range(20))]
    assert names(early) == {"shortcut"}
    wide = [*history(100), *({**HEALTHY, "accuracy": 0.99, "step": 100.0 + step} for step in range(20))]
    assert names(wide) == set(), "sure with many codes is learning"
    late = [*history(600), *({**HEALTHY, **sure, "step": 600.0 + step} for step in range(20))]
    assert names(late) == set()


def test_validation_with_fewer_codes_is_named() -> None:
    assert names(history(5), validated={**HEALTHY, "diversity": 0.8}) == {"validation_differs"}
    assert names(history(5), validated={**HEALTHY, "diversity": 0.4}) == set()


def test_phase_noise_is_of_the_first_step_only() -> None:
    assert names(history(5, lag_1=0.19)) == {"phase_noise"}
    late = [{**one, "step": one["step"] + 10} for one in history(5, lag_1=0.1)]
    assert names(late) == set()


def test_what_was_only_watched_counts_for_nothing() -> None:
    watched = [{**one, "contrastive_nats": 4.6151, "lag_1": 0.05} for one in history(240)]
    after = [{**one, "step": one["step"] + 240} for one in history(30)]
    noisy = [{**one, "lag_1": 0.1} for one in after]
    assert {one.name for one in monitors.alarms(watched, 101)} == {"uniform_guesses", "phase_noise"}
    assert monitors.alarms(watched, 101, first_step=240) == ()
    assert monitors.alarms([*watched, *after], 101, first_step=240) == ()
    (alarm,) = monitors.alarms([*watched, *noisy], 101, first_step=240)
    assert (alarm.name, alarm.step) == ("phase_noise", 240)


def test_losses_are_said_in_nats_and_bits() -> None:
    ours = Wav2Vec2(reference.miniature())
    said = first_reading(ours, reference.music(2, 16000))
    assert said["contrastive_bits"] == pytest.approx(said["contrastive_nats"] / math.log(2))
    assert "contrastive" not in said
    assert said["temperature"] == 2.0
    assert said["masked"] == pytest.approx(30 / 49, abs=0.3)


def test_used_codes_are_of_all_that_was_added() -> None:
    ours = Wav2Vec2(reference.miniature())
    steps = [ours(reference.music(1, 8000, seed), torch.Generator().manual_seed(seed)) for seed in range(3)]
    each = [sum(ours.read(means(step.monitors))[f"used_codes_{group}"] for group in (0, 1)) for step in steps]
    monitored = [step.monitors["codes_hard"] for step in steps]
    union = (sum((one.total for one in monitored), torch.zeros(())) > 0).sum(1)
    assert 32 > int(union.sum()) > max(each)
    together = {**means(steps[0].monitors), "codes_hard": sum((one.total for one in monitored), torch.zeros(()))}
    said = ours.read(together)
    assert [said["used_codes_0"], said["used_codes_1"]] == union.tolist()


class Noise(SmallSegments):
    segment_s = 0.5

    def at(self, epoch: int, index: int) -> NDArray[np.float32]:
        return identity.generator("made", epoch, index).standard_normal(8000).astype(np.float32)


class Silence(Noise):
    def at(self, epoch: int, index: int) -> NDArray[np.float32]:
        return np.zeros(8000, np.float32)


def test_a_run_that_is_validated_on_clips_of_few_codes_is_named_while_it_goes_on(tmp_path: Path) -> None:
    network = {
        **{"hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 32},
        **{"num_conv_pos_embeddings": 16, "num_conv_pos_embedding_groups": 4},
        **{"num_codevectors_per_group": 4, "codevector_dim": 8, "proj_codevector_dim": 8},
    }
    system = Wav2Vec2System("wav2vec2-mel-tiny", {"network": network})
    recipe = Recipe(2, 12, 12, Schedule(1e-4, 1), save_every_steps=2, seed=3)
    about = {"trained_on": "noise", "objective": "codes", "licence": "CC0-1.0"}
    training = Training("planted", system, recipe, Noise, tmp_path, about, Validation(Silence, 4))
    said: list[str] = []
    last = trainer.fit(training, Hardware(), say=said.append)
    assert "alarm: validation_differs at step 1: fewer codes in validation" in "\n".join(said)
    assert [one["name"] for one in json.loads((last / "card.json").read_text())["alarms"]] == ["validation_differs"]


def test_an_epoch_is_said_in_words() -> None:
    reading = {**HEALTHY, "used_codes_0": 61.0, "used_codes_1": 64.0, "perplexity_soft_0": 17.2}
    assert monitors.words(reading) == "used codes 61 + 64, perplexity 17 + 210, accuracy 0.40"
