"""A corpus of excerpts has one piece of each clip, and the same one however and whenever it is built."""

from pathlib import Path

import numpy as np
import pytest
import soundfile
from typer.testing import CliRunner

from earmark import audio, cli
from earmark.errors import DataError
from earmark.nouns import Failure
from earmark.training import _journal
from earmark.training import corpus as corpora
from earmark.training._hearing import Heard
from earmark.training.corpus import Corpus
from tests.training.made_corpora import RATE, files, noise

SECONDS = 0.2


@pytest.fixture(autouse=True)
def _home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EARMARK_HOME", str(tmp_path / "home"))


@pytest.fixture
def sounds(tmp_path: Path) -> Path:
    """Five files of a second and more at the corpus' rate, and one of a tenth."""
    (tmp_path / "sounds").mkdir()
    for number, seconds in enumerate((1.0, 1.5, 2.0, 2.5, 3.0, 0.1)):
        samples = noise(str(number), round(seconds * RATE))
        soundfile.write(tmp_path / "sounds" / f"{number}.wav", samples, RATE, subtype="PCM_16")
    return tmp_path / "sounds"


def excerpts_of(sounds: Path, out: Path, jobs: int = 1) -> Corpus:
    return corpora.build([sounds], out, RATE, jobs, excerpt_s=SECONDS)


def test_a_track_is_the_piece_that_its_id_names(sounds: Path, tmp_path: Path) -> None:
    built = excerpts_of(sounds, tmp_path / "out")
    assert [track.id.partition("#")[0] for track in built.tracks] == [f"{number}.wav" for number in range(6)]
    assert [track.n_samples for track in built.tracks] == [1600] * 5 + [800]
    for track in built.tracks[:5]:
        name, _, region = track.id.partition("#")
        start_s, end_s = map(float, region.split("-"))
        expected = audio.read(sounds / name, RATE, start_s, end_s).samples
        np.testing.assert_array_equal(corpora.read_samples(built, track.start, track.n_samples), expected)
    assert built.tracks[5].id == "5.wav"
    assert built.notes == (
        "folder:sounds: one excerpt of 0.2 s of each clip, drawn with seed 0",
        "folder:sounds: shorter than 0.2 s, and whole: 1 of 6 clips",
    )


def test_pieces_do_not_depend_on_the_other_clips_the_jobs_or_the_day(sounds: Path, tmp_path: Path) -> None:
    built = excerpts_of(sounds, tmp_path / "out")
    excerpts_of(sounds, tmp_path / "again", jobs=3)
    assert files(tmp_path / "out") == files(tmp_path / "again")
    (sounds / "1.wav").unlink()
    fewer = excerpts_of(sounds, tmp_path / "fewer")
    assert [track.id for track in fewer.tracks] == [one.id for one in built.tracks if not one.id.startswith("1.wav")]


def test_a_build_that_was_interrupted_goes_on_to_the_same_bytes(
    sounds: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    excerpts_of(sounds, tmp_path / "whole")
    add = _journal.Journal.add

    def interrupted(self: _journal.Journal, one: Heard | Failure) -> None:
        if self.n_done == 3:
            raise KeyboardInterrupt
        add(self, one)
        self.flush()

    monkeypatch.setattr(_journal.Journal, "add", interrupted)
    with pytest.raises(KeyboardInterrupt):
        excerpts_of(sounds, tmp_path / "out")
    monkeypatch.setattr(_journal.Journal, "add", add)
    assert not (tmp_path / "out" / "corpus.json").exists()
    assert (tmp_path / "out" / "samples.i16").stat().st_size == 3 * 1600 * 2
    with pytest.raises(DataError, match="holds an unfinished corpus of other audio or excerpts"):
        corpora.build([sounds], tmp_path / "out", RATE)
    excerpts_of(sounds, tmp_path / "out")
    assert files(tmp_path / "out") == files(tmp_path / "whole")


def test_excerpts_and_whole_tracks_are_different_corpora(sounds: Path, tmp_path: Path) -> None:
    built = excerpts_of(sounds, tmp_path / "out")
    assert excerpts_of(sounds, tmp_path / "out") == built
    for seconds in (None, 0.3):
        with pytest.raises(DataError, match="holds a corpus of other audio or excerpts"):
            corpora.build([sounds], tmp_path / "out", RATE, excerpt_s=seconds)


def test_the_command_makes_excerpts_and_says_so(sounds: Path, tmp_path: Path) -> None:
    command = ["corpus", "build", str(sounds), "-o", str(tmp_path / "out"), "--rate", str(RATE)]
    done = CliRunner().invoke(cli.app, [*command, "--excerpt-s", "0.2", "--jobs", "1"])
    assert done.exit_code == 0, done.output
    assert "one excerpt of 0.2 s of each clip, drawn with seed 0" in " ".join(done.output.split())
    assert corpora.open(tmp_path / "out").tracks[0].n_samples == 1600
    refused = CliRunner().invoke(cli.app, [*command, "--excerpt-s", "-1"])
    assert str(refused.exception) == "Expected excerpts of more than 0 s, got -1 s."
