"""Laws of drawn splits: deterministic, complete, disjoint, stratified, groups whole; and what their notes say."""

from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.model_selection import StratifiedGroupKFold

from earmark.datasets.base import Dataset
from earmark.datasets.splits import carve_valid, random_split, rare_classes, resolve, subset
from earmark.errors import DataError
from earmark.nouns import Clip, Split, Target

ROOT = Path("nowhere")


def clip(name: str, target: Target | None = "x", group: str | None = None) -> Clip:
    return Clip(name, ROOT / name, targets={} if target is None else {"label": target}, group=group)


def clips(counts: dict[str, int], group_of: int | None = None) -> list[Clip]:
    """Return so many clips of each class; every `group_of` consecutive ones of a class are a group."""
    return [
        clip(f"{name}{i:03}", name, None if group_of is None else f"{name}-{i // group_of}")
        for name, count in counts.items()
        for i in range(count)
    ]


def dataset(members: Sequence[Clip], **splits: tuple[Split, ...]) -> Dataset:
    return Dataset("mine", "1", ROOT, tuple(members), splits)


def parts(split: Split) -> tuple[tuple[str, ...], ...]:
    return split.train, split.valid, split.test


def classes(ids: Sequence[str]) -> Counter[str]:
    return Counter(name.rstrip("0123456789") for name in ids)


@given(
    st.lists(st.tuples(st.sampled_from("abcd"), st.integers(0, 12) | st.none()), max_size=120),
    st.integers(0, 3),
)
def test_a_split_is_complete_disjoint_and_keeps_groups_whole(rows: list[tuple[str, int | None]], seed: int) -> None:
    members = [clip(f"{i:03}", name, None if g is None else f"g{g}") for i, (name, g) in enumerate(rows)]
    members += clips({"a": 3, "b": 3})
    split = random_split(members, "label", (0.6, 0.2, 0.2), "mine", seed)
    assert sorted(name for ids in parts(split) for name in ids) == [member.id for member in members]
    assert all(parts(split))
    role = {name: place for place, ids in enumerate(parts(split)) for name in ids}
    groups = {(member.group, role[member.id]) for member in members if member.group is not None}
    assert len(groups) == len({group for group, _ in groups})


@given(st.permutations(range(60)))
def test_the_order_of_clips_changes_nothing(order: list[int]) -> None:
    members = clips({"a": 30, "b": 20, "c": 10}, group_of=2)
    assert random_split([members[i] for i in order], "label", (0.8, 0.1, 0.1), "mine", 0) == random_split(
        members, "label", (0.8, 0.1, 0.1), "mine", 0
    )
    assert subset([members[i] for i in order], "label", 20, "mine") == subset(members, "label", 20, "mine")


def test_seed_and_dataset_change_the_split() -> None:
    members = clips({"a": 30, "b": 30})
    drawn = {random_split(members, "label", (0.8, 0.1, 0.1), name, seed) for name in ("x", "y") for seed in (0, 1)}
    assert len(drawn) == 4


@given(st.dictionaries(st.sampled_from("abcdefgh"), st.integers(10, 50), min_size=2))
def test_every_class_is_spread_in_proportion(counts: dict[str, int]) -> None:
    split = random_split(clips(counts), "label", (0.6, 0.2, 0.2), "mine", 0)
    for ids, share in zip(parts(split), (0.6, 0.2, 0.2), strict=True):
        for name, count in counts.items():
            assert abs(classes(ids)[name] - share * count) <= 1


@pytest.mark.parametrize("count", [3, 4, 5, 9])
def test_a_class_with_a_clip_for_each_part_is_in_each(count: int) -> None:
    split = random_split(clips({"a": 200, "rare": count}), "label", (0.8, 0.1, 0.1), "mine", 0)
    assert all(classes(ids)["rare"] >= 1 for ids in parts(split))


def test_a_class_with_a_group_for_each_part_is_in_each_though_one_group_is_large() -> None:
    members = clips({"a": 100}) + [clip(f"b{i:03}", "b", "big" if i < 20 else f"small{i}") for i in range(22)]
    split = random_split(members, "label", (0.8, 0.1, 0.1), "mine", 0)
    assert sorted(classes(ids)["b"] for ids in parts(split)) == [1, 1, 20]


@given(st.lists(st.integers(3, 8), min_size=2, max_size=9), st.integers(0, 9))
def test_a_class_with_a_group_of_its_own_for_each_part_is_in_each(groups: list[int], seed: int) -> None:
    sizes = np.random.Generator(np.random.PCG64(seed)).integers(1, 12, (len(groups), 8))
    members = [
        clip(f"{'abcdefghi'[one]}{group}{i:02}", "abcdefghi"[one], f"{one}-{group}")
        for one, n_groups in enumerate(groups)
        for group in range(n_groups)
        for i in range(sizes[one, group])
    ]
    split = random_split(members, "label", (0.8, 0.1, 0.1), "mine", seed)
    assert all(len(classes(ids)) == len(groups) for ids in parts(split))


def mixed(n_clips: int, n_groups: int, n_classes: int, seed: int) -> list[Clip]:
    """Return clips whose groups and classes were drawn apart, as artists of several genres."""
    rng = np.random.Generator(np.random.PCG64(seed))
    groups, labels = rng.integers(n_groups, size=n_clips), rng.integers(n_classes, size=n_clips)
    return [clip(f"{i:04}", f"c{labels[i]}", f"g{groups[i]}") for i in range(n_clips)]


def unevenness(members: Sequence[Clip], found: Sequence[Sequence[str]]) -> tuple[float, float]:
    """Return how far an 80/10/10 split is off in a part's share of the clips, and of a class, in the mean over them."""
    label_of = {member.id: str(member.targets["label"]) for member in members}
    totals, asked = Counter(label_of.values()), (0.8, 0.1, 0.1)
    counts = [Counter(label_of[name] for name in ids) for ids in found]
    off = [
        max(abs(one[c] / total - share) for one, share in zip(counts, asked, strict=True))
        for c, total in totals.items()
    ]
    size = max(abs(len(ids) / len(members) - share) for ids, share in zip(found, asked, strict=True))
    return size, float(np.mean(off))


@pytest.mark.parametrize(("n_clips", "n_groups", "n_classes"), [(1000, 60, 5), (1000, 100, 10), (3600, 20, 17)])
def test_groups_of_several_classes_are_spread_as_asked_and_no_less_evenly_than_by_scikit_learn(
    n_clips: int, n_groups: int, n_classes: int
) -> None:
    ours, theirs = [], []
    for seed in range(4):
        members = mixed(n_clips, n_groups, n_classes, seed)
        ids = [member.id for member in members]
        labels = [str(member.targets["label"]) for member in members]
        oracle = StratifiedGroupKFold(10, shuffle=True, random_state=seed)
        tenths = [part.tolist() for _, part in oracle.split(ids, labels, [member.group for member in members])]
        folded = [[ids[i] for part in some for i in part] for some in (tenths[2:], tenths[:1], tenths[1:2])]
        ours.append(unevenness(members, parts(random_split(members, "label", (0.8, 0.1, 0.1), "mine", seed))))
        theirs.append(unevenness(members, folded))
    assert max(size for size, _ in ours) <= 0.01
    assert np.mean([off for _, off in ours]) < np.mean([off for _, off in theirs])


def test_groups_of_several_tags_leave_the_parts_as_large_as_asked() -> None:
    rng = np.random.Generator(np.random.PCG64(0))
    tags = np.array([f"t{i}" for i in range(40)])
    usual = [rng.choice(tags, 6, replace=False) for _ in range(120)]
    members = [
        clip(f"{i:04}", tuple(rng.choice(usual[i % 120], 2, replace=False).tolist()), f"g{i % 120}")
        for i in range(1200)
    ]
    split = random_split(members, "label", (0.8, 0.1, 0.1), "mine", 0)
    assert [len(ids) / 1200 for ids in parts(split)] == pytest.approx([0.8, 0.1, 0.1], abs=0.02)


@given(st.permutations(range(80)))
def test_the_order_of_clips_changes_nothing_where_groups_hold_several_classes(order: list[int]) -> None:
    members = mixed(80, 16, 3, 0)
    assert random_split([members[i] for i in order], "label", (0.8, 0.1, 0.1), "mine", 0) == random_split(
        members, "label", (0.8, 0.1, 0.1), "mine", 0
    )


def test_several_labels_are_spread_together() -> None:
    rng = np.random.Generator(np.random.PCG64(3))
    names = np.array(["a", "b", "c", "d"])
    members = [clip(f"{i:03}", tuple(names[rng.random(4) < (0.7, 0.3, 0.2, 0.05)].tolist())) for i in range(400)]
    split = random_split(members, "label", (0.6, 0.2, 0.2), "mine", 0)
    tags = {member.id: member.targets["label"] for member in members}
    for name in names:
        total = sum(str(name) in _names(tags[member.id]) for member in members)
        for ids, share in zip(parts(split), (0.6, 0.2, 0.2), strict=True):
            assert abs(sum(str(name) in _names(tags[i]) for i in ids) - share * total) <= 2


def _names(target: Target) -> tuple[object, ...]:
    assert isinstance(target, tuple)
    return target


def test_a_number_is_spread_by_its_quantiles() -> None:
    members = [clip(f"{i:03}", float(i) ** 3) for i in range(100)]
    split = random_split(members, "label", (0.6, 0.2, 0.2), "mine", 0)
    for ids in parts(split):
        fifths = Counter(int(name) // 20 for name in ids)
        assert set(fifths.values()) == {len(ids) // 5}


def test_pairs_of_numbers_are_spread_along_both() -> None:
    members = [clip(f"{i:03}", (float(i), float(i * 37 % 100))) for i in range(100)]
    split = random_split(members, "label", (0.8, 0.2), "mine", 0)
    assert (len(split.train), split.valid, len(split.test)) == (80, (), 20)
    for axis in (1, 37):
        assert max(Counter(int(name) * axis % 100 // 20 for name in split.test).values()) <= 5


@pytest.mark.parametrize("ratios", [(0.8, 0.1), (1.0,), (0.9, 0.2, -0.1), (0.25, 0.25, 0.25, 0.25), ()])
def test_ratios_must_be_two_or_three_and_sum_to_one(ratios: tuple[float, ...]) -> None:
    with pytest.raises(DataError, match="Expected ratios above 0 that sum to 1"):
        random_split(clips({"a": 30}), "label", ratios, "mine", 0)


def test_classes_that_cannot_be_parted_are_an_error_that_says_why() -> None:
    with pytest.raises(DataError, match=r"No class of 'label' has 3 clips, one for each part of a split\. Add clips"):
        random_split(clips(dict.fromkeys("abcdef", 1)), "label", (0.8, 0.1, 0.1), "mine", 0)
    with pytest.raises(DataError, match=r"No class of 'label' has 3 groups.*leave the groups out"):
        random_split(clips({"a": 10, "b": 10}, group_of=5), "label", (0.8, 0.1, 0.1), "mine", 0)


def test_rare_classes_are_counted_in_groups() -> None:
    assert rare_classes(clips({"a": 30, "b": 2, "c": 1}), "label", 3) == ("b", "c")
    assert rare_classes(clips({"a": 30, "b": 20}, group_of=10), "label", 3) == ("b",)


def test_a_carved_valid_part_comes_from_train_alone() -> None:
    members = clips({"a": 40, "b": 20}, group_of=2)
    split = Split(tuple(m.id for m in members[:30]), (), tuple(m.id for m in members[30:]))
    carved = carve_valid(split, members, "label", "mine", 0, ratio=0.2)
    assert carved.test == split.test
    assert sorted(carved.train + carved.valid) == sorted(split.train)
    assert len(carved.valid) == 6
    groups = {m.id: m.group for m in members}
    assert not {groups[i] for i in carved.train} & {groups[i] for i in carved.valid}
    assert carve_valid(carved, members, "label", "mine", 1) is carved


@given(st.integers(1, 99), st.integers(1, 99))
def test_a_smaller_subset_is_part_of_a_larger(one: int, other: int) -> None:
    members = clips({"a": 60, "b": 30, "c": 10})
    small, large = (subset(members, "label", n, "mine", 0) for n in sorted((one, other)))
    assert set(small) <= set(large)
    assert len(large) == max(one, other)


@given(st.integers(3, 100))
def test_a_subset_holds_every_class_in_proportion(n: int) -> None:
    counts = {"a": 60, "b": 30, "c": 10}
    drawn = classes(subset(clips(counts), "label", n, "mine", 0))
    for name, count in counts.items():
        assert drawn[name] >= 1
        assert abs(drawn[name] - n * count / 100) <= 1.5


def test_a_subset_of_more_than_there_is_is_refused() -> None:
    with pytest.raises(DataError, match="Expected a subset of 1 to 3 clips with 'label', got 4"):
        subset(clips({"a": 3}), "label", 4, "mine")


def test_without_an_official_split_one_is_drawn_and_said() -> None:
    (found,) = resolve(dataset(clips({"a": 60, "b": 40})), None, "label")
    assert found.note == "no official split: a stratified 80/10/10 split was drawn with seed 0"
    assert (found.name, found.fold) == ("random-0.8-0.1-0.1", 0)
    assert [len(ids) for ids in parts(found.split)] == [80, 10, 10]


def test_the_note_names_groups_rare_classes_and_clips_without_the_label() -> None:
    members = [*clips({"a": 60, "b": 40, "rare": 4}, group_of=4), clip("none", None)]
    (found,) = resolve(dataset(members), None, "label", (0.6, 0.2, 0.2), seed=3)
    assert found.note == (
        "no official split: a stratified 60/20/20 split was drawn with seed 3, groups kept whole; too few clips or "
        "groups to be in every part: rare; 1 of 105 clips have no 'label' and are left out"
    )
    assert "none" not in {name for ids in parts(found.split) for name in ids}


def test_the_note_says_what_the_parts_really_hold_where_that_is_not_what_was_asked() -> None:
    (found,) = resolve(dataset(clips(dict.fromkeys("abcdefghijkl", 4))), None, "label")
    assert found.note == (
        "no official split: a stratified 80/10/10 split was drawn with seed 0, in fact 50/25/25 of the clips"
    )


def test_the_note_names_classes_that_whole_groups_keep_out_of_a_part() -> None:
    sizes = [300] * 3 + [10] * 20
    members = [
        clip(f"{group:02}-{i:03}", ("ab"[i % 2], *(("rare",) if size == 300 and i == 0 else ())), f"g{group}")
        for group, size in enumerate(sizes)
        for i in range(size)
    ]
    (found,) = resolve(dataset(members), None, "label")
    assert "; not in every part, as groups are kept whole: rare" in found.note


def official() -> Dataset:
    members = [*clips({"a": 20, "b": 20}), clip("none", None)]
    ids = [member.id for member in members if member.targets]
    whole = Split(tuple(ids[::2]), (), (*ids[1::2], "none"))
    folds = tuple(Split(tuple(i for i in ids if i not in ids[k::4]), (), tuple(ids[k::4])) for k in range(4))
    return dataset(members, first=(whole,), folds=folds)


def test_single_is_the_first_fold_and_all_is_every_fold() -> None:
    def names(name: str | None, split_type: str) -> list[tuple[str, int]]:
        return [found[:2] for found in resolve(official(), name, "label", split_type)]

    assert names(None, "single") == [("first", 0)]
    assert names("folds", "single") == [("folds", 0)]
    assert names("folds", "all") == [("folds", k) for k in range(4)]
    assert names(None, "all") == [("first", 0), *(("folds", k) for k in range(4))]


def test_an_official_split_keeps_its_test_clips_and_gets_a_valid_part_from_train() -> None:
    (found,) = resolve(official(), None, "label")
    assert found.split.test == tuple(i for i in official().splits["first"][0].test if i != "none")
    assert set(found.split.train) | set(found.split.valid) == set(official().splits["first"][0].train)
    assert found.note.startswith("no valid part: 10% of train was drawn with seed 0; 1 of 41 clips")


def test_ratios_set_an_official_split_aside_and_say_so() -> None:
    (found,) = resolve(official(), None, "label", [0.5, 0.5])
    assert found.note.startswith("official split set aside (first, folds): a stratified 50/50 split")
    assert "no valid part" in found.note
    assert all(parts(found.split))


@pytest.mark.parametrize(
    ("name", "label", "split_type", "said"),
    [
        ("fist", "label", "single", "has no split 'fist'. Did you mean 'first'? Its splits: first, folds"),
        (None, "labels", "single", "has no label 'labels'. Did you mean 'label'?"),
        (
            None,
            "label",
            "every",
            "Expected split_type single, all, kfold-5 or ratios such as [0.8, 0.1, 0.1], got 'every'",
        ),
    ],
)
def test_wrong_names_are_named(name: str | None, label: str, split_type: str, said: str) -> None:
    with pytest.raises(DataError) as caught:
        resolve(official(), name, label, split_type)
    assert said in str(caught.value)


def test_an_official_split_without_a_test_part_is_refused() -> None:
    members = clips({"a": 10})
    ids = tuple(member.id for member in members)
    with pytest.raises(DataError, match=r"has no test clip with 'label'.*split_type: \[0\.8, 0\.1, 0\.1\]"):
        resolve(dataset(members, own=(Split(ids, (), ()),)), None, "label")
    with pytest.raises(DataError, match="names clips that are not there: gone"):
        resolve(dataset(members, own=(Split(ids, (), ("gone",)),)), None, "label")
