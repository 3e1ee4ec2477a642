"""MULE with labels: its loss against a naive loop, its rankings against scikit-learn, and what a split leaves alone."""

from dataclasses import replace
from math import exp, log

import numpy as np
import pytest
import torch
from sklearn.metrics import average_precision_score, roc_auc_score
from torch import Tensor

from earmark.errors import UserError
from earmark.representations.mule.frontend import standardised
from earmark.representations.mule.mixup import mixup
from earmark.representations.mule.settings import TAGGINGS, Mixing, Tagging
from earmark.representations.mule.tagged import Labelled, Tagged, histogram
from earmark.representations.objective import Measured
from earmark.training.batch import Batch, measure

N_TAGS = 3
TINY = replace(TAGGINGS["mule-tiny"], mixing=Mixing())
PLAIN = replace(TINY, network=replace(TINY.network, skip_rate=0.0), mixing=Mixing(way="none"))


def heard(n: int, seed: int = 0) -> Labelled:
    generator = torch.Generator().manual_seed(seed)
    audio = 0.1 * torch.randn(n, 4800, generator=generator, dtype=torch.float64)
    return Labelled(audio, torch.rand(n, N_TAGS, generator=generator) < 0.4)


def objective(settings: Tagging = TINY) -> Tagged:
    return Tagged(settings, N_TAGS, seed=1).double()


def draws() -> torch.Generator:
    return torch.Generator().manual_seed(7)


def naive(logits: Tensor, tags: list[list[float]]) -> float:
    """The mean over tags of the cross-entropy, summed over segments."""
    total = 0.0
    for row, wanted in zip(logits.tolist(), tags, strict=True):
        for logit, tag in zip(row, wanted, strict=True):
            says = 1.0 / (1.0 + exp(-logit))
            total -= (tag * log(says) + (1.0 - tag) * log(1.0 - says)) / N_TAGS
    return total


@pytest.mark.parametrize("way", ["convex", "additive"])
def test_the_loss_is_that_of_a_naive_loop_over_mixed_tags(way: str) -> None:
    mixing = Mixing(way=way)  # type: ignore[arg-type]
    tagged, segments, generator = objective(replace(TINY, mixing=mixing)), heard(6), draws()
    step = tagged(segments, draws())
    mixed = mixup(tagged.front(segments.audio)[:, :, :-1], generator, way=mixing.way)  # type: ignore[arg-type]
    own, wanted = segments.tags.double().tolist(), []
    for number, (partner, gain) in enumerate(zip(mixed.partners.tolist(), mixed.gains.tolist(), strict=True)):
        pairs = zip(own[number], own[partner], strict=True)
        if way == "convex":
            wanted.append([gain * mine + (1.0 - gain) * other for mine, other in pairs])
        else:
            wanted.append([min(mine + gain * other, 1.0) for mine, other in pairs])
    logits = tagged.projector(tagged.network(standardised(mixed.batch), generator))

    assert float(step.loss.count) == 6
    assert step.loss.total.item() == pytest.approx(naive(logits, wanted), rel=1e-12)
    assert any(0 < tag < 1 for row in wanted for tag in row)


def test_what_is_evaluated_is_mixed_with_nothing() -> None:
    tagged, segments = objective().eval(), heard(5)
    logits = tagged.projector(tagged.network(standardised(tagged.front(segments.audio)[:, :, :-1])))

    expected = naive(logits, segments.tags.double().tolist())
    assert tagged(segments, draws()).loss.total.item() == pytest.approx(expected, rel=1e-12)
    alone = Labelled(segments.audio[:1], segments.tags[:1])
    assert torch.isfinite(tagged(alone, draws()).loss.total)


def measured(portions: tuple[range, ...]) -> tuple[dict[str, float], list[Tensor]]:
    tagged = objective(PLAIN)
    batch = Batch(heard(6), portions, len(portions) > 1, 0)
    step = measure(tagged, batch, lambda value: value, torch.autograd.backward)
    means = {name: one.total / one.count for name, one in step.monitors.items()}
    gradients = [one.grad for one in tagged.parameters() if one.grad is not None]
    return {"loss": float(step.loss.total / step.loss.count), **tagged.read(means)}, gradients


def test_a_split_changes_no_gradient_and_no_reading_where_nothing_is_mixed() -> None:
    whole, of_whole = measured((range(6),))
    split, of_split = measured((range(2), range(2, 3), range(3, 6)))

    assert whole == pytest.approx(split, rel=1e-9)
    assert len(of_whole) == len(of_split) > 50
    assert max(float((a - b).abs().max()) for a, b in zip(of_whole, of_split, strict=True)) < 1e-10


def test_rankings_are_scikit_learns_on_scores_with_ties() -> None:
    rng = np.random.default_rng(3)
    scores = rng.integers(-40, 40, (400, 5)) / 8
    tags = rng.random((400, 5)) < 1 / (1 + np.exp(2 - scores))
    tags[:, 4] = False  # a tag of nobody is left out
    parts = [
        histogram(torch.from_numpy(scores[at]), torch.from_numpy(tags[at]).double())
        for at in np.split(np.arange(400), 4)
    ]
    reading = read_of(sum(parts[1:], parts[0]), 400)

    assert reading["average_precision"] == pytest.approx(average_precision_score(tags[:, :4], scores[:, :4]), rel=1e-12)
    assert reading["roc_auc"] == pytest.approx(roc_auc_score(tags[:, :4], scores[:, :4]), rel=1e-12)
    assert reading["positives"] == pytest.approx(tags.mean())
    shares = tags.mean(0)[:4]
    entropies = -shares * np.log(shares) - (1 - shares) * np.log(1 - shares)
    assert reading["base_rates"] == pytest.approx(entropies.sum() / 5)


def read_of(counts: Tensor, n: int) -> dict[str, float]:
    moments = Measured(torch.ones(2, 4), torch.tensor(1.0)).total
    return objective().read({"scores": counts / n, "moments_embedding": moments})


def test_scores_beyond_the_last_step_are_of_it_and_none_is_lost() -> None:
    logits = torch.tensor([[-1e9, 20.0, 0.0], [8.0, 7.99, -8.0]])
    counts = histogram(logits, torch.tensor([[1.0, 0.25, 0.0], [1.0, 0.0, 0.0]]))

    assert counts.sum((1, 2)).tolist() == [2, 2, 2]
    assert counts[0, 1, 0] == counts[0, 1, -1] == 1
    assert counts[1, :, -1].tolist() == [1.75, 0.25]


def test_where_no_tag_can_be_ranked_nobody_is_better_than_chance() -> None:
    counts = histogram(torch.randn(4, 2, generator=draws()), torch.tensor([[1.0, 0.0]] * 4))
    reading = read_of(counts, 4)
    assert (reading["average_precision"], reading["roc_auc"], reading["base_rates"]) == (0.5, 0.5, 0.0)


def history(n: int, loss: float) -> list[dict[str, float]]:
    return [{"step": step, "loss": loss, "base_rates": 0.3} for step in range(n)]


def test_a_loss_that_stays_at_the_base_rates_rings_an_alarm() -> None:
    tagged = objective()

    assert [one.name for one in tagged.alarms(history(200, 0.299))] == ["base_rates"]
    assert "0.2990 for 200 steps, where 0.3000 needs no hearing" in tagged.alarms(history(200, 0.299))[0].text
    began_at_ln_2 = [{**one, "loss": log(2)} if one["step"] < 90 else one for one in history(200, 0.29)]
    assert tagged.alarms(began_at_ln_2) == ()
    assert tagged.alarms(history(199, 0.299)) == tagged.alarms(history(300, 0.29)) == tagged.alarms([]) == ()


def test_it_learns_tags_that_can_be_heard() -> None:
    """Which of three pitches sounds: loss below the base rates, and every segment ranked right."""
    tagged = Tagged(replace(PLAIN, head=replace(TINY.head, hidden=(32,))), N_TAGS, seed=0)
    optimiser = torch.optim.AdamW(tagged.parameters(), 3e-3, weight_decay=0)
    t, which = torch.arange(4800) / 16000, torch.arange(12) % N_TAGS
    rng = draws()
    tags = torch.nn.functional.one_hot(which, N_TAGS).bool()
    for _ in range(40):
        noise = 0.01 * torch.randn(12, 4800, generator=rng)
        step = tagged(Labelled(0.1 * torch.sin(6.28 * 300.0 * 3.0 ** which[:, None] * t) + noise, tags), rng)
        optimiser.zero_grad()
        torch.autograd.backward(step.loss.total)
        optimiser.step()
    reading = tagged.read({name: one.total / one.count for name, one in step.monitors.items()})

    assert step.loss.total.item() < 0.5 * 12 * reading["base_rates"]
    assert reading["average_precision"] == reading["roc_auc"] == 1.0
    assert tagged.words(reading) == "average precision 1.00, ROC AUC 1.00"


def test_refusals_say_what_to_do() -> None:
    tagged = objective()
    with pytest.raises(UserError, match="Expected 3 tags of each segment, got 2: labels of another set"):
        tagged(Labelled(heard(2).audio, heard(2).tags[:, :2]), draws())
    with pytest.raises(UserError, match="Expected at least two segments in a portion to mix, got one"):
        tagged(heard(1), draws())
    with pytest.raises(UserError, match="Expected at least one tag to learn, got 0"):
        Tagged(TINY, 0)
