"""Mixup mixes each item with another of its batch, as the gains say, and touches nothing else."""

import pytest
import torch

from earmark.errors import UserError
from earmark.representations.mule import mixup

SHAPES = [(7,), (7, 5), (7, 3, 4, 2)]


def draws(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def batch(shape: tuple[int, ...], dtype: torch.dtype = torch.float32) -> torch.Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(3), dtype=dtype)


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_each_item_is_mixed_with_its_partner_by_its_gain(shape: tuple[int, ...], dtype: torch.dtype) -> None:
    items = batch(shape, dtype)
    convex = mixup.mixup(items, draws(0))
    additive = mixup.mixup(items, draws(0), way="additive")
    assert (convex.batch.dtype, convex.batch.shape) == (dtype, items.shape)
    for n in range(len(items)):
        gain, other = float(convex.gains[n]), items[convex.partners[n]]
        torch.testing.assert_close(convex.batch[n], gain * items[n] + (1 - gain) * other)
        torch.testing.assert_close(additive.batch[n], items[n] + gain * other)


def test_partners_are_the_batch_in_another_order() -> None:
    found = mixup.mixup(batch((50, 2)), draws(1)).partners.tolist()
    assert sorted(found) == list(range(50))
    assert found != list(range(50))


def test_a_batch_of_equal_items_survives() -> None:
    items = torch.full((9, 4), 0.7)
    torch.testing.assert_close(mixup.mixup(items, draws(2)).batch, items)


def test_one_item_alone_survives() -> None:
    items = batch((1, 4))
    torch.testing.assert_close(mixup.mixup(items, draws(2)).batch, items)


@pytest.mark.parametrize(("alpha", "beta"), [(5.0, 2.0), (0.4, 0.4)])
def test_gains_have_the_mean_and_the_variance_of_their_distribution(alpha: float, beta: float) -> None:
    gains = mixup.mixup(batch((20_000, 1)), draws(4), alpha, beta).gains
    total = alpha + beta
    assert gains.mean() == pytest.approx(alpha / total, abs=0.01)
    assert gains.var() == pytest.approx(alpha * beta / (total**2 * (total + 1)), rel=0.05)
    assert 0 <= gains.min() <= gains.max() <= 1


def test_the_same_generator_gives_the_same_and_the_batch_is_left_alone() -> None:
    items = batch((8, 3))
    before = items.clone()
    one, two = (mixup.mixup(items, draws(5)) for _ in range(2))
    assert torch.equal(one.batch, two.batch)
    assert torch.equal(items, before)
    other = mixup.mixup(items, draws(6))
    assert not torch.equal(one.gains, other.gains)


def test_gradients_come_back_by_the_gains() -> None:
    items = batch((5, 2), torch.float64).requires_grad_()
    mixed = mixup.mixup(items, draws(7))
    (gradient,) = torch.autograd.grad(mixed.batch.sum(), items)
    expected = mixed.gains.clone()
    expected[mixed.partners] += 1 - mixed.gains
    torch.testing.assert_close(gradient, expected[:, None].expand(5, 2), rtol=1e-6, atol=1e-6)


def test_what_is_no_distribution_or_no_way_is_refused() -> None:
    with pytest.raises(UserError, match="Expected alpha and beta above 0, got 0 and 2"):
        mixup.mixup(batch((2,)), draws(0), alpha=0)
    with pytest.raises(UserError, match="'convex' or 'additive', got 'max'"):
        mixup.mixup(batch((2,)), draws(0), way="max")  # type: ignore[arg-type]
