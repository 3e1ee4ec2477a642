"""What two parts of a split have in common: groups, stretches of the same audio, embeddings too alike for chance.

Pure functions of arrays. For each clip of one part they tell the clip of the other that it should not have met.
"""

from collections.abc import Hashable, Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Float, Float32, Int
from numpy.typing import NDArray

from earmark.errors import DataError
from earmark.identity import generator

Array = NDArray[Any]

SHARE = 0.3
SHRINKAGE = 0.1
OUTERMOST = 2.0
LEAST_SPREAD = 0.1
LEAST_CLIPS = 20
MOST_QUERIES = 1000
MOST_DIMENSIONS = 1024
TOUCH_S = 1e-3
CHUNK_NUMBERS = 1 << 24


class Region(NamedTuple):
    """A stretch of some audio: `content` names it (its hash), seconds from `start_s` to `end_s`, which may be inf."""

    content: Hashable
    start_s: float
    end_s: float


class Matches(NamedTuple):
    """For each clip the position of its match in the other part (−1: none), and how alike they are, 0 to 1."""

    position: Int[Array, " clips"]
    alike: Float[Array, " clips"]


class Near(NamedTuple):
    """Near-duplicates, and what they were judged by: cosine distances, from 0 (the same) to 2.

    `inside_train` and `inside_test` are the medians of the distance to the nearest clip of the same part, those of
    the same group left out; a match lies nearer than `threshold`. `reason` says why nothing was judged, else "".
    """

    matches: Matches
    threshold: float
    inside_train: float
    inside_test: float
    reason: str


def shared_groups(groups: Sequence[Hashable | None], others: Sequence[Hashable | None]) -> Int[Array, " clips"]:
    """Return for each group the position of the first of `others` that is equal, −1 where none is. None is no group."""
    first: dict[Hashable | None, int] = {}
    for position, group in enumerate(others):
        first.setdefault(group, position)
    return np.array([-1 if group is None else first.get(group, -1) for group in groups], np.int64)


def groups_name(groups: Sequence[Hashable | None], classes: Sequence[tuple[str, ...]]) -> bool:
    """Return whether every class lies within one group, so that no split can hold the groups apart.

    Singers grouped by singer are such a case. Tags are taken one by one; a clip without a class says nothing. Not so
    where a class has a clip without a group, where all lie in one group, or where there are no classes (regression).
    """
    group_of: dict[str, Hashable] = {}
    for group, names in zip(groups, classes, strict=True):
        for name in names:
            if group is None or group_of.setdefault(name, group) != group:
                return False
    return len(set(group_of.values())) > 1


def overlaps(regions: Sequence[Region], others: Sequence[Region]) -> Matches:
    """Return for each region the one of `others` that it overlaps most, as a share of the shorter of both.

    Regions that touch, or overlap by less than a millisecond, which is rounding, do not count.
    """
    places: dict[Hashable, list[int]] = {}
    for position, other in enumerate(others):
        places.setdefault(other.content, []).append(position)
    spans = {name: np.array([others[one][1:] for one in found]) for name, found in places.items()}
    index, alike = np.full(len(regions), -1), np.zeros(len(regions))
    for position, region in enumerate(regions):
        if region.content in places:
            shares = _shares(region, *spans[region.content].T)
            best = int(shares.argmax())
            if shares[best] > 0:
                index[position], alike[position] = places[region.content][best], shares[best]
    return Matches(index, alike)


def _shares(region: Region, starts_s: Array, ends_s: Array) -> Array:
    common = np.minimum(region.end_s, ends_s) - np.maximum(region.start_s, starts_s)
    shorter = np.minimum(region.end_s - region.start_s, ends_s - starts_s)
    # Where both run to the end of the file, nobody has said how long that is.
    known = np.where(np.isfinite(shorter), shorter, 1.0)
    share = np.where(np.isfinite(common), common / np.maximum(known, TOUCH_S), 1.0)
    return np.where(common > TOUCH_S, np.clip(share, 0.0, 1.0), 0.0)


def near_duplicates(
    train: Float32[Array, "train dim"],
    valid: Float32[Array, "valid dim"],
    test: Float32[Array, "test dim"],
    train_groups: Sequence[Hashable | None],
    test_groups: Sequence[Hashable | None],
) -> Near:
    """Return the test clips that lie nearer to a train or valid clip than different clips do.

    Takes clip embeddings (mean over time); positions count train, then valid. All clips are standardised, cut at
    2 standard deviations and whitened together by their covariance, shrunk by 0.1 + dim / clips of its mean
    eigenvalue: plain cosine is ruled by the few directions that all clips share, such as level and noise floor. A
    match is nearer (in cosine distance) than 0.3 times the typical distance of neighbours that are no copies: the
    median over clips of the nearest one of another group, inside train or inside test, whichever is less. Where
    that is below 0.1, as with chroma of single notes, different clips are as alike as copies and nothing is judged,
    nor below 20 clips.

    It finds copies, not covers. It cries wolf where sounds are made alike, such as neighbouring notes of one sampler
    in two parts, and misses noise that fills a silent background. docs/trust.md has the rates. The search is exact;
    above 1,024 dimensions a fixed random projection stands in for the embedding. Raises DataError for NaN.
    """
    none = Matches(np.full(len(test), -1), np.zeros(len(test)))
    n = len(train) + len(valid) + len(test)
    if n < LEAST_CLIPS:
        return Near(none, 0.0, 0.0, 0.0, f"{n} clips are too few to know how alike different ones are")
    unit = _whitened(np.concatenate([train, valid, test]))
    references, outer = unit[: n - len(test)], unit[n - len(test) :]
    inside_train, inside_test = _spread(unit[: len(train)], train_groups), _spread(outer, test_groups)
    spread = min(inside_train, inside_test)
    if spread < LEAST_SPREAD:
        reason = f"different clips are as alike as copies (median distance {spread:.3f}, below {LEAST_SPREAD})"
        return Near(none, SHARE * spread, inside_train, inside_test, reason)
    position, distance = nearest(outer, references)
    found = Matches(np.where(distance < SHARE * spread, position, -1), 1 - distance)
    return Near(found, SHARE * spread, inside_train, inside_test, "")


def nearest(
    queries: Float32[Array, "queries dim"],
    references: Float32[Array, "references dim"],
    apart: tuple[Int[Array, " queries"], Int[Array, " references"]] | None = None,
) -> tuple[Int[Array, " queries"], Float32[Array, " queries"]]:
    """Return the position of each query's nearest reference and its cosine distance; rows have length 1 or 0.

    `apart` numbers the groups of both: a reference of the query's own group does not count (distance inf where no
    other is left). Exact, in chunks of at most 64 MB.
    """
    index, distance = np.zeros(len(queries), np.int64), np.full(len(queries), np.inf, np.float32)
    for rows in _chunks(len(queries), len(references)):
        away = 1 - queries[rows] @ references.T
        if apart is not None:
            away[apart[0][rows, None] == apart[1]] = np.inf
        index[rows] = away.argmin(axis=1)
        distance[rows] = np.take_along_axis(away, index[rows, None], axis=1)[:, 0]
    return index, np.maximum(distance, 0)


def _chunks(n: int, width: int) -> Iterator[slice]:
    step = max(1, CHUNK_NUMBERS // max(width, 1))
    return (slice(start, start + step) for start in range(0, n if width else 0, step))


def _spread(unit: Float32[Array, "clips dim"], groups: Sequence[Hashable | None]) -> float:
    """Return the median distance of a clip to the nearest of another group, over at most 1,000 clips; 0 for one."""
    if len(unit) < 2:
        return 0.0
    named = {group: number for number, group in enumerate(dict.fromkeys(groups)) if group is not None}
    several = len(named) > 1 or None in groups
    numbers = (-1 - i if group is None or not several else named[group] for i, group in enumerate(groups))
    codes = np.fromiter(numbers, np.int64, len(unit))
    asked = np.unique(np.linspace(0, len(unit) - 1, MOST_QUERIES).astype(np.int64))
    return float(np.median(nearest(unit[asked], unit, (codes[asked], codes))[1]))


def _whitened(embeddings: Float32[Array, "clips dim"]) -> Float32[Array, "clips small"]:
    """Return the embeddings standardised, whitened by their shrunk covariance, and scaled to length 1."""
    if not np.isfinite(embeddings).all():
        raise DataError("Expected finite embeddings, got NaN or infinity. Leave these clips out.")
    n, dim = embeddings.shape
    if dim > MOST_DIMENSIONS:
        drawn = generator("leakage", dim).standard_normal((dim, MOST_DIMENSIONS), np.float32)
        embeddings = embeddings @ (drawn / np.float32(np.sqrt(MOST_DIMENSIONS)))
    flat = embeddings.astype(np.float64)
    mean, std = flat.mean(axis=0), flat.std(axis=0)
    # What moves by rounding only would be blown up.
    moves = std > np.finfo(np.float32).eps * np.abs(mean)
    flat = (flat - mean) * np.divide(1, std, out=np.zeros_like(std), where=moves)
    # No single dimension decides: a codec's low-pass empties one band of a log spectrum and keeps the rest.
    flat = np.clip(flat, -OUTERMOST, OUTERMOST)
    values, vectors = np.linalg.eigh(flat.T @ flat / n)
    # Few clips span few directions: the others must not outweigh them.
    floor = (SHRINKAGE + flat.shape[1] / n) * max(float(values.mean()), np.finfo(np.float32).tiny)
    placed = flat @ (vectors / np.sqrt(np.maximum(values, 0) + floor))
    length = np.linalg.norm(placed, axis=1, keepdims=True)
    unit: Array = np.divide(placed, length, out=np.zeros_like(placed), where=length > 0).astype(np.float32)
    return unit
