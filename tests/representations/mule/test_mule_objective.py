"""SimCLR in parts is SimCLR of the joint batch: the same loss, the same gradient, whatever is drawn."""

from dataclasses import replace
from typing import Any

import pytest
import torch

from earmark.errors import UserError
from earmark.representations.mule.frontend import standardised
from earmark.representations.mule.mixup import mixup
from earmark.representations.mule.objective import SimClr, slices_of
from earmark.representations.mule.settings import CONTRASTS, F0, Contrast, Head, Mixing
from earmark.representations.objective import Gathered, added
from earmark.training.batch import Batch, measure
from earmark.training.segments import Pair, Trio

TINY = CONTRASTS["mule-tiny"]
STILL = replace(TINY, head=Head((16,), 0.3), n_out=8, network=replace(TINY.network, skip_rate=0.0))


def heard(n_pairs: int = 6, n_views: int = 2) -> Any:
    views = 0.1 * torch.randn(n_views, n_pairs, 4000, generator=torch.Generator().manual_seed(n_pairs))
    return (Pair if n_views == 2 else Trio)(*views)


def simclr(settings: Contrast = STILL, exact: bool = True) -> SimClr:
    made = SimClr(settings, 3)
    for name, one in made.network.named_parameters():
        if name.endswith("gain") and not one.ndim:
            one.data.fill_(0.7)  # branches that begin at 0 would hide what is left out of them
    return made.double() if exact else made


def gradients(objective: SimClr, batch: Batch) -> tuple[float, dict[str, float], torch.Tensor]:
    """The mean loss, what is watched, and the gradient of all parameters in one vector."""
    objective.zero_grad()
    found = measure(objective, batch, lambda one: one, torch.autograd.backward)
    flat = torch.cat([one.grad.flatten() for one in objective.parameters() if one.grad is not None])
    said = objective.read({name: one.total / one.count for name, one in found.monitors.items()})
    return float(found.loss.total / found.loss.count), said, flat / float(found.loss.count)


def only(batch: Batch, exact: bool = True) -> Any:
    """What a batch of one portion hears."""
    ((part, _),) = batch.parts(torch.zeros(1, dtype=torch.float64 if exact else torch.float32))
    return part


SIZES = [(3, 3), (1, 5), (2, 2, 2), (1,) * 6]


def split(segments: Any, *sizes: int) -> Batch:
    ends = [sum(sizes[: n + 1]) for n in range(len(sizes))]
    portions = tuple(range(end - size, end) for end, size in zip(ends, sizes, strict=True))
    return Batch(segments, portions, len(sizes) > 1, 5)


@pytest.mark.parametrize("n_views", [2, 3])
@pytest.mark.parametrize("sizes", SIZES)
def test_portions_change_neither_loss_nor_gradient(sizes: tuple[int, ...], n_views: int) -> None:
    objective, segments = simclr(), heard(n_views=n_views)
    loss, said, whole = gradients(objective, split(segments, 6))
    split_loss, split_said, in_parts = gradients(objective, split(segments, *sizes))
    assert split_loss == pytest.approx(loss, rel=1e-10)
    assert split_said == pytest.approx(said, rel=1e-10)
    assert float((whole - in_parts).norm()) <= 1e-10 * float(whole.norm())
    assert float(whole.abs().max()) > 1e-4


@pytest.mark.parametrize("sizes", SIZES)
def test_in_float32_portions_round_no_worse_than_the_joint_batch(sizes: tuple[int, ...]) -> None:
    """How far roundings go is the processor's: a bound on the difference alone holds on one and not on the next."""
    objective, exact, segments = simclr(exact=False), simclr(), heard()
    exact.load_state_dict(objective.state_dict())
    loss, said, whole = gradients(objective, split(segments, 6))
    split_loss, split_said, in_parts = gradients(objective, split(segments, *sizes))
    *_, true = gradients(exact, split(segments, 6))
    assert split_loss == pytest.approx(loss, rel=1e-6)
    assert split_said == pytest.approx(said, rel=1e-5)
    by_joint, by_parts = (float((one - true).norm() / true.norm()) for one in (whole, in_parts))
    assert by_joint <= 5e-6
    assert by_parts <= 1.5 * by_joint


@pytest.mark.parametrize("mixing", [Mixing(way="none"), Mixing(), Mixing("additive", "after")])
def test_a_part_s_draws_are_the_same_when_it_is_surveyed_and_when_it_learns(mixing: Mixing) -> None:
    """The gradient of parts, with all that is drawn, is that of the joint batch of what they heard."""
    objective = simclr(replace(STILL, mixing=mixing, network=replace(STILL.network, skip_rate=0.9)))
    batch = split(heard(), 2, 4)
    _, _, in_parts = gradients(objective, batch)

    objective.zero_grad()
    parts: Any = batch.parts(torch.zeros(1, dtype=torch.float64))
    rows = torch.cat([objective._embed(part, generator)[1] for part, generator in parts])
    by_hand = _direct(rows, STILL.temperature)
    torch.autograd.backward(by_hand)
    direct = torch.cat([one.grad.flatten() for one in objective.parameters() if one.grad is not None])
    assert float((direct - in_parts).norm()) <= 1e-10 * float(direct.norm())


def _direct(rows: torch.Tensor, temperature: float) -> torch.Tensor:
    unit = torch.nn.functional.normalize(rows, dim=-1)
    flat = torch.cat([unit[:, 0], unit[:, 1]])
    logits = (flat @ flat.T / temperature).masked_fill(torch.eye(len(flat), dtype=torch.bool), -torch.inf)
    return torch.nn.functional.cross_entropy(logits, torch.arange(len(flat)).roll(len(rows)))


def test_a_part_reports_the_loss_of_its_own_embeddings() -> None:
    objective, segments = simclr(), heard()
    batch = split(segments, 2, 4)
    draws = torch.Generator()
    parts: list[Any] = [part for part, _ in batch.parts(torch.zeros(1, dtype=torch.float64))]
    rows = torch.cat([objective.survey(part, draws).rows for part in parts])
    steps = [objective(part, draws, Gathered(rows, first)) for part, first in zip(parts, (0, 2), strict=True)]
    assert [float(one.loss.count) for one in steps] == [4.0, 8.0]
    whole = objective(only(split(segments, 6)), draws).loss
    assert added(one.loss for one in steps).total.item() == pytest.approx(whole.total.item(), rel=1e-12)


def test_hard_negatives_are_told_apart_from_and_seek_nobody() -> None:
    objective = simclr()
    said = gradients(objective, split(heard(n_views=3), 6))[1]
    assert said["chance"] == pytest.approx(float(torch.tensor(17.0).log()))
    assert float(objective(only(split(heard(n_views=3), 6)), torch.Generator()).loss.count) == 12


def test_validation_mixes_nothing_and_leaves_nothing_out() -> None:
    objective = simclr(replace(STILL, mixing=Mixing(), network=replace(STILL.network, skip_rate=0.9))).eval()
    part = only(split(heard(), 6))
    one, other = (objective(part, torch.Generator().manual_seed(seed)).loss.total for seed in (1, 2))
    assert torch.equal(one, other)


def test_the_network_hears_mixed_spectrograms_standardised() -> None:
    bands = torch.randn(5, 96, 31, generator=torch.Generator().manual_seed(0)).abs()
    draws = (torch.Generator().manual_seed(1) for _ in range(3))
    before = slices_of(bands, Mixing("additive"), next(draws))
    after = slices_of(bands, Mixing("convex", "after"), next(draws))
    assert torch.equal(slices_of(bands, Mixing("none"), next(draws)), standardised(bands[:, :, :30]))
    by_hand = mixup(bands[:, :, :30], torch.Generator().manual_seed(1), way="additive").batch
    assert torch.equal(before, standardised(by_hand))
    by_hand = mixup(standardised(bands[:, :, :30])[:, 0], torch.Generator().manual_seed(1)).batch
    assert torch.equal(after, standardised(by_hand))


def test_a_step_of_one_pair_and_a_portion_of_one_to_mix_are_refused() -> None:
    with pytest.raises(UserError, match="Expected at least two pairs in a step, got one"):
        gradients(simclr(), split(heard(1), 1))
    with pytest.raises(UserError, match="Expected at least two segments in a portion to mix, got one"):
        gradients(simclr(replace(STILL, mixing=Mixing())), split(heard(3), 2, 1))


def test_rows_of_another_batch_are_refused() -> None:
    part = only(split(heard(), 6), exact=False)
    with pytest.raises(UserError, match=r"Expected rows of \(6, 2, 8\) at 2, got \(6, 2, 8\)"):
        simclr(exact=False)(part, torch.Generator(), Gathered(torch.zeros(6, 2, 8), 2))


def test_projectors_have_the_paper_s_numbers_and_the_tiny_one_those_of_its_own() -> None:
    with torch.device("meta"):
        sizes = [
            sum(one.numel() for one in SimClr(CONTRASTS[name]).projector.parameters()) for name in ("mule", "mule-tiny")
        ]
    assert sizes == [44_838_912, 410_624]
    assert (CONTRASTS["mule"].network, CONTRASTS["mule"].temperature) == (F0, 0.1)


def test_first_weights_of_the_projector_have_the_deviation_that_is_said() -> None:
    projector = SimClr(TINY, 0).projector
    deviations = [float(one.detach().std()) for one in projector.hidden.parameters() if one.ndim == 2]
    assert deviations == pytest.approx([0.044, 0.044], rel=0.02)
    assert projector.last.bias is None
    assert not any(bool(one.any()) for one in projector.parameters() if one.ndim == 1)
