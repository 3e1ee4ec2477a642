"""Segments lie inside their tracks, are drawn as they say, and are the same whenever they are asked for."""

import logging
import pickle
import tempfile
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from earmark.errors import DataError, UserError
from earmark.training import segments
from earmark.training.corpus import Corpus, Track
from earmark.training.segments import Grid, Pairs, Random
from tests.training.made_corpora import corpus_of

LENGTHS = st.lists(st.integers(1, 60), min_size=1, max_size=6).filter(lambda lengths: max(lengths) >= 20)


def unread(lengths: list[int]) -> Corpus:
    """A corpus whose samples nobody asks for."""
    ends = np.cumsum(lengths).tolist()
    tracks = (Track(f"{n}", end - lengths[n], lengths[n], "", 0) for n, end in enumerate(ends))
    return Corpus(Path("nowhere"), 10, tuple(tracks), "key")


def of_track(corpus: Corpus, start: int) -> Track:
    return next(track for track in corpus.tracks if track.start <= start < track.end)


@given(LENGTHS, st.integers(1, 30))
def test_a_grid_is_every_window_that_fits_in_order(lengths: list[int], hop: int) -> None:
    corpus = unread(lengths)
    windows = segments.grid(corpus, 2.0, hop / 10)
    by_hand = [start for t in corpus.tracks for start in range(t.start, t.end - 20 + 1, hop)]
    assert [windows.start(0, index) for index in range(len(windows))] == by_hand
    assert len(windows) == sum(1 + (n - 20) // hop for n in lengths if n >= 20)


@given(LENGTHS, st.integers(0, 3))
def test_by_windows_a_track_comes_once_an_epoch_for_each_whole_window_in_it(lengths: list[int], epoch: int) -> None:
    corpus = unread(lengths)
    drawn = segments.random(corpus, 2.0, "windows")
    starts = [drawn.start(epoch, index) for index in range(len(drawn))]
    came = Counter(of_track(corpus, start).id for start in starts)
    assert came == {track.id: track.n_samples // 20 for track in corpus.tracks if track.n_samples >= 20}
    assert all(start + 20 <= of_track(corpus, start).end for start in starts)


def test_by_windows_every_place_of_a_track_is_equally_likely() -> None:
    drawn = segments.random(unread([60, 23]), 2.0, "windows")
    places = Counter(drawn.start(epoch, 3) - 60 for epoch in range(4000))
    assert [places[place] / 4000 for place in range(4)] == pytest.approx([0.25] * 4, abs=0.03)
    assert sum(places.values()) == sum(places[place] for place in range(4))


def test_by_windows_the_corpus_says_how_many() -> None:
    with pytest.raises(UserError, match=r"no n of segments by 'windows'.*got 7"):
        segments.random(unread([60]), 2.0, "windows", 7)


def test_a_sampler_says_how_many_seconds_a_segment_has() -> None:
    corpus = unread([60])
    assert segments.random(corpus, 2.0).segment_s == 2.0
    assert segments.pair(corpus, 2.0).segment_s == 4.0
    assert segments.grid(corpus, 2.0, 1.0, crop_s=1.5).segment_s == 1.5


@given(LENGTHS, st.sampled_from(["track", "duration"]), st.integers(0, 3), st.integers(1, 40))
def test_no_segment_reaches_over_the_end_of_its_track(lengths: list[int], by: segments.By, seed: int, gap: int) -> None:
    corpus = unread(lengths)
    drawn = segments.random(corpus, 2.0, by, 20, seed=seed)
    pairs = segments.pair(corpus, 2.0, gap / 10, by, 20, seed=seed)
    cropped = segments.grid(corpus, 2.0, 0.5, crop_s=1.5, seed=seed)
    for index in range(20):
        start = drawn.start(0, index)
        assert start + 20 <= of_track(corpus, start).end
        first, second = pairs.starts(0, index)
        track = of_track(corpus, first)
        assert track.start <= second <= track.end - 20
        assert abs(first - second) < gap
    for index in range(len(cropped)):
        start = cropped.start(3, index)
        assert start + 15 <= of_track(corpus, start).end


def test_a_segment_is_the_stretch_of_samples_that_its_start_names(tmp_path: Path) -> None:
    corpus = corpus_of(tmp_path, 50, 15, 30)
    for sampler in (segments.grid(corpus, 2.0, 0.7), segments.random(corpus, 2.0)):
        for index in range(len(sampler)):
            found, start = sampler.at(1, index), sampler.start(1, index)
            assert found.dtype == np.float32
            np.testing.assert_array_equal(found * 32768, np.arange(start, start + 20))
    pairs = segments.pair(corpus, 2.0, n=9)
    for index in range(9):
        for found, start in zip(pairs.at(0, index), pairs.starts(0, index), strict=True):
            np.testing.assert_array_equal(found * 32768, np.arange(start, start + 20))


def test_by_duration_every_place_of_the_corpus_is_equally_likely() -> None:
    corpus = unread([24, 40, 5, 21])
    drawn = segments.random(corpus, 2.0, "duration", 12_000)
    counts = Counter(drawn.start(0, index) for index in range(12_000))
    places = [start for t in corpus.tracks for start in range(t.start, t.end - 19)]
    assert sorted(counts) == places
    expected = 12_000 / len(places)
    chi_squared = sum((counts[place] - expected) ** 2 / expected for place in places)
    assert chi_squared < 54, "27 places: 26 degrees of freedom, exceeded once in 1,000"


def test_by_track_every_track_is_equally_likely() -> None:
    corpus = unread([24, 400, 5, 21])
    drawn = segments.random(corpus, 2.0, "track", 6_000)
    counts = Counter(of_track(corpus, drawn.start(0, index)).id for index in range(6_000))
    assert set(counts) == {"0", "1", "3"}
    assert all(abs(count - 2_000) < 150 for count in counts.values()), "4 standard deviations are 146"


def test_the_second_of_a_pair_may_start_at_every_place_near_by() -> None:
    corpus = unread([60])
    pairs = segments.pair(corpus, 2.0, 0.4, n=8_000)
    gaps = Counter(second - first for first, second in (pairs.starts(0, index) for index in range(8_000)))
    assert set(gaps) == set(range(-3, 4)), "less than 0.4 s"
    everywhere = segments.pair(corpus, 2.0, None, n=8_000)
    found = {everywhere.starts(0, index) for index in range(8_000)}
    assert {second for _, second in found} == set(range(41))
    assert max(abs(first - second) for first, second in found) == 40


def test_an_epoch_has_as_many_segments_as_fit_side_by_side_or_as_there_are_tracks() -> None:
    corpus = unread([24, 61, 5])
    assert len(segments.random(corpus, 2.0)) == 1 + 3
    assert len(segments.random(corpus, 2.0, "track")) == 2
    assert len(segments.pair(corpus, 2.0)) == 2
    assert len(segments.random(corpus, 2.0, n=7)) == len(segments.pair(corpus, 2.0, n=7)) == 7


def starts(sampler: Grid | Random | Pairs, epoch: int, backwards: bool = False) -> list[object]:
    ask = sampler.starts if isinstance(sampler, Pairs) else sampler.start
    indices = range(len(sampler))
    return [ask(epoch, index) for index in (reversed(indices) if backwards else indices)]


def sampler_of(kind: str, seed: int) -> Grid | Random | Pairs:
    corpus = unread([500, 400])
    if kind == "cropped":
        return segments.grid(corpus, 5.0, 1.0, crop_s=2.0, seed=seed)
    make = segments.random if kind == "random" else segments.pair
    return make(corpus, 2.0, n=40, seed=seed)


@pytest.mark.parametrize("kind", ["cropped", "random", "pair"])
def test_a_segment_depends_on_seed_epoch_and_index_alone(kind: str) -> None:
    sampler = sampler_of(kind, 0)
    first, second = starts(sampler, 0), starts(sampler, 1)
    assert starts(sampler, 0) == first == starts(sampler_of(kind, 0), 0)
    assert starts(pickle.loads(pickle.dumps(sampler)), 1) == second
    assert first != second
    assert starts(sampler_of(kind, 1), 0) != first
    assert starts(sampler, 0, backwards=True) == first[::-1]


def test_windows_that_are_not_cropped_are_the_same_in_every_epoch() -> None:
    windows = segments.grid(unread([500]), 2.0, 1.0)
    assert starts(windows, 0) == starts(windows, 5)


def test_windows_of_20_s_each_10_s_cropped_to_15_625_s_are_those_of_the_recipe() -> None:
    corpus = Corpus(Path("nowhere"), 16000, (Track("one", 0, 60 * 16000, "", 0),), "key")
    windows = segments.grid(corpus, 20, 10, crop_s=15.625)
    assert (len(windows), windows.crop_samples) == (5, 250_000)
    offsets = [windows.start(epoch, 2) - 20 * 16000 for epoch in range(50)]
    assert min(offsets) >= 0
    assert max(offsets) <= 70_000
    assert len(set(offsets)) > 45


def test_tracks_shorter_than_a_segment_are_left_out_and_said(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING, "earmark.training"):
        sampler = segments.random(unread([20, 19, 5, 30]), 2.0)
    assert sampler.left_out == ("1", "2")
    assert "left out, shorter than 2 s: 2 of 4 tracks: 1, 2" in caplog.text
    assert segments.too_short([str(n) for n in range(8)], 2.0, 9).endswith("0, 1, 2, 3, 4 and 3 more")
    assert segments.grid(unread([20, 19]), 2.0, 1.0).left_out == segments.pair(unread([20, 19]), 2.0).left_out == ("1",)


def test_a_window_longer_than_every_track_is_an_error_that_names_the_longest() -> None:
    with pytest.raises(DataError, match=r"at least 2 s, but the longest of 2 in 'nowhere' has 1\.900 s: 1\. Take a sh"):
        segments.grid(unread([5, 19]), 2.0, 1.0)


@pytest.mark.parametrize(
    ("ask", "reason"),
    [
        (lambda corpus: segments.grid(corpus, 0, 1), "Expected win_s of at least one sample at 10 Hz, got 0 s"),
        (lambda corpus: segments.grid(corpus, float("nan"), 1), "Expected win_s"),
        (lambda corpus: segments.grid(corpus, 1, -1), "Expected hop_s"),
        (lambda corpus: segments.grid(corpus, 1, 1, crop_s=2), "Expected a crop_s within the window of 1 s, got 2 s"),
        (
            lambda corpus: segments.random(corpus, 1, "clip"),  # type: ignore[arg-type]
            "by 'track', 'duration' or 'windows', got 'clip'",
        ),
        (lambda corpus: segments.random(corpus, 1, n=0), "Expected n of at least 1"),
        (lambda corpus: segments.pair(corpus, 1, 0.0), "Expected max_gap_s"),
    ],
)
def test_what_makes_no_sense_is_refused(ask: object, reason: str) -> None:
    assert callable(ask)
    with pytest.raises(UserError, match=reason):
        ask(unread([50]))


@pytest.mark.parametrize("index", [-1, 4])
def test_there_is_nothing_beyond_the_last(index: int) -> None:
    with tempfile.TemporaryDirectory() as folder:
        corpus = corpus_of(Path(folder), 50)
        for sampler in (
            segments.grid(corpus, 2.0, 1.0),
            segments.random(corpus, 2.0, n=4),
            segments.pair(corpus, 2, n=4),
        ):
            assert len(sampler) == 4
            with pytest.raises(IndexError, match="from 0 to 3"):
                sampler.at(0, index)
