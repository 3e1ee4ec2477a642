"""ESC-50 is read as it was published: classes, the author's five parts, and takes of one recording as one group."""

import shutil
from pathlib import Path

import pytest

from earmark import conformance
from earmark.datasets import esc50, names, splits
from earmark.datasets.base import Dataset
from earmark.errors import DataError, MissingPart, UnknownName, UserError
from earmark.sources import archives
from tests.datasets.learning import learnt
from tests.miniatures import esc50 as miniature

TABLE = "ESC-50-master/meta/esc50.csv"


@pytest.fixture(scope="module")
def published(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("esc50")
    miniature.make(root)
    return root


@pytest.fixture
def root(published: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(published, tmp_path / "esc50"))


@pytest.fixture(scope="module")
def found(published: Path) -> Dataset:
    return names.load("esc50", published)


def test_a_row_is_a_clip_with_its_class_and_the_category_of_that(found: Dataset, published: Path) -> None:
    assert len(found.clips) == 100
    clip = found.by_id["3-100305-B-38"]
    assert clip.path == published / "ESC-50-master/audio/3-100305-B-38.wav"
    assert clip.targets == {"sound": "clock_tick", "sound_10": "clock_tick", "major": "interior and domestic"}
    assert found.by_id["1-100106-A-21"].targets == {"sound": "sneezing", "major": "human, not speech"}
    assert found.version.startswith("2.0+")


def test_the_majors_are_the_publishers_columns_in_the_order_of_the_numbers(found: Dataset) -> None:
    major = {clip.targets["sound"]: clip.targets["major"] for clip in found.clips}
    assert major["rooster"] == "animals"
    assert major["crackling_fire"] == "natural soundscapes and water"
    assert major["car_horn"] == "exterior and urban"


def test_the_takes_of_a_recording_are_one_group(found: Dataset) -> None:
    assert found.by_id["2-100200-A-0"].group == found.by_id["2-100200-B-0"].group == "100200"


def test_fold_i_tests_on_part_i_and_validates_on_the_next(found: Dataset) -> None:
    folds = found.splits["folds"]
    assert len(folds) == 5
    for number, fold in enumerate(folds):
        parts = [{name[0] for name in ids} for ids in (fold.test, fold.valid, fold.train)]
        assert parts[:2] == [{str(number + 1)}, {str((number + 1) % 5 + 1)}]
        assert not parts[2] & (parts[0] | parts[1])
        assert len(fold.test) == len(fold.valid) == len(fold.train) // 3 == 20


def test_the_subset_esc_10_has_the_same_folds(found: Dataset) -> None:
    resolved = splits.resolve(found, None, "sound_10", "all")
    assert [(one.name, one.fold) for one in resolved] == [("folds", fold) for fold in range(5)]
    assert {found.by_id[name].targets["sound"] for name in resolved[0].split.test} == {
        *("dog", "rooster", "rain", "crackling_fire", "crying_baby", "clock_tick")
    }


def test_the_laws_hold_and_the_cards_folds_have_all_its_clips(found: Dataset) -> None:
    assert conformance.broken_by_dataset(found) == ()
    (card,) = found.card.splits
    assert all(sum(sizes) == found.card.n_clips for sizes in card.sizes)


def test_the_archive_unpacks_to_what_is_read(root: Path, found: Dataset, tmp_path: Path) -> None:
    packed = miniature.archive(root)
    (source,) = found.card.sources
    assert packed == [root / source.path]
    archives.unpack(packed, tmp_path / "elsewhere" / str(source.unpack_into))
    assert names.load("esc50", tmp_path / "elsewhere").version == found.version


def test_the_folder_of_the_archive_may_be_the_root(root: Path, found: Dataset) -> None:
    assert names.load("esc50", root / "ESC-50-master").version == found.version
    (root / "ESC-50-master").rename(root / "ESC-50")
    assert names.load("esc50", root).version == found.version


def test_a_missing_file_is_listed(root: Path) -> None:
    (root / "ESC-50-master/audio/1-100100-A-0.wav").unlink()
    (law,) = conformance.broken_by_dataset(names.load("esc50", root))
    assert "1 of 100 files are not there, first: 1-100100-A-0" in law


@pytest.mark.parametrize("lost", [TABLE, "ESC-50-master/audio"])
def test_a_missing_part_is_named_with_the_line_to_type(root: Path, lost: str) -> None:
    (root / lost).rename(root / "elsewhere")
    with pytest.raises(MissingPart, match=rf"expected '{lost}[\s\S]*earmark get dataset esc50"):
        names.load("esc50", root)


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("src_file", "source", "with the columns filename, .* it lacks src_file"),
        ("A-0.wav,1,0,", "A-0.wav,6,0,", "'1-100100-A-0.wav': expected a fold of 1 to 5 .* got '6' and '0'"),
        ("A-0.wav,1,0,", "A-0.wav,1,50,", "target of 0 to 49, got '1' and '50'"),
        (",100100,A\n", "\n", "esc50.csv:2: expected 7 cells, got 5"),
    ],
)
def test_another_table_is_refused(root: Path, old: str, new: str, message: str) -> None:
    table = root / TABLE
    table.write_text(table.read_text().replace(old, new))
    with pytest.raises(DataError, match=rf"{message}[\s\S]*Type: earmark get dataset esc50"):
        names.load("esc50", root)


def test_a_table_without_rows_is_refused(root: Path) -> None:
    (root / TABLE).write_text("filename,fold,target,category,esc10,src_file,take\n\n")
    with pytest.raises(DataError, match="expected rows below the head, got none"):
        names.load("esc50", root)


def test_a_variant_is_refused(root: Path) -> None:
    with pytest.raises(UserError, match="has no variants, got 'esc50:esc10'"):
        esc50.load("esc10", root)
    with pytest.raises(UnknownName, match="esc50"):
        names.load("esc50:esc10", root)


def test_on_the_miniature_sounds_are_learnt_from_log_mel(
    published: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    scores = learnt("esc50", "esc50", published, "accuracy", tmp_path, monkeypatch)
    assert {(row.split, row.n) for row in scores} == {("folds", 20)}
    assert min(row.value or 0 for row in scores) > 0.8
