"""The loss equals one written frame by frame, however a batch is split; audio and cached codes are one."""

from dataclasses import replace

import pytest
import torch
from torch import Tensor

from earmark.errors import UserError
from earmark.representations.encodecmae import inputs, targets
from earmark.representations.encodecmae.masking import Frames
from earmark.representations.encodecmae.objective import EncodecMAE
from earmark.representations.encodecmae.settings import TINY, Settings
from earmark.representations.encodecmae.targets import Coded
from earmark.representations.objective import Measured, Step, added, means
from tests.representations.encodecmae import reference


def objective(settings: Settings) -> EncodecMAE:
    return EncodecMAE(settings, seed=1).double()


def mean(step: Step) -> float:
    return float((step.loss.total / step.loss.count).detach())


@pytest.mark.parametrize(
    "settings",
    [
        reference.miniature(),
        reference.miniature(delta=0.4, gamma=None, mask_share=0.3, mask_token="learned"),
        reference.miniature(targets="codec+kmeans", gamma=(0.6, 0.4)),
    ],
)
@pytest.mark.parametrize("padded", [0, 2])
def test_the_loss_is_that_of_a_loop_over_frames_and_codebooks(settings: Settings, padded: int) -> None:
    ours, batch = objective(settings), reference.coded(settings, padded=padded)
    frames = ours.draw(batch.codes, reference.seeded(3))
    step = ours(batch, reference.seeded(3))
    expected = reference.loss(ours.network(batch.frames, frames), batch.codes, frames, settings)
    torch.testing.assert_close(step.loss.total / step.loss.count, expected, rtol=0, atol=1e-12)
    gradient = torch.autograd.grad(step.loss.total / step.loss.count, list(ours.network.parameters()))
    for one, other in zip(gradient, torch.autograd.grad(expected, list(ours.network.parameters())), strict=True):
        torch.testing.assert_close(one, other, rtol=0, atol=1e-12)


def test_in_single_precision_the_loss_is_the_same_to_a_millionth() -> None:
    ours, batch = EncodecMAE(TINY, seed=1), reference.coded(TINY, 2, 200)
    batch = batch._replace(frames=batch.frames.float())
    with torch.no_grad():
        step, frames = ours(batch, reference.seeded()), ours.draw(batch.codes, reference.seeded())
        expected = reference.loss(ours.network(batch.frames, frames), batch.codes, frames, TINY)
    assert mean(step) == pytest.approx(float(expected), rel=1e-6)


def test_a_random_network_is_about_as_wrong_as_chance() -> None:
    ours, batch = EncodecMAE(TINY, seed=0), reference.coded(TINY, 2, 200)
    step = ours(batch._replace(frames=batch.frames.float()), reference.seeded())
    assert mean(step) == pytest.approx(5.545, abs=1.2)


def gradients(ours: EncodecMAE, parts: list[Coded]) -> tuple[list[Tensor], float]:
    """As the trainer does it: survey, add gradients of totals, divide once."""
    generators = [100 + number for number in range(len(parts))]
    whole = None
    if len(parts) > 1:
        whole = added(ours.survey(one, reference.seeded(seed)) for one, seed in zip(parts, generators, strict=True))
    ours.zero_grad()
    steps = [ours(one, reference.seeded(seed), whole) for one, seed in zip(parts, generators, strict=True)]
    for step in steps:
        torch.autograd.backward(step.loss.total)
    loss = added(Measured(step.loss.total.detach(), step.loss.count) for step in steps)
    found = [torch.zeros_like(one) if one.grad is None else one.grad / loss.count for one in ours.parameters()]
    return found, float(loss.total / loss.count)


@pytest.mark.parametrize("padded", [0, 3])
@pytest.mark.parametrize("sizes", [(3, 3), (1, 5), (1, 2, 3), (1,) * 6])
def test_splitting_a_batch_changes_no_gradient(
    sizes: tuple[int, ...], padded: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = reference.miniature()
    ours, batch = objective(settings), reference.coded(settings, padded=padded)
    all_frames = ours.draw(batch.codes, reference.seeded(9))
    parts, starts = [], [sum(sizes[:number]) for number in range(len(sizes))]
    for start, size in zip(starts, sizes, strict=True):
        parts.append(Coded(*(leaf[start : start + size] for leaf in batch)))
    by_part = {
        len(parts) > 1 and 100 + number: Frames(*(leaf[start : start + size] for leaf in all_frames))
        for number, (start, size) in enumerate(zip(starts, sizes, strict=True))
    }

    def drawn(codes: Tensor, generator: torch.Generator) -> Frames:
        return by_part.get(generator.initial_seed(), all_frames) if len(codes) < reference.CLIPS else all_frames

    monkeypatch.setattr(ours, "draw", drawn)
    whole, loss = gradients(ours, [batch])
    split, split_loss = gradients(ours, parts)
    assert split_loss == pytest.approx(loss, abs=1e-12)
    for one, other in zip(whole, split, strict=True):
        torch.testing.assert_close(one, other, rtol=0, atol=1e-10)
    assert max(float(one.abs().max()) for one in whole) > 1e-3


def test_without_a_survey_parts_with_other_padding_would_weigh_wrongly() -> None:
    settings = reference.miniature()
    ours, batch = objective(settings), reference.coded(settings, padded=3)
    parts = [Coded(*(leaf[:3] for leaf in batch)), Coded(*(leaf[3:] for leaf in batch))]
    counts = [ours.survey(one, reference.seeded(number)) for number, one in enumerate(parts)]
    assert float(counts[0].total.sum()) == 3 * reference.FRAMES - 9
    assert float(counts[1].total.sum()) == 3 * reference.FRAMES - 36
    assert [float(one.count) for one in counts] == [3.0 * reference.FRAMES] * 2
    with torch.no_grad():
        alone = [float(ours(one, reference.seeded(number)).loss.total) for number, one in enumerate(parts)]
        together = [
            float(ours(one, reference.seeded(number), added(counts)).loss.total) for number, one in enumerate(parts)
        ]
    assert together[0] > 1.2 * alone[0], "the part with more frames that count weighs more"
    assert together[1] < 0.8 * alone[1]


def test_masks_are_drawn_in_validation_too_from_the_generator_alone() -> None:
    ours, batch = objective(reference.miniature()).eval(), reference.coded(reference.miniature())
    one, same, other = (mean(ours(batch, reference.seeded(seed))) for seed in (0, 0, 1))
    assert one == same
    assert one != other
    assert float(means(ours(batch, reference.seeded()).monitors)["masked"]) == 0.5


def of_tiny() -> EncodecMAE:
    """The tiny shape on real mel frames, with codebooks that `prepare` fits."""
    settings = replace(
        TINY, dim=16, heads=2, head_dim=8, encoder_layers=1, ffn_dim=16, n_streams=2, n_codes=8, gamma=None
    )
    heard = inputs.inputs("mel128")
    return EncodecMAE(settings, 0, heard, targets.of_inputs(heard, 2, 8))


def music(n_clips: int, n_samples: int) -> Tensor:
    hz = 110.0 * torch.arange(1, n_clips + 1)[:, None] * torch.linspace(1.0, 3.0, n_samples)
    return 0.3 * torch.sin(2 * torch.pi * hz * torch.arange(n_samples) / 16000)


def test_audio_is_heard_and_coded_as_its_cached_frames_and_codes_are() -> None:
    ours, audio = of_tiny(), music(3, 16000)
    ours.prepare(audio)
    assert ours.inputs is not None
    assert ours.targets is not None
    frames = ours.inputs(audio)
    cached = Coded(frames, ours.targets(audio, frames).to(torch.int16))
    from_audio, from_cache = (ours(heard, reference.seeded(1)) for heard in (audio, cached))
    assert torch.equal(from_audio.loss.total, from_cache.loss.total)
    assert float(from_audio.loss.count) == 3 * 50
    counted, cached_count = (ours.survey(heard, reference.seeded(1)) for heard in (audio, cached))
    assert torch.equal(counted.total, cached_count.total)
    assert counted.total.tolist() == [75.0, 75.0]
    assert torch.equal(counted.count, cached_count.count)


def test_only_the_network_is_trained_and_what_is_frozen_stays_in_inference_mode() -> None:
    ours = of_tiny()
    ours.prepare(music(3, 16000))
    frozen = {name: one.clone() for name, one in ours.state_dict().items() if not name.startswith("network.")}
    assert {name.partition(".")[0] for name in frozen} == {"inputs", "targets"}
    assert all(name.startswith("network.") for name, one in ours.named_parameters() if one.requires_grad)
    optimiser = torch.optim.AdamW(ours.parameters(), lr=1e-2)
    losses = list[float]()
    for number in range(40):
        step = ours.train()(music(3, 16000), reference.seeded(number % 3))
        torch.autograd.backward(step.loss.total / step.loss.count)
        optimiser.step()
        optimiser.zero_grad()
        losses.append(mean(step))
    assert losses[-1] < 0.7 * losses[0], "it learns"
    for name, tensor in frozen.items():
        assert torch.equal(ours.state_dict()[name], tensor), name
    assert not any(one.training for one in (ours.inputs, ours.targets) if one is not None)


def test_inputs_of_a_codec_give_frames_that_can_be_learnt_from() -> None:
    heard = inputs.inputs("encodec", "random:encodec-tiny")
    settings = reference.miniature(inputs="encodec", n_streams=4, n_codes=1024, gamma=None, targets="codec")
    ours = EncodecMAE(settings, 0, heard, targets.of_codec(inputs.load_codec("random:encodec-tiny"), heard, 4))
    step = ours(torch.randn(2, 24000, generator=reference.seeded()) * 0.1, reference.seeded())
    torch.autograd.backward(step.loss.total)
    assert float(step.loss.count) == 150.0
    projected = ours.network.encoder.project.weight.grad
    assert projected is not None
    assert float(projected.abs().min()) > 0.0


def test_in_half_precision_losses_are_single() -> None:
    ours, batch = EncodecMAE(reference.miniature(), seed=1), reference.coded(reference.miniature())
    batch = batch._replace(frames=batch.frames.float())
    exact = ours(batch, reference.seeded())
    with torch.autocast("cpu", torch.bfloat16):
        rough = ours(batch, reference.seeded())
    assert rough.loss.total.dtype == torch.float32
    assert mean(rough) == pytest.approx(mean(exact), rel=0.02)
    assert all(one.total.dtype == torch.float32 for one in rough.monitors.values())


def test_gradient_norms_are_seen_by_part() -> None:
    ours = objective(reference.miniature())
    parts = ours.parts()
    assert list(parts) == ["encoder", "decoder", "head"]
    covered = sum(one.numel() for part in parts.values() for one in part.parameters())
    assert covered == sum(one.numel() for one in ours.network.parameters())


def test_what_does_not_fit_is_refused() -> None:
    settings = reference.miniature()
    ours, batch = objective(settings), reference.coded(settings)
    with pytest.raises(UserError, match=r"Expected codes \(clips, 3 streams, 20 frames\), got \(6, 2, 20\).*of other"):
        ours(batch._replace(codes=batch.codes[:, :2]), reference.seeded())
    with pytest.raises(
        UserError, match=r"3 streams, 20 frames\), got \(6, 3, 19\).*or of another rate: make them anew"
    ):
        ours(batch._replace(codes=batch.codes[..., 1:]), reference.seeded())
    with pytest.raises(UserError, match=r"Expected codes below 11, got 11\."):
        ours(batch._replace(codes=batch.codes.clamp_min(11)), reference.seeded())
    with pytest.raises(UserError, match=r"Expected cached frames and codes, got audio: .* built without inputs"):
        ours(torch.zeros(1, 16000), reference.seeded())
    with pytest.raises(UserError, match=r"more than 3 frames, .* got 3 frames\. Take longer segments"):
        ours(reference.coded(settings, n_frames=3), reference.seeded())
    heard = inputs.inputs("mel128")
    with pytest.raises(UserError, match="Expected targets of 3 streams of 11 codes, got 4 of 256"):
        EncodecMAE(settings, 0, heard, targets.of_inputs(heard, 4, 256))
    with pytest.raises(UserError, match="got audio: this objective was built without targets"):
        EncodecMAE(settings, 0, heard)(torch.zeros(1, 16000), reference.seeded())
