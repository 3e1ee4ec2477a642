"""NT-Xent equals a naive loop and lightly's, and what is watched of it says what it should."""

import math
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from earmark.representations.mule import contrast
from earmark.representations.objective import means

GOLDEN = Path(__file__).parents[2] / "golden" / "mule" / "lightly.npz"


def rows_of(n_pairs: int, n_views: int = 2, dim: int = 5, seed: int = 0) -> torch.Tensor:
    return torch.randn(n_pairs, n_views, dim, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def naive(rows: torch.Tensor, temperature: float) -> list[list[float]]:
    """The formula of the paper, a number at a time."""
    flat = [one / one.norm() for pair in rows for one in pair]
    n_views, found = rows.shape[1], list[list[float]]()
    for pair in range(len(rows)):
        found.append([])
        for view in (0, 1):
            i, j = pair * n_views + view, pair * n_views + 1 - view
            scores = {k: math.exp(float(flat[i] @ flat[k]) / temperature) for k in range(len(flat)) if k != i}
            found[-1].append(-math.log(scores[j] / sum(scores.values())))
    return found


def reading(rows: torch.Tensor, temperature: float = 0.1) -> Mapping[str, float]:
    compared = contrast.compare(rows, temperature)
    return contrast.read(means(contrast.watched(compared, rows, slice(0, len(rows)))))


@given(st.integers(2, 7), st.integers(2, 3), st.sampled_from([0.1, 0.5, 1.0]), st.integers(0, 99))
def test_the_loss_is_that_of_a_naive_loop(n_pairs: int, n_views: int, temperature: float, seed: int) -> None:
    rows = rows_of(n_pairs, n_views, seed=seed)
    torch.testing.assert_close(
        contrast.compare(rows, temperature).nats, torch.tensor(naive(rows, temperature), dtype=torch.float64)
    )


@pytest.mark.parametrize("temperature", [0.1, 0.5])
def test_loss_and_gradient_are_lightly_s(temperature: float) -> None:
    golden = np.load(GOLDEN)
    rows = torch.from_numpy(golden["rows"]).requires_grad_()
    loss = contrast.compare(rows, temperature).nats.mean()
    (gradient,) = torch.autograd.grad(loss, rows)
    assert float(loss.detach()) == pytest.approx(float(golden[f"loss_{temperature}"]), rel=1e-6)
    np.testing.assert_allclose(gradient.numpy(), golden[f"gradient_{temperature}"], rtol=1e-6, atol=1e-8)


def test_the_released_loss_is_twice_as_much() -> None:
    """MULE's code sums both directions of a pair, and takes the mean over pairs."""
    rows = rows_of(6)
    nats = contrast.compare(rows, 0.1).nats
    assert float(nats.sum(1).mean()) == pytest.approx(2 * float(nats.mean()))


def test_lengths_of_embeddings_change_nothing() -> None:
    rows = rows_of(4)
    longer = rows * torch.rand(4, 2, 1, generator=torch.Generator().manual_seed(1), dtype=torch.float64) * 9
    torch.testing.assert_close(contrast.compare(rows, 0.1).nats, contrast.compare(longer, 0.1).nats)


def test_pairs_that_are_one_and_stand_alone_cost_nothing() -> None:
    rows = torch.eye(4, dtype=torch.float64)[:, None].repeat(1, 2, 1)
    found = reading(rows, 0.01)
    assert float(contrast.compare(rows, 0.01).nats.max()) < 1e-9
    assert (found["accuracy"], found["alignment"]) == (1.0, 0.0)


def test_embeddings_in_one_place_cost_a_guess_and_have_no_spread() -> None:
    rows = torch.ones(5, 2, 3, dtype=torch.float64)
    found = reading(rows)
    assert float(contrast.compare(rows, 0.1).nats.mean()) == pytest.approx(found["chance"]) == math.log(9)
    assert found["uniformity"] == pytest.approx(0.0, abs=1e-12)
    assert found["spread"] == pytest.approx(0.0, abs=1e-6)


def test_embeddings_everywhere_have_spread_1() -> None:
    assert reading(rows_of(3000, dim=16))["spread"] == pytest.approx(1.0, abs=0.01)


def test_what_is_watched_is_that_of_a_naive_loop() -> None:
    rows = rows_of(5, 3)
    flat = torch.nn.functional.normalize(rows, dim=-1).flatten(0, 1)
    seekers = [pair * 3 + view for pair in range(5) for view in (0, 1)]
    partner = {one: one + 1 if one % 3 == 0 else one - 1 for one in seekers}
    squares = (flat[:, None] - flat).square().sum(-1)
    apart = squares.masked_fill(torch.eye(15, dtype=torch.bool), torch.inf)
    nearest = [int(apart[one].argmin()) for one in seekers]
    found = reading(rows)
    assert found["accuracy"] == np.mean([near == partner[one] for near, one in zip(nearest, seekers, strict=True)])
    assert found["alignment"] == pytest.approx(np.mean([float(squares[one, partner[one]]) for one in seekers]))
    others = [math.exp(-2 * float(squares[one, k])) for one in seekers for k in range(15) if k != one]
    assert found["uniformity"] == pytest.approx(math.log(np.mean(others)))
    assert found["chance"] == pytest.approx(math.log(14))


def of_steps(n: int, **numbers: float) -> list[Mapping[str, float]]:
    return [{"step": step, "loss": 3.0, "chance": 5.0, "spread": 0.9, **numbers} for step in range(n)]


def test_a_run_that_learns_raises_no_alarm() -> None:
    assert contrast.alarms(of_steps(300)) == contrast.alarms([]) == ()


def test_embeddings_in_one_place_raise_an_alarm() -> None:
    (alarm,) = contrast.alarms(of_steps(3, spread=0.05))
    assert (alarm.name, alarm.step) == ("collapse", 2)
    assert "their spread is 0.050, and would be 1. Lower the rate." in alarm.text


def test_a_loss_that_stays_at_a_guess_raises_an_alarm_after_200_steps() -> None:
    assert contrast.alarms(of_steps(199, loss=4.995)) == ()
    (alarm,) = contrast.alarms(of_steps(200, loss=4.995))
    assert (alarm.name, alarm.step) == ("uniform_guesses", 199)
    assert "loss at 5.000, that of a guess, for 200 steps" in alarm.text
