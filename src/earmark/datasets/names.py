"""How a name becomes a dataset, or its card: a file of this room, or "package.module:Name" from anywhere."""

from collections.abc import Mapping
from pathlib import Path
from types import ModuleType
from typing import NamedTuple

from earmark import lookup, places
from earmark.datasets import _methods, _subset
from earmark.datasets.base import Dataset
from earmark.errors import DataError, UnknownName
from earmark.nouns import DataCard


class Named(NamedTuple):
    """A dataset file, the variant asked for, its card, and the name as results say it."""

    module: ModuleType
    variant: str
    card: DataCard
    file_name: str


def load(name: str, folder: Path | None = None) -> Dataset:
    """Return a dataset by name; `folder` is where its files lie (a manifest: the file), else the data home.

    Where `earmark get` fetched a subset, that is the dataset. Raises UnknownName for a name or variant that does not
    exist, MissingPart when its files are not there.
    """
    theirs = lookup.external(name)
    if theirs is not None:
        return _methods.load(theirs, name, folder)
    found = find(name)
    root = folder if folder is not None else home(name)
    if found.card.status == "built-in" and not root.is_dir():
        places.writable(root)  # it is made there
    loaded = found.module.load(found.variant, root)
    if not isinstance(loaded, Dataset):
        raise DataError(f"Expected datasets.{name} to load a Dataset, got {type(loaded).__name__}.")
    return _subset.applied(loaded)


def home(name: str) -> Path:
    """Return the folder in the data home where the files of a dataset lie when no other is given."""
    return places.data_folder(find(name).file_name.replace("-", "_"))


def card(name: str) -> DataCard:
    """Return the card of a dataset, without looking at its files."""
    theirs = lookup.external(name)
    return _methods.card(theirs, name) if theirs is not None else find(name).card


def find(name: str) -> Named:
    """Return the file of a dataset's name and the card of the variant. Raises UnknownName."""
    found = lookup.find("datasets", name)
    file_name = found.module.__name__.rpartition(".")[2].replace("_", "-")
    cards: Mapping[str, DataCard] = found.module.CARDS
    plain = found.variant.replace("_", "-").replace(":", "-")
    card = next((one for variant, one in cards.items() if variant.replace("_", "-") == plain), cards.get("*"))
    if card is None:
        raise UnknownName("dataset", name, (f"{file_name}:{one}".removesuffix(":") for one in cards))
    return Named(found.module, found.variant if "*" in cards else plain, card, file_name)


def every() -> Mapping[str, DataCard]:
    """Return the card of every dataset and variant, by name as an experiment file writes it.

    A plain name that means one of its variants is left out.
    """
    return {
        f"{name}:{variant}".removesuffix(":").removesuffix(":*"): found
        for name in lookup.names("datasets")
        for cards in (find_cards(name),)
        for variant, found in cards.items()
        if variant or list(cards.values()).count(found) == 1
    }


def find_cards(name: str) -> Mapping[str, DataCard]:
    """Return the cards of a dataset file by variant."""
    cards: Mapping[str, DataCard] = lookup.find("datasets", name).module.CARDS
    return cards
