"""The second task of small networks over raw audio: to tell log-mel bands from z, alone at first."""

from dataclasses import replace

import pytest
import torch
from torch import Tensor

from earmark.errors import UserError
from earmark.representations.objective import Step, added
from earmark.representations.wav2vec2 import mel
from earmark.representations.wav2vec2.masking import Draws
from earmark.representations.wav2vec2.mel_task import MelTask, field_samples
from earmark.representations.wav2vec2.objective import Wav2Vec2
from earmark.representations.wav2vec2.settings import BASE, MEL_TINY, TINY, Mel, Settings
from earmark.training import systems
from earmark.training.systems import Wav2Vec2System
from tests.representations.wav2vec2 import reference

N_SAMPLES = 24000


def made(alone_steps: int, weight: float, **changes: object) -> Wav2Vec2:
    asked = reference.miniature(gradient_factor=1.0, **changes)
    objective = Wav2Vec2(replace(asked, mel=Mel(alone_steps, weight)))
    objective.prepare(reference.music(4, N_SAMPLES, seed=9))
    return objective


def drawn(objective: Wav2Vec2, segments: Tensor) -> Draws:
    return objective.draw(len(segments), objective.n_frames(segments.shape[1]), torch.Generator().manual_seed(0))


def heard(objective: Wav2Vec2, segments: Tensor) -> Step:
    return objective.measure(segments, drawn(objective, segments))


def loss(step: Step) -> float:
    return float(step.loss.total.detach() / step.loss.count)


def squares(step: Step) -> float:
    told = step.monitors["mel_square"]
    return float(told.total / told.count)


def parts_with_gradient(objective: Wav2Vec2, step: Step) -> set[str]:
    torch.autograd.backward(step.loss.total)
    named = [*objective.parts().items(), ("mel", objective.mel)]
    return {
        name
        for name, part in named
        if part is not None and any(one.grad is not None and bool(one.grad.any()) for one in part.parameters())
    }


def test_alone_it_is_the_whole_loss_and_only_convolutions_learn() -> None:
    objective = made(alone_steps=5, weight=1.0)
    objective.before_step(4)
    step = heard(objective, reference.music(3, N_SAMPLES))
    assert loss(step) == pytest.approx(squares(step), rel=1e-6)
    assert parts_with_gradient(objective, step) == {"convolutions", "mel"}


def test_after_that_it_is_added_by_its_weight_and_all_parts_learn() -> None:
    segments, without = reference.music(3, N_SAMPLES), made(0, 0.0)
    objective = made(alone_steps=5, weight=0.25)
    objective.before_step(5)
    step, plain = heard(objective, segments), heard(without, segments)
    expected = loss(plain) + 0.25 * squares(step)
    assert loss(step) == pytest.approx(expected, rel=1e-6)
    assert parts_with_gradient(objective, step) == {"convolutions", "transformer", "quantiser", "mel"}


def test_what_is_watched_meanwhile_is_what_there_would_be_without_it() -> None:
    segments, without, objective = reference.music(3, N_SAMPLES), made(0, 0.0), made(5, 0.0)
    plain, step = heard(without, segments), heard(objective, segments)
    assert without.mel is None
    assert step.monitors.keys() - plain.monitors.keys() == {"mel_square"}
    for name, one in plain.monitors.items():
        torch.testing.assert_close(step.monitors[name].total, one.total)


def test_validation_measures_the_contrastive_task_while_the_other_is_alone() -> None:
    objective, without = made(5, 0.0).eval(), made(0, 0.0).eval()
    segments = reference.music(3, N_SAMPLES)
    torch.testing.assert_close(heard(objective, segments).loss.total, heard(without, segments).loss.total)


@pytest.mark.parametrize("alone_steps", [0, 1])
def test_gradients_do_not_depend_on_how_a_batch_is_split(alone_steps: int) -> None:
    objective = made(alone_steps, 0.5, diversity_weight=0.0).double()
    segments = reference.music(4, N_SAMPLES).double()
    draws = drawn(objective, segments)
    whole = objective.measure(segments, draws)
    torch.autograd.backward(whole.loss.total / whole.loss.count)
    expected = {name: one.grad.clone() for name, one in objective.named_parameters() if one.grad is not None}
    objective.zero_grad()
    steps = []
    for rows in (slice(0, 1), slice(1, 4)):
        noise = None if draws.noise is None else draws.noise[rows]
        masked, within, across = (one[rows] for one in (draws.masked, draws.within, draws.across))
        part = replace(draws, masked=masked, within=within, across=across, noise=noise)
        steps.append(objective.measure(segments[rows], part))
        torch.autograd.backward(steps[-1].loss.total)
    count = float(added(step.loss for step in steps).count)
    for name, one in objective.named_parameters():
        if one.grad is not None:
            torch.testing.assert_close(one.grad / count, expected[name], rtol=0, atol=1e-10)


@pytest.mark.parametrize("settings", [BASE, TINY, MEL_TINY], ids=["base", "tiny", "mel-tiny"])
def test_a_frame_tells_the_spectrum_around_its_middle(settings: Settings) -> None:
    class Config:
        conv_dim, conv_kernel, conv_stride = (settings.network[f"conv_{one}"] for one in ("dim", "kernel", "stride"))

    first = MelTask(Config, seed=0).first
    middle_of_z = first * mel.HOP_SAMPLES + field_samples(Config) / 2
    assert abs(middle_of_z - mel.N_FFT / 2) <= mel.HOP_SAMPLES / 2


def test_a_step_tells_the_squared_error_of_a_linear_map() -> None:
    objective = made(1, 0.0)
    assert objective.mel is not None
    torch.nn.init.zeros_(objective.mel.told.weight)
    torch.nn.init.zeros_(objective.mel.told.bias)
    told = objective.mel(torch.randn(4, 74, 32), reference.music(4, N_SAMPLES, seed=9))
    assert float(told.total.detach() / told.count) == pytest.approx(1.0, abs=1e-2), "the bands have variance 1"
    assert float(told.count) == 4 * (1 + (N_SAMPLES - 1024) // 320) * 128


def test_it_is_learnt_better_than_the_mean_of_each_band() -> None:
    objective, segments = made(100, 0.0), reference.music(4, N_SAMPLES, seed=9)
    optimiser = torch.optim.Adam(objective.parameters(), lr=3e-3)
    for _ in range(60):
        optimiser.zero_grad()
        step = heard(objective, segments)
        torch.autograd.backward(step.loss.total / step.loss.count)
        optimiser.step()
    assert squares(heard(objective, segments)) < 0.9


def test_a_file_can_ask_for_it_and_a_checkpoint_holds_nothing_of_it() -> None:
    system = systems.find("wav2vec2-tiny", {"mel": {"alone_steps": 240, "weight": 1}})
    assert isinstance(system, Wav2Vec2System)
    assert system.settings.mel == Mel(240, 1.0)
    objective = system.build(0)
    assert any(name.startswith("mel.") for name in objective.state_dict())
    plain = systems.find("wav2vec2-tiny", {})
    assert system.contents(objective).tensors.keys() == plain.contents(plain.build(0)).tensors.keys()
    with pytest.raises(UserError, match=r"There is no setting 'steps'\. Did you mean 'alone_steps'"):
        systems.find("wav2vec2-tiny", {"mel": {"steps": 240}})
