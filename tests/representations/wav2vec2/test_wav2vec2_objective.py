"""The objective equals transformers' module where that is right, and derivations by hand where it has nothing."""

import itertools
from collections.abc import Mapping
from dataclasses import replace

import pytest
import torch
from torch import Tensor, nn

from earmark.errors import UserError
from earmark.representations.objective import Measured, Step, added, means
from earmark.representations.wav2vec2.masking import Draws
from earmark.representations.wav2vec2.objective import Wav2Vec2
from earmark.representations.wav2vec2.settings import MEL_TINY, TINY
from tests.representations.wav2vec2 import reference

N_SAMPLES = 24000


def seeded(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def drawn(objective: Wav2Vec2, segments: Tensor, seed: int = 0) -> Draws:
    return objective.draw(len(segments), objective.n_frames(segments.shape[1]), seeded(seed))


def rows(draws: Draws, chosen: slice) -> Draws:
    noise = None if draws.noise is None else draws.noise[chosen]
    masked, within, across = (one[chosen] for one in (draws.masked, draws.within, draws.across))
    return replace(draws, masked=masked, within=within, across=across, noise=noise)


def gradients(module: nn.Module) -> dict[str, Tensor]:
    return {name: one.grad.clone() for name, one in module.named_parameters() if one.grad is not None}


def value(step: Step, name: str) -> float:
    return float(step.monitors[name].total)


@pytest.mark.parametrize("seed", range(3))
def test_terms_and_gradients_equal_those_of_transformers(seed: int) -> None:
    ours = Wav2Vec2(reference.miniature(), seed)
    theirs, segments = reference.twin(ours), reference.music(3, N_SAMPLES, seed)
    draws = drawn(ours, segments, seed)
    step = ours.measure(segments, draws)
    terms = reference.terms(theirs, segments, draws, ours.settings, 2.0)
    n = terms.n_masked
    assert value(step, "identical") > 0, "some negatives are blocked"
    assert value(step, "contrastive") / n == pytest.approx(float(terms.contrastive.detach()) / n, abs=1e-5)
    assert value(step, "diversity") / n == pytest.approx(float(terms.diversity.detach()) / n, abs=1e-5)
    total = terms.contrastive + 0.1 * terms.diversity + 10.0 * terms.penalty
    assert float(step.loss.total.detach()) / n == pytest.approx(float(total.detach()) / n, abs=1e-5)
    assert int(step.loss.count) == n
    torch.autograd.backward(step.loss.total)
    torch.autograd.backward(total)
    expected = gradients(theirs)
    for name, gradient in gradients(ours.network).items():
        torch.testing.assert_close(gradient / n, expected[name] / n, rtol=1e-4, atol=1e-6)


def test_validation_equals_transformers_without_noise() -> None:
    ours = Wav2Vec2(reference.miniature()).eval()
    theirs, segments = reference.twin(ours), reference.music(3, N_SAMPLES)
    draws = drawn(ours, segments)
    assert draws.noise is None
    with torch.no_grad():
        step = ours.measure(segments, draws)
        terms = reference.terms(theirs, segments, draws, ours.settings, 2.0)
    assert value(step, "contrastive") / terms.n_masked == pytest.approx(
        float(terms.contrastive) / terms.n_masked, abs=1e-5
    )
    hard = [number for name, number in ours.read(means(step.monitors)).items() if name.startswith("perplexity_hard")]
    lost = float(terms.diversity) / terms.n_masked
    assert 1.0 - sum(hard) / 32 == pytest.approx(lost, abs=1e-5), "theirs is of the hard codes in validation"


def test_the_penalty_is_the_mean_square_before_the_norm_and_its_gradient_is_scaled_too() -> None:
    settings = reference.miniature(diversity_weight=0.0, penalty_weight=10.0, gradient_factor=0.1)
    ours = Wav2Vec2(settings).double()
    segments = reference.music(2, N_SAMPLES).double()
    draws = drawn(ours, segments)
    with_penalty, without = (Wav2Vec2(replace(settings, penalty_weight=weight)).double() for weight in (10.0, 0.0))
    for one in (with_penalty, without):
        torch.autograd.backward(one.measure(segments, draws).loss.total)
    front = ours.network.get_submodule("wav2vec2.feature_extractor")
    raw = front(segments)
    n = draws.masked.numel()
    torch.autograd.backward(10.0 * n * raw.square().sum() / raw.numel())
    by_hand, base = gradients(front), gradients(without.network.get_submodule("wav2vec2.feature_extractor"))
    for name, gradient in gradients(with_penalty.network.get_submodule("wav2vec2.feature_extractor")).items():
        torch.testing.assert_close(gradient - base[name], 0.1 * by_hand[name], rtol=1e-8, atol=1e-10)
    assert value(with_penalty.measure(segments, draws), "z_square") == pytest.approx(float(raw.detach().square().sum()))


@pytest.mark.parametrize("factor", [0.0, 0.1, 0.5])
def test_the_factor_scales_all_gradients_of_the_convolutions_and_no_other(factor: float) -> None:
    settings = reference.miniature()
    segments = reference.music(2, N_SAMPLES).double()
    found: dict[float, Mapping[str, Tensor]] = {}
    for one in (1.0, factor):
        made = Wav2Vec2(replace(settings, gradient_factor=one)).double()
        torch.autograd.backward(made.measure(segments, drawn(made, segments)).loss.total)
        found[one] = gradients(made)
    for name, whole in found[1.0].items():
        scale = factor if "feature_extractor" in name else 1.0
        torch.testing.assert_close(found[factor][name], scale * whole, rtol=1e-8, atol=1e-10)


@pytest.mark.parametrize("cuts", [(0, 1, 4), (0, 2, 4), (0, 1, 2, 3, 4)])
@pytest.mark.parametrize("dropout", [0.0, 0.1])
def test_gradients_do_not_depend_on_how_a_batch_is_split(cuts: tuple[int, ...], dropout: float) -> None:
    ours = Wav2Vec2(reference.miniature(network={"layerdrop": dropout})).double()
    segments = reference.music(4, N_SAMPLES).double()
    draws = drawn(ours, segments)
    whole_step = ours.measure(segments, draws)
    torch.autograd.backward(whole_step.loss.total / whole_step.loss.count)
    expected = gradients(ours)
    ours.zero_grad()
    slices = [slice(start, end) for start, end in itertools.pairwise(cuts)]
    whole = added(ours.surveyed(segments[one], rows(draws, one)) for one in slices)
    steps = [ours.measure(segments[one], rows(draws, one), whole) for one in slices]
    for step in steps:
        torch.autograd.backward(step.loss.total)
    count = sum(float(step.loss.count) for step in steps)
    for name, gradient in gradients(ours).items():
        torch.testing.assert_close(gradient / count, expected[name], rtol=0, atol=1e-10)
    together = sum(float(step.loss.total.detach()) for step in steps) / count
    assert together == pytest.approx(float(whole_step.loss.total.detach() / whole_step.loss.count), abs=1e-10)
    for name, monitor in whole_step.monitors.items():
        parts = added(step.monitors[name] for step in steps)
        torch.testing.assert_close(parts.total / parts.count, monitor.total / monitor.count)


def test_without_a_survey_diversity_is_of_each_part() -> None:
    ours = Wav2Vec2(reference.miniature()).double()
    segments = reference.music(4, N_SAMPLES).double()
    draws = drawn(ours, segments)
    whole = value(ours.measure(segments, draws), "diversity")
    halves = [ours.measure(segments[one], rows(draws, one)) for one in (slice(0, 2), slice(2, 4))]
    assert sum(value(one, "diversity") for one in halves) > whole * 1.001, "a part has fewer codes than the whole"


def test_a_survey_sees_what_forward_sees_with_dropouts_too() -> None:
    ours = Wav2Vec2(reference.miniature(network={"feat_quantizer_dropout": 0.3, "feat_proj_dropout": 0.3}))
    segments = reference.music(3, N_SAMPLES)
    surveyed = ours.survey(segments, seeded(5))
    step = ours(segments, seeded(5))
    assert torch.equal(surveyed.total, step.monitors["codes_soft"].total)
    assert surveyed.count == step.loss.count
    again = ours(segments, seeded(5), surveyed)
    assert float(again.loss.total.detach()) == pytest.approx(float(step.loss.total.detach()), rel=1e-6)


def test_everything_random_comes_from_the_generator() -> None:
    ours = Wav2Vec2(reference.miniature(network={"hidden_dropout": 0.2, "attention_dropout": 0.2, "layerdrop": 0.5}))
    segments = reference.music(2, N_SAMPLES)
    before = torch.get_rng_state()
    first = ours(segments, seeded(1)).loss.total
    assert torch.equal(torch.get_rng_state(), before), "the global generator is as it was"
    with torch.random.fork_rng(devices=[]):
        torch.rand(7)
        assert torch.equal(ours(segments, seeded(1)).loss.total, first)
    assert not torch.equal(ours(segments, seeded(2)).loss.total, first)
    same = replace(drawn(ours, segments), seed=1)
    assert not torch.equal(
        ours.measure(segments, same).loss.total, ours.measure(segments, replace(same, seed=2)).loss.total
    )


@pytest.mark.parametrize(
    "place", ["wav2vec2.feature_projection.dropout", "dropout_features", "wav2vec2.encoder.dropout"]
)
def test_every_dropout_outside_the_blocks_is_applied_in_training_only(place: str) -> None:
    ours, segments = Wav2Vec2(reference.miniature()), reference.music(2, N_SAMPLES)
    draws = drawn(ours, segments)
    losses = []
    for probability, is_training in ((0.0, True), (0.5, True), (0.0, False), (0.5, False)):
        dropout = ours.train(is_training).get_submodule(f"network.{place}")
        assert isinstance(dropout, nn.Dropout)
        dropout.p = probability
        losses.append(float(ours.measure(segments, draws).loss.total.detach()))
    assert losses[0] != losses[1]
    assert losses[0] == losses[2] == losses[3]


def test_dropped_blocks_are_about_as_many_as_asked_for_and_get_no_gradient() -> None:
    ours = Wav2Vec2(reference.miniature(network={"layerdrop": 0.3}))
    kept = torch.stack([ours.draw(1, 74, seeded(seed)).kept for seed in range(300)])
    assert float(kept.float().mean()) == pytest.approx(0.7, abs=0.05)
    segments = reference.music(2, N_SAMPLES)
    draws = replace(drawn(ours, segments), kept=torch.tensor([True, False]))
    torch.autograd.backward(ours.measure(segments, draws).loss.total)
    without = {name for name, one in ours.named_parameters() if one.grad is None}
    assert without == {name for name, _ in ours.named_parameters() if "encoder.layers.1." in name}


def test_identical_negatives_count_for_nothing_even_where_all_are() -> None:
    ours = Wav2Vec2(reference.miniature())
    one_code = torch.zeros(32)
    one_code[[3, 20]] = 1e4
    with torch.no_grad():
        ours.get_parameter("network.quantizer.weight_proj.bias").copy_(one_code)
    step = ours(reference.music(2, N_SAMPLES), seeded(0))
    said = ours.read(means(step.monitors))
    assert (said["contrastive_nats"], said["identical"], said["accuracy"]) == (0.0, 1.0, 1.0)
    assert said["perplexity_soft_0"] == pytest.approx(1.0)
    assert (said["used_codes_0"], said["used_codes_1"]) == (1.0, 1.0)
    assert said["diversity"] == pytest.approx(30 / 32)
    torch.autograd.backward(step.loss.total)
    assert all(bool(one.isfinite().all()) for one in gradients(ours).values())


def test_negatives_across_clips_are_candidates_like_others() -> None:
    ours = Wav2Vec2(reference.miniature(negatives=4, negatives_across=6)).double().eval()
    segments = reference.music(3, N_SAMPLES).double()
    draws = drawn(ours, segments)
    found = value(ours.measure(segments, draws), "contrastive")
    n_masked = draws.masked.shape[1]
    model = ours._model
    heard = ours._hear(segments, draws)
    context = nn.functional.normalize(ours._context(heard.z, draws), dim=-1).flatten(0, 1)
    chosen = ours._quantise(heard.sought, draws)
    sought = nn.functional.normalize(model.project_q(chosen.vectors), dim=-1).flatten(0, 1)
    codes = chosen.codes.flatten(0, 1)
    by_hand = 0.0
    for place in range(3 * n_masked):
        clip, frame = divmod(place, n_masked)
        others = [*(clip * n_masked + draws.within[clip, frame]), *draws.across[clip, frame]]
        assert all(int(one) // n_masked != clip for one in draws.across[clip, frame])
        allowed = [place, *(int(one) for one in others if not torch.equal(codes[one], codes[place]))]
        logits = sought[allowed] @ context[place] / 0.1
        by_hand -= float(logits.log_softmax(0)[0].detach())
    assert found == pytest.approx(by_hand, rel=1e-10)


def test_frames_are_counted_as_the_convolutions_give_them() -> None:
    for settings in (TINY, MEL_TINY):
        ours = Wav2Vec2(settings)
        for n_samples in (1024, 1343, 1344, 16000, 20001):
            given = ours.network.get_submodule("wav2vec2.feature_extractor")(torch.zeros(1, n_samples))
            assert ours.n_frames(n_samples) == given.shape[2]
    assert [Wav2Vec2(TINY).n_frames(n) for n in (16000, 64000, 250000, 320000)] == [49, 199, 781, 999]


def test_a_segment_shorter_than_a_frame_is_refused() -> None:
    with pytest.raises(UserError, match=r"at least one frame, got 399 samples\. Take longer ones"):
        Wav2Vec2(reference.miniature())(torch.zeros(1, 399), seeded(0))


def test_half_precision_leaves_loss_and_monitors_in_single() -> None:
    ours = Wav2Vec2(reference.miniature())
    segments = reference.music(2, N_SAMPLES)
    with torch.no_grad():
        exact = ours.eval()(segments, seeded(0))
        with torch.autocast("cpu", torch.bfloat16):
            step = ours(segments, seeded(0))
    assert {one.total.dtype for one in (step.loss, *step.monitors.values())} == {torch.float32}
    assert float(step.loss.total) == pytest.approx(float(exact.loss.total), rel=0.05)


def test_nothing_of_a_step_but_its_loss_holds_the_graph() -> None:
    step = Wav2Vec2(reference.miniature())(reference.music(2, N_SAMPLES), seeded(0))
    assert step.loss.total.requires_grad
    assert not any(one.total.requires_grad or one.count.requires_grad for one in step.monitors.values())
    assert not step.loss.count.requires_grad


def test_parts_of_a_batch_add_up() -> None:
    total = added([Measured(torch.tensor(2.0), torch.tensor(3.0)), Measured(torch.tensor(5.0), torch.tensor(4.0))])
    assert (float(total.total), float(total.count)) == (7.0, 7.0)
    with pytest.raises(ValueError, match="at least one part of a batch"):
        added([])
