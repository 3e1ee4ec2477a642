"""MuMu is read as it was published: genres of albums on tracks, and a split of albums."""

import shutil
from pathlib import Path

import pytest

from earmark import conformance
from earmark.datasets import mumu, names, splits
from earmark.datasets.base import Dataset
from earmark.datasets.get import get
from earmark.errors import DataError, MissingPart, UserError
from tests.miniatures import msd
from tests.miniatures import mumu as miniature

TABLE = "MuMu_dataset/MuMu_dataset_multi-label.csv"


@pytest.fixture(scope="module")
def published(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("mumu")
    miniature.make(root)
    return root


@pytest.fixture
def root(published: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(published, tmp_path / "mumu"))


@pytest.fixture(scope="module")
def found(published: Path) -> Dataset:
    return names.load("mumu", published)


def test_a_track_has_the_scored_genres_of_its_first_album_and_its_artist_as_group(found: Dataset) -> None:
    assert len(found.clips) == 48
    clip = found.by_id[msd.TRACKS[0]]
    assert clip.targets == {"genres": ("Acid Jazz", "Album-Oriented Rock (AOR)")}
    assert clip.group == "artist 0"
    assert found.notes == (
        "left out, since genre_labels_MuMu.tsv does not have them: 1 of 7 genres",
        "1 row repeats a track on another album; its first album counts",
    )
    assert conformance.broken_by_dataset(found) == ()


@pytest.mark.parametrize("items", ["amazon_id", "album_mbid", "MSD_track_id"])
def test_an_item_of_the_split_stands_for_its_tracks_whichever_id_it_is(
    found: Dataset, tmp_path: Path, items: str
) -> None:
    miniature.make(tmp_path, items)
    if items == "album_mbid":  # ids have no spaces
        for file in (*tmp_path.glob("splits/items*"), tmp_path / TABLE):
            file.write_text(file.read_text().replace("album ", "album-"))
    again = names.load("mumu", tmp_path)
    (split,) = again.splits["official"]
    for part, numbers in msd.SPLIT.items():
        assert set(getattr(split, part)) == {msd.TRACKS[number] for number in numbers}
    assert again.version == found.version


def test_previews_by_number_are_the_same_dataset(found: Dataset, tmp_path: Path) -> None:
    miniature.make(tmp_path, by_number=True)
    again = names.load("mumu", tmp_path)
    assert again.version == found.version
    assert all(clip.path.is_file() for clip in again.clips)


def test_without_the_files_of_the_split_it_is_drawn_by_artist_and_a_note_says_so(root: Path) -> None:
    shutil.rmtree(root / "splits")
    found = names.load("mumu", root)
    assert found.splits == {}
    assert (
        "items_index_train_MuMu.tsv is not there, so the split is drawn: it is not the official one" in found.notes[-1]
    )
    (drawn,) = splits.resolve(found, None, "genres")
    assert "groups kept whole" in drawn.note
    assert "Rock & Alternative" in found.clips[0].targets["genres"]  # type: ignore[operator]


def test_one_part_of_the_split_alone_is_not_enough(root: Path) -> None:
    (root / "splits" / "items_index_val_MuMu.tsv").unlink()
    with pytest.raises(MissingPart, match=r"items_index_val_MuMu\.tsv"):
        names.load("mumu", root)


def test_items_that_are_of_nothing_are_refused(root: Path) -> None:
    (root / "splits" / "items_index_test_MuMu.tsv").write_text("S4\nS5")
    with pytest.raises(DataError, match=r"none of 2 is, the first being 'S4'\. Fetch the record again"):
        names.load("mumu", root)


def test_a_table_beside_is_the_same(root: Path, found: Dataset) -> None:
    (root / TABLE).rename(root / "MuMu_dataset_multi-label.csv")
    assert names.load("mumu", root).version == found.version


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("MSD_track_id", "track", "it lacks MSD_track_id"),
        (msd.TRACKS[3], "SO123", r"label\.csv:5: expected a track such as TRAADIN128F931D672 and genres, got"),
        ('"Rock & Alternative,Acid Jazz,Album-Oriented Rock (AOR)"', '""', r"label\.csv:2: expected a track .* genres"),
    ],
)
def test_a_table_that_is_not_as_published_is_refused(root: Path, old: str, new: str, message: str) -> None:
    table = root / TABLE
    table.write_text(table.read_text().replace(old, new))
    with pytest.raises(DataError, match=message):
        names.load("mumu", root)


def test_missing_parts_are_named_and_nothing_is_fetched(root: Path, tmp_path: Path) -> None:
    (root / TABLE).unlink()
    with pytest.raises(MissingPart, match=f"expected '{TABLE}' there"):
        names.load("mumu", root)
    with pytest.raises(MissingPart, match="Zenodo record 831189"):
        get("mumu", tmp_path, only="labels")


def test_the_card_counts_songs_and_genres_as_published() -> None:
    assert (mumu.CARD.n_clips, mumu.CARD.labels[0].n_classes) == (147_295, 250)


def test_a_variant_is_refused(root: Path) -> None:
    with pytest.raises(UserError, match="has no variants, got 'mumu:single'"):
        mumu.load("single", root)
