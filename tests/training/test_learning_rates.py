"""The learning rate of a step."""

import pytest
import torch
import transformers

from earmark.errors import UserError
from earmark.training.schedules import Kind, Schedule

N_STEPS, WARM_UP = 50, 8


def theirs(kind: Kind) -> list[float]:
    """The rates of transformers' schedule of that kind, one for each step and one for after the last."""
    optimiser = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=0.3)
    maker = getattr(transformers, f"get_{kind}_schedule_with_warmup")
    steps = {} if kind == "constant" else {"num_training_steps": N_STEPS}
    schedule = maker(optimiser, num_warmup_steps=WARM_UP, **steps)
    rates = []
    for _ in range(N_STEPS + 1):
        rates.append(optimiser.param_groups[0]["lr"])
        optimiser.step()
        schedule.step()
    return rates


@pytest.mark.parametrize("kind", ["linear", "cosine", "constant"])
def test_the_fall_is_that_of_transformers_and_the_rise_is_one_step_ahead_of_it(kind: Kind) -> None:
    schedule, expected = Schedule(0.3, WARM_UP, kind), theirs(kind)
    rates = [schedule.at(step, N_STEPS) for step in range(N_STEPS)]

    assert rates[:WARM_UP] == pytest.approx(expected[1 : WARM_UP + 1])
    assert rates[WARM_UP:] == pytest.approx(expected[WARM_UP:N_STEPS])


def test_the_first_step_learns() -> None:
    assert Schedule(1.0, 10).at(0, 100) == pytest.approx(0.1)
    assert Schedule(1.0, 0).at(0, 100) == 1.0


@pytest.mark.parametrize("kind", ["linear", "cosine", "constant"])
def test_a_run_shorter_than_its_warm_up_only_rises(kind: Kind) -> None:
    rates = [Schedule(1.0, 10, kind).at(step, 5) for step in range(5)]

    assert rates == pytest.approx([0.1, 0.2, 0.3, 0.4, 0.5])


def test_a_warm_up_below_nought_is_refused() -> None:
    with pytest.raises(UserError, match=r"warm-up steps of at least 0, got 0\.1 and -1"):
        Schedule(0.1, -1)
