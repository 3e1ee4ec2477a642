"""Libri-Light is read as its archives unpack: part, reader, book, chapter."""

import shutil
from pathlib import Path

import pytest

from earmark import conformance
from earmark.datasets import names
from earmark.datasets.base import Dataset
from earmark.errors import DataError, MissingPart, UnknownName
from earmark.sources import archives
from tests.miniatures import librilight as miniature


@pytest.fixture(scope="module")
def published(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("librilight")
    miniature.make(root)
    return root


@pytest.fixture
def root(published: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(published, tmp_path / "librilight"))


@pytest.fixture(scope="module")
def found(published: Path) -> Dataset:
    return names.load("librilight", published)


def test_a_chapter_is_a_clip_by_its_place_and_its_reader_is_its_group(found: Dataset, published: Path) -> None:
    assert len(found.clips) == 12
    clip = found.by_id["small/1008/sea_fairies_0812_librivox_64kb_mp3/sea_02_64kb.flac"]
    assert clip.path == published / clip.id
    assert (clip.targets, clip.group) == ({"speaker": "1008"}, "1008")


def test_it_keeps_the_laws(published: Path) -> None:
    assert conformance.broken_by_dataset(names.load("librilight:unlab-60k", published)) == ()


@pytest.mark.parametrize(
    ("variant", "parts"),
    [
        ("small", {"small"}),
        ("medium", {"medium"}),
        ("large", {"large"}),
        ("unlab-6k", {"small", "medium"}),
        ("unlab-60k", {"small", "medium", "large"}),
    ],
)
def test_a_variant_is_one_archive_or_several(published: Path, variant: str, parts: set[str]) -> None:
    loaded = names.load(f"librilight:{variant}", published)
    assert {clip.id.partition("/")[0] for clip in loaded.clips} == parts
    assert {one.path for one in loaded.card.sources} == {f"archives/{part}.tar" for part in parts}


def test_a_union_has_the_hours_and_files_of_its_archives() -> None:
    cards = {variant: names.card(f"librilight:{variant}") for variant in ("small", "medium", "large", "unlab-60k")}
    whole = cards.pop("unlab-60k")
    assert sum(card.n_clips or 0 for card in cards.values()) == whole.n_clips == 219_041
    assert sum(card.hours or 0 for card in cards.values()) == pytest.approx(whole.hours)
    assert whole.hours == pytest.approx(57_706.4)


def test_the_archive_unpacks_to_what_is_read(tmp_path: Path, found: Dataset) -> None:
    packed = miniature.archive(tmp_path / "offered", "small")
    archives.unpack([packed], tmp_path / "root" / str(found.card.sources[0].unpack_into))
    assert names.load("librilight", tmp_path / "root").version == found.version


def test_what_was_cut_into_minutes_is_found_too(root: Path) -> None:
    book = root / "small" / "100" / miniature.BOOKS[0]
    (book / "sea_01_64kb").mkdir()
    (book / "sea_01_64kb.flac").rename(book / "sea_01_64kb" / "sea_01_64kb_0001.flac")
    loaded = names.load("librilight", root)
    assert f"small/100/{miniature.BOOKS[0]}/sea_01_64kb/sea_01_64kb_0001.flac" in loaded.by_id
    assert len(loaded.clips) == 12


def test_the_folder_of_the_readme_is_looked_into(root: Path, found: Dataset) -> None:
    (root / "unlab_data").mkdir()
    (root / "small").rename(root / "unlab_data" / "small")
    loaded = names.load("librilight", root)
    assert loaded.version == found.version
    assert all(clip.path.is_file() for clip in loaded.clips)


def test_a_missing_part_is_named_with_the_line_to_type(root: Path) -> None:
    shutil.rmtree(root / "medium")
    with pytest.raises(MissingPart, match=r"expected 'medium'[\s\S]*earmark get dataset librilight:unlab-6k"):
        names.load("librilight:unlab-6k", root)


def test_a_part_without_recordings_is_refused(root: Path) -> None:
    for file in (root / "small").rglob("*.flac"):
        file.unlink()
    with pytest.raises(DataError, match=r"expected <reader>/<book>/<file>\.flac below it, found no \.flac"):
        names.load("librilight", root)


def test_a_file_that_lies_too_high_is_named(root: Path) -> None:
    (root / "small" / "100" / miniature.BOOKS[0] / "sea_01_64kb.flac").rename(root / "small" / "100" / "one.flac")
    with pytest.raises(DataError, match=r"100/one\.flac': expected small/<reader>/<book>/<file>\.flac"):
        names.load("librilight", root)


def test_a_variant_that_is_none_is_refused(root: Path) -> None:
    with pytest.raises(UnknownName, match="librilight:unlab-6k"):
        names.load("librilight:clean", root)
