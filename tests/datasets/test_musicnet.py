"""MusicNet is read as it was published: whole recordings with composer, ensemble and the instruments that play."""

import shutil
from pathlib import Path

import pytest

from earmark import conformance
from earmark.datasets import musicnet, names, splits
from earmark.datasets.base import Dataset
from earmark.errors import DataError, MissingPart, UserError
from earmark.sources import archives
from tests.datasets.learning import learnt
from tests.miniatures import musicnet as miniature


@pytest.fixture(scope="module")
def published(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("musicnet")
    miniature.make(root)
    return root


@pytest.fixture
def root(published: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(published, tmp_path / "musicnet"))


@pytest.fixture(scope="module")
def found(published: Path) -> Dataset:
    return names.load("musicnet", published)


def test_a_recording_has_three_labels_and_its_composition_as_group(found: Dataset, published: Path) -> None:
    assert len(found.clips) == 25
    clip = found.by_id["1728"]
    assert clip.path == published / "musicnet" / "train_data" / "1728.wav"
    assert clip.targets == {
        "composer": "Beethoven",
        "ensemble": "String Quartet",
        "instruments": ("violin", "viola", "cello"),
    }
    assert clip.group == found.by_id["1733"].group == "Beethoven: Piece, No 0"
    assert conformance.broken_by_dataset(found) == ()


def test_the_split_is_the_two_folders_and_a_tenth_of_train_is_drawn_to_validate(found: Dataset) -> None:
    (split,) = found.splits["official"]
    assert (len(split.train), len(split.valid), len(split.test)) == (20, 0, 5)
    assert split.test == ("1747", "1748", "1749", "1750", "1751")
    (resolved,) = splits.resolve(found, "official", "composer")
    assert resolved.split.test == split.test
    assert resolved.split.valid
    assert set(resolved.split.valid) | set(resolved.split.train) == set(split.train)


def test_the_folders_may_lie_in_the_root_itself(root: Path, found: Dataset) -> None:
    for folder in (root / "musicnet").iterdir():
        folder.rename(root / folder.name)
    assert names.load("musicnet", root).version == found.version


def test_the_archive_unpacks_to_what_is_read(root: Path, found: Dataset) -> None:
    packed = miniature.archive(root)
    (source,) = [one for one in musicnet.CARD.sources if one.unpack_into]
    assert packed == root / source.path
    (root / "musicnet").rename(root / "before")
    archives.unpack([packed], root / str(source.unpack_into))
    again = names.load("musicnet", root)
    assert again.version == found.version
    assert conformance.broken_by_dataset(again) == ()


def test_a_recording_without_its_audio_stays_listed(root: Path) -> None:
    (root / "musicnet" / "test_data" / "1747.wav").unlink()
    assert "1747" in names.load("musicnet", root).by_id


@pytest.mark.parametrize("lost", ["musicnet_metadata.csv", "musicnet/test_data", "musicnet/train_labels"])
def test_a_missing_part_is_named_with_the_line_to_type(root: Path, lost: str) -> None:
    (root / lost).rename(root / "elsewhere")
    with pytest.raises(MissingPart, match=rf"expected '{lost}' there\. Type: earmark get dataset musicnet"):
        names.load("musicnet", root)


@pytest.mark.parametrize(
    ("file", "old", "new", "message"),
    [
        ("musicnet_metadata.csv", "composer", "author", "it lacks composer"),
        (
            "musicnet_metadata.csv",
            "1727,Bach",
            "1727,",
            r"metadata\.csv:2: expected id, composer, composition, ensemble, got 1727",
        ),
        ("musicnet_metadata.csv", "1727,", "9999,", "expected a row of '1727', whose notes are in"),
        (
            "musicnet/train_labels/1727.csv",
            "instrument",
            "program",
            r"1727\.csv: expected a table with the columns instrument; it lacks instrument",
        ),
        (
            "musicnet/train_labels/1727.csv",
            ",1,60",
            ",25,60",
            r"expected instruments 1, 7, 41, .* got 25\. Type: earmark",
        ),
    ],
)
def test_files_that_are_not_as_published_are_refused(root: Path, file: str, old: str, new: str, message: str) -> None:
    path = root / file
    path.write_text(path.read_text().replace(old, new, 1))
    with pytest.raises(DataError, match=message):
        names.load("musicnet", root)


def test_the_card_counts_320_and_10() -> None:
    assert sum(musicnet.CARD.splits[0].sizes[0]) == musicnet.CARD.n_clips == 330
    assert len(musicnet.INSTRUMENTS) == 11


def test_a_variant_is_refused(root: Path) -> None:
    with pytest.raises(UserError, match="has no variants, got 'musicnet:em'"):
        musicnet.load("em", root)


def test_on_the_miniature_composers_are_learnt_from_log_mel(
    published: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    scores = learnt("musicnet_composer", "musicnet", published, "accuracy", tmp_path, monkeypatch)
    assert {(row.split, row.n) for row in scores} == {("official", 5)}
    assert min(row.value or 0 for row in scores) > 0.5, "five composers: chance is 0.2"
