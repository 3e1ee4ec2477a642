"""What in a catalogue sounds like something: the nearest rows by cosine, exactly, whole tracks or where in them.

Rows stay on the disk and are read in blocks; their lengths were measured when they were written. All queries go
through a block in one product of matrices, and only what beats the k-th best so far is looked at.
"""

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import polars as pl
from jaxtyping import Bool, Float32, Int

from earmark.catalogue import approximate, finding, hearing, listing, reader
from earmark.catalogue.conditions import allowed, fulfils
from earmark.catalogue.listing import Entry
from earmark.catalogue.reader import Catalogue, Level, Stretch
from earmark.errors import UserError, hint
from earmark.experiment import devices, one_pass

Array = np.ndarray
GATHERED_BELOW = 0.5
"""Where fewer of a block's rows are wanted they are copied out; else all are multiplied, and others passed over."""


@dataclass(frozen=True)
class Hit:
    """A track that sounds like the query; `score`: the cosine, 1 of the same direction.

    The times, in seconds of the file, are of its best segment, or of the track; `query_start_s` and `query_end_s` are
    those of the query's segment that it is most alike. `paths`: all files that have this content, `path` the first
    that fulfils the conditions; `id` and `labels` are that one's.
    """

    score: float
    path: str
    id: str
    start_s: float
    end_s: float
    query_start_s: float
    query_end_s: float
    labels: dict[str, Any]
    key: str
    paths: tuple[str, ...]


@dataclass(frozen=True)
class Found:
    """The nearest tracks, the best first, of `n_searched` rows that were compared; `approximate`: others were not."""

    hits: tuple[Hit, ...]
    query: str
    level: Level
    n_searched: int
    approximate: bool


class Nearest(NamedTuple):
    """For each query its best tracks, the best first: scores (-inf where there are fewer), tracks and rows by number.

    Rows are counted over the parts, in their order, and so are tracks.
    """

    scores: Float32[Array, "queries k"]
    tracks: Int[Array, "queries k"]
    rows: Int[Array, "queries k"]
    n_searched: int


class _Query(NamedTuple):
    name: str
    rows: Float32[Array, "queries width"]
    times_s: Sequence[tuple[float, float]]
    itself: str | None


def search(
    catalogue: Catalogue | Path | str,
    query: Path | str,
    k: int = 10,
    *,
    level: Level | None = None,
    where: Sequence[str] = (),
    between_s: tuple[float, float] | None = None,
    approximately: bool = False,
) -> Found:
    """Return the `k` tracks of a catalogue that are nearest to an audio file, or to one of its own by id or path.

    `level` "segment" finds where in each track: its best segment. None: tracks, where the catalogue keeps them.
    `where`: conditions on labels that all must hold, "genre=rock", "bpm>=120"; see `conditions`. `between_s`: only
    rows within these seconds of their track. `approximately`: by an index made before, which may miss some. Raises
    UserError for a query that is neither, DataError for a level that the catalogue does not keep.
    """
    opened = catalogue if isinstance(catalogue, Catalogue) else reader.load(catalogue)
    if k < 1:
        raise UserError(f"Expected to find at least 1 track, got k={k}.")
    chosen = level or opened.form.level
    opened.require(chosen)
    asked = _query(opened, query, chosen)
    tracks = allowed(opened, where) if where else None
    best = nearest(opened, asked.rows, k + (asked.itself is not None), chosen, tracks, between_s, approximately)
    return Found(_hits(opened, asked, best, k, where), asked.name, chosen, best.n_searched, approximately)


def nearest(
    catalogue: Catalogue,
    queries: Float32[Array, "queries width"],
    k: int,
    level: Level = "track",
    tracks: Bool[Array, " tracks"] | None = None,
    between_s: tuple[float, float] | None = None,
    approximately: bool = False,
) -> Nearest:
    """Return the `k` tracks nearest to each query, each by its best row; `tracks` None: all may be found.

    `approximately`: only rows that the index takes for near are compared (see `approximate`), unless few may be found.
    There are as many columns as rows where those are fewer than `k`.
    """
    k = min(k, max(1, sum(len(part.records) for part in catalogue.parts)))
    lengths = np.linalg.norm(queries, axis=1, keepdims=True)
    unit = np.divide(queries, lengths, out=np.zeros_like(queries), where=lengths > 0).astype(np.float32)
    n = len(queries)
    best = Nearest(np.full((n, k), -np.inf, np.float32), np.full((n, k), -1), np.full((n, k), -1), 0)
    worth: Array | None = None
    if approximately:
        among = None if tracks is None and between_s is None else _numbers(catalogue, level, tracks, between_s)
        worth = approximate.candidates(catalogue, unit, k, level, among)
    for one in catalogue.stretches(level):
        wanted = _allowed(one, tracks, between_s)
        if worth is not None:
            wanted = wanted & approximate.among(worth, one.number, len(wanted))
        n_wanted = int(np.count_nonzero(wanted))
        if n_wanted:
            _take(best, unit, one, wanted, n_wanted)
            best = best._replace(n_searched=best.n_searched + n_wanted)
    return best


def _take(best: Nearest, unit: Float32[Array, "queries width"], one: Stretch, wanted: Array, n_wanted: int) -> None:
    """Compare queries with a stretch of rows, and put what is better than the worst of the best in its place."""
    norms = one.records["norm"]
    if n_wanted < GATHERED_BELOW * len(wanted):
        places = np.flatnonzero(wanted)
        scores, norms = unit @ one.rows[places].T, norms[places]
    else:
        places = np.arange(len(wanted))
        scores = unit @ one.rows.T
    scores *= np.divide(1, norms, out=np.zeros_like(norms), where=norms > 0)
    if len(places) > n_wanted:
        scores[:, ~wanted] = -np.inf
    tracks, k = one.tracks[places], best.scores.shape[1]
    # Of one track several rows may be among the best, so that many more must be looked at.
    enough = k * int(np.bincount(tracks - tracks[0]).max())
    for query in np.flatnonzero(scores.max(axis=1) > best.scores[:, -1]).tolist():
        of_query, least = scores[query], best.scores[query, -1]
        if enough < len(of_query):
            least = max(least, np.partition(of_query, -enough)[-enough])
        better = np.flatnonzero(of_query >= least)
        values = np.concatenate([best.scores[query], of_query[better]])
        among = np.concatenate([best.tracks[query], tracks[better]])
        rows = np.concatenate([best.rows[query], one.number + places[better]])
        order = np.argsort(-values, kind="stable")
        order = order[np.isfinite(values[order])]
        _, firsts = np.unique(among[order], return_index=True)
        chosen = order[np.sort(firsts)[:k]]
        for kept, new in ((best.scores, values), (best.tracks, among), (best.rows, rows)):
            kept[query, : len(chosen)] = new[chosen]


def _allowed(
    one: Stretch, tracks: Bool[Array, " tracks"] | None, between_s: tuple[float, float] | None
) -> Bool[Array, " rows"]:
    """Return which rows of a stretch may be found."""
    found = one.wanted if tracks is None else one.wanted & tracks[one.tracks]
    if between_s is not None:
        start_ms, end_ms = (1000 * second for second in between_s)
        found = found & (one.records["start_ms"] >= start_ms) & (one.records["end_ms"] <= end_ms)
    return found


def _numbers(
    catalogue: Catalogue, level: Level, tracks: Bool[Array, " tracks"] | None, between_s: tuple[float, float] | None
) -> Int[Array, " rows"]:
    """Return the numbers of all rows that may be found, in order."""
    each = (one.number + np.flatnonzero(_allowed(one, tracks, between_s)) for one in catalogue.stretches(level))
    return np.concatenate([np.zeros(0, np.int64), *each])


def _query(catalogue: Catalogue, query: Path | str, level: Level) -> _Query:
    if os.path.lexists(query) and not Path(query).is_dir():
        return _of_file(catalogue, Path(query), level)
    place = finding.plain(Path(query).expanduser()).as_posix()
    files = catalogue.files.filter((pl.col("id") == str(query)) | (pl.col("path") == place))
    entries = list(listing.entries(files))
    if not entries:
        known = catalogue.files["id"].head(10_000).to_list()
        raise UserError(f"'{query}' is no file here, and no id of the catalogue.{hint(str(query), known)}")
    if len({one.key for one in entries}) > 1:
        raise UserError(
            f"'{query}' is the id of {len(entries)} files of the catalogue. Give the path of one: "
            + ", ".join(one.path for one in entries[:3])
        )
    (entry, *_) = entries
    if not entry.key:
        raise UserError(f"'{query}' is in the catalogue and has no embedding, for it failed: {entry.reason}")
    rows = catalogue.rows_of(entry.key, level).reshape(-1, catalogue.form.width)
    return _Query(entry.id, rows, catalogue.times_of(entry.key, level), entry.key)


def _of_file(catalogue: Catalogue, path: Path, level: Level) -> _Query:
    network = one_pass.representation(catalogue.form.representation, devices.CPU)
    catalogue.form.require_here(network)
    heard = hearing.hear(network, catalogue.form, path)
    chosen = [place for place, is_track in enumerate(heard.is_track) if is_track == (level == "track")]
    return _Query(path.as_posix(), heard.rows[chosen], [heard.times_s[place] for place in chosen], None)


def _hits(catalogue: Catalogue, asked: _Query, best: Nearest, k: int, where: Sequence[str]) -> tuple[Hit, ...]:
    """Return the best tracks over all queries: of a track only what is nearest to any of them."""
    order = np.argsort(-best.scores, axis=None, kind="stable")
    seen, chosen = set[int](), list[tuple[float, int, int]]()
    for place in order.tolist():
        query, rank = divmod(place, best.scores.shape[1])
        if np.isfinite(best.scores[query, rank]) and best.tracks[query, rank] not in seen:
            seen.add(int(best.tracks[query, rank]))
            chosen.append((float(best.scores[query, rank]), query, int(best.rows[query, rank])))
    records = [catalogue.record(row) for _, _, row in chosen]
    keys = [record["key"].tobytes().hex() for record in records]
    named = catalogue.named(keys)
    each = zip(chosen, records, keys, strict=True)
    found = [(one, record, named[key]) for one, record, key in each if key != asked.itself and key in named]
    return tuple(_hit(asked, *each, where) for each in found[:k])


def _hit(asked: _Query, one: tuple[float, int, int], record: Any, files: Sequence[Entry], where: Sequence[str]) -> Hit:
    score, query, _ = one
    first = next((file for file in files if fulfils(where, file.labels)), files[0])
    offset_s = first.start_s or 0.0
    start_s, end_s = asked.times_s[query]
    return Hit(
        score=min(score, 1.0),
        path=first.path,
        id=first.id,
        start_s=offset_s + int(record["start_ms"]) / 1000,
        end_s=offset_s + int(record["end_ms"]) / 1000,
        query_start_s=start_s,
        query_end_s=end_s,
        labels=listing.labels_of(first.labels),
        key=first.key,
        paths=tuple(file.path for file in files),
    )
