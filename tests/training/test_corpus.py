"""A corpus holds every track as it was heard, says what it does not hold, and does not depend on how it was built."""

import json
import pickle
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import soundfile
from typer.testing import CliRunner

from earmark import audio, cli
from earmark.errors import UserError
from earmark.training import corpus as corpora
from earmark.training.corpus import Corpus, Track
from tests.miniatures import librilight
from tests.training.made_corpora import RATE, audio_folder, corpus_of, files, noise


def samples_of(corpus: Corpus, track: Track) -> np.ndarray:
    return corpora.read_samples(corpus, track.start, track.n_samples)


@pytest.fixture
def sounds(tmp_path: Path) -> Path:
    return audio_folder(tmp_path / "sounds")


def test_sixteen_bits_at_the_rate_of_the_corpus_come_out_bit_for_bit(sounds: Path, tmp_path: Path) -> None:
    built = corpora.build([sounds], tmp_path / "out", RATE)
    assert [track.id for track in built.tracks] == ["a/0.wav", "a/2.wav", "a/4.wav", "b/1.wav", "b/3.wav", "b/5.wav"]
    for track in built.tracks:
        stem = Path(track.id).stem
        np.testing.assert_array_equal(samples_of(built, track), noise(stem, track.n_samples))
        assert track.n_samples == 3200 + int(stem)
    assert built.samples.dtype == np.int16
    assert built.duration_s == sum(track.n_samples for track in built.tracks) / RATE


def test_full_scale_of_sixteen_bits_is_not_clipping(tmp_path: Path) -> None:
    extremes = np.tile(np.array([-32768, 32767], np.int16), 1000)
    soundfile.write(tmp_path / "full.wav", extremes, RATE, subtype="PCM_16")
    built = corpora.build([tmp_path], tmp_path / "out", RATE)
    np.testing.assert_array_equal(built.samples, extremes)
    assert built.tracks[0].n_clipped == 0


def test_another_rate_and_two_channels_are_what_the_audio_room_makes_of_them(tmp_path: Path) -> None:
    stereo = np.stack([noise("left", 20_000), noise("right", 20_000)], axis=1)
    soundfile.write(tmp_path / "one.flac", stereo, 22050)
    built = corpora.build([tmp_path], tmp_path / "out", 16000)
    expected = audio.read(tmp_path / "one.flac", 16000).samples
    found = samples_of(built, built.tracks[0])
    assert found.shape == expected.shape
    np.testing.assert_allclose(found, expected, atol=0.5 / 32768)


def test_samples_beyond_one_are_clipped_and_counted(tmp_path: Path) -> None:
    loud = np.full(2000, 0.5, np.float32)
    loud[:3] = 1.5, -1.5, 1.0
    soundfile.write(tmp_path / "loud.wav", loud, RATE, subtype="FLOAT")
    built = corpora.build([tmp_path], tmp_path / "out", RATE)
    assert built.tracks[0].n_clipped == 2
    assert built.samples[:4].tolist() == [32767, -32768, 32767, 16384]


def test_bytes_do_not_depend_on_the_number_of_jobs(sounds: Path, tmp_path: Path) -> None:
    (sounds / "a" / "broken.wav").write_text("no audio")
    for jobs in (1, 3, 20):
        corpora.build([sounds], tmp_path / str(jobs), RATE, jobs)
    assert files(tmp_path / "1") == files(tmp_path / "3") == files(tmp_path / "20")


def test_a_track_of_three_hours_is_whole(tmp_path: Path) -> None:
    long = noise("long", 3 * 3600 * 1000)
    soundfile.write(tmp_path / "long.wav", long, 1000, subtype="PCM_16")
    built = corpora.build([tmp_path], tmp_path / "out", 1000)
    assert built.duration_s == 3 * 3600
    np.testing.assert_array_equal(samples_of(built, built.tracks[0]), long)


def test_tracks_of_several_sources_bear_their_source_in_front(tmp_path: Path) -> None:
    audio_folder(tmp_path / "one", 1)
    audio_folder(tmp_path / "two", 1)
    built = corpora.build([tmp_path / "two", tmp_path / "one"], tmp_path / "out", RATE)
    assert [track.id for track in built.tracks] == ["one/a/0.wav", "two/a/0.wav"]
    again = corpora.build([tmp_path / "one", tmp_path / "two", tmp_path / "one"], tmp_path / "out", RATE)
    assert again.key == built.key


def test_one_source_may_stand_alone(sounds: Path, tmp_path: Path) -> None:
    built = corpora.build(str(sounds), tmp_path / "out", RATE)
    assert built.tracks == corpora.build([sounds], tmp_path / "again", RATE).tracks


def test_a_dataset_brings_its_licence_and_its_groups(sounds: Path, tmp_path: Path) -> None:
    librilight.make(tmp_path / "libri", "small")
    built = corpora.build(["dataset:librilight", sounds], tmp_path / "out", data_folder=tmp_path / "libri")
    of_libri = [track for track in built.tracks if track.id.startswith("librilight:small/")]
    assert {track.licence for track in of_libri} == {"public domain in the USA (LibriVox)"}
    assert {track.group for track in of_libri} == {"100", "1008", "3157"}
    assert {(track.licence, track.group) for track in built.tracks if track not in of_libri} == {(None, None)}
    with pytest.raises(UserError, match="got 0 datasets"):
        corpora.build([sounds], tmp_path / "out", data_folder=tmp_path / "libri")


def test_building_again_opens_what_is_there(sounds: Path, tmp_path: Path) -> None:
    built = corpora.build([sounds], tmp_path / "out", RATE)
    stamp = (tmp_path / "out" / "samples.i16").stat().st_mtime_ns
    assert corpora.build([sounds], tmp_path / "out", RATE) == built == corpora.open(tmp_path / "out")
    assert (tmp_path / "out" / "samples.i16").stat().st_mtime_ns == stamp


def test_two_processes_that_build_at_once_make_one_corpus(sounds: Path, tmp_path: Path) -> None:
    code = "import sys\nfrom earmark.training import corpus\nprint(corpus.build([sys.argv[1]], sys.argv[2], 8000).key)"
    command = [sys.executable, "-c", code, str(sounds), str(tmp_path / "out")]
    both = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(2)]
    keys = {process.communicate()[0].strip() for process in both}
    assert keys == {corpora.build([sounds], tmp_path / "alone", RATE).key}
    assert files(tmp_path / "out") == files(tmp_path / "alone")


def test_a_corpus_travels_without_its_samples(tmp_path: Path) -> None:
    corpus = corpus_of(tmp_path, 20_000)
    assert corpus.samples[7] == 7
    sent = pickle.dumps(corpus)
    assert len(sent) < 1000
    assert pickle.loads(sent).samples[7] == 7


def test_samples_cannot_be_written_to(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="read-only"):
        corpus_of(tmp_path, 10).samples[0] = 1


def test_what_is_held_out_are_whole_groups_of_about_the_share(tmp_path: Path) -> None:
    tracks = tuple(Track(f"{n}", 10 * n, 10, "", 0, group=f"{n // 3}") for n in range(60))
    corpus = Corpus(tmp_path, 10, tracks, "key")
    train, valid = corpora.held_out(corpus, 0.2, seed=1)
    assert {one.group for one in train.tracks}.isdisjoint(one.group for one in valid.tracks)
    assert sorted((*train.tracks, *valid.tracks), key=lambda one: one.start) == list(tracks)
    assert len(valid.tracks) == 12
    assert train.key != valid.key
    assert corpora.held_out(corpus, 0.2, seed=1)[1] == valid
    assert corpora.held_out(corpus, 0.2, seed=2)[1] != valid
    # A track that is added moves no other from one side to the other, but at the border.
    more = Corpus(tmp_path, 10, (*tracks, Track("new", 600, 10, "", 0, group="new")), "key")
    moved = {one.group for one in valid.tracks} ^ {one.group for one in corpora.held_out(more, 0.2, seed=1)[1].tracks}
    assert len(moved) <= 2


@pytest.mark.parametrize("share", [0.0, 1.0, -0.1, 0.9])
def test_a_share_that_leaves_one_side_empty_is_refused(share: float, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="Expected a share between 0 and 1 that leaves tracks on either side"):
        corpora.held_out(corpus_of(tmp_path, 10, 10), share)


def test_the_command_builds_says_what_is_left_out_and_ends_with_3(sounds: Path, tmp_path: Path) -> None:
    (sounds / "bad.wav").write_text("no audio")
    out = str(tmp_path / "out")
    done = CliRunner().invoke(cli.app, ["corpus", "build", str(sounds), "-o", out, "--rate", str(RATE), "--jobs", "2"])
    assert done.exit_code == 3
    assert "6 of 7 tracks" in done.stdout
    assert "bad.wav: expected audio" in done.stderr
    (sounds / "bad.wav").unlink()
    again = CliRunner().invoke(
        cli.app, ["corpus", "build", str(sounds), "-o", out, "--rate", str(RATE), "--overwrite", "-q"]
    )
    assert again.exit_code == 0
    assert "6 of 6 tracks" in again.stdout


def test_describe_tells_of_a_corpus_in_numbers(sounds: Path, tmp_path: Path) -> None:
    (sounds / "copy.wav").write_bytes((sounds / "a" / "0.wav").read_bytes())
    (sounds / "bad.wav").write_text("no audio")
    corpora.build([sounds], tmp_path / "out", RATE)
    done = CliRunner().invoke(cli.app, ["describe", "corpus", str(tmp_path / "out"), "--json"])
    found = json.loads(done.stdout)
    assert done.exit_code == 0
    assert (found["n_tracks"], found["n_twice"], found["n_clipped"], found["sample_rate"]) == (7, 1, 0, RATE)
    assert found["hours"] * 3600 * RATE == pytest.approx(7 * 3200 + 15)
    assert found["bytes"] == 2 * (7 * 3200 + 15)
    assert list(found["licences"]) == ["not known"]
    assert list(found["left_out"]) == ["bad.wav"]
    told = CliRunner().invoke(cli.app, ["describe", "corpus", str(tmp_path / "out")])
    assert "bad.wav: expected audio" in told.stdout
    assert found["key"] in told.stdout


def test_a_build_that_waits_says_so(sounds: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    code = (
        "import sys, time\nfrom pathlib import Path\nfrom earmark.training import _journal\n"
        "with _journal.held(Path(sys.argv[1])):\n    print('held', flush=True)\n    time.sleep(1)"
    )
    command = [sys.executable, "-c", code, str(tmp_path / "out")]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as other:
        assert other.stdout is not None
        assert other.stdout.readline() == "held\n"
        started = time.monotonic()
        corpora.build([sounds], tmp_path / "out", RATE)
    assert time.monotonic() - started > 0.5
    assert "waiting for it" in caplog.text
