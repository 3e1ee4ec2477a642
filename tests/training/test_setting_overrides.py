"""Settings with some values replaced: each keeps its kind."""

from dataclasses import dataclass, field
from typing import Any, Literal

import pytest

from earmark.errors import UserError
from earmark.training.overrides import overridden


@dataclass(frozen=True)
class Inner:
    first: float = 2.0
    last: float = 0.5


@dataclass(frozen=True)
class Chosen:
    number: int = 1
    share: float = 0.5
    kind: Literal["zeros", "learned"] = "zeros"
    weights: tuple[float, ...] | None = (0.6, 0.4)
    inner: Inner = Inner()
    names: dict[str, int] = field(default_factory=lambda: {"one": 1, "two": 2})


def test_nothing_replaced_changes_nothing() -> None:
    assert overridden(Chosen(), {}) == Chosen()


def test_a_list_of_a_file_becomes_the_tuple_of_the_setting() -> None:
    assert overridden(Chosen(), {"weights": [0.1, 0.9]}).weights == (0.1, 0.9)


def test_a_value_may_be_taken_away_and_given_back_where_the_setting_has_none() -> None:
    without = overridden(Chosen(), {"weights": None})

    assert without.weights is None
    assert overridden(without, {"weights": [1.0]}).weights == (1.0,)


def test_a_whole_number_stands_for_a_fraction() -> None:
    assert overridden(Chosen(), {"share": 1}).share == 1.0


def test_a_mapping_replaces_keys_of_a_mapping_and_of_a_dataclass() -> None:
    found = overridden(Chosen(), {"inner": {"last": 1.0}, "names": {"two": 3}})

    assert found.inner == Inner(2.0, 1.0)
    assert found.names == {"one": 1, "two": 3}


@pytest.mark.parametrize(
    ("overrides", "said"),
    [
        ({"number": 1.5}, "Expected 'number' to be of the kind of 1, got 1.5."),
        ({"number": "1"}, "Expected 'number' to be of the kind of 1, got '1'."),
        ({"number": True}, "Expected 'number' to be of the kind of 1, got True."),
        ({"number": None}, "Expected 'number' to be of the kind of 1, got None."),
        ({"kind": "noughts"}, "Expected 'kind' to be of the kind of 'zeros', got 'noughts'."),
        ({"weights": 0.5}, "Expected 'weights' to be of the kind of (0.6, 0.4), got 0.5."),
        ({"weights": ["much"]}, "Expected 'weights' to be of the kind of (0.6, 0.4), got ['much']."),
        ({"numbr": 1}, "There is no setting 'numbr'. Did you mean 'number'? Settings: inner, kind, names, number, "),
        ({"inner": {"lest": 1}}, "There is no setting 'lest'. Did you mean 'last'? Settings: first, last."),
    ],
)
def test_another_kind_or_another_name_is_an_error(overrides: dict[str, Any], said: str) -> None:
    with pytest.raises(UserError) as caught:
        overridden(Chosen(), overrides)
    assert said in str(caught.value)
