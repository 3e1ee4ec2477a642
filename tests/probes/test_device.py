"""Networks on another device than the CPU: one made up of the CPU, and a GPU where there is one."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch

from earmark.nouns import Kind
from earmark.probes import mlp
from earmark.probes.base import Job, Problem
from earmark.probes.fit import fit, goes_to_device
from earmark.probes.kinds import recipe_of
from earmark.probes.networks import Network
from earmark.probes.recipe import Recipe
from earmark.probes.select import Recipe as Choice
from tests.probes.elsewhere import DEVICE, Elsewhere, There
from tests.probes.fitting import fit_seeds, same_bits
from tests.probes.test_mixed_stacks import BASE, N_TRAIN, N_VALID, NETWORKS, OTHERS, count_stacks, problem

SHORT = replace(BASE, epochs=4)
KINDS: tuple[Kind, ...] = ("multiclass", "multilabel", "regression", "key")


def there(given: Problem) -> Problem:
    return replace(given, device=DEVICE)


def test_the_made_up_device_computes_and_refuses_tensors_that_were_left_behind() -> None:
    with Elsewhere() as crossed:
        moved = torch.arange(6.0).to(DEVICE)
        made = torch.ones(6, device=DEVICE)
        assert isinstance(made, There)
        assert (moved.device, made.device) == (torch.device(DEVICE),) * 2
        moved[2:].view(2, 2).mul_(2)
        assert (moved + made).cpu().tolist() == [1, 2, 5, 7, 9, 11]
        with pytest.raises(RuntimeError, match=r"tensors of one device.*aten.add.*of the CPU, \(6,\)"):
            moved + torch.ones(6)
        with pytest.raises(RuntimeError, match=r"aten.mul.*of the CPU, \(\)"):
            moved.mul_(torch.tensor(2.0))
    assert (crossed.to, crossed.back) == ([6], [6])


@pytest.mark.parametrize("change", [{}, *NETWORKS], ids=str)
def test_a_whole_fit_keeps_to_its_device(change: dict[str, Any]) -> None:
    given, recipe = problem(frames=True), replace(SHORT, **change)
    silenced = replace(recipe, dropout=0.4 if recipe.hidden_units else 0.0, keep="last")
    jobs = [Job(recipe, 1), Job(silenced, 2), Job(replace(recipe, patience=1, learning_rate=0.3), 3)]
    with Elsewhere() as crossed:
        found = mlp.fit(there(given), jobs)
    assert crossed.to
    assert all(same_bits(one, other) for one, other in zip(found, mlp.fit(given, jobs), strict=True))


@pytest.mark.parametrize("kind", KINDS)
def test_recipes_of_one_stack_keep_to_its_device(kind: Kind) -> None:
    given = problem(kind)
    others = [one for one in OTHERS if kind == "multiclass" or one.save_criterion != "f1"]
    jobs = [Job(replace(recipe, epochs=4), seed) for seed, recipe in enumerate((BASE, *others))]
    with Elsewhere():
        found = mlp.fit(there(given), jobs)
    assert all(same_bits(one, other) for one, other in zip(found, mlp.fit(given, jobs), strict=True))


def test_inputs_targets_and_weights_move_once_and_orders_once_an_epoch() -> None:
    recipe, n_slots = replace(BASE, epochs=3, patience=3), 2
    with Elsewhere() as crossed:
        fit_seeds(there(problem()), recipe, range(n_slots))
    network = Network((51, 33, 20, 5))
    weights = [sum(int(np.prod(part.room)) for part in parts) * n_slots for parts in network.parts]
    inputs = [clips * Network((51, 5)).rooms[0] for clips in (N_TRAIN, N_VALID)]
    assert sorted(crossed.to) == sorted([*inputs, N_TRAIN, *weights, *[n_slots * N_TRAIN] * 3])


def test_an_epoch_is_waited_for_once_and_a_check_once_for_all_and_once_a_slot() -> None:
    recipe, n_slots = replace(BASE, epochs=3, patience=3, keep="last"), 2
    with Elsewhere() as crossed:
        fit_seeds(there(problem()), recipe, range(n_slots))
    losses, logits = 6 * n_slots, N_VALID * 5 * n_slots
    assert crossed.back[:6] == [losses, logits] * 3
    assert len(crossed.back) == 6 + 3 * n_slots, "the weights that are kept come back at the end"


def test_on_a_gpu_all_of_one_shape_are_one_stack(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mlp, "STACK_NUMBERS", 1)
    stacks = count_stacks(monkeypatch)
    with Elsewhere():
        fit_seeds(there(problem()), replace(BASE, epochs=1), range(5))
    assert stacks == [5]


def test_a_choice_among_networks_goes_to_the_device_and_one_among_others_does_not() -> None:
    other = recipe_of({"kind": "ridge"})
    assert [goes_to_device(one) for one in (Recipe(), other)] == [True, False]
    assert goes_to_device(Choice((other, Choice((other, Recipe())))))
    assert not goes_to_device(Choice((other, Choice((other,)))))
    with Elsewhere() as crossed:
        fit(there(problem()), [Job(Choice((BASE, other)), 1)])
    assert crossed.to


@pytest.mark.gpu
@pytest.mark.parametrize("change", [{}, *NETWORKS], ids=str)
def test_a_gpu_says_what_the_cpu_says(change: dict[str, Any]) -> None:
    given, recipe = problem(frames=True), replace(BASE, learning_rate=1e-3, epochs=3, keep="last", **change)
    jobs = [Job(recipe, seed) for seed in range(3)]
    for one, other in zip(mlp.fit(given, jobs), mlp.fit(replace(given, device="cuda"), jobs), strict=True):
        expected, found = (probe.predict(given.valid.embeddings, given.valid.clips) for probe in (one, other))
        assert found == pytest.approx(expected, abs=1e-4)
        assert [check.train_loss for check in other.history] == pytest.approx(
            [check.train_loss for check in one.history], abs=1e-4
        )
