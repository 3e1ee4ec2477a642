"""Some of the clips: shares of the training labels, drawn so that every class keeps its share.

For label-efficiency curves (how few labels does a probe need) and for codelengths.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Int

from earmark import identity
from earmark.errors import DataError, UserError
from earmark.probes.base import Examples

Array = np.ndarray

SHARES = (0.01, 0.02, 0.05, 0.1, 0.25, 0.5, 1.0)


@dataclass(frozen=True, eq=False)
class Draw:
    """One draw of a share of the clips: their positions, ascending. `draw` counts from 0."""

    share: float
    draw: int
    clips: Int[Array, " clips"]


def draws(
    targets: Array,
    n_draws: int,
    seed: int,
    shares: Sequence[float] = SHARES,
    groups: Sequence[str | None] | None = None,
) -> tuple[Draw, ...]:
    """Return `n_draws` draws of every share of the clips, by share; a share of 1 once, for it is always the same.

    Within one draw the smaller share is part of the larger. A share has the whole number of clips nearest to it, at
    least 1; with `groups` (one name a clip, None for a clip by itself) the clips of a group are all in or all out,
    and as many groups are in as come nearest. Classes keep their shares as whole clips allow: one of few clips may be
    absent from a small share. `targets`: class indices (clips,), or numbers (clips, outputs), which are not stratified.
    """
    for share in shares:
        if not 0 < share <= 1:
            raise UserError(f"Expected shares above 0 and up to 1, got {share}. Write 1 % as 0.01.")
    if not len(targets):
        raise DataError("Expected clips to draw from, got none.")
    found = []
    for draw in range(n_draws):
        order, starts = _ordered(targets, groups, identity.generator("share of labels", seed, draw))
        ends = np.append(starts[1:], len(order))
        for share in dict.fromkeys(shares):
            if share < 1 or draw == 0:
                end = ends[np.abs(ends - share * len(order)).argmin()]
                found.append(Draw(share, draw, np.sort(order[:end])))
    return tuple(sorted(found, key=lambda one: (one.share, one.draw)))


def spread_order(targets: Array, rng: np.random.Generator) -> Int[Array, " clips"]:
    """Return the clips in a random order of which every beginning has about the same shares of the classes.

    The i-th clip of a class, in random order, stands at (i + u) / clips of the class, u drawn once a class. Targets of
    several outputs are in plain random order.
    """
    if targets.ndim != 1:
        return rng.permutation(len(targets))
    places = np.empty(len(targets))
    for one in np.unique(targets):
        members = rng.permutation(np.flatnonzero(targets == one))
        places[members] = (np.arange(len(members)) + rng.random()) / len(members)
    return np.argsort(places, kind="stable")


def part(examples: Examples, clips: Int[Array, " clips"]) -> Examples:
    """Return the examples of some clips, by ascending position."""
    if examples.clips is None:
        return Examples(examples.embeddings[clips], examples.targets[clips])
    is_in = np.zeros(len(examples.targets), bool)
    is_in[clips] = True
    rows = is_in[examples.clips]
    renumbered = np.cumsum(is_in) - 1
    return Examples(examples.embeddings[rows], examples.targets[clips], renumbered[examples.clips[rows]])


def _ordered(
    targets: Array, groups: Sequence[str | None] | None, rng: np.random.Generator
) -> tuple[Int[Array, " clips"], Int[Array, " units"]]:
    """Return the clips in a spread order, groups together, and where each group or single clip begins in it."""
    if groups is None:
        return spread_order(targets, rng), np.arange(len(targets))
    if len(groups) != len(targets):
        raise DataError(f"Expected a group, or None, for each of {len(targets)} clips, got {len(groups)}.")
    members: dict[object, list[int]] = {}
    for clip, group in enumerate(groups):
        members.setdefault(clip if group is None else (group,), []).append(clip)
    units = list(members.values())
    if targets.ndim == 1:
        usual = np.array([np.bincount(targets[unit]).argmax() for unit in units])
    else:
        usual = np.zeros((len(units), 2))
    ordered = [units[place] for place in spread_order(usual, rng)]
    sizes = np.array([len(unit) for unit in ordered])
    return np.concatenate(ordered), np.cumsum(sizes) - sizes
