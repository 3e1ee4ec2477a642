"""What a corpus cannot be made of, or not where it is wanted: each is said, and nothing half-written counts."""

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import soundfile

from earmark.errors import DataError, UserError
from earmark.training import corpus as corpora
from tests.training.made_corpora import RATE, audio_folder, files, noise


@pytest.fixture
def sounds(tmp_path: Path) -> Path:
    return audio_folder(tmp_path / "sounds")


def test_what_cannot_be_a_track_is_named_with_its_reason(sounds: Path, tmp_path: Path) -> None:
    soundfile.write(sounds / "silent.wav", np.full(4000, 1e-5, np.float32), RATE, subtype="FLOAT")
    soundfile.write(sounds / "nan.wav", np.full(4000, np.nan, np.float32), RATE, subtype="FLOAT")
    soundfile.write(sounds / "two.wav", np.array([0.1, 0.2]), RATE)
    (sounds / "unreadable.wav").write_text("no audio")
    (sounds / "empty.wav").write_bytes(b"")
    built = corpora.build([sounds], tmp_path / "out", RATE, jobs=2)
    reasons = {failure.clip: failure.reason for failure in built.failures}
    assert list(reasons) == ["empty.wav", "nan.wav", "silent.wav", "two.wav", "unreadable.wav"]
    assert "empty file" in reasons["empty.wav"]
    assert "got NaN or infinity" in reasons["nan.wav"]
    assert "silent: its peak is below −80 dB" in reasons["silent.wav"]
    assert "too short to learn from: 2 samples" in reasons["two.wav"]
    assert "libsndfile cannot read" in reasons["unreadable.wav"]
    lines = (tmp_path / "out" / "failures.jsonl").read_text(encoding="utf-8").splitlines()
    assert [json.loads(line)["clip"] for line in lines] == list(reasons)
    assert len(built.tracks) == 6
    assert any("skipped, not audio by their names: 1 (1 .txt)" in note for note in built.notes)


def test_no_track_at_all_is_an_error_that_names_what_was_wrong(tmp_path: Path) -> None:
    (tmp_path / "only").mkdir()
    (tmp_path / "only" / "bad.wav").write_text("no audio")
    for _ in range(2):
        with pytest.raises(DataError, match=r"No track is left .* none of 1 can be used, such as bad\.wav"):
            corpora.build([tmp_path / "only"], tmp_path / "out", RATE)
    assert "bad.wav" in (tmp_path / "out" / "failures.jsonl").read_text(encoding="utf-8")
    with pytest.raises(DataError, match="not finished"):
        corpora.open(tmp_path / "out")
    soundfile.write(tmp_path / "only" / "bad.wav", noise("good", 2000), RATE, subtype="PCM_16")
    assert len(corpora.build([tmp_path / "only"], tmp_path / "out", RATE).tracks) == 1


@pytest.mark.parametrize(
    ("sources", "reason"),
    [
        ([], "Expected folders of audio, or dataset:NAME, got none"),
        (["nowhere"], "there is no such folder"),
        (["sounds/notes.txt"], "a file is there"),
        (["empty"], "holds no audio"),
        (["sounds", "other/sounds"], "'sounds' twice"),
        (["dataset:musicnett"], "Did you mean 'musicnet'"),
    ],
)
def test_sources_that_cannot_be_used_are_refused(
    sources: list[str], reason: str, sounds: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(sounds.parent)
    Path("empty").mkdir()
    audio_folder(Path("other/sounds"))
    with pytest.raises(UserError, match=reason):
        corpora.build(sources, "out", RATE)
    assert not Path("out").exists()


def test_a_corpus_of_something_else_is_not_overwritten_unless_asked(sounds: Path, tmp_path: Path) -> None:
    built = corpora.build([sounds], tmp_path / "out", RATE)
    with pytest.raises(DataError, match="of another rate"):
        corpora.build([sounds], tmp_path / "out", RATE * 2)
    soundfile.write(sounds / "new.wav", noise("new", 2000), RATE, subtype="PCM_16")
    with pytest.raises(DataError, match="of other audio"):
        corpora.build([sounds], tmp_path / "out", RATE)
    first = built.samples[:10].copy()
    anew = corpora.build([sounds], tmp_path / "out", RATE, overwrite=True)
    assert (len(anew.tracks), anew.key == built.key) == (7, False)
    np.testing.assert_array_equal(built.samples[:10], first)  # whoever reads the old one still can


def test_a_folder_with_something_else_in_it_is_refused(sounds: Path) -> None:
    before = sorted(sounds.rglob("*"))
    with pytest.raises(DataError, match="Expected a new or empty folder, or a corpus"):
        corpora.build([sounds], sounds, RATE)
    assert sorted(sounds.rglob("*")) == before


def test_a_corpus_that_is_damaged_or_none_is_refused(sounds: Path, tmp_path: Path) -> None:
    with pytest.raises(DataError, match="Make one: earmark corpus build"):
        corpora.open(sounds)
    out = tmp_path / "out"
    corpora.build([sounds], out, RATE)
    os.truncate(out / "samples.i16", 100)
    with pytest.raises(DataError, match="damaged: expected 19,215 samples, found 50"):
        corpora.open(out)
    head = json.loads((out / "corpus.json").read_text(encoding="utf-8"))
    (out / "corpus.json").write_text(json.dumps(head | {"scheme": 2}))
    with pytest.raises(DataError, match="is of scheme 2, expected 1"):
        corpora.open(out)
    (out / "corpus.json").write_text("{")
    with pytest.raises(DataError, match="is damaged"):
        corpora.open(out)


LIMITED = """
import resource, sys
from earmark.errors import UserError
from earmark.training import _journal, corpus
_journal.FLUSH_ITEMS = 2
resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv[3]), resource.RLIM_INFINITY))
try:
    corpus.build([sys.argv[1]], sys.argv[2], 8000)
except UserError as error:
    print(error)
"""


def test_a_disk_that_takes_no_more_is_said_and_nothing_half_written_counts(sounds: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    for n_bytes in (7_000, 20_000, 30_000):
        command = [sys.executable, "-c", LIMITED, str(sounds), str(out), str(n_bytes)]
        done = subprocess.run(command, capture_output=True, text=True, check=True)
        assert "cannot be written: File too large. Make room" in done.stdout
        with pytest.raises(DataError, match="not finished"):
            corpora.open(out)
    corpora.build([sounds], out, RATE)
    corpora.build([sounds], tmp_path / "whole", RATE)
    assert files(out) == files(tmp_path / "whole")
