"""Search without comparing everything, for catalogues of millions: an index of faiss says which rows are worth it.

Rows are sorted into cells by k-means, and each number of theirs is kept as a byte. A query looks into the nearest
cells, takes the best by these bytes, and compares those exactly, so scores are exact and only who is missed is not
known. The index is of the rows as they were. Source of the cells: Jégou, Douze, Schmid 2011, section IV. Differs: a
byte a number in place of product codes, which take long to fit to wide rows.
"""

import importlib.util
import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Bool, Float32, Int

from earmark import durable, identity
from earmark.catalogue.parts import FLOAT
from earmark.catalogue.reader import Catalogue, Level
from earmark.errors import DataError, MissingPart, UserError

Array = np.ndarray
LEAST_ROWS = 10_000
"""Fewer rows are compared exactly in no time."""
MOST_CELLS, FITTED_EACH = 1024, 39
"""Of cells; as faiss advises, each is fitted to so many rows."""
CELLS_LOOKED_INTO, COMPARED_EACH = 64, 50
"""Of each query: cells, and rows that are compared exactly for each of the k that are asked for."""
SUFFIX = ".faiss"


def build(catalogue: Catalogue, level: Level) -> Path:
    """Make the index of a level and write it beside the parts, in place of older ones; a quarter of the rows' bytes.

    Raises UserError for fewer than 10,000 rows, MissingPart where faiss is not installed.
    """
    faiss, n_rows = _faiss(), catalogue.n_rows(level)
    if n_rows < LEAST_ROWS:
        raise UserError(f"An index is for {LEAST_ROWS:,} rows and more; of {n_rows:,} exact search takes no time.")
    width = catalogue.form.width
    n_cells = min(4 * math.isqrt(n_rows), n_rows // FITTED_EACH, MOST_CELLS)
    index = faiss.index_factory(width, f"IVF{n_cells},SQ8", faiss.METRIC_INNER_PRODUCT)
    index.train(_sample(catalogue, level, n_rows, FITTED_EACH * n_cells))
    for numbers, rows in _units(catalogue, level):
        index.add_with_ids(rows, numbers)
    path = _path(catalogue, level)
    older = [one for one in catalogue.folder.glob(f"{level}-*{SUFFIX}") if one != path]
    with durable.made(path) as unfinished:
        faiss.write_index(index, str(unfinished))
    for one in older:
        durable.remove(one)
    return path


def candidates(
    catalogue: Catalogue,
    unit: Float32[Array, "queries width"],
    k: int,
    level: Level,
    allowed: Int[Array, " rows"] | None = None,
) -> Int[Array, " rows"]:
    """Return the numbers of the rows that are worth comparing with any of the queries, in order.

    `allowed`: the numbers of those that may be found; all of them, where they are no more than would be compared.
    The index is mapped: only the cells that are looked into are read. Raises DataError where there is none, a damaged
    one, or one of the catalogue as it was before.
    """
    faiss, path = _faiss(), _path(catalogue, level)
    again = f"Make it: earmark catalogue index {catalogue.folder}{' --segments' * (level == 'segment')}"
    if not path.exists():
        raise DataError(f"'{catalogue.folder}' has no index of its {level}s as they are now. {again}")
    try:
        index = faiss.read_index(str(path), faiss.IO_FLAG_MMAP)
    except RuntimeError as error:
        raise DataError(f"Expected an index in '{path}', got a damaged file. {again}") from error
    n_compared = min(k * COMPARED_EACH, index.ntotal)
    if allowed is not None and len(allowed) <= n_compared:
        return allowed
    selector = None if allowed is None else faiss.IDSelectorBatch(allowed)
    how = faiss.SearchParametersIVF(sel=selector, nprobe=CELLS_LOOKED_INTO)
    _, found = index.search(unit, n_compared, params=how)
    if allowed is not None and (found[:, k - 1] < 0).any():
        # What is allowed lies elsewhere than what is near: all cells.
        how.nprobe = index.nlist
        _, found = index.search(unit, n_compared, params=how)
    numbers: Array = np.unique(found[found >= 0])
    return numbers


def among(numbers: Int[Array, " rows"], start: int, n_rows: int) -> Bool[Array, " stretch"]:
    """Return which rows of a stretch, which begins at a number, are among some in order."""
    found = np.zeros(n_rows, bool)
    first, stop = np.searchsorted(numbers, [start, start + n_rows])
    found[numbers[first:stop] - start] = True
    return found


def _faiss() -> Any:
    if importlib.util.find_spec("faiss") is None:
        raise MissingPart("Approximate search needs faiss. Install it: pip install 'earmark[search]'")
    import faiss

    return faiss


def _path(catalogue: Catalogue, level: Level) -> Path:
    """Return where the index lies, named by what it is of: parts are only appended to."""
    parts = [[part.stem.name, len(part.records)] for part in catalogue.parts]
    return catalogue.folder / f"{level}-{identity.key_of(parts=parts)}{SUFFIX}"


def _units(catalogue: Catalogue, level: Level) -> Iterator[tuple[Int[Array, " rows"], Float32[Array, "rows width"]]]:
    """Yield the numbers of wanted rows, and the rows as vectors of length 1."""
    for one in catalogue.stretches(level):
        at = np.flatnonzero(one.wanted)
        norms = one.records["norm"][at, None]
        yield one.number + at, np.divide(one.rows[at], norms, where=norms > 0, out=np.zeros_like(one.rows[at]))


def _sample(catalogue: Catalogue, level: Level, n_rows: int, n_drawn: int) -> Float32[Array, "rows width"]:
    """Return rows from everywhere in the catalogue, always the same ones."""
    drawn = identity.generator("catalogue", "index").permutation(n_rows)[:n_drawn]
    chosen = np.zeros(n_rows, bool)
    chosen[drawn] = True
    found, at = [np.zeros((0, catalogue.form.width), FLOAT)], 0
    for numbers, rows in _units(catalogue, level):
        found.append(rows[chosen[at : at + len(numbers)]])
        at += len(numbers)
    return np.concatenate(found)
