"""Whole protocols against the loop that one writes by hand: nn modules, autograd, torch's losses and schedulers."""

from collections.abc import Callable
from dataclasses import replace
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.optim import lr_scheduler

from earmark.nouns import Kind
from earmark.probes.initial import initial
from earmark.probes.network_probe import NetworkProbe
from earmark.probes.networks import Network, unpadded
from earmark.probes.recipe import Recipe
from tests.probes.fitting import fit_seeds, problem_of

N_TRAIN, N_VALID, DIM, N_OUTPUTS = 211, 60, 19, 6
DRAWN = np.random.default_rng(11)
EMBEDDINGS = DRAWN.standard_normal((N_TRAIN + N_VALID, 1, DIM), dtype=np.float32)
VALUES = DRAWN.standard_normal((N_TRAIN + N_VALID, N_OUTPUTS), dtype=np.float32)
Scheduler = Callable[[torch.optim.Optimizer], Any]


class Dropout(nn.Module):
    """Silence units by draws from the probe's own generator, in training."""

    def __init__(self, p: float, rng: np.random.Generator) -> None:
        super().__init__()
        self.p, self.rng = p, rng

    def forward(self, units: Tensor) -> Tensor:
        if not (self.training and self.p):
            return units
        return units * torch.from_numpy(self.rng.random(tuple(units.shape), np.float32) >= self.p) / (1 - self.p)


def module(recipe: Recipe, rng: np.random.Generator) -> nn.Sequential:
    """Return HEAR's block order, with dropout before the ReLU, and the first weights of the probe."""
    network = Network((DIM, *recipe.hidden_units, N_OUTPUTS), batch_norm=recipe.batch_norm)  # type: ignore[arg-type]
    first = unpadded(initial(network, recipe.initialisation, rng), network)
    modules: list[nn.Module] = []
    for depth, (fan_in, fan_out) in enumerate(pairwise(network.sizes)):
        linear = nn.Linear(fan_in, fan_out)
        linear.weight.data = first[f"dense.{depth}.weight"].T.clone()
        linear.bias.data = first[f"dense.{depth}.bias"].clone()
        norm = [nn.BatchNorm1d(fan_out)] if recipe.batch_norm else []
        modules += [linear, *norm, Dropout(recipe.dropout, rng), nn.ReLU()]
    return nn.Sequential(*modules[: -3 if recipe.batch_norm else -2])


def loop(recipe: Recipe, seed: int, targets: Tensor, loss: Any, scheduler: Scheduler, steps: int) -> nn.Sequential:
    rng = np.random.Generator(np.random.PCG64(seed))
    network = module(recipe, rng)
    optimiser = torch.optim.Adam(network.parameters(), recipe.learning_rate, eps=recipe.epsilon)
    rates, order, done = scheduler(optimiser), None, 0
    while done < steps:
        if order is None or recipe.train_sampling != "fixed":
            order = torch.from_numpy(rng.permutation(N_TRAIN))
        network.train()
        for rows in torch.split(order, recipe.batch_size):
            if done == steps:
                break
            optimiser.zero_grad()
            kernels = [one.weight for one in network if isinstance(one, nn.Linear)]
            penalty = recipe.weight_decay * sum(kernel.square().sum() for kernel in kernels)
            (loss(network(torch.from_numpy(EMBEDDINGS)[rows, 0]), targets[rows]) + penalty).backward()
            optimiser.step()
            done += 1
            if not isinstance(rates, lr_scheduler.ReduceLROnPlateau):
                rates.step()
        if isinstance(rates, lr_scheduler.ReduceLROnPlateau):
            network.eval()
            with torch.no_grad():
                rates.step(loss(network(torch.from_numpy(EMBEDDINGS)[N_TRAIN:, 0]), targets[N_TRAIN:]))
    return network.eval()


def assert_logits_agree(probe: NetworkProbe, network: nn.Sequential) -> None:
    with torch.no_grad():
        expected = network(torch.from_numpy(EMBEDDINGS)[:, 0]).numpy()
    assert np.abs(expected).max() > 0.3
    assert probe._logits(EMBEDDINGS[:, 0], None) == pytest.approx(expected, abs=1e-5)


def fitted(recipe: Recipe, kind: Kind, targets: np.ndarray, seeds: list[int]) -> list[NetworkProbe]:
    train, valid = (EMBEDDINGS[:N_TRAIN], targets[:N_TRAIN]), (EMBEDDINGS[N_TRAIN:], targets[N_TRAIN:])
    return fit_seeds(problem_of(kind, train, valid, N_OUTPUTS), recipe, seeds)


def constant(optimiser: torch.optim.Optimizer) -> lr_scheduler.LRScheduler:
    return lr_scheduler.ConstantLR(optimiser, 1.0)


LAST = {"keep": "last", "stop_criterion": "never"}


@pytest.mark.parametrize("initialisation", ["hear_uniform", "hear_normal"])
def test_the_block_of_hear_is_the_plain_loops(initialisation: Any) -> None:
    # A bias before a batch norm has no gradient but rounding, which Adam with HEAR's ε of 1e-8 makes whole steps of:
    # they change no output in training, and the running mean a little. A larger ε leaves rounding out of both loops.
    recipe = Recipe(
        (48, 40),
        weight_decay=0,
        batch_size=64,
        epochs=9,
        dropout=0.1,
        batch_norm=True,
        initialisation=initialisation,
        epsilon=1e-4,
        train_sampling="fixed",
        check_every=3,
        **LAST,  # type: ignore[arg-type]
    )
    classes = VALUES.argmax(axis=1)
    for seed, probe in zip([3, 4], fitted(recipe, "multiclass", classes, [3, 4]), strict=True):
        network = loop(recipe, seed, torch.from_numpy(classes), nn.functional.cross_entropy, constant, 9 * 4)
        assert_logits_agree(probe, network)
        norms = [one for one in network if isinstance(one, nn.BatchNorm1d)]
        for depth, norm in enumerate(norms):
            assert norm.running_mean is not None
            assert norm.running_var is not None
            assert probe.weights[f"norm.{depth}.mean"] == pytest.approx(norm.running_mean.numpy(), abs=1e-5)
            assert probe.weights[f"norm.{depth}.variance"] == pytest.approx(norm.running_var.numpy(), abs=1e-5)
        assert [check.epoch for check in probe.history] == [3, 6, 9]


def mule(optimiser: torch.optim.Optimizer) -> lr_scheduler.LRScheduler:
    rising = lr_scheduler.LambdaLR(optimiser, lambda step: step / 10)
    falling = lr_scheduler.CosineAnnealingLR(optimiser, T_max=30)
    return lr_scheduler.SequentialLR(optimiser, [rising, falling], [10])


def test_the_schedule_of_mule_with_l2_on_kernels_is_the_plain_loops() -> None:
    recipe = Recipe(
        (24,),
        learning_rate=5e-3,
        weight_decay=1e-3,
        decay_biases=False,
        batch_size=64,
        dropout=0.5,
        steps=40,
        schedule="cosine",
        warm_up_steps=10,
        **LAST,  # type: ignore[arg-type]
    )
    labels = (VALUES > 0).astype(np.float32)
    bce = nn.functional.binary_cross_entropy_with_logits
    [probe] = fitted(recipe, "multilabel", labels, [5])
    assert_logits_agree(probe, loop(recipe, 5, torch.from_numpy(labels), bce, mule, 40))
    assert (probe.history[-1].step, probe.history[-1].epoch) == (40, 10)


def test_binary_loss_on_one_class_is_the_plain_loops_with_one_hot_targets() -> None:
    recipe = replace(
        Recipe((), weight_decay=0, batch_size=64, epochs=8, loss="binary", keep="last"), learning_rate=0.02
    )
    classes = VALUES.argmax(axis=1)
    one_hot = torch.from_numpy(np.eye(N_OUTPUTS, dtype=np.float32)[classes])
    bce = nn.functional.binary_cross_entropy_with_logits
    [probe] = fitted(recipe, "multiclass", classes, [5])
    network = loop(recipe, 5, one_hot, bce, constant, 8 * 4)
    assert_logits_agree(probe, network)
    predicted = torch.sigmoid(network(torch.from_numpy(EMBEDDINGS)[:, 0])).detach().numpy()
    assert probe.predict(EMBEDDINGS) == pytest.approx(predicted, abs=1e-5)
    valid = nn.functional.binary_cross_entropy(torch.from_numpy(predicted[N_TRAIN:]), one_hot[N_TRAIN:])
    assert probe.history[-1].valid_loss == pytest.approx(float(valid), abs=1e-5)


def test_a_plateau_lowers_the_rate_as_torchs_does() -> None:
    recipe = Recipe(
        (24,),
        learning_rate=0.02,
        weight_decay=0,
        batch_size=64,
        epochs=25,
        initialisation="torch",
        schedule="plateau",
        plateau_factor=0.5,
        plateau_patience=1,
        stop_criterion="loss",
        patience=100,
        keep="last",
    )
    classes = VALUES.argmax(axis=1)

    def plateau(optimiser: torch.optim.Optimizer) -> lr_scheduler.ReduceLROnPlateau:
        return lr_scheduler.ReduceLROnPlateau(optimiser, factor=0.5, patience=1)

    [probe] = fitted(recipe, "multiclass", classes, [5])
    assert len({check.learning_rate for check in probe.history}) > 3, "the rate must fall several times"
    assert_logits_agree(probe, loop(recipe, 5, torch.from_numpy(classes), nn.functional.cross_entropy, plateau, 100))


def test_the_training_loss_of_a_check_is_the_mean_over_its_clips() -> None:
    recipe = Recipe((), learning_rate=1e-12, weight_decay=0, batch_size=64, epochs=1, standardise_targets=False)
    cases: tuple[tuple[Kind, np.ndarray, Any], ...] = (
        ("multiclass", VALUES.argmax(axis=1), nn.functional.cross_entropy),
        ("multilabel", (VALUES > 0).astype(np.float32), nn.functional.binary_cross_entropy_with_logits),
        ("regression", VALUES, nn.functional.mse_loss),
    )
    for kind, targets, loss in cases:
        [probe] = fitted(recipe, kind, targets, [1])
        logits = torch.from_numpy(probe._logits(EMBEDDINGS[:N_TRAIN, 0], None)).float()
        expected = float(loss(logits, torch.from_numpy(targets[:N_TRAIN])))
        assert probe.history[0].train_loss == pytest.approx(expected, rel=1e-5)
