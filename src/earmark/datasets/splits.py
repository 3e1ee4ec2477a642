"""Parts of a dataset, drawn by rule and seed: stratified by label, groups kept whole, whatever the order of clips."""

import math
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from earmark.datasets._stratify import n_units_of_each, spread, strata_of, units_of
from earmark.datasets.base import Dataset
from earmark.errors import DataError, hint
from earmark.identity import generator
from earmark.nouns import Clip, Split

DEFAULT_RATIOS = (0.8, 0.1, 0.1)
VALID_RATIO = 0.1
SMALLER_GROUPS = "Group by something that the classes share, leave the groups out, or give a split."

SplitType = str | Sequence[float]


class NamedSplit(NamedTuple):
    """One partition to fit and score on; `note` says how it came about."""

    name: str
    fold: int
    split: Split
    note: str


def resolve(
    dataset: Dataset, name: str | None, label: str, split_type: SplitType = "single", seed: int = 0
) -> tuple[NamedSplit, ...]:
    """Return the partitions that an experiment asks for. Clips without the label are in none.

    `name`: an official split, or None for the default. `split_type`: "single" = its first fold; "all" = all its
    folds, or those of every official split when no name is given; two or three ratios (train, valid, test or
    train, test) = a seeded stratified draw in place of the official ones. Where none is official, 80/10/10 are
    drawn. A split without a valid part gets one from train. Raises DataError when a part would be empty.
    """
    dataset.require_label(label)
    clips = [clip for clip in dataset.clips if label in clip.targets]
    if name is not None and name not in dataset.splits:
        known = ", ".join(dataset.splits) or "none"
        raise DataError(
            f"Dataset '{dataset.name}' has no split '{name}'.{hint(name, dataset.splits)} Its splits: {known}."
        )
    if isinstance(split_type, str) and split_type not in ("single", "all"):
        raise DataError(f"Expected split_type single, all or ratios such as [0.8, 0.1, 0.1], got '{split_type}'.")
    official = dataset.splits_for(label)
    if not isinstance(split_type, str) or not (official or name):
        ratios = DEFAULT_RATIOS if isinstance(split_type, str) else tuple(split_type)
        drawn = [_drawn(dataset, clips, label, ratios, seed)]
    else:
        chosen = [name] if name is not None else list(official)[: None if split_type == "all" else 1]
        folds = [(key, fold, split) for key in chosen for fold, split in enumerate(dataset.splits[key])]
        some = folds if split_type == "all" else folds[:1]
        drawn = [_official(dataset, clips, label, key, fold, split, seed) for key, fold, split in some]
    if missing := len(dataset.clips) - len(clips):
        left_out = f"{missing} of {len(dataset.clips)} clips have no '{label}' and are left out"
        drawn = [found._replace(note="; ".join(filter(None, (found.note, left_out)))) for found in drawn]
    return tuple(drawn)


def random_split(clips: Iterable[Clip], label: str, ratios: Sequence[float], *seed_parts: object) -> Split:
    """Draw train, valid and test (two ratios: train and test), stratified by `label`, groups kept whole.

    The same for any order of the clips. `seed_parts` are the dataset's name and a seed. A number is stratified
    by its quantiles. Raises DataError when the ratios are none, or when no class has a group for every part.
    """
    shares = _checked(ratios)
    units = units_of(clips, label)
    if max(n_units_of_each(units).values(), default=0) < len(shares):
        has_groups = any(len(unit.ids) > 1 for unit in units)
        whole, remedy = ("groups", SMALLER_GROUPS) if has_groups else ("clips", "Add clips.")
        raise DataError(f"No class of '{label}' has {len(shares)} {whole}, one for each part of a split. {remedy}")
    parts = spread(units, shares, generator("split", *seed_parts, {"label": label, "ratios": list(shares)}))
    if not all(parts):
        counts = ", ".join(str(len(part)) for part in parts)
        raise DataError(
            f"Expected clips in each part of {_percent(shares)}, got {counts}. Add clips or smaller groups."
        )
    return Split(parts[0], parts[1] if len(parts) == 3 else (), parts[-1])


def carve_valid(
    split: Split, clips: Iterable[Clip], label: str, *seed_parts: object, ratio: float = VALID_RATIO
) -> Split:
    """Return the split with a valid part: as it is, or drawn from train, stratified and groups kept whole.

    Raises DataError when train cannot be split; test is never touched.
    """
    if split.valid:
        return split
    members = set(split.train)
    drawn = random_split((clip for clip in clips if clip.id in members), label, (1 - ratio, ratio), *seed_parts)
    return Split(drawn.train, drawn.test, split.test)


def subset(clips: Iterable[Clip], label: str, n: int, *seed_parts: object) -> tuple[str, ...]:
    """Draw `n` clip ids, every class in proportion and each at least once where n allows; fewer are part of more.

    A clip with several classes counts for its rarest. Ids are sorted. Raises DataError for more than there are.
    """
    ordered = sorted(clips, key=lambda clip: clip.id)
    if not 0 < n <= len(ordered):
        raise DataError(f"Expected a subset of 1 to {len(ordered)} clips with '{label}', got {n}.")
    strata = strata_of(ordered, label)
    totals = Counter(name for names in strata for name in names)
    rng = generator("subset", *seed_parts, {"label": label})
    members = defaultdict[str, list[str]](list)
    for index in rng.permutation(len(ordered)):
        rarest = min(strata[index], key=lambda name: (totals[name], name), default="")
        members[rarest].append(ordered[index].id)
    # The i-th of m clips of a class is due at i/m: the n that are due first hold each class in proportion.
    due = [
        ((place + 0.5) / len(ids) if place else 0.0, -len(ids), name)
        for _, ids in sorted(members.items())
        for place, name in enumerate(ids)
    ]
    return tuple(sorted(name for *_, name in sorted(due)[:n]))


def rare_classes(clips: Iterable[Clip], label: str, n_parts: int) -> tuple[str, ...]:
    """Return the classes that have fewer groups (or clips without one) than a split has parts, sorted."""
    counts = n_units_of_each(units_of(clips, label))
    return tuple(sorted(name for name, count in counts.items() if count < n_parts))


def _drawn(dataset: Dataset, clips: list[Clip], label: str, ratios: Sequence[float], seed: int) -> NamedSplit:
    split = random_split(clips, label, ratios, dataset.name, seed)
    official = (
        f"official split set aside ({', '.join(dataset.splits_for(label))})"
        if dataset.splits_for(label)
        else "no official split"
    )
    notes = [f"{official}: a stratified {_percent(ratios)} split was drawn with seed {seed}{_whole(clips)}"]
    if rare := rare_classes(clips, label, len(ratios)):
        notes.append(f"too few clips or groups to be in every part: {_some(rare)}")
    named = NamedSplit("-".join(["random", *(f"{ratio:g}" for ratio in ratios)]), 0, split, "; ".join(notes))
    return _with_valid(named, dataset, clips, label, seed)


def _official(
    dataset: Dataset, clips: list[Clip], label: str, name: str, fold: int, split: Split, seed: int
) -> NamedSplit:
    if unknown := sorted({*split.train, *split.valid, *split.test} - dataset.by_id.keys()):
        raise DataError(f"Split '{name}' of '{dataset.name}' names clips that are not there: {_some(unknown)}.")
    labelled = {clip.id for clip in clips}
    kept = Split(*(tuple(i for i in ids if i in labelled) for ids in (split.train, split.valid, split.test)))
    for role, ids in (("train", kept.train), ("test", kept.test)):
        if not ids:
            raise DataError(
                f"Split '{name}' of '{dataset.name}' has no {role} clip with '{label}'. Add some, "
                "or draw a split by split_type: [0.8, 0.1, 0.1]."
            )
    return _with_valid(NamedSplit(name, fold, kept, ""), dataset, clips, label, seed)


def _with_valid(named: NamedSplit, dataset: Dataset, clips: list[Clip], label: str, seed: int) -> NamedSplit:
    """Return the split with a valid part, and say so where it was drawn."""
    if named.split.valid:
        return named
    split = carve_valid(named.split, clips, label, dataset.name, named.name, named.fold, seed)
    note = f"no valid part: {VALID_RATIO:.0%} of train was drawn with seed {seed}{_whole(clips)}"
    return named._replace(split=split, note="; ".join(filter(None, (named.note, note))))


def _checked(ratios: Sequence[float]) -> tuple[float, ...]:
    """Return two or three ratios as they are, or raise a DataError."""
    if len(ratios) not in (2, 3) or min(ratios) <= 0 or not math.isclose(sum(ratios), 1, abs_tol=1e-6):
        raise DataError(
            f"Expected ratios above 0 that sum to 1, as [train, valid, test] or [train, test], got {list(ratios)}."
        )
    return tuple(float(ratio) for ratio in ratios)


def _whole(clips: Iterable[Clip]) -> str:
    return ", groups kept whole" if any(clip.group for clip in clips) else ""


def _percent(ratios: Sequence[float]) -> str:
    return "/".join(f"{100 * ratio:g}" for ratio in ratios)


def _some(names: Sequence[str]) -> str:
    return ", ".join(names[:5]) + (f" and {len(names) - 5} more" if len(names) > 5 else "")
