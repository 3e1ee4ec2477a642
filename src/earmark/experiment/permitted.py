"""Which representations of an experiment may run: by their licence, and by whether they were ever checked.

Of licences those of the weights count, as the card says them, and not those of the datasets: scoring a model with a
dataset puts none of it into a product. Whether a probe may be sold that was fitted on one, its own licence says.
"""

from collections.abc import Iterator, Mapping

from earmark import licences
from earmark.errors import Refused
from earmark.experiment.spec import Experiment
from earmark.nouns import Card, DataCard
from earmark.representations import base


def require(experiment: Experiment, here: Mapping[str, Card]) -> None:
    """Raise Refused, naming each with its reason and what remains, for what may not be used as the file is to be.

    `here` are the cards of what is here; of what is not, only what its name tells is known.
    """
    cards = dict(_cards(experiment, here))
    if experiment.commercial:
        wrong = {name: why for name, card in cards.items() if (why := licences.why_not(card.licence, card.commercial))}
        if wrong:
            raise Refused(
                f"{_counted(wrong, cards)} may not be used commercially, so nothing is run:\n{_listed(wrong)}\n"
                f"{_remains(wrong, cards)}Leave the others out of the file, or leave out --commercial "
                "(commercial: true)."
            )


def require_checked(experiment: Experiment, here: Mapping[str, Card]) -> None:
    """Raise Refused, where the file and its flags do not ask for it, for what was never checked against anything."""
    if said := _unchecked(experiment, here):
        raise Refused(said)


def _unchecked(experiment: Experiment, here: Mapping[str, Card]) -> str:
    cards = dict(_cards(experiment, here))
    wrong = {name: "verified: no" for name, card in cards.items() if card.verified == "no"}
    if not wrong or experiment.unverified:
        return ""
    return (
        f"{_counted(wrong, cards)} were never checked against an independent implementation or with real weights, and "
        f"run only where that is asked for:\n{_listed(wrong)}\n{_remains(wrong, cards)}Leave the others out, or have "
        "their numbers marked in every table: --unverified, or unverified: true in the file."
    )


def notes(experiment: Experiment, here: Mapping[str, Card], cards: Mapping[str, DataCard]) -> Iterator[str]:
    """Yield what a run would refuse as never checked; and what --commercial says nothing of: datasets' licences."""
    if said := _unchecked(experiment, here):
        yield said
    found = {name: licences.terms(card.licence) for name, card in cards.items()}
    strict = [f"{name} ({said})" for name, said in found.items() if said in licences.FORBIDDING]
    if experiment.commercial and strict:
        yield (
            f"--commercial is of weights. Whether you may use this data, and probes fitted on it, its licence says: "
            f"{', '.join(strict)}."
        )


def said(commercial: bool, unverified: bool) -> tuple[str, ...]:
    """Return the flags as overrides of the keys of a file."""
    return ("commercial=true",) * commercial + ("unverified=true",) * unverified


def _cards(experiment: Experiment, here: Mapping[str, Card]) -> Iterator[tuple[str, Card]]:
    names = (part.name for block in experiment.blocks for one in block.representations for part in one.parts)
    for name in dict.fromkeys(names):
        card = here.get(name) or (None if base.is_not_yet(name) else base.card(name))
        if card is not None:
            yield name, card


def _counted(wrong: Mapping[str, str], cards: Mapping[str, Card]) -> str:
    return f"{len(wrong)} of {len(cards)} representations"


def _listed(wrong: Mapping[str, str]) -> str:
    return "\n".join(f"  {name}: {why}" for name, why in wrong.items())


def _remains(wrong: Mapping[str, str], cards: Mapping[str, Card]) -> str:
    return f"What remains: {', '.join(name for name in cards if name not in wrong) or 'nothing'}. "
