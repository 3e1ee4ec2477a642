"""Keras itself as the oracle: its L2, its losses and its Adam, on the same batches from the same first weights."""

import json
from dataclasses import replace

import numpy as np
import pytest

from earmark.nouns import Kind
from earmark.probes.recipe import hidden_sizes
from tests.golden.keras.make import DIM, GOLDEN, KINDS, N_OUTPUTS, RECIPE, SEED, STOPPING, learnable, material
from tests.probes.fitting import fit_seeds, problem_of

LEARNED = json.loads(GOLDEN.read_text(encoding="utf-8"))


@pytest.mark.parametrize("kind", KINDS)
def test_a_probe_of_the_thesis_is_what_keras_makes_of_it(kind: Kind) -> None:
    # Adam's ε stands elsewhere in Keras (see `mlp.fit`): hence no closer.
    pair = material(kind)
    [probe] = fit_seeds(problem_of(kind, pair, pair, N_OUTPUTS), RECIPE, [SEED])
    for depth, (weight, bias) in enumerate(LEARNED[kind]["weights"]):
        assert probe.weights[f"dense.{depth}.weight"] == pytest.approx(np.array(weight), abs=1e-4)
        assert probe.weights[f"dense.{depth}.bias"] == pytest.approx(np.array(bias), abs=1e-4)
    assert sum(array.size for array in probe.weights.values()) == LEARNED[kind]["n_parameters"]


@pytest.mark.parametrize("kind", KINDS)
def test_half_the_penalty_of_keras_would_be_another_probe(kind: Kind) -> None:
    # torch's weight_decay of λ is Keras' L2 of λ / 2: the factor that is easy to forget.
    pair = material(kind)
    halved = RECIPE.__class__(**{**vars(RECIPE), "weight_decay": RECIPE.weight_decay / 2})
    [probe] = fit_seeds(problem_of(kind, pair, pair, N_OUTPUTS), halved, [SEED])
    weight = np.array(LEARNED[kind]["weights"][0][0])
    assert np.abs(probe.weights["dense.0.weight"] - weight).max() > 1e-3


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("loss", ["penalised", "plain"])
def test_a_training_ends_where_keras_ends_it_by_the_validation_loss_with_the_penalty_or_without(
    kind: Kind, loss: str
) -> None:
    recipe = replace(STOPPING, penalised_loss=loss == "penalised")
    problem = problem_of(kind, learnable(kind, 1), learnable(kind, 2), N_OUTPUTS)
    [probe] = fit_seeds(problem, recipe, [SEED])
    ends = LEARNED[kind]["stopped"]
    assert len(probe.history) == ends[loss] < STOPPING.epochs
    assert kind == "regression" or ends["penalised"] != ends["plain"], "else this could not tell the two apart"


def test_inferred_sizes_are_those_of_the_keras_layers() -> None:
    for kind in KINDS:
        assert LEARNED[kind]["sizes"] == [*hidden_sizes(RECIPE, DIM, N_OUTPUTS), N_OUTPUTS]
