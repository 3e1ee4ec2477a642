"""What a wrong name is answered with: names that lead somewhere."""

import re

import pytest

from earmark import lookup
from earmark.datasets import names
from earmark.errors import MissingPart, UnknownName
from earmark.representations import base

WRONG = ("mertt", "mert", "hubert_bose", "encodec", "random:mert", "logmel+clap")


def offered(message: str) -> list[str]:
    """The names that a message offers: the nearest, and those known."""
    nearest = re.findall(r"Did you mean '(.*)'\?", message)
    return [*nearest, *message.partition("Known: ")[2].removesuffix(".").split(", ")]


@pytest.mark.parametrize("wrong", WRONG)
def test_a_wrong_representation_is_answered_with_what_can_be_loaded(wrong: str) -> None:
    with pytest.raises(UnknownName) as caught:
        base.load(wrong)
    for name in offered(str(caught.value)):
        assert name in base.every() or name in base.forms()


@pytest.mark.parametrize(
    ("wrong", "nearest"),
    [("mert", "mert-v1-"), ("mertt", "mert-v1-"), ("crepe", "crepe-tiny"), ("musicnnn-msd", "musicnn-msd")],
)
def test_the_nearest_is_a_network_with_weights(wrong: str, nearest: str) -> None:
    with pytest.raises(UnknownName, match=f"Did you mean '{nearest}"):
        base.load(wrong)


@pytest.mark.parametrize("name", base.every())
def test_every_representation_that_is_offered_loads_or_says_what_to_fetch(
    name: str, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("EARMARK_HOME", str(tmp_path_factory.getbasetemp() / "empty"))
    sources = base.every()[name].sources
    if sources:
        with pytest.raises(MissingPart, match=r"earmark get weights|pip install"):
            base.load(name)
    else:
        assert base.load(name).card.name == name


def test_a_miniature_is_known_by_its_name_and_offered_to_nobody() -> None:
    assert base.card("mert-tiny") is not None
    assert "mert-tiny" not in base.every()


@pytest.mark.parametrize("name", base.NOT_YET)
def test_what_is_meant_to_come_says_how_to_see_what_there_is(name: str) -> None:
    with pytest.raises(MissingPart, match=f"'{name}' is not in this version of earmark. .* earmark list repr"):
        base.load(name)


@pytest.mark.parametrize("name", lookup.names("datasets"))
def test_every_dataset_that_is_offered_has_a_card(name: str) -> None:
    assert names.card(name).title


@pytest.mark.parametrize("wrong", ["studioo", "studio:flui", "mtg-jamendo:x", "hear"])
def test_a_wrong_dataset_is_answered_with_names_that_have_cards(wrong: str) -> None:
    with pytest.raises(UnknownName) as caught:
        names.load(wrong)
    for name in offered(str(caught.value)):
        assert names.card(name).title
