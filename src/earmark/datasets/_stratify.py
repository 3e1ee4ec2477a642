"""Spreading labels evenly over the parts of a split, with groups kept whole.

After Sechidis, Tsoumakas, Vlahavas, "On the Stratification of Multi-Label Data", ECML PKDD 2011: the rarest
label first, each unit to the part that lacks the label most. Differs: a unit is a whole group, the order of
labels is that of the start, a label with a unit for every part gets one in each, and where a unit has several clips
the parts are evened out afterwards: the lack of one label says little of a group that holds many.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from typing import NamedTuple

import numpy as np

from earmark.datasets._evenness import evened
from earmark.datasets._labels import classes_of, groups_name, numbers_of
from earmark.nouns import Clip

N_BINS = 5  # of a number: fifths of its values


class Unit(NamedTuple):
    """What goes into one part as a whole: a group, or a clip without one; how many clips it has of each label."""

    ids: tuple[str, ...]
    strata: Counter[str]


def units_of(clips: Iterable[Clip], label: str) -> list[Unit]:
    """Return groups and single clips, in an order that their names give; no groups where they name the label."""
    ordered = sorted(clips, key=lambda clip: clip.id)
    is_alone = groups_name(ordered, label)
    members = defaultdict[tuple[str, str], list[int]](list)
    for index, clip in enumerate(ordered):
        members[("clip", clip.id) if is_alone or clip.group is None else ("group", clip.group)].append(index)
    strata = strata_of(ordered, label)
    return [
        Unit(tuple(ordered[i].id for i in indices), Counter(name for i in indices for name in strata[i]))
        for _, indices in sorted(members.items())
    ]


def strata_of(clips: Sequence[Clip], label: str) -> list[tuple[str, ...]]:
    """Return, for each clip, what is to be spread evenly: its classes, or which fifth each of its numbers is in."""
    targets = [clip.targets[label] for clip in clips]
    numbers = [numbers_of(target) for target in targets]
    edges = [
        np.quantile([row[axis] for row in numbers if len(row) > axis], np.arange(1, N_BINS) / N_BINS)
        for axis in range(max(map(len, numbers), default=0))
    ]
    return [
        classes_of(target) + tuple(f"{axis}:{np.searchsorted(edges[axis], value)}" for axis, value in enumerate(row))
        for target, row in zip(targets, numbers, strict=True)
    ]


def n_units_of_each(units: Iterable[Unit]) -> Counter[str]:
    """Return in how many units each label is."""
    return Counter(name for unit in units for name in unit.strata)


def spread(units: Sequence[Unit], shares: Sequence[float], rng: np.random.Generator) -> list[tuple[str, ...]]:
    """Return the clip ids of each part, sorted; `shares` are the parts' fractions of all clips."""
    shuffled = [units[index] for index in rng.permutation(len(units))]
    holders = defaultdict[str, list[Unit]](list)
    for unit in shuffled:
        for name in unit.strata or ("",):
            holders[name].append(unit)
    have: list[Counter[str]] = [Counter() for _ in shares]
    part_of: dict[tuple[str, ...], int] = {}
    n_clips = sum(len(unit.ids) for unit in units)
    sizes = [0] * len(shares)
    for name in sorted(holders, key=lambda name: (name == "", len(holders[name]), name)):
        total = sum(unit.strata[name] for unit in holders[name])
        waiting = sorted((u for u in holders[name] if u.ids not in part_of), key=lambda u: -u.strata[name])
        for n_placed, unit in enumerate(waiting):
            lacking = [share * total - part[name] for share, part in zip(shares, have, strict=True)]
            without = [part for part in range(len(shares)) if not have[part][name]]
            is_last_call = len(holders[name]) >= len(shares) and 0 < len(waiting) - n_placed <= len(without)
            open_to = without if is_last_call else range(len(shares))
            room = [share * n_clips - size for share, size in zip(shares, sizes, strict=True)]
            chosen = max(open_to, key=lambda part: (round(lacking[part], 9), round(room[part], 9), -part))
            have[chosen].update(unit.strata)
            sizes[chosen] += len(unit.ids)
            part_of[unit.ids] = chosen
    where = [part_of[unit.ids] for unit in shuffled]
    if any(len(unit.ids) > 1 for unit in units):
        where = evened([unit.strata for unit in shuffled], [len(unit.ids) for unit in shuffled], where, shares, rng)
    members: list[list[str]] = [[] for _ in shares]
    for unit, part in zip(shuffled, where, strict=True):
        members[part] += unit.ids
    return [tuple(sorted(ids)) for ids in members]
