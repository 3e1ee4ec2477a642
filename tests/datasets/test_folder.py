"""A folder of audio is a dataset: folders are classes, nothing is dropped unsaid, nothing is written."""

import logging
from pathlib import Path

import numpy as np
import pytest
import soundfile

from earmark.datasets import folder
from earmark.errors import DataError
from earmark.nouns import Split


def put(root: Path, *names: str) -> None:
    for name in names:
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        if path.suffix in (".wav", ".flac", ".ogg", ".mp3", ".aiff"):
            soundfile.write(path, 0.1 * np.ones(800, np.float32), 8000)
        else:
            path.write_bytes(b"words")


def test_the_folder_right_under_the_root_is_the_class(tmp_path: Path) -> None:
    put(tmp_path, "flute/a.wav", "flute/live/b.FLAC", "tuba/c.mp3", "tuba/d.ogg", "tuba/e.aiff")
    found = folder.load("", tmp_path)
    assert {clip.id: clip.targets["label"] for clip in found.clips} == {
        "flute/a.wav": "flute",
        "flute/live/b.FLAC": "flute",
        "tuba/c.mp3": "tuba",
        "tuba/d.ogg": "tuba",
        "tuba/e.aiff": "tuba",
    }
    assert found.splits == {}
    assert found.name == f"folder:{tmp_path.name}"


def test_the_variant_names_the_label(tmp_path: Path) -> None:
    put(tmp_path, "flute/a.wav")
    assert folder.load("instrument", tmp_path).labels == ("instrument",)


@pytest.mark.parametrize("valid", ["valid", "val", "validation", "dev", "Valid"])
def test_folders_of_parts_are_the_split(tmp_path: Path, valid: str) -> None:
    put(tmp_path, "train/flute/a.wav", f"{valid}/flute/b.wav", "test/tuba/c.wav")
    found = folder.load("", tmp_path)
    assert found.splits == {
        "folders": (Split(("train/flute/a.wav",), (f"{valid}/flute/b.wav",), ("test/tuba/c.wav",)),)
    }
    assert found.labels == ("label",)
    assert {str(clip.targets["label"]) for clip in found.clips} == {"flute", "tuba"}


def test_a_class_may_be_called_train(tmp_path: Path) -> None:
    put(tmp_path, "train/a.wav", "bus/b.wav")
    found = folder.load("", tmp_path)
    assert [clip.targets["label"] for clip in found.clips] == ["bus", "train"]
    assert found.splits == {}


def test_two_names_for_one_part_are_refused(tmp_path: Path) -> None:
    put(tmp_path, "train/x/a.wav", "val/x/b.wav", "dev/x/c.wav")
    with pytest.raises(DataError, match="names one part of a split twice: dev, train, val"):
        folder.load("", tmp_path)


def test_audio_outside_a_class_is_a_clip_without_a_label(tmp_path: Path) -> None:
    put(tmp_path, "a.wav", "flute/b.wav")
    assert [dict(clip.targets) for clip in folder.load("", tmp_path).clips] == [{}, {"label": "flute"}]


def test_broken_audio_is_listed_and_other_files_are_skipped_and_said(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    put(tmp_path, "flute/a.wav", "flute/cover.jpg", "flute/notes", ".git/b.wav", "flute/._a.wav", "tuba/c.m4a")
    (tmp_path / "tuba" / "broken.wav").write_bytes(b"")
    caplog.set_level(logging.INFO, "earmark.datasets")
    found = folder.load("", tmp_path)
    assert [clip.id for clip in found.clips] == ["flute/a.wav", "tuba/broken.wav", "tuba/c.m4a"]
    assert folder.others(tmp_path) == (tmp_path / "flute/cover.jpg", tmp_path / "flute/notes")
    assert "skipped, not audio by their names: 2 (1 .jpg, 1 without ending)" in caplog.text


def test_nothing_is_written_into_the_folder(tmp_path: Path) -> None:
    put(tmp_path, "flute/a.wav", "tuba/b.wav")
    before = {path: path.stat().st_mtime_ns for path in [tmp_path, *tmp_path.rglob("*")]}
    folder.load("", tmp_path)
    assert {path: path.stat().st_mtime_ns for path in [tmp_path, *tmp_path.rglob("*")]} == before


def test_the_version_follows_the_listing(tmp_path: Path) -> None:
    put(tmp_path, "flute/a.wav", "tuba/b.wav")
    first = folder.load("", tmp_path).version
    assert folder.load("", tmp_path).version == first
    put(tmp_path, "tuba/c.wav")
    assert folder.load("", tmp_path).version != first


def test_no_folder_and_no_audio_are_errors_that_say_what_was_expected(tmp_path: Path) -> None:
    put(tmp_path, "words.txt")
    with pytest.raises(DataError, match="holds no audio"):
        folder.load("", tmp_path)
    with pytest.raises(DataError, match="found nothing there"):
        folder.load("", tmp_path / "gone")
    with pytest.raises(DataError, match="found a file there"):
        folder.load("", tmp_path / "words.txt")
