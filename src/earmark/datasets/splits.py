"""Parts of a dataset, drawn by rule and seed: stratified by label, groups kept whole, whatever the order of clips."""

import math
import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from earmark.datasets._finding import listed
from earmark.datasets._labels import groups_name
from earmark.datasets._stratify import Unit, n_units_of_each, spread, strata_of, units_of
from earmark.datasets.base import Dataset
from earmark.errors import DataError, hint
from earmark.identity import generator
from earmark.nouns import Clip, Split

DEFAULT_RATIOS = (0.8, 0.1, 0.1)
VALID_RATIO = 0.1
SMALLER_GROUPS = "Group by something that the classes share, leave the groups out, or give a split."
KFOLD = re.compile(r"kfold-([1-9]\d*)")
FEWEST_FOLDS = 3  # one to test, one to validate, the rest to train
MOST_OFF = 0.02  # of a part's share, before it is said

SplitType = str | Sequence[float]


class NamedSplit(NamedTuple):
    """One partition to fit and score on; `note` says how it came about."""

    name: str
    fold: int
    split: Split
    note: str


def resolve(
    dataset: Dataset, name: str | None, label: str, split_type: SplitType = "single", seed: int = 0, fit: bool = True
) -> tuple[NamedSplit, ...]:
    """Return the partitions that an experiment asks for. Clips without the label are in none.

    `name`: an official split, or None for the default. `split_type`: "single" = its first fold; "all" = all its
    folds, or those of every official split when no name is given; two or three ratios (train, valid, test or
    train, test) = a seeded stratified draw in place of the official ones; "kfold-5" = so many stratified folds.
    Where none is official, 80/10/10 are drawn. A split without a valid part gets one from train. `fit` False: only
    its test part is wanted, so one without a train part will do. Raises DataError when a part would be empty.
    """
    dataset.require_label(label)
    clips = [clip for clip in dataset.clips if label in clip.targets]
    if name is not None and name not in dataset.splits:
        known = ", ".join(dataset.splits) or "none"
        raise DataError(
            f"Dataset '{dataset.name}' has no split '{name}'.{hint(name, dataset.splits)} Its splits: {known}."
        )
    n_folds = _n_folds(split_type)
    every = dataset.splits_for(label)
    official = {key: folds for key, folds in every.items() if not fit or any(fold.train for fold in folds)} or every
    if n_folds:
        drawn = _drawn_folds(dataset, clips, label, n_folds, seed)
    elif not isinstance(split_type, str) or not (official or name):
        ratios = DEFAULT_RATIOS if isinstance(split_type, str) else tuple(split_type)
        drawn = [_drawn(dataset, clips, label, ratios, seed)]
    else:
        chosen = [name] if name is not None else list(official)[: None if split_type == "all" else 1]
        folds = [(key, fold, split) for key in chosen for fold, split in enumerate(dataset.splits[key])]
        some = folds if split_type == "all" else folds[:1]
        drawn = [_official(dataset, clips, label, key, fold, split, seed, fit) for key, fold, split in some]
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
    _require_enough(units, label, len(shares))
    parts = spread(units, shares, generator("split", *seed_parts, {"label": label, "ratios": list(shares)}))
    _require_filled(parts, _percent(shares))
    return Split(parts[0], parts[1] if len(parts) == 3 else (), parts[-1])


def k_folds(clips: Iterable[Clip], label: str, k: int, *seed_parts: object) -> tuple[Split, ...]:
    """Draw `k` parts of one size, stratified by `label`, groups kept whole, and return the folds of `hear_folds`.

    The same for any order of the clips. Raises DataError when no class has a group for every part, or k is below 3.
    """
    _require_folds(k)
    units = units_of(clips, label)
    _require_enough(units, label, k)
    parts = spread(units, (1 / k,) * k, generator("split", *seed_parts, {"label": label, "folds": k}))
    _require_filled(parts, f"kfold-{k}")
    return hear_folds(parts)


def hear_folds(parts: Sequence[Sequence[str]]) -> tuple[Split, ...]:
    """Return a fold for each part: fold i tests on part i, validates on the next, the first after the last.

    Fold i trains on all other parts, in their order. Raises DataError for fewer than three. Source: HEAR 2021's
    hear-eval-kit (data_splits_from_folds), where parts are taken in the order of their names.
    """
    k = len(parts)
    _require_folds(k)
    return tuple(
        Split(
            train=tuple(one for place, part in enumerate(parts) if place not in (i, (i + 1) % k) for one in part),
            valid=tuple(parts[(i + 1) % k]),
            test=tuple(parts[i]),
        )
        for i in range(k)
    )


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


def _n_folds(split_type: SplitType) -> int | None:
    """Return the number of folds that "kfold-5" asks for, None for what is no such word. Raises DataError."""
    found = KFOLD.fullmatch(split_type) if isinstance(split_type, str) else None
    if isinstance(split_type, str) and not found and split_type not in ("single", "all"):
        raise DataError(
            f"Expected split_type single, all, kfold-5 or ratios such as [0.8, 0.1, 0.1], got '{split_type}'."
        )
    return int(found[1]) if found else None


def _drawn(dataset: Dataset, clips: list[Clip], label: str, ratios: Sequence[float], seed: int) -> NamedSplit:
    split = random_split(clips, label, ratios, dataset.name, seed)
    what = f"a stratified {_percent(ratios)} split was drawn with seed {seed}"
    parts = [part for part in (split.train, split.valid, split.test) if part]
    note = _note_of_draw(dataset, clips, label, what, parts, ratios)
    named = NamedSplit("-".join(["random", *(f"{ratio:g}" for ratio in ratios)]), 0, split, note)
    return _with_valid(named, dataset, clips, label, seed)


def _drawn_folds(dataset: Dataset, clips: list[Clip], label: str, k: int, seed: int) -> list[NamedSplit]:
    folds = k_folds(clips, label, k, dataset.name, seed)
    what = f"{k} stratified folds were drawn with seed {seed}"
    note = _note_of_draw(dataset, clips, label, what, [fold.test for fold in folds], (1 / k,) * k)
    return [NamedSplit(f"kfold-{k}", fold, split, note) for fold, split in enumerate(folds)]


def _note_of_draw(
    dataset: Dataset,
    clips: list[Clip],
    label: str,
    what: str,
    parts: Sequence[Sequence[str]],
    asked: Sequence[float],
) -> str:
    """Say what was drawn, in place of what, where it is not as asked, and which classes are not in every part."""
    if official := dataset.splits_for(label):
        before = f"official split set aside ({', '.join(official)})"
    elif dataset.splits:
        before = f"no official split for '{label}' (its official splits were made for {_made_for(dataset)})"
    else:
        before = "no official split"
    notes = [f"{before}: {what}{_whole(clips, label)}{_really(parts, asked)}"]
    if rare := rare_classes(clips, label, len(parts)):
        notes.append(f"too few clips or groups to be in every part: {listed(rare)}")
    if apart := sorted(_not_everywhere(clips, label, parts) - set(rare)):
        notes.append(f"not in every part, as groups are kept whole: {listed(apart)}")
    return "; ".join(notes)


def _really(parts: Sequence[Sequence[str]], asked: Sequence[float]) -> str:
    """Say what shares of the clips the parts hold, where one is off by more than 2 points."""
    n_clips = sum(map(len, parts))
    shares = [len(part) / n_clips for part in parts]
    if all(abs(share - ratio) <= MOST_OFF + 1e-9 for share, ratio in zip(shares, asked, strict=True)):
        return ""
    return f", in fact {_percent([round(share, 2) for share in shares])} of the clips"


def _not_everywhere(clips: Iterable[Clip], label: str, parts: Sequence[Sequence[str]]) -> set[str]:
    ordered = list(clips)
    strata = dict(zip((clip.id for clip in ordered), strata_of(ordered, label), strict=True))
    found = [{name for one in part for name in strata[one]} for part in parts]
    return set[str]().union(*found) - set[str].intersection(*found)


def _made_for(dataset: Dataset, *names: str) -> str:
    """Return the labels that splits (none named: all) were made for, "" where for any."""
    cards = [card for card in dataset.card.splits if card.name in (names or dataset.splits)]
    return ", ".join(dict.fromkeys(label for card in cards for label in card.labels))


def _official(
    dataset: Dataset, clips: list[Clip], label: str, name: str, fold: int, split: Split, seed: int, fit: bool
) -> NamedSplit:
    if unknown := sorted({*split.train, *split.valid, *split.test} - dataset.by_id.keys()):
        raise DataError(f"Split '{name}' of '{dataset.name}' names clips that are not there: {listed(unknown)}.")
    labelled = {clip.id for clip in clips}
    kept = Split(*(tuple(i for i in ids if i in labelled) for ids in (split.train, split.valid, split.test)))
    for role, ids in (("train", kept.train or not fit), ("test", kept.test)):
        if not ids:
            raise DataError(
                f"Split '{name}' of '{dataset.name}' has no {role} clip with '{label}'. Add some, "
                "or draw a split by split_type: [0.8, 0.1, 0.1]."
            )
    made_for = "" if name in dataset.splits_for(label) else _made_for(dataset, name)
    note = f"split '{name}' was made for {made_for}, not for '{label}'" if made_for else ""
    return _with_valid(NamedSplit(name, fold, kept, note), dataset, clips, label, seed)


def _with_valid(named: NamedSplit, dataset: Dataset, clips: list[Clip], label: str, seed: int) -> NamedSplit:
    """Return the split with a valid part, and say so where it was drawn."""
    if named.split.valid or not named.split.train:
        return named
    split = carve_valid(named.split, clips, label, dataset.name, named.name, named.fold, seed)
    members = set(named.split.train)
    train = [clip for clip in clips if clip.id in members]
    really = _really((split.train, split.valid), (1 - VALID_RATIO, VALID_RATIO))
    note = f"no valid part: {VALID_RATIO:.0%} of train was drawn with seed {seed}{_whole(train, label)}{really}"
    return named._replace(split=split, note="; ".join(filter(None, (named.note, note))))


def _checked(ratios: Sequence[float]) -> tuple[float, ...]:
    """Return two or three ratios as they are, or raise a DataError."""
    if len(ratios) not in (2, 3) or min(ratios) <= 0 or not math.isclose(sum(ratios), 1, abs_tol=1e-6):
        raise DataError(
            f"Expected ratios above 0 that sum to 1, as [train, valid, test] or [train, test], got {list(ratios)}."
        )
    return tuple(float(ratio) for ratio in ratios)


def _require_folds(k: int) -> None:
    if k < FEWEST_FOLDS:
        raise DataError(f"Expected {FEWEST_FOLDS} folds or more, to test, validate and train on, got {k}.")


def _require_enough(units: Sequence[Unit], label: str, n_parts: int) -> None:
    if max(n_units_of_each(units).values(), default=0) < n_parts:
        has_groups = any(len(unit.ids) > 1 for unit in units)
        whole, remedy = ("groups", SMALLER_GROUPS) if has_groups else ("clips", "Add clips.")
        raise DataError(f"No class of '{label}' has {n_parts} {whole}, one for each part of a split. {remedy}")


def _require_filled(parts: Sequence[Sequence[str]], what: str) -> None:
    if not all(parts):
        counts = ", ".join(str(len(part)) for part in parts)
        raise DataError(f"Expected clips in each part of {what}, got {counts}. Add clips or smaller groups.")


def _whole(clips: Sequence[Clip], label: str) -> str:
    if groups_name(clips, label):
        return "; groups name the label itself, so clips are drawn one by one"
    return ", groups kept whole" if any(clip.group for clip in clips) else ""


def _percent(ratios: Sequence[float]) -> str:
    return "/".join(f"{100 * ratio:g}" for ratio in ratios)
