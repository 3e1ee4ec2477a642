"""What two parts have in common: laws of the pure functions, each against a plain loop or a made-up truth."""

import numpy as np
import pytest
from numpy.typing import NDArray

from earmark.analysis import leakage
from earmark.analysis.leakage import Near, Region
from earmark.errors import DataError
from earmark.identity import generator

INF = float("inf")
Vectors = NDArray[np.float32]


def gaussian(n: int, dim: int, *name: object) -> Vectors:
    """Independent clips whose dimensions hang together, as those of real embeddings do."""
    rng = generator("test_leakage", n, dim, *name)
    mixed: Vectors = generator("test_leakage", "mix", dim).standard_normal((dim, dim), np.float32)
    clips: Vectors = rng.standard_normal((n, dim), np.float32) @ mixed + np.float32(3)
    return clips


def copies(originals: Vectors, amount: float) -> Vectors:
    noise = generator("test_leakage", "noise", len(originals)).standard_normal(originals.shape)
    moved: Vectors = (originals + amount * originals.std(axis=0) * noise).astype(np.float32)
    return moved


def judge(train: Vectors, test: Vectors, groups: list[str | None] | None = None) -> Near:
    valid = gaussian(10, train.shape[1], "valid")
    return leakage.near_duplicates(train, valid, test, groups or [None] * len(train), [None] * len(test))


def test_a_shared_group_is_the_first_equal_one_and_none_is_no_group() -> None:
    found = leakage.shared_groups(["b", None, "c", "a"], [None, "a", "b", "a", "b"])
    assert found.tolist() == [2, -1, -1, 1]


def test_no_clips_share_nothing() -> None:
    assert leakage.shared_groups([], ["a"]).tolist() == []
    assert leakage.overlaps([], [Region("x", 0, 1)]).position.tolist() == []


@pytest.mark.parametrize(
    ("groups", "classes", "named"),
    [
        (["ann", "ann", "bob"], [("ann",), ("ann",), ("bob",)], True),
        (["duo", "duo", "cy"], [("ann",), ("bob",), ("cat",)], True),
        (["duo", "duo"], [("ann",), ("bob",)], False),
        (["x", "x", "y"], [("ann", "bob"), ("bob",), ("cat",)], True),
        (["x", "y"], [("ann", "bob"), ("bob", "cat")], False),
        (["ann", "bob", None], [("ann",), ("bob",), ()], True),
        (["one", "two"], [("ann",), ("ann",)], False),
        (["ann", None], [("ann",), ("ann",)], False),
        (["ann", "bob"], [(), ()], False),
    ],
)
def test_groups_name_a_label_when_there_are_several_and_no_class_is_in_two(
    groups: list[str | None], classes: list[tuple[str, ...]], named: bool
) -> None:
    assert leakage.groups_name(groups, classes) is named


def test_only_stretches_of_the_same_content_that_run_at_the_same_time_overlap() -> None:
    others = [Region("x", 0, 10), Region("x", 10, 20), Region("y", 0, INF), Region("x", 12, 16)]
    regions = [
        Region("x", 5, 10),
        Region("x", 11, 15),
        Region("x", 20, 30),
        Region("x", 9.9995, 20),
        Region("y", 3, 4),
        Region("z", 0, INF),
        Region("y", 0, INF),
    ]
    found = leakage.overlaps(regions, others)
    assert found.position.tolist() == [0, 1, -1, 1, 2, -1, 2]
    np.testing.assert_allclose(found.alike, [1, 1, 0, 1, 1, 0, 1])


def test_overlap_is_the_share_of_the_shorter_stretch() -> None:
    found = leakage.overlaps([Region("x", 0, 10), Region("x", 0, 3)], [Region("x", 8, 12)])
    np.testing.assert_allclose(found.alike, [0.5, 0])


def test_nearest_is_that_of_a_plain_loop_whatever_the_chunks(monkeypatch: pytest.MonkeyPatch) -> None:
    queries, references = (gaussian(n, 8, n) for n in (23, 37))
    queries, references = (one / np.linalg.norm(one, axis=1, keepdims=True) for one in (queries, references))
    own, theirs = np.arange(23) % 5, np.arange(37) % 5
    position, distance = leakage.nearest(queries, references, (own, theirs))
    for row, query in enumerate(queries):
        away = {i: 1 - float(query @ other) for i, other in enumerate(references) if theirs[i] != own[row]}
        assert distance[row] == pytest.approx(min(away.values()), abs=1e-6)
        assert away[int(position[row])] == pytest.approx(min(away.values()), abs=1e-6)
    monkeypatch.setattr(leakage, "CHUNK_NUMBERS", 100)
    again = leakage.nearest(queries, references, (own, theirs))
    assert again[0].tolist() == position.tolist()


@pytest.mark.parametrize("dim", [16, 80, 1500])
def test_copies_are_found_and_different_clips_are_not(dim: int) -> None:
    train, test = gaussian(200, dim, "train"), gaussian(60, dim, "test")
    test[:20] = copies(train[30:50], 0.05)
    near = judge(train, test)
    assert near.reason == ""
    assert near.matches.position.tolist() == [*range(30, 50), *[-1] * 40]
    assert (near.matches.alike[:20] > 1 - near.threshold).all()


def test_a_copy_of_a_valid_clip_is_found_behind_those_of_train() -> None:
    train, test = gaussian(100, 16, "train"), gaussian(30, 16, "test")
    test[0] = copies(gaussian(10, 16, "valid"), 0.02)[4]
    assert judge(train, test).matches.position[0] == 104


def test_scale_and_offset_of_a_dimension_change_nothing() -> None:
    train, test = gaussian(100, 16, "train"), gaussian(30, 16, "test")
    test[3] = copies(train, 0.02)[7]
    valid, none = gaussian(10, 16, "valid"), [None] * 100
    scale, offset = np.float32(2.0) ** np.arange(-8, 8), np.float32(5)
    plain = leakage.near_duplicates(train, valid, test, none, none[:30])
    scaled = [(one * scale + offset).astype(np.float32) for one in (train, valid, test)]
    moved = leakage.near_duplicates(scaled[0], scaled[1], scaled[2], none, none[:30])
    assert moved.matches.position.tolist() == plain.matches.position.tolist()
    assert moved.inside_train == pytest.approx(plain.inside_train, rel=1e-3)


def test_where_all_clips_are_alike_nothing_is_judged_and_the_reason_is_given() -> None:
    prototypes = gaussian(4, 16, "notes")
    train, test = (copies(prototypes[np.arange(n) % 4], 0.01) for n in (120, 40))
    near = judge(train, test)
    assert (near.matches.position == -1).all()
    assert "as alike as copies" in near.reason
    assert near.inside_train < leakage.LEAST_SPREAD


def test_clips_of_one_group_may_be_alike_without_hiding_copies() -> None:
    takes = copies(np.repeat(gaussian(50, 16, "songs"), 4, axis=0), 0.02)
    test = gaussian(30, 16, "test")
    test[0] = takes[8]
    songs: list[str | None] = [f"song {i // 4}" for i in range(200)]
    assert judge(takes, test).reason != ""
    near = judge(takes, test, songs)
    assert near.reason == ""
    assert near.matches.position[0] == 8
    assert (near.matches.position[1:] == -1).all()


def test_few_clips_are_not_judged() -> None:
    train, valid, test = (gaussian(3, 8, part) for part in "abc")
    near = leakage.near_duplicates(train, valid, test, [None] * 3, [None] * 3)
    assert "9 clips are too few" in near.reason


def test_dimensions_that_never_move_and_empty_parts_are_borne() -> None:
    train, test = gaussian(60, 16, "train"), gaussian(20, 16, "test")
    train[:, 3] = test[:, 3] = 7.0
    test[0] = train[5]
    near = leakage.near_duplicates(train, np.zeros((0, 16), np.float32), test, [None] * 60, [None] * 20)
    assert near.matches.position[0] == 5
    assert np.isfinite(near.matches.alike).all()
    constant = np.ones((40, 4), np.float32)
    still = leakage.near_duplicates(constant, constant[:5], constant[:20], [None] * 40, [None] * 20)
    assert (still.matches.position == -1).all()


def test_embeddings_that_are_not_finite_are_refused() -> None:
    train = gaussian(40, 8, "train")
    train[3, 2] = np.nan
    with pytest.raises(DataError, match="NaN or infinity"):
        judge(train, gaussian(10, 8, "test"))
