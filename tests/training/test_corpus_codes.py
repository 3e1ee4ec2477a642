"""Codes of a corpus: what is heard from the cache is what is heard from audio; codes of anything else are refused."""

import pickle
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from earmark.errors import DataError, UserError
from earmark.representations.encodecmae import inputs, targets
from earmark.representations.encodecmae.front import Front, load
from earmark.representations.encodecmae.inputs import EncodecFrames, Mel256
from earmark.representations.encodecmae.targets import Coded
from earmark.training import coded, coding, corpus, segments
from earmark.training.coded import CodedSegments, Codes
from earmark.training.corpus import Corpus
from tests.training.made_codes import RATE, files, noisy_corpus, small_front

TINY = "random:encodec-tiny"


def codec_front(n_streams: int = 3) -> Front:
    codec = inputs.load_codec(TINY)
    heard = EncodecFrames(codec)
    return Front(heard, targets.of_codec(codec, heard, n_streams))


def mel_front() -> Front:
    heard = Mel256()
    return Front(heard, targets.of_inputs(heard))


def audio(made: Corpus, start: int, n_samples: int) -> Tensor:
    return torch.from_numpy(corpus.read_samples(made, start, n_samples))[None]


def halved(front: Front, heard: Tensor) -> Coded:
    """What a front makes of audio, as it is stored."""
    found = front(heard)
    return Coded(found.frames[0].half(), found.codes[0].short())


def read(made: CodedSegments, index: int, epoch: int = 0) -> Coded:
    return made.at(epoch, index)


@pytest.fixture
def noisy(tmp_path: Path) -> Corpus:
    return noisy_corpus(tmp_path / "corpus")


def test_a_track_that_is_coded_whole_has_the_frames_and_codes_of_all_of_it(noisy: Corpus, tmp_path: Path) -> None:
    front = small_front()
    made = coding.code(noisy, front, tmp_path / "codes")

    assert [track.n_frames for track in made.tracks] == [45, 65, 102, 0, 150]
    for track, source in zip(made.tracks, noisy.tracks, strict=True):
        if track.n_frames:
            found = halved(front, audio(noisy, source.start, source.n_samples))
            assert np.array_equal(made.frames[track.start : track.end], found.frames)
            assert np.array_equal(made.codes[track.start : track.end].T, found.codes)


@pytest.mark.parametrize("n_samples", [3200, 6400])
def test_a_segment_of_whole_tracks_is_what_a_sampler_hears_but_for_its_edges(
    noisy: Corpus, tmp_path: Path, n_samples: int
) -> None:
    """Frames whose windows lie within the segment: those of the audio from the nearest hop before its start."""
    front = small_front()
    sampler = segments.random(noisy, n_samples / RATE, n=40, seed=4)
    made = coded.segments(sampler, coding.code(noisy, front, tmp_path / "codes"))
    for index in range(40):
        start = sampler.start(2, index)
        track = next(one for one in noisy.tracks if one.start <= start < one.end)
        hop = track.start + (start - track.start) // 320 * 320
        alone = halved(front, audio(noisy, hop, n_samples))
        found = read(made, index, epoch=2)

        assert found.frames.shape == alone.frames.shape == (n_samples // 320, 128)
        assert torch.equal(found.codes[:, 2:-2], alone.codes[:, 2:-2])
        assert torch.allclose(found.frames[2:-2].float(), alone.frames[2:-2].float(), atol=2e-3)


def test_segments_that_were_coded_alone_are_what_training_hears_without_a_cache(noisy: Corpus, tmp_path: Path) -> None:
    front, sampler = small_front(), segments.grid(noisy, 0.4, 0.4)
    made = coded.segments(sampler, coding.code(noisy, front, tmp_path / "codes", alone_s=0.4))

    assert len(made) == len(sampler) == 2 + 3 + 5 + 7
    for index in range(len(made)):
        alone = halved(front, torch.from_numpy(sampler.at(0, index))[None])
        for ours, theirs in zip(read(made, index), alone, strict=True):
            assert torch.equal(ours, theirs)


@pytest.mark.parametrize("alone_s", [None, 0.5])
def test_codes_of_a_codec_are_those_of_its_own_pass(alone_s: float | None, tmp_path: Path) -> None:
    noisy, front = noisy_corpus(tmp_path / "corpus", 24000), codec_front()
    made = coding.code(noisy, front, tmp_path / "codes", alone_s=alone_s)
    track = noisy.tracks[2]
    n_samples = track.n_samples if alone_s is None else 12000
    found = halved(front, audio(noisy, track.start, n_samples))
    n_frames = found.codes.shape[1]
    start = made.by_id[track.id].start

    assert (made.dim, made.n_streams, made.n_codes, made.hop_samples) == (16, 3, 1024, 320)
    assert np.array_equal(made.codes[start : start + n_frames].T, found.codes)
    assert made.by_id[track.id].n_frames == (n_frames if alone_s is None else 4 * n_frames)


def test_what_comes_before_a_crop_changes_the_codecs_codes(tmp_path: Path) -> None:
    """Why there are two ways: its LSTM remembers all that it heard, its convolutions mirror what they do not know."""
    noisy, front = noisy_corpus(tmp_path / "corpus", 24000), codec_front()
    sampler = segments.grid(noisy, 0.4, 0.4)
    whole, alone = (
        coded.segments(sampler, coding.code(noisy, front, tmp_path / str(alone_s), alone_s=alone_s))
        for alone_s in (None, 0.4)
    )
    first = [index for index in range(len(sampler)) if sampler.start(0, index) in {t.start for t in noisy.tracks}]
    rest = [index for index in range(len(sampler)) if index not in first]

    assert all(torch.equal(read(whole, index).codes, read(alone, index).codes) for index in first)
    assert all(not torch.equal(read(whole, index).codes[:, :2], read(alone, index).codes[:, :2]) for index in rest)


def test_segments_that_were_coded_alone_are_not_heard_anywhere_else(noisy: Corpus, tmp_path: Path) -> None:
    made = coding.code(noisy, small_front(), tmp_path / "codes", alone_s=0.4)
    for sampler in (
        segments.random(noisy, 0.4),
        segments.grid(noisy, 0.4, 0.2),
        segments.grid(noisy, 0.8, 0.4),
        segments.grid(noisy, 0.8, 0.8, crop_s=0.4),
    ):
        with pytest.raises(UserError, match=r"Write segments: \{kind: grid, segment_s: 0.4, hop_s: 0.4\}"):
            coded.segments(sampler, made)


def test_a_place_drawn_anywhere_may_be_snapped_to_the_piece_it_lies_in(noisy: Corpus, tmp_path: Path) -> None:
    """What a validation set, drawn at random, hears of pieces that were coded one by one: always a whole one."""
    made = coding.code(noisy, small_front(), tmp_path / "codes", alone_s=0.4)
    sampler, grid = segments.random(noisy, 0.4, n=60, seed=1), coded.segments(segments.grid(noisy, 0.4, 0.4), made)
    found = coded.segments(sampler, made, snapped=True)
    pieces = {grid.first(0, index): index for index in range(len(grid))}
    heard = [pieces[found.first(0, index)] for index in range(60)]

    assert len(set(heard)) > len(grid) / 2
    for index in range(60):
        start = grid.sampler.start(0, heard[index])
        assert start <= sampler.start(0, index) < start + 6400
    with pytest.raises(UserError, match="Write segments"):
        coded.segments(segments.random(noisy, 0.8), made, snapped=True)


def test_a_part_of_a_corpus_is_heard_from_the_codes_of_all_of_it(noisy: Corpus, tmp_path: Path) -> None:
    made = coding.code(noisy, small_front(), tmp_path / "codes")
    all_ = coded.segments(segments.grid(noisy, 0.4, 0.4), made)
    part = replace(noisy, tracks=noisy.tracks[2:3], key="another")
    found = coded.segments(segments.grid(part, 0.4, 0.4), made)

    assert [found.first(0, index) for index in range(5)] == [all_.first(0, index) for index in range(5, 10)]


def test_tracks_that_were_not_coded_are_an_error(noisy: Corpus, tmp_path: Path) -> None:
    made = coding.code(noisy, small_front(), tmp_path / "codes")
    changed = replace(noisy, tracks=(replace(noisy.tracks[0], crc32=99), *noisy.tracks[1:]))
    with pytest.raises(UserError, match=r"holds no codes of '0\.wav'\. Make them: earmark corpus codes"):
        coded.segments(segments.grid(changed, 0.4, 0.4), made)


def test_another_process_reads_the_same(noisy: Corpus, tmp_path: Path) -> None:
    made = coded.segments(segments.grid(noisy, 0.4, 0.4), coding.code(noisy, small_front(), tmp_path / "codes"))
    made.at(0, 0)
    sent = pickle.dumps(made)
    again = pickle.loads(sent)

    assert len(sent) < 5000, "no frame travels"
    assert all(torch.equal(*both) for both in zip(made.at(0, 3), again.at(0, 3), strict=True))
    assert made.segment_s == 0.4


def test_codes_that_are_there_are_opened_and_not_made_again(
    noisy: Corpus, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = coding.code(noisy, small_front(), tmp_path / "codes")
    before = files(tmp_path / "codes")
    monkeypatch.setattr(coding.How, "code", None)
    again = coding.code(noisy, small_front(), tmp_path / "codes")

    assert again == made
    assert files(tmp_path / "codes") == before


def test_the_front_that_made_them_lies_beside_them(noisy: Corpus, tmp_path: Path) -> None:
    made = coding.code(noisy, small_front(), tmp_path / "codes")
    heard = audio(noisy, 0, 16000)
    for ours, theirs in zip(load(made.front)(heard), small_front()(heard), strict=True):
        assert torch.equal(ours, theirs)


def test_codes_of_another_corpus_are_refused(noisy: Corpus, tmp_path: Path) -> None:
    coding.code(noisy, small_front(), tmp_path / "codes")
    other = noisy_corpus(tmp_path / "other", name="other")
    with pytest.raises(DataError, match=r"holds codes of another corpus .* than '.*other' .* Make them of this one"):
        coded.open(tmp_path / "codes", other)
    with pytest.raises(DataError, match=r"by other inputs, targets or pieces\. Name another folder, or begin anew"):
        coding.code(other, small_front(), tmp_path / "codes")


def test_codes_made_otherwise_are_refused_and_replaced_when_asked(noisy: Corpus, tmp_path: Path) -> None:
    first = coding.code(noisy, small_front(), tmp_path / "codes")
    for front, alone_s in ((small_front(n_codes=5), None), (small_front(), 0.5)):
        with pytest.raises(DataError, match="begin anew with --overwrite"):
            coding.code(noisy, front, tmp_path / "codes", alone_s=alone_s)
    second = coding.code(noisy, small_front(n_codes=5), tmp_path / "codes", overwrite=True)

    assert (first.n_codes, second.n_codes) == (6, 5)
    assert int(second.codes.max()) < 5


@pytest.mark.parametrize(("front", "rate"), [(small_front, 24000), (codec_front, 16000), (mel_front, 16000)])
def test_a_corpus_of_another_rate_is_refused(front, rate: int, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]  # of several kinds
    wanted = 40000 - rate
    with pytest.raises(UserError, match=f"a corpus at {wanted} Hz .*, got {rate} Hz .* --rate {wanted}"):
        coding.code(noisy_corpus(tmp_path / "corpus", rate), front(), tmp_path / "codes")


def test_what_cannot_hear_whole_tracks_must_be_told_how_long_a_piece_is(tmp_path: Path) -> None:
    noisy, codec = noisy_corpus(tmp_path / "corpus", 24000), inputs.load_codec(TINY)
    front = Front(heard := Mel256(), targets.of_codec(codec, heard, 2))
    with pytest.raises(UserError, match="Write --alone 4"):
        coding.code(noisy, front, tmp_path / "codes")
    assert coding.code(noisy, front, tmp_path / "codes", alone_s=3.0).n_frames == 225


def test_tracks_that_are_all_too_short_are_an_error(noisy: Corpus, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"No track of .* is long enough to be coded"):
        coding.code(noisy, small_front(), tmp_path / "codes", alone_s=5.0)


def test_frames_that_float16_cannot_hold_are_an_error(noisy: Corpus, tmp_path: Path) -> None:
    front = small_front()
    front.inputs.get_buffer("spread").fill_(1e-6)
    with pytest.raises(UserError, match=r"finite frames of '0\.wav' that float16 can hold"):
        coding.code(noisy, front, tmp_path / "codes")


def made_codes(noisy: Corpus, tmp_path: Path) -> Codes:
    return coding.code(noisy, small_front(), tmp_path / "codes")


@pytest.mark.parametrize("name", ["frames.f16", "codes.i16", "tracks.jsonl"])
def test_damaged_codes_are_refused(name: str, noisy: Corpus, tmp_path: Path) -> None:
    file = made_codes(noisy, tmp_path).folder / name
    file.write_bytes(file.read_bytes()[:-300])
    with pytest.raises(DataError, match="are damaged: expected 362 frames"):
        coded.open(file.parent, noisy)


def test_heads_that_cannot_be_read_are_refused(noisy: Corpus, tmp_path: Path) -> None:
    head = made_codes(noisy, tmp_path).folder / "codes.json"
    head.write_text("{")
    with pytest.raises(DataError, match="is damaged"):
        coded.open(head.parent, noisy)
    head.write_text('{"scheme": 7}')
    with pytest.raises(DataError, match="of scheme 7, expected 1"):
        coded.open(head.parent, noisy)
    head.unlink()
    with pytest.raises(DataError, match="are not finished"):
        coded.open(head.parent, noisy)
    with pytest.raises(DataError, match=r"Expected codes in .*, found none\. Make them"):
        coded.open(tmp_path, noisy)


def test_a_folder_that_holds_something_else_is_left_alone(noisy: Corpus, tmp_path: Path) -> None:
    (tmp_path / "codes").mkdir()
    (tmp_path / "codes" / "thesis.doc").write_text("years of work")
    with pytest.raises(DataError, match=r"or a cache of codes, got .*, which holds 'thesis"):
        coding.code(noisy, small_front(), tmp_path / "codes", overwrite=True)
