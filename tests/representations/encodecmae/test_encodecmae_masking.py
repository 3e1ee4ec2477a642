"""Which frames are hidden: exactly as many in every clip, in runs, as the published loop hides them."""

import numpy as np
import pytest
import torch

from earmark.errors import UserError
from earmark.representations.encodecmae import masking
from earmark.representations.encodecmae.masking import Frames
from tests.representations.encodecmae import reference


def seeded(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def hidden(frames: Frames) -> torch.Tensor:
    n_frames = frames.visible.shape[1] + frames.hidden.shape[1]
    return torch.zeros(len(frames.hidden), n_frames, dtype=torch.bool).scatter_(1, frames.hidden, True)


def runs(row: torch.Tensor) -> list[int]:
    """Lengths of the stretches of hidden frames."""
    edges = np.flatnonzero(np.diff(np.concatenate(([0], row.int().numpy(), [0]))))
    return [int(end - start) for start, end in zip(edges[::2], edges[1::2], strict=True)]


@pytest.mark.parametrize("n_frames", [300, 299, 200, 31, 16])
def test_exactly_half_of_the_frames_are_hidden_in_every_clip(n_frames: int) -> None:
    frames = masking.draw(64, n_frames, 0.5, 15, seeded(0))
    assert frames.hidden.shape == (64, n_frames // 2)
    assert frames.visible.shape == (64, n_frames - n_frames // 2)
    assert hidden(frames).sum(1).tolist() == [n_frames // 2] * 64


@pytest.mark.parametrize("share", [0.03, 0.2, 0.5, 0.8, 0.95])
def test_seen_and_hidden_frames_are_all_frames_once_and_in_order(share: float) -> None:
    frames = masking.draw(20, 120, share, 15, seeded(1))
    assert frames.hidden.shape[1] == int(share * 120)
    together = torch.cat(frames, dim=1).sort(dim=1).values
    assert torch.equal(together, torch.arange(120).expand(20, -1))
    for one in frames:
        assert bool((one.diff(dim=1) > 0).all())


@pytest.mark.parametrize(("n_frames", "share", "span"), [(300, 0.5, 15), (40, 0.5, 15), (16, 0.5, 15), (60, 0.9, 7)])
def test_runs_are_those_of_the_published_loop(n_frames: int, share: float, span: int) -> None:
    starts = torch.randint(n_frames - span + 1, (200, 200), generator=seeded(2))
    quota = int(share * n_frames)
    ours = masking.of_starts(starts, n_frames, quota, span)
    assert ours is not None
    for row, drawn in zip(ours.tolist(), starts.tolist(), strict=True):
        assert row == reference.hidden_by(drawn, n_frames, quota, span)


def test_where_only_the_last_run_is_drawn_it_gives_back_itself() -> None:
    starts = torch.full((1, 4), 5)
    found = masking.of_starts(starts, 20, 10, 15)
    assert found is not None
    assert found[0].nonzero()[:, 0].tolist() == list(range(10, 20))


def test_too_few_runs_are_no_answer() -> None:
    assert masking.of_starts(torch.zeros(1, 50, dtype=torch.long), 300, 150, 15) is None
    one_short = torch.tensor([[0, 15, 30, 45], [0, 15, 30, 30]])
    assert masking.of_starts(one_short, 100, 50, 15) is None
    assert masking.of_starts(one_short[:1], 100, 50, 15) is not None


def test_runs_that_come_too_late_are_drawn_on_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(masking, "DRAWN_AT_ONCE", 1)
    frames = masking.draw(50, 300, 0.9, 15, seeded(3))
    assert frames.hidden.shape == (50, 270)


def test_four_seconds_have_about_seven_and_a_half_runs_of_twenty_frames() -> None:
    lengths = [runs(row) for row in hidden(masking.draw(2000, 300, 0.5, 15, seeded(4)))]
    assert np.mean([len(one) for one in lengths]) == pytest.approx(7.5, abs=0.2)
    assert np.mean([length for one in lengths for length in one]) == pytest.approx(20.0, abs=0.5)


def test_clips_are_drawn_apart_and_the_same_generator_hides_the_same() -> None:
    one, same, other = (hidden(masking.draw(8, 300, 0.5, 15, seeded(seed))) for seed in (5, 5, 6))
    assert torch.equal(one, same)
    assert not torch.equal(one, other)
    assert len({tuple(row) for row in one.tolist()}) == 8


@pytest.mark.parametrize(("n_frames", "share"), [(15, 0.5), (1, 0.5), (300, 0.003), (300, 1.0)])
def test_a_segment_with_nothing_to_hide_or_to_see_is_refused(n_frames: int, share: float) -> None:
    text = rf"more than 15 frames, of which a share of {share:g} .* got {n_frames} frames\. Take longer segments"
    with pytest.raises(UserError, match=text):
        masking.draw(2, n_frames, share, 15, seeded(0))


def test_the_nearest_visible_frame_is_that_of_a_search_through_all() -> None:
    for n_frames, share in ((60, 0.5), (60, 0.9), (17, 0.5)):
        frames = masking.draw(30, n_frames, share, 5, seeded(n_frames))
        found = masking.nearest_visible(frames)
        for clip in range(30):
            seen = frames.visible[clip].tolist()
            expected = [min(seen, key=lambda one: (abs(one - frame), one)) for frame in frames.hidden[clip].tolist()]
            assert found[clip].tolist() == expected
