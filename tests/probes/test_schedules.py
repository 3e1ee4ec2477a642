import pytest
import torch
from torch.optim import lr_scheduler

from earmark.probes.recipe import Recipe
from earmark.probes.schedules import Plateau, learning_rate


def test_the_rate_rises_in_a_line_and_falls_by_half_a_cosine() -> None:
    recipe = Recipe(learning_rate=0.4, warm_up_steps=4, schedule="cosine")
    rates = [learning_rate(recipe, step, 10) for step in range(10)]
    assert rates[:5] == pytest.approx([0, 0.1, 0.2, 0.3, 0.4])
    assert rates[7] == pytest.approx(0.2)
    assert rates[9] > learning_rate(recipe, 10, 10) == 0


def test_without_a_schedule_the_rate_is_that_of_the_recipe() -> None:
    assert {learning_rate(Recipe(learning_rate=0.3), step, 5) for step in range(5)} == {0.3}


def test_warm_up_and_cosine_are_torchs() -> None:
    optimiser = torch.optim.SGD([torch.zeros(1, requires_grad=True)], 0.4)
    parts = [
        lr_scheduler.LambdaLR(optimiser, lambda step: step / 5),
        lr_scheduler.CosineAnnealingLR(optimiser, T_max=20),
    ]
    both = lr_scheduler.SequentialLR(optimiser, parts, [5])
    recipe = Recipe(learning_rate=0.4, warm_up_steps=5, schedule="cosine")
    for step in range(25):
        assert learning_rate(recipe, step, 25) == pytest.approx(both.get_last_lr()[0], abs=1e-12)
        optimiser.step()
        both.step()


@pytest.mark.parametrize("patience", [0, 2])
def test_a_plateau_is_torchs_for_losses_and_scores(patience: int) -> None:
    criteria = [0.5, 0.6, 0.60001, 0.6, 0.6, 0.59, 0.7, 0.7, 0.7, 0.7, 0.7, 0.7, 0.2, 0.71]
    for mode, sign in (("max", 1), ("min", -1)):
        optimiser = torch.optim.SGD([torch.zeros(1, requires_grad=True)], 1.0)
        reference = lr_scheduler.ReduceLROnPlateau(optimiser, mode, factor=0.5, patience=patience)  # type: ignore[arg-type]
        mine = Plateau(0.5, patience)
        for criterion in criteria:
            reference.step(criterion if sign == 1 else 2 - criterion)
            mine.note(criterion if sign == 1 else criterion - 2)
            assert mine.scale == reference.get_last_lr()[0]
        assert mine.scale < 1
