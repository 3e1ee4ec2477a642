"""A probe is the same to the bit whatever recipes it shares a stack with, and whatever its network is made of."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from earmark.nouns import Kind
from earmark.probes import mlp
from earmark.probes.base import Examples, Job, Problem
from earmark.probes.recipe import Recipe
from earmark.probes.stack import Stack
from tests.probes.fitting import same_bits

RNG = np.random.default_rng(5)
N_TRAIN, N_VALID = 201, 60


def examples(kind: Kind, n_clips: int, frames: bool) -> Examples:
    clips = np.repeat(np.arange(n_clips), RNG.integers(1, 7, n_clips)) if frames else None
    n_rows = n_clips if clips is None else len(clips)
    targets = {
        "multilabel": RNG.integers(0, 2, (n_clips, 5)).astype(np.float32),
        "regression": RNG.standard_normal((n_clips, 5)).astype(np.float32),
    }.get(kind, RNG.integers(0, 5, n_clips))
    return Examples(RNG.standard_normal((n_rows, 3, 17), dtype=np.float32), targets, clips)


def problem(kind: Kind = "multiclass", frames: bool = False) -> Problem:
    return Problem(kind, examples(kind, N_TRAIN, frames), examples(kind, N_VALID, frames), 5)


BASE = Recipe((33, 20), learning_rate=0.01, batch_size=40, epochs=7, patience=3)
OTHERS = (
    replace(BASE, learning_rate=3e-4),
    replace(BASE, weight_decay=0.01, decay_biases=False),
    replace(BASE, initialisation="hear_normal", patience=1),
    replace(BASE, initialisation="torch", dropout=0.3),
    replace(BASE, dropout=0.1, stop_criterion="loss", save_criterion="f1", ties="first"),
    replace(BASE, schedule="cosine", warm_up_steps=5, epsilon=1e-8),
    replace(BASE, schedule="plateau", plateau_patience=0, keep="last"),
    replace(BASE, check_every=2, train_sampling="fixed", stop_criterion="never", patience=10),
    replace(BASE, average="logits"),
)


def count_stacks(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    made: list[int] = []
    train = mlp._train

    def spy(slots: Any, material: Any) -> None:
        made.append(len(slots))
        train(slots, material)

    monkeypatch.setattr(mlp, "_train", spy)
    return made


def test_recipes_that_differ_in_a_slots_own_fields_share_one_stack(monkeypatch: pytest.MonkeyPatch) -> None:
    given, stacks = problem(frames=True), count_stacks(monkeypatch)
    jobs = [Job(recipe, seed) for seed, recipe in enumerate((BASE, *OTHERS))]
    together = mlp.fit(given, jobs)
    assert stacks == [10]
    assert len({len(probe.history) for probe in together}) > 2, "the slots must end at different times"
    for job, probe in zip(jobs, together, strict=True):
        [alone] = mlp.fit(given, [job])
        assert same_bits(alone, probe), job.recipe
        assert probe.recipe == job.recipe
    backwards = mlp.fit(given, jobs[::-1])
    assert all(same_bits(one, other) for one, other in zip(backwards[::-1], together, strict=True))


NETWORKS: tuple[dict[str, Any], ...] = (
    {"batch_norm": True},
    {"batch_norm": True, "dropout": 0.2, "initialisation": "hear_uniform"},
    {"activation": "sigmoid"},
    {"activation": "gelu", "dropout": 0.2},
    {"layer_weights": True},
    {"layer_weights": True, "hidden_units": ()},
    {"pool_frames": "attention"},
    {"pool_frames": "attention", "layer_weights": True, "batch_norm": True, "activation": "tanh"},
    {"pool_frames": "mean_std"},
    {"loss": "binary"},
    {"train_sampling": "balanced", "drop_last": True},
    {"steps": 20, "schedule": "cosine", "warm_up_steps": 4},
)


@pytest.mark.parametrize("change", NETWORKS, ids=str)
def test_any_network_is_the_same_to_the_bit_in_any_company(change: dict[str, Any]) -> None:
    given = problem(frames=True)
    recipe = replace(BASE, **change)
    slower = replace(recipe, learning_rate=1e-3, patience=1)
    [alone] = mlp.fit(given, [Job(recipe, 5)])
    for company in ([(slower, 1), (recipe, 5)], [(recipe, 5), *((slower, seed) for seed in range(6))]):
        jobs = [Job(*one) for one in company]
        assert same_bits(mlp.fit(given, jobs)[jobs.index(Job(recipe, 5))], alone)


@pytest.mark.parametrize("kind", ["multiclass", "multilabel", "regression", "key"])
def test_autograd_and_the_gradient_by_hand_agree(kind: Kind, monkeypatch: pytest.MonkeyPatch) -> None:
    given = problem(kind)
    given = replace(given, monitor=lambda targets, scores: -float(np.abs(scores.sum())))
    jobs = [Job(replace(BASE, dropout=0.2, keep="last"), seed) for seed in (1, 2)]
    by_hand = mlp.fit(given, jobs)
    monkeypatch.setattr("earmark.probes.networks.Network.is_plain", False)
    for one, other in zip(by_hand, mlp.fit(given, jobs), strict=True):
        for name, array in one.weights.items():
            assert array == pytest.approx(other.weights[name], abs=2e-5)
        assert one.history[-1].train_loss == pytest.approx(other.history[-1].train_loss, rel=1e-4)


def test_a_stack_is_split_before_it_is_too_large(monkeypatch: pytest.MonkeyPatch) -> None:
    given, stacks = problem(), count_stacks(monkeypatch)
    together = mlp.fit(given, [Job(BASE, seed) for seed in range(5)])
    monkeypatch.setattr(mlp, "STACK_NUMBERS", 1)
    split = mlp.fit(given, [Job(BASE, seed) for seed in range(5)])
    assert stacks == [5, 3, 2]
    assert all(same_bits(one, other) for one, other in zip(together, split, strict=True))


def test_padding_stays_zero_through_every_step(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[Stack] = []
    step = Stack.step

    def spy(stack: Stack, *given: Any) -> Any:
        seen.append(stack)
        return step(stack, *given)

    monkeypatch.setattr(Stack, "step", spy)
    recipe = replace(BASE, batch_norm=True, activation="sigmoid", layer_weights=True, pool_frames="attention", epochs=2)
    mlp.fit(problem(frames=True), [Job(recipe, 1), Job(recipe, 2)])
    for name, view in seen[-1].named.items():
        if name.endswith((".variance", ".mean")):
            continue
        room = view[0].clone()
        shape = {part.name: part.shape for parts in seen[-1].network.parts for part in parts}[name]
        room[tuple(map(slice, shape)) if len(shape) > 1 else (0, slice(*shape))] = 0
        assert not room.any(), name
