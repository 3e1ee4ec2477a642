"""Medley-solos-DB is read as it was published: the authors' subsets, and songs as groups."""

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from earmark import conformance
from earmark.datasets import medley_solos_db, names
from earmark.datasets.base import Dataset
from earmark.errors import DataError, MissingPart, UnknownName, UserError
from earmark.sources import archives
from tests.datasets.learning import learnt
from tests.miniatures import medley_solos_db as miniature

NAME = "medley-solos-db"
TABLE = f"annotation/{miniature.TABLE}"


@pytest.fixture(scope="module")
def published(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("medley_solos_db")
    miniature.make(root)
    return root


@pytest.fixture
def root(published: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(published, tmp_path / "medley_solos_db"))


@pytest.fixture(scope="module")
def found(published: Path) -> Dataset:
    return names.load(NAME, published)


def test_a_row_is_a_clip_of_one_instrument_and_one_song(found: Dataset, published: Path) -> None:
    assert len(found.clips) == 64
    clip = found.clips[-1]
    assert clip.path == published / "audio" / f"Medley-solos-DB_validation-7_{clip.id}.wav"
    assert clip.targets == {"instrument": "violin"}
    assert clip.group == "song 023"
    assert {one.targets["instrument"] for one in found.clips} == set(miniature.INSTRUMENTS)
    assert found.version.startswith("1.2+")


def test_the_split_is_the_column_subset(found: Dataset) -> None:
    (split,) = found.splits["official"]
    for word, ids in (("training", split.train), ("validation", split.valid), ("test", split.test)):
        assert set(ids) == {clip.id for clip in found.clips if f"_{word}-" in clip.path.name}
    assert (len(split.train), len(split.valid), len(split.test)) == (32, 16, 16)


def test_every_law_holds_and_all_files_are_there(found: Dataset) -> None:
    assert conformance.broken_by_dataset(found) == ()


def test_the_parts_on_the_card_are_all_clips_and_what_the_publisher_says_is_told(found: Dataset) -> None:
    (card,) = found.card.splits
    assert sum(card.sizes[0]) == found.card.n_clips
    assert "21,572" in found.card.layout


def _beside(root: Path) -> None:
    (root / TABLE).rename(root / miniature.TABLE)


def _named(root: Path) -> None:
    (root / "audio").rename(root / "Medley-solos-DB")


def _nested(root: Path) -> None:
    _named(root)
    (root / "audio").mkdir()
    (root / "Medley-solos-DB").rename(root / "audio" / "Medley-solos-DB")


def _twice_wav(root: Path) -> None:
    for path in list((root / "audio").iterdir()):
        path.rename(path.with_name(f"{path.name}.wav"))


@pytest.mark.parametrize("unpacked", [_beside, _named, _nested, _twice_wav])
def test_what_was_unpacked_by_hand_is_the_same_dataset(
    root: Path, found: Dataset, unpacked: Callable[[Path], None]
) -> None:
    unpacked(root)
    other = names.load(NAME, root)
    assert other.version == found.version
    assert all(clip.path.is_file() for clip in other.clips)


def test_the_archive_unpacks_to_what_is_read(root: Path, found: Dataset) -> None:
    labels, audio = found.card.sources
    assert labels.path == TABLE
    packed = miniature.archive(root)
    assert packed == [root / audio.path]
    shutil.rmtree(root / "audio")
    archives.unpack(packed, root / str(audio.unpack_into))
    assert all(clip.path.is_file() for clip in names.load(NAME, root).clips)


@pytest.mark.parametrize("lost", [TABLE, "audio"])
def test_a_missing_part_is_named_with_the_line_to_type(root: Path, lost: str) -> None:
    (root / lost).rename(root / "elsewhere")
    with pytest.raises(MissingPart, match=rf"expected '{lost}[\s\S]*earmark get dataset medley-solos-db"):
        names.load(NAME, root)


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("uuid4", "id", "it lacks uuid4"),
        ("validation,", "valid,", "expected a subset of training, validation, test, got 'valid'"),
        (",000,", ",", "csv:2: expected 5 cells, got 4"),
    ],
)
def test_another_table_is_refused(root: Path, old: str, new: str, message: str) -> None:
    table = root / TABLE
    table.write_text(table.read_text().replace(old, new))
    with pytest.raises(DataError, match=rf"{message}[\s\S]*earmark get dataset medley-solos-db --only labels"):
        names.load(NAME, root)


def test_a_variant_is_refused(root: Path) -> None:
    with pytest.raises(UserError, match="has no variants, got 'medley-solos-db:solos'"):
        medley_solos_db.load("solos", root)
    with pytest.raises(UnknownName, match="medley-solos-db"):
        names.load(f"{NAME}:solos", root)


def test_on_the_miniature_instruments_are_learnt_from_log_mel(
    published: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    scores = learnt("medley_solos_instrument", NAME, published, "accuracy", tmp_path, monkeypatch)
    assert {(row.split, row.n, row.n_groups) for row in scores} == {("official", 16, 8)}
    assert min(row.value or 0 for row in scores) > 0.8
