"""Files that cannot be heard: each is listed with its kind and reason, and nothing else suffers."""

import json
import os
import signal
from pathlib import Path

import numpy as np
import pytest
import soundfile

from earmark import catalogue
from earmark.catalogue import working
from earmark.errors import AudioError
from tests.catalogue.sounding_files import NETWORK, RATE, held, sounding
from tests.serve import moody

KINDS = {
    "dangling.wav": "missing",
    "empty.wav": "empty",
    "folder.wav": "folder",
    "text.mp3": "not audio",
    "zeros.flac": "not audio",
    "cut_head.wav": "not audio",
    "cut.wav": "truncated",
    "cut.flac": "truncated",
    "huge.wav": "truncated",
    "nan.wav": "not finite",
    "nothing.wav": "no samples",
    "short.wav": "too short",
}


@pytest.fixture
def broken(tmp_path: Path) -> Path:
    """Two files that sound, one of them under a wrong name, among a broken one of each kind."""
    folder = tmp_path / "music"
    whole = sounding(folder / "good.wav", 1)
    sounding(folder / "flac.flac", 2)
    (folder / "flac.flac").rename(folder / "is_flac.wav")
    (folder / "dangling.wav").symlink_to(folder / "nowhere.wav")
    (folder / "empty.wav").touch()
    (folder / "folder.wav").mkdir()
    (folder / "text.mp3").write_text("This is a letter. " * 100)
    (folder / "zeros.flac").write_bytes(bytes(5000))
    (folder / "cut_head.wav").write_bytes(whole.read_bytes()[:20])
    (folder / "cut.wav").write_bytes(whole.read_bytes()[:5000])
    flac = sounding(folder / "cut.flac", 3)
    flac.write_bytes(flac.read_bytes()[:4000])
    huge = bytearray(whole.read_bytes())
    at = huge.index(b"data") + 4
    huge[at : at + 4] = (1_500_000_000).to_bytes(4, "little")
    (folder / "huge.wav").write_bytes(huge)
    samples = np.zeros(RATE, np.float32)
    samples[7] = np.nan
    soundfile.write(folder / "nan.wav", samples, RATE, subtype="FLOAT")
    soundfile.write(folder / "nothing.wav", np.zeros(0), RATE)
    soundfile.write(folder / "short.wav", np.zeros(50), RATE)
    return folder


def test_every_broken_file_is_listed_by_its_kind_and_the_rest_is_heard(tmp_path: Path, broken: Path) -> None:
    done = catalogue.add(tmp_path / "cat", [broken], NETWORK)
    assert done.n_heard == 2
    assert {Path(one.path).name: one.state for one in done.failures} == KINDS
    said = [json.loads(line) for line in (tmp_path / "cat" / "failures.jsonl").read_text().splitlines()]
    assert {one["id"]: one["kind"] for one in said} == KINDS
    assert all(one["reason"] for one in said)
    assert done.kinds["truncated"] == 3


def test_what_failed_is_not_tried_again_until_it_is_asked_for_or_changes(tmp_path: Path, broken: Path) -> None:
    cat = tmp_path / "cat"
    catalogue.add(cat, [broken], NETWORK)
    before = held(cat)
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(working, "_look", lambda one: pytest.fail(f"{one.path} was tried"))
        again = catalogue.add(cat, [broken])
    assert (again.n_same, len(again.failures)) == (2, len(KINDS))
    assert catalogue.add(cat, retry=True).n_heard == 0
    assert held(cat) == before
    sounding(broken / "text.mp3".replace("mp3", "wav"), 9)
    sounding(broken / "cut.wav", 10)
    (broken / "text.mp3").unlink()
    mended = catalogue.add(cat, [broken])
    assert mended.n_heard == 2
    assert {one.id for one in mended.failures} == set(KINDS) - {"text.mp3", "cut.wav"}


def test_retrying_hears_what_was_mended_where_nobody_could_see_it(tmp_path: Path, broken: Path) -> None:
    cat = tmp_path / "cat"
    catalogue.add(cat, [broken], NETWORK)
    (broken / "dangling.wav").unlink()
    sounding(broken / "dangling.wav", 11)
    done = catalogue.add(cat, retry=True)
    assert done.n_heard == 1
    assert "dangling.wav" not in {one.id for one in done.failures}


def test_a_file_that_changes_while_it_is_read_is_left_for_another_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, hear = sounding(tmp_path / "music" / "a.wav", 1), working.hear_once

    def meanwhile(*given: object) -> object:
        found = hear(*given)  # type: ignore[arg-type]
        os.utime(path, ns=(1, 1))
        return found

    with monkeypatch.context() as patched:
        patched.setattr(working, "hear_once", meanwhile)
        done = catalogue.add(tmp_path / "cat", [path], NETWORK)
    assert [one.state for one in done.failures] == ["changing"]
    assert catalogue.add(tmp_path / "cat", [path]).n_heard == 1


@pytest.mark.usefixtures("interruptible")
def test_an_interruption_in_the_middle_of_a_file_is_not_its_fault(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    paths, hear = [sounding(tmp_path / "music" / f"{seed}.wav", seed) for seed in range(3)], working.hear_once

    def meanwhile(*given: object) -> object:
        if Path(given[2].path) == paths[1]:  # type: ignore[attr-defined]
            os.kill(os.getpid(), signal.SIGINT)
            return AudioError(paths[1], "truncated or damaged: what a decoder says that was disturbed")
        return hear(*given)  # type: ignore[arg-type]

    monkeypatch.setattr(working, "hear_once", meanwhile)
    with pytest.raises(KeyboardInterrupt):
        catalogue.add(tmp_path / "cat", paths, NETWORK)
    monkeypatch.undo()
    assert catalogue.load(tmp_path / "cat").files["id"].to_list() == ["0.wav"], "what was heard before is kept"
    done = catalogue.add(tmp_path / "cat", paths)
    assert (done.n_heard, done.n_same, done.failures) == (2, 1, ())


def test_numbers_that_are_not_finite_are_a_failure_of_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = sounding(tmp_path / "a.wav", 1)
    monkeypatch.setattr("earmark.catalogue.hearing._frames", lambda *_: np.full((1, 3, 128), np.inf))
    done = catalogue.add(tmp_path / "cat", [path], NETWORK)
    assert [(one.state, one.reason) for one in done.failures] == [
        ("not finite", "'logmel' gave numbers that are not finite")
    ]


def test_a_file_too_long_to_be_heard_whole_says_what_to_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = sounding(tmp_path / "a.wav", 1)
    monkeypatch.setattr("earmark.catalogue.hearing.LOOKED_INTO_BYTES", 10)
    monkeypatch.setattr("earmark.catalogue.hearing.LONGEST_WHOLE_S", 0.1)
    (failure,) = catalogue.add(tmp_path / "cat", [path], NETWORK).failures
    assert failure.state == "too long"
    assert "Make the catalogue with --segment SECONDS" in failure.reason
    assert catalogue.add(tmp_path / "cut", [path], NETWORK, segment_s=0.2).n_heard == 1


def test_of_a_long_file_a_short_region_is_heard_whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    sounding(tmp_path / "a.wav", 1, 1.0)
    monkeypatch.setattr("earmark.catalogue.hearing.LOOKED_INTO_BYTES", 10)
    monkeypatch.setattr("earmark.catalogue.hearing.LONGEST_WHOLE_S", 0.5)
    (tmp_path / "m.csv").write_text("path,id,start_s,end_s\na.wav,x,0.3,0.7\na.wav,y,0.1,0.9\n")
    done = catalogue.add(tmp_path / "cat", [tmp_path / "m.csv"], NETWORK)
    assert done.n_heard == 1
    assert [(one.id, one.state) for one in done.failures] == [("y", "too long")]


@pytest.mark.slow
def test_a_file_that_ends_the_process_that_hears_it_is_one_failure_and_no_more(tmp_path: Path) -> None:
    folder = tmp_path / "music"
    for number in range(6):
        sounding(folder / f"{number}.wav", number)
    soundfile.write(folder / "deadly.wav", np.full(8000, moody.DIES, np.float32), 8000, subtype="FLOAT")
    done = catalogue.add(tmp_path / "cat", [folder], moody.NAME, jobs=2)
    assert [(Path(one.path).name, one.state) for one in done.failures] == [("deadly.wav", "deadly")]
    assert catalogue.load(tmp_path / "cat").n_tracks == 6
    assert not list((tmp_path / "cat" / working.TRYING).iterdir())
