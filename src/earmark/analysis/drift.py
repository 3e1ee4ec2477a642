"""How far embeddings move when their audio is deformed, and whether they stay or move predictably.

Clean and deformed embeddings of the same clips, one vector a clip. Five measures, each with an interval by drawing
clips (whole groups where there are any) anew:

    drift            mean cosine distance from a clip to its deformed self: 0 to 2
    relative_drift   the same, divided by the mean cosine distance between different clean clips: 1 = as far as another
    self_retrieval   share of deformed clips of which no clean clip is nearer than their own; of k equally near, 1 / k
    equivariance     share of the squared displacement that a linear map of the clean embedding foresees, on held-out
                     clips: 1 = it moves exactly as foreseen, 0 = no better foreseen than by staying
    constant_shift   the same share for one displacement that is alike for all clips, such as level adds to log-mel

Invariant is what does not move: drift is 0, and the last two have no value. Equivariant is what moves and is foreseen.
Sources: Lenc & Vedaldi 2015, "Understanding image representations by measuring their equivariance and equivalence",
for a map fitted from clean to deformed; Hoerl & Kennard 1970 for the ridge; Golub, Heath & Wahba 1979 for its penalty.
Differs: the map foresees the displacement, so that its penalty draws it to a constant shift and not to 0; and it is
judged on clips whose groups it never saw.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Int

from earmark.analysis import stats
from earmark.analysis.stats import LEVEL, Array, Estimate
from earmark.errors import DataError

MEASURES = ("drift", "relative_drift", "self_retrieval", "equivariance", "constant_shift")
FOLDS = 5
PENALTIES = (*(10.0**power for power in range(-8, 3)), np.inf)
"""Of the ridge, as shares of the largest squared singular value of the clean embeddings."""
CHUNK_BYTES = 64 * 2**20
UNMOVED = 1e-6
"""A squared displacement below this share of the squared spread of the clean embeddings, a thousandth in length, is
none: CREPE's rounding in float32 under a gain is a tenth of that."""
TIED = 1e-12
RANK = 1e-12
SAME_ERROR = 1e-6
LEAST_FREEDOM = 1e-3
"""Below it a map goes through the clips it was fitted on, and cross-validation is of rounding."""


class Axes(NamedTuple):
    """One fold: its held-out clips, the others, and how the centred embeddings of these split into axes."""

    held_out: Int[Array, " held"]
    fitted: Int[Array, " fitted"]
    left: Float[Array, "fitted rank"]
    squares: Float[Array, " rank"]
    right: Float[Array, "held rank"]
    """Held-out embeddings along the axes, each over its singular value."""


@dataclass(frozen=True)
class Clean:
    """Clean embeddings made ready, so that several deformations are measured against them.

    `weights` says how often each clip counts: once in the first row, in the others as drawn.
    """

    embeddings: Float[Array, "clips dim"]
    directions: Float[Array, "clips dim"]
    weights: Float[Array, "rows clips"]
    spread: Float[Array, " rows"]
    folds: tuple[Axes, ...]
    n_units: int
    units: str
    level: float


def clean(
    embeddings: Float[Array, "clips dim"],
    groups: Sequence[str] | None,
    resamples: int,
    rng: np.random.Generator,
    level: float = LEVEL,
) -> Clean:
    """Return clean embeddings made ready. `groups`: what is drawn, and held out, together; None: every clip alone.

    Raises DataError for embeddings that are not finite, or another number of groups than of clips.
    """
    found = _checked(embeddings)
    n = len(found)
    weights = np.vstack([np.ones((1, n)), stats.resample_weights(n, groups, resamples, rng)])
    names = np.array(groups if groups is not None and len(set(groups)) > 1 else np.arange(n))
    directions = _directions(found)
    return Clean(
        found,
        directions,
        weights,
        _spread(directions, weights),
        tuple(_folds(found, names, rng)),
        len(set(names.tolist())),
        stats.resampled_units(n, groups),
        level,
    )


def against(reference: Clean, deformed: Float[Array, "clips dim"]) -> Mapping[str, Estimate]:
    """Return each of MEASURES for deformed embeddings of the same clips, in the same order.

    The interval is over other clips of this kind, the fitted maps and the clips to be mistaken for being as they are.
    NaN where a measure is undefined: one clip alone, clean clips that are all alike, an embedding that does not move,
    fewer than two groups to hold out one of.
    """
    moved = _checked(deformed)
    if moved.shape != reference.embeddings.shape:
        raise DataError(
            f"Expected deformed embeddings of shape {reference.embeddings.shape}, those of the clean ones, got "
            f"{moved.shape}."
        )
    n_drawn = reference.weights.sum(axis=1)
    directions = _directions(moved)
    distance = reference.weights @ _distances(reference.directions, directions) / n_drawn
    found = {
        "drift": distance,
        "relative_drift": _ratio(distance, reference.spread),
        "self_retrieval": reference.weights @ _retrieved(reference.directions, directions) / n_drawn,
        **_foreseen(reference, moved - reference.embeddings),
    }
    return {name: _estimate(reference, name, found[name]) for name in MEASURES}


def _estimate(reference: Clean, name: str, rows: Float[Array, " rows"]) -> Estimate:
    value, samples = float(rows[0]), rows[1:]
    trials = reference.n_units if name == "self_retrieval" else None
    return Estimate(value, samples, stats.score_interval(samples, value, trials, reference.level, reference.units))


def _checked(embeddings: Float[Array, "clips dim"]) -> Float[Array, "clips dim"]:
    found = np.asarray(embeddings, np.float64)
    if found.ndim != 2 or not len(found):
        raise DataError(f"Expected embeddings (clips, dim) of at least one clip, got shape {found.shape}.")
    if not np.isfinite(found).all():
        raise DataError("Expected finite embeddings, got NaN or infinity. Leave those clips out.")
    return found


def _directions(embeddings: Float[Array, "clips dim"]) -> Float[Array, "clips dim"]:
    """Return rows of length 1; a row of zeros stays one: at distance 0 from its like, and 1 from all else."""
    lengths = np.linalg.norm(embeddings, axis=1, keepdims=True)
    return np.asarray(np.divide(embeddings, lengths, out=np.zeros_like(embeddings), where=lengths > 0))


def _distances(one: Float[Array, "clips dim"], other: Float[Array, "clips dim"]) -> Float[Array, " clips"]:
    """Return 1 − cosine, row by row, as half the squared difference: exact where two rows are nearly one."""
    both_silent = ~one.any(axis=1) & ~other.any(axis=1)
    either_silent = ~one.any(axis=1) ^ ~other.any(axis=1)
    halves = ((one - other) ** 2).sum(axis=1) / 2
    return np.asarray(np.where(both_silent, 0.0, np.where(either_silent, 1.0, halves)))


def _spread(directions: Float[Array, "clips dim"], weights: Float[Array, "rows clips"]) -> Float[Array, " rows"]:
    """Return the weighted mean of 1 − cosine over all pairs of different clips, without making the pairs.

    Of directions u and weights w the sum of w_i w_j u_i·u_j over i ≠ j is |Σ w u|² − Σ w² |u|².
    """
    pairs = weights.sum(axis=1) ** 2 - (weights**2).sum(axis=1)
    alone = weights**2 @ (directions**2).sum(axis=1)
    sums = [((rows @ directions) ** 2).sum(axis=1) for rows in _blocks(weights, directions.shape[1])]
    found = _ratio(pairs - (np.concatenate(sums) - alone), pairs)
    return np.asarray(np.where(found < TIED, np.nan, found))  # all alike but for rounding


def _retrieved(clean: Float[Array, "clips dim"], deformed: Float[Array, "clips dim"]) -> Float[Array, " clips"]:
    """Return, of each deformed clip, 1 where its own clean one is nearest, 1 / k where k are equally near, else 0."""
    found, start = np.empty(len(clean)), 0
    for rows in _blocks(deformed, len(clean)):
        near = rows @ clean.T
        own = near[np.arange(len(rows)), start + np.arange(len(rows))]
        found[start : start + len(rows)] = np.where(
            own >= near.max(axis=1) - TIED, 1 / (near >= own[:, None] - TIED).sum(axis=1), 0.0
        )
        start += len(rows)
    return found


def _blocks(rows: Array, width: int) -> Iterator[Array]:
    """Yield rows, as many at once as memory allows of results of this width."""
    step = max(1, CHUNK_BYTES // (8 * max(width, 1)))
    for start in range(0, len(rows), step):
        yield rows[start : start + step]


def _folds(embeddings: Float[Array, "clips dim"], names: Array, rng: np.random.Generator) -> Iterator[Axes]:
    """Yield the folds of whole groups, each the held-out one once; none where there is but one group."""
    groups, member = np.unique(names, return_inverse=True)
    n_folds = min(FOLDS, len(groups))
    fold_of = (rng.permutation(len(groups)) % n_folds)[member]
    for fold in range(n_folds) if n_folds > 1 else ():
        held_out, fitted = np.flatnonzero(fold_of == fold), np.flatnonzero(fold_of != fold)
        yield _axes(embeddings, held_out, fitted)


def _axes(embeddings: Float[Array, "clips dim"], held_out: Array, fitted: Array) -> Axes:
    """Return singular vectors by the smaller of the two products: (clips, clips) where dimensions are many."""
    mean = embeddings[fitted].mean(axis=0)
    seen, unseen = embeddings[fitted] - mean, embeddings[held_out] - mean
    is_wide = seen.shape[1] > seen.shape[0]
    squares, vectors = np.linalg.eigh(seen @ seen.T if is_wide else seen.T @ seen)
    kept = squares > RANK * max(squares[-1], 0.0)
    squares, vectors = squares[kept], vectors[:, kept]
    if is_wide:
        return Axes(held_out, fitted, vectors, squares, unseen @ (seen.T @ vectors) / squares)
    return Axes(held_out, fitted, seen @ vectors / np.sqrt(squares), squares, unseen @ vectors / np.sqrt(squares))


def _foreseen(reference: Clean, displacement: Float[Array, "clips dim"]) -> dict[str, Float[Array, " rows"]]:
    """Return how much of the squared displacement of held-out clips a ridge map and a constant foresee."""
    n_rows = len(reference.weights)
    squares = (displacement**2).sum(axis=1)
    centred = reference.embeddings - reference.embeddings.mean(axis=0)
    if not reference.folds or squares.sum() <= UNMOVED * (centred**2).sum():
        return dict.fromkeys(("equivariance", "constant_shift"), np.full(n_rows, np.nan))
    errors = np.empty((2, len(squares)))
    for axes in reference.folds:
        mean = displacement[axes.fitted].mean(axis=0)
        left = displacement[axes.held_out] - mean
        errors[1, axes.held_out] = (left**2).sum(axis=1)
        errors[0, axes.held_out] = ((left - _mapped(axes, displacement[axes.fitted] - mean)) ** 2).sum(axis=1)
    whole = reference.weights @ squares
    by_map, by_constant = (1 - _ratio(reference.weights @ one, whole) for one in errors)
    return {"equivariance": by_map, "constant_shift": by_constant}


def _mapped(axes: Axes, targets: Float[Array, "fitted dim"]) -> Float[Array, "held dim"]:
    """Return what the ridge of least generalised cross-validation error says of the held-out clips."""
    if not len(axes.squares):
        return np.zeros((len(axes.held_out), targets.shape[1]))
    along = axes.left.T @ targets
    explained, total, n = (along**2).sum(axis=1), (targets**2).sum(), len(targets)
    best, least = np.zeros(len(axes.squares)), np.inf
    for penalty in PENALTIES:
        kept = axes.squares / (axes.squares + penalty * axes.squares.max())
        freedom = 1 - (1 + kept.sum()) / n
        if freedom < LEAST_FREEDOM:  # nothing is left to judge by
            continue
        error = max(total - ((2 * kept - kept**2) * explained).sum(), 0.0) / freedom**2
        if error <= least * (1 + SAME_ERROR):  # of equals the strongest: of two clips all are, but for rounding
            best, least = kept, min(error, least)
    return np.asarray((axes.right * best) @ along)


def _ratio(above: Float[Array, " rows"], below: Float[Array, " rows"]) -> Float[Array, " rows"]:
    return np.asarray(np.divide(above, below, out=np.full(len(above), np.nan), where=below > 0))
