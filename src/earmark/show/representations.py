"""What the command line prints of representations: lists, cards, verdicts, weights that were got, embeddings."""

import io
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict
from pathlib import Path

import numpy as np
import polars as pl
from rich.console import Console
from rich.table import Table
from rich.text import Text

from earmark import conformance, durable, listings, places
from earmark.analysis import escapes
from earmark.catalogue.embedding import Embedded
from earmark.conformance import Verdict, records
from earmark.errors import EarmarkError, MissingPart, UserError
from earmark.listings import RepresentationLine
from earmark.reports import representations as page
from earmark.representations import base, features, get
from earmark.representations.base import Representation
from earmark.show.runs import console, failures
from earmark.show.said import remark
from earmark.sources.bars import bars
from earmark.sources.fetch import Fetched
from earmark.store import Store

COLUMNS = (
    "representation",
    "dim",
    "layers",
    "rate",
    "frames",
    "parameters",
    "licence",
    "which is",
    "commercial",
    "weights",
)
NUMBERS = ("dim", "layers", "rate", "parameters")


def names(as_json: bool, as_markdown: bool, commercial: bool) -> None:
    """Print every representation with what decides which to take; as Markdown, all that their cards say."""
    if as_markdown:
        print(page.markdown(), end="")
        return
    every = listings.representations()
    found = [one for one in every if one.commercial or not commercial]
    if as_json:
        for one in found:
            print(escapes.json(asdict(one)))
        return
    grid = Table(box=None, pad_edge=False)
    for column in (*COLUMNS, "verified"):
        grid.add_column(column, justify="right" if column in NUMBERS else "left", overflow="fold")
    for one in found:
        grid.add_row(*map(Text, _cells(one)))
    console().print(grid)
    print("\nand names made of others or of places:")
    for form, said in base.forms().items():
        print(f"  {form:<30} {said}")
    if left_out := len(every) - len(found):
        remark(f"{left_out} left out: their licence forbids commercial use, or is not known to permit it.")


def _cells(one: RepresentationLine) -> tuple[str, ...]:
    size = f" ({one.size_bytes / 1e6:,.1f} MB)" if one.size_bytes and one.weights == "to fetch" else ""
    return (
        *(one.name, f"{one.dim:,}", str(one.layers), f"{one.sample_rate:,} Hz", page.frames(one.frame_rate_hz)),
        *(page.parameters(one.n_parameters), one.licence, one.terms),
        "yes" if one.commercial else "no",
        *(one.weights + size, one.verified),
    )


def description(name: str, as_json: bool) -> None:
    """Print the card of a representation, of one with weights to fetch too, and what its last check here found."""
    loaded = _loaded(name)
    if isinstance(loaded, EarmarkError):
        card = base.card(name)
        if card is None:
            raise loaded
        found, checked = None, f"not here yet: {loaded}"
    else:
        card, found = loaded.card, _kept(loaded)
        checked = f"never here. Type: earmark check representation {name}"
    if as_json:
        verdicts = None if found is None else [asdict(one) for one in found]
        print(escapes.json({**asdict(card), "verdicts": verdicts}, indent=1))
        return
    for field, one in asdict(card).items():
        if field != "sources":
            print(f"{field:>16}: {one}")
    for source in card.sources:
        print(f"{'source':>16}: {source.url} ({source.licence}{', ' + source.checksum if source.checksum else ''})")
    print(f"{'checked':>16}: {checked if found is None else conformance.summary(found)}")


def _loaded(name: str) -> Representation | EarmarkError:
    """Return a representation, or what keeps it from being one here."""
    try:
        return base.load(name)
    except (MissingPart, UserError) as error:
        return error


def _kept(loaded: Representation) -> tuple[Verdict, ...] | None:
    """Return what the last check here found; of what hears no audio, that there is nothing to find."""
    if isinstance(loaded, features.OfClip):
        return ()
    return records.read(Store(places.store_folder()), loaded.card, base.code_sha256(loaded))


def verdict(name: str, as_json: bool) -> bool:
    """Print every law, kept or broken and then why it matters, and keep it; return whether none is broken."""
    loaded = base.load(name)
    if isinstance(loaded, features.OfClip):
        print("[]" if as_json else f"{name}: no audio goes in, so no law of representations applies")
        return True
    found = conformance.laws_of_representation(loaded)
    records.write(Store(places.store_folder()), loaded.card, base.code_sha256(loaded), found)
    if as_json:
        print(escapes.json([asdict(one) for one in found], indent=1))
    else:
        print(*found, f"{name}: {conformance.summary(found)}", sep="\n")
    return not any(one.broken for one in found)


def got(name: str, jobs: int, verify: bool, offline: bool, quiet: bool) -> None:
    """Fetch the weights of a representation with a progress bar, its licence said before."""
    if offline or name.startswith("hf:"):  # the list of an id's files is asked of the network too
        get.require_online(f"'{name}'", offline)
    for weights in get.wanted(name):
        if not weights.sources:
            print(f"{weights.name}: no weights to fetch")
            continue
        remark(f"{weights.name}: licence {weights.licence}")
        with bars(quiet) as watch:
            files = get.get(weights, jobs=jobs, verify=verify, offline=offline, watch=watch)
        fetched(files)
        print(f"Next: earmark check representation {weights.name}")


def fetched(files: tuple[Fetched, ...]) -> None:
    """Print each file that is there now, and what it was held against."""
    out = Console()
    for one in files:
        state = "was there" if one.was_there else "fetched"
        out.print(Text(f"{state:>9}  {one.size_bytes / 1e6:10,.1f} MB  {one.checked:<20}  {one.path}"), soft_wrap=True)


def embedded(found: Embedded, out: Path) -> None:
    """Write embeddings into one file of the form that its ending names, and say what is in it.

    .npz: `vectors` (files, layers, statistics, dim), `paths`, `layers`, `statistics`, `representation`. .npy: the
    vectors alone. .parquet: a row for each file and layer with its path, layer and a list for each statistic.
    """
    durable.write_file(out, _writer(out)(found))
    failures(found.failures)
    print(f"{out}: {found.vectors.shape[0]} files × (layers, statistics, dim) = {found.vectors.shape[1:]}")
    if out.suffix == ".npy":
        remark(".npy holds no names: its rows are the files in the order given, without those that failed.")


def require_writable(out: Path) -> None:
    """Raise UserError, before anything is embedded, for a file whose ending names no form."""
    _writer(out)


def _writer(out: Path) -> Callable[[Embedded], bytes]:
    if out.suffix not in WRITERS:
        raise UserError(f"Expected a file that ends in {', '.join(WRITERS)}, got '{out}'.")
    return WRITERS[out.suffix]


def _npz(found: Embedded) -> bytes:
    buffer = io.BytesIO()
    np.savez(
        buffer,
        vectors=found.vectors,
        paths=np.array([path.as_posix() for path in found.paths]),
        layers=np.array(found.layers),
        statistics=np.array(found.statistics),
        representation=np.array(found.card.name),
    )
    return buffer.getvalue()


def _npy(found: Embedded) -> bytes:
    buffer = io.BytesIO()
    np.save(buffer, found.vectors)
    return buffer.getvalue()


def _parquet(found: Embedded) -> bytes:
    buffer = io.BytesIO()
    schema = {"path": pl.String, "representation": pl.String, "layer": pl.Int32}
    pl.DataFrame(
        list(_rows(found)),
        schema={**schema, **{name: pl.List(pl.Float32) for name in found.statistics}},
    ).write_parquet(buffer)
    return buffer.getvalue()


def _rows(found: Embedded) -> Iterator[dict[str, object]]:
    for path, vector in zip(found.paths, found.vectors, strict=True):
        for layer, statistics in zip(found.layers, vector, strict=True):
            values = dict(zip(found.statistics, statistics.tolist(), strict=True))
            yield {"path": path.as_posix(), "representation": found.card.name, "layer": layer, **values}


WRITERS: Mapping[str, Callable[[Embedded], bytes]] = {".npz": _npz, ".npy": _npy, ".parquet": _parquet}
