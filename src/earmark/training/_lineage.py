"""What a card says of the networks that a training stands on: the one it starts from, and those that teach it."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from earmark.datasets._corpora import HEARD
from earmark.representations import base, checkpoint

UNKNOWN = "unknown"
BEFORE, TAUGHT = "before", "taught by what learnt from"


def after(about: Mapping[str, object], weights: Path | None, teachers: Sequence[str]) -> dict[str, object]:
    """Return what a card says, with what those networks were trained on, their licences, and the tracks they heard.

    `weights` is the folder of a checkpoint, `teachers` are names of representations whose codes are sought. Where the
    card of a checkpoint does not say the tracks, none does.
    """
    added = dict(about)
    for how, card in _cards(weights, teachers):
        added["trained_on"] = f"{added['trained_on']}; {how}: {card['trained_on']}"
        added["licence"] = "; ".join(sorted({*str(added["licence"]).split("; "), *str(card["licence"]).split("; ")}))
        if HEARD in card and HEARD in added:
            added[HEARD] = " ".join(sorted({*str(added[HEARD]).split(), *str(card[HEARD]).split()}))
        else:
            added.pop(HEARD, None)
    return added


def _cards(weights: Path | None, teachers: Sequence[str]) -> Iterator[tuple[str, Mapping[str, object]]]:
    """Yield what cards say; a folder that is start and teacher is told once."""
    folders = {} if weights is None else {weights.resolve(): BEFORE}
    for name in dict.fromkeys(teachers):
        if name.startswith("path:"):
            folders.setdefault(Path(name.removeprefix("path:")).expanduser().resolve(), TAUGHT)
        else:  # published, or drawn: not from tracks of a corpus
            card = base.load(name).card
            yield TAUGHT, {"trained_on": card.trained_on, "licence": card.licence, HEARD: ""}
    for folder, how in folders.items():
        found = checkpoint.origin(folder)
        yield how, {"trained_on": UNKNOWN, "licence": UNKNOWN} if found is None else found.about
