from typing import Any

import pytest

from earmark.errors import UnknownName, UserError
from earmark.probes.presets import PRESETS, preset
from earmark.probes.recipe import Recipe, hidden_sizes


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
    ],
)
def test_a_wrong_recipe_says_which_number_is_wrong(fields: dict[str, Any], text: str) -> None:
    with pytest.raises(UserError, match=text):
        Recipe(**fields)


def test_a_misspelt_rule_gets_the_nearest_one() -> None:
    rules: Any = ("infr",)
    with pytest.raises(UnknownName, match="Did you mean 'infer'"):
        Recipe(rules)


def test_the_fixed_preset_is_the_five_probes_of_the_thesis() -> None:
    # Source: Plachouras 2023, the downstream models M1 to M5; Adam 1e-3, L2 1e-5, batch 100, patience 10.
    recipes = preset("mir_ref-fixed")
    hidden = [recipe.hidden_units for recipe in recipes.values()]
    assert list(recipes) == ["M1", "M2", "M3", "M4", "M5"]
    assert hidden == [(), (128,), (256, 128), ("infer",), ("infer", "infer")]
    for recipe in recipes.values():
        assert recipe == Recipe(recipe.hidden_units, 1e-3, 1e-5, 100, 100, 10, False, 0.0)


def test_some_probes_of_a_preset_come_in_the_order_asked_for() -> None:
    assert list(preset("mir_ref-fixed", ["M3", "M1"])) == ["M3", "M1"]
    assert preset("mir_ref-fixed", []) == {}


def test_unknown_presets_and_probes_are_refused_with_the_known_ones() -> None:
    with pytest.raises(UnknownName, match=r"Unknown preset 'mir_ref'\. Did you mean 'mir_ref-fixed'"):
        preset("mir_ref")
    with pytest.raises(UnknownName, match=r"probe of mir_ref-fixed 'M6'.*Known: M1, M2, M3, M4, M5"):
        preset("mir_ref-fixed", ["M6"])


def test_a_preset_handed_out_is_a_copy() -> None:
    preset("mir_ref-fixed").clear()
    assert len(PRESETS["mir_ref-fixed"]) == 5
