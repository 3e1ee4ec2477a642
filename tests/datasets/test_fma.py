"""FMA is read as it was published: a table with a head of two lines, four sizes, one split, excerpts without audio."""

import hashlib
import shutil
import zipfile
from pathlib import Path

import pytest

from earmark import conformance
from earmark.datasets import fma, names, splits
from earmark.datasets.base import Dataset
from earmark.errors import DataError, MissingPart, UnknownName
from earmark.sources import checksums
from tests.datasets.learning import learnt
from tests.miniatures import fma as miniature

TRACKS = "fma_metadata/tracks.csv"


@pytest.fixture(scope="module")
def published(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("fma")
    for variant in fma.ARCHIVES:
        miniature.make(root, variant)
    return root


@pytest.fixture
def root(published: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(published, tmp_path / "fma"))


@pytest.fixture(scope="module")
def found(published: Path) -> Dataset:
    return names.load("fma", published)


def test_a_track_has_its_top_genre_all_genres_and_its_artist(found: Dataset, published: Path) -> None:
    clip = found.by_id["000003"]
    assert clip.path == published / "fma_small" / "000" / "000003.mp3"
    assert clip.targets == {"genre": "Rock", "genres": ("Punk", "Rock")}
    assert clip.group == found.by_id["000002"].group == "1"
    assert found.name == "fma:small"
    assert conformance.broken_by_dataset(found) == ()


@pytest.mark.parametrize(("variant", "n"), [("small", 21), ("medium", 29), ("large", 37), ("full", 40)])
def test_a_track_belongs_to_the_subset_it_names_and_to_every_larger_one(published: Path, variant: str, n: int) -> None:
    found = names.load(f"fma:{variant}", published)
    assert len(found.clips) == n
    assert {clip.path.parts[-3] for clip in found.clips} == {f"fma_{variant}"}


def test_excerpts_without_audio_are_left_out_and_named_but_whole_tracks_are_not(
    published: Path, found: Dataset
) -> None:
    silent = {f"{number:06d}" for number in miniature.SILENT}
    assert not silent & found.by_id.keys()
    assert len(found.notes) == 3
    assert "099134 (no audio: cut from 139 s on, of 33.25 s (its length was reported as 308))" in found.notes[0]
    assert silent <= names.load("fma:full", published).by_id.keys()


def test_every_excerpt_left_out_begins_past_the_end_of_its_track() -> None:
    assert all(reported // 2 - 15 > real for reported, real in fma.WRONG_LENGTHS.values())
    assert {"099134", "108925", "133297"} <= fma.BAD.keys()
    assert fma.CARDS["small"].n_clips == 8_000 - 3


def test_the_split_is_the_column_and_parts_no_artist(found: Dataset) -> None:
    (split,) = found.splits["official"]
    assert [len(ids) for ids in (split.train, split.valid, split.test)] == [16, 4, 1]
    assert [one.name for one in splits.resolve(found, None, "genre")] == ["official"]


def test_a_track_under_two_top_genres_has_none_but_keeps_its_genres(published: Path) -> None:
    found = names.load("fma:large", published)
    lost = [clip for clip in found.clips if "genre" not in clip.targets]
    assert len(lost) == 4
    assert all(clip.targets["genres"] for clip in lost)


def test_the_plain_name_is_small() -> None:
    assert fma.CARDS[""] == fma.CARDS["small"]


def test_a_published_sha1_is_held_against_a_file(tmp_path: Path) -> None:
    file = tmp_path / "fma_small.zip"
    file.write_bytes(b"audio")
    right = f"sha1:{hashlib.sha1(b'audio').hexdigest()}"
    assert checksums.measure(file, right).problem == ""
    published = fma.CARDS["small"].sources[1].checksum
    assert checksums.measure(file, published).problem == f"expected {published}, got {right}"


def test_the_archives_unpack_to_what_is_read(tmp_path: Path, found: Dataset) -> None:
    miniature.make(tmp_path)
    miniature.archives(tmp_path)
    for source in fma.CARDS["small"].sources:
        assert source.checksum.startswith("sha1:")
        with zipfile.ZipFile(tmp_path / source.path) as file:
            file.extractall(tmp_path / str(source.unpack_into))
    again = names.load("fma", tmp_path)
    assert again.version == found.version
    assert conformance.broken_by_dataset(again) == ()


@pytest.mark.parametrize("lost", [TRACKS, "fma_metadata/genres.csv", "fma_small"])
def test_a_missing_part_is_named_with_the_line_to_type(root: Path, lost: str) -> None:
    (root / lost).rename(root / "elsewhere")
    with pytest.raises(MissingPart, match=rf"expected '{lost}' there\. Type: earmark get dataset fma:small"):
        names.load("fma", root)


def test_a_track_without_its_file_stays_listed(root: Path) -> None:
    (root / "fma_small" / "000" / "000002.mp3").unlink()
    assert "000002" in names.load("fma", root).by_id


@pytest.mark.parametrize(
    ("file", "old", "new", "message"),
    [
        (TRACKS, "genre_top", "top", "expected a head of two lines; it lacks track / genre_top"),
        (TRACKS, ",small,", ",tiny,", r"tracks\.csv:\d+: expected a track of a subset, got \['2', "),
        (TRACKS, ",training,", ",trained,", r"tracks\.csv:\d+: expected a split, got 'trained'"),
        (TRACKS, "[21]", "[99]", r"expected genres of genres\.csv, got 99"),
        ("fma_metadata/genres.csv", "title", "name", "with the columns genre_id, title; it lacks title"),
    ],
)
def test_tables_that_are_not_as_published_are_refused(root: Path, file: str, old: str, new: str, message: str) -> None:
    path = root / file
    path.write_text(path.read_text("utf-8").replace(old, new), "utf-8")
    with pytest.raises(DataError, match=message):
        names.load("fma", root)


def test_a_table_in_another_encoding_is_refused(root: Path) -> None:
    path = root / TRACKS
    path.write_bytes(path.read_bytes() + b"\xe9")
    with pytest.raises(DataError, match=r"tracks\.csv: expected a table of UTF-8 text, but: .* --only labels"):
        names.load("fma", root)


def test_another_variant_is_refused(root: Path) -> None:
    with pytest.raises(UnknownName, match="Did you mean 'fma:small'"):
        fma.load("smal", root)


def test_on_the_miniature_genre_is_learnt_from_log_mel(
    published: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    scores = learnt("fma_medium_genre", "fma:medium", published, "accuracy", tmp_path, monkeypatch)
    assert {row.split for row in scores} == {"official"}
    assert min(row.value or 0 for row in scores) > 0.5, "four genres: chance is 0.25"
