"""The page of representations, as Markdown made from their cards.

docs/representations.md is `earmark list representation --markdown`. Its two tables are those of Plachouras 2023,
"Beyond Benchmarks", tables 1 and 2, with what a number's reader must know besides.
"""

from collections.abc import Iterable, Iterator, Sequence

from earmark import listings
from earmark.listings import RepresentationLine
from earmark.nouns import Card
from earmark.representations import base

HEAD = """# Representations

Made from the cards by `earmark list representation --markdown`. A name can be written wherever a representation is
asked for: in an experiment file, behind `earmark embed -r`, in `earmark.load_representation`.

*Verified*: "parity" means equal to an independent implementation, on the same weights, in the tests; "real" that the
published weights ran here too; "no" that neither was done: it runs only with `--unverified`, and tables mark its
numbers. "own" is of what stands for nobody else's: your features, a HEAR module. Weights are fetched by
`earmark get weights NAME`, and by nothing else: a run never reaches the network.

"""
BUILT_HEAD = "## How they are built\n\n"
BUILT = ("representation", "architecture", "parameters", "hears at", "frames", "least audio", "layers", "dim")
TRAINED_HEAD = "## What they learnt, and what may be done with them\n\n"
TRAINED = ("representation", "trained on", "objective", "licence", "which is", "commercial use", "to fetch", "verified")
LAYERS_HEAD = "## What layer 0 is\n\nLayers are counted from 0, and `layers: [6]` is the seventh entry.\n\n"
FORMS_HEAD = """## Names made of other names

These need no card here: what they lead to brings its own.

"""
NOT_HERE = """## What is not here

Jukebox (Dhariwal 2020; its layer 36 was probed by Castellon 2021) has 5 thousand million parameters: it is too large to
be run here. Vectors that you computed elsewhere, one file a clip, are a representation by `features:PATTERN`, and so
are any other model's. `effnet-discogs` (the thesis' graph, for
TensorFlow) and `neuralfp` are names that experiment files may hold, and a plan lists them as missing. BYOL-A comes with
a licence for evaluation alone, and no implementation of it but its authors' was found to hold ours against.

"""
CITE_HEAD = """## What to cite

`earmark cite FILE` writes the entries of an experiment; these are those of the cards.

"""


def markdown() -> str:
    """Return the whole page."""
    cards = base.every()
    lines = {one.name: one for one in listings.representations()}
    built = (_built(name, card) for name, card in cards.items())
    trained = (_trained(name, card, lines[name]) for name, card in cards.items())
    forms = ((f"`{form}`", said) for form, said in base.forms().items())
    return "".join(
        (
            HEAD + BUILT_HEAD + _table(BUILT, built),
            TRAINED_HEAD + _table(TRAINED, trained),
            LAYERS_HEAD + _table(("representation", "layer 0"), ((name, card.layer_0) for name, card in cards.items())),
            FORMS_HEAD + _table(("written", "gives"), forms),
            NOT_HERE,
            CITE_HEAD + "```bibtex\n" + "\n".join(_entries(cards.values())) + "\n```\n",
        )
    )


def _built(name: str, card: Card) -> tuple[str, ...]:
    return (
        f"`{name}`",
        card.architecture,
        parameters(card.n_parameters),
        f"{card.sample_rate:,} Hz",
        frames(card.frame_rate_hz),
        f"{card.min_samples / card.sample_rate:.3f} s",
        str(card.layers),
        f"{card.dim:,}",
    )


def _trained(name: str, card: Card, line: RepresentationLine) -> tuple[str, ...]:
    published = "?" if line.size_bytes is None else f"{line.size_bytes / 1e6:,.1f} MB"
    size = published if card.sources else "nothing"
    may = "yes" if line.commercial else "no"
    return f"`{name}`", card.trained_on, card.objective, card.licence, line.terms, may, size, card.verified


def parameters(count: int) -> str:
    """Return a count of parameters as people say it: "94.4 M"; nothing for none."""
    if count < 1_000_000:
        return f"{count:,}" if count else ""
    return f"{count / 1e6:,.1f} M"


def frames(rate_hz: float) -> str:
    """Return a frame rate as people say it."""
    return f"{rate_hz:.4g} a second" if rate_hz else "one a segment"


def _entries(cards: Iterable[Card]) -> Iterator[str]:
    yield from dict.fromkeys(card.bibtex.strip() for card in cards if card.bibtex)


def _table(columns: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [columns, ["---"] * len(columns), *rows]
    return "".join("| " + " | ".join(cell.replace("|", "\\|") for cell in line) + " |\n" for line in lines) + "\n"
