"""Laws of drawn folds, of groups that name the label itself, and of splits that were made for other labels."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from earmark.datasets.base import Dataset
from earmark.datasets.splits import hear_folds, k_folds, random_split, resolve
from earmark.errors import DataError
from earmark.nouns import Clip, DataCard, Split, SplitCard
from tests.datasets.test_splits import ROOT, classes, clip, clips, dataset, official, parts

LEAST = {"a": 12, "b": 9}


@given(
    st.integers(3, 6),
    st.lists(st.tuples(st.sampled_from("abcd"), st.integers(0, 30) | st.none()), max_size=90),
)
def test_folds_test_each_clip_once_and_keep_groups_whole(k: int, rows: list[tuple[str, int | None]]) -> None:
    members = [clip(f"{i:03}", name, None if g is None else f"g{g}") for i, (name, g) in enumerate(rows)]
    members += clips(LEAST)
    folds = k_folds(members, "label", k, "mine", 0)
    every = sorted(member.id for member in members)
    assert sorted(name for fold in folds for name in fold.test) == every
    for i, fold in enumerate(folds):
        assert sorted(name for ids in parts(fold) for name in ids) == every
        assert fold.valid == folds[(i + 1) % k].test
    of_test = {name: i for i, fold in enumerate(folds) for name in fold.test}
    pairs = {(member.group, of_test[member.id]) for member in members if member.group is not None}
    assert len(pairs) == len({group for group, _ in pairs})


@given(st.dictionaries(st.sampled_from("abcdefgh"), st.integers(5, 50), min_size=2), st.integers(3, 5))
def test_folds_hold_every_class_in_proportion(counts: dict[str, int], k: int) -> None:
    for fold in k_folds(clips(counts), "label", k, "mine", 0):
        for name, count in counts.items():
            assert abs(classes(fold.test)[name] - count / k) <= 1


@given(st.permutations(range(60)))
def test_the_order_of_clips_changes_no_fold(order: list[int]) -> None:
    members = clips({"a": 30, "b": 20, "c": 10}, group_of=2)
    assert k_folds([members[i] for i in order], "label", 5, "mine", 0) == k_folds(members, "label", 5, "mine", 0)


def test_seed_and_dataset_change_the_folds() -> None:
    members = clips({"a": 30, "b": 30})
    assert len({k_folds(members, "label", 5, name, seed) for name in ("x", "y") for seed in (0, 1)}) == 4


def test_given_parts_become_folds_by_the_rule_of_hear() -> None:
    assert hear_folds([["a", "b"], ["c"], ["d"], ["e"]]) == (
        Split(("d", "e"), ("c",), ("a", "b")),
        Split(("a", "b", "e"), ("d",), ("c",)),
        Split(("a", "b", "c"), ("e",), ("d",)),
        Split(("c", "d"), ("a", "b"), ("e",)),
    )


def test_fewer_than_three_folds_leave_nothing_to_train_on() -> None:
    with pytest.raises(DataError, match="Expected 3 folds or more, to test, validate and train on, got 2"):
        k_folds(clips(LEAST), "label", 2, "mine", 0)
    with pytest.raises(DataError, match="Expected 3 folds or more"):
        hear_folds([["a"], ["b"]])


def test_more_folds_than_any_class_has_clips_are_refused() -> None:
    with pytest.raises(DataError, match=r"No class of 'label' has 13 clips, one for each part of a split\. Add clips"):
        k_folds(clips(LEAST), "label", 13, "mine", 0)


def test_groups_that_name_the_label_itself_are_parted_clip_by_clip() -> None:
    singers = clips({"ann": 20, "ben": 30, "cat": 10}, group_of=30)
    without = clips({"ann": 20, "ben": 30, "cat": 10})
    assert random_split(singers, "label", (0.8, 0.1, 0.1), "mine", 0) == random_split(
        without, "label", (0.8, 0.1, 0.1), "mine", 0
    )
    assert k_folds(singers, "label", 5, "mine", 0) == k_folds(without, "label", 5, "mine", 0)
    (found,) = resolve(dataset(singers), None, "label")
    assert found.note == (
        "no official split: a stratified 80/10/10 split was drawn with seed 0; groups name the label itself, so clips "
        "are drawn one by one"
    )


def test_groups_that_each_hold_several_classes_of_their_own_name_the_label_too() -> None:
    tracks = [
        clip(f"{track}{i:02}", track, artist) for track, artist in zip("abcd", "xxyy", strict=True) for i in range(9)
    ]
    split = random_split(tracks, "label", (0.6, 0.2, 0.2), "mine", 0)
    assert all(set(classes(ids)) == set("abcd") for ids in parts(split))


@pytest.mark.parametrize(
    "members",
    [
        [*clips({"ann": 20, "ben": 20}, group_of=20), clip("ann999", "ann", "another")],
        [*clips({"ann": 20, "ben": 20}, group_of=20), clip("ann999", "ann")],
        [clip(f"{name}{i}", name, "all") for name in ("ann", "ben") for i in range(20)],
        [clip(f"{i}", float(i), f"g{i // 20}") for i in range(40)],
    ],
    ids=["a class in two groups", "a clip in none", "one group of all", "numbers"],
)
def test_other_groups_are_never_parted(members: list[Clip]) -> None:
    with pytest.raises(DataError, match="has 3 groups, one for each part"):
        random_split(members, "label", (0.8, 0.1, 0.1), "mine", 0)


def test_a_valid_part_is_drawn_clip_by_clip_where_train_leaves_one_group_a_class() -> None:
    members = clips({"a": 40, "b": 40}, group_of=20)
    halves = Split(tuple(m.id for m in members if m.group in ("a-0", "b-0")), (), ("a020", "b020"))
    (found,) = resolve(dataset(members, own=(halves,)), None, "label")
    assert found.note == (
        "no valid part: 10% of train was drawn with seed 0; groups name the label itself, so clips are drawn one by one"
    )
    assert classes(found.split.valid) == {"a": 2, "b": 2}


def made_for(*labels: str) -> Dataset:
    """Return a dataset with the labels `label` and `other` whose split was made for the labels given."""
    members = [Clip(f"{i:03}", ROOT, targets={"label": "xy"[i % 2], "other": "uv"[i // 50]}) for i in range(100)]
    ids = [member.id for member in members]
    card = DataCard("mine", splits=(SplitCard("own", "mine", labels),))
    splits = {"own": (Split(tuple(ids[20:]), tuple(ids[:10]), tuple(ids[10:20])),)}
    return Dataset("mine", "1", ROOT, tuple(members), splits, card)


def test_a_label_that_no_official_split_was_made_for_gets_a_drawn_one_and_that_is_said() -> None:
    (found,) = resolve(made_for("label", "third"), None, "other")
    assert found.note == (
        "no official split for 'other' (its official splits were made for label, third): a stratified 80/10/10 split "
        "was drawn with seed 0"
    )
    (theirs,) = resolve(made_for("label", "third"), None, "label")
    assert (theirs.name, theirs.note) == ("own", "")


def test_a_split_asked_for_a_label_that_it_was_not_made_for_is_used_and_that_is_said() -> None:
    (found,) = resolve(made_for("label"), "own", "other")
    assert (found.split, found.note) == (
        made_for().splits["own"][0],
        "split 'own' was made for label, not for 'other'",
    )
    assert resolve(made_for(), "own", "other")[0].note == ""


def test_folds_set_an_official_split_aside_and_each_says_so() -> None:
    found = resolve(official(), "first", "label", "kfold-4")
    assert [one[:2] for one in found] == [("kfold-4", fold) for fold in range(4)]
    assert {one.note for one in found} == {
        (
            "official split set aside (first, folds): 4 stratified folds were drawn with seed 0; 1 of 41 clips have no "
            "'label' and are left out"
        )
    }
    assert [one.split for one in found] == list(k_folds(official().clips[:-1], "label", 4, "mine", 0))
