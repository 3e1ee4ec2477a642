"""The task of telling tracks apart: where its pieces lie, which tracks are left out, and what is heard in them."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from earmark import audio
from earmark.conformance import broken_by_dataset
from earmark.datasets import _corpora, names, recording
from earmark.datasets.base import Dataset
from earmark.errors import AudioError, DataError
from earmark.training import corpus
from tests.training.made_corpora import RATE, audio_folder

PART_OF = {"train": (0.0, 0.5), "valid": (0.5, 0.6), "test": (0.6, 1.0)}


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Six files of twelve seconds, and a home."""
    monkeypatch.setenv("EARMARK_HOME", str(tmp_path / "home"))
    return audio_folder(tmp_path / "audio", seconds=12.0)


def built(folder: Path, name: str = "corpus") -> Path:
    corpus.build([folder], folder.parent / name, RATE)
    return folder.parent / name


def part_of(dataset: Dataset, name: str) -> str:
    (split,) = dataset.splits["time"]
    return next(part for part in PART_OF if name in getattr(split, part))


def test_every_piece_is_a_second_within_its_share_of_the_track_and_none_overlap(folder: Path) -> None:
    found = names.load("recording", folder)
    assert not broken_by_dataset(found)
    seconds = {clip.path: audio.info(clip.path).duration_s for clip in found.clips}
    assert len(seconds) == 6
    for path, length_s in seconds.items():
        pieces = sorted((clip.start_s or 0.0, clip) for clip in found.clips if clip.path == path)
        assert len({clip.targets["track"] for _, clip in pieces}) == 1
        assert {clip.group for _, clip in pieces} == {pieces[0][1].targets["track"]}
        for start_s, clip in pieces:
            assert clip.end_s == pytest.approx(start_s + 1)
            first, last = (share * length_s for share in PART_OF[part_of(found, clip.id)])
            assert first - 1e-6 <= start_s
            assert start_s + 1 <= last + 1e-6
        assert (np.diff([start_s for start_s, _ in pieces]) >= 1 - 1e-6).all()


def test_long_tracks_have_no_more_pieces_than_are_said_and_spread_over_their_part(tmp_path: Path) -> None:
    starts = {part: np.array(recording._starts(1000.0, part)) / 25 for part in PART_OF}
    assert {part: len(found) for part, found in starts.items()} == {"train": 20, "valid": 5, "test": 15}
    for part, (first, last) in PART_OF.items():
        ends = [1000 * first, *starts[part], 1000 * last]
        widest = 1000 * (last - first) / len(starts[part])
        assert np.diff(ends).max() <= widest + 1


def test_pieces_of_a_corpus_are_the_samples_that_the_corpus_has_there(folder: Path) -> None:
    root = built(folder)
    opened, found = corpus.open(root), names.load("recording", root)
    by_id = {track.id: track for track in opened.tracks}
    for clip in found.clips[::7]:
        heard = audio.read(clip.path, None, clip.start_s, clip.end_s)
        track = by_id[str(clip.targets["track"])]
        start = round((clip.start_s or 0.0) * RATE)
        assert heard.sample_rate == RATE
        assert track.start <= start
        assert start + RATE <= track.end
        np.testing.assert_array_equal(heard.samples, corpus.read_samples(opened, start, RATE))


def test_a_corpus_and_the_folder_it_was_built_from_have_the_same_pieces(folder: Path) -> None:
    of_corpus, of_folder = names.load("recording", built(folder)), names.load("recording", folder)
    assert [clip.id for clip in of_corpus.clips] == [clip.id for clip in of_folder.clips]
    assert of_corpus.splits == of_folder.splits
    one, other = of_corpus.clips[3], of_folder.clips[3]
    np.testing.assert_array_equal(
        audio.read(one.path, None, one.start_s, one.end_s).samples,
        audio.read(other.path, None, other.start_s, other.end_s).samples,
    )


@pytest.mark.parametrize("is_corpus", [True, False])
def test_tracks_of_a_training_corpus_are_left_out_by_the_hash_of_their_files(folder: Path, is_corpus: bool) -> None:
    trained = built(folder / "a", "trained")
    root = built(folder) if is_corpus else folder
    found = names.load(f"recording:{trained}", root)
    assert {str(clip.targets["track"]).split("/")[0] for clip in found.clips} == {"b"}
    assert "left out, as 'trained' was trained on them: 3 tracks" in found.notes


def test_tracks_that_a_checkpoint_says_it_heard_are_left_out(folder: Path, tmp_path: Path) -> None:
    root = built(folder)
    tracks = corpus.open(root).tracks
    (tmp_path / "net").mkdir()
    (tmp_path / "net" / "card.json").write_text(json.dumps({"heard": _corpora.marks(tracks[:2])}))
    found = names.load(f"recording:{tmp_path / 'net'}", root)
    assert {clip.targets["track"] for clip in found.clips} == {track.id for track in tracks[2:]}


@pytest.mark.parametrize(
    ("card", "said"),
    [
        (None, "it holds neither card.json nor corpus.json"),
        ('{"trained_on": "music"}', "does not say which tracks were heard"),
        ("[]", "does not say which tracks were heard"),
    ],
)
def test_a_folder_that_does_not_say_what_was_heard_is_refused(
    folder: Path, tmp_path: Path, card: str | None, said: str
) -> None:
    (tmp_path / "net").mkdir()
    if card is not None:
        (tmp_path / "net" / "card.json").write_text(card)
    with pytest.raises(DataError, match=said):
        names.load(f"recording:{tmp_path / 'net'}", folder)


def test_copies_and_short_tracks_are_left_out_and_counted(folder: Path) -> None:
    (folder / "b" / "copy.wav").write_bytes((folder / "a" / "0.wav").read_bytes())
    audio_folder(folder / "short", n_files=2, seconds=3.0)
    found = names.load("recording", built(folder))
    assert len({clip.group for clip in found.clips}) == 6
    assert "copies of another track, and left out: 1 tracks" in found.notes
    assert "too short for a piece in each part, and left out: 2 tracks" in found.notes


def test_what_cannot_be_opened_is_named_and_one_track_is_too_few(folder: Path) -> None:
    (folder / "a" / "broken.wav").write_bytes(b"no audio")
    found = names.load("recording", folder)
    assert any(note.startswith("cannot be opened, and left out: 1, such as a/broken.wav") for note in found.notes)
    with pytest.raises(DataError, match=r"at least 2 tracks of 10 s or more in .* found 0 of 2"):
        names.load("recording", audio_folder(folder.parent / "few", n_files=2, seconds=2.0))


def test_of_many_tracks_the_same_are_taken_whatever_else_is_there(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(recording, "MOST_TRACKS", 3)
    few = {clip.group for clip in names.load("recording", folder).clips}
    assert len(few) == 3
    gone = next(path for path in sorted(folder.rglob("*.wav")) if path.relative_to(folder).as_posix() not in few)
    gone.unlink()
    found = names.load("recording", folder)
    assert {clip.group for clip in found.clips} == few
    assert "3 tracks, drawn from 5 by their names" in found.notes


def test_samples_without_a_corpus_beside_them_are_no_audio(tmp_path: Path) -> None:
    (tmp_path / "samples.i16").write_bytes(bytes(64))
    with pytest.raises(AudioError, match="expected audio"):
        audio.info(tmp_path / "samples.i16")


def test_marks_name_files_and_not_tracks(folder: Path) -> None:
    tracks = corpus.open(built(folder)).tracks
    renamed = [replace(track, id=f"other {track.id}", start=0) for track in tracks]
    assert _corpora.marks(renamed) == _corpora.marks(tracks)
    assert len(_corpora.marks(tracks).split()) == 6


def test_of_copies_in_a_folder_the_first_is_kept_and_the_others_are_counted(folder: Path) -> None:
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    (folder / "zz_copy").mkdir()
    (folder / "zz_copy" / files[0].name).write_bytes(files[0].read_bytes())
    found = names.load("recording", folder)
    assert not [clip for clip in found.clips if "zz_copy" in clip.id]
    assert "copies of another track, and left out: 1 tracks" in found.notes
