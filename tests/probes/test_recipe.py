import re
from typing import Any

import numpy as np
import pytest

from earmark.errors import UnknownName, UserError
from earmark.probes.base import told
from earmark.probes.recipe import CHOICES, Recipe, hidden_sizes
from tests.probes.fitting import fit_seeds, problem_of


@pytest.mark.parametrize(
    ("hidden", "expected"),
    [
        ((), ()),
        ((128,), (128,)),
        ((256, 127), (256, 127)),
        (("infer",), (392,)),
        (("infer", "infer"), (516, 266)),
        (("power_infer",), (104,)),  # 768·(14/768)^½ = 103.7
        (("power_infer", "power_infer"), (202, 54)),  # 768·(14/768)^⅓ = 202.2, ^⅔ = 53.2
    ],
)
def test_hidden_sizes_between_768_inputs_and_14_classes(hidden: tuple[Any, ...], expected: tuple[int, ...]) -> None:
    assert hidden_sizes(Recipe(hidden), 768, 14) == expected


def test_a_power_that_is_exactly_odd_is_not_truncated_below_itself() -> None:
    assert hidden_sizes(Recipe(("power_infer",)), 27, 3) == (10,)  # 9, made even


@pytest.mark.parametrize(("n_layers", "expected"), [(1, (392,)), (2, (266, 1020)), (3, (202, 768, 1710))])
def test_mir_refs_power_rule_grows_with_depth(n_layers: int, expected: tuple[int, ...]) -> None:
    # Source: the code of mir_ref, α = (768 − 14) / (layers + 1), α·i² + 14 truncated, odd numbers made even.
    hidden: tuple[Any, ...] = ("power_infer",) * n_layers
    recipe = Recipe(hidden, power_rule="mir_ref")
    assert hidden_sizes(recipe, 768, 14) == expected
    assert hidden_sizes(Recipe((8, "infer"), power_rule="mir_ref"), 768, 14) == (8, 266)


def test_mir_refs_power_rule_is_refused_where_it_leaves_no_units() -> None:
    with pytest.raises(UserError, match="layer 2 -2 units between 4 inputs and 20 outputs, which are more"):
        hidden_sizes(Recipe(("power_infer",) * 2, power_rule="mir_ref"), 4, 20)


def test_inferred_sizes_grow_where_there_are_more_classes_than_inputs() -> None:
    assert hidden_sizes(Recipe(("infer", "infer")), 12, 24) == (16, 20)


def test_inferred_sizes_are_taken_anew_for_every_representation() -> None:
    recipe = Recipe(("infer",))
    assert hidden_sizes(recipe, 768, 14) != hidden_sizes(recipe, 128, 14) == (72,)
    assert recipe == Recipe(("infer",))


@pytest.mark.parametrize(
    ("fields", "text"),
    [
        ({"learning_rate": -1.0}, "Expected learning_rate to be a number above 0, got -1.0"),
        ({"learning_rate": float("nan")}, "learning_rate"),
        ({"weight_decay": -1e-5}, "weight_decay"),
        ({"batch_size": 0}, "batch_size"),
        ({"epochs": 0}, "epochs"),
        ({"patience": 0}, "patience"),
        ({"dropout": 1.0, "hidden_units": (8,)}, "dropout"),
        ({"dropout": 0.1}, "hidden_units is empty"),
        ({"hidden_units": (0,)}, "hidden_units"),
        ({"penalised_loss": True}, "penalised_loss is for the criterion loss, and neither is it"),
        ({"power_rule": "mirref"}, "Unknown power_rule 'mirref'. Did you mean 'mir_ref'"),
    ],
)
def test_a_wrong_recipe_says_which_number_is_wrong(fields: dict[str, Any], text: str) -> None:
    with pytest.raises(UserError, match=text):
        Recipe(**fields)


def test_a_misspelt_rule_gets_the_nearest_one() -> None:
    rules: Any = ("infr",)
    with pytest.raises(UnknownName, match="Did you mean 'infer'"):
        Recipe(rules)


COMBINATIONS: tuple[tuple[dict[str, Any], str], ...] = (
    ({"batch_norm": True}, "batch_norm normalises hidden units, but hidden_units is empty"),
    ({"activation": "tanh"}, "activation bends hidden units, but hidden_units is empty"),
    ({"plateau_factor": 0.5}, "plateau_factor is for schedule plateau, got constant"),
    ({"plateau_patience": 3, "schedule": "cosine"}, "plateau_patience is for schedule plateau, got cosine"),
    ({"stop_criterion": "never", "patience": 3}, "patience counts nothing where stop_criterion is never"),
    ({"steps": 10, "warm_up_steps": 10}, "Expected warm_up_steps below steps, got 10 of 10"),
    ({"layer_weights": True, "pca": 3}, "pca mixes the layers that layer_weights weighs"),
    ({"pool_frames": "mean", "average": "logits"}, "pool_frames leaves one"),
    ({"epsilon": 0}, "Expected epsilon to be a number above 0"),
    ({"steps": 0}, "Expected steps to be at least 1"),
    ({"check_every": 0}, "Expected check_every to be at least 1 epoch"),
    ({"warm_up_steps": -1}, "Expected warm_up_steps to be at least 0"),
    ({"plateau_factor": 1.0, "schedule": "plateau"}, "Expected plateau_factor to be a number between 0 and 1"),
    ({"plateau_patience": -1, "schedule": "plateau"}, "Expected plateau_patience to be at least 0 checks"),
)


@pytest.mark.parametrize(("fields", "text"), COMBINATIONS)
def test_what_does_not_go_together_is_refused(fields: dict[str, Any], text: str) -> None:
    with pytest.raises(UserError, match=re.escape(text)):
        Recipe(**fields)


@pytest.mark.parametrize("field", [*CHOICES, "stop_criterion", "save_criterion"])
def test_a_word_that_a_field_does_not_know_gets_the_known_ones(field: str) -> None:
    wrong: dict[str, Any] = {field: "lots"}
    with pytest.raises(UnknownName, match=f"Unknown {field} 'lots'"):
        Recipe((8,), **wrong)


def test_a_recipe_of_defaults_tells_nothing_but_its_kind() -> None:
    # What was kept under the key of a recipe stays there when fields are added.
    assert told(Recipe()) == {"kind": "mlp"}
    assert told(Recipe((8,), schedule="cosine")) == {"kind": "mlp", "hidden_units": [8], "schedule": "cosine"}


def test_the_sizes_of_one_representation_never_reach_another() -> None:
    # mir_ref writes them into its configuration, where the next representation finds them.
    rng = np.random.default_rng(0)
    recipe, widths = Recipe(("infer", "infer"), epochs=1), []
    for dim in (40, 12, 40):
        pair = rng.standard_normal((30, 1, dim), dtype=np.float32), rng.integers(4, size=30)
        [probe] = fit_seeds(problem_of("multiclass", pair, pair, 4), recipe, [0])
        widths.append(probe.network.sizes)
    assert widths == [(40, 28, 16, 4), (12, 10, 6, 4), (40, 28, 16, 4)]
    assert recipe == Recipe(("infer", "infer"), epochs=1)
