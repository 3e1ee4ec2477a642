"""`random:NAME`: the network of NAME with random weights, drawn from a seed: what the architecture alone knows.

`random:mert-v1-95m` is seed 0, `random:mert-v1-95m@3` seed 3. Needs no download.
"""

from collections.abc import Mapping

from earmark.errors import UserError
from earmark.nouns import Card
from earmark.representations.base import Representation, find

CARDS: Mapping[str, Card] = {}
FORM = "random:NAME[@SEED]"


def like(variant: str) -> str:
    """Return the name of the network."""
    return variant.partition("@")[0]


def load(variant: str) -> Representation:
    """Return the network with random weights. Raises UserError for a representation that has none."""
    name, _, seed = variant.partition("@")
    if seed and not seed.isdecimal():
        raise UserError(f"Expected a whole number as the seed of 'random:{variant}', as in random:{name}@1.")
    found = find(name)
    build = getattr(found.module, "build", None)
    if build is None:
        raise UserError(f"'{name}' has no weights to draw. Write '{name}'.")
    made: Representation = build(found.variant, int(seed or 0))
    return made
