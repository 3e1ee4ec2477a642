"""The contract of a representation, and how a name becomes one.

A representation file offers `CARDS`, which maps each variant to its card ("" is the plain name), and
`load(variant: str) -> Representation`: `variant` is what the name holds after the file's name ("mert-v1-95m" →
"v1-95m"). A network's file also offers `build(variant: str, seed: int) -> Representation`, the same network with
random weights, for `random:mert-v1-95m`. Files without cards are forms of a name, which say in `FORM` how they are
written: `random:NAME`, `hear:MODULE`, … . `a+b` is the form `joined`. Any "package.module:Name" whose `Name()` fulfils
the contract works.
"""

import inspect
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import ModuleType
from typing import Protocol, cast, runtime_checkable

from jaxtyping import Float
from torch import Tensor

from earmark import identity, lookup
from earmark.errors import MissingPart, UnknownName, UserError
from earmark.lookup import Found
from earmark.nouns import Card

# Of the papers that earmark follows, and not in it yet: an experiment may name them, and a plan says so.
NOT_YET = ("effnet-discogs", "neuralfp")


@runtime_checkable
class Representation(Protocol):
    """Audio to embeddings.

    Audio is mono float32 in [-1, 1] at `card.sample_rate`, all rows of one length of at least
    `card.min_samples`. The answer always has four axes; a representation with one layer has a layer axis of
    length 1. No resampling, segmenting, padding, pooling or gradient inside.
    """

    card: Card

    def __call__(
        self, audio: Float[Tensor, "batch samples"], layers: Sequence[int] | None = None
    ) -> Float[Tensor, "batch layers frames dim"]:
        """Return the embeddings of the layers asked for (None: all), in that order."""
        ...


def load(name: str) -> Representation:
    """Return the representation of that name, ready to be called.

    Raises UnknownName for a name or variant that does not exist, MissingPart when its weights are not here.
    """
    made = None if "+" in name else lookup.external(name)
    if made is not None:
        made = made() if isinstance(made, type) else made
        if not isinstance(getattr(made, "card", None), Card) or not callable(made):
            raise UserError(f"Expected '{name}' to be a callable with a `card: earmark.nouns.Card`, got {made!r}.")
        return cast(Representation, made)
    found = find(name)
    return cast(Representation, found.module.load(found.variant))


def find(name: str) -> Found:
    """Return the file and variant of a name. Raises UnknownName, or MissingPart for what is meant to come."""
    if is_not_yet(name):
        raise MissingPart(
            f"'{name}' is not in this version of earmark. Leave it out; what there is: earmark list representations"
        )
    found = lookup.find("representations", f"joined:{name}" if "+" in name else name, lambda: (*every(), *forms()))
    cards: Mapping[str, Card] = found.module.CARDS
    if not cards:  # a form: what follows it is its own affair
        return found
    variant = found.variant.replace("_", "-").replace(":", "-")
    if variant not in cards:
        raise UnknownName("representation", name, _loadable(found.module))
    return Found(found.module, variant)


def every() -> dict[str, Card]:
    """Return the card of every representation and variant that can be loaded by its name."""
    return {name: card for module in _modules() for name, card in _loadable(module).items()}


def forms() -> dict[str, str]:
    """Return how names that are made of others or of places are written, each with what it gives."""
    said = {one.FORM: (inspect.getdoc(one) or "").partition("\n")[0] for one in _modules() if not one.CARDS}
    return {form: line.partition(": ")[2] for form, line in said.items()}


def _modules() -> list[ModuleType]:
    return [lookup.find("representations", file).module for file in lookup.names("representations")]


def _loadable(module: ModuleType) -> dict[str, Card]:
    """Return the cards of a file by name. A network without weights is a test's miniature: only `random:` makes it."""
    file, cards = module.__name__.rpartition(".")[2].replace("_", "-"), cast(Mapping[str, Card], module.CARDS)
    return {
        f"{file}-{variant}".removesuffix("-"): card
        for variant, card in cards.items()
        if card.sources or card.weights_sha256 or not hasattr(module, "build")
    }


def card(name: str) -> Card | None:
    """Return the card of a name without loading weights; None for what must be loaded to be known.

    A form made of other names offers `parts(variant)`, one that has the shape of another (`random:NAME`) offers
    `like(variant)`: these are looked up too. Raises UnknownName.
    """
    if "+" not in name and lookup.external(name) is not None:
        return None
    found = find(name)
    like: Callable[[str], str] | None = getattr(found.module, "like", None)
    if like is not None:
        return card(like(found.variant))
    parts: Callable[[str], tuple[str, ...]] = getattr(found.module, "parts", lambda variant: ())
    for one in parts(found.variant):
        card(one)
    cards: Mapping[str, Card] = found.module.CARDS
    return cards.get(found.variant)


def is_not_yet(name: str) -> bool:
    """Say whether a name, in any spelling, is one that earmark means to have and does not have yet."""
    return name.replace("_", "-") in NOT_YET


def code_sha256(representation: Representation) -> str:
    """Return the sha256 of the file that defines a user's own class; "" for earmark's, whose cards carry versions."""
    module = inspect.getmodule(type(representation))
    if module is None or module.__name__.startswith("earmark.") or module.__file__ is None:
        return ""
    return identity.file_sha256(Path(module.__file__))


def refuse_variant(name: str, variant: str) -> None:
    """Raise when a name with nothing after it was given something."""
    if variant:
        raise UserError(f"'{name}' has no variants; got '{name}-{variant}'. Write '{name}'.")


def check_call(audio: Float[Tensor, "batch samples"], layers: Sequence[int] | None, card: Card) -> tuple[int, ...]:
    """Refuse audio of a wrong shape, length or type and layers out of range; return the layers to give."""
    if audio.ndim != 2:
        shape = tuple(audio.shape)
        raise UserError(f"Expected mono audio (batch, samples), got {shape}. Mix down with audio.mono first.")
    if not audio.is_floating_point():
        raise UserError(f"Expected float32 audio in [-1, 1], got {audio.dtype}. Divide by the full scale first.")
    if audio.shape[1] < card.min_samples:
        raise UserError(
            f"'{card.name}' needs at least {card.min_samples} samples at {card.sample_rate} Hz, got {audio.shape[1]}."
        )
    if card.max_samples is not None and audio.shape[1] > card.max_samples:
        longest_s = card.max_samples / card.sample_rate
        raise UserError(
            f"'{card.name}' takes at most {card.max_samples} samples at {card.sample_rate} Hz, got {audio.shape[1]}. "
            f"Write segment_s: {longest_s:g}, or less."
        )
    wanted = tuple(range(card.layers)) if layers is None else tuple(layers)
    wrong = [layer for layer in wanted if not 0 <= layer < card.layers]
    if wrong or not wanted:
        raise UserError(f"'{card.name}' has layers 0 to {card.layers - 1}; got {list(wanted)}.")
    return wanted
