"""What all embeddings of a catalogue have in common: its file catalogue.json, written once, when it is made."""

import fcntl
import json
import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path
from typing import Any, Literal, get_args

from earmark import durable
from earmark.errors import DataError, UnknownName, UserError
from earmark.nouns import Card
from earmark.representations import base
from earmark.representations.base import Representation
from earmark.representations.embed import STATISTICS, segments

FILE, LOCK, SCHEME = "catalogue.json", "lock", 1
Keeps = Literal["tracks", "segments", "both"]


@dataclass(frozen=True)
class Form:
    """How every row of a catalogue was made; two catalogues of one form may be compared number by number.

    A row is (layers, statistics, dim) float32. `keeps`: a row a track, one a segment, or both. `segment_s` None: as
    the card says, else each file whole.
    """

    representation: str
    card_version: int
    weights_sha256: str
    code_sha256: str
    sample_rate: int
    layers: tuple[int, ...]
    statistics: tuple[str, ...]
    dim: int
    segment_s: float | None
    segment_hop_s: float | None
    keeps: Keeps
    scheme: int = SCHEME

    @property
    def shape(self) -> tuple[int, int, int]:
        """(layers, statistics, dim): the axes of a row."""
        return len(self.layers), len(self.statistics), self.dim

    @property
    def width(self) -> int:
        """How many numbers a row has."""
        return len(self.layers) * len(self.statistics) * self.dim

    @property
    def level(self) -> Literal["track", "segment"]:
        """What is searched and written where nothing is said: whole tracks, where they are kept."""
        return "segment" if self.keeps == "segments" else "track"

    def require_here(self, network: Representation) -> None:
        """Raise DataError where the representation of that name is here another one than the catalogue's."""
        card = network.card
        here = {
            "card_version": card.version,
            "weights_sha256": card.weights_sha256,
            "code_sha256": base.code_sha256(network),
        }
        other = [fact for fact, value in here.items() if getattr(self, fact) != value]
        if other:
            told = ", ".join(
                f"{fact} {getattr(self, fact) or 'none'} there, {here[fact] or 'none'} here" for fact in other
            )
            raise DataError(
                f"The catalogue's embeddings are of another '{self.representation}': {told}. Their numbers would not "
                "agree. Get those weights, or make a new catalogue."
            )


@dataclass(frozen=True)
class Wish:
    """What is asked of a catalogue's form; None: what it has, of a new one the usual."""

    representation: str | None = None
    layers: Sequence[int] | None = None
    pool: Sequence[str] | None = None
    segment_s: float | None = None
    segment_hop_s: float | None = None
    keeps: Keeps | None = None


def read(folder: Path) -> Form:
    """Return the form of a catalogue. Raises DataError for a folder that is none, or one of a newer scheme."""
    try:
        said: dict[str, Any] = json.loads((folder / FILE).read_bytes())
    except (FileNotFoundError, NotADirectoryError) as error:
        raise DataError(
            f"Expected a catalogue, a folder with {FILE} in it; got '{folder}'. "
            "Make one: earmark catalogue add STORE FOLDER --representation NAME"
        ) from error
    except ValueError as error:
        raise DataError(
            f"'{folder / FILE}' is no JSON ({error}). Restore it from another copy of the catalogue."
        ) from error
    names = {one.name for one in fields(Form)}
    if not isinstance(said, dict) or said.get("scheme") != SCHEME or set(said) != names:
        scheme = said.get("scheme") if isinstance(said, dict) else None
        raise DataError(f"'{folder / FILE}' is of scheme {scheme}; this earmark reads scheme {SCHEME}. Update earmark.")
    typed: dict[str, Any] = {name: tuple(value) if isinstance(value, list) else value for name, value in said.items()}
    return Form(**typed)


def open_or_make(folder: Path, wish: Wish) -> Form:
    """Return the form of a catalogue that may be there; two processes that make it at once make one.

    Raises UserError where the wish is for another form than the catalogue has, or names no representation for a new
    one, and what loading a representation raises.
    """
    if not (folder / FILE).exists():
        made = _made(wish)
        durable.make_folder(folder)
        with (folder / LOCK).open("a") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            if not (folder / FILE).exists():
                durable.write_file(folder / FILE, json.dumps(asdict(made), indent=1, ensure_ascii=False).encode())
    found = read(folder)
    _require_same(folder, found, wish)
    return found


def _made(wish: Wish) -> Form:
    if wish.representation is None:
        raise UserError("A new catalogue needs to know what it holds: give --representation, such as logmel.")
    if wish.segment_hop_s is not None and wish.segment_s is None:
        raise UserError("Expected the length of a segment beside its hop: give segment_s (--segment) too.")
    for option, seconds in (("--segment", wish.segment_s), ("--hop", wish.segment_hop_s)):
        if seconds is not None and not (math.isfinite(seconds) and seconds > 0):
            raise UserError(f"Expected seconds above 0 for {option}, got {seconds:g}.")
    network = base.load(wish.representation)
    card = network.card
    if wish.segment_s is not None:
        segments(
            max(card.min_samples, round(wish.segment_s * card.sample_rate)), card, wish.segment_s, wish.segment_hop_s
        )
    usual: Keeps = "tracks" if wish.segment_s is None else "both"
    if wish.keeps is not None and wish.keeps not in get_args(Keeps):
        raise UnknownName("level to keep", wish.keeps, get_args(Keeps))
    return Form(
        representation=wish.representation,
        card_version=card.version,
        weights_sha256=card.weights_sha256,
        code_sha256=base.code_sha256(network),
        sample_rate=card.sample_rate,
        layers=_layers(card, wish.layers),
        statistics=_statistics(wish.pool),
        dim=card.dim,
        segment_s=wish.segment_s,
        segment_hop_s=wish.segment_hop_s,
        keeps=wish.keeps or usual,
    )


def _layers(card: Card, layers: Sequence[int] | None) -> tuple[int, ...]:
    """Return the layers to keep: the deepest alone where nothing is asked, for rows of all are seldom searched."""
    wanted = (card.layers - 1,) if layers is None else tuple(layers)
    if not wanted or not set(wanted) <= set(range(card.layers)):
        raise UserError(f"'{card.name}' has layers 0 to {card.layers - 1}; got {list(wanted)}.")
    return wanted


def _statistics(pool: Sequence[str] | None) -> tuple[str, ...]:
    for name in pool or ():
        if name not in STATISTICS:
            raise UnknownName("pooling", name, STATISTICS)
    return tuple(name for name in STATISTICS if name in (pool or STATISTICS[:1]))


def _require_same(folder: Path, found: Form, wish: Wish) -> None:
    """Raise where a wish is not what the catalogue has."""
    asked = replace(
        found,
        representation=wish.representation or found.representation,
        layers=found.layers if wish.layers is None else tuple(wish.layers),
        statistics=found.statistics if wish.pool is None else _statistics(wish.pool),
        segment_s=found.segment_s if wish.segment_s is None else wish.segment_s,
        segment_hop_s=found.segment_hop_s if wish.segment_hop_s is None else wish.segment_hop_s,
        keeps=wish.keeps or found.keeps,
    )
    other = [one.name for one in fields(Form) if getattr(asked, one.name) != getattr(found, one.name)]
    if other:
        told = ", ".join(f"{name} {getattr(found, name)}, not {getattr(asked, name)}" for name in other)
        raise UserError(
            f"The catalogue '{folder}' holds {told}. A catalogue has one form: leave that out, or make another."
        )
