from itertools import pairwise

import numpy as np
import pytest

from earmark.errors import DataError, UserError
from earmark.probes.base import Examples
from earmark.probes.portions import SHARES, draws, part, spread_order

TARGETS = np.repeat([0, 1, 2], [600, 300, 100])


def test_every_share_has_its_clips_and_every_class_its_share() -> None:
    found = draws(TARGETS, 5, seed=1)
    assert [(one.share, one.draw) for one in found[:-1]] == [(s, d) for s in SHARES[:-1] for d in range(5)]
    assert (found[-1].share, found[-1].draw) == (1.0, 0)
    for one in found:
        assert len(one.clips) == round(one.share * 1000)
        assert (np.diff(one.clips) > 0).all()
        assert np.abs(np.bincount(TARGETS[one.clips], minlength=3) - one.share * np.array([600, 300, 100])).max() <= 1.5


def test_smaller_shares_are_part_of_larger_ones_and_draws_differ() -> None:
    found = draws(TARGETS, 3, seed=1)
    for draw in range(3):
        nested = [set(one.clips) for one in found if one.draw == draw]
        assert all(less < more for less, more in pairwise(nested))
    assert len({tuple(one.clips) for one in found if one.share == 0.1}) == 3
    again = draws(TARGETS, 3, seed=1)
    assert all(np.array_equal(one.clips, other.clips) for one, other in zip(found, again, strict=True))
    assert not np.array_equal(draws(TARGETS, 1, seed=2)[0].clips, found[0].clips)


def test_groups_are_kept_whole() -> None:
    groups = [None if clip < 50 else f"singer {clip // 9}" for clip in range(1000)]
    for one in draws(TARGETS, 4, seed=3, groups=groups):
        inside = {groups[clip] for clip in one.clips} - {None}
        assert all(group not in inside for clip, group in enumerate(groups) if clip not in set(one.clips))
        assert abs(len(one.clips) - one.share * 1000) <= 5


def test_a_share_has_at_least_a_clip_and_labels_are_drawn_too() -> None:
    assert [len(one.clips) for one in draws(np.array([0, 1, 1]), 1, seed=0, shares=(0.01, 0.6, 1))] == [1, 2, 3]
    labels = np.zeros((200, 5))
    assert [len(one.clips) for one in draws(labels, 1, seed=0, shares=(0.1, 1))] == [20, 200]
    grouped = draws(labels, 1, seed=0, shares=(0.1,), groups=[str(clip // 10) for clip in range(200)])
    assert len(grouped[0].clips) == 20


def test_every_beginning_of_a_spread_order_has_the_classes_shares() -> None:
    order = spread_order(TARGETS, np.random.default_rng(0))
    assert sorted(order) == list(range(1000))
    for end in (10, 40, 333, 999):
        counts = np.bincount(TARGETS[order[:end]], minlength=3)
        assert np.abs(counts - end * np.array([0.6, 0.3, 0.1])).max() <= 2


def test_a_part_holds_the_rows_of_its_clips_renumbered() -> None:
    clips = np.array([0, 0, 1, 2, 2, 2, 3])
    whole = Examples(np.arange(7, dtype=np.float32).reshape(7, 1, 1), np.array([5, 6, 7, 8]), clips)
    found = part(whole, np.array([0, 2]))
    assert found.embeddings.ravel().tolist() == [0, 1, 3, 4, 5]
    assert found.targets.tolist() == [5, 7]
    assert found.clips is not None
    assert found.clips.tolist() == [0, 0, 1, 1, 1]
    plain = part(Examples(whole.embeddings[:4], whole.targets), np.array([1, 3]))
    assert plain.clips is None
    assert plain.targets.tolist() == [6, 8]


def test_shares_clips_and_groups_that_do_not_fit_are_refused() -> None:
    with pytest.raises(UserError, match=r"above 0 and up to 1, got 10. Write 1 % as 0\.01"):
        draws(TARGETS, 1, seed=0, shares=(10,))
    with pytest.raises(DataError, match="Expected clips to draw from, got none"):
        draws(TARGETS[:0], 1, seed=0)
    with pytest.raises(DataError, match="for each of 1000 clips, got 2"):
        draws(TARGETS, 1, seed=0, groups=["a", "b"])
