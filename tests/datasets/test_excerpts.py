"""Lengths come from headers and are remembered; a fixed piece of each clip depends on nothing but that clip."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from earmark import audio, conformance
from earmark.datasets import excerpts, names
from earmark.datasets.base import Dataset
from earmark.errors import DataError
from earmark.nouns import Clip, Split
from tests.miniatures.tones import write_tone

LENGTHS_S = (3.0, 2.5, 1.0, 0.7, 4.2)


@pytest.fixture
def corpus(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Dataset:
    """Any folder is a corpus: five files of known lengths."""
    monkeypatch.setenv("EARMARK_HOME", str(tmp_path / "home"))
    for place, length_s in enumerate(LENGTHS_S):
        write_tone(tmp_path / "tracks" / f"{place}.wav", place, 44100 if place % 2 else 22050, length_s)
    return names.load("folder", tmp_path / "tracks")


def starts(dataset: Dataset) -> list[float | None]:
    return [clip.start_s for clip in dataset.clips]


def test_lengths_are_those_of_the_files(corpus: Dataset) -> None:
    found = excerpts.lengths(corpus, jobs=3)
    assert found.failures == ()
    assert [found.seconds[f"{place}.wav"] for place in range(5)] == pytest.approx(LENGTHS_S)


def test_the_length_of_a_region_is_the_regions(corpus: Dataset) -> None:
    clip = corpus.by_id["4.wav"]
    regions = (replace(clip, id="a", start_s=1.0, end_s=2.5), replace(clip, id="b", start_s=1.0))
    assert excerpts.lengths(replace(corpus, clips=regions)).seconds == pytest.approx({"a": 1.5, "b": 3.2})


def test_a_header_is_read_once_until_the_file_changes(corpus: Dataset, monkeypatch: pytest.MonkeyPatch) -> None:
    opened: list[Path] = []
    read = audio.info

    def info(path: Path) -> audio.AudioInfo:
        opened.append(path)
        return read(path)

    monkeypatch.setattr(audio, "info", info)
    first = excerpts.lengths(corpus)
    assert len(opened) == 5
    assert excerpts.lengths(corpus) == first
    assert len(opened) == 5
    write_tone(corpus.clips[0].path, 0, 22050, 1.5)
    assert excerpts.lengths(corpus).seconds["0.wav"] == pytest.approx(1.5)
    assert opened[5:] == [corpus.clips[0].path]


def test_many_files_are_remembered_as_they_are_read(corpus: Dataset, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(excerpts, "REMEMBERED_AT_ONCE", 2)
    first = excerpts.lengths(corpus)
    assert list(first.seconds.values()) == pytest.approx(LENGTHS_S)
    monkeypatch.setattr(audio, "info", lambda path: pytest.fail(f"{path} was opened again"))
    assert excerpts.lengths(corpus) == first


def test_a_file_that_cannot_be_opened_is_a_failure_and_is_tried_again(corpus: Dataset) -> None:
    path = corpus.clips[1].path
    content = path.read_bytes()
    path.write_bytes(b"")
    (failure,) = excerpts.lengths(corpus).failures
    assert (failure.clip, failure.path) == ("1.wav", str(path))
    assert "0 bytes" in failure.reason
    path.write_bytes(content)
    assert excerpts.lengths(corpus).failures == ()


def test_each_piece_lies_in_its_clip_and_all_have_one_length(corpus: Dataset) -> None:
    found = excerpts.excerpts(corpus, 1.0)
    for clip, length_s in zip(found.clips, LENGTHS_S, strict=True):
        if length_s >= 1.0:
            assert clip.start_s is not None
            assert clip.end_s is not None
            assert clip.start_s >= 0
            assert clip.end_s <= length_s + 1e-9
            sound = audio.read(clip.path, None, clip.start_s, clip.end_s)
            assert len(sound.samples) == sound.sample_rate


@pytest.mark.parametrize("rate", [11025, 16000, 22050, 24000, 32000, 44100, 48000])
def test_a_piece_is_a_whole_number_of_samples_at_every_usual_rate(rate: int, tmp_path: Path) -> None:
    clip = Clip("a", tmp_path / "a.wav")
    pieces = [excerpts._piece("name", clip, 61.3, 10.0, seed) for seed in range(200)]
    spans = {round((one.end_s or 0) * rate) - round((one.start_s or 0) * rate) for one in pieces}
    assert spans == {10 * rate}


def test_pieces_are_drawn_evenly_over_the_clip(tmp_path: Path) -> None:
    clip = Clip("a", tmp_path / "a.wav")
    drawn = np.array([excerpts._piece("name", clip, 30.0, 10.0, seed).start_s for seed in range(2000)], float)
    assert drawn.min() < 0.2
    assert drawn.max() == pytest.approx(20.0, abs=0.2)
    # The mean of 2,000 even draws from 0 to 20 s has a standard error of 0.13 s.
    assert drawn.mean() == pytest.approx(10.0, abs=0.5)


def test_a_piece_depends_on_its_clip_and_the_seed_alone(corpus: Dataset) -> None:
    one = excerpts.excerpts(corpus, 1.0, seed=7)
    assert one == excerpts.excerpts(corpus, 1.0, seed=7)
    fewer = replace(corpus, clips=corpus.clips[::-1][:3])
    assert all(piece in one.clips for piece in excerpts.excerpts(fewer, 1.0, seed=7).clips)
    assert starts(one) != starts(excerpts.excerpts(corpus, 1.0, seed=8))


def test_a_short_clip_and_one_that_cannot_be_opened_stay_whole_and_are_counted(corpus: Dataset) -> None:
    corpus.clips[1].path.write_bytes(b"")
    found = excerpts.excerpts(corpus, 2.0)
    assert [clip.id for clip in found.clips if clip.end_s is None] == ["1.wav", "2.wav", "3.wav"]
    assert found.notes[0] == "folder:tracks: one excerpt of 2 s of each clip, drawn with seed 0"
    assert found.notes[1] == "folder:tracks: shorter than 2 s, and whole: 2 of 5 clips"
    assert found.notes[2].startswith("folder:tracks: not to be opened, and whole: 1 clip, such as 1.wav (expected")


def test_a_piece_of_a_region_lies_in_the_region(corpus: Dataset) -> None:
    region = replace(corpus.by_id["4.wav"], start_s=2.0, end_s=3.5, group="song")
    for seed in range(20):
        (piece,) = excerpts.excerpts(replace(corpus, clips=(region,)), 1.0, seed).clips
        assert piece.start_s is not None
        assert piece.end_s is not None
        assert (piece.start_s >= 2.0, piece.end_s <= 3.5, piece.group) == (True, True, "song")


def test_pieces_keep_targets_groups_and_parts(corpus: Dataset) -> None:
    ids = [clip.id for clip in corpus.clips]
    split = Split(tuple(ids[:3]), (ids[3],), (ids[4],))
    labelled = replace(
        corpus,
        clips=tuple(replace(clip, targets={"place": clip.id}, group=f"by {clip.id}") for clip in corpus.clips),
        splits={"own": (split,)},
    )
    found = excerpts.excerpts(labelled, 1.0)
    assert [clip.targets["place"] for clip in found.clips] == ids
    assert [clip.group for clip in found.clips] == [f"by {one}" for one in ids]
    (fold,) = found.splits["own"]
    assert [one.partition("#")[0] for one in (*fold.train, *fold.valid, *fold.test)] == ids
    assert conformance.broken_by_dataset(found) == ()
    assert found.version != labelled.version


@pytest.mark.parametrize("seconds", [0.0, -1.0])
def test_a_piece_of_no_length_is_refused(corpus: Dataset, seconds: float) -> None:
    with pytest.raises(DataError, match=r"Expected excerpts of more than 0 s, got"):
        excerpts.excerpts(corpus, seconds)


def test_nothing_is_written_into_the_corpus(corpus: Dataset) -> None:
    before = sorted(corpus.root.rglob("*"))
    excerpts.excerpts(corpus, 1.0)
    assert sorted(corpus.root.rglob("*")) == before
