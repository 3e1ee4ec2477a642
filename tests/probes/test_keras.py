"""Keras itself as the oracle: its L2, its losses and its Adam, on the same batches from the same first weights."""

import json

import numpy as np
import pytest

from earmark.nouns import Kind
from earmark.probes.recipe import hidden_sizes
from tests.golden.keras.make import DIM, GOLDEN, KINDS, N_OUTPUTS, RECIPE, SEED, material
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


def test_inferred_sizes_are_those_of_the_keras_layers() -> None:
    for kind in KINDS:
        assert LEARNED[kind]["sizes"] == [*hidden_sizes(RECIPE, DIM, N_OUTPUTS), N_OUTPUTS]
