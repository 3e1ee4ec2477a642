"""All Music Moods is read as its authors' code reads it: rows, parts as numbers of rows, moods that a user has."""

import shutil
from pathlib import Path

import numpy as np
import pytest

from earmark import conformance
from earmark.datasets import all_music_moods, names
from earmark.datasets.base import Dataset
from earmark.errors import DataError, MissingPart, UserError
from tests.miniatures import all_music_moods as miniature
from tests.miniatures import msd


@pytest.fixture(scope="module")
def published(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("moods")
    miniature.make(root)
    return root


@pytest.fixture
def root(published: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(published, tmp_path / "moods"))


@pytest.fixture(scope="module")
def found(published: Path) -> Dataset:
    return names.load("all_music_moods", published)


def test_a_row_of_the_table_is_a_track_with_the_moods_of_the_same_row(found: Dataset) -> None:
    assert found.name == "all-music-moods"
    for number, track in enumerate(msd.TRACKS):
        assert found.by_id[track].targets == {"moods": (miniature.MOODS[msd.kind(number)],)}
        assert found.by_id[track].group == msd.artist(number)
    assert conformance.broken_by_dataset(found) == ()


def test_the_parts_are_the_rows_that_are_published(found: Dataset) -> None:
    (split,) = found.splits["artists"]
    for part, numbers in msd.SPLIT.items():
        assert getattr(split, part) == tuple(msd.TRACKS[number] for number in numbers)


def test_previews_by_number_are_the_same_dataset(found: Dataset, tmp_path: Path) -> None:
    miniature.make(tmp_path)
    shutil.rmtree(tmp_path / "audio")
    msd.previews(tmp_path, msd.TRACKS, by_number=True)
    again = names.load("all-music-moods", tmp_path)
    assert again.version == found.version
    assert all(clip.path.is_file() for clip in again.clips)


def test_without_the_moods_what_to_bring_is_said(root: Path) -> None:
    (root / "data" / "mood_target.npy").unlink()
    with pytest.raises(
        MissingPart, match=r"lacks .*never published: bring them as data/mood_target\.npy, a row of zeros"
    ):
        names.load("all-music-moods", root)


@pytest.mark.parametrize("file", ["metadata.csv", "moods.txt", "val_idx.npy"])
def test_a_missing_label_file_is_named_with_the_line_to_type(root: Path, file: str) -> None:
    (root / "data" / file).unlink()
    with pytest.raises(MissingPart, match=f"expected 'data/{file}' there. Type: earmark get dataset all-music-moods"):
        names.load("all-music-moods", root)


def test_without_audio_what_to_bring_is_said(root: Path) -> None:
    shutil.rmtree(root / "audio")
    with pytest.raises(MissingPart, match="previews that 7digital offered once"):
        names.load("all-music-moods", root)


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("track_id", "id", "with the columns track_id, artist_id; it lacks track_id"),
        (msd.TRACKS[0], "TR1", r"metadata\.csv:2: expected a track such as TRAADIN128F931D672, got 'TR1'"),
        (msd.TRACKS[1], msd.TRACKS[0], "got 1 that repeat one"),
    ],
)
def test_a_table_that_is_not_as_published_is_refused(root: Path, old: str, new: str, message: str) -> None:
    table = root / "data" / "metadata.csv"
    table.write_text(table.read_text().replace(old, new))
    with pytest.raises(DataError, match=message):
        names.load("all-music-moods", root)


@pytest.mark.parametrize(
    ("file", "value", "message"),
    [
        ("mood_target.npy", np.zeros((48, 7)), r"expected 48 rows of 6 moods, got \(48, 7\)"),
        ("test_idx.npy", np.array([48]), "expected numbers of 48 rows, got int64"),
        ("test_idx.npy", np.array([0.5]), "expected numbers of 48 rows, got float64"),
    ],
)
def test_arrays_that_do_not_fit_are_refused(root: Path, file: str, value: np.ndarray, message: str) -> None:
    np.save(root / "data" / file, value)
    with pytest.raises(DataError, match=message):
        names.load("all-music-moods", root)


def test_a_pointer_of_git_lfs_in_place_of_an_array_is_refused(root: Path) -> None:
    (root / "data" / "test_idx.npy").write_text("version https://git-lfs.github.com/spec/v1\nsize 53832\n")
    with pytest.raises(DataError, match=r"test_idx\.npy: expected a numpy array, but: .*Type: earmark get dataset"):
        names.load("all-music-moods", root)


def test_the_sizes_of_the_parts_are_those_of_the_published_files() -> None:
    card = all_music_moods.CARD
    arrays = [source.size_bytes or 0 for source in card.sources if source.path.endswith(".npy")]
    assert tuple((size - 128) // 8 for size in arrays) == card.splits[0].sizes[0]
    assert sum(card.splits[0].sizes[0]) == card.n_clips
    assert all(source.holds == "labels" for source in card.sources)


def test_a_variant_is_refused(root: Path) -> None:
    with pytest.raises(UserError, match="has no variants, got 'all-music-moods:x'"):
        all_music_moods.load("x", root)
