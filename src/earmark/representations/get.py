"""Getting the weights of a representation: the only step that asks the network for them.

What is fetched is said by the card, or for a form of a name (`hf:…`, `A+B`) by its file: `weights(variant)` returns
what one name needs, `parts(variant)` the names that it is made of.
"""

import os
from typing import NamedTuple, cast

from earmark import lookup, places
from earmark.errors import DataError, MissingPart
from earmark.nouns import Card, Source
from earmark.representations import base
from earmark.representations._weights import need
from earmark.sources import receipts
from earmark.sources.fetch import Fetched, Watch, fetch

OFFLINE = "EARMARK_OFFLINE"


class Weights(NamedTuple):
    """What one representation needs of the network, under which licence; no sources: nothing."""

    name: str
    licence: str
    sources: tuple[Source, ...]


def require_online(what: str, offline: bool = False) -> None:
    """Raise MissingPart when `offline`, or EARMARK_OFFLINE in the environment, forbids the network ("0": it may)."""
    if offline or os.environ.get(OFFLINE, "0") not in ("", "0"):
        why = "--offline was given" if offline else f"{OFFLINE} is set"
        raise MissingPart(f"{why}, so {what} is not fetched. Leave that out to fetch it; what is here already is used.")


def wanted(name: str) -> tuple[Weights, ...]:
    """Return what a name needs, a joined one's parts each. A Hugging Face id is asked for its list of files.

    Raises UnknownName; DataError for a user's own class or module, which brings its weights itself.
    """
    if lookup.external(name) is not None:
        raise DataError(f"'{name}' is your own: it brings its weights itself, and there is nothing to fetch.")
    found = base.find(name)
    card: Card | None = found.module.CARDS.get(found.variant)
    if card is not None:
        return (Weights(card.name, card.licence, card.sources),)
    if hasattr(found.module, "parts"):
        return tuple(one for part in found.module.parts(found.variant) for one in wanted(part))
    if hasattr(found.module, "weights"):
        return (Weights(*cast("tuple[str, str, tuple[Source, ...]]", found.module.weights(found.variant))),)
    return (Weights(name, "its own", ()),)


def get(
    weights: Weights, *, jobs: int = 4, verify: bool = False, offline: bool = False, watch: Watch | None = None
) -> tuple[Fetched, ...]:
    """Fetch weights into `places.weights_folder(name)`: resumed, verified, and unpacked where they are packed.

    What is there already, or among other weights, is not fetched: one package may hold several. Raises
    as `fetch` does, and MissingPart offline.
    """
    if not weights.sources:
        return ()
    require_online(f"'{weights.name}'", offline)
    folder = places.weights_folder(weights.name)
    others = sorted(path.parent for path in places.weights_folder("").rglob(receipts.NAME) if path.parent != folder)
    return fetch(weights.sources, folder, jobs=jobs, verify=verify, watch=watch, kin=others)


def is_here(card: Card) -> bool:
    """Tell whether the weights of a card lie in their folder."""
    try:
        folder = need(card)
    except MissingPart:
        return False
    return any(not path.name.startswith(".") for path in folder.iterdir())
