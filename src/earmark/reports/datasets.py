"""The page of datasets, as Markdown made from their cards: docs/datasets.md is `earmark list dataset --markdown`."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

from earmark import listings
from earmark.counted import sized
from earmark.datasets import names
from earmark.listings import DatasetLine
from earmark.nouns import DataCard, SplitCard

HEAD = """# Datasets

Made from the cards by `earmark list dataset --markdown`. A result can be compared only with results on the same clips
and the same split, so each split has a name, an origin, and the publications whose numbers are on it.

*Loader ran on*: "real files" means that the dataset itself was read and counted; "a miniature" that the loader ran
only on small files which the tests make in the published layout. `earmark check dataset NAME` compares your copy with
the counts below, and records it when it agrees. The record is of that copy: one elsewhere is checked again.

"""
SPLITS_HEAD = """## Which split a number belongs to

*random 80-10-10* is drawn by earmark: stratified by the label, groups kept whole, seed 0. It is the same on every
machine, and no publication's. The thesis drew such splits too: mir_ref's code does so by scikit-learn's
`train_test_split`, stratified, seed 42, without groups. Whether the thesis' runs did is not known, and ours is not that
draw.

"""
SPLIT_COLUMNS = ("dataset", "split", "labels", "train / valid / test", "made by", "numbers on it")


def markdown() -> str:
    """Return the whole page."""
    cards = {name: card for name, card in names.every().items() if card.status != "your own"}
    lines = [line for line in listings.datasets() if line.name in cards]
    files: dict[str, dict[str, DataCard]] = {}
    for name, card in cards.items():
        files.setdefault(name.partition(":")[0], {})[name] = card
    splits = _table(SPLIT_COLUMNS, (row for file, several in files.items() for row in _split_rows(file, several)))
    return HEAD + _overview(lines) + SPLITS_HEAD + splits + "".join(_section(*one) for one in files.items())


def _overview(lines: Iterable[DatasetLine]) -> str:
    rows = (
        (
            f"[{one.name}](#{one.name.partition(':')[0]})",
            one.status,
            one.licence,
            "yes" if one.redistributable else "no",
            "?" if one.size_bytes is None and one.status == "open" else _size(one.size_bytes),
            _number(one.n_clips),
            "" if one.hours is None else f"{one.hours:,.1f}",
            # Of the card, not of this machine: the page is the same wherever it is made.
            "real files" if names.card(one.name).verified == "real" else "a miniature",
        )
        for one in lines
    )
    columns = ("dataset", "status", "licence", "audio may be passed on", "to fetch", "clips", "hours", "loader ran on")
    return _table(columns, rows)


def _size(n_bytes: int | None) -> str:
    return "" if n_bytes is None else sized(n_bytes)


def _split_rows(file: str, cards: Mapping[str, DataCard]) -> Iterator[tuple[str, ...]]:
    """Yield a row for each split of a file's datasets, those that its variants share once, and for what is drawn."""
    splits = dict.fromkeys(split for card in cards.values() for split in card.splits)
    for split in splits:
        yield file, f"`{split.name}`", ", ".join(split.labels) or "all", _sizes(split), split.origin, split.used_by
    labels = dict.fromkeys(label.name for card in cards.values() for label in card.labels)
    made = {label for split in splits for label in (split.labels or labels)}
    if drawn := [label for label in labels if label not in made]:
        yield file, "random 80-10-10", ", ".join(drawn), "", "earmark: none is published", ""


def _sizes(split: SplitCard) -> str:
    several = [" / ".join(f"{n:,}" for n in fold) for fold in split.sizes]
    return "; ".join(dict.fromkeys(several)) if len(several) < 3 else f"{several[0]} (first of {len(several)} folds)"


def _section(file: str, cards: Mapping[str, DataCard]) -> str:
    titles = "\n\n".join(dict.fromkeys(card.title for card in cards.values()))
    facts = {
        "version": lambda card: card.version,
        "from": lambda card: f"<{card.homepage}>" if card.homepage else "",
        "audio": lambda card: card.audio,
        "licence": lambda card: card.licence,
        "left out": lambda card: "; ".join(f"`{clip}` ({why})" for clip, why in card.bad.items()),
        "known to straddle": lambda card: "; ".join(f"`{one.name}`: {one.leak}" for one in card.splits if one.leak),
        "layout read from": lambda card: card.layout,
        "get it": _how_to_get,
    }
    listed = "".join(line for what, say in facts.items() for line in _fact(what, say, cards))
    labels = dict.fromkeys(
        (f"`{one.name}`", *(_of(name, cards)), one.kind, _number(one.n_classes), _number(one.n_clips), one.description)
        for name, card in cards.items()
        for one in card.labels
    )
    columns = ("label", *(("of",) if len(cards) > 1 else ()), "kind", "classes", "clips", "")
    return f"## {file}\n\n{titles}\n\n{listed.replace('NAME', file)}\n{_table(columns, labels)}"


def _of(name: str, cards: Mapping[str, DataCard]) -> tuple[str, ...]:
    return (name,) if len(cards) > 1 else ()


def _fact(what: str, say: Callable[[DataCard], str], cards: Mapping[str, DataCard]) -> Iterator[str]:
    """Yield a line where all variants say the same, else one for each thing said, with who says it."""
    said: dict[str, list[str]] = {}
    for name, card in cards.items():
        said.setdefault(say(card), []).append(name)
    for text, who in said.items():
        if text:
            yield f"- {what}" + (f" ({', '.join(who)})" if len(said) > 1 else "") + f": {text}\n"


def _how_to_get(card: DataCard) -> str:
    if card.status == "built-in":
        return "nothing to do, it is made at first use"
    start = "`earmark get dataset NAME`" if card.status == "open" else card.status
    return f"{start}. {card.instructions}" if card.instructions else start


def _number(count: int | None) -> str:
    return "" if count is None else f"{count:,}"


def _table(columns: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [columns, ["---"] * len(columns), *rows]
    return "".join("| " + " | ".join(cell.replace("|", "\\|") for cell in line) + " |\n" for line in lines) + "\n"
