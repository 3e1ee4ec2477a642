"""A catalogue's embeddings as a file for other programs: Parquet, .npy, or a Lance dataset; block by block.

Parquet and Lance have a line a row: key, path, id, start_s, end_s, labels, and the embedding, flat; .npy has the rows
alone, (rows, layers, statistics, dim), and beside it NAME.files.parquet says what they are.
"""

import importlib.util
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from io import BytesIO
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import polars as pl
from polars.io.plugins import register_io_source

from earmark import durable
from earmark.catalogue import reader
from earmark.catalogue.listing import Entry
from earmark.catalogue.parts import FLOAT
from earmark.catalogue.reader import Block, Catalogue, Level
from earmark.errors import MissingPart, Refused, UserError

COLUMNS = {
    "key": pl.String,
    "path": pl.String,
    "id": pl.String,
    "start_s": pl.Float32,
    "end_s": pl.Float32,
    "labels": pl.String,
}


class Exported(NamedTuple):
    """A file that was written, and how many rows it has."""

    path: Path
    n_rows: int


def export(catalogue: Catalogue | Path | str, path: Path | str, *, level: Level | None = None) -> Exported:
    """Write the rows of a level to FILE.parquet, .npy or .lance; level None: tracks where they are kept.

    Memory holds a block and the names of the files. Raises UserError for another ending, Refused where the file is
    there, MissingPart where Lance is not installed.
    """
    opened, target = catalogue if isinstance(catalogue, Catalogue) else reader.load(catalogue), Path(path)
    chosen = level or opened.form.level
    opened.require(chosen)
    if target.suffix not in WAYS:
        raise UserError(f"Expected a file that ends in {', '.join(WAYS)}, got '{path}'.")
    names = [target.with_suffix(".files.parquet")] if target.suffix == ".npy" else []
    for one in (target, *names):
        if one.exists():
            raise Refused(f"'{one}' is there. Remove it, or name another file.")
    with ExitStack() as both:
        for one in names:
            _tables(opened, chosen, with_rows=False).sink_parquet(both.enter_context(durable.made(one)))
        n_rows = WAYS[target.suffix](opened, chosen, both.enter_context(durable.made(target)))
    return Exported(target, n_rows)


def _parquet(catalogue: Catalogue, level: Level, path: Path) -> int:
    _tables(catalogue, level, with_rows=True).sink_parquet(path)
    return int(pl.scan_parquet(path).select(pl.len()).collect().item())


def _npy(catalogue: Catalogue, level: Level, path: Path) -> int:
    n_rows, most = 0, catalogue.n_rows(level)
    with path.open("wb") as file:
        for block, _ in _named_blocks(catalogue, level):
            if not n_rows:
                file.write(_npy_head((most, *catalogue.form.shape)))
            file.write(np.ascontiguousarray(block.rows, FLOAT).data.cast("B"))
            n_rows += len(block.keys)
        # Only now it is known how many have a name; numpy's head has room for any number.
        file.seek(0)
        file.write(_npy_head((n_rows, *catalogue.form.shape)))
    return n_rows


def _npy_head(shape: tuple[int, ...]) -> bytes:
    head = BytesIO()
    np.lib.format.write_array_header_1_0(head, {"descr": FLOAT.str, "fortran_order": False, "shape": shape})
    return head.getvalue()


def _lance(catalogue: Catalogue, level: Level, path: Path) -> int:
    if importlib.util.find_spec("lance") is None:
        raise MissingPart("Lance is not installed. Install it: pip install 'earmark[lance]'; or export to .parquet.")
    import lance

    tables = (block.to_arrow() for block in _blocks(catalogue, level, with_rows=True))
    first = next(tables, None)
    if first is None:
        raise UserError(f"The catalogue '{catalogue.folder}' has no rows to export. Add files to it first.")
    lance.write_dataset(first, str(path))
    n_rows = len(first)
    for table in tables:
        lance.write_dataset(table, str(path), mode="append")
        n_rows += len(table)
    return n_rows


WAYS: Mapping[str, Callable[[Catalogue, Level, Path], int]] = {".parquet": _parquet, ".npy": _npy, ".lance": _lance}


def _tables(catalogue: Catalogue, level: Level, with_rows: bool) -> pl.LazyFrame:
    """Return the rows as a table that is made block by block while it is written."""
    schema: dict[str, Any] = dict(COLUMNS)
    if with_rows:
        schema["embedding"] = pl.Array(pl.Float32, catalogue.form.width)

    def source(
        with_columns: list[str] | None, predicate: pl.Expr | None, n_rows: int | None, batch_size: int | None
    ) -> Iterator[pl.DataFrame]:
        for table in _blocks(catalogue, level, with_rows):
            chosen = table if with_columns is None else table.select(with_columns)
            yield chosen if predicate is None else chosen.filter(predicate)

    return register_io_source(source, schema=schema)


def _blocks(catalogue: Catalogue, level: Level, with_rows: bool) -> Iterator[pl.DataFrame]:
    for block, files in _named_blocks(catalogue, level):
        yield _table(block, files, with_rows)


def _named_blocks(catalogue: Catalogue, level: Level) -> Iterator[tuple[Block, list[Entry]]]:
    """Yield blocks with the file of each row; what has no name, because its line is damaged, is left out."""
    for block in catalogue.blocks(level):
        named = catalogue.named(block.keys)
        kept = [place for place, key in enumerate(block.keys) if key in named]
        if len(kept) < len(block.keys):
            block = Block(tuple(block.keys[at] for at in kept), block.times_s[kept], block.rows[kept])
        if kept:
            yield block, [named[key][0] for key in block.keys]


def _table(block: Block, files: list[Entry], with_rows: bool) -> pl.DataFrame:
    offsets = np.array([one.start_s or 0.0 for one in files], np.float32)
    columns: dict[str, Any] = {
        "key": block.keys,
        "path": [one.path for one in files],
        "id": [one.id for one in files],
        "start_s": block.times_s[:, 0] + offsets,
        "end_s": block.times_s[:, 1] + offsets,
        "labels": [one.labels for one in files],
    }
    table = pl.DataFrame(columns, schema=COLUMNS)
    if not with_rows:
        return table
    rows = np.ascontiguousarray(block.rows.reshape(len(files), -1))
    return table.with_columns(pl.Series("embedding", rows, pl.Array(pl.Float32, rows.shape[1])))
