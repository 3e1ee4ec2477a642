"""Which frames are hidden, how many, and what they are told from."""

import numpy as np
import pytest
import torch

from earmark.errors import UserError
from earmark.representations.wav2vec2 import masking


def seeded(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def hidden(n_clips: int, n_frames: int, seed: int, probability: float = 0.65, span: int = 10) -> torch.Tensor:
    masked = masking.masked_frames(n_clips, n_frames, probability, span, 2, seeded(seed))
    assert masked.shape == torch.unique(masked + torch.arange(n_clips)[:, None] * n_frames).reshape(n_clips, -1).shape
    return torch.zeros(n_clips, n_frames, dtype=torch.bool).scatter_(1, masked, True)


def runs(row: torch.Tensor) -> list[int]:
    """Lengths of the stretches of hidden frames."""
    edges = np.flatnonzero(np.diff(np.concatenate(([0], row.int().numpy(), [0]))))
    return [int(end - start) for start, end in zip(edges[::2], edges[1::2], strict=True)]


def naive(n_frames: int, rng: np.random.Generator) -> int:
    """How many frames a clip of BASE hides before rows are made equal, as the recipe is told."""
    n_spans = int(0.65 * n_frames / 10 + rng.random())
    starts = rng.choice(n_frames - 10, n_spans, replace=False)
    return len({start + step for start in starts for step in range(10)})


def test_half_of_the_frames_are_hidden() -> None:
    cover = torch.stack([hidden(1, 781, seed).float().mean() for seed in range(300)])
    rng = np.random.default_rng(0)
    expected = np.mean([naive(781, rng) for _ in range(300)]) / 781
    assert float(cover.mean()) == pytest.approx(0.49, abs=0.01)
    assert float(cover.mean()) == pytest.approx(float(expected), abs=0.004)


def test_every_clip_hides_as_many_frames_and_batches_of_more_hide_fewer() -> None:
    for seed in range(20):
        rows = hidden(5, 781, seed)
        assert len(set(rows.sum(1).tolist())) == 1
        assert 0.42 < float(rows.float().mean()) < 0.52


def test_a_clip_alone_has_whole_spans_and_starts_before_the_last_ten_frames() -> None:
    for seed in range(200):
        row = hidden(1, 120, seed)[0]
        assert min(runs(row)) >= 10
        assert not row[-1], "the last start is at frames − 11"
        assert 7 * 10 / 10 <= int(row.sum()) <= 8 * 10


def test_only_single_frames_are_given_back_to_make_rows_equal() -> None:
    with_holes = 0
    for seed in range(30):
        rows = hidden(4, 300, seed)
        whole = sum(min(runs(row)) >= 10 for row in rows)
        with_holes += whole < 4
        assert whole >= 1, "the clip with the fewest keeps its spans"
    assert with_holes > 20


def test_frames_are_given_back_anywhere() -> None:
    rows = torch.cat([hidden(8, 300, seed) for seed in range(400)]).float()
    often = rows[:, 10:-11].mean(0)  # the first and the last lie in fewer spans
    early, late = often[: len(often) // 2].mean(), often[len(often) // 2 :].mean()
    assert float(early) == pytest.approx(float(late), abs=0.025)


@pytest.mark.parametrize(("n_frames", "possible"), [(781, {50, 51}), (49, {3, 4}), (20, {2})])
def test_the_number_of_spans_is_rounded_at_random_for_each_clip(
    n_frames: int, possible: set[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    starting: list[list[int]] = []
    is_mixed, theirs = False, masking._spread

    def watched(starts: torch.Tensor, span_frames: int) -> torch.Tensor:
        starting.append(starts.sum(1).tolist())
        return theirs(starts, span_frames)

    monkeypatch.setattr(masking, "_spread", watched)
    for seed in range(20):
        masking.masked_frames(4, n_frames, 0.65, 10, 2, seeded(seed))
        is_mixed |= len(set(starting[-1])) > 1
    assert {one for row in starting for one in row} == possible
    assert is_mixed or len(possible) == 1, "clips of one batch are rounded apart"


def test_the_same_generator_hides_the_same_frames() -> None:
    assert torch.equal(hidden(3, 200, 1), hidden(3, 200, 1))
    assert not torch.equal(hidden(3, 200, 1), hidden(3, 200, 2))


def test_a_segment_without_room_for_its_spans_is_refused() -> None:
    assert hidden(1, 12, 0).any()
    with pytest.raises(UserError, match=r"room for 2 spans of 10 frames .* at least 12 frames; got 11\. Take longer"):
        hidden(1, 11, 0)


def test_negatives_are_every_other_hidden_frame_of_the_clip_equally_often() -> None:
    drawn = masking.within_clip(2, 5, 20_000, seeded(0))
    assert drawn.shape == (2, 5, 20_000)
    for clip in range(2):
        for own in range(5):
            often = torch.bincount(drawn[clip, own], minlength=5) / 20_000
            expected = torch.full((5,), 0.25)
            expected[own] = 0.0
            torch.testing.assert_close(often, expected, rtol=0, atol=0.015)
    assert not torch.equal(drawn[0, 0], drawn[1, 0]), "each frame draws its own"


def test_negatives_across_are_of_every_other_clip_equally_often() -> None:
    drawn = masking.across_clips(3, 4, 20_000, seeded(0))
    for clip in range(3):
        often = torch.bincount(drawn[clip].flatten(), minlength=12) / drawn[clip].numel()
        expected = torch.full((12,), 1 / 8)
        expected[4 * clip : 4 * clip + 4] = 0.0
        torch.testing.assert_close(often, expected, rtol=0, atol=0.01)


def test_a_frame_or_clip_with_no_other_is_refused() -> None:
    with pytest.raises(UserError, match="at least 2 hidden frames a clip to tell apart, got 1"):
        masking.within_clip(1, 1, 3, seeded(0))
    with pytest.raises(UserError, match="at least 2 segments in a batch for negatives across clips, got 1"):
        masking.across_clips(1, 4, 3, seeded(0))
    assert masking.across_clips(1, 4, 0, seeded(0)).shape == (1, 4, 0)


def test_noise_is_gumbels() -> None:
    noise = masking.gumbel((1000, 1000), seeded(0))
    assert noise.isfinite().all()
    assert float(noise.mean()) == pytest.approx(0.57722, abs=0.01)
    assert float(noise.var()) == pytest.approx(np.pi**2 / 6, abs=0.02)
    picked = (torch.tensor([0.0, 1.0, 2.0]) + noise[:, :3]).argmax(1)
    often = torch.bincount(picked, minlength=3) / 1000
    torch.testing.assert_close(often, torch.tensor([0.0, 1.0, 2.0]).softmax(0), rtol=0, atol=0.05)
